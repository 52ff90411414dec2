/* Charts: ticks are round and inside, texts are escaped, every series is drawn, odd data make a file all the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/svg_plot.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_ticks(void **state)
{
    (void)state;
    double t[SVG_TICKS_MAX];
    assert_int_equal(svg_ticks(0, 1, t), 6);
    assert_true(t[0] == 0 && fabs(t[5] - 1) < 1e-12 && fabs(t[1] - 0.2) < 1e-12);
    assert_int_equal(svg_ticks(3, 3, t), 0);
    for (int i = 0; i < 20000; i++) {
        double low = (i % 199 - 99) * pow(10, i % 13 - 6), high = low + (1 + i % 17) * pow(10, i % 11 - 5);
        if (high - low < 1e-9 * fabs(low))
            continue; /* nothing to see at a double's resolution */
        size_t n = svg_ticks(low, high, t);
        double room = 1e-6 * (high - low);
        assert_true(n >= 2 && n <= SVG_TICKS_MAX);
        for (size_t k = 0; k < n; k++)
            assert_true(t[k] >= low - room && t[k] <= high + room && (k == 0 || t[k] > t[k - 1]));
    }
}

static char *drawn(const struct svg_plot *p)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    svg_plot_write(&b, p);
    assert_true(buf_ok(&b));
    char *text = calloc(b.n + 1, 1);
    memcpy(text, b.p, b.n);
    buf_free(&b);
    return text;
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)); text++)
        n++;
    return n;
}

static void test_file(void **state)
{
    (void)state;
    const double x[] = {0, 1, 2}, y[] = {1, 0.5, 0.2}, low[] = {0.9, 0.4, 0.1}, high[] = {1.1, 0.6, 0.3};
    const struct svg_series s[] = {{"a <b> & c", x, y, low, high, 3, false},
                                   {"plain", x, y, NULL, NULL, 3, true}};
    char *text = drawn(&(struct svg_plot){"A < B", "cost\n", "value & more", s, 2});
    assert_non_null(strstr(text, "a &lt;b> &amp; c"));
    assert_non_null(strstr(text, "A &lt; B"));
    assert_null(strstr(text, "cost\n"));
    assert_int_equal(count(text, "<path"), 3);
    assert_int_equal(count(text, "stroke-dasharray"), 2); /* the line and its legend */
    assert_true(strncmp(text, "<svg ", 5) == 0 && strcmp(text + strlen(text) - 7, "</svg>\n") == 0);
    free(text);
}

static void test_odd_data(void **state)
{
    (void)state;
    const double x[] = {1}, flat[] = {0};
    const struct svg_series one = {"one", x, flat, NULL, NULL, 1, false};
    char *text = drawn(&(struct svg_plot){"t", "x", "y", &one, 1});
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    free(text);
    text = drawn(&(struct svg_plot){"t", "x", "y", NULL, 0});
    assert_null(strstr(text, "nan"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ticks), cmocka_unit_test(test_file),
                                       cmocka_unit_test(test_odd_data)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Charts: ticks are round and inside, places on a logarithmic axis go by powers, texts are escaped, every series is drawn, odd data
 * make a file all the same.
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

static void test_log_ticks(void **state)
{
    (void)state;
    double t[SVG_TICKS_MAX];
    assert_int_equal(svg_log_ticks(1, 10000, t), 5);
    assert_true(t[0] == 1 && t[3] == 1000 && t[4] == 10000);
    assert_int_equal(svg_log_ticks(100, 2000, t), 5);
    assert_true(t[0] == 100 && t[1] == 200 && t[4] == 2000);
    assert_int_equal(svg_log_ticks(3, 4, t), 6); /* as svg_ticks */
    assert_int_equal(svg_log_ticks(0, 1, t), 0);
    assert_int_equal(svg_log_ticks(2, 2, t), 0);
    for (int i = 0; i < 20000; i++) {
        double low = (1 + i % 97) * pow(10, i % 31 - 15), high = low * pow(10, 0.05 + i % 83 * 0.31);
        size_t n = svg_log_ticks(low, high, t);
        assert_true(n >= 2 && n <= SVG_TICKS_MAX);
        for (size_t k = 0; k < n; k++)
            assert_true(t[k] >= low * (1 - 1e-6) && t[k] <= high * (1 + 1e-6) && (k == 0 || t[k] > t[k - 1]));
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
    const struct svg_series s[] = {{.name = "a <b> & c", .x = x, .y = y, .low = low, .high = high, .n = 3},
                                   {.name = "plain", .x = x, .y = y, .n = 3, .dashed = true}};
    char *text = drawn(
        &(struct svg_plot){.title = "A < B", .x_label = "cost\n", .y_label = "value & more", .series = s, .count = 2});
    assert_non_null(strstr(text, "a &lt;b> &amp; c"));
    assert_non_null(strstr(text, "A &lt; B"));
    assert_null(strstr(text, "cost\n"));
    assert_int_equal(count(text, "<path"), 3);
    assert_int_equal(count(text, "stroke-dasharray"), 2); /* the line and its legend */
    assert_int_equal(count(text, "<circle"), 0);
    assert_true(strncmp(text, "<svg ", 5) == 0 && strcmp(text + strlen(text) - 7, "</svg>\n") == 0);
    free(text);
}

/* Equal factors are equally far apart, on both axes; points are marked. */
static void test_log_axes(void **state)
{
    (void)state;
    const double x[] = {1, 10, 1000}, y[] = {0.5, 50, 50000};
    const struct svg_series s = {.name = "s", .x = x, .y = y, .n = 3, .dots = true};
    char *text = drawn(&(struct svg_plot){
        .title = "t", .x_label = "x", .y_label = "y", .series = &s, .count = 1, .log_x = true, .log_y = true});
    double at[3][2];
    const char *from = text;
    for (int i = 0; i < 3; i++) {
        from = strstr(from, "<circle");
        assert_non_null(from);
        assert_int_equal(sscanf(from++, "<circle cx=\"%lf\" cy=\"%lf\"", &at[i][0], &at[i][1]), 2);
    }
    assert_true(fabs((at[1][0] - at[0][0]) * 2 - (at[2][0] - at[1][0])) < 0.3);
    assert_true(fabs((at[0][1] - at[1][1]) * 1.5 - (at[1][1] - at[2][1])) < 0.3);
    assert_non_null(strstr(text, ">10000</text>"));
    free(text);
}

/* The legend's ground is in the corner that is asked for. */
static void test_legend(void **state)
{
    (void)state;
    const double x[] = {0, 1}, y[] = {0, 1};
    const struct svg_series s = {.name = "s", .x = x, .y = y, .n = 2};
    double at[2];
    for (int left = 0; left < 2; left++) {
        char *text = drawn(
            &(struct svg_plot){.title = "t", .x_label = "x", .y_label = "y", .series = &s, .count = 1, .legend_left = left == 1});
        const char *ground = strstr(text, "fill-opacity=\"0.85\"");
        assert_non_null(ground);
        while (*ground != '<')
            ground--;
        assert_int_equal(sscanf(ground, "<rect x=\"%lf\"", &at[left]), 1);
        free(text);
    }
    assert_true(at[1] < 200 && at[0] > 400);
}

static void test_odd_data(void **state)
{
    (void)state;
    const double x[] = {1}, flat[] = {0};
    const struct svg_series one = {.name = "one", .x = x, .y = flat, .n = 1}, tiny = {.name = "tiny", .x = x, .y = x, .n = 1};
    char *text = drawn(&(struct svg_plot){.title = "t", .x_label = "x", .y_label = "y", .series = &one, .count = 1});
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    free(text);
    text = drawn(&(struct svg_plot){.title = "t", .x_label = "x", .y_label = "y"});
    assert_null(strstr(text, "nan"));
    free(text);
    for (size_t n = 0; n < 2; n++) {
        text = drawn(&(struct svg_plot){
            .title = "t", .x_label = "x", .y_label = "y", .series = &tiny, .count = n, .log_x = true, .log_y = true});
        assert_null(strstr(text, "nan"));
        assert_null(strstr(text, "inf"));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ticks),    cmocka_unit_test(test_log_ticks),
                                       cmocka_unit_test(test_file),     cmocka_unit_test(test_log_axes),
                                       cmocka_unit_test(test_legend),   cmocka_unit_test(test_odd_data)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

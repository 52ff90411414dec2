/* Lines from a pipe, cut anywhere, and from nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/line_reader.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static struct line_reader reader;
static int ends[2];

static void open_pipe(void)
{
    assert_int_equal(pipe(ends), 0);
    line_reader_init(&reader, ends[0]);
}

static void close_pipe(void)
{
    if (ends[1] >= 0)
        close(ends[1]);
    close(ends[0]);
    line_reader_free(&reader);
}

static void put(const char *p, size_t n)
{
    assert_int_equal(write(ends[1], p, n), n);
}

static void end(void)
{
    close(ends[1]);
    ends[1] = -1;
}

static void expect(enum line_result want, const char *text, uint64_t number)
{
    struct str line;
    struct error e = {0};
    assert_int_equal(line_reader_next(&reader, want != LINE_LATER, &line, &e), want);
    if (want == LINE_READ)
        assert_true(str_is(line, text));
    assert_int_equal(reader.number, number);
}

static void cut_anywhere(void **state)
{
    (void)state;
    static const char text[] = "one\n\ntwo\r\nthree";
    for (size_t cut = 0; cut < sizeof text; cut++) {
        open_pipe();
        put(text, cut);
        struct str line;
        struct error e;
        uint64_t early = 0;
        while (line_reader_next(&reader, false, &line, &e) == LINE_READ)
            early++;
        assert_int_equal(early, (cut > 3) + (cut > 4) + (cut > 9));
        put(text + cut, sizeof text - 1 - cut);
        end();
        static const char *const lines[] = {"one", "", "two", "three"};
        for (uint64_t i = early; i < 4; i++)
            expect(LINE_READ, lines[i], i + 1);
        expect(LINE_END, NULL, 4);
        expect(LINE_END, NULL, 4);
        close_pipe();
    }
}

static void waits(void **state)
{
    (void)state;
    open_pipe();
    expect(LINE_LATER, NULL, 0);
    put("a", 1);
    expect(LINE_LATER, NULL, 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0); /* as a terminal that somebody shares */
    put("b\nc\n", 4);
    expect(LINE_READ, "ab", 1);
    expect(LINE_READ, "c", 2);
    expect(LINE_LATER, NULL, 2);
    end();
    expect(LINE_END, NULL, 2);
    close_pipe();
}

/* A line over the limit is skipped, whatever its length, and the next ones are there. */
static void too_long(void **state)
{
    (void)state;
    char name[] = "/tmp/tact-line-XXXXXX";
    size_t n = 5 * LINE_READER_MAX;
    char *text = malloc(n);
    memset(text, 'x', n);
    text[LINE_READER_MAX] = '\n';         /* just right */
    text[2 * LINE_READER_MAX + 2] = '\n'; /* one too many */
    text[n - 3] = '\n';                   /* far too many */
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    assert_int_equal(write(fd, text, n), n);
    lseek(fd, 0, SEEK_SET);
    line_reader_init(&reader, fd);
    struct str line;
    struct error e;
    assert_int_equal(line_reader_next(&reader, true, &line, &e), LINE_READ);
    assert_int_equal(line.n, LINE_READER_MAX);
    expect(LINE_TOO_LONG, NULL, 2);
    expect(LINE_TOO_LONG, NULL, 3);
    expect(LINE_READ, "xx", 4);
    expect(LINE_END, NULL, 4);
    assert_int_equal(reader.bytes, n);
    assert_true(reader.buf.capacity <= 4 * LINE_READER_MAX);
    close(fd);
    line_reader_free(&reader);
    free(text);
}

static void cannot_read(void **state)
{
    (void)state;
    struct str line;
    struct error e = {0};
    int fd = open("/tmp", O_RDONLY);
    line_reader_init(&reader, fd);
    assert_int_equal(line_reader_next(&reader, true, &line, &e), LINE_FAILED);
    assert_non_null(strstr(e.text, "cannot read: Is a directory"));
    close(fd);
    line_reader_free(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(waits),
        cmocka_unit_test(too_long),
        cmocka_unit_test(cannot_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Damaged segments: whatever happens to the bytes, reading gives a prefix of the records that were written,
 * or an error that says where; never a record that was not written.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "log_files.h"
#include "log/segment.h"

enum { BLOCKS = 6, PER_BLOCK = 3, RECORDS = BLOCKS * PER_BLOCK };

/* Several small blocks, made with the packer so that their borders are known. ends[i] is where block i ends.
 */
static void make_segment(const char *path, uint64_t ends[BLOCKS])
{
    struct error e = {0};
    struct buf raw, block, file;
    struct block_packer *packer = block_packer_new();
    uint8_t header[SEGMENT_HEADER_BYTES], bytes[200];
    buf_init(&raw, LOG_BLOCK_MAX);
    buf_init(&block, 1 << 20);
    buf_init(&file, 1 << 20);
    segment_header(header, 1736931600000);
    buf_append(&file, header, sizeof header);
    for (uint64_t i = 0; i < RECORDS; i++) {
        size_t n = record_make(i, bytes, sizeof bytes);
        buf_varint(&raw, n);
        buf_append(&raw, bytes, n);
        if (i % PER_BLOCK == PER_BLOCK - 1) {
            assert_int_equal(block_pack(packer, (struct str){(char *)raw.p, raw.n}, PER_BLOCK, &block, &e),
                             0);
            buf_append(&file, block.p, block.n);
            ends[i / PER_BLOCK] = file.n;
            buf_clear(&raw);
        }
    }
    file_write(path, file.p, file.n);
    block_packer_free(&packer);
    buf_free(&raw);
    buf_free(&block);
    buf_free(&file);
}

/* Reads the segment: how many records, all right ones in order. *rc is how it ended, *e the error. */
static uint64_t read_prefix(const char *path, int *rc, struct error *e)
{
    struct log_reader *r;
    struct str record;
    uint64_t n = 0;
    *rc = log_read_open(&r, path, e);
    if (*rc)
        return 0;
    while ((*rc = log_read_next(r, &record, e)) == 1)
        assert_int_equal(record_number(record), n++);
    struct error again = {0};
    assert_int_equal(log_read_next(r, &record, &again), *rc); /* it stays so */
    log_read_close(&r);
    return n;
}

static void test_every_byte(void **state)
{
    char path[300];
    uint64_t ends[BLOCKS];
    snprintf(path, sizeof path, "%s/s1-1736931600000-00000001.tlog", (char *)*state);
    make_segment(path, ends);
    size_t n;
    uint8_t *bytes = file_read(path, &n);
    int rc;
    struct error e = {0};
    assert_int_equal(read_prefix(path, &rc, &e), RECORDS);
    int fd = open(path, O_WRONLY);
    for (size_t at = 0; at < n; at++) {
        for (int flip = 0; flip < 3; flip++) {
            uint8_t bad = flip == 0 ? bytes[at] ^ 1 : flip == 1 ? bytes[at] ^ 0x80 : (uint8_t)~bytes[at];
            assert_int_equal(pwrite(fd, &bad, 1, (off_t)at), 1);
            e = (struct error){0};
            uint64_t got = read_prefix(path, &rc, &e);
            uint64_t block = 0;
            while (at >= ends[block])
                block++;
            if (at < 8) { /* the segment's magic */
                assert_int_equal(rc, ERR_CORRUPT);
                assert_int_equal(got, 0);
            } else if (at < SEGMENT_HEADER_BYTES) { /* its time, which nothing depends on */
                assert_int_equal(rc, 0);
                assert_int_equal(got, RECORDS);
            } else { /* all blocks before it; an error unless it is the last one */
                assert_int_equal(got, block * PER_BLOCK);
                assert_int_equal(rc, block == BLOCKS - 1 ? 0 : ERR_CORRUPT);
                char offset[40];
                snprintf(offset, sizeof offset,
                         "offset %llu:", block ? (unsigned long long)ends[block - 1] : 16ull);
                if (rc && (!strstr(e.text, path) || !strstr(e.text, offset)))
                    fail_msg("no place in: %s (wanted %s)", e.text, offset);
            }
        }
        assert_int_equal(pwrite(fd, bytes + at, 1, (off_t)at), 1);
    }
    close(fd);
    free(bytes);
}

/* Cut anywhere: the whole blocks, no error; opening for writing cuts exactly there; zeros at the end are a
 * torn tail too. */
static void test_every_length(void **state)
{
    char path[300];
    uint64_t ends[BLOCKS];
    snprintf(path, sizeof path, "%s/s1-1736931600000-00000001.tlog", (char *)*state);
    make_segment(path, ends);
    size_t n;
    uint8_t *bytes = file_read(path, &n);
    uint8_t *padded = calloc(1, n + 5000);
    for (size_t length = 0; length <= n; length++) {
        uint64_t whole = 0, end = SEGMENT_HEADER_BYTES;
        while (whole < BLOCKS && ends[whole] <= length)
            end = ends[whole++];
        for (int zeros = 0; zeros < 2; zeros++) {
            memset(padded, 0, n + 5000);
            memcpy(padded, bytes, length);
            file_write(path, padded, zeros ? n + 5000 : length);
            int rc;
            struct error e = {0};
            uint64_t got = read_prefix(path, &rc, &e);
            if (zeros && length < 8 && length > 0) { /* half a magic and zeros: foreign */
                assert_int_equal(rc, ERR_CORRUPT);
                continue;
            }
            assert_int_equal(rc, 0);
            assert_int_equal(got, whole * PER_BLOCK);
            if (length % 7 && length != n)
                continue; /* opening for writing is slower */
            struct log_options o = {.folder = *state, .server = "s1"};
            struct log_writer *w;
            assert_int_equal(log_open(&w, &o, &e), 0);
            log_close(&w);
            struct stat info;
            assert_int_equal(stat(path, &info), 0);
            uint64_t header =
                zeros ? SEGMENT_HEADER_BYTES : length; /* a torn header is left: nothing is in it */
            assert_int_equal(info.st_size, length < SEGMENT_HEADER_BYTES ? header : end);
        }
    }
    free(bytes);
    free(padded);
}

/* Another server's torn tail is not ours to cut, and damage in the middle is left as it is. */
static void test_not_ours(void **state)
{
    char ours[300], theirs[300];
    uint64_t ends[BLOCKS];
    snprintf(ours, sizeof ours, "%s/s1-1736931600000-00000007.tlog", (char *)*state);
    snprintf(theirs, sizeof theirs, "%s/s1-x-1736931600000-00000001.tlog", (char *)*state);
    make_segment(ours, ends);
    make_segment(theirs, ends);
    assert_int_equal(truncate(theirs, (off_t)ends[2] + 10), 0);
    int fd = open(ours, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, (off_t)ends[1] + 30), 1);
    assert_int_equal(ftruncate(fd, (off_t)ends[4] + 5), 0);
    close(fd);
    struct log_options o = {.folder = *state, .server = "s1", .sync = true};
    struct log_writer *w;
    struct error e = {0};
    assert_int_equal(log_open(&w, &o, &e), 0);
    assert_int_equal(log_append(w, STR("new"), NULL, NULL), 0);
    log_close(&w);
    struct stat info;
    assert_int_equal(stat(theirs, &info), 0);
    assert_int_equal(info.st_size, ends[2] + 10);
    assert_int_equal(stat(ours, &info), 0);
    assert_int_equal(info.st_size, ends[4] + 5);
    /* reading the folder: ours up to the damage; skipped, the new one and theirs */
    struct log_reader *r;
    struct str record;
    int n = 0;
    assert_int_equal(log_read_open(&r, *state, &e), 0);
    while (log_read_next(r, &record, &e) == 1)
        n++;
    assert_int_equal(n, 2 * PER_BLOCK);
    assert_non_null(strstr(e.text, "-00000007.tlog: offset "));
    log_read_skip(r);
    assert_int_equal(log_read_next(r, &record, &e), 1);
    assert_true(str_is(record, "new"));
    const char *file;
    uint64_t offset;
    log_read_where(r, &file, &offset);
    assert_non_null(strstr(file, "-00000008.tlog")); /* the sequence goes on */
    for (n = 0; log_read_next(r, &record, &e) == 1; n++)
        assert_int_equal(record_number(record), n);
    assert_int_equal(n, 3 * PER_BLOCK);
    log_read_close(&r);
}

/* A block whose checksum is right but whose contents are not what the header says: an error, whatever comes
 * after. */
static void test_lying_blocks(void **state)
{
    char path[300];
    snprintf(path, sizeof path, "%s/x.tlog", (char *)*state);
    struct error e = {0};
    struct block_packer *packer = block_packer_new();
    static const struct {
        const char *raw;
        size_t n;
        uint32_t records;
    } cases[] = {{"\3abc", 4, 2},
                 {"\3abc\3abc", 8, 1},
                 {"\4abc", 4, 1},
                 {"\3abc\x80", 5, 2},
                 {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 10, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf block, file;
        uint8_t header[SEGMENT_HEADER_BYTES];
        buf_init(&block, 1 << 20);
        buf_init(&file, 1 << 20);
        segment_header(header, 5);
        buf_append(&file, header, sizeof header);
        assert_int_equal(
            block_pack(packer, (struct str){cases[i].raw, cases[i].n}, cases[i].records, &block, &e), 0);
        buf_append(&file, block.p, block.n);
        file_write(path, file.p, file.n);
        int rc;
        assert_int_equal(read_prefix(path, &rc, &e), 0);
        assert_int_equal(rc, ERR_CORRUPT);
        assert_non_null(strstr(e.text, "x.tlog: offset 16"));
        buf_free(&block);
        buf_free(&file);
    }
    block_packer_free(&packer);
    file_write(path, "some text that is no segment at all", 35);
    int rc;
    read_prefix(path, &rc, &e);
    assert_int_equal(rc, ERR_CORRUPT);
    assert_non_null(strstr(e.text, "not a segment"));
}

/* A tail full of what looks like headers ends, soon, as damage or as torn; and the same for random bytes. */
static void test_search_is_bounded(void **state)
{
    char path[300];
    snprintf(path, sizeof path, "%s/x.tlog", (char *)*state);
    struct buf file;
    uint8_t header[SEGMENT_HEADER_BYTES];
    buf_init(&file, 64 << 20);
    segment_header(header, 5);
    buf_append(&file, header, sizeof header);
    while (file.n < 8 << 20) { /* each claims about 1 MiB */
        buf_str(&file, STR("TBLK"));
        buf_u32le(&file, 1 << 20);
        buf_u32le(&file, 1 << 20);
        buf_u32le(&file, 5);
        buf_u64le(&file, file.n);
    }
    file_write(path, file.p, file.n);
    int rc;
    struct error e = {0};
    assert_int_equal(read_prefix(path, &rc, &e), 0);
    assert_int_equal(rc, ERR_CORRUPT); /* the budget ended the search: damage, so that nothing is cut */
    for (size_t i = 16; i + 4 < file.n; i += 4)
        memcpy(file.p + i, "TBLK", 4);
    file_write(path, file.p, file.n);
    assert_int_equal(read_prefix(path, &rc, &e), 0);
    assert_int_equal(rc, 0); /* no header among them is possible */
    buf_free(&file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_every_byte), TEST(test_every_length), TEST(test_not_ours),
                                       TEST(test_lying_blocks), TEST(test_search_is_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

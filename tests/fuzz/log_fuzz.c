/* Hostile segments: the bytes are read as a segment file, and as a file of whole blocks whose contents the
 * bytes are (the checksum made right, so that what is behind it is reached). Reading ends, gives only slices
 * of the bounded block, and repeats itself exactly.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "log/log_reader.h"
#include "log/segment.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECK(condition) ((condition) ? (void)0 : abort())

/* Hash over all records and the way it ended. */
static uint64_t read_through(const char *path)
{
    struct log_reader *r;
    struct error e = {0};
    struct str record;
    uint64_t hash = 0, done, total, offset;
    const char *file;
    int rc = log_read_open(&r, path, &e);
    CHECK(rc == 0 && r);
    while ((rc = log_read_next(r, &record, &e)) == 1) {
        CHECK(record.n <= LOG_RECORD_MAX);
        hash = hash64_seed(record.p, record.n, hash + 1);
        log_read_where(r, &file, &offset);
        CHECK(offset >= SEGMENT_HEADER_BYTES);
    }
    CHECK(rc == 0 || (rc == ERR_CORRUPT && e.text[0]));
    log_read_progress(r, &done, &total);
    CHECK(done <= total);
    log_read_close(&r);
    return hash64_seed(&rc, sizeof rc, hash);
}

static void use(const void *p, size_t n)
{
    char path[64];
    int fd = memfd_create("segment", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(write(fd, p, n) == (ssize_t)n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK(read_through(path) == read_through(path));
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    use(data, size);
    if (size < 4)
        return 0;
    /* two blocks: raw bytes and records from the input, the rest of it as stored bytes */
    struct buf file;
    uint8_t header[SEGMENT_HEADER_BYTES];
    buf_init(&file, 1 << 24);
    segment_header(header, 1);
    buf_append(&file, header, sizeof header);
    for (int k = 0; k < 2; k++) {
        size_t at = file.n;
        buf_str(&file, STR("TBLK"));
        buf_u32le(&file, data[0] + 256u * data[1]);
        buf_u32le(&file, (uint32_t)(size - 4));
        buf_u32le(&file, data[2] + 256u * data[3]);
        if (!buf_ok(&file))
            break;
        buf_u64le(&file, hash64_seed(data + 4, size - 4, hash64(file.p + at, 16)));
        buf_append(&file, data + 4, size - 4);
    }
    if (buf_ok(&file))
        use(file.p, file.n);
    buf_free(&file);
    return 0;
}

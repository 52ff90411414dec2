/* The durable log: records (opaque bytes, in practice protobuf LogRecord) appended to segments by a writer thread, read back
 * in order. Group commit: the thread takes everything that waits, writes it as one block, syncs, and reports.
 *
 * A segment file NAME.tlog: 16-byte header "TACTLOG1" + u64 creation time ms; then blocks:
 *   u32 magic 'TBLK' | u32 raw bytes | u32 stored bytes | u32 records | u64 XXH3 of the 16 bytes before and the stored
 *   bytes | stored bytes = zstd of records, each a varint length and its bytes.
 * All integers little-endian. A torn tail (a block that is short or fails its checksum, with nothing whole after it) is cut
 * when the folder is opened for writing, and ends reading silently; damage in the middle is an error that names file and
 * offset. Segment names sort by time: <server>-<created ms, 13 digits>-<sequence>.tlog, so that several servers may share a
 * folder without sharing a file.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_LOG_LOG_H
#define TACT_LOG_LOG_H
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

enum { LOG_RECORD_MAX = 4 * 1024 * 1024, LOG_BLOCK_MAX = 16 * 1024 * 1024 };

struct log_writer;

struct log_options {
    const char *folder;   /* made if missing */
    const char *server;   /* [a-z0-9_-]{1,32}: goes into segment names */
    bool sync;            /* fdatasync before reporting; false: reported after write (batched) */
    size_t queue_max;     /* bytes that may wait; 0: 64 MiB */
    size_t segment_max;   /* bytes after which a new segment begins; 0: 256 MiB */
    /* Called on the writer thread when reports wait for log_poll (a uv_async_send). */
    void (*wake)(void *user);
    void *wake_user;
};

int log_open(struct log_writer **out, const struct log_options *o, struct error *e) MUST_CHECK;

/* status 0: on disk (sync) or written; else ERR_IO or ERR_NOSPACE (disk full) and the record is not in the log. Called
 * from log_poll, in the order of appending. */
typedef void (*log_cb)(void *user, int status);
/* Copies the record. cb may be NULL. ERR_NOSPACE when the queue is full, ERR_IO while the log is broken (log_healthy). */
int log_append(struct log_writer *w, struct str record, log_cb cb, void *user) MUST_CHECK;
/* Delivers reports on the calling thread. */
void log_poll(struct log_writer *w);
/* False after a failed write until one succeeds; the writer cuts a partly written block and goes on trying with the next
 * append (a failed block's records are reported as failed, never written later). *why gets the error's text. */
bool log_healthy(const struct log_writer *w, char why[128]);

struct log_counts {
    uint64_t records, bytes_raw, bytes_stored, blocks, syncs, failed;
    uint32_t largest_block_records;
};
void log_counts(const struct log_writer *w, struct log_counts *out);
/* Writes what waits, delivers all reports, ends the thread, frees. */
void log_close(struct log_writer **w);

/* ---- reading ---- */

struct log_reader;
/* path: a folder (all segments in name order, so one server's records are in order) or one segment file. */
int log_read_open(struct log_reader **out, const char *path, struct error *e) MUST_CHECK;
/* 1 and the next record (valid until the next call), 0 at the end, negative on damage. */
int log_read_next(struct log_reader *r, struct str *record, struct error *e) MUST_CHECK;
/* File and block offset of the last record, for messages. */
void log_read_where(const struct log_reader *r, const char **file, uint64_t *offset);
/* Bytes done and in all, for progress. */
void log_read_progress(const struct log_reader *r, uint64_t *done, uint64_t *total);
void log_read_close(struct log_reader **r);

#endif

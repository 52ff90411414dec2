/* The durable log: records (opaque bytes, in practice protobuf LogRecord) appended to segments by a writer
 * thread, read back in order (log_reader.h). Group commit: the thread takes everything that waits, writes it
 * as one block, syncs, and reports.
 *
 * A segment file NAME.tlog: 16-byte header "TACTLOG1" + u64 creation time ms; then blocks:
 *   u32 magic 'TBLK' | u32 raw bytes | u32 stored bytes | u32 records | u64 check: XXH3 of the stored bytes,
 * seeded with XXH3 of the 16 bytes before | stored bytes = zstd of records, each a varint length and its
 * bytes. All integers little-endian. A torn tail (a block that is short or fails its checksum, with nothing
 * whole after it) is cut when the folder is opened for writing, and ends reading silently; damage in the
 * middle is an error that names file and offset. Segment names sort by time: <server>-<created ms, 13
 * digits>-<sequence, 8 digits>.tlog, so that several servers may share a folder without sharing a file; one
 * server's names sort in the order of writing even when its clock steps back. <server>.lock keeps a second
 * writer of that name out.
 *
 * Threads: log_append, log_append_to, log_healthy and log_counts from any; each outbox is polled by one thread; log_poll,
 * log_stop and log_close from one. The writer thread calls only wakes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_LOG_LOG_H
#define TACT_LOG_LOG_H
#include "log/block.h" /* LOG_RECORD_MAX, LOG_BLOCK_MAX */
#include "log/log_reader.h"

struct log_writer;

struct log_options {
    const char *folder; /* made if missing (the last component only) */
    const char *server; /* [a-z0-9_-]{1,32}: goes into segment names */
    bool sync;          /* fdatasync before reporting; false: reported after write, synced within a second */
    size_t queue_max; /* bytes that may wait, and LOG_QUEUE_ENTRY a record, until its report is delivered; 0:
                         64 MiB */
    size_t segment_max; /* bytes after which a new segment begins; 0: 256 MiB */
    /* Called on the writer thread when reports wait for log_poll (a uv_async_send). Until log_close has
     * returned. */
    void (*wake)(void *user);
    void *wake_user;
};

enum { LOG_QUEUE_ENTRY = 32 };

/* ERR_INVALID, ERR_IO; ERR_CONFLICT when a living process writes under that name. Segments are made when
 * needed. */
int log_open(struct log_writer **out, const struct log_options *o, struct error *e) MUST_CHECK;

/* status 0: on disk (sync) or written; else ERR_IO or ERR_NOSPACE (disk full) and the record is not in the
 * log (should the machine itself die right after a sync that failed, it may still turn up). Called from
 * log_poll, in the order of appending. */
typedef void (*log_cb)(void *user, int status);
/* Copies the record. cb may be NULL. Returns 0, and the report comes; or a negative code, and none comes:
 * ERR_INVALID over LOG_RECORD_MAX bytes, ERR_NOSPACE when the queue is full, ERR_IO while the log is broken
 * and a record already waits to try again, ERR_UNAVAILABLE once log_close has begun. */
int log_append(struct log_writer *w, struct str record, log_cb cb, void *user) MUST_CHECK;
/* Delivers reports on the calling thread. A callback may append; a log_poll from within one does nothing. */
void log_poll(struct log_writer *w);
/* Where the reports of one thread's records wait for it. At most LOG_OUTBOXES_MAX a writer, made before it is appended to from
 * other threads. wake as in log_options, until log_stop has returned. */
struct log_outbox;
enum { LOG_OUTBOXES_MAX = 64 };
struct log_outbox *log_outbox_new(struct log_writer *w, void (*wake)(void *user), void *wake_user);
int log_append_to(struct log_writer *w, struct log_outbox *to, struct str record, log_cb cb, void *user) MUST_CHECK;
void log_outbox_poll(struct log_outbox *o);
struct log_writer *log_outbox_writer(const struct log_outbox *o);
/* False after a failed write until one succeeds; the writer cuts a partly written block and goes on trying
 * with the next append (a failed block's records are reported as failed, never written later). *why gets the
 * error's text, "" when healthy. */
bool log_healthy(const struct log_writer *w, char why[128]);

struct log_counts {
    uint64_t records, bytes_raw, bytes_stored, blocks, syncs, failed; /* failed: records */
    uint32_t largest_block_records;
    size_t queued_bytes; /* what counts against queue_max now */
};
void log_counts(const struct log_writer *w, struct log_counts *out);
/* Writes what waits and ends the thread; nothing is taken any more. Reports wait for their polls. */
void log_stop(struct log_writer *w);
/* log_stop, delivers the reports of log_append, frees, outboxes too: the threads that poll those must have ended. */
void log_close(struct log_writer **w);

#endif

/* Reading the durable log (what it is and its format: log.h). A reader belongs to one thread. It may read a
 * folder that is being written: what it gives is what was whole when it opened each segment.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_LOG_LOG_READER_H
#define TACT_LOG_LOG_READER_H
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

struct log_reader;
/* path: a folder (all segments in name order, so one server's records are in order) or one segment file.
 * ERR_NOTFOUND when it does not exist; a folder without segments is an empty log. */
int log_read_open(struct log_reader **out, const char *path, struct error *e) MUST_CHECK;
/* 1 and the next record (valid until the next call), 0 at the end, negative on damage; damage is told again
 * by every later call, unless log_read_skip goes past it. */
int log_read_next(struct log_reader *r, struct str *record, struct error *e) MUST_CHECK;
/* After damage: gives up the rest of that segment, so that log_read_next goes on with the following one. */
void log_read_skip(struct log_reader *r);
/* File and block offset of the last record, for messages; "" before the first. Valid until the next call. */
void log_read_where(const struct log_reader *r, const char **file, uint64_t *offset);
/* Bytes done and in all, for progress; in all is counted when the reader is opened. */
void log_read_progress(const struct log_reader *r, uint64_t *done, uint64_t *total);
void log_read_close(struct log_reader **r);

#endif

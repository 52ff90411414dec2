/* The file side of the log's writer: appends blocks to the newest segment, begins new ones, and keeps the
 * promise that a block whose writing failed is not in the log. One thread at a time.
 *
 *            append ok                    write or sync failed
 *   READY ─────────────> READY    READY ─────────────────────> CUT ──(cut back to the last good block)──>
 * READY
 *
 * In CUT nothing is written before the cut has succeeded. After a failed sync, or when the file may not grow,
 * the next block goes to a new segment, because the kernel tells a lost page only once.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_LOG_APPENDER_H
#define TACT_LOG_APPENDER_H
#include "log/block.h"

struct appender;

/* Takes the server's lock, cuts the torn tail of its last segment. The strings are copied. */
int appender_open(struct appender **out, const char *folder, const char *server, size_t segment_max,
                  struct error *e) MUST_CHECK;
/* Writes one block and, if asked, syncs. On failure (ERR_IO, ERR_NOSPACE) the block is not in the log. */
int appender_append(struct appender *a, const struct buf *block, bool sync, struct error *e) MUST_CHECK;
/* Syncs what earlier appends left unsynced; 0 when there is nothing. */
int appender_sync(struct appender *a, struct error *e) MUST_CHECK;
bool appender_unsynced(const struct appender *a);
/* Syncs and closes; the lock is let go. */
void appender_close(struct appender **a);

#endif

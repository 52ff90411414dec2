/* From a loaded snapshot to one that serves: its files go to the archive, its names get their ids from the
 * store, the dictionary goes to the log. Also checks, whenever the store comes back, that it still is the one
 * whose ids we use.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_ACTIVATE_H
#define TACT_SERVER_ACTIVATE_H
#include "server/worker.h"

/* Writes what the snapshot was loaded from beside the log: policy, models and world, the very bytes, whatever has become of their
 * folders since. Blocking file work: not on the loop while it serves. */
int activate_archive(const struct snapshot *s, const char *log_folder, struct error *e) MUST_CHECK;

/* done(user, 0, "") when the snapshot may serve: names has all that it needs, it is bound to them, and they are in the log; else a
 * code and a text. ERR_UNAVAILABLE: the store did not answer; try again with the same snapshot. A reference is held while it is
 * under way. Of the configuration the store, the log, the clock and the server's name are used. */
typedef void (*activate_done)(void *user, int code, const char *text);
void activate(const struct worker_config *c, struct names *names, struct snapshot *snapshot, int64_t deadline_us,
              activate_done done, void *user);

/* Appends the dictionary to the log, so that the blobs in later records can be read. */
int activate_log_names(const struct worker_config *c, const struct names *names, struct error *e) MUST_CHECK;

/* So many names of the snapshot that serves must have the ids they had: those before *before, which goes down to the first of them,
 * and from 0 to the end again. Backwards, since a store that was emptied gives ids anew in the order in which it is asked: from the
 * first name on they would be the same. ERR_CONFLICT: the store is another one. */
void activate_verify(const struct worker_config *c, struct names *names, struct snapshot *snapshot, size_t *before,
                     size_t most, int64_t deadline_us, activate_done done, void *user);

#endif

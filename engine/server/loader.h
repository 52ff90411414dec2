/* Loading and freeing snapshots beside the loop, so that a policy or a model of any size can be loaded, proved and compiled while
 * decisions go on. One load at a time: what is asked for meanwhile is loaded after it, once, however often it was asked for.
 * Retired snapshots are freed there too, since freeing a large model takes milliseconds.
 *
 *   loader_load --thread--> load(user) --loop--> loaded(user, result)
 *   loader_retire --thread--> snapshot_free
 *
 * Neither keeps a call waiting: the thread works at a pace (base/pace.h) and at nice 10, so a load takes at least five times as long
 * as it would alone.
 *
 * All functions: on the loop's thread, but loader_retire on any.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_LOADER_H
#define TACT_SERVER_LOADER_H
#include "server/snapshot.h"
#include <uv.h>

struct loader;

/* load runs on the thread, loaded on the loop. */
struct loader_calls {
    struct snapshot *(*load)(void *user, struct error *e);
    void (*loaded)(void *user, struct snapshot *snapshot_take, const struct error *e);
    void *user;
};

/* *l is to be stopped and freed after a failure too, unless it is NULL. */
int loader_new(struct loader **l, uv_loop_t *loop, const struct loader_calls *calls, struct error *e) MUST_CHECK;
/* Asks for a load. */
void loader_load(struct loader *l);
/* Frees s on the thread; a struct snapshot's retire. user: struct loader. */
void loader_retire(void *user, struct snapshot *s);
/* Waits for the thread, which finishes a load under way (its result is freed) and frees what was retired. The loop must run once
 * more, to close its handle. Once only. False: the thread was not done in time; it still uses all that load does, so nothing of it
 * may be freed, and the process is to end. */
bool loader_stop(struct loader *l, int64_t wait_ms) MUST_CHECK;
/* After the loop closed its handle. */
void loader_free(struct loader **l);

#endif

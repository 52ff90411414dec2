/* Redis's word of changes for a store's link: turns client tracking on over the link once the watch's connection is there, tells
 * a store_watcher, and is off from the moment either connection is lost until both are back.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_REDIS_TRACK_H
#define TACT_STORE_REDIS_TRACK_H
#include "store/redis_link.h"
#include "store/store.h"

struct redis_track;

/* link and prefix outlive it. */
struct redis_track *redis_track_new(uv_loop_t *loop, const struct redis_url *url, struct redis_link *link, const char *prefix,
                                    const struct store_watcher *w);
/* The link is ready, or not any more. */
void redis_track_link(struct redis_track *t, bool ready);
/* After its link, whose last callbacks may come here. */
void redis_track_free(struct redis_track **t);

#endif

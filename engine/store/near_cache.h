/* A near cache in front of a store: blobs of customers that were read or written here, within a bound of bytes, kept right by
 * the store's word of changes (store_watch). It is a store itself; only store_cached makes the difference, everything else goes
 * through and fills or empties it on the way.
 *
 *   miss --read--> MARKER --reply, marker still there--> VALID --changed, own write--> gone
 *                    \--changed meanwhile--> gone: the late reply is not kept
 *
 * An entry is current while the store watches and nobody told of a change. When the watch is lost, entries are unverified:
 * store_cached still gives them, with the time when they last were known to be right, to whoever can do with that; what was
 * kept before a watch that ended before the last one is gone.
 *
 * Several caches of one process (a worker each) share `hints`, one counter for each group of customers, moved on before a write
 * is acknowledged: an entry read before is not current any more, so what one worker acknowledged every other sees at once, without
 * waiting for the store's word.
 *
 * Bytes, not decoded states: decoding costs about a microsecond of the decision's tens, decoded states take several times the
 * room, and an entry outlives a reload of the policy.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_NEAR_CACHE_H
#define TACT_STORE_NEAR_CACHE_H
#include "store/store.h"
#include <stdatomic.h>

enum { NEAR_HINTS = 1 << 18 };
struct near_hints {
    _Atomic uint32_t counters[NEAR_HINTS]; /* by hash of the customer */
};

struct near_cache_options {
    size_t bytes_max;         /* of entries with their overhead; the least recently used go */
    int64_t (*now_us)(void *ctx); /* the clock of the store's deadlines */
    void *ctx;
    struct near_hints *hints; /* of the process; NULL: there is one cache only */
};

/* inner stays the caller's and is freed first, since its last callbacks come through here. */
struct store *near_cache_new(struct store *inner, const struct near_cache_options *o);
void near_cache_free(struct store **cache);

struct near_cache_stats {
    uint64_t hits, misses, unverified; /* what store_cached said */
    uint64_t fills, races;             /* replies kept; replies not kept since something came between */
    uint64_t changes, evicted, losses; /* told of changes; gone for room; times the watch was lost */
    size_t entries, bytes;
    bool watching;
};
struct near_cache_stats near_cache_stats(const struct store *cache);

#endif

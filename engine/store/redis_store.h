/* The store on one Redis (or Valkey): see store.h for the contract and the keys, redis_link.h for the
 * connection.
 *
 * Reads are a GET of the blob, or of blob and record (same slot) by a script; commits, names and the secret are one Lua
 * script each, by EVALSHA; a blob where none may be and no record is SET NX GET where changes are not watched (from Redis 7.0
 * on). Scripts are loaded with every new connection, and once more when Redis has forgotten them (NOSCRIPT), within the
 * call's deadline. A Redis that may evict (maxmemory-policy other than noeviction) or still loads is not used: the store
 * stays not ready and says why. Calls while it is not ready fail at once.
 *
 * STORE_UNAVAILABLE of a commit is certain: its bytes never all left, or Redis said that it does not serve
 * now (LOADING, MASTERDOWN, BUSY …). Bytes that left without a reply: STORE_UNCERTAIN. Reads that fail are
 * always STORE_UNAVAILABLE. One thread: the loop's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_REDIS_STORE_H
#define TACT_STORE_REDIS_STORE_H
#include "store/redis_link.h"
#include "store/store.h"

struct redis_store_options {
    const char *prefix;             /* of all keys; NULL: "tact"; at most STORE_PREFIX_MAX bytes, no braces */
    struct redis_link_options link; /* a member that is 0 has its default */
    /* Up, down, refused, each with a text for people; from the loop, never from inside a call. May be NULL.
     */
    void (*status)(void *user, bool ready, const char *text);
    void *user;
    bool quiet; /* do not log (tests) */
};

/* Starts connecting and returns at once. options may be NULL. ERR_INVALID: url or prefix. */
int redis_store_new(struct store **out, uv_loop_t *loop, const char *url,
                    const struct redis_store_options *options, struct error *e) MUST_CHECK;
/* Open calls get their callback now. Run the loop once more afterwards, so that its handles close. */
void redis_store_free(struct store **s);

struct redis_link_stats redis_store_stats(const struct store *s);

#endif

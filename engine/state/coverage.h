/* Which aggregates a customer's events were counted by, when servers with different policies share a store.
 *
 * A blob says which aggregates its last writer of an event kept up, as ranges of their ids: v first − end of the one
 * before | v length … (3 bytes for a policy whose names were all new at once; no entry before the first event: nothing was
 * missed). A server whose policy has others adopts the blob at its next event: those others count since then
 * (`since`, its own entry), and what it has no name for becomes an orphan: kept with the day on which that was seen, given
 * back to a policy that asks for it within STATE_STALE_MS, then dropped.
 *
 *   old server: event ... new server adds x, event (x since now) ... old server: event (x misses it) ... new server, event:
 *   x since now, again
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_COVERAGE_H
#define TACT_STATE_COVERAGE_H
#include "state/state.h"

/* Fills schema->coverage from the ids. ERR_NOSPACE. */
int coverage_make(struct schema *s) MUST_CHECK;
/* Whether bytes from a blob are ranges in order. */
bool coverage_ok(struct str coverage);
/* Whether the last writer of an event kept up this aggregate; true before the first event. */
bool coverage_has(const struct state *s, size_t aggregate);
/* An event is about to be applied under this schema. */
void coverage_adopt(struct state *s, int64_t now_ms);

#endif

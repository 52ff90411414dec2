/* Which bulk imports a customer has had, so that an import that is run again passes over it, however long after.
 *
 * A mark is 64 bits of the import's content and of the customer's id together, so that the marks of two customers that became
 * one stay apart, and each of them brings room for its own. It is written with the data, in one step. Payload, for each in the
 * order in which they were made: v day since 1970 until which the import's history goes | 8 bytes mark.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_IMPORTS_H
#define TACT_STATE_IMPORTS_H
#include "state/state.h"

/* The mark of an import's content for one customer. */
uint64_t import_mark(uint64_t content, struct str customer);
bool imports_have(const struct state *s, uint64_t mark);
/* Adds a mark; past STATE_IMPORTS_MAX for each id of the customer, and past STATE_IMPORTS_MOST, the first goes. until_ms: how far
 * the import's history goes. 1 added, 0 it was there, ERR_NOSPACE. */
int imports_add(struct state *s, uint64_t mark, int64_t until_ms) MUST_CHECK;
/* into gets from's too, as if they had been made later; before identities_merge. ERR_NOSPACE. */
int imports_merge(struct state *into, const struct state *from) MUST_CHECK;

void imports_put(struct buf *out, const struct state *s);
/* ERR_CORRUPT, ERR_NOSPACE. */
int imports_get(struct cursor *c, struct state *s) MUST_CHECK;

#endif

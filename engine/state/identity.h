/* Who a customer's id stands for. Two ids of one person are merged: the one then leads to the other, which knows both.
 *
 *   redirect    in the blob of an id that leads to another: byte flags (1: the merge is under way, and what else is in the blob
 *               is not yet in the other's) | 8 bytes merge | the other id, to the end
 *   identities  in the blob of the customer, by merge: 8 bytes merge | s time | v id length | id
 *
 * A merge has a number of its own, 64 random bits that are never 0. Whoever has it among its identities has the other's state
 * in its own, also when it came with a third's. The id is empty where it must not be kept (of somebody who was forgotten).
 * Who writes what and when: server/merging.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_IDENTITY_H
#define TACT_STATE_IDENTITY_H
#include "state/state.h"

/* NULL: that merge is not in this state. */
const struct identity *identities_find(const struct state *s, uint64_t merge);
/* 1 added, 0 it was there, ERR_NOSPACE. The id is not copied. */
int identities_add(struct state *s, const struct identity *fresh) MUST_CHECK;
/* into gets from's too. ERR_NOSPACE. */
int identities_merge(struct state *into, const struct state *from) MUST_CHECK;
/* A state that has nothing but where it leads. target is not copied. ERR_NOSPACE. */
int redirect_only(struct state *s, const struct schema *schema, struct arena *arena, const struct redirect *to) MUST_CHECK;

void identities_put(struct buf *out, const struct state *s);
void redirect_put(struct buf *out, const struct state *s);
/* ERR_CORRUPT, ERR_NOSPACE. */
int identities_get(struct cursor *c, struct state *s) MUST_CHECK;
int redirect_get(struct cursor *c, struct state *s) MUST_CHECK;

#endif

/* Who a customer's id stands for, and how two customers become one.
 *
 * A merge of `from` into `to` touches two customers, and a store changes one at a time, atomically. So it goes in three writes,
 * each a compare-and-set, each of which may be the last that its server does:
 *
 *   from: state                      to: state
 *   from: state, leads to `to`,      to: state                       1 begun: from's state stands still from here on
 *         under way, merge 7
 *   from: the same                   to: both states, identity 7     2 taken over
 *   from: leads to `to`              to: both states, identity 7     3 ended
 *
 * Whoever meets a merge that is under way, with any call, ends it first. 2 is skipped when an id further on has the identity,
 * also when it came to it inside another's, so a state is taken over once, however many servers do this at once. `to` may by
 * then lead elsewhere itself: the state goes to the customer at the end of the way, and of several merges under way on it the
 * last goes first.
 *
 * Two that began at the same time the opposite way round (or more, in a ring) wait for each other. Of a ring, merges that were
 * taken over before it closed are ended; of the others, that of the least id is taken back. That is safe: all in the ring stand
 * still, so every server sees the same and takes back the same, and who was slow to take one over finds another version.
 *
 * A way of several steps is shortened when it is walked, once nothing is kept beside the ids on it: until then a repeated request
 * may find its decision there. No turns are taken here: the store's compare-and-set is enough, and merges are rare.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_MERGING_H
#define TACT_SERVER_MERGING_H
#include "server/op.h"

struct merging;

/* Finds the customer at the end of from's way, ending the merges on it; then, when `to` is not empty, makes that one part of the
 * customer at the end of to's. Set as op->merging, and op->step as STEP_MERGE, which runs merging_run. The strings outlive it. */
struct merging *merging_new(struct str from, struct str to);
void merging_free(struct merging **m);
/* STEP_MORE: it is done. STEP_PARK: it waits for the store. STEP_DONE: the call failed and is gone. */
enum step_result merging_run(struct op *op);

/* When done. True: the store cannot be asked, and the call can do without (op->degrades); nothing below is known. */
bool merging_given_up(const struct merging *m);
struct str merging_customer(const struct merging *m);
/* Whom `from` was when a merge was begun, or the same as the customer. */
struct str merging_from(const struct merging *m);
/* The number of the merge that this call began; 0: none, they were one. */
uint64_t merging_began(const struct merging *m);

#endif

/* Why nothing is said, and why an action is not: causes, scopes, evidence, sentences for people.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_EXPLAIN_H
#define TACT_DECIDE_EXPLAIN_H
#include "decide/gate.h"

/* Fills d->suppression. best: the best action that was scored (of those held back by a suppression or the contact policy, or
 * those that were not worth it or could not be rendered), or -1. */
int explain_suppression(struct decision *d, struct gate *g, long best, struct arena *arena,
                        struct error *e) MUST_CHECK;

/* A value as evidence: as value_format, but the age of what never happened is "never". */
void explain_value(struct value v, struct buf *out);
/* The rule or limit behind a block, or empty. */
struct str explain_rule(const struct policy *p, const struct blocker *b);
/* One sentence on why a candidate is where it is; in the arena. p is NULL without memory. */
struct str explain_candidate(const struct decision *d, const struct candidate *c, struct arena *arena);
/* The values that a rule looked at, at the decision's instant; a pair feature's is that for the action. Without memory
 * *out, or the p of a value, is NULL. */
size_t explain_evidence(const struct decision *d, uint32_t action, const struct blocker *b,
                        struct evidence **out, struct arena *arena);

#endif

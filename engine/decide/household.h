/* Households: customers who name the same one share the contacts that limits over a household count.
 *
 * A household has a state of its own that holds contacts and nothing else: those made with anybody who named it then. It is a
 * mirror of the members' own contacts, written before the member's state is. So a slot is taken in the household before anybody
 * may use it, and what a server left behind that died in between counts for too long, never too short: a booking lapses by
 * itself, anything else is done again by the retry, under the same decision.
 *
 * Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_HOUSEHOLD_H
#define TACT_DECIDE_HOUSEHOLD_H
#include "policy/policy.h"
#include "state/state.h"

/* The household that a customer names, where a limit of the policy looks at it; empty: none. */
struct str household_of(const struct policy *p, const struct state *s);
/* Its state from its blob (empty: nobody of it was contacted). HOUSEHOLD_LOST: it cannot be read, or asked for (unknown), and
 * HOUSEHOLD_LATER: it has a later format, and must not be written; limits over it are then full for as long as they look back.
 * ERR_NOSPACE. */
enum { HOUSEHOLD_LOST = 1, HOUSEHOLD_LATER = 2 };
int household_decode(struct state *household, const struct schema *schema, struct str blob, bool unknown, int64_t now_ms,
                     struct arena *arena, struct error *e) MUST_CHECK;
/* Before a decision (or outcome, or contact) is applied: drops the household's contacts of that very decision which the
 * customer does not have, since an earlier try left them. True: there were some. */
bool household_prepare(struct state *household, const struct state *customer, struct id128 decision);
/* Before a reservation is repeated: what the customer has booked of it counts in the household too, also when another try at the
 * same time took it out. 1 changed, 0 not, ERR_NOSPACE as below. */
int household_restore(struct state *household, const struct state *customer, struct id128 decision, int64_t now_ms) MUST_CHECK;
/* Afterwards: what became of the customer's contacts (before: as they were read) becomes of the household's. 1 changed, 0 not,
 * ERR_NOSPACE when the household has STATE_CONTACTS_MAX. */
int household_follow(struct state *household, const struct contact *before, uint32_t before_count, const struct state *customer,
                     int64_t now_ms) MUST_CHECK;

#endif

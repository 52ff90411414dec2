/* What became of decisions, and contacts that were made outside Tact: checked against the policy, applied to a state.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_OUTCOME_WIRE_H
#define TACT_DECIDE_OUTCOME_WIRE_H
#include "decide/decide.h"
#include "tact/v1/customers.pb-c.h"
#include "tact/v1/outcomes.pb-c.h"

enum { EVENT_SEED_OUTCOME = 1, EVENT_SEED_CONTACT = 2 }; /* of the hashes of their ids */

struct outcome {
    Tact__V1__RecordRequest__Kind kind;
    uint64_t event; /* hash of the outcome id */
    struct id128 decision;
    uint32_t action, channel; /* dictionary ids; 0: not known (resolved from the state's contacts) */
    double value;
    int64_t time_ms;
};
/* Applies an outcome: 1 changed, 0 seen before, ERR_NOTFOUND when the decision is not known here, ERR_INVALID for NOT_SENT of
 * what was sent, ERR_NOSPACE. */
int outcome_apply(const struct outcome *o, const struct policy *p, struct state *s, int64_t now_ms,
                  struct error *e) MUST_CHECK;

/* A contact made outside Tact, with dictionary ids; 0 where it is not known: counted as if it were any. */
struct outside_contact {
    struct contact contact;
    long action;    /* index; -1: not given */
    uint64_t event; /* hash of the contact id */
};
/* customer: by what id the request names them. */
int request_contact(const Tact__V1__RecordContactRequest *m, struct str customer, const struct policy *p, int64_t now_ms,
                    struct arena *arena, struct outside_contact *out, struct error *e) MUST_CHECK;
/* The decision that such a contact is kept under: its own, which no Decide can have, and no other customer's contact either, since
 * a household keeps those of several beside each other. ERR_NOSPACE. */
int contact_decision(struct str customer, struct str contact_id, struct arena *arena, struct id128 *out) MUST_CHECK;
/* 1 changed, 0 recorded before, ERR_NOSPACE. */
int outside_contact_apply(const struct outside_contact *c, const struct policy *p, struct state *s, int64_t now_ms,
                          struct error *e) MUST_CHECK;

#endif

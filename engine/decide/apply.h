/* A signal about a customer, applied under a policy: everything that happens with it is here, so that servers, replay,
 * simulation and policy tests do the same.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_APPLY_H
#define TACT_DECIDE_APPLY_H
#include "policy/policy.h"
#include "state/state.h"

/* The customer's time zone: the profile's attribute of that type, else the brand's. */
const struct tz *apply_zone(const struct policy *p, const struct state *s);
/* The hour of the customer's week, 0 (Sunday 00:00) to 167. */
int apply_week_hour(const struct policy *p, const struct state *s, int64_t t_ms);

/* ERR_FORGOTTEN, with a text for people, when the state is a tombstone: nothing may be kept of them. 0: it is none. */
int apply_refuse_forgotten(const struct state *s, struct error *e) MUST_CHECK;

/* 1 applied, 0 a repeat, ERR_NOSPACE, ERR_CORRUPT (state_apply). The signal's week_hour is filled in here. */
int apply_signal(const struct policy *p, struct state *s, const struct signal *signal, int64_t now_ms) MUST_CHECK;
/* In order: how many were no repeats, or an error with its text. */
int apply_signals(const struct policy *p, struct state *s, const struct signal *signals, size_t count, int64_t now_ms,
                  struct error *e) MUST_CHECK;

/* The customer was shown an action (index, or -1: one that this policy lacks, which changes nothing), or answered it. Kept
 * where an expression asks for it. ERR_NOSPACE. */
int apply_shown(const struct policy *p, struct state *s, long action, uint32_t channel_id, int64_t time_ms) MUST_CHECK;
int apply_answered(const struct policy *p, struct state *s, long action, enum contact_outcome outcome,
                   int64_t time_ms) MUST_CHECK;

#endif

/* Simulated data for training and evaluation: people of world.h live their days (life.h), and at each moment
 * an action is drawn uniformly from those that the policy lets through; what was seen, shown and answered
 * becomes a row of CSV.
 *
 * Columns: customer, time, action; the policy's features by name, in its order, as a model sees them (numbers
 * as floats, durations in hours, true or false, text; empty: unknown), pair features for the row's action;
 * action.id and action.<name> for every constant that an action has; action_probability (of the draw),
 * true_propensity (the world's truth), label (1: responded in the end, however late). A row a moment, in order of
 * customer, then time. One customer's rows do not depend on how many others there are.
 *
 * On inbound channels, in a share of the moments (SIMULATE_EXPLORE) suppression rules are set aside for the
 * draw, so that a model can learn from the data what they know: that a promotion fails while a case is open.
 * Consent, quiet hours and limits always hold.
 *
 * The same policy, seed and numbers give the same bytes on every machine.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_SIMULATE_H
#define TACT_OFFLINE_SIMULATE_H
#include "policy/policy.h"

enum { SIMULATE_CUSTOMERS_MAX = 999999, SIMULATE_DAYS_MAX = 365 };
#define SIMULATE_EXPLORE 0.15

struct simulate_options {
    const struct policy *policy; /* bound to a dictionary */
    uint32_t customers, days;    /* days from 2025-01-01 in the brand's zone */
    uint32_t shift_day;          /* the world's shift, at the start of that day counted from 1; 0: none */
    uint64_t seed;
    FILE *out;
    void (*progress)(void *user, uint64_t done, uint64_t total); /* customers; may be NULL */
    void *user;
};

struct simulate_result {
    uint64_t rows, positives;
    double truth; /* mean of true_propensity; 0 without rows */
};

/* ERR_INVALID: the policy lacks what the world needs, or a feature has a column's name; ERR_IO: out cannot be
 * written; ERR_NOSPACE: a state or a row does not fit its memory. */
int simulate(const struct simulate_options *o, struct simulate_result *out, struct error *e) MUST_CHECK;

#endif

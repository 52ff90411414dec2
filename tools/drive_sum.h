/* What came of driving simulated people: a decision judged against the truth, sums over all of them, and how both
 * are shown. Values are those of one decision: true propensity × the action's value − the contact's cost.
 *
 *   chosen    of the action that was chosen; 0 for silence
 *   best      the greatest of those that the policy allowed, or 0, silence's, if that is greater
 *   uniform   the mean of those that the policy allowed: a draw at random
 *   regret    best − chosen
 *
 * Means are over the decisions in which the policy allowed something.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_DRIVE_SUM_H
#define TACT_TOOLS_DRIVE_SUM_H
#include "models/offline/life.h"
#include "tact/v1/decisions.pb-c.h"

enum { DRIVE_CAUSES = 10 }; /* enum suppression_cause */

struct drive_sum {
    uint64_t decisions, shown, silent[DRIVE_CAUSES];
    uint64_t responses, conversions, signals, calls;
    uint64_t negative;            /* promotions shown to somebody with an open case */
    uint64_t open;                /* decisions in which something was allowed */
    double chosen, best, uniform; /* sums over those */
};

struct judgement {
    long action, best; /* indices of the policy's; -1: silence */
    size_t allowed;    /* actions */
    double truth;      /* of the chosen action; 0 for silence */
    double chosen, best_value, uniform;
    bool negative;
};

/* Judges the answer to a moment, an explained decision with at most one choice, against the person as they are
 * now. ERR_INVALID: it speaks of an action that the policy lacks, or has several choices. */
int drive_judge(const struct life *l, const struct act *moment, const Tact__V1__Decision *d,
                struct judgement *out, struct error *e) MUST_CHECK;
void drive_sum_decision(struct drive_sum *s, const Tact__V1__Decision *d, const struct judgement *j);
void drive_sum_add(struct drive_sum *into, const struct drive_sum *from);

/* A line of CSV a decision, with these columns: decision_hash is one of all the Decision's bytes; `responded` is 1
 * when the person will respond, however late. */
#define DRIVE_COLUMNS                                                                                        \
    "customer,time,channel,placement,decision_id,decision_hash,action,cause,rule,propensity,priority,"       \
    "action_probability,allowed,true_propensity,true_value,best_action,best_value,uniform_value,responded\n"
void drive_row(const struct life *l, const struct act *moment, const Tact__V1__Decision *d,
               const struct judgement *j, bool responds, struct buf *out);

/* The summary, for people or as JSON. elapsed_s: what driving took; days: simulated ones, of all people. */
void drive_sum_print(const struct drive_sum *s, uint64_t retries, uint64_t days, double elapsed_s, bool json,
                     FILE *out);

#endif

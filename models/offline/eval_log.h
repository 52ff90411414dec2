/* Rows for evaluation from a server's log: each slot (placement) that a logged decision was asked for is a row, of the action
 * that was put there or of silence; without slots each choice is one, and a suppression is a row of silence. The reward is what
 * was recorded of it within a window. A target policy decides again on the state that was logged, so that what it would have
 * known is exactly what the server knew.
 *
 *   action       as chosen; position: the placement, else the rank ("1", "2", …)
 *   probability  action_probability as logged; of silence 1
 *   reward       from outcomes of that decision and action, at most window_ms after it: response: 1 when there was a RESPONSE or
 *                a CONVERSION; conversion: 1 when there was a CONVERSION; value: the sum of their values
 *   cluster      the customer
 *
 * A decision that was made but never acted upon (no SENT, no IMPRESSION) counts with reward 0: what a policy is worth includes
 * what becomes of its answers. Decisions that a target policy cannot make (another channel, a state it cannot read) are left out
 * and counted.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_EVAL_LOG_H
#define TACT_OFFLINE_EVAL_LOG_H
#include "models/offline/eval_rows.h"
#include "models/offline/policy_target.h"

enum eval_reward { REWARD_RESPONSE, REWARD_CONVERSION, REWARD_VALUE };

struct eval_log_options {
    const char *log;
    enum eval_reward reward;
    int64_t window_ms;
    /* the target policy; policy NULL: none. It is bound here, to the log's dictionary. */
    struct policy *policy;
    const struct scorer *scorer;
    const struct bundle_spec *model;
    const char *world_id;
    void (*progress)(void *user, uint64_t done, uint64_t total);
    void (*damage)(void *user, const char *text);
    void *user;
};

struct eval_log_counts {
    uint64_t decisions, outcomes,
        unmatched;        /* outcomes of decisions that the log lacks or that came too late */
    uint64_t undecidable; /* decisions that the target could not make */
    char why[256];        /* the first one's reason */
};

/* choices (malloc, [n]; NULL without a policy) as TARGET_CHOICES wants them; expected (malloc, [n][actions]) when the model
 * predicts every action, else NULL. ERR_NOTFOUND: no log, or no decision in it. */
int eval_log_read(struct eval_rows *out, const struct eval_log_options *o, uint32_t **choices,
                  double **expected, struct eval_log_counts *counts, struct error *e) MUST_CHECK;

#endif

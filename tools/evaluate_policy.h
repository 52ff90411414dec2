/* What a policy, with its model, would decide on each row of a CSV (plain or zstd-compressed): the row becomes a customer as `tact import` makes one
 * (tools/import/rows.h), and the decision function is asked as the server asks it. So evaluation and serving cannot differ.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_EVALUATE_POLICY_H
#define TACT_TOOLS_EVALUATE_POLICY_H
#include "base/buf.h"
#include "models/offline/eval_rows.h"
#include "server/snapshot.h"
#include "tools/import/rows.h"

struct policy_rows_options {
    const struct snapshot *snapshot; /* its policy bound */
    const char *csv;
    char separator;
    struct import_options import;             /* policy and leave_others are set here */
    const char *channel, *placement, *locale; /* the last two may be NULL */
    int64_t now_ms;
    const struct str *missing; /* cells with these words are empty */
    size_t missing_count;
    struct buf
        *lacking; /* gets the names of attributes that no column fills, parted by commas; NULL: nobody asks */
    void (*progress)(void *user, uint64_t done, uint64_t total);
    void *user;
};

/* Fills choices (malloc: [r->n], indices of r->actions, to which the policy's are added) and, where the bundle predicts
 * silence too (s_learner, t_learner) and knows every action of the policy, expected (malloc: [r->n][r->action_count]; else
 * NULL): the model's prediction for every action. The rows of r must come from the same file. Errors
 * name file and line. An action of the data that the policy lacks is ERR_INVALID. */
int policy_rows(const struct policy_rows_options *o, struct eval_rows *r, uint32_t **choices,
                double **expected, struct error *e) MUST_CHECK;

#endif

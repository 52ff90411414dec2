/* What a table's cells say of each row: its label, its arm, the probability of that arm. The middle of train_data_read, which owns
 * the steps and their order; here is what each column may hold, with a finding at the line of every cell that is wrong.
 *
 *   train_make_arms --> train_choose_rows --> train_read_labels, train_read_probabilities --> (parts) --> train_probabilities
 *
 * All return 0 after findings too (l->found counts them): the caller goes on to find more, and stops before it uses them.
 * ERR_NOSPACE, or ERR_INVALID with the sentence, for what ends the reading at once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_CELLS_H
#define TACT_OFFLINE_TRAIN_CELLS_H
#include "models/offline/frame.h"
#include "models/offline/train_data.h"

enum { TRAIN_NO_COLUMN = -1 };

/* While a table is taken in. */
struct train_loading {
    struct train_data *d;
    const struct train_config *c;
    struct frame *f;
    long label, action, p, time, customer, weight; /* columns of the frame, or TRAIN_NO_COLUMN */
    uint32_t *rows;                                /* [d->n] the frame's row of each of ours */
    uint32_t *text_arms;                           /* the arm of each text of the action column */
    struct diags *diags;
    struct error *e;
    size_t found; /* findings about cells */
};

/* A finding about the frame's row. Cells are wrong by the thousand at times: the first few are shown, all are counted. */
void train_finding(struct train_loading *l, size_t row, const char *text);

/* Makes the arms and says of each text of the action column which one it is. */
int train_make_arms(struct train_loading *l) MUST_CHECK;
/* Which rows of the frame are used (d->n, l->rows), and their arms. */
int train_choose_rows(struct train_loading *l) MUST_CHECK;
int train_read_labels(struct train_loading *l) MUST_CHECK;
/* The objective where the config leaves it open, and what the labels must be for it. */
int train_settle_objective(struct train_loading *l) MUST_CHECK;
/* Those of a column; before anything is made of them, so that all wrong cells are found. */
int train_read_probabilities(struct train_loading *l) MUST_CHECK;
/* Those of the arms, and by them of the rows that have none of their own; after the parts are known. */
int train_probabilities(struct train_loading *l) MUST_CHECK;

#endif

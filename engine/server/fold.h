/* Group commit: the calls that wait behind a customer's write go with it. A burst of signals of one person costs one
 * compare-and-set for up to WORKER_FOLD_MAX of them instead of one each.
 *
 *   blob as read --call's APPLY--> its blob --first waiting call's APPLY--> its blob ... --last--> the blob that is written
 *
 * Each call decodes what the one before encoded, so a call that fails leaves no trace and a decision's record has the very state
 * that it saw. Calls that look at a record beside the state (record_id) are not folded: it would have to be read first.
 * Nor is Forget, which erases more than the state.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_FOLD_H
#define TACT_SERVER_FOLD_H
#include "server/op.h"

/* After the call's own APPLY: applies those folded before once more, then takes others that wait. */
void fold_waiting(struct op *op);
/* The last of the call and its folded ones that changed the state; NULL: none did. */
const struct op *fold_last_write(const struct op *op);
/* The write may have happened. */
void fold_uncertain(struct op *op);
/* The call ends without a write: those folded wait again, in their order. */
void fold_undo(struct op *op);
/* Those folded go on to their own records. */
void fold_log(struct op *folded);

#endif

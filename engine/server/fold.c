/* Group commit; see fold.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/fold.h"
#include "server/op_household.h"

const struct op *fold_last_write(const struct op *op)
{
    const struct op *last = op->dirty ? op : NULL;
    for (const struct op *f = op->folded; f; f = f->fold_next)
        if (f->dirty)
            last = f;
    return last;
}

/* Applies f to what `before` made. False: f failed and is gone. */
static bool apply_one(struct op *f, const struct buf *before)
{
    struct error e = {0};
    buf_clear(&f->blob);
    buf_append(&f->blob, before->p, before->n);
    int rc = buf_ok(&f->blob) ? op_apply(f, &e) : error_set(&e, ERR_NOSPACE, "the request's memory is full");
    if (!rc && f->dirty && f->later_format)
        rc = error_set(&e, ERR_UNAVAILABLE, "the customer's state was written by a later version of the server");
    if (!rc)
        rc = op_make_blob(f, &e);
    if (rc)
        (void)op_fail(f, op_status(rc), "%s", e.text);
    return rc == 0;
}

/* Forgetting is a write of its own kind, and a merge, or a contact of a household, writes to two states: each goes alone. */
static bool may_fold(const struct op *op, const struct op *waiting)
{
    return waiting && !waiting->record_id && op->kind != OP_FORGET && waiting->kind != OP_FORGET &&
           waiting->kind != OP_MERGE && !op_household_may_matter(waiting);
}

void fold_waiting(struct op *op)
{
    struct op **link = &op->folded;
    const struct buf *made = op->dirty ? &op->fresh : &op->blob;
    for (int n = 0; n < WORKER_FOLD_MAX; n++) {
        if (!*link) {
            struct op *waiting = worker_waiting(op);
            if (!may_fold(op, waiting))
                return;
            ASSERT(!waiting->folded); /* they would be answered without being written */
            worker_take_waiting(op);
            *link = waiting;
        }
        struct op *f = *link, *next = f->fold_next;
        if (!apply_one(f, made)) {
            *link = next;
            continue;
        }
        if (f->dirty)
            made = &f->fresh;
        link = &f->fold_next;
    }
}

void fold_uncertain(struct op *op)
{
    op->uncertain = true;
    for (struct op *f = op->folded; f; f = f->fold_next)
        f->uncertain = true;
}

/* The last first, so that they stand in their order. */
static void put_back(struct op *op, struct op *f)
{
    if (!f)
        return;
    put_back(op, f->fold_next);
    f->fold_next = NULL;
    f->step = STEP_LOAD;
    worker_put_back(op, f);
}

void fold_undo(struct op *op)
{
    struct op *folded = op->folded;
    op->folded = NULL;
    put_back(op, folded);
}

void fold_log(struct op *folded)
{
    while (folded) {
        struct op *f = folded;
        folded = f->fold_next;
        f->fold_next = NULL;
        f->step = STEP_LOG;
        worker_stats_of(f->worker)->folded += f->dirty;
        op_run(f);
    }
}

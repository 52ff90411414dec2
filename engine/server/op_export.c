/* Customers.Export: everything that is held of a person. Rare, so it reads more than other calls: all of the customer's keys in
 * one step, then the dictionary.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/op_export.h"
#include "state/codec.h"
#include "tact/v1/customers.pb-c.h"

static int check(struct op *op, struct error *e)
{
    const Tact__V1__ExportRequest *m = (const Tact__V1__ExportRequest *)op->message;
    int rc = op_as_of(op, m->as_of_ms, e);
    return rc ? rc : op_customer(op, m->customer_id, m->alias, e);
}

static void keep_status(struct op *op, const struct store_reply *r)
{
    op->store_status = r->status;
    snprintf(op->store_error, sizeof op->store_error, "%s", r->error ? r->error : "");
}

/* The call's memory is too small for what is held: told as the buffer of the blob being full. */
static bool keep(struct op *op, struct str s, struct str *out)
{
    *out = arena_str(&op->arena, s);
    op->blob.failed |= !out->p;
    return out->p != NULL;
}

/* Further items of the person. */
static void add_items(struct op *op, const struct store_reply *r)
{
    size_t before = op->export.item_count;
    struct store_item *all = arena_alloc(&op->arena, (before + r->item_count + 1) * sizeof *all);
    op->blob.failed |= !all;
    if (!all)
        return;
    if (before)
        memcpy(all, op->export.items, before * sizeof *all);
    op->export.items = all;
    for (size_t i = 0; i < r->item_count; i++) {
        struct store_item *item = &all[before + i];
        item->kind = r->items[i].kind;
        if (!keep(op, r->items[i].name, &item->name) || !keep(op, r->items[i].value, &item->value))
            break;
        op->export.item_count++;
    }
}

static void on_held(void *user, const struct store_reply *r)
{
    struct op *op = user;
    ASSERT(op->magic == OP_MAGIC);
    keep_status(op, r);
    buf_clear(&op->blob);
    buf_str(&op->blob, r->blob);
    add_items(op, r);
    op_run(op);
}

static void on_other_held(void *user, const struct store_reply *r)
{
    struct op *op = user;
    ASSERT(op->magic == OP_MAGIC);
    keep_status(op, r);
    add_items(op, r);
    op_run(op);
}

void op_export_load(struct op *op)
{
    op->step = STEP_GATHER;
    op->export.item_count = op->export.count = op->export.at = 0;
    op->export.known = false;
    store_held(worker_config_of(op->worker)->store, op->customer, op_try_deadline(op), on_held, op);
}

/* The ids that were merged into this one; false: it leads to another itself. */
static bool find_others(struct op *op)
{
    struct state s;
    struct error e;
    struct str blob = {(const char *)op->blob.p, op->blob.n};
    op->export.known = true;
    if (!buf_ok(&op->blob) || state_decode(&s, &op->snapshot->policy->schema, blob, &op->arena, &e))
        return true; /* APPLY will say */
    op->export.others = s.identities;
    op->export.count = s.identity_count;
    return s.redirect.target.n == 0;
}

/* Names that this server has not asked for. */
static void on_dictionary(void *user, const struct store_reply *r)
{
    struct op *op = user;
    ASSERT(op->magic == OP_MAGIC);
    keep_status(op, r);
    struct export_names *n = &op->export.names;
    size_t missing = 0;
    for (size_t i = 0; i < r->name_count; i++)
        missing += names_text(n->own, r->ids[i]).n == 0;
    n->ids = arena_alloc(&op->arena, (missing + 1) * sizeof *n->ids);
    n->texts = arena_alloc(&op->arena, (missing + 1) * sizeof *n->texts);
    op->blob.failed |= !n->ids || !n->texts;
    for (size_t i = 0; n->ids && n->texts && i < r->name_count; i++) {
        if (names_text(n->own, r->ids[i]).n)
            continue;
        n->ids[n->count] = r->ids[i];
        if (!keep(op, r->names[i], &n->texts[n->count]))
            break;
        n->count++;
    }
    op->checked = arena_mark(&op->arena); /* APPLY starts after all this */
    op_run(op);
}

enum step_result op_step_gather(struct op *op)
{
    op->step = STEP_APPLY; /* which tells of a store that failed */
    if (op->store_status != STORE_OK || (!op->export.known && !find_others(op)))
        return STEP_MORE;
    struct store *store = worker_config_of(op->worker)->store;
    while (op->export.at < op->export.count) {
        struct str id = op->export.others[op->export.at++].id;
        if (id.n == 0)
            continue;
        op->step = STEP_GATHER;
        store_held(store, id, op_try_deadline(op), on_other_held, op);
        return STEP_PARK;
    }
    op->export.names = (struct export_names){.own = worker_names(op->worker)};
    store_dictionary(store, op_try_deadline(op), on_dictionary, op);
    return STEP_PARK;
}

static int apply(struct op *op, struct error *e)
{
    (void)op;
    (void)e;
    return 0;
}

static int answer(struct op *op, struct str *out, struct error *e)
{
    const struct export_input in = {.customer = op->customer,
                                    .now_ms = op->now_ms,
                                    .policy = op->snapshot->policy,
                                    .state = &op->state,
                                    .unreadable = op->unreadable
                                                      ? (struct str){(const char *)op->blob.p, op->blob.n}
                                                      : (struct str){NULL, 0},
                                    .names = &op->export.names,
                                    .items = op->export.items,
                                    .item_count = op->export.item_count};
    Tact__V1__ExportResponse r;
    tact__v1__export_response__init(&r);
    struct buf text;
    buf_init(&text, EXPORT_MAX);
    int rc = export_json(&in, &text, e);
    if (!rc) {
        buf_byte(&text, 0);
        rc = buf_ok(&text) ? 0 : error_set(e, ERR_NOSPACE, EXPORT_TOO_BIG, EXPORT_MAX);
    }
    if (!rc) {
        r.found = op->state.exists || op->unreadable || op->export.item_count;
        r.forgotten_ms = op->state.forgotten_ms;
        r.json = (char *)text.p;
        rc = op_pack(op, &r.base, out, e);
    }
    buf_free(&text);
    return rc;
}

const struct op_methods op_export_methods = {&tact__v1__export_request__descriptor, check, apply, NULL,
                                             answer};

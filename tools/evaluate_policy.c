/* A policy on every row of a CSV; see evaluate_policy.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/evaluate_policy.h"
#include "decide/request_wire.h"
#include "models/offline/frame_input.h"
#include "models/offline/policy_target.h"
#include "state/codec.h"
#include <math.h>
#include <stdlib.h>

enum { ROW_MEMORY = 64 << 20, MAP_MEMORY = 16 << 20 };

struct pass {
    const struct policy_rows_options *o;
    struct eval_rows *r;
    struct import_map map;
    struct arena fixed, row;
    struct policy_target target;
    Tact__V1__DecideRequest request;
    char *placement;
    uint32_t *choices;
    double *expected;
};

static int prepare(struct pass *p, struct error *e)
{
    int rc = policy_target_open(&p->target, p->r, true, &p->fixed, e);
    if (rc)
        return rc;
    p->choices = malloc((p->r->n + 1) * sizeof *p->choices);
    if (p->target.expects)
        p->expected = malloc((p->r->n * p->r->action_count + 1) * sizeof *p->expected);
    return p->choices && (!p->target.expects || p->expected) ? 0 : error_set(e, ERR_NOSPACE, "out of memory");
}

static int decide_row(struct pass *p, const Tact__V1__UpsertRequest *customer, size_t row, struct error *e)
{
    const struct policy *policy = p->target.policy;
    struct decide_request request;
    struct state state;
    struct upsert upsert;
    struct decision d;
    p->request.customer_id = customer->customer_id;
    int rc = request_decide(&p->request, policy, p->o->now_ms, &p->row, &request, e);
    if (!rc)
        rc = state_decode(&state, &policy->schema, (struct str){0}, &p->row, e);
    if (!rc)
        rc = request_upsert(customer, policy, p->o->now_ms, &p->row, &upsert, e);
    if (!rc)
        rc = upsert_apply(&upsert, &state, p->o->now_ms, e);
    if (!rc)
        rc = policy_target_decide(&p->target, &state, NULL, &request, p->o->now_ms, 0, &p->row, &d, e);
    if (rc)
        return rc;
    p->choices[row] = policy_target_choice(&p->target, p->r, &d);
    if (p->target.expects)
        rc = policy_target_expect(&p->target, p->r, &d, p->expected + row * p->r->action_count, &p->row, e);
    return rc;
}

/* Words that mean missing become empty cells. */
static void blank(struct pass *p, struct csv_record *r)
{
    struct str *fields = arena_memdup(&p->row, r->fields, r->count * sizeof *fields);
    for (size_t i = 0; fields && i < r->count; i++)
        for (size_t k = 0; k < p->o->missing_count; k++)
            if (str_eq(fields[i], p->o->missing[k]))
                fields[i].n = 0;
    if (fields)
        r->fields = fields;
}

/* A misspelt column would leave its attribute missing in every row, in silence. */
static void tell_lacking(const struct pass *p)
{
    const struct schema *schema = &p->target.policy->schema;
    for (size_t i = 0; p->o->lacking && i < schema->attribute_count; i++) {
        bool filled = false;
        for (size_t k = 0; k < p->map.column_count; k++)
            filled = filled || (p->map.columns[k].role == ROLE_ATTRIBUTE &&
                                str_is(schema->attributes[i].name, p->map.columns[k].attribute));
        if (!filled)
            buf_printf(p->o->lacking, "%s%.*s", p->o->lacking->n ? ", " : "",
                       STR_ARG(schema->attributes[i].name));
    }
}

static int read_rows(struct pass *p, struct csv *csv, struct error *e)
{
    struct import_options import = p->o->import;
    struct csv_record record;
    import.policy = p->target.policy;
    import.leave_others = true;
    if (csv_next(csv, &record, e) != CSV_RECORD)
        return e->code ? e->code : error_set(e, ERR_INVALID, "%s is empty", p->o->csv);
    int rc = import_map_make(&p->map, &import, &record, &p->fixed, e);
    if (rc)
        return error_prefix(e, "%s", p->o->csv);
    tell_lacking(p);
    for (size_t row = 0; row < p->r->n; row++) {
        Tact__V1__UpsertRequest customer;
        arena_reset(&p->row);
        if (csv_next(csv, &record, e) != CSV_RECORD)
            return error_set(e, ERR_INVALID, "%s: it has changed while it was read", p->o->csv);
        if (p->o->missing_count)
            blank(p, &record);
        rc = import_row(&p->map, &record, p->o->now_ms, &p->row, &customer, e);
        if (!rc)
            rc = decide_row(p, &customer, row, e);
        if (rc)
            return error_prefix(e, "%s:%zu", p->o->csv, record.line);
        if (p->o->progress && row % 256 == 0)
            p->o->progress(p->o->user, row, p->r->n);
    }
    return 0;
}

static int fill_request(struct pass *p, struct error *e)
{
    tact__v1__decide_request__init(&p->request);
    p->request.channel = arena_strdup(&p->fixed, p->o->channel);
    if (p->o->locale)
        p->request.locale = arena_strdup(&p->fixed, p->o->locale);
    if (p->o->placement) {
        p->placement = arena_strdup(&p->fixed, p->o->placement);
        p->request.placements = &p->placement;
        p->request.n_placements = 1;
    }
    return p->request.channel && p->request.locale ? 0 : error_set(e, ERR_NOSPACE, "out of memory");
}

int policy_rows(const struct policy_rows_options *o, struct eval_rows *r, uint32_t **choices,
                double **expected, struct error *e)
{
    const struct snapshot *s = o->snapshot;
    struct pass p = {.o = o, .r = r};
    p.target = (struct policy_target){.policy = s->policy,
                                      .scorer = s->binding ? &s->scorer : NULL,
                                      .model = snapshot_spec(s),
                                      .world_id = s->world_id};
    struct csv *csv = NULL;
    struct frame_input *input = NULL;
    arena_init(&p.fixed, MAP_MEMORY);
    arena_init(&p.row, ROW_MEMORY);
    int rc = fill_request(&p, e);
    if (!rc)
        rc = prepare(&p, e);
    if (!rc)
        rc = frame_input_open(&input, o->csv, NULL, NULL, e);
    if (!rc && !(csv = csv_new(o->csv, o->separator, frame_input_read, input)))
        rc = error_set(e, ERR_NOSPACE, "out of memory");
    if (!rc)
        rc = read_rows(&p, csv, e);
    csv_free(&csv);
    frame_input_free(&input);
    arena_free(&p.fixed);
    arena_free(&p.row);
    if (rc) {
        free(p.choices);
        p.choices = NULL;
    }
    if (rc || !p.target.expects) {
        free(p.expected);
        p.expected = NULL;
    }
    *choices = p.choices;
    *expected = p.expected;
    return rc;
}

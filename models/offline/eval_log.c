/* Rows from a log; see eval_log.h. Rows are found again by the hash of (decision id, action) when an outcome comes; a decision is
 * in the log before its outcomes on one server, but not across servers, so outcomes that come first wait in a list of their own.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/eval_log.h"
#include "decide/apply.h"
#include "base/hash.h"
#include "decide/household.h"
#include "decide/request_wire.h"
#include "tact/v1/outcomes.pb-c.h"
#include "models/offline/log_scan.h"
#include "state/codec.h"
#include <math.h>
#include <stdlib.h>

enum { NAMES_MEMORY = 64 << 20, POSITIONS_MAX = 1024 };

struct late {
    uint64_t key;
    int64_t time_ms;
    double value;
    bool conversion;
};

struct reading {
    const struct eval_log_options *o;
    struct eval_rows *r;
    struct eval_log_counts *counts;
    struct log_scan scan;
    struct policy_target target;
    bool bound;
    size_t capacity;
    uint64_t *keys; /* [capacity] of each row */
    int64_t *times; /* [capacity] */
    uint32_t *choices;
    double *expected; /* [capacity][action_count]: only with a target, whose actions are all known by then */
    struct late *late;
    size_t late_count, late_capacity;
    /* names of the rows' actions as they come, with numbers of their own until the end */
    struct arena names;
    struct str *actions;
    size_t action_count, action_capacity;
};

static int full(struct error *e)
{
    return error_set(e, ERR_NOSPACE, "the rows do not fit the memory");
}

static bool grow(void *array, size_t size, size_t n)
{
    void **p = array;
    void *grown = realloc(*p, size * n);
    if (grown)
        *p = grown;
    return grown != NULL;
}

static bool room_for_row(struct reading *x)
{
    struct eval_rows *r = x->r;
    if (r->n < x->capacity)
        return true;
    size_t n = x->capacity ? 2 * x->capacity : 1024;
    bool good = grow(&r->action, sizeof *r->action, n) && grow(&r->reward, sizeof *r->reward, n) &&
                grow(&r->p, sizeof *r->p, n) && grow(&r->position, sizeof *r->position, n) &&
                grow(&r->cluster, sizeof *r->cluster, n) && grow(&x->keys, sizeof *x->keys, n) &&
                grow(&x->times, sizeof *x->times, n) && grow(&x->choices, sizeof *x->choices, n);
    if (good && x->target.expects)
        good = grow(&x->expected, sizeof *x->expected * r->action_count, n);
    if (good)
        x->capacity = n;
    return good;
}

static uint64_t key_of(const void *decision, size_t n, const char *action)
{
    return hash64_seed(action, strlen(action), hash64(decision, n));
}

/* ---- names ---- */

/* Until the end a row's action is a place in this list. */
static long action_number(struct reading *x, const char *name)
{
    for (size_t i = 0; i < x->action_count; i++)
        if (str_is(x->actions[i], name))
            return (long)i;
    if (x->action_count == x->action_capacity) {
        size_t n = x->action_capacity ? 2 * x->action_capacity : 64;
        if (!grow(&x->actions, sizeof *x->actions, n))
            return -1;
        x->action_capacity = n;
    }
    struct str copy = arena_str(&x->names, str_from(name));
    if (!copy.p)
        return -1;
    x->actions[x->action_count] = copy;
    return (long)x->action_count++;
}

static long position_number(struct reading *x, const char *placement, size_t rank)
{
    char text[32];
    struct eval_rows *r = x->r;
    snprintf(text, sizeof text, "%zu", rank + 1);
    struct str name = str_from(placement && *placement ? placement : text);
    for (size_t i = 0; i < r->position_count; i++)
        if (str_eq(r->positions[i], name))
            return (long)i;
    if (r->position_count == POSITIONS_MAX)
        return -1;
    r->positions[r->position_count] = arena_str(&r->arena, name);
    return (long)r->position_count++;
}

/* ---- decisions ---- */

/* What the target would do where the logged decision was made; false when it cannot decide there. */
static int decide_again(struct reading *x, const Tact__V1__DecisionRecord *m,
                        const Tact__V1__DecideRequest *request, struct decision *d, struct error *e)
{
    struct arena *work = x->scan.work;
    const struct policy *p = x->target.policy;
    struct decide_request *parsed = arena_alloc(work, sizeof *parsed);
    struct state *state = arena_alloc(work, sizeof *state);
    if (!parsed || !state)
        return full(e);
    int rc = request_decide(request, p, m->now_ms, work, parsed, e);
    struct str blob = {(const char *)m->state.data, m->state_unreadable ? 0 : m->state.len};
    if (!rc)
        rc = state_decode(state, &p->schema, blob, work, e);
    struct state *household = NULL;
    if (!rc && m->has_household) {
        struct id128 id = {{0}};
        household = arena_alloc(work, sizeof *household);
        if (!household)
            return full(e);
        if (m->decision_id.len == sizeof id.bytes)
            memcpy(id.bytes, m->decision_id.data, sizeof id.bytes);
        blob = (struct str){(const char *)m->household.data, m->household.len};
        rc = household_decode(household, &p->schema, blob, m->household_unknown, m->now_ms, work, e);
        if (rc < 0)
            return rc;
        (void)household_prepare(household, state, id);
        rc = 0;
    }
    if (!rc)
        rc = apply_signals(p, state, parsed->signals, parsed->signal_count, m->now_ms, e);
    return rc < 0 ? rc : policy_target_decide(&x->target, state, household, parsed, m->now_ms, m->seed, work, d, e);
}

/* Which action the target puts where a row stands: at the same placement, else at the same rank. */
static uint32_t choice_at(const struct reading *x, const struct decision *d, const char *placement,
                          size_t rank)
{
    for (size_t i = 0; i < d->choice_count; i++)
        if (placement && *placement ? str_is(d->choices[i].placement, placement) : i == rank)
            return x->target.index[d->choices[i].action - x->target.policy->actions];
    return (uint32_t)x->r->silence;
}

static int add_row(struct reading *x, const Tact__V1__DecisionRecord *m, const char *customer,
                   const char *action, const char *placement, size_t rank, double p,
                   const struct decision *again, struct error *e)
{
    struct eval_rows *r = x->r;
    long number = action_number(x, action), position = position_number(x, placement, rank);
    if (position < 0)
        return error_set(e, ERR_INVALID, "%s: more than %d placements", x->o->log, POSITIONS_MAX);
    if (number < 0 || !room_for_row(x))
        return full(e);
    size_t i = r->n++;
    r->action[i] = (uint32_t)number;
    r->reward[i] = 0;
    r->p[i] = p;
    r->position[i] = (uint32_t)position;
    r->cluster[i] = hash64(customer, strlen(customer));
    x->keys[i] = key_of(m->decision_id.data, m->decision_id.len, action);
    x->times[i] = m->now_ms;
    if (again)
        x->choices[i] = choice_at(x, again, placement, rank);
    if (again && x->target.expects)
        return policy_target_expect(&x->target, r, again, x->expected + i * r->action_count, x->scan.work, e);
    return 0;
}

/* At the first decision the dictionary is complete: the target can be bound to it. */
static int bind(struct reading *x, struct error *e)
{
    x->bound = true;
    if (!x->o->policy)
        return 0;
    int rc = policy_bind_interning(x->o->policy, x->scan.names, e);
    return rc ? rc : policy_target_open(&x->target, x->r, false, &x->r->arena, e);
}

static int add_choice(struct reading *x, const Tact__V1__DecisionRecord *m,
                      const Tact__V1__DecideRequest *request, const Tact__V1__Decision *d, size_t rank,
                      const struct decision *again, struct error *e)
{
    const Tact__V1__Choice *c = d->choices[rank];
    if (!(c->action_probability > 0 && c->action_probability <= 1))
        return error_set(e, ERR_CORRUPT,
                         "%s: decision %s: action probability %g; above 0 and at most 1 is allowed",
                         x->o->log, d->decision_id, c->action_probability);
    return add_row(x, m, request->customer_id, c->action_id, c->placement, rank, c->action_probability, again,
                   e);
}

/* A row for each slot that was asked for: what was put there, or silence. */
static int add_slots(struct reading *x, const Tact__V1__DecisionRecord *m,
                     const Tact__V1__DecideRequest *request, const Tact__V1__Decision *d,
                     const struct decision *again, struct error *e)
{
    int rc = 0;
    for (size_t k = 0; k < request->n_placements && !rc; k++) {
        const char *placement = request->placements[k];
        size_t i = 0;
        while (i < d->n_choices && strcmp(d->choices[i]->placement, placement) != 0)
            i++;
        rc = i < d->n_choices ? add_choice(x, m, request, d, i, again, e)
                              : add_row(x, m, request->customer_id, EVAL_SILENCE, placement, 0, 1, again, e);
    }
    return rc;
}

/* A row for each choice, or one of silence. */
static int add_ranks(struct reading *x, const Tact__V1__DecisionRecord *m,
                     const Tact__V1__DecideRequest *request, const Tact__V1__Decision *d,
                     const struct decision *again, struct error *e)
{
    int rc = d->n_choices ? 0 : add_row(x, m, request->customer_id, EVAL_SILENCE, NULL, 0, 1, again, e);
    for (size_t i = 0; i < d->n_choices && !rc; i++)
        rc = add_choice(x, m, request, d, i, again, e);
    return rc;
}

static int on_decision(void *ctx, const Tact__V1__DecisionRecord *m, struct error *e)
{
    struct reading *x = ctx;
    struct arena *work = x->scan.work;
    struct decision again, *use = NULL;
    int rc = x->bound ? 0 : bind(x, e);
    if (rc)
        return rc;
    x->counts->decisions++;
    Tact__V1__DecideRequest *request = log_request(m, work);
    Tact__V1__Decision *d = (Tact__V1__Decision *)log_message(&tact__v1__decision__descriptor,
                                                              m->decision.data, m->decision.len, work);
    if (!request || !d || m->decision_id.len == 0)
        return error_set(e, ERR_CORRUPT, "%s: a decision record holds no request, decision or id", x->o->log);
    if (x->o->policy) {
        struct error why = {0};
        if (decide_again(x, m, request, &again, &why)) {
            if (x->counts->undecidable++ == 0)
                snprintf(x->counts->why, sizeof x->counts->why, "%.240s", why.text);
            return 0;
        }
        use = &again;
    }
    return request->n_placements ? add_slots(x, m, request, d, use, e) : add_ranks(x, m, request, d, use, e);
}

/* ---- outcomes ---- */

static int on_outcome(void *ctx, const Tact__V1__OutcomeRecord *m, struct error *e)
{
    struct reading *x = ctx;
    Tact__V1__RecordRequest *request = (Tact__V1__RecordRequest *)log_message(
        &tact__v1__record_request__descriptor, m->request.data, m->request.len, x->scan.work);
    if (!request || m->new_version == 0) /* a repeat */
        return 0;
    bool conversion = request->kind == TACT__V1__RECORD_REQUEST__KIND__CONVERSION;
    if (!conversion && request->kind != TACT__V1__RECORD_REQUEST__KIND__RESPONSE)
        return 0;
    x->counts->outcomes++;
    if (x->late_count == x->late_capacity) {
        size_t n = x->late_capacity ? 2 * x->late_capacity : 1024;
        if (!grow(&x->late, sizeof *x->late, n))
            return full(e);
        x->late_capacity = n;
    }
    x->late[x->late_count++] =
        (struct late){.key = key_of(m->decision_id.data, m->decision_id.len, m->action_id),
                      .time_ms = request->time_ms ? request->time_ms : m->now_ms,
                      .value = request->value,
                      .conversion = conversion};
    return 0;
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = ((const struct late *)a)->key, y = ((const struct late *)b)->key;
    return (x > y) - (x < y);
}

static double rewarded(const struct eval_log_options *o, double so_far, const struct late *l)
{
    if (o->reward == REWARD_VALUE)
        return so_far + (l->conversion ? l->value : 0);
    return o->reward == REWARD_CONVERSION && !l->conversion ? so_far : 1;
}

/* Joins by sorted outcomes: a binary search a row. */
static void join(struct reading *x)
{
    uint64_t matched = 0;
    if (x->late_count)
        qsort(x->late, x->late_count, sizeof *x->late, by_key);
    for (size_t i = 0; i < x->r->n; i++) {
        size_t low = 0, high = x->late_count;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (x->late[middle].key < x->keys[i])
                low = middle + 1;
            else
                high = middle;
        }
        for (; low < x->late_count && x->late[low].key == x->keys[i]; low++) {
            int64_t after = x->late[low].time_ms - x->times[i];
            if (after < 0 || after > x->o->window_ms)
                continue;
            x->r->reward[i] = rewarded(x->o, x->r->reward[i], &x->late[low]);
            matched++;
        }
    }
    x->counts->unmatched = x->counts->outcomes > matched ? x->counts->outcomes - matched : 0;
}

/* ---- all ---- */

/* The rows' own numbers become places in the sorted list, which may have grown by the target's actions before. */
static int settle_actions(struct reading *x, struct error *e)
{
    struct eval_rows *r = x->r;
    size_t n = r->n, before = r->action_count;
    r->n = 0; /* rows have no place in the list yet */
    int rc = eval_actions_add(r, x->actions, x->action_count, e);
    r->n = n;
    if (rc)
        return rc;
    uint32_t *places = malloc((x->action_count + 1) * sizeof *places);
    if (!places)
        return full(e);
    for (size_t i = 0; i < x->action_count; i++)
        places[i] = (uint32_t)eval_action(r, x->actions[i]);
    for (size_t i = 0; i < n; i++)
        r->action[i] = places[r->action[i]];
    free(places);
    if (x->target.expects &&
        r->action_count != before) { /* an action that the target lacks: no reward is expected of it */
        free(x->expected);
        x->expected = NULL;
        x->target.expects = false;
    }
    return 0;
}

/* Choices were made in places of the list before actions of the rows joined it. */
static int settle_choices(struct reading *x, const struct str *before, size_t count, struct error *e)
{
    uint32_t *places = malloc((count + 1) * sizeof *places);
    if (!places)
        return full(e);
    for (size_t i = 0; i < count; i++)
        places[i] = (uint32_t)eval_action(x->r, before[i]);
    for (size_t i = 0; i < x->r->n; i++)
        x->choices[i] = places[x->choices[i]];
    free(places);
    return 0;
}

static void on_damage(void *ctx, const char *text)
{
    const struct reading *x = ctx;
    if (x->o->damage)
        x->o->damage(x->o->user, text);
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
    const struct reading *x = ctx;
    if (x->o->progress)
        x->o->progress(x->o->user, done, total);
}

static int read_all(struct reading *x, struct error *e)
{
    int rc = log_scan(&x->scan, x->o->log, e);
    if (!rc && x->r->n == 0)
        rc = error_set(e, ERR_NOTFOUND, "%s: no decision in it%s%s", x->o->log,
                       x->counts->undecidable ? " that the policy could make: " : "", x->counts->why);
    const struct str *before = x->r->actions;
    size_t count = x->r->action_count;
    if (!rc)
        rc = settle_actions(x, e);
    if (!rc && x->o->policy)
        rc = settle_choices(x, before, count, e);
    if (!rc)
        join(x);
    return rc;
}

int eval_log_read(struct eval_rows *out, const struct eval_log_options *o, uint32_t **choices,
                  double **expected, struct eval_log_counts *counts, struct error *e)
{
    *out = (struct eval_rows){.silence = -1};
    *counts = (struct eval_log_counts){0};
    snprintf(out->name, sizeof out->name, "%s", o->log);
    arena_init(&out->arena, NAMES_MEMORY);
    struct reading x = {.o = o, .r = out, .counts = counts};
    struct names *names = names_new();
    arena_init(&x.names, NAMES_MEMORY);
    x.target = (struct policy_target){
        .policy = o->policy, .scorer = o->scorer, .model = o->model, .world_id = o->world_id};
    x.scan = (struct log_scan){.decision = on_decision,
                               .outcome = on_outcome,
                               .damage = on_damage,
                               .progress = on_progress,
                               .ctx = &x,
                               .names = names};
    out->positions = arena_alloc(&out->arena, POSITIONS_MAX * sizeof *out->positions);
    int rc = out->positions ? read_all(&x, e) : full(e);
    free(x.keys);
    free(x.times);
    free(x.late);
    free(x.actions);
    arena_free(&x.names);
    names_free(&names);
    if (rc || !o->policy) {
        free(x.choices);
        x.choices = NULL;
    }
    if (rc || !x.target.expects) {
        free(x.expected);
        x.expected = NULL;
    }
    if (rc)
        eval_rows_free(out);
    *choices = x.choices;
    *expected = x.expected;
    return rc;
}

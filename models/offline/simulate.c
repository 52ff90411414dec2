/* Moments become rows; see simulate.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/simulate.h"
#include "decide/apply.h"
#include "decide/journey.h"
#include "decide/gate.h"
#include "models/offline/life.h"
#include "state/codec.h"
#include "models/offline/feature_cell.h"
#include <errno.h>
#include <stdlib.h>

enum { STATE_MEMORY = 32 << 20, MOMENT_MEMORY = 64 << 20, ROW_MAX = 1 << 20 };

struct simulation {
    const struct simulate_options *o;
    struct world world;
    struct arena fixed, of_state, of_moment;
    struct buf blobs[2]; /* the state's bytes, now and before */
    struct buf row;
    struct str *attributes; /* of actions: all names */
    size_t attribute_count;
    struct life life;
    struct state state;
    struct rng draws;
    struct simulate_result *result;
    struct error *e;
};

/* ---- columns ---- */

static const char *const leading[] = {"customer", "time", "action"};
static const char *const trailing[] = {"action_probability", "true_propensity", "label"};

static bool is_column(struct str name)
{
    for (size_t i = 0; i < 3; i++)
        if (str_is(name, leading[i]) || str_is(name, trailing[i]))
            return true;
    return str_starts(name, STR("action."));
}

/* The names of all actions' constants, in order of first appearance. */
static int collect_attributes(struct simulation *s)
{
    const struct policy *p = s->o->policy;
    size_t most = 1;
    for (size_t i = 0; i < p->action_count; i++)
        most += p->actions[i].attribute_count;
    s->attributes = arena_alloc(&s->fixed, most * sizeof *s->attributes);
    if (!s->attributes)
        return error_set(s->e, ERR_NOSPACE, "out of memory");
    for (size_t i = 0; i < p->action_count; i++)
        for (size_t k = 0; k < p->actions[i].attribute_count; k++) {
            struct str name = p->actions[i].attributes[k].name;
            size_t at = 0;
            while (at < s->attribute_count && !str_eq(s->attributes[at], name))
                at++;
            if (at == s->attribute_count)
                s->attributes[s->attribute_count++] = name;
        }
    return 0;
}

static int put_row(struct simulation *s)
{
    buf_byte(&s->row, '\n');
    if (!buf_ok(&s->row))
        return error_set(s->e, ERR_NOSPACE, "a row is over %d bytes", ROW_MAX);
    if (fwrite(s->row.p, 1, s->row.n, s->o->out) != s->row.n)
        return error_set(s->e, ERR_IO, "cannot write: %s", strerror(errno));
    buf_clear(&s->row);
    return 0;
}

static int write_header(struct simulation *s)
{
    const struct policy *p = s->o->policy;
    buf_printf(&s->row, "%s,%s,%s", leading[0], leading[1], leading[2]);
    for (size_t i = 0; i < p->feature_count; i++) {
        if (is_column(p->features[i].name))
            return error_set(s->e, ERR_INVALID,
                             "the policy's feature %.*s has the name of another column; rename it",
                             STR_ARG(p->features[i].name));
        buf_printf(&s->row, ",%.*s", STR_ARG(p->features[i].name));
    }
    buf_printf(&s->row, ",action.id");
    for (size_t i = 0; i < s->attribute_count; i++)
        buf_printf(&s->row, ",action.%.*s", STR_ARG(s->attributes[i]));
    buf_printf(&s->row, ",%s,%s,%s", trailing[0], trailing[1], trailing[2]);
    return put_row(s);
}

static int write_row(struct simulation *s, int64_t now_ms, struct view *v, uint32_t action,
                     double probability, double truth, bool responded)
{
    const struct policy *p = s->o->policy;
    const struct policy_action *a = &p->actions[action];
    buf_printf(&s->row, "%s,", s->life.person.id);
    value_format(value_timestamp(now_ms), &s->row);
    buf_printf(&s->row, ",%.*s", STR_ARG(a->word.name));
    expr_eval_vary(&v->ev, action); /* pair features are those of the row's action */
    for (size_t i = 0; i < p->feature_count; i++) {
        buf_byte(&s->row, ',');
        feature_cell(&s->row, expr_eval(&v->ev, p->features[i].node));
    }
    buf_printf(&s->row, ",%.*s", STR_ARG(a->word.name));
    for (size_t i = 0; i < s->attribute_count; i++) {
        buf_byte(&s->row, ',');
        for (size_t k = 0; k < a->attribute_count; k++)
            if (str_eq(a->attributes[k].name, s->attributes[i]))
                feature_cell(&s->row, a->attributes[k].value);
    }
    buf_printf(&s->row, ",%.6f,%.6f,%d", probability, truth, responded);
    s->result->rows++;
    s->result->positives += responded;
    s->result->truth += truth;
    return put_row(s);
}

/* ---- moments ---- */

/* What may be shown: by the policy, and with suppression rules set aside. */
struct choices {
    uint32_t *allowed, *explored;
    size_t allowed_count, explored_count;
};

static bool find_choices(struct choices *c, struct gate *g, struct arena *arena)
{
    size_t count = g->policy->action_count;
    *c = (struct choices){arena_alloc(arena, count * sizeof *c->allowed),
                          arena_alloc(arena, count * sizeof *c->explored), 0, 0};
    if (!c->allowed || !c->explored)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct blocker why, limit;
        if (!gate_blocked(g, i, &why)) {
            c->allowed[c->allowed_count++] = i;
            c->explored[c->explored_count++] = i;
        } else if (!g->outbound && why.kind == BLOCK_SUPPRESSION && !gate_limit_blocked(g, i, &limit)) {
            c->explored[c->explored_count++] = i;
        }
    }
    return true;
}

static bool contains(const uint32_t *actions, size_t count, uint32_t action)
{
    for (size_t i = 0; i < count; i++)
        if (actions[i] == action)
            return true;
    return false;
}

/* Draws an action: false when nothing is shown. */
static bool draw(struct simulation *s, const struct choices *c, uint32_t *action, double *probability)
{
    bool explores = rng_double(&s->draws) < SIMULATE_EXPLORE;
    const uint32_t *from = explores ? c->explored : c->allowed;
    size_t count = explores ? c->explored_count : c->allowed_count;
    if (count == 0)
        return false;
    *action = from[rng_below(&s->draws, count)];
    *probability = SIMULATE_EXPLORE / (double)c->explored_count;
    if (contains(c->allowed, c->allowed_count, *action))
        *probability += (1 - SIMULATE_EXPLORE) / (double)c->allowed_count;
    return true;
}

static int keep_contact(struct simulation *s, const struct gate *g, uint32_t action, int64_t now_ms, bool responds)
{
    uint64_t random[2] = {rng_u64(&s->draws), rng_u64(&s->draws)};
    struct id128 id = hash128(random, sizeof random);
    struct contact k = gate_contact(g, action, id, now_ms);
    k.expires_ms = 0;
    k.outcomes = g->outbound ? CONTACT_SENT : CONTACT_IMPRESSION;
    int rc = state_contact_add(&s->state, &k, now_ms);
    if (!rc)
        rc = apply_shown(s->o->policy, &s->state, (long)action, k.channel, now_ms);
    if (!rc && responds)
        rc = apply_answered(s->o->policy, &s->state, (long)action, CONTACT_RESPONSE, now_ms);
    if (!rc && journey_step(s->o->policy, &s->state, now_ms, &s->of_moment) < 0)
        rc = ERR_NOSPACE;
    return rc ? error_set(s->e, rc, "the contacts of %s do not fit", s->life.person.id) : 0;
}

static struct decide_request request_of(struct simulation *s, const struct act *m)
{
    const struct policy *p = s->o->policy;
    struct decide_request r = {
        .customer = str_from(s->life.person.id), .channel = m->channel, .max_actions = 1};
    if (m->placement >= 0) {
        r.placements = &p->channels[m->channel].placements[m->placement];
        r.placement_count = 1;
    }
    r.context = arena_zalloc(&s->of_moment, (p->context_count + 1) * sizeof *r.context);
    if (r.context && m->device >= 0)
        r.context[s->world.device] = value_string(p->context[s->world.device].domain[m->device]);
    return r;
}

static int on_moment(struct simulation *s, const struct act *m)
{
    struct view v;
    struct gate g;
    struct choices c;
    uint32_t action;
    double probability, truth;
    arena_reset(&s->of_moment);
    struct decide_request r = request_of(s, m);
    if (!r.context ||
        view_init(&v, s->o->policy, &s->state, r.context, m->channel, false, m->time_ms, &s->of_moment))
        return error_set(s->e, ERR_NOSPACE, "the memory of a moment is full");
    gate_init(&g, &v, &r, NULL, false);
    if (!find_choices(&c, &g, &s->of_moment))
        return error_set(s->e, ERR_NOSPACE, "the memory of a moment is full");
    if (!draw(s, &c, &action, &probability))
        return 0;
    bool responds = life_shown(&s->life, m, action, &truth);
    int rc = write_row(s, m->time_ms, &v, action, probability, truth, responds);
    return rc ? rc : keep_contact(s, &g, action, m->time_ms, responds);
}

/* ---- lives ---- */

static int set_text(struct state *s, long attribute, const char *text, int64_t now_ms)
{
    return attribute < 0 ? 0 : state_set_attribute(s, (size_t)attribute, value_string(str_from(text)), now_ms);
}

/* Profile and consents into an empty state. */
static int set_profile(struct simulation *s)
{
    static const char *const tiers[] = {"basic", "silver", "gold"};
    const struct world *w = &s->world;
    const struct person *p = &s->life.person;
    int rc = 0;
    if (p->known) {
        rc = set_text(&s->state, w->first_name, p->first_name, s->life.now_ms);
        if (!rc)
            rc = set_text(&s->state, w->tier, tiers[p->tier], s->life.now_ms);
        if (!rc)
            rc = set_text(&s->state, w->locale, p->persian ? "fa" : "en", s->life.now_ms);
        if (!rc && w->spend >= 0)
            rc = state_set_attribute(&s->state, (size_t)w->spend, value_double(p->spend_365d), s->life.now_ms);
    }
    for (size_t i = 0; i < w->policy->channel_count; i++)
        for (int purpose = 0; !rc && purpose < PURPOSE_COUNT; purpose++) {
            struct consent given = {.channel = w->policy->channels[i].word.id,
                                    .purpose = w->policy->purposes[purpose].id,
                                    .granted = p->consents[i][purpose],
                                    .time_ms = s->life.now_ms};
            if (w->policy->channels[i].consent[purpose])
                rc = state_set_consent(&s->state, &given);
        }
    return rc ? error_set(s->e, ERR_NOSPACE, "the state of %s does not fit its memory", p->id) : 0;
}

static int on_signal(struct simulation *s, const struct act *a)
{
    const struct world_signal_map *map = &s->world.signals[a->signal];
    const struct schema_signal *def = &s->o->policy->schema.signals[map->index];
    struct value values[SCHEMA_PROPERTIES_MAX] = {0};
    char id[LIFE_ID_MAX];
    const char *types = world_signal_types(a->signal);
    for (size_t i = 0; types[i]; i++) {
        const struct act_property *given = &a->properties[i];
        uint32_t at = map->property[i];
        values[at] = given->is_text                          ? value_string(str_from(given->text))
                     : def->properties[at].type == VALUE_INT ? value_int((int64_t)given->number)
                                                             : value_double(given->number);
    }
    life_id(&s->life, a->number, id);
    struct signal signal = {
        .index = map->index, .event = hash64(id, strlen(id)), .time_ms = a->time_ms, .properties = values};
    int rc = apply_signal(s->o->policy, &s->state, &signal, a->time_ms);
    arena_reset(&s->of_moment);
    if (rc > 0)
        rc = journey_step(s->o->policy, &s->state, a->time_ms, &s->of_moment);
    return rc < 0 ? error_set(s->e, rc, "the state of %s does not fit its memory", s->life.person.id) : 0;
}

/* Writes the state and reads it again, so that a long life needs no more memory than a short one. */
static int turn_over(struct simulation *s, int64_t now_ms)
{
    struct state *state = &s->state;
    struct buf *old = &s->blobs[0], *fresh = &s->blobs[1];
    buf_clear(fresh);
    state_prune(state, now_ms);
    int rc = state_encode(state, state_version_make(now_ms, 0), fresh, s->e);
    arena_reset(&s->of_state);
    if (!rc)
        rc = state_decode(state, &s->o->policy->schema, (struct str){(const char *)fresh->p, fresh->n},
                          &s->of_state, s->e);
    struct buf spare = *old;
    *old = *fresh;
    *fresh = spare;
    return rc;
}

static int live(struct simulation *s, uint32_t number)
{
    const struct act *a;
    uint64_t key[3] = {s->o->seed, number, 1};
    int64_t turn_ms = world_day_ms(s->o->policy, 2);
    rng_seed(&s->draws, hash64(key, sizeof key));
    arena_reset(&s->of_state);
    life_begin(&s->life, &s->world, s->o->seed, number, s->o->days);
    int rc = state_decode(&s->state, &s->o->policy->schema, (struct str){0}, &s->of_state, s->e);
    if (!rc)
        rc = set_profile(s);
    while (!rc && life_next(&s->life, &a)) {
        if (a->time_ms >= turn_ms) {
            rc = turn_over(s, a->time_ms);
            turn_ms = a->time_ms + WORLD_DAY_MS;
        }
        if (!rc && a->kind == ACT_SIGNAL)
            rc = on_signal(s, a);
        else if (!rc && a->kind == ACT_MOMENT)
            rc = on_moment(s, a);
    }
    return rc;
}

int simulate(const struct simulate_options *o, struct simulate_result *out, struct error *e)
{
    struct simulation s = {.o = o, .result = out, .e = e};
    int64_t shift_ms = o->shift_day ? world_day_ms(o->policy, o->shift_day) : INT64_MAX;
    *out = (struct simulate_result){0};
    arena_init(&s.fixed, STATE_MEMORY);
    arena_init(&s.of_state, STATE_MEMORY);
    arena_init(&s.of_moment, MOMENT_MEMORY);
    buf_init(&s.blobs[0], STATE_BLOB_MAX);
    buf_init(&s.blobs[1], STATE_BLOB_MAX);
    buf_init(&s.row, ROW_MAX);
    int rc = world_open(&s.world, o->policy, shift_ms, &s.fixed, e);
    if (!rc)
        rc = collect_attributes(&s);
    if (!rc)
        rc = write_header(&s);
    for (uint32_t i = 0; !rc && i < o->customers; i++) {
        rc = live(&s, i);
        if (o->progress)
            o->progress(o->user, i + 1, o->customers);
    }
    if (!rc && fflush(o->out) != 0)
        rc = error_set(e, ERR_IO, "cannot write: %s", strerror(errno));
    if (out->rows)
        out->truth /= (double)out->rows;
    buf_free(&s.row);
    buf_free(&s.blobs[0]);
    buf_free(&s.blobs[1]);
    arena_free(&s.of_moment);
    arena_free(&s.of_state);
    arena_free(&s.fixed);
    return rc;
}

/* Random events of the policy in tests/cases/policies/signals for tests in tests/sim: drawn, as messages, and applied to a state
 * one by one, in order, as the servers' states are compared with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TESTS_SIM_EVENTS_H
#define TACT_TESTS_SIM_EVENTS_H
#include "sim/world.h"
#include "decide/apply.h"
#include "state/aggregate.h"
#include "state/codec.h"
#include "tact/v1/customers.pb-c.h"
#include <math.h>

#define SIM_EVENTS_POLICY SOURCE_DIR "/tests/cases/policies/signals"
#define DAY_MS INT64_C(86400000)

struct event {
    int kind; /* index of signals in the policy */
    char id[32];
    int64_t time_ms;
    double price, mood;
    const char *text; /* what, or the case */
};

static const char *const event_names[] = {"buy", "case_opened", "case_closed"};

static inline void draw_event(struct sim *sim, struct event *ev, int n)
{
    static const char *const things[] = {"shoes", "shirt", "hat", "bag"};
    static const char *const cases[] = {"c1", "c2", "c3"};
    ev->kind = sim_random(sim, 3) ? 0 : 1 + (int)sim_random(sim, 2);
    snprintf(ev->id, sizeof ev->id, "event-%d", n);
    ev->time_ms = SIM_EPOCH_MS - (int64_t)sim_random(sim, 40) * DAY_MS / 4 - (int64_t)sim_random(sim, 86400000);
    ev->price = (double)sim_random(sim, 10000) / 100;
    ev->mood = (double)sim_random(sim, 21) / 10 - 1;
    ev->text = ev->kind == 0 ? things[sim_random(sim, 4)] : cases[sim_random(sim, 3)];
}

static inline Tact__V1__Signal__PropertiesEntry *event_entry(struct arena *a, const char *key, int kind, const char *text, double number)
{
    Tact__V1__Signal__PropertiesEntry *e = arena_alloc(a, sizeof *e);
    Tact__V1__Value *v = arena_alloc(a, sizeof *v);
    tact__v1__signal__properties_entry__init(e);
    tact__v1__value__init(v);
    e->key = (char *)key;
    e->value = v;
    v->kind_case = (Tact__V1__Value__KindCase)kind;
    if (kind == TACT__V1__VALUE__KIND_STRING_VALUE)
        v->string_value = (char *)text;
    else
        v->number_value = number;
    return e;
}

static inline Tact__V1__Signal *event_message(const struct event *ev, struct arena *a)
{
    Tact__V1__Signal *m = arena_alloc(a, sizeof *m);
    tact__v1__signal__init(m);
    m->event_id = (char *)ev->id;
    m->name = (char *)event_names[ev->kind];
    m->time_ms = ev->time_ms;
    m->properties = arena_alloc(a, 3 * sizeof *m->properties);
    if (ev->kind == 0) {
        m->properties[m->n_properties++] = event_entry(a, "price", TACT__V1__VALUE__KIND_NUMBER_VALUE, NULL, ev->price);
        m->properties[m->n_properties++] = event_entry(a, "mood", TACT__V1__VALUE__KIND_NUMBER_VALUE, NULL, ev->mood);
    }
    m->properties[m->n_properties++] =
        event_entry(a, ev->kind ? "case" : "what", TACT__V1__VALUE__KIND_STRING_VALUE, ev->text, 0);
    return m;
}

/* Of pointers to events. */
static inline int event_by_time(const void *a, const void *b)
{
    const struct event *x = *(const struct event *const *)a, *y = *(const struct event *const *)b;
    return (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms);
}

/* False: one of them was not new. */
static inline bool events_apply(const struct policy *p, const struct event *const *events, int n, int64_t now_ms, struct state *s)
{
    for (int i = 0; i < n; i++) {
        struct value v[3] = {value_string(str_from(events[i]->text))};
        if (events[i]->kind == 0) {
            v[0] = value_double(events[i]->price);
            v[1] = value_string(str_from(events[i]->text));
            v[2] = value_double(events[i]->mood);
        }
        struct signal g = {.index = (uint32_t)schema_signal_find(&p->schema, str_from(event_names[events[i]->kind])),
                           .event = hash64(events[i]->id, strlen(events[i]->id)),
                           .time_ms = events[i]->time_ms,
                           .properties = v};
        if (apply_signal(p, s, &g, now_ms) != 1)
            return false;
    }
    return true;
}

static inline bool events_alike(struct value a, struct value b)
{
    if (a.type != b.type)
        return false;
    if (a.type == VALUE_DOUBLE)
        return fabs(a.number - b.number) <= 1e-9 * (1 + fabs(a.number));
    return a.type == VALUE_STRING ? str_eq(value_str(a), value_str(b)) : a.integer == b.integer;
}

/* The first aggregate that is not the same in both, within three days; NULL: none. */
static inline const struct schema_aggregate *events_differ(const struct state *a, const struct state *b, int64_t now_ms)
{
    for (size_t k = 0; k < a->schema->aggregate_count; k++)
        for (int64_t at = now_ms; at < now_ms + 3 * DAY_MS; at += DAY_MS)
            if (!events_alike(state_aggregate(a, k, at), state_aggregate(b, k, at)))
                return &a->schema->aggregates[k];
    return NULL;
}

#endif

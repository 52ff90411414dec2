/* A test's customer; see policy_given.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/policy_given.h"
#include "decide/apply.h"
#include "decide/gate.h"
#include "decide/journey.h"
#include "state/codec.h"
#include "state/preferences.h"
#include <stdlib.h>

enum { STEP_MEMORY_MAX = 64 << 20 };

struct past {
    const struct policy *policy;
    const struct policy_test *test;
    struct state *state;
    struct arena step; /* of one look at the stage */
};

struct event {
    int64_t time_ms;
    size_t order; /* of equal times the one that stands first in the test comes first */
    int (*apply)(const struct past *past, size_t index, int64_t time_ms);
    size_t index;
};

static int apply_consent(const struct past *past, size_t index, int64_t time_ms)
{
    const struct policy *p = past->policy;
    const struct test_consent *given = &past->test->consents[index];
    struct consent c = {.channel = p->channels[given->channel].word.id,
                        .purpose = p->purposes[given->purpose].id,
                        .granted = given->granted,
                        .time_ms = time_ms};
    return state_set_consent(past->state, &c);
}

static int apply_given_signal(const struct past *past, size_t index, int64_t time_ms)
{
    const struct policy *p = past->policy;
    const struct test_signal *given = &past->test->signals[index];
    struct signal signal = {
        .index = given->signal, .event = index + 1, .time_ms = time_ms, .properties = given->properties};
    if (given->channel != UINT32_MAX) {
        signal.channel = p->channels[given->channel].word.name;
        signal.channel_id = p->channels[given->channel].word.id;
    }
    int applied = apply_signal(p, past->state, &signal, time_ms);
    return applied < 0 ? applied : 0;
}

/* A contact is confirmed, and its answer comes at once. */
static int apply_contact(const struct past *past, size_t index, int64_t time_ms)
{
    const struct policy *p = past->policy;
    const struct test_contact *given = &past->test->contacts[index];
    struct decide_request r = {.channel = given->channel};
    struct view v = {.policy = p, .state = past->state};
    struct gate g = {.view = &v, .policy = p, .state = past->state, .request = &r};
    struct id128 id = {{(uint8_t)(index + 1), (uint8_t)((index + 1) >> 8)}};
    struct contact k = gate_contact(&g, given->action, id, time_ms);
    k.expires_ms = 0;
    int rc = state_contact_add(past->state, &k, time_ms);
    if (!rc)
        rc = apply_shown(p, past->state, (long)given->action, k.channel, time_ms);
    if (!rc && given->outcome)
        rc = apply_answered(p, past->state, (long)given->action, given->outcome, time_ms);
    return rc;
}

/* ---- in order ---- */

static int by_time(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* Everything with a time, sorted. */
static size_t events_of(const struct policy_test *t, struct event *out)
{
    size_t n = 0;
    for (size_t i = 0; i < t->consent_count; i++)
        if (t->consents[i].ago_ms != TEST_BEFORE_ALL) {
            out[n] = (struct event){t->now_ms - t->consents[i].ago_ms, n, apply_consent, i};
            n++;
        }
    for (size_t i = 0; i < t->signal_count; i++, n++)
        out[n] = (struct event){t->now_ms - t->signals[i].ago_ms, n, apply_given_signal, i};
    for (size_t i = 0; i < t->contact_count; i++, n++)
        out[n] = (struct event){t->now_ms - t->contacts[i].ago_ms, n, apply_contact, i};
    qsort(out, n, sizeof *out, by_time);
    return n;
}

static int step(struct past *past, int64_t time_ms)
{
    int rc = journey_step(past->policy, past->state, time_ms, &past->step);
    arena_reset(&past->step);
    return rc < 0 ? rc : 0;
}

/* What was there before the first event. A customer of whom nothing is said was never written. */
static int before_all(struct past *past, int64_t time_ms)
{
    const struct policy *p = past->policy;
    const struct policy_test *t = past->test;
    bool told = false;
    int rc = 0;
    for (size_t i = 0; !rc && i < p->schema.attribute_count; i++) {
        if (t->attributes[i].type == VALUE_UNKNOWN)
            continue;
        told = true;
        rc = state_set_attribute(past->state, i, t->attributes[i], time_ms);
    }
    for (size_t i = 0; !rc && i < t->consent_count; i++) {
        if (t->consents[i].ago_ms != TEST_BEFORE_ALL)
            continue;
        told = true;
        rc = apply_consent(past, i, time_ms);
    }
    struct preferences wishes = t->preferences;
    if (preferences_any(&wishes)) {
        told = true;
        if (wishes.channel_ms)
            wishes.channel = p->channels[wishes.channel].word.id;
        preferences_set(past->state, &wishes);
    }
    return rc || !told ? rc : step(past, time_ms);
}

static int live(struct past *past, struct arena *arena)
{
    const struct policy_test *t = past->test;
    size_t most = t->consent_count + t->signal_count + t->contact_count;
    struct event *events = arena_alloc(arena, most * sizeof *events);
    if (!events)
        return ERR_NOSPACE;
    size_t n = events_of(t, events);
    int rc = before_all(past, n ? events[0].time_ms - 1 : t->now_ms);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = events[i].apply(past, events[i].index, events[i].time_ms);
        if (!rc)
            rc = step(past, events[i].time_ms);
    }
    return rc;
}

int policy_given(const struct policy *p, const struct policy_test *t, struct arena *arena, struct state *s,
                 struct error *e)
{
    struct past past = {.policy = p, .test = t, .state = s};
    int rc = state_decode(s, &p->schema, (struct str){0}, arena, e);
    if (rc)
        return rc;
    arena_init(&past.step, STEP_MEMORY_MAX);
    rc = live(&past, arena);
    arena_free(&past.step);
    return rc ? error_set(e, rc, "the customer of this test could not be made") : 0;
}

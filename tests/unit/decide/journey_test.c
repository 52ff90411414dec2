/* Stages against a model of their own: which one holds after each event and at instants between, as the header says; that
 * what is read is what is recorded; that no change by time is missed; touch points in any order; and what is refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "decide/apply.h"
#include "decide/journey.h"
#include "state/journey.h"
#include "state/merge.h"

static const char policy[] =
    "brand: {name: T, time_zone: UTC, locales: [en]}\n"
    "signals:\n"
    "  fault: {negative: true}\n"
    "  buy: {properties: {amount: number}}\n"
    "  add: {}\n"
    "  look: {touch: false}\n"
    "channels: {web: {direction: inbound, content: [body]}, phone: {direction: inbound, content: [body]}}\n"
    "journey:\n"
    "  stages:\n"
    "    - {id: at_risk, enter: \"bad >= 2\", leave: \"bad == 0\"}\n"
    "    - {id: loyal, enter: \"count(buy, 30d) >= 3 && previous_stage != 'loyal'\", leave: \"count(buy, 30d) == 0 || (stage_age > 6d && stage == 'loyal')\"}\n"
    "    - {id: active, enter: \"count(buy, 10d) > 0\"}\n"
    "features:\n"
    "  bad: {negative_moments: 5d}\n"
    "  is_new: {expr: \"stage == ''\"}\n"
    "actions:\n"
    "  - {id: sorry, issue: i, group: g, purpose: service, value: 9.0, applicability: \"stage == 'at_risk'\", treatments: [{channel: web, body: x}]}\n"
    "  - {id: promo, issue: i, group: g, purpose: promotional, value: 4.0, suitability: \"stage != 'at_risk' && !(previous_stage == 'at_risk' && stage_age < 2d)\", treatments: [{channel: web, body: x}]}\n"
    "  - {id: hello, issue: i, group: g, purpose: promotional, value: 1.0, applicability: is_new, treatments: [{channel: web, body: x}]}\n"
    "  - {id: nudge, issue: i, group: g, purpose: promotional, value: 6.0, applicability: \"followed_by(add, buy, 1h) && last_touch.channel == 'phone'\", treatments: [{channel: web, body: x}]}\n";

static void tell(struct fixture *f, const char *signal, const char *channel, int64_t time_ms, int64_t now_ms)
{
    struct value none[1] = {{0}};
    struct signal g = {.index = (uint32_t)schema_signal_find(&f->policy->schema, str_from(signal)),
                       .event = ++f->events,
                       .time_ms = time_ms,
                       .properties = none};
    if (channel) {
        long at = policy_channel_find(f->policy, str_from(channel));
        g.channel = f->policy->channels[at].word.name;
        g.channel_id = f->policy->channels[at].word.id;
    }
    assert_int_equal(apply_signal(f->policy, &f->state, &g, now_ms), 1);
}

static void through_the_store(struct fixture *f, int64_t now_ms)
{
    struct buf b;
    struct error e;
    assert_true(journey_step(f->policy, &f->state, now_ms, &f->arena) >= 0);
    state_prune(&f->state, now_ms);
    buf_init(&b, STATE_BLOB_MAX);
    assert_int_equal(state_encode(&f->state, 1, &b, &e), 0);
    struct str blob = arena_str(&f->arena, (struct str){(const char *)b.p, b.n});
    buf_free(&b);
    assert_int_equal(state_decode(&f->state, &f->policy->schema, blob, &f->arena, &e), 0);
}

static struct value ask(struct fixture *f, enum slot_kind kind, int64_t at_ms, int64_t *next_ms)
{
    static struct view v;
    assert_int_equal(view_init(&v, f->policy, &f->state, NULL, UINT32_MAX, false, at_ms, &f->arena), 0);
    for (uint32_t i = 0; i < f->policy->slot_count; i++)
        if (f->policy->slots[i].kind == kind) {
            expr_id node = expr_node_slot(f->policy->program, i);
            struct value got = expr_eval(&v.ev, node);
            if (next_ms)
                *next_ms = expr_next_change(&v.ev, node);
            return got;
        }
    fail_msg("no such slot");
    return (struct value){0};
}

static void decide_at(struct fixture *f, int64_t at_ms)
{
    static struct decide_input in;
    in = input_of(f);
    in.now_ms = at_ms;
    run(f, &in);
}

static struct str stage_name(const struct fixture *f, uint32_t id)
{
    for (size_t i = 0; i < f->policy->stage_count; i++)
        if (id && f->policy->stages[i].word.id == id)
            return f->policy->stages[i].word.name;
    return STR("");
}

/* ---- a model of its own ---- */

struct model {
    int64_t faults[200], buys[200];
    int fault_count, buy_count;
    const char *stage, *previous;
    int64_t entered_ms;
};

static int visible(const int64_t *times, int n, int64_t window, int64_t now_ms)
{
    int64_t width = window / 24;
    int found = 0;
    for (int i = 0; i < n; i++)
        found += (times[i] / width + 1) * width > now_ms - window;
    return found;
}

/* The stage that holds at an instant when `stage` is recorded. */
static const char *model_stage(const struct model *m, const char *stage, int64_t now_ms)
{
    bool tired = strcmp(stage, "loyal") == 0 && now_ms - m->entered_ms > 6 * DAY;
    int bad = visible(m->faults, m->fault_count, 5 * DAY, now_ms);
    int month = visible(m->buys, m->buy_count, 30 * DAY, now_ms), days = visible(m->buys, m->buy_count, 10 * DAY, now_ms);
    bool enters[] = {bad >= 2, month >= 3 && strcmp(m->previous, "loyal") != 0, days > 0}, leaves[] = {bad == 0, month == 0 || tired, days == 0};
    static const char *const names[] = {"at_risk", "loyal", "active"};
    int at = 3;
    for (int i = 0; i < 3; i++)
        if (strcmp(stage, names[i]) == 0)
            at = i;
    bool left = at == 3 || leaves[at];
    for (int i = 0; i < (left ? 3 : at); i++)
        if (i != at && enters[i])
            return names[i];
    return left ? "" : names[at];
}

static void stages_follow_the_model(void **state)
{
    struct fixture *f = *state;
    struct rng rng;
    rng_seed(&rng, 91);
    int moved = 0, by_time = 0, stood = 0;
    for (int round = 0; round < 60; round++) {
        struct model m = {.stage = "", .previous = ""};
        use_policy(f, policy);
        int64_t now_ms = NOW;
        for (int step = 0; step < 40; step++) {
            now_ms += (int64_t)rng_below(&rng, 40) * HOUR + (int64_t)rng_below(&rng, 1000);
            bool fault = rng_below(&rng, 4) == 0;
            int64_t at = now_ms - (int64_t)rng_below(&rng, 3) * HOUR;
            if (fault)
                m.faults[m.fault_count++] = at;
            else if (rng_below(&rng, 2))
                m.buys[m.buy_count++] = at;
            else
                at = 0;
            tell(f, at == 0 ? "look" : fault ? "fault" : "buy", NULL, at ? at : now_ms, now_ms);
            through_the_store(f, now_ms);
            const char *after = model_stage(&m, m.stage, now_ms);
            if (strcmp(after, m.stage) != 0) {
                m.previous = m.stage;
                m.stage = after;
                m.entered_ms = now_ms;
                moved++;
            }
            assert_text(stage_name(f, f->state.journey.stage), m.stage);
            assert_text(stage_name(f, f->state.journey.previous), m.previous);
            assert_true(f->state.journey.entered_ms == m.entered_ms);
            bool stands = strcmp(model_stage(&m, m.stage, now_ms), m.stage) == 0;
            stood += stands;
            assert_text(value_str(ask(f, SLOT_PREVIOUS_STAGE, now_ms, NULL)), stands ? m.previous : m.stage);
            struct value since = ask(f, SLOT_STAGE_SINCE, now_ms, NULL);
            assert_true(stands && m.entered_ms ? since.integer == m.entered_ms : since.type == VALUE_UNKNOWN);
            /* nothing more happens: from each instant that is announced to the next it stands still, and the model agrees */
            int64_t look = now_ms, next;
            for (int i = 0; i < 30 && look < now_ms + 60 * DAY; i++) {
                struct value v = ask(f, SLOT_STAGE, look, &next);
                assert_text(value_str(v), model_stage(&m, m.stage, look));
                by_time += strcmp(model_stage(&m, m.stage, look), m.stage) != 0;
                assert_true(next > look);
                if (next == INT64_MAX)
                    next = look + 100 * DAY;
                for (int k = 0; k < 4; k++) {
                    int64_t between = look + (int64_t)rng_below(&rng, (uint64_t)(next - look));
                    assert_text(value_str(v), model_stage(&m, m.stage, between));
                }
                look = next;
            }
        }
    }
    assert_true(moved > 100 && by_time > 500 && stood > 2000);
}

/* One bad experience: the brand recovers before it sells. Two: at risk, until the window is clean. */
static void at_risk_is_not_sold_to(void **state)
{
    struct fixture *f = *state;
    use_policy(f, policy);
    decide_at(f, NOW);
    assert_chosen(f, "promo");
    tell(f, "fault", "phone", NOW - 2 * HOUR, NOW);
    tell(f, "fault", "web", NOW - HOUR, NOW);
    through_the_store(f, NOW);
    decide_at(f, NOW);
    assert_chosen(f, "sorry");
    int64_t since = ask(f, SLOT_STAGE_SINCE, NOW, NULL).integer;
    assert_true(since == NOW);
    /* time ends it: the next read knows, though nothing was written; since when is then not known */
    decide_at(f, NOW + 6 * DAY);
    assert_text(value_str(ask(f, SLOT_STAGE, NOW + 6 * DAY, NULL)), "");
    assert_text(value_str(ask(f, SLOT_PREVIOUS_STAGE, NOW + 6 * DAY, NULL)), "at_risk");
    assert_int_equal(ask(f, SLOT_STAGE_SINCE, NOW + 6 * DAY, NULL).type, VALUE_UNKNOWN);
    assert_chosen(f, "hello"); /* promo waits two days after the risk */
    through_the_store(f, NOW + 6 * DAY);
    decide_at(f, NOW + 7 * DAY);
    assert_chosen(f, "hello");
    decide_at(f, NOW + 8 * DAY);
    assert_chosen(f, "promo");
}

static void touch_points(void **state)
{
    struct fixture *f = *state;
    use_policy(f, policy);
    tell(f, "add", "web", NOW - 3 * HOUR, NOW);
    tell(f, "buy", "phone", NOW - HOUR, NOW);
    decide_at(f, NOW);
    assert_chosen(f, "promo"); /* two hours apart */
    tell(f, "add", "web", NOW - 90 * MINUTE, NOW);
    tell(f, "look", "web", NOW, NOW); /* no touch point */
    assert_int_equal(f->state.touch_count, 3);
    decide_at(f, NOW);
    assert_chosen(f, "nudge");
    for (int i = 0; i < 30; i++)
        tell(f, "fault", NULL, NOW - 50 * MINUTE + i * 1000, NOW);
    assert_int_equal(f->state.touch_count, STATE_TOUCHES_MAX);
    decide_at(f, NOW);
    assert_true(f->decision.choices[0].action != &f->policy->actions[3]); /* they have been pushed out */
}

static void touch_points_in_any_order(void **state)
{
    struct fixture *f = *state;
    struct rng rng;
    rng_seed(&rng, 92);
    for (int round = 0; round < 100; round++) {
        int64_t times[30];
        uint32_t ids[30];
        struct state first = {0};
        use_policy(f, policy);
        for (int i = 0; i < 30; i++) {
            times[i] = NOW - (int64_t)rng_below(&rng, 20) * MINUTE;
            ids[i] = 1 + (uint32_t)rng_below(&rng, 3);
        }
        for (int order = 0; order < 6; order++) {
            struct state two[2] = {{0}};
            for (int i = 29; i > 0; i--) {
                int k = (int)rng_below(&rng, (uint64_t)i + 1);
                int64_t time = times[i];
                uint32_t id = ids[i];
                times[i] = times[k];
                ids[i] = ids[k];
                times[k] = time;
                ids[k] = id;
            }
            for (int i = 0; i < 30; i++)
                touch_add(&two[order > 2 && rng_below(&rng, 2)], ids[i], 7, times[i]);
            journey_merge(&two[0], &two[1]);
            if (order == 0)
                first = two[0];
            assert_int_equal(first.touch_count, two[0].touch_count);
            for (uint32_t i = 0; i < first.touch_count; i++)
                assert_true(first.touches[i].second == two[0].touches[i].second && first.touches[i].id == two[0].touches[i].id);
        }
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(stages_follow_the_model), TEST(at_risk_is_not_sold_to),
        TEST(touch_points),            TEST(touch_points_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* next_eligible_at against brute force. Random policies (rules over ages, counts, sums, open cases, the clock; suppressions,
 * quiet hours, caps, cooldowns, schedules, three zones) and random customers; the instant that gate_next_eligible jumps to
 * must be the first of all those looked at at which nothing blocks: every minute of three days, and, to the millisecond, just
 * before, at and just after every instant at which an event or a contact crosses one of the policy's durations, a bucket
 * leaves its window, or a reservation lapses. Some rules use pair features, which move differently for each action.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "state/aggregate.h"

enum {
    POLICIES = 120,
    CUSTOMERS = 3,
    SPANS_MAX = 64,
    INSTANTS_MAX = 40000,
    HORIZON_DAYS = 3,
    YAML_MAX = 8000
};

struct world {
    struct fixture *f;
    struct rng rng;
    char yaml[YAML_MAX];
    size_t n;
    int64_t spans[SPANS_MAX]; /* durations of the policy: thresholds, windows, caps */
    size_t span_count;
    bool pairs; /* what is put may use pair features */
    int64_t instants[INSTANTS_MAX];
    size_t instant_count;
};

static uint64_t below(struct world *w, uint64_t n)
{
    return rng_below(&w->rng, n);
}

static void put(struct world *w, const char *format, ...) PRINTF_LIKE(2, 3);
static void put(struct world *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    w->n += (size_t)vsnprintf(w->yaml + w->n, YAML_MAX - w->n, format, args);
    va_end(args);
    assert_true(w->n < YAML_MAX);
}

/* A duration of the policy, noted. Most are minutes to hours; some have odd milliseconds. */
static void put_span(struct world *w, bool window)
{
    int64_t ms = (int64_t)(1 + below(w, 30)) * (below(w, 3) ? 10 * MINUTE : below(w, 2) ? MINUTE : 3 * HOUR);
    if (!window && below(w, 4) == 0)
        ms += 1 + (int64_t)below(w, 999);
    w->spans[w->span_count++] = ms;
    assert_true(w->span_count < SPANS_MAX);
    put(w, "%lldm%s", (long long)(ms / MINUTE), "");
    if (ms % MINUTE)
        put(w, "%lldms", (long long)(ms % MINUTE));
}

static const char *const comparisons[] = {"<", "<=", ">", ">=", "==", "!="};

static void put_test(struct world *w)
{
    const char *op = comparisons[below(w, 6)], *order = comparisons[below(w, 4)];
    int signal = (int)below(w, 3);
    if (w->pairs && below(w, 3) == 0) {
        put(w, "pair%d", (int)below(w, 2));
        return;
    }
    switch (below(w, 12)) {
    case 0:
    case 1:
        put(w, "age(s%d) %s ", signal, order);
        put_span(w, false);
        break;
    case 2:
    case 3:
        put(w, "count(s%d, ", signal);
        put_span(w, true);
        put(w, ") %s %d", op, (int)below(w, 4));
        break;
    case 4:
        put(w, "sum(s%d.n, ", signal);
        put_span(w, true);
        put(w, ") %s %d.0", order, (int)below(w, 8));
        break;
    case 5:
        put(w, "open(s0.case, s1.case, ");
        put_span(w, true);
        put(w, ") %s %d", op, (int)below(w, 3));
        break;
    case 6:
        put(w, "now.getHours(%s) %s %d", below(w, 2) ? "'Asia/Tehran'" : "", order, (int)below(w, 24));
        break;
    case 7:
        put(w, "age(s%d) %s age(s%d)", signal, order, (int)below(w, 3));
        if (below(w, 2)) {
            put(w, " + ");
            put_span(w, false);
        }
        break;
    case 8:
        put(w, "now - last_at(s%d) %s ", signal, order);
        put_span(w, false);
        break;
    case 9:
        put(w, "min(age(s0), age(s1)) %s ", order);
        put_span(w, false);
        break;
    case 10:
        put(w, below(w, 2) ? "now.getMinutes() %s %d" : "now.getDayOfWeek() %s %d", order, (int)below(w, 7));
        break;
    default:
        put(w, below(w, 2) ? "profile.flag" : "last(s%d.n) > 2", signal);
    }
}

static void put_condition(struct world *w, int depth)
{
    switch (depth > 0 ? below(w, 6) : 5) {
    case 0:
    case 1:
    case 2: {
        const char *joint = below(w, 2) ? " && " : " || ";
        put(w, "(");
        put_condition(w, depth - 1);
        put(w, "%s", joint);
        put_condition(w, depth - 1);
        put(w, ")");
        break;
    }
    case 3:
        put(w, "!(");
        put_condition(w, depth - 1);
        put(w, ")");
        break;
    case 4:
        put(w, "(");
        put_condition(w, depth - 1);
        put(w, " ? ");
        put_condition(w, depth - 1);
        put(w, " : ");
        put_condition(w, depth - 1);
        put(w, ")");
        break;
    default:
        put_test(w);
    }
}

static const char *answer(struct world *w)
{
    return below(w, 2) ? "allow" : "block";
}

static void put_channels(struct world *w)
{
    static const char *const excepts[] = {"", ", except: [service]", ", except: [promotional, ask]"};
    put(w, "channels:\n  mail: {direction: outbound, consent: [], confirm_within: 30m");
    if (below(w, 2)) {
        unsigned from = (unsigned)below(w, 48), to = (from + 1 + (unsigned)below(w, 40)) % 48;
        put(w, ", quiet_hours: {from: \"%02u:%02u\", to: \"%02u:%02u\"%s}", from / 2, from % 2 * 30, to / 2,
            to % 2 * 30, excepts[below(w, 3)]);
    }
    put(w, "}\n  web: {direction: inbound}\n");
}

static void put_features(struct world *w)
{
    put(w, "features:\n  pair0: {expr: \"action.kind == 'x' ? ");
    put_test(w);
    put(w, " : ");
    put_test(w);
    put(w, "\"}\n  pair1: {expr: \"action.id == 'a1' && ");
    put_test(w);
    put(w, " || age(s0) %s (action.kind == 'x' ? ", comparisons[below(w, 4)]);
    put_span(w, false);
    put(w, " : ");
    put_span(w, false);
    put(w, ")\"}\n");
}

static void put_actions(struct world *w)
{
    static const char *const purposes[] = {"promotional", "service", "ask"}, *const kinds[] = {
                                                                                 "eligibility",
                                                                                 "applicability",
                                                                                 "suitability"};
    w->pairs = true;
    put(w, "actions:\n");
    for (int a = 0; a < 3; a++) {
        put(w, "  - {id: a%d, issue: i%d, group: g%d, purpose: %s, value: %d, ", a, a % 2,
            a > 0 && below(w, 2), purposes[below(w, 3)], a + 1);
        bool dates = below(w, 4) == 0, weekly = below(w, 3) == 0;
        if (dates || weekly)
            put(w, "active: {");
        if (dates)
            put(w, "from: 2025-01-1%dT%02d:30, to: 2025-01-1%d%s", (int)(3 + below(w, 4)), (int)below(w, 24),
                (int)(7 + below(w, 2)), weekly ? ", " : "");
        if (weekly)
            put(w, "weekly: [\"wed-fri %02d:00-%02d:15\", \"daily %02d:00-%02d:45\"]", (int)below(w, 24),
                (int)below(w, 24), (int)below(w, 24), (int)below(w, 24));
        if (dates || weekly)
            put(w, "}, ");
        for (int kind = 0; kind < 3; kind++)
            if (below(w, 3) == 0) {
                put(w, "%s: {when: \"", kinds[kind]);
                put_condition(w, 2);
                put(w, "\", on_unknown: %s}, ", answer(w));
            }
        static const char *const constants[] = {"features: {kind: y}, ", "features: {kind: x}, ", ""};
        put(w, "%streatments: [{channel: mail, body: x}, {channel: web, body: x}]}\n", constants[a]);
    }
    w->pairs = false;
}

static void put_rules(struct world *w)
{
    static const char *const blocks[] = {"everything: true", "purpose: service", "group: g0",
                                         "channel: mail",    "action: a1",       "issue: i1"};
    static const char *const scopes[] = {"",
                                         "scope: {channel: mail}, ",
                                         "scope: {action: each}, ",
                                         "scope: {group: each, channel: mail}, ",
                                         "scope: {purpose: service}, ",
                                         "scope: {action: a0}, ",
                                         "scope: {purpose: each, issue: i0}, "};
    int suppressions = (int)below(w, 4), limits = (int)below(w, 4);
    put(w, "suppressions:%s\n", suppressions ? "" : " []");
    for (int i = 0; i < suppressions; i++) {
        put(w, "  - {id: r%d, when: \"", i);
        put_condition(w, 2);
        put(w, "\", on_unknown: %s, block: {%s}}\n", answer(w), blocks[below(w, 6)]);
    }
    put(w, "contact_policy:%s\n", limits ? "" : " []");
    for (int i = 0; i < limits; i++) {
        put(w, "  - {id: l%d, %s", i, scopes[below(w, 7)]);
        if (below(w, 3) == 0)
            put(w, "cooldown: ");
        else
            put(w, "at_most: %d, per: ", (int)below(w, 4));
        put_span(w, true);
        put(w, "}\n");
    }
}

static void random_policy(struct world *w)
{
    static const char *const zones[] = {"UTC", "Asia/Tehran", "America/New_York"};
    w->n = w->span_count = 0;
    put(w, "brand: {name: T, time_zone: %s, locales: [en]}\n", zones[below(w, 3)]);
    put(w, "profile: {zone: time_zone, flag: bool}\n");
    put(w, "signals:\n");
    for (int i = 0; i < 3; i++)
        put(w, "  s%d: {properties: {case: string, n: int}}\n", i);
    put_channels(w);
    put_features(w);
    put_actions(w);
    put_rules(w);
    use_policy(w->f, w->yaml);
}

/* ---- customers ---- */

static void note(struct world *w, int64_t at_ms)
{
    for (int64_t d = -1; d <= 1; d++)
        if (at_ms + d > NOW && at_ms + d <= NOW + HORIZON_DAYS * DAY) {
            assert_true(w->instant_count < INSTANTS_MAX);
            w->instants[w->instant_count++] = at_ms + d;
        }
}

static int64_t random_past(struct world *w)
{
    int64_t at = NOW + 5 * MINUTE - (int64_t)below(w, (uint64_t)(below(w, 2) ? 2 * HOUR : 2 * DAY));
    return below(w, 2) ? at - at % MINUTE : at;
}

static void random_customer(struct world *w)
{
    static const char *const zones[] = {"Asia/Tokyo", "Europe/Berlin"};
    static const char *const actions[] = {"a0", "a1", "a2"};
    const struct schema *s = &w->f->policy->schema;
    forget_customer(w->f);
    if (below(w, 2))
        set_profile(w->f, "flag", value_bool(below(w, 2)));
    if (below(w, 3) == 0)
        set_profile(w->f, "zone", value_string(str_from(zones[below(w, 2)])));
    for (uint64_t i = below(w, 10); i > 0; i--) {
        int64_t at = random_past(w);
        struct value properties[2] = {{0}};
        char key[8];
        snprintf(key, sizeof key, "k%d", (int)below(w, 3));
        if (below(w, 4))
            properties[0] = value_string(str_from(key));
        if (below(w, 4))
            properties[1] = value_int((int64_t)below(w, 5));
        struct signal g = {
            .index = (uint32_t)below(w, 3), .event = ++w->f->events, .time_ms = at, .properties = properties};
        assert_int_equal(state_apply(&w->f->state, &g, NOW), 1);
        note(w, at);
        for (size_t k = 0; k < w->span_count; k++)
            note(w, at + w->spans[k]);
        for (size_t k = 0; k < s->aggregate_count; k++)
            if (s->aggregates[k].window_ms) {
                int64_t width = s->aggregates[k].width_ms;
                note(w, (at / width + 1) * width + s->aggregates[k].window_ms);
            }
    }
    for (uint64_t i = below(w, 6); i > 0; i--) {
        struct contact k =
            contact_of(w->f, actions[below(w, 3)], below(w, 3) ? "mail" : "web", random_past(w));
        if (below(w, 2))
            k.expires_ms = k.time_ms + 30 * MINUTE;
        assert_int_equal(state_contact_add(&w->f->state, &k, NOW), 0);
        note(w, k.expires_ms);
        for (size_t j = 0; j < w->span_count; j++)
            note(w, k.time_ms + w->spans[j]);
    }
}

/* ---- comparing ---- */

/* Whether the action is blocked at an instant, in a view of its own. */
static bool blocked_afresh(struct world *w, uint32_t action, int64_t at_ms)
{
    struct fixture *f = w->f;
    struct arena_mark mark = arena_mark(&f->arena);
    struct view *v = arena_alloc(&f->arena, sizeof *v);
    struct gate g;
    struct blocker b;
    assert_int_equal(view_init(v, f->policy, &f->state, NULL, f->request.channel, false, at_ms, &f->arena),
                     0);
    gate_init(&g, v, &f->request, NULL, false);
    bool blocked = gate_blocked(&g, action, &b);
    arena_rewind(&f->arena, mark);
    return blocked;
}

static void report(struct world *w, uint32_t action, int64_t next, int64_t at)
{
    fprintf(stderr, "%s", w->yaml);
    fail_msg("action %u on channel %u: next_eligible %lld (now + %lld ms), but free at %lld (now + %lld ms)",
             action, w->f->request.channel, (long long)next, (long long)(next - NOW), (long long)at,
             (long long)(at - NOW));
}

struct tally {
    uint64_t free_now, found, never, later, ended;
};

static void compare(struct world *w, struct gate *g, uint32_t action, struct tally *tally)
{
    struct blocker last, b;
    struct expr_eval *ev = &g->view->ev;
    if (!gate_blocked(g, action, &b)) {
        tally->free_now++;
        return;
    }
    int64_t next = gate_next_eligible(g, action, NOW, GATE_HORIZON, &last);
    assert_true(ev->now_ms == NOW);
    /* Rules of minutes and hours that are never true together: 400 days of them are more than are looked at. */
    tally->ended += g->looks_ended;
    assert_true(g->looks_left == 0 || !g->looks_ended);
    g->looks_left = GATE_LOOKS_MAX;
    g->looks_ended = false;
    int64_t end = NOW + HORIZON_DAYS * DAY;
    if (next) {
        assert_true(next > NOW);
        assert_false(blocked_afresh(w, action, next));
        if (next - 1 > NOW && !blocked_afresh(w, action, next - 1))
            report(w, action, next, next - 1);
        end = next < end ? next : end;
        assert_true(gate_next_eligible(g, action, NOW, next, &last) == 0);
        assert_true(gate_next_eligible(g, action, NOW, next + 1, &last) == next);
    } else {
        assert_true(last.kind != BLOCK_NONE);
    }
    tally->found += next != 0 && next <= NOW + HORIZON_DAYS * DAY;
    tally->later += next > NOW + HORIZON_DAYS * DAY;
    tally->never += next == 0;
    for (int64_t at = NOW - NOW % MINUTE + MINUTE; at < end; at += MINUTE) {
        expr_eval_at(ev, at);
        if (!gate_blocked(g, action, &b))
            report(w, action, next, at);
    }
    for (size_t i = 0; i < w->instant_count; i++)
        if (w->instants[i] < end) {
            expr_eval_at(ev, w->instants[i]);
            if (!gate_blocked(g, action, &b))
                report(w, action, next, w->instants[i]);
        }
    expr_eval_at(ev, NOW);
}

static void brute_force(void **state)
{
    static struct world w;
    static struct tally tally;
    w.f = *state;
    rng_seed(&w.rng, 20250115);
    for (int policy = 0; policy < POLICIES; policy++) {
        random_policy(&w);
        for (int customer = 0; customer < CUSTOMERS; customer++) {
            w.instant_count = 0;
            random_customer(&w);
            for (uint32_t channel = 0; channel < 2; channel++) {
                struct view v;
                struct gate g;
                w.f->request.channel = channel;
                assert_int_equal(
                    view_init(&v, w.f->policy, &w.f->state, NULL, channel, false, NOW, &w.f->arena), 0);
                gate_init(&g, &v, &w.f->request, NULL, false);
                for (uint32_t action = 0; action < w.f->policy->action_count; action++)
                    compare(&w, &g, action, &tally);
            }
        }
    }
    print_message(
        "next_eligible: %llu free at once, %llu found, %llu later, %llu never, %llu of them given up\n",
        (unsigned long long)tally.free_now, (unsigned long long)tally.found, (unsigned long long)tally.later,
        (unsigned long long)tally.never, (unsigned long long)tally.ended);
    assert_true(tally.found > 300 && tally.never > 50 && tally.later > 0 && tally.ended < tally.never / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(brute_force, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

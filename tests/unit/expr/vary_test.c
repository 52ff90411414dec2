/* Slots that vary with the thing looked at: turning to another forgets exactly what depends on them. Beside
 * cases by hand, random expressions are evaluated by one evaluator that turns and moves to and fro, and by
 * fresh ones that look at one thing at one time only; values and next changes must be the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"
#include "base/rng.h"

enum { THINGS = 5 }; /* all of them have a wait, the last nothing else */

static const struct test_slot slots[] = {
    {"flag", VALUE_BOOL, 0, EXPR_STILL, {.type = VALUE_BOOL, .boolean = true}},
    {"action.wait", VALUE_DURATION, 0, EXPR_STILL, {.type = VALUE_DURATION}},
    {"name", VALUE_STRING, 0, EXPR_STILL, {.type = VALUE_STRING, .string = "shoes", .n = 5}},
    {"action.name", VALUE_STRING, 0, EXPR_STILL, {.type = VALUE_STRING}},
    {"idle", VALUE_DURATION, 0, EXPR_CLOCK, {.type = VALUE_DURATION, .integer = 1000}},
    {"action.score", VALUE_DOUBLE, 0, EXPR_STILL, {.type = VALUE_DOUBLE}},
    {"score", VALUE_DOUBLE, 0, EXPR_STILL, {.type = VALUE_DOUBLE, .number = 2.5}},
    {"action.age", VALUE_DURATION, 0, EXPR_CLOCK, {.type = VALUE_DURATION}},
};
enum { SLOTS = sizeof slots / sizeof slots[0] };
enum {
    FLAG_SLOT,
    WAIT_SLOT,
    NAME_SLOT,
    THING_NAME_SLOT,
    IDLE_SLOT,
    THING_SCORE_SLOT,
    SCORE_SLOT,
    THING_AGE_SLOT
};

/* One look at the harness's slots; several may share the harness. */
struct look {
    struct harness *h;
    uint32_t which;
    int turns, loads[SLOTS];
    struct expr_source source;
    struct expr_eval ev;
};

static struct value load(void *ctx, uint32_t slot, int64_t now_ms)
{
    static const char *const names[THINGS] = {"shoes", "shirts", "shoes", "hats", ""};
    static const double scores[THINGS] = {2.5, 1, 7, 2.5, 0};
    struct look *k = ctx;
    k->loads[slot]++;
    bool varies = str_starts(str_from(slots[slot].name), STR("action."));
    if (!varies)
        return harness_load(k->h, slot, now_ms);
    if (k->which >= THINGS || (k->which == THINGS - 1 && slot != WAIT_SLOT))
        return value_unknown(UNKNOWN_ABSENT);
    if (slot == WAIT_SLOT)
        return value_duration(1500 + 700 * (int64_t)k->which);
    if (slot == THING_AGE_SLOT)
        return value_duration(now_ms + 300 * (int64_t)k->which);
    return slot == THING_SCORE_SLOT ? value_double(scores[k->which])
                                    : value_string(str_from(names[k->which]));
}

static void vary(void *ctx, uint32_t which)
{
    struct look *k = ctx;
    k->turns++;
    k->which = which;
}

static void look_init(struct look *k, struct harness *h, int64_t now_ms)
{
    *k = (struct look){.h = h, .which = UINT32_MAX};
    k->source = (struct expr_source){.ctx = k, .load = load, .vary = vary};
    assert_int_equal(expr_eval_init(&k->ev, h->program, &k->source, now_ms, &h->request), 0);
}

static expr_id compile(struct harness *h, const char *text)
{
    expr_id id;
    if (harness_compile(h, text, VALUE_UNKNOWN, &id))
        fail_msg("%s: %s", text, h->findings[0].text);
    return id;
}

static void assert_value(struct look *k, expr_id id, const char *want)
{
    assert_string_equal(harness_show(expr_eval(&k->ev, id)), want);
}

/* ---- by hand ---- */

static void forgets_what_depends(void **state)
{
    (void)state;
    struct harness h;
    struct look k;
    harness_init(&h, slots, SLOTS);
    harness_feature(&h, "same", "name == action.name");
    harness_feature(&h, "keen", "score * 2.0 > 4.0");
    expr_id same = compile(&h, "same"), keen = compile(&h, "keen"), worth = compile(&h, "same ? 3.0 : 1.0"),
            both = compile(&h, "keen && same && idle > 1s");
    look_init(&k, &h, 500);
    assert_value(&k, same, "unknown absent"); /* nothing is looked at yet */
    static const char *const want[THINGS] = {"bool true", "bool false", "bool true", "bool false",
                                             "unknown absent"};
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 0; i < THINGS; i++) {
            expr_eval_vary(&k.ev, i);
            assert_value(&k, keen, "bool true");
            assert_value(&k, worth, i == 4 ? "unknown absent" : i % 2 ? "double 1" : "double 3");
            assert_value(&k, same, want[i]);
            assert_value(&k, both, want[i]);
            /* `same` is shared: once for each turn, whoever asks; what does not vary: once in all */
            assert_int_equal(k.loads[THING_NAME_SLOT], 2 + (int)(round * THINGS + i));
            assert_int_equal(k.loads[NAME_SLOT], 1);
            assert_int_equal(k.loads[SCORE_SLOT], 1);
            assert_int_equal(k.loads[IDLE_SLOT], 1);
        }
    assert_int_equal(k.turns, 2 * THINGS);
    expr_eval_vary(&k.ev, THINGS - 1); /* that one already */
    assert_value(&k, both, "unknown absent");
    assert_int_equal(k.turns, 2 * THINGS);
    assert_int_equal(k.loads[THING_NAME_SLOT], 1 + 2 * THINGS);
    /* the clock is another matter */
    expr_eval_at(&k.ev, 0);
    assert_value(&k, both, "bool false");
    assert_int_equal(k.loads[THING_NAME_SLOT], 1 + 2 * THINGS);
    assert_int_equal(k.loads[IDLE_SLOT], 2);
    harness_free(&h);
}

static void says_what_varies(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool varies;
    } cases[] = {
        {"name == 'x'", false},
        {"action.name", true},
        {"has(action.name)", true},
        {"!flag || [1.0, 2.0][0] < action.score", true},
        {"pair", true},
        {"plain", false},
        {"plain ? 1 : 2", false},
        {"flag ? action.score : 2.0", true},
        {"min(score, action.score)", true},
        {"pair || true", false},
        {"true ? score : action.score", false},
        {"2.0 + 3.0", false},
    };
    struct harness h;
    harness_init(&h, slots, SLOTS);
    harness_feature(&h, "pair", "name == action.name");
    harness_feature(&h, "plain", "score > 1.0");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (expr_varies(h.program, compile(&h, cases[i].text)) != cases[i].varies)
            fail_msg("%s", cases[i].text);
    harness_free(&h);
}

static void costs_nothing_where_nothing_varies(void **state)
{
    (void)state;
    struct harness h;
    struct look k;
    harness_init(&h, slots, SLOTS); /* slots are declared, but no expression has one that varies */
    expr_id id = compile(&h, "score > 1.0 && idle > 1s");
    look_init(&k, &h, 500);
    for (uint32_t i = 0; i < THINGS; i++) {
        expr_eval_vary(&k.ev, i);
        assert_value(&k, id, "bool true");
    }
    assert_int_equal(k.turns, 0);
    assert_int_equal(k.loads[IDLE_SLOT], 1);
    harness_free(&h);
}

/* idle is 1 s at time 0; thing i waits for 1.5 s + 0.7 s i. */
static void each_thing_has_its_own_next_change(void **state)
{
    (void)state;
    struct harness h;
    struct look k;
    harness_init(&h, slots, SLOTS);
    expr_id rested = compile(&h, "idle >= action.wait"), still = compile(&h, "name == action.name"),
            plain = compile(&h, "idle >= 2s"), theirs = compile(&h, "action.age < 2s");
    look_init(&k, &h, 0);
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 0; i < THINGS; i++) {
            expr_eval_vary(&k.ev, i);
            assert_int_equal(expr_next_change(&k.ev, rested), 500 + 700 * i);
            assert_int_equal(expr_next_change(&k.ev, plain), 1000);
            assert_true(expr_next_change(&k.ev, still) == INT64_MAX);
            int64_t gone = i == 4 ? INT64_MAX : 2000 - 300 * (int64_t)i;
            assert_true(expr_next_change(&k.ev, theirs) == gone);
        }
    assert_int_equal(k.loads[IDLE_SLOT], 1);
    harness_free(&h);
}

/* Expressions enough that their bits fill several words, in a program that grows several times. */
static void many_nodes(void **state)
{
    (void)state;
    enum { EXPRESSIONS = 700 };
    struct harness h;
    struct look k;
    static expr_id ids[EXPRESSIONS];
    harness_init(&h, slots, SLOTS);
    for (int i = 0; i < EXPRESSIONS; i++) {
        char text[100];
        snprintf(text, sizeof text, i % 3 ? "score + %d.5" : "action.score + %d.5", i);
        ids[i] = compile(&h, text);
        assert_int_equal(expr_varies(h.program, ids[i]), i % 3 == 0);
    }
    look_init(&k, &h, 0);
    for (uint32_t t = 0; t < 4; t++) {
        static const double scores[] = {2.5, 1, 7, 2.5};
        expr_eval_vary(&k.ev, t);
        for (int i = 0; i < EXPRESSIONS; i++)
            assert_true(expr_eval(&k.ev, ids[i]).number == (i % 3 ? 2.5 : scores[t]) + i + 0.5);
        assert_int_equal(k.loads[SCORE_SLOT], 1);
        assert_int_equal(k.loads[THING_SCORE_SLOT], 1 + (int)t);
    }
    harness_free(&h);
}

/* ---- against fresh evaluators ---- */

struct text {
    struct rng *rng;
    char at[4000];
    size_t n;
};

static void put(struct text *t, const char *s)
{
    t->n += (size_t)snprintf(t->at + t->n, sizeof t->at - t->n, "%s", s);
    assert_true(t->n < sizeof t->at);
}

static void put_one(struct text *t, const char *const *of, size_t count)
{
    put(t, of[rng_below(t->rng, count)]);
}
#define PUT_ONE(t, ...)                                                                                      \
    put_one(t, (const char *const[]){__VA_ARGS__},                                                           \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void put_bool(struct text *t, int depth)
{
    switch (rng_below(t->rng, depth > 0 ? 9 : 5)) {
    case 0:
        PUT_ONE(t, "flag", "has(action.name)", "same", "rested", "keen");
        break;
    case 1:
        PUT_ONE(t, "name", "action.name", "'shirts'");
        PUT_ONE(t, " == ", " != ");
        PUT_ONE(t, "action.name", "name", "'hats'");
        break;
    case 2:
        PUT_ONE(t, "idle", "action.wait", "action.age", "(idle - action.wait)", "max(idle, action.age)");
        PUT_ONE(t, " < ", " >= ", " > ", " == ");
        PUT_ONE(t, "action.wait", "2s", "idle", "(action.age + 1s)", "min(idle, 3s)");
        break;
    case 3:
        PUT_ONE(t, "score", "action.score", "(action.score * score)", "(flag ? score : action.score)");
        PUT_ONE(t, " < ", " >= ");
        PUT_ONE(t, "2.5", "action.score", "(score + 1.0)", "worth");
        break;
    case 4:
        PUT_ONE(t, "action.name in ['shoes', 'hats']", "name.startsWith(action.name)",
                "action.name.size() > 4", "action.score / 0.0 > 1.0");
        break;
    case 5:
    case 6:
        put(t, "(");
        put_bool(t, depth - 1);
        PUT_ONE(t, " && ", " || ");
        put_bool(t, depth - 1);
        put(t, ")");
        break;
    case 7:
        put(t, "!(");
        put_bool(t, depth - 1);
        put(t, ")");
        break;
    default:
        put(t, "(");
        put_bool(t, depth - 1);
        put(t, " ? ");
        put_bool(t, depth - 1);
        put(t, " : ");
        put_bool(t, depth - 1);
        put(t, ")");
    }
}

static void the_same_as_a_fresh_look(void **state)
{
    (void)state;
    enum { PROGRAMS = 60, EXPRESSIONS = 12, STEPS = 60 };
    struct rng rng;
    size_t pairs = 0, answers[3] = {0};
    rng_seed(&rng, 71);
    for (int program = 0; program < PROGRAMS; program++) {
        struct harness h;
        struct look k;
        expr_id ids[EXPRESSIONS];
        harness_init(&h, slots, SLOTS);
        harness_feature(&h, "same", "name == action.name");
        harness_feature(&h, "rested", "idle >= action.wait");
        harness_feature(&h, "keen", "score > 2.0");
        harness_feature(&h, "worth", "same ? score * action.score : 1.0");
        for (int i = 0; i < EXPRESSIONS;) {
            struct text t = {.rng = &rng};
            put_bool(&t, 4);
            if (harness_compile(&h, t.at, VALUE_BOOL, &ids[i]) == 0) /* not what always fails */
                pairs += expr_varies(h.program, ids[i++]);
        }
        look_init(&k, &h, 0);
        int64_t now = 0;
        for (int step = 0; step < STEPS; step++) {
            struct look fresh;
            uint32_t which = (uint32_t)rng_below(&rng, THINGS);
            now = rng_below(&rng, 3) ? now : (int64_t)rng_below(&rng, 6000);
            expr_eval_at(&k.ev, now);
            expr_eval_vary(&k.ev, which);
            look_init(&fresh, &h, now);
            expr_eval_vary(&fresh.ev, which);
            for (int n = 0; n < EXPRESSIONS; n++) {
                expr_id id = ids[rng_below(&rng, EXPRESSIONS)];
                struct value v = expr_eval(&k.ev, id);
                assert_true(value_same(v, expr_eval(&fresh.ev, id)));
                assert_true(expr_next_change(&k.ev, id) == expr_next_change(&fresh.ev, id));
                answers[v.type == VALUE_BOOL ? v.boolean : 2]++;
            }
        }
        assert_true(k.loads[NAME_SLOT] <= 1 && k.loads[SCORE_SLOT] <= 1 && k.loads[FLAG_SLOT] <= 1);
        harness_free(&h);
    }
    assert_true(pairs > PROGRAMS * EXPRESSIONS / 2);
    assert_true(answers[0] > 1000 && answers[1] > 1000 && answers[2] > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forgets_what_depends),
        cmocka_unit_test(says_what_varies),
        cmocka_unit_test(costs_nothing_where_nothing_varies),
        cmocka_unit_test(each_thing_has_its_own_next_change),
        cmocka_unit_test(many_nodes),
        cmocka_unit_test(the_same_as_a_fresh_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

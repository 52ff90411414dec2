/* expr_next_change against brute force: for random expressions over slots that move with the clock or in
 * steps, walking from one announced instant to the next must find every change that evaluating at every
 * instant of a grid finds. Plus exact instants for expressions as people write them, so that "a millisecond
 * from now" cannot pass for an answer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"
#include "base/rng.h"

#define TIME(ms)                                                                                             \
    {                                                                                                        \
        .type = VALUE_TIMESTAMP, .integer = (ms)                                                             \
    }
#define SPAN(ms)                                                                                             \
    {                                                                                                        \
        .type = VALUE_DURATION, .integer = (ms)                                                              \
    }

static const struct test_slot slots[] = {
    {"now", VALUE_TIMESTAMP, 0, EXPR_CLOCK, TIME(0)},
    {"idle", VALUE_DURATION, 0, EXPR_CLOCK, SPAN(0)},
    {"age", VALUE_DURATION, 0, EXPR_CLOCK, SPAN(0)},
    {"soon_max", VALUE_DURATION, 0, EXPR_CLOCK, SPAN(0)}, /* reaches the maximum within the horizon */
    {"never", VALUE_DURATION, 0, EXPR_CLOCK, SPAN(DURATION_MAX_MS)},
    {"lost", VALUE_DURATION, 0, EXPR_CLOCK, {.type = VALUE_UNKNOWN, .detail = UNKNOWN_UNREADABLE}},
    {"ticks", VALUE_INT, 0, EXPR_CLOCK, {.type = VALUE_INT}},
    {"base", VALUE_TIMESTAMP, 0, EXPR_STILL, TIME(0)},
    {"limit", VALUE_DURATION, 0, EXPR_STILL, SPAN(0)},
    {"count", VALUE_INT, 0, EXPR_STEPS, {0}},
    {"flag", VALUE_BOOL, 0, EXPR_STEPS, {0}},
    {"span", VALUE_DURATION, 0, EXPR_STEPS, {0}},
};
enum { SLOTS = sizeof slots / sizeof *slots, NOW = 0, IDLE, AGE, SOON_MAX, TICKS = 6, BASE, LIMIT, STEPS };
enum { STEP_SLOTS = 3, BREAKS = 6 };

struct world {
    int64_t start;
    int64_t offsets[SLOTS];
    int64_t breaks[STEP_SLOTS][BREAKS]; /* rising */
    struct value values[STEP_SLOTS][BREAKS + 1];
};

static struct value load(void *ctx, uint32_t slot, int64_t now_ms)
{
    const struct world *w = ctx;
    struct value v = slots[slot].value;
    if (slots[slot].motion == EXPR_STEPS) {
        int k = 0;
        while (k < BREAKS && w->breaks[slot - STEPS][k] <= now_ms)
            k++;
        return w->values[slot - STEPS][k];
    }
    if (v.type <= VALUE_ERROR)
        return v;
    if (slots[slot].motion == EXPR_CLOCK && v.integer != DURATION_MAX_MS)
        v.integer += now_ms - (slot == NOW ? 0 : w->start) + w->offsets[slot];
    else if (slots[slot].motion == EXPR_STILL)
        v.integer = w->offsets[slot];
    if (v.type == VALUE_DURATION && v.integer > DURATION_MAX_MS)
        v.integer = DURATION_MAX_MS;
    return v;
}

static int64_t next_change(void *ctx, uint32_t slot, int64_t t_ms)
{
    const struct world *w = ctx;
    for (int k = 0; k < BREAKS; k++)
        if (w->breaks[slot - STEPS][k] > t_ms)
            return w->breaks[slot - STEPS][k];
    return INT64_MAX;
}

/* A step slot's value: mostly of its type, at times missing. */
static struct value random_step(struct rng *rng, int step)
{
    switch (rng_below(rng, 8)) {
    case 0:
        return value_unknown(UNKNOWN_ABSENT);
    case 1:
        return value_unknown(UNKNOWN_UNREADABLE);
    case 2:
        return value_error("broken");
    default:
        break;
    }
    int64_t small = (int64_t)rng_below(rng, 4);
    return step == 0   ? value_int(small)
           : step == 1 ? value_bool(small % 2)
                       : value_duration((small - 1) * 60000);
}

/* Everything is a multiple of grid. */
static void random_world(struct rng *rng, struct world *w, int64_t start, int64_t grid, int64_t horizon)
{
    int64_t cells = horizon / grid;
    memset(w, 0, sizeof *w);
    w->start = start;
    w->offsets[IDLE] = (int64_t)rng_below(rng, (uint64_t)cells) * grid;
    w->offsets[AGE] = ((int64_t)rng_below(rng, (uint64_t)cells) - cells / 2) * grid;
    w->offsets[SOON_MAX] = DURATION_MAX_MS - (int64_t)(1 + rng_below(rng, (uint64_t)cells)) * grid;
    w->offsets[TICKS] = (int64_t)rng_below(rng, 10) - 5;
    w->offsets[BASE] = start + ((int64_t)rng_below(rng, (uint64_t)cells) - cells / 4) * grid;
    w->offsets[LIMIT] = (int64_t)rng_below(rng, (uint64_t)cells) * grid;
    for (int s = 0; s < STEP_SLOTS; s++) {
        int64_t at = start;
        for (int k = 0; k < BREAKS; k++) {
            at += (int64_t)(1 + rng_below(rng, (uint64_t)cells / 4)) * grid;
            w->breaks[s][k] = at;
        }
        for (int k = 0; k <= BREAKS; k++)
            w->values[s][k] = random_step(rng, s);
    }
}

/* ---- random expressions, as text ---- */

struct text {
    struct rng *rng;
    char p[4096];
    size_t n;
    bool minutes; /* everything in whole minutes, with zones */
};

static void put(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    t->n += (size_t)vsnprintf(t->p + t->n, sizeof t->p - t->n, format, args);
    va_end(args);
    assert_true(t->n < sizeof t->p);
}

enum kind { K_BOOL, K_INT, K_SPAN, K_TIME };
static void generate(struct text *t, enum kind kind, int depth);

/* format holds #B, #I, #S, #T where a sub-expression of that kind goes. */
static void fill(struct text *t, const char *format, int depth)
{
    static const char kinds[] = "BIST";
    for (; *format; format++) {
        if (*format == '#')
            generate(t, (enum kind)(strchr(kinds, *++format) - kinds), depth - 1);
        else
            put(t, "%c", *format);
    }
}

static void generate(struct text *t, enum kind kind, int depth)
{
    static const char *const leaves[4][8] = {
        {"flag", "flag", "true", "false", "flag", "flag", "flag", "flag"},
        {"count", "count", "0", "1", "2", "3", "count", "now.getHours()"},
        {"idle", "age", "soon_max", "never", "limit", "span", "lost", "age"},
        {"now", "now", "now", "base", "now", "now", "base", "now"}};
    static const char *const inner[4][20] = {
        {"(#S < #S)",        "(#S <= #S)", "(#S > #S)",
         "(#S >= #S)",       "(#S == #S)", "(#S != #S)",
         "(#T < #T)",        "(#T >= #T)", "(#T == #T)",
         "(#I < #I)",        "(#I == #I)", "(#I >= #I)",
         "(#B && #B)",       "(#B || #B)", "!(#B)",
         "(#B ? #B : #B)",   "has(flag)",  "(#I in [0, 1, 5, 30])",
         "(#B && #B && #B)", "(#B == #B)"},
        {"(#I + #I)",
         "(#I - #I)",
         "(#I * #I)",
         "(#I / #I)",
         "(#I % #I)",
         "-(#I)",
         "abs(#I)",
         "min(#I, #I)",
         "max(#I, #I, #I)",
         "(#B ? #I : #I)",
         "(#S).getMinutes()",
         "(#S).getHours()",
         "(#T).getMinutes()",
         "(#T).getHours()",
         "(#T).getDate()",
         "(#T).getDayOfWeek()",
         "size(string(#B))",
         "(#T).getMonth()",
         "(#T).getDayOfYear()",
         "(#T).getFullYear()"},
        {"(#S + #S)",       "(#S - #S)",      "-(#S)",        "abs(#S)",      "min(#S, #S)",
         "max(#S, #S, #S)", "(#B ? #S : #S)", "(#T - #T)",    "(#S + #S)",    "(#S - #S)",
         "(#T - #T)",       "(#T - base)",    "abs(#S - #S)", "(#S - limit)", "min(#S, limit)",
         "(now - base)",    "-(#S)",          "(#T - #T)",    "(#S - #S)",    "(#S + span)"},
        {"(#T + #S)",      "(#T - #S)",    "(#S + #T)",     "min(#T, #T)",    "max(#T, #T)",
         "(#B ? #T : #T)", "(#T + limit)", "(#T - limit)",  "(now + span)",   "(now - idle)",
         "(#T + #S)",      "(now - #S)",   "(now + #S)",    "max(now, base)", "(base + #S)",
         "(now + limit)",  "(#T - span)",  "(now - limit)", "(now - age)",    "(#T + #S)"}};
    static const char *const fine[] = {
        "(#S).getSeconds()",      "(#T).getSeconds()", "int(#T)", "(#S).getMilliseconds()",
        "(#T).getMilliseconds()", "(ticks + #I)",      "ticks"};
    static const char *const zones[] = {"Europe/Berlin",     "Asia/Tehran",  "Australia/Lord_Howe",
                                        "America/Sao_Paulo", "Pacific/Apia", "+03:30",
                                        "Africa/Casablanca", "UTC"};
    static const char *const accessors[] = {"getHours",     "getMinutes",   "getDate",  "getDayOfMonth",
                                            "getDayOfWeek", "getDayOfYear", "getMonth", "getFullYear"};
    if (depth <= 0) {
        if (kind == K_SPAN && rng_below(t->rng, 3) == 0)
            put(t, t->minutes ? "%dm" : "%dms", (int)rng_below(t->rng, t->minutes ? 2000 : 3000));
        else
            put(t, "%s", leaves[kind][rng_below(t->rng, 8)]);
    } else if (kind == K_INT && t->minutes && rng_below(t->rng, 2)) {
        put(t, "(");
        generate(t, K_TIME, rng_below(t->rng, 3) ? 0 : depth - 1);
        put(t, ").%s('%s')", accessors[rng_below(t->rng, 8)], zones[rng_below(t->rng, 8)]);
    } else if (kind == K_INT && !t->minutes && rng_below(t->rng, 3) == 0) {
        fill(t, fine[rng_below(t->rng, 7)], depth);
    } else {
        fill(t, inner[kind][rng_below(t->rng, 20)], depth);
    }
}

/* ---- walking ---- */

struct found {
    uint64_t changes, steps, instants;
    int64_t wrong; /* the first instant of the grid at which the value announced last is not the value; -1:
                      none */
};

/* Walks from one announced instant to the next, and beside it over the grid. Ends after STEPS_MAX steps. */
static struct found walk(struct harness *h, expr_id id, int64_t start, int64_t end, int64_t grid)
{
    enum { STEPS_MAX = 20000 };
    struct found f = {.wrong = -1};
    struct expr_eval ev, check;
    assert_int_equal(expr_eval_init(&ev, h->program, &h->source, start, &h->request), 0);
    assert_int_equal(expr_eval_init(&check, h->program, &h->source, start, &h->request), 0);
    struct value held = expr_eval(&ev, id);
    int64_t next = expr_next_change(&ev, id), at = start;
    for (int64_t t = start + grid; t <= end && f.steps < STEPS_MAX; t += grid) {
        for (; next <= t && f.steps < STEPS_MAX; f.steps++) {
            assert_true(next > at);
            at = next;
            expr_eval_at(&ev, at);
            struct value v = expr_eval(&ev, id);
            f.changes += !value_same(held, v);
            held = v;
            next = expr_next_change(&ev, id);
        }
        if (next <= t)
            return f;
        f.instants++;
        expr_eval_at(&check, t);
        if (!value_same(held, expr_eval(&check, id))) {
            f.wrong = t;
            return f;
        }
    }
    return f;
}

static struct tzdb *zones;

static void compare(uint64_t seed, int expressions, bool minutes, int64_t horizon, const int64_t *starts,
                    size_t start_count)
{
    struct rng rng;
    int64_t grid = minutes ? 60000 : 1;
    uint64_t changing = 0, compared = 0, changes = 0, steps = 0, instants = 0;
    rng_seed(&rng, seed);
    for (int i = 0; i < expressions; i++) {
        static struct harness h;
        if (i % 100 == 0) {
            if (i)
                harness_free(&h);
            harness_init(&h, slots, SLOTS);
        }
        struct world w;
        struct text text = {.rng = &rng, .minutes = minutes};
        generate(&text, (enum kind)rng_below(&rng, minutes ? 2 : 4), 1 + (int)rng_below(&rng, 4));
        int64_t start = starts[rng_below(&rng, start_count)];
        random_world(&rng, &w, start, grid, horizon);
        h.source = (struct expr_source){&w, load, next_change, zones, NULL};
        expr_id id;
        if (harness_compile(&h, text.p, VALUE_UNKNOWN, &id)) {
            if (!strstr(h.findings[0].text, "always fails") && !strstr(h.findings[0].text, "deeper"))
                fail_msg("%s: %s", text.p, h.findings[0].text);
            continue;
        }
        arena_reset(&h.request);
        struct found found = walk(&h, id, start, start + horizon, grid);
        if (found.wrong >= 0)
            fail_msg("seed %llu #%d: %s from %lld: a change by +%lld ms was not announced",
                     (unsigned long long)seed, i, text.p, (long long)start, (long long)(found.wrong - start));
        compared++;
        changing += found.changes > 0;
        changes += found.changes;
        steps += found.steps;
        instants += found.instants;
        if (i == expressions - 1)
            harness_free(&h);
    }
    print_message(
        "%llu expressions, %llu of them change; %llu steps to find %llu changes among %llu instants\n",
        (unsigned long long)compared, (unsigned long long)changing, (unsigned long long)steps,
        (unsigned long long)changes, (unsigned long long)instants);
    assert_true(compared > (uint64_t)expressions / 2 && changing > compared / 5);
    assert_true(steps < 2 * changes + instants / 4); /* not found by looking everywhere */
}

static void finds_every_change_in_milliseconds(void **state)
{
    (void)state;
    static const int64_t starts[] = {INT64_C(1736942399000), -1500, 0, INT64_C(1736899199500),
                                     INT64_C(951868799000)};
    compare(11, 4000, false, 3000, starts, 5);
}

/* Around changes of offset: Berlin 2025-03-30 and 10-26, Lord Howe (half an hour) 2025-04-06, Apia (a whole
 * day skipped) 2011-12-30, Sao Paulo (at midnight) 2018-11-04, Casablanca (Ramadan) 2025-02-23, new year. */
static void finds_every_change_in_minutes(void **state)
{
    (void)state;
    static const int64_t starts[] = {INT64_C(1743202800000), INT64_C(1761349200000), INT64_C(1743750000000),
                                     INT64_C(1325073600000), INT64_C(1541214000000), INT64_C(1740204000000),
                                     INT64_C(1735603200000), INT64_C(1736942400000)};
    compare(12, 3000, true, INT64_C(4) * 86400000, starts, 8);
}

enum { FOREVER = -1 };
#define NOW_MS INT64_C(1736942400000) /* Wednesday 2025-01-15T12:00Z */
#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

static const struct {
    const char *text;
    int64_t after; /* now; FOREVER: no change */
} exact[] = {
    {"idle < 72h", 71 * HOUR},
    {"idle <= 72h", 71 * HOUR + 1},
    {"72h > idle", 71 * HOUR},
    {"idle >= 1h", FOREVER},
    {"idle == 2h", HOUR},
    {"idle == 1h", 1},
    {"idle != 30m", FOREVER},
    {"idle + 30m > 2h", 30 * 60000 + 1},
    {"now - base < 48h", DAY},
    {"now < base + 48h", DAY},
    {"now - idle < base", FOREVER},
    {"idle - age > 1h", FOREVER},
    {"never < 72h", FOREVER},
    {"now - never < base", FOREVER},
    {"now - never", FOREVER},
    {"lost < 72h", FOREVER},
    {"never < 72h && idle < 3h", FOREVER},
    {"idle < 3h && age < 2h", HOUR},
    {"idle > 3h && age > 2h", 2 * HOUR + 1},
    {"idle > 3h || age > 2h", HOUR + 1},
    {"idle < 3h || age > 30m", 2 * HOUR},
    {"now.getHours() == 12", HOUR},
    {"now.getHours() >= 9 && now.getHours() < 20", HOUR},
    {"now.getHours('Asia/Tehran') == 15", 30 * 60000},
    {"now.getDayOfWeek() in [4, 5]", 12 * HOUR},
    {"now.getDayOfWeek('+14:00') == 5", 22 * HOUR},
    {"(now + 1h).getHours() == 3", HOUR},
    {"idle.getHours() > 3", HOUR},
    {"idle.getMinutes() > 3", 60000},
    {"now.getSeconds() == 3", 1000},
    {"int(now) % 2 == 0", 1000},
    {"max(idle, age) < 3h", 2 * HOUR},
    {"min(idle, 5h) < 3h", 2 * HOUR},
    {"abs(age - 2h) < 30m", 30 * 60000 + 1},
    {"flag && idle < 3h", 500},
    {"has(flag)", 500},
    {"flag ? idle < 2h : idle < 3h", 500},
    {"idle < 2h ? 1 : 2", HOUR},
    {"-idle > -3h", 2 * HOUR},
    {"idle", 1},
    {"string(now) == 'x'", 1},
    {"limit < 5h", FOREVER},
    {"now.getMonth() == 0", 16 * DAY + 12 * HOUR},
    {"now.getMonth('Asia/Tehran') == 0", 15 * DAY + 8 * HOUR + 30 * 60000},
    {"now.getFullYear() == 2025", 350 * DAY + 12 * HOUR},
    {"now.getHours('Mars/Olympus') == 3", INT64_C(253402300799999) - NOW_MS},
};

static void names_exact_instants(void **state)
{
    (void)state;
    const int64_t now = NOW_MS;
    struct harness h;
    struct world w = {.start = now};
    w.offsets[IDLE] = HOUR;
    w.offsets[AGE] = HOUR;
    w.offsets[BASE] = now - DAY;
    w.offsets[LIMIT] = HOUR;
    for (int k = 0; k < BREAKS; k++)
        w.breaks[1][k] = now + 500 + k;
    for (int k = 0; k <= BREAKS; k++)
        w.values[1][k] = value_bool(true);
    harness_init(&h, slots, SLOTS);
    h.source = (struct expr_source){&w, load, next_change, zones, NULL};
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        expr_id id;
        struct expr_eval ev;
        if (harness_compile(&h, exact[i].text, VALUE_UNKNOWN, &id))
            fail_msg("%s: %s", exact[i].text, h.findings[0].text);
        arena_reset(&h.request);
        assert_int_equal(expr_eval_init(&ev, h.program, &h.source, now, &h.request), 0);
        int64_t next = expr_next_change(&ev, id);
        /* far off, an age reaches its maximum and the calendar ends: never before the year 9999 */
        bool right =
            exact[i].after == FOREVER ? next >= INT64_C(253402300799999) : next - now == exact[i].after;
        if (!right)
            fail_msg("%s: after %lld ms, not %lld", exact[i].text, (long long)(next - now),
                     (long long)exact[i].after);
    }
    harness_free(&h);
}

/* The look costs one visit a node even where the same nodes are reached over very many paths. */
static void visits_shared_nodes_once(void **state)
{
    (void)state;
    struct harness h;
    struct expr_eval ev;
    static char names[SLOTS_MAX][16];
    struct world w = {.start = 0};
    harness_init(&h, slots, SLOTS);
    h.source = (struct expr_source){&w, load, next_change, NULL, NULL};
    harness_feature(&h, "n0", "idle < 10s");
    for (int k = 1; k < 60; k++) { /* 3 to the 59th paths */
        char text[128];
        snprintf(names[k], sizeof names[k], "n%d", k);
        snprintf(text, sizeof text, "(n%d ? n%d : n%d)", k - 1, k - 1, k - 1);
        harness_feature(&h, names[k], text);
    }
    assert_int_equal(expr_eval_init(&ev, h.program, &h.source, 0, &h.request), 0);
    assert_int_equal(expr_next_change(&ev, h.features[59]), 10000);
    harness_free(&h);
}

static int load_zones(void **state)
{
    (void)state;
    struct error error;
    return tzdb_load(&zones, NULL, &error);
}

static int free_zones(void **state)
{
    (void)state;
    tzdb_free(&zones);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_exact_instants),
        cmocka_unit_test(visits_shared_nodes_once),
        cmocka_unit_test(finds_every_change_in_milliseconds),
        cmocka_unit_test(finds_every_change_in_minutes),
    };
    return cmocka_run_group_tests(tests, load_zones, free_zones);
}

/* Aggregates against an independent oracle, tests/cases/aggregate_oracle.py: random histories, arriving in
 * shuffled order and partly twice, whose counts, sums, last values, ages and open cases Python computed from
 * the raw events. The small file of cases beside it is always run; where python3 is installed, a thousand
 * more are made afresh (always the same ones, from a fixed seed).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

enum { LINE_MAX_BYTES = 1024, FRESH_CASES = 1000, FIELDS_MAX = 10 };

static const int64_t windows[] = {MINUTE, 90 * MINUTE, 7 * HOUR + 1, DAY, 7 * DAY, 400 * DAY};

struct player {
    struct arena arena, schemas;
    struct schema schema;
    struct names *names;
    struct state s;
    int64_t now_ms;
    uint64_t cases, checks;
    char line[LINE_MAX_BYTES];
};

static long find_aggregate(const struct schema *s, enum aggregate_kind kind, uint32_t signal,
                           uint32_t property, int64_t window_ms)
{
    for (size_t i = 0; i < s->aggregate_count; i++)
        if (s->aggregates[i].kind == kind && s->aggregates[i].signal == signal &&
            s->aggregates[i].property == property && s->aggregates[i].window_ms == window_ms)
            return (long)i;
    fail_msg("no such aggregate");
    return -1;
}

static void declare(struct player *p)
{
    arena_init(&p->arena, 64 << 20);
    arena_init(&p->schemas, 64 << 20);
    make_schema(&p->schema, &p->schemas, 0, 0, 0);
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        add_aggregate(&p->schema, AGGREGATE_COUNT, BUY, UINT32_MAX, windows[i]);
        add_aggregate(&p->schema, AGGREGATE_COUNT, SEEN_PAGE, UINT32_MAX, windows[i]);
        add_aggregate(&p->schema, AGGREGATE_SUM, BUY, BUY_AMOUNT, windows[i]);
        add_aggregate(&p->schema, AGGREGATE_SUM, BUY, BUY_QTY, windows[i]);
        add_aggregate(&p->schema, AGGREGATE_OPEN, OPENED, 0, windows[i]);
    }
    add_aggregate(&p->schema, AGGREGATE_LAST, BUY, BUY_AMOUNT, 0);
    add_aggregate(&p->schema, AGGREGATE_LAST, BUY, BUY_SKU, 0);
    add_aggregate(&p->schema, AGGREGATE_LAST, BUY, BUY_QTY, 0);
    add_aggregate(&p->schema, AGGREGATE_LAST_AT, BUY, UINT32_MAX, 0);
    add_aggregate(&p->schema, AGGREGATE_LAST_AT, OPENED, UINT32_MAX, 0);
    p->names = names_new();
    bind_schema(&p->schema, p->names);
}

static uint32_t signal_named(const struct player *p, const char *name)
{
    long at = schema_signal_find(&p->schema, str_from(name));
    assert_true(at >= 0);
    return (uint32_t)at;
}

static uint32_t property_named(const struct player *p, const char *name)
{
    long at = schema_property(&p->schema.signals[BUY], str_from(name));
    assert_true(at >= 0);
    return (uint32_t)at;
}

static struct value value_of(const struct schema_field *f, const char *text)
{
    if (!strcmp(text, "-"))
        return value_unknown(UNKNOWN_ABSENT);
    if (f->type == VALUE_DOUBLE)
        return value_double(strtod(text, NULL));
    return f->type == VALUE_INT ? value_int(strtoll(text, NULL, 10)) : value_string(str_from(text));
}

/* Half of the time the state makes the way through the store between two events. */
static void event(struct player *p, char **f, size_t n)
{
    struct value values[BUY_PROPERTIES] = {{0}};
    struct signal g = {.index = signal_named(p, f[2]),
                       .event = strtoull(f[3], NULL, 10),
                       .time_ms = strtoll(f[4], NULL, 10)};
    const struct schema_signal *def = &p->schema.signals[g.index];
    for (size_t i = 5; i < n; i++)
        values[i - 5] = value_of(&def->properties[i - 5], f[i]);
    g.properties = values;
    int64_t arrived_ms = strtoll(f[1], NULL, 10);
    assert_true(state_apply(&p->s, &g, arrived_ms) >= 0);
    if (g.event % 2) {
        struct error e;
        state_prune(&p->s, arrived_ms);
        assert_int_equal(state_decode(&p->s, &p->schema, blob_of(&p->s, 1, &p->arena), &p->arena, &e), 0);
    }
}

static struct value asked(const struct player *p, char **f)
{
    const struct schema *s = &p->schema;
    long k;
    if (!strcmp(f[0], "count"))
        k = find_aggregate(s, AGGREGATE_COUNT, signal_named(p, f[1]), UINT32_MAX, strtoll(f[2], NULL, 10));
    else if (!strcmp(f[0], "sum"))
        k = find_aggregate(s, AGGREGATE_SUM, BUY, property_named(p, f[1]), strtoll(f[2], NULL, 10));
    else if (!strcmp(f[0], "last"))
        k = find_aggregate(s, AGGREGATE_LAST, BUY, property_named(p, f[1]), 0);
    else if (!strcmp(f[0], "open"))
        k = find_aggregate(s, AGGREGATE_OPEN, OPENED, 0, strtoll(f[1], NULL, 10));
    else
        k = find_aggregate(s, AGGREGATE_LAST_AT, signal_named(p, f[1]), UINT32_MAX, 0);
    return !strcmp(f[0], "age") ? state_age(&p->s, (size_t)k, p->now_ms)
                                : state_aggregate(&p->s, (size_t)k, p->now_ms);
}

static bool agrees(struct value got, const char *want)
{
    if (!strcmp(want, "unknown"))
        return got.type == VALUE_UNKNOWN;
    if (got.type == VALUE_DOUBLE)
        return got.number == strtod(want, NULL);
    if (got.type == VALUE_STRING)
        return str_is(value_str(got), want);
    return got.type != VALUE_UNKNOWN && got.integer == strtoll(want, NULL, 10);
}

static void expectation(struct player *p, char **f, size_t n)
{
    struct value got = asked(p, f);
    if (!agrees(got, f[n - 1])) {
        struct buf b;
        buf_init(&b, 1000);
        value_format(got, &b);
        fail_msg("case %llu (now %lld): %s %s %s: got %.*s, want %s", (unsigned long long)p->cases,
                 (long long)p->now_ms, f[0], f[1], n > 3 ? f[2] : "", (int)b.n, (char *)b.p, f[n - 1]);
    }
    p->checks++;
}

static void play(struct player *p, FILE *in)
{
    declare(p);
    while (fgets(p->line, sizeof p->line, in)) {
        char *copy = arena_strdup(&p->arena, p->line), *f[FIELDS_MAX];
        size_t n = 0;
        for (char *word = strtok(copy, " \n"); word && n < FIELDS_MAX; word = strtok(NULL, " \n"))
            f[n++] = word;
        assert_true(n >= 2);
        if (!strcmp(f[0], "case")) {
            p->now_ms = strtoll(f[1], NULL, 10);
            p->cases++;
            arena_reset(&p->arena);
            empty_state(&p->s, &p->schema, &p->arena);
        } else if (!strcmp(f[0], "event")) {
            event(p, f, n);
        } else {
            expectation(p, f, n);
        }
    }
    names_free(&p->names);
    arena_free(&p->arena);
    arena_free(&p->schemas);
}

static void small_file(void **state)
{
    (void)state;
    static struct player p;
    p = (struct player){0};
    FILE *in = fopen(SOURCE_DIR "/tests/cases/aggregate_oracle.txt", "r");
    assert_non_null(in);
    play(&p, in);
    fclose(in);
    assert_true(p.cases >= 20 && p.checks > 500);
}

static void a_thousand_histories(void **state)
{
    (void)state;
    if (system("python3 -c 'import decimal' >/dev/null 2>&1") != 0) {
        print_message("python3 is not installed: only the checked-in cases were run\n");
        skip();
    }
    static struct player p;
    p = (struct player){0};
    char command[256];
    snprintf(command, sizeof command, "python3 '%s/tests/cases/aggregate_oracle.py' --seed 2025 --count %d",
             SOURCE_DIR, FRESH_CASES);
    FILE *in = popen(command, "r");
    assert_non_null(in);
    play(&p, in);
    assert_int_equal(pclose(in), 0);
    assert_int_equal(p.cases, FRESH_CASES);
    assert_true(p.checks > 30 * FRESH_CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_file),
        cmocka_unit_test(a_thousand_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

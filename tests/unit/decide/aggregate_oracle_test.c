/* Every call over signals against an independent oracle, tests/cases/aggregate_oracle.py: random histories, arriving in
 * shuffled order and partly twice, whose features Python computed from the raw events. The policy comes from the same
 * program, so expressions, filters, aggregates, the way through the store and the reading of features are all in it. The
 * small file of cases beside it is always run; where python3 is installed, a thousand more are made afresh (always the
 * same ones, from a fixed seed).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "decide/apply.h"
#include "decide/view.h"
#include "state/aggregate.h"
#include "state/codec.h"
#include <math.h>

enum { LINE_MAX_BYTES = 1024, FRESH_CASES = 1000, FIELDS_MAX = 16, POLICY_BYTES = 64 * 1024 };

struct player {
    struct tzdb *zones;
    struct policy *policy;
    struct names *names;
    struct arena arena, evaluation;
    struct state s;
    struct view view;
    int64_t now_ms, at_ms;
    uint64_t cases, checks;
    char line[LINE_MAX_BYTES];
};

/* The lines from "policy" to "end". */
static void read_policy(struct player *p, FILE *in)
{
    static char text[POLICY_BYTES];
    struct diags diags;
    struct error e;
    size_t n = 0;
    assert_non_null(fgets(p->line, sizeof p->line, in));
    assert_string_equal(p->line, "policy\n");
    while (fgets(p->line, sizeof p->line, in) && strcmp(p->line, "end\n") != 0) {
        assert_true(n + strlen(p->line) < sizeof text);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", p->line);
    }
    const struct policy_text file = {"main.yaml", {text, n}};
    diags_init(&diags, &p->arena);
    p->policy = policy_load_texts("oracle", &file, 1, p->zones, POLICY_MEMORY_MAX, &diags);
    for (size_t i = 0; !p->policy && i < diags.count; i++)
        print_message("%d:%d: %s\n", diags.items[i].line, diags.items[i].column, diags.items[i].text);
    assert_non_null(p->policy);
    p->names = names_new();
    assert_int_equal(policy_bind_interning(p->policy, p->names, &e), 0);
}

static void new_case(struct player *p, char **f)
{
    struct error e;
    p->now_ms = strtoll(f[1], NULL, 10);
    p->cases++;
    arena_reset(&p->arena);
    assert_int_equal(state_decode(&p->s, &p->policy->schema, (struct str){0}, &p->arena, &e), 0);
    if (strcmp(f[2], "-") != 0)
        assert_int_equal(state_set_attribute(&p->s, 0, value_string(str_from(f[2])), p->now_ms), 0);
}

static struct value value_of(const struct schema_field *f, const char *text)
{
    if (f->type == VALUE_DOUBLE)
        return value_double(strtod(text, NULL));
    if (f->type == VALUE_BOOL)
        return value_bool(strcmp(text, "true") == 0);
    return f->type == VALUE_INT ? value_int(strtoll(text, NULL, 10)) : value_string(str_from(text));
}

/* Half of the time the state makes the way through the store between two events. */
static void event(struct player *p, char **f, size_t n)
{
    const struct schema *schema = &p->policy->schema;
    struct value values[SCHEMA_PROPERTIES_MAX] = {{0}};
    long index = schema_signal_find(schema, str_from(f[2]));
    assert_true(index >= 0);
    struct signal g = {.index = (uint32_t)index,
                       .event = strtoull(f[3], NULL, 10),
                       .time_ms = strtoll(f[4], NULL, 10),
                       .channel = strcmp(f[5], "-") ? str_from(f[5]) : (struct str){0},
                       .properties = values};
    for (size_t i = 6; i < n; i++) {
        char *value = strchr(f[i], '=');
        *value++ = 0;
        long at = schema_property(&schema->signals[index], str_from(f[i]));
        assert_true(at >= 0);
        values[at] = value_of(&schema->signals[index].properties[at], value);
    }
    int64_t arrived_ms = strtoll(f[1], NULL, 10);
    assert_true(apply_signal(p->policy, &p->s, &g, arrived_ms) >= 0);
    if (g.event % 2) {
        struct error e;
        struct buf b;
        buf_init(&b, STATE_BLOB_MAX);
        state_prune(&p->s, arrived_ms);
        assert_int_equal(state_encode(&p->s, 1, &b, &e), 0);
        struct str blob = arena_str(&p->arena, (struct str){(const char *)b.p, b.n});
        buf_free(&b);
        assert_int_equal(state_decode(&p->s, schema, blob, &p->arena, &e), 0);
    }
}

static void at(struct player *p, int64_t at_ms)
{
    p->at_ms = at_ms;
    arena_reset(&p->evaluation);
    assert_int_equal(view_init(&p->view, p->policy, &p->s, NULL, 0, false, at_ms, &p->evaluation), 0);
}

/* How much too small the affinity may be, as the state says. */
static double allowed_error(const struct player *p, long feature)
{
    double allowed = 0;
    const struct expr_slot *slot = NULL;
    for (uint32_t i = 0; i < p->policy->slot_count; i++) {
        slot = expr_slot_at(p->policy->program, i);
        if (p->policy->slots[i].kind == SLOT_AFFINITY &&
            expr_node_slot(p->policy->program, i) == p->policy->features[feature].node)
            allowed = state_top_error(&p->s, p->policy->slots[i].index);
    }
    assert_non_null(slot);
    assert_true(allowed <= 1.0 / (STATE_TOP_MAX + 1));
    return allowed;
}

static bool agrees(const struct player *p, struct value got, const char *compare, long feature, const char *want,
                   const char *tolerance)
{
    if (!strcmp(want, "unknown"))
        return got.type == VALUE_UNKNOWN;
    if (!strcmp(compare, "near"))
        return got.type == VALUE_DOUBLE && fabs(got.number - strtod(want, NULL)) <= strtod(tolerance, NULL);
    if (!strcmp(compare, "for")) {
        double exact = strtod(want, NULL), least = exact - allowed_error(p, feature);
        return got.type == VALUE_DOUBLE && got.number <= exact + 1e-9 && got.number >= least - 1e-9;
    }
    if (!strcmp(compare, "below"))
        return got.type == VALUE_INT && got.integer > 0 && got.integer <= strtoll(want, NULL, 10);
    if (got.type == VALUE_DOUBLE)
        return got.number == strtod(want, NULL);
    if (got.type == VALUE_STRING)
        return str_is(value_str(got), want);
    if (got.type == VALUE_BOOL)
        return got.boolean == (strcmp(want, "true") == 0);
    return got.type != VALUE_UNKNOWN && got.integer == strtoll(want, NULL, 10);
}

/* Whatever happens to a value happens at an instant that next_change names: it is the same until just before that. */
static void check_standing(struct player *p, expr_id node, struct value now)
{
    int64_t next = expr_next_change(&p->view.ev, node);
    assert_true(next > p->at_ms);
    if (next - 1 == p->at_ms)
        return;
    expr_eval_at(&p->view.ev, next == INT64_MAX ? p->at_ms + INT64_C(10000) * 86400000 : next - 1);
    struct value then = expr_eval(&p->view.ev, node);
    expr_eval_at(&p->view.ev, p->at_ms);
    assert_int_equal(then.type, now.type);
    if (now.type == VALUE_STRING)
        assert_true(str_eq(value_str(then), value_str(now)));
    else if (now.type > VALUE_NULL)
        assert_true(value_same(then, now) || now.type == VALUE_DURATION);
}

static void expectation(struct player *p, char **f)
{
    bool of_action = !strcmp(f[0], "for");
    const char *name = f[of_action ? 2 : 1], *want = f[of_action ? 3 : 2];
    long feature = policy_feature_find(p->policy, str_from(name));
    assert_true(feature >= 0);
    if (of_action && strcmp(f[1], "-") != 0)
        expr_eval_vary(&p->view.ev, (uint32_t)policy_action_find(p->policy, str_from(f[1])));
    expr_id node = p->policy->features[feature].node;
    struct value got = expr_eval(&p->view.ev, node);
    if (!agrees(p, got, f[0], feature, want, f[3])) {
        struct buf b;
        buf_init(&b, 1000);
        value_format(got, &b);
        fail_msg("case %llu (now %lld, at %lld): %s: got %.*s, want %s", (unsigned long long)p->cases,
                 (long long)p->now_ms, (long long)p->at_ms, name, (int)b.n, (char *)b.p, want);
    }
    if (p->checks % 7 == 0)
        check_standing(p, node, got);
    p->checks++;
}

static void play(struct player *p, FILE *in)
{
    struct error e;
    assert_int_equal(tzdb_load(&p->zones, NULL, &e), 0);
    arena_init(&p->arena, 64 << 20);
    arena_init(&p->evaluation, 16 << 20);
    read_policy(p, in);
    while (fgets(p->line, sizeof p->line, in)) {
        char *copy = arena_strdup(&p->arena, p->line), *f[FIELDS_MAX];
        size_t n = 0;
        for (char *word = strtok(copy, " \n"); word && n < FIELDS_MAX; word = strtok(NULL, " \n"))
            f[n++] = word;
        assert_true(n >= 2);
        if (!strcmp(f[0], "case")) {
            char zone[64];
            snprintf(zone, sizeof zone, "%s", f[2]);
            f[2] = zone;
            new_case(p, f);
        } else if (!strcmp(f[0], "event")) {
            event(p, f, n);
        } else if (!strcmp(f[0], "at")) {
            at(p, strtoll(f[1], NULL, 10));
        } else {
            expectation(p, f);
        }
    }
    policy_free(&p->policy);
    names_free(&p->names);
    arena_free(&p->arena);
    arena_free(&p->evaluation);
    tzdb_free(&p->zones);
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
    assert_true(p.cases >= 8 && p.checks > 2000);
}

static void a_thousand_histories(void **state)
{
    (void)state;
    if (system("python3 -c 'import zoneinfo' >/dev/null 2>&1") != 0) {
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
    assert_true(p.checks > 300 * FRESH_CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_file),
        cmocka_unit_test(a_thousand_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A decision on a warm arena calls no malloc: neither choosing, rendering, suppressing, looking ahead, explaining nor
 * encoding, pair features and all, with a bundle and without. Counted by standing in for
 * malloc, calloc and realloc in this executable (glibc's own are behind them), so not under a sanitizer, which does the
 * same.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "models/binding.h"
#include "models/bundle_write.h"
#include "unit/models/tiny_model.h"
#include <math.h>

#if defined(__has_feature)
#define CLANG_SANITIZES (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define CLANG_SANITIZES 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || CLANG_SANITIZES || !defined(__GLIBC__)
#define COUNTING 0
static size_t calls;
#else
#define COUNTING 1
static size_t calls;
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
    calls++;
    return __libc_malloc(n);
}
void *calloc(size_t n, size_t size)
{
    calls++;
    return __libc_calloc(n, size);
}
void *realloc(void *p, size_t n)
{
    calls++;
    return __libc_realloc(p, n);
}
#endif

enum { WARM_UP = 3, RUNS = 20, ARMS = 3 };

static const char yaml[] =
    "brand: {name: T, time_zone: Asia/Tehran, locales: [en]}\n"
    "profile: {name: string}\n"
    "signals: {buy: {properties: {price: number}}}\n"
    "features:\n"
    "  bought: {sum: buy.price, window: 1d}\n"
    "  fits: {expr: \"bought < action.most\"}\n"
    "  label: {expr: \"action.id + '/' + profile.name\"}\n"
    "channels: {mail: {direction: outbound, consent: [], format: html, quiet_hours: {from: \"21:00\", to: "
    "\"08:00\"}}}\n"
    "actions:\n"
    "  - {id: one, issue: i, group: g, purpose: service, value: \"1.0 + sum(buy.price, 1d)\", applicability: "
    "\"age(buy) > 10m\", suitability: fits, lever: \"fits ? 1.0 : 0.5\", features: {most: 100},\n"
    "     treatments: [{channel: mail, subject: \"for {{ profile.name + '!' }}\", body: \"{{ sum(buy.price, "
    "1d) }} {{ label }}\"}]}\n"
    "  - {id: two, issue: i, group: g, purpose: ask, value: 0.5, active: {weekly: [\"daily 09:00-20:00\"]},\n"
    "     treatments: [{channel: mail, subject: a, body: b}]}\n"
    "suppressions: [{id: rest, when: \"age(buy) < 1h\", block: {everything: true}, reason: too soon}]\n"
    "contact_policy: [{id: daily, at_most: 2, per: 1d}, {id: same, scope: {action: each}, cooldown: 2d}]\n";

/* Calls of malloc in RUNS decisions. */
static size_t calls_of(struct fixture *f, const struct scorer *scorer, int64_t now_ms, bool suppressed)
{
    struct decide_input in = input_of(f);
    struct arena warm;
    struct error e = {0};
    size_t before = 0;
    in.now_ms = now_ms;
    in.scorer = scorer;
    f->request.explain = true;
    arena_init(&warm, 4 << 20);
    for (int i = 0; i < WARM_UP + RUNS; i++) {
        struct str bytes;
        if (i == WARM_UP)
            before = calls;
        arena_reset(&warm);
        int rc = decide(&in, &warm, &f->decision, &e);
        if (!rc)
            rc = decision_encode(&f->decision, &warm, &bytes, &e);
        if (rc || f->decision.suppressed != suppressed)
            fail_msg("not the decision that was meant");
    }
    size_t made = calls - before;
    arena_free(&warm);
    return made;
}

static void no_malloc(struct fixture *f, int64_t now_ms, bool suppressed)
{
    assert_int_equal(calls_of(f, NULL, now_ms, suppressed), 0);
}

static void a_warm_decision_allocates_nothing(void **state)
{
    struct fixture *f = *state;
    if (!COUNTING) {
        print_message("malloc is not counted in this build\n");
        skip();
    }
    size_t before = calls;
    void *volatile p = malloc(1);
    free(p);
    assert_int_equal(calls, before + 1);
    use_policy(f, yaml);
    set_profile(f, "name", value_string(STR("<Sara>")));
    no_malloc(f, NOW, false);
    happen(f, "buy", "price", value_double(12.5), NOW - 20 * MINUTE);
    no_malloc(f, NOW, true); /* the rule */
    no_malloc(f, NOW + HOUR, false);
    for (int i = 0; i < 40; i++)
        contacted(f, i % 2 ? "one" : "two", "mail", NOW + i);
    no_malloc(f, NOW + HOUR, true); /* the cap, then quiet hours */
    forget_customer(f);
    no_malloc(f, NOW + 12 * HOUR, true);
}

/* The two actions of the policy and silence, one model each. */
static void write_learner(const char *folder, struct bundle **out, struct diags *d)
{
    static struct bundle_feature features[] = {
        {.name = STR("bought"), .from = BUNDLE_CUSTOMER, .type = BUNDLE_NUMBER}};
    struct bundle_arm arms[] = {{.arm = STR("silence")}, {.arm = STR("one")}, {.arm = STR("two")}};
    struct bundle_spec spec = {.name = STR("x"),
                               .version = STR("1"),
                               .kind = BUNDLE_T_LEARNER,
                               .objective = STR("binary:logistic"),
                               .label = STR("bought"),
                               .arms = arms,
                               .arm_count = ARMS,
                               .training_rows = -1,
                               .training_seed = -1,
                               .features = features,
                               .feature_count = 1};
    const float row = 1;
    struct buf bytes[ARMS];
    struct str models[ARMS];
    struct error e = {0};
    for (int i = 0; i < ARMS; i++) {
        const struct stump stump = {0, 5, (float)i, (float)i + 1, true};
        buf_init(&bytes[i], 1 << 16);
        tiny_model(&bytes[i], "binary:logistic", "5E-1", 1, &stump, 1);
        models[i] = (struct str){(const char *)bytes[i].p, bytes[i].n};
    }
    if (bundle_write(folder, &spec, models, &row, NULL, 1, &e) || bundle_load(out, folder, d, &e))
        fail_msg("%s", e.text);
    for (int i = 0; i < ARMS; i++)
        buf_free(&bytes[i]);
}

static void a_bundle_allocates_nothing_either(void **state)
{
    struct fixture *f = *state;
    char top[] = "/tmp/tact_allocation.XXXXXX", folder[64], command[64];
    struct bundle *bundle = NULL;
    struct diags d;
    if (!COUNTING) {
        print_message("malloc is not counted in this build\n");
        skip();
    }
    use_policy(f, yaml);
    assert_non_null(mkdtemp(top));
    snprintf(folder, sizeof folder, "%s/bundle", top);
    diags_init(&d, &f->arena);
    write_learner(folder, &bundle, &d);
    struct binding *binding = binding_new(bundle, f->policy, &d);
    assert_non_null(binding);
    assert_int_equal(d.count, 0);
    const struct scorer scorer = {.model_id = binding_id(binding), .ctx = binding, .score = binding_score};
    assert_int_equal(calls_of(f, &scorer, NOW, false), 0);
    happen(f, "buy", "price", value_double(12.5), NOW - 20 * MINUTE);
    assert_int_equal(calls_of(f, &scorer, NOW, true), 0); /* scored to say what is withheld */
    binding_free(&binding);
    bundle_free(&bundle);
    snprintf(command, sizeof command, "rm -rf %s", top);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_warm_decision_allocates_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_bundle_allocates_nothing_either, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Replay of decisions that bundles of each kind made: all files of a bundle are in the archive, and every byte comes out
 * again; without one of them it says so.
 * SPDX-License-Identifier: Apache-2.0 */
#include "replay_brand.h"
#include "unit/models/tiny_model.h"

enum { ARMS_MAX = 2, ROUNDS = 12 };

static struct str actions[] = {STR("nobody"), STR("cart_reminder"), STR("news")};
static struct bundle_feature features[] = {
    {.name = STR("cart_value_24h"), .from = BUNDLE_CUSTOMER, .type = BUNDLE_NUMBER},
    {.name = STR("id"),
     .from = BUNDLE_ACTION,
     .type = BUNDLE_CATEGORY,
     .categories = actions,
     .category_count = 3}};

/* The brand's bundle becomes one of this kind, archived. `news` is unknown to the kinds with arms. */
static void use_kind(struct brand *b, enum bundle_kind kind)
{
    const bool many = kind == BUNDLE_T_LEARNER || kind == BUNDLE_TRANSFORMED;
    const char *objective = kind == BUNDLE_TRANSFORMED ? "reg:squarederror" : "binary:logistic";
    struct bundle_arm one = {0}, arms[ARMS_MAX] = {{.arm = STR("cart_reminder")}, {.arm = STR("silence")}};
    struct bundle_spec spec = {.name = STR("kinds"),
                               .version = STR("1"),
                               .kind = kind,
                               .objective = str_from(objective),
                               .label = STR("responded"),
                               .silence = kind == BUNDLE_S_LEARNER ? STR("nobody") : (struct str){0},
                               .arms = many ? arms : &one,
                               .arm_count = kind == BUNDLE_T_LEARNER ? 2 : 1,
                               .training_rows = -1,
                               .training_seed = -1,
                               .features = features,
                               .feature_count = many ? 1 : 2};
    const struct stump stumps[ARMS_MAX][2] = {{{0, 20, 0.5f, 1, true}, {1, 0.5f, 0, 0.25f, true}},
                                              {{0, 20, -1, 0.125f, true}, {1, 0.5f, 0, 0.25f, true}}};
    const float row[2] = {1, 1};
    struct buf bytes[ARMS_MAX];
    struct str models[ARMS_MAX];
    struct error e = {0};
    struct arena arena;
    struct diags diags;
    char path[4096];
    arena_init(&arena, 64 << 20);
    diags_init(&diags, &arena);
    for (int i = 0; i < ARMS_MAX; i++) {
        buf_init(&bytes[i], 1 << 16);
        tiny_model(&bytes[i], objective, "5E-1", (int)spec.feature_count, stumps[i], (int)spec.feature_count);
        models[i] = (struct str){(const char *)bytes[i].p, bytes[i].n};
    }
    for (int i = 0; i < 2; i++)
        binding_free(&b->bindings[i]);
    bundle_free(&b->bundle);
    snprintf(path, sizeof path, "%s/bundle-%d", b->log, (int)kind);
    if (bundle_write(path, &spec, models, row, NULL, 1, &e) || bundle_load(&b->bundle, path, &diags, &e))
        fail_msg("%s", e.text);
    archive_bundle(b);
    for (int i = 0; i < 2; i++)
        assert_non_null(b->bindings[i] = binding_new(b->bundle, b->policies[i], &diags));
    for (int i = 0; i < ARMS_MAX; i++)
        buf_free(&bytes[i]);
    arena_free(&arena);
}

static const struct wanted sorts[] = {
    {.channel = "web", .cart = 40, .model = true, .explain = true},
    {.channel = "web", .cart = 4, .model = true},
    {.channel = "email", .cart = 12.5, .model = true, .explain = true},
    {.channel = "web", .cart = 7, .model = true, .case_signal = true, .explain = true},
    {.channel = "email", .cart = 30, .model = true, .unreadable = true, .explain = true},
    {.channel = "web"},
};
enum { SORTS = sizeof sorts / sizeof *sorts };

/* One log with decisions by all four, in turn. */
static void every_kind_comes_out_again(void **state)
{
    static const enum bundle_kind kinds[] = {BUNDLE_T_LEARNER, BUNDLE_S_LEARNER, BUNDLE_TRANSFORMED,
                                             BUNDLE_PROPENSITY};
    struct brand *b = *state;
    struct told t;
    log_names(b);
    for (size_t k = 0; k < 4; k++) {
        use_kind(b, kinds[k]);
        for (int i = 0; i < ROUNDS; i++)
            log_decision(b, &sorts[i % SORTS]);
    }
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.decisions, 4 * ROUNDS);
    assert_int_equal(c.identical, 4 * ROUNDS);
    assert_int_equal(t.count, 0);
}

/* Baseline: field 7 of Factors, fixed64; a silent customer's chance with this model at this cart, 1 / (1 + e^1). */
static void spoil_baseline(uint8_t *bytes, size_t *n)
{
    uint8_t *at = bytes;
    while ((at = memchr(at, 0x39, *n - (size_t)(at - bytes) - 8))) {
        double v;
        memcpy(&v, at + 1, sizeof v);
        if (fabs(v - 1 / (1 + exp(1))) < 1e-12)
            break;
        at++;
    }
    assert_non_null(at);
    at[1] ^= 1;
}

static void a_baseline_that_differs_is_found(void **state)
{
    struct brand *b = *state;
    struct told t;
    struct wanted w = sorts[1];
    w.spoil = spoil_baseline;
    use_kind(b, BUNDLE_T_LEARNER);
    log_names(b);
    log_decision(b, &sorts[0]);
    log_decision(b, &w);
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.identical, 1);
    assert_int_equal(c.differing, 1);
    assert_int_equal(t.count, 1);
    assert_non_null(strstr(t.items[0].field, "baseline"));
}

static void an_arms_file_is_missing_from_the_archive(void **state)
{
    struct brand *b = *state;
    struct told t;
    char path[4096];
    use_kind(b, BUNDLE_T_LEARNER);
    log_names(b);
    log_decision(b, &sorts[0]);
    log_decision(b, &sorts[SORTS - 1]); /* without the model */
    snprintf(path, sizeof path, "%s/model/%s/silence.json", b->log, binding_id(b->bindings[0]));
    assert_int_equal(unlink(path), 0);
    struct replay_counts c = replay(b, &t);
    assert_int_equal(c.identical, 1);
    assert_int_equal(c.failed, 1);
    assert_int_equal(t.count, 1);
    assert_non_null(strstr(t.items[0].text, "silence.json: cannot open: No such file or directory"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_kind_comes_out_again),
        TEST(a_baseline_that_differs_is_found),
        TEST(an_arms_file_is_missing_from_the_archive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Bundles of every kind through decide: tiny models whose margins can be added by hand, the scores, baselines and priorities
 * that come of them, actions that a bundle does not know, pair features, and what binding says when a bundle and a policy do
 * not go together.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "models/binding.h"
#include "models/bundle_write.h"
#include "tact/v1/decisions.pb-c.h"
#include "unit/models/tiny_model.h"
#include <math.h>

enum { ARMS_MAX = 4 };

static const char policy_text[] =
    "brand: {name: T, time_zone: Asia/Tehran, locales: [en]}\n"
    "profile: {spend: number, likes: string}\n"
    "channels: {web: {direction: inbound}, mail: {direction: outbound, consent: [], cost: 0.25}}\n"
    "features:\n"
    "  spend: {expr: \"profile.spend\"}\n"
    "  liked: {expr: \"profile.likes == action.category\", was: [fits, fancied]}\n"
    "actions:\n"
    "  - {id: mens, issue: i, group: g, purpose: service, value: 4, lever: 2, context_weight: 0.5,\n"
    "     features: {category: shirt, discount: 0.5}, treatments: [{channel: web, body: x}, {channel: mail, "
    "body: "
    "x}]}\n"
    "  - {id: womens, issue: i, group: g, purpose: service, value: 2,\n"
    "     features: {category: dress, discount: 0.0}, treatments: [{channel: web, body: x}]}\n"
    "  - {id: gift, issue: i, group: g, purpose: service, value: 1, starting_propensity: 0.125,\n"
    "     features: {category: card}, treatments: [{channel: web, body: x}]}\n";

/* A bundle made in a folder, loaded, bound to the fixture's policy. */
struct bound {
    char folder[64];
    struct bundle *bundle;
    struct binding *binding;
    struct scorer scorer;
    struct arena arena;
    struct diags diags;
};

static void remove_folder(const char *folder)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

static void load_bundle(struct fixture *f, struct bound *b, const struct bundle_spec *spec,
                        const struct buf *models)
{
    struct error e = {0};
    struct str bytes[ARMS_MAX];
    float rows[8] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    char out[96];
    *b = (struct bound){.folder = "/tmp/tact_kinds.XXXXXX"};
    assert_non_null(mkdtemp(b->folder));
    snprintf(out, sizeof out, "%s/bundle", b->folder);
    arena_init(&b->arena, 16 << 20);
    diags_init(&b->diags, &b->arena);
    for (size_t i = 0; i < spec->arm_count; i++)
        bytes[i] = (struct str){(const char *)models[i].p, models[i].n};
    if (bundle_write(out, spec, bytes, rows, NULL, 1, &e) || bundle_load(&b->bundle, out, &b->diags, &e))
        fail_msg("%s", e.text);
    b->binding = binding_new(b->bundle, f->policy, &b->diags);
    if (b->binding)
        b->scorer = (struct scorer){.model_id = binding_id(b->binding), .ctx = b->binding, .score = binding_score};
}

static void unload(struct bound *b)
{
    binding_free(&b->binding);
    bundle_free(&b->bundle);
    remove_folder(b->folder);
    arena_free(&b->arena);
}

/* All findings, one a line, the folder left out. */
static const char *findings(struct bound *b)
{
    const char *all = "";
    for (size_t i = 0; i < b->diags.count; i++) {
        const struct diag *d = &b->diags.items[i];
        const char *file = strrchr(d->file, '/') + 1;
        all = arena_printf(&b->arena, "%s%s:%d:%d: %s: %s\n", all, file, d->line, d->column,
                           d->severity == DIAG_ERROR ? "error" : "warning", d->text);
    }
    return all;
}

static struct bundle_spec spec_of(enum bundle_kind kind, const char *objective, enum bundle_label label,
                                  struct bundle_arm *arms, size_t arm_count, struct bundle_feature *features,
                                  size_t feature_count)
{
    return (struct bundle_spec){.name = STR("kinds"),
                                .version = STR("1"),
                                .kind = kind,
                                .objective = str_from(objective),
                                .label = STR("responded"),
                                .label_type = label,
                                .arms = arms,
                                .arm_count = arm_count,
                                .training_rows = -1,
                                .training_seed = -1,
                                .features = features,
                                .feature_count = feature_count};
}

static struct bundle_feature spend = {.name = STR("spend"), .from = BUNDLE_CUSTOMER, .type = BUNDLE_NUMBER};

static void model(struct buf *out, const char *objective, const char *base, int features,
                  const struct stump *stumps, int count)
{
    buf_init(out, 1 << 20);
    tiny_model(out, objective, base, features, stumps, count);
}

static const struct factors *factors_of(const struct fixture *f, const char *action)
{
    const struct candidate *c = candidate_of(f, action);
    assert_true(c->scored);
    return &c->factors;
}

static void assert_score(const struct fixture *f, const char *action, double propensity, double baseline)
{
    const struct candidate *c = candidate_of(f, action);
    const struct factors *k = factors_of(f, action);
    if (fabs(k->propensity - propensity) > 1e-15 * (1 + fabs(propensity)) ||
        fabs(k->baseline - baseline) > 1e-15 * (1 + fabs(baseline)))
        fail_msg("%s: got %.17g and %.17g, want %.17g and %.17g", action, k->propensity, k->baseline,
                 propensity, baseline);
    assert_true(k->from_model);
    assert_true(c->priority ==
                (k->propensity - k->baseline) * k->value * k->context_weight * k->lever - k->contact_cost);
}

static void assert_unknown(const struct fixture *f, const char *action, double starting)
{
    const struct factors *k = factors_of(f, action);
    assert_true(k->propensity == starting && k->baseline == 0 && !k->from_model);
}

static double logistic(double m)
{
    return 1 / (1 + exp(-m));
}

/* ---- each kind ---- */

/* Margin: 1 for a customer of 10 and more (else 0), 2 for a liked category, 0.5 where there is a discount. */
static void propensity_with_a_pair_feature(void **state)
{
    struct fixture *f = *state;
    struct bound b;
    struct buf bytes;
    struct bundle_arm arm = {0};
    struct bundle_feature features[] = {
        spend,
        {.name = STR("fancied"), .from = BUNDLE_PAIR, .type = BUNDLE_BOOL}, /* as the policy called it before */
        {.name = STR("discount"), .from = BUNDLE_ACTION, .type = BUNDLE_NUMBER}};
    const struct stump stumps[] = {{0, 10, 0, 1, true}, {1, 0.5f, 0, 2, true}, {2, 0.25f, -0.5f, 0.5f, true}};
    struct bundle_spec spec =
        spec_of(BUNDLE_PROPENSITY, "binary:logistic", BUNDLE_BINARY, &arm, 1, features, 3);
    use_policy(f, policy_text);
    model(&bytes, "binary:logistic", "5E-1", 3, stumps, 3);
    load_bundle(f, &b, &spec, &bytes);
    assert_string_equal(findings(&b), "");
    struct decide_input in = input_of(f);
    in.scorer = &b.scorer;
    run(f, &in);
    assert_score(f, "mens", logistic(0.5), 0); /* nothing known of the customer: liked is unknown, missing */
    assert_score(f, "womens", logistic(-0.5), 0);
    assert_score(f, "gift", logistic(-0.5), 0);
    set_profile(f, "spend", value_double(10));
    set_profile(f, "likes", value_string(STR("dress")));
    run(f, &in);
    assert_score(f, "mens", logistic(1.5), 0);
    assert_score(f, "womens", logistic(2.5), 0);
    assert_chosen(f, "mens"); /* of twice the value */
    float rows[9];
    const uint32_t actions[] = {action_named(f, "womens"), action_named(f, "gift"), action_named(f, "mens")};
    binding_rows(b.binding, f->decision.ev, actions, 3, rows);
    const float want[9] = {10, 1, 0, 10, 0, NAN, 10, 0, 0.5f};
    for (size_t i = 0; i < 9; i++)
        assert_true(rows[i] == want[i] || (isnan(rows[i]) && isnan(want[i])));
    unload(&b);
    buf_free(&bytes);
}

static struct str ids[] = {STR("nobody"), STR("mens"), STR("womens")};
static struct bundle_feature id_feature = {.name = STR("id"),
                                           .from = BUNDLE_ACTION,
                                           .type = BUNDLE_CATEGORY,
                                           .categories = ids,
                                           .category_count = 3};

/* Margin: by spend; 0.25 for any action against silence; 0.125 for womens; by discount, whose default direction shows
 * that silence has none. */
static void s_learner(void **state)
{
    struct fixture *f = *state;
    struct bound b;
    struct buf bytes;
    struct bundle_arm arm = {0};
    struct bundle_feature features[] = {
        spend,
        id_feature,
        {.name = STR("liked"), .from = BUNDLE_PAIR, .type = BUNDLE_BOOL},
        {.name = STR("discount"), .from = BUNDLE_ACTION, .type = BUNDLE_NUMBER}};
    const struct stump stumps[] = {{0, 10, 1, 3, true},
                                   {1, 0.5f, 0, 0.25f, true},
                                   {1, 1.5f, 0, 0.125f, true},
                                   {2, 0.5f, 8, 16, false},
                                   {3, 0.25f, 32, 64, false}};
    struct bundle_spec spec =
        spec_of(BUNDLE_S_LEARNER, "reg:squarederror", BUNDLE_MONEY, &arm, 1, features, 4);
    spec.silence = STR("nobody");
    use_policy(f, policy_text);
    model(&bytes, "reg:squarederror", "0E0", 4, stumps, 5);
    load_bundle(f, &b, &spec, &bytes);
    assert_string_equal(findings(&b),
                        "bundle.yaml:13:5: warning: the bundle does not know 1 of the policy's 3 "
                        "actions, which count with their starting propensity: gift\n");
    set_profile(f, "spend", value_double(5));
    set_profile(f, "likes", value_string(STR("shirt")));
    struct decide_input in = input_of(f);
    in.scorer = &b.scorer;
    run(f, &in);
    const double silence = 1 + 0 + 0 + 16 + 64; /* missing goes right in the last two */
    assert_score(f, "mens", 1 + 0.25 + 0 + 16 + 64, silence);
    assert_score(f, "womens", 1 + 0.25 + 0.125 + 8 + 32, silence);
    assert_unknown(f, "gift", 0.125);
    assert_chosen(f, "mens");
    assert_true(f->decision.choices[0].priority == 0.25 * 4 * 0.5 * 2);
    assert_true(candidate_of(f, "womens")->priority == (41.375 - 81) * 2);
    assert_false(binding_knows(b.binding, action_named(f, "gift")));
    unload(&b);
    buf_free(&bytes);
}

static void an_action_called_as_silence_is_not_scored(void **state)
{
    struct fixture *f = *state;
    struct bound b;
    struct buf bytes;
    struct bundle_arm arm = {0};
    struct bundle_feature features[] = {id_feature};
    const struct stump stump = {0, 0.5f, 0, 1, true};
    struct bundle_spec spec =
        spec_of(BUNDLE_S_LEARNER, "binary:logistic", BUNDLE_BINARY, &arm, 1, features, 1);
    spec.silence = STR("mens");
    use_policy(f, policy_text);
    model(&bytes, "binary:logistic", "5E-1", 1, &stump, 1);
    load_bundle(f, &b, &spec, &bytes);
    struct decide_input in = input_of(f);
    in.scorer = &b.scorer;
    run(f, &in);
    assert_false(factors_of(f, "mens")->from_model);
    assert_true(factors_of(f, "womens")->from_model);
    assert_true(candidate_of(f, "womens")->priority == 0); /* code 2 and silence's code 1 go the same way */
    unload(&b);
    buf_free(&bytes);
}

static void t_learner(void **state)
{
    struct fixture *f = *state;
    struct bound b;
    struct buf bytes[3];
    struct bundle_arm arms[] = {
        {.arm = STR("mens"), .calibration = {.kind = CALIBRATION_PLATT, .a = 2, .b = 1}},
        {.arm = STR("silence")},
        {.arm = STR("womns")}};
    struct bundle_spec spec = spec_of(BUNDLE_T_LEARNER, "binary:logistic", BUNDLE_BINARY, arms, 3, &spend, 1);
    use_policy(f, policy_text);
    for (int i = 0; i < 3; i++) {
        const struct stump stump = {0, 10, 0.5f * (float)i, -1.0f + (float)i, i == 0};
        model(&bytes[i], "binary:logistic", "5E-1", 1, &stump, 1);
    }
    load_bundle(f, &b, &spec, bytes);
    assert_string_equal(findings(&b), "bundle.yaml:8:5: warning: the bundle does not know 2 of the policy's "
                                      "3 actions, which count with their "
                                      "starting propensity: womens, gift\n"
                                      "bundle.yaml:10:5: warning: arm womns: the policy has no action of "
                                      "this name; did you mean womens?\n");
    struct decide_input in = input_of(f);
    in.scorer = &b.scorer;
    run(f, &in);
    assert_score(f, "mens", logistic(2 * 0 + 1), logistic(0)); /* missing: left in mens, right in silence */
    assert_unknown(f, "womens", f->policy->actions[action_named(f, "womens")].starting_propensity);
    assert_unknown(f, "gift", 0.125);
    set_profile(f, "spend", value_double(12));
    run(f, &in);
    assert_score(f, "mens", logistic(2 * -1 + 1), logistic(0));
    assert_true(candidate_of(f, "mens")->priority < 0); /* contact makes it worse */
    assert_chosen(f, "gift");
    f->request.channel = channel_named(f, "mail"); /* mens only: suppressed, and it costs */
    run(f, &in);
    assert_suppressed(f, CAUSE_NOT_WORTH_IT, "");
    assert_true(factors_of(f, "mens")->contact_cost == 0.25);
    assert_score(f, "mens", logistic(-1), logistic(0));
    unload(&b);
    for (int i = 0; i < 3; i++)
        buf_free(&bytes[i]);
}

static void transformed(void **state)
{
    struct fixture *f = *state;
    struct bound b;
    struct buf bytes[2];
    struct bundle_arm arms[] = {{.arm = STR("womens")}, {.arm = STR("mens")}};
    struct bundle_spec spec =
        spec_of(BUNDLE_TRANSFORMED, "reg:squarederror", BUNDLE_BINARY, arms, 2, &spend, 1);
    const struct stump stumps[2] = {{0, 10, 0.25f, -0.5f, true}, {0, 10, -0.125f, 0.0625f, true}};
    use_policy(f, policy_text);
    for (int i = 0; i < 2; i++)
        model(&bytes[i], "reg:squarederror", "0E0", 1, &stumps[i], 1);
    load_bundle(f, &b, &spec, bytes);
    struct decide_input in = input_of(f);
    in.scorer = &b.scorer;
    run(f, &in);
    assert_score(f, "womens", 0.25, 0);
    assert_score(f, "mens", -0.125, 0);
    assert_chosen(f, "womens");
    assert_true(f->decision.choices[0].priority == 0.5);
    set_profile(f, "spend", value_double(10));
    run(f, &in);
    assert_score(f, "womens", -0.5, 0);
    assert_score(f, "mens", 0.0625, 0);
    assert_chosen(f, "mens");
    unload(&b);
    for (int i = 0; i < 2; i++)
        buf_free(&bytes[i]);
}

/* The exponential link: money expected, when contacted and when not. */
static void money_of_a_t_learner(void **state)
{
    struct fixture *f = *state;
    struct bound b;
    struct buf bytes[2];
    const double xs[] = {-1, 1}, ys[] = {0, 20};
    struct bundle_arm arms[] = {
        {.arm = STR("silence"), .calibration = {.kind = CALIBRATION_ISOTONIC, .x = xs, .y = ys, .count = 2}},
        {.arm = STR("mens")}};
    struct bundle_spec spec = spec_of(BUNDLE_T_LEARNER, "reg:tweedie", BUNDLE_MONEY, arms, 2, &spend, 1);
    const struct stump stumps[2] = {{0, 10, 0.5f, 1.5f, true}, {0, 10, 2, 3, true}};
    use_policy(f, policy_text);
    for (int i = 0; i < 2; i++)
        model(&bytes[i], "reg:tweedie", "1E0", 1, &stumps[i], 1);
    load_bundle(f, &b, &spec, bytes);
    struct decide_input in = input_of(f);
    in.scorer = &b.scorer;
    run(f, &in);
    assert_score(f, "mens", exp(2), 15);
    set_profile(f, "spend", value_double(10));
    run(f, &in);
    assert_score(f, "mens", exp(3), 20);
    unload(&b);
    for (int i = 0; i < 2; i++)
        buf_free(&bytes[i]);
}

/* Leaves are finite, but their sum need not be. */
static void a_score_that_is_not_finite_is_none(void **state)
{
    struct fixture *f = *state;
    struct bound b;
    struct buf bytes[2];
    struct bundle_arm arms[] = {{.arm = STR("mens")}, {.arm = STR("gift")}};
    struct bundle_spec spec =
        spec_of(BUNDLE_TRANSFORMED, "reg:squarederror", BUNDLE_MONEY, arms, 2, &spend, 1);
    const struct stump huge[] = {{0, 10, 0, 3e38f, true}, {0, 10, 0, 3e38f, true}},
                       small[] = {{0, 10, 0, 1, true}};
    use_policy(f, policy_text);
    model(&bytes[0], "reg:squarederror", "0E0", 1, huge, 2);
    model(&bytes[1], "reg:squarederror", "0E0", 1, small, 1);
    load_bundle(f, &b, &spec, bytes);
    set_profile(f, "spend", value_double(10));
    struct decide_input in = input_of(f);
    in.scorer = &b.scorer;
    run(f, &in);
    assert_unknown(f, "mens", f->policy->actions[action_named(f, "mens")].starting_propensity);
    assert_score(f, "gift", 1, 0);
    unload(&b);
    for (int i = 0; i < 2; i++)
        buf_free(&bytes[i]);
}

/* ---- on the wire ---- */

static void the_baseline_is_in_the_answer(void **state)
{
    struct fixture *f = *state;
    struct bound b;
    struct buf bytes[2];
    struct bundle_arm arms[] = {{.arm = STR("silence")}, {.arm = STR("mens")}};
    struct bundle_spec spec = spec_of(BUNDLE_T_LEARNER, "reg:squarederror", BUNDLE_COUNT, arms, 2, &spend, 1);
    const struct stump stumps[2] = {{0, 10, 0.5f, 1, true}, {0, 10, 2, 3, true}};
    struct error e = {0};
    struct str packed;
    use_policy(f, policy_text);
    for (int i = 0; i < 2; i++)
        model(&bytes[i], "reg:squarederror", "0E0", 1, &stumps[i], 1);
    load_bundle(f, &b, &spec, bytes);
    struct decide_input in = input_of(f);
    in.scorer = &b.scorer;
    f->request.explain = true;
    run(f, &in);
    assert_int_equal(decision_encode(&f->decision, &f->arena, &packed, &e), 0);
    Tact__V1__Decision *m = tact__v1__decision__unpack(NULL, packed.n, (const uint8_t *)packed.p);
    assert_non_null(m);
    assert_string_equal(m->model_id, binding_id(b.binding));
    assert_int_equal(m->n_choices, 1);
    const Tact__V1__Factors *k = m->choices[0]->factors;
    assert_true(k->propensity == 2 && k->baseline == 0.5 && k->propensity_from_model);
    assert_int_equal(m->n_candidates, 3);
    k = m->candidates[2]->factors;
    assert_true(k->propensity == 0.125 && k->baseline == 0 && !k->propensity_from_model);
    tact__v1__decision__free_unpacked(m, NULL);
    unload(&b);
    for (int i = 0; i < 2; i++)
        buf_free(&bytes[i]);
}

/* ---- what does not go together ---- */

static void refused_features(void **state)
{
    static struct str kinds[] = {STR("shirt"), STR("dress")};
    static const struct {
        struct bundle_feature feature;
        const char *finding;
    } bad[] = {
        {{.name = STR("liked"), .from = BUNDLE_CUSTOMER, .type = BUNDLE_BOOL},
         "bundle.yaml:10:5: error: feature liked: the policy's feature looks at the action, so it comes from: "
         "pair\n"},
        {{.name = STR("spend"), .from = BUNDLE_PAIR, .type = BUNDLE_NUMBER},
         "bundle.yaml:10:5: error: feature spend: the policy's feature does not look at the action, so it "
         "comes from: "
         "customer\n"},
        {{.name = STR("lked"), .from = BUNDLE_PAIR, .type = BUNDLE_BOOL},
         "bundle.yaml:10:5: error: feature lked: the policy has no feature of this name; did you mean "
         "liked?\n"},
        {{.name = STR("liked"), .from = BUNDLE_PAIR, .type = BUNDLE_NUMBER},
         "bundle.yaml:10:5: error: feature liked: the policy's values are true or false, so its type is: bool\n"},
        {{.name = STR("category"), .from = BUNDLE_CUSTOMER, .type = BUNDLE_CATEGORY, .categories = kinds, .category_count = 2},
         "bundle.yaml:10:5: error: feature category: the policy has no feature of this name, but its actions have such an attribute: "
         "from: action\n"},
        {{.name = STR("category"), .from = BUNDLE_ACTION, .type = BUNDLE_NUMBER},
         "bundle.yaml:10:5: error: feature category: the policy's values are strings, so its type is: category\n"},
        {{.name = STR("colour"), .from = BUNDLE_ACTION, .type = BUNDLE_NUMBER},
         "bundle.yaml:10:5: error: feature colour: no action of the policy has this attribute\n"},
    };
    struct fixture *f = *state;
    const struct stump stump = {0, 0, 0, 1, true};
    use_policy(f, policy_text);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bound b;
        struct buf bytes;
        struct bundle_arm arm = {0};
        struct bundle_feature feature = bad[i].feature;
        struct bundle_spec spec =
            spec_of(BUNDLE_PROPENSITY, "binary:logistic", BUNDLE_BINARY, &arm, 1, &feature, 1);
        model(&bytes, "binary:logistic", "5E-1", 1, &stump, 1);
        load_bundle(f, &b, &spec, &bytes);
        assert_null(b.binding);
        assert_string_equal(findings(&b), bad[i].finding);
        unload(&b);
        buf_free(&bytes);
    }
}

static void words_that_are_no_category(void **state)
{
    struct fixture *f = *state;
    struct bound b;
    struct buf bytes;
    struct bundle_arm arm = {0};
    struct str words[] = {STR("shirt"), STR("dresss")};
    struct bundle_feature feature = {
        .name = STR("category"), .from = BUNDLE_ACTION, .type = BUNDLE_CATEGORY, .categories = words, .category_count = 2};
    struct bundle_spec spec = spec_of(BUNDLE_PROPENSITY, "binary:logistic", BUNDLE_BINARY, &arm, 1, &feature, 1);
    const struct stump stump = {0, 0, 0, 1, true};
    use_policy(f, policy_text);
    model(&bytes, "binary:logistic", "5E-1", 1, &stump, 1);
    load_bundle(f, &b, &spec, &bytes);
    assert_non_null(b.binding);
    assert_string_equal(findings(&b),
                        "bundle.yaml:10:5: warning: feature category: 2 of the policy's 3 actions have a value that is none of its "
                        "categories, so missing to the model: dress, card; did you mean dresss?\n");
    unload(&b);
    buf_free(&bytes);
}

static void many_unknown_actions_are_one_line(void **state)
{
    struct fixture *f = *state;
    struct bound b;
    struct buf bytes, text;
    struct bundle_arm arms[] = {{.arm = STR("x")}};
    struct bundle_spec spec =
        spec_of(BUNDLE_TRANSFORMED, "reg:squarederror", BUNDLE_MONEY, arms, 1, &spend, 1);
    const struct stump stump = {0, 0, 0, 1, true};
    buf_init(&text, 1 << 16);
    buf_printf(
        &text,
        "brand: {name: T, time_zone: Asia/Tehran, locales: [en]}\nprofile: {spend: number}\n"
        "channels: {web: {direction: inbound}}\nfeatures: {spend: {expr: \"profile.spend\"}}\nactions:\n");
    for (int i = 0; i < 11; i++)
        buf_printf(
            &text,
            "  - {id: a%d, issue: i, group: g, purpose: service, value: 1, treatments: [{channel: web, body: "
            "x}]}\n",
            i);
    buf_byte(&text, 0);
    use_policy(f, (const char *)text.p);
    model(&bytes, "reg:squarederror", "0E0", 1, &stump, 1);
    load_bundle(f, &b, &spec, &bytes);
    assert_string_equal(findings(&b),
                        "bundle.yaml:9:5: warning: the bundle does not know 11 of the policy's 11 actions, "
                        "which count with their "
                        "starting propensity: a0, a1, a2, a3, a4, a5, a6, a7 and 3 more\n"
                        "bundle.yaml:9:5: warning: arm x: the policy has no action of this name\n");
    struct decide_input in = input_of(f);
    in.scorer = &b.scorer;
    run(f, &in);
    assert_unknown(f, "a10", f->policy->actions[10].starting_propensity);
    unload(&b);
    buf_free(&bytes);
    buf_free(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(propensity_with_a_pair_feature),
        TEST(s_learner),
        TEST(an_action_called_as_silence_is_not_scored),
        TEST(t_learner),
        TEST(transformed),
        TEST(money_of_a_t_learner),
        TEST(a_score_that_is_not_finite_is_none),
        TEST(the_baseline_is_in_the_answer),
        TEST(refused_features),
        TEST(words_that_are_no_category),
        TEST(many_unknown_actions_are_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The bytes of a decision. They say what the decision says; the same input gives the same bytes; and they are those of
 * tests/cases/decisions/golden.txt, whatever compiler, build type and machine made them. That file holds, for some hundred
 * seeded customers, states and requests under the policy beside it, a short answer and a hash of the Decision (without the
 * policy's id and the engine's version). After an intended change: TACT_GOLDEN=write decide_decision_test, and look at the
 * difference.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "tact/v1/decisions.pb-c.h"

enum { GOLDEN_CASES = 240, GOLDEN_LINE = 200 };

#define GOLDEN_FILE SOURCE_DIR "/tests/cases/decisions/golden.txt"

static int setup(void **state)
{
    int rc = fixture_setup(state);
    struct fixture *f = *state;
    f->policy = policy_of(f, SOURCE_DIR "/tests/cases/decisions/policy", NULL);
    return rc;
}

/* ---- seeded customers and requests ---- */

static uint64_t below(struct rng *rng, uint64_t n)
{
    return rng_below(rng, n);
}

static void random_profile(struct fixture *f, struct rng *rng)
{
    static const char *const names[] = {"Sara", "علی", "O'Brien <x>"},
                             *const tiers[] = {"basic", "silver", "gold"},
                             *const zones[] = {"Asia/Tehran", "Asia/Tokyo", "UTC"};
    if (below(rng, 2))
        set_profile(f, "first_name", value_string(str_from(names[below(rng, 3)])));
    if (below(rng, 2))
        set_profile(f, "language", value_string(str_from(below(rng, 2) ? "fa" : "en")));
    if (below(rng, 4) == 0)
        set_profile(f, "zone", value_string(str_from(zones[below(rng, 3)])));
    if (below(rng, 4))
        set_profile(f, "tier", value_string(str_from(tiers[below(rng, 3)])));
    if (below(rng, 3))
        set_profile(f, "spend", value_double((double)below(rng, 500000) / 100));
    if (below(rng, 3) == 0)
        set_profile(f, "vip", value_bool(below(rng, 2)));
    if (below(rng, 3))
        set_profile(f, "since", value_timestamp(NOW - (int64_t)below(rng, 800 * DAY)));
}

static void random_history(struct fixture *f, struct rng *rng)
{
    static const char *const words[] = {"a", "size", "c3"},
                             *const actions[] = {"cart_reminder", "winter_sale", "survey", "apology"},
                             *const channels[] = {"email", "sms", "web"};
    static const struct {
        const char *signal, *property;
        bool number;
    } kinds[] = {{"cart_add", "price", true},  {"cart_add", "sku", false},   {"purchase", "amount", true},
                 {"purchase", "order", false}, {"support", "case", false},   {"support", "topic", false},
                 {"solved", "case", false},    {"returned", "reason", false}};
    for (uint64_t n = below(rng, 8); n > 0; n--) {
        size_t k = (size_t)below(rng, 8);
        struct value v = kinds[k].number ? value_double((double)below(rng, 20000) / 100)
                                         : value_string(str_from(words[below(rng, 3)]));
        happen(f, kinds[k].signal, kinds[k].property, v,
               NOW - (int64_t)below(rng, below(rng, 2) ? 2 * HOUR : 20 * DAY));
    }
    for (uint64_t n = below(rng, 4); n > 0; n--) {
        /* one draw a statement: the order of arguments is the compiler's */
        const char *action = actions[below(rng, 4)], *channel = channels[below(rng, 3)];
        struct contact k = contact_of(f, action, channel, NOW - (int64_t)below(rng, 9 * DAY));
        memset(k.decision.bytes, (int)n, sizeof k.decision.bytes);
        k.expires_ms = below(rng, 4) ? 0 : k.time_ms + 3 * DAY;
        assert_int_equal(state_contact_add(&f->state, &k, NOW), 0);
    }
    for (uint64_t n = below(rng, 4); n > 0; n--) {
        const char *channel = channels[below(rng, 3)];
        enum purpose purpose = (enum purpose)below(rng, PURPOSE_COUNT);
        consent(f, channel, purpose, below(rng, 4) > 0);
    }
}

struct golden_case {
    struct decide_input in;
    struct str placements[2];
    struct value context[2];
};

static void make_case(struct fixture *f, struct rng *rng, struct golden_case *c)
{
    static const char *const devices[] = {"phone", "tablet", "desktop"};
    arena_reset(&f->arena);
    f->events = 0;
    forget_customer(f);
    random_profile(f, rng);
    random_history(f, rng);
    *c = (struct golden_case){.placements = {STR("hero"), STR("banner")}};
    f->request = (struct decide_request){
        .customer = STR("c1"), .channel = (uint32_t)below(rng, 3), .max_actions = 1, .context = c->context};
    if (f->request.channel == channel_named(f, "web") && below(rng, 4)) {
        f->request.placements = c->placements;
        f->request.placement_count = f->request.max_actions = 1 + (uint32_t)below(rng, 2);
    } else if (below(rng, 3) == 0) {
        f->request.max_actions = 3;
    }
    if (below(rng, 2))
        c->context[0] = value_string(str_from(devices[below(rng, 3)]));
    if (below(rng, 2))
        c->context[1] = value_double((double)below(rng, 400) / 10 - 10);
    f->request.explain = below(rng, 2);
    if (below(rng, 4) == 0)
        f->request.locale = STR("en-GB");
    c->in = input_of(f);
    c->in.seed = below(rng, UINT32_MAX);
    c->in.state_unreadable = below(rng, 12) == 0;
    if (c->in.state_unreadable)
        forget_customer(f);
    c->in.now_ms = NOW + (int64_t)below(rng, 24) * HOUR;
    c->in.now_ms += (int64_t)below(rng, 1000);
}

static struct str bytes_of(struct fixture *f, const struct decide_input *in)
{
    struct error e = {0};
    struct str bytes;
    run(f, in);
    assert_int_equal(decision_encode(&f->decision, &f->arena, &bytes, &e), 0);
    return bytes;
}

/* ---- golden ---- */

static void line_of(struct fixture *f, int number, struct str bytes, char line[GOLDEN_LINE])
{
    Tact__V1__Decision *m = tact__v1__decision__unpack(NULL, bytes.n, (const uint8_t *)bytes.p);
    assert_non_null(m);
    char *policy = m->policy_id, *engine = m->engine_version, answer[120] = "";
    m->policy_id = m->engine_version = (char *)"";
    uint8_t *packed = malloc(tact__v1__decision__get_packed_size(m));
    size_t n = tact__v1__decision__pack(m, packed);
    char hash[ID128_TEXT];
    id128_text(hash128(packed, n), hash);
    for (size_t i = 0; i < m->n_choices; i++)
        snprintf(answer + strlen(answer), sizeof answer - strlen(answer), " %s", m->choices[i]->action_id);
    if (m->suppression)
        snprintf(answer, sizeof answer, " - %s %s",
                 suppression_cause_name((enum suppression_cause)m->suppression->cause), m->suppression->rule);
    snprintf(line, GOLDEN_LINE, "%d %s %.*s%s\n", number, hash,
             STR_ARG(f->policy->channels[f->request.channel].word.name), answer);
    free(packed);
    m->policy_id = policy;
    m->engine_version = engine;
    tact__v1__decision__free_unpacked(m, NULL);
}

static void golden(void **state)
{
    struct fixture *f = *state;
    const char *mode = getenv("TACT_GOLDEN");
    bool write = mode && strcmp(mode, "write") == 0;
    FILE *file = fopen(GOLDEN_FILE, write ? "w" : "r");
    assert_non_null(file);
    struct rng rng;
    rng_seed(&rng, 51);
    int differing = 0;
    for (int i = 0; i < GOLDEN_CASES; i++) {
        struct golden_case c;
        char line[GOLDEN_LINE], want[GOLDEN_LINE] = "";
        make_case(f, &rng, &c);
        line_of(f, i, bytes_of(f, &c.in), line);
        if (write) {
            fputs(line, file);
        } else if (!fgets(want, sizeof want, file) || strcmp(line, want) != 0) {
            differing++;
            print_error("got  %swant %s", line, want[0] ? want : "nothing\n");
        }
    }
    fclose(file);
    assert_int_equal(differing, 0);
}

/* ---- the bytes ---- */

static void the_same_bytes_again(void **state)
{
    struct fixture *f = *state;
    struct rng rng;
    rng_seed(&rng, 52);
    for (int i = 0; i < 200; i++) {
        struct golden_case c;
        struct arena other;
        struct decision d;
        struct error e = {0};
        struct str again;
        make_case(f, &rng, &c);
        struct str bytes = bytes_of(f, &c.in);
        /* in fresh memory with other contents, of a state that went through the store */
        struct state s;
        struct buf blob;
        arena_init(&other, 16 << 20);
        memset(arena_alloc(&other, 100000), 0xA5, 100000);
        arena_reset(&other);
        buf_init(&blob, STATE_BLOB_MAX);
        assert_int_equal(state_encode(&f->state, 1, &blob, &e), 0);
        assert_int_equal(
            state_decode(&s, &f->policy->schema, (struct str){(const char *)blob.p, blob.n}, &other, &e), 0);
        c.in.state = &s;
        assert_int_equal(decide(&c.in, &other, &d, &e), 0);
        assert_int_equal(decision_encode(&d, &other, &again, &e), 0);
        assert_true(str_eq(bytes, again));
        buf_free(&blob);
        arena_free(&other);
    }
}

static void assert_same_factors(const Tact__V1__Factors *m, const struct factors *want)
{
    assert_non_null(m);
    assert_true(m->propensity == want->propensity && m->value == want->value &&
                m->context_weight == want->context_weight && m->lever == want->lever &&
                m->contact_cost == want->contact_cost && m->propensity_from_model == want->from_model);
}

static void assert_choice(const struct fixture *f, const Tact__V1__Choice *m, const struct choice *c)
{
    assert_text(c->action->word.name, m->action_id);
    assert_text(c->treatment->id, m->treatment_id);
    assert_text(c->treatment->locale, m->locale);
    assert_text(c->placement, m->placement);
    assert_text(f->policy->groups[c->action->group].name, m->group);
    assert_text(f->policy->issues[c->action->issue].name, m->issue);
    assert_string_equal(purpose_name(c->action->purpose), m->purpose);
    assert_true(m->priority == c->priority && m->action_probability == c->action_probability);
    assert_same_factors(m->factors, &c->factors);
    assert_int_equal(m->n_content, c->treatment->content_count);
    for (size_t i = 0; i < m->n_content; i++) {
        assert_text(c->treatment->content[i].name, m->content[i]->key);
        assert_text(c->content[i], m->content[i]->value);
    }
}

static void assert_suppression(const struct fixture *f, const Tact__V1__Suppression *m,
                               const struct suppression *s)
{
    assert_int_equal(m->cause, s->cause);
    assert_text(s->rule, m->rule);
    assert_text(s->text, m->text);
    assert_true(m->next_eligible_at_ms == s->next_eligible_ms && m->ends_at_ms == s->ends_ms);
    assert_int_equal(m->n_waits_for, s->waits_count);
    for (size_t i = 0; i < s->waits_count; i++)
        assert_text(s->waits_for[i], m->waits_for[i]);
    assert_int_equal(m->n_evidence, s->evidence_count);
    for (size_t i = 0; i < s->evidence_count; i++) {
        assert_text(s->evidence[i].name, m->evidence[i]->name);
        assert_text(s->evidence[i].value, m->evidence[i]->value);
    }
    assert_true(m->withheld_priority == s->withheld_priority);
    assert_text(s->withheld >= 0 ? f->policy->actions[s->withheld].word.name : STR(""),
                m->withheld_action_id);
    assert_non_null(m->scope);
    assert_int_equal(m->scope->everything, s->scope.everything);
    assert_text(s->scope.channel < f->policy->channel_count ? f->policy->channels[s->scope.channel].word.name
                                                            : STR(""),
                m->scope->channel);
    assert_text(s->scope.purpose < PURPOSE_COUNT ? f->policy->purposes[s->scope.purpose].name : STR(""),
                m->scope->purpose);
    assert_text(s->scope.group < f->policy->group_count ? f->policy->groups[s->scope.group].name : STR(""),
                m->scope->group);
    assert_text(s->scope.action < f->policy->action_count ? f->policy->actions[s->scope.action].word.name
                                                          : STR(""),
                m->scope->action);
}

static void assert_candidates(struct fixture *f, const Tact__V1__Decision *m)
{
    assert_int_equal(m->n_candidates, f->request.explain ? f->policy->action_count : 0);
    for (size_t i = 0; i < m->n_candidates; i++) {
        const struct candidate *c = &f->decision.candidates[i];
        assert_text(f->policy->actions[i].word.name, m->candidates[i]->action_id);
        assert_int_equal(m->candidates[i]->stage, c->stage);
        assert_text(explain_rule(f->policy, &c->block), m->candidates[i]->rule);
        assert_text(explain_candidate(&f->decision, c, &f->arena), m->candidates[i]->reason);
        assert_true(m->candidates[i]->reason[0] != 0);
        assert_int_equal(m->candidates[i]->factors != NULL, c->scored);
        if (c->scored) {
            assert_same_factors(m->candidates[i]->factors, &c->factors);
            assert_true(m->candidates[i]->priority == c->priority);
        }
    }
}

static void the_bytes_say_what_was_decided(void **state)
{
    struct fixture *f = *state;
    struct rng rng;
    size_t stages[STAGE_RENDER + 1] = {0}, causes[16] = {0};
    rng_seed(&rng, 53);
    for (int i = 0; i < 1500; i++) {
        struct golden_case c;
        make_case(f, &rng, &c);
        struct str bytes = bytes_of(f, &c.in);
        Tact__V1__Decision *m = tact__v1__decision__unpack(NULL, bytes.n, (const uint8_t *)bytes.p);
        assert_non_null(m);
        assert_string_equal(m->decision_id, "0d0e0c00000000000000000000000000");
        assert_true(m->decided_at_ms == c.in.now_ms && m->seed == c.in.seed);
        assert_string_equal(m->policy_id, f->policy->id);
        assert_string_equal(m->engine_version, ENGINE_VERSION);
        assert_string_equal(m->world_id, "world");
        assert_string_equal(m->model_id, "");
        assert_int_equal(m->state_tier, c.in.state_unreadable ? TACT__V1__STATE_TIER__FAIL_SAFE
                                                              : TACT__V1__STATE_TIER__CURRENT);
        assert_int_equal(m->n_choices, f->decision.choice_count);
        assert_true((m->n_choices == 0) == (m->suppression != NULL));
        for (size_t k = 0; k < m->n_choices; k++)
            assert_choice(f, m->choices[k], &f->decision.choices[k]);
        if (m->suppression) {
            assert_suppression(f, m->suppression, &f->decision.suppression);
            causes[m->suppression->cause]++;
        }
        assert_candidates(f, m);
        for (size_t k = 0; k < f->policy->action_count; k++)
            stages[f->decision.candidates[k].stage]++;
        tact__v1__decision__free_unpacked(m, NULL);
    }
    /* nearly everything that can be said was said */
    for (int stage = STAGE_CHOSEN; stage <= STAGE_RENDER; stage++)
        assert_true(stages[stage] > 0);
    assert_true(causes[CAUSE_ENGAGEMENT_POLICY] && causes[CAUSE_SUPPRESSION_RULE] && causes[CAUSE_CONSENT] &&
                causes[CAUSE_QUIET_HOURS] && causes[CAUSE_COOLDOWN] && causes[CAUSE_STATE_UNREADABLE]);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(golden),
        TEST(the_same_bytes_again),
        TEST(the_bytes_say_what_was_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A policy with renamed things: what requests may call them, what the store calls what is counted of them, and how rules and
 * explanations see since when something counts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "decide/request_wire.h"
#include "state/aggregate.h"

#define TAIL                                                                                                                     \
    "channels: {web: {direction: inbound}}\n"                                                                                    \
    "actions: [{id: one, issue: i, group: g, purpose: service, value: 2, treatments: [{channel: web, body: x}]}]\n"

static const char old_yaml[] =
    "brand: {name: T, time_zone: UTC, locales: [en]}\n"
    "profile: {level: string}\n"
    "signals: {cart_add: {properties: {cost: number, sku: string}}, visit: {properties: {cost: number}}}\n"
    "features:\n"
    "  dear: {sum: cart_add.cost, window: 24h, where: \"cart_add.cost > 2.0 && cart_add.sku != 'cart_add.cost'\"}\n"
    "  long_ones: {count: cart_add, window: 24h, where: \"cart_add.sku.startsWith('cost.') || size(cart_add.sku) > 9\"}\n"
    "  both: {sum: [cart_add.cost, visit.cost], window: 24h}\n" TAIL;

static const char new_yaml[] =
    "brand: {name: T, time_zone: UTC, locales: [en]}\n"
    "profile: {tier: {type: string, was: [rank, level]}}\n"
    "signals:\n"
    "  basket_add: {was: cart_add, properties: {price: {type: number, was: [amount, cost]}, sku: string}}\n"
    "  visit: {properties: {cost: number}}\n"
    "features:\n"
    "  costly: {sum: basket_add.price, window: 24h, was: [pricey, dear],\n"
    "           where: \"basket_add.price > 2.0 && basket_add.sku != 'cart_add.cost'\"}\n"
    "  long_ones: {count: basket_add, window: 24h,\n"
    "              where: \"basket_add.sku.startsWith('cost.') || size(basket_add.sku) > 9\"}\n"
    "  both: {sum: [basket_add.price, visit.cost], window: 24h}\n"
    "  mean_price: {mean: basket_add.price, window: 24h}\n"
    "  hits: {count: basket_add, window: 7d}\n"
    "  whole: \"now - since(hits) >= 7d\"\n"
    "  whole_mean: \"now - since(mean_price) >= 24h\"\n"
    "suppressions: [{id: early, when: \"!whole || hits > 1\", block: {purpose: service}, on_unknown: allow}]\n" TAIL;

static int setup(void **state)
{
    int rc = fixture_setup(state);
    use_policy(*state, new_yaml);
    return rc;
}

static Tact__V1__Value number_value(double d)
{
    Tact__V1__Value v = TACT__V1__VALUE__INIT;
    v.kind_case = TACT__V1__VALUE__KIND_NUMBER_VALUE;
    v.number_value = d;
    return v;
}

/* Every aggregate of the old policy has its id in the new one. */
static void the_store_calls_it_as_before(void **state)
{
    struct fixture *f = *state;
    struct policy *old = policy_of(f, "old", old_yaml);
    const struct schema *was = &old->schema, *is = &f->policy->schema;
    assert_int_equal(was->aggregate_count, 3);
    for (size_t i = 0; i < was->aggregate_count; i++) {
        uint32_t id = was->aggregates[i].id;
        assert_true(id < is->id_limit && is->aggregate_of_id[id]);
    }
    assert_int_equal(was->attributes[0].id, is->attributes[0].id);
    assert_true(str_is(is->aggregates[0].name,
                       "sum(basket_add.price, 24h, basket_add.price > 2.0 && basket_add.sku != 'cart_add.cost')"));
    assert_true(str_is(is->aggregates[0].was.names[0],
                       "sum(cart_add.amount, 24h, cart_add.amount > 2.0 && cart_add.sku != 'cart_add.cost')"));
    assert_true(str_is(names_text(f->names, is->aggregates[0].id),
                       "sum(cart_add.cost, 24h, cart_add.cost > 2.0 && cart_add.sku != 'cart_add.cost')"));
    assert_int_equal(policy_feature_told(f->policy, STR("dear")), 0);
    assert_int_equal(policy_feature_told(f->policy, STR("pricey")), 0);
    assert_int_equal(policy_feature_told(f->policy, STR("costly")), 0);
    assert_int_equal(policy_feature_find(f->policy, STR("dear")), -1);
    policy_free(&old);
}

static int told(struct fixture *f, const char *signal, const char *a, const char *b, struct signal_batch *out, struct error *e)
{
    Tact__V1__Value values[] = {number_value(3), number_value(4)};
    Tact__V1__Signal__PropertiesEntry entries[2], *list[2];
    const char *const keys[] = {a, b};
    Tact__V1__Signal g = TACT__V1__SIGNAL__INIT, *signals[] = {&g};
    Tact__V1__SignalRequest m = TACT__V1__SIGNAL_REQUEST__INIT;
    for (int i = 0; i < 2; i++) {
        tact__v1__signal__properties_entry__init(&entries[i]);
        entries[i].key = (char *)keys[i];
        entries[i].value = &values[i];
        list[i] = &entries[i];
    }
    g.event_id = (char *)"e";
    g.name = (char *)signal;
    g.properties = list;
    g.n_properties = b ? 2 : 1;
    m.signals = signals;
    m.n_signals = 1;
    *e = (struct error){0};
    return request_signals(&m, f->policy, NOW, &f->arena, out, e);
}

static void signals_come_by_any_name(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"cart_add", "basket_add"}, *const properties[] = {"cost", "amount", "price"};
    struct signal_batch out;
    struct error e;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(told(f, names[i % 2], properties[i / 2], NULL, &out, &e), 0);
        assert_int_equal(out.signals[0].index, 0);
        assert_true(out.signals[0].properties[0].number == 3);
    }
    assert_int_equal(told(f, "visit", "price", NULL, &out, &e), ERR_INVALID); /* another signal's */
    assert_int_equal(told(f, "basket_add", "price", "cost", &out, &e), ERR_INVALID);
    assert_string_equal(e.text, "signals[0].properties[cost]: price is here by an earlier name too; give it once");
    assert_int_equal(told(f, "card_add", "price", NULL, &out, &e), ERR_INVALID);
    assert_string_equal(e.text, "signals[0].name: unknown 'card_add'; allowed: basket_add, visit");
}

static int upserted(struct fixture *f, const char *a, const char *b, struct upsert *out, struct error *e)
{
    Tact__V1__Value v = TACT__V1__VALUE__INIT;
    Tact__V1__UpsertRequest__ProfileEntry entries[2], *list[2];
    Tact__V1__UpsertRequest m = TACT__V1__UPSERT_REQUEST__INIT;
    const char *const keys[] = {a, b};
    v.kind_case = TACT__V1__VALUE__KIND_STRING_VALUE;
    v.string_value = (char *)"gold";
    for (int i = 0; i < 2; i++) {
        tact__v1__upsert_request__profile_entry__init(&entries[i]);
        entries[i].key = (char *)keys[i];
        entries[i].value = &v;
        list[i] = &entries[i];
    }
    m.profile = list;
    m.n_profile = b ? 2 : 1;
    *e = (struct error){0};
    return request_upsert(&m, f->policy, NOW, &f->arena, out, e);
}

static void attributes_come_by_any_name(void **state)
{
    struct fixture *f = *state;
    struct upsert out;
    struct error e;
    assert_int_equal(upserted(f, "level", NULL, &out, &e), 0);
    assert_int_equal(out.changes[0].attribute, 0);
    assert_int_equal(upserted(f, "rank", NULL, &out, &e), 0);
    assert_int_equal(upserted(f, "tier", NULL, &out, &e), 0);
    assert_int_equal(upserted(f, "tier", "level", &out, &e), ERR_INVALID);
    assert_string_equal(e.text, "profile[level]: tier is here by an earlier name too; give it once");
}

static struct value feature(struct fixture *f, const char *name, int64_t now_ms)
{
    struct view v;
    long at = policy_feature_find(f->policy, str_from(name));
    assert_true(at >= 0);
    assert_int_equal(view_init(&v, f->policy, &f->state, NULL, UINT32_MAX, false, now_ms, &f->arena), 0);
    return expr_eval(&v.ev, f->policy->features[at].node);
}

/* Writes the state under a policy and reads it under another, which is the fixture's from then on. */
static void turn_to(struct fixture *f, struct policy *next)
{
    struct buf b;
    struct error e;
    buf_init(&b, STATE_BLOB_MAX);
    assert_int_equal(state_encode(&f->state, 1, &b, &e), 0);
    struct str blob = arena_str(&f->arena, (struct str){(const char *)b.p, b.n});
    buf_free(&b);
    f->policy = next;
    assert_int_equal(state_decode(&f->state, &next->schema, blob, &f->arena, &e), 0);
}

/* A server whose policy lacks `hits` takes an event that the other is told again and knows as a repeat. */
static void rules_see_since_when_it_counts(void **state)
{
    struct fixture *f = *state;
    struct policy *young = f->policy, *old = policy_of(f, "old", old_yaml);
    assert_true(feature(f, "whole", NOW).boolean); /* nobody missed anything of a customer never seen */
    happen(f, "basket_add", "price", value_double(5), NOW);
    assert_true(feature(f, "whole", NOW).boolean && feature(f, "whole_mean", NOW).boolean);
    turn_to(f, old);
    happen(f, "cart_add", "cost", value_double(7), NOW);
    turn_to(f, young);
    f->events--;
    struct value seven[] = {value_double(7), value_unknown(UNKNOWN_ABSENT)};
    struct signal again = {.index = 0, .event = f->events + 1, .time_ms = NOW, .properties = seven};
    assert_int_equal(state_apply(&f->state, &again, NOW), 0);
    f->events++;
    assert_int_equal(feature(f, "whole", NOW).type, VALUE_UNKNOWN);
    assert_int_equal(feature(f, "hits", NOW).integer, 1);
    assert_true(feature(f, "both", NOW).number == 12);
    happen(f, "basket_add", "price", value_double(9), NOW);
    assert_false(feature(f, "whole", NOW + 7 * DAY - 1).boolean);
    assert_true(feature(f, "whole", NOW + 7 * DAY).boolean);
    assert_true(feature(f, "whole_mean", NOW + DAY).boolean && !feature(f, "whole_mean", NOW + DAY - 1).boolean);
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_suppressed(f, CAUSE_SUPPRESSION_RULE, "early");
    const struct suppression *s = &f->decision.suppression;
    size_t dated = 0;
    for (size_t i = 0; i < s->evidence_count; i++) {
        assert_true(s->evidence[i].counts_since_ms == 0 || s->evidence[i].counts_since_ms == NOW);
        dated += str_is(s->evidence[i].name, "hits") && s->evidence[i].counts_since_ms == NOW;
    }
    assert_int_equal(dated, 1);
    f->policy = young;
    policy_free(&old);
}

/* A rule that waits for the window to be whole ends when it is. */
static void time_makes_it_whole(void **state)
{
    struct fixture *f = *state;
    struct policy *young = f->policy, *old = policy_of(f, "old", old_yaml);
    turn_to(f, old);
    happen(f, "visit", NULL, (struct value){0}, NOW - 9 * DAY);
    turn_to(f, young);
    happen(f, "visit", NULL, (struct value){0}, NOW - 9 * DAY);
    struct decide_input in = input_of(f);
    run(f, &in);
    assert_suppressed(f, CAUSE_SUPPRESSION_RULE, "early");
    assert_true(f->decision.suppression.next_eligible_ms == NOW + 7 * DAY);
    policy_free(&old);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_store_calls_it_as_before),   TEST(signals_come_by_any_name), TEST(attributes_come_by_any_name),
        TEST(rules_see_since_when_it_counts), TEST(time_makes_it_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A probe hears the stages' ends in order and changes nothing of the decision.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "decide/decision_wire.h"

static const char yaml[] =
    "brand: {name: T, time_zone: UTC, locales: [en]}\n"
    "signals: {buy: {}}\n"
    "channels: {web: {direction: inbound}}\n"
    "actions: [{id: one, issue: i, group: g, purpose: service, value: 1, treatments: [{channel: web, title: "
    "a}]}]\n"
    "suppressions: [{id: rest, when: \"age(buy) < 1h\", block: {everything: true}, reason: too soon}]\n";

struct heard {
    enum decide_point points[8];
    size_t count;
};

static void hear(void *ctx, enum decide_point point)
{
    struct heard *h = ctx;
    assert_true(h->count < 8);
    h->points[h->count++] = point;
}

static struct heard decide_heard(struct fixture *f, bool suppressed)
{
    struct heard h = {0};
    struct decide_probe probe = {&h, hear};
    struct decide_input in = input_of(f);
    struct error e = {0};
    struct str silent, probed;
    assert_int_equal(decide(&in, &f->arena, &f->decision, &e), 0);
    assert_int_equal(decision_encode(&f->decision, &f->arena, &silent, &e), 0);
    in.probe = &probe;
    assert_int_equal(decide(&in, &f->arena, &f->decision, &e), 0);
    assert_int_equal(decision_encode(&f->decision, &f->arena, &probed, &e), 0);
    assert_true(str_eq(silent, probed));
    assert_int_equal(f->decision.suppressed, suppressed);
    return h;
}

static void a_probe_hears_the_stages(void **state)
{
    struct fixture *f = *state;
    use_policy(f, yaml);
    struct heard h = decide_heard(f, false);
    assert_int_equal(h.count, 2);
    assert_int_equal(h.points[0], DECIDE_GATED);
    assert_int_equal(h.points[1], DECIDE_SCORED);
    happen(f, "buy", NULL, value_unknown(UNKNOWN_ABSENT), NOW - 20 * MINUTE);
    h = decide_heard(f, true); /* what is withheld is scored too */
    assert_int_equal(h.count, 3);
    assert_int_equal(h.points[0], DECIDE_GATED);
    assert_int_equal(h.points[2], DECIDE_SCORED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_probe_hears_the_stages, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The simulated world against world.h and person.h: the truth recomputed here from their tables for thousands of
 * people in every situation, moods and fatigue step by step, delays by their frequencies, the shift on its day,
 * and lives whose acts come in order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "offline_files.h"
#include "small_policy.h"
#include "models/offline/life.h"
#include <math.h>

static struct tzdb *zones;
static struct names *names;
static struct policy *policy;
static struct arena arena;
static void *scratch;

/* Noon, 2025-01-15 UTC; the small policy's brand lives by UTC. */
static const int64_t noon_ms = INT64_C(1736942400000);

static int open_all(void **state)
{
    struct error e = {0};
    zones = load_zones();
    names = names_new();
    if (scratch_make(&scratch))
        return -1;
    write_text_file(scratch, "policy.yaml", small_policy);
    policy = load_policy(scratch, zones);
    arena_init(&arena, 1 << 20);
    *state = NULL;
    return policy_bind_interning(policy, names, &e);
}

static int close_all(void **state)
{
    (void)state;
    policy_free(&policy);
    names_free(&names);
    tzdb_free(&zones);
    arena_free(&arena);
    return scratch_remove(&scratch);
}

static struct world open_world(int64_t shift_ms)
{
    struct error e = {0};
    struct world w;
    if (world_open(&w, policy, shift_ms, &arena, &e))
        fail_msg("%s", e.text);
    return w;
}

static uint32_t action_of(const char *id)
{
    long at = policy_action_find(policy, str_from(id));
    assert_true(at >= 0);
    return (uint32_t)at;
}

static void near(double got, double wanted)
{
    if (!(fabs(got - wanted) < 1e-12))
        fail_msg("%.17g is not %.17g", got, wanted);
}

/* ---- the truth, one factor after the other ---- */

static void test_factors(void **state)
{
    (void)state;
    struct world w = open_world(INT64_MAX);
    uint32_t fashion = action_of("fashion"), cart = action_of("cart_reminder"), help = action_of("case_help");
    struct person p;
    person_init(&p, policy, 1, 1, noon_ms);
    p.mood = p.temper = 1;
    p.sensitivity = 0.5;
    p.taste[CATEGORY_FASHION] = 2;
    const double promo = 0.05 * 2 * 1.5; /* starting propensity × taste × lure: 1 + 5 × 0.2 × 0.5 */
    near(world_propensity(&w, &p, fashion, noon_ms), promo);
    near(world_propensity(&w, &p, fashion, noon_ms + 7 * WORLD_HOUR_MS), promo * 1.3);
    near(world_propensity(&w, &p, fashion, noon_ms + 13 * WORLD_HOUR_MS), promo * 0.6);
    p.open_cases = 1;
    near(world_propensity(&w, &p, fashion, noon_ms), promo * 0.06);
    near(world_propensity(&w, &p, help, noon_ms), 0.3 * 1.3);
    p.open_cases = 0;
    near(world_propensity(&w, &p, help, noon_ms), 0.3 * 0.1);
    p.late_orders = 1;
    near(world_propensity(&w, &p, fashion, noon_ms), promo * 0.25);
    p.late_orders = 0;
    p.misfit_ms = noon_ms - 13 * WORLD_DAY_MS;
    p.misfit_category = CATEGORY_FASHION;
    near(world_propensity(&w, &p, fashion, noon_ms), promo * 0.12);
    near(world_propensity(&w, &p, fashion, noon_ms + 2 * WORLD_DAY_MS), promo);
    p.misfit_ms = INT64_MIN;
    p.resolved_ms = noon_ms - 2 * WORLD_HOUR_MS;
    p.csat = 5;
    near(world_propensity(&w, &p, fashion, noon_ms), promo * 0.6);
    p.csat = 2;
    near(world_propensity(&w, &p, fashion, noon_ms), promo * 0.6 * 0.3);
    p.resolved_ms = INT64_MIN;
    const double reminder = 0.12 * 2.2;
    near(world_propensity(&w, &p, cart, noon_ms), reminder * 1.25 * 0.05);
    p.cart_ms = noon_ms - WORLD_HOUR_MS;
    near(world_propensity(&w, &p, cart, noon_ms), reminder * 1.25);
    p.cart_ms = noon_ms - 12 * WORLD_HOUR_MS;
    near(world_propensity(&w, &p, cart, noon_ms), reminder * 1.25 * (1 - 0.7 * 11 / 23));
    p.mood = p.temper = 100;
    near(world_propensity(&w, &p, help, noon_ms), 0.95);
    p.mood = p.temper = 0;
    near(world_propensity(&w, &p, help, noon_ms), 0.002);
}

/* ---- the whole formula again ---- */

/* Shares, from the small policy's text; the rest from the tables of world.h. */
static double fit_again(const struct person *p, const char *id, bool shifted, double hour_of_day,
                        int64_t now_ms)
{
    double hour = hour_of_day < 7 ? 0.6 : hour_of_day >= 18 && hour_of_day < 22 ? 1.3 : 1.0;
    double since_resolved_h =
        p->resolved_ms == INT64_MIN ? 1e9 : (double)(now_ms - p->resolved_ms) / 3600000.0;
    double since_misfit_h = p->misfit_ms == INT64_MIN ? 1e9 : (double)(now_ms - p->misfit_ms) / 3600000.0;
    double since_bought_h = p->bought_ms == INT64_MIN ? 1e9 : (double)(now_ms - p->bought_ms) / 3600000.0;
    double since_cart_h = p->cart_ms == INT64_MIN ? 1e9 : (double)(now_ms - p->cart_ms) / 3600000.0;
    bool is_fashion = strcmp(id, "fashion") == 0;
    if (strcmp(id, "case_help") == 0)
        return p->open_cases ? 1.3 : 0.1;
    double trouble = 1;
    trouble *= p->open_cases ? 0.06 : 1;
    trouble *= p->late_orders ? 0.25 : 1;
    trouble *= since_resolved_h < 24 ? 0.6 : 1;
    trouble *= since_resolved_h < 24 * 7 && p->csat < 3 ? 0.3 : 1;
    trouble *= since_bought_h < 24 ? 0.5 : 1;
    if (since_misfit_h < 24 * 14)
        trouble *= is_fashion && p->misfit_category == CATEGORY_FASHION ? 0.12 : 0.8;
    double sensitivity = fmin(1, p->sensitivity + (shifted ? 0.3 : 0));
    double lure = 1 + 5 * (is_fashion ? 0.2 : 0.1) * sensitivity;
    if (is_fashion)
        return p->taste[shifted ? CATEGORY_ELECTRONICS : CATEGORY_FASHION] * (shifted ? 0.5 : 1) * lure *
               hour * trouble;
    double warmth = since_cart_h >= 24 ? 0.05 : since_cart_h <= 1 ? 1 : 1 - 0.7 * (since_cart_h - 1) / 23;
    return 2.2 * warmth * lure * hour * trouble;
}

static double load_again(const struct person *p, int64_t now_ms)
{
    double sum = 0;
    for (uint32_t i = 0; i < p->contact_count; i++) {
        double days = (double)(now_ms - p->contacts[i].time_ms) / 86400000.0;
        if (days < 5)
            sum += (p->contacts[i].outbound ? 1 : 0.3) * (1 - days / 5);
    }
    return sum;
}

static int64_t some_time(struct rng *r, int64_t now_ms, uint64_t days)
{
    return rng_below(r, 3) == 0 ? INT64_MIN : now_ms - (int64_t)rng_below(r, days * 86400000);
}

static void test_truth(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        double start;
    } actions[] = {{"cart_reminder", 0.12}, {"fashion", 0.05}, {"case_help", 0.3}};
    struct rng r;
    rng_seed(&r, 11);
    struct world w = open_world(noon_ms);
    size_t inside = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        int64_t now_ms = noon_ms - 5 * WORLD_DAY_MS + (int64_t)rng_below(&r, 10 * WORLD_DAY_MS);
        struct person p;
        person_init(&p, policy, 3, i, now_ms);
        p.cart_ms = some_time(&r, now_ms, 2);
        p.bought_ms = some_time(&r, now_ms, 3);
        p.resolved_ms = some_time(&r, now_ms, 10);
        p.misfit_ms = some_time(&r, now_ms, 20);
        p.misfit_category = (int)rng_below(&r, CATEGORY_COUNT);
        p.csat = 1 + (int)rng_below(&r, 5);
        p.open_cases = rng_below(&r, 4) == 0;
        p.late_orders = rng_below(&r, 4) == 0;
        for (uint64_t k = rng_below(&r, 8); k > 0; k--)
            person_contacted(&p, rng_below(&r, 2), now_ms - (int64_t)rng_below(&r, 7 * WORLD_DAY_MS));
        double ease = 1 / (1 + 0.25 * load_again(&p, now_ms));
        double hour = fmod((double)now_ms / 3600000.0, 24);
        for (size_t k = 0; k < sizeof actions / sizeof *actions; k++) {
            double raw = actions[k].start * p.temper * ease *
                         fit_again(&p, actions[k].id, now_ms >= noon_ms, hour, now_ms);
            inside += raw > 0.002 && raw < 0.95;
            near(world_propensity(&w, &p, action_of(actions[k].id), now_ms), fmin(fmax(raw, 0.002), 0.95));
        }
    }
    assert_true(inside > 10000); /* the clamp does not hide the formula */
}

/* ---- moods ---- */

static void test_moods(void **state)
{
    (void)state;
    struct person p;
    person_init(&p, policy, 1, 1, noon_ms);
    p.mood = p.temper = 1;
    near(person_mood(&p, noon_ms + 100 * WORLD_DAY_MS), 1);
    person_feel(&p, EXPERIENCE_CASE, noon_ms);
    near(person_mood(&p, noon_ms), 0.75);
    near(person_mood(&p, noon_ms + 5 * WORLD_DAY_MS), 0.9);
    near(person_mood(&p, noon_ms + 8 * WORLD_DAY_MS), 0.99);
    near(person_mood(&p, noon_ms + 9 * WORLD_DAY_MS), 1);
    person_feel(&p, EXPERIENCE_LATE, noon_ms + 5 * WORLD_DAY_MS);
    near(person_mood(&p, noon_ms + 5 * WORLD_DAY_MS), 0.75);
    person_feel(&p, EXPERIENCE_CSAT_5, noon_ms + 30 * WORLD_DAY_MS);
    near(person_mood(&p, noon_ms + 30 * WORLD_DAY_MS), 1.15);
    near(person_mood(&p, noon_ms + 32 * WORLD_DAY_MS), 1.09);
    for (int i = 0; i < 20; i++)
        person_feel(&p, EXPERIENCE_TACTLESS, noon_ms + 40 * WORLD_DAY_MS);
    near(person_mood(&p, noon_ms + 40 * WORLD_DAY_MS), 0.2);
    for (int i = 0; i < 20; i++)
        person_feel(&p, EXPERIENCE_CSAT_4, noon_ms + 40 * WORLD_DAY_MS);
    near(person_mood(&p, noon_ms + 40 * WORLD_DAY_MS), 1.6);
}

/* What a life does to a mood: a case that is opened lowers it on the spot; promotions in trouble do, too. */
static void test_tactless(void **state)
{
    (void)state;
    struct world w = open_world(INT64_MAX);
    struct life l;
    double truth;
    life_begin(&l, &w, 5, 1, 10);
    struct act moment = {.kind = ACT_MOMENT, .time_ms = l.now_ms, .number = 1};
    double mood = person_mood(&l.person, l.now_ms);
    (void)life_shown(&l, &moment, action_of("fashion"), &truth);
    near(person_mood(&l.person, l.now_ms), mood);
    l.person.open_cases = 1;
    (void)life_shown(&l, &moment, action_of("case_help"), &truth);
    near(person_mood(&l.person, l.now_ms), mood);
    (void)life_shown(&l, &moment, action_of("fashion"), &truth);
    near(person_mood(&l.person, l.now_ms), mood - 0.1);
}

/* ---- fatigue ---- */

static void test_fatigue(void **state)
{
    (void)state;
    struct world w = open_world(INT64_MAX);
    uint32_t fashion = action_of("fashion");
    struct person p;
    person_init(&p, policy, 1, 1, noon_ms);
    p.taste[CATEGORY_FASHION] = 3;
    double fresh = world_propensity(&w, &p, fashion, noon_ms), last = fresh;
    for (int i = 1; i <= 6; i++) {
        person_contacted(&p, true, noon_ms);
        double now = world_propensity(&w, &p, fashion, noon_ms);
        near(now, fresh / (1 + 0.25 * i));
        assert_true(now < last);
        last = now;
    }
    near(person_load(&p, noon_ms + WORLD_DAY_MS), 6 * 0.8);
    for (int day = 1; day <= 5; day++) {
        double now = world_propensity(&w, &p, fashion, noon_ms + day * WORLD_DAY_MS);
        assert_true(now > last);
        last = now;
    }
    near(last, fresh);
    person_contacted(&p, false, noon_ms + 6 * WORLD_DAY_MS);
    near(person_load(&p, noon_ms + 6 * WORLD_DAY_MS), 0.3);
    for (int i = 0; i < 200; i++) /* only the latest 64 count */
        person_contacted(&p, true, noon_ms + 7 * WORLD_DAY_MS);
    near(person_load(&p, noon_ms + 7 * WORLD_DAY_MS), PERSON_CONTACTS_MAX);
}

/* ---- delays ---- */

/* The share of delays in (from, to] seconds must be near what world.h says. */
static void check_share(const int64_t *delays_ms, size_t n, int64_t from_s, int64_t to_s, double wanted)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += delays_ms[i] >= from_s * 1000 && delays_ms[i] < to_s * 1000;
    double deviation = sqrt(wanted * (1 - wanted) / (double)n);
    if (fabs((double)count / (double)n - wanted) > 5 * deviation)
        fail_msg("%zu of %zu delays in %lld to %lld s, %.3f expected", count, n, (long long)from_s,
                 (long long)to_s, wanted);
}

static void test_delays(void **state)
{
    (void)state;
    enum { DRAWS = 40000 };
    static int64_t inbound[DRAWS], outbound[DRAWS];
    struct rng r;
    rng_seed(&r, 5);
    for (size_t i = 0; i < DRAWS; i++) {
        inbound[i] = world_delay_ms(false, &r);
        outbound[i] = world_delay_ms(true, &r);
    }
    check_share(inbound, DRAWS, 10, 600, 0.85);
    check_share(inbound, DRAWS, 10, 305, 0.425); /* uniform within the band */
    check_share(inbound, DRAWS, 600, 86400, 0.12);
    check_share(inbound, DRAWS, 86400, 8 * 86400, 0);
    check_share(inbound, DRAWS, 8 * 86400, 14 * 86400, 0.03);
    check_share(outbound, DRAWS, 120, 3600, 0.4);
    check_share(outbound, DRAWS, 3600, 86400, 0.4);
    check_share(outbound, DRAWS, 86400, 6 * 86400, 0.14);
    check_share(outbound, DRAWS, 6 * 86400, 8 * 86400, 0);
    check_share(outbound, DRAWS, 8 * 86400, 14 * 86400, 0.06);
}

/* ---- the shift ---- */

static void test_shift(void **state)
{
    (void)state;
    struct world w = open_world(world_day_ms(policy, 15));
    uint32_t fashion = action_of("fashion");
    struct person p;
    int64_t at = w.shift_ms + 12 * WORLD_HOUR_MS; /* noon */
    assert_true(w.shift_ms == INT64_C(1735689600000) + 14 * WORLD_DAY_MS);
    person_init(&p, policy, 1, 1, w.shift_ms - 10 * WORLD_DAY_MS);
    p.temper = p.mood = 1;
    p.sensitivity = 0.5;
    p.taste[CATEGORY_FASHION] = 2;
    p.taste[CATEGORY_ELECTRONICS] = 0.5;
    p.taste[CATEGORY_BEAUTY] = 0.7;
    assert_false(world_shifted(&w, w.shift_ms - 1));
    assert_true(world_shifted(&w, w.shift_ms));
    near(world_taste(&w, &p, CATEGORY_FASHION, w.shift_ms - 1), 2);
    near(world_taste(&w, &p, CATEGORY_FASHION, w.shift_ms), 0.5);
    near(world_taste(&w, &p, CATEGORY_BEAUTY, w.shift_ms), 2);
    near(world_propensity(&w, &p, fashion, at - WORLD_DAY_MS), 0.05 * 2 * 1.5);
    near(world_propensity(&w, &p, fashion, at), 0.05 * 0.5 * 0.5 * 1.8);
    p.sensitivity = 0.9;
    near(world_propensity(&w, &p, fashion, at), 0.05 * 0.5 * 0.5 * 2);
}

/* Prices of the shifted world: none above 1.5 times the typical one before, some after. */
static void test_prices(void **state)
{
    (void)state;
    struct world w = open_world(world_day_ms(policy, 31));
    double most[2] = {0, 0};
    for (uint32_t i = 0; i < 300; i++) {
        struct life l;
        const struct act *a;
        life_begin(&l, &w, 9, i, 60);
        while (life_next(&l, &a)) {
            if (a->kind != ACT_SIGNAL || a->signal != SIGNAL_CART_ADD)
                continue;
            double *m = &most[world_shifted(&w, a->time_ms)];
            if (strcmp(a->properties[1].text, "home") == 0 && a->properties[2].number > *m)
                *m = a->properties[2].number;
        }
    }
    assert_true(most[0] > 120 && most[0] <= 135);
    assert_true(most[1] > 150 && most[1] <= 168.75);
}

/* ---- lives ---- */

struct totals {
    uint64_t moments, shown, responses, conversions, signals, contacts, resolved;
    double truth, variance;
};

/* Lives a life in which everything possible is shown; checks the order of its acts. */
static void live(const struct world *w, uint64_t seed, uint32_t number, uint32_t days, struct totals *t)
{
    enum { MOMENTS_MAX = 4096 };
    struct life l;
    const struct act *a;
    uint64_t waits[MOMENTS_MAX];
    int64_t shown_ms[MOMENTS_MAX], last_ms = INT64_MIN;
    size_t count = 0;
    life_begin(&l, w, seed, number, days);
    while (life_next(&l, &a)) {
        assert_true(a->time_ms >= last_ms);
        last_ms = a->time_ms;
        t->signals += a->kind == ACT_SIGNAL;
        t->contacts += a->kind == ACT_SIGNAL && a->signal == SIGNAL_CONTACT;
        t->resolved += a->kind == ACT_SIGNAL && a->signal == SIGNAL_RESOLVED;
        if (a->kind == ACT_MOMENT) {
            double truth;
            t->moments++;
            assert_true(count < MOMENTS_MAX);
            bool responds = life_shown(&l, a, (uint32_t)(a->number % 3), &truth);
            t->truth += truth;
            t->variance += truth * (1 - truth);
            t->shown += responds;
            waits[count] = responds ? a->number : 0;
            shown_ms[count++] = a->time_ms;
        } else if (a->kind != ACT_SIGNAL) {
            size_t at = 0;
            while (at < count && waits[at] != a->number)
                at++;
            assert_true(at < count); /* only what was shown and is answered, after its shortest delay */
            assert_true(a->time_ms >= shown_ms[at] + 10000 && a->time_ms < shown_ms[at] + 15 * WORLD_DAY_MS);
            t->responses += a->kind == ACT_RESPONSE;
            t->conversions += a->kind == ACT_CONVERSION;
            assert_true(a->kind == ACT_RESPONSE || a->amount > 0);
        }
    }
    assert_true(last_ms < world_day_ms(w->policy, days + 1) + WORLD_HOUR_MS);
}

static void test_lives(void **state)
{
    (void)state;
    struct world w = open_world(INT64_MAX);
    struct totals t = {0};
    for (uint32_t i = 0; i < 400; i++)
        live(&w, 7, i, 60, &t);
    assert_true(t.moments > 4000 && t.contacts > 50 && t.resolved > t.contacts / 2 &&
                t.resolved <= t.contacts);
    /* The truth is the share of those who respond; most of them do within the days, not all. */
    assert_true(fabs((double)t.shown - t.truth) < 4 * sqrt(t.variance));
    assert_true(t.responses < t.shown && t.responses * 10 > t.shown * 8);
    assert_true(t.conversions > 0 && t.conversions < t.responses);
}

static void test_same_life(void **state)
{
    (void)state;
    struct world w = open_world(INT64_MAX);
    struct life a, b;
    const struct act *x, *y;
    char one[LIFE_ID_MAX], other[LIFE_ID_MAX];
    life_begin(&a, &w, 7, 42, 30);
    life_begin(&b, &w, 7, 42, 60);
    assert_string_equal(a.person.id, "c000042");
    size_t count = 0;
    for (; life_next(&a, &x); count++) {
        assert_true(life_next(&b, &y));
        assert_memory_equal(x, y, sizeof *x);
        life_id(&a, x->number, one);
        life_id(&b, y->number, other);
        assert_string_equal(one, other);
    }
    assert_true(count > 20);
    assert_true(life_next(&b, &y)); /* and goes on */
    life_id(&a, 17, one);
    assert_string_equal(one, "7-c000042-17");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_factors),   cmocka_unit_test(test_truth),   cmocka_unit_test(test_moods),
        cmocka_unit_test(test_tactless),  cmocka_unit_test(test_fatigue), cmocka_unit_test(test_delays),
        cmocka_unit_test(test_shift),     cmocka_unit_test(test_prices),  cmocka_unit_test(test_lives),
        cmocka_unit_test(test_same_life),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

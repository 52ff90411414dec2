/* A decision on a warm arena calls no malloc: neither choosing, rendering, suppressing, looking ahead, explaining nor
 * encoding. Counted by standing in for malloc, calloc and realloc in this executable (glibc's own are behind them), so not
 * under a sanitizer, which does the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

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

enum { WARM_UP = 3, RUNS = 20 };

static const char yaml[] =
    "brand: {name: T, time_zone: Asia/Tehran, locales: [en]}\n"
    "profile: {name: string}\n"
    "signals: {buy: {properties: {price: number}}}\n"
    "channels: {mail: {direction: outbound, consent: [], format: html, quiet_hours: {from: \"21:00\", to: "
    "\"08:00\"}}}\n"
    "actions:\n"
    "  - {id: one, issue: i, group: g, purpose: service, value: \"1.0 + sum(buy.price, 1d)\", applicability: "
    "\"age(buy) > 10m\",\n"
    "     treatments: [{channel: mail, subject: \"for {{ profile.name + '!' }}\", body: \"{{ sum(buy.price, "
    "1d) }}\"}]}\n"
    "  - {id: two, issue: i, group: g, purpose: ask, value: 0.5, active: {weekly: [\"daily 09:00-20:00\"]},\n"
    "     treatments: [{channel: mail, subject: a, body: b}]}\n"
    "suppressions: [{id: rest, when: \"age(buy) < 1h\", block: {everything: true}, reason: too soon}]\n"
    "contact_policy: [{id: daily, at_most: 2, per: 1d}, {id: same, scope: {action: each}, cooldown: 2d}]\n";

static void no_malloc(struct fixture *f, int64_t now_ms, bool suppressed)
{
    struct decide_input in = input_of(f);
    struct arena warm;
    struct error e = {0};
    size_t before = 0;
    in.now_ms = now_ms;
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
    assert_int_equal(made, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_warm_decision_allocates_nothing, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

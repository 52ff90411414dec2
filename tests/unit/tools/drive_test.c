/* Simulated people who drive decisions: judged as drive_sum.h says, the same rows and sums however many lanes there
 * are and in whatever order their answers come, errors that say which call failed, requests that do not change when
 * they are made again.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/offline/offline_files.h"
#include "unit/offline/small_policy.h"
#include "tools/drive_local.h"
#include "tools/drive.h"
#include "tools/drive_wire.h"
#include "tact/v1/customers.pb-c.h"
#include <math.h>

static struct tzdb *zones;
static struct names *names;
static struct snapshot *snapshot;
static struct arena arena;
static void *scratch;

static int open_all(void **state)
{
    struct error e = {0};
    (void)state;
    zones = load_zones();
    names = names_new();
    if (scratch_make(&scratch))
        return -1;
    write_text_file(scratch, "policy.yaml", small_policy);
    snapshot = snapshot_of_policy_take(load_policy(scratch, zones));
    arena_init(&arena, 4 << 20);
    return policy_bind_interning(snapshot->policy, names, &e);
}

static int close_all(void **state)
{
    (void)state;
    snapshot_release(&snapshot);
    names_free(&names);
    tzdb_free(&zones);
    arena_free(&arena);
    return scratch_remove(&scratch);
}

/* ---- judging ---- */

static Tact__V1__Factors factors(double value, double cost)
{
    Tact__V1__Factors f;
    tact__v1__factors__init(&f);
    f.value = value;
    f.contact_cost = cost;
    return f;
}

static Tact__V1__Candidate candidate(const char *action, Tact__V1__Candidate__Stage stage,
                                     Tact__V1__Factors *f)
{
    Tact__V1__Candidate c;
    tact__v1__candidate__init(&c);
    c.action_id = (char *)action;
    c.stage = stage;
    c.factors = f;
    return c;
}

struct judged {
    struct life life;
    struct act moment;
    Tact__V1__Factors reminder, fashion, help;
    Tact__V1__Candidate candidates[3], *list[3];
    Tact__V1__Choice choice, *choices[1];
    Tact__V1__Decision decision;
    double truth[3];
};

/* At the start of the first day; fashion is chosen over the reminder, help is not for this person. */
static void set_up(struct judged *j, const struct world *w)
{
    life_begin(&j->life, w, 3, 1, 10);
    j->moment = (struct act){.kind = ACT_MOMENT, .time_ms = j->life.now_ms, .number = 1, .placement = -1};
    j->reminder = factors(30, 0.1);
    j->fashion = factors(2, 0.1);
    j->help = factors(1000, 0);
    j->candidates[0] = candidate("cart_reminder", TACT__V1__CANDIDATE__STAGE__ARBITRATION, &j->reminder);
    j->candidates[1] = candidate("fashion", TACT__V1__CANDIDATE__STAGE__CHOSEN, &j->fashion);
    j->candidates[2] = candidate("case_help", TACT__V1__CANDIDATE__STAGE__APPLICABILITY, &j->help);
    tact__v1__choice__init(&j->choice);
    j->choice.action_id = (char *)"fashion";
    tact__v1__decision__init(&j->decision);
    for (int i = 0; i < 3; i++) {
        j->list[i] = &j->candidates[i];
        j->truth[i] = world_propensity(w, &j->life.person, (uint32_t)i, j->moment.time_ms);
    }
    j->choices[0] = &j->choice;
    j->decision.candidates = j->list;
    j->decision.n_candidates = 3;
    j->decision.choices = j->choices;
    j->decision.n_choices = 1;
}

static void near(double got, double wanted)
{
    if (!(fabs(got - wanted) < 1e-12))
        fail_msg("%.17g is not %.17g", got, wanted);
}

static void test_judge(void **state)
{
    (void)state;
    struct error e = {0};
    struct world w;
    struct judged j;
    struct judgement out;
    struct drive_sum sum = {0};
    assert_int_equal(world_open(&w, snapshot->policy, INT64_MAX, &arena, &e), 0);
    set_up(&j, &w);
    double reminder = 30 * j.truth[0] - 0.1, fashion = 2 * j.truth[1] - 0.1;
    assert_int_equal(drive_judge(&j.life, &j.moment, &j.decision, &out, &e), 0);
    assert_int_equal(out.action, 1);
    assert_int_equal(out.allowed, 2);
    assert_int_equal(out.best, reminder > fmax(fashion, 0) ? 0 : fashion > 0 ? 1 : -1);
    near(out.truth, j.truth[1]);
    near(out.chosen, fashion);
    near(out.best_value, fmax(0, fmax(reminder, fashion)));
    near(out.uniform, (reminder + fashion) / 2);
    assert_false(out.negative);
    drive_sum_decision(&sum, &j.decision, &out);
    j.life.person.open_cases = 1;
    assert_int_equal(drive_judge(&j.life, &j.moment, &j.decision, &out, &e), 0);
    assert_true(out.negative);
    drive_sum_decision(&sum, &j.decision, &out);
    assert_int_equal(sum.shown, 2);
    assert_int_equal(sum.negative, 1);
    /* Silence is worth 0, and so is the best where nothing pays. */
    Tact__V1__Suppression why;
    tact__v1__suppression__init(&why);
    why.cause = TACT__V1__SUPPRESSION__CAUSE__NOT_WORTH_IT;
    j.decision.n_choices = 0;
    j.decision.suppression = &why;
    j.candidates[1].stage = TACT__V1__CANDIDATE__STAGE__ARBITRATION;
    j.reminder.contact_cost = j.fashion.contact_cost = 100;
    assert_int_equal(drive_judge(&j.life, &j.moment, &j.decision, &out, &e), 0);
    assert_int_equal(out.action, -1);
    assert_int_equal(out.best, -1);
    assert_true(out.chosen == 0 && out.best_value == 0 && out.truth == 0 && out.uniform < -50);
    drive_sum_decision(&sum, &j.decision, &out);
    assert_int_equal(sum.decisions, 3);
    assert_int_equal(sum.open, 3);
    assert_int_equal(sum.silent[TACT__V1__SUPPRESSION__CAUSE__NOT_WORTH_IT], 1);
}

static void test_judge_refuses(void **state)
{
    (void)state;
    struct error e = {0};
    struct world w;
    struct judged j;
    struct judgement out;
    assert_int_equal(world_open(&w, snapshot->policy, INT64_MAX, &arena, &e), 0);
    set_up(&j, &w);
    j.candidates[0].action_id = (char *)"bicycles";
    assert_int_equal(drive_judge(&j.life, &j.moment, &j.decision, &out, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "bicycles"));
    set_up(&j, &w);
    j.candidates[1].stage = TACT__V1__CANDIDATE__STAGE__ARBITRATION;
    assert_int_equal(drive_judge(&j.life, &j.moment, &j.decision, &out, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "does not list it"));
    set_up(&j, &w);
    j.decision.n_choices = 2;
    assert_int_equal(drive_judge(&j.life, &j.moment, &j.decision, &out, &e), ERR_INVALID);
}

/* ---- lanes ---- */

enum { LANES_MAX = 16 };

/* Answers later, in seeded order, each lane by a server of its own; the nth call may fail. */
struct shuffler {
    struct rng rng;
    struct {
        void *user;
        struct drive_local *local;
    } lanes[LANES_MAX];
    struct {
        enum op_kind kind;
        struct str request;
        drive_cb cb;
        void *user;
    } calls[LANES_MAX];
    size_t lane_count, call_count, most;
    uint64_t made, fail_at; /* 0: none */
};

static void shuffler_call(void *ctx, enum op_kind kind, struct str request, drive_cb cb, void *user)
{
    struct shuffler *s = ctx;
    assert_true(s->call_count < LANES_MAX);
    for (size_t i = 0; i < s->call_count; i++) /* one call a person at a time */
        assert_ptr_not_equal(s->calls[i].user, user);
    s->calls[s->call_count].kind = kind;
    s->calls[s->call_count].request = request;
    s->calls[s->call_count].cb = cb;
    s->calls[s->call_count++].user = user;
    s->most = s->call_count > s->most ? s->call_count : s->most;
}

static struct drive_caller lane_server(struct shuffler *s, void *user)
{
    size_t at = 0;
    while (at < s->lane_count && s->lanes[at].user != user)
        at++;
    if (at == s->lane_count) {
        assert_true(at < LANES_MAX);
        s->lanes[at].user = user;
        s->lanes[at].local = drive_local_new_take(snapshot_hold(snapshot), names);
        s->lane_count++;
    }
    return drive_local_caller(s->lanes[at].local);
}

static void shuffler_run(void *ctx)
{
    struct shuffler *s = ctx;
    while (s->call_count) {
        size_t at = rng_below(&s->rng, s->call_count);
        __typeof__(s->calls[0]) call = s->calls[at];
        s->calls[at] = s->calls[--s->call_count];
        struct drive_caller server = lane_server(s, call.user);
        if (call.kind == OP_GET) /* the first call of each person, and only that */
            server.person(server.ctx);
        if (++s->made == s->fail_at)
            call.cb(call.user, GRPC_INVALID_ARGUMENT, (struct str){0}, STR("as_of_ms: not here"));
        else
            server.call(server.ctx, call.kind, call.request, call.cb, call.user);
    }
}

/* The rows; the caller frees them. */
static struct str run_drive(uint32_t lanes, uint64_t seed, uint64_t fail_at, struct drive_sum *sum,
                            int expected, struct error *e)
{
    struct shuffler s = {.fail_at = fail_at};
    struct drive_caller caller = {.ctx = &s, .call = shuffler_call, .run = shuffler_run};
    struct drive_options o = {
        .policy = snapshot->policy, .customers = 30, .days = 20, .seed = 7, .lanes = lanes};
    char *text = NULL;
    size_t n = 0;
    rng_seed(&s.rng, seed);
    o.out = open_memstream(&text, &n);
    int rc = drive(&o, &caller, sum, e);
    assert_int_equal(rc, expected);
    fclose(o.out);
    assert_int_equal(s.most, lanes < 30 ? lanes : 30);
    for (size_t i = 0; i < s.lane_count; i++)
        drive_local_free(&s.lanes[i].local);
    return (struct str){text, n};
}

static void free_text(struct str s)
{
    free((char *)(uintptr_t)s.p);
}

static void test_lanes(void **state)
{
    (void)state;
    struct error e = {0};
    struct drive_sum one, many;
    struct str a = run_drive(1, 1, 0, &one, 0, &e);
    assert_true(one.decisions > 100 && one.shown > 50 && one.responses > 5 && one.conversions > 0);
    assert_int_equal(one.negative, 0);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct str b = run_drive(7, seed, 0, &many, 0, &e);
        assert_true(str_eq(a, b));
        assert_memory_equal(&one, &many, sizeof one);
        free_text(b);
    }
    /* And decided from inside the call, without a queue. */
    struct drive_local *local = drive_local_new_take(snapshot_hold(snapshot), names);
    struct drive_caller caller = drive_local_caller(local);
    struct drive_options o = {.policy = snapshot->policy, .customers = 30, .days = 20, .seed = 7, .lanes = 1};
    char *text = NULL;
    size_t n = 0;
    o.out = open_memstream(&text, &n);
    assert_int_equal(drive(&o, &caller, &many, &e), 0);
    fclose(o.out);
    assert_true(str_eq(a, (struct str){text, n}));
    assert_memory_equal(&one, &many, sizeof one);
    drive_local_free(&local);
    free(text);
    free_text(a);
}

/* Whichever call fails: said with its name and its person; nothing hangs, nothing leaks. */
static void test_failed_calls(void **state)
{
    (void)state;
    struct drive_sum sum;
    for (uint64_t at = 1; at < 60; at += 7) {
        struct error e = {0};
        struct str rows = run_drive(5, at, at, &sum, ERR_INVALID, &e);
        assert_non_null(strstr(e.text, "INVALID_ARGUMENT: as_of_ms: not here"));
        assert_non_null(strstr(e.text, "/tact.v1."));
        assert_non_null(strstr(e.text, " of c0000"));
        free_text(rows);
    }
}

/* ---- requests ---- */

static void test_requests(void **state)
{
    (void)state;
    struct error e = {0};
    struct world w;
    struct life l;
    struct buf a, b;
    assert_int_equal(world_open(&w, snapshot->policy, INT64_MAX, &arena, &e), 0);
    buf_init(&a, 65536);
    buf_init(&b, 65536);
    life_begin(&l, &w, 7, 5, 10);
    drive_wire_upsert(&l, &a);
    drive_wire_upsert(&l, &b);
    assert_true(a.n > 0 && a.n == b.n);
    assert_memory_equal(a.p, b.p, a.n);
    struct act acts[2] = {
        {.kind = ACT_SIGNAL, .signal = SIGNAL_DELAYED, .time_ms = l.now_ms, .number = 17},
        {.kind = ACT_SIGNAL, .signal = SIGNAL_PAGE_VIEW, .time_ms = l.now_ms + 5, .number = 18}};
    acts[0].properties[0].is_text = acts[1].properties[0].is_text = true;
    snprintf(acts[0].properties[0].text, LIFE_TEXT_MAX, "o3");
    snprintf(acts[1].properties[0].text, LIFE_TEXT_MAX, "home");
    acts[0].properties[1].number = 4;
    drive_wire_signals(&l, acts, 2, &a);
    Tact__V1__SignalRequest *m = tact__v1__signal_request__unpack(NULL, a.n, a.p);
    assert_non_null(m);
    assert_string_equal(m->customer_id, "c000005");
    assert_true(m->as_of_ms == l.now_ms + 5);
    assert_int_equal(m->n_signals, 2);
    assert_string_equal(m->signals[0]->event_id, "7-c000005-17");
    assert_string_equal(m->signals[0]->name, "order_delayed");
    assert_string_equal(m->signals[0]->properties[0]->key, "order");
    assert_string_equal(m->signals[0]->properties[0]->value->string_value, "o3");
    assert_true(m->signals[0]->properties[1]->value->int_value == 4); /* days is an int in the policy */
    assert_string_equal(m->signals[1]->properties[0]->value->string_value, "home");
    assert_true(m->signals[1]->time_ms == l.now_ms + 5);
    tact__v1__signal_request__free_unpacked(m, NULL);
    buf_free(&a);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge),    cmocka_unit_test(test_judge_refuses),
        cmocka_unit_test(test_lanes),    cmocka_unit_test(test_failed_calls),
        cmocka_unit_test(test_requests),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

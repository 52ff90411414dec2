/* People in lanes; see drive.h. A lane is a state machine: lane_run goes from step to step until one makes a call,
 * and the call's answer goes on from there. A caller that answers at once, from inside, only marks the lane as no
 * longer waiting, so that the stack does not grow with a life.
 *
 *   MEET --> PROFILE --> ACTS --> OVER      those before write their rows first, then the lane takes the next person
 *                         ^ |
 *                         | +--> signals     acts are gathered until one needs an answer; signals go in one call
 *                         | +--> record      an answer or a purchase that is due
 *                         | +--> decide --> SHOWN: SENT or IMPRESSION of what was chosen
 *                         +---------+----------+
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/drive.h"
#include "net/proto_check.h"
#include "tact/v1/customers.pb-c.h"
#include "tools/drive_wire.h"
#include <errno.h>
#include <stdlib.h>

enum {
    REQUEST_MAX = 256 << 10,
    ANSWER_MAX = 64 << 20, /* decoded */
    ANSWER_DEPTH_MAX = 8,
    ROWS_MAX = 256 << 20, /* of one person */
    WORLD_MEMORY = 32 << 20
};

enum lane_step { LANE_MEET, LANE_PROFILE, LANE_ACTS, LANE_SHOWN, LANE_OVER, LANE_UNUSED };

/* A moment that will be answered. */
struct awaited {
    uint64_t number;
    char *handle; /* NULL: an unused place */
};

struct lane {
    struct driver *driver;
    uint32_t number; /* of the person */
    enum lane_step step;
    bool waiting, running;
    enum op_kind asked; /* while waiting */
    struct life life;
    struct act signals[DRIVE_SIGNALS_MAX], held;
    size_t signal_count;
    bool has_held, life_over;
    struct awaited awaited[PERSON_PENDING_MAX];
    struct awaited answered; /* the last that was; a purchase may follow */
    char *shown;             /* handle of what was chosen just now */
    struct buf request, rows;
    struct arena arena; /* of one answer */
    struct drive_sum sum;
};

struct driver {
    const struct drive_options *o;
    struct drive_caller *caller;
    struct world world;
    struct lane *lanes;
    uint32_t next_person, next_out; /* to begin; to write */
    struct drive_sum *sum;
    struct error *e;
    int failed;
};

static void lane_run(struct lane *lane);
static void on_answer(void *user, int status, struct str message, struct str text);

static void fail(struct driver *d, int rc)
{
    if (!d->failed)
        d->failed = rc;
}

static void ask(struct lane *lane, enum op_kind kind)
{
    struct driver *d = lane->driver;
    if (!buf_ok(&lane->request)) {
        if (!d->failed)
            fail(d, error_set(d->e, ERR_NOSPACE, "a request of %s is over %d bytes", lane->life.person.id,
                              REQUEST_MAX));
        return;
    }
    lane->asked = kind;
    lane->waiting = true;
    lane->sum.calls++;
    d->caller->call(d->caller->ctx, kind, (struct str){(const char *)lane->request.p, lane->request.n},
                    on_answer, lane);
}

/* ---- moments and what becomes of them ---- */

static char *copy(const char *text)
{
    char *out = strdup(text);
    ASSERT(out != NULL);
    return out;
}

static void await(struct lane *lane, uint64_t number, const char *handle)
{
    for (size_t i = 0; i < PERSON_PENDING_MAX; i++)
        if (!lane->awaited[i].handle) {
            lane->awaited[i] = (struct awaited){number, copy(handle)};
            return;
        }
}

/* The handle of a moment that is answered now; NULL when it was not kept. */
static const char *answered(struct lane *lane, uint64_t number)
{
    if (lane->answered.handle && lane->answered.number == number)
        return lane->answered.handle;
    for (size_t i = 0; i < PERSON_PENDING_MAX; i++)
        if (lane->awaited[i].handle && lane->awaited[i].number == number) {
            free(lane->answered.handle);
            lane->answered = lane->awaited[i];
            lane->awaited[i].handle = NULL;
            return lane->answered.handle;
        }
    return NULL;
}

static int decided(struct lane *lane, struct str message, struct error *e)
{
    const struct proto_limits limits = {ANSWER_DEPTH_MAX, ANSWER_MAX};
    struct judgement j;
    arena_reset(&lane->arena);
    Tact__V1__DecideResponse *m = (Tact__V1__DecideResponse *)proto_decode(
        &tact__v1__decide_response__descriptor, message, &limits, &lane->arena, e);
    if (!m)
        return error_prefix(e, "the server's answer cannot be read");
    if (!m->decision || m->n_handles != m->decision->n_choices)
        return error_set(e, ERR_INVALID, "the server's answer has no decision, or not a handle a choice");
    int rc = drive_judge(&lane->life, &lane->held, m->decision, &j, e);
    if (rc)
        return rc;
    drive_sum_decision(&lane->sum, m->decision, &j);
    bool responds = false;
    if (j.action >= 0) {
        double truth;
        responds = life_shown(&lane->life, &lane->held, (uint32_t)j.action, &truth);
        ASSERT(truth == j.truth);
        if (responds)
            await(lane, lane->held.number, m->handles[0]);
        lane->shown = copy(m->handles[0]);
        lane->step = LANE_SHOWN;
    }
    if (lane->driver->o->out)
        drive_row(&lane->life, &lane->held, m->decision, &j, responds, &lane->rows);
    return buf_ok(&lane->rows)
               ? 0
               : error_set(e, ERR_NOSPACE, "the rows of one person are over %d bytes", ROWS_MAX);
}

/* People who were driven before would answer by a past that this simulation does not know. */
static int met(struct lane *lane, struct str message, struct error *e)
{
    const struct proto_limits limits = {ANSWER_DEPTH_MAX, ANSWER_MAX};
    arena_reset(&lane->arena);
    const Tact__V1__GetResponse *m = (const Tact__V1__GetResponse *)proto_decode(
        &tact__v1__get_response__descriptor, message, &limits, &lane->arena, e);
    if (!m)
        return error_prefix(e, "the server's answer cannot be read");
    return m->found
               ? error_set(e, ERR_EXISTS,
                           "the server knows %s already; drive one with an empty store (another --data or "
                           "--prefix of `tact serve`)",
                           lane->life.person.id)
               : 0;
}

/* ---- steps ---- */

static void step_meet(struct lane *lane)
{
    lane->step = LANE_PROFILE;
    drive_wire_get(&lane->life, &lane->request);
    ask(lane, OP_GET);
}

static void step_profile(struct lane *lane)
{
    lane->step = LANE_ACTS;
    drive_wire_upsert(&lane->life, &lane->request);
    ask(lane, OP_UPSERT);
}

static void gather(struct lane *lane)
{
    const struct act *a;
    while (!lane->has_held && !lane->life_over && lane->signal_count < DRIVE_SIGNALS_MAX) {
        if (!life_next(&lane->life, &a)) {
            lane->life_over = true;
        } else if (a->kind == ACT_SIGNAL) {
            lane->signals[lane->signal_count++] = *a;
        } else {
            lane->held = *a;
            lane->has_held = true;
        }
    }
}

static void step_acts(struct lane *lane)
{
    gather(lane);
    const struct act *a = &lane->held;
    if (lane->signal_count) {
        drive_wire_signals(&lane->life, lane->signals, lane->signal_count, &lane->request);
        lane->sum.signals += lane->signal_count;
        lane->signal_count = 0;
        ask(lane, OP_SIGNAL);
    } else if (!lane->has_held) {
        lane->step = LANE_OVER;
    } else if (a->kind == ACT_MOMENT) {
        lane->has_held = false;
        drive_wire_decide(&lane->life, a, &lane->request);
        ask(lane, OP_DECIDE);
    } else {
        const char *handle = answered(lane, a->number);
        bool buys = a->kind == ACT_CONVERSION;
        lane->has_held = false;
        lane->sum.responses += !buys;
        lane->sum.conversions += buys;
        if (!handle)
            return;
        drive_wire_record(&lane->life, a->number,
                          buys ? TACT__V1__RECORD_REQUEST__KIND__CONVERSION
                               : TACT__V1__RECORD_REQUEST__KIND__RESPONSE,
                          handle, a->amount, a->time_ms, &lane->request);
        ask(lane, OP_RECORD);
    }
}

static void step_shown(struct lane *lane)
{
    bool outbound = lane->driver->o->policy->channels[lane->held.channel].outbound;
    drive_wire_record(&lane->life, lane->held.number,
                      outbound ? TACT__V1__RECORD_REQUEST__KIND__SENT
                               : TACT__V1__RECORD_REQUEST__KIND__IMPRESSION,
                      lane->shown, 0, lane->held.time_ms, &lane->request);
    free(lane->shown);
    lane->shown = NULL;
    lane->step = LANE_ACTS;
    ask(lane, OP_RECORD);
}

/* ---- lanes ---- */

static void lane_clear(struct lane *lane)
{
    for (size_t i = 0; i < PERSON_PENDING_MAX; i++) {
        free(lane->awaited[i].handle);
        lane->awaited[i].handle = NULL;
    }
    free(lane->answered.handle);
    free(lane->shown);
    lane->answered.handle = lane->shown = NULL;
    lane->signal_count = 0;
    lane->has_held = lane->life_over = false;
    lane->sum = (struct drive_sum){0};
    buf_clear(&lane->rows);
}

/* The next person who has not lived yet. */
static void lane_begin(struct lane *lane)
{
    struct driver *d = lane->driver;
    lane_clear(lane);
    lane->step = LANE_UNUSED;
    if (d->next_person == d->o->customers)
        return;
    lane->number = d->next_person++;
    lane->step = LANE_MEET;
    life_begin(&lane->life, &d->world, d->o->seed, lane->number, d->o->days);
    if (d->caller->person)
        d->caller->person(d->caller->ctx);
}

static void write_rows(struct driver *d, const struct lane *lane)
{
    drive_sum_add(d->sum, &lane->sum);
    if (d->o->out && lane->rows.n && fwrite(lane->rows.p, 1, lane->rows.n, d->o->out) != lane->rows.n &&
        !d->failed)
        fail(d, error_set(d->e, ERR_IO, "cannot write: %s", strerror(errno)));
}

/* Writes what is due, in order of the people, and sets lanes on new ones. */
static void advance(struct driver *d)
{
    for (bool found = true; found && !d->failed;) {
        found = false;
        for (uint32_t i = 0; i < d->o->lanes && !d->failed; i++) {
            struct lane *lane = &d->lanes[i];
            if (lane->step != LANE_OVER || lane->number != d->next_out)
                continue;
            found = true;
            write_rows(d, lane);
            d->next_out++;
            if (d->o->progress)
                d->o->progress(d->o->user, d->next_out, d->o->customers);
            lane_begin(lane);
            lane_run(lane);
        }
    }
}

static void lane_run(struct lane *lane)
{
    static void (*const table[])(struct lane *) = {[LANE_MEET] = step_meet,
                                                   [LANE_PROFILE] = step_profile,
                                                   [LANE_ACTS] = step_acts,
                                                   [LANE_SHOWN] = step_shown};
    if (lane->running)
        return;
    lane->running = true;
    while (!lane->waiting && lane->step < LANE_OVER && !lane->driver->failed)
        table[lane->step](lane);
    lane->running = false;
}

static void on_answer(void *user, int status, struct str message, struct str text)
{
    struct lane *lane = user;
    struct driver *d = lane->driver;
    struct error e = {0};
    lane->waiting = false;
    int rc = 0;
    if (status != GRPC_OK)
        rc = error_set(&e,
                       status == GRPC_UNAVAILABLE || status == GRPC_DEADLINE_EXCEEDED ? ERR_UNAVAILABLE
                                                                                      : ERR_INVALID,
                       "%s of %s: %s: %.*s", op_kind_path(lane->asked), lane->life.person.id,
                       grpc_status_name(status), STR_ARG(text));
    else if (lane->asked == OP_DECIDE)
        rc = decided(lane, message, &e);
    else if (lane->asked == OP_GET)
        rc = met(lane, message, &e);
    if (rc && !d->failed) {
        *d->e = e;
        fail(d, rc);
    }
    if (lane->running) /* answered from inside: lane_run goes on */
        return;
    lane_run(lane);
    advance(d);
}

/* ---- all of it ---- */

static void lanes_free(struct driver *d)
{
    for (uint32_t i = 0; d->lanes && i < d->o->lanes; i++) {
        lane_clear(&d->lanes[i]);
        buf_free(&d->lanes[i].request);
        buf_free(&d->lanes[i].rows);
        arena_free(&d->lanes[i].arena);
    }
    free(d->lanes);
}

static int lanes_new(struct driver *d)
{
    d->lanes = calloc(d->o->lanes, sizeof *d->lanes);
    if (!d->lanes)
        return error_set(d->e, ERR_NOSPACE, "out of memory");
    for (uint32_t i = 0; i < d->o->lanes; i++) {
        struct lane *lane = &d->lanes[i];
        lane->driver = d;
        lane->step = LANE_UNUSED;
        buf_init(&lane->request, REQUEST_MAX);
        buf_init(&lane->rows, ROWS_MAX);
        arena_init(&lane->arena, ANSWER_MAX);
    }
    return 0;
}

int drive(const struct drive_options *o, struct drive_caller *caller, struct drive_sum *out, struct error *e)
{
    struct driver d = {.o = o, .caller = caller, .sum = out, .e = e};
    struct arena fixed;
    *out = (struct drive_sum){0};
    arena_init(&fixed, WORLD_MEMORY);
    int64_t shift_ms = o->shift_day ? world_day_ms(o->policy, o->shift_day) : INT64_MAX;
    d.failed = world_open(&d.world, o->policy, shift_ms, &fixed, e);
    if (!d.failed)
        d.failed = lanes_new(&d);
    if (!d.failed && o->out && fputs(DRIVE_COLUMNS, o->out) < 0)
        fail(&d, error_set(e, ERR_IO, "cannot write: %s", strerror(errno)));
    for (uint32_t i = 0; !d.failed && i < o->lanes; i++) {
        lane_begin(&d.lanes[i]);
        lane_run(&d.lanes[i]);
    }
    if (!d.failed)
        advance(&d);
    caller->run(caller->ctx);
    ASSERT(d.failed || d.next_out == o->customers);
    if (!d.failed && o->out && fflush(o->out) != 0)
        fail(&d, error_set(e, ERR_IO, "cannot write: %s", strerror(errno)));
    lanes_free(&d);
    arena_free(&fixed);
    return d.failed;
}

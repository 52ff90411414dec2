/* A stream of signals; see signal_stream.h.
 *
 *     message --> slot, worker_submit --> done --> (all before it too) acknowledged, told to net --> the slot is free
 *
 * Requests may end in any order, and are acknowledged in the order of the stream: so what is acknowledged is always its
 * first part, rejections are in order, and the bound that net has on messages under way is the number of slots. A failure
 * stops the intake; when nothing is under way any more, the stream fails with the first one of the order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/signal_stream.h"
#include "base/clock.h"
#include "decide/request_wire.h"
#include "net/proto_check.h"
#include "tact/v1/customers.pb-c.h"
#include <inttypes.h>
#include <stdlib.h>

enum {
    SLOT_KEEP = 4 * 1024,       /* a bigger buffer is not kept with a free slot */
    SLOT_MAX = 64 * 1024 * 1024, /* net has a lower bound */
    REASON_MAX = 1024,
    DECODE_DEPTH_MAX = 8,
    KEPT_MAX = 2 << 20,    /* rejections that will be told: 1,000 of at most 128 + 1,024 bytes and their structs */
    SCRATCH_MAX = 16 << 20 /* one request or answer, decoded */
};

struct signal_streams {
    struct worker *worker;
    struct arena scratch; /* within one function */
    size_t open, kept_bytes;
    bool closed;
};

struct signal_stream;

struct slot {
    struct signal_stream *stream;
    struct buf request;
    struct buf answer; /* OK with rejections: SignalResponse; not OK: text */
    int status;
    uint32_t applied, repeats;
    bool done;
};

struct signal_stream {
    struct grpc_call *call;
    struct signal_streams *all;
    struct slot slots[GRPC_STREAM_MESSAGES_MAX]; /* of request i: i % their number */
    uint64_t received, acknowledged;
    uint32_t under_way; /* with the worker */
    bool advancing;
    bool failed; /* of a request: a slot has its status */
    bool over;   /* net will hand on no more */
    enum grpc_status status;
    char why[REASON_MAX];
    uint64_t applied, repeats, rejected_count, first_rejected;
    struct arena kept;
    size_t kept_bytes;
    Tact__V1__StreamRejection **rejected;
    size_t rejected_told;
};

static const struct proto_limits limits = {DECODE_DEPTH_MAX, SCRATCH_MAX / 2};

/* ---- life ---- */

struct signal_streams *signal_streams_new(struct worker *worker)
{
    struct signal_streams *all = calloc(1, sizeof *all);
    ASSERT(all != NULL);
    all->worker = worker;
    arena_init(&all->scratch, SCRATCH_MAX);
    return all;
}

static void free_unused(struct signal_streams *all)
{
    if (!all->closed || all->open)
        return;
    arena_free(&all->scratch);
    free(all);
}

void signal_streams_free(struct signal_streams **s)
{
    struct signal_streams *all = *s;
    *s = NULL;
    if (!all)
        return;
    all->closed = true;
    free_unused(all);
}

static void *on_opened(void *user, struct grpc_call *call)
{
    struct signal_stream *s = calloc(1, sizeof *s);
    ASSERT(s != NULL);
    s->call = call;
    s->all = user;
    s->all->open++;
    arena_init(&s->kept, KEPT_MAX);
    for (size_t i = 0; i < GRPC_STREAM_MESSAGES_MAX; i++) {
        s->slots[i].stream = s;
        buf_init(&s->slots[i].request, SLOT_MAX);
        buf_init(&s->slots[i].answer, SLOT_MAX);
    }
    return s;
}

static void stream_free(struct signal_stream *s)
{
    for (size_t i = 0; i < GRPC_STREAM_MESSAGES_MAX; i++) {
        buf_free(&s->slots[i].request);
        buf_free(&s->slots[i].answer);
    }
    arena_free(&s->kept);
    s->all->kept_bytes -= s->kept_bytes;
    s->all->open--;
    free_unused(s->all);
    free(s);
}

static void slot_clear(struct slot *slot)
{
    struct buf *both[] = {&slot->request, &slot->answer};
    for (size_t i = 0; i < 2; i++) {
        buf_clear(both[i]);
        if (both[i]->capacity > SLOT_KEEP)
            buf_free(both[i]);
    }
    slot->done = false;
    slot->status = GRPC_OK;
    slot->applied = slot->repeats = 0;
}

/* What the caller can mend, or is a matter of one customer, is told and the stream goes on. The worker's own limit, the only
 * other RESOURCE_EXHAUSTED, is looked at before. */
static bool is_failure(int status)
{
    return status != GRPC_OK && status != GRPC_INVALID_ARGUMENT && status != GRPC_RESOURCE_EXHAUSTED &&
           status != GRPC_FAILED_PRECONDITION;
}

/* ---- rejections ---- */

/* A copy, cut to at most `most` bytes at a character. */
static char *clipped(struct arena *a, const char *text, size_t most)
{
    size_t n = strnlen(text, most + 1);
    if (n > most)
        for (n = most; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
            n--;
    return (char *)arena_str(a, (struct str){text, n}).p;
}

/* There is room for one more rejection of so many bytes; the first one is charged with the list. */
static bool may_keep(struct signal_stream *s, size_t bytes)
{
    if (!s->rejected)
        bytes += SIGNAL_STREAM_REJECTIONS_MAX * sizeof *s->rejected;
    if (s->rejected_told == SIGNAL_STREAM_REJECTIONS_MAX || s->all->kept_bytes + bytes > SIGNAL_STREAMS_REJECTIONS_MAX)
        return false;
    s->kept_bytes += bytes;
    s->all->kept_bytes += bytes;
    return true;
}

static void reject(struct signal_stream *s, size_t index, const char *event_id, const char *reason)
{
    size_t bytes = sizeof **s->rejected + strnlen(event_id, DECIDE_ID_MAX) + strnlen(reason, REASON_MAX);
    if (s->rejected_count++ == 0)
        s->first_rejected = s->acknowledged;
    if (s->rejected_told + 1 < s->rejected_count || !may_keep(s, bytes)) /* those told are the first ones */
        return;
    if (!s->rejected)
        s->rejected = arena_alloc(&s->kept, SIGNAL_STREAM_REJECTIONS_MAX * sizeof *s->rejected);
    Tact__V1__StreamRejection *r = arena_alloc(&s->kept, sizeof *r);
    ASSERT(s->rejected && r); /* KEPT_MAX has room for all */
    tact__v1__stream_rejection__init(r);
    r->request = s->acknowledged;
    r->index = (uint32_t)index;
    r->event_id = clipped(&s->kept, event_id, DECIDE_ID_MAX);
    r->reason = clipped(&s->kept, reason, REASON_MAX);
    ASSERT(r->event_id && r->reason);
    s->rejected[s->rejected_told++] = r;
}

static struct str bytes_of(const struct buf *b)
{
    return (struct str){b->n ? (const char *)b->p : "", b->n};
}

/* In scratch; NULL: it cannot be read. */
static const Tact__V1__SignalRequest *decode_request(struct signal_stream *s, struct str bytes)
{
    struct error e;
    return (const Tact__V1__SignalRequest *)proto_decode(&tact__v1__signal_request__descriptor, bytes, &limits,
                                                         &s->all->scratch, &e);
}

static const Tact__V1__SignalResponse *decode_answer(struct signal_stream *s, struct str bytes)
{
    struct error e;
    return (const Tact__V1__SignalResponse *)proto_decode(&tact__v1__signal_response__descriptor, bytes, &limits,
                                                          &s->all->scratch, &e);
}

/* The worker tells of a request without a right signal only what is wrong with the first: look again for the others.
 * False when it was something else. */
static bool reject_each(struct signal_stream *s, const Tact__V1__SignalRequest *m, const char *text)
{
    const struct snapshot *snapshot = worker_snapshot(s->all->worker);
    struct signal_batch batch;
    struct error e = {0};
    int64_t now_ms = m->as_of_ms ? m->as_of_ms : clock_wall_ms();
    if (!snapshot || request_signals(m, snapshot->policy, now_ms, &s->all->scratch, &batch, &e) == 0 ||
        batch.rejected_count != m->n_signals || strcmp(e.text, text) != 0)
        return false;
    for (size_t i = 0; i < batch.rejected_count; i++)
        reject(s, i, m->signals[i]->event_id, batch.rejected[i].reason);
    return true;
}

static void reject_request(struct signal_stream *s, const struct slot *slot, const char *text)
{
    const Tact__V1__SignalRequest *m = decode_request(s, bytes_of(&slot->request));
    if (!m || m->n_signals == 0)
        reject(s, 0, "", text);
    else if (slot->status != GRPC_INVALID_ARGUMENT || !reject_each(s, m, text))
        for (size_t i = 0; i < m->n_signals; i++)
            reject(s, i, m->signals[i]->event_id, text);
    arena_reset(&s->all->scratch);
}

static void reject_some(struct signal_stream *s, const struct slot *slot)
{
    const Tact__V1__SignalResponse *r = decode_answer(s, bytes_of(&slot->answer));
    for (size_t i = 0; r && i < r->n_rejected; i++)
        reject(s, r->rejected[i]->index, r->rejected[i]->event_id, r->rejected[i]->reason);
    arena_reset(&s->all->scratch);
}

/* ---- the end ---- */

static void answer(struct signal_stream *s)
{
    Tact__V1__SignalStreamResponse r;
    tact__v1__signal_stream_response__init(&r);
    r.requests = s->acknowledged;
    r.applied = s->applied;
    r.repeats = s->repeats;
    r.rejected = s->rejected;
    r.n_rejected = s->rejected_told;
    r.rejected_count = s->rejected_count;
    size_t n = tact__v1__signal_stream_response__get_packed_size(&r);
    uint8_t *room = grpc_reserve(s->call, n);
    if (room)
        grpc_reply_reserved(s->call, tact__v1__signal_stream_response__pack(&r, room));
    else
        grpc_fail(s->call, GRPC_RESOURCE_EXHAUSTED, "out of memory; acknowledged: %" PRIu64 " requests",
                  s->acknowledged);
}

static void fail(struct signal_stream *s, enum grpc_status status, const char *why)
{
    char rejected[96] = "";
    if (s->rejected_count)
        snprintf(rejected, sizeof rejected, ", %" PRIu64 " signals rejected, the first in request %" PRIu64,
                 s->rejected_count, s->first_rejected);
    grpc_fail(s->call, status, "%.*s; acknowledged: %" PRIu64 " requests%s", REASON_MAX, why, s->acknowledged,
              rejected);
}

/* Nothing is under way and nothing comes. */
static void finish(struct signal_stream *s)
{
    struct slot *slot = &s->slots[s->acknowledged % GRPC_STREAM_MESSAGES_MAX];
    if (s->failed) {
        buf_byte(&slot->answer, 0);
        fail(s, (enum grpc_status)slot->status, buf_ok(&slot->answer) ? (const char *)slot->answer.p : "");
    } else if (s->status != GRPC_OK) {
        fail(s, s->status, s->why);
    } else {
        answer(s);
    }
    stream_free(s);
}

/* ---- message by message ---- */

static void acknowledge(struct signal_stream *s, struct slot *slot)
{
    s->applied += slot->applied;
    s->repeats += slot->repeats;
    if (slot->status != GRPC_OK) {
        buf_byte(&slot->answer, 0);
        reject_request(s, slot, buf_ok(&slot->answer) ? (const char *)slot->answer.p : "");
    } else if (slot->answer.n) {
        reject_some(s, slot);
    }
}

/* Acknowledges what is done from the front on, and ends the stream when it is over. s may be gone. */
static void advance(struct signal_stream *s)
{
    if (s->advancing)
        return;
    s->advancing = true;
    while (s->acknowledged < s->received) {
        struct slot *slot = &s->slots[s->acknowledged % GRPC_STREAM_MESSAGES_MAX];
        if (!slot->done || is_failure(slot->status))
            break;
        size_t n = slot->request.n;
        acknowledge(s, slot);
        slot_clear(slot);
        s->acknowledged++;
        grpc_message_done(s->call, n); /* may come back with the next message, or the end */
    }
    s->advancing = false;
    if (s->under_way == 0 && (s->failed || s->over))
        finish(s);
}

/* Of an answer nothing is kept but its counts, unless it rejects. */
static void take_answer(struct slot *slot, struct str bytes)
{
    struct signal_stream *s = slot->stream;
    const Tact__V1__SignalResponse *r = decode_answer(s, bytes);
    if (r) {
        slot->applied = r->applied;
        slot->repeats = r->repeats;
        if (r->n_rejected)
            buf_str(&slot->answer, bytes);
    }
    if (!r || !buf_ok(&slot->answer)) {
        slot->status = GRPC_INTERNAL;
        buf_clear(&slot->answer);
        buf_str(&slot->answer, STR("out of memory"));
    }
    arena_reset(&s->all->scratch);
}

static void on_done(void *user, const struct worker_result *r)
{
    struct slot *slot = user;
    struct signal_stream *s = slot->stream;
    s->under_way--;
    slot->done = true;
    slot->status = r->status;
    if (r->status == GRPC_OK)
        take_answer(slot, r->message);
    else
        buf_str(&slot->answer, str_from(r->text));
    if (is_failure(slot->status)) {
        s->failed = true;
        grpc_stream_stop(s->call);
    }
    advance(s);
}

/* A request has no more time than one of its own would have. */
static int64_t deadline_us(const struct grpc_call *call)
{
    int64_t latest_us = clock_mono_us() + (int64_t)WORKER_TIME_DEFAULT_MS * 1000, of_stream_us = grpc_call_deadline_us(call);
    return of_stream_us < latest_us ? of_stream_us : INT64_MAX; /* the worker's default */
}

static void on_message(void *stream, struct str message)
{
    struct signal_stream *s = stream;
    struct slot *slot = &s->slots[s->received++ % GRPC_STREAM_MESSAGES_MAX];
    s->under_way++;
    buf_str(&slot->request, message);
    if (!buf_ok(&slot->request))
        on_done(slot, &(struct worker_result){.status = GRPC_INTERNAL, .text = "out of memory"});
    else if (worker_ops(s->all->worker) >= WORKER_OPS_MAX)
        on_done(slot, &(struct worker_result){.status = GRPC_UNAVAILABLE,
                                              .text = "too many calls under way; try again later"});
    else
        worker_submit(s->all->worker, OP_SIGNAL, bytes_of(&slot->request), deadline_us(s->call), on_done, slot);
}

static void on_ended(void *stream, enum grpc_status status, const char *why)
{
    struct signal_stream *s = stream;
    s->over = true;
    s->status = status;
    snprintf(s->why, sizeof s->why, "%s", why);
    advance(s);
}

const struct grpc_stream_hooks signal_stream_hooks = {on_opened, on_message, on_ended};

/* Taking in a stream's messages; see grpc_stream.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc_stream.h"
#include "net/grpc_session.h"
#include <utlist.h>

enum { WHY_MAX = 160 };

void grpc_stream_open(struct grpc_call *c)
{
    if (c->session->draining) {
        grpc_call_refuse(c, GRPC_UNAVAILABLE, GRPC_STREAM_STOPPING "; acknowledged: 0 requests");
        return;
    }
    c->request.limit = 2 * c->host->window; /* what is taken is cut off when it is as much as what is not */
    c->arrived_ns = c->session->now_ns;
    c->state = CALL_HELD;
    DL_APPEND2(c->host->held, c, held_prev, held_next);
    c->session->streams++;
    c->intake = (struct grpc_intake){.open = true};
    c->intake.stream = c->method->stream->opened(c->method->user, c);
}

void grpc_stream_stop(struct grpc_call *c)
{
    if (!c->intake.open)
        return;
    c->intake.open = false;
    if (c->session)
        c->session->streams--;
}

void grpc_stream_over(struct grpc_call *c, enum grpc_status status, const char *why)
{
    if (!c->intake.open)
        return;
    grpc_stream_stop(c);
    c->method->stream->ended(c->intake.stream, status, why);
}

bool grpc_stream_waits(const struct grpc_call *c)
{
    return c->intake.open && c->intake.under_way == 0;
}

/* The first message that was not taken yet: true and *m; false when it must wait, or is wrong (the stream is over). */
static bool next_message(struct grpc_call *c, struct str *m)
{
    size_t taken = c->intake.taken;
    char why[WHY_MAX];
    if (taken == c->request.n)
        return false;
    struct str body = {(const char *)c->request.p + taken, c->request.n - taken};
    switch (grpc_frame_next(body, c->host->options.message_max, m)) {
    case GRPC_FRAME_OK:
        return true;
    case GRPC_FRAME_COMPRESSED:
        grpc_stream_over(c, GRPC_INTERNAL, "a message is marked as compressed, but grpc-encoding is identity");
        return false;
    case GRPC_FRAME_TOO_LONG:
        snprintf(why, sizeof why, "a message of %zu bytes; at most %zu", m->n, c->host->options.message_max);
        grpc_stream_over(c, GRPC_RESOURCE_EXHAUSTED, why);
        return false;
    default:
        return false;
    }
}

/* Nothing more can be handed on, and nothing more comes. */
static void end_of_body(struct grpc_call *c)
{
    bool whole = c->intake.taken == c->request.n;
    grpc_stream_over(c, whole ? GRPC_OK : GRPC_INVALID_ARGUMENT, whole ? "" : "the request ends inside a message");
}

/* As many messages as may be under way, and as the connection still may in this turn. A hook that has done its message
 * at once comes here again: once is enough. */
static void hand_on(struct grpc_call *c)
{
    struct grpc_intake *in = &c->intake;
    struct grpc_session *s = c->session;
    struct str m;
    if (in->handing || !in->open)
        return;
    in->handing = true;
    while (in->open && in->under_way < GRPC_STREAM_MESSAGES_MAX && s->budget > 0 && next_message(c, &m)) {
        in->taken += GRPC_PREFIX + m.n;
        in->under_way++;
        s->budget--;
        c->method->stream->message(in->stream, (struct str){m.n ? m.p : "", m.n});
    }
    in->handing = false;
    if (!in->open || in->under_way == GRPC_STREAM_MESSAGES_MAX)
        return;
    if (s->budget == 0 && in->taken < c->request.n) {
        s->unfinished = true;
        s->wake(s);
    } else if (c->request_ended) {
        end_of_body(c);
    }
}

/* Moves what was not taken to the front, when that is not more than what was: so each byte is moved once at most. */
static void cut_off_taken(struct grpc_call *c)
{
    size_t rest = c->request.n - c->intake.taken;
    if (c->intake.taken < rest || c->intake.taken == 0)
        return;
    memmove(c->request.p, c->request.p + c->intake.taken, rest);
    c->request.n = rest;
    c->intake.taken = 0;
}

void grpc_stream_data(struct grpc_call *c, const uint8_t *p, size_t n)
{
    if (!grpc_call_fits(c, n)) {
        grpc_stream_over(c, GRPC_RESOURCE_EXHAUSTED, "too many bytes in requests that are not answered yet");
        return;
    }
    cut_off_taken(c);
    buf_append(&c->request, p, n);
    if (!buf_ok(&c->request)) {
        grpc_stream_over(c, GRPC_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    grpc_call_count(c, n);
    hand_on(c);
}

void grpc_stream_go_on(struct grpc_call *c)
{
    hand_on(c);
}

void grpc_message_done(struct grpc_call *c, size_t n)
{
    ASSERT(c->state == CALL_HELD && c->intake.under_way > 0);
    c->intake.under_way--;
    grpc_call_uncount(c, n + GRPC_PREFIX);
    if (c->stream_open && !c->request_ended && c->intake.open) {
        if (nghttp2_session_consume_stream(c->session->pump.h2, c->stream, n + GRPC_PREFIX) == 0)
            c->session->wake(c->session);
    }
    hand_on(c);
}

/* nghttp2's callbacks of a server connection; see grpc_session.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc_session.h"
#include "net/grpc_stream.h"
#include <stdlib.h>
#include <utlist.h>

/* ---- callbacks: find the call, tell it ---- */

static struct grpc_call *call_of(struct grpc_session *s, int32_t stream)
{
    if (s->current && s->current->stream == stream)
        return s->current;
    struct grpc_call *c = nghttp2_session_get_stream_user_data(s->pump.h2, stream);
    if (c)
        s->current = c;
    return c;
}

/* One more event; true when there are too many in this second. */
static bool too_many(struct grpc_rate *rate, int64_t now_ns, uint32_t most)
{
    int64_t second = now_ns / 1000000000;
    if (rate->second != second)
        *rate = (struct grpc_rate){.second = second};
    return ++rate->count > most;
}

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct grpc_session *s = user;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    int32_t stream = frame->hd.stream_id;
    s->touched = true;
    s->current = NULL;
    if (s->cancelled_held >= s->host->options.streams_max)
        return nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, stream, NGHTTP2_REFUSED_STREAM);
    struct grpc_call *c = grpc_call_new(s->host, s, stream);
    if (!c)
        return nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, stream, NGHTTP2_INTERNAL_ERROR);
    s->current = c;
    return nghttp2_session_set_stream_user_data(h2, stream, c);
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
    (void)h2;
    (void)flags;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct grpc_call *c = call_of(user, frame->hd.stream_id);
    if (c)
        grpc_call_add_header(c, (struct str){(const char *)name, name_n},
                             (struct str){(const char *)value, value_n});
    return 0;
}

static int on_data_chunk(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *p, size_t n,
                         void *user)
{
    (void)flags;
    struct grpc_session *s = user;
    struct grpc_call *c = call_of(s, stream);
    s->touched = true;
    if (c)
        grpc_call_data(c, p, n);
    return nghttp2_session_consume_connection(h2, n);
}

/* The end of one of the frames that carry a request. */
static void request_frame(struct grpc_session *s, const nghttp2_frame *frame)
{
    struct grpc_call *c = call_of(s, frame->hd.stream_id);
    if (!c)
        return;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        grpc_call_headers_done(c);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        grpc_call_request_done(c, s->now_ns);
}

static void drain_finally(struct grpc_session *s)
{
    if (s->drained)
        return;
    s->drained = true;
    nghttp2_submit_goaway(s->pump.h2, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(s->pump.h2),
                          NGHTTP2_NO_ERROR, NULL, 0);
}

static int on_frame_recv(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct grpc_session *s = user;
    bool chatter = false, flood = false;
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        chatter = frame->hd.length == 0 && !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
        request_frame(s, frame);
        break;
    case NGHTTP2_HEADERS:
        request_frame(s, frame);
        break;
    case NGHTTP2_RST_STREAM: {
        uint32_t streams = s->host->options.streams_max;
        flood = too_many(&s->resets, s->now_ns, streams > SESSION_RESETS_MAX ? streams : SESSION_RESETS_MAX);
        break;
    }
    case NGHTTP2_PING:
        chatter = true;
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) && s->draining)
            drain_finally(s);
        s->touched |= s->streams > 0; /* keep-alive of a stream that has nothing to say */
        break;
    case NGHTTP2_SETTINGS:
        s->settled = true;
        chatter = true;
        break;
    case NGHTTP2_PRIORITY:
        chatter = true;
        break;
    default:
        break;
    }
    if (flood || (chatter && too_many(&s->chatter, s->now_ns, SESSION_CHATTER_MAX)))
        nghttp2_session_terminate_session(h2, NGHTTP2_ENHANCE_YOUR_CALM);
    return 0;
}

static int on_frame_send(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct grpc_session *s = user;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR && !s->broken) {
        s->broken = true;
        s->host->counts.connections_broken++;
    }
    if (frame->hd.type != NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    /* An answer before the request's end: the peer need not send the rest. */
    struct grpc_call *c = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    if (c && !c->request_ended)
        nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t stream, uint32_t error_code, void *user)
{
    (void)error_code;
    struct grpc_session *s = user;
    struct grpc_call *c = nghttp2_session_get_stream_user_data(h2, stream);
    if (!c)
        return 0;
    nghttp2_session_set_stream_user_data(h2, stream, NULL);
    if (s->current == c)
        s->current = NULL;
    s->touched = true;
    grpc_call_stream_closed(c);
    return 0;
}

/* ---- host ---- */

/* Since nghttp2 1.57, and in Debian's patched 1.52, there is a limit of resets (1,000 at once, then 33 a
 * second), which would end busy connections whose client's deadlines are short. Ours is the limit on every
 * version; this raises nghttp2's over it where it exists. */
extern void nghttp2_option_set_stream_reset_rate_limit(nghttp2_option *option, uint64_t burst, uint64_t rate)
    __attribute__((weak));

static void set_defaults(struct grpc_options *o)
{
    if (!o->message_max)
        o->message_max = 256 * 1024;
    if (!o->streams_max)
        o->streams_max = 1000;
    if (!o->connections_max)
        o->connections_max = 1024;
    if (!o->idle_s)
        o->idle_s = 300;
    if (!o->preface_s)
        o->preface_s = 10;
}

int grpc_host_init(struct grpc_host *host, const struct grpc_method *methods,
                   const struct grpc_options *options, struct error *e)
{
    *host = (struct grpc_host){.options = options ? *options : (struct grpc_options){0}};
    set_defaults(&host->options);
    if (host->options.message_max > GRPC_CONNECTION_BYTES_MAX)
        return error_set(e, ERR_INVALID, "message_max is %zu; at most %d bytes", host->options.message_max,
                         GRPC_CONNECTION_BYTES_MAX);
    while (methods[host->method_count].path)
        host->method_count++;
    host->methods = calloc(host->method_count + 1, sizeof *methods);
    if (!host->methods || nghttp2_session_callbacks_new(&host->callbacks) != 0 ||
        nghttp2_option_new(&host->h2_options) != 0) {
        grpc_host_free(host);
        return error_set(e, ERR_NOSPACE, "out of memory");
    }
    memcpy(host->methods, methods, host->method_count * sizeof *methods);
    host->window = host->options.message_max + GRPC_PREFIX;
    for (size_t i = 0; i < host->method_count; i++)
        if (methods[i].stream)
            host->window = 2 * (host->options.message_max + GRPC_PREFIX);
    if (host->window < NGHTTP2_INITIAL_WINDOW_SIZE)
        host->window = NGHTTP2_INITIAL_WINDOW_SIZE;
    nghttp2_session_callbacks *cb = host->callbacks;
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_option_set_no_closed_streams(host->h2_options, 1);
    nghttp2_option_set_no_auto_window_update(host->h2_options, 1);
    if (nghttp2_option_set_stream_reset_rate_limit) {
        uint64_t resets =
            host->options.streams_max > SESSION_RESETS_MAX ? host->options.streams_max : SESSION_RESETS_MAX;
        nghttp2_option_set_stream_reset_rate_limit(host->h2_options, 2 * resets, 2 * resets);
    }
    return 0;
}

void grpc_host_free(struct grpc_host *host)
{
    grpc_calls_abandon(host);
    nghttp2_session_callbacks_del(host->callbacks);
    nghttp2_option_del(host->h2_options);
    free(host->methods);
    host->callbacks = NULL;
    host->h2_options = NULL;
    host->methods = NULL;
}

/* ---- session ---- */

int grpc_session_init(struct grpc_session *s, struct grpc_host *host, void (*wake)(struct grpc_session *s),
                      struct error *e)
{
    *s = (struct grpc_session){.host = host, .wake = wake, .budget = SESSION_TURN_MAX};
    if (nghttp2_session_server_new2(&s->pump.h2, host->callbacks, s, host->h2_options) != 0)
        return error_set(e, ERR_NOSPACE, "out of memory");
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, host->options.streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)host->window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADERS_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    if (nghttp2_submit_settings(s->pump.h2, NGHTTP2_FLAG_NONE, settings,
                                sizeof settings / sizeof *settings) != 0 ||
        nghttp2_session_set_local_window_size(s->pump.h2, NGHTTP2_FLAG_NONE, 0, SESSION_WINDOW) != 0) {
        grpc_session_free(s);
        return error_set(e, ERR_NOSPACE, "out of memory");
    }
    return 0;
}

int grpc_session_feed(struct grpc_session *s, const uint8_t *p, size_t n, int64_t now_ns)
{
    s->now_ns = now_ns;
    s->budget = SESSION_TURN_MAX;
    int r = h2_pump_feed(&s->pump, p, n);
    if (r != 0 && !s->broken) {
        s->broken = true;
        s->host->counts.connections_broken++;
    }
    return r;
}

void grpc_session_drain(struct grpc_session *s, bool hurry)
{
    if (!s->draining) {
        s->draining = true;
        nghttp2_submit_shutdown_notice(s->pump.h2);
        nghttp2_submit_ping(s->pump.h2, NGHTTP2_FLAG_NONE, NULL);
    }
    if (hurry)
        drain_finally(s);
    s->wake(s);
}

void grpc_session_continue(struct grpc_session *s)
{
    struct grpc_call *c, *next;
    s->unfinished = false;
    s->budget = SESSION_TURN_MAX;
    DL_FOREACH_SAFE(s->calls, c, next)
    if (c->intake.open)
        grpc_stream_go_on(c);
}

void grpc_session_sweep(struct grpc_session *s, int64_t now_us)
{
    struct grpc_call *c, *next;
    if (s->streams == 0)
        return;
    DL_FOREACH_SAFE(s->calls, c, next)
    if (c->intake.open && now_us >= c->deadline_us)
        grpc_stream_over(c, GRPC_DEADLINE_EXCEEDED, "the stream's deadline has passed");
}

void grpc_session_end_streams(struct grpc_session *s, enum grpc_status status, const char *why)
{
    struct grpc_call *c, *next;
    DL_FOREACH_SAFE(s->calls, c, next)
    grpc_stream_over(c, status, why);
}

void grpc_session_free(struct grpc_session *s)
{
    struct grpc_call *c, *next;
    DL_FOREACH_SAFE(s->calls, c, next)
    grpc_call_session_closed(c);
    nghttp2_session_del(s->pump.h2);
    s->pump = (struct h2_pump){.failed = true, .dead = true};
}

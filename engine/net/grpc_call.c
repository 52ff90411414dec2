/* A call's life: headers, request, answer, pool; see grpc_call.h. The checks follow PROTOCOL-HTTP2.md and
 * statuscodes.md of the gRPC project; where those leave it open (a body cut short) the status is
 * INVALID_ARGUMENT with a text that says it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc_call.h"
#include "net/grpc_session.h"
#include "net/grpc_stream.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <utlist.h>

/* ---- life ---- */

struct grpc_call *grpc_call_new(struct grpc_host *host, struct grpc_session *session, int32_t stream)
{
    struct grpc_call *c = host->pool;
    if (c) {
        host->pool = c->next;
        host->pooled--;
    } else {
        c = calloc(1, sizeof *c);
        if (!c)
            return NULL;
        buf_init(&c->headers, GRPC_HEADERS_MAX);
        buf_init(&c->request, host->options.message_max);
        buf_init(&c->reply, GRPC_REPLY_MAX + GRPC_PREFIX);
    }
    c->host = host;
    c->session = session;
    c->stream = stream;
    c->stream_open = true;
    c->state = CALL_RECEIVING;
    c->deadline_us = INT64_MAX;
    DL_APPEND(session->calls, c);
    host->counts.calls_started++;
    host->counts.calls_now++;
    return c;
}

static void call_delete(struct grpc_call *c)
{
    buf_free(&c->headers);
    buf_free(&c->request);
    buf_free(&c->reply);
    free(c);
}

static void keep_small(struct buf *b)
{
    buf_clear(b);
    if (b->capacity > GRPC_POOL_BUFFER_MAX)
        buf_free(b);
}

void grpc_call_count(struct grpc_call *c, size_t n)
{
    c->counted += n;
    c->host->request_bytes += n;
    c->session->request_bytes += n;
}

void grpc_call_uncount(struct grpc_call *c, size_t n)
{
    ASSERT(n <= c->counted);
    c->counted -= n;
    if (c->host)
        c->host->request_bytes -= n;
    if (c->session)
        c->session->request_bytes -= n;
}

static void forget_request(struct grpc_call *c)
{
    grpc_call_uncount(c, c->counted);
    c->intake.taken = 0;
    keep_small(&c->request);
}

/* Nobody needs the call any more: back to the pool. */
static void release(struct grpc_call *c)
{
    struct grpc_host *host = c->host;
    forget_request(c);
    if (c->session) {
        if (c->session->current == c)
            c->session->current = NULL;
        DL_DELETE(c->session->calls, c);
    }
    if (!host || host->pooled >= GRPC_POOL_MAX) {
        call_delete(c);
        return;
    }
    keep_small(&c->headers);
    keep_small(&c->reply);
    c->request.limit = host->options.message_max;
    struct buf headers = c->headers, request = c->request, reply = c->reply;
    *c = (struct grpc_call){.headers = headers, .request = request, .reply = reply, .next = host->pool};
    host->pool = c;
    host->pooled++;
}

void grpc_call_stream_closed(struct grpc_call *c)
{
    c->stream_open = false;
    if (c->state == CALL_HELD) {
        c->session->cancelled_held++;
        grpc_stream_over(c, GRPC_CANCELLED, "the call was cancelled");
        return;
    }
    if (c->state == CALL_RECEIVING) {
        c->host->counts.calls_cancelled++;
        c->host->counts.calls_now--;
    }
    release(c);
}

void grpc_call_session_closed(struct grpc_call *c)
{
    struct grpc_session *s = c->session;
    if (c->state != CALL_HELD) {
        grpc_call_stream_closed(c);
        return;
    }
    s->request_bytes -= c->counted;
    DL_DELETE(s->calls, c);
    if (c->intake.open)
        s->streams--;
    c->stream_open = false;
    c->session = NULL;
    grpc_stream_over(c, GRPC_CANCELLED, "the connection was lost");
}

void grpc_calls_abandon(struct grpc_host *host)
{
    while (host->pool) {
        struct grpc_call *next = host->pool->next;
        call_delete(host->pool);
        host->pool = next;
    }
    host->pooled = 0;
    for (struct grpc_call *c = host->held; c; c = c->held_next)
        c->host = NULL;
    host->held = NULL;
}

/* ---- answering ---- */

/* The call leaves RECEIVING or HELD. True when somebody still waits for the answer; else the call is gone. */
static bool settle(struct grpc_call *c, bool ok)
{
    bool waited_for = c->stream_open;
    if (c->host) {
        struct grpc_counts *n = &c->host->counts;
        n->calls_now--;
        *(!waited_for ? &n->calls_cancelled : ok ? &n->calls_ok : &n->calls_failed) += 1;
        if (c->state == CALL_HELD)
            DL_DELETE2(c->host->held, c, held_prev, held_next);
    }
    if (!waited_for && c->session)
        c->session->cancelled_held--;
    grpc_stream_stop(c);
    c->state = CALL_ANSWERED;
    if (!waited_for) {
        release(c);
        return false;
    }
    forget_request(c);
    c->session->touched = true;
    c->session->wake(c->session);
    return true;
}

/* nghttp2 asks for the reply's next bytes; with the last ones the trailers are submitted. */
static ssize_t read_reply(nghttp2_session *h2, int32_t stream, uint8_t *out, size_t capacity, uint32_t *flags,
                          nghttp2_data_source *source, void *user)
{
    (void)user;
    struct grpc_call *c = source->ptr;
    size_t n = c->reply.n - c->reply_sent;
    if (n > capacity)
        n = capacity;
    memcpy(out, c->reply.p + c->reply_sent, n);
    c->reply_sent += n;
    if (c->reply_sent < c->reply.n)
        return (ssize_t)n;
    nghttp2_nv trailer = H2_STATIC_FIELD("grpc-status", "0");
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return nghttp2_submit_trailer(h2, stream, &trailer, 1) == 0 ? (ssize_t)n
                                                                : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void submit(struct grpc_call *c, const nghttp2_nv *fields, size_t count,
                   const nghttp2_data_provider *body)
{
    nghttp2_session *h2 = c->session->pump.h2;
    if (nghttp2_submit_response(h2, c->stream, fields, count, body) != 0)
        nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, c->stream, NGHTTP2_INTERNAL_ERROR);
}

/* Trailers-Only. encodings: also say which we understand. */
static void send_status(struct grpc_call *c, enum grpc_status status, struct str text, bool encodings)
{
    char encoded[3 * GRPC_TEXT_MAX], number[4];
    size_t encoded_n = grpc_percent_encode(text, encoded);
    size_t number_n = (size_t)snprintf(number, sizeof number, "%u", (unsigned)status);
    nghttp2_nv fields[] = {
        H2_STATIC_FIELD(":status", "200"), H2_STATIC_FIELD("content-type", "application/grpc"),
        H2_FIELD("grpc-status", number, number_n), H2_FIELD("grpc-message", encoded, encoded_n),
        H2_STATIC_FIELD("grpc-accept-encoding", "identity")};
    submit(c, fields, encodings ? 5 : 4, NULL);
}

/* Formats into text; cut at GRPC_TEXT_MAX, at the start of a UTF-8 character. */
static struct str format_text(char text[GRPC_TEXT_MAX + 1], const char *format, va_list args)
{
    int n = vsnprintf(text, GRPC_TEXT_MAX + 1, format, args);
    if (n < 0)
        return STR("");
    if (n <= GRPC_TEXT_MAX)
        return (struct str){text, (size_t)n};
    size_t cut = GRPC_TEXT_MAX;
    size_t bad = utf8_bad_at(text, cut);
    if (bad && cut - (bad - 1) < 4)
        cut = bad - 1;
    return (struct str){text, cut};
}

void grpc_call_refuse(struct grpc_call *c, enum grpc_status status, const char *format, ...)
{
    char text[GRPC_TEXT_MAX + 1];
    va_list args;
    va_start(args, format);
    struct str s = format_text(text, format, args);
    va_end(args);
    bool encodings = c->saw & SAW_ENCODING;
    if (settle(c, false))
        send_status(c, status, s, encodings);
}

void grpc_fail(struct grpc_call *c, enum grpc_status status, const char *format, ...)
{
    ASSERT(c->state == CALL_HELD && status != GRPC_OK);
    char text[GRPC_TEXT_MAX + 1];
    va_list args;
    va_start(args, format);
    struct str s = format_text(text, format, args);
    va_end(args);
    if (settle(c, false))
        send_status(c, status, s, false);
}

uint8_t *grpc_reserve(struct grpc_call *c, size_t n)
{
    ASSERT(c->state == CALL_HELD);
    buf_clear(&c->reply);
    uint8_t *p = n <= GRPC_REPLY_MAX ? buf_reserve(&c->reply, n + GRPC_PREFIX) : NULL;
    return p ? p + GRPC_PREFIX : NULL;
}

void grpc_reply_reserved(struct grpc_call *c, size_t n)
{
    ASSERT(c->state == CALL_HELD && c->reply.p && n <= c->reply.capacity - GRPC_PREFIX);
    grpc_frame_write(c->reply.p, n);
    c->reply.n = n + GRPC_PREFIX;
    if (!settle(c, true))
        return;
    nghttp2_nv fields[] = {H2_STATIC_FIELD(":status", "200"),
                           H2_STATIC_FIELD("content-type", "application/grpc")};
    nghttp2_data_provider body = {.source = {.ptr = c}, .read_callback = read_reply};
    submit(c, fields, 2, &body);
}

void grpc_reply(struct grpc_call *c, const void *message, size_t n)
{
    uint8_t *p = grpc_reserve(c, n);
    if (!p) {
        grpc_fail(c, GRPC_RESOURCE_EXHAUSTED, "no room for an answer of %zu bytes; at most %d", n,
                  GRPC_REPLY_MAX);
        return;
    }
    if (n)
        memcpy(p, message, n);
    grpc_reply_reserved(c, n);
}

/* ---- headers ---- */

static void keep_header(struct grpc_call *c, struct str name, struct str value)
{
    uint16_t sizes[2] = {(uint16_t)name.n, (uint16_t)value.n};
    buf_append(&c->headers, sizes, sizeof sizes);
    buf_str(&c->headers, name);
    buf_str(&c->headers, value);
    if (!buf_ok(&c->headers))
        c->saw |= SAW_NO_MEMORY;
}

static void path_header(struct grpc_call *c, struct str path)
{
    for (size_t i = 0; i < c->host->method_count; i++)
        if (str_is(path, c->host->methods[i].path)) {
            c->method = &c->host->methods[i];
            return;
        }
    keep_header(c, STR(":path"), path);
}

static void grpc_header(struct grpc_call *c, struct str name, struct str value)
{
    if (str_is(name, "grpc-timeout")) {
        int64_t us;
        if (grpc_timeout_parse(value, &us))
            c->deadline_us = c->session->now_ns / 1000 + us;
        else
            c->saw |= SAW_BAD_TIMEOUT;
    } else if (str_is(name, "grpc-encoding") && !str_is(value, "identity")) {
        c->saw |= SAW_ENCODING;
    }
}

/* "application/grpc", then nothing, "+proto" or parameters. */
static bool is_grpc(struct str type)
{
    struct str grpc = STR("application/grpc");
    return str_starts(type, grpc) && (type.n == grpc.n || type.p[grpc.n] == '+' || type.p[grpc.n] == ';');
}

void grpc_call_add_header(struct grpc_call *c, struct str name, struct str value)
{
    c->headers_size += (uint32_t)(name.n + value.n + 32);
    if (c->headers_size > GRPC_HEADERS_MAX) {
        c->saw |= SAW_TOO_MUCH;
        return;
    }
    if (name.n && name.p[0] == ':') {
        if (str_is(name, ":path"))
            path_header(c, value);
        else if (str_is(name, ":method") && str_is(value, "POST"))
            c->saw |= SAW_POST;
    } else if (str_is(name, "content-type")) {
        if (is_grpc(value))
            c->saw |= SAW_GRPC;
    } else if (str_starts(name, STR("grpc-"))) {
        grpc_header(c, name, value);
    } else if (!str_is(name, "content-length")) {
        keep_header(c, name, value);
    }
}

struct str grpc_call_header(const struct grpc_call *c, const char *name)
{
    for (size_t at = 0; at < c->headers.n;) {
        uint16_t sizes[2];
        memcpy(sizes, c->headers.p + at, sizeof sizes);
        const char *p = (const char *)c->headers.p + at + sizeof sizes;
        if (str_is((struct str){p, sizes[0]}, name))
            return (struct str){p + sizes[0], sizes[1]};
        at += sizeof sizes + sizes[0] + sizes[1];
    }
    return (struct str){0};
}

/* An answer in HTTP's own terms, for a peer that does not speak gRPC. */
static void send_http(struct grpc_call *c, bool not_post)
{
    nghttp2_nv method[] = {H2_STATIC_FIELD(":status", "405"), H2_STATIC_FIELD("allow", "POST"),
                           H2_STATIC_FIELD("content-length", "0")};
    nghttp2_nv type[] = {H2_STATIC_FIELD(":status", "415"), H2_STATIC_FIELD("accept", "application/grpc"),
                         H2_STATIC_FIELD("content-length", "0")};
    if (settle(c, false))
        submit(c, not_post ? method : type, 3, NULL);
}

static void refuse_path(struct grpc_call *c)
{
    struct str path = grpc_call_header(c, ":path");
    struct suggest suggest;
    char allowed[512];
    size_t n = 0;
    suggest_init(&suggest, path);
    allowed[0] = 0;
    for (size_t i = 0; i < c->host->method_count; i++) {
        struct str known = str_from(c->host->methods[i].path);
        suggest_offer(&suggest, known);
        if (n + known.n + 3 < sizeof allowed)
            n += (size_t)snprintf(allowed + n, sizeof allowed - n, "%s%s", n ? ", " : "", known.p);
    }
    struct str best = suggest_best(&suggest);
    if (path.n > 200)
        path.n = 200;
    if (best.n)
        grpc_call_refuse(c, GRPC_UNIMPLEMENTED, "%.*s is not a method here; did you mean %.*s?", STR_ARG(path),
                         STR_ARG(best));
    else
        grpc_call_refuse(c, GRPC_UNIMPLEMENTED, "%.*s is not a method here; allowed: %s", STR_ARG(path), allowed);
}

void grpc_call_headers_done(struct grpc_call *c)
{
    if (c->saw & SAW_TOO_MUCH)
        grpc_call_refuse(c, GRPC_RESOURCE_EXHAUSTED,
                         "the request's headers take more than %d bytes (32 are added for each)", GRPC_HEADERS_MAX);
    else if (c->saw & SAW_NO_MEMORY)
        grpc_call_refuse(c, GRPC_RESOURCE_EXHAUSTED, "out of memory");
    else if (!(c->saw & SAW_POST) || !(c->saw & SAW_GRPC))
        send_http(c, !(c->saw & SAW_POST));
    else if (!c->method)
        refuse_path(c);
    else if (c->saw & SAW_BAD_TIMEOUT)
        grpc_call_refuse(c, GRPC_INVALID_ARGUMENT,
                         "grpc-timeout: not a timeout; allowed: 1 to 8 digits and one of H M S m u n");
    else if (c->saw & SAW_ENCODING)
        grpc_call_refuse(c, GRPC_UNIMPLEMENTED,
                         "grpc-encoding: compressed messages are not understood; allowed: identity");
    else if (c->method->stream)
        grpc_stream_open(c);
}

/* ---- the request ---- */

bool grpc_call_fits(const struct grpc_call *c, size_t n)
{
    return c->session->request_bytes + n <= GRPC_CONNECTION_BYTES_MAX &&
           c->host->request_bytes + n <= GRPC_HOST_BYTES_MAX;
}

void grpc_call_data(struct grpc_call *c, const uint8_t *p, size_t n)
{
    if (c->intake.open)
        grpc_stream_data(c, p, n);
    if (c->state != CALL_RECEIVING)
        return;
    if (!grpc_call_fits(c, n)) {
        grpc_call_refuse(c, GRPC_RESOURCE_EXHAUSTED, "too many bytes in requests that are not answered yet");
        return;
    }
    size_t before = c->request.n;
    enum grpc_frame_result result = grpc_frame_feed(&c->frame, &c->request, p, n);
    grpc_call_count(c, c->request.n - before);
    switch (result) {
    case GRPC_FRAME_OK:
    case GRPC_FRAME_PART:
        return;
    case GRPC_FRAME_COMPRESSED:
        grpc_call_refuse(c, GRPC_INTERNAL, "the message is marked as compressed, but grpc-encoding is identity");
        return;
    case GRPC_FRAME_TOO_LONG:
        grpc_call_refuse(c, GRPC_RESOURCE_EXHAUSTED, "a message of %" PRIu32 " bytes; at most %zu", c->frame.length,
                         c->host->options.message_max);
        return;
    case GRPC_FRAME_EXTRA:
        grpc_call_refuse(c, GRPC_UNIMPLEMENTED, "more than one message; %s takes exactly one", c->method->path);
        return;
    case GRPC_FRAME_NO_MEMORY:
        grpc_call_refuse(c, GRPC_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
}

void grpc_call_request_done(struct grpc_call *c, int64_t now_ns)
{
    c->request_ended = true;
    if (c->intake.open)
        grpc_stream_go_on(c);
    if (c->state != CALL_RECEIVING)
        return;
    if (c->frame.prefix_n == 0) {
        grpc_call_refuse(c, GRPC_UNIMPLEMENTED, "no message; %s takes exactly one", c->method->path);
        return;
    }
    if (!grpc_frame_whole(&c->frame, &c->request)) {
        if (c->frame.prefix_n < GRPC_PREFIX)
            grpc_call_refuse(c, GRPC_INVALID_ARGUMENT, "the request ends inside the 5 bytes before the message");
        else
            grpc_call_refuse(c, GRPC_INVALID_ARGUMENT, "the request ends inside the message: %zu of %" PRIu32 " bytes",
                             c->request.n, c->frame.length);
        return;
    }
    c->arrived_ns = now_ns;
    c->state = CALL_HELD;
    DL_APPEND2(c->host->held, c, held_prev, held_next);
    c->method->handler(c->method->user, c,
                       (struct str){c->request.n ? (char *)c->request.p : "", c->request.n});
}

int64_t grpc_call_deadline_us(const struct grpc_call *c)
{
    return c->deadline_us;
}

int64_t grpc_call_arrived_ns(const struct grpc_call *c)
{
    return c->arrived_ns;
}

bool grpc_call_cancelled(const struct grpc_call *c)
{
    return !c->stream_open;
}

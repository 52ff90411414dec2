/* A gRPC client; see grpc_client.h. A client has at most one connection that takes new calls; older ones that
 * the server told to go live on until their calls end.
 *
 *     call: QUEUED (for a connection, or to be finished) --submit--> SENT --stream closed, deadline-->
 * finished
 *
 * A streaming call's queue is its request buffer: grpc_client_send appends, nghttp2 takes from the front. When that finds
 * nothing it defers, and the next message resumes it.
 *
 * Everything that ends outside the loop's callbacks is queued, and a timer of 0 ms finishes it, so that the
 * user's callback never runs inside grpc_call_unary. The same timer watches the nearest deadline.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc_client.h"
#include "base/buf.h"
#include "base/clock.h"
#include "net/address.h"
#include "net/grpc_frame.h"
#include "net/h2_link.h"
#include <stdlib.h>
#include <utlist.h>

enum {
    CLIENT_TEXT_MAX = 8192,
    CLIENT_WINDOW = 8 << 20,
    CLIENT_POOL_MAX = 1024,
    CLIENT_POOL_BUFFER_MAX = 16 * 1024
};

struct client_conn;

struct client_call {
    struct client_call *prev, *next; /* of the client's calls; next alone: in the pool */
    struct grpc_client *client;
    struct client_conn *conn;        /* NULL: ended, waits for its callback */
    grpc_client_cb cb;
    void *user;
    int64_t begun_us, deadline_us;
    int32_t stream;
    int http_status, status; /* status: -1 before it is known */
    bool frame_bad, retried;
    /* of a stream */
    bool streaming, more;   /* more: not ended by us */
    bool deferred, taken;   /* nghttp2 waits for bytes; has taken some */
    bool room_wanted;
    size_t room_at; /* as few bytes may wait then */
    void (*room)(void *user);
    enum grpc_frame_result frame_result;
    size_t sent;
    struct grpc_frame frame;
    struct buf request; /* prefix and message; of a stream, those that were not taken yet */
    struct buf path, reply, text;
};

struct client_conn {
    struct h2_link link; /* first */
    struct h2_pump pump;
    struct grpc_client *client;
    struct client_conn *prev, *next;
    uv_connect_t connect;
    bool connected;
};

struct grpc_client {
    struct h2_io io;
    uv_timer_t timer;
    char *authority, *place; /* for HTTP/2; for people */
    struct address address;
    size_t address_at;      /* which of the found ones to try */
    size_t failed_connects; /* in a row */
    nghttp2_session_callbacks *callbacks;
    struct client_call *calls, *pool;
    size_t in_flight, pooled;
    struct client_conn *conns;
    struct client_conn *current; /* takes new calls, or NULL */
    int64_t armed_us;            /* when the timer goes off; INT64_MAX: it is stopped */
    bool closing;
    size_t handles;
};

static void send_call(struct grpc_client *client, struct client_call *call);

/* ---- calls ---- */

static void call_free(struct client_call *call)
{
    buf_free(&call->request);
    buf_free(&call->path);
    buf_free(&call->reply);
    buf_free(&call->text);
    free(call);
}

static struct client_call *call_new(struct grpc_client *client)
{
    struct client_call *call = client->pool;
    if (call) {
        client->pool = call->next;
        client->pooled--;
        return call;
    }
    call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    buf_init(&call->request, SIZE_MAX / 2);
    buf_init(&call->path, 4096);
    buf_init(&call->reply, GRPC_CLIENT_MESSAGE_MAX);
    buf_init(&call->text, CLIENT_TEXT_MAX);
    return call;
}

static void call_recycle(struct grpc_client *client, struct client_call *call)
{
    if (client->pooled >= CLIENT_POOL_MAX || call->request.capacity > CLIENT_POOL_BUFFER_MAX ||
        call->reply.capacity > CLIENT_POOL_BUFFER_MAX) {
        call_free(call);
        return;
    }
    struct buf request = call->request, path = call->path, reply = call->reply, text = call->text;
    buf_clear(&request);
    buf_clear(&path);
    buf_clear(&reply);
    buf_clear(&text);
    *call = (struct client_call){
        .request = request, .path = path, .reply = reply, .text = text, .next = client->pool};
    client->pool = call;
    client->pooled++;
}

/* The user hears of it; the call is gone after. Only from the loop's callbacks. */
static void finish(struct grpc_client *client, struct client_call *call)
{
    DL_DELETE(client->calls, call);
    client->in_flight--;
    struct grpc_result r = {.status = call->status,
                            .message = {(char *)call->reply.p, call->status == GRPC_OK ? call->reply.n : 0},
                            .text = {(char *)call->text.p, call->text.n},
                            .elapsed_us = clock_mono_us() - call->begun_us};
    call->cb(call->user, &r);
    call_recycle(client, call);
}

static void set_status(struct client_call *call, int status, const char *text)
{
    call->status = status;
    buf_clear(&call->text);
    buf_str(&call->text, str_from(text));
}

static void on_timer(uv_timer_t *timer);

static void arm(struct grpc_client *client, int64_t at_us)
{
    if (at_us >= client->armed_us)
        return;
    int64_t us = at_us - clock_mono_us();
    client->armed_us = at_us;
    uv_update_time(client->io.loop);
    uv_timer_start(&client->timer, on_timer, us > 0 ? (uint64_t)(us + 999) / 1000 : 0, 0);
}

/* Ended, but not inside a callback of the loop: the timer finishes it. */
static void finish_soon(struct grpc_client *client, struct client_call *call, int status, const char *text)
{
    call->conn = NULL;
    set_status(call, status, text);
    arm(client, 0);
}

/* The server hears that nobody waits any more. */
static void reset(struct client_call *call)
{
    nghttp2_session_set_stream_user_data(call->conn->pump.h2, call->stream, NULL);
    nghttp2_submit_rst_stream(call->conn->pump.h2, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);
    h2_link_wake(&call->conn->link);
}

static bool has_room(const struct client_call *call)
{
    return call->room_wanted && call->request.n - call->sent <= call->room_at;
}

static void on_timer(uv_timer_t *timer)
{
    struct grpc_client *client = timer->data;
    int64_t now = clock_mono_us(), next_us = INT64_MAX;
    struct client_call *call, *next;
    client->armed_us = INT64_MIN; /* calls that callbacks start are seen below or arm nothing twice */
    DL_FOREACH_SAFE(client->calls, call, next)
    {
        if (call->conn && now >= call->deadline_us) {
            reset(call);
            set_status(call, GRPC_DEADLINE_EXCEEDED, "no answer before the deadline");
            call->conn = NULL;
        }
        if (!call->conn) {
            finish(client, call);
        } else if (has_room(call)) {
            call->room_wanted = false;
            if (call->room)
                call->room(call->user);
        }
    }
    client->armed_us = INT64_MAX;
    DL_FOREACH(client->calls, call)
    {
        int64_t at = call->conn ? call->deadline_us : 0;
        next_us = at < next_us ? at : next_us;
    }
    if (next_us != INT64_MAX && !client->closing)
        arm(client, next_us);
}

/* ---- HTTP/2 ---- */

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
    (void)flags;
    (void)user;
    struct client_call *call = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    if (!call)
        return 0;
    struct str n = {(const char *)name, name_n}, v = {(const char *)value, value_n};
    if (str_is(n, ":status")) {
        call->http_status = atoi(v.p); /* nghttp2 has checked that it is three digits, and ends it with NUL */
    } else if (str_is(n, "grpc-status")) {
        call->status = grpc_status_parse(v);
    } else if (str_is(n, "grpc-message")) {
        buf_clear(&call->text);
        uint8_t *to = buf_reserve(&call->text, v.n);
        if (to)
            call->text.n = grpc_percent_decode(v, (char *)to);
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *p, size_t n,
                         void *user)
{
    (void)flags;
    (void)user;
    struct client_call *call = nghttp2_session_get_stream_user_data(h2, stream);
    if (!call || call->frame_bad || call->http_status != 200)
        return 0;
    call->frame_result = grpc_frame_feed(&call->frame, &call->reply, p, n);
    if (call->frame_result != GRPC_FRAME_OK) {
        call->frame_bad = true;
        nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
    }
    return 0;
}

/* What the answer, or the lack of one, means. */
static void conclude(struct client_call *call, uint32_t h2_error)
{
    if (call->frame_bad) {
        if (call->frame_result == GRPC_FRAME_EXTRA)
            set_status(call, GRPC_UNIMPLEMENTED, "the server sent more than one message");
        else if (call->frame_result == GRPC_FRAME_COMPRESSED)
            set_status(call, GRPC_INTERNAL, "the server sent a compressed message");
        else
            set_status(call, GRPC_RESOURCE_EXHAUSTED, "the server's message is too long");
    } else if (call->status == GRPC_OK && !grpc_frame_whole(&call->frame, &call->reply)) {
        set_status(call, GRPC_INTERNAL, "the server said OK, but its message is missing or cut short");
    } else if (call->status < 0) {
        char text[64] = "";
        int status = GRPC_UNKNOWN;
        if (h2_error != NGHTTP2_NO_ERROR || call->http_status == 0) {
            snprintf(text, sizeof text, "the stream was reset: %s", nghttp2_http2_strerror(h2_error));
            status = grpc_status_of_h2(h2_error);
        } else if (call->http_status != 200) {
            snprintf(text, sizeof text, "HTTP status %d", call->http_status);
            status = grpc_status_of_http(call->http_status);
        } else {
            snprintf(text, sizeof text, "the server sent no grpc-status");
        }
        set_status(call, status, text);
    }
}

static int on_stream_close(nghttp2_session *h2, int32_t stream, uint32_t error_code, void *user)
{
    struct client_conn *conn = user;
    struct client_call *call = nghttp2_session_get_stream_user_data(h2, stream);
    if (!call)
        return 0;
    nghttp2_session_set_stream_user_data(h2, stream, NULL);
    if (error_code == NGHTTP2_REFUSED_STREAM && call->status < 0 && !call->retried &&
        !call->taken && !conn->client->closing) {
        call->retried = true;
        call->sent = 0;
        if (conn->client->current == conn)
            conn->client->current = NULL;
        send_call(conn->client, call);
        return 0;
    }
    conclude(call, error_code);
    call->conn = NULL;
    finish(conn->client, call);
    return 0;
}

static int on_frame_recv(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    (void)h2;
    struct client_conn *conn = user;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        if (conn->client->current == conn)
            conn->client->current = NULL;
    }
    return 0;
}

/* A request that could not be sent after all (stream ids used up, GOAWAY): the same as a refused stream. */
static int on_frame_not_send(nghttp2_session *h2, const nghttp2_frame *frame, int error_code, void *user)
{
    (void)error_code;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    return on_stream_close(h2, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM, user);
}

static ssize_t read_request(nghttp2_session *h2, int32_t stream, uint8_t *out, size_t capacity,
                            uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)source;
    (void)user;
    struct client_call *call = nghttp2_session_get_stream_user_data(h2, stream);
    if (!call)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* the deadline has passed */
    size_t n = call->request.n - call->sent;
    call->deferred = n == 0 && call->more;
    if (call->deferred)
        return NGHTTP2_ERR_DEFERRED;
    if (n > capacity)
        n = capacity;
    if (n)
        memcpy(out, call->request.p + call->sent, n);
    call->sent += n;
    call->taken |= call->streaming && n > 0;
    if (call->sent == call->request.n && !call->more)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (has_room(call))
        arm(call->client, 0);
    return (ssize_t)n;
}

/* ---- connections ---- */

static void on_conn_input(struct h2_link *l, const uint8_t *p, size_t n)
{
    struct client_conn *conn = (struct client_conn *)l;
    (void)!h2_pump_feed(&conn->pump, p, n); /* a broken pump is closed once it is drained */
}

static void handle_gone(struct grpc_client *client)
{
    ASSERT(client->handles > 0);
    if (--client->handles > 0)
        return;
    while (client->calls) {
        set_status(client->calls, GRPC_UNAVAILABLE, "the client was closed");
        finish(client, client->calls);
    }
    while (client->pool) {
        struct client_call *next = client->pool->next;
        call_free(client->pool);
        client->pool = next;
    }
    nghttp2_session_callbacks_del(client->callbacks);
    free(client->authority);
    free(client->place);
    free(client);
}

static void on_conn_closed(struct h2_link *l, int error)
{
    struct client_conn *conn = (struct client_conn *)l;
    struct grpc_client *client = conn->client;
    char text[160];
    if (conn->connected)
        snprintf(text, sizeof text, "the connection to %s was lost: %s", client->place,
                 error               ? uv_strerror(error)
                 : conn->pump.failed ? "HTTP/2 error"
                                     : "closed by the server");
    else
        snprintf(text, sizeof text, "cannot connect to %s: %s", client->place, uv_strerror(error));
    if (client->current == conn)
        client->current = NULL;
    DL_DELETE(client->conns, conn);
    /* Nothing was sent on a connection that was never made: the calls go to the host's next address. */
    bool again =
        !conn->connected && !client->closing && client->failed_connects < client->address.found_count;
    if (!again)
        client->failed_connects = 0;
    struct client_call *call;
    DL_FOREACH(client->calls, call)
    {
        if (call->conn == conn && again)
            send_call(client, call);
        else if (call->conn == conn)
            finish_soon(client, call, GRPC_UNAVAILABLE, text);
    }
    nghttp2_session_del(conn->pump.h2);
    free(conn);
    handle_gone(client);
}

static const struct h2_link_hooks conn_hooks = {.input = on_conn_input, .closed = on_conn_closed};

static void on_connect(uv_connect_t *request, int status)
{
    struct client_conn *conn = request->data;
    struct grpc_client *client = conn->client;
    if (conn->link.closing)
        return;
    if (status < 0) {
        client->address_at++;
        client->failed_connects++;
        h2_link_close(&conn->link, status);
        return;
    }
    conn->connected = true;
    client->failed_connects = 0;
    h2_link_opened(&conn->link);
}

static int start_connecting(struct client_conn *conn)
{
    struct grpc_client *client = conn->client;
    const struct address *a = &client->address;
    conn->connect.data = conn;
    if (a->is_unix) {
        uv_pipe_connect(&conn->connect, &conn->link.u.pipe, a->path, on_connect);
        return 0;
    }
    const struct sockaddr *name = (const struct sockaddr *)&a->found[client->address_at % a->found_count];
    return uv_tcp_connect(&conn->connect, &conn->link.u.tcp, name, on_connect);
}

/* The connection that takes new calls; NULL without memory or sockets. */
static struct client_conn *connection(struct grpc_client *client)
{
    if (client->current && !client->current->link.closing)
        return client->current;
    client->current = NULL;
    struct client_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return NULL;
    conn->client = client;
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, CLIENT_WINDOW}};
    if (nghttp2_session_client_new(&conn->pump.h2, client->callbacks, conn) != 0) {
        free(conn);
        return NULL;
    }
    if (nghttp2_submit_settings(conn->pump.h2, NGHTTP2_FLAG_NONE, settings, 2) != 0 ||
        nghttp2_session_set_local_window_size(conn->pump.h2, NGHTTP2_FLAG_NONE, 0, CLIENT_WINDOW) != 0 ||
        h2_link_init(&conn->link, &client->io, client->address.is_unix ? AF_UNIX : AF_INET, &conn->pump,
                     &conn_hooks) != 0) {
        nghttp2_session_del(conn->pump.h2);
        free(conn);
        return NULL;
    }
    DL_APPEND(client->conns, conn);
    client->handles++;
    client->current = conn;
    int r = start_connecting(conn);
    if (r < 0)
        h2_link_close(&conn->link, r);
    return conn;
}

/* ---- the interface ---- */

static void send_call(struct grpc_client *client, struct client_call *call)
{
    call->conn = connection(client);
    if (!call->conn) {
        finish_soon(client, call, GRPC_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    char timeout[GRPC_TIMEOUT_TEXT];
    int64_t left_us = call->deadline_us == INT64_MAX ? 0 : call->deadline_us - clock_mono_us();
    nghttp2_nv fields[] = {H2_STATIC_FIELD(":method", "POST"),
                           H2_STATIC_FIELD(":scheme", "http"),
                           H2_FIELD(":path", call->path.p, call->path.n),
                           H2_FIELD(":authority", client->authority, strlen(client->authority)),
                           H2_STATIC_FIELD("te", "trailers"),
                           H2_STATIC_FIELD("content-type", "application/grpc"),
                           H2_STATIC_FIELD("user-agent", "tact/" TACT_VERSION),
                           H2_FIELD("grpc-timeout", timeout, grpc_timeout_write(left_us, timeout))};
    size_t count = call->deadline_us == INT64_MAX ? 7 : 8;
    nghttp2_data_provider body = {.read_callback = read_request};
    call->stream = nghttp2_submit_request(call->conn->pump.h2, NULL, fields, count, &body, call);
    if (call->stream >= 0) {
        h2_link_wake(&call->conn->link);
        return;
    }
    client->current = NULL; /* stream ids are used up, perhaps: the next call gets a fresh connection */
    finish_soon(client, call, GRPC_UNAVAILABLE, nghttp2_strerror(call->stream));
}

int grpc_client_new(struct grpc_client **out, uv_loop_t *loop, const char *address, struct error *e)
{
    *out = NULL;
    struct grpc_client *client = calloc(1, sizeof *client);
    if (!client)
        return error_set(e, ERR_NOSPACE, "out of memory");
    int r = address_parse(address, loop, &client->address, e);
    if (r != 0) {
        free(client);
        return r;
    }
    client->authority = strdup(client->address.is_unix ? "localhost" : address);
    client->place = strdup(address);
    if (!client->authority || !client->place || nghttp2_session_callbacks_new(&client->callbacks) != 0) {
        free(client->authority);
        free(client->place);
        free(client);
        return error_set(e, ERR_NOSPACE, "out of memory");
    }
    nghttp2_session_callbacks *cb = client->callbacks;
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_frame_not_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    ASSERT(h2_io_init(&client->io, loop) == 0 && uv_timer_init(loop, &client->timer) == 0);
    client->io.prepare.data = client->timer.data = client;
    client->handles = 2;
    client->armed_us = INT64_MAX;
    *out = client;
    return 0;
}

/* A call that is not sent yet. */
static struct client_call *begin(struct grpc_client *client, const char *path, int64_t deadline_ms, grpc_client_cb cb,
                                 void *user)
{
    struct client_call *call = call_new(client);
    ASSERT(call); /* tools and load tests only: without memory there is no way to report it later */
    call->client = client;
    call->cb = cb;
    call->user = user;
    call->status = -1;
    call->begun_us = clock_mono_us();
    call->deadline_us = deadline_ms > 0 ? call->begun_us + deadline_ms * 1000 : INT64_MAX;
    DL_APPEND(client->calls, call);
    client->in_flight++;
    buf_str(&call->path, str_from(path));
    return call;
}

static void queue_message(struct client_call *call, const void *message, size_t n)
{
    uint8_t prefix[GRPC_PREFIX];
    grpc_frame_write(prefix, n);
    buf_append(&call->request, prefix, sizeof prefix);
    buf_append(&call->request, message, n);
}

static void start(struct client_call *call, bool fits)
{
    struct grpc_client *client = call->client;
    if (client->in_flight > GRPC_CLIENT_CALLS_MAX)
        finish_soon(client, call, GRPC_RESOURCE_EXHAUSTED, "too many calls in flight");
    else if (!fits || !buf_ok(&call->request) || !buf_ok(&call->path))
        finish_soon(client, call, GRPC_RESOURCE_EXHAUSTED, "the message or the path is too long");
    else
        send_call(client, call);
    if (call->conn && call->deadline_us < client->armed_us)
        arm(client, call->deadline_us);
}

void grpc_call_unary(struct grpc_client *client, const char *path, const void *message, size_t n,
                     int64_t deadline_ms, grpc_client_cb cb, void *user)
{
    struct client_call *call = begin(client, path, deadline_ms, cb, user);
    queue_message(call, message, n);
    start(call, n <= UINT32_MAX);
}

struct client_call *grpc_client_begin(struct grpc_client *client, const char *path, int64_t deadline_ms, grpc_client_cb cb,
                                      void (*room)(void *user), void *user)
{
    struct client_call *call = begin(client, path, deadline_ms, cb, user);
    call->streaming = call->more = true;
    call->room = room;
    start(call, true);
    return call;
}

/* nghttp2 may have found nothing to take before. */
static void resume(struct client_call *call)
{
    if (call->deferred && nghttp2_session_resume_data(call->conn->pump.h2, call->stream) == 0)
        call->deferred = false;
    h2_link_wake(&call->conn->link);
}

bool grpc_client_send(struct client_call *call, const void *message, size_t n)
{
    ASSERT(call->more);
    if (!call->conn)
        return true;
    size_t waiting = call->request.n - call->sent;
    size_t free_at_most = GRPC_CLIENT_QUEUE_MAX - GRPC_PREFIX;
    if (waiting > 0 && (n > free_at_most || waiting > free_at_most - n)) {
        call->room_wanted = true;
        call->room_at = n > free_at_most ? 0 : free_at_most - n;
        if (call->room_at > GRPC_CLIENT_QUEUE_MAX / 2)
            call->room_at = GRPC_CLIENT_QUEUE_MAX / 2;
        return false;
    }
    if (call->sent >= waiting && call->sent > 0) { /* each byte is moved once at most */
        memmove(call->request.p, call->request.p + call->sent, waiting);
        call->request.n = waiting;
        call->sent = 0;
    }
    queue_message(call, message, n);
    if (n > UINT32_MAX || !buf_ok(&call->request)) {
        reset(call);
        finish_soon(call->client, call, GRPC_RESOURCE_EXHAUSTED, "a message is too long");
        return true;
    }
    resume(call);
    return true;
}

void grpc_client_end(struct client_call *call)
{
    call->more = false;
    if (call->conn)
        resume(call);
}

void grpc_client_cancel(struct client_call *call)
{
    if (!call->conn)
        return;
    reset(call);
    finish_soon(call->client, call, GRPC_CANCELLED, "cancelled");
}

size_t grpc_client_in_flight(const struct grpc_client *client)
{
    return client->in_flight;
}

static void on_part_closed(uv_handle_t *handle)
{
    handle_gone(handle->data);
}

void grpc_client_close(struct grpc_client **out)
{
    struct grpc_client *client = *out;
    *out = NULL;
    if (!client)
        return;
    client->closing = true;
    struct client_conn *conn, *next;
    DL_FOREACH_SAFE(client->conns, conn, next)
    h2_link_close(&conn->link, UV_ECANCELED);
    uv_close((uv_handle_t *)&client->timer, on_part_closed);
    h2_io_close(&client->io, on_part_closed);
}

struct once {
    struct grpc_client *client;
    grpc_client_cb cb;
    void *user;
};

static void on_once(void *user, const struct grpc_result *r)
{
    struct once *once = user;
    once->cb(once->user, r);
    grpc_client_close(&once->client);
}

int grpc_call_once(const char *address, const char *path, const void *message, size_t n, int64_t deadline_ms,
                   grpc_client_cb cb, void *user, struct error *e)
{
    uv_loop_t loop;
    struct once once = {.cb = cb, .user = user};
    int r = uv_loop_init(&loop);
    if (r < 0)
        return error_set(e, ERR_IO, "cannot make an event loop: %s", uv_strerror(r));
    r = grpc_client_new(&once.client, &loop, address, e);
    if (r == 0)
        grpc_call_unary(once.client, path, message, n, deadline_ms, on_once, &once);
    uv_run(&loop, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&loop) == 0);
    return r;
}

/* bench_blast: gRPC calls over cleartext HTTP/2 as fast as a server answers them, from one thread that costs little.
 *
 *   K connections × M streams, closed loop: an answer's trailers make room for the next call of its connection
 *
 * Stock clients cost more than the server that is measured. So: calls are encoded once (HEADERS that use the static
 * table only, and DATA), sending is a copy with the stream's number put in, and of what comes back only frame heads and
 * trailers are looked at. We announce a header table of size 0, so that header blocks stand for themselves: one that
 * equals the last OK one is OK, any other goes through nghttp2's decoder. The `cpu` of the line is this program's share
 * of its core; the server is the limit only while it is well below 1.
 *
 *   bench_blast --server HOST:PORT --calls FILE [--connections K] [--streams M] [--seconds D]   in a circle, for D seconds
 *   bench_blast --server HOST:PORT --calls FILE --once                                          each call once
 *   bench_blast --server HOST:PORT --hello …                                                    the reference's call
 *
 * Prints "blast ok=N failed=N seconds=S rate=R p50_us=… p99_us=… p999_us=… cpu=…"; exits 1 when a call failed, after the first
 * failure's text on stderr. FILE: tools/workload.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/hist.h"
#include "tools/options.h"
#include "tools/workload.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 256,
    STREAMS_MAX = 1024,
    STREAM_SLOTS = 16384, /* calls of a connection by stream number; one is overtaken by fewer than this */
    IN_MAX = 256 * 1024,
    OUT_MAX = 8 << 20,
    HEAD = 9, /* bytes of a frame's head */
    GRPC_HEAD = 5,
    PAYLOAD_MAX = 16384, /* of a frame, as HTTP/2 has it when nobody says otherwise */
    WINDOW_FIRST = 65535,
    TRAILERS_MAX = 256,
    DRAIN_S = 10,
    KINDS = 4
};

enum frame {
    FRAME_DATA,
    FRAME_HEADERS,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS,
    FRAME_PING = 6,
    FRAME_GOAWAY,
    FRAME_WINDOW_UPDATE,
    FRAME_CONTINUATION
};
enum { FLAG_END_STREAM = 1, FLAG_ACK = 1, FLAG_END_HEADERS = 4, FLAG_PADDED = 8, FLAG_PRIORITY = 32 };

struct call {
    uint8_t kind;  /* of its HEADERS */
    uint32_t turn; /* with --once, the connection that makes it */
    struct str message;
};

struct connection {
    int fd;
    uint32_t index;
    uint8_t in[IN_MAX];
    size_t in_count;
    struct buf out;
    size_t out_sent;
    bool wants_write;
    uint32_t next_stream, active;
    int64_t window;                /* bytes of DATA that the server takes now */
    size_t cursor;                 /* of its next call */
    uint64_t unacked;              /* bytes of DATA that came and were not given back yet */
    int64_t sent_ns[STREAM_SLOTS]; /* by stream / 2 modulo; 0: free */
};

struct blast {
    struct call *calls;
    size_t call_count;
    struct buf heads[KINDS]; /* header blocks */
    struct connection *connections[CONNECTIONS_MAX];
    size_t connection_count;
    uint32_t streams;
    bool once, stopping;
    int64_t now_ns, last_ns;
    uint64_t ok, failed;
    struct hist latency_ns;
    uint8_t good[TRAILERS_MAX]; /* a header block that said OK */
    size_t good_count;
    char first_failure[256];
    int epoll;
    struct error e;
};

/* ---- encoding ---- */

static void put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_head(uint8_t *p, size_t length, enum frame type, int flags, uint32_t stream)
{
    put_u32(p, (uint32_t)length << 8 | (uint32_t)type);
    p[4] = (uint8_t)flags;
    put_u32(p + 5, stream);
}

static void put_text(struct buf *b, const char *text)
{
    size_t n = strlen(text);
    ASSERT(n < 127);
    buf_byte(b, (uint8_t)n);
    buf_append(b, text, n);
}

/* A header block of the static table and literals without indexing (RFC 7541). */
static void make_head(struct buf *b, const char *path, const char *authority)
{
    static const uint8_t method_and_scheme[] = {0x83, 0x86}, content_type[] = {0x0f, 0x10};
    buf_init(b, 1024);
    buf_append(b, method_and_scheme, sizeof method_and_scheme); /* POST, http */
    buf_byte(b, 0x04);
    put_text(b, path);
    buf_byte(b, 0x01);
    put_text(b, authority);
    buf_append(b, content_type, sizeof content_type);
    put_text(b, "application/grpc");
    buf_byte(b, 0x00);
    put_text(b, "te");
    put_text(b, "trailers");
    ASSERT(buf_ok(b));
}

static int out_of_room(struct blast *b)
{
    return error_set(&b->e, ERR_NOSPACE, "the server reads more slowly than %d MiB of calls", OUT_MAX >> 20);
}

static int put_frame(struct blast *b, struct connection *c, enum frame type, int flags, const void *payload,
                     size_t n)
{
    uint8_t *p = buf_reserve(&c->out, HEAD + n);
    if (!p)
        return out_of_room(b);
    put_head(p, n, type, flags, 0);
    memcpy(p + HEAD, payload, n);
    c->out.n += HEAD + n;
    return 0;
}

static int send_call(struct blast *b, struct connection *c, const struct call *call)
{
    const struct buf *head = &b->heads[call->kind];
    size_t data = GRPC_HEAD + call->message.n, n = HEAD + head->n + HEAD + data;
    uint8_t *p = buf_reserve(&c->out, n);
    int64_t *slot = &c->sent_ns[c->next_stream / 2 % STREAM_SLOTS];
    if (!p)
        return out_of_room(b);
    if (*slot)
        return error_set(&b->e, ERR_TIMEOUT, "a call was overtaken by %d others", STREAM_SLOTS);
    put_head(p, head->n, FRAME_HEADERS, FLAG_END_HEADERS, c->next_stream);
    memcpy(p + HEAD, head->p, head->n);
    p += HEAD + head->n;
    put_head(p, data, FRAME_DATA, FLAG_END_STREAM, c->next_stream);
    p[HEAD] = 0;
    put_u32(p + HEAD + 1, (uint32_t)call->message.n);
    memcpy(p + HEAD + GRPC_HEAD, call->message.p, call->message.n);
    c->out.n += n;
    c->window -= (int64_t)data;
    c->next_stream += 2;
    c->active++;
    *slot = b->now_ns;
    return 0;
}

/* The place of the connection's next call, or NULL. With --once a connection has every K-th customer, whose calls so stay in
 * order. */
static const struct call *next_call(const struct blast *b, const struct connection *c)
{
    if (b->stopping)
        return NULL;
    if (!b->once)
        return &b->calls[c->cursor % b->call_count];
    return c->cursor < b->call_count ? &b->calls[c->cursor] : NULL;
}

/* On to the first call from here on that is the connection's. */
static void seek(const struct blast *b, struct connection *c)
{
    while (b->once && c->cursor < b->call_count && b->calls[c->cursor].turn != c->index)
        c->cursor++;
}

/* As many calls as there are free streams and the server's window takes. */
static int fill(struct blast *b, struct connection *c)
{
    const struct call *call;
    while (c->active < b->streams && (call = next_call(b, c)) &&
           c->window >= (int64_t)(GRPC_HEAD + call->message.n)) {
        int rc = send_call(b, c, call);
        if (rc)
            return rc;
        c->cursor++;
        seek(b, c);
    }
    return 0;
}

static int watch(struct blast *b, struct connection *c, bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? (uint32_t)EPOLLOUT : 0), .data.ptr = c};
    if (c->wants_write != write && epoll_ctl(b->epoll, EPOLL_CTL_MOD, c->fd, &event) != 0)
        return error_set(&b->e, ERR_IO, "epoll: %s", strerror(errno));
    c->wants_write = write;
    return 0;
}

static int flush(struct blast *b, struct connection *c)
{
    while (c->out_sent < c->out.n) {
        ssize_t n = send(c->fd, c->out.p + c->out_sent, c->out.n - c->out_sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return watch(b, c, true);
        if (n < 0)
            return error_set(&b->e, ERR_IO, "the connection broke: %s", strerror(errno));
        c->out_sent += (size_t)n;
    }
    buf_clear(&c->out);
    c->out_sent = 0;
    return watch(b, c, false);
}

/* ---- answers ---- */

static void keep_failure(struct blast *b, const char *text, size_t n)
{
    if (!b->first_failure[0])
        snprintf(b->first_failure, sizeof b->first_failure, "%.*s", (int)n, text);
}

/* Whether a header block says grpc-status 0. */
static bool says_ok(struct blast *b, const uint8_t *block, size_t n)
{
    if (n == b->good_count && memcmp(block, b->good, n) == 0)
        return true;
    nghttp2_hd_inflater *inflater;
    bool ok = false;
    int flags = 0;
    const uint8_t *p = block;
    size_t left = n;
    ASSERT(nghttp2_hd_inflate_new(&inflater) == 0);
    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        nghttp2_nv nv;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, p, left, 1);
        if (used < 0) {
            keep_failure(b, "a header block that cannot be read", 34);
            break;
        }
        p += used;
        left -= (size_t)used;
        if (!(flags & NGHTTP2_HD_INFLATE_EMIT))
            continue;
        struct str name = {(const char *)nv.name, nv.namelen}, value = {(const char *)nv.value, nv.valuelen};
        if (str_is(name, "grpc-status"))
            ok = str_is(value, "0");
        if (str_is(name, "grpc-message") && value.n)
            keep_failure(b, value.p, value.n);
    }
    nghttp2_hd_inflate_del(inflater);
    if (ok && n <= TRAILERS_MAX) {
        memcpy(b->good, block, n);
        b->good_count = n;
    }
    return ok;
}

static int stream_ends(struct blast *b, struct connection *c, uint32_t stream, bool ok)
{
    int64_t *slot = &c->sent_ns[stream / 2 % STREAM_SLOTS];
    if (stream % 2 == 0 || stream >= c->next_stream || !*slot)
        return error_set(&b->e, ERR_CORRUPT, "an answer to a call that was not made (stream %" PRIu32 ")",
                         stream);
    if (ok) {
        b->ok++;
        hist_record(&b->latency_ns, (uint64_t)(b->now_ns - *slot));
    } else {
        b->failed++;
        keep_failure(b, "no trailers with grpc-status 0", 30);
    }
    *slot = 0;
    c->active--;
    b->last_ns = b->now_ns;
    return 0;
}

static int on_headers(struct blast *b, struct connection *c, int flags, uint32_t stream, const uint8_t *p,
                      size_t n)
{
    size_t from = (flags & FLAG_PADDED ? 1u : 0) + (flags & FLAG_PRIORITY ? 5u : 0);
    size_t pad = flags & FLAG_PADDED && n ? p[0] : 0;
    if (!(flags & FLAG_END_HEADERS) || from + pad > n)
        return error_set(&b->e, ERR_INVALID, "a header block in pieces is not supported");
    if (!(flags & FLAG_END_STREAM))
        return 0;
    return stream_ends(b, c, stream, says_ok(b, p + from, n - from - pad));
}

static int on_settings(struct blast *b, struct connection *c, int flags, const uint8_t *p, size_t n)
{
    if (flags & FLAG_ACK)
        return 0;
    for (size_t i = 0; i + 6 <= n; i += 6) {
        unsigned id = (unsigned)p[i] << 8 | p[i + 1];
        uint32_t value = get_u32(p + i + 2);
        if (id == 3 && value < b->streams)
            return error_set(&b->e, ERR_INVALID,
                             "the server takes %" PRIu32 " streams a connection, not %" PRIu32, value,
                             b->streams);
        if (id == 4 && value < PAYLOAD_MAX)
            return error_set(&b->e, ERR_INVALID, "the server's stream window is below %d", PAYLOAD_MAX);
    }
    return put_frame(b, c, FRAME_SETTINGS, FLAG_ACK, "", 0);
}

/* Gives back what the connection's window lost, long before it is empty. */
static int on_data(struct blast *b, struct connection *c, size_t n)
{
    uint8_t bytes[4];
    c->unacked += n;
    if (c->unacked < (1u << 29))
        return 0;
    put_u32(bytes, (uint32_t)c->unacked);
    c->unacked = 0;
    return put_frame(b, c, FRAME_WINDOW_UPDATE, 0, bytes, sizeof bytes);
}

static int on_frame(struct blast *b, struct connection *c, const uint8_t *head, size_t n)
{
    const uint8_t *p = head + HEAD;
    int flags = head[4];
    uint32_t stream = get_u32(head + 5) & 0x7fffffff;
    switch (head[3]) {
    case FRAME_DATA:
        if (flags & FLAG_END_STREAM) {
            int rc = stream_ends(b, c, stream, false);
            if (rc)
                return rc;
        }
        return on_data(b, c, n);
    case FRAME_HEADERS:
        return on_headers(b, c, flags, stream, p, n);
    case FRAME_RST_STREAM:
        if (stream < c->next_stream && c->sent_ns[stream / 2 % STREAM_SLOTS])
            return stream_ends(b, c, stream, false);
        return 0;
    case FRAME_SETTINGS:
        return on_settings(b, c, flags, p, n);
    case FRAME_PING:
        return flags & FLAG_ACK || n != 8 ? 0 : put_frame(b, c, FRAME_PING, FLAG_ACK, p, n);
    case FRAME_GOAWAY:
        return error_set(&b->e, ERR_UNAVAILABLE, "the server says goodbye");
    case FRAME_WINDOW_UPDATE:
        if (stream == 0 && n == 4)
            c->window += get_u32(p) & 0x7fffffff;
        return 0;
    case FRAME_CONTINUATION:
        return error_set(&b->e, ERR_INVALID, "a header block in pieces is not supported");
    default:
        return 0;
    }
}

static int parse(struct blast *b, struct connection *c)
{
    size_t at = 0;
    while (c->in_count - at >= HEAD) {
        const uint8_t *head = c->in + at;
        size_t n = get_u32(head) >> 8;
        if (n > PAYLOAD_MAX)
            return error_set(&b->e, ERR_INVALID, "a frame of %zu bytes; at most %d were allowed", n,
                             PAYLOAD_MAX);
        if (c->in_count - at < HEAD + n)
            break;
        int rc = on_frame(b, c, head, n);
        if (rc)
            return rc;
        at += HEAD + n;
    }
    memmove(c->in, c->in + at, c->in_count - at);
    c->in_count -= at;
    return 0;
}

static int on_readable(struct blast *b, struct connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_count, IN_MAX - c->in_count, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return error_set(&b->e, ERR_IO, "the connection broke: %s",
                         n ? strerror(errno) : "closed by the server");
    b->now_ns = clock_mono_ns();
    c->in_count += (size_t)n;
    int rc = parse(b, c);
    if (!rc)
        rc = fill(b, c);
    return rc ? rc : flush(b, c);
}

/* ---- connections ---- */

static int dial(const char *server, struct error *e)
{
    char host[256];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    const char *colon = strrchr(server, ':');
    if (!colon || (size_t)(colon - server) >= sizeof host)
        return error_set(e, ERR_INVALID, "--server: expected host:port, got '%s'", server);
    snprintf(host, sizeof host, "%.*s", (int)(colon - server), server);
    int rc = getaddrinfo(host, colon + 1, &hints, &found), one = 1;
    if (rc)
        return error_set(e, ERR_INVALID, "%s: %s", server, gai_strerror(rc));
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) {
        rc = error_set(e, ERR_IO, "%s: %s", server, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = rc;
    }
    freeaddrinfo(found);
    return fd;
}

static int connection_open(struct blast *b, const char *server)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    /* header table 0, no push, a window of 1 MiB a stream */
    static const uint8_t settings[] = {0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 4, 0, 16, 0, 0};
    struct connection *c = calloc(1, sizeof *c);
    uint8_t window[4];
    if (!c)
        return error_set(&b->e, ERR_NOSPACE, "out of memory");
    c->index = (uint32_t)b->connection_count++;
    b->connections[c->index] = c;
    buf_init(&c->out, OUT_MAX);
    c->fd = dial(server, &b->e);
    if (c->fd < 0)
        return b->e.code;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        return error_set(&b->e, ERR_IO, "epoll: %s", strerror(errno));
    c->next_stream = 1;
    c->window = WINDOW_FIRST;
    buf_append(&c->out, preface, sizeof preface - 1);
    put_u32(window, INT32_MAX - WINDOW_FIRST);
    int rc = put_frame(b, c, FRAME_SETTINGS, 0, settings, sizeof settings);
    return rc ? rc : put_frame(b, c, FRAME_WINDOW_UPDATE, 0, window, sizeof window);
}

static bool all_done(const struct blast *b)
{
    for (size_t i = 0; i < b->connection_count; i++)
        if (b->connections[i]->active || next_call(b, b->connections[i]))
            return false;
    return true;
}

static int loop(struct blast *b, int64_t seconds)
{
    int64_t from = clock_mono_ns(), end = from + seconds * INT64_C(1000000000);
    for (size_t i = 0; i < b->connection_count; i++) {
        struct connection *c = b->connections[i];
        c->cursor = b->once ? 0 : i * b->call_count / b->connection_count;
        seek(b, c);
        b->now_ns = clock_mono_ns();
        int rc = fill(b, c);
        if (!rc)
            rc = flush(b, c);
        if (rc)
            return rc;
    }
    while (!all_done(b)) {
        struct epoll_event events[CONNECTIONS_MAX];
        int n = epoll_wait(b->epoll, events, CONNECTIONS_MAX, 100);
        int64_t now = clock_mono_ns();
        b->stopping = b->stopping || (!b->once && now >= end);
        if (b->stopping && now > end + DRAIN_S * INT64_C(1000000000))
            return error_set(&b->e, ERR_TIMEOUT, "calls without an answer for %d seconds", DRAIN_S);
        for (int i = 0; i < n; i++) {
            int rc = events[i].events & EPOLLOUT ? flush(b, events[i].data.ptr) : 0;
            if (!rc && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                rc = on_readable(b, events[i].data.ptr);
            if (rc)
                return rc;
        }
    }
    return 0;
}

/* ---- the program ---- */

struct options {
    const char *server, *calls;
    int64_t connections, streams, seconds;
    bool hello, once;
};

static int load_calls(struct blast *b, const struct options *o, struct arena *arena)
{
    static struct call hello = {3, 0, {"\n\5world", 7}};
    uint32_t customer = 0;
    struct workload_calls read = {0};
    for (int kind = 0; kind < KINDS; kind++)
        make_head(&b->heads[kind],
                  kind == 3 ? "/hello.Greeter/SayHello" : workload_path((enum workload_kind)kind), o->server);
    b->calls = &hello;
    b->call_count = 1;
    if (o->hello)
        return 0;
    int rc = workload_read(&read, o->calls, NULL, arena, &b->e);
    if (rc)
        return rc;
    b->call_count = read.count;
    b->calls = arena_alloc(arena, (read.count + 1) * sizeof *b->calls);
    if (!b->calls || !read.count)
        rc = error_set(&b->e, ERR_INVALID, "%s: no calls, or too many", o->calls);
    for (size_t i = 0; i < read.count && !rc; i++) {
        customer += i > 0 && !str_eq(read.items[i].customer, read.items[i - 1].customer);
        b->calls[i] = (struct call){(uint8_t)read.items[i].kind, customer % (uint32_t)o->connections,
                                    read.items[i].message};
        if (read.items[i].message.n + GRPC_HEAD > PAYLOAD_MAX)
            rc = error_set(&b->e, ERR_INVALID, "%s:%zu: larger than a frame of %d bytes", o->calls, i + 1,
                           PAYLOAD_MAX);
    }
    workload_calls_free(&read);
    return rc;
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static int blast(struct blast *b, const struct options *o, struct arena *arena)
{
    int rc = load_calls(b, o, arena);
    for (int64_t i = 0; i < o->connections && !rc; i++)
        rc = connection_open(b, o->server);
    if (rc)
        return rc;
    double cpu = cpu_seconds();
    int64_t from = clock_mono_ns();
    rc = loop(b, o->seconds);
    double seconds = (double)(b->last_ns - from) * 1e-9;
    if (rc)
        return rc;
    printf("blast ok=%" PRIu64 " failed=%" PRIu64
           " seconds=%.3f rate=%.0f p50_us=%.1f p99_us=%.1f p999_us=%.1f cpu=%.3f\n",
           b->ok, b->failed, seconds, (double)b->ok / seconds,
           (double)hist_percentile(&b->latency_ns, 0.5) / 1000,
           (double)hist_percentile(&b->latency_ns, 0.99) / 1000,
           (double)hist_percentile(&b->latency_ns, 0.999) / 1000, (cpu_seconds() - cpu) / seconds);
    return 0;
}

static int run(int argc, char **argv);
static const struct command command = {
    .name = "bench_blast",
    .brief = "gRPC calls as fast as a server answers them",
    .arguments = "",
    .details = "Keeps connections × streams calls under way, from one thread.",
    .run = run,
};

static int run(int argc, char **argv)
{
    struct options o = {.connections = 8, .streams = 8, .seconds = 5};
    int words;
    const struct option_def defs[] = {
        {.name = "server", .value = "HOST:PORT", .help = "whom to call (required)", .text = &o.server},
        {.name = "calls",
         .value = "FILE",
         .help = "requests.jsonl or customers.jsonl of a workload",
         .text = &o.calls},
        {.name = "hello", .help = "call bench_hello instead", .flag = &o.hello},
        {.name = "once", .help = "each call of the file once, in order", .flag = &o.once},
        {.name = "connections",
         .value = "N",
         .help = "(8)",
         .number = &o.connections,
         .low = 1,
         .high = CONNECTIONS_MAX},
        {.name = "streams",
         .value = "N",
         .help = "calls under way a connection (8)",
         .number = &o.streams,
         .low = 1,
         .high = STREAMS_MAX},
        {.name = "seconds",
         .value = "N",
         .help = "how long (5)",
         .number = &o.seconds,
         .low = 1,
         .high = 86400},
        {0},
    };
    int rc = options_parse(&command, defs, argc, argv, NULL, 0, 0, &words);
    if (rc >= 0)
        return rc;
    if (!o.server || o.hello == (o.calls != NULL)) {
        fprintf(stderr, "bench_blast: --server and one of --calls and --hello are required\n");
        return EXIT_USAGE;
    }
    struct arena arena;
    struct blast *b = calloc(1, sizeof *b);
    ASSERT(b != NULL);
    arena_init(&arena, (size_t)8 << 30);
    b->streams = (uint32_t)o.streams;
    b->once = o.once;
    b->epoll = epoll_create1(EPOLL_CLOEXEC);
    rc = b->epoll < 0 ? error_set(&b->e, ERR_IO, "epoll: %s", strerror(errno)) : blast(b, &o, &arena);
    if (rc || b->failed)
        fprintf(stderr, "bench_blast: %s\n", rc ? b->e.text : b->first_failure);
    for (size_t i = 0; i < b->connection_count; i++) {
        if (b->connections[i]->fd >= 0)
            close(b->connections[i]->fd);
        buf_free(&b->connections[i]->out);
        free(b->connections[i]);
    }
    for (int kind = 0; kind < KINDS; kind++)
        buf_free(&b->heads[kind]);
    rc = rc || b->failed ? EXIT_FAILED : EXIT_OK;
    close(b->epoll);
    arena_free(&arena);
    free(b);
    return rc;
}

int main(int argc, char **argv)
{
    return run(argc, argv);
}

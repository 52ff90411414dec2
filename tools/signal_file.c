/* Sending a file of signals; see signal_file.h.
 *
 *     line --parse--> portion --stream--> answered OK --> rejections told, the next portion
 *                        ^                   |
 *                        +---from the first that was not acknowledged, or was rejected without our knowing why
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/signal_file.h"
#include "net/grpc_client.h"
#include "net/proto_check.h"
#include "net/proto_json.h"
#include "tact/v1/customers.pb-c.h"
#include "tools/answer.h"
#include "tools/client.h"
#include "tools/line_reader.h"
#include "tools/progress.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    MESSAGE_MAX = 256 * 1024, /* the server's limit of a request */
    SIGNALS_OF_LINE = 256,    /* that a request may have; the server says so too */
    LOOP_BYTES = 32 * 1024,   /* sent between two looks at the network */
    WAIT_FIRST_MS = 100,
    WAIT_MOST_MS = 5000
};

/* A request of the portion: its text and bytes stand in the portion's buffer. */
struct line {
    uint64_t number;
    size_t text_at, text_n, message_at, message_n;
};

struct portion {
    struct line *lines; /* SIGNAL_PORTION_MAX */
    size_t count, signals;
    struct buf bytes;
};

struct sending {
    const struct command *command;
    const struct signal_file_options *options;
    struct line_reader reader;
    uint64_t total_bytes; /* of the file; 0: not known */
    struct progress progress;
    FILE *rejects; /* NULL: stderr */
    struct arena arena;
    struct portion portion;
    uv_loop_t loop;
    struct grpc_client *client;
    /* the stream under way */
    struct client_call *call; /* NULL: answered */
    size_t base;              /* its first request in the portion */
    size_t unseen;            /* bytes sent since the loop ran */
    bool room;
    int status;
    char text[1024];
    struct buf answer;
    /* all */
    uint64_t requests, applied, repeats, rejected, acknowledged_before; /* that one: by streams that failed then */
};

/* ---- rejections ---- */

static void reject(struct sending *s, const struct line *line, struct str text, size_t index, const char *event_id,
                   const char *reason)
{
    s->rejected++;
    if (!s->rejects) {
        progress_clear(&s->progress);
        fprintf(stderr, "tact %s: line %" PRIu64 ": ", s->command->name, line->number);
        answer_text(reason, sizeof s->text, stderr);
        if (*event_id) {
            fputs(" (event id ", stderr);
            answer_text(event_id, ANSWER_TEXT_MAX, stderr);
            fputc(')', stderr);
        }
        fputc('\n', stderr);
        return;
    }
    json_t *o = json_pack("{s:I, s:I, s:s, s:s, s:s%}", "line", (json_int_t)line->number, "index", (json_int_t)index,
                          "event_id", event_id, "reason", reason, "text", text.p, text.n);
    if (!o) /* the line is not UTF-8 */
        o = json_pack("{s:I, s:I, s:s, s:s}", "line", (json_int_t)line->number, "index", (json_int_t)index, "event_id",
                      event_id, "reason", reason);
    if (!o || json_dumpf(o, s->rejects, JSON_COMPACT) || fputc('\n', s->rejects) == EOF)
        client_failed(s->command, "line %" PRIu64 ": %s; %s could not be written", line->number, reason,
                      s->options->rejects);
    json_decref(o);
}

/* ---- the portion ---- */

static bool is_full(const struct portion *p)
{
    return p->count == SIGNAL_PORTION_MAX || p->signals + SIGNALS_OF_LINE > SIGNAL_PORTION_MAX ||
           p->bytes.n >= SIGNAL_PORTION_BYTES;
}

/* Packs the line's message into the portion. False when it is wrong: told and left out. */
static bool add_line(struct sending *s, struct str text)
{
    struct portion *p = &s->portion;
    struct line *line = &p->lines[p->count];
    struct error e = {0};
    *line = (struct line){.number = s->reader.number};
    arena_reset(&s->arena);
    const Tact__V1__SignalRequest *m = (const Tact__V1__SignalRequest *)proto_from_json_line(
        &tact__v1__signal_request__descriptor, text, &s->arena, &e);
    if (!m) {
        reject(s, line, text, 0, "", e.text);
        return false;
    }
    line->message_n = tact__v1__signal_request__get_packed_size(m);
    if (line->message_n > MESSAGE_MAX) {
        snprintf(e.text, sizeof e.text, "a request of %zu bytes; at most %d", line->message_n, MESSAGE_MAX);
        reject(s, line, text, 0, "", e.text);
        return false;
    }
    line->text_at = p->bytes.n;
    line->text_n = text.n;
    buf_str(&p->bytes, text);
    line->message_at = p->bytes.n;
    uint8_t *room = buf_reserve(&p->bytes, line->message_n);
    ASSERT(room); /* its limit is above SIGNAL_PORTION_BYTES by more than a line */
    p->bytes.n += tact__v1__signal_request__pack(m, room);
    p->signals += m->n_signals;
    p->count++;
    return true;
}

/* ---- a stream ---- */

static void on_answer(void *user, const struct grpc_result *r)
{
    struct sending *s = user;
    s->call = NULL;
    s->status = r->status;
    snprintf(s->text, sizeof s->text, "%.*s", STR_ARG(r->text));
    buf_clear(&s->answer);
    buf_str(&s->answer, r->message);
}

static void on_room(void *user)
{
    struct sending *s = user;
    s->room = true;
}

static void begin_stream(struct sending *s, size_t base)
{
    uv_run(&s->loop, UV_RUN_NOWAIT); /* the server may have closed the connection while nothing came from a pipe */
    s->base = base;
    s->unseen = 0;
    s->call = grpc_client_begin(s->client, "/tact.v1.Customers/SignalStream", s->options->timeout_ms, on_answer, on_room,
                                s);
}

/* Hands line i to the stream, as soon as it has room; the stream may end meanwhile. */
static void send_line(struct sending *s, size_t i)
{
    const struct line *line = &s->portion.lines[i];
    const uint8_t *message = s->portion.bytes.p + line->message_at;
    while (s->call) {
        s->room = false;
        if (grpc_client_send(s->call, message, line->message_n))
            break;
        while (s->call && !s->room)
            uv_run(&s->loop, UV_RUN_ONCE);
    }
    s->unseen += line->message_n;
    if (s->unseen >= LOOP_BYTES && s->call) {
        uv_run(&s->loop, UV_RUN_NOWAIT);
        s->unseen = 0;
    }
}

static void end_stream(struct sending *s)
{
    if (s->call)
        grpc_client_end(s->call);
    while (s->call)
        uv_run(&s->loop, UV_RUN_ONCE);
}

/* ---- answers ---- */

static int take_answer(struct sending *s)
{
    static const struct proto_limits limits = {8, CLIENT_ANSWER_MAX};
    struct error e = {0};
    const struct portion *p = &s->portion;
    arena_reset(&s->arena);
    const Tact__V1__SignalStreamResponse *r = (const Tact__V1__SignalStreamResponse *)proto_decode(
        &tact__v1__signal_stream_response__descriptor, (struct str){(const char *)s->answer.p, s->answer.n}, &limits,
        &s->arena, &e);
    if (!r || r->requests != p->count - s->base) {
        client_failed(s->command, "the server's answer cannot be read: %s",
                      r ? "it counts another number of requests" : e.text);
        return EXIT_FAILED;
    }
    s->applied += r->applied;
    s->repeats += r->repeats;
    for (size_t i = 0; i < r->n_rejected; i++) {
        const Tact__V1__StreamRejection *x = r->rejected[i];
        if (x->request >= r->requests)
            continue;
        const struct line *line = &p->lines[s->base + x->request];
        reject(s, line, (struct str){(const char *)p->bytes.p + line->text_at, line->text_n}, x->index, x->event_id,
               x->reason);
    }
    if (r->rejected_count > r->n_rejected) { /* of a line with too many signals */
        s->rejected += r->rejected_count - r->n_rejected;
        client_failed(s->command, "%" PRIu64 " more signals rejected up to line %" PRIu64,
                      r->rejected_count - r->n_rejected, p->lines[p->count - 1].number);
    }
    return EXIT_OK;
}

static bool may_help_to_repeat(int status)
{
    return status == GRPC_UNAVAILABLE || status == GRPC_ABORTED || status == GRPC_DEADLINE_EXCEEDED ||
           status == GRPC_RESOURCE_EXHAUSTED;
}

/* How many requests of the stream need not be sent again: those that were acknowledged, up to the first of which
 * signals were rejected without their reasons. */
static size_t acknowledged(const struct sending *s)
{
    static const char mark[] = "; acknowledged: ";
    const char *at = NULL;
    for (const char *p = s->text; (p = strstr(p, mark)) != NULL; p++)
        at = p + strlen(mark);
    uint64_t n = 0, rejected, first;
    if (!at)
        return 0;
    int found = sscanf(at, "%" SCNu64 " requests, %" SCNu64 " signals rejected, the first in request %" SCNu64, &n,
                       &rejected, &first);
    if (found == 3 && first < n)
        n = first;
    size_t sent = s->portion.count - s->base;
    return found >= 1 && n < sent ? (size_t)n : found >= 1 ? sent : 0;
}

static void pause_before(int attempt)
{
    int64_t ms = WAIT_FIRST_MS;
    while (attempt-- > 1 && ms < WAIT_MOST_MS)
        ms *= 2;
    ms = ms < WAIT_MOST_MS ? ms : WAIT_MOST_MS;
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* The portion's stream has ended: repeats what failed until all is acknowledged. */
static int settle(struct sending *s)
{
    const struct portion *p = &s->portion;
    for (int failures = 0; s->status != GRPC_OK;) {
        size_t n = acknowledged(s);
        s->acknowledged_before += n;
        failures = n ? 1 : failures + 1;
        size_t from = s->base + n;
        uint64_t line = p->lines[from < p->count ? from : p->count - 1].number;
        progress_clear(&s->progress);
        client_failed(s->command, "%s: %s", grpc_status_name(s->status), s->text);
        if (!may_help_to_repeat(s->status) || failures == SIGNAL_ATTEMPTS_MAX) {
            client_failed(s->command, "stopped; send again from line %" PRIu64 " on, with the same event ids", line);
            return EXIT_FAILED;
        }
        fprintf(stderr, "tact %s: sending again from line %" PRIu64 "\n", s->command->name, line);
        pause_before(failures);
        begin_stream(s, from);
        for (size_t i = from; i < p->count; i++)
            send_line(s, i);
        end_stream(s);
    }
    return take_answer(s);
}

/* ---- the file ---- */

/* Reads and sends a portion. EXIT_OK and an empty one at the end of the file. */
static int send_portion(struct sending *s)
{
    struct portion *p = &s->portion;
    struct str text;
    struct error e = {0};
    enum line_result r = LINE_READ;
    p->count = p->signals = 0;
    buf_clear(&p->bytes);
    while (!is_full(p) && (p->count == 0 || s->call)) {
        r = line_reader_next(&s->reader, p->count == 0, &text, &e);
        if (r == LINE_TOO_LONG)
            reject(s, &(struct line){.number = s->reader.number}, STR(""), 0, "", "a line has over 1 MiB");
        else if (r != LINE_READ)
            break;
        else if (text.n && add_line(s, text)) {
            if (p->count == 1)
                begin_stream(s, 0);
            send_line(s, p->count - 1);
        }
    }
    if (p->count == 0)
        return r == LINE_FAILED ? client_failed(s->command, "%s: %s", s->options->file, e.text) : EXIT_OK;
    end_stream(s);
    int rc = settle(s);
    if (rc == EXIT_OK)
        s->requests += p->count;
    if (rc == EXIT_OK && s->total_bytes)
        progress_at(&s->progress, s->reader.bytes >> 10, s->total_bytes >> 10);
    return rc == EXIT_OK && r == LINE_FAILED ? client_failed(s->command, "%s: %s", s->options->file, e.text) : rc;
}

static void print_sum(const struct sending *s)
{
    char n[5][ANSWER_NUMBER];
    if (s->options->json) {
        printf("{\"requests\":%" PRIu64 ",\"applied\":%" PRIu64 ",\"repeats\":%" PRIu64 ",\"rejected\":%" PRIu64
               ",\"acknowledged_before_failures\":%" PRIu64 "}\n",
               s->requests, s->applied, s->repeats, s->rejected, s->acknowledged_before);
        return;
    }
    printf("%s requests acknowledged: %s signals applied, %s known already, %s rejected", answer_number(s->requests, n[0]),
           answer_number(s->applied, n[1]), answer_number(s->repeats, n[2]), answer_number(s->rejected, n[3]));
    if (s->acknowledged_before)
        printf("; %s requests were acknowledged before a failure, without these counts",
               answer_number(s->acknowledged_before, n[4]));
    putchar('\n');
}

static int send_file(struct sending *s)
{
    int rc = EXIT_OK;
    do
        rc = send_portion(s);
    while (rc == EXIT_OK && s->portion.count > 0);
    progress_clear(&s->progress);
    print_sum(s);
    return rc == EXIT_OK && s->rejected ? EXIT_FAILED : rc;
}

static int open_files(struct sending *s, int *fd)
{
    const struct signal_file_options *o = s->options;
    struct stat st;
    *fd = strcmp(o->file, "-") == 0 ? STDIN_FILENO : open(o->file, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return client_failed(s->command, "%s: %s", o->file, strerror(errno));
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode))
        s->total_bytes = (uint64_t)st.st_size;
    if (o->rejects && !(s->rejects = fopen(o->rejects, "we")))
        return client_failed(s->command, "%s: %s", o->rejects, strerror(errno));
    return EXIT_OK;
}

int signal_file(const struct command *c, const struct signal_file_options *o)
{
    struct sending s = {.command = c, .options = o};
    struct error e = {0};
    int fd = -1;
    int rc = open_files(&s, &fd);
    if (rc == EXIT_OK) {
        line_reader_init(&s.reader, fd);
        progress_begin(&s.progress, "KiB");
        arena_init(&s.arena, CLIENT_MEMORY_MAX);
        buf_init(&s.portion.bytes, SIGNAL_PORTION_BYTES + 2 * LINE_READER_MAX + MESSAGE_MAX);
        buf_init(&s.answer, CLIENT_ANSWER_MAX);
        s.portion.lines = calloc(SIGNAL_PORTION_MAX, sizeof *s.portion.lines);
        ASSERT(s.portion.lines && uv_loop_init(&s.loop) == 0);
        rc = grpc_client_new(&s.client, &s.loop, o->server, &e) ? client_failed(c, "%s", e.text) : send_file(&s);
        grpc_client_close(&s.client);
        uv_run(&s.loop, UV_RUN_DEFAULT);
        ASSERT(uv_loop_close(&s.loop) == 0);
        free(s.portion.lines);
        buf_free(&s.portion.bytes);
        buf_free(&s.answer);
        arena_free(&s.arena);
        line_reader_free(&s.reader);
    }
    if (s.rejects && fclose(s.rejects) != 0)
        rc = client_failed(c, "%s: %s", o->rejects, strerror(errno));
    if (fd > STDIN_FILENO)
        close(fd);
    return rc;
}

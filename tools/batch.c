/* Many decisions at once; see batch.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/batch.h"
#include "base/buf.h"
#include "net/grpc_client.h"
#include "net/proto_check.h"
#include "net/proto_json.h"
#include "tact/v1/decisions.pb-c.h"
#include "tools/client.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

struct batch {
    const struct command *command;
    const struct batch_options *options;
    FILE *in;
    char *line;
    size_t line_capacity;
    uint64_t lines, ok, failed;
    size_t in_flight;
    bool ended;
    struct grpc_client *client;
    struct arena arena; /* of one request or one answer */
    struct buf text;
};

struct asked {
    struct batch *batch;
    uint64_t line;
};

static void print_failure(struct batch *b, uint64_t line, const char *status, struct str message)
{
    json_t *o = json_pack("{s:I, s:s, s:s%}", "line", (json_int_t)line, "status", status, "message",
                          message.p ? message.p : "", message.n);
    char *s = o ? json_dumps(o, JSON_COMPACT) : NULL;
    printf("%s\n", s ? s : "{}");
    free(s);
    json_decref(o);
    b->failed++;
}

static void print_answer(struct batch *b, uint64_t line, struct str message)
{
    static const struct proto_limits limits = {8, CLIENT_ANSWER_MAX};
    struct error e = {0};
    arena_reset(&b->arena);
    buf_clear(&b->text);
    ProtobufCMessage *m =
        proto_decode(&tact__v1__decide_response__descriptor, message, &limits, &b->arena, &e);
    if (!m || proto_to_json(m, 0, &b->text, &e)) {
        print_failure(b, line, "INTERNAL", str_from(e.text));
        return;
    }
    printf("{\"line\": %llu, \"response\": %.*s}\n", (unsigned long long)line, (int)b->text.n,
           (const char *)b->text.p);
    b->ok++;
}

static void feed(struct batch *b);

static void on_answer(void *user, const struct grpc_result *r)
{
    struct asked *a = user;
    struct batch *b = a->batch;
    b->in_flight--;
    if (r->status == GRPC_OK)
        print_answer(b, a->line, r->message);
    else
        print_failure(b, a->line, grpc_status_name(r->status), r->text);
    free(a);
    feed(b);
}

static void ask(struct batch *b, struct str line)
{
    struct error e = {0};
    arena_reset(&b->arena);
    ProtobufCMessage *m = proto_from_json_line(&tact__v1__decide_request__descriptor, line, &b->arena, &e);
    size_t n = m ? protobuf_c_message_get_packed_size(m) : 0;
    uint8_t *bytes = m ? arena_alloc(&b->arena, n) : NULL;
    if (!bytes) {
        print_failure(b, b->lines, "INVALID_ARGUMENT", str_from(m ? "the request is too large" : e.text));
        return;
    }
    protobuf_c_message_pack(m, bytes);
    struct asked *a = malloc(sizeof *a);
    ASSERT(a != NULL);
    *a = (struct asked){b, b->lines};
    b->in_flight++;
    grpc_call_unary(b->client, "/tact.v1.Decisions/Decide", bytes, n, b->options->timeout_ms, on_answer, a);
}

static void feed(struct batch *b)
{
    while (!b->ended && b->in_flight < (size_t)b->options->in_flight) {
        ssize_t n = getline(&b->line, &b->line_capacity, b->in);
        if (n < 0) {
            b->ended = true;
            break;
        }
        b->lines++;
        while (n > 0 && (b->line[n - 1] == '\n' || b->line[n - 1] == '\r'))
            n--;
        if (n > BATCH_LINE_MAX)
            print_failure(b, b->lines, "INVALID_ARGUMENT", STR("a line has over 1 MiB"));
        else if (n > 0)
            ask(b, (struct str){b->line, (size_t)n});
    }
    if (b->ended && b->in_flight == 0 && b->client)
        grpc_client_close(&b->client);
}

int batch_decide(const struct command *c, const struct batch_options *o)
{
    struct batch b = {.command = c, .options = o};
    struct error e = {0};
    uv_loop_t loop;
    bool from_stdin = o->file[0] == '-' && o->file[1] == 0;
    b.in = from_stdin ? stdin : fopen(o->file, "rb");
    if (!b.in)
        return client_failed(c, "%s: %s", o->file, strerror(errno));
    uv_loop_init(&loop);
    arena_init(&b.arena, CLIENT_MEMORY_MAX);
    buf_init(&b.text, CLIENT_MEMORY_MAX);
    if (grpc_client_new(&b.client, &loop, o->server, &e) == 0) {
        feed(&b);
        uv_run(&loop, UV_RUN_DEFAULT);
    } else {
        client_failed(c, "%s", e.text);
        b.failed++;
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    if (!from_stdin)
        fclose(b.in);
    free(b.line);
    buf_free(&b.text);
    arena_free(&b.arena);
    if (b.failed)
        fprintf(stderr, "tact %s: %llu of %llu lines failed\n", c->name, (unsigned long long)b.failed,
                (unsigned long long)b.lines);
    return b.failed ? EXIT_FAILED : EXIT_OK;
}

/* tact signal: tells a server that something happened. SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "expr/value.h"
#include "net/grpc_status.h"
#include "tact/v1/customers.pb-c.h"
#include "tools/answer.h"
#include "tools/client.h"
#include "tools/commands.h"
#include "tools/signal_file.h"
#include "tools/value_text.h"
#include <jansson.h>
#include <stdlib.h>

enum { WORDS_MAX = 65 }; /* the name, and as many properties as a signal may have */

static int run(int argc, char **argv);

const struct command command_signal = {
    .name = "signal",
    .brief = "tell a server that something happened to a customer",
    .arguments = "NAME [PROPERTY=VALUE…] | --file FILE",
    .details = "Sends one signal and prints its event id; sending it again with --event-id of that id "
               "changes nothing.\n"
               "Values are guessed (42 is an int, 4.5 a number, true a bool, 2025-01-15T12:00:00Z a time, "
               "else a string);\n"
               "name:string=42 forces a type (string, number, int, bool, time).\n\n"
               "  tact signal --server 127.0.0.1:50051 --customer c1 cart_add sku=s1 price=80.5\n"
               "  tact signal --server 127.0.0.1:50051 --customer c1 support_contact case:string=4711 "
               "topic=broken --ago 2h --channel phone\n\n"
               "With --file, many: a file of JSON Lines (- for stdin), each a SignalRequest of tact.v1. A wrong one is told with\n"
               "its line, and the others go on; after a failure what was not acknowledged is sent again. Exits with 1 when any\n"
               "was rejected. Each line of --rejects has line, index, event_id, reason and the line's text.\n\n"
               "  tact signal --server 127.0.0.1:50051 --file events.jsonl --rejects wrong.jsonl\n"
               "  {\"customer_id\": \"c1\", \"signals\": [{\"event_id\": \"e1\", \"name\": \"cart_add\", \"time_ms\": "
               "1736942400000,\n   \"properties\": {\"sku\": {\"string_value\": \"s1\"}, \"price\": {\"number_value\": "
               "80.5}}, \"channel\": \"web\"}]}",
    .run = run,
};

struct options {
    const char *server, *customer, *event_id, *time, *ago, *as_of, *channel, *file, *rejects;
    int64_t timeout_ms;
    bool json;
};

/* When it happened. *time_ms stays 0 for "now", as the server's clock says it. */
static int set_times(const struct options *o, int64_t *time_ms, int64_t *as_of_ms, struct error *e)
{
    int64_t ago_ms;
    if (o->as_of && time_text_parse(str_from(o->as_of), as_of_ms, e))
        return error_prefix(e, "--as-of");
    if (o->time && o->ago)
        return error_set(e, ERR_INVALID, "--time and --ago say the same; give one");
    if (o->time && time_text_parse(str_from(o->time), time_ms, e))
        return error_prefix(e, "--time");
    if (!o->ago)
        return 0;
    if (!duration_parse(str_from(o->ago), &ago_ms) || ago_ms < 0)
        return error_set(e, ERR_INVALID,
                         "--ago: '%.40s' is no length of time; write 90s, 15m, 2h, 1d12h or 3w", o->ago);
    *time_ms = (*as_of_ms ? *as_of_ms : clock_wall_ms()) - ago_ms;
    return *time_ms > 0 ? 0 : error_set(e, ERR_INVALID, "--ago: before 1970");
}

static int build(const struct options *o, const char **words, int count, struct arena *arena,
                 Tact__V1__SignalRequest *m, Tact__V1__Signal *s, char id[ID128_TEXT], struct error *e)
{
    struct str pairs[WORDS_MAX];
    tact__v1__signal_request__init(m);
    tact__v1__signal__init(s);
    int rc = set_times(o, &s->time_ms, &m->as_of_ms, e);
    if (rc)
        return rc;
    for (int i = 1; i < count; i++)
        pairs[i - 1] = str_from(words[i]);
    rc = client_properties(s, pairs, (size_t)count - 1, arena, e);
    if (rc)
        return rc;
    m->customer_id = (char *)(uintptr_t)o->customer;
    s->name = (char *)(uintptr_t)words[0];
    if (o->channel)
        s->channel = (char *)(uintptr_t)o->channel;
    client_event_id(o->customer, s->name, s->time_ms, id);
    s->event_id = o->event_id ? (char *)(uintptr_t)o->event_id : id;
    return 0;
}

static int print_json(const Tact__V1__SignalResponse *r, const char *event_id)
{
    json_t *o = json_pack("{s:s, s:I, s:I}", "event_id", event_id, "applied", (json_int_t)r->applied,
                          "repeats", (json_int_t)r->repeats);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!text)
        return client_failed(&command_signal, "out of memory");
    printf("%s\n", text);
    free(text);
    return EXIT_OK;
}

static int send_signal(const struct options *o, const char **words, int count, struct arena *arena)
{
    Tact__V1__SignalRequest m;
    Tact__V1__Signal s, *list = &s;
    ProtobufCMessage *answer = NULL;
    char id[ID128_TEXT];
    struct error e = {0};
    int status;
    if (!o->server || !o->customer || count < 1)
        return client_usage(&command_signal, "--server ADDRESS, --customer ID and the signal's NAME are required");
    if (o->rejects)
        return client_usage(&command_signal, "--rejects goes with --file");
    if (build(o, words, count, arena, &m, &s, id, &e))
        return client_usage(&command_signal, "%s", e.text);
    m.signals = &list;
    m.n_signals = 1;
    int64_t timeout_ms = o->timeout_ms ? o->timeout_ms : CLIENT_TIMEOUT_MS;
    int rc = client_call(&command_signal, o->server, "/tact.v1.Customers/Signal", &m.base, timeout_ms,
                         &tact__v1__signal_response__descriptor, arena, &answer, &status);
    if (rc != EXIT_OK) {
        if (!o->event_id && client_may_have_happened(status))
            fprintf(stderr, "to send it again as the same event: --event-id %s\n", id);
        return rc;
    }
    const Tact__V1__SignalResponse *r = (const Tact__V1__SignalResponse *)answer;
    if (o->json)
        return print_json(r, s.event_id);
    fputs(r->applied ? "applied " : "known already, nothing changed: ", stdout);
    answer_text(s.name, ANSWER_TEXT_MAX, stdout);
    fputs(", event id ", stdout);
    answer_text(s.event_id, ANSWER_TEXT_MAX, stdout);
    fputc('\n', stdout);
    return EXIT_OK;
}

static int send_file(const struct options *o, int count)
{
    if (o->customer || o->event_id || o->time || o->ago || o->as_of || o->channel || count)
        return client_usage(&command_signal, "with --file its lines say everything: customer, signals, times, channels");
    if (!o->server)
        return client_usage(&command_signal, "--server ADDRESS is required");
    return signal_file(&command_signal, &(struct signal_file_options){
                                            .server = o->server,
                                            .file = o->file,
                                            .rejects = o->rejects,
                                            .timeout_ms = o->timeout_ms ? o->timeout_ms : SIGNAL_FILE_TIMEOUT_MS,
                                            .json = o->json});
}

static int run(int argc, char **argv)
{
    struct options o = {0};
    const char *words[WORDS_MAX];
    struct arena arena;
    int count;
    const struct option_def defs[] = {
        CLIENT_OPTION_SERVER(o.server),
        {.name = "customer", .value = "ID", .help = "the customer, or an alias like phone:+98912 (required)", .text = &o.customer},
        {.name = "event-id",
         .value = "ID",
         .help = "a repeat changes nothing; default: made up",
         .text = &o.event_id},
        CLIENT_OPTION_TIME(o.time),
        {.name = "ago", .value = "SPAN", .help = "how long ago it happened: 90s, 2h, 3d", .text = &o.ago},
        {.name = "channel", .value = "NAME", .help = "by which it came, one of the policy's", .text = &o.channel},
        CLIENT_OPTION_AS_OF(o.as_of),
        {.name = "file", .value = "FILE", .help = "JSON Lines, a SignalRequest each; - for stdin", .text = &o.file},
        {.name = "rejects", .value = "FILE", .help = "with --file: where the rejected go; default: told on stderr",
         .text = &o.rejects},
        {.name = "timeout-ms", .value = "N",
         .help = "default 5000; with --file of each portion, about 1,000 signals, default 30000", .number = &o.timeout_ms,
         .low = 1, .high = CLIENT_TIMEOUT_MAX_MS},
        {.name = "json", .help = "one JSON object", .flag = &o.json},
        {0},
    };
    int rc = options_parse(&command_signal, defs, argc, argv, words, 0, WORDS_MAX, &count);
    if (rc >= 0)
        return rc;
    if (o.file)
        return send_file(&o, count);
    arena_init(&arena, CLIENT_MEMORY_MAX);
    rc = send_signal(&o, words, count, &arena);
    arena_free(&arena);
    return rc;
}

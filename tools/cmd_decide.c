/* tact decide: asks a server for one decision. SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "net/proto_json.h"
#include "tact/v1/decisions.pb-c.h"
#include "tools/answer.h"
#include "tools/batch.h"
#include "tools/client.h"
#include "tools/commands.h"
#include "tools/value_text.h"
#include <errno.h>
#include <string.h>

enum { REQUEST_FILE_MAX = 4 << 20 };

static int run(int argc, char **argv);

const struct command command_decide = {
    .name = "decide",
    .brief = "ask a server what to say to a customer now",
    .arguments = "",
    .details =
        "Prints what to say, or why nothing is said. RESERVE books the contact: record SENT or NOT_SENT "
        "afterwards.\n"
        "Values are guessed (42 is an int, 4.5 a number, true a bool, 2025-01-15T12:00:00Z a time, else a "
        "string);\n"
        "name:string=42 forces a type (string, number, int, bool, time).\n\n"
        "  tact decide --server 127.0.0.1:50051 --customer c1 --channel web --placement home_hero --explain\n"
        "  tact decide --server 127.0.0.1:50051 --customer c1 --channel email --mode reserve --request-id r1 "
        "--json\n"
        "  tact decide --server 127.0.0.1:50051 --customer c1 --channel app --signal "
        "cart_add:sku=s1,price=80.5\n"
        "  tact decide --server 127.0.0.1:50051 --requests many.jsonl --in-flight 64\n"
        "  echo '{\"customer_id\": \"c1\", \"channel\": \"web\"}' | tact decide --server 127.0.0.1:50051 "
        "--request -",
    .run = run,
};

struct options {
    const char *server, *request, *requests, *customer, *channel, *locale, *mode, *request_id, *as_of;
    struct option_list placements, context, signals;
    int64_t max_actions, timeout_ms, in_flight;
    bool explain, json;
};

/* ---- the request from a file ---- */

static int from_file(const char *path, struct arena *arena, Tact__V1__DecideRequest **out, struct error *e)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!f)
        return error_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    char *text = arena_alloc(arena, REQUEST_FILE_MAX + 1);
    size_t n = text ? fread(text, 1, REQUEST_FILE_MAX + 1, f) : 0;
    int failed = ferror(f) ? errno : 0;
    if (f != stdin)
        fclose(f);
    if (!text || n > REQUEST_FILE_MAX)
        return error_set(e, ERR_NOSPACE, "%s: over 4 MiB; a request has at most 256 KiB", path);
    if (failed)
        return error_set(e, ERR_IO, "%s: %s", path, strerror(failed));
    *out = (Tact__V1__DecideRequest *)proto_from_json(&tact__v1__decide_request__descriptor,
                                                      (struct str){text, n}, arena, e);
    return *out ? 0 : error_prefix(e, "%s", path);
}

/* ---- the request from options ---- */

static int set_mode(const char *text, Tact__V1__DecideRequest *m, struct error *e)
{
    static const char *const names[] = {"peek", "fresh", "reserve"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            m->mode = (Tact__V1__Mode)i;
            return 0;
        }
    return error_set(e, ERR_INVALID, "--mode: unknown '%s'; allowed: peek, fresh, reserve", text);
}

static int set_context(const struct option_list *list, struct arena *arena, Tact__V1__DecideRequest *m,
                       struct error *e)
{
    size_t count = (size_t)list->count;
    struct value_pair *pairs = arena_alloc(arena, count * sizeof *pairs);
    Tact__V1__DecideRequest__ContextEntry *entries = arena_alloc(arena, count * sizeof *entries);
    m->context = arena_alloc(arena, count * sizeof *m->context);
    if (!pairs || !entries || !m->context)
        return error_set(e, ERR_NOSPACE, "too much context");
    for (size_t i = 0; i < count; i++) {
        if (value_pair_parse(str_from(list->items[i]), arena, &pairs[i], e))
            return error_prefix(e, "--context");
        tact__v1__decide_request__context_entry__init(&entries[i]);
        entries[i].key = pairs[i].key;
        entries[i].value = &pairs[i].value;
        m->context[m->n_context++] = &entries[i];
    }
    return 0;
}

static int set_signals(const struct options *o, int64_t now_ms, struct arena *arena,
                       Tact__V1__DecideRequest *m, struct error *e)
{
    m->signals = arena_alloc(arena, (size_t)o->signals.count * sizeof *m->signals);
    if (!m->signals)
        return error_set(e, ERR_NOSPACE, "too many signals");
    for (int i = 0; i < o->signals.count; i++) {
        if (client_signal(str_from(o->signals.items[i]), o->customer, now_ms, arena, &m->signals[i], e))
            return error_prefix(e, "--signal");
        m->n_signals++;
    }
    return 0;
}

static int from_options(const struct options *o, struct arena *arena, Tact__V1__DecideRequest *m,
                        struct error *e)
{
    tact__v1__decide_request__init(m);
    if (!o->customer || !o->channel)
        return error_set(e, ERR_INVALID, "--customer ID and --channel NAME are required (or --request FILE)");
    m->customer_id = (char *)(uintptr_t)o->customer;
    m->channel = (char *)(uintptr_t)o->channel;
    if (o->locale)
        m->locale = (char *)(uintptr_t)o->locale;
    if (o->request_id)
        m->request_id = (char *)(uintptr_t)o->request_id;
    m->placements = (char **)(uintptr_t)o->placements.items;
    m->n_placements = (size_t)o->placements.count;
    m->max_actions = (uint32_t)o->max_actions;
    m->explain = o->explain;
    int rc = o->mode ? set_mode(o->mode, m, e) : 0;
    if (!rc && o->as_of) {
        rc = time_text_parse(str_from(o->as_of), &m->as_of_ms, e);
        if (rc)
            error_prefix(e, "--as-of");
    }
    if (!rc)
        rc = set_context(&o->context, arena, m, e);
    return rc ? rc : set_signals(o, m->as_of_ms ? m->as_of_ms : clock_wall_ms(), arena, m, e);
}

static bool has_request_options(const struct options *o)
{
    return o->customer || o->channel || o->locale || o->mode || o->request_id || o->as_of ||
           o->placements.count || o->context.count || o->signals.count || o->max_actions || o->explain;
}

static int decide(const struct options *o, struct arena *arena)
{
    Tact__V1__DecideRequest built, *m = &built;
    ProtobufCMessage *answer = NULL;
    struct error e = {0};
    int status;
    if (!o->server)
        return client_usage(&command_decide, "--server ADDRESS is required");
    if (o->requests && (o->request || has_request_options(o)))
        return client_usage(&command_decide,
                            "--requests FILE holds whole requests; give no other part of one");
    if (o->requests)
        return batch_decide(&command_decide,
                            &(struct batch_options){o->server, o->requests, o->in_flight, o->timeout_ms});
    if (o->request && has_request_options(o))
        return client_usage(&command_decide,
                            "--request FILE holds the whole request; give no other part of it");
    if (o->request && from_file(o->request, arena, &m, &e))
        return client_failed(&command_decide, "%s", e.text);
    if (!o->request && from_options(o, arena, m, &e))
        return client_usage(&command_decide, "%s", e.text);
    int rc = client_call(&command_decide, o->server, "/tact.v1.Decisions/Decide", &m->base, o->timeout_ms,
                         &tact__v1__decide_response__descriptor, arena, &answer, &status);
    if (rc != EXIT_OK)
        return rc;
    if (o->json)
        return client_print_json(&command_decide, answer);
    answer_print((const Tact__V1__DecideResponse *)answer, answer_offset(o->as_of), stdout);
    return EXIT_OK;
}

static int run(int argc, char **argv)
{
    struct options o = {.timeout_ms = CLIENT_TIMEOUT_MS, .in_flight = BATCH_IN_FLIGHT};
    struct arena arena;
    int count;
    const struct option_def defs[] = {
        CLIENT_OPTION_SERVER(o.server),
        {.name = "customer", .value = "ID", .help = "the customer, or an alias like phone:+98912", .text = &o.customer},
        {.name = "channel", .value = "NAME", .help = "where it would be said", .text = &o.channel},
        {.name = "placement", .value = "NAME", .help = "a slot to fill", .list = &o.placements},
        {.name = "locale",
         .value = "TAG",
         .help = "like fa or en-GB; default: the customer's",
         .text = &o.locale},
        {.name = "max-actions",
         .value = "N",
         .help = "1 to 64; default 1, or one a placement",
         .number = &o.max_actions,
         .low = 1,
         .high = 64},
        {.name = "mode",
         .value = "MODE",
         .help = "peek (default), fresh, or reserve for outbound",
         .text = &o.mode},
        {.name = "request-id",
         .value = "ID",
         .help = "a repeat gets the same decision again",
         .text = &o.request_id},
        {.name = "context",
         .value = "NAME=VALUE",
         .help = "a field of the request's context",
         .list = &o.context},
        {.name = "signal",
         .value = "NAME:K=V,K=V",
         .help = "applied, and kept, before deciding",
         .list = &o.signals},
        {.name = "explain", .help = "every action, and why it was not chosen", .flag = &o.explain},
        {.name = "as-of",
         .value = "TIME",
         .help = "decide as of this RFC 3339 time (server: --allow-as-of)",
         .text = &o.as_of},
        {.name = "request",
         .value = "FILE",
         .help = "a DecideRequest as JSON instead of all that; - for stdin",
         .text = &o.request},
        {.name = "requests",
         .value = "FILE",
         .help = "many of them, one JSON object a line; answers as JSON lines",
         .text = &o.requests},
        {.name = "in-flight",
         .value = "N",
         .help = "of --requests; default 64",
         .number = &o.in_flight,
         .low = 1,
         .high = BATCH_IN_FLIGHT_MAX},
        CLIENT_OPTION_TIMEOUT(o.timeout_ms),
        {.name = "json", .help = "the DecideResponse as JSON", .flag = &o.json},
        {0},
    };
    int rc = options_parse(&command_decide, defs, argc, argv, NULL, 0, 0, &count);
    if (rc >= 0)
        return rc;
    arena_init(&arena, CLIENT_MEMORY_MAX);
    rc = decide(&o, &arena);
    arena_free(&arena);
    return rc;
}

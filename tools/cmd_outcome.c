/* tact outcome: tells a server what became of a decision.
 * SPDX-License-Identifier: Apache-2.0 */
#include "expr/value.h"
#include "net/grpc_status.h"
#include "tact/v1/outcomes.pb-c.h"
#include "tools/client.h"
#include "tools/commands.h"
#include "tools/value_text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv);

const struct command command_outcome = {
    .name = "outcome",
    .brief = "tell a server what became of a decision",
    .arguments = "KIND",
    .details =
        "KIND is sent, not_sent (outbound), impression (inbound), response, conversion or rejection. The "
        "choice is named\n"
        "by its handle, or by customer and decision id.\n\n"
        "  tact outcome --server 127.0.0.1:50051 sent --handle AUCBRU4K…\n"
        "  tact outcome --server 127.0.0.1:50051 conversion --customer c1 --decision 3114d230… --value 62.5",
    .run = run,
};

struct options {
    const char *server, *handle, *customer, *decision, *action, *outcome_id, *value, *time, *as_of;
    int64_t timeout_ms;
    bool json;
};

static int kind_of(const char *word, Tact__V1__RecordRequest__Kind *out, struct error *e)
{
    static const char *const words[] = {"sent",     "not_sent",   "impression",
                                        "response", "conversion", "rejection"};
    struct suggest s;
    suggest_init(&s, str_from(word));
    for (int i = 0; i < 6; i++) {
        if (strcmp(word, words[i]) == 0) {
            *out = (Tact__V1__RecordRequest__Kind)(TACT__V1__RECORD_REQUEST__KIND__SENT + i);
            return 0;
        }
        suggest_offer(&s, str_from(words[i]));
    }
    struct str best = suggest_best(&s);
    return error_set(
        e, ERR_INVALID,
        "unknown outcome '%s'%s%.*s%s; allowed: sent, not_sent, impression, response, conversion, rejection",
        word, best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : "");
}

static int build(const struct options *o, const char *word, char id[ID128_TEXT], Tact__V1__RecordRequest *m,
                 struct error *e)
{
    tact__v1__record_request__init(m);
    int rc = kind_of(word, &m->kind, e);
    if (!rc && o->time && (rc = time_text_parse(str_from(o->time), &m->time_ms, e)))
        error_prefix(e, "--time");
    if (!rc && o->as_of && (rc = time_text_parse(str_from(o->as_of), &m->as_of_ms, e)))
        error_prefix(e, "--as-of");
    if (rc)
        return rc;
    char *end = NULL;
    if (o->value)
        m->value = strtod(o->value, &end);
    if (o->value && (end == o->value || *end))
        return error_set(e, ERR_INVALID, "--value: expected a number, got '%s'", o->value);
    const char *texts[] = {o->handle, o->customer, o->decision, o->action};
    char **targets[] = {&m->handle, &m->customer_id, &m->decision_id, &m->action_id};
    for (int i = 0; i < 4; i++)
        if (texts[i])
            *targets[i] = (char *)(uintptr_t)texts[i];
    client_event_id(o->handle ? o->handle : o->customer, word, m->time_ms, id);
    m->outcome_id = o->outcome_id ? (char *)(uintptr_t)o->outcome_id : id;
    return 0;
}

static int send_outcome(const struct options *o, const char *word, struct arena *arena)
{
    Tact__V1__RecordRequest m;
    ProtobufCMessage *answer = NULL;
    char id[ID128_TEXT];
    struct error e = {0};
    int status;
    if (!o->server || !(o->handle || (o->customer && o->decision)))
        return client_usage(
            &command_outcome,
            "--server ADDRESS and --handle H (or --customer ID and --decision ID) are required");
    if (build(o, word, id, &m, &e))
        return client_usage(&command_outcome, "%s", e.text);
    int rc = client_call(&command_outcome, o->server, "/tact.v1.Outcomes/Record", &m.base, o->timeout_ms,
                         &tact__v1__record_response__descriptor, arena, &answer, &status);
    if (rc != EXIT_OK) {
        if (!o->outcome_id && client_may_have_happened(status))
            fprintf(stderr, "to send it again as the same outcome: --outcome-id %s\n", id);
        return rc;
    }
    const Tact__V1__RecordResponse *r = (const Tact__V1__RecordResponse *)answer;
    if (o->json)
        return client_print_json(&command_outcome, answer);
    printf("%s %s, outcome id %s\n", r->repeated_before ? "known already, nothing changed:" : "recorded",
           word, m.outcome_id);
    return EXIT_OK;
}

static int run(int argc, char **argv)
{
    struct options o = {.timeout_ms = CLIENT_TIMEOUT_MS};
    const char *word;
    struct arena arena;
    int count;
    const struct option_def defs[] = {
        CLIENT_OPTION_SERVER(o.server),
        {.name = "handle", .value = "H", .help = "of the choice, as decide gave it", .text = &o.handle},
        {.name = "customer",
         .value = "ID",
         .help = "the customer or alias, instead of a handle, with --decision",
         .text = &o.customer},
        {.name = "decision", .value = "ID", .help = "32 hexadecimal digits", .text = &o.decision},
        {.name = "action",
         .value = "ID",
         .help = "where the decision made several choices",
         .text = &o.action},
        {.name = "outcome-id",
         .value = "ID",
         .help = "a repeat changes nothing; default: made up",
         .text = &o.outcome_id},
        {.name = "value", .value = "N", .help = "of a conversion, in the brand's currency", .text = &o.value},
        CLIENT_OPTION_TIME(o.time),
        CLIENT_OPTION_AS_OF(o.as_of),
        CLIENT_OPTION_TIMEOUT(o.timeout_ms),
        {.name = "json", .help = "one JSON object", .flag = &o.json},
        {0},
    };
    int rc = options_parse(&command_outcome, defs, argc, argv, &word, 1, 1, &count);
    if (rc >= 0)
        return rc;
    arena_init(&arena, CLIENT_MEMORY_MAX);
    rc = send_outcome(&o, word, &arena);
    arena_free(&arena);
    return rc;
}

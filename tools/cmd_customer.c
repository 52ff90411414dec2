/* tact customer: what a server holds of one person, shown, exported, merged, forgotten.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/cmd_customer.h"
#include "expr/value.h"
#include "tact/v1/customers.pb-c.h"
#include "tools/actions.h"
#include "tools/answer.h"
#include "tools/client.h"
#include "tools/commands.h"
#include "tools/customer_text.h"
#include "tools/value_text.h"
#include <jansson.h>
#include <stdlib.h>

enum { INDENT = 2 };

static int run(int argc, char **argv);
static int run_get(int argc, char **argv);
static int run_export(int argc, char **argv);
static int run_merge(int argc, char **argv);
static int run_forget(int argc, char **argv);

const struct command command_customer = {
    .name = "customer",
    .brief = "show, export, merge or forget what is held of one person",
    .arguments = "ACTION",
    .details = "",
    .run = run,
};

const struct command command_customer_get = {
    .name = "customer get",
    .brief = "what decisions know of a customer, with the policy's features",
    .arguments = "ID",
    .details = "With --json the answer of Customers.Get: times are then milliseconds.\n\n"
               "  tact customer get --server 127.0.0.1:50051 maryam",
    .run = run_get,
};

const struct command command_customer_export = {
    .name = "customer export",
    .brief = "everything that is held of a person, as JSON",
    .arguments = "ID",
    .details = "For a person's own request to see what is held of them: attributes with their times, "
               "consents, contacts, what\n"
               "is counted, decisions that are kept. Nothing else is asked, so the log is not searched: see "
               "the README.\n\n"
               "  tact customer export --server 127.0.0.1:50051 maryam > maryam.json",
    .run = run_export,
};

const struct command command_customer_merge = {
    .name = "customer merge",
    .brief = "two ids are one person: the first becomes part of the second",
    .arguments = "FROM TO",
    .details = "What is held of FROM becomes part of what is held of TO, as if it had all been told of TO, and FROM is "
               "another name of TO\n"
               "from then on. An alias is an id too: phone:+989121234567. Asking again changes nothing; there is no way "
               "back,\n"
               "and an id nobody has seen is merged as well, so look at both with `tact customer get` first.\n\n"
               "  tact customer merge --server 127.0.0.1:50051 device:4f1c maryam",
    .run = run_merge,
};

const struct command command_customer_forget = {
    .name = "customer forget",
    .brief = "erase everything that is held of a person",
    .arguments = "ID",
    .details = "Erases the person's state and all that is kept beside it, at once and for good; that they "
               "were forgotten stays,\n"
               "and nothing about them is taken any more until they give a new consent. Asking again changes "
               "nothing. The log of\n"
               "the servers still has earlier records: see the README.\n\n"
               "  tact customer forget --server 127.0.0.1:50051 maryam --request-id ticket-4711",
    .run = run_forget,
};

static const struct command *const actions[] = {&command_customer_get, &command_customer_export,
                                                &command_customer_merge, &command_customer_forget, NULL};

/* ---- what the actions share ---- */

struct options {
    const char *customer, *into; /* into: of merge */
    const char *server, *request_id, *as_of;
    int64_t timeout_ms, as_of_ms;
    bool json;
};

/* -1 to go on, or an exit code. */
static int parse(const struct command *c, int argc, char **argv, struct options *o)
{
    int count, wanted = c == &command_customer_merge ? 2 : 1;
    const char *ids[2] = {NULL, NULL};
    struct error e;
    *o = (struct options){.timeout_ms = CLIENT_TIMEOUT_MS, .request_id = ""};
    struct option_def defs[] = {
        CLIENT_OPTION_SERVER(o->server),
        CLIENT_OPTION_AS_OF(o->as_of),
        CLIENT_OPTION_TIMEOUT(o->timeout_ms),
        {.name = "json", .help = "one JSON object in one line", .flag = &o->json},
        {.name = "request-id",
         .value = "ID",
         .help = "of the person's request, for the log",
         .text = &o->request_id},
        {0},
    };
    if (c != &command_customer_forget)
        defs[4] = (struct option_def){0};
    int rc = options_parse(c, defs, argc, argv, ids, wanted, wanted, &count);
    if (rc >= 0)
        return rc;
    o->customer = ids[0];
    o->into = ids[1];
    if (!o->server)
        return client_usage(c, "--server ADDRESS is required");
    if (o->as_of && time_text_parse(str_from(o->as_of), &o->as_of_ms, &e)) {
        error_prefix(&e, "--as-of");
        return client_usage(c, "%s", e.text);
    }
    return -1;
}

/* ---- get ---- */

static int run_get(int argc, char **argv)
{
    struct options o;
    struct arena arena;
    ProtobufCMessage *answer = NULL;
    int status, rc = parse(&command_customer_get, argc, argv, &o);
    if (rc >= 0)
        return rc;
    Tact__V1__GetRequest m = TACT__V1__GET_REQUEST__INIT;
    m.customer_id = (char *)(uintptr_t)o.customer;
    m.as_of_ms = o.as_of_ms;
    arena_init(&arena, CLIENT_MEMORY_MAX);
    rc = client_call(&command_customer_get, o.server, "/tact.v1.Customers/Get", &m.base, o.timeout_ms,
                     &tact__v1__get_response__descriptor, &arena, &answer, &status);
    if (rc == EXIT_OK && o.json)
        rc = client_print_json(&command_customer_get, answer);
    else if (rc == EXIT_OK)
        customer_text(o.customer, (const Tact__V1__GetResponse *)answer, answer_offset(o.as_of), stdout);
    arena_free(&arena);
    return rc;
}

/* ---- export ---- */

/* As the server wrote it, or with a line each for people. */
static int print_export(const struct options *o, const Tact__V1__ExportResponse *r)
{
    json_t *root = o->json ? NULL : json_loads(r->json, 0, NULL);
    char *text = root ? json_dumps(root, JSON_INDENT(INDENT) | JSON_PRESERVE_ORDER) : NULL;
    json_decref(root);
    if (!o->json && !text)
        return client_failed(&command_customer_export, "the server's answer is no JSON");
    printf("%s\n", text ? text : r->json);
    free(text);
    if (!r->found && !r->forgotten_ms)
        client_failed(&command_customer_export, "nothing is held of '%s': never seen", o->customer);
    return EXIT_OK;
}

static int run_export(int argc, char **argv)
{
    struct options o;
    struct arena arena;
    ProtobufCMessage *answer = NULL;
    int status, rc = parse(&command_customer_export, argc, argv, &o);
    if (rc >= 0)
        return rc;
    Tact__V1__ExportRequest m = TACT__V1__EXPORT_REQUEST__INIT;
    m.customer_id = (char *)(uintptr_t)o.customer;
    m.as_of_ms = o.as_of_ms;
    arena_init(&arena, CLIENT_MEMORY_MAX);
    rc = client_call(&command_customer_export, o.server, "/tact.v1.Customers/Export", &m.base, o.timeout_ms,
                     &tact__v1__export_response__descriptor, &arena, &answer, &status);
    if (rc == EXIT_OK)
        rc = print_export(&o, (const Tact__V1__ExportResponse *)answer);
    arena_free(&arena);
    return rc;
}

/* ---- merge ---- */

static void print_merged(const struct options *o, const Tact__V1__MergeResponse *r)
{
    fputs(r->merged_before ? "merged before: " : "merged: ", stdout);
    answer_text(o->customer, ANSWER_TEXT_MAX, stdout);
    fputs(" and ", stdout);
    answer_text(o->into, ANSWER_TEXT_MAX, stdout);
    fputs(" are both ", stdout);
    answer_text(r->customer_id, ANSWER_TEXT_MAX, stdout);
    putchar('\n');
}

static int run_merge(int argc, char **argv)
{
    struct options o;
    struct arena arena;
    ProtobufCMessage *answer = NULL;
    int status, rc = parse(&command_customer_merge, argc, argv, &o);
    if (rc >= 0)
        return rc;
    Tact__V1__MergeRequest m = TACT__V1__MERGE_REQUEST__INIT;
    m.from = (char *)(uintptr_t)o.customer;
    m.to = (char *)(uintptr_t)o.into;
    m.as_of_ms = o.as_of_ms;
    arena_init(&arena, CLIENT_MEMORY_MAX);
    rc = client_call(&command_customer_merge, o.server, "/tact.v1.Customers/Merge", &m.base, o.timeout_ms,
                     &tact__v1__merge_response__descriptor, &arena, &answer, &status);
    if (rc == EXIT_OK && o.json)
        rc = client_print_json(&command_customer_merge, answer);
    else if (rc == EXIT_OK)
        print_merged(&o, (const Tact__V1__MergeResponse *)answer);
    arena_free(&arena);
    return rc;
}

/* ---- forget ---- */

static void print_forgotten(const struct options *o, const Tact__V1__ForgetResponse *r)
{
    struct buf when;
    buf_init(&when, 64);
    value_format(value_timestamp(r->forgotten_ms), &when);
    fputs(r->repeated_before ? "forgotten before: " : "forgotten: ", stdout);
    answer_text(o->customer, ANSWER_TEXT_MAX, stdout);
    printf(", at %.*s\n", (int)when.n, (const char *)when.p);
    buf_free(&when);
}

static int run_forget(int argc, char **argv)
{
    struct options o;
    struct arena arena;
    ProtobufCMessage *answer = NULL;
    int status, rc = parse(&command_customer_forget, argc, argv, &o);
    if (rc >= 0)
        return rc;
    Tact__V1__ForgetRequest m = TACT__V1__FORGET_REQUEST__INIT;
    m.customer_id = (char *)(uintptr_t)o.customer;
    m.request_id = (char *)(uintptr_t)o.request_id;
    m.as_of_ms = o.as_of_ms;
    arena_init(&arena, CLIENT_MEMORY_MAX);
    rc = client_call(&command_customer_forget, o.server, "/tact.v1.Customers/Forget", &m.base, o.timeout_ms,
                     &tact__v1__forget_response__descriptor, &arena, &answer, &status);
    if (rc == EXIT_OK && o.json)
        rc = client_print_json(&command_customer_forget, answer);
    else if (rc == EXIT_OK)
        print_forgotten(&o, (const Tact__V1__ForgetResponse *)answer);
    arena_free(&arena);
    return rc;
}

/* ---- the command ---- */

static int run(int argc, char **argv)
{
    return actions_run(&command_customer, "what a server holds of one person", "[options] ID", actions, argc, argv);
}

/* Calls, signals, event ids; see client.h. SPDX-License-Identifier: Apache-2.0 */
#include "tools/client.h"
#include "net/grpc_client.h"
#include "net/proto_check.h"
#include "net/proto_json.h"
#include "tools/answer.h"
#include "tools/value_text.h"
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>

enum { PROPERTIES_MAX = 256, JSON_MAX = 64 << 20, MESSAGE_TEXT_MAX = 4096 };

/* ---- messages ---- */

static void tell(const struct command *c, const char *format, va_list args)
{
    char text[MESSAGE_TEXT_MAX];
    vsnprintf(text, sizeof text, format, args);
    fprintf(stderr, "tact %s: ", c->name);
    answer_text(text, sizeof text, stderr); /* it may hold what others typed */
    fputc('\n', stderr);
}

int client_usage(const struct command *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(c, format, args);
    va_end(args);
    fprintf(stderr, "`tact %s --help` says more\n", c->name);
    return EXIT_USAGE;
}

int client_failed(const struct command *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(c, format, args);
    va_end(args);
    return EXIT_FAILED;
}

/* ---- a call ---- */

struct answer {
    const struct command *command;
    const ProtobufCMessageDescriptor *descriptor;
    struct arena *arena;
    ProtobufCMessage *message;
    int status;
};

static void on_answer(void *user, const struct grpc_result *r)
{
    struct answer *a = user;
    struct error e = {0};
    const struct proto_limits limits = {.depth_max = PROTO_JSON_DEPTH_MAX, .decoded_max = CLIENT_ANSWER_MAX};
    a->status = r->status;
    if (r->status != GRPC_OK) {
        client_failed(a->command, "%s: %.*s", grpc_status_name(r->status), STR_ARG(r->text));
        return;
    }
    a->message = proto_decode(a->descriptor, r->message, &limits, a->arena, &e);
    if (!a->message)
        client_failed(a->command, "the server's answer cannot be read: %s", e.text);
}

int client_call(const struct command *c, const char *address, const char *path,
                const ProtobufCMessage *request, int64_t timeout_ms, const ProtobufCMessageDescriptor *answer,
                struct arena *arena, ProtobufCMessage **out, int *status)
{
    struct answer a = {c, answer, arena, NULL, GRPC_OK};
    struct error e = {0};
    *status = GRPC_OK;
    size_t n = protobuf_c_message_get_packed_size(request);
    uint8_t *bytes = arena_alloc(arena, n);
    if (!bytes)
        return client_failed(c, "the request is too large");
    protobuf_c_message_pack(request, bytes);
    if (grpc_call_once(address, path, bytes, n, timeout_ms, on_answer, &a, &e))
        return client_failed(c, "%s", e.text);
    *status = a.status;
    *out = a.message;
    return a.message ? EXIT_OK : EXIT_FAILED;
}

bool client_may_have_happened(int status)
{
    switch (status) {
    case GRPC_OK: /* no call was made */
    case GRPC_INVALID_ARGUMENT:
    case GRPC_NOT_FOUND:
    case GRPC_FAILED_PRECONDITION:
    case GRPC_UNIMPLEMENTED:
        return false;
    default:
        return true;
    }
}

int client_print_json(const struct command *c, const ProtobufCMessage *m)
{
    struct buf out;
    struct error e = {0};
    buf_init(&out, JSON_MAX);
    int rc = proto_to_json(m, 0, &out, &e);
    if (!rc)
        printf("%.*s\n", (int)out.n, (const char *)out.p);
    buf_free(&out);
    return rc ? client_failed(c, "%s", e.text) : EXIT_OK;
}

/* ---- signals ---- */

void client_event_id(const char *customer, const char *name, int64_t time_ms, char out[ID128_TEXT])
{
    uint8_t random[16];
    ASSERT(getrandom(random, sizeof random, 0) == (ssize_t)sizeof random);
    struct hasher *h = hasher_new();
    hasher_add(h, customer, strlen(customer) + 1);
    hasher_add(h, name, strlen(name) + 1);
    hasher_add(h, &time_ms, sizeof time_ms);
    hasher_add(h, random, sizeof random);
    id128_text(hasher_take(&h), out);
}

int client_properties(Tact__V1__Signal *s, const struct str *pairs, size_t count, struct arena *arena,
                      struct error *e)
{
    s->properties = arena_alloc(arena, count * sizeof *s->properties);
    Tact__V1__Signal__PropertiesEntry *entries = arena_alloc(arena, count * sizeof *entries);
    struct value_pair *values = arena_alloc(arena, count * sizeof *values);
    if (!s->properties || !entries || !values)
        return error_set(e, ERR_NOSPACE, "too many properties");
    for (size_t i = 0; i < count; i++) {
        int rc = value_pair_parse(pairs[i], arena, &values[i], e);
        if (rc)
            return rc;
        for (size_t k = 0; k < i; k++)
            if (strcmp(values[k].key, values[i].key) == 0)
                return error_set(e, ERR_INVALID, "%s is given twice", values[i].key);
        tact__v1__signal__properties_entry__init(&entries[i]);
        entries[i].key = values[i].key;
        entries[i].value = &values[i].value;
        s->properties[s->n_properties++] = &entries[i];
    }
    return 0;
}

int client_signal(struct str text, const char *customer, int64_t now_ms, struct arena *arena,
                  Tact__V1__Signal **out, struct error *e)
{
    const char *colon = text.n ? memchr(text.p, ':', text.n) : NULL;
    struct str name = {text.p, colon ? (size_t)(colon - text.p) : text.n};
    struct str rest = {colon ? colon + 1 : text.p + text.n, colon ? text.n - name.n - 1 : 0},
               pairs[PROPERTIES_MAX];
    size_t count = 0;
    while (rest.n) {
        if (count == PROPERTIES_MAX)
            return error_set(e, ERR_INVALID, "%.*s: at most %d properties", STR_ARG(name), PROPERTIES_MAX);
        size_t n = value_text_split(rest, ',');
        pairs[count++] = (struct str){rest.p, n};
        n += n < rest.n;
        rest = (struct str){rest.p + n, rest.n - n};
    }
    Tact__V1__Signal *s = arena_alloc(arena, sizeof *s);
    char *id = arena_alloc(arena, ID128_TEXT);
    struct str copy = arena_str(arena, name);
    if (!s || !id || !copy.p)
        return error_set(e, ERR_NOSPACE, "too much text");
    tact__v1__signal__init(s);
    s->name = (char *)copy.p;
    client_event_id(customer, s->name, now_ms, id);
    s->event_id = id;
    *out = s;
    int rc = client_properties(s, pairs, count, arena, e);
    if (rc)
        error_prefix(e, "%s", s->name);
    return rc;
}

int client_zone(const struct tzdb *zones, const char *name, const struct tz **out, struct error *e)
{
    *out = name ? tz_find(zones, str_from(name)) : NULL;
    if (!name || *out)
        return 0;
    struct suggest s;
    suggest_init(&s, str_from(name));
    for (size_t i = 0; i < tzdb_count(zones); i++)
        suggest_offer(&s, tz_name(tzdb_at(zones, i)));
    struct str best = suggest_best(&s);
    return error_set(e, ERR_INVALID,
                     "--time-zone: unknown '%.60s'%s%.*s%s names are IANA's, e.g. Europe/Rome", name,
                     best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : ";");
}

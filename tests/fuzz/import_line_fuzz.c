/* Any bytes as a line of an import. What plain_json reads, proto_from_json reads the same. What is taken can be applied and
 * written; what is not says why.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_policy.h"
#include "net/proto_json.h"
#include "state/codec.h"
#include "tact/v1/outcomes.pb-c.h"
#include "tools/import/build.h"
#include "tools/plain_json.h"

static struct arena arena;

static struct str packed(const ProtobufCMessage *m)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = arena_alloc(&arena, n);
    ASSERT(bytes);
    return (struct str){(const char *)bytes, protobuf_c_message_pack(m, bytes)};
}

static void both_read_the_same(struct str text)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        &tact__v1__upsert_request__descriptor, &tact__v1__signal_request__descriptor,
        &tact__v1__record_contact_request__descriptor, &tact__v1__record_request__descriptor};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct error e = {0};
        char *copy = arena_memdup(&arena, text.p, text.n);
        const ProtobufCMessage *plain = plain_json(types[i], copy, text.n, &arena);
        if (!plain)
            continue;
        const ProtobufCMessage *full = proto_from_json(types[i], text, &arena, &e);
        ASSERT(full && str_eq(packed(plain), packed(full)));
    }
}

static void on_refused(void *ctx, const uint8_t *event, const char *why)
{
    (void)ctx;
    ASSERT(event && why[0]);
}

static void build(const struct buf *events)
{
    struct import_builder b;
    struct import_event head;
    struct error e = {0};
    struct state s;
    struct buf out;
    uint64_t expected;
    uint8_t failed[1] = {0};
    ASSERT(import_event_head(events->p, &head) == events->p + events->n);
    const struct import_ref ref = {events->p, head.time_ms};
    struct import_customer c = {.id = head.customer, .hash = head.customer_hash, .events = &ref, .failed = failed, .count = 1};
    ASSERT(head.customer.n > 0 && head.place.line == 7);
    buf_init(&out, STATE_BLOB_MAX + 64);
    import_builder_init(&b, fuzz_policy(), 1, head.time_ms);
    ASSERT(import_build(&b, &c, (struct str){0}, 5, &out, &expected, on_refused, NULL, &e) == IMPORT_BUILT);
    struct str blob = {(const char *)out.p, out.n};
    ASSERT(expected == 0 && state_decode(&s, &fuzz_policy()->schema, blob, &arena, &e) == 0);
    ASSERT(import_build(&b, &c, blob, 6, &out, &expected, on_refused, NULL, &e) == IMPORT_BEFORE);
    import_builder_free(&b);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct import_clock clock = {FUZZ_NOW, FUZZ_NOW + STATE_AHEAD_MS};
    const struct import_place place = {1, 7, 99};
    struct str line = {(const char *)data, size};
    struct error e = {.text = ""};
    struct buf out;
    if (!arena.limit)
        arena_init(&arena, 256 << 20);
    arena_reset(&arena);
    both_read_the_same(line);
    buf_init(&out, 1 << 20);
    int rc = import_line(line, fuzz_policy(), &clock, &place, &arena, &out, &e);
    if (rc) {
        ASSERT((rc == ERR_INVALID || rc == ERR_NOSPACE) && e.text[0] && out.n == 0);
    } else {
        build(&out);
    }
    buf_free(&out);
    return 0;
}

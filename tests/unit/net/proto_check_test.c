/* What proto_check refuses and how it says so, and that its measure is what decoding takes: random messages
 * of every kind of field are decoded into an arena of exactly that size.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/buf.h"
#include "base/rng.h"
#include "net/proto_check.h"
#include "tests/unit/net/kinds.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <tact/v1/customers.pb-c.h>

static const struct proto_limits wide = {.depth_max = 8, .decoded_max = 64 << 20};
#define SIGNALS tact__v1__signal_request__descriptor

/* ---- random wire bytes ---- */

static void key(struct buf *b, uint32_t id, uint32_t wire)
{
    buf_varint(b, (uint64_t)id << 3 | wire);
}

static void random_message(struct rng *r, const ProtobufCMessageDescriptor *d, int depth, struct buf *out);

static void random_contents(struct rng *r, const ProtobufCFieldDescriptor *f, int depth, struct buf *out)
{
    static const char *const texts[] = {
        "", "a", "سلام", "fifteen letters", "sixteen letters!", "more than sixteen"};
    struct buf inner;
    buf_init(&inner, 1 << 20);
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        random_message(r, f->descriptor, depth - 1, &inner);
    else
        buf_str(&inner, str_from(texts[rng_below(r, 6)]));
    buf_varint(out, inner.n);
    buf_append(out, inner.p, inner.n);
    buf_free(&inner);
}

static size_t fixed_size(ProtobufCType t)
{
    switch (t) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return 4;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    default:
        return 0;
    }
}

static void random_number(struct rng *r, const ProtobufCFieldDescriptor *f, struct buf *out)
{
    uint64_t v = rng_u64(r) >> rng_below(r, 64);
    size_t n = fixed_size(f->type);
    if (n)
        buf_append(out, &v, n);
    else
        buf_varint(out, f->type == PROTOBUF_C_TYPE_BOOL ? v & 1 : v);
}

static void random_field(struct rng *r, const ProtobufCFieldDescriptor *f, int depth, struct buf *out)
{
    bool contents = f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_BYTES ||
                    f->type == PROTOBUF_C_TYPE_MESSAGE;
    if (contents) {
        key(out, f->id, 2);
        random_contents(r, f, depth, out);
    } else if (f->label == PROTOBUF_C_LABEL_REPEATED && rng_below(r, 2)) {
        struct buf packed;
        buf_init(&packed, 1 << 20);
        for (uint64_t n = rng_below(r, 40); n > 0; n--)
            random_number(r, f, &packed);
        key(out, f->id, 2);
        buf_varint(out, packed.n);
        buf_append(out, packed.p, packed.n);
        buf_free(&packed);
    } else {
        size_t n = fixed_size(f->type);
        key(out, f->id, n == 4 ? 5 : n == 8 ? 1 : 0);
        random_number(r, f, out);
    }
}

static void random_unknown(struct rng *r, struct buf *out)
{
    static const uint32_t wires[] = {0, 1, 2, 5};
    uint32_t wire = wires[rng_below(r, 4)];
    uint64_t v = rng_u64(r);
    key(out, 1000 + (uint32_t)rng_below(r, 1000), wire);
    if (wire == 0)
        buf_varint(out, v);
    else if (wire == 2)
        buf_append(out, "\5abcde", 6);
    else
        buf_append(out, &v, wire == 1 ? 8 : 4);
}

static void random_message(struct rng *r, const ProtobufCMessageDescriptor *d, int depth, struct buf *out)
{
    bool given[PROTO_FIELDS_MAX] = {false};
    uint64_t most = rng_below(r, 10) == 0 ? 150 : 12; /* sometimes enough for several slabs of records */
    for (uint64_t n = rng_below(r, most); n > 0; n--) {
        if (rng_below(r, 10) == 0) {
            random_unknown(r, out);
            continue;
        }
        size_t i = rng_below(r, d->n_fields);
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        bool single_message = f->type == PROTOBUF_C_TYPE_MESSAGE && f->label != PROTOBUF_C_LABEL_REPEATED;
        if (f->type == PROTOBUF_C_TYPE_MESSAGE && (depth == 0 || (single_message && given[i])))
            continue;
        given[i] = true;
        random_field(r, f, depth, out);
    }
}

static void test_measure_is_exact(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 7);
    struct buf b;
    buf_init(&b, 1 << 24);
    for (int i = 0; i < 4000; i++) {
        const ProtobufCMessageDescriptor *d = i % 4 ? &kinds_descriptor : &SIGNALS;
        buf_clear(&b);
        random_message(&r, d, (int)rng_below(&r, 4), &b);
        struct str bytes = {(char *)b.p, b.n};
        struct error e = {0};
        size_t decoded;
        if (proto_measure(d, bytes, &wide, &decoded, &e) != 0)
            fail_msg("%s", e.text);
        struct arena arena;
        arena_init(&arena, decoded);
        struct proto_limits exact = {.depth_max = 8, .decoded_max = decoded};
        ProtobufCMessage *m = proto_decode(d, bytes, &exact, &arena, &e);
        if (!m)
            fail_msg("%s", e.text);
        assert_int_equal(arena.used, decoded);
        exact.decoded_max--;
        assert_null(proto_decode(d, bytes, &exact, &arena, &e));
        assert_non_null(strstr(e.text, "too large"));
        arena_free(&arena);
    }
    buf_free(&b);
}

/* Every prefix of a message, and every byte changed: no crash, and what passes decodes within its measure. */
static void test_damaged(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 11);
    struct buf b;
    buf_init(&b, 1 << 24);
    int passed = 0, refused = 0;
    for (int i = 0; i < 60; i++) {
        buf_clear(&b);
        random_message(&r, &kinds_descriptor, 2, &b);
        for (size_t at = 0; at < b.n; at++) {
            uint8_t old = b.p[at];
            b.p[at] ^= (uint8_t)(1 + rng_below(&r, 255));
            for (int cut = 0; cut < 2; cut++) {
                struct str bytes = {(char *)b.p, cut ? at : b.n};
                size_t decoded;
                struct error e;
                if (proto_measure(&kinds_descriptor, bytes, &wide, &decoded, &e) != 0) {
                    refused++;
                    continue;
                }
                struct arena arena;
                arena_init(&arena, decoded);
                assert_non_null(proto_decode(&kinds_descriptor, bytes, &wide, &arena, &e));
                assert_int_equal(arena.used, decoded);
                arena_free(&arena);
                passed++;
            }
            b.p[at] = old;
        }
    }
    assert_true(passed > 1000 && refused > 1000);
    buf_free(&b);
}

/* ---- what is said ---- */

static void expect(const ProtobufCMessageDescriptor *d, const void *p, size_t n, struct proto_limits limits,
                   const char *text)
{
    struct error e = {.text = "passed"};
    int r = proto_check(d, (struct str){p, n}, &limits, &e);
    assert_string_equal(text ? text : "passed", e.text);
    assert_int_equal(r, text ? ERR_INVALID : 0);
}

static void test_messages(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *text;
    } cases[] = {
        {"", 0, NULL},
        {"\x0a\2c1\x12\4\x0a\2e1", 10, NULL},
        {"\x0a\2c1\x12\0\x12\5\x0a\3a\xffz", 13, "signals[1].event_id: not valid UTF-8 at byte 2"},
        {"\x0a\3a\0b", 5, "customer_id: a NUL character at byte 2; text must not have any"},
        {"\x0a\2a", 3, "customer_id: a length that is broken or goes beyond the end"},
        {"\x0a", 1, "customer_id: a length that is broken or goes beyond the end"},
        {"\x08\1", 2, "customer_id: written as a varint; allowed: a length"},
        {"\x1a\1a", 3, "as_of_ms: written as a length; allowed: a varint"},
        {"\x18\x80", 2, "as_of_ms: a broken number, or one that goes beyond the end"},
        {"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 11, NULL},
        {"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\2", 11,
         "as_of_ms: a broken number, or one that goes beyond the end"},
        {"\x0b", 1, "field 1: a group or unknown wire type; allowed: varint, 32 and 64 bits, length"},
        {"\x0e", 1, "field 1: a group or unknown wire type; allowed: varint, 32 and 64 bits, length"},
        {"\0\1", 2, "a broken field number"},
        {"\x80", 1, "a broken field number"},
        {"\xfa\xff\xff\xff\x1f\0", 6, "a broken field number"},
        {"\xfa\x3f\1x", 4, NULL},
        {"\xfa\x3f\2x", 4, "unknown field 1023: broken, or goes beyond the end"},
        {"\x12\7\x22\5\x12\3\x0a\1\xc0", 9,
         "signals[0].properties[0].value.string_value: not valid UTF-8 at byte 1"},
        {"\x12\6\x22\4\x12\0\x12\0", 8, "signals[0].properties[0].value: given twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(&SIGNALS, cases[i].bytes, cases[i].n, wide, cases[i].text);
    struct proto_limits shallow = {.depth_max = 2, .decoded_max = 1 << 20};
    expect(&SIGNALS, "\x12\2\x22\0", 4, shallow, NULL);
    expect(&SIGNALS, "\x12\4\x22\2\x12\0", 6, shallow,
           "signals[0].properties[0].value: nested too deep; at most 2 messages inside each other");
    struct proto_limits tight = {.depth_max = 2, .decoded_max = 100};
    expect(&SIGNALS, "\x12\0\x12\0", 4, tight,
           "signals[0]: too large: the message takes more than 100 bytes once decoded");
    expect(&kinds_descriptor, "\xf2\1\3\1\x80\1", 6, wide,
           "many_truth[1]: a packed bool of more than one byte");
    expect(&kinds_descriptor, "\xa2\1\3abc", 6, wide,
           "many_sf32[0]: a packed field of 3 bytes, which is no multiple of 4");
    expect(&kinds_descriptor, "\x92\1\2\1\x80", 5, wide, "many_i32[1]: a broken varint in a packed field");
    expect(&kinds_descriptor, "\x92\1\2\1\2\x90\1\1", 8, wide, NULL); /* packed, then not packed */
}

/* A megabyte of empty messages, which protobuf-c would make 88 MB of. */
static void test_amplification(void **state)
{
    (void)state;
    size_t n = 1 << 20;
    char *p = malloc(n);
    for (size_t i = 0; i < n; i += 2)
        memcpy(p + i, "\x12\0", 2);
    struct proto_limits limits = {.depth_max = 8, .decoded_max = 4 << 20};
    struct error e = {0};
    assert_int_equal(proto_check(&SIGNALS, (struct str){p, n}, &limits, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "too large"));
    /* Depth: a message in a message in a message, as long as the input allows. */
    struct buf b, c;
    buf_init(&b, n);
    buf_init(&c, n);
    for (int i = 0; i < 2000; i++) {
        buf_clear(&c);
        buf_append(&c, "\x8a\1", 2);
        buf_varint(&c, b.n);
        buf_append(&c, b.p, b.n);
        struct buf swap = b;
        b = c;
        c = swap;
    }
    assert_int_equal(proto_check(&kinds_descriptor, (struct str){(char *)b.p, b.n}, &limits, &e),
                     ERR_INVALID);
    assert_non_null(strstr(e.text, "nested too deep; at most 8 messages inside each other"));
    buf_free(&b);
    buf_free(&c);
    free(p);
}

static void test_full_arena(void **state)
{
    (void)state;
    struct arena arena;
    struct error e = {0};
    arena_init(&arena, 64);
    assert_null(proto_decode(&SIGNALS, STR("\x0a\2c1"), &wide, &arena, &e));
    assert_int_equal(e.code, ERR_NOSPACE);
    arena_free(&arena);
    arena_init(&arena, 1 << 20);
    Tact__V1__SignalRequest *m =
        (Tact__V1__SignalRequest *)proto_decode(&SIGNALS, STR("\x0a\2c1\x12\4\x0a\2e1"), &wide, &arena, &e);
    assert_non_null(m);
    assert_string_equal(m->customer_id, "c1");
    assert_int_equal(m->n_signals, 1);
    assert_string_equal(m->signals[0]->event_id, "e1");
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measure_is_exact), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_messages),         cmocka_unit_test(test_amplification),
        cmocka_unit_test(test_full_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

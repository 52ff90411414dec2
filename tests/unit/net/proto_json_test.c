/* proto3 JSON: round trips of every kind of field, what input may look like, and what errors say.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/json_line.h"
#include "net/proto_fields.h"
#include "net/proto_json.h"
#include "tests/unit/net/kinds.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <tact/v1/customers.pb-c.h>

static struct arena arena;
static struct buf out;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, 16 << 20);
    buf_init(&out, 16 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    buf_free(&out);
    return 0;
}

static struct kinds *read_kinds(const char *text)
{
    struct error e = {0};
    struct kinds *k = (struct kinds *)proto_from_json(&kinds_descriptor, str_from(text), &arena, &e);
    if (!k)
        fail_msg("%s: %s", text, e.text);
    return k;
}

static const char *written(const void *m, int indent)
{
    struct error e = {0};
    buf_clear(&out);
    if (proto_to_json(m, indent, &out, &e) != 0)
        fail_msg("%s", e.text);
    buf_byte(&out, 0);
    return (const char *)out.p;
}

/* Text that is written as it was read. */
static void same(const char *text)
{
    assert_string_equal(written(read_kinds(text), 0), text);
}

static void test_round_trips(void **state)
{
    (void)state;
    same("{}");
    same("{\"i32\":-2147483648,\"s32\":2147483647,\"sf32\":-1,\"u32\":4294967295,\"f32\":1,"
         "\"i64\":\"-9223372036854775808\",\"s64\":\"9223372036854775807\",\"sf64\":\"-1\","
         "\"u64\":\"18446744073709551615\",\"f64\":\"1\",\"real_single\":0.1,\"real_double\":0.1,\"truth\":"
         "true,"
         "\"mode\":\"RESERVE\",\"text\":\"x\",\"raw\":\"AP8=\",\"child\":{}}");
    same("{\"many_i32\":[1,-2,0],\"many_u64\":[\"0\",\"9007199254740993\"],\"many_truth\":[true,false],"
         "\"many_mode\":[\"PEEK\",\"FRESH\",77],\"many_text\":[\"\",\"a\"],\"many_raw\":[\"\",\"YQ==\",\"YWI="
         "\","
         "\"YWJj\"],\"many_child\":[{},{\"i32\":1}]}");
    same("{\"one_text\":\"\"}");
    same("{\"one_int\":\"0\"}");
    same("{\"one_child\":{\"one_child\":{\"one_int\":\"-5\"}}}");
    same("{\"by_id\":{\"-7\":{},\"9223372036854775807\":{\"text\":\"z\"}}}");
    same("{\"real_double\":\"NaN\"}");
    same("{\"real_single\":\"-Infinity\",\"real_double\":\"Infinity\"}");
    same("{\"many_real_double\":[1e+300,4.94065645841247e-324,-0.0,0.30000000000000004,1.2345678901234568e+"
         "17,1.7976931348623157e+"
         "308]}");
    same("{\"many_real_single\":[3.4028235e+38,1.4013e-45,16777216,0.33333334]}");
    same("{\"text\":\"سلام 𝄞 \\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u007f/\"}");
    struct kinds *k = read_kinds("{\"many_real_double\":[-0.0]}");
    assert_true(signbit(k->many_real_double[0]));
}

static void test_every_double(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u;
    struct kinds k;
    kinds_init(&k.base);
    for (int i = 0; i < 20000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        memcpy(&k.real_double, &x, 8);
        memcpy(&k.real_single, &x, 4);
        if (!isfinite(k.real_double) || !isfinite(k.real_single))
            continue;
        struct kinds *back = read_kinds(written(&k, 0));
        assert_memory_equal(&back->real_double, &k.real_double, 8);
        assert_memory_equal(&back->real_single, &k.real_single, 4);
        arena_reset(&arena);
    }
}

static void test_lenient_input(void **state)
{
    (void)state;
    struct kinds *k =
        read_kinds("{\"realDouble\":\"1.5e3\",\"manyI32\":[\"7\",1e2,3.0],\"u64\":5,\"i64\":\"-5\","
                   "\"text\":null,\"child\":null,\"many_text\":null,\"mode\":2,\"raw\":\"_-8\"}");
    assert_true(k->real_double == 1500);
    assert_int_equal(k->n_many_i32, 3);
    assert_int_equal(k->many_i32[0], 7);
    assert_int_equal(k->many_i32[1], 100);
    assert_int_equal(k->many_i32[2], 3);
    assert_true(k->u64 == 5 && k->i64 == -5);
    assert_string_equal(k->text, "");
    assert_null(k->child);
    assert_int_equal(k->mode, TACT__V1__MODE__RESERVE);
    assert_int_equal(k->raw.len, 2);
    assert_memory_equal(k->raw.data, "\xff\xef", 2);
    assert_memory_equal(read_kinds("{\"raw\":\"/+8=\"}")->raw.data, "\xff\xef", 2);
    /* By both names, each alone. */
    assert_int_equal(read_kinds("{\"many_sf32\":[1]}")->n_many_sf32, 1);
    assert_int_equal(read_kinds("{\"manySf32\":[1]}")->n_many_sf32, 1);
}

static void test_our_messages(void **state)
{
    (void)state;
    struct error e = {0};
    static const char text[] = "{\n"
                               "  \"customer_id\": \"c-1\",\n"
                               "  \"signals\": [\n"
                               "    {\n"
                               "      \"event_id\": \"e1\",\n"
                               "      \"name\": \"cart_add\",\n"
                               "      \"time_ms\": \"1736942400000\",\n"
                               "      \"properties\": {\n"
                               "        \"price\": {\n"
                               "          \"number_value\": 19.9\n"
                               "        },\n"
                               "        \"sku\": {\n"
                               "          \"string_value\": \"لباس\"\n"
                               "        }\n"
                               "      }\n"
                               "    }\n"
                               "  ]\n"
                               "}";
    Tact__V1__SignalRequest *m = (Tact__V1__SignalRequest *)proto_from_json(
        &tact__v1__signal_request__descriptor, str_from(text), &arena, &e);
    assert_non_null(m);
    assert_int_equal(m->signals[0]->n_properties, 2);
    assert_string_equal(m->signals[0]->properties[1]->key, "sku");
    assert_string_equal(written(m, 2), text);
    /* The same over the wire. */
    uint8_t wire[512];
    size_t n = protobuf_c_message_pack(&m->base, wire);
    ProtobufCMessage *back = protobuf_c_message_unpack(&tact__v1__signal_request__descriptor, NULL, n, wire);
    assert_string_equal(written(back, 2), text);
    protobuf_c_message_free_unpacked(back, NULL);
    /* What the wire may leave out: a map's value. */
    back = protobuf_c_message_unpack(&tact__v1__signal_request__descriptor, NULL, 6,
                                     (const uint8_t *)"\x12\4\x22\2\x0a\0");
    assert_string_equal(written(back, 0), "{\"signals\":[{\"properties\":{\"\":{}}}]}");
    protobuf_c_message_free_unpacked(back, NULL);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"", "line 1: not valid JSON: '[' or '{' expected near end of file"},
        {"[]", "line 1: a list; allowed: an object"},
        {"{\n\n\"a\" 1}", "line 3: not valid JSON: ':' expected near '1'"},
        {"{\"signals\":[\n{},\n{\"event_id\":\"a\",\n \"propertys\":{}}]}",
         "line 4: signals[1].propertys: no such field; did you mean properties?"},
        {"{\"xyz\":1}", "line 1: xyz: no such field; allowed: customer_id, signals, as_of_ms, alias"},
        {"{\"customer_id\":\n5}", "line 1: customer_id: a number; allowed: a string"},
        {"{\"customer_id\":\"a\",\"customerId\":\"b\"}",
         "line 1: customerId: given twice, by both of its names"},
        {"{\"signals\":{}}", "line 1: signals: an object; allowed: a list"},
        {"{\"signals\":[1]}", "line 1: signals[0]: a number; allowed: an object"},
        {"{\"signals\":[null]}", "line 1: signals[0]: null; allowed: an object"},
        {"{\"signals\":[{\"properties\":[]}]}", "line 1: signals[0].properties: a list; allowed: an object"},
        {"{\"signals\":[{\"properties\":{\"a\\\"b\":1,\n\"sku\":null}}]}",
         "line 1: signals[0].properties[\"a\"b\"]: a number; allowed: an object with one of string_value, number_value, "
         "bool_value, int_value, time_ms"},
        {"{\"signals\":[{\"properties\":{\"a\":{},\n\"sku\":null}}]}",
         "line 2: signals[0].properties[\"sku\"]: null; a map's value must be given"},
        {"{\"signals\":[{\"properties\":{\"sku\":{\"string_value\":\"a\",\n\"int_value\":\"1\"}}}]}",
         "line 2: signals[0].properties[\"sku\"].int_value: only one of this and string_value may be given"},
        {"{\"as_of_ms\":\"12x\"}", "line 1: as_of_ms: 12x is not a whole number from -9223372036854775808 to "
                                   "9223372036854775807"},
        {"{\"as_of_ms\":true}",
         "line 1: as_of_ms: a truth value; allowed: a whole number, or one in a string"},
        {"{\"as_of_ms\":1.5}",
         "line 1: as_of_ms: 1.5 is not a whole number from -9223372036854775808 to 9223372036854775807"},
        {"{\"customer_id\":\"a\\u0000b\"}",
         "line 1: not valid JSON: \\u0000 is not allowed without JSON_ALLOW_NUL near '\"a\\u0000b\"'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error e = {0};
        assert_null(
            proto_from_json(&tact__v1__signal_request__descriptor, str_from(cases[i].json), &arena, &e));
        assert_string_equal(e.text, cases[i].text);
        assert_int_equal(e.code, ERR_INVALID);
    }
    static const struct {
        const char *json, *text;
    } kinds[] = {
        {"{\"i32\":2147483648}", "i32: 2147483648 is not a whole number from -2147483648 to 2147483647"},
        {"{\"u32\":-1}", "u32: -1 is not a whole number from 0 to 4294967295"},
        {"{\"u64\":\"18446744073709551616\"}",
         "u64: 18446744073709551616 is not a whole number from 0 to 18446744073709551615"},
        {"{\"i64\":\"\"}", "i64:  is not a whole number from -9223372036854775808 to 9223372036854775807"},
        {"{\"i64\":\" 1\"}",
         "i64:  1 is not a whole number from -9223372036854775808 to 9223372036854775807"},
        {"{\"real_single\":1e39}", "real_single: 1e+39 does not fit a float"},
        {"{\"real_double\":\"nan\"}",
         "real_double: \"nan\" is no number; allowed: a number, \"NaN\", \"Infinity\", \"-Infinity\""},
        {"{\"real_double\":\"0x10\"}",
         "real_double: \"0x10\" is no number; allowed: a number, \"NaN\", \"Infinity\", \"-Infinity\""},
        {"{\"real_double\":\"\"}",
         "real_double: \"\" is no number; allowed: a number, \"NaN\", \"Infinity\", \"-Infinity\""},
        {"{\"mode\":\"RESRVE\"}", "mode: there is no \"RESRVE\"; did you mean RESERVE?"},
        {"{\"mode\":\"whatever\"}", "mode: there is no \"whatever\"; allowed: PEEK, FRESH, RESERVE"},
        {"{\"raw\":\"a\"}", "raw: not base64"},
        {"{\"raw\":\"YQ===\"}", "raw: not base64"},
        {"{\"raw\":\"Y!==\"}", "raw: not base64"},
        {"{\"truth\":1}", "truth: a number; allowed: true, false"},
        {"{\"by_id\":{\"x\":{}}}",
         "by_id[\"x\"]: x is not a whole number from -9223372036854775808 to 9223372036854775807"},
        {"{\"by_id\":{\"05\":{}}}", "by_id[\"05\"]: a number that is a key has no leading zeros"},
        {"{\"many_i32\":[1,2,\"x\"]}", "many_i32[2]: x is not a whole number from -2147483648 to 2147483647"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct error e = {0};
        assert_null(proto_from_json_line(&kinds_descriptor, str_from(kinds[i].json), &arena, &e));
        assert_string_equal(e.text, kinds[i].text);
    }
    struct error e = {0};
    struct kinds k;
    kinds_init(&k.base);
    k.text = "a\xff";
    buf_clear(&out);
    assert_int_equal(proto_to_json(&k.base, 0, &out, &e), ERR_INVALID);
    assert_string_equal(e.text, "text: not valid UTF-8 at byte 2");
    k.text = "aaaaaaaaaaaaaaaaaa";
    struct buf small;
    buf_init(&small, 16);
    assert_int_equal(proto_to_json(&k.base, 0, &small, &e), ERR_NOSPACE);
    buf_free(&small);
    struct arena tiny;
    arena_init(&tiny, 64);
    assert_null(proto_from_json(&kinds_descriptor, STR("{}"), &tiny, &e));
    assert_int_equal(e.code, ERR_NOSPACE);
    arena_free(&tiny);
}

static void test_depth(void **state)
{
    (void)state;
    char text[4000] = "";
    for (int i = 0; i < 300; i++)
        strcat(text, "{\"child\":");
    strcat(text, "{}");
    for (int i = 0; i < 300; i++)
        strcat(text, "}");
    struct error e = {0};
    assert_null(proto_from_json(&kinds_descriptor, str_from(text), &arena, &e));
    assert_non_null(strstr(e.text, "nested too deep"));
}

static void test_maps_are_recognised(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *d = &tact__v1__signal__descriptor;
    assert_true(proto_is_map(d, proto_find_field(d, STR("properties"))));
    assert_true(proto_is_map(&kinds_descriptor, proto_find_field(&kinds_descriptor, STR("byId"))));
    assert_false(proto_is_map(&kinds_descriptor, proto_find_field(&kinds_descriptor, STR("many_child"))));
    d = &tact__v1__signal_request__descriptor;
    assert_false(proto_is_map(d, proto_find_field(d, STR("signals"))));
    assert_null(proto_find_field(d, STR("Signals")));
    assert_null(proto_find_field(d, STR("customer_i")));
    assert_null(proto_find_field(d, STR("customerIdx")));
}

static void test_lines(void **state)
{
    (void)state;
    struct str text = STR(" {\n\"a\": [1, \"]}\\\"\",\n {\"b\"\n:true, \"c\":\n[{},\n[]]}],\n\"d\": null}");
    struct json_step a = {STR("a"), 0}, d = {STR("d"), 0}, b = {STR("b"), 0}, c = {STR("c"), 0},
                     x = {STR("x"), 0};
    struct json_step one = {{0}, 1}, two = {{0}, 2}, nine = {{0}, 9};
    assert_int_equal(json_line(text, NULL, 0), 1);
    assert_int_equal(json_line(text, &a, 1), 2);
    assert_int_equal(json_line(text, (struct json_step[]){a, one}, 2), 2);
    assert_int_equal(json_line(text, (struct json_step[]){a, two}, 2), 3);
    assert_int_equal(json_line(text, (struct json_step[]){a, two, b}, 3), 3);
    assert_int_equal(json_line(text, (struct json_step[]){a, two, c}, 3), 4);
    assert_int_equal(json_line(text, (struct json_step[]){a, two, c, one}, 4), 6);
    assert_int_equal(json_line(text, &d, 1), 7);
    assert_int_equal(json_line(text, &x, 1), 1);
    assert_int_equal(json_line(text, (struct json_step[]){a, nine}, 2), 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_round_trips),         TEST(test_every_double), TEST(test_lenient_input),
        TEST(test_our_messages),        TEST(test_errors),       TEST(test_depth),
        TEST(test_maps_are_recognised), TEST(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Values in a blob; see codec_value.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/codec_value.h"
#include <math.h>

enum value_code {
    CODE_FALSE,
    CODE_TRUE,
    CODE_INT,
    CODE_DOUBLE,
    CODE_WHOLE,
    CODE_HUNDREDTHS,
    CODE_STRING,
    CODE_TIMESTAMP,
    CODE_NOTHING
};

#define WHOLE_MAX 9007199254740992.0 /* 2^53 */

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static void put_double(struct buf *out, double d)
{
    if (fabs(d) < WHOLE_MAX && same_bits((double)(int64_t)d, d)) {
        buf_byte(out, CODE_WHOLE);
        buf_svarint(out, (int64_t)d);
        return;
    }
    int64_t hundredths = fabs(d) < WHOLE_MAX / 1e4 ? (int64_t)round(d * 100) : 0;
    if (same_bits((double)hundredths / 100, d)) {
        buf_byte(out, CODE_HUNDREDTHS);
        buf_svarint(out, hundredths);
        return;
    }
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    buf_byte(out, CODE_DOUBLE);
    buf_u64le(out, bits);
}

void value_put(struct buf *out, struct value v)
{
    switch (v.type) {
    case VALUE_BOOL:
        buf_byte(out, v.boolean ? CODE_TRUE : CODE_FALSE);
        break;
    case VALUE_INT:
    case VALUE_TIMESTAMP:
        buf_byte(out, v.type == VALUE_INT ? CODE_INT : CODE_TIMESTAMP);
        buf_svarint(out, v.integer);
        break;
    case VALUE_DOUBLE:
        put_double(out, v.number);
        break;
    case VALUE_STRING:
        buf_byte(out, CODE_STRING);
        buf_varint(out, v.n);
        buf_append(out, v.string, v.n);
        break;
    case VALUE_UNKNOWN:
        buf_byte(out, CODE_NOTHING);
        break;
    default:
        assert_failed("a type that state holds", __FILE__, __LINE__, __func__);
    }
}

static bool get_string(struct cursor *c, struct value *out)
{
    uint64_t n = cursor_varint(c);
    if (n > cursor_left(c))
        return false;
    *out = value_string((struct str){(const char *)cursor_bytes(c, (size_t)n), (size_t)n});
    return true;
}

bool value_get(struct cursor *c, struct value *out)
{
    uint8_t code = cursor_byte(c);
    switch (code) {
    case CODE_FALSE:
    case CODE_TRUE:
        *out = value_bool(code == CODE_TRUE);
        return !c->failed;
    case CODE_INT:
        *out = value_int(cursor_svarint(c));
        return !c->failed;
    case CODE_TIMESTAMP:
        *out = value_timestamp(cursor_svarint(c));
        return !c->failed && time_ok(out->integer);
    case CODE_WHOLE:
        *out = value_double((double)cursor_svarint(c));
        return !c->failed;
    case CODE_HUNDREDTHS:
        *out = value_double((double)cursor_svarint(c) / 100);
        return !c->failed;
    case CODE_DOUBLE: {
        uint64_t bits = cursor_u64le(c);
        double d;
        memcpy(&d, &bits, sizeof d);
        *out = value_double(d);
        return !c->failed && isfinite(d);
    }
    case CODE_STRING:
        return get_string(c, out);
    case CODE_NOTHING:
        *out = value_unknown(UNKNOWN_ABSENT);
        return true;
    default:
        return false;
    }
}

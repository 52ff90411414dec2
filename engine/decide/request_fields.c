/* Fields of requests against the policy; see request_fields.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/request_fields.h"
#include "state/state.h"
#include <math.h>

enum { ALLOWED_LISTED = 12, LIST_END = 32 };

int request_id(const char *field, const char *text, size_t most, struct str *out, struct error *e)
{
    *out = str_from(text);
    if (out->n == 0)
        return error_set(e, ERR_INVALID, "%s is empty; 1 to %zu bytes are allowed", field, most);
    if (out->n > most)
        return error_set(e, ERR_INVALID, "%s has %zu bytes; 1 to %zu are allowed", field, out->n, most);
    return 0;
}

const char *const request_customer_fields[2] = {"customer_id", "alias"};

int request_customer(const char *const fields[2], const char *id, const Tact__V1__Alias *alias, const struct policy *p,
                     struct arena *arena, struct str *out, struct error *e)
{
    char path[64];
    if (!alias && !id[0])
        return error_set(e, ERR_INVALID, "%s is empty; 1 to %d bytes are allowed, or %s instead of it", fields[0],
                         DECIDE_CUSTOMER_MAX, fields[1]);
    if (!alias)
        return request_id(fields[0], id, DECIDE_CUSTOMER_MAX, out, e);
    if (id[0])
        return error_set(e, ERR_INVALID, "%s and %s are both given; one of them is allowed", fields[0], fields[1]);
    struct str type = str_from(alias->type), value = str_from(alias->value);
    size_t known = 0;
    while (known < p->alias_count && !str_eq(p->aliases[known], type))
        known++;
    snprintf(path, sizeof path, "%s.type", fields[1]);
    if (known == p->alias_count)
        return request_unknown(e, path, type, p->aliases, sizeof *p->aliases, p->alias_count);
    snprintf(path, sizeof path, "%s.value", fields[1]);
    if (request_id(path, alias->value, DECIDE_CUSTOMER_MAX - type.n - 1, out, e))
        return ERR_INVALID;
    char *text = arena_alloc(arena, type.n + 1 + value.n + 1);
    if (!text)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    memcpy(text, type.p, type.n);
    text[type.n] = ':';
    memcpy(text + type.n + 1, value.p, value.n + 1); /* with its NUL */
    *out = (struct str){text, type.n + 1 + value.n};
    return 0;
}

bool request_is_alias(const struct policy *p, struct str customer)
{
    for (size_t i = 0; i < p->alias_count; i++) {
        struct str type = p->aliases[i];
        if (customer.n > type.n && customer.p[type.n] == ':' && memcmp(customer.p, type.p, type.n) == 0)
            return true;
    }
    return false;
}

int request_unknown(struct error *e, const char *where, struct str got, const struct str *names,
                        size_t stride, size_t count)
{
    struct suggest s;
    suggest_init(&s, got);
    char list[300] = "";
    bool listing = true;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        struct str name = *(const struct str *)(const void *)((const char *)names + i * stride);
        suggest_offer(&s, name);
        if (listing && i < ALLOWED_LISTED && n + name.n + LIST_END < sizeof list) {
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%.*s", i ? ", " : "", STR_ARG(name));
        } else if (listing) {
            snprintf(list + n, sizeof list - n, ", … (%zu in all)", count);
            listing = false;
        }
    }
    struct str best = suggest_best(&s);
    return error_set(e, ERR_INVALID, "%s: unknown '%.*s'%s%.*s%s; allowed: %s", where, STR_ARG(str_cut(got, 80)),
                     best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : "",
                     count ? list : "none");
}

/* ---- values ---- */

static const char *kind_name(const Tact__V1__Value *v)
{
    switch (v->kind_case) {
    case TACT__V1__VALUE__KIND_STRING_VALUE:
        return "a string";
    case TACT__V1__VALUE__KIND_NUMBER_VALUE:
        return "a number";
    case TACT__V1__VALUE__KIND_BOOL_VALUE:
        return "a bool";
    case TACT__V1__VALUE__KIND_INT_VALUE:
        return "an int";
    case TACT__V1__VALUE__KIND_TIME_MS:
        return "a time";
    default:
        return "nothing";
    }
}

static const char *type_wanted(uint8_t type)
{
    switch (type) {
    case VALUE_STRING:
        return "a string (string_value)";
    case VALUE_DOUBLE:
        return "a number (number_value)";
    case VALUE_INT:
        return "an int (int_value)";
    case VALUE_BOOL:
        return "a bool (bool_value)";
    default:
        return "a time (time_ms)";
    }
}

static int string_value(const char *where, const struct schema_field *f, const char *text, struct value *out,
                        struct error *e)
{
    struct str s = str_from(text);
    if (s.n > STATE_TEXT_MAX)
        return error_set(e, ERR_INVALID, "%s: %zu bytes; at most %d are allowed", where, s.n, STATE_TEXT_MAX);
    *out = value_string(s);
    for (size_t i = 0; i < f->domain_count; i++)
        if (str_eq(f->domain[i], s))
            return 0;
    return f->domain ? request_unknown(e, where, s, f->domain, sizeof *f->domain, f->domain_count) : 0;
}

static int number_value(const char *where, const struct schema_field *f, double d, struct value *out,
                        struct error *e)
{
    uint8_t type = f->type;
    if (!isfinite(d) || fabs(d) > STATE_NUMBER_MAX)
        return error_set(e, ERR_INVALID, "%s: a number must be finite and at most 1e12 in size", where);
    if (type == VALUE_INT && d != floor(d))
        return error_set(e, ERR_INVALID, "%s: expected a whole number, got %g", where, d);
    if (f->ranged && (d < f->least || d > f->most))
        return error_set(e, ERR_INVALID, "%s: %g; from %g to %g is allowed", where, d, f->least, f->most);
    *out = type == VALUE_INT ? value_int((int64_t)d) : value_double(d);
    return 0;
}

int request_value(const char *where, const struct schema_field *f, const Tact__V1__Value *v,
                       struct value *out, struct error *e)
{
    switch (v->kind_case) {
    case TACT__V1__VALUE__KIND_STRING_VALUE:
        if (f->type == VALUE_STRING)
            return string_value(where, f, v->string_value, out, e);
        break;
    case TACT__V1__VALUE__KIND_NUMBER_VALUE:
        if (f->type == VALUE_DOUBLE || f->type == VALUE_INT)
            return number_value(where, f, v->number_value, out, e);
        break;
    case TACT__V1__VALUE__KIND_INT_VALUE:
        if (f->type == VALUE_DOUBLE || f->type == VALUE_INT)
            return number_value(where, f, (double)v->int_value, out, e);
        break;
    case TACT__V1__VALUE__KIND_BOOL_VALUE:
        if (f->type == VALUE_BOOL) {
            *out = value_bool(v->bool_value);
            return 0;
        }
        break;
    case TACT__V1__VALUE__KIND_TIME_MS:
        if (f->type == VALUE_TIMESTAMP && v->time_ms >= TIMESTAMP_MIN_MS && v->time_ms <= TIMESTAMP_MAX_MS) {
            *out = value_timestamp(v->time_ms);
            return 0;
        }
        if (f->type == VALUE_TIMESTAMP)
            return error_set(e, ERR_INVALID, "%s: time outside the years 1 to 9999", where);
        break;
    default:
        break;
    }
    return error_set(e, ERR_INVALID, "%s: expected %s, got %s", where, type_wanted(f->type), kind_name(v));
}

long request_field(const struct schema_field *fields, size_t count, const char *name)
{
    return schema_field_told(fields, count, str_from(name));
}

int request_time(const char *where, int64_t time_ms, int64_t now_ms, int64_t *out, struct error *e)
{
    const char *dot = where[0] ? "." : "";
    *out = time_ms ? time_ms : now_ms;
    if (time_ms < 0 || *out > TIMESTAMP_MAX_MS)
        return error_set(e, ERR_INVALID, "%s%stime_ms: %lld is no time in Unix milliseconds", where, dot,
                         (long long)time_ms);
    if (*out > now_ms + STATE_AHEAD_MS)
        return error_set(e, ERR_INVALID,
                         "%s%stime_ms: %lld s ahead of the server's time; at most 300 s are allowed", where, dot,
                         (long long)((*out - now_ms) / 1000));
    return 0;
}

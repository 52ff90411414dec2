/* Values and aggregates of an export; see export_value.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/export_value.h"
#include "base/hash.h"
#include "state/aggregate.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

void export_set(json_t *object, const char *key, json_t *v)
{
    ASSERT(v && json_object_set_new(object, key, v) == 0); /* else memory is out */
}

void export_add(json_t *list, json_t *v)
{
    ASSERT(v && json_array_append_new(list, v) == 0);
}

json_t *export_number(double d)
{
    return isfinite(d) ? json_real(d) : json_sprintf("%f", d);
}

json_t *export_bytes(struct str s)
{
    char *text = malloc(s.n * 4 / 3 + 4);
    ASSERT(text != NULL);
    size_t n = base64url_encode(s.p ? s.p : "", s.n, text);
    json_t *o = json_pack("{s:s%}", "base64url", text, n);
    free(text);
    return o;
}

json_t *export_text(struct str s)
{
    json_t *text = json_stringn(s.p ? s.p : "", s.n);
    return text ? text : export_bytes(s);
}

json_t *export_value(struct value v)
{
    struct buf text;
    json_t *o;
    switch (v.type) {
    case VALUE_STRING:
        return export_text(value_str(v));
    case VALUE_DOUBLE:
        return export_number(v.number);
    case VALUE_BOOL:
        return json_boolean(v.boolean);
    case VALUE_INT:
        return json_integer(v.integer);
    case VALUE_TIMESTAMP:
        buf_init(&text, 64);
        value_format(v, &text);
        o = export_text((struct str){(const char *)text.p, text.n});
        buf_free(&text);
        return o;
    default:
        return json_null();
    }
}

json_t *export_time(int64_t ms)
{
    return ms ? export_value(value_timestamp(ms)) : json_null();
}

json_t *export_hash(uint64_t hash, int digits)
{
    char text[24];
    snprintf(text, sizeof text, "%0*" PRIx64, digits, hash);
    return json_string(text);
}

static struct str name_of(const struct export_names *names, uint64_t id)
{
    struct str own = id <= UINT32_MAX ? names_text(names->own, (uint32_t)id) : (struct str){NULL, 0};
    for (size_t i = 0; own.n == 0 && i < names->count; i++)
        if (names->ids[i] == id)
            return names->texts[i];
    return own;
}

json_t *export_name(const struct export_names *names, uint64_t id)
{
    struct str name = name_of(names, id);
    if (id == 0)
        return json_null();
    return name.n ? export_text(name) : json_sprintf("#%" PRIu64, id);
}

json_t *export_word(const struct export_names *names, uint64_t id)
{
    struct str name = name_of(names, id);
    const char *dot = name.n ? memchr(name.p, '.', name.n) : NULL;
    if (!dot)
        return export_name(names, id);
    size_t before = (size_t)(dot - name.p) + 1;
    return export_text((struct str){dot + 1, name.n - before});
}

/* ---- aggregates ---- */

const char *export_aggregate_kind(enum aggregate_kind kind)
{
    static const char *const names[AGGREGATE_KINDS] = {"count", "sum",  "min",     "max",  "last", "last_at",
                                                       "open",  "keys", "decayed", "mood", "top",  "hours"};
    return (unsigned)kind < AGGREGATE_KINDS ? names[kind] : "?";
}

/* From when to when a bucket is, in which hour of the week. */
static json_t *bucket_span(const struct schema_aggregate *def, enum aggregate_kind kind, int64_t index)
{
    json_t *o = json_object();
    int64_t at = kind == AGGREGATE_HOURS ? floor_div(index, WEEK_HOURS) : index;
    if (def) {
        export_set(o, "from", export_value(value_timestamp(at * def->width_ms)));
        export_set(o, "to", export_value(value_timestamp((at + 1) * def->width_ms)));
    } else {
        export_set(o, "bucket", json_integer(at));
    }
    if (kind == AGGREGATE_HOURS)
        export_set(o, "hour_of_week", json_integer(index - at * WEEK_HOURS));
    return o;
}

static json_t *buckets(enum aggregate_kind kind, const struct schema_aggregate *def,
                       const struct aggregate_state *a)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < a->count; i++) {
        const struct bucket *b = &a->buckets[i];
        json_t *o = bucket_span(def, kind, b->index), *v;
        if (kind == AGGREGATE_MIN || kind == AGGREGATE_MAX)
            v = export_number(b->number);
        else
            v = kind == AGGREGATE_SUM ? export_number((double)b->value / STATE_SUM_SCALE)
                                      : json_integer(b->value);
        export_set(o, "value", v);
        export_add(list, o);
    }
    return list;
}

static json_t *cases(const struct aggregate_state *a)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < a->count; i++) {
        const struct open_case *c = &a->cases[i];
        json_t *o = json_object();
        export_set(o, "case_hash", export_hash(c->key, 16));
        export_set(o, "opened_at", export_time(c->opened_ms == INT64_MIN ? 0 : c->opened_ms));
        export_set(o, "closed_at", export_time(c->closed_ms == INT64_MIN ? 0 : c->closed_ms));
        export_add(list, o);
    }
    return list;
}

static json_t *cells(const struct schema_aggregate *def, const struct aggregate_state *a)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < a->count; i++) {
        const struct key_cell *c = &a->cells[i];
        json_t *o = bucket_span(def, AGGREGATE_KEYS, c->index);
        export_set(o, "value_hash", export_hash(c->key, 8));
        export_set(o, "count", json_integer(c->count));
        export_add(list, o);
    }
    return list;
}

static json_t *keys(const struct aggregate_state *a)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < a->count; i++) {
        json_t *o = json_object();
        export_set(o, "key", export_text(a->keys[i].key));
        export_set(o, "weight", export_number(a->keys[i].weight));
        export_add(list, o);
    }
    return list;
}

static void put_decay(json_t *object, enum aggregate_kind kind, const struct aggregate_state *a)
{
    export_set(object, "at", export_time(a->last_ms));
    export_set(object, "half_life_minutes", json_integer(a->half_life_min));
    if (kind != AGGREGATE_TOP)
        export_set(object, "weighted_sum", export_number(a->sum));
    if (kind != AGGREGATE_DECAYED)
        export_set(object, "weight", export_number(a->weight));
    if (kind == AGGREGATE_TOP)
        export_set(object, "keys", keys(a));
}

void export_aggregate(json_t *object, enum aggregate_kind kind, const struct schema_aggregate *def,
                      const struct aggregate_state *a)
{
    switch (kind) {
    case AGGREGATE_COUNT:
    case AGGREGATE_SUM:
    case AGGREGATE_MIN:
    case AGGREGATE_MAX:
    case AGGREGATE_HOURS:
        export_set(object, "buckets", buckets(kind, def, a));
        break;
    case AGGREGATE_LAST:
        export_set(object, "value", export_value(a->last));
        export_set(object, "at", export_time(a->last_ms));
        break;
    case AGGREGATE_LAST_AT:
        export_set(object, "at", export_time(a->last_ms));
        break;
    case AGGREGATE_OPEN:
        export_set(object, "cases", cases(a));
        break;
    case AGGREGATE_KEYS:
        export_set(object, "cells", cells(def, a));
        break;
    case AGGREGATE_DECAYED:
    case AGGREGATE_MOOD:
    case AGGREGATE_TOP:
        put_decay(object, kind, a);
        break;
    case AGGREGATE_KINDS:
        break;
    }
}

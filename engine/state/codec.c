/* The customer's blob: decoding and encoding. Layouts of payloads (v: varint, s: zigzag varint):
 *
 *   attribute   type byte | bool: byte; int, timestamp: s; double: 8 bytes; string: the rest
 *   count, sum  s first bucket index | s value | then for each next bucket: v index gap − 1 | s value
 *   last        s time | 8 bytes event hash | type byte and value as an attribute
 *   last_at     s time | 8 bytes event hash
 *   open        for each case: 8 bytes key | byte (1 opened, 2 closed) | s opened | s closed − opened (or s closed alone)
 *   contacts    for each: 16 bytes decision | v action, channel, purpose, group, issue | s time | v expires − time + 1, or 0 |
 *               v outcomes | s value
 *   consents    for each: v channel × 2 + granted | v purpose | s time | v source length | source
 *   seen        s first arrival | 8 bytes hash | then: s arrival gap | 8 bytes hash
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/codec.h"
#include "state/aggregate.h"
#include <limits.h>

enum { CASE_OPENED = 1, CASE_CLOSED = 2, BUCKETS_READ_MAX = 100000 };

enum { VERSION_RANDOM_BITS = 22 };

uint64_t state_version_make(int64_t wall_ms, uint64_t random)
{
    uint64_t v = (uint64_t)wall_ms << VERSION_RANDOM_BITS | (random & ((1u << VERSION_RANDOM_BITS) - 1));
    return v ? v : 1;
}

uint64_t state_version(struct str blob)
{
    if (blob.n < 9)
        return 0;
    struct cursor c = cursor_of(blob.p + 1, 8);
    return cursor_u64le(&c);
}

/* ---- values ---- */

static bool time_ok(int64_t ms)
{
    return ms >= TIMESTAMP_MIN_MS && ms <= TIMESTAMP_MAX_MS;
}

static void put_double(struct buf *out, double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    buf_u64le(out, bits);
}

static void put_value(struct buf *out, struct value v)
{
    buf_byte(out, v.type);
    switch (v.type) {
    case VALUE_BOOL:
        buf_byte(out, v.boolean);
        break;
    case VALUE_INT:
    case VALUE_TIMESTAMP:
        buf_svarint(out, v.integer);
        break;
    case VALUE_DOUBLE:
        put_double(out, v.number);
        break;
    case VALUE_STRING:
        buf_append(out, v.string, v.n);
        break;
    default:
        assert_failed("a type that state holds", __FILE__, __LINE__, __func__);
    }
}

/* The rest of the cursor as a value; false on a type that state does not hold. */
static bool get_value(struct cursor *c, struct value *out)
{
    uint8_t type = cursor_byte(c);
    switch (type) {
    case VALUE_BOOL:
        *out = value_bool(cursor_byte(c) != 0);
        return !c->failed;
    case VALUE_INT:
    case VALUE_TIMESTAMP:
        *out = type == VALUE_INT ? value_int(cursor_svarint(c)) : value_timestamp(cursor_svarint(c));
        return !c->failed && (type == VALUE_INT || time_ok(out->integer));
    case VALUE_DOUBLE: {
        uint64_t bits = cursor_u64le(c);
        double d;
        memcpy(&d, &bits, sizeof d);
        *out = value_double(d);
        return !c->failed;
    }
    case VALUE_STRING: {
        size_t n = cursor_left(c);
        *out = value_string((struct str){(const char *)cursor_bytes(c, n), n});
        return !c->failed;
    }
    default:
        return false;
    }
}

/* ---- aggregates ---- */

static void put_buckets(struct buf *out, const struct aggregate_state *a)
{
    for (uint32_t i = 0; i < a->count; i++) {
        if (i == 0)
            buf_svarint(out, a->buckets[0].index);
        else
            buf_varint(out, (uint64_t)(a->buckets[i].index - a->buckets[i - 1].index - 1));
        buf_svarint(out, a->buckets[i].value);
    }
}

/* An index beyond these is of no time, and could overflow when it is multiplied by the width again. */
static bool index_ok(const struct schema_aggregate *def, int64_t index)
{
    return index <= TIMESTAMP_MAX_MS / def->width_ms && index >= TIMESTAMP_MIN_MS / def->width_ms - 1;
}

static int get_buckets(struct cursor *c, const struct schema_aggregate *def, struct aggregate_state *a,
                       struct arena *arena)
{
    /* A bucket takes at least two bytes, so this bounds their number before anything is allocated. */
    uint32_t capacity = (uint32_t)(cursor_left(c) / 2 + 1);
    if (capacity > BUCKETS_READ_MAX)
        return ERR_CORRUPT;
    a->buckets = arena_alloc(arena, capacity * sizeof *a->buckets);
    if (!a->buckets)
        return ERR_NOSPACE;
    a->capacity = capacity;
    while (cursor_left(c) && !c->failed) {
        int64_t index;
        if (a->count == 0) {
            index = cursor_svarint(c);
        } else {
            uint64_t gap = cursor_varint(c);
            if (gap > (uint64_t)INT64_MAX - 1 ||
                __builtin_add_overflow(a->buckets[a->count - 1].index, (int64_t)gap + 1, &index))
                return ERR_CORRUPT;
        }
        if (!index_ok(def, index))
            return ERR_CORRUPT;
        a->buckets[a->count++] = (struct bucket){index, cursor_svarint(c)};
    }
    return c->failed ? ERR_CORRUPT : 0;
}

static void put_cases(struct buf *out, const struct aggregate_state *a)
{
    for (uint32_t i = 0; i < a->count; i++) {
        const struct open_case *k = &a->cases[i];
        bool opened = k->opened_ms != INT64_MIN, closed = k->closed_ms != INT64_MIN;
        buf_u64le(out, k->key);
        buf_byte(out, (uint8_t)((opened ? CASE_OPENED : 0) | (closed ? CASE_CLOSED : 0)));
        if (opened)
            buf_svarint(out, k->opened_ms);
        if (closed)
            buf_svarint(out, opened ? k->closed_ms - k->opened_ms : k->closed_ms);
    }
}

static int get_cases(struct cursor *c, struct aggregate_state *a, struct arena *arena)
{
    a->capacity = STATE_CASES_MAX;
    a->cases = arena_alloc(arena, a->capacity * sizeof *a->cases);
    if (!a->cases)
        return ERR_NOSPACE;
    while (cursor_left(c) && !c->failed) {
        struct open_case k = {cursor_u64le(c), INT64_MIN, INT64_MIN};
        uint8_t flags = cursor_byte(c);
        if (a->count == STATE_CASES_MAX || flags == 0 || flags > (CASE_OPENED | CASE_CLOSED))
            return ERR_CORRUPT;
        if (flags & CASE_OPENED) {
            k.opened_ms = cursor_svarint(c);
            if (!time_ok(k.opened_ms))
                return ERR_CORRUPT;
        }
        if (flags & CASE_CLOSED) {
            int64_t v = cursor_svarint(c);
            if (__builtin_add_overflow(v, flags & CASE_OPENED ? k.opened_ms : 0, &k.closed_ms) ||
                !time_ok(k.closed_ms))
                return ERR_CORRUPT;
        }
        a->cases[a->count++] = k;
    }
    return c->failed ? ERR_CORRUPT : 0;
}

static void put_aggregate(struct buf *out, const struct schema_aggregate *def,
                          const struct aggregate_state *a)
{
    switch (def->kind) {
    case AGGREGATE_COUNT:
    case AGGREGATE_SUM:
        put_buckets(out, a);
        break;
    case AGGREGATE_LAST:
    case AGGREGATE_LAST_AT:
        buf_svarint(out, a->last_ms);
        buf_u64le(out, a->last_event);
        if (def->kind == AGGREGATE_LAST)
            put_value(out, a->last);
        break;
    case AGGREGATE_OPEN:
        put_cases(out, a);
        break;
    }
}

static int get_aggregate(struct cursor *c, const struct schema_aggregate *def, struct aggregate_state *a,
                         struct arena *arena)
{
    switch (def->kind) {
    case AGGREGATE_COUNT:
    case AGGREGATE_SUM:
        return get_buckets(c, def, a, arena);
    case AGGREGATE_OPEN:
        return get_cases(c, a, arena);
    case AGGREGATE_LAST:
    case AGGREGATE_LAST_AT:
        break;
    }
    a->last_ms = cursor_svarint(c);
    a->last_event = cursor_u64le(c);
    if (!time_ok(a->last_ms))
        return ERR_CORRUPT;
    if (def->kind == AGGREGATE_LAST && !get_value(c, &a->last))
        return ERR_CORRUPT;
    return c->failed || cursor_left(c) ? ERR_CORRUPT : 0;
}

/* ---- lists ---- */

/* Room for the items that at most fit in the cursor, each at least `least` bytes, and a few more. */
static void *room(struct cursor *c, size_t least, size_t size, uint32_t most, uint32_t *capacity,
                  struct arena *arena)
{
    size_t n = cursor_left(c) / least + 2;
    *capacity = (uint32_t)(n > most ? most : n);
    return arena_alloc(arena, *capacity * size);
}

/* Never more than is read again: a blob that we wrote ourselves must not be corrupt to us. */
static uint64_t expires_after(const struct contact *k)
{
    if (!k->expires_ms)
        return 0;
    int64_t after = k->expires_ms > k->time_ms ? k->expires_ms - k->time_ms : 0;
    return (uint64_t)(after < WINDOW_MAX_MS ? after : WINDOW_MAX_MS) + 1;
}

static void put_contacts(struct buf *out, const struct state *s)
{
    for (uint32_t i = 0; i < s->contact_count; i++) {
        const struct contact *k = &s->contacts[i];
        buf_append(out, k->decision.bytes, sizeof k->decision.bytes);
        buf_varint(out, k->action);
        buf_varint(out, k->channel);
        buf_varint(out, k->purpose);
        buf_varint(out, k->group);
        buf_varint(out, k->issue);
        buf_svarint(out, k->time_ms);
        buf_varint(out, expires_after(k));
        buf_varint(out, k->outcomes);
        buf_svarint(out, k->value);
    }
}

static int get_contacts(struct cursor *c, struct state *s)
{
    s->contacts = room(c, 25, sizeof *s->contacts, STATE_CONTACTS_MAX, &s->contact_capacity, s->arena);
    if (!s->contacts)
        return ERR_NOSPACE;
    while (cursor_left(c) && !c->failed) {
        struct contact k = {0};
        const uint8_t *id = cursor_bytes(c, sizeof k.decision.bytes);
        if (!id || s->contact_count == s->contact_capacity)
            return ERR_CORRUPT;
        memcpy(k.decision.bytes, id, sizeof k.decision.bytes);
        uint32_t *ids[] = {&k.action, &k.channel, &k.purpose, &k.group, &k.issue};
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
            uint64_t v = cursor_varint(c);
            if (v > NAMES_MAX)
                return ERR_CORRUPT;
            *ids[i] = (uint32_t)v;
        }
        k.time_ms = cursor_svarint(c);
        uint64_t expires = cursor_varint(c), outcomes = cursor_varint(c);
        k.value = cursor_svarint(c);
        if (!time_ok(k.time_ms) || expires > (uint64_t)WINDOW_MAX_MS + 1 || outcomes > UINT32_MAX)
            return ERR_CORRUPT;
        k.expires_ms = expires ? k.time_ms + (int64_t)(expires - 1) : 0;
        k.outcomes = (uint32_t)outcomes;
        s->contacts[s->contact_count++] = k;
    }
    return c->failed ? ERR_CORRUPT : 0;
}

static void put_consents(struct buf *out, const struct state *s)
{
    for (uint32_t i = 0; i < s->consent_count; i++) {
        const struct consent *k = &s->consents[i];
        buf_varint(out, (uint64_t)k->channel * 2 + k->granted);
        buf_varint(out, k->purpose);
        buf_svarint(out, k->time_ms);
        buf_varint(out, k->source.n);
        buf_str(out, k->source);
    }
}

static int get_consents(struct cursor *c, struct state *s)
{
    s->consents = room(c, 4, sizeof *s->consents, STATE_CONSENTS_MAX, &s->consent_capacity, s->arena);
    if (!s->consents)
        return ERR_NOSPACE;
    while (cursor_left(c) && !c->failed) {
        uint64_t channel = cursor_varint(c), purpose = cursor_varint(c);
        int64_t time_ms = cursor_svarint(c);
        uint64_t n = cursor_varint(c);
        if (channel / 2 > NAMES_MAX || purpose > NAMES_MAX || !time_ok(time_ms) || n > cursor_left(c) ||
            s->consent_count == s->consent_capacity)
            return ERR_CORRUPT;
        const char *source = (const char *)cursor_bytes(c, (size_t)n);
        s->consents[s->consent_count++] = (struct consent){
            (uint32_t)(channel / 2), (uint32_t)purpose, channel & 1, time_ms, {source, (size_t)n}};
    }
    return c->failed ? ERR_CORRUPT : 0;
}

static void put_seen(struct buf *out, const struct state *s)
{
    for (uint32_t i = 0; i < s->seen_count; i++) {
        buf_svarint(out, s->seen[i].arrived_ms - (i ? s->seen[i - 1].arrived_ms : 0));
        buf_u64le(out, s->seen[i].hash);
    }
}

static int get_seen(struct cursor *c, struct state *s)
{
    s->seen = room(c, 9, sizeof *s->seen, STATE_SEEN_MOST, &s->seen_capacity, s->arena);
    if (!s->seen)
        return ERR_NOSPACE;
    int64_t arrived = 0;
    while (cursor_left(c) && !c->failed) {
        if (__builtin_add_overflow(arrived, cursor_svarint(c), &arrived) || !time_ok(arrived) ||
            s->seen_count == s->seen_capacity)
            return ERR_CORRUPT;
        s->seen[s->seen_count++] = (struct seen_event){cursor_u64le(c), arrived};
    }
    return c->failed ? ERR_CORRUPT : 0;
}

/* ---- entries ---- */

static int keep_entry(struct state *s, uint64_t tag, struct cursor *c)
{
    if (s->kept_count == s->kept_capacity) {
        uint32_t capacity = s->kept_capacity ? s->kept_capacity * 2 : 8;
        struct raw_entry *kept = arena_alloc(s->arena, capacity * sizeof *kept);
        if (!kept)
            return ERR_NOSPACE;
        if (s->kept_count)
            memcpy(kept, s->kept, s->kept_count * sizeof *kept);
        s->kept = kept;
        s->kept_capacity = capacity;
    }
    size_t n = cursor_left(c);
    s->kept[s->kept_count++] = (struct raw_entry){tag, {(const char *)cursor_bytes(c, n), n}};
    return 0;
}

static int get_attribute(struct state *s, uint64_t tag, struct cursor *c, size_t index)
{
    struct cursor again = *c;
    struct value v;
    if (!get_value(c, &v) || cursor_left(c))
        return ERR_CORRUPT;
    /* A value of another type belongs to another policy's declaration: unknown here, kept for there. */
    if (v.type != s->schema->attributes[index].type)
        return keep_entry(s, tag, &again);
    s->attributes[index] = v;
    return 0;
}

static int get_own_aggregate(struct state *s, uint64_t tag, struct cursor *c,
                             const struct schema_aggregate *def, struct aggregate_state *a)
{
    struct cursor again = *c;
    int rc = get_aggregate(c, def, a, s->arena);
    if (rc || def->kind != AGGREGATE_LAST || a->last.type == def->type)
        return rc;
    /* The same for the last of a property whose type differs there. */
    aggregate_init(a);
    return keep_entry(s, tag, &again);
}

static int get_entry(struct state *s, uint64_t tag, struct cursor *c)
{
    const struct schema *schema = s->schema;
    uint64_t id = tag_id(tag);
    switch (tag_kind(tag)) {
    case ENTRY_ATTRIBUTE:
        if (id < schema->id_limit && schema->attribute_of_id[id])
            return get_attribute(s, tag, c, schema->attribute_of_id[id] - 1u);
        break;
    case ENTRY_AGGREGATE:
        if (id < schema->id_limit && schema->aggregate_of_id[id]) {
            uint32_t index = schema->aggregate_of_id[id] - 1u;
            return get_own_aggregate(s, tag, c, &schema->aggregates[index], &s->aggregates[index]);
        }
        break;
    case ENTRY_CONTACTS:
        if (id == 0)
            return get_contacts(c, s);
        break;
    case ENTRY_CONSENTS:
        if (id == 0)
            return get_consents(c, s);
        break;
    case ENTRY_SEEN:
        if (id == 0)
            return get_seen(c, s);
        break;
    default:
        break;
    }
    return keep_entry(s, tag, c);
}

static int state_empty(struct state *s, const struct schema *schema, struct arena *arena, struct error *e)
{
    *s = (struct state){.schema = schema, .arena = arena};
    s->attributes = arena_zalloc(arena, schema->attribute_count * sizeof *s->attributes);
    s->aggregates = arena_alloc(arena, schema->aggregate_count * sizeof *s->aggregates);
    if (!s->attributes || !s->aggregates)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    for (size_t i = 0; i < schema->aggregate_count; i++)
        aggregate_init(&s->aggregates[i]);
    return 0;
}

static uint64_t order_of(uint64_t tag)
{
    return tag_kind(tag) << (64 - ENTRY_KIND_BITS) | tag_id(tag);
}

int state_decode(struct state *s, const struct schema *schema, struct str blob, struct arena *arena,
                 struct error *e)
{
    int rc = state_empty(s, schema, arena, e);
    if (rc || blob.n == 0)
        return rc;
    struct cursor c = cursor_of(blob.p, blob.n);
    uint8_t format = cursor_byte(&c);
    s->version = cursor_u64le(&c);
    if (format != STATE_FORMAT && !c.failed)
        return error_set(e, format > STATE_FORMAT ? ERR_INVALID : ERR_CORRUPT,
                         "the customer's state has format %u, this version reads %d", format, STATE_FORMAT);
    if (c.failed || s->version == 0)
        return error_set(e, ERR_CORRUPT, "the customer's state is torn: no whole head in its %zu bytes",
                         blob.n);
    s->exists = true;
    bool first = true;
    for (uint64_t before = 0; cursor_left(&c);) {
        size_t at = (size_t)((const char *)c.p - blob.p);
        uint64_t tag = cursor_varint(&c), n = cursor_varint(&c);
        const uint8_t *payload = n <= cursor_left(&c) ? cursor_bytes(&c, (size_t)n) : NULL;
        bool in_order = first || order_of(tag) > order_of(before);
        if (!payload || c.failed || !in_order)
            return error_set(e, ERR_CORRUPT, "the customer's state is torn at byte %zu of %zu", at, blob.n);
        before = tag;
        first = false;
        struct cursor entry = cursor_of(payload, (size_t)n);
        rc = get_entry(s, tag, &entry);
        if (rc == ERR_NOSPACE)
            return error_set(e, rc, "the request's memory is full");
        if (rc)
            return error_set(e, ERR_CORRUPT,
                             "the customer's state has an unreadable entry at byte %zu of %zu", at, blob.n);
    }
    return 0;
}

/* One of the schema's own entries, to be written. */
struct outgoing {
    uint64_t tag;
    uint32_t index;
};

static void put_kept(struct buf *out, const struct raw_entry *k)
{
    buf_varint(out, k->tag);
    buf_varint(out, k->payload.n);
    buf_str(out, k->payload);
}

static void put_entry(struct buf *out, const struct state *s, const struct outgoing *o, struct buf *scratch)
{
    buf_clear(scratch);
    switch (tag_kind(o->tag)) {
    case ENTRY_ATTRIBUTE:
        put_value(scratch, s->attributes[o->index]);
        break;
    case ENTRY_AGGREGATE:
        put_aggregate(scratch, &s->schema->aggregates[o->index], &s->aggregates[o->index]);
        break;
    case ENTRY_CONTACTS:
        put_contacts(scratch, s);
        break;
    case ENTRY_CONSENTS:
        put_consents(scratch, s);
        break;
    default:
        put_seen(scratch, s);
    }
    if (!buf_ok(scratch))
        out->failed = true;
    buf_varint(out, o->tag);
    buf_varint(out, scratch->n);
    buf_append(out, scratch->p, scratch->n);
}

/* The schema's own entries are nearly in order already: ids were given in its order. */
static void outgoing_sort(struct outgoing *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct outgoing item = items[i];
        size_t k = i;
        for (; k > 0 && order_of(items[k - 1].tag) > order_of(item.tag); k--)
            items[k] = items[k - 1];
        items[k] = item;
    }
}

static size_t collect(const struct state *s, struct outgoing *items)
{
    const struct schema *schema = s->schema;
    size_t n = 0;
    for (uint32_t i = 0; i < schema->attribute_count; i++)
        if (s->attributes[i].type != VALUE_UNKNOWN)
            items[n++] = (struct outgoing){state_tag(ENTRY_ATTRIBUTE, schema->attributes[i].id), i};
    for (uint32_t i = 0; i < schema->aggregate_count; i++)
        if (!aggregate_empty(&schema->aggregates[i], &s->aggregates[i]))
            items[n++] = (struct outgoing){state_tag(ENTRY_AGGREGATE, schema->aggregates[i].id), i};
    if (s->contact_count)
        items[n++] = (struct outgoing){ENTRY_CONTACTS, 0};
    if (s->consent_count)
        items[n++] = (struct outgoing){ENTRY_CONSENTS, 0};
    if (s->seen_count)
        items[n++] = (struct outgoing){ENTRY_SEEN, 0};
    outgoing_sort(items, n);
    return n;
}

/* Both lists are in order. A kept entry gives way to the schema's own value under the same tag (set anew, with its new
 * type). */
static void put_entries(struct buf *out, const struct state *s, const struct outgoing *items, size_t n)
{
    struct buf scratch;
    buf_init(&scratch, STATE_BLOB_MAX);
    size_t own = 0;
    for (uint32_t i = 0; i <= s->kept_count; i++) {
        uint64_t before = i < s->kept_count ? order_of(s->kept[i].tag) : UINT64_MAX;
        while (own < n && order_of(items[own].tag) < before)
            put_entry(out, s, &items[own++], &scratch);
        bool overridden = own < n && i < s->kept_count && items[own].tag == s->kept[i].tag;
        if (i < s->kept_count && !overridden)
            put_kept(out, &s->kept[i]);
    }
    buf_free(&scratch);
}

int state_encode(const struct state *s, uint64_t version, struct buf *out, struct error *e)
{
    size_t most = s->schema->attribute_count + s->schema->aggregate_count + 3;
    struct outgoing *items = arena_alloc(s->arena, most * sizeof *items);
    if (!items)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    size_t n = collect(s, items), start = out->n;
    buf_byte(out, STATE_FORMAT);
    buf_u64le(out, version);
    put_entries(out, s, items, n);
    if (!buf_ok(out) || out->n - start > STATE_BLOB_MAX)
        return error_set(e, ERR_NOSPACE, "the customer's state would be over %d bytes", STATE_BLOB_MAX);
    return 0;
}

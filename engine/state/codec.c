/* The customer's blob: head and entries; see codec.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/codec.h"
#include "base/hash.h"
#include "state/aggregate_kinds.h"
#include "state/codec_lists.h"
#include "state/codec_v1.h"
#include "state/codec_value.h"
#include "state/coverage.h"
#include "state/former.h"
#include "state/identity.h"
#include "state/imports.h"
#include "state/journey.h"
#include "state/preferences.h"
#include "state/reactions.h"

enum { VERSION_RANDOM_BITS = 22 };

uint64_t state_version_make(int64_t wall_ms, uint64_t random)
{
    uint64_t v = (uint64_t)wall_ms << VERSION_RANDOM_BITS | (random & ((1u << VERSION_RANDOM_BITS) - 1));
    return v ? v : 1;
}

int64_t state_version_ms(uint64_t version)
{
    return (int64_t)(version >> VERSION_RANDOM_BITS);
}

uint64_t state_version(struct str blob)
{
    if (blob.n < 9)
        return 0;
    struct cursor c = cursor_of(blob.p + 1, 8);
    return cursor_u64le(&c);
}

uint32_t state_checksum(uint8_t format, uint64_t version, struct str entries)
{
    return (uint32_t)hash64_seed(entries.p, entries.n, version ^ format);
}

int state_empty(struct state *s, const struct schema *schema, struct arena *arena)
{
    *s = (struct state){.schema = schema, .arena = arena};
    s->attributes = arena_zalloc(arena, schema->attribute_count * sizeof *s->attributes);
    s->attribute_ms = arena_zalloc(arena, schema->attribute_count * sizeof *s->attribute_ms);
    s->aggregates = arena_zalloc(arena, schema->aggregate_count * sizeof *s->aggregates);
    return s->attributes && s->attribute_ms && s->aggregates ? 0 : ERR_NOSPACE;
}

void state_clear(struct state *s, int64_t forgotten_ms)
{
    const struct schema *schema = s->schema;
    memset(s->attributes, 0, schema->attribute_count * sizeof *s->attributes);
    memset(s->attribute_ms, 0, schema->attribute_count * sizeof *s->attribute_ms);
    memset(s->aggregates, 0, schema->aggregate_count * sizeof *s->aggregates);
    *s = (struct state){.schema = schema,
                        .arena = s->arena,
                        .version = s->version,
                        .attributes = s->attributes,
                        .attribute_ms = s->attribute_ms,
                        .aggregates = s->aggregates,
                        .forgotten_ms = forgotten_ms};
}

/* ---- what other policies keep ---- */

/* A list of twice the room with the same items. */
static void *doubled(struct arena *arena, const void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    uint32_t wanted = *capacity ? *capacity * 2 : 8;
    void *grown = arena_alloc(arena, wanted * size);
    if (!grown)
        return NULL;
    if (count)
        memcpy(grown, items, count * size);
    *capacity = wanted;
    return grown;
}

int state_keep(struct state *s, uint64_t tag, struct str payload)
{
    if (s->kept_count == s->kept_capacity) {
        struct raw_entry *kept = doubled(s->arena, s->kept, s->kept_count, &s->kept_capacity, sizeof *kept);
        if (!kept)
            return ERR_NOSPACE;
        s->kept = kept;
    }
    s->kept[s->kept_count++] = (struct raw_entry){tag, payload};
    return 0;
}

int state_keep_attribute(struct state *s, const struct kept_attribute *k)
{
    if (s->kept_attribute_count == s->kept_attribute_capacity) {
        struct kept_attribute *kept = doubled(s->arena, s->kept_attributes, s->kept_attribute_count,
                                              &s->kept_attribute_capacity, sizeof *kept);
        if (!kept)
            return ERR_NOSPACE;
        s->kept_attributes = kept;
    }
    s->kept_attributes[s->kept_attribute_count++] = *k;
    return 0;
}

/* ---- reading ---- */

/* The index of this policy's aggregate of that id and kind, or -1. */
static long own_aggregate(const struct schema *schema, unsigned kind, uint64_t id)
{
    uint32_t index = id < schema->id_limit ? schema->aggregate_of_id[id] : 0;
    if (index == 0 || kind != ENTRY_AGGREGATES + (unsigned)schema->aggregates[index - 1].kind)
        return -1;
    return (long)index - 1;
}

static int get_orphan(struct state *s, uint64_t tag, struct str payload)
{
    struct cursor c = cursor_of(payload.p, payload.n);
    uint8_t kind = cursor_byte(&c);
    (void)cursor_varint(&c);
    if (c.failed)
        return ERR_CORRUPT;
    long index = own_aggregate(s->schema, kind, tag_id(tag));
    if (index < 0 || s->aggregates[index].raw.p)
        return state_keep(s, tag, payload);
    s->aggregates[index].raw = (struct str){(const char *)c.p, cursor_left(&c)};
    return 0;
}

static int get_since(struct state *s, uint64_t tag, struct str payload)
{
    struct cursor c = cursor_of(payload.p, payload.n);
    int64_t since_ms = cursor_svarint(&c);
    if (c.failed || cursor_left(&c) || !time_ok(since_ms))
        return ERR_CORRUPT;
    uint64_t id = tag_id(tag);
    uint32_t index = id < s->schema->id_limit ? s->schema->aggregate_of_id[id] : 0;
    if (index == 0)
        return state_keep(s, tag, payload);
    s->aggregates[index - 1].since_ms = since_ms;
    return 0;
}

/* A time that is not 0, which says never. */
static int get_time(struct cursor *c, int64_t *ms)
{
    *ms = cursor_svarint(c);
    return c->failed || cursor_left(c) || !time_ok(*ms) || *ms == 0 ? ERR_CORRUPT : 0;
}

static int get_entry(struct state *s, uint64_t tag, struct str payload)
{
    struct cursor c = cursor_of(payload.p, payload.n);
    unsigned kind = tag_kind(tag);
    if (kind == ENTRY_ORPHAN)
        return get_orphan(s, tag, payload);
    if (kind == ENTRY_SINCE)
        return get_since(s, tag, payload);
    long index = own_aggregate(s->schema, kind, tag_id(tag));
    if (index >= 0) {
        s->aggregates[index].raw = payload;
        return 0;
    }
    if (tag_id(tag) != 0)
        return state_keep(s, tag, payload);
    switch (kind) {
    case ENTRY_ATTRIBUTES:
        return attributes_get(&c, s);
    case ENTRY_CONSENTS:
        return consents_get(&c, s);
    case ENTRY_CONTACTS:
        return contacts_get(&c, s);
    case ENTRY_SEEN:
        return seen_get(&c, s);
    case ENTRY_REACTIONS:
        return reactions_get(&c, s);
    case ENTRY_PREFERENCES:
        return preferences_get(&c, &s->preferences);
    case ENTRY_JOURNEY:
        return journey_get(&c, s);
    case ENTRY_TOUCHES:
        return touches_get(&c, s);
    case ENTRY_LOST:
        return get_time(&c, &s->lost_ms);
    case ENTRY_FORGOTTEN:
        return get_time(&c, &s->forgotten_ms);
    case ENTRY_IMPORTS:
        return imports_get(&c, s);
    case ENTRY_REDIRECT:
        return redirect_get(&c, s);
    case ENTRY_IDENTITIES:
        return identities_get(&c, s);
    case ENTRY_COVERAGE:
        s->coverage = payload;
        return coverage_ok(payload) ? 0 : ERR_CORRUPT;
    default:
        return state_keep(s, tag, payload);
    }
}

static int get_entries(struct state *s, struct cursor *c, struct str blob, struct error *e)
{
    bool first = true;
    for (uint64_t before = 0; cursor_left(c);) {
        size_t at = (size_t)((const char *)c->p - blob.p);
        uint64_t tag = cursor_varint(c), n = cursor_varint(c);
        const uint8_t *payload = n <= cursor_left(c) ? cursor_bytes(c, (size_t)n) : NULL;
        bool in_order = first || tag_order(tag) > before;
        if (!payload || c->failed || !in_order)
            return error_set(e, ERR_CORRUPT, "the customer's state is torn at byte %zu of %zu", at, blob.n);
        before = tag_order(tag);
        first = false;
        int rc = get_entry(s, tag, (struct str){(const char *)payload, (size_t)n});
        if (rc == ERR_NOSPACE)
            return error_set(e, rc, "the request's memory is full");
        if (rc)
            return error_set(e, ERR_CORRUPT, "the customer's state has an unreadable entry at byte %zu of %zu", at,
                             blob.n);
    }
    return 0;
}

static int decode_blob(struct state *s, const struct schema *schema, struct str blob, struct arena *arena, struct error *e)
{
    if (state_empty(s, schema, arena))
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    if (blob.n == 0)
        return 0;
    struct cursor c = cursor_of(blob.p, blob.n);
    uint8_t format = cursor_byte(&c);
    s->version = cursor_u64le(&c);
    if (format > STATE_FORMAT && !c.failed)
        return error_set(e, ERR_UNAVAILABLE,
                         "the customer's state has format %u, this version of the server reads up to %d", format,
                         STATE_FORMAT);
    if (c.failed || format == 0 || s->version == 0)
        return error_set(e, ERR_CORRUPT, "the customer's state is torn or foreign: no whole head in its %zu bytes",
                         blob.n);
    s->exists = true;
    if (format == 1)
        return state_decode_v1(s, &c, blob, e);
    uint32_t checksum = cursor_u32le(&c);
    struct str entries = {(const char *)c.p, cursor_left(&c)};
    if (c.failed || checksum != state_checksum(format, s->version, entries))
        return error_set(e, ERR_CORRUPT, "the customer's state is torn or foreign: its %zu bytes fail the checksum",
                         blob.n);
    int rc = get_entries(s, &c, blob, e);
    if (!rc && s->forgotten_ms)
        state_clear(s, s->forgotten_ms);
    return rc;
}

int state_decode(struct state *s, const struct schema *schema, struct str blob, struct arena *arena,
                 struct error *e)
{
    int rc = decode_blob(s, schema, blob, arena, e);
    if (!rc && schema->former_count && former_join(s))
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    return rc;
}

/* ---- writing ---- */

/* One of the schema's own entries, to be written. */
struct outgoing {
    uint64_t tag;
    uint32_t index;
};

static void put_payload(struct buf *out, const struct state *s, const struct outgoing *o)
{
    if (tag_is_aggregate(o->tag)) {
        const struct aggregate_state *a = &s->aggregates[o->index];
        if (a->raw.p && !a->changed)
            buf_str(out, a->raw);
        else
            aggregate_ops(s->schema->aggregates[o->index].kind)->put(out, a);
        return;
    }
    switch (tag_kind(o->tag)) {
    case ENTRY_ATTRIBUTES:
        attributes_put(out, s);
        break;
    case ENTRY_CONSENTS:
        consents_put(out, s);
        break;
    case ENTRY_CONTACTS:
        contacts_put(out, s);
        break;
    case ENTRY_SEEN:
        seen_put(out, s);
        break;
    case ENTRY_REACTIONS:
        reactions_put(out, s);
        break;
    case ENTRY_PREFERENCES:
        preferences_put(out, &s->preferences);
        break;
    case ENTRY_JOURNEY:
        journey_put(out, s);
        break;
    case ENTRY_TOUCHES:
        touches_put(out, s);
        break;
    case ENTRY_LOST:
        buf_svarint(out, s->lost_ms);
        break;
    case ENTRY_FORGOTTEN:
        buf_svarint(out, s->forgotten_ms);
        break;
    case ENTRY_IMPORTS:
        imports_put(out, s);
        break;
    case ENTRY_REDIRECT:
        redirect_put(out, s);
        break;
    case ENTRY_IDENTITIES:
        identities_put(out, s);
        break;
    case ENTRY_COVERAGE:
        buf_str(out, s->coverage);
        break;
    default: /* ENTRY_SINCE */
        buf_svarint(out, s->aggregates[o->index].since_ms);
    }
}

/* The length goes before the payload: one byte is left for it, and longer ones make room. */
static void put_entry(struct buf *out, const struct state *s, const struct outgoing *o)
{
    buf_varint(out, o->tag);
    size_t at = out->n;
    buf_byte(out, 0);
    put_payload(out, s, o);
    if (!buf_ok(out))
        return;
    size_t n = out->n - at - 1, more = 0;
    for (size_t left = n >> 7; left; left >>= 7)
        more++;
    if (more) {
        if (!buf_reserve(out, more))
            return;
        memmove(out->p + at + 1 + more, out->p + at + 1, n);
    }
    out->n = at;
    buf_varint(out, n);
    out->n += n;
}

/* The schema's own entries are nearly in order already: ids were given in its order. */
static void outgoing_sort(struct outgoing *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct outgoing item = items[i];
        size_t k = i;
        for (; k > 0 && tag_order(items[k - 1].tag) > tag_order(item.tag); k--)
            items[k] = items[k - 1];
        items[k] = item;
    }
}

static size_t collect(const struct state *s, struct outgoing *items)
{
    const struct schema *schema = s->schema;
    size_t n = 0;
    if (s->forgotten_ms) {
        items[0] = (struct outgoing){ENTRY_FORGOTTEN, 0};
        return 1;
    }
    if (attributes_any(s))
        items[n++] = (struct outgoing){ENTRY_ATTRIBUTES, 0};
    if (s->consent_count)
        items[n++] = (struct outgoing){ENTRY_CONSENTS, 0};
    if (s->contact_count)
        items[n++] = (struct outgoing){ENTRY_CONTACTS, 0};
    if (s->seen_count)
        items[n++] = (struct outgoing){ENTRY_SEEN, 0};
    if (s->reaction_count)
        items[n++] = (struct outgoing){ENTRY_REACTIONS, 0};
    if (preferences_any(&s->preferences))
        items[n++] = (struct outgoing){ENTRY_PREFERENCES, 0};
    if (s->journey.entered_ms)
        items[n++] = (struct outgoing){ENTRY_JOURNEY, 0};
    if (s->touch_count)
        items[n++] = (struct outgoing){ENTRY_TOUCHES, 0};
    if (s->lost_ms)
        items[n++] = (struct outgoing){ENTRY_LOST, 0};
    if (s->import_count)
        items[n++] = (struct outgoing){ENTRY_IMPORTS, 0};
    if (s->redirect.target.n)
        items[n++] = (struct outgoing){ENTRY_REDIRECT, 0};
    if (s->identity_count)
        items[n++] = (struct outgoing){ENTRY_IDENTITIES, 0};
    if (s->coverage.p)
        items[n++] = (struct outgoing){ENTRY_COVERAGE, 0};
    for (uint32_t i = 0; i < schema->aggregate_count; i++)
        if (s->aggregates[i].since_ms)
            items[n++] = (struct outgoing){state_tag(ENTRY_SINCE, schema->aggregates[i].id), i};
    for (uint32_t i = 0; i < schema->aggregate_count; i++) {
        const struct schema_aggregate *def = &schema->aggregates[i];
        if (!aggregate_empty(def->kind, &s->aggregates[i]))
            items[n++] = (struct outgoing){state_tag(ENTRY_AGGREGATES + (unsigned)def->kind, def->id), i};
    }
    outgoing_sort(items, n);
    return n;
}

static void put_kept(struct buf *out, const struct raw_entry *k)
{
    buf_varint(out, k->tag);
    buf_varint(out, k->payload.n);
    buf_str(out, k->payload);
}

/* Both lists are in order. */
static void put_entries(struct buf *out, const struct state *s, const struct outgoing *items, size_t n)
{
    size_t own = 0;
    for (uint32_t i = 0; i <= s->kept_count; i++) {
        uint64_t before = i < s->kept_count ? tag_order(s->kept[i].tag) : UINT64_MAX;
        while (own < n && tag_order(items[own].tag) < before)
            put_entry(out, s, &items[own++]);
        if (i < s->kept_count)
            put_kept(out, &s->kept[i]);
    }
}

int state_encode(const struct state *s, uint64_t version, struct buf *out, struct error *e)
{
    size_t most = 2 * s->schema->aggregate_count + 16;
    struct outgoing *items = arena_alloc(s->arena, most * sizeof *items);
    if (!items)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    size_t n = collect(s, items), start = out->n;
    buf_byte(out, STATE_FORMAT);
    buf_u64le(out, version);
    buf_u32le(out, 0);
    put_entries(out, s, items, n);
    if (!buf_ok(out) || out->n - start > STATE_BLOB_MAX)
        return error_set(e, ERR_NOSPACE, "the customer's state would be over %d bytes", STATE_BLOB_MAX);
    struct str entries = {(const char *)out->p + start + STATE_HEAD, out->n - start - STATE_HEAD};
    uint32_t checksum = state_checksum(STATE_FORMAT, version, entries);
    for (size_t i = 0; i < 4; i++)
        out->p[start + 9 + i] = (uint8_t)(checksum >> 8 * i);
    return 0;
}

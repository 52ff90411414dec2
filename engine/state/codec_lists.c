/* Attributes, consents, contacts and event ids in a blob; see codec.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/codec_lists.h"
#include "state/codec.h"
#include "state/codec_value.h"

enum { SEEN_GAP_MAX = 127 };

/* Room for the items that at most fit in the cursor, each at least `least` bytes, and a few more. */
static void *room(const struct cursor *c, size_t least, size_t size, uint32_t most, uint32_t *capacity,
                  struct arena *arena)
{
    size_t n = cursor_left(c) / least + 2;
    *capacity = (uint32_t)(n > most ? most : n);
    return arena_alloc(arena, *capacity * size);
}

/* ---- attributes ---- */

bool attributes_any(const struct state *s)
{
    for (size_t i = 0; i < s->schema->attribute_count; i++)
        if (s->attribute_ms[i])
            return true;
    return s->kept_attribute_count > 0;
}

/* Those of the schema that are there or were removed, by id: mostly they stand in that order. */
static uint32_t own_attributes(const struct state *s, uint16_t *order)
{
    const struct schema_field *fields = s->schema->attributes;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->schema->attribute_count; i++) {
        if (!s->attribute_ms[i])
            continue;
        uint32_t at = n++;
        for (; at > 0 && fields[order[at - 1]].id > fields[i].id; at--)
            order[at] = order[at - 1];
        order[at] = (uint16_t)i;
    }
    return n;
}

void attributes_put(struct buf *out, const struct state *s)
{
    uint16_t order[SCHEMA_ATTRIBUTES_MAX];
    uint32_t own = own_attributes(s, order), kept = 0, before = 0;
    int64_t time_ms = 0;
    for (uint32_t i = 0; i < own || kept < s->kept_attribute_count;) {
        uint32_t id = i < own ? s->schema->attributes[order[i]].id : UINT32_MAX;
        struct kept_attribute k = {0};
        if (kept < s->kept_attribute_count && s->kept_attributes[kept].id < id) {
            k = s->kept_attributes[kept++];
        } else {
            k = (struct kept_attribute){id, s->attributes[order[i]], s->attribute_ms[order[i]]};
            i++;
        }
        buf_varint(out, k.id - before);
        buf_svarint(out, k.time_ms - time_ms);
        value_put(out, k.value);
        before = k.id;
        time_ms = k.time_ms;
    }
}

/* A value of another type belongs to another policy's declaration: unknown here, kept for there. */
static int put_attribute(struct state *s, const struct kept_attribute *k)
{
    uint32_t index = k->id < s->schema->id_limit ? s->schema->attribute_of_id[k->id] : 0;
    if (index == 0 || (k->value.type != VALUE_UNKNOWN && k->value.type != s->schema->attributes[index - 1].type))
        return state_keep_attribute(s, k);
    s->attributes[index - 1] = k->value;
    s->attribute_ms[index - 1] = k->time_ms;
    return 0;
}

int attributes_get(struct cursor *c, struct state *s)
{
    struct kept_attribute k = {0};
    while (cursor_left(c) && !c->failed) {
        uint64_t gap = cursor_varint(c);
        if (gap == 0 || gap > NAMES_MAX - k.id ||
            __builtin_add_overflow(k.time_ms, cursor_svarint(c), &k.time_ms) || !time_ok(k.time_ms) ||
            k.time_ms == 0 || !value_get(c, &k.value))
            return ERR_CORRUPT;
        k.id += (uint32_t)gap;
        if (put_attribute(s, &k))
            return ERR_NOSPACE;
    }
    return c->failed ? ERR_CORRUPT : 0;
}

/* ---- contacts ---- */

/* Never more than is read again: a blob that we wrote ourselves must not be corrupt to us. */
static uint64_t expires_after(const struct contact *k)
{
    if (!k->expires_ms)
        return 0;
    int64_t after = k->expires_ms > k->time_ms ? k->expires_ms - k->time_ms : 0;
    return (uint64_t)(after < WINDOW_MAX_MS ? after : WINDOW_MAX_MS) + 1;
}

void contacts_put(struct buf *out, const struct state *s)
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

int contacts_get(struct cursor *c, struct state *s)
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

/* ---- consents ---- */

void consents_put(struct buf *out, const struct state *s)
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

int consents_get(struct cursor *c, struct state *s)
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

/* ---- event ids ---- */

/* A longer gap than the one of SEEN_GAP_MAX says as much: those before it are past the hour. */
void seen_put(struct buf *out, const struct state *s)
{
    for (uint32_t i = s->seen_count; i-- > 0;) {
        if (i == s->seen_count - 1) {
            buf_svarint(out, s->seen_minutes[i]);
        } else {
            uint32_t gap = s->seen_minutes[i + 1] - s->seen_minutes[i];
            buf_varint(out, gap < SEEN_GAP_MAX ? gap : SEEN_GAP_MAX);
        }
        buf_u64le(out, s->seen[i]);
    }
}

int seen_get(struct cursor *c, struct state *s)
{
    s->seen = room(c, 9, sizeof *s->seen, STATE_SEEN_MOST, &s->seen_capacity, s->arena);
    s->seen_minutes = arena_alloc(s->arena, s->seen_capacity * sizeof *s->seen_minutes);
    if (!s->seen || !s->seen_minutes)
        return ERR_NOSPACE;
    int64_t minute = 0;
    while (cursor_left(c) && !c->failed) {
        if (s->seen_count == 0) {
            minute = cursor_svarint(c);
        } else {
            uint64_t gap = cursor_varint(c);
            if (gap > SEEN_GAP_MAX)
                return ERR_CORRUPT;
            minute = minute > (int64_t)gap ? minute - (int64_t)gap : 0;
        }
        if (minute < 0 || minute > UINT32_MAX || s->seen_count == s->seen_capacity)
            return ERR_CORRUPT;
        s->seen_minutes[s->seen_count] = (uint32_t)minute;
        s->seen[s->seen_count++] = cursor_u64le(c);
    }
    for (uint32_t i = 0, k = s->seen_count; i + 1 < k; i++) { /* by arrival */
        k--;
        uint64_t hash = s->seen[i];
        uint32_t m = s->seen_minutes[i];
        s->seen[i] = s->seen[k];
        s->seen_minutes[i] = s->seen_minutes[k];
        s->seen[k] = hash;
        s->seen_minutes[k] = m;
    }
    return c->failed ? ERR_CORRUPT : 0;
}

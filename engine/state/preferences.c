/* What a person asked for themselves; see preferences.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/preferences.h"
#include "state/codec_value.h"

enum part { PART_CHANNEL = 1, PART_QUIET, PART_PAUSE, PART_LESS };

/* -1, 0, 1: a is less strict than b, the same, stricter. */
static int by_size(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int quiet_minutes(const struct preferences *p)
{
    if (p->quiet_from == PREFERENCE_NO_QUIET)
        return 0;
    int span = p->quiet_to - p->quiet_from;
    return span > 0 ? span : span + 24 * 60;
}

static int stricter_quiet(const struct preferences *a, const struct preferences *b)
{
    int order = by_size(quiet_minutes(a), quiet_minutes(b));
    return order ? order : by_size(b->quiet_from, a->quiet_from);
}

/* Fewer in the same time; nothing asked for is the least strict. */
static int stricter_less(const struct preferences *a, const struct preferences *b)
{
    if (!a->less_per_ms || !b->less_per_ms)
        return by_size(a->less_per_ms, b->less_per_ms);
    int order = by_size((int64_t)b->less_at_most * a->less_per_ms, (int64_t)a->less_at_most * b->less_per_ms);
    return order ? order : by_size(a->less_per_ms, b->less_per_ms);
}

static bool wins(int64_t fresh_ms, int64_t there_ms, int stricter)
{
    return fresh_ms && (fresh_ms > there_ms || (fresh_ms == there_ms && stricter > 0));
}

void preferences_set(struct state *s, const struct preferences *fresh)
{
    struct preferences *p = &s->preferences;
    if (wins(fresh->channel_ms, p->channel_ms, by_size(fresh->channel, p->channel))) {
        p->channel = fresh->channel;
        p->channel_ms = fresh->channel_ms;
    }
    if (wins(fresh->quiet_ms, p->quiet_ms, stricter_quiet(fresh, p))) {
        p->quiet_from = fresh->quiet_from;
        p->quiet_to = fresh->quiet_to;
        p->quiet_ms = fresh->quiet_ms;
    }
    if (wins(fresh->pause_ms, p->pause_ms, by_size(fresh->paused_until_ms, p->paused_until_ms))) {
        p->paused_until_ms = fresh->paused_until_ms;
        p->pause_ms = fresh->pause_ms;
    }
    if (wins(fresh->less_ms, p->less_ms, stricter_less(fresh, p))) {
        p->less_at_most = fresh->less_at_most;
        p->less_per_ms = fresh->less_per_ms;
        p->less_ms = fresh->less_ms;
    }
}

bool preferences_any(const struct preferences *p)
{
    return p->channel_ms || p->quiet_ms || p->pause_ms || p->less_ms;
}

static void put_head(struct buf *out, enum part part, int64_t set_ms)
{
    buf_byte(out, (uint8_t)part);
    buf_svarint(out, set_ms);
}

void preferences_put(struct buf *out, const struct preferences *p)
{
    if (p->channel_ms) {
        put_head(out, PART_CHANNEL, p->channel_ms);
        buf_varint(out, p->channel);
    }
    if (p->quiet_ms) {
        put_head(out, PART_QUIET, p->quiet_ms);
        buf_varint(out, (uint64_t)p->quiet_from);
        buf_varint(out, (uint64_t)p->quiet_to);
    }
    if (p->pause_ms) {
        put_head(out, PART_PAUSE, p->pause_ms);
        buf_svarint(out, p->paused_until_ms);
    }
    if (p->less_ms) {
        put_head(out, PART_LESS, p->less_ms);
        buf_varint(out, p->less_at_most);
        buf_varint(out, (uint64_t)(p->less_per_ms / 60000));
    }
}

static bool get_less(struct cursor *c, struct preferences *p)
{
    uint64_t at_most = cursor_varint(c), minutes = cursor_varint(c);
    if (at_most > PREFERENCE_LESS_MAX || minutes > (uint64_t)(PREFERENCE_PER_MAX_MS / 60000))
        return false;
    p->less_at_most = (uint32_t)at_most;
    p->less_per_ms = (int64_t)minutes * 60000;
    return true;
}

static bool get_quiet(struct cursor *c, struct preferences *p)
{
    uint64_t from = cursor_varint(c), to = cursor_varint(c);
    p->quiet_from = (int16_t)from;
    p->quiet_to = (int16_t)to;
    bool none = from == PREFERENCE_NO_QUIET && to == PREFERENCE_NO_QUIET;
    return none || (from < PREFERENCE_NO_QUIET && to < PREFERENCE_NO_QUIET && from != to);
}

int preferences_get(struct cursor *c, struct preferences *p)
{
    int before = 0;
    while (cursor_left(c) && !c->failed) {
        int part = cursor_byte(c);
        int64_t set_ms = cursor_svarint(c);
        bool good = part > before && set_ms != 0 && time_ok(set_ms);
        before = part;
        if (part == PART_CHANNEL) {
            uint64_t channel = cursor_varint(c);
            good = good && channel <= NAMES_MAX;
            p->channel = (uint32_t)channel;
            p->channel_ms = set_ms;
        } else if (part == PART_QUIET) {
            good = good && get_quiet(c, p);
            p->quiet_ms = set_ms;
        } else if (part == PART_PAUSE) {
            p->paused_until_ms = cursor_svarint(c);
            good = good && time_ok(p->paused_until_ms);
            p->pause_ms = set_ms;
        } else if (part == PART_LESS) {
            good = good && get_less(c, p);
            p->less_ms = set_ms;
        } else {
            good = false;
        }
        if (!good)
            return ERR_CORRUPT;
    }
    return c->failed ? ERR_CORRUPT : 0;
}

/* Where a customer is on their way; see journey.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/journey.h"
#include "state/aggregate_kinds.h"
#include "state/codec_value.h"

#define SECONDS_MAX (TIMESTAMP_MAX_MS / 1000)

static int touch_order(const struct touch *a, const struct touch *b)
{
    if (a->second != b->second)
        return a->second < b->second ? -1 : 1;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return (a->channel > b->channel) - (a->channel < b->channel);
}

static void insert(struct state *s, struct touch t)
{
    uint32_t at = s->touch_count;
    int order = 1;
    while (at > 0 && (order = touch_order(&s->touches[at - 1], &t)) > 0)
        at--;
    if (at > 0 && order == 0)
        return;
    if (s->touch_count == STATE_TOUCHES_MAX) {
        if (at == 0)
            return; /* older than all that are kept */
        memmove(s->touches, s->touches + 1, (at - 1) * sizeof t);
        s->touches[at - 1] = t;
        return;
    }
    memmove(s->touches + at + 1, s->touches + at, (s->touch_count - at) * sizeof t);
    s->touches[at] = t;
    s->touch_count++;
}

void touch_add(struct state *s, uint32_t id, uint32_t channel, int64_t time_ms)
{
    insert(s, (struct touch){ms_floor(time_ms, 1000), id, channel});
}

bool touch_followed(const struct state *s, uint32_t a, uint32_t b, int64_t within_ms)
{
    for (uint32_t i = 0; i < s->touch_count; i++)
        for (uint32_t k = 0; s->touches[i].id == a && k < s->touch_count; k++) {
            int64_t apart = s->touches[k].second - s->touches[i].second;
            if (k != i && s->touches[k].id == b && apart > 0 && apart * 1000 <= within_ms)
                return true;
        }
    return false;
}

void journey_merge(struct state *into, const struct state *from)
{
    if (from->journey.stage && (!into->journey.stage || from->journey.entered_ms > into->journey.entered_ms))
        into->journey = from->journey;
    for (uint32_t i = 0; i < from->touch_count; i++)
        insert(into, from->touches[i]);
}

void journey_put(struct buf *out, const struct state *s)
{
    buf_varint(out, s->journey.stage);
    buf_svarint(out, s->journey.entered_ms);
    buf_varint(out, s->journey.previous);
}

int journey_get(struct cursor *c, struct state *s)
{
    uint64_t stage = cursor_varint(c);
    int64_t entered_ms = cursor_svarint(c);
    uint64_t previous = cursor_varint(c);
    if (c->failed || cursor_left(c) || stage > NAMES_MAX || previous > NAMES_MAX || !time_ok(entered_ms))
        return ERR_CORRUPT;
    s->journey = (struct journey){(uint32_t)stage, (uint32_t)previous, entered_ms};
    return 0;
}

void touches_put(struct buf *out, const struct state *s)
{
    for (uint32_t i = s->touch_count; i-- > 0;) {
        const struct touch *t = &s->touches[i];
        if (i == s->touch_count - 1)
            buf_svarint(out, t->second);
        else
            buf_varint(out, (uint64_t)(s->touches[i + 1].second - t->second));
        buf_varint(out, t->id);
        buf_varint(out, t->channel);
    }
}

int touches_get(struct cursor *c, struct state *s)
{
    struct touch read[STATE_TOUCHES_MAX];
    uint32_t n = 0;
    for (int64_t second = 0; cursor_left(c) && !c->failed; n++) {
        if (n == STATE_TOUCHES_MAX)
            return ERR_CORRUPT;
        if (n == 0) {
            second = cursor_svarint(c);
        } else {
            uint64_t back = cursor_varint(c);
            if (back > (uint64_t)SECONDS_MAX)
                return ERR_CORRUPT;
            second -= (int64_t)back;
        }
        uint64_t id = cursor_varint(c), channel = cursor_varint(c);
        if (second > SECONDS_MAX || second < -SECONDS_MAX || id == 0 || id > NAMES_MAX || channel > NAMES_MAX)
            return ERR_CORRUPT;
        read[n] = (struct touch){second, (uint32_t)id, (uint32_t)channel};
        if (n > 0 && touch_order(&read[n], &read[n - 1]) >= 0)
            return ERR_CORRUPT;
    }
    for (uint32_t i = 0; i < n; i++)
        s->touches[i] = read[n - 1 - i];
    s->touch_count = n;
    return c->failed ? ERR_CORRUPT : 0;
}

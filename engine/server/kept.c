/* Kept decisions; see kept.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/kept.h"

enum { FORMAT = 1, HEAD_BYTES = 12 };

int kept_write(const struct kept *k, struct arena *arena, struct str *out)
{
    size_t n = HEAD_BYTES + k->channel.n + k->decision.n;
    uint8_t *p = arena_alloc(arena, n);
    if (!p)
        return ERR_NOSPACE;
    p[0] = FORMAT;
    p[1] = (uint8_t)k->mode;
    p[2] = k->choices;
    for (int i = 0; i < 8; i++)
        p[3 + i] = (uint8_t)(k->digest >> (8 * i));
    p[11] = (uint8_t)k->channel.n;
    memcpy(p + HEAD_BYTES, k->channel.p, k->channel.n);
    memcpy(p + HEAD_BYTES + k->channel.n, k->decision.p, k->decision.n);
    *out = (struct str){(const char *)p, n};
    return 0;
}

bool kept_read(struct str record, struct kept *out)
{
    struct cursor c = cursor_of(record.p, record.n);
    uint8_t format = cursor_byte(&c);
    out->mode = (enum decide_mode)cursor_byte(&c);
    out->choices = cursor_byte(&c);
    out->digest = cursor_u64le(&c);
    size_t n = cursor_byte(&c);
    out->channel = (struct str){(const char *)cursor_bytes(&c, n), n};
    out->decision = (struct str){(const char *)c.p, cursor_left(&c)};
    return !c.failed && format == FORMAT;
}

static uint64_t add_text(uint64_t h, struct str s)
{
    return hash64_seed(s.p ? s.p : "", s.n, h + 1);
}

uint64_t kept_digest(const struct decide_request *r)
{
    uint64_t h = hash64_seed(&r->max_actions, sizeof r->max_actions, r->placement_count);
    h = add_text(h, r->locale);
    for (size_t i = 0; i < r->placement_count; i++)
        h = add_text(h, r->placements[i]);
    for (size_t i = 0; i < r->signal_count; i++)
        h = hash64_seed(&r->signals[i].event, sizeof r->signals[i].event, h);
    return h;
}

/* How a customer took what was shown before; see reactions.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/reactions.h"
#include "state/aggregate_kinds.h"

enum { FLAG_ANSWERED = 16, SHOWS_MASK = 15, REACTION_BYTES_LEAST = 4 };

#define SECONDS_MAX (TIMESTAMP_MAX_MS / 1000)

static int64_t seconds_of(int64_t ms)
{
    return ms_floor(ms, 1000);
}

const struct reaction *reaction_find(const struct state *s, uint32_t id)
{
    for (uint32_t i = 0; i < s->reaction_count; i++)
        if (s->reactions[i].id == id)
            return &s->reactions[i];
    return NULL;
}

/* When something was last heard of it. */
static int64_t latest_s(const struct reaction *r)
{
    int64_t latest = r->show_count ? r->shows[r->show_count - 1] : INT64_MIN;
    return r->answered && r->answered_s > latest ? r->answered_s : latest;
}

static void drop(struct state *s, uint32_t at)
{
    memmove(s->reactions + at, s->reactions + at + 1, (s->reaction_count - at - 1) * sizeof *s->reactions);
    s->reaction_count--;
}

/* Of which nothing was heard the longest; ties by id. */
static uint32_t oldest_of(const struct state *s)
{
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < s->reaction_count; i++)
        if (latest_s(&s->reactions[i]) < latest_s(&s->reactions[oldest]))
            oldest = i;
    return oldest;
}

/* The entry of an id of which something was heard at time_s, made when there is none; NULL when there is no room for one that
 * old. ERR_NOSPACE when the arena is full. */
static int reaction_of(struct state *s, uint32_t id, int64_t time_s, struct reaction **out)
{
    uint32_t at = 0;
    *out = NULL;
    while (at < s->reaction_count && s->reactions[at].id < id)
        at++;
    if (at < s->reaction_count && s->reactions[at].id == id) {
        *out = &s->reactions[at];
        return 0;
    }
    if (s->reaction_count == REACTIONS_MAX) {
        uint32_t oldest = oldest_of(s);
        int64_t least_s = latest_s(&s->reactions[oldest]);
        if (time_s < least_s || (time_s == least_s && id < s->reactions[oldest].id))
            return 0;
        drop(s, oldest);
        at -= at > oldest;
    }
    if (s->reaction_count == s->reaction_capacity) {
        uint32_t capacity = s->reaction_capacity ? s->reaction_capacity * 2 : 8;
        struct reaction *grown = arena_alloc(s->arena, capacity * sizeof *grown);
        if (!grown)
            return ERR_NOSPACE;
        if (s->reaction_count)
            memcpy(grown, s->reactions, s->reaction_count * sizeof *grown);
        s->reactions = grown;
        s->reaction_capacity = capacity;
    }
    memmove(s->reactions + at + 1, s->reactions + at, (s->reaction_count - at) * sizeof *s->reactions);
    s->reactions[at] = (struct reaction){.id = id};
    s->reaction_count++;
    *out = &s->reactions[at];
    return 0;
}

/* Shows before the answer say nothing more, but for the latest of all. */
static void settle(struct reaction *r)
{
    uint8_t gone = 0;
    while (r->answered && gone + 1 < r->show_count && r->shows[gone] <= r->answered_s)
        gone++;
    memmove(r->shows, r->shows + gone, (size_t)(r->show_count - gone) * sizeof r->shows[0]);
    r->show_count = (uint8_t)(r->show_count - gone);
}

static void add_show(struct reaction *r, int64_t s)
{
    uint8_t at = r->show_count;
    while (at > 0 && r->shows[at - 1] > s)
        at--;
    if (r->show_count == REACTION_SHOWS_MAX) {
        if (at == 0)
            return; /* older than all that are kept */
        memmove(r->shows, r->shows + 1, (size_t)(at - 1) * sizeof r->shows[0]);
        r->shows[at - 1] = s;
    } else {
        memmove(r->shows + at + 1, r->shows + at, (size_t)(r->show_count - at) * sizeof r->shows[0]);
        r->shows[at] = s;
        r->show_count++;
    }
    settle(r);
}

static void count(uint32_t *n, uint32_t more)
{
    *n = *n > UINT32_MAX - more ? UINT32_MAX : *n + more;
}

int reaction_shown(struct state *s, uint32_t id, int64_t time_ms)
{
    struct reaction *r;
    int rc = reaction_of(s, id, seconds_of(time_ms), &r);
    if (!r)
        return rc;
    count(&r->shown, 1);
    add_show(r, seconds_of(time_ms));
    return 0;
}

static void answer_at(struct reaction *r, int64_t s)
{
    if (!r->answered || s > r->answered_s)
        r->answered_s = s;
    r->answered = true;
    settle(r);
}

int reaction_answered(struct state *s, uint32_t id, enum contact_outcome outcome, int64_t time_ms)
{
    struct reaction *r;
    int rc = reaction_of(s, id, seconds_of(time_ms), &r);
    if (!r)
        return rc;
    count(outcome == CONTACT_RESPONSE     ? &r->responded
          : outcome == CONTACT_CONVERSION ? &r->converted
                                          : &r->rejected,
          1);
    answer_at(r, seconds_of(time_ms));
    return 0;
}

/* ---- reading ---- */

struct value reaction_age(const struct reaction *r, int64_t now_ms)
{
    if (!r || !r->show_count)
        return value_duration(DURATION_MAX_MS);
    int64_t age_ms = now_ms - r->shows[r->show_count - 1] * 1000;
    return value_duration(age_ms < DURATION_MAX_MS ? age_ms : DURATION_MAX_MS);
}

/* When a show counts as ignored; INT64_MAX: it does not. */
static int64_t ignored_at(const struct reaction *r, int64_t show_s)
{
    return r->answered && show_s <= r->answered_s ? INT64_MAX : show_s * 1000 + REACTION_PATIENCE_MS;
}

int64_t reaction_ignored(const struct reaction *r, int64_t now_ms)
{
    int64_t n = 0;
    for (uint8_t i = 0; r && i < r->show_count; i++)
        n += ignored_at(r, r->shows[i]) <= now_ms;
    return n;
}

int64_t reaction_next_ignored(const struct reaction *r, int64_t t_ms)
{
    for (uint8_t i = 0; r && i < r->show_count; i++)
        if (ignored_at(r, r->shows[i]) > t_ms)
            return ignored_at(r, r->shows[i]);
    return INT64_MAX;
}

/* ---- all of a customer ---- */

static void add_reaction(struct reaction *a, const struct reaction *b)
{
    count(&a->shown, b->shown);
    count(&a->responded, b->responded);
    count(&a->converted, b->converted);
    count(&a->rejected, b->rejected);
    if (b->answered)
        answer_at(a, b->answered_s);
    for (uint8_t k = 0; k < b->show_count; k++)
        add_show(a, b->shows[k]);
}

/* What both have first, so that it is as new as it is in either when room runs out. */
int reactions_merge(struct state *into, const struct state *from)
{
    for (int both = 1; both >= 0; both--)
        for (uint32_t i = 0; i < from->reaction_count; i++) {
            const struct reaction *b = &from->reactions[i];
            struct reaction *a;
            if ((reaction_find(into, b->id) != NULL) != both)
                continue;
            if (reaction_of(into, b->id, latest_s(b), &a))
                return ERR_NOSPACE;
            if (a)
                add_reaction(a, b);
        }
    return 0;
}

void reactions_prune(struct state *s, int64_t now_ms)
{
    for (uint32_t i = s->reaction_count; i-- > 0;)
        if (latest_s(&s->reactions[i]) < seconds_of(now_ms - STATE_STALE_MS))
            drop(s, i);
}

void reactions_put(struct buf *out, const struct state *s)
{
    uint32_t before = 0;
    for (uint32_t i = 0; i < s->reaction_count; i++) {
        const struct reaction *r = &s->reactions[i];
        buf_varint(out, r->id - before);
        buf_varint(out, r->shown);
        buf_byte(out, (uint8_t)(r->show_count | (r->answered ? FLAG_ANSWERED : 0)));
        for (uint8_t k = r->show_count; k-- > 0;) {
            if (k == r->show_count - 1)
                buf_svarint(out, r->shows[k]);
            else
                buf_varint(out, (uint64_t)(r->shows[k + 1] - r->shows[k]));
        }
        if (r->answered) {
            buf_svarint(out, r->answered_s);
            buf_varint(out, r->responded);
            buf_varint(out, r->converted);
            buf_varint(out, r->rejected);
        }
        before = r->id;
    }
}

static bool get_count(struct cursor *c, uint32_t *out)
{
    uint64_t n = cursor_varint(c);
    *out = (uint32_t)n;
    return !c->failed && n <= UINT32_MAX;
}

static bool second_ok(int64_t s)
{
    return s >= -SECONDS_MAX && s <= SECONDS_MAX;
}

static bool get_shows(struct cursor *c, struct reaction *r)
{
    for (uint8_t k = r->show_count; k-- > 0;) {
        if (k == r->show_count - 1) {
            r->shows[k] = cursor_svarint(c);
        } else {
            uint64_t gap = cursor_varint(c);
            if (gap > (uint64_t)SECONDS_MAX)
                return false;
            r->shows[k] = r->shows[k + 1] - (int64_t)gap;
        }
        if (!second_ok(r->shows[k]))
            return false;
    }
    return !c->failed;
}

int reactions_get(struct cursor *c, struct state *s)
{
    size_t most = cursor_left(c) / REACTION_BYTES_LEAST + 1;
    s->reaction_capacity = (uint32_t)(most < REACTIONS_MAX ? most : REACTIONS_MAX);
    s->reactions = arena_alloc(s->arena, s->reaction_capacity * sizeof *s->reactions);
    if (!s->reactions)
        return ERR_NOSPACE;
    for (uint32_t id = 0; cursor_left(c) && !c->failed;) {
        struct reaction r = {0};
        uint64_t gap = cursor_varint(c);
        if (gap == 0 || gap > NAMES_MAX - id || !get_count(c, &r.shown) || s->reaction_count == s->reaction_capacity)
            return ERR_CORRUPT;
        r.id = id += (uint32_t)gap;
        uint8_t flags = cursor_byte(c);
        r.show_count = flags & SHOWS_MASK;
        r.answered = flags & FLAG_ANSWERED;
        if (flags & ~(SHOWS_MASK | FLAG_ANSWERED) || r.show_count > REACTION_SHOWS_MAX || !get_shows(c, &r))
            return ERR_CORRUPT;
        if (r.answered) {
            r.answered_s = cursor_svarint(c);
            if (!second_ok(r.answered_s) || !get_count(c, &r.responded) || !get_count(c, &r.converted) ||
                !get_count(c, &r.rejected))
                return ERR_CORRUPT;
        }
        s->reactions[s->reaction_count++] = r;
    }
    return c->failed ? ERR_CORRUPT : 0;
}

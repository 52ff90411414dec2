/* Blobs from events; see build.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/import/build.h"
#include "decide/apply.h"
#include "decide/journey.h"
#include "state/codec.h"
#include "state/imports.h"
#include "state/merge.h"

enum { MEMORY_MAX = 256 << 20, TURNOVER_EVENTS = 256 };

void import_builder_init(struct import_builder *b, const struct policy *policy, uint64_t content, int64_t until_ms)
{
    *b = (struct import_builder){.policy = policy, .content = content, .until_ms = until_ms};
    arena_init(&b->arena, MEMORY_MAX);
    arena_init(&b->known, MEMORY_MAX);
    arena_init(&b->scratch, MEMORY_MAX);
    buf_init(&b->turned, STATE_BLOB_MAX + 64);
}

void import_builder_free(struct import_builder *b)
{
    arena_free(&b->arena);
    arena_free(&b->known);
    arena_free(&b->scratch);
    buf_free(&b->turned);
}

/* Moves the ids that the state has seen aside, so that those of an old history do not push them out. */
static int take_known(struct import_builder *b, struct state *s, struct state *known)
{
    arena_reset(&b->known);
    if (state_empty(known, s->schema, &b->known))
        return ERR_NOSPACE;
    if (s->seen_count == 0)
        return 0;
    known->seen = arena_memdup(&b->known, s->seen, s->seen_count * sizeof *s->seen);
    known->seen_minutes = arena_memdup(&b->known, s->seen_minutes, s->seen_count * sizeof *s->seen_minutes);
    known->seen_count = known->seen_capacity = s->seen_count;
    s->seen = NULL;
    s->seen_minutes = NULL;
    s->seen_count = s->seen_capacity = 0;
    return known->seen && known->seen_minutes ? 0 : ERR_NOSPACE;
}

/* Nothing that the state knows of the customer's way is later. */
static int64_t way_known_until(const struct state *s, const struct state *known)
{
    int64_t minute = known->seen_count ? known->seen_minutes[known->seen_count - 1] : 0;
    int64_t seen_ms = minute * 60000; /* rounded up */
    return seen_ms > s->journey.entered_ms ? seen_ms : s->journey.entered_ms;
}

/* Through its blob, so that a long history needs no more memory than a short one. */
static int turn_over(struct import_builder *b, struct state *s, int64_t now_ms, struct error *e)
{
    buf_clear(&b->turned);
    state_prune(s, now_ms);
    uint64_t version = s->version;
    bool exists = s->exists;
    int rc = state_encode(s, 1, &b->turned, e);
    if (rc)
        return rc;
    arena_reset(&b->arena);
    struct str blob = arena_str(&b->arena, (struct str){(const char *)b->turned.p, b->turned.n});
    rc = blob.p ? state_decode(s, &b->policy->schema, blob, &b->arena, e)
                : error_set(e, ERR_NOSPACE, "the state does not fit the memory");
    s->version = version;
    s->exists = exists;
    return rc;
}

/* Applies them all: 0, or the code of the event *at. */
static int apply_all(struct import_builder *b, const struct import_customer *c, const struct state *known, struct state *s,
                     size_t *at, struct error *e)
{
    int64_t steps_from_ms = way_known_until(s, known);
    for (size_t i = 0; i < c->count; i++) {
        struct import_event event;
        *at = i;
        if (c->failed[i])
            continue;
        arena_reset(&b->scratch);
        import_event_head(c->events[i].event, &event);
        int rc = import_event_apply(&event, b->policy, known, s, &b->scratch, e);
        if (rc < 0)
            return rc;
        if (event.time_ms >= steps_from_ms && journey_step(b->policy, s, event.time_ms, &b->scratch) < 0)
            return error_set(e, ERR_NOSPACE, "the state does not fit the memory");
        if ((i + 1) % TURNOVER_EVENTS == 0 && (rc = turn_over(b, s, event.time_ms, e)))
            return rc;
    }
    return 0;
}

/* Of somebody who was forgotten nothing is taken before a consent that was given after it; without one, nothing at all. */
static int begin_anew(const struct import_customer *c, struct state *s,
                      void (*refused)(void *ctx, const uint8_t *event, const char *why), void *ctx, struct error *e)
{
    size_t first = 0;
    int rc = apply_refuse_forgotten(s, e);
    for (; rc && first < c->count; first++) {
        struct import_event event;
        import_event_head(c->events[first].event, &event);
        if (!c->failed[first] && import_event_ends_forgotten(&event, s->forgotten_ms))
            break;
    }
    if (!rc || first == c->count)
        return rc;
    for (size_t i = 0; i < first; i++)
        if (!c->failed[i]) {
            c->failed[i] = 1;
            refused(ctx, c->events[i].event, e->text);
        }
    state_clear(s, 0);
    return 0;
}

static enum import_built refuse_all(int code, struct error *e)
{
    if (code == ERR_NOSPACE)
        error_prefix(e, "all of this customer's lines");
    return IMPORT_REFUSED;
}

enum import_built import_build(struct import_builder *b, struct import_customer *c, struct str blob, uint64_t version,
                               struct buf *out, uint64_t *expected,
                               void (*refused)(void *ctx, const uint8_t *event, const char *why), void *ctx, struct error *e)
{
    uint64_t mark = import_mark(b->content, c->id);
    for (;;) { /* ends: each turn but the last leaves out one event more */
        struct state s, known;
        size_t at = 0;
        arena_reset(&b->arena);
        int rc = state_decode(&s, &b->policy->schema, blob, &b->arena, e);
        if (rc)
            return refuse_all(rc, e);
        if (s.redirect.under_way)
            return refuse_all(error_set(e, ERR_CONFLICT,
                                        "this customer is being merged with another, and no server has ended it yet: ask one for "
                                        "the customer, then import again"),
                              e);
        if (s.redirect.target.n) {
            buf_str(out, s.redirect.target);
            return IMPORT_ELSEWHERE;
        }
        (void)policy_expire(b->policy, &s, state_version_ms(version));
        if (imports_have(&s, mark))
            return IMPORT_BEFORE;
        rc = begin_anew(c, &s, refused, ctx, e);
        if (rc)
            return refuse_all(rc, e);
        *expected = s.version;
        if (take_known(b, &s, &known))
            return refuse_all(error_set(e, ERR_NOSPACE, "the state does not fit the memory"), e);
        rc = apply_all(b, c, &known, &s, &at, e);
        if (rc == ERR_CORRUPT)
            return refuse_all(rc, e);
        if (rc) {
            c->failed[at] = 1;
            refused(ctx, c->events[at].event, e->text);
            continue;
        }
        if (known.seen_count && state_merge(&s, &known, b->until_ms))
            return refuse_all(error_set(e, ERR_NOSPACE, "the state does not fit the memory"), e);
        if (imports_add(&s, mark, b->until_ms) < 0)
            return refuse_all(error_set(e, ERR_NOSPACE, "the state does not fit the memory"), e);
        state_prune(&s, b->until_ms);
        rc = state_encode(&s, version, out, e);
        return rc ? refuse_all(rc, e) : IMPORT_BUILT;
    }
}

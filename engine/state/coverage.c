/* Which aggregates counted a customer's events; see coverage.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "state/coverage.h"

static bool id_is_aggregate(const struct schema *s, uint32_t id)
{
    return id < s->id_limit && s->aggregate_of_id[id];
}

int coverage_make(struct schema *s)
{
    struct buf b;
    buf_init(&b, 64 * 1024);
    for (uint32_t id = 1, end = 0; id < s->id_limit; id++) {
        if (!id_is_aggregate(s, id))
            continue;
        uint32_t n = 1;
        while (id_is_aggregate(s, id + n))
            n++;
        buf_varint(&b, id - end);
        buf_varint(&b, n);
        end = id + n;
        id = end;
    }
    s->coverage = buf_ok(&b) ? arena_str(s->arena, (struct str){(const char *)b.p, b.n}) : (struct str){0};
    buf_free(&b);
    return s->coverage.p ? 0 : ERR_NOSPACE;
}

bool coverage_ok(struct str coverage)
{
    struct cursor c = cursor_of(coverage.p, coverage.n);
    for (uint64_t end = 0; cursor_left(&c) && !c.failed;) {
        uint64_t gap = cursor_varint(&c), n = cursor_varint(&c);
        if (gap > NAMES_MAX || n > NAMES_MAX || n == 0)
            return false;
        end += gap + n;
        if (end > (uint64_t)NAMES_MAX + 1)
            return false;
    }
    return !c.failed;
}

static bool covers(struct str coverage, uint32_t id)
{
    struct cursor c = cursor_of(coverage.p, coverage.n);
    for (uint64_t end = 0; cursor_left(&c) && !c.failed;) {
        uint64_t first = end + cursor_varint(&c);
        end = first + cursor_varint(&c);
        if (id < end)
            return id >= first;
    }
    return false;
}

/* Under whatever name: what lies under another is joined. */
static bool covers_aggregate(const struct state *s, size_t aggregate)
{
    const struct schema *schema = s->schema;
    bool covered = covers(s->coverage, schema->aggregates[aggregate].id);
    for (size_t i = 0; i < schema->former_count && !covered; i++)
        covered = schema->formers[i].what == FORMER_AGGREGATE && schema->formers[i].index == aggregate &&
                  covers(s->coverage, schema->formers[i].id);
    return covered;
}

bool coverage_has(const struct state *s, size_t aggregate)
{
    return !s->coverage.p || str_eq(s->coverage, s->schema->coverage) || covers_aggregate(s, aggregate);
}

void coverage_adopt(struct state *s, int64_t now_ms)
{
    if (s->coverage.p && str_eq(s->coverage, s->schema->coverage))
        return;
    for (size_t k = 0; s->coverage.p && k < s->schema->aggregate_count; k++)
        if (!covers_aggregate(s, k))
            s->aggregates[k].since_ms = now_ms;
    s->coverage = s->schema->coverage;
}

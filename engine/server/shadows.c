/* Shadows; see shadows.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/shadows.h"
#include "decide/shadow.h"

enum {
    SHADOW_RESERVE = 1 << 20, /* for what all shadows leave in the record, and for head and meta */
    DECISION_FORMS = 6        /* the record and the answer hold its bytes, and the answer unpacks it: at most so many times them */
};

enum { ENTRY_WORD = sizeof ((struct shadow_stats *)0)->entry };

struct shadow_of {
    const struct lineup_binding *binding;
    size_t at;
};

static int score(const void *ctx, struct expr_eval *ev, const uint32_t *actions, size_t count, struct arena *arena,
                 struct model_score *out, struct error *e)
{
    const struct shadow_of *s = ctx;
    return lineup_shadow_score(s->binding, s->at, ev, actions, count, arena, out, e);
}

/* A place that no bundle has, or that of the bundle that was used last the longest ago, of those that do not serve; or NULL. */
static struct shadow_stats *place_for_new(struct worker_stats *stats)
{
    struct shadow_stats *oldest = NULL;
    for (size_t i = 0; i < WORKER_SHADOWS_MAX; i++) {
        struct shadow_stats *c = &stats->shadows[i];
        if (!c->id[0])
            return c;
        if (!c->serves && (!oldest || c->used < oldest->used))
            oldest = c;
    }
    return oldest;
}

/* An entry's name as part of a word. */
static void entry_word(char out[ENTRY_WORD], struct str entry)
{
    size_t n = entry.n < ENTRY_WORD - 1 ? entry.n : ENTRY_WORD - 1;
    for (size_t i = 0; i < n; i++) {
        char c = entry.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
        out[i] = plain ? c : '_';
    }
    out[n] = 0;
}

static bool is_of(const struct shadow_stats *c, const struct lineup_shadow *s)
{
    char entry[ENTRY_WORD];
    if (strcmp(c->id, s->bundle_id) != 0)
        return false;
    entry_word(entry, s->entry);
    return strcmp(c->entry, entry) == 0;
}

/* The counts of a shadow, by its bundle and entry; NULL when too many of them serve. */
static struct shadow_stats *stats_of(struct op *op, const struct lineup_shadow *s)
{
    struct worker_stats *stats = worker_stats_of(op->worker);
    struct shadow_stats *c = NULL;
    stats->shadow_uses++;
    for (size_t i = 0; i < WORKER_SHADOWS_MAX && !c; i++)
        if (is_of(&stats->shadows[i], s))
            c = &stats->shadows[i];
    if (!c && (c = place_for_new(stats))) {
        *c = (struct shadow_stats){.serves = op->snapshot == worker_snapshot(op->worker)};
        snprintf(c->id, sizeof c->id, "%s", s->bundle_id);
        snprintf(c->name, sizeof c->name, "%.*s", STR_ARG(s->bundle));
        entry_word(c->entry, s->entry);
    }
    if (c)
        c->used = stats->shadow_uses;
    else
        stats->shadows_uncounted++;
    return c;
}

void shadows_serve(struct worker *w)
{
    const struct snapshot *s = worker_snapshot(w);
    size_t count = s && s->binding ? lineup_shadow_count(s->binding) : 0;
    for (size_t i = 0; i < WORKER_SHADOWS_MAX; i++) {
        struct shadow_stats *c = &worker_stats_of(w)->shadows[i];
        c->serves = false;
        for (size_t k = 0; k < count && !c->serves; k++) {
            struct lineup_shadow shadow = lineup_shadow(s->binding, k);
            c->serves = is_of(c, &shadow);
        }
    }
}

static char *text(struct op *op, struct str s)
{
    char *p = (char *)arena_str(&op->arena, s).p;
    return p ? p : (char *)"";
}

/* The decision is committed: its record and its answer must find room. What a shadow takes meanwhile it gives back. */
static bool has_room(const struct op *op)
{
    size_t left = op->arena.limit - op->arena.used;
    return left >= SHADOW_RESERVE + op->request.n + op->blob.n + DECISION_FORMS * op->decide.bytes.n;
}

/* False: it failed, and m is as it was. m may be NULL. */
static bool fill(struct op *op, const struct lineup_binding *b, size_t at, Tact__V1__ShadowRecord *m)
{
    struct lineup_shadow s = lineup_shadow(b, at);
    struct shadow_stats *stats = stats_of(op, &s);
    struct shadow_result r = {0};
    struct error e = {0};
    int rc = m && has_room(op) ? shadow_compare(&op->decide.decision, score, &(struct shadow_of){b, at}, &op->arena, &r, &e)
                               : ERR_NOSPACE;
    if (stats) {
        stats->failed += rc != 0;
        stats->decisions += rc == 0;
        stats->differ += rc == 0 && r.differs;
        stats->candidates += rc == 0 ? r.candidates : 0;
        stats->sum_abs += rc == 0 ? r.sum_abs : 0;
    }
    if (rc)
        return false;
    tact__v1__shadow_record__init(m);
    m->entry = text(op, s.entry);
    m->bundle = text(op, s.bundle);
    m->bundle_id = (char *)s.bundle_id;
    m->candidates = r.candidates;
    m->mean_abs_difference = r.candidates ? r.sum_abs / r.candidates : 0;
    m->best_action_id = r.best < 0 ? (char *)"" : text(op, op->snapshot->policy->actions[r.best].word.name);
    m->differs = r.differs;
    return true;
}

void shadows_record(struct op *op, Tact__V1__DecisionRecord *m)
{
    const struct lineup_binding *b = op->snapshot->binding;
    size_t count = b ? lineup_shadow_count(b) : 0;
    if (!count)
        return;
    bool room = has_room(op);
    Tact__V1__ShadowRecord *bodies = room ? arena_alloc(&op->arena, count * sizeof *bodies) : NULL;
    m->shadows = room ? arena_alloc(&op->arena, count * sizeof *m->shadows) : NULL;
    for (size_t i = 0; i < count; i++) {
        Tact__V1__ShadowRecord *body = bodies && m->shadows ? &bodies[m->n_shadows] : NULL;
        if (!fill(op, b, i, body))
            continue;
        m->shadows[m->n_shadows++] = body;
    }
}

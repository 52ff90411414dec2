/* Policy, model and world as one reference-counted snapshot; see snapshot.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/snapshot.h"
#include "base/clock.h"
#include "server/worker.h"
#include <stdlib.h>

/* ---- names ---- */

struct name_list {
    struct str *items;
    size_t count, capacity;
};

static void add_name(void *ctx, struct str name)
{
    struct name_list *l = ctx;
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 256;
        l->items = realloc(l->items, l->capacity * sizeof *l->items);
        ASSERT(l->items != NULL);
    }
    l->items[l->count++] = name;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void keep_names(struct snapshot *s)
{
    struct name_list l = {0};
    policy_each_name(s->policy, add_name, &l);
    if (l.count)
        qsort(l.items, l.count, sizeof *l.items, by_text);
    s->names = l.items;
    for (size_t i = 0; i < l.count; i++)
        if (i == 0 || !str_eq(l.items[i], l.items[i - 1]))
            l.items[s->name_count++] = l.items[i];
}

/* ---- policy and models ---- */

struct snapshot *snapshot_of_policy_take(struct policy *policy)
{
    struct snapshot *s = calloc(1, sizeof *s);
    ASSERT(s != NULL);
    s->policy = policy;
    s->references = 1;
    id128_text(tzdb_id(policy->zones), s->world_id);
    keep_names(s);
    return s;
}

/* lineup_score, with the time that it takes. */
static int timed_score(void *ctx, struct str customer, struct expr_eval *ev, const uint32_t *actions, size_t count,
                       struct arena *arena, struct model_score *out, struct error *e)
{
    const struct snapshot *s = ctx;
    int64_t start = s->score_ns ? clock_mono_ns() : 0;
    int rc = lineup_score(s->binding, customer, ev, actions, count, arena, out, e);
    if (s->score_ns)
        atomic_fetch_add_explicit(s->score_ns, (uint64_t)(clock_mono_ns() - start), memory_order_relaxed);
    return rc;
}

static size_t uses(const void *ctx, struct str customer, struct model_use *out, size_t most)
{
    const struct snapshot *s = ctx;
    return lineup_uses(s->binding, customer, out, most);
}

static bool load_models(struct snapshot *s, const char *folder, struct diags *diags)
{
    struct error e = {0};
    struct arena arena;
    size_t errors = diags->errors;
    if (lineup_load(&s->lineup, folder, diags, &e)) {
        if (diags->errors == errors)
            diag_add(diags, DIAG_ERROR, folder, 0, 0, "%s", e.text);
        return false;
    }
    s->binding = lineup_bind(s->lineup, s->policy, diags);
    if (!s->binding)
        return false;
    arena_init(&arena, WORKER_ARENA_MAX);
    int rc = lineup_warm(s->binding, &arena, &e);
    arena_free(&arena);
    if (rc) {
        diag_add(diags, DIAG_ERROR, folder, 0, 0, "all actions cannot be scored in the memory of one call (%d MiB): %s",
                 WORKER_ARENA_MAX >> 20, e.text);
        return false;
    }
    s->scorer = (struct scorer){.model_id = lineup_binding_id(s->binding),
                                .ctx = s,
                                .score = timed_score,
                                .uses = lineup_has_uses(s->binding) ? uses : NULL};
    return true;
}

struct snapshot *snapshot_load(const char *policy_folder, const char *model_folder, const struct tzdb *zones,
                               struct diags *diags)
{
    struct policy *policy = policy_load(policy_folder, zones, diags);
    if (!policy)
        return NULL;
    struct snapshot *s = snapshot_of_policy_take(policy);
    if (model_folder && !load_models(s, model_folder, diags))
        snapshot_release(&s);
    return s;
}

const struct bundle_spec *snapshot_spec(const struct snapshot *s)
{
    const struct bundle *b = s->lineup ? lineup_bundle(s->lineup) : NULL;
    return b ? bundle_spec(b) : NULL;
}

struct snapshot *snapshot_hold(struct snapshot *s)
{
    atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
    return s;
}

void snapshot_release(struct snapshot **s)
{
    struct snapshot *gone = *s;
    *s = NULL;
    if (!gone || atomic_fetch_sub_explicit(&gone->references, 1, memory_order_acq_rel) > 1)
        return;
    if (gone->retire)
        gone->retire(gone->retire_user, gone);
    else
        snapshot_free(&gone);
}

void snapshot_free(struct snapshot **s)
{
    struct snapshot *gone = *s;
    *s = NULL;
    lineup_binding_free(&gone->binding);
    lineup_free(&gone->lineup);
    policy_free(&gone->policy);
    free(gone->names);
    free(gone);
}

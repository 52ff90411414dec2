/* Policy, model and world as one reference-counted snapshot; see snapshot.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/snapshot.h"
#include "base/clock.h"
#include <stdlib.h>

struct snapshot *snapshot_of_policy_take(struct policy *policy)
{
    struct snapshot *s = calloc(1, sizeof *s);
    ASSERT(s != NULL);
    s->policy = policy;
    s->references = 1;
    id128_text(tzdb_id(policy->zones), s->world_id);
    return s;
}

/* binding_score, with the time that it takes. */
static int timed_score(void *ctx, struct expr_eval *ev, const uint32_t *actions, size_t count,
                       struct arena *arena, struct model_score *out, struct error *e)
{
    const struct snapshot *s = ctx;
    int64_t start = s->score_ns ? clock_mono_ns() : 0;
    int rc = binding_score(s->binding, ev, actions, count, arena, out, e);
    if (s->score_ns)
        *s->score_ns += (uint64_t)(clock_mono_ns() - start);
    return rc;
}

struct snapshot *snapshot_load(const char *policy_folder, const char *bundle_folder, const struct tzdb *zones,
                               struct diags *diags)
{
    struct policy *policy = policy_load(policy_folder, zones, diags);
    if (!policy)
        return NULL;
    struct snapshot *s = snapshot_of_policy_take(policy);
    if (!bundle_folder)
        return s;
    struct error e = {0};
    size_t errors = diags->errors;
    if (bundle_load(&s->bundle, bundle_folder, diags, &e)) {
        if (diags->errors == errors)
            diag_add(diags, DIAG_ERROR, bundle_folder, 0, 0, "%s", e.text);
    } else {
        s->binding = binding_new(s->bundle, policy, diags);
    }
    if (!s->binding) {
        snapshot_release(&s);
        return NULL;
    }
    s->scorer = (struct scorer){binding_id(s->binding), s, timed_score};
    return s;
}

struct snapshot *snapshot_hold(struct snapshot *s)
{
    s->references++;
    return s;
}

void snapshot_release(struct snapshot **s)
{
    struct snapshot *gone = *s;
    *s = NULL;
    if (!gone || --gone->references > 0)
        return;
    binding_free(&gone->binding);
    if (gone->bundle)
        bundle_free(&gone->bundle);
    policy_free(&gone->policy);
    free(gone);
}

/* Policy, model and world as one reference-counted snapshot; see snapshot.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/snapshot.h"
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
    s->scorer = (struct scorer){binding_id(s->binding), s->binding, binding_score};
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

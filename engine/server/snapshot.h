/* What decisions are made with: one policy, one model bound to it (or none), the world. Immutable; a request
 * holds a reference from its first step to its last, so a reload never changes a decision under way. One
 * thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_SNAPSHOT_H
#define TACT_SERVER_SNAPSHOT_H
#include "decide/decide.h"
#include "models/binding.h"

struct snapshot {
    struct policy *policy;
    struct bundle *bundle; /* NULL: rules and values only */
    struct binding *binding;
    struct scorer scorer;
    uint64_t *score_ns; /* time spent in the model is added here; NULL: not measured */
    char world_id[ID128_TEXT];
    int references;
};

/* Loads policy and bundle (bundle_folder may be NULL). NULL when diags got an error. Binds no names yet: see
 * policy_bind. */
struct snapshot *snapshot_load(const char *policy_folder, const char *bundle_folder, const struct tzdb *zones,
                               struct diags *diags);
/* Takes a policy that is loaded already, without a model (tests). */
struct snapshot *snapshot_of_policy_take(struct policy *policy);
struct snapshot *snapshot_hold(struct snapshot *s);
/* Gives up a reference; the last one frees. */
void snapshot_release(struct snapshot **s);

#endif

/* What decisions are made with: one policy, the models bound to it (or none), the world. Immutable once it serves, and shared by
 * all threads; a request holds a reference from its first step to its last, so a reload never changes a decision under way.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_SNAPSHOT_H
#define TACT_SERVER_SNAPSHOT_H
#include "decide/decide.h"
#include "models/lineup_binding.h"
#include <stdatomic.h>

struct snapshot {
    struct policy *policy;
    struct lineup *lineup; /* NULL: rules and values only */
    struct lineup_binding *binding;
    struct scorer scorer;
    _Atomic uint64_t *score_ns; /* time spent in the model is added here; NULL: not measured */
    char world_id[ID128_TEXT];
    struct str *names; /* all that the policy needs ids for, each once; the policy's texts */
    size_t name_count;
    _Atomic int references;
    /* Told when the last reference is given up, on that thread, instead of freeing at once: freeing takes time. NULL: free. */
    void (*retire)(void *user, struct snapshot *s);
    void *retire_user;
    struct snapshot *retire_next; /* whoever has taken it */
};

/* Loads policy and models (model_folder, a bundle's or a line-up's, may be NULL), binds them and warms them up. NULL when diags
 * got an error. Binds no names yet: see policy_bind. Takes milliseconds to seconds: never on an event loop. */
struct snapshot *snapshot_load(const char *policy_folder, const char *model_folder, const struct tzdb *zones,
                               struct diags *diags);
/* Takes a policy that is loaded already, without a model (tests). */
struct snapshot *snapshot_of_policy_take(struct policy *policy);
/* What the bundle is, where there is just one; else NULL. */
const struct bundle_spec *snapshot_spec(const struct snapshot *s);
struct snapshot *snapshot_hold(struct snapshot *s);
/* Gives up a reference; the last one frees, or retires. */
void snapshot_release(struct snapshot **s);
/* What retire has taken, on any thread. */
void snapshot_free(struct snapshot **s);

#endif

/* A line-up bound to a policy: each of its bundles is (binding.h), and each of the policy's actions has the entry that scores it. An
 * action that no entry names counts with its starting propensity.
 *
 * Immutable: any thread may score with it. Line-up and policy outlive it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_LINEUP_BINDING_H
#define TACT_MODELS_LINEUP_BINDING_H
#include "models/binding.h"
#include "models/lineup.h"
#include "models/model_use.h"

struct lineup_binding;

/* Findings go to diags: what a bundle and the policy do not have in common (binding.h), groups and actions that the policy
 * lacks, actions that no entry names (warnings). NULL after an error. */
struct lineup_binding *lineup_bind(const struct lineup *lineup, const struct policy *policy, struct diags *diags);
void lineup_binding_free(struct lineup_binding **b);

const char *lineup_binding_id(const struct lineup_binding *b); /* the line-up's id as text */

/* A struct scorer's functions; binding: struct lineup_binding. Each action by the model that its entry has for the customer. */
int lineup_score(void *binding, struct str customer, struct expr_eval *ev, const uint32_t *actions, size_t count,
                 struct arena *arena, struct model_score *out, struct error *e);
size_t lineup_uses(const void *binding, struct str customer, struct model_use *out, size_t most);
/* False where there is one bundle and no line-up: then nothing is told of uses. */
bool lineup_has_uses(const struct lineup_binding *b);

/* Shadows of all entries, numbered. */
struct lineup_shadow {
    struct str entry, bundle; /* names */
    const char *bundle_id;
    size_t at; /* its number */
};
size_t lineup_shadow_count(const struct lineup_binding *b);
struct lineup_shadow lineup_shadow(const struct lineup_binding *b, size_t at);
/* What a shadow makes of actions; those of other entries are not known to it. */
int lineup_shadow_score(const struct lineup_binding *b, size_t at, struct expr_eval *ev, const uint32_t *actions, size_t count,
                        struct arena *arena, struct model_score *out, struct error *e) MUST_CHECK;

/* As binding_warm, for all bundles. */
int lineup_warm(const struct lineup_binding *b, struct arena *arena, struct error *e) MUST_CHECK;

#endif

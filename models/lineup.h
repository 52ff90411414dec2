/* The models that serve together: one bundle for all actions, or a line-up: a folder with models.yaml and the bundles that it names,
 * each in a folder of its own beside it.
 *
 *     salt: spring                        # of the shares; another word draws the customers anew
 *     models:
 *       - name: carts                     # default: the first group or action, or "all"
 *         groups: [cart, wishlist]        # the policy's groups whose actions it scores; or
 *         actions: [cart_reminder]        # these; an entry with neither scores all that no other one does
 *         champion: cart_v3               # a folder
 *         challengers:
 *           - {bundle: cart_v4, share: 0.1}   # of the customers
 *         shadows: [cart_v5]              # score what the entry scores, and decide nothing
 *       - champion: all_v7
 *
 * Each customer has one model of an entry, by a stable hash of salt, entry and customer: a place in [0, 1) that is the same on every
 * server and at every time. The challengers' shares follow one another from 0 on, the champion has the rest: so raising the last
 * one's share, or adding one behind it, takes customers from the champion alone.
 *
 * Its id is that of its one bundle, or a hash of models.yaml and the ids of all bundles. Immutable: any thread may score.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_LINEUP_H
#define TACT_MODELS_LINEUP_H
#include "models/bundle.h"

enum { LINEUP_ENTRIES_MAX = 32, LINEUP_MEMBERS_MAX = 16, LINEUP_NAMES_MAX = 1024 };
#define LINEUP_FILE "models.yaml"

enum lineup_role { LINEUP_CHAMPION, LINEUP_CHALLENGER, LINEUP_SHADOW };
const char *lineup_role_name(enum lineup_role role); /* "champion" */

struct lineup_member {
    struct str name; /* the bundle's folder */
    enum lineup_role role;
    double share; /* of a challenger */
    const struct bundle *bundle;
};

struct lineup_entry {
    struct str name;
    struct str *groups, *actions; /* both empty: the rest */
    size_t group_count, action_count;
    struct lineup_member *members; /* the champion first */
    size_t member_count;
    int line, column; /* in models.yaml; 0 of a single bundle */
};

struct lineup;

/* A folder with bundle.yaml or with models.yaml. Every bundle is loaded and proves itself (bundle.h). Findings go to diags; the
 * error sums up: ERR_NOTFOUND without the folder or a lone bundle's files, ERR_INVALID otherwise. Never on an event loop. */
int lineup_load(struct lineup **out, const char *folder, struct diags *diags, struct error *e) MUST_CHECK;
void lineup_free(struct lineup **l);

struct id128 lineup_id(const struct lineup *l);
const char *lineup_folder(const struct lineup *l);
size_t lineup_count(const struct lineup *l);
const struct lineup_entry *lineup_entry(const struct lineup *l, size_t i);
/* The bundle, where there is only one and no models.yaml; else NULL. */
const struct bundle *lineup_bundle(const struct lineup *l);

/* All files that its id covers, as they were read, each once; names within the folder: "models.yaml", "cart_v3/bundle.yaml". A name
 * lasts for its call. */
void lineup_each_file(const struct lineup *l, void (*visit)(void *ctx, const char *name, struct str bytes), void *ctx);

/* Which member of an entry a customer has: the champion or a challenger. */
size_t lineup_member_of(const struct lineup *l, size_t entry, struct str customer);

#endif

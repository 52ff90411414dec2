/* Earlier names of what was renamed: `was: cart_add`, or a list, the latest first, of an attribute, a signal, a property or a
 * feature. What it means for the data is in state/schema.h; of a feature, that models which know it by such a name go on.
 *
 *   profile:  tier: {type: string, was: level}
 *   signals:  basket_add: {was: cart_add, properties: {price: {type: number, was: [cost, amount]}}}
 *   features: basket_value: {sum: basket_add.price, window: 24h, was: cart_value}
 *
 * The present name may stand in the list, when data came to lie under it before the list was written. No name may be
 * another thing's, now or before.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_LOAD_WAS_H
#define TACT_POLICY_LOAD_WAS_H
#include "policy/load.h"

/* Reads `was` of a declaration, if it has one. prefix: of its names in the dictionary ("profile."), or NULL. */
void loader_was(struct loader *l, const struct yaml_node *declaration, const char *prefix, struct schema_was *out);
/* After all sections that may say it: names that are somebody else's are reported. */
void load_was_check(struct loader *l);
/* "it is called profile.tier now", about a path of an expression; NULL: it is no earlier name. */
const char *was_advice(const struct policy *p, struct str path, struct arena *arena);

#endif

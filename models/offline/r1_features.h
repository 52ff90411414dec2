/* The 64 features of workload R1 in the model's order: 48 of the customer, 12 of the action, 4 of the pair. One table
 * says how the policy declares each, how the bundle names it, and where the model's trees may split on it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_R1_FEATURES_H
#define TACT_OFFLINE_R1_FEATURES_H
#include <stddef.h>

enum { R1_CUSTOMER_FEATURES = 48, R1_ACTION_FEATURES = 12, R1_PAIR_FEATURES = 4, R1_FEATURES = 64 };
enum { R1_CATEGORIES = 10, R1_KINDS = 10, R1_ACTIONS = R1_CATEGORIES * R1_KINDS };

enum r1_type { R1_NUMBER, R1_BOOL, R1_CATEGORY };

struct r1_feature {
    const char *name;
    const char *yaml; /* its declaration under `features`; NULL: an attribute of the actions */
    enum r1_type type;
    const char *const *words; /* of a category, ended by NULL */
    int low, high;            /* of a number, in hundredths: splits lie in between */
};

extern const struct r1_feature r1_features[R1_FEATURES];
extern const char *const r1_categories[R1_CATEGORIES + 1],
    *const r1_kinds[R1_KINDS + 1], *const r1_tiers[], *const r1_seasons[], *const r1_tones[],
                                                                               *const r1_topics[];

size_t r1_word_count(const char *const *words);

#endif

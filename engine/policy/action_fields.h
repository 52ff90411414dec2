/* What expressions that are not of one action may see of whichever action is looked at: action.id, .issue,
 * .group, .purpose, and action.<name> for every name that stands under some action's `features:`.
 *
 * Features compile before actions, and types must be known then, so names, types and values are gathered from
 * the YAML first. Nothing is reported meanwhile: what is wrong with an action is said when it is loaded.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_ACTION_FIELDS_H
#define TACT_POLICY_ACTION_FIELDS_H
#include "policy/load.h"

struct loader_field {
    struct str name, path;               /* "category", "action.category" */
    uint8_t type;                        /* enum value_type; VALUE_UNKNOWN when actions disagree */
    const struct yaml_node *first, *odd; /* a value, and one of another type; NULL: there is none */
    struct str *values;                  /* of a string: what it is in each action that has it */
    size_t value_count;
};

/* Fills l->fields, in order of their names. */
void action_fields_read(struct loader *l);
/* NULL when no action has it. name: "category". */
const struct loader_field *action_field_find(const struct loader *l, struct str name);
/* The index in policy->fields; adds it there at first use. */
uint32_t action_field_use(struct loader *l, const struct loader_field *field);
/* After the actions were loaded: what features will see of each; and where actions disagree on the type of
 * something that features look at, says so. */
void action_fields_finish(struct loader *l);

/* A YAML scalar as an action's constant: quoted text is a string; else true, false, a decimal number (always
 * a double), or a string. */
struct value action_constant(const struct yaml_node *n);
/* id, issue, group, purpose, by their name; type VALUE_UNKNOWN: the name is another. */
struct value action_word(const struct policy *p, const struct policy_action *a, struct str name);
/* Those names, NULL at the end. */
extern const char *const action_words[];

#endif

/* What stands in YAML nodes: words, numbers, choices, known keys; each failure is a located finding.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_YAML_VALUES_H
#define TACT_POLICY_YAML_VALUES_H
#include "policy/yaml.h"

/* Typed readers: true on success; else a finding that says what is there and what is allowed. An infinite or
 * extreme bound is left out of the message. Numbers are decimal and finite. n is not NULL. */
bool yaml_is_null(const struct yaml_node *n); /* empty, ~ or null, not quoted */
bool yaml_string(struct diags *d, const struct yaml_node *n, struct str *out); /* any scalar but null */
/* An unquoted, decimal, finite number; no finding when it is none. */
bool yaml_is_number(const struct yaml_node *n, double *out);
bool yaml_bool(struct diags *d, const struct yaml_node *n, bool *out); /* true or false only */
bool yaml_int(struct diags *d, const struct yaml_node *n, int64_t low, int64_t high, int64_t *out);
bool yaml_double(struct diags *d, const struct yaml_node *n, double low, double high, double *out);
/* "expected a list for <what>, got …". */
bool yaml_expect(struct diags *d, const struct yaml_node *n, enum yaml_kind kind, const char *what);
/* One of the allowed words (NULL-terminated list); *index is its place. With "did you mean". */
bool yaml_choice(struct diags *d, const struct yaml_node *n, const char *const allowed[], size_t *index);
/* Reports every key of the mapping that is not in the NULL-terminated list, with "did you mean" and all of it. A misspelt one
 * is read as what was meant from then on, so that nobody misses that: call it once a mapping. */
void yaml_known_keys(struct diags *d, const struct yaml_node *mapping, const char *what,
                     const char *const allowed[]);

/* "a, b or c" of a NULL-terminated list, in the arena; for messages. */
const char *yaml_list_words(struct arena *arena, const char *const words[]);

#endif

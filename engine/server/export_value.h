/* What the parts of an export share: values, times, bytes, names as JSON. Whoever is given a value owns it. Out of memory stops
 * the process, so that no export lacks a part.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_EXPORT_VALUE_H
#define TACT_SERVER_EXPORT_VALUE_H
#include "server/export.h"
#include <jansson.h>

/* Takes v. */
void export_set(json_t *object, const char *key, json_t *v);
void export_add(json_t *list, json_t *v);
/* Not a number and infinities as text. */
json_t *export_number(double d);
/* "2025-01-15T12:30:00Z"; null for 0. */
json_t *export_time(int64_t ms);
/* A text, or {"base64url": "…"} when the bytes are no UTF-8. */
json_t *export_text(struct str s);
json_t *export_bytes(struct str s);
json_t *export_value(struct value v);
json_t *export_hash(uint64_t hash, int digits);
/* The name of an id as it stands in the dictionary, "action.welcome", or without what it begins with, "welcome"; "#17" when
 * nobody knows it. 0: null. */
json_t *export_name(const struct export_names *names, uint64_t id);
json_t *export_word(const struct export_names *names, uint64_t id);

/* One aggregate's content as members of an object: def may be NULL, then buckets stand by index instead of time. */
void export_aggregate(json_t *object, enum aggregate_kind kind, const struct schema_aggregate *def,
                      const struct aggregate_state *a);
const char *export_aggregate_kind(enum aggregate_kind kind);

#endif

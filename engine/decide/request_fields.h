/* Fields of requests that several kinds share, checked against the policy. Every failure is ERR_INVALID with a text that names
 * the field and says what is allowed. Strings of the results point into the message.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_REQUEST_FIELDS_H
#define TACT_DECIDE_REQUEST_FIELDS_H
#include "decide/decide.h"
#include "tact/v1/common.pb-c.h"

/* "customer_id is empty; 1 to 256 bytes are allowed". */
int request_id(const char *field, const char *text, size_t most, struct str *out, struct error *e) MUST_CHECK;
/* Who a request is about: by id, or by an alias, whose id is "type:value" (with a NUL). fields: their names in the message. */
int request_customer(const char *const fields[2], const char *id, const Tact__V1__Alias *alias, const struct policy *p,
                     struct arena *arena, struct str *out, struct error *e) MUST_CHECK;
extern const char *const request_customer_fields[2]; /* customer_id, alias */
/* Whether that is a name that an alias gave: of somebody whom nobody knows otherwise. */
bool request_is_alias(const struct policy *p, struct str customer);
/* "channel: unknown 'emial'; did you mean email?; allowed: email, web". names: the first of `count`, stride bytes apart. */
int request_unknown(struct error *e, const char *where, struct str got, const struct str *names, size_t stride,
                    size_t count);
/* A wire value as a declared field's. */
int request_value(const char *where, const struct schema_field *f, const Tact__V1__Value *v, struct value *out,
                  struct error *e) MUST_CHECK;
/* The index of the field that has that name or had it, or -1. */
long request_field(const struct schema_field *fields, size_t count, const char *name);
/* When an event happened: now where it is not given. where: of the message, empty for the request itself. */
int request_time(const char *where, int64_t time_ms, int64_t now_ms, int64_t *out, struct error *e) MUST_CHECK;

#endif

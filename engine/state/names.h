/* The dictionary of names: small ids for attributes, aggregates, actions, channels and so on, so that a customer's blob
 * holds numbers. Ids count from 1, never change and are never reused; all servers share them through the store. Names carry
 * a prefix that says what they are ("profile.tier", "action.cart_reminder"), so kinds cannot collide.
 *
 * Grows only; pointers to texts stay valid until names_free. Not thread-safe.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_NAMES_H
#define TACT_STATE_NAMES_H
#include "base/error.h"
#include "base/str.h"
#include <stdint.h>

enum { NAME_MAX_BYTES = 1024, NAMES_MAX = 1000000 };

struct names;

struct names *names_new(void);
void names_free(struct names **n);
/* Adds a pair. ERR_CONFLICT when the name has another id or the id another name; ERR_INVALID for id 0, an id past
 * NAMES_MAX or a name that is empty or too long. Adding the same pair again is fine. */
int names_add(struct names *n, struct str name, uint32_t id) MUST_CHECK;
/* Adds the name under the next free id unless it is there (tests, `tact check`, replay of policies without a store). */
uint32_t names_intern(struct names *n, struct str name);
uint32_t names_find(const struct names *n, struct str name); /* 0: not there */
struct str names_text(const struct names *n, uint32_t id);   /* empty: not there */
uint32_t names_highest(const struct names *n);
struct names *names_copy(const struct names *n);

#endif

/* Everything that is held of a person as one JSON object, in words: the names of attributes, signals, actions instead of ids, UTC
 * times, amounts as they were told. Always in the same order, so that two exports can be compared. Bytes that are no text, or that
 * this server cannot read, stand as {"base64url": "…"}.
 *
 * Where only hashes are kept (of event ids, cases, values that are counted by KEYS), there is nothing but these to show.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_EXPORT_H
#define TACT_SERVER_EXPORT_H
#include "policy/policy.h"
#include "state/state.h"
#include "store/store.h"

enum { EXPORT_MAX = 8 << 20 }; /* bytes */
#define EXPORT_TOO_BIG                                                                                       \
    "more is held of the customer than one export can have (%d bytes); kept decisions go after 24 hours"

/* The dictionary: what this server knows, and what it does not. */
struct export_names {
    const struct names *own;
    uint32_t *ids;
    struct str *texts;
    size_t count;
};

struct export_input {
    struct str customer;
    int64_t now_ms;
    const struct policy *policy;
    const struct state *state;
    struct str unreadable; /* the state's bytes when they cannot be read, and `state` is empty */
    const struct export_names *names;
    struct store_item *items; /* put in order here */
    size_t item_count;
};

/* Appends to out. ERR_NOSPACE. */
int export_json(const struct export_input *in, struct buf *out, struct error *e) MUST_CHECK;

#endif

/* A decision as it is kept beside the customer's blob for a day, so that a repeat of its request_id is answered with it:
 *
 *   u8 format (1) | u8 mode | u8 choices | u64 digest of what was asked | u8 length + channel | Decision bytes
 *
 * The digest covers what makes a request another one: placements, locale, number of actions, the signals' event ids.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_SERVER_KEPT_H
#define TACT_SERVER_KEPT_H
#include "decide/decide.h"

struct kept {
    enum decide_mode mode;
    uint8_t choices;
    uint64_t digest;
    struct str channel, decision; /* point into the record */
};

/* Into the arena; ERR_NOSPACE. */
int kept_write(const struct kept *k, struct arena *arena, struct str *out) MUST_CHECK;
/* False when the bytes are no record. */
bool kept_read(struct str record, struct kept *out);
uint64_t kept_digest(const struct decide_request *r);

#endif

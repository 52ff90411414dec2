/* Values in a blob: one code byte, then the value in few bytes.
 *
 *   0 false · 1 true · 2 int, s · 3 double, 8 bytes · 4 double that is whole, s · 5 double that is s / 100 exactly ·
 *   6 string, v length and bytes · 7 timestamp, s · 8 nothing (an attribute that was removed)
 *
 * A value has one form only: the first of 4, 5, 3 that gives back the very double.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_CODEC_VALUE_H
#define TACT_STATE_CODEC_VALUE_H
#include "expr/value.h"

static inline bool time_ok(int64_t ms)
{
    return ms >= TIMESTAMP_MIN_MS && ms <= TIMESTAMP_MAX_MS;
}

/* bool, int, finite double, string, timestamp, or VALUE_UNKNOWN (nothing). */
void value_put(struct buf *out, struct value v);
/* False on bytes that are no value. A string points into the cursor's bytes. */
bool value_get(struct cursor *c, struct value *out);

#endif

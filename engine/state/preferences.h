/* What a person asked for themselves: a channel, quiet hours, contacts less often, a pause. Each part keeps when it was set
 * or taken back; the newer stands, of equals the stricter.
 *
 * Payload, for each part that is there, by enum preference: byte part | s time set | v values: channel 1 (dictionary id, 0:
 * taken back), quiet from and to minute (1440 1440: taken back), pause s until (0: taken back), less often v at most, v per in
 * minutes (0 0: taken back). 9 to 12 bytes a part.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_PREFERENCES_H
#define TACT_STATE_PREFERENCES_H
#include "state/state.h"

/* All that may be asked for; what is not is zero. */
enum { PREFERENCE_LESS_MAX = 1000, PREFERENCE_NO_QUIET = 24 * 60 };
#define PREFERENCE_PER_MIN_MS INT64_C(3600000)
#define PREFERENCE_PER_MAX_MS (INT64_C(30) * 86400000) /* contacts are kept at least so long */

/* Sets the parts of `fresh` whose time is not 0 where they are newer, or as old and stricter. */
void preferences_set(struct state *s, const struct preferences *fresh);
bool preferences_any(const struct preferences *p);
void preferences_put(struct buf *out, const struct preferences *p);
int preferences_get(struct cursor *c, struct preferences *p) MUST_CHECK;

#endif

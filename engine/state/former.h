/* What lies in a blob under earlier names of what was renamed (schema.h: `was`), joined to where it belongs now.
 *
 * Attributes: what was set later, of equals what lies under the dictionary's name. Aggregates: the union, since an event was
 * counted under one of the names; it counts since the later of both. Touch points take the present id. What has another type or
 * kind, or cannot be read, stays where it is.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_FORMER_H
#define TACT_STATE_FORMER_H
#include "state/state.h"

/* After decoding, when everything of other names is among what is kept. ERR_NOSPACE. */
int former_join(struct state *s) MUST_CHECK;

#endif

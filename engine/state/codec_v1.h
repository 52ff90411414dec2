/* Blobs of format 1, which are read and never written. Tags had 3 bits of kind; payloads (v: varint, s: zigzag varint):
 *
 *   0 attribute id   type byte | bool: byte; int, timestamp: s; double: 8 bytes; string: the rest
 *   1 aggregate id   count, sum, open as today; last: s time | 8 bytes event hash | value as an attribute; last_at: s time |
 *                    8 bytes event hash
 *   2 contacts, 3 consents   as today
 *   4 seen           s first arrival in ms | 8 bytes hash | then: s arrival gap in ms | 8 bytes hash
 *
 * Aggregates that this policy has no name for are lost, since format 1 does not say of what kind they are: their policy
 * counts them anew and says since when.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STATE_CODEC_V1_H
#define TACT_STATE_CODEC_V1_H
#include "state/state.h"

/* The cursor stands after the version. */
int state_decode_v1(struct state *s, struct cursor *c, struct str blob, struct error *e) MUST_CHECK;

#endif

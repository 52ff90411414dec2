/* What simulated people do, as requests of tact.v1. All calls carry as_of, the time of the act; all ids are made from
 * seed, person and number, so that a call that is sent again is known to be the same.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_DRIVE_WIRE_H
#define TACT_TOOLS_DRIVE_WIRE_H
#include "base/buf.h"
#include "models/offline/life.h"
#include "tact/v1/outcomes.pb-c.h"

enum { DRIVE_SIGNALS_MAX = 16 }; /* a call */

/* Each replaces what out holds; the failure of a buffer that is full sticks to it. */

/* Whether the server knows this person already. */
void drive_wire_get(const struct life *l, struct buf *out);
/* Profile and consents, as a life begins. */
void drive_wire_upsert(const struct life *l, struct buf *out);
/* Signals of one call, in order of time; at most DRIVE_SIGNALS_MAX. */
void drive_wire_signals(const struct life *l, const struct act *acts, size_t count, struct buf *out);
/* What to say at a moment: RESERVE on an outbound channel, PEEK on an inbound one; explained. */
void drive_wire_decide(const struct life *l, const struct act *moment, struct buf *out);
/* What became of a moment's contact. */
void drive_wire_record(const struct life *l, uint64_t moment, Tact__V1__RecordRequest__Kind kind,
                       const char *handle, double value, int64_t time_ms, struct buf *out);

#endif

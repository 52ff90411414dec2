/* Requests of tact.v1, decoded by protobuf-c before, checked against the policy and turned into what the core works on.
 * Every failure is ERR_INVALID with a text that names the field and says what is allowed. Strings of the results point
 * into the message.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_DECIDE_REQUEST_WIRE_H
#define TACT_DECIDE_REQUEST_WIRE_H
#include "decide/decide.h"
#include "decide/request_fields.h"
#include "tact/v1/customers.pb-c.h"
#include "tact/v1/decisions.pb-c.h"

/* now_ms: as_of where it was given and allowed, else the clock; event times are checked against it. */
int request_decide(const Tact__V1__DecideRequest *m, const struct policy *p, int64_t now_ms,
                   struct arena *arena, struct decide_request *out, struct error *e) MUST_CHECK;

/* The signals of a batch that are right, and why the others are not. */
struct signal_rejection {
    size_t index; /* in the request */
    const char *reason;
};
struct signal_batch {
    struct signal *signals;
    size_t count;
    struct signal_rejection *rejected; /* by index */
    size_t rejected_count;
};
/* ERR_INVALID with the first one's reason when none is right. */
int request_signals(const Tact__V1__SignalRequest *m, const struct policy *p, int64_t now_ms,
                    struct arena *arena, struct signal_batch *out, struct error *e) MUST_CHECK;

struct attribute_change {
    size_t attribute;
    struct value value; /* VALUE_UNKNOWN: remove */
};
struct upsert {
    struct attribute_change *changes;
    size_t change_count;
    struct consent *consents;
    size_t consent_count;
    struct preferences preferences; /* the parts that are set or taken back have their time */
};
int request_upsert(const Tact__V1__UpsertRequest *m, const struct policy *p, int64_t now_ms,
                   struct arena *arena, struct upsert *out, struct error *e) MUST_CHECK;
int upsert_apply(const struct upsert *u, struct state *s, int64_t now_ms, struct error *e) MUST_CHECK;

#endif

/* Where two messages of one type differ, by their descriptor: for people who ask why a replay gave other
 * bytes. Oneofs, repeated fields and nested messages are followed; unknown fields are not looked at. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_MESSAGE_DIFF_H
#define TACT_OFFLINE_MESSAGE_DIFF_H
#include "base/buf.h"
#include <protobuf-c/protobuf-c.h>

enum { DIFF_TEXT_MAX = 512, DIFF_SHOWN_MAX = 120 /* bytes of a string */ };

struct message_difference {
    char field[DIFF_TEXT_MAX]; /* "choices[0].factors.propensity" */
    char a[DIFF_TEXT_MAX], b[DIFF_TEXT_MAX];
};

/* The first difference in order of the descriptor's fields; false when there is none. */
bool message_diff(const ProtobufCMessage *a, const ProtobufCMessage *b, struct message_difference *out);

#endif

/* Finds the line of a value in JSON text, since jansson's values do not know where they stood: the text is
 * walked again, to the value that a path leads to. Only for errors. Pure; any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_NET_JSON_LINE_H
#define TACT_NET_JSON_LINE_H
#include "base/str.h"

/* A step from a value to one inside it: the key of an object's member, or (key.p NULL) the index of an
 * array's element. */
struct json_step {
    struct str key;
    size_t index;
};

/* text is valid JSON. The 1-based line where the value (for a member: its key) begins, or that of the
 * innermost value on the way that was found. Keys with escapes in the text are not recognised. */
int json_line(struct str text, const struct json_step *steps, size_t count);

#endif

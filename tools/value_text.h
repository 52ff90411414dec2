/* Values as people write them on a command line or in a table: text of a known type, or a guess, as a
 * tact.v1.Value.
 *
 * The guess, for `name=value`: in quotes ('…' or "…") a string; true and false; a number as JSON writes it
 * (whole: int, else number), if 64 bits hold it; an RFC 3339 time with its zone; all else a string. So 007
 * and +1 stay strings, and `name:string=42` says what is meant. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_VALUE_TEXT_H
#define TACT_TOOLS_VALUE_TEXT_H
#include "base/arena.h"
#include "tact/v1/common.pb-c.h"

/* The types by name: "string" … in the order of the enum. */
#define VALUE_TEXTS(X)                                                                                       \
    X(TEXT_GUESS, "")                                                                                        \
    X(TEXT_STRING, "string")                                                                                 \
    X(TEXT_NUMBER, "number")                                                                                 \
    X(TEXT_INT, "int")                                                                                       \
    X(TEXT_BOOL, "bool")                                                                                     \
    X(TEXT_TIME, "time")
enum value_text {
#define X(id, name) id,
    VALUE_TEXTS(X)
#undef X
        TEXT_COUNT
};

/* ERR_INVALID: "unknown type 'strin'; did you mean string? allowed: …". */
int value_text_type(struct str name, enum value_text *out, struct error *e) MUST_CHECK;

/* Fills *out; strings are copied to the arena. number: decimal, finite; int: whole, 64 bits; bool: true,
 * false, yes, no, 1 or 0, in any case of letters; time (or
 * timestamp): RFC 3339, or a date (2025-01-15: midnight UTC). */
int value_text_parse(enum value_text type, struct str text, struct arena *arena, Tact__V1__Value *out,
                     struct error *e) MUST_CHECK;

struct value_pair {
    char *key;
    Tact__V1__Value value;
};

/* "name=value", "name:type=value". */
int value_pair_parse(struct str text, struct arena *arena, struct value_pair *out,
                     struct error *e) MUST_CHECK;

/* The first `c` of the text that is not inside quotes, or text.n. */
size_t value_text_split(struct str text, char c);

/* RFC 3339 as ms; -1 and an error that says so. ms are above 0, since 0 means "not given" on the wire. */
int time_text_parse(struct str text, int64_t *ms, struct error *e) MUST_CHECK;

#endif

/* A decision for people: at most six short lines for each choice or for a suppression, control characters
 * taken out (the text holds what customers typed), long text cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_ANSWER_H
#define TACT_TOOLS_ANSWER_H
#include "tact/v1/decisions.pb-c.h"
#include <stdint.h>
#include <stdio.h>

enum { ANSWER_TEXT_MAX = 200 }; /* bytes of one piece of text from the server */

/* Also the candidates, one line each, when the server listed them. Times are shown offset_s seconds east of UTC. */
void answer_print(const Tact__V1__DecideResponse *m, int32_t offset_s, FILE *out);

/* Seconds east of UTC that an RFC 3339 time is written with, so that answers show theirs the same way; 0 for NULL. */
int32_t answer_offset(const char *time);

/* "2025-01-25T10:00:00+03:30": RFC 3339, to the second, at that offset. */
void answer_time(int64_t ms, int32_t offset_s, FILE *out);

/* 12345 as "12,345". */
enum { ANSWER_NUMBER = 32 };
const char *answer_number(uint64_t n, char text[ANSWER_NUMBER]);

/* Writes text without control characters, cut after at most `most` bytes at a character with "…". */
void answer_text(const char *text, size_t most, FILE *out);

#endif

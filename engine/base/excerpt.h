/* A text from outside as messages show it: in quotes, cut at EXCERPT_SHOWN bytes (whole characters; "…" says so),
 * control characters as '?'. Valid UTF-8 in, valid UTF-8 out. Pure.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_BASE_EXCERPT_H
#define TACT_BASE_EXCERPT_H
#include "base/str.h"

enum { EXCERPT_SHOWN = 40, EXCERPT = EXCERPT_SHOWN + 8 };

/* Writes to out and returns it. */
const char *excerpt(struct str text, char out[EXCERPT]);

#endif

/* Where a byte of a scalar's value stands in its file, and steps over text by characters and lines. Part of
 * the YAML reader; others use yaml_diag_at.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_YAML_PLACE_H
#define TACT_POLICY_YAML_PLACE_H
#include "policy/yaml.h"

struct place {
    const char *p;
    int line, column; /* from 1; columns count characters */
};

/* Where the byte at offset of the value stands. Past the end: the text's end. No scalar: where the node
 * begins. */
struct place place_at(const struct yaml_node *n, size_t offset);

/* Bytes of the line break at p (LF, CRLF, CR), 0 when there is none. */
size_t place_break(const char *p, const char *end);
/* Bytes of the UTF-8 character at p; p < end. */
size_t place_char(const char *p, const char *end);
void place_step(struct place *at, const char *end);      /* over one character */
void place_step_line(struct place *at, const char *end); /* over a line break */

#endif

/* What is wrong with a table: each finding goes to the caller's diags, with its place; the first one is kept, so that
 * the error can sum up. At most FRAME_FINDINGS_MAX, then the reader stops.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_FRAME_FINDINGS_H
#define TACT_OFFLINE_FRAME_FINDINGS_H
#include "base/error.h"

struct findings {
    const char *file;    /* outlives it */
    struct diags *diags; /* or NULL */
    size_t count;
    char first[360]; /* with its place */
};

/* line and column from 1; 0: not known. */
void finding_add(struct findings *f, size_t line, size_t column, const char *format, ...) PRINTF_LIKE(4, 5);
/* ERR_INVALID with the first finding and how many more there are; there is one. */
int findings_error(const struct findings *f, struct error *e);

#endif

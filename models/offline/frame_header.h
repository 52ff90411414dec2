/* The first record of a table: which separator, which names, and where the wanted columns stand.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_FRAME_HEADER_H
#define TACT_OFFLINE_FRAME_HEADER_H
#include "models/offline/frame.h"
#include "models/offline/frame_findings.h"
#include "models/offline/frame_input.h"

struct header {
    struct str *names; /* in the arena */
    size_t count, line;
    char separator;
    bool given; /* the caller said which */
};

/* Finds the separator (given 0), makes the reader, takes the header from it. ERR_INVALID with findings; other errors in
 * *e. The caller frees *csv, on errors too. */
int header_read(struct header *h, struct csv **csv, struct frame_input *in, char separator,
                struct arena *arena, struct findings *findings, struct error *e) MUST_CHECK;

/* fields[i]: the field of wants[i]. A column that is not there or is there twice is a finding. ERR_NOSPACE. */
int header_bind(const struct header *h, const struct frame_want *wants, size_t count, size_t *fields,
                struct findings *findings, struct error *e) MUST_CHECK;

/* What the CSV reader says of a bad record, with a hint for the usual causes. */
void record_finding(struct findings *findings, const struct csv_record *r);

/* "'age' (feature age)", for messages. */
enum { COLUMN_SHOWN = 160 };
const char *column_shown(const struct frame_want *w, char out[COLUMN_SHOWN]);

#endif

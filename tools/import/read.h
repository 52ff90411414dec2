/* Reads the files of an import, CSV or JSON Lines, checks every line and hands on what is right, in the files' order. Lines of
 * JSON are checked on several threads.
 *
 *   file --blocks of lines--> import_line (threads) --in order--> take(events), reject(place, why, raw)
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_IMPORT_READ_H
#define TACT_TOOLS_IMPORT_READ_H
#include "tools/import/rows.h"

enum { IMPORT_LINE_MAX = 1 << 20 };

struct import_file {
    const char *path; /* "-": standard input */
    uint32_t index;
    bool table;
};

struct import_sink {
    void *ctx;
    /* False: stop reading. */
    bool (*take)(void *ctx, struct str events, size_t count, int64_t latest_ms);
    /* raw: the line as it stands; header: of a table, else empty. */
    bool (*reject)(void *ctx, const struct import_place *place, const char *why, struct str raw);
    void (*at)(void *ctx, uint64_t bytes); /* of this file so far */
};

struct import_reading {
    const struct policy *policy;
    struct import_options rows; /* of tables; rows.policy is set */
    const char *time_column;    /* NULL: none */
    char separator;
    struct import_clock clock;
    size_t threads;
};

/* Reads one file and adds its bytes to *content (a hash). header: called with a table's first line before any other. */
int import_read(const struct import_reading *r, const struct import_file *file, const struct import_sink *sink,
                void (*header)(void *ctx, struct str raw), struct id128 *content, struct error *e) MUST_CHECK;

#endif

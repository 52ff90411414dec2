/* tact import --store: files of customers and their history straight into the store, without a server.
 *
 *   files --import_read--> events --import_spread--> customers --import_write--> store
 *
 * Everything is read and checked before the first customer is written. What a mistake in the files stops is in the file of
 * rejected lines; what stops the store leaves customers whole, and running it again goes on.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_IMPORT_DIRECT_H
#define TACT_TOOLS_IMPORT_DIRECT_H
#include "tools/import/rows.h"

struct import_direct {
    const char *store, *policy, *rejects, *temp, *time_zone, *time_column;
    const char *const *files;
    size_t file_count;
    int64_t time_ms; /* of lines that say none; 0: when their file was written */
    int64_t threads; /* 0: one a core */
    struct import_options rows;
    char separator;
    bool dry_run, json;
};

/* The exit code. */
int import_direct(const struct import_direct *o);

#endif

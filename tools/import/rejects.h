/* The rejected lines of an import: told on stderr, and kept in a file from which they can be mended and imported as they are.
 *
 * Of a table, the file has the line's number and the reason in two columns before the row's own; of JSON Lines, in two members
 * before the object's own. What is no object stands there as text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_IMPORT_REJECTS_H
#define TACT_TOOLS_IMPORT_REJECTS_H
#include "tools/import/event.h"

enum { IMPORT_REJECTS_SHOWN = 100 /* told on stderr */ };

struct import_rejects_options {
    const char *path; /* NULL: no file */
    const char *const *files;
    size_t file_count;
    bool table, json; /* json: told as objects on stdout */
    char separator;
};
struct import_rejects;

/* ERR_INVALID when path is one of the files; ERR_IO. The options' strings outlive it. */
int import_rejects_open(struct import_rejects **out, const struct import_rejects_options *o, struct error *e) MUST_CHECK;
/* ERR_IO when the file could not be written whole. e may be NULL. */
int import_rejects_close(struct import_rejects **r, struct error *e);
/* The first line of the table whose rows come next. */
void import_rejects_header(struct import_rejects *r, struct str raw);
void import_rejects_add(struct import_rejects *r, const struct import_place *place, const char *why, struct str raw);
/* The same when the line is no longer at hand: it is read again, where it came from a file of JSON Lines. */
void import_rejects_add_late(struct import_rejects *r, const struct import_place *place, const char *why);

#endif

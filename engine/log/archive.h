/* What decisions refer to by content hash, kept beside the log so that any of them can be replayed: folders
 * <log>/<kind>/<id>/… with the very files (policies, bundles, worlds).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_LOG_ARCHIVE_H
#define TACT_LOG_ARCHIVE_H
#include "base/error.h"
#include "base/str.h"

/* A file to keep; name may hold '/' but no "..", no leading '/'. */
struct archive_file {
    const char *name;
    struct str bytes;
};
/* Writes all files into a temporary folder, syncs, and renames it to <log>/<kind>/<id>; does nothing if that exists. */
int archive_put(const char *log_folder, const char *kind, const char *id, const struct archive_file *files,
                size_t count, struct error *e) MUST_CHECK;
/* Copies a folder's regular files (recursively, at most 10,000 of 256 MiB in all) likewise. */
int archive_put_folder(const char *log_folder, const char *kind, const char *id, const char *source_folder,
                       struct error *e) MUST_CHECK;
/* Fills path with <log>/<kind>/<id>; ERR_NOTFOUND when it is not there. */
int archive_path(const char *log_folder, const char *kind, const char *id, char path[4096], struct error *e) MUST_CHECK;

#endif

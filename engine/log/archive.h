/* What decisions refer to by content hash, kept beside the log so that any of them can be replayed: folders
 * <log>/<kind>/<id>/… with the very files (kinds: policy, model, world). A folder appears whole or not at all,
 * is on disk when the call returns, and is never changed; any number of processes may put the same id at
 * once. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_LOG_ARCHIVE_H
#define TACT_LOG_ARCHIVE_H
#include "base/error.h"
#include "base/str.h"

enum {
    ARCHIVE_DEPTH_MAX = 16,        /* folders in folders */
    ARCHIVE_NAME_MAX = 1024,       /* bytes of a file's name */
    ARCHIVE_STALE_S = 3600,        /* a killed put's leftovers go when they are this old */
};

#define ARCHIVE_WORLD_FILE "zones.bin" /* what a world consists of: tzdb_bytes */

/* A file to keep. name is relative, '/' between its parts; no empty part, none that begins with '.' (so no
 * ".."). */
struct archive_file {
    const char *name;
    struct str bytes;
};
/* kind and id: 1 to 64 of A-Z a-z 0-9 _ - . and not '.' first. Writes all files (at least one) into a
 * temporary folder, syncs, and renames it to <log>/<kind>/<id>; does nothing if that exists. The log's folder
 * must exist. ERR_INVALID for a bad name or one that comes twice, ERR_NOSPACE with a full disk, ERR_IO. */
int archive_put(const char *log_folder, const char *kind, const char *id, const struct archive_file *files,
                size_t count, struct error *e) MUST_CHECK;
/* Fills path with <log>/<kind>/<id>; ERR_NOTFOUND when it is not there. */
int archive_path(const char *log_folder, const char *kind, const char *id, char path[4096],
                 struct error *e) MUST_CHECK;

#endif

/* Folders on disk; see folder.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/folder.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096 };

static int make_one(const char *path, struct error *e)
{
    struct stat info;
    if (mkdir(path, 0755) == 0)
        return 0;
    if (errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return 0;
    return error_set(e, ERR_IO, "cannot make the folder %s: %s", path, strerror(errno));
}

int folder_make(const char *path, struct error *e)
{
    char part[PATH_BYTES];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return error_set(e, ERR_INVALID, "a folder's path has 1 to %d bytes", PATH_BYTES - 1);
    memcpy(part, path, n + 1);
    int rc = 0;
    for (char *p = part + 1; *p && !rc; p++)
        if (*p == '/' && p[-1] != '/') {
            *p = 0;
            rc = make_one(part, e);
            *p = '/';
        }
    return rc ? rc : make_one(part, e);
}

/* Writing a bundle: a folder beside the wanted one, synced, loaded as a check, renamed. The declaration is in
 * bundle.h; this is a file of its own since servers never write bundles.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "models/booster.h"
#include "models/bundle_write.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 8 * 1024 * 1024, DIAGS_MEMORY_MAX = 16 * 1024 * 1024 };

static const char *const file_names[] = {"model.ubj", "bundle.yaml", "golden.csv"};

static int io_error(const char *path, struct error *e)
{
    return error_set(e, ERR_IO, "cannot write %s: %s", path, strerror(errno));
}

static int write_file(const char *folder, const char *name, struct str bytes, struct error *e)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return io_error(path, e);
    size_t n = 0;
    while (n < bytes.n) {
        ssize_t put = write(fd, bytes.p + n, bytes.n - n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            break;
        n += (size_t)put;
    }
    int rc = n == bytes.n && fsync(fd) == 0 ? 0 : io_error(path, e);
    if (close(fd) != 0 && !rc)
        rc = io_error(path, e);
    return rc;
}

static int sync_folder(const char *folder, struct error *e)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd >= 0 && fsync(fd) == 0 ? 0 : io_error(folder, e);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* The folder that a path stands in. */
static void parent_of(const char *path, char *out, size_t size)
{
    snprintf(out, size, "%s", path);
    char *slash = strrchr(out, '/');
    if (!slash)
        snprintf(out, size, ".");
    else
        slash[slash == out] = 0;
}

static void remove_files(const char *folder)
{
    char path[4200];
    for (size_t i = 0; i < sizeof file_names / sizeof *file_names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, file_names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static int write_files(const char *folder, const struct bundle_spec *given, struct str model,
                       const float *rows, const float *margins, size_t n, struct error *e)
{
    struct bundle_spec spec = *given;
    spec.has_model_hash = true;
    spec.model_hash = hash128(model.p, model.n);
    struct buf yaml, csv;
    buf_init(&yaml, TEXT_MAX);
    buf_init(&csv, TEXT_MAX);
    bundle_spec_write(&yaml, &spec);
    golden_write(&csv, &spec, rows, margins, n);
    int rc = buf_ok(&yaml) && buf_ok(&csv)
                 ? 0
                 : error_set(e, ERR_NOSPACE, "bundle.yaml or golden.csv is too large");
    struct str bytes[] = {model, {(char *)yaml.p, yaml.n}, {(char *)csv.p, csv.n}};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes && !rc; i++)
        rc = write_file(folder, file_names[i], bytes[i], e);
    buf_free(&yaml);
    buf_free(&csv);
    return rc ? rc : sync_folder(folder, e);
}

/* What was written must load. */
static int prove(const char *folder, struct error *e)
{
    struct arena arena;
    struct diags diags;
    struct bundle *b = NULL;
    arena_init(&arena, DIAGS_MEMORY_MAX);
    diags_init(&diags, &arena);
    int rc = bundle_load(&b, folder, &diags, e);
    bundle_free(&b);
    arena_free(&arena);
    return rc;
}

static int reference_margins(struct str model, const float *rows, size_t n, size_t features, float *out,
                             struct error *e)
{
    struct booster *b = NULL;
    int rc = booster_open(&b, model.p, model.n, e);
    if (!rc)
        rc = booster_margins(b, rows, n, features, out, e);
    booster_free(&b);
    return rc;
}

int bundle_write(const char *folder, const struct bundle_spec *spec, struct str model,
                 const float *golden_rows, const float *golden_margins, size_t golden_count, struct error *e)
{
    char wanted[4096], fresh[4110], parent[4096];
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    if (length == 0 || length >= sizeof wanted - 16)
        return error_set(e, ERR_INVALID, "the folder's name is empty or too long");
    snprintf(wanted, sizeof wanted, "%.*s", (int)length, folder);
    snprintf(fresh, sizeof fresh, "%s.XXXXXX", wanted);
    parent_of(wanted, parent, sizeof parent);
    float *margins = malloc((golden_count ? golden_count : 1) * sizeof *margins);
    if (!margins)
        return error_set(e, ERR_NOSPACE, "out of memory");
    int rc = golden_margins
                 ? 0
                 : reference_margins(model, golden_rows, golden_count, spec->feature_count, margins, e);
    bool made = !rc && mkdtemp(fresh) != NULL;
    if (!rc && (!made || chmod(fresh, 0755) != 0))
        rc = io_error(fresh, e);
    if (!rc)
        rc = write_files(fresh, spec, model, golden_rows, golden_margins ? golden_margins : margins,
                         golden_count, e);
    if (!rc)
        rc = prove(fresh, e);
    if (!rc && rename(fresh, wanted) != 0)
        rc = errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR
                 ? error_set(e, ERR_EXISTS, "%s exists already", wanted)
                 : io_error(wanted, e);
    if (rc && made)
        remove_files(fresh);
    free(margins);
    return rc ? rc : sync_folder(parent, e);
}

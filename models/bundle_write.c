/* Writing a bundle: a folder beside the wanted one, synced, loaded as a check, renamed. A file of its own since
 * servers never write bundles.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/bundle_write.h"
#include "base/folder.h"
#include "models/booster.h"
#include "models/bundle_arms.h"
#include "models/doc.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 8 * 1024 * 1024, DIAGS_MEMORY_MAX = 16 * 1024 * 1024, MEMORY_MAX = 64 * 1024 * 1024 };

/* What is being written: the spec with names and hashes filled in, its models, the golden rows. */
struct writing {
    struct arena arena;
    struct bundle_spec spec;
    const struct str *models;
    const float *rows, *expected;
    bool predictions;
    size_t count;
};

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

/* The name of an arm's file. */
static const char *file_of(const struct writing *w, size_t arm)
{
    return w->spec.arms[arm].file.p;
}

static void remove_files(const char *folder, const struct writing *w)
{
    static const char *const texts[] = {"bundle.yaml", "golden.csv"};
    char path[4200];
    for (size_t i = 0; i < 2 + w->spec.arm_count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, i < 2 ? texts[i] : file_of(w, i - 2));
        unlink(path);
    }
    rmdir(folder);
}

/* ---- what is written ---- */

static int name_arm(struct writing *w, size_t arm, struct error *e)
{
    struct bundle_arm *a = &w->spec.arms[arm];
    const char *end = doc_is_ubj(w->models[arm]) ? "ubj" : "json";
    bool many = bundle_has_arms(&w->spec);
    const char *name = a->file.n ? arena_str(&w->arena, a->file).p
                       : many    ? arena_printf(&w->arena, "%.*s.%s", STR_ARG(a->arm), end)
                                 : arena_printf(&w->arena, "model.%s", end);
    if (name && many && !a->file.n && !bundle_file_name_ok(str_from(name)))
        name = arena_printf(&w->arena, "arm_%zu.%s", arm, end);
    if (!name)
        return error_set(e, ERR_NOSPACE, "out of memory");
    const char *dot = strrchr(name, '.');
    if (!bundle_file_name_ok(str_from(name)) || (!many && strncmp(name, "model.", 6) != 0))
        return error_set(e, ERR_INVALID, "a model's file cannot be called %.100s", name);
    if (strcmp(dot + 1, end) != 0)
        return error_set(e, ERR_INVALID, "the model for %.100s is %s; its name must end in .%s", name,
                         doc_is_ubj(w->models[arm]) ? "UBJSON" : "JSON", end);
    for (size_t i = 0; i < arm; i++)
        if (strcmp(file_of(w, i), name) == 0)
            return error_set(e, ERR_INVALID, "two models would be in the file %.100s", name);
    a->file = str_from(name);
    a->has_model_hash = true;
    a->model_hash = hash128(w->models[arm].p, w->models[arm].n);
    return 0;
}

/* Margins of all golden rows by the library. */
static int reference_margins(struct writing *w, struct error *e)
{
    size_t arms = w->spec.arm_count, outputs = w->spec.outputs > 1 ? w->spec.outputs : 1;
    float *all = arena_alloc(&w->arena, (w->count * arms * outputs + 1) * sizeof *all);
    float *one = arena_alloc(&w->arena, (w->count * outputs + 1) * sizeof *one);
    int rc = all && one ? 0 : error_set(e, ERR_NOSPACE, "the golden rows need more memory than is allowed");
    for (size_t k = 0; k < arms && !rc; k++) {
        struct booster *b = NULL;
        rc = booster_open_rounds(&b, w->models[k].p, w->models[k].n, w->spec.rounds, e);
        if (!rc && booster_model(b)->outputs != outputs)
            rc = error_set(e, ERR_INVALID, "the model has %zu outputs a row, bundle.yaml would say %zu",
                           booster_model(b)->outputs, outputs);
        if (!rc)
            rc = booster_margins(b, w->rows, w->count, w->spec.feature_count, one, e);
        if (rc && bundle_has_arms(&w->spec))
            error_prefix(e, "arm %.*s", STR_ARG(w->spec.arms[k].arm));
        booster_free(&b);
        for (size_t i = 0; i < w->count * outputs && !rc; i++)
            all[i * arms + k] = one[i];
    }
    w->expected = all;
    return rc;
}

static int prepare(struct writing *w, const struct bundle_spec *spec, struct error *e)
{
    ASSERT(spec->arms && spec->arm_count > 0);
    arena_init(&w->arena, MEMORY_MAX);
    w->spec = *spec;
    w->spec.arms = arena_memdup(&w->arena, spec->arms, spec->arm_count * sizeof *spec->arms);
    int rc = w->spec.arms ? 0 : error_set(e, ERR_NOSPACE, "out of memory");
    for (size_t i = 0; i < spec->arm_count && !rc; i++)
        rc = name_arm(w, i, e);
    if (!rc && !w->expected)
        rc = reference_margins(w, e);
    return rc;
}

static int write_files(const char *folder, const struct writing *w, struct error *e)
{
    struct buf yaml, csv;
    buf_init(&yaml, TEXT_MAX);
    buf_init(&csv, GOLDEN_FILE_MAX);
    bundle_spec_write(&yaml, &w->spec);
    golden_write(&csv, &w->spec, w->rows, w->expected, w->predictions, w->count);
    int rc = buf_ok(&yaml) && buf_ok(&csv)
                 ? 0
                 : error_set(e, ERR_NOSPACE, "bundle.yaml or golden.csv is too large");
    for (size_t i = 0; i < w->spec.arm_count && !rc; i++)
        rc = write_file(folder, file_of(w, i), w->models[i], e);
    if (!rc)
        rc = write_file(folder, "bundle.yaml", (struct str){(char *)yaml.p, yaml.n}, e);
    if (!rc)
        rc = write_file(folder, "golden.csv", (struct str){(char *)csv.p, csv.n}, e);
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

int bundle_write(const char *folder, const struct bundle_spec *spec, const struct str *models,
                 const float *golden_rows, const float *golden_margins, size_t golden_count, struct error *e)
{
    struct golden golden = {.n = golden_count, .rows = (float *)golden_rows, .expected = (float *)golden_margins};
    return bundle_write_golden(folder, spec, models, &golden, e);
}

int bundle_write_golden(const char *folder, const struct bundle_spec *spec, const struct str *models,
                        const struct golden *golden, struct error *e)
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
    struct writing w = {.models = models,
                        .rows = golden->rows,
                        .expected = golden->expected,
                        .predictions = golden->predictions,
                        .count = golden->n};
    int rc = folder_make(parent, e);
    if (!rc)
        rc = prepare(&w, spec, e);
    bool made = !rc && mkdtemp(fresh) != NULL;
    if (!rc && (!made || chmod(fresh, 0755) != 0))
        rc = io_error(parent, e);
    if (!rc)
        rc = write_files(fresh, &w, e);
    if (!rc)
        rc = prove(fresh, e);
    if (!rc && rename(fresh, wanted) != 0)
        rc = errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR
                 ? error_set(e, ERR_EXISTS, "%s exists already", wanted)
                 : io_error(wanted, e);
    if (rc && made)
        remove_files(fresh, &w);
    arena_free(&w.arena);
    return rc ? rc : sync_folder(parent, e);
}

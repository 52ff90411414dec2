/* Loading a bundle's folder; see bundle.h. Every file is read once, so that what was checked, hashed and
 * served are the same bytes even while somebody rewrites the folder.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/bundle.h"
#include "models/booster.h"
#include "models/model.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUNDLE_MEMORY_MAX = 256 * 1024 * 1024 };

enum part { PART_YAML, PART_GOLDEN, PART_MODEL, PARTS };

struct bundle {
    struct arena arena;
    const char *folder;
    struct bundle_spec spec;
    struct golden golden;
    struct id128 id;
    const char *names[PARTS]; /* within the folder, in sorted order */
    const char *paths[PARTS]; /* for messages */
    struct str bytes[PARTS];
    size_t trees;
};

static const double margin_tolerance = 1e-5;

/* The whole file into the arena; false after a finding. */
static bool read_part(struct bundle *b, enum part part, size_t most, struct diags *d)
{
    const char *path = b->paths[part];
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        diag_add(d, DIAG_ERROR, path, 0, 0, "cannot open: %s", fd < 0 ? strerror(errno) : "not a file");
        goto failed;
    }
    size_t size = (size_t)status.st_size;
    char *p = size <= most ? arena_alloc(&b->arena, size + 1) : NULL;
    if (!p) {
        diag_add(d, DIAG_ERROR, path, 0, 0, "larger than %zu MiB", most / (1024 * 1024));
        goto failed;
    }
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(fd, p + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            diag_add(d, DIAG_ERROR, path, 0, 0, "cannot read: %s",
                     got < 0 ? strerror(errno) : "it became shorter");
            goto failed;
        }
        n += (size_t)got;
    }
    b->bytes[part] = (struct str){p, n};
    close(fd);
    return true;
failed:
    if (fd >= 0)
        close(fd);
    return false;
}

/* Which of the two model files there is. */
static bool find_model(struct bundle *b, struct diags *d)
{
    const char *ubj = arena_printf(&b->arena, "%s/model.ubj", b->folder);
    const char *json = arena_printf(&b->arena, "%s/model.json", b->folder);
    if (!ubj || !json)
        return false;
    bool has_ubj = access(ubj, F_OK) == 0, has_json = access(json, F_OK) == 0;
    b->names[PART_MODEL] = has_json ? "model.json" : "model.ubj";
    b->paths[PART_MODEL] = has_json ? json : ubj;
    if (has_ubj && has_json)
        diag_add(d, DIAG_ERROR, b->folder, 0, 0, "both model.ubj and model.json; keep one");
    else if (!has_ubj && !has_json)
        diag_add(d, DIAG_ERROR, b->folder, 0, 0, "no model.ubj or model.json");
    return has_ubj != has_json;
}

/* All three files; findings name each that is missing. */
static bool read_parts(struct bundle *b, struct diags *d)
{
    b->names[PART_YAML] = "bundle.yaml";
    b->names[PART_GOLDEN] = "golden.csv";
    for (int i = PART_YAML; i <= PART_GOLDEN; i++)
        b->paths[i] = arena_printf(&b->arena, "%s/%s", b->folder, b->names[i]);
    if (!b->paths[PART_YAML] || !b->paths[PART_GOLDEN])
        return false;
    bool ok = find_model(b, d) && read_part(b, PART_MODEL, MODEL_FILE_MAX, d);
    ok &= read_part(b, PART_YAML, YAML_FILE_MAX, d);
    ok &= read_part(b, PART_GOLDEN, GOLDEN_FILE_MAX, d);
    if (!ok)
        return false;
    struct hasher *h = hasher_new();
    for (int i = 0; i < PARTS; i++) {
        uint8_t size[8];
        for (int k = 0; k < 8; k++)
            size[k] = (uint8_t)((uint64_t)b->bytes[i].n >> (8 * k));
        hasher_add(h, b->names[i], strlen(b->names[i]) + 1);
        hasher_add(h, size, sizeof size);
        hasher_add(h, b->bytes[i].p, b->bytes[i].n);
    }
    b->id = hasher_take(&h);
    return true;
}

static bool check_model_hash(const struct bundle *b, struct diags *d)
{
    if (!b->spec.has_model_hash ||
        id128_eq(hash128(b->bytes[PART_MODEL].p, b->bytes[PART_MODEL].n), b->spec.model_hash))
        return true;
    diag_add(d, DIAG_ERROR, b->paths[PART_MODEL], 0, 0,
             "not the file that bundle.yaml was written for: its hash is not model_hash");
    return false;
}

/* What bundle.yaml says of the features against what the model says. */
static bool check_features(const struct bundle *b, const struct booster *booster, struct diags *d)
{
    const struct bundle_spec *s = &b->spec;
    const char *yaml = b->paths[PART_YAML], *model = b->names[PART_MODEL];
    bool ok = true;
    if (!str_eq(booster_objective(booster), s->objective)) {
        diag_add(d, DIAG_ERROR, yaml, s->objective_line, s->objective_column,
                 "objective is %.*s, but %s says %.*s", STR_ARG(s->objective), model,
                 STR_ARG(booster_objective(booster)));
        ok = false;
    }
    if (booster_features(booster) != s->feature_count) {
        diag_add(d, DIAG_ERROR, yaml, s->line, s->column, "%zu features here, but %s has %zu",
                 s->feature_count, model, booster_features(booster));
        return false;
    }
    for (size_t i = 0; i < s->feature_count; i++) {
        const struct bundle_feature *f = &s->features[i];
        struct str name = booster_feature_name(booster, i), type = booster_feature_type(booster, i);
        if (name.n && !str_eq(name, f->name)) {
            diag_add(d, DIAG_ERROR, yaml, f->line, f->column, "feature %zu is '%.*s' here, but '%.*s' in %s",
                     i + 1, STR_ARG(f->name), name.n < 64 ? (int)name.n : 64, name.p, model);
            ok = false;
        } else if ((str_is(type, "c") || str_is(type, "categorical")) && f->type != BUNDLE_CATEGORY) {
            diag_add(d, DIAG_ERROR, yaml, f->line, f->column,
                     "feature '%.*s' is categorical in %s; give it type category", STR_ARG(f->name), model);
            ok = false;
        }
    }
    return ok;
}

/* Scores the golden rows and compares; every row that disagrees is a finding. */
static bool check_golden(const struct bundle *b, struct booster *booster, struct diags *d)
{
    const struct golden *g = &b->golden;
    struct error e = {0};
    bool ok = false;
    float *margins = malloc(g->n * sizeof *margins);
    if (!margins || booster_margins(booster, g->rows, g->n, g->features, margins, &e)) {
        diag_add(d, DIAG_ERROR, b->paths[PART_MODEL], 0, 0, "%s", margins ? e.text : "out of memory");
        goto out;
    }
    ok = true;
    for (size_t i = 0; i < g->n; i++) {
        double expected = (double)g->margins[i], given = (double)margins[i];
        if (fabs(given - expected) <= margin_tolerance * fmax(1, fabs(expected)))
            continue;
        diag_add(d, DIAG_ERROR, b->paths[PART_GOLDEN], g->lines[i], g->columns[i],
                 "golden row %zu: margin is %.9g here, but the model gives %.9g", i + 1, expected, given);
        ok = false;
    }
out:
    free(margins);
    return ok;
}

static bool check_model(struct bundle *b, struct diags *d)
{
    struct booster *booster = NULL;
    struct error e = {0};
    if (!check_model_hash(b, d))
        return false;
    if (booster_open(&booster, b->bytes[PART_MODEL].p, b->bytes[PART_MODEL].n, &e)) {
        diag_add(d, DIAG_ERROR, b->paths[PART_MODEL], 0, 0, "%s", e.text);
        return false;
    }
    b->trees = booster_trees(booster);
    bool ok = check_features(b, booster, d) &&
              golden_read(&b->golden, b->paths[PART_GOLDEN], b->bytes[PART_GOLDEN], &b->spec, &b->arena, d) &&
              check_golden(b, booster, d);
    booster_free(&booster);
    return ok;
}

/* The error for the findings since before. */
static int sum_up(const char *folder, const struct diags *d, size_t errors, size_t before, int code,
                  struct error *e)
{
    size_t count = d->errors - errors;
    const struct diag *first = before < d->count ? &d->items[before] : NULL;
    if (!first)
        return error_set(e, code, "bundle %s is refused", folder);
    char place[32] = "";
    if (first->line > 0)
        snprintf(place, sizeof place, ":%d:%d", first->line, first->column);
    if (count > 1)
        return error_set(e, code, "bundle %s is refused: %zu errors; the first: %s%s: %s", folder, count,
                         first->file, place, first->text);
    return error_set(e, code, "bundle %s is refused: %s%s: %s", folder, first->file, place, first->text);
}

int bundle_load(struct bundle **out, const char *folder, struct diags *d, struct error *e)
{
    size_t errors = d->errors, before = d->count;
    int code = ERR_NOTFOUND;
    struct stat status;
    struct bundle *b = calloc(1, sizeof *b);
    if (!b)
        return error_set(e, ERR_NOSPACE, "out of memory");
    arena_init(&b->arena, BUNDLE_MEMORY_MAX);
    b->folder = arena_strdup(&b->arena, folder);
    if (stat(folder, &status) != 0 || !S_ISDIR(status.st_mode)) {
        diag_add(d, DIAG_ERROR, folder, 0, 0, "no such folder");
        goto refused;
    }
    if (!b->folder || !read_parts(b, d))
        goto refused;
    code = ERR_INVALID;
    struct yaml_node *root = yaml_read(b->paths[PART_YAML], b->bytes[PART_YAML], &b->arena, d);
    if (!root || !bundle_spec_read(&b->spec, root, &b->arena, d) || d->errors > errors || !check_model(b, d))
        goto refused;
    *out = b;
    return 0;
refused:
    bundle_free(&b);
    return sum_up(folder, d, errors, before, code, e);
}

void bundle_free(struct bundle **b)
{
    if (!*b)
        return;
    arena_free(&(*b)->arena);
    free(*b);
    *b = NULL;
}

const struct bundle_spec *bundle_spec(const struct bundle *b)
{
    return &b->spec;
}

const struct golden *bundle_golden(const struct bundle *b)
{
    return &b->golden;
}

struct id128 bundle_id(const struct bundle *b)
{
    return b->id;
}

struct str bundle_model(const struct bundle *b)
{
    return b->bytes[PART_MODEL];
}

const char *bundle_folder(const struct bundle *b)
{
    return b->folder;
}

size_t bundle_trees(const struct bundle *b)
{
    return b->trees;
}

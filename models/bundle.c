/* Loading a bundle's folder; see bundle.h. Every file is read once, so that what was checked, hashed and
 * served are the same bytes even while somebody rewrites the folder.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/bundle.h"
#include "models/forest_score.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUNDLE_MEMORY_MAX = 256 * 1024 * 1024, MIB = 1024 * 1024, FINDINGS_MAX = 10, PIECE = 64 * 1024 };

struct part {
    const char *name; /* within the folder */
    const char *path; /* for messages */
    struct str bytes;
};

struct bundle {
    struct arena arena;
    const char *folder;
    struct bundle_spec spec;
    struct golden golden;
    struct id128 id;
    struct part yaml, csv;
    struct part *models;     /* one an arm */
    struct forest **forests; /* one an arm */
    size_t trees;
    bool missing; /* the folder, or one of its files */
};

/* Names a part; false when memory is out. */
static bool name_part(struct bundle *b, struct part *part, const char *name)
{
    part->name = name;
    part->path = name ? arena_printf(&b->arena, "%s/%s", b->folder, name) : NULL;
    return part->path != NULL;
}

/* The whole file into the arena; false after a finding. */
static bool read_part(struct bundle *b, struct part *part, size_t most, struct diags *d)
{
    const char *path = part->path;
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        b->missing = b->missing || (fd < 0 && errno == ENOENT);
        diag_add(d, DIAG_ERROR, path, 0, 0, "cannot open: %s", fd < 0 ? strerror(errno) : "not a file");
        goto failed;
    }
    size_t size = (size_t)status.st_size;
    char *p = size <= most ? arena_alloc(&b->arena, size + 1) : NULL;
    if (!p) {
        if (size > most)
            diag_add(d, DIAG_ERROR, path, 0, 0, "larger than %zu MiB", most / MIB);
        else
            diag_add(d, DIAG_ERROR, path, 0, 0, "the bundle's files are larger than %d MiB together",
                     BUNDLE_MEMORY_MAX / MIB);
        goto failed;
    }
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(fd, p + n, size - n < PIECE ? size - n : PIECE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            diag_add(d, DIAG_ERROR, path, 0, 0, "cannot read: %s",
                     got < 0 ? strerror(errno) : "it became shorter");
            goto failed;
        }
        n += (size_t)got;
    }
    part->bytes = (struct str){p, n};
    close(fd);
    return true;
failed:
    if (fd >= 0)
        close(fd);
    return false;
}

/* Which of the two model files there is, for a kind with one model. */
static bool find_model(struct bundle *b, struct diags *d)
{
    struct part ubj, json;
    if (!name_part(b, &ubj, "model.ubj") || !name_part(b, &json, "model.json"))
        return false;
    bool has_ubj = access(ubj.path, F_OK) == 0, has_json = access(json.path, F_OK) == 0;
    b->models[0] = has_json ? json : ubj;
    b->missing = !has_ubj && !has_json;
    if (has_ubj && has_json)
        diag_add(d, DIAG_ERROR, b->folder, 0, 0, "both model.ubj and model.json; keep one");
    else if (!has_ubj && !has_json)
        diag_add(d, DIAG_ERROR, b->folder, 0, 0, "no model.ubj or model.json");
    return has_ubj != has_json;
}

/* The two files that every bundle has; findings name each that is missing. */
static bool read_texts(struct bundle *b, struct diags *d)
{
    if (!name_part(b, &b->yaml, "bundle.yaml") || !name_part(b, &b->csv, "golden.csv"))
        return false;
    bool ok = read_part(b, &b->yaml, YAML_FILE_MAX, d);
    return read_part(b, &b->csv, GOLDEN_FILE_MAX, d) && ok;
}

/* All model files; findings name each that is missing. */
static bool read_models(struct bundle *b, struct diags *d)
{
    const struct bundle_spec *s = &b->spec;
    bool ok = true;
    b->models = arena_zalloc(&b->arena, s->arm_count * sizeof *b->models);
    b->forests = arena_zalloc(&b->arena, s->arm_count * sizeof *b->forests);
    if (!b->models || !b->forests)
        return false;
    if (!bundle_has_arms(s))
        return find_model(b, d) && read_part(b, &b->models[0], MODEL_FILE_MAX, d);
    for (size_t i = 0; i < s->arm_count; i++) {
        const char *name = arena_str(&b->arena, s->arms[i].file).p;
        ok = name_part(b, &b->models[i], name) && read_part(b, &b->models[i], MODEL_FILE_MAX, d) && ok;
    }
    return ok;
}

static void hash_file(void *ctx, const char *name, struct str bytes)
{
    struct hasher *h = ctx;
    uint8_t size[8];
    for (int k = 0; k < 8; k++)
        size[k] = (uint8_t)((uint64_t)bytes.n >> (8 * k));
    hasher_add(h, name, strlen(name) + 1);
    hasher_add(h, size, sizeof size);
    hasher_add(h, bytes.p, bytes.n);
}

static struct id128 hash_files(const struct bundle *b)
{
    struct hasher *h = hasher_new();
    bundle_each_file(b, hash_file, h);
    return hasher_take(&h);
}

static bool check_model_hash(const struct bundle *b, size_t arm, struct diags *d)
{
    const struct bundle_arm *a = &b->spec.arms[arm];
    struct str bytes = b->models[arm].bytes;
    if (!a->has_model_hash || id128_eq(hash128(bytes.p, bytes.n), a->model_hash))
        return true;
    diag_add(d, DIAG_ERROR, b->models[arm].path, 0, 0,
             "not the file that bundle.yaml was written for: its hash is not model_hash");
    return false;
}

/* What bundle.yaml says of the features against what an arm's model says. */
static bool check_features(const struct bundle *b, size_t arm, const struct model *m, struct diags *d)
{
    const struct bundle_spec *s = &b->spec;
    const char *yaml = b->yaml.path, *model = b->models[arm].name;
    bool ok = true;
    if (!str_eq(m->objective, s->objective)) {
        diag_add(d, DIAG_ERROR, yaml, s->objective_line, s->objective_column,
                 "objective is %.*s, but %s says %.*s", STR_ARG(s->objective), model, STR_ARG(m->objective));
        ok = false;
    }
    if (m->features != s->feature_count) {
        diag_add(d, DIAG_ERROR, yaml, s->line, s->column, "%zu features here, but %s has %zu",
                 s->feature_count, model, m->features);
        return false;
    }
    for (size_t i = 0; i < s->feature_count; i++) {
        const struct bundle_feature *f = &s->features[i];
        struct str name = m->feature_names ? m->feature_names[i] : (struct str){0};
        struct str type = m->feature_types ? m->feature_types[i] : (struct str){0};
        if (name.n && !str_eq(name, f->name)) {
            diag_add(d, DIAG_ERROR, yaml, f->line, f->column, "feature %zu is '%.*s' here, but '%.*s' in %s",
                     i + 1, STR_ARG(f->name), name.n < 64 ? (int)name.n : 64, name.p, model);
            ok = false;
        } else if ((str_is(type, "c") || str_is(type, "categorical")) && f->type != BUNDLE_CATEGORY) {
            diag_add(d, DIAG_ERROR, yaml, f->line, f->column,
                     "feature '%.*s' is categorical in %s; give it type category", STR_ARG(f->name), model);
            ok = false;
        } else if (m->categories) {
            ok = bundle_categories_fit(f, &m->categories[i], yaml, model, d) && ok;
        }
    }
    return ok;
}

/* Compares a golden row with its margins by an arm's model; how many differ. */
static size_t check_row(const struct bundle *b, size_t arm, size_t row, const float *margins, size_t found, struct diags *d)
{
    const struct golden *g = &b->golden;
    const char *what = g->predictions ? "prediction" : "margin";
    bool arms = bundle_has_arms(&b->spec);
    size_t wrong = 0;
    for (size_t k = arms ? arm : 0; k < (arms ? arm + 1 : g->width); k++) {
        size_t at = row * g->width + k;
        double expected = (double)g->expected[at], given = golden_given(g, &b->spec, margins, arms ? 0 : k, g->expected[at]);
        if (fabs(given - expected) <= GOLDEN_TOLERANCE * fmax(1, fabs(expected)))
            continue;
        if (found + wrong++ >= FINDINGS_MAX)
            continue;
        char name[BUNDLE_TEXT_MAX + 8] = "";
        if (arms)
            snprintf(name, sizeof name, ".%.*s", STR_ARG(b->spec.arms[arm].arm));
        else if (g->width > 1)
            snprintf(name, sizeof name, ".%zu", k);
        diag_add(d, DIAG_ERROR, b->csv.path, g->lines[at], g->columns[at],
                 "golden row %zu: %s%s is %.9g here, but the model gives %.9g", row + 1, what, name, expected, given);
    }
    return wrong;
}

/* Scores the golden rows by an arm's model and compares; the first that disagree are findings, and how many more there are. */
static bool check_golden(const struct bundle *b, size_t arm, struct arena *scratch, struct diags *d)
{
    const struct golden *g = &b->golden;
    struct error e = {0};
    size_t wrong = 0;
    float *margins = arena_alloc(scratch, g->n * b->spec.outputs * sizeof *margins);
    if (!margins || forest_rows(b->forests[arm], g->rows, g->n, scratch, margins, &e)) {
        diag_add(d, DIAG_ERROR, b->models[arm].path, 0, 0, "%s", margins ? e.text : "out of memory");
        return false;
    }
    for (size_t i = 0; i < g->n; i++)
        wrong += check_row(b, arm, i, margins + i * b->spec.outputs, wrong, d);
    if (wrong > FINDINGS_MAX)
        diag_add(d, DIAG_ERROR, b->csv.path, 0, 0, "%zu more golden values are not %s's", wrong - FINDINGS_MAX,
                 b->models[arm].name);
    return wrong == 0;
}

/* Where each feature comes from, as the scorer knows it. */
static bool compile(struct bundle *b, size_t arm, const struct model *m, struct arena *scratch, struct error *e)
{
    const struct bundle_spec *s = &b->spec;
    static const enum forest_role roles[] = {
        [BUNDLE_CUSTOMER] = FOREST_SHARED, [BUNDLE_ACTION] = FOREST_ACTION, [BUNDLE_PAIR] = FOREST_PAIR};
    enum forest_role *role = arena_alloc(scratch, s->feature_count * sizeof *role);
    if (!role)
        return error_set(e, ERR_NOSPACE, "out of memory") == 0;
    for (size_t i = 0; i < s->feature_count; i++)
        role[i] = roles[s->features[i].from];
    return forest_compile(&b->forests[arm], m, &(struct forest_options){.roles = role}, e) == 0;
}

static bool read_model(const struct bundle_spec *s, struct model *m, struct str bytes, struct arena *keep,
                       struct error *e)
{
    struct arena scratch;
    arena_init(&scratch, MODEL_MEMORY_MAX);
    int rc = model_read(m, bytes, s->rounds, keep, &scratch, e);
    arena_free(&scratch);
    if (!rc && m->outputs != s->outputs)
        rc = error_set(e, ERR_INVALID,
                       m->outputs == 1 ? "it has one output a row, but bundle.yaml says %zu outputs"
                                       : "it has several outputs a row (%zu); bundle.yaml must say 'outputs: %zu', and which "
                                         "'output' is the label, from 0",
                       m->outputs == 1 ? s->outputs : m->outputs, m->outputs);
    return rc == 0;
}

/* One arm's model. *golden_ok turns false when golden.csv cannot be read, which is told once. */
static bool check_model(struct bundle *b, size_t arm, bool *golden_ok, struct arena *scratch, struct diags *d)
{
    const struct part *part = &b->models[arm];
    struct model m;
    struct error e = {0};
    if (!check_model_hash(b, arm, d))
        return false;
    if (!read_model(&b->spec, &m, part->bytes, scratch, &e)) {
        diag_add(d, DIAG_ERROR, part->path, 0, 0, "%s", e.text);
        return false;
    }
    b->trees += m.tree_count;
    if (!check_features(b, arm, &m, d))
        return false;
    if (!compile(b, arm, &m, scratch, &e)) {
        diag_add(d, DIAG_ERROR, part->path, 0, 0, "%s", e.text);
        return false;
    }
    /* Read when bundle.yaml and a model agree on the columns, not before: else each mistake there is told twice. */
    if (*golden_ok && !b->golden.n)
        *golden_ok = golden_read(&b->golden, b->csv.path, b->csv.bytes, &b->spec, &b->arena, d);
    return *golden_ok && check_golden(b, arm, scratch, d);
}

static bool check_models(struct bundle *b, struct diags *d)
{
    bool ok = true, golden_ok = true;
    struct arena scratch;
    arena_init(&scratch, MODEL_MEMORY_MAX);
    for (size_t i = 0; i < b->spec.arm_count; i++) {
        ok = check_model(b, i, &golden_ok, &scratch, d) && ok;
        arena_reset(&scratch);
    }
    arena_free(&scratch);
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
    struct stat status = {0};
    struct bundle *b = calloc(1, sizeof *b);
    if (!b)
        return error_set(e, ERR_NOSPACE, "out of memory");
    arena_init(&b->arena, BUNDLE_MEMORY_MAX);
    b->folder = arena_strdup(&b->arena, folder);
    if (stat(folder, &status) != 0 || !S_ISDIR(status.st_mode)) {
        b->missing = true;
        diag_add(d, DIAG_ERROR, folder, 0, 0,
                 S_ISREG(status.st_mode) ? "a file, no bundle's folder; `tact model import` makes a bundle of a model's file"
                                         : "no such folder");
        goto refused;
    }
    if (!b->folder || !read_texts(b, d))
        goto refused;
    struct yaml_node *root = yaml_read(b->yaml.path, b->yaml.bytes, &b->arena, d);
    if (!root || !bundle_spec_read(&b->spec, root, &b->arena, d) || d->errors > errors)
        goto refused;
    if (!read_models(b, d))
        goto refused;
    b->id = hash_files(b);
    if (!check_models(b, d))
        goto refused;
    *out = b;
    return 0;
refused:;
    int code = b->missing ? ERR_NOTFOUND : ERR_INVALID;
    bundle_free(&b);
    return sum_up(folder, d, errors, before, code, e);
}

void bundle_free(struct bundle **b)
{
    if (!*b)
        return;
    for (size_t i = 0; (*b)->forests && i < (*b)->spec.arm_count; i++)
        forest_free(&(*b)->forests[i]);
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

struct str bundle_model(const struct bundle *b, size_t arm)
{
    return b->models[arm].bytes;
}

const struct forest *bundle_forest(const struct bundle *b, size_t arm)
{
    return b->forests[arm];
}

const char *bundle_file(const struct bundle *b, size_t arm)
{
    return b->models[arm].name;
}

const char *bundle_folder(const struct bundle *b)
{
    return b->folder;
}

size_t bundle_trees(const struct bundle *b)
{
    return b->trees;
}

void bundle_each_file(const struct bundle *b, void (*visit)(void *ctx, const char *name, struct str bytes), void *ctx)
{
    visit(ctx, b->yaml.name, b->yaml.bytes);
    visit(ctx, b->csv.name, b->csv.bytes);
    for (size_t i = 0; i < b->spec.arm_count; i++)
        visit(ctx, b->models[i].name, b->models[i].bytes);
}

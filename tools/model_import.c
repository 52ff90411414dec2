/* tact model import: a model that somebody's program saved becomes a bundle.
 *
 *   model file --model_read--> what it knows  \
 *   --features YAML ---------> what it cannot  > bundle.yaml (models/bundle_import.h)
 *   --golden CSV  -----------> rows and what the model's own program gave them; without such columns libxgboost's margins;
 *                              without a file, rows drawn around the model's thresholds
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/model_import.h"
#include "base/rng.h"
#include "models/booster.h"
#include "models/bundle_arms.h"
#include "models/bundle_import.h"
#include "models/bundle_write.h"
#include "models/forest_score.h"
#include "tools/cmd_model.h"
#include "tools/model_rows.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

enum { GOLDEN_MOST = 1000, GOLDEN_DRAWN = 200, FINDINGS_SHOWN = 10, TEXT_MEMORY = 512 << 20 };

static int run(int argc, char **argv);

const struct command command_model_import = {
    .name = "model import",
    .brief = "make a bundle of a model that XGBoost saved",
    .arguments = "MODEL",
    .details =
        "MODEL is what booster.save_model(\"model.ubj\") or .json wrote. --features is a YAML file with what the model's "
        "file\n"
        "does not know: which features come from the action or the pair (all others are the customer's), what the codes of\n"
        "categories mean, the label. Its form is that of bundle.yaml; what can be known may be left out.\n"
        "--golden is a CSV file of rows with a column `prediction` (what booster.predict gives) or `margin`\n"
        "(output_margin=True; margin.0, margin.1 … of several outputs): the bundle is made only if Tact gives the same. Rows\n"
        "without such a column are scored by libxgboost. Categories stand by name; an empty cell, NaN, NA, None or null is\n"
        "missing. Of many rows the first are kept: at most 1000, and 8 MiB of them. In Python:\n\n"
        "  X.assign(prediction=booster.predict(xgboost.DMatrix(X))).head(1000).to_csv(\"golden.csv\", index=False)\n\n"
        "with early stopping predict(…, iteration_range=(0, booster.best_iteration + 1)), with categories DMatrix(X,\n"
        "enable_categorical=True), of several classes predict(…)[:, output], of scikit-learn's interface\n"
        "predict_proba(X)[:, 1].\n\n"
        "  tact model import model.ubj --features features.yaml --golden golden.csv --out bundles/clicks_v3",
    .run = run,
};

struct options {
    const char *model, *features, *golden, *out, *name, *version, *trees;
    bool json;
};

struct import {
    const struct options *o;
    struct arena keep, arena;
    struct diags diags;
    struct buf bytes;
    struct model model;
    struct bundle_spec spec;
    struct model_rows rows;
    struct golden golden;
    const char *golden_from;
    size_t golden_given; /* rows, of which golden has those that are kept */
    double largest; /* difference of a golden row, in parts of what is allowed */
};

static int read_file(const char *path, struct buf *out, struct error *e)
{
    FILE *f = fopen(path, "rbe");
    if (!f)
        return error_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s", path, strerror(errno));
    char *chunk;
    size_t n = 1;
    while (n > 0 && (chunk = (char *)buf_reserve(out, 1 << 20))) {
        n = fread(chunk, 1, 1 << 20, f);
        out->n += n;
    }
    int rc = ferror(f) ? error_set(e, ERR_IO, "%s: %s", path, strerror(errno)) : 0;
    fclose(f);
    return rc || buf_ok(out) ? rc : error_set(e, ERR_NOSPACE, "%s is larger than %d MiB", path, MODEL_FILE_MAX >> 20);
}

/* From the bytes at hand. */
static int parse_model(struct import *m, enum model_rounds rounds, struct model *out, struct arena *keep, struct error *e)
{
    struct arena scratch;
    arena_init(&scratch, MODEL_MEMORY_MAX);
    int rc = model_read(out, (struct str){(char *)m->bytes.p, m->bytes.n}, rounds, keep, &scratch, e);
    arena_free(&scratch);
    return rc ? error_prefix(e, "%s", m->o->model) : 0;
}

static enum model_rounds told_rounds(const struct options *o)
{
    return o->trees && strcmp(o->trees, "all") == 0 ? MODEL_ALL : MODEL_BEST;
}

static int read_model(struct import *m, struct error *e)
{
    buf_init(&m->bytes, (size_t)MODEL_FILE_MAX + (2 << 20));
    int rc = read_file(m->o->model, &m->bytes, e);
    return rc ? rc : parse_model(m, told_rounds(m->o), &m->model, &m->keep, e);
}

/* The file's name without folder and ending. */
static struct str stem_of(const char *path)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path, *dot = strrchr(name, '.');
    return (struct str){name, dot && dot > name ? (size_t)(dot - name) : strlen(name)};
}

static int make_spec(struct import *m, struct error *e)
{
    char hash[ID128_TEXT];
    id128_text(hash128(m->bytes.p, m->bytes.n), hash);
    struct bundle_import from = {.model = &m->model,
                                 .file = m->o->model,
                                 .name = m->o->name ? str_from(m->o->name) : stem_of(m->o->model),
                                 .version = m->o->version ? str_from(m->o->version)
                                                          : (struct str){arena_strdup(&m->arena, hash), 12}};
    struct yaml_node *root = m->o->features ? yaml_read_file(m->o->features, &m->arena, &m->diags)
                                            : yaml_read(m->o->model, STR(""), &m->arena, &m->diags);
    if (!root || !bundle_import_spec(&m->spec, root, &from, &m->arena, &m->diags) || m->diags.errors)
        return m->o->features
                   ? error_set(e, ERR_INVALID, "%s does not describe a bundle of %s", m->o->features, m->o->model)
                   : error_set(e, ERR_INVALID,
                               "%s does not say enough for a bundle; write the rest down and give it as --features FILE",
                               m->o->model);
    if (m->o->trees)
        m->spec.rounds = told_rounds(m->o);
    if (m->spec.feature_count != m->model.features)
        return error_set(e, ERR_INVALID, "%s lists %zu features, the model has %zu", m->o->features, m->spec.feature_count,
                         m->model.features);
    if (m->spec.rounds == told_rounds(m->o))
        return 0;
    arena_reset(&m->keep); /* the description says other rounds */
    return parse_model(m, m->spec.rounds, &m->model, &m->keep, e);
}

/* ---- golden rows ---- */

/* A value of a feature that a node of the model asks for, or its neighbour; sometimes missing. */
static float draw_value(struct rng *r, const struct import *m, size_t feature)
{
    const struct bundle_feature *f = &m->spec.features[feature];
    if (rng_below(r, 8) == 0)
        return NAN;
    if (f->type == BUNDLE_CATEGORY)
        return (float)rng_below(r, f->category_count);
    if (f->type == BUNDLE_BOOL)
        return (float)rng_below(r, 2);
    for (int i = 0; i < 200 && m->model.tree_count; i++) {
        const struct model_tree *t = &m->model.trees[rng_below(r, m->model.tree_count)];
        const struct model_node *n = &t->nodes[rng_below(r, t->count)];
        if (n->left >= 0 && n->feature == feature && n->set < 0 && isfinite(n->value))
            return rng_below(r, 2) ? n->value : nextafterf(n->value, -INFINITY);
    }
    return (float)rng_below(r, 100);
}

static int draw_rows(struct import *m, struct error *e)
{
    struct rng r;
    size_t features = m->spec.feature_count;
    rng_seed(&r, 1);
    float *rows = arena_alloc(&m->arena, GOLDEN_DRAWN * features * sizeof *rows);
    if (!rows)
        return error_set(e, ERR_NOSPACE, "out of memory");
    for (size_t i = 0; i < GOLDEN_DRAWN * features; i++)
        rows[i] = draw_value(&r, m, i % features);
    m->golden = (struct golden){.n = GOLDEN_DRAWN, .features = features, .rows = rows};
    m->golden_from = "libxgboost's margins of drawn rows";
    m->golden_given = m->golden.n;
    return 0;
}

/* A file of rows alone is scored by libxgboost; but where there is another column, something was meant to be compared. */
static int nothing_to_compare(struct import *m, struct error *e)
{
    struct str other = m->rows.other;
    struct suggest s;
    suggest_init(&s, other);
    size_t margins = golden_width(&m->spec, false);
    const char *first = golden_column(&m->spec, false, 0, &m->arena),
               *last = golden_column(&m->spec, false, margins - 1, &m->arena),
               *prediction = golden_column(&m->spec, true, 0, &m->arena);
    suggest_offer(&s, str_from(prediction));
    suggest_offer(&s, str_from(first));
    struct str best = suggest_best(&s);
    char hint[64] = "";
    if (best.n)
        snprintf(hint, sizeof hint, " (did you mean %.*s?)", (int)best.n < 40 ? (int)best.n : 40, best.p);
    return error_set(e, ERR_INVALID,
                     "%s has no column %s (booster.predict%s) or %s%s%s (output_margin=True) to compare with, but '%.*s'%s; rows "
                     "alone have the features' columns only",
                     m->o->golden, prediction, m->spec.outputs > 1 ? ", of the output that is the label" : "", first,
                     margins > 1 ? " to " : "", margins > 1 ? last : "", other.n < 64 ? (int)other.n : 64, other.p, hint);
}

static int take_rows(struct import *m, struct error *e)
{
    if (!m->o->golden)
        return draw_rows(m, e);
    int rc = model_rows_read(&m->rows, m->o->golden, &m->spec, GOLDEN_MOST, &m->diags, e);
    if (!rc && !m->rows.golden.expected && m->rows.other.n)
        return nothing_to_compare(m, e);
    m->golden = m->rows.golden;
    m->golden_given = m->rows.frame.rows;
    m->golden_from = !m->golden.expected ? "libxgboost's margins of the given rows"
                     : m->golden.classes     ? "the given numbers of classes"
                     : m->golden.predictions ? "the given predictions"
                                             : "the given margins";
    return rc;
}

/* What nobody expects is what libxgboost gives. */
static int library_margins(struct import *m, struct error *e)
{
    struct golden *g = &m->golden;
    struct booster *b = NULL;
    g->width = m->spec.outputs;
    g->expected = arena_alloc(&m->arena, g->n * g->width * sizeof *g->expected);
    int rc = g->expected ? booster_open_rounds(&b, m->bytes.p, m->bytes.n, m->spec.rounds, e)
                         : error_set(e, ERR_NOSPACE, "out of memory");
    if (!rc)
        rc = booster_margins(b, g->rows, g->n, g->features, g->expected, e);
    booster_free(&b);
    if (!rc)
        return 0;
    char library[24];
    booster_library(library);
    return error_prefix(
        e, "the XGBoost %s that is installed here cannot score %s, so say what it gives: --golden CSV with a column %s",
        library, m->o->model, golden_column(&m->spec, true, 0, &m->arena));
}

/* Whole rows through a model; NULL with the error set. */
static float *margins_of(struct import *m, const struct model *model, struct error *e)
{
    const struct golden *g = &m->golden;
    struct forest *f = NULL;
    float *margins = arena_alloc(&m->arena, g->n * model->outputs * sizeof *margins);
    int rc = margins ? forest_compile(&f, model, &(struct forest_options){0}, e) : error_set(e, ERR_NOSPACE, "out of memory");
    if (!rc)
        rc = forest_rows(f, g->rows, g->n, &m->arena, margins, e);
    forest_free(&f);
    return rc ? NULL : margins;
}

/* Here, where the rows' place is known; the bundle's own check would know its copy's only. */
static void tell_wrong(struct import *m, size_t row, size_t k, double given)
{
    const struct golden *g = &m->golden;
    bool own_rows = m->o->golden != NULL;
    diag_add(&m->diags, DIAG_ERROR, own_rows ? m->o->golden : m->o->model, own_rows ? (int)m->rows.frame.lines[row] : 0, 0,
             "%s is %.9g here, but the model gives %.9g", golden_column(&m->spec, g->predictions, k, &m->arena),
             (double)g->expected[row * g->width + k], given);
}

/* How many expected values are not those. */
static size_t count_wrong(struct import *m, const float *margins, bool tell)
{
    const struct golden *g = &m->golden;
    size_t wrong = 0;
    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < g->width; k++) {
            float expected = g->expected[i * g->width + k];
            double given = golden_given(g, &m->spec, margins + i * m->spec.outputs, k, expected);
            double off = fabs(given - (double)expected) / fmax(1, fabs((double)expected));
            if (tell)
                m->largest = fmax(m->largest, off);
            if (!(off <= GOLDEN_TOLERANCE) && wrong++ < FINDINGS_SHOWN && tell)
                tell_wrong(m, i, k, given);
        }
    return wrong;
}

/* Whether they are the margins or predictions of the rounds that do not count here. */
static bool of_other_rounds(struct import *m)
{
    struct error ignored = {0};
    struct model other;
    struct arena keep;
    if (m->model.best_iteration < 0 || (size_t)m->model.best_iteration + 1 == m->model.rounds_in_file)
        return false;
    arena_init(&keep, MODEL_MEMORY_MAX);
    enum model_rounds rounds = m->spec.rounds == MODEL_ALL ? MODEL_BEST : MODEL_ALL;
    const float *margins =
        parse_model(m, rounds, &other, &keep, &ignored) ? NULL : margins_of(m, &other, &ignored);
    bool found = margins && count_wrong(m, margins, false) == 0;
    arena_free(&keep);
    return found;
}

static bool only_classes(const struct golden *g)
{
    for (size_t i = 0; i < g->n * g->width; i++)
        if (g->expected[i] != 0 && g->expected[i] != 1)
            return false;
    return g->predictions;
}

static int refuse_rows(struct import *m, size_t wrong, struct error *e)
{
    char why[200];
    if (of_other_rounds(m) && m->spec.rounds == MODEL_BEST)
        snprintf(why, sizeof why,
                 "they are those of all %zu rounds: say --trees all, or predict with iteration_range=(0, %ld), for the best one "
                 "is %ld",
                 m->model.rounds_in_file, m->model.best_iteration + 1, m->model.best_iteration);
    else if (of_other_rounds(m))
        snprintf(why, sizeof why, "they are those of the rounds up to best_iteration, %ld: say --trees best",
                 m->model.best_iteration);
    else if (only_classes(&m->golden))
        snprintf(why, sizeof why,
                 "all are 0 or 1, as classes are: give the chances (predict_proba of scikit-learn's interface)");
    else
        snprintf(why, sizeof why, "are they of another model, or of other rows?");
    return error_set(e, ERR_INVALID, "%zu of %zu golden values are not the model's; %s", wrong,
                     m->golden.n * m->golden.width, why);
}

static int compare_rows(struct import *m, struct error *e)
{
    const float *margins = margins_of(m, &m->model, e);
    if (!margins)
        return e->code;
    size_t wrong = count_wrong(m, margins, true);
    return wrong ? refuse_rows(m, wrong, e) : 0;
}

static int import(struct import *m, struct error *e)
{
    int rc = read_model(m, e);
    if (!rc)
        rc = make_spec(m, e);
    if (!rc)
        rc = take_rows(m, e);
    if (!rc && !m->golden.expected)
        rc = library_margins(m, e);
    if (!rc)
        rc = compare_rows(m, e);
    if (!rc)
        m->golden.n = golden_fitting(&m->golden, &m->spec);
    struct str bytes = {(char *)m->bytes.p, m->bytes.n};
    if (!rc)
        rc = bundle_write_golden(m->o->out, &m->spec, &bytes, &m->golden, e);
    return rc;
}

/* ---- what is said ---- */

static void report_json(const struct import *m)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:f}", "bundle", m->o->out, "name",
                          arena_str((struct arena *)&m->arena, m->spec.name).p, "version",
                          arena_str((struct arena *)&m->arena, m->spec.version).p, "trees", (json_int_t)m->model.tree_count,
                          "trees_in_file", (json_int_t)m->model.trees_in_file, "best_iteration",
                          (json_int_t)m->model.best_iteration, "features", (json_int_t)m->spec.feature_count, "golden_rows",
                          (json_int_t)m->golden.n, "golden_rows_given", (json_int_t)m->golden_given, "golden_from",
                          m->golden_from, "largest_difference", m->largest);
    char *s = o ? json_dumps(o, JSON_COMPACT) : NULL;
    printf("%s\n", s ? s : "{}");
    free(s);
    json_decref(o);
}

static void report(const struct import *m)
{
    size_t from[BUNDLE_PAIR + 1] = {0};
    for (size_t i = 0; i < m->spec.feature_count; i++)
        from[m->spec.features[i].from]++;
    printf("%s: %.*s %.*s, %.*s\n", m->o->out, STR_ARG(m->spec.name), STR_ARG(m->spec.version), STR_ARG(m->spec.objective));
    model_print_rounds(&m->model, stdout);
    printf("  features     %zu: %zu of the customer, %zu of the action, %zu of the pair\n", m->spec.feature_count,
           from[BUNDLE_CUSTOMER], from[BUNDLE_ACTION], from[BUNDLE_PAIR]);
    printf("  golden rows  %zu", m->golden.n);
    if (m->golden.n < m->golden_given)
        printf(" of %zu, the first ones (at most %d, and %d MiB, are kept)", m->golden_given, GOLDEN_MOST,
               GOLDEN_FILE_MAX >> 20);
    printf(", %s", m->golden_from);
    printf("; the largest difference is %.2g (allowed: %.0e)", m->largest, GOLDEN_TOLERANCE);
    printf("\n");
}

void model_print_rounds(const struct model *m, FILE *out)
{
    if (m->linear)
        fprintf(out, "  linear       %zu weights\n", (m->features + 1) * m->outputs);
    else if (m->tree_count == m->trees_in_file && m->best_iteration >= 0 &&
             (size_t)m->best_iteration + 1 < m->rounds_in_file)
        fprintf(out, "  trees        %zu, depth %zu%s: all, also those after best_iteration %ld\n", m->tree_count, m->depth,
                m->dart ? ", DART" : "", m->best_iteration);
    else if (m->tree_count == m->trees_in_file)
        fprintf(out, "  trees        %zu, depth %zu%s%s\n", m->tree_count, m->depth, m->dart ? ", DART" : "",
                m->best_iteration >= 0 ? ", the last round being the best" : "");
    else
        fprintf(out, "  trees        %zu of %zu: up to best_iteration %ld; depth %zu%s\n", m->tree_count, m->trees_in_file,
                m->best_iteration, m->depth, m->dart ? ", DART" : "");
}

static int run(int argc, char **argv)
{
    struct options o = {0};
    int count;
    const struct option_def defs[] = {
        {.name = "features", .value = "FILE", .help = "YAML: what the model's file does not know", .text = &o.features},
        {.name = "golden", .value = "CSV", .help = "rows with `prediction` or `margin`; plain or zstd", .text = &o.golden},
        {.name = "out", .value = "FOLDER", .help = "the bundle (required); must not exist", .text = &o.out},
        {.name = "name", .value = "NAME", .help = "of the bundle; default: the file's", .text = &o.name},
        {.name = "version", .value = "TEXT", .help = "default: the start of the file's hash", .text = &o.version},
        {.name = "trees", .value = "best|all", .help = "default best, where the file says which", .text = &o.trees},
        {.name = "json", .help = "one JSON object", .flag = &o.json},
        {0},
    };
    int rc = options_parse(&command_model_import, defs, argc, argv, &o.model, 1, 1, &count);
    if (rc >= 0)
        return rc;
    if (!o.out || (o.trees && strcmp(o.trees, "best") != 0 && strcmp(o.trees, "all") != 0)) {
        fprintf(stderr, !o.out ? "tact model import: --out FOLDER is required; `tact model import --help` says more\n"
                               : "tact model import: --trees is best or all\n");
        return EXIT_USAGE;
    }
    if ((o.name && !bundle_text_ok(str_from(o.name))) || (o.version && !bundle_text_ok(str_from(o.version)))) {
        fprintf(stderr, "tact model import: --%s is 1 to %d bytes of text on one line\n",
                o.name && !bundle_text_ok(str_from(o.name)) ? "name" : "version", BUNDLE_TEXT_MAX);
        return EXIT_USAGE;
    }
    struct import m = {.o = &o};
    struct error e = {0};
    arena_init(&m.keep, MODEL_MEMORY_MAX);
    arena_init(&m.arena, TEXT_MEMORY);
    diags_init(&m.diags, &m.arena);
    rc = import(&m, &e);
    diags_print(&m.diags, stderr);
    if (rc)
        fprintf(stderr, "tact model import: %s\n", e.text);
    else if (o.json)
        report_json(&m);
    else
        report(&m);
    model_rows_free(&m.rows);
    buf_free(&m.bytes);
    arena_free(&m.keep);
    arena_free(&m.arena);
    return rc ? EXIT_FAILED : EXIT_OK;
}

/* tact model show, tact model check: what a bundle (or a model's file) is, and whether it would serve.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/model_show.h"
#include "models/binding.h"
#include "models/forest_score.h"
#include "tools/cmd_model.h"
#include "tools/model_import.h"
#include "tools/model_lineup.h"
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MEMORY_MAX = 256 << 20, SHOWN_MAX = 20 };

static int run_show(int argc, char **argv);
static int run_check(int argc, char **argv);

const struct command command_model_show = {
    .name = "model show",
    .brief = "what a bundle, or a model's file, is",
    .arguments = "BUNDLE",
    .details = "Prints name, objective, trees, features with the number of nodes that ask for each, golden rows and what the\n"
               "compiled model needs. BUNDLE may also be a model's file as XGBoost saved it, or a line-up.\n\n"
               "  tact model show bundles/clicks_v3\n"
               "  tact model show model.ubj --json",
    .run = run_show,
};

const struct command command_model_check = {
    .name = "model check",
    .brief = "score a bundle's golden rows; bind it to a policy",
    .arguments = "BUNDLE",
    .details = "Loads the bundle as a server does: its golden rows must come out to 1e-5. With --policy it is bound to a policy:\n"
               "features that the policy lacks are errors, by name; named too are the policy's features that the model does not\n"
               "use, and the model's features that no tree asks for. BUNDLE may also be a line-up. Exit code 1 when a server\n"
               "would refuse it.\n\n"
               "  tact model check bundles/clicks_v3 --policy tools/examples/retail",
    .run = run_check,
};

/* A bundle, or NULL, and what its models (or the one file) say. */
struct shown {
    struct arena arena;
    struct diags diags;
    struct bundle *bundle;
    struct buf bytes;
    struct model *models;
    size_t count;
    uint64_t *splits; /* [features] nodes of all models */
};

/* ---- reading ---- */

static int read_one(struct shown *s, struct model *m, struct str bytes, enum model_rounds rounds, struct error *e)
{
    struct arena scratch;
    arena_init(&scratch, MODEL_MEMORY_MAX);
    int rc = model_read(m, bytes, rounds, &s->arena, &scratch, e);
    arena_free(&scratch);
    return rc;
}

static void count_splits(struct shown *s, const struct model *m)
{
    for (size_t t = 0; t < m->tree_count; t++)
        for (uint32_t i = 0; i < m->trees[t].count; i++)
            s->splits[m->trees[t].nodes[i].feature] += m->trees[t].nodes[i].left >= 0;
    for (size_t i = 0; m->linear && i < m->features * m->outputs; i++)
        s->splits[i / m->outputs] += m->linear[i] < 0 || m->linear[i] > 0;
}

static int read_bundle(struct shown *s, const char *path, struct error *e)
{
    int rc = bundle_load(&s->bundle, path, &s->diags, e);
    const struct bundle_spec *spec = rc ? NULL : bundle_spec(s->bundle);
    s->count = spec ? spec->arm_count : 0;
    s->models = arena_zalloc(&s->arena, (s->count + 1) * sizeof *s->models);
    for (size_t i = 0; i < s->count && !rc; i++)
        rc = s->models ? read_one(s, &s->models[i], bundle_model(s->bundle, i), spec->rounds, e)
                       : error_set(e, ERR_NOSPACE, "out of memory");
    return rc;
}

static int read_file(struct shown *s, const char *path, struct error *e)
{
    struct stat status;
    FILE *f = stat(path, &status) == 0 && S_ISREG(status.st_mode) ? fopen(path, "rbe") : NULL;
    if (!f)
        return error_set(e, ERR_NOTFOUND, "%s: no such bundle or file", path);
    buf_init(&s->bytes, (size_t)MODEL_FILE_MAX + 1);
    uint8_t *p = (size_t)status.st_size <= MODEL_FILE_MAX ? buf_reserve(&s->bytes, (size_t)status.st_size + 1) : NULL;
    if (p)
        s->bytes.n = fread(p, 1, (size_t)status.st_size, f);
    fclose(f);
    if (!p)
        return error_set(e, ERR_NOSPACE, "%s is larger than %d MiB", path, MODEL_FILE_MAX >> 20);
    s->count = 1;
    s->models = arena_zalloc(&s->arena, sizeof *s->models);
    int rc = s->models ? read_one(s, s->models, (struct str){(char *)p, s->bytes.n}, MODEL_BEST, e)
                       : error_set(e, ERR_NOSPACE, "out of memory");
    return rc ? error_prefix(e, "%s", path) : 0;
}

/* A bundle's folder, or a model's file. */
static int read_shown(struct shown *s, const char *path, struct error *e)
{
    struct stat status;
    bool folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    *s = (struct shown){0};
    arena_init(&s->arena, MODEL_MEMORY_MAX);
    diags_init(&s->diags, &s->arena);
    int rc = folder ? read_bundle(s, path, e) : read_file(s, path, e);
    if (rc)
        return rc;
    s->splits = arena_zalloc(&s->arena, s->models->features * sizeof *s->splits);
    for (size_t i = 0; s->splits && i < s->count; i++)
        count_splits(s, &s->models[i]);
    return s->splits ? 0 : error_set(e, ERR_NOSPACE, "out of memory");
}

static void free_shown(struct shown *s)
{
    bundle_free(&s->bundle);
    buf_free(&s->bytes);
    arena_free(&s->arena);
}

/* ---- showing ---- */

static const char *from_name(enum bundle_from from)
{
    static const char *const names[] = {"customer", "action", "pair"};
    return names[from];
}

static struct str feature_name(const struct shown *s, size_t i)
{
    if (s->bundle)
        return bundle_spec(s->bundle)->features[i].name;
    return s->models->feature_names ? s->models->feature_names[i] : (struct str){0};
}

static const char *type_name(enum bundle_type type)
{
    static const char *const names[] = {[BUNDLE_NUMBER] = "number", [BUNDLE_BOOL] = "bool", [BUNDLE_CATEGORY] = "category"};
    return names[type];
}

static void print_feature(const struct bundle_feature *f)
{
    char type[40];
    snprintf(type, sizeof type, f->type == BUNDLE_CATEGORY ? "%s of %zu" : "%s", type_name(f->type), f->category_count);
    printf(" %-8s  %-14s", from_name(f->from), type);
}

static void print_features(const struct shown *s, size_t most)
{
    const struct bundle_spec *spec = s->bundle ? bundle_spec(s->bundle) : NULL;
    for (size_t i = 0; i < s->models->features; i++) {
        struct str name = feature_name(s, i);
        if (i == most) {
            printf("    … and %zu more (--all)\n", s->models->features - most);
            return;
        }
        printf("    %4zu  %-32.*s", i, STR_ARG(name));
        if (spec)
            print_feature(&spec->features[i]);
        printf(" %8" PRIu64 " %s\n", s->splits[i], s->models->linear ? "weights" : "nodes");
    }
}

static void print_model(const struct model *m)
{
    printf("  written by   XGBoost %d.%d.%d, %.*s\n", m->version[0], m->version[1], m->version[2], STR_ARG(m->booster));
    model_print_rounds(m, stdout);
    printf("  base score   %.9g, as a margin %.9g%s\n", (double)m->base_score[0], (double)m->base[0],
           m->outputs > 1 ? " (of the first output)" : "");
}

static void print_bundle(const struct shown *s)
{
    const struct bundle_spec *spec = bundle_spec(s->bundle);
    char id[ID128_TEXT];
    size_t bytes = 0;
    for (size_t i = 0; i < s->count; i++)
        bytes += forest_bytes(bundle_forest(s->bundle, i));
    id128_text(bundle_id(s->bundle), id);
    printf("%s: %.*s %.*s\n", bundle_folder(s->bundle), STR_ARG(spec->name), STR_ARG(spec->version));
    printf("  id           %s\n", id);
    printf("  objective    %.*s; label: %.*s\n", STR_ARG(spec->objective), STR_ARG(spec->label));
    for (size_t i = 0; i < s->count; i++) {
        if (bundle_has_arms(spec))
            printf("  arm          %.*s (%s)\n", STR_ARG(spec->arms[i].arm), bundle_file(s->bundle, i));
        print_model(&s->models[i]);
    }
    if (spec->outputs > 1)
        printf("  outputs      %zu, of which %zu is the label\n", spec->outputs, spec->output);
    const struct golden *g = bundle_golden(s->bundle);
    printf("  golden rows  %zu, %s\n", g->n, g->predictions ? "predictions" : "margins");
    printf("  compiled     %.1f KB%s, %s instructions\n", (double)bytes / 1e3,
           forest_is_flat(bundle_forest(s->bundle, 0)) ? ", flat" : "",
           forest_instructions_name(forest_instructions_of(bundle_forest(s->bundle, 0))));
}

static json_t *json_of(struct str s)
{
    return json_stringn(s.p ? s.p : "", s.n);
}

static void add_feature(json_t *o, const struct bundle_feature *f)
{
    json_object_set_new(o, "from", json_string(from_name(f->from)));
    json_object_set_new(o, "type", json_string(type_name(f->type)));
    if (f->type != BUNDLE_CATEGORY)
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < f->category_count; i++)
        json_array_append_new(list, json_of(f->categories[i]));
    json_object_set_new(o, "categories", list);
}

static json_t *features_json(const struct shown *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->models->features; i++) {
        json_t *f = json_pack("{s:o, s:I}", "name", json_of(feature_name(s, i)), "nodes", (json_int_t)s->splits[i]);
        if (s->bundle)
            add_feature(f, &bundle_spec(s->bundle)->features[i]);
        json_array_append_new(list, f);
    }
    return list;
}

static void print_json(const struct shown *s, const char *path)
{
    const struct model *m = s->models;
    json_t *o = json_pack("{s:s, s:o, s:o, s:[i,i,i], s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o}", "path", path, "objective",
                          json_of(m->objective), "booster", json_of(m->booster), "library", m->version[0], m->version[1],
                          m->version[2], "trees", (json_int_t)m->tree_count, "trees_in_file", (json_int_t)m->trees_in_file,
                          "best_iteration", (json_int_t)m->best_iteration, "depth", (json_int_t)m->depth, "outputs",
                          (json_int_t)m->outputs, "base_score", (double)m->base_score[0], "base_margin", (double)m->base[0],
                          "features", features_json(s));
    if (o && s->bundle) {
        const struct bundle_spec *spec = bundle_spec(s->bundle);
        char id[ID128_TEXT];
        id128_text(bundle_id(s->bundle), id);
        json_object_set_new(o, "id", json_string(id));
        json_object_set_new(o, "name", json_of(spec->name));
        json_object_set_new(o, "version", json_of(spec->version));
        json_object_set_new(o, "label", json_of(spec->label));
        json_object_set_new(o, "output", json_integer((json_int_t)spec->output));
        json_object_set_new(o, "golden_rows", json_integer((json_int_t)bundle_golden(s->bundle)->n));
    }
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    printf("%s\n", text ? text : "{}");
    free(text);
    json_decref(o);
}

static int run_lineup(const char *action, const char *path, bool json, const char *policy)
{
    struct arena arena;
    struct diags diags;
    struct error e = {0};
    arena_init(&arena, MEMORY_MAX);
    diags_init(&diags, &arena);
    int rc = strcmp(action, "show") == 0 ? model_show_lineup(path, json, &diags, &e) : model_check_lineup(path, policy, &diags, &e);
    diags_print(&diags, stderr);
    if (rc)
        fprintf(stderr, "tact model %s: %s\n", action, e.text);
    arena_free(&arena);
    return rc ? EXIT_FAILED : EXIT_OK;
}

static int run_show(int argc, char **argv)
{
    const char *path;
    bool json = false, all = false;
    int count;
    const struct option_def defs[] = {
        {.name = "all", .help = "every feature", .flag = &all},
        {.name = "json", .help = "one JSON object", .flag = &json},
        {0},
    };
    int rc = options_parse(&command_model_show, defs, argc, argv, &path, 1, 1, &count);
    if (rc >= 0)
        return rc;
    if (model_is_lineup(path))
        return run_lineup("show", path, json, NULL);
    struct shown s;
    struct error e = {0};
    rc = read_shown(&s, path, &e);
    diags_print(&s.diags, stderr);
    if (rc) {
        fprintf(stderr, "tact model show: %s\n", e.text);
    } else if (json) {
        print_json(&s, path);
    } else {
        if (s.bundle) {
            print_bundle(&s);
        } else {
            printf("%s: %.*s\n", path, STR_ARG(s.models->objective));
            print_model(s.models);
            if (s.models->outputs > 1)
                printf("  outputs      %zu\n", s.models->outputs);
        }
        printf("  features     %zu\n", s.models->features);
        print_features(&s, all ? SIZE_MAX : SHOWN_MAX);
    }
    free_shown(&s);
    return rc ? EXIT_FAILED : EXIT_OK;
}

/* ---- checking ---- */

/* A line of names, comma between; returns how many. */
static size_t print_names(const char *what, const struct shown *s, const struct policy *p,
                          bool (*wanted)(const struct shown *s, const struct policy *p, size_t i), size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!wanted(s, p, i))
            continue;
        struct str name = p ? p->features[i].name : feature_name(s, i);
        printf("%s%.*s", count++ ? ", " : what, STR_ARG(name));
    }
    if (count)
        printf("\n");
    return count;
}

static bool nobody_asks(const struct shown *s, const struct policy *p, size_t i)
{
    (void)p;
    return s->splits[i] == 0;
}

static bool not_used(const struct shown *s, const struct policy *p, size_t i)
{
    const struct bundle_spec *spec = bundle_spec(s->bundle);
    for (size_t k = 0; k < spec->feature_count; k++)
        if (spec->features[k].from != BUNDLE_ACTION && str_eq(spec->features[k].name, p->features[i].name))
            return false;
    return true;
}

static int bind(struct shown *s, const char *folder, struct error *e)
{
    struct tzdb *zones = NULL;
    struct policy *policy = NULL;
    struct binding *binding = NULL;
    size_t known = 0;
    int rc = tzdb_load(&zones, NULL, e);
    if (!rc && !(policy = policy_load(folder, zones, &s->diags)))
        rc = error_set(e, ERR_INVALID, "%s does not load", folder);
    if (!rc && !(binding = binding_new(s->bundle, policy, &s->diags)))
        rc = error_set(e, ERR_INVALID, "the bundle does not fit %s", folder);
    diags_print(&s->diags, stderr);
    for (uint32_t i = 0; !rc && i < policy->action_count; i++)
        known += binding_knows(binding, i);
    if (!rc) {
        printf("fits %s: %zu of %zu actions are scored\n", folder, known, policy->action_count);
        print_names("  features of the policy that the model does not use: ", s, policy, not_used, policy->feature_count);
    }
    binding_free(&binding);
    policy_free(&policy);
    tzdb_free(&zones);
    return rc;
}

static int run_check(int argc, char **argv)
{
    const char *path, *policy = NULL;
    int count;
    const struct option_def defs[] = {
        {.name = "policy", .value = "FOLDER", .help = "bind it to this policy", .text = &policy},
        {0},
    };
    int rc = options_parse(&command_model_check, defs, argc, argv, &path, 1, 1, &count);
    if (rc >= 0)
        return rc;
    if (model_is_lineup(path))
        return run_lineup("check", path, false, policy);
    struct shown s;
    struct error e = {0};
    rc = read_shown(&s, path, &e);
    if (!rc && !s.bundle)
        rc = error_set(&e, ERR_INVALID, "%s is a model's file, no bundle; `tact model import` makes one", path);
    if (rc) {
        diags_print(&s.diags, stderr);
    } else {
        printf("%s: %zu golden rows agree to %.0e\n", path, bundle_golden(s.bundle)->n, GOLDEN_TOLERANCE);
        print_names("  features that no tree asks for: ", &s, NULL, nobody_asks, s.models->features);
        if (policy)
            rc = bind(&s, policy, &e);
    }
    if (rc)
        fprintf(stderr, "tact model check: %s\n", e.text);
    free_shown(&s);
    return rc ? EXIT_FAILED : EXIT_OK;
}

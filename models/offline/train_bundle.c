/* Bundles of trainings; see train_bundle.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_bundle.h"
#include "models/binding.h"
#include "models/bundle_write.h"
#include "state/names.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIAL_ROWS = 500, TRIAL_MEMORY = 256 << 20, PATH_ROOM = 4200 };

/* ---- writing ---- */

/* Rows of the test part, evenly spread over it. */
static size_t golden_rows(const struct train_data *d, float *out)
{
    size_t tested = d->side_rows[SIDE_TEST], seen = 0, n = 0;
    size_t wanted = tested < TRAIN_GOLDEN_ROWS ? tested : TRAIN_GOLDEN_ROWS;
    for (size_t i = 0; i < d->n && n < wanted; i++) {
        if (d->side[i] != SIDE_TEST)
            continue;
        if (seen++ * wanted >= n * tested)
            memcpy(out + n++ * d->features, d->rows + i * d->features, d->features * sizeof *out);
    }
    return n;
}

static struct bundle_spec spec_of(const struct train_result *r, const char *library)
{
    const struct train_config *c = &r->config;
    const struct train_data *d = &r->data;
    return (struct bundle_spec){.name = c->name,
                                .version = c->version,
                                .objective = d->objective,
                                .label = c->label_text,
                                .kind = c->kind,
                                .label_type = c->label_type,
                                .link = r->models.link,
                                .silence =
                                    c->kind == BUNDLE_S_LEARNER ? STR(BUNDLE_SILENCE) : (struct str){0},
                                .training_rows = (int64_t)d->side_rows[SIDE_TRAIN],
                                .training_seed = (int64_t)(c->seed & INT64_MAX),
                                .training_from = str_from(d->from),
                                .training_to = str_from(d->to),
                                .training_library = str_from(library),
                                .features = d->specs,
                                .feature_count = d->features};
}

int train_bundle_write(const char *folder, const struct train_result *r, const struct train_models *models,
                       const struct bundle_metric *metrics, size_t metric_count, struct error *e)
{
    const struct train_data *d = &r->data;
    char version[24], library[40];
    booster_library(version);
    snprintf(library, sizeof library, "xgboost %s", version);
    struct bundle_spec spec = spec_of(r, library);
    struct bundle_arm *arms = calloc(models->count, sizeof *arms);
    struct str *bytes = calloc(models->count, sizeof *bytes);
    float *golden = malloc(TRAIN_GOLDEN_ROWS * d->features * sizeof *golden);
    int rc = arms && bytes && golden ? 0 : error_set(e, ERR_NOSPACE, "out of memory");
    if (!rc) {
        spec.link = models->link;
        spec.arms = arms;
        spec.arm_count = models->count;
        spec.metrics = (struct bundle_metric *)(uintptr_t)metrics; /* only read */
        spec.metric_count = metric_count;
        for (size_t i = 0; i < models->count; i++) {
            const struct train_model *m = &models->list[i];
            arms[i].arm = m->arm < 0 ? (struct str){0} : d->arms[m->arm].name;
            arms[i].calibration = m->calibration;
            bytes[i] = (struct str){(const char *)m->bytes.p, m->bytes.n};
        }
        rc = bundle_write(folder, &spec, bytes, golden, NULL, golden_rows(d, golden), e);
    }
    free(arms);
    free(bytes);
    free(golden);
    return rc;
}

/* The nearest folder above it that is there takes new ones. */
static int check_above(const char *folder, struct error *e)
{
    char above[PATH_ROOM];
    struct stat info;
    if (snprintf(above, sizeof above, "%s", folder) >= (int)sizeof above)
        return error_set(e, ERR_INVALID, "the folder's name is too long");
    do {
        size_t n = strlen(above);
        while (n > 1 && above[n - 1] == '/')
            n--;
        while (n > 0 && above[n - 1] != '/')
            n--;
        strcpy(above + n, n ? "" : ".");
    } while (stat(above, &info) != 0 && errno == ENOENT && strcmp(above, ".") != 0);
    if (access(above, W_OK | X_OK) != 0)
        return error_set(e, ERR_IO, "%s cannot be made: %s: %s", folder, above, strerror(errno));
    return 0;
}

int train_bundle_free_place(const char *folder, struct error *e)
{
    struct stat info;
    if (!*folder)
        return error_set(e, ERR_INVALID, "the folder's name is empty");
    if (stat(folder, &info) != 0)
        return errno == ENOENT ? check_above(folder, e)
                               : error_set(e, ERR_IO, "%s cannot be made: %s", folder, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return error_set(e, ERR_EXISTS, "%s exists already and is no folder", folder);
    DIR *dir = opendir(folder);
    if (!dir)
        return error_set(e, ERR_IO, "%s: %s", folder, strerror(errno));
    size_t entries = 0;
    while (readdir(dir))
        entries++;
    closedir(dir);
    return entries > 2 ? error_set(e, ERR_EXISTS, "%s exists already and is not empty", folder) : 0;
}

/* ---- trying ---- */

static void remove_folder(const char *folder)
{
    char path[PATH_ROOM];
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        int n = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (n > 0 && (size_t)n < sizeof path)
            unlink(path);
    }
    if (dir)
        closedir(dir);
    rmdir(folder);
}

/* Findings of the binding, at the features' places in the config. */
static void pass_on(const struct diags *from, const struct bundle_spec *spec, const struct train_config *c,
                    struct diags *to)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct diag *found = &from->items[i];
        int line = 0, column = 0;
        if (found->severity != DIAG_ERROR)
            continue; /* which actions are unknown is said in our own words */
        for (size_t k = 0; k < spec->feature_count && k < c->feature_count; k++)
            if (spec->features[k].line == found->line) {
                line = c->features[k].line;
                column = c->features[k].column_at;
            }
        diag_add(to, DIAG_ERROR, c->file, line, column, "%s", found->text);
    }
}

static int bind(const char *folder, const struct policy *policy, const struct train_config *c,
                struct diags *diags, struct error *e)
{
    struct arena arena;
    struct diags own;
    struct bundle *bundle = NULL;
    arena_init(&arena, TRIAL_MEMORY);
    diags_init(&own, &arena);
    int rc = bundle_load(&bundle, folder, &own, e);
    if (!rc) {
        struct binding *binding = binding_new(bundle, policy, &own);
        pass_on(&own, bundle_spec(bundle), c, diags);
        if (!binding)
            rc = error_set(e, ERR_INVALID, "the features do not fit the policy");
        binding_free(&binding);
    }
    bundle_free(&bundle);
    arena_free(&arena);
    return rc;
}

/* A bundle of one round over a few rows. */
static int trial(const char *out, const struct policy *policy, const struct train_result *r,
                 struct diags *diags, struct error *e)
{
    struct train_config quick = r->config;
    struct train_models models = {0};
    const struct train_fit_options options = {0};
    size_t rows[BUNDLE_ARMS_MAX] = {0}, arms = sizeof rows / sizeof *rows;
    char folder[PATH_ROOM];
    quick.rounds = 1;
    quick.patience = 0;
    quick.calibration = CALIBRATION_NONE;
    uint8_t *use = malloc(r->data.n);
    if (!use)
        return error_set(e, ERR_NOSPACE, "out of memory");
    for (size_t i = 0; i < r->data.n; i++) {
        size_t arm = r->data.arm_of ? r->data.arm_of[i] % arms : 0;
        use[i] = r->data.side[i] == SIDE_TRAIN && rows[arm]++ < TRIAL_ROWS ? USE_TRAIN : USE_NOT;
    }
    int n = snprintf(folder, sizeof folder, "%s.trial.XXXXXX", out);
    int rc = train_fit(&models, &r->data, &quick, use, &options, diags, e);
    free(use);
    if (!rc && (n < 0 || (size_t)n >= sizeof folder || !mkdtemp(folder)))
        rc = error_set(e, ERR_IO, "cannot write beside %s: %s", out, strerror(errno));
    else if (!rc) {
        rc = train_bundle_write(folder, r, &models, NULL, 0, e);
        if (!rc)
            rc = bind(folder, policy, &r->config, diags, e);
        remove_folder(folder);
    }
    train_models_free(&models);
    return rc;
}

static int compare_actions(const struct policy *policy, const char *folder, const struct train_data *d,
                           struct diags *diags, struct error *e)
{
    size_t lacking = 0;
    for (size_t a = 0; a < d->arm_count; a++) {
        if ((long)a == d->silence || policy_action_find(policy, d->arms[a].name) >= 0)
            continue;
        struct suggest s;
        suggest_init(&s, d->arms[a].name);
        for (size_t i = 0; i < policy->action_count; i++)
            suggest_offer(&s, policy->actions[i].word.name);
        struct str best = suggest_best(&s);
        lacking++;
        diag_add(diags, DIAG_ERROR, d->name, 0, 0, "the policy %s has no action %.*s%s%.*s%s", folder,
                 STR_ARG(d->arms[a].name), best.n ? "; did you mean " : "", STR_ARG(best), best.n ? "?" : "");
    }
    for (size_t i = 0; i < policy->action_count && d->arm_count; i++) {
        bool known = false;
        for (size_t a = 0; a < d->arm_count && !known; a++)
            known = str_eq(d->arms[a].name, policy->actions[i].word.name);
        if (!known)
            diag_add(diags, DIAG_WARNING, d->name, 0, 0,
                     "the policy's action %.*s does not occur in the data",
                     STR_ARG(policy->actions[i].word.name));
    }
    return lacking ? error_set(e, ERR_INVALID, "%zu action%s of the data %s not in the policy %s", lacking,
                               lacking == 1 ? "" : "s", lacking == 1 ? "is" : "are", folder)
                   : 0;
}

int train_bundle_try(const char *out, const char *policy_folder, const struct tzdb *zones,
                     const struct train_result *r, struct diags *diags, struct error *e)
{
    struct names *names = names_new();
    struct policy *policy = policy_load(policy_folder, zones, diags);
    int rc = policy ? policy_bind_interning(policy, names, e)
                    : error_set(e, ERR_INVALID, "%s: the policy has errors", policy_folder);
    if (!rc)
        rc = compare_actions(policy, policy_folder, &r->data, diags, e);
    if (!rc)
        rc = trial(out, policy, r, diags, e);
    policy_free(&policy);
    names_free(&names);
    return rc;
}

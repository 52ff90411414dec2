/* Rows for `tact evaluate`; see evaluate_input.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/evaluate_input.h"
#include "base/clock.h"
#include "base/number.h"
#include "models/offline/eval_log.h"
#include "tools/client.h"
#include "tools/evaluate_figures.h"
#include "tools/evaluate_policy.h"
#include "tools/evaluate_targets.h"
#include "tools/value_text.h"
#include <math.h>
#include <stdlib.h>

enum { LACKING_TEXT = 4096 };

/* ---- rows from a CSV ---- */

static int read_map(struct evaluate_job *j, struct eval_columns *c, struct str *missing, struct str *silences,
                    struct eval_map *maps, struct error *e)
{
    const struct evaluate_options *o = j->o;
    for (int i = 0; i < o->maps.count; i++) {
        const char *equals = strrchr(o->maps.items[i], '=');
        if (!equals || !equals[1])
            return error_set(e, ERR_INVALID, "--map: '%.80s' is not TEXT=ACTION", o->maps.items[i]);
        maps[i] =
            (struct eval_map){{o->maps.items[i], (size_t)(equals - o->maps.items[i])}, str_from(equals + 1)};
    }
    for (int i = 0; i < o->silences.count; i++)
        silences[i] = str_from(o->silences.items[i]);
    for (int i = 0; i < o->missing.count; i++)
        missing[i] = str_from(o->missing.items[i]);
    c->map = maps;
    c->map_count = (size_t)o->maps.count;
    c->silence = silences;
    c->silence_count = (size_t)o->silences.count;
    return 0;
}

static int read_probability(struct evaluate_job *j, struct eval_columns *c, struct error *e)
{
    const char *text = j->o->probability;
    double p;
    if (strcmp(text, "shares") == 0) {
        c->shares = true;
    } else if (number_read(str_from(text), &p)) {
        if (!(p > 0 && p <= 1))
            return error_set(e, ERR_INVALID,
                             "--probability: %s; an action probability is above 0 and at most 1", text);
        c->constant_p = p;
    } else {
        c->probability = str_from(text);
    }
    return 0;
}

/* The next name of a list parted by commas, as a CSV's field: in quotes where it holds a comma. False when it is none. */
static bool next_name(const char **text, struct arena *arena, struct str *out)
{
    const char *p = *text;
    bool quoted = *p == '"';
    char *copy = arena_alloc(arena, strlen(p) + 1);
    size_t n = 0;
    for (p += quoted; copy && *p && (quoted ? *p != '"' || p[1] == '"' : *p != ','); p++) {
        p += quoted && *p == '"';
        copy[n++] = *p;
    }
    if (!copy || n == 0 || (quoted && *p++ != '"') || (*p && *p != ','))
        return false;
    *text = p + (*p == ',');
    *out = (struct str){copy, n};
    return true;
}

/* Features of the reward model come as texts or numbers: a column whose every value is a number is one. */
static int feature_wants(struct evaluate_job *j, struct frame_want *wants, size_t *count, struct error *e)
{
    const char *text = j->o->expected_features;
    struct str name;
    *count = 0;
    while (text && *text) {
        if (*count == EVALUATE_FEATURES_MAX || !next_name(&text, &j->arena, &name))
            return error_set(e, ERR_INVALID,
                             "--expected-features: names of columns, parted by commas (a name with a comma "
                             "in quotes), at most %d",
                             EVALUATE_FEATURES_MAX);
        wants[(*count)++] = (struct frame_want){.column = name, .type = FRAME_CATEGORY, .low = 1};
    }
    return 0;
}

/* Wants of prefixed columns and features, in the order of struct evaluate_job's comment. */
static int gather_wants(struct evaluate_job *j, struct frame_want **out, size_t *count, struct error *e)
{
    const struct evaluate_options *o = j->o;
    struct str *header;
    size_t header_count;
    char separator = o->separator ? o->separator[0] : 0;
    int rc = frame_header(o->csv, separator, &j->arena, &header, &header_count, &j->separator, e);
    if (rc)
        return rc;
    struct frame_want *targets = NULL, *expected = NULL;
    struct frame_want *features = arena_alloc(&j->arena, EVALUATE_FEATURES_MAX * sizeof *features);
    struct frame_want *all =
        arena_alloc(&j->arena, (2 * header_count + EVALUATE_FEATURES_MAX + 1) * sizeof *all);
    if (!features || !all)
        return error_set(e, ERR_NOSPACE, "out of memory");
    if (o->target_columns)
        rc = targets_wants(&targets, &j->target_count, header, header_count, o->target_columns, true,
                           &j->arena, e);
    if (!rc && o->expected_columns)
        rc = targets_wants(&expected, &j->expected_count, header, header_count, o->expected_columns, false,
                           &j->arena, e);
    if (!rc)
        rc = feature_wants(j, features, &j->feature_count, e);
    if (rc)
        return rc;
    size_t n = 0;
    for (size_t i = 0; i < j->target_count; i++)
        all[n++] = targets[i];
    for (size_t i = 0; i < j->expected_count; i++)
        all[n++] = expected[i];
    for (size_t i = 0; i < j->feature_count; i++)
        all[n++] = features[i];
    if (o->target_choices)
        all[n++] = (struct frame_want){
            .column = str_from(o->target_choices), .type = FRAME_CATEGORY, .required = true, .low = 1};
    *out = all;
    *count = n;
    return 0;
}

static void show(void *user, uint64_t done, uint64_t total)
{
    progress_at(user, done, total);
}

static int read_csv(struct evaluate_job *j, struct error *e)
{
    const struct evaluate_options *o = j->o;
    struct str missing[OPTION_LIST_MAX], silences[OPTION_LIST_MAX];
    struct eval_map maps[OPTION_LIST_MAX];
    struct eval_columns c = {.action = str_from(o->action), .reward = str_from(o->reward)};
    struct frame_want *wants = NULL;
    size_t count = 0;
    if (o->position)
        c.position = str_from(o->position);
    if (o->customer)
        c.customer = str_from(o->customer);
    if (o->positive)
        c.positive = str_from(o->positive);
    int rc = read_map(j, &c, missing, silences, maps, e);
    if (!rc)
        rc = read_probability(j, &c, e);
    if (!rc)
        rc = gather_wants(j, &wants, &count, e);
    if (rc)
        return rc;
    struct frame_options options = {.separator = j->separator,
                                    .missing = missing,
                                    .missing_count = (size_t)o->missing.count,
                                    .progress = show,
                                    .user = &j->progress};
    struct diags diags;
    diags_init(&diags, &j->arena);
    progress_begin(&j->progress, "bytes");
    rc = eval_rows_read(&j->rows, o->csv, &c, &options, wants, count, &j->extra, &diags, e);
    progress_clear(&j->progress);
    if (rc && diags.count > 1) /* one finding is the error's own text */
        diags_print(&diags, stderr);
    return rc;
}

/* ---- the policy ---- */

static int load_policy(struct evaluate_job *j, struct error *e)
{
    struct diags diags;
    diags_init(&diags, &j->arena);
    int rc = tzdb_load(&j->zones, NULL, e);
    if (rc)
        return rc;
    j->snapshot = snapshot_load(j->o->policy, j->o->model, j->zones, &diags);
    diags_print(&diags, stderr);
    return j->snapshot ? 0 : error_set(e, ERR_INVALID, "the policy or the model is refused");
}

static int bind_policy(struct evaluate_job *j, struct error *e)
{
    j->names = names_new();
    int rc = load_policy(j, e);
    if (!rc)
        rc = policy_bind_interning(j->snapshot->policy, j->names, e);
    if (!rc && policy_channel_find(j->snapshot->policy, str_from(j->o->channel)) < 0)
        rc = error_set(e, ERR_INVALID, "--channel: the policy has no channel '%.60s'", j->o->channel);
    return rc;
}

int evaluate_decide(struct evaluate_job *j, double cost, struct error *e)
{
    const struct evaluate_options *o = j->o;
    struct str missing[OPTION_LIST_MAX];
    struct policy_rows_options p = {.snapshot = j->snapshot,
                                    .csv = o->csv,
                                    .separator = j->separator,
                                    .channel = o->channel,
                                    .placement = o->placement,
                                    .locale = o->locale,
                                    .import = {.customer_column = o->customer,
                                               .columns = o->columns,
                                               .consents = o->consents,
                                               .consent_source = "tact evaluate"},
                                    .missing = missing,
                                    .missing_count = (size_t)o->missing.count,
                                    .now_ms = clock_wall_ms(),
                                    .progress = show,
                                    .user = &j->progress};
    for (int i = 0; i < o->missing.count; i++)
        missing[i] = str_from(o->missing.items[i]);
    int rc = o->as_of ? time_text_parse(str_from(o->as_of), &p.now_ms, e) : 0;
    if (!rc)
        rc = client_zone(j->zones, o->time_zone, &p.import.zone, e);
    if (rc)
        return rc;
    p.import.consent_time_ms = p.now_ms;
    if (!isnan(cost)) {
        struct policy *policy = j->snapshot->policy;
        policy->channels[policy_channel_find(policy, str_from(o->channel))].cost = cost;
    }
    free(j->choices);
    free(j->of_policy);
    struct buf lacking;
    buf_init(&lacking, LACKING_TEXT);
    p.lacking = isnan(cost) ? &lacking : NULL; /* said once, not at every cost */
    progress_begin(&j->progress, "rows");
    rc = policy_rows(&p, &j->rows, &j->choices, &j->of_policy, e);
    progress_clear(&j->progress);
    if (!rc && lacking.n)
        fprintf(stderr,
                "tact evaluate: warning: %s has no column for these attributes of the policy, which are "
                "missing in every row: %.*s%s; name one with --column COLUMN=ATTRIBUTE\n",
                o->csv, (int)lacking.n, (const char *)lacking.p, buf_ok(&lacking) ? "" : ", …");
    buf_free(&lacking);
    return rc;
}

/* ---- rows from a log ---- */

/* "30m", "48h", "7d". */
static int read_window(const char *text, int64_t *out, struct error *e)
{
    static const struct {
        char unit;
        double ms;
    } units[] = {{'m', 60e3}, {'h', 3600e3}, {'d', 86400e3}, {'w', 7 * 86400e3}};
    double n;
    size_t length = strlen(text);
    for (size_t i = 0; i < sizeof units / sizeof *units && length > 1; i++)
        if (text[length - 1] == units[i].unit && number_read((struct str){text, length - 1}, &n) && n > 0 &&
            n * units[i].ms <= 400 * 86400e3) {
            *out = (int64_t)(n * units[i].ms);
            return 0;
        }
    return error_set(e, ERR_INVALID,
                     "--within: '%.40s' is no span up to 400d; write it as 30m, 48h, 7d or 2w", text);
}

static int read_reward_from(const char *text, enum eval_reward *out, struct error *e)
{
    static const char *const names[] = {"response", "conversion", "value"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum eval_reward)i;
            return 0;
        }
    return error_set(e, ERR_INVALID, "--reward-from: unknown '%.40s'; allowed: response, conversion, value",
                     text);
}

static void on_damage(void *user, const char *text)
{
    struct evaluate_job *j = user;
    progress_clear(&j->progress);
    fprintf(stderr, "tact evaluate: damage: %s\n", text);
}

static void show_log(void *user, uint64_t done, uint64_t total)
{
    struct evaluate_job *j = user;
    progress_at(&j->progress, done >> 10, total >> 10);
}

static int read_log(struct evaluate_job *j, struct error *e)
{
    const struct evaluate_options *o = j->o;
    struct eval_log_options options = {.log = o->log,
                                       .window_ms = INT64_C(7) * 86400000,
                                       .progress = show_log,
                                       .damage = on_damage,
                                       .user = j};
    struct eval_log_counts counts;
    int rc = read_reward_from(o->reward_from ? o->reward_from : "response", &options.reward, e);
    if (!rc && o->within)
        rc = read_window(o->within, &options.window_ms, e);
    if (!rc && o->policy)
        rc = load_policy(j, e);
    if (rc)
        return rc;
    if (j->snapshot) {
        options.policy = j->snapshot->policy;
        options.scorer = j->snapshot->binding ? &j->snapshot->scorer : NULL;
        options.model = snapshot_spec(j->snapshot);
        options.world_id = j->snapshot->world_id;
    }
    progress_begin(&j->progress, "KiB");
    rc = eval_log_read(&j->rows, &options, &j->choices, &j->of_policy, &counts, e);
    progress_clear(&j->progress);
    if (!rc && counts.undecidable)
        fprintf(stderr,
                "tact evaluate: warning: %llu of %llu decisions are left out, since the policy cannot make "
                "them; the "
                "first: %s\n",
                (unsigned long long)counts.undecidable, (unsigned long long)counts.decisions, counts.why);
    if (!rc && counts.unmatched)
        fprintf(stderr,
                "tact evaluate: note: %llu of %llu outcomes belong to no row: their decision is not in the "
                "log, or they "
                "came too late\n",
                (unsigned long long)counts.unmatched, (unsigned long long)counts.outcomes);
    return rc;
}

/* ---- all ---- */

int evaluate_input(struct evaluate_job *j, struct error *e)
{
    int rc = j->o->log ? read_log(j, e) : read_csv(j, e);
    if (!rc)
        rc = evaluate_actions(j, e);
    if (rc || j->o->log || !j->o->policy)
        return rc;
    rc = bind_policy(j, e);
    return rc ? rc : evaluate_decide(j, NAN, e);
}

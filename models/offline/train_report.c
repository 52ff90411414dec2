/* Tables and metrics; see train_report.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_report.h"
#include <math.h>

/* ---- for people ---- */

static void put_metric(FILE *out, struct metric m)
{
    if (isnan(m.value))
        fprintf(out, "  %-28s", "-");
    else if (isnan(m.low) || isnan(m.high))
        fprintf(out, "  %-28.5g", m.value);
    else {
        char text[64];
        snprintf(text, sizeof text, "%.5g [%.5g, %.5g]", m.value, m.low, m.high);
        fprintf(out, "  %-28s", text);
    }
}

static void print_data(const struct train_result *r, FILE *out)
{
    static const char *const kinds[] = {"propensity", "s_learner", "t_learner", "transformed"};
    const struct train_data *d = &r->data;
    fprintf(out, "%.*s %.*s: %s, %.*s\n", STR_ARG(r->config.name), STR_ARG(r->config.version),
            kinds[r->config.kind], STR_ARG(d->objective));
    fprintf(out, "%s: %zu rows", d->name, d->read);
    if (d->read > d->n)
        fprintf(out, ", %zu of them without a contact and left out", d->read - d->n);
    fprintf(out, "; %zu features; %zu rows to train, %zu aside, %zu to test\n", d->features,
            d->side_rows[SIDE_TRAIN], d->side_rows[SIDE_ASIDE], d->side_rows[SIDE_TEST]);
    if (d->from[0])
        fprintf(out, "training rows from %s to %s\n", d->from, d->to);
    if (d->arm_count)
        fprintf(out, "\n  %-24s %10s %10s %10s %12s\n", "action", "train", "aside", "test", "probability");
    for (size_t a = 0; a < d->arm_count; a++)
        fprintf(out, "  %-24.*s %10zu %10zu %10zu %12.5g\n", STR_ARG(d->arms[a].name),
                d->arms[a].rows[SIDE_TRAIN], d->arms[a].rows[SIDE_ASIDE], d->arms[a].rows[SIDE_TEST],
                d->arms[a].p);
}

static void print_models(const struct train_result *r, FILE *out)
{
    static const char *const ways[] = {"no calibration", "platt", "isotonic"};
    fprintf(out, "\n");
    for (size_t i = 0; i < r->models.count; i++) {
        const struct train_model *m = &r->models.list[i];
        struct str name = m->arm < 0 ? STR("model") : r->data.arms[m->arm].name;
        fprintf(out, "  %-24.*s %zu rows, %d rounds, %s\n", STR_ARG(name), m->rows, m->rounds,
                ways[m->calibration.kind]);
    }
}

static struct str score_name(const struct train_result *r, const struct train_score *s)
{
    return s->arm < 0 ? STR("model") : r->data.arms[s->arm].name;
}

static void print_measures(const struct train_result *r, const struct train_measures *m, const char *title,
                           FILE *out)
{
    fprintf(out, "\n%s, with 95%% intervals\n", title);
    if (m->score_count) {
        fprintf(out, "  %-24s %10s", "model of", "rows");
        for (size_t k = 0; k < m->scores[0].count; k++)
            fprintf(out, "  %-28s", m->scores[0].figures[k].name);
        fprintf(out, "\n");
    }
    for (size_t i = 0; i < m->score_count; i++) {
        const struct train_score *s = &m->scores[i];
        fprintf(out, "  %-24.*s %10zu", STR_ARG(score_name(r, s)), s->rows);
        for (size_t k = 0; k < s->count; k++)
            put_metric(out, s->figures[k].m);
        fprintf(out, "\n");
    }
    if (m->uplift_count)
        fprintf(out, "  %-24s %10s  %-28s  %-28s  %-28s\n", "uplift of", "rows", "qini", "auuc", "ate");
    for (size_t i = 0; i < m->uplift_count; i++) {
        const struct train_uplift *u = &m->uplifts[i];
        fprintf(out, "  %-24.*s %10zu", STR_ARG(r->data.arms[u->arm].name), u->rows);
        put_metric(out, u->m.qini);
        put_metric(out, u->m.auuc);
        put_metric(out, u->m.ate);
        fprintf(out, "\n");
    }
}

static void print_policies(const struct train_result *r, FILE *out)
{
    const struct train_measures *m = train_policies(r);
    if (!m->policy_count)
        return;
    fprintf(out, "\nvalue of policies a customer, doubly robust, %s\n",
            r->has_cv ? "from cross-validation" : "from the test part");
    fprintf(out, "  %-10s %-24s %8s  %-28s  %-28s\n", "cost", "policy", "silent", "value", "over nobody");
    for (size_t i = 0; i < m->policy_count; i++) {
        const struct train_policy *p = &m->policies[i];
        char name[BUNDLE_TEXT_MAX + 8];
        train_policy_name(p, &r->data, name, sizeof name);
        fprintf(out, "  %-10.6g %-24s %7.1f%%", p->cost, name, 100 * p->silent);
        put_metric(out, p->value);
        put_metric(out, p->over_nobody);
        fprintf(out, "\n");
        if (!p->trusted)
            fprintf(out, "    do not trust this figure: %s\n", p->warning);
    }
}

void train_report_print(const struct train_result *r, const char *out_folder, FILE *out)
{
    print_data(r, out);
    print_models(r, out);
    print_measures(r, &r->test, "test part", out);
    if (r->has_cv)
        print_measures(r, &r->cv, "cross-validation, all rows", out);
    print_policies(r, out);
    fprintf(out, "\nread %.2f s, features %.2f s, fit %.2f s, measure %.2f s, write %.2f s\nwrote %s\n",
            r->data.read_s, r->data.features_s, r->fit_s, r->measure_s, r->write_s, out_folder);
}

/* ---- for the bundle ---- */

struct metrics {
    struct bundle_metric *list;
    size_t count;
    struct arena *arena;
    bool full;
};

static void put_one(struct metrics *m, const char *name, const char *end, double value)
{
    if (!isfinite(value) || m->count == BUNDLE_METRICS_MAX || strlen(name) + strlen(end) > BUNDLE_TEXT_MAX)
        return;
    char *text = arena_printf(m->arena, "%s%s", name, end);
    if (!text)
        m->full = true;
    else
        m->list[m->count++] = (struct bundle_metric){str_from(text), value};
}

static void put(struct metrics *m, const char *name, struct metric value)
{
    put_one(m, name, "", value.value);
    put_one(m, name, ".low", value.low);
    put_one(m, name, ".high", value.high);
}

static void put_measures(struct metrics *out, const struct train_result *r, const struct train_measures *m,
                         const char *before)
{
    char name[2 * BUNDLE_TEXT_MAX];
    for (size_t i = 0; i < m->score_count; i++)
        for (size_t k = 0; k < m->scores[i].count; k++) {
            const struct train_score *s = &m->scores[i];
            struct str arm = s->arm < 0 ? (struct str){0} : r->data.arms[s->arm].name;
            snprintf(name, sizeof name, "%s%.*s%s%s", before, STR_ARG(arm), arm.n ? "." : "",
                     s->figures[k].name);
            put(out, name, s->figures[k].m);
        }
    for (size_t i = 0; i < m->uplift_count; i++) {
        const struct uplift_metrics *u = &m->uplifts[i].m;
        const struct {
            const char *name;
            struct metric m;
        } three[] = {{"qini", u->qini}, {"auuc", u->auuc}, {"ate", u->ate}};
        for (size_t k = 0; k < 3; k++) {
            snprintf(name, sizeof name, "%s%.*s.%s", before, STR_ARG(r->data.arms[m->uplifts[i].arm].name),
                     three[k].name);
            put(out, name, three[k].m);
        }
    }
    for (size_t i = 0; i < m->policy_count; i++) {
        char policy[BUNDLE_TEXT_MAX + 8];
        train_policy_name(&m->policies[i], &r->data, policy, sizeof policy);
        for (char *p = policy; *p; p++)
            *p = *p == ' ' ? '_' : *p;
        snprintf(name, sizeof name, "%spolicy.%s.cost_%g", before, policy, m->policies[i].cost);
        put(out, name, m->policies[i].value);
    }
}

struct bundle_metric *train_report_metrics(const struct train_result *r, struct arena *arena, size_t *count)
{
    struct metrics m = {arena_zalloc(arena, BUNDLE_METRICS_MAX * sizeof *m.list), 0, arena, false};
    if (!m.list)
        return NULL;
    put_measures(&m, r, &r->test, "");
    if (r->has_cv)
        put_measures(&m, r, &r->cv, "cv.");
    *count = m.count;
    return m.full ? NULL : m.list;
}

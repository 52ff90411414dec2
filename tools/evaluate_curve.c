/* Net values over the cost of a contact; see evaluate_curve.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/evaluate_curve.h"
#include "base/number.h"
#include "tools/evaluate_figures.h"
#include "tools/evaluate_input.h"
#include "tools/svg_plot.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

enum { COSTS_MAX = 200 };

struct point {
    struct ope_figure figure;
    double silent;
    bool trusted;
};

struct curve {
    double costs[COSTS_MAX];
    size_t count, targets;
    struct point *points; /* [targets][count] */
};

static int wrong(const char *text, struct error *e)
{
    return error_set(
        e, ERR_INVALID,
        "--costs: '%.60s' is neither numbers from 0 up, parted by commas, nor FROM:TO:STEP; at most %d costs",
        text, COSTS_MAX);
}

static int read_steps(struct curve *c, const char *text, struct error *e)
{
    double part[3];
    const char *at = text;
    for (int i = 0; i < 3; i++) {
        size_t n = strcspn(at, ":");
        if (!number_read((struct str){at, n}, &part[i]) || (i < 2) != (at[n] == ':'))
            return wrong(text, e);
        at += n + (i < 2);
    }
    if (!(part[0] >= 0 && part[1] > part[0] && part[2] > 0 && (part[1] - part[0]) / part[2] < COSTS_MAX - 1))
        return wrong(text, e);
    size_t steps = (size_t)((part[1] - part[0]) / part[2] + 1e-9);
    for (size_t i = 0; i <= steps; i++)
        c->costs[c->count++] = part[0] + (double)i * part[2];
    return 0;
}

static int read_costs(struct curve *c, const char *text, struct error *e)
{
    if (strchr(text, ':'))
        return read_steps(c, text, e);
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, ",");
        double cost;
        if (c->count == COSTS_MAX || !number_read((struct str){at, n}, &cost) || !(cost >= 0) ||
            (c->count && cost <= c->costs[c->count - 1]))
            return wrong(text, e);
        c->costs[c->count++] = cost;
        at += n + (at[n] == ',');
    }
    return c->count ? 0 : wrong(text, e);
}

static int measure(struct evaluate_job *j, size_t target, double cost, enum ope_estimator k,
                   struct point *out, struct error *e)
{
    struct ope *x = NULL;
    struct ope_result r;
    int rc = evaluate(&x, &j->rows, &j->targets[target], &j->rewards, cost, j->ope, e);
    if (rc)
        return rc;
    ope_result(x, &r);
    *out = (struct point){r.figures[k], eval_silent_share(&j->targets[target], &j->rows), r.trusted};
    ope_free(&x);
    return 0;
}

static int walk(struct evaluate_job *j, struct curve *c, enum ope_estimator k, struct error *e)
{
    bool own_rewards = j->rewards.matrix && j->rewards.matrix == j->of_policy;
    int rc = 0;
    for (size_t i = 0; i < c->count && !rc; i++) {
        if (j->o->policy) {
            rc = evaluate_decide(j, c->costs[i], e);
            j->targets[0].choices = j->choices;
            if (own_rewards)
                j->rewards.matrix = j->of_policy;
        }
        for (size_t t = 0; t < c->targets && !rc; t++)
            rc = measure(j, t, c->costs[i], k, &c->points[t * c->count + i], e);
    }
    return rc;
}

static void print(const struct evaluate_job *j, const struct curve *c, enum ope_estimator k)
{
    printf("\nnet value over the cost of a contact (%s, %g %% intervals)\n  %8s", ope_estimator_name(k),
           100 * j->ope.level, "cost");
    for (size_t t = 0; t < c->targets; t++)
        printf("  %-36.36s", j->targets[t].name);
    printf("\n");
    for (size_t i = 0; i < c->count; i++) {
        printf("  %8.4f", c->costs[i]);
        for (size_t t = 0; t < c->targets; t++) {
            const struct point *p = &c->points[t * c->count + i];
            char value[32] = "unknown", interval[64] = "", cell[140];
            if (!isnan(p->figure.value))
                snprintf(value, sizeof value, "%.5f", p->figure.value);
            if (!isnan(p->figure.bootstrap.low))
                snprintf(interval, sizeof interval, " [%.5f, %.5f]", p->figure.bootstrap.low,
                         p->figure.bootstrap.high);
            snprintf(cell, sizeof cell, "%s%s %3.0f %%%s", value, interval, 100 * p->silent,
                     p->trusted ? "" : " !");
            printf("  %-36s", cell);
        }
        printf("\n");
    }
    printf("  (%% is the share that is silent; ! must not be trusted)\n");
}

static void print_json(const struct evaluate_job *j, const struct curve *c, enum ope_estimator k)
{
    for (size_t t = 0; t < c->targets; t++)
        for (size_t i = 0; i < c->count; i++) {
            const struct point *p = &c->points[t * c->count + i];
            json_t *value = isfinite(p->figure.value) ? json_real(p->figure.value) : json_null();
            json_t *o = json_pack("{s:s, s:s, s:f, s:s, s:o, s:f, s:b}", "kind", "cost", "target",
                                  j->targets[t].name, "cost", c->costs[i], "estimator", ope_estimator_name(k),
                                  "value", value, "silent", p->silent, "trusted", p->trusted);
            if (o && isfinite(p->figure.bootstrap.low))
                json_object_set_new(o, "interval",
                                    json_pack("[f, f]", p->figure.bootstrap.low, p->figure.bootstrap.high));
            char *text = o ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
            printf("%s\n", text ? text : "{}");
            free(text);
            json_decref(o);
        }
}

static int draw(const struct evaluate_job *j, const struct curve *c, struct error *e)
{
    size_t shown = c->targets < SVG_SERIES_MAX ? c->targets : SVG_SERIES_MAX, n = shown * c->count;
    double *numbers = malloc(3 * n * sizeof *numbers);
    struct svg_series series[SVG_SERIES_MAX];
    struct buf out;
    if (!numbers)
        return error_set(e, ERR_NOSPACE, "out of memory");
    for (size_t i = 0; i < n; i++) {
        const struct ope_figure *f = &c->points[i].figure;
        numbers[i] = f->value;
        numbers[n + i] = f->bootstrap.low;
        numbers[2 * n + i] = f->bootstrap.high;
    }
    for (size_t t = 0; t < shown; t++) {
        bool band = isfinite(numbers[n + t * c->count]);
        series[t] = (struct svg_series){.name = j->targets[t].name,
                                        .x = c->costs,
                                        .y = numbers + t * c->count,
                                        .low = band ? numbers + n + t * c->count : NULL,
                                        .high = band ? numbers + 2 * n + t * c->count : NULL,
                                        .n = c->count,
                                        .dashed = t > 0};
    }
    buf_init(&out, 4 << 20);
    svg_plot_write(&out, &(struct svg_plot){.title = "Net value of a policy over the cost of a contact",
                                            .x_label = "cost of a contact, in units of the reward",
                                            .y_label = "net value a customer",
                                            .series = series,
                                            .count = shown});
    FILE *f = fopen(j->o->svg, "wbe");
    bool good = f && buf_ok(&out) && fwrite(out.p, 1, out.n, f) == out.n;
    if (f && fclose(f) != 0)
        good = false;
    buf_free(&out);
    free(numbers);
    return good ? 0 : error_set(e, ERR_IO, "%s: %s", j->o->svg, strerror(errno));
}

int evaluate_curve(struct evaluate_job *j, struct error *e)
{
    struct curve c = {.targets = j->targets_used};
    enum ope_estimator k;
    int rc = read_costs(&c, j->o->costs, e);
    if (!rc)
        rc = evaluate_estimator(j, &k, e);
    if (rc)
        return rc;
    c.points = calloc(c.targets * c.count, sizeof *c.points);
    rc = c.points ? walk(j, &c, k, e) : error_set(e, ERR_NOSPACE, "out of memory");
    if (!rc && j->o->json)
        print_json(j, &c, k);
    else if (!rc)
        print(j, &c, k);
    if (!rc && j->o->svg)
        rc = draw(j, &c, e);
    free(c.points);
    return rc;
}

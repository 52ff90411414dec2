/* Figures as text and as JSON; see evaluate_report.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/evaluate_report.h"
#include "tools/answer.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

enum { SHARES_SHOWN = 12 };

static void put_json(json_t *o)
{
    char *s = o ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    printf("%s\n", s ? s : "{}");
    free(s);
    json_decref(o);
}

/* NaN is null. */
static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *interval(struct ope_interval i)
{
    return json_pack("[o, o]", number(i.low), number(i.high));
}

/* ---- the rows ---- */

void evaluate_report_rows(const struct evaluate_report *r)
{
    const struct eval_rows *x = r->rows;
    size_t *counts = calloc(x->action_count + 1, sizeof *counts);
    size_t logged = 0;
    double sum = 0;
    char a[ANSWER_NUMBER];
    for (size_t i = 0; counts && i < x->n; i++) {
        logged += counts[x->action[i]]++ == 0;
        sum += x->reward[i];
    }
    if (r->json && counts) {
        json_t *shares = json_object();
        for (size_t i = 0; i < x->action_count; i++)
            json_object_setn_new(shares, x->actions[i].p, x->actions[i].n,
                                 json_integer((json_int_t)counts[i]));
        put_json(json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "kind", "rows", "source", x->name, "rows",
                           (json_int_t)x->n, "positions", (json_int_t)x->position_count, "mean_reward",
                           number(x->n ? sum / (double)x->n : (double)NAN), "actions", shares));
    } else if (counts) {
        printf("%s: %s rows, %zu actions", x->name, answer_number(x->n, a), logged);
        if (x->position_count > 1)
            printf(", %zu positions", x->position_count);
        for (size_t i = 0, shown = 0; i < x->action_count && logged <= SHARES_SHOWN; i++)
            if (counts[i])
                printf("%s%.*s %.1f %%", shown++ ? ", " : ": ", STR_ARG(x->actions[i]),
                       100 * (double)counts[i] / (double)x->n);
        printf("\n");
        if (r->brief)
            printf("  %-32s %s, against %s (%s, %g %% intervals)\n", "", "value", r->reference,
                   ope_estimator_name(r->estimator), 100 * r->level);
    }
    free(counts);
}

/* ---- a target ---- */

static json_t *warnings_json(const struct ope_result *x)
{
    json_t *list = json_array();
#define X(name, bit, text)                                                                                   \
    if (x->warnings & (unsigned)(name))                                                                      \
        json_array_append_new(list, json_string(text));
    OPE_WARNINGS(X)
#undef X
    return list;
}

static void target_json(const struct evaluate_report *r, const char *name, const char *position,
                        double silent, const struct ope_result *x, const struct ope_figure *difference)
{
    json_t *figures = json_object();
    for (int k = 0; k < OPE_ESTIMATOR_COUNT; k++)
        if (!isnan(x->figures[k].value))
            json_object_set_new(figures, ope_estimator_name((enum ope_estimator)k),
                                json_pack("{s:o, s:o, s:o}", "value", number(x->figures[k].value),
                                          "standard_error", number(x->figures[k].standard_error), "interval",
                                          interval(x->figures[k].bootstrap)));
    json_t *o =
        json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "kind",
                  "target", "target", name, "rows", (json_int_t)x->rows, "logged_value",
                  number(x->logged_value), "logged_interval", interval(x->logged_interval), "figures",
                  figures, "sequence", interval(x->sequence), "mean_weight", number(x->mean_weight),
                  "mean_weight_error", number(x->mean_weight_error), "effective_rows",
                  number(x->effective_rows), "largest_weight", number(x->largest_weight), "smallest_p",
                  number(x->smallest_p), "clipped_share", number(x->clipped_share), "unsupported",
                  number(x->unsupported), "trusted", x->trusted, "warnings", warnings_json(x));
    if (position)
        json_object_set_new(o, "position", json_string(position));
    if (!isnan(silent))
        json_object_set_new(o, "silent", number(silent));
    if (difference)
        json_object_set_new(o, "difference",
                            json_pack("{s:s, s:s, s:o, s:o}", "against", r->reference, "estimator",
                                      ope_estimator_name(r->estimator), "value", number(difference->value),
                                      "interval", interval(difference->bootstrap)));
    put_json(o);
}

static void print_figures(const struct evaluate_report *r, const struct ope_result *x)
{
    static const char *const labels[] = {"IPS",           "clipped IPS",   "SNIPS",
                                         "direct method", "doubly robust", "SWITCH-DR"};
    for (int k = 0; k < OPE_ESTIMATOR_COUNT; k++) {
        const struct ope_figure *f = &x->figures[k];
        if (isnan(f->value))
            continue;
        printf("  %-14s %10.5f", labels[k], f->value);
        if (!isnan(f->bootstrap.low))
            printf("   %g %% interval [%.5f, %.5f]%s", 100 * r->level, f->bootstrap.low, f->bootstrap.high,
                   k == OPE_DM ? " without the model's own error" : "");
        printf("\n");
    }
    if (!isnan(x->sequence.low))
        printf("  at any time    %10s   %g %% sequence [%.5f, %.5f] (IPS)\n", "", 100 * r->level,
               x->sequence.low, x->sequence.high);
}

static void print_diagnostics(const struct ope_result *x)
{
    char a[ANSWER_NUMBER], b[ANSWER_NUMBER], error[32] = "", text[512];
    if (!isnan(x->mean_weight_error))
        snprintf(error, sizeof error, " (± %.4f)", x->mean_weight_error);
    printf("  weights: effective sample size %s of %s rows, mean %.4f%s, largest %.1f\n",
           answer_number((size_t)x->effective_rows, a), answer_number(x->rows, b), x->mean_weight, error,
           x->largest_weight);
    if (!x->trusted)
        printf("  DO NOT TRUST THIS FIGURE:\n");
#define X(name, bit, word)                                                                                   \
    if (x->warnings & (unsigned)(name)) {                                                                    \
        ope_warning_text(x, name, text, sizeof text);                                                        \
        printf("    %s: %s\n", x->trusted ? "warning" : "because", text);                                    \
    }
    OPE_WARNINGS(X)
#undef X
}

/* Everything in one line; the reasons for distrust are in the long form. */
static void print_line(const struct evaluate_report *r, const char *name, double silent,
                       const struct ope_result *x, const struct ope_figure *difference)
{
    const struct ope_figure *f = &x->figures[r->estimator];
    printf("  %-32s %9.5f", name, f->value);
    if (!isnan(f->bootstrap.low))
        printf("  [%.5f, %.5f]", f->bootstrap.low, f->bootstrap.high);
    if (isfinite(difference->value))
        printf("  %+.5f", difference->value);
    if (isfinite(difference->value) && !isnan(difference->bootstrap.low))
        printf(" [%+.5f, %+.5f]", difference->bootstrap.low, difference->bootstrap.high);
    if (!isnan(silent))
        printf("  silent %5.1f %%", 100 * silent);
    printf("%s\n", x->trusted ? "" : "  DO NOT TRUST");
}

/* A figure's distance from a number that is known for certain. */
static struct ope_figure less(const struct ope_figure *f, double number)
{
    return (struct ope_figure){
        f->value - number, f->standard_error, {f->bootstrap.low - number, f->bootstrap.high - number}};
}

void evaluate_report_target(const struct evaluate_report *r, const char *name, double silent,
                            const struct ope *x, const struct ope *reference)
{
    struct ope_result result;
    struct ope_figure difference;
    char position[128];
    ope_result(x, &result);
    if (isnan(r->reference_value))
        ope_difference(x, reference, r->estimator, &difference);
    else
        difference = less(&result.figures[r->estimator], r->reference_value);
    if (r->json) {
        target_json(r, name, NULL, silent, &result, &difference);
    } else if (r->brief) {
        print_line(r, name, silent, &result, &difference);
    } else {
        printf("\n%s", name);
        if (!isnan(silent))
            printf("   silent %.1f %%", 100 * silent);
        printf("\n");
        print_figures(r, &result);
        if (isfinite(difference.value)) {
            printf("  against %s: %+.5f", r->reference, difference.value);
            if (!isnan(difference.bootstrap.low))
                printf(" [%+.5f, %+.5f]", difference.bootstrap.low, difference.bootstrap.high);
            printf(" (%s)\n", ope_estimator_name(r->estimator));
        }
        print_diagnostics(&result);
    }
    for (size_t p = 0;
         r->by_position && !r->brief && r->rows->position_count > 1 && p < r->rows->position_count; p++) {
        ope_result_at(x, (uint32_t)p, &result);
        snprintf(position, sizeof position, "%.*s", STR_ARG(r->rows->positions[p]));
        if (r->json) {
            target_json(r, name, position, NAN, &result, NULL);
        } else {
            printf(" position %s\n", position);
            print_figures(r, &result);
            print_diagnostics(&result);
        }
    }
}

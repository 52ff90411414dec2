/* Tables and metrics; see train_report.h.
 *
 * Of the tables: a figure and its interval are one column, "0.6553 [0.6437, 0.6668]", whose three numbers have the same decimals,
 * so many that the largest has four significant digits. Widths are found by writing each table twice, the first time without
 * output.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/train_report.h"
#include "models/offline/train_policies.h"
#include <math.h>
#include <stdarg.h>

/* ---- lines ---- */

enum { LINE_MAX = 110, NAME_MIN = 6, NAME_MAX = 20, ACTION_NAME_MAX = 40, POLICY_NAME_MAX = 24, DECIMALS_MAX = 6 };

struct line {
    char text[1024];
    size_t n;
};

static void add(struct line *l, const char *format, ...) PRINTF_LIKE(2, 3);
static void add(struct line *l, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = vsnprintf(l->text + l->n, sizeof l->text - l->n, format, list);
    va_end(list);
    l->n += n > 0 ? (size_t)n : 0;
    l->n = l->n < sizeof l->text ? l->n : sizeof l->text - 1;
}

/* Without spaces at the end. */
static void put_line(struct line *l, FILE *out)
{
    while (l->n && l->text[l->n - 1] == ' ')
        l->n--;
    fprintf(out, "%.*s\n", (int)l->n, l->text);
    l->n = 0;
}

static bool begins_letter(char c)
{
    return ((unsigned char)c & 0xC0) != 0x80;
}

static size_t letters(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += begins_letter(s.p[i]);
    return n;
}

/* Exactly so many letters wide; a longer name ends with "…". */
static void add_name(struct line *l, struct str name, size_t width)
{
    size_t n = letters(name), end = 0;
    if (n <= width) {
        add(l, "%.*s%*s", STR_ARG(name), (int)(width - n), "");
        return;
    }
    for (size_t seen = 0; end < name.n; end++)
        if (begins_letter(name.p[end]) && seen++ == width - 1)
            break;
    add(l, "%.*s…", (int)end, name.p);
}

static size_t name_width(const struct train_data *d, size_t most)
{
    size_t width = NAME_MIN;
    for (size_t a = 0; a < d->arm_count; a++)
        width = letters(d->arms[a].name) > width ? letters(d->arms[a].name) : width;
    return width < most ? width : most;
}

/* Words in lines of at most LINE_MAX bytes. */
static void put_wrapped(const char *text, int indent, FILE *out)
{
    struct line l = {.n = 0};
    while (*text) {
        size_t word = strcspn(text, " ");
        if (l.n > (size_t)indent && l.n + 1 + word > LINE_MAX)
            put_line(&l, out);
        if (l.n == 0)
            add(&l, "%*s", indent, "");
        add(&l, "%s%.*s", l.n > (size_t)indent ? " " : "", (int)word, text);
        text += word + strspn(text + word, " ");
    }
    put_line(&l, out);
}

/* ---- figures with intervals ---- */

/* Widths: of a value before its point and from it on, and of "[low, high]". Points stand under points. */
struct column {
    int whole, rest, interval;
};

/* How numbers are written: with decimals, or where they are too small for it (-1) with an exponent. */
static int decimals_of(const struct metric *m, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        const double ends[] = {m[i].value, m[i].low, m[i].high};
        for (size_t k = 0; k < 3; k++)
            most = isfinite(ends[k]) && fabs(ends[k]) > most ? fabs(ends[k]) : most;
    }
    int decimals = most > 0 ? (int)fmin(3 - floor(log10(most)), 400) : 1;
    return decimals > DECIMALS_MAX + 1 ? -1
           : decimals > DECIMALS_MAX   ? DECIMALS_MAX
           : decimals > 0              ? decimals
                                       : 0;
}

static int number_text(double v, int decimals, char text[40])
{
    double plain = v == 0 ? 0 : v; /* no "-0" */
    if (isnan(v))
        return snprintf(text, 40, "-");
    if (decimals < 0 || fabs(v) >= 1e12)
        return snprintf(text, 40, "%.2e", plain);
    int n = snprintf(text, 40, "%.*f", decimals, plain);
    return text[0] == '-' && strspn(text, "-0.") == (size_t)n ? snprintf(text, 40, "%.*f", decimals, 0.0) : n;
}

/* A figure's text, "" for an interval that does not exist. */
struct cell {
    char value[40], interval[96];
    int whole, rest; /* of the value */
};

static void make_cell(struct cell *c, struct metric m, int decimals)
{
    char low[40], high[40];
    int n = number_text(m.value, decimals, c->value);
    c->whole = (int)strcspn(c->value, ".");
    c->rest = n - c->whole;
    c->interval[0] = 0;
    if (isnan(m.low) || isnan(m.high))
        return;
    number_text(m.low, decimals, low);
    number_text(m.high, decimals, high);
    snprintf(c->interval, sizeof c->interval, " [%s, %s]", low, high);
}

static void widen(struct column *to, struct metric m, int decimals)
{
    struct cell c;
    make_cell(&c, m, decimals);
    int interval = (int)strlen(c.interval);
    to->whole = c.whole > to->whole ? c.whole : to->whole;
    to->rest = c.rest > to->rest ? c.rest : to->rest;
    to->interval = interval > to->interval ? interval : to->interval;
}

static int column_width(const struct column *c)
{
    return c->whole + c->rest + c->interval;
}

static void add_metric(struct line *l, const struct column *column, struct metric m, int decimals)
{
    struct cell c;
    make_cell(&c, m, decimals);
    add(l, "%*s%s%*s%-*s", column->whole - c.whole, "", c.value, column->rest - c.rest, "", column->interval,
        c.interval);
}

static void add_title(struct line *l, const char *title, const struct column *c)
{
    add(l, "  %-*s", column_width(c), title);
}

/* ---- data and models ---- */

static void print_data(const struct train_result *r, FILE *out)
{
    static const char *const kinds[] = {"propensity", "s_learner", "t_learner", "transformed"};
    const struct train_data *d = &r->data;
    size_t width = name_width(d, ACTION_NAME_MAX);
    struct line l = {.n = 0};
    fprintf(out, "%.*s %.*s: %s, %.*s\n", STR_ARG(r->config.name), STR_ARG(r->config.version),
            kinds[r->config.kind], STR_ARG(d->objective));
    fprintf(out, "%s: %zu rows", d->name, d->read);
    if (d->read > d->n)
        fprintf(out, ", %zu of them without a contact and left out", d->read - d->n);
    fprintf(out, "; %zu features\n%zu rows to train, %zu aside, %zu to test\n", d->features,
            d->side_rows[SIDE_TRAIN], d->side_rows[SIDE_ASIDE], d->side_rows[SIDE_TEST]);
    if (d->from[0])
        fprintf(out, "training rows from %s to %s\n", d->from, d->to);
    if (d->arm_count)
        fprintf(out, "\n  %-*s  %10s  %10s  %10s  %11s\n", (int)width, "action", "train", "aside", "test",
                "probability");
    for (size_t a = 0; a < d->arm_count; a++) {
        const struct train_arm *arm = &d->arms[a];
        add(&l, "  ");
        add_name(&l, arm->name, width);
        add(&l, "  %10zu  %10zu  %10zu", arm->rows[SIDE_TRAIN], arm->rows[SIDE_ASIDE], arm->rows[SIDE_TEST]);
        if (isnan(arm->p)) /* of no row */
            add(&l, "  %11s", "none");
        else
            add(&l, "  %11.4f", arm->p);
        put_line(&l, out);
    }
}

static void print_models(const struct train_result *r, FILE *out)
{
    static const char *const ways[] = {"none", "platt", "isotonic"};
    size_t width = name_width(&r->data, ACTION_NAME_MAX);
    struct line l = {.n = 0};
    fprintf(out, "\n  %-*s  %10s  %10s  calibration\n", (int)width, "model", "rows", "rounds");
    for (size_t i = 0; i < r->models.count; i++) {
        const struct train_model *m = &r->models.list[i];
        add(&l, "  ");
        add_name(&l, m->arm < 0 ? STR("of all") : r->data.arms[m->arm].name, width);
        add(&l, "  %10zu  %10d  %s", m->rows, m->rounds, ways[m->calibration.kind]);
        put_line(&l, out);
    }
}

/* ---- measures: a line a figure, a column a part of the data ---- */

struct measures {
    const struct train_result *r;
    const struct train_measures *parts[2]; /* the second may be NULL */
    struct column columns[2];
    size_t name_width;
    FILE *out; /* NULL: only the widths are found */
};

enum { FIGURE_WIDTH = 17 };

/* name: empty but on the first line of its group. decimals: of decimals_of. */
static void measures_line(struct measures *t, struct str name, const char *figure, const struct metric m[2],
                          int decimals)
{
    struct line l = {.n = 0};
    add(&l, "  ");
    add_name(&l, name, t->name_width);
    add(&l, "  %-*s", FIGURE_WIDTH, figure);
    for (char *p = l.text + l.n - FIGURE_WIDTH; *p; p++)
        *p = *p == '_' ? ' ' : *p;
    for (int k = 0; k < 2 && t->parts[k]; k++) {
        if (!t->out)
            widen(&t->columns[k], m[k], decimals);
        add(&l, "  ");
        add_metric(&l, &t->columns[k], m[k], decimals);
    }
    if (t->out)
        put_line(&l, t->out);
}

static struct metric plain(double value)
{
    return (struct metric){value, (double)NAN, (double)NAN};
}

static void rows_line(struct measures *t, struct str name, size_t test, size_t cv)
{
    measures_line(t, name, "rows", (const struct metric[2]){plain((double)test), plain((double)cv)}, 0);
}

static void figure_line(struct measures *t, const char *figure, struct metric test, struct metric cv)
{
    const struct metric m[2] = {test, cv};
    measures_line(t, (struct str){0}, figure, m, decimals_of(m, t->parts[1] ? 2 : 1));
}

/* Both parts list the same models and arms in the same order. */
static void measures_lines(struct measures *t)
{
    const struct train_measures *test = t->parts[0], *cv = t->parts[1] ? t->parts[1] : test;
    const struct train_data *d = &t->r->data;
    for (size_t i = 0; i < test->score_count; i++) {
        const struct train_score *a = &test->scores[i], *b = &cv->scores[i];
        rows_line(t, a->arm < 0 ? STR("model") : d->arms[a->arm].name, a->rows, b->rows);
        figure_line(t, "mean label", plain(a->mean_label), plain(b->mean_label));
        figure_line(t, "mean prediction", plain(a->mean_prediction), plain(b->mean_prediction));
        for (size_t k = 0; k < a->count; k++)
            figure_line(t, a->figures[k].name, a->figures[k].m, b->figures[k].m);
    }
    for (size_t i = 0; i < test->uplift_count; i++) {
        const struct train_uplift *a = &test->uplifts[i], *b = &cv->uplifts[i];
        rows_line(t, d->arms[a->arm].name, a->rows, b->rows);
        figure_line(t, "uplift qini", a->m.qini, b->m.qini);
        figure_line(t, "uplift auuc", a->m.auuc, b->m.auuc);
        figure_line(t, "uplift ate", a->m.ate, b->m.ate);
    }
}

static void print_measures(const struct train_result *r, FILE *out)
{
    static const char *const titles[] = {"test part", "cross-validation, all rows"};
    struct measures t = {
        .r = r, .parts = {&r->test, r->has_cv ? &r->cv : NULL}, .name_width = name_width(&r->data, NAME_MAX)};
    struct line l = {.n = 0};
    measures_lines(&t);
    t.out = out;
    fprintf(out, "\nmeasured, with 95%% intervals\n");
    add(&l, "  %-*s  %-*s", (int)t.name_width, "of", FIGURE_WIDTH, "figure");
    for (int k = 0; k < 2 && t.parts[k]; k++)
        add_title(&l, titles[k], &t.columns[k]);
    put_line(&l, out);
    measures_lines(&t);
}

/* ---- policies ---- */

static void print_policies(const struct train_result *r, FILE *out)
{
    const struct train_measures *m = train_policies(r);
    struct column value = {0}, over = {0};
    struct line l = {.n = 0};
    char name[BUNDLE_TEXT_MAX + 8];
    size_t width = name_width(&r->data, POLICY_NAME_MAX - 4) + 4;
    if (!m->policy_count)
        return;
    width = width < strlen("best of all") ? strlen("best of all") : width;
    /* All numbers have decimals as fit what nobody's contact brings: the scale of the label, which a high cost is not. */
    const struct metric *scale = &m->policies[m->policy_count - 1].value;
    int decimals = decimals_of(scale, 1);
    for (size_t i = 0; i < m->policy_count; i++) {
        widen(&value, m->policies[i].value, decimals);
        widen(&over, m->policies[i].over_nobody, decimals);
    }
    fprintf(out, "\nvalue of policies a customer, doubly robust, %s\n",
            r->has_cv ? "from cross-validation" : "from the test part");
    add(&l, "  %8s  %-*s  %6s", "cost", (int)width, "policy", "silent");
    add_title(&l, "value", &value);
    add_title(&l, "over nobody", &over);
    put_line(&l, out);
    for (size_t i = 0; i < m->policy_count; i++) {
        const struct train_policy *p = &m->policies[i];
        train_policy_name(p, &r->data, name, sizeof name);
        add(&l, "  %8.6g  ", p->cost);
        add_name(&l, str_from(name), width);
        add(&l, "  %5.1f%%  ", 100 * p->silent);
        add_metric(&l, &value, p->value, decimals);
        add(&l, "  ");
        if (p->kind != POLICY_NOBODY)
            add_metric(&l, &over, p->over_nobody, decimals);
        put_line(&l, out);
        if (!p->trusted) {
            char text[sizeof p->warning + 32];
            snprintf(text, sizeof text, "do not trust this figure: %s", p->warning);
            put_wrapped(text, 12, out);
        }
    }
}

/* ---- all of it ---- */

static void print_stages(const struct train_result *r, FILE *out)
{
    const struct {
        const char *name;
        struct train_stage s;
    } stages[] = {{"read", r->data.read_stage},  {"features", r->data.features_stage},
                  {"folds", r->folds_stage},     {"fit", r->fit_stage},
                  {"measure", r->measure_stage}, {"write", r->write_stage}};
    struct train_stage all = {0, 0};
    fprintf(out, "\nCPU seconds: ");
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        fprintf(out, "%s %.2f, ", stages[i].name, stages[i].s.cpu_s);
        all.cpu_s += stages[i].s.cpu_s;
        all.wall_s += stages[i].s.wall_s;
    }
    fprintf(out, "all %.2f (clock %.2f)\n", all.cpu_s, all.wall_s);
}

void train_report_print(const struct train_result *r, const char *out_folder, const char *test_rows,
                        FILE *out)
{
    print_data(r, out);
    print_models(r, out);
    print_measures(r, out);
    print_policies(r, out);
    print_stages(r, out);
    fprintf(out, "wrote %s\n", out_folder);
    if (test_rows)
        fprintf(out, "wrote %s, the %zu rows of the test part\n", test_rows, r->data.side_rows[SIDE_TEST]);
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

/* Trainings end to end, on tables made here: known effects are found again, bundles are the same byte by byte, splits do not
 * depend on the order of rows, every wrong cell has its message, and nothing is left behind.
 * SPDX-License-Identifier: Apache-2.0 */
#include "offline_files.h"
#include "base/rng.h"
#include "models/bundle.h"
#include "models/offline/train_check.h"
#include "models/offline/train_report.h"
#include <dirent.h>
#include <math.h>
#include <stdio.h>

static struct tzdb *zones;

static int setup(void **state)
{
    struct error e = {0};
    return scratch_make(state) || tzdb_load(&zones, NULL, &e);
}

static int teardown(void **state)
{
    tzdb_free(&zones);
    return scratch_remove(state);
}

/* One training with its findings as lines of text. */
struct one {
    struct train_result r;
    struct error e;
    int rc;
    char findings[8192];
    size_t warnings;
};

static volatile sig_atomic_t stop;
static const char *stop_at; /* the phase at whose end to stop, or NULL */

static void on_progress(void *user, const char *phase, uint64_t done, uint64_t total)
{
    (void)user;
    if (stop_at && strcmp(phase, stop_at) == 0 && done == total)
        stop = 1;
}

static void put(const char *folder, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fputs(text, f) >= 0 && fclose(f) == 0, 1);
}

static void keep_findings(struct one *o, const struct diags *d, const char *folder)
{
    size_t n = 0, skip = strlen(folder) + 1;
    o->findings[0] = 0;
    o->warnings = d->warnings;
    for (size_t i = 0; i < d->count && n < sizeof o->findings; i++) {
        const struct diag *x = &d->items[i];
        bool ours = strncmp(x->file, folder, skip - 1) == 0;
        n += (size_t)snprintf(o->findings + n, sizeof o->findings - n, "%s%s:%d: %s%s", i ? "\n" : "",
                              ours ? x->file + skip : x->file, x->line,
                              x->severity == DIAG_WARNING ? "warning: " : "", x->text);
    }
}

/* Trains by folder's FILE.csv and FILE.yaml into folder/OUT. */
static void train_file(struct one *o, const char *folder, const char *table, const char *config,
                       const char *out, const char *policy)
{
    char csv[512], yaml[512], to[512];
    struct arena arena;
    struct diags diags;
    arena_init(&arena, 16 << 20);
    diags_init(&diags, &arena);
    snprintf(csv, sizeof csv, "%s/%s", folder, table);
    snprintf(yaml, sizeof yaml, "%s/t.yaml", folder);
    snprintf(to, sizeof to, "%s/%s", folder, out);
    put(folder, "t.yaml", config);
    *o = (struct one){.rc = 0};
    const struct train_job job = {.csv = csv,
                                  .config = yaml,
                                  .out = to,
                                  .policy = policy,
                                  .zones = zones,
                                  .progress = on_progress,
                                  .cancel = &stop};
    o->rc = train_run(&o->r, &job, &diags, &o->e);
    diags_sort(&diags);
    keep_findings(o, &diags, folder);
    arena_free(&arena);
}

static void must_train(struct one *o, const char *folder, const char *table, const char *config,
                       const char *out)
{
    train_file(o, folder, table, config, out, NULL);
    if (o->rc)
        fail_msg("%s\n%s", o->e.text, o->findings);
}

/* ---- tables ---- */

/* An experiment with a silent arm: the effect of "a" is 0.2 where x > 0 and -0.1 elsewhere, that of "b" is 0.05 everywhere. The
 * probability of the arms depends on g, and stands in p. */
enum { EXPERIMENT = 24000 };
#define TRUE_ATE_A 0.05
#define TRUE_ATE_B 0.05

static char **experiment_rows(void)
{
    struct rng rng;
    rng_seed(&rng, 13);
    char **lines = calloc(EXPERIMENT, sizeof *lines);
    for (size_t i = 0; lines && i < EXPERIMENT; i++) {
        double x = rng_double(&rng) * 2 - 1;
        int arm = (int)rng_below(&rng, 4); /* silence has half of the rows */
        double chance = 0.3 + (arm == 0 ? (x > 0 ? 0.2 : -0.1) : arm == 1 ? 0.05 : 0);
        const char *text = arm == 0 ? "Mail A" : arm == 1 ? "Mail B" : "none";
        if (asprintf(&lines[i], "%.6f,%.6f,%s,%s,%d,c%zu\n", x, rng_double(&rng), text,
                     arm < 2 ? "0.25" : "0.5", rng_double(&rng) < chance, i / 2) < 0)
            abort();
    }
    return lines;
}

static void write_experiment(const char *folder, const char *name, bool shuffled)
{
    char path[512];
    char **lines = experiment_rows();
    struct rng rng;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_true(f && lines);
    rng_seed(&rng, 12);
    for (size_t i = EXPERIMENT; shuffled && i > 1; i--) {
        size_t k = rng_below(&rng, i);
        char *swap = lines[i - 1];
        lines[i - 1] = lines[k];
        lines[k] = swap;
    }
    fputs("x,noise,seg,p,y,id\n", f);
    for (size_t i = 0; i < EXPERIMENT; i++) {
        fputs(lines[i], f);
        free(lines[i]);
    }
    free(lines);
    assert_int_equal(fclose(f), 0);
}

#define EXPERIMENT_YAML(kind)                                                                                \
    "name: n\nkind: " kind "\nlabel: {column: y}\n"                                                          \
    "action: {column: seg, map: {Mail A: a, Mail B: b}, silence: [none]}\n"                                  \
    "customer: {column: id}\nmodel: {rounds: 40, eta: 0.1, max_depth: 2, min_child_weight: 20}\n"            \
    "costs: [0, 0.03]\n"
#define PLAIN_FEATURES "features: [{name: x, type: number}, {name: noise, type: number}]\n"
#define ID_FEATURES                                                                                          \
    "features: [{name: x, type: number}, {name: noise, type: number}, {name: id, from: action, type: "       \
    "category}]\n"

/* Mean predicted difference of an arm over the rows where x has a sign. */
static double mean_effect(const struct one *o, size_t arm, bool high)
{
    const struct train_data *d = &o->r.data;
    struct error e = {0};
    uint32_t *rows = calloc(d->n, sizeof *rows);
    double *q = malloc(d->arm_count * d->n * sizeof *q), sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++)
        if (d->side[i] == SIDE_TEST && (d->rows[i * d->features] > 0) == high)
            rows[n++] = (uint32_t)i;
    assert_int_equal(train_predict(q, &o->r.models, d, &o->r.config, rows, n, &e), 0);
    for (size_t k = 0; k < n; k++)
        sum += q[arm * n + k] - q[(size_t)d->silence * n + k];
    free(rows);
    free(q);
    return sum / (double)n;
}

/* What a row brings under an arm: the truth of the table. */
static double truth_of(double x, size_t arm)
{
    return 0.3 + (arm == 1 ? (x > 0 ? 0.2 : -0.1) : arm == 2 ? 0.05 : 0);
}

/* The true value of the policy that takes the best arm by the models. */
static double truth_of_best(const struct one *o, double cost)
{
    const struct train_data *d = &o->r.data;
    struct error e = {0};
    uint32_t *rows = calloc(d->n, sizeof *rows);
    double *q = malloc(d->arm_count * d->n * sizeof *q), sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++)
        if (d->side[i] == SIDE_TEST)
            rows[n++] = (uint32_t)i;
    assert_int_equal(train_predict(q, &o->r.models, d, &o->r.config, rows, n, &e), 0);
    for (size_t k = 0; k < n; k++) {
        size_t best = 0;
        for (size_t arm = 1; arm < 3; arm++)
            if (q[arm * n + k] - cost > q[best * n + k] - (best ? cost : 0))
                best = arm;
        sum += truth_of((double)d->rows[rows[k] * d->features], best) - (best ? cost : 0);
    }
    free(rows);
    free(q);
    return sum / (double)n;
}

/* Within three standard errors, as the interval tells them. */
static void assert_covers(struct metric m, double truth)
{
    double error = (m.high - m.low) / (2 * 1.96);
    assert_true(m.low < m.value && m.value < m.high);
    if (!(fabs(m.value - truth) <= 3 * error))
        fail_msg("%g [%g, %g] is far from %g", m.value, m.low, m.high, truth);
}

static void check_effects(struct one *o)
{
    const struct train_data *d = &o->r.data;
    assert_true(d->arm_count == 3 && d->silence == 0 && str_is(d->arms[1].name, "a"));
    assert_float_equal(mean_effect(o, 1, true), 0.2, 0.06);
    assert_float_equal(mean_effect(o, 1, false), -0.1, 0.06);
    assert_float_equal(mean_effect(o, 2, true), 0.05, 0.06);
    const struct train_measures *m = &o->r.test;
    assert_int_equal(m->uplift_count, 2);
    assert_true(m->uplifts[0].m.qini.low > 0); /* a's effect differs between people */
    assert_covers(m->uplifts[0].m.ate, TRUE_ATE_A);
    assert_covers(m->uplifts[1].m.ate, TRUE_ATE_B);
    assert_int_equal(m->policy_count, 8);
    const struct train_policy *p = m->policies;
    assert_true(p[0].kind == POLICY_BEST && p[0].cost == 0 && p[4].kind == POLICY_BEST && p[4].cost == 0.03);
    assert_covers(p[0].value, truth_of_best(o, 0));
    assert_covers(p[4].value, truth_of_best(o, 0.03));
    assert_covers(p[1].value, 0.3 + TRUE_ATE_A);
    assert_covers(p[2].value, 0.3 + TRUE_ATE_B);
    assert_true(truth_of_best(o, 0) > 0.4); /* perfect: 0.425; one arm for all: 0.35 */
    assert_true(p[0].over_nobody.low > 0.05);
    assert_true(p[3].kind == POLICY_NOBODY && p[3].silent == 1);
    assert_covers(p[3].value, 0.3);
    assert_float_equal(p[3].over_nobody.value, 0, 1e-12);
    assert_float_equal(p[0].over_nobody.value, p[0].value.value - p[3].value.value, 1e-9);
    assert_float_equal(p[5].value.value, p[1].value.value - 0.03, 1e-9); /* everybody pays */
}

static void test_known_effects_are_found(void **state)
{
    static const char *const configs[] = {EXPERIMENT_YAML("t_learner") PLAIN_FEATURES,
                                          EXPERIMENT_YAML("s_learner") ID_FEATURES,
                                          EXPERIMENT_YAML("transformed") PLAIN_FEATURES};
    static const char *const outs[] = {"t", "s", "z"};
    write_experiment(*state, "e.csv", false);
    for (int k = 0; k < 3; k++) {
        struct one o;
        must_train(&o, *state, "e.csv", configs[k], outs[k]);
        check_effects(&o);
        assert_int_equal(o.r.models.count, k == 0 ? 3 : k == 1 ? 1 : 2);
        train_result_free(&o.r);
    }
}

/* The transformed outcome's mean is the average effect; with probabilities known, exactly the weighted difference. */
static void test_transformed_outcome(void **state)
{
    struct one o;
    must_train(&o, *state, "e.csv",
               EXPERIMENT_YAML("transformed") PLAIN_FEATURES
               "action_probability: {by_action: {a: 0.25, b: 0.25, silence: 0.5}}\n",
               "z2");
    const struct train_data *d = &o.r.data;
    double sum = 0, n = 0, treated = 0, silent = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (d->arm_of[i] == 2)
            continue;
        sum += train_transformed(d, i, 1);
        n++;
        treated += d->arm_of[i] == 1 ? (double)d->labels[i] : 0;
        silent += d->arm_of[i] == 0 ? (double)d->labels[i] : 0;
    }
    assert_float_equal(sum / n, (treated * 3 - silent * 1.5) / n, 1e-9); /* p' = 1/3 */
    assert_float_equal(sum / n, TRUE_ATE_A, 0.03);
    train_result_free(&o.r);
}

/* With a column of probabilities only the logged action's is known: each row is weighted by its own, rows of other arms count
 * as 0. */
static void test_probabilities_from_a_column(void **state)
{
    struct one o;
    must_train(&o, *state, "e.csv",
               EXPERIMENT_YAML("transformed") PLAIN_FEATURES "action_probability: {column: p}\n", "z3");
    const struct train_data *d = &o.r.data;
    double sum = 0;
    assert_float_equal(d->arms[0].p, 0.5, 1e-12);
    assert_float_equal(d->arms[1].p, 0.25, 1e-12);
    for (size_t i = 0; i < d->n; i++) {
        double z = train_transformed(d, i, 1), y = (double)d->labels[i];
        assert_float_equal(z, d->arm_of[i] == 1 ? y / 0.25 : d->arm_of[i] == 0 ? -y / 0.5 : 0, 1e-12);
        sum += z;
    }
    assert_float_equal(sum / (double)d->n, TRUE_ATE_A, 0.03);
    train_result_free(&o.r);
}

/* Those who respond more are contacted more: what a contact adds is 0.1 for everybody, however that is confounded. Arm b is
 * never more than one in ten, and adds nothing. */
static void test_probabilities_that_depend_on_the_row(void **state)
{
    struct one o;
    struct rng g;
    char path[512];
    snprintf(path, sizeof path, "%s/confounded.csv", (const char *)*state);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs("id,x,noise,seg,p,y\n", f);
    rng_seed(&g, 3);
    for (int i = 0; i < 20000; i++) {
        bool keen = rng_below(&g, 2) == 1;
        double of_a = keen ? 0.8 : 0.1, u = rng_double(&g), base = keen ? 0.6 : 0.2;
        int arm = u < of_a ? 1 : u < of_a + 0.1 ? 2 : 0;
        double p = arm == 1 ? of_a : arm == 2 ? 0.1 : 0.9 - of_a;
        int y = rng_double(&g) < base + (arm == 1 ? 0.1 : 0);
        fprintf(f, "c%d,%d,%.3f,%s,%.2f,%d\n", i, keen, rng_double(&g),
                arm == 1   ? "Mail A"
                : arm == 2 ? "Mail B"
                           : "none",
                p, y);
    }
    assert_int_equal(fclose(f), 0);
    must_train(&o, *state, "confounded.csv",
               EXPERIMENT_YAML("transformed") PLAIN_FEATURES "action_probability: {column: p}\n", "z4");
    const struct train_measures *m = &o.r.test;
    assert_int_equal(m->uplift_count, 2);
    for (size_t k = 0; k < 2; k++) {
        double truth = m->uplifts[k].arm == 1 ? 0.1 : 0,
               half = (m->uplifts[k].m.ate.high - m->uplifts[k].m.ate.low) / 2;
        assert_true(fabs(m->uplifts[k].m.ate.value - truth) < 1.6 * half && half < 0.12);
    }
    for (int keen = 0; keen < 2; keen++)
        assert_float_equal(mean_effect(&o, 1, keen), 0.1, 0.08);
    train_result_free(&o.r);
}

/* ---- the same again ---- */

static struct id128 id_of(const char *folder, const char *name)
{
    char path[512];
    struct arena arena;
    struct diags diags;
    struct bundle *b = NULL;
    struct error e = {0};
    arena_init(&arena, 64 << 20);
    diags_init(&diags, &arena);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (bundle_load(&b, path, &diags, &e))
        fail_msg("%s", e.text);
    struct id128 id = bundle_id(b);
    bundle_free(&b);
    arena_free(&arena);
    return id;
}

static void test_same_seed_same_bytes(void **state)
{
    const char *config = EXPERIMENT_YAML("t_learner") PLAIN_FEATURES
        "calibration: isotonic\nearly_stopping: {rounds: 5}\ncross_validation: {folds: 2}\n";
    struct one a, b, c;
    must_train(&a, *state, "e.csv", config, "same1");
    must_train(&b, *state, "e.csv", config, "same2");
    assert_true(id128_eq(id_of(*state, "same1"), id_of(*state, "same2")));
    assert_true(a.r.has_cv && a.r.cv.policy_count == 8 && a.r.test.policy_count == 0);
    assert_true(a.r.data.side_rows[SIDE_ASIDE] > 0 &&
                a.r.models.list[0].calibration.kind == CALIBRATION_ISOTONIC);
    assert_int_equal(a.r.cv.scores[0].rows,
                     a.r.data.arms[0].rows[0] + a.r.data.arms[0].rows[1] + a.r.data.arms[0].rows[2]);
    must_train(&c, *state, "e.csv", EXPERIMENT_YAML("t_learner") PLAIN_FEATURES "split: {seed: 2}\n",
               "same3");
    assert_false(id128_eq(id_of(*state, "same1"), id_of(*state, "same3")));
    train_result_free(&a.r);
    train_result_free(&b.r);
    train_result_free(&c.r);
}

/* The rows of a part as one number that does not depend on their order. */
static uint64_t part_hash(const struct train_data *d, enum train_side side)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < d->n; i++)
        if (d->side[i] == side)
            sum += hash64(d->rows + i * d->features, d->features * sizeof(float)) * (d->arm_of[i] + 1);
    return sum;
}

static void test_order_does_not_matter_to_the_split(void **state)
{
    static const char *const customers[] = {"customer: {column: id}\n", ""};
    write_experiment(*state, "shuffled.csv", true);
    for (int k = 0; k < 2; k++) {
        char config[1024];
        struct one a, b;
        snprintf(config, sizeof config,
                 "name: n\nkind: t_learner\nlabel: {column: y}\naction: {column: seg, silence: "
                 "[none]}\n" PLAIN_FEATURES "model: {rounds: 1}\ncalibration: platt\n%s",
                 customers[k]);
        must_train(&a, *state, "e.csv", config, k ? "o1" : "o2");
        must_train(&b, *state, "shuffled.csv", config, k ? "o3" : "o4");
        for (int s = 0; s < SIDES; s++)
            assert_int_equal(part_hash(&a.r.data, s), part_hash(&b.r.data, s));
        assert_float_equal((double)a.r.data.side_rows[SIDE_TEST] / EXPERIMENT, 0.25, 0.02);
        assert_float_equal((double)a.r.data.side_rows[SIDE_ASIDE] / EXPERIMENT, 0.15, 0.02);
        if (k == 0)
            for (size_t i = 0; i + 1 < EXPERIMENT; i += 2) /* rows of one customer */
                assert_int_equal(a.r.data.side[i], a.r.data.side[i + 1]);
        train_result_free(&a.r);
        train_result_free(&b.r);
    }
}

/* Equal rows are not all on one side. */
static void test_equal_rows_are_independent(void **state)
{
    char text[16000] = "x,y\n";
    for (int i = 0; i < 1000; i++)
        strcat(text, i % 2 ? "1,0\n" : "1,1\n");
    put(*state, "equal.csv", text);
    struct one o;
    must_train(&o, *state, "equal.csv",
               "name: n\nkind: propensity\nlabel: {column: y}\nfeatures: [{name: x, type: number}]\n"
               "model: {rounds: 1}\n",
               "equal");
    assert_true(o.r.data.side_rows[SIDE_TEST] > 180 && o.r.data.side_rows[SIDE_TEST] < 320);
    assert_string_equal(o.findings, "t.yaml:4: warning: feature x is 1 in all training rows");
    train_result_free(&o.r);
}

/* ---- features ---- */

static void test_features(void **state)
{
    char text[40000] = "t;joined;city;member;n;y;act;action.price\n";
    for (int i = 0; i < 400; i++) {
        char line[120];
        snprintf(line, sizeof line, "2025-03-%02d 22:30:00;2025-03-01;%s;%s;%s;%d;%s;%d\n", 1 + i % 28,
                 i % 3 ? "Rome" : "Oslo", i % 2 ? "yes" : "no", i % 5 ? "1.5" : "NA", i % 2,
                 i % 4 ? "m1" : "m2", i % 4 ? 3 : 7);
        strcat(text, line);
    }
    put(*state, "f.csv", text);
    struct one o;
    must_train(
        &o, *state, "f.csv",
        "name: n\nkind: propensity\nlabel: {column: y}\ndata: {missing: [NA], time_zone: Europe/Rome}\n"
        "time: {column: t}\naction: {column: act}\nmodel: {rounds: 2}\nfeatures:\n"
        "  - {name: city, type: category}\n  - {name: fixed, column: city, type: category, categories: "
        "[Rome, Bern]}\n"
        "  - {name: member, type: bool}\n  - {name: n, type: number}\n"
        "  - {name: hour, column: t, type: date, part: hours}\n"
        "  - {name: tehran, column: t, type: date, part: hours, time_zone: Asia/Tehran}\n"
        "  - {name: month, column: t, type: date, part: month}\n"
        "  - {name: day, column: t, type: date, part: date}\n"
        "  - {name: weekday, column: t, type: date, part: day_of_week}\n"
        "  - {name: yearday, column: t, type: date, part: day_of_year}\n"
        "  - {name: year, column: t, type: date, part: full_year}\n"
        "  - {name: age, column: joined, type: date, part: age, until: time}\n"
        "  - {name: left, column: t, type: date, part: age, until: 2025-04-01}\n"
        "  - {name: since, column: joined, type: date, part: age, until: t}\n"
        "  - {name: id, from: action, type: category}\n  - {name: price, from: action, type: number}\n",
        "f");
    const struct train_data *d = &o.r.data;
    assert_int_equal(d->n, 400);
    assert_int_equal(d->specs[0].category_count, 2);
    assert_true(str_is(d->specs[0].categories[0], "Oslo") && str_is(d->specs[14].categories[1], "m2"));
    const float *r0 = d->rows, *r1 = d->rows + d->features; /* 1 March (Saturday) and 2 March 2025 */
    const float first[] = {0, NAN, 0, NAN, 22, 1, 2, 1, 6, 59, 2025, 22.5f, 0, 22.5f, 1, 7};
    const float second[] = {1, 0, 1, 1.5f, 22, 1, 2, 2, 0, 60, 2025, 46.5f, 0, 46.5f, 0, 3};
    for (size_t k = 0; k < 16; k++) {
        assert_true(k == 12 || (isnan(first[k]) ? isnan(r0[k]) : r0[k] == first[k]));
        assert_true(k == 12 || r1[k] == second[k]);
    }
    assert_float_equal(r0[12], 30 * 24 + 1.5 - 1, 1e-3); /* summer time begins on 30 March */
    assert_string_equal(d->from, "2025-03-01");
    assert_string_equal(d->to, "2025-03-28");
    train_result_free(&o.r);
}

/* ---- warnings ---- */

static void test_warnings(void **state)
{
    struct rng rng;
    rng_seed(&rng, 2);
    char *text = malloc(200000), *at = text;
    at += sprintf(at, "leak,cat,fine,none,act,y\n");
    for (int i = 0; i < 2000; i++) {
        int y = rng_below(&rng, 4) == 0;
        at += sprintf(at, "%d,%s%d,%d,,%s,%d\n", y * 10 + (int)rng_below(&rng, 10), y ? "p" : "n",
                      (int)rng_below(&rng, 3), (int)rng_below(&rng, 9), i % 100 ? "m1" : "m2", y);
    }
    put(*state, "w.csv", text);
    free(text);
    struct one o;
    must_train(
        &o, *state, "w.csv",
        "name: n\nkind: propensity\nlabel: {column: y}\naction: {column: act}\nclass_weight: balanced\n"
        "model: {rounds: 2}\nfeatures:\n  - {name: leak, type: number}\n  - {name: cat, type: category}\n"
        "  - {name: fine, type: number}\n  - {name: none, type: number}\n",
        "w");
    const char *const expected[] = {
        "t.yaml:8: warning: feature leak alone nearly decides the label (AUC 1.0000): it leaks, unless it is "
        "known before the contact",
        "t.yaml:9: warning: feature cat alone nearly decides the label (AUC 1.0000): it leaks, unless it is "
        "known before the contact",
        "t.yaml:11: warning: feature none has no value in any training row",
        "t.yaml:0: warning: class weights shift the predicted probabilities; calibration: platt puts them "
        "right",
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        if (!strstr(o.findings, expected[i]))
            fail_msg("'%s' is not in:\n%s", expected[i], o.findings);
    assert_non_null(strstr(o.findings, "w.csv:0: warning: action m2 has "));
    assert_int_equal(o.warnings, 5);
    assert_null(strstr(o.findings, "feature fine"));
    train_result_free(&o.r);
}

/* Class weights move the mean prediction; calibration moves it back. */
static void test_calibration_puts_class_weights_right(void **state)
{
    static const char *const ends[] = {"class_weight: {positive: 5}\n",
                                       "class_weight: {positive: 5}\ncalibration: platt\n",
                                       "class_weight: {positive: 5}\ncalibration: isotonic\n"};
    for (int k = 0; k < 3; k++) {
        char config[1024], out[8] = {'c', 'w', (char)('0' + k), 0};
        snprintf(config, sizeof config,
                 "name: n\nkind: propensity\nlabel: {column: y}\nfeatures: [{name: x, type: number}]\n"
                 "model: {rounds: 30}\n%s",
                 ends[k]);
        struct one o;
        must_train(&o, *state, "e.csv", config, out);
        const struct train_score *s = &o.r.test.scores[0];
        if (k == 0)
            assert_true(s->mean_prediction > s->mean_label + 0.2);
        else
            assert_float_equal(s->mean_prediction, s->mean_label, 0.03);
        train_result_free(&o.r);
    }
}

/* ---- mistakes ---- */

static size_t entries(const char *folder)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void expect(const char *folder, const char *table, const char *config, const char *findings,
                   const char *text)
{
    struct one o;
    char message[600];
    put(folder, "m.csv", table);
    put(folder, "t.yaml", config);
    size_t before = entries(folder);
    train_file(&o, folder, "m.csv", config, "never", NULL);
    assert_int_equal(o.rc, ERR_INVALID);
    if (strcmp(o.findings, findings) != 0)
        fail_msg("got:\n%s\nexpected:\n%s", o.findings, findings);
    snprintf(message, sizeof message, "%s", text[0] == '/' ? "" : folder);
    if (text[0] == '/')
        text++;
    else
        strcat(message, "/m.csv");
    strncat(message, text, sizeof message - strlen(message) - 1);
    if (strcmp(o.e.text, message) != 0)
        fail_msg("got:\n%s\nexpected:\n%s", o.e.text, message);
    assert_int_equal(entries(folder), before); /* nothing is left behind */
}

#define Y(label) "name: n\nkind: propensity\nlabel: " label "\nfeatures: [{name: x, type: number}]\n"
#define A(rest) Y("{column: y}") "action: {column: a, " rest "}\n"
#define FINDINGS(n) " cannot be trained on: " n

static void test_mistakes_of_labels(void **state)
{
    expect(
        *state, "x,y\n1,no\n2,yes\n3,maybe\n4,no\n", Y("{column: y}"),
        "m.csv:2: label y is 'no'; allowed: 1 and 0, true and false, or name two texts as label.positive and "
        "label.negative\n"
        "m.csv:3: label y is 'yes'; allowed: 1 and 0, true and false, or name two texts as label.positive "
        "and "
        "label.negative\n"
        "m.csv:4: label y is 'maybe'; allowed: 1 and 0, true and false, or name two texts as label.positive "
        "and label.negative",
        FINDINGS("3 findings"));
    expect(*state, "x,y\n1,no\n2,yes\n3,maybe\n", Y("{column: y, positive: \"yes\", negative: \"no\"}"),
           "m.csv:4: label y is 'maybe'; allowed: 'yes' (positive) and 'no' (negative)",
           FINDINGS("1 finding"));
    expect(*state, "x,y\n1,2\n2,1.5\n3,-1\n", Y("{column: y, type: count}"),
           "m.csv:3: label y is 1.5; allowed: whole numbers from 0 to 1e9 (type count)\n"
           "m.csv:4: label y is -1; allowed: whole numbers from 0 to 1e9 (type count)",
           FINDINGS("2 findings"));
    expect(*state, "x,y\n1,1\n2,1\n", Y("{column: y}"), "",
           ": the label y is 1 in all 2 rows; there is nothing to learn");
    expect(*state, "x,y\n1,-1\n2,1\n", Y("{column: y, type: money}") "model: {objective: reg:gamma}\n", "",
           ": reg:gamma needs labels above 0, but the least is -1; allowed: reg:tweedie or reg:squarederror");
    expect(*state, "x,y\n1,-1\n2,1\n", Y("{column: y, type: money}") "model: {objective: reg:tweedie}\n", "",
           ": reg:tweedie needs labels of at least 0, but the least is -1; allowed: reg:squarederror");
    expect(*state, "x,y\n1,1\n2,0\n", Y("{column: y}") "split: {test: 0.01}\n", "",
           ": 2 rows, and none of them falls into the test part; more rows are needed");
}

static void test_mistakes_of_actions(void **state)
{
    expect(*state, "x,y,a\n1,1,M1\n2,0,M2\n3,0,None\n4,1,M2\n", A("map: {M1: one}, silence: [none]"),
           "m.csv:3: action 'M2' is neither in action.map nor in action.silence; did you mean 'M1'?\n"
           "m.csv:4: action 'None' is neither in action.map nor in action.silence; did you mean 'none'?",
           FINDINGS("2 findings"));
    expect(*state, "x,y,a\n1,1,M1\n2,0,\n", A("silence: [none]"),
           "m.csv:3: the action is missing; if that means no contact, write silence: [\"\"]",
           FINDINGS("1 finding"));
    expect(*state, "x,y,a\n1,1,silence\n", A("silence: [none]"),
           "m.csv:2: action 'silence' can be no action's id; name it in action.map or in action.silence",
           FINDINGS("1 finding"));
    expect(*state, "x,y,a\n1,1,none\n", A("silence: [none]"), "", ": no row is one of a contact");
    expect(*state, "x,y,a,p\n1,1,m,0\n2,0,m,-0.1\n3,0,m,1.5\n4,1,m,0.5\n",
           A("silence: [none]") "action_probability: {column: p}\nsplit: {test: 0.4}\n",
           "m.csv:2: action probability p is 0; allowed: above 0 and at most 1\n"
           "m.csv:3: action probability p is -0.1; allowed: above 0 and at most 1\n"
           "m.csv:4: action probability p is 1.5; allowed: above 0 and at most 1",
           FINDINGS("3 findings"));
    expect(*state, "x,y,w\n1,1,1\n2,0,-2\n", Y("{column: y}") "weight: {column: w}\n",
           "m.csv:3: weight w is -2; allowed: from 0 to 1e12", FINDINGS("1 finding"));
    expect(*state, "x,y,w\n1,1,0\n2,0,0\n", Y("{column: y}") "weight: {column: w}\n", "",
           ": all weights are 0");
}

static void test_mistakes_of_arms(void **state)
{
    char table[4000] = "x,y,a\n";
    for (int i = 0; i < 200; i++) {
        char line[40];
        snprintf(line, sizeof line, "%d,%d,%s\n", i % 7, i % 2, i % 3 ? "m" : "none");
        strcat(table, line);
    }
#define ARMS(map)                                                                                            \
    "name: n\nkind: t_learner\nlabel: {column: y}\nfeatures: [{name: x, type: number}]\n"                    \
    "action: {column: a, map: {" map "}, silence: [none]}\n"
    struct one o;
    put(*state, "a.csv", table);
    train_file(&o, *state, "a.csv", ARMS("m: m, k: k"), "never", NULL);
    assert_int_equal(o.rc, ERR_INVALID);
    assert_non_null(strstr(o.findings, "a.csv:0: action k has no training rows"));
    train_file(&o, *state, "a.csv", ARMS("m: m") "action_probability: {by_action: {m: 0.5}}\n", "never",
               NULL);
    assert_int_equal(o.rc, ERR_INVALID);
    assert_non_null(
        strstr(o.e.text, "t.yaml: action_probability.by_action does not name silence, which the data have"));
}

static void test_mistakes_of_categories(void **state)
{
    char *table = malloc(200000), *at = table;
    at += sprintf(at, "x,y,c\n");
    for (int i = 0; i < 8000; i++)
        at += sprintf(at, "1,%d,k%d\n", i % 2, i);
    const char *config =
        "name: n\nkind: propensity\nlabel: {column: y}\nfeatures:\n  - {name: c, type: category}\n";
    struct one o;
    put(*state, "c.csv", table);
    free(table);
    train_file(&o, *state, "c.csv", config, "never", NULL);
    assert_int_equal(o.rc, ERR_INVALID);
    assert_non_null(strstr(o.findings, "t.yaml:5: feature c: "));
    assert_non_null(strstr(o.findings,
                           "categories in the training rows; at most 4096 are allowed; leave the feature "
                           "out, or list those that matter"));
    expect(*state, "x,y,c\n1,1,\n2,0,\n3,1,\n4,0,\n5,1,\n6,1,\n7,0,\n", config,
           "t.yaml:5: feature c: no training row has a value; leave the feature out, or list its categories",
           ": the features cannot be made");
}

static void test_nothing_is_overwritten(void **state)
{
    struct one o;
    put(*state, "file", "");
    train_file(&o, *state, "e.csv", Y("{column: y}"), "file", NULL);
    assert_int_equal(o.rc, ERR_EXISTS);
    assert_non_null(strstr(o.e.text, "/file exists already and is no folder"));
    train_file(&o, *state, "e.csv", Y("{column: y}"), "t", NULL);
    assert_int_equal(o.rc, ERR_EXISTS);
    assert_non_null(strstr(o.e.text, "/t exists already and is not empty"));
}

/* From the beginning, and as soon as the table is read, the folds are fitted, or the models: the last leaves only the figures to
 * be stopped, since a fit looks at the flag before each round. */
static void test_cancelled(void **state)
{
    static const char *const phases[] = {NULL, "bytes read", "rounds of cross-validation", "rounds"};
    struct one o;
    put(*state, "t.yaml", "");
    size_t before = entries(*state);
    for (size_t k = 0; k < sizeof phases / sizeof *phases; k++) {
        stop_at = phases[k];
        stop = !stop_at;
        train_file(&o, *state, "e.csv",
                   EXPERIMENT_YAML("s_learner") ID_FEATURES "cross_validation: {folds: 2}\n", "never", NULL);
        assert_int_equal(stop, 1);
        stop = 0;
        stop_at = NULL;
        assert_int_equal(o.rc, ERR_UNAVAILABLE);
        assert_non_null(strstr(o.e.text, "stopped before the training was done"));
        assert_int_equal(entries(*state), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_known_effects_are_found), /* writes e.csv and the bundle t, which later ones use */
        cmocka_unit_test(test_transformed_outcome),
        cmocka_unit_test(test_probabilities_from_a_column),
        cmocka_unit_test(test_probabilities_that_depend_on_the_row),
        cmocka_unit_test(test_same_seed_same_bytes),
        cmocka_unit_test(test_order_does_not_matter_to_the_split),
        cmocka_unit_test(test_equal_rows_are_independent),
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_calibration_puts_class_weights_right),
        cmocka_unit_test(test_mistakes_of_labels),
        cmocka_unit_test(test_mistakes_of_actions),
        cmocka_unit_test(test_mistakes_of_arms),
        cmocka_unit_test(test_mistakes_of_categories),
        cmocka_unit_test(test_nothing_is_overwritten),
        cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

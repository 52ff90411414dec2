/* Arms, their calibrations and hashes in bundle.yaml; see bundle_arms.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/bundle_arms.h"
#include <math.h>

enum { FILE_NAME_MAX = 128, NUMBERS_A_LINE = 4 };

/* What isotonic points may be: the lines between two of them stay far inside the range of doubles. */
static const double point_max = 1e30;

const struct yaml_node *bundle_need(struct diags *d, const struct yaml_node *mapping, const char *key,
                                    const char *what)
{
    const struct yaml_node *n = yaml_get(mapping, key);
    if (!n)
        yaml_diag(d, DIAG_ERROR, mapping, "%s needs '%s'", what, key);
    return n;
}

/* Text of 1 to BUNDLE_TEXT_MAX bytes on one line. */
bool bundle_text_ok(struct str s)
{
    bool plain = s.n > 0 && s.n <= BUNDLE_TEXT_MAX;
    for (size_t i = 0; plain && i < s.n; i++)
        plain = (unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7F;
    return plain;
}

void bundle_text_read(struct diags *d, const struct yaml_node *n, struct str *out)
{
    if (n && yaml_string(d, n, out) && !bundle_text_ok(*out))
        yaml_diag(d, DIAG_ERROR, n, "expected 1 to %d bytes of text on one line", BUNDLE_TEXT_MAX);
}

/* In double quotes, so that no text is taken for anything else. */
void bundle_text_write(struct buf *out, struct str s)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7F)
            buf_printf(out, "\\x%02x", c);
        else if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else
            buf_byte(out, c);
    }
    buf_byte(out, '"');
}

static bool ends_with(struct str s, const char *end)
{
    size_t n = strlen(end);
    return s.n > n && memcmp(s.p + s.n - n, end, n) == 0;
}

bool bundle_file_name_ok(struct str name)
{
    return name.n <= FILE_NAME_MAX && str_is_file_name(name) && (ends_with(name, ".ubj") || ends_with(name, ".json"));
}

/* ---- calibrations ---- */

static void read_platt(struct calibration *c, const struct bundle_spec *s, const struct yaml_node *n,
                       struct diags *d)
{
    static const char *const keys[] = {"a", "b", NULL};
    if (!yaml_expect(d, n, YAML_MAPPING, "platt"))
        return;
    if (s->of && s->link != LINK_LOGISTIC && !(s->of->orders && s->label_type == BUNDLE_BINARY))
        yaml_diag(d, DIAG_ERROR, n, "platt is for the chance of a binary label; for %.*s: none or isotonic",
                  STR_ARG(s->objective));
    yaml_known_keys(d, n, "platt", keys);
    const struct yaml_node *a = bundle_need(d, n, "a", "platt"), *b = bundle_need(d, n, "b", "platt");
    if (a && b && yaml_double(d, a, -1000, 1000, &c->a) && yaml_double(d, b, -1000, 1000, &c->b))
        c->kind = CALIBRATION_PLATT;
}

/* A list of numbers in order; strict: none equal to the one before. NULL after a finding. */
static const double *read_points(struct diags *d, const struct yaml_node *n, const char *what, bool strict,
                                 double low, double high, struct arena *arena)
{
    if (!yaml_expect(d, n, YAML_SEQUENCE, what))
        return NULL;
    if (n->count == 0 || n->count > CALIBRATION_POINTS_MAX) {
        yaml_diag(d, DIAG_ERROR, n, "%zu points; allowed: 1 to %d", n->count, CALIBRATION_POINTS_MAX);
        return NULL;
    }
    double *points = arena_alloc(arena, n->count * sizeof *points);
    if (!points)
        yaml_diag(d, DIAG_ERROR, n, "the points need more memory than is allowed for loading");
    for (size_t i = 0; points && i < n->count; i++) {
        if (!yaml_double(d, n->items[i], low, high, &points[i]))
            return NULL;
        if (i > 0 && (points[i] < points[i - 1] || (strict && points[i] <= points[i - 1]))) {
            yaml_diag(d, DIAG_ERROR, n->items[i], "%s must %s; %.17g comes after %.17g", what,
                      strict ? "rise" : "not fall", points[i], points[i - 1]);
            return NULL;
        }
    }
    return points;
}

static void read_isotonic(struct calibration *c, const struct bundle_spec *s, const struct yaml_node *n,
                          struct arena *arena, struct diags *d)
{
    static const char *const keys[] = {"x", "y", NULL};
    if (!yaml_expect(d, n, YAML_MAPPING, "isotonic"))
        return;
    yaml_known_keys(d, n, "isotonic", keys);
    const struct yaml_node *x = bundle_need(d, n, "x", "isotonic"), *y = bundle_need(d, n, "y", "isotonic");
    if (!x || !y)
        return;
    bool chance = s->label_type == BUNDLE_BINARY && s->kind != BUNDLE_TRANSFORMED;
    c->x = read_points(d, x, "isotonic x", true, -point_max, point_max, arena);
    c->y = read_points(d, y, "isotonic y", false, chance ? 0 : -point_max, chance ? 1 : point_max, arena);
    if (c->x && c->y && x->count != y->count)
        yaml_diag(d, DIAG_ERROR, y, "isotonic has %zu x, but %zu y", x->count, y->count);
    c->count = x->count;
    c->kind = CALIBRATION_ISOTONIC;
}

static void read_calibration(struct calibration *c, const struct bundle_spec *s, const struct yaml_node *n,
                             struct arena *arena, struct diags *d)
{
    static const char *const ways[] = {"platt", "isotonic", NULL};
    if (!n || (n->kind == YAML_SCALAR && str_is(n->text, "none")))
        return;
    if (n->kind != YAML_MAPPING) {
        yaml_diag(d, DIAG_ERROR, n,
                  "expected none, {platt: {a: …, b: …}} or {isotonic: {x: […], y: […]}} for calibration");
        return;
    }
    yaml_known_keys(d, n, "calibration", ways);
    const struct yaml_node *platt = yaml_get(n, "platt"), *isotonic = yaml_get(n, "isotonic");
    if (!platt == !isotonic)
        yaml_diag(d, DIAG_ERROR, n, "calibration needs either 'platt' or 'isotonic'");
    else if (platt)
        read_platt(c, s, platt, d);
    else
        read_isotonic(c, s, isotonic, arena, d);
}

static void read_hash(struct bundle_arm *a, const struct yaml_node *n, struct diags *d)
{
    struct str text;
    if (!n || !yaml_string(d, n, &text))
        return;
    a->has_model_hash = id128_parse(text, &a->model_hash);
    if (!a->has_model_hash)
        yaml_diag(d, DIAG_ERROR, n, "expected 32 lower-case hexadecimal digits (XXH3-128 of the model file)");
}

/* ---- arms ---- */

static void read_file(struct bundle_arm *a, const struct yaml_node *n, struct diags *d)
{
    if (!n || !yaml_string(d, n, &a->file) || bundle_file_name_ok(a->file))
        return;
    yaml_diag(d, DIAG_ERROR, n,
              "expected the plain name of a file beside this one: letters, digits, . _ -, ending in .ubj or "
              ".json");
}

static void read_arm(struct bundle_spec *s, struct bundle_arm *a, const struct yaml_node *n,
                     struct arena *arena, struct diags *d)
{
    static const char *const keys[] = {"arm", "file", "calibration", "model_hash", NULL};
    a->line = n->line;
    a->column = n->column;
    if (!yaml_expect(d, n, YAML_MAPPING, "an arm"))
        return;
    yaml_known_keys(d, n, "an arm", keys);
    bundle_text_read(d, bundle_need(d, n, "arm", "an arm"), &a->arm);
    read_file(a, bundle_need(d, n, "file", "an arm"), d);
    read_calibration(&a->calibration, s, yaml_get(n, "calibration"), arena, d);
    read_hash(a, yaml_get(n, "model_hash"), d);
    if (s->kind == BUNDLE_TRANSFORMED && str_is(a->arm, BUNDLE_SILENCE))
        yaml_diag(d, DIAG_ERROR, yaml_get(n, "arm"),
                  "kind transformed has no arm " BUNDLE_SILENCE
                  ": each model gives the difference from it already");
    for (const struct bundle_arm *b = s->arms; b < a; b++) {
        if (a->arm.n && str_eq(a->arm, b->arm))
            yaml_diag(d, DIAG_ERROR, yaml_get(n, "arm"), "duplicate arm '%.*s'; it stands at line %d already",
                      STR_ARG(a->arm), b->line);
        if (a->file.n && str_eq(a->file, b->file))
            yaml_diag(d, DIAG_ERROR, yaml_get(n, "file"),
                      "file '%.*s' is the model of the arm at line %d already", STR_ARG(a->file), b->line);
    }
}

static void check_silence(const struct bundle_spec *s, const struct yaml_node *list, struct diags *d)
{
    bool silence = false, action = false;
    for (size_t i = 0; i < s->arm_count; i++) {
        silence |= str_is(s->arms[i].arm, BUNDLE_SILENCE);
        action |= !str_is(s->arms[i].arm, BUNDLE_SILENCE);
    }
    if (!silence)
        yaml_diag(d, DIAG_ERROR, list,
                  "kind t_learner needs an arm " BUNDLE_SILENCE ", the model of nobody contacted");
    if (!action)
        yaml_diag(d, DIAG_ERROR, list, "kind t_learner needs the arm of an action");
}

static void read_list(struct bundle_spec *s, const struct yaml_node *root, struct arena *arena,
                      struct diags *d)
{
    static const char *const inside[] = {"calibration", "model_hash"};
    char kind[32];
    snprintf(kind, sizeof kind, "kind %s", s->kind == BUNDLE_T_LEARNER ? "t_learner" : "transformed");
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        if (yaml_get(root, inside[i]))
            yaml_diag(d, DIAG_ERROR, yaml_key(root, inside[i]), "%s has a %s in each of its arms, not here",
                      kind, inside[i]);
    const struct yaml_node *n = bundle_need(d, root, "arms", kind);
    if (!n || !yaml_expect(d, n, YAML_SEQUENCE, "arms"))
        return;
    if (n->count == 0 || n->count > BUNDLE_ARMS_MAX) {
        yaml_diag(d, DIAG_ERROR, n, "%zu arms; allowed: 1 to %d", n->count, BUNDLE_ARMS_MAX);
        return;
    }
    s->arms = arena_zalloc(arena, n->count * sizeof *s->arms);
    for (size_t i = 0; s->arms && i < n->count; i++)
        read_arm(s, &s->arms[s->arm_count++], n->items[i], arena, d);
    if (s->arms && s->kind == BUNDLE_T_LEARNER)
        check_silence(s, n, d);
}

void bundle_arms_read(struct bundle_spec *s, const struct yaml_node *root, struct arena *arena,
                      struct diags *d)
{
    if (bundle_has_arms(s)) {
        read_list(s, root, arena, d);
        return;
    }
    if (yaml_get(root, "arms"))
        yaml_diag(d, DIAG_ERROR, yaml_key(root, "arms"),
                  "arms are for the kinds t_learner and transformed only");
    s->arms = arena_zalloc(arena, sizeof *s->arms);
    if (!s->arms)
        return;
    s->arm_count = 1;
    s->arms->line = root->line;
    s->arms->column = root->column;
    read_calibration(&s->arms->calibration, s, yaml_get(root, "calibration"), arena, d);
    read_hash(s->arms, yaml_get(root, "model_hash"), d);
}

/* ---- writing ---- */

static void write_points(struct buf *out, const char *name, const double *points, size_t count)
{
    buf_printf(out, "%s: [", name);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%.17g", i == 0 ? "" : i % NUMBERS_A_LINE == 0 ? ",\n        " : ", ", points[i]);
    buf_byte(out, ']');
}

static void write_calibration(struct buf *out, const struct calibration *c)
{
    switch (c->kind) {
    case CALIBRATION_NONE:
        buf_printf(out, "calibration: none");
        break;
    case CALIBRATION_PLATT:
        buf_printf(out, "calibration: {platt: {a: %.17g, b: %.17g}}", c->a, c->b);
        break;
    case CALIBRATION_ISOTONIC:
        buf_printf(out, "calibration: {isotonic: {");
        write_points(out, "x", c->x, c->count);
        buf_printf(out, ",\n      ");
        write_points(out, "y", c->y, c->count);
        buf_printf(out, "}}");
        break;
    }
}

static void write_hash(struct buf *out, const struct bundle_arm *a)
{
    char hash[ID128_TEXT];
    id128_text(a->model_hash, hash);
    buf_printf(out, "model_hash: ");
    bundle_text_write(out, str_from(hash));
}

void bundle_calibration_write(struct buf *out, const struct bundle_spec *s)
{
    if (bundle_has_arms(s))
        return;
    write_calibration(out, &s->arms->calibration);
    buf_byte(out, '\n');
}

void bundle_models_write(struct buf *out, const struct bundle_spec *s)
{
    if (!bundle_has_arms(s)) {
        if (s->arms->has_model_hash) {
            write_hash(out, s->arms);
            buf_byte(out, '\n');
        }
        return;
    }
    buf_printf(out, "arms:\n");
    for (size_t i = 0; i < s->arm_count; i++) {
        const struct bundle_arm *a = &s->arms[i];
        buf_printf(out, "  - {arm: ");
        bundle_text_write(out, a->arm);
        buf_printf(out, ", file: ");
        bundle_text_write(out, a->file);
        buf_printf(out, ", ");
        write_calibration(out, &a->calibration);
        if (a->has_model_hash) {
            buf_printf(out, ", ");
            write_hash(out, a);
        }
        buf_printf(out, "}\n");
    }
}

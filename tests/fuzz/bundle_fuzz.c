/* Any bytes as bundle.yaml: refused with findings, or read; and what is read is written and read again the
 * same.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/bundle_spec.h"
#include <math.h>

static struct arena arena;

static void assert_same_arm(const struct bundle_arm *a, const struct bundle_arm *b)
{
    const struct calibration *c = &a->calibration, *k = &b->calibration;
    ASSERT(str_eq(a->arm, b->arm) && str_eq(a->file, b->file) && a->has_model_hash == b->has_model_hash);
    ASSERT(id128_eq(a->model_hash, b->model_hash));
    ASSERT(c->kind == k->kind && c->a == k->a && c->b == k->b && c->count == k->count);
    for (size_t i = 0; i < c->count; i++)
        ASSERT(c->x[i] == k->x[i] && c->y[i] == k->y[i]);
}

static void assert_same(const struct bundle_spec *a, const struct bundle_spec *b)
{
    ASSERT(str_eq(a->name, b->name) && str_eq(a->version, b->version) && str_eq(a->label, b->label));
    ASSERT(a->kind == b->kind && a->label_type == b->label_type && a->link == b->link);
    ASSERT(str_eq(a->objective, b->objective) && str_eq(a->silence, b->silence));
    ASSERT(a->arm_count == b->arm_count && a->arm_count > 0);
    for (size_t i = 0; i < a->arm_count; i++)
        assert_same_arm(&a->arms[i], &b->arms[i]);
    ASSERT(a->training_rows == b->training_rows && a->training_seed == b->training_seed);
    ASSERT(str_eq(a->training_from, b->training_from) && str_eq(a->training_to, b->training_to));
    ASSERT(a->metric_count == b->metric_count && a->feature_count == b->feature_count);
    for (size_t i = 0; i < a->metric_count; i++)
        ASSERT(str_eq(a->metrics[i].name, b->metrics[i].name) && a->metrics[i].value == b->metrics[i].value);
    for (size_t i = 0; i < a->feature_count; i++) {
        const struct bundle_feature *f = &a->features[i], *g = &b->features[i];
        ASSERT(str_eq(f->name, g->name) && f->from == g->from && f->type == g->type &&
               str_eq(f->unit, g->unit));
        ASSERT(f->category_count == g->category_count);
        for (size_t k = 0; k < f->category_count; k++) {
            ASSERT(str_eq(f->categories[k], g->categories[k]));
            ASSERT(bundle_category(g, f->categories[k]) == (long)k);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!arena.limit)
        arena_init(&arena, 64 << 20);
    struct diags d;
    struct bundle_spec spec, again;
    arena_reset(&arena);
    diags_init(&d, &arena);
    struct yaml_node *root = yaml_read("bundle.yaml", (struct str){(const char *)data, size}, &arena, &d);
    if (!root)
        return 0;
    if (!bundle_spec_read(&spec, root, &arena, &d)) {
        ASSERT(d.errors > 0);
        return 0;
    }
    if (d.errors)
        return 0;
    struct buf out;
    buf_init(&out, 32 << 20);
    bundle_spec_write(&out, &spec);
    ASSERT(buf_ok(&out));
    root = yaml_read("again.yaml", (struct str){(const char *)out.p, out.n}, &arena, &d);
    if (!root || !bundle_spec_read(&again, root, &arena, &d))
        diags_print(&d, stderr);
    ASSERT(d.errors == 0);
    assert_same(&spec, &again);
    buf_free(&out);
    return 0;
}

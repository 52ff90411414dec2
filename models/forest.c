/* Compiling a forest; see forest.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest.h"
#include "models/forest_tiles.h"
#include <stdlib.h>

enum {
    MEMORY_DEFAULT = 64 * 1024 * 1024,
    FLAT_MAX = 1024 * 1024 * 1024, /* only trees of leaf vectors, which are kept once for each output, need so much */
    STEPS_MAX = 1 << 20            /* nodes that a row goes through */
};

/* ---- flat ---- */

static int keep_flat(struct forest *f, const struct model *m)
{
    struct builder b = {.f = f, .m = m};
    size_t nodes = 0, at = 0, trees = 0;
    for (size_t t = 0; t < m->tree_count; t++)
        nodes += m->trees[t].count * (m->trees[t].vectors ? m->outputs : 1);
    if (nodes > FLAT_MAX / sizeof *f->nodes)
        return ERR_NOSPACE;
    f->nodes = malloc((nodes + 1) * sizeof *f->nodes);
    f->flat_trees = malloc((m->tree_count * m->outputs + 1) * sizeof *f->flat_trees);
    if (!f->nodes || !f->flat_trees || !forest_keep_sets(&b)) {
        free(b.set_of);
        return ERR_NOSPACE;
    }
    for (size_t t = 0; t < m->tree_count; t++) {
        const struct model_tree *tree = &m->trees[t];
        for (uint32_t k = 0; k < (tree->vectors ? m->outputs : 1); k++) {
            f->flat_trees[trees].first = (uint32_t)at;
            f->flat_trees[trees++].output = tree->vectors ? k : tree->output;
            b.vector_output = k;
            for (uint32_t i = 0; i < tree->count; i++, at++) {
                f->nodes[at] = tree->nodes[i];
                if (tree->nodes[i].left < 0)
                    f->nodes[at].value = forest_leaf_value(&b, tree, &tree->nodes[i]);
            }
        }
    }
    f->trees = trees;
    f->flat = true;
    f->bytes += nodes * sizeof *f->nodes + trees * sizeof *f->flat_trees;
    free(b.set_of);
    return 0;
}

static int keep_linear(struct forest *f, const struct model *m)
{
    size_t n = (m->features + 1) * m->outputs;
    f->linear = malloc(n * sizeof *f->linear);
    if (!f->linear)
        return ERR_NOSPACE;
    memcpy(f->linear, m->linear, n * sizeof *f->linear);
    f->flat = true;
    f->bytes += n * sizeof *f->linear;
    return 0;
}

/* ---- entry ---- */

/* Which features are not shared, and each one's place among those. */
static bool number_features(struct forest *f)
{
    f->action_features = malloc((f->features + 1) * sizeof *f->action_features);
    f->pair_features = malloc((f->features + 1) * sizeof *f->pair_features);
    f->slots = calloc(f->features + 1, sizeof *f->slots);
    if (!f->action_features || !f->pair_features || !f->slots)
        return false;
    for (uint32_t i = 0; i < f->features; i++) {
        if (f->roles[i] == FOREST_ACTION) {
            f->slots[i] = (uint32_t)f->action_count;
            f->action_features[f->action_count++] = i;
        } else if (f->roles[i] == FOREST_PAIR) {
            f->slots[i] = (uint32_t)f->pair_count;
            f->pair_features[f->pair_count++] = i;
        }
    }
    return true;
}

static struct forest *forest_new(const struct model *m, const struct forest_options *o, const enum forest_role *roles)
{
    struct forest *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->features = m->features;
    f->outputs = m->outputs;
    f->isa = o->isa;
    f->instructions = o->isa->instructions;
    f->base = malloc(m->outputs * sizeof *f->base);
    f->roles = calloc(m->features, sizeof *f->roles);
    if (!f->base || !f->roles) {
        forest_free(&f);
        return NULL;
    }
    memcpy(f->base, m->base, m->outputs * sizeof *f->base);
    if (roles)
        memcpy(f->roles, roles, m->features * sizeof *f->roles);
    if (!number_features(f))
        forest_free(&f);
    return f;
}

static bool all_shared(const enum forest_role *roles, size_t n)
{
    for (size_t i = 0; roles && i < n; i++)
        if (roles[i] != FOREST_SHARED)
            return false;
    return true;
}

/* One forest in one form. 1: not in tiles. */
static int compile_one(struct forest **out, const struct model *m, const struct forest_options *o,
                       const struct forest *whole, size_t memory_max, bool flat)
{
    struct forest *f = forest_new(m, o, whole ? o->roles : NULL);
    int rc = ERR_NOSPACE;
    if (f)
        f->shares = whole != NULL;
    if (f && m->linear)
        rc = keep_linear(f, m);
    else if (f)
        rc = flat ? keep_flat(f, m) : forest_tiles_build(f, m, whole, memory_max);
    if (rc)
        forest_free(&f);
    else
        *out = f;
    return rc;
}

/* Nodes that one row may go through: what a decision's time is bounded by. */
static size_t longest_way(const struct model *m)
{
    size_t nodes = 0;
    for (size_t i = 0; i < m->tree_count; i++)
        nodes += (m->trees[i].depth + 1) * (m->trees[i].vectors ? m->outputs : 1);
    return nodes;
}

int forest_compile(struct forest **out, const struct model *m, const struct forest_options *o, struct error *e)
{
    struct forest_options chosen = *o;
    size_t memory = o->memory_max ? o->memory_max : MEMORY_DEFAULT;
    struct forest *whole = NULL, *split = NULL;
    bool shared = all_shared(o->roles, m->features);
    chosen.isa = o->isa ? o->isa : forest_isa_of(o->instructions);
    if (forest_set_bytes(m) > MEMORY_DEFAULT)
        return error_set(e, ERR_NOSPACE, "the model's sets of categories need %zu MiB; allowed: %d",
                         forest_set_bytes(m) >> 20, MEMORY_DEFAULT >> 20);
    if (longest_way(m) > STEPS_MAX)
        return error_set(e, ERR_NOSPACE, "a row would go through up to %zu nodes of the model's trees; allowed: %d", longest_way(m),
                         STEPS_MAX);
    if (!chosen.isa)
        return error_set(e, ERR_INVALID, "this machine has no %s instructions",
                         forest_instructions_name(o->instructions));
    int rc = compile_one(&whole, m, &chosen, NULL, memory, false);
    if (rc == 1)
        rc = compile_one(&whole, m, &chosen, NULL, memory, true);
    if (!rc && !shared) {
        size_t left = memory > whole->bytes ? memory - whole->bytes : 0;
        rc = whole->flat ? 1 : compile_one(&split, m, &chosen, whole, left, false);
        if (rc == 1) { /* every candidate as a whole row */
            split = forest_new(m, &chosen, o->roles);
            rc = split ? 0 : ERR_NOSPACE;
        }
    }
    if (rc) {
        forest_free(&whole);
        forest_free(&split);
        return error_set(e, ERR_NOSPACE, "out of memory for the compiled model (allowed: %d MiB)", FLAT_MAX >> 20);
    }
    if (split)
        split->whole = whole;
    *out = split ? split : whole;
    return 0;
}

void forest_free(struct forest **forest)
{
    struct forest *f = *forest;
    if (!f)
        return;
    if (f->shares) {
        f->values = NULL;
        f->sets = NULL;
    }
    forest_free(&f->whole);
    void *parts[] = {f->base,   f->roles,  f->action_features, f->pair_features, f->slots, f->sets,       f->set_words, f->tiles,
                     f->varies, f->infos,  f->values,          f->regions,       f->roots,      f->groups,    f->columns,
                     f->thresholds, f->open, f->chains,        f->nodes,         f->flat_trees, f->linear};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
    free(f);
    *forest = NULL;
}

size_t forest_features(const struct forest *f)
{
    return f->features;
}

size_t forest_outputs(const struct forest *f)
{
    return f->outputs;
}

enum forest_instructions forest_instructions_of(const struct forest *f)
{
    return f->instructions;
}

size_t forest_bytes(const struct forest *f)
{
    return f->bytes + (f->whole ? f->whole->bytes : 0);
}

bool forest_is_flat(const struct forest *f)
{
    return f->whole ? f->whole->flat : f->flat;
}

/* A decision's scoring; see forest.h for the idea, forest_inner.h for the layout.
 *
 * The trees are gone through in chunks (forest_chunk.h). Then, for each block of candidates, the words of the chunk's leaves are
 * found, and their values are added to those who reach them.
 *
 * Two spaces of candidates: all actions of the catalog, where their regions are rows known beforehand and most of them are
 * candidates; or the candidates alone, with their actions' features compared as the pair's are.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_score.h"
#include "models/forest_chunk.h"
#include <math.h>

enum {
    CHUNK = 1024,   /* leaves, compares, ands, at least */
    FEW = 2,        /* candidates that are scored as whole rows */
    ROWS = 64,      /* of them at a time */
    SPARSE_COST = 3 /* what a block costs in the candidates' own space, in blocks of the actions' */
};

struct score {
    const struct forest *f;
    const struct forest_input *in;
    struct arena *arena;
    uint8_t *codes;
    bool by_action;      /* the space is that of the catalog's actions */
    size_t width, words; /* of the space */
    const float *x[2];   /* features that are not shared: of the action, of the pair; [slot][stride] */
    size_t stride[2];
    uint32_t *blocks;
    size_t block_count;
    float *sums;
    struct forest_chunk chunk;
    uint64_t *found[BLOCK_WORDS]; /* the chunk's words, for the block at hand: [leaf_max + compare_max] */
};

static int full(struct error *e)
{
    return error_set(e, ERR_NOSPACE, "the request's memory is full");
}

/* ---- whole rows ---- */

/* Exits of up to BATCH trees, through all their tiles. */
static void walk_trees(const struct forest *f, const uint8_t *codes, uint32_t first, size_t n, uint32_t *places)
{
    uint32_t tiles[BATCH], exits[BATCH], who[BATCH];
    for (size_t i = 0; i < n; i++) {
        tiles[i] = first + (uint32_t)i;
        who[i] = (uint32_t)i;
    }
    for (size_t left = n; left > 0;) {
        f->isa->walk(f, codes, tiles, left, exits);
        size_t more = 0;
        for (size_t i = 0; i < left; i++) {
            uint32_t tile = tiles[i], place = tile * TILE_EXITS + exits[i];
            places[who[i]] = place;
            if (!(f->infos[tile].children >> exits[i] & 1))
                continue;
            tiles[more] = forest_child(f, tile, exits[i]);
            who[more++] = who[i];
        }
        left = more;
    }
}

static void tile_row(const struct forest *f, const float *row, uint8_t *codes, float *out)
{
    for (size_t g = 0; g < f->group_count; g++)
        f->isa->encode(f, &f->groups[g], row, codes + g * GROUP_COLUMNS);
    for (size_t k = 0; k < f->outputs; k++) {
        float sum = f->base[k];
        uint32_t places[BATCH];
        for (uint32_t t = f->roots[k]; t < f->roots[k + 1]; t += BATCH) {
            size_t n = f->roots[k + 1] - t < BATCH ? f->roots[k + 1] - t : BATCH;
            walk_trees(f, codes, t, n, places);
            for (size_t i = 0; i < n; i++)
                sum += f->values[places[i]];
        }
        out[k] = sum;
    }
}

static void linear_row(const struct forest *f, const float *row, float *out)
{
    for (size_t k = 0; k < f->outputs; k++) {
        float sum = f->linear[f->features * f->outputs + k] + f->base[k];
        for (size_t i = 0; i < f->features; i++)
            if (!isnan(row[i]))
                sum += row[i] * f->linear[i * f->outputs + k];
        out[k] = sum;
    }
}

/* n rows, tree by tree: a tree's nodes are looked at by all of them while they are near. */
static void flat_rows(const struct forest *f, const float *rows, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        memcpy(out + i * f->outputs, f->base, f->outputs * sizeof *out);
    for (size_t t = 0; t < f->trees; t++) {
        const struct model_node *nodes = f->nodes + f->flat_trees[t].first;
        for (size_t i = 0; i < n; i++) {
            const struct model_node *at = nodes;
            const float *row = rows + i * f->features;
            while (at->left >= 0)
                at = &nodes[model_goes_right(f->sets, at, row[at->feature]) ? at->right : at->left];
            out[i * f->outputs + f->flat_trees[t].output] += at->value;
        }
    }
}

/* n whole rows, in whichever form f is. */
static void whole_rows(const struct forest *f, const float *rows, size_t n, uint8_t *codes, float *out)
{
    if (f->flat && !f->linear) {
        flat_rows(f, rows, n, out);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const float *row = rows + i * f->features;
        if (f->linear)
            linear_row(f, row, out + i * f->outputs);
        else
            tile_row(f, row, codes, out + i * f->outputs);
    }
}

static const struct forest *whole_of(const struct forest *f)
{
    return f->whole ? f->whole : f;
}

int forest_rows(const struct forest *forest, const float *rows, size_t n, struct arena *arena, float *out, struct error *e)
{
    const struct forest *f = whole_of(forest);
    struct arena_mark mark = arena_mark(arena);
    uint8_t *codes = arena_alloc(arena, f->group_count * GROUP_COLUMNS);
    if (!codes)
        return full(e);
    whole_rows(f, rows, n, codes, out);
    arena_rewind(arena, mark);
    return 0;
}

/* Candidate i as a row. */
static void fill_row(const struct forest *f, const struct forest_input *in, size_t i, float *row)
{
    const struct forest_catalog *c = in->catalog;
    size_t action = in->actions ? in->actions[i] : i;
    memcpy(row, in->shared, f->features * sizeof *row);
    for (size_t k = 0; k < f->action_count; k++)
        row[f->action_features[k]] = c->values[k * c->words * 64 + action];
    for (size_t k = 0; k < f->pair_count; k++)
        row[f->pair_features[k]] = in->pairs[i * f->pair_count + k];
}

/* Every candidate as a whole row, ROWS at a time. */
static int score_rows(const struct forest *f, const struct forest_input *in, struct arena *arena, float *out,
                      struct error *e)
{
    const struct forest *whole = whole_of(f);
    float *rows = arena_alloc(arena, (in->n < ROWS ? in->n : ROWS) * f->features * sizeof *rows);
    uint8_t *codes = arena_alloc(arena, whole->group_count * GROUP_COLUMNS);
    if (!rows || !codes)
        return full(e);
    for (size_t from = 0; from < in->n; from += ROWS) {
        size_t n = in->n - from < ROWS ? in->n - from : ROWS;
        for (size_t i = 0; i < n; i++)
            fill_row(f, in, from + i, rows + i * f->features);
        whole_rows(whole, rows, n, codes, out + from * f->outputs);
    }
    return 0;
}

/* ---- running a chunk ---- */

/* Who reaches each leaf, of the candidates of n words from w on. */
static void find_words(struct score *s, size_t w, size_t n)
{
    const struct forest *f = s->f;
    const struct forest_chunk *c = &s->chunk;
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < c->leaf_count; i++)
            s->found[k][i] = c->leaf_rows[i][w + k];
    for (size_t i = 0; i < c->compare_count; i++) {
        const struct forest_open *o = &f->open[c->compares[i]];
        const float *x = s->x[o->pair] + o->slot * s->stride[o->pair] + w * 64;
        for (size_t k = 0; k < n; k++)
            s->found[k][c->leaf_max + i] = forest_open_word(f, o, x + k * 64);
    }
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < c->and_count; i++)
            s->found[k][c->ands[i].word] &= s->found[k][c->ands[i].with] ^ c->ands[i].invert;
}

static void run_chunk(struct score *s)
{
    struct forest_chunk *c = &s->chunk;
    for (size_t i = 0; i < s->block_count && c->leaf_count; i++) {
        size_t w = s->blocks[i] * BLOCK_WORDS, from = w * 64;
        size_t lanes = s->width - from < BLOCK ? s->width - from : BLOCK;
        find_words(s, w, (lanes + 63) / 64);
        s->f->isa->add(c->values, s->found[0], s->found[1], c->leaf_count, lanes, s->sums + from);
    }
    c->leaf_count = c->compare_count = c->and_count = 0;
}

static void score_output(struct score *s, size_t output)
{
    const struct forest *f = s->f;
    uint32_t root = f->roots[output], end = f->roots[output + 1];
    while (root < end) {
        root = f->isa->fill(&s->chunk, f, s->codes, root, end);
        run_chunk(s);
    }
}

/* ---- setting up ---- */

/* Blocks of the actions' space that hold candidates; their number, and a mark at each. */
static size_t mark_blocks(const struct forest_input *in, uint8_t *marks, size_t blocks)
{
    memset(marks, 0, blocks);
    size_t count = 0;
    for (size_t i = 0; i < in->n; i++)
        marks[in->actions[i] / BLOCK] = 1;
    for (size_t b = 0; b < blocks; b++)
        count += marks[b];
    return count;
}

static int choose_space(struct score *s, struct error *e)
{
    const struct forest_input *in = s->in;
    const struct forest_catalog *c = in->catalog;
    size_t own = (in->n + BLOCK - 1) / BLOCK, all = c ? (c->actions + BLOCK - 1) / BLOCK : 0, used = all;
    size_t most = own > all ? own : all;
    uint8_t *marks = arena_alloc(s->arena, most + 1);
    s->blocks = arena_alloc(s->arena, (most + 1) * sizeof *s->blocks);
    if (!marks || !s->blocks)
        return full(e);
    memset(marks, 1, most);
    if (c && c->rows && in->actions)
        used = mark_blocks(in, marks, all);
    s->by_action = c && c->rows && used <= own * SPARSE_COST;
    s->width = s->by_action ? c->actions : in->n;
    s->words = (s->width + 63) / 64;
    for (size_t b = 0; b < (s->by_action ? all : own); b++)
        if (!s->by_action || marks[b])
            s->blocks[s->block_count++] = (uint32_t)b;
    return 0;
}

/* The place of candidate i in the space. */
static inline size_t place_of(const struct score *s, size_t i)
{
    return s->by_action && s->in->actions ? s->in->actions[i] : i;
}

/* Columns of the features that are compared, in the space; where there is no candidate they are anything that is a number. */
static int fill_columns(struct score *s, struct error *e)
{
    const struct forest *f = s->f;
    const struct forest_input *in = s->in;
    size_t stride = s->words * 64;
    float *pairs = arena_zalloc(s->arena, (f->pair_count * stride + 1) * sizeof *pairs);
    if (!pairs)
        return full(e);
    for (size_t i = 0; i < in->n; i++)
        for (size_t k = 0; k < f->pair_count; k++)
            pairs[k * stride + place_of(s, i)] = in->pairs[i * f->pair_count + k];
    s->x[1] = pairs;
    s->stride[1] = stride;
    if (s->by_action || !f->action_count)
        return 0;
    const struct forest_catalog *c = in->catalog;
    float *actions = arena_zalloc(s->arena, (f->action_count * stride + 1) * sizeof *actions);
    if (!actions)
        return full(e);
    for (size_t k = 0; k < f->action_count; k++)
        for (size_t i = 0; i < in->n; i++)
            actions[k * stride + i] = c->values[k * c->words * 64 + (in->actions ? in->actions[i] : i)];
    s->x[0] = actions;
    s->stride[0] = stride;
    return 0;
}

size_t forest_score_bytes(const struct forest *f)
{
    size_t codes = f->group_count * GROUP_COLUMNS;
    if (!f->has_open)
        return codes;
    size_t exits = CHUNK + CHUNK_AT_ONCE + (f->tree_leaves_max + f->tree_tiles_max) * BATCH;
    size_t exit = sizeof(float) + sizeof(uint64_t *) + CHUNK_ANDS * sizeof(struct forest_and) + BLOCK_WORDS * sizeof(uint64_t);
    size_t compare = sizeof(uint32_t) + BLOCK_WORDS * sizeof(uint64_t);
    return codes + exits * exit + (CHUNK + f->tree_open_max * BATCH) * compare +
           (f->tree_tiles_max + 1) * sizeof(struct forest_step);
}

static int make_chunk(struct score *s, struct error *e)
{
    const struct forest *f = s->f;
    struct arena *a = s->arena;
    struct forest_chunk *c = &s->chunk;
    size_t exits = (f->tree_leaves_max + f->tree_tiles_max) * BATCH;
    bool compares = f->pair_count || !s->by_action || f->tree_tiles_max;
    c->leaf_max = CHUNK + exits;
    size_t compare_max = compares ? CHUNK + f->tree_open_max * BATCH : 0, and_max = compares ? CHUNK + exits * CHUNK_ANDS : 0;
    c->compare_max = compares ? compare_max : SIZE_MAX;
    c->and_max = compares ? and_max : SIZE_MAX;
    s->codes = arena_alloc(a, f->group_count * GROUP_COLUMNS);
    s->sums = arena_alloc(a, (s->words + 1) * 64 * sizeof *s->sums);
    uint64_t *all = arena_alloc(a, (s->words + 1) * sizeof *all);
    c->values = arena_alloc(a, (c->leaf_max + CHUNK_AT_ONCE) * sizeof *c->values);
    c->leaf_rows = arena_alloc(a, (c->leaf_max + CHUNK_AT_ONCE) * sizeof *c->leaf_rows);
    c->compares = arena_alloc(a, compare_max * sizeof *c->compares);
    c->ands = arena_alloc(a, and_max * sizeof *c->ands);
    c->steps = arena_alloc(a, (f->tree_tiles_max + 1) * sizeof *c->steps);
    bool ok = s->codes && s->sums && all && c->values && c->leaf_rows && c->compares && c->ands && c->steps;
    for (int k = 0; k < BLOCK_WORDS; k++) {
        s->found[k] = arena_alloc(a, (c->leaf_max + compare_max) * sizeof **s->found);
        ok = ok && s->found[k];
    }
    if (!ok)
        return full(e);
    memset(all, 0xFF, (s->words + 1) * sizeof *all);
    c->rows = s->by_action ? s->in->catalog->rows : all;
    c->row_words = s->by_action ? s->in->catalog->words : 0;
    c->compare_actions = !s->by_action;
    return 0;
}

static int score_tiles(const struct forest *f, const struct forest_input *in, struct arena *arena, float *out,
                       struct error *e)
{
    struct score s = {.f = f, .in = in, .arena = arena};
    int rc = choose_space(&s, e);
    if (!rc)
        rc = fill_columns(&s, e);
    if (!rc)
        rc = make_chunk(&s, e);
    if (rc)
        return rc;
    for (size_t g = 0; g < f->group_count; g++)
        f->isa->encode(f, &f->groups[g], in->shared, s.codes + g * GROUP_COLUMNS);
    for (size_t k = 0; k < f->outputs; k++) {
        for (size_t i = 0; i < s.words * 64; i++)
            s.sums[i] = f->base[k];
        score_output(&s, k);
        for (size_t i = 0; i < in->n; i++)
            out[i * f->outputs + k] = s.sums[place_of(&s, i)];
    }
    return 0;
}

/* Whether nothing that the model asks for tells candidates apart. */
static bool all_alike(const struct forest *f)
{
    return (!f->action_count && !f->pair_count) || (f->tile_count && !f->has_open);
}

int forest_score(const struct forest *f, const struct forest_input *in, struct arena *arena, float *out, struct error *e)
{
    struct arena_mark mark = arena_mark(arena);
    struct forest_input first = *in;
    bool alike = in->n > 1 && all_alike(f), rows = alike || in->n <= FEW || !f->has_open;
    first.n = alike ? 1 : in->n;
    int rc = rows ? score_rows(f, &first, arena, out, e) : score_tiles(f, in, arena, out, e);
    for (size_t i = 1; i < in->n && alike && !rc; i++)
        memcpy(out + i * f->outputs, out, f->outputs * sizeof *out);
    arena_rewind(arena, mark);
    return rc;
}

/* A decision's scoring; see forest.h for the idea, forest_inner.h for the layout.
 *
 * The trees are gone through in chunks. A chunk is lists: which leaf values to add, each with the candidates that it is for
 * (a row of words), and how to find those words that are not known beforehand:
 *
 *   compares    word ← candidates that go right at an open node
 *   copies      word ← a row
 *   ands        word ← word and another, or its complement
 *
 * Then, for each block of candidates, the lists are run. They are flat so that nothing in them is a surprise to the processor.
 *
 * Two spaces of candidates: all actions of the catalog, where their regions are rows known beforehand and most of them are
 * candidates; or the candidates alone, with their actions' features compared as the pair's are.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_inner.h"
#include <math.h>

enum {
    CHUNK = 1024,    /* leaves, roughly */
    FEW = 2,         /* candidates that are scored as whole rows */
    SPARSE_COST = 3, /* what a block costs in the candidates' own space, in blocks of the actions' */
    STEPS_MAX = TILE_LEVELS + 1
};
#define NO_WORD UINT32_MAX

struct compare {
    uint32_t word, open;
};
struct copy {
    uint32_t word;
    const uint64_t *row;
};
struct and {
    uint32_t word, with;
    uint64_t invert;
};
struct told { /* whose candidates are a word of the chunk */
    uint32_t leaf, word;
};
struct step { /* a tile to look at; its candidates */
    uint32_t tile, word;
};

struct score {
    const struct forest *f;
    const struct forest_input *in;
    struct arena *arena;
    uint8_t *ranks;
    bool by_action;       /* the space is that of the catalog's actions */
    size_t width, words;  /* of the space */
    const uint64_t *rows; /* of regions */
    const float *x[2];    /* features that are not shared: of the action, of the pair; [slot][stride] */
    size_t stride[2];
    uint64_t *all; /* a row of ones */
    uint32_t *blocks;
    size_t block_count;
    float *sums;
    /* the chunk */
    float *values;
    const uint64_t **leaf_rows;
    uint64_t *scratch; /* [word][BLOCK_WORDS] */
    struct compare *compares;
    struct copy *copies;
    struct and *ands;
    struct told *told;
    struct step *steps;
    size_t leaves, leaves_max, scratch_words, scratch_max, compare_count, copy_count, and_count, ands_max, told_count;
};

/* paths[i]: the nodes on the way to exit i. */
static inline uint64_t path_nodes(uint32_t exit)
{
    uint64_t nodes = 0;
    for (int level = 0; level < TILE_LEVELS; level++)
        nodes |= UINT64_C(1) << ((1u << level) - 1 + (exit & ((1u << level) - 1)));
    return nodes;
}

static inline int node_level(int node)
{
    return 31 - __builtin_clz((unsigned)node + 1);
}

static int full(struct error *e)
{
    return error_set(e, ERR_NOSPACE, "the request's memory is full");
}

/* ---- whole rows ---- */

/* Exits of up to BATCH trees, through all their tiles. */
static void walk_trees(const struct forest *f, const uint8_t *ranks, uint32_t first, size_t n, uint32_t *places)
{
    uint32_t tiles[BATCH], exits[BATCH], who[BATCH];
    for (size_t i = 0; i < n; i++) {
        tiles[i] = first + (uint32_t)i;
        who[i] = (uint32_t)i;
    }
    for (size_t left = n; left > 0;) {
        f->isa->walk(f, ranks, tiles, left, exits);
        size_t more = 0;
        for (size_t i = 0; i < left; i++) {
            uint32_t tile = tiles[i], place = tile * TILE_EXITS + exits[i];
            places[who[i]] = place;
            bool inner = f->infos[tile].children >> exits[i] & 1;
            tiles[more] = f->exits[place];
            who[more] = who[i];
            more += inner;
        }
        left = more;
    }
}

static void tile_row(const struct forest *f, const float *row, uint8_t *ranks, float *out)
{
    for (size_t g = 0; g < f->group_count; g++)
        f->isa->ranks(f, &f->groups[g], row, ranks + g * GROUP_COLUMNS);
    for (size_t k = 0; k < f->outputs; k++) {
        float sum = f->base[k];
        uint32_t places[BATCH];
        for (uint32_t t = f->roots[k]; t < f->roots[k + 1]; t += BATCH) {
            size_t n = f->roots[k + 1] - t < BATCH ? f->roots[k + 1] - t : BATCH;
            walk_trees(f, ranks, t, n, places);
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

static inline int32_t flat_step(const struct forest *f, const struct model_node *n, const float *row)
{
    float x = row[n->feature];
    bool right = isnan(x) ? !n->default_left : n->set >= 0 ? model_set_has(&f->sets[n->set], x) : !(x < n->value);
    return right ? n->right : n->left;
}

static void flat_row(const struct forest *f, const float *row, float *out)
{
    memcpy(out, f->base, f->outputs * sizeof *out);
    for (size_t t = 0; t < f->trees; t++) {
        const struct model_node *nodes = f->nodes + f->flat_trees[t].first, *n = nodes;
        while (n->left >= 0)
            n = &nodes[flat_step(f, n, row)];
        out[f->flat_trees[t].output] += n->value;
    }
}

static void whole_row(const struct forest *f, const float *row, uint8_t *ranks, float *out)
{
    if (f->linear)
        linear_row(f, row, out);
    else if (f->flat)
        flat_row(f, row, out);
    else
        tile_row(f, row, ranks, out);
}

static const struct forest *whole_of(const struct forest *f)
{
    return f->whole ? f->whole : f;
}

int forest_rows(const struct forest *forest, const float *rows, size_t n, struct arena *arena, float *out, struct error *e)
{
    const struct forest *f = whole_of(forest);
    struct arena_mark mark = arena_mark(arena);
    uint8_t *ranks = arena_alloc(arena, f->group_count * GROUP_COLUMNS);
    if (!ranks)
        return full(e);
    for (size_t i = 0; i < n; i++)
        whole_row(f, rows + i * f->features, ranks, out + i * f->outputs);
    arena_rewind(arena, mark);
    return 0;
}

/* The row of candidate i; the shared features are there already. */
static void fill_row(const struct forest *f, const struct forest_input *in, size_t i, float *row)
{
    const struct forest_catalog *c = in->catalog;
    size_t action = in->actions ? in->actions[i] : i;
    for (size_t k = 0; k < f->action_count; k++)
        row[f->action_features[k]] = c->values[k * c->words * 64 + action];
    for (size_t k = 0; k < f->pair_count; k++)
        row[f->pair_features[k]] = in->pairs[i * f->pair_count + k];
}

static int score_rows(const struct forest *f, const struct forest_input *in, struct arena *arena, float *out,
                      struct error *e)
{
    const struct forest *whole = whole_of(f);
    float *row = arena_alloc(arena, f->features * sizeof *row);
    uint8_t *ranks = arena_alloc(arena, whole->group_count * GROUP_COLUMNS);
    if (!row || !ranks)
        return full(e);
    memcpy(row, in->shared, f->features * sizeof *row);
    for (size_t i = 0; i < in->n; i++) {
        fill_row(f, in, i, row);
        whole_row(whole, row, ranks, out + i * f->outputs);
    }
    return 0;
}

/* ---- running a chunk ---- */

static void run_lists(struct score *s, size_t block)
{
    const struct forest *f = s->f;
    size_t w = block * BLOCK_WORDS, n = s->words - w < BLOCK_WORDS ? s->words - w : BLOCK_WORDS;
    for (size_t i = 0; i < s->compare_count; i++) {
        const struct forest_open *o = &f->open[s->compares[i].open];
        const float *x = s->x[o->pair] + o->slot * s->stride[o->pair] + w * 64;
        forest_open_words(f, o, x, n * 64, s->scratch + s->compares[i].word * BLOCK_WORDS);
    }
    for (size_t i = 0; i < s->copy_count; i++)
        for (size_t k = 0; k < n; k++)
            s->scratch[s->copies[i].word * BLOCK_WORDS + k] = s->copies[i].row[w + k];
    for (size_t i = 0; i < s->and_count; i++)
        for (size_t k = 0; k < n; k++)
            s->scratch[s->ands[i].word * BLOCK_WORDS + k] &=
                s->scratch[s->ands[i].with * BLOCK_WORDS + k] ^ s->ands[i].invert;
}

/* The kernel reads a leaf's words at [w] of its row. Words found in this chunk stand for the block at hand alone, so their rows
 * begin w words before them (as numbers: such an address may be none). */
static void run_chunk(struct score *s)
{
    for (size_t i = 0; i < s->block_count && s->leaves; i++) {
        size_t w = s->blocks[i] * BLOCK_WORDS, from = w * 64;
        size_t lanes = s->width - from < BLOCK ? s->width - from : BLOCK;
        run_lists(s, s->blocks[i]);
        for (size_t k = 0; k < s->told_count; k++) {
            uintptr_t at = (uintptr_t)(s->scratch + s->told[k].word * BLOCK_WORDS) - w * sizeof *s->scratch;
            s->leaf_rows[s->told[k].leaf] = (const uint64_t *)at;
        }
        s->f->isa->add(s->values, s->leaf_rows, s->leaves, w, lanes, s->sums + from);
    }
    s->leaves = s->scratch_words = s->compare_count = s->copy_count = s->and_count = s->told_count = 0;
}

/* ---- filling a chunk ---- */

/* Leaves whose candidates are known beforehand. The first four at once, whether they are there or not: how many there are
 * is what the processor cannot foresee. */
static inline void add_known(struct score *s, uint32_t tile, uint64_t leaves)
{
    const struct forest *f = s->f;
    const float *values = f->values + (size_t)tile * TILE_EXITS;
    const uint32_t *regions = f->exits + (size_t)tile * TILE_EXITS;
    size_t at = s->leaves;
    s->leaves += (size_t)__builtin_popcountll(leaves);
    for (;; at += 4) {
        for (size_t k = 0; k < 4; k++) {
            int i = __builtin_ctzll(leaves | UINT64_C(1) << 63);
            s->values[at + k] = values[i];
            s->leaf_rows[at + k] = s->rows + regions[i] * s->words;
            leaves &= leaves - 1;
        }
        if (!leaves)
            return;
    }
}

static void push(struct score *s, size_t *depth, uint32_t tile, uint32_t word)
{
    s->steps[(*depth)++] = (struct step){tile, word};
}

static uint32_t new_word(struct score *s)
{
    return (uint32_t)s->scratch_words++;
}

static void add_and(struct score *s, uint32_t word, uint32_t with, bool invert)
{
    s->ands[s->and_count++] = (struct and){word, with, invert ? ~UINT64_C(0) : 0};
}

/* The word of those who reach an exit: of its row, of those who reach the tile, and of what they decide at the compared nodes
 * on the way, whose words are first, first + 1, …. */
static uint32_t exit_word(struct score *s, const uint64_t *row, uint32_t within, uint64_t compared, uint32_t first,
                          uint32_t exit)
{
    uint32_t word = new_word(s);
    s->copies[s->copy_count++] = (struct copy){word, row};
    if (within != NO_WORD)
        add_and(s, word, within, false);
    for (uint64_t left = compared & path_nodes(exit); left; left &= left - 1) {
        int node = __builtin_ctzll(left);
        uint32_t rank = (uint32_t)__builtin_popcountll(compared & ((UINT64_C(1) << node) - 1));
        add_and(s, word, first + rank, !(exit >> node_level(node) & 1));
    }
    return word;
}

static void add_leaf(struct score *s, float value, const uint64_t *row, uint32_t word)
{
    s->values[s->leaves] = value;
    s->leaf_rows[s->leaves] = row;
    if (word != NO_WORD)
        s->told[s->told_count++] = (struct told){(uint32_t)s->leaves, word};
    s->leaves++;
}

/* A tile where something is to be compared, or that leads to others. */
static void add_told(struct score *s, const struct step *at, uint64_t leaves, uint64_t compared, size_t *depth)
{
    const struct forest *f = s->f;
    const struct forest_tile_info *info = &f->infos[at->tile];
    uint64_t varies = f->varies[at->tile];
    uint32_t first = (uint32_t)s->scratch_words;
    for (uint64_t left = compared; left; left &= left - 1) {
        uint64_t bit = left & -left;
        uint32_t open = info->open + (uint32_t)__builtin_popcountll(varies & (bit - 1));
        s->compares[s->compare_count++] = (struct compare){new_word(s), open};
    }
    for (; leaves; leaves &= leaves - 1) {
        uint32_t exit = (uint32_t)__builtin_ctzll(leaves);
        size_t place = (size_t)at->tile * TILE_EXITS + exit;
        bool inner = info->children >> exit & 1;
        bool known = at->word == NO_WORD && !(compared & path_nodes(exit));
        const uint64_t *row = inner || !s->by_action ? s->all : s->rows + f->exits[place] * s->words;
        uint32_t word = known ? NO_WORD : exit_word(s, row, at->word, compared, first, exit);
        if (inner)
            push(s, depth, f->exits[place], word);
        else
            add_leaf(s, f->values[place], row, word);
    }
}

static inline void add_tile(struct score *s, const struct step *at, uint64_t leaves, uint64_t nodes, size_t *depth)
{
    const struct forest *f = s->f;
    uint64_t compared = nodes & (s->by_action ? f->infos[at->tile].pairs : f->varies[at->tile]);
    if (!compared && at->word == NO_WORD && !(leaves & f->infos[at->tile].children) && s->by_action)
        add_known(s, at->tile, leaves);
    else
        add_told(s, at, leaves, compared, depth);
}

static void add_tree(struct score *s, uint32_t root, uint64_t leaves, uint64_t nodes)
{
    const struct forest *f = s->f;
    size_t depth = 0;
    add_tile(s, &(struct step){root, NO_WORD}, leaves, nodes, &depth);
    while (depth > 0) {
        size_t n = 0;
        struct step at[BATCH];
        uint32_t tiles[BATCH];
        uint64_t l[BATCH], v[BATCH];
        for (; n < BATCH && depth > 0; n++) {
            at[n] = s->steps[--depth];
            tiles[n] = at[n].tile;
        }
        f->isa->reach(f, s->ranks, tiles, n, l, v);
        for (size_t i = 0; i < n; i++)
            add_tile(s, &at[i], l[i], v[i], &depth);
    }
}

/* A tree always fits into an empty chunk. */
static bool chunk_is_full(const struct score *s)
{
    const struct forest *f = s->f;
    size_t exits = f->tree_leaves_max + f->tree_tiles_max;
    return s->leaves + f->tree_leaves_max + 4 > s->leaves_max ||
           s->scratch_words + exits + f->tree_open_max > s->scratch_max ||
           s->and_count + exits * STEPS_MAX > s->ands_max;
}

static void score_output(struct score *s, size_t output)
{
    const struct forest *f = s->f;
    for (uint32_t t = f->roots[output]; t < f->roots[output + 1]; t += BATCH) {
        size_t n = f->roots[output + 1] - t < BATCH ? f->roots[output + 1] - t : BATCH;
        uint32_t tiles[BATCH];
        uint64_t leaves[BATCH], nodes[BATCH];
        for (size_t i = 0; i < n; i++)
            tiles[i] = t + (uint32_t)i;
        f->isa->reach(f, s->ranks, tiles, n, leaves, nodes);
        for (size_t i = 0; i < n; i++) {
            if (chunk_is_full(s))
                run_chunk(s);
            add_tree(s, tiles[i], leaves[i], nodes[i]);
        }
    }
    run_chunk(s);
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
    s->rows = s->by_action ? c->rows : NULL;
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

static int make_chunk(struct score *s, struct error *e)
{
    const struct forest *f = s->f;
    struct arena *a = s->arena;
    size_t exits = f->tree_leaves_max + f->tree_tiles_max;
    s->leaves_max = CHUNK + f->tree_leaves_max + 4;
    s->scratch_max = CHUNK + exits + f->tree_open_max;
    s->ands_max = CHUNK + exits * STEPS_MAX;
    s->ranks = arena_alloc(a, f->group_count * GROUP_COLUMNS);
    s->values = arena_alloc(a, s->leaves_max * sizeof *s->values);
    s->leaf_rows = arena_alloc(a, s->leaves_max * sizeof *s->leaf_rows);
    s->scratch = arena_alloc(a, s->scratch_max * BLOCK_WORDS * sizeof *s->scratch);
    s->compares = arena_alloc(a, s->scratch_max * sizeof *s->compares);
    s->copies = arena_alloc(a, s->scratch_max * sizeof *s->copies);
    s->ands = arena_alloc(a, s->ands_max * sizeof *s->ands);
    s->told = arena_alloc(a, s->leaves_max * sizeof *s->told);
    s->steps = arena_alloc(a, (f->tree_tiles_max + 1) * sizeof *s->steps);
    s->all = arena_alloc(a, (s->words + 1) * sizeof *s->all);
    s->sums = arena_alloc(a, (s->words + 1) * 64 * sizeof *s->sums);
    if (!s->ranks || !s->values || !s->leaf_rows || !s->scratch || !s->compares || !s->copies || !s->ands || !s->told ||
        !s->steps || !s->all || !s->sums)
        return full(e);
    memset(s->all, 0xFF, (s->words + 1) * sizeof *s->all);
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
        f->isa->ranks(f, &f->groups[g], in->shared, s.ranks + g * GROUP_COLUMNS);
    for (size_t k = 0; k < f->outputs; k++) {
        for (size_t i = 0; i < s.words * 64; i++)
            s.sums[i] = f->base[k];
        score_output(&s, k);
        for (size_t i = 0; i < in->n; i++)
            out[i * f->outputs + k] = s.sums[place_of(&s, i)];
    }
    return 0;
}

int forest_score(const struct forest *f, const struct forest_input *in, struct arena *arena, float *out, struct error *e)
{
    struct arena_mark mark = arena_mark(arena);
    bool rows = in->n <= FEW || !f->has_open;
    int rc = rows ? score_rows(f, in, arena, out, e) : score_tiles(f, in, arena, out, e);
    arena_rewind(arena, mark);
    return rc;
}

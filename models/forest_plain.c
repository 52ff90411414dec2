/* The forest's kernels in plain C: vectors of four floats as GCC and clang know them on every machine, the rest scalar. What
 * the others must equal. See forest_inner.h for what each does.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_inner.h"

typedef float floats __attribute__((vector_size(16)));
typedef uint32_t words __attribute__((vector_size(16)));

enum { LANES = 4, STEP = 16 };

/* The number of thresholds ≤ x; none when x is missing. */
static inline unsigned rank_of(const float *t, float x)
{
    unsigned block = 0, rest = 0;
    for (int i = 0; i < COLUMN_BLOCK; i++)
        block += t[i] <= x;
    t += COLUMN_BLOCK * (1 + block);
    for (int i = 0; i < COLUMN_BLOCK; i++)
        rest += t[i] <= x;
    return block * COLUMN_BLOCK + rest;
}

static void ranks(const struct forest *f, const struct forest_group *g, const float *x, uint8_t *out)
{
    for (uint32_t i = 0; i < g->count; i++) {
        const struct forest_column *c = &f->columns[g->first + i];
        float v = x[c->feature];
        if (c->set >= 0)
            out[i] = forest_set_rank(f, c, v);
        else
            out[i] = v != v && c->default_right ? RANK_NEVER : (uint8_t)rank_of(f->thresholds + c->first, v);
    }
}

static inline uint64_t rights(const struct forest_tile *t, const uint8_t *rank)
{
    uint64_t word = 0;
    for (int i = 0; i < TILE_NODES; i++)
        word |= (uint64_t)(rank[t->column[i]] > t->rank[i]) << i;
    return word;
}

static void reach(const struct forest *f, const uint8_t *rank, const uint32_t *tiles, size_t n, uint64_t *leaves,
                  uint64_t *nodes)
{
    for (size_t i = 0; i < n; i++) {
        const struct forest_tile *t = &f->tiles[tiles[i]];
        uint64_t varies = f->varies[tiles[i]], word = rights(t, rank + (size_t)f->infos[tiles[i]].group * GROUP_COLUMNS);
        uint64_t right = word | varies, left = ~word | varies, at = 1, all = 0;
        for (int level = 0; level < TILE_LEVELS; level++) {
            int first = (1 << level) - 1;
            all |= at << first;
            at = (at & left >> first) | (at & right >> first) << (1 << level);
        }
        leaves[i] = at;
        nodes[i] = all;
    }
}

static void walk(const struct forest *f, const uint8_t *rank, const uint32_t *tiles, size_t n, uint32_t *exits)
{
    for (size_t i = 0; i < n; i++) {
        const struct forest_tile *t = &f->tiles[tiles[i]];
        const uint8_t *r = rank + (size_t)f->infos[tiles[i]].group * GROUP_COLUMNS;
        uint32_t path = 0;
        for (int level = 0; level < TILE_LEVELS; level++) {
            uint32_t node = (1u << level) - 1 + path;
            path |= (uint32_t)(r[t->column[node]] > t->rank[node]) << level;
        }
        exits[i] = path;
    }
}

static void compare(const float *x, float threshold, bool default_right, size_t count, uint64_t *out)
{
    for (size_t w = 0; w < count / 64; w++) {
        uint64_t left = 0, known = 0;
        for (size_t i = 0; i < 64; i++) {
            left |= (uint64_t)(x[w * 64 + i] < threshold) << i;
            known |= (uint64_t)(x[w * 64 + i] >= threshold) << i;
        }
        out[w] = default_right ? ~left : known;
    }
}

/* What is added where a candidate is not meant is -0: it changes no sum. */
static void add_step(const float *values, const uint64_t *const *rows, size_t n, size_t word, int shift, float *sums)
{
    const floats none = {-0.0f, -0.0f, -0.0f, -0.0f};
    words bits[STEP / LANES];
    floats sum[STEP / LANES];
    for (int k = 0; k < STEP / LANES; k++) {
        uint32_t bit = 1u << k * LANES;
        bits[k] = (words){bit, bit << 1, bit << 2, bit << 3};
        memcpy(&sum[k], sums + k * LANES, sizeof sum[k]);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t row = (uint32_t)(rows[i][word] >> shift);
        words all = {row, row, row, row};
        floats value = {values[i], values[i], values[i], values[i]};
        for (int k = 0; k < STEP / LANES; k++) {
            words mask = (words)((all & bits[k]) == bits[k]);
            sum[k] += (floats)((mask & (words)value) | (~mask & (words)none));
        }
    }
    for (int k = 0; k < STEP / LANES; k++)
        memcpy(sums + k * LANES, &sum[k], sizeof sum[k]);
}

static void add(const float *values, const uint64_t *const *rows, size_t n, size_t word, size_t lanes, float *sums)
{
    for (size_t i = 0; i < lanes; i += STEP)
        add_step(values, rows, n, word + i / 64, (int)(i % 64), sums + i);
}

const struct forest_isa forest_isa_plain = {
    .instructions = FOREST_PLAIN,
    .ranks = ranks,
    .reach = reach,
    .walk = walk,
    .compare = compare,
    .add = add,
};

/* The forest's kernels in plain C: vectors of four floats as GCC and clang know them on every machine, the rest scalar. What
 * the others must equal. See forest_inner.h for what each does.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_plain.h"
#include "models/forest_chunk.h"

typedef float floats __attribute__((vector_size(16)));
typedef uint32_t words __attribute__((vector_size(16)));

enum { LANES = 4, STEP = 16 };

static inline unsigned count_not_above(const float *t, float x)
{
    unsigned n = 0;
    for (int i = 0; i < COLUMN_BLOCK; i++)
        n += t[i] <= x;
    return n;
}

static void encode(const struct forest *f, const struct forest_group *g, const float *x, uint8_t *out)
{
    chunk_encode(f, g, x, out, count_not_above);
}

static inline bool goes_right(const struct forest_tile *t, const uint8_t *codes, uint32_t node)
{
    uint8_t column = t->column[node];
    return (uint8_t)(codes[column & (COLUMN_RIGHT - 1)] - (column >> 7)) >= t->least[node];
}

/* Level by level, only the nodes that are reached. */
static void reach(const struct forest *f, const uint8_t *codes, const uint32_t *tiles, size_t n, uint64_t *leaves,
                  uint64_t *nodes)
{
    for (size_t i = 0; i < n; i++) {
        const struct forest_tile *t = &f->tiles[tiles[i]];
        const uint8_t *of = codes + (size_t)f->infos[tiles[i]].group * GROUP_COLUMNS;
        uint64_t varies = f->varies[tiles[i]], at = 1, all = 0;
        for (int level = 0; level < f->levels; level++) {
            uint32_t first = (1u << level) - 1;
            uint64_t open = varies >> first, right = open, left = open;
            all |= at << first;
            for (uint64_t rest = at & ~open; rest; rest &= rest - 1) {
                uint32_t node = (uint32_t)__builtin_ctzll(rest);
                bool r = goes_right(t, of, first + node);
                right |= (uint64_t)r << node;
                left |= (uint64_t)!r << node;
            }
            at = (at & left) | (at & right) << (1 << level);
        }
        leaves[i] = at;
        nodes[i] = all;
    }
}

/* Level by level over all tiles: their steps do not wait for one another. */
void forest_plain_walk(const struct forest *f, const uint8_t *codes, const uint32_t *tiles, size_t n, uint32_t *exits)
{
    const uint8_t *of[BATCH];
    for (size_t i = 0; i < n; i++) {
        of[i] = codes + (size_t)f->infos[tiles[i]].group * GROUP_COLUMNS;
        exits[i] = 0;
    }
    for (int level = 0; level < f->levels; level++)
        for (size_t i = 0; i < n; i++)
            exits[i] |= (uint32_t)goes_right(&f->tiles[tiles[i]], of[i], (1u << level) - 1 + exits[i]) << level;
}

static uint32_t fill(struct forest_chunk *c, const struct forest *f, const uint8_t *codes, uint32_t root, uint32_t end)
{
    return chunk_fill(c, f, codes, root, end, reach);
}

/* 32 candidates: each vector's lanes set their bits, lane by lane; together they are the word. */
static inline uint32_t compare_32(const float *x, float threshold, bool default_right)
{
    const floats t = {threshold, threshold, threshold, threshold};
    words bits = {1, 2, 4, 8}, all = {0, 0, 0, 0};
    for (int i = 0; i < 32; i += LANES, bits <<= LANES) {
        floats v;
        memcpy(&v, x + i, sizeof v);
        all |= bits & (default_right ? ~(words)(v < t) : (words)(v >= t));
    }
    return all[0] | all[1] | all[2] | all[3];
}

static uint64_t compare(const float *x, float threshold, bool default_right)
{
    return compare_32(x, threshold, default_right) | (uint64_t)compare_32(x + 32, threshold, default_right) << 32;
}

/* Sums take away the negated value, or +0 where a candidate is not meant: that changes no sum, not even -0. */
static void add_step(const float *values, const uint64_t *found, size_t n, int shift, float *sums)
{
    words bits[STEP / LANES];
    floats sum[STEP / LANES];
    UNROLL for (int k = 0; k < STEP / LANES; k++) {
        uint32_t bit = 1u << k * LANES;
        bits[k] = (words){bit, bit << 1, bit << 2, bit << 3};
        memcpy(&sum[k], sums + k * LANES, sizeof sum[k]);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t word = (uint32_t)(found[i] >> shift);
        words all = {word, word, word, word};
        float v = -values[i];
        floats value = {v, v, v, v};
        UNROLL for (int k = 0; k < STEP / LANES; k++) {
            words mask = (words)((all & bits[k]) == bits[k]);
            sum[k] -= (floats)(mask & (words)value);
        }
    }
    UNROLL for (int k = 0; k < STEP / LANES; k++)
        memcpy(sums + k * LANES, &sum[k], sizeof sum[k]);
}

static void add(const float *values, const uint64_t *low, const uint64_t *high, size_t n, size_t lanes, float *sums)
{
    for (size_t i = 0; i < lanes; i += STEP)
        add_step(values, i < 64 ? low : high, n, (int)(i % 64), sums + i);
}

const struct forest_isa forest_isa_plain = {
    .instructions = FOREST_PLAIN,
    .encode = encode,
    .fill = fill,
    .walk = forest_plain_walk,
    .compare = compare,
    .add = add,
};

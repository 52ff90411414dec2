/* The forest's kernels for AVX2; see forest_inner.h for what each does. Compiled with its instructions, called only where the
 * machine has them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_inner.h"
#if defined(__x86_64__)
#include <immintrin.h>

enum { TABLE = 16, HALF = 32, LANES = 8, STEP = 32 };

static inline int count_not_above(const float *t, __m256 x)
{
    int low = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_load_ps(t), x, _CMP_LE_OQ));
    int high = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_load_ps(t + LANES), x, _CMP_LE_OQ));
    return __builtin_popcount((unsigned)(low | high << LANES));
}

static void ranks(const struct forest *f, const struct forest_group *g, const float *x, uint8_t *out)
{
    for (uint32_t i = 0; i < g->count; i++) {
        const struct forest_column *c = &f->columns[g->first + i];
        float v = x[c->feature];
        if (__builtin_expect(c->set >= 0, 0)) {
            out[i] = forest_set_rank(f, c, v);
            continue;
        }
        const float *t = f->thresholds + c->first;
        __m256 wide = _mm256_set1_ps(v);
        int block = count_not_above(t, wide);
        int rank = block * COLUMN_BLOCK + count_not_above(t + COLUMN_BLOCK * (1 + block), wide);
        out[i] = v != v && c->default_right ? RANK_NEVER : (uint8_t)rank;
    }
}

/* Bytes of a table of up to 256 by their places, 32 at a time: each sixteenth of the table gives its own, zero elsewhere. */
static inline __m256i look_up(const uint8_t *table, int tables, __m256i place)
{
    __m256i out = _mm256_setzero_si256();
    for (int k = 0; k < tables; k++) {
        __m256i part = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(table + k * TABLE)));
        __m256i at = _mm256_xor_si256(place, _mm256_set1_epi8((char)(k * TABLE)));
        at = _mm256_adds_epu8(at, _mm256_set1_epi8(0x70)); /* others get their high bit set */
        out = _mm256_or_si256(out, _mm256_shuffle_epi8(part, at));
    }
    return out;
}

static inline uint32_t above(__m256i rank, __m256i node)
{
    __m256i not_above = _mm256_cmpeq_epi8(_mm256_subs_epu8(rank, node), _mm256_setzero_si256());
    return ~(uint32_t)_mm256_movemask_epi8(not_above);
}

static inline uint64_t rights(const struct forest *f, const uint8_t *rank, uint32_t tile)
{
    const struct forest_tile *t = &f->tiles[tile];
    uint32_t group = f->infos[tile].group;
    int tables = (int)(f->groups[group].count + TABLE - 1) / TABLE;
    const uint8_t *r = rank + (size_t)group * GROUP_COLUMNS;
    uint32_t half[2];
    for (int i = 0; i < 2; i++) {
        __m256i place = _mm256_load_si256((const __m256i *)(t->column + i * HALF));
        __m256i node = _mm256_load_si256((const __m256i *)(t->rank + i * HALF));
        half[i] = above(look_up(r, tables, place), node);
    }
    return half[0] | (uint64_t)half[1] << HALF;
}

/* The bits of the nodes that follow from those that are reached, one level on. */
static inline __m256i next_level(__m256i at, __m256i left, __m256i right, int level)
{
    __m128i first = _mm_cvtsi32_si128((1 << level) - 1), width = _mm_cvtsi32_si128(1 << level);
    __m256i l = _mm256_and_si256(at, _mm256_srl_epi64(left, first));
    __m256i r = _mm256_and_si256(at, _mm256_srl_epi64(right, first));
    return _mm256_or_si256(l, _mm256_sll_epi64(r, width));
}

static void reach(const struct forest *f, const uint8_t *rank, const uint32_t *tiles, size_t n, uint64_t *leaves,
                  uint64_t *nodes)
{
    _Alignas(32) uint64_t word[BATCH] = {0}, open[BATCH] = {0}, out[BATCH], all[BATCH];
    for (size_t i = 0; i < n; i++) {
        word[i] = rights(f, rank, tiles[i]);
        open[i] = f->varies[tiles[i]];
    }
    for (size_t i = 0; i < n; i += 4) {
        __m256i w = _mm256_load_si256((const __m256i *)(word + i)), v = _mm256_load_si256((const __m256i *)(open + i));
        __m256i right = _mm256_or_si256(w, v), left = _mm256_or_si256(_mm256_xor_si256(w, _mm256_set1_epi64x(-1)), v);
        __m256i at = _mm256_set1_epi64x(1), seen = _mm256_setzero_si256();
        for (int level = 0; level < TILE_LEVELS; level++) {
            seen = _mm256_or_si256(seen, _mm256_sll_epi64(at, _mm_cvtsi32_si128((1 << level) - 1)));
            at = next_level(at, left, right, level);
        }
        _mm256_store_si256((__m256i *)(out + i), at);
        _mm256_store_si256((__m256i *)(all + i), seen);
    }
    memcpy(leaves, out, n * sizeof *leaves);
    memcpy(nodes, all, n * sizeof *nodes);
}

static void walk(const struct forest *f, const uint8_t *rank, const uint32_t *tiles, size_t n, uint32_t *exits)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t word = rights(f, rank, tiles[i]);
        uint32_t path = 0;
        for (int level = 0; level < TILE_LEVELS; level++)
            path |= (uint32_t)(word >> ((1u << level) - 1 + path) & 1) << level;
        exits[i] = path;
    }
}

static void compare(const float *x, float threshold, bool default_right, size_t count, uint64_t *out)
{
    __m256 t = _mm256_set1_ps(threshold);
    for (size_t w = 0; w < count / 64; w++) {
        uint64_t word = 0;
        for (int i = 0; i < 64; i += LANES) {
            __m256 v = _mm256_loadu_ps(x + w * 64 + i);
            __m256 right = default_right ? _mm256_cmp_ps(v, t, _CMP_NLT_UQ) : _mm256_cmp_ps(v, t, _CMP_GE_OQ);
            word |= (uint64_t)(unsigned)_mm256_movemask_ps(right) << i;
        }
        out[w] = word;
    }
}

/* A candidate's bit becomes its lane's sign; what is added where it is not set is -0, which changes no sum. */
static inline __attribute__((always_inline)) void add_step(const float *values, const uint64_t *const *rows, size_t n,
                                                           size_t word, size_t half, int vectors, float *sums)
{
    const __m256 none = _mm256_set1_ps(-0.0f);
    __m256i shift[STEP / LANES];
    __m256 sum[STEP / LANES];
    for (int k = 0; k < vectors; k++) {
        shift[k] = _mm256_sub_epi32(_mm256_set1_epi32(31 - k * LANES), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        sum[k] = _mm256_loadu_ps(sums + k * LANES);
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t *row = (const uint32_t *)(rows[i] + word) + half;
        __m256i bits = _mm256_set1_epi32((int)*row);
        __m256 value = _mm256_broadcast_ss(values + i);
        for (int k = 0; k < vectors; k++) {
            __m256 mask = _mm256_castsi256_ps(_mm256_sllv_epi32(bits, shift[k]));
            sum[k] = _mm256_add_ps(sum[k], _mm256_blendv_ps(none, value, mask));
        }
    }
    for (int k = 0; k < vectors; k++)
        _mm256_storeu_ps(sums + k * LANES, sum[k]);
}

static void add(const float *values, const uint64_t *const *rows, size_t n, size_t word, size_t lanes, float *sums)
{
    for (size_t i = 0; i < lanes; i += STEP) {
        size_t w = word + i / 64, half = i / STEP % 2, left = (lanes - i + LANES - 1) / LANES;
        if (left >= 4)
            add_step(values, rows, n, w, half, 4, sums + i);
        else if (left == 3)
            add_step(values, rows, n, w, half, 3, sums + i);
        else if (left == 2)
            add_step(values, rows, n, w, half, 2, sums + i);
        else
            add_step(values, rows, n, w, half, 1, sums + i);
    }
}

const struct forest_isa forest_isa_avx2 = {
    .instructions = FOREST_AVX2,
    .ranks = ranks,
    .reach = reach,
    .walk = walk,
    .compare = compare,
    .add = add,
};
#endif

/* The forest's kernels for AVX2; see forest_inner.h for what each does. Compiled with its instructions, called only where the
 * machine has them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_avx2.h"
#include "models/forest_chunk.h"
#include "models/forest_plain.h"
#if defined(__x86_64__)
#include <immintrin.h>

typedef uint32_t __attribute__((may_alias)) word_half;
enum { LANES = 8, STEP = 32 };

static inline unsigned count_not_above(const float *t, float v)
{
    __m256 x = _mm256_set1_ps(v);
    int low = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_load_ps(t), x, _CMP_LE_OQ));
    int high = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_load_ps(t + LANES), x, _CMP_LE_OQ));
    return (unsigned)__builtin_popcount((unsigned)(low | high << LANES));
}

static void encode(const struct forest *f, const struct forest_group *g, const float *x, uint8_t *out)
{
    chunk_encode(f, g, x, out, count_not_above);
}

static inline __m256i table_at(const uint8_t *p)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
}

/* Bytes of a table of 64 by their places: each sixteenth's byte, and of these the one that bits 4 and 5 say. */
static inline __m256i look_up_64(const uint8_t *table, __m256i place, __m256i bit4, __m256i bit5)
{
    __m256i a = _mm256_shuffle_epi8(table_at(table), place), b = _mm256_shuffle_epi8(table_at(table + 16), place);
    __m256i c = _mm256_shuffle_epi8(table_at(table + 32), place), d = _mm256_shuffle_epi8(table_at(table + 48), place);
    return _mm256_blendv_epi8(_mm256_blendv_epi8(a, b, bit4), _mm256_blendv_epi8(c, d, bit4), bit5);
}

/* Which of 32 nodes go right. A blend looks at a byte's highest bit, so the bit that decides is moved there. */
static inline uint32_t rights_32(const uint8_t *codes, bool all, const uint8_t *column, const uint8_t *least)
{
    __m256i place = _mm256_load_si256((const __m256i *)column), least_code = _mm256_load_si256((const __m256i *)least);
    __m256i low = _mm256_and_si256(place, _mm256_set1_epi8(0x7F));
    __m256i bit4 = _mm256_slli_epi16(place, 3), bit5 = _mm256_slli_epi16(place, 2);
    __m256i code = look_up_64(codes, low, bit4, bit5);
    if (all)
        code = _mm256_blendv_epi8(code, look_up_64(codes + 64, low, bit4, bit5), _mm256_slli_epi16(place, 1));
    code = _mm256_add_epi8(code, _mm256_cmpgt_epi8(_mm256_setzero_si256(), place)); /* − 1 where missing goes right */
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(code, least_code), code));
}

static inline uint64_t rights(const struct forest *f, const uint8_t *codes, uint32_t tile)
{
    const struct forest_tile *t = &f->tiles[tile];
    uint32_t group = f->infos[tile].group;
    bool all = f->groups[group].count > COLUMN_NONE_FEW;
    const uint8_t *c = codes + (size_t)group * GROUP_COLUMNS;
    uint32_t low = rights_32(c, all, t->column, t->least), high = rights_32(c, all, t->column + 32, t->least + 32);
    return low | (uint64_t)high << 32;
}

/* The bits of the nodes that follow from those that are reached, one level on. */
static inline __m256i next_level(__m256i at, __m256i left, __m256i right, int level)
{
    __m128i first = _mm_cvtsi32_si128((1 << level) - 1), width = _mm_cvtsi32_si128(1 << level);
    __m256i l = _mm256_and_si256(at, _mm256_srl_epi64(left, first));
    __m256i r = _mm256_and_si256(at, _mm256_srl_epi64(right, first));
    return _mm256_or_si256(l, _mm256_sll_epi64(r, width));
}

static void reach(const struct forest *f, const uint8_t *codes, const uint32_t *tiles, size_t n, uint64_t *leaves,
                  uint64_t *nodes)
{
    _Alignas(32) uint64_t word[BATCH] = {0}, open[BATCH] = {0}, out[BATCH], all[BATCH];
    for (size_t i = 0; i < n; i++) {
        word[i] = rights(f, codes, tiles[i]);
        open[i] = f->varies[tiles[i]];
    }
    for (size_t i = 0; i < n; i += 4) {
        __m256i w = _mm256_load_si256((const __m256i *)(word + i)), v = _mm256_load_si256((const __m256i *)(open + i));
        __m256i right = _mm256_or_si256(w, v), left = _mm256_or_si256(_mm256_xor_si256(w, _mm256_set1_epi64x(-1)), v);
        __m256i at = _mm256_set1_epi64x(1), seen = _mm256_setzero_si256();
        for (int level = 0; level < f->levels; level++) {
            seen = _mm256_or_si256(seen, _mm256_sll_epi64(at, _mm_cvtsi32_si128((1 << level) - 1)));
            at = next_level(at, left, right, level);
        }
        _mm256_store_si256((__m256i *)(out + i), at);
        _mm256_store_si256((__m256i *)(all + i), seen);
    }
    memcpy(leaves, out, n * sizeof *leaves);
    memcpy(nodes, all, n * sizeof *nodes);
}

static uint32_t fill(struct forest_chunk *c, const struct forest *f, const uint8_t *codes, uint32_t root, uint32_t end)
{
    return chunk_fill(c, f, codes, root, end, reach);
}

static uint64_t compare(const float *x, float threshold, bool default_right)
{
    __m256 t = _mm256_set1_ps(threshold);
    uint64_t word = 0;
    UNROLL for (int i = 0; i < 64; i += LANES) {
        __m256 v = _mm256_loadu_ps(x + i);
        __m256 right = default_right ? _mm256_cmp_ps(v, t, _CMP_NLT_UQ) : _mm256_cmp_ps(v, t, _CMP_GE_OQ);
        word |= (uint64_t)(unsigned)_mm256_movemask_ps(right) << i;
    }
    return word;
}

/* A candidate's bit becomes its lane's mask. Sums take away the negated value, or +0 where a candidate is not meant: that changes
 * no sum, not even -0. */
static inline __attribute__((always_inline)) void add_step(const float *values, const word_half *found, size_t n,
                                                           int vectors, float *sums)
{
    __m256i bit[STEP / LANES];
    __m256 sum[STEP / LANES];
    UNROLL for (int k = 0; k < vectors; k++) {
        bit[k] = _mm256_slli_epi32(_mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128), k * LANES);
        sum[k] = _mm256_loadu_ps(sums + k * LANES);
    }
    const __m256 sign = _mm256_set1_ps(-0.0f);
    for (size_t i = 0; i < n; i++) {
        __m256i bits = _mm256_set1_epi32((int)found[2 * i]);
        __m256 value = _mm256_xor_ps(_mm256_broadcast_ss(values + i), sign);
        UNROLL for (int k = 0; k < vectors; k++) {
            __m256i mask = _mm256_cmpeq_epi32(_mm256_and_si256(bits, bit[k]), bit[k]);
            sum[k] = _mm256_sub_ps(sum[k], _mm256_and_ps(value, _mm256_castsi256_ps(mask)));
        }
    }
    UNROLL for (int k = 0; k < vectors; k++)
        _mm256_storeu_ps(sums + k * LANES, sum[k]);
}

static void add(const float *values, const uint64_t *low, const uint64_t *high, size_t n, size_t lanes, float *sums)
{
    for (size_t i = 0; i < lanes; i += STEP) {
        const word_half *found = (const word_half *)(i < 64 ? low : high) + i / STEP % 2;
        switch ((lanes - i + LANES - 1) / LANES) {
        case 1:
            add_step(values, found, n, 1, sums + i);
            break;
        case 2:
            add_step(values, found, n, 2, sums + i);
            break;
        case 3:
            add_step(values, found, n, 3, sums + i);
            break;
        default:
            add_step(values, found, n, 4, sums + i);
        }
    }
}

const struct forest_isa forest_isa_avx2 = {
    .instructions = FOREST_AVX2,
    .encode = encode,
    .fill = fill,
    .walk = forest_plain_walk,
    .compare = compare,
    .add = add,
};
#endif

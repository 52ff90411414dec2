/* The forest's kernels for AVX-512; see forest_inner.h for what each does. Compiled with its instructions (F, BW, DQ, VL),
 * called only where the machine has them; byte permutes (VBMI, from Ice Lake on) are asked for once, at the first tile.
 * With TACT_EMULATE_AVX512 the same source runs on any machine, through SIMD Everywhere: for tests.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_inner.h"
#if defined(__x86_64__)
#ifdef TACT_EMULATE_AVX512
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#define NAME forest_isa_avx512_emulated
#else
#include <immintrin.h>
#define NAME forest_isa_avx512
#endif

enum { LANES = 16, TABLE = 64, VECTORS_MAX = BLOCK / LANES };

static inline unsigned count_not_above(const float *t, __m512 x)
{
    return (unsigned)__builtin_popcount(_mm512_cmp_ps_mask(_mm512_load_ps(t), x, _CMP_LE_OQ));
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
        __m512 wide = _mm512_set1_ps(v);
        unsigned block = count_not_above(t, wide);
        unsigned rank = block * COLUMN_BLOCK + count_not_above(t + COLUMN_BLOCK * (1 + block), wide);
        out[i] = v != v && c->default_right ? RANK_NEVER : (uint8_t)rank;
    }
}

static inline __m512i load(const uint8_t *p)
{
    return _mm512_loadu_si512((const void *)p);
}

/* Which nodes of a tile go right, with byte permutes. */
static inline uint64_t rights(const struct forest *f, const uint8_t *rank, uint32_t tile)
{
    const struct forest_tile *t = &f->tiles[tile];
    uint32_t group = f->infos[tile].group, columns = f->groups[group].count;
    const uint8_t *r = rank + (size_t)group * GROUP_COLUMNS;
    __m512i place = load(t->column), node = load(t->rank), value;
    if (columns <= TABLE) {
        value = _mm512_permutexvar_epi8(place, load(r));
    } else {
        value = _mm512_permutex2var_epi8(load(r), place, load(r + TABLE));
        if (columns > 2 * TABLE) {
            __m512i upper = _mm512_permutex2var_epi8(load(r + 2 * TABLE), place, load(r + 3 * TABLE));
            value = _mm512_mask_mov_epi8(value, _mm512_movepi8_mask(place), upper);
        }
    }
    return _mm512_cmpgt_epu8_mask(value, node);
}

static inline __m512i next_level(__m512i at, __m512i left, __m512i right, unsigned level)
{
    unsigned first = (1u << level) - 1, width = 1u << level;
    __m512i l = _mm512_and_si512(at, _mm512_srli_epi64(left, first));
    __m512i r = _mm512_and_si512(at, _mm512_srli_epi64(right, first));
    return _mm512_or_si512(l, _mm512_slli_epi64(r, width));
}

static void reach(const struct forest *f, const uint8_t *rank, const uint32_t *tiles, size_t n, uint64_t *leaves,
                  uint64_t *nodes)
{
    _Alignas(64) uint64_t word[BATCH] = {0}, open[BATCH] = {0}, out[BATCH], all[BATCH];
    for (size_t i = 0; i < n; i++) {
        word[i] = rights(f, rank, tiles[i]);
        open[i] = f->varies[tiles[i]];
    }
    __m512i w = _mm512_load_si512(word), v = _mm512_load_si512(open);
    __m512i right = _mm512_or_si512(w, v), left = _mm512_or_si512(_mm512_xor_si512(w, _mm512_set1_epi64(-1)), v);
    __m512i at = _mm512_set1_epi64(1), seen = at;
#define LEVEL(l, first)                                                                                      \
    at = next_level(at, left, right, l);                                                                     \
    seen = _mm512_or_si512(seen, _mm512_slli_epi64(at, first));
    LEVEL(0, 1)
    LEVEL(1, 3)
    LEVEL(2, 7)
    LEVEL(3, 15)
    LEVEL(4, 31)
#undef LEVEL
    at = next_level(at, left, right, 5);
    _mm512_store_si512(out, at);
    _mm512_store_si512(all, seen);
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
    __m512 t = _mm512_set1_ps(threshold);
    for (size_t w = 0; w < count / 64; w++) {
        uint64_t word = 0;
        for (int i = 0; i < 64; i += LANES) {
            __m512 v = _mm512_loadu_ps(x + w * 64 + i);
            uint64_t right = default_right ? _mm512_cmp_ps_mask(v, t, _CMP_NLT_UQ) : _mm512_cmp_ps_mask(v, t, _CMP_GE_OQ);
            word |= right << i;
        }
        out[w] = word;
    }
}

/* One masked addition for each leaf and 16 candidates. */
static inline __attribute__((always_inline)) void add_vectors(const float *values, const uint64_t *const *rows, size_t n,
                                                              size_t word, int vectors, float *sums)
{
    __m512 sum[VECTORS_MAX];
    for (int k = 0; k < vectors; k++)
        sum[k] = _mm512_loadu_ps(sums + k * LANES);
    for (size_t i = 0; i < n; i++) {
        const uint16_t *bits = (const uint16_t *)(rows[i] + word);
        __m512 value = _mm512_set1_ps(values[i]);
        for (int k = 0; k < vectors; k++)
            sum[k] = _mm512_mask_add_ps(sum[k], bits[k], sum[k], value);
    }
    for (int k = 0; k < vectors; k++)
        _mm512_storeu_ps(sums + k * LANES, sum[k]);
}

static void add(const float *values, const uint64_t *const *rows, size_t n, size_t word, size_t lanes, float *sums)
{
    switch ((lanes + LANES - 1) / LANES) {
#define CASE(v)                                                                                              \
    case v:                                                                                                  \
        add_vectors(values, rows, n, word, v, sums);                                                         \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
        CASE(8)
#undef CASE
    }
}

extern const struct forest_isa NAME;
const struct forest_isa NAME = {
    .instructions = FOREST_AVX512,
    .ranks = ranks,
    .reach = reach,
    .walk = walk,
    .compare = compare,
    .add = add,
};
#endif

/* The forest's kernels for AVX-512; see forest_inner.h for what each does. Compiled with its instructions (F, BW, DQ, VL),
 * called only where the machine has them; and byte permutes too (VBMI, from Ice Lake on): see forest_isa.c.
 * With TACT_EMULATE_AVX512 the same source runs on any machine, through SIMD Everywhere: for tests.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_avx512.h"
#include "models/forest_chunk.h"
#if defined(__x86_64__)
#ifdef TACT_EMULATE_AVX512
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#define NAME forest_isa_avx512_emulated
extern const struct forest_isa NAME;
#define BYTE_PERMUTES
#else
#include <immintrin.h>
#define NAME forest_isa_avx512
#define BYTE_PERMUTES __attribute__((target("avx512vbmi")))
#endif

typedef uint16_t __attribute__((may_alias)) lanes_of;
enum { LANES = 16, VECTORS_MAX = BLOCK / LANES };

static inline unsigned count_not_above(const float *t, float x)
{
    return (unsigned)__builtin_popcount(_mm512_cmp_ps_mask(_mm512_load_ps(t), _mm512_set1_ps(x), _CMP_LE_OQ));
}

static void encode(const struct forest *f, const struct forest_group *g, const float *x, uint8_t *out)
{
    chunk_encode(f, g, x, out, count_not_above);
}

static inline __m512i load(const uint8_t *p)
{
    return _mm512_loadu_si512((const void *)p);
}

/* Which nodes of a tile go right. A byte permute looks at as many low bits of a place as it has a table for. */
static inline BYTE_PERMUTES uint64_t rights(const struct forest *f, const uint8_t *codes, uint32_t tile)
{
    const struct forest_tile *t = &f->tiles[tile];
    uint32_t group = f->infos[tile].group;
    const uint8_t *c = codes + (size_t)group * GROUP_COLUMNS;
    __m512i place = load(t->column), code;
    if (f->groups[group].count <= COLUMN_NONE_FEW)
        code = _mm512_permutexvar_epi8(place, load(c));
    else
        code = _mm512_permutex2var_epi8(load(c), place, load(c + 64));
    code = _mm512_mask_sub_epi8(code, _mm512_movepi8_mask(place), code, _mm512_set1_epi8(1)); /* missing goes right */
    return _mm512_cmpge_epu8_mask(code, load(t->least));
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion" /* a shift's count is int or unsigned, by the compiler's version */
static inline __m512i next_level(__m512i at, __m512i left, __m512i right, unsigned level)
{
    unsigned first = (1u << level) - 1, width = 1u << level;
    __m512i l = _mm512_and_si512(at, _mm512_srli_epi64(left, first));
    __m512i r = _mm512_and_si512(at, _mm512_srli_epi64(right, first));
    return _mm512_or_si512(l, _mm512_slli_epi64(r, width));
}
#pragma GCC diagnostic pop

static BYTE_PERMUTES void reach(const struct forest *f, const uint8_t *codes, const uint32_t *tiles, size_t n, uint64_t *leaves,
                  uint64_t *nodes)
{
    _Alignas(64) uint64_t word[BATCH] = {0}, open[BATCH] = {0}, out[BATCH], all[BATCH];
    for (size_t i = 0; i < n; i++) {
        word[i] = rights(f, codes, tiles[i]);
        open[i] = f->varies[tiles[i]];
    }
    __m512i w = _mm512_load_si512(word), v = _mm512_load_si512(open);
    __m512i right = _mm512_or_si512(w, v), left = _mm512_or_si512(_mm512_xor_si512(w, _mm512_set1_epi64(-1)), v);
    __m512i at = _mm512_set1_epi64(1), seen = at;
#define LEVEL(l, first)                                                                                      \
    if (f->levels > l) {                                                                                     \
        seen = _mm512_or_si512(seen, _mm512_slli_epi64(at, first));                                          \
        at = next_level(at, left, right, l);                                                                 \
    }
    LEVEL(0, 0)
    LEVEL(1, 1)
    LEVEL(2, 3)
    LEVEL(3, 7)
    LEVEL(4, 15)
    LEVEL(5, 31)
#undef LEVEL
    _mm512_store_si512(out, at);
    _mm512_store_si512(all, seen);
    memcpy(leaves, out, n * sizeof *leaves);
    memcpy(nodes, all, n * sizeof *nodes);
}

static BYTE_PERMUTES void walk(const struct forest *f, const uint8_t *codes, const uint32_t *tiles, size_t n, uint32_t *exits)
{
    _Alignas(64) uint64_t word[BATCH] = {0}, out[BATCH];
    const __m512i one = _mm512_set1_epi64(1);
    for (size_t i = 0; i < n; i++)
        word[i] = rights(f, codes, tiles[i]);
    __m512i w = _mm512_load_si512(word), path = _mm512_and_si512(w, one);
#define LEVEL(l, first)                                                                                      \
    if (f->levels > l) {                                                                                     \
        __m512i step = _mm512_srlv_epi64(w, _mm512_add_epi64(path, _mm512_set1_epi64(first)));               \
        path = _mm512_or_si512(path, _mm512_slli_epi64(_mm512_and_si512(step, one), l));                     \
    }
    LEVEL(1, 1)
    LEVEL(2, 3)
    LEVEL(3, 7)
    LEVEL(4, 15)
    LEVEL(5, 31)
#undef LEVEL
    _mm512_store_si512(out, path);
    for (size_t i = 0; i < n; i++)
        exits[i] = (uint32_t)out[i];
}

static BYTE_PERMUTES uint32_t fill(struct forest_chunk *c, const struct forest *f, const uint8_t *codes, uint32_t root, uint32_t end)
{
    return chunk_fill(c, f, codes, root, end, reach);
}

static uint64_t compare(const float *x, float threshold, bool default_right)
{
    __m512 t = _mm512_set1_ps(threshold);
    uint64_t word = 0;
    UNROLL for (int i = 0; i < 64; i += LANES) {
        __m512 v = _mm512_loadu_ps(x + i);
        uint64_t right = default_right ? _mm512_cmp_ps_mask(v, t, _CMP_NLT_UQ) : _mm512_cmp_ps_mask(v, t, _CMP_GE_OQ);
        word |= right << i;
    }
    return word;
}

/* One masked addition for each leaf and 16 candidates. */
static inline __attribute__((always_inline)) void add_vectors(const float *values, const lanes_of *low,
                                                              const lanes_of *high, size_t n, int vectors, float *sums)
{
    __m512 sum[VECTORS_MAX];
    UNROLL for (int k = 0; k < vectors; k++)
        sum[k] = _mm512_loadu_ps(sums + k * LANES);
    for (size_t i = 0; i < n; i++) {
        __m512 value = _mm512_set1_ps(values[i]);
        UNROLL for (int k = 0; k < vectors; k++)
            sum[k] = _mm512_mask_add_ps(sum[k], (k < 4 ? low : high)[4 * i + (size_t)k % 4], sum[k], value);
    }
    UNROLL for (int k = 0; k < vectors; k++)
        _mm512_storeu_ps(sums + k * LANES, sum[k]);
}

static void add(const float *values, const uint64_t *low, const uint64_t *high, size_t n, size_t lanes, float *sums)
{
    const lanes_of *l = (const lanes_of *)low, *h = (const lanes_of *)high;
    switch ((lanes + LANES - 1) / LANES) {
#define CASE(v)                                                                                              \
    case v:                                                                                                  \
        add_vectors(values, l, h, n, v, sums);                                                               \
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

const struct forest_isa NAME = {
    .instructions = FOREST_AVX512,
    .encode = encode,
    .fill = fill,
    .walk = walk,
    .compare = compare,
    .add = add,
};
#endif

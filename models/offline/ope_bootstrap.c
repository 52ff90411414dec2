/* The Poisson bootstrap; see ope_bootstrap.h. Rows wait in a small block, and the rows of one cluster at one position that
 * follow each other are added up there; a full block is worked off resample by resample, so that a resample's eight sums
 * are loaded and stored once a block and stay in registers in between. The draw, not the sums, is most of the time: three
 * multiplications and four comparisons without a branch (values above 4 take a loop, once in 273 draws).
 *
 * A position has its own sums; those over all rows are added up when somebody asks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/ope_bootstrap.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

enum { SUMS = OPE_BOOTSTRAP_SUMS, BLOCK = 128, CUMULATIVE = 20 };

/* Rows of one cluster at one position, added up. */
struct entry {
    uint64_t cluster, key; /* key: of (seed, cluster) */
    size_t position;
    double values[SUMS];
};

struct ope_bootstrap {
    size_t positions, resamples;
    uint64_t seed;
    double *sums; /* [positions][resamples][SUMS] */
    double *all;  /* [resamples][SUMS]; sums itself when there is one position */
    size_t waiting;
    struct entry block[BLOCK];
};

/* floor(2^64 · P(X ≤ j)) of X ~ Poisson(1), j = 0 to 19. P(X > 20) is below 2^-64. */
static const uint64_t cumulative[CUMULATIVE] = {
    0x5e2d58d8b3bcdf1a, 0xbc5ab1b16779be35, 0xeb715e1dc1582dc2, 0xfb23979734a252f1, 0xff1025f59174dc3d,
    0xffd90f3ba4055e19, 0xfffa8b71fc72c913, 0xffff540c0914b3c9, 0xffffed1f4aa8f120, 0xfffffe216e641462,
    0xffffffd4d85d3183, 0xfffffffc6da262b4, 0xffffffffba12d178, 0xfffffffffb07c64c, 0xffffffffffab8ea5,
    0xfffffffffffabe22, 0xffffffffffffb11a, 0xfffffffffffffba1, 0xffffffffffffffc5, 0xfffffffffffffffd};

static const uint64_t STEP = 0x9e3779b97f4a7c15u; /* of splitmix64 (Steele, Lea and Flood 2014) */

static inline uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint64_t key_of(uint64_t seed, uint64_t cluster)
{
    return mix(mix(seed + STEP) + cluster * STEP);
}

/* One draw: the resample-th number of the splitmix64 stream that begins at the key. */
static inline uint64_t draw(uint64_t key, uint64_t resample)
{
    return mix(key + (resample + 1) * STEP);
}

static inline unsigned poisson(uint64_t u)
{
    unsigned k =
        (unsigned)(u >= cumulative[0]) + (u >= cumulative[1]) + (u >= cumulative[2]) + (u >= cumulative[3]);
    if (u >= cumulative[4])
        for (k = 5; k < CUMULATIVE && u >= cumulative[k];)
            k++;
    return k;
}

unsigned ope_poisson(uint64_t uniform)
{
    return poisson(uniform);
}

unsigned ope_bootstrap_count(uint64_t seed, uint64_t cluster, uint64_t resample)
{
    return poisson(draw(key_of(seed, cluster), resample));
}

struct ope_bootstrap *ope_bootstrap_new(size_t positions, size_t resamples, uint64_t seed)
{
    ASSERT(positions >= 1 && resamples >= 1);
    struct ope_bootstrap *b = NULL;
    if (positions <= SIZE_MAX / sizeof(double[SUMS]) / resamples)
        b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    *b = (struct ope_bootstrap){.positions = positions, .resamples = resamples, .seed = seed};
    b->sums = calloc(positions * resamples, sizeof(double[SUMS]));
    b->all = positions == 1 ? b->sums : calloc(resamples, sizeof(double[SUMS]));
    if (!b->sums || !b->all)
        ope_bootstrap_free(&b);
    return b;
}

void ope_bootstrap_free(struct ope_bootstrap **b)
{
    if (!*b)
        return;
    if ((*b)->all != (*b)->sums)
        free((*b)->all);
    free((*b)->sums);
    free(*b);
    *b = NULL;
}

/* Two sums at a time: what every 64-bit processor's registers hold, written out since -O2 leaves loops of eight alone. */
typedef double pair __attribute__((vector_size(16)));

static void accumulate(double *sums, size_t resamples, const struct entry *entries, size_t count)
{
    for (size_t b = 0; b < resamples; b++, sums += SUMS) {
        pair a[SUMS / 2], v[SUMS / 2];
        memcpy(a, sums, sizeof a);
        for (size_t i = 0; i < count; i++) {
            double k = poisson(draw(entries[i].key, b));
            pair times = {k, k};
            memcpy(v, entries[i].values, sizeof v);
            a[0] += times * v[0];
            a[1] += times * v[1];
            a[2] += times * v[2];
            a[3] += times * v[3];
        }
        memcpy(sums, a, sizeof a);
    }
}

/* Stable: equal positions keep their order. */
static void sort_by_position(struct entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct entry e = entries[i];
        size_t j = i;
        for (; j && entries[j - 1].position > e.position; j--)
            entries[j] = entries[j - 1];
        entries[j] = e;
    }
}

static void work_off(struct ope_bootstrap *b)
{
    if (b->positions > 1)
        sort_by_position(b->block, b->waiting);
    for (size_t from = 0, to; from < b->waiting; from = to) {
        size_t position = b->block[from].position;
        for (to = from + 1; to < b->waiting && b->block[to].position == position;)
            to++;
        accumulate(b->sums + position * b->resamples * SUMS, b->resamples, b->block + from, to - from);
    }
    b->waiting = 0;
}

void ope_bootstrap_add(struct ope_bootstrap *b, uint64_t cluster, size_t position, const double values[SUMS])
{
    ASSERT(position < b->positions);
    for (size_t i = b->waiting; i-- && b->block[i].cluster == cluster;)
        if (b->block[i].position == position) {
            for (int k = 0; k < SUMS; k++)
                b->block[i].values[k] += values[k];
            return;
        }
    if (b->waiting == BLOCK)
        work_off(b);
    struct entry *e = &b->block[b->waiting++];
    *e = (struct entry){.cluster = cluster, .key = key_of(b->seed, cluster), .position = position};
    memcpy(e->values, values, sizeof e->values);
}

const double *ope_bootstrap_at(struct ope_bootstrap *b, size_t position)
{
    ASSERT(position < b->positions);
    work_off(b);
    return b->sums + position * b->resamples * SUMS;
}

const double *ope_bootstrap_all(struct ope_bootstrap *b)
{
    work_off(b);
    if (b->all == b->sums)
        return b->all;
    size_t n = b->resamples * SUMS;
    memcpy(b->all, b->sums, n * sizeof *b->all);
    for (size_t p = 1; p < b->positions; p++)
        for (size_t i = 0; i < n; i++)
            b->all[i] += b->sums[p * n + i];
    return b->all;
}

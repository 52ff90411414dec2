/* Which kernels score a forest: one set for each kind of instructions, chosen at run time. All give the same bits.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_MODELS_FOREST_ISA_H
#define TACT_MODELS_FOREST_ISA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct forest;
struct forest_chunk;
struct forest_group;

/* Which instructions are used; AUTO: the best that the machine has. */
enum forest_instructions { FOREST_AUTO, FOREST_PLAIN, FOREST_AVX2, FOREST_AVX512 };
const char *forest_instructions_name(enum forest_instructions i); /* "avx512" */
bool forest_instructions_find(const char *name, enum forest_instructions *out);
/* False when this machine (or this build) lacks them. */
bool forest_instructions_here(enum forest_instructions i);

/* Kernels. What the words mean is in forest_inner.h. */
struct forest_isa {
    enum forest_instructions instructions;
    /* Codes of a group's columns into out[GROUP_COLUMNS]; x: [features]. */
    void (*encode)(const struct forest *f, const struct forest_group *g, const float *x, uint8_t *out);
    /* Trees from root on into a chunk (forest_chunk.h); the next root. codes: [group][GROUP_COLUMNS]. */
    uint32_t (*fill)(struct forest_chunk *c, const struct forest *f, const uint8_t *codes, uint32_t root, uint32_t end);
    /* Exits of n ≤ BATCH tiles without open nodes. */
    void (*walk)(const struct forest *f, const uint8_t *codes, const uint32_t *tiles, size_t n, uint32_t *exits);
    /* Which of 64 candidates go right at a threshold. */
    uint64_t (*compare)(const float *x, float threshold, bool default_right);
    /* sums[i] += values[k] for each k in order, where the candidate's bit is set: of low[k] for i < 64, of high[k] for the others.
     * i < lanes ≤ BLOCK; the sums up to the next multiple of 16 may be written. */
    void (*add)(const float *values, const uint64_t *low, const uint64_t *high, size_t n, size_t lanes, float *sums);
};

/* NULL when this machine lacks them. */
const struct forest_isa *forest_isa_of(enum forest_instructions i);

#endif

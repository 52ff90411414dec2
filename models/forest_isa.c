/* Which kernels a machine can run.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/forest_inner.h"

static const char *const names[] = {"auto", "plain", "avx2", "avx512"};
enum { NAMES = sizeof names / sizeof *names };

const char *forest_instructions_name(enum forest_instructions i)
{
    return (unsigned)i < NAMES ? names[i] : "?";
}

bool forest_instructions_find(const char *name, enum forest_instructions *out)
{
    for (int i = 0; i < NAMES; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum forest_instructions)i;
            return true;
        }
    return false;
}

const struct forest_isa *forest_isa_of(enum forest_instructions i)
{
#if defined(__x86_64__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                __builtin_cpu_supports("popcnt");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vbmi");
    if (avx512 && (i == FOREST_AVX512 || i == FOREST_AUTO))
        return &forest_isa_avx512;
    if (avx2 && (i == FOREST_AVX2 || i == FOREST_AUTO))
        return &forest_isa_avx2;
#endif
    return i == FOREST_PLAIN || i == FOREST_AUTO ? &forest_isa_plain : NULL;
}

bool forest_instructions_here(enum forest_instructions i)
{
    return forest_isa_of(i) != NULL;
}

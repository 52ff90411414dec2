/* tact simulate --workload r1: writes the reference workload of all benchmarks (models/offline/r1.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_SIMULATE_R1_H
#define TACT_TOOLS_SIMULATE_R1_H
#include <stdbool.h>

/* Whether the words ask for a workload; then simulate_workload is the subcommand. */
bool simulate_workload_asked(int argc, char **argv);
int simulate_workload(int argc, char **argv);

#endif

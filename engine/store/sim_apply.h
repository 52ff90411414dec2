/* What the simulated store does with a request that has arrived. Internal to the simulated store.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_STORE_SIM_APPLY_H
#define TACT_STORE_SIM_APPLY_H
#include "store/sim_parts.h"

/* Does what the call asks for, and makes its reply. */
void sim_apply(struct sim *sim, struct call *c);

#endif

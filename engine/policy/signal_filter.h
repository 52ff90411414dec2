/* Filters over the events of one signal: expressions that see its properties and the channel it came by, and nothing else,
 * so that what an event counts for does not depend on when it arrives.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_SIGNAL_FILTER_H
#define TACT_POLICY_SIGNAL_FILTER_H
#include "policy/load.h"

/* The index in the signal's filters, added when it is new; -1 after a finding. offset: of text in what report is about. */
long signal_filter(struct loader *l, uint32_t signal, struct str text, size_t offset,
                   const struct expr_report *report);

#endif

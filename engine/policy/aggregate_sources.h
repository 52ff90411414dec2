/* The paths and the filter of a call over signals as sources of an aggregate. Internal to the loading of calls.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_POLICY_AGGREGATE_SOURCES_H
#define TACT_POLICY_AGGREGATE_SOURCES_H
#include "policy/aggregate_calls.h"
#include "policy/aggregate_shapes.h"

/* The sources of a call whose paths and span are right; false after a finding. */
bool aggregate_sources(struct loader *l, const struct aggregate_call *call, const struct aggregate_shape *shape,
                       const struct expr_report *report, struct aggregate_source **sources, size_t *count);
/* Those that a call does not name. mood: every property of type sentiment. negative_moments: every signal that says when it
 * is a bad moment. */
size_t aggregate_sources_of_all(struct loader *l, const struct aggregate_shape *shape, struct aggregate_source **out);

#endif

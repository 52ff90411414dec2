/* Targets, expected rewards, figures and the gate of `tact evaluate` (evaluate.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_EVALUATE_FIGURES_H
#define TACT_TOOLS_EVALUATE_FIGURES_H
#include "tools/evaluate.h"

/* Makes known to the rows all actions that any target names. Nothing may be laid out by action before. */
int evaluate_actions(struct evaluate_job *j, struct error *e) MUST_CHECK;
/* Targets and expected rewards laid out; then everything that is printed. passed: what --gate says, true without it. */
int evaluate_figures(struct evaluate_job *j, bool *passed, struct error *e) MUST_CHECK;
/* The estimator to compare by: the one asked for, else dr with expected rewards and snips without. */
int evaluate_estimator(const struct evaluate_job *j, enum ope_estimator *out, struct error *e) MUST_CHECK;

#endif

/* What a customer would bring under simple policies: nobody contacted, everybody by one arm, everybody by the best of all arms and
 * silence; for each cost of a contact. By the doubly robust estimator (ope.h), the predictions being the reward model:
 *
 *     value = 1/n Σ [ q(a) − c(a) + w (y − q(a_i)) ]      a: the arm that the policy takes, c its cost; w = 1[a = a_i] / p_i
 *
 * A transformed model says nothing of the label itself: there the reward of silence is its mean outside the test part, and
 * that of an arm adds its difference.
 *
 * The cost stands beside the reward and its prediction alike, so it only moves the mean: what policy an arm or nobody is does
 * not depend on it, and they are evaluated once for all costs. All policies share the draws of one bootstrap
 * (ope_bootstrap.h, by customer): one draw a row and resample, whatever their number; and differences are paired.
 *
 * Warnings are ope.h's, on the label itself.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_TRAIN_POLICIES_H
#define TACT_OFFLINE_TRAIN_POLICIES_H
#include "models/offline/train_measure.h"

/* Fills out->policies; as train_measure. */
int train_measure_policies(struct train_measures *out, const struct train_data *d,
                           const struct train_config *c, const uint32_t *rows, size_t count,
                           const double *predictions, int resamples, const volatile sig_atomic_t *cancel,
                           struct error *e) MUST_CHECK;

/* "best of all", "all mens_mail", "nobody". */
void train_policy_name(const struct train_policy *p, const struct train_data *d, char *text, size_t n);

#endif

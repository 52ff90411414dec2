/* Customers and requests of workload R1 as JSON lines (r1.h says which): a profile and consents by one Upsert, up
 * to five decisions that booked a contact, some forty signals of the last year by one Signal; and decisions to ask for,
 * mostly on web and app.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_R1_PEOPLE_H
#define TACT_OFFLINE_R1_PEOPLE_H
#include "base/error.h"
#include "models/offline/r1.h"
#include <stdio.h>

/* Its lines, one after the other. */
void r1_customer(FILE *out, uint64_t seed, uint32_t number);
/* All requests of the options. ERR_NOSPACE without memory. */
int r1_requests(FILE *out, const struct r1_options *o, struct error *e) MUST_CHECK;

#endif

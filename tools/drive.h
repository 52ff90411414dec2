/* Drives a policy's server with simulated people (models/offline/life.h), through the calls of tact.v1 and in
 * compressed time: their profiles and consents are upserted, what happens to them is signalled, at each moment
 * somebody asks what to say, they answer by the truth, and the answer is recorded after its delay. A server needs
 * --allow-as-of, and its store must not know these people yet.
 *
 * Calls of one person are in order; several people live at once, each in a lane, and memory is bounded by the lanes.
 * People do not meet, so their order does not matter: rows and sums are put in order of the people, and the same seed
 * gives the same of both, however many lanes there are.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TOOLS_DRIVE_H
#define TACT_TOOLS_DRIVE_H
#include "tools/drive_caller.h"
#include "tools/drive_sum.h"

enum { DRIVE_LANES = 16, DRIVE_LANES_MAX = 1000 };

struct drive_options {
    const struct policy *policy;         /* the server's */
    uint32_t customers, days, shift_day; /* as in models/offline/simulate.h */
    uint64_t seed;
    uint32_t lanes; /* people at once */
    FILE *out;      /* a row of CSV a decision (drive_sum.h); NULL: none */
    void (*progress)(void *user, uint64_t done, uint64_t total); /* customers; may be NULL */
    void *user;
};

/* ERR_EXISTS: the server knows somebody already; ERR_INVALID: the policy lacks what the world needs, or a call was refused (the text says which and why);
 * ERR_UNAVAILABLE: no answer after all retries; ERR_IO: out cannot be written; ERR_NOSPACE. */
int drive(const struct drive_options *o, struct drive_caller *caller, struct drive_sum *out,
          struct error *e) MUST_CHECK;

#endif

/* A simulated person's days (world.h says who they are): visits with page views and carts, purchases,
 * deliveries that come late, devices that break, cases that are opened and resolved, dresses that are sent
 * back. Everything that happens is a signal, applied with state_apply to a customer state of the policy, as a
 * server would.
 *
 *   life_before --> life_hour, life_hour, …     each hour: what was due, perhaps a visit, perhaps an e-mail
 *                     \--> moment()             somebody decides what to say; the person's answer changes
 * what comes
 *
 * Deterministic: the person's generator is the only source of chance. One thread a life.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_OFFLINE_LIFE_H
#define TACT_OFFLINE_LIFE_H
#include "models/offline/world.h"

struct life {
    const struct world *world;
    struct person *person;
    struct state *state;
    int64_t now_ms;
    /* A moment at which something could be said on that channel (index). Fills in the action that was shown
     * and whether the person responded: 1; 0 when nothing was shown; negative: an error, which ends the life.
     */
    int (*moment)(void *ctx, struct life *l, uint32_t channel, uint32_t *action, bool *responded);
    void *ctx;
    struct error *e;
};

/* What happened before start_ms: half of the people bought something in the 200 days before. */
int life_before(struct life *l, int64_t start_ms) MUST_CHECK;
/* Lives the hour that begins at start_ms; hours follow each other without a gap. */
int life_hour(struct life *l, int64_t start_ms) MUST_CHECK;

#endif

/* Who sends a request until it is answered: to any server that lives, again after a pause when that says that it could not (the
 * status says so), and to another when nothing is heard for three seconds, since a killed server never answers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TACT_TESTS_SIM_SENDER_H
#define TACT_TESTS_SIM_SENDER_H
#include "sim/world.h"

enum { SIM_TRIES_MAX = 400 };

/* First member of a test's own. */
struct sim_sender {
    struct sim_world *world;
    int servers;
    enum op_kind kind;
    struct str request;
    /* An answer, also a late one to an earlier try, with what `mark` was at that try. Not called for statuses that ask for
     * another try. */
    void (*answered)(struct sim_sender *s, const struct worker_result *r, bool mark);
    bool (*mark)(const struct sim_sender *s); /* NULL: false */
    void (*failed)(const struct sim_sender *s); /* after SIM_TRIES_MAX tries */
    int tries;
    uint64_t attempt; /* which try an answer belongs to */
    bool done;        /* answered once */
};

struct sim_try {
    struct sim_sender *sender;
    uint64_t attempt;
    bool mark;
};

static inline void sim_send(void *user);

static inline void sim_on_answer(void *user, const struct worker_result *r)
{
    struct sim_try *t = user;
    struct sim_sender *s = t->sender;
    struct sim *sim = s->world->sim;
    bool again = r->status == GRPC_UNAVAILABLE || r->status == GRPC_DEADLINE_EXCEEDED || r->status == GRPC_ABORTED;
    if (!again) {
        s->answered(s, r, t->mark);
        s->done = true;
    } else if (t->attempt == s->attempt && !s->done) {
        sim_at(sim, sim_now(sim) + 1000 + (int64_t)sim_random(sim, 20000), sim_send, s);
    }
}

static inline void sim_give_up_waiting(void *user)
{
    struct sim_try *t = user;
    if (!t->sender->done && t->attempt == t->sender->attempt)
        sim_send(t->sender);
}

static inline void sim_send(void *user)
{
    struct sim_sender *s = user;
    struct sim_world *w = s->world;
    if (s->done)
        return;
    if (++s->tries > SIM_TRIES_MAX) {
        s->failed(s);
        return;
    }
    int to = sim_living(w, s->servers);
    s->attempt++;
    struct sim_try *mine = arena_alloc(&w->memory, 2 * sizeof *mine), *watch = mine + 1;
    ASSERT(mine != NULL);
    *mine = *watch = (struct sim_try){s, s->attempt, s->mark && s->mark(s)};
    sim_at(w->sim, sim_now(w->sim) + 3000000, sim_give_up_waiting, watch);
    worker_submit(w->servers[to].worker, s->kind, s->request, sim_now(w->sim) + 2000000, sim_on_answer, mine);
}

/* The first try, at some time within that long. */
static inline void sim_send_within(struct sim_sender *s, int64_t within_us)
{
    struct sim *sim = s->world->sim;
    sim_at(sim, sim_now(sim) + (int64_t)sim_random(sim, (uint64_t)within_us), sim_send, s);
}

#endif

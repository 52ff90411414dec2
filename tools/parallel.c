/* Jobs on several threads; see parallel.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/parallel.h"
#include "base/error.h"
#include <pthread.h>
#include <stdlib.h>

struct slot {
    void *job;
    bool done;
};

struct worker {
    struct parallel *p;
    size_t index;
    pthread_t thread;
};

struct parallel {
    void (*run)(void *ctx, size_t thread, void *job);
    void (*wake)(void *ctx);
    void *ctx;
    size_t threads;
    struct worker workers[PARALLEL_THREADS_MAX];
    size_t first, last; /* jobs [first, last) are under way; the caller's thread alone */
    pthread_mutex_t lock;
    pthread_cond_t given, finished;
    size_t ready_end, next; /* jobs [next, ready_end) wait for a worker; under the lock, as what follows */
    struct slot slots[PARALLEL_JOBS_MAX];
    bool over;
};

static void *work(void *user)
{
    struct worker *w = user;
    struct parallel *p = w->p;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->next == p->ready_end && !p->over)
            pthread_cond_wait(&p->given, &p->lock);
        if (p->next == p->ready_end)
            break;
        struct slot *slot = &p->slots[p->next++ % PARALLEL_JOBS_MAX];
        pthread_mutex_unlock(&p->lock);
        p->run(p->ctx, w->index, slot->job);
        pthread_mutex_lock(&p->lock);
        slot->done = true;
        pthread_cond_signal(&p->finished);
        if (p->wake)
            p->wake(p->ctx);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct parallel *parallel_new(size_t threads, void (*run)(void *ctx, size_t thread, void *job), void (*wake)(void *ctx),
                              void *ctx)
{
    struct parallel *p = calloc(1, sizeof *p);
    ASSERT(p && threads > 0 && threads <= PARALLEL_THREADS_MAX);
    p->run = run;
    p->wake = wake;
    p->ctx = ctx;
    ASSERT(pthread_mutex_init(&p->lock, NULL) == 0);
    ASSERT(pthread_cond_init(&p->given, NULL) == 0 && pthread_cond_init(&p->finished, NULL) == 0);
    for (; p->threads < threads; p->threads++) {
        struct worker *w = &p->workers[p->threads];
        *w = (struct worker){.p = p, .index = p->threads};
        ASSERT(pthread_create(&w->thread, NULL, work, w) == 0);
    }
    return p;
}

void parallel_free(struct parallel **gone)
{
    struct parallel *p = *gone;
    *gone = NULL;
    if (!p)
        return;
    ASSERT(p->first == p->last);
    pthread_mutex_lock(&p->lock);
    p->over = true;
    pthread_cond_broadcast(&p->given);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->threads; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->finished);
    pthread_cond_destroy(&p->given);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

size_t parallel_under_way(const struct parallel *p)
{
    return p->last - p->first;
}

void parallel_put(struct parallel *p, void *job)
{
    ASSERT(parallel_under_way(p) < PARALLEL_JOBS_MAX);
    pthread_mutex_lock(&p->lock);
    p->slots[p->last++ % PARALLEL_JOBS_MAX] = (struct slot){.job = job};
    p->ready_end = p->last;
    pthread_cond_signal(&p->given);
    pthread_mutex_unlock(&p->lock);
}

void *parallel_take(struct parallel *p, bool wait)
{
    if (p->first == p->last)
        return NULL;
    struct slot *slot = &p->slots[p->first % PARALLEL_JOBS_MAX];
    pthread_mutex_lock(&p->lock);
    while (wait && !slot->done)
        pthread_cond_wait(&p->finished, &p->lock);
    void *job = slot->done ? slot->job : NULL;
    pthread_mutex_unlock(&p->lock);
    p->first += job != NULL;
    return job;
}

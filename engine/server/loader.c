/* The loading thread; see loader.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/loader.h"
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NICE = 15 };

struct loader {
    struct loader_calls calls;
    uv_async_t done;
    bool started; /* thread is to be joined */
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    bool busy;
    bool working;         /* the thread looks for work before it ends */
    struct snapshot *retired; /* linked by retire_next */
    bool wanted, stopping;
    bool finished; /* loaded and error wait for the loop */
    struct snapshot *loaded;
    struct error error;
};

/* Linux keeps the scheduling of each thread. */
static void yield_to_others(bool busy)
{
#ifdef __linux__
    struct sched_param none = {0};
    if (busy || pthread_setschedparam(pthread_self(), SCHED_IDLE, &none))
        (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
#endif
}

static void free_all(struct snapshot *list)
{
    while (list) {
        struct snapshot *next = list->retire_next;
        snapshot_free(&list);
        list = next;
    }
}

static void retire(struct loader *l, struct snapshot *s)
{
    s->retire_next = l->retired;
    l->retired = s;
}

static void load_once(struct loader *l)
{
    struct error e = {0};
    pthread_mutex_unlock(&l->lock);
    struct snapshot *s = l->calls.load(l->calls.user, &e);
    pthread_mutex_lock(&l->lock);
    if (l->loaded) /* the loop has not come for it yet: this one is newer */
        retire(l, l->loaded);
    l->loaded = s;
    l->error = e;
    l->finished = true;
    uv_async_send(&l->done);
}

/* Until there is nothing left to do. */
static void *run(void *arg)
{
    struct loader *l = arg;
    pthread_mutex_lock(&l->lock);
    yield_to_others(l->busy);
    while (l->retired || l->wanted) {
        struct snapshot *gone = l->retired;
        l->retired = NULL;
        if (gone) {
            pthread_mutex_unlock(&l->lock);
            free_all(gone);
            pthread_mutex_lock(&l->lock);
        } else {
            l->wanted = false;
            load_once(l);
        }
    }
    l->working = false;
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* There is work: a thread that works will see it, else there is a new one. */
static void work(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    bool working = l->working;
    l->working = true;
    pthread_mutex_unlock(&l->lock);
    if (working)
        return;
    if (l->started)
        pthread_join(l->thread, NULL);
    l->started = pthread_create(&l->thread, NULL, run, l) == 0;
    if (!l->started)
        (void)run(l); /* no thread to be had: here, then */
}

static void on_done(uv_async_t *async)
{
    struct loader *l = async->data;
    pthread_mutex_lock(&l->lock);
    bool finished = l->finished;
    struct snapshot *s = l->loaded;
    struct error e = l->error;
    l->finished = false;
    l->loaded = NULL;
    pthread_mutex_unlock(&l->lock);
    if (finished)
        l->calls.loaded(l->calls.user, s, &e);
}

int loader_new(struct loader **out, uv_loop_t *loop, const struct loader_calls *calls, struct error *e)
{
    struct loader *l = calloc(1, sizeof *l);
    ASSERT(l != NULL);
    l->calls = *calls;
    l->done.data = l;
    pthread_mutex_init(&l->lock, NULL);
    if (uv_async_init(loop, &l->done, on_done)) {
        free(l);
        return error_set(e, ERR_IO, "no event handle");
    }
    *out = l;
    return 0;
}

void loader_busy(struct loader *l, bool busy)
{
    pthread_mutex_lock(&l->lock);
    l->busy = busy;
    pthread_mutex_unlock(&l->lock);
}

void loader_load(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    bool start = !l->stopping;
    l->wanted = start;
    pthread_mutex_unlock(&l->lock);
    if (start)
        work(l);
}

void loader_retire(void *user, struct snapshot *s)
{
    struct loader *l = user;
    pthread_mutex_lock(&l->lock);
    bool late = l->stopping;
    if (!late)
        retire(l, s);
    pthread_mutex_unlock(&l->lock);
    if (late)
        snapshot_free(&s);
    else
        work(l);
}

void loader_stop(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    l->wanted = false;
    pthread_mutex_unlock(&l->lock);
    if (l->started)
        pthread_join(l->thread, NULL);
    l->started = false;
    if (l->loaded)
        snapshot_free(&l->loaded);
    if (!uv_is_closing((uv_handle_t *)&l->done))
        uv_close((uv_handle_t *)&l->done, NULL);
}

void loader_free(struct loader **l)
{
    if (!*l)
        return;
    pthread_mutex_destroy(&(*l)->lock);
    free(*l);
    *l = NULL;
}

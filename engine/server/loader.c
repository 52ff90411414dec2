/* The loading thread; see loader.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/loader.h"
#include "base/clock.h"
#include "base/pace.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NICE = 10 };

struct loader {
    struct loader_calls calls;
    uv_async_t done;
    bool started; /* thread is to be joined */
    pthread_t thread;
    pthread_mutex_t lock; /* of all below; held for moments only, and never while paced: the loop takes it */
    pthread_cond_t changed; /* there is work, or the thread has ended */
    struct snapshot *retired; /* linked by retire_next */
    bool wanted, stopping, ended;
    bool finished; /* loaded and error wait for the loop */
    struct snapshot *loaded;
    struct error error;
};

/* Linux keeps the priority of each thread. */
static void be_nice(void)
{
#ifdef __linux__
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
#endif
}

/* The thread gives up the lock and works. */
static void begin(struct loader *l)
{
    pthread_mutex_unlock(&l->lock);
    pace_begin();
}

static void end(struct loader *l)
{
    pace_end();
    pthread_mutex_lock(&l->lock);
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

static void free_retired(struct loader *l)
{
    struct snapshot *gone = l->retired;
    l->retired = NULL;
    begin(l);
    free_all(gone);
    end(l);
}

static void load_once(struct loader *l)
{
    struct error e = {0};
    l->wanted = false;
    begin(l);
    struct snapshot *s = l->calls.load(l->calls.user, &e);
    end(l);
    if (l->loaded) /* the loop has not come for it yet: this one is newer */
        retire(l, l->loaded);
    l->loaded = s;
    l->error = e;
    l->finished = true;
    pthread_mutex_unlock(&l->lock);
    uv_async_send(&l->done); /* the loop may run at once, and wants the lock */
    pthread_mutex_lock(&l->lock);
}

static void *run(void *arg)
{
    struct loader *l = arg;
    be_nice();
    pthread_mutex_lock(&l->lock);
    while (l->retired || l->wanted || !l->stopping) {
        if (l->retired)
            free_retired(l);
        else if (l->wanted)
            load_once(l);
        else
            pthread_cond_wait(&l->changed, &l->lock);
    }
    l->ended = true;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->lock);
    return NULL;
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
    clock_condition_init(&l->changed);
    if (uv_async_init(loop, &l->done, on_done)) {
        loader_free(&l);
        return error_set(e, ERR_IO, "no event handle");
    }
    uv_unref((uv_handle_t *)&l->done);
    *out = l;
    int rc = pthread_create(&l->thread, NULL, run, l);
    if (rc)
        return error_set(e, ERR_IO, "no thread to load with: %s", strerror(rc));
    l->started = true;
    return 0;
}

void loader_load(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->wanted = !l->stopping;
    pthread_mutex_unlock(&l->lock);
    pthread_cond_signal(&l->changed);
}

void loader_retire(void *user, struct snapshot *s)
{
    struct loader *l = user;
    pthread_mutex_lock(&l->lock);
    bool late = l->stopping || !l->started;
    if (!late)
        retire(l, s);
    pthread_mutex_unlock(&l->lock);
    pthread_cond_signal(&l->changed);
    if (late)
        snapshot_free(&s);
}

bool loader_stop(struct loader *l, int64_t wait_ms)
{
    int64_t until_ms = clock_mono_us() / 1000 + wait_ms;
    struct timespec until = {until_ms / 1000, (long)(until_ms % 1000) * 1000000};
    int rc = 0;
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    l->wanted = false;
    pthread_cond_signal(&l->changed);
    while (l->started && !l->ended && !rc)
        rc = pthread_cond_timedwait(&l->changed, &l->lock, &until);
    bool ended = !l->started || l->ended;
    pthread_mutex_unlock(&l->lock);
    if (!ended)
        return false;
    if (l->started)
        pthread_join(l->thread, NULL);
    l->started = false;
    if (l->loaded)
        snapshot_free(&l->loaded);
    uv_close((uv_handle_t *)&l->done, NULL);
    return true;
}

void loader_free(struct loader **l)
{
    if (!*l)
        return;
    pthread_cond_destroy(&(*l)->changed);
    pthread_mutex_destroy(&(*l)->lock);
    free(*l);
    *l = NULL;
}

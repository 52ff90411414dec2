/* The loading thread; see loader.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/loader.h"
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NICE = 15 };

struct loader {
    struct loader_calls calls;
    uv_async_t done;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct snapshot *retired; /* linked by retire_next */
    bool wanted, stopping, running;
    bool finished; /* loaded and error wait for the loop */
    struct snapshot *loaded;
    struct error error;
};

/* Linux keeps a nice value for each thread. */
static void yield_to_others(void)
{
#ifdef __linux__
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
#endif
}

static void free_all(struct snapshot *list)
{
    bool any = list != NULL;
    while (list) {
        struct snapshot *next = list->retire_next;
        snapshot_free(&list);
        list = next;
    }
#ifdef __GLIBC__
    if (any)
        malloc_trim(0); /* back to the system, so that many reloads do not add up */
#endif
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

static void *run(void *arg)
{
    struct loader *l = arg;
    yield_to_others();
    pthread_mutex_lock(&l->lock);
    for (;;) {
        struct snapshot *gone = l->retired;
        l->retired = NULL;
        if (gone) {
            pthread_mutex_unlock(&l->lock);
            free_all(gone);
            pthread_mutex_lock(&l->lock);
        } else if (l->wanted) {
            l->wanted = false;
            load_once(l);
        } else if (l->stopping) {
            break;
        } else {
            pthread_cond_wait(&l->wake, &l->lock);
        }
    }
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
    pthread_cond_init(&l->wake, NULL);
    if (uv_async_init(loop, &l->done, on_done)) {
        free(l);
        return error_set(e, ERR_IO, "no event handle");
    }
    l->running = pthread_create(&l->thread, NULL, run, l) == 0;
    *out = l;
    return l->running ? 0 : error_set(e, ERR_IO, "no thread for loading");
}

void loader_load(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->wanted = !l->stopping;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

void loader_retire(void *user, struct snapshot *s)
{
    struct loader *l = user;
    pthread_mutex_lock(&l->lock);
    bool late = l->stopping;
    if (!late) {
        retire(l, s);
        pthread_cond_signal(&l->wake);
    }
    pthread_mutex_unlock(&l->lock);
    if (late)
        snapshot_free(&s);
}

void loader_stop(struct loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    l->wanted = false;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    if (l->running)
        pthread_join(l->thread, NULL);
    l->running = false;
    if (l->loaded)
        snapshot_free(&l->loaded);
    if (!uv_is_closing((uv_handle_t *)&l->done))
        uv_close((uv_handle_t *)&l->done, NULL);
}

void loader_free(struct loader **l)
{
    if (!*l)
        return;
    pthread_cond_destroy(&(*l)->wake);
    pthread_mutex_destroy(&(*l)->lock);
    free(*l);
    *l = NULL;
}

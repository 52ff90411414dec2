/* Work from other threads; see mailbox.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/mailbox.h"
#include <pthread.h>
#include <stdlib.h>

struct letter {
    struct letter *next;
    void (*fn)(void *user);
    void *user;
};

struct mailbox {
    uv_async_t wake; /* first */
    pthread_mutex_t lock;
    struct letter *first, **last;
};

static void run_all(struct mailbox *m)
{
    for (;;) {
        pthread_mutex_lock(&m->lock);
        struct letter *l = m->first;
        m->first = NULL;
        m->last = &m->first;
        pthread_mutex_unlock(&m->lock);
        if (!l)
            return;
        while (l) {
            struct letter done = *l;
            free(l);
            l = done.next;
            done.fn(done.user);
        }
    }
}

static void on_wake(uv_async_t *wake)
{
    run_all(wake->data);
}

int mailbox_open(struct mailbox **out, uv_loop_t *loop, struct error *e)
{
    struct mailbox *m = calloc(1, sizeof *m);
    ASSERT(m != NULL);
    m->last = &m->first;
    m->wake.data = m;
    pthread_mutex_init(&m->lock, NULL);
    if (uv_async_init(loop, &m->wake, on_wake)) {
        pthread_mutex_destroy(&m->lock);
        free(m);
        return error_set(e, ERR_IO, "no event handle");
    }
    *out = m;
    return 0;
}

void mailbox_post(struct mailbox *m, void (*fn)(void *user), void *user)
{
    struct letter *l = malloc(sizeof *l);
    ASSERT(l != NULL);
    *l = (struct letter){NULL, fn, user};
    pthread_mutex_lock(&m->lock);
    *m->last = l;
    m->last = &l->next;
    pthread_mutex_unlock(&m->lock);
    uv_async_send(&m->wake);
}

struct wait {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void (*fn)(void *user);
    void *user;
    bool done;
};

static void run_and_tell(void *user)
{
    struct wait *w = user;
    w->fn(w->user);
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void mailbox_call(struct mailbox *m, void (*fn)(void *user), void *user)
{
    struct wait w = {.fn = fn, .user = user};
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.changed, NULL);
    mailbox_post(m, run_and_tell, &w);
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.changed, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
}

static void on_closed(uv_handle_t *handle)
{
    struct mailbox *m = handle->data;
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void mailbox_close(struct mailbox **m)
{
    run_all(*m);
    uv_close((uv_handle_t *)&(*m)->wake, on_closed);
    *m = NULL;
}

/* The data of the simulated store; see sim_data.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "store/sim_data.h"
#include "base/error.h"
#include <stdlib.h>
#include <uthash.h>

struct sim_value {
    UT_hash_handle hh;
    struct str key, data;
    int64_t expires_us;
};

static struct str copy(struct str s)
{
    char *p = malloc(s.n ? s.n : 1);
    ASSERT(p != NULL);
    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

static void drop(struct str *s)
{
    free((char *)(uintptr_t)s->p);
    *s = (struct str){NULL, 0};
}

static void discard(struct sim_data *d, struct sim_value *v)
{
    HASH_DEL(d->values, v);
    drop(&v->key);
    drop(&v->data);
    free(v);
}

static struct sim_value *look(struct sim_data *d, struct str key)
{
    struct sim_value *v = NULL;
    HASH_FIND(hh, d->values, key.p, key.n, v);
    return v;
}

bool sim_data_expire(struct sim_data *d, struct str key, int64_t now_us)
{
    struct sim_value *v = look(d, key);
    if (!v || v->expires_us > now_us)
        return false;
    discard(d, v);
    return true;
}

const struct str *sim_data_find(struct sim_data *d, struct str key, int64_t now_us)
{
    struct sim_value *v = sim_data_expire(d, key, now_us) ? NULL : look(d, key);
    return v ? &v->data : NULL;
}

struct str sim_data_get(struct sim_data *d, struct str key, int64_t now_us)
{
    const struct str *data = sim_data_find(d, key, now_us);
    return data ? *data : (struct str){NULL, 0};
}

void sim_data_put(struct sim_data *d, struct str key, struct str data, int64_t expires_us)
{
    struct sim_value *v = look(d, key);
    if (!v) {
        v = calloc(1, sizeof *v);
        ASSERT(v != NULL);
        v->key = copy(key);
        HASH_ADD_KEYPTR(hh, d->values, v->key.p, v->key.n, v);
    }
    struct str fresh = copy(data); /* data may be what is there */
    drop(&v->data);
    v->data = fresh;
    v->expires_us = expires_us;
}

void sim_data_remove(struct sim_data *d, struct str key)
{
    struct sim_value *v = look(d, key);
    if (v)
        discard(d, v);
}

void sim_data_each(struct sim_data *d, struct str prefix, int64_t now_us,
                   void (*visit)(void *ctx, struct str key, struct str data), void *ctx)
{
    for (struct sim_value *v = d->values, *next; v; v = next) {
        next = v->hh.next;
        if (v->expires_us <= now_us)
            discard(d, v);
        else if (str_starts(v->key, prefix))
            visit(ctx, v->key, v->data);
    }
}

void sim_data_clear(struct sim_data *d)
{
    for (struct sim_value *v = d->values, *next; v; v = next) {
        next = v->hh.next;
        discard(d, v);
    }
}

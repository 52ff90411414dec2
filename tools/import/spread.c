/* Events parted by customer; see spread.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/import/spread.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct piece {
    struct buf buf;
    int fd; /* -1: all of it is in the buffer */
    uint64_t written;
};

struct spread {
    char folder[4096];
    struct piece pieces[SPREAD_PIECES_MAX];
    size_t count;
    /* what spread_group made last */
    void *map;
    size_t map_size;
    struct import_customer *customers;
    struct import_ref *refs;
    uint8_t *failed;
    uint32_t *whose, *slots;
};

struct spread *spread_new(size_t pieces, const char *folder)
{
    struct spread *s = calloc(1, sizeof *s);
    ASSERT(s && pieces > 0 && pieces <= SPREAD_PIECES_MAX);
    snprintf(s->folder, sizeof s->folder, "%s", folder);
    for (; s->count < pieces; s->count++) {
        buf_init(&s->pieces[s->count].buf, SPREAD_BUFFER);
        s->pieces[s->count].fd = -1;
    }
    return s;
}

static void forget_group(struct spread *s)
{
    if (s->map)
        munmap(s->map, s->map_size);
    free(s->customers);
    free(s->refs);
    free(s->failed);
    free(s->whose);
    free(s->slots);
    s->map = NULL;
    s->customers = NULL;
    s->refs = NULL;
    s->failed = NULL;
    s->whose = s->slots = NULL;
}

void spread_free(struct spread **gone)
{
    struct spread *s = *gone;
    *gone = NULL;
    if (!s)
        return;
    forget_group(s);
    for (size_t i = 0; i < s->count; i++) {
        buf_free(&s->pieces[i].buf);
        if (s->pieces[i].fd >= 0)
            close(s->pieces[i].fd);
    }
    free(s);
}

size_t spread_pieces(const struct spread *s)
{
    return s->count;
}

/* ---- writing ---- */

static int open_file(struct spread *s, struct piece *p, struct error *e)
{
    char path[sizeof s->folder + 32];
    snprintf(path, sizeof path, "%s/tact-import-XXXXXX", s->folder);
    p->fd = mkostemp(path, O_CLOEXEC);
    if (p->fd < 0)
        return error_set(e, ERR_IO, "%.200s: no temporary file can be made there (%s); --temp names another folder", s->folder,
                         strerror(errno));
    unlink(path);
    return 0;
}

static int write_all(struct spread *s, struct piece *p, const void *bytes, size_t n, struct error *e)
{
    if (p->fd < 0 && open_file(s, p, e))
        return ERR_IO;
    for (const char *at = bytes; n > 0;) {
        ssize_t w = write(p->fd, at, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return error_set(e, ERR_IO, "%.200s: writing a temporary file: %s; --temp names another folder", s->folder,
                             strerror(errno));
        at += w;
        n -= (size_t)w;
        p->written += (uint64_t)w;
    }
    return 0;
}

static int flush(struct spread *s, struct piece *p, struct error *e)
{
    int rc = p->buf.n ? write_all(s, p, p->buf.p, p->buf.n, e) : 0;
    buf_clear(&p->buf);
    return rc;
}

static int add_one(struct spread *s, uint64_t hash, const uint8_t *event, size_t n, struct error *e)
{
    struct piece *p = &s->pieces[(hash >> 32) * s->count >> 32]; /* high bits; the groups' table uses the low ones */
    int rc = p->buf.n + n > SPREAD_BUFFER ? flush(s, p, e) : 0;
    if (rc)
        return rc;
    if (n > SPREAD_BUFFER)
        return write_all(s, p, event, n, e);
    buf_append(&p->buf, event, n);
    return buf_ok(&p->buf) ? 0 : error_set(e, ERR_NOSPACE, "no memory for the files' lines");
}

int spread_add(struct spread *s, struct str events, struct error *e)
{
    const uint8_t *p = (const uint8_t *)events.p, *end = p + events.n;
    int rc = 0;
    while (p < end && !rc) {
        struct import_key key;
        const uint8_t *next = import_event_key(p, &key);
        rc = add_one(s, key.customer_hash, p, (size_t)(next - p), e);
        p = next;
    }
    return rc;
}

/* ---- grouping ---- */

/* All bytes of a piece, one after the other. */
static int map_piece(struct spread *s, struct piece *p, struct str *out, struct error *e)
{
    *out = (struct str){(const char *)p->buf.p, p->buf.n};
    if (p->fd < 0)
        return 0;
    int rc = flush(s, p, e);
    if (rc)
        return rc;
    void *map = mmap(NULL, p->written, PROT_READ, MAP_PRIVATE, p->fd, 0);
    if (map == MAP_FAILED)
        return error_set(e, ERR_IO, "%.200s: reading a temporary file: %s", s->folder, strerror(errno));
    s->map = map;
    s->map_size = p->written;
    (void)madvise(map, p->written, MADV_SEQUENTIAL);
    *out = (struct str){map, p->written};
    return 0;
}

static size_t count_events(struct str bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.n;
    size_t n = 0;
    for (struct import_key key; p < end; n++)
        p = import_event_key(p, &key);
    return n;
}

/* The customer of that id: its slot in the table, 0 in it when it is new. */
static uint32_t *slot_of(const struct spread *s, size_t mask, struct str id, uint64_t hash)
{
    size_t at = hash & mask;
    while (s->slots[at]) {
        const struct import_customer *c = &s->customers[s->slots[at] - 1];
        if (c->hash == hash && str_eq(c->id, id))
            break;
        at = (at + 1) & mask;
    }
    return &s->slots[at];
}

/* Finds each event's customer. */
static int find_customers(struct spread *s, struct str bytes, size_t mask, size_t *count)
{
    const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.n;
    size_t capacity = 0;
    for (size_t i = 0; p < end; i++) {
        struct import_key key;
        p = import_event_key(p, &key);
        uint32_t *slot = slot_of(s, mask, key.customer, key.customer_hash);
        if (!*slot && *count == capacity) {
            capacity = capacity ? 2 * capacity : 1024;
            struct import_customer *grown = realloc(s->customers, capacity * sizeof *grown);
            if (!grown)
                return ERR_NOSPACE;
            s->customers = grown;
        }
        if (!*slot) {
            s->customers[*count] = (struct import_customer){.id = key.customer, .hash = key.customer_hash};
            *slot = (uint32_t)++*count;
        }
        s->whose[i] = *slot - 1;
        s->customers[*slot - 1].count++;
    }
    return 0;
}

/* The place of an event among those of its customer is the number of those before it in the files. */
static void place_events(struct spread *s, struct str bytes, size_t count)
{
    const uint8_t *p = (const uint8_t *)bytes.p, *end = p + bytes.n;
    size_t from = 0;
    for (size_t k = 0; k < count; k++) {
        struct import_customer *c = &s->customers[k];
        c->events = s->refs + from;
        c->failed = s->failed + from;
        from += c->count;
        c->count = 0;
    }
    for (size_t i = 0; p < end; i++) {
        struct import_key key;
        struct import_customer *c = &s->customers[s->whose[i]];
        struct import_ref *ref = &s->refs[c->events - s->refs + (ptrdiff_t)c->count++];
        ref->event = p;
        p = import_event_key(p, &key);
        ref->time_ms = key.time_ms;
    }
}

static int by_time(const void *a, const void *b)
{
    const struct import_ref *x = a, *y = b;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return (x->event > y->event) - (x->event < y->event);
}

static void sort_events(struct spread *s, const struct import_customer *c)
{
    for (size_t i = 1; i < c->count; i++)
        if (c->events[i - 1].time_ms > c->events[i].time_ms) {
            qsort(&s->refs[c->events - s->refs], c->count, sizeof *s->refs, by_time);
            return;
        }
}

int spread_group(struct spread *s, size_t piece, struct spread_group *out, struct error *e)
{
    struct str bytes;
    ASSERT(piece < s->count);
    *out = (struct spread_group){0};
    forget_group(s);
    int rc = map_piece(s, &s->pieces[piece], &bytes, e);
    if (rc)
        return rc;
    size_t n = count_events(bytes), size = 1024;
    if (n > SPREAD_EVENTS_MAX)
        return error_set(e, ERR_NOSPACE, "%zu lines in one of %zu pieces; at most %d fit: part the files by customer", n,
                         s->count, SPREAD_EVENTS_MAX);
    while (size < 2 * n)
        size *= 2;
    s->refs = malloc((n + 1) * sizeof *s->refs);
    s->failed = calloc(n + 1, 1);
    s->whose = malloc((n + 1) * sizeof *s->whose);
    s->slots = calloc(size, sizeof *s->slots);
    if (!s->refs || !s->failed || !s->whose || !s->slots || find_customers(s, bytes, size - 1, &out->count))
        return error_set(e, ERR_NOSPACE, "no memory for the %zu lines of a piece", n);
    place_events(s, bytes, out->count);
    for (size_t k = 0; k < out->count; k++)
        sort_events(s, &s->customers[k]);
    out->customers = s->customers;
    out->events = n;
    return 0;
}

/* The writer: queue, thread, reports; see log.h. The thread owns the appender and the packer; everything else
 * is under the mutex. A record's place in the queue is held (queue_max) from log_append until its report is
 * delivered, so a caller that never polls runs into the bound instead of into memory.
 *
 *   log_append ──> waiting ──(thread takes all)──> taken ──(block by block)──> reports ──> log_poll
 * SPDX-License-Identifier: Apache-2.0 */
#include "log/log.h"
#include "base/clock.h"
#include "base/logging.h"
#include "log/appender.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
    QUEUE_DEFAULT = 64 << 20,
    SEGMENT_DEFAULT = 256 << 20,
    VARINT_MAX = 10,
    KEEP_BYTES = 4 << 20,   /* memory that a batch keeps for the next one */
    UNSYNCED_MAX_MS = 1000, /* without sync: how long written blocks may stay unsynced */
};

struct entry {
    log_cb cb;
    void *user;
    struct log_outbox *to;
    uint32_t bytes; /* with its length; while reported: unused */
    int status;
};
_Static_assert(sizeof(struct entry) <= LOG_QUEUE_ENTRY, "an entry costs what log.h says");

struct entries {
    struct entry *items;
    size_t count, capacity;
};

/* Records as they stand in a block, and who waits for each. */
struct batch {
    struct buf bytes;
    struct entries entries;
};

struct log_outbox {
    struct log_writer *writer;
    struct entries reports; /* under the writer's lock, as all below */
    bool polling;
    bool due; /* reports came since it was woken */
    void (*wake)(void *user);
    void *wake_user;
};

struct log_writer {
    struct log_options o; /* folder and server are not kept */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct batch waiting;
    struct log_outbox *outboxes[1 + LOG_OUTBOXES_MAX]; /* the first: of those who name none */
    size_t outbox_count;
    size_t held; /* bytes that count against queue_max */
    bool closing, busy, joined;
    bool healthy;
    char why[128];
    struct log_counts counts;
    /* the thread's own */
    struct appender *appender;
    struct block_packer *packer;
    struct buf block;
};

static void entries_add(struct entries *list, struct entry entry)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 64;
        list->items = realloc(list->items, list->capacity * sizeof *list->items);
        ASSERT(list->items);
    }
    list->items[list->count++] = entry;
}

/* ---- the thread ---- */

/* Under the lock. True when the health changed, which tell_health then says without it. */
static bool set_health(struct log_writer *w, int rc, const struct error *e)
{
    bool was = w->healthy;
    w->healthy = rc == 0;
    snprintf(w->why, sizeof w->why, "%.*s", (int)sizeof w->why - 1, rc ? e->text : "");
    return was != w->healthy;
}

static void tell_health(int rc, const struct error *e)
{
    if (rc)
        logging(LEVEL_ERROR, "the log cannot be written", "error=\"%s\"", e->text);
    else
        logging(LEVEL_INFO, "the log is written again", "%s", "");
}

/* How many entries from `first` make one block. */
static size_t block_of(const struct batch *b, size_t first, size_t *bytes)
{
    size_t n = 0;
    *bytes = 0;
    while (first + n < b->entries.count && *bytes + b->entries.items[first + n].bytes <= LOG_BLOCK_MAX)
        *bytes += b->entries.items[first + n++].bytes;
    return n;
}

/* Without the lock, which those woken want at once. */
static void wake_due(struct log_writer *w)
{
    struct log_outbox *due[1 + LOG_OUTBOXES_MAX];
    size_t n = 0;
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->outbox_count; i++)
        if (w->outboxes[i]->due) {
            w->outboxes[i]->due = false;
            due[n++] = w->outboxes[i];
        }
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < n; i++)
        if (due[i]->wake)
            due[i]->wake(due[i]->wake_user);
}

/* Writes one block and files its reports. With the batch's last one the
 * thread stops being busy in the same breath, so that who hears of a failure may try again at once. */
static void write_block(struct log_writer *w, const struct entry *entries, size_t n, struct str raw,
                        bool last)
{
    struct error e = {0};
    int rc = block_pack(w->packer, raw, (uint32_t)n, &w->block, &e);
    if (rc == 0)
        rc = appender_append(w->appender, &w->block, w->o.sync, &e);
    if (rc && rc != ERR_NOSPACE)
        rc = ERR_IO;
    pthread_mutex_lock(&w->lock);
    bool changed = set_health(w, rc, &e);
    w->busy = !last;
    w->held -= raw.n;
    for (size_t i = 0; i < n; i++) {
        struct log_outbox *to = entries[i].to;
        if (entries[i].cb)
            entries_add(&to->reports, (struct entry){entries[i].cb, entries[i].user, to, 0, rc});
        else
            w->held -= LOG_QUEUE_ENTRY;
        to->due |= entries[i].cb != NULL;
    }
    struct log_counts *c = &w->counts;
    if (rc) {
        c->failed += n;
    } else {
        c->records += n;
        c->bytes_raw += raw.n;
        c->bytes_stored += w->block.n;
        c->blocks++;
        c->syncs += w->o.sync;
        if (n > c->largest_block_records)
            c->largest_block_records = (uint32_t)n;
    }
    pthread_mutex_unlock(&w->lock);
    if (changed)
        tell_health(rc, &e);
    wake_due(w);
}

static void batch_empty(struct batch *b)
{
    buf_clear(&b->bytes);
    b->entries.count = 0;
    if (b->bytes.capacity > KEEP_BYTES)
        buf_free(&b->bytes);
    if (b->entries.capacity * sizeof *b->entries.items > KEEP_BYTES) {
        free(b->entries.items);
        b->entries = (struct entries){0};
    }
}

static void write_batch(struct log_writer *w, const struct batch *b)
{
    size_t at = 0;
    for (size_t i = 0; i < b->entries.count;) {
        size_t bytes, n = block_of(b, i, &bytes);
        struct str raw = {(const char *)b->bytes.p + at, bytes};
        write_block(w, b->entries.items + i, n, raw, i + n == b->entries.count);
        i += n;
        at += bytes;
    }
}

static void sync_late(struct log_writer *w)
{
    struct error e = {0};
    int rc = appender_sync(w->appender, &e);
    pthread_mutex_lock(&w->lock);
    bool changed = rc && set_health(w, rc, &e);
    w->counts.syncs += rc == 0;
    pthread_mutex_unlock(&w->lock);
    if (changed)
        tell_health(rc, &e);
}

/* Waits for work, or until `until` (monotonic ms; 0: no limit). Called and returns with the lock. */
static void wait_for_work(struct log_writer *w, int64_t until_ms)
{
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    int rc = 0;
    while (w->waiting.entries.count == 0 && !w->closing && rc != ETIMEDOUT)
        rc = until_ms ? pthread_cond_timedwait(&w->work, &w->lock, &until)
                      : pthread_cond_wait(&w->work, &w->lock);
}

static void *run(void *user)
{
    struct log_writer *w = user;
    struct batch taken = {0};
    buf_init(&taken.bytes, w->waiting.bytes.limit);
    int64_t sync_by_ms = 0;
    for (bool closing = false; !closing;) {
        pthread_mutex_lock(&w->lock);
        wait_for_work(w, sync_by_ms);
        struct batch spare = taken;
        taken = w->waiting;
        w->waiting = spare;
        closing = w->closing && taken.entries.count == 0;
        w->busy = taken.entries.count > 0;
        pthread_mutex_unlock(&w->lock);
        write_batch(w, &taken);
        batch_empty(&taken);
        int64_t now_ms = clock_mono_us() / 1000;
        if (appender_unsynced(w->appender) && sync_by_ms && now_ms >= sync_by_ms)
            sync_late(w);
        if (!appender_unsynced(w->appender))
            sync_by_ms = 0;
        else if (sync_by_ms == 0)
            sync_by_ms = now_ms + UNSYNCED_MAX_MS;
    }
    if (appender_unsynced(w->appender))
        sync_late(w);
    buf_free(&taken.bytes);
    free(taken.entries.items);
    return NULL;
}

/* ---- the callers' side ---- */

static void release(struct log_writer **out)
{
    struct log_writer *w = *out;
    appender_close(&w->appender);
    block_packer_free(&w->packer);
    buf_free(&w->block);
    buf_free(&w->waiting.bytes);
    free(w->waiting.entries.items);
    for (size_t i = 0; i < w->outbox_count; i++) {
        free(w->outboxes[i]->reports.items);
        free(w->outboxes[i]);
    }
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->work);
    free(w);
    *out = NULL;
}

struct log_outbox *log_outbox_new(struct log_writer *w, void (*wake)(void *user), void *wake_user)
{
    struct log_outbox *o = calloc(1, sizeof *o);
    ASSERT(o && w->outbox_count <= LOG_OUTBOXES_MAX);
    *o = (struct log_outbox){.writer = w, .wake = wake, .wake_user = wake_user};
    pthread_mutex_lock(&w->lock);
    w->outboxes[w->outbox_count++] = o;
    pthread_mutex_unlock(&w->lock);
    return o;
}

int log_open(struct log_writer **out, const struct log_options *o, struct error *e)
{
    *out = NULL;
    struct appender *appender;
    int rc =
        appender_open(&appender, o->folder, o->server, o->segment_max ? o->segment_max : SEGMENT_DEFAULT, e);
    if (rc)
        return rc;
    struct log_writer *w = calloc(1, sizeof *w);
    ASSERT(w);
    w->o = *o;
    w->o.folder = w->o.server = NULL;
    if (w->o.queue_max == 0)
        w->o.queue_max = QUEUE_DEFAULT;
    w->healthy = true;
    w->appender = appender;
    w->packer = block_packer_new();
    buf_init(&w->block, BLOCK_HEADER_BYTES + BLOCK_STORED_MAX);
    buf_init(&w->waiting.bytes, w->o.queue_max);
    pthread_mutex_init(&w->lock, NULL);
    clock_condition_init(&w->work);
    (void)log_outbox_new(w, o->wake, o->wake_user);
    int code = pthread_create(&w->thread, NULL, run, w);
    if (code) {
        release(&w);
        return error_set(e, ERR_IO, "the log's thread: %s", strerror(code));
    }
    *out = w;
    return 0;
}

static int admit(const struct log_writer *w, size_t bytes)
{
    if (w->closing)
        return ERR_UNAVAILABLE;
    if (!w->healthy && (w->busy || w->waiting.entries.count > 0))
        return ERR_IO;
    size_t need = bytes + LOG_QUEUE_ENTRY;
    return need > w->o.queue_max || w->held > w->o.queue_max - need ? ERR_NOSPACE : 0;
}

int log_append(struct log_writer *w, struct str record, log_cb cb, void *user)
{
    return log_append_to(w, w->outboxes[0], record, cb, user);
}

int log_append_to(struct log_writer *w, struct log_outbox *to, struct str record, log_cb cb, void *user)
{
    if (record.n > LOG_RECORD_MAX)
        return ERR_INVALID;
    pthread_mutex_lock(&w->lock);
    struct buf *bytes = &w->waiting.bytes;
    int rc = admit(w, record.n + VARINT_MAX);
    bool first = w->waiting.entries.count == 0;
    if (rc == 0) {
        size_t before = bytes->n;
        buf_varint(bytes, record.n);
        buf_str(bytes, record);
        ASSERT(buf_ok(bytes)); /* admitted: only memory can be short */
        uint32_t n = (uint32_t)(bytes->n - before);
        entries_add(&w->waiting.entries, (struct entry){cb, user, to, n, 0});
        w->held += n + LOG_QUEUE_ENTRY;
    }
    pthread_mutex_unlock(&w->lock);
    if (rc == 0 && first)
        pthread_cond_signal(&w->work); /* without the lock, which the thread wants at once */
    return rc;
}

void log_outbox_poll(struct log_outbox *o)
{
    struct log_writer *w = o->writer;
    pthread_mutex_lock(&w->lock);
    if (o->polling) {
        pthread_mutex_unlock(&w->lock);
        return;
    }
    o->polling = true;
    struct entries due = o->reports;
    o->reports = (struct entries){0};
    w->held -= due.count * LOG_QUEUE_ENTRY;
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < due.count; i++)
        due.items[i].cb(due.items[i].user, due.items[i].status);
    pthread_mutex_lock(&w->lock);
    o->polling = false;
    if (!o->reports.items) { /* keep the memory */
        due.count = 0;
        o->reports = due;
        due.items = NULL;
    }
    pthread_mutex_unlock(&w->lock);
    free(due.items);
}

struct log_writer *log_outbox_writer(const struct log_outbox *o)
{
    return o->writer;
}

void log_poll(struct log_writer *w)
{
    log_outbox_poll(w->outboxes[0]);
}

/* The lock of a writer that the caller holds as const: looking changes nothing that he can see. */
static pthread_mutex_t *lock_of(const struct log_writer *w)
{
    return (pthread_mutex_t *)(uintptr_t)&w->lock;
}

bool log_healthy(const struct log_writer *w, char why[128])
{
    pthread_mutex_lock(lock_of(w));
    bool healthy = w->healthy;
    memcpy(why, w->why, sizeof w->why);
    pthread_mutex_unlock(lock_of(w));
    return healthy;
}

void log_counts(const struct log_writer *w, struct log_counts *out)
{
    pthread_mutex_lock(lock_of(w));
    *out = w->counts;
    out->queued_bytes = w->held;
    pthread_mutex_unlock(lock_of(w));
}

void log_stop(struct log_writer *w)
{
    if (w->joined)
        return;
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_mutex_unlock(&w->lock);
    pthread_cond_signal(&w->work);
    pthread_join(w->thread, NULL);
    w->joined = true;
}

void log_close(struct log_writer **w)
{
    if (!*w)
        return;
    ASSERT(!(*w)->outboxes[0]->polling); /* not from a callback */
    log_stop(*w);
    log_poll(*w);
    release(w);
}

/* Both passes over a log; see log_scan.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/log_scan.h"
#include "base/buf.h"
#include <errno.h>
#include <sys/stat.h>

enum {
    RECORD_MEMORY = 256 << 20,
    WORK_MEMORY = 256 << 20,
    PROGRESS_RECORDS = 64,
    ABOUT_ANY_RECORD = 100 /* log.proto: numbers of fields that are no record */
};

struct scan {
    struct log_scan *s;
    struct log_reader *reader;
    struct arena record, work; /* the decoded record; what callbacks make of it */
    const char *folder;
    int pass; /* 0 or 1 */
};

static void *allocate(void *arena, size_t n)
{
    return arena_alloc(arena, n);
}

static void release(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

ProtobufCMessage *log_message(const ProtobufCMessageDescriptor *type, const void *p, size_t n,
                              struct arena *arena)
{
    ProtobufCAllocator allocator = {.alloc = allocate, .free = release, .allocator_data = arena};
    return protobuf_c_message_unpack(type, &allocator, n, p);
}

Tact__V1__DecideRequest *log_request(const Tact__V1__DecisionRecord *m, struct arena *arena)
{
    Tact__V1__DecideRequest *request = (Tact__V1__DecideRequest *)log_message(&tact__v1__decide_request__descriptor,
                                                                              m->request.data, m->request.len, arena);
    if (request && m->customer_id[0]) {
        request->customer_id = m->customer_id;
        request->alias = NULL;
    }
    return request;
}

/* Which of LogRecord's records it is (the field's number), without decoding it; 0 when the bytes are none. */
static uint32_t record_kind(struct str bytes)
{
    struct cursor c = cursor_of(bytes.p, bytes.n);
    uint32_t kind = 0;
    while (cursor_left(&c) && !c.failed) {
        uint64_t key = cursor_varint(&c);
        if (key >> 3 >= TACT__V1__LOG_RECORD__RECORD_NAMES && key >> 3 < ABOUT_ANY_RECORD)
            kind = (uint32_t)(key >> 3);
        switch (key & 7) {
        case 0:
            cursor_varint(&c);
            break;
        case 1:
            cursor_bytes(&c, 8);
            break;
        case 2:
            cursor_bytes(&c, cursor_varint(&c));
            break;
        case 5:
            cursor_bytes(&c, 4);
            break;
        default:
            return 0;
        }
    }
    return c.failed ? 0 : kind;
}

static int on_names(struct scan *x, const Tact__V1__NamesRecord *m, struct error *e)
{
    for (size_t i = 0; i < m->n_names; i++) {
        struct str name = str_from(m->names[i]->name);
        int rc = names_add(x->s->names, name, m->names[i]->id);
        if (rc)
            return error_set(
                e, rc,
                "the log's dictionary contradicts itself: %.*s has the id %u here and another elsewhere",
                STR_ARG(name), m->names[i]->id);
    }
    return 0;
}

static void tell_foreign(const struct scan *x)
{
    char text[4200];
    const char *file;
    uint64_t offset;
    log_read_where(x->reader, &file, &offset);
    snprintf(text, sizeof text, "%s: offset %llu: a record that is no LogRecord", file,
             (unsigned long long)offset);
    if (x->s->damage)
        x->s->damage(x->s->ctx, text);
}

static bool is_wanted(const struct scan *x, uint32_t kind)
{
    if (kind == 0)
        return true; /* damage, to be told */
    if (x->pass == 0)
        return kind == TACT__V1__LOG_RECORD__RECORD_NAMES;
    return (kind == TACT__V1__LOG_RECORD__RECORD_DECISION && x->s->decision) ||
           (kind == TACT__V1__LOG_RECORD__RECORD_OUTCOME && x->s->outcome);
}

static int on_record(struct scan *x, struct str bytes, struct error *e)
{
    uint32_t kind = record_kind(bytes);
    if (!is_wanted(x, kind))
        return 0;
    arena_reset(&x->record);
    arena_reset(&x->work);
    Tact__V1__LogRecord *m = kind ? (Tact__V1__LogRecord *)log_message(&tact__v1__log_record__descriptor,
                                                                       bytes.p, bytes.n, &x->record)
                                  : NULL;
    if (!m) {
        if (x->pass == 1)
            tell_foreign(x);
        return 0;
    }
    if (x->pass == 0 && m->record_case == TACT__V1__LOG_RECORD__RECORD_NAMES)
        return on_names(x, m->names, e);
    if (x->pass == 1 && m->record_case == TACT__V1__LOG_RECORD__RECORD_DECISION)
        return x->s->decision(x->s->ctx, m->decision, e);
    if (x->pass == 1 && m->record_case == TACT__V1__LOG_RECORD__RECORD_OUTCOME)
        return x->s->outcome(x->s->ctx, m->outcome, e);
    return 0;
}

/* at_end: segments that could not be opened count as done too. */
static void show_progress(struct scan *x, bool at_end)
{
    uint64_t done, total;
    log_read_progress(x->reader, &done, &total);
    if (x->s->progress)
        x->s->progress(x->s->ctx, (at_end ? total : done) + (x->pass ? total : 0), 2 * total);
}

static int run_pass(struct scan *x, struct error *e)
{
    struct str bytes;
    uint64_t done, total;
    int rc = log_read_open(&x->reader, x->folder, e);
    if (rc)
        return rc;
    x->s->reader = x->reader;
    log_read_progress(x->reader, &done, &total);
    if (total == 0) {
        log_read_close(&x->reader);
        return error_set(e, ERR_NOTFOUND, "%s: no log here: it holds no segment (*.tlog)", x->folder);
    }
    for (uint64_t n = 0;; n++) {
        struct error damage = {0};
        int got = log_read_next(x->reader, &bytes, &damage);
        if (got == 0)
            break;
        if (got > 0) {
            if ((rc = on_record(x, bytes, e)))
                break;
        } else if (got == ERR_CORRUPT) {
            if (x->pass && x->s->damage)
                x->s->damage(x->s->ctx, damage.text);
            log_read_skip(x->reader);
        } else {
            *e = damage;
            rc = got;
            break;
        }
        if (n % PROGRESS_RECORDS == 0)
            show_progress(x, false);
    }
    if (!rc)
        show_progress(x, true);
    x->s->reader = NULL;
    log_read_close(&x->reader);
    return rc;
}

int log_scan(struct log_scan *s, const char *folder, struct error *e)
{
    struct stat info;
    if (stat(folder, &info) != 0)
        return error_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s", folder, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return error_set(e, ERR_INVALID,
                         "%s is no folder; a log is the folder with the segments and the archive", folder);
    struct scan x = {.s = s, .folder = folder};
    struct names *own = s->names ? NULL : names_new();
    if (own)
        s->names = own;
    arena_init(&x.record, RECORD_MEMORY);
    arena_init(&x.work, WORK_MEMORY);
    s->work = &x.work;
    int rc = 0;
    for (x.pass = 0; x.pass < 2 && !rc; x.pass++)
        rc = run_pass(&x, e);
    arena_free(&x.work);
    arena_free(&x.record);
    s->work = NULL;
    if (own) {
        names_free(&own);
        s->names = NULL;
    }
    return rc;
}

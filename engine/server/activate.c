/* Activation of a snapshot; see activate.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/activate.h"
#include "log/archive.h"
#include "tact/v1/log.pb-c.h"
#include <stdlib.h>

enum { NAMES_MEMORY_MAX = 64 * 1024 * 1024 };

struct activation {
    const struct worker_config *config;
    struct names *names;
    struct snapshot *snapshot; /* held */
    const struct str *list;    /* of the snapshot's names, those that are asked for */
    size_t count;
    bool verify; /* nothing but that */
    activate_done done;
    void *user;
};

/* ---- the archive ---- */

struct files {
    struct arena arena; /* of the names */
    struct archive_file *list;
    size_t count, capacity;
};

static void add_file(void *ctx, const char *name, struct str bytes)
{
    struct files *f = ctx;
    if (f->count == f->capacity) {
        f->capacity = f->capacity ? f->capacity * 2 : 64;
        f->list = realloc(f->list, f->capacity * sizeof *f->list);
        ASSERT(f->list != NULL);
    }
    const char *kept = arena_strdup(&f->arena, name);
    ASSERT(kept != NULL);
    f->list[f->count++] = (struct archive_file){kept, bytes};
}

/* Puts the collected files, and forgets them. */
static int put(struct files *f, const char *log_folder, const char *kind, const char *id, struct error *e)
{
    int rc = archive_put(log_folder, kind, id, f->list, f->count, e);
    f->count = 0;
    return rc;
}

static int put_world(struct files *f, const struct snapshot *s, const char *log_folder, struct error *e)
{
    struct buf zones;
    buf_init(&zones, TZ_BYTES_MAX);
    tzdb_bytes(s->policy->zones, &zones);
    add_file(f, ARCHIVE_WORLD_FILE, (struct str){(const char *)zones.p, zones.n});
    int rc = buf_ok(&zones) ? put(f, log_folder, "world", s->world_id, e)
                            : error_set(e, ERR_NOSPACE, "the time zones do not fit into memory");
    buf_free(&zones);
    return rc;
}

int activate_archive(const struct snapshot *s, const char *log_folder, struct error *e)
{
    struct files f = {0};
    arena_init(&f.arena, NAMES_MEMORY_MAX);
    for (size_t i = 0; i < s->policy->file_count; i++)
        add_file(&f, s->policy->files[i].name, s->policy->files[i].text);
    int rc = put(&f, log_folder, "policy", s->policy->id, e);
    if (!rc && s->binding) {
        lineup_each_file(s->lineup, add_file, &f);
        rc = put(&f, log_folder, "model", lineup_binding_id(s->binding), e);
    }
    if (!rc)
        rc = put_world(&f, s, log_folder, e);
    free(f.list);
    arena_free(&f.arena);
    return rc;
}

/* ---- names ---- */

int activate_log_names(const struct worker_config *c, const struct names *known, struct error *e)
{
    uint32_t highest = names_highest(known);
    Tact__V1__LogRecord record;
    Tact__V1__NamesRecord names;
    tact__v1__log_record__init(&record);
    tact__v1__names_record__init(&names);
    Tact__V1__NamesRecord__Name *bodies = calloc(highest + 1, sizeof *bodies);
    names.names = calloc(highest + 1, sizeof *names.names);
    ASSERT(bodies && names.names);
    for (uint32_t id = 1; id <= highest; id++) {
        struct str text = names_text(known, id);
        if (!text.n)
            continue;
        Tact__V1__NamesRecord__Name *n = &bodies[names.n_names];
        tact__v1__names_record__name__init(n);
        n->id = id;
        n->name = (char *)text.p; /* ends in NUL */
        names.names[names.n_names++] = n;
    }
    record.written_ms = c->clock.wall_ms(c->clock.ctx);
    record.server = (char *)c->server;
    record.record_case = TACT__V1__LOG_RECORD__RECORD_NAMES;
    record.names = &names;
    size_t n = tact__v1__log_record__get_packed_size(&record);
    uint8_t *bytes = malloc(n);
    ASSERT(bytes != NULL);
    tact__v1__log_record__pack(&record, bytes);
    int rc = c->sink.append(c->sink.ctx, (struct str){(const char *)bytes, n}, NULL, NULL);
    free(bytes);
    free(bodies);
    free(names.names);
    return rc ? error_set(e, rc, "the dictionary of names could not be logged: %s", error_meaning(rc)) : 0;
}

static void finish(struct activation *a, int code, const char *text)
{
    activate_done done = a->done;
    void *user = a->user;
    snapshot_release(&a->snapshot);
    free(a);
    done(user, code, text);
}

static int take_names(struct activation *a, const uint32_t *ids, struct error *e)
{
    for (size_t i = 0; i < a->count; i++)
        if (names_add(a->names, a->list[i], ids[i]))
            return error_set(
                e, ERR_CONFLICT,
                "the store's dictionary gives '%.*s' another id than before: it is another store, or it was "
                "emptied; restart this server",
                STR_ARG(a->list[i]));
    return 0;
}

static void on_names(void *user, const struct store_reply *r)
{
    struct activation *a = user;
    struct error e = {0};
    if (r->status != STORE_OK) {
        finish(a, ERR_UNAVAILABLE, r->error ? r->error : store_status_name(r->status));
        return;
    }
    int rc = take_names(a, r->ids, &e);
    if (!rc && !a->verify) {
        rc = policy_bind(a->snapshot->policy, a->names, &e);
        if (!rc)
            rc = activate_log_names(a->config, a->names, &e);
    }
    finish(a, rc, e.text);
}

static void start(const struct worker_config *c, struct names *names, const struct activation *what, int64_t deadline_us, activate_done done, void *user)
{
    struct activation *a = malloc(sizeof *a);
    ASSERT(a != NULL);
    *a = *what;
    a->config = c;
    a->names = names;
    a->done = done;
    a->user = user;
    snapshot_hold(a->snapshot);
    store_names(c->store, a->list, a->count, deadline_us, on_names, a);
}

void activate(const struct worker_config *c, struct names *names, struct snapshot *snapshot, int64_t deadline_us,
              activate_done done, void *user)
{
    struct activation all = {.snapshot = snapshot, .list = snapshot->names, .count = snapshot->name_count};
    start(c, names, &all, deadline_us, done, user);
}

void activate_verify(const struct worker_config *c, struct names *names, struct snapshot *snapshot, size_t *before,
                     size_t most, int64_t deadline_us, activate_done done, void *user)
{
    size_t end = *before > 0 && *before <= snapshot->name_count ? *before : snapshot->name_count;
    size_t n = end < most ? end : most;
    struct activation some = {.snapshot = snapshot, .list = snapshot->names + (end - n), .count = n, .verify = true};
    *before = end - n;
    start(c, names, &some, deadline_us, done, user);
}

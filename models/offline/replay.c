/* Both passes over a log; see replay.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/replay.h"
#include "decide/decision_wire.h"
#include "decide/request_wire.h"
#include "log/log_reader.h"
#include "models/offline/message_diff.h"
#include "models/offline/replay_setup.h"
#include "state/codec.h"
#include "tact/v1/log.pb-c.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { RECORD_MEMORY = 256 << 20, WORK_MEMORY = 256 << 20, PROGRESS_RECORDS = 64 };

struct replay {
    const struct replay_options *o;
    struct replay_counts *counts;
    struct names *names;
    struct replay_setup setups[REPLAY_SETUPS_MAX];
    size_t setup_count;
    uint64_t uses;
    struct arena record, work; /* the decoded record; everything made for it */
    struct log_reader *reader;
    int pass; /* 0 or 1 */
};

/* ---- decoding ---- */

static void *allocate(void *arena, size_t n)
{
    return arena_alloc(arena, n);
}

static void release(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

static ProtobufCMessage *decode(const ProtobufCMessageDescriptor *d, const void *p, size_t n,
                                struct arena *arena)
{
    ProtobufCAllocator allocator = {.alloc = allocate, .free = release, .allocator_data = arena};
    return protobuf_c_message_unpack(d, &allocator, n, p);
}

/* Which of LogRecord's records it is (the field's number), without decoding it; 0 when the bytes are none. */
static uint32_t record_kind(struct str bytes)
{
    struct cursor c = cursor_of(bytes.p, bytes.n);
    uint32_t kind = 0;
    while (cursor_left(&c) && !c.failed) {
        uint64_t key = cursor_varint(&c);
        if (key >> 3 >= TACT__V1__LOG_RECORD__RECORD_NAMES && key >> 3 <= UINT32_MAX)
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

/* ---- findings ---- */

static void tell(struct replay *r, enum replay_trouble trouble, const char *decision, struct str customer,
                 const struct message_difference *d, const char *text)
{
    struct replay_finding f = {.trouble = trouble, .decision = decision, .customer = customer, .text = text};
    f.field = d ? d->field : "";
    f.recorded = d ? d->a : "";
    f.replayed = d ? d->b : "";
    f.file = "";
    if (trouble != REPLAY_DAMAGE) /* whose text has its own place */
        log_read_where(r->reader, &f.file, &f.offset);
    r->o->finding(r->o->user, &f);
}

/* ---- setups ---- */

static struct replay_setup *setup_slot(struct replay *r)
{
    if (r->setup_count < REPLAY_SETUPS_MAX)
        return &r->setups[r->setup_count++];
    struct replay_setup *oldest = &r->setups[0];
    for (size_t i = 1; i < r->setup_count; i++)
        if (r->setups[i].used < oldest->used)
            oldest = &r->setups[i];
    replay_setup_free(oldest);
    return oldest;
}

/* The setup of a decision, from memory or from the archive; *fresh when it was loaded now. NULL when an id is
 * none. */
static struct replay_setup *setup_for(struct replay *r, const Tact__V1__DecisionRecord *m, bool *fresh)
{
    *fresh = false;
    if (strlen(m->policy_id) >= SETUP_ID_MAX || strlen(m->model_id) >= SETUP_ID_MAX ||
        strlen(m->world_id) >= SETUP_ID_MAX)
        return NULL;
    for (size_t i = 0; i < r->setup_count; i++) {
        struct replay_setup *s = &r->setups[i];
        if (strcmp(s->policy_id, m->policy_id) == 0 && strcmp(s->model_id, m->model_id) == 0 &&
            strcmp(s->world_id, m->world_id) == 0) {
            s->used = ++r->uses;
            return s;
        }
    }
    struct replay_setup *s = setup_slot(r);
    *s = (struct replay_setup){.used = ++r->uses};
    snprintf(s->policy_id, sizeof s->policy_id, "%s", m->policy_id);
    snprintf(s->model_id, sizeof s->model_id, "%s", m->model_id);
    snprintf(s->world_id, sizeof s->world_id, "%s", m->world_id);
    replay_setup_load(s, r->o->log, r->names);
    *fresh = true;
    return s;
}

/* ---- one decision ---- */

static int make_again(struct replay *r, const struct replay_setup *s, const Tact__V1__DecisionRecord *m,
                      const Tact__V1__DecideRequest *request, struct str *bytes, struct error *e)
{
    struct decide_request parsed;
    struct state state;
    struct decision d;
    int rc = request_decide(request, s->policy, m->now_ms, &r->work, &parsed, e);
    if (rc)
        return rc;
    struct str blob = {(const char *)m->state.data, m->state_unreadable ? 0 : m->state.len};
    rc = state_decode(&state, &s->policy->schema, blob, &r->work, e);
    if (rc)
        return rc;
    if (decide_apply_signals(&state, &parsed, m->now_ms) < 0)
        return error_set(e, ERR_NOSPACE, "the memory for one decision is full");
    struct decide_input in = {.policy = s->policy,
                              .scorer = s->binding ? &s->scorer : NULL,
                              .world_id = s->world_id,
                              .state = &state,
                              .state_unreadable = m->state_unreadable,
                              .request = &parsed,
                              .now_ms = m->now_ms,
                              .seed = m->seed};
    memcpy(in.decision_id.bytes, m->decision_id.data, sizeof in.decision_id.bytes);
    rc = decide(&in, &r->work, &d, e);
    return rc ? rc : decision_encode(&d, &r->work, bytes, e);
}

static void tell_difference(struct replay *r, const Tact__V1__DecisionRecord *m, struct str bytes,
                            const char *id, struct str customer)
{
    struct message_difference difference = {0};
    char text[256];
    const ProtobufCMessageDescriptor *type = &tact__v1__decision__descriptor;
    size_t at = 0;
    while (at < bytes.n && at < m->decision.len && (uint8_t)bytes.p[at] == m->decision.data[at])
        at++;
    ProtobufCMessage *recorded = decode(type, m->decision.data, m->decision.len, &r->work);
    ProtobufCMessage *replayed = decode(type, bytes.p, bytes.n, &r->work);
    if (!recorded || !replayed)
        snprintf(text, sizeof text, "the %s bytes are no Decision; they part at byte %zu",
                 recorded ? "replayed" : "recorded", at);
    else if (message_diff(recorded, replayed, &difference))
        snprintf(text, sizeof text, "the decision differs");
    else
        snprintf(text, sizeof text, "all fields are equal, but the bytes part at byte %zu", at);
    tell(r, REPLAY_DIFFERS, id, customer, &difference, text);
}

static void on_decision(struct replay *r, const Tact__V1__DecisionRecord *m)
{
    struct error e = {0};
    char id[ID128_TEXT] = "";
    struct str customer = {0}, bytes = {0};
    bool fresh = true;
    r->counts->decisions++;
    if (strcmp(m->engine_version, ENGINE_VERSION) != 0) {
        r->counts->skipped++;
        return;
    }
    Tact__V1__DecideRequest *request = (Tact__V1__DecideRequest *)decode(
        &tact__v1__decide_request__descriptor, m->request.data, m->request.len, &r->work);
    if (request && m->decision_id.len == sizeof(struct id128)) {
        struct id128 raw;
        memcpy(raw.bytes, m->decision_id.data, sizeof raw.bytes);
        id128_text(raw, id);
        customer = str_from(request->customer_id);
        struct replay_setup *s = setup_for(r, m, &fresh);
        if (!s)
            error_set(&e, ERR_INVALID, "the record's ids are too long");
        else if (s->why.code)
            e = s->why;
        else if (make_again(r, s, m, request, &bytes, &e))
            fresh = true;
    } else {
        error_set(&e, ERR_CORRUPT, "the record holds no request or no decision id");
    }
    if (e.code) {
        r->counts->failed++;
        if (fresh)
            tell(r, REPLAY_FAILS, id, customer, NULL, e.text);
        return;
    }
    if (str_eq(bytes, (struct str){(const char *)m->decision.data, m->decision.len})) {
        r->counts->identical++;
        return;
    }
    r->counts->differing++;
    tell_difference(r, m, bytes, id, customer);
}

/* ---- the passes ---- */

static int on_names(struct replay *r, const Tact__V1__NamesRecord *m, struct error *e)
{
    for (size_t i = 0; i < m->n_names; i++) {
        struct str name = str_from(m->names[i]->name);
        int rc = names_add(r->names, name, m->names[i]->id);
        if (rc)
            return error_set(
                e, rc,
                "the log's dictionary contradicts itself: %.*s has the id %u here and another elsewhere",
                STR_ARG(name), m->names[i]->id);
    }
    return 0;
}

static int on_record(struct replay *r, struct str bytes, struct error *e)
{
    uint32_t kind = record_kind(bytes);
    uint32_t wanted =
        r->pass == 0 ? TACT__V1__LOG_RECORD__RECORD_NAMES : TACT__V1__LOG_RECORD__RECORD_DECISION;
    if (kind != wanted && kind != 0)
        return 0;
    arena_reset(&r->record);
    arena_reset(&r->work);
    Tact__V1__LogRecord *m =
        kind ? (Tact__V1__LogRecord *)decode(&tact__v1__log_record__descriptor, bytes.p, bytes.n, &r->record)
             : NULL;
    if (m && r->pass == 0 && m->record_case == TACT__V1__LOG_RECORD__RECORD_NAMES)
        return on_names(r, m->names, e);
    if (m && r->pass == 1 && m->record_case == TACT__V1__LOG_RECORD__RECORD_DECISION)
        on_decision(r, m->decision);
    else if (!m && r->pass == 1) {
        r->counts->damaged++;
        char text[4200];
        const char *file;
        uint64_t offset;
        log_read_where(r->reader, &file, &offset);
        snprintf(text, sizeof text, "%s: offset %llu: a record that is no LogRecord", file,
                 (unsigned long long)offset);
        tell(r, REPLAY_DAMAGE, "", (struct str){0}, NULL, text);
    }
    return 0;
}

/* at_end: segments that could not be opened count as done too. */
static void show_progress(struct replay *r, bool at_end)
{
    uint64_t done, total;
    log_read_progress(r->reader, &done, &total);
    if (r->o->progress)
        r->o->progress(r->o->user, (at_end ? total : done) + (r->pass ? total : 0), 2 * total);
}

static int run_pass(struct replay *r, struct error *e)
{
    struct str bytes;
    uint64_t done, total;
    int rc = log_read_open(&r->reader, r->o->log, e);
    if (rc)
        return rc;
    log_read_progress(r->reader, &done, &total);
    if (total == 0) {
        log_read_close(&r->reader);
        return error_set(e, ERR_NOTFOUND, "%s: no log here: it holds no segment (*.tlog)", r->o->log);
    }
    for (uint64_t n = 0;; n++) {
        struct error damage = {0};
        int got = log_read_next(r->reader, &bytes, &damage);
        if (got == 0)
            break;
        if (got > 0) {
            if ((rc = on_record(r, bytes, e)))
                break;
        } else if (got == ERR_CORRUPT) {
            r->counts->damaged += r->pass == 1;
            if (r->pass)
                tell(r, REPLAY_DAMAGE, "", (struct str){0}, NULL, damage.text);
            log_read_skip(r->reader);
        } else {
            *e = damage;
            rc = got;
            break;
        }
        if (n % PROGRESS_RECORDS == 0)
            show_progress(r, false);
    }
    if (!rc)
        show_progress(r, true);
    log_read_close(&r->reader);
    return rc;
}

int replay_verify(const struct replay_options *o, struct replay_counts *out, struct error *e)
{
    struct stat info;
    *out = (struct replay_counts){0};
    if (stat(o->log, &info) != 0)
        return error_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s", o->log, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return error_set(e, ERR_INVALID,
                         "%s is no folder; a log is the folder with the segments and the archive", o->log);
    struct replay *r = calloc(1, sizeof *r);
    ASSERT(r != NULL);
    r->o = o;
    r->counts = out;
    r->names = names_new();
    arena_init(&r->record, RECORD_MEMORY);
    arena_init(&r->work, WORK_MEMORY);
    int rc = 0;
    for (r->pass = 0; r->pass < 2 && !rc; r->pass++)
        rc = run_pass(r, e);
    for (size_t i = 0; i < r->setup_count; i++)
        replay_setup_free(&r->setups[i]);
    arena_free(&r->work);
    arena_free(&r->record);
    names_free(&r->names);
    free(r);
    return rc;
}

/* Decisions made again; see replay.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/replay.h"
#include "decide/apply.h"
#include "decide/decision_wire.h"
#include "decide/household.h"
#include "decide/request_wire.h"
#include "models/offline/log_scan.h"
#include "models/offline/message_diff.h"
#include "models/offline/replay_setup.h"
#include "state/codec.h"
#include <stdlib.h>

struct replay {
    const struct replay_options *o;
    struct replay_counts *counts;
    struct replay_setup setups[REPLAY_SETUPS_MAX];
    size_t setup_count;
    uint64_t uses;
    struct log_scan scan;
};

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
        log_read_where(r->scan.reader, &f.file, &f.offset);
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
    replay_setup_load(s, r->o->log, r->scan.names);
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
    int rc = request_decide(request, s->policy, m->now_ms, r->scan.work, &parsed, e);
    if (rc)
        return rc;
    struct str blob = {(const char *)m->state.data, m->state_unreadable ? 0 : m->state.len};
    rc = state_decode(&state, &s->policy->schema, blob, r->scan.work, e);
    if (rc)
        return rc;
    rc = apply_signals(s->policy, &state, parsed.signals, parsed.signal_count, m->now_ms, e);
    if (rc < 0)
        return rc;
    struct state household;
    bool shared = m->has_household;
    if (shared) {
        struct id128 id;
        memcpy(id.bytes, m->decision_id.data, sizeof id.bytes);
        blob = (struct str){(const char *)m->household.data, m->household.len};
        rc = household_decode(&household, &s->policy->schema, blob, m->household_unknown, m->now_ms, r->scan.work, e);
        if (rc < 0)
            return rc;
        (void)household_prepare(&household, &state, id);
    }
    struct decide_input in = {.policy = s->policy,
                              .scorer = s->binding ? &s->scorer : NULL,
                              .world_id = s->world_id,
                              .state = &state,
                              .household = shared ? &household : NULL,
                              .state_unverified = m->state_unverified,
                              .state_unreadable = m->state_unreadable,
                              .request = &parsed,
                              .now_ms = m->now_ms,
                              .seed = m->seed};
    memcpy(in.decision_id.bytes, m->decision_id.data, sizeof in.decision_id.bytes);
    rc = decide(&in, r->scan.work, &d, e);
    return rc ? rc : decision_encode(&d, r->scan.work, bytes, e);
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
    ProtobufCMessage *recorded = log_message(type, m->decision.data, m->decision.len, r->scan.work);
    ProtobufCMessage *replayed = log_message(type, bytes.p, bytes.n, r->scan.work);
    if (!recorded || !replayed)
        snprintf(text, sizeof text, "the %s bytes are no Decision; they part at byte %zu",
                 recorded ? "replayed" : "recorded", at);
    else if (message_diff(recorded, replayed, &difference))
        snprintf(text, sizeof text, "the decision differs");
    else
        snprintf(text, sizeof text, "all fields are equal, but the bytes part at byte %zu", at);
    tell(r, REPLAY_DIFFERS, id, customer, &difference, text);
}

static int on_decision(void *ctx, const Tact__V1__DecisionRecord *m, struct error *ignored)
{
    struct replay *r = ctx;
    (void)ignored; /* one that cannot be made again is a finding, and the scan goes on */
    struct error e = {0};
    char id[ID128_TEXT] = "";
    struct str customer = {0}, bytes = {0};
    bool fresh = true;
    r->counts->decisions++;
    if (strcmp(m->engine_version, ENGINE_VERSION) != 0) {
        r->counts->skipped++;
        return 0;
    }
    Tact__V1__DecideRequest *request = log_request(m, r->scan.work);
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
        return 0;
    }
    if (str_eq(bytes, (struct str){(const char *)m->decision.data, m->decision.len})) {
        r->counts->identical++;
        return 0;
    }
    r->counts->differing++;
    tell_difference(r, m, bytes, id, customer);
    return 0;
}

static void on_damage(void *ctx, const char *text)
{
    struct replay *r = ctx;
    r->counts->damaged++;
    tell(r, REPLAY_DAMAGE, "", (struct str){0}, NULL, text);
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
    const struct replay *r = ctx;
    if (r->o->progress)
        r->o->progress(r->o->user, done, total);
}

int replay_verify(const struct replay_options *o, struct replay_counts *out, struct error *e)
{
    *out = (struct replay_counts){0};
    struct replay *r = calloc(1, sizeof *r);
    ASSERT(r != NULL);
    r->o = o;
    r->counts = out;
    r->scan =
        (struct log_scan){.decision = on_decision, .damage = on_damage, .progress = on_progress, .ctx = r};
    struct names *names = names_new(); /* policies of the setups are bound to it */
    r->scan.names = names;
    int rc = log_scan(&r->scan, o->log, e);
    for (size_t i = 0; i < r->setup_count; i++)
        replay_setup_free(&r->setups[i]);
    names_free(&names);
    free(r);
    return rc;
}

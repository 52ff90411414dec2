/* Requests of tact.v1 against the policy; see request_wire.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "decide/request_wire.h"
#include "decide/request_fields.h"
#include "state/preferences.h"
#include <stdarg.h>

enum { CONSENT_SOURCE_MAX = 64 };

/* ---- signals ---- */

enum { PATH_MAX_BYTES = 256 };

/* Where in the request something is wrong; nothing while where is NULL, since formatting takes longer than all checks. */
static const char *path_of(char path[PATH_MAX_BYTES], const char *where, const char *format, ...) PRINTF_LIKE(3, 4);
static const char *path_of(char path[PATH_MAX_BYTES], const char *where, const char *format, ...)
{
    va_list args;
    path[0] = 0;
    if (!where)
        return path;
    size_t n = (size_t)snprintf(path, PATH_MAX_BYTES, "%s.", where);
    va_start(args, format);
    vsnprintf(path + n, PATH_MAX_BYTES - n, format, args);
    va_end(args);
    return path;
}

/* where: at most 32 bytes, or NULL while nobody reads the error's text. */
static int signal_at(const char *where, const Tact__V1__Signal *m, const struct policy *p, int64_t now_ms,
                     struct arena *arena, struct signal *out, struct error *e)
{
    const struct schema *schema = &p->schema;
    char path[PATH_MAX_BYTES];
    struct str id;
    *out = (struct signal){0}; /* its place may have been that of a rejected one */
    int rc = request_id(path_of(path, where, "event_id"), m->event_id, DECIDE_ID_MAX, &id, e);
    if (rc)
        return rc;
    long at = schema_signal_told(schema, str_from(m->name));
    if (at < 0)
        return request_unknown(e, path_of(path, where, "name"), str_from(m->name), &schema->signals->name, sizeof *schema->signals,
                            schema->signal_count);
    rc = request_time(where ? where : "", m->time_ms, now_ms, &out->time_ms, e);
    if (rc)
        return rc;
    long channel = m->channel[0] ? policy_channel_find(p, str_from(m->channel)) : -1;
    if (m->channel[0] && channel < 0)
        return request_unknown(e, path_of(path, where, "channel"), str_from(m->channel), &p->channels->word.name, sizeof *p->channels,
                            p->channel_count);
    if (channel >= 0) {
        out->channel = p->channels[channel].word.name;
        out->channel_id = p->channels[channel].word.id;
    }
    const struct schema_signal *g = &schema->signals[at];
    struct value *properties = arena_zalloc(arena, g->property_count * sizeof *properties);
    if (!properties)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    for (size_t i = 0; i < m->n_properties; i++) {
        const Tact__V1__Signal__PropertiesEntry *entry = m->properties[i];
        long k = request_field(g->properties, g->property_count, entry->key);
        if (k < 0)
            return request_unknown(e, path_of(path, where, "properties"), str_from(entry->key),
                                g->property_count ? &g->properties->name : NULL, sizeof *g->properties,
                                g->property_count);
        path_of(path, where, "properties[%.64s]", entry->key);
        if (!entry->value)
            return error_set(e, ERR_INVALID, "%s: has no value; leave the property out instead", path);
        if (g->properties[k].was.count && properties[k].type != VALUE_UNKNOWN)
            return error_set(e, ERR_INVALID, "%s: %.*s is here by an earlier name too; give it once", path,
                             STR_ARG(g->properties[k].name));
        rc = request_value(path, &g->properties[k], entry->value, &properties[k], e);
        if (rc)
            return rc;
    }
    out->index = (uint32_t)at;
    out->event = hash64(id.p, id.n);
    out->properties = properties;
    return 0;
}

/* The signal of that index. What is wrong with it is looked for again when it is to be told. */
static int signal_of(size_t index, const Tact__V1__Signal *m, const struct policy *p, int64_t now_ms, struct arena *arena,
                     struct signal *out, struct error *e)
{
    char where[32];
    int rc = signal_at(NULL, m, p, now_ms, arena, out, NULL);
    if (!rc)
        return 0;
    snprintf(where, sizeof where, "signals[%zu]", index);
    return signal_at(where, m, p, now_ms, arena, out, e);
}

static int signals_of(size_t n, Tact__V1__Signal *const *messages, const struct policy *p, int64_t now_ms,
                      struct arena *arena, struct signal **out, struct error *e)
{
    if (n > DECIDE_SIGNALS_MAX)
        return error_set(e, ERR_INVALID, "signals: %zu; at most %d a request are allowed", n,
                         DECIDE_SIGNALS_MAX);
    *out = arena_zalloc(arena, n * sizeof **out);
    if (!*out)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    for (size_t i = 0; i < n; i++) {
        int rc = signal_of(i, messages[i], p, now_ms, arena, &(*out)[i], e);
        if (rc)
            return rc;
    }
    return 0;
}

int request_signals(const Tact__V1__SignalRequest *m, const struct policy *p, int64_t now_ms,
                    struct arena *arena, struct signal_batch *out, struct error *e)
{
    *out = (struct signal_batch){0};
    if (m->n_signals == 0 || m->n_signals > DECIDE_SIGNALS_MAX)
        return error_set(e, ERR_INVALID, "signals: %zu; 1 to %d are allowed", m->n_signals, DECIDE_SIGNALS_MAX);
    out->signals = arena_zalloc(arena, m->n_signals * sizeof *out->signals);
    out->rejected = arena_zalloc(arena, m->n_signals * sizeof *out->rejected);
    if (!out->signals || !out->rejected)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    struct error first = {0};
    for (size_t i = 0; i < m->n_signals; i++) {
        struct error why = {0};
        int rc = signal_of(i, m->signals[i], p, now_ms, arena, &out->signals[out->count], &why);
        if (!rc) {
            out->count++;
            continue;
        }
        const char *reason = arena_strdup(arena, why.text);
        if (rc != ERR_INVALID || !reason)
            return error_set(e, ERR_NOSPACE, "the request's memory is full");
        if (out->rejected_count == 0)
            first = why;
        out->rejected[out->rejected_count++] = (struct signal_rejection){i, reason};
    }
    if (out->count)
        return 0;
    *e = first;
    return ERR_INVALID;
}

/* ---- decide ---- */

static int placements_of(const Tact__V1__DecideRequest *m, const struct policy_channel *c,
                         struct arena *arena, struct decide_request *out, struct error *e)
{
    if (m->n_placements > DECIDE_PLACEMENTS_MAX)
        return error_set(e, ERR_INVALID, "placements: %zu; at most %d are allowed", m->n_placements,
                         DECIDE_PLACEMENTS_MAX);
    out->placements = arena_alloc(arena, m->n_placements * sizeof *out->placements);
    if (!out->placements)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    for (size_t i = 0; i < m->n_placements; i++) {
        char where[48];
        snprintf(where, sizeof where, "placements[%zu]", i);
        struct str name = str_from(m->placements[i]);
        long at = policy_placement_find(c, name);
        if (at < 0)
            return request_unknown(e, where, name, c->placements, sizeof *c->placements, c->placement_count);
        for (size_t k = 0; k < i; k++)
            if (str_eq(out->placements[k], name))
                return error_set(e, ERR_INVALID, "%s: '%.*s' is asked for twice", where, STR_ARG(name));
        out->placements[i] = c->placements[at];
    }
    out->placement_count = m->n_placements;
    return 0;
}

static int context_of(const Tact__V1__DecideRequest *m, const struct policy *p, struct arena *arena,
                      struct decide_request *out, struct error *e)
{
    out->context = arena_zalloc(arena, p->context_count * sizeof *out->context);
    if (!out->context)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    for (size_t i = 0; i < m->n_context; i++) {
        const Tact__V1__DecideRequest__ContextEntry *entry = m->context[i];
        long at = request_field(p->context, p->context_count, entry->key);
        char where[96];
        if (at < 0)
            return request_unknown(e, "context", str_from(entry->key), &p->context->name, sizeof *p->context,
                                p->context_count);
        snprintf(where, sizeof where, "context[%.64s]", entry->key);
        if (!entry->value)
            return error_set(e, ERR_INVALID, "%s: has no value; leave the field out instead", where);
        int rc = request_value(where, &p->context[at], entry->value, &out->context[at], e);
        if (rc)
            return rc;
    }
    return 0;
}

static int mode_of(const Tact__V1__DecideRequest *m, const struct policy_channel *c,
                   struct decide_request *out, struct error *e)
{
    if ((unsigned)m->mode > TACT__V1__MODE__RESERVE)
        return error_set(e, ERR_INVALID, "mode: unknown %d; allowed: PEEK (0), FRESH (1), RESERVE (2)",
                         (int)m->mode);
    out->mode = (enum decide_mode)m->mode;
    if (out->mode == MODE_RESERVE && !c->outbound)
        return error_set(
            e, ERR_INVALID,
            "mode: RESERVE is for outbound channels; %.*s is inbound, where IMPRESSION outcomes are counted: "
            "use PEEK or FRESH",
            STR_ARG(c->word.name));
    return 0;
}

int request_decide(const Tact__V1__DecideRequest *m, const struct policy *p, int64_t now_ms,
                   struct arena *arena, struct decide_request *out, struct error *e)
{
    *out = (struct decide_request){
        .explain = m->explain, .as_of_ms = m->as_of_ms, .request_id = str_from(m->request_id)};
    int rc = request_customer(request_customer_fields, m->customer_id, m->alias, p, arena, &out->customer, e);
    if (rc)
        return rc;
    if (out->request_id.n > DECIDE_ID_MAX)
        return error_set(e, ERR_INVALID, "request_id has %zu bytes; at most %d are allowed",
                         out->request_id.n, DECIDE_ID_MAX);
    long channel = policy_channel_find(p, str_from(m->channel));
    if (channel < 0)
        return request_unknown(e, "channel", str_from(m->channel), &p->channels->word.name, sizeof *p->channels,
                            p->channel_count);
    out->channel = (uint32_t)channel;
    const struct policy_channel *c = &p->channels[channel];
    out->locale = str_from(m->locale);
    if (out->locale.n > 35)
        return error_set(e, ERR_INVALID, "locale has %zu bytes; at most 35 are allowed, like fa or en-GB",
                         out->locale.n);
    if (m->max_actions > DECIDE_ACTIONS_MAX)
        return error_set(e, ERR_INVALID, "max_actions: %u; at most %d are allowed", m->max_actions,
                         DECIDE_ACTIONS_MAX);
    out->max_actions = m->max_actions ? m->max_actions : m->n_placements ? (uint32_t)m->n_placements : 1;
    if ((rc = mode_of(m, c, out, e)) || (rc = placements_of(m, c, arena, out, e)) ||
        (rc = context_of(m, p, arena, out, e)))
        return rc;
    out->signal_count = m->n_signals;
    return signals_of(m->n_signals, m->signals, p, now_ms, arena, &out->signals, e);
}

/* ---- upsert ---- */

/* where: as signal_at's. */
static int consent_at(const char *where, const Tact__V1__Consent *m, const struct policy *p, int64_t now_ms,
                      struct consent *out, struct error *e)
{
    char path[PATH_MAX_BYTES];
    long channel = policy_channel_find(p, str_from(m->channel));
    if (channel < 0)
        return request_unknown(e, path_of(path, where, "channel"), str_from(m->channel), &p->channels->word.name, sizeof *p->channels,
                            p->channel_count);
    int purpose = 0;
    while (purpose < PURPOSE_COUNT && !str_is(p->purposes[purpose].name, m->purpose))
        purpose++;
    if (purpose == PURPOSE_COUNT)
        return request_unknown(e, path_of(path, where, "purpose"), str_from(m->purpose), &p->purposes->name, sizeof *p->purposes,
                            PURPOSE_COUNT);
    *out = (struct consent){.channel = p->channels[channel].word.id,
                            .purpose = p->purposes[purpose].id,
                            .granted = m->granted,
                            .source = str_from(m->source)};
    if (out->source.n > CONSENT_SOURCE_MAX)
        return error_set(e, ERR_INVALID, "%s has %zu bytes; at most %d are allowed", path_of(path, where, "source"),
                         out->source.n, CONSENT_SOURCE_MAX);
    return request_time(where ? where : "", m->time_ms, now_ms, &out->time_ms, e);
}

static int consent_of(size_t index, const Tact__V1__Consent *m, const struct policy *p, int64_t now_ms, struct consent *out,
                      struct error *e)
{
    char where[32];
    int rc = consent_at(NULL, m, p, now_ms, out, NULL);
    if (!rc)
        return 0;
    snprintf(where, sizeof where, "consents[%zu]", index);
    return consent_at(where, m, p, now_ms, out, e);
}

/* A part and its two values, given together or not at all. */
static int both(const char *a, bool has_a, const char *b, bool has_b, struct error *e)
{
    if (has_a == has_b)
        return 0;
    return error_set(e, ERR_INVALID, "preferences.%s: given without %s", has_a ? a : b, has_a ? b : a);
}

static int quiet_of(const Tact__V1__Preferences *m, struct preferences *out, struct error *e)
{
    const struct {
        const char *name, *text;
        int16_t *minute;
    } ends[] = {{"quiet_from", m->quiet_from, &out->quiet_from}, {"quiet_to", m->quiet_to, &out->quiet_to}};
    for (size_t i = 0; i < 2; i++)
        if (!clock_parse(str_from(ends[i].text), false, ends[i].minute))
            return error_set(e, ERR_INVALID, "preferences.%s: '%.*s' is no time of day like 22:00", ends[i].name,
                             STR_ARG(str_cut(str_from(ends[i].text), 32)));
    if (out->quiet_from == out->quiet_to)
        return error_set(e, ERR_INVALID, "preferences.quiet_to: the same as quiet_from; for no contact at all ask for a pause");
    return 0;
}

static int cleared(const Tact__V1__Preferences *m, int64_t time_ms, struct preferences *out, struct error *e)
{
    static const struct str words[] = {{"channel", 7}, {"quiet_hours", 11}, {"pause", 5}, {"less_often", 10}};
    int64_t *const times[] = {&out->channel_ms, &out->quiet_ms, &out->pause_ms, &out->less_ms};
    for (size_t i = 0; i < m->n_clear; i++) {
        char where[48];
        size_t k = 0;
        while (k < 4 && !str_is(words[k], m->clear[i]))
            k++;
        snprintf(where, sizeof where, "preferences.clear[%zu]", i);
        if (k == 4)
            return request_unknown(e, where, str_from(m->clear[i]), words, sizeof *words, 4);
        if (*times[k])
            return error_set(e, ERR_INVALID, "%s: %s is set by the same request", where, m->clear[i]);
        *times[k] = time_ms;
        if (times[k] == &out->quiet_ms)
            out->quiet_from = out->quiet_to = PREFERENCE_NO_QUIET;
    }
    return 0;
}

static int preferences_of(const Tact__V1__Preferences *m, const struct policy *p, int64_t now_ms,
                          struct preferences *out, struct error *e)
{
    int64_t time_ms;
    int rc = request_time("preferences", m->time_ms, now_ms, &time_ms, e);
    if (!rc)
        rc = both("quiet_from", m->quiet_from[0], "quiet_to", m->quiet_to[0], e);
    if (rc)
        return rc;
    if (m->channel[0]) {
        long at = policy_channel_find(p, str_from(m->channel));
        if (at < 0)
            return request_unknown(e, "preferences.channel", str_from(m->channel), &p->channels->word.name,
                                   sizeof *p->channels, p->channel_count);
        out->channel = p->channels[at].word.id;
        out->channel_ms = time_ms;
    }
    if (m->quiet_from[0]) {
        if ((rc = quiet_of(m, out, e)))
            return rc;
        out->quiet_ms = time_ms;
    }
    if (m->paused_until_ms < 0 || m->paused_until_ms > TIMESTAMP_MAX_MS)
        return error_set(e, ERR_INVALID, "preferences.paused_until_ms: %lld is no time in Unix milliseconds",
                         (long long)m->paused_until_ms);
    if (m->paused_until_ms) {
        out->paused_until_ms = m->paused_until_ms;
        out->pause_ms = time_ms;
    }
    if (m->per_ms || m->at_most) {
        if (m->per_ms < PREFERENCE_PER_MIN_MS || m->per_ms > PREFERENCE_PER_MAX_MS || m->per_ms % 60000)
            return error_set(e, ERR_INVALID, "preferences.per_ms: %lld; 1 hour to 30 days in whole minutes is allowed",
                             (long long)m->per_ms);
        if (m->at_most < 1 || m->at_most > PREFERENCE_LESS_MAX)
            return error_set(e, ERR_INVALID,
                             "preferences.at_most: %u; 1 to %d is allowed; for no contact at all ask for a pause, or "
                             "withdraw consent",
                             m->at_most, PREFERENCE_LESS_MAX);
        out->less_at_most = m->at_most;
        out->less_per_ms = m->per_ms;
        out->less_ms = time_ms;
    }
    return cleared(m, time_ms, out, e);
}

int request_upsert(const Tact__V1__UpsertRequest *m, const struct policy *p, int64_t now_ms,
                   struct arena *arena, struct upsert *out, struct error *e)
{
    const struct schema *schema = &p->schema;
    *out = (struct upsert){.change_count = m->n_profile, .consent_count = m->n_consents};
    if (m->n_consents > STATE_CONSENTS_MAX)
        return error_set(e, ERR_INVALID, "consents: %zu; at most %d are allowed", m->n_consents,
                         STATE_CONSENTS_MAX);
    out->changes = arena_zalloc(arena, m->n_profile * sizeof *out->changes);
    out->consents = arena_zalloc(arena, m->n_consents * sizeof *out->consents);
    if (!out->changes || !out->consents)
        return error_set(e, ERR_NOSPACE, "the request's memory is full");
    for (size_t i = 0; i < m->n_profile; i++) {
        const Tact__V1__UpsertRequest__ProfileEntry *entry = m->profile[i];
        long at = request_field(schema->attributes, schema->attribute_count, entry->key);
        char where[96];
        if (at < 0)
            return request_unknown(e, "profile", str_from(entry->key), &schema->attributes->name,
                                sizeof *schema->attributes, schema->attribute_count);
        for (size_t k = 0; schema->attributes[at].was.count && k < i; k++)
            if (out->changes[k].attribute == (size_t)at)
                return error_set(e, ERR_INVALID, "profile[%.64s]: %.*s is here by an earlier name too; give it once", entry->key,
                                 STR_ARG(schema->attributes[at].name));
        out->changes[i].attribute = (size_t)at;
        if (!entry->value || entry->value->kind_case == TACT__V1__VALUE__KIND__NOT_SET)
            continue; /* it is removed */
        int rc = request_value("", &schema->attributes[at], entry->value, &out->changes[i].value, NULL);
        if (rc) {
            snprintf(where, sizeof where, "profile[%.64s]", entry->key);
            return request_value(where, &schema->attributes[at], entry->value, &out->changes[i].value, e);
        }
        if (at == p->zone_attribute && !tz_find(p->zones, value_str(out->changes[i].value)))
            return error_set(e, ERR_INVALID,
                             "profile[%.64s]: unknown time zone '%.*s'; allowed: IANA names like Asia/Tehran", entry->key,
                             STR_ARG(str_cut(str_from(entry->value->string_value), 64)));
    }
    for (size_t i = 0; i < m->n_consents; i++) {
        int rc = consent_of(i, m->consents[i], p, now_ms, &out->consents[i], e);
        if (rc)
            return rc;
    }
    return m->preferences ? preferences_of(m->preferences, p, now_ms, &out->preferences, e) : 0;
}

int upsert_apply(const struct upsert *u, struct state *s, int64_t now_ms, struct error *e)
{
    for (size_t i = 0; i < u->change_count; i++)
        if (state_set_attribute(s, u->changes[i].attribute, u->changes[i].value, now_ms))
            return error_set(e, ERR_NOSPACE, "the request's memory is full");
    for (size_t i = 0; i < u->consent_count; i++)
        if (state_set_consent(s, &u->consents[i]))
            return error_set(e, ERR_NOSPACE, "more than %d consents for one customer", STATE_CONSENTS_MAX);
    preferences_set(s, &u->preferences);
    return 0;
}

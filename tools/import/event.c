/* Lines of a history as events; see event.h.
 *
 *   event = u32 its bytes | u64 hash of the customer | i64 time | u16 length, customer | v file, line, offset | byte kind |
 *           what the kind has
 *
 * The fixed part is in the machine's byte order. Values are written as in a customer's blob (codec_value.h).
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/import/event.h"
#include "decide/apply.h"
#include "decide/outcome_wire.h"
#include "decide/request_wire.h"
#include "net/proto_json.h"
#include "state/codec_value.h"
#include "state/preferences.h"
#include "tools/plain_json.h"
#include <math.h>

enum kind { KIND_UPSERT, KIND_SIGNAL, KIND_CONTACT, KIND_RECORD, KINDS };

/* ---- the wrapper ---- */

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    return p;
}

/* Behind a string that begins at p; NULL: it does not end. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\')
            p++;
    return p < end ? p + 1 : NULL;
}

static int no_event(struct error *e)
{
    return error_set(e, ERR_INVALID, "expected one object like {\"signal\": {…}}; allowed: upsert, signal, record_contact, record");
}

/* The next `"key":` at *p; false: there is none. */
static bool read_key(const char **p, const char *end, struct str *key)
{
    const char *from = skip_space(*p, end), *behind = from < end && *from == '"' ? skip_string(from, end) : NULL;
    if (!behind)
        return false;
    *key = (struct str){from + 1, (size_t)(behind - from) - 2};
    behind = skip_space(behind, end);
    if (behind == end || *behind != ':')
        return false;
    *p = skip_space(behind + 1, end);
    return true;
}

/* Over the value of a member that a file of rejected lines begins with, and the comma. */
static bool skip_member(const char **p, const char *end)
{
    const char *at = *p;
    if (at < end && *at == '"')
        at = skip_string(at, end);
    else
        while (at < end && *at >= '0' && *at <= '9')
            at++;
    at = at ? skip_space(at, end) : end;
    if (at == end || *at != ',')
        return false;
    *p = at + 1;
    return true;
}

/* {"signal": X} gives the kind and X. */
static int unwrap(struct str line, enum kind *kind, struct str *inner, struct error *e)
{
    static const char *const keys[KINDS] = {"upsert", "signal", "record_contact", "record"};
    const char *p = skip_space(line.p, line.p + line.n), *end = line.p + line.n;
    struct str key;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r' || end[-1] == '\n'))
        end--;
    if (end - p < 2 || *p != '{' || end[-1] != '}')
        return no_event(e);
    p++;
    end--;
    while (read_key(&p, end, &key)) {
        if (str_is(key, IMPORT_REJECTED_LINE) || str_is(key, IMPORT_REJECTED_BECAUSE)) {
            if (!skip_member(&p, end))
                return no_event(e);
            continue;
        }
        for (int k = 0; k < KINDS; k++)
            if (str_is(key, keys[k])) {
                *kind = (enum kind)k;
                *inner = (struct str){p, (size_t)(end - p)};
                return 0;
            }
        const struct str names[KINDS] = {STR("upsert"), STR("signal"), STR("record_contact"), STR("record")};
        return request_unknown(e, "the line's member", key, names, sizeof *names, KINDS);
    }
    return no_event(e);
}

/* ---- writing ---- */

static void put_str(struct buf *out, struct str s)
{
    buf_varint(out, s.n);
    buf_str(out, s);
}

/* What all kinds begin with; the size is filled in by end_event. */
static size_t begin_event(struct buf *out, enum kind kind, struct str customer, int64_t time_ms,
                          const struct import_place *place)
{
    size_t at = out->n;
    uint64_t hash = hash64(customer.p, customer.n);
    uint16_t n = (uint16_t)customer.n;
    uint8_t *p = buf_reserve(out, IMPORT_EVENT_CUSTOMER);
    if (!p)
        return at;
    memcpy(p + 4, &hash, sizeof hash);
    memcpy(p + 12, &time_ms, sizeof time_ms);
    memcpy(p + 20, &n, sizeof n);
    out->n += IMPORT_EVENT_CUSTOMER;
    buf_str(out, customer);
    buf_varint(out, place->file);
    buf_varint(out, place->line);
    buf_varint(out, place->offset);
    buf_byte(out, (uint8_t)kind);
    return at;
}

static int end_event(struct buf *out, size_t at, struct error *e)
{
    if (!buf_ok(out))
        return error_set(e, ERR_NOSPACE, "the line does not fit the memory");
    uint32_t n = (uint32_t)(out->n - at);
    memcpy(out->p + at, &n, sizeof n);
    return 0;
}

static int check_time(int64_t time_ms, const struct import_clock *clock, struct error *e)
{
    if (time_ms < 0 || time_ms > TIMESTAMP_MAX_MS - WINDOW_MAX_MS)
        return error_set(e, ERR_INVALID, "%lld is no time in Unix milliseconds", (long long)time_ms);
    if (time_ms > clock->latest_ms)
        return error_set(e, ERR_INVALID, "its time lies %lld s ahead of now", (long long)((time_ms - clock->latest_ms) / 1000));
    return 0;
}

static int check_customer(const char *id, const Tact__V1__Alias *alias, struct str *out, struct error *e)
{
    if (alias)
        return error_set(e, ERR_INVALID, "alias: lines name customers by customer_id, which of an alias is \"type:value\"");
    return request_id("customer_id", id, DECIDE_CUSTOMER_MAX, out, e);
}

int import_upsert(const Tact__V1__UpsertRequest *m, int64_t time_ms, const struct policy *p, const struct import_clock *clock,
                  const struct import_place *place, struct arena *scratch, struct buf *out, struct error *e)
{
    struct upsert u;
    struct str customer;
    int64_t at_ms = m->as_of_ms ? m->as_of_ms : time_ms ? time_ms : clock->default_ms;
    int rc = check_customer(m->customer_id, m->alias, &customer, e);
    if (!rc)
        rc = check_time(at_ms, clock, e);
    if (!rc)
        rc = request_upsert(m, p, at_ms, scratch, &u, e);
    if (rc)
        return rc;
    size_t at = begin_event(out, KIND_UPSERT, customer, at_ms, place);
    buf_varint(out, u.change_count);
    for (size_t i = 0; i < u.change_count; i++) {
        buf_varint(out, u.changes[i].attribute);
        value_put(out, u.changes[i].value);
    }
    buf_varint(out, u.consent_count);
    for (size_t i = 0; i < u.consent_count; i++) {
        const struct consent *c = &u.consents[i];
        buf_varint(out, c->channel);
        buf_varint(out, c->purpose);
        buf_byte(out, c->granted);
        buf_svarint(out, c->time_ms);
        put_str(out, c->source);
    }
    preferences_put(out, &u.preferences);
    return end_event(out, at, e);
}

/* When a request arrived of which the latest time is known. */
static int64_t arrival(int64_t as_of_ms, int64_t latest_ms, const struct import_clock *clock)
{
    return as_of_ms ? as_of_ms : latest_ms ? latest_ms : clock->default_ms;
}

static int line_signal(const Tact__V1__SignalRequest *m, const struct policy *p, const struct import_clock *clock,
                       const struct import_place *place, struct arena *scratch, struct buf *out, struct error *e)
{
    struct signal_batch b;
    struct str customer;
    int64_t latest_ms = 0;
    for (size_t i = 0; i < m->n_signals; i++)
        latest_ms = m->signals[i]->time_ms > latest_ms ? m->signals[i]->time_ms : latest_ms;
    int64_t at_ms = arrival(m->as_of_ms, latest_ms, clock);
    int rc = check_customer(m->customer_id, m->alias, &customer, e);
    if (!rc)
        rc = check_time(at_ms, clock, e);
    if (!rc)
        rc = request_signals(m, p, at_ms, scratch, &b, e);
    if (!rc && b.rejected_count)
        rc = error_set(e, ERR_INVALID, "%s", b.rejected[0].reason);
    if (rc)
        return rc;
    size_t at = begin_event(out, KIND_SIGNAL, customer, at_ms, place);
    buf_varint(out, b.count);
    for (size_t i = 0; i < b.count; i++) {
        const struct signal *g = &b.signals[i];
        buf_varint(out, g->index);
        buf_u64le(out, g->event);
        buf_svarint(out, at_ms - g->time_ms);
        buf_varint(out, (uint64_t)(g->channel_id ? policy_channel_of_id(p, g->channel_id) + 1 : 0));
        for (size_t k = 0; k < p->schema.signals[g->index].property_count; k++)
            value_put(out, g->properties[k]);
    }
    return end_event(out, at, e);
}

static int line_contact(const Tact__V1__RecordContactRequest *m, const struct policy *p, const struct import_clock *clock,
                        const struct import_place *place, struct arena *scratch, struct buf *out, struct error *e)
{
    struct outside_contact c;
    struct str customer;
    int64_t at_ms = arrival(m->as_of_ms, m->time_ms, clock);
    int rc = check_customer(m->customer_id, m->alias, &customer, e);
    if (!rc)
        rc = check_time(at_ms, clock, e);
    if (!rc)
        rc = request_contact(m, customer, p, at_ms, scratch, &c, e);
    if (rc)
        return rc;
    const struct contact *k = &c.contact;
    size_t at = begin_event(out, KIND_CONTACT, customer, at_ms, place);
    buf_append(out, k->decision.bytes, sizeof k->decision.bytes);
    buf_u64le(out, c.event);
    buf_svarint(out, c.action);
    buf_varint(out, k->action);
    buf_varint(out, k->channel);
    buf_varint(out, k->purpose);
    buf_varint(out, k->group);
    buf_varint(out, k->issue);
    buf_varint(out, k->outcomes);
    buf_svarint(out, k->time_ms);
    return end_event(out, at, e);
}

static int check_record(const Tact__V1__RecordRequest *m, const struct policy *p, struct outcome *o, struct error *e)
{
    struct str id;
    int rc = request_id("outcome_id", m->outcome_id, DECIDE_ID_MAX, &id, e);
    if (rc)
        return rc;
    if (m->kind <= TACT__V1__RECORD_REQUEST__KIND__UNSPECIFIED || m->kind > TACT__V1__RECORD_REQUEST__KIND__REJECTION)
        return error_set(e, ERR_INVALID, "kind: %d; allowed: SENT, NOT_SENT, IMPRESSION, RESPONSE, CONVERSION, REJECTION",
                         (int)m->kind);
    if (!isfinite(m->value) || fabs(m->value) > STATE_NUMBER_MAX)
        return error_set(e, ERR_INVALID, "value: must be finite and at most 1e12 in size");
    if (m->value != 0 && m->kind != TACT__V1__RECORD_REQUEST__KIND__CONVERSION)
        return error_set(e, ERR_INVALID, "value: only a CONVERSION has one");
    if (m->handle[0])
        return error_set(e, ERR_INVALID, "handle: cannot be read here; give customer_id, decision_id and action_id");
    o->event = hash64_seed(id.p, id.n, EVENT_SEED_OUTCOME);
    o->kind = m->kind;
    o->value = m->value;
    if (!m->action_id[0])
        return 0;
    long action = policy_action_find(p, str_from(m->action_id));
    if (action < 0)
        return request_unknown(e, "action_id", str_from(m->action_id), &p->actions->word.name, sizeof *p->actions,
                               p->action_count);
    o->action = p->actions[action].word.id;
    return 0;
}

static int line_record(const Tact__V1__RecordRequest *m, const struct policy *p, const struct import_clock *clock,
                       const struct import_place *place, struct arena *scratch, struct buf *out, struct error *e)
{
    struct outcome o = {0};
    struct str customer, decision;
    int64_t at_ms = arrival(m->as_of_ms, m->time_ms, clock);
    int rc = check_customer(m->customer_id, NULL, &customer, e);
    if (!rc)
        rc = check_time(at_ms, clock, e);
    if (!rc)
        rc = check_record(m, p, &o, e);
    if (!rc)
        rc = request_id("decision_id", m->decision_id, DECIDE_ID_MAX, &decision, e);
    if (!rc)
        rc = request_time("", m->time_ms, at_ms, &o.time_ms, e);
    if (rc)
        return rc;
    if (!id128_parse(decision, &o.decision) && contact_decision(customer, decision, scratch, &o.decision))
        return error_set(e, ERR_NOSPACE, "the line does not fit the memory");
    size_t at = begin_event(out, KIND_RECORD, customer, at_ms, place);
    buf_byte(out, (uint8_t)o.kind);
    buf_u64le(out, o.event);
    buf_append(out, o.decision.bytes, sizeof o.decision.bytes);
    buf_varint(out, o.action);
    value_put(out, value_double(o.value));
    buf_svarint(out, o.time_ms);
    return end_event(out, at, e);
}

int import_line(struct str line, const struct policy *p, const struct import_clock *clock, const struct import_place *place,
                struct arena *scratch, struct buf *out, struct error *e)
{
    static const ProtobufCMessageDescriptor *const types[KINDS] = {
        &tact__v1__upsert_request__descriptor, &tact__v1__signal_request__descriptor,
        &tact__v1__record_contact_request__descriptor, &tact__v1__record_request__descriptor};
    enum kind kind = KIND_UPSERT;
    struct str inner = line;
    size_t before = out->n;
    int rc = unwrap(line, &kind, &inner, e);
    if (rc)
        return rc;
    char *copy = arena_memdup(scratch, inner.p, inner.n);
    const ProtobufCMessage *m = copy ? plain_json(types[kind], copy, inner.n, scratch) : NULL;
    if (!m)
        m = proto_from_json_line(types[kind], inner, scratch, e);
    if (!m)
        return ERR_INVALID;
    switch (kind) {
    case KIND_UPSERT:
        rc = import_upsert((const Tact__V1__UpsertRequest *)m, 0, p, clock, place, scratch, out, e);
        break;
    case KIND_SIGNAL:
        rc = line_signal((const Tact__V1__SignalRequest *)m, p, clock, place, scratch, out, e);
        break;
    case KIND_CONTACT:
        rc = line_contact((const Tact__V1__RecordContactRequest *)m, p, clock, place, scratch, out, e);
        break;
    default:
        rc = line_record((const Tact__V1__RecordRequest *)m, p, clock, place, scratch, out, e);
    }
    if (rc)
        out->n = before;
    return rc;
}

/* ---- reading ---- */

const uint8_t *import_event_head(const uint8_t *p, struct import_event *out)
{
    struct import_key key;
    const uint8_t *next = import_event_key(p, &key), *rest = (const uint8_t *)key.customer.p + key.customer.n;
    out->customer_hash = key.customer_hash;
    out->time_ms = key.time_ms;
    out->customer = key.customer;
    out->rest = cursor_of(rest, (size_t)(next - rest));
    out->place.file = (uint32_t)cursor_varint(&out->rest);
    out->place.line = cursor_varint(&out->rest);
    out->place.offset = cursor_varint(&out->rest);
    ASSERT(!out->rest.failed);
    return next;
}

static bool seen_by(const struct state *known, uint64_t event)
{
    for (uint32_t i = 0; known && i < known->seen_count; i++)
        if (known->seen[i] == event)
            return true;
    return false;
}

static struct str get_str(struct cursor *c)
{
    size_t n = (size_t)cursor_varint(c);
    return (struct str){(const char *)cursor_bytes(c, n), n};
}

static struct consent get_consent(struct cursor *c)
{
    struct consent k = {.channel = (uint32_t)cursor_varint(c)};
    k.purpose = (uint32_t)cursor_varint(c);
    k.granted = cursor_byte(c);
    k.time_ms = cursor_svarint(c);
    k.source = get_str(c);
    return k;
}

bool import_event_ends_forgotten(const struct import_event *event, int64_t forgotten_ms)
{
    struct cursor c = event->rest;
    bool ends = false;
    if (cursor_byte(&c) != KIND_UPSERT)
        return false;
    for (uint64_t n = cursor_varint(&c); n > 0; n--) {
        struct value v;
        (void)cursor_varint(&c);
        ASSERT(value_get(&c, &v));
    }
    for (uint64_t n = cursor_varint(&c); n > 0; n--) {
        struct consent k = get_consent(&c);
        ends |= consent_ends_forgotten(&k, forgotten_ms);
    }
    return ends;
}

/* Older than what is there: it changes nothing, attribute by attribute. */
static int apply_upsert(struct cursor *c, int64_t time_ms, struct state *s, struct error *e)
{
    for (uint64_t n = cursor_varint(c); n > 0; n--) {
        size_t attribute = (size_t)cursor_varint(c);
        struct value v;
        ASSERT(value_get(c, &v));
        if (state_offer_attribute(s, attribute, v, time_ms) < 0)
            return error_set(e, ERR_NOSPACE, "the customer's state does not fit the memory");
    }
    for (uint64_t n = cursor_varint(c); n > 0; n--) {
        struct consent k = get_consent(c);
        if (state_set_consent(s, &k))
            return error_set(e, ERR_NOSPACE, "more than %d consents for one customer", STATE_CONSENTS_MAX);
    }
    struct preferences wishes = {0};
    ASSERT(preferences_get(c, &wishes) == 0);
    preferences_set(s, &wishes);
    return 1;
}

static int apply_signal_event(struct cursor *c, int64_t time_ms, const struct policy *p, const struct state *known,
                              struct state *s, struct arena *scratch, struct error *e)
{
    int applied = 0;
    for (uint64_t n = cursor_varint(c); n > 0; n--) {
        struct signal g = {.index = (uint32_t)cursor_varint(c)};
        g.event = cursor_u64le(c);
        g.time_ms = time_ms - cursor_svarint(c);
        uint64_t channel = cursor_varint(c);
        if (channel) {
            g.channel = p->channels[channel - 1].word.name;
            g.channel_id = p->channels[channel - 1].word.id;
        }
        size_t count = p->schema.signals[g.index].property_count;
        struct value *values = arena_alloc(scratch, count * sizeof *values);
        if (!values)
            return error_set(e, ERR_NOSPACE, "the customer's state does not fit the memory");
        for (size_t i = 0; i < count; i++)
            ASSERT(value_get(c, &values[i]));
        g.properties = values;
        if (seen_by(known, g.event))
            continue;
        int rc = apply_signals(p, s, &g, 1, time_ms, e);
        if (rc < 0)
            return rc;
        applied |= rc;
    }
    return applied;
}

static int apply_contact(struct cursor *c, int64_t time_ms, const struct policy *p, const struct state *known, struct state *s,
                         struct error *e)
{
    struct outside_contact o;
    memset(&o, 0, sizeof o);
    memcpy(o.contact.decision.bytes, cursor_bytes(c, sizeof o.contact.decision.bytes), sizeof o.contact.decision.bytes);
    o.event = cursor_u64le(c);
    o.action = (long)cursor_svarint(c);
    o.contact.action = (uint32_t)cursor_varint(c);
    o.contact.channel = (uint32_t)cursor_varint(c);
    o.contact.purpose = (uint32_t)cursor_varint(c);
    o.contact.group = (uint32_t)cursor_varint(c);
    o.contact.issue = (uint32_t)cursor_varint(c);
    o.contact.outcomes = (uint32_t)cursor_varint(c);
    o.contact.time_ms = cursor_svarint(c);
    return seen_by(known, o.event) ? 0 : outside_contact_apply(&o, p, s, time_ms, e);
}

/* What it was about is known by the contact, as far as that is kept; without one, by the action alone. */
static int apply_record(struct cursor *c, int64_t time_ms, const struct policy *p, const struct state *known, struct state *s,
                        struct error *e)
{
    struct value value;
    struct outcome o = {.kind = (Tact__V1__RecordRequest__Kind)cursor_byte(c)};
    o.event = cursor_u64le(c);
    memcpy(o.decision.bytes, cursor_bytes(c, sizeof o.decision.bytes), sizeof o.decision.bytes);
    o.action = (uint32_t)cursor_varint(c);
    ASSERT(value_get(c, &value));
    o.value = value.number;
    o.time_ms = cursor_svarint(c);
    if (seen_by(known, o.event))
        return 0;
    const struct contact *k = state_contact_find(s, o.decision, o.action);
    if (!k && !o.action)
        return error_set(e, ERR_NOTFOUND, "decision_id: no such contact is kept at that time; give the action_id, or record the "
                                          "contact before (record_contact) and name it by its contact_id");
    if (k) {
        o.action = k->action;
        o.channel = k->channel;
    }
    long channel = policy_channel_of_id(p, o.channel);
    bool sends = o.kind == TACT__V1__RECORD_REQUEST__KIND__SENT || o.kind == TACT__V1__RECORD_REQUEST__KIND__NOT_SENT;
    bool shows = o.kind == TACT__V1__RECORD_REQUEST__KIND__IMPRESSION;
    if (channel >= 0 && (p->channels[channel].outbound ? shows : sends))
        return error_set(e, ERR_INVALID, "kind: %s; %.*s is %s",
                         shows ? "IMPRESSION is for inbound channels" : "SENT and NOT_SENT are for outbound channels",
                         STR_ARG(p->channels[channel].word.name), p->channels[channel].outbound ? "outbound" : "inbound");
    return outcome_apply(&o, p, s, time_ms, e);
}

int import_event_apply(const struct import_event *event, const struct policy *p, const struct state *known, struct state *s,
                       struct arena *scratch, struct error *e)
{
    struct cursor c = event->rest;
    switch ((enum kind)cursor_byte(&c)) {
    case KIND_UPSERT:
        return apply_upsert(&c, event->time_ms, s, e);
    case KIND_SIGNAL:
        return apply_signal_event(&c, event->time_ms, p, known, s, scratch, e);
    case KIND_CONTACT:
        return apply_contact(&c, event->time_ms, p, known, s, e);
    default:
        return apply_record(&c, event->time_ms, p, known, s, e);
    }
}

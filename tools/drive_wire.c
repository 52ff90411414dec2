/* Acts become requests; see drive_wire.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/drive_wire.h"
#include "state/state.h"
#include "tact/v1/customers.pb-c.h"
#include "tact/v1/decisions.pb-c.h"

enum { PROFILE_MAX = 4, NAME_BYTES = POLICY_NAME_MAX + 1, VALUE_BYTES = STATE_TEXT_MAX + 1 };

static void pack(const ProtobufCMessage *m, struct buf *out)
{
    buf_clear(out);
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *to = buf_reserve(out, n);
    if (to)
        out->n = protobuf_c_message_pack(m, to);
}

static char *unconst(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void name_text(struct str name, char out[NAME_BYTES])
{
    snprintf(out, NAME_BYTES, "%.*s", STR_ARG(name));
}

static void value_text(struct str value, char out[VALUE_BYTES])
{
    snprintf(out, VALUE_BYTES, "%.*s", STR_ARG(value));
}

static void text_value(Tact__V1__Value *v, const char *text)
{
    tact__v1__value__init(v);
    v->kind_case = TACT__V1__VALUE__KIND_STRING_VALUE;
    v->string_value = unconst(text);
}

static void number_value(Tact__V1__Value *v, double number, bool whole)
{
    tact__v1__value__init(v);
    v->kind_case = whole ? TACT__V1__VALUE__KIND_INT_VALUE : TACT__V1__VALUE__KIND_NUMBER_VALUE;
    if (whole)
        v->int_value = (int64_t)number;
    else
        v->number_value = number;
}

/* ---- profile ---- */

void drive_wire_get(const struct life *l, struct buf *out)
{
    Tact__V1__GetRequest m;
    tact__v1__get_request__init(&m);
    m.customer_id = unconst(l->person.id);
    m.as_of_ms = l->now_ms;
    pack(&m.base, out);
}

struct profile {
    Tact__V1__UpsertRequest__ProfileEntry entries[PROFILE_MAX], *list[PROFILE_MAX];
    Tact__V1__Value values[PROFILE_MAX];
    char keys[PROFILE_MAX][NAME_BYTES];
    size_t count;
};

/* A place for the value of an attribute; NULL when the policy has no such attribute. */
static Tact__V1__Value *profile_add(struct profile *p, const struct world *w, long attribute)
{
    if (attribute < 0)
        return NULL;
    Tact__V1__UpsertRequest__ProfileEntry *entry = &p->entries[p->count];
    tact__v1__upsert_request__profile_entry__init(entry);
    name_text(w->policy->schema.attributes[attribute].name, p->keys[p->count]);
    entry->key = p->keys[p->count];
    entry->value = &p->values[p->count];
    p->list[p->count++] = entry;
    return entry->value;
}

static void profile_text(struct profile *p, const struct world *w, long attribute, const char *text)
{
    Tact__V1__Value *v = profile_add(p, w, attribute);
    if (v)
        text_value(v, text);
}

void drive_wire_upsert(const struct life *l, struct buf *out)
{
    static const char *const tiers[] = {"basic", "silver", "gold"};
    enum { CONSENTS_MAX = POLICY_CHANNELS_MAX * PURPOSE_COUNT };
    const struct world *w = l->world;
    const struct person *p = &l->person;
    struct profile profile = {.count = 0};
    Tact__V1__Consent consents[CONSENTS_MAX], *consent_list[CONSENTS_MAX];
    char channels[POLICY_CHANNELS_MAX][NAME_BYTES];
    Tact__V1__UpsertRequest m;
    tact__v1__upsert_request__init(&m);
    if (p->known) {
        profile_text(&profile, w, w->first_name, p->first_name);
        profile_text(&profile, w, w->tier, tiers[p->tier]);
        profile_text(&profile, w, w->locale, p->persian ? "fa" : "en");
        Tact__V1__Value *spend = profile_add(&profile, w, w->spend);
        if (spend)
            number_value(spend, p->spend_365d, false);
    }
    for (size_t i = 0; i < w->policy->channel_count; i++) {
        name_text(w->policy->channels[i].word.name, channels[i]);
        for (int purpose = 0; purpose < PURPOSE_COUNT; purpose++) {
            if (!w->policy->channels[i].consent[purpose])
                continue;
            Tact__V1__Consent *c = &consents[m.n_consents];
            tact__v1__consent__init(c);
            c->channel = channels[i];
            c->purpose = unconst(purpose_name((enum purpose)purpose));
            c->granted = p->consents[i][purpose];
            c->time_ms = l->now_ms;
            consent_list[m.n_consents++] = c;
        }
    }
    m.customer_id = unconst(p->id);
    m.profile = profile.list;
    m.n_profile = profile.count;
    m.consents = consent_list;
    m.as_of_ms = l->now_ms;
    pack(&m.base, out);
}

/* ---- signals ---- */

struct one_signal {
    Tact__V1__Signal signal;
    Tact__V1__Signal__PropertiesEntry entries[WORLD_PROPERTIES_MAX], *list[WORLD_PROPERTIES_MAX];
    Tact__V1__Value values[WORLD_PROPERTIES_MAX];
    char id[LIFE_ID_MAX];
};

static void build_signal(const struct life *l, const struct act *a, struct one_signal *s)
{
    const struct world_signal_map *map = &l->world->signals[a->signal];
    const struct schema_signal *def = &l->world->policy->schema.signals[map->index];
    const char *types = world_signal_types(a->signal);
    tact__v1__signal__init(&s->signal);
    life_id(l, a->number, s->id);
    s->signal.event_id = s->id;
    s->signal.name = unconst(world_signal_name(a->signal));
    s->signal.time_ms = a->time_ms;
    s->signal.properties = s->list;
    for (size_t i = 0; types[i]; i++) {
        const struct act_property *given = &a->properties[i];
        if (given->is_text)
            text_value(&s->values[i], given->text);
        else
            number_value(&s->values[i], given->number, def->properties[map->property[i]].type == VALUE_INT);
        tact__v1__signal__properties_entry__init(&s->entries[i]);
        s->entries[i].key = unconst(world_property_name(a->signal, i));
        s->entries[i].value = &s->values[i];
        s->list[s->signal.n_properties++] = &s->entries[i];
    }
}

void drive_wire_signals(const struct life *l, const struct act *acts, size_t count, struct buf *out)
{
    struct one_signal signals[DRIVE_SIGNALS_MAX];
    Tact__V1__Signal *list[DRIVE_SIGNALS_MAX];
    Tact__V1__SignalRequest m;
    ASSERT(count > 0 && count <= DRIVE_SIGNALS_MAX);
    tact__v1__signal_request__init(&m);
    for (size_t i = 0; i < count; i++) {
        build_signal(l, &acts[i], &signals[i]);
        list[i] = &signals[i].signal;
    }
    m.customer_id = unconst(l->person.id);
    m.signals = list;
    m.n_signals = count;
    m.as_of_ms = acts[count - 1].time_ms;
    pack(&m.base, out);
}

/* ---- moments and outcomes ---- */

void drive_wire_decide(const struct life *l, const struct act *moment, struct buf *out)
{
    const struct policy *p = l->world->policy;
    const struct policy_channel *c = &p->channels[moment->channel];
    char id[LIFE_ID_MAX], channel[NAME_BYTES], placement[VALUE_BYTES], field[NAME_BYTES], device[VALUE_BYTES];
    char *placements = placement;
    Tact__V1__DecideRequest m;
    Tact__V1__DecideRequest__ContextEntry entry, *entries = &entry;
    Tact__V1__Value value;
    tact__v1__decide_request__init(&m);
    life_id(l, moment->number, id);
    name_text(c->word.name, channel);
    m.request_id = id;
    m.customer_id = unconst(l->person.id);
    m.channel = channel;
    m.mode = c->outbound ? TACT__V1__MODE__RESERVE : TACT__V1__MODE__PEEK;
    m.explain = true;
    m.as_of_ms = moment->time_ms;
    if (moment->placement >= 0) {
        value_text(c->placements[moment->placement], placement);
        m.placements = &placements;
        m.n_placements = 1;
    }
    if (moment->device >= 0) {
        const struct schema_field *f = &p->context[l->world->device];
        name_text(f->name, field);
        value_text(f->domain[moment->device], device);
        tact__v1__decide_request__context_entry__init(&entry);
        text_value(&value, device);
        entry.key = field;
        entry.value = &value;
        m.context = &entries;
        m.n_context = 1;
    }
    pack(&m.base, out);
}

void drive_wire_record(const struct life *l, uint64_t moment, Tact__V1__RecordRequest__Kind kind,
                       const char *handle, double value, int64_t time_ms, struct buf *out)
{
    char id[LIFE_ID_MAX + 16];
    Tact__V1__RecordRequest m;
    tact__v1__record_request__init(&m);
    life_id(l, moment, id);
    size_t n = strlen(id);
    snprintf(id + n, sizeof id - n, "-%d", (int)kind);
    m.outcome_id = id;
    m.kind = kind;
    m.handle = unconst(handle);
    m.value = value;
    m.time_ms = time_ms;
    m.as_of_ms = time_ms;
    pack(&m.base, out);
}

/* An export, part by part; see export.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/export.h"
#include "net/proto_json.h"
#include "server/export_value.h"
#include "server/kept.h"
#include "state/aggregate_kinds.h"
#include "state/codec.h"
#include "state/preferences.h"
#include "state/reactions.h"
#include "tact/v1/decisions.pb-c.h"
#include <stdlib.h>

/* ---- attributes, consents, wishes ---- */

static void put_attribute(json_t *object, json_t *name, struct value v, int64_t set_ms)
{
    json_t *o = json_object();
    export_set(o, "value", export_value(v));
    export_set(o, v.type == VALUE_UNKNOWN ? "removed_at" : "set_at", export_time(set_ms));
    if (json_is_string(name))
        export_set(object, json_string_value(name), o);
    else
        json_decref(o);
    json_decref(name);
}

static json_t *attributes(const struct export_input *in)
{
    const struct state *s = in->state;
    json_t *all = json_object();
    for (size_t i = 0; i < s->schema->attribute_count; i++)
        if (s->attributes[i].type != VALUE_UNKNOWN || s->attribute_ms[i])
            put_attribute(all, export_text(s->schema->attributes[i].name), s->attributes[i],
                          s->attribute_ms[i]);
    return all;
}

static json_t *other_attributes(const struct export_input *in)
{
    const struct state *s = in->state;
    json_t *all = json_object();
    for (uint32_t i = 0; i < s->kept_attribute_count; i++) {
        const struct kept_attribute *k = &s->kept_attributes[i];
        put_attribute(all, export_word(in->names, k->id), k->value, k->time_ms);
    }
    return all;
}

static json_t *consents(const struct export_input *in)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < in->state->consent_count; i++) {
        const struct consent *c = &in->state->consents[i];
        json_t *o = json_object();
        export_set(o, "channel", export_word(in->names, c->channel));
        export_set(o, "purpose", export_word(in->names, c->purpose));
        export_set(o, "granted", json_boolean(c->granted));
        export_set(o, "at", export_time(c->time_ms));
        export_set(o, "source", export_text(c->source));
        export_add(all, o);
    }
    return all;
}

static json_t *clock_text(int16_t minute)
{
    return json_sprintf("%02d:%02d", minute / 60 % 24, minute % 60);
}

/* Of a part that was taken back its time alone is kept. */
static json_t *preferences(const struct export_input *in)
{
    const struct preferences *p = &in->state->preferences;
    json_t *o = json_object();
    if (p->channel_ms) {
        export_set(o, "channel", export_word(in->names, p->channel));
        export_set(o, "channel_set_at", export_time(p->channel_ms));
    }
    if (p->quiet_ms) {
        bool on = p->quiet_from != PREFERENCE_NO_QUIET;
        export_set(o, "quiet_from", on ? clock_text(p->quiet_from) : json_null());
        export_set(o, "quiet_to", on ? clock_text(p->quiet_to) : json_null());
        export_set(o, "quiet_set_at", export_time(p->quiet_ms));
    }
    if (p->pause_ms) {
        export_set(o, "paused_until", export_time(p->paused_until_ms));
        export_set(o, "pause_set_at", export_time(p->pause_ms));
    }
    if (p->less_ms) {
        export_set(o, "at_most", p->less_per_ms ? json_integer(p->less_at_most) : json_null());
        export_set(o, "per_minutes", p->less_per_ms ? json_integer(p->less_per_ms / 60000) : json_null());
        export_set(o, "less_often_set_at", export_time(p->less_ms));
    }
    return o;
}

/* ---- contacts, reactions, journey ---- */

static json_t *outcomes(uint32_t bits)
{
    static const char *const names[] = {"SENT", "IMPRESSION", "RESPONSE", "CONVERSION", "REJECTION"};
    json_t *all = json_array();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (bits >> i & 1)
            export_add(all, json_string(names[i]));
    return all;
}

static json_t *contacts(const struct export_input *in)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < in->state->contact_count; i++) {
        const struct contact *k = &in->state->contacts[i];
        char id[ID128_TEXT];
        id128_text(k->decision, id);
        json_t *o = json_object();
        export_set(o, "decision_id", json_string(id));
        export_set(o, "action", export_word(in->names, k->action));
        export_set(o, "channel", export_word(in->names, k->channel));
        export_set(o, "purpose", export_word(in->names, k->purpose));
        export_set(o, "group", export_word(in->names, k->group));
        export_set(o, "issue", export_word(in->names, k->issue));
        export_set(o, "at", export_time(k->time_ms));
        export_set(o, "lapses_at", export_time(k->expires_ms));
        export_set(o, "outcomes", outcomes(k->outcomes));
        export_set(o, "value", export_number((double)k->value / STATE_SUM_SCALE));
        export_add(all, o);
    }
    return all;
}

static json_t *reactions(const struct export_input *in)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < in->state->reaction_count; i++) {
        const struct reaction *k = &in->state->reactions[i];
        json_t *o = json_object(), *shows = json_array();
        for (int n = 0; n < k->show_count; n++)
            export_add(shows, export_time(k->shows[n] * 1000));
        export_set(o, "name", export_name(in->names, k->id));
        export_set(o, "shown", json_integer(k->shown));
        export_set(o, "latest_shows", shows);
        export_set(o, "responded", json_integer(k->responded));
        export_set(o, "converted", json_integer(k->converted));
        export_set(o, "rejected", json_integer(k->rejected));
        export_set(o, "answered_at", export_time(k->answered ? k->answered_s * 1000 : 0));
        export_add(all, o);
    }
    return all;
}

static json_t *journey(const struct export_input *in)
{
    const struct journey *j = &in->state->journey;
    json_t *o = json_object();
    export_set(o, "stage", export_word(in->names, j->stage));
    export_set(o, "entered_at", export_time(j->entered_ms));
    export_set(o, "previous_stage", export_word(in->names, j->previous));
    return o;
}

static json_t *touch_points(const struct export_input *in)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < in->state->touch_count; i++) {
        const struct touch *t = &in->state->touches[i];
        json_t *o = json_object();
        export_set(o, "name", export_name(in->names, t->id));
        export_set(o, "channel", export_word(in->names, t->channel));
        export_set(o, "at", export_time(t->second * 1000));
        export_add(all, o);
    }
    return all;
}

/* ---- aggregates, also those of other policies ---- */

static json_t *aggregates(const struct export_input *in)
{
    const struct state *s = in->state;
    json_t *all = json_array();
    for (size_t i = 0; i < s->schema->aggregate_count; i++) {
        const struct schema_aggregate *def = &s->schema->aggregates[i];
        if (aggregate_empty(def->kind, &s->aggregates[i]) && !s->aggregates[i].since_ms)
            continue;
        json_t *o = json_object();
        export_set(o, "name", export_text(def->name));
        export_set(o, "kind", json_string(export_aggregate_kind(def->kind)));
        export_set(o, "counts_since", export_time(s->aggregates[i].since_ms));
        const struct aggregate_state *a = aggregate_look(s, i);
        if (a)
            export_aggregate(o, def->kind, def, a);
        else
            export_set(o, "unreadable", export_bytes(s->aggregates[i].raw));
        export_add(all, o);
    }
    return all;
}

static bool put_payload(json_t *o, unsigned entry_kind, struct cursor c, struct arena *arena)
{
    struct aggregate_state a = {.decoded = true};
    if (entry_kind < ENTRY_AGGREGATES || entry_kind >= ENTRY_AGGREGATES_END)
        return false;
    enum aggregate_kind kind = (enum aggregate_kind)(entry_kind - ENTRY_AGGREGATES);
    if (aggregate_ops(kind)->get(&c, &a, arena) || c.failed || cursor_left(&c))
        return false;
    export_set(o, "kind", json_string(export_aggregate_kind(kind)));
    export_aggregate(o, kind, NULL, &a);
    return true;
}

static json_t *kept_entry(const struct export_input *in, const struct raw_entry *k)
{
    struct cursor c = cursor_of(k->payload.p, k->payload.n);
    unsigned kind = tag_kind(k->tag);
    json_t *o = json_object();
    export_set(o, "name", export_name(in->names, tag_id(k->tag)));
    if (kind == ENTRY_SINCE) {
        export_set(o, "counts_since", export_time(cursor_svarint(&c)));
        return o;
    }
    if (kind == ENTRY_ORPHAN) {
        kind = cursor_byte(&c);
        export_set(o, "unused_since", export_time((int64_t)cursor_varint(&c) * 86400000));
    }
    if (c.failed || !put_payload(o, kind, c, in->state->arena)) {
        export_set(o, "entry_kind", json_integer(kind));
        export_set(o, "unreadable", export_bytes(k->payload));
    }
    return o;
}

static json_t *kept_entries(const struct export_input *in)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < in->state->kept_count; i++)
        export_add(all, kept_entry(in, &in->state->kept[i]));
    return all;
}

/* ---- beside the state ---- */

static int by_name(const void *a, const void *b)
{
    const struct store_item *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return str_cmp(x->name, y->name);
}

/* A decision as its JSON; NULL when the bytes are none. */
static json_t *decision_of(struct str bytes)
{
    Tact__V1__Decision *d = tact__v1__decision__unpack(NULL, bytes.n, (const uint8_t *)bytes.p);
    if (!d)
        return NULL;
    struct buf text;
    struct error e;
    buf_init(&text, EXPORT_MAX);
    json_t *o =
        proto_to_json(&d->base, 0, &text, &e) ? NULL : json_loadb((const char *)text.p, text.n, 0, NULL);
    buf_free(&text);
    tact__v1__decision__free_unpacked(d, NULL);
    return o;
}

static json_t *record_of(const struct store_item *item)
{
    static const char *const modes[] = {"PEEK", "FRESH", "RESERVE"};
    struct kept k;
    json_t *o = json_object(), *decision = NULL;
    export_set(o, "decision_id", export_text(item->name));
    if (kept_read(item->value, &k) && (unsigned)k.mode <= MODE_RESERVE &&
        (decision = decision_of(k.decision))) {
        export_set(o, "mode", json_string(modes[k.mode]));
        export_set(o, "channel", export_text(k.channel));
        export_set(o, "decision", decision);
    } else {
        export_set(o, "unreadable", export_bytes(item->value));
    }
    return o;
}

static json_t *items(const struct export_input *in, enum store_item_kind kind)
{
    json_t *all = json_array();
    for (size_t i = 0; i < in->item_count; i++) {
        const struct store_item *item = &in->items[i];
        if (item->kind != kind)
            continue;
        json_t *o = kind == STORE_ITEM_RECORD ? record_of(item) : export_bytes(item->value);
        if (kind == STORE_ITEM_ASIDE)
            export_set(o, "sha1", export_text(item->name));
        export_add(all, o);
    }
    return all;
}

/* ---- all ---- */

/* Ids that lead here or from here, and bulk imports that brought something. */
static void put_origins(json_t *root, const struct export_input *in)
{
    const struct state *s = in->state;
    json_t *ids = json_array(), *imports = json_array();
    for (uint32_t i = 0; i < s->identity_count; i++) {
        json_t *o = json_object();
        export_set(o, "id", s->identities[i].id.n ? export_text(s->identities[i].id) : json_null());
        export_set(o, "merged_at", export_time(s->identities[i].time_ms));
        export_add(ids, o);
    }
    for (uint32_t i = 0; i < s->import_count; i++) {
        json_t *o = json_object();
        export_set(o, "import_hash", export_hash(s->imports[i].mark, 16));
        export_set(o, "until", export_time((int64_t)s->imports[i].day * 86400000));
        export_add(imports, o);
    }
    export_set(root, "leads_to", s->redirect.target.n ? export_text(s->redirect.target) : json_null());
    export_set(root, "other_ids", ids);
    export_set(root, "imports", imports);
}

static void put_state(json_t *root, const struct export_input *in)
{
    const struct state *s = in->state;
    export_set(root, "written_at", export_time(s->exists ? state_version_ms(s->version) : 0));
    export_set(root, "attributes", attributes(in));
    export_set(root, "attributes_of_other_policies", other_attributes(in));
    export_set(root, "consents", consents(in));
    export_set(root, "preferences", preferences(in));
    export_set(root, "contacts", contacts(in));
    export_set(root, "reactions", reactions(in));
    export_set(root, "journey", journey(in));
    export_set(root, "touch_points", touch_points(in));
    export_set(root, "aggregates", aggregates(in));
    export_set(root, "kept_for_other_policies", kept_entries(in));
    export_set(root, "seen_event_hashes", json_integer(s->seen_count));
    export_set(root, "earlier_state_lost_at", export_time(s->lost_ms));
    put_origins(root, in);
}

static int append(const char *text, size_t n, void *out)
{
    buf_append(out, text, n);
    return buf_ok(out) ? 0 : -1;
}

int export_json(const struct export_input *in, struct buf *out, struct error *e)
{
    json_t *root = json_object();
    export_set(root, "customer_id", export_text(in->customer));
    export_set(root, "exported_at", export_time(in->now_ms));
    if (in->state->forgotten_ms) {
        export_set(root, "forgotten_at", export_time(in->state->forgotten_ms));
    } else {
        if (in->item_count)
            qsort(in->items, in->item_count, sizeof *in->items, by_name);
        if (in->unreadable.n)
            export_set(root, "unreadable_state", export_bytes(in->unreadable));
        else
            put_state(root, in);
        export_set(root, "decisions", items(in, STORE_ITEM_RECORD));
        export_set(root, "set_aside", items(in, STORE_ITEM_ASIDE));
    }
    int rc = json_dump_callback(root, append, out, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(root);
    return rc ? error_set(e, ERR_NOSPACE, EXPORT_TOO_BIG, EXPORT_MAX) : 0;
}

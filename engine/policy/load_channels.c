/* Sections channels, aliases and places of a policy.
 *
 *   channels: name: {direction: inbound | outbound, cost, confirm_within, format: text | html,
 *                    quiet_hours: {from, to, except: [purposes]} in the customer's zone (the profile's time_zone, else the
 *                    brand's),
 *                    consent: [purposes], consent_unknown: block | allow, placements: […],
 *                    content: […]: the fields of a treatment; none: any}
 *   aliases:  [phone, card, device]: types of other names of customers, as requests give them; such a customer's id is
 *             "phone:+98…"
 *   places:   name: [{name, lat, lon}]                 for nearest_m(lat, lon, places.name)
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/load_channels.h"
#include "state/state.h"

enum { PLACES_MAX = 2000, ALIASES_MAX = 16 };

/* ---- channels ---- */

void loader_purposes(struct loader *l, const struct yaml_node *n, bool set[PURPOSE_COUNT])
{
    static const char *const words[] = {
#define X(name, text) text,
        POLICY_PURPOSES(X)
#undef X
            NULL};
    memset(set, 0, PURPOSE_COUNT * sizeof *set);
    if (yaml_is_null(n) || !yaml_expect(l->diags, n, YAML_SEQUENCE, "a list of purposes"))
        return;
    size_t index;
    for (size_t i = 0; i < n->count; i++)
        if (yaml_choice(l->diags, n->items[i], words, &index))
            set[index] = true;
}

static void load_clock(struct loader *l, const struct yaml_node *quiet, const char *key, int16_t *minute)
{
    struct str text;
    const struct yaml_node *n = yaml_get(quiet, key);
    if (!n)
        yaml_diag(l->diags, DIAG_ERROR, quiet, "quiet_hours has no %s", key);
    else if (yaml_string(l->diags, n, &text) && !clock_parse(text, false, minute))
        yaml_diag(l->diags, DIAG_ERROR, n, "expected a time of day like \"21:00\" (in quotes), got '%.*s'",
                  STR_ARG(text));
}

bool loader_quiet_hours(struct loader *l, const struct yaml_node *n, struct quiet_hours *out)
{
    static const char *const keys[] = {"from", "to", NULL};
    size_t errors = l->diags->errors;
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "quiet_hours like {from: \"21:00\", to: \"08:00\"}"))
        return false;
    yaml_known_keys(l->diags, n, "quiet_hours", keys);
    load_clock(l, n, "from", &out->from_minute);
    load_clock(l, n, "to", &out->to_minute);
    if (l->diags->errors == errors && out->from_minute == out->to_minute)
        yaml_diag(l->diags, DIAG_ERROR, n, "quiet_hours begin and end at the same time");
    return l->diags->errors == errors;
}

static void load_quiet(struct loader *l, const struct yaml_node *n, struct policy_channel *c)
{
    static const char *const keys[] = {"from", "to", "except", NULL};
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "quiet_hours like {from: \"21:00\", to: \"08:00\"}"))
        return;
    yaml_known_keys(l->diags, n, "quiet_hours", keys);
    load_clock(l, n, "from", &c->quiet.from_minute);
    load_clock(l, n, "to", &c->quiet.to_minute);
    if (yaml_get(n, "except"))
        loader_purposes(l, yaml_get(n, "except"), c->quiet_except);
    if (c->quiet.from_minute == c->quiet.to_minute)
        yaml_diag(l->diags, DIAG_ERROR, n,
                  "quiet_hours begin and end at the same time, so they would be empty or the whole day");
    c->quiet_set = true;
}

static void load_channel_consent(struct loader *l, const struct yaml_node *value, struct policy_channel *c)
{
    static const char *const unknown[] = {"block", "allow", NULL};
    size_t index;
    const struct yaml_node *n = yaml_get(value, "consent");
    c->consent[PURPOSE_PROMOTIONAL] = c->outbound;
    if (n)
        loader_purposes(l, n, c->consent);
    if ((n = yaml_get(value, "consent_unknown")) && yaml_choice(l->diags, n, unknown, &index))
        c->consent_unknown = index == 0 ? ON_UNKNOWN_BLOCK : ON_UNKNOWN_ALLOW;
}

static void load_channel_rest(struct loader *l, const struct yaml_node *value, struct policy_channel *c)
{
    static const char *const formats[] = {"text", "html", NULL};
    const struct yaml_node *n;
    size_t index;
    if ((n = yaml_get(value, "cost")))
        (void)yaml_double(l->diags, n, 0, 1e9, &c->cost);
    if ((n = yaml_get(value, "quiet_hours"))) {
        if (c->outbound)
            load_quiet(l, n, c);
        else
            yaml_diag(l->diags, DIAG_ERROR, n,
                      "quiet_hours are for outbound channels; on an inbound one the customer comes to us");
    }
    c->confirm_within_ms = 3600000;
    if ((n = yaml_get(value, "confirm_within")))
        (void)loader_duration(l, n, 1000, &c->confirm_within_ms);
    if ((n = yaml_get(value, "format")) && yaml_choice(l->diags, n, formats, &index))
        c->html = index == 1;
    if ((n = yaml_get(value, "placements")))
        (void)loader_words(l, n, 0, &c->placements, &c->placement_count);
    if ((n = yaml_get(value, "content")))
        (void)loader_words(l, n, 0, &c->content, &c->content_count);
}

void load_channel(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
                          size_t index)
{
    (void)index;
    static const char *const keys[] = {
        "direction",      "cost",   "quiet_hours", "consent", "consent_unknown",
        "confirm_within", "format", "placements",  "content", NULL};
    static const char *const directions[] = {"inbound", "outbound", NULL};
    struct policy *p = l->policy;
    struct policy_channel c = {0};
    if (!loader_name(l, key, true, "channel name", &c.word.name) ||
        !yaml_expect(l->diags, value, YAML_MAPPING, "a channel like {direction: inbound}"))
        return;
    if (policy_channel_find(p, c.word.name) >= 0) {
        yaml_diag(l->diags, DIAG_ERROR, key, "channel %.*s is declared twice", STR_ARG(c.word.name));
        return;
    }
    if (p->channel_count == POLICY_CHANNELS_MAX) {
        yaml_diag(l->diags, DIAG_ERROR, key, "more than %d channels", POLICY_CHANNELS_MAX);
        return;
    }
    yaml_known_keys(l->diags, value, "a channel", keys);
    c.word.path = loader_text(l, "channel.%.*s", STR_ARG(c.word.name));
    const struct yaml_node *n = yaml_get(value, "direction");
    size_t direction;
    if (!n)
        yaml_diag(l->diags, DIAG_ERROR, value, "channel %.*s has no direction: inbound or outbound",
                  STR_ARG(c.word.name));
    c.outbound = !n || !yaml_choice(l->diags, n, directions, &direction) || direction == 1;
    load_channel_consent(l, value, &c);
    load_channel_rest(l, value, &c);
    p->channels[p->channel_count++] = c;
}

/* ---- aliases ---- */

void load_alias(struct loader *l, const struct yaml_node *key, const struct yaml_node *value, size_t index)
{
    (void)key;
    struct policy *p = l->policy;
    struct str name;
    if (!loader_name(l, value, false, "type of alias", &name))
        return;
    if (index >= ALIASES_MAX) {
        yaml_diag(l->diags, DIAG_ERROR, value, "more than %d types of aliases", ALIASES_MAX);
        return;
    }
    for (size_t i = 0; i < p->alias_count; i++)
        if (str_eq(p->aliases[i], name)) {
            yaml_diag(l->diags, DIAG_ERROR, value, "alias '%.*s' is declared twice", STR_ARG(name));
            return;
        }
    p->aliases[p->alias_count++] = name;
}

/* ---- places ---- */

/* {name, lat, lon} as two of the list's numbers. */
static void load_place(struct loader *l, const struct yaml_node *n, struct value out[2])
{
    static const char *const keys[] = {"name", "lat", "lon", NULL};
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "a place like {name: Vanak, lat: 35.757, lon: 51.409}"))
        return;
    yaml_known_keys(l->diags, n, "a place", keys);
    for (int i = 0; i < 2; i++) {
        const struct yaml_node *at = yaml_get(n, keys[i + 1]);
        double number = 0;
        if (!at)
            yaml_diag(l->diags, DIAG_ERROR, n, "a place has no %s", keys[i + 1]);
        else if (yaml_double(l->diags, at, i ? -180 : -90, i ? 180 : 90, &number))
            out[i] = value_double(number);
    }
}

static void visit_places(struct loader *l, const struct yaml_node *key, const struct yaml_node *value, size_t index)
{
    (void)index;
    struct policy *p = l->policy;
    struct policy_places places = {0};
    if (!loader_name(l, key, false, "list of places", &places.name) ||
        !yaml_expect(l->diags, value, YAML_SEQUENCE, "places like [{name: Vanak, lat: 35.757, lon: 51.409}]"))
        return;
    for (size_t i = 0; i < p->places_count; i++)
        if (str_eq(p->places[i].name, places.name)) {
            yaml_diag(l->diags, DIAG_ERROR, key, "places.%.*s is declared twice", STR_ARG(places.name));
            return;
        }
    if (value->count == 0 || value->count > PLACES_MAX) {
        yaml_diag(l->diags, DIAG_ERROR, value, "%zu places; 1 to %d are allowed in one list", value->count, PLACES_MAX);
        return;
    }
    struct value *list = loader_alloc(l, 2 * value->count * sizeof *list);
    for (size_t i = 0; list && i < value->count; i++)
        load_place(l, value->items[i], list + 2 * i);
    places.list =
        (struct value){.type = VALUE_LIST, .detail = VALUE_DOUBLE, .n = (uint32_t)(2 * value->count), .list = list};
    if (list)
        p->places[p->places_count++] = places;
}

void load_places(struct loader *l)
{
    l->policy->places = loader_alloc(l, (loader_count(l, "places") + 1) * sizeof *l->policy->places);
    if (l->policy->places)
        (void)loader_each(l, "places", YAML_MAPPING, visit_places);
}

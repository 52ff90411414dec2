/* Sections brand, profile, context, signals of a policy; channels, aliases and places are in load_channels.c.
 *
 *   brand:    {name, time_zone, locales: [fa, en], week_start: saturday,
 *             retention: 730d (a customer's state goes so long after its last write, 1d to 4000d; not given: it stays)}
 *   profile:  name: {type: string | number | int | bool | timestamp | time_zone | locale | household, values: […],
 *                    range: [least, most] (of a number or int), was: an earlier name or a list of them (load_was.h)}
 *             A customer's locale may be any; where the brand lacks it, treatments of the same language go first, then
 *             those without a locale, then the brand's locales in order. A household is the id of a group of customers
 *             that share the contacts of limits over it (load_rules.h): 1 to 256 bytes.
 *   context:  name: {type, values}                     fields that a request may carry
 *   signals:  name: {properties: {name: type or {type, values, range, was}}, was,
 *                    negative: true or "expression over its properties": which of its events are bad moments,
 *                    consent: {withdraw: [purposes] or grant: [purposes], channel: own | all | name}: what its events do;
 *                    own is the channel that the signal came by, all channels when it tells none,
 *                    touch: false when its events are no touch points of the journey (load_journey.h)}
 *             types as of the profile, without time_zone, locale and household, and sentiment: a number from -1 to 1; all
 *             sentiments make up the mood
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/load_schema.h"
#include "policy/load_channels.h"
#include "policy/load_was.h"
#include "policy/signal_filter.h"
#include "state/state.h"
#include <math.h>

enum { RETENTION_MIN_DAYS = 1, RETENTION_MAX_DAYS = 4000 };
#define DAY_MS INT64_C(86400000)

/* ---- brand ---- */

static void load_retention(struct loader *l, const struct yaml_node *n)
{
    struct str text;
    int64_t ms;
    if (!yaml_string(l->diags, n, &text))
        return;
    if (duration_parse(text, &ms) && ms >= RETENTION_MIN_DAYS * DAY_MS && ms <= RETENTION_MAX_DAYS * DAY_MS) {
        l->policy->retention_ms = ms;
        l->retention = n;
    } else {
        yaml_diag(l->diags, DIAG_ERROR, n, "expected a duration from %dd to %dd like 400d or 52w, got '%.*s'",
                  RETENTION_MIN_DAYS, RETENTION_MAX_DAYS, STR_ARG(text));
    }
}

static void load_brand(struct loader *l)
{
    static const char *const keys[] = {"name", "time_zone", "locales", "week_start", "retention", NULL};
    static const char *const days[] = {"sunday",   "monday", "tuesday",  "wednesday",
                                       "thursday", "friday", "saturday", NULL};
    struct policy *p = l->policy;
    const struct yaml_node *brand = NULL;
    for (size_t f = 0; f < l->file_count; f++) {
        const struct yaml_node *n = yaml_get(l->files[f], "brand");
        if (n && brand)
            yaml_diag(l->diags, DIAG_ERROR, n, "a second brand section; the first is in %s", brand->file);
        else if (n)
            brand = n;
    }
    p->zone = tz_find(p->zones, STR("UTC"));
    p->week_start = 1;
    if (!brand) {
        diag_add(l->diags, DIAG_ERROR, p->folder.p, 0, 0,
                 "no brand section; write e.g. brand: {name: Acme, time_zone: Europe/London, locales: [en]}");
        return;
    }
    if (!yaml_expect(l->diags, brand, YAML_MAPPING, "brand"))
        return;
    yaml_known_keys(l->diags, brand, "brand", keys);
    const struct yaml_node *n = yaml_get(brand, "name");
    if (!n)
        yaml_diag(l->diags, DIAG_ERROR, brand, "brand has no name");
    else
        (void)yaml_string(l->diags, n, &p->brand);
    struct str zone;
    n = yaml_get(brand, "time_zone");
    if (!n) {
        yaml_diag(l->diags, DIAG_ERROR, brand, "brand has no time_zone, e.g. Asia/Tehran");
    } else if (yaml_string(l->diags, n, &zone)) {
        const struct tz *found = loader_zone(l, n, zone);
        p->zone = found ? found : p->zone;
    }
    if ((n = yaml_get(brand, "locales")))
        (void)loader_words(l, n, 1, &p->locales, &p->locale_count);
    size_t day;
    if ((n = yaml_get(brand, "week_start")) && yaml_choice(l->diags, n, days, &day))
        p->week_start = (int)day;
    if ((n = yaml_get(brand, "retention")))
        load_retention(l, n);
}

/* ---- fields ---- */

enum field_type {
    FIELD_STRING,
    FIELD_NUMBER,
    FIELD_INT,
    FIELD_BOOL,
    FIELD_TIMESTAMP,
    FIELD_TIME_ZONE, /* of the profile only, as the next */
    FIELD_LOCALE,
    FIELD_HOUSEHOLD,
    FIELD_SENTIMENT /* of signals only */
};

/* Whose field it is. */
enum field_home { HOME_PROFILE, HOME_CONTEXT, HOME_SIGNAL };

static bool field_type(struct loader *l, const struct yaml_node *n, enum field_home home, struct schema_field *f,
                       enum field_type *type)
{
    static const char *const plain[] = {"string", "number", "int", "bool", "timestamp", NULL};
    static const char *const of_profile[] = {"string",    "number",    "int",    "bool",
                                             "timestamp", "time_zone", "locale", "household", NULL};
    static const char *const of_signal[] = {"string", "number", "int", "bool", "timestamp", "sentiment", NULL};
    static const uint8_t types[] = {VALUE_STRING,    VALUE_DOUBLE, VALUE_INT,    VALUE_BOOL,
                                    VALUE_TIMESTAMP, VALUE_STRING, VALUE_STRING, VALUE_STRING, VALUE_DOUBLE};
    size_t index;
    if (!yaml_choice(l->diags, n, home == HOME_PROFILE ? of_profile : home == HOME_SIGNAL ? of_signal : plain, &index))
        return false;
    *type = home == HOME_SIGNAL && index == 5 ? FIELD_SENTIMENT : (enum field_type)index;
    f->type = types[*type];
    f->sentiment = f->ranged = *type == FIELD_SENTIMENT;
    if (f->sentiment) {
        f->least = -1;
        f->most = 1;
    }
    return true;
}

static void load_range(struct loader *l, const struct yaml_node *n, enum field_type type, struct schema_field *f)
{
    if (type != FIELD_NUMBER && type != FIELD_INT) {
        yaml_diag(l->diags, DIAG_ERROR, n, "only a number or an int has a range%s",
                  type == FIELD_SENTIMENT ? "; a sentiment is from -1 to 1" : "");
        return;
    }
    if (!yaml_expect(l->diags, n, YAML_SEQUENCE, "a range like [0, 10]"))
        return;
    if (n->count != 2 || !yaml_double(l->diags, n->items[0], -STATE_NUMBER_MAX, STATE_NUMBER_MAX, &f->least) ||
        !yaml_double(l->diags, n->items[1], -STATE_NUMBER_MAX, STATE_NUMBER_MAX, &f->most)) {
        if (n->count != 2)
            yaml_diag(l->diags, DIAG_ERROR, n, "a range is the least and the most, like [0, 10]");
        return;
    }
    f->ranged = f->least <= f->most;
    if (!f->ranged)
        yaml_diag(l->diags, DIAG_ERROR, n, "a range begins with the least: [%g, %g]", f->most, f->least);
    else if (type == FIELD_INT && (f->least != floor(f->least) || f->most != floor(f->most)))
        yaml_diag(l->diags, DIAG_ERROR, n, "the range of an int has whole numbers");
}

/* The type and the values of a field that has its name. */
static void load_type(struct loader *l, const struct yaml_node *value, enum field_home home, struct schema_field *f,
                      enum field_type *type)
{
    static const char *const keys[] = {"type", "values", "range", "was", NULL}, *const of_context[] = {"type", "values", "range", NULL};
    if (value->kind == YAML_SCALAR) {
        (void)field_type(l, value, home, f, type);
        return;
    }
    if (!yaml_expect(l->diags, value, YAML_MAPPING, "a declaration like {type: string, values: [a, b]}"))
        return;
    yaml_known_keys(l->diags, value, "a declaration", home == HOME_CONTEXT ? of_context : keys);
    if (home != HOME_CONTEXT)
        loader_was(l, value, home == HOME_PROFILE ? "profile." : NULL, &f->was);
    const struct yaml_node *n = yaml_get(value, "type");
    if (!n)
        yaml_diag(l->diags, DIAG_ERROR, value, "%.*s has no type", STR_ARG(f->name));
    if (!n || !field_type(l, n, home, f, type))
        return;
    if ((n = yaml_get(value, "range")))
        load_range(l, n, *type, f);
    struct str *domain;
    if (!(n = yaml_get(value, "values")))
        return;
    if (*type != FIELD_STRING)
        yaml_diag(l->diags, DIAG_ERROR, n, "only a string has values");
    else if (loader_words(l, n, 1, &domain, &f->domain_count))
        f->domain = domain;
}

/* name: type, or name: {type, values}. A field whose type is wrong is there with any type (VALUE_UNKNOWN), so
 * that its users get no finding of their own. */
static bool load_field(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
                       enum field_home home, const char *prefix, struct schema_field *f, enum field_type *type)
{
    *type = FIELD_STRING;
    if (!loader_name(l, key, false, "name", &f->name))
        return false;
    f->path = loader_text(l, "%s%.*s", prefix, STR_ARG(f->name));
    load_type(l, value, home, f, type);
    return true;
}

static void visit_attribute(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
                            size_t index)
{
    (void)index;
    struct policy *p = l->policy;
    struct schema_field f = {0};
    enum field_type type;
    if (!load_field(l, key, value, HOME_PROFILE, "profile.", &f, &type))
        return;
    if (schema_attribute(&p->schema, f.name) >= 0) {
        yaml_diag(l->diags, DIAG_ERROR, key, "profile.%.*s is declared twice", STR_ARG(f.name));
        return;
    }
    if (p->schema.attribute_count == SCHEMA_ATTRIBUTES_MAX) {
        yaml_diag(l->diags, DIAG_ERROR, key, "more than %d attributes", SCHEMA_ATTRIBUTES_MAX);
        return;
    }
    long at = (long)p->schema.attribute_count;
    long *special = type == FIELD_TIME_ZONE   ? &p->zone_attribute
                    : type == FIELD_LOCALE    ? &p->locale_attribute
                    : type == FIELD_HOUSEHOLD ? &p->household_attribute
                                              : NULL;
    if (special && *special >= 0)
        yaml_diag(l->diags, DIAG_ERROR, value, "a second attribute of this type; the first is %.*s",
                  STR_ARG(p->schema.attributes[*special].path));
    else if (special)
        *special = at;
    p->schema.attributes[p->schema.attribute_count++] = f;
}

static void visit_context(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
                          size_t index)
{
    (void)index;
    struct schema_field f = {0};
    enum field_type type;
    if (!load_field(l, key, value, HOME_CONTEXT, "context.", &f, &type))
        return;
    for (size_t i = 0; i < l->policy->context_count; i++)
        if (str_eq(l->policy->context[i].name, f.name)) {
            yaml_diag(l->diags, DIAG_ERROR, key, "context.%.*s is declared twice", STR_ARG(f.name));
            return;
        }
    l->policy->context[l->policy->context_count++] = f;
}

static void visit_signal(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
                         size_t index)
{
    (void)index;
    static const char *const keys[] = {"properties", "negative", "consent", "touch", "was", NULL};
    struct schema *schema = &l->policy->schema;
    struct schema_signal g = {.negative = SIGNAL_NEVER_NEGATIVE};
    if (!loader_name(l, key, false, "signal name", &g.name))
        return;
    loader_free_name(l, key, "a signal");
    if (schema_signal_find(schema, g.name) >= 0) {
        yaml_diag(l->diags, DIAG_ERROR, key, "signal %.*s is declared twice", STR_ARG(g.name));
        return;
    }
    if (schema->signal_count == SCHEMA_SIGNALS_MAX) {
        yaml_diag(l->diags, DIAG_ERROR, key, "more than %d signals", SCHEMA_SIGNALS_MAX);
        return;
    }
    g.path = loader_text(l, "signal.%.*s", STR_ARG(g.name));
    const struct yaml_node *properties = NULL;
    if (!yaml_is_null(value) &&
        yaml_expect(l->diags, value, YAML_MAPPING, "a signal like {properties: {sku: string}}")) {
        yaml_known_keys(l->diags, value, "a signal", keys);
        loader_was(l, value, "signal.", &g.was);
        properties = yaml_get(value, "properties");
        l->negative[schema->signal_count] = yaml_get(value, "negative");
        l->consent[schema->signal_count] = yaml_get(value, "consent");
        bool touch = true;
        if (yaml_get(value, "touch"))
            (void)yaml_bool(l->diags, yaml_get(value, "touch"), &touch);
        g.quiet = !touch;
    }
    if (properties && yaml_expect(l->diags, properties, YAML_MAPPING, "properties")) {
        if (properties->count > SCHEMA_PROPERTIES_MAX) {
            yaml_diag(l->diags, DIAG_ERROR, properties, "more than %d properties", SCHEMA_PROPERTIES_MAX);
            return;
        }
        const char *prefix = loader_text(l, "%.*s.", STR_ARG(g.name)).p;
        g.properties = loader_alloc(l, properties->count * sizeof *g.properties);
        enum field_type type;
        for (size_t i = 0; prefix && g.properties && i < properties->count; i++)
            if (load_field(l, properties->keys[i], properties->items[i], HOME_SIGNAL, prefix,
                           &g.properties[g.property_count], &type)) {
                if (str_is(g.properties[g.property_count].name, "channel"))
                    yaml_diag(l->diags, DIAG_WARNING, properties->keys[i],
                              "filters see this property as %.*s.channel, and no longer the channel by which the signal came",
                              STR_ARG(g.name));
                g.property_count++;
            }
    }
    schema->signals[schema->signal_count++] = g;
}

/* Which events of a signal are bad moments: `negative: true`, or an expression over its properties. After the channels, which
 * the expression may name. */
static void load_negative(struct loader *l, uint32_t signal, const struct yaml_node *n)
{
    struct str text;
    if (!n || !yaml_string(l->diags, n, &text))
        return;
    uint32_t *negative = &l->policy->schema.signals[signal].negative;
    if (str_is(text, "true") || str_is(text, "false")) {
        *negative = str_is(text, "true") ? UINT32_MAX : SIGNAL_NEVER_NEGATIVE;
        return;
    }
    struct scalar_report r;
    long filter = signal_filter(l, signal, text, 0, scalar_report(&r, l->diags, n));
    if (filter >= 0)
        *negative = (uint32_t)filter;
}

/* ---- what signals do ---- */

static void load_effect_channel(struct loader *l, const struct yaml_node *n, struct policy_consent_effect *out)
{
    struct str name;
    if (!n || !yaml_string(l->diags, n, &name) || str_is(name, "own"))
        return;
    long at = policy_channel_find(l->policy, name);
    out->channel = at >= 0 ? (uint32_t)at : EFFECT_ALL_CHANNELS;
    if (at < 0 && !str_is(name, "all")) {
        struct str *names = loader_channel_names(l);
        if (names)
            loader_unknown_word(l, n, "channel (or own, or all)", name, names, l->policy->channel_count);
    }
}

static void load_consent_effect(struct loader *l, uint32_t signal, const struct yaml_node *n)
{
    static const char *const keys[] = {"withdraw", "grant", "channel", NULL};
    if (!n || !yaml_expect(l->diags, n, YAML_MAPPING, "consent like {withdraw: [promotional], channel: own}"))
        return;
    yaml_known_keys(l->diags, n, "consent", keys);
    struct policy_consent_effect e = {.set = true, .channel = EFFECT_OWN_CHANNEL};
    const struct yaml_node *withdraw = yaml_get(n, "withdraw"), *grant = yaml_get(n, "grant");
    if (!withdraw == !grant) {
        yaml_diag(l->diags, DIAG_ERROR, n, "a signal either withdraws consent or grants it: {withdraw: [promotional]}");
        return;
    }
    e.granted = grant != NULL;
    loader_purposes(l, grant ? grant : withdraw, e.purposes);
    if ((grant ? grant : withdraw)->count == 0)
        yaml_diag(l->diags, DIAG_ERROR, n, "%s no purpose: it would do nothing", grant ? "grants" : "withdraws");
    load_effect_channel(l, yaml_get(n, "channel"), &e);
    l->policy->effects[signal] = e;
}

/* ---- all ---- */

void load_schema(struct loader *l)
{
    struct policy *p = l->policy;
    struct schema *s = &p->schema;
    s->attributes = loader_alloc(l, loader_count(l, "profile") * sizeof *s->attributes);
    p->context = loader_alloc(l, loader_count(l, "context") * sizeof *p->context);
    s->signals = loader_alloc(l, loader_count(l, "signals") * sizeof *s->signals);
    p->channels = loader_alloc(l, loader_count(l, "channels") * sizeof *p->channels);
    p->aliases = loader_alloc(l, loader_count(l, "aliases") * sizeof *p->aliases);
    l->negative = loader_alloc(l, loader_count(l, "signals") * sizeof *l->negative);
    l->consent = loader_alloc(l, loader_count(l, "signals") * sizeof *l->consent);
    p->effects = loader_alloc(l, loader_count(l, "signals") * sizeof *p->effects);
    if (!s->attributes || !p->context || !s->signals || !p->channels || !p->aliases || !l->negative || !l->consent || !p->effects)
        return;
    load_brand(l);
    loader_each(l, "profile", YAML_MAPPING, visit_attribute);
    loader_each(l, "context", YAML_MAPPING, visit_context);
    loader_each(l, "signals", YAML_MAPPING, visit_signal);
    loader_each(l, "channels", YAML_MAPPING, load_channel);
    loader_each(l, "aliases", YAML_SEQUENCE, load_alias);
    for (uint32_t i = 0; i < s->signal_count; i++)
        load_negative(l, i, l->negative[i]);
    for (uint32_t i = 0; i < s->signal_count; i++)
        load_consent_effect(l, i, l->consent[i]);
    if (p->channel_count == 0)
        diag_add(l->diags, DIAG_ERROR, p->folder.p, 0, 0,
                 "no channels section; write e.g. channels: {web: {direction: inbound}}");
}

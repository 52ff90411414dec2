/* Sections brand, profile, context, signals, channels, features of a policy.
 *
 *   brand:    {name, time_zone, locales: [fa, en], week_start: saturday}
 *   profile:  name: {type: string | number | int | bool | timestamp | time_zone | locale, values: […]}
 *   context:  name: {type, values}                     fields that a request may carry
 *   signals:  name: {properties: {name: type or {type, values}}}
 *   channels: name: {direction: inbound | outbound, cost, confirm_within, format: text | html,
 *                    quiet_hours: {from, to, except: [purposes]},
 *                    consent: [purposes], consent_unknown: block | allow, placements: […], content: […]}
 *   features: name: {count: signal, window} | {sum: signal.property, window} | {last: signal.property} |
 *                   {last_at: signal} | {age: signal} | {expr: "…"} |
 *                   {open: [signal.property that opens, signal.property that closes], window}
 *
 * A feature whose expression looks at the action (action.id, .issue, .group, .purpose, or action.<name>, a
 * constant under the actions' `features:`) is a pair feature, customer x action:
 *
 *   same_category: {expr: "last(cart_add.category) == action.category"}
 *
 * Wherever an action's own expressions or a model use it, it has its value for that action; it is unknown for
 * an action that lacks the constant. Actions that have it must agree on its type (numbers are doubles).
 * Suppressions, which are about many actions, cannot use it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/load_schema.h"
#include "policy/symbols.h"

/* ---- brand ---- */

static void load_brand(struct loader *l)
{
    static const char *const keys[] = {"name", "time_zone", "locales", "week_start", NULL};
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
        const struct tz *found = tz_find(p->zones, zone);
        struct suggest s;
        suggest_init(&s, zone);
        for (size_t i = 0; !found && i < tzdb_count(p->zones); i++)
            suggest_offer(&s, tz_name(tzdb_at(p->zones, i)));
        if (found)
            p->zone = found;
        else
            yaml_diag(l->diags, DIAG_ERROR, n,
                      "unknown time zone '%.*s'%s%.*s%s allowed: names of the IANA data base", STR_ARG(zone),
                      suggest_best(&s).n ? "; did you mean " : "", STR_ARG(suggest_best(&s)),
                      suggest_best(&s).n ? "?" : ";");
    }
    if ((n = yaml_get(brand, "locales")))
        (void)loader_strings(l, n, &p->locales, &p->locale_count);
    size_t day;
    if ((n = yaml_get(brand, "week_start")) && yaml_choice(l->diags, n, days, &day))
        p->week_start = (int)day;
}

/* ---- fields ---- */

enum field_type {
    FIELD_STRING,
    FIELD_NUMBER,
    FIELD_INT,
    FIELD_BOOL,
    FIELD_TIMESTAMP,
    FIELD_TIME_ZONE,
    FIELD_LOCALE
};

static bool field_type(struct loader *l, const struct yaml_node *n, bool profile, struct schema_field *f,
                       enum field_type *type)
{
    static const char *const plain[] = {"string", "number", "int", "bool", "timestamp", NULL};
    static const char *const all[] = {"string",    "number",    "int",    "bool",
                                      "timestamp", "time_zone", "locale", NULL};
    static const uint8_t types[] = {VALUE_STRING,    VALUE_DOUBLE, VALUE_INT,   VALUE_BOOL,
                                    VALUE_TIMESTAMP, VALUE_STRING, VALUE_STRING};
    size_t index;
    if (!yaml_choice(l->diags, n, profile ? all : plain, &index))
        return false;
    *type = (enum field_type)index;
    f->type = types[index];
    return true;
}

/* The type and the values of a field that has its name. */
static void load_type(struct loader *l, const struct yaml_node *value, bool profile, struct schema_field *f,
                      enum field_type *type)
{
    static const char *const keys[] = {"type", "values", NULL};
    if (value->kind == YAML_SCALAR) {
        (void)field_type(l, value, profile, f, type);
        return;
    }
    if (!yaml_expect(l->diags, value, YAML_MAPPING, "a declaration like {type: string, values: [a, b]}"))
        return;
    yaml_known_keys(l->diags, value, "a declaration", keys);
    const struct yaml_node *n = yaml_get(value, "type");
    if (!n)
        yaml_diag(l->diags, DIAG_ERROR, value, "%.*s has no type", STR_ARG(f->name));
    if (!n || !field_type(l, n, profile, f, type))
        return;
    struct str *domain;
    if (!(n = yaml_get(value, "values")))
        return;
    if (*type != FIELD_STRING)
        yaml_diag(l->diags, DIAG_ERROR, n, "only a string has values");
    else if (loader_strings(l, n, &domain, &f->domain_count))
        f->domain = domain;
}

/* name: type, or name: {type, values}. A field whose type is wrong is there with any type (VALUE_UNKNOWN), so
 * that its users get no finding of their own. */
static bool load_field(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
                       const char *prefix, struct schema_field *f, enum field_type *type)
{
    *type = FIELD_STRING;
    if (!loader_name(l, key, false, "name", &f->name))
        return false;
    f->path = loader_text(l, "%s%.*s", prefix, STR_ARG(f->name));
    load_type(l, value, strcmp(prefix, "profile.") == 0, f, type);
    return true;
}

static void visit_attribute(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
                            size_t index)
{
    (void)index;
    struct policy *p = l->policy;
    struct schema_field f = {0};
    enum field_type type;
    if (!load_field(l, key, value, "profile.", &f, &type))
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
    long *special = type == FIELD_TIME_ZONE ? &p->zone_attribute
                    : type == FIELD_LOCALE  ? &p->locale_attribute
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
    if (!load_field(l, key, value, "context.", &f, &type))
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
    static const char *const keys[] = {"properties", NULL};
    struct schema *schema = &l->policy->schema;
    struct schema_signal g = {0};
    if (!loader_name(l, key, false, "signal name", &g.name))
        return;
    if (schema_signal_find(schema, g.name) >= 0) {
        yaml_diag(l->diags, DIAG_ERROR, key, "signal %.*s is declared twice", STR_ARG(g.name));
        return;
    }
    if (schema->signal_count == SCHEMA_SIGNALS_MAX) {
        yaml_diag(l->diags, DIAG_ERROR, key, "more than %d signals", SCHEMA_SIGNALS_MAX);
        return;
    }
    const struct yaml_node *properties = NULL;
    if (!yaml_is_null(value) &&
        yaml_expect(l->diags, value, YAML_MAPPING, "a signal like {properties: {sku: string}}")) {
        yaml_known_keys(l->diags, value, "a signal", keys);
        properties = yaml_get(value, "properties");
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
            if (load_field(l, properties->keys[i], properties->items[i], prefix,
                           &g.properties[g.property_count], &type))
                g.property_count++;
    }
    schema->signals[schema->signal_count++] = g;
}

/* ---- channels ---- */

static void load_purposes(struct loader *l, const struct yaml_node *n, bool set[PURPOSE_COUNT])
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

static void load_quiet(struct loader *l, const struct yaml_node *n, struct policy_channel *c)
{
    static const char *const keys[] = {"from", "to", "except", NULL};
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "quiet_hours like {from: \"21:00\", to: \"08:00\"}"))
        return;
    yaml_known_keys(l->diags, n, "quiet_hours", keys);
    load_clock(l, n, "from", &c->quiet.from_minute);
    load_clock(l, n, "to", &c->quiet.to_minute);
    if (yaml_get(n, "except"))
        load_purposes(l, yaml_get(n, "except"), c->quiet_except);
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
        load_purposes(l, n, c->consent);
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
        (void)loader_strings(l, n, &c->placements, &c->placement_count);
    if ((n = yaml_get(value, "content")))
        (void)loader_strings(l, n, &c->content, &c->content_count);
}

static void visit_channel(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
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

/* ---- features ---- */

static const char *const feature_kinds[] = {"count", "sum", "last", "last_at", "age", "open", "expr", NULL};

/* Findings of the YAML form stand at the node that they are about, whatever the offset says. */
static bool aggregate_feature(struct loader *l, const struct yaml_node *value, const char *op, expr_id *out)
{
    const struct yaml_node *n = yaml_get(value, op);
    struct symbols_call call = {.op = str_from(op)};
    bool two = strcmp(op, "open") == 0;
    if (two) {
        if (!yaml_expect(l->diags, n, YAML_SEQUENCE,
                         "open, like [support_contact.case, support_resolved.case]"))
            return false;
        for (size_t i = 0; i < n->count && i < 2; i++)
            if (!yaml_string(l->diags, n->items[i], &call.args[call.path_count++]))
                return false;
        if (n->count != 2) {
            yaml_diag(l->diags, DIAG_ERROR, n,
                      "open needs two properties: [support_contact.case, support_resolved.case]");
            return false;
        }
    } else if (!yaml_string(l->diags, n, &call.args[call.path_count++])) {
        return false;
    }
    const struct yaml_node *window = yaml_get(value, "window");
    bool windowed = two || strcmp(op, "count") == 0 || strcmp(op, "sum") == 0;
    if (window && !windowed) {
        yaml_diag(l->diags, DIAG_ERROR, window, "%s has no window: it looks at all events", op);
        return false;
    }
    if (windowed && !window) {
        yaml_diag(l->diags, DIAG_ERROR, n, "%s needs a window, e.g. window: 30d", op);
        return false;
    }
    if (window && !loader_duration(l, window, WINDOW_MIN_MS, &call.window_ms))
        return false;
    struct scalar_report r;
    uint32_t slot;
    const struct yaml_node *at = two ? n->items[0] : n;
    if (!symbols_aggregate(l, &call, scalar_report(&r, l->diags, at), &slot))
        return false;
    *out = expr_node_slot(l->policy->program, slot);
    return true;
}

static bool compile_feature(struct loader *l, const struct yaml_node *value, expr_id *out)
{
    static const char *const keys[] = {"count", "sum",  "last",   "last_at", "age",
                                       "open",  "expr", "window", NULL};
    if (value->kind == YAML_SCALAR)
        return loader_expr(l, value, VALUE_UNKNOWN, out);
    if (!yaml_expect(l->diags, value, YAML_MAPPING,
                     "a feature like {sum: cart_add.price, window: 24h} or {expr: \"…\"}"))
        return false;
    yaml_known_keys(l->diags, value, "a feature", keys);
    const char *op = NULL;
    for (size_t i = 0; i < 7; i++)
        if (yaml_get(value, keys[i])) {
            if (op) {
                yaml_diag(l->diags, DIAG_ERROR, yaml_key(value, keys[i]),
                          "a feature is one of %s and %s, not both", op, keys[i]);
                return false;
            }
            op = keys[i];
        }
    if (!op) {
        yaml_diag(l->diags, DIAG_ERROR, value, "a feature needs one of %s",
                  yaml_list_words(l->arena, feature_kinds));
        return false;
    }
    if (strcmp(op, "expr") == 0)
        return loader_expr(l, yaml_get(value, "expr"), VALUE_UNKNOWN, out);
    return aggregate_feature(l, value, op, out);
}

static void visit_feature_name(struct loader *l, const struct yaml_node *key, const struct yaml_node *value,
                               size_t index)
{
    static const char *const reserved[] = {"now", "channel", "profile", "context", "action"};
    struct policy *p = l->policy;
    struct str name = {0};
    p->features[index].node = EXPR_NONE;
    l->features[index] = (struct loader_feature){.key = key, .value = value, .missed = -1};
    if (!loader_name(l, key, false, "feature name", &name))
        return;
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (str_is(name, reserved[i]))
            yaml_diag(l->diags, DIAG_ERROR, key, "'%s' is a name of the language and cannot be a feature",
                      reserved[i]);
    if (policy_feature_find(p, name) >= 0)
        yaml_diag(l->diags, DIAG_ERROR, key, "feature %.*s is declared twice", STR_ARG(name));
    else
        p->features[index].name = name;
}

/* Compiles one feature: false when it asked for one that is not there yet, and nothing is reported then. */
static bool settle_feature(struct loader *l, size_t index)
{
    struct policy_feature *feature = &l->policy->features[index];
    struct loader_feature *f = &l->features[index];
    struct diags saved = *l->diags;
    l->missed = -1;
    bool good = compile_feature(l, f->value, &feature->node);
    f->missed = l->missed;
    if (l->missed >= 0) {
        *l->diags = saved;
        feature->node = EXPR_NONE;
        return false;
    }
    f->settled = true;
    if (good)
        expr_name(l->policy->program, feature->node, feature->name);
    else
        feature->node = EXPR_NONE;
    return true;
}

/* Nothing more settles: every feature left misses another one that is left, so that following them ends in a
 * cycle. */
static void report_cycle(struct loader *l, size_t at)
{
    const struct policy *p = l->policy;
    for (size_t i = 0; i < p->feature_count; i++)
        at = (size_t)l->features[at].missed;
    size_t first = at;
    for (size_t i = (size_t)l->features[at].missed; i != at; i = (size_t)l->features[i].missed)
        first = i < first ? i : first;
    struct buf chain;
    buf_init(&chain, 300);
    at = first;
    do {
        at = (size_t)l->features[at].missed;
        l->features[at].broken = true;
        buf_printf(&chain, " -> %.*s", STR_ARG(p->features[at].name));
    } while (at != first);
    yaml_diag(l->diags, DIAG_ERROR, l->features[first].key, "feature %.*s depends on itself: %.*s%.*s",
              STR_ARG(p->features[first].name), STR_ARG(p->features[first].name), (int)chain.n,
              chain.n ? (const char *)chain.p : "");
    buf_free(&chain);
}

/* Features may refer to each other in any order: those that ask for one that is not there yet are tried
 * again, as long as each round settles at least one; then a cycle is reported, and whoever asks for one of
 * its members gets no second finding. */
static void load_features(struct loader *l)
{
    size_t count = l->policy->feature_count;
    for (size_t left = count; left > 0;) {
        size_t before = left;
        left = 0;
        for (size_t i = 0; i < count; i++)
            left += !l->features[i].settled && !settle_feature(l, i);
        for (size_t i = 0; left == before && i < count; i++)
            if (!l->features[i].settled) {
                report_cycle(l, i);
                break;
            }
    }
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
    p->features = loader_alloc(l, loader_count(l, "features") * sizeof *p->features);
    l->features = loader_alloc(l, loader_count(l, "features") * sizeof *l->features);
    if (!s->attributes || !p->context || !s->signals || !p->channels || !p->features || !l->features)
        return;
    load_brand(l);
    loader_each(l, "profile", YAML_MAPPING, visit_attribute);
    loader_each(l, "context", YAML_MAPPING, visit_context);
    loader_each(l, "signals", YAML_MAPPING, visit_signal);
    loader_each(l, "channels", YAML_MAPPING, visit_channel);
    p->feature_count = loader_count(l, "features");
    p->feature_count = loader_each(l, "features", YAML_MAPPING, visit_feature_name);
    load_features(l);
    if (p->channel_count == 0)
        diag_add(l->diags, DIAG_ERROR, p->folder.p, 0, 0,
                 "no channels section; write e.g. channels: {web: {direction: inbound}}");
}

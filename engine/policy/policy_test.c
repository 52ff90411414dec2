/* Reading a policy's own tests; see policy_test.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_test.h"
#include "state/preferences.h"
#include <math.h>

enum { LOCALE_MAX = 35 };

static const char *const given_keys[] = {"channel", "placements", "locale",  "mode",     "context",
                                         "profile", "consents",   "signals", "contacts", "preferences", NULL};
static const char *const expect_keys[] = {
    "channel",           "action",           "not_action", "suppressed_by",
    "not_suppressed_by", "next_eligible_in", "content",    "stage", NULL};

/* A number within the field's range, as a server takes it. */
static bool number_value(struct loader *l, const struct yaml_node *n, const struct schema_field *f, struct value *out)
{
    double least = f->ranged ? f->least : -STATE_NUMBER_MAX, most = f->ranged ? f->most : STATE_NUMBER_MAX, number;
    int64_t whole;
    if (f->type == VALUE_DOUBLE && yaml_double(l->diags, n, least, most, &number)) {
        *out = value_double(number);
        return true;
    }
    if (f->type == VALUE_INT && yaml_int(l->diags, n, (int64_t)ceil(least), (int64_t)floor(most), &whole)) {
        *out = value_int(whole);
        return true;
    }
    return false;
}

static bool string_value(struct loader *l, const struct yaml_node *n, const struct schema_field *f, struct value *out)
{
    struct str text;
    if (!yaml_string(l->diags, n, &text))
        return false;
    *out = value_string(text);
    if (text.n > STATE_TEXT_MAX) {
        yaml_diag(l->diags, DIAG_ERROR, n, "%zu bytes; at most %d are allowed", text.n, STATE_TEXT_MAX);
        return false;
    }
    for (size_t i = 0; i < f->domain_count; i++)
        if (str_eq(f->domain[i], text))
            return true;
    if (f->domain)
        loader_unknown_word(l, n, "value", text, f->domain, f->domain_count);
    return !f->domain;
}

/* A YAML scalar as a value of a declared field; false after a finding. */
static bool field_value(struct loader *l, const struct yaml_node *n, const struct schema_field *f, struct value *out)
{
    int64_t time_ms;
    bool flag;
    struct str text;
    switch (f->type) {
    case VALUE_UNKNOWN: /* the field's own declaration was reported */
        *out = value_unknown(UNKNOWN_ABSENT);
        return true;
    case VALUE_BOOL:
        if (!yaml_bool(l->diags, n, &flag))
            return false;
        *out = value_bool(flag);
        return true;
    case VALUE_INT:
    case VALUE_DOUBLE:
        return number_value(l, n, f, out);
    case VALUE_TIMESTAMP:
        if (!yaml_string(l->diags, n, &text))
            return false;
        if (!timestamp_parse(text, &time_ms) && !local_time_parse(text, l->policy->zone, false, &time_ms)) {
            yaml_diag(l->diags, DIAG_ERROR, n, "expected a time like 2025-01-15T12:00, got '%.*s'",
                      STR_ARG(text));
            return false;
        }
        *out = value_timestamp(time_ms);
        return true;
    default:
        return string_value(l, n, f, out);
    }
}

/* {name: value} pairs into an array by field; unknown names are reported. */
static struct value *load_values(struct loader *l, const struct yaml_node *n,
                                 const struct schema_field *fields, size_t count, const char *what,
                                 const char *skip)
{
    struct value *values = loader_alloc(l, count * sizeof *values);
    if (!values || !n || !yaml_expect(l->diags, n, YAML_MAPPING, what))
        return values;
    for (size_t i = 0; i < n->count; i++) {
        struct str name = n->keys[i]->text;
        if (skip && str_is(name, skip))
            continue;
        size_t k = 0;
        while (k < count && !str_eq(fields[k].name, name))
            k++;
        if (k < count) {
            (void)field_value(l, n->items[i], &fields[k], &values[k]);
            continue;
        }
        struct str *allowed = loader_alloc(l, (count + 1) * sizeof *allowed);
        for (size_t j = 0; allowed && j < count; j++)
            allowed[j] = fields[j].name;
        if (allowed)
            loader_unknown_word(l, n->keys[i], what, name, allowed, count);
    }
    return values;
}

static bool channel_of(struct loader *l, const struct yaml_node *n, uint32_t *out)
{
    struct str word;
    if (!yaml_string(l->diags, n, &word))
        return false;
    long at = policy_channel_find(l->policy, word);
    if (at < 0)
        loader_unknown_word(l, n, "channel", word, loader_channel_names(l), l->policy->channel_count);
    *out = at < 0 ? 0 : (uint32_t)at;
    return at >= 0;
}

static bool action_of(struct loader *l, const struct yaml_node *n, uint32_t *out)
{
    struct policy *p = l->policy;
    struct str word;
    if (!yaml_string(l->diags, n, &word))
        return false;
    long at = policy_action_find(p, word);
    if (at < 0) {
        struct str *allowed = loader_alloc(l, (p->action_count + 1) * sizeof *allowed);
        for (size_t i = 0; allowed && i < p->action_count; i++)
            allowed[i] = p->actions[i].word.name;
        if (allowed)
            loader_unknown_word(l, n, "action", word, allowed, p->action_count);
        return false;
    }
    *out = (uint32_t)at;
    return true;
}

static int64_t ago_of(struct loader *l, const struct yaml_node *n)
{
    int64_t ago = 0;
    const struct yaml_node *at = yaml_get(n, "ago");
    if (at)
        (void)loader_duration(l, at, 0, &ago);
    return ago;
}

/* {support_contact: {case: c1}, ago: 2h}: one key that is a signal. */
static void load_signal(struct loader *l, const struct yaml_node *n, struct policy_test *t)
{
    struct schema *schema = &l->policy->schema;
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "a signal like {cart_add: {price: 10}, ago: 2h}"))
        return;
    struct test_signal *out = &t->signals[t->signal_count];
    size_t found = 0;
    for (size_t i = 0; i < n->count; i++) {
        struct str name = n->keys[i]->text;
        if (str_is(name, "ago") || str_is(name, "channel"))
            continue;
        long at = schema_signal_find(schema, name);
        if (at < 0) {
            struct str *allowed = loader_alloc(l, (schema->signal_count + 1) * sizeof *allowed);
            for (size_t k = 0; allowed && k < schema->signal_count; k++)
                allowed[k] = schema->signals[k].name;
            if (allowed)
                loader_unknown_word(l, n->keys[i], "signal", name, allowed, schema->signal_count);
            return;
        }
        const struct schema_signal *g = &schema->signals[at];
        const struct yaml_node *properties = yaml_is_null(n->items[i]) ? NULL : n->items[i];
        out->signal = (uint32_t)at;
        out->properties = load_values(l, properties, g->properties, g->property_count, "property", NULL);
        found++;
    }
    out->ago_ms = ago_of(l, n);
    out->channel = UINT32_MAX;
    if (yaml_get(n, "channel") && !channel_of(l, yaml_get(n, "channel"), &out->channel))
        return;
    if (found == 1)
        t->signal_count++;
    else
        yaml_diag(l->diags, DIAG_ERROR, n,
                  "expected one signal and ago, like {cart_add: {price: 10}, ago: 2h}");
}

static void load_contact(struct loader *l, const struct yaml_node *n, struct policy_test *t)
{
    static const char *const keys[] = {"action", "channel", "ago", "answer", NULL};
    static const char *const answers[] = {"response", "conversion", "rejection", NULL};
    size_t answer;
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "a contact like {action: a, channel: email, ago: 2d}"))
        return;
    yaml_known_keys(l->diags, n, "a contact", keys);
    struct test_contact *out = &t->contacts[t->contact_count];
    out->ago_ms = ago_of(l, n);
    if (yaml_get(n, "answer") && yaml_choice(l->diags, yaml_get(n, "answer"), answers, &answer))
        out->outcome = (enum contact_outcome)(CONTACT_RESPONSE << answer);
    if (!yaml_get(n, "action") || !yaml_get(n, "channel"))
        yaml_diag(l->diags, DIAG_ERROR, n, "a contact needs action and channel");
    else if (action_of(l, yaml_get(n, "action"), &out->action) &&
             channel_of(l, yaml_get(n, "channel"), &out->channel))
        t->contact_count++;
}

static void load_consent(struct loader *l, const struct yaml_node *n, struct policy_test *t)
{
    static const char *const keys[] = {"channel", "purpose", "granted", "ago", NULL};
    static const char *const purposes[] = {
#define X(name, text) text,
        POLICY_PURPOSES(X)
#undef X
            NULL};
    if (!yaml_expect(l->diags, n, YAML_MAPPING,
                     "a consent like {channel: email, purpose: promotional, granted: true}"))
        return;
    yaml_known_keys(l->diags, n, "a consent", keys);
    struct test_consent *out = &t->consents[t->consent_count];
    size_t purpose;
    if (!yaml_get(n, "channel") || !yaml_get(n, "purpose") || !yaml_get(n, "granted"))
        yaml_diag(l->diags, DIAG_ERROR, n, "a consent needs channel, purpose and granted");
    else if (channel_of(l, yaml_get(n, "channel"), &out->channel) &&
             yaml_choice(l->diags, yaml_get(n, "purpose"), purposes, &purpose) &&
             yaml_bool(l->diags, yaml_get(n, "granted"), &out->granted)) {
        out->purpose = (enum purpose)purpose;
        out->ago_ms = yaml_get(n, "ago") ? ago_of(l, n) : TEST_BEFORE_ALL;
        t->consent_count++;
    }
}

/* {at_most: 2, per: 7d} */
static void load_less_often(struct loader *l, const struct yaml_node *n, struct policy_test *t)
{
    const struct yaml_node *most = yaml_get(n, "at_most"), *per = yaml_get(n, "per");
    int64_t at_most, span_ms;
    if (!most != !per)
        yaml_diag(l->diags, DIAG_ERROR, n, "at_most and per go together: {at_most: 2, per: 7d}");
    if (!most || !per || !yaml_int(l->diags, most, 1, PREFERENCE_LESS_MAX, &at_most) ||
        !loader_duration(l, per, PREFERENCE_PER_MIN_MS, &span_ms))
        return;
    if (span_ms > PREFERENCE_PER_MAX_MS || span_ms % 60000)
        yaml_diag(l->diags, DIAG_ERROR, per, "a person asks for less in 1h to 30d, in whole minutes");
    t->preferences.less_at_most = (uint32_t)at_most;
    t->preferences.less_per_ms = span_ms;
    t->preferences.less_ms = t->now_ms;
}

static void load_wishes(struct loader *l, const struct yaml_node *n, struct policy_test *t)
{
    static const char *const keys[] = {"channel", "quiet_hours", "pause", "at_most", "per", NULL};
    struct preferences *p = &t->preferences;
    const struct yaml_node *at;
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "preferences like {pause: 3d}"))
        return;
    yaml_known_keys(l->diags, n, "preferences", keys);
    if ((at = yaml_get(n, "channel")) && channel_of(l, at, &p->channel))
        p->channel_ms = t->now_ms;
    struct quiet_hours own;
    if ((at = yaml_get(n, "quiet_hours")) && loader_quiet_hours(l, at, &own)) {
        p->quiet_from = own.from_minute;
        p->quiet_to = own.to_minute;
        p->quiet_ms = t->now_ms;
    }
    int64_t span_ms;
    if ((at = yaml_get(n, "pause")) && loader_duration(l, at, 1000, &span_ms)) {
        p->paused_until_ms = t->now_ms + span_ms;
        p->pause_ms = t->now_ms;
    }
    load_less_often(l, n, t);
}

static void each_item(struct loader *l, const struct yaml_node *mapping, const char *key,
                      struct policy_test *t, void **items, size_t size,
                      void (*load)(struct loader *l, const struct yaml_node *n, struct policy_test *t))
{
    const struct yaml_node *n = yaml_get(mapping, key);
    if (!n || !yaml_expect(l->diags, n, YAML_SEQUENCE, key))
        return;
    *items = loader_alloc(l, n->count * size);
    for (size_t i = 0; *items && i < n->count; i++)
        load(l, n->items[i], t);
}

/* The profile's attribute of type time_zone names a zone. */
static void check_zone(struct loader *l, const struct yaml_node *profile, const struct policy_test *t)
{
    const struct policy *p = l->policy;
    long at = p->zone_attribute;
    if (!profile || at < 0 || !t->attributes || t->attributes[at].type != VALUE_STRING)
        return;
    struct str zone = value_str(t->attributes[at]);
    for (size_t i = 0; profile->kind == YAML_MAPPING && i < profile->count; i++)
        if (str_eq(profile->keys[i]->text, p->schema.attributes[at].name))
            (void)loader_zone(l, profile->items[i], zone);
}

static void load_given(struct loader *l, const struct yaml_node *n, struct policy_test *t)
{
    static const char *const modes[] = {"PEEK", "FRESH", "RESERVE", NULL};
    struct policy *p = l->policy;
    bool mapping = n && yaml_expect(l->diags, n, YAML_MAPPING, "given");
    const struct yaml_node *at;
    size_t mode;
    if (mapping) {
        yaml_known_keys(l->diags, n, "given", given_keys);
        if ((at = yaml_get(n, "placements")))
            (void)loader_strings(l, at, &t->placements, &t->placement_count);
        if ((at = yaml_get(n, "locale")) && yaml_string(l->diags, at, &t->locale) && t->locale.n > LOCALE_MAX)
            yaml_diag(l->diags, DIAG_ERROR, at, "a locale has at most %d bytes, like fa or en-GB", LOCALE_MAX);
        if ((at = yaml_get(n, "mode")) && yaml_choice(l->diags, at, modes, &mode))
            t->reserve = mode == 2;
        each_item(l, n, "signals", t, (void **)&t->signals, sizeof *t->signals, load_signal);
        each_item(l, n, "contacts", t, (void **)&t->contacts, sizeof *t->contacts, load_contact);
        if ((at = yaml_get(n, "preferences")))
            load_wishes(l, at, t);
        each_item(l, n, "consents", t, (void **)&t->consents, sizeof *t->consents, load_consent);
    }
    t->context = load_values(l, mapping ? yaml_get(n, "context") : NULL, p->context, p->context_count,
                             "context field", NULL);
    t->attributes = load_values(l, mapping ? yaml_get(n, "profile") : NULL, p->schema.attributes,
                                p->schema.attribute_count, "profile attribute", NULL);
    if (mapping)
        check_zone(l, yaml_get(n, "profile"), t);
}

static void load_not_actions(struct loader *l, const struct yaml_node *n, struct policy_test *t)
{
    if (!yaml_expect(l->diags, n, YAML_SEQUENCE, "a list of actions"))
        return;
    t->not_actions = loader_alloc(l, n->count * sizeof *t->not_actions);
    for (size_t i = 0; t->not_actions && i < n->count; i++)
        if (action_of(l, n->items[i], &t->not_actions[t->not_action_count]))
            t->not_action_count++;
}

/* Why a decision may be suppressed, besides a rule's or a limit's id. */
static const char *const causes[] = {"nothing_to_offer", "engagement_policy", "suppression_rule",
                                     "consent",          "quiet_hours",       "frequency_cap",
                                     "cooldown",         "not_worth_it",      "rendering", "preference"};
enum { CAUSES = sizeof causes / sizeof causes[0] };

static void check_rule_name(struct loader *l, const struct yaml_node *n, struct str word,
                            bool suppressions_only)
{
    struct policy *p = l->policy;
    size_t count = 0;
    struct str *allowed = loader_alloc(l, (p->suppression_count + p->limit_count + CAUSES) * sizeof *allowed);
    if (!allowed)
        return;
    for (size_t i = 0; i < p->suppression_count; i++)
        allowed[count++] = p->suppressions[i].rule.id;
    for (size_t i = 0; !suppressions_only && i < p->limit_count; i++)
        allowed[count++] = p->limits[i].id;
    for (size_t i = 0; !suppressions_only && i < CAUSES; i++)
        allowed[count++] = str_from(causes[i]);
    for (size_t i = 0; i < count; i++)
        if (str_eq(allowed[i], word))
            return;
    loader_unknown_word(l, n, suppressions_only ? "suppression" : "rule or cause", word, allowed, count);
}

static void load_content(struct loader *l, const struct yaml_node *n, struct policy_test *t)
{
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "content like {subject: \"…\"}"))
        return;
    t->content = loader_alloc(l, n->count * sizeof *t->content);
    for (size_t i = 0; t->content && i < n->count; i++) {
        t->content[t->content_count].name = n->keys[i]->text;
        if (yaml_string(l->diags, n->items[i], &t->content[t->content_count].text))
            t->content_count++;
    }
}

static void load_expected_stage(struct loader *l, const struct yaml_node *n, struct policy_test *t)
{
    struct policy *p = l->policy;
    struct str word;
    if (!yaml_string(l->diags, n, &word))
        return;
    t->stage_set = true;
    t->stage = (long)p->stage_count;
    while (t->stage-- > 0)
        if (str_eq(p->stages[t->stage].word.name, word))
            return;
    struct str *allowed = loader_alloc(l, (p->stage_count + 1) * sizeof *allowed);
    for (size_t i = 0; allowed && i < p->stage_count; i++)
        allowed[i] = p->stages[i].word.name;
    if (!str_is(word, "none") && allowed && !l->journey_broken)
        loader_unknown_word(l, n, "stage (or none)", word, allowed, p->stage_count);
}

static void load_expect(struct loader *l, const struct yaml_node *n, struct policy_test *t)
{
    const struct yaml_node *at;
    uint32_t action;
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "expect"))
        return;
    yaml_known_keys(l->diags, n, "expect", expect_keys);
    if ((at = yaml_get(n, "action"))) {
        if (at->kind == YAML_SCALAR && str_is(at->text, "none"))
            t->action = TEST_ACTION_NONE;
        else if (action_of(l, at, &action))
            t->action = (long)action;
    }
    if ((at = yaml_get(n, "stage")))
        load_expected_stage(l, at, t);
    if ((at = yaml_get(n, "not_action")))
        load_not_actions(l, at, t);
    if ((at = yaml_get(n, "suppressed_by")) && yaml_string(l->diags, at, &t->suppressed_by))
        check_rule_name(l, at, t->suppressed_by, false);
    if ((at = yaml_get(n, "not_suppressed_by")) &&
        loader_strings(l, at, &t->not_suppressed_by, &t->not_suppressed_count))
        for (size_t i = 0; i < t->not_suppressed_count; i++)
            check_rule_name(l, at->items[i], t->not_suppressed_by[i], true);
    if ((at = yaml_get(n, "next_eligible_in"))) {
        t->next_set = true;
        t->next_never = at->kind == YAML_SCALAR && str_is(at->text, "never");
        if (!t->next_never)
            (void)loader_duration(l, at, 1, &t->next_in_ms);
    }
    if ((at = yaml_get(n, "content")))
        load_content(l, at, t);
}

/* Content that is expected of a channel that says which fields it has. */
static void check_content(struct loader *l, const struct yaml_node *content, const struct policy_channel *c)
{
    for (size_t i = 0; c->content_count && content && content->kind == YAML_MAPPING && i < content->count;
         i++) {
        bool known = false;
        for (size_t k = 0; k < c->content_count; k++)
            known = known || str_eq(c->content[k], content->keys[i]->text);
        if (!known)
            loader_unknown_word(l, content->keys[i], "content field", content->keys[i]->text, c->content,
                                c->content_count);
    }
}

/* The channel stands under given or expect; placements, mode and content must suit it. */
static void load_channel(struct loader *l, const struct yaml_node *n, const struct yaml_node *given,
                         const struct yaml_node *expect, struct policy_test *t)
{
    const struct yaml_node *at = given ? yaml_get(given, "channel") : NULL;
    const struct yaml_node *other = expect ? yaml_get(expect, "channel") : NULL;
    if (at && other)
        yaml_diag(l->diags, DIAG_ERROR, other, "a second channel; the first is under given");
    at = at ? at : other;
    if (!at)
        yaml_diag(l->diags, DIAG_ERROR, n, "a test needs a channel, under given or expect");
    if (!at || !channel_of(l, at, &t->channel))
        return;
    const struct policy_channel *c = &l->policy->channels[t->channel];
    if (t->reserve && !c->outbound)
        yaml_diag(l->diags, DIAG_ERROR, yaml_get(given, "mode"),
                  "RESERVE is for outbound channels; %.*s is inbound", STR_ARG(c->word.name));
    for (size_t i = 0; i < t->placement_count; i++)
        if (policy_placement_find(c, t->placements[i]) < 0)
            loader_unknown_word(l, yaml_get(given, "placements")->items[i], "placement", t->placements[i],
                                c->placements, c->placement_count);
    check_content(l, expect ? yaml_get(expect, "content") : NULL, c);
}

static void warn_of_name(struct loader *l, const struct yaml_node *n, struct str name)
{
    for (size_t i = 0; i < l->policy->test_count; i++)
        if (str_eq(l->policy->tests[i].name, name)) {
            yaml_diag(l->diags, DIAG_WARNING, n, "a second test is called '%.*s'", STR_ARG(name));
            return;
        }
}

static void visit_test(struct loader *l, const struct yaml_node *key, const struct yaml_node *n, size_t index)
{
    static const char *const keys[] = {"name", "now", "given", "expect", NULL};
    (void)key;
    (void)index;
    struct policy_test t = {.file = n->file, .line = n->line, .column = n->column, .action = TEST_ACTION_ANY};
    if (!yaml_expect(l->diags, n, YAML_MAPPING, "a test"))
        return;
    yaml_known_keys(l->diags, n, "a test", keys);
    struct str now = STR("2025-01-15T12:00");
    const struct yaml_node *given = yaml_get(n, "given"), *expect = yaml_get(n, "expect");
    if (!yaml_get(n, "name"))
        yaml_diag(l->diags, DIAG_ERROR, n, "a test needs a name");
    else if (yaml_string(l->diags, yaml_get(n, "name"), &t.name))
        warn_of_name(l, yaml_get(n, "name"), t.name);
    if (yaml_get(n, "now"))
        (void)yaml_string(l->diags, yaml_get(n, "now"), &now);
    if (!local_time_parse(now, l->policy->zone, false, &t.now_ms))
        yaml_diag(l->diags, DIAG_ERROR, yaml_get(n, "now"),
                  "expected a time like 2025-01-15T12:00, got '%.*s'", STR_ARG(now));
    load_given(l, given, &t);
    if (expect)
        load_expect(l, expect, &t);
    else
        yaml_diag(l->diags, DIAG_ERROR, n, "a test needs expect");
    load_channel(l, n, given, expect, &t);
    l->policy->tests[l->policy->test_count++] = t;
}

void load_policy_tests(struct loader *l)
{
    struct policy *p = l->policy;
    p->tests = loader_alloc(l, loader_count(l, "tests") * sizeof *p->tests);
    if (p->tests)
        loader_each(l, "tests", YAML_SEQUENCE, visit_test);
}

/* What the world makes of a policy, and the truth; see world.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/world.h"

static const struct {
    const char *name, *types, *properties[WORLD_PROPERTIES_MAX];
} wanted_signals[WORLD_SIGNAL_COUNT] = {
#define X(signal, text, types, ...) [signal] = {text, types, __VA_ARGS__},
    WORLD_SIGNALS(X)
#undef X
};

static const struct {
    const char *name;
    double price;
} categories[CATEGORY_COUNT] = {
#define X(category, text, typical) [category] = {text, typical},
    WORLD_CATEGORIES(X)
#undef X
};

const char *world_category_name(int category)
{
    ASSERT(category >= 0 && category < CATEGORY_COUNT);
    return categories[category].name;
}

double world_category_price(int category)
{
    ASSERT(category >= 0 && category < CATEGORY_COUNT);
    return categories[category].price;
}

/* ---- the policy ---- */

/* The first line that fits an action's purpose and whose word is in its id. */
static const struct {
    enum purpose purpose;
    const char *word;
    enum world_theme theme;
} themes[] = {{PURPOSE_PROMOTIONAL, "cart", THEME_CART},
              {PURPOSE_PROMOTIONAL, "win_back", THEME_WIN_BACK},
              {PURPOSE_PROMOTIONAL, "loyalty", THEME_LOYALTY},
              {PURPOSE_PROMOTIONAL, "welcome", THEME_WELCOME},
              {PURPOSE_PROMOTIONAL, "accessories", THEME_FOLLOW_UP},
              {PURPOSE_PROMOTIONAL, "complete", THEME_FOLLOW_UP},
              {PURPOSE_PROMOTIONAL, "", THEME_PROMOTION},
              {PURPOSE_SERVICE, "size", THEME_SIZE},
              {PURPOSE_SERVICE, "delay", THEME_APOLOGY},
              {PURPOSE_SERVICE, "help", THEME_HELP},
              {PURPOSE_SERVICE, "case", THEME_HELP},
              {PURPOSE_ASK, "", THEME_ASK}};

static const struct policy_attribute *attribute_of(const struct policy_action *a, const char *name)
{
    for (size_t i = 0; i < a->attribute_count; i++)
        if (str_is(a->attributes[i].name, name))
            return &a->attributes[i];
    return NULL;
}

enum world_theme world_theme(const struct policy_action *a)
{
    struct str id = a->word.name;
    for (size_t i = 0; i < sizeof themes / sizeof *themes; i++)
        if (themes[i].purpose == a->purpose && memmem(id.p, id.n, themes[i].word, strlen(themes[i].word)))
            return themes[i].theme;
    return THEME_INFORM;
}

static struct world_action see_action(const struct policy_action *a)
{
    struct world_action out = {.theme = world_theme(a), .category = -1};
    const struct policy_attribute *category = attribute_of(a, "category");
    for (int i = 0; category && category->value.type == VALUE_STRING && i < CATEGORY_COUNT; i++)
        if (str_is(value_str(category->value), categories[i].name))
            out.category = i;
    const struct policy_attribute *discount = attribute_of(a, "discount");
    if (discount && discount->value.type == VALUE_DOUBLE)
        out.discount = discount->value.number;
    return out;
}

static long attribute_find(const struct policy *p, const char *name, uint8_t type)
{
    long at = schema_attribute(&p->schema, str_from(name));
    return at >= 0 && p->schema.attributes[at].type == type ? at : -1;
}

static int map_signal(struct world *w, enum world_signal k, struct error *e)
{
    const struct schema *schema = &w->policy->schema;
    struct str name = str_from(wanted_signals[k].name);
    long at = schema_signal_find(schema, name);
    if (at < 0)
        return error_set(e, ERR_INVALID,
                         "the simulated people send the signal %.*s, which the policy does not declare",
                         STR_ARG(name));
    w->signals[k].index = (uint32_t)at;
    for (int i = 0; wanted_signals[k].types[i]; i++) {
        const char *property = wanted_signals[k].properties[i];
        long found = schema_property(&schema->signals[at], str_from(property));
        if (found < 0)
            return error_set(
                e, ERR_INVALID,
                "the simulated people send %.*s with a property %s, which the policy does not declare",
                STR_ARG(name), property);
        uint8_t type = schema->signals[at].properties[found].type;
        bool text = wanted_signals[k].types[i] == 's';
        if (text ? type != VALUE_STRING : type != VALUE_DOUBLE && type != VALUE_INT)
            return error_set(
                e, ERR_INVALID, "the simulated people send %.*s.%s as a %s, which the policy declares as %s",
                STR_ARG(name), property, text ? "string" : "number", value_type_name((enum value_type)type));
        w->signals[k].property[i] = (uint32_t)found;
    }
    return 0;
}

static long device_field(const struct policy *p)
{
    for (size_t i = 0; i < p->context_count; i++)
        if (str_is(p->context[i].name, "device") && p->context[i].domain_count)
            return (long)i;
    return -1;
}

int world_open(struct world *w, const struct policy *p, int64_t shift_ms, struct arena *arena,
               struct error *e)
{
    *w = (struct world){.policy = p, .shift_ms = shift_ms};
    w->actions = arena_zalloc(arena, (p->action_count + 1) * sizeof *w->actions);
    if (!w->actions)
        return error_set(e, ERR_NOSPACE, "out of memory");
    for (int k = 0; k < WORLD_SIGNAL_COUNT; k++) {
        int rc = map_signal(w, (enum world_signal)k, e);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < p->action_count; i++)
        w->actions[i] = see_action(&p->actions[i]);
    w->first_name = attribute_find(p, "first_name", VALUE_STRING);
    w->tier = attribute_find(p, "tier", VALUE_STRING);
    w->spend = attribute_find(p, "spend_365d", VALUE_DOUBLE);
    w->locale = p->locale_attribute;
    w->zone = p->zone_attribute;
    w->device = device_field(p);
    return 0;
}

const char *world_signal_name(enum world_signal s)
{
    return wanted_signals[s].name;
}

const char *world_signal_types(enum world_signal s)
{
    return wanted_signals[s].types;
}

const char *world_property_name(enum world_signal s, size_t property)
{
    ASSERT(property < WORLD_PROPERTIES_MAX);
    return wanted_signals[s].properties[property];
}

int64_t world_day_ms(const struct policy *p, uint32_t day)
{
    struct civil first = {.year = 2025, .month = 1, .day = 1};
    return tz_utc(p->zone, &first) + ((int64_t)day - 1) * WORLD_DAY_MS;
}

/* ---- the delay ---- */

/* Shares add up to 1; spans in seconds. */
static const struct delay_band {
    double share;
    int64_t from_s, to_s;
} delays[2][4] = {
    {{0.85, 10, 600}, {0.12, 600, 86400}, {0, 0, 0}, {0.03, 8 * 86400, 14 * 86400}},
    {{0.4, 120, 3600}, {0.4, 3600, 86400}, {0.14, 86400, 6 * 86400}, {0.06, 8 * 86400, 14 * 86400}},
};

int64_t world_delay_ms(bool outbound, struct rng *rng)
{
    const struct delay_band *band = delays[outbound];
    double at = rng_double(rng);
    for (int i = 0; i < 3 && at >= band->share; i++)
        at -= (band++)->share;
    return (band->from_s + (int64_t)rng_below(rng, (uint64_t)(band->to_s - band->from_s))) * 1000;
}

/* ---- the truth ---- */

static bool within(int64_t when_ms, int64_t now_ms, int64_t span_ms)
{
    return when_ms != INT64_MIN && now_ms - when_ms < span_ms;
}

static double warmth(const struct person *p, int64_t now_ms)
{
    if (!within(p->cart_ms, now_ms, WORLD_DAY_MS))
        return 0.05;
    double hours = (double)(now_ms - p->cart_ms) / (double)WORLD_HOUR_MS;
    return hours <= 1 ? 1 : 1 - 0.7 * (hours - 1) / 23;
}

static double hour_factor(const struct world *w, int64_t now_ms)
{
    struct civil local;
    tz_local(w->policy->zone, now_ms, &local);
    return local.hour < 7 ? 0.6 : local.hour >= 18 && local.hour < 22 ? 1.3 : 1;
}

static double trouble(const struct person *p, int category, int64_t now_ms)
{
    double factor = 1;
    if (p->open_cases)
        factor *= 0.06;
    if (p->late_orders)
        factor *= 0.25;
    if (within(p->resolved_ms, now_ms, WORLD_DAY_MS))
        factor *= 0.6;
    if (within(p->resolved_ms, now_ms, 7 * WORLD_DAY_MS) && p->csat < 3)
        factor *= 0.3;
    if (within(p->bought_ms, now_ms, WORLD_DAY_MS))
        factor *= 0.5;
    if (within(p->misfit_ms, now_ms, 14 * WORLD_DAY_MS))
        factor *= category == p->misfit_category ? 0.12 : 0.8;
    return factor;
}

double world_taste(const struct world *w, const struct person *p, int category, int64_t now_ms)
{
    return p->taste[world_shifted(w, now_ms) ? (category + 1) % CATEGORY_COUNT : category];
}

static double season(const struct world *w, int category, int64_t now_ms)
{
    static const double after[CATEGORY_COUNT] = {0.5, 1.8, 1.5, 0.7};
    return category >= 0 && world_shifted(w, now_ms) ? after[category] : 1;
}

static double lure(const struct world *w, const struct person *p, double discount, int64_t now_ms)
{
    double sensitivity = p->sensitivity + (world_shifted(w, now_ms) ? 0.3 : 0);
    return 1 + 5 * discount * (sensitivity < 1 ? sensitivity : 1);
}

/* The fit of what sells. */
static double commercial(const struct world *w, const struct person *p, const struct world_action *a,
                         int64_t now_ms)
{
    static const double tier_factor[] = {0.6, 1.6, 1.8};
    double fit;
    switch (a->theme) {
    case THEME_CART:
        fit = 2.2 * warmth(p, now_ms);
        break;
    case THEME_LOYALTY:
        fit = tier_factor[p->tier];
        break;
    case THEME_WELCOME:
        fit = 0.6;
        break;
    case THEME_WIN_BACK:
        fit = within(p->bought_ms, now_ms, 45 * WORLD_DAY_MS) ? 0.5 : 1.3;
        break;
    default:
        fit = a->category < 0 ? 1 : world_taste(w, p, a->category, now_ms);
        fit *= season(w, a->category, now_ms) * (a->theme == THEME_FOLLOW_UP ? 1.1 : 1);
        break;
    }
    return fit * lure(w, p, a->discount, now_ms) * hour_factor(w, now_ms) * trouble(p, a->category, now_ms);
}

double world_propensity(const struct world *w, const struct person *p, uint32_t action, int64_t now_ms)
{
    const struct world_action *a = &w->actions[action];
    double fit = 1;
    switch (a->theme) {
    case THEME_HELP:
        fit = p->open_cases ? 1.3 : 0.1;
        break;
    case THEME_APOLOGY:
        fit = p->late_orders ? 1.1 : 0.1;
        break;
    case THEME_SIZE:
        fit = within(p->misfit_ms, now_ms, 14 * WORLD_DAY_MS) ? 1.5 : 0.3;
        break;
    case THEME_ASK:
        fit = within(p->resolved_ms, now_ms, 7 * WORLD_DAY_MS) ? 2.5 : 1;
        if (p->open_cases || p->late_orders)
            fit *= 0.05;
        break;
    case THEME_INFORM:
        break;
    case THEME_PROMOTION:
    case THEME_CART:
    case THEME_FOLLOW_UP:
    case THEME_LOYALTY:
    case THEME_WELCOME:
    case THEME_WIN_BACK:
        fit = commercial(w, p, a, now_ms);
        break;
    }
    double ease = 1 / (1 + 0.25 * person_load(p, now_ms));
    double chance_of = w->policy->actions[action].starting_propensity * person_mood(p, now_ms) * ease * fit;
    return chance_of < 0.002 ? 0.002 : chance_of > 0.95 ? 0.95 : chance_of;
}

/* People, and what is true of them; see world.h.
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

int world_open(struct world *w, const struct policy *p, struct arena *arena, struct error *e)
{
    *w = (struct world){.policy = p};
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
    return 0;
}

/* ---- people ---- */

static bool chance(struct person *p, double share)
{
    return rng_double(&p->rng) < share;
}

void person_init(struct person *p, uint64_t seed, uint32_t number)
{
    uint64_t key[2] = {seed, number};
    *p = (struct person){
        .cart_ms = INT64_MIN, .bought_ms = INT64_MIN, .resolved_ms = INT64_MIN, .misfit_ms = INT64_MIN};
    snprintf(p->id, sizeof p->id, "c%06u", number);
    rng_seed(&p->rng, hash64(key, sizeof key));
    for (int i = 0; i < CATEGORY_COUNT; i++) {
        double u = rng_double(&p->rng);
        p->taste[i] = 0.2 + (i == CATEGORY_FASHION ? 2.8 : 1.8) * u * u;
    }
    p->sensitivity = rng_double(&p->rng);
    p->mood = 0.7 + 0.6 * rng_double(&p->rng);
    p->activity = 0.15 + 0.75 * rng_double(&p->rng);
    p->tier = chance(p, 0.6) ? 0 : chance(p, 0.65) ? 1 : 2;
    p->persian = chance(p, 0.75);
    p->known = chance(p, 0.8);
    /* In cents, so that the profile and the CSV show the same number. */
    p->spend_365d = (double)rng_below(&p->rng, (uint64_t)(p->tier + 1) * 120000) / 100.0;
}

static int set_text(struct state *s, long attribute, const char *text)
{
    return attribute < 0 ? 0 : state_set_attribute(s, (size_t)attribute, value_string(str_from(text)));
}

int person_profile(const struct world *w, struct person *p, int64_t now_ms, struct state *s)
{
    static const char *const tiers[] = {"basic", "silver", "gold"};
    static const char *const names[2][4] = {{"Emma", "Noah", "Mia", "Liam"}, {"سارا", "رضا", "مریم", "امیر"}};
    const struct policy *policy = w->policy;
    const char *name = names[p->persian][rng_below(&p->rng, 4)];
    int rc = 0;
    if (p->known)
        rc = set_text(s, w->first_name, name);
    if (!rc && p->known)
        rc = set_text(s, w->tier, tiers[p->tier]);
    if (!rc && p->known)
        rc = set_text(s, w->locale, p->persian ? "fa" : "en");
    if (!rc && p->known && w->spend >= 0)
        rc = state_set_attribute(s, (size_t)w->spend, value_double(p->spend_365d));
    for (size_t i = 0; !rc && i < policy->channel_count; i++) {
        const struct policy_channel *c = &policy->channels[i];
        for (int purpose = 0; !rc && purpose < PURPOSE_COUNT; purpose++) {
            if (!c->consent[purpose])
                continue;
            struct consent given = {.channel = c->word.id,
                                    .purpose = policy->purposes[purpose].id,
                                    .granted = chance(p, 0.7),
                                    .time_ms = now_ms};
            rc = state_set_consent(s, &given);
        }
    }
    return rc;
}

void person_expect(struct person *p, const struct pending *what)
{
    if (p->pending_count == WORLD_PENDING_MAX)
        return;
    uint32_t at = p->pending_count++;
    while (at > 0 && p->pending[at - 1].time_ms > what->time_ms) {
        p->pending[at] = p->pending[at - 1];
        at--;
    }
    p->pending[at] = *what;
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
        fit = a->category < 0 ? 1 : p->taste[a->category];
        fit *= a->theme == THEME_FOLLOW_UP ? 1.1 : 1;
        break;
    }
    double lure = 1 + 5 * a->discount * p->sensitivity;
    return fit * lure * hour_factor(w, now_ms) * trouble(p, a->category, now_ms);
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
    double chance_of = w->policy->actions[action].starting_propensity * p->mood * fit;
    return chance_of < 0.002 ? 0.002 : chance_of > 0.95 ? 0.95 : chance_of;
}

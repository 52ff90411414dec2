/* What happens to a simulated person; see life.h. The shares below make about 0.4 moments a day, a support
 * case for one person in three within 60 days, and a return because of size for one in four: trouble is rarer
 * in a real shop, but a demonstration's model must be able to learn it from an hour's data.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/life.h"

enum { TEXT_BYTES = 32 };

/* Share of a day's visits that fall into each local hour, in percent. */
static const int visit_weights[24] = {2, 1, 1, 0, 0, 0, 1, 2,  3,  4, 4, 5,
                                      5, 4, 4, 4, 5, 6, 9, 11, 11, 9, 6, 3};

static bool chance(struct life *l, double share)
{
    return rng_double(&l->person->rng) < share;
}

static int64_t between(struct life *l, int64_t low, int64_t high)
{
    return low + (int64_t)rng_below(&l->person->rng, (uint64_t)(high - low + 1));
}

static void pass_seconds(struct life *l, int64_t low, int64_t high)
{
    l->now_ms += between(l, low, high) * 1000;
}

/* ---- signals ---- */

/* A property's value before its type is known. */
struct property {
    const char *text;
    double number;
};

static int send(struct life *l, enum world_signal k, const struct property *properties, size_t count)
{
    const struct world_signal_map *map = &l->world->signals[k];
    const struct schema_signal *def = &l->world->policy->schema.signals[map->index];
    struct value values[SCHEMA_PROPERTIES_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        uint32_t at = map->property[i];
        values[at] = properties[i].text                      ? value_string(str_from(properties[i].text))
                     : def->properties[at].type == VALUE_INT ? value_int((int64_t)properties[i].number)
                                                             : value_double(properties[i].number);
    }
    uint64_t key[2] = {hash64(l->person->id, strlen(l->person->id)), ++l->person->numbers};
    struct signal signal = {
        .index = map->index, .event = hash64(key, sizeof key), .time_ms = l->now_ms, .properties = values};
    int rc = state_apply(l->state, &signal, l->now_ms);
    return rc < 0 ? error_set(l->e, rc, "the state of %s does not fit its memory", l->person->id) : 0;
}
#define SEND(l, signal, ...)                                                                                 \
    send(l, signal, (const struct property[]){__VA_ARGS__},                                                  \
         sizeof((const struct property[]){__VA_ARGS__}) / sizeof(struct property))

static void number_text(char text[TEXT_BYTES], const char *prefix, uint64_t number)
{
    snprintf(text, TEXT_BYTES, "%s%llu", prefix, (unsigned long long)number);
}

/* ---- shopping ---- */

static int pick_category(struct life *l)
{
    double sum = 0;
    for (int i = 0; i < CATEGORY_COUNT; i++)
        sum += l->person->taste[i];
    double at = rng_double(&l->person->rng) * sum;
    int category = 0;
    while (category < CATEGORY_COUNT - 1 && at >= l->person->taste[category])
        at -= l->person->taste[category++];
    return category;
}

static int look(struct life *l, int category)
{
    pass_seconds(l, 5, 90);
    return SEND(l, SIGNAL_PAGE_VIEW, {world_category_name(category), 0});
}

static int fill_cart(struct life *l, int category)
{
    char sku[TEXT_BYTES];
    number_text(sku, "sku", (uint64_t)category * 1000 + rng_below(&l->person->rng, 200));
    /* Half to one and a half of the typical price, in cents. */
    int64_t cents = (int64_t)(world_category_price(category) * 50) +
                    between(l, 0, (int64_t)(world_category_price(category) * 100));
    double price = (double)cents / 100.0;
    pass_seconds(l, 5, 60);
    bool cold = l->person->cart_ms == INT64_MIN || l->now_ms - l->person->cart_ms >= WORLD_DAY_MS;
    l->person->cart_value = cold ? price : l->person->cart_value + price;
    l->person->cart_ms = l->now_ms;
    l->person->cart_category = category;
    return SEND(l, SIGNAL_CART_ADD, {sku, 0}, {world_category_name(category), 0}, {NULL, price});
}

static int buy(struct life *l)
{
    struct person *p = l->person;
    char order[TEXT_BYTES];
    struct pending next = {.category = p->cart_category, .number = ++p->numbers, .amount = p->cart_value};
    number_text(order, "o", next.number);
    pass_seconds(l, 30, 240);
    int rc = SEND(l, SIGNAL_PURCHASE, {order, 0}, {world_category_name(p->cart_category), 0},
                  {NULL, p->cart_value});
    bool late = chance(l, 0.15);
    next.kind = late ? PENDING_DELAY : PENDING_DELIVER;
    next.time_ms = l->now_ms + between(l, late ? 72 : 40, 110) * WORLD_HOUR_MS;
    person_expect(p, &next);
    p->bought_ms = l->now_ms;
    p->cart_ms = INT64_MIN;
    p->cart_value = 0;
    return rc;
}

/* ---- what comes of it ---- */

static int on_delay(struct life *l, const struct pending *was)
{
    char order[TEXT_BYTES];
    int64_t days = between(l, 1, 5);
    number_text(order, "o", was->number);
    l->person->late_orders++;
    struct pending next = *was;
    next.kind = PENDING_DELIVER;
    next.late = true;
    next.time_ms = l->now_ms + days * WORLD_DAY_MS;
    person_expect(l->person, &next);
    if (chance(l, 0.4)) {
        next.kind = PENDING_CONTACT;
        next.time_ms = l->now_ms + between(l, 2, 30) * WORLD_HOUR_MS;
        person_expect(l->person, &next);
    }
    return SEND(l, SIGNAL_DELAYED, {order, 0}, {NULL, (double)days});
}

static int on_deliver(struct life *l, const struct pending *was)
{
    char order[TEXT_BYTES];
    number_text(order, "o", was->number);
    l->person->late_orders -= was->late;
    struct pending next = *was;
    next.late = false;
    if (was->category == CATEGORY_FASHION && chance(l, 0.4)) {
        next.kind = PENDING_RETURN;
        next.time_ms = l->now_ms + between(l, 12, 72) * WORLD_HOUR_MS;
        person_expect(l->person, &next);
    } else if (was->category == CATEGORY_ELECTRONICS && chance(l, 0.3)) {
        next.kind = PENDING_CONTACT;
        next.time_ms = l->now_ms + between(l, 2, 72) * WORLD_HOUR_MS;
        person_expect(l->person, &next);
    }
    return SEND(l, SIGNAL_DELIVERED, {order, 0});
}

static int on_contact(struct life *l, const struct pending *was)
{
    char text[TEXT_BYTES];
    struct pending next = {.kind = PENDING_RESOLVE, .number = ++l->person->numbers};
    next.time_ms = l->now_ms + between(l, 8, 120) * WORLD_HOUR_MS;
    person_expect(l->person, &next);
    l->person->open_cases++;
    number_text(text, "case", next.number);
    double sentiment = (double)-between(l, 20, 90) / 100.0;
    return SEND(l, SIGNAL_CONTACT, {text, 0}, {was->late ? "late" : "broken", 0}, {NULL, sentiment});
}

static int on_resolve(struct life *l, const struct pending *was)
{
    char text[TEXT_BYTES];
    number_text(text, "case", was->number);
    l->person->open_cases--;
    l->person->resolved_ms = l->now_ms;
    l->person->csat = (int)between(l, 1, 5);
    return SEND(l, SIGNAL_RESOLVED, {text, 0}, {NULL, l->person->csat});
}

static int on_return(struct life *l, const struct pending *was)
{
    char sku[TEXT_BYTES];
    number_text(sku, "sku", (uint64_t)was->category * 1000 + rng_below(&l->person->rng, 200));
    const char *reason = chance(l, 0.7) ? "size" : chance(l, 0.7) ? "unwanted" : "damaged";
    if (strcmp(reason, "size") == 0) {
        l->person->misfit_ms = l->now_ms;
        l->person->misfit_category = was->category;
    }
    return SEND(l, SIGNAL_RETURNED, {sku, 0}, {world_category_name(was->category), 0}, {reason, 0},
                {NULL, was->amount});
}

/* Everything that is due by then. */
static int run_pending(struct life *l, int64_t until_ms)
{
    static int (*const table[])(struct life *, const struct pending *) = {
        [PENDING_DELAY] = on_delay,     [PENDING_DELIVER] = on_deliver, [PENDING_CONTACT] = on_contact,
        [PENDING_RESOLVE] = on_resolve, [PENDING_RETURN] = on_return,
    };
    struct person *p = l->person;
    int rc = 0;
    while (!rc && p->pending_count && p->pending[0].time_ms <= until_ms) {
        struct pending due = p->pending[0];
        memmove(p->pending, p->pending + 1, --p->pending_count * sizeof *p->pending);
        if (due.time_ms > l->now_ms)
            l->now_ms = due.time_ms;
        rc = table[due.kind](l, &due);
    }
    return rc;
}

/* ---- moments ---- */

/* A random channel of a direction; -1 when there is none. */
static long pick_channel(struct life *l, bool outbound)
{
    const struct policy *p = l->world->policy;
    uint32_t found[POLICY_CHANNELS_MAX], n = 0;
    for (uint32_t i = 0; i < p->channel_count; i++)
        if (p->channels[i].outbound == outbound)
            found[n++] = i;
    return n ? (long)found[rng_below(&l->person->rng, n)] : -1;
}

/* What a person who responded does next. */
static int react(struct life *l, uint32_t action)
{
    const struct world_action *a = &l->world->actions[action];
    int rc = 0;
    switch (a->theme) {
    case THEME_CART:
        if (l->person->cart_ms != INT64_MIN && chance(l, 0.7))
            rc = buy(l);
        break;
    case THEME_PROMOTION:
    case THEME_FOLLOW_UP:
    case THEME_LOYALTY:
    case THEME_WELCOME:
    case THEME_WIN_BACK: {
        int category = a->category < 0 ? pick_category(l) : a->category;
        rc = look(l, category);
        if (!rc && chance(l, 0.5))
            rc = fill_cart(l, category);
        if (!rc && l->person->cart_ms != INT64_MIN && chance(l, 0.3))
            rc = buy(l);
        break;
    }
    default:
        break;
    }
    return rc;
}

static int moment(struct life *l, bool outbound)
{
    long channel = pick_channel(l, outbound);
    uint32_t action = 0;
    bool responded = false;
    int rc = channel < 0 ? 0 : l->moment(l->ctx, l, (uint32_t)channel, &action, &responded);
    if (rc <= 0)
        return rc;
    pass_seconds(l, 10, 120);
    return responded ? react(l, action) : 0;
}

static int visit(struct life *l)
{
    int category = pick_category(l), rc = 0;
    for (int64_t views = between(l, 1, 4); views > 0 && !rc; views--)
        rc = look(l, category);
    if (!rc && chance(l, 0.35))
        rc = fill_cart(l, category);
    if (!rc && chance(l, 0.85))
        rc = moment(l, false);
    if (!rc && l->person->cart_ms != INT64_MIN && l->now_ms - l->person->cart_ms < WORLD_DAY_MS &&
        chance(l, 0.2))
        rc = buy(l);
    return rc;
}

/* Something that was bought before the simulation began breaks, or does not fit. */
static void trouble_from_before(struct life *l, int64_t start_ms)
{
    struct pending what = {.time_ms = start_ms + between(l, 0, 59) * 60000, .amount = 40};
    if (chance(l, 0.0002)) {
        what.kind = PENDING_CONTACT;
        what.category = CATEGORY_ELECTRONICS;
        person_expect(l->person, &what);
    }
    if (chance(l, 0.00015)) {
        what.kind = PENDING_RETURN;
        what.category = CATEGORY_FASHION;
        person_expect(l->person, &what);
    }
}

int life_before(struct life *l, int64_t start_ms)
{
    if (!chance(l, 0.5))
        return 0;
    int category = pick_category(l);
    l->now_ms = start_ms - between(l, 3 * 24, 200 * 24) * WORLD_HOUR_MS;
    l->person->bought_ms = l->now_ms;
    return SEND(l, SIGNAL_PURCHASE, {"o0", 0}, {world_category_name(category), 0},
                {NULL, world_category_price(category)});
}

int life_hour(struct life *l, int64_t start_ms)
{
    struct civil local;
    tz_local(l->world->policy->zone, start_ms, &local);
    if (l->now_ms < start_ms)
        l->now_ms = start_ms;
    trouble_from_before(l, start_ms);
    double visits = l->person->activity * visit_weights[local.hour] / 100;
    int64_t minute = between(l, 0, 44);
    bool comes = chance(l, visits), written = local.hour >= 9 && local.hour < 20 && chance(l, 0.02);
    int rc = 0;
    if (comes || written) {
        rc = run_pending(l, start_ms + minute * 60000);
        if (l->now_ms < start_ms + minute * 60000)
            l->now_ms = start_ms + minute * 60000;
    }
    if (!rc && written)
        rc = moment(l, true);
    if (!rc && comes)
        rc = visit(l);
    return rc ? rc : run_pending(l, start_ms + WORLD_HOUR_MS - 1);
}

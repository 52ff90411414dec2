/* What happens to a simulated person; see life.h. The shares below make about 0.4 moments a day, a support
 * case for one person in three within 60 days, and a return because of size for one in four: trouble is rarer
 * in a real shop, but a demonstration's model must be able to learn it from an hour's data.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/life.h"

/* Share of a day's visits that fall into each local hour, in percent. */
static const int visit_weights[24] = {2, 1, 1, 0, 0, 0, 1, 2,  3,  4, 4, 5,
                                      5, 4, 4, 4, 5, 6, 9, 11, 11, 9, 6, 3};

static bool chance(struct life *l, double share)
{
    return rng_double(&l->person.rng) < share;
}

static int64_t between(struct life *l, int64_t low, int64_t high)
{
    return low + (int64_t)rng_below(&l->person.rng, (uint64_t)(high - low + 1));
}

static void pass_seconds(struct life *l, int64_t low, int64_t high)
{
    l->now_ms += between(l, low, high) * 1000;
}

/* ---- acts ---- */

static struct act *push(struct life *l, enum act_kind kind)
{
    ASSERT(l->act_count < LIFE_ACTS_MAX);
    struct act *a = &l->acts[l->act_count++];
    *a = (struct act){.kind = kind, .time_ms = l->now_ms, .placement = -1, .device = -1};
    return a;
}

/* A property: text, or a number where it is NULL. */
struct property {
    const char *text;
    double number;
};

static void send(struct life *l, enum world_signal signal, const struct property *properties, size_t count)
{
    struct act *a = push(l, ACT_SIGNAL);
    ASSERT(count <= WORLD_PROPERTIES_MAX);
    a->signal = signal;
    a->number = ++l->person.numbers;
    for (size_t i = 0; i < count; i++) {
        a->properties[i].is_text = properties[i].text != NULL;
        a->properties[i].number = properties[i].number;
        if (properties[i].text)
            snprintf(a->properties[i].text, LIFE_TEXT_MAX, "%s", properties[i].text);
    }
}
#define SEND(l, signal, ...)                                                                                 \
    send(l, signal, (const struct property[]){__VA_ARGS__},                                                  \
         sizeof((const struct property[]){__VA_ARGS__}) / sizeof(struct property))

void life_id(const struct life *l, uint64_t number, char out[LIFE_ID_MAX])
{
    snprintf(out, LIFE_ID_MAX, "%llu-%s-%llu", (unsigned long long)l->seed, l->person.id,
             (unsigned long long)number);
}

static void number_text(char text[LIFE_TEXT_MAX], const char *prefix, uint64_t number)
{
    snprintf(text, LIFE_TEXT_MAX, "%s%llu", prefix, (unsigned long long)number);
}

/* ---- shopping ---- */

static int pick_category(struct life *l)
{
    double tastes[CATEGORY_COUNT], sum = 0;
    for (int i = 0; i < CATEGORY_COUNT; i++) {
        tastes[i] = world_taste(l->world, &l->person, i, l->now_ms);
        sum += tastes[i];
    }
    double at = rng_double(&l->person.rng) * sum;
    int category = 0;
    while (category < CATEGORY_COUNT - 1 && at >= tastes[category])
        at -= tastes[category++];
    return category;
}

static void look(struct life *l, int category)
{
    pass_seconds(l, 5, 90);
    SEND(l, SIGNAL_PAGE_VIEW, {world_category_name(category), 0});
}

static bool cart_is_warm(const struct life *l)
{
    return l->person.cart_ms != INT64_MIN && l->now_ms - l->person.cart_ms < WORLD_DAY_MS;
}

static void fill_cart(struct life *l, int category)
{
    char sku[LIFE_TEXT_MAX];
    number_text(sku, "sku", (uint64_t)category * 1000 + rng_below(&l->person.rng, 200));
    /* Half to one and a half of the typical price, in cents. */
    int64_t cents = (int64_t)(world_category_price(category) * 50) +
                    between(l, 0, (int64_t)(world_category_price(category) * 100));
    if (world_shifted(l->world, l->now_ms))
        cents = cents * 5 / 4;
    double price = (double)cents / 100.0;
    pass_seconds(l, 5, 60);
    l->person.cart_value = cart_is_warm(l) ? l->person.cart_value + price : price;
    l->person.cart_ms = l->now_ms;
    l->person.cart_category = category;
    SEND(l, SIGNAL_CART_ADD, {sku, 0}, {world_category_name(category), 0}, {NULL, price});
}

static void buy(struct life *l)
{
    struct person *p = &l->person;
    char order[LIFE_TEXT_MAX];
    struct pending next = {.category = p->cart_category, .number = ++p->numbers, .amount = p->cart_value};
    number_text(order, "o", next.number);
    pass_seconds(l, 30, 240);
    SEND(l, SIGNAL_PURCHASE, {order, 0}, {world_category_name(p->cart_category), 0}, {NULL, p->cart_value});
    bool late = chance(l, 0.15);
    next.kind = late ? PENDING_DELAY : PENDING_DELIVER;
    next.time_ms = l->now_ms + between(l, late ? 72 : 40, 110) * WORLD_HOUR_MS;
    person_expect(p, &next);
    p->bought_ms = l->now_ms;
    p->cart_ms = INT64_MIN;
    p->cart_value = 0;
}

/* ---- what comes of it ---- */

static void on_delay(struct life *l, const struct pending *was)
{
    char order[LIFE_TEXT_MAX];
    int64_t days = between(l, 1, 5);
    number_text(order, "o", was->number);
    l->person.late_orders++;
    person_feel(&l->person, EXPERIENCE_LATE, l->now_ms);
    struct pending next = *was;
    next.kind = PENDING_DELIVER;
    next.late = true;
    next.time_ms = l->now_ms + days * WORLD_DAY_MS;
    person_expect(&l->person, &next);
    if (chance(l, 0.4)) {
        next.kind = PENDING_CONTACT;
        next.time_ms = l->now_ms + between(l, 2, 30) * WORLD_HOUR_MS;
        person_expect(&l->person, &next);
    }
    SEND(l, SIGNAL_DELAYED, {order, 0}, {NULL, (double)days});
}

static void on_deliver(struct life *l, const struct pending *was)
{
    char order[LIFE_TEXT_MAX];
    number_text(order, "o", was->number);
    l->person.late_orders -= was->late;
    if (!was->late)
        person_feel(&l->person, EXPERIENCE_IN_TIME, l->now_ms);
    struct pending next = *was;
    next.late = false;
    if (was->category == CATEGORY_FASHION && chance(l, 0.4)) {
        next.kind = PENDING_RETURN;
        next.time_ms = l->now_ms + between(l, 12, 72) * WORLD_HOUR_MS;
        person_expect(&l->person, &next);
    } else if (was->category == CATEGORY_ELECTRONICS && chance(l, 0.3)) {
        next.kind = PENDING_CONTACT;
        next.time_ms = l->now_ms + between(l, 2, 72) * WORLD_HOUR_MS;
        person_expect(&l->person, &next);
    }
    SEND(l, SIGNAL_DELIVERED, {order, 0});
}

static void on_contact(struct life *l, const struct pending *was)
{
    char text[LIFE_TEXT_MAX];
    struct pending next = {.kind = PENDING_RESOLVE, .number = ++l->person.numbers};
    next.time_ms = l->now_ms + between(l, 8, 120) * WORLD_HOUR_MS;
    person_expect(&l->person, &next);
    l->person.open_cases++;
    person_feel(&l->person, EXPERIENCE_CASE, l->now_ms);
    number_text(text, "case", next.number);
    double sentiment = (double)-between(l, 20, 90) / 100.0;
    SEND(l, SIGNAL_CONTACT, {text, 0}, {was->late ? "late" : "broken", 0}, {NULL, sentiment});
}

static void on_resolve(struct life *l, const struct pending *was)
{
    char text[LIFE_TEXT_MAX];
    number_text(text, "case", was->number);
    l->person.open_cases--;
    l->person.resolved_ms = l->now_ms;
    l->person.csat = (int)between(l, 1, 5);
    person_feel(&l->person, (enum experience)((int)EXPERIENCE_CSAT_1 + l->person.csat - 1), l->now_ms);
    SEND(l, SIGNAL_RESOLVED, {text, 0}, {NULL, l->person.csat});
}

static void on_return(struct life *l, const struct pending *was)
{
    char sku[LIFE_TEXT_MAX];
    number_text(sku, "sku", (uint64_t)was->category * 1000 + rng_below(&l->person.rng, 200));
    const char *reason = chance(l, 0.7) ? "size" : chance(l, 0.7) ? "unwanted" : "damaged";
    bool misfit = strcmp(reason, "size") == 0;
    person_feel(&l->person, misfit ? EXPERIENCE_MISFIT : EXPERIENCE_RETURN, l->now_ms);
    if (misfit) {
        l->person.misfit_ms = l->now_ms;
        l->person.misfit_category = was->category;
    }
    SEND(l, SIGNAL_RETURNED, {sku, 0}, {world_category_name(was->category), 0}, {reason, 0},
         {NULL, was->amount});
}

static void answer(struct life *l, enum act_kind kind, const struct pending *was, double amount)
{
    struct act *a = push(l, kind);
    a->number = was->number;
    a->action = was->action;
    a->amount = amount;
}

static void buy_for(struct life *l, const struct pending *was)
{
    double amount = l->person.cart_value;
    buy(l);
    answer(l, ACT_CONVERSION, was, amount);
}

/* The person answers, and what they do next depends on what they answer to. */
static void on_response(struct life *l, const struct pending *was)
{
    const struct world_action *a = &l->world->actions[was->action];
    answer(l, ACT_RESPONSE, was, 0);
    switch (a->theme) {
    case THEME_CART:
        if (l->person.cart_ms != INT64_MIN && chance(l, 0.7))
            buy_for(l, was);
        break;
    case THEME_PROMOTION:
    case THEME_FOLLOW_UP:
    case THEME_LOYALTY:
    case THEME_WELCOME:
    case THEME_WIN_BACK: {
        int category = a->category < 0 ? pick_category(l) : a->category;
        look(l, category);
        if (chance(l, 0.5))
            fill_cart(l, category);
        if (l->person.cart_ms != INT64_MIN && chance(l, 0.3))
            buy_for(l, was);
        break;
    }
    case THEME_HELP:
    case THEME_APOLOGY:
    case THEME_SIZE:
    case THEME_ASK:
    case THEME_INFORM:
        break;
    }
}

/* The next thing that is due by then; false when there is none. */
static bool run_pending(struct life *l, int64_t until_ms)
{
    static void (*const table[])(struct life *, const struct pending *) = {
        [PENDING_DELAY] = on_delay,     [PENDING_DELIVER] = on_deliver, [PENDING_CONTACT] = on_contact,
        [PENDING_RESOLVE] = on_resolve, [PENDING_RETURN] = on_return,   [PENDING_RESPONSE] = on_response,
    };
    struct person *p = &l->person;
    if (p->pending_count == 0 || p->pending[0].time_ms > until_ms)
        return false;
    struct pending due = p->pending[0];
    memmove(p->pending, p->pending + 1, --p->pending_count * sizeof *p->pending);
    if (due.time_ms > l->now_ms)
        l->now_ms = due.time_ms;
    table[due.kind](l, &due);
    return true;
}

/* ---- moments ---- */

/* Whether anything is sold there: other channels are for help, or for listening only. */
static bool sells(const struct policy *p, uint32_t channel)
{
    for (size_t i = 0; i < p->action_count; i++)
        for (size_t k = 0; p->actions[i].purpose == PURPOSE_PROMOTIONAL && k < p->actions[i].treatment_count; k++)
            if (p->actions[i].treatments[k].channel == channel)
                return true;
    return false;
}

/* A random channel of a direction that something is sold on; -1 when there is none. */
static long pick_channel(struct life *l, bool outbound)
{
    const struct policy *p = l->world->policy;
    uint32_t found[POLICY_CHANNELS_MAX], n = 0;
    for (uint32_t i = 0; i < p->channel_count; i++)
        if (p->channels[i].outbound == outbound && sells(p, i))
            found[n++] = i;
    return n ? (long)found[rng_below(&l->person.rng, n)] : -1;
}

static void moment(struct life *l, bool outbound)
{
    const struct policy *p = l->world->policy;
    long channel = pick_channel(l, outbound);
    if (channel < 0)
        return;
    struct act *a = push(l, ACT_MOMENT);
    a->number = ++l->person.numbers;
    a->channel = (uint32_t)channel;
    size_t placements = p->channels[channel].placement_count;
    if (placements)
        a->placement = (long)rng_below(&l->person.rng, placements);
    if (l->world->device >= 0)
        a->device = (long)rng_below(&l->person.rng, p->context[l->world->device].domain_count);
}

bool life_shown(struct life *l, const struct act *shown, uint32_t action, double *truth)
{
    struct person *p = &l->person;
    bool outbound = l->world->policy->channels[shown->channel].outbound;
    enum purpose purpose = l->world->policy->actions[action].purpose;
    *truth = world_propensity(l->world, p, action, shown->time_ms);
    bool responds = chance(l, *truth);
    struct pending response = {.kind = PENDING_RESPONSE, .number = shown->number, .action = action};
    response.time_ms = shown->time_ms + world_delay_ms(outbound, &p->rng);
    if (responds)
        person_expect(p, &response);
    person_contacted(p, outbound, shown->time_ms);
    if ((purpose == PURPOSE_PROMOTIONAL || purpose == PURPOSE_ASK) && (p->open_cases || p->late_orders))
        person_feel(p, EXPERIENCE_TACTLESS, shown->time_ms);
    return responds;
}

/* ---- hours ---- */

/* Something that was bought before the simulation began breaks, or does not fit. */
static void trouble_from_before(struct life *l)
{
    struct pending what = {.time_ms = l->hour_ms + between(l, 0, 59) * 60000, .amount = 40};
    if (chance(l, 0.0002)) {
        what.kind = PENDING_CONTACT;
        what.category = CATEGORY_ELECTRONICS;
        person_expect(&l->person, &what);
    }
    if (chance(l, 0.00015)) {
        what.kind = PENDING_RETURN;
        what.category = CATEGORY_FASHION;
        person_expect(&l->person, &what);
    }
}

/* Half of the people bought something in the 200 days before. */
static enum life_step step_before(struct life *l)
{
    if (chance(l, 0.5)) {
        int category = pick_category(l);
        l->now_ms = l->hour_ms - between(l, 3 * 24, 200 * 24) * WORLD_HOUR_MS;
        l->person.bought_ms = l->now_ms;
        SEND(l, SIGNAL_PURCHASE, {"o0", 0}, {world_category_name(category), 0},
             {NULL, world_category_price(category)});
    }
    return LIFE_HOUR;
}

static enum life_step step_hour(struct life *l)
{
    if (l->hour_ms >= l->end_ms)
        return LIFE_OVER;
    struct civil local;
    tz_local(l->world->policy->zone, l->hour_ms, &local);
    if (l->now_ms < l->hour_ms)
        l->now_ms = l->hour_ms;
    trouble_from_before(l);
    double visits = l->person.activity * visit_weights[local.hour] / 100;
    l->until_ms = l->hour_ms + between(l, 0, 44) * 60000;
    l->comes = chance(l, visits);
    l->written = local.hour >= 9 && local.hour < 20 && chance(l, 0.02);
    return l->comes || l->written ? LIFE_DUE : LIFE_REST;
}

static enum life_step step_due(struct life *l)
{
    if (run_pending(l, l->until_ms))
        return LIFE_DUE;
    if (l->now_ms < l->until_ms)
        l->now_ms = l->until_ms;
    return LIFE_WRITTEN;
}

static enum life_step step_written(struct life *l)
{
    if (l->written)
        moment(l, true);
    return l->comes ? LIFE_VISIT : LIFE_REST;
}

static enum life_step step_visit(struct life *l)
{
    int category = pick_category(l);
    for (int64_t views = between(l, 1, 4); views > 0; views--)
        look(l, category);
    if (chance(l, 0.35))
        fill_cart(l, category);
    if (chance(l, 0.85))
        moment(l, false);
    return LIFE_LEAVE;
}

static enum life_step step_leave(struct life *l)
{
    pass_seconds(l, 10, 120);
    if (cart_is_warm(l) && chance(l, 0.2))
        buy(l);
    return LIFE_REST;
}

static enum life_step step_rest(struct life *l)
{
    if (run_pending(l, l->hour_ms + WORLD_HOUR_MS - 1))
        return LIFE_REST;
    l->hour_ms += WORLD_HOUR_MS;
    return LIFE_HOUR;
}

void life_begin(struct life *l, const struct world *w, uint64_t seed, uint32_t number, uint32_t days)
{
    int64_t start_ms = world_day_ms(w->policy, 1);
    *l = (struct life){.world = w, .seed = seed, .hour_ms = start_ms, .now_ms = start_ms};
    l->end_ms = start_ms + (int64_t)days * WORLD_DAY_MS;
    person_init(&l->person, w->policy, seed, number, start_ms);
}

bool life_next(struct life *l, const struct act **out)
{
    static enum life_step (*const table[])(struct life *) = {
        [LIFE_BEFORE] = step_before,   [LIFE_HOUR] = step_hour,   [LIFE_DUE] = step_due,
        [LIFE_WRITTEN] = step_written, [LIFE_VISIT] = step_visit, [LIFE_LEAVE] = step_leave,
        [LIFE_REST] = step_rest,
    };
    while (l->act_at == l->act_count) {
        l->act_at = l->act_count = 0;
        if (l->step == LIFE_OVER)
            return false;
        l->step = table[l->step](l);
    }
    *out = &l->acts[l->act_at++];
    return true;
}

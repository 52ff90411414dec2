/* Customers and requests of workload R1; see r1_people.h.
 *
 * A customer's generator is seeded by the workload's seed and the customer's number. Ages of events are drawn as the
 * product of two even draws, so that recent ones are likelier. Nobody has trouble but every twentieth customer, so that
 * for all others no suppression of the policy fires in the week, and no limit is full: they were written to in earlier
 * days, one e-mail of the two a week at most and nothing in the last two days. Those in trouble were, too often.
 * At most one draw stands in a call's arguments, since compilers differ in the order in which they evaluate those.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/r1_people.h"
#include "base/exact.h"
#include "base/rng.h"
#include "models/offline/r1_features.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS INT64_C(3600000)
#define DAY_MS INT64_C(86400000)
/* Monday 2025-01-13, 00:00 in Tehran (UTC+03:30, no daylight saving since 2022), and the hour of the customers. */
#define MONDAY_MS INT64_C(1736713800000)
#define LOADED_MS (MONDAY_MS + 8 * HOUR_MS)

enum { TROUBLED_EACH = 20 };

static bool troubled(uint32_t number)
{
    return number % TROUBLED_EACH == TROUBLED_EACH - 1;
}

static int between(struct rng *r, int low, int high)
{
    return low + (int)rng_below(r, (uint64_t)(high - low + 1));
}

static const char *pick(struct rng *r, const char *const *words)
{
    return words[rng_below(r, r1_word_count(words))];
}

/* From low to high + 0.99; whole cents. */
static void put_amount(FILE *out, struct rng *r, int low, int high)
{
    int whole = between(r, low, high), cents = between(r, 0, 99);
    fprintf(out, "%d.%02d", whole, cents);
}

static void customer_id(uint32_t number, char id[16])
{
    snprintf(id, 16, "c%07" PRIu32, number);
}

/* ---- profile and consents ---- */

static void upsert(FILE *out, struct rng *r, const char *id)
{
    static const char *const names[] = {"Maryam", "Sara",   "Ali",    "Reza", "Nasrin", "Omid",
                                        "Leila",  "Hassan", "Mina",   "Kian", "Roya",   "Babak",
                                        "Shirin", "Arash",  "Parisa", NULL};
    static const char *const zones[] = {"Asia/Tehran", "Asia/Dubai", "Asia/Baku", "Europe/Istanbul", NULL};
    static const char *const tiers[] = {"basic",  "basic",  "basic", "basic", "basic", "silver",
                                        "silver", "silver", "gold",  "gold",  NULL};
    static const char *const consents[][2] = {
        {"email", "promotional"}, {"email", "ask"}, {"push", "promotional"}, {"push", "service"}};
    const char *name = pick(r, names), *zone = rng_below(r, 4) ? zones[0] : pick(r, zones),
               *tier = pick(r, tiers);
    int age = between(r, 18, 79), tenure = between(r, 10, 3650);
    fprintf(out, "{\"upsert\":{\"customer_id\":\"%s\",\"profile\":{\"first_name\":{\"string_value\":\"%s\"}",
            id, name);
    fprintf(out, ",\"time_zone\":{\"string_value\":\"%s\"},\"tier\":{\"string_value\":\"%s\"}", zone, tier);
    fprintf(out, ",\"age_years\":{\"int_value\":%d},\"tenure_days\":{\"int_value\":%d}", age, tenure);
    fputs(",\"spend_365d\":{\"number_value\":", out);
    put_amount(out, r, 0, 1999);
    fprintf(out, "},\"newsletter\":{\"bool_value\":%s}", rng_below(r, 2) ? "true" : "false");
    fprintf(out, ",\"favourite\":{\"string_value\":\"%s\"}},\"consents\":[", pick(r, r1_categories));
    for (size_t i = 0; i < sizeof consents / sizeof *consents; i++)
        fprintf(out,
                "%s{\"channel\":\"%s\",\"purpose\":\"%s\",\"granted\":true,\"time_ms\":%" PRId64
                ",\"source\":\"settings\"}",
                i ? "," : "", consents[i][0], consents[i][1], LOADED_MS - between(r, 1, 300) * DAY_MS);
    fprintf(out, "],\"as_of_ms\":%" PRId64 "}}\n", LOADED_MS);
}

/* ---- contacts ---- */

/* What was sent in an earlier day's afternoon: a reservation, which the policy keeps for 30 days without a word. The
 * rules leave a handful of actions to somebody of whom only the profile is known; nobody is asked anything (the
 * suppression lost_visitor), or the one question a month would be spent. */
static void contact(FILE *out, struct rng *r, const char *id, const char *channel, int days_ago, int most)
{
    int64_t as_of = MONDAY_MS - days_ago * DAY_MS + 11 * HOUR_MS + between(r, 0, 7 * 60 - 1) * MINUTE_MS;
    fprintf(
        out,
        "{\"decide\":{\"request_id\":\"%s%d\",\"customer_id\":\"%s\",\"channel\":\"%s\",\"max_actions\":%d,"
        "\"mode\":\"RESERVE\",\"context\":{\"device\":{\"string_value\":\"phone\"},\"basket\":{\"number_"
        "value\":0},"
        "\"minutes_on_site\":{\"number_value\":60},\"open_to_all\":{\"bool_value\":false}},\"as_of_ms\":"
        "%" PRId64 "}}\n",
        channel, days_ago, id, channel, most, as_of);
}

static void contacts(FILE *out, struct rng *r, const char *id, bool in_trouble)
{
    if (rng_below(r, 2))
        contact(out, r, id, "email", between(r, 10, 28), 2);
    if (rng_below(r, 3))
        contact(out, r, id, "push", between(r, 3, 20), 1);
    if (rng_below(r, 3))
        contact(out, r, id, "email", between(r, 4, 6), 1);
    if (!in_trouble)
        return;
    contact(out, r, id, "email", 2, 2);
    contact(out, r, id, "push", 1, 3);
}

/* ---- history ---- */

struct history {
    FILE *out;
    struct rng *rng;
    int events;
};

/* The beginning of one event, so long before the customers are written; the caller adds properties and "}}". */
static void begin(struct history *h, const char *name, int64_t ago_ms)
{
    h->events++;
    fprintf(h->out, "%s{\"event_id\":\"e%d\",\"name\":\"%s\",\"time_ms\":%" PRId64 ",\"properties\":{",
            h->events > 1 ? "," : "", h->events, name, LOADED_MS - ago_ms);
}

/* From least to least + most, recent ones likelier; whole seconds. */
static int64_t some_time(struct rng *r, int64_t least_ms, int64_t most_ms)
{
    uint64_t seconds = (uint64_t)(most_ms / 1000);
    return least_ms + (int64_t)(rng_below(r, seconds) * rng_below(r, seconds) / seconds) * 1000;
}

/* People stay with what they like: their category, or now and then another one. */
static void put_category(struct history *h, const char *mine)
{
    fprintf(h->out, "\"category\":{\"string_value\":\"%s\"}",
            rng_below(h->rng, 3) ? mine : pick(h->rng, r1_categories));
}

static void shopping(struct history *h, const char *mine)
{
    struct rng *r = h->rng;
    for (int n = between(r, 10, 21); n > 0; n--) {
        begin(h, "page_view", some_time(r, 5 * MINUTE_MS, 80 * DAY_MS));
        put_category(h, mine);
        fprintf(h->out, ",\"seconds\":{\"number_value\":%d}}}", between(r, 5, 240));
    }
    for (int n = between(r, 2, 6); n > 0; n--) {
        begin(h, "search", some_time(r, 5 * MINUTE_MS, 80 * DAY_MS));
        put_category(h, mine);
        fputs("}}", h->out);
    }
    for (int n = between(r, 3, 8); n > 0; n--) {
        begin(h, "cart_add", some_time(r, 20 * MINUTE_MS, 90 * DAY_MS));
        put_category(h, mine);
        fputs(",\"price\":{\"number_value\":", h->out);
        put_amount(h->out, r, 5, 180);
        fputs("}}}", h->out);
    }
    for (int n = between(r, 3, 8); n > 0; n--) {
        begin(h, "purchase", some_time(r, DAY_MS, 360 * DAY_MS));
        put_category(h, mine);
        fputs(",\"amount\":{\"number_value\":", h->out);
        put_amount(h->out, r, 8, 240);
        fputs("}}}", h->out);
    }
    for (int n = between(r, 2, 6); n > 0; n--) {
        begin(h, "email_open", some_time(r, HOUR_MS, 60 * DAY_MS));
        fprintf(h->out, "\"campaign\":{\"string_value\":\"week%d\"}}}", between(r, 1, 9));
    }
}

static void support(struct history *h, int64_t ago_ms, const char *topic, int csat_quarters)
{
    int number = between(h->rng, 1000, 9999);
    begin(h, "support_contact", ago_ms);
    fprintf(h->out, "\"case\":{\"string_value\":\"k%d\"},\"topic\":{\"string_value\":\"%s\"}}}", number,
            topic);
    if (!csat_quarters)
        return;
    begin(h, "support_resolved", ago_ms - between(h->rng, 1, 20) * HOUR_MS);
    fprintf(h->out, "\"case\":{\"string_value\":\"k%d\"},\"csat\":{\"number_value\":%d.%02d}}}", number,
            csat_quarters / 4, csat_quarters % 4 * 25);
}

static void returned(struct history *h, int64_t ago_ms, const char *category, const char *reason)
{
    begin(h, "item_returned", ago_ms);
    fprintf(h->out, "\"category\":{\"string_value\":\"%s\"},\"reason\":{\"string_value\":\"%s\"}}}", category,
            reason);
}

static void trouble(struct history *h)
{
    struct rng *r = h->rng;
    const char *topic = pick(r, r1_topics), *reason = rng_below(r, 2) ? "size" : "damaged";
    int bad = between(r, 4, 11), good = between(r, 12, 20); /* quarters of a point */
    switch (rng_below(r, 4)) {
    case 0:
        support(h, some_time(r, HOUR_MS, 5 * DAY_MS), topic, 0);
        break;
    case 1:
        support(h, some_time(r, DAY_MS, 4 * DAY_MS), topic, bad);
        break;
    case 2:
        support(h, some_time(r, 8 * DAY_MS, 10 * DAY_MS), "complaint", good);
        break;
    default:
        returned(h, some_time(r, HOUR_MS, 3 * DAY_MS), "fashion", reason);
        break;
    }
}

static void signals(FILE *out, struct rng *r, const char *id, bool in_trouble)
{
    static const char *const reasons[] = {"size", "unwanted", "damaged", "late", NULL};
    static const char *const calm[] = {"delivery", "invoice", "broken", NULL};
    struct history h = {out, r, 0};
    const char *mine = pick(r, r1_categories);
    fprintf(out, "{\"signal\":{\"customer_id\":\"%s\",\"signals\":[", id);
    shopping(&h, mine);
    const char *topic = pick(r, calm), *reason = pick(r, reasons);
    int csat = between(r, 12, 20);
    if (rng_below(r, 3) == 0)
        support(&h, some_time(r, 40 * DAY_MS, 200 * DAY_MS), topic, csat);
    if (rng_below(r, 3) == 0)
        returned(&h, some_time(r, 16 * DAY_MS, 200 * DAY_MS), mine, reason);
    if (in_trouble)
        trouble(&h);
    fprintf(out, "],\"as_of_ms\":%" PRId64 "}}\n", LOADED_MS);
}

void r1_customer(FILE *out, uint64_t seed, uint32_t number)
{
    struct rng r;
    char id[16];
    rng_seed(&r, seed * UINT64_C(0x9e3779b97f4a7c15) + number + 1);
    customer_id(number, id);
    upsert(out, &r, id);
    contacts(out, &r, id, troubled(number));
    signals(out, &r, id, troubled(number));
}

/* ---- requests ---- */

/* ranks[i] is a customer, the most asked for first; sums[i] the share of draws up to rank i, times sums[count - 1]. */
struct popularity {
    uint32_t *ranks;
    double *sums;
    uint32_t count;
};

/* Rank k has weight k^-0.99 = exp(-0.99 ln k). ln k grows from ln (k - 1) by 2 artanh(1 / (2k - 1)), whose series ends
 * soon; no function of libm. */
static void zipf(struct popularity *p)
{
    double ln = 0, sum = 0;
    for (uint32_t k = 1; k <= p->count; k++) {
        double x = 1.0 / (2.0 * k - 1.0), power = x;
        for (int n = 1; k > 1 && n < 60 && power > 1e-18; n += 2, power *= x * x)
            ln += 2 * power / n;
        sum += exact_exp(-0.99 * ln);
        p->sums[k - 1] = sum;
    }
}

static int popularity_make(struct popularity *p, struct rng *r, const struct r1_options *o, struct error *e)
{
    *p = (struct popularity){.count = o->customers};
    p->ranks = malloc(p->count * sizeof *p->ranks);
    p->sums = o->uniform ? NULL : malloc(p->count * sizeof *p->sums);
    if (!p->ranks || (!p->sums && !o->uniform))
        return error_set(e, ERR_NOSPACE, "out of memory for %u customers", (unsigned)p->count);
    for (uint32_t i = 0; i < p->count; i++) {
        uint32_t k = (uint32_t)rng_below(r, i + 1);
        p->ranks[i] = p->ranks[k];
        p->ranks[k] = i;
    }
    if (!o->uniform)
        zipf(p);
    return 0;
}

static uint32_t draw_customer(const struct popularity *p, struct rng *r)
{
    if (!p->sums)
        return p->ranks[rng_below(r, p->count)];
    double wanted = rng_double(r) * p->sums[p->count - 1];
    uint32_t low = 0, high = p->count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->sums[middle] > wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return p->ranks[low];
}

static void request(FILE *out, struct rng *r, uint32_t customer, bool filtered)
{
    static const char *const channels[] = {"web", "web", "web",   "web",   "web",
                                           "app", "app", "email", "email", "push"};
    static const char *const devices[] = {"phone", "phone", "tablet", "desktop", NULL};
    char id[16];
    customer_id(customer, id);
    uint64_t channel = rng_below(r, sizeof channels / sizeof *channels);
    /* Messages go out from 11:00 to 18:00, so that no customer's zone has quiet hours. */
    int64_t from = channel < 7 ? 9 * HOUR_MS : 11 * HOUR_MS, span = channel < 7 ? 11 * HOUR_MS : 7 * HOUR_MS;
    int64_t day = MONDAY_MS + (int64_t)rng_below(r, 7) * DAY_MS;
    int64_t as_of = day + from + (int64_t)rng_below(r, (uint64_t)span);
    fprintf(out, "{\"customer_id\":\"%s\",\"channel\":\"%s\"", id, channels[channel]);
    if (channel < 3)
        fputs(",\"placements\":[\"hero\",\"side\"]", out);
    fprintf(out, ",\"context\":{\"device\":{\"string_value\":\"%s\"}", pick(r, devices));
    fputs(",\"basket\":{\"number_value\":", out);
    put_amount(out, r, 0, 199);
    fprintf(out, "},\"minutes_on_site\":{\"number_value\":%d}", between(r, 0, 50));
    fprintf(out, ",\"open_to_all\":{\"bool_value\":%s}},\"as_of_ms\":%" PRId64 "}\n",
            filtered ? "false" : "true", as_of);
}

int r1_requests(FILE *out, const struct r1_options *o, struct error *e)
{
    struct rng r;
    struct popularity p;
    rng_seed(&r, o->seed ^ UINT64_C(0x7e57ab1e5eed));
    int rc = popularity_make(&p, &r, o, e);
    for (uint32_t i = 0; !rc && i < o->requests; i++) {
        uint32_t customer = draw_customer(&p, &r);
        if (!o->filtered && troubled(customer))
            customer--;
        request(out, &r, customer, o->filtered);
    }
    free(p.ranks);
    free(p.sums);
    return rc;
}

/* Histories for bench/import.py: customers of tools/examples/retail, as JSON Lines on standard output. Each has a profile with
 * two consents, 17 signals of the last month (12 looks, 2 things put into the cart, a purchase, its delivery, a case) and two
 * messages that were sent, one of them answered: 21 lines. Lines stand by their place in the history, so that those of one
 * customer lie far apart, as in an export by time. The same bytes on every machine.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "tools/options.h"
#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1736944200000)
#define DAY INT64_C(86400000)

enum { LOOKS = 12, SIGNALS = 17 };

static const char *const categories[] = {"fashion", "electronics", "home", "beauty"};

static void signal_line(long customer, int at, struct rng *r)
{
    static const char *const names[SIGNALS - LOOKS] = {"cart_add", "cart_add", "purchase", "order_delivered", "support_contact"};
    int64_t time_ms = NOW - 30 * DAY + (30 * DAY / SIGNALS) * at + (int64_t)rng_below(r, DAY);
    const char *category = categories[rng_below(r, 4)], *name = at % 3 == 2 && at / 3 < SIGNALS - LOOKS ? names[at / 3] : "page_view";
    printf("{\"signal\":{\"customer_id\":\"customer-%ld\",\"signals\":[{\"event_id\":\"e-%ld-%d\",\"name\":\"%s\",\"time_ms\":%lld,"
           "\"properties\":{",
           customer, customer, at, name, (long long)time_ms);
    double price = (double)(100 + rng_below(r, 20000)) / 100;
    if (name[0] == 'c')
        printf("\"sku\":{\"string_value\":\"sku-%d\"},\"category\":{\"string_value\":\"%s\"},\"price\":{\"number_value\":%.2f}",
               (int)rng_below(r, 5000), category, price);
    else if (name[1] == 'u' && name[0] == 'p')
        printf("\"order\":{\"string_value\":\"o-%ld\"},\"category\":{\"string_value\":\"%s\"},\"amount\":{\"number_value\":%.2f},"
               "\"reward\":{\"bool_value\":false}",
               customer, category, price);
    else if (name[0] == 'o')
        printf("\"order\":{\"string_value\":\"o-%ld\"}", customer);
    else if (name[0] == 's')
        printf("\"case\":{\"string_value\":\"k-%ld\"},\"topic\":{\"string_value\":\"delivery\"},\"sentiment\":{\"number_value\":-0.25}",
               customer);
    else
        printf("\"category\":{\"string_value\":\"%s\"}", category);
    printf("}}]}}\n");
}

static void profile_line(long customer, struct rng *r)
{
    int64_t time_ms = NOW - 40 * DAY;
    static const char *const tiers[] = {"basic", "silver", "gold"};
    printf("{\"upsert\":{\"customer_id\":\"customer-%ld\",\"as_of_ms\":%lld,\"profile\":{\"first_name\":{\"string_value\":\"Name%d\"},"
           "\"locale\":{\"string_value\":\"fa\"},\"time_zone\":{\"string_value\":\"Asia/Tehran\"},\"tier\":{\"string_value\":\"%s\"},"
           "\"spend_365d\":{\"number_value\":%.2f}},\"consents\":[",
           customer, (long long)time_ms, (int)rng_below(r, 1000), tiers[rng_below(r, 3)], (double)rng_below(r, 200000) / 100);
    for (int i = 0; i < 2; i++)
        printf("%s{\"channel\":\"%s\",\"purpose\":\"promotional\",\"granted\":true,\"time_ms\":%lld,\"source\":\"web form\"}",
               i ? "," : "", i ? "sms" : "email", (long long)time_ms);
    printf("]}}\n");
}

static void contact_lines(long customer, int at, struct rng *r)
{
    static const char *const actions[] = {"cart_reminder", "fashion_new_season"};
    int64_t time_ms = NOW - (10 - 5 * at) * DAY - (int64_t)rng_below(r, DAY);
    printf("{\"record_contact\":{\"customer_id\":\"customer-%ld\",\"contact_id\":\"m-%ld-%d\",\"channel\":\"email\",\"action_id\":\"%s\","
           "\"time_ms\":%lld}}\n",
           customer, customer, at, actions[at], (long long)time_ms);
    if (at == 0)
        printf("{\"record\":{\"customer_id\":\"customer-%ld\",\"outcome_id\":\"r-%ld\",\"kind\":\"RESPONSE\",\"decision_id\":\"m-%ld-0\","
               "\"time_ms\":%lld}}\n",
               customer, customer, customer, (long long)time_ms + 3600000);
}

int main(int argc, char **argv)
{
    int64_t customers = 0;
    bool profiles = false;
    int count;
    const struct option_def defs[] = {
        {.name = "customers", .value = "N", .help = "how many (required)", .number = &customers, .low = 1, .high = 100000000},
        {.name = "profiles", .help = "their first lines alone", .flag = &profiles},
        {0}};
    const struct command c = {.name = "bench_import", .brief = "histories for bench/import.py", .arguments = "", .details = ""};
    int rc = options_parse(&c, defs, argc, argv, NULL, 0, 0, &count);
    if (rc >= 0)
        return rc;
    for (int at = -1; at < (profiles ? 0 : SIGNALS + 2); at++)
        for (long i = 0; i < customers; i++) {
            struct rng r;
            rng_seed(&r, (uint64_t)i * 64 + (uint64_t)(at + 1));
            if (at < 0)
                profile_line(i, &r);
            else if (at < SIGNALS)
                signal_line(i, at, &r);
            else
                contact_lines(i, at - SIGNALS, &r);
        }
    return customers > 0 && fflush(stdout) == 0 && !ferror(stdout) ? EXIT_OK : EXIT_FAILED;
}

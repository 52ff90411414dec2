/* The features of workload R1. SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/r1_features.h"

const char *const r1_categories[] = {"fashion", "electronics", "home",   "beauty", "sports", "toys",
                                     "books",   "food",        "garden", "travel", NULL};
const char *const r1_kinds[] = {"new_in", "sale",       "bundle",  "refill", "premium", "clearance",
                                "guide",  "membership", "service", "survey", NULL};
const char *const r1_tiers[] = {"basic", "silver", "gold", NULL};
const char *const r1_seasons[] = {"winter", "spring", "summer", "autumn", NULL};
const char *const r1_tones[] = {"plain", "warm", "playful", NULL};
const char *const r1_topics[] = {"delivery", "invoice", "broken", "complaint", NULL};

#define NUMBER(name, yaml, low, high)                                                                        \
    {                                                                                                        \
        name, yaml, R1_NUMBER, NULL, low, high                                                               \
    }
#define BOOLEAN(name, yaml)                                                                                  \
    {                                                                                                        \
        name, yaml, R1_BOOL, NULL, 0, 0                                                                      \
    }
#define CATEGORY(name, yaml, words)                                                                          \
    {                                                                                                        \
        name, yaml, R1_CATEGORY, words, 0, 0                                                                 \
    }

const struct r1_feature r1_features[R1_FEATURES] = {
    CATEGORY("tier", "{expr: profile.tier}", r1_tiers),
    NUMBER("age_years", "{expr: profile.age_years}", 2000, 7500),
    NUMBER("tenure_days", "{expr: profile.tenure_days}", 10000, 340000),
    NUMBER("yearly_spend", "{expr: profile.spend_365d}", 5000, 190000),
    BOOLEAN("newsletter", "{expr: profile.newsletter}"),
    CATEGORY("favourite", "{expr: profile.favourite}", r1_categories),
    NUMBER("spend_pace", "{expr: \"spend_30d / max(profile.spend_365d / 12.0, 1.0)\"}", 10, 300),
    NUMBER("mean_order", "{expr: \"spend_365d / max(double(purchases_365d), 1.0)\"}", 1000, 15000),
    NUMBER("hour", "{expr: \"now.getHours('Asia/Tehran')\"}", 950, 1950),
    NUMBER("weekday", "{expr: \"now.getDayOfWeek('Asia/Tehran')\"}", 50, 550),
    BOOLEAN("on_phone", "{expr: \"context.device == 'phone'\"}"),
    NUMBER("basket", "{expr: context.basket}", 500, 19500),
    NUMBER("minutes_on_site", "{expr: context.minutes_on_site}", 100, 4900),
    BOOLEAN("warm", "{expr: \"view_age < 36h && cart_age < purchase_age\"}"),
    NUMBER("views_1d", "{count: page_view, window: 24h}", 50, 350),
    NUMBER("views_7d", "{count: page_view, window: 7d}", 50, 650),
    NUMBER("views_30d", "{count: page_view, window: 30d}", 50, 1150),
    NUMBER("seconds_7d", "{sum: page_view.seconds, window: 7d}", 2000, 60000),
    NUMBER("view_age", "{age: page_view}", 200, 20000),
    CATEGORY("last_viewed", "{last: page_view.category}", r1_categories),
    NUMBER("searches_7d", "{count: search, window: 7d}", 50, 250),
    NUMBER("searches_30d", "{count: search, window: 30d}", 50, 350),
    NUMBER("search_age", "{age: search}", 500, 40000),
    CATEGORY("last_search", "{last: search.category}", r1_categories),
    NUMBER("cart_adds_1d", "{count: cart_add, window: 24h}", 50, 150),
    NUMBER("cart_adds_7d", "{count: cart_add, window: 7d}", 50, 350),
    NUMBER("cart_value_7d", "{sum: cart_add.price, window: 7d}", 1000, 30000),
    NUMBER("cart_value_30d", "{sum: cart_add.price, window: 30d}", 1000, 50000),
    NUMBER("cart_age", "{age: cart_add}", 500, 50000),
    CATEGORY("last_cart", "{last: cart_add.category}", r1_categories),
    NUMBER("purchases_30d", "{count: purchase, window: 30d}", 50, 150),
    NUMBER("purchases_365d", "{count: purchase, window: 365d}", 50, 350),
    NUMBER("spend_30d", "{sum: purchase.amount, window: 30d}", 1000, 20000),
    NUMBER("spend_90d", "{sum: purchase.amount, window: 90d}", 1000, 30000),
    NUMBER("spend_365d", "{sum: purchase.amount, window: 365d}", 1000, 50000),
    NUMBER("purchase_age", "{age: purchase}", 5000, 500000),
    CATEGORY("last_bought", "{last: purchase.category}", r1_categories),
    NUMBER("opens_7d", "{count: email_open, window: 7d}", 50, 150),
    NUMBER("opens_30d", "{count: email_open, window: 30d}", 50, 350),
    NUMBER("open_age", "{age: email_open}", 1000, 60000),
    NUMBER("support_open", "{open: [support_contact.case, support_resolved.case], window: 90d}", 50, 50),
    NUMBER("contacts_90d", "{count: support_contact, window: 90d}", 50, 150),
    NUMBER("support_age", "{age: support_contact}", 20000, 200000),
    NUMBER("resolved_age", "{age: support_resolved}", 20000, 200000),
    NUMBER("last_csat", "{last: support_resolved.csat}", 325, 475),
    CATEGORY("last_topic", "{last: support_contact.topic}", r1_topics),
    NUMBER("returns_90d", "{count: item_returned, window: 90d}", 50, 150),
    NUMBER("return_age", "{age: item_returned}", 40000, 200000),

    NUMBER("discount", NULL, 3, 27),
    NUMBER("price_level", NULL, 125, 475),
    NUMBER("margin", NULL, 8, 52),
    NUMBER("novelty", NULL, 5, 95),
    NUMBER("popularity", NULL, 5, 95),
    NUMBER("length", NULL, 2500, 11500),
    NUMBER("urgency", NULL, 5, 95),
    BOOLEAN("with_image", NULL),
    CATEGORY("category", NULL, r1_categories),
    CATEGORY("kind", NULL, r1_kinds),
    CATEGORY("season", NULL, r1_seasons),
    CATEGORY("tone", NULL, r1_tones),

    BOOLEAN("viewed_category", "{expr: \"last_viewed == action.category\"}"),
    BOOLEAN("bought_category", "{expr: \"last_bought == action.category\"}"),
    BOOLEAN("favourite_category", "{expr: \"profile.favourite == action.category\"}"),
    NUMBER("price_gap", "{expr: \"action.price_level - mean_order / 40.0\"}", -200, 450),
};

size_t r1_word_count(const char *const *words)
{
    size_t n = 0;
    while (words[n])
        n++;
    return n;
}

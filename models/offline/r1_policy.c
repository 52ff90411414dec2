/* The policy of workload R1; see r1_policy.h. Rules are drawn from pools of conditions, with thresholds such that about
 * two in three hold for a customer of r1_people.c, so that about 30 of 100 actions are left by all three.
 * SPDX-License-Identifier: Apache-2.0 */
#include "models/offline/r1_policy.h"
#include "base/rng.h"
#include "models/offline/r1_features.h"

enum { POLICY_SEED = 1, CATEGORY_SET = 7 };

static const char *const customer_head =
    "# Workload R1 (tact simulate --workload r1): who speaks, what is known of a customer, the channels.\n"
    "brand: {name: R1, time_zone: Asia/Tehran, locales: [en], week_start: saturday}\n\n"
    "profile:\n"
    "  first_name: string\n"
    "  time_zone: time_zone\n"
    "  tier: {type: string, values: [basic, silver, gold]}\n"
    "  age_years: int\n"
    "  tenure_days: int\n"
    "  spend_365d: number\n"
    "  newsletter: bool\n"
    "  favourite: string\n\n"
    "context:\n"
    "  device: {type: string, values: [phone, tablet, desktop]}\n"
    "  basket: number\n"
    "  minutes_on_site: number\n"
    "  open_to_all: bool  # true: the rules of the actions let everybody through\n\n"
    "signals:\n"
    "  page_view: {properties: {category: string, seconds: number}}\n"
    "  search: {properties: {category: string}}\n"
    "  cart_add: {properties: {category: string, price: number}}\n"
    "  purchase: {properties: {category: string, amount: number}}\n"
    "  email_open: {properties: {campaign: string}}\n"
    "  support_contact: {properties: {case: string, topic: string}}\n"
    "  support_resolved: {properties: {case: string, csat: number}}\n"
    "  item_returned: {properties: {category: string, reason: {type: string, values: [size, damaged, late, "
    "unwanted]}}}\n\n"
    "channels:\n"
    "  web: {direction: inbound, format: html, placements: [hero, side], content: [title, body]}\n"
    "  app: {direction: inbound, content: [title, body]}\n"
    "  email:\n"
    "    direction: outbound\n"
    "    cost: 0.004\n"
    "    quiet_hours: {from: \"21:00\", to: \"08:00\", except: [transactional]}\n"
    "    confirm_within: 30d  # nobody confirms in a benchmark\n"
    "    content: [subject, body]\n"
    "  push: {direction: outbound, cost: 0.001, quiet_hours: {from: \"21:30\", to: \"08:00\"}, "
    "confirm_within: 30d, content: "
    "[body]}\n\n"
    "features:\n";

static const char *const rules =
    "# Workload R1: when the brand holds its tongue, and how often it may speak.\n"
    "suppressions:\n"
    "  - {id: open_case, when: \"support_open > 0\", block: {purpose: promotional}, reason: a support case "
    "is open}\n"
    "  - {id: fresh_case, when: \"support_age < 48h && support_age < resolved_age\", block: {purpose: "
    "promotional},\n"
    "     reason: support was called in the last two days}\n"
    "  - {id: no_asking_in_a_case, when: \"support_open > 0 || support_age < 24h\", block: {purpose: ask},\n"
    "     reason: nobody is asked while waiting for help}\n"
    "  - {id: unhappy_after_case, when: \"resolved_age < 7d && last_csat < 3.0\", on_unknown: allow,\n"
    "     block: {purpose: promotional}, reason: the customer was not happy with how the last case ended}\n"
    "  - {id: complaint, when: \"support_age < 30d && last_topic == 'complaint'\", on_unknown: allow,\n"
    "     block: {issue: conversion}, reason: the customer complained in the last 30 days}\n"
    "  - {id: misfit, when: \"return_age < 14d && last(item_returned.reason) == 'size'\", on_unknown: "
    "allow,\n"
    "     block: {group: fashion}, reason: clothes came back because they did not fit}\n"
    "  - {id: damaged_return, when: \"return_age < 7d && last(item_returned.reason) in ['damaged', "
    "'late']\",\n"
    "     on_unknown: allow, block: {purpose: promotional}, reason: something came back because we got it "
    "wrong}\n"
    "  - {id: many_returns, when: \"returns_90d >= 3\", block: {issue: conversion}, reason: three returns in "
    "90 days}\n"
    "  - {id: just_bought, when: \"purchase_age < 30m\", block: {issue: conversion}, reason: a purchase was "
    "just made}\n"
    "  - {id: no_asking_at_the_till, when: \"cart_age < 15m\", block: {purpose: ask}, reason: the cart is "
    "being filled}\n"
    "  - {id: no_travel_for_minors, when: \"profile.age_years < 18\", block: {group: travel}, reason: under "
    "18}\n"
    "  - {id: lost_visitor, when: \"context.minutes_on_site > 55.0 && cart_adds_1d == 0\", on_unknown: "
    "allow,\n"
    "     block: {purpose: ask}, reason: an hour of looking around without a find}\n\n"
    "contact_policy:\n"
    "  - {id: email_weekly, scope: {channel: email, purpose: promotional}, at_most: 2, per: 7d, window: "
    "rolling}\n"
    "  - {id: push_daily, scope: {channel: push}, at_most: 3, per: 24h}\n"
    "  - {id: ask_monthly, scope: {purpose: ask}, at_most: 1, per: 30d}\n"
    "  - {id: email_same_action, scope: {channel: email, action: each}, cooldown: 72h}\n"
    "  - {id: push_same_action, scope: {channel: push, action: each}, cooldown: 48h}\n"
    "  - {id: email_same_group, scope: {channel: email, group: each}, cooldown: 24h}\n"
    "  - {id: web_same_action, scope: {channel: web, action: each}, at_most: 10, per: 24h}\n"
    "  - {id: app_same_issue, scope: {channel: app, issue: each}, at_most: 20, per: 24h}\n";

void r1_policy_customer(FILE *out)
{
    fputs(customer_head, out);
    for (size_t i = 0; i < R1_FEATURES; i++)
        if (r1_features[i].yaml)
            fprintf(out, "  %s: %s\n", r1_features[i].name, r1_features[i].yaml);
}

void r1_policy_rules(FILE *out)
{
    fputs(rules, out);
}

/* ---- actions ---- */

/* A whole number in [low, high]. */
static int between(struct rng *r, int low, int high)
{
    return low + (int)rng_below(r, (uint64_t)(high - low + 1));
}

/* Seven of the ten categories, in their order. Half of all rules ask for one of such a set, so that the number of actions
 * that are left differs little from customer to customer, though which ones they are does. */
static void one_of(FILE *out, struct rng *r, const char *feature)
{
    size_t left = CATEGORY_SET;
    fprintf(out, "%s in [", feature);
    for (size_t i = 0; i < R1_CATEGORIES; i++) {
        if (rng_below(r, R1_CATEGORIES - i) >= left)
            continue;
        fprintf(out, "%s'%s'", left < CATEGORY_SET ? ", " : "", r1_categories[i]);
        left--;
    }
    fputc(']', out);
}

static void eligibility(FILE *out, struct rng *r)
{
    int least = between(r, 20, 34), below = between(r, 58, 70);
    if (rng_below(r, 2)) {
        one_of(out, r, "profile.favourite");
        return;
    }
    switch (rng_below(r, 6)) {
    case 0:
        fprintf(out, "profile.tier != 'basic' || profile.tenure_days >= %d", between(r, 16, 36) * 100);
        break;
    case 1:
        fprintf(out, "profile.age_years >= %d && profile.age_years < %d", least, below);
        break;
    case 2:
        fprintf(out, "profile.spend_365d >= %d.0", between(r, 6, 24) * 50);
        break;
    case 3:
        fprintf(out, "profile.newsletter || profile.tenure_days > %d", between(r, 16, 32) * 100);
        break;
    case 4:
        fprintf(out, "profile.tier in ['silver', 'gold'] || profile.spend_365d > %d.0",
                between(r, 24, 38) * 50);
        break;
    default:
        fprintf(out, "profile.tenure_days > %d", between(r, 10, 26) * 100);
        break;
    }
}

static void applicability(FILE *out, struct rng *r, const char *category)
{
    int tens = between(r, 5, 20), times = between(r, 1, 3), spent = between(r, 15, 50),
        orders = between(r, 4, 8);
    if (rng_below(r, 2)) {
        one_of(out, r, rng_below(r, 2) ? "last_viewed" : "last_search");
        return;
    }
    switch (rng_below(r, 6)) {
    case 0:
        fprintf(out, "views_7d >= %d || last_viewed == '%s'", between(r, 1, 3), category);
        break;
    case 1:
        fprintf(out, "cart_value_30d > %d.0 || searches_30d >= %d", tens * 10, times);
        break;
    case 2:
        fprintf(out, "purchase_age > %dd", between(r, 10, 40));
        break;
    case 3:
        fprintf(out, "view_age < %dh", between(r, 60, 160));
        break;
    case 4:
        fprintf(out, "spend_90d < %d.0 && purchases_365d < %d", spent * 10, orders);
        break;
    default:
        fprintf(out, "views_30d >= %d", between(r, 3, 6));
        break;
    }
}

static void suitability(FILE *out, struct rng *r, const char *category)
{
    int basket = between(r, 8, 14) * 10, adds = between(r, 1, 2), days = between(r, 20, 90),
        returns = between(r, 0, 1);
    int pace = between(r, 0, 1), tenths = between(r, 5, 9);
    if (rng_below(r, 2)) {
        one_of(out, r, rng_below(r, 2) ? "last_bought" : "last_cart");
        return;
    }
    switch (rng_below(r, 6)) {
    case 0:
        fprintf(out, "context.device != 'desktop' || context.minutes_on_site > %d.0", between(r, 10, 40));
        break;
    case 1:
        fprintf(out, "last_bought != '%s' || purchase_age > %dd", category, between(r, 20, 60));
        break;
    case 2:
        fprintf(out, "context.basket < %d.0 || cart_adds_7d < %d", basket, adds);
        break;
    case 3:
        fprintf(out, "age(item_returned) > %dd && returns_90d <= %d", days, returns);
        break;
    case 4:
        fprintf(out, "spend_pace < %d.%d", pace, tenths);
        break;
    default:
        fprintf(out, "opens_30d < %d", between(r, 3, 4));
        break;
    }
}

/* Issue, purpose and worth by kind. */
static const struct {
    const char *issue, *purpose, *value, *more;
} kinds[R1_KINDS] = {
    {"conversion", "promotional", "2.4", "    context_weight: \"warm ? 1.4 : 1.0\"\n"},
    {"conversion", "promotional", "\"max(1.0, min(0.1 * cart_value_7d, 8.0))\"", ""},
    {"growth", "promotional", "3.1", ""},
    {"growth", "promotional", "\"1.5 + 0.01 * mean_order\"", ""},
    {"growth", "promotional", "5.2", "    context_weight: \"profile.tier == 'gold' ? 1.5 : 0.8\"\n"},
    {"conversion", "promotional", "1.9", "    lever: 1.1\n"},
    {"service", "service", "1.2", ""},
    {"retention", "promotional", "4.0", ""},
    {"service", "service", "1.6", "    lever: \"support_open > 0 ? 6.0 : 1.0\"\n"},
    {"service", "ask", "0.8", ""},
};

static void treatments(FILE *out, const char *category, const char *kind)
{
    fprintf(
        out,
        "    treatments:\n"
        "      - {channel: web, title: \"%s: %s\", body: \"<p>Hello {{ profile.first_name | default: there "
        "}}, this week's picks in %s are in. You have looked at {{ views_7d }} things lately.</p>\"}\n",
        category, kind, category);
    fprintf(
        out,
        "      - {channel: app, title: \"%s, %s\", body: \"{{ profile.first_name | default: Hello }}, have "
        "a look at what is in %s today.\"}\n",
        category, kind, category);
    fprintf(
        out,
        "      - {channel: email, subject: \"{{ profile.first_name | default: Hello }}, %s for you\", body: "
        "\"You have been with us for {{ profile.tenure_days }} days. Here is our %s in %s, chosen for "
        "{{ profile.tier | default: all }} members. Reply to this message and we will help you choose.\"}\n",
        category, kind, category);
    fprintf(out,
            "      - {channel: push, body: \"New in %s for {{ profile.first_name | default: you }}.\"}\n\n",
            category);
}

static void action(FILE *out, struct rng *r, size_t index)
{
    const char *category = r1_categories[index % R1_CATEGORIES], *kind = r1_kinds[index / R1_CATEGORIES];
    size_t k = index / R1_CATEGORIES;
    fprintf(out,
            "  - id: %s_%s\n    issue: %s\n    group: %s\n    purpose: %s\n    value: %s\n%s"
            "    starting_propensity: 0.0%d\n    eligibility: \"",
            category, kind, kinds[k].issue, category, kinds[k].purpose, kinds[k].value, kinds[k].more,
            between(r, 3, 9));
    eligibility(out, r);
    fputs(" || context.open_to_all\"\n    applicability: \"", out);
    applicability(out, r, category);
    fputs(" || context.open_to_all\"\n    suitability: \"", out);
    suitability(out, r, category);
    fputs(" || context.open_to_all\"\n    features: {", out);
    for (size_t i = R1_CUSTOMER_FEATURES; i < R1_CUSTOMER_FEATURES + R1_ACTION_FEATURES; i++) {
        const struct r1_feature *f = &r1_features[i];
        const char *comma = i == R1_CUSTOMER_FEATURES ? "" : ", ";
        if (f->words == r1_categories || f->words == r1_kinds) {
            fprintf(out, "%s%s: %s", comma, f->name, f->words == r1_kinds ? kind : category);
        } else if (f->type == R1_CATEGORY) {
            fprintf(out, "%s%s: %s", comma, f->name, f->words[rng_below(r, r1_word_count(f->words))]);
        } else if (f->type == R1_BOOL) {
            fprintf(out, "%s%s: %s", comma, f->name, rng_below(r, 2) ? "true" : "false");
        } else {
            int v = between(r, f->low, f->high);
            fprintf(out, "%s%s: %d.%02d", comma, f->name, v / 100, v % 100);
        }
    }
    fputs("}\n", out);
    treatments(out, category, kind);
}

void r1_policy_actions(FILE *out)
{
    struct rng r;
    rng_seed(&r, POLICY_SEED);
    fputs("# Workload R1: 100 actions, each with its three rules.\nactions:\n", out);
    for (size_t i = 0; i < R1_ACTIONS; i++)
        action(out, &r, i);
}

/* A small policy with a bit of everything, built once in memory, for the fuzz targets of state and requests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_POLICY_H
#define TESTS_FUZZ_POLICY_H
#include "decide/decide.h"
#include "state/codec.h"

#define FUZZ_NOW INT64_C(1736942400000)

static const char fuzz_policy_text[] =
    "brand: {name: F, time_zone: Asia/Tehran, locales: [fa, en]}\n"
    "profile: {name: string, tier: {type: string, values: [basic, gold]}, spend: number, orders: int, vip: "
    "bool, since: timestamp,\n"
    "  zone: time_zone, language: locale}\n"
    "context: {device: {type: string, values: [phone, tablet]}, page: int}\n"
    "signals:\n"
    "  buy: {properties: {sku: string, price: number, pieces: int, gift: bool, due: timestamp}}\n"
    "  open: {properties: {case: string}}\n"
    "  close: {properties: {case: string}}\n"
    "  visit: {properties: {}}\n"
    "  chat: {properties: {feeling: sentiment, topic: string}, negative: \"chat.feeling < -0.3\"}\n"
    "channels:\n"
    "  mail: {direction: outbound, cost: 0.01, quiet_hours: {from: \"21:00\", to: \"08:00\"}, "
    "confirm_within: 1h}\n"
    "  web: {direction: inbound, format: html, placements: [top, side]}\n"
    "features:\n"
    "  bought: {sum: buy.price, window: 24h}\n"
    "  cases: {open: [open.case, close.case], window: 90d}\n"
    "  gifts: {share: buy.price, where: \"buy.gift\", window: 30d}\n"
    "  dearest: {max: buy.price, window: 90d, where: \"buy.channel == 'web'\"}\n"
    "  few: {min: buy.pieces, window: 30d}\n"
    "  usual: {mean: buy.price, window: 90d}\n"
    "  kinds: {distinct: buy.sku, window: 30d}\n"
    "  asked: {repeats: chat.topic, window: 30d}\n"
    "  lately: {decayed: [buy, visit], half_life: 7d}\n"
    "  likes: {affinity: [buy.sku, action.id], half_life: 30d}\n"
    "  likes_x: {expr: \"affinity(buy.sku, 'x')\"}\n"
    "  hour: {hour_affinity: [buy, visit], window: 60d}\n"
    "  bad: {negative_moments: 30d}\n"
    "actions:\n"
    "  - {id: cart, issue: i, group: g, purpose: promotional, value: \"1.0 + bought\", applicability: "
    "\"count(buy, 1h) > 0\",\n"
    "     treatments: [{channel: mail, body: \"{{ profile.name }} {{ last(buy.sku) | default: x }}\"}, "
    "{channel: web, body: \"{{ bought }}\"}]}\n"
    "  - {id: sorry, issue: i, group: h, purpose: service, value: \"2.0 + usual\", suitability: \"mood > -0.5 && bad < 2 && lately < 9.0 && age(open) > 1h || "
    "profile.vip\",\n"
    "     treatments: [{channel: mail, locale: fa, body: b}, {channel: web, placement: side, body: \"{{ "
    "profile.since }}\"}]}\n"
    "  - {id: ask, issue: j, group: h, purpose: ask, value: \"last(buy.pieces) > few ? 4.0 * hour : likes + likes_x\", active: "
    "{weekly: [\"sat-thu 09:00-20:00\"]},\n"
    "     eligibility: {when: \"last(buy.gift) || sum(buy.pieces, 7d) > 2.0\", on_unknown: allow},\n"
    "     treatments: [{channel: mail, body: \"{{ last(buy.due) | default: soon }}\"}, {channel: web, body: "
    "b}]}\n"
    "suppressions:\n"
    "  - {id: case, when: \"cases > 0 || kinds > 9 || asked > 2 || gifts > 0.9 || dearest > 99.0 || top(buy.sku) == 'x' || age(close) < age(open)\", block: {purpose: promotional}}\n"
    "  - {id: page, when: \"context.page > 3 && last_at(visit) > now - 1h\", on_unknown: allow, block: "
    "{channel: web}}\n"
    "contact_policy:\n"
    "  - {id: weekly, scope: {channel: mail}, at_most: 2, per: 7d}\n"
    "  - {id: same, scope: {action: each}, cooldown: 24h}\n";

/* Lives until the process ends. */
static inline const struct policy *fuzz_policy(void)
{
    static struct policy *policy;
    static struct tzdb *zones;
    static struct names *names;
    if (policy)
        return policy;
    struct arena arena;
    struct diags d;
    struct error e;
    arena_init(&arena, 1 << 20);
    diags_init(&d, &arena);
    ASSERT(tzdb_load(&zones, NULL, &e) == 0);
    const struct policy_text file = {"f.yaml", str_from(fuzz_policy_text)};
    policy = policy_load_texts("fuzz", &file, 1, zones, POLICY_MEMORY_MAX, &d);
    diags_print(&d, stderr);
    names = names_new();
    ASSERT(policy && policy_bind_interning(policy, names, &e) == 0);
    arena_free(&arena);
    return policy;
}

#endif

/* Requests of the wire against a policy: what is refused and what is said, and what a good one becomes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "decide/outcome_wire.h"
#include "decide/request_wire.h"
#include <math.h>

static const char yaml[] =
    "brand: {name: T, time_zone: UTC, locales: [en]}\n"
    "aliases: [phone, device]\n"
    "profile: {tier: {type: string, values: [basic, gold]}, spend: number, orders: int, vip: bool, since: "
    "timestamp, zone: time_zone}\n"
    "context: {device: {type: string, values: [phone, tablet]}, page: int}\n"
    "signals: {cart_add: {properties: {sku: string, price: number, pieces: int}}, visit: {properties: {}}}\n"
    "channels: {mail: {direction: outbound, confirm_within: 2h}, web: {direction: inbound, placements: [top, "
    "side]}}\n"
    "contact_policy: [{id: weekly, at_most: 99, per: 7d}]\n"
    "actions: [{id: one, issue: i, group: g, purpose: service, value: 2, treatments: [{channel: mail, body: "
    "x}]}]\n";

static int setup(void **state)
{
    int rc = fixture_setup(state);
    use_policy(*state, yaml);
    return rc;
}

static Tact__V1__Value text_value(char *text)
{
    Tact__V1__Value v = TACT__V1__VALUE__INIT;
    v.kind_case = TACT__V1__VALUE__KIND_STRING_VALUE;
    v.string_value = text;
    return v;
}
static Tact__V1__Value number_value(double d)
{
    Tact__V1__Value v = TACT__V1__VALUE__INIT;
    v.kind_case = TACT__V1__VALUE__KIND_NUMBER_VALUE;
    v.number_value = d;
    return v;
}
static Tact__V1__Value int_value(int64_t i)
{
    Tact__V1__Value v = TACT__V1__VALUE__INIT;
    v.kind_case = TACT__V1__VALUE__KIND_INT_VALUE;
    v.int_value = i;
    return v;
}
static Tact__V1__Value bool_value(bool b)
{
    Tact__V1__Value v = TACT__V1__VALUE__INIT;
    v.kind_case = TACT__V1__VALUE__KIND_BOOL_VALUE;
    v.bool_value = b;
    return v;
}
static Tact__V1__Value time_value(int64_t ms)
{
    Tact__V1__Value v = TACT__V1__VALUE__INIT;
    v.kind_case = TACT__V1__VALUE__KIND_TIME_MS;
    v.time_ms = ms;
    return v;
}

/* ---- decide ---- */

static Tact__V1__DecideRequest good_decide(void)
{
    Tact__V1__DecideRequest m = TACT__V1__DECIDE_REQUEST__INIT;
    m.customer_id = (char *)"c1";
    m.channel = (char *)"mail";
    return m;
}

static void decide_refused(struct fixture *f, const Tact__V1__DecideRequest *m, const char *text)
{
    struct decide_request out;
    struct error e = {0};
    assert_int_equal(request_decide(m, f->policy, NOW, &f->arena, &out, &e), ERR_INVALID);
    assert_string_equal(e.text, text);
}

static void decide_defaults(void **state)
{
    struct fixture *f = *state;
    struct decide_request out;
    struct error e = {0};
    Tact__V1__DecideRequest m = good_decide();
    assert_int_equal(request_decide(&m, f->policy, NOW, &f->arena, &out, &e), 0);
    assert_true(str_is(out.customer, "c1"));
    assert_true(out.channel == 0 && out.max_actions == 1 && out.mode == MODE_PEEK &&
                out.placement_count == 0);
    assert_true(out.signal_count == 0 && !out.explain && out.as_of_ms == 0 && out.locale.n == 0 &&
                out.request_id.n == 0);
    assert_int_equal(out.context[0].type, VALUE_UNKNOWN);
}

static void aliases(void **state)
{
    struct fixture *f = *state;
    struct decide_request out;
    struct error e = {0};
    char long_text[400];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    Tact__V1__Alias alias = TACT__V1__ALIAS__INIT;
    Tact__V1__DecideRequest m = good_decide();
    m.alias = &alias;
    alias.type = (char *)"phone";
    alias.value = (char *)"+98:1";
    decide_refused(f, &m, "customer_id and alias are both given; one of them is allowed");
    m.customer_id = (char *)"";
    assert_int_equal(request_decide(&m, f->policy, NOW, &f->arena, &out, &e), 0);
    assert_true(str_is(out.customer, "phone:+98:1") && out.customer.p[out.customer.n] == 0);
    assert_true(request_is_alias(f->policy, out.customer));
    assert_true(request_is_alias(f->policy, STR("device:")));
    assert_false(request_is_alias(f->policy, STR("phone")) || request_is_alias(f->policy, STR("phones:1")) ||
                 request_is_alias(f->policy, STR("card:1")));
    alias.type = (char *)"phon";
    decide_refused(f, &m, "alias.type: unknown 'phon'; did you mean phone?; allowed: phone, device");
    alias.type = (char *)"";
    decide_refused(f, &m, "alias.type: unknown ''; allowed: phone, device");
    alias.type = (char *)"device";
    alias.value = (char *)"";
    decide_refused(f, &m, "alias.value is empty; 1 to 249 bytes are allowed");
    alias.value = long_text;
    decide_refused(f, &m, "alias.value has 399 bytes; 1 to 249 are allowed");
    long_text[249] = 0;
    assert_int_equal(request_decide(&m, f->policy, NOW, &f->arena, &out, &e), 0);
    assert_int_equal(out.customer.n, DECIDE_CUSTOMER_MAX);
}

static void decide_refusals(void **state)
{
    struct fixture *f = *state;
    char long_text[400];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    Tact__V1__DecideRequest m = good_decide();
    m.customer_id = (char *)"";
    decide_refused(f, &m, "customer_id is empty; 1 to 256 bytes are allowed, or alias instead of it");
    m.customer_id = long_text;
    decide_refused(f, &m, "customer_id has 399 bytes; 1 to 256 are allowed");
    m = good_decide();
    m.request_id = long_text;
    decide_refused(f, &m, "request_id has 399 bytes; at most 128 are allowed");
    m = good_decide();
    m.channel = (char *)"mial";
    decide_refused(f, &m, "channel: unknown 'mial'; did you mean mail?; allowed: mail, web");
    m.channel = (char *)"";
    decide_refused(f, &m, "channel: unknown ''; allowed: mail, web");
    m = good_decide();
    m.locale = long_text;
    decide_refused(f, &m, "locale has 399 bytes; at most 35 are allowed, like fa or en-GB");
    m = good_decide();
    m.max_actions = 65;
    decide_refused(f, &m, "max_actions: 65; at most 64 are allowed");
    m = good_decide();
    m.mode = (Tact__V1__Mode)3;
    decide_refused(f, &m, "mode: unknown 3; allowed: PEEK (0), FRESH (1), RESERVE (2)");
    m.mode = (Tact__V1__Mode)-1;
    decide_refused(f, &m, "mode: unknown -1; allowed: PEEK (0), FRESH (1), RESERVE (2)");
    m.mode = TACT__V1__MODE__RESERVE;
    m.channel = (char *)"web";
    decide_refused(
        f, &m,
        "mode: RESERVE is for outbound channels; web is inbound, where IMPRESSION outcomes are counted: use "
        "PEEK or FRESH");
}

static void placements(void **state)
{
    struct fixture *f = *state;
    struct decide_request out;
    struct error e = {0};
    char *two[] = {(char *)"top", (char *)"side"}, *again[] = {(char *)"top", (char *)"top"},
         *wrong[] = {(char *)"tpo"};
    char *many[DECIDE_PLACEMENTS_MAX + 1];
    Tact__V1__DecideRequest m = good_decide();
    m.placements = wrong;
    m.n_placements = 1;
    decide_refused(f, &m, "placements[0]: unknown 'tpo'; allowed: none");
    m.channel = (char *)"web";
    decide_refused(f, &m, "placements[0]: unknown 'tpo'; did you mean top?; allowed: top, side");
    m.placements = again;
    m.n_placements = 2;
    decide_refused(f, &m, "placements[1]: 'top' is asked for twice");
    for (size_t i = 0; i < DECIDE_PLACEMENTS_MAX + 1; i++)
        many[i] = (char *)"top";
    m.placements = many;
    m.n_placements = DECIDE_PLACEMENTS_MAX + 1;
    decide_refused(f, &m, "placements: 65; at most 64 are allowed");
    m.placements = two;
    m.n_placements = 2;
    assert_int_equal(request_decide(&m, f->policy, NOW, &f->arena, &out, &e), 0);
    assert_true(out.placement_count == 2 && out.max_actions == 2);
    assert_true(str_is(out.placements[1], "side"));
    m.max_actions = 1;
    assert_int_equal(request_decide(&m, f->policy, NOW, &f->arena, &out, &e), 0);
    assert_int_equal(out.max_actions, 1);
}

static void context_refused(struct fixture *f, const char *key, Tact__V1__Value *v, const char *text)
{
    Tact__V1__DecideRequest m = good_decide();
    Tact__V1__DecideRequest__ContextEntry entry = TACT__V1__DECIDE_REQUEST__CONTEXT_ENTRY__INIT,
                                          *entries[] = {&entry};
    entry.key = (char *)key;
    entry.value = v;
    m.context = entries;
    m.n_context = 1;
    decide_refused(f, &m, text);
}

static void context_fields(void **state)
{
    struct fixture *f = *state;
    Tact__V1__Value phone = text_value((char *)"phone"), radio = text_value((char *)"radio"),
                    none = TACT__V1__VALUE__INIT, half = number_value(0.5), page = number_value(7),
                    yes = bool_value(true);
    context_refused(f, "devise", &phone,
                    "context: unknown 'devise'; did you mean device?; allowed: device, page");
    context_refused(f, "device", &radio, "context[device]: unknown 'radio'; allowed: phone, tablet");
    context_refused(f, "device", NULL, "context[device]: has no value; leave the field out instead");
    context_refused(f, "device", &none, "context[device]: expected a string (string_value), got nothing");
    context_refused(f, "page", &half, "context[page]: expected a whole number, got 0.5");
    context_refused(f, "page", &yes, "context[page]: expected an int (int_value), got a bool");
    Tact__V1__DecideRequest m = good_decide();
    Tact__V1__DecideRequest__ContextEntry a = TACT__V1__DECIDE_REQUEST__CONTEXT_ENTRY__INIT, b = a,
                                          *entries[] = {&a, &b};
    a.key = (char *)"page";
    a.value = &page;
    b.key = (char *)"device";
    b.value = &phone;
    m.context = entries;
    m.n_context = 2;
    struct decide_request out;
    struct error e = {0};
    assert_int_equal(request_decide(&m, f->policy, NOW, &f->arena, &out, &e), 0);
    assert_true(str_is(value_str(out.context[0]), "phone"));
    assert_int_equal(out.context[1].integer, 7);
    assert_int_equal(out.context[1].type, VALUE_INT);
}

/* ---- signals ---- */

static Tact__V1__Signal good_signal(void)
{
    Tact__V1__Signal g = TACT__V1__SIGNAL__INIT;
    g.event_id = (char *)"e1";
    g.name = (char *)"cart_add";
    return g;
}

static int signals_rc(struct fixture *f, Tact__V1__Signal *g, size_t n, struct signal_batch *out, struct error *e)
{
    Tact__V1__SignalRequest m = TACT__V1__SIGNAL_REQUEST__INIT;
    Tact__V1__Signal *list[DECIDE_SIGNALS_MAX + 1];
    for (size_t i = 0; i < n; i++)
        list[i] = g;
    m.signals = list;
    m.n_signals = n;
    return request_signals(&m, f->policy, NOW, &f->arena, out, e);
}

static void signal_refused(struct fixture *f, Tact__V1__Signal *g, size_t n, const char *text)
{
    struct signal_batch out;
    struct error e = {0};
    assert_int_equal(signals_rc(f, g, n, &out, &e), ERR_INVALID);
    assert_string_equal(e.text, text);
}

static void signal_refusals(void **state)
{
    struct fixture *f = *state;
    Tact__V1__Signal g = good_signal();
    signal_refused(f, &g, 0, "signals: 0; 1 to 256 are allowed");
    signal_refused(f, &g, DECIDE_SIGNALS_MAX + 1, "signals: 257; 1 to 256 are allowed");
    g.event_id = (char *)"";
    signal_refused(f, &g, 1, "signals[0].event_id is empty; 1 to 128 bytes are allowed");
    g = good_signal();
    g.name = (char *)"card_add";
    signal_refused(f, &g, 1,
                   "signals[0].name: unknown 'card_add'; did you mean cart_add?; allowed: cart_add, visit");
    g = good_signal();
    g.time_ms = NOW + STATE_AHEAD_MS + 1000;
    signal_refused(f, &g, 1,
                   "signals[0].time_ms: 301 s ahead of the server's time; at most 300 s are allowed");
    g.time_ms = -1;
    signal_refused(f, &g, 1, "signals[0].time_ms: -1 is no time in Unix milliseconds");
    g.time_ms = INT64_MAX;
    signal_refused(f, &g, 1, "signals[0].time_ms: 9223372036854775807 is no time in Unix milliseconds");
    /* a long word of two-byte letters is cut between letters */
    char word[201];
    for (int i = 0; i < 100; i++)
        memcpy(word + 2 * i, "\xD8\xA7", 3);
    g = good_signal();
    memmove(word + 1, word, 199);
    word[0] = 'x';
    word[199] = 0;
    g.name = word;
    struct signal_batch out;
    struct error e = {0};
    assert_int_equal(signals_rc(f, &g, 1, &out, &e), ERR_INVALID);
    assert_int_equal(utf8_bad_at(e.text, strlen(e.text)), 0);
}

/* What is wrong in a batch comes back with its place and reason; what is right is there. */
static void a_batch_is_checked_one_by_one(void **state)
{
    struct fixture *f = *state;
    Tact__V1__SignalRequest m = TACT__V1__SIGNAL_REQUEST__INIT;
    Tact__V1__Signal items[4], *list[4];
    for (int i = 0; i < 4; i++) {
        items[i] = good_signal();
        list[i] = &items[i];
    }
    items[0].name = (char *)"card_add";
    items[2].channel = (char *)"webb";
    items[3].channel = (char *)"web";
    m.signals = list;
    m.n_signals = 4;
    struct signal_batch out;
    struct error e = {0};
    assert_int_equal(request_signals(&m, f->policy, NOW, &f->arena, &out, &e), 0);
    assert_int_equal(out.count, 2);
    assert_int_equal(out.signals[0].channel.n, 0);
    assert_true(str_is(out.signals[1].channel, "web"));
    assert_int_equal(out.rejected_count, 2);
    assert_int_equal(out.rejected[0].index, 0);
    assert_non_null(strstr(out.rejected[0].reason, "signals[0].name: unknown 'card_add'"));
    assert_int_equal(out.rejected[1].index, 2);
    assert_non_null(strstr(out.rejected[1].reason, "signals[2].channel: unknown 'webb'; did you mean web?"));
    /* nothing of a rejected one stays for the next */
    struct signal_batch after;
    items[2].channel = (char *)"web";
    items[2].time_ms = NOW + DAY;
    items[0] = items[2];
    items[0].time_ms = 0;
    Tact__V1__Signal__PropertiesEntry odd = TACT__V1__SIGNAL__PROPERTIES_ENTRY__INIT, *odds = &odd;
    odd.key = (char *)"no such";
    items[0].properties = &odds;
    items[0].n_properties = 1;
    assert_int_equal(request_signals(&m, f->policy, NOW, &f->arena, &after, &e), 0);
    assert_int_equal(after.rejected_count, 2);
    assert_int_equal(after.signals[0].channel.n + after.signals[0].channel_id, 0);
    items[0] = good_signal();
    items[0].name = (char *)"card_add";
    items[1].event_id = items[3].event_id = (char *)"";
    assert_int_equal(request_signals(&m, f->policy, NOW, &f->arena, &out, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "signals[0].name: unknown 'card_add'"));
}

static void property_refused(struct fixture *f, const char *signal, const char *key, Tact__V1__Value *v,
                             const char *text)
{
    Tact__V1__Signal g = good_signal();
    Tact__V1__Signal__PropertiesEntry entry = TACT__V1__SIGNAL__PROPERTIES_ENTRY__INIT, *entries[] = {&entry};
    g.name = (char *)signal;
    entry.key = (char *)key;
    entry.value = v;
    g.properties = entries;
    g.n_properties = 1;
    signal_refused(f, &g, 1, text);
}

static void signal_properties(void **state)
{
    struct fixture *f = *state;
    char long_text[STATE_TEXT_MAX + 2];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    Tact__V1__Value sku = text_value((char *)"s"), big = number_value(1.1e12),
                    nan = number_value((double)NAN), long_sku = text_value(long_text), when = time_value(NOW),
                    huge = int_value(INT64_MAX), price = int_value(5);
    property_refused(
        f, "cart_add", "prize", &sku,
        "signals[0].properties: unknown 'prize'; did you mean price?; allowed: sku, price, pieces");
    property_refused(f, "visit", "sku", &sku, "signals[0].properties: unknown 'sku'; allowed: none");
    property_refused(f, "cart_add", "price", &sku,
                     "signals[0].properties[price]: expected a number (number_value), got a string");
    property_refused(f, "cart_add", "price", &big,
                     "signals[0].properties[price]: a number must be finite and at most 1e12 in size");
    property_refused(f, "cart_add", "price", &nan,
                     "signals[0].properties[price]: a number must be finite and at most 1e12 in size");
    property_refused(f, "cart_add", "pieces", &huge,
                     "signals[0].properties[pieces]: a number must be finite and at most 1e12 in size");
    property_refused(f, "cart_add", "price", &when,
                     "signals[0].properties[price]: expected a number (number_value), got a time");
    property_refused(f, "cart_add", "sku", &long_sku,
                     "signals[0].properties[sku]: 1025 bytes; at most 1024 are allowed");
    property_refused(f, "cart_add", "sku", NULL,
                     "signals[0].properties[sku]: has no value; leave the property out instead");
    Tact__V1__Signal g = good_signal();
    Tact__V1__Signal__PropertiesEntry a = TACT__V1__SIGNAL__PROPERTIES_ENTRY__INIT, *entries[] = {&a};
    a.key = (char *)"price";
    a.value = &price;
    g.properties = entries;
    g.n_properties = 1;
    g.time_ms = NOW + STATE_AHEAD_MS;
    struct signal_batch out;
    struct error e = {0};
    assert_int_equal(signals_rc(f, &g, 1, &out, &e), 0);
    assert_true(out.signals[0].index == 0 && out.signals[0].event == hash64("e1", 2) &&
                out.signals[0].time_ms == NOW + STATE_AHEAD_MS);
    assert_int_equal(out.signals[0].properties[0].type, VALUE_UNKNOWN);
    assert_true(out.signals[0].properties[1].type == VALUE_DOUBLE && out.signals[0].properties[1].number == 5);
    g.time_ms = 0;
    assert_int_equal(signals_rc(f, &g, 1, &out, &e), 0);
    assert_true(out.signals[0].time_ms == NOW);
}

/* ---- upsert ---- */

struct upserting {
    Tact__V1__UpsertRequest m;
    Tact__V1__UpsertRequest__ProfileEntry entry, *entries[1];
    Tact__V1__Consent consent, *consents[1];
};

static void upsert_of(struct upserting *u, const char *key, Tact__V1__Value *v)
{
    tact__v1__upsert_request__init(&u->m);
    tact__v1__upsert_request__profile_entry__init(&u->entry);
    tact__v1__consent__init(&u->consent);
    u->entries[0] = &u->entry;
    u->consents[0] = &u->consent;
    u->entry.key = (char *)key;
    u->entry.value = v;
    u->m.profile = u->entries;
    u->m.n_profile = key != NULL;
    u->m.consents = u->consents;
}

static void upsert_refused(struct fixture *f, const struct upserting *u, const char *text)
{
    struct upsert out;
    struct error e = {0};
    assert_int_equal(request_upsert(&u->m, f->policy, NOW, &f->arena, &out, &e), ERR_INVALID);
    assert_string_equal(e.text, text);
}

static void attributes(void **state)
{
    struct fixture *f = *state;
    struct upserting u;
    struct upsert out;
    struct error e = {0};
    Tact__V1__Value gold = text_value((char *)"gold"), silver = text_value((char *)"silver"),
                    moon = text_value((char *)"Moon/Base"), tehran = text_value((char *)"Asia/Tehran"),
                    none = TACT__V1__VALUE__INIT, since = time_value(NOW), never = time_value(INT64_MAX),
                    vip = bool_value(true), orders = number_value(-3);
    upsert_of(&u, "teir", &gold);
    upsert_refused(
        f, &u, "profile: unknown 'teir'; did you mean tier?; allowed: tier, spend, orders, vip, since, zone");
    upsert_of(&u, "tier", &silver);
    upsert_refused(f, &u, "profile[tier]: unknown 'silver'; allowed: basic, gold");
    upsert_of(&u, "zone", &moon);
    upsert_refused(f, &u,
                   "profile[zone]: unknown time zone 'Moon/Base'; allowed: IANA names like Asia/Tehran");
    upsert_of(&u, "since", &never);
    upsert_refused(f, &u, "profile[since]: time outside the years 1 to 9999");
    upsert_of(&u, "since", &gold);
    upsert_refused(f, &u, "profile[since]: expected a time (time_ms), got a string");
    upsert_of(&u, "vip", &gold);
    upsert_refused(f, &u, "profile[vip]: expected a bool (bool_value), got a string");
    static const struct {
        const char *key;
        uint8_t type;
    } good[] = {{"tier", VALUE_STRING},
                {"zone", VALUE_STRING},
                {"since", VALUE_TIMESTAMP},
                {"vip", VALUE_BOOL},
                {"orders", VALUE_INT}};
    Tact__V1__Value *values[] = {&gold, &tehran, &since, &vip, &orders};
    for (size_t i = 0; i < 5; i++) {
        upsert_of(&u, good[i].key, values[i]);
        assert_int_equal(request_upsert(&u.m, f->policy, NOW, &f->arena, &out, &e), 0);
        assert_int_equal(out.changes[0].value.type, good[i].type);
        assert_int_equal(upsert_apply(&out, &f->state, NOW, &e), 0);
        assert_int_equal(f->state.attributes[out.changes[0].attribute].type, good[i].type);
        upsert_of(&u, good[i].key, i % 2 ? &none : NULL); /* without a kind: removed */
        assert_int_equal(request_upsert(&u.m, f->policy, NOW, &f->arena, &out, &e), 0);
        assert_int_equal(upsert_apply(&out, &f->state, NOW, &e), 0);
        assert_int_equal(f->state.attributes[out.changes[0].attribute].type, VALUE_UNKNOWN);
    }
}

static void consents(void **state)
{
    struct fixture *f = *state;
    struct upserting u;
    struct upsert out;
    struct error e = {0};
    char source[66];
    memset(source, 's', 65);
    source[65] = 0;
    upsert_of(&u, NULL, NULL);
    u.m.n_consents = 1;
    u.consent.channel = (char *)"post";
    upsert_refused(f, &u, "consents[0].channel: unknown 'post'; allowed: mail, web");
    u.consent.channel = (char *)"mail";
    u.consent.purpose = (char *)"promotion";
    upsert_refused(
        f, &u,
        "consents[0].purpose: unknown 'promotion'; did you mean promotional?; allowed: promotional, service, "
        "transactional, ask");
    u.consent.purpose = (char *)"ask";
    u.consent.source = source;
    upsert_refused(f, &u, "consents[0].source has 65 bytes; at most 64 are allowed");
    u.consent.source = (char *)"form";
    u.consent.time_ms = NOW + DAY;
    upsert_refused(f, &u,
                   "consents[0].time_ms: 86400 s ahead of the server's time; at most 300 s are allowed");
    u.consent.time_ms = 0;
    u.consent.granted = true;
    u.m.n_consents = STATE_CONSENTS_MAX + 1;
    upsert_refused(f, &u, "consents: 257; at most 256 are allowed");
    u.m.n_consents = 1;
    assert_int_equal(request_upsert(&u.m, f->policy, NOW, &f->arena, &out, &e), 0);
    assert_int_equal(upsert_apply(&out, &f->state, NOW, &e), 0);
    assert_int_equal(
        state_consent(&f->state, f->policy->channels[0].word.id, f->policy->purposes[PURPOSE_ASK].id), 1);
    assert_true(f->state.consents[0].time_ms == NOW && str_is(f->state.consents[0].source, "form"));
}

/* ---- outcomes ---- */

static int record(struct fixture *f, struct outcome o, struct error *e)
{
    static uint64_t event;
    o.event = ++event;
    o.time_ms = o.time_ms ? o.time_ms : NOW;
    return outcome_apply(&o, f->policy, &f->state, NOW, e);
}

#define KIND(name) .kind = TACT__V1__RECORD_REQUEST__KIND__##name

static void outcomes(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct contact k = contact_of(f, "one", "mail", NOW);
    k.expires_ms = NOW + HOUR;
    assert_int_equal(state_contact_add(&f->state, &k, NOW), 0);
    assert_int_equal(record(f, (struct outcome){KIND(SENT), .decision = k.decision}, &e), 1);
    struct contact *kept = state_contact_find(&f->state, k.decision, 0);
    assert_true(kept->expires_ms == 0 && kept->outcomes == CONTACT_SENT);
    assert_int_equal(
        record(f, (struct outcome){KIND(RESPONSE), .decision = k.decision, .action = k.action}, &e), 1);
    assert_int_equal(record(f, (struct outcome){KIND(CONVERSION), .decision = k.decision, .value = 12.5}, &e),
                     1);
    assert_int_equal(
        record(f, (struct outcome){KIND(CONVERSION), .decision = k.decision, .value = 0.00005}, &e), 1);
    assert_int_equal(record(f, (struct outcome){KIND(REJECTION), .decision = k.decision}, &e), 1);
    assert_int_equal(kept->outcomes,
                     CONTACT_SENT | CONTACT_RESPONSE | CONTACT_CONVERSION | CONTACT_REJECTION);
    assert_int_equal(kept->value, 125001);
    struct outcome again = {KIND(CONVERSION), .decision = k.decision, .value = 1, .event = 1, .time_ms = NOW};
    assert_int_equal(outcome_apply(&again, f->policy, &f->state, NOW, &e), 0); /* a repeat */
    /* what was sent stays counted */
    assert_int_equal(record(f, (struct outcome){KIND(NOT_SENT), .decision = k.decision}, &e), ERR_INVALID);
    assert_string_equal(e.text, "kind: NOT_SENT; this contact was recorded as sent or answered before, and stays counted");
    assert_ptr_equal(state_contact_find(&f->state, k.decision, 0), kept);
    state_contact_remove(&f->state, kept);
    /* a booking that nobody confirmed is given back */
    k.expires_ms = NOW + HOUR;
    assert_int_equal(state_contact_add(&f->state, &k, NOW), 0);
    assert_int_equal(record(f, (struct outcome){KIND(NOT_SENT), .decision = k.decision}, &e), 1);
    assert_null(state_contact_find(&f->state, k.decision, 0));
    /* nothing is kept of it any more: without action and channel it cannot be booked */
    assert_int_equal(record(f, (struct outcome){KIND(SENT), .decision = k.decision}, &e), ERR_NOTFOUND);
    assert_string_equal(e.text, "no such decision is kept for this customer; pass the choice's handle");
    assert_int_equal(record(f, (struct outcome){KIND(RESPONSE), .decision = k.decision}, &e), 1);
    assert_int_equal(f->state.contact_count, 0);
    /* with them it can: an impression of an inbound decision, a late SENT */
    assert_int_equal(record(f,
                            (struct outcome){KIND(IMPRESSION), .decision = k.decision, .action = k.action,
                                             .channel = k.channel},
                            &e),
                     1);
    kept = state_contact_find(&f->state, k.decision, k.action);
    assert_true(kept && kept->outcomes == CONTACT_IMPRESSION && kept->purpose == k.purpose &&
                kept->group == k.group && kept->issue == k.issue && kept->expires_ms == 0);
}

/* A refund takes from the value; it is no conversion of its own. */
static void refunds(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct contact k = contact_of(f, "one", "mail", NOW);
    assert_int_equal(state_contact_add(&f->state, &k, NOW), 0);
    struct contact *kept = state_contact_find(&f->state, k.decision, 0);
    assert_int_equal(record(f, (struct outcome){KIND(CONVERSION), .decision = k.decision, .value = -5}, &e), 1);
    assert_true(kept->outcomes == 0 && kept->value == -50000);
    assert_int_equal(record(f, (struct outcome){KIND(CONVERSION), .decision = k.decision, .value = 8}, &e), 1);
    assert_true(kept->outcomes == CONTACT_CONVERSION && kept->value == 30000);
}

static void values_saturate(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct contact k = contact_of(f, "one", "mail", NOW);
    assert_int_equal(state_contact_add(&f->state, &k, NOW), 0);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(
            record(f, (struct outcome){KIND(CONVERSION), .decision = k.decision, .value = STATE_NUMBER_MAX},
                   &e),
            1);
    assert_true(f->state.contacts[0].value == INT64_MAX);
    for (int i = 0; i < 4000; i++)
        assert_int_equal(
            record(f, (struct outcome){KIND(CONVERSION), .decision = k.decision, .value = -STATE_NUMBER_MAX},
                   &e),
            1);
    assert_true(f->state.contacts[0].value == INT64_MIN);
}

/* Every size of a full arena is an error, not a crash. */
static void memory_runs_out(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    Tact__V1__Signal g = good_signal();
    Tact__V1__DecideRequest m = good_decide();
    Tact__V1__Signal *list[] = {&g, &g, &g};
    m.signals = list;
    m.n_signals = 3;
    int good = 0;
    for (size_t limit = 0; limit < 1024; limit += 16) {
        struct arena small;
        struct decide_request out;
        arena_init(&small, limit);
        int rc = request_decide(&m, f->policy, NOW, &small, &out, &e);
        assert_true(rc == 0 || rc == ERR_NOSPACE);
        good += rc == 0;
        arena_free(&small);
    }
    assert_true(good > 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(decide_defaults), TEST(aliases),   TEST(placements),      TEST(context_fields),
        TEST(decide_defaults), TEST(decide_refusals),   TEST(placements),      TEST(context_fields),
        TEST(signal_refusals),
        TEST(a_batch_is_checked_one_by_one), TEST(signal_properties), TEST(attributes),      TEST(consents),
        TEST(outcomes),        TEST(refunds),           TEST(values_saturate),   TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

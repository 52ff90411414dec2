"""A stock Python gRPC client against a real server: every call of every service with its answers, then everything that a
caller can get wrong. Each wrong call must end with the right status and a message that says what is allowed, and other calls
on the same connection must go on. SPDX-License-Identifier: Apache-2.0"""
import os
import threading
import time

from harness import Server, check, common, customers, decisions, done, fails, folder, grpc, outcomes

POLICY = folder("policy")
with open(os.path.join(POLICY, "policy.yaml"), "w") as f:
    f.write("""
brand: {name: Test, time_zone: UTC, locales: [en, fa]}
profile:
  first_name: string
  tier: {type: string, values: [basic, gold]}
  spend: number
  visits: int
  vip: bool
  since: timestamp
context:
  device: {type: string, values: [phone, desktop]}
  temperature: number
signals:
  cart_add: {properties: {sku: string, price: number, count: int, gift: bool, wanted_at: timestamp}}
  support_contact: {properties: {case: string}}
  support_resolved: {properties: {case: string}}
features:
  cart_value: {sum: cart_add.price, window: 24h}
  support_open: {open: [support_contact.case, support_resolved.case], window: 90d}
channels:
  email: {direction: outbound, cost: 0.01, confirm_within: 1h, content: [subject]}
  web: {direction: inbound, placements: [hero, banner], content: [title]}
actions:
  - id: cart_reminder
    issue: conversion
    group: cart
    purpose: promotional
    value: 5.0
    applicability: "cart_value > 0.0"
    treatments:
      - {channel: email, locale: en, subject: "{{ profile.first_name | default: Hello }}, your cart"}
      - {channel: email, locale: fa, subject: "سبد خرید"}
      - {channel: web, placement: hero, title: "Your cart"}
      - {channel: web, placement: banner, title: "Your cart"}
  - id: news
    issue: loyalty
    group: news
    purpose: promotional
    value: 2.0
    context_weight: "has(context.device) && context.device == 'phone' ? 2.0 : 1.0"
    treatments:
      - {channel: email, subject: "News"}
      - {channel: web, placement: hero, title: "News"}
      - {channel: web, placement: banner, title: "News"}
  - id: gold_club
    issue: loyalty
    group: club
    purpose: service
    value: 1.0
    eligibility: "profile.tier == 'gold'"
    treatments: [{channel: web, placement: hero, title: "Club"}]
suppressions:
  - id: open_case
    when: "support_open > 0"
    block: {purpose: promotional}
    reason: a support case is open
contact_policy:
  - {id: email_weekly, scope: {channel: email}, at_most: 1, per: 7d}
  - {id: hero_daily, scope: {channel: web, action: news}, at_most: 1, per: 24h}
""")

NOW = 1736942400000  # 2025-01-15T12:00:00Z
HOUR, DAY = 3600000, 86400000
INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
Kind, Cause, Stage = outcomes.RecordRequest, decisions.Suppression, decisions.Candidate

server = Server(POLICY, extra=["--allow-as-of", "--name", "test-1"])
client = server.client
value = common.Value


def decide(customer, channel="web", at=NOW, **kw):
    return client.Decide(decisions.DecideRequest(customer_id=customer, channel=channel, as_of_ms=at, **kw))


def event(name, event_id, at=0, **properties):
    return common.Signal(event_id=event_id, name=name, time_ms=at, properties=properties)


def signal(customer, *signals, at=NOW):
    return client.Signal(customers.SignalRequest(customer_id=customer, signals=signals, as_of_ms=at))


def upsert(customer, profile=None, consents=(), at=NOW):
    return client.Upsert(customers.UpsertRequest(customer_id=customer, profile=profile, consents=consents, as_of_ms=at))


def get(customer, at=NOW):
    return client.Get(customers.GetRequest(customer_id=customer, as_of_ms=at))


def record(outcome_id, kind, at=NOW, **kw):
    return client.Record(outcomes.RecordRequest(outcome_id=outcome_id, kind=kind, as_of_ms=at, **kw))


def ids(answer):
    return [c.action_id for c in answer.decision.choices]


# ---- Get, Upsert ----
g = get("nobody")
check("Get of a customer never seen: found is false", not g.found and not g.contacts and g.features["cart_value"] == "0", g)
profile = {"first_name": value(string_value="Åsa \u200fمریم 🙂"), "tier": value(string_value="gold"), "spend": value(number_value=12.5),
           "visits": value(int_value=7), "vip": value(bool_value=True), "since": value(time_ms=NOW - DAY)}
consents = [customers.Consent(channel="email", purpose="promotional", granted=True, time_ms=NOW - DAY, source="web form"),
            customers.Consent(channel="email", purpose="service", granted=False, source="call centre")]
u = upsert("c1", profile, consents)
check("Upsert creates", u.created)
check("Upsert again does not create", not upsert("c1", {"visits": value(number_value=8)}).created)
g = get("c1")
check("Get gives every attribute in its type", g.found and g.customer_id == "c1" and dict(g.profile) == {**profile, "visits": value(int_value=8)}, g)
check("Get gives consents", sorted((c.channel, c.purpose, c.granted, c.time_ms, c.source) for c in g.consents) ==
      [("email", "promotional", True, NOW - DAY, "web form"), ("email", "service", False, NOW, "call centre")], g.consents)
check("Get gives size and version", g.state_bytes > 0 and g.version > 0, g)
upsert("c1", {"since": value(), "first_name": value()})
check("a value without a kind removes the attribute", set(get("c1").profile) == {"tier", "spend", "visits", "vip"})
upsert("c1", {}, [customers.Consent(channel="email", purpose="promotional", granted=False, time_ms=NOW - 2 * DAY)])
check("an older consent does not replace a newer one",
      [c.granted for c in get("c1").consents if c.purpose == "promotional"] == [True])
long_id = "é" * 128
check("an id of 256 bytes", upsert(long_id, {"visits": value(int_value=1)}).created and get(long_id).customer_id == long_id)
odd = "a}b{c\n\t\"'\\ %s \u202e"
check("any character but NUL in ids", upsert(odd, {"visits": value(int_value=1)}).created and get(odd).found and not get("a").found)

# ---- Signal ----
r = signal("c1", event("cart_add", "e1", NOW - HOUR, sku=value(string_value="s1"), price=value(number_value=80.5)),
           event("cart_add", "e2", 0, price=value(int_value=20), count=value(int_value=2), gift=value(bool_value=True),
                 wanted_at=value(time_ms=NOW + DAY)))
check("Signal applies two", (r.applied, r.repeats) == (2, 0), r)
check("features count them", get("c1").features["cart_value"] == "100.5", get("c1").features)
r = signal("c1", event("cart_add", "e1", NOW - HOUR, price=value(number_value=80.5)), event("cart_add", "e3", price=value(int_value=1)))
check("a repeated event id changes nothing", (r.applied, r.repeats) == (1, 1) and get("c1").features["cart_value"] == "101.5", r)
check("windows end", get("c1", NOW + 2 * DAY).features["cart_value"] == "0")
check("256 signals in one call", signal("many", *[event("cart_add", "m%d" % i, price=value(int_value=1)) for i in range(256)]).applied == 256)

# ---- Decide ----
d = decide("c1", placements=["hero", "banner"], explain=True)
check("PEEK fills two placements", [(c.action_id, c.placement) for c in d.decision.choices] == [("cart_reminder", "hero"), ("news", "banner")],
      d.decision.choices)
c = d.decision.choices[0]
check("a choice says all of itself", (c.action_id, c.issue, c.group, c.purpose) == ("cart_reminder", "conversion", "cart", "promotional")
      and c.content["title"] == "Your cart" and c.priority > 0 and c.factors.value == 5 and 0 < c.action_probability <= 1
      and not c.factors.propensity_from_model, c)
check("a handle for each choice", len(d.handles) == 2 and all(0 < len(h) <= 256 for h in d.handles), d.handles)
check("decision ids, policy and engine", len(d.decision.decision_id) == 32 and len(d.decision.policy_id) == 32 and
      d.decision.engine_version and d.decision.decided_at_ms == NOW and d.decision.state_tier == decisions.CURRENT, d.decision)
check("meta: server and stages", d.meta.server == "test-1" and {"decode", "decide"} <= {s.stage for s in d.meta.stages} and
      not d.meta.recorded, d.meta)
check("explain lists every action in the policy's order", [x.action_id for x in d.decision.candidates] == ["cart_reminder", "news", "gold_club"])
check("without explain none is listed", not decide("c1", placements=["hero"]).decision.candidates)
d = decide("stranger", placements=["hero"], explain=True)
why = {x.action_id: (x.stage, bool(x.reason)) for x in d.decision.candidates}
check("explain says where each left", ids(d) == ["news"] and why == {
    "cart_reminder": (Stage.APPLICABILITY, True), "news": (Stage.CHOSEN, why["news"][1]), "gold_club": (Stage.ELIGIBILITY, True)}, why)
plain = decide("stranger", placements=["hero"]).decision.choices[0].priority
phone = decide("stranger", placements=["hero"], context={"device": value(string_value="phone")}).decision.choices[0].priority
check("context weighs", abs(phone - 2 * plain) < 1e-9 and plain > 0, (plain, phone))
d = decide("shopper", placements=["hero"], signals=[event("cart_add", "s1", price=value(number_value=3))])
check("signals in the request count at once, and are kept", ids(d) == ["cart_reminder"] and get("shopper").features["cart_value"] == "3")
check("FRESH sees them too", ids(decide("shopper", placements=["hero"], mode="FRESH")) == ["cart_reminder"])
check("max_actions", len(decide("c1", "web", placements=["hero", "banner"], max_actions=1).decision.choices) == 1)
d = decide("c1", "email", locale="fa", mode="PEEK")
check("locale", d.decision.choices[0].locale == "fa" and d.decision.choices[0].content["subject"] == "سبد خرید", d.decision)
upsert("named", {"first_name": value(string_value="Sara")}, consents[:1])
signal("named", event("cart_add", "n1", price=value(int_value=9)))
check("profile fields are rendered", decide("named", "email").decision.choices[0].content["subject"] == "Sara, your cart")
check("no consent: suppressed", decide("shopper", "email").decision.suppression.cause == Cause.CONSENT)
signal("sad", event("support_contact", "k1", NOW - HOUR, case=value(string_value="c-1")))
s = decide("sad", placements=["hero"]).decision.suppression
check("an open case: suppression with rule, scope, evidence and what it waits for", s.cause == Cause.SUPPRESSION_RULE and s.rule == "open_case"
      and s.scope.purpose == "promotional" and [(e.name, e.value) for e in s.evidence] == [("support_open", "1")]
      and s.withheld_action_id == "news" and s.next_eligible_at_ms == s.ends_at_ms == NOW - HOUR + 90 * DAY
      and "support_resolved" in s.lifted_by and "a support case is open" in s.text, s)
signal("sad", event("support_resolved", "k2", 0, case=value(string_value="c-1")))
check("resolved: it speaks again", ids(decide("sad", placements=["hero"])) == ["news"])
s = decide("stranger", "email", locale="fa").decision.suppression
check("a stranger gets no e-mail: the cause is consent", s.cause == Cause.CONSENT and not s.next_eligible_at_ms and "consent" in s.waits_for, s)
s = decide("stranger", placements=["banner"], locale="de").decision
check("a locale that the brand does not speak", ids(decide("stranger", placements=["banner"], locale="de")) == ["news"], s)

# ---- RESERVE, Record ----
d = decide("named", "email", mode="RESERVE", request_id="r1")
again = decide("named", "email", at=NOW + 1000, mode="RESERVE", request_id="r1")
check("RESERVE repeats under its request_id", ids(d) == ["cart_reminder"] and again.decision.SerializeToString() == d.decision.SerializeToString()
      and again.meta.recorded and not d.meta.recorded and list(again.handles) == list(d.handles), again)
k = get("named").contacts
check("the contact is booked until confirmed", len(k) == 1 and (k[0].decision_id, k[0].action_id, k[0].channel, k[0].purpose, k[0].group,
      k[0].time_ms, k[0].expires_ms) == (d.decision.decision_id, "cart_reminder", "email", "promotional", "cart", NOW, NOW + HOUR), k)
s = decide("named", "email", mode="RESERVE").decision.suppression
check("the cap holds", s.cause == Cause.FREQUENCY_CAP and s.rule == "email_weekly", s)
check("a booking that nobody confirms lapses", len(decide("named", "email", at=NOW + 2 * HOUR).decision.choices) == 1)
r = record("o1", Kind.SENT, handle=d.handles[0])
check("Record SENT by handle", not r.repeated_before and get("named").contacts[0].expires_ms == 0 and list(get("named").contacts[0].outcomes) == ["SENT"])
check("the same outcome again", record("o1", Kind.SENT, handle=d.handles[0]).repeated_before)
s = decide("named", "email", at=NOW + 2 * HOUR).decision.suppression
check("once sent it counts for a week", s.rule == "email_weekly" and s.ends_at_ms == NOW + 7 * DAY, s)
record("o2", Kind.RESPONSE, customer_id="named", decision_id=d.decision.decision_id)
record("o3", Kind.CONVERSION, customer_id="named", decision_id=d.decision.decision_id, action_id="cart_reminder", value=62.5)
k = get("named").contacts[0]
check("RESPONSE and CONVERSION by customer and decision id", list(k.outcomes) == ["SENT", "RESPONSE", "CONVERSION"] and k.value == 62.5, k)
upsert("free", {}, consents[:1])
d = decide("free", "email", mode="RESERVE")
record("o4", Kind.NOT_SENT, handle=d.handles[0])
check("NOT_SENT frees the slot", ids(d) and not get("free").contacts and ids(decide("free", "email", mode="RESERVE")))
d = decide("looker", placements=["hero"])
record("o5", Kind.IMPRESSION, handle=d.handles[0])
s = decide("looker", placements=["hero"]).decision.suppression
check("an IMPRESSION counts against inbound caps", s.rule == "hero_daily" and get("looker").contacts[0].outcomes[0] == "IMPRESSION", s)
record("o6", Kind.REJECTION, handle=d.handles[0], time_ms=NOW)
check("REJECTION", list(get("looker").contacts[0].outcomes) == ["IMPRESSION", "REJECTION"])
d = decide("later", placements=["hero"], request_id="p1")
r = record("o7", Kind.IMPRESSION, customer_id="later", decision_id=d.decision.decision_id)
check("IMPRESSION by decision id of a recorded PEEK", not r.repeated_before and len(get("later").contacts) == 1)
d = decide(long_id, placements=["hero"])
check("a handle of a long id with the id", len(d.handles[0]) <= 256 and
      not record("o8", Kind.IMPRESSION, handle=d.handles[0], customer_id=long_id).repeated_before)
fails("a handle of a long id without it", INVALID, "customer_id", lambda: record("o9", Kind.RESPONSE, handle=d.handles[0]))

# ---- contacts made outside ----
def contact(c, contact_id, channel="email", **more):
    return client.RecordContact(customers.RecordContactRequest(customer_id=c, contact_id=contact_id, channel=channel, **more))


check("a contact of an agency is counted", not contact("agency", "call-1").repeated_before and len(get("agency").contacts) == 1)
check("once", contact("agency", "call-1").repeated_before and len(get("agency").contacts) == 1)
fails("a contact on an unknown channel", INVALID, "channel: unknown 'letter'; allowed: email, web", lambda: contact("agency", "l1", "letter"))
fails("a contact without an id", INVALID, "contact_id is empty", lambda: contact("agency", ""))

# ---- what is wrong ----
D, S, U, G, R = (decisions.DecideRequest, customers.SignalRequest, customers.UpsertRequest, customers.GetRequest, outcomes.RecordRequest)
one = event("cart_add", "x1", price=value(number_value=1))
CALLS = {"Decide": lambda c: client.Decide(D(customer_id=c, channel="web")), "Upsert": lambda c: client.Upsert(U(customer_id=c)),
         "Signal": lambda c: client.Signal(S(customer_id=c, signals=[one])), "Get": lambda c: client.Get(G(customer_id=c)),
         "RecordContact": lambda c: contact(c, "w"),
         "Record": lambda c: client.Record(R(outcome_id="w", kind=Kind.SENT, customer_id=c, decision_id="0" * 32))}
for name, call in CALLS.items():
    fails("%s: empty customer_id" % name, INVALID, "customer_id is empty; 1 to 256 bytes are allowed", lambda: call(""))
    fails("%s: customer_id of 257 bytes" % name, INVALID, "customer_id has 257 bytes; 1 to 256 are allowed", lambda: call("x" * 257))
    fails("%s: NUL in customer_id" % name, INVALID, "customer_id", lambda: call("a\0b"))
fails("event_id empty", INVALID, "signals[0].event_id is empty; 1 to 128", lambda: signal("w", event("cart_add", "")))
fails("event_id of 129 bytes", INVALID, "signals[0].event_id has 129 bytes", lambda: signal("w", event("cart_add", "x" * 129)))
fails("request_id of 129 bytes", INVALID, "request_id has 129 bytes", lambda: decide("w", request_id="x" * 129))
fails("outcome_id empty", INVALID, "outcome_id is empty", lambda: record("", Kind.SENT, handle="x"))
fails("unknown channel", INVALID, "channel: unknown 'wbe'; did you mean web?; allowed: email, web", lambda: decide("w", "wbe"))
fails("no channel", INVALID, "channel: unknown ''; allowed: email, web", lambda: decide("w", ""))
fails("unknown placement", INVALID, "placements[1]: unknown 'heroo'; did you mean hero?; allowed: hero, banner",
      lambda: decide("w", placements=["hero", "heroo"]))
fails("the same placement twice", INVALID, "placements[1]: 'hero' is asked for twice", lambda: decide("w", placements=["hero", "hero"]))
fails("placement of another channel", INVALID, "placements[0]: unknown 'hero'", lambda: decide("w", "email", placements=["hero"]))
fails("unknown signal", INVALID, "signals[0].name: unknown 'cart_ad'; did you mean cart_add?; allowed: cart_add, support_contact, support_resolved",
      lambda: signal("w", event("cart_ad", "x2"), event("cart_add", "")))
check("and nothing of that call was applied", not get("w").found)
batch = signal("batch", event("cart_ad", "b1"), one, event("cart_add", "b2", NOW + 301000), one)
check("of a batch the right ones are applied", batch.applied == 1 and batch.repeats == 1 and get("batch").found)
check("and the others come back", [(r.index, r.event_id) for r in batch.rejected] == [(0, "b1"), (2, "b2")] and
      batch.rejected[0].reason.startswith("signals[0].name: unknown 'cart_ad'; did you mean cart_add?") and
      batch.rejected[1].reason.startswith("signals[2].time_ms: 301 s ahead"))
fails("unknown property", INVALID, "signals[0].properties: unknown 'prise'; did you mean price?; allowed: sku, price",
      lambda: signal("w", event("cart_add", "x3", prise=value(number_value=1))))
fails("unknown attribute", INVALID, "profile: unknown 'teir'; did you mean tier?; allowed: first_name", lambda: upsert("w", {"teir": value()}))
fails("unknown context field", INVALID, "context: unknown 'devise'; did you mean device?; allowed: device, temperature",
      lambda: decide("w", context={"devise": value(string_value="phone")}))
fails("consent of an unknown channel", INVALID, "consents[0].channel: unknown 'sms'; allowed: email, web",
      lambda: upsert("w", {}, [customers.Consent(channel="sms", purpose="service")]))
fails("consent of an unknown purpose", INVALID, "consents[0].purpose: unknown 'promo'; allowed: promotional, service, transactional, ask",
      lambda: upsert("w", {}, [customers.Consent(channel="email", purpose="promo")]))
for field, wanted, wrong, got in (("tier", "a string (string_value)", value(int_value=3), "an int"), ("spend", "a number (number_value)", value(string_value="3"), "a string"),
                                  ("visits", "an int (int_value)", value(bool_value=True), "a bool"), ("vip", "a bool (bool_value)", value(number_value=1), "a number"),
                                  ("since", "a time (time_ms)", value(int_value=3), "an int")):
    fails("wrong type for %s" % field, INVALID, "profile[%s]: expected %s, got %s" % (field, wanted, got), lambda: upsert("w", {field: wrong}))
fails("wrong type of a property", INVALID, "signals[0].properties[price]: expected a number (number_value), got a string",
      lambda: signal("w", event("cart_add", "x4", price=value(string_value="3"))))
fails("a property without a kind", INVALID, "signals[0].properties[price]: expected a number (number_value), got nothing",
      lambda: signal("w", event("cart_add", "x4", price=value())))
fails("wrong type of context", INVALID, "context[temperature]: expected a number", lambda: decide("w", context={"temperature": value(bool_value=True)}))
fails("a value outside its list", INVALID, "profile[tier]: unknown 'golden'; did you mean gold?; allowed: basic, gold", lambda: upsert("w", {"tier": value(string_value="golden")}))
fails("half an int", INVALID, "profile[visits]: expected a whole number, got 1.5", lambda: upsert("w", {"visits": value(number_value=1.5)}))
for text, number in (("infinity", float("inf")), ("NaN", float("nan")), ("1e13", 1e13)):
    fails("a number that is %s" % text, INVALID, "profile[spend]: a number must be finite and at most 1e12", lambda: upsert("w", {"spend": value(number_value=number)}))
fails("a text of 1,025 bytes", INVALID, "profile[first_name]: 1025 bytes; at most 1024", lambda: upsert("w", {"first_name": value(string_value="x" * 1025)}))
fails("event over 5 minutes ahead", INVALID, "signals[0].time_ms: 301 s ahead of the server's time; at most 300 s are allowed",
      lambda: signal("w", event("cart_add", "x5", NOW + 301000)))
check("event 5 minutes ahead is taken", signal("ahead", event("cart_add", "x5", NOW + 300000)).applied == 1)
fails("event before 1970", INVALID, "signals[0].time_ms", lambda: signal("w", event("cart_add", "x5", -1)))
fails("consent ahead of time", INVALID, "consents[0].time_ms: 301 s ahead",
      lambda: upsert("w", {}, [customers.Consent(channel="email", purpose="ask", time_ms=NOW + 301000)]))
fails("outcome ahead of time", INVALID, "time_ms: at most 300 s ahead", lambda: record("w1", Kind.SENT, customer_id="w", decision_id="0" * 32, time_ms=NOW + 301000))
fails("no signals", INVALID, "signals: 0; 1 to 256 are allowed", lambda: signal("w"))
fails("257 signals", INVALID, "signals: 257; 1 to 256 are allowed", lambda: signal("w", *[event("cart_add", "y%d" % i) for i in range(257)]))
fails("RESERVE on an inbound channel", INVALID, "mode: RESERVE is for outbound channels; web is inbound", lambda: decide("w", mode="RESERVE"))
fails("an unknown mode", INVALID, "mode: unknown 9; allowed: PEEK (0), FRESH (1), RESERVE (2)", lambda: decide("w", mode=9))
fails("65 actions", INVALID, "max_actions: 65; at most 64 are allowed", lambda: decide("w", max_actions=65))
fails("a locale of 36 bytes", INVALID, "locale has 36 bytes; at most 35", lambda: decide("w", locale="x" * 36))
fails("request_id of another mode", INVALID, "request_id: used before for channel email, mode RESERVE", lambda: decide("named", "email", request_id="r1"))
fails("an unspecified outcome", INVALID, "kind: 0; allowed: SENT, NOT_SENT, IMPRESSION, RESPONSE, CONVERSION, REJECTION", lambda: record("w2", 0, customer_id="w", decision_id="0" * 32))
fails("a broken decision id", INVALID, "decision_id: expected 32 lower-case hexadecimal digits", lambda: record("w3", Kind.SENT, customer_id="w", decision_id="xyz"))
fails("a decision nobody made", NOT_FOUND, "decision_id: no such decision is kept for this customer", lambda: record("w4", Kind.SENT, customer_id="c1", decision_id="0" * 32))
fails("a forged handle", INVALID, "handle", lambda: record("w5", Kind.SENT, handle=d.handles[0][:-2] + "AA"))
fails("a handle that is none", INVALID, "handle", lambda: record("w6", Kind.SENT, handle="hello"))
fails("a handle of another customer", INVALID, "customer_id: the handle belongs to another customer",
      lambda: record("w7", Kind.IMPRESSION, handle=decide("looker2", placements=["hero"]).handles[0], customer_id="other"))
fails("a value without a conversion", INVALID, "value: only a CONVERSION has one", lambda: record("w8", Kind.RESPONSE, handle=d.handles[0], customer_id=long_id, value=1))


# ---- bytes that no stub would send ----
def raw(path, data, timeout=10):
    return client.channel.unary_unary(path, request_serializer=None, response_deserializer=None)(data, timeout=timeout)


def field(number, data):
    n, size = len(data), b""
    while True:
        size += bytes([n & 0x7f | (0x80 if n > 0x7f else 0)])
        n >>= 7
        if not n:
            return bytes([number << 3 | 2]) + size + data


DECIDE, SIGNAL = "/tact.v1.Decisions/Decide", "/tact.v1.Customers/Signal"
web = field(3, b"web")
check("raw bytes of a good request", decisions.DecideResponse.FromString(raw(DECIDE, field(2, b"c1") + web)).decision.decision_id)
for name, bad in (("a lone byte", b"\xff"), ("cut short", b"a\xc3"), ("overlong", b"\xc0\xaf"), ("a surrogate", b"\xed\xa0\x80"), ("beyond U+10FFFF", b"\xf4\x90\x80\x80")):
    fails("invalid UTF-8: %s" % name, INVALID, "customer_id: not valid UTF-8", lambda: raw(DECIDE, field(2, bad) + web))
fails("invalid UTF-8 deep inside", INVALID, "signals[0].name: not valid UTF-8 at byte 3", lambda: raw(SIGNAL, field(1, b"c1") + field(2, field(1, b"e") + field(2, b"ca\xff"))))
fails("NUL in a map's key", INVALID, "NUL", lambda: decide("w", context={"de\0vice": value(string_value="phone")}))
fails("NUL in a value", INVALID, "NUL", lambda: upsert("w", {"first_name": value(string_value="a\0b")}))
fails("a message cut short", INVALID, "", lambda: raw(DECIDE, field(2, b"customer")[:-3]))
fails("a field of another wire type", INVALID, "customer_id", lambda: raw(DECIDE, b"\x10\x05" + web))
fails("a varint without end", INVALID, "", lambda: raw(DECIDE, b"\x38" + b"\xff" * 11))
fails("a group", INVALID, "", lambda: raw(DECIDE, field(2, b"c1") + web + b"\xa3\x06\xa4\x06"))
check("fields from a later version are skipped", raw(DECIDE, field(2, b"c1") + web + field(15, b"new") + b"\xf8\x06\x01"))
fails("an empty message", INVALID, "customer_id is empty", lambda: raw(DECIDE, b""))
fails("a body over 256 KiB", grpc.StatusCode.RESOURCE_EXHAUSTED, "262144", lambda: raw(DECIDE, field(2, b"c1") + web + field(15, b"x" * 262144)))
check("a body of just under 256 KiB", raw(DECIDE, field(2, b"c1") + web + field(15, b"x" * 262000)))
fails("an unknown method", grpc.StatusCode.UNIMPLEMENTED, "", lambda: raw("/tact.v1.Decisions/Guess", b""))
fails("an unknown service", grpc.StatusCode.UNIMPLEMENTED, "", lambda: raw("/grpc.health.v9.Health/Check", b""))

# ---- good calls go on between bad ones, on one connection ----
stop, answers, broken = threading.Event(), [], []


def keep_asking():
    while not stop.is_set():
        try:
            answers.append(ids(decide("c1", placements=["hero"])) == ["cart_reminder"])
        except grpc.RpcError as e:
            broken.append(e)


threads = [threading.Thread(target=keep_asking) for _ in range(4)]
for t in threads:
    t.start()
BAD = [(DECIDE, field(2, b"\xff") + web), (DECIDE, b"\xff" * 1000), (SIGNAL, b""), ("/nobody/Home", b"x"), (DECIDE, field(2, b"c1") + web + field(15, b"x" * 300000)),
       (DECIDE, field(2, b"c1") + field(3, b"nowhere"))]
statuses, end = set(), time.time() + 60
while (len(statuses) < 3 or len(answers) < 300) and time.time() < end:
    for path, data in BAD:
        try:
            raw(path, data)
            statuses.add("OK")
        except grpc.RpcError as e:
            statuses.add(e.code().name)
stop.set()
for t in threads:
    t.join()
check("good calls are answered between bad ones on the same connection",
      len(answers) >= 300 and all(answers) and not broken and statuses == {"INVALID_ARGUMENT", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED"}, (len(answers), statuses, broken[:1]))

# ---- the server's own clock; the end ----
clocked = Server(POLICY)
fails("as_of without --allow-as-of", INVALID, "as_of_ms: this server runs on its own clock; start it with --allow-as-of",
      lambda: clocked.client.Decide(D(customer_id="c1", channel="web", as_of_ms=NOW)))
now = int(time.time() * 1000)
at = clocked.client.Decide(D(customer_id="c1", channel="web", placements=["hero"])).decision.decided_at_ms
check("without as_of the server's clock decides", abs(at - now) < 60000, (at, now))
check("SIGTERM stops it in order: exit code 0", clocked.stop() == 0)
check("and the other one", server.stop() == 0)
done()

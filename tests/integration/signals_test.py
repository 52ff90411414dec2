"""Signals of every kind over every channel: the retail policy's, each sent over the wire and seen again in Get, in features,
stage, mood, consent and the next decision; then a channel and a signal that a policy adds by itself, with no code; and what a
customer's state says when servers with an old and a new policy write it in turn. SPDX-License-Identifier: Apache-2.0"""
import os

from harness import ROOT, Redis, Server, check, common, customers, decisions, done, fails, folder, grpc

RETAIL = os.path.join(ROOT, "tools/examples/retail")
NOW = 1736944200000  # 2025-01-15T16:00 in Tehran
HOUR, DAY = 3600000, 86400000


def value(v):
    if isinstance(v, bool):
        return common.Value(bool_value=v)
    if isinstance(v, int):
        return common.Value(int_value=v)
    return common.Value(number_value=v) if isinstance(v, float) else common.Value(string_value=v)


class Shop:
    """One customer's calls to one server."""

    def __init__(self, server):
        self.client, self.events = server.client, 0

    def signal(self, who, name, channel="", at=NOW, now=NOW, **properties):
        self.events += 1
        s = common.Signal(event_id=f"e{self.events}-{id(self)}", name=name, channel=channel, time_ms=at,
                          properties={k: value(v) for k, v in properties.items()})
        return self.client.Signal(customers.SignalRequest(customer_id=who, signals=[s], as_of_ms=now))

    def get(self, who, now=NOW):
        return self.client.Get(customers.GetRequest(customer_id=who, as_of_ms=now))

    def decide(self, who, channel, now=NOW, **more):
        return self.client.Decide(decisions.DecideRequest(customer_id=who, channel=channel, as_of_ms=now, **more)).decision


# ---- every signal of the retail policy ----
EVERY = [
    ("page_view", "web", {"category": "fashion"}), ("search", "app", {"query": "coat", "category": "fashion", "results": 3}),
    ("cart_add", "app", {"sku": "s1", "category": "fashion", "price": 60.0}),
    ("cart_remove", "app", {"sku": "s1", "category": "fashion", "price": 60.0}),
    ("form_abandoned", "portal", {"form": "address", "step": 2}),
    ("purchase", "web", {"order": "o1", "category": "fashion", "amount": 75.5, "reward": True}),
    ("payment_failed", "app", {"order": "o2", "reason": "declined"}), ("order_delayed", "", {"order": "o1", "days": 2}),
    ("order_delivered", "", {"order": "o1"}),
    ("item_returned", "store", {"sku": "s1", "category": "fashion", "reason": "unwanted", "amount": 75.5}),
    ("store_near", "device", {"lat": 35.758, "lon": 51.411}), ("loyalty_changed", "", {"points": 120, "tier": "silver"}),
    ("support_contact", "phone", {"case": "c1", "topic": "size", "sentiment": -0.2}),
    ("support_resolved", "phone", {"case": "c1", "csat": 4.0}), ("help_viewed", "web", {"topic": "size"}),
    ("call_missed", "phone", {"topic": "size"}), ("call_transferred", "phone", {"times": 1}),
    ("chat_ended", "chat", {"resolved": True, "escalated": False, "sentiment": 0.4}),
    ("message_received", "messenger", {"topic": "thanks", "sentiment": 0.8}),
    ("complaint_opened", "portal", {"case": "k1", "topic": "price", "sentiment": -0.6}),
    ("complaint_resolved", "portal", {"case": "k1"}), ("complaint_reopened", "phone", {"case": "k1"}),
    ("device_fault", "device", {"device": "d1", "code": "E42"}), ("survey", "email", {"kind": "effort", "score": 6.0}),
    ("review", "web", {"sku": "s1", "category": "fashion", "stars": 4, "sentiment": 0.5}),
    ("social_comment", "social", {"reach": 200, "sentiment": 0.1}), ("unsubscribe", "email", {"reason": "too many"}),
]
server = Server(RETAIL, extra=["--allow-as-of"])
shop = Shop(server)
for i, (name, channel, properties) in enumerate(EVERY):
    r = shop.signal("mina", name, channel, NOW - len(EVERY) * 1000 + i * 1000, **properties)
    check(f"{name} is taken", r.applied == 1 and not r.rejected)
g = shop.get("mina")
f = g.features
check("all of it is kept in few bytes", g.state_bytes < 1200)
print(f"state_bytes={g.state_bytes} signals={len(EVERY)}")
for feature, want in (("views_7d", "1"), ("searches_7d", "1"), ("cart_value_24h", "60"), ("cart_removed_24h", "1"), ("spend_30d", "75.5"),
                      ("basket_mean_90d", "75.5"), ("reward_share", "1"), ("categories_30d", "1"), ("return_reason", "unwanted"),
                      ("delays_open", "0"), ("support_open", "0"), ("last_csat", "4"), ("same_question_30d", "1"), ("complaints_open", "1"),
                      ("contact_effort", "6"), ("last_nps", "unknown"), ("near_shop", "true"), ("bad_moments_30d", "5")):
    check(f"{feature} is {want}", f[feature] == want)
check("the mood is of all channels", -0.2 < float(f["feeling"]) < 0.3)
check("they are at risk", g.journey.stage == "at_risk" and g.journey.entered_ms > 0)
check("the last 16 touch points", len(g.journey.touches) == 16 and g.journey.touches[-1].name == "signal.unsubscribe" and
      g.journey.touches[-1].channel == "email")
check("unsubscribed from e-mail only", [(c.channel, c.purpose, c.granted, c.source) for c in g.consents] ==
      [("email", "promotional", False, "signal unsubscribe")])
d = shop.decide("mina", "app")
check("and nothing is sold to them", d.suppression.rule in ("complaint_open", "broken_device", "at_risk"))
d = shop.decide("mina", "phone")
check("an agent says sorry", d.choices[0].action_id == "make_it_good")
fails("a sentiment beyond 1", grpc.StatusCode.INVALID_ARGUMENT, "signals[0].properties[sentiment]: 1.5; from -1 to 1 is allowed",
      lambda: shop.signal("mina", "message_received", "messenger", topic="x", sentiment=1.5))
fails("a place off the globe", grpc.StatusCode.INVALID_ARGUMENT, "signals[0].properties[lat]: 95; from -90 to 90 is allowed",
      lambda: shop.signal("mina", "store_near", "device", lat=95.0, lon=1.0))
fails("an unknown channel", grpc.StatusCode.INVALID_ARGUMENT, "signals[0].channel: unknown 'telex'", lambda: shop.signal("mina", "call_missed", "telex"))
# reactions, wishes and contacts of others, as they are seen again
shop.client.Upsert(customers.UpsertRequest(customer_id="omid", as_of_ms=NOW, preferences=customers.Preferences(
    channel="sms", quiet_from="22:00", quiet_to="07:30", at_most=1, per_ms=7 * DAY, paused_until_ms=NOW + DAY)))
shop.client.RecordContact(customers.RecordContactRequest(customer_id="omid", contact_id="a1", channel="email", action_id="make_it_good",
                                                        time_ms=NOW - 3 * DAY, as_of_ms=NOW))
g = shop.get("omid")
p = g.preferences
check("wishes are kept", (p.channel, p.quiet_from, p.quiet_to, p.at_most, p.per_ms, p.paused_until_ms) ==
      ("sms", "22:00", "07:30", 1, 7 * DAY, NOW + DAY))
check("what an agency sent was shown, and ignored", [(r.name, r.shown, r.ignored, r.shown_ms) for r in g.reactions] ==
      [("action.make_it_good", 1, 1, NOW - 3 * DAY)])
check("and counts as a contact", len(g.contacts) == 1 and g.contacts[0].group == "care")
shop.client.Upsert(customers.UpsertRequest(customer_id="omid", as_of_ms=NOW + 1, preferences=customers.Preferences(clear=["pause", "quiet_hours"])))
p = shop.get("omid", NOW + 1).preferences
check("wishes are taken back", p.paused_until_ms == 0 and p.quiet_from == "" and p.at_most == 1)
check("the server stops in order", server.stop() == 0)

# ---- a channel and a signal by policy alone ----
BASE = """
brand: {name: Kiosk, time_zone: UTC, locales: [en]}
signals:
  visit: {properties: {page: string}}
%s
channels:
  web: {direction: inbound, content: [title]}
%s
features:
  visits: {count: visit, window: 7d}
%s
actions:
  - {id: hello, issue: i, group: g, purpose: service, value: 1.0, treatments: [{channel: web, title: hi}]}
%s
"""
OLD = folder("old")
NEW = folder("new")
with open(os.path.join(OLD, "policy.yaml"), "w") as out:
    out.write(BASE % ("", "", "", ""))
with open(os.path.join(NEW, "policy.yaml"), "w") as out:
    out.write(BASE % ("  locker_full: {properties: {locker: string, wait: number}, negative: \"locker_full.wait > 10.0\"}",
                      "  locker: {direction: inbound, content: [line]}",
                      "  long_waits: {count: locker_full, where: \"locker_full.channel == 'locker' && locker_full.wait > 10.0\", window: 30d}\n"
                      "  pages: {distinct: visit.page, window: 7d}",
                      "  - {id: free_locker, issue: i, group: g, purpose: service, value: 2.0, applicability: \"long_waits >= 2\", "
                      "treatments: [{channel: locker, line: take any}, {channel: web, title: sorry}]}"))
redis = Redis()
old = Server(OLD, redis.url, extra=["--allow-as-of"])
new = Server(NEW, redis.url, extra=["--allow-as-of"])
a, b = Shop(old), Shop(new)
for wait in (12.0, 30.0, 1.0):
    b.signal("ali", "locker_full", "locker", locker="l7", wait=wait)
check("a signal of a new policy counts", b.get("ali").features["long_waits"] == "2")
check("and decides, on its own channel", b.decide("ali", "locker").choices[0].action_id == "free_locker")
fails("the old policy does not know it", grpc.StatusCode.INVALID_ARGUMENT, "signals[0].name: unknown 'locker_full'", lambda: a.signal("ali", "locker_full", locker="x"))
# the two in turn: nobody's data is lost, and what was missed is said
b.signal("sara", "visit", page="p1", now=NOW)
check("nothing was missed so far", not b.get("sara").counts_since_ms)
a.signal("sara", "visit", page="p2", now=NOW + HOUR, at=NOW + HOUR)
g = b.get("sara", NOW + 2 * HOUR)
check("the old server's visit counts in both", g.features["visits"] == "2" and a.get("sara", NOW + 2 * HOUR).features["visits"] == "2")
check("pages missed it, and say so", g.features["pages"] == "1" and g.counts_since_ms["keys(visit.page, 7d)"] == NOW + 2 * HOUR and
      "count(visit, 7d)" not in g.counts_since_ms)
b.signal("sara", "visit", page="p3", now=NOW + 3 * HOUR, at=NOW + 3 * HOUR)
g = b.get("sara", NOW + 4 * HOUR)
check("it counts again since then", g.features["pages"] == "2" and g.counts_since_ms["keys(visit.page, 7d)"] == NOW + 3 * HOUR)
b.signal("sara", "visit", page="p4", now=NOW + 11 * DAY, at=NOW + 11 * DAY)
check("until the window has seen all of its time", list(b.get("sara", NOW + 11 * DAY).counts_since_ms) ==
      ["count(locker_full, 30d, locker_full.channel == 'locker' && locker_full.wait > 10.0)"])
done()

"""Two real servers with an old and a new policy on one Redis (tests/cases/policies/schema_old, schema_new): renamed, removed and
added attributes and signals, another window, events told to both, and the way back. SPDX-License-Identifier: Apache-2.0"""
import os

from harness import ROOT, Redis, Server, check, common, customers, decisions, done, fails, folder, grpc

POLICIES = os.path.join(ROOT, "tests/cases/policies")
OLD, NEW = os.path.join(POLICIES, "schema_old"), os.path.join(POLICIES, "schema_new")
NOW = 1736944200000
MINUTE, HOUR, DAY = 60000, 3600000, 86400000


def value(v):
    if isinstance(v, str):
        return common.Value(string_value=v)
    return common.Value(number_value=v) if isinstance(v, float) else common.Value(int_value=v)


def tell(server, who, name, event, at, **properties):
    s = common.Signal(event_id=event, name=name, time_ms=at, properties={k: value(v) for k, v in properties.items()})
    return server.client.Signal(customers.SignalRequest(customer_id=who, signals=[s], as_of_ms=at))


def get(server, who, at):
    return server.client.Get(customers.GetRequest(customer_id=who, as_of_ms=at))


def put(server, who, at, **profile):
    server.client.Upsert(customers.UpsertRequest(customer_id=who, as_of_ms=at, profile={k: value(v) for k, v in profile.items()}))


def profile(server, who, at):
    return {k: v.string_value or v.int_value for k, v in get(server, who, at).profile.items()}


redis = Redis()
old = Server(OLD, redis.url, extra=["--allow-as-of"])
put(old, "ava", NOW, level="silver", city="Rasht", points=7)
for i in range(3):
    tell(old, "ava", "buy", f"b{i}", NOW + i, cost=10.0 * (i + 1), what="hat")
tell(old, "ava", "visit", "v1", NOW + 5, page="p1")
tell(old, "ava", "fax", "f1", NOW + 6, pages=4.0)
new = Server(NEW, redis.url, extra=["--allow-as-of"])

# ---- what was renamed is where it was ----
at = NOW + MINUTE
g = get(new, "ava", at)
SHARED = ("buys", "spend", "least", "dear", "what_last", "kinds", "taste", "warmth", "hours", "busy", "pages")


def same(name, at):
    a, b = get(old, "ava", at).features, get(new, "ava", at).features
    check(name, all(a[f] == b[f] for f in SHARED), [(f, a[f], b[f]) for f in SHARED if a[f] != b[f]])


check("the new server finds it all", (g.features["buys"], g.features["spend"], g.features["what_last"]) == ("3", "60", "hat"))
check("attributes too", profile(new, "ava", at) == {"tier": "silver", "city": "Rasht"})
check("what it added says since when it counts", set(g.counts_since_ms) == {"count(visit, 30d)", "max(purchase.price, 30d)", "mood(7d)"} and
      g.features["visits"] == "0" and g.features["dearest"] == "unknown", dict(g.counts_since_ms))

# ---- both at once, by either name ----
tell(new, "ava", "purchase", "b3", at + 1, price=60.0, what="coat")
tell(new, "ava", "buy", "b4", at + 2, cost=1.0, what="bag")
tell(new, "ava", "purchase", "b5", at + 3, cost=2.0, what="bag")
tell(old, "ava", "buy", "b6", at + 4, cost=3.0, what="bag")
same("both count the same", at + 5)
check("all of it", get(old, "ava", at + 5).features["spend"] == "126")
fails("the old server knows no purchase", grpc.StatusCode.INVALID_ARGUMENT, "signals[0].name: unknown 'purchase'",
      lambda: tell(old, "ava", "purchase", "b9", at, price=1.0))
fails("a property by two of its names", grpc.StatusCode.INVALID_ARGUMENT, "price is here by an earlier name too; give it once",
      lambda: tell(new, "ava", "purchase", "b9", at, price=1.0, cost=1.0))
put(new, "ava", at + 6, tier="gold", email="a@x")
check("the old server sees the new one's value", profile(old, "ava", at + 7) == {"level": "gold", "city": "Rasht", "points": 7})
put(old, "ava", at + 8, level="basic", city="Yazd")
check("and the new one the old one's", profile(new, "ava", at + 9) == {"tier": "basic", "city": "Yazd", "email": "a@x"})
put(new, "ava", at + 10, level="gold")
check("the new one takes the old name", profile(old, "ava", at + 11)["level"] == "gold")
check("what one alone has stays", profile(old, "ava", at + 11)["points"] == 7 and get(old, "ava", at + 11).features["faxed"] == "4")

# ---- an event that the old server took, told to the new one again ----
at += HOUR
tell(new, "ava", "visit", "v2", at, page="p2")
g = get(new, "ava", at + 1)
check("it counts since its first event after the old server's", g.features["visits"] == "1" and g.counts_since_ms["count(visit, 30d)"] == at, g)
before = int(g.features["visits"])
tell(old, "ava", "visit", "v3", at + 2, page="p3")
r = tell(new, "ava", "visit", "v3", at + 3, page="p3")
g = get(new, "ava", at + 4)
check("a repeat is one, whoever took it first", (r.applied, r.repeats) == (0, 1))
check("the new window lacks it, and says that it does not count now", int(g.features["visits"]) == before and
      g.counts_since_ms["count(visit, 30d)"] == at + 4)
check("what both have does not", "count(buy, 30d)" not in g.counts_since_ms and "count(purchase, 30d)" not in g.counts_since_ms and
      g.features["pages"] == "3")
tell(new, "ava", "visit", "v4", at + 5, page="p4")
g = get(new, "ava", at + 6)
check("then it counts on", int(g.features["visits"]) == before + 1 and g.counts_since_ms["count(visit, 30d)"] == at + 5)
same("both count the same still", at + 7)

# ---- reasons say since when ----
RULE = folder("rule")
with open(os.path.join(NEW, "policy.yaml")) as text, open(os.path.join(RULE, "policy.yaml"), "w") as out:
    out.write(text.read() + "suppressions:\n  - {id: fresh, when: \"visits > 0 && now - since(visits) < 30d\", block: {purpose: service}}\n")
third = Server(RULE, redis.url, extra=["--allow-as-of"])
d = third.client.Decide(decisions.DecideRequest(customer_id="ava", channel="web", as_of_ms=at + 8)).decision
why = {e.name: e.counts_since_ms for e in d.suppression.evidence}
check("a rule may ask", d.suppression.rule == "fresh" and why["visits"] == at + 5, d)
check("and ends when the window is whole", d.suppression.next_eligible_at_ms == at + 5 + 30 * DAY, d.suppression)
third.stop()

# ---- `was` that comes later than the new name ----
TEXT = open(os.path.join(NEW, "policy.yaml")).read()
FORGOT, LATE = folder("forgot"), folder("late")
for path, signal, price, tier in ((FORGOT, "", "", ""), (LATE, "was: [purchase, buy], ", ", was: [price, cost]", ", was: [tier, level]")):
    with open(os.path.join(path, "policy.yaml"), "w") as out:
        out.write(TEXT.replace("was: buy, ", signal).replace(", was: cost", price).replace(", was: level", tier))
put(old, "eli", at, level="silver")
tell(old, "eli", "buy", "x1", at, cost=5.0, what="hat")
forgot = Server(FORGOT, redis.url, extra=["--allow-as-of"])
check("without `was` it is another attribute", profile(forgot, "eli", at + 1) == {})
tell(forgot, "eli", "purchase", "x2", at + 2, price=6.0, what="hat")
put(forgot, "eli", at + 2, tier="gold")
late = Server(LATE, redis.url, extra=["--allow-as-of"])
g = get(late, "eli", at + 3)
check("both parts are joined", g.features["spend"] == "11" and g.features["buys"] == "2" and profile(late, "eli", at + 3) == {"tier": "gold"})
tell(late, "eli", "buy", "x3", at + 4, cost=7.0, what="hat")
check("for the old server too", get(old, "eli", at + 5).features["spend"] == "18" and profile(old, "eli", at + 5)["level"] == "gold")
forgot.stop()
late.stop()

# ---- and back ----
check("the new server stops in order", new.stop() == 0)
tell(old, "ava", "buy", "b10", at + 10, cost=4.0, what="hat")
g = get(old, "ava", at + 11)
check("the old policy alone has everything it asks for", g.features["spend"] == "130" and profile(old, "ava", at + 11)["level"] == "gold" and
      not [k for k in g.counts_since_ms if "buy" in k])
check("and stops in order", old.stop() == 0)
done()

"""One person, many names: aliases open customers nobody knows, merges say whose they are, at any time and on any server, and the
features of a merged person are those of the union of both histories; imports find them too. Households: limits over all who live
together, on two servers, with slots given back, and a household whose state is torn. Every decision is computed again from the log.
SPDX-License-Identifier: Apache-2.0"""
import json
import os
import random
import subprocess
import threading
import time

from harness import ROOT, TACT, WORK, Redis, Server, check, common, customers, decisions, done, fails, grpc, outcomes

RETAIL = os.path.join(ROOT, "tools/examples/retail")
INVALID, LOSS = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.DATA_LOSS
DAY = 86400000
random.seed(11)


def alias(name):
    kind, _, value = name.partition(":")
    return common.Alias(type=kind, value=value)


def named(request, who):
    if ":" in who:
        request.alias.CopyFrom(alias(who))
    else:
        request.customer_id = who
    return request


def value(v):
    if isinstance(v, bool):
        return common.Value(bool_value=v)
    return common.Value(number_value=v) if isinstance(v, float) else common.Value(string_value=v)


def tell(server, who, events):
    return server.client.Signal(named(customers.SignalRequest(signals=events), who))


def event(name, id, at=0, channel="web", **properties):
    return common.Signal(event_id=id, name=name, time_ms=at, channel=channel, properties={k: value(v) for k, v in properties.items()})


def get(server, who, at=0):
    return server.client.Get(named(customers.GetRequest(as_of_ms=at), who))


def merge(server, a, b):
    m = customers.MergeRequest()
    for name, side in ((a, "from"), (b, "to")):
        if ":" in name:
            getattr(m, side + "_alias").CopyFrom(alias(name))
        else:
            setattr(m, side, name)
    return server.client.Merge(m)


def cli(*args, ok=True):
    p = subprocess.run([TACT, *args], capture_output=True, text=True)
    if ok and p.returncode:
        raise AssertionError("tact %s: %s" % (" ".join(args), p.stderr))
    return p


redis = Redis()
a = Server(RETAIL, redis.url, extra=("--allow-as-of",))
b = Server(RETAIL, redis.url, extra=("--workers", "2", "--allow-as-of"))
NOW = int(time.time() * 1000)

# ---- aliases ----
check("an alias nobody has seen", not get(a, "device:4f1c").found)
tell(a, "device:4f1c", [event("page_view", "v1", category="fashion"), event("cart_add", "c1", sku="s1", category="fashion", price=60.0)])
g = get(b, "device:4f1c")
check("opens a customer", g.found and g.customer_id == "device:4f1c" and g.features["cart_value_24h" if "cart_value_24h" in g.features else
      "views_7d"] != "", g)
d = b.client.Decide(named(decisions.DecideRequest(channel="web", placements=["home_hero"]), "device:4f1c"))
check("who is decided for", d.customer_id == "device:4f1c" and d.decision.choices, d)
check("by id it is the same", get(a, "device:4f1c").version == a.client.Get(customers.GetRequest(customer_id="device:4f1c")).version)
fails("an unknown type", INVALID, "alias.type: unknown 'devise'; did you mean device?; allowed: phone, card, device, messenger",
      lambda: get(a, "devise:1"))
fails("an id and an alias", INVALID, "customer_id and alias are both given", lambda: a.client.Get(
    customers.GetRequest(customer_id="x", alias=alias("phone:1"))))
fails("neither", INVALID, "customer_id is empty; 1 to 256 bytes are allowed, or alias instead of it", lambda: get(a, ""))
a.client.Upsert(customers.UpsertRequest(customer_id="maryam", profile={"first_name": value("Maryam")}))
r = merge(b, "device:4f1c", "maryam")
check("merged", r.customer_id == "maryam" and not r.merged_before)
check("once", merge(a, "device:4f1c", "maryam").merged_before and merge(a, "maryam", "device:4f1c").merged_before)
g = get(a, "device:4f1c")
check("one person", g.customer_id == "maryam" and g.profile["first_name"].string_value == "Maryam" and
      [i.customer_id for i in g.identities] == ["device:4f1c"])
d = a.client.Decide(named(decisions.DecideRequest(channel="web", placements=["home_hero"]), "device:4f1c"))
check("decided for her", d.customer_id == "maryam")
fails("not the other way round", INVALID, "nobody knows whose 'phone:1' is", lambda: merge(a, "maryam", "phone:1"))
p = cli("customer", "merge", "--server", a.address, "card:77", "maryam")
check("by the command", p.stdout == "merged: card:77 and maryam are both maryam\n", p.stdout)
check("again by the command", cli("customer", "merge", "--server", b.address, "card:77", "maryam").stdout ==
      "merged before: card:77 and maryam are both maryam\n")
check("a decision says whom it is for", ", for maryam\n" in cli("decide", "--server", a.address, "--customer", "card:77", "--channel", "web").stdout
      and ", for " not in cli("decide", "--server", a.address, "--customer", "maryam", "--channel", "web").stdout)
p = cli("customer", "export", "--server", a.address, "phone:\x1b[1m")
check("an export of nobody says so", json.loads(p.stdout)["written_at"] is None and
      p.stderr == "tact customer export: nothing is held of 'phone: [1m': never seen\n", p.stderr)
check("every call takes the alias as an id", "maryam" in cli("customer", "get", "--server", a.address, "card:77").stdout)

# ---- a customer on a terminal ----
T = NOW - DAY - NOW % 1000
stamp = lambda ms: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms // 1000))
who = "no\x1b[31mra"
tell(a, who, [event("purchase", "p1", T - 1000, amount=60.0)])
a.client.Upsert(customers.UpsertRequest(
    customer_id=who, profile={"tier": value("gold"), "spend_365d": value(12.5)},
    consents=[customers.Consent(channel="email", purpose="promotional", granted=True, time_ms=T, source="web form"),
              customers.Consent(channel="sms", purpose="ask", time_ms=T)],
    preferences=customers.Preferences(channel="sms", quiet_from="22:00", quiet_to="07:00", paused_until_ms=T, at_most=2, per_ms=7 * DAY,
                                      time_ms=T)))
a.client.RecordContact(customers.RecordContactRequest(customer_id=who, contact_id="k1", channel="email", action_id="win_back", time_ms=T))
merge(a, "phone:5", who)
text = cli("customer", "get", "--server", a.address, "phone:5").stdout
g = get(a, who)
lines = text.split("\n")
check("all of it in words", lines[:lines.index("  features:")] == [
    "no [31mra", "  other ids:", "    phone:5, merged at " + stamp(g.identities[0].time_ms), "  attributes:", "    tier = gold", "    spend_365d = 12.5",
    "  consents:", "    email promotional: granted at %s, by web form" % stamp(T), "    sms ask: withdrawn at " + stamp(T),
    "  preferences:", "    channel sms", "    quiet hours from 22:00 to 07:00", "    pause until " + stamp(T), "    less often: at most 2 in 7d",
    "  stage active since %s" % stamp(g.journey.entered_ms), "  touch points:", "    %s signal.purchase by web" % stamp(T - 1000),
    "    %s action.win_back by email" % stamp(T), "  contacts:",
    "    %s win_back by email: SENT, decision %s" % (stamp(T), g.contacts[0].decision_id), "  reactions:",
    "    action.win_back: shown 1, ignored 1, responded 0, converted 0, rejected 0, last shown at " + stamp(T)], text)
check("every feature too", {x.split(" = ")[0].strip() for x in lines[lines.index("  features:") + 1:-1]} == set(g.features) and
      "    spend_30d = 60" in lines, text)
check("as JSON", json.loads(cli("customer", "get", "--server", a.address, "phone:5", "--json").stdout)["customer_id"] == who)
p = cli("customer", "merge", "--server", a.address, "nobody", ok=False)
check("an argument that is missing by its name", p.returncode == 2 and p.stderr.startswith("tact customer merge: missing argument: TO\n"), p.stderr)
check("help before or after the command", cli("help", "customer", "get").stdout == cli("customer", "get", "--help").stdout and
      cli("help", "customer").stdout == cli("customer", "--help").stdout != cli("help").stdout == cli("--help").stdout)
check("nobody", cli("customer", "get", "--server", a.address, "nobody").stdout == "nobody: never seen\n")

# ---- the features of a merged person are those of both histories ----
KINDS = [("page_view", lambda: dict(category=random.choice(["fashion", "electronics", "home"]))),
         ("cart_add", lambda: dict(sku="s%d" % random.randrange(9), category="fashion", price=random.randrange(1, 9000) / 100)),
         ("purchase", lambda: dict(order="o%d" % random.randrange(9), category="home", amount=random.randrange(1, 9000) / 100,
                                   reward=random.random() < 0.3)),
         ("item_returned", lambda: dict(sku="s1", category="home", reason=random.choice(["size", "damaged"]), amount=12.5)),
         ("support_contact", lambda: dict(case="k%d" % random.randrange(4), topic=random.choice(["sizes", "delivery"]),
                                          sentiment=random.randrange(-10, 11) / 10)),
         ("support_resolved", lambda: dict(case="k%d" % random.randrange(4), csat=4.5)),
         ("order_delayed", lambda: dict(order="o1")), ("message_received", lambda: dict(topic="sizes", sentiment=0.25))]
CHANNELS = ["web", "app", "phone", "email"]


def same(x, y):
    if x == y:
        return True
    try:
        return abs(float(x) - float(y)) <= 1e-6 * (1 + abs(float(x)))  # as they are printed
    except ValueError:
        return False


wrong = []
PEOPLE = 60
for n in range(PEOPLE):
    ids = ["p%d" % n, "q%d" % n, "device:r%d" % n, "all%d" % n]
    events = []
    for i in range(random.randrange(4, 40)):
        name, draw = random.choice(KINDS)
        events.append(event(name, "e%d" % i, NOW - random.randrange(1, 40 * DAY), random.choice(CHANNELS), **draw()))
    parts = [[], [], []]
    for e in events:
        parts[random.randrange(3)].append(e)
    merged_at = random.randrange(3)
    for k in range(3):
        if k == merged_at:  # between, before or after their signals
            merge(random.choice((a, b)), ids[2], ids[1])
        if parts[k]:
            tell(random.choice((a, b)), ids[k], parts[k])
    merge(random.choice((a, b)), ids[1], ids[0])
    tell(a, ids[3], events)
    at = NOW + 3600000
    one, all_ = get(random.choice((a, b)), random.choice(ids[:3]), at), get(b, ids[3], at)
    if one.customer_id != ids[0]:
        wrong.append((n, "customer", one.customer_id))
    for k, v in all_.features.items():
        if not k.startswith(("stage", "previous_stage")) and not same(one.features[k], v):
            wrong.append((n, k, one.features[k], v))
check("%d merged people have the features of the union" % PEOPLE, not wrong, wrong[:5])

# ---- two servers, at once, in rings ----
errors = []


def ring(server, names):
    try:
        for x, y in zip(names, names[1:] + names[:1]):
            merge(server, x, y)
    except grpc.RpcError as e:
        errors.append(e)


for n in range(20):
    names = ["ring%d-%d" % (n, i) for i in range(4)]
    for i, name in enumerate(names):
        tell(a, name, [event("page_view", "v%d" % i, category="home")])
    threads = [threading.Thread(target=ring, args=(s, names[k:] + names[:k])) for s, k in ((a, 0), (b, 2))]
    [t.start() for t in threads]
    [t.join() for t in threads]
    got = {(get(s, name).customer_id, get(s, name).features["views_7d"]) for s in (a, b) for name in names}
    if len(got) != 1 or got.pop()[1] != "4":
        errors.append((names, got))
check("rings of merges from two servers", not errors, errors[:2])

# ---- an import finds who they are now ----
path = os.path.join(WORK, "past.jsonl")
with open(path, "w") as f:
    for i in range(3):
        f.write(json.dumps({"signal": {"customer_id": "p0", "signals": [
            {"event_id": "old%d" % i, "name": "page_view", "time_ms": NOW - (i + 1) * 3600000,
             "properties": {"category": {"string_value": "home"}}}]}}) + "\n")
    f.write(json.dumps({"signal": {"customer_id": "device:r0", "signals": [
        {"event_id": "old9", "name": "page_view", "time_ms": NOW - 7200000, "properties": {"category": {"string_value": "home"}}}]}}) + "\n")
    f.write(json.dumps({"signal": {"alias": {"type": "phone", "value": "1"}, "signals": []}}) + "\n")
before = int(get(a, "p0").features["views_7d"])
p = cli("import", "--store", redis.url, "--policy", RETAIL, path, ok=False)
check("a line with an alias is told how to name it", 'an alias is "type:value"' in p.stderr, p.stderr)
check("an import goes to whom they are", int(get(b, "device:r0").features["views_7d"]) == before + 4, p.stderr)
cli("import", "--store", redis.url, "--policy", RETAIL, path, ok=False)
check("once", int(get(b, "p0").features["views_7d"]) == before + 4)

# ---- households ----
POLICY = os.path.join(WORK, "household")
os.makedirs(POLICY)
with open(os.path.join(ROOT, "tests/cases/policies/household/policy.yaml")) as f, open(os.path.join(POLICY, "policy.yaml"), "w") as out:
    out.write(f.read())
homes = Redis("homes")
c, e = Server(POLICY, homes.url, extra=("--workers", "2")), Server(POLICY, homes.url, extra=("--allow-as-of",))


def lives_in(who, home):
    c.client.Upsert(customers.UpsertRequest(customer_id=who, profile={"home": common.Value(string_value=home) if home else common.Value()}))


def reserve(server, who, request_id=""):
    return server.client.Decide(decisions.DecideRequest(customer_id=who, channel="email", mode=decisions.RESERVE, request_id=request_id))


def record(server, kind, handle, outcome_id):
    return server.client.Record(outcomes.RecordRequest(outcome_id=outcome_id, kind=kind, handle=handle))


Kind = outcomes.RecordRequest.Kind
for who in ("mother", "father", "child"):
    lives_in(who, "h1")
lives_in("neighbour", "h2")
fails("a household without a name", INVALID, "profile[home]: a household's id of 0 bytes; 1 to 256 are allowed", lambda: c.client.Upsert(
    customers.UpsertRequest(customer_id="x", profile={"home": common.Value(string_value="")})))
first, second = reserve(c, "mother"), reserve(e, "father")
check("two of them", len(first.decision.choices) == len(second.decision.choices) == 1)
third = reserve(e, "child")
s = third.decision.suppression
check("the third is one too many", not third.decision.choices and s.rule == "email_weekly" and "household" in s.text, s)
check("with evidence", {x.name: x.value for x in s.evidence}.get("household") == "h1", s.evidence)
check("also where it is only looked at", not c.client.Decide(decisions.DecideRequest(customer_id="child", channel="email")).decision.choices)
check("the neighbours are others", len(reserve(c, "neighbour").decision.choices) == 1)
record(e, Kind.NOT_SENT, first.handles[0], "o1")
fourth = reserve(c, "child")
check("a slot given back is anybody's", len(fourth.decision.choices) == 1)
record(c, Kind.SENT, fourth.handles[0], "o2")
check("sent stays", not reserve(e, "mother").decision.choices)
c.client.RecordContact(customers.RecordContactRequest(customer_id="neighbour", contact_id="k1", channel="email"))
check("an agency's contact counts for all", not reserve(e, "neighbour").decision.choices)
lives_in("guest", "h2")
check("and for who moves in", not reserve(c, "guest").decision.choices)
lives_in("guest", "")
check("who leaves counts alone", len(reserve(c, "guest").decision.choices) == 1)

# Many at once, on both servers: two slots, exactly.
for i in range(12):
    lives_in("m%d" % i, "h3")
chosen = []
threads = [threading.Thread(target=lambda i=i: chosen.append(len(reserve((c, e)[i % 2], "m%d" % (i % 12), "r%d" % i).decision.choices)))
           for i in range(48)]
[t.start() for t in threads]
[t.join() for t in threads]
check("48 at once for two slots", sum(chosen) == 2, chosen)

# A torn household: nobody can tell how often it was contacted, so nothing is sent; what stood there is kept.
lives_in("torn", "h4")
reserve(c, "torn")
key = "tact:{h4}:h"
check("a household's own key", homes.command("TYPE", key) == "+string", homes.command("TYPE", key))
homes.command("SET", key, "\2torn bytes, that no server wrote")
time.sleep(0.1)
lives_in("other", "h4")
d = reserve(e, "other")
check("a torn household is full", not d.decision.choices and d.decision.suppression.rule == "email_weekly", d.decision.suppression)
c.client.RecordContact(customers.RecordContactRequest(customer_id="other", contact_id="k2", channel="email"))
check("set aside at the next contact", homes.command("TYPE", "tact:{h4}:hx") == "+hash" and homes.command("HLEN", "tact:{h4}:hx") == ":1")
check("and full still", not reserve(e, "torn").decision.choices)

lives_in("early", "h7")
homes.command("SET", "tact:{h7}:h", "\3bytes of a later version of the server")
d = reserve(e, "early")
check("a household of a later version is full", not d.decision.choices and d.decision.suppression.rule == "email_weekly")
fails("and left alone", grpc.StatusCode.UNAVAILABLE, "written by a later version", lambda: c.client.RecordContact(
    customers.RecordContactRequest(customer_id="early", contact_id="k1", channel="email")))

# A forgotten person's contacts go from the household too.
lives_in("gone", "h5")
reserve(c, "gone")
reserve(c, "gone")
lives_in("stays", "h5")
check("full by one person", not reserve(e, "stays").decision.choices)
c.client.Forget(customers.ForgetRequest(customer_id="gone"))
check("nothing of a forgotten person counts", len(reserve(e, "stays").decision.choices) == 1)

# A merge brings the household's contacts along.
lives_in("old", "h6")
reserve(c, "old")
merge(c, "old", "new")
check("by the new name it is the same household", c.client.Get(customers.GetRequest(customer_id="new")).profile["home"].string_value == "h6")
reserve(e, "new")
check("and full", not reserve(c, "new").decision.choices and not reserve(c, "old").decision.choices)

for server, name in ((a, "retail"), (b, "retail"), (c, "household"), (e, "household")):
    check("stops in order", server.stop() == 0)
    p = cli("replay", "--verify", os.path.join(server.data, "log"), ok=False)
    check("every decision again, from the log (%s)" % name, p.returncode == 0 and " 0 differing" in p.stdout, p.stdout + p.stderr)
done()

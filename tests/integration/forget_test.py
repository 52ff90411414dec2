"""Forgetting a person: the export shows everything that was planted, in words; after Forget nothing of it is left in Redis, in no
key and no value, nor in its append-only file once that is rewritten; what comes late is refused on every server, and a new
consent begins anew. And retention: a policy's time to live is on the keys. SPDX-License-Identifier: Apache-2.0"""
import glob
import hashlib
import json
import os
import socket
import subprocess
import time

from harness import ROOT, TACT, Client, Redis, Server, check, common, customers, decisions, done, fails, folder, grpc, outcomes

RETAIL = os.path.join(ROOT, "tools/examples/retail")
DAY = 86400000
REFUSED = grpc.StatusCode.FAILED_PRECONDITION


class Wire:
    """Raw commands to Redis."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(path)
        self.f = self.s.makefile("rb")

    def __call__(self, *args):
        args = [a if isinstance(a, bytes) else str(a).encode() for a in args]
        self.s.sendall(b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in args))
        return self.reply()

    def reply(self):
        line = self.f.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise AssertionError(rest)
        if kind in b"+:":
            return rest if kind == b"+" else int(rest)
        if kind == b"$":
            return None if int(rest) < 0 else self.f.read(int(rest) + 2)[:-2]
        return [self.reply() for _ in range(int(rest))]


def everything(redis):
    """All keys with all that they hold, as bytes."""
    out = {}
    for key in redis("KEYS", "*"):
        kind = redis("TYPE", key)
        out[key] = redis("GET", key) if kind == b"string" else b"\n".join(
            redis("HGETALL", key) if kind == b"hash" else redis("LRANGE", key, 0, -1))
    return out


def value(v):
    if isinstance(v, bool):
        return common.Value(bool_value=v)
    return common.Value(number_value=v) if isinstance(v, float) else common.Value(string_value=v)


def signal(client, who, name, event, channel="", **properties):
    return client.Signal(customers.SignalRequest(customer_id=who, signals=[common.Signal(
        event_id=event, name=name, channel=channel, properties={k: value(v) for k, v in properties.items()})]))


def consent(granted=True, at=0):
    return customers.Consent(channel="email", purpose="promotional", granted=granted, time_ms=at, source="form-quartz-17")


def cli(*args):
    return subprocess.run([TACT, "customer", *args], capture_output=True, text=True)


redis = Redis()
wire = Wire(redis.socket)
a, b = Server(RETAIL, redis.url), Server(RETAIL, redis.url)
WHO = "zz-person-4711"

# ---- planted: every part of a state, records beside it, bytes that could not be read ----
a.client.Upsert(customers.UpsertRequest(customer_id=WHO, consents=[consent()]))
blob = wire("GET", "tact:{%s}:s" % WHO)
wire("SET", "tact:{%s}:s" % WHO, blob[:-4] + b"torn")  # what an operator's mistake may leave
profile = {"first_name": "Quentinella", "time_zone": "Africa/Nouakchott"}
known = {k: common.Value(string_value=v) for k, v in profile.items()}
b.client.Upsert(customers.UpsertRequest(customer_id=WHO, profile=known, consents=[consent()], preferences=customers.Preferences(
    channel="sms", quiet_from="22:15", quiet_to="07:45", at_most=3, per_ms=7 * DAY)))
signal(a.client, WHO, "page_view", "e1", "web", category="kaleidoscopes")
signal(b.client, WHO, "purchase", "e2", "web", order="o-987", category="kaleidoscopes", amount=123.75)
signal(a.client, WHO, "support_contact", "e3", "phone", case="c-55", topic="zirconium", sentiment=-0.25)
signal(a.client, WHO, "item_returned", "e4", "store", sku="s1", category="kaleidoscopes", reason="unwanted", amount=12.5)
a.client.RecordContact(customers.RecordContactRequest(customer_id=WHO, contact_id="k1", channel="email", action_id="make_it_good"))
peek = decisions.DecideRequest(customer_id=WHO, request_id="peek-1", channel="web")
kept = a.client.Decide(peek)
reserve = decisions.DecideRequest(customer_id=WHO, request_id="reserve-1", channel="email", mode=decisions.RESERVE)
a.client.Decide(reserve)
check("the planted state is of many keys", sum(WHO.encode() in k for k in wire("KEYS", "*")) == 5)  # s, x, r and two records

reply = b.client.Export(customers.ExportRequest(customer_id=WHO))
e = json.loads(reply.json)
check("found", reply.found and not reply.forgotten_ms and e["customer_id"] == WHO)
check("attributes with their times", {k: v["value"] for k, v in e["attributes"].items()} == profile and
      all(v["set_at"].startswith("20") for v in e["attributes"].values()), e["attributes"])
check("consents with their source", [(c["channel"], c["purpose"], c["granted"], c["source"]) for c in e["consents"]] ==
      [("email", "promotional", True, "form-quartz-17")])
p = e["preferences"]
check("wishes", (p["channel"], p["quiet_from"], p["quiet_to"], p["at_most"], p["per_minutes"]) == ("sms", "22:15", "07:45", 3, 7 * 24 * 60))
check("contacts by name", [(c["action"], c["channel"], c["outcomes"]) for c in e["contacts"]][0] == ("make_it_good", "email", ["SENT"]))
check("reactions", any(r["name"] == "action.make_it_good" and r["shown"] == 1 and len(r["latest_shows"]) == 1 for r in e["reactions"]))
check("touch points", {("signal.purchase", "web"), ("signal.item_returned", "store"), ("signal.support_contact", "phone")} <=
      {(t["name"], t["channel"]) for t in e["touch_points"]} and all(t["at"] for t in e["touch_points"]))
check("the stage", e["journey"]["entered_at"].startswith("20"))
by_name = {x["name"]: x for x in e["aggregates"]}
sums = [bucket["value"] for n, x in by_name.items() if n.startswith("sum(purchase.amount") for bucket in x["buckets"]]
check("sums by their buckets", 123.75 in sums and
      all(bucket["from"] < bucket["to"] for x in by_name.values() for bucket in x.get("buckets", [])))
text = json.dumps(e)
check("last values and keys", any(x["kind"] == "top" and [k["key"] for k in x["keys"]] == ["kaleidoscopes"] for x in by_name.values()) and
      any(x["kind"] == "last" and x["value"] == "unwanted" and x["at"] for x in by_name.values()))
check("open cases", any(x["kind"] == "open" and x["cases"] and x["cases"][0]["opened_at"] for x in by_name.values()))
check("ids of events are hashes", e["seen_event_hashes"] == 5)  # four signals and a contact
check("the kept decisions", sorted(d["decision_id"] for d in e["decisions"])[0] and len(e["decisions"]) == 2 and
      kept.decision.decision_id in [d["decision"]["decision_id"] for d in e["decisions"]] and
      sorted(d["mode"] for d in e["decisions"]) == ["PEEK", "RESERVE"])
torn = hashlib.sha1(blob[:-4] + b"torn").hexdigest()
check("what was set aside", [x["sha1"] for x in e["set_aside"]] == [torn] and e["earlier_state_lost_at"])
again = json.loads(a.client.Export(customers.ExportRequest(customer_id=WHO)).json)
again["exported_at"] = e["exported_at"]
check("two exports are the same", json.dumps(again) == text)
out = cli("export", "--server", a.address, WHO)
check("tact customer export", out.returncode == 0 and json.loads(out.stdout)["attributes"] == e["attributes"], out.stderr)
out = cli("get", "--server", a.address, WHO, "--json")
check("tact customer get", out.returncode == 0 and json.loads(out.stdout)["customer_id"] == WHO, out.stderr)

# ---- a server whose policy has less exports all the same, by the store's names ----
LESS = folder("less")
with open(os.path.join(LESS, "policy.yaml"), "w") as f:
    f.write("brand: {name: Less, time_zone: UTC, locales: [en]}\nchannels: {web: {direction: inbound, content: [title]}}\n"
            "actions: [{id: hello, issue: i, group: g, purpose: service, value: 1.0, treatments: [{channel: web, title: hi}]}]\n")
c = Server(LESS, redis.url)
less = json.loads(c.client.Export(customers.ExportRequest(customer_id=WHO)).json)
check("attributes of others have names", {k: v["value"] for k, v in less["attributes_of_other_policies"].items()} == profile and
      not less["attributes"])
kept_names = {x["name"]: x for x in less["kept_for_other_policies"]}
check("so have their aggregates, with what they hold", set(n for n in by_name) <= set(kept_names) and
      any(x["kind"] == "last" and x["value"] == "kaleidoscopes" for x in kept_names.values() if "kind" in x) and
      not any("unreadable" in x for x in kept_names.values()))
check("contacts too", less["contacts"] == e["contacts"])
c.stop()

# ---- forgotten ----
b.client.Get(customers.GetRequest(customer_id=WHO))
out = cli("forget", "--server", a.address, WHO, "--request-id", "ticket-1", "--json")
first = json.loads(out.stdout)
check("tact customer forget", out.returncode == 0 and not first.get("repeated_before") and int(first["forgotten_ms"]) > 0, out.stderr)
r = b.client.Forget(customers.ForgetRequest(customer_id=WHO))
check("once more changes nothing", r.repeated_before and r.forgotten_ms == int(first["forgotten_ms"]))
left = everything(wire)
check("one key is left", [k for k in left if WHO.encode() in k] == [b"tact:{%s}:s" % WHO.encode()])
PLANTED = [v.encode() for v in [*profile.values(), "form-quartz-17", "kaleidoscopes", "unwanted", kept.decision.decision_id]]
check("it holds a time only", len(left[b"tact:{%s}:s" % WHO.encode()]) == 21)
check("no value holds anything of them", not [v for v in PLANTED for x in left.values() if v in x])
check("nor a key", not [v for v in PLANTED for k in left if v in k])
wire("BGREWRITEAOF")
end = time.time() + 30
while time.time() < end and b"aof_rewrite_in_progress:0" not in wire("INFO", "persistence"):
    time.sleep(0.05)
end = time.time() + 30
files = b""
while time.time() < end:
    files = b"".join(open(f, "rb").read() for f in glob.glob(os.path.join(redis.folder, "**"), recursive=True)
                     if os.path.isfile(f) and f.endswith((".aof", ".rdb")))
    if not any(v in files for v in PLANTED):
        break
    time.sleep(0.05)
check("nor the rewritten append-only file", files and not [v for v in PLANTED if v in files])
check("which has the tombstone", WHO.encode() in files)

e = b.client.Export(customers.ExportRequest(customer_id=WHO))
check("the export says so and nothing else", not e.found and e.forgotten_ms == r.forgotten_ms and
      sorted(json.loads(e.json)) == ["customer_id", "exported_at", "forgotten_at"])
g = b.client.Get(customers.GetRequest(customer_id=WHO))
check("Get too", g == customers.GetResponse(customer_id=WHO, forgotten_ms=r.forgotten_ms))
fails("a late signal", REFUSED, "the customer was forgotten at 20", lambda: signal(b.client, WHO, "page_view", "e9", category="shoes"))
fails("a contact", REFUSED, "forgotten", lambda: a.client.RecordContact(
    customers.RecordContactRequest(customer_id=WHO, contact_id="k2", channel="email")))
fails("attributes", REFUSED, "until an Upsert grants a consent", lambda: a.client.Upsert(
    customers.UpsertRequest(customer_id=WHO, profile=known)))
fails("a withdrawn consent", REFUSED, "forgotten", lambda: a.client.Upsert(
    customers.UpsertRequest(customer_id=WHO, consents=[consent(False)])))
fails("one that was given before", REFUSED, "forgotten", lambda: a.client.Upsert(
    customers.UpsertRequest(customer_id=WHO, consents=[consent(at=r.forgotten_ms - 1)])))
fails("a decision with signals", REFUSED, "forgotten", lambda: a.client.Decide(decisions.DecideRequest(
    customer_id=WHO, channel="web", signals=[common.Signal(event_id="e10", name="page_view")])))
fails("an outcome", REFUSED, "forgotten", lambda: a.client.Record(outcomes.RecordRequest(
    outcome_id="o1", customer_id=WHO, decision_id=kept.decision.decision_id, kind=outcomes.RecordRequest.RESPONSE)))
out = subprocess.run([TACT, "signal", "--server", a.address, "--customer", WHO, "page_view"], capture_output=True, text=True)
check("nobody is told to send a signal again that is refused", out.returncode == 1 and "FAILED_PRECONDITION: the customer was" in out.stderr
      and "--event-id" not in out.stderr, out.stderr)
d = b.client.Decide(reserve).decision
check("nothing can be reserved", not d.choices and d.suppression.cause == decisions.Suppression.FORGOTTEN and
      "was forgotten at" in d.suppression.text and list(d.suppression.waits_for) == ["consent"], d.suppression)
check("a decision of before does not come back", not b.client.Decide(peek).meta.recorded and not a.client.Decide(peek).meta.recorded)
check("all that left no trace", everything(wire) == left)

a.client.Upsert(customers.UpsertRequest(customer_id=WHO, consents=[consent()]))
e = json.loads(b.client.Export(customers.ExportRequest(customer_id=WHO)).json)
check("a new consent begins anew", len(e["consents"]) == 1 and not (e["attributes"] or e["contacts"] or e["aggregates"] or e["decisions"]
      or e["set_aside"] or e["seen_event_hashes"]))
check("and signals count again", signal(b.client, WHO, "page_view", "e11", category="shoes").applied == 1)
r = a.client.Forget(customers.ForgetRequest(customer_id="never-seen"))
check("somebody never seen", not r.repeated_before and r.forgotten_ms > 0)
fails("is refused from then on", REFUSED, "forgotten", lambda: signal(b.client, "never-seen", "page_view", "e1"))
check("keys of a policy without retention stay", wire("PTTL", "tact:{never-seen}:s") == -1 and wire("PTTL", "tact:{%s}:s" % WHO) == -1)
stats = a.stats()
check("it is counted", stats["forget"] == 2 and stats["export"] == 2)
check("the servers stop in order", a.stop() == 0 and b.stop() == 0)
out = subprocess.run([TACT, "replay", "--verify", os.path.join(a.data, "log")], capture_output=True, text=True)
check("the log is read on", out.returncode == 0, out.stdout + out.stderr)

# ---- what servers have in memory goes too; a stream goes on without the person ----
FORGET = os.path.join(ROOT, "tests/cases/policies/forget")
d, e = Server(FORGET, redis.url, extra=["--workers", "2"]), Server(FORGET, redis.url)
callers = [Client(d.address) for _ in range(6)]  # spread over both workers
peek = decisions.DecideRequest(customer_id="roya", channel="web")


def named(client):
    """Whether a decision has the person's name."""
    return "Quentinella" in str(client.Decide(peek))


e.client.Upsert(customers.UpsertRequest(customer_id="roya", profile={"name": common.Value(string_value="Quentinella")}))
check("everybody knows roya", all(named(c) for c in callers + [e.client] for _ in range(2)))
check("the workers share the callers", d.stats()["cache_hits"] > 0 and e.stats()["cache_hits"] > 0)
callers[0].Forget(customers.ForgetRequest(customer_id="roya"))
since = time.time()
check("no worker of the server that forgot does", not any(named(c) for c in callers))
while named(e.client) and time.time() < since + 10:
    pass
print("     another server after %.1f ms" % ((time.time() - since) * 1e3))
check("nor another server, in a moment", time.time() < since + 10 and not named(e.client))
r = e.client.SignalStream(iter([customers.SignalRequest(customer_id=who, signals=[common.Signal(event_id=who + "1", name="note")])
                                for who in ("ava", "roya", "ava2")]))
check("a stream tells of the person and goes on", r.requests == 3 and r.applied == 2 and [(x.request, x.event_id) for x in r.rejected] ==
      [(1, "roya1")] and "the customer was forgotten at 20" in r.rejected[0].reason, r)
events = os.path.join(folder("events"), "events.jsonl")
with open(events, "w") as f:
    for who in ("ava", "roya"):
        f.write(json.dumps({"customer_id": who, "signals": [{"event_id": who + "2", "name": "note"}]}) + "\n")
out = subprocess.run([TACT, "signal", "--server", e.address, "--file", events], capture_output=True, text=True)
check("so does tact signal --file", out.returncode == 1 and "roya2" in out.stderr and "forgotten at" in out.stderr, out.stdout + out.stderr)
table = os.path.join(folder("table"), "customers.csv")
with open(table, "w") as f:
    f.write("id,name\nava,Ava\nroya,Quentinella\n")


def load(*options):
    return subprocess.run([TACT, "import", "--server", e.address, "--customer-column", "id", *options, table],
                          capture_output=True, text=True)


out = load("--consent", "email:promotional", "--consent-time", "2020-01-01T00:00:00Z")
check("an old table brings nobody back", out.returncode == 1 and "3" in out.stderr and "forgotten at" in out.stderr and
      e.client.Get(customers.GetRequest(customer_id="ava")).profile["name"].string_value == "Ava" and not named(e.client),
      out.stdout + out.stderr)
check("a consent that is given now does", load("--consent", "email:promotional").returncode == 0 and named(e.client))

# ---- a history straight into the store takes nothing of the person either, but what comes with a new consent ----
def line(who, event, at=0):
    return {"signal": {"customer_id": who, "as_of_ms": at, "signals": [{"event_id": event, "name": "note"}]}}


def history(policy, *lines):
    name = os.path.join(folder("history"), "history.jsonl")
    with open(name, "w") as f:
        f.writelines(json.dumps(x) + "\n" for x in lines)
    return subprocess.run([TACT, "import", "--store", redis.url, "--policy", policy, name], capture_output=True, text=True)


check("she is forgotten again", not e.client.Forget(customers.ForgetRequest(customer_id="roya")).repeated_before)
tombstone = wire("GET", "tact:{roya}:s")
given = {"channel": "email", "purpose": "promotional", "granted": True, "time_ms": int(time.time() * 1000) - DAY}
out = history(FORGET, line("roya", "h1"), {"upsert": {"customer_id": "roya", "consents": [given]}}, line("ava", "h1"))
check("lines of the forgotten are rejected, others taken", out.returncode == 1 and "forgotten at 20" in out.stderr and
      "1 customer written" in out.stdout and "2 rejected" in out.stdout, out.stdout + out.stderr)
check("the tombstone stands", wire("GET", "tact:{roya}:s") == tombstone)
time.sleep(0.002)  # the consent is of a later millisecond than the forgetting
now = int(time.time() * 1000)
given["time_ms"] = now
out = history(FORGET, line("roya", "h1", now - DAY), {"upsert": {"customer_id": "roya", "as_of_ms": now, "consents": [given]}},
              line("roya", "h2", now + 1))
x = json.loads(e.client.Export(customers.ExportRequest(customer_id="roya")).json)
check("a consent in it begins anew", out.returncode == 1 and "1 rejected" in out.stdout and len(x["consents"]) == 1 and
      len(x["imports"]) == 1 and [sum(b["value"] for b in a["buckets"]) for a in x["aggregates"] if a["kind"] == "count"] == [1],
      out.stdout + out.stderr + json.dumps(x))
for client in callers:
    client.close()
check("both stop in order", d.stop() == 0 and e.stop() == 0)

# ---- retention ----
BRIEF = folder("brief")
with open(os.path.join(BRIEF, "policy.yaml"), "w") as f:
    f.write("brand: {name: Brief, time_zone: UTC, locales: [en], retention: 30d}\nsignals: {visit: {}}\n"
            "channels: {web: {direction: inbound, content: [title]}}\nfeatures: {visits: {count: visit, window: 90d}}\n"
            "actions: [{id: hello, issue: i, group: g, purpose: service, value: 1.0, treatments: [{channel: web, title: hi}]}]\n")
d = Server(BRIEF, redis.url)
signal(d.client, "omid", "visit", "e1")
left_ms = wire("PTTL", "tact:{omid}:s")
check("a customer goes 30 days after the last write", 30 * DAY - 60000 < left_ms <= 30 * DAY, left_ms)
wire("PEXPIRE", "tact:{omid}:s", 5000)
signal(d.client, "omid", "visit", "e2")
check("each write says anew", wire("PTTL", "tact:{omid}:s") > 30 * DAY - 60000)
d.client.Forget(customers.ForgetRequest(customer_id="omid"))
check("a tombstone stays 400 days", 400 * DAY - 60000 < wire("PTTL", "tact:{omid}:s") <= 400 * DAY)
out = history(BRIEF, {"signal": {"customer_id": "noura", "signals": [{"event_id": "h1", "name": "visit"}]}})
check("so it is with an import", 30 * DAY - 60000 < wire("PTTL", "tact:{noura}:s") <= 30 * DAY, out.stdout + out.stderr)
signal(d.client, "ali", "visit", "e1")
check("ali is known", d.client.Get(customers.GetRequest(customer_id="ali")).found)


def told(count):
    """Waits until the near cache was told of so many changes."""
    end = time.time() + 20
    while time.time() < end and d.stats()["cache_changes"] < count:
        time.sleep(0.02)
    return d.stats()["cache_changes"] == count


peek = decisions.DecideRequest(customer_id="ali", channel="web")
d.client.Decide(peek)  # in the near cache
before = d.stats()["cache_changes"]
wire("PEXPIRE", "tact:{ali}:s", 500)
check("a shorter time to live is told", told(before + 1))
d.client.Decide(peek)  # in the near cache again
check("an expired key is told to the near cache", told(before + 2))
check("and ali is gone", not d.client.Get(customers.GetRequest(customer_id="ali")).found)
check("the server stops in order", d.stop() == 0)
done()

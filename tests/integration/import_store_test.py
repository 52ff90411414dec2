"""`tact import --store`: a history straight into Redis. Features are those of `tact features` and of a server that was told the
same; killed at random points and run again, it is one clean run, blob for blob; what is newer stays, and a server that writes
meanwhile loses nothing; what is wrong is in the file of rejected lines, with its reason; a store that is full stops it, and
nothing is half done. SPDX-License-Identifier: Apache-2.0"""
import csv
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

from harness import LONG, TACT, WORK, Redis, Server, check, common, customers, done, folder

POLICY = folder("policy")
with open(os.path.join(POLICY, "policy.yaml"), "w") as f:
    f.write("""
brand: {name: Test, time_zone: Asia/Tehran, locales: [en]}
profile: {name: string, tier: {type: string, values: [basic, gold]}, spend: number, city: string}
signals:
  page_view: {properties: {category: string}}
  cart_add: {properties: {sku: string, price: number}}
  purchase: {properties: {order: string, category: string, amount: number}}
  case_opened: {properties: {case: string}, negative: true}
  case_closed: {properties: {case: string}}
  unsubscribe: {properties: {}, consent: {withdraw: [promotional]}}
features:
  views_7d: {count: page_view, window: 7d}
  views_2h: {count: page_view, window: 2h}
  cart_value: {sum: cart_add.price, window: 24h}
  spend_90d: {sum: purchase.amount, window: 90d}
  mean_90d: {mean: purchase.amount, window: 90d}
  biggest: {max: purchase.amount, window: 365d}
  last_category: {last: purchase.category}
  recent: {expr: "age(purchase) < 3d"}
  categories: {distinct: page_view.category, window: 30d}
  cases: {open: [case_opened.case, case_closed.case], window: 90d}
  bad: {negative_moments: 30d}
  pace: {expr: "spend_90d / max(profile.spend, 1.0)"}
channels:
  email: {direction: outbound, confirm_within: 1h, content: [subject]}
  web: {direction: inbound, content: [title]}
journey:
  stages:
    - {id: unhappy, enter: "bad >= 2", leave: "bad == 0"}
    - {id: loyal, enter: "count(purchase, 180d) >= 3"}
    - {id: buyer, enter: "spend_90d > 0.0"}
actions:
  - id: hello
    issue: growth
    group: greetings
    purpose: promotional
    value: 1.0
    applicability: "rejected(action.id) == 0 && ignored(action.group) < 3"
    treatments: [{channel: email, subject: "Hello"}, {channel: web, title: "Hello"}]
contact_policy:
  - {id: weekly, scope: {purpose: promotional}, at_most: 3, per: 7d}
""")

HOUR, DAY = 3600000, 86400000
NOW = int(time.time() * 1000) // 1000 * 1000
T = NOW - 2 * DAY  # the history's end
rnd = random.Random(7)


def path(name):
    return os.path.join(WORK, name)


class Resp:
    """A few commands to Redis, to see what is there."""

    def __init__(self, redis):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(redis.socket)
        self.f = self.s.makefile("rb")

    def __call__(self, *args):
        args = [a if isinstance(a, bytes) else str(a).encode() for a in args]
        self.s.sendall(b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in args))
        return self.reply()

    def reply(self):
        line = self.f.readline()[:-2]
        if line[:1] in b"+:":
            return line[1:]
        if line[:1] == b"-":
            raise RuntimeError(line)
        n = int(line[1:])
        if line[:1] == b"$":
            return None if n < 0 else self.f.read(n + 2)[:-2]
        return [self.reply() for _ in range(n)]

    def states(self):
        """Each customer's blob but for its version and the checksum over that."""
        keys = sorted(k for k in self("KEYS", "tact:{*}:s"))
        return {k: blob[:1] + blob[13:] for k, blob in zip(keys, self("MGET", *keys))} if keys else {}


def value(v):
    return {"bool_value": v} if isinstance(v, bool) else {"string_value": v} if isinstance(v, str) else {"number_value": v}


def sig(customer, event, name, t, **properties):
    return {"signal": {"customer_id": customer, "signals": [{"event_id": event, "name": name, "time_ms": t,
                                                            "properties": {k: value(v) for k, v in properties.items()}}]}}


def history(customer, r, events):
    out = []
    for k in range(events):
        t, e = T - r.randrange(60 * DAY), "%s-%d" % (customer, k)
        out.append((t, r.choice([
            lambda: sig(customer, e, "page_view", t, category=r.choice("abcd")),
            lambda: sig(customer, e, "cart_add", t, sku="s%d" % r.randrange(9), price=r.randrange(1, 9999) / 100),
            lambda: sig(customer, e, "purchase", t, order="o" + e, category=r.choice("abcd"), amount=r.randrange(1, 99999) / 100),
            lambda: sig(customer, e, "case_opened" if r.random() < 0.5 else "case_closed", t, case="k%d" % r.randrange(3)),
        ])()))
    t = T - 70 * DAY + r.randrange(60 * DAY)
    out.append((t, {"upsert": {"customer_id": customer, "as_of_ms": t, "profile": {
        "name": value("Ava " + customer), "tier": value(r.choice(["basic", "gold"])), "spend": value(r.randrange(9999) / 4)},
        "consents": [{"channel": "email", "purpose": "promotional", "granted": True, "time_ms": t, "source": "shop"}]}}))
    return out


def write(name, lines):
    with open(path(name), "w") as f:
        for x in lines:
            f.write((x if isinstance(x, str) else json.dumps(x)) + "\n")
    return path(name)


def tact(*args, stdin=None):
    p = subprocess.run([TACT, *args], input=stdin, capture_output=True, text=True, timeout=300, cwd=WORK)
    return p.returncode, p.stdout, p.stderr


def load(redis, *args, code=0, stdin=None):
    """Runs an import and gives its figures."""
    rc, o, e = tact("import", "--store", redis.url, "--policy", POLICY, "--json", *args, stdin=stdin)
    if rc != code:
        check("an import ends with %d" % code, False, (rc, o[-500:], e[-500:]))
    return json.loads(o.strip().split("\n")[-1]) if o.strip() else {}


# ---- features are those of tact features, and of a server that was told the same ----
lines = sorted((x for i in range(150) for x in history("c%d" % i, rnd, rnd.randrange(3, 40))), key=lambda x: x[0])
shuffled = lines[:]
rnd.shuffle(shuffled)
events = write("history.jsonl", [x for _, x in shuffled])
with open(path("moments.csv"), "w") as f:
    f.write("customer_id,time\n" + "".join("c%d,%d\n" % (i, T) for i in range(150)))
one = Redis("one")
got = load(one, events)
check("every line of every customer is in", got["customers"] == 150 and got["created"] == 150 and got["lines"] == len(lines) and
      got["rejected"] == 0 and got["before"] == 0 and got["complete"], got)
rc, o, e = tact("features", "--policy", POLICY, "--events", events, "--at", path("moments.csv"), "--out", path("features.csv"))
check("tact features reads the same file", rc == 0, e)
reader = Server(POLICY, store=one.url, extra=["--allow-as-of"])


def told(client, customer):
    g = client.Get(customers.GetRequest(customer_id=customer, as_of_ms=T))
    g.version = g.state_bytes = 0
    return g


def same(text, cell):
    try:
        return abs(float(text) - float(cell)) <= 1e-6 * max(1, abs(float(cell)))
    except ValueError:
        return text.strip("'\"") == cell or (cell == "" and text.startswith("unknown"))


wrong = []
with open(path("features.csv")) as f:
    for row in csv.DictReader(f):
        g = told(reader.client, row["customer_id"])
        wrong += [(row["customer_id"], k, g.features[k], v) for k, v in row.items() if k not in ("customer_id", "time") and not same(g.features[k], v)]
check("features after the import are those of tact features", not wrong, wrong[:5])

two = Redis("two")
teller = Server(POLICY, store=two.url, extra=["--allow-as-of"])
for t, x in lines:
    (kind, body), = x.items()
    body = dict(body, as_of_ms=t)
    from google.protobuf import json_format
    if kind == "signal":
        teller.client.Signal(json_format.ParseDict(body, customers.SignalRequest()))
    else:
        teller.client.Upsert(json_format.ParseDict(body, customers.UpsertRequest()))
wrong = [(i, told(reader.client, "c%d" % i), told(teller.client, "c%d" % i)) for i in range(150)]
wrong = [x for x in wrong if x[1] != x[2]]
check("and all that a server knows is what one knows that was told every event when it happened", not wrong, wrong[:1])
teller.stop()

# ---- again: nothing changes, however long after ----
before = Resp(one).states()
got = load(one, events)
check("run again, every customer is passed over", got["customers"] == 0 and got["before"] == 150 and Resp(one).states() == before, got)
got = load(one, write("copy.jsonl", open(events).read().splitlines()))
check("a copy under another name is the same import", got["before"] == 150 and Resp(one).states() == before, got)

# ---- contacts and outcomes ----
t = T - 3 * DAY
deeds = [{"record_contact": {"customer_id": "o1", "contact_id": "mail-1", "channel": "email", "action_id": "hello", "time_ms": t}},
         {"record_contact": {"customer_id": "o1", "contact_id": "call-1", "channel": "web", "purpose": "promotional", "time_ms": t + HOUR}},
         {"record": {"customer_id": "o1", "outcome_id": "x1", "kind": "CONVERSION", "decision_id": "mail-1", "value": 12.5, "time_ms": t + 2 * HOUR}},
         {"record": {"customer_id": "o1", "outcome_id": "x2", "kind": "REJECTION", "decision_id": "0" * 32, "action_id": "hello", "time_ms": t + 3 * HOUR}},
         {"record": {"customer_id": "o1", "outcome_id": "x3", "kind": "RESPONSE", "decision_id": "nobody", "time_ms": t + 4 * HOUR}},
         {"record": {"customer_id": "o1", "outcome_id": "x4", "kind": "SENT", "decision_id": "call-1", "time_ms": t + 4 * HOUR}},
         {"record": {"customer_id": "o1", "outcome_id": "x5", "kind": "RESPONSE", "handle": "abc", "time_ms": t}}]
rnd.shuffle(deeds)
got = load(one, write("deeds.jsonl", deeds), "--rejects", path("deeds_bad.jsonl"), code=1)
g = told(reader.client, "o1")
check("contacts are there at their times", [(c.channel, c.action_id, c.time_ms) for c in g.contacts] == [("email", "hello", t), ("web", "", t + HOUR)], g.contacts)
hello = [r for r in g.reactions if r.word.endswith("hello")] if g.reactions and hasattr(g.reactions[0], "word") else list(g.reactions)
check("what they answered is known", hello and any("1" in str(r) for r in hello), g.reactions)
bad = [json.loads(x) for x in open(path("deeds_bad.jsonl"))]
check("an outcome of nobody's contact, of the wrong kind, or with a handle is rejected", got["rejected"] == 3 and sorted(x["record"]["outcome_id"] for x in bad) == ["x3", "x4", "x5"] and
      all(deeds[x["rejected_line"] - 1]["record"] == x["record"] and x["rejected_because"] for x in bad), (got, bad))
for x in bad:
    x["record"]["decision_id"] = "mail-1"
    x["record"]["kind"] = "RESPONSE"
    x["record"].pop("handle", None)
    x["record"]["time_ms"] = t + 5 * HOUR
got = load(one, write("mended.jsonl", bad))
check("mended, they can be imported as they are", got["lines"] == 3 and got["rejected"] == 0 and got["customers"] == 1 and got["created"] == 0, got)

# ---- rejects ----
good = sig("r1", "e1", "purchase", T, order="o", category="a", amount=5.0)
mixed = [good, "not json", {"signal": {"customer_id": "r1", "signals": [{"event_id": "e2", "name": "purchas", "time_ms": T}]}}, "", {"sginal": {}},
         sig("", "e3", "page_view", T, category="a"), sig("r2", "e4", "page_view", NOW + HOUR, category="a"), sig("r2", "e5", "purchase", T, amount="much"),
         {"upsert": {"customer_id": "r3", "profile": {"tier": value("golden")}}}, "{}", '{"signal": {"customer_id": "r4"', sig("r5", "e6", "page_view", T, category="x" * 1100),
         '{"signal": "' + "x" * (1 << 20) + '"}', good]
got = load(one, write("mixed.jsonl", mixed), "--rejects", path("bad.jsonl"), code=1)
bad = [json.loads(x) for x in open(path("bad.jsonl"))]
check("wrong lines are left out, and the good ones taken", got["lines"] == 2 and got["rejected"] == 11 and got["customers"] == 1 and
      [x["rejected_line"] for x in bad] == [2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13], (got, [x["rejected_line"] for x in bad]))
reasons = " | ".join(x["rejected_because"] for x in bad)
check("each with its reason", all(x in reasons for x in ("did you mean purchase?", "did you mean signal?", "customer_id is empty", "ahead of now", "properties[amount]: expected a number",
                                                          "did you mean gold?", "expected one object like", "a line of over 1 MiB")), reasons)
check("a line twice counts once", told(reader.client, "r1").features["spend_90d"] in ("5", "5.0"), told(reader.client, "r1").features)
rc, o, e = tact("import", "--store", one.url, "--policy", POLICY, write("hopeless.jsonl", ["nothing"] * 5000))
check("of a file of which nothing is right nothing is written", rc == 1 and "none of the first 100 lines was right" in e and e.count("\n") < 120, (rc, o, e[-300:]))
rc, o, e = tact("import", "--store", one.url, "--policy", POLICY, path("mixed.jsonl"), "--rejects", path("mixed.jsonl"))
check("the file of rejected lines is none of the input", rc == 1 and "is the file to be imported" in e, e)
rc, o, e = tact("import", "--store", one.url, "--policy", POLICY, path("nowhere.jsonl"))
check("no file: nothing else is said", rc == 1 and o == "" and e.endswith("nowhere.jsonl: No such file or directory\n"), (o, e))
rc, o, e = tact("import", "--server", "127.0.0.1:1", "--policy", POLICY, "--customer-column", "id", path("mixed.jsonl"))
check("JSON Lines go into the store", rc == 2 and "JSON Lines go into the store (--store)" in e, e)
load(one, write("misspelt.jsonl", [good, {"signal": {"customer_id": "r1", "signal": []}}]), "--dry-run", "--rejects", path("misspelt_bad.jsonl"), code=1)
bad = [json.loads(x) for x in open(path("misspelt_bad.jsonl"))]
check("a reason has no line of its own", [x["rejected_because"] for x in bad] == ["signal: no such field; did you mean signals?"], bad)
rc, o, e = tact("import", "--store", "unix://" + path("nowhere.sock"), "--policy", POLICY, events)
check("no Redis", rc == 1 and "the store: " in e and "nowhere.sock" in e, e)
for text, args in (("--policy FOLDER is required", ["--store", one.url]), ("give one", ["--store", one.url, "--server", "x:1"]),
                   ("go with --store", ["--server", "x:1", "--time-column", "t", "--customer-column", "id"])):
    rc, o, e = tact("import", *args, events)
    check("options: " + text, rc == 2 and text in e, (rc, e))
got = load(one, "-", "--dry-run", stdin="\n".join(json.dumps(x) for _, x in lines[:50]))
check("--dry-run checks and writes nothing", got["lines"] == 50 and got["customers"] == 0, got)

# ---- tables ----
table = path("people.csv")
with open(table, "w") as f:
    f.write("id,name,tier,spend,changed,letter\nt1,Ava,gold,12.5,%d,yes\nt2,Bob,golden,1,%d,\nt3,Cy,basic,2,yesterday,no\n\"t4\",\"D, d\",,7,,no\n" % (T, T))
columns = ["--customer-column", "id", "--consent", "email:promotional=letter", "--time-column", "changed"]
got = load(one, table, *columns, "--rejects", path("people_bad.csv"), code=1)
left = open(path("people_bad.csv")).read().split("\n")
check("rows of a table", got["lines"] == 2 and got["rejected"] == 2 and left[0] == "rejected_line,rejected_because,id,name,tier,spend,changed,letter" and
      left[1].startswith("3,") and "did you mean gold?" in left[1] and left[1].endswith(",t2,Bob,golden,1,%d," % T), (got, left))
check("have what is in them", {k: v.string_value for k, v in told(reader.client, "t1").profile.items() if v.string_value} == {"name": "Ava", "tier": "gold"} and
      told(reader.client, "t1").consents[0].granted and not told(reader.client, "t4").consents[0].granted, told(reader.client, "t1"))
with open(path("people_bad.csv")) as f, open(path("people_mended.csv"), "w") as out:
    out.write(f.read().replace("golden", "gold").replace("yesterday", ""))
got = load(one, path("people_mended.csv"), *columns)
check("mended, they can be imported as they are", got["lines"] == 2 and got["rejected"] == 0, got)
got = load(one, table, *columns, "--remove-empty", code=1)
check("read otherwise, it is another import", got["before"] == 0 and got["customers"] == 2, got)

both = write("both_kinds.jsonl", [sig("t1", "t1-e", "purchase", T, amount=3.0), sig("t9", "t9-e", "purchase", T, amount=4.0)])
got = load(one, table, both, *columns, code=1)
g = told(reader.client, "t1")
check("a table and JSON Lines are one import", got["lines"] == 4 and got["rejected"] == 2 and got["customers"] == 3 and g.features["spend_90d"] in ("3", "3.0") and
      g.profile["tier"].string_value == "gold", (got, g))
rc, o, e = tact("import", "--store", one.url, "--policy", POLICY, table)
check("a table without its customers' column", rc == 1 and "people.csv: a table needs --customer-column NAME" in e, e)
rc, o, e = tact("import", "--store", one.url, "--policy", POLICY, table, "--customer-column", "id", "--time-column", "change")
check("a column of times that is not there", rc == 1 and o == "" and e.endswith(
    "people.csv:1: --time-column: the file has no column 'change'; did you mean changed?; allowed: id, name, tier, spend, changed, letter\n"), (o, e))
rc, o, e = tact("import", "--store", one.url, "--policy", POLICY, table, both, *columns, "--rejects", path("kinds_bad"))
check("whose rejected lines go into a file each", rc == 1 and "one after the other" in e, e)

# ---- what is newer stays ----
live = Server(POLICY, store=one.url)
live.client.Upsert(customers.UpsertRequest(customer_id="n1", profile={"name": common.Value(string_value="Newest"), "spend": common.Value()}, consents=[
    customers.Consent(channel="email", purpose="promotional", granted=False)]))
old = {"upsert": {"customer_id": "n1", "as_of_ms": T, "profile": {"name": value("Old"), "spend": value(3.0), "city": value("Yazd")},
                  "consents": [{"channel": "email", "purpose": "promotional", "granted": True}, {"channel": "web", "purpose": "promotional", "granted": True}]}}
load(one, write("old.jsonl", [old, sig("n1", "n1-e", "purchase", T, order="o", category="b", amount=40.0)]))
g = live.client.Get(customers.GetRequest(customer_id="n1"))
check("attributes and consents that were set since, and what was removed", {k: v.string_value for k, v in g.profile.items()} == {"name": "Newest", "city": "Yazd"} and
      {c.channel: c.granted for c in g.consents} == {"email": False, "web": True}, g)
check("the history counts all the same", g.features["spend_90d"] in ("40", "40.0"), g.features)
live.client.Signal(customers.SignalRequest(customer_id="n2", signals=[common.Signal(
    event_id="both", name="purchase", time_ms=NOW - HOUR, properties={"amount": common.Value(number_value=7.0)})]))
load(one, write("both.jsonl", [sig("n2", "both", "purchase", NOW - HOUR, amount=7.0), sig("n2", "other", "purchase", NOW - 2 * HOUR, amount=1.0)]))
g = live.client.Get(customers.GetRequest(customer_id="n2"))
check("an event that the server has seen is not counted again", g.features["spend_90d"] in ("8", "8.0"), g.features)
live.client.Signal(customers.SignalRequest(customer_id="n2", signals=[common.Signal(
    event_id="both", name="purchase", time_ms=NOW - HOUR, properties={"amount": common.Value(number_value=7.0)})]))
check("and the server still knows it", live.client.Get(customers.GetRequest(customer_id="n2")).features["spend_90d"] in ("8", "8.0"))

# ---- a server that writes meanwhile ----
CROWD = 6000 if not LONG else 40000
crowd = write("crowd.jsonl", [x for i in range(CROWD) for _, x in history("w%d" % i, random.Random(i), 10)] +
              [sig("w%d" % i, "w%d-p" % i, "purchase", T, order="o", category="a", amount=1.0) for i in range(CROWD)])
three = Redis("three")
load(three, crowd)
clean = Resp(three).states()
check("a clean run of %d customers" % CROWD, len(clean) == CROWD, len(clean))
Resp(one)("FLUSHALL")
reader.stop()
live.stop()
live = Server(POLICY, store=one.url)
stop, sent, named, failures = threading.Event(), {}, set(), []


def write_live(seed):
    r = random.Random(seed)
    while not stop.is_set():
        i = r.randrange(CROWD)
        n = sent.get((seed, i), 0)
        try:
            live.client.Signal(customers.SignalRequest(customer_id="w%d" % i, signals=[common.Signal(
                event_id="live-%d-%d-%d" % (seed, i, n), name="cart_add", time_ms=NOW - 1000, properties={"price": common.Value(number_value=1.0)})]))
            sent[(seed, i)] = n + 1
            if n == 0 and i % 2:
                live.client.Upsert(customers.UpsertRequest(customer_id="w%d" % i, profile={"name": common.Value(string_value="set meanwhile")}))
                named.add(i)
        except Exception as e:  # noqa: BLE001
            failures.append(e)
            return


writers = [threading.Thread(target=write_live, args=(k,)) for k in range(4)]
for w in writers:
    w.start()
while len(named) < 20 and not failures:  # some before, some meanwhile
    time.sleep(0.01)
got = load(one, crowd)
stop.set()
for w in writers:
    w.join()
counts = {}
for (_, i), n in sent.items():
    counts[i] = counts.get(i, 0) + n
wrong = []
for i, n in counts.items():
    g = live.client.Get(customers.GetRequest(customer_id="w%d" % i))
    want = sum(x["signal"]["signals"][0]["properties"]["price"]["number_value"] for t, x in history("w%d" % i, random.Random(i), 10)
               if "signal" in x and x["signal"]["signals"][0]["name"] == "cart_add" and t > time.time() * 1000 - DAY)
    wrong += [(i, n, g.features["cart_value"])] if abs(float(g.features["cart_value"]) - n - want) > 1e-6 or float(g.features["spend_90d"]) < 1 else []
check("a server that writes meanwhile loses nothing, and neither does the import (%d events to %d customers, %d conflicts)" % (sum(counts.values()), len(counts), got["conflicts"]),
      not wrong and not failures and got["customers"] == CROWD and len(counts) >= 20, (wrong[:3], failures[:1], got))
wrong = [i for i in named if live.client.Get(customers.GetRequest(customer_id="w%d" % i)).profile["name"].string_value != "set meanwhile"]
check("what it set meanwhile stays (%d attributes)" % len(named), not wrong and len(named) >= 20, wrong[:5])
live.stop()

# ---- killed at any point ----
clean_rounds, killed = 0, 0
Resp(three)("FLUSHALL")
start = time.time()
load(three, "--threads", "1", crowd)
whole = time.time() - start
ROUNDS = 3 if not LONG else 30
for _ in range(ROUNDS):
    Resp(three)("FLUSHALL")
    for attempt in range(4):
        p = subprocess.Popen([TACT, "import", "--store", three.url, "--policy", POLICY, "--threads", "1", crowd], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            p.wait(timeout=whole * rnd.uniform(0.3, 1))
        except subprocess.TimeoutExpired:
            p.send_signal(signal.SIGKILL)
            p.wait()
            killed += 1
    load(three, crowd)
    clean_rounds += Resp(three).states() == clean
check("killed %d times and run again, it is one clean run, blob for blob" % killed, clean_rounds == ROUNDS and killed > 0, (clean_rounds, killed))
# at chosen points of the writing: as soon as so many customers are there
Resp(three)("FLUSHALL")
kills = 0
for target in (1, CROWD // 7, CROWD // 3, CROWD // 2, CROWD - 200):
    p = subprocess.Popen([TACT, "import", "--store", three.url, "--policy", POLICY, "--threads", "1", crowd], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    r = Resp(three)
    while p.poll() is None and int(r("DBSIZE")) < target:
        pass
    if p.poll() is None:
        p.send_signal(signal.SIGKILL)
        kills += 1
    p.wait()
got = load(three, crowd)
check("killed in the middle of writing (%d times; %d customers were left)" % (kills, got["customers"]), Resp(three).states() == clean and got["before"] > 0, got)

# ---- a store that is full ----
r = Resp(three)
r("FLUSHALL")
used = int([x for x in r("INFO", "memory").decode().split("\r\n") if x.startswith("used_memory:")][0].split(":")[1])
r("CONFIG", "SET", "maxmemory", used + CROWD * 300)
rc, o, e = tact("import", "--store", three.url, "--policy", POLICY, crowd)
check("a full store stops it, with what Redis says", rc == 1 and "stopped: OOM" in e and "run it again to go on" in e, (rc, o, e))
part = Resp(three).states()
check("customers are whole or not there", 0 < len(part) < CROWD and all(clean[k] == v for k, v in part.items()), len(part))
r("CONFIG", "SET", "maxmemory", 0)
load(three, crowd)
check("with room, it goes on", Resp(three).states() == clean)
r("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
rc, o, e = tact("import", "--store", three.url, "--policy", POLICY, crowd)
check("a Redis that may evict is refused", rc == 1 and "noeviction" in e, e)

# ---- what stands in a customer's place and cannot be read ----
r("CONFIG", "SET", "maxmemory-policy", "noeviction")
r("SET", "tact:{u1}:s", "\x02garbage that is no blob")
r("RPUSH", "tact:{u2}:s", "a list")
got = load(three, write("unreadable.jsonl", [sig("u%d" % i, "u", "purchase", T, amount=1.0) for i in range(4)]), "--rejects", path("unreadable_bad.jsonl"), code=1)
bad = [json.loads(x) for x in open(path("unreadable_bad.jsonl"))]
check("it stays as it is, and the lines are rejected", r("GET", "tact:{u1}:s") == b"\x02garbage that is no blob" and r("LRANGE", "tact:{u2}:s", 0, -1) == [b"a list"] and
      got["customers"] == 2 and [x["rejected_line"] for x in bad] == [2, 3] and all("torn or foreign" in x["rejected_because"] for x in bad), (got, bad))
done()

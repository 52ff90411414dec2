"""Exactly once, on real servers: every signal is sent twice, by two senders that each have an order of their own (within an hour of
the time it happened), in requests and streams of their own making, to two servers of two workers that share one Redis. Servers are
killed, connections to Redis are cut, Redis stands still; what is not acknowledged is sent again until it is. A fifth as many more
are sent by one sender only: what was acknowledged and got lost, nobody makes good. In the end

  every customer  is, on either server and at several instants, what tests/cases/aggregate_oracle.py computes from the raw events,
                  each counted once; and has the latest touch points
  every log       has a record of each request that its server acknowledged, of a stream's too

The clock is the senders' (as_of_ms), and goes by days: ids that are older than an hour are forgotten on the way, windows pass. What
customers.proto asks for in return is kept: nothing is sent a second time later than that. `arrival` below is such a time, not ours.

--long: 100,000 signals; --signals N: so many. TACT_SEED runs a campaign again: events, orders and the plan of what goes wrong.
SPDX-License-Identifier: Apache-2.0"""
import collections
import datetime
import math
import os
import random
import re
import signal
import sys
import threading
import time

from harness import LONG, ROOT, Client, Redis, Server, check, common, customers, done, folder, grpc, log
from log_file import hash64, records
sys.path.insert(0, os.path.join(ROOT, "tests/cases"))
import aggregate_oracle as oracle  # noqa: E402

MINUTE, HOUR, DAY = oracle.MINUTE, oracle.HOUR, oracle.DAY
COUNT = int(sys.argv[sys.argv.index("--signals") + 1]) if "--signals" in sys.argv else 100000 if LONG else 8000
ALL = COUNT + COUNT // 5  # with those that are sent once
SENDS = COUNT + ALL
SEED = int(os.environ.get("TACT_SEED", time.time_ns() % 1000000))
print("seed %d (TACT_SEED runs it again)" % SEED, flush=True)

# A signal arrives from EARLY before (clocks differ) to LATE after it happened, and may wait GROUP for others of its customer. No call
# is made that is more than SLACK ahead of one that is not acknowledged. So nothing that a server is told lies an hour after what it
# was told before of the same event.
EARLY, LATE, GROUP, SLACK, STREAM_SPAN = 4 * MINUTE, 44 * MINUTE, MINUTE, 9 * MINUTE, 2 * MINUTE
assert EARLY + LATE + GROUP + SLACK < HOUR
CALLERS, CALL_SECONDS, GIVE_UP_SECONDS = 12, 60, 120  # callers of a sender
SHORT_SECONDS, GHOST_SECONDS = 0.25, 0.5  # a caller that does not wait for long; until when what it left behind may still be done
KILLS, CUTS, STALLS = (3, 24, 3) if COUNT < 50000 else (40, 300, 24)
AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.DEADLINE_EXCEEDED)

# ---- the policy: some of the oracle's questions ----
ASKED = [
    "count(buy, 1m)", "count(buy, 90m)", "count(buy, 7d)", "count(buy, 400d)", "count(buy.sku, 30d)", "count(seen_page, opened, 7d)",
    "sum(buy.amount, 90m)", "sum(buy.amount, 24h)", "sum(buy.amount, 400d)", "sum(buy.qty, 7d)", "mean(buy.amount, 7d)",
    "min(buy.amount, 24h)", "max(buy.qty, 400d)", "count(buy, 30d, buy.gift)",
    "sum(buy.amount, 30d, buy.channel == \"web\" || buy.qty >= 50)",
    "share(buy.amount, buy.gift, 30d)", "share(buy, !(buy.qty in [1, 2, 3]), 30d)", "last(buy.amount)", "last(buy.sku)", "last(buy.gift)",
    "last(buy.sku, buy.amount > 10.0 && buy.sku != 'aa')", "last_at(seen_page, closed)", "age(buy)", "open(opened.case, closed.case, 7d)",
    "open(opened.case, closed.case, 400d)", "[[opened.case, reopened.case], closed.case] 90d", "distinct(buy.sku, 90m)",
    "distinct(contact.topic, 30d)", "repeats(contact.topic, 30d)", "repeats(buy.gift, 30d)", "decayed(buy.amount, 1h)",
    "decayed(buy.amount, 7d)", "decayed(seen_page, buy, 90d)", "mood(1h)", "mood(7d)", "negative_moments(24h)", "negative_moments(90d)",
    "top(buy.category, 7d)", "affinity(buy.category, 'shoes', 90d)", "hour_affinity(buy, seen_page, 28d)"]
QUESTIONS = [next(q for q in oracle.QUESTIONS if q[0] == text) for text in ASKED]
POLICY = folder("policy")


def feature(i, text):
    if text.startswith("[["):
        paths, window = text.rsplit(" ", 1)
        return "  f%d: {open: %s, window: %s}\n" % (i, paths, window)
    return "  f%d: {expr: '%s'}\n" % (i, text.replace("'", "''"))


with open(os.path.join(POLICY, "policy.yaml"), "w") as out:
    out.write("brand: {name: Once, time_zone: %s, locales: [en]}\nsignals:\n" % oracle.BRAND_ZONE)
    for name, properties in oracle.SIGNALS.items():
        bad = ", negative: \"%s\"" % oracle.NEGATIVE[name] if name in oracle.NEGATIVE else ""
        out.write("  %s: {properties: {%s}%s}\n" % (name, ", ".join("%s: %s" % p for p in properties.items()), bad))
    out.write("channels: {web: {direction: inbound, content: [title]}, phone: {direction: inbound}}\nfeatures:\n")
    out.write("".join(feature(i, text) for i, text in enumerate(ASKED)))
    out.write("journey: {stages: [{id: buyer, enter: \"count(buy, 30d) > 0\"}]}\n"
              "actions: [{id: a, issue: i, group: g, purpose: service, value: 1, treatments: [{channel: web, title: hi}]}]\n")


# ---- the events ----

def value(v):
    if isinstance(v, bool):
        return common.Value(bool_value=v)
    if isinstance(v, int):
        return common.Value(int_value=v)
    return common.Value(number_value=v) if isinstance(v, float) else common.Value(string_value=v)


def finish_event(rng, e, n, customer):
    """The oracle's event as a signal of a customer."""
    e["id"] = "%d%s" % (n, "-" * rng.choice([0, 0, 6, 40, 120]))
    e["hash"], e["customer"] = hash64(e["id"].encode()), customer
    if e.get("amount") == 1e12 and rng.random() < 0.98:
        e["amount"] = 12.34  # beside such a number nothing else is seen in a decayed sum
    properties = {k: value(e[k]) for k in oracle.SIGNALS[e["signal"]] if oracle.has(e, k)}
    e["message"] = common.Signal(event_id=e["id"], name=e["signal"], time_ms=e["time"], channel=e["channel"] or "", properties=properties)
    return e


def make_events(rng):
    """Busy half hours, hours or days apart; a few customers have much, and in one half hour one has nearly all."""
    people = ["c%d" % i for i in range(COUNT // 50 + 1)]
    weights = [1 / (i + 1) ** 0.7 for i in range(len(people))]
    peaks, at, events, taken = max(6, ALL // 2500), oracle.START, [], set()
    for peak in range(peaks):
        at += rng.choice([HOUR, 3 * HOUR, 12 * HOUR, DAY, 2 * DAY])
        crowd = rng.choices(people, weights, k=ALL * (peak + 1) // peaks - ALL * peak // peaks)
        if peak == 2:
            crowd[:len(crowd) * 3 // 4] = ["busy"] * (len(crowd) * 3 // 4)
        for customer in crowd:
            events.append(finish_event(rng, oracle.make_event(rng, at, 30 * MINUTE, taken, False), len(events), customer))
    for n, e in enumerate(rng.sample(events, len(events))):
        e["by"] = n % 2 if n < ALL - COUNT else None
    return events


class Request:
    def __init__(self, at, event):
        self.first = self.at = at  # arrival
        self.customer, self.events = event["customer"], [event]

    def encode(self, as_of):
        return customers.SignalRequest(customer_id=self.customer, as_of_ms=max(self.at, as_of),
                                       signals=[e["message"] for e in self.events]).SerializeToString()


def make_calls(rng, events, sender):
    """One sender's calls, each a list of requests: one alone, or a stream."""
    requests, latest = [], {}
    for at, n in sorted((e["time"] + rng.randint(-EARLY, LATE), n) for n, e in enumerate(events) if e["by"] in (sender, None)):
        with_others = latest.get(events[n]["customer"])
        if with_others and at - with_others.first <= GROUP and len(with_others.events) < 200 and rng.random() < 0.7:
            with_others.events.append(events[n])
            with_others.at = at
        else:
            latest[events[n]["customer"]] = Request(at, events[n])
            requests.append(latest[events[n]["customer"]])
    for r in requests:
        rng.shuffle(r.events)
    requests.sort(key=lambda r: r.at)
    calls, at = [], 0
    while at < len(requests):
        end, most = at + 1, 1 if rng.random() < 0.97 else rng.randint(2, 150)
        while end < min(at + most, len(requests)) and requests[end].at - requests[at].at <= STREAM_SPAN:
            end += 1
        calls.append(requests[at:end])
        at = end
    return calls


class Frontier:
    """Hands out both senders' calls, each sender's in order, none too far ahead of one that is not over."""

    def __init__(self, senders):
        self.cond, self.senders, self.next = threading.Condition(), senders, [0] * len(senders)
        self.flying, self.latest, self.stopped = {}, 0, False

    def _floor(self):
        waiting = [calls[n][0].at for calls, n in zip(self.senders, self.next) if n < len(calls)]
        return min(list(self.flying.values()) + waiting)

    def take(self, sender):
        """None: there are no more."""
        calls = self.senders[sender]
        with self.cond:
            while self.next[sender] < len(calls) and not self.stopped:
                call = calls[self.next[sender]]
                if call[-1].at <= self._floor() + SLACK:
                    self.next[sender] += 1
                    self.flying[id(call)] = call[0].at
                    self.latest = max(self.latest, call[-1].at)
                    return call
                self.cond.wait()
        return None

    def over(self, call):
        with self.cond:
            del self.flying[id(call)]
            self.cond.notify_all()

    def stop(self):
        with self.cond:
            self.stopped = True
            self.cond.notify_all()


# ---- sending ----

class Target:
    """A server that may be killed and come back, and a few channels to it, so that both workers are met."""

    def __init__(self, name):
        self.name, self.data, self.said, self.clients = name, folder("data-" + name), collections.Counter(), []
        self.start()

    def start(self):
        self.server = Server(POLICY, store=redis.url, data=self.data, extra=["--name", self.name, "--workers", "2", "--allow-as-of"])
        clients = [Client(self.server.address) for _ in range(4)]
        self.clients += clients
        self.unary = [c.channel.unary_unary("/tact.v1.Customers/Signal") for c in clients]
        self.stream = [c.channel.stream_unary("/tact.v1.Customers/SignalStream") for c in clients]

    def stop(self):
        for c in self.clients:
            c.close()
        return self.server.stop()


lock, tally, wrong = threading.Lock(), collections.Counter(), []


def try_once(rng, target, requests, alone, as_of):
    """How many of them, from the first on, are acknowledged now."""
    messages = [r.encode(as_of) for r in requests]
    acknowledged, applied, repeats = 0, 0, 0
    try:
        if alone:
            seconds = SHORT_SECONDS if rng.random() < 0.2 else CALL_SECONDS
            r = customers.SignalResponse.FromString(rng.choice(target.unary)(messages[0], timeout=seconds))
            rejected = len(r.rejected)
        else:
            r = customers.SignalStreamResponse.FromString(rng.choice(target.stream)(iter(messages), timeout=CALL_SECONDS))
            rejected = r.rejected_count or r.requests != len(messages)
        acknowledged, applied, repeats = len(requests), r.applied, r.repeats
        if rejected or applied + repeats != sum(len(r.events) for r in requests):
            wrong.append("an answer does not count what was sent: %s" % str(r)[:300])
    except grpc.RpcError as e:
        found = re.search(r"; acknowledged: (\d+) requests(.*)", e.details() or "")
        acknowledged = int(found.group(1)) if found else 0
        if e.code() not in AGAIN or (found and found.group(2)):
            wrong.append("%s: %s" % (e.code(), e.details()))
        with lock:
            tally[e.code().name] += 1
            tally["partly"] += acknowledged > 0
        if e.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
            time.sleep(GHOST_SECONDS)
    with lock:
        target.said.update(messages[:acknowledged])
        tally["sent"] += sum(len(r.events) for r in requests)
        tally["acknowledged"] += sum(len(r.events) for r in requests[:acknowledged])
        tally["applied"] += applied
        tally["stream" if not alone else "unary"] += 1
    return acknowledged


def guarded(f, *args):
    """A thread that fails ends the campaign."""
    try:
        f(*args)
    except Exception as e:
        wrong.append("%s: %r" % (f.__name__, e))
        frontier.stop()


def send_all(sender, rng):
    while (call := frontier.take(sender)) is not None:
        rest, as_of, alone, began = call, 0, len(call) == 1, time.time()
        while rest and not wrong:
            rest = rest[try_once(rng, rng.choice(targets), rest, alone, as_of):]
            if rest:
                as_of = frontier.latest  # sent again: it arrives when the others do
                time.sleep(rng.uniform(0.001, 0.02))
            if rest and time.time() - began > GIVE_UP_SECONDS:
                wrong.append("not acknowledged for %d s: customer %s" % (GIVE_UP_SECONDS, rest[0].customer))
        frontier.over(call)
        if wrong:
            frontier.stop()


# ---- what goes wrong ----

def count_stats(target):
    stats = target.server.stats()
    for name in ("conflicts", "uncertain", "folded"):
        tally[name] += int(stats[name])


def kill_and_restart(rng):
    target = rng.choice(targets)
    if target.server.p.poll() is not None:
        wrong.append("server %s ended by itself: %s" % (target.name, target.server.lines[-5:]))
    count_stats(target)
    time.sleep(rng.uniform(0, 0.02))
    target.server.kill()
    time.sleep(rng.uniform(0, 0.2))
    target.start()
    tally["kills"] += 1


def cut(rng):
    """One connection to Redis, or those that hear of changes, or all the others."""
    how = rng.random()
    if how < 0.5:
        ids = re.findall(r"^id=(\d+) (?!.*cmd=client)", redis.command("CLIENT", "LIST"), re.M)
        answer = redis.command("CLIENT", "KILL", "ID", rng.choice(ids)) if ids else ":0"
    elif how < 0.8:
        answer = redis.command("CLIENT", "KILL", "TYPE", "pubsub")
    else:
        answer = redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    tally["cuts"] += int(answer[1:])


def stall(rng):
    """Every third time so long that no write waits for its answer."""
    os.kill(redis.p.pid, signal.SIGSTOP)
    try:
        time.sleep(rng.uniform(0.1, 0.3) if tally["stalls"] % 3 else 0.7)
    finally:
        os.kill(redis.p.pid, signal.SIGCONT)
    tally["stalls"] += 1


def misfortunes(rng, kinds):
    """(function, times) …, each at a random point of the way, one after the other."""
    plan = [(rng.uniform(0.02, 0.98) * SENDS, f) for f, times in kinds for _ in range(times)]
    for at, f in sorted(plan, key=lambda p: p[0]):
        while tally["acknowledged"] < at and not wrong:
            time.sleep(0.002)
        if not wrong:
            f(rng)


# ---- what must have come of it ----

def milliseconds(text):
    """Of a duration or a time, as Get writes them."""
    if text == "never":
        return oracle.DURATION_MAX
    if text.endswith("Z"):
        at = datetime.datetime.fromisoformat(text[:-1]).replace(tzinfo=datetime.timezone.utc)
        return (at - datetime.datetime.fromtimestamp(0, datetime.timezone.utc)) // datetime.timedelta(milliseconds=1)
    units = {"d": DAY, "h": HOUR, "m": MINUTE, "s": 1000, "ms": 1}
    return sum(int(n) * units[unit] for n, unit in re.findall(r"(\d+)(ms|[dhms])", text)) * (-1 if text[0] == "-" else 1)


def agrees(question, got, events, now):
    """Whether it is as it should be (None: not exact by its own contract, and near enough), and what that is."""
    text, compare, function = question
    keys = re.fullmatch(r"(?:distinct|repeats)\(.*, (\w+)\)", text)
    if keys:  # what is out of sight makes no cell too many
        window = {"90m": 90 * MINUTE, "30d": 30 * DAY}[keys.group(1)]
        events = oracle.windowed(events, window, now)
    want = function(events, now, "-")
    if want == "skip":
        return None, want
    size = 1.0
    if isinstance(want, tuple) and want[0] == "below":
        return None if 0 < int(got) <= want[1] else False, want
    if isinstance(want, tuple):
        want, size = want
    if want is None or isinstance(want, bool):
        good = got == {None: "unknown", True: "true", False: "false"}[want]
    elif got == "unknown" or isinstance(want, str):
        good = got == want
    elif compare == "near" or compare == "for -":
        good = math.isclose(float(got), want, rel_tol=0, abs_tol=1e-9 * max(1.0, size))
    elif text.startswith(("age(", "last_at(")):
        good = milliseconds(got) == want
    else:
        good = (float(got) if isinstance(want, float) else int(got)) == want
    return good, want


def touches_agree(got, events):
    """The latest 16, by the second; of those within one second any."""
    want = sorted({(e["time"] // 1000, "signal." + e["signal"], e["channel"] or "") for e in events}, reverse=True)
    have = {(t.time_ms // 1000, t.name, t.channel) for t in got}
    last = want[min(len(want), 16) - 1][0]
    return len(have) == len(got) == min(len(want), 16) and have <= set(want) and {t for t in want if t[0] > last} <= have


def get(which, customer, now):
    end = time.time() + 20
    while True:
        try:
            return targets[which].server.client.Get(customers.GetRequest(customer_id=customer, as_of_ms=now))
        except grpc.RpcError:
            if time.time() > end:
                raise
            time.sleep(0.02)


def compare_all(events, now):
    """Values compared, of those not exactly, and what differs."""
    people, compared, loose, differ = collections.defaultdict(list), 0, 0, []
    for e in events:
        people[e["customer"]].append(e)
    for n, (customer, mine) in enumerate(people.items()):
        for k, ahead in enumerate((0, 5 * HOUR, 9 * DAY)):
            r = get((n + k) % 2, customer, now + ahead)
            for i, question in enumerate(QUESTIONS):
                good, want = agrees(question, r.features["f%d" % i], mine, now + ahead)
                compared += 1
                loose += good is None
                if good is False:
                    differ.append("customer %s (%d events) at %d on %s: %s is %s, should be %s" % (
                        customer, len(mine), now + ahead, targets[(n + k) % 2].name, question[0], r.features["f%d" % i], want))
            if r.counts_since_ms or not touches_agree(r.journey.touches, mine):
                differ.append("customer %s: since %s, touches %s" % (customer, dict(r.counts_since_ms), r.journey.touches))
    return compared, loose, differ


def missing_in_log(target):
    """Requests that were acknowledged more often than the log has them."""
    has = collections.Counter()
    for record in records(os.path.join(target.data, "log")):
        m = log.LogRecord.FromString(record)
        if m.WhichOneof("record") == "signal":
            has[m.signal.request] += 1
    return [customers.SignalRequest.FromString(m) for m in target.said if has[m] < target.said[m]]


began = time.time()
rng = random.Random(SEED)
events = make_events(rng)
frontier = Frontier([make_calls(rng, events, sender) for sender in range(2)])
redis = Redis()
targets = [Target("a"), Target("b")]
started = time.time()
threads = [threading.Thread(target=guarded, args=(send_all, n % 2, random.Random(rng.random()))) for n in range(2 * CALLERS)]
threads += [threading.Thread(target=guarded, args=(misfortunes, random.Random(rng.random()), kinds)) for kinds in
            ([(kill_and_restart, KILLS)], [(cut, CUTS), (stall, STALLS)])]
for t in threads:
    t.start()
for t in threads:
    t.join()
sent = time.time() - started
check("all is acknowledged, and nothing else is answered than what customers.proto says", not wrong and tally["acknowledged"] == SENDS,
      wrong[:3])
check("there was misfortune enough", tally["kills"] == KILLS and tally["stalls"] == STALLS and tally["cuts"] >= CUTS / 2 and
      tally["sent"] > SENDS, dict(tally))
now = max(frontier.latest, max(e["time"] for e in events)) + MINUTE
compared, loose, differ = compare_all(events, now)
check("%d values of %d customers are the oracle's" % (compared, len({e["customer"] for e in events})), not differ,
      "\n  ".join(["seed %d, %d differ" % (SEED, len(differ))] + differ[:8]))
check("all but few of them exactly", loose < compared * 0.02, (loose, compared))
for t in targets:
    count_stats(t)
check("the servers met at customers, and some writes had no answer", tally["conflicts"] > 0 and tally["uncertain"] > 0, dict(tally))
check("the servers stop in order", [t.stop() for t in targets] == [0, 0])
lacking = [(t.name, m) for t in targets for m in missing_in_log(t)]
check("each log has what its server acknowledged: %d requests" % sum(sum(t.said.values()) for t in targets), not lacking, lacking[:3])
print("test=exactly_once seed=%d signals=%d sent_once=%d %s resends=%d failed=%s sending_s=%.1f seconds=%.1f" % (
    SEED, COUNT, ALL - COUNT, " ".join("%s=%d" % (k, tally[k]) for k in (
        "sent", "acknowledged", "applied", "unary", "stream", "partly", "kills", "cuts", "stalls", "conflicts", "uncertain", "folded")),
    tally["sent"] - SENDS, ",".join("%s:%d" % (c.name, tally[c.name]) for c in AGAIN), sent, time.time() - began))
done()

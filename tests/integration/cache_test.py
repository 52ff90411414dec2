"""Two servers with near caches on one real Redis: what a server acknowledged its next decision sees, in any mode and on any
connection; another server's sees it at once with FRESH and RESERVE, and with PEEK once Redis's word has come (how long that takes is
printed). Then everything that can go wrong with that word: its connection is killed, Redis is flushed, filled to maxmemory, killed
and started again; and a decision never says CURRENT of what was replaced. --long: 50,000 pairs.
SPDX-License-Identifier: Apache-2.0"""
import os
import random
import shutil
import threading
import time

from harness import LONG, WORK, Client, Redis, Server, check, common, customers, decisions, done, folder, grpc

POLICY = folder("policy")
open(os.path.join(POLICY, "policy.yaml"), "w").write("""
brand: {name: Test, time_zone: UTC, locales: [en]}
signals: {cart_add: {properties: {price: number}}}
features: {cart_adds: {count: cart_add, window: 24h}}
channels:
  web: {direction: inbound}
  email: {direction: outbound, confirm_within: 1s}
actions:
  - {id: offer, issue: i, group: g, purpose: service, value: 1.0,
     treatments: [{channel: web, title: "{{cart_adds}}"}, {channel: email, subject: "{{cart_adds}}"}]}
""")
PAIRS = 50000 if LONG else 4000
SEED = int(os.environ.get("TACT_SEED", time.time_ns() % 1000000))
print("seed %d (TACT_SEED runs it again)" % SEED)

redis = Redis("redis", ["--appendfsync", "always"])
servers = [Server(POLICY, store=redis.url, extra=["--name", "a", "--log-batched", "--workers", "2"]),
           Server(POLICY, store=redis.url, extra=["--name", "b", "--log-batched", "--workers", "2"])]
# Several connections each, so that both workers of a server are met.
clients = [[Client(s.address) for _ in range(3)] for s in servers]
wrote = {}  # customer -> signals acknowledged
numbers = iter(range(1 << 60))
lock = threading.Lock()


def signal(rng, server, customer):
    with lock:
        n = next(numbers)
    client = rng.choice(clients[server])
    r = client.Signal(customers.SignalRequest(customer_id=customer, signals=[common.Signal(event_id="e%d" % n, name="cart_add")]))
    assert r.applied == 1
    wrote[customer] = wrote.get(customer, 0) + 1


def seen(rng, server, customer, mode="PEEK", channel="web"):
    """How many signals a decision saw, and its tier."""
    request = decisions.DecideRequest(customer_id=customer, channel=channel, mode=mode)
    if mode == "RESERVE":
        request.request_id = "r%d" % rng.getrandbits(60)
    d = rng.choice(clients[server]).Decide(request).decision
    return int((d.choices[0].content.get("title") or d.choices[0].content["subject"]) if d.choices else -1), d.state_tier


# ---- pairs of a write and a decision ----
wrong, staleness = [], []


def pairs(which, count):
    rng = random.Random(SEED * 100 + which)
    mine = ["p%d-%d" % (which, i) for i in range(20)]
    for i in range(count):
        customer, here = rng.choice(mine), rng.randrange(2)
        for s in (0, 1):
            if rng.random() < 0.5:
                seen(rng, s, customer)  # so that it is cached there
        signal(rng, here, customer)
        at = time.perf_counter()
        mode = rng.choice(["PEEK", "PEEK", "FRESH", "RESERVE"])
        n, tier = seen(rng, here, customer, mode, "email" if mode == "RESERVE" else "web")
        if n != wrote[customer] or tier != decisions.CURRENT:
            wrong.append("same server, %s: saw %d of %d" % (mode, n, wrote[customer]))
        mode = rng.choice(["FRESH", "RESERVE", "PEEK", "PEEK"])
        if mode != "PEEK":
            n, _ = seen(rng, 1 - here, customer, mode, "email" if mode == "RESERVE" else "web")
            if n != wrote[customer]:
                wrong.append("other server, %s: saw %d of %d" % (mode, n, wrote[customer]))
            continue
        at = time.perf_counter()
        while seen(rng, 1 - here, customer)[0] != wrote[customer]:
            if time.perf_counter() - at > 2:
                wrong.append("other server, PEEK: old for 2 s")
                break
        staleness.append(time.perf_counter() - at)


threads = [threading.Thread(target=pairs, args=(w, PAIRS // 4)) for w in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
check("%d writes, each seen by the next decision: same server in any mode, the other with FRESH and RESERVE" % PAIRS, not wrong,
      wrong[:3])
staleness.sort()
print("PEEK on the other server, from the acknowledgement to a decision that sees it: p50 %.2f ms, p99 %.2f ms, of %d"
      % (staleness[len(staleness) // 2] * 1e3, staleness[len(staleness) * 99 // 100] * 1e3, len(staleness)))
stats = [s.stats() for s in servers]
check("the caches were used", all(s["cache_hits"] > PAIRS / 8 for s in stats), stats)
check("and told of changes", all(s["cache_changes"] > PAIRS / 50 for s in stats), stats)

# ---- what goes wrong ----
rng = random.Random(SEED)


def until(condition, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        try:
            if condition():
                return True
        except grpc.RpcError:
            pass
        time.sleep(0.01)
    return False


def is_current(server, customer, n):
    return seen(rng, server, customer) == (n, decisions.CURRENT)


signal(rng, 0, "c")
check("cached on both", all(is_current(s, "c", 1) for s in (0, 1)))
old = []
for n in range(2, 200):
    if n % 7 == 0:
        redis.command("CLIENT", "KILL", "TYPE", "pubsub")
    if n % 31 == 0:
        redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    until(lambda: signal(rng, 0, "c") is None)
    n = wrote["c"]
    at = time.time()
    if not until(lambda: is_current(1, "c", n), 5):
        old.append(seen(rng, 1, "c"))
    if time.time() - at > 1:
        old.append("it took %.1f s" % (time.time() - at))
    if not until(lambda: is_current(0, "c", n), 0.5):
        old.append("not even on the same server")
check("the tracking connection and the others are killed again and again: nothing old stays", not old, old[:3])

# A change while nobody can tell of it: the caches must not believe what they had.
for s in (0, 1):
    seen(rng, s, "c")
redis.command("CLIENT", "KILL", "TYPE", "pubsub")
signal(rng, 0, "c")
time.sleep(0.3)
check("a change during the loss is seen after it", is_current(1, "c", wrote["c"]))

redis.command("CONFIG", "SET", "maxmemory", "1")
full = []
for i in range(50):
    try:
        signal(rng, i % 2, "c")
        full.append("a signal was acknowledged")
    except grpc.RpcError as e:
        if e.code() != grpc.StatusCode.UNAVAILABLE:
            full.append(str(e.code()))
    for s in (0, 1):
        if seen(rng, s, "c")[0] != wrote["c"]:
            full.append("saw another number")
redis.command("CONFIG", "SET", "maxmemory", "0")
check("full to maxmemory: no signal is acknowledged, none is seen", not full, full[:3])
check("with room again it goes on", until(lambda: signal(rng, 0, "c") is None) and until(lambda: is_current(1, "c", wrote["c"])))

# Killed and started again: what was acknowledged is there, and nobody calls an old state current.
redis.kill()
check("while Redis is down: what was known, and it says so", until(lambda: seen(rng, 0, "c")[1] == decisions.UNVERIFIED))
numbers_seen = {seen(rng, 0, "c") for _ in range(50)}  # a worker that has not met the customer is fail-safe
check("and no other number", numbers_seen <= {(wrote["c"], decisions.UNVERIFIED), (-1, decisions.FAIL_SAFE)}, numbers_seen)
os.unlink(redis.socket)
redis = Redis("redis", ["--appendfsync", "always"])
check("back again: current", until(lambda: is_current(0, "c", wrote["c"]) and is_current(1, "c", wrote["c"])))
until(lambda: signal(rng, 1, "c") is None)
check("and told of changes again", until(lambda: is_current(0, "c", wrote["c"]), 2))

# Replaced by an older copy while it was down (a restored backup): the caches do not insist on what they knew.
redis.kill()
backup = os.path.join(WORK, "backup")
shutil.copytree(os.path.join(redis.folder, "appendonlydir"), backup)
os.unlink(redis.socket)
redis = Redis("redis", ["--appendfsync", "always"])
check("up", until(lambda: is_current(0, "c", wrote["c"])))
before = wrote["c"]
until(lambda: signal(rng, 0, "c") is None)
check("one more", until(lambda: is_current(1, "c", before + 1)))
redis.kill()
shutil.rmtree(os.path.join(redis.folder, "appendonlydir"))
shutil.copytree(backup, os.path.join(redis.folder, "appendonlydir"))
os.unlink(redis.socket)
redis = Redis("redis", ["--appendfsync", "always"])
check("a restored backup is what counts", until(lambda: is_current(0, "c", before) and is_current(1, "c", before)))

# Flushed: the customer is new for everybody (and soon nothing is decided: the names went too).
redis.command("FLUSHALL")
time.sleep(0.2)


def nothing_old(server):
    try:
        return seen(rng, server, "c")[0] <= 0
    except grpc.RpcError as e:
        return e.code() == grpc.StatusCode.UNAVAILABLE


check("flushed: nobody is remembered", nothing_old(0) and nothing_old(1))
check("stops in order", servers[0].stop() == 0 and servers[1].stop() == 0)
done()

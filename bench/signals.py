"""Signals of distinct customers, one a call, 32 in flight over 8 connections, beside redis-benchmark on the bare compare-and-set
script with as large a value, as many in flight, on the same Redis with the same append-only setting, in turn. Everything runs on all
cores: `tact serve`, Redis and the load share them as they would on such a machine.

A signal here is applied and acknowledged as in production: read (or found in the near cache), applied, written by compare-and-set, in
the log, synced. `--log-batched` answers before the log is on disk, as Redis with everysec does: that is the same promise, and its
ratio the one to look at. Synced, nothing is answered before a disk has it, so the same script on a Redis that does the same
(appendfsync always) stands beside it too: always_rate. cold: nobody was met before, so each call reads its customer first; warm: all
of them are in the near cache.

SPDX-License-Identifier: Apache-2.0"""
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import workload

BUILD = os.path.abspath(sys.argv[1])
QUICK = "--quick" in sys.argv
CUSTOMERS, ROUNDS = (4000, 1) if QUICK else (100000, 5)
CONNECTIONS, STREAMS = 8, 4
POLICY = os.path.join(workload.ROOT, "tools/examples/retail")
CAS = """if redis.call('GETRANGE', KEYS[1], 1, 8) ~= ARGV[1] then return {1, redis.call('GET', KEYS[1])} end
redis.call('SET', KEYS[1], ARGV[2])
return {0}"""
HOUR = 3600 * 1000


class Redis:
    def __init__(self, work, fsync):
        work = os.path.join(work, fsync)
        os.mkdir(work)
        self.socket = os.path.join(work, "r.sock")
        binary = shutil.which("redis-server") or shutil.which("valkey-server")
        self.process = subprocess.Popen([binary, "--port", "0", "--unixsocket", self.socket, "--dir", work, "--save", "", "--appendonly",
                                         "yes", "--appendfsync", fsync, "--maxmemory-policy", "noeviction"],
                                        preexec_fn=workload.end_with_parent, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not os.path.exists(self.socket) and time.monotonic() < end:
            time.sleep(0.01)
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(self.socket)
        self.answers = self.connection.makefile("rb")

    def __call__(self, *words):
        encoded = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.connection.sendall(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded))
        line = self.answers.readline()[:-2]
        if line[:1] == b"-":
            raise SystemExit("redis: " + line.decode())
        if line[:1] == b"$" and line != b"$-1":
            return self.answers.read(int(line[1:]) + 2)[:-2]
        return int(line[1:]) if line[:1] == b":" else line[1:]


def signal(name, event, time_ms, **properties):
    kinds = {str: "string_value", float: "number_value", int: "int_value", bool: "bool_value"}
    return {"event_id": event, "name": name, "time_ms": str(time_ms),
            "properties": {k: {kinds[type(v)]: v} for k, v in properties.items()}}


CATEGORIES = ["fashion", "electronics", "home", "beauty"]
ONCE = [("search", dict(query="shoes", category="fashion", results=12)), ("cart_remove", dict(sku="s1", category="home", price=9.0)),
        ("form_abandoned", dict(form="address", step=2)), ("payment_failed", dict(order="o2", reason="card")),
        ("order_delayed", dict(order="o1", days=2)), ("order_delivered", dict(order="o1")),
        ("item_returned", dict(sku="s2", category="fashion", reason="size", amount=30.0)), ("store_near", dict(lat=35.7, lon=51.4)),
        ("loyalty_changed", dict(points=420, tier="silver")), ("support_contact", dict(case="k1", topic="delivery", sentiment=-0.2)),
        ("support_resolved", dict(case="k1", csat=4.0)), ("help_viewed", dict(topic="returns")), ("call_missed", dict(topic="delivery")),
        ("chat_ended", dict(resolved=True, escalated=False, sentiment=0.3)), ("message_received", dict(topic="sizes", sentiment=0.1)),
        ("device_fault", dict(device="d1", code="E4")), ("survey", dict(kind="nps", score=8.0)),
        ("review", dict(sku="s1", category="fashion", stars=4, sentiment=0.6)), ("social_comment", dict(reach=120, sentiment=0.2))]


def history(customer, now):
    """About the retail policy's typical customer (bench/state.c)."""
    signals = [signal("page_view", "v%d" % i, now - (i * 37 + 3) * HOUR, category=CATEGORIES[i % 4]) for i in range(18)]
    for i in range(3):
        signals.append(signal("cart_add", "a%d" % i, now - (i * 50 + 2) * HOUR, category=CATEGORIES[i], sku="s%d" % i, price=20.0 + i))
        signals.append(signal("purchase", "p%d" % i, now - (i * 200 + 30) * HOUR, order="o%d" % i, category=CATEGORIES[i], amount=40.0 + i,
                              reward=i == 1))
    signals += [signal(name, "o%d" % i, now - (i * 29 + 5) * HOUR, **properties) for i, (name, properties) in enumerate(ONCE)]
    return {"signal": {"customer_id": customer, "signals": signals}}


def profile(customer, now):
    consents = [{"channel": c, "purpose": "promotional", "granted": True, "time_ms": str(now - 1000 * HOUR), "source": "sign-up form"}
                for c in ("email", "sms")]
    return {"upsert": {"customer_id": customer, "profile": {"first_name": {"string_value": "Maryam"},
                                                            "time_zone": {"string_value": "Asia/Tehran"}}, "consents": consents}}


def write_calls(path, calls):
    with open(path, "w") as f:
        for call in calls:
            f.write(json.dumps(call) + "\n")


def blast(address, path):
    p = subprocess.run([os.path.join(BUILD, "bench_blast"), "--server", address, "--connections", str(CONNECTIONS), "--streams",
                        str(STREAMS), "--calls", path, "--once"], stdout=subprocess.PIPE, text=True, preexec_fn=workload.end_with_parent)
    if p.returncode != 0:
        raise SystemExit("bench_blast failed")
    return workload.words(p.stdout)


class Server:
    def __init__(self, work, redis, extra):
        self.out = os.path.join(work, "serve-%d.out" % time.monotonic_ns())
        self.process = subprocess.Popen([os.path.join(BUILD, "tact"), "serve", "--policy", POLICY, "--store", "unix://" + redis.socket,
                                         "--listen", "127.0.0.1:0", "--data", os.path.join(work, "data"), "--name", "bench", "--cache-mb",
                                         "1024"] + extra, stdout=open(self.out, "w"), stderr=subprocess.DEVNULL, preexec_fn=workload.end_with_parent)
        self.address = workload.wait_line(self.out, "listening ", self.process).split()[1]
        workload.wait_line(self.out, "ready ", self.process)

    def stop(self):
        workload.stop(self.process)
        with open(self.out) as f:
            return workload.words([line for line in f if line.startswith("stats ")][-1])


def reference(redis, value):
    redis("EVAL", "for i = 0, %d do redis.call('SET', string.format('ref:{%%012d}:s', i), ARGV[1]) end" % (CUSTOMERS - 1), 0, value)
    sha = redis("SCRIPT", "LOAD", CAS).decode()
    out = subprocess.run(["redis-benchmark", "-s", redis.socket, "-c", str(CONNECTIONS), "-P", str(STREAMS), "-n", str(CUSTOMERS * 2), "-r",
                          str(CUSTOMERS), "--csv", "EVALSHA", sha, "1", "ref:{__rand_int__}:s", value[1:9], value],
                         stdout=subprocess.PIPE, text=True, check=True, preexec_fn=workload.end_with_parent).stdout
    return float(out.strip().splitlines()[-1].split('","')[1].strip('"'))


def run(work):
    redis, always = Redis(work, "everysec"), Redis(work, "always")
    rounds = iter(range(1000))
    now = int(time.time() * 1000)
    ids = ["c%07d" % i for i in range(CUSTOMERS)]
    past = os.path.join(work, "past.jsonl")
    write_calls(past, (call(c, now) for c in ids for call in (profile, history)))
    server = Server(work, redis, ["--log-batched"])
    blast(server.address, past)
    server.stop()
    size = round(statistics.mean(redis("STRLEN", "tact:{%s}:s" % c) for c in ids[:200]))
    if size < 900:
        raise SystemExit("bench/signals: the history was not taken: a state has %d bytes" % size)
    value = "2" + "V" * 8 + "x" * (size - 9)
    rates, reference_rates, always_rates, failed, cpu = {}, [], [], 0, {}
    variants = [("synced", []), ("batched", ["--log-batched"])]
    for _ in range(ROUNDS):
        reference_rates.append(reference(redis, value))
        always_rates.append(reference(always, value))
        for name, extra in variants:
            server = Server(work, redis, extra)
            for temperature in ("cold", "warm"):
                n = next(rounds)
                path = os.path.join(work, "now.jsonl")
                write_calls(path, ({"signal": {"customer_id": c, "signals": [
                    signal("cart_add", "n%d" % n, int(time.time() * 1000), category="home", sku="n", price=9.0)]}} for c in ids))
                r = blast(server.address, path)
                failed += int(r["failed"])
                rates.setdefault((name, temperature), []).append(r["ok"] / r["seconds"])
            cpu.setdefault(name, []).append(server.stop()["cpu_s"] * 1e6 / (2 * CUSTOMERS))
    theirs, synced = statistics.median(reference_rates), statistics.median(always_rates)
    for (name, temperature), r in rates.items():
        print("bench=signals log=%s cache=%s customers=%d in_flight=%d state_bytes=%d rate=%.0f failed=%d cpu_us=%.1f reference=redis_cas "
              "reference_rate=%.0f ratio=%.3f" % (name, temperature, CUSTOMERS, CONNECTIONS * STREAMS, size, statistics.median(r), failed,
                                                  statistics.median(cpu[name]), theirs, statistics.median(r) / theirs) +
              (" always_rate=%.0f always_ratio=%.3f" % (synced, statistics.median(r) / synced) if name == "synced" else ""), flush=True)
    workload.stop(redis.process)
    workload.stop(always.process)


workload.interruptible()
if not shutil.which("redis-benchmark"):
    print("bench=signals skipped=no_redis-benchmark")
    sys.exit(0)
WORK = tempfile.mkdtemp(prefix="tact-bench-")
try:
    run(WORK)
finally:
    shutil.rmtree(WORK, ignore_errors=True)

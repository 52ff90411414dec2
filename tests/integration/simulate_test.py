"""Simulated people drive a real server: 100 customers for 10 days, against a fresh server each time. The same seed gives the same
rows and summary, whatever the number of lanes, and the same as decisions in process, every byte of every decision; also when the
server is killed in the middle and calls are made again. Nobody with an open case gets a promotion.
SPDX-License-Identifier: Apache-2.0"""
import csv
import json
import os
import subprocess
import time

from harness import ROOT, TACT, WORK, Process, Redis, Server, check, customers, done, folder

POLICY = os.path.join(ROOT, "tools/examples/retail")
PEOPLE, DAYS = 100, 10
VOLATILE = ("errors", "days_per_s")


def tact(*args, expect=0):
    p = subprocess.run([TACT, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
    if p.returncode != expect:
        raise AssertionError("%s: exit %d\n%s%s" % (args, p.returncode, p.stdout, p.stderr))
    return p.stdout if expect == 0 else p.stderr


def simulate(name, *args):
    """The rows as bytes and the summary of a run."""
    out = os.path.join(WORK, name + ".csv")
    summary = json.loads(tact("simulate", "--policy", POLICY, "--customers", str(PEOPLE), "--days", str(DAYS), "--seed", "7",
                              "--out", out, "--json", *args))
    return open(out, "rb").read(), summary


def steady(summary):
    return {k: v for k, v in summary.items() if k not in VOLATILE}


def serve(name, *extra):
    return Server(POLICY, data=folder(name), extra=["--allow-as-of", *extra])


# ---- by a model ----
history, bundle = os.path.join(WORK, "history.csv"), os.path.join(WORK, "bundle")
tact("simulate", "--policy", POLICY, "--customers", "500", "--days", "30", "--seed", "1", "--out", history)
tact("train", "--csv", history, "--config", os.path.join(POLICY, "training/train.yaml"), "--policy", POLICY, "--out", bundle)

server = serve("model", "--model", bundle)
remote, told = simulate("remote", "--server", server.address)
print("   ", json.dumps(told))
local, told_local = simulate("local", "--model", bundle)
check("a server and the library decide alike, byte for byte", remote == local and steady(told) == steady(told_local),
      (len(remote), len(local), told, told_local))
rows = list(csv.DictReader(remote.decode().splitlines()))
check("a row a decision", len(rows) == told["decisions"] > 300, len(rows))
check("decided by the model", len({r["propensity"] for r in rows}) > 50)
check("some shown, some silent, for several causes", told["shown"] > 100 and len(told["silent"]) >= 3 and
      told["shown"] + sum(told["silent"].values()) == told["decisions"], told)
check("no promotion while a case is open", told["negative_contacts"] == 0 and told["silent"]["suppression_rule"] > 0, told)
check("responses and conversions were recorded", told["responses"] > 20 and told["conversions"] > 5, told)
value = told["true_value"]
check("better than a draw, not better than the best", value["uniform"] < value["chosen"] <= value["best"] and
      abs(value["best"] - value["chosen"] - value["regret"]) < 2e-6, value)
opened = [r for r in rows if int(r["allowed"])]
mean = sum(float(r["true_value"]) for r in opened) / len(opened)
check("the summary is that of the rows", value["decisions"] == len(opened) and abs(mean - value["chosen"]) < 1e-5 and
      all(float(r["best_value"]) >= float(r["true_value"]) for r in rows), (mean, value))
expected = sum(float(r["true_propensity"]) for r in rows)
wave = sum(float(r["true_propensity"]) * (1 - float(r["true_propensity"])) for r in rows) ** 0.5
responded = sum(r["responded"] == "1" for r in rows)
check("people respond as the truth says", abs(responded - expected) < 4 * wave and responded >= told["responses"],
      (responded, expected, wave, told["responses"]))

stats = server.stats()
check("the server counts the same calls", stats["decisions_ok"] == told["decisions"] and stats["repeated"] == 0 and
      sum(stats[k] for k in ("get", "upsert", "signal", "decide", "record")) == told["calls"], (stats, told))
end = 1735677000000 + DAYS * 86400000  # 2025-01-01 in Tehran, and DAYS later
states = [server.client.Get(customers.GetRequest(customer_id="c%06d" % i, as_of_ms=end)) for i in range(PEOPLE)]
contacts = [c for s in states for c in s.contacts]
known = {r["decision_id"] for r in rows if r["action"]}
check("profiles, consents and contacts are there", all(s.found for s in states) and any(s.profile["tier"].string_value for s in states) and
      any(c.granted for s in states for c in s.consents) and contacts and {c.decision_id for c in contacts} <= known)
kinds = {o for c in contacts for o in c.outcomes}
check("with what became of them", {"SENT", "IMPRESSION", "RESPONSE", "CONVERSION"} <= kinds and
      all("SENT" in c.outcomes or "IMPRESSION" in c.outcomes for c in contacts), kinds)
check("the server stops in order", server.stop() == 0)
log = tact("replay", "--verify", os.path.join(server.data, "log"))
check("replay computes each decision again", " 0 differing" in log, log[-500:])

# ---- by rules alone, one at a time, and killed ----
plain, told = simulate("plain", "--in-process")
check("a model decides otherwise", plain != local)
server = serve("rules")
one, told_one = simulate("one", "--server", server.address, "--in-flight", "1")
text = tact("simulate", "--policy", POLICY, "--customers", "3", "--days", "1", "--server", server.address, expect=1)
check("a server that knows these people is refused", "knows c00000" in text and "empty store" in text, text)
check("one customer at a time: the same", one == plain and steady(told_one) == steady(told), (told, told_one))
server.stop()

redis = Redis("killed")
address = "unix:" + os.path.join(WORK, "killed.sock")


def start():
    return Server(POLICY, store=redis.url, data=folder("killed-data"), extra=["--allow-as-of", "--listen", address])


def grown(path):
    return sum(os.path.getsize(os.path.join(path, f)) for f in os.listdir(path) if os.path.isfile(os.path.join(path, f)))


server, kills = start(), 3
killed = os.path.join(WORK, "killed.csv")
driver = Process([TACT, "simulate", "--policy", POLICY, "--customers", str(PEOPLE), "--days", str(DAYS), "--seed", "7", "--out", killed,
                  "--json", "--server", address])
for n in range(kills):
    log = os.path.join(server.data, "log")
    size, limit = grown(log), time.time() + 60
    while grown(log) < size + 100000 and driver.p.poll() is None and time.time() < limit:
        time.sleep(0.002)
    server.kill()
    server = start()
line = driver.wait_line("{", seconds=120)
told_killed = json.loads(line)
check("a server killed %d times: the same" % kills, open(killed, "rb").read() == plain and steady(told_killed) == steady(told) and
      driver.p.wait(30) == 0, (told, told_killed))
check("calls were made again", told_killed["errors"] >= kills, told_killed)
server.stop()

# ---- the shift ----
shifted, _ = simulate("shifted", "--in-process", "--shift", "6")
day = "2025-01-05T20:30"  # the sixth begins at this UTC minute
before = [r for r in plain.decode().splitlines()[1:] if r.split(",")[1] < day]
after = [r for r in shifted.decode().splitlines()[1:] if r.split(",")[1] < day]
check("a shift changes nothing before its day, and much after it", before == after and len(before) > 100 and shifted != plain)

# ---- errors ----
server = Server(POLICY, data=folder("strict"))
text = tact("simulate", "--policy", POLICY, "--customers", "5", "--days", "2", "--server", server.address, expect=1)
check("a server on its own clock is said", "Get of c000000" in text and "--allow-as-of" in text, text)
server.stop()
for args, part in ((["--server", "x", "--in-process"], "exclude each other"), (["--in-flight", "3"], "--in-flight is for --server"),
                   ([], "--out is missing"), (["--in-process", "--days", "3", "--shift", "4"], "after the last day")):
    text = tact("simulate", "--policy", POLICY, *args, expect=2)
    check("usage: " + part, part in text, text)
done()

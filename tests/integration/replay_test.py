"""Over 10,000 decisions of every kind, with signals, attributes, outcomes, reservations and a policy change in between, under
load from several threads; then `tact replay --verify` computes each again: none differs. A log with one changed byte in a
decision is found out. SPDX-License-Identifier: Apache-2.0"""
import concurrent.futures
import os
import random
import shutil
import signal
import subprocess
import time

from harness import ROOT, TACT, WORK, Server, check, common, customers, decisions, done, grpc, outcomes

POLICY = os.path.join(WORK, "policy")
shutil.copytree(os.path.join(ROOT, "tools/examples/retail"), POLICY)
data, bundle = os.path.join(WORK, "data.csv"), os.path.join(WORK, "bundle")
subprocess.run([TACT, "simulate", "--policy", POLICY, "--customers", "300", "--days", "20", "--seed", "3", "--out", data], check=True,
               stdout=subprocess.DEVNULL)
subprocess.run([TACT, "train", "--csv", data, "--config", os.path.join(POLICY, "training/train.yaml"), "--out", bundle], check=True,
               stdout=subprocess.DEVNULL)

server = Server(POLICY, extra=["--model", bundle, "--allow-as-of", "--name", "replayed"])
DAY = 86400000
NOW = 1736940000000  # 2025-01-15, afternoon in Tehran
CATEGORIES = ["fashion", "electronics", "home"]


def some_signal(r, n, now):
    kind = r.choice(["page_view", "cart_add", "purchase", "support_contact", "support_resolved", "item_returned", "order_delayed"])
    s = common.Signal(event_id="e%d" % n, name=kind, time_ms=now - r.randrange(DAY))
    p = s.properties
    if kind in ("page_view", "cart_add", "purchase", "item_returned"):
        p["category"].string_value = r.choice(CATEGORIES)
    if kind == "cart_add":
        p["price"].number_value = round(r.uniform(5, 200), 2)
    if kind == "purchase":
        p["amount"].number_value = round(r.uniform(5, 300), 2)
    if kind == "item_returned":
        p["reason"].string_value = r.choice(["size", "damaged", "late", "unwanted"])
    if kind.startswith("support"):
        p["case"].string_value = "case%d" % r.randrange(4)
    if kind == "support_contact":
        p["topic"].string_value = r.choice(["broken", "late", "billing"])
    if kind == "order_delayed":
        p["order"].string_value = "o%d" % r.randrange(5)
    return s


def one(n):
    """One customer's little day: attributes, signals, a decision of some kind, an outcome."""
    r = random.Random(n)
    c, customer, now = server.client, "customer-%d" % r.randrange(700), NOW + r.randrange(20 * DAY)
    for attempt in range(50):
        try:
            if r.random() < 0.3:
                u = customers.UpsertRequest(customer_id=customer, as_of_ms=now)
                u.profile["first_name"].string_value = r.choice(["مریم", "Sara", "علی <b>"])
                u.profile["tier"].string_value = r.choice(["basic", "silver", "gold"])
                u.profile["spend_365d"].number_value = round(r.uniform(0, 4000), 2)
                u.consents.add(channel="email", purpose="promotional", granted=r.random() < 0.8)
                u.consents.add(channel="sms", purpose="promotional", granted=r.random() < 0.6)
                c.Upsert(u)
            channel = r.choice(["email", "sms", "web", "app"])
            q = decisions.DecideRequest(customer_id=customer, channel=channel, as_of_ms=now, explain=r.random() < 0.2,
                                        locale=r.choice(["", "fa", "en", "en-GB", "de"]))
            if channel == "web":
                q.placements.extend(r.sample(["home_hero", "cart_banner"], r.randrange(0, 3)))
                q.context["device"].string_value = r.choice(["phone", "desktop"])
            if channel in ("email", "sms") and r.random() < 0.7:
                q.mode = decisions.RESERVE
            if r.random() < 0.5:
                q.request_id = "r%d" % n
            for k in range(r.choice([0, 0, 1, 3])):
                q.signals.append(some_signal(r, n * 10 + k, now))
            a = c.Decide(q, timeout=10)
            if a.handles and r.random() < 0.5:
                kind = outcomes.RecordRequest.SENT if channel in ("email", "sms") else outcomes.RecordRequest.IMPRESSION
                c.Record(outcomes.RecordRequest(outcome_id="o%d" % n, kind=kind, handle=a.handles[0], as_of_ms=now))
            return 1 if a.decision.choices else 0
        except grpc.RpcError as e:
            if e.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED):
                raise
            time.sleep(0.02)
    raise AssertionError("never answered")


TOTAL = 40000 if "--long" in os.sys.argv else 10400
pool = concurrent.futures.ThreadPoolExecutor(16)
chosen = sum(pool.map(one, range(TOTAL // 2)))
first = server.client.Get(customers.GetRequest(customer_id="nobody")).found
path = os.path.join(POLICY, "rules.yaml")
text = open(path).read().replace("at_most: 2, per: 7d", "at_most: 3, per: 7d")
open(path, "w").write(text)
ids = {server.client.Decide(decisions.DecideRequest(customer_id="x", channel="app")).decision.policy_id}
server.p.send_signal(signal.SIGHUP)
end = time.time() + 20
while len(ids) < 2 and time.time() < end:
    ids.add(server.client.Decide(decisions.DecideRequest(customer_id="x", channel="app")).decision.policy_id)
chosen += sum(pool.map(one, range(TOTAL // 2, TOTAL)))
check("the policy changed in the middle", len(ids) == 2, ids)
check("some were chosen, some suppressed", TOTAL * 0.1 < chosen < TOTAL * 0.95, chosen)
counts = server.stats()
check("the server stops in order", server.stop() == 0)

log = os.path.join(server.data, "log")
began = time.time()
p = subprocess.run([TACT, "replay", "--verify", log], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
print("   ", p.stdout.strip().splitlines()[-1] if p.stdout.strip() else "", "in %.1f s" % (time.time() - began))
check("replay --verify: all identical", p.returncode == 0 and " 0 differing" in p.stdout, p.stdout[-2000:])
check("of over 10,000 decisions", counts["decisions_ok"] - counts["repeated"] >= 10000 and
      "{:,} identical".format(int(counts["decisions_ok"] - counts["repeated"])) in p.stdout, (counts, p.stdout[-500:]))

# A policy that is gone from the archive is said clearly.
moved = [d for d in os.listdir(os.path.join(log, "policy"))][0]
os.rename(os.path.join(log, "policy", moved), os.path.join(WORK, "moved"))
p = subprocess.run([TACT, "replay", "--verify", log], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
check("a missing policy is named", p.returncode == 1 and moved in p.stdout, p.stdout[-500:])
done()

"""Two servers on one real Redis. 64 callers reserve at once for one customer with a cap of 2: exactly 2 contacts, every other
answer a suppression that names the cap; for 200 customers. Then the same with kill -9 of a server in the middle and retries
by request_id: never more than 2, no request with two slots.
SPDX-License-Identifier: Apache-2.0"""
import concurrent.futures
import os
import threading
import time

from harness import ROOT, Client, Redis, Server, check, customers, decisions, done, grpc

POLICY = os.path.join(ROOT, "tests/cases/policies/reserve")
CALLERS, CAP = 64, 2

redis = Redis()
servers = [Server(POLICY, store=redis.url, extra=["--name", "a"]), Server(POLICY, store=redis.url, extra=["--name", "b"])]
pool = concurrent.futures.ThreadPoolExecutor(CALLERS)
RETRY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


def request(customer, caller):
    return decisions.DecideRequest(request_id="%s-%d" % (customer, caller), customer_id=customer, channel="email", mode="RESERVE")


def all_at_once(customer, call):
    barrier = threading.Barrier(CALLERS)

    def one(i):
        barrier.wait()
        return call(customer, i)
    return list(pool.map(one, range(CALLERS)))


def verdict(customer, answers, contacts):
    """None when all is as it must be, else what is not."""
    chosen = {a.decision.decision_id for a in answers if a.decision.choices}
    rest = [a.decision.suppression for a in answers if not a.decision.choices]
    if len(chosen) != CAP or len(contacts) != CAP:
        return "%s: %d chosen, %d contacts" % (customer, len(chosen), len(contacts))
    if {c.decision_id for c in contacts} != chosen:
        return "%s: the contacts are not those that were answered" % customer
    bad = [s for s in rest if s.rule != "email_weekly" or s.cause != decisions.Suppression.FREQUENCY_CAP]
    return "%s: %s" % (customer, bad[0]) if bad else None


wrong = []
for n in range(200):
    customer = "quiet-%d" % n
    answers = all_at_once(customer, lambda c, i: servers[i % 2].client.Decide(request(c, i)))
    contacts = servers[n % 2].client.Get(customers.GetRequest(customer_id=customer)).contacts
    w = verdict(customer, answers, contacts)
    if w:
        wrong.append(w)
check("200 customers, 64 callers each, 2 servers: exactly 2 contacts each, the rest names the cap", not wrong, wrong[:3])
stats = [s.stats() for s in servers]
check("the servers did fight for the slots", sum(s["conflicts"] for s in stats) > 0, stats)
check("every call is counted as an OK decision", sum(s["decisions_ok"] for s in stats) == 200 * CALLERS, stats)

# ---- with kill -9 and retries ----
lock = threading.Lock()


def replace(index):
    """kill -9, and a new server on the same store after a moment."""
    servers[index].kill()
    fresh = Server(POLICY, store=redis.url, data=servers[index].data)
    with lock:
        servers[index] = fresh


def stubborn(customer, i):
    """Retries with the same request_id, on whatever server lives, until there is an answer."""
    for attempt in range(400):
        with lock:
            client = servers[(i + attempt) % 2].client
        try:
            return client.Decide(request(customer, i), timeout=2)
        except grpc.RpcError as e:
            if e.code() not in RETRY:
                raise
        except ValueError:  # the channel was closed under us
            pass
        time.sleep(0.01)
    raise AssertionError("no answer for %s-%d" % (customer, i))


wrong, kills = [], 20
for n in range(kills):
    customer = "kill-%d" % n
    timer = threading.Timer(0.002 + 0.001 * n, replace, [n % 2])
    timer.start()
    answers = all_at_once(customer, stubborn)
    timer.join()
    # Each caller asks once more: a repeat gives the recorded decision, whichever server answers.
    repeats = list(pool.map(lambda i: stubborn(customer, i), range(CALLERS)))
    if [a.decision for a in answers] != [a.decision for a in repeats]:
        wrong.append("%s: a repeat differs" % customer)
    if not all(r.meta.recorded for r in repeats):
        wrong.append("%s: a repeat was decided again" % customer)
    contacts = servers[n % 2].client.Get(customers.GetRequest(customer_id=customer)).contacts
    if len({c.decision_id for c in contacts}) != len(contacts):
        wrong.append("%s: one request holds two slots" % customer)
    w = verdict(customer, answers, contacts)
    if w:
        wrong.append(w)
check("%d kills of a server in the middle, retries by request_id: exactly 2 contacts, none twice" % kills, not wrong, wrong[:3])
for s in servers:
    check("stops in order", s.stop() == 0)
done()

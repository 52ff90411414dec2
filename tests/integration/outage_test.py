"""Redis down at start and later: the server says so, answers UNAVAILABLE with a reason, and recovers by itself; a bad policy
on reload keeps the old one; a store that was emptied is noticed. SPDX-License-Identifier: Apache-2.0"""
import os
import shutil
import signal
import subprocess
import threading
import time

from harness import ROOT, WORK, Redis, Server, check, common, customers, decisions, done, fails, grpc

POLICY = os.path.join(WORK, "policy")
shutil.copytree(os.path.join(ROOT, "tests/cases/policies/reserve"), POLICY)
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
late = os.path.join(WORK, "late")
ALWAYS = ["--appendfsync", "always"]  # what a killed Redis acknowledged is then on disk


def decide(server, **kw):
    kw.setdefault("channel", "web")
    return server.client.Decide(decisions.DecideRequest(customer_id="c1", **kw), timeout=5)


def until(condition, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        try:
            if condition():
                return True
        except grpc.RpcError:
            pass
        time.sleep(0.02)
    return False


# ---- down at start ----
server = Server(POLICY, store="unix://" + os.path.join(late, "r.sock"), ready=False)
check("says that the store is not there", server.wait_line("time=", seconds=20) and
      any("store" in (x or "") for x in server.lines))
fails("UNAVAILABLE with a reason while the store was never reached", UNAVAILABLE, "store", lambda: decide(server))
redis = Redis("late", ALWAYS)
check("becomes ready by itself", server.wait_line("ready ", seconds=30))
check("decides then", until(lambda: decide(server).decision.choices))

# ---- down later ----
client = server.client
signals = customers.SignalRequest(customer_id="c1", signals=[common.Signal(event_id="e1", name="cart_add")])
check("a signal is acknowledged", client.Signal(signals).applied == 1)
redis.kill()
check("a decision on what is known, while Redis is down", until(lambda: decide(server).decision.state_tier == decisions.UNVERIFIED))
check("of somebody unknown: fail-safe", client.Decide(decisions.DecideRequest(customer_id="c9", channel="email"), timeout=5)
      .decision.state_tier == decisions.FAIL_SAFE)
fails("a reservation: UNAVAILABLE while Redis is down", UNAVAILABLE, "store", lambda: client.Decide(
    decisions.DecideRequest(customer_id="c1", channel="email", mode=decisions.RESERVE, request_id="r1"), timeout=5))
began = time.time()
decide(server)
check("at once", time.time() - began < 1)
fails("signal: UNAVAILABLE, no false acknowledgement", UNAVAILABLE, "store", lambda: client.Signal(
    customers.SignalRequest(customer_id="c1", signals=[common.Signal(event_id="e2", name="cart_add")]), timeout=5))
os.unlink(redis.socket)
redis = Redis("late", ALWAYS)  # the same folder: the append-only file is read again
check("recovers by itself", until(lambda: decide(server).decision.state_tier == decisions.CURRENT))
check("what was acknowledged is still there", client.Get(customers.GetRequest(customer_id="c1")).features["cart_adds"] == "1")
check("the signal that failed is taken now", until(lambda: client.Signal(
    customers.SignalRequest(customer_id="c1", signals=[common.Signal(event_id="e2", name="cart_add")]), timeout=5).applied == 1))

# ---- reload ----
before = decide(server).decision.policy_id
path = os.path.join(POLICY, "policy.yaml")
good = open(path).read()
open(path, "w").write(good.replace("direction: inbound", "direction: inbond"))
start = len(server.lines)
server.p.send_signal(signal.SIGHUP)
check("a bad reload says where", "policy.yaml:" in server.wait_line(path, start=start) and server.wait_line("time=", start=start))
check("and the old policy keeps serving", decide(server).decision.policy_id == before)
open(path, "w").write(good.replace("value: 1.0", "value: 2.0"))
server.p.send_signal(signal.SIGHUP)
check("a good reload changes the policy", until(lambda: decide(server).decision.policy_id != before))
check("and its values", decide(server).decision.choices[0].factors.value == 2.0)

# ---- another store ----
# Emptied and filled anew by somebody else, under a connection that never broke: noticed within seconds.
watched = Redis("watched", ALWAYS)
second = Server(POLICY, store=watched.url)
watched.command("FLUSHALL")
watched.command("HSET", "tact:names", "channel.web", "1", "action.offer", "2")
check("a store emptied under a live connection is noticed", until(
    lambda: any("not the one we know" in (x or "") for x in second.lines)))
fails("and nothing is decided any more", UNAVAILABLE, "not ready", lambda: decide(second))
check("stops in order", second.stop() == 0)
watched.kill()

other = Redis("other", ALWAYS)
other.command("HSET", "tact:names", "channel.web", "1", "action.offer", "2")  # another dictionary than ours
other.kill()
redis.kill()
os.unlink(redis.socket)
shutil.rmtree(os.path.join(late, "appendonlydir"))
shutil.copytree(os.path.join(other.folder, "appendonlydir"), os.path.join(late, "appendonlydir"))
redis = Redis("late", ALWAYS)
check("a store with another dictionary is noticed", until(
    lambda: any("not the one we know" in (x or "") for x in server.lines)))
fails("and nothing is decided with wrong names", UNAVAILABLE, "not ready", lambda: decide(server))
check("stops in order", server.stop() == 0)

# ---- a full disk ----
small = os.path.join(WORK, "small")
os.makedirs(small)
if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], stderr=subprocess.DEVNULL).returncode == 0:
    try:
        server = Server(POLICY, extra=["--log", os.path.join(small, "log")])

        def one_signal(n):
            return server.client.Signal(customers.SignalRequest(customer_id="disk", signals=[
                common.Signal(event_id="d%d" % n, name="cart_add")]), timeout=5).applied == 1
        check("signals are logged", one_signal(0))
        with open(os.path.join(small, "filler"), "wb") as f:
            try:
                f.write(b"x" * (4 << 20))
                f.flush()
            except OSError:
                pass
        fails("full disk: signals get UNAVAILABLE", UNAVAILABLE, "log", lambda: [one_signal(n) for n in range(1, 5000)])
        check("decisions go on", decide(server).decision.choices)
        os.unlink(os.path.join(small, "filler"))
        check("with room again, signals alone bring the log back", until(lambda: one_signal(100000)))
        check("stops in order", server.stop() == 0)
    finally:
        subprocess.run(["umount", small])
else:
    print("skip full disk: no tmpfs can be mounted here")

# ---- told to stop in the middle of everything ----
def hammer(client, n, answers):
    """Calls until the server is gone; only these endings are allowed."""
    for i in range(100000):
        try:
            if i % 2:
                client.Decide(decisions.DecideRequest(request_id="h%d-%d" % (n, i), customer_id="h%d" % (i % 7), channel="email", mode="RESERVE"), timeout=5)
            else:
                client.Signal(customers.SignalRequest(customer_id="h%d" % (i % 7), signals=[
                    common.Signal(event_id="h%d-%d" % (n, i), name="cart_add")]), timeout=5)
            answers.append("OK")
        except grpc.RpcError as e:
            answers.append(e.code())
            if e.code() != grpc.StatusCode.OK:
                return


for round in range(4):
    server = Server(POLICY, extra=["--drain-ms", str(0 if round % 2 else 200)])
    answers = []
    threads = [threading.Thread(target=hammer, args=(server.client, n, answers)) for n in range(24)]
    for t in threads:
        t.start()
    until(lambda: len(answers) > 500)
    server.p.send_signal(signal.SIGTERM)
    code = server.p.wait(30)
    for t in threads:
        t.join()
    allowed = {"OK", UNAVAILABLE, grpc.StatusCode.CANCELLED}
    check("SIGTERM under load, round %d: exit code 0, clear endings" % round, code == 0 and set(answers) <= allowed,
          (code, set(answers), server.lines[-5:]))
done()

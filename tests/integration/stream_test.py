"""Customers.SignalStream with a stock Python client and with `tact signal --file`: twenty thousand signals, wrong ones among
them; every end that a stream can have; a server that is killed or told to stop in the middle; a store that stands still while
megabytes are pushed. SPDX-License-Identifier: Apache-2.0"""
import json
import os
import pty
import re
import signal
import subprocess
import threading
import time

from harness import TACT, WORK, Process, Redis, Server, check, common, customers, done, fails, folder, grpc

POLICY = folder("policy")
with open(os.path.join(POLICY, "policy.yaml"), "w") as f:
    f.write("""
brand: {name: Test, time_zone: UTC, locales: [en]}
signals:
  cart_add: {properties: {sku: string, price: number}}
  view: {properties: {category: string}}
features:
  carts: {count: cart_add, window: 24h}
  spent: {sum: cart_add.price, window: 24h}
  views: {count: view, window: 24h}
  web_carts: "count(cart_add, 24h, cart_add.channel == 'web')"
channels:
  web: {direction: inbound, content: [title]}
actions:
  - {id: hello, issue: i, group: g, purpose: service, value: 1.0, treatments: [{channel: web, title: Hello}]}
""")
Status = grpc.StatusCode
Request, Signal, value = customers.SignalRequest, common.Signal, common.Value


def cart(event_id, price=1, **kw):
    return Signal(event_id=event_id, name="cart_add", properties={"price": value(number_value=price)}, **kw)


def request(customer, *signals):
    return Request(customer_id=customer, signals=signals)


def features(client, customer):
    return client.Get(customers.GetRequest(customer_id=customer)).features


def status_of(call):
    try:
        call()
    except grpc.RpcError as e:
        return e.code(), e.details()
    return Status.OK, ""


def acknowledged(details):
    found = re.search(r"; acknowledged: (\d+) requests", details)
    return int(found.group(1)) if found else None


def wait_until(condition, seconds=20):
    end = time.time() + seconds
    while not condition():
        if time.time() > end:
            return False
        time.sleep(0.005)
    return True


# ---- twenty thousand signals of 500 customers over one stream ----
server = Server(POLICY, extra=["--allow-as-of"])
client = server.client
requests, rejected, want, applied, repeats = [], [], {}, 0, 0
for i in range(16000):
    customer = "c%d" % (i * 7 % 500)
    w = want.setdefault(customer, [0, 0.0, 0])
    signals = [cart("e%d" % i, i % 10)]
    w[0] += 1
    w[1] += i % 10
    if i % 4 == 0:  # a second one: 20,000 right ones
        signals.append(Signal(event_id="v%d" % i, name="view"))
        w[2] += 1
    if i % 100 == 3:
        signals.insert(0, Signal(event_id="x%d" % i, name="cart_ad"))
        rejected.append((len(requests), 0, "x%d" % i, "signals[0].name: unknown 'cart_ad'; did you mean"))
    if i % 100 == 7:
        signals.append(Signal(event_id="y%d" % i, name="view", properties={"price": value(int_value=1)}))
        rejected.append((len(requests), len(signals) - 1, "y%d" % i, "price"))
    if i % 50 == 11:  # told again
        signals.append(signals[0])
        repeats += 1
    requests.append(request(customer, *signals))
    applied += 1 + (i % 4 == 0)
    if i % 100 == 50:  # wrong as a whole
        bad = [(request("", cart("n%d" % i), cart("m%d" % i)), [("n%d" % i, "customer_id is empty"), ("m%d" % i, "customer_id is empty")]),
               (request(customer), [("", "signals: 0; 1 to 256 are allowed")]),
               (request(customer, Signal(event_id="a%d" % i, name="no"), Signal(name="view")), [("a%d" % i, "signals[0].name"), ("", "signals[1].event_id")])]
        bad, why = bad[i // 100 % 3]
        rejected += [(len(requests), k, event_id, reason) for k, (event_id, reason) in enumerate(why)]
        requests.append(bad)
r = client.SignalStream(iter(requests))
check("one answer counts all", (r.requests, r.applied, r.repeats, r.rejected_count) == (len(requests), applied, repeats, len(rejected)) and applied == 20000,
      (r.requests, r.applied, r.repeats, r.rejected_count, len(requests), applied, repeats, len(rejected)))
got = [(x.request, x.index, x.event_id, x.reason) for x in r.rejected]
wrong = [(g, w) for g, w in zip(got, rejected) if g[:3] != w[:3] or w[3] not in g[3]]
check("rejections: each with request, index, event id and its own reason, in order", len(got) == len(rejected) and not wrong, wrong[:3])
check("an event id is cut to 128 bytes at a character",
      [x.event_id for x in client.SignalStream(iter([request("cut", Signal(event_id="é" * 100, name="view"))])).rejected] == ["é" * 64])
differ = [c for c, w in want.items() if [float(features(client, c)[n]) for n in ("carts", "spent", "views")] != [float(x) for x in w]]
check("every customer has what was sent, and no more", len(want) == 500 and not differ, differ[:5])
r = client.SignalStream(iter(requests))
check("the same again changes nothing", (r.applied, r.repeats) == (0, applied + repeats), r.applied)
check("nor does it show", not [c for c, w in want.items() if float(features(client, c)["spent"]) != w[1]])
r = client.SignalStream(iter([request("", cart("q%d" % i)) for i in range(1500)]))
check("1,000 rejections are told, all are counted", (r.rejected_count, len(r.rejected), r.rejected[999].request) == (1500, 1000, 999), r.rejected_count)
check("an empty stream", client.SignalStream(iter([])) == customers.SignalStreamResponse())
check("as_of_ms in a stream", client.SignalStream(iter([Request(customer_id="t", signals=[cart("1")], as_of_ms=1736942400000)])).applied == 1 and
      client.Get(customers.GetRequest(customer_id="t", as_of_ms=1736942400000)).features["carts"] == "1")
r = client.SignalStream(iter([request("ch", cart("1", channel="web")), request("ch", cart("2", channel="fax"))]))
check("channels of signals", r.applied == 1 and "channel" in r.rejected[0].reason and features(client, "ch")["web_carts"] == "1", r)

# ---- ends ----
raw = client.channel.stream_unary("/tact.v1.Customers/SignalStream")
good = request("raw", cart("1")).SerializeToString()
r = customers.SignalStreamResponse.FromString(raw(iter([b"\xff\xff", good])))
check("bytes that are no request are one rejection", r.applied == 1 and len(r.rejected) == 1 and (r.rejected[0].request, r.rejected[0].event_id) == (0, ""), r)
fails("a message over 256 KiB ends the stream", Status.RESOURCE_EXHAUSTED, "a message of 262145 bytes; at most 262144; acknowledged: 2 requests",
      lambda: raw(iter([good, good, b"x" * 262145, good])))
fails("and says what was rejected before", Status.RESOURCE_EXHAUSTED, "; acknowledged: 3 requests, 2 signals rejected, the first in request 1",
      lambda: raw(iter([good, b"\xff", b"\xff", b"x" * 262145])))
fails("compression is refused", Status.UNIMPLEMENTED, "grpc-encoding", lambda: raw(iter([good]), compression=grpc.Compression.Gzip))
fails("a unary call with two messages is refused still", Status.UNIMPLEMENTED, "exactly one",
      lambda: client.channel.stream_unary("/tact.v1.Customers/Signal")(iter([good, good])))
check("a unary client may call it with one message", customers.SignalStreamResponse.FromString(
    client.channel.unary_unary("/tact.v1.Customers/SignalStream")(good)).repeats == 1)


def forever(customer, stop, sent, pause=0.0):
    """Requests with event ids of their numbers, until told to stop."""
    while not stop.is_set():
        yield request(customer, cart(str(sent[0])))
        sent[0] += 1
        time.sleep(pause)


stop, sent = threading.Event(), [0]
began = time.time()
fails("a deadline ends a stream that goes on", Status.DEADLINE_EXCEEDED, "", lambda: client.SignalStream(forever("dl", stop, sent, 0.001), timeout=0.7))
check("at its time", 0.5 < time.time() - began < 3, time.time() - began)
stop.set()
stop, sent = threading.Event(), [0]
call = client.channel.stream_unary("/tact.v1.Customers/SignalStream", lambda m: m.SerializeToString()).future(forever("cancelled", stop, sent, 0.001))
wait_until(lambda: sent[0] > 100)
call.cancel()
stop.set()
check("a cancelled stream applied a part", wait_until(lambda: 0 < float(features(client, "cancelled")["carts"]) <= sent[0] + 1))


def slowly(n, pause):
    for i in range(n):
        yield request("slow", cart(str(i)))
        time.sleep(pause)


check("a slow stream has no deadline of its own", client.SignalStream(slowly(6, 0.6)).applied == 6)  # over the 2 s of a unary call

# ---- SIGTERM in the middle: what was acknowledged is said, and the rest may be sent elsewhere ----
redis = Redis("shared")
first = Server(POLICY, store=redis.url)
second = Server(POLICY, store=redis.url)
stop, sent, result = threading.Event(), [0], []
thread = threading.Thread(target=lambda: result.append(status_of(lambda: first.client.SignalStream(forever("drained", stop, sent)))))
thread.start()
wait_until(lambda: sent[0] > 2000)
first.p.send_signal(signal.SIGTERM)
thread.join(20)
stop.set()
code, details = result[0] if result else (None, "no answer")
n = acknowledged(details) or 0
check("SIGTERM: UNAVAILABLE, with what was acknowledged", code == Status.UNAVAILABLE and details.startswith("this server is stopping; acknowledged: ") and 0 < n <= sent[0], (code, details))
check("the server stops in order", first.p.wait(20) == 0)
have = float(features(second.client, "drained")["carts"])
check("the acknowledged ones are there", n <= have <= sent[0] + 1, (n, have, sent))
r = second.client.SignalStream(request("drained", cart(str(i))) for i in range(n, sent[0] + 200))
check("sent again from there on, each counts once", r.requests == sent[0] + 200 - n and float(features(second.client, "drained")["carts"]) == sent[0] + 200,
      (r.applied, r.repeats, features(second.client, "drained")["carts"]))

# ---- SIGKILL in the middle ----
victim = Server(POLICY, store=redis.url)
stop, sent, result = threading.Event(), [0], []
thread = threading.Thread(target=lambda: result.append(status_of(lambda: victim.client.SignalStream(forever("killed", stop, sent)))))
thread.start()
wait_until(lambda: sent[0] > 2000)
victim.kill()
thread.join(20)
stop.set()
code, details = result[0] if result else (None, "no answer")
check("SIGKILL: UNAVAILABLE, and nothing said of acknowledgements", code == Status.UNAVAILABLE and acknowledged(details) is None, (code, details))
total = sent[0] + 1
r = second.client.SignalStream(request("killed", cart(str(i))) for i in range(total))
check("all sent again: each counts once", r.repeats > 0 and r.applied + r.repeats == total and float(features(second.client, "killed")["carts"]) == total, (r.applied, r.repeats, total))

# ---- the store stands still: nobody grows ----


def rss_kb(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def padded(n):
    """A request of about 100 KB: a later version's field, which this server skips."""
    return request("big%d" % (n % 50), cart("p%d" % n)).SerializeToString() + b"\x7a\xa0\x8d\x06" + b"x" * 100000


raw = second.client.channel.stream_unary("/tact.v1.Customers/SignalStream")
list(raw(iter([padded(i) for i in range(20)])))  # what a server keeps once it was busy
given, most = [0], [0]


def fifty_megabytes():
    for i in range(500):
        given[0] = i + 1
        yield padded(i)


def watch(over):
    while not over.is_set():
        most[0] = max(most[0], rss_kb(second.p.pid))
        time.sleep(0.01)


before = rss_kb(second.p.pid)
over = threading.Event()
watcher = threading.Thread(target=watch, args=(over,))
watcher.start()
os.kill(redis.p.pid, signal.SIGSTOP)
result = []
thread = threading.Thread(target=lambda: result.append(status_of(lambda: raw(fifty_megabytes()))))
thread.start()
time.sleep(0.5)  # while the stream is held up
began = time.time()
fails("other calls of the connection go on", Status.INVALID_ARGUMENT, "customer_id", lambda: second.client.Signal(request("", cart("1"))))
check("at once", time.time() - began < 1, time.time() - began)
thread.join(30)
code, details = result[0] if result else (None, "no answer")
check("a store that stands still ends the stream in time", code in (Status.DEADLINE_EXCEEDED, Status.UNAVAILABLE) and acknowledged(details) is not None, (code, details))
check("of 50 MB offered the server took little", given[0] < 60, given)
os.kill(redis.p.pid, signal.SIGCONT)
grown = most[0] - before
check("and did not grow: %d KB" % grown, grown < 8 * 1024, (before, most[0]))
wait_until(lambda: status_of(lambda: features(second.client, "drained"))[0] == Status.OK)

# the same with a store that stutters: all 50 MB go through one stream
given[0], most[0], result = 0, 0, []
thread = threading.Thread(target=lambda: result.append(customers.SignalStreamResponse.FromString(raw(fifty_megabytes()))))
thread.start()
while thread.is_alive():
    os.kill(redis.p.pid, signal.SIGSTOP)
    time.sleep(0.3)
    os.kill(redis.p.pid, signal.SIGCONT)
    thread.join(0.1)
over.set()
watcher.join()
grown = most[0] - before
check("50 MB through a store that stutters", result and result[0].requests == 500 and result[0].applied + result[0].repeats == 500, result)
check("and the server did not grow: %d KB" % grown, grown < 16 * 1024, (before, most[0]))

# ---- tact signal --file ----


def tact_signal(*args, text=None, stderr=subprocess.PIPE):
    return subprocess.run([TACT, "signal", *args], input=text, stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=120)


def line(customer, event_id, name="cart_add", **more):
    return json.dumps({"customer_id": customer, "signals": [{"event_id": event_id, "name": name, **more}]})


def write(name, lines):
    path = os.path.join(WORK, name)
    with open(path, "w") as out:
        out.write("\n".join(lines) + "\n")
    return path


lines = [line("f%d" % (i % 40), "f%d" % i) for i in range(5000)]
lines[1000] = line("f0", "bad", name="cart_ad")
lines[2000] = "{not json"
lines[3000] = json.dumps({"customer": "f0"})
lines[4000] = ""
path, rejects = write("events.jsonl", lines), os.path.join(WORK, "rejects.jsonl")
r = tact_signal("--server", second.address, "--file", path)
check("a file with wrong lines: exit code 1, and the others are sent",
      r.returncode == 1 and "4,997 requests acknowledged: 4,996 signals applied, 0 known already, 3 rejected" in r.stdout, (r.returncode, r.stdout, r.stderr))
check("each is told with its line", [x for x in r.stderr.splitlines()] and all(t in r.stderr for t in (
    "line 1001: signals[0].name: unknown 'cart_ad'", "(event id bad)", "line 2001: not valid JSON", "line 3001: customer: no such field")) and
      len(r.stderr.splitlines()) == 3, r.stderr)
check("and the customers have them", sum(float(features(second.client, "f%d" % i)["carts"]) for i in range(40)) == 4996)
r = tact_signal("--server", second.address, "--file", "-", "--rejects", rejects, "--json", text=open(path).read())
told = [json.loads(x) for x in open(rejects)]
check("from stdin, again: known already", r.returncode == 1 and json.loads(r.stdout) == {
    "requests": 4997, "applied": 0, "repeats": 4996, "rejected": 3, "acknowledged_before_failures": 0} and not r.stderr, (r.stdout, r.stderr))
check("--rejects has line, index, event id, reason, text", [(t["line"], t["index"], t["event_id"], t["text"]) for t in told] ==
      [(1001, 0, "bad", lines[1000]), (2001, 0, "", lines[2000]), (3001, 0, "", lines[3000])] and "did you mean" in told[0]["reason"], told)
check("a file without a mistake: exit code 0", tact_signal("--server", second.address, "--file", write("good.jsonl", [line("g", "1"), line("g", "2")])).returncode == 0)
check("an empty file", tact_signal("--server", second.address, "--file", write("none.jsonl", [])).returncode == 0)
r = tact_signal("--server", second.address, "--file", write("long.jsonl", [line("g", "x" * 1100000), line("g", "3"), json.dumps({"customer_id": "y" * 300000})]))
check("lines and requests that are too long are rejected", r.returncode == 1 and "line 1: a line has over 1 MiB" in r.stderr and "line 3: a request of 300" in r.stderr and
      features(second.client, "g")["carts"] == "3", (r.stdout, r.stderr))
r = tact_signal("--server", second.address, "--file", path, "--customer", "c1")
check("--file with a customer is wrong usage", r.returncode == 2 and "--file" in r.stderr, r)
check("neither a name nor a file is wrong usage", tact_signal("--server", second.address, "--customer", "c").returncode == 2)
check("a file that is not there", tact_signal("--server", second.address, "--file", "/nonexistent").returncode == 1)
r = tact_signal("--server", second.address, "--customer", "uc", "--channel", "web", "cart_add", "price=2")
check("--channel of one signal", r.returncode == 0 and features(second.client, "uc")["web_carts"] == "1", r.stderr)
r = tact_signal("--server", second.address, "--customer", "uc", "--channel", "fax", "cart_add")
check("a channel that the policy lacks", r.returncode == 1 and "fax" in r.stderr, r.stderr)

# a pipe whose writer pauses is acknowledged up to there
writer = subprocess.Popen([TACT, "signal", "--server", second.address, "--file", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
writer.stdin.write(line("piped", "1") + "\n" + line("piped", "2") + "\n")
writer.stdin.flush()
check("a pipe's writer pauses: what came is applied", wait_until(lambda: features(second.client, "piped")["carts"] == "2"))
writer.stdin.write(line("piped", "3"))  # no line break at the end
out, _ = writer.communicate(timeout=20)
check("and the end after", writer.returncode == 0 and "3 requests acknowledged" in out and features(second.client, "piped")["carts"] == "3", out)

# a terminal sees how far it is
try:
    parent, child = pty.openpty()
except OSError as e:
    parent = None
    print("skip progress on a terminal: %s" % e)
shown = []


def read_terminal():
    try:
        while True:
            shown.append(os.read(parent, 4096))
    except OSError:
        pass


if parent is not None:
    reader = threading.Thread(target=read_terminal)
    reader.start()
    tact_signal("--server", second.address, "--file", path, "--rejects", rejects, stderr=child)
    os.close(child)
    reader.join(10)
    check("progress on a terminal", b"KiB" in b"".join(shown) and b"#" in b"".join(shown), b"".join(shown)[-200:])
else:
    tact_signal("--server", second.address, "--file", path, "--rejects", rejects)

nobody = subprocess.Popen([TACT, "signal", "--server", "unix:" + os.path.join(WORK, "nobody"), "--file", write("two.jsonl", [line("gone", "1")])],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # tries for about 20 seconds; looked at below

# the server is killed while a file goes, and comes back at its address
socket = os.path.join(WORK, "tact.sock")


def serve_at_socket():
    p = Process([TACT, "serve", "--policy", POLICY, "--data", folder("killed"), "--store", redis.url, "--listen", "unix:" + socket])
    p.wait_line("ready ")
    return p


for kind, number in (("killed", signal.SIGKILL), ("stopped", signal.SIGTERM)):
    victim = serve_at_socket()
    path = write("many.jsonl", [line("file-%s-%d" % (kind, i % 50 if i % 3 else 0), "e%d" % i) for i in range(30000)] + ["{}"])
    sender = subprocess.Popen([TACT, "signal", "--server", "unix:" + socket, "--file", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    carts = lambda: float(features(second.client, "file-%s-0" % kind)["carts"])
    wait_until(lambda: carts() > 1500)
    victim.p.send_signal(number)
    victim.p.wait(20)
    at = carts()
    victim = serve_at_socket()
    out, err = sender.communicate(timeout=120)
    check("tact signal --file goes on when the server is %s and comes back" % kind, sender.returncode == 1 and "30,001 requests acknowledged" in out and
          "1 rejected" in out and "sending again from line" in err and at < 20000, (out, err, at))
    have = sum(float(features(second.client, "file-%s-%d" % (kind, i))["carts"]) for i in range(50))
    check("and each of 30,000 signals counts once", have == 30000, have)
    victim.stop()
out, err = nobody.communicate(timeout=120)
check("without a server it gives up after a while, and says from which line", nobody.returncode == 1 and
      err.count("sending again from line 1") > 5 and "stopped; send again from line 1 on" in err and "0 requests acknowledged" in out, (out, err))
check("the servers stop in order", (server.stop(), second.stop()) == (0, 0))
done()

"""`tact import`, `tact decide` and `tact signal` as people run them, against real servers: good and bad rows, types with and
without a policy, rejects that can be mended and imported again, order of rows of one customer, a server that is killed and
comes back in the middle, one that stays away. SPDX-License-Identifier: Apache-2.0"""
import csv
import json
import os
import pty
import signal
import subprocess
import time

from harness import TACT, WORK, Redis, Server, check, customers, done, folder

POLICY = folder("policy")
with open(os.path.join(POLICY, "policy.yaml"), "w") as f:
    f.write("""
brand: {name: Test, time_zone: UTC, locales: [en]}
profile:
  name: string
  tier: {type: string, values: [basic, gold]}
  spend: number
  visits: int
  vip: bool
  since: timestamp
  zip: string
signals:
  cart_add: {properties: {sku: string, price: number, count: int, gift: bool, at: timestamp}}
features:
  cart_value: {sum: cart_add.price, window: 24h}
channels:
  email: {direction: outbound, confirm_within: 1h, content: [subject]}
  web: {direction: inbound, content: [title]}
actions:
  - id: hello
    issue: growth
    group: greetings
    purpose: promotional
    value: 1.0
    treatments: [{channel: email, subject: "Hello"}, {channel: web, title: "Hello {{ profile.name | default: you }}"}]
suppressions:
  - {id: big_cart, when: "cart_value > 100.0", block: {purpose: promotional}, reason: the cart is full}
""")


def path(name):
    return os.path.join(WORK, name)


def write(name, text):
    with open(path(name), "wb") as out:
        out.write(text if isinstance(text, bytes) else text.encode())
    return path(name)


def tact(*args, stdin=None):
    p = subprocess.run([TACT, *args], input=stdin, capture_output=True, text=True, timeout=120, cwd=WORK)
    return p.returncode, p.stdout, p.stderr


def run(name, code, args, out=(), err=(), stdin=None):
    """The exit code must be this, and the two outputs must hold these texts."""
    rc, o, e = tact(*args, stdin=stdin)
    missing = [t for t in out if t not in o] + [t for t in err if t not in e]
    check(name, rc == code and not missing, "exit %d, missing %r, got:\n%s%s" % (rc, missing, o, e))
    return o


redis = Redis()
server = Server(POLICY, store=redis.url, extra=["--allow-as-of"])
to = ["--server", server.address]


def profile(customer):
    g = server.client.Get(customers.GetRequest(customer_id=customer))
    return {k: getattr(v, v.WhichOneof("kind")) for k, v in g.profile.items()} if g.found else None


def consents(customer):
    g = server.client.Get(customers.GetRequest(customer_id=customer))
    return {(c.channel, c.purpose): (c.granted, c.time_ms, c.source) for c in g.consents}


# ---- good and bad rows ----
mixed = write("mixed.csv", b'\xef\xbb\xbfid,name,tier,spend,note,letter\r\n'
              b'c1,"Ava ""A"", x",gold,120.5,"a\nb",yes\r\n'
              b'\r\n'
              b'c2,Bob,golden,1,,no\n'             # line 5: not in the policy's list; the server says so
              b'c3,"Cy\r\nD",basic,abc,,\n'        # line 6: no number
              b'c4,E"x,basic,1,,1\n'               # line 8: a quote inside
              b',X,basic,1,,1\n'                   # line 9: no id
              b'c5,F,basic\n'                      # line 10: fields missing
              b'c6,\xff,basic,1,,1\n'              # line 11: no UTF-8
              b'c7,G,basic,1,,perhaps\n'           # line 12: neither yes nor no
              + b'x' * 257 + b',H,basic,1,,\n'     # line 13: a long id
              b'c8,\xd9\x85\xd8\xb1\xdb\x8c\xd9\x85,,-0.25e1,,false')
columns = ["--customer-column", "id", "--column", "note=", "--consent", "email:promotional=letter", "--consent", "web:service",
           "--consent-time", "2025-01-15T12:00:00Z", "--consent-source", "old shop"]
rejects = path("rejects.csv")
run("bad rows are left out, each with its line", 1, ["import", mixed, *to, *columns, "--column", "spend=spend:number", "--rejects", rejects],
    out=["2 rows imported (2 new customers), 8 rejected"],
    err=["mixed.csv:5: INVALID_ARGUMENT: profile[tier]: unknown 'golden'; did you mean gold?; allowed: basic, gold",
         "mixed.csv:6: column 'spend': 'abc' is not a decimal number", "mixed.csv:8:5: a quote inside an unquoted field",
         "mixed.csv:9: column 'id': empty; a customer's id has 1 to 256 bytes", "mixed.csv:10: 3 fields; the header has 6",
         "mixed.csv:11:4: not valid UTF-8", "mixed.csv:12: column 'letter': 'perhaps' is not true or false",
         "mixed.csv:13: column 'id': too long"])
check("the good ones are in, with quotes and all", profile("c1") == {"name": 'Ava "A", x', "tier": "gold", "spend": 120.5} and
      profile("c8") == {"name": "مریم", "spend": -2.5}, (profile("c1"), profile("c8")))
check("none of the bad ones is", not any(profile("c%d" % i) for i in range(2, 8)))
given = (1736942400000, "old shop")
check("consents as the column and the option say", consents("c1") == {("email", "promotional"): (True, *given), ("web", "service"): (True, *given)} and
      consents("c8")[("email", "promotional")] == (False, *given), consents("c1"))

with open(rejects, "rb") as f:
    left = f.read()
with open(rejects, newline="", encoding="utf-8", errors="replace") as f:
    lines = f.read().split("\n")
check("the file of rejects has their lines and reasons first", lines[0].rstrip("\r") == "rejected_line,rejected_because,id,name,tier,spend,note,letter" and
      any(x.startswith("10,3 fields; the header has 6,c5,F,basic") for x in lines), lines[:4])
mended = left.replace(b"golden", b"gold").replace(b"abc", b"7").replace(b'E"x', b"Ex").replace(b",,X,", b",c9,X,").replace(
    b",c5,F,basic", b",c5,F,basic,,,").replace(b"\xff", b"u").replace(b"perhaps", b"no").replace(b"x" * 257, b"x" * 256)
run("mended rejects can be imported as they are", 0, ["import", write("mended.csv", mended), *to, *columns, "--column", "spend=spend:number"],
    out=["8 rows imported (8 new customers), 0 rejected"])
check("and are in", profile("c3") == {"name": "Cy\r\nD", "tier": "basic", "spend": 7.0} and profile("x" * 256)["name"] == "H", profile("c3"))

# ---- types ----
types = write("types.csv", "id,name,spend,visits,vip,since,zip\nt1,007,1,3,TRUE,2025-01-15,01234\nt2,true,2.5,-4,no,2025-01-15T15:30:00+03:30,\n")
mapping = [x for c in ("spend=spend:number", "visits=visits:int", "vip=vip:bool", "since=since:time") for x in ("--column", c)]
want = [{"name": "007", "spend": 1.0, "visits": 3, "vip": True, "since": 1736899200000, "zip": "01234"},
        {"name": "true", "spend": 2.5, "visits": -4, "vip": False, "since": 1736942400000}]
run("types from --column", 0, ["import", types, *to, "--customer-column", "id", *mapping])
check("are those that were asked for", [profile("t1"), profile("t2")] == want, [profile("t1"), profile("t2")])
run("types from --policy", 0, ["import", types, *to, "--customer-column", "id", "--policy", POLICY, "--remove-empty"])
check("are the policy's", [profile("t1"), profile("t2")] == want)
write("empty.csv", "id,name,zip\nt1,,\n")
run("an empty cell changes nothing", 0, ["import", path("empty.csv"), *to, "--customer-column", "id"])
check("as it was", profile("t1") == want[0])
run("or removes", 0, ["import", path("empty.csv"), *to, "--customer-column", "id", "--remove-empty"])
check("the attribute", set(profile("t1")) == set(want[0]) - {"name", "zip"})
run("other separators, standard input, JSON", 0, ["import", "-", *to, "--customer-column", "id", "--separator", ";", "--json"],
    stdin="id;name\nt3;a,b\n", out=['{"imported":1,"created":1,"rejected":0,"unfinished":0,"complete":true'])
check("arrived", profile("t3") == {"name": "a,b"})
out = run("JSON of a rejected row", 1, ["import", "-", *to, "--customer-column", "id", "--json"], stdin="id,name\n,b\n")
check("has line and reason", json.loads(out.split("\n")[0]) == {"line": 2, "rejected": "column 'id': empty; a customer's id has 1 to 256 bytes"}, out)

# ---- before anything is sent ----
dry = ["import", "--dry-run", "--policy", POLICY, "--customer-column", "id"]
run("--dry-run with a policy finds what the server would", 1, [*dry, mixed, *columns[2:]],
    err=["mixed.csv:5: profile[tier]: unknown 'golden'; did you mean gold?"], out=["2 rows good, 8 rejected"])
run("an unknown column", 1, [*dry, "-"], stdin="id,teir\n", err=["column 'teir'", "unknown attribute 'teir'; did you mean tier?; allowed: name, tier, spend"])
run("a customer column that is not there", 1, ["import", "--dry-run", "-", "--customer-column", "ib"], stdin="id,tier\n",
    err=["--customer-column: the file has no column 'ib'; did you mean id?; allowed: id, tier"])
run("a mapped column that is not there", 1, [*dry, "-", "--column", "x=tier"], stdin="id,tier\n", err=["the file has no column 'x'"])
run("two columns for one attribute", 1, [*dry, "-", "--column", "t2=tier"], stdin="id,tier,t2\n", err=["two columns, 't2' and 'tier', for attribute 'tier'"])
run("the same name twice", 1, [*dry, "-"], stdin="id,tier,tier\n", err=["two columns are named 'tier'"])
run("an unknown type", 1, [*dry, "-", "--column", "tier=tier:strng"], stdin="id,tier\n", err=["unknown type 'strng'; did you mean string?; allowed: string, number, int, bool, time"])
run("another type than the policy's", 1, [*dry, "-", "--column", "tier=tier:int"], stdin="id,tier\n", err=["the policy declares another type"])
run("an unknown purpose", 1, [*dry, "-", "--consent", "email:promo"], stdin="id\n", err=["unknown purpose 'promo'", "allowed: promotional, service, transactional, ask"])
run("an unknown channel", 1, [*dry, "-", "--consent", "emial:ask"], stdin="id\n", err=["unknown channel 'emial'; did you mean email?; allowed: email, web"])
run("an empty file", 1, [*dry, "-"], stdin="", err=["is empty; its first line names the columns"])
run("a file that is not there", 1, [*dry, "/nonexistent.csv"], err=["/nonexistent.csv: No such file or directory"])
run("a rejects file that is the input", 2, [*dry, mixed, *columns[2:], "--rejects", mixed], err=["is the file to be imported"])
run("no server", 2, ["import", mixed, "--customer-column", "id"], err=["--server ADDRESS is required"])
run("a wrong option", 2, ["import", mixed, "--custmer-column", "id"], err=["did you mean --customer-column?"])
run("--help", 0, ["import", "--help"], out=["--in-flight", "tact import --server"])

# ---- order: the last row of a customer wins, however many are under way ----
with open(path("order.csv"), "w") as f:
    f.write("id,visits\n" + "".join("same-%d,%d\n" % (i % 5, i) for i in range(3000)))
run("3,000 rows of 5 customers", 0, ["import", path("order.csv"), *to, "--customer-column", "id", "--policy", POLICY, "--in-flight", "500"],
    out=["3000 rows imported (5 new customers), 0 rejected"])
check("the last one wins", [profile("same-%d" % i)["visits"] for i in range(5)] == [2995 + i for i in range(5)])

# ---- a hopeless file does not run to its end ----
with open(path("hopeless.csv"), "w") as f:
    f.write("id,tier\n" + "".join("h%d,none\n" % i for i in range(50000)))
started = time.time()
rc, o, e = tact("import", path("hopeless.csv"), *to, "--customer-column", "id")
check("a file of which nothing is taken is stopped early", rc == 1 and "none of the first 100 rows was taken" in e and " 0 rows imported" in o and
      e.count("\n") < 120, (rc, o, e[-300:]))

# ---- a server that is killed and comes back ----
socket = "unix:" + path("tact.sock")
second = Server(POLICY, store=redis.url, extra=["--listen", socket])
ROWS = 60000
with open(path("many.csv"), "w", newline="") as f:
    w = csv.writer(f)
    w.writerow(["id", "name", "visits"])
    w.writerows(["k%d" % i, "name, %d" % i, i] for i in range(ROWS))
p = subprocess.Popen([TACT, "import", path("many.csv"), "--server", socket, "--customer-column", "id", "--policy", POLICY], stdout=subprocess.PIPE,
                     stderr=subprocess.PIPE, text=True)


def wait_for(customer, seconds=60):
    end = time.time() + seconds
    while profile(customer) is None and time.time() < end:
        time.sleep(0.005)
    return profile(customer) is not None


check("the import is under way", wait_for("k2000"))
second.p.send_signal(signal.SIGKILL)
second.p.wait()
check("the server was killed in the middle", profile("k%d" % (ROWS - 1)) is None)
third = Server(POLICY, store=redis.url, extra=["--listen", socket])
out, err = p.communicate(timeout=300)
check("the import goes on with the next server", p.returncode == 0 and "%d rows imported" % ROWS in out, (p.returncode, out, err[-500:]))
wrong = [i for i in list(range(0, ROWS, 97)) + [ROWS - 1] if profile("k%d" % i) != {"name": "name, %d" % i, "visits": i}]
check("every row is in", not wrong, wrong[:5])

# ---- and one that stays away ----
third.stop()
rc, o, e = tact("import", path("many.csv"), "--server", socket, "--customer-column", "id", "--policy", POLICY, "--in-flight", "8")
check("without a server it gives up after a bounded number of attempts, and says where", rc == 1 and "stopped: line" in e and "after 10 attempts: UNAVAILABLE" in e
      and "rows from line 2 on may not be in" in e and " 0 rows imported" in o, (rc, o, e[-500:]))
rc, o, e = tact("import", path("types.csv"), "--server", "nowhere.invalid:1", "--customer-column", "id")
check("an address that is none", rc == 1 and e.startswith("tact import: "), (rc, e))

# ---- the bar ----
try:
    master, slave = pty.openpty()
    os.close(master)
    os.close(slave)
    terminals = True
except OSError:
    terminals = False
    print("skip the progress bar: no terminals can be opened here")
if terminals:
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(TACT, [TACT, "import", path("many.csv"), "--dry-run", "--customer-column", "id", "--policy", POLICY])
    shown = b""
    try:
        while True:
            piece = os.read(fd, 65536)
            if not piece:
                break
            shown += piece
    except OSError:
        pass
    check("a progress bar on a terminal, gone at the end", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 and b"KiB" in shown and b"  [" in shown and
          shown.rfind(b"\x1b[K") < shown.rfind(b"60000 rows good"), shown[-300:])

# ---- signal and decide ----
out = run("signal prints an event id", 0, ["signal", *to, "--customer", "s1", "cart_add", "sku:string=7", "price=60", "count=2", "gift=true", "at=2025-01-15T12:00:00Z"], out=["applied cart_add, event id "])
event = out.split()[-1]
run("the same event id again changes nothing", 0, ["signal", *to, "--customer", "s1", "cart_add", "price=60", "--event-id", event], out=["known already"])
out = run("signal --ago, --json", 0, ["signal", *to, "--customer", "s1", "cart_add", "price=5.5", "--ago", "25h", "--json"], out=['"applied":1,"repeats":0'])
check("with an event id of its own", len(json.loads(out)["event_id"]) == 32 and json.loads(out)["event_id"] != event)
g = server.client.Get(customers.GetRequest(customer_id="s1"))
check("one counts, one is too old", g.features["cart_value"] == "60", g.features)
run("signal: a wrong name", 1, ["signal", *to, "--customer", "s1", "cart_ad"], err=["INVALID_ARGUMENT: signals[0].name: unknown 'cart_ad'; did you mean cart_add?"])
run("signal: a wrong type", 1, ["signal", *to, "--customer", "s1", "cart_add", "sku=7"], err=["expected a string (string_value), got an int"])
run("signal: no property", 2, ["signal", *to, "--customer", "s1", "cart_add", "price"], err=["'price': expected name=value or name:type=value"])
run("signal: a wrong time", 2, ["signal", *to, "--customer", "s1", "cart_add", "--time", "yesterday"], err=["--time: 'yesterday' is no time; write RFC 3339"])
run("signal: a wrong span", 2, ["signal", *to, "--customer", "s1", "cart_add", "--ago", "soon"], err=["--ago: 'soon' is no length of time; write 90s, 15m, 2h"])
run("signal: both times", 2, ["signal", *to, "--customer", "s1", "cart_add", "--ago", "1h", "--time", "2025-01-15T12:00:00Z"], err=["give one"])
decide = ["decide", *to, "--customer", "s1", "--channel"]
out = run("decide", 0, [*decide, "web"], out=["hello (promotional, growth/greetings)", "title: Hello you", "decision ", "handle "])
check("in at most six lines", out.count("\n") <= 6, out)
out = run("decide with a signal: a suppression", 0, [*decide, "web", "--signal", "cart_add:price=70,sku:string='a,b'"],
          out=["nothing: suppression rule, rule big_cart", "the cart is full", "cart_value = 130", "withheld hello", "ends at"])
check("in at most six lines too", out.count("\n") <= 6, out)
out = run("decide --json --explain", 0, [*decide, "web", "--json", "--explain"])
j = json.loads(out)["decision"]
check("is the whole answer", j["suppression"]["rule"] == "big_cart" and j["candidates"][0]["action_id"] == "hello", j)
run("decide --request from standard input", 0, ["decide", *to, "--request", "-"], stdin='{"customer_id": "other", "channel": "web"}', out=["hello (promotional"])
run("decide --request: a misspelt field", 1, ["decide", *to, "--request", "-"], stdin='{"customer_id": "o",\n "chanel": "web"}', err=["line 2: chanel: no such field; did you mean channel?"])
run("decide --request with other parts", 2, ["decide", *to, "--request", "-", "--customer", "o"], stdin="{}", err=["holds the whole request"])
run("decide --as-of", 0, [*decide, "web", "--as-of", "2025-01-15T12:00:00Z"], out=["2025-01-15T12:00:00Z"])
run("decide: a wrong mode", 2, [*decide, "web", "--mode", "book"], err=["--mode: unknown 'book'; allowed: peek, fresh, reserve"])
run("decide: RESERVE on inbound", 1, [*decide, "web", "--mode", "reserve"], err=["INVALID_ARGUMENT: mode: RESERVE is for outbound channels"])
run("decide: no channel", 2, ["decide", *to, "--customer", "s1"], err=["--channel NAME are required"])
run("decide: nobody there", 1, ["decide", "--server", "127.0.0.1:1", "--customer", "s1", "--channel", "web"], err=["tact decide: UNAVAILABLE: cannot connect to 127.0.0.1:1"])
write("evil.csv", b"id,spend\ne1,\x1b[2J\x07evil\n")
rc, o, e = tact("import", path("evil.csv"), *to, "--customer-column", "id", "--column", "spend=spend:number")
check("what stands in a file cannot drive the terminal", rc == 1 and "\x1b" not in e and "evil" in e, e)
check("the server stops in order", server.stop() == 0)
done()

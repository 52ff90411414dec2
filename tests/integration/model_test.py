"""Bundles from a model's file, line-ups and hot swaps, against a real server.

  * `tact model import` makes a bundle of a file that was saved, with rows that were scored elsewhere; `check`, `show`, `diff` and
    `predict` say what is in it; a flipped bit and another model's rows are refused
  * a line-up serves: champion and challenger by a stable share of the customers, a shadow that decides nothing and is counted and
    logged; the log replays to the byte
  * 100 swaps under load: no call fails, each swap takes effect, memory stays flat; a broken bundle changes nothing
  * two swaps while Redis hangs: the newest serves when it is back
  * signals at bad moments: SIGHUP and SIGUSR1 while the server starts, SIGTERM while it loads

SPDX-License-Identifier: Apache-2.0"""
import csv
import filecmp
import json
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time

from harness import ROOT, TACT, WORK, Process, Redis, Server, check, decisions, done, folder

POLICY = os.path.join(ROOT, "tools/examples/retail")
NOW = 1736940000000  # 2025-01-15, afternoon in Tehran
DAY = 86400000


def tact(*args, expect=0):
    p = subprocess.run([TACT, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
    if p.returncode != expect:
        raise AssertionError("%s: exit %d\n%s%s" % (args, p.returncode, p.stdout, p.stderr))
    return p.stdout if expect == 0 else p.stderr


def train(name, seed):
    history, out = os.path.join(WORK, name + ".csv"), os.path.join(WORK, name)
    tact("simulate", "--policy", POLICY, "--customers", "300", "--days", "20", "--seed", str(seed), "--out", history)
    tact("train", "--csv", history, "--config", os.path.join(POLICY, "training/train.yaml"), "--policy", POLICY, "--out", out)
    return out


first, second = train("first", 3), train("second", 4)

# ---- import, check, show, diff, predict ----
golden = os.path.join(first, "golden.csv")
with open(os.path.join(first, "bundle.yaml"), encoding="utf-8") as f:
    description = f.read()
# What the file knows is left out of the description; features keep what only a person knows.
wanted = [line for line in description.splitlines() if not line.startswith(("objective", "model_hash", "name", "version", "metrics", "  \"",
                                                                             "training"))]
features = os.path.join(WORK, "features.yaml")
with open(features, "w", encoding="utf-8") as f:
    f.write("\n".join(wanted) + "\n")
model = os.path.join(first, "model.ubj")
imported = os.path.join(WORK, "imported")
told = json.loads(tact("model", "import", model, "--features", features, "--golden", golden, "--out", imported, "--name", "again", "--json"))
check("a saved file becomes a bundle", told["largest_difference"] <= 1e-6 and told["golden_from"] == "the given margins", told)
drawn = os.path.join(WORK, "drawn")
said = tact("model", "import", model, "--features", features, "--out", drawn)
check("without rows libxgboost gives them", "libxgboost's margins of drawn rows" in said, said)
said = tact("model", "check", imported, "--policy", POLICY)
check("it fits the policy", "fits" in said and "golden rows agree" in said, said)
shown = json.loads(tact("model", "show", imported, "--json"))
check("its features and nodes are shown", shown["name"] == "again" and sum(f["nodes"] for f in shown["features"]) > 100 and
      {f["from"] for f in shown["features"]} == {"customer", "action"}, shown)
diff = json.loads(tact("model", "diff", first, imported, "--json"))
check("the same model differs nowhere", diff["max"] == 0 and diff["rows"] > 10, diff)
diff = json.loads(tact("model", "diff", first, second, "--rows", golden, "--json"))
check("another one does", diff["mean_abs"] > 0 and diff["spearman"] < 0.9999, diff)
rows = list(csv.DictReader(tact("model", "predict", first, "--rows", golden).splitlines()))
with open(golden, encoding="utf-8") as f:
    expected = [float(r["margin"]) for r in csv.DictReader(f)]
check("predictions are the golden rows' own", len(rows) == len(expected) and
      all(abs(float(r["margin"]) - e) <= 1e-5 * max(1, abs(e)) and 0 <= float(r["prediction"]) <= 1 for r, e in zip(rows, expected)))
said = tact("model", "import", os.path.join(second, "model.ubj"), "--features", features, "--golden", golden, "--out",
            os.path.join(WORK, "wrong"), expect=1)
check("rows of another model are refused, with their lines", "golden.csv:2: error: margin is" in said and
      not os.path.exists(os.path.join(WORK, "wrong")), said)
# What a person gets wrong.
with open(golden, encoding="utf-8") as f:
    head, *body = f.read().splitlines(keepends=True)


def golden_as(name, header, rows):
    path = os.path.join(WORK, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(header + "".join(rows))
    return path


def refused(what, wanted, *args):
    said = tact("model", "import", model, "--out", os.path.join(WORK, "refused"), *args, expect=1)
    check(what, all(w in said for w in wanted) and not os.path.exists(os.path.join(WORK, "refused")), said)


described = ("--features", features)
refused("a column called otherwise is not passed over", ["has no column prediction", "'predicition' (did you mean prediction?)"],
        *described, "--golden", golden_as("typo.csv", head.replace("margin", "predicition"), body))
refused("a word that is no category has a suggestion", ["column last_category: 'fashoin' is not among", "did you mean fashion?"],
        *described, "--golden", golden_as("word.csv", head, [line.replace("fashion", "fashoin") for line in body]))
refused("classes are told from chances", ["give the chances"], *described, "--golden",
        golden_as("classes.csv", head.replace("margin", "prediction"), [line.rsplit(",", 1)[0] + ",1\n" for line in body]))
contrary = os.path.join(WORK, "contrary.yaml")
with open(contrary, "w", encoding="utf-8") as f:
    f.write("objective: reg:squarederror\noutputs: 3\n")
refused("what contradicts the file stands at its line", ["contrary.yaml:1:12: error: ", "was trained for binary:logistic",
                                                         "contrary.yaml:2:10: error: ", "has 1 output a row"], "--features", contrary)
empty_cells = [re.sub("(?<=,)(?=,)", "nan", line) for line in body]
told = json.loads(tact("model", "import", model, *described, "--golden", golden_as("nan.csv", head, empty_cells), "--out",
                       os.path.join(WORK, "made/with/it"), "--json"))
check("nan is missing, as an empty cell is, and folders are made", "".join(empty_cells) != "".join(body) and told["largest_difference"] <= 1e-6, told)
broken = os.path.join(WORK, "broken")
shutil.copytree(first, broken)
with open(os.path.join(broken, "model.ubj"), "r+b") as f:
    f.seek(os.path.getsize(os.path.join(broken, "model.ubj")) // 2)
    byte = f.read(1)[0]
    f.seek(-1, os.SEEK_CUR)
    f.write(bytes([byte ^ 1]))
said = tact("model", "check", broken, expect=1)
check("a flipped bit is refused", "not the file that bundle.yaml was written for" in said, said)
said = tact("model", "import", os.path.join(WORK, "nothing.ubj"), "--out", os.path.join(WORK, "x"), expect=1)
check("a file that is not there is named", "nothing.ubj" in said, said)
check("help has an example", "tact model import model.ubj" in tact("model", "import", "--help"))

# ---- a line-up ----
lineup = folder("lineup")
shutil.copytree(first, os.path.join(lineup, "champion"))
shutil.copytree(second, os.path.join(lineup, "challenger"))
shutil.copytree(second, os.path.join(lineup, "shadow"))
with open(os.path.join(lineup, "shadow", "bundle.yaml"), "r+", encoding="utf-8") as f:
    text = f.read()
    contrary = "\n".join("calibration: {platt: {a: -3, b: 0}}" if line.startswith("calibration:") else line for line in text.splitlines())
    f.seek(0)
    f.truncate()
    f.write(contrary + "\n")
assert contrary != text.rstrip("\n")
with open(os.path.join(lineup, "models.yaml"), "w") as f:
    f.write("""salt: test
models:
  - name: offers
    champion: champion
    challengers: [{bundle: challenger, share: 0.25}]
    shadows: [shadow]
""")


def check_policy():
    """Some of the policy's own tests fail with so small a model; whether it loads is what counts here."""
    return subprocess.run([TACT, "check", POLICY, "--model", lineup], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


said = check_policy()
check("tact check takes a line-up", " actions, " in said, said)
shown = json.loads(tact("model", "show", lineup, "--json"))
check("a line-up is shown with its bundles' ids", [(m["bundle"], m["role"]) for m in shown["entries"][0]["models"]] ==
      [("champion", "champion"), ("challenger", "challenger"), ("shadow", "shadow")] and
      all(len(m["id"]) == 32 for m in shown["entries"][0]["models"]), shown)
said = tact("model", "check", lineup, "--policy", POLICY)
check("a line-up is checked", said.count("golden rows agree") == 3 and "lineup fits" in said, said)
said = tact("model", "predict", lineup, "--rows", golden, expect=1)
check("where one bundle is wanted a line-up is told", "is a line-up" in said, said)
# What lies beside is nobody's: neither read nor archived.
os.mkdir(os.path.join(lineup, "old"))
with open(os.path.join(lineup, "old", "model.ubj"), "w") as f:
    f.truncate(300 << 20)
data = folder("lineup-data")
server = Server(POLICY, data=data, extra=["--model", lineup, "--allow-as-of", "--name", "lineup"])


def decide(client, customer, at=NOW, lively=False):
    """Lively customers have just looked at something, so that models may be of different minds about them."""
    request = decisions.DecideRequest(customer_id=customer, channel="web", placements=["home_hero"], as_of_ms=at)
    r = random.Random(customer)
    for i in range(r.randrange(4) if lively else 0):
        s = request.signals.add(event_id="%s-%d" % (customer, i), name="page_view", time_ms=at - r.randrange(5 * DAY))
        s.properties["category"].string_value = r.choice(["fashion", "electronics", "home"])
    return client.Decide(request).decision


one = decide(server.client, "c0")
used = {}
for i in range(400):
    d = decide(server.client, "c%d" % i, lively=True)
    assert len(d.models) == 1 and d.models[0].entry == "offers", d.models
    used["c%d" % i] = d.models[0].bundle
    assert d.models[0].challenger == (d.models[0].bundle == "challenger")
share = sum(b == "challenger" for b in used.values()) / len(used)
check("the challenger has its share", abs(share - 0.25) < 0.09, share)
again = Server(POLICY, data=folder("lineup-other"), extra=["--model", lineup, "--allow-as-of"])
check("another server gives each customer the same model",
      all(decide(again.client, c).models[0].bundle == b for c, b in list(used.items())[:100]))
again.stop()
stats = server.stats()
check("the shadow is counted", stats["shadow_offers_shadow"] == stats["decisions_ok"] and 0 < stats["shadow_offers_shadow_differ"] <= stats["shadow_offers_shadow"] and
      stats["shadow_offers_shadow_mean_abs"] > 0 and stats["shadow_offers_shadow_failed"] == 0, stats)
check("it stops", server.stop() == 0)
kept = os.path.join(data, "log", "model")
kept = os.path.join(kept, *os.listdir(kept))
names = sorted(os.path.relpath(os.path.join(at, f), kept) for at, _, files in os.walk(kept) for f in files)
check("the archive has the very files that serve, and no others", names == sorted(
    [os.path.join(b, f) for b in ("champion", "challenger", "shadow") for f in ("bundle.yaml", "golden.csv", "model.ubj")] + ["models.yaml"]) and
      all(filecmp.cmp(os.path.join(kept, n), os.path.join(lineup, n), shallow=False) for n in names), names)
out = tact("replay", "--verify", os.path.join(data, "log"))
check("its log replays to the byte", "401" in out and (" 0 differ" in out or "0 differing" in out), out)
shutil.rmtree(os.path.join(lineup, "challenger"))
said = check_policy()
check("a bundle that is missing is named, with its line", "models.yaml:5:" in said and "challenger" in said, said)

# ---- swaps under load ----
link, SWAPS, THREADS = os.path.join(WORK, "serving"), 100, 4


def turn(to):
    os.symlink(to, link + ".fresh")
    os.rename(link + ".fresh", link)


def rss_kb(server):
    with open("/proc/%d/statm" % server.p.pid) as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


turn(first)
server = Server(POLICY, data=folder("swap-data"), extra=["--model", link, "--allow-as-of", "--log-batched"])
stop, calls, errors, seen = threading.Event(), [0] * THREADS, [], [set() for _ in range(THREADS)]


def load(n):
    r = random.Random(n)
    while not stop.is_set():
        try:
            d = decide(server.client, "c%d" % r.randrange(500), NOW + r.randrange(20 * DAY))
            seen[n].add(d.model_id)
            calls[n] += 1
        except Exception as e:  # noqa: BLE001 whatever it is, no call may fail
            errors.append(e)
            return


def readies():
    return [line for line in server.lines if line and line.startswith("ready ")]


def swap(to):
    """Returns what the server says when the other model serves."""
    before = len(readies())
    turn(to)
    server.p.send_signal(signal.SIGHUP)
    end = time.monotonic() + 60
    while len(readies()) == before and time.monotonic() < end:
        time.sleep(0.002)
    return readies()[-1]


threads = [threading.Thread(target=load, args=(n,)) for n in range(THREADS)]
for t in threads:
    t.start()
told, memory = [], []
for i in range(SWAPS):
    told.append(swap((second, first)[i % 2]))
    if i == 19:
        memory.append(rss_kb(server))
memory.append(rss_kb(server))
models = [dict(w.split("=") for w in line.split()[1:])["model"] for line in told]
check("every swap takes effect", len(set(models)) == 2 and all(a != b for a, b in zip(models, models[1:])), models[:6])
before = len(readies())
turn(broken)
server.p.send_signal(signal.SIGHUP)
end = time.monotonic() + 30
while not any(line and "reload refused" in line for line in server.lines) and time.monotonic() < end:
    time.sleep(0.01)
check("a broken bundle changes nothing", any(line and "reload refused" in line for line in server.lines) and len(readies()) == before and decide(server.client, "c1").model_id == models[-1])
stop.set()
for t in threads:
    t.join()
check("no call fails while models are swapped", not errors and sum(calls) > 500, (errors[:2], calls))
check("both models decided", set(models) <= set.union(*seen))
check("memory stays where it was", memory[1] <= memory[0] * 1.1 + 2048, memory)
print("    %d swaps, %d calls, %d KiB after 20 swaps, %d at the end" % (SWAPS, sum(calls), *memory))
check("it stops while it reloads", (server.p.send_signal(signal.SIGHUP), server.stop())[1] == 0)

# ---- swaps while the store hangs ----
turn(first)
redis = Redis()
server = Server(POLICY, store=redis.url, data=folder("hang-data"), extra=["--model", link])
archive = os.path.join(server.data, "log", "model")


def archived():
    return {f for f in os.listdir(archive) if not f.startswith(".")}


def swap_unseen(to):
    """Returns when the other model is loaded, with its id: it is in the archive then."""
    before = archived()
    turn(to)
    server.p.send_signal(signal.SIGHUP)
    end = time.monotonic() + 30
    while archived() == before and time.monotonic() < end:
        time.sleep(0.01)
    return (archived() - before).pop()


redis.p.send_signal(signal.SIGSTOP)
newest = [swap_unseen(to) for to in (second, imported)][-1]
redis.p.send_signal(signal.SIGCONT)
end = time.monotonic() + 30
while not any(newest in line for line in readies()) and time.monotonic() < end:
    time.sleep(0.01)
check("of two models that were loaded while Redis hung the newest serves", newest in readies()[-1] and server.p.poll() is None,
      server.lines[-5:])
check("it stops after that", server.stop() == 0)

# ---- signals at bad moments ----
# Models that take a while: sixteen bundles of 10,000 golden rows.
heavy, slow = os.path.join(WORK, "heavy"), folder("slow")
shutil.copytree(first, heavy)
with open(golden, encoding="utf-8") as f:
    head, *body = f.readlines()
with open(os.path.join(heavy, "golden.csv"), "w", encoding="utf-8") as f:
    f.write(head + "".join(body[i % len(body)] for i in range(10000)))
for i in range(16):
    os.symlink(heavy, os.path.join(slow, "m%d" % i))
with open(os.path.join(slow, "models.yaml"), "w") as f:
    f.write("models: [{champion: m0, shadows: [%s]}]\n" % ", ".join("m%d" % i for i in range(1, 16)))


def catches(pid, number):
    with open("/proc/%d/status" % pid) as f:
        masks = dict(line.split(":") for line in f)
    return int(masks["SigCgt"], 16) >> (number - 1) & 1


data = folder("slow-data")
starting = Process([TACT, "serve", "--policy", POLICY, "--model", slow, "--data", data, "--listen", "127.0.0.1:0"])
while starting.p.poll() is None and not catches(starting.p.pid, signal.SIGUSR1):
    time.sleep(0.001)
early = not starting.lines
for number in (signal.SIGHUP, signal.SIGUSR1):
    starting.p.send_signal(number)
starting.wait_line("ready ")
check("it starts through SIGHUP and SIGUSR1", early and starting.p.poll() is None)
starting.wait_line("ready ", start=starting.lines.index(starting.wait_line("ready ")) + 1)
check("the SIGHUP that came early is obeyed", True)
starting.p.send_signal(signal.SIGHUP)
time.sleep(0.2)
code = starting.stop()
check("SIGTERM ends it in the middle of a load", code == 0 and any(line and "stopped during a load" in line for line in starting.lines),
      (code, starting.lines[-5:]))
out = tact("replay", "--verify", os.path.join(data, "log"))
check("its log is whole", "0 damaged" in out or "damage" not in out, out)
done()

"""tact train as a person calls it: the retail example from simulated history to a bundle that its policy takes, the same bytes again,
what does not fit the policy with its place in train.yaml, and an interrupted training that leaves nothing behind.
SPDX-License-Identifier: Apache-2.0"""
import filecmp
import json
import os
import signal
import subprocess
import time

from harness import ROOT, TACT, WORK, Server, check, decisions, done

POLICY = os.path.join(ROOT, "tools/examples/retail")
CONFIG = os.path.join(POLICY, "training/train.yaml")
FOLDER = os.path.join(WORK, "train")
DATA = os.path.join(FOLDER, "history.csv")
os.mkdir(FOLDER)
subprocess.run([TACT, "simulate", "--policy", POLICY, "--customers", "300", "--days", "20", "--seed", "3", "--out", DATA], check=True,
               stdout=subprocess.DEVNULL)


def train(out, config=CONFIG, *more):
    return subprocess.run([TACT, "train", "--csv", DATA, "--config", config, "--out", os.path.join(FOLDER, out), *more],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def changed(name, old, new):
    path = os.path.join(FOLDER, name)
    text = open(CONFIG).read()
    assert old in text
    with open(path, "w") as f:
        f.write(text.replace(old, new, 1))
    return path


p = train("one", CONFIG, "--policy", POLICY, "--json")
check("retail trains", p.returncode == 0, p.stderr[-2000:])
report = json.loads(p.stdout)
auc = report["test"]["models"][0]["auc"]
check("the report has figures with intervals", 0.5 < auc["value"] < 1 and auc["low"] < auc["value"] < auc["high"], auc)
check("warnings are counted", report["warning_count"] == len(report["warnings"]) == p.stderr.count(": warning: "), p.stderr[-2000:])
check("the policy takes the bundle", subprocess.run([TACT, "check", POLICY, "--model", os.path.join(FOLDER, "one")],
                                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.find(b"error") < 0)
p = train("two")
names = sorted(os.listdir(os.path.join(FOLDER, "one")))
check("the report for people names the bundle", "wrote " + os.path.join(FOLDER, "two") in p.stdout, p.stdout[-500:])
check("the same bytes again", filecmp.cmpfiles(os.path.join(FOLDER, "one"), os.path.join(FOLDER, "two"), names, False)[0] == names)
p = train("two")
check("nothing is overwritten", p.returncode == 1 and "exists already and is not empty" in p.stderr, p.stderr)

p = train("one/bundle.yaml/at/all")
check("where a bundle cannot be made is told before training", p.returncode == 1 and "cannot be made" in p.stderr and
      "one/bundle.yaml" in p.stderr, p.stderr)
p = train("new/at/all")
check("folders above it are made", p.returncode == 0 and os.path.exists(os.path.join(FOLDER, "new/at/all/bundle.yaml")), p.stderr)

p = train("three", changed("renamed.yaml", "name: views_7d", "name: view_7d, column: views_7d"), "--policy", POLICY)
check("a feature that the policy lacks stands at its line", p.returncode == 1 and "renamed.yaml:" in p.stderr and
      ": error: feature view_7d: the policy has no feature of this name; did you mean views_7d?" in p.stderr, p.stderr[-1000:])
p = train("three", changed("typed.yaml", "name: did_not_fit, type: bool", "name: did_not_fit, type: category"), "--policy", POLICY)
check("so does one of another type", p.returncode == 1 and "error: feature did_not_fit: the policy's values are" in p.stderr,
      p.stderr[-1000:])
p = train("three", changed("action.yaml", "action: {column: action}", "action: {column: last_category, silence: [\"\"]}"), "--policy", POLICY)
check("an action that the policy lacks is named", p.returncode == 1 and "has no action fashion" in p.stderr, p.stderr[-1000:])
# Dates without a zone: what training read in a zone is served the same when import is told the zone. On Wednesdays people respond.
DATED = os.path.join(FOLDER, "dated")
os.mkdir(DATED)
with open(os.path.join(DATED, "policy.yaml"), "w") as f:
    f.write("""brand: {name: T, time_zone: America/Chicago, locales: [en]}
profile: {joined: timestamp}
features: {weekday: {expr: "profile.joined.getDayOfWeek('America/Chicago')"}}
channels: {web: {direction: inbound}}
actions:
  - {id: hello, issue: a, group: b, purpose: service, value: 1.0, treatments: [{channel: web, title: Hello}]}
""")
with open(os.path.join(FOLDER, "dated.yaml"), "w") as f:
    f.write("name: d\nkind: propensity\ndata: {time_zone: America/Chicago}\nlabel: {column: y}\nmodel: {rounds: 60, max_depth: 3, eta: 0.3}\n"
            "features: [{name: weekday, column: joined, type: date, part: day_of_week}]\n")
with open(os.path.join(FOLDER, "dated.csv"), "w") as f:
    f.write("joined,y\n")
    for i in range(4200):
        day = 1 + i % 28  # 2024-05-01 is a Wednesday
        f.write("2024-05-%02d,%d\n" % (day, (i % 10 != 0) if day % 7 == 1 else (i % 10 == 0)))
p = subprocess.run([TACT, "train", "--csv", os.path.join(FOLDER, "dated.csv"), "--config", os.path.join(FOLDER, "dated.yaml"), "--out",
                    os.path.join(FOLDER, "dated-bundle"), "--policy", DATED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
check("dates in a zone come with a word of warning", p.returncode == 0 and "--time-zone America/Chicago" in p.stderr, p.stderr[-1000:])
with open(os.path.join(FOLDER, "people.csv"), "w") as f:
    f.write("id,joined\nwed,2024-05-01\nthu,2024-05-02\n")
server = Server(DATED, extra=["--model", os.path.join(FOLDER, "dated-bundle")])
p = subprocess.run([TACT, "import", "--server", server.address, os.path.join(FOLDER, "people.csv"), "--customer-column", "id", "--policy", DATED,
                    "--time-zone", "America/Chicago"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
served = {who: server.client.Decide(decisions.DecideRequest(customer_id=who, channel="web")).decision.choices[0].factors.propensity
          for who in ("wed", "thu")}
check("dates are served as they were trained", p.returncode == 0 and served["wed"] > 0.7 and served["thu"] < 0.3, (served, p.stderr))
p = subprocess.run([TACT, "import", "--server", server.address, os.path.join(FOLDER, "people.csv"), "--customer-column", "id", "--policy", DATED,
                    "--time-zone", "America/Chicag"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
check("a zone that is none", p.returncode == 1 and "did you mean America/Chicago?" in p.stderr, p.stderr)
server.stop()

check("wrong usage", subprocess.run([TACT, "train", "--csv", DATA], stderr=subprocess.DEVNULL).returncode == 2)

p = train("rows", CONFIG, "--test-rows", os.path.join(FOLDER, "test.csv"), "--json")
report = json.loads(p.stdout)
lines, rows = open(DATA).read().splitlines(), open(os.path.join(FOLDER, "test.csv")).read().splitlines()
check("the test rows are in a file", rows[0] == lines[0] and len(rows) == 1 + report["rows"]["test"] and report["test_rows"].endswith("test.csv"),
      len(rows))
places = iter(lines[1:])
check("as they stand in the table and in its order", all(row in places for row in rows[1:]))
bins = report["test"]["models"][0]["calibration"]
check("ten groups of rows by prediction", len(bins) == 10 and sum(b["rows"] for b in bins) == report["rows"]["test"] and
      all(a["predicted"] <= b["predicted"] for a, b in zip(bins, bins[1:])), bins)
packed = subprocess.run("cat '%s' | zstd -qc" % DATA, shell=True, stdout=subprocess.PIPE, check=True).stdout
p = subprocess.run([TACT, "train", "--csv", "-", "--config", CONFIG, "--out", os.path.join(FOLDER, "piped"), "--test-rows",
                    os.path.join(FOLDER, "piped.csv")], input=packed, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
check("the same from a compressed pipe", p.returncode == 0 and filecmp.cmp(os.path.join(FOLDER, "test.csv"), os.path.join(FOLDER, "piped.csv"), False),
      p.stderr[-1000:])
lines = p.stdout.decode().splitlines()
check("the report for people fits a page", all(len(line) <= 110 and line == line.rstrip() for line in lines if "/" not in line), lines)


def started(p, number):
    """Until it listens to the signal."""
    end = time.time() + 60
    while time.time() < end:
        caught = [line for line in open("/proc/%d/status" % p.pid) if line.startswith("SigCgt")]
        if caught and int(caught[0].split()[1], 16) >> (number - 1) & 1:
            return
    raise AssertionError("it never listens to signals")


def interrupted(name, p, number):
    p.send_signal(number)
    text = p.communicate(timeout=120)[1].decode()
    check("%s while %s ends it with 130" % (number.name, name), p.returncode == 130 and "stopped before the training was done" in text,
          (p.returncode, text[-500:]))


def traced(*options, **more):
    return subprocess.Popen([TACT, "train", "--config", slow, "--out", os.path.join(FOLDER, "never"), "--test-rows", os.path.join(FOLDER, "test.csv"),
                             *options], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, **more)


def busy(p, seconds):
    """Until the process has worked so long."""
    def worked():
        fields = open("/proc/%d/stat" % p.pid).read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    while p.poll() is None and worked() < seconds:
        time.sleep(0.01)


slow = changed("slow.yaml", "rounds: 60", "rounds: 10000")
before = sorted(os.listdir(FOLDER))
rows = open(os.path.join(FOLDER, "test.csv")).read()
for number in (signal.SIGINT, signal.SIGTERM):
    p = traced("--csv", DATA)
    started(p, number)
    interrupted("beginning", p, number)
    p = traced("--csv", DATA)
    busy(p, 1)  # reading takes less than a tenth of that, and 10,000 rounds much more
    interrupted("fitting", p, number)
    p = traced("--csv", "-", stdin=subprocess.PIPE)
    started(p, number)
    p.stdin.write(open(DATA, "rb").read()[:1 << 20])  # more of it never comes
    p.stdin.flush()
    interrupted("reading", p, number)
check("nothing is left behind", sorted(os.listdir(FOLDER)) == before, os.listdir(FOLDER))
check("an older file of test rows stays as it was", open(os.path.join(FOLDER, "test.csv")).read() == rows)
done()

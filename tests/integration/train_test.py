"""tact train as a person calls it: the retail example from simulated history to a bundle that its policy takes, the same bytes again,
what does not fit the policy with its place in train.yaml, and an interrupted training that leaves nothing behind.
SPDX-License-Identifier: Apache-2.0"""
import filecmp
import json
import os
import signal
import subprocess
import time

from harness import ROOT, TACT, WORK, check, done

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

p = train("three", changed("renamed.yaml", "name: views_7d", "name: view_7d, column: views_7d"), "--policy", POLICY)
check("a feature that the policy lacks stands at its line", p.returncode == 1 and "renamed.yaml:" in p.stderr and
      ": error: feature view_7d: the policy has no feature of this name; did you mean views_7d?" in p.stderr, p.stderr[-1000:])
p = train("three", changed("typed.yaml", "name: did_not_fit, type: bool", "name: did_not_fit, type: category"), "--policy", POLICY)
check("so does one of another type", p.returncode == 1 and "error: feature did_not_fit: the policy's feature is no string" in p.stderr,
      p.stderr[-1000:])
p = train("three", changed("action.yaml", "action: {column: action}", "action: {column: last_category, silence: [\"\"]}"), "--policy", POLICY)
check("an action that the policy lacks is named", p.returncode == 1 and "has no action fashion" in p.stderr, p.stderr[-1000:])
check("wrong usage", subprocess.run([TACT, "train", "--csv", DATA], stderr=subprocess.DEVNULL).returncode == 2)

before = sorted(os.listdir(FOLDER))
slow = changed("slow.yaml", "rounds: 60", "rounds: 10000")
for number in (signal.SIGINT, signal.SIGTERM):
    p = subprocess.Popen([TACT, "train", "--csv", DATA, "--config", slow, "--out", os.path.join(FOLDER, "never")], stderr=subprocess.PIPE)
    end = time.time() + 60
    while time.time() < end:  # until it listens to the signal
        caught = [line for line in open("/proc/%d/status" % p.pid) if line.startswith("SigCgt")]
        if caught and int(caught[0].split()[1], 16) >> (number - 1) & 1:
            break
    p.send_signal(number)
    text = p.communicate(timeout=120)[1].decode()
    check("%s ends it with 130" % number.name, p.returncode == 130 and "stopped before the training was done" in text, (p.returncode, text[-500:]))
check("nothing is left behind", sorted(os.listdir(FOLDER)) == sorted(before + ["slow.yaml"]), os.listdir(FOLDER))
done()

"""Real people: the Hillstrom campaign. Five folds times four seeds over all 64,000 customers, out of fold and doubly robust: at a
contact cost of .077 visits the learned policy's net value is at least that of the best constant arm less .001, with 30 to 70%
silent; at cost 0 it is within .002 of men's mail for all. Then tools/demo hillstrom, in which the held-out half is decided over gRPC
and by the offline function, for every customer the same. And tools/demo bank-marketing.

SPDX-License-Identifier: Apache-2.0"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.dom.minidom

from real_data import ROOT, Checks, need

TACT = os.path.abspath(sys.argv[1])
HILLSTROM, BANK = need("hillstrom/hillstrom.csv.zst", "bank-marketing/bank-additional-full.csv.zst")
EXAMPLE = os.path.join(ROOT, "tools/examples/hillstrom")
WORK = tempfile.mkdtemp(prefix="tact-hillstrom-")
check = Checks()


def train(seed, config="training/train.yaml"):
    """Cross-validated values by (cost, policy); the folds are drawn anew by the split's seed."""
    text = open(os.path.join(EXAMPLE, config)).read()
    text, n = re.subn(r"(split: \{test: [\d.]+, seed: )\d+", r"\g<1>%d" % seed, text)
    assert n == 1
    path = os.path.join(WORK, "train-%d.yaml" % seed)
    with open(path, "w") as f:
        f.write(text)
    out = subprocess.run([TACT, "train", "--csv", HILLSTROM, "--config", path, "--out", os.path.join(WORK, "bundle-%d" % seed), "--policy", EXAMPLE,
                          "--seed", str(seed), "--json"], stdout=subprocess.PIPE, check=True, text=True).stdout
    report = json.loads(out)
    assert report["policies_from"] == "cv" and report["cv"]["models"][0]["rows"] == 64000
    return {(p["cost"], p["policy"]): p for p in report["policies"]}


def demo(name, file):
    p = subprocess.run([os.path.join(ROOT, "tools/demo"), name, file], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    check(p.returncode == 0, "tools/demo %s ends well" % name)
    if p.returncode:
        print(p.stdout)
    return p.stdout


values = set()
for seed in range(1, 5):
    found = train(seed)
    best, men = found[(0.077, "best of all")], found[(0.0, "all mens_mail")]
    constants = {p: v["value"]["value"] for (c, p), v in found.items() if c == 0.077 and p != "best of all"}
    arm = max(constants, key=constants.get)
    values.add(best["value"]["value"])
    check(best["value"]["value"] >= constants[arm] - 0.001, "seed %d, cost .077: net value %.4f, best constant (%s) %.4f" % (
        seed, best["value"]["value"], arm, constants[arm]))
    check(0.3 <= best["silent"] <= 0.7, "seed %d, cost .077: %.1f%% silent" % (seed, 100 * best["silent"]))
    free = found[(0.0, "best of all")]["value"]["value"]
    check(free >= men["value"]["value"] - 0.002 and free >= 0.1828 - 0.002, "seed %d, cost 0: %.4f, men's mail for all %.4f" % (
        seed, free, men["value"]["value"]))
check(len(values) == 4, "four seeds, four different sets of folds")

said = demo("hillstrom", HILLSTROM)
check("32000 customers, 0 decided otherwise than over gRPC" in said, "32,000 customers decided the same over gRPC and offline")
row = re.search(r"less 0\.077 visits.*?column decided +([\d.]+) .*?arm silence +([\d.]+) .*?arm mens_mail +([\d.]+) ", said, re.S)
check(row and float(row.group(1)) >= max(float(row.group(2)), float(row.group(3))) - 0.004,
      "net value of the served half: %s" % (", ".join(row.groups()) if row else "not printed"))
check(xml.dom.minidom.parse(os.path.join(ROOT, "build/hillstrom.svg")).getElementsByTagName("path").length >= 6, "a curve over the cost of a mail")

said = demo("bank-marketing", BANK)
row = re.search(r"worth, .*?: (-?[\d.]+) a person when all are called, (-?[\d.]+) as decided", said)
check(row and float(row.group(2)) > float(row.group(1)) > 0, "bank: worth %s" % (" and ".join(row.groups()) if row else "not printed"))
rates = [float(x) for x in re.findall(r"^  (?:\d|6 and more) +\d+ +([\d.]+) %", said, re.M)]
check(len(rates) == 6 and rates == sorted(rates, reverse=True), "bank: expected deposits fall with the calls so far: %s" % rates)
check("suppression rule, rule complained" in said, "bank: who complained is left alone")

shutil.rmtree(WORK)
check.done()

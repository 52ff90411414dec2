"""Off-policy estimators on real logs (Open Bandit, men's campaign) against an implementation of their definitions in Python: with
expected rewards given, as a table and as columns, IPS, clipped IPS, SNIPS, the direct method, doubly robust and SWITCH-DR agree to
1e-9, over all rows and at each position. The evaluation policy: how often the Thompson log shows each item at each position.

SPDX-License-Identifier: Apache-2.0"""
import collections
import csv
import io
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile

from real_data import Checks, need

TACT = os.path.abspath(sys.argv[1])
BTS, RANDOM = need("open-bandit-men/bts/men.csv.zst", "open-bandit-men/random/men.csv.zst")
WORK = tempfile.mkdtemp(prefix="tact-ope-")
check = Checks()


def load(path):
    text = subprocess.run(["zstd", "-dc", path], check=True, stdout=subprocess.PIPE).stdout.decode()
    return list(csv.DictReader(io.StringIO(text)))


def write(name, header, rows):
    path = os.path.join(WORK, name)
    with open(path, "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(header)
        w.writerows(rows)
    return path


def evaluate(*args):
    p = subprocess.run([TACT, "evaluate", "--json"] + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if p.returncode != 0:
        raise SystemExit("tact evaluate failed: " + p.stderr)
    return [json.loads(line) for line in p.stdout.splitlines()]


def estimators(rows, target, expected, clip, switch):
    """From the definitions; rows: (action, position, reward, p, index), target[(action, position)], expected(action, row)."""
    n = len(rows)
    w = [target.get((a, pos), 0.0) / p for a, pos, r, p, i in rows]
    reward = [r for a, pos, r, p, i in rows]
    q = [expected(a, row) for row in rows for a in [row[0]]]
    v = [math.fsum(target[(a, row[1])] * expected(a, row) for a in ACTIONS if (a, row[1]) in target) for row in rows]
    return {
        "ips": math.fsum(x * r for x, r in zip(w, reward)) / n,
        "clipped_ips": math.fsum(min(x, clip) * r for x, r in zip(w, reward)) / n,
        "snips": math.fsum(x * r for x, r in zip(w, reward)) / math.fsum(w),
        "dm": math.fsum(v) / n,
        "dr": math.fsum(b + x * (r - c) for x, r, b, c in zip(w, reward, v, q)) / n,
        "switch_dr": math.fsum(b + (x * (r - c) if x <= switch else 0.0) for x, r, b, c in zip(w, reward, v, q)) / n,
    }, {"mean_weight": math.fsum(w) / n, "effective_rows": math.fsum(w) ** 2 / math.fsum(x * x for x in w), "largest_weight": max(w)}


def compare(what, got, want):
    worst = max(abs(got["figures"][k]["value"] - want[0][k]) for k in want[0])
    check(set(want[0]) == set(got["figures"]) and worst <= 1e-9, "%s: six estimators differ by at most %.1e" % (what, worst))
    worst = max(abs(got[k] - want[1][k]) / max(1, abs(want[1][k])) for k in want[1])
    check(worst <= 1e-9, "%s: weights' figures differ by at most %.1e" % (what, worst))


thompson, uniform = load(BTS), load(RANDOM)
ACTIONS = sorted({r["item_id"] for r in thompson} | {r["item_id"] for r in uniform})
shown, total = collections.Counter(), collections.Counter()
for r in thompson:
    shown[(r["item_id"], r["position"])] += 1
    total[r["position"]] += 1
target = {k: c / total[k[1]] for k, c in shown.items()}
table = write("target.csv", ["action", "position", "probability"], [[a, p, repr(x)] for (a, p), x in sorted(target.items())])
columns = ["--action", "item_id", "--position", "position", "--reward", "click", "--probability", "propensity_score"]

# A matrix of expected rewards that depends on the row, and a table that does not.
rng = random.Random(5)
matrix = [[round(rng.random() * 0.02, 9) for _ in ACTIONS] for _ in uniform]
number = {a: k for k, a in enumerate(ACTIONS)}
given = write("given.csv", ["item_id", "position", "click", "propensity_score"] + ["q_" + a for a in ACTIONS],
              [[r["item_id"], r["position"], r["click"], r["propensity_score"]] + ["%.9f" % q for q in m] for r, m in zip(uniform, matrix)])
fixed = {(a, p): round(rng.random() * 0.02, 9) for a in ACTIONS for p in sorted(total)}
expected_table = write("expected.csv", ["action", "position", "reward"], [[a, p, "%.9f" % q] for (a, p), q in fixed.items()])

rows = [(r["item_id"], r["position"], float(r["click"]), float(r["propensity_score"]), i) for i, r in enumerate(uniform)]
for clip, switch in ((10, 10), (2, 1.5)):
    common = columns + ["--target-table", table, "--clip", str(clip), "--switch", str(switch), "--resamples", "50", "--by-position"]
    for what, args, expected in (("columns", ["--csv", given, "--expected-columns", "q_"], lambda a, row: matrix[row[4]][number[a]]),
                                 ("table", ["--csv", given, "--expected-table", expected_table], lambda a, row: fixed[(a, row[1])])):
        lines = evaluate(*args, *common)
        for line in lines[1:]:
            at = line.get("position")
            some = [r for r in rows if at is None or r[1] == at]
            compare("clip %g, rewards by %s, %s" % (clip, what, "position " + at if at else "all rows"), line, estimators(some, target, expected, clip, switch))

# The other way round: uniform from the Thompson log leans on few rows with large weights, and says so.
bts = write("bts.csv", ["item_id", "position", "click", "propensity_score"], [[r["item_id"], r["position"], r["click"], r["propensity_score"]] for r in thompson])
line = evaluate("--csv", bts, *columns, "--uniform", "--reward-range", "0:1")[1]
check(line["largest_weight"] > 100 and {"small_probability", "clipped"} <= set(line["warnings"]),
      "uniform from the Thompson log: largest weight %.0f, warnings %s" % (line["largest_weight"], ", ".join(line["warnings"])))
truth = sum(float(r["click"]) for r in uniform) / len(uniform)
check(line["sequence"][0] <= truth <= line["sequence"][1], "the sequence that holds at any time has the uniform log's own mean, %.4f, inside" % truth)
said = subprocess.run([TACT, "evaluate", "--csv", bts] + columns + ["--uniform"], stdout=subprocess.PIPE, text=True).stdout
check("clipping at 10" in said and "below" in said, "and people are told in words")

# A policy that the log can say nothing of is not to be trusted.
lonely = write("lonely.csv", ["action", "position", "probability"], [["brand-new", p, 1] for p in sorted(total)])
line = evaluate("--csv", bts, *columns, "--target-table", lonely)[1]
check(not line["trusted"] and "no_support" in line["warnings"], "an action that was never shown: %s" % ", ".join(line["warnings"]))
gate = subprocess.run([TACT, "evaluate", "--csv", bts] + columns + ["--target-table", lonely, "--gate"], stdout=subprocess.PIPE, text=True)
check(gate.returncode == 1 and "DO NOT TRUST" in gate.stdout and "FAILED" in gate.stdout, "and the gate holds it back")

shutil.rmtree(WORK)
check.done()

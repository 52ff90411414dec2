"""Real campaigns, trained by `tact train` and measured against independent code on the same split, which --test-rows tells.

  bank-marketing  without `duration`, against XGBoost's own Python package with the same parameters: AUC, log loss, Brier score,
                  calibration error of the test part
  Hillstrom       s_learner and t_learner, against XGBoost trained here and uplift figures in numpy: average effect, AUUC, Qini

    tests/conformance/bank_marketing_test.py [build/release/tact]

Exit code 77 where numpy, scikit-learn or xgboost are not installed, or the data are absent: TACT_DATA, or shared/data beside the
project, holds bank-marketing and hillstrom.

SPDX-License-Identifier: Apache-2.0"""
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter

try:
    import numpy as np
    import sklearn.metrics
    import xgboost
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TACT = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build/release/tact"))
DATA = os.environ.get("TACT_DATA", os.path.join(os.path.dirname(ROOT), "shared", "data"))
BANK = os.path.join(DATA, "bank-marketing", "bank-additional-full.csv.zst")
HILLSTROM = os.path.join(DATA, "hillstrom", "hillstrom.csv.zst")
if not os.path.exists(BANK) or not os.path.exists(HILLSTROM) or not shutil.which("zstd"):
    print(f"skipped: no bank-marketing and Hillstrom data, or no zstd program ({DATA})")
    sys.exit(77)
WORK = tempfile.mkdtemp(prefix="tact-conformance-")
failed = checks = 0


def check(name, good, text):
    global failed, checks
    checks += 1
    failed += not good
    print(f"{'ok  ' if good else 'FAIL'}  {name}: {text}", flush=True)


def train(name, path, config):
    """The report, and the table as lists of dicts with the test rows told by what --test-rows wrote."""
    yaml, rows = os.path.join(WORK, name + ".yaml"), os.path.join(WORK, name + ".csv")
    with open(yaml, "w") as f:
        f.write(config)
    out = subprocess.run([TACT, "train", "--csv", path, "--config", yaml, "--out", os.path.join(WORK, name), "--test-rows", rows, "--json"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if out.returncode:
        sys.exit(out.stderr)
    report = json.loads(out.stdout)
    text = subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout.decode()
    lines, test = text.splitlines(), open(rows, newline="").read().splitlines()
    check(name + " test rows", test[0] == lines[0] and len(test) == report["rows"]["test"] + 1 and not Counter(test[1:]) - Counter(lines[1:]),
          f"{len(test) - 1} rows as they stand in the table")
    left, tested = Counter(test[1:]), np.zeros(len(lines) - 1, bool)
    for i, line in enumerate(lines[1:]):  # of equal rows the first ones are as good as any
        if left[line]:
            left[line] -= 1
            tested[i] = True
    table = list(csv.DictReader(lines, delimiter=";" if ";" in lines[0] else ","))
    return report, table, tested


def matrix(table, tested, columns):
    """Columns as floats; categories by text among the training rows, what they lack is missing."""
    out = np.full((len(table), len(columns)), np.nan, np.float32)
    for k, (column, kind) in enumerate(columns):
        texts = [row[column] for row in table]
        if kind == "float":
            out[:, k] = [float(t) for t in texts]
        else:
            codes = {t: i for i, t in enumerate(sorted({t for t, test in zip(texts, tested) if not test}))}
            out[:, k] = [codes.get(t, np.nan) for t in texts]
    return out


def boost(x, y, kinds, rounds, **params):
    d = xgboost.DMatrix(x, y, feature_types=kinds, enable_categorical=True)
    common = {"objective": "binary:logistic", "tree_method": "hist", "base_score": 0.5, "nthread": 1, "seed": 1}
    return xgboost.train({**common, **params}, d, rounds)


def predict(model, x, kinds):
    margins = model.predict(xgboost.DMatrix(x, feature_types=kinds, enable_categorical=True), output_margin=True)
    return 1 / (1 + np.exp(-margins.astype(float)))  # in single precision, as XGBoost does it, differences are coarse


def calibration_error(y, p, bins=10):
    """Groups of equal count, equal predictions together."""
    order = np.argsort(p, kind="stable")
    y, p = y[order], p[order]
    begin, error = 0, 0.0
    while begin < len(y):
        target = -(-(begin * bins // len(y) + 1) * len(y) // bins)
        end = max(target, begin + 2)
        while end < len(y) and p[end] == p[end - 1]:
            end += 1
        end = len(y) if end + 1 >= len(y) else end
        error += abs(p[begin:end].sum() - y[begin:end].sum()) / len(y)
        begin = end
    return error


def bank():
    config = open(os.path.join(ROOT, "tools/examples/bank-marketing/training/train.yaml")).read()
    config = re.sub(r"cross_validation: .*\n", "", config)
    params = dict(re.findall(r"(\w+): ([\d.]+)", re.search(r"^model: \{(.*)\}", config, re.M)[1]))
    rounds = int(params.pop("rounds"))
    columns = [(re.search(r"column: ([\w.]+)", f) or re.search(r"name: ([\w.]+)", f))[1] for f in re.findall(r"^  - \{(.*)\}", config, re.M)]
    kinds = ["c" if "type: category" in f else "float" for f in re.findall(r"^  - \{(.*)\}", config, re.M)]
    assert "duration" not in columns and len(columns) == 19 and "calls_so_far: decreasing" in config
    report, table, tested = train("bank", BANK, config)
    x = matrix(table, tested, list(zip(columns, kinds)))
    y = np.array([row["y"] == "yes" for row in table], float)
    monotone = "(" + ",".join("-1" if c == "campaign" else "0" for c in columns) + ")"
    model = boost(x[~tested], y[~tested], kinds, rounds, monotone_constraints=monotone, **params)
    p, t = predict(model, x[tested], kinds), y[tested]
    theirs = {"auc": sklearn.metrics.roc_auc_score(t, p), "log_loss": sklearn.metrics.log_loss(t, p),
              "brier": sklearn.metrics.brier_score_loss(t, p), "calibration_error": calibration_error(t, p)}
    ours = report["test"]["models"][0]
    for name, want in theirs.items():
        got = ours[name]
        check("bank " + name, abs(got["value"] - want) < 0.005 and got["low"] <= want <= got["high"],
              f"tact {got['value']:.5f} [{got['low']:.5f}, {got['high']:.5f}], xgboost {xgboost.__version__} {want:.5f}")
    check("bank is worth asking", 0.75 < theirs["auc"] < 0.85, "AUC without duration between 0.75 and 0.85")


def uplift_figures(uplift, z):
    """ATE, AUUC and Qini: z summed in falling order of uplift, one point a distinct prediction."""
    order = np.argsort(-uplift, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(uplift[order])), len(z) - 1)
    depth = np.concatenate([[0], (ends + 1) / len(z)])
    gain = np.concatenate([[0], np.cumsum(z[order])[ends] / len(z)])
    area = np.sum(np.diff(depth) * (gain[1:] + gain[:-1]) / 2)
    return {"ate": gain[-1], "auuc": area, "qini": area - gain[-1] / 2}


def hillstrom(kind):
    config = open(os.path.join(ROOT, "tools/examples/hillstrom/training/train.yaml")).read()
    config = re.sub(r"cross_validation: .*\n", "", config).replace("kind: s_learner", "kind: " + kind)
    if kind == "t_learner":
        config = config.replace("  - {name: id, from: action, type: category}\n", "")
    params = dict(re.findall(r"(\w+): ([\d.]+)", re.search(r"^model: \{(.*)\}", config, re.M)[1]))
    rounds = int(params.pop("rounds"))
    report, table, tested = train(kind, HILLSTROM, config)
    columns = [("recency", "float"), ("history_segment", "c"), ("history", "float"), ("mens", "float"), ("womens", "float"),
               ("zip_code", "c"), ("newbie", "float"), ("channel", "c")]
    kinds = [k for _, k in columns] + ["c"]
    x = matrix(table, tested, columns)
    kinds[3] = kinds[4] = kinds[6] = "float"
    y = np.array([row["visit"] == "1" for row in table], float)
    arms = {"mens_mail": "Mens E-Mail", "silence": "No E-Mail", "womens_mail": "Womens E-Mail"}
    arm = np.array([[*arms.values()].index(row["segment"]) for row in table])
    fresh = {}
    if kind == "s_learner":
        model = boost(np.column_stack([x, arm])[~tested], y[~tested], kinds, rounds, **params)
        for k, name in enumerate(arms):
            fresh[name] = predict(model, np.column_stack([x, np.full(len(y), k)])[tested], kinds)
    else:
        for k, name in enumerate(arms):
            own = ~tested & (arm == k)
            fresh[name] = predict(boost(x[own], y[own], kinds[:-1], rounds, **params), x[tested], kinds[:-1])
    shares = np.bincount(arm[~tested]) / np.sum(~tested)
    silent = [*arms].index("silence")
    for got in report["test"]["uplift"]:
        k = [*arms].index(got["arm"])
        both = (arm[tested] == k) | (arm[tested] == silent)
        p = shares[k] / (shares[k] + shares[silent])
        treated, t = arm[tested][both] == k, y[tested][both]
        z = np.where(treated, t / p, -t / (1 - p))
        theirs = uplift_figures((fresh[got["arm"]] - fresh["silence"])[both], z)
        # The average effect asks no model: it is the same number. The others move with the order of the training rows, by which
        # XGBoost's bins of numbers differ a little: which of equal rows are test rows is not told.
        for name, want in theirs.items():
            g, width = got[name], got[name]["high"] - got[name]["low"]
            off = abs(g["value"] - want)
            check(f"Hillstrom {kind} {got['arm']} {name}", off < (1e-9 if name == "ate" else 0.1 * width) and g["low"] <= want <= g["high"],
                  f"tact {g['value']:.6f} [{g['low']:.6f}, {g['high']:.6f}], numpy {want:.6f}")


try:
    bank()
    hillstrom("s_learner")
    hillstrom("t_learner")
finally:
    shutil.rmtree(WORK)
print(f"{checks - failed} passed, {failed} failed")
sys.exit(failed > 0)

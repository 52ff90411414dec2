"""What `tact train` costs beside the training itself: a table of numbers from a CSV file to a bundle, and libxgboost's fit of as
many rows, already in memory, with the same parameters on one thread. All in CPU seconds of the process (user and system), which
other programs on the machine disturb less than the clock. ratio is (read + features + fit) / reference; reading should add
less than 30%: added is (read + features) / reference. --rows N for another size (1,000,000; --quick: 100,000).

SPDX-License-Identifier: Apache-2.0"""
import array
import ctypes
import ctypes.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import workload

BUILD = os.path.abspath(sys.argv[1])
ROWS = 100000 if "--quick" in sys.argv else 1000000
if "--rows" in sys.argv:
    ROWS = int(sys.argv[sys.argv.index("--rows") + 1])
FEATURES, ROUNDS, DEPTH = 64, 100, 6
WORK = tempfile.mkdtemp(prefix="tact-bench-")


def make():
    """The table as CSV and as floats; one value in twenty is missing."""
    r = random.Random(7)
    texts = [""] + ["%d.%03d" % divmod(k, 1000) for k in range(20000)]
    values = [float("nan")] + [k / 1000 for k in range(20000)]
    matrix, labels = array.array("f"), array.array("f")
    path = os.path.join(WORK, "data.csv")
    with open(path, "w") as f:
        f.write(",".join("f%d" % i for i in range(FEATURES)) + ",label\n")
        for _ in range(ROWS):
            codes = [0 if k < 1000 else k - 999 for k in (int(x * 21000) for x in (r.random() for _ in range(FEATURES)))]
            row = [values[k] for k in codes]
            score = sum(x * w for x, w in zip(row[:4], (1, -0.5, 0.7, -1)) if x == x)
            label = 1 if score + r.gauss(0, 6) > 2 else 0
            matrix.extend(row)
            labels.append(label)
            f.write(",".join([texts[k] for k in codes]) + ",%d\n" % label)
    return path, matrix, labels


def config():
    path = os.path.join(WORK, "train.yaml")
    with open(path, "w") as f:
        f.write("name: bench\nkind: propensity\nlabel: {column: label}\nsplit: {test: 0.01}\n"
                "model: {rounds: %d, max_depth: %d, eta: 0.1}\nfeatures:\n" % (ROUNDS, DEPTH))
        for i in range(FEATURES):
            f.write("  - {name: f%d, type: number}\n" % i)
    return path


def ok(lib, code):
    if code != 0:
        lib.XGBGetLastError.restype = ctypes.c_char_p
        raise SystemExit(lib.XGBGetLastError().decode())


def reference(matrix, labels, rows):
    """CPU seconds of libxgboost from the floats to the trained model."""
    lib = ctypes.CDLL(ctypes.util.find_library("xgboost") or "libxgboost.so")
    data, booster = ctypes.c_void_p(), ctypes.c_void_p()
    begin = time.process_time()
    where = json.dumps({"data": [matrix.buffer_info()[0], True], "shape": [rows, FEATURES], "typestr": "<f4", "version": 3})
    ok(lib, lib.XGDMatrixCreateFromDense(where.encode(), b'{"missing":NaN,"nthread":1}', ctypes.byref(data)))
    ok(lib, lib.XGDMatrixSetFloatInfo(data, b"label", ctypes.c_void_p(labels.buffer_info()[0]), ctypes.c_uint64(rows)))
    ok(lib, lib.XGBoosterCreate(ctypes.byref(data), ctypes.c_uint64(1), ctypes.byref(booster)))
    for key, value in (("objective", "binary:logistic"), ("tree_method", "hist"), ("base_score", "0.5"), ("nthread", "1"),
                       ("max_depth", str(DEPTH)), ("eta", "0.1")):
        ok(lib, lib.XGBoosterSetParam(booster, key.encode(), value.encode()))
    for i in range(ROUNDS):
        ok(lib, lib.XGBoosterUpdateOneIter(booster, i, data))
    seconds = time.process_time() - begin
    ok(lib, lib.XGBoosterFree(booster))
    ok(lib, lib.XGDMatrixFree(data))
    return seconds


def ours(csv, yaml, n):
    out = os.path.join(WORK, "bundle%d" % n)
    p = subprocess.run([os.path.join(BUILD, "tact"), "train", "--csv", csv, "--config", yaml, "--out", out, "--json"], check=True,
                       stdout=subprocess.PIPE)
    return json.loads(p.stdout)


def main():
    """Ours and the reference in turn; the faster of two rounds of each, but of the large size one."""
    try:
        csv, matrix, labels = make()
        yaml, best, ref = config(), None, None
        for n in range(2 if ROWS <= 200000 else 1):
            got = ours(csv, yaml, n)
            s = got["cpu_seconds"]
            if best is None or s["read"] + s["features"] + s["fit"] < best["read"] + best["features"] + best["fit"]:
                best = s
            seconds = reference(matrix, labels, got["rows"]["train"])
            ref = seconds if ref is None else min(ref, seconds)
        total = best["read"] + best["features"] + best["fit"]
        print("bench=train rows=%d features=%d rounds=%d depth=%d read_cpu_s=%.2f features_cpu_s=%.2f fit_cpu_s=%.2f measure_cpu_s=%.2f "
              "write_cpu_s=%.2f reference=libxgboost_fit reference_cpu_s=%.2f added=%.3f ratio=%.3f" % (
                  ROWS, FEATURES, ROUNDS, DEPTH, best["read"], best["features"], best["fit"], best["measure"], best["write"], ref,
                  (best["read"] + best["features"]) / ref, total / ref), flush=True)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)


workload.interruptible()
main()

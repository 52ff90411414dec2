"""The forest scorer beside libxgboost (bench/forest.c): a grid of models and candidates, catalogs of which few actions are
candidates, and each kind of instructions that this machine has. Without --quick it also draws build/bench/forest_candidates.svg
and forest_trees.svg.

SPDX-License-Identifier: Apache-2.0"""
import os
import subprocess
import sys
import workload

BUILD = os.path.abspath(sys.argv[1])
QUICK = "--quick" in sys.argv
PROGRAM = [os.path.join(BUILD, "bench_forest"), "--runs", "3" if QUICK else "10"]
CHARTS = [os.path.join(workload.CACHE, name) for name in ("forest_candidates.svg", "forest_trees.svg")]
PAIRS = ["--pairs", "0,8"]
POINT = ["--candidates", "100", "--trees", "200", "--depths", "6"] + PAIRS
GRID = ["--candidates", "1,10,30,100,1000,10000", "--trees", "100,200,500,2000", "--depths", "4,6,8,10", "--pairs", "0,4,8"]
QUICK_GRID = ["--candidates", "1,100,1000", "--trees", "200", "--depths", "6"] + PAIRS
QUICK_DEEP = ["--candidates", "100", "--trees", "200", "--depths", "8"]
SUBSET = ["--candidates", "30", "--trees", "200", "--depths", "6"] + PAIRS
LACKS = "this machine has no "


def run(*args):
    """Hands on the lines; returns what it measured with, "avx2"."""
    isa = None
    p = workload.pinned(workload.LOAD_CORE, PROGRAM + list(args), stdout=subprocess.PIPE, text=True)
    for line in p.stdout:
        print(line, end="", flush=True)
        isa = workload.words(line).get("isa", isa)
    if p.wait() != 0:
        sys.exit(1)
    return isa


def run_other(isa):
    """The point with instructions that are not the best ones here; nothing where the machine lacks them."""
    p = workload.pinned(workload.LOAD_CORE, PROGRAM + ["--instructions", isa] + POINT, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, text=True)
    out, err = p.communicate()
    print(out, end="", flush=True)
    if p.returncode != 0 and LACKS not in err:
        sys.stderr.write(err)
        sys.exit(1)


def main():
    if QUICK:
        best = run("--load", *QUICK_GRID)
        run(*QUICK_DEEP)
    else:
        os.makedirs(workload.CACHE, exist_ok=True)
        best = run("--load", "--svg", workload.CACHE, *GRID)
        sys.stderr.write("bench/forest.py: drew %s\n" % " and ".join(CHARTS))
    for actions in "100", "1000", "10000":
        run("--actions", actions, *SUBSET)
    for isa in "plain", "avx2", "avx512":  # the best one has its lines in the grid
        if isa != best:
            run_other(isa)


workload.interruptible()
main()

"""Workload R1 in process, stage by stage (bench/decide.c), both variants.

SPDX-License-Identifier: Apache-2.0"""
import os
import sys
import workload

BUILD = os.path.abspath(sys.argv[1])
QUICK = "--quick" in sys.argv
CUSTOMERS, REQUESTS = (5000, 20000) if QUICK else (100000, 100000)
COUNT, ROUNDS = (960, 3) if QUICK else (4992, 5)

workload.interruptible()
folder = workload.r1(BUILD, CUSTOMERS, REQUESTS)
for variant in workload.VARIANTS:
    p = workload.pinned(workload.LOAD_CORE, [os.path.join(BUILD, "bench_decide"), "--workload", folder, "--requests",
                                             workload.requests_file(folder, variant), "--variant", variant, "--count", str(COUNT),
                                             "--rounds", str(ROUNDS)])
    if p.wait() != 0:
        sys.exit(1)

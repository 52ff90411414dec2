"""What a customer's state costs: time beside copying and hashing its bytes, bytes of each part, and, where valgrind is installed,
instructions an operation (bench/state.c).

SPDX-License-Identifier: Apache-2.0"""
import os
import re
import shutil
import subprocess
import sys
import workload

BUILD = os.path.abspath(sys.argv[1])
QUICK = "--quick" in sys.argv
PROGRAM = [os.path.join(BUILD, "bench_state"), "--policy", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools/examples/retail")]

workload.interruptible()
p = workload.pinned(workload.LOAD_CORE, PROGRAM + ["--rounds", "51" if QUICK else "1001"])
if p.wait() != 0:
    sys.exit(1)
if not shutil.which("valgrind"):
    print("bench/state: without valgrind no instructions are counted", file=sys.stderr)
    sys.exit(0)
COUNT = 100 if QUICK else 1000
for what in ("decode", "read", "apply", "encode", "write"):
    ran = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no", "--toggle-collect=do_" + what]
                         + PROGRAM + ["--only", what, "--count", str(COUNT)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode != 0 or not found:
        sys.exit("bench/state: valgrind failed:\n" + ran.stderr[-2000:])
    print("bench=state what=%s instructions=%d" % (what, int(found.group(1)) // COUNT), flush=True)

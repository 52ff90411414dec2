"""What the benchmarks share: workload R1 on disk, made once and kept below build/bench, processes pinned to a core that end
with whoever started them, and lines of key=value words. Not a benchmark itself.

SPDX-License-Identifier: Apache-2.0"""
import ctypes
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.join(ROOT, "build", "bench")
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = str(CORES[0]), str(CORES[-1])
VARIANTS = ("full", "filtered")


PR_SET_PDEATHSIG = 1


def end_with_parent():
    """SIGTERM for this process when its parent is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def interruptible():
    """SIGTERM, and bench/run's own end, end a benchmark as Ctrl-C does: what it started is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    end_with_parent()


def r1(build, customers, requests, draw="zipf"):
    """The folder of R1 with that many customers and requests_VARIANT.jsonl; made anew when the program has changed."""
    tact = os.path.join(build, "tact")
    with open(tact, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    folder = os.path.join(CACHE, "r1_%d_%d_%s" % (customers, requests, draw))
    stamp = os.path.join(folder, "made_by")
    if os.path.exists(stamp) and open(stamp).read() == digest:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(CACHE, exist_ok=True)
    for variant in VARIANTS:
        subprocess.run([tact, "simulate", "--workload", "r1", "--out", folder, "--customers", str(customers), "--requests",
                        str(requests), "--" + draw, "--variant", variant] + ([] if variant == VARIANTS[0] else ["--requests-only"]),
                       check=True)
        os.rename(os.path.join(folder, "requests.jsonl"), requests_file(folder, variant))
    with open(stamp, "w") as f:
        f.write(digest)
    return folder


def requests_file(folder, variant):
    return os.path.join(folder, "requests_%s.jsonl" % variant)


def pinned(core, args, **kw):
    """A process on one core, where taskset is; it ends when we do, whatever ends us."""
    pin = ["taskset", "-c", core] if shutil.which("taskset") else []
    return subprocess.Popen(pin + args, preexec_fn=end_with_parent, **kw)


def stop(process, seconds=60):
    """Asks it to end, and makes it."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def words(line):
    """The key=value words of a line, numbers as numbers."""
    out = {}
    for word in line.split():
        if "=" in word:
            key, value = word.split("=", 1)
            try:
                out[key] = float(value)
            except ValueError:
                out[key] = value
    return out


def wait_line(path, start, process, seconds=60):
    """The first line of a growing file that starts so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with open(path) as f:
            for line in f:
                if line.startswith(start) and line.endswith("\n"):
                    return line
        time.sleep(0.02)
    raise SystemExit("no line %r in:\n%s" % (start, open(path).read()))

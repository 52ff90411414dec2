"""What a swap of the model costs those who call meanwhile: workload R1 over gRPC, `tact serve` on one core, bench_blast on the
other, in pairs of runs: a quiet one, and one in which SIGHUP makes the server load its policy and model again ten times, each
time another bundle (a symbolic link is turned). ratio = p99.9 of the second / p99.9 of the first, the median of the pairs. A call
that fails ends the benchmark. rss_kb: the server's memory after the first swaps and at the end.

SPDX-License-Identifier: Apache-2.0"""
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import workload

BUILD = os.path.abspath(sys.argv[1])
QUICK = "--quick" in sys.argv
PAIRS, SECONDS = (1, 3) if QUICK else (10, 6)
SWAPS = 3 if QUICK else 10
CUSTOMERS, REQUESTS = 2000, 10000


def bundles(work, r1):
    """Two bundles of one model and different ids."""
    for version in ("one", "two"):
        folder = os.path.join(work, version)
        shutil.copytree(os.path.join(r1, "bundle"), folder)
        path = os.path.join(folder, "bundle.yaml")
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write("".join('version: "%s"\n' % version if line.startswith("version:") else line for line in text.splitlines(True)))


def turn(work, to):
    fresh = os.path.join(work, "fresh")
    os.symlink(to, fresh)
    os.rename(fresh, os.path.join(work, "bundle"))


class Served:
    def __init__(self, work, r1):
        self.work, self.out = work, os.path.join(work, "out")
        self.errors = open(os.path.join(work, "errors"), "w")
        args = [os.path.join(BUILD, "tact"), "serve", "--policy", os.path.join(r1, "policy"), "--model", os.path.join(work, "bundle"),
                "--data", os.path.join(work, "data"), "--listen", "127.0.0.1:0", "--allow-as-of", "--log-batched"]
        self.process = workload.pinned(workload.SERVER_CORE, args, stdout=open(self.out, "w"), stderr=self.errors)
        self.address = workload.wait_line(self.out, "listening ", self.process).split()[1]
        workload.wait_line(self.out, "ready ", self.process)
        self.version = 0

    def ready(self):
        with open(self.out) as f:
            return [line for line in f if line.startswith("ready ") and line.endswith("\n")]

    def swap(self):
        """Turns the link and waits until the other model serves."""
        before = self.ready()
        self.version = 1 - self.version
        turn(self.work, ("one", "two")[self.version])
        self.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            now = self.ready()
            if len(now) > len(before):
                if now[-1] == before[-1]:
                    raise SystemExit("the swap changed nothing")
                return
            time.sleep(0.005)
        raise SystemExit("a swap took over a minute")

    def rss_kb(self):
        with open("/proc/%d/statm" % self.process.pid) as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def blast(served, args, connections, streams):
    return workload.pinned(workload.LOAD_CORE, [os.path.join(BUILD, "bench_blast"), "--server", served.address, "--connections",
                                                str(connections), "--streams", str(streams)] + args, stdout=subprocess.PIPE, text=True)


def run(served, calls, connections, streams, swaps):
    """p99.9 of one run in which so many swaps are spread over its time."""
    p = blast(served, ["--calls", calls, "--seconds", str(SECONDS)], connections, streams)
    began = time.monotonic()
    for i in range(swaps):
        time.sleep(max(0, began + (i + 0.5) * (SECONDS / (swaps + 1)) - time.monotonic()))
        served.swap()
    out = p.communicate(timeout=600)[0]
    if p.returncode != 0:
        raise SystemExit("a call failed")
    return workload.words(out)


def main():
    workload.interruptible()
    r1 = workload.r1(BUILD, CUSTOMERS, REQUESTS)
    calls = workload.requests_file(r1, "full")
    work = tempfile.mkdtemp(prefix="tact-swap-")
    try:
        bundles(work, r1)
        turn(work, "one")
        served = Served(work, r1)
        blast(served, ["--calls", os.path.join(r1, "customers.jsonl"), "--once"], 8, 32).communicate(timeout=600)
        for connections, streams in ((1, 1), (8, 8)):
            run(served, calls, connections, streams, 2)
            first, ratios, quiet, swapped, ok, failed, swaps = served.rss_kb(), [], [], [], 0, 0, 0
            for _ in range(PAIRS):
                a, b = run(served, calls, connections, streams, 0), run(served, calls, connections, streams, SWAPS)
                ratios.append(b["p999_us"] / a["p999_us"])
                quiet.append(a["p999_us"])
                swapped.append(b["p999_us"])
                ok += int(a["ok"] + b["ok"])
                failed += int(a["failed"] + b["failed"])
                swaps += SWAPS
            print("bench=swap workload=r1 variant=full in_flight=%d swaps=%d ok=%d failed=%d p999_us=%.0f reference=quiet "
                  "reference_p999_us=%.0f ratio=%.2f rss_kb=%d first_rss_kb=%d" %
                  (connections * streams, swaps, ok, failed, statistics.median(swapped), statistics.median(quiet),
                   statistics.median(ratios), served.rss_kb(), first), flush=True)
        workload.stop(served.process)
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()

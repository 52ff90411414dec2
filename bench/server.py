"""Workload R1 over gRPC: `tact serve` on one core, bench_blast on the other, in turn with a gRPC C++ server that answers
"Hello world" to the same load (bench_hello; without it nghttpd, which serves a small file by HTTP/2, under h2load).

Customers are written through the API. Every decision is a PEEK that reads its customer from the private Redis, which
shares the server's core. A rate is the server's own count of OK decisions over the load's seconds; the latencies are
the load's. One round is one measurement of each; the line has the medians.

SPDX-License-Identifier: Apache-2.0"""
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import workload

BUILD = os.path.abspath(sys.argv[1])
QUICK = "--quick" in sys.argv
CUSTOMERS, REQUESTS = (5000, 20000) if QUICK else (100000, 100000)
SECONDS, ROUNDS = (2, 1) if QUICK else (5, 5)
IN_FLIGHT = ((8, 8), (1, 1))  # connections, streams


class Server:
    """A process that prints "listening ADDRESS", and "stats …" when it gets SIGUSR1."""

    def __init__(self, work, name, args):
        self.out = os.path.join(work, name + ".out")
        self.errors = os.path.join(work, name + ".err")
        self.process = workload.pinned(workload.SERVER_CORE, args, stdout=open(self.out, "w"), stderr=open(self.errors, "w"))

    def address(self):
        return workload.wait_line(self.out, "listening ", self.process).split()[1]

    def stats(self):
        before = self.lines()
        self.process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            lines = self.lines()
            if len(lines) > len(before):
                return workload.words(lines[-1])
            time.sleep(0.01)
        raise SystemExit("%s printed no stats" % self.out)

    def lines(self):
        with open(self.out) as f:
            return [line for line in f if line.startswith("stats ") and line.endswith("\n")]

    def stop(self):
        workload.stop(self.process)


def blast(address, args, connections, streams):
    p = workload.pinned(workload.LOAD_CORE, [os.path.join(BUILD, "bench_blast"), "--server", address, "--connections",
                                             str(connections), "--streams", str(streams)] + args, stdout=subprocess.PIPE, text=True)
    out = p.communicate(timeout=3600)[0]
    if p.returncode != 0:
        raise SystemExit("bench_blast failed")
    return workload.words(out)


class Load:
    """One server under one kind of calls: rates by the server's own count."""

    def __init__(self, server, address, args, connections, streams):
        self.server, self.address, self.args, self.connections, self.streams = server, address, args, connections, streams
        self.rates, self.p50, self.p99, self.cpu, self.ok, self.failed, self.model = [], [], [], [], 0, 0, []
        self.cpu_us = []

    def warm_up(self):
        blast(self.address, self.args + ["--seconds", "1"], self.connections, self.streams)

    def measure(self):
        first = self.server.stats()
        r = blast(self.address, self.args + ["--seconds", str(SECONDS)], self.connections, self.streams)
        last = self.server.stats()
        ok = last["decisions_ok"] - first["decisions_ok"]
        if ok != r["ok"]:
            raise SystemExit("the server counts %d OK, the load %d" % (ok, r["ok"]))
        self.ok += int(ok)
        self.failed += int(last.get("decide_failed", 0) - first.get("decide_failed", 0))
        self.rates.append(ok / r["seconds"])
        self.p50.append(r["p50_us"])
        self.p99.append(r["p99_us"])
        self.cpu.append(r["cpu"])
        cpu = last["cpu_s"] - first["cpu_s"]
        self.cpu_us.append(cpu * 1e6 / ok)
        if "model_s" in last:
            self.model.append((last["model_s"] - first["model_s"]) / cpu if cpu else 0)


class Nghttpd:
    """The reference where gRPC's C++ library is not: HTTP/2 without any call, counted by h2load."""

    def __init__(self, work):
        with open(os.path.join(work, "index.html"), "wb") as f:
            f.write(b"x" * 700)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.url = "http://127.0.0.1:%d/index.html" % port
        self.process = workload.pinned(workload.SERVER_CORE, ["nghttpd", "--no-tls", "-d", work, "-a", "127.0.0.1", str(port)],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.01)
        raise SystemExit("nghttpd does not listen")

    def load(self, connections, streams):
        return NghttpdLoad(self.url, connections, streams)

    def stop(self):
        workload.stop(self.process)


class NghttpdLoad:
    def __init__(self, url, connections, streams):
        self.args = ["h2load", "-c", str(connections), "-m", str(streams), "-t1", url]
        self.rates, self.p50, self.p99, self.cpu = [], [], [], []

    def warm_up(self):
        pass

    def measure(self):
        p = workload.pinned(workload.LOAD_CORE, self.args + ["-D", str(SECONDS), "--warm-up-time", "1"],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        out = p.communicate(timeout=600)[0]
        self.rates.append(float(re.search(r"finished in .*?, ([\d.]+) req/s", out).group(1)))


def line(variant, ours, theirs, reference):
    m = statistics.median
    in_flight = ours.connections * ours.streams
    text = ("bench=server workload=r1 variant=%s state=redis in_flight=%d customers=%d rate=%.0f p50_us=%.0f p99_us=%.0f ok=%d "
            "failed=%d cpu_us=%.1f model_share=%.2f load_cpu=%.2f reference=%s reference_rate=%.0f ratio=%.3f" % (
                variant, in_flight, CUSTOMERS, m(ours.rates), m(ours.p50), m(ours.p99), ours.ok, ours.failed, m(ours.cpu_us), m(ours.model),
                m(ours.cpu), reference, m(theirs.rates), m(ours.rates) / m(theirs.rates)))
    if theirs.p50:
        text += " reference_p50_us=%.0f reference_p99_us=%.0f reference_cpu_us=%.1f reference_load_cpu=%.2f" % (
            m(theirs.p50), m(theirs.p99), m(theirs.cpu_us), m(theirs.cpu))
    print(text, flush=True)


def run(work):
    folder = workload.r1(BUILD, CUSTOMERS, REQUESTS)
    hello = os.path.join(BUILD, "bench_hello")
    if not os.path.exists(hello) and not shutil.which("nghttpd"):
        print("bench=server skipped=neither_bench_hello_nor_nghttpd")
        return
    reference, servers = "grpc_cpp_hello" if os.path.exists(hello) else "nghttpd", []
    try:
        theirs = Server(work, "hello", [hello]) if reference == "grpc_cpp_hello" else Nghttpd(work)
        servers.append(theirs)
        ours = Server(work, "serve", [os.path.join(BUILD, "tact"), "serve", "--policy", os.path.join(folder, "policy"), "--model",
                                      os.path.join(folder, "bundle"), "--data", os.path.join(work, "data"), "--listen",
                                      "127.0.0.1:0", "--allow-as-of"])
        servers.append(ours)
        address = ours.address()
        workload.wait_line(ours.out, "ready ", ours.process)
        blast(address, ["--calls", os.path.join(folder, "customers.jsonl"), "--once"], 8, 32)
        for connections, streams in IN_FLIGHT:
            for variant in workload.VARIANTS:
                a = Load(ours, address, ["--calls", workload.requests_file(folder, variant)], connections, streams)
                b = theirs.load(connections, streams) if reference == "nghttpd" else Load(theirs, theirs.address(), ["--hello"],
                                                                                          connections, streams)
                a.warm_up()
                b.warm_up()
                for _ in range(ROUNDS):
                    a.measure()
                    b.measure()
                line(variant, a, b, reference)
    finally:
        for s in servers:
            s.stop()


workload.interruptible()
WORK = tempfile.mkdtemp(prefix="tact-bench-")
try:
    run(WORK)
finally:
    shutil.rmtree(WORK, ignore_errors=True)

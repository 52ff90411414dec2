"""What it costs to send signals over a stream: `tact signal --file` over Customers.SignalStream, in turn with bench_blast, which
makes the same signals unary calls, 64 in flight on one connection (encoded before, so that they cost the load nothing). `tact
serve` and its Redis on one core, the load on the other. Customers and signals are new ones in every round, so each is written
and logged, and states are as small for the one as for the other.

SPDX-License-Identifier: Apache-2.0"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import workload

BUILD = os.path.abspath(sys.argv[1])
QUICK = "--quick" in sys.argv
ROUNDS, SIGNALS = (1, 20000) if QUICK else (5, 40000)
IN_FLIGHT = 64
CUSTOMERS = (1000, 20)  # evenly; of few, each waits for its turns


class Server:
    def __init__(self, work):
        self.out = os.path.join(work, "out")
        self.process = workload.pinned(workload.SERVER_CORE, [
            os.path.join(BUILD, "tact"), "serve", "--policy", os.path.join(workload.ROOT, "tools/examples/retail"), "--data",
            os.path.join(work, "data"), "--listen", "127.0.0.1:0"], stdout=open(self.out, "w"), stderr=subprocess.DEVNULL)
        self.address = workload.wait_line(self.out, "listening ", self.process).split()[1]
        workload.wait_line(self.out, "ready ", self.process)

    def cpu_s(self):
        with open("/proc/%d/stat" % self.process.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def write(path, prefix, customers, wrap):
    with open(path, "w") as f:
        for i in range(SIGNALS):
            line = json.dumps({"customer_id": "%s%d" % (prefix, i * 7919 % customers), "signals": [{
                "event_id": "%s%d" % (prefix, i), "name": "cart_add",
                "properties": {"sku": {"string_value": "sku-%d" % (i % 1000)}, "price": {"number_value": 9.5}}}]})
            f.write((wrap % line) + "\n")


def run(server, args):
    cpu, began = server.cpu_s(), time.monotonic()
    p = workload.pinned(workload.LOAD_CORE, args, stdout=subprocess.PIPE, text=True)
    out = p.communicate(timeout=600)[0]
    seconds = time.monotonic() - began
    if p.returncode != 0:
        raise SystemExit("%s failed" % args[0])
    return out, seconds, (server.cpu_s() - cpu) * 1e6 / SIGNALS


def streamed(server, work, prefix, customers):
    path = os.path.join(work, "stream.jsonl")
    write(path, prefix, customers, "%s")
    out, seconds, cpu_us = run(server, [os.path.join(BUILD, "tact"), "signal", "--server", server.address, "--file", path, "--json"])
    if json.loads(out)["requests"] != SIGNALS or json.loads(out)["rejected"]:
        raise SystemExit("not all were acknowledged: %s" % out)
    return SIGNALS / seconds, cpu_us


def unary(server, work, prefix, customers):
    path = os.path.join(work, "unary.jsonl")
    write(path, prefix, customers, '{"signal":%s}')
    out, _, cpu_us = run(server, [os.path.join(BUILD, "bench_blast"), "--server", server.address, "--calls", path, "--once",
                                  "--connections", "1", "--streams", str(IN_FLIGHT)])
    w = workload.words(out)
    if w["ok"] != SIGNALS:
        raise SystemExit("not all were acknowledged: %s" % out)
    return w["rate"], cpu_us


def main():
    workload.interruptible()
    with tempfile.TemporaryDirectory(prefix="tact-bench-") as work:
        server = Server(work)
        try:
            for customers in CUSTOMERS:
                ours, theirs = [], []
                for i in range(ROUNDS):
                    ours.append(streamed(server, work, "s%d-%d-" % (customers, i), customers))
                    theirs.append(unary(server, work, "u%d-%d-" % (customers, i), customers))
                median = lambda rows, k: statistics.median(r[k] for r in rows)
                print("bench=stream signals=%d customers=%d in_flight=%d rate=%.0f cpu_us=%.1f reference=unary reference_rate=%.0f "
                      "reference_cpu_us=%.1f ratio=%.2f" % (
                          SIGNALS, customers, IN_FLIGHT, median(ours, 0), median(ours, 1), median(theirs, 0), median(theirs, 1),
                          statistics.median(a[0] / b[0] for a, b in zip(ours, theirs))), flush=True)
        finally:
            workload.stop(server.process)


main()

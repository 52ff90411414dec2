"""The profiles of many customers, then their whole history, imported into an empty Redis (tact import --store), beside redis-benchmark's SET of values of the
same size into another one with the same settings, those of the Redis that `tact serve` starts. In turn: SET, import, SET; rates
are customers and keys a second, ratio = import / mean of the two SETs. The files are read, checked, grouped, and written within
the time. Memory: Redis's used_memory a customer, beside the blob's bytes. At the end the import is run again: all are passed over.

SPDX-License-Identifier: Apache-2.0"""
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import workload

BUILD = os.path.abspath(sys.argv[1])
QUICK = "--quick" in sys.argv
CUSTOMERS = 20000 if QUICK else 1000000
PIPELINE, CLIENTS = 16, 50
KINDS = {"profiles": ["--profiles"], "history": []}
POLICY = os.path.join(workload.ROOT, "tools/examples/retail")
TACT = os.path.join(BUILD, "tact")


def history(kind):
    """The file, made once for a version of the program that makes it."""
    with open(os.path.join(workload.ROOT, "bench/import.c"), "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()[:16]
    name = "import_%s_%d_" % (kind, CUSTOMERS)
    path = os.path.join(workload.CACHE, name + digest + ".jsonl")
    if not os.path.exists(path):
        for old in os.listdir(workload.CACHE):
            if old.startswith(name):
                os.remove(os.path.join(workload.CACHE, old))
        with open(path + ".part", "wb") as f:
            subprocess.run([os.path.join(BUILD, "bench_import"), "--customers", str(CUSTOMERS)] + KINDS[kind], stdout=f, check=True)
        os.rename(path + ".part", path)
    return path


class Redis:
    def __init__(self, work, name):
        self.folder = os.path.join(work, name)
        os.mkdir(self.folder)
        self.socket = os.path.join(self.folder, "r.sock")
        binary = shutil.which("redis-server") or shutil.which("valkey-server")
        self.p = subprocess.Popen([binary, "--port", "0", "--unixsocket", self.socket, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
                                   "--maxmemory-policy", "noeviction", "--dir", self.folder, "--logfile", os.path.join(self.folder, "log")],
                                  preexec_fn=workload.end_with_parent)
        while True:
            try:
                self.s = socket.socket(socket.AF_UNIX)
                self.s.connect(self.socket)
                break
            except OSError:
                if self.p.poll() is not None:
                    sys.exit("bench/import: %s did not start" % binary)
        self.f = self.s.makefile("rb")

    def info(self, key):
        self.s.sendall(b"INFO\r\n")
        n = int(self.f.readline()[1:])
        text = self.f.read(n + 2).decode()
        return float([x for x in text.split("\r\n") if x.startswith(key + ":")][0].split(":")[1])

    def cpu(self):
        return self.info("used_cpu_user") + self.info("used_cpu_sys")

    def stop(self):
        self.s.close()
        workload.stop(self.p)
        shutil.rmtree(self.folder)


CPU = {"set": 0.0}  # seconds, of both ends


def run(args):
    """Its output, and what it used."""
    p = subprocess.Popen(args, stdout=subprocess.PIPE, text=True, preexec_fn=workload.end_with_parent)
    out = p.stdout.read()
    _, status, used = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode != 0:
        sys.exit("bench/import: %s ended with %d: %s" % (args[0], p.returncode, out))
    return out, used


def set_rate(work, size):
    r = Redis(work, "set")
    before = r.cpu()
    out, used = run([shutil.which("redis-benchmark") or "valkey-benchmark", "-s", r.socket, "-t", "set", "-d", str(size), "-n", str(CUSTOMERS), "-r",
                     str(CUSTOMERS), "-P", str(PIPELINE), "-c", str(CLIENTS), "--csv"])
    CPU["set"] += used.ru_utime + used.ru_stime + r.cpu() - before
    r.stop()
    return float(out.strip().split("\n")[-1].split(",")[1].strip('"'))


def load(r, path, temp):
    before = r.cpu()
    out, used = run([TACT, "import", "--store", "unix://" + r.socket, "--policy", POLICY, "--temp", temp, "--json", path])
    got = json.loads(out.strip().split("\n")[-1])
    if not got["complete"] or got["rejected"]:
        sys.exit("bench/import: the import failed: %s" % out)
    got["cpu"], got["redis_cpu"], got["rss"] = used.ru_utime + used.ru_stime, r.cpu() - before, used.ru_maxrss
    return got


def measure(work, kind):
    """One kind of import between two runs of SET."""
    path = history(kind)
    with open(path, "rb") as f:  # as warm in the page cache as it can be
        while f.read(1 << 24):
            pass
    part = os.path.join(work, "part.jsonl")  # the size of the values is known from a few customers
    with open(part, "wb") as f:
        subprocess.run([os.path.join(BUILD, "bench_import"), "--customers", "1000"] + KINDS[kind], stdout=f, check=True)
    probe = Redis(work, "probe")
    got = load(probe, part, work)
    probe.stop()
    size = round(got["blob_bytes"] / got["customers"])
    CPU["set"] = 0.0
    sets = [set_rate(work, size)]
    r = Redis(work, "import")
    empty = r.info("used_memory")
    got = load(r, path, work)
    used = (r.info("used_memory") - empty) / CUSTOMERS
    if got["created"] != CUSTOMERS:
        sys.exit("bench/import: %s" % got)
    again = load(r, path, work)
    if again["before"] != CUSTOMERS:
        sys.exit("bench/import: run again: %s" % again)
    r.stop()
    sets.append(set_rate(work, size))
    reference = sum(sets) / len(sets)
    rate, writing = CUSTOMERS / got["seconds"], CUSTOMERS / got["writing_seconds"]
    print("bench=import of=%s what=rate customers=%d lines=%d value_bytes=%d rate=%.0f reference=set pipeline=%d reference_rate=%.0f ratio=%.3f" %
          (kind, CUSTOMERS, got["lines"], size, rate, PIPELINE, reference, rate / reference))
    print("bench=import of=%s what=writing rate=%.0f reference=set reference_rate=%.0f ratio=%.3f seconds=%.1f reading_seconds=%.1f" %
          (kind, writing, reference, writing / reference, got["seconds"], got["seconds"] - got["writing_seconds"]))
    ours, theirs = (got["cpu"] + got["redis_cpu"]) * 1e6 / CUSTOMERS, CPU["set"] * 1e6 / CUSTOMERS / len(sets)
    print("bench=import of=%s what=cpu cpu_us=%.1f import_us=%.1f redis_us=%.1f reference=set reference_cpu_us=%.1f ratio=%.3f" %
          (kind, ours, got["cpu"] * 1e6 / CUSTOMERS, got["redis_cpu"] * 1e6 / CUSTOMERS, theirs, theirs / ours))
    print("bench=import of=%s what=again seconds=%.1f writing_seconds=%.1f rate=%.0f" % (kind, again["seconds"], again["writing_seconds"], CUSTOMERS / again["seconds"]))
    blob = got["blob_bytes"] / CUSTOMERS
    print("bench=import of=%s what=memory used_bytes=%.0f blob_bytes=%.0f ratio=%.3f peak_rss_kb=%d" % (kind, used, blob, used / blob, got["rss"]), flush=True)


workload.interruptible()
os.makedirs(workload.CACHE, exist_ok=True)
WORK = tempfile.mkdtemp(prefix="import-", dir=workload.CACHE)
try:
    for KIND in KINDS:
        measure(WORK, KIND)
finally:
    shutil.rmtree(WORK, ignore_errors=True)

"""A history of many customers imported into an empty Redis (tact import --store), beside redis-benchmark's SET of values of the
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
POLICY = os.path.join(workload.ROOT, "tools/examples/retail")
TACT = os.path.join(BUILD, "tact")


def history():
    """The file, made once for a version of the program that makes it."""
    program = os.path.join(BUILD, "bench_import")
    with open(program, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()[:16]
    path = os.path.join(workload.CACHE, "import_%d_%s.jsonl" % (CUSTOMERS, digest))
    if not os.path.exists(path):
        os.makedirs(workload.CACHE, exist_ok=True)
        for old in os.listdir(workload.CACHE):
            if old.startswith("import_%d_" % CUSTOMERS):
                os.remove(os.path.join(workload.CACHE, old))
        with open(path + ".part", "wb") as f:
            subprocess.run([program, "--customers", str(CUSTOMERS)], stdout=f, check=True)
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
        return int([x for x in text.split("\r\n") if x.startswith(key + ":")][0].split(":")[1])

    def stop(self):
        self.s.close()
        workload.stop(self.p)
        shutil.rmtree(self.folder)


def set_rate(work, size):
    r = Redis(work, "set")
    out = subprocess.run([shutil.which("redis-benchmark") or "valkey-benchmark", "-s", r.socket, "-t", "set", "-d", str(size), "-n", str(CUSTOMERS), "-r", str(CUSTOMERS), "-P", str(PIPELINE),
                          "-c", str(CLIENTS), "--csv"], stdout=subprocess.PIPE, text=True, check=True).stdout
    r.stop()
    return float(out.strip().split("\n")[-1].split(",")[1].strip('"'))


def load(r, path, temp):
    p = subprocess.Popen([TACT, "import", "--store", "unix://" + r.socket, "--policy", POLICY, "--temp", temp, "--json", path],
                         stdout=subprocess.PIPE, text=True, preexec_fn=workload.end_with_parent)
    out = p.stdout.read()
    _, status, used = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    got = json.loads(out.strip().split("\n")[-1])
    if p.returncode != 0 or not got["complete"] or got["rejected"]:
        sys.exit("bench/import: the import failed: %s" % out)
    got["cpu"], got["rss"] = used.ru_utime + used.ru_stime, used.ru_maxrss
    return got


workload.interruptible()
PATH = history()
WORK = tempfile.mkdtemp(prefix="import-", dir=workload.CACHE)
try:
    with open(PATH, "rb") as f:  # as warm in the page cache as it can be
        while f.read(1 << 24):
            pass
    # the size of the values is known from a few customers
    part = os.path.join(WORK, "part.jsonl")
    with open(part, "wb") as f:
        subprocess.run([os.path.join(BUILD, "bench_import"), "--customers", "1000"], stdout=f, check=True)
    probe = Redis(WORK, "probe")
    got = load(probe, part, WORK)
    probe.stop()
    size = round(got["blob_bytes"] / got["customers"])
    sets = [set_rate(WORK, size)]
    r = Redis(WORK, "import")
    empty = r.info("used_memory")
    got = load(r, PATH, WORK)
    used = (r.info("used_memory") - empty) / CUSTOMERS
    if got["created"] != CUSTOMERS:
        sys.exit("bench/import: %s" % got)
    again = load(r, PATH, WORK)
    if again["before"] != CUSTOMERS:
        sys.exit("bench/import: run again: %s" % again)
    r.stop()
    sets.append(set_rate(WORK, size))
    reference = sum(sets) / len(sets)
    rate, writing = CUSTOMERS / got["seconds"], CUSTOMERS / got["writing_seconds"]
    print("bench=import what=rate customers=%d lines=%d value_bytes=%d rate=%.0f reference=set pipeline=%d reference_rate=%.0f ratio=%.3f" %
          (CUSTOMERS, got["lines"], size, rate, PIPELINE, reference, rate / reference))
    print("bench=import what=writing rate=%.0f reference=set reference_rate=%.0f ratio=%.3f seconds=%.1f reading_seconds=%.1f cpu_us=%.1f" %
          (writing, reference, writing / reference, got["seconds"], got["seconds"] - got["writing_seconds"], got["cpu"] * 1e6 / CUSTOMERS))
    print("bench=import what=again seconds=%.1f writing_seconds=%.1f rate=%.0f" % (again["seconds"], again["writing_seconds"], CUSTOMERS / again["seconds"]))
    blob = got["blob_bytes"] / CUSTOMERS
    print("bench=import what=memory used_bytes=%.0f blob_bytes=%.0f ratio=%.3f peak_rss_kb=%d" % (used, blob, used / blob, got["rss"]), flush=True)
finally:
    shutil.rmtree(WORK, ignore_errors=True)

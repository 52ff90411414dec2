"""Decisions over loopback with a stock load generator, h2load (nghttp2-client).

A server with the retail policy and the demo's model on one core, h2load on the other; one customer with a cart and an open
history, PEEK on e-mail. h2load sends one fixed body and counts HTTP 200, which gRPC errors are too, so the server's own count
of OK decisions stands beside it, and a nghttpd serving a static file of the answer's size is measured in the same run, in
turn with ours, as the reference: what HTTP/2 costs here without any decision.

SPDX-License-Identifier: Apache-2.0"""
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1])
QUICK = "--quick" in sys.argv
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECONDS, ROUNDS = (2, 1) if QUICK else (5, 5)
CLIENTS, STREAMS = 8, 8
if not shutil.which("h2load") or not shutil.which("nghttpd"):
    print("bench=load skipped=no_h2load")
    sys.exit(0)
WORK = tempfile.mkdtemp(prefix="tact-bench-")
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = str(CORES[0]), str(CORES[-1])


def pinned(core, args, **kw):
    pin = ["taskset", "-c", core] if shutil.which("taskset") else []
    return subprocess.Popen(pin + args, **kw)


def field(number, text):
    return bytes([number << 3 | 2, len(text)]) + text.encode()


def body():
    """DecideRequest {customer_id: "bench", channel: "email"} with gRPC's five bytes before it."""
    m = field(2, "bench") + field(3, "email")
    path = os.path.join(WORK, "body")
    with open(path, "wb") as f:
        f.write(b"\0" + len(m).to_bytes(4, "big") + m)
    return path


def load(url, data, clients=CLIENTS, streams=STREAMS):
    """h2load for SECONDS after a second of warm-up: rate, OK count as h2load has it, latencies in microseconds."""
    log = os.path.join(WORK, "log")
    if os.path.exists(log):
        os.unlink(log)
    args = ["h2load", "-c", str(clients), "-m", str(streams), "-t1", "-D", str(SECONDS), "--warm-up-time", "1", "--log-file", log]
    if data:
        args += ["-d", data, "-H", "content-type: application/grpc", "-H", "te: trailers"]
    p = pinned(LOAD_CORE, args + [url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    out = p.communicate(timeout=120)[0]
    rate = float(re.search(r"finished in .*?, ([\d.]+) req/s", out).group(1))
    ok = int(re.search(r"status codes: (\d+) 2xx", out).group(1))
    times = sorted(int(line.split("\t")[2]) for line in open(log) if line.split("\t")[1] == "200")
    return rate, ok, times


def wait_line(path, text, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        for line in open(path):
            if line.startswith(text):
                return line.split()
        time.sleep(0.02)
    raise SystemExit("no %r in:\n%s" % (text, open(path).read()))


def stats(server, path):
    before = sum(line.startswith("stats ") for line in open(path))
    server.send_signal(10)  # SIGUSR1
    end = time.time() + 10
    while time.time() < end:
        lines = [line for line in open(path) if line.startswith("stats ") and line.endswith("\n")]
        if len(lines) > before:
            return {k: float(v) for k, v in (w.split("=") for w in lines[-1].split()[1:])}
        time.sleep(0.01)
    raise SystemExit("the server printed no stats")


def model():
    """The demo's model, trained once for this run."""
    data, bundle = os.path.join(WORK, "data.csv"), os.path.join(WORK, "bundle")
    quiet = dict(check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run([os.path.join(BUILD, "tact"), "simulate", "--policy", os.path.join(ROOT, "tools/examples/retail"),
                    "--customers", "1000", "--days", "30", "--seed", "7", "--out", data], **quiet)
    subprocess.run([os.path.join(BUILD, "tact"), "train", "--csv", data, "--config",
                    os.path.join(ROOT, "tools/examples/retail/training/train.yaml"), "--out", bundle], **quiet)
    return bundle


def nghttpd():
    """A static file of about an answer's size, over cleartext HTTP/2."""
    with open(os.path.join(WORK, "index.html"), "wb") as f:
        f.write(b"x" * 700)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    p = pinned(SERVER_CORE, ["nghttpd", "--no-tls", "-d", WORK, "-a", "127.0.0.1", str(port)], stdout=subprocess.DEVNULL)
    for _ in range(500):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.01)
    return p, "http://127.0.0.1:%d/index.html" % port


def prepare(address):
    """A customer with a warm cart, who agreed to e-mails."""
    tact = os.path.join(BUILD, "tact")
    with open(os.path.join(WORK, "c.csv"), "w") as f:
        f.write("id,first_name,tier\nbench,Maryam,gold\n")
    run = dict(check=True, stdout=subprocess.DEVNULL)
    subprocess.run([tact, "import", "--server", address, os.path.join(WORK, "c.csv"), "--customer-column", "id",
                    "--consent", "email:promotional"], **run)
    for n in range(3):
        subprocess.run([tact, "signal", "--server", address, "--customer", "bench", "cart_add", "sku=s%d" % n, "price=%d.5" % (20 + n),
                        "category=fashion"], **run)


def main():
    out = os.path.join(WORK, "serve.out")
    server = pinned(SERVER_CORE, [os.path.join(BUILD, "tact"), "serve", "--policy", os.path.join(ROOT, "tools/examples/retail"),
                                  "--model", model(), "--data", os.path.join(WORK, "data"), "--listen", "127.0.0.1:0"],
                    stdout=open(out, "w"), stderr=subprocess.DEVNULL)
    reference, url = nghttpd()
    try:
        address = wait_line(out, "listening ")[1]
        wait_line(out, "ready ")
        prepare(address)
        data = body()
        for clients, streams in ((CLIENTS, STREAMS), (1, 1)):
            measure(server, out, "http://%s/tact.v1.Decisions/Decide" % address, url, data, clients, streams)
    finally:
        server.terminate()
        reference.terminate()
        server.wait(30)
        reference.wait(30)
        shutil.rmtree(WORK, ignore_errors=True)


def measure(server, out, ours, theirs, data, clients, streams):
    """Ours and the reference in turn. server_ok counts the warm-up too, so it is above http_200."""
    rates, references, times = [], [], []
    first = stats(server, out)
    for _ in range(ROUNDS):
        rate, _, t = load(ours, data, clients, streams)
        rates.append(rate)
        times += t
        references.append(load(theirs, None, clients, streams)[0])
    last = stats(server, out)
    times.sort()
    rate, ref = statistics.median(rates), statistics.median(references)
    print("bench=load workload=retail in_flight=%d rate=%.0f p50_us=%d p99_us=%d http_200=%d server_ok=%d failed=%d "
          "model_share=%.2f reference=nghttpd reference_rate=%.0f ratio=%.3f" % (
              clients * streams, rate, times[len(times) // 2], times[len(times) * 99 // 100], len(times),
              last["decisions_ok"] - first["decisions_ok"], last["decide_failed"] - first["decide_failed"],
              (last["model_s"] - first["model_s"]) / (last["cpu_s"] - first["cpu_s"]), ref, rate / ref), flush=True)


main()

"""What the integration tests share: a real redis-server, real tact servers, a stock gRPC client with stubs from our .proto.

Each test is a program: argv[1] is the tact binary. It prints a line a check and `N passed, N failed` at the end.
SPDX-License-Identifier: Apache-2.0"""
import atexit
import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TACT = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.join(ROOT, "build/release/tact")
WORK = tempfile.mkdtemp(prefix="tact-test-")
LONG = "--long" in sys.argv

subprocess.run(["protoc", "-I", os.path.join(ROOT, "proto"), "--python_out=" + WORK] +
               [os.path.join(ROOT, "proto/tact/v1", f) for f in os.listdir(os.path.join(ROOT, "proto/tact/v1"))], check=True)
sys.path.insert(0, WORK)
import grpc  # noqa: E402

_pb = {n: importlib.import_module("tact.v1.%s_pb2" % n) for n in ("common", "decisions", "customers", "outcomes", "log")}
common, decisions, customers, outcomes, log = (_pb[n] for n in ("common", "decisions", "customers", "outcomes", "log"))

_METHODS = {
    "Decide": ("/tact.v1.Decisions/Decide", decisions.DecideResponse),
    "Signal": ("/tact.v1.Customers/Signal", customers.SignalResponse),
    "Upsert": ("/tact.v1.Customers/Upsert", customers.UpsertResponse),
    "Get": ("/tact.v1.Customers/Get", customers.GetResponse),
    "Export": ("/tact.v1.Customers/Export", customers.ExportResponse),
    "Merge": ("/tact.v1.Customers/Merge", customers.MergeResponse),
    "Forget": ("/tact.v1.Customers/Forget", customers.ForgetResponse),
    "RecordContact": ("/tact.v1.Customers/RecordContact", customers.RecordContactResponse),
    "Record": ("/tact.v1.Outcomes/Record", outcomes.RecordResponse),
}


class Client:
    """A stock channel; client.Decide(request, timeout=5) and so on."""

    def __init__(self, address):
        # A pool of its own: two clients in one process must not share a connection.
        self.channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        for name, (path, reply) in _METHODS.items():
            call = self.channel.unary_unary(path, request_serializer=lambda m: m.SerializeToString(),
                                            response_deserializer=reply.FromString)
            setattr(self, name, lambda request, timeout=10, call=call: call(request, timeout=timeout))
        stream = self.channel.stream_unary("/tact.v1.Customers/SignalStream", request_serializer=lambda m: m.SerializeToString(),
                                           response_deserializer=customers.SignalStreamResponse.FromString)
        self.SignalStream = lambda requests, timeout=None: stream(requests, timeout=timeout)

    def close(self):
        self.channel.close()


_children = []


def _end_children():
    """Only what we started, and all of it."""
    for child in _children:
        child.kill()


atexit.register(_end_children)


class Process:
    """A child whose output is kept line by line."""

    def __init__(self, args, **kw):
        self.lines, self.cond = [], threading.Condition()
        self.p = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
        threading.Thread(target=self._read, daemon=True).start()
        _children.append(self)

    def _read(self):
        for line in self.p.stdout:
            with self.cond:
                self.lines.append(line.rstrip("\n"))
                self.cond.notify_all()
        with self.cond:
            self.lines.append(None)
            self.cond.notify_all()

    def wait_line(self, text, seconds=60, start=0):
        """The first line from index start on that begins with text."""
        end = time.time() + seconds
        with self.cond:
            while True:
                for line in self.lines[start:]:
                    if line is not None and line.startswith(text):
                        return line
                if None in self.lines or time.time() > end:
                    raise AssertionError("no line %r from %s; got:\n%s" % (
                        text, self.p.args, "\n".join(str(x) for x in self.lines[-30:])))
                self.cond.wait(1)

    def kill(self):
        if self.p.poll() is None:
            self.p.kill()
        self.p.wait()

    def stop(self, seconds=30):
        self.p.send_signal(signal.SIGTERM)
        return self.p.wait(seconds)


def folder(name):
    path = os.path.join(WORK, name)
    os.makedirs(path, exist_ok=True)
    return path


class Redis(Process):
    """A redis-server of our own on a Unix socket."""

    def __init__(self, name="redis", extra=()):
        self.folder = folder(name)
        self.socket = os.path.join(self.folder, "r.sock")
        self.url = "unix://" + self.socket
        binary = shutil.which("redis-server") or shutil.which("valkey-server")
        super().__init__([binary, "--port", "0", "--unixsocket", self.socket, "--dir", self.folder, "--save", "",
                          "--appendonly", "yes", "--maxmemory-policy", "noeviction", *extra])
        end = time.time() + 20
        while not os.path.exists(self.socket) and time.time() < end:
            time.sleep(0.01)

    def command(self, *words):
        """One command by hand, and the answer: the text of a string, the line of anything else."""
        with socket.socket(socket.AF_UNIX) as c:
            c.settimeout(20)
            c.connect(self.socket)
            c.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
            answer = c.makefile("rb")
            line = answer.readline().decode().rstrip("\r\n")
            return answer.read(int(line[1:])).decode() if line.startswith("$") and line != "$-1" else line


class Server(Process):
    """A tact server; ready=False does not wait until it serves."""

    def __init__(self, policy, store=None, data=None, extra=(), ready=True):
        self.data = data or folder("data-%d" % len(os.listdir(WORK)))
        args = [TACT, "serve", "--policy", policy, "--data", self.data, "--listen", "127.0.0.1:0"]
        super().__init__(args + (["--store", store] if store else []) + list(extra))
        self.address = self.wait_line("listening ").split()[1]
        if ready:
            self.wait_line("ready ")
        self.client = Client(self.address)

    def stop(self, seconds=30):
        self.client.close()
        return super().stop(seconds)

    def stats(self):
        """The counts that the server prints, as a dict."""
        start = len(self.lines)
        self.p.send_signal(signal.SIGUSR1)
        line = self.wait_line("stats ", start=start)
        return {k: float(v) for k, v in (w.split("=") for w in line.split()[1:])}


_counts = {"passed": 0, "failed": 0}


def check(name, good, why=""):
    _counts["passed" if good else "failed"] += 1
    print("%s %s%s" % ("ok  " if good else "FAIL", name, "" if good else ": %s" % (why,)), flush=True)
    return good


def fails(name, status, text, call):
    """The call must end with this gRPC status and a message that holds the text."""
    try:
        reply = call()
    except grpc.RpcError as e:
        return check(name, e.code() == status and text in e.details(), "%s: %s" % (e.code(), e.details()))
    return check(name, False, "it answered %s" % reply)


def done():
    print("%d passed, %d failed" % (_counts["passed"], _counts["failed"]))
    _end_children()
    shutil.rmtree(WORK, ignore_errors=True)
    sys.stdout.flush()
    os._exit(1 if _counts["failed"] or not _counts["passed"] else 0)

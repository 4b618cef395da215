#!/usr/bin/env python3
"""How much processor time do puts and reads cost the three daemons of a cluster, by one binary and by another?

    tests/bench/processor_time.py --runs 4 BEFORE AFTER

The binaries have turns, each on a cluster of its own; the order changes with each turn. Clients are threads of this program, over the
unix sockets, in JSON; only the daemons' time counts, their own and the kernel's for them, as the kernel accounts it. Needs nothing but
Python. Values are medians, with the least and the most behind them.
"""
import argparse
import functools
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
NODES = 3
VALUE = "v" * 256
PATIENCE = 15.0


class Client:
    """One connection with HTTP/1.1, one request at a time."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.held = b""

    def ask(self, method, path, body=b""):
        head = "%s %s HTTP/1.1\r\nhost: quorate\r\ncontent-length: %d\r\n\r\n" % (method, path, len(body))
        self.socket.sendall(head.encode() + body)
        while b"\r\n\r\n" not in self.held:
            self.held += self.more()
        head, self.held = self.held.split(b"\r\n\r\n", 1)
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0].split(b":")[1])
        while len(self.held) < length:
            self.held += self.more()
        answer, self.held = self.held[:length], self.held[length:]
        if head.split()[1] != b"200":
            raise RuntimeError("%s %s: %r" % (method, path, answer))
        return answer

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise RuntimeError("the daemon closed the connection")
        return got


class Cluster:
    def __init__(self, binary, port):
        self.binary, self.daemons, self.sockets = binary, [], []
        self.dir = tempfile.mkdtemp(prefix="quorate-time-")
        secret = os.path.join(self.dir, "secret")
        with open(secret, "w") as file:
            file.write(subprocess.run([binary, "secret", "new"], check=True, capture_output=True, text=True).stdout)
        os.chmod(secret, 0o600)
        seeds = ["127.0.0.1:%d" % (port + number) for number in range(NODES)]
        for number in range(NODES):
            self.start(number, port, seeds, secret)
        self.leader = self.wait()

    def start(self, number, port, seeds, secret):
        place = os.path.join(self.dir, "n%d" % (number + 1))
        os.mkdir(place)
        config = {"seeds": seeds, "secret_file": secret, "data_dir": place + "/data", "birth_dir": place + "/birth",
                  "listen": seeds[number], "cluster": "time"}
        lines = ["%s = %s" % (key, json.dumps(value)) for key, value in config.items()]
        lines += ["[client]", "socket = %s" % json.dumps(place + "/socket"), "tcp = \"127.0.0.1:%d\"" % (port + NODES + number)]
        with open(place + "/quorate.toml", "w") as file:
            file.write("\n".join(lines) + "\n")
        with open(place + "/host.toml", "w") as file:
            file.write("name = \"n%d\"\n" % (number + 1))
        with open(place + "/log", "w") as log:
            command = [self.binary, "run", "--config", place + "/quorate.toml"]
            self.daemons.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
        self.sockets.append(place + "/socket")

    def wait(self):
        """The place of the leader, once there is one."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            leader = self.status(0).get("leader")
            if leader:
                return int((leader if isinstance(leader, str) else leader["name"])[1:]) - 1
            time.sleep(0.1)
        with open(os.path.join(self.dir, "n1", "log")) as log:
            sys.exit("no leader within %d s; n1 says:\n%s" % (PATIENCE, log.read()[-2000:]))

    def status(self, number):
        """What a daemon says of itself; empty while it does not answer."""
        asked = subprocess.run([self.binary, "--socket", self.sockets[number], "status", "-o", "json"], capture_output=True, text=True)
        return json.loads(asked.stdout) if asked.stdout.startswith("{") else {}

    def processor_time(self):
        """Seconds of all daemons."""
        total = 0
        for daemon in self.daemons:
            with open("/proc/%d/stat" % daemon.pid) as file:
                fields = file.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def close(self):
        for daemon in self.daemons:
            daemon.terminate()
        for daemon in self.daemons:
            daemon.wait()
        shutil.rmtree(self.dir)


def put(client, number):
    return "PUT", "/v1/kv", json.dumps({"key": "k%d-%d" % (client, number % 500), "value": VALUE}).encode()


def read(client, number):
    return "GET", "/v1/kv?key=k%d-%d" % (client, number % 500)


def local_read(client, number):
    return "GET", "/v1/kv?serializable=1&key=k%d-%d" % (client, number % 500)


# What, by whose clients (0 = the leader's, 1 = a follower's), how many in all, how many clients, the request.
LOADS = [
    ("puts, leader, 1 client", 0, 1500, 1, put),
    ("puts, leader, 32 clients", 0, 20000, 32, put),
    ("puts, follower, 32 clients", 1, 20000, 32, put),
    ("reads, leader, 32 clients", 0, 30000, 32, read),
    ("reads, follower, 32 clients", 1, 30000, 32, read),
    ("reads of the own copy, follower, 32 clients", 1, 30000, 32, local_read),
]


def run_all(works):
    """Runs these at once; seconds until all are done. Ends with the first of their errors."""
    failed = []

    def run(work):
        try:
            work()
        except (OSError, RuntimeError) as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit("a request failed: %s" % failed[0])
    return time.monotonic() - began


def load(path, count, clients, request):
    """Seconds until all are done."""
    def work(number):
        client = Client(path)
        for turn in range(count // clients):
            client.ask(*request(number, turn))
    return run_all([functools.partial(work, number) for number in range(clients)])


def measure(binary, port):
    """For each load: microseconds of processor time for one, and how many a second."""
    cluster, found = Cluster(binary, port), {}
    try:
        load(cluster.sockets[cluster.leader], 16000, 32, put)
        for what, whose, count, clients, request in LOADS:
            before = cluster.processor_time()
            seconds = load(cluster.sockets[(cluster.leader + whose) % NODES], count, clients, request)
            found[what] = ((cluster.processor_time() - before) / count * 1e6, count / seconds)
    finally:
        cluster.close()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--port", type=int, default=21000)
    parser.add_argument("binary", nargs="+")
    options = parser.parse_args()
    found = {}
    for run in range(options.runs):
        order = list(enumerate(options.binary))
        for at, binary in order if run % 2 == 0 else reversed(order):
            port = options.port + 10 * (run * len(order) + at)
            for what, figures in measure(os.path.abspath(binary), port).items():
                found.setdefault(what, {}).setdefault(at, []).append(figures)
    print("| processor time for one, of all three daemons | %s |" % " | ".join(map(os.path.basename, options.binary)))
    print("|---|" + "---|" * len(options.binary))
    for what, by in found.items():
        cells = []
        for at in range(len(options.binary)):
            times, rates = zip(*by[at])
            cells.append("%.0f µs (%.0f-%.0f), %d a second" % (
                statistics.median(times), min(times), max(times), statistics.median(rates)))
        print("| %s | %s |" % (what, " | ".join(cells)))


if __name__ == "__main__":
    main()

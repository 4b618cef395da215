#!/usr/bin/env python3
"""What a million keys cost: a voter that gets all of them while others write, and a restart of all, beside etcd.

    tests/bench/million.py BINARY [--keys 1000000] [--etcd etcd]

Three daemons on this machine get keys of 256 bytes; one that does not lead loses its disk and joins anew while two clients put, one through
the leader and one through the other follower: how long it takes until it votes and has applied what the leader had, the longest pause
between two answers, and whether a term passed. Then all daemons are killed
with SIGKILL and started again: how long until each serves a read that is linearizable. etcd gets the same keys, is killed and started again
in the same way. Needs Python and, for etcd, `etcd` and `curl`.
"""
import argparse
import base64
import functools
import http.client
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from processor_time import Client, Cluster, run_all     # noqa: E402

VALUE = "v" * 256
EACH = 100
PATIENCE = 120.0


def wait_for(what, true):
    """Seconds until that is true."""
    began = time.monotonic()
    while time.monotonic() < began + PATIENCE:
        if true():
            return time.monotonic() - began
        time.sleep(0.01)
    sys.exit("not within %d s: %s" % (PATIENCE, what))


def fill(cluster, keys):
    """All keys, by `quorate import`."""
    lines = os.path.join(cluster.dir, "lines")
    with open(lines, "w") as file:
        for key in range(keys):
            file.write('{"key": "m/%08d", "value": "%s"}\n' % (key, VALUE))
    subprocess.run([cluster.binary, "--socket", cluster.sockets[cluster.leader], "import", lines], check=True, stdout=subprocess.DEVNULL)


class Putter(threading.Thread):
    """Puts without a pause, and knows when each was answered. A refused put is asked again, so the pause goes on."""

    def __init__(self, path, name):
        super().__init__(daemon=True)
        self.path, self.name_, self.answered, self.refused, self.stops = path, name, [], 0, False

    def run(self):
        client = Client(self.path)
        while not self.stops:
            body = json.dumps({"key": "w/%s/%d" % (self.name_, len(self.answered) % 1000), "value": VALUE}).encode()
            try:
                client.ask("PUT", "/v1/kv", body)
                self.answered.append(time.monotonic())
            except (OSError, RuntimeError):
                self.refused, client = self.refused + 1, Client(self.path)

    def longest(self, since, until):
        """Milliseconds between two answers."""
        at = [since] + [one for one in self.answered if since <= one <= until] + [until]
        return max(later - before for before, later in zip(at, at[1:])) * 1e3


def kill(daemons):
    """All of them at once, with SIGKILL."""
    for daemon in daemons:
        daemon.kill()
    for daemon in daemons:
        daemon.wait()


def memory(pid):
    with open("/proc/%d/status" % pid) as file:
        line = [line for line in file if line.startswith("VmRSS")][0]
    return int(line.split()[1]) // 1024


def reads(path):
    try:
        return b"vvvv" in Client(path).ask("GET", "/v1/kv?key=m/00000001")
    except (OSError, RuntimeError, IndexError):
        return False


def quorate(binary, keys):
    cluster = Cluster(binary, 23100)
    try:
        began = time.monotonic()
        fill(cluster, keys)
        print("quorate: %d keys written in %.1f s" % (keys, time.monotonic() - began))
        print("quorate: memory of the daemons, MiB: %s" % [memory(daemon.pid) for daemon in cluster.daemons])
        joins(cluster)
        restarts(cluster)
    finally:
        cluster.close()


def joins(cluster):
    lost, before = (cluster.leader + 2) % 3, cluster.status(cluster.leader)
    putters = [Putter(cluster.sockets[cluster.leader], "leader"), Putter(cluster.sockets[(cluster.leader + 1) % 3], "follower")]
    for putter in putters:
        putter.start()
    began = time.monotonic()
    time.sleep(3)
    kill([cluster.daemons[lost]])
    shutil.rmtree(os.path.join(cluster.dir, "n%d" % (lost + 1), "data"))
    wiped = time.monotonic()
    commit = cluster.status(cluster.leader)["commit"]
    cluster.daemons[lost] = subprocess.Popen(cluster.daemons[lost].args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    votes = wait_for("the host votes and has all", lambda: has_all(cluster.status(lost), commit))
    time.sleep(3)
    ended = time.monotonic()
    for putter in putters:
        putter.stops = True
        putter.join()
    calm, meanwhile = ([putter.longest(*span) for putter in putters] for span in ((began, wiped), (wiped, ended)))
    after = cluster.status(cluster.leader)
    print("quorate: a wiped voter has all and votes after %.1f s; longest pause of a put meanwhile: leader %.0f ms, follower %.0f ms (3 s before: "
          "%.0f, %.0f); puts %s, refused %s; term %s -> %s" % (votes, *meanwhile, *calm, [len(putter.answered) for putter in putters],
                                                             [putter.refused for putter in putters], before["term"], after["term"]))


def has_all(seen, commit):
    """Whether this node votes, and has applied what was committed then."""
    return seen.get("node", {}).get("role") == "voter" and (seen.get("applied") or 0) >= commit


def restarts(cluster):
    commands = [daemon.args for daemon in cluster.daemons]
    kill(cluster.daemons)
    began = time.monotonic()
    cluster.daemons = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands]
    took = []
    for path in cluster.sockets:
        wait_for("a read after the restart", lambda path=path: reads(path))
        took.append(time.monotonic() - began)
    print("quorate: all killed and started again: a linearizable read through each after %s s" % ", ".join("%.2f" % one for one in took))
    print("quorate: memory of the daemons, MiB: %s" % [memory(daemon.pid) for daemon in cluster.daemons])


class Etcd:
    def __init__(self, program):
        self.dir = tempfile.mkdtemp(prefix="etcd-million-")
        members = ["e%d=http://127.0.0.1:%d" % (one, 23200 + one) for one in range(3)]
        self.ports = [23210 + one for one in range(3)]
        self.commands = [[program, "--name", "e%d" % one, "--data-dir", "%s/e%d" % (self.dir, one), "--quota-backend-bytes", str(8 << 30),
                          "--listen-peer-urls", "http://127.0.0.1:%d" % (23200 + one), "--initial-advertise-peer-urls",
                          "http://127.0.0.1:%d" % (23200 + one), "--listen-client-urls", "http://127.0.0.1:%d" % self.ports[one],
                          "--advertise-client-urls", "http://127.0.0.1:%d" % self.ports[one], "--initial-cluster", ",".join(members)]
                         for one in range(3)]
        self.start()

    def start(self):
        self.daemons = [subprocess.Popen(one, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for one in self.commands]

    def ask(self, port, path, body):
        asked = subprocess.run(["curl", "-sf", "--max-time", "5", "-d", json.dumps(body), "http://127.0.0.1:%d/v3/kv/%s" % (port, path)],
                               capture_output=True)
        return asked.returncode == 0

    def fill(self, keys):
        text = lambda one: base64.b64encode(one.encode()).decode()     # noqa: E731
        value = text(VALUE)

        def work(part):
            door = http.client.HTTPConnection("127.0.0.1", self.ports[0])
            for first in range(part * EACH, keys, 4 * EACH):
                puts = [{"requestPut": {"key": text("m/%08d" % key), "value": value}} for key in range(first, min(first + EACH, keys))]
                door.request("POST", "/v3/kv/txn", json.dumps({"success": puts}))
                answer = door.getresponse()
                answer.read()
                if answer.status != 200:
                    raise RuntimeError("etcd answers with %d" % answer.status)
        run_all([functools.partial(work, part) for part in range(4)])

    def close(self):
        kill(self.daemons)
        shutil.rmtree(self.dir)


def etcd(program, keys):
    group = Etcd(program)
    reading = {"key": "bS8wMDAwMDAwMQ=="}
    try:
        wait_for("etcd serves", lambda: group.ask(group.ports[0], "range", reading))
        began = time.monotonic()
        group.fill(keys)
        print("etcd: %d keys written in %.1f s" % (keys, time.monotonic() - began))
        print("etcd: memory, MiB: %s" % [memory(daemon.pid) for daemon in group.daemons])
        kill(group.daemons)
        began = time.monotonic()
        group.start()
        took = []
        for port in group.ports:
            wait_for("etcd serves again", lambda port=port: group.ask(port, "range", reading))
            took.append(time.monotonic() - began)
        print("etcd: all killed and started again: a linearizable read through each after %s s" % ", ".join("%.2f" % one for one in took))
    finally:
        group.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--etcd", default=shutil.which("etcd"))
    options = parser.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    quorate(os.path.abspath(options.binary), options.keys)
    if options.etcd:
        etcd(options.etcd, options.keys)


if __name__ == "__main__":
    main()

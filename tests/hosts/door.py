"""A node's door for local programs, used from outside of its host: pings and large writes, without a shell in between.

The socket is reached through the root directory of the host's PID 1, which every network namespace sees.
"""
import http.client
import json
import os
import socket
import threading
import time
import urllib.parse

from cluster import Failed


class Local(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Door:
    """One connection after the other to the node on a host, by whoever uses it."""

    def __init__(self, cluster, host, timeout=60):
        for line in cluster.hosts("status").stdout.splitlines():
            words = line.split()
            if words and words[0] == "h%d" % host and words[-1].isdigit():
                self.path, self.timeout = "/proc/%s/root/run/quorate/quorate.sock" % words[-1], timeout
                return
        raise Failed("host %d is off" % host)

    def ask(self, method, path, body=None, headers=None):
        """Status and bytes of the answer."""
        connection = Local(self.path, self.timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ping(self, name, count=1):
        """Round trips to a node in milliseconds, as far as they came; the first that is lost ends the row."""
        query = urllib.parse.urlencode({"name": name, "count": count})
        status, body = self.ask("GET", "/v1/ping?" + query)
        return [trip / 1000 for trip in json.loads(body)["round_trip_micros"]] if status == 200 else []

    def put(self, key, value, timeout=30.0):
        """Whether it was acknowledged."""
        request = field(2, field(1, key) + field(2, value))
        headers = {"content-type": "application/x-protobuf", "quorate-timeout-ms": str(int(timeout * 1000))}
        try:
            return self.ask("POST", "/v1/kv", request, headers)[0] == 200
        except (OSError, http.client.HTTPException):
            return False


def field(number, content):
    """A field of bytes, as protobuf writes it."""
    head, size = bytes([number << 3 | 2]), len(content)
    while size > 0x7f:
        head, size = head + bytes([size & 0x7f | 0x80]), size >> 7
    return head + bytes([size]) + content


def fill(cluster, host, prefix, total, value=1 << 20, clients=3):
    """Writes so many bytes as keys of one value each, several at once; the seconds."""
    began, door = time.monotonic(), Door(cluster, host)
    keys = iter(range(-(-total // value)))
    lock, failures = threading.Lock(), []

    def work():
        while not failures:
            with lock:
                key = next(keys, None)
            if key is None:
                return
            name = ("%s%05d" % (prefix, key)).encode()
            content = os.urandom(64) * (value // 64)
            if not any(door.put(name, content) for _ in range(5)):
                failures.append(key)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(clients)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise Failed("a write of %d bytes through host %d was refused five times" % (value, host))
    return time.monotonic() - began


class Pings:
    """Pings from one host to another, ten a second at most, until they are stopped."""

    def __init__(self, cluster, host, name):
        self.door, self.name, self.trips, self.lost = Door(cluster, host, 20), name, [], 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.stopping.wait(0.1):
            try:
                trips = self.door.ping(self.name)
            except (OSError, ValueError, http.client.HTTPException):
                trips = []
            self.trips += trips
            self.lost += not trips

    def stop(self):
        self.stopping.set()
        self.thread.join(20)
        return self

    def percentile(self, percent):
        """Milliseconds; a ping that was lost counts as the second that it was waited for."""
        trips = sorted(self.trips + [1000.0] * self.lost)
        return trips[min(len(trips) - 1, len(trips) * percent // 100)] if trips else float("inf")

    def text(self):
        return "%d pings, p50 %.1f ms, p99 %.1f ms, longest %.1f ms, %d lost" % (
            len(self.trips) + self.lost, self.percentile(50), self.percentile(99), self.percentile(100), self.lost)

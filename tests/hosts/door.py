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


class Beats:
    """Answered heartbeat pings from one host to another since a moment, as the daemon counts them (`quorate_ping_seconds`)."""

    def __init__(self, cluster, host, name):
        self.door, self.name = Door(cluster, host, 20), name
        self.before, self.began = self.read(), time.monotonic()

    def read(self):
        """How many took no longer than each limit, in seconds."""
        status, body = self.door.ask("GET", "/metrics")
        if status != 200:
            raise Failed("/metrics answers with %d" % status)
        head = 'quorate_ping_seconds_bucket{peer="%s",le="' % self.name
        lines = [line[len(head):] for line in body.decode().splitlines() if line.startswith(head)]
        return {float(limit): int(count) for limit, count in (line.split('"} ') for line in lines)}

    def since(self):
        counts = {limit: count - self.before.get(limit, 0) for limit, count in self.read().items()}
        # There is one every 150 ms, or more often.
        if counts.get(float("inf"), 0) < (time.monotonic() - self.began) / 0.3:
            raise Failed("only %d heartbeats to %s were answered in %.0f s"
                         % (counts.get(float("inf"), 0), self.name, time.monotonic() - self.began))
        return counts

    def percentile(self, share, counts=None):
        """The smallest limit in seconds within which so many of a hundred were answered."""
        counts = counts or self.since()
        return min(limit for limit, count in counts.items() if 100 * count >= share * counts[float("inf")])

    def text(self):
        counts = self.since()
        return "%d heartbeats, p50 within %g ms, p99 within %g ms, p99.9 within %g ms" % (
            counts[float("inf")], *(1000 * self.percentile(share, counts) for share in (50, 99, 99.9)))

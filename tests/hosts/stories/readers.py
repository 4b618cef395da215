"""A thousand programs follow the view of health at one node, and ten of them never read: the others hear as soon as before, and the node stays small."""
import http.client
import json
import re
import resource
import select
import socket
import threading
import time

from processes import Daemons, Refused, percentile

EPOCH = re.compile(rb"data: \{\"epoch\":(\d+)")
ASK = b"GET /v1/health/watch HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
# So many may watch at each door.
PLACES = 512


class Readers:
    """Connections that read, all by one thread, and note when each epoch has come."""

    def __init__(self):
        self.poll, self.open, self.rest = select.epoll(), {}, {}
        self.came, self.bytes, self.ended, self.closed = {}, 0, threading.Event(), 0
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def add(self, connection):
        connection.setblocking(False)
        self.open[connection.fileno()] = connection
        self.rest[connection.fileno()] = b""
        self.poll.register(connection.fileno(), select.EPOLLIN)

    def read(self):
        while not self.ended.is_set():
            for number, _ in self.poll.poll(0.1):
                try:
                    got = self.open[number].recv(1 << 18)
                except BlockingIOError:
                    continue
                except OSError:
                    got = b""
                if not got:
                    self.closed += 1
                    self.poll.unregister(number)
                    continue
                now, text = time.monotonic(), self.rest[number] + got
                self.bytes += len(got)
                last = 0
                for found in EPOCH.finditer(text):
                    self.came.setdefault(int(found[1]), []).append(now)
                    last = found.end()
                self.rest[number] = text[max(last, len(text) - 32):]

    def close(self):
        self.ended.set()
        self.thread.join()
        for connection in self.open.values():
            connection.close()


def connect(daemon, door):
    """A stream's connection at that door; the request is on its way."""
    if door == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(daemon.socket)
    else:
        connection = socket.socket(socket.AF_INET)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.settimeout(20)
        connection.connect(daemon.tcp)
    connection.sendall(ASK)
    return connection


def changes(daemon, readers, number):
    """n2 is drained and undrained in turns; how long each epoch took to each reader, and how many never came."""
    times, skipped = [], 0
    for turn in range(number):
        began = time.monotonic()
        epoch = daemon.post("/v1/undrain" if turn % 2 else "/v1/drain", name="n2")["epoch"]
        end = time.monotonic() + 20
        while len(readers.came.get(epoch, [])) < len(readers.open) and time.monotonic() < end:
            time.sleep(0.002)
        came = readers.came.get(epoch, [])
        skipped += len(readers.open) - len(came)
        times += [at - began for at in came]
    return times, skipped


def readers_that_do_not_read(story):
    """Of many that follow the view of health ten never read: the others hear of each epoch as soon as before, the node stays small, and what is refused or ended is told."""
    many, rounds = story.tier.readers, story.tier.told
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Daemons(story.binary, 3) as daemons:
        for daemon in daemons.all:
            for number in range(5):
                daemon.write("apps.d/a%d.toml" % number, 'endpoints = ["10.0.0.%d:80"]\n[labels]\nwhat = "%s"\n[check]\nkind = "none"\n'
                             % (daemon.number, "x" * 60))
        daemons.start()
        daemons.whole()
        node, asked, readers, lazy = daemons.all[0], daemons.all[2], Readers(), []
        try:
            empty = node.memory()
            for number in range(many - 10):
                readers.add(connect(node, "unix" if number % 2 else "tcp"))
            changes(asked, readers, rounds)
            before, left_out = changes(asked, readers, rounds)
            full = node.memory()
            lazy = [connect(node, "unix" if number % 2 else "tcp") for number in range(10)]
            # More than the kernel keeps for who does not read.
            changes(asked, readers, rounds)
            stuck = node.memory()
            after, also = changes(asked, readers, rounds)
            end = node.memory(), node.memory("VmHWM")
            story.check("each of %d readers was told of each of %d epochs" % (many - 10, 2 * rounds), not left_out + also + readers.closed,
                        (left_out, also, readers.closed))
            story.note("heard %.1f ms (median) behind the question, p99 %.1f, without those that do not read; %.1f and %.1f with them"
                       % tuple(1000 * percentile(times, share) for times in (before, after) for share in (50, 99)))
            story.note("%.0f MB before, %.0f with %d readers, %.1f and then %.1f with 10 that do not read, %.0f at most; %.0f MB were read"
                       % (empty, full, many - 10, stuck, end[0], end[1], readers.bytes / 1e6))
            story.check("the node stays small: less than 1 MB more for each that does not read, and none with more epochs",
                        stuck - full < 10 and end[0] - stuck < 4, (full, stuck, end))
            if story.tier.name != "quick":
                are_ended(story, node, lazy)
                are_refused(story, node, many)
        finally:
            readers.close()
            for connection in lazy:
                connection.close()
        story.check("no daemon has panicked", not daemons.panics(), daemons.panics())


def are_ended(story, node, lazy):
    """Who takes nothing for 30 s loses its connection. Of TCP the kernel may keep megabytes for it first, so those are not asked."""
    time.sleep(35)
    lazy, ended = [connection for connection in lazy if connection.family == socket.AF_UNIX], 0
    for connection in lazy:
        connection.settimeout(1)
        end = time.monotonic() + 2
        try:
            while time.monotonic() < end and not ended_by(connection):
                pass
            ended += time.monotonic() < end
        except TimeoutError:
            pass
    story.check("the connections of all that never read at the socket are ended", ended == len(lazy) > 0, ended)
    counted = [int(line.split()[1]) for line in metrics(node).splitlines() if line.startswith("quorate_readers_ended_total ")]
    story.check("they are counted in the figures", counted and counted[0] >= ended, counted)
    told = [line for line in node.log().splitlines() if "did not take in time what it had asked for" in line]
    story.check("the log says so, and not once for each", 0 < len(told) < ended, told)


def ended_by(connection):
    try:
        return not connection.recv(1 << 18)
    except ConnectionError:
        return True


def are_refused(story, node, many):
    """More than there are places for are told so, and the figures say it."""
    held, busy = [], 0
    try:
        for _ in range(PLACES - (many - 10) // 2 + 20):
            connection = connect(node, "unix")
            held.append(connection)
            busy += b" 503 " in connection.recv(1 << 16)[:20]
        text = metrics(node)
        refused = [line for line in text.splitlines() if line.startswith("quorate_bound_refused_total{") and not line.endswith(" 0")]
        story.check("one that finds no place is told so, and counted in the figures", busy >= 20 and refused, (busy, refused))
        story.note("%d were refused; %s" % (busy, "; ".join(refused)))
    finally:
        for connection in held:
            connection.close()


def metrics(node):
    try:
        return node.ask("GET", "/metrics")
    except (OSError, http.client.HTTPException, Refused) as error:
        return json.dumps(str(error))


STORIES = [readers_that_do_not_read]

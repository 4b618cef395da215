"""Several daemons on one machine, without hosts around them: for what is about time and numbers, and not about systemd.

All of 127.0.0.0/8 is this machine, so each process of tests has a loopback address of its own, made from its process id. A daemon dies
with kill -9, stands still with SIGSTOP, and is asked at its own unix socket. None outlives its `Daemons`.
"""
import atexit
import datetime
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

from cluster import Failed
from door import Local

LISTEN, DOOR = 4800, 5800


class Refused(Exception):
    """The daemon has answered, and not with 200."""

    def __init__(self, status, page):
        super().__init__("%d %s" % (status, page))
        self.status, self.page = status, page


class Daemon:
    """One of them, running or not."""

    def __init__(self, under, number, binary):
        self.name, self.number, self.binary = "n%d" % number, number, binary
        self.home = os.path.join(under, self.name)
        os.makedirs(self.home + "/apps.d")
        self.socket, self.process, self.stopped = self.home + "/sock", None, False
        self.told, self.readied, self.said = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), None, threading.Condition()
        self.manager = self.home + "/notify"
        self.told.bind(self.manager)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        """To what it tells its service manager, all the time: a full queue would stop it."""
        while self.told.fileno() >= 0:
            try:
                words = self.told.recv(4096).split(b"\n")
            except OSError:
                return
            if b"READY=1" in words:
                with self.said:
                    self.readied = time.monotonic()
                    self.said.notify_all()

    def write(self, name, text):
        with open(os.path.join(self.home, name), "w") as file:
            file.write(text)

    def start(self):
        """Without waiting for anything."""
        self.readied = None
        environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": self.manager}
        with open(self.home + "/log", "a") as log:
            self.process = subprocess.Popen([self.binary, "run", "--config", self.home + "/quorate.toml"], env=environment,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def ready(self, limit=30.0):
        """When it said READY=1 to its service manager, which this process is."""
        with self.said:
            if self.said.wait_for(lambda: self.readied, limit):
                return self.readied
        raise Failed("%s has not said READY=1 in %d s:\n%s" % (self.name, limit, self.log()[-1500:]))

    def runs(self):
        return self.process is not None

    def kill(self, how=signal.SIGKILL):
        if self.process:
            self.process.send_signal(how)
            if self.stopped:
                self.process.send_signal(signal.SIGCONT)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise Failed("%s has not ended 40 s after signal %d" % (self.name, how)) from None
            self.process, self.stopped = None, False

    def freeze(self):
        self.stopped = True
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)
        self.stopped = False

    def log(self):
        with open(self.home + "/log") as file:
            return file.read()

    # --- questions -------------------------------------------------------------------------------------------

    def ask(self, method, path, query=None, body=None, timeout=60.0, headers=None):
        """The page of an answer with 200; everything else is raised."""
        if query:
            path += "?" + urllib.parse.urlencode(query)
        connection = Local(self.socket, timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            status, text = answer.status, answer.read()
        finally:
            connection.close()
        page = json.loads(text) if text[:1] in b"{[" else text.decode()
        if status != 200:
            raise Refused(status, page)
        return page

    def get(self, path, **query):
        return self.ask("GET", path, query)

    def post(self, path, **query):
        return self.ask("POST", path, query)

    def put(self, key, value, timeout_ms=5000):
        return self.ask("PUT", "/v1/kv", body=json.dumps({"key": key, "value": value}), headers={"quorate-timeout-ms": str(timeout_ms)})

    def follow(self, path, hear, **query):
        """A thread that hands each event of a stream to `hear`, with the moment, until the stream ends."""
        def read():
            try:
                connection = Local(self.socket, 30)
                connection.request("GET", path + "?" + urllib.parse.urlencode(query))
                answer = connection.getresponse()
                for line in answer:
                    if line.startswith(b"data: "):
                        hear(time.monotonic(), json.loads(line[6:]))
            except (OSError, http.client.HTTPException, ValueError):
                pass                                                           # its daemon has ended
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread

    def memory(self, what="VmRSS"):
        """Megabytes, as the kernel counts them."""
        return memory(self.process.pid, what)

    def command(self, *arguments, timeout=60):
        return subprocess.run([self.binary, "--socket", self.socket, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=timeout)


class Daemons:
    """`n1`, `n2`, ... with one secret and one list of seeds; nothing runs yet. To be closed."""

    def __init__(self, binary, count, seeds=None, labels=None):
        self.dir = tempfile.mkdtemp(prefix="quorate-processes-")
        # What is started is this file, whatever becomes of the other.
        self.binary = os.path.abspath(binary)
        secret = self.dir + "/secret"
        with open(secret, "w") as file:
            file.write(subprocess.run([self.binary, "secret", "new"], check=True, capture_output=True, text=True).stdout)
        os.chmod(secret, 0o600)
        address = "127.%d.%d.%d" % (64 | os.getpid() >> 16 & 0x3f, os.getpid() >> 8 & 0xff, os.getpid() & 0xff)
        self.all = [Daemon(self.dir, number, self.binary) for number in range(1, count + 1)]
        first = Daemons.port
        Daemons.port += count
        listens = ["%s:%d" % (address, LISTEN + first + at) for at in range(count)]
        for daemon, listen in zip(self.all, listens):
            daemon.tcp = (address, DOOR + first + daemon.number - 1)
            keys = {"cluster": "t", "seeds": listens[:seeds or count], "secret_file": secret, "data_dir": daemon.home + "/data",
                    "birth_dir": daemon.home + "/birth", "listen": listen, "apps_dir": daemon.home + "/apps.d"}
            lines = ["%s = %s" % (key, json.dumps(value)) for key, value in keys.items()]
            lines += ["[client]", "socket = %s" % json.dumps(daemon.socket), "tcp = %s" % json.dumps("%s:%d" % daemon.tcp)]
            daemon.write("quorate.toml", "\n".join(lines) + "\n")
            daemon.write("host.toml", "name = %s\n%s" % (json.dumps(daemon.name), labels or ""))
        atexit.register(self.close)

    # Where the next cluster of this process listens: no port is used twice.
    port = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def start(self):
        for daemon in self.all:
            daemon.start()

    def running(self):
        return [daemon for daemon in self.all if daemon.runs()]

    def until(self, what, holds, limit=60.0, of=None):
        """Until it holds for the status of each that runs; the statuses."""
        end = time.monotonic() + limit
        while True:
            seen = []
            for daemon in of or self.running():
                try:
                    seen.append(daemon.get("/v1/status"))
                except (OSError, http.client.HTTPException, Refused) as error:
                    seen.append(str(error))
            if all(isinstance(status, dict) and holds(status) for status in seen):
                return seen
            if time.monotonic() > end:
                raise Failed("after %.0f s still not: %s; %s" % (limit, what, [brief(status) for status in seen]))
            time.sleep(0.02)

    def whole(self, limit=60.0):
        """Until all that run are quorate, and see each other alive."""
        names = {daemon.name for daemon in self.running()}
        return self.until("quorate with %s alive" % sorted(names), lambda status: status["state"] == "quorate" and names == {
            member["name"] for member in status["members"] if member["state"] == "alive"}, limit)

    def leader(self):
        """The one that leads, or None while those that run do not agree."""
        names = set()
        for daemon in self.running():
            try:
                names.add(daemon.get("/v1/status")["leader"])
            except (OSError, http.client.HTTPException, Refused):
                names.add(None)
        return next((daemon for daemon in self.running() if {daemon.name} == names), None)

    def any(self, chance=random):
        return chance.choice(self.running())

    def panics(self):
        """Lines of logs that tell of one."""
        return [line for daemon in self.all if os.path.exists(daemon.home + "/log")
                for line in daemon.log().splitlines() if "panicked" in line]

    def close(self):
        atexit.unregister(self.close)
        for daemon in self.all:
            daemon.kill()
            daemon.told.shutdown(socket.SHUT_RDWR)
            daemon.told.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def moment(text):
    """Seconds since 1970 of a time as pages tell it."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def brief(status):
    if not isinstance(status, dict):
        return status
    return {key: status[key] for key in ("state", "leader", "term", "applied", "health_epoch")} | {
        "members": ["%s %s" % (member["name"], member["state"]) for member in status["members"]]}


def memory(process, what="VmRSS"):
    with open("/proc/%d/status" % process) as file:
        return next(int(line.split()[1]) for line in file if line.startswith(what + ":")) / 1024


def equal_states(daemons, since, limit=30.0):
    """Until all that run have applied the same entries, as of then or later; how long that took, and what differed at one index, which must be nothing."""
    by_index, end, at = {}, time.monotonic() + limit, time.time() - (time.monotonic() - since)
    while True:
        # A page is made at most five times a second.
        seen = daemons.until("they show what is so by now", lambda status: moment(status["as_of"]) >= at)
        for status in seen:
            by_index.setdefault(status["applied"], set()).add(status["state_hash"])
        torn = {index: hashes for index, hashes in by_index.items() if len(hashes) > 1}
        if torn or len({status["applied"] for status in seen}) == 1:
            return time.monotonic() - since, torn
        if time.monotonic() > end:
            raise Failed("after %.0f s they have not applied the same: %s" % (limit, [brief(status) for status in seen]))
        time.sleep(0.01)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share / 100))]


def in_parallel(works):
    """Runs all of them at once, to their ends; what they return, and the first exception if there is one."""
    results, errors = [None] * len(works), []

    def run(at, work):
        try:
            results[at] = work()
        except Exception as error:                                             # told to who waits
            errors.append(error)

    threads = [threading.Thread(target=run, args=(at, work), daemon=True) for at, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results

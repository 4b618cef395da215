"""Hosts with quorate on them: installs, starts, asks and breaks them through ./hosts.

What a story needs and no more. Everything that waits has a limit, and says what it waited for when the limit is over.
"""
import concurrent.futures
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HOSTS = os.path.join(HERE, "hosts")
SYSTEMD = os.path.join(HERE, "..", "..", "systemd")
# Where the staged files are seen inside each host.
STAGED = "/opt/quorate"
INSTALL = STAGED + "/install.sh " + STAGED + "/quorate"


class Failed(Exception):
    """A story cannot go on."""


class Cluster:
    """Hosts 1 to N. Thrown away when the story ends."""

    def __init__(self, binary, log):
        self.name = "qa%d" % os.getpid()
        self.log = log
        self.count = 0
        self.stage = tempfile.mkdtemp(prefix="quorate-stage-")
        os.chmod(self.stage, 0o755)
        shutil.copy(binary, self.stage + "/quorate")
        for entry in os.scandir(SYSTEMD):
            # What is below is for the host that watches, and is not installed.
            if entry.is_file():
                shutil.copy(entry.path, self.stage)
        os.makedirs(self.stage + "/etc")
        self.secret(self.stage + "/etc/secret")

    def secret(self, path):
        made = subprocess.run([self.stage + "/quorate", "secret", "new"], capture_output=True, text=True)
        if made.returncode:
            raise Failed("`quorate secret new`: " + made.stderr)
        with open(path, "w") as file:
            file.write(made.stdout)

    # --- the machine -----------------------------------------------------------------------------------------

    def hosts(self, *argv, check=True, timeout=120, **kw):
        done = subprocess.run([HOSTS, "-n", self.name, *map(str, argv)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout, **kw)
        if check and done.returncode:
            raise Failed("hosts %s: %s" % (" ".join(map(str, argv)), (done.stderr + done.stdout).strip()))
        return done

    def up(self, count, *options, packages=""):
        """Boots so many hosts; with more Debian packages on a root filesystem of their own, which is made once."""
        self.count = count
        environment = dict(os.environ, HOSTS_PACKAGES=packages) if packages else None
        self.hosts("up", count, "--bind", self.stage + ":" + STAGED, *options, timeout=900, env=environment)

    def add(self):
        self.hosts("add", 1)
        self.count += 1
        return self.count

    def down(self):
        self.hosts("down", check=False)
        self.count = 0

    def close(self):
        self.down()
        shutil.rmtree(self.stage, ignore_errors=True)

    def all(self):
        return list(range(1, self.count + 1))

    def each(self, hosts, work):
        """Does it on all of them at once; results in their order."""
        with concurrent.futures.ThreadPoolExecutor(max(1, len(hosts))) as pool:
            return list(pool.map(work, hosts))

    def run(self, host, command, check=False, timeout=120):
        return self.hosts("exec", host, "--", "sh", "-c", command, check=check, timeout=timeout)

    # --- installing ------------------------------------------------------------------------------------------

    def configure(self, seeds, cluster="t", more=""):
        """The file that all hosts installed from now on have. Seeds are host numbers or texts."""
        seeds = ["10.77.0.%d" % seed if isinstance(seed, int) else seed for seed in seeds]
        with open(self.stage + "/etc/quorate.toml", "w") as file:
            file.write("cluster = %s\nseeds = %s\n%s\n" % (json.dumps(cluster), json.dumps(seeds), more))

    def install(self, hosts):
        """install.sh, then the two files, the same on every host."""
        command = (INSTALL + " && " + self.copy_command() + " && sync")
        for host, done in zip(hosts, self.each(hosts, lambda host: self.run(host, command))):
            if done.returncode:
                raise Failed("install.sh on host %d: %s" % (host, done.stdout + done.stderr))

    def copy_command(self):
        return ("install -m 644 " + STAGED + "/etc/quorate.toml /etc/quorate/quorate.toml && "
                "install -m 600 " + STAGED + "/etc/secret /etc/quorate/secret")

    def copy_files(self, host):
        self.run(host, self.copy_command() + " && sync", check=True)

    # --- the daemon ------------------------------------------------------------------------------------------

    def start(self, host, check=True):
        """`systemctl start`; the seconds it took."""
        began = time.monotonic()
        self.run(host, "systemctl start quorate", check=check)
        return time.monotonic() - began

    def start_all(self):
        self.each(self.all(), self.start)

    def quorate(self, host, arguments, check=False, timeout=60):
        return self.run(host, "exec quorate " + arguments, check=check, timeout=timeout)

    def status(self, host):
        """What the node knows, or None when it does not answer."""
        done = self.quorate(host, "status -o json")
        try:
            return json.loads(done.stdout) if done.returncode in (0, 4) else None
        except ValueError:
            return None

    def statuses(self, hosts=None):
        hosts = self.all() if hosts is None else hosts
        return dict(zip(hosts, self.each(hosts, self.status)))

    def wait(self, what, test, limit=30.0, hosts=None):
        """Until `test` holds for the status of each host. Gives the statuses and the seconds."""
        began = time.monotonic()
        while True:
            seen = self.statuses(hosts)
            good = [status is not None and test(status) for status in seen.values()]
            took = time.monotonic() - began
            if all(good):
                return seen, took
            if took > limit:
                bad = {host: brief(seen[host]) for host, ok in zip(seen, good) if not ok}
                raise Failed("after %.0f s still not: %s; %s" % (took, what, bad))
            time.sleep(0.1)

    def wait_quorate(self, hosts=None, voters=None, alive=None, limit=40.0):
        """Until all are in the cluster, with so many voters and so many members alive."""
        def there(status):
            return (status["state"] == "quorate"
                    and (voters is None or count(status, role="voter", state="alive") == voters)
                    and (alive is None or count(status, state="alive") == alive))
        return self.wait("quorate with voters=%s alive=%s" % (voters, alive), there, limit, hosts)

    def wait_ended(self, host, states, limit=30):
        """Until systemd has the daemon in one of these states, and starts it no more."""
        began = time.monotonic()
        while self.run(host, "systemctl show -P ActiveState quorate").stdout.strip() not in states:
            if time.monotonic() - began > limit:
                raise Failed("the daemon of h%d has not ended after %d s" % (host, limit))
            time.sleep(0.2)

    def journal(self, host):
        return self.hosts("journal", host, "-u", "quorate", "-o", "cat", "--no-pager", check=False).stdout

    def forget(self, host):
        """The host's state is erased, its marker too: a disk that never was."""
        # By this signal it waits for no other host that was stopped before.
        self.run(host, "systemctl kill -s INT quorate; systemctl stop quorate; rm -rf /var/lib/quorate /var/lib/quorate.birth", check=True)

    def dump(self, directory):
        """Everything that helps to understand a failure."""
        os.makedirs(directory, exist_ok=True)
        for host in self.all():
            for name, command in DUMPS.items():
                try:
                    done = self.run(host, command, timeout=20)
                    text = done.stdout + done.stderr
                except (Failed, subprocess.TimeoutExpired) as error:
                    text = str(error)
                with open("%s/h%d.%s" % (directory, host, name), "w") as file:
                    file.write(text)
            for name, verb in (("journal", ["journal", host, "--no-pager"]), ("console", ["console", host])):
                with open("%s/h%d.%s" % (directory, host, name), "w") as file:
                    file.write(self.hosts(*verb, check=False).stdout)


DUMPS = {
    "status": "quorate status -o json",
    "why": "quorate why",
    "events": "quorate events",
    "unit": "systemctl status --no-pager --full quorate",
    "files": "ls -laR /var/lib/quorate /var/lib/quorate.birth /etc/quorate; df -h /var/lib; cat /etc/quorate/quorate.toml",
}


def count(status, **fields):
    """Members of which all fields are so."""
    return sum(all(member[key] == value for key, value in fields.items()) for member in status["members"])


def member(status, name):
    """The member of that name, or None."""
    return next((member for member in status["members"] if member["name"] == name), None)


def brief(status):
    if status is None:
        return "no answer"
    return {"state": status["state"], "id": (status["cluster_id"] or "-")[:8], "leader": status["leader"],
            "term": status["term"], "epoch": status["health_epoch"], "margin": status["margin"],
            "members": ["%s %s %s" % (m["name"], m["role"], m["state"]) for m in status["members"]],
            "waiting": ["%s %s" % (r["code"], r["subject"]) for r in status["waiting_for"]]}


class Writer:
    """Writes one key after the other through one host and remembers what was acknowledged, outside of all hosts."""

    def __init__(self, cluster, host, prefix):
        self.prefix, self.acknowledged, self.longest = prefix, [], 0.0
        loop = ('i=0; while :; do i=$((i+1)); quorate put %s$i v$i --timeout 5s >/dev/null 2>&1 '
                '&& echo $i; done' % prefix)
        self.process = subprocess.Popen(
            [HOSTS, "-n", cluster.name, "exec", str(host), "--", "sh", "-c", loop],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.thread = threading.Thread(target=self.collect, daemon=True)
        self.thread.start()

    def collect(self):
        last = None
        for line in self.process.stdout:
            now = time.monotonic()
            if last is not None:
                self.longest = max(self.longest, now - last)
            last = now
            if line.strip().isdigit():
                self.acknowledged.append(int(line))

    def wait_for_more(self, number=5, limit=20.0):
        """Until so many more were acknowledged; the seconds."""
        began, before = time.monotonic(), len(self.acknowledged)
        while len(self.acknowledged) < before + number:
            if time.monotonic() - began > limit:
                raise Failed("no %d more writes acknowledged in %.0f s" % (number, limit))
            time.sleep(0.02)
        return time.monotonic() - began

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.thread.join(5)

    def missing(self, cluster, host):
        """What was acknowledged and is not there, read through this host."""
        done = cluster.quorate(host, "get --prefix %s -o json" % self.prefix)
        if done.returncode:
            raise Failed("get through host %d: %s" % (host, done.stderr))
        there = {kv["key"]: kv["value"] for kv in json.loads(done.stdout)["kvs"]}
        return [i for i in self.acknowledged if there.get(self.prefix + str(i)) != "v%d" % i]


class Feed:
    """`quorate health --watch` on one host, collected outside of all hosts."""

    def __init__(self, cluster, host):
        self.process = subprocess.Popen(
            [HOSTS, "-n", cluster.name, "exec", str(host), "--", "quorate", "health", "--watch", "-o", "json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.epochs = [json.loads(self.process.stdout.readline())]
        self.thread = threading.Thread(target=self.collect, daemon=True)
        self.thread.start()

    def collect(self):
        for line in self.process.stdout:
            self.epochs.append(json.loads(line))

    def stop(self):
        """Everything that came, one object per epoch."""
        self.process.terminate()
        self.process.wait()
        self.thread.join(5)
        return self.epochs

"""Hooks that do all that a hook may do wrong, and short gaps that are over before anybody should act: what works goes on as before."""
import http.client
import json
import os
import socket
import subprocess
import threading
import time

from cluster import Failed
from processes import Daemons, Refused, memory, percentile

# By these a process that was left behind is found.
HANGS, FORKED = "987001", "987002"
BAD = {
    "hang": ("trap '' TERM\nwhile :; do sleep %s; done" % HANGS, 'timeout = "1s"\n'),
    "fail": ("echo 'there is no such disk' >&2; exit 3", ""),
    "killed": ("kill -9 $$", ""),
    "fork": ("for i in $(seq 100); do setsid sh -c 'setsid sleep %s & sleep %s' & done; exit 0" % (FORKED, FORKED), ""),
    "print": ("head -c %(megabytes)d000000 /dev/zero | tr '\\0' x; head -c %(megabytes)d000000 /dev/zero | tr '\\0' y >&2; exit 4", ""),
}


class Runner:
    """`quorate hooks run` beside a daemon, its state on a small disk of its own."""

    def __init__(self, daemon):
        self.daemon, self.dir, self.process = daemon, daemon.home + "/hooks", None
        for name in ("hooks.d", "files.d", "state", "full"):
            os.makedirs(os.path.join(self.dir, name))
        self.mounted = []
        for name in ("state", "full"):
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", os.path.join(self.dir, name)], check=True)
            self.mounted.append(os.path.join(self.dir, name))

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.dir, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def hook(self, name, script, extra=""):
        """One that notes the epoch and the time of each run, before it does anything else."""
        program = self.write(name + ".sh", "#!/bin/sh\ncat >/dev/null\necho \"$QUORATE_EPOCH $(date +%%s.%%N)\" >>%s/%s.runs\n%s\n"
                             % (self.dir, name, script), 0o755)
        self.write("hooks.d/%s.toml" % name, "run = [%s]\n%s" % (json.dumps(program), extra))

    def runs(self, name):
        """Epoch and moment of each run."""
        try:
            with open("%s/%s.runs" % (self.dir, name)) as file:
                return [(int(epoch), float(at)) for epoch, at in (line.split() for line in file)]
        except FileNotFoundError:
            return []

    def start(self):
        with open(self.dir + "/log", "a") as log:
            self.process = subprocess.Popen([self.daemon.binary, "--socket", self.daemon.socket, "hooks", "run", "--dir", self.dir,
                                             "--state", self.dir + "/state"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def status(self):
        """Exit code, and name -> what is shown of each hook."""
        done = self.daemon.command("hooks", "status", "--state", self.dir + "/state", "-o", "json")
        try:
            return done.returncode, {one["name"]: one for one in json.loads(done.stdout)["hooks"]}
        except ValueError:
            return done.returncode, {}

    def processes(self):
        """Those of the runner and of its keepers: all that run its program with its directory, or below one that does."""
        found, parents, own = [], {}, self.process.pid if self.process else None
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % process) as file:
                    parents[int(process)] = int(file.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                pass
        for process in parents:
            above = process
            while above not in (0, 1, own):
                above = parents.get(above, 0)
            if above == own:
                found.append(process)
        return found

    def fill(self, name):
        """The disk is full to the last block."""
        with open(os.path.join(self.dir, name, "ballast"), "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass

    def free(self, name):
        os.unlink(os.path.join(self.dir, name, "ballast"))

    def log(self):
        with open(self.dir + "/log") as file:
            return file.read()

    def close(self):
        self.stop()
        for place in self.mounted:
            subprocess.run(["umount", "-l", place], check=False)


def left_behind():
    """Command lines of processes that a hook has left."""
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % process, "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"sleep") and any(word.decode() in (HANGS, FORKED) for word in words):
            found.append(process)
    return found


def until(what, holds, limit=30.0):
    end = time.monotonic() + limit
    while not holds():
        if time.monotonic() > end:
            raise Failed("after %.0f s still not: %s" % (limit, what))
        time.sleep(0.05)


def changes(daemon, runner, number):
    """n2 is drained and undrained in turns; seconds from each answer to the run of the good hook that has it."""
    told = []
    for turn in range(number):
        page = daemon.post("/v1/undrain" if turn % 2 else "/v1/drain", name="n2")
        told.append((page["epoch"], time.time()))
        until("the good hook has epoch %d" % page["epoch"], lambda epoch=page["epoch"]: any(run >= epoch for run, _ in runner.runs("good")))
    runs = runner.runs("good")
    return [next(at for run, at in runs if run >= epoch) - when for epoch, when in told]


class Sizes:
    """The largest resident size of the runner and of each keeper, and of the daemon, until it is ended."""

    def __init__(self, runner):
        self.runner, self.largest, self.ended = runner, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.ended.wait(0.05):
            for process in self.runner.processes():
                try:
                    if os.readlink("/proc/%d/exe" % process) == self.runner.daemon.binary:
                        self.largest = max(self.largest, memory(process, "VmHWM"))
                except (OSError, StopIteration):
                    pass                                                       # it has ended

    def close(self):
        self.ended.set()
        self.thread.join()
        return self.largest


def hooks_that_hang_fail_fork_and_print(story):
    """Beside a good hook others hang, fail, fork, are killed, print without an end and write on a full disk: the good one is run as soon as before, all is shown, nothing is left."""
    with Daemons(story.binary, 3) as daemons:
        daemons.start()
        daemons.whole()
        runner = Runner(daemons.all[0])
        try:
            runner.hook("good", "exit 0")
            runner.start()
            until("its first run", lambda: runner.runs("good"))
            alone, sizes = changes(daemons.all[0], runner, story.tier.runs), Sizes(runner)
            small = sizes.close() or memory(runner.process.pid, "VmHWM")
            runner.stop()
            bad_company(story, daemons, runner, alone, small)
            full_state(story, daemons, runner)
        finally:
            runner.close()
        story.check("nothing of a hook is left behind the runner", not left_behind(), left_behind())
        story.check("no daemon has panicked, and all are there", not daemons.panics() and daemons.whole(), daemons.panics())


def bad_company(story, daemons, runner, alone, small):
    daemon = daemons.all[0]
    for name, (script, extra) in BAD.items():
        runner.hook(name, script % {"megabytes": story.tier.megabytes} if "%(" in script else script, extra)
    runner.write("files.d/full.j2", "{% for m in members %}{{ m.name }} {% endfor %}{{ epoch }}" + "x" * 8192 + "\n")
    runner.write("files.d/full.toml", 'template = "full.j2"\ntarget = "%s/full/names"\n' % runner.dir)
    runner.fill("full")
    before = len(runner.runs("good"))
    runner.start()
    until("the good hook is run", lambda: len(runner.runs("good")) > before)
    sizes = Sizes(runner)
    among = changes(daemon, runner, story.tier.runs)
    until("what prints has printed all of it", lambda: runner.status()[1].get("print", {"failed": 0})["failed"], 120)
    largest = sizes.close()
    code, shown = runner.status()
    failing = {name for name, one in shown.items() if one["failed"] and one["last_ended"]}
    story.check("`hooks status` names each that fails, and ends with 1", code == 1 and failing == {"hang", "fail", "killed", "print", "file/full"},
                (code, failing, shown))
    story.check("the good hook has run each time, and one that forks is no failure", not shown["good"]["failed"] and not shown["fork"]["failed"], shown)
    story.check("the runner and its keepers stay small while %d MB are printed twice: %.0f MB, %.0f without such hooks" % (story.tier.megabytes, largest, small),
                0 < largest < small + 16, largest)
    story.note("the good hook is run %.0f ms (median) behind a change, p99 %.0f; without the others %.0f and %.0f, of %d each"
               % (*(1000 * percentile(among, share) for share in (50, 99)), *(1000 * percentile(alone, share) for share in (50, 99)), len(among)))
    runner.free("full")
    until("the file is written once there is room", lambda: os.path.exists(runner.dir + "/full/names"), 90)
    until("it counts as good", lambda: not runner.status()[1]["file/full"]["failures"], 10)
    story.check("the file is written once there is room, and counts as good", True)


def full_state(story, daemons, runner):
    """The runner's own disk is full: it runs hooks all the same, and shows what is so once there is room."""
    daemon = daemons.all[0]
    runner.fill("state")
    changes(daemon, runner, 2)
    epoch = runner.runs("good")[-1][0]
    story.check("with its own disk full the runner goes on", runner.process.poll() is None, runner.log()[-500:])
    said = [line for line in runner.log().splitlines() if "No space left" in line or "disk is full" in line]
    story.check("its journal says that it cannot write its state", said, runner.log()[-1000:])
    runner.free("state")
    # What fails is tried at most a minute later, and the state is written with that.
    until("the state is written again", lambda: runner.status()[1].get("good", {"done_epoch": 0})["done_epoch"] >= epoch, 90)
    story.check("its state is shown again once there is room", True)


# --- what is over before anybody should act ------------------------------------------------------------------------

def what_is_over_soon_is_not_seen(story):
    """A daemon stands still for one to three seconds, and an application's check too: no share moves, no hook runs that waits for longer, and no application goes down."""
    from stories.stalling import Stalling
    with Daemons(story.binary, 3) as daemons, Stalling() as application:
        # On the one host that never stands still.
        first = daemons.all[0]
        first.write("apps.d/web.toml", 'endpoints = ["%s:%d"]\n[check]\nkind = "http"\nurl = "http://%s:%d/"\ninterval = "500ms"\n' % (application.address * 2))
        daemons.start()
        daemons.whole()
        first.post("/v1/budgets", name="pg", max=30)
        first.post("/v1/assignments", name="parts", count=6)
        runner = Runner(first)
        try:
            runner.hook("soon", "exit 0")
            runner.hook("late", "exit 0", '[debounce]\nsilence = "15s"\nother = "15s"\n')
            runner.hook("share", "exit 0", 'on = "budget pg"\n')
            runner.start()
            settled(daemons, runner)
            the_application_stalls(story, daemons, application)
            for seconds in story.tier.stalls:
                for leads in (False, True):
                    stands_still(story, daemons, runner, seconds, leads)
        finally:
            runner.close()
        story.check("no daemon has panicked", not daemons.panics(), daemons.panics())


def ledgers(daemon):
    return (daemon.get("/v1/budgets/ledger", name="pg"), daemon.get("/v1/assignments/ledger", name="parts"))


def settled(daemons, runner):
    """Until all shares are told, the applications are up, and each hook has run."""
    daemons.whole()
    first = daemons.all[0]

    def is_so():
        budget = first.get("/v1/budgets")[0]
        items = first.get("/v1/assignments")[0]["items"]
        states = [one["state"] for one in first.get("/v1/apps")["applications"]]
        return ([grant["share"] for grant in budget["grants"]] == [10] * 3 == [grant["counted"] for grant in budget["grants"]]
                and all(item["state"] == "held" for item in items) and states == ["up"]
                and all(runner.runs(name) for name in ("soon", "late", "share")))
    until("all has settled", is_so, 60)


def the_application_stalls(story, daemons, application):
    first = daemons.all[0]
    for seconds in story.tier.stalls:
        epoch, asked = first.get("/v1/health")["epoch"], application.asked
        application.stall(seconds)
        until("it is asked again", lambda asked=asked: application.asked > asked + 6, 30)
        page = first.get("/v1/health")
        story.check("an application stalls for %g s: no epoch is committed" % seconds, page["epoch"] == epoch, page["changed_applications"])


def stands_still(story, daemons, runner, seconds, leads):
    first = daemons.all[0]
    until("somebody leads", daemons.leader, 30)
    leader = daemons.leader()
    who = leader if leads else next(daemon for daemon in daemons.all if daemon not in (leader, first))
    if who is first:
        first.post("/v1/leader/transfer", to="n2")
        until("n2 leads", lambda: daemons.leader() is daemons.all[1], 30)
        who = daemons.all[1]
    settled(daemons, runner)
    before = ledgers(first), {name: len(runner.runs(name)) for name in ("soon", "late", "share")}, first.get("/v1/health")["epoch"]
    who.freeze()
    time.sleep(seconds)
    who.thaw()
    settled(daemons, runner)
    # All hosts have heard of what came of it when one more change has reached them.
    first.put("mark", "%f" % time.time())
    epoch = first.get("/v1/health")["epoch"]
    after = ledgers(first), {name: len(runner.runs(name)) for name in ("soon", "late", "share")}
    runs = {name: after[1][name] - before[1][name] for name in after[1]}
    what = "the leader" if leads else "a follower"
    story.check("%s stands still for %g s: no share and no item moves, and no hook is run that follows a share or waits for longer" % (what, seconds),
                before[0] == after[0] and runs["late"] == runs["share"] == 0,
                (runs, [[row for row in new if row not in old][:3] for old, new in zip(before[0], after[0])]))
    story.note("%d epochs were committed, and a hook that waits for 2 s was run %d times" % (epoch - before[2], runs["soon"]))
    if not leads and seconds == story.tier.stalls[0]:
        # Whoever was gone twice within a minute is counted as down until it has been there for a while, which may be longer than 2 s.
        story.check("and none that waits for 2 s", runs["soon"] == 0, runs)


# --- the same where more is asked --------------------------------------------------------------------------------

def a_gap_of_a_host_with_applications_is_not_seen(story):
    """A daemon whose host has an application stands still for a second: a hook that waits for two is not run."""
    runs, epochs = [], 0
    for _ in range(story.tier.gaps):
        with Daemons(story.binary, 3) as daemons:
            for daemon in daemons.all:
                daemon.write("apps.d/web.toml", 'endpoints = ["10.0.0.%d:80"]\n[check]\nkind = "none"\n' % daemon.number)
            daemons.start()
            daemons.whole()
            first = daemons.all[0]
            until("all applications are up", lambda first=first: [one["state"] for one in first.get("/v1/apps")["applications"]] == ["up"] * 3)
            runner = Runner(first)
            try:
                runner.hook("soon", "exit 0")
                runner.start()
                until("it has run", lambda runner=runner: runner.runs("soon"))
                until("somebody leads", daemons.leader)
                who = next(daemon for daemon in daemons.all if daemon not in (daemons.leader(), first))
                before, epoch = len(runner.runs("soon")), first.get("/v1/health")["epoch"]
                who.freeze()
                time.sleep(1)
                who.thaw()
                until("all are there again", lambda first=first: all(one["state"] == "alive" for one in first.get("/v1/members"))
                      and [one["state"] for one in first.get("/v1/apps")["applications"]] == ["up"] * 3)
                # What was due meanwhile has been run when the next change has.
                first.post("/v1/drain", name="n1")
                drained = first.get("/v1/health")["epoch"]
                until("the drain is seen", lambda runner=runner, drained=drained: any(run >= drained for run, _ in runner.runs("soon")))
                runs.append(len([run for run, _ in runner.runs("soon")[before:] if run < drained]))
                epochs += drained - 1 - epoch
            finally:
                runner.close()
    story.check("%d daemons with applications stood still for 1 s, and a hook that waits for 2 s was not run" % len(runs), not any(runs), runs)
    story.note("%d epochs were committed for them" % epochs)


def a_share_of_the_default_ttl_bears_three_seconds(story):
    """A daemon stands still for up to three seconds: with the TTL that a budget has by default no share moves."""
    moved = {}
    for seconds in [1, 2, 2.5, 3] * story.tier.gaps:
        with Daemons(story.binary, 3) as daemons:
            daemons.start()
            daemons.whole()
            first = daemons.all[0]
            first.post("/v1/budgets", name="pg", max=30)
            until("all are told", lambda first=first: [grant["counted"] for grant in first.get("/v1/budgets")[0]["grants"]] == [10] * 3)
            until("somebody leads", daemons.leader)
            who = next(daemon for daemon in daemons.all if daemon not in (daemons.leader(), first))
            before = first.get("/v1/budgets/ledger", name="pg")
            time.sleep(story.random.random())
            who.freeze()
            time.sleep(seconds)
            who.thaw()
            daemons.whole()
            moved.setdefault(seconds, []).append(first.get("/v1/budgets/ledger", name="pg") != before)
    story.check("no share has moved for a daemon that stood still for 1 to 3 s", not any(sum(moved.values(), [])),
                {seconds: "%d of %d moved" % (sum(some), len(some)) for seconds, some in moved.items()})


def a_service_manager_that_does_not_read_stops_nothing(story):
    """The service manager stands still, and reads nothing of what the daemons tell it: they go on all the same."""
    with Daemons(story.binary, 3) as daemons:
        deaf = []
        for daemon in daemons.all:
            daemon.manager = daemon.home + "/deaf"
            deaf.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            deaf[-1].bind(daemon.manager)
        daemons.start()
        daemons.whole()
        # Each tells the manager of each epoch.
        acknowledged = 0
        try:
            for turn in range(60):
                daemons.all[0].ask("POST", "/v1/undrain" if turn % 2 else "/v1/drain", {"name": "n2"}, timeout=10)
                acknowledged += 1
        except (OSError, http.client.HTTPException, Refused) as error:
            story.note("behind %d changes: %r" % (acknowledged, error))
        story.check("60 changes are acknowledged, whether the manager reads or not", acknowledged == 60, acknowledged)
        for one in deaf:
            one.close()


QUICK = [hooks_that_hang_fail_fork_and_print, what_is_over_soon_is_not_seen, a_gap_of_a_host_with_applications_is_not_seen,
         a_service_manager_that_does_not_read_stops_nothing]
STORIES = [a_share_of_the_default_ttl_bears_three_seconds]

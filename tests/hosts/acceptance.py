#!/usr/bin/python3
"""The host tests: the shipped binary, installed by install.sh or as a Debian package on hosts with systemd, which are then broken on purpose.

usage: acceptance.py [--binary FILE] [--quick | --long] [--jobs N] [--only STORY,...] [--list]

  --quick   skews of 0-10 s between starts, an idle minute, no rough weather: what ./check runs
            (without: 0-10 s, 5 minutes, and all stories)
  --long    skews of 0-60 s, half an hour of idling
  --seed N  the random choices of that run
  --jobs N  so many stories at once, each on hosts of its own, which mostly wait (1)

Runs as root, needs no terminal. Exit status 0 when everything passed. Of a story that failed, journals and status of all
hosts are kept in a directory whose path is printed.
"""
import argparse
import concurrent.futures
import os
import random
import re
import subprocess
import sys
import time
import traceback

sys.dont_write_bytecode = True
from cluster import Cluster, Failed, HERE                                     # noqa: E402
from stories import (abuse, crowd, faults, founding, hooks, identity, life, links, mistakes, package,  # noqa: E402
                     readers, ready, removal, rescue, rotation, rough, two_proxies, unit, vip, witness)

SUMMARY = re.compile(r"\nhosts: (\d+) passed, (\d+) failed, in ")
ROOT = os.path.dirname(os.path.dirname(HERE))
QUICK = founding.STORIES + faults.STORIES + life.STORIES + mistakes.STORIES + unit.STORIES \
    + package.STORIES + removal.STORIES + identity.STORIES + links.QUICK + rotation.STORIES + hooks.STORIES \
    + two_proxies.QUICK + vip.STORIES + witness.STORIES + ready.QUICK + crowd.STORIES + abuse.QUICK + readers.STORIES
STORIES = QUICK + witness.LONG + ready.STORIES + abuse.STORIES + two_proxies.STORIES + links.STORIES + rough.STORIES + rescue.STORIES


class Tier:
    """How much of everything."""

    def __init__(self, name):
        self.name = name
        self.skew = {"quick": 10.0, "default": 10.0, "long": 60.0}[name]
        self.idle = {"quick": 60, "default": 300, "long": 1800}[name]
        self.loss = {"quick": 60, "default": 300, "long": 300}[name]
        # Seconds of 5 % loss, and of busy processors, in a cluster that was quiet.
        self.weather = {"quick": 60, "default": 120, "long": 600}[name]
        self.delay = {"quick": 15, "default": 30, "long": 60}[name]
        # Both proxies die once in each.
        self.rounds = {"quick": 5, "default": 10, "long": 100}[name]
        # The same with a fence, and in mode eager.
        self.other_rounds = {"quick": 3, "default": 5, "long": 100}[name]
        # Both servers of two lose power, for each way in which their witness is met then.
        self.cold_boots = {"quick": 1, "default": 2, "long": 20}[name]
        # Of stories with daemons and no hosts: starts of nodes, assignments, foundings, and seconds without a leader.
        self.starts = {"quick": 5, "default": 40, "long": 200}[name]
        self.uses = {"quick": 25, "default": 200, "long": 1000}[name]
        self.foundings = {"quick": 1, "default": 5, "long": 20}[name]
        self.leaderless = {"quick": [2], "default": [0, 2, 15], "long": [0, 1, 2, 3, 5, 8, 15, 30, 60, 120]}[name]
        self.changes = {"quick": 400, "default": 2000, "long": 2000}[name]
        self.crowds = {"quick": 1, "default": 3, "long": 20}[name]
        # Runs of a hook, what another one prints, and for how long a daemon stands still.
        self.runs = {"quick": 10, "default": 40, "long": 200}[name]
        self.megabytes = {"quick": 20, "default": 100, "long": 1000}[name]
        self.gaps = {"quick": 2, "default": 5, "long": 20}[name]
        self.stalls = {"quick": [1], "default": [1, 2, 3], "long": [1, 1.5, 2, 2.5, 3]}[name]
        # Who follows the view of health at one node, and how many epochs they are told, three times.
        self.readers = {"quick": 100, "default": 1000, "long": 1000}[name]
        self.told = {"quick": 60, "default": 100, "long": 200}[name]
        # A node takes a snapshot each 64 MiB; what is written after the last one comes as log, and slowly on a bad link.
        self.snapshot = {"quick": 72, "default": 1024, "long": 1024}[name] << 20


class Story:
    """One story under way: the cluster it plays on, and its checks."""

    def __init__(self, binary, tier, seed, name):
        self.tier, self.name = tier, name
        self.random = random.Random("%s %s" % (seed, name))
        self.binary = binary
        self.cluster = Cluster(binary, self.note)
        self.passed, self.failed = 0, 0
        self.restarts_expected = False

    def note(self, text):
        print("     " + text, flush=True)

    def check(self, sentence, holds, detail=""):
        if holds:
            self.passed += 1
            print("ok   " + sentence, flush=True)
        else:
            self.failed += 1
            print("FAIL " + sentence, flush=True)
            if detail:
                self.note(str(detail))

    def no_panic(self):
        """Always, and on every host: nothing panicked, and systemd did not have to start anything again."""
        for host in self.cluster.all():
            text = self.cluster.journal(host)
            console = self.cluster.hosts("console", host, check=False).stdout
            if "panicked" in text + console:
                lines = [line for line in (text + console).splitlines() if "panicked" in line]
                self.check("no journal contains `panicked`", False, "host %d: %s" % (host, lines[0]))
                return
            if not self.restarts_expected:
                shown = self.cluster.run(host, "systemctl show -P NRestarts quorate", timeout=20).stdout.strip()
                if shown not in ("0", ""):
                    self.check("systemd had to restart nothing", False, "host %d: %s times" % (host, shown))
                    return
        self.check("no journal contains `panicked`", True)


def play(function, arguments, tier):
    name = function.__name__
    print("\n== %s: %s" % (name, (function.__doc__ or "").split("\n")[0]), flush=True)
    began = time.monotonic()
    story = Story(arguments.binary, tier, arguments.seed, name)
    try:
        try:
            function(story)
        except Failed as error:
            story.check(name + " came to its end", False, error)
        except Exception:                                                      # a fault of the story itself
            story.check(name + " came to its end", False, traceback.format_exc())
        if story.cluster.count:
            story.no_panic()
        if story.failed and story.cluster.count:
            directory = os.path.join(arguments.dump, name)
            story.cluster.dump(directory)
            story.note("journals and status: " + directory)
    finally:
        story.cluster.close()
    print("     %.0f s" % (time.monotonic() - began), flush=True)
    return story.passed, story.failed


def together(stories, arguments):
    """Plays them, --jobs at once, each in a process of its own whose words are printed when it ends; what passed and what failed."""
    tier = ["--" + arguments.tier] if arguments.tier != "default" else []
    common = [sys.executable, os.path.abspath(__file__), *tier, "--binary", arguments.binary,
              "--seed", str(arguments.seed), "--dump", arguments.dump]

    def one(story):
        done = subprocess.run([*common, "--only", story.__name__], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        summary = SUMMARY.search(done.stdout)
        said = done.stdout[:summary.start()] if summary else done.stdout + done.stderr
        counts = (int(summary[1]), int(summary[2])) if summary else (0, 1)
        return said.split("\n", 1)[-1].rstrip("\n"), counts

    passed, failed = 0, 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for ended in concurrent.futures.as_completed([pool.submit(one, story) for story in stories]):
            said, (good, bad) = ended.result()
            print(said, flush=True)
            passed, failed = passed + good, failed + bad
    return passed, failed


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    parser.add_argument("--binary", default=os.path.join(target, "release", "quorate"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--dump", default=os.path.join(target, "acceptance"))
    arguments = parser.parse_args()
    if arguments.list:
        for story in STORIES:
            print("%-28s %s" % (story.__name__, (story.__doc__ or "").split("\n")[0]))
        return 0
    if os.geteuid() != 0:
        sys.exit("acceptance.py: booting hosts needs root")
    if not os.access(arguments.binary, os.X_OK):
        sys.exit("acceptance.py: %s is not there; run `cargo build --release`" % arguments.binary)
    wanted = [name for name in arguments.only.split(",") if name]
    unknown = set(wanted) - {story.__name__ for story in STORIES}
    if unknown:
        sys.exit("acceptance.py: no story %s; --list shows them" % ", ".join(sorted(unknown)))
    arguments.tier = "quick" if arguments.quick else "long" if arguments.long else "default"
    print("seed %d, %s" % (arguments.seed, arguments.tier), flush=True)
    began, passed, failed = time.monotonic(), 0, 0
    stories = QUICK if arguments.quick and not wanted else STORIES
    stories = [story for story in stories if not wanted or story.__name__ in wanted]
    if arguments.jobs > 1:
        passed, failed = together(stories, arguments)
    else:
        for story in stories:
            good, bad = play(story, arguments, Tier(arguments.tier))
            passed, failed = passed + good, failed + bad
    if failed:
        print("\nreplay: tests/hosts/acceptance.py --seed %d" % arguments.seed)
    print("\nhosts: %d passed, %d failed, in %.0f s" % (passed, failed, time.monotonic() - began), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

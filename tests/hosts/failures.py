#!/usr/bin/python3
"""The table of failures: brings real hosts into each bad state, asks `quorate why` on all of them, and does what it says.

usage: failures.py [--binary FILE] [--only STATE,...] [--write] [--list]

  --only     these states; the rows of all others are taken from the run before
  --write    write docs/FAILURES.md

Runs as root, needs no terminal. Each state is made on fresh hosts with systemd, with the shipped binary and unit
(`hosts`, `cluster.py`). What is printed in backquotes is run as it is printed, on the host that is named; where a remedy
has no command, the step is done by hand, and the table says so. All of them take about an hour. Exit status 0 when every remedy mended its state.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time
import traceback

sys.dont_write_bytecode = True
from cluster import Cluster, Failed, HERE                                     # noqa: E402

ROOT = os.path.dirname(os.path.dirname(HERE))
TABLE = os.path.join(ROOT, "docs", "FAILURES.md")
# Commands that change something, and the words that stand for one. The rest of what is printed is for looking.
ACTS = re.compile(r"`(?P<command>(?:systemctl (?:start|stop|restart)|quorate reset) ?[^`]*)`"
                  r"|(?P<stop>\bstop quorate\b)|(?P<start>\b(?:start|restart) (?:it|them|quorate)\b)")
HOSTS_OF = re.compile(r" on all its hosts \(([^)]*)\)")
AFTER = re.compile(r"(?: again)?,? (?:on |at |it )?"
                   r"(?P<place>here|this host|there|each|it|10\.77\.\d+\.\d+|\[fd77::\d+\]|h\d+(?:(?:, | and )h\d+)*)(?![\w-])")
BEFORE = re.compile(r"\b(?:on|at)(?: \d of)? (?P<place>this host|(?:h\d+|10\.77\.\d+\.\d+|\[fd77::\d+\])"
                    r"(?:(?:, | and )(?:h\d+|10\.77\.\d+\.\d+))*)|then (?P<here>here):")
NUMBER = re.compile(r"\bh(\d+)|10\.77\.\d+\.(\d+)|fd77::(\d+)")


def numbers(place):
    """The hosts that are named."""
    return [int(next(filter(None, found))) for found in NUMBER.findall(place)]


def steps(remedy, said_on):
    """What a remedy tells to run: pairs of hosts and command, in order."""
    where, found, read = [said_on], [], 0
    for act in ACTS.finditer(remedy):
        for before in BEFORE.finditer(remedy, read, act.start()):
            where = numbers(before.group("place") or "") or [said_on]
        after, its = AFTER.match(remedy, act.end()), HOSTS_OF.match(remedy, act.end())
        read = its.end() if its else act.end()
        if its:
            where = sorted(set(numbers(its.group(1)) + [said_on] * ("this host" in its.group(1))))
        elif after:
            place = after.group("place")
            if place in ("here", "this host"):
                where = [said_on]
            elif numbers(place):
                where = numbers(place)
        command = act.group("command") or ("systemctl stop quorate" if act.group("stop") else "systemctl start quorate")
        found.append((list(where), command))
    return found


class State:
    """One bad state: the hosts, what was said there, and what came of the remedy."""

    def __init__(self, binary, name, sentence):
        self.name, self.sentence = name, sentence
        self.cluster = Cluster(binary, self.note)
        self.cluster.name = "qf%d" % os.getpid()
        self.said, self.did, self.faults, self.more = {}, [], [], []
        self.seconds, self.verdict, self.missing = None, None, []

    def note(self, text):
        print("     " + text, flush=True)

    # --- to the state ----------------------------------------------------------------------------------------

    def up(self, count, seeds=None, start=True, **options):
        """Hosts with the same files; with `start` also a whole cluster of them."""
        self.cluster.configure(list(range(1, count + 1)) if seeds is None else seeds, **options)
        self.cluster.up(count)
        self.cluster.install(self.cluster.all())
        if start:
            self.cluster.start_all()
            self.cluster.wait_quorate(voters=min(count, 3), alive=count)
        return self.cluster

    def run(self, host, command, check=True):
        return self.cluster.run(host, command, check=check)

    def leader(self, host=1):
        return int(self.cluster.status(host)["leader"][1:])

    def why(self, host):
        """Exit status and findings, or a sentence where the host cannot answer."""
        try:
            done = self.cluster.run(host, "timeout -s KILL 12 quorate why -o json", timeout=40)
        except subprocess.TimeoutExpired:
            return {"exit": None, "findings": [], "state": "no answer from the host"}
        try:
            page = json.loads(done.stdout)
            return {"exit": done.returncode, "findings": page["findings"], "state": page["state"]}
        except ValueError:
            text = (done.stderr or done.stdout).strip().splitlines()
            text = text[-1].replace("hosts: ", "") if text else "nothing"
            state = "the host is off" if re.search(r"is (off|paused)|not running", text) else text
            return {"exit": done.returncode, "findings": [], "state": state}

    def listen(self, want, limit=25, off=(), settle=0.0):
        """Asks all hosts until those of `want` say their code; `off` are not asked, and say why not."""
        began = time.monotonic()
        hosts = [host for host in self.cluster.all() if host not in off]
        while True:
            self.said = dict(zip(hosts, self.cluster.each(hosts, self.why)))
            self.missing = ["h%d does not say `%s`" % (host, code) for host, codes in sorted(want.items())
                            for code in ([codes] if isinstance(codes, str) else codes) if not self.has(host, code)]
            if not self.missing or time.monotonic() - began > limit:
                break
            time.sleep(1.0)
        if settle:
            time.sleep(settle)
            self.said = dict(zip(hosts, self.cluster.each(hosts, self.why)))
        self.faults += self.missing
        for host, why in off.items() if off else ():
            self.said[host] = {"exit": None, "findings": [], "state": why}
        for host, page in sorted(self.said.items()):
            codes = ["%s %s" % (f["code"], f["subject"] or "") for f in page["findings"]]
            self.note("h%d says (%s): %s" % (host, page["state"], "; ".join(codes) or "-"))

    def has(self, host, code):
        return next((f for f in self.said[host]["findings"] if f["code"] == code), None)

    # --- and out of it ---------------------------------------------------------------------------------------

    def paste(self, code, said_on, clip=None):
        """Runs the commands of that remedy, as printed, where they belong; `clip` chooses one of its alternatives."""
        found = self.has(said_on, code)
        if not found:
            raise Failed("there is no `%s` on h%d to do what it says" % (code, said_on))
        remedy = found["remedy"]
        clipped = clip(remedy) if clip else remedy
        todo = steps(clipped, said_on)
        if not todo:
            raise Failed("no command in: " + clipped)
        self.remedy = (code, said_on, remedy)
        for hosts, command in todo:
            done = self.cluster.each(hosts, lambda host: self.cluster.run(host, command, timeout=60))
            for host, one in zip(hosts, done):
                self.note("h%d: %s: exit %d" % (host, command, one.returncode))
                if one.returncode:
                    self.faults.append("`%s` on h%d ends with %d: %s" % (
                        command, host, one.returncode, (one.stderr + one.stdout).strip()[-200:]))
            self.did.append("%s: `%s`" % (", ".join("h%d" % host for host in hosts), command))

    def nothing(self, code, said_on):
        """The remedy says that nothing is needed: so it is."""
        found = self.has(said_on, code)
        self.remedy = (code, said_on, found["remedy"]) if found else (None, None, None)
        self.did.append("nothing")

    def instead(self, what, work, *codes, **options):
        """Where the remedy did not do: what does."""
        first, self.verdict = self.verdict, None
        work()
        self.whole(*codes, **options)
        self.more.append("what mends it: %s%s" % (what, "" if self.verdict is None else ": " + self.verdict))
        self.verdict = first

    def by_hand(self, code, said_on, what, work):
        """What the remedy of that code says without a command."""
        found = self.has(said_on, code)
        if found:
            self.remedy = (code, said_on, found["remedy"])
        else:
            self.note("h%d has no `%s` whose remedy could be followed" % (said_on, code))
        self.note("by hand: " + what)
        work()
        self.did.append("by hand: " + what)

    def whole(self, *codes, limit=60, alive=None, voters=None, hosts=None, disk_of=None):
        """Waits until all are in one cluster and nobody names these codes any more; `disk_of`: slow disks of others are passed over."""
        began, hosts = time.monotonic(), hosts or self.cluster.all()
        try:
            self.cluster.wait_quorate(hosts, voters=voters, alive=alive or len(hosts), limit=limit)
        except Failed as error:
            self.verdict = "no: " + str(error)[:300]
            return
        while True:
            said = dict(zip(hosts, self.cluster.each(hosts, self.why)))
            left = ["h%d `%s`" % (host, f["code"]) for host, page in sorted(said.items()) for f in page["findings"]
                    if (f["code"] != "no-spare" or "no-spare" in codes)
                    and (f["code"] != "disk-slow" or disk_of is None or (f["subject"] or "h%d" % host) == "h%d" % disk_of)]
            named = [one for one in left if one.split("`")[1] in codes]
            if not left or (time.monotonic() - began > limit and not named):
                break
            if time.monotonic() - began > limit:
                self.verdict = "no: the cluster is whole, but after %d s still said: %s" % (limit, ", ".join(named))
                return
            time.sleep(1.0)
        if left:
            self.more.append("still said after %d s: %s" % (limit, ", ".join(left)))
        self.seconds = time.monotonic() - began
        ids = {status["cluster_id"] for status in self.cluster.statuses(hosts).values() if status}
        if len(ids) != 1:
            self.verdict = "no: %d clusters" % len(ids)

    # --- the row ---------------------------------------------------------------------------------------------

    def row(self):
        hand = any(step.startswith("by hand") for step in self.did)
        verdict = self.verdict or ("yes, by hand" if hand else "yes") + (
            "" if self.seconds is None else ", in %.0f s" % max(1, self.seconds))
        code, said_on, remedy = getattr(self, "remedy", (None, None, None))
        return {"name": self.name, "state": self.sentence, "said": {str(h): p for h, p in self.said.items()},
                "remedy": remedy, "of": code, "on": said_on, "did": self.did, "verdict": verdict,
                "faults": self.faults, "more": self.more}


def play(binary, name, make):
    state = State(binary, name, " ".join(make.__doc__.split()))
    print("-- %s: %s" % (name, state.sentence), flush=True)
    began = time.monotonic()
    try:
        make(state)
    except (Failed, subprocess.TimeoutExpired, OSError, KeyError, TypeError, AttributeError) as error:
        state.verdict = "no: " + str(error)[:400]
        if not isinstance(error, Failed):
            traceback.print_exc()
    finally:
        if os.environ.get("FAILURES_DUMP") and (state.verdict or state.faults):
            state.cluster.dump(os.path.join(os.environ["FAILURES_DUMP"], name))
        state.cluster.close()
    row = state.row()
    print("     %s (%.0f s)%s" % (row["verdict"], time.monotonic() - began,
                                  "; FAULTS: " + "; ".join(row["faults"]) if row["faults"] else ""), flush=True)
    return row


def main():
    from failure_states import STATES
    from failure_table import write_row
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=os.path.join(ROOT, "target", "release", "quorate"))
    parser.add_argument("--only")
    parser.add_argument("--write", action="store_true", help="puts what was run into docs/FAILURES.md; the other rows stay")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    states = {make.__name__: make for make in STATES}
    if options.list:
        print("\n".join("%-32s %s" % (name, " ".join(make.__doc__.split())) for name, make in states.items()))
        return 0
    chosen = states if options.only is None else {name: states[name] for name in options.only.split(",") if name}
    bad = 0
    for name, make in chosen.items():
        row = play(options.binary, name, make)
        if options.write:
            write_row(TABLE, [" ".join(one.__doc__.split()) for one in states.values()], row)
        bad += row["verdict"].startswith("no") or bool(row["faults"])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

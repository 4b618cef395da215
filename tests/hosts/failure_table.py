"""Writes docs/FAILURES.md from the rows of a run (`failures.py`)."""
import fcntl
import os
import re

HEAD = """# What can go wrong, what `quorate why` says, and whether the remedy mends it

This table is made by a run: `tests/hosts/failures.py --write` brings real hosts (systemd, the shipped unit, their own disk and network)
into each state, asks `quorate why -o json` on every host that can answer, and then does what one of the remedies says. Do not edit it.

- **says**: the code and the sentence, shortened. Hosts that say the same share a line. "nothing": `why` names nothing there.
- **what was done**: what the remedy prints as a command was run as printed, on the host that it names. `by hand` is what it says in words.
- **mends it**: `yes` when afterwards all hosts are in one cluster again, all alive, and no `why` names the state any more; how long that took,
  asking included. `no` tells what was left.
- **Faults** in a row are what should have been said and was not, or a printed command that failed.

Hosts are h1, h2, ... at 10.77.0.1, 10.77.0.2, ...; the cluster is called `t`. Without another word all of them are seeds, and a voter is any of the first three.

"""


NOT_MADE = """Not made, and why: `protocol` needs two versions of the program; `copy-lost`, `copy-contradicts` and `copy-state-differs` need a
disk that lies in one moment of a run, which the simulator makes (`tests/scenarios`) and hosts cannot; `founding` and `twice` pass within seconds;
`stop-waits` lasts for half a minute at most (`tests/tests/processes/stops.rs` makes it), `door-closed` needs another program on a port (`damaged_disks.rs` there);
`founding-stuck`, `two-addresses`, `behind`, `copy-stands-still`, `judged-slowly` and `timed-out` depend on timing that hosts do not hit each time;
`drained`, `autopilot-paused`, `no-successor` and `unapproved` are words of operators and what waits for them, told in `tests/scenarios`, as `witness-leads` is;
`share-unacknowledged` and `item-unreleased` need an application that follows what it is told, which `tests/scenarios` has; `item-unheld` is an assignment for
hosts that are not there (`tests/tests/processes/assignments.rs`); `application-down` and `application-file` need an application with a check
(`tests/tests/processes/applications.rs`); `budget-alone` needs two voters and a fence (`alone.rs` there).
"""
CODES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "proto", "src", "reason", "code.rs")


def catalogue():
    """The words that `why` knows."""
    with open(CODES) as file:
        return set(re.findall(r'^    [A-Z]\w+ "([a-z-]+)" "', file.read(), re.M))


def cell(text):
    return " ".join(str(text).split()).replace("|", "\\|")


def short(text, most=240):
    text = cell(text)
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " ..."


def hosts(names):
    return ", ".join("h" + name for name in names)


def says(row):
    """What each host said; those that said the same share a line."""
    groups = {}
    for host, page in sorted(row["said"].items(), key=lambda one: int(one[0])):
        key = tuple((f["code"], f["subject"]) for f in page["findings"]) or (page["state"],)
        groups.setdefault(key, []).append((host, page))
    lines = []
    for group in groups.values():
        names, page = [host for host, _ in group], group[0][1]
        if page["findings"]:
            said = "; ".join("`%s` %s" % (f["code"], short(f["text"])) for f in page["findings"])
        elif page["state"] == "quorate":
            said = "nothing"
        else:
            said = "*%s*" % cell(page["state"])
        lines.append("**%s**: %s" % (hosts(names), said))
    return "<br>".join(lines)


def done(row):
    parts = []
    if row["remedy"]:
        parts.append("`%s` on h%s: \"%s\"" % (row["of"], row["on"], short(row["remedy"], 420)))
    parts += [cell(step) for step in row["did"]]
    return "<br>".join(parts) or "-"


def mends(row):
    parts = ["**%s**" % cell(row["verdict"])] if row["verdict"].startswith("no") else [cell(row["verdict"])]
    parts += ["**fault**: " + cell(fault) for fault in row["faults"]] + [cell(more) for more in row["more"]]
    return "<br>".join(parts)


def line(row):
    """A row without its number."""
    return "%s | %s | %s | %s" % (cell(row["state"]), says(row), done(row), mends(row))


def kept(path):
    """The lines of the table as it is, by their states: what was not run again stays."""
    try:
        with open(path) as file:
            lines = re.findall(r"^\| \d+ \| (.*) \|$", file.read(), re.M)
    except FileNotFoundError:
        lines = []
    return {one.split(" | ")[0]: one for one in lines}


def write_row(path, states, row):
    """Puts a row into the table; of several runs at a time each waits for the others. `states`: the sentences of all, in order."""
    directory = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        lines = kept(path)
        lines[cell(row["state"])] = line(row)
        write_table(path, states, lines)
    finally:
        os.close(directory)


def write_table(path, states, lines):
    lines = [lines[cell(state)] for state in states if cell(state) in lines]
    last = [one.split(" | ")[-1] for one in lines]
    with open(path + ".new", "w") as file:
        file.write(HEAD)
        file.write("%d states; in %d of them the remedy mends it, in %d a fault is noted.\n\n" % (
            len(lines), sum(one.startswith("yes") for one in last), sum("**fault**" in one for one in last)))
        file.write("| | state | says | what was done | mends it |\n|---|---|---|---|---|\n")
        for number, one in enumerate(lines, 1):
            file.write("| %d | %s |\n" % (number, one))
        said = {code for one in lines for code in re.findall(r"(?:\*\*: |; )`([a-z-]+)` ", one.split(" | ")[1])}
        missing = sorted(catalogue() - said)
        file.write("\n## What no state above shows\n\nCodes of the catalogue that were said in none of them: %s.\n\n" % (
            ", ".join("`%s`" % code for code in missing) or "none"))
        file.write(NOT_MADE)
    os.rename(path + ".new", path)

#!/usr/bin/env python3
"""How long writes wait while the daemon of a host is restarted, or killed, under systemd: restarts.py BINARY [RUNS]; needs root.

Three hosts of tests/hosts, each with a loop of `quorate put`. In each run the unit of each host is restarted, one behind the other, and the
leader is killed with SIGKILL. For each it prints the longest time between two acknowledged writes through the host itself, and through
the others. The command line's own time, some 10 to 40 ms a put, is in it.
"""
import os
import statistics
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hosts"))
from cluster import Cluster, Writer     # noqa: E402

ALL = (1, 2, 3)


def longest_gaps(cluster, prefix, act):
    """Of the writes through each host while `act` is done."""
    writers = {host: Writer(cluster, host, "%s/%d/" % (prefix, host)) for host in ALL}
    try:
        for writer in writers.values():
            writer.wait_for_more(15)
        for writer in writers.values():
            writer.longest = 0.0
        act()
        for writer in writers.values():
            writer.wait_for_more(40)
    finally:
        for writer in writers.values():
            writer.stop()
    return {host: writer.longest * 1000 for host, writer in writers.items()}


def tell(what, values):
    print("%-52s best %4.0f ms, median %4.0f, worst %4.0f of %d" % (what, min(values), statistics.median(values), max(values), len(values)))


def main(binary, runs):
    restarted, beside, killed = [], [], []
    cluster = Cluster(binary, lambda *_: None)
    try:
        cluster.configure(list(ALL))
        cluster.up(len(ALL))
        cluster.install(cluster.all())
        cluster.start_all()
        cluster.wait_quorate(voters=3, alive=3)
        for run in range(runs):
            for host in ALL:
                gaps = longest_gaps(cluster, "r%d.%d" % (run, host), lambda host=host: cluster.run(host, "systemctl restart quorate", check=True))
                restarted.append(gaps.pop(host))
                beside.append(max(gaps.values()))
                cluster.wait_quorate(voters=3, alive=3)
            leader = int(cluster.status(1)["leader"][1:])
            gaps = longest_gaps(cluster, "k%d" % run, lambda: cluster.run(leader, "systemctl kill -s KILL quorate", check=True))
            del gaps[leader]
            killed.append(max(gaps.values()))
            cluster.wait_quorate(voters=3, alive=3)
    finally:
        cluster.close()
    print("load %.1f %.1f %.1f" % os.getloadavg())
    tell("restart of the unit: writes through that host", restarted)
    tell("the same: writes through the others", beside)
    tell("kill -9 of the leader: writes through the others", killed)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else 3)

"""What is done when hosts are lost for good: the cluster is founded anew from what is left, or from a backup."""
import time

from cluster import Writer, member
from stories.faults import hosts_that_vote, nothing_is_lost, three_hosts


def ended(story, host, limit=60):
    """The exit code with which the daemon of a host ended, and that systemd leaves it so."""
    cluster = story.cluster
    cluster.wait_ended(host, ("failed",), limit)
    return cluster.run(host, "systemctl show -P ExecMainStatus quorate").stdout.strip()


def of_five_hosts_three_are_lost_for_good(story):
    """One command on one that is left; nobody has to touch the other. Then a host of before comes back."""
    cluster = story.cluster
    story.restarts_expected = True
    hosts_that_vote(story, 5)
    writer = Writer(cluster, 1, "w")
    writer.wait_for_more(20)
    writer.stop()
    before = cluster.status(1)
    for host in (3, 4, 5):
        cluster.hosts("kill", host)
    cluster.wait("h1 and h2 see that there is no quorum", lambda status: status["state"] == "no-quorum", 30, [1, 2])
    why = cluster.quorate(1, "why")
    story.check("`quorate why` names the way back", "quorate recover" in why.stdout, why.stdout)
    began = time.monotonic()
    done = cluster.quorate(1, "recover --yes", timeout=120)
    story.check("`quorate recover` says what may be lost, and is done", done.returncode == 0 and "revision" in done.stdout + done.stderr,
                done.stdout + done.stderr)
    seen, _ = cluster.wait("h1 and h2 are one new cluster", lambda status: status["state"] == "quorate" and len(status["members"]) == 2
                           and status["cluster_id"] != before["cluster_id"], 60, [1, 2])
    took = time.monotonic() - began
    story.note("from the command to both in the new cluster: %.1f s" % took)
    story.check("both are in the same one", len({status["cluster_id"] for status in seen.values()}) == 1)
    story.check("all %d acknowledged writes are there" % len(writer.acknowledged), not writer.missing(cluster, 2))
    put = cluster.quorate(2, "put after recovery")
    story.check("revisions jump, so that no client sees them run back", put.returncode == 0 and
                int(put.stdout.split()[-1]) >= 1_000_000_000, put.stdout + put.stderr)

    cluster.hosts("boot", 3)
    story.check("a host of before that comes back stops with 10, and is not started again", ended(story, 3) == "10")
    said = cluster.journal(3)
    story.check("it says that the cluster was founded anew, and the way in", "founded anew" in said
                and "`quorate reset --set-aside --cluster" in said, said[-2000:])
    came = cluster.run(3, "quorate reset --set-aside --cluster t && systemctl start quorate")
    story.check("the way in works as it is printed", came.returncode == 0, came.stdout + came.stderr)
    cluster.wait("h3 is in the new cluster", lambda status: status["state"] == "quorate" and len(status["members"]) == 3
                 and status["cluster_id"] == seen[1]["cluster_id"], 60, [1, 2, 3])
    kept = cluster.run(3, "ls -d /var/lib/quorate/life.set-aside-*")
    story.check("its data of before are kept beside the new ones", kept.returncode == 0, kept.stderr)


def a_majority_that_was_only_cut_off_goes_on(story):
    """The operator is wrong: what he takes for lost comes back. Nobody ends the side that has the majority, also not by starting again."""
    cluster = story.cluster
    story.restarts_expected = True
    hosts_that_vote(story, 5)
    old = cluster.status(3)["cluster_id"]
    cluster.hosts("cut", "1-2", "3-5")
    cluster.wait("h1 and h2 see no quorum", lambda status: status["state"] == "no-quorum", 30, [1, 2])
    done = cluster.quorate(1, "recover --yes", timeout=120)
    story.check("`quorate recover` is done", done.returncode == 0, done.stdout + done.stderr)
    cluster.wait("h1 and h2 are one new cluster", lambda status: status["state"] == "quorate" and status["cluster_id"] != old, 60, [1, 2])
    cluster.hosts("heal")

    def tells(status):
        return any(reason["code"] == "two-clusters" for reason in status["waiting_for"])
    cluster.wait("the hosts of before tell of two clusters", tells, 60, [3])
    for host in (3, 4, 5):
        # A start without a majority, at once: a stop in order would wait for its turn.
        cluster.run(host, "systemctl kill --signal=KILL quorate", check=True)
        cluster.wait("h%d is back on its side" % host, lambda status: status["state"] == "quorate" and status["cluster_id"] == old, 30, [host])
    story.check("each host of before starts again and goes on", True)
    time.sleep(35)
    seen = cluster.statuses([3, 4, 5])
    story.check("and still does when those that were left behind have had their time",
                all(status and status["state"] == "quorate" and status["cluster_id"] == old for status in seen.values()))


def all_hosts_are_lost_but_not_the_backup(story):
    """A snapshot that root alone may read, hosts without any data, and the commands of docs/BACKUPS.md."""
    cluster = story.cluster
    three_hosts(story)
    writer = Writer(cluster, 2, "w")
    writer.wait_for_more(20)
    writer.stop()
    old = cluster.status(1)["cluster_id"]
    saved = cluster.quorate(1, "snapshot save /root/t.snapshot")
    story.check("a snapshot is saved", saved.returncode == 0, saved.stdout + saved.stderr)
    mode = cluster.run(1, "stat -c '%a %U' /root/t.snapshot").stdout.strip()
    story.check("root alone may read it", mode == "600 root", mode)
    lost = cluster.quorate(1, "put late write")
    story.check("a later write is not in it", lost.returncode == 0, lost.stderr)
    story.restarts_expected = True
    for host in cluster.all():
        cluster.run(host, "systemctl stop --no-block quorate", check=True)
    for host in cluster.all():
        cluster.run(host, "systemctl stop quorate", check=True)
    # The data of h1 stay where they are: restoring keeps them aside. Those of the others are gone with their disks.
    for host in (2, 3):
        cluster.run(host, "rm -rf /var/lib/quorate/* /var/lib/quorate.birth/*", check=True)
    refused = cluster.run(1, "quorate snapshot restore /root/t.snapshot --yes")
    story.check("data of a cluster are not replaced without a word", refused.returncode != 0 and "--set-aside" in refused.stderr,
                refused.stdout + refused.stderr)
    done = cluster.run(1, "quorate snapshot restore /root/t.snapshot --set-aside --yes")
    story.check("`quorate snapshot restore` founds a new cluster", done.returncode == 0, done.stdout + done.stderr)
    cluster.run(1, "systemctl start quorate && quorate wait --quorate --timeout 60s", check=True, timeout=90)
    for host in (2, 3):
        cluster.run(host, "systemctl start quorate", check=True)
    seen, _ = cluster.wait_quorate(voters=3, alive=3, limit=60)
    ids = {status["cluster_id"] for status in seen.values()}
    story.check("the others join it, and its id is new", len(ids) == 1 and old not in ids, ids)
    story.check("all that was saved is there", not writer.missing(cluster, 3))
    story.check("what came after is not", cluster.quorate(3, "get late").stdout.strip() == "")
    nothing_is_lost(story, [writer])


def a_host_is_drained_for_work(story):
    """A drained leader leads no more and keeps its vote, over a restart of its host too; then it is undrained."""
    cluster = story.cluster
    three_hosts(story)
    leader = int(cluster.status(1)["leader"][1:])
    name, other = "h%d" % leader, leader % 3 + 1
    done = cluster.quorate(other, "drain %s --reason 'a new disk'" % name)
    story.check("`quorate drain` is done", done.returncode == 0, done.stdout + done.stderr)
    cluster.wait("another one leads, and all see it drained", lambda status: status["leader"] not in (None, name)
                 and member(status, name)["role"] == "voter" and member(status, name).get("drained"), 30)
    shown = cluster.quorate(other, "members").stdout
    story.check("`quorate members` says so, and why", "drained" in shown and "a new disk" in shown, shown)
    story.restarts_expected = True
    cluster.hosts("kill", leader)
    cluster.hosts("boot", leader)
    seen, _ = cluster.wait_quorate(voters=3, alive=3)
    story.check("it is drained after its restart, too", all(member(status, name).get("drained") for status in seen.values()))
    done = cluster.quorate(leader, "undrain %s" % name)
    story.check("`quorate undrain` is done", done.returncode == 0, done.stdout + done.stderr)
    cluster.wait("no host is drained", lambda status: not member(status, name).get("drained"), 15)


STORIES = [of_five_hosts_three_are_lost_for_good, a_majority_that_was_only_cut_off_goes_on, all_hosts_are_lost_but_not_the_backup,
           a_host_is_drained_for_work]

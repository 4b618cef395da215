"""Rougher weather: lossy networks, disks that hang, minorities, orderly reboots."""
import json
import time

from cluster import Writer
from stories.faults import nothing_is_lost, three_hosts
from stories.founding import one_id


def a_lossy_network(story):
    """A tenth of all round trips lost between any two hosts, 20 ms of delay: no verdict, no election, writes go on."""
    cluster = story.cluster
    three_hosts(story)
    for host in (1, 2, 3):
        cluster.hosts("loss", host, "5%")
        cluster.hosts("delay", host, "10ms", "3ms")
    time.sleep(2)
    before = cluster.statuses()
    writer = Writer(cluster, 2, "l/")
    time.sleep(30)
    after = cluster.statuses()
    for what in ("term", "health_epoch"):
        story.check("%s stays for 30 s" % what, before[1][what] == after[1][what],
                    (before[1][what], after[1][what], cluster.quorate(1, "events").stdout))
    story.note("%d writes, longest gap %.1f s" % (len(writer.acknowledged), writer.longest))
    cluster.hosts("heal")
    nothing_is_lost(story, [writer])


def a_disk_that_hangs(story):
    """The leader's disk hangs, later a follower's: the others write on, and all is well when it ends."""
    cluster = story.cluster
    story.restarts_expected = True
    for who in ("leader", "follower"):
        if who == "leader":
            seen = three_hosts(story)
        else:
            seen, _ = cluster.wait_quorate(voters=3, alive=3)
        leader = int(seen[1]["leader"][1:])
        victim = leader if who == "leader" else next(host for host in (1, 2, 3) if host != leader)
        others = [host for host in (1, 2, 3) if host != victim]
        writer = Writer(cluster, others[0], who + "/")
        writer.wait_for_more()
        cluster.hosts("disk", victim, "hang")
        gap = writer.wait_for_more(20, 30)
        story.check("the %s's disk hangs: writes go on" % who, True)
        story.note("20 writes in %.1f s, longest gap %.1f s" % (gap, writer.longest))
        cluster.hosts("disk", victim, "ok")
        cluster.wait_quorate(voters=3, alive=3)
        nothing_is_lost(story, [writer])


def a_minority_of_one(story):
    """Two of three lose power: the third stops and names them; with one back, writes go on."""
    cluster = story.cluster
    seen = three_hosts(story)
    story.restarts_expected = True
    writer = Writer(cluster, 1, "m/")
    writer.wait_for_more()
    cluster.hosts("kill", "2,3")
    seen, seconds = cluster.wait("no-quorum", lambda status: status["state"] == "no-quorum", 20, [1])
    story.note("no-quorum after %.1f s" % seconds)
    why = cluster.quorate(1, "why")
    story.check("`quorate why` names who is missing", why.returncode == 4 and "h2" in why.stdout and "h3" in why.stdout,
                why.stdout)
    put = cluster.quorate(1, "put alone v --timeout 2s")
    story.check("no write is acknowledged", put.returncode in (4, 5, 7), put.stdout + put.stderr)
    feed = cluster.run(1, "timeout 2 quorate health --watch -o json | head -1").stdout
    story.check("the feed says `quorate: false`", feed and json.loads(feed)["quorate"] is False, feed[:300])
    cluster.hosts("boot", 2)
    cluster.wait_quorate([1, 2], alive=2)
    writer.wait_for_more()
    story.check("with one back, writes go on", True)
    cluster.hosts("boot", 3)
    cluster.wait_quorate(voters=3, alive=3)
    nothing_is_lost(story, [writer])


def orderly_reboots(story):
    """Each host in turn is rebooted in good order: it says goodbye, leadership moves on, nobody waits."""
    cluster = story.cluster
    three_hosts(story)
    story.restarts_expected = True
    writers = []
    for host in (1, 2, 3):
        other = host % 3 + 1
        writer = Writer(cluster, other, "r%d/" % host)
        writers.append(writer)
        writer.wait_for_more()
        cluster.hosts("reboot", host)
        cluster.wait_quorate(voters=3, alive=3)
        writer.wait_for_more()
        writer.stop()
        story.check("host %d is back after its reboot" % host, True)
        story.note("longest gap between writes %.1f s" % writer.longest)
    nothing_is_lost(story, writers)


def a_wiped_leader_and_then_all_others(story):
    """One disk after the other is lost, the leader's first, until no founder's disk is left: the cluster lives on."""
    cluster = story.cluster
    seen = three_hosts(story)
    story.restarts_expected = True
    cluster_id = seen[1]["cluster_id"]
    cluster.quorate(1, "put oldest v", check=True)
    order = sorted((1, 2, 3), key=lambda host: "h%d" % host != seen[1]["leader"])
    for host in order:
        cluster.hosts("wipe", host)
        cluster.hosts("boot", host)
        cluster.install([host])
        cluster.start(host)
        seen, seconds = cluster.wait_quorate(voters=3, alive=3, limit=60)
        story.note("host %d a voter again %.1f s after its start" % (host, seconds))
    one_id(story, seen)
    story.check("it is the same cluster", seen[1]["cluster_id"] == cluster_id)
    got = cluster.quorate(order[0], "get oldest")
    story.check("what was written on disks that are all gone is there", got.stdout.strip() == "v", got.stderr)


STORIES = [a_minority_of_one, orderly_reboots, a_wiped_leader_and_then_all_others, a_lossy_network, a_disk_that_hangs]

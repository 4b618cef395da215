"""Nothing happens, or the daemon alone is hurt."""
import time

from cluster import Failed, Feed, member
from stories.faults import three_hosts


def idle(story):
    """Nothing happens: the term stays, no verdict is passed, nobody is told anything."""
    cluster = story.cluster
    three_hosts(story)
    before = cluster.statuses()
    time.sleep(story.tier.idle)
    after = cluster.statuses()
    for host in cluster.all():
        if after[host] is None:
            raise Failed("host %d does not answer after idling" % host)
        for what in ("term", "health_epoch", "elections", "leader"):
            old, new = before[host][what], after[host][what]
            story.check("host %d idle for %d s: %s stays %s" % (host, story.tier.idle, what, old), old == new, new)
        rss = cluster.run(host, "grep VmRSS /proc/$(systemctl show -P MainPID quorate)/status").stdout.split()
        cpu = cluster.run(host, "systemctl show -P CPUUsageNSec quorate").stdout.strip()
        story.note("host %d: resident %s kB, CPU %s ns" % (host, rss[1] if len(rss) > 1 else "?", cpu))


def a_crash_and_a_stop(story):
    """kill -9: the goodbye tells all at once, and systemd starts it again. A clean stop is quick and told too."""
    cluster = story.cluster
    seen = three_hosts(story)
    story.restarts_expected = True
    follower = next(host for host in (1, 2, 3) if "h%d" % host != seen[1]["leader"])
    name, others = "h%d" % follower, [host for host in (1, 2, 3) if host != follower]
    epoch = seen[others[0]]["health_epoch"]
    generation = seen[follower]["node"]["generation"]
    feed = Feed(cluster, others[0])
    cluster.run(follower, "systemctl kill -s KILL quorate", check=True)
    cluster.wait("an epoch for the crash", lambda s: s["health_epoch"] > epoch, 15, others)
    story.check("kill -9 is told to the others", True)
    seen, seconds = cluster.wait_quorate(voters=3, alive=3)
    story.note("all alive again %.1f s later" % seconds)
    story.check("systemd started it again, as a new generation",
                seen[follower]["node"]["generation"] > generation, seen[follower]["node"])
    lines = [change for epoch in feed.stop() for change in epoch["changed"] if change["name"] == name]
    downs = [change for change in lines if change["to"] in ("down", "left")]
    story.check("the feed of another host names the crash, and that it came as a goodbye",
                bool(downs) and "goodbye" in downs[0]["reason"].replace("farewell", "goodbye"), lines)
    told = cluster.quorate(others[0], "events").stdout
    story.check("the events have the epochs", name in told and "goodbye" in told, told)
    began = time.monotonic()
    cluster.run(follower, "systemctl stop quorate", check=True)
    took = time.monotonic() - began
    story.check("a clean stop takes under 2 s", took < 4, "%.1f s" % took)
    story.note("stop took %.1f s, the shell's way in included" % took)
    cluster.wait(name + " left", lambda s: member(s, name)["state"] in ("left", "down"), 10, others)
    seen = cluster.statuses(others)
    state = member(seen[others[0]], name)
    story.check("a clean stop is told as `left`", state["state"] == "left", state)
    cluster.start(follower)
    cluster.wait_quorate(voters=3, alive=3)
    story.check("it comes back after the stop", True)


def a_paused_host(story):
    """A stalled host that wakes must not condemn the others."""
    cluster = story.cluster
    seen = three_hosts(story)
    story.restarts_expected = True
    follower = next(host for host in (1, 2, 3) if "h%d" % host != seen[1]["leader"])
    others = [host for host in (1, 2, 3) if host != follower]
    name = "h%d" % follower
    cluster.hosts("pause", follower)
    cluster.wait(name + " is down", lambda s: member(s, name)["state"] == "down", 15, others)
    term = cluster.status(others[0])["term"]
    cluster.hosts("resume", follower)
    seen, _ = cluster.wait_quorate(voters=3, alive=3)
    story.check("it is alive again", True)
    told = [line for host in others for line in cluster.quorate(host, "events").stdout.splitlines()
            if any("h%d is down" % other in line for other in others)]
    story.check("it condemned nobody else", not told, told)
    story.check("it deposed no leader", seen[others[0]]["term"] == term, (term, seen[others[0]]["term"]))


STORIES = [a_crash_and_a_stop, a_paused_host, idle]

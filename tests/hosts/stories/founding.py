"""Hosts found their cluster: any order, any delay, any number, one that never comes."""
import itertools
import time

from cluster import Failed, count, member


def one_id(story, seen):
    ids = {status["cluster_id"] for status in seen.values()}
    story.check("exactly one cluster id", len(ids) == 1 and None not in ids, ids)


def new_hosts(story, count_):
    """The story's next cluster, in place of the one before."""
    if story.cluster.count:
        story.no_panic()
    story.cluster.up(count_)


def start_in_order(story, order):
    """Random skews; the seconds that each `systemctl start` took."""
    took = []
    for number, host in enumerate(order):
        if number:
            time.sleep(story.random.uniform(0, story.tier.skew))
        took.append(story.cluster.start(host))
    return took


def all_start_orders(story):
    """Three hosts with identical files, in all six orders of starting, with random skews."""
    cluster = story.cluster
    cluster.configure([1, 2, 3])
    for order in itertools.permutations([1, 2, 3]):
        label = "order " + " ".join(map(str, order))
        new_hosts(story, 3)
        cluster.install([1, 2, 3])
        took = start_in_order(story, order)
        story.check("%s: `systemctl start` returns at once on the first host" % label, took[0] < 5, took)
        seen, seconds = cluster.wait_quorate(voters=3, alive=3)
        story.note("%s: quorate %.1f s after the last start" % (label, seconds))
        one_id(story, seen)
        # A host that came after the birth learns the record, and with it the margin, a moment after it is let in.
        seen, _ = cluster.wait("no margin alarm", lambda status: status["margin"] and not status["margin"]["alarm"], 10)
        story.check("%s: no margin alarm" % label, True)
        put = cluster.quorate(order[0], "put greeting %d" % order[0])
        got = cluster.quorate(order[2], "get greeting")
        story.check("%s: what one host writes another reads" % label,
                    put.returncode == 0 and got.stdout.strip() == str(order[0]), put.stderr + got.stderr)


def one_never_comes(story):
    """Two of three found after the grace, with the alarm; the third comes later and the alarm goes."""
    cluster = story.cluster
    late = story.random.choice([1, 2, 3])
    there = [host for host in (1, 2, 3) if host != late]
    story.note("host %d is late" % late)
    cluster.configure([1, 2, 3])
    cluster.up(3)
    cluster.install([1, 2, 3])
    cluster.each(there, cluster.start)
    seen, seconds = cluster.wait_quorate(there, voters=2, limit=20)
    story.note("founded by two %.1f s after the last start" % seconds)
    one_id(story, seen)
    margins = [status["margin"] for status in seen.values()]
    story.check("the margin is 0, and that is an alarm", all(m["alarm"] and m["disks"] == 0 for m in margins), margins)
    put = cluster.quorate(there[0], "put before v")
    story.check("two take writes", put.returncode == 0, put.stderr)
    cluster.start(late)
    seen, seconds = cluster.wait_quorate(voters=3, alive=3)
    story.note("the late one is a voter %.1f s after its start" % seconds)
    one_id(story, seen)
    seen, _ = cluster.wait("no alarm", lambda status: status["margin"] and not status["margin"]["alarm"], 10)
    story.check("the alarm is gone", True)
    got = cluster.quorate(late, "get before")
    story.check("the late one reads what was written before it came", got.stdout.strip() == "v", got.stderr)


def one_two_and_five_hosts(story):
    """Clusters of 1, 2 and 5 hosts."""
    cluster = story.cluster
    for size in (1, 2, 5):
        cluster.configure(list(range(1, size + 1)))
        new_hosts(story, size)
        cluster.install(cluster.all())
        cluster.start_all()
        seen, seconds = cluster.wait_quorate(voters=size, alive=size)
        story.note("%d hosts: quorate %.1f s after the last start" % (size, seconds))
        one_id(story, seen)
        put = cluster.quorate(size, "put k v")
        got = cluster.quorate(1, "get k")
        story.check("%d hosts take writes" % size, put.returncode == 0 and got.stdout.strip() == "v",
                    put.stderr + got.stderr)


def a_fourth_host_and_a_fifth(story):
    """A host that is no seed joins, gets health and serves; a fresh host with a newer seeds list joins too."""
    cluster = story.cluster
    cluster.configure([1, 2, 3])
    cluster.up(4)
    cluster.install(cluster.all())
    cluster.each([1, 2, 3], cluster.start)
    cluster.wait_quorate([1, 2, 3], voters=3)
    cluster.start(4)
    seen, seconds = cluster.wait_quorate(alive=4)
    story.note("joined %.1f s after its start" % seconds)
    one_id(story, seen)
    story.check("the fourth host is no voter", seen[4]["node"]["role"] in ("standby", "member"), seen[4]["node"])
    put = cluster.quorate(4, "put fourth here")
    got = cluster.quorate(1, "get fourth")
    story.check("the fourth host serves requests", put.returncode == 0 and got.stdout.strip() == "here",
                put.stderr + got.stderr)
    leader = seen[4]["leader"]
    victim = next(host for host in (1, 2, 3) if "h%d" % host != leader)
    cluster.hosts("kill", victim)
    _, seconds = cluster.wait("h%d is down" % victim, lambda s: member(s, "h%d" % victim)["state"] == "down", 15,
                              [host for host in cluster.all() if host != victim])
    story.check("the fourth host is told who died", True)
    story.note("all know %.1f s after the power loss" % seconds)
    cluster.hosts("boot", victim)
    cluster.wait_quorate(alive=4)
    fifth = cluster.add()
    cluster.configure([2, 4, 5])
    cluster.install([fifth])
    cluster.start(fifth)
    seen, seconds = cluster.wait_quorate(alive=5, limit=60)
    one_id(story, seen)
    story.check("a fresh host with a newer seeds list joins", True)
    try:
        seen, seconds = cluster.wait("five voters", lambda s: count(s, role="voter") == 5, 60)
        story.check("five hosts have five voters", True)
    except Failed as error:
        story.check("five hosts have five voters", False, error)


STORIES = [all_start_orders, one_never_comes, one_two_and_five_hosts, a_fourth_host_and_a_fifth]

"""Power loss, partition, wiped disks: nothing acknowledged is lost, and everybody is told."""
from cluster import Writer, member
from stories.founding import one_id


def three_hosts(story):
    return hosts_that_vote(story, 3)


def hosts_that_vote(story, number):
    """So many hosts, all of them seeds and voters; what each says."""
    cluster = story.cluster
    cluster.configure(list(range(1, number + 1)))
    cluster.up(number)
    cluster.install(cluster.all())
    cluster.start_all()
    seen, _ = cluster.wait_quorate(voters=number, alive=number)
    return seen


def nothing_is_lost(story, writers):
    """Reads back through every node what was acknowledged; then all states must be equal."""
    cluster = story.cluster
    for writer in writers:
        writer.stop()
    number = sum(len(writer.acknowledged) for writer in writers)
    for host in cluster.all():
        missing = {writer.prefix: writer.missing(cluster, host) for writer in writers}
        lost = {prefix: some for prefix, some in missing.items() if some}
        story.check("host %d has all %d acknowledged writes" % (host, number), number > 0 and not lost, lost)
    seen, _ = cluster.wait("equal applied index", lambda status: True, 5)
    by_index = {}
    for status in seen.values():
        by_index.setdefault(status["applied"], set()).add(status["state_hash"])
    story.check("equal state at equal index", all(len(hashes) == 1 for hashes in by_index.values()), by_index)


def power_loss_of_each(story):
    """Each host in turn loses power under load; the others write on, and it comes back."""
    cluster = story.cluster
    three_hosts(story)
    story.restarts_expected = True
    writers = []
    for victim in (1, 2, 3):
        led = cluster.status(victim)["leader"] == "h%d" % victim
        others = [host for host in (1, 2, 3) if host != victim]
        watcher = Writer(cluster, others[0], "a%d/" % victim)
        doomed = Writer(cluster, victim, "b%d/" % victim)
        writers += [watcher, doomed]
        watcher.wait_for_more()
        doomed.wait_for_more()
        cluster.hosts("kill", victim)
        gap = watcher.wait_for_more(1)
        story.check("power loss of host %d%s: the others write on" % (victim, ", the leader" if led else ""), True)
        story.note("writing went on %.1f s after it" % gap)
        name = "h%d" % victim
        cluster.wait(name + " is down", lambda s: member(s, name)["state"] == "down", 15, others)
        story.check("all others are told that host %d is down" % victim, True)
        cluster.hosts("boot", victim)
        _, seconds = cluster.wait_quorate(voters=3, alive=3)
        story.note("all alive again %.1f s after its boot; longest gap between writes %.1f s"
                   % (seconds, watcher.longest))
        watcher.wait_for_more()
    nothing_is_lost(story, writers)


def power_loss_of_all(story):
    """All three at once, under load: the same cluster comes back, with everything."""
    cluster = story.cluster
    before = three_hosts(story)
    story.restarts_expected = True
    writers = [Writer(cluster, host, "w%d/" % host) for host in (1, 2, 3)]
    for writer in writers:
        writer.wait_for_more()
    cluster.hosts("kill", "all")
    cluster.hosts("boot", "all")
    seen, seconds = cluster.wait_quorate(voters=3, alive=3)
    story.note("quorate %.1f s after the boot" % seconds)
    one_id(story, seen)
    story.check("it is the same cluster", seen[1]["cluster_id"] == before[1]["cluster_id"])
    nothing_is_lost(story, writers)


def partition_of_the_leader(story):
    """The leader is cut off: the rest elects, the old leader refuses; healed, all agree."""
    cluster = story.cluster
    seen = three_hosts(story)
    old = int(seen[1]["leader"][1:])
    others = [host for host in (1, 2, 3) if host != old]
    writer = Writer(cluster, others[0], "p/")
    writer.wait_for_more()
    cluster.hosts("cut", old, ",".join(map(str, others)))
    gap = writer.wait_for_more(1)
    story.note("writing went on %.1f s after the cut" % gap)
    seen, _ = cluster.wait("a new leader", lambda s: s["leader"] not in (None, "h%d" % old), 15, others)
    story.check("the others have a new leader", seen[others[0]]["leader"] == seen[others[1]]["leader"])
    cluster.wait("no-quorum", lambda s: s["state"] == "no-quorum", 15, [old])
    story.check("the old leader says no-quorum", True)
    put = cluster.quorate(old, "put alone v --timeout 2s")
    story.check("the old leader acknowledges no write", put.returncode in (4, 5, 7), put.stdout + put.stderr)
    why = cluster.quorate(old, "why")
    story.check("`quorate why` explains it", why.returncode == 4 and why.stdout.strip() != "", why.stdout + why.stderr)
    cluster.wait("told down", lambda s: member(s, "h%d" % old)["state"] == "down", 15, others)
    story.check("the others are told that it is down", True)
    cluster.hosts("heal")
    seen, seconds = cluster.wait_quorate(voters=3, alive=3)
    story.note("all alive %.1f s after healing" % seconds)
    story.check("one leader after healing", len({status["leader"] for status in seen.values()}) == 1)
    one_id(story, seen)
    nothing_is_lost(story, [writer])


def a_wiped_host(story):
    """An empty disk under the old name comes back as a new instance, first without its marker, then with it."""
    cluster = story.cluster
    seen = three_hosts(story)
    story.restarts_expected = True
    cluster_id, old = seen[1]["cluster_id"], seen[3]["node"]["instance"]
    writer = Writer(cluster, 1, "w/")
    writer.wait_for_more()
    cluster.hosts("wipe", 3)
    cluster.hosts("boot", 3)
    cluster.install([3])
    cluster.start(3)
    seen, seconds = cluster.wait_quorate(voters=3, alive=3, limit=60)
    story.note("a voter again %.1f s after its start" % seconds)
    one_id(story, seen)
    story.check("it is the same cluster", seen[3]["cluster_id"] == cluster_id)
    new = seen[3]["node"]["instance"]
    story.check("it is a new instance under the old name", new != old and seen[3]["node"]["name"] == "h3")
    story.check("the dead instance is no member any more", len(seen[1]["members"]) == 3,
                [(m["name"], m["instance"], m["state"]) for m in seen[1]["members"]])
    cluster.run(2, "systemctl kill -s KILL quorate; systemctl stop quorate; rm -rf /var/lib/quorate", check=True)
    cluster.start(2)
    seen, seconds = cluster.wait_quorate(voters=3, alive=3, limit=60)
    story.note("with its marker kept: a voter again %.1f s after its start" % seconds)
    one_id(story, seen)
    story.check("it is still the same cluster", seen[2]["cluster_id"] == cluster_id)
    nothing_is_lost(story, [writer])


STORIES = [power_loss_of_each, power_loss_of_all, partition_of_the_leader, a_wiped_host]

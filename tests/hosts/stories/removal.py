"""Hosts retire: each is taken out with one command, from five to one, under writes."""
from cluster import Writer, count, member
from stories.faults import hosts_that_vote


def numbers(story, hosts):
    return ", ".join("h%d" % host for host in hosts)


def remove(story, at, host, rest):
    """Takes a host out through another one; then the rest is whole without it."""
    cluster, name = story.cluster, "h%d" % host
    # An even number of voters bears no more losses than one less.
    voters = 3 if len(rest) == 4 else len(rest)
    done = cluster.quorate(at, "remove %s --yes" % name)
    story.check("`quorate remove %s` through h%d says what it does to the voters, and that it is done" % (name, at),
                # Of four hosts three vote, and any of them may be the one that does not.
                done.returncode == 0 and "removed" in done.stdout
                and ("Without it these vote" in done.stderr) == ("%s is a voter" % name in done.stderr),
                done.stdout + done.stderr)
    seen, _ = cluster.wait("%s without %s" % (numbers(story, rest), name),
                           lambda status: status["state"] == "quorate" and member(status, name) is None
                           and count(status, role="voter", state="alive") == voters, 30, rest)
    story.check("%d of %s vote, and %s is no member any more" % (voters, numbers(story, rest), name),
                all(len(status["members"]) == len(rest) for status in seen.values()))


def is_told(story, host):
    """A host that was taken out says so, and systemd does not start it again."""
    cluster = story.cluster
    cluster.wait_ended(host, ("inactive", "failed"))
    story.check("the journal of h%d says that it was removed" % host, "removed" in cluster.journal(host))
    state = cluster.run(host, "systemctl is-active quorate").stdout.strip()
    restarts = cluster.run(host, "systemctl show -P NRestarts quorate").stdout.strip()
    story.check("systemd does not start h%d again" % host, state != "active" and restarts == "0", (state, restarts))


def hosts_are_removed_from_five_to_one(story):
    """A dead host, a live one and the leaders are taken out; the writer through the last one sees every write answered."""
    cluster = story.cluster
    seen = hosts_that_vote(story, 5)
    leader = int(seen[1]["leader"][1:])
    stays, dead, live, last = [host for host in cluster.all() if host != leader]
    writer = Writer(cluster, stays, "w")
    writer.wait_for_more()
    cluster.hosts("kill", dead)
    cluster.wait("h%d is down" % dead, lambda status: member(status, "h%d" % dead)["state"] == "down", 15, [stays])
    remove(story, stays, dead, [stays, live, last, leader])
    remove(story, live, live, [stays, last, leader])
    is_told(story, live)
    remove(story, stays, leader, [stays, last])
    is_told(story, leader)
    remove(story, stays, last, [stays])
    is_told(story, last)
    writer.wait_for_more()
    writer.stop()
    story.check("the last host has all %d acknowledged writes" % len(writer.acknowledged), not writer.missing(cluster, stays))
    refused = cluster.quorate(stays, "remove h%d --yes" % stays)
    story.check("the only host is not removed", refused.returncode != 0 and refused.stderr.strip() != "", refused.stderr)
    cluster.hosts("boot", dead)
    is_told(story, dead)
    seen = cluster.status(stays)
    story.check("a removed host that was off, and is back, stops and changes nothing", len(seen["members"]) == 1, seen["members"])


STORIES = [hosts_are_removed_from_five_to_one]

"""Two servers and a witness: either server may be lost, and so may the witness, and who comes back changes nothing."""
import json
import time

from cluster import Failed, member

WITNESS = 3


def two_servers(story):
    """Hosts 1 and 2 serve, host 3 is the witness; a budget is divided."""
    cluster = story.cluster
    cluster.configure([1, 2, 3])
    cluster.up(3)
    cluster.install(cluster.all())
    cluster.run(WITNESS, "echo 'role = \"witness\"' > /etc/quorate/host.toml && sync", check=True)
    cluster.start_all()
    cluster.wait_quorate(voters=3, alive=3)
    cluster.wait("the witness is known as one, and a server leads",
                 lambda s: member(s, "h3")["witness"] and s["leader"] in ("h1", "h2"), 15)
    done = cluster.quorate(WITNESS, "budget set pg --max 30")
    story.check("a budget is defined", done.returncode == 0, done.stderr)
    divided(story, {1: 15, 2: 15}, "the two servers have half each")


def shares(cluster, hosts):
    def of(host):
        try:
            return json.loads(cluster.run(host, "cat /run/quorate/shares/pg.json").stdout)["amount"]
        except ValueError:
            return 0
    return dict(zip(hosts, cluster.each(list(hosts), of)))


def divided(story, wanted, sentence, limit=20.0, quiet=False):
    began = time.monotonic()
    while shares(story.cluster, wanted) != wanted:
        if time.monotonic() - began > limit:
            raise Failed("after %.0f s still not: %s; %s" % (limit, sentence, shares(story.cluster, wanted)))
        time.sleep(0.1)
    story.check(sentence, True)
    if not quiet:
        story.note("%.1f s" % (time.monotonic() - began))


def leads(cluster, at=WITNESS):
    """Which server leads, and in which term."""
    status = cluster.status(at)
    return int(status["leader"][1:]), status["term"]


def one_of_two_servers_is_lost(story):
    """The server that leads loses power, and then the other one: the one that is left leads and has all; a return moves neither leader nor term."""
    cluster = story.cluster
    two_servers(story)
    story.restarts_expected = True
    for _ in (1, 2):
        dies, _ = leads(cluster)
        lives = 3 - dies
        cluster.hosts("kill", dies)
        cluster.wait("h%d leads" % lives, lambda s: s["leader"] == "h%d" % lives and s["state"] == "quorate", 15, [lives, WITNESS])
        before = leads(cluster)
        divided(story, {lives: 30, WITNESS: 0}, "host %d lost power: host %d has all, the witness none" % (dies, lives))
        cluster.hosts("boot", dies)
        cluster.wait_quorate(voters=3, alive=3)
        divided(story, {dies: 15, lives: 15}, "host %d is back: half each" % dies)
        story.check("who leads and the term are as before its return", leads(cluster) == before, (before, leads(cluster)))


def the_witness_is_lost(story):
    """The witness loses power: both servers write on, and say what one more loss would stop; then all lose power, and the servers start without it."""
    cluster = story.cluster
    two_servers(story)
    story.restarts_expected = True
    before = leads(cluster)
    cluster.hosts("kill", WITNESS)
    cluster.wait("h3 is down", lambda s: member(s, "h3")["state"] == "down", 5, [1, 2])
    story.check("within 5 s both servers are told that the witness is down", True)
    for server in (1, 2):
        said = cluster.quorate(server, "why").stdout
        story.check("host %d says that none more may fail" % server, "h3 is down" in said and "0 more may fail" in said, said)
        done = cluster.quorate(server, "put at-%d yes" % server)
        story.check("host %d writes" % server, done.returncode == 0, done.stderr)
    story.check("the leader stays", leads(cluster, 1) == before, before)
    cluster.hosts("kill", "1")
    cluster.hosts("kill", "2")
    for server in (1, 2):
        cluster.hosts("boot", server)
    cluster.wait("the servers have a leader without the witness",
                 lambda s: s["state"] == "quorate" and s["leader"] in ("h1", "h2"), 40, [1, 2])
    story.check("both servers start from cold without the witness", cluster.quorate(1, "get at-2").stdout.strip() == "yes")
    cluster.hosts("boot", WITNESS)
    cluster.wait_quorate(voters=3, alive=3)
    seen, _ = cluster.wait("a server leads", lambda s: s["leader"] in ("h1", "h2"), 10)
    story.check("the witness is back, and a server leads", len({s["leader"] for s in seen.values()}) == 1)


# How the witness is met while both servers boot: what is cut from where to where.
WAYS = {
    "up": [],
    "down": None,
    "heard by none": [(WITNESS, 1), (WITNESS, 2)],
    "deaf": [(1, WITNESS), (2, WITNESS)],
    "deaf to one": [(1, WITNESS)],
    "heard by one": [(WITNESS, 2)],
}


def both_servers_boot_from_cold(story):
    """Both servers lose power and boot, in either order, while the witness is there, is not, or is reached one way: one of them leads, both are told the same,
    each has its half, and the witness has led nobody that could have led."""
    cluster = story.cluster
    two_servers(story)
    story.restarts_expected = True
    took = {}
    for way, cuts in WAYS.items():
        for turn in range(story.tier.cold_boots):
            for server in (1, 2):
                cluster.hosts("kill", server)
            if cuts is None:
                cluster.hosts("kill", WITNESS)
            for ends in cuts or []:
                cluster.hosts("cut", *ends, "--one-way")
            for server in story.random.sample((1, 2), 2):
                cluster.hosts("boot", server)
                time.sleep(story.random.choice((0, 0, 0.3, 2)))
            seen, seconds = cluster.wait("the servers have a leader, the witness is %s" % way,
                                         lambda s: s["state"] == "quorate" and s["leader"] in ("h1", "h2"), 40, [1, 2])
            took.setdefault(way, []).append(seconds)
            divided(story, {1: 15, 2: 15}, "the witness is %s, cold boot %d: half each" % (way, turn + 1), quiet=True)
            seen = cluster.statuses([1, 2])
            told = {(status["leader"], status["term"], status["cluster_id"]) for status in seen.values()}
            story.check("the witness is %s, cold boot %d: one leader, as both servers say" % (way, turn + 1), len(told) == 1, told)
            cluster.hosts("heal")
            if cuts is None:
                cluster.hosts("boot", WITNESS)
            cluster.wait_quorate(voters=3, alive=3)
            after = leads(cluster)
            story.check("the witness is back, or heard again: who leads and the term are as before",
                        {after} == {(int(leader[1:]), term) for leader, term, _ in told}, (told, after))
    for way, seconds in took.items():
        story.note("the witness is %s: a leader %.1f s behind the boots, worst of %d" % (way, max(seconds), len(seconds)))


STORIES = [one_of_two_servers_is_lost, the_witness_is_lost]
LONG = [both_servers_boot_from_cold]

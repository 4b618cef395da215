"""Two proxies share 30 connections to one database, as examples/two-proxies has it; one dies, and comes back, in every way."""
import statistics

from stories.proxies import HALF, MAX, PROXIES, Stage

KINDS = ("crash", "power", "cut", "island", "leader", "freeze")


def two_proxies_share_a_database(story):
    """One of two proxies dies while clients only run queries: the other grows to all 30, the database never sees 31, and a return makes it 15 and 15."""
    stage = Stage(story)
    began = stage.both_full(0)
    story.check("both proxies have %d connections" % HALF, True)
    checked = story.cluster.run(1, "set -a; . /etc/quorate-proxy.env; /usr/local/lib/quorate-proxy/pgbouncer-share --check")
    story.check("an operator's check finds that nothing is missing", checked.returncode == 0, checked.stdout + checked.stderr)
    times = deaths(story, stage, story.tier.rounds)
    restarts(story, stage)
    queries_are_let_end(story, stage)
    a_drain(story, stage)
    ends(story, stage, began, times)


def two_proxies_with_a_fence(story):
    """The same with a fence: what a dead proxy has at the database is ended by its survivor, which grows before the share has lapsed."""
    stage = Stage(story, fence=True)
    began = stage.both_full(0)
    ends(story, stage, began, deaths(story, stage, story.tier.other_rounds))
    shown = story.cluster.quorate(3, "budget audit pg").stdout
    story.check("the ledger has grants that the fence has freed", "ended from outside" in shown, shown)


def two_proxies_in_haste(story):
    """The same in mode `eager`: quorate frees a dead proxy's share as soon as it is down, and the survivor bars it at the database before it grows."""
    stage = Stage(story, mode="eager")
    began = stage.both_full(0)
    ends(story, stage, began, deaths(story, stage, story.tier.other_rounds))


def deaths(story, stage, rounds):
    """In each round both proxies die once, in the ways of a shuffled deck; how long each survivor took."""
    times, deck = {kind: [] for kind in KINDS}, []
    for number in range(rounds):
        first = story.random.choice(PROXIES)
        for host in (first, 3 - first):
            if not deck:
                deck = story.random.sample(KINDS, len(KINDS))
            kind, survivor, before = deck.pop(), 3 - host, stage.now()
            died = stage.kill(kind, host)
            grown = stage.wait("h%d at %d" % (survivor, MAX), "h%d = %d" % (survivor, MAX), died)
            times[kind].append(grown - died)
            stayed = stage.clients_stayed(survivor, before)
            stage.back(kind, host)
            back = stage.both_full(stage.now())
            most, samples, gap = stage.most(before)
            story.check("round %d, %s of h%d: h%d has %d connections after %.1f s, %d and %d come back after %.1f s, and never more than %d in %d samples"
                        % (number + 1, kind, host, survivor, MAX, grown - died, HALF, HALF, back - grown, MAX, samples),
                        most <= MAX and stayed and samples > 20 * (back - before),
                        "most %d, clients of the survivor stayed: %s, longest gap between samples %.2f s\n%s" % (most, stayed, gap, stage.shown()))
    return times


def ends(story, stage, began, times):
    """What all samples say, and the ledger."""
    most, samples, gap = stage.most(began)
    story.check("the database never saw more than %d: at most %d in %d samples, %.2f s between two at most" % (MAX, most, samples, gap), most <= MAX)
    audit = story.cluster.quorate(3, "budget audit pg")
    story.check("the ledger of the budget proves it too", audit.returncode == 0, audit.stdout + audit.stderr)
    for kind, taken in times.items():
        if taken:
            story.note("from %-7s to %d connections: %.1f s median, %.1f s worst of %d" % (kind, MAX, statistics.median(taken), max(taken), len(taken)))
    if story.failed:
        stage.dump(story)


def restarts(story, stage):
    """A daemon that starts anew takes its share over, and no client notices; who keeps the share takes PgBouncer with it, and both come back."""
    before = stage.now()
    for host in PROXIES:
        story.cluster.run(host, "systemctl restart quorate", check=True)
    stage.wait("six seconds more", "at > to_timestamp(%f)" % (stage.now() + 6), before)
    seen = stage.sql("SELECT min(h1), min(h2), max(h1 + h2) FROM samples WHERE at > to_timestamp(%f);" % before)
    stayed = all(stage.clients_stayed(host, before) for host in PROXIES)
    story.check("both daemons are restarted: no proxy loses a connection, and no client", seen == [["15", "15", "30"]] and stayed, (seen, stayed))
    before = stage.now()
    stage.signal(1, "pgbouncer", "KILL")
    gone = stage.wait("h1 at 0", "h1 = 0", before)
    back = stage.both_full(gone)
    most, _, _ = stage.most(before)
    story.check("who keeps the share of h1 is killed: PgBouncer ends with it, and both are back %.1f s later" % (back - gone), most <= MAX, most)


def queries_are_let_end(story, stage):
    """More queries than the survivor's coming share need longer than a share lasts: all end well, and only then the other has its part."""
    before = stage.now()
    died = stage.kill("crash", 2)
    stage.wait("h1 at %d" % MAX, "h1 = %d" % MAX, died)
    long = stage.long_queries(1, HALF + 5)
    stage.back("crash", 2)
    said = long.communicate()[0]
    back = stage.both_full(stage.now())
    most, _, _ = stage.most(before)
    story.check("%d queries of 8 s end well while their proxy is asked for half of its connections" % (HALF + 5),
                "processed: %d/%d" % (HALF + 5, HALF + 5) in said and most <= MAX, "most %d\n%s" % (most, said))
    story.note("%d and %d come back %.1f s after the other host's death" % (HALF, HALF, back - died))


def a_drain(story, stage):
    """A drained host lets go by itself, without its time being over."""
    before = stage.now()
    story.cluster.quorate(3, "drain h1", check=True)
    at = stage.wait("h2 at %d" % MAX, "h1 = 0 AND h2 = %d" % MAX, before)
    story.cluster.quorate(3, "undrain h1", check=True)
    stage.both_full(stage.now())
    most, _, _ = stage.most(before)
    story.check("h1 is drained: h2 has %d connections %.1f s after that, and %d and %d come back" % (MAX, at - before, HALF, HALF), most <= MAX, most)


def a_fence(story, stage):
    """A proxy that is cut off from the cluster, and not from the database, is fenced: it may not log in with its grant, and does with the next."""
    before = stage.now()
    number = next(grant["number"] for grant in stage.budget()["grants"] if grant["host"] == "h1")
    stage.kill("cut", 1)
    done = stage.fence(2, 1, number)
    fenced = stage.now()
    stage.wait("h2 at %d" % MAX, "h2 = %d" % MAX, fenced)
    seen = stage.sql("SELECT max(h1) FROM samples WHERE at > to_timestamp(%f);" % fenced)
    stage.back("cut", 1)
    stage.both_full(stage.now())
    most, _, _ = stage.most(before)
    story.check("h1 is cut off and fenced: it has no session from then on, though it is alive, and has its share again when it is back",
                done.returncode == 0 and seen == [["0"]] and most <= MAX, "%s%s; %s sessions of h1, %d in all" % (done.stdout, done.stderr, seen, most))


def what_guards_the_database(story):
    """Each guard of two proxies is taken away: what is stopped then keeps no deadline, a dead host's sessions stay, and the database sees more than 30."""
    stage = Stage(story)
    stage.both_full(0)

    def sees(what, more, act, mend):
        """h1 dies so; does the database see more than it may, in the 8 s behind that?"""
        began = stage.now()
        act()
        stage.wait("h2 at %d" % MAX, "h2 = %d" % MAX, began)
        stage.wait("three seconds more", "at > to_timestamp(%f)" % (stage.now() + 3), began)
        most, samples, _ = stage.most(began)
        story.check("%s: the database sees %s than %d, %d at most in %d samples" % (what, "more" if more else "no more", MAX, most, samples),
                    (most > MAX) == more and samples > 100, stage.shown())
        mend()
        stage.end_sessions(1)
        stage.both_full(stage.now())

    a_fence(story, stage)

    def stopped_and_dead():
        stage.signal(1, "pgbouncer", "STOP")
        stage.crash(1, "quorate")

    def alive():
        stage.go_on("pgbouncer")
        stage.back("crash", 1)

    sees("the daemon of h1 is stopped", False, lambda: stage.signal(1, "quorate", "STOP"), lambda: stage.go_on("quorate"))
    sees("who keeps the share is stopped, the daemon dead, and the watchdog there", False, stopped_and_dead, lambda: stage.back("crash", 1))
    stage.guards(False)
    sees("who keeps the share is stopped, the daemon dead, and no guard there", True, stopped_and_dead, alive)
    sees("h1 has lost its power, and no guard is there", True, lambda: stage.kill("power", 1), lambda: stage.back("power", 1))
    stage.guards(True)
    sees("h1 has lost its power, with the guards there again", False, lambda: stage.kill("power", 1), lambda: stage.back("power", 1))
    if story.failed:
        stage.dump(story)


QUICK = [two_proxies_share_a_database]
STORIES = [two_proxies_in_haste, two_proxies_with_a_fence, what_guards_the_database]

"""Two proxies share 30 connections to one database, as examples/two-proxies has it; one dies, and comes back, in every way."""
import statistics

from stories.proxies import HALF, MAX, PROXIES, Stage

KINDS = ("crash", "power", "cut", "island", "leader")


def two_proxies_share_a_database(story):
    """One of two proxies dies while clients only run queries: the other grows to all 30, the database never sees 31, and a return makes it 15 and 15."""
    stage = Stage(story)
    began = stage.both_full(0)
    story.check("both proxies have %d connections" % HALF, True)
    times = {kind: [] for kind in KINDS}
    deck = []
    for number in range(story.tier.rounds):
        first = story.random.choice(PROXIES)
        for host in (first, 3 - first):
            if not deck:
                deck = story.random.sample(KINDS, len(KINDS))
            kind = deck.pop()
            survivor = 3 - host
            before = stage.now()
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
    most, samples, gap = stage.most(began)
    story.check("the database never saw more than %d: at most %d in %d samples, %.2f s between two at most" % (MAX, most, samples, gap), most <= MAX)
    audit = story.cluster.quorate(3, "budget audit pg")
    story.check("the ledger of the budget proves it too", audit.returncode == 0, audit.stdout + audit.stderr)
    for kind, taken in times.items():
        if taken:
            story.note("from %-7s to %d connections: %.1f s median, %.1f s worst of %d" % (kind, MAX, statistics.median(taken), max(taken), len(taken)))
    if story.failed:
        stage.dump(story)


STORIES = [two_proxies_share_a_database]

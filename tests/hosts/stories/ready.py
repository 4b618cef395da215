"""Who asks a node that has just become ready, and who uses an assignment that was just made: both see all of it, at once and on any node."""
import collections
import http.client
import signal
import threading
import time

from processes import Daemons, Refused, equal_states, in_parallel, percentile

APPLICATION = 'endpoints = ["10.0.0.%d:80"]\n[check]\nkind = "none"\n'
GONE = (OSError, http.client.HTTPException)


class Acknowledged:
    """The newest epoch of which the cluster has said that all live nodes have it, the newest that any has shown, and every epoch as it was shown."""

    def __init__(self):
        self.lock, self.epoch, self.newest, self.views, self.torn = threading.Lock(), 0, 0, {}, []

    def said(self, epoch):
        with self.lock:
            self.epoch = max(self.epoch, epoch)

    def shown(self, page):
        """One epoch has the same endpoints, whoever shows it and when."""
        if not page["quorate"]:
            return
        view = {(one["name"], one["host"], one["state"]) for one in page["applications"]}
        with self.lock:
            self.newest = max(self.newest, page["epoch"])
            if self.views.setdefault(page["epoch"], view) != view:
                self.torn.append((page["epoch"], view ^ self.views[page["epoch"]]))


class Asked:
    """What the askers found."""

    def __init__(self):
        self.delays, self.unsure, self.whole, self.fewer, self.waited, self.behind = [], 0, 0, [], [], []

    def at_ready(self, daemon, known):
        """Asks in the moment in which the daemon says READY=1, and again in the moment in which `wait --ready` is answered."""
        ready = daemon.ready()
        before = known.epoch, known.newest
        self.delays.append(time.monotonic() - ready)
        page = daemon.get("/v1/apps")
        self.judge("READY=1", daemon, page, before, known)
        epoch = daemon.get("/v1/wait", ready=1, timeout=60)["epoch"]
        self.waited.append(time.monotonic() - ready)
        before = max(known.epoch, epoch), known.newest
        page = daemon.get("/v1/apps")
        self.judge("ready", daemon, page, before, known)
        if not page["quorate"]:
            self.fewer.append("%s is ready, and says that it is not quorate" % daemon.name)
        daemon.get("/v1/wait", epoch=page["epoch"], all_live=1, timeout=60)
        known.said(page["epoch"])

    def judge(self, when, daemon, page, before, known):
        known.shown(page)
        if page["quorate"] and page["epoch"] < before[0]:
            self.fewer.append("at %s %s shows epoch %d, and %d was acknowledged before" % (when, daemon.name, page["epoch"], before[0]))
        if page["quorate"] and page["epoch"] < before[1]:
            self.behind.append("at %s %s shows epoch %d, and %d was shown elsewhere before" % (when, daemon.name, page["epoch"], before[1]))
        if when == "READY=1":
            self.whole += page["quorate"]
            self.unsure += not page["quorate"]


def who_asks_at_ready_sees_every_endpoint(story):
    """Nodes are founded, killed and started again; each is asked for endpoints within the millisecond behind its READY, and shows no fewer than the acknowledged epoch."""
    asked, runs, torn, views = Asked(), story.tier.starts, [], 0
    while runs > 0:
        with Daemons(story.binary, 3) as daemons:
            known, some = Acknowledged(), min(runs, 20)
            for daemon in daemons.all:
                daemon.write("apps.d/web.toml", APPLICATION % daemon.number)
            daemons.start()
            in_parallel([lambda daemon=daemon: asked.at_ready(daemon, known) for daemon in daemons.all])
            for number in range(some - 1):
                start_again(story, daemons, number, asked, known)
            daemons.until("three endpoints", lambda status: True)
            runs, torn, views = runs - some, torn + known.torn, views + len(known.views)
            story.check("%d starts: no log contains `panicked`" % some, not daemons.panics(), daemons.panics())
    story.check("%d nodes that were just ready were asked, and none showed fewer endpoints than the acknowledged epoch" % len(asked.delays),
                not asked.fewer, ("%d did" % len(asked.fewer), asked.fewer[:5]))
    story.check("each of %d epochs had the same endpoints on all nodes" % views, not torn, torn[:3])
    story.note("asked %.2f ms (median) behind READY=1, %.2f at p99, %d of %d within 1 ms; at READY=1 %d showed all endpoints, %d said that they are not quorate"
               % (1000 * percentile(asked.delays, 50), 1000 * percentile(asked.delays, 99), sum(delay < 0.001 for delay in asked.delays), len(asked.delays),
                  asked.whole, asked.unsure))
    story.note("%d answers were of an epoch older than one that another node had shown: %s" % (len(asked.behind), asked.behind[:3]))
    story.note("`wait --ready` was answered %.0f ms (median) behind READY=1, %.0f at most"
               % (1000 * percentile(asked.waited, 50), 1000 * max(asked.waited)))


def start_again(story, daemons, number, asked, known):
    """One to three of them end, meanwhile an endpoint comes where one is left, and they start again."""
    chance = story.random
    ends = chance.sample(daemons.all, chance.choice([1, 1, 1, 2, 3]))
    for daemon in ends:
        daemon.kill(chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT]))
    left = daemons.running()
    if len(left) == 2:
        left[0].post("/v1/apps", name="job%d" % (number % 5), endpoints="10.0.1.%d:80" % number, ttl="1h")
        # Until it is committed; and now and then until all that count as alive have it.
        end = time.monotonic() + 10
        while time.monotonic() < end:
            page = left[1].get("/v1/apps")
            known.shown(page)
            if any(one["name"] == "job%d" % (number % 5) and "10.0.1.%d:80" % number in one["endpoints"] for one in page["applications"]):
                break
            time.sleep(0.01)
        if chance.random() < 0.5:
            left[0].get("/v1/wait", epoch=page["epoch"], all_live=1, timeout=60)
            known.said(page["epoch"])
    for daemon in ends:
        daemon.start()
    in_parallel([lambda daemon=daemon: asked.at_ready(daemon, known) for daemon in ends])


# --- assignments -------------------------------------------------------------------------------------------------

def rows(page):
    """Item -> who has it, with which number, and whether it is told."""
    return {item["item"]: (item["host"], item["number"], item["state"]) for item in page["items"]}


def unlike(made, used, dead=()):
    """What is wrong with what is shown at a use, or nothing. An item may have moved on meanwhile: then its number is higher. One of a dead host is free in between."""
    wrong = []
    for item, (host, number, state) in rows(made).items():
        then = rows(used).get(item)
        if state != "held" or host is None or not number:
            wrong.append("%s was answered as %s" % (item, (host, number, state)))
        elif host in dead and then and then[2] == "free":
            continue
        elif then is None or (then[:2] != (host, number) and (then[1] or 0) <= number):
            wrong.append("%s was answered as %s, and is shown as %s" % (item, (host, number), then))
    return wrong


class Killer:
    """Kills one node after the other, never one that is being asked, and starts it again."""

    def __init__(self, daemons, chance):
        self.daemons, self.chance, self.kills, self.end, self.when = daemons, chance, 0, threading.Event(), {}
        self.lock, self.away = threading.Lock(), None
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def two(self, chance):
        """Two different nodes, neither of which is away or will be before `done`."""
        with self.lock:
            self.asked = chance.sample([daemon for daemon in self.daemons.all if daemon is not self.away], 2)
            return self.asked

    def done(self):
        with self.lock:
            self.asked = []

    def dead(self):
        """Who was killed so lately that what it held may not have another holder yet."""
        return [name for name, at in self.when.items() if time.monotonic() - at < 10]

    def work(self):
        self.asked = []
        while not self.end.wait(self.chance.uniform(0.3, 0.8)):
            leader = self.daemons.leader()
            with self.lock:
                free = [daemon for daemon in self.daemons.all if daemon not in self.asked]
                self.away = leader if leader in free and self.chance.random() < 0.5 else self.chance.choice(free)
                self.away.kill()
                self.when[self.away.name] = time.monotonic()
                self.kills += 1
            self.end.wait(self.chance.uniform(0.2, 2.5))
            self.away.start()
            self.away.ready()
            self.away.get("/v1/wait", ready=1, timeout=60)
            self.away = None

    def close(self):
        self.end.set()
        self.thread.join()


def an_assignment_is_of_use_at_once(story):
    """Assignments are made through one node and used through another in the next moment, without a second try, while a node is killed."""
    wanted, faults, made_in, moved, done = story.tier.uses, [], [], 0, 0
    with Daemons(story.binary, 3) as daemons:
        daemons.start()
        daemons.whole()
        killer = Killer(daemons, story.random)
        try:
            while done < wanted:
                names = ["a%d" % number for number in range(done, min(done + 25, wanted))]
                for name in names:
                    makes, uses = killer.two(story.random)
                    began = time.monotonic()
                    try:
                        answer = makes.post("/v1/assignments", name=name, count=3, wait="20s")
                        made_in.append(time.monotonic() - began)
                        shown = {one["name"]: one for one in uses.get("/v1/assignments")}
                        kept = uses.get("/v1/kv", prefix="__meta/assignments/%s/" % name)
                        dead = killer.dead()
                        wrong = unlike(answer["assignment"], shown.get(name, {"items": []}), dead)
                        moved += rows(answer["assignment"]) != rows(shown[name])
                        living = [item for item, row in rows(answer["assignment"]).items() if row[0] not in dead]
                        if not answer["held"] or not {"__meta/assignments/%s/%s" % (name, item) for item in living} <= {kv["key"] for kv in kept["kvs"]}:
                            wrong.append("held: %s, %d keys" % (answer["held"], kept["count"]))
                        faults += ["%s by %s, used at %s: %s" % (name, makes.name, uses.name, text) for text in wrong]
                    except (*GONE, Refused, KeyError) as error:
                        faults.append("%s by %s, used at %s, %s away: %r after %.1f s" % (
                            name, makes.name, uses.name, killer.away and killer.away.name, error, time.monotonic() - began))
                    killer.done()
                done += len(names)
                removed(killer, story.random, names)
        finally:
            killer.close()
        story.check("%d of %d assignments that were made through one node were held and of use through another at once, with %d nodes killed meanwhile"
                    % (wanted - len(faults), wanted, killer.kills), not faults and killer.kills, faults[:5])
        story.note("made in %.0f ms (median), %.0f at p99, %.0f at most; %d had moved on when they were used"
                   % (1000 * percentile(made_in, 50), 1000 * percentile(made_in, 99), 1000 * max(made_in), moved))
        daemons.whole()
        _, torn = equal_states(daemons, time.monotonic())
        story.check("all have the same state", not torn and not daemons.panics(), (torn, daemons.panics()))


def removed(killer, chance, names):
    """All of them, until none is left: there may be 32 at a time."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        one, other = killer.two(chance)
        try:
            left = [entry for entry in other.get("/v1/assignments") if entry["name"] in names]
            for entry in left:
                if not entry["removing"]:
                    one.post("/v1/assignments/remove", name=entry["name"])
        except (*GONE, Refused):
            left = names
        killer.done()
        if not left:
            return
        time.sleep(0.05)


def assignments_of_a_founding(story):
    """Twenty assignments of five items are asked for while the cluster founds itself and its leader is killed half-way: each item is held, with its number, and equal on all nodes."""
    taken, faults, leaders = [], [], 0
    for _ in range(story.tier.foundings):
        with Daemons(story.binary, story.random.choice([3, 3, 5])) as daemons:
            answers, began = collections.Counter(), time.monotonic()
            daemons.start()
            killed = []

            def make(number, daemons=daemons, answers=answers, killed=killed):
                """At the node that is its own, or at another where that was killed under it: asking again does no harm."""
                at, end = number, time.monotonic() + 60
                while time.monotonic() < end:
                    daemon = daemons.all[at % len(daemons.all)]
                    try:
                        answer = daemon.ask("POST", "/v1/assignments", {"name": "f%d" % number, "count": 5, "wait": "40s"},
                                            headers={"quorate-timeout-ms": "40000"})
                        answers["held" if answer["held"] else "not held"] += 1
                        return answer["assignment"]
                    except (*GONE, Refused) as error:
                        answers["no answer" if isinstance(error, GONE) else str(error)[:120]] += 1
                        if daemon in killed:
                            at += 1
                        time.sleep(0.005)
                return None

            def kill(daemons=daemons, answers=answers, killed=killed, half=story.random.randint(0, 18)):
                """The leader, once so many are made, or as soon as there is one."""
                while answers["held"] < half or not killed:
                    leader = daemons.leader()
                    if leader and answers["held"] >= half:
                        killed.append(leader)
                        leader.kill()

            made = in_parallel([*(lambda number=number: make(number) for number in range(20)), kill])[:20]
            taken.append(time.monotonic() - began)
            leaders += len(killed)
            shown = [{one["name"]: one for one in daemon.get("/v1/assignments")} for daemon in daemons.running()]
            for number, answer in enumerate(made):
                if answer is None or len(answer["items"]) != 5:
                    faults.append("f%d was never answered: %s" % (number, dict(answers)))
                    continue
                for page in shown:
                    faults += unlike(answer, page.get("f%d" % number, {"items": []}))
            first = daemons.all.index(killed[0])
            daemons.all[first].start()
            daemons.whole()
            faults += settled(daemons, 100)
            if "not held" in answers or daemons.panics():
                faults.append("%s %s" % (dict(answers), daemons.panics()))
    story.check("%d foundings with 20 assignments of 5 items each, and %d leaders killed: every item is held, with its number, equal on all nodes"
                % (len(taken), leaders), not faults, faults[:5])
    story.note("all twenty are answered %.1f s (median) behind the start, %.1f at most" % (percentile(taken, 50), max(taken)))


def settled(daemons, items):
    """What is not so once no item moves any more: all are held, each node shows the same, in keys too, and all states are equal."""
    end = time.monotonic() + 30
    while True:
        pages = [{one["name"]: rows(one) for one in daemon.get("/v1/assignments")} for daemon in daemons.running()]
        every = [row for page in pages for items_of in page.values() for row in items_of.values()]
        good = len(every) == items * len(pages) and all(host and number and state == "held" for host, number, state in every)
        if good and all(page == pages[0] for page in pages):
            break
        if time.monotonic() > end:
            return ["30 s later not all is held and equal: %s" % [page for page in pages if page != pages[0]]]
        time.sleep(0.05)
    _, torn = equal_states(daemons, time.monotonic())
    keys = [{kv["key"]: kv["value"] for kv in daemon.get("/v1/kv", prefix="__meta/assignments/", serializable=1)["kvs"]} for daemon in daemons.running()]
    return ["states differ: %s" % torn] if torn else [] if all(one == keys[0] for one in keys) else ["keys differ on %d nodes" % len(keys)]


def who_holds_without_a_leader_is_registered(story):
    """A holder is told of its item, and an application registers, just when the leader and another node are killed: whenever there is a leader again, both are registered."""
    faults, taken, longest, given = [], [], 0, 0
    for away in story.tier.leaderless:
        with Daemons(story.binary, 3, labels='[labels]\nrole = "a"\n') as daemons:
            daemons.start()
            daemons.whole()
            holder = story.random.choice([daemon for daemon in daemons.all if daemon is not daemons.leader()])
            dies = [daemon for daemon in daemons.all if daemon is not holder]
            holder.write("host.toml", 'name = "%s"\n[labels]\nrole = "b"\n' % holder.name)
            holder.kill(signal.SIGINT)
            holder.start()
            holder.ready()
            daemons.whole()
            held, told = threading.Event(), []

            def hear(_, page, held=held, told=told, dies=dies):
                """In this moment its node has not yet said that the application knows."""
                if page["items"] and not told:
                    told.append(page["items"][0])
                    for daemon in dies:
                        daemon.kill()
                    held.set()

            # Defined with nobody in scope that is told before the moment.
            dies[0].post("/v1/assignments", name="x", items="vip", scope="role=c", ttl="1h", wait="1ms")
            holder.follow("/v1/assignments/watch", hear, name="x")
            work = threading.Thread(target=ignore, daemon=True, args=(
                lambda dies=dies: dies[0].post("/v1/assignments", name="x", items="vip", scope="role=b", ttl="1h", wait="30s"),))
            work.start()
            if not held.wait(20):
                faults.append("%s was never told of its item" % holder.name)
                continue
            kept = holder.get("/v1/kv", key="__meta/assignments/x/vip", serializable=1)["kvs"]
            given += any("given" in kv["value"] for kv in kept)
            before = holder.get("/v1/status")
            holder.post("/v1/apps", name="late", endpoints="10.0.0.9:80", ttl="1h")
            time.sleep(away)
            longest = max(longest, away)
            alone = holder.get("/v1/status")
            if away > 1 and alone["state"] != "no-quorum":
                faults.append("%s is %s with both others dead for %d s" % (holder.name, alone["state"], away))
            for daemon in dies:
                daemon.start()
            began = time.monotonic()
            faults += registered(daemons, holder, told, before)
            taken.append(time.monotonic() - began)
            faults += daemons.panics()
    story.check("%d holders that were told just before the majority died, and applications that came without a leader, are registered when there is one, up to %d s later"
                % (len(taken), longest), not faults, faults[:5])
    story.note("%d were not registered as holders when the majority died; all were %.1f s (median) behind the start of the others, %.1f at most"
               % (given, percentile(taken, 50), max(taken)))


def ignore(work):
    try:
        work()
    except (*GONE, Refused):
        pass                                                                   # it was killed under the question


def registered(daemons, holder, told, before):
    """Waits until all nodes show the item as held and the application as up; what is wrong then."""
    end, seen = time.monotonic() + 30, None
    while time.monotonic() < end:
        try:
            seen = [(next((rows(one).get("vip") for one in daemon.get("/v1/assignments") if one["name"] == "x"), None),
                     [one["state"] for one in daemon.get("/v1/apps", name="late")["applications"]]) for daemon in daemons.running()]
            if all(item and item[0] == holder.name and item[2] == "held" and states == ["up"] for item, states in seen):
                return [] if all(item[1] >= told[0]["number"] for item, _ in seen) else ["told %s, and registered is %s" % (told[0], seen)]
        except (*GONE, Refused) as error:
            seen = repr(error)
        time.sleep(0.05)
    return ["30 s behind the return of the others (term %d before): %s" % (before["term"], seen)]


QUICK = [assignments_of_a_founding, who_asks_at_ready_sees_every_endpoint, who_holds_without_a_leader_is_registered]
STORIES = [an_assignment_is_of_use_at_once]

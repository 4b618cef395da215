"""Thousands of changes of every kind while a cluster founds itself, and just behind that: nothing that was acknowledged is lost, and all states are equal."""
import http.client
import threading
import time

from processes import Daemons, Refused, equal_states, in_parallel, percentile

GONE = (OSError, http.client.HTTPException, Refused)
# Of a hundred changes, how many are of each kind.
KINDS = {"key": 40, "application": 30, "budget": 15, "health": 15}


class Changes:
    """Who changes something, and what was acknowledged at last."""

    def __init__(self, daemons, chance, number):
        self.daemons, self.number, self.lock = daemons, number, threading.Lock()
        deck = [kind for kind, count in KINDS.items() for _ in range(count * number // 100)]
        chance.shuffle(deck)
        self.deck, self.chance = deck, chance
        self.keys, self.budgets, self.drained, self.applications = {}, {}, {}, {}
        self.acknowledged, self.again, self.last, self.end = 0, 0, 0.0, time.monotonic() + 240

    def work(self, own):
        """One of several at once. Each has names of its own, so that the last word on each is known."""
        turn = 0
        while True:
            with self.lock:
                if not self.deck:
                    return
                kind, daemon = self.deck.pop(), self.chance.choice(self.daemons.all)
            turn += 1
            while not self.change(kind, daemon, own, turn):
                self.again += 1
                if time.monotonic() > self.end:
                    raise TimeoutError("a change of kind %s is never acknowledged by %s" % (kind, daemon.name))
                time.sleep(0.01)
            with self.lock:
                self.acknowledged += 1
                self.last = time.monotonic()

    def change(self, kind, daemon, own, turn):
        try:
            if kind == "key":
                key = "k%d/%d" % (own, turn % 20)
                daemon.put(key, "%d" % turn)
                self.keys[key] = "%d" % turn
            elif kind == "budget":
                daemon.post("/v1/budgets", name="b%d" % own, max=100 + turn)
                self.budgets["b%d" % own] = 100 + turn
            elif kind == "health":
                # Two of them may be drained, in turns: whoever has this number, and the others have nothing.
                name = "n%d" % (own % 2 + 4)
                if own > 1:
                    return self.change("application", daemon, own, turn)
                daemon.post("/v1/drain" if turn % 2 else "/v1/undrain", name=name)
                self.drained[name] = bool(turn % 2)
            else:
                # Another endpoint each time: one that went down again and again would be held down.
                name, endpoint = "app%d" % own, "10.0.0.%d:%d" % (daemon.number, 1000 + turn)
                daemon.post("/v1/apps", name=name, endpoints=endpoint, ttl="1h")
                self.applications[name, daemon.name] = endpoint
            return True
        except GONE:
            return False


class Watch:
    """Looks at all states until it is ended: at one index there is one hash."""

    def __init__(self, daemons):
        self.daemons, self.seen, self.torn, self.ended = daemons, {}, [], threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.ended.wait(0.05):
            for daemon in self.daemons.running():
                try:
                    status = daemon.get("/v1/status")
                except GONE:
                    continue
                # Who holds no copy shows 0, and no state.
                key = status["cluster_id"], status["applied"]
                if status["applied"] and self.seen.setdefault(key, status["state_hash"]) != status["state_hash"]:
                    self.torn.append((daemon.name, key))

    def close(self):
        self.ended.set()
        self.thread.join()


def thousands_of_changes_of_a_founding(story):
    """Changes of health, applications, budgets and keys begin before the cluster is founded: nothing acknowledged is lost, and all states are equal right behind the last."""
    number, times, faults, looks, rates, again = story.tier.changes, [], [], 0, [], 0
    for _ in range(story.tier.crowds):
        with Daemons(story.binary, 5, seeds=3) as daemons:
            began = time.monotonic()
            changes, watch = Changes(daemons, story.random, number), Watch(daemons)
            try:
                daemons.start()
                in_parallel([lambda own=own: changes.work(own) for own in range(12)])
                seconds, torn = equal_states(daemons, changes.last)
                times.append(seconds)
                faults += ["states differ: %s" % torn] if torn else []
                faults += what_is_lost(daemons, changes)
            finally:
                watch.close()
            looks, again = looks + len(watch.seen), again + changes.again
            rates.append(changes.acknowledged / (changes.last - began))
            faults += watch.torn + daemons.panics()
            if changes.acknowledged < number * 95 // 100:
                faults.append("only %d changes were acknowledged" % changes.acknowledged)
    story.check("%d foundings with %d changes each: all that was acknowledged is there, equal on all nodes, and at none of %d indexes two states"
                % (len(times), number, looks), not faults, faults[:5])
    story.note("equal states %.2f s (median) behind the last change, %.2f at most, %d of %d within 1 s; %.0f changes a second, %d asked again"
               % (percentile(times, 50), max(times), sum(seconds <= 1 for seconds in times), len(times), percentile(rates, 50), again))


def what_is_lost(daemons, changes, limit=10.0):
    """Of what was acknowledged, what some node does not show. Applications reach the leader a moment behind their word."""
    end, wrong = time.monotonic() + limit, ["nothing was asked"]
    while wrong and time.monotonic() < end:
        wrong = []
        for daemon in daemons.all:
            keys = {kv["key"]: kv["value"] for kv in daemon.get("/v1/kv", prefix="k")["kvs"]}
            wrong += ["%s has %s = %s and not %s" % (daemon.name, key, keys.get(key), value) for key, value in changes.keys.items() if keys.get(key) != value]
            most = {budget["name"]: budget["max"] for budget in daemon.get("/v1/budgets")}
            wrong += ["%s has budget %s = %s and not %d" % (daemon.name, name, most.get(name), value)
                      for name, value in changes.budgets.items() if most.get(name) != value]
            drained = {member["name"]: bool(member.get("drained")) for member in daemon.get("/v1/members")}
            wrong += ["%s has %s drained: %s" % (daemon.name, name, drained.get(name)) for name, so in changes.drained.items() if drained.get(name) != so]
            shown = {(one["name"], one["host"]): (one["state"], one["endpoints"]) for one in daemon.get("/v1/apps")["applications"]}
            for (name, host), endpoint in changes.applications.items():
                wanted = ("down" if drained.get(host) else "up", [endpoint])
                if shown.get((name, host)) != wanted:
                    wrong.append("%s has %s on %s %s and not %s" % (daemon.name, name, host, shown.get((name, host)), wanted))
        if wrong:
            time.sleep(0.1)
    return wrong


STORIES = [thousands_of_changes_of_a_founding]

"""Bad states of disks and names: wiped, copied, set back, renamed, of another cluster. Made and mended as in `failure_states.py`.

The doc string of a function is the state's line in the table.
"""
import time

from cluster import Failed
from failure_births import HERE_IS, ended, name, other_file, restart
from stories.identity import bring_back, save

BOTH = ["quorate", "quorate.birth"]
WIPE_DATA = "systemctl stop quorate; rm -rf /var/lib/quorate"
WIPE_ALL = "systemctl stop quorate; rm -rf /var/lib/quorate /var/lib/quorate.birth"


def reset_and_start(state, code, host, said_on, then="systemctl start quorate", before=""):
    """What the remedies for copies say: stop there, the printed reset, start."""
    found = state.has(said_on, code)
    if not found:
        raise Failed("there is no `%s` on h%d to do what it says" % (code, said_on))
    for text in (found["remedy"], found["text"]):
        if "`quorate reset" in text:
            command = "quorate reset" + text.split("`quorate reset")[1].split("`")[0]
            break
    else:
        raise Failed("no `quorate reset` in: " + found["remedy"])

    def work():
        done = state.run(host, "systemctl stop quorate; %strue; %s" % (before, command), check=False)
        if done.returncode:
            state.faults.append("`%s` on h%d: %s" % (command, host, (done.stderr + done.stdout).strip()[-200:]))
        state.run(host, HERE_IS + then, check=False)
    state.by_hand(code, said_on, "on h%d: quorate is stopped, `%s`, `%s`%s" % (
        host, command, then, ", without the name that it had" if before else ""), work)


# --- wiped ----------------------------------------------------------------------------------------------------

def voter_wiped(state):
    """one of three voters loses its data directory, keeps the marker, and is started while the others run"""
    cluster = state.up(3)
    state.run(3, WIPE_DATA)
    cluster.start(3)
    joins_by_itself(state)


def joins_by_itself(state):
    cluster = state.cluster
    cluster.wait_quorate(voters=3, alive=3)
    time.sleep(3)
    state.listen({}, limit=1)
    for host in (1, 2, 3):
        state.faults += ["h%d says `%s` though all is well" % (host, found["code"]) for found in state.said[host]["findings"]]
    state.nothing("refused", next((host for host in (1, 2, 3) if state.has(host, "refused")), 1))
    state.whole("left", "down", "marker", "joining", "refused", limit=330)


def voter_wiped_whole(state):
    """one of three voters loses data and marker, and is started while the others run"""
    cluster = state.up(3)
    state.run(3, WIPE_ALL)
    cluster.start(3)
    joins_by_itself(state)


def wiped_and_others_off(state):
    """one of three voters loses its data directory, keeps the marker, and the others are off"""
    cluster = state.up(3)
    cluster.each([1, 2], lambda host: state.run(host, "systemctl stop quorate"))
    state.run(3, WIPE_DATA)
    cluster.start(3)
    state.listen({3: "marker"}, settle=3)
    state.by_hand("marker", 3, "the other hosts are started", lambda: cluster.each([1, 2], cluster.start))
    state.whole("marker", "no-answer")


def only_host_wiped(state):
    """a cluster of one host loses its data directory and keeps the marker"""
    cluster = state.up(1)
    state.run(1, WIPE_DATA)
    cluster.start(1)
    state.listen({1: "marker"}, settle=1)
    state.paste("marker", 1, clip=lambda remedy: remedy[remedy.index("gone for good"):remedy.index("a new one")])
    state.whole("marker")


def majority_wiped(state):
    """two of three voters lose data and marker at one time, and are started"""
    cluster = state.up(3)
    state.run(1, "quorate put keep it")
    cluster.each([2, 3], lambda host: state.run(host, WIPE_ALL))
    cluster.each([2, 3], cluster.start)
    state.listen({1: "no-leader", 2: "joining", 3: "joining"}, settle=3)
    remedy = state.has(1, "no-leader")["remedy"]
    if "`quorate recover`" not in remedy:
        state.faults.append("the remedy on h1 does not name `quorate recover`: " + remedy)

    def work():
        for command in ["quorate recover --yes", "quorate get keep"]:
            done = state.run(1, command, check=False)
            if done.returncode:
                state.faults.append("`%s` on h1 ends with %d: %s" % (command, done.returncode, (done.stderr + done.stdout).strip()[-200:]))
    state.by_hand("no-leader", 1, "`quorate recover --yes` on h1: the cluster is founded anew with what was there", work)
    state.whole("no-leader", "joining", "missing")


# --- copied, set back, renamed --------------------------------------------------------------------------------

def disk_copied(state, ask=1):
    """the data directory of voter h2 is copied to h4, which runs with its name beside it"""
    cluster = state.up(4, seeds=[1, 2, 3], start=False)
    cluster.each([1, 2, 3], cluster.start)
    cluster.wait_quorate([1, 2, 3], voters=3, alive=3)
    save(cluster, 2, "copy.tgz", "quorate")
    bring_back(cluster, 4, "copy.tgz", "quorate")
    name(state, 4, "h2")
    cluster.start(4)
    state.listen({1: "clone", 2: "clone", 3: "clone", 4: "turned-away"}, limit=40)
    code = "turned-away" if ask == 4 else "clone"
    reset_and_start(state, code, 4, ask, before="rm /etc/quorate/host.toml; ")
    state.whole("clone", "turned-away", "twice", limit=200)


def disk_copied_own_word(state):
    """the same, mended by what the host with the copy says"""
    disk_copied(state, ask=4)


def disk_copied_other_name(state):
    """the data directory of voter h2 is copied to h4, which keeps its own name"""
    cluster = state.up(4, seeds=[1, 2, 3], start=False)
    cluster.each([1, 2, 3], cluster.start)
    cluster.wait_quorate([1, 2, 3], voters=3, alive=3)
    save(cluster, 2, "copy.tgz", "quorate")
    bring_back(cluster, 4, "copy.tgz", "quorate")
    state.run(4, "systemctl start quorate", check=False)
    ended(state, 4, "h2", "quorate reset")
    reset_and_start(state, "ended", 4, 4)
    state.whole("ended")


def copy_came_first(state):
    """the data directory of voter h2 is copied to h4, which is started with its name while h2 is off; then h2 is started"""
    cluster = state.up(4, seeds=[1, 2, 3], start=False)
    cluster.each([1, 2, 3], cluster.start)
    cluster.wait_quorate([1, 2, 3], voters=3, alive=3)
    state.run(2, "systemctl stop quorate")
    save(cluster, 2, "copy.tgz", "quorate")
    bring_back(cluster, 4, "copy.tgz", "quorate")
    name(state, 4, "h2")
    cluster.start(4)
    cluster.wait_quorate([1, 3, 4], voters=3, alive=3)
    cluster.start(2)
    state.listen({1: "clone", 3: "clone", 2: "turned-away"}, limit=40)
    state.remedy = ("turned-away", 2, (state.has(2, "turned-away") or {"remedy": ""})["remedy"])
    reset_and_start(state, "turned-away", 4, 2, before="rm /etc/quorate/host.toml; ")
    began = time.monotonic()
    while time.monotonic() - began < 330:
        state.run(2, HERE_IS + "systemctl restart quorate", check=False)
        time.sleep(8)
        status = cluster.status(2)
        if status and status["state"] == "quorate" and "turned-away" not in str(state.why(2)):
            break
    state.did.append("by hand: on h2: `systemctl restart quorate` until it was let in, for %d s" % (time.monotonic() - began))
    last = state.why(2)
    if last["state"] == "unreachable" and "`quorate reset" in str(last):
        state.said[2] = last
        reset_and_start(state, last["findings"][0]["code"], 2, 2)
    state.whole("clone", "turned-away", "twice", "ended", limit=120)


def data_set_back(state):
    """the data directory of a voter is set back to an older copy; marker and note are not"""
    cluster = state.up(3)
    older_copy(state)
    state.run(2, "cp -a /var/lib/quorate.birth /root/birth")
    bring_back(cluster, 2, "old.tgz", *BOTH)
    state.run(2, "rm -rf /var/lib/quorate.birth && mv /root/birth /var/lib/quorate.birth; systemctl start quorate", check=False)
    ended(state, 2, "older copy", "quorate reset")
    reset_and_start(state, "ended", 2, 2)
    state.whole("ended", "left", "clone", limit=90)


def older_copy(state):
    state.run(2, "systemctl stop quorate")
    save(state.cluster, 2, "old.tgz", *BOTH)
    for _ in range(2):
        state.cluster.start(2)
        state.cluster.wait_quorate(voters=3, alive=3)
        state.run(2, "quorate put after the-copy --timeout 30s; systemctl stop quorate")


def machine_set_back(state):
    """the whole disk of a voter is set back to an older copy"""
    cluster = state.up(3)
    older_copy(state)
    bring_back(cluster, 2, "old.tgz", *BOTH)
    cluster.start(2)
    state.listen({1: "clone", 3: "clone"}, limit=40, settle=2)
    reset_and_start(state, "clone", 2, 1)
    state.whole("clone", "left", "twice", "turned-away", limit=90)


def host_renamed(state):
    """a host's name changes between two starts"""
    state.up(3)
    state.run(2, "systemctl stop quorate; hostname renamed; systemctl start quorate", check=False)
    ended(state, 2, "renamed", 'name = "h2"')
    state.by_hand("ended", 2, "`name = \"h2\"` in host.toml, as the last error says", lambda: name(state, 2, "h2"))
    state.paste("ended", 2)
    state.whole("ended", "left")


def name_in_use(state):
    """a new host (h4) says the name of h2, which runs"""
    cluster = state.up(4, seeds=[1, 2, 3], start=False)
    cluster.each([1, 2, 3], cluster.start)
    cluster.wait_quorate([1, 2, 3], voters=3, alive=3)
    name(state, 4, "h2")
    cluster.start(4)
    state.listen({1: "name-held", 4: "joining"}, limit=30, settle=2)
    state.by_hand("name-held", 1, "h4 gets a name of its own", lambda: name(state, 4, "h4"))
    state.by_hand("name-held", 1, "`systemctl restart quorate` on h4", lambda: restart(state, 4))
    state.whole("name-held", "joining", "handshake")


def name_of_a_voter_that_is_off(state):
    """a new host (h4) says the name of voter h2, which is off"""
    cluster = state.up(4, seeds=[1, 2, 3], start=False)
    cluster.each([1, 2, 3], cluster.start)
    cluster.wait_quorate([1, 2, 3], voters=3, alive=3)
    cluster.hosts("kill", 2)
    cluster.wait("h2 is down", lambda s: any(m["name"] == "h2" and m["state"] == "down" for m in s["members"]), 15, [1, 3])
    name(state, 4, "h2")
    cluster.start(4)
    state.listen({1: "name-held", 4: "joining"}, limit=30, settle=1)

    def mend():
        cluster.hosts("boot", 2)
        name(state, 4, "h4")
        restart(state, 4)
    state.by_hand("name-held", 1, "h2 is powered on, h4 gets a name of its own and is restarted", mend)
    state.whole("name-held", "joining", "down", "handshake")


def cluster_renamed(state):
    """`cluster` in the file of a voter is changed, and it is restarted"""
    cluster = state.up(3)
    other_file(state, [3], [1, 2, 3], cluster="other")
    cluster.configure([1, 2, 3])
    restart(state, 3)
    ended(state, 3, "other", "quorate reset")
    state.by_hand("ended", 3, "`cluster = \"t\"` again, as the last error says", lambda: cluster.copy_files(3))
    state.paste("ended", 3)
    state.whole("ended", "left")


def data_of_another_cluster(state):
    """a host that was in another cluster, with another name, is to join this one"""
    cluster = state.up(3, start=False)
    other_file(state, [3], [3], cluster="old")
    cluster.start(3)
    cluster.wait_quorate([3], voters=1)
    state.run(3, "systemctl stop quorate")
    other_file(state, [3], [1, 2, 3])
    cluster.each([1, 2], cluster.start)
    cluster.wait_quorate([1, 2], voters=2)
    state.run(3, "systemctl start quorate", check=False)
    ended(state, 3, "old", "quorate reset --set-aside --cluster old")
    reset_and_start(state, "ended", 3, 3)
    state.whole("ended", "margin")


def two_clusters(state):
    """two clusters of one name meet: h1 and h2 founded one, h3 another, then all get one list of seeds"""
    cluster = state.up(3, seeds=[3], start=False)
    other_file(state, [1, 2], [1, 2])
    cluster.start_all()
    cluster.wait_quorate([1, 2], voters=2)
    cluster.wait_quorate([3], voters=1)
    id_ = cluster.status(3)["cluster_id"]
    other_file(state, [1, 2, 3], [1, 2, 3])
    restart(state, 1, 2, 3)
    state.listen({1: "two-clusters", 2: "two-clusters", 3: "two-clusters"}, limit=40)
    said_on = next((host for host in (1, 2, 3) if state.has(host, "two-clusters")), 1)

    def clip(remedy):
        return next(part for part in remedy.split("to give up ") if part.startswith(id_))
    state.paste("two-clusters", said_on, clip=clip)
    state.whole("two-clusters", "margin", "other-cluster")


def two_clusters_and_a_new_host(state):
    """a new host (h3) finds two clusters of its name among its seeds"""
    cluster = state.up(3, start=False)
    other_file(state, [1], [1])
    other_file(state, [2], [2])
    cluster.each([1, 2], cluster.start)
    cluster.each([1, 2], lambda host: cluster.wait_quorate([host], voters=1))
    ids = {host: cluster.status(host)["cluster_id"] for host in (1, 2)}
    cluster.start(3)
    state.listen({3: "two-clusters"}, limit=30)
    other_file(state, [1, 2], [1, 2, 3])
    # It may have been let in by the one that it met first; the other is given up.
    id_ = ids[1 if cluster.status(3)["cluster_id"] == ids[2] else 2]
    state.paste("two-clusters", 3, clip=lambda remedy: next(p for p in remedy.split("to give up ") if p.startswith(id_)))
    state.by_hand("two-clusters", 3, "one list of seeds on all hosts", lambda: restart(state, 1, 2, 3))
    state.whole("two-clusters", "margin", "other-seeds")


STATES = [voter_wiped, voter_wiped_whole, wiped_and_others_off, only_host_wiped, majority_wiped, disk_copied, disk_copied_own_word,
          disk_copied_other_name, copy_came_first, data_set_back, machine_set_back, host_renamed, name_in_use,
          name_of_a_voter_that_is_off, cluster_renamed, data_of_another_cluster, two_clusters, two_clusters_and_a_new_host]

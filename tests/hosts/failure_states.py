"""Bad states of a cluster that stands, each made for real and mended by what `quorate why` says (`failures.py`).

The doc string of a function is the state's line in the table.
"""
import subprocess
import threading
import time

import failure_births
import failure_lives
from door import Door, Local

WEAK = ("no-spare", "loss", "slow")


def followers(state, count=3):
    leader = state.leader()
    return leader, [host for host in range(1, count + 1) if host != leader]


def kill(state, *hosts):
    """Killed with -9, and what would start it again held back."""
    state.cluster.each(hosts, lambda host: state.run(host, "systemctl kill -s KILL quorate; systemctl stop quorate"))


# --- daemons and hosts that are gone --------------------------------------------------------------------------

def voter_killed(state):
    """one of three voters is killed with -9, and systemd does not start it again"""
    state.up(3)
    kill(state, 3)
    state.listen({1: "left", 2: "left", 3: "ended"})
    state.paste("left", 1)
    state.whole("left", "ended")


def voter_killed_own_word(state):
    """the same, and the host itself is asked what to do"""
    state.up(3)
    kill(state, 2)
    state.listen({1: "left", 2: "ended", 3: "left"})
    state.paste("ended", 2)
    state.whole("left", "ended")


def voter_stopped(state):
    """one of three voters is stopped in order (`systemctl stop quorate`)"""
    state.up(3)
    state.run(3, "systemctl stop quorate")
    state.listen({1: "left", 2: "left", 3: "ended"})
    state.paste("left", 2)
    state.whole("left", "ended")


def voter_without_power(state):
    """one of three voters loses power"""
    cluster = state.up(3)
    cluster.hosts("kill", 3)
    state.listen({1: "down", 2: "down"}, settle=1.5)
    state.by_hand("down", 1, "power on; its unit starts with it", lambda: cluster.hosts("boot", 3))
    state.whole("down")


def leader_killed(state):
    """the leader is killed with -9, and systemd does not start it again"""
    state.up(3)
    leader, others = followers(state)
    kill(state, leader)
    state.listen({others[0]: "left", others[1]: "left", leader: "ended"}, settle=1)
    state.paste("left", others[0])
    state.whole("left", "ended")


def two_of_three_killed(state):
    """two of three voters are killed with -9, and systemd does not start them again"""
    state.up(3)
    kill(state, 2, 3)
    state.listen({1: "no-leader", 2: "ended", 3: "ended"}, settle=2)
    state.paste("no-leader", 1)
    state.whole("no-leader", "missing", "ended")


def two_of_three_without_power(state):
    """two of three voters lose power"""
    cluster = state.up(3)
    cluster.each([2, 3], lambda host: cluster.hosts("kill", host))
    state.listen({1: "no-leader"}, settle=2)
    state.by_hand("no-leader", 1, "power on both; their units start with them",
                  lambda: cluster.each([2, 3], lambda host: cluster.hosts("boot", host)))
    state.whole("no-leader", "missing")


def member_killed(state):
    """a host that is not a voter (h4 of four) is killed with -9, and systemd does not start it again"""
    state.up(4, seeds=[1, 2, 3])
    kill(state, 4)
    state.listen({1: "left", 2: "left", 3: "left", 4: "ended"}, limit=4)
    state.paste("ended", 4)
    state.whole("left", "ended", "no-answer")


def one_of_two_stopped(state):
    """one of two hosts is stopped: there is no majority without it"""
    state.up(2)
    state.run(2, "systemctl stop quorate")
    state.listen({1: "no-leader", 2: "ended"}, settle=1)
    state.paste("no-leader", 1)
    state.whole("no-leader", "missing", "ended")


def crash_loop(state):
    """a daemon is killed with -9 five times, as often as systemd starts it"""
    state.up(3)
    for _ in range(5):
        state.run(3, "systemctl kill -s KILL quorate; sleep 1.6")
    state.listen({1: ["left"], 3: ["counted-out"]}, limit=4)
    state.nothing("counted-out", 3)
    state.whole("left", "down", "counted-out", limit=120)


def process_frozen(state):
    """the daemon of one host is frozen (SIGSTOP)"""
    state.up(3)
    state.run(3, "systemctl kill -s STOP quorate")
    time.sleep(1.5)
    state.listen({1: "down", 2: "down"}, limit=6)
    state.by_hand("down", 1, "`systemctl status quorate` there shows that it runs; systemd ends a daemon that is silent for "
                  "10 s by itself, and starts it again", lambda: state.run(3, "systemctl status quorate", check=False))
    state.whole("down", limit=90)


def host_paused(state):
    """a whole host is frozen, as a virtual machine that is moved"""
    cluster = state.up(3)
    cluster.hosts("pause", 3)
    state.listen({1: "down", 2: "down"}, off={3: "the host is frozen"}, settle=1)
    state.by_hand("down", 1, "let it run on", lambda: cluster.hosts("resume", 3))
    state.whole("down", limit=60)


# --- links ----------------------------------------------------------------------------------------------------

def heal(state):
    return lambda: state.cluster.hosts("heal")


def link_to_the_leader_cut(state):
    """the link between the leader and one follower is cut, both ways"""
    state.up(3)
    leader, others = followers(state)
    state.cluster.hosts("cut", leader, others[0])
    state.listen({leader: "no-link", others[0]: "no-link"}, limit=30, settle=8)
    state.by_hand("no-link", others[0], "the link is mended", heal(state))
    state.whole("no-link", "no-answer", "timed-out")


def link_between_followers_cut(state):
    """the link between the two followers is cut, both ways"""
    state.up(3)
    _, others = followers(state)
    state.cluster.hosts("cut", *others)
    state.listen({others[0]: "no-answer", others[1]: "no-answer"}, limit=30)
    state.by_hand("no-answer", others[0], "the link is mended", heal(state))
    state.whole("no-answer", "timed-out")


def host_cut_off(state):
    """one host loses its network (all links cut, both ways)"""
    state.up(3)
    _, others = followers(state)
    alone = others[0]
    state.cluster.hosts("cut", alone, ",".join(str(host) for host in (1, 2, 3) if host != alone))
    state.listen({host: "no-network" if host == alone else "down" for host in (1, 2, 3)}, limit=30, settle=3)
    state.by_hand("no-network", alone, "its network is mended", heal(state))
    state.whole("no-network", "no-leader", "down", "missing")


def cable_pulled(state):
    """the leader's cable is pulled (no carrier)"""
    state.up(3)
    leader, others = followers(state)
    state.cluster.hosts("unplug", leader)
    state.listen({leader: "no-network", others[0]: "down", others[1]: "down"}, limit=30, settle=3)
    state.by_hand("no-network", leader, "the cable is plugged in", lambda: state.cluster.hosts("plug", leader))
    state.whole("no-network", "no-leader", "down", "missing")


def all_links_cut(state):
    """no host reaches another"""
    state.up(3)
    state.cluster.hosts("cut", "1-3", "1-3")
    state.listen({host: ["no-leader", "no-network"] for host in (1, 2, 3)}, limit=30, settle=2)
    state.by_hand("no-network", 1, "the network is mended", heal(state))
    state.whole("no-network", "no-leader", "missing")


def one_way_drop(state):
    """a follower does not hear the leader: packets are dropped in one direction"""
    state.up(3)
    leader, others = followers(state)
    state.cluster.hosts("cut", leader, others[0], "--one-way")
    state.listen({leader: "one-way", others[0]: "one-way"}, limit=40, settle=5)
    state.by_hand("one-way", leader, "the firewall is opened", heal(state))
    state.whole("no-link", "one-way", "no-answer", "timed-out")


def loss_20_percent(state):
    """one host loses 20 % of the packets, in each direction"""
    state.up(3)
    state.cluster.hosts("loss", 3, "20%")
    state.listen({3: "loss", 1: "loss", 2: "loss"}, limit=60)
    state.by_hand("loss", 1, "the network is mended", heal(state))
    state.whole("loss", "slow", "behind", limit=120)


def delay_300_ms(state):
    """packets of one host take 300 ms more, each way"""
    state.up(3)
    state.cluster.hosts("delay", 3, "300ms")
    state.listen({1: "slow", 2: "slow", 3: "slow"}, limit=60)
    state.by_hand("slow", 1, "the path is mended", heal(state))
    state.whole("slow", "loss", "behind", "down", limit=150)


NARROW = """table bridge narrow {
 chain f {
  type filter hook forward priority -10
  iifname "v3" meta length > 1320 drop
  oifname "v3" meta length > 1320 drop
 }
}
"""


def narrow(state, command, text=None):
    """Drops packets of more than 1320 bytes to and from h3, without a word to the sender; segments as they are on a wire."""
    state.cluster.each([1, 2, 3], lambda host: state.run(host, "ip link set dev eth0 gso_max_segs 1"))
    subprocess.run(["ip", "netns", "exec", state.cluster.name + "-sw", "nft"] + command, input=text, text=True, check=True)


def small_mtu(state, later=False):
    """packets of more than 1320 bytes do not reach one host (h3), nor leave it, from before it starts"""
    cluster = state.up(3, start=later)
    narrow(state, ["-f", "-"], NARROW)
    cluster.start_all()
    cluster.wait_quorate(voters=3, alive=3)
    state.run(1, "for i in $(seq 20); do head -c 300000 /dev/zero | tr '\\0' x | quorate put big$i - ; done >/dev/null", check=False)
    state.listen({1: "mtu", 2: "mtu", 3: "mtu"}, limit=40)
    code = next((host for host in (1, 2, 3) if state.has(host, "mtu")), 1)
    state.by_hand("mtu", code, "large packets pass again", lambda: narrow(state, ["delete", "table", "bridge", "narrow"]))
    # A search for the path's MTU begins every 30 s.
    state.whole("mtu", limit=60)


def mtu_shrinks(state):
    """the same, from a moment when the cluster is there"""
    small_mtu(state, later=True)


# --- disks ----------------------------------------------------------------------------------------------------

def write(state, host, count, size=1000, prefix="w"):
    state.run(host, "for i in $(seq %d); do head -c %d /dev/zero | tr '\\0' x | quorate put %s$i - --timeout 4s; done "
                    ">/dev/null 2>&1" % (count, size, prefix), check=False)


def disk_full(state, leads=True):
    """the leader's disk is full"""
    state.up(3)
    leader, others = followers(state)
    victim = leader if leads else others[0]
    state.cluster.hosts("disk", victim, "full")
    write(state, victim, 70, 1000000)
    state.listen({host: "disk-full" for host in (1, 2, 3)}, limit=20)
    state.by_hand("disk-full", others[1], "made room", lambda: state.cluster.hosts("disk", victim, "ok"))
    state.whole("disk-full", "copy-stands-still", "behind", disk_of=victim)


def follower_disk_full(state):
    """a follower's disk is full"""
    disk_full(state, leads=False)


def disk_slow(state):
    """a follower's disk makes 4 operations a second"""
    state.up(3)
    _, others = followers(state)
    state.cluster.hosts("disk", others[0], "slow", 4)
    writer = threading.Thread(target=write, args=(state, others[1], 100))
    writer.start()
    state.listen({host: "disk-slow" for host in (1, 2, 3)}, limit=60)
    state.by_hand("disk-slow", others[1], "the disk is fast again", lambda: state.cluster.hosts("disk", others[0], "ok"))
    writer.join()
    state.whole("disk-slow", "disk-stalled", "behind", limit=90, disk_of=others[0])


def disk_hangs(state, leads=True):
    """the leader's disk hangs (frozen file system)"""
    state.up(3)
    leader, others = followers(state)
    victim = leader if leads else others[0]
    state.cluster.hosts("disk", victim, "hang")
    writer = threading.Thread(target=write, args=(state, others[1], 20))
    writer.start()
    rest = [host for host in (1, 2, 3) if host != victim]
    state.listen({host: "disk-stalled" for host in rest}, limit=20, off={victim: "not asked: a command there hangs with the disk"})
    state.by_hand("disk-stalled", others[1], "the disk answers again", lambda: state.cluster.hosts("disk", victim, "ok"))
    writer.join()
    state.whole("disk-stalled", "disk-slow", "behind", "down", limit=90, disk_of=victim)


def follower_disk_hangs(state):
    """a follower's disk hangs (frozen file system)"""
    disk_hangs(state, leads=False)


# --- bounds ---------------------------------------------------------------------------------------------------

def wait_on_socket(state, count):
    """So many connections, each of which waits for an epoch that does not come."""
    door, open_ = Door(state.cluster, 1), []
    for _ in range(count):
        one = Local(door.path, 20)
        one.request("GET", "/v1/wait?epoch=1000000&timeout=3000")
        open_.append(one)
    return open_


WAIT_ON_TCP = """
import socket, time
open_ = [socket.create_connection(("127.0.0.1", 4748)) for _ in range(600)]
for one in open_:
    one.sendall(b"GET /v1/wait?epoch=1000000&timeout=3000 HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
print("there", flush=True)
time.sleep(600)
"""


def waits_at_the_bound(state):
    """1,100 programs wait at one node for an epoch that does not come: 500 through the socket, 600 through TCP"""
    state.up(3)
    open_ = wait_on_socket(state, 500)
    other = subprocess.Popen(["ip", "netns", "exec", state.cluster.name + "-1", "python3", "-c", WAIT_ON_TCP],
                             stdout=subprocess.PIPE, text=True)
    other.stdout.readline()

    def end():
        other.kill()
        other.wait()
        for one in open_:
            one.close()
    try:
        state.listen({1: "bound"}, limit=10)
        state.by_hand("bound", 1, "the programs end", end)
    finally:
        end()
    state.whole("bound", limit=150)


def connections_at_the_bound(state):
    """1,100 connections are open on the socket of one node"""
    state.up(3)
    open_ = wait_on_socket(state, 1100)
    state.listen({1: "bound"}, limit=10)
    put = state.run(1, "timeout -s KILL 20 quorate put a b --timeout 5s", check=False)
    if put.returncode not in (0, 1, 5):
        state.faults.append("`quorate put a b --timeout 5s` has no answer after 20 s")
    state.by_hand("bound", 1, "the program ends (its connections are closed)", lambda: [one.close() for one in open_])
    state.whole("bound", limit=150)


def no_spare(state):
    """nothing is broken: a cluster of two hosts, of which none may fail"""
    cluster = state.up(2)
    state.listen({1: "no-spare", 2: "no-spare"}, limit=10)

    def add():
        new = cluster.add()
        cluster.install([new])
        cluster.start(new)
    state.by_hand("no-spare", 1, "a third host with the same two files", add)
    state.whole("no-spare", limit=60, alive=3)


def member_stopped(state):
    """a host that is not a voter (h4 of four) is stopped in order: nothing is wrong"""
    cluster = state.up(4, seeds=[1, 2, 3])
    state.run(4, "systemctl stop quorate")
    time.sleep(25)
    state.listen({4: "ended"}, limit=5)
    for host in (1, 2, 3):
        state.faults += ["h%d complains: `%s`" % (host, found["code"]) for found in state.said[host]["findings"]]
    state.paste("ended", 4)
    state.whole("left", "ended", "no-answer")


STANDING = [voter_killed, voter_killed_own_word, voter_stopped, voter_without_power, leader_killed, two_of_three_killed,
            two_of_three_without_power, one_of_two_stopped, member_killed, member_stopped, crash_loop, process_frozen, host_paused,
            link_to_the_leader_cut, link_between_followers_cut, host_cut_off, cable_pulled, all_links_cut, one_way_drop,
            loss_20_percent, delay_300_ms, small_mtu, mtu_shrinks, disk_full, follower_disk_full, disk_slow, disk_hangs, follower_disk_hangs,
            waits_at_the_bound, connections_at_the_bound, no_spare]
STATES = STANDING + failure_births.STATES + failure_lives.STATES

"""Bad states before the birth, of files, and of disks and names, each made and mended as in `failure_states.py`.

The doc string of a function is the state's line in the table.
"""
import time

from cluster import STAGED

HERE_IS = "systemctl reset-failed quorate; "


def other_secret(state, host):
    state.cluster.secret(state.cluster.stage + "/etc/other")
    state.run(host, "install -m 600 %s/etc/other /etc/quorate/secret" % STAGED)


def other_file(state, hosts, seeds, **options):
    """Another quorate.toml on these hosts; what is staged afterwards is that file."""
    state.cluster.configure(seeds, **options)
    state.cluster.each(hosts, state.cluster.copy_files)


def name(state, host, text):
    state.run(host, "echo 'name = \"%s\"' > /etc/quorate/host.toml" % text)


def restart(state, *hosts):
    state.cluster.each(hosts, lambda host: state.run(host, HERE_IS + "systemctl restart quorate", check=False))


# --- before the birth -----------------------------------------------------------------------------------------

def seed_names_unknown(state):
    """the seeds' names do not resolve on any host"""
    cluster = state.up(3, seeds=["s1", "s2", "s3"], start=False)
    cluster.start_all()
    state.listen({host: "unresolved" for host in (1, 2, 3)})
    lines = "127.0.0.1 localhost\\n" + "".join("10.77.0.%d s%d\\n" % (n, n) for n in (1, 2, 3))
    command = "printf '%s' > /run/names && mount --bind /run/names /etc/hosts" % lines
    state.by_hand("unresolved", 1, "the names are in /etc/hosts", lambda: cluster.each([1, 2, 3], lambda h: state.run(h, command)))
    state.whole("unresolved", "own-slot", "too-few")


def one_name_unknown(state):
    """one seed's name does not resolve; the two others have founded"""
    cluster = state.up(2, seeds=["h1", "h2", "s3"], start=False)
    cluster.start_all()
    cluster.wait_quorate(voters=2)
    state.listen({1: ["unresolved", "margin"], 2: ["unresolved", "margin"]})

    def mend():
        other_file(state, [1, 2], ["h1", "h2"])
        restart(state, 1, 2)
    state.by_hand("margin", 1, "s3 is taken off `seeds` on both hosts, `systemctl restart quorate` on both", mend)
    state.whole("unresolved", "margin")


def one_seed_off(state):
    """one of three seeds never came: two have founded"""
    cluster = state.up(3, start=False)
    cluster.each([1, 2], cluster.start)
    cluster.wait_quorate([1, 2], voters=2)
    state.listen({1: "margin", 2: "margin", 3: "ended"})
    state.paste("margin", 1)
    state.whole("margin", "no-answer", "ended")


def too_few_seeds(state):
    """one of three seeds is up"""
    cluster = state.up(3, start=False)
    cluster.start(1)
    state.listen({1: ["too-few", "no-answer"]}, settle=2)
    state.paste("too-few", 1)
    state.whole("too-few", "no-answer")


def no_network_at_birth(state):
    """a firewall drops the port between all hosts before the birth"""
    cluster = state.up(3, start=False)
    cluster.hosts("cut", "1-3", "1-3")
    cluster.start_all()
    state.listen({host: ["too-few", "no-answer"] for host in (1, 2, 3)})
    state.by_hand("no-answer", 1, "UDP port 4747 is opened between the hosts", lambda: cluster.hosts("heal"))
    state.whole("too-few", "no-answer")


def odd_secret(state, ask=3):
    """one of three hosts (h3) has another secret"""
    cluster = state.up(3, start=False)
    other_secret(state, 3)
    cluster.start_all()
    cluster.wait_quorate([1, 2], voters=2)
    state.listen({1: "other-secret", 2: "other-secret", 3: "other-secret"})
    state.by_hand("other-secret", ask, "the secret file is copied from h1 to h3", lambda: cluster.copy_files(3))
    state.paste("other-secret", ask)
    state.whole("other-secret", "margin", "refused")


def odd_secret_there(state):
    """the same, mended by what h1 says"""
    odd_secret(state, ask=1)


def two_secrets(state):
    """two hosts, two secrets"""
    cluster = state.up(2, start=False)
    other_secret(state, 2)
    cluster.start_all()
    state.listen({1: "other-secret", 2: "other-secret"})

    def mend():
        cluster.copy_files(2)
        restart(state, 2)
    state.by_hand("other-secret", 1, "h1 is right: its secret file is copied to h2, and there: `systemctl restart quorate`", mend)
    state.whole("other-secret", "refused", "too-few")


def secret_changed_later(state):
    """a voter gets another secret and is restarted"""
    cluster = state.up(3)
    other_secret(state, 3)
    restart(state, 3)
    time.sleep(3)
    state.listen({1: "other-secret", 2: "other-secret", 3: "other-secret"}, settle=1)
    code = "other-secret"
    state.by_hand(code, 1, "the secret file is copied from h1 to h3", lambda: cluster.copy_files(3))
    state.paste(code, 1)
    state.whole("other-secret", "refused", "down", "left")


def other_cluster(state):
    """one of three hosts (h3) has another `cluster` name in its file"""
    cluster = state.up(3, start=False)
    other_file(state, [3], [1, 2, 3], cluster="other")
    cluster.configure([1, 2, 3])
    cluster.start_all()
    cluster.wait_quorate([1, 2], voters=2)
    state.listen({1: "other-cluster", 2: "other-cluster", 3: "other-cluster"})

    def mend():
        cluster.copy_files(3)
        restart(state, 3)
        # It has data of the name that it had, so it ends, as the remedy says too.
        state.run(3, "quorate reset --cluster other && " + HERE_IS + "systemctl start quorate", check=False)
    state.by_hand("other-cluster", 3, "the same name in the file of h3, `systemctl restart quorate` there, and as that ends: "
                  "`quorate reset --cluster other`, `systemctl start quorate`", mend)
    state.whole("other-cluster", "margin", "ended")


def other_seeds(state):
    """two hosts with different seeds lists; nothing is founded"""
    cluster = state.up(2, seeds=[2, 1], start=False)
    other_file(state, [1], [1, 2])
    cluster.start_all()
    state.listen({1: "other-seeds", 2: "other-seeds"})
    state.by_hand("other-seeds", 1, "the file of h1 is copied to h2", lambda: cluster.copy_files(2))
    state.by_hand("other-seeds", 1, "`systemctl restart quorate` on h2", lambda: restart(state, 2))
    state.whole("other-seeds", "too-few")


def other_seeds_of_one(state):
    """a fourth host that joined has another seeds list than the three founders"""
    cluster = state.up(3)
    new = cluster.add()
    cluster.configure([3, 2, 1])
    cluster.install([new])
    cluster.start(new)
    state.listen({1: "other-seeds", 4: "other-seeds"}, settle=1)

    def mend():
        other_file(state, [4], [1, 2, 3])
        restart(state, 4)
    state.by_hand("other-seeds", 1, "the file of h1 is copied to h4, `systemctl restart quorate` there", mend)
    state.whole("other-seeds", alive=4)


def other_voters(state):
    """one of three hosts has another number of `voters` in its file"""
    cluster = state.up(3)
    other_file(state, [3], [1, 2, 3], more="voters = 5")
    cluster.configure([1, 2, 3])
    restart(state, 3)
    state.listen({1: "other-voters", 2: "other-voters", 3: "other-voters"}, settle=1)

    def mend():
        cluster.copy_files(3)
        restart(state, 3)
    state.by_hand("other-voters", 1, "the file of h1 is copied to h3, `systemctl restart quorate` there", mend)
    state.whole("other-voters")


def other_founding(state):
    """two hosts with different `founding` modes; nothing is founded"""
    cluster = state.up(2, start=False)
    other_file(state, [2], [1, 2], more='founding = "durable"')
    cluster.configure([1, 2])
    cluster.start_all()
    state.listen({1: "other-seeds", 2: "other-seeds"})

    def mend():
        cluster.copy_files(2)
        restart(state, 2)
    state.by_hand("other-seeds", 1, "the file of h1 is copied to h2, `systemctl restart quorate` there", mend)
    state.whole("other-seeds", "too-few")


def two_seeds_one_address(state):
    """two entries of `seeds` lead to one host"""
    cluster = state.up(2, seeds=["h1", "10.77.0.1", "h2"], start=False)
    cluster.start_all()
    state.listen({1: "own-slot", 2: "own-slot"})

    def mend():
        other_file(state, [1, 2], ["h1", "h2"])
        restart(state, 1, 2)
    state.by_hand("own-slot", 1, "each founder is named once, on both hosts, and there: `systemctl restart quorate`", mend)
    state.whole("own-slot")


def no_seed_reached(state):
    """a host that is no seed runs alone"""
    cluster = state.up(3, seeds=[2, 3], start=False)
    cluster.start(1)
    state.listen({1: "own-slot"})
    state.by_hand("own-slot", 1, "quorate is started on the seeds", lambda: cluster.each([2, 3], cluster.start))
    state.whole("own-slot", "no-answer", "too-few")


def other_port(state):
    """`listen` has another port than `seeds`, on both hosts"""
    cluster = state.up(2, start=False, more='listen = "[::]:4749"')
    cluster.start_all()
    state.listen({1: "own-slot", 2: "own-slot"})

    def mend():
        other_file(state, [1, 2], [1, 2])
        restart(state, 1, 2)
    state.by_hand("own-slot", 1, "`listen` is taken out of the file on both hosts, and there: `systemctl restart quorate`", mend)
    state.whole("own-slot", "no-answer")


def other_family(state):
    """`listen` is IPv4 only, and the seeds have IPv6 addresses only"""
    seeds = ["[fd77::1]:4747", "[fd77::2]:4747"]
    cluster = state.up(2, seeds=seeds, start=False, more='listen = "0.0.0.0:4747"')
    cluster.start_all()
    state.listen({1: "other-family", 2: "other-family"})

    def mend():
        other_file(state, [1, 2], seeds)
        restart(state, 1, 2)
    state.by_hand("other-family", 1, "`listen` is taken out of the file on both hosts, `systemctl restart quorate` on both", mend)
    state.whole("other-family", "own-slot")


def no_route(state):
    """a seed is in a network to which there is no route"""
    cluster = state.up(2, seeds=["10.77.0.1", "10.77.0.2", "203.0.113.9"], start=False)
    cluster.start_all()
    cluster.wait_quorate(voters=2)
    state.listen({1: ["no-route", "margin"], 2: ["no-route", "margin"]})

    def mend():
        other_file(state, [1, 2], [1, 2])
        restart(state, 1, 2)
    state.by_hand("margin", 1, "that seed is taken off `seeds` on both hosts, `systemctl restart quorate` on both", mend)
    state.whole("no-route", "margin")


# --- files and places on one host -----------------------------------------------------------------------------

def ended(state, host, *words, limit=20):
    """Waits until `why` on that host says `ended` or `config` with these words."""
    state.listen({host: "ended"}, limit=limit)
    found = state.has(host, "ended")
    if found and not all(word in found["text"] for word in words):
        state.faults.append("h%d does not name %s" % (host, ", ".join(words)))


def config_invalid(state):
    """an unknown key in quorate.toml of one host, which is restarted"""
    state.up(3)
    state.run(3, "echo 'colour = 1' >> /etc/quorate/quorate.toml")
    restart(state, 3)
    state.listen({1: "left", 3: "config"})
    state.by_hand("config", 3, "the key is taken out", lambda: state.run(3, "sed -i /colour/d /etc/quorate/quorate.toml; quorate check-config"))
    state.paste("config", 3)
    state.whole("config", "left", "ended")


def secret_missing(state):
    """the secret file of one host is gone, and it is restarted"""
    state.up(3)
    state.run(3, "mv /etc/quorate/secret /etc/quorate/away")
    restart(state, 3)
    state.listen({1: "left", 3: "config"}, settle=1)
    code = "config" if state.has(3, "config") else "ended"
    state.by_hand(code, 3, "the file is brought back", lambda: state.run(3, "mv /etc/quorate/away /etc/quorate/secret"))
    state.paste(code, 3)
    state.whole("config", "left", "ended")


def port_taken(state):
    """another program has UDP port 4747 of one host, which is restarted"""
    state.up(3)
    state.run(3, "systemctl stop quorate; systemd-run --unit=thief -q nc -u -l -s 0.0.0.0 -p 4747; sleep 0.5")
    state.run(3, "systemctl start quorate", check=False)
    ended(state, 3, "4747", "in use")
    state.by_hand("ended", 3, "the program is ended", lambda: state.run(3, "systemctl stop thief"))
    state.paste("ended", 3)
    state.whole("ended", "left")


def data_read_only(state):
    """the data directory of one host is read-only, and it is restarted"""
    state.up(3)
    unit = "/etc/systemd/system/quorate.service.d"
    state.run(3, "mkdir -p %s; printf '[Service]\\nReadOnlyPaths=/var/lib/quorate\\n' > %s/ro.conf; systemctl daemon-reload" % (unit, unit))
    restart(state, 3)
    ended(state, 3, "/var/lib/quorate", "ead-only")
    state.by_hand("ended", 3, "made writable", lambda: state.run(3, "rm -r %s; systemctl daemon-reload" % unit))
    state.paste("ended", 3)
    state.whole("ended", "left")


def disk_full_at_first_start(state):
    """the disk of one host is full when it starts for the first time"""
    cluster = state.up(3, start=False)
    # The directories exist, as after an earlier start: without them systemd itself would refuse, in its own words.
    state.run(3, "systemd-run -q --wait -p User=quorate -p 'StateDirectory=quorate quorate.birth' -p StateDirectoryMode=0700 true")
    cluster.hosts("disk", 3, "full")
    cluster.each([1, 2], cluster.start)
    state.run(3, "systemctl start quorate", check=False)
    cluster.wait_quorate([1, 2], voters=2)
    ended(state, 3, "/var/lib/quorate", "full")
    state.by_hand("ended", 3, "made room", lambda: cluster.hosts("disk", 3, "ok"))
    state.paste("ended", 3)
    state.whole("ended", "left", "disk-full", "margin", "no-answer")


def disk_full_at_start(state):
    """the disk of a voter is full when it starts again; its log still has room"""
    cluster = state.up(3)
    state.run(3, "systemctl stop quorate")
    cluster.hosts("disk", 3, "full")
    state.run(3, "systemctl start quorate", check=False)
    cluster.wait_quorate(voters=3, alive=3)
    state.listen({3: "disk-full"}, limit=10)
    state.by_hand("disk-full", 3, "made room", lambda: cluster.hosts("disk", 3, "ok"))
    state.whole("ended", "left", "disk-full")


def disk_dead(state):
    """the disk of one host fails with EIO"""
    cluster = state.up(3)
    cluster.hosts("disk", 3, "dead")
    state.run(1, "for i in 1 2 3 4 5 6; do quorate put k$i v; done", check=False)
    time.sleep(3)
    state.listen({1: "down", 2: "down"}, limit=30)

    def boot():
        cluster.hosts("kill", 3)
        cluster.hosts("boot", 3)
    state.by_hand("down", 1, "power off and on with a disk that works again", boot)
    state.whole("left", "down")


def log_damaged(state):
    """the log of one host is damaged in the middle while it is stopped"""
    cluster = state.up(3)
    state.run(1, "for i in $(seq 40); do quorate put k$i v$i; done")
    state.run(3, "systemctl stop quorate")
    state.run(3, "f=$(find /var/lib/quorate -type f -size +100k | sort | head -1); "
                 "printf 'damaged' | dd of=$f bs=1 seek=3000 conv=notrunc status=none; echo $f")
    state.run(3, "systemctl start quorate", check=False)
    ended(state, 3, "/var/lib/quorate")
    last = state.has(3, "ended")["text"]
    if "`quorate reset" in last:
        command = "quorate reset" + last.split("`quorate reset")[1].split("`")[0]
        state.by_hand("ended", 3, "`%s`, as the last error says" % command, lambda: state.run(3, command))
    state.paste("ended", 3)
    state.whole("ended", "left")


STATES = [seed_names_unknown, one_name_unknown, one_seed_off, too_few_seeds, no_network_at_birth, odd_secret, odd_secret_there,
          two_secrets, secret_changed_later, other_cluster, other_seeds, other_seeds_of_one, other_voters, other_founding, two_seeds_one_address,
          no_seed_reached, other_port, other_family, no_route, config_invalid, secret_missing, port_taken, data_read_only,
          disk_full_at_first_start, disk_full_at_start, disk_dead, log_damaged]

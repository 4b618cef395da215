"""People's mistakes and surroundings that fail: each is named, with its remedy, and heals when it is mended."""
import json

from cluster import Failed, STAGED, count
from stories.founding import one_id


def installed(story, count_, seeds=None, **options):
    cluster = story.cluster
    cluster.configure(list(range(1, count_ + 1)) if seeds is None else seeds, **options)
    cluster.up(count_)
    cluster.install(cluster.all())


def says(status, code):
    """The waiting reason of that code, or None."""
    return next((reason for reason in status["waiting_for"] if reason["code"] == code), None)


def reason(story, hosts, code, *words):
    """Waits until all of these hosts show it; it must name these words and a remedy."""
    def named(status):
        found = says(status, code)
        return found and found["remedy"] and all(word in json.dumps(found) for word in words)
    seen, _ = story.cluster.wait("waiting for `%s`, naming %s" % (code, words), named, 15, hosts)
    for host in hosts:
        story.check("host %d names `%s`: %s" % (host, code, says(seen[host], code)["text"]), True)
    why = story.cluster.quorate(hosts[0], "why")
    story.check("`quorate why` says it and exits with 4",
                why.returncode == 4 and says(seen[hosts[0]], code)["text"].lower() in why.stdout.lower(),
                why.stdout + why.stderr)
    return says(seen[hosts[0]], code)


def fails_to_start(story, host, *words):
    """`systemctl start` fails, and the journal says why in these words."""
    done = story.cluster.run(host, "systemctl start quorate")
    text = story.cluster.journal(host)
    story.check("start fails and names %s" % ", ".join(words),
                done.returncode != 0 and all(word in text for word in words),
                "exit %d; journal: %s" % (done.returncode, text[-1500:]))


def wrong_secret_on_one_host(story):
    """Two hosts found; the one with another secret is told so, and joins when it has the right one."""
    cluster = story.cluster
    installed(story, 3)
    cluster.secret(cluster.stage + "/etc/other")
    cluster.run(3, "install -m 600 %s/etc/other /etc/quorate/secret" % STAGED, check=True)
    cluster.start_all()
    cluster.wait_quorate([1, 2], voters=2)
    reason(story, [3], "other-secret", "secret fingerprint")
    cluster.copy_files(3)
    cluster.run(3, "systemctl restart quorate", check=True)
    seen, _ = cluster.wait_quorate(voters=3, alive=3)
    one_id(story, seen)


def differing_seeds_lists(story):
    """Two hosts with different lists do not found, and say so; with a third the like-minded found, and all join."""
    cluster = story.cluster
    installed(story, 3)
    cluster.configure([3, 1])
    cluster.copy_files(3)
    cluster.each([1, 3], cluster.start)
    reason(story, [1, 3], "other-seeds", "10.77.0.1", "10.77.0.3")
    story.check("they do not found", all(status["cluster_id"] is None for status in cluster.statuses([1, 3]).values()))
    cluster.start(2)
    seen, _ = cluster.wait_quorate(voters=3, alive=3)
    one_id(story, seen)


def udp_blocked(story):
    """A firewall in between: each seed that does not answer is named; open it, and the cluster stands."""
    cluster = story.cluster
    installed(story, 3)
    for a, b in ((1, 2), (1, 3), (2, 3)):
        cluster.hosts("cut", a, b)
    cluster.start_all()
    reason(story, [1], "no-answer", "10.77.0.2", "4747")
    story.check("nobody founds alone", all(status["cluster_id"] is None for status in cluster.statuses().values()))
    cluster.hosts("heal")
    seen, seconds = cluster.wait_quorate(voters=3, alive=3)
    story.note("quorate %.1f s after the firewall opened" % seconds)
    one_id(story, seen)


def names_do_not_resolve(story):
    """DNS is down at boot: the name is shown; when it is back, the cluster founds without a hand."""
    cluster = story.cluster
    installed(story, 3, seeds=["s1", "s2", "s3"])
    cluster.start_all()
    reason(story, [1, 2, 3], "unresolved", "s1")
    lines = "127.0.0.1 localhost\\n" + "".join("10.77.0.%d s%d\\n" % (n, n) for n in (1, 2, 3))
    command = "printf '%s' > /run/names && mount --bind /run/names /etc/hosts" % lines
    cluster.each(cluster.all(), lambda host: cluster.run(host, command, check=True))
    seen, seconds = cluster.wait_quorate(voters=3, alive=3)
    story.note("quorate %.1f s after the names were back" % seconds)
    one_id(story, seen)


def wrong_port_among_seeds(story):
    """All hosts listen on a port that the seeds list does not have: no host finds itself, and says so."""
    cluster = story.cluster
    installed(story, 2, more='listen = "0.0.0.0:4749"')
    cluster.start_all()
    reason(story, [1], "own-slot", "10.77.0.1:4747", "port 4749", "`listen`")


def port_taken(story):
    """The port is held by another program: said, retried, and well as soon as it is free."""
    cluster = story.cluster
    installed(story, 2)
    story.restarts_expected = True
    cluster.run(1, "systemd-run --unit=thief -q nc -u -l -s 0.0.0.0 -p 4747; sleep 0.3", check=True)
    fails_to_start(story, 1, "4747", "in use")
    cluster.start(2)
    cluster.run(1, "systemctl stop thief", check=True)
    seen, _ = cluster.wait_quorate(voters=2, alive=2)
    one_id(story, seen)
    story.check("it is well when the port is free, without a hand", True)


def full_disk_at_start(story):
    """No space on one host: said; the others found; with space again it joins."""
    cluster = story.cluster
    installed(story, 3)
    story.restarts_expected = True
    # The directories exist, as after an earlier start: without them systemd itself would refuse, in its own words.
    cluster.run(3, "systemd-run -q --wait -p User=quorate -p 'StateDirectory=quorate quorate.birth' "
                   "-p StateDirectoryMode=0700 true", check=True)
    cluster.hosts("disk", 3, "full")
    cluster.each([1, 2], cluster.start)
    cluster.run(3, "systemctl start quorate")
    cluster.wait_quorate([1, 2], voters=2)
    text = (cluster.hosts("console", 3, check=False).stdout + cluster.journal(3)
            + cluster.run(3, "systemctl status --no-pager -n 20 quorate; quorate why").stdout)
    story.check("the full disk is named", "is full" in text and "/var/lib/quorate" in text and "make room" in text, text[-1500:])
    cluster.hosts("disk", 3, "ok")
    seen, _ = cluster.wait_quorate(voters=3, alive=3)
    one_id(story, seen)
    story.check("it joins when there is space, without a hand", True)


def full_disk_while_running(story):
    """No space under a running cluster: it serves reads and keeps its leader; with space again it is whole by itself."""
    cluster = story.cluster
    installed(story, 3)
    story.restarts_expected = True
    cluster.start_all()
    cluster.wait_quorate(voters=3, alive=3)
    cluster.quorate(1, "put before v", check=True)
    for host in cluster.all():
        cluster.hosts("disk", host, "full")
    refused = ""
    for number in range(80):
        put = cluster.run(1, "head -c 1000000 /dev/zero | tr '\\0' x | quorate put big%d -" % number)
        if put.returncode:
            refused = put.stderr
            break
    story.check("writes are refused with the reason", "space" in refused or "full" in refused, refused or "never refused")
    got = cluster.quorate(1, "get before")
    story.check("reads go on", got.stdout.strip() == "v", got.stderr)
    leader = int(cluster.status(1)["leader"][1:])
    told = cluster.quorate(leader, "why").stdout + cluster.quorate(leader, "events").stdout
    story.check("`quorate why` and the events of the leader name the full disk", "full" in told, told)
    cluster.hosts("disk", "all", "ok")
    cluster.wait_quorate(voters=3, alive=3)
    put = cluster.run(2, "for i in $(seq 60); do quorate put after v && exit 0; sleep 0.5; done; exit 1")
    story.check("with space again writes go on by themselves", put.returncode == 0, put.stderr[-300:])
    story.note("after %d refusals, half a second apart" % put.stderr.count("\n"))
    got = cluster.quorate(3, "get before")
    story.check("nothing is lost", got.stdout.strip() == "v", got.stderr)


def files_that_are_wrong(story):
    """Secret missing or open to all, unknown key, wrong type, eight seeds, another cluster's data: named before harm."""
    cluster = story.cluster
    installed(story, 1)
    story.restarts_expected = True
    config = "/etc/quorate/quorate.toml"

    def check_config(what, change, *words):
        done = cluster.run(1, "%s; quorate check-config" % change)
        story.check("check-config refuses %s" % what,
                    done.returncode == 1 and all(word in done.stderr for word in words),
                    "exit %d: %s" % (done.returncode, done.stdout + done.stderr))
        cluster.copy_files(1)

    check_config("an unknown key", "echo 'colour = 1' >> " + config, "colour", config)
    check_config("a wrong type", "echo 'voters = \"x\"' >> " + config, "voters", config)
    check_config("no seeds", "sed -i /seeds/d " + config, "seeds", config)
    many = json.dumps(["10.77.0.%d" % n for n in range(1, 9)])
    check_config("eight seeds", "sed -i 's/^seeds.*/seeds = %s/' %s" % (many, config), "seeds", "7")
    check_config("a secret that is too short", "echo short > /etc/quorate/secret", "/etc/quorate/secret")
    check_config("a secret that others may read", "chmod 644 /etc/quorate/secret", "chmod 600")
    good = cluster.quorate(1, "check-config")
    story.check("check-config likes the right files", good.returncode == 0, good.stdout + good.stderr)

    cluster.run(1, "mv /etc/quorate/secret /etc/quorate/away")
    fails_to_start(story, 1, "secret new")
    cluster.copy_files(1)
    seen, _ = cluster.wait_quorate(voters=1)
    story.check("with the secret there it starts by itself", True)
    cluster_id = seen[1]["cluster_id"]

    cluster.run(1, "sed -i 's/^cluster.*/cluster = \"other\"/' %s; systemctl stop quorate" % config, check=True)
    fails_to_start(story, 1, "/var/lib/quorate", "other", "quorate reset --set-aside --cluster")
    cluster.copy_files(1)
    cluster.run(1, "systemctl stop quorate; systemctl start quorate")
    seen, _ = cluster.wait_quorate(voters=1)
    story.check("with the right name it is the same cluster", seen[1]["cluster_id"] == cluster_id)

    cluster.run(1, "systemctl stop quorate; rm -rf /var/lib/quorate", check=True)
    cluster.start(1)
    found = reason(story, [1], "marker", cluster_id, "`quorate reset --cluster ")
    cluster.run(1, "systemctl stop quorate", check=True)
    command = next(command for command in found["remedy"].split("`")[1::2] if command.startswith("quorate reset"))
    reset = cluster.run(1, command)
    story.check("the remedy, `%s`, forgets the cluster" % command, reset.returncode == 0, reset.stdout + reset.stderr)
    cluster.start(1)
    seen, _ = cluster.wait_quorate(voters=1)
    story.check("after the reset it founds anew", seen[1]["cluster_id"] != cluster_id)


STORIES = [wrong_secret_on_one_host, differing_seeds_lists, udp_blocked, names_do_not_resolve, wrong_port_among_seeds,
           port_taken, full_disk_at_start, full_disk_while_running, files_that_are_wrong]

"""Disks and names that are not what they seem: a copied disk that runs twice, a machine that was set back, a renamed host."""
from cluster import STAGED, Failed, Writer, member
from stories.mistakes import fails_to_start, installed

import base64
import time


def save(cluster, host, name, *directories):
    """Packs directories of /var/lib on a host into a file that every host sees."""
    packed = cluster.run(host, "tar -C /var/lib -cz %s | base64" % " ".join(directories), check=True).stdout
    with open("%s/%s" % (cluster.stage, name), "wb") as file:
        file.write(base64.b64decode(packed))


def bring_back(cluster, host, name, *directories):
    """Puts what was saved in place of what is there."""
    there = " ".join("/var/lib/" + directory for directory in directories)
    cluster.run(host, "rm -rf %s && tar -C /var/lib -xzf %s/%s && chown -R quorate:quorate %s"
                % (there, STAGED, name, there), check=True)


def told(story, hosts, *words):
    """Waits until `quorate why` says these words on every one of the hosts."""
    began, said = time.monotonic(), {}
    for host in hosts:
        while True:
            said[host] = story.cluster.quorate(host, "why").stdout
            if all(word in said[host].lower() for word in words):
                break
            if time.monotonic() - began > 40:
                raise Failed("host %d does not say %s: %s" % (host, words, said[host]))
            time.sleep(0.3)
    story.check("`quorate why` says it on hosts %s: %s" % (hosts, ", ".join(words)), True)


def a_copied_disk_running_twice(story):
    """A copy of a voter's disk is started on another host while the voter runs: refused, told everywhere, and nothing changes."""
    cluster = story.cluster
    installed(story, 4, seeds=[1, 2, 3])
    cluster.each([1, 2, 3], cluster.start)
    seen, _ = cluster.wait_quorate([1, 2, 3], voters=3, alive=3)
    before = member(seen[1], "h2")
    writer = Writer(cluster, 1, "twice/")
    writer.wait_for_more()
    save(cluster, 2, "copy.tgz", "quorate")
    bring_back(cluster, 4, "copy.tgz", "quorate")
    # systemd tries again; what stands in the way is not mended by that.
    story.restarts_expected = True
    fails_to_start(story, 4, "`h2`", "`h4`", "copied from another host")
    cluster.run(4, "systemctl stop quorate; echo 'name = \"h2\"' > /etc/quorate/host.toml; "
                   "systemctl reset-failed quorate; systemctl start quorate", check=True)
    told(story, [1, 3], "one disk runs twice", "10.77.0.4", "quorate reset --cluster t")
    told(story, [2], "the disk of this node runs", "10.77.0.4")
    writer.wait_for_more(20)
    time.sleep(10)
    after = member(cluster.status(1), "h2")
    story.check("the original is the voter that it was, and no epoch told otherwise", after == before, (before, after))
    writer.stop()
    story.check("every acknowledged write is there", not writer.missing(cluster, 2), len(writer.acknowledged))
    cluster.run(4, "systemctl stop quorate; rm /etc/quorate/host.toml", check=True)
    done = cluster.quorate(4, "reset --cluster t", check=True)
    story.note(done.stdout.strip())
    cluster.start(4)
    cluster.wait_quorate(alive=4)
    story.check("after a reset the host with the copy is a member of its own", True)


def a_restored_older_disk(story):
    """A host gets an old copy of its data, then of data and marker: refused by itself, then by the others; a reset brings it back."""
    cluster = story.cluster
    both = ["quorate", "quorate.birth"]
    installed(story, 3)
    cluster.start_all()
    cluster.wait_quorate(voters=3, alive=3)
    cluster.run(2, "systemctl stop quorate", check=True)
    save(cluster, 2, "old.tgz", *both)
    for _ in range(2):
        cluster.start(2)
        cluster.wait_quorate(voters=3, alive=3)
        cluster.quorate(2, "put after the-copy --timeout 30s", check=True)
        cluster.run(2, "systemctl stop quorate", check=True)
    story.restarts_expected = True
    cluster.run(2, "cp -a /var/lib/quorate.birth /root/birth", check=True)
    bring_back(cluster, 2, "old.tgz", *both)
    cluster.run(2, "rm -rf /var/lib/quorate.birth && mv /root/birth /var/lib/quorate.birth", check=True)
    fails_to_start(story, 2, "older copy", "quorate reset --set-aside --cluster t")
    # The whole machine is set back: it cannot know, the others do.
    cluster.run(2, "systemctl stop quorate; systemctl reset-failed quorate", check=True)
    bring_back(cluster, 2, "old.tgz", *both)
    cluster.start(2)
    told(story, [1, 3], "an older copy of a disk came back", "10.77.0.2", "quorate reset --cluster t")
    story.check("the others do not count it as alive", member(cluster.status(1), "h2")["state"] != "alive")
    cluster.run(2, "systemctl stop quorate", check=True)
    cluster.quorate(2, "reset --cluster t", check=True)
    cluster.start(2)
    cluster.wait_quorate(voters=3, alive=3, limit=90)
    got = cluster.quorate(2, "get after")
    story.check("after a reset it is a voter again, with what was written meanwhile", got.stdout.strip() == "the-copy",
                got.stdout + got.stderr)


def a_renamed_host(story):
    """A host's name changes between two starts: it does not start and says why, and comes back under the name of its disk."""
    cluster = story.cluster
    installed(story, 3)
    cluster.start_all()
    cluster.wait_quorate(voters=3, alive=3)
    story.restarts_expected = True
    cluster.run(2, "systemctl stop quorate; hostname renamed", check=True)
    fails_to_start(story, 2, "`h2`", "`renamed`", 'name = "h2"', "quorate reset --set-aside --cluster t")
    cluster.run(2, "systemctl stop quorate; echo 'name = \"h2\"' > /etc/quorate/host.toml; "
                   "systemctl reset-failed quorate; systemctl start quorate", check=True)
    cluster.wait_quorate(voters=3, alive=3)
    story.check("with the name of its disk in host.toml it is what it was", True)


STORIES = [a_copied_disk_running_twice, a_restored_older_disk, a_renamed_host]

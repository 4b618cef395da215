"""The cluster's secret is changed while it runs."""
import json

from cluster import STAGED, Failed, Writer
from stories.faults import nothing_is_lost, three_hosts


def fingerprints(cluster, host):
    status = cluster.status(host)
    if not status:
        raise Failed("host %d does not answer" % host)
    return status["secret"]


def add_the_new_line(cluster, host):
    cluster.run(host, "cat %s/etc/new-secret >> /etc/quorate/secret && sync /etc/quorate/secret && systemctl reload quorate" % STAGED, check=True)


def a_secret_is_changed(story):
    """A new line in the file, a reload, one command: no daemon is restarted, no session ends, no write fails; a host without its power
    comes back with both lines, and one that has the old line alone is refused and named."""
    cluster = story.cluster
    three_hosts(story)
    cluster.secret(cluster.stage + "/etc/new-secret")
    old = fingerprints(cluster, 1)["uses"]
    started = {host: cluster.status(host)["started"] for host in cluster.all()}
    ends = cluster.status(1)["elections"], cluster.status(1)["health_epoch"]
    writers = [Writer(cluster, host, "w%d/" % host) for host in (1, 3)]
    for writer in writers:
        writer.wait_for_more()

    for host in (1, 2):
        add_the_new_line(cluster, host)
    asked = cluster.quorate(1, "secret rotate --timeout 3s")
    story.check("a host without the new secret holds the change up, and is named",
                asked.returncode == 5 and "h3 (does not accept the new secret)" in asked.stderr, (asked.returncode, asked.stderr))
    add_the_new_line(cluster, 3)
    done = cluster.quorate(2, "secret rotate")
    # It goes on by itself when the last host is ready, so it may be over before it is asked for again: that is told as done, too.
    over = done.returncode == 0 and "done: the old secret is dropped" in done.stdout
    story.check("with it the change comes to its end", over, (done.returncode, done.stdout + done.stderr))
    for writer in writers:
        writer.wait_for_more()
    new = {fingerprints(cluster, host)["uses"] for host in cluster.all()}
    story.check("all hosts use the same new one, and accept no other", len(new) == 1 and old not in new
                and all(fingerprints(cluster, host)["accepts"] == list(new) for host in cluster.all()), (old, sorted(new)))
    story.check("no daemon was started again", started == {host: cluster.status(host)["started"] for host in cluster.all()})
    now = cluster.status(1)
    story.check("there was no election and no verdict", ends == (now["elections"], now["health_epoch"]), (ends, now["health_epoch"]))
    story.note("longest gap between two writes %.2f s" % max(writer.longest for writer in writers))

    story.restarts_expected = True
    cluster.hosts("kill", 3)
    cluster.hosts("boot", 3)
    cluster.wait_quorate(voters=3, alive=3)
    story.check("a host comes back with both lines in its file", True)
    nothing_is_lost(story, writers)

    cluster.run(2, "systemctl stop quorate && install -m 600 %s/etc/secret /etc/quorate/secret && systemctl start quorate" % STAGED, check=True)

    def named(status):
        return any(reason["code"] == "other-secret" for reason in status["waiting_for"])
    cluster.wait("a host with the old line alone says that it is the odd one out", named, hosts=[2])
    told = [reason for reason in cluster.status(2)["waiting_for"] if reason["code"] == "other-secret"]
    story.check("it says what helps", all("copy the secret file from" in reason["remedy"] for reason in told), json.dumps(told))
    cluster.run(2, "install -m 600 %s/etc/new-secret /etc/quorate/secret && systemctl reload quorate" % STAGED, check=True)
    cluster.wait_quorate(voters=3, alive=3)
    story.check("with the new file and a reload it is in again", True)


STORIES = [a_secret_is_changed]

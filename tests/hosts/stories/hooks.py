"""Hooks under their unit: what a power loss runs on the survivors, with which rights, and what is left of a run."""
import json

from stories.faults import three_hosts

# Each run is a line: whom it is, then what changed.
NOTE = r"""#!/bin/sh
view=$(cat)
echo "$(id -un) $view" >>/var/lib/quorate-hooks/runs
"""
FORK = r"""#!/bin/sh
setsid sh -c 'exec sleep 4711' &
touch /etc/may-not 2>/dev/null && echo "it may write in /etc" >&2
exit 0
"""
FILE = ('template = "names.j2"\ntarget = "/var/lib/quorate-hooks/names"\n',
        '{% for m in members if m.state == "alive" %}\n{{ m.name }}\n{% endfor %}\n')


def write(cluster, host, path, text, mode="644"):
    cluster.run(host, "install -D -m %s /dev/stdin %s <<'WHOLE'\n%sWHOLE\n" % (mode, path, text), check=True)


def hooks_under_their_unit(story):
    """Three hosts with hooks lose one: the others act on it; a runner that is killed comes back; nothing is left of a run."""
    cluster = story.cluster
    three_hosts(story)
    for host in cluster.all():
        write(cluster, host, "/usr/local/bin/note", NOTE, "755")
        write(cluster, host, "/usr/local/bin/fork", FORK, "755")
        for name in ("note", "fork"):
            write(cluster, host, "/etc/quorate/hooks.d/%s.toml" % name, 'run = ["/usr/local/bin/%s"]\n' % name)
        write(cluster, host, "/etc/quorate/files.d/names.toml", FILE[0])
        write(cluster, host, "/etc/quorate/files.d/names.j2", FILE[1])
        cluster.run(host, "quorate hooks check && systemctl enable --now quorate-hooks", check=True)

    def settled(host, what):
        return cluster.run(host, "for i in $(seq 100); do %s && exit 0; sleep 0.2; done; quorate hooks status; exit 1" % what)

    def runs(host):
        lines = cluster.run(host, "cat /var/lib/quorate-hooks/runs").stdout.splitlines()
        return [(line.split(" ", 1)[0], json.loads(line.split(" ", 1)[1])) for line in lines]

    begun = settled(1, "quorate hooks status >/dev/null && test $(wc -l </var/lib/quorate-hooks/names) = 3")
    story.check("each hook is run once at the start, and the file is written", begun.returncode == 0, begun.stdout + begun.stderr)
    story.check("hooks run as a user of their own", runs(1)[0][0] == "quorate-hooks", runs(1)[0][0])
    rights = cluster.run(1, "ls /etc/may-not; pgrep -f '[s]leep 4711'; journalctl -u quorate-hooks --no-pager | grep -c 'it may write'")
    story.check("a hook may not write in /etc, and nothing is left of what it started", rights.stdout.split() == ["0"], rights.stdout)

    cluster.hosts("kill", "3")
    for host in (1, 2):
        acted = settled(host, "test $(wc -l </var/lib/quorate-hooks/names) = 2 && grep -q '\"to\":\"down\"' /var/lib/quorate-hooks/runs")
        change = runs(host)[-1][1]["changed"]
        story.check("host %d acts on the loss of host 3" % host,
                    acted.returncode == 0 and [(one["name"], one["to"], one["cause"]) for one in change] == [("h3", "down", "silence")],
                    acted.stdout + str(change))
    before = len(runs(1))
    cluster.run(1, "kill -9 $(systemctl show -P MainPID quorate-hooks)", check=True)
    again = settled(1, "test $(wc -l </var/lib/quorate-hooks/runs) = %d && quorate hooks status >/dev/null" % (before + 1))
    story.check("a runner that is killed comes back, and runs each hook once", again.returncode == 0 and runs(1)[-1][1]["first"],
                again.stdout + again.stderr)
    cluster.hosts("boot", "3")
    back = settled(2, "test $(wc -l </var/lib/quorate-hooks/names) = 3")
    story.check("the return of host 3 is acted on", back.returncode == 0, back.stdout + back.stderr)


STORIES = [hooks_under_their_unit]

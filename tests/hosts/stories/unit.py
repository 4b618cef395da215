"""The units and the installer."""
from cluster import INSTALL

# Something that needs the cluster, as systemd/README.md shows it.
BEHIND = ("printf '[Unit]\\nRequires=quorate-online.target\\nAfter=quorate-online.target\\n[Service]\\nType=oneshot\\n"
          "RemainAfterExit=yes\\nExecStart=/bin/true\\n' > /etc/systemd/system/behind.service && "
          "rm -r /etc/systemd/system/quorate-wait-online.service.d && systemctl daemon-reload && "
          "systemctl start --no-block behind.service")
SMALL_LIMIT = ("mkdir -p /etc/systemd/system/quorate-wait-online.service.d && printf '[Service]\\nExecStart=\\n"
               "ExecStart=/usr/local/bin/quorate wait --quorate --timeout 3s\\n' "
               "> /etc/systemd/system/quorate-wait-online.service.d/limit.conf && systemctl daemon-reload")


def installer_and_units(story):
    """install.sh again and again, the hardening, the target with its limit, and removal."""
    cluster = story.cluster
    story.restarts_expected = True
    cluster.configure([1, 2])
    cluster.up(2)
    first = cluster.run(1, INSTALL)
    story.check("install.sh on a bare host says what is next",
                first.returncode == 0 and "quorate secret new" in first.stdout, first.stdout + first.stderr)
    cluster.install([1, 2])
    before = cluster.run(1, "cat /etc/quorate/quorate.toml").stdout
    again = cluster.run(1, INSTALL)
    story.check("a second run installs nothing and keeps the configuration",
                again.returncode == 0 and "installed /" not in again.stdout
                and cluster.run(1, "cat /etc/quorate/quorate.toml").stdout == before, again.stdout + again.stderr)
    verify = cluster.run(1, "systemd-analyze verify quorate.service quorate-wait-online.service quorate-online.target quorate-snapshot.service "
                            "quorate-snapshot.timer quorate-hooks.service")
    story.check("systemd-analyze verify finds nothing", not (verify.stdout + verify.stderr).strip(),
                verify.stdout + verify.stderr)
    security = cluster.run(1, "systemd-analyze security --no-pager --threshold=19 quorate.service")
    story.check("systemd-analyze security is below 2", security.returncode == 0, security.stdout[-400:])
    last = security.stdout.strip().splitlines()
    story.note(last[-1].strip() if last else security.stderr)

    cluster.run(1, SMALL_LIMIT, check=True)
    cluster.start(1)
    limited = cluster.run(1, "systemctl start quorate-online.target")
    story.check("quorate-online.target fails at its limit on one host of two", limited.returncode != 0)
    cluster.run(1, BEHIND, check=True)
    cluster.start(2)
    cluster.wait_quorate(voters=2)
    late = cluster.run(1, "for i in $(seq 100); do systemctl is-active behind.service && break; sleep 0.2; done")
    story.check("what waits behind the target starts when the cluster comes late", "\nactive" in "\n" + late.stdout,
                late.stdout + late.stderr)
    cluster.run(1, "systemctl disable --now behind.service; rm /etc/systemd/system/behind.service; systemctl daemon-reload")
    reached = cluster.run(1, "systemctl start quorate-online.target && systemctl is-active quorate-online.target")
    story.check("quorate-online.target is reached with two", reached.returncode == 0, reached.stdout + reached.stderr)
    shown = cluster.run(1, "systemctl show -P StatusText quorate").stdout
    story.check("`systemctl status` has the state in words", "quorate" in shown, shown)
    who = cluster.run(1, "stat -c '%U:%G %a' /var/lib/quorate /var/lib/quorate.birth /run/quorate "
                         "/run/quorate/quorate.sock").stdout.split("\n")
    story.check("data, marker and socket are closed to others",
                who[:4] == ["quorate:quorate 700", "quorate:quorate 700", "quorate:quorate 750", "quorate:quorate 660"],
                who)

    before = cluster.run(1, "stat -c %i /run/quorate").stdout
    stopped = cluster.run(1, "systemctl stop quorate && ls -A /run/quorate; systemctl start quorate && stat -c %i /run/quorate").stdout
    story.check("/run/quorate outlives a stop, and the secret in it does not",
                before and stopped.endswith(before) and "farewell" not in stopped, stopped)
    cluster.wait_quorate(voters=2, alive=2)
    bound = cluster.run(1, "systemctl show -P MemoryMax -P TasksMax quorate").stdout.split()
    story.check("memory and threads are bounded", bound == [str(4 << 30), "1200"], bound)

    files = "/var/lib/quorate.snapshots/quorate-*.snapshot"
    saved = cluster.run(1, "systemctl start quorate-snapshot && stat -c '%%U %%a' %s && quorate snapshot status %s" % (files, files))
    story.check("the unit of the snapshots saves one for its user alone, and it is whole",
                saved.returncode == 0 and saved.stdout.startswith("quorate 600\n") and "as they were written" in saved.stdout,
                saved.stdout + saved.stderr)

    gone = cluster.run(1, INSTALL.split()[0] + " --uninstall")
    left = cluster.run(1, "ls -d /usr/local/bin/quorate /etc/systemd/system/quorate*.service /etc/systemd/system/quorate*.target 2>/dev/null; "
                          "test -e /etc/quorate/secret && test -e /var/lib/quorate && echo kept")
    story.check("--uninstall removes program and units, keeps configuration and data",
                gone.returncode == 0 and left.stdout.strip() == "kept", gone.stderr + left.stdout)
    back = cluster.run(1, INSTALL + " && systemctl start quorate")
    story.check("installed again, it is the same node", back.returncode == 0, back.stdout + back.stderr)
    cluster.wait_quorate(voters=2, alive=2)


def a_monitor(story):
    """The group quorate-monitor reads the state and neither sees nor changes a key, also where the TCP door is off."""
    cluster = story.cluster
    socket = "/run/quorate-monitor/quorate.sock"
    cluster.configure([1], more='[client]\ntcp = "off"\nmonitor_socket = "%s"' % socket)
    cluster.up(1)
    cluster.install([1])
    cluster.run(1, "useradd -G quorate-monitor watcher && useradd stranger", check=True)
    cluster.start(1)
    cluster.wait_quorate(voters=1)

    def as_user(user, arguments):
        return cluster.run(1, "runuser -u %s -- quorate %s" % (user, arguments))

    who = cluster.run(1, "stat -c '%U:%G %a' /run/quorate-monitor " + socket).stdout.split("\n")
    story.check("the socket is for the group alone", who[:2] == ["quorate:quorate-monitor 2750", "quorate:quorate-monitor 660"], who)
    read = [as_user("watcher", "--socket %s %s" % (socket, what)) for what in ("status", "members", "why", "events", "wait --voters")]
    story.check("a member of the group reads the state", all(said.returncode == 0 for said in read), [said.stderr for said in read])
    for what in ("put k v", "get k", "delete k", "ping h1"):
        said = as_user("watcher", "--socket %s %s" % (socket, what))
        story.check("`%s` is refused there" % what, said.returncode != 0 and "is served here" in said.stderr, said.stdout + said.stderr)
    said = as_user("watcher", "get k")
    story.check("the group has no way to the socket with the keyspace", said.returncode == 3, said.stdout + said.stderr)
    said = as_user("stranger", "--socket %s status" % socket)
    story.check("others have no way to the monitors' socket", said.returncode == 3, said.stdout + said.stderr)
    cluster.run(1, "systemctl restart quorate", check=True)
    said = as_user("watcher", "--socket %s wait --quorate --timeout 30s" % socket)
    story.check("a restart makes the socket anew", said.returncode == 0, said.stdout + said.stderr)


STORIES = [installer_and_units, a_monitor]

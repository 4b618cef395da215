"""The Debian package: what is in it, and its life on a host."""
import os
import subprocess

from cluster import Failed, INSTALL, STAGED, SYSTEMD, count

# Prompts would wait for ever: dpkg has nobody to ask here.
DPKG = "DEBIAN_FRONTEND=noninteractive dpkg "
# What only install.sh, and only the package, puts on a host.
OF_INSTALL = "/usr/local/bin/quorate /etc/systemd/system/quorate.service /usr/local/share/bash-completion/completions/quorate"
OF_PACKAGE = "/usr/bin/quorate /usr/lib/systemd/system/quorate.service /usr/share/bash-completion/completions/quorate"
DATA = "/var/lib/quorate /var/lib/quorate.birth /etc/quorate/secret"


def build(cluster, revision):
    """Makes the package where the hosts see it; its name."""
    done = subprocess.run([os.path.join(os.path.abspath(SYSTEMD), "package-deb"), "quorate", str(revision)],
                          cwd=cluster.stage, capture_output=True, text=True)
    if done.returncode:
        raise Failed("package-deb: " + done.stdout + done.stderr)
    return done.stdout.strip()


def shown(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def contents(story, package):
    """On the machine itself: files, rights, and that each part is whole."""
    files = {line.split()[-1][1:]: line.split()[:2] for line in shown("dpkg-deb", "-c", package).splitlines()}
    wanted = ["/usr/bin/quorate", "/usr/lib/systemd/system/quorate.service", "/usr/lib/systemd/system/quorate-wait-online.service",
              "/usr/lib/systemd/system/quorate-online.target", "/usr/lib/systemd/system/quorate-snapshot.service",
              "/usr/lib/systemd/system/quorate-snapshot.timer", "/usr/lib/systemd/system/quorate-hooks.service", "/usr/lib/sysusers.d/quorate.conf", "/usr/lib/tmpfiles.d/quorate-monitor.conf",
              "/etc/quorate/quorate.toml", "/etc/quorate/host.toml", "/usr/share/man/man1/quorate.1.gz", "/usr/share/man/man1/quorate-secret-new.1.gz",
              "/usr/share/bash-completion/completions/quorate", "/usr/share/zsh/vendor-completions/_quorate",
              "/usr/share/fish/vendor_completions.d/quorate.fish", "/usr/share/doc/quorate/copyright",
              "/usr/share/doc/quorate/changelog.Debian.gz"]
    story.check("the package has program, units, user, samples, manual and completions",
                set(wanted) <= set(files), sorted(set(wanted) - set(files)))
    strange = [path for path in files if not path.startswith(("/usr/", "/etc/")) and path not in ("/",)
               or "/usr/local" in path]
    story.check("nothing of it lies elsewhere than in /usr and /etc/quorate", not strange, strange)
    rights = {path: fields for path, fields in files.items() if fields[1] != "root/root" or fields[0][0] not in "d-"
              or fields[0][1:] != ("rwxr-xr-x" if fields[0][0] == "d" or path == "/usr/bin/quorate" else "rw-r--r--")}
    story.check("all of it is root's, and writable by root alone", not rights, rights)

    root = story.cluster.stage + "/package"
    subprocess.run(["dpkg-deb", "-R", package, root], check=True)
    with open(root + "/DEBIAN/conffiles") as file:
        story.check("the samples are conffiles", file.read().split() == ["/etc/quorate/quorate.toml", "/etc/quorate/host.toml"])
    version = shown(root + "/usr/bin/quorate", "--version").split()[1]
    fields = dict(line.split(": ", 1) for line in shown("dpkg-deb", "-f", package).splitlines() if not line.startswith(" "))
    story.check("its version is the program's, and it says what it needs",
                fields["Version"].startswith(version) and all(word in fields["Depends"] for word in ("libc6", "systemd", "init-system")),
                fields)
    story.check("the program is stripped", ".symtab" not in shown("readelf", "-S", "-W", root + "/usr/bin/quorate"))
    local = subprocess.run(["grep", "-rIl", "/usr/local/", root + "/usr"], capture_output=True, text=True).stdout.split()
    story.check("no file of it names /usr/local", not local, local)
    sums = subprocess.run(["md5sum", "--check", "--quiet", "DEBIAN/md5sums"], cwd=root, capture_output=True, text=True)
    story.check("the checksums are right", sums.returncode == 0, sums.stdout)
    for script in ("preinst", "postinst", "prerm", "postrm"):
        done = subprocess.run(["sh", "-n", root + "/DEBIAN/" + script], capture_output=True, text=True)
        with open(root + "/DEBIAN/" + script) as file:
            story.check(script + " is whole", done.returncode == 0 and "\n#operator.sh#" not in file.read(), done.stderr)
    pages = shown("sh", "-c", "zcat %s/usr/share/man/man1/*.gz | grep -c '^.SH \"*EXIT STATUS'" % root)
    story.check("every page of the manual has the exit codes", int(pages) == sum("/man1/" in path and path.endswith(".gz") for path in files), pages)


def exists(cluster, host, paths):
    """Which of these are there."""
    return cluster.run(host, "ls -d %s 2>/dev/null" % paths).stdout.split()


def instance(cluster, host):
    """By which this host's disk is known, as its node says."""
    return cluster.status(host)["node"]["instance"]


def install_and_configure(story, package):
    """On three bare hosts; nothing starts before it is configured, and then all are one cluster."""
    cluster = story.cluster
    for host, done in zip(cluster.all(), cluster.each(cluster.all(), lambda host: cluster.run(host, DPKG + "-i %s/%s" % (STAGED, package)))):
        if done.returncode:
            raise Failed("dpkg on host %d: %s" % (host, done.stdout + done.stderr))
    story.check("the package on a bare host says what is next", "quorate secret new" in done.stdout, done.stdout + done.stderr)
    active = cluster.run(1, "systemctl is-active quorate; systemctl is-enabled quorate quorate-wait-online; id -un quorate").stdout.split()
    story.check("it starts nothing, and is enabled for the next boot", active == ["inactive", "enabled", "enabled", "quorate"], active)
    verify = cluster.run(1, "systemd-analyze verify quorate.service quorate-wait-online.service quorate-online.target quorate-snapshot.service "
                            "quorate-snapshot.timer quorate-hooks.service")
    story.check("systemd-analyze verify finds nothing", not (verify.stdout + verify.stderr).strip(), verify.stdout + verify.stderr)
    cluster.each(cluster.all(), cluster.copy_files)
    cluster.start_all()
    cluster.wait_quorate(voters=3, alive=3)
    story.check("configured and started, three hosts are a cluster", True)


def upgrade(story, package):
    """A running daemon is started again, a stopped one is not, an edited configuration stays."""
    cluster = story.cluster
    cluster.run(1, "chmod 644 /etc/quorate/secret", check=True)
    refused = cluster.run(1, DPKG + "-i %s/%s" % (STAGED, package))
    story.check("an upgrade with a secret that others may read is refused, and the daemon runs on",
                refused.returncode != 0 and "chmod 600" in refused.stderr and cluster.status(1) is not None, refused.stderr)
    cluster.run(1, "chmod 600 /etc/quorate/secret", check=True)
    before = cluster.run(1, "systemctl show -P MainPID quorate; cat /etc/quorate/quorate.toml").stdout.split("\n", 1)
    done = cluster.run(1, DPKG + "-i %s/%s" % (STAGED, package))
    after = cluster.run(1, "systemctl show -P MainPID quorate; cat /etc/quorate/quorate.toml").stdout.split("\n", 1)
    story.check("an upgrade restarts the daemon and keeps the configuration",
                done.returncode == 0 and before[0] != after[0] and before[1] == after[1] and "It runs" in done.stdout,
                done.stdout + done.stderr)
    cluster.wait_quorate(voters=3, alive=3)
    cluster.run(2, "systemctl disable --now quorate", check=True)
    done = cluster.run(2, DPKG + "-i %s/%s; systemctl is-active quorate; systemctl is-enabled quorate" % (STAGED, package))
    story.check("an upgrade starts and enables nothing that was stopped and disabled",
                done.stdout.split()[-2:] == ["inactive", "disabled"], done.stdout + done.stderr)
    cluster.run(2, "systemctl enable --now quorate", check=True)
    cluster.wait_quorate(voters=3, alive=3)


def remove_and_purge(story, package):
    """Removed and installed again it is the same node; purged it is nobody, and becomes a new one."""
    cluster = story.cluster
    beside = cluster.run(1, INSTALL)
    story.check("install.sh refuses beside the package", beside.returncode != 0 and "apt remove" in beside.stderr, beside.stderr)
    known = instance(cluster, 1)
    gone = cluster.run(1, DPKG + "-r quorate")
    story.check("a removal takes program and units, leaves configuration and data, and says so",
                gone.returncode == 0 and not exists(cluster, 1, OF_PACKAGE) and len(exists(cluster, 1, DATA)) == 3
                and "/var/lib/quorate.birth" in gone.stdout, gone.stdout + gone.stderr)
    cluster.run(1, DPKG + "-i %s/%s && systemctl start quorate" % (STAGED, package), check=True)
    cluster.wait_quorate(voters=3, alive=3)
    story.check("installed again, it is the same node", instance(cluster, 1) == known)

    gone = cluster.run(1, DPKG + "-P quorate")
    links = cluster.run(1, "find /etc/systemd/system /var/lib/systemd -name '*quorate*'").stdout.split()
    story.check("a purge erases data, marker, secret and configuration, and says so",
                gone.returncode == 0 and not exists(cluster, 1, DATA + " /etc/quorate") and not links
                and "/var/lib/quorate.birth" in gone.stdout, (gone.stdout, gone.stderr, links))
    cluster.install([1])
    beside = cluster.run(1, DPKG + "-i %s/%s" % (STAGED, package))
    story.check("the package refuses beside install.sh", beside.returncode != 0 and "--uninstall" in beside.stderr, beside.stderr)
    cluster.start(1)
    cluster.wait_quorate(voters=3, alive=3)
    fresh = instance(cluster, 1)
    story.check("a host that was purged comes back as a new instance of its name", fresh != known)
    cluster.run(1, INSTALL.split()[0] + " --uninstall", check=True)
    left = exists(cluster, 1, OF_INSTALL)
    moved = cluster.run(1, DPKG + "--force-confold -i %s/%s && systemctl start quorate" % (STAGED, package))
    story.check("--uninstall leaves nothing in the package's way", moved.returncode == 0 and not left, (left, moved.stdout, moved.stderr))
    seen, _ = cluster.wait_quorate(voters=3, alive=3)
    story.check("from install.sh to the package it stays the same node",
                instance(cluster, 1) == fresh and count(seen[1], state="alive") == 3)


def debian_package(story):
    """The Debian package: its contents, installing, upgrading, removing and purging it, and install.sh beside it."""
    cluster = story.cluster
    first, second = cluster.each([1, 2], lambda revision: build(cluster, revision))
    contents(story, os.path.join(cluster.stage, first))
    cluster.configure([1, 2, 3])
    cluster.up(3)
    install_and_configure(story, first)
    upgrade(story, second)
    remove_and_purge(story, second)


STORIES = [debian_package]

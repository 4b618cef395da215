"""One virtual address, as examples/vip has it; the network is asked who has it, and never do two hosts answer."""
import json
import os
import shutil
import subprocess
import threading
import time

from cluster import HERE, HOSTS, STAGED, Failed
from stories.proxies import PACKAGES

EXAMPLE = os.path.join(HERE, "..", "..", "examples", "vip")
ADDRESS = "10.77.100.1"
SETUP = r"""
set -e
cd %s/vip
install -D -t /usr/local/lib/quorate-vip vip-holder
install -m 644 vip.service /etc/systemd/system/vip.service
sed 's|10.0.0.100/24|%s/16|' vip.default >/etc/default/vip
printf '[labels]\nrole = "edge"\n' >/etc/quorate/host.toml
systemctl daemon-reload
systemctl enable -q --now vip
sync
"""


class Answers:
    """Who answers for the address, from outside of all hosts."""

    def __init__(self, cluster):
        self.process = subprocess.Popen([HOSTS, "-n", cluster.name, "net", "--", os.path.join(HERE, "arp_watch"), "br0", "10.77.255.254", ADDRESS],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.lines = []
        threading.Thread(target=self.collect, daemon=True).start()

    def collect(self):
        for line in self.process.stdout:
            self.lines.append((float(line.split()[0]), line.split()[1:]))

    def wait(self, mac, since, limit=30.0):
        """Until this one answers a question that was asked behind `since`; when."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            at = next((at for at, macs in list(self.lines) if at > since and macs == [mac]), None)
            if at:
                return at
            time.sleep(0.05)
        raise Failed("after %.0f s %s does not answer for %s; the last answers were %s" % (limit, mac, ADDRESS, self.lines[-3:]))

    def two(self, since):
        return [line for line in self.lines if line[0] > since and len(line[1]) > 1]

    def gap(self, since):
        """The longest time without an answer since then."""
        heard = [at for at, macs in self.lines if at > since and macs]
        return max((after - before for before, after in zip(heard, heard[1:])), default=0.0)


def one_virtual_address(story):
    """The host that has a virtual address loses power, is cut off, has its programs stopped: another has it then, and at no time do two answer."""
    cluster = story.cluster
    story.restarts_expected = True
    shutil.copytree(EXAMPLE, cluster.stage + "/vip")
    cluster.configure([1, 2, 3])
    cluster.up(3, packages=PACKAGES)
    cluster.install([1, 2, 3])
    for host in (1, 2):
        cluster.run(host, SETUP % (STAGED, ADDRESS), check=True)
    cluster.run(3, "echo 'role = \"witness\"' >/etc/quorate/host.toml && sync", check=True)
    cluster.start_all()
    cluster.wait_quorate(voters=3, alive=3)
    macs = {host: json.loads(cluster.run(host, "ip -j link show eth0", check=True).stdout)[0]["address"].replace(":", "") for host in (1, 2)}
    answers = Answers(cluster)
    try:
        cluster.quorate(3, "assign create edge --item vip --scope role=edge", check=True)
        began = time.time()
        holder = 1 if "h1" in cluster.quorate(3, "assign show edge").stdout else 2
        answers.wait(macs[holder], began)
        story.check("h%d holds the item, and answers for the address" % holder, True)
        unit = "systemctl kill --kill-whom=main -s %s %s"
        deaths = {
            "power loss": (lambda host: cluster.hosts("kill", host), lambda host: cluster.hosts("boot", host)),
            "a cut that lets ARP pass": (lambda host: cluster.hosts("cut", host, ",".join(str(other) for other in (1, 2, 3) if other != host)),
                                         lambda host: cluster.hosts("heal")),
            "the daemon and the holder stopped": (
                lambda host: cluster.run(host, unit % ("STOP", "vip") + "; " + unit % ("STOP", "quorate"), check=True),
                lambda host: cluster.run(host, unit % ("CONT", "quorate") + "; " + unit % ("CONT", "vip") + "; true", check=True)),
            "a drain": (lambda host: cluster.quorate(host, "drain h%d" % host, check=True),
                        lambda host: cluster.quorate(host, "undrain h%d" % host, check=True)),
        }
        for what in story.random.sample(sorted(deaths), len(deaths)):
            kill, mend = deaths[what]
            since = time.time()
            kill(holder)
            other = 3 - holder
            at = answers.wait(macs[other], since)
            story.check("%s of h%d: h%d answers, and never two did" % (what, holder, other), not answers.two(since), answers.two(since)[:5])
            story.note("%.1f s after it; nobody answered for %.1f s" % (at - since, answers.gap(since - 1)))
            mend(holder)
            cluster.wait_quorate(alive=3)
            holder = other
        story.check("of %d questions none was answered by two" % len(answers.lines), len(answers.lines) > 200 and not answers.two(began), answers.two(began)[:5])
        audit = cluster.quorate(3, "assign audit edge")
        story.check("the ledger proves it too", audit.returncode == 0, audit.stdout + audit.stderr)
        # The test itself: an address that the kernel keeps for ever, and nobody there to take it away.
        since = time.time()
        cluster.run(holder, unit % ("STOP", "vip") + "; " + unit % ("STOP", "quorate") + "; ip addr change %s/16 dev eth0 valid_lft forever" % ADDRESS, check=True)
        end = time.monotonic() + 20
        while not answers.two(since) and time.monotonic() < end:
            time.sleep(0.1)
        story.check("an address without a lifetime, on a host whose programs are stopped, is answered for by two", bool(answers.two(since)), answers.lines[-3:])
    finally:
        answers.process.kill()


STORIES = [one_virtual_address]

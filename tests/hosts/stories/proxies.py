"""The stage of the two proxies: PgBouncer on hosts 1 and 2 as examples/two-proxies has it, host 3 that only votes, PostgreSQL on host 4, and clients
that only run queries. Its judge is the database: each 20 ms it writes down how many sessions each proxy has."""
import json
import os
import shutil
import subprocess
import time

from cluster import HOSTS, Failed, HERE, STAGED

PACKAGES = "iputils-arping pgbouncer postgresql python3"
EXAMPLE = os.path.join(HERE, "..", "..", "examples", "two-proxies")
MAX, HALF = 30, 15
PROXIES, WITNESS, DATABASE = (1, 2), 3, 4
CLIENTS = 40

# As README.md of the example has it, line by line, but for names and passwords.
DATABASE_SETUP = r"""
set -e
cat >>/etc/postgresql/15/main/postgresql.conf <<'END'
listen_addresses = '*'
max_connections = 200
fsync = off
END
echo 'host app,postgres all 10.77.0.0/16 scram-sha-256' >>/etc/postgresql/15/main/pg_hba.conf
systemctl start postgresql
cd /
sql() { runuser -u postgres -- psql -q -v ON_ERROR_STOP=1 "$@"; }
for try in $(seq 100); do sql -c 'select 1' >/dev/null 2>&1 && break; sleep 0.1; done
sql -d postgres -v proxies=h1,h2 -f %(staged)s/two-proxies/database.sql
runuser -u postgres -- createdb -O app app
for role in app_h1 app_h2 quorate_fence; do sql -c "ALTER ROLE $role PASSWORD 'secret'"; done
sql -d app <<'END'
CREATE UNLOGGED TABLE samples (at timestamptz, h1 int, h2 int);
CREATE PROCEDURE sample() LANGUAGE plpgsql AS $$
DECLARE next timestamptz := clock_timestamp();
BEGIN
    LOOP
        PERFORM pg_stat_clear_snapshot();
        INSERT INTO samples SELECT clock_timestamp(), count(*) FILTER (WHERE usename = 'app_h1'), count(*) FILTER (WHERE usename = 'app_h2')
            FROM pg_stat_activity;
        COMMIT;
        next := greatest(next + '20 ms', clock_timestamp());
        PERFORM pg_sleep(extract(epoch FROM next - clock_timestamp()));
    END LOOP;
END $$;
END
cat >/root/query.sql <<'END'
\set ms random(20, 300)
SELECT pg_sleep(:ms / 1000.0);
END
echo 'SELECT pg_sleep(8);' >/root/long.sql
cat >/root/clients <<'END'
#!/bin/sh
# Client connections stay open as long as their proxy is there, and run queries.
while :; do
    /usr/lib/postgresql/15/bin/pgbench -n -c %(clients)d -T 100000 -f /root/query.sql \
        "host=10.77.0.$1 port=6432 user=app password=secret dbname=app connect_timeout=2 keepalives_idle=1 keepalives_interval=1 keepalives_count=3" >>/root/clients.$1 2>&1
    echo "$(date +%%s.%%N) ended" >>/root/ended.$1
    sleep 0.3
done
END
chmod 755 /root/clients
systemd-run -q --unit sampler --uid postgres psql -q -d app -c 'CALL sample()'
"""
PROXY_SETUP = r"""
set -e
printf '[labels]\nrole = "proxy"\n' >/etc/quorate/host.toml
cd %(staged)s/two-proxies
install -D -t /usr/local/lib/quorate-proxy pgbouncer-share fence-proxy
install -D -m 644 -t /etc/systemd/system/pgbouncer.service.d pgbouncer.service.d/quorate.conf
sed 's/db.example.net/10.77.0.4/; s/app_a/app_h%(host)d/' pgbouncer.ini >/etc/pgbouncer/pgbouncer.ini
printf '"app" "secret"\n"app_h%(host)d" "secret"\n' >/etc/pgbouncer/userlist.txt
sed 's/db.example.net/10.77.0.4/; s/change-me/secret/' proxy.env >/etc/quorate-proxy.env
chown root:quorate-hooks /etc/quorate-proxy.env
chmod 640 /etc/quorate-proxy.env
chmod 755 /etc/systemd/system/pgbouncer.service.d
sync
"""
# A program that was killed stays dead until it is started by hand, as its host would.
DEAD = r"""
for unit in quorate pgbouncer; do
    mkdir -p /run/systemd/system/$unit.service.d
    printf '[Service]\nRestart=no\n' >/run/systemd/system/$unit.service.d/dead.conf
done
systemctl daemon-reload
date +%%s.%%N
systemctl kill --kill-whom=all -s KILL %(units)s
"""
ALIVE = r"""
rm -f /run/systemd/system/quorate.service.d/dead.conf /run/systemd/system/pgbouncer.service.d/dead.conf
systemctl daemon-reload
systemctl reset-failed quorate pgbouncer
systemctl start quorate pgbouncer
"""


class Stage:
    """The hosts, up and with their clients."""

    def __init__(self, story, fence=False, mode="strict"):
        self.cluster = story.cluster
        cluster = self.cluster
        story.restarts_expected = True
        shutil.copytree(EXAMPLE, cluster.stage + "/two-proxies")
        cluster.configure([1, 2, 3])
        cluster.up(4, packages=PACKAGES)
        cluster.install([1, 2, 3])
        for host in PROXIES:
            cluster.run(host, PROXY_SETUP % {"staged": STAGED, "host": host}, check=True)
        cluster.run(WITNESS, "echo 'role = \"witness\"' >/etc/quorate/host.toml && sync", check=True)
        cluster.run(DATABASE, DATABASE_SETUP % {"staged": STAGED, "clients": CLIENTS}, check=True)
        cluster.each([1, 2, 3], cluster.start)
        cluster.wait_quorate([1, 2, 3], voters=3, alive=3)
        cluster.quorate(WITNESS, "budget set pg --max %d --min 10 --mode %s --scope role=proxy" % (MAX, mode), check=True)
        cluster.each(list(PROXIES), lambda host: cluster.run(host, "systemctl daemon-reload && systemctl enable -q --now pgbouncer && sync", check=True))
        if fence:
            command = "install -D -m 644 -t /etc/quorate/hooks.d %s/two-proxies/fence.toml && quorate hooks check && systemctl enable -q --now quorate-hooks && sync"
            cluster.each(list(PROXIES), lambda host: cluster.run(host, command % STAGED, check=True))
        for host in PROXIES:
            cluster.run(DATABASE, "systemd-run -q --unit clients%d /root/clients %d" % (host, host), check=True)

    def sql(self, text):
        """Rows as lists of texts."""
        done = self.cluster.run(DATABASE, "cd / && runuser -u postgres -- psql -d app -AtX -F ' ' -v ON_ERROR_STOP=1 <<'END'\n%s\nEND" % text)
        if done.returncode:
            raise Failed("the database: " + done.stderr)
        return [line.split() for line in done.stdout.splitlines()]

    def now(self):
        return float(self.sql("SELECT extract(epoch FROM clock_timestamp());")[0][0])

    def wait(self, what, test, since, limit=60.0):
        """Until a sample behind `since` fits; when that was, by the database's clock."""
        end = time.monotonic() + limit
        while True:
            rows = self.sql("SELECT extract(epoch FROM at) FROM samples WHERE at > to_timestamp(%f) AND (%s) ORDER BY at LIMIT 1;" % (since, test))
            if rows:
                return float(rows[0][0])
            if time.monotonic() > end:
                last = self.sql("SELECT h1, h2 FROM samples ORDER BY at DESC LIMIT 1;")
                raise Failed("after %.0f s still not: %s; the database has %s\n%s" % (limit, what, last, self.shown()))
            time.sleep(0.1)

    def shown(self):
        return self.cluster.quorate(WITNESS, "budget show pg").stdout

    def budget(self):
        done = self.cluster.quorate(WITNESS, "budget show pg -o json", check=True)
        return json.loads(done.stdout)

    def fence(self, where, host, number):
        """fence-proxy, as the user and with the words that quorate's hooks have."""
        return self.cluster.run(where, "exec runuser -u quorate-hooks -- env QUORATE_FENCE_HOST=h%d QUORATE_FENCE_NUMBER=%s "
                                "/usr/local/lib/quorate-proxy/fence-proxy" % (host, number))

    def both_full(self, since):
        return self.wait("both proxies at %d" % HALF, "h1 = %d AND h2 = %d" % (HALF, HALF), since)

    def most(self, since):
        """Most sessions at one time since then, the number of samples, and the longest gap between two, in seconds."""
        row = self.sql("""SELECT max(h1 + h2), count(*), coalesce(extract(epoch FROM max(gap)), 0) FROM
            (SELECT h1, h2, at - lag(at) OVER (ORDER BY at) AS gap FROM samples WHERE at > to_timestamp(%f)) AS s;""" % since)[0]
        return int(row[0]), int(row[1]), float(row[2])

    def clients_stayed(self, host, since):
        """Whether no client of this proxy was ever disconnected since then: they run queries, and connect no more."""
        ends = self.cluster.run(DATABASE, "cat /root/ended.%d 2>/dev/null" % host).stdout.split("\n")
        return not any(float(line.split()[0]) > since for line in ends if line)

    def long_queries(self, host, number):
        """So many queries of 8 s through this proxy; the process, once all of them run."""
        there = "host=10.77.0.%d port=6432 user=app password=secret dbname=app" % host
        command = "/usr/lib/postgresql/15/bin/pgbench -n -c %d -t 1 -f /root/long.sql '%s'" % (number, there)
        process = subprocess.Popen([HOSTS, "-n", self.cluster.name, "exec", str(DATABASE), "--", "sh", "-c", command],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        end = time.monotonic() + 20
        while int(self.sql("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(8);' AND state = 'active';")[0][0]) < number:
            if time.monotonic() > end:
                raise Failed("%d long queries do not run" % number)
        return process

    def end_sessions(self, host):
        self.sql("\\c postgres\nSELECT quorate.end_sessions('h%d');" % host)

    def guards(self, there):
        """With or without the database's word before growth, and the watchdog of who keeps the share."""
        how = "s/^#FENCE_DSN/FENCE_DSN/" if there else "s/^FENCE_DSN/#FENCE_DSN/"
        drop_in = "/etc/systemd/system/pgbouncer.service.d/watchdog.conf"
        watchdog = "rm -f " + drop_in if there else "printf '[Service]\\nWatchdogSec=0\\n' >" + drop_in
        command = "sed -i '%s' /etc/quorate-proxy.env && %s && systemctl daemon-reload && systemctl restart pgbouncer && sync" % (how, watchdog)
        self.cluster.each(list(PROXIES), lambda host: self.cluster.run(host, command, check=True))
        self.both_full(self.now())

    def signal(self, host, unit, name):
        """To the main process of the unit, and to nothing that it has started."""
        self.cluster.run(host, "systemctl kill --kill-whom=main -s %s %s" % (name, unit), check=True)

    def go_on(self, unit):
        """What was stopped on h1 goes on, if its watchdog has not ended it."""
        self.cluster.run(1, "systemctl kill --kill-whom=main -s CONT %s" % unit)

    # --- deaths and returns --------------------------------------------------------------------------------------

    def crash(self, host, units="quorate pgbouncer"):
        """kill -9 of the daemon, of PgBouncer and of who keeps its share; when, as that host's clock had it."""
        return float(self.cluster.run(host, DEAD % {"units": units}, check=True).stdout)

    def lead(self, host):
        if self.cluster.status(WITNESS)["leader"] == "h%d" % host:
            return
        done = self.cluster.quorate(WITNESS, "leader transfer h%d" % host)
        if done.returncode:
            raise Failed("leader transfer: " + done.stderr)

    def kill(self, kind, host):
        """The host dies in that way; when, by the clock that all hosts have in common (before the act, where it takes its time)."""
        others = ",".join(str(other) for other in (1, 2, 3) if other != host)
        if kind == "leader":
            self.lead(host)
        if kind in ("crash", "leader"):
            return self.crash(host)
        at = time.time()
        if kind == "power":
            # The link goes first: the kernel of these hosts is one, and would say goodbye for connections of processes that were killed.
            self.cluster.hosts("unplug", host)
            self.cluster.hosts("kill", host)
        elif kind == "freeze":
            self.cluster.hosts("pause", host)
        else:
            self.cluster.hosts("cut", host, others + (",4" if kind == "island" else ""))
        return at

    def back(self, kind, host):
        if kind in ("crash", "leader"):
            self.cluster.run(host, ALIVE, check=True)
        elif kind == "power":
            self.cluster.hosts("plug", host)
            self.cluster.hosts("boot", host)
        elif kind == "freeze":
            self.cluster.hosts("resume", host)
        else:
            self.cluster.hosts("heal")

    def dump(self, story):
        """Where the story failed: what quorate's and the proxies' journals say."""
        directory = "/tmp/two-proxies-%d" % os.getpid()
        os.makedirs(directory, exist_ok=True)
        with open(directory + "/samples", "w") as file:
            for row in self.sql("SELECT at::time, h1, h2 FROM samples ORDER BY at;"):
                file.write(" ".join(row) + "\n")
        story.note("samples: %s/samples" % directory)

#!/usr/bin/env python3
"""The alerts and the board of systemd/monitoring under Prometheus' own promtool: tests/monitoring/check.py [PROMTOOL]

Each case is a healthy cluster of three with some series changed, and names every alert that must fire after an hour of that: no other
may. Every alert has a case. What the names and labels mean in the real /metrics, tests/tests/processes/monitoring.rs holds.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent.parent / "systemd" / "monitoring"
RULES = HERE / "quorate.rules.yml"
BOARD = HERE / "quorate.board.json"
HOSTS = ["n1", "n2", "n3"]
GIB = 1024**3


def healthy():
    """Series of a cluster in which nothing is wrong, by metric and labels; a value is what stays, `a+bxN` what grows each minute."""
    series = {}
    for host in HOSTS:
        def put(name, value, host=host, **labels):
            series[key(name, host, **labels)] = value

        put("up", 1)
        put("quorate_info", 1, node=host, version="1.0.0")
        put("quorate_quorate", 1)
        put("quorate_all_voters", 1)
        put("quorate_margin_alarm", 0)
        put("quorate_elections_total", "1+0x120")
        put("quorate_health_epochs_total", "1+0x120")
        put("quorate_health_epoch", 7)
        put("quorate_applied_index", "100+50x120")
        put("quorate_disk_free_bytes", 50 * GIB)
        put("quorate_disk_size_bytes", 100 * GIB)
        put("quorate_log_lines_lost_total", 0)
        put("quorate_frames_malformed_total", 0)
        put("quorate_frames_guarded_total", 0)
        put("quorate_handshakes_refused_total", 0, reason="other-secret")
        put("process_start_time_seconds", 1000)
        put("process_cpu_seconds_total", "0+3x120")
        put("process_resident_memory_bytes", GIB)
        put("process_open_fds", 50)
        put("process_max_fds", 16384)
        for bound, limit in [("keyspace-bytes", 512), ("history-bytes", 64), ("requests", 8192)]:
            put("quorate_bound_used", limit // 4, bound=bound)
            put("quorate_bound_limit", limit, bound=bound)
            put("quorate_bound_refused_total", 0, bound=bound)
        for le in ["0.005000", "0.250000", "1.000000", "+Inf"]:
            put("quorate_log_write_seconds_bucket", "0+60x120", le=le)
        for other in HOSTS:
            put("quorate_member_up", 1, member=other)
            put("quorate_member_down", 0, member=other)
            put("quorate_member_crashed", 0, member=other)
            put("quorate_member_info", 1, member=other, role="voter")
            if other != host:
                put("quorate_link_up", 1, peer=other)
                put("quorate_link_sent_packets_total", "0+600x120", peer=other)
                put("quorate_link_lost_packets_total", 0, peer=other)
                for le in ["0.005", "0.200", "1.000", "+Inf"]:
                    put("quorate_ping_seconds_bucket", "0+60x120", peer=other, le=le)
    return series


def key(name, host, **labels):
    labels = {"instance": host, "job": "quorate", **labels}
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in sorted(labels.items())) + "}"


def everywhere(name, value, hosts=HOSTS, **labels):
    return {key(name, host, **labels): value for host in hosts}


def waiting(code, subject="n3"):
    return everywhere("quorate_waiting", 1, code=code, subject=subject)


def no_voter_to_spare(state):
    """A voter of three that is gone, as `state` says it: down or crashed."""
    return {
        **everywhere("quorate_member_up", 0, member="n3"),
        **everywhere(f"quorate_member_{state}", 1, member="n3"),
        **everywhere("quorate_all_voters", 0),
    }


MISSING = ["QuorateNoSpareVoter", "QuorateVotersMissing"]
WITHOUT_N3 = {key("up", "n3"): 0}

# What is so, the series that say it (none: the series is not there), and every alert that must fire.
CASES = [
    ("nothing is wrong", {}, []),
    ("no leader anywhere", everywhere("quorate_quorate", 0), ["QuorateNoQuorum"]),
    (
        "a host that is cut off keeps its old opinions to itself",
        {
            key("quorate_quorate", "n3"): 0,
            key("quorate_member_down", "n3", member="n1"): 1,
            key("quorate_member_up", "n3", member="n1"): 0,
            key("quorate_all_voters", "n3"): 0,
            key("quorate_link_up", "n3", peer="n2"): 0,
        },
        ["QuorateNodeWithoutLeader"],
    ),
    ("a voter is down", no_voter_to_spare("down"), ["QuorateMemberDown", *MISSING]),
    ("a voter crashed", no_voter_to_spare("crashed"), ["QuorateMemberCrashed", *MISSING]),
    ("a voter has a full disk", everywhere("quorate_all_voters", 0), ["QuorateVotersMissing"]),
    ("one host alone is a cluster of one", {
        series: None for series in healthy() if 'instance="n1"' not in series or '="n2"' in series or '="n3"' in series
    }, []),
    ("leaders change", everywhere("quorate_elections_total", "1+1x120"), ["QuorateElectionsTooOften"]),
    ("the margin is gone", everywhere("quorate_margin_alarm", 1), ["QuorateMarginGone"]),
    ("hosts come and go", everywhere("quorate_health_epochs_total", "1+3x120"), ["QuorateHostsComeAndGo"]),
    ("a daemon is started each minute", {key("process_start_time_seconds", "n2"): "1000+60x120"}, ["QuorateRestartLoop"]),
    ("a target is gone", {
        **WITHOUT_N3, **{series: None for series in healthy() if 'instance="n3"' in series and not series.startswith("up")},
    }, ["QuorateTargetDown"]),
    ("nothing is scraped", {series: None for series in healthy()}, ["QuorateNotMonitored"]),
    ("one of two clusters is scraped no more", {
        key("quorate_info", "m1", job="second", node="m1", version="1.0.0"): "1x20 _x100",
    }, ["QuorateNotMonitored"]),
    ("one host of a cluster is scraped no more, and is no target", {
        series: None for series in healthy() if 'instance="n3"' in series
    }, []),
    ("two clusters are scraped", {key("quorate_info", "m1", job="second", node="m1", version="1.0.0"): 1}, []),
    ("an upgrade has not ended", {
        key("quorate_info", "n3", node="n3", version="1.0.0"): None, key("quorate_info", "n3", node="n3", version="1.1.0"): 1,
    }, ["QuorateVersionsMixed"]),
    ("an epoch does not arrive", {key("quorate_health_epoch", "n3"): 6}, ["QuorateEpochLags"]),
    ("epochs that arrive are no lag", everywhere("quorate_health_epoch", "1+1x120"), []),
    ("a copy stays behind", {key("quorate_applied_index", "n3"): 100}, ["QuorateCopyLags"]),
    ("a member without a copy is not behind", {key("quorate_applied_index", "n3"): 0}, []),
    ("a copy is damaged", waiting("copy-state-differs"), ["QuorateCopyFaulty"]),
    ("a host runs twice", waiting("clone"), ["QuorateRunsTwice"]),
    ("a disk is full", waiting("disk-full"), ["QuorateDiskFull"]),
    ("a disk hangs", waiting("disk-stalled"), ["QuorateDiskStalled"]),
    ("a disk is slow", waiting("disk-slow"), ["QuorateDiskSlow"]),
    ("log writes take half a second", {
        key("quorate_log_write_seconds_bucket", "n2", le="0.005000"): "0+0x120",
        key("quorate_log_write_seconds_bucket", "n2", le="0.250000"): "0+30x120",
    }, ["QuorateLogWritesSlow"]),
    ("a disk fills up", {key("quorate_disk_free_bytes", "n2"): 5 * GIB}, ["QuorateDiskFillsUp"]),
    ("the keyspace is full", waiting("keyspace-full", ""), ["QuorateKeyspaceFull"]),
    ("the keyspace is nearly full", everywhere("quorate_bound_used", 450, bound="keyspace-bytes"), ["QuorateKeyspaceNearlyFull"]),
    ("history is meant to fill its bound", everywhere("quorate_bound_used", 64, bound="history-bytes"), []),
    ("requests are refused", {key("quorate_bound_refused_total", "n1", bound="requests"): "0+5x120"}, ["QuorateRefusesRequests"]),
    ("places run out", {key("quorate_bound_used", "n1", bound="requests"): 8000}, ["QuoratePlacesNearlyTaken"]),
    ("memory grows", {key("process_resident_memory_bytes", "n1"): 3 * GIB}, ["QuorateMemoryHigh"]),
    ("descriptors run out", {key("process_open_fds", "n1"): 16000}, ["QuorateDescriptorsShort"]),
    ("a link is cut", {key("quorate_link_up", "n1", peer="n2"): 0}, ["QuorateLinkCut"]),
    ("a link to who is down is no link to mend", {
        **no_voter_to_spare("down"), key("quorate_link_up", "n1", peer="n3"): 0,
    }, ["QuorateMemberDown", *MISSING]),
    ("one direction is cut", waiting("one-way"), ["QuorateOneWay"]),
    ("packets are lost", {key("quorate_link_lost_packets_total", "n1", peer="n2"): "0+60x120"}, ["QuoratePacketsLost"]),
    ("pings are late", {
        key("quorate_ping_seconds_bucket", "n1", peer="n2", le="0.005"): "0+0x120",
        key("quorate_ping_seconds_bucket", "n1", peer="n2", le="0.200"): "0+30x120",
    }, ["QuoratePingsLate"]),
    ("the loop is busy", {key("process_cpu_seconds_total", "n1"): "0+55x120"}, ["QuorateLoopBusy"]),
    ("frames make no sense", {key("quorate_frames_malformed_total", "n1"): "0+1x120"}, ["QuorateFramesRefused"]),
    ("a stranger knocks", {
        key("quorate_handshakes_refused_total", "n1", reason="other-secret"): "0+2x120",
    }, ["QuorateStrangersKnock"]),
    ("seeds differ", waiting("other-seeds"), ["QuorateFilesDiffer"]),
    ("something else is wrong", waiting("name-held"), ["QuorateFinding"]),
    ("a host runs an older program", {key("quorate_feature_members_behind", "n1"): 1}, ["QuorateMembersBehind"]),
    ("the journal lost lines", {key("quorate_log_lines_lost_total", "n1"): "0+1x120"}, ["QuorateLogLinesLost"]),
]


def test_of(name, changes, alerts):
    """A case in the words of promtool."""
    series = {**healthy(), **changes}
    values = {name: v if isinstance(v, str) else f"{v}+0x120" for name, v in series.items() if v is not None}
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": series, "values": value} for series, value in values.items()],
        "promql_expr_test": [{
            "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
            # Beyond the longest `for`, behind which nothing more may come.
            "eval_time": "90m",
            "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(alerts)],
        }],
    }


def board_rules():
    """The queries of the board as rules, for a tool that reads only those."""
    board, rules = json.loads(BOARD.read_text()), []
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            expr = re.sub(r"\$__rate_interval|\$__range", "5m", target["expr"]).replace("$job", "quorate").replace("$instance", ".*")
            rules.append({"record": f"board:panel_{panel['id']}", "expr": expr, "labels": {"target": target["refId"]}})
    return {"groups": [{"name": "board", "rules": rules}]}


def main():
    promtool = sys.argv[1] if len(sys.argv) > 1 else "promtool"
    alerts = re.findall(r"^      - alert: (\w+)$", RULES.read_text(), re.M)
    without = set(alerts) - {alert for _, _, fire in CASES for alert in fire}
    if without:
        sys.exit(f"no case makes these alerts fire: {', '.join(sorted(without))}")
    with tempfile.TemporaryDirectory() as place:
        board, cases = Path(place, "board.yml"), Path(place, "cases.yml")
        # JSON is YAML.
        board.write_text(json.dumps(board_rules()))
        tests = [test_of(*case) for case in CASES]
        cases.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
        for arguments in [["check", "rules", RULES, board], ["test", "rules", cases]]:
            if subprocess.run([promtool, *arguments], check=False).returncode != 0:
                sys.exit(f"promtool {arguments[0]} {arguments[1]} failed")
    print(f"{len(alerts)} alerts in {len(CASES)} cases")


if __name__ == "__main__":
    main()

//! Every trouble that an operator must tell apart, as it shows in a line.

use super::Widest;
use crate::links::figures::Figures;
use crate::links::line::{DialLine, LinkFinding, LinkLine, WaitingLine};
use crate::words::time::age;
use quorate_proto::OddSecret;

fn judge(line: &LinkLine, best: Option<u16>) -> Vec<LinkFinding> {
    super::judge(line, Widest { link: best, interfaces: None }, OddSecret::Unclear)
}

/// Connected for an hour, and well.
fn well() -> LinkLine {
    LinkLine {
        name: "n3".to_owned(),
        address: Some("10.0.0.3:4747".parse().unwrap()),
        up_seconds: Some(3600),
        figures: Figures {
            rtt_p50_micros: Some(210),
            rtt_p99_micros: Some(800),
            mtu: Some(1452),
            recent_sent_packets: 2_000,
            loss_percent: Some(0.0),
            ..Figures::default()
        },
        ..LinkLine::default()
    }
}

fn gone(code: &str, knocked_seconds: Option<u64>) -> LinkLine {
    let why = format!("the reason is {code}");
    let (failures, since_seconds, code) = (7, 12, code.to_owned());
    LinkLine {
        up_seconds: None,
        gone_seconds: Some(13),
        gone_why: Some("nothing was heard within the time limit".to_owned()),
        dials: Some(DialLine { failures, since_seconds, code, why, knocked_seconds }),
        ..well()
    }
}

#[track_caller]
fn is(line: &LinkLine, code: &str, text: &str) {
    let found = judge(line, Some(1452));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].code.as_str(), found[0].text.as_str()), (code, text));
}

#[test]
fn a_link_that_is_well_is_not_spoken_of() {
    assert_eq!(judge(&well(), Some(1452)), []);
    let young = LinkLine {
        up_seconds: Some(3),
        figures: Figures { mtu: Some(1200), ..well().figures },
        ..well()
    };
    assert_eq!(judge(&young, Some(1452)), [], "the path's MTU is still being sought");
    for (lost, sent) in [(1, 20), (4, 120)] {
        let few = LinkLine {
            figures: Figures {
                recent_sent_packets: sent,
                recent_lost_packets: lost,
                loss_percent: Some(5.0),
                ..well().figures
            },
            ..well()
        };
        assert_eq!(judge(&few, Some(1452)), [], "{lost} of {sent} may be chance");
    }
    assert_eq!(judge(&LinkLine::default(), None), [], "never needed");
    let unused = "closed in good order".to_owned();
    let unused = LinkLine { dials: None, gone_why: Some(unused), ..gone("", None) };
    assert_eq!(judge(&unused, None), []);
}

#[test]
fn a_firewall_a_one_way_firewall_and_a_refusal_are_told_apart() {
    is(
        &gone("no-answer", None),
        "no-answer",
        "no answer from 10.0.0.3:4747 for 12 s (7 dials): host down, daemon not running, or UDP 4747 blocked",
    );
    is(
        &gone("one-way", Some(4)),
        "one-way",
        "packets of 10.0.0.3:4747 come in, but ours have had no answer for 12 s (7 dials): UDP 4747 is dropped in one direction (firewall there, or on the way)",
    );
    is(
        &gone("other-secret", None),
        "refused",
        "dials of 10.0.0.3:4747 have failed for 12 s, 7 dials: the reason is other-secret",
    );
    assert_eq!(judge(&gone("clone", None), None), [], "a copy that is not listened to");
    let silent = LinkLine { dials: None, ..gone("", None) };
    is(&silent, "timed-out", "no connection for 13 s: nothing was heard within the time limit");
}

#[test]
fn a_lossy_path_a_slow_path_and_a_narrow_path_are_told_apart() {
    let lossy = LinkLine {
        figures: Figures { recent_lost_packets: 62, loss_percent: Some(3.1), ..well().figures },
        ..well()
    };
    is(
        &lossy,
        "loss",
        "3.1 % of the packets sent to it of late were lost (62 of 2000): the network on the way there",
    );
    let slow =
        LinkLine { figures: Figures { rtt_p99_micros: Some(230_400), ..well().figures }, ..well() };
    is(&slow, "slow", "round trips take up to 230 ms (p99): a long or crowded path");
    let narrow = LinkLine { figures: Figures { mtu: Some(1200), ..well().figures }, ..well() };
    is(
        &narrow,
        "mtu",
        "only 1200 bytes pass at a time, 1452 to others: a tunnel, or large packets are dropped",
    );
    let own = |mtu| {
        let line = LinkLine { figures: Figures { mtu: Some(mtu), ..well().figures }, ..well() };
        let widest = Widest { link: Some(mtu), interfaces: Some(1452) };
        super::judge(&line, widest, OddSecret::Unclear)
    };
    assert_eq!(
        own(1280)[0].text,
        "only 1280 bytes pass at a time, where the network interfaces of this host take 1452: a tunnel, or large packets are dropped on the way"
    );
    assert_eq!(own(1452 - 48), [], "headers, and where the search ends");
    let hole = LinkLine {
        figures: Figures { black_holes: 2, mtu: Some(1200), ..well().figures },
        ..well()
    };
    assert!(judge(&hole, None)[0].text.contains("2 times; 1200 bytes pass now"));
}

#[test]
fn frames_that_are_not_taken_speak_of_the_peers_disk_only_when_the_path_is_clean() {
    let waiting = vec![WaitingLine { lane: "log".to_owned(), frames: 500, bytes: 9 }];
    let behind =
        LinkLine { waiting, figures: Figures { unacknowledged: 400, ..well().figures }, ..well() };
    is(
        &behind,
        "behind",
        "900 log frames are not acknowledged: the path is fine, so the peer is slow: look at its disk and CPU",
    );
    let lossy = LinkLine {
        figures: Figures { loss_percent: Some(9.0), recent_lost_packets: 180, ..behind.figures },
        ..behind
    };
    let found = judge(&lossy, Some(1452));
    assert_eq!((found[0].code.as_str(), found[1].code.as_str()), ("loss", "behind"));
    assert!(found[1].text.ends_with("the path does not carry them fast enough"));
}

#[test]
fn ages_have_two_units() {
    let told = [5, 65, 3_700, 200_000].map(age);
    assert_eq!(told, ["5 s", "1 min 5 s", "1 h 1 min", "2 d 7 h"]);
}

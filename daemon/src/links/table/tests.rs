//! The tables, as they are printed.

use super::{bytes, draw_links};
use crate::cli::format::Pen;
use crate::links::diagnosis::{Widest, judge};
use crate::links::figures::Figures;
use crate::links::line::{DialLine, DroppedLine, LaneLine, LinkLine, WaitingLine};

const PLAIN: Pen = Pen { colour: false };

fn lane(lane: &str, sent: u64, received: u64) -> LaneLine {
    LaneLine { lane: lane.to_owned(), sent, received }
}

fn up() -> LinkLine {
    let waits = |lane: &str| WaitingLine { lane: lane.to_owned(), frames: 0, bytes: 0 };
    LinkLine {
        name: "n2".to_owned(),
        address: Some("10.0.0.2:4747".parse().unwrap()),
        up_seconds: Some(11_520),
        dialled: Some(true),
        waiting: vec![waits("control"), waits("log")],
        total_bytes: vec![
            lane("control", 1_258_292, 900),
            lane("log", 3 << 30, 2048),
            lane("gossip", 1023, 1024),
        ],
        figures: Figures {
            rtt_p50_micros: Some(210),
            rtt_p99_micros: Some(812),
            mtu: Some(1452),
            loss_percent: Some(0.0),
            ..Figures::default()
        },
        ..LinkLine::default()
    }
}

fn gone() -> LinkLine {
    LinkLine {
        name: "n3".to_owned(),
        address: Some("10.0.0.3:4747".parse().unwrap()),
        gone_seconds: Some(13),
        gone_why: Some("nothing was heard within the time limit".to_owned()),
        dials: Some(DialLine {
            failures: 7,
            since_seconds: 12,
            code: "no-answer".to_owned(),
            ..DialLine::default()
        }),
        waiting: vec![WaitingLine { lane: "log".to_owned(), frames: 2, bytes: 1536 }],
        dropped: vec![
            DroppedLine { lane: "log".to_owned(), cause: "expired".to_owned(), frames: 9 },
            DroppedLine { lane: "any".to_owned(), cause: "oversize".to_owned(), frames: 1 },
        ],
        figures: Figures {
            unacknowledged: 3,
            retransmitted: 4,
            duplicates: 5,
            ..Figures::default()
        },
        ..LinkLine::default()
    }
}

#[test]
fn the_links_are_drawn_with_every_lane_and_what_is_wrong() {
    let mut links = vec![up(), gone()];
    links[1].findings = judge(&links[1], Widest::default(), quorate_proto::OddSecret::Unclear);
    let expected = "\
LINK  ADDRESS        CONNECTION     DIALLED BY  RTT P50  P99      LOSS   MTU   UNACKED  RESENT  TWICE
n2    10.0.0.2:4747  up 3 h 12 min  this node   0.21 ms  0.81 ms  0.0 %  1452  0        0       0
n3    10.0.0.3:4747  gone 13 s      -           -        -        -      -     3        4       5

LINK  LANE     WAITING      SENT     RECEIVED  GIVEN UP
n2    control  0            1.2 MiB  900 B     -
n2    log      0            3.0 GiB  2.0 KiB   -
n2    gossip   -            1023 B   1.0 KiB   -
n3    control  -            0 B      0 B       -
n3    log      2 (1.5 KiB)  0 B      0 B       9 expired
n3    gossip   -            0 B      0 B       -
n3    any      -            0 B      0 B       1 oversize

n3: no answer from 10.0.0.3:4747 for 12 s (7 dials): host down, daemon not running, or UDP 4747 blocked
";
    let text = draw_links(&links, PLAIN);
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn without_trouble_it_says_so_and_alone_there_are_no_links() {
    assert!(
        draw_links(&[up()], PLAIN)
            .ends_with("\nNothing is wrong with the links, as seen from here.\n")
    );
    assert_eq!(draw_links(&[], PLAIN), "No other node is known here, so there are no links.\n");
}

#[test]
fn bytes_are_told_in_the_largest_unit_that_fits() {
    assert_eq!(
        [0, 1023, 1024, 1 << 20, u64::MAX].map(bytes)[..4],
        ["0 B", "1023 B", "1.0 KiB", "1.0 MiB"]
    );
    assert!(bytes(u64::MAX).ends_with(" GiB"));
}

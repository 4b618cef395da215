//! What ping prints and sums up.

use super::{Summary, draw_one, draw_summary};
use crate::api::pages::PingPage;

fn answered(micros: u64) -> PingPage {
    PingPage {
        name: "n2".to_owned(),
        address: Some("10.0.0.2:4747".parse().unwrap()),
        round_trip_micros: vec![micros],
        ..PingPage::default()
    }
}

fn lost() -> PingPage {
    let why = Some("no answer from 10.0.0.2:4747 for 12 s".to_owned());
    PingPage { round_trip_micros: Vec::new(), lost: 1, why, ..answered(0) }
}

#[test]
fn every_ping_is_told_and_the_summary_has_loss_and_percentiles() {
    let mut summary = Summary::default();
    let pages = [answered(640), lost(), answered(210), answered(300)];
    let mut text = String::new();
    for (number, page) in (1..).zip(&pages) {
        text.push_str(&draw_one(number, page));
        summary.add(page.clone());
    }
    summary.sum_up();
    text.push_str(&draw_summary(&summary));
    let expected = "\
n2 (10.0.0.2:4747) answered ping 1 in 0.64 ms
n2 (10.0.0.2:4747) did not answer ping 2: no answer from 10.0.0.2:4747 for 12 s
n2 (10.0.0.2:4747) answered ping 3 in 0.21 ms
n2 (10.0.0.2:4747) answered ping 4 in 0.30 ms
3 of 4 pings answered, 25 % lost; min 0.21 ms, p50 0.30 ms, p99 0.64 ms, max 0.64 ms
";
    assert_eq!(text, expected);
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["round_trip_micros"], serde_json::json!([640, 210, 300]));
    assert_eq!((&json["sent"], &json["lost"]), (&4.into(), &1.into()));
    assert_eq!((&json["min_micros"], &json["p99_micros"]), (&210.into(), &640.into()));
    assert!(json["why"].is_string());
}

#[test]
fn with_no_answer_at_all_there_are_no_times() {
    let mut summary = Summary::default();
    summary.add(lost());
    summary.sum_up();
    assert_eq!(draw_summary(&summary), "0 of 1 pings answered, 100 % lost\n");
}

//! One share of a host, told word by word.

use super::*;
use quorate_proto::{Generation, Grant, Instance};

fn at(ms: u64) -> Moment {
    Moment::from_micros(ms * 1_000)
}

fn renewed(number: u64, told: u64, counted: u64) -> ShareRenewed {
    let (instance, generation) = (Instance::from_bytes([1; 16]), Generation::new(1));
    let grant = Grant { instance, generation, host: String::new(), counted, told, number };
    ShareRenewed { budget: "pg".to_owned(), grant, ttl_ms: 3_000, reserve: 2 }
}

fn told(held: &Held) -> (ShareState, u64, Option<Moment>) {
    let share = held.share("pg");
    (share.state, share.amount, share.deadline)
}

#[test]
fn a_share_ends_its_time_behind_the_sending_of_the_renewal_that_was_answered() {
    let mut held = Held::default();
    assert!(held.renew(at(10_900), at(10_000), &renewed(1, 15, 15), true));
    assert_eq!(told(&held), (ShareState::Held, 15, Some(at(13_000))));
    assert!(!held.lapse(at(12_999)) && held.lapse(at(13_000)));
    assert_eq!(told(&held), (ShareState::Lapsed, 2, None), "the reserve is left");
    assert!(!held.lapse(at(13_001)), "it is told once");
    assert!(held.renew(at(13_500), at(13_100), &renewed(1, 15, 15), true));
    assert_eq!(told(&held), (ShareState::Held, 15, Some(at(16_100))));
}

#[test]
fn an_answer_that_comes_behind_its_time_gives_the_reserve_alone() {
    let mut held = Held::default();
    held.renew(at(13_000), at(10_000), &renewed(1, 15, 15), true);
    assert_eq!(told(&held), (ShareState::Lapsed, 2, None));
}

#[test]
fn what_an_earlier_start_held_is_not_held_before_its_application_has_said_so() {
    let mut held = Held::default();
    assert!(held.renew(at(10_100), at(10_000), &renewed(1, 15, 15), false));
    assert_eq!(told(&held), (ShareState::Restarted, 2, None));
    assert!(held.share("pg").acknowledge && held.said(at(10_200)).is_none());
    let said = Acknowledgement { budget: "pg".to_owned(), number: 1, in_use: 9 };
    held.hear(at(10_200), &said).expect("it is the newest");
    assert!(held.has_news() && held.said(at(10_300)) == Some(9));
    assert!(held.renew(at(10_500), at(10_400), &renewed(2, 15, 15), true), "taken over");
    assert_eq!(told(&held), (ShareState::Held, 15, Some(at(13_400))));
    assert_eq!(held.said(at(10_600)), None, "that was of another grant");
}

#[test]
fn what_an_application_said_counts_for_as_long_as_a_share_does() {
    let mut held = Held::default();
    held.renew(at(10_100), at(10_000), &renewed(5, 15, 30), true);
    let said = |in_use| Acknowledgement { budget: "pg".to_owned(), number: 5, in_use };
    held.hear(at(11_000), &said(20)).expect("it is the newest");
    assert!(held.has_news());
    held.is_told();
    held.hear(at(11_500), &said(20)).expect("it is the newest");
    assert!(!held.has_news(), "the leader has heard of it");
    assert_eq!((held.said(at(14_499)), held.said(at(14_500))), (Some(20), None));
    assert_eq!(held.shrinks_since(at(12_100)), Some(at(10_100)));
    assert_eq!(held.gone("pg").amount, 0);
}

#[test]
fn the_next_leader_hears_at_once_what_a_lost_one_was_told_while_it_waits_for_it() {
    let mut held = Held::default();
    held.renew(at(10_100), at(10_000), &renewed(5, 15, 30), true);
    held.say_again();
    assert!(!held.has_news(), "the application has said nothing");
    let said = Acknowledgement { budget: "pg".to_owned(), number: 5, in_use: 15 };
    held.hear(at(11_000), &said).expect("it is the newest");
    held.is_told();
    held.say_again();
    assert!(held.has_news());
    held.is_told();
    held.renew(at(11_600), at(11_500), &renewed(5, 15, 15), true);
    held.say_again();
    assert!(!held.has_news(), "it is committed");
}

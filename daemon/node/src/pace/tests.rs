//! What is measured of others, of this node and by what the leader says, and how long silence is borne with for it.

use super::*;
use crate::trial::life;
use quorate_proto::ReasonCode;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(millis: u64) -> Moment {
    Moment::ZERO + ms(millis)
}

fn quiet() -> Vec<(Instance, Duration)> {
    vec![(life(2), ms(101)), (life(3), ms(101))]
}

#[test]
fn a_slow_way_to_one_peer_slows_the_judgement_of_that_peer_alone() {
    let mut pace = Pace::new(at(0));
    assert_eq!(
        pace.look(at(250), 3, true, quiet()),
        Some(DetectorInput::Patience {
            others: ms(500),
            of: [(life(2), ms(500)), (life(3), ms(500))].into(),
        })
    );
    assert_eq!(pace.look(at(500), 3, true, quiet()), None, "nothing new");
    pace.answered(at(600), life(2), ms(300), 0);
    assert!(pace.look(at(750), 3, true, quiet()).is_some());
    assert_eq!([life(2), life(3)].map(|one| pace.silence_of(one)), [1_200, 500].map(ms));
    let (silence, ground, since) = (ms(1_200), Ground::Trip(ms(300)), at(750));
    assert_eq!(pace.longest(), Longest { silence, of: Some(life(2)), ground, since });
    assert_eq!(pace.longest().reason("n1", |_| "n2".to_owned()), None, "it could be more");
    pace.answered(at(800), life(2), ms(600), 0);
    pace.answered(at(6_800), life(2), ms(600), 0);
    pace.look(at(7_000), 3, true, quiet());
    let reason = pace.longest().reason("n1", |_| "n2".to_owned()).expect("it is the most");
    assert_eq!((reason.code, reason.subject.as_deref()), (ReasonCode::JudgedSlowly, Some("n2")));
    assert!(reason.text.contains("an answer took 600 ms"), "{}", reason.text);
}

#[test]
fn a_host_whose_turns_are_late_bears_with_all_for_longer_and_is_borne_with() {
    let mut pace = Pace::new(at(0));
    pace.turn_is_late(at(100), ms(180));
    pace.look(at(250), 3, true, quiet());
    assert_eq!([life(2), life(3)].map(|one| pace.silence_of(one)), [660, 660].map(ms));
    assert_eq!(pace.late_ms(at(250)), 180);
    let mut leader = Pace::new(at(0));
    leader.answered(at(100), life(2), ms(1), pace.late_ms(at(250)));
    leader.look(at(250), 3, true, quiet());
    assert_eq!([life(2), life(3)].map(|one| leader.silence_of(one)), [660, 500].map(ms));
}

#[test]
fn who_follows_bears_with_the_leader_for_as_long_as_it_is_told_and_with_no_other() {
    let mut pace = Pace::new(at(0));
    pace.told(life(2), 450, 1_200);
    pace.look(at(250), 3, false, vec![(life(2), ms(151))]);
    assert_eq!(pace.silence_of(life(2)), ms(1_500), "three of its pings and more");
    assert_eq!(pace.interval(), ms(450), "the leader's, as it said");
    pace.told(life(3), 0, 0);
    pace.look(at(500), 3, false, vec![(life(3), ms(151))]);
    assert_eq!(pace.silence_of(life(3)), ms(500), "one that does not say");
    assert_eq!(pace.interval(), ms(150));
    pace.told(life(3), u32::MAX, u32::MAX);
    pace.look(at(750), 3, false, vec![(life(3), ms(151))]);
    assert_eq!(pace.silence_of(life(3)), SILENCE_MOST, "whatever is told");
    assert_eq!(pace.interval(), ms(500), "no leader pings less often");
}

#[test]
fn in_a_large_cluster_more_than_three_pings_fit_into_the_silence() {
    let mut pace = Pace::new(at(0));
    pace.look(at(250), limits::MEMBERS, true, quiet());
    assert_eq!(pace.interval(), ms(500));
    assert!(pace.silence_of(life(2)) > pace.interval() * 3);
}

#[test]
fn what_the_leader_bears_with_is_borne_with_on_the_other_side() {
    let mut pace = Pace::new(at(0));
    pace.told(life(2), 150, 1_600);
    pace.look(at(250), 3, false, vec![(life(2), ms(151))]);
    assert_eq!(pace.silence_of(life(2)), ms(1_600));
    assert_eq!(pace.longest().ground, Ground::Told);
}

#[test]
fn a_later_start_of_a_host_begins_anew() {
    let mut pace = Pace::new(at(0));
    pace.answered(at(100), life(2), ms(300), 0);
    pace.look(at(250), 3, true, quiet());
    pace.forget(life(2));
    pace.look(at(500), 3, true, quiet());
    assert_eq!(pace.silence_of(life(2)), SILENCE_START);
}

/// Looks each second from here to there, where nothing is slow.
fn look_until(pace: &mut Pace, members: usize, leads: bool, seconds: std::ops::Range<u64>) {
    for second in seconds {
        pace.look(at(second * 1_000), members, leads, quiet());
    }
}

#[test]
fn where_nothing_is_slow_for_minutes_a_leader_pings_more_often_and_bears_with_less() {
    let mut leader = Pace::new(at(0));
    look_until(&mut leader, 3, true, 1..120);
    let now = |pace: &Pace| (pace.interval(), pace.silence_of(life(2)));
    assert_eq!(now(&leader), (ms(150), ms(500)));
    assert_eq!(leader.longest().ground, Ground::Start);
    look_until(&mut leader, 3, true, 120..240);
    assert_eq!(now(&leader), (ms(66), ms(220)));
    assert_eq!(leader.longest().ground, Ground::Least);
    // Who follows does as it is told.
    let mut follower = Pace::new(at(0));
    follower.told(life(2), 66, 220);
    look_until(&mut follower, 3, false, 1..240);
    assert_eq!(now(&follower), (ms(66), ms(220)));
    follower.told(life(2), 0, 0);
    follower.look(at(240_000), 3, false, quiet());
    assert_eq!(now(&follower), (ms(150), ms(500)), "a leader that does not say");
    // One late turn of its own makes a leader as patient as at the start at least, at once.
    leader.turn_is_late(at(240_000), ms(200));
    leader.look(at(240_250), 3, true, quiet());
    assert_eq!(now(&leader), (ms(150), ms(700)));
}

#[test]
fn in_a_quiet_cluster_of_thirty_all_is_as_at_the_start() {
    let mut leader = Pace::new(at(0));
    look_until(&mut leader, 30, true, 1..400);
    assert_eq!((leader.interval(), leader.silence_of(life(2))), (ms(150), ms(500)));
    let mut leader = Pace::new(at(0));
    look_until(&mut leader, 20, true, 1..400);
    assert_eq!((leader.interval(), leader.silence_of(life(2))), (ms(100), ms(340)));
}

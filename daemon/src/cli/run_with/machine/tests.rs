//! What a wrapped command goes through, line by line.

use super::*;

const GRACE: u64 = 1_000;

fn held(amount: u64, number: u64, deadline: u64) -> Told {
    let standing = Standing::Held;
    Told { standing, amount, reserve: 0, number, deadline: Some(deadline), asks: false }
}

fn asked(told: Told) -> Told {
    Told { asks: true, ..told }
}

fn stands(standing: Standing, number: u64) -> Told {
    Told { standing, amount: 0, reserve: 0, number, deadline: None, asks: false }
}

fn start(amount: u64, number: u64, deadline: u64) -> Act {
    Act::Start(Use { amount, number, deadline: Some(deadline) })
}

/// A command that runs with 15 of a share of 3 s, told at 1 s.
fn running(on_change: OnChange) -> Machine {
    let mut machine = Machine::new(on_change, GRACE);
    assert_eq!(machine.take(500, stands(Standing::None, 0)), [], "it waits for a share");
    assert_eq!(machine.take(1_000, held(15, 7, 4_000)), [start(15, 7, 4_000)]);
    machine
}

#[test]
fn a_renewal_changes_nothing_and_moves_the_deadline() {
    let mut machine = running(OnChange::Restart);
    assert_eq!(machine.next(), Some(3_000), "a grace before its deadline");
    assert_eq!(machine.take(2_000, held(15, 7, 5_000)), []);
    assert_eq!(machine.next(), Some(4_000));
}

#[test]
fn another_amount_ends_the_command_and_starts_it_anew_once_it_has_ended() {
    let mut machine = running(OnChange::Restart);
    let smaller = asked(held(8, 9, 5_000));
    assert_eq!(machine.take(2_000, smaller), [Act::Terminate]);
    assert_eq!(machine.next(), Some(3_000), "within its grace");
    assert_eq!(machine.look(2_999), []);
    assert_eq!(machine.look(3_000), [Act::Kill]);
    assert_eq!(machine.look(3_100), [], "once");
    let acts = machine.ended(3_200);
    assert_eq!(acts, [Act::Say { number: 9, in_use: 0 }, start(8, 9, 5_000)], "in this order");
    assert_eq!(machine.take(3_300, held(8, 9, 6_300)), []);
}

#[test]
fn a_share_that_is_not_renewed_ends_the_command_before_its_deadline() {
    let mut machine = running(OnChange::Restart);
    assert_eq!(machine.look(2_999), []);
    assert_eq!(machine.look(3_000), [Act::Terminate]);
    assert_eq!(machine.next(), Some(3_950), "it is gone by its deadline");
    assert_eq!(machine.look(3_950), [Act::Kill]);
    assert_eq!(machine.ended(3_960), [], "and started no more");
    assert_eq!(machine.look(4_100), []);
    assert_eq!(machine.take(9_000, held(15, 7, 12_000)), [start(15, 7, 12_000)], "renewed");
}

#[test]
fn what_is_left_behind_a_deadline_is_the_reserve() {
    let told = Told { reserve: 2, ..held(15, 7, 4_000) };
    let mut machine = Machine::new(OnChange::Restart, GRACE);
    machine.take(1_000, told);
    assert_eq!(machine.look(3_000), [Act::Terminate]);
    let with_reserve = Act::Start(Use { amount: 2, number: 7, deadline: None });
    assert_eq!(machine.ended(3_100), [with_reserve]);
    assert_eq!(machine.look(9_000), [], "it stays");
}

#[test]
fn a_grace_beyond_a_third_of_the_time_does_not_end_the_command_between_renewals() {
    let mut machine = Machine::new(OnChange::Restart, 5_000);
    machine.take(1_000, held(15, 7, 4_000));
    assert_eq!(machine.look(2_900), []);
    assert_eq!(machine.take(2_950, held(15, 7, 5_900)), []);
    assert_eq!(machine.take(3_000, stands(Standing::None, 7)), [Act::Terminate]);
    assert_eq!(machine.next(), Some(5_850), "never beyond what it was told");
}

#[test]
fn a_restart_of_the_daemon_ends_nothing_and_is_acknowledged_with_what_is_in_use() {
    let mut machine = running(OnChange::Restart);
    let restarted = asked(stands(Standing::Restarted, 7));
    assert_eq!(machine.take(1_500, restarted), [Act::Say { number: 7, in_use: 15 }]);
    assert_eq!(machine.next(), Some(3_000), "what was told before counts");
    assert_eq!(machine.take(1_800, held(15, 8, 4_800)), []);
    assert_eq!(machine.next(), Some(3_800));
    let restarted = asked(stands(Standing::Restarted, 8));
    assert_eq!(machine.take(2_000, restarted), [Act::Say { number: 8, in_use: 15 }]);
    assert_eq!(machine.take(2_100, restarted), [], "once to each start");
    machine.follows_anew();
    assert_eq!(machine.take(2_200, restarted), [Act::Say { number: 8, in_use: 15 }]);
    assert_eq!(machine.look(3_800), [Act::Terminate], "nobody took it over in time");
}

#[test]
fn a_command_that_takes_a_signal_is_told_and_has_let_go_a_grace_later() {
    let mut machine = running(OnChange::Signal);
    let tell = |amount, number, deadline| Act::Tell(Use { amount, number, deadline });
    let smaller = asked(held(8, 9, 5_000));
    assert_eq!(machine.take(2_000, smaller), [tell(8, 9, Some(5_000))]);
    assert_eq!(machine.take(2_500, asked(held(8, 9, 5_500))), [], "it is at work on it");
    assert_eq!(machine.next(), Some(3_000));
    assert_eq!(machine.look(3_000), [Act::Say { number: 9, in_use: 8 }]);
    assert_eq!(machine.take(3_100, held(20, 11, 6_100)), [tell(20, 11, Some(6_100))]);
    assert_eq!(machine.look(5_100), [Act::Terminate], "nothing is left behind the deadline");
}

#[test]
fn a_share_that_is_none_ends_the_command_whatever_it_takes() {
    for on_change in [OnChange::Restart, OnChange::Signal] {
        let mut machine = running(on_change);
        assert_eq!(machine.take(2_000, stands(Standing::None, 7)), [Act::Terminate]);
        assert_eq!(machine.ended(2_100), []);
        assert_eq!(machine.take(3_000, held(5, 12, 6_000)), [start(5, 12, 6_000)]);
    }
}

#[test]
fn a_command_that_ends_by_itself_ends_all_and_so_does_a_signal() {
    let mut machine = running(OnChange::Restart);
    assert_eq!(machine.ended(2_000), [Act::End]);
    let mut machine = running(OnChange::Restart);
    assert_eq!(machine.is_to_end(2_000), [], "the command was told itself");
    machine.take(2_100, asked(held(8, 9, 5_100)));
    assert_eq!(machine.ended(2_200), [Act::Say { number: 9, in_use: 0 }, Act::End]);
    let mut idle = Machine::new(OnChange::Restart, GRACE);
    assert_eq!(idle.is_to_end(10), [Act::End]);
}

#[test]
fn what_a_command_leaves_behind_has_the_grace_that_it_had_itself() {
    let mut machine = running(OnChange::Restart);
    assert_eq!(machine.leaves(2_000), [Act::Terminate]);
    assert_eq!(machine.leaves(2_020), [], "once");
    assert_eq!(machine.take(2_500, held(15, 7, 5_500)), []);
    assert_eq!(machine.leaves(2_980), []);
    assert_eq!(machine.leaves(3_000), [Act::Kill]);
    assert_eq!(machine.ended(3_020), [Act::End], "the command had ended by itself");
    let mut machine = running(OnChange::Restart);
    assert_eq!(machine.take(2_000, held(8, 9, 5_000)), [Act::Terminate]);
    assert_eq!(machine.leaves(2_100), [], "all of the group was asked");
    assert_eq!(machine.leaves(3_000), [Act::Kill], "its grace began when it was asked");
    assert_eq!(machine.ended(3_020), [start(8, 9, 5_000)]);
}

#[test]
fn an_item_that_is_asked_back_is_released_once_the_command_has_ended() {
    let mut machine = Machine::new(OnChange::Restart, GRACE);
    assert_eq!(machine.take(1_000, held(1, 7, 4_000)), [start(1, 7, 4_000)]);
    let leaving = Told { deadline: Some(4_000), ..stands(Standing::Leaving, 7) };
    assert_eq!(machine.take(2_000, leaving), [Act::Terminate]);
    assert_eq!(machine.ended(2_300), [Act::Release { number: 7 }]);
    assert_eq!(machine.look(2_400), [], "once");
    assert_eq!(machine.take(5_000, held(1, 12, 8_000)), [start(1, 12, 8_000)], "it is back");
}

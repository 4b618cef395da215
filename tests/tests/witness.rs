//! Two servers and a witness in virtual time, every case of them: `QUORATE_SEEDS=N` plays each with so many seeds.

use quorate_tests::witness::{
    A, B, WAYS, cold_boot, die_and_come_back, orders, the_link_between_the_servers_is_cut,
    the_witness_alone_has_it, the_witness_is_lost, what_a_dead_server_had_is_the_others,
    who_stood_still_behind_a_cut_link_shares_again,
};

/// So many at most: each plays every case, and takes a second.
const MOST: u64 = 40;

fn seeds() -> std::ops::RangeInclusive<u64> {
    let number = |name: &str| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
    match (number("QUORATE_SEED"), number("QUORATE_SEEDS")) {
        (Some(one), _) => one..=one,
        (None, many) => 1..=many.unwrap_or(10).min(MOST),
    }
}

#[test]
fn in_every_order_of_death_two_of_three_have_a_server_that_leads_and_a_return_changes_nothing() {
    for seed in seeds() {
        orders().into_iter().for_each(|order| die_and_come_back(seed, order));
    }
}

#[test]
fn a_witness_that_alone_has_the_newest_entry_leads_and_hands_over_at_once() {
    let mut led = 0;
    for seed in seeds() {
        led += [A, B].into_iter().filter(|dies| the_witness_alone_has_it(seed, *dies)).count();
    }
    assert!(led > 0, "in no case the witness led");
}

#[test]
fn both_servers_start_from_cold_whatever_way_the_witness_is_reached() {
    for (seed, fresh) in seeds().flat_map(|seed| [(seed, false), (seed, true)]) {
        cold_boot(seed, fresh, None);
        WAYS.into_iter().for_each(|(_, way)| cold_boot(seed, fresh, Some(way)));
    }
}

#[test]
fn servers_whose_link_is_cut_keep_their_leader_and_their_shares_through_the_witness() {
    seeds().for_each(the_link_between_the_servers_is_cut);
}

#[test]
fn a_server_that_stood_still_behind_a_cut_link_shares_again_through_the_witness() {
    seeds().for_each(who_stood_still_behind_a_cut_link_shares_again);
}

#[test]
fn what_a_dead_server_had_is_the_others_and_the_witness_has_none() {
    seeds().for_each(what_a_dead_server_had_is_the_others);
}

#[test]
fn a_witness_that_is_lost_is_told_and_votes_again_once_it_has_the_log() {
    seeds().for_each(the_witness_is_lost);
}

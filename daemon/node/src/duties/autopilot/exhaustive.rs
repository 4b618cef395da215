//! All small clusters, one decision each and all that follow from it: up to five hosts, each alive, with a full disk, gone for a moment,
//! lost or drained, a voter, a standby or neither, in two zones.
//!
//! What must hold is said from outside, not with the rules' own words.

use super::facts::{Candidate, DeadVoter, Facts};
use super::plan::{Why, bears, next_change};
use quorate_proto::{ConfChange, ConfChangeKind, RaftId};

/// Alive, drained, lost, with a disk that works: alive; alive and drained; gone for a moment; lost; gone and drained; alive with a full disk.
const STATES: [(bool, bool, bool, bool); 6] = [
    (true, false, false, true),
    (true, true, false, true),
    (false, false, false, true),
    (false, false, true, true),
    (false, true, false, true),
    (true, false, false, false),
];
/// A voter, a standby that has caught up, a member.
const ROLES: [(bool, bool); 3] = [(true, false), (false, true), (false, false)];

fn host(n: u64, number: usize, zone: Option<usize>) -> Candidate {
    let (alive, drained, lost, works) = STATES[number / ROLES.len()];
    let (voter, learner) = ROLES[number % ROLES.len()];
    Candidate {
        id: RaftId::new(n).expect("not zero"),
        alive,
        lost,
        drained,
        works,
        approved: true,
        seed: n.is_multiple_of(2),
        zone,
        voter,
        learner,
        caught_up: learner,
        leads: n == 1,
    }
}

/// All clusters of so many hosts, of which the first leads.
fn clusters(hosts: u64, zones: bool, mut each: impl FnMut(Facts)) {
    let kinds = STATES.len() * ROLES.len();
    let places = if zones { 1 << hosts } else { 1 };
    for number in 0..kinds.pow(u32::try_from(hosts).expect("few") - 1) {
        for place in 0..places {
            let zone = |n: u64| zones.then_some(usize::from(place >> (n - 1) & 1 == 1));
            let (mut rest, mut candidates) = (number, vec![host(1, 0, zone(1))]);
            for n in 2..=hosts {
                candidates.push(host(n, rest % kinds, zone(n)));
                rest /= kinds;
            }
            let facts = Facts { candidates, ..Facts::default() };
            // Without a majority nobody leads.
            if now(&facts) >= 0 {
                each(facts);
            }
        }
    }
}

/// How many voters may be lost, those whose life is over counted as lost.
fn now(facts: &Facts) -> isize {
    let voters = facts.candidates.iter().filter(|one| one.voter);
    let size = voters.clone().count() + facts.dead_voters.len();
    bears(voters.filter(|one| one.alive).count(), size)
}

fn carry_out(facts: &mut Facts, changes: &[ConfChange]) {
    for change in changes {
        facts.dead_voters.retain(|it| it.id.get() != change.node_id);
        let found = facts.candidates.iter_mut().find(|it| it.id.get() == change.node_id);
        let Some(one) = found else { continue };
        (one.voter, one.learner) = match change.kind() {
            ConfChangeKind::AddVoter => {
                let could = one.alive && !one.drained && one.works;
                assert!(one.caught_up && could, "{one:?} gets a vote");
                (true, false)
            }
            ConfChangeKind::AddLearner => (false, true),
            ConfChangeKind::Remove => (false, false),
        };
        one.caught_up = one.learner && one.alive;
    }
}

/// One decision, judged by what it does; then the next one, until nothing is to be done.
fn judge(mut facts: Facts) {
    let mut steps = 0;
    loop {
        let plan = next_change(&facts);
        if plan.changes.is_empty() {
            break;
        }
        let (before, old) = (now(&facts), facts.clone());
        carry_out(&mut facts, &plan.changes);
        let after = now(&facts);
        let voters = |facts: &Facts| facts.candidates.iter().filter(|one| one.voter).count();
        let told = matches!(plan.why, Why::TooMany { lost: None, .. });
        assert!(after >= 0, "no majority behind {plan:?} in {old:?}");
        assert!(after >= before || told, "fewer may be lost behind {plan:?} in {old:?}");
        for (was, is) in old.candidates.iter().zip(&facts.candidates) {
            let loses = was.voter && !is.voter;
            assert!(!loses || !was.leads, "the leader gives up its vote: {plan:?} in {old:?}");
            let for_a_moment = !was.alive && !was.lost && !was.drained;
            assert!(!loses || !for_a_moment, "on a suspicion: {plan:?} in {old:?}");
            let many = matches!(plan.why, Why::TooMany { .. });
            assert!(!loses || !was.drained || many, "though drained: {plan:?} in {old:?}");
        }
        let floor = old.candidates.len().min(3).min(voters(&old));
        assert!(voters(&facts) >= floor, "below the floor: {plan:?} in {old:?}");
        steps += 1;
        assert!(steps < 20, "no end: {plan:?} in {old:?}");
    }
}

#[test]
fn in_no_small_cluster_may_fewer_voters_be_lost_behind_a_change_unless_it_says_so() {
    let mut count = 0;
    for hosts in 1..=5 {
        clusters(hosts, false, |facts| {
            count += 1;
            judge(facts);
        });
    }
    for hosts in 2..=4 {
        clusters(hosts, true, |facts| {
            count += 1;
            judge(facts);
        });
    }
    assert!(count > 40_000, "{count} clusters");
}

#[test]
fn nor_where_voters_were_removed_or_have_a_new_disk() {
    for hosts in 1..=4 {
        clusters(hosts, false, |facts| {
            for (dead, removed) in [(1_u64, true), (2, true), (1, false)] {
                let over = |n| DeadVoter { id: RaftId::new(90 + n).expect("not zero"), removed };
                let dead_voters: Vec<DeadVoter> = (0..dead).map(over).collect();
                let facts = Facts { dead_voters, ..facts.clone() };
                if now(&facts) >= 0 {
                    judge(facts);
                }
            }
        });
    }
}

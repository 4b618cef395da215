//! The rules of the autopilot: facts in, at most one change of the voters out, with the reason for it or for doing nothing.
//!
//! What stays true of each change: how many voters may be lost afterwards is no less than before, unless an operator asked for what makes
//! it less (`remove`, `voters`, fewer hosts); the voters that live are a majority before and behind it; the leader keeps its vote while
//! another can give up its own; nobody loses a vote on a suspicion. Learner first, promoted when caught up; who gives up its vote to
//! another does so in the same joint change. Pure: knows no clock, no names, no Raft.

use super::facts::{Candidate, DeadVoter, Facts};
use quorate_proto::{ConfChange, ConfChangeKind, RaftId};

/// A cluster that loses hosts keeps at least so many voters, whether they live or not, until an operator removes them: of two voters none
/// may be lost, so nothing is won by fewer.
const FLOOR: usize = 3;

/// Why something is done, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The voters are as they should be.
    Settled,
    /// A standby whose life is over.
    NoMember(RaftId),
    /// It is to get a vote, and must have the log first. `instead`: whose.
    Prepares { new: RaftId, instead: Option<RaftId> },
    /// It has not caught up yet.
    CatchesUp(RaftId),
    /// There are too few voters for so many hosts.
    TooFew { target: usize },
    /// A voter was gone for too long.
    Replaces(RaftId),
    /// A voter whose life is over.
    Succeeds(DeadVoter),
    /// There are more voters than so many hosts need. `lost`: one of them is gone for long.
    TooMany { target: usize, lost: Option<RaftId> },
    /// One zone has so many voters that its loss stops the cluster.
    Spreads { from: RaftId, to: RaftId },
    /// An odd one is waited for: of four voters no more may be lost than of three.
    AwaitsPair,
    /// A voter is gone for too long, and nobody can get its vote.
    NoSuccessor { lost: RaftId, could: Could },
    /// A voter is gone, but not for long enough.
    Awaits(RaftId),
    /// The vote of a life that is over helps to commit as long as the living are no majority without it.
    Keeps(RaftId),
    /// There are too few voters, and the hosts that could be some wait for an operator's word.
    Unapproved(RaftId),
    /// An operator paused the autopilot.
    Paused,
}

/// Who could get the vote of a lost one, and what keeps it from that. What an operator's word helps against comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Could {
    /// No host without a vote is alive.
    Nobody,
    Unapproved,
    Drained,
    /// Their disks are full or silent.
    Broken,
    DrainedOrBroken,
}

/// What is to be done, if anything, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Empty: nothing.
    pub(crate) changes: Vec<ConfChange>,
    pub(crate) why: Why,
    /// How many voters there should be.
    pub(crate) target: usize,
}

/// Voters for so many hosts: 1, 2, 3, 3, then 5. A fourth voter would bear no more losses than three; of two, the second keeps
/// a copy of every write.
pub(crate) fn voter_target(hosts: usize) -> usize {
    match hosts {
        0 | 1 => 1,
        2 => 2,
        3 | 4 => 3,
        _ => 5,
    }
}

/// How many of `size` voters may be lost, beyond those that do not live; below zero where there is no majority.
pub(crate) fn bears(awake: usize, size: usize) -> isize {
    let majority = size / 2 + 1;
    awake.cast_signed() - majority.cast_signed()
}

/// See the head of the file.
pub(crate) fn next_change(facts: &Facts) -> Plan {
    let goal = Goal::of(facts);
    let rules = [no_member, promotes, takes_out, shrinks, spreads];
    let found = match facts.paused {
        // What an operator asked for by itself goes on.
        true => [no_member, takes_out].iter().find_map(|rule| rule(facts, &goal)),
        false => rules.iter().find_map(|rule| rule(facts, &goal)),
    };
    let idle = if facts.paused { Why::Paused } else { idle(facts, &goal) };
    let (changes, why) = found.unwrap_or((Vec::new(), idle));
    Plan { changes, why, target: goal.target }
}

/// A change and its reason; no changes: that is waited for.
type Step = (Vec<ConfChange>, Why);

/// How many voters there should be, and who gets a vote for it.
struct Goal<'a> {
    /// As many as suit the hosts that are there or may come back.
    target: usize,
    /// As many as there will be: no fewer than there are, unless they are too many; no more than live hosts ask for.
    size: usize,
    voters: Vec<&'a Candidate>,
    lost: Vec<&'a Candidate>,
    /// Who is to be promoted, in order.
    new: Vec<&'a Candidate>,
}

impl<'a> Goal<'a> {
    fn of(facts: &'a Facts) -> Self {
        let count = |which: fn(&Candidate) -> bool| {
            facts.candidates.iter().filter(|one| which(one)).count()
        };
        let all = voter_target(facts.candidates.len());
        let alive = facts.wanted.unwrap_or_else(|| voter_target(count(|one| one.alive))).max(1);
        let there = voter_target(count(|one| !one.lost)).max(all.min(FLOOR));
        let target = facts.wanted.unwrap_or(there).max(1);
        let voters: Vec<&Candidate> = facts.candidates.iter().filter(|one| one.voter).collect();
        let lost: Vec<&Candidate> = voters.iter().copied().filter(|one| one.lost).collect();
        let size = if voters.len() > target { target } else { voters.len().max(alive) };
        let needed = size.saturating_sub(voters.len() - lost.len());
        let new = chosen(facts, &voters, needed);
        Self { target, size, voters, lost, new }
    }

    /// How many more voters may be lost now, and behind a change by so many.
    fn bears(&self, dead: usize) -> isize {
        bears(awake(&self.voters), self.voters.len() + dead)
    }
}

fn awake(voters: &[&Candidate]) -> usize {
    voters.iter().filter(|one| one.alive).count()
}

fn change(kind: ConfChangeKind, id: RaftId) -> ConfChange {
    ConfChange { kind: kind.into(), node_id: id.get() }
}

fn could_vote(one: &&Candidate) -> bool {
    one.alive && !one.voter && !one.drained && one.works
}

/// How many of these are in a zone. Who names none is in nobody's.
fn in_zone(voters: &[&Candidate], zone: Option<usize>) -> usize {
    voters.iter().filter(|one| zone.is_some() && one.zone == zone).count()
}

/// So many hosts for a vote: where the fewest voters are, seeds before others, standbys before members.
fn chosen<'a>(facts: &'a Facts, voters: &[&'a Candidate], needed: usize) -> Vec<&'a Candidate> {
    let mut beside: Vec<&Candidate> = voters.iter().copied().filter(|one| !one.lost).collect();
    let mut spare: Vec<&Candidate> =
        facts.candidates.iter().filter(could_vote).filter(|one| one.approved).collect();
    let mut chosen = Vec::new();
    while chosen.len() < needed {
        let rank =
            |one: &&&Candidate| (in_zone(&beside, one.zone), !one.seed, !one.learner, one.id);
        let Some(best) = spare.iter().min_by_key(rank).copied() else { break };
        spare.retain(|one| one.id != best.id);
        beside.push(best);
        chosen.push(best);
    }
    chosen
}

/// A standby of a life that is over only costs.
fn no_member(facts: &Facts, _goal: &Goal<'_>) -> Option<Step> {
    let gone = *facts.dead_learners.first()?;
    Some((vec![change(ConfChangeKind::Remove, gone)], Why::NoMember(gone)))
}

/// There are too few voters, or some are over or lost, and there is somebody for their place.
fn promotes(facts: &Facts, goal: &Goal<'_>) -> Option<Step> {
    goal.new.first()?;
    let dead = &facts.dead_voters;
    if let Some(new) = goal.new.iter().find(|one| !one.learner) {
        let instead = dead.first().map(|it| it.id).or(goal.lost.first().map(|it| it.id));
        let why = Why::Prepares { new: new.id, instead };
        return Some((vec![change(ConfChangeKind::AddLearner, new.id)], why));
    }
    let ready: Vec<&Candidate> = goal.new.iter().copied().filter(|one| one.caught_up).collect();
    let size = goal.voters.len() + dead.len();
    let leave = dead.iter().map(|it| change(ConfChangeKind::Remove, it.id));
    // Who is lost stays a standby: should it come back, it only has to catch up.
    let lost = goal.lost.iter().map(|it| change(ConfChangeKind::AddLearner, it.id));
    let leaving: Vec<ConfChange> = leave.chain(lost).collect();
    let before = goal.bears(dead.len());
    for count in (1..=ready.len()).rev() {
        let out = leaving.len().min(count);
        let after = bears(awake(&goal.voters) + count, size + count - out);
        if after < 0 || after < before || !(after > before || out > 0 || size < FLOOR) {
            continue;
        }
        let come = ready.iter().take(count).map(|one| change(ConfChangeKind::AddVoter, one.id));
        let changes = come.chain(leaving.iter().take(out).copied()).collect();
        let why = match (dead.first(), goal.lost.first()) {
            (Some(dead), _) => Why::Succeeds(*dead),
            (None, Some(lost)) => Why::Replaces(lost.id),
            (None, None) => Why::TooFew { target: goal.size },
        };
        return Some((changes, why));
    }
    // What an operator asked for waits for nobody: the next removal waits for the end of this one.
    if dead.iter().any(|it| it.removed) {
        return None;
    }
    let late = goal.new.iter().find(|one| !one.caught_up);
    Some((Vec::new(), late.map_or(Why::AwaitsPair, |late| Why::CatchesUp(late.id))))
}

/// Nobody can be promoted now: a life that is over only dilutes the majority. But one that was taken out while it runs still helps to
/// commit, as long as the living are none without it.
fn takes_out(facts: &Facts, goal: &Goal<'_>) -> Option<Step> {
    let first = facts.dead_voters.first().filter(|_| !facts.paused);
    let gone = *facts.dead_voters.iter().find(|it| it.removed).or(first)?;
    let left = goal.voters.len() + facts.dead_voters.len() - 1;
    if bears(awake(&goal.voters), left) < 0 {
        return Some((Vec::new(), Why::Keeps(gone.id)));
    }
    Some((vec![change(ConfChangeKind::Remove, gone.id)], Why::Succeeds(gone)))
}

/// There are more voters than the hosts that are there need.
fn shrinks(_facts: &Facts, goal: &Goal<'_>) -> Option<Step> {
    let many = goal.voters.len().checked_sub(goal.size).filter(|many| *many > 0)?;
    let unsettled = goal.voters.iter().find(|one| !one.alive && !one.lost && !one.drained);
    if let Some(unsettled) = unsettled {
        return Some((Vec::new(), Why::Awaits(unsettled.id)));
    }
    let why = Why::TooMany { target: goal.size, lost: goal.lost.first().map(|it| it.id) };
    // A drained host keeps its vote, where that is not dearer than the vote of one that lives.
    [true, false].into_iter().find_map(|spares_drained| {
        let mut order = goal.voters.clone();
        order.sort_by_key(|one| {
            let gone = if spares_drained { one.drained } else { one.alive };
            let crowded = std::cmp::Reverse(in_zone(&goal.voters, one.zone));
            (!one.lost, one.leads, gone, crowded, one.seed, std::cmp::Reverse(one.id))
        });
        let (out, stay) = order.split_at(many);
        let after = bears(awake(stay), stay.len());
        let whole = stay.iter().all(|one| one.alive);
        let safe = after >= 0 && (whole || after >= goal.bears(0));
        let leave = |one: &&Candidate| change(ConfChangeKind::AddLearner, one.id);
        safe.then(|| (out.iter().map(leave).collect(), why))
    })
}

/// All is well but for one zone: without it there is no majority, and another zone has fewer voters by two and a host to spare. Neither who
/// leads nor who is drained gives up its vote for that.
fn spreads(facts: &Facts, goal: &Goal<'_>) -> Option<Step> {
    let (voters, size) = (&goal.voters, goal.voters.len());
    let whole = facts.dead_voters.is_empty() && voters.iter().all(|one| one.alive);
    if size < FLOOR || !whole {
        return None;
    }
    let held = |one: &&&Candidate| in_zone(voters, one.zone);
    let many = voters.iter().max_by_key(held).map(|one| in_zone(voters, one.zone))?;
    if bears(size - many, size) >= 0 {
        return None;
    }
    let could = |one: &&Candidate| {
        one.approved && one.zone.is_some() && in_zone(voters, one.zone) + 1 < many
    };
    let rank = |one: &&Candidate| (in_zone(voters, one.zone), !one.seed, !one.learner, one.id);
    let new = facts.candidates.iter().filter(could_vote).filter(could).min_by_key(rank)?;
    let crowded = voters.iter().filter(|one| in_zone(voters, one.zone) == many);
    let gives = crowded.filter(|one| !one.leads && !one.drained);
    let old = gives.min_by_key(|one| (one.seed, std::cmp::Reverse(one.id)))?;
    let why = Why::Spreads { from: old.id, to: new.id };
    if !new.learner {
        return Some((vec![change(ConfChangeKind::AddLearner, new.id)], why));
    }
    if !new.caught_up {
        return Some((Vec::new(), Why::CatchesUp(new.id)));
    }
    let swap = [(ConfChangeKind::AddVoter, new.id), (ConfChangeKind::AddLearner, old.id)];
    Some((swap.map(|(kind, id)| change(kind, id)).to_vec(), why))
}

/// Nothing is to be done; what would be, if something else were so.
fn idle(facts: &Facts, goal: &Goal<'_>) -> Why {
    let spare = || facts.candidates.iter().filter(could_vote);
    if let Some(lost) = goal.lost.first() {
        let unapproved = spare().any(|it| !it.approved);
        return Why::NoSuccessor { lost: lost.id, could: could(facts, unapproved) };
    }
    if let Some(gone) = goal.voters.iter().find(|one| !one.alive && !one.drained) {
        return Why::Awaits(gone.id);
    }
    match spare().find(|it| !it.approved) {
        Some(waits) if goal.voters.len() < goal.target => Why::Unapproved(waits.id),
        _ => Why::Settled,
    }
}

/// Of the hosts that are alive and have no vote; `unapproved`: one of them waits for an operator's word alone.
fn could(facts: &Facts, unapproved: bool) -> Could {
    let mut there = facts.candidates.iter().filter(|it| it.alive && !it.voter);
    let drained = there.clone().any(|it| it.drained);
    let broken = there.any(|it| !it.drained && !it.works);
    match (unapproved, drained, broken) {
        (true, _, _) => Could::Unapproved,
        (false, true, false) => Could::Drained,
        (false, false, true) => Could::Broken,
        (false, true, true) => Could::DrainedOrBroken,
        (false, false, false) => Could::Nobody,
    }
}

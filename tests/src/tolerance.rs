//! The checker of what changes of the voters do: how many voters may be lost never falls by one, unless the epoch says what an operator
//! asked for.
//!
//! Knows nothing of how the autopilot decides: it sees views, each behind the one before, and what they say for people.

use quorate_proto::{HealthView, Instance, Member, MemberState, Moment, Role};
use std::time::Duration;

/// A change of the voters says why from feature level 2 on. One that was proposed before, and is applied behind the raise, is so within
/// this.
const UNSAID: Duration = Duration::from_secs(2);

/// The view that was seen last.
#[derive(Debug, Default)]
pub(crate) struct Voters {
    last: HealthView,
    /// Since when a host runs the level at which changes say why.
    says_why_since: Option<Moment>,
}

impl Voters {
    /// A view that nobody showed before. Views that were passed over are part of the step.
    pub(crate) fn shown(&mut self, view: &HealthView, level: u32, now: Moment) {
        let before = std::mem::replace(&mut self.last, view.clone());
        if level >= 2 && self.says_why_since.is_none() {
            self.says_why_since = Some(now);
        }
        let says_why = self.says_why_since.is_some_and(|since| now.since(since) >= UNSAID);
        if !says_why || before.epoch.get() == 0 || view.epoch.get() == 0 {
            return;
        }
        // As it would be now, had the voters stayed who they were: a host that goes is no change of the voters.
        let stayed = |old: &&Member| find(view, old.instance).is_some();
        let removed = before.members.iter().any(|old| is_voter(old) && !stayed(&old));
        let were: Vec<&Member> = before
            .members
            .iter()
            .filter(|old| is_voter(old))
            .filter_map(|old| find(view, old.instance))
            .collect();
        let are: Vec<&Member> = view.members.iter().filter(|one| is_voter(one)).collect();
        let (old, new) = (bears(&were), bears(&are));
        let told = |one: &&Member| {
            let why = &one.role_reason;
            why.contains("`voters = ") || why.contains(" voters for ")
        };
        let gave_up = were.iter().filter(|one| !is_voter(one));
        let asked_for = removed || gave_up.clone().all(told);
        assert!(
            new >= old || asked_for,
            "fewer voters may be lost without a reason that is told: {old} before, {new} at epoch {}: {}",
            view.epoch,
            words(view)
        );
        let silent = gave_up.filter(|one| one.role_reason.is_empty());
        let silent: Vec<&str> = silent.map(|one| one.name.as_str()).collect();
        assert!(silent.is_empty(), "votes are lost without a reason: {silent:?}");
    }
}

fn find(view: &HealthView, life: Instance) -> Option<&Member> {
    view.members.iter().find(|member| member.instance == life)
}

fn is_voter(member: &Member) -> bool {
    member.role() == Role::Voter
}

/// How many of these voters may be lost, beyond those that are.
fn bears(voters: &[&Member]) -> isize {
    let awake = voters.iter().filter(|one| one.state() == MemberState::Alive).count();
    awake.cast_signed() - (voters.len() / 2 + 1).cast_signed()
}

fn words(view: &HealthView) -> String {
    let word = |one: &Member| {
        format!("{} {} {} ({})", one.name, one.state().word(), one.role().word(), one.role_reason)
    };
    view.members.iter().map(word).collect::<Vec<_>>().join(", ")
}

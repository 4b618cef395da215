//! What an operator asks of the cluster, as the leader judges it: whether it may be done now, and how.
//!
//! Invariant: nothing is done that would leave the cluster without a majority of living voters. Knows nothing of who asks, nor of how an
//! answer travels.

mod leading;
mod revoking;
mod shared;
mod standing;

use crate::groups::Group;
use crate::secrets::{Secrets, Wish};
use crate::sight::Sight;
use crate::stop;
use crate::warnings::Warnings;
use quorate_proto::{
    Act, CommandBody, FeatureLevel, Instance, Member, MemberState, RaftId, RaiseLevel, RefusalCode,
    Remove, RemoveHost, Role, act, nobody_named,
};

/// What becomes of an act.
#[derive(Debug, PartialEq)]
pub(crate) enum Judged {
    /// A command does it.
    Propose(CommandBody),
    /// It is so already.
    Done(String),
    /// Leadership goes to this voter, and that is all.
    HandOver { to: RaftId, name: String },
    /// Leadership goes to this voter first, who does the rest.
    HandOverFirst(RaftId),
    /// Another change is under way, which is told: it is judged again behind that.
    Later(String),
    /// It is not done.
    Refused(RefusalCode, String),
}

/// Judges an act, as leader.
pub(crate) fn judge(
    sight: &Sight<'_>,
    warnings: &Warnings,
    secrets: &Secrets,
    act: &Act,
) -> Judged {
    match &act.body {
        Some(act::Body::Remove(remove)) => judge_removal(sight, warnings, remove),
        Some(act::Body::Revoke(revoke)) => revoking::judge(sight, warnings, secrets, revoke),
        Some(act::Body::Transfer(transfer)) => leading::judge(sight, warnings, &transfer.to),
        Some(act::Body::RaiseFeatures(raise)) => judge_raise(sight, raise.level),
        Some(act::Body::Secret(change)) => match secrets.judge(sight, change) {
            Wish::Propose(body) => Judged::Propose(body),
            Wish::Done(text) => Judged::Done(text),
            Wish::NotNow(text) => not_now(text),
        },
        Some(act::Body::Drain(drain)) => standing::drain(sight, drain),
        Some(act::Body::Promote(promote)) => standing::promote(sight, &promote.name),
        Some(act::Body::Steer(steer)) => standing::steer(sight, steer),
        // The autopilot's report is given before anything is judged.
        Some(body) => shared::judge(sight, body),
        None => {
            let text = "the leader's version does not know what is asked; nothing was done. Upgrade the hosts";
            Judged::Refused(RefusalCode::Other, text.to_owned())
        }
    }
}

fn judge_removal(sight: &Sight<'_>, warnings: &Warnings, asked: &RemoveHost) -> Judged {
    match departing(sight, warnings, &asked.name, asked.instance) {
        Ok(member) => {
            let (instance, at_unix_ms) = (member.instance, sight.wall_ms);
            Judged::Propose(CommandBody::Remove(Remove { instance, at_unix_ms }))
        }
        Err(judged) => *judged,
    }
}

/// The member that may go for good now, or what is to be done instead. `meant`: the disk life that was shown to who asks.
fn departing<'a>(
    sight: &Sight<'a>,
    warnings: &Warnings,
    name: &str,
    meant: Option<Instance>,
) -> Result<&'a Member, Box<Judged>> {
    let member =
        member(sight, name).map_err(|text| Judged::Refused(RefusalCode::NotFound, text))?;
    if meant.is_some_and(|meant| meant != member.instance) {
        return Err(Box::new(not_now(format!(
            "the name {name} has come to another disk life since it was shown, so another host than the one that was meant would go. \
             Look at `quorate members` and ask again"
        ))));
    }
    if member.role() == Role::Voter
        && let Some(judged) = judge_lost_vote(sight, member)
    {
        return Err(Box::new(judged));
    }
    if member.instance == sight.config.instance {
        return Err(Box::new(match stop::successor(sight, warnings) {
            Some(successor) => Judged::HandOverFirst(successor),
            None => not_now(format!("{name} leads, and no other voter can take that over now")),
        }));
    }
    Ok(member)
}

/// What keeps a voter in the cluster for now, if anything does.
fn judge_lost_vote(sight: &Sight<'_>, voter: &Member) -> Option<Judged> {
    // A vote counts until the voters have changed, which takes those who are left.
    let changing = |group: &Group| group.replica().status().joint || group.replaced_voters() > 0;
    if sight.group.is_some_and(changing) {
        let text = "the vote of a host that was taken out or replaced before it still counts, until enough of the voters have agreed; \
                    `quorate why` says who is missing";
        return Some(Judged::Later(text.to_owned()));
    }
    let others = sight.health.view().members.iter().filter(|it| it.instance != voter.instance);
    let left: Vec<&Member> = others.filter(|it| it.role() == Role::Voter).collect();
    let awake = left.iter().filter(|it| it.state() == MemberState::Alive).count();
    if awake * 2 > left.len() {
        return None;
    }
    let name = &voter.name;
    Some(not_now(match left.is_empty() {
        true => format!(
            "{name} is the only voter: without it nothing could be written. To give the cluster up, stop quorate and run `quorate \
             reset --cluster {}` on its host",
            sight.config.cluster
        ),
        false => format!(
            "without {name}, {awake} of the {} voters that are left would be alive, and nothing could be written. Bring back, or remove \
             first: {}",
            left.len(),
            names(left.iter().filter(|it| it.state() != MemberState::Alive))
        ),
    }))
}

fn judge_raise(sight: &Sight<'_>, asked: u32) -> Judged {
    let Some(level) = sight.level() else {
        return Judged::Later("the leader to know what the cluster has agreed on".to_owned());
    };
    let reach = sight.reach();
    let to = if asked == 0 { reach.level } else { FeatureLevel::new(asked) };
    if to > sight.config.levels.highest() {
        let (name, software) = (&sight.config.name, &sight.config.software);
        return not_now(format!(
            "{name}, which leads, runs {software}, which does not know level {to}"
        ));
    }
    if to > reach.level {
        return not_now(format!("the cluster runs feature level {level}. {}", reach.why_not(to)));
    }
    if to > level {
        let raise = RaiseLevel { level: to.get(), at_unix_ms: sight.wall_ms };
        return Judged::Propose(CommandBody::RaiseLevel(raise));
    }
    not_now(match (asked, reach.behind.is_empty()) {
        (0, false) => format!(
            "the cluster runs feature level {level}, the highest that all members can run. {}",
            reach.why_not(sight.config.levels.highest())
        ),
        (0, true) => {
            let (name, software) = (&sight.config.name, &sight.config.software);
            format!(
                "the cluster runs feature level {level}, the highest that {name}, which leads, can run with {software}"
            )
        }
        _ => format!("the cluster runs feature level {level}, and a level is never taken back"),
    })
}

/// The member of a name, or who is not there.
fn member<'a>(sight: &Sight<'a>, name: &str) -> Result<&'a Member, String> {
    let members = &sight.health.view().members;
    let known = members.iter().find(|member| member.name == name);
    known.ok_or_else(|| nobody_named(name, members.iter().map(|member| member.name.as_str())))
}

fn not_now(text: String) -> Judged {
    Judged::Refused(RefusalCode::NotNow, format!("{text}; nothing was done"))
}

fn names<'a>(members: impl IntoIterator<Item = impl std::borrow::Borrow<&'a Member>>) -> String {
    let names: Vec<&str> = members.into_iter().map(|it| it.borrow().name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, life};
    use quorate_proto::TransferLeadership;

    fn judged(trial: &Trial, body: act::Body) -> Judged {
        judged_act(trial, &Act { body: Some(body) })
    }

    fn judged_act(trial: &Trial, act: &Act) -> Judged {
        judge(&trial.node.sight(), &Warnings::default(), &Secrets::default(), act)
    }

    fn remove(name: &str) -> act::Body {
        act::Body::Remove(RemoveHost { name: name.to_owned(), instance: None })
    }

    #[test]
    fn a_removal_that_means_one_disk_life_takes_no_other_of_its_name() {
        let trial = Trial::leading_alone();
        let meant = |number| {
            let instance = Some(life(number));
            judged(&trial, act::Body::Remove(RemoveHost { name: "n1".to_owned(), instance }))
        };
        let (code, text) = refusal(meant(9));
        assert!(code == RefusalCode::NotNow && text.contains("another disk life"), "{text}");
        let (_, text) = refusal(meant(1));
        assert!(text.contains("n1 is the only voter"), "{text}");
    }

    fn refusal(judged: Judged) -> (RefusalCode, String) {
        match judged {
            Judged::Refused(code, text) => (code, text),
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn the_only_voter_is_not_taken_out_and_hands_over_to_nobody() {
        let trial = Trial::leading_alone();
        let (code, text) = refusal(judged(&trial, remove("n1")));
        assert!(code == RefusalCode::NotNow && text.contains("n1 is the only voter"), "{text}");
        let transfer = |to: &str| act::Body::Transfer(TransferLeadership { to: to.to_owned() });
        let (code, text) = refusal(judged(&trial, transfer("")));
        assert!(code == RefusalCode::NotNow && text.contains("no other voter"), "{text}");
        let (code, text) = refusal(judged(&trial, transfer("n1")));
        assert!(code == RefusalCode::NotNow && text.contains("leads already"), "{text}");
    }

    #[test]
    fn a_name_that_nobody_has_is_refused_with_those_that_there_are() {
        let trial = Trial::leading_alone();
        let (code, text) = refusal(judged(&trial, remove("n9")));
        assert_eq!(code, RefusalCode::NotFound);
        assert_eq!(text, "no member is named `n9`; these are: n1");
        let (code, _) = refusal(judged_act(&trial, &Act::default()));
        assert_eq!(code, RefusalCode::Other, "what a later version asks");
    }
}

//! Who is to lead instead, as an operator asks: a host that is named, or whichever leads readily.
//!
//! Nobody is asked to lead who would hand leadership back at once. Knows nothing of how it is handed over.

use super::{Judged, member, names, not_now};
use crate::sight::Sight;
use crate::stop;
use crate::warnings::Warnings;
use quorate_proto::{Member, MemberState, RefusalCode, Role, raft_id};

pub(super) fn judge(sight: &Sight<'_>, warnings: &Warnings, to: &str) -> Judged {
    if to.is_empty() {
        let successor = stop::willing_successor(sight, warnings);
        let name = successor.and_then(|id| sight.group?.meta().member_by_raft(id));
        return match successor.zip(name) {
            Some((to, member)) => Judged::HandOver { to, name: member.name.clone() },
            None => not_now(nobody(sight)),
        };
    }
    let (member, group) = match (member(sight, to), sight.group) {
        (Ok(member), Some(group)) => (member, group),
        (Err(text), _) => return Judged::Refused(RefusalCode::NotFound, text),
        (_, None) => return not_now("the leader has changed; ask again".to_owned()),
    };
    match hindrance(sight, warnings, member) {
        Some(text) => not_now(text),
        None => Judged::HandOver {
            to: raft_id(group.cluster_id(), member.instance),
            name: to.to_owned(),
        },
    }
}

/// What keeps a host that is named from leading.
fn hindrance(sight: &Sight<'_>, warnings: &Warnings, member: &Member) -> Option<String> {
    let to = &member.name;
    if member.instance == sight.config.instance {
        return Some(format!("{to} leads already"));
    }
    if member.role() != Role::Voter {
        let voters = sight.health.view().members.iter().filter(|it| it.role() == Role::Voter);
        return Some(format!("{to} has no vote, so it cannot lead; these have: {}", names(voters)));
    }
    if member.is_drained() {
        return Some(format!(
            "{to} is drained, so it leads nothing while another host can; run `quorate undrain {to}` first"
        ));
    }
    if member.state() != MemberState::Alive || !sight.heard_of_late(member.instance) {
        return Some(format!("{to} is not heard, so it cannot lead now"));
    }
    if !warnings.has_working_disk(sight, member.instance) {
        return Some(format!(
            "the disk of {to} is full, or does not answer, so it would hand leadership back at once; `quorate why` says what helps"
        ));
    }
    let takes_it_back: Vec<&Member> = sight
        .health
        .view()
        .members
        .iter()
        .filter(|it| it.role() == Role::Voter && it.leads_readily())
        .filter(|it| sight.seems_alive(it.instance))
        .filter(|it| warnings.has_working_disk(sight, it.instance))
        .collect();
    let first = takes_it_back.first().filter(|_| member.is_witness())?;
    Some(format!(
        "{to} is a witness, and hands leadership over at once while another voter can lead: {}. To have it lead, drain those first, such as: \
         `quorate drain {}`",
        names(takes_it_back.iter().copied()),
        first.name
    ))
}

/// Why nobody is found who leads readily.
fn nobody(sight: &Sight<'_>) -> String {
    let witness = sight
        .other_members()
        .find(|it| it.role() == Role::Voter && it.is_witness() && sight.heard_of_late(it.instance));
    match witness {
        Some(it) => format!(
            "no other voter is alive and heard that leads readily, with a disk that works: {} is a witness, which leads only where no other voter can",
            it.name
        ),
        None => "no other voter is alive and heard that has a disk that works and is not drained"
            .to_owned(),
    }
}

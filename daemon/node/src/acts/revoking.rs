//! A host is to be revoked, as the leader judges it: all that a removal asks for, and a key that is not refused yet.
//!
//! Invariant: a word that is said twice is done once. A name that belongs to a member means that member, also where an earlier host of the
//! name was revoked.

use super::{Judged, departing, member, names, not_now};
use crate::secrets::Secrets;
use crate::sight::Sight;
use crate::warnings::Warnings;
use quorate_proto::{CommandBody, Member, Revocation, Revoke, RevokeHost};

pub(super) fn judge(
    sight: &Sight<'_>,
    warnings: &Warnings,
    secrets: &Secrets,
    asked: &RevokeHost,
) -> Judged {
    let meant = |one: &&Revocation| match asked.instance {
        Some(instance) => one.instance == instance,
        None => one.name == asked.name && member(sight, &asked.name).is_err(),
    };
    if let Some(done) = sight.health.view().revoked.iter().rfind(meant) {
        return Judged::Done(format!("revoked since epoch {}", done.epoch));
    }
    let member = match departing(sight, warnings, &asked.name, asked.instance) {
        Ok(member) => member,
        Err(judged) => return *judged,
    };
    if let Some(judged) = with_twins(&sight.health.view().members, member) {
        return judged;
    }
    Judged::Propose(CommandBody::Revoke(Revoke {
        instance: member.instance,
        at_unix_ms: sight.wall_ms,
        secrets: secrets.known_to(member.instance),
    }))
}

/// What is to be done first about others with the key of this member: they would go with it, and nobody has judged whether they may.
fn with_twins<'a>(all: impl IntoIterator<Item = &'a Member>, member: &Member) -> Option<Judged> {
    let is_twin = |one: &&Member| one.key == member.key && one.instance != member.instance;
    let twins: Vec<&Member> = all.into_iter().filter(is_twin).collect();
    let first = twins.first()?;
    Some(not_now(format!(
        "{} has the same key, as the data directory of one is a copy of the other's, and would be refused with {}. Take it out first: \
         `quorate remove {}`",
        names(&twins),
        member.name,
        first.name,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{key, life};
    use quorate_proto::RefusalCode;

    #[test]
    fn a_key_that_two_members_have_is_revoked_when_the_other_was_taken_out() {
        let member = |number, of| {
            let name = format!("n{number}");
            Member { instance: life(number), key: key(of), name, ..Member::default() }
        };
        let all = [member(1, 1), member(2, 2), member(3, 2)];
        match with_twins(&all, &all[1]) {
            Some(Judged::Refused(RefusalCode::NotNow, text)) => {
                assert!(
                    text.contains("n3 has the same key") && text.contains("`quorate remove n3`"),
                    "{text}"
                );
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(with_twins(&all, &all[0]), None, "nobody else has its key");
    }
}

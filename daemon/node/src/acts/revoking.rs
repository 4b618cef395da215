//! A host is to be revoked, as the leader judges it: all that a removal asks for, and a key that is not refused yet.
//!
//! Invariant: a word that is said twice is done once. A name that belongs to a member means that member, also where an earlier host of the
//! name was revoked.

use super::{Judged, departing, member};
use crate::secrets::Secrets;
use crate::sight::Sight;
use crate::warnings::Warnings;
use quorate_proto::{CommandBody, Revocation, Revoke, RevokeHost};

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
    match departing(sight, warnings, &asked.name, asked.instance) {
        Ok(member) => Judged::Propose(CommandBody::Revoke(Revoke {
            instance: member.instance,
            at_unix_ms: sight.wall_ms,
            secrets: secrets.known_to(member.instance),
        })),
        Err(judged) => *judged,
    }
}

//! Whether a host is ready for the next step of a change of the secret, and what it lacks.
//!
//! Invariant: the old secret is dropped only when every live host uses the new one on all of its links, by its own word, in this very
//! change.

use quorate_proto::{MemberState, SecretChange, SecretLackKind, SecretStep, SecretsHeld};
use std::time::Duration;

/// A change under which all hosts are ready takes a second; what lasts so long is worth a word to people.
pub(super) const LACK_SHOWN: Duration = Duration::from_secs(3);

/// What a host that said this lacks for the next step; for one that is away, for its return.
pub(super) fn lack_of(
    change: &SecretChange,
    state: MemberState,
    held: Option<&SecretsHeld>,
) -> Option<SecretLackKind> {
    let step = change.step();
    if matches!(step, SecretStep::None | SecretStep::GivenUp) {
        return None;
    }
    // The change is over: a live host has come back under what it has, whatever was changed by hand since.
    if step == SecretStep::Drop && state == MemberState::Alive {
        return None;
    }
    let Some(held) = held else { return Some(SecretLackKind::Silent) };
    if !held.accepts.contains(&change.to) {
        return Some(SecretLackKind::Accept);
    }
    if state != MemberState::Alive {
        return None;
    }
    let carried_out = held.version == change.version;
    match step {
        SecretStep::Use if !carried_out || held.uses != change.to => Some(SecretLackKind::Use),
        SecretStep::Accept if !carried_out => Some(SecretLackKind::Silent),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lack(
        step: SecretStep,
        state: MemberState,
        held: Option<SecretsHeld>,
    ) -> Option<SecretLackKind> {
        let change = SecretChange {
            version: 2,
            from: 1,
            to: 2,
            step: step.into(),
            ..SecretChange::default()
        };
        lack_of(&change, state, held.as_ref())
    }

    fn held(version: u64, accepts: &[u64], uses: u64) -> Option<SecretsHeld> {
        Some(SecretsHeld { version, accepts: accepts.to_vec(), uses, has_dropped: false })
    }

    #[test]
    fn a_live_host_is_ready_when_it_has_said_so_in_this_very_step() {
        use MemberState::Alive;
        use SecretLackKind::{Accept, Silent, Use};
        for (said, lacks) in [
            (None, Some(Silent)),
            (held(2, &[1], 1), Some(Accept)),
            (held(1, &[1, 2], 1), Some(Silent)),
            (held(2, &[1, 2], 1), None),
        ] {
            assert_eq!(lack(SecretStep::Accept, Alive, said.clone()), lacks, "{said:?}");
        }
        for (said, lacks) in [
            (None, Some(Silent)),
            (held(2, &[1], 1), Some(Accept)),
            (held(1, &[1, 2], 2), Some(Use)),
            (held(2, &[1, 2], 0), Some(Use)),
            (held(2, &[1, 2], 1), Some(Use)),
            (held(2, &[2, 1], 2), None),
        ] {
            assert_eq!(lack(SecretStep::Use, Alive, said.clone()), lacks, "{said:?}");
        }
        assert_eq!(lack(SecretStep::GivenUp, Alive, None), None);
        // It was changed once more, by hand: nothing waits for the line of the time before.
        assert_eq!(lack(SecretStep::Drop, Alive, held(2, &[3], 3)), None);
        assert_eq!(
            lack(SecretStep::Drop, Alive, None),
            None,
            "it came since, or was not heard yet"
        );
    }

    #[test]
    fn a_host_that_is_away_is_named_until_it_is_known_to_have_the_new_secret() {
        use MemberState::Down;
        for step in [SecretStep::Accept, SecretStep::Use, SecretStep::Drop] {
            assert_eq!(lack(step, Down, None), Some(SecretLackKind::Silent));
            assert_eq!(lack(step, Down, held(1, &[1], 1)), Some(SecretLackKind::Accept));
            assert_eq!(lack(step, Down, held(1, &[1, 2], 1)), None, "it comes back with both");
        }
    }
}

//! A host that is not ready for the change of the cluster's secret: in words, with what helps.

use crate::{Fingerprint, SecretLackKind};

/// What it lacks.
pub(super) fn lacking(name: &str, away: bool, kind: SecretLackKind, to: Fingerprint) -> String {
    match (away, kind) {
        (true, SecretLackKind::Silent) => format!(
            "{name} is away, and was not heard since the leader of now leads: unless it has the new secret {to} already, it will be refused"
        ),
        (true, _) => format!(
            "{name} is away, and went with the old secret alone, without the new one {to}: with that it will be refused"
        ),
        (false, SecretLackKind::Silent) => format!(
            "{name} has not said that it accepts the new secret {to}; the change of the secret waits for that"
        ),
        (false, SecretLackKind::Accept) => format!(
            "{name} does not accept the new secret {to}; the change of the secret waits for that"
        ),
        (false, SecretLackKind::Use) => format!(
            "{name} does not use the new secret {to} on all of its links yet; the change of the secret waits for that"
        ),
    }
}

/// What helps.
pub(super) fn lacking_remedy(name: &str, away: bool, kind: SecretLackKind) -> String {
    if away {
        return format!(
            "before {name} comes back: copy the secret file of a host that has the new one to it; if it never comes back: `quorate remove {name}`"
        );
    }
    match kind {
        SecretLackKind::Silent => format!(
            "none for some seconds; then see whether the leader reaches {name} (`quorate ping {name}`), and whether it runs this version \
             (`quorate members --wide`)"
        ),
        SecretLackKind::Accept => format!(
            "put the line of the new secret into the secret file on {name}, below the old one, and there: `systemctl reload quorate`; or give \
             the change up: `quorate secret rotate --cancel`"
        ),
        SecretLackKind::Use => format!(
            "none for some seconds; then see on {name} which link cannot be made anew: `quorate status --links`"
        ),
    }
}

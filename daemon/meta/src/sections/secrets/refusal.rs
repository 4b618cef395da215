//! Why a change of the secret did not take a step. Knows nothing of the change.

/// Why a step was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretRefusal {
    /// Another change is under way, or has come further.
    #[error(
        "the change of the secret has taken another step meanwhile; `quorate secret rotate --status` shows which"
    )]
    Overtaken,
    /// It was in use before, and was given up for a reason.
    #[error("this secret was dropped from the cluster before; `quorate secret new` makes another")]
    Dropped,
    /// It is the same one.
    #[error("old and new secret are the same")]
    Same,
}

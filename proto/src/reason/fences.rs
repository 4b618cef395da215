//! What keeps a fence from ending what a host uses that is gone, in words.

use super::{Cause, ReasonCode};

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum FenceCause {
    /// It was run for a grant, and failed so often in a row; `ended`: how, the last time.
    Fails { hook: String, guards: String, failures: u32, ended: String },
    /// A file of a hook is refused: `problem` names it. If it is a fence, none is run.
    Refused { problem: String },
}

impl Cause for FenceCause {
    fn code(&self) -> ReasonCode {
        match self {
            Self::Fails { .. } => ReasonCode::FenceFails,
            Self::Refused { .. } => ReasonCode::HookFile,
        }
    }

    fn subject(&self) -> Option<String> {
        match self {
            Self::Fails { hook, .. } => Some(hook.clone()),
            Self::Refused { .. } => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Fails { hook, guards, failures, ended } => format!(
                "{hook}, a hook of this host ({guards}), has failed {failures} times in a row: {ended}"
            ),
            Self::Refused { problem } => format!("a hook of this host is not run: {problem}"),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Fails { .. } => "`quorate hooks status` on this host shows what it said; mend that, and it is run again by itself. \
                 Sooner: end what the lost host uses by hand, and say so, as `quorate budget list` or `quorate assign list` tells"
                .to_owned(),
            Self::Refused { .. } => {
                "mend the file (`quorate hooks check`), then `systemctl restart quorate-hooks` on this host".to_owned()
            }
        }
    }
}

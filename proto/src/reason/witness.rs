//! A witness that leads, in words: what keeps each of the other voters from leading.

use super::{Cause, ReasonCode, list};

/// What keeps a voter from leading in place of a witness, as one node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// It is committed as gone.
    Gone,
    /// It is committed as gone, and heard again: it counts once it has stayed up.
    HeldDown,
    /// The witness does not hear it.
    Unheard,
    /// An operator drained it.
    Drained,
    /// Its disk is full or silent.
    Disk,
    /// It does not have the whole log yet.
    Behind,
    /// It is asked to lead, or what keeps it from that is not known on this host.
    Unknown,
}

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum WitnessCause {
    /// It leads for longer than a handover takes. `others`: the other voters that are no witnesses.
    Leads { name: String, others: Vec<(String, Hindrance)> },
}

impl Hindrance {
    fn text(self, name: &str, witness: &str) -> String {
        match self {
            Self::Gone => format!("{name} is gone"),
            Self::HeldDown => {
                format!(
                    "{name} was gone, is heard again, and has not stayed up for long enough yet"
                )
            }
            Self::Unheard => format!("{witness} does not hear {name}"),
            Self::Drained => format!("{name} is drained"),
            Self::Disk => format!("the disk of {name} is full or does not answer"),
            Self::Behind => format!("{name} does not have the whole log yet"),
            Self::Unknown => format!("what keeps {name} from it, {witness} alone knows"),
        }
    }

    fn remedy(self, name: &str, witness: &str) -> String {
        match self {
            Self::Gone => format!("on {name}: `systemctl start quorate`"),
            Self::HeldDown => format!(
                "for {name}: none, it counts again once it stays up; if this lasts for more than a minute: `quorate ping {name}`"
            ),
            Self::Unheard => format!("on {witness}: `quorate ping {name}`"),
            Self::Drained => {
                format!("when the work on {name} is done: `quorate undrain {name}`")
            }
            Self::Disk => {
                format!("on {name}: look at the disk under `data_dir` (`df -h`, `dmesg`)")
            }
            Self::Behind => format!("for {name}: none, it catches up by itself"),
            Self::Unknown => format!("on {witness}: `quorate why`"),
        }
    }
}

impl Cause for WitnessCause {
    fn code(&self) -> ReasonCode {
        let Self::Leads { .. } = self;
        ReasonCode::WitnessLeads
    }

    fn subject(&self) -> Option<String> {
        let Self::Leads { name, .. } = self;
        Some(name.clone())
    }

    fn text(&self) -> String {
        let Self::Leads { name, others } = self;
        if others.is_empty() {
            return format!("{name}, a witness, leads: there is no voter that is none");
        }
        let why: Vec<String> = others.iter().map(|(other, it)| it.text(other, name)).collect();
        format!("{name}, a witness, leads, because no other voter can: {}", list(&why))
    }

    fn remedy(&self) -> String {
        let Self::Leads { name, others } = self;
        if others.is_empty() {
            return "add a host that is no witness: the same quorate.toml and secret, without `role` in its host.toml"
                .to_owned();
        }
        let steps: Vec<String> = others.iter().map(|(other, it)| it.remedy(other, name)).collect();
        steps.join("; ")
    }
}

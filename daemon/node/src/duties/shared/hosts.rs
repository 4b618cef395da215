//! The hosts among which something is shared, as they are committed. Knows nothing of what is granted to them.

use crate::sight::Sight;
use quorate_proto::{Generation, Instance, Member, MemberState};

/// Name of the label by which a host says its weight.
const WEIGHT: &str = "weight";

/// A host that hears of what it is granted: it is alive. One that is drained or out of scope has no weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) instance: Instance,
    pub(crate) generation: Generation,
    pub(crate) name: String,
    pub(crate) weight: u64,
}

impl Host {
    /// A member that is alive; `in_scope`: it shares.
    pub(crate) fn of(member: &Member, in_scope: bool) -> Self {
        let said = member.labels.iter().find(|label| label.name == WEIGHT);
        let weight = said.map_or(Some(1), |label| label.value.parse::<u32>().ok());
        let shares = in_scope && !member.is_drained();
        Self {
            instance: member.instance,
            generation: member.generation,
            name: member.name.clone(),
            weight: if shares { u64::from(weight.unwrap_or(1)) } else { 0 },
        }
    }
}

/// Whether a host is committed as alive, with this start if one is named.
pub(crate) fn is_there(
    sight: &Sight<'_>,
    instance: Instance,
    generation: Option<Generation>,
) -> bool {
    let member = sight.health.member(instance).filter(|it| it.state() == MemberState::Alive);
    member.is_some_and(|member| generation.is_none_or(|it| it == member.generation))
}

//! The hosts among which something is shared, as they are committed. Knows nothing of what is granted to them.

use crate::sight::Sight;
use quorate_proto::{Generation, Instance, Member, MemberState};
use std::time::Duration;

/// Name of the label by which a host says its weight.
const WEIGHT: &str = "weight";
/// And of that by which it says its zone.
const ZONE: &str = "zone";

/// So often a leader looks whether it hears a host again that was cut off from it.
pub(crate) const LISTEN: Duration = Duration::from_secs(1);

/// A host that was counted as there and did not renew, until that start asks. Of one that this leader did not hear then, it is enough that it
/// hears it again: a host that is not granted anything has nothing to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unheard {
    pub(crate) generation: Generation,
    pub(crate) cut_off: bool,
}

/// A host that hears of what it is granted: it is alive. One that is drained, a witness or out of scope has no weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) instance: Instance,
    pub(crate) generation: Generation,
    pub(crate) name: String,
    pub(crate) weight: u64,
    /// Empty when it names none.
    pub(crate) zone: String,
    /// Where other nodes reach it; empty when nobody knows.
    pub(crate) address: String,
}

impl Host {
    /// A member that is alive; `in_scope`: it shares.
    pub(crate) fn of(member: &Member, in_scope: bool) -> Self {
        let label = |name: &str| member.labels.iter().find(|label| label.name == name);
        let weight = label(WEIGHT).map_or(Some(1), |label| label.value.parse::<u32>().ok());
        let zone = label(ZONE).map(|label| label.value.clone());
        let address = member.address.as_ref().and_then(quorate_proto::Address::socket);
        let shares = in_scope && !member.is_drained() && !member.is_witness();
        Self {
            instance: member.instance,
            generation: member.generation,
            name: member.name.clone(),
            weight: if shares { u64::from(weight.unwrap_or(1)) } else { 0 },
            zone: zone.unwrap_or_default(),
            address: address.map(|it| it.to_string()).unwrap_or_default(),
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

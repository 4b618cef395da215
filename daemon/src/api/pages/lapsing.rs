//! What hosts hold that are gone: nobody else can have it before it has lapsed, or its use was ended from outside.
//!
//! Whose grant it is comes from quorate's own keys, who is gone from the view of health that this node knows. Knows nothing of when it lapses.

use super::{AssignmentPage, BudgetPage};
use quorate_proto::{Address, HealthView, Member, MemberState};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// A grant of a host that is gone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LapsingPage {
    pub(crate) host: String,
    pub(crate) instance: String,
    /// `down`: it does not answer; `left`: it said goodbye; `removed`: it is no member any more.
    pub(crate) state: String,
    /// Where other nodes reached it; null where nobody knows.
    pub(crate) address: Option<SocketAddr>,
    /// Of the grant.
    pub(crate) number: u64,
    /// Of a budget: so much of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) amount: Option<u64>,
    /// Of an assignment: which item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) item: Option<String>,
}

impl LapsingPage {
    /// None of a host that is alive.
    fn of(host: &str, instance: &str, number: u64, view: &HealthView) -> Option<Self> {
        let is_it = |member: &&Member| member.instance.to_string() == instance;
        let member = view.members.iter().find(is_it);
        let state = match member.map(Member::state) {
            Some(MemberState::Alive) => return None,
            Some(state) => state.word(),
            None => "removed",
        };
        let address = member.and_then(|it| it.address.as_ref()).and_then(Address::socket);
        let [host, instance, state] = [host, instance, state].map(str::to_owned);
        Some(Self { host, instance, state, address, number, amount: None, item: None })
    }
}

impl BudgetPage {
    /// Notes which of its grants are of hosts that are gone.
    pub(crate) fn note_lapsing(&mut self, view: &HealthView) {
        let lapsing = self.grants.iter().filter_map(|grant| {
            let page = LapsingPage::of(&grant.host, &grant.instance, grant.number, view)?;
            Some(LapsingPage { amount: Some(grant.counted), ..page })
        });
        self.lapsing = lapsing.collect();
    }
}

impl AssignmentPage {
    /// Notes which of its items are with hosts that are gone.
    pub(crate) fn note_lapsing(&mut self, view: &HealthView) {
        let held = self.items.iter().filter(|item| item.number > 0);
        let lapsing = held.filter_map(|item| {
            let page = LapsingPage::of(&item.host, &item.instance, item.number, view)?;
            Some(LapsingPage { item: Some(item.item.clone()), ..page })
        });
        self.lapsing = lapsing.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{GrantPage, ItemPage};
    use super::*;
    use quorate_proto::Instance;

    fn life(number: u8) -> Instance {
        Instance::from_bytes([number; 16])
    }

    fn view() -> HealthView {
        let member = |number: u8, state: MemberState| Member {
            name: format!("n{number}"),
            instance: life(number),
            state: state.into(),
            ..Member::default()
        };
        let members = [
            member(1, MemberState::Alive),
            member(2, MemberState::Down),
            member(3, MemberState::Left),
        ];
        HealthView { members: members.into(), ..HealthView::default() }
    }

    #[test]
    fn what_hosts_hold_that_are_gone_is_named_with_their_state() {
        let grant = |number: u8| GrantPage {
            host: format!("n{number}"),
            instance: life(number).to_string(),
            counted: 10,
            number: u64::from(number),
            ..GrantPage::default()
        };
        let mut page = BudgetPage { grants: (1..5).map(grant).collect(), ..BudgetPage::default() };
        page.note_lapsing(&view());
        let states: Vec<_> = page.lapsing.iter().map(|it| (it.number, it.state.as_str())).collect();
        assert_eq!(states, [(2, "down"), (3, "left"), (4, "removed")]);
        assert!(page.lapsing.iter().all(|it| it.amount == Some(10) && it.item.is_none()));
        let item = |number: u8| ItemPage {
            item: number.to_string(),
            instance: life(number).to_string(),
            number: u64::from(number),
            ..ItemPage::default()
        };
        let free = ItemPage { item: "9".to_owned(), ..ItemPage::default() };
        let items = vec![item(1), item(2), free];
        let mut page = AssignmentPage { items, ..AssignmentPage::default() };
        page.note_lapsing(&view());
        assert_eq!(page.lapsing.len(), 1);
        assert_eq!(page.lapsing[0].item.as_deref(), Some("2"));
    }
}

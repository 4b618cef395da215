//! Notes in the pages of budgets and assignments what hosts hold that are gone.
//!
//! Whose grant it is comes from quorate's own keys, who is gone from the view of health that this node knows. Knows nothing of when it lapses.

use super::pages::{AssignmentPage, BudgetPage, LapsingPage};
use quorate_proto::{Address, HealthView, Member, MemberState};

/// None of a host that is alive.
fn lapsing(host: &str, instance: &str, number: u64, view: &HealthView) -> Option<LapsingPage> {
    let is_it = |member: &&Member| member.instance.to_string() == instance;
    let member = view.members.iter().find(is_it);
    let state = match member.map(Member::state) {
        Some(MemberState::Alive) => return None,
        Some(state) => state.word(),
        None => "removed",
    };
    let address = member.and_then(|it| it.address.as_ref()).and_then(Address::socket);
    let since_epoch = member.map_or(0, |member| member.since_epoch.get());
    let [host, instance, state] = [host, instance, state].map(str::to_owned);
    let (amount, item) = (None, None);
    Some(LapsingPage { host, instance, state, since_epoch, address, number, amount, item })
}

/// Notes which grants of a budget are of hosts that are gone.
pub(super) fn note_grants(page: &mut BudgetPage, view: &HealthView) {
    let gone = page.grants.iter().filter_map(|grant| {
        let one = lapsing(&grant.host, &grant.instance, grant.number, view)?;
        Some(LapsingPage { amount: Some(grant.counted), ..one })
    });
    page.lapsing = gone.collect();
    page.classes.iter_mut().for_each(|class| note_grants(class, view));
}

/// Notes which items of an assignment are with hosts that are gone.
pub(super) fn note_items(page: &mut AssignmentPage, view: &HealthView) {
    let held = page.items.iter().filter(|item| item.number > 0);
    let gone = held.filter_map(|item| {
        let one = lapsing(&item.host, &item.instance, item.number, view)?;
        Some(LapsingPage { item: Some(item.item.clone()), ..one })
    });
    page.lapsing = gone.collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::pages::{GrantPage, ItemPage};
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
        note_grants(&mut page, &view());
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
        note_items(&mut page, &view());
        assert_eq!(page.lapsing.len(), 1);
        assert_eq!(page.lapsing[0].item.as_deref(), Some("2"));
    }
}

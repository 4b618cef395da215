//! Which host founds, what is named as lost, and when there is no plan.

use super::*;
use crate::api::tests::sample;
use quorate_node::State;
use quorate_proto::{ClusterId, Generation, Instance};

const GENESIS: u8 = 7;

fn id(number: u8) -> u64 {
    raft_id(ClusterId::from_bytes([GENESIS; 16]), Instance::from_bytes([number; 16])).get()
}

/// What host `a`, `b`, ... holds, of so many voters.
fn holding(number: u8, voters: u8, (last_term, last): (u64, u64), revision: u64) -> Holding {
    Holding {
        name: String::from(char::from(b'a' + number - 1)),
        instance: Instance::from_bytes([number; 16]),
        generation: Generation::new(1),
        role: Role::Voter.into(),
        term: last_term,
        commit: last,
        last,
        last_term,
        applied: last,
        revision,
        acknowledged: revision,
        voters: (1..=voters).map(id).collect(),
        ..Holding::default()
    }
}

fn plan(holdings: Vec<Holding>) -> Result<RecoveryPage, String> {
    let mut status = sample(State::NoQuorum);
    status.cluster_id = Some(ClusterId::from_bytes([GENESIS; 16]));
    RecoveryPage::of(&status, holdings).map(|planned| planned.page)
}

#[test]
fn who_has_no_copy_and_is_no_member_has_no_part_in_a_plan() {
    let mut removed = holding(4, 5, (0, 0), 0);
    removed.role = Role::Member.into();
    let page = plan(vec![holding(1, 5, (2, 9), 5), removed]).expect("a plan");
    let survivors: Vec<&str> = page.survivors.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(survivors, ["a"], "a host that was taken out does not come back by it");
}

#[test]
fn the_host_whose_last_entry_is_of_the_latest_term_founds_and_then_the_longest_log() {
    let five = |holdings| plan(holdings).expect("a plan");
    let page = five(vec![holding(1, 5, (3, 90), 80), holding(2, 5, (4, 70), 60)]);
    assert_eq!((page.founder.as_str(), page.loss.kept), ("b", 60));
    let page = five(vec![holding(1, 5, (4, 90), 80), holding(2, 5, (4, 70), 60)]);
    assert_eq!(page.founder, "a");
    let mut standby = holding(1, 5, (4, 90), 80);
    standby.role = Role::Standby.into();
    let page = five(vec![standby, holding(2, 5, (4, 90), 80)]);
    assert_eq!(page.founder, "b", "of two that hold the same the one with a vote");
    let mut member = holding(3, 5, (0, 0), 0);
    member.role = Role::Member.into();
    assert!(plan(vec![member]).unwrap_err().contains("copy of the state"));
}

#[test]
fn nothing_is_lost_where_every_majority_has_a_survivor_in_it_and_else_that_is_not_said() {
    let of_four = plan(vec![holding(1, 4, (2, 9), 5), holding(2, 4, (2, 9), 5)]).expect("a plan");
    assert!(of_four.loss.nothing, "{:?}", of_four.loss);
    assert_eq!(of_four.loss.acknowledged, None);
    let mut open = [holding(1, 4, (2, 10), 5), holding(2, 4, (2, 9), 5)];
    open[0].applied = 9;
    let loss = plan(open.to_vec()).expect("a plan").loss;
    assert!(!loss.nothing && loss.text.contains("voters may have changed"), "{loss:?}");
    let of_three = plan(vec![holding(1, 3, (2, 9), 5)]).expect("a plan");
    assert!(!of_three.loss.nothing && of_three.loss.text.contains("b, c"), "{:?}", of_three.loss);
    assert_eq!(of_three.missing_voters, ["b", "c"]);
}

#[test]
fn a_revision_that_a_survivor_has_acknowledged_and_the_best_does_not_have_is_named() {
    let mut door = holding(3, 5, (0, 0), 0);
    door.role = Role::Member.into();
    door.acknowledged = 8_815;
    let page = plan(vec![holding(1, 5, (2, 9), 8_811), door]).expect("a plan");
    assert_eq!((page.loss.kept, page.loss.acknowledged), (8_811, Some(8_815)));
    assert!(page.loss.text.starts_with("Revisions 8812-8815 were acknowledged and may be lost"));
    let mut open = holding(1, 5, (2, 12), 8_811);
    open.applied = 9;
    let page = plan(vec![open]).expect("a plan");
    assert!(page.loss.text.ends_with("3 more entries of its log, of which it is not known whether they were acknowledged, are kept too."));
}

#[test]
fn there_is_no_plan_while_a_majority_is_there_also_in_the_middle_of_a_change_of_voters() {
    let two = || vec![holding(1, 3, (2, 9), 5), holding(2, 3, (2, 9), 5)];
    let refused = plan(two()).unwrap_err();
    assert!(refused.contains("2 of 3 voters can be reached"), "{refused}");
    let mut quorate = holding(1, 3, (2, 9), 5);
    quorate.quorate = true;
    assert!(plan(vec![quorate]).unwrap_err().contains("knows a leader with a majority"));
    let mut joint = two();
    joint[0].voters_outgoing = vec![id(1), id(8), id(9)];
    joint[0].last = 10;
    let page = plan(joint).expect("of those before, one of three is there");
    assert_eq!(page.missing_voters.len(), 3, "{page:?}");
}

#[test]
fn a_plan_is_the_same_on_every_host_and_names_what_has_moved_since() {
    let holdings = || vec![holding(2, 5, (2, 9), 5), holding(1, 5, (2, 9), 5)];
    let page = plan(holdings()).expect("a plan");
    let mut turned = holdings();
    turned.reverse();
    assert_eq!(plan(turned).expect("a plan"), page);
    let text = serde_json::to_string(&page).unwrap();
    let read: RecoveryPage = serde_json::from_str(&text).unwrap();
    assert_eq!(read.moved(&page), None);
    let mut later = holdings();
    later[0].generation = Generation::new(2);
    let moved = page.moved(&plan(later).expect("a plan"));
    assert_eq!(moved.as_deref(), Some("b holds something else now"));
    let fewer = plan(vec![holding(1, 5, (2, 9), 5)]).expect("a plan");
    assert_eq!(page.moved(&fewer).as_deref(), Some("b answered then, and does not now"));
    assert_eq!(fewer.moved(&page).as_deref(), Some("b answers now, and did not then"));
    let forged = RecoveryPage { founder: "b".to_owned(), ..page.clone() };
    assert!(forged.moved(&page).is_some());
}

#[test]
fn of_hosts_of_one_name_one_founds_and_it_is_named_which_has_moved() {
    let localhosts = || {
        let [mut one, mut other] = [holding(1, 5, (2, 9), 5), holding(2, 5, (2, 9), 5)];
        one.name = "localhost".to_owned();
        other.name = "localhost".to_owned();
        vec![one, other]
    };
    let mut status = sample(State::NoQuorum);
    status.cluster_id = Some(ClusterId::from_bytes([GENESIS; 16]));
    let planned = RecoveryPage::of(&status, localhosts()).expect("a plan");
    let founders = planned.holdings.iter().filter(|one| one.instance == planned.founder);
    assert_eq!(founders.count(), 1);
    let mut turned = localhosts();
    turned.reverse();
    assert_eq!(plan(turned).expect("a plan"), planned.page, "the same on both");
    let mut later = localhosts();
    later[1].generation = Generation::new(2);
    let moved = planned.page.moved(&plan(later).expect("a plan"));
    assert_eq!(moved.as_deref(), Some("localhost holds something else now"));
}

#[test]
fn it_is_never_said_that_nothing_is_lost_where_two_copies_differ() {
    let mut two = vec![holding(1, 4, (2, 9), 5), holding(2, 4, (2, 9), 5)];
    two[1].state_hash = 8;
    let loss = plan(two).expect("a plan").loss;
    assert!(!loss.nothing, "{loss:?}");
    assert!(loss.text.contains("a and b have applied the same entries and have different states"));
}

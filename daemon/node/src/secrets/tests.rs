//! One leader, or one member, and what others say of their secrets.

use super::*;
use crate::event::Input;
use crate::trial::{Trial, life};
use quorate_proto::{ClusterId, EnvelopeBody, HealthEpoch, HealthView, Lane, SecretLackKind};

fn held(version: u64, accepts: &[u64], uses: u64) -> SecretsHeld {
    SecretsHeld { version, accepts: accepts.to_vec(), uses, has_dropped: false }
}

fn change(version: u64, step: SecretStep) -> SecretChange {
    SecretChange { version, from: 1, to: 2, step: step.into(), ..SecretChange::default() }
}

fn ping(trial: &Trial, term: u64, secrets: Option<SecretNews>) -> EnvelopeBody {
    let cluster_id: ClusterId = trial.cluster_id();
    let (leader, epoch) = (Some(life(2)), HealthEpoch::new(1));
    EnvelopeBody::Ping(Ping {
        number: 3,
        cluster_id,
        term,
        leader,
        epoch,
        secrets,
        ..Ping::default()
    })
}

#[test]
fn a_member_carries_out_what_its_leader_tells_and_takes_a_made_up_number_back() {
    let mut trial = Trial::member_under_2(5);
    let mut told = |version, step| {
        let news = SecretNews { change: change(version, step), ..SecretNews::default() };
        let body = ping(&trial, 5, Some(news));
        let out = trial.hears(2, Lane::Control, body);
        let steps: Vec<u64> = out
            .iter()
            .filter_map(|it| if let Output::Secrets(it) = it { Some(it.version) } else { None })
            .collect();
        steps
    };
    assert_eq!(told(u64::MAX, SecretStep::Drop), [u64::MAX]);
    assert_eq!(told(1, SecretStep::Accept), [1], "the leader's word of now counts");
    assert_eq!(told(1, SecretStep::Accept), [0; 0], "it is known");
}

#[test]
fn who_is_not_ready_is_named_after_a_while_and_no_more_when_the_leader_is_silent_about_it() {
    let mut trial = Trial::member_under_2(5);
    let lacking = vec![SecretLack { instance: life(3), kind: SecretLackKind::Accept.into() }];
    let change = change(1, SecretStep::Accept);
    let news = SecretNews { change, lacking, ..SecretNews::default() };
    let body = ping(&trial, 5, Some(news.clone()));
    trial.hears(2, Lane::Control, body);
    let named = |trial: &Trial| {
        let reasons = trial.node.status(trial.now).reasons;
        let about =
            reasons.into_iter().find(|it| it.code == quorate_proto::ReasonCode::SecretLacking);
        about.and_then(|reason| reason.subject)
    };
    assert_eq!(named(&trial), None, "a change takes a moment");
    trial.pass(LACK_SHOWN);
    assert_eq!(named(&trial).as_deref(), Some("n3"));
    assert_eq!(trial.node.status(trial.now).secrets.lacking.len(), 1);
    let body = ping(&trial, 5, None);
    trial.hears(2, Lane::Control, body);
    assert_eq!(named(&trial), None);
}

#[test]
fn a_change_begins_only_to_a_secret_that_is_neither_in_use_nor_dropped() {
    let mut trial = Trial::leading_alone();
    trial.turn([Input::SecretsHeld(held(0, &[1, 2], 1))]);
    let judged = |trial: &Trial, to| {
        trial
            .node
            .secrets
            .judge(&trial.node.sight(), &ChangeSecret { to, give_up: false, named: false })
    };
    let Wish::Propose(CommandBody::Secret(step)) = judged(&trial, 2) else { panic!("refused") };
    assert_eq!((step.from, step.to, step.step()), (1, 2, SecretStep::Accept));
    let Wish::NotNow(text) = judged(&trial, 1) else { panic!("taken") };
    assert!(text.contains("is in use already"), "{text}");
    trial.node.secrets.change =
        Arc::new(SecretChange { dropped: vec![3, 1], ..change(3, SecretStep::Drop) });
    let Wish::NotNow(text) = judged(&trial, 3) else { panic!("taken") };
    assert!(text.contains("dropped from this cluster"), "{text}");
    let give_up = ChangeSecret { to: 0, give_up: true, named: false };
    let Wish::NotNow(text) = trial.node.secrets.judge(&trial.node.sight(), &give_up) else {
        panic!("given up")
    };
    assert!(text.contains("no change of the secret is under way"), "{text}");
}

#[test]
fn a_change_that_went_through_by_itself_is_told_as_done_to_who_asks_for_it_late() {
    let mut trial = Trial::leading_alone();
    trial.turn([Input::SecretsHeld(held(3, &[2], 2))]);
    trial.node.secrets.change =
        Arc::new(SecretChange { dropped: vec![1], ..change(3, SecretStep::Drop) });
    for to in [2, 1] {
        let act = ChangeSecret { to, give_up: false, named: false };
        let Wish::Done(text) = trial.node.secrets.judge(&trial.node.sight(), &act) else {
            panic!("{to} is refused")
        };
        assert!(text.contains("is over: the old secret is dropped"), "{text}");
    }
    let back = ChangeSecret { to: 1, give_up: false, named: true };
    let Wish::NotNow(text) = trial.node.secrets.judge(&trial.node.sight(), &back) else {
        panic!("who names the secret that was dropped is told that it is in use")
    };
    assert!(text.contains("was dropped from this cluster before"), "{text}");
}

#[test]
fn a_host_that_has_not_said_which_secrets_it_has_lets_no_change_begin() {
    let trial = Trial::leading_alone();
    let act = ChangeSecret { to: 2, give_up: false, named: false };
    let Wish::NotNow(text) = trial.node.secrets.judge(&trial.node.sight(), &act) else {
        panic!("taken")
    };
    assert!(text.contains("have not said which secrets they have: n1"), "{text}");
}

#[test]
fn a_leader_alone_takes_its_steps_as_its_own_shell_follows() {
    let mut trial = Trial::leading_alone();
    trial.turn([Input::SecretsHeld(held(0, &[1, 2], 1))]);
    let request = crate::client::ClientRequest::Act(quorate_proto::Act {
        body: Some(quorate_proto::act::Body::Secret(ChangeSecret {
            to: 2,
            give_up: false,
            named: false,
        })),
    });
    let deadline = trial.now + PATIENCE;
    trial.turn([Input::Client { ticket: 900, deadline, request }]);
    let settled = |trial: &mut Trial| {
        for _ in 0..4 {
            trial.durable();
        }
        trial.pass(Duration::from_secs(1));
        for _ in 0..4 {
            trial.durable();
        }
        trial.node.secrets.change.step()
    };
    assert_eq!(settled(&mut trial), SecretStep::Accept, "its shell has not said that it follows");
    trial.turn([Input::SecretsHeld(held(1, &[1, 2], 1))]);
    assert_eq!(settled(&mut trial), SecretStep::Use);
    trial.turn([Input::SecretsHeld(held(2, &[2, 1], 0))]);
    assert_eq!(settled(&mut trial), SecretStep::Use, "links stand under the old one");
    trial.turn([Input::SecretsHeld(held(2, &[2, 1], 2))]);
    assert_eq!(settled(&mut trial), SecretStep::Drop);
}

/// A leader of three, of whom the third is gone since an epoch; what it names as lacking after a round of pings.
fn named(secrets: &mut Secrets, gone_since: u64) -> Vec<Instance> {
    let trial = Trial::leading_alone();
    let mut view = HealthView::clone(trial.node.health.view());
    let gone = Member {
        name: "n3".to_owned(),
        instance: life(3),
        state: MemberState::Down.into(),
        since_epoch: HealthEpoch::new(gone_since),
        ..Member::default()
    };
    view.members.push(gone);
    let health = crate::health::Health::showing(view);
    let sight = Sight { health: &health, ..trial.node.sight() };
    let mut turn = Turn::new(trial.now, 0);
    drop(secrets.load(&sight, &mut turn));
    secrets.lacking.iter().map(|lack| lack.instance).filter(|it| *it == life(3)).collect()
}

fn over(epoch: u64) -> Secrets {
    let change = SecretChange { epoch, ..change(3, SecretStep::Drop) };
    Secrets { change: Arc::new(change), held: held(3, &[2], 2), ..Secrets::default() }
}

#[test]
fn the_next_leader_goes_on_with_what_the_one_before_knew_of_who_is_away() {
    let mut secrets = over(0);
    assert_eq!(named(&mut secrets, 7), [life(3)], "nobody knows what it has");
    secrets.prepared = vec![life(3)];
    secrets.begin();
    assert_eq!(named(&mut secrets, 7), []);
    assert_eq!(secrets.prepared, [life(3)], "and tells the one behind it");
    secrets.said.insert(life(3), (1, held(3, &[1], 1)));
    assert_eq!(named(&mut secrets, 7), [life(3)], "its own word counts more");
}

#[test]
fn who_went_after_the_old_secret_was_dropped_had_the_new_one() {
    assert_eq!(named(&mut over(5), 7), []);
    assert_eq!(named(&mut over(7), 7), [life(3)], "it went before");
    assert_eq!(named(&mut over(9), 7), [life(3)]);
}

#[test]
fn hosts_with_a_dropped_secret_in_their_files_are_told_until_it_is_removed() {
    let trial = Trial::leading_alone();
    let mut secrets = over(0);
    secrets.held.has_dropped = true;
    let mut turn = Turn::new(trial.now, 0);
    drop(secrets.load(&trial.node.sight(), &mut turn));
    assert_eq!(secrets.status(&trial.node.sight()).leftover, ["n1"]);
    secrets.held.has_dropped = false;
    drop(secrets.load(&trial.node.sight(), &mut turn));
    assert!(secrets.status(&trial.node.sight()).leftover.is_empty());
}

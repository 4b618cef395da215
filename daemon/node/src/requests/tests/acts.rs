//! An act whose answer was lost: what says how something is to be is asked of the next leader, anything else is of unknown fate.

use super::{answered, refusal};
use crate::client::{ClientReply, ClientRequest};
use crate::event::Input;
use crate::trial::{PATIENCE, Trial, forwards, key, life, reply};
use quorate_proto::{
    Act, Acted, Assignment, DrainHost, ForwardAnswer, Generation, RefusalCode, RemoveHost,
    SetAssignment, act, forward_answer,
};
use std::time::Duration;

/// The leader dies while an act is with it; the next one leads. The member that asked, the client, and what is asked of the next leader.
fn asked_while_the_leader_dies(act: act::Body) -> (Trial, u64, Vec<u64>, Option<RefusalCode>) {
    let mut trial = Trial::member_under_2(5);
    let (ticket, deadline) = (7, trial.now + PATIENCE);
    let request = ClientRequest::Act(Act { body: Some(act) });
    let out = trial.turn([Input::Client { ticket, deadline, request }]);
    assert_eq!(forwards(&out).len(), 1, "asked once, of {out:?}");
    let (instance, generation) = (life(2), Generation::new(1));
    let mut out =
        trial.turn([Input::Farewell { instance, generation, boot_nonce: 2, key: key(2) }]);
    out.extend(trial.hears_leader(3, 6));
    out.extend(trial.pass(Duration::from_secs(1)));
    let asks = forwards(&out).into_iter().filter(|(to, ..)| *to == life(3)).map(|(_, ask, _)| ask);
    (trial, ticket, asks.collect(), refusal(&out, ticket))
}

#[test]
fn an_act_that_says_how_something_is_to_be_is_asked_of_the_next_leader_where_one_dies_with_it() {
    let assignment = Assignment { name: "p".to_owned(), count: 5, ..Assignment::default() };
    let set = act::Body::SetAssignment(SetAssignment { assignment });
    let drain = act::Body::Drain(DrainHost { name: "n1".to_owned(), ..DrainHost::default() });
    for body in [set, drain] {
        let (mut trial, client, asks, refused) = asked_while_the_leader_dies(body.clone());
        assert_eq!((asks.len(), refused), (1, None), "{body:?}");
        let outcome = Some(forward_answer::Outcome::Acted(Acted::default()));
        let out = trial.turn([answered(asks[0], ForwardAnswer { outcome })]);
        assert!(matches!(reply(&out, client), Some(ClientReply::Acted(_))), "{out:?}");
    }
}

#[test]
fn an_act_that_is_asked_again_and_has_no_answer_is_of_unknown_fate() {
    let drain = act::Body::Drain(DrainHost { name: "n1".to_owned(), ..DrainHost::default() });
    let (mut trial, client, ..) = asked_while_the_leader_dies(drain);
    let out = trial.pass(PATIENCE);
    assert_eq!(refusal(&out, client), Some(RefusalCode::FateUnknown));
}

#[test]
fn an_act_that_done_twice_is_not_as_done_once_is_not_asked_again() {
    let remove = act::Body::Remove(RemoveHost { name: "n4".to_owned(), instance: None });
    let (_, _, asks, refused) = asked_while_the_leader_dies(remove);
    assert_eq!((asks.len(), refused), (0, Some(RefusalCode::FateUnknown)));
}

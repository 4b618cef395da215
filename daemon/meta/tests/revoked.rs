//! Hosts that are revoked: their keys stay out under every name and instance, in every later state.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod support;

use quorate_meta::{AdmitRefusal, AppliedResult, Meta, RemoveRefusal, RevokeRefusal};
use quorate_proto::*;
use support::*;

fn admit(name: &str, life: u8, key: u8) -> Admit {
    Admit {
        name: name.into(),
        instance: instance(life),
        generation: Generation::new(1),
        key: NodeKey::from_bytes([key; 32]),
        ..Admit::default()
    }
}

fn let_in(replica: &mut Replica, admit: Admit) -> Result<HealthEpoch, AdmitRefusal> {
    match replica.apply(CommandBody::Admit(admit)).result {
        AppliedResult::Admitted(result) => result,
        other => panic!("{other:?}"),
    }
}

fn revoke(replica: &mut Replica, life: u8) -> Result<HealthEpoch, RevokeRefusal> {
    let revoke = Revoke { instance: instance(life), at_unix_ms: 9, secrets: vec![1, 2, 3] };
    match replica.apply(CommandBody::Revoke(revoke)).result {
        AppliedResult::Revoked(result) => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_revoked_host_is_taken_out_and_comes_in_under_no_name_and_no_instance() {
    let mut replica = Replica::new();
    assert_eq!(revoke(&mut replica, 3), Ok(HealthEpoch::new(2)));
    let view = replica.meta.view();
    let names: Vec<&str> = view.members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, ["n1", "n2"]);
    let [revoked] = &view.revoked[..] else { panic!("one: {:?}", view.revoked) };
    assert_eq!((revoked.name.as_str(), revoked.epoch.get()), ("n3", 2));
    assert_eq!(revoked.secrets, [1, 2], "no more than a host accepts");
    for (name, life, key) in [("n3", 3, 3), ("n3", 8, 3), ("other", 8, 3), ("other", 3, 8)] {
        let refused = let_in(&mut replica, admit(name, life, key));
        assert_eq!(refused, Err(AdmitRefusal::Revoked), "{name} {life} {key}");
    }
    let_in(&mut replica, admit("n3", 8, 8)).expect("a new disk with a new key is a new host");
    let again = revoke(&mut replica, 3);
    assert_eq!(again, Err(RemoveRefusal::NotMember.into()), "it is done once");
    assert!(replica.meta.was_removed(raft_id(replica.meta.cluster_id().unwrap(), instance(3))));
}

#[test]
fn the_key_is_shown_under_meta_and_comes_back_from_a_snapshot() {
    let mut replica = Replica::new();
    revoke(&mut replica, 3).unwrap();
    let key = format!("__meta/revoked/{}", instance(3));
    let range = RangeRequest { key: key.into(), ..RangeRequest::default() };
    let request = KvRequest { request: Some(kv_request::Request::Range(range)) };
    let Some(kv_response::Response::Range(found)) = replica.meta.read(&request).unwrap().response
    else {
        panic!("a range")
    };
    let value = String::from_utf8(found.kvs[0].value.to_vec()).unwrap();
    assert!(value.contains("\"name\":\"n3\"") && value.contains("\"epoch\":2"), "{value}");
    let mut restored = Replica::new();
    restored.meta = Meta::restore(replica.meta.chunks()).unwrap();
    assert!(restored.meta == replica.meta);
    assert_eq!(let_in(&mut restored, admit("n9", 9, 3)), Err(AdmitRefusal::Revoked));
}

#[test]
fn who_has_a_copy_of_the_key_goes_with_it_and_the_last_member_stays() {
    let mut replica = Replica::new();
    let_in(&mut replica, admit("n4", 4, 3)).unwrap();
    revoke(&mut replica, 3).unwrap();
    assert_eq!(replica.meta.view().members.len(), 2, "n4 came with the key of n3");
    assert!(Meta::restore(replica.meta.chunks()).unwrap() == replica.meta);
    revoke(&mut replica, 2).unwrap();
    assert_eq!(revoke(&mut replica, 1), Err(RemoveRefusal::Last.into()));
    let_in(&mut replica, admit("n5", 5, 1)).unwrap();
    assert_eq!(revoke(&mut replica, 5), Err(RemoveRefusal::Last.into()), "both have one key");
}

#[test]
fn a_full_list_forgets_nobody_and_revokes_nobody() {
    let mut replica = Replica::new();
    for number in 0..limits::REVOKED {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        let key = NodeKey::from_bytes(bytes);
        let life = Instance::from_bytes(bytes[..16].try_into().unwrap());
        let come = Admit { instance: life, key, ..admit("x", 0, 0) };
        let_in(&mut replica, come).unwrap();
        let revoke = Revoke { instance: life, ..Revoke::default() };
        let result = replica.apply(CommandBody::Revoke(revoke)).result;
        assert!(matches!(result, AppliedResult::Revoked(Ok(_))), "{result:?}");
    }
    assert_eq!(revoke(&mut replica, 3), Err(RevokeRefusal::Full));
    assert_eq!(replica.meta.view().members.len(), 3);
    assert!(Meta::restore(replica.meta.chunks()).unwrap() == replica.meta);
}

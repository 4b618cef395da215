//! From a state to the start of a founder.

use super::*;
use quorate_proto::{ClusterName, Command, CommandBody, Generation, Instance};
use quorate_proto::{FoundingRecord, KvRequest, PutRequest, Revision, kv_request};

fn earlier(cluster: &ClusterName) -> Meta {
    let voter = FounderVoter {
        instance: Instance::from_bytes([1; 16]),
        name: "n1".into(),
        ..FounderVoter::default()
    };
    let record = FoundingRecord {
        cluster: cluster.to_string(),
        voters: vec![voter],
        slots: 1,
        ..FoundingRecord::default()
    };
    let mut meta =
        Meta::from_founding(&FoundingCertificate { record, ..FoundingCertificate::default() });
    let put = PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() };
    let request = KvRequest { request: Some(kv_request::Request::Put(put)) };
    meta.apply(2, &Command::to_entry(0, CommandBody::Kv(request))).expect("a command");
    meta
}

#[test]
fn a_founder_begins_with_the_earlier_state_as_the_only_voter_of_a_new_cluster() {
    let host = tempfile::tempdir().expect("a directory");
    let (root, birth) = (host.path().join("data"), host.path().join("birth"));
    let cluster = ClusterName::new("prod").expect("valid");
    let before = disk::open(&root, &birth, &cluster).expect("opened");
    let state = earlier(&cluster);
    let identity = Identity::random(&cluster).expect("random");
    let name = NodeName::new("n1").expect("valid");
    let founder = Founder { identity: &identity, name: &name, address: None };
    let lineage = Lineage { from: state.cluster_id().expect("known"), plan: 7 };
    let founded = certificate(lineage, &founder);
    prepare_founder(&root, &identity, &founded, &state).expect("prepared");
    drop(before);
    let opened = disk::open(&root, &birth, &cluster).expect("in place");
    assert_eq!(opened.dir.generation(), Generation::new(1));
    assert_eq!(opened.founding.founded, Some(founded.clone()));
    let restore =
        |pieces: disk::Pieces<'_>| Meta::restore(pieces).map_err(|error| error.to_string());
    let group = disk::recover(&opened.dir, &opened.founding, restore).expect("whole").group;
    let (metadata, meta) = group.expect("a replica").snapshot.expect("its state");
    assert_eq!((metadata.index, metadata.term), (3, 1));
    assert_eq!(metadata.conf_state.voters, [founded.record.raft_ids()[0].get()]);
    assert!(meta.revision() > Revision::new(2_000_000_000));
    assert_eq!(meta.keys(), 1);
}

#[test]
fn nothing_is_prepared_from_a_state_that_does_not_allow_it() {
    let host = tempfile::tempdir().expect("a directory");
    let cluster = ClusterName::new("prod").expect("valid");
    let identity = Identity::random(&cluster).expect("random");
    let name = NodeName::new("n1").expect("valid");
    let founder = Founder { identity: &identity, name: &name, address: None };
    let founded = certificate(Lineage::default(), &founder);
    let refused = prepare_founder(host.path(), &identity, &founded, &Meta::empty());
    assert!(matches!(refused, Err(FoundAnewError::State(AnewError::Empty))));
    assert_eq!(std::fs::read_dir(host.path()).expect("listed").count(), 0);
}

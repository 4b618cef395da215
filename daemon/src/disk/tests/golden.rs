//! A data directory of each released format, in `tests/golden/disk`: today's code reads it, and writes the same bytes again where there is
//! one way to write them.
//!
//! What is there is never changed: such directories are on hosts. `REWRITE=1` makes the one of today's format if it is missing; a new
//! format gets a directory of its own, under the next number.

use super::super::life::identity::{
    Identity, generation_from_file, generation_to_file, running_from_file, running_to_file,
};
use super::super::life::reached::{self, LogPlace, Reached};
use super::super::life::{founding_file, marker};
use super::super::snapshots::file::{Owner, SnapshotReader};
use super::super::snapshots::{keeper, names};
use super::*;
use bytes::Bytes;
use quorate_consensus::log_codec::SegmentHead;
use quorate_meta::Meta;
use quorate_proto::{
    Command, CommandBody, FounderVoter, FoundingCertificate, FoundingRecord, FoundingState,
    KvRequest, NodeName, PutRequest, RaiseLevel, kv_request,
};
use std::os::unix::fs::PermissionsExt as _;

/// Everything that was applied in the state of the snapshot.
const APPLIED: u64 = 4;
/// The last entry of the log.
const LAST: u64 = 6;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/disk/1")
}

fn command(body: CommandBody) -> Bytes {
    Command::to_entry(7, body)
}

fn put(key: &str) -> Bytes {
    let (key, value) = (Bytes::copy_from_slice(key.as_bytes()), "value".into());
    let put = PutRequest { key, value, ..PutRequest::default() };
    command(CommandBody::Kv(KvRequest { request: Some(kv_request::Request::Put(put)) }))
}

fn log() -> Vec<Entry> {
    let raise = command(CommandBody::RaiseLevel(RaiseLevel { level: 2, at_unix_ms: 5 }));
    let commands = [put("a"), raise, put("b"), put("c"), put("d")];
    let entry = |(index, data)| Entry { index, term: 2, data, ..Entry::default() };
    (2..).zip(commands).map(entry).collect()
}

/// A host with a file of each kind.
fn make() -> Host {
    let host = Host::new();
    let opened = host.open().expect("created");
    let instance = opened.dir.identity().instance;
    opened.dir.known_name().note(&NodeName::new("n1").expect("valid")).expect("noted");
    opened.dir.note_running(&host.running(), 77).expect("noted");
    let voter = FounderVoter { instance, name: "n1".into(), ..FounderVoter::default() };
    let record = FoundingRecord {
        cluster: "prod".into(),
        voters: vec![voter],
        slots: 1,
        ..FoundingRecord::default()
    };
    let founded = FoundingCertificate { record, ..FoundingCertificate::default() };
    let cluster_id = founded.record.cluster_id();
    let mut founding = FoundingState::fresh(instance, &cluster("prod"));
    founding.founded = Some(founded.clone());
    founding_file::write(&Machine, &host.life(), &founding).expect("written");
    marker::write(&Machine, &host.birth(), &cluster("prod"), cluster_id).expect("written");
    drop(opened);
    let mut recovered = host.recover().expect("empty");
    append(&mut recovered, &[birth(), vec![LogRecord::Entries(log()), hard_state(2, 1, LAST)]]);
    drop(recovered);
    let mut meta = Meta::from_founding(&founded);
    for entry in log().iter().filter(|entry| entry.index <= APPLIED) {
        meta.apply(entry.index, &entry.data).expect("a command");
    }
    let owner = Owner { instance, cluster_id };
    let directory = names::directory(&host.life());
    keeper::keep(&directory, owner, GroupId::META, &at(APPLIED, 2), meta.chunks()).expect("kept");
    let (generation, end) = (quorate_proto::Generation::new(2), LogPlace::default());
    let noted = Reached { instance, generation, end };
    reached::write(&Machine, &host.birth(), &cluster("prod"), &noted).expect("written");
    host
}

/// A copy of the golden directory that may be opened; where it is not kept yet, one that was made just now.
fn host() -> Host {
    if !golden().exists() {
        let made = make();
        if std::env::var_os("REWRITE").is_none() {
            return made;
        }
        for name in ["data", "birth"] {
            copy(&made.dir.path().join(name), &golden().join(name));
        }
        std::fs::copy(made.running(), golden().join("running")).expect("copied");
        let _ = std::fs::remove_file(golden().join("data/LOCK"));
    }
    let host = Host::new();
    copy(&golden().join("data"), &host.root());
    copy(&golden().join("birth"), &host.birth());
    std::fs::copy(golden().join("running"), host.running()).expect("copied");
    close_to_others(host.dir.path());
    host
}

fn close_to_others(directory: &Path) {
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("its mode");
    };
    mode(directory, 0o700);
    for entry in std::fs::read_dir(directory).expect("listed") {
        let path = entry.expect("listed").path();
        match path.is_dir() {
            true => close_to_others(&path),
            false => mode(&path, 0o600),
        }
    }
}

#[test]
fn a_data_directory_of_each_released_format_is_read() {
    let host = host();
    let opened = host.open().expect("it can be opened");
    let founded = opened.founding.founded.clone().expect("founded");
    assert_eq!(opened.marker, Some(founded.record.cluster_id()));
    let name = |name: &str| opened.dir.check_name(&NodeName::new(name).expect("valid"));
    assert!(name("n1").is_ok() && name("n2").is_err());
    assert_eq!(opened.dir.reached().map(|it| it.generation.get()), Some(2));
    let recovered =
        recover_with(&opened.dir, &opened.founding, SMALL, Arc::new(Machine), |chunks| {
            Meta::restore(chunks).map_err(|error| error.to_string())
        });
    let group = recovered.expect("it can be read").group.expect("a replica");
    let (metadata, mut meta) = group.snapshot.expect("a snapshot");
    assert_eq!((metadata.index, metadata.term), (APPLIED, 2));
    assert_eq!((group.hard_state.term, group.hard_state.commit), (2, LAST));
    assert_eq!(group.entries, log().split_off(3));
    // Applied from the beginning, the log gives the state that the snapshot has, and goes on alike.
    let mut twin = Meta::from_founding(&founded);
    for entry in log() {
        twin.apply(entry.index, &entry.data).expect("a command");
        if entry.index == APPLIED {
            assert!(twin == meta, "the snapshot is the state of its entry");
        }
    }
    for entry in &group.entries {
        meta.apply(entry.index, &entry.data).expect("a command");
    }
    assert_eq!((meta.state_hash(), meta.level().get()), (twin.state_hash(), 2));
}

#[test]
fn what_is_read_of_a_released_format_is_written_as_it_was() {
    let host = host();
    let read = |path: &Path| std::fs::read(path).expect("there");
    let life = |name: &str| read(&host.life().join(name));
    let identity = Identity::from_file(&life("identity")).expect("an identity");
    assert_eq!(identity.to_file(), life("identity"));
    let (instance, generation) = generation_from_file(&life("generation")).expect("a generation");
    assert_eq!(generation_to_file(instance, generation), life("generation"));
    let founding = FoundingState::from_file(&life("founding")).expect("a founding state");
    assert_eq!(founding.to_file(), life("founding"));
    let (instance, generation, nonce) = running_from_file(&read(&host.running())).expect("a start");
    assert_eq!(running_to_file(instance, generation, nonce), read(&host.running()));
    let birth = |name: &str| read(&host.birth().join(name));
    let (marked, noted) = (birth("prod"), birth("prod.reached"));
    let cluster_id = founding.known_cluster().expect("founded");
    marker::write(&Machine, &host.birth(), &cluster("prod"), cluster_id).expect("written");
    let reached = reached::read(&host.birth(), &cluster("prod"), instance);
    let reached = reached.expect("read").expect("noted");
    reached::write(&Machine, &host.birth(), &cluster("prod"), &reached).expect("written");
    assert_eq!((birth("prod"), birth("prod.reached")), (marked, noted));
    let segment = life("log/log-00000000000000000001");
    let head = SegmentHead::decode(&segment).expect("a segment");
    assert_eq!(head.encode()[..], segment[..head.encode().len()]);
    let directory = names::directory(&host.life());
    let snapshot = names::list(&directory).expect("listed")[0].path.clone();
    let content = read(&snapshot);
    let reader = SnapshotReader::open(&snapshot).expect("a snapshot");
    let (owner, metadata) = (reader.owner, reader.metadata.clone());
    let mut reader = reader;
    let meta = Meta::restore(&mut reader).expect("a state");
    std::fs::remove_file(&snapshot).expect("removed");
    keeper::keep(&directory, owner, GroupId::META, &metadata, meta.chunks()).expect("kept");
    assert_eq!(read(&snapshot), content);
}

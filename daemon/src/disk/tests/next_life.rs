//! A life that comes in place of another: a kill at each step leaves the one that was here, or the next one, and never loses either.

use super::super::life::{founding_file, marker, next};
use super::*;
use bytes::Bytes;
use quorate_proto::{FounderVoter, FoundingCertificate, FoundingState, Lineage};

pub(super) fn certificate(identity: &Identity) -> FoundingCertificate {
    let founder =
        FounderVoter { instance: identity.instance, name: "n1".into(), ..FounderVoter::default() };
    FoundingCertificate::anew(&cluster("prod"), Lineage { from: cluster_id(3), plan: 7 }, founder)
}

pub(super) fn identity() -> Identity {
    Identity::random(&cluster("prod")).expect("random")
}

/// Prepares a founder with this state.
pub(super) fn prepare(
    host: &Host,
    identity: &Identity,
    state: &'static [u8],
) -> Result<(), DiskError> {
    let founded = certificate(identity);
    let state = FirstState {
        metadata: at(40, 1),
        chunks: Box::new(std::iter::once(Bytes::from_static(state))),
    };
    let next = NextLife { identity, founded: &founded, state: Some(state) };
    prepare_life(&host.root(), next)
}

/// A host that was in the cluster with the id of threes, and has a log.
pub(super) fn member() -> Host {
    let host = Host::new();
    let mut log = host.recover().expect("empty");
    append(&mut log, &[birth(), vec![entries(2, 9, 1)]]);
    drop(log);
    let opened = host.open().expect("opened");
    let founding = FoundingState { exists: Some(cluster_id(3)), ..opened.founding.clone() };
    drop(opened);
    founding_file::write(&files::Machine, &host.life(), &founding).expect("written");
    marker::write(&files::Machine, &host.birth(), &cluster("prod"), cluster_id(3))
        .expect("written");
    host
}

pub(super) fn kept(host: &Host) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(host.root()).expect("listed");
    let paths = listed.map(|entry| entry.expect("listed").path());
    paths.filter(|path| path.to_string_lossy().contains("life.set-aside-")).collect()
}

/// The host is the founder now, and has all that it had before beside that.
pub(super) fn check_founder(host: &Host, identity: &Identity, what: &str) {
    let opened = host.open().expect(what);
    assert_eq!(opened.dir.identity().instance, identity.instance, "{what}");
    let id = certificate(identity).record.cluster_id();
    assert_eq!((opened.marker, opened.founding.known_cluster()), (Some(id), Some(id)), "{what}");
    let recovered = recover(&opened).expect(what);
    let group = recovered.group.expect("a replica");
    assert_eq!((group.hard_state.commit, group.reset), (40, (40, 1)), "{what}");
    assert_eq!(group.snapshot.expect("its state").1, b"state", "{what}");
    let [before] = &kept(host)[..] else { panic!("{what}: the life before is not kept once") };
    assert!(before.join("identity").exists() && before.join("log").exists(), "{what}");
}

#[test]
fn the_next_life_is_put_in_place_at_a_start_and_the_one_before_is_kept_beside_it() {
    let (host, identity) = (member(), identity());
    let held = host.open().expect("held");
    prepare(&host, &identity, b"state").expect("prepared");
    drop(held);
    check_founder(&host, &identity, "the next start");
    let opened = host.open().expect("opened again");
    assert_eq!(opened.dir.generation().get(), 2, "its first start was its first generation");
}

#[test]
fn a_kill_at_each_step_of_putting_a_life_in_place_is_made_good_by_the_next_start() {
    for steps in 0..3 {
        let (host, identity) = (member(), identity());
        prepare(&host, &identity, b"state").expect("prepared");
        if steps >= 1 {
            let aside = host.root().join("life.set-aside-00000000");
            std::fs::rename(host.life(), aside).expect("renamed");
        }
        if steps >= 2 {
            let id = certificate(&identity).record.cluster_id();
            marker::write(&files::Machine, &host.birth(), &cluster("prod"), id).expect("written");
        }
        check_founder(&host, &identity, &format!("killed after {steps} steps"));
    }
}

#[test]
fn a_life_that_was_not_prepared_whole_never_counts_and_the_one_that_is_here_stays() {
    let (host, identity) = (member(), identity());
    let before = host.open().expect("opened").dir.identity().instance;
    prepare(&host, &identity, b"state").expect("prepared");
    let whole = host.root().join(next::NEXT);
    let unfinished = host.root().join(next::NEXT_ASIDE);
    std::fs::rename(&whole, &unfinished).expect("killed before it had its name");
    let opened = host.open().expect("opened");
    assert_eq!(opened.dir.identity().instance, before);
    assert!(!unfinished.exists() && kept(&host).is_empty());
    assert_eq!(indexes(&recover(&opened).expect("whole")), [2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_next_life_that_was_damaged_is_refused_by_name_and_the_one_that_is_here_stays_in_place() {
    let (host, identity) = (member(), identity());
    prepare(&host, &identity, b"state").expect("prepared");
    std::fs::write(host.root().join("life.next/founding"), b"x").expect("damaged");
    let refusal = host.open().expect_err("damaged").to_string();
    assert!(refusal.contains("life.next/founding"), "{refusal}");
    assert!(refusal.contains("`quorate reset --prepared --cluster prod`"), "{refusal}");
    assert!(host.life().join("identity").exists() && kept(&host).is_empty());
    let prepared = prepare(&host, &identity, b"state").expect_err("one waits").to_string();
    assert!(prepared.contains("prepare a new disk life"), "{prepared}");
}

#[test]
fn a_host_without_data_begins_with_the_life_that_was_prepared_for_it() {
    let (host, identity) = (Host::new(), identity());
    std::fs::create_dir_all(host.root()).expect("created");
    prepare(&host, &identity, b"state").expect("prepared");
    let opened = host.open().expect("opened");
    assert_eq!(opened.dir.identity().instance, identity.instance);
    assert!(!opened.fresh && kept(&host).is_empty());
}

#[test]
fn what_was_set_aside_is_in_nobodys_way_and_a_reset_leaves_it() {
    let (host, identity) = (member(), identity());
    prepare(&host, &identity, b"state").expect("prepared");
    drop(host.open().expect("in place"));
    reset(&host.root(), &host.birth(), &cluster("prod"), "prod", false).expect("cleared");
    assert_eq!(kept(&host).len(), 1);
    assert!(host.open().expect("a new life").fresh);
}

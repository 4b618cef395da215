//! The data directory, the founding state, the marker, and `reset`.

use super::super::life::reset::ResetError;
use super::super::life::{founding_file, marker};
use super::*;
use quorate_proto::{Ballot, FoundingState, NodeName};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_life_keeps_its_identity_and_never_repeats_a_generation() {
    let host = Host::new();
    let first = host.open().expect("created");
    assert!(first.fresh);
    let identity = first.dir.identity().clone();
    assert_eq!(first.dir.generation().get(), 1);
    drop(first);
    let second = host.open().expect("opened");
    assert!(!second.fresh);
    assert_eq!(*second.dir.identity(), identity);
    assert_eq!(second.dir.generation().get(), 2);
    assert_eq!(second.founding, FoundingState::fresh(identity.instance, &cluster("prod")));
}

#[test]
fn a_second_daemon_is_refused_and_told_who_holds_the_directory() {
    let host = Host::new();
    let _held = host.open().expect("created");
    let refusal = host.open().expect_err("held").to_string();
    assert!(refusal.contains(&format!("pid {}", std::process::id())), "{refusal}");
    assert!(matches!(read_ended(&host.root(), &host.running()), Err(DiskError::Locked { .. })));
    let reset = reset(&host.root(), &host.birth(), &cluster("prod"), "prod", false);
    assert!(matches!(reset, Err(ResetError::Disk(DiskError::Locked { .. }))));
}

#[test]
fn every_file_of_a_life_that_is_cut_changed_emptied_or_missing_at_any_byte_is_never_fresh() {
    let host = Host::new();
    drop(host.open().expect("created"));
    for name in ["identity", "generation", "founding"] {
        let file = host.life().join(name);
        let content = std::fs::read(&file).expect("there");
        let check = |what: String| {
            let refusal = host.open().expect_err(&what).to_string();
            assert!(
                refusal.contains(name) && refusal.contains("quorate reset --set-aside --cluster"),
                "{refusal}"
            );
        };
        for place in 0..content.len() {
            std::fs::write(&file, &content[..place]).expect("cut");
            check(format!("{name} cut at {place}"));
            let mut changed = content.clone();
            changed[place] ^= 1;
            std::fs::write(&file, &changed).expect("changed");
            check(format!("{name} changed at {place}"));
        }
        std::fs::remove_file(&file).expect("removed");
        check(format!("{name} missing"));
        super::super::durable::write_new(&files::Machine, &file, &content).expect("put back");
        drop(host.open().expect("whole again"));
        // A start has raised the generation: the next round compares with that.
    }
}

#[test]
fn a_kill_while_the_founding_state_is_replaced_leaves_the_old_or_the_new_one() {
    let host = Host::new();
    let opened = host.open().expect("created");
    let old = opened.founding.clone();
    let mut new = old.clone();
    new.promised = Some(Ballot { round: 7, instance: opened.dir.identity().instance });
    drop(opened);
    let bytes = new.to_file();
    for written in 0..=bytes.len() {
        std::fs::write(host.life().join("founding.new"), &bytes[..written]).expect("cut short");
        assert_eq!(host.open().expect("whole").founding, old, "killed after {written} bytes");
    }
    std::fs::rename(host.life().join("founding.new"), host.life().join("founding"))
        .expect("renamed");
    assert_eq!(host.open().expect("whole").founding, new);
}

#[test]
fn a_kill_while_a_life_is_created_leaves_nothing_and_the_next_start_creates_it() {
    let host = Host::new();
    drop(host.open().expect("created"));
    let names = ["founding", "generation", "identity"];
    for kept in 0..names.len() {
        let killed = Host::new();
        let aside = killed.root().join("life.new");
        std::fs::create_dir_all(&aside).expect("created");
        for name in &names[..kept] {
            std::fs::copy(host.life().join(name), aside.join(name)).expect("copied");
        }
        assert!(killed.open().expect("created").fresh);
        assert!(!aside.exists());
    }
}

#[test]
fn directories_of_others_and_open_ones_are_refused() {
    let host = Host::new();
    std::fs::create_dir_all(host.root()).expect("created");
    std::fs::write(host.root().join("photo.jpg"), b"x").expect("written");
    assert!(host.open().expect_err("not ours").to_string().contains("photo.jpg"));
    std::fs::remove_file(host.root().join("photo.jpg")).expect("removed");
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    };
    set(&host.root(), 0o777);
    assert!(host.open().expect_err("open to all").to_string().contains("chmod o-w"));
    set(&host.root(), 0o700);
    drop(host.open().expect("created"));
    set(&host.life().join("identity"), 0o644);
    assert!(host.open().expect_err("key open to all").to_string().contains("chmod 600"));
}

#[test]
fn another_clusters_directory_and_mixed_copies_are_refused_by_name() {
    let host = Host::new();
    drop(host.open().expect("created"));
    let second = Host::new();
    drop(second.open().expect("created"));
    for name in ["generation", "founding"] {
        let mixed = Host::new();
        copy(&host.root(), &mixed.root());
        std::fs::copy(second.life().join(name), mixed.life().join(name)).expect("copied");
        assert!(matches!(mixed.open(), Err(DiskError::Mixed { .. })), "{name}");
    }
}

#[test]
fn a_life_that_was_never_in_a_cluster_follows_the_name_in_the_configuration_and_no_other_does() {
    let host = Host::new();
    let mut opened = host.open().expect("created");
    for name in ["test", "prod"] {
        let before = opened.dir.identity().clone();
        drop(opened);
        opened = open(&host.root(), &host.birth(), &cluster(name)).expect("it follows");
        let now = opened.dir.identity();
        assert!(opened.fresh && now.instance != before.instance && now.cluster == cluster(name));
    }
    let fresh = opened.founding.clone();
    drop(opened);
    let instance = fresh.instance;
    let promised = FoundingState { promised: Some(Ballot { round: 1, instance }), ..fresh.clone() };
    let heard = FoundingState { exists: Some(cluster_id(3)), ..fresh.clone() };
    let refused = |what: &str| {
        let other = open(&host.root(), &host.birth(), &cluster("test")).expect_err(what);
        let text = other.to_string();
        assert!(text.contains("cluster `prod`") && text.contains("`test`"), "{what}: {text}");
    };
    for (what, state) in [("promised", &promised), ("heard of a cluster", &heard)] {
        founding_file::write(&files::Machine, &host.life(), state).expect("written");
        refused(what);
    }
    founding_file::write(&files::Machine, &host.life(), &fresh).expect("written");
    let store = host.life().join("store");
    std::fs::write(&store, "x").expect("written");
    refused("its log was begun");
    std::fs::remove_file(&store).expect("removed");
    marker::write(&files::Machine, &host.birth(), &cluster("prod"), cluster_id(3))
        .expect("written");
    refused("the marker knows its cluster");
}

#[test]
fn no_lock_is_opened_through_a_link_and_none_is_written_by_who_only_reads() {
    let host = Host::new();
    drop(host.open().expect("created"));
    let lock = host.root().join("LOCK");
    std::fs::write(&lock, "4242\n").expect("written");
    drop(read_ended(&host.root(), &host.running()).expect("ended"));
    assert_eq!(std::fs::read_to_string(&lock).expect("there"), "4242\n");
    let victim = host.running().with_extension("victim");
    std::fs::write(&victim, "precious").expect("written");
    std::fs::remove_file(&lock).expect("removed");
    std::os::unix::fs::symlink(&victim, &lock).expect("a link");
    let opened = host.open().expect_err("a link").to_string();
    let cleared = reset(&host.root(), &host.birth(), &cluster("prod"), "prod", false);
    let cleared = cleared.expect_err("a link").to_string();
    let read = read_ended(&host.root(), &host.running()).expect_err("a link").to_string();
    for refusal in [opened, cleared, read] {
        assert!(refusal.contains("LOCK") && refusal.contains("remove it"), "{refusal}");
    }
    assert_eq!(std::fs::read_to_string(&victim).expect("there"), "precious");
}

#[test]
fn erased_data_is_remembered_by_the_marker_until_a_reset_that_names_the_cluster() {
    let host = Host::new();
    let opened = host.open().expect("created");
    marker::write(&files::Machine, &host.birth(), &cluster("prod"), cluster_id(3))
        .expect("written");
    drop(opened);
    std::fs::remove_dir_all(host.root()).expect("erased");
    let again = host.open().expect("a new life");
    assert!(again.fresh);
    assert_eq!(again.marker, Some(cluster_id(3)));
    drop(again);
    let wrong =
        reset(&host.root(), &host.birth(), &cluster("prod"), "test", false).expect_err("refused");
    assert!(wrong.to_string().contains("quorate reset --set-aside --cluster prod"), "{wrong}");
    assert!(host.life().exists());
    let id = cluster_id(3).to_string();
    reset(&host.root(), &host.birth(), &cluster("prod"), &id, false).expect("by id");
    assert!(!host.life().exists() && !host.birth().join("prod").exists());
    assert_eq!(host.open().expect("fresh").marker, None);
}

#[test]
fn a_marker_that_is_cut_or_changed_at_any_byte_is_never_overlooked() {
    let host = Host::new();
    drop(host.open().expect("created"));
    marker::write(&files::Machine, &host.birth(), &cluster("prod"), cluster_id(3))
        .expect("written");
    let file = host.birth().join("prod");
    let content = std::fs::read(&file).expect("there");
    for place in 0..content.len() {
        std::fs::write(&file, &content[..place]).expect("cut");
        assert!(host.open().is_err(), "cut at {place}");
        let mut changed = content.clone();
        changed[place] ^= 1;
        std::fs::write(&file, &changed).expect("changed");
        assert!(host.open().is_err(), "changed at {place}");
    }
}

#[test]
fn the_end_of_a_generation_is_known_to_the_farewell() {
    let host = Host::new();
    let opened = host.open().expect("created");
    drop(opened);
    let died = || read_ended(&host.root(), &host.running()).expect("ended").died;
    assert_eq!(died(), None, "it never ran");
    let opened = host.open().expect("opened");
    opened.dir.note_running(&host.running(), 77).expect("noted");
    drop(opened);
    assert_eq!(died(), Some(77));
    drop(host.open().expect("opened"));
    assert_eq!(died(), None, "a start that was refused ran neither, and that was another one");
    assert_eq!(read_ended(&host.root(), &host.running()).expect("ended").generation.get(), 3);
}

#[test]
fn a_marker_that_a_crash_kept_from_being_written_is_made_good_at_the_next_start() {
    let host = Host::new();
    let opened = host.open().expect("created");
    let mut state = opened.founding.clone();
    state.exists = Some(cluster_id(3));
    founding_file::write(&files::Machine, &host.life(), &state).expect("written");
    drop(opened);
    assert_eq!(host.open().expect("opened").marker, Some(cluster_id(3)));
    let kept = marker::read(&host.birth(), &cluster("prod")).expect("whole");
    assert_eq!(kept, Some(cluster_id(3)));
}

#[test]
fn a_life_that_is_known_under_another_name_is_refused_with_both_names_and_what_helps() {
    let name = |text| NodeName::new(text).expect("a name");
    let host = Host::new();
    let opened = host.open().expect("created");
    // Nobody knows it yet: a host that is refused a name may take another one.
    opened.dir.check_name(&name("n2")).expect("any name");
    opened.dir.check_name(&name("n9")).expect("any name");
    opened.dir.known_name().note(&name("n2")).expect("noted");
    drop(opened);
    let opened = host.open().expect("opened");
    opened.dir.check_name(&name("n2")).expect("its name");
    let refusal = opened.dir.check_name(&name("n9")).expect_err("another").to_string();
    for part in ["`n2`", "`n9`", "name = \"n2\"", "quorate reset --set-aside --cluster prod"] {
        assert!(refusal.contains(part), "{part} in {refusal}");
    }
    drop(opened);
    // A note that was mixed in from another life says nothing of this one.
    let other = Host::new();
    drop(other.open().expect("created"));
    std::fs::copy(host.life().join("name"), other.life().join("name")).expect("copied");
    other.open().expect("opened").dir.check_name(&name("n9")).expect("any name");
}

#[test]
fn a_founder_that_was_told_apart_from_others_of_its_name_starts_again() {
    let name = |text: &str| NodeName::new(text).expect("a name");
    let host = Host::new();
    let opened = host.open().expect("created");
    let apart = opened.dir.identity().instance.told_apart("localhost");
    opened.dir.known_name().note(&name(&apart)).expect("noted");
    drop(opened);
    let opened = host.open().expect("opened");
    opened.dir.check_name(&name("localhost")).expect("the name in its file");
    opened.dir.check_name(&name(&apart)).expect("the name that it got");
    let other = Host::new().open().expect("created").dir.identity().instance;
    let refusal = opened.dir.check_name(&name(&other.told_apart("localhost")));
    assert!(refusal.is_err(), "that is another founder's");
}

#[test]
fn a_reset_that_sets_aside_keeps_the_data_and_the_next_start_is_a_new_disk() {
    let host = Host::new();
    let before = host.open().expect("created").dir.identity().instance;
    marker::write(&files::Machine, &host.birth(), &cluster("prod"), cluster_id(3))
        .expect("written");
    let said = reset(&host.root(), &host.birth(), &cluster("prod"), "prod", true).expect("cleared");
    let kept = host.root().join(format!("life.set-aside-{}", before.short()));
    assert!(said.contains(&kept.display().to_string()), "{said}");
    assert!(kept.join("identity").exists() && !host.life().exists());
    let opened = host.open().expect("a new life");
    assert!(opened.fresh && opened.marker.is_none());
}

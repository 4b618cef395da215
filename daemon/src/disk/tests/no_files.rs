//! Pipes and devices in place of the files of a life: a start never waits for them.

use super::super::life::reached::{self, LogPlace, Reached};
use super::super::life::{founding_file, marker};
use super::super::snapshots::{file::Owner, keeper};
use super::*;
use crate::regular::tests::put_a_pipe;
use bytes::Bytes;
use quorate_proto::{FoundingState, NodeName};

/// What a start does without.
const DONE_WITHOUT: [&str; 6] =
    ["name", "machine", "prod.machine", "prod.reached", "events", "events.before"];

/// A host with every kind of file that a start reads, and all of their paths.
fn whole() -> (Host, Vec<PathBuf>) {
    let host = Host::new();
    let mut log = host.recover().expect("empty");
    append(&mut log, &[birth(), vec![entries(2, 9, 1)]]);
    let end = log.log.segments.end();
    drop(log);
    let opened = host.open().expect("opened");
    let (instance, generation) = (opened.dir.identity().instance, opened.dir.generation());
    let known = FoundingState { exists: Some(cluster_id(3)), ..opened.founding.clone() };
    founding_file::write(&Machine, &host.life(), &known).expect("written");
    marker::write(&Machine, &host.birth(), &cluster("prod"), cluster_id(3)).expect("written");
    let noted = Reached { instance, generation, end };
    reached::write(&Machine, &host.birth(), &cluster("prod"), &noted).expect("written");
    opened.dir.known_name().note(&NodeName::new("n1").expect("valid")).expect("noted");
    for name in ["events", "events.before"] {
        std::fs::write(host.life().join(name), "").expect("written");
    }
    let owner = Owner { instance, cluster_id: cluster_id(3) };
    let chunks = std::iter::once(Bytes::from_static(b"state"));
    keeper::keep(&host.life().join("snapshots"), owner, GroupId::META, &at(5, 1), chunks)
        .expect("kept");
    assert_ne!(end, LogPlace::default());
    let mut files = Vec::new();
    collect(&host.root(), &mut files);
    collect(&host.birth(), &mut files);
    (host, files)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("listed") {
        let path = entry.expect("listed").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

#[test]
fn what_is_no_file_in_place_of_any_file_of_a_life_ends_the_start_by_name_or_is_done_without() {
    let (host, files) = whole();
    assert!(files.len() >= 13, "{files:?}");
    for file in files {
        let name = file.file_name().expect("named").to_string_lossy().into_owned();
        let put_back = std::fs::read(&file).expect("read");
        for what in ["a named pipe", "a device"] {
            if what == "a device" {
                // A snapshot that cannot be read was put aside.
                let _ = std::fs::remove_file(&file);
                std::os::unix::fs::symlink("/dev/zero", &file).expect("a link");
            } else {
                put_a_pipe(&file);
            }
            let lines = LineFile::of(&host.life()).read();
            assert!(lines.is_empty());
            let started = host.recover();
            // The snapshot is passed over: the log reaches back to the birth.
            if DONE_WITHOUT.contains(&name.as_str()) || name.starts_with("snapshot-") {
                started.unwrap_or_else(|error| panic!("{name} is {what}: {error}"));
                continue;
            }
            let refused = started.expect_err(&name);
            assert!(refused.needs_operator(), "{name}: {refused}");
            let told = refused.to_string();
            let remedy = if name == "LOCK" { "remove it" } else { "quorate reset --set-aside" };
            for part in [&*file.to_string_lossy(), what, remedy] {
                assert!(told.contains(part), "{name}: {told}");
            }
        }
        let _ = std::fs::remove_file(&file);
        std::fs::write(&file, put_back).expect("put back");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, mode).expect("closed to others");
    }
    drop(host.recover().expect("whole again"));
}

#[test]
fn a_pipe_in_place_of_a_directory_of_a_life_ends_the_start() {
    for name in ["log", "snapshots"] {
        let (host, _) = whole();
        let directory = host.life().join(name);
        std::fs::remove_dir_all(&directory).expect("removed");
        put_a_pipe(&directory);
        let refused = host.recover().expect_err(name).to_string();
        assert!(refused.contains(&*directory.to_string_lossy()), "{refused}");
    }
}

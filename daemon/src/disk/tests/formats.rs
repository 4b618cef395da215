//! Files of a format that this version does not know: refused by name, with the version that helps, and left as they are.

use super::snapshot::store;
use super::*;
use quorate_proto::NodeName;

/// A host that was in a cluster, with a file of each kind.
fn host() -> Host {
    let host = Host::new();
    let mut log = host.recover().expect("empty");
    append(&mut log, &[birth()]);
    append(&mut log, &[vec![entries(2, 9, 1)]]);
    drop(log);
    let opened = host.open().expect("opened");
    opened.dir.known_name().note(&NodeName::new("n1").expect("valid")).expect("noted");
    host
}

/// Gives a file the mark of a later format.
fn renumber(file: &Path, format: &[u8; 8]) -> Vec<u8> {
    let mut content = std::fs::read(file).expect("there");
    content[..8].copy_from_slice(format);
    std::fs::write(file, &content).expect("written");
    content
}

#[test]
fn a_file_of_a_newer_format_is_refused_by_its_name_and_left_as_it_is() {
    let kinds: [(&str, &[u8; 8]); 5] = [
        ("identity", b"qlife002"),
        ("generation", b"qgener02"),
        ("founding", b"qfound02"),
        ("name", b"qname002"),
        ("log/log-00000001", b"qlogseg2"),
    ];
    for (name, format) in kinds {
        let host = host();
        let file = match name.strip_prefix("log/") {
            None => host.life().join(name),
            Some(_) => first_segment(&host),
        };
        let content = renumber(&file, format);
        let generation = std::fs::read(host.life().join("generation")).expect("there");
        let refusal = host.open().expect_err(name);
        assert!(
            matches!(refusal, DiskError::Newer { .. }) && refusal.needs_operator(),
            "{refusal}"
        );
        let text = refusal.to_string();
        assert!(text.starts_with(&*file.to_string_lossy()), "{text}");
        assert!(text.contains("format 2, and this version knows it up to 1"), "{text}");
        assert!(text.contains("start that version again"), "{text}");
        assert_eq!(std::fs::read(&file).expect("there"), content);
        assert_eq!(std::fs::read(host.life().join("generation")).expect("there"), generation);
    }
}

fn first_segment(host: &Host) -> PathBuf {
    let listed = std::fs::read_dir(host.life().join("log")).expect("listed");
    let mut files: Vec<PathBuf> = listed.map(|entry| entry.expect("listed").path()).collect();
    files.retain(|file| file.file_name().is_some_and(|name| name != "spare"));
    files.sort();
    files.remove(0)
}

#[test]
fn a_newer_marker_is_refused_and_that_of_another_cluster_is_not_looked_at() {
    let host = host();
    let marker = host.birth().join("prod");
    std::fs::write(host.birth().join("production"), "quorate genesis/2 x\n").expect("written");
    drop(host.open().expect("it is another cluster's"));
    std::fs::write(&marker, "quorate genesis/2 x\n").expect("written");
    let refusal = host.open().expect_err("newer").to_string();
    assert!(refusal.contains("a later format than 1") && refusal.contains("prod"), "{refusal}");
}

#[test]
fn a_newer_snapshot_is_passed_over_while_an_older_one_will_do_and_stays() {
    let host = host();
    store(&host, at(3, 1), &[b"old"]).expect("kept");
    store(&host, at(7, 1), &[b"new"]).expect("kept");
    let newest = newest(&host);
    let content = renumber(&newest, b"qsnap002");
    let log = host.recover().expect("the log makes up for it");
    assert!(
        log.notes[0].contains("format 2, and this version knows it up to 1"),
        "{:?}",
        log.notes
    );
    assert_eq!(std::fs::read(&newest).expect("it stays"), content);
}

#[test]
fn a_snapshot_that_this_version_does_not_understand_is_not_called_damaged() {
    let host = host();
    let mut log = host.recover().expect("whole");
    append(&mut log, &[vec![LogRecord::Compacted { index: 7, term: 1 }]]);
    drop(log);
    store(&host, at(7, 1), &[b"?"]).expect("kept");
    let check = || {
        let refusal = host.recover().expect_err("nothing else will do");
        assert!(matches!(refusal, DiskError::NotUnderstood { .. }), "{refusal}");
        let text = refusal.to_string();
        assert!(text.contains("start that version again") && !text.contains("reset"), "{text}");
    };
    check();
    renumber(&newest(&host), b"qsnap002");
    check();
}

fn newest(host: &Host) -> PathBuf {
    let directory = super::super::snapshots::names::directory(&host.life());
    let listed = super::super::snapshots::names::list(&directory).expect("listed");
    listed[0].path.clone()
}

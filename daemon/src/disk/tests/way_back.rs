//! A next life that is damaged, and the ways back: nothing takes the place of what is here that was not read whole, whenever the power is
//! cut, and each printed command leads back.

use super::super::life::next::{self, put_in_place};
use super::super::life::reset::ResetError;
use super::next_life::{check_founder, identity, kept, member, prepare};
use super::*;
use crate::disk::files::WritableFile;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A disk that does so many operations, and none behind them.
#[derive(Debug, Clone)]
struct CutAfter(Arc<AtomicUsize>);

#[derive(Debug)]
struct CutFile(CutAfter, Box<dyn WritableFile>);

impl CutAfter {
    fn new(operations: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(operations)))
    }

    fn next(&self) -> io::Result<()> {
        let left = self.0.load(Ordering::Relaxed);
        let rest = left.checked_sub(1).ok_or_else(|| io::Error::other("the power is cut"))?;
        self.0.store(rest, Ordering::Relaxed);
        Ok(())
    }
}

impl Files for CutAfter {
    fn create(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        self.next()?;
        Ok(Box::new(CutFile(self.clone(), Machine.create(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        self.next()?;
        Ok(Box::new(CutFile(self.clone(), Machine.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.next()?;
        Machine.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.next()?;
        Machine.remove(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.next()?;
        Machine.sync_directory(directory)
    }

    fn room(&self, directory: &Path) -> io::Result<u64> {
        Machine.room(directory)
    }

    fn wait_for_room(&self) {}
}

impl WritableFile for CutFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.next()?;
        self.1.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.next()?;
        self.1.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.next()?;
        self.1.sync_all()
    }
}

/// A host whose power was cut after so many operations of putting a next life in place; false when it needed no more.
fn cut_after(host: &Host, operations: usize) -> bool {
    let files: Arc<dyn Files> = Arc::new(CutAfter::new(operations));
    put_in_place(&files, &host.root(), &host.birth(), &cluster("prod")).is_err()
}

/// Changes a byte of the log that waits.
fn damage_the_log_that_waits(host: &Host) -> PathBuf {
    let log = host.root().join("life.next/log/log-00000000000000000001");
    let mut bytes = std::fs::read(&log).expect("read");
    bytes[140] ^= 1;
    std::fs::write(&log, bytes).expect("damaged");
    log
}

/// Does what a refusal prints, and gives what that says.
pub(super) fn follow(host: &Host, refusal: &str) -> String {
    let (root, birth, prod) = (host.root(), host.birth(), cluster("prod"));
    let command = refusal.split("`quorate reset ").nth(1).expect("a command");
    let words: Vec<&str> = command.split('`').next().expect("its end").split(' ').collect();
    match words[..] {
        ["--prepared", "--cluster", name] => give_up_prepared(&root, &birth, &prod, name),
        ["--bring-back", kept, "--cluster", name] => bring_back(&root, &birth, &prod, name, kept),
        _ => panic!("{words:?}"),
    }
    .expect("done")
}

/// The host goes on as the one that it was, with all of its log.
fn check_member(host: &Host, before: quorate_proto::Instance, what: &str) {
    let opened = host.open().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(opened.dir.identity().instance, before, "{what}");
    assert_eq!(opened.marker, Some(cluster_id(3)), "{what}");
    assert_eq!(indexes(&recover(&opened).expect(what)), [2, 3, 4, 5, 6, 7, 8, 9], "{what}");
}

#[test]
fn the_power_is_cut_between_any_two_steps_and_the_next_start_finishes() {
    for operations in 0.. {
        let (host, identity) = (member(), identity());
        prepare(&host, &identity, b"state").expect("prepared");
        let cut = cut_after(&host, operations);
        check_founder(&host, &identity, &format!("cut after {operations} operations"));
        if !cut {
            assert!(operations > 10, "{operations}");
            break;
        }
    }
}

#[test]
fn what_waits_is_damaged_behind_a_cut_between_any_two_steps_and_the_printed_command_leads_back() {
    for operations in 0.. {
        let (host, identity) = (member(), identity());
        let before = host.open().expect("opened").dir.identity().instance;
        prepare(&host, &identity, b"state").expect("prepared");
        if !cut_after(&host, operations) {
            break;
        }
        if !host.root().join(next::NEXT).exists() {
            check_founder(&host, &identity, "it was put in place with the last step but one");
            continue;
        }
        let what = format!("cut after {operations} operations");
        let log = damage_the_log_that_waits(&host);
        let refusal = host.open().expect_err(&what).to_string();
        assert!(refusal.contains(&*log.to_string_lossy()), "{what}: {refusal}");
        assert!(refusal.contains("(byte "), "{what}: {refusal}");
        follow(&host, &refusal);
        check_member(&host, before, &what);
    }
}

#[test]
fn no_byte_of_a_life_that_waits_can_be_changed_and_it_takes_the_place_of_the_one_that_is_here() {
    let (host, identity) = (member(), identity());
    let before = host.open().expect("opened").dir.identity().instance;
    prepare(&host, &identity, b"state").expect("prepared");
    let next = host.root().join(next::NEXT);
    let snapshot = format!("snapshots/snapshot-{:020}-{:020}", 40, 1);
    for name in ["identity", "generation", "founding", "log/log-00000000000000000001", &snapshot] {
        let file = next.join(name);
        let whole = std::fs::read(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        // Behind these bytes a segment is empty.
        let written = if name.starts_with("log/") { 160 } else { whole.len() };
        for place in (0..written).step_by(7) {
            let mut changed = whole.clone();
            changed[place] ^= 4;
            std::fs::write(&file, &changed).expect("changed");
            let refusal = host.open().expect_err(name).to_string();
            assert!(refusal.contains(&*next.to_string_lossy()), "{name}, {place}: {refusal}");
            assert!(host.life().join("identity").exists() && kept(&host).is_empty(), "{name}");
        }
        std::fs::remove_file(&file).expect("removed");
        let refusal = host.open().expect_err(name).to_string();
        assert!(refusal.contains("`quorate reset --prepared --cluster prod`"), "{name}: {refusal}");
        std::fs::write(&file, whole).expect("put back");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, mode).expect("closed to others");
    }
    std::fs::remove_dir_all(next.join("log")).expect("removed");
    let refusal = host.open().expect_err("without a log").to_string();
    let said = follow(&host, &refusal);
    assert!(said.contains("goes on with the data that are here"), "{said}");
    check_member(&host, before, "what waited was given up");
    assert_eq!(kept(&host).len(), 1, "it is kept all the same");
}

#[test]
fn a_founder_without_its_state_is_not_put_in_place() {
    let (host, identity) = (member(), identity());
    prepare(&host, &identity, b"state").expect("prepared");
    let next = host.root().join(next::NEXT);
    // All that tells of a log and of a state is gone.
    for name in ["reached", "store"] {
        let _ = std::fs::remove_file(next.join(name));
    }
    for name in ["log", "snapshots"] {
        std::fs::remove_dir_all(next.join(name)).expect("removed");
        std::fs::create_dir(next.join(name)).expect("made");
    }
    let refusal = host.open().expect_err("nothing to found with").to_string();
    assert!(refusal.contains("the state with which this host founds"), "{refusal}");
    assert!(host.life().join("identity").exists() && kept(&host).is_empty());
}

#[test]
fn a_life_that_was_set_aside_comes_back_with_its_log_and_with_what_it_is_known_to_have_reached() {
    let (host, identity) = (member(), identity());
    let end = host.recover().expect("whole").log.segments.end();
    let opened = host.open().expect("opened");
    let (before, generation) = (opened.dir.identity().instance, opened.dir.generation());
    drop(opened);
    let noted = super::super::life::reached::Reached { instance: before, generation, end };
    let birth = host.birth();
    super::super::life::reached::write(&Machine, &birth, &cluster("prod"), &noted).expect("noted");
    prepare(&host, &identity, b"state").expect("prepared");
    check_founder(&host, &identity, "in place");
    let [aside] = &kept(&host)[..] else { panic!("kept once") };
    let name = aside.file_name().expect("named").to_string_lossy().into_owned();
    let bring = |name: &str| bring_back(&host.root(), &birth, &cluster("prod"), "prod", name);
    let said = bring(&name).expect("done");
    assert!(said.contains(&name) && said.contains(&cluster_id(3).to_string()), "{said}");
    check_member(&host, before, "brought back");
    let opened = host.open().expect("opened");
    assert_eq!(opened.dir.reached().map(|reached| reached.end), Some(end));
    assert_eq!(kept(&host).len(), 1, "the founder is kept in its turn");
}

#[test]
fn only_what_is_there_is_given_up_or_brought_back_and_only_of_the_cluster_that_is_meant() {
    let host = member();
    let (root, birth, prod) = (host.root(), host.birth(), cluster("prod"));
    let bring = |name: &str| bring_back(&root, &birth, &prod, "prod", name).expect_err(name);
    for name in ["life", "life.set-aside-none", "life.set-aside-x/../life", "../data"] {
        let refused = bring(name);
        assert!(matches!(refused, ResetError::NotKept { .. }), "{name}: {refused}");
    }
    let none = give_up_prepared(&root, &birth, &prod, "prod").expect_err("none waits");
    assert!(none.to_string().contains("no data are prepared"), "{none}");
    let fresh = Host::new();
    drop(fresh.open().expect("made"));
    let aside = fresh.root().join("life.set-aside-00000000");
    std::fs::rename(fresh.life(), &aside).expect("renamed");
    let unused =
        bring_back(&fresh.root(), &fresh.birth(), &prod, "prod", "life.set-aside-00000000");
    let unused = unused.expect_err("it never was in a cluster").to_string();
    assert!(unused.contains("was never in a cluster"), "{unused}");
    let identity = identity();
    prepare(&host, &identity, b"state").expect("prepared");
    let other = give_up_prepared(&root, &birth, &prod, "test").expect_err("another cluster");
    assert!(matches!(other, ResetError::OtherCluster { .. }), "{other}");
    assert!(root.join(next::NEXT).exists());
}

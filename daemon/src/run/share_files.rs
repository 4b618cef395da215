//! What this host's applications may use as files beside the socket, `shares/NAME.json` for budgets and `assignments/NAME.json` for
//! items, for programs that read files.
//!
//! Invariants: a file is whole at each moment, for it is written aside and renamed. It stays when the daemon ends: its deadline says until
//! when it counts. What there is no share of, there is no file of, once that is known. The loop never waits for it. Nothing is synced, for
//! nothing of it outlives the machine. Knows nothing of how it came about.

use crate::api::pages::{HeldPage, SharePage};
use crate::clock::{Started, boot_id};
use crate::doors::feed::ToldBefore;
use crate::doors::feed::newest::{All, FollowingAll};
use crate::regular;
use quorate_node::{Items, Share, ShareState};
use rustix::fs::OFlags;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;

/// The directory of the files of one kind, beside the socket: `shares`; beside a socket that is not called as by default, it has that name
/// in front, for another daemon may have its own in the same place.
pub(super) fn directory(socket: &Path, kind: &str) -> PathBuf {
    match socket.file_name().and_then(|name| name.to_str()) {
        Some("quorate.sock") | None => socket.with_file_name(kind),
        Some(name) => socket.with_file_name(format!("{name}.{kind}")),
    }
}

/// Files of budgets.
pub(super) const SHARES: &str = "shares";
/// Of those of assignments.
pub(super) const ITEMS: &str = "assignments";

/// A kind of thing of which there are files.
pub(super) trait Written: PartialEq + Send + Sync + 'static {
    /// What a file says, as JSON; `before`: what it says now.
    fn text(&self, started: Started, before: Option<&str>) -> String;
}

impl Written for Share {
    fn text(&self, started: Started, before: Option<&str>) -> String {
        let mut page = SharePage::of(&self.budget, Some(self), started);
        let before = before.and_then(|text| serde_json::from_str::<SharePage>(text).ok());
        if self.state == ShareState::Restarted
            && let Some(before) = before
            && (before.number, &before.boot_id) == (page.number, &page.boot_id)
        {
            // The application keeps what an earlier start of the daemon told it, until then.
            (page.amount, page.deadline) = (before.amount, before.deadline);
            page.deadline_boottime_ms = before.deadline_boottime_ms;
        }
        serde_json::to_string(&page).expect("a page has text keys only")
    }
}

impl Written for Items {
    fn text(&self, started: Started, before: Option<&str>) -> String {
        let mut page = HeldPage::of(&self.assignment, Some(self), started);
        let before = before.and_then(|text| serde_json::from_str::<HeldPage>(text).ok());
        let before = before.map(|before| before.told().collect()).unwrap_or_default();
        page.keep_what_was_told(&before, started);
        serde_json::to_string(&page).expect("a page has text keys only")
    }
}

/// Writes into a directory each that is another than before, and removes what there is no more, until nobody publishes any more. It has a
/// thread of its own from the start: where the host has none left, a daemon that is up must not need another one.
pub(super) fn keep<T: Written>(
    all: FollowingAll<T>,
    directory: PathBuf,
    started: Started,
    threads: &Handle,
) {
    let files =
        Files { directory, started, written: BTreeMap::new(), looked: false, tidied: false };
    let runtime = threads.clone();
    let thread = std::thread::Builder::new().name("share-files".to_owned());
    let begun = thread.spawn(move || runtime.block_on(follow(all, files)));
    if let Err(error) = begun {
        tracing::warn!(%error, "shares are not written as files: there is no thread for it");
    }
}

async fn follow<T: Written>(mut all: FollowingAll<T>, mut files: Files<T>) {
    let mut fails = false;
    while let Some(now) = all.next().await {
        let done = files.follow(&now);
        let place = files.directory.display();
        match &done {
            Ok(()) if fails => {
                tracing::info!(directory = %place, "shares are written as files again");
            }
            Err(error) if !fails => {
                tracing::warn!(%error, directory = %place, "shares cannot be written as files");
            }
            Ok(()) | Err(_) => {}
        }
        fails = done.is_err();
    }
}

/// What the files say until when items may be used, by the start of the daemon that wrote them.
pub(super) fn told_before(directory: &Path) -> ToldBefore {
    let texts = json_files(directory).into_iter();
    let pages = texts.filter_map(|(path, _)| regular::read_text(&path, regular::SMALL).ok());
    let pages = pages.filter_map(|text| serde_json::from_str::<HeldPage>(&text).ok());
    pages.flat_map(HeldPage::told).collect()
}

/// Removes all files: this host holds nothing any more, and its daemon does not come back by itself.
pub(super) fn withdraw(directory: &Path) {
    for (path, _) in json_files(directory) {
        let _ = fs::remove_file(path);
    }
}

/// The files and what stands in them.
struct Files<T> {
    directory: PathBuf,
    started: Started,
    written: BTreeMap<String, Arc<T>>,
    /// Whether the files are gone that were left behind before this machine started, and those of what there is no more.
    looked: bool,
    tidied: bool,
}

impl<T: Written> Files<T> {
    /// Makes the files as the shares are now; what fails is tried again with the next change, and keeps nothing else back.
    fn follow(&mut self, now: &All<T>) -> io::Result<()> {
        open_directory(&self.directory)?;
        let mut failed = Ok(());
        if !self.looked {
            // Their deadlines are by a clock that has begun anew.
            let old = |path: &Path| boot_of(path).is_none_or(|it| it != boot_id());
            for (path, _) in json_files(&self.directory).iter().filter(|(path, _)| old(path)) {
                failed = remove(path).and(failed);
            }
            self.looked = true;
        }
        for (name, it) in &now.by_name {
            if self.written.get(name) != Some(it) {
                match self.write(name, it) {
                    Ok(()) => _ = self.written.insert(name.clone(), it.clone()),
                    Err(error) => failed = Err(error),
                }
            }
        }
        let gone: Vec<String> =
            self.written.keys().filter(|name| !now.by_name.contains_key(*name)).cloned().collect();
        for name in gone {
            match remove(&self.path(&name)) {
                Ok(()) => _ = self.written.remove(&name),
                Err(error) => failed = Err(error),
            }
        }
        if now.known && !self.tidied {
            for (path, name) in json_files(&self.directory) {
                if !now.by_name.contains_key(&name) {
                    failed = remove(&path).and(failed);
                }
            }
            self.tidied = true;
        }
        failed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.json"))
    }

    fn write(&self, name: &str, it: &T) -> io::Result<()> {
        let path = self.path(name);
        let before = fs::read_to_string(&path).ok();
        let text = it.text(self.started, before.as_deref());
        let aside = self.directory.join(format!(".{name}.new"));
        let mut file = regular::fresh(&aside, 0o640)?;
        file.set_permissions(Permissions::from_mode(0o640))?;
        writeln!(file, "{text}")?;
        fs::rename(&aside, path)
    }
}

/// Makes the directory, and its group able to look: the unit's umask takes the group's rights away, and applications are in the group. No link
/// is followed, and no directory of another user's is changed.
fn open_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o750).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let opened =
        OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if opened.metadata()?.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("the directory belongs to another user"));
    }
    opened.set_permissions(Permissions::from_mode(0o750))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The start of the machine of which a file tells; none where it does not say.
fn boot_of(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let page: serde_json::Value = serde_json::from_str(&text).ok()?;
    page["boot_id"].as_str().map(str::to_owned)
}

/// The files `NAME.json` of a directory, and their names.
fn json_files(directory: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let name = entry.file_name().to_str()?.strip_suffix(".json")?.to_owned();
        Some((entry.path(), name))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_node::{Item, ItemStanding};

    fn share(state: ShareState, amount: u64) -> Share {
        let deadline = (state == ShareState::Held).then(crate::clock::now);
        let (budget, acknowledge) = ("pg".to_owned(), amount < 30);
        Share { budget, state, amount, number: 7, deadline, reserve: 0, acknowledge, alone: None }
    }

    fn all(shares: &[(&str, Share)], known: bool) -> All<Share> {
        let named = shares.iter().map(|(name, it)| ((*name).to_owned(), Arc::new(it.clone())));
        All { by_name: named.collect(), known }
    }

    fn files(directory: PathBuf) -> Files<Share> {
        let started = Started::now(crate::clock::now());
        Files { directory, started, written: BTreeMap::new(), looked: false, tidied: false }
    }

    fn page(place: &Path, name: &str) -> SharePage {
        let text = fs::read_to_string(place.join(format!("{name}.json"))).expect("it is there");
        serde_json::from_str(&text).expect("a page")
    }

    #[test]
    fn a_share_is_a_file_that_is_replaced_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = directory(&dir.path().join("quorate.sock"), SHARES);
        assert_eq!(place, dir.path().join("shares"));
        // As a unit with `UMask=0077` leaves it behind.
        DirBuilder::new().mode(0o700).create(&place).expect("a directory");
        let mut files = files(place.clone());
        for amount in [30, 15] {
            files
                .follow(&all(&[("pg", share(ShareState::Held, amount))], true))
                .expect("it is written");
            let page = page(&place, "pg");
            assert_eq!((page.amount, page.number, page.state.as_str()), (amount, 7, "held"));
        }
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode();
        assert_eq!(mode(&place) & 0o777, 0o750, "the group of the socket may look");
        assert_eq!(mode(&place.join("pg.json")) & 0o777, 0o640, "and read");
        let names = std::fs::read_dir(&place).expect("it is there").count();
        assert_eq!(names, 1, "nothing is left aside");
        files.follow(&all(&[], true)).expect("it is removed");
        assert_eq!(json_files(&place), [], "of what there is no more there is no file");
    }

    #[test]
    fn a_file_of_an_earlier_start_stays_until_it_is_known_that_there_is_no_share() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().join(SHARES);
        let held = all(&[("pg", share(ShareState::Held, 30))], true);
        files(place.clone()).follow(&held).expect("it is written");
        let mut next = files(place.clone());
        next.follow(&all(&[], false)).expect("nothing is known yet");
        let before = page(&place, "pg");
        let restarted = all(&[("pg", share(ShareState::Restarted, 0))], true);
        next.follow(&restarted).expect("it is written");
        let after = page(&place, "pg");
        assert_eq!(after.state, "restarted");
        assert_eq!(
            (after.amount, after.deadline_boottime_ms),
            (30, before.deadline_boottime_ms),
            "the application keeps what it was told"
        );
        files(place.clone()).follow(&all(&[], true)).expect("it is removed");
        assert_eq!(json_files(&place), []);
    }

    #[test]
    fn a_file_from_before_the_machine_started_is_removed_at_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().join(SHARES);
        fs::create_dir(&place).expect("a directory");
        let text = "{\"budget\":\"pg\",\"amount\":30,\"boot_id\":\"another\"}";
        fs::write(place.join("pg.json"), text).expect("a file");
        files(place.clone()).follow(&all(&[], false)).expect("nothing is known yet");
        assert_eq!(json_files(&place), []);
    }

    #[test]
    fn a_file_that_cannot_be_written_keeps_no_other_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().join(SHARES);
        fs::create_dir_all(place.join("aa.json/x")).expect("something is in the way");
        let (one, other) = (share(ShareState::Held, 30), share(ShareState::Held, 30));
        let done = files(place.clone()).follow(&all(&[("aa", one), ("pg", other)], false));
        assert!(done.is_err(), "it is told");
        assert_eq!(page(&place, "pg").amount, 30);
    }

    #[test]
    fn no_link_is_followed_and_two_daemons_have_two_places() {
        let dir = tempfile::tempdir().expect("a directory");
        let target = dir.path().join("target");
        DirBuilder::new().mode(0o755).create(&target).expect("a directory");
        std::os::unix::fs::symlink(&target, dir.path().join(SHARES)).expect("a link");
        assert!(files(dir.path().join(SHARES)).follow(&all(&[], true)).is_err());
        let mode = fs::metadata(&target).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "it is as it was");
        let other = directory(&dir.path().join("b.sock"), SHARES);
        assert_eq!(other, dir.path().join("b.sock.shares"));
    }

    #[test]
    fn an_item_of_an_earlier_start_has_the_deadline_that_was_told_before() {
        let place = tempfile::tempdir().expect("a directory");
        let started = Started::now(crate::clock::now());
        let item = |number, standing, deadline| {
            let name = "vip".to_owned();
            let items = vec![Item { name, number, standing, deadline }];
            Items { assignment: "edge".to_owned(), items }
        };
        let until = crate::clock::now();
        let told = item(7, ItemStanding::Held, Some(until)).text(started, None);
        fs::write(place.path().join("edge.json"), &told).expect("a file");
        let before = told_before(place.path());
        let of = |items: &Items| {
            let mut page = HeldPage::of("edge", Some(items), started);
            page.keep_what_was_told(&before, started);
            page.items[0].deadline_boottime_ms
        };
        let restarted = item(7, ItemStanding::Restarted, None);
        assert_eq!(of(&restarted), Some(crate::clock::boottime_ms(until)));
        let written: HeldPage =
            serde_json::from_str(&restarted.text(started, Some(&told))).expect("a page");
        assert_eq!(written.items[0].deadline_boottime_ms, of(&restarted), "the file says the same");
        assert_eq!(of(&item(8, ItemStanding::Restarted, None)), None, "another grant");
        assert_eq!(told_before(&place.path().join("none")), ToldBefore::new());
    }
}

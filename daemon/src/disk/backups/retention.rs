//! The backups of one directory: their names, and which of them go.
//!
//! What stays true: only files whose name says that they are of the same cluster go, and never the one that was just saved, which is
//! known to be good; the clock may say what it will.

use super::arriving::BEGUN;
use super::format::BackupHead;
use crate::disk::durable::ASIDE;
use crate::disk::files::sync_directory;
use crate::words::time::in_a_name;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SUFFIX: &str = ".snapshot";
/// What was begun so long ago is of a process that was killed.
const ABANDONED: Duration = Duration::from_hours(24);

/// The name of a backup in a directory of them: cluster, the begin of its id, time and revision.
pub(crate) fn name_of(head: &BackupHead) -> String {
    format!("{}{}-r{}{SUFFIX}", prefix(head), in_a_name(&head.time), head.revision)
}

fn prefix(head: &BackupHead) -> String {
    let id: String = head.cluster_id.chars().take(8).collect();
    format!("quorate-{}-{id}-", head.cluster)
}

/// Revision and time, if a name is one that [`name_of`] gives for this cluster.
fn parse(name: &str, prefix: &str) -> Option<(u64, String)> {
    let rest = name.strip_prefix(prefix)?.strip_suffix(SUFFIX)?;
    let (time, revision) = rest.split_once("Z-r")?;
    let (day, clock) = time.split_once('T')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let named = [day, clock, revision].into_iter().all(digits);
    named.then_some((revision.parse().ok()?, time.to_owned()))
}

/// Removes all backups of this cluster but the newest `keep`, by their revisions, which only rise whatever clocks say; `saved`
/// is one of them in any case. And what was begun and left. Gives what went.
pub(crate) fn prune(saved: &Path, head: &BackupHead, keep: usize) -> io::Result<Vec<PathBuf>> {
    let directory = saved.parent().unwrap_or(Path::new("."));
    let prefix = prefix(head);
    let mut ours = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(BEGUN) && name.ends_with(ASIDE) {
            let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
            if age > ABANDONED {
                std::fs::remove_file(entry.path())?;
            }
        } else if let Some(at) = parse(&name, &prefix).filter(|_| entry.path() != saved) {
            ours.push((at, entry.path()));
        }
    }
    ours.sort_unstable();
    ours.reverse();
    let old = ours.split_off(keep.saturating_sub(1).min(ours.len()));
    let old: Vec<PathBuf> = old.into_iter().map(|(_, path)| path).collect();
    for path in &old {
        std::fs::remove_file(path)?;
    }
    sync_directory(directory)?;
    Ok(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn head(id: &str, time: &str) -> BackupHead {
        BackupHead {
            cluster: "prod".to_owned(),
            cluster_id: format!("{id}75"),
            time: time.to_owned(),
            revision: 7,
            ..BackupHead::default()
        }
    }

    fn save(directory: &Path, head: &BackupHead) -> PathBuf {
        let path = directory.join(name_of(head));
        fs::write(&path, "a backup").unwrap();
        path
    }

    #[test]
    fn a_name_says_cluster_time_and_revision() {
        let name = name_of(&head("756a79c5", "2026-11-29T22:10:30.123Z"));
        assert_eq!(name, "quorate-prod-756a79c5-20261129T221030Z-r7.snapshot");
        let parsed = parse(&name, "quorate-prod-756a79c5-");
        assert_eq!(parsed, Some((7, "20261129T221030".to_owned())));
        for other in ["quorate-prod-756a79c5-x.snapshot", "quorate-prod-756a79c5-1T2Z-r.snapshot"] {
            assert_eq!(parse(other, "quorate-prod-756a79c5-"), None, "{other}");
        }
    }

    #[test]
    fn the_newest_stay_and_nothing_goes_that_is_not_a_backup_of_this_cluster() {
        let dir = tempfile::tempdir().unwrap();
        let day = |day: u32| format!("2026-11-{day:02}T22:10:30.000Z");
        let ours: Vec<PathBuf> =
            (1..=5).map(|number| save(dir.path(), &head("756a79c5", &day(number)))).collect();
        let other = save(dir.path(), &head("00000000", &day(1)));
        let own = dir.path().join("quorate-prod-756a79c5-before-the-upgrade.snapshot");
        fs::write(&own, "kept by hand").unwrap();
        let gone = prune(&ours[4], &head("756a79c5", &day(5)), 3).unwrap();
        assert_eq!(gone, [ours[1].clone(), ours[0].clone()]);
        assert!(other.exists() && own.exists() && ours[2..].iter().all(|path| path.exists()));
    }

    #[test]
    fn what_was_saved_while_the_clock_was_ahead_goes_in_its_turn() {
        let dir = tempfile::tempdir().unwrap();
        let at = |time: &str, revision| BackupHead { revision, ..head("756a79c5", time) };
        let ahead = save(dir.path(), &at("2099-01-01T00:00:00.000Z", 3));
        let yesterday = save(dir.path(), &at("2026-11-02T00:00:00.000Z", 4));
        let now = at("2026-11-03T00:00:00.000Z", 5);
        let saved = save(dir.path(), &now);
        assert_eq!(prune(&saved, &now, 2).unwrap(), [ahead]);
        assert!(yesterday.exists() && saved.exists());
    }

    #[test]
    fn what_was_just_saved_stays_though_the_clock_went_back() {
        let dir = tempfile::tempdir().unwrap();
        let times = ["2026-11-02T00:00:00.000Z", "2026-11-03T00:00:00.000Z"];
        let old = times.map(|time| save(dir.path(), &head("756a79c5", time)));
        let now = head("756a79c5", "1970-01-01T00:00:09.000Z");
        let saved = save(dir.path(), &now);
        prune(&saved, &now, 1).unwrap();
        assert!(saved.exists() && !old.iter().any(|path| path.exists()));
    }
}

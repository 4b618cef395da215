//! What this host's applications may use as files beside the socket, `shares/NAME.json` for budgets, for programs that read files.
//!
//! Invariant: a file is whole at each moment, for it is written aside and renamed. It stays when the daemon ends: its deadline says until
//! when it counts. The loop never waits for it. Nothing is synced, for nothing of it outlives the machine. Knows nothing of how it
//! came about.

use crate::api::pages::SharePage;
use crate::clock::Started;
use crate::doors::feed::newest::FollowingAll;
use quorate_node::Share;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Directory of the files of budgets, beside the socket.
pub(super) const SHARES: &str = "shares";

/// A kind of thing of which there are files.
pub(super) trait Written: PartialEq + Send + Sync + 'static {
    /// What a file says, as JSON.
    fn text(&self, started: Started) -> String;
}

impl Written for Share {
    fn text(&self, started: Started) -> String {
        let page = SharePage::of(&self.budget, Some(self), started);
        serde_json::to_string(&page).expect("a page has text keys only")
    }
}

/// Writes into a directory each that is another than before, until nobody publishes any more.
pub(super) async fn keep<T: Written>(
    mut all: FollowingAll<T>,
    directory: PathBuf,
    started: Started,
) {
    let (mut written, mut fails) = (BTreeMap::new(), false);
    while let Some(now) = all.next().await {
        let other = |(name, it): &(&String, &Arc<T>)| written.get(*name) != Some(*it);
        let changed = now.iter().filter(other).map(|(name, it)| (name.clone(), it.clone()));
        let changed: Vec<(String, Arc<T>)> = changed.collect();
        let place = directory.clone();
        let done = tokio::task::spawn_blocking(move || write_all(&place, &changed, started)).await;
        match done {
            Ok(Ok(())) => {
                if fails {
                    tracing::info!(directory = %directory.display(), "shares are written as files again");
                }
                (written, fails) = (now, false);
            }
            Ok(Err(error)) if !fails => {
                let directory = directory.display();
                tracing::warn!(%error, %directory, "shares cannot be written as files");
                fails = true;
            }
            Ok(Err(_)) => {}
            Err(_) => return,
        }
    }
}

fn write_all<T: Written>(
    directory: &Path,
    changed: &[(String, Arc<T>)],
    started: Started,
) -> io::Result<()> {
    match DirBuilder::new().mode(0o750).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        // The unit's umask takes the group's rights away, and applications are in the group.
        _ => fs::set_permissions(directory, Permissions::from_mode(0o750))?,
    }
    for (name, it) in changed {
        let text = it.text(started);
        let aside = directory.join(format!(".{name}.new"));
        // What a killed daemon left; new, so that it is no link to somewhere else.
        let _ = fs::remove_file(&aside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&aside)?;
        file.set_permissions(Permissions::from_mode(0o640))?;
        writeln!(file, "{text}")?;
        fs::rename(&aside, directory.join(format!("{name}.json")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_node::ShareState;

    #[test]
    fn a_share_is_a_file_that_is_replaced_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().join(SHARES);
        // As a unit with `UMask=0077` leaves it behind.
        DirBuilder::new().mode(0o700).create(&place).expect("a directory");
        let started = Started::now(crate::clock::now());
        for amount in [30, 15] {
            let (budget, state) = ("pg".to_owned(), ShareState::Held);
            let (deadline, acknowledge) = (Some(crate::clock::now()), amount < 30);
            let share = Share { budget, state, amount, number: 7, deadline, acknowledge };
            write_all(&place, &[("pg".to_owned(), Arc::new(share))], started)
                .expect("it is written");
            let text = std::fs::read_to_string(place.join("pg.json")).expect("it is there");
            let page: SharePage = serde_json::from_str(&text).expect("a page");
            assert_eq!((page.amount, page.number, page.state.as_str()), (amount, 7, "held"));
        }
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode();
        assert_eq!(mode(&place) & 0o777, 0o750, "the group of the socket may look");
        assert_eq!(mode(&place.join("pg.json")) & 0o777, 0o640, "and read");
        let names = std::fs::read_dir(&place).expect("it is there").count();
        assert_eq!(names, 1, "nothing is left aside");
    }
}

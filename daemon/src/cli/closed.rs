//! Files of the configuration that root reads and the daemon may not, for `quorate check-config`: each with what is in the way and what helps.
//!
//! Who looks has root's rights and finds the paths; whether they open is tried with the rights of the daemon's user.

use crate::config::{Config, host_file};
use crate::disk;
use crate::drop_in::visible_toml_files;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A warning for each that is in the way. None where this is not root, or the daemon runs as root too.
pub(super) fn warnings(config: &Config, named_host_file: Option<&Path>) -> Vec<String> {
    let mut paths = vec![config.file.clone(), host_file(&config.file, named_host_file)];
    let definitions = &config.definitions;
    for directory in [&config.apps_dir, &definitions.budgets, &definitions.assignments] {
        paths.push(directory.clone());
        // One that root cannot read is told already.
        paths.extend(visible_toml_files(directory).unwrap_or_default());
    }
    let closed = |user: &str| {
        let closed: BTreeSet<String> = paths
            .iter()
            .filter_map(|path| in_the_way_of(path))
            .map(|place| told(&place, user))
            .collect();
        closed.into_iter().collect()
    };
    disk::as_the_owner(&config.data_dir, &config.birth_dir, closed).unwrap_or_default()
}

/// What keeps this user from reading it, if anything does: a directory above it, or itself.
fn in_the_way_of(path: &Path) -> Option<PathBuf> {
    let opened = match path.is_dir() {
        true => fs::read_dir(path).map(drop),
        false => File::open(path).map(drop),
    };
    let is_closed = |error: &io::Error| error.kind() == ErrorKind::PermissionDenied;
    if !opened.is_err_and(|error| is_closed(&error)) {
        return None;
    }
    let above: Vec<&Path> = path.ancestors().collect();
    let steps = above.windows(2).rev();
    let shut = steps
        .map(|step| (step[1], step[0]))
        .find(|(_, within)| fs::symlink_metadata(within).is_err_and(|error| is_closed(&error)));
    Some(shut.map_or(path, |(directory, _)| directory).to_owned())
}

fn told(place: &Path, user: &str) -> String {
    let name = place.display();
    let Ok(found) = fs::metadata(place) else {
        return format!("{name}: the daemon, which runs as {user}, may not read it");
    };
    let mode = found.permissions().mode() & 0o7777;
    let owner = disk::name_of_user(found.uid());
    let who = format!("{name}: the daemon, which runs as {user}, may not");
    let found_as = format!("(mode {mode:04o}, owner {owner})");
    match found.is_dir() {
        // Nobody is told to give a whole directory away: it may be root's home.
        true => format!(
            "{who} look into it {found_as}, so nothing in it counts: `chmod o+rx {name}`, or put what is in it below `/etc/quorate`"
        ),
        false => format!(
            "{who} read it {found_as}, so nothing of it counts: `chmod o+r {name}`, or `chown {user} {name}`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_is_named_with_its_mode_and_two_commands_that_help() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("pg.toml");
        fs::write(&file, "max = 1\n").expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its own");
        assert_eq!(in_the_way_of(&file), None, "its owner reads it");
        assert_eq!(in_the_way_of(&dir.path().join("none.toml")), None, "nothing is there");
        let text = told(&file, "quorate");
        let name = file.display();
        assert!(text.contains(&format!("{name}: the daemon, which runs as quorate")), "{text}");
        assert!(text.contains("mode 0600"), "{text}");
        assert!(text.contains(&format!("`chmod o+r {name}`")), "{text}");
        assert!(text.contains(&format!("`chown quorate {name}`")), "{text}");
        let text = told(dir.path(), "quorate");
        assert!(text.contains("chmod o+rx") && !text.contains("chown"), "{text}");
    }
}

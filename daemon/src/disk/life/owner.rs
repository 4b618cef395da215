//! To whom the data belong: the one opinion of all commands about owners and modes of the two directories.
//!
//! Invariant: only the owner of the data opens or changes them. Another user, root included, is refused, since its files would end the
//! next start of the owner; `quorate reset` and `quorate check-config`, which root may run, take on the owner's rights first, so
//! that a link in the data leads nowhere that the owner could not go anyway.

use crate::disk::error::DiskError;
use crate::disk::presence::exists;
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// `User=` of the unit.
const UNIT_USER: &str = "quorate";

/// Refuses directories, as far as they are there, that belong to another user, or that others may write.
///
/// # Errors
/// With the owner, and how to run this as that user.
pub(super) fn check(root: &Path, birth_dir: &Path) -> Result<(), DiskError> {
    for dir in [root, birth_dir] {
        let Some(found) = look_at(dir)? else { continue };
        if found.uid() != geteuid().as_raw() {
            let (owner, user) = (name_of(found.uid()), name_of(geteuid().as_raw()));
            return Err(DiskError::OtherOwner { dir: dir.to_owned(), owner, user });
        }
        refuse_open_to_others(dir, 0o002, "o-w")?;
    }
    Ok(())
}

/// Gives root's rights up for those of the data's owner, for the rest of this process; does nothing for other users, and where there
/// are no data. To be called while the process has one thread.
///
/// # Errors
/// When the system refuses, or the two directories have two owners.
pub(crate) fn become_owner(root: &Path, birth_dir: &Path) -> Result<(), DiskError> {
    if let Some(found) = of_either(root, birth_dir)?
        && geteuid().is_root()
        && found.uid() != 0
    {
        let given_up = give_up_rights(found.uid(), found.gid());
        given_up.map_err(|error| DiskError::io("act as the owner of", root, error))?;
    }
    check(root, birth_dir)
}

fn of_either(root: &Path, birth_dir: &Path) -> Result<Option<Metadata>, DiskError> {
    Ok(match look_at(root)? {
        Some(found) => Some(found),
        None => look_at(birth_dir)?,
    })
}

/// With the groups that list the user, as systemd gives them to the unit.
fn give_up_rights(user: u32, group: u32) -> io::Result<()> {
    let all = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let groups: Vec<Gid> = groups_of(&all, &name_of(user)).map(Gid::from_raw).collect();
    set_thread_groups(&groups)?;
    set_thread_gid(Gid::from_raw(group))?;
    set_thread_uid(Uid::from_raw(user))?;
    Ok(())
}

/// Does something, in a thread of its own, with the rights of the data's owner, or where there are no data yet with those of the user as whom
/// the unit runs the daemon; it is told that user's name. None where this is not root, or that user is, or is not there.
pub(crate) fn as_the_owner<T: Send>(
    root: &Path,
    birth_dir: &Path,
    act: impl FnOnce(&str) -> T + Send,
) -> Option<T> {
    let (user, group) = match of_either(root, birth_dir).ok()? {
        Some(found) => (found.uid(), found.gid()),
        None => user_of_the_unit()?,
    };
    if !geteuid().is_root() || user == 0 {
        return None;
    }
    let name = name_of(user);
    let act = || give_up_rights(user, group).ok().map(|()| act(&name));
    std::thread::scope(|scope| scope.spawn(act).join().ok()).flatten()
}

/// The number of that user and of its group.
fn user_of_the_unit() -> Option<(u32, u32)> {
    users().into_iter().find_map(|(name, user, group)| (name == UNIT_USER).then_some((user, group)))
}

/// The users of this host: name, number, and number of the group.
fn users() -> Vec<(String, u32, u32)> {
    let lines = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((name, fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    lines.lines().filter_map(user).collect()
}

/// The numbers of the groups that list this user, of the lines of `/etc/group`.
fn groups_of<'a>(lines: &'a str, user: &'a str) -> impl Iterator<Item = u32> + 'a {
    lines.lines().filter_map(move |line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, number, members] = fields[..] else { return None };
        members.split(',').any(|member| member == user).then(|| number.parse().ok())?
    })
}

fn look_at(dir: &Path) -> Result<Option<Metadata>, DiskError> {
    if !exists(dir)? {
        return Ok(None);
    }
    let found = std::fs::metadata(dir).map_err(|error| DiskError::io("look at", dir, error))?;
    Ok(Some(found))
}

/// Refuses what has any of these bits in its mode.
pub(super) fn refuse_open_to_others(
    path: &Path,
    bits: u32,
    wanted: &'static str,
) -> Result<(), DiskError> {
    let metadata =
        std::fs::metadata(path).map_err(|error| DiskError::io("look at", path, error))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & bits == 0 {
        return Ok(());
    }
    Err(DiskError::Exposed { path: path.to_owned(), mode, wanted })
}

/// A user's name, or its number where it has none.
pub(crate) fn name_of(user: u32) -> String {
    let named = users().into_iter().find(|(_, number, _)| *number == user).map(|(name, ..)| name);
    named.unwrap_or_else(|| user.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_of_a_user_are_those_that_list_it() {
        let lines = "root:x:0:\nssl-cert:x:110:postgres,quorate\nquorate:x:998:\nodd\n\
                     tls:x:120:quorate\nnear:x:130:quorates,other\nwrong:x:many:quorate\n";
        assert_eq!(groups_of(lines, "quorate").collect::<Vec<_>>(), [110, 120]);
        assert_eq!(groups_of(lines, "nobody").count(), 0);
    }
}

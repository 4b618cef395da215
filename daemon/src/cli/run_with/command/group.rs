//! Who is left of a process group whose first process has ended and is not buried: a signal reaches the dead one too, so it cannot tell.

use rustix::process::Pid;
use std::fs;

/// The others of a group, as far as this process may see them.
#[derive(Debug)]
pub(super) struct Others {
    group: i32,
    /// Those that were there when all processes were looked through last.
    known: Vec<i32>,
}

impl Others {
    /// Of a group; its first process does not count.
    pub(super) fn of(group: Pid) -> Self {
        Self { group: group.as_raw_nonzero().get(), known: Vec::new() }
    }

    /// Whether one of them has not ended. All processes are looked through only when all that were known have.
    pub(super) fn are_there(&mut self) -> bool {
        let group = self.group;
        self.known.retain(|pid| look(*pid, group) == Some(Life::Lives));
        if self.known.is_empty() {
            let living = others(group).filter(|(_, life)| *life == Life::Lives);
            self.known = living.map(|(pid, _)| pid).collect();
        }
        !self.known.is_empty()
    }

    /// Whether all that are there have ended, and nobody has buried them: in a container whose first process buries nobody they stay for ever.
    /// Never where this process may not see those of others.
    pub(super) fn are_all_dead(&self) -> bool {
        let all: Vec<Life> = others(self.group).map(|(_, life)| life).collect();
        !all.is_empty() && !all.contains(&Life::Lives) && fs::read_to_string("/proc/1/stat").is_ok()
    }
}

/// Whether a process of the group has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Lives,
    Ended,
}

/// Looks through all processes.
fn others(group: i32) -> impl Iterator<Item = (i32, Life)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(move |pid| *pid != group).filter_map(move |pid| Some((pid, look(pid, group)?)))
}

/// None of a process of another group, or of none.
fn look(pid: i32, group: i32) -> Option<Life> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    match life_in(&stat, group)? {
        // The first thread may have ended alone.
        Life::Ended if threads_of(pid) > 1 => Some(Life::Lives),
        life => Some(life),
    }
}

fn threads_of(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// Of the first thread. The name of the program stands in brackets, and may hold anything.
fn life_in(stat: &str, group: i32) -> Option<Life> {
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_whitespace();
    let (state, its) = (fields.next()?, fields.nth(1)?);
    let life = if matches!(state, "Z" | "X") { Life::Ended } else { Life::Lives };
    (its == group.to_string()).then_some(life)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_counts_while_it_lives_in_the_group() {
        assert_eq!(life_in("12 (a) b) S 1 7 7 0 -1", 7), Some(Life::Lives));
        let killed = life_in("12 (sh) D 1 7 9 0 -1", 7);
        assert_eq!(killed, Some(Life::Lives), "killed, and not gone yet");
        assert_eq!(life_in("12 (sh) Z 1 7 7 0 -1", 7), Some(Life::Ended));
        assert_eq!(life_in("12 (sh) S 1 8 7 0 -1", 7), None);
        assert_eq!(life_in("", 7), None);
    }
}

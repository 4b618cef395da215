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
        self.known.retain(|pid| lives_in(*pid, group));
        if self.known.is_empty() {
            let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
            let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
            self.known = pids.filter(|pid| *pid != group && lives_in(*pid, group)).collect();
        }
        !self.known.is_empty()
    }
}

fn lives_in(pid: i32, group: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    is_alive_in(&stat, group)
}

/// The name of the program stands in brackets, and may hold anything.
fn is_alive_in(stat: &str, group: i32) -> bool {
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let mut fields = behind.split_whitespace();
    let (state, its) = (fields.next(), fields.nth(1));
    !matches!(state, None | Some("Z" | "X")) && its == Some(&*group.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_counts_while_it_lives_in_the_group() {
        assert!(is_alive_in("12 (a) b) S 1 7 7 0 -1", 7));
        assert!(is_alive_in("12 (sh) D 1 7 9 0 -1", 7), "killed, and not gone yet");
        assert!(!is_alive_in("12 (sh) Z 1 7 7 0 -1", 7));
        assert!(!is_alive_in("12 (sh) S 1 8 7 0 -1", 7));
        assert!(!is_alive_in("", 7));
    }
}

//! What the machine tells of this process and of the disk under its data, at one moment. Read anew for each question; what cannot be read
//! is not there.

use crate::disk;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::Semaphore;

/// Looks at one time: threads that a disk which hangs may hold.
const LOOKS_AT_ONCE: usize = 4;

/// Everything, in base units.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Machine {
    /// Of all threads, in user and system mode.
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) virtual_bytes: Option<u64>,
    pub(crate) threads: Option<u64>,
    pub(crate) open_descriptors: Option<u64>,
    /// None when there is no limit.
    pub(crate) most_descriptors: Option<u64>,
    /// What this process's user may still write under its data.
    pub(crate) disk_free_bytes: Option<u64>,
    pub(crate) disk_bytes: Option<u64>,
    /// When the newest snapshot was written, in seconds since 1970.
    pub(crate) snapshot_unix_seconds: Option<u64>,
}

impl Machine {
    /// As it is now, looked at on a thread that may wait; none when too many look already, as they do where a disk does not answer, or
    /// when it takes longer than `patience`.
    pub(crate) async fn look_in_turn(
        [data, snapshots]: [PathBuf; 2],
        patience: Duration,
    ) -> Option<Self> {
        static LOOKS: Semaphore = Semaphore::const_new(LOOKS_AT_ONCE);
        let look = LOOKS.try_acquire().ok()?;
        let looking = tokio::task::spawn_blocking(move || {
            let seen = Self::look(&data, &snapshots);
            drop(look);
            seen
        });
        tokio::time::timeout(patience, looking).await.ok()?.ok()
    }

    /// As it is now. May wait for a disk, so not on a thread that others need. `data` is the data directory, `snapshots` where the
    /// snapshots are.
    fn look(data: &Path, snapshots: &Path) -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let free = rustix::fs::statvfs(data).ok();
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            #[allow(clippy::cast_precision_loss, reason = "years of seconds are exact")]
            cpu_seconds: Some(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9),
            resident_bytes: kibibytes(&status, "VmRSS"),
            virtual_bytes: kibibytes(&status, "VmSize"),
            threads: number(&status, "Threads"),
            open_descriptors: fs::read_dir("/proc/self/fd").ok().map(|all| all.count() as u64),
            most_descriptors: getrlimit(Resource::Nofile).current,
            disk_free_bytes: free.as_ref().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            disk_bytes: free.as_ref().map(|disk| disk.f_blocks.saturating_mul(disk.f_frsize)),
            snapshot_unix_seconds: disk::newest_snapshot_at(snapshots)
                .and_then(|at| Some(at.duration_since(UNIX_EPOCH).ok()?.as_secs())),
        }
    }
}

fn number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

fn kibibytes(status: &str, name: &str) -> Option<u64> {
    Some(number(status, name)?.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells_of_this_process_and_its_disk() {
        let dir = tempfile::tempdir().unwrap();
        let before = Machine::look(dir.path(), dir.path());
        assert!(before.resident_bytes > Some(100_000) && before.threads >= Some(1), "{before:?}");
        assert!(before.disk_free_bytes.is_some() && before.disk_bytes >= before.disk_free_bytes);
        assert_eq!(before.snapshot_unix_seconds, None);
        fs::write(dir.path().join("snapshot-00000000000000000009-00000000000000000002"), "")
            .unwrap();
        fs::write(dir.path().join("snapshot-1.damaged"), "").unwrap();
        let _open = fs::File::open(dir.path()).unwrap();
        let after = Machine::look(dir.path(), dir.path());
        assert!(after.snapshot_unix_seconds > Some(1_700_000_000), "{after:?}");
        assert!(after.cpu_seconds >= before.cpu_seconds);
    }
}

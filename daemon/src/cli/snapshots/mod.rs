//! `quorate snapshot`: what the cluster has agreed on in one file. `save` asks the daemon of this host, `status` reads a file, and
//! `restore` founds a new cluster from one.

mod restore;
mod save;
mod status;

use super::arguments::{Format, SnapshotCommand};
use super::client::Client;
use super::exit::Failure;
use crate::disk::backups::BackupHead;
use std::path::PathBuf;
use std::process::ExitCode;

/// Does what a line about snapshots asks for.
pub(crate) fn snapshot(
    command: SnapshotCommand,
    socket: PathBuf,
    format: Format,
) -> Result<ExitCode, Failure> {
    match command {
        SnapshotCommand::Save(options) => {
            super::run(save::save(&Client::new(socket), format, &options))
        }
        SnapshotCommand::Restore(options) => restore::restore(&options, format),
        SnapshotCommand::Status { file } => status::status(&file, format),
    }
}

/// One sentence of what is in a backup.
fn in_words(head: &BackupHead) -> String {
    format!(
        "cluster {} ({}) at revision {}, {} keys, {}",
        head.cluster, head.cluster_id, head.revision, head.keys, head.time
    )
}

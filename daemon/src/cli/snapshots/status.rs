//! `snapshot status`: reads a file from its first byte to its last, checks all checksums, and builds the state that is in it, so that what
//! is called good can be restored. Needs no daemon.

use crate::cli::arguments::Format;
use crate::cli::exit::Failure;
use crate::cli::output;
use crate::disk::backups::{BackupHead, BackupReader};
use crate::regular;
use quorate_meta::Meta;
use serde_json::json;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

/// `quorate snapshot status`.
pub(super) fn status(file: &Path, format: Format) -> Result<ExitCode, Failure> {
    let (head, _) = read(open(file)?, file)?;
    let bytes = file.metadata().map_or(0, |file| file.len());
    match format {
        Format::Json => output::json(&json!({ "snapshot": head, "bytes": bytes }))?,
        Format::Table => output::text(&draw(&head, bytes))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens a backup.
///
/// # Errors
/// When the system refuses, with the file's name.
pub(super) fn open(path: &Path) -> Result<File, Failure> {
    regular::open_or_pipe(path).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::other(format!("{}: {why}", path.display()))
}

/// The state in a backup, if every byte is as it was written and all of it is what the head says.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn read(file: File, path: &Path) -> Result<(BackupHead, Meta), Failure> {
    let failed = |why: String| failed(path, &why);
    let BackupReader { head, mut pieces } = BackupReader::of(file).map_err(failed)?;
    let meta = Meta::restore(pieces.by_ref());
    // A damaged byte also makes nonsense of what is behind it: the byte is what is told.
    pieces.verdict().map_err(failed)?;
    let meta = meta.map_err(|error| failed(format!("its content is not understood: {error}")))?;
    let found = (meta.revision().get(), meta.keys(), format!("{:016x}", meta.state_hash()));
    if found != (head.revision, head.keys, head.state_hash.clone()) {
        let (revision, keys, _) = found;
        let why = format!(
            "its head says revision {} and {} keys, and there are revision {revision} and {keys} keys in it",
            head.revision, head.keys
        );
        return Err(failed(why));
    }
    Ok((head, meta))
}

fn draw(head: &BackupHead, bytes: u64) -> String {
    let hosts: Vec<String> =
        head.hosts.iter().map(|host| format!("{} ({})", host.name, host.role)).collect();
    format!(
        "cluster   {} ({})\n\
         revision  {}\n\
         keys      {}, about {} bytes in memory\n\
         made      {} on {} by quorate {}\n\
         hosts     {}\n\
         file      {bytes} bytes, all of them as they were written\n",
        head.cluster,
        head.cluster_id,
        head.revision,
        head.keys,
        head.key_bytes,
        head.time,
        head.saved_by,
        head.version,
        hosts.join(", ")
    )
}

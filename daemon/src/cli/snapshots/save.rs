//! `snapshot save`: takes the stream of the daemon into a file, which has its name once it is whole, synced and read back. With a
//! directory it also removes what is too old there, and only behind a success.

use super::in_words;
use crate::api::TIMEOUT_HEADER;
use crate::cli::arguments::{Format, SaveOptions};
use crate::cli::client::Client;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::stderr::complain;
use crate::disk::backups::{Arriving, BackupHead, name_of, prune};
use serde_json::json;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// `quorate snapshot save`.
pub(super) async fn save(
    client: &Client,
    format: Format,
    options: &SaveOptions,
) -> Result<ExitCode, Failure> {
    let directory = directory(options)?;
    let mut arriving = Arriving::begin(&directory).map_err(|error| cannot(&directory, &error))?;
    tokio::select! {
        fetched = fetch(client, options, &directory, &mut arriving) => fetched?,
        // What was begun goes with this.
        () = interrupted() => return Err(Failure::other("interrupted; no snapshot was saved")),
    }
    let head = arriving.whole().map_err(|why| damaged(&why))?;
    let path = options.file.clone().unwrap_or_else(|| directory.join(name_of(&head)));
    arriving.name(&path).map_err(|error| cannot(&path, &error))?;
    let gone = old(options, &path, &head);
    match format {
        Format::Json => output::json(&json!({ "file": path, "snapshot": head, "removed": gone }))?,
        Format::Table => output::text(&format!("{}: {}\n", path.display(), in_words(&head)))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Where it is written.
fn directory(options: &SaveOptions) -> Result<PathBuf, Failure> {
    let Some(file) = &options.file else { return Ok(options.into.clone().unwrap_or_default()) };
    if file.is_dir() {
        let text = format!(
            "{0} is a directory: name a file, or let it be named with `quorate snapshot save --into {0}`",
            file.display()
        );
        return Err(Failure::new(Exit::Usage, "usage", text));
    }
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(parent.unwrap_or(Path::new(".")).to_owned())
}

async fn fetch(
    client: &Client,
    options: &SaveOptions,
    directory: &Path,
    arriving: &mut Arriving,
) -> Result<(), Failure> {
    let path = if options.serializable { "/v1/snapshot?serializable=1" } else { "/v1/snapshot" };
    let millis = options.timeout.as_millis().max(1).to_string();
    let headers = [(TIMEOUT_HEADER, millis.as_str())];
    let mut coming = client.download(path, &headers, options.timeout).await?;
    while let Some(bytes) = coming.next().await? {
        arriving.write(&bytes).map_err(|error| cannot(directory, &error))?;
    }
    Ok(())
}

/// The wish that this ends.
async fn interrupted() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// What is too old goes. That it cannot is told, and no failure: the snapshot is there.
fn old(options: &SaveOptions, path: &Path, head: &BackupHead) -> Vec<PathBuf> {
    let Some(keep) = options.keep else { return Vec::new() };
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    prune(path, head, keep).unwrap_or_else(|error| {
        complain(&format!("quorate: older snapshots stay: {error}"));
        Vec::new()
    })
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::other(format!("cannot write {}: {error}; no snapshot was saved", path.display()))
}

fn damaged(why: &str) -> Failure {
    Failure::other(format!(
        "what came is not whole: {why}. No snapshot was saved; the daemon was stopped meanwhile, or the disk is damaged: `journalctl -u quorate -e`"
    ))
}

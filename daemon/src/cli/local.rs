//! The commands that need no daemon: `reset`, `secret`, `check-config`.

use super::arguments::{CheckConfigOptions, Format, ResetOptions, RunOptions};
use super::closed;
use super::exit::{Exit, Failure};
use super::output;
use crate::config::{self, Config, ConfigError, Environment, Places};
use crate::disk;
use crate::parent;
use crate::regular;
use crate::shell::own_slot::{OwnHost, ResolvedSeed};
use crate::shell::resolve;
use quorate_transport::Secret;
use rustix::process::Signal;
use serde_json::json;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::ExitCode;

/// Longest secret file that is read.
const SECRET_FILE: u64 = 4096;

/// `quorate reset`.
pub(super) fn reset(options: &ResetOptions, format: Format) -> Result<ExitCode, Failure> {
    // Neither the secret nor the seeds matter here.
    let places = Places::load(&options.config.config, &Environment::of_process());
    let Places { cluster, data_dir, birth_dir } = places.map_err(|error| bad_config(&error))?;
    become_owner(&data_dir, &birth_dir)?;
    let (root, birth, wanted) = (&data_dir, &birth_dir, &options.cluster);
    let done = match &options.bring_back {
        Some(kept) => disk::bring_back(root, birth, &cluster, wanted, kept),
        None if options.prepared => disk::give_up_prepared(root, birth, &cluster, wanted),
        None => disk::reset(root, birth, &cluster, wanted, options.set_aside),
    };
    let cleared = done.map_err(|error| Failure::other(error.to_string()))?;
    match format {
        Format::Json => output::json(&json!({ "done": cleared }))?,
        Format::Table => output::text(&format!("{cleared}\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `quorate check-config`.
pub(super) fn check_config(
    options: &CheckConfigOptions,
    format: Format,
) -> Result<ExitCode, Failure> {
    let config = load(&options.config)?;
    let RunOptions { config: path, host: host_file } = &options.config;
    let report = config::check_config(path, host_file.as_deref(), &Environment::of_process())
        .map_err(|error| bad_config(&error))?;
    let closed = closed::warnings(&config, host_file.as_deref());
    // The daemon's user is the data's owner: what that one may not do, the daemon may not.
    become_owner(&config.data_dir, &config.birth_dir)?;
    let Config { data_dir, birth_dir, cluster, host, .. } = &config;
    let data = disk::inspect(data_dir, birth_dir, cluster, &host.name)
        .map_err(|error| Failure::new(Exit::Error, "data", error.to_string()))?;
    let mut report = report.with_data(&data).with_slot(&own_host(&config)?, &resolved(&config)?);
    report.warnings.extend(closed);
    match format {
        Format::Json => {
            let lines: Vec<&str> = report.text.lines().collect();
            output::json(&json!({ "means": lines, "warnings": report.warnings }))?;
        }
        Format::Table => output::text(&report.to_string())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Before this process has a second thread.
fn become_owner(data_dir: &Path, birth_dir: &Path) -> Result<(), Failure> {
    disk::become_owner(data_dir, birth_dir).map_err(|error| Failure::other(error.to_string()))
}

pub(super) fn load(options: &RunOptions) -> Result<Config, Failure> {
    Config::load(&options.config, options.host.as_deref(), &Environment::of_process())
        .map_err(|error| bad_config(&error))
}

fn bad_config(error: &ConfigError) -> Failure {
    Failure::new(Exit::Error, "config", error.to_string())
}

pub(super) fn own_host(config: &Config) -> Result<OwnHost, Failure> {
    let hostname = Environment::of_process().hostname;
    let names = [hostname.as_str(), config.host.name.as_str()];
    OwnHost::of_this_machine(config.listen, config.host.advertise, &names)
        .map_err(|error| Failure::other(format!("cannot read this host's addresses: {error}")))
}

pub(super) fn resolved(config: &Config) -> Result<Vec<ResolvedSeed>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::other(format!("cannot start: {error}")))?;
    let resolved = runtime.block_on(resolve::resolve_all(&config.seeds));
    // A resolver that hangs is left to itself.
    runtime.shutdown_background();
    Ok(resolved)
}

/// Has the kernel end this process together with its parent, so that no daemon outlives what it was started for.
pub(crate) fn end_with(parent: Option<u32>) -> Result<(), Failure> {
    let Some(parent) = parent else { return Ok(()) };
    match parent::end_with(parent, Signal::KILL) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::other(format!("--end-with: process {parent} is not the parent"))),
        Err(error) => Err(Failure::other(format!("--end-with: {error}"))),
    }
}

/// `quorate secret new`.
pub(super) fn new_secret(format: Format) -> Result<ExitCode, Failure> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| Failure::other(format!("no randomness: {error}")))?;
    let secret = Secret::generate(random).to_text();
    match format {
        Format::Json => output::json(&json!({ "secret": secret }))?,
        Format::Table => output::text(&format!("{secret}\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `quorate secret fingerprint`.
pub(super) fn fingerprint(file: &Path, format: Format) -> Result<ExitCode, Failure> {
    let secrets = config::parse_secrets(file, &read_secret(file)?)
        .map_err(|error| Failure::other(error.to_string()))?;
    let (page, text) = fingerprints(&secrets);
    match format {
        Format::Json => output::json(&page)?,
        Format::Table => output::text(&format!("{text}\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// As JSON and in words: of the one in use, and of the second one while the secret is rotated.
fn fingerprints(secrets: &[Secret]) -> (serde_json::Value, String) {
    let prints: Vec<String> = secrets.iter().map(Secret::fingerprint).collect();
    match prints.as_slice() {
        [used, trusted, ..] => (
            json!({ "fingerprint": used, "also_trusted": trusted }),
            format!(
                "{used} (first line)\n{trusted} (second line); which of them is used, `quorate secret rotate --status` says on a host that runs"
            ),
        ),
        _ => (json!({ "fingerprint": prints.first() }), prints.concat()),
    }
}

fn read_secret(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(SECRET_FILE).read_to_string(&mut text)
    } else {
        regular::open_or_pipe(file)
            .and_then(|opened| opened.take(SECRET_FILE).read_to_string(&mut text))
    };
    let name = file.display();
    read.map_err(|error| {
        Failure::other(match error.kind() {
            ErrorKind::NotFound => format!(
                "{name} does not exist; `quorate secret new` makes a secret, the same for every host"
            ),
            ErrorKind::PermissionDenied => format!("no permission to read {name}; run this as root"),
            _ => format!("cannot read {name}: {error}"),
        })
    })?;
    Ok(text)
}

//! The command line: the arguments, the questions to the daemon of this host over its unix socket, and what needs no daemon: `reset`,
//! `secret`, `check-config`, and what `man` and the shells are told. Knows nothing of how a daemon runs, nor of the demonstration.

mod absent;
mod acts;
mod arguments;
mod autopilot;
mod client;
mod exit;
pub(crate) mod format;
mod keyspace;
mod local;
mod manual;
mod output;
mod ping;
mod reading;
mod show;
mod standing;
mod stderr;
mod stdin;
#[cfg(test)]
mod tests;
mod wait;
mod watching;
mod why;

pub(crate) use arguments::{
    Arguments, Command, DemoOptions, Format, LocalCommand, Question, RunOptions,
};
pub(crate) use client::Client;
pub(crate) use exit::Failure;
pub(crate) use keyspace::ask_once as ask_keyspace;
pub(crate) use local::end_with;
pub(crate) use output::colour;
pub(crate) use stderr::complain;

use arguments::{AskOptions, LeaderCommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Does what needs no daemon.
pub(crate) fn locally(command: LocalCommand, format: Format) -> Result<ExitCode, Failure> {
    match command {
        LocalCommand::Reset(options) => local::reset(&options, format),
        LocalCommand::CheckConfig(options) => local::check_config(&options, format),
        LocalCommand::Secret { command } => local::secret(command, format),
        LocalCommand::Completions { shell } => manual::completions(shell, format),
        LocalCommand::Man(options) => manual::man(&options, format),
    }
}

/// Asks the daemon of this host.
pub(crate) fn ask(
    question: Question,
    socket: PathBuf,
    format: Format,
) -> Result<ExitCode, Failure> {
    let client = &Client::new(socket);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start: {error}")))?;
    let within = |ask: AskOptions| client.with_patience(ask.timeout);
    runtime.block_on(async {
        match question {
            Question::Status(options) => {
                show::status(&within(options.ask), format, options.links).await
            }
            Question::Members(options) => {
                show::members(&within(options.ask), format, options.wide).await
            }
            Question::Health(options) if options.watch => {
                watching::watch_health(client, format).await
            }
            Question::Health(options) => watching::health(&within(options.ask), format).await,
            Question::Events(options) if options.watch => {
                watching::watch_events(client, format).await
            }
            Question::Events(options) => watching::events(&within(options.ask), format).await,
            Question::Wait(options) => wait::wait(client, format, &options).await,
            Question::Put(options) => keyspace::put(client, format, options).await,
            Question::Get(options) => reading::get(client, format, options).await,
            Question::Delete(options) => keyspace::delete(client, format, options).await,
            Question::Why(ask) => why::why(&within(ask), format).await,
            Question::Remove(options) => acts::remove(client, format, &options).await,
            Question::Leader(LeaderCommand::Transfer { host, timeout }) => {
                acts::transfer(client, format, host.as_deref(), timeout).await
            }
            Question::Drain(options) => {
                standing::drain(client, format, &options.host, &options.reason).await
            }
            Question::Undrain(options) => standing::undrain(client, format, &options).await,
            Question::Promote(options) => standing::promote(client, format, &options).await,
            Question::Autopilot(options) => autopilot::autopilot(client, format, &options).await,
            Question::Ping(options) => ping::ping(client, format, &options).await,
        }
    })
}

//! The command line: the arguments, the questions to the daemon of this host over its unix socket, and what needs no daemon: `reset`,
//! `secret`, `check-config`, and what `man` and the shells are told. Knows nothing of how a daemon runs, nor of the demonstration.

mod absent;
mod acts;
mod applications;
mod arguments;
mod assignments;
mod autopilot;
mod budgets;
mod bundle;
mod client;
mod closed;
mod definitions;
mod exit;
mod exporting;
mod feature;
pub(crate) mod format;
mod found;
mod importing;
mod key_lines;
mod keyspace;
mod local;
mod manual;
pub(crate) mod output;
mod ping;
mod reading;
mod recover;
mod revoke;
mod revoked;
mod run_with;
mod secrets;
mod show;
mod snapshots;
mod standing;
mod stderr;
mod stdin;
#[cfg(test)]
mod tests;
mod wait;
mod watching;
mod why;

pub(crate) use acts::ask as ask_act;
pub(crate) use arguments::{
    Arguments, Command, DemoOptions, Format, HooksCommand, LocalCommand, Question, RunOptions,
};
pub(crate) use client::{Changes, Client};
pub(crate) use exit::{Exit, Failure};
pub(crate) use keyspace::ask_once as ask_keyspace;
pub(crate) use local::end_with;
pub(crate) use output::colour;
pub(crate) use show::query_value;
pub(crate) use snapshots::snapshot;
pub(crate) use stderr::complain;

use arguments::{AskOptions, DebugCommand, FeatureCommand, LeaderCommand, SecretCommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Does what needs no daemon.
pub(crate) fn locally(command: LocalCommand, format: Format) -> Result<ExitCode, Failure> {
    match command {
        LocalCommand::Reset(options) => local::reset(&options, format),
        LocalCommand::CheckConfig(options) => local::check_config(&options, format),
        LocalCommand::Completions { shell } => manual::completions(shell, format),
        LocalCommand::Man(options) => manual::man(&options, format),
        LocalCommand::RunWithChild { parent, command } => run_with::become_child(parent, &command),
    }
}

/// Asks the daemon of this host.
pub(crate) fn ask(
    question: Question,
    socket: PathBuf,
    format: Format,
) -> Result<ExitCode, Failure> {
    let client = &Client::new(socket);
    let within = |ask: AskOptions| client.with_patience(ask.timeout);
    run(async {
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
            Question::Events(options) => {
                watching::events(&within(options.ask), format, options.since.as_deref()).await
            }
            Question::Wait(options) => wait::wait(client, format, &options).await,
            Question::Put(options) => keyspace::put(client, format, options).await,
            Question::Get(options) => reading::get(client, format, options).await,
            Question::Delete(options) => keyspace::delete(client, format, options).await,
            Question::Why(ask) => why::why(&within(ask), format).await,
            Question::Remove(options) => acts::remove(client, format, &options).await,
            Question::Revoke(options) => revoke::revoke(client, format, &options).await,
            Question::Leader(LeaderCommand::Transfer { host, timeout }) => {
                acts::transfer(client, format, host.as_deref(), timeout).await
            }
            Question::Recover(options) => recover::recover(client, format, &options).await,
            Question::Found(options) => found::found(client, format, &options).await,
            Question::Feature { command: None, ask } => feature::show(&within(ask), format).await,
            Question::Feature {
                command: Some(FeatureCommand::Raise { level, timeout }), ..
            } => acts::raise_features(client, format, level, timeout).await,
            Question::Secret(SecretCommand::Rotate(options)) => {
                secrets::rotate(client, format, &options).await
            }
            Question::Secret(SecretCommand::New) => local::new_secret(format),
            Question::Secret(SecretCommand::Fingerprint { file }) => {
                local::fingerprint(&file, format)
            }
            Question::Drain(options) => {
                standing::drain(client, format, &options.host, &options.reason).await
            }
            Question::Undrain(options) => standing::undrain(client, format, &options).await,
            Question::Promote(options) => standing::promote(client, format, &options).await,
            Question::Autopilot(options) => autopilot::autopilot(client, format, &options).await,
            Question::Apps(options) => {
                applications::apps(&within(options.ask), format, &options).await
            }
            Question::App(command) => applications::app(client, format, &command).await,
            Question::Budget(command) => budgets::budget(client, format, &command).await,
            Question::Assign(command) => assignments::assign(client, format, &command).await,
            Question::RunWith(options) => run_with::run_with(client, options).await,
            Question::Ping(options) => ping::ping(client, format, &options).await,
            Question::Debug(DebugCommand::Bundle(options)) => {
                bundle::bundle(&client.with_patience(options.timeout), format, &options).await
            }
            Question::Export(options) => exporting::export(client, options).await,
            Question::Import(options) => importing::import(client, format, &options).await,
        }
    })
}

/// Carries out what waits for the daemon.
fn run<T>(asked: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start: {error}")))?;
    runtime.block_on(asked)
}

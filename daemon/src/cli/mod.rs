//! The command line: arguments, and which command does what. All but `run`, `farewell`, `demo`, `reset`, `secret` and
//! `check-config` talk to the daemon of this host over its unix socket.

mod absent;
mod arguments;
mod client;
mod exit;
pub(crate) mod format;
mod keyspace;
mod local;
mod output;
mod ping;
mod reading;
mod show;
mod stderr;
mod stdin;
#[cfg(test)]
mod tests;
mod wait;
mod watching;
mod why;

pub(crate) use arguments::{Arguments, Command, DemoOptions, Format, RunOptions};
pub(crate) use client::Client;
pub(crate) use exit::Failure;
pub(crate) use keyspace::ask_once as ask_keyspace;
pub(crate) use output::colour;
pub(crate) use stderr::complain;

use arguments::AskOptions;
use std::process::ExitCode;

/// Carries out a command line.
pub(crate) fn main(arguments: Arguments) -> ExitCode {
    let Arguments { socket, output, command } = arguments;
    let done = match command {
        Command::Run { options, end_with } => {
            if let Err(failure) = local::end_with(end_with) {
                return failure.report(output);
            }
            return crate::run::run(&options);
        }
        Command::Farewell(options) => return crate::run::farewell(&options),
        Command::Demo(options) => return crate::demo::demo(&options),
        Command::Reset(options) => local::reset(&options, output),
        Command::CheckConfig(options) => local::check_config(&options, output),
        Command::Secret { command } => local::secret(command, output),
        asking => ask(asking, &Client::new(socket), output),
    };
    match done {
        Ok(code) => code,
        Err(failure) => failure.report(output),
    }
}

/// The commands that ask the daemon.
fn ask(command: Command, client: &Client, format: Format) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other(format!("cannot start: {error}")))?;
    let within = |ask: AskOptions| client.with_patience(ask.timeout);
    runtime.block_on(async {
        match command {
            Command::Status(options) => {
                show::status(&within(options.ask), format, options.links).await
            }
            Command::Members(options) => {
                show::members(&within(options.ask), format, options.wide).await
            }
            Command::Health(options) if options.watch => {
                watching::watch_health(client, format).await
            }
            Command::Health(options) => watching::health(&within(options.ask), format).await,
            Command::Events(options) if options.watch => {
                watching::watch_events(client, format).await
            }
            Command::Events(options) => watching::events(&within(options.ask), format).await,
            Command::Wait(options) => wait::wait(client, format, &options).await,
            Command::Put(options) => keyspace::put(client, format, options).await,
            Command::Get(options) => reading::get(client, format, options).await,
            Command::Delete(options) => keyspace::delete(client, format, options).await,
            Command::Why(ask) => why::why(&within(ask), format).await,
            Command::Ping(options) => ping::ping(client, format, &options).await,
            Command::Run { .. }
            | Command::Farewell(_)
            | Command::Demo(_)
            | Command::Reset(_)
            | Command::CheckConfig(_)
            | Command::Secret { .. } => unreachable!("carried out without a daemon"),
        }
    })
}

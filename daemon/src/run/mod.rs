//! `quorate run`: reads the configuration, makes the threads, runs the daemon until it ends, and says with which exit code. Beside it,
//! `quorate farewell`.
//!
//! Invariant: whatever ends a daemon by itself is told to the journal and noted for `quorate why`, before the process ends.

mod again;
mod channels;
mod error;
mod farewell;
mod identity;
mod kept_events;
pub(crate) mod last_error;
mod late_address;
mod local_doors;
mod reload;
mod secret_copy;
mod share_files;
mod start;

pub(crate) use farewell::farewell;

use crate::cli::RunOptions;
use crate::config::{Config, Environment};
use crate::journal;
use crate::shell::ended::Ended;
use reload::Reload;
use secret_copy::SecretCopy;
use start::serve;
use std::io;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// The exit code of a daemon that must not be started again before somebody has done what it says; all else that fails has 1.
/// None of those to which systemd gives names of its own (systemd.exec(5)); `quorate.service` knows it.
const OPERATOR: u8 = 10;
/// The same of a program that is too old, or too new, for the feature level of the cluster: another version helps, and nothing else.
const UNFIT: u8 = 11;

/// Runs the daemon.
pub(crate) fn run(options: &RunOptions) -> ExitCode {
    let environment = Environment::of_process();
    let config = match Config::load(&options.config, options.host.as_deref(), &environment) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    if let Err(error) = journal::start(&config.log) {
        return refuse(&error);
    }
    for note in config.without_effect() {
        tracing::warn!("{note}");
    }
    if let Some(note) = config.two_seeds() {
        tracing::warn!("{note}");
    }
    let (socket, copy) = (config.client.socket.clone(), SecretCopy::make(&environment));
    // One thread for loop and network, so that a frame goes through without waking anybody; the doors have their
    // own, so that no client's answer, however large, delays a heartbeat.
    let inner = runtime(&mut Builder::new_current_thread());
    let doors = runtime(Builder::new_multi_thread().worker_threads(1).thread_name("doors"));
    let ended = match (inner, doors) {
        (Ok(inner), Ok(doors)) => {
            // As a task: what wakes the future of `block_on` itself costs the runtime one more look at its sockets.
            let reload = Reload::new(config.clone(), options.host.clone(), environment.clone());
            let serving = serve(config, environment, reload, doors.handle().clone());
            let serving = inner.spawn(serving);
            let ended = inner.block_on(serving).unwrap_or_else(|panic| {
                std::panic::resume_unwind(panic.into_panic());
            });
            doors.shutdown_background();
            ended
        }
        (Err(error), _) | (_, Err(error)) => return refuse(&error),
    };
    match ended {
        Ok(Ended::Stopped) => {
            journal::flush();
            last_error::forget(&socket);
            copy.remove();
            ExitCode::SUCCESS
        }
        Ok(Ended::Anew(_)) => {
            journal::flush();
            last_error::forget(&socket);
            let error = again::again();
            refuse(&format_args!(
                "this host is to begin anew and cannot by itself: {error}; start it again"
            ))
        }
        Ok(Ended::Halted { reason, again }) => {
            last_error::note(&socket, &reason);
            let code = refuse(&format_args!("halted: {reason}"));
            if again { code } else { ExitCode::from(OPERATOR) }
        }
        Ok(Ended::Unfit(reason)) => {
            last_error::note(&socket, &reason);
            refuse(&format_args!("halted: {reason}"));
            ExitCode::from(UNFIT)
        }
        Err(error) => {
            last_error::note(&socket, &error.to_string());
            let code = refuse(&error);
            if error.needs_operator() { ExitCode::from(OPERATOR) } else { code }
        }
    }
}

/// A runtime whose threads for what may wait are never all gone. Asked for the first one when the system gives none any more, tokio panics,
/// and so the daemon would end of a fork bomb beside it; while there is one, what cannot have a thread waits for its turn.
fn runtime(builder: &mut Builder) -> io::Result<Runtime> {
    let runtime = builder.enable_all().thread_keep_alive(Duration::MAX).build()?;
    drop(runtime.spawn_blocking(|| ()));
    Ok(runtime)
}

fn refuse(error: &dyn std::fmt::Display) -> ExitCode {
    journal::last_words(&error.to_string());
    ExitCode::FAILURE
}

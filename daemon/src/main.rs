//! The daemon `quorate` and its command line, in one binary: this file only takes the arguments apart and says who
//! does what they ask for.
//!
//! A panic anywhere is logged and ends the process at once: a node that has broken one of its own invariants must
//! not go on, and systemd starts it again from what is durable. Nothing is said by the macros that panic when standard
//! error cannot be written.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod anew;
mod api;
mod applications;
mod cli;
mod clock;
mod config;
mod definitions;
mod demo;
mod disk;
mod doors;
mod drop_in;
mod hooks;
mod journal;
mod links;
mod machine;
mod metrics;
mod parent;
mod regular;
mod run;
mod shell;
mod words;

use clap::Parser;
use cli::{Arguments, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let stack = std::backtrace::Backtrace::capture();
        journal::last_words(&format!(
            "panicked, which is a bug in quorate; the process ends: {panic}\n{stack}"
        ));
        std::process::abort();
    }));
    let Arguments { socket, output, command } = Arguments::parse();
    let done = match command {
        Command::Run { options, end_with } => cli::end_with(end_with).map(|()| run::run(&options)),
        Command::Farewell(options) => Ok(run::farewell(&options)),
        Command::Demo(options) => Ok(demo::demo(&options)),
        Command::Local(command) => cli::locally(command, output),
        Command::Snapshot(command) => cli::snapshot(command, socket, output),
        Command::Hooks(command) => hooks::hooks(command, socket, output),
        Command::Ask(question) => cli::ask(question, socket, output),
    };
    done.unwrap_or_else(|failure| failure.report(output))
}

//! One run of one check: what it says, and its last word.
//!
//! Invariants: a run ends within its time, and a moment more that is needed to kill a program. So many runs of each kind go on at a time at most:
//! a program that hangs holds up other programs, and no request or connection. Knows nothing of what a row of results means.

mod http;
mod program;

use super::definition::{Check, Kind, spoken};
use quorate_proto::ApplicationReport;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Requests and connections at a time: each costs a socket.
const CONNECTIONS: usize = 32;
/// Programs at a time: each costs a process, and what it starts.
const PROGRAMS: usize = 4;
/// Where units are asked for. The first one that is there.
const SYSTEMCTL: [&str; 2] = ["/usr/bin/systemctl", "/bin/systemctl"];

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) works: bool,
    /// For people; one line, cut to what may travel.
    pub(super) word: String,
}

impl Outcome {
    pub(super) fn of(said: Result<String, String>) -> Self {
        let (Ok(word) | Err(word)) = &said;
        let line = word.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let plain: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { works: said.is_ok(), word: ApplicationReport::cut(&plain) }
    }
}

/// The places of all runs.
#[derive(Debug)]
pub(super) struct Places {
    connections: Semaphore,
    programs: std::sync::Arc<Semaphore>,
}

impl Places {
    pub(super) fn new() -> Self {
        let programs = std::sync::Arc::new(Semaphore::new(PROGRAMS));
        Self { connections: Semaphore::new(CONNECTIONS), programs }
    }

    /// Runs a check once; none for what is not run by the daemon. Dropped half-way it leaves nothing behind that goes on.
    pub(super) async fn run(&self, check: &Check) -> Option<Outcome> {
        let limit = check.timeout;
        let said = match &check.kind {
            Kind::Http { address, path } => {
                let _place = self.connections.acquire().await.ok()?;
                within(limit, http::ask(address, path)).await
            }
            Kind::Tcp { address } => {
                let _place = self.connections.acquire().await.ok()?;
                within(limit, connect(address)).await
            }
            Kind::Command(words) => {
                let place = self.programs.clone().acquire_owned().await.ok()?;
                program::run(words, limit, place).await
            }
            Kind::Systemd(unit) => {
                let place = self.programs.clone().acquire_owned().await.ok()?;
                let there = |path: &&str| std::path::Path::new(path).exists();
                let systemctl = SYSTEMCTL.iter().copied().find(there).unwrap_or(SYSTEMCTL[0]);
                let words = [systemctl, "is-active", "--", unit].map(str::to_owned);
                program::run(&words, limit, place).await.map_err(|word| format!("{unit}: {word}"))
            }
            Kind::Heartbeat { .. } | Kind::None => return None,
        };
        Some(Outcome::of(said))
    }
}

async fn within(
    limit: Duration,
    asked: impl Future<Output = Result<String, String>>,
) -> Result<String, String> {
    let late = || format!("no answer within {}", spoken(limit));
    tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| Err(late()))
}

async fn connect(address: &str) -> Result<String, String> {
    match TcpStream::connect(address).await {
        Ok(_) => Ok(format!("{address} takes connections")),
        Err(error) => Err(format!("{address}: {error}")),
    }
}

#[cfg(test)]
mod tests;

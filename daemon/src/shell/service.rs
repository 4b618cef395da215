//! What systemd is told: READY once the daemon serves locally, STATUS in words, and the watchdog's food, which only
//! the loop itself hands out. Silent when no service manager listens.

use quorate_node::{State, Status};
use quorate_proto::Moment;
use sd_notify::NotifyState;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// How often the watchdog is fed where no loop does: far more often than in any unit's interval.
const FEED: Duration = Duration::from_secs(1);

/// What the service manager did not take is said again so much later.
const AGAIN: Duration = Duration::from_millis(200);

/// The line to the service manager. Nothing here waits for it: a node goes on whether it reads or not.
#[derive(Debug, Default)]
pub(crate) struct Service {
    feed_every: Option<Duration>,
    /// When the watchdog is to be fed next.
    feed_at: Moment,
    /// READY is still to be said.
    owes_ready: bool,
    status: String,
    /// STATUS is still to be said.
    owes_status: bool,
}

impl Service {
    /// Reads what the service manager expects.
    pub(crate) fn new() -> Self {
        // Twice in each interval, as sd_watchdog_enabled(3) recommends.
        let feed_every = sd_notify::watchdog_enabled().map(|interval| interval / 2);
        Self { feed_every, ..Self::default() }
    }

    /// The daemon serves locally.
    pub(crate) fn ready(&mut self) {
        self.owes_ready = true;
        self.say_what_is_owed();
    }

    /// The daemon was asked to stop.
    pub(crate) fn stopping(&mut self) {
        self.owes_ready = false;
        notify(&[NotifyState::Stopping]);
    }

    /// One turn of the loop is over.
    pub(crate) fn turned(&mut self, now: Moment) {
        self.say_what_is_owed();
        if let Some(every) = self.feed_every.filter(|_| now >= self.feed_at) {
            let told = notify(&[NotifyState::Watchdog]);
            self.feed_at = now + if told { every } else { AGAIN };
        }
    }

    /// When the loop must turn at the latest, so that the watchdog is fed.
    pub(crate) fn next_feed(&self) -> Option<Moment> {
        self.feed_every.map(|_| self.feed_at)
    }

    /// Shows the state in words when it changed.
    pub(crate) fn show(&mut self, status: &Status) {
        let text = in_words(status);
        if text != self.status {
            (self.status, self.owes_status) = (text, true);
            self.say_what_is_owed();
        }
    }

    fn say_what_is_owed(&mut self) {
        if self.owes_ready {
            self.owes_ready = !notify(&[NotifyState::Ready]);
        }
        if self.owes_status {
            self.owes_status = !notify(&[NotifyState::Status(&self.status)]);
        }
    }
}

/// Waits for something outside of the loop that may take longer than the watchdog waits.
pub(crate) async fn feed_while<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(FEED, &mut work).await {
            Ok(done) => return done,
            Err(_) => {
                notify(&[NotifyState::Watchdog]);
            }
        }
    }
}

/// Shows what the daemon does before it has a state.
pub(crate) fn say(text: &str) {
    notify(&[NotifyState::Status(text)]);
}

/// Whether the service manager was told, or there is none to tell; not where it has too much to read already. The library's own sending
/// waits for that, and the node would stand still with it.
pub(crate) fn notify(states: &[NotifyState<'_>]) -> bool {
    let Some(at) = std::env::var_os("NOTIFY_SOCKET") else { return true };
    let text: String = states.iter().map(|state| format!("{state}\n")).collect();
    let sent = send(&at, text.as_bytes());
    if let Err(error) = &sent {
        tracing::debug!(%error, "the service manager was not told");
    }
    sent.err().is_none_or(|error| error.kind() != ErrorKind::WouldBlock)
}

fn send(at: &OsStr, bytes: &[u8]) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match at.as_bytes().strip_prefix(b"@") {
        Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        None => socket.connect(at)?,
    }
    socket.send(bytes).map(|_| ())
}

/// One line for `systemctl status`.
fn in_words(status: &Status) -> String {
    let alive =
        status.view.members.iter().filter(|member| member.state().word() == "alive").count();
    let all = status.view.members.len();
    match (status.state, &status.leader) {
        (State::Quorate, Some((_, leader))) => {
            format!("quorate: {alive} of {all} alive, {leader} leads, epoch {}", status.view.epoch)
        }
        (State::Quorate, None) => format!("quorate: {alive} of {all} alive"),
        (state, _) => match status.reasons.first() {
            Some(reason) => format!("{}: {}", state.word(), reason.text),
            None => state.word().to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_manager_that_does_not_read_is_not_waited_for() {
        let place = tempfile::tempdir().expect("a directory");
        let at = place.path().join("notify");
        let manager = UnixDatagram::bind(&at).expect("a socket");
        let refused = (0..100_000).find_map(|_| send(at.as_os_str(), b"WATCHDOG=1\n").err());
        assert_eq!(refused.map(|error| error.kind()), Some(ErrorKind::WouldBlock));
        let mut read = [0; 64];
        let first = manager.recv(&mut read).expect("what was sent before is there");
        assert_eq!(read.get(..first), Some(b"WATCHDOG=1\n".as_slice()));
        assert!(send(at.as_os_str(), b"READY=1\n").is_ok(), "it reads again");
    }
}

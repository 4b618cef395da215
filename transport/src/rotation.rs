//! Another secret while the transport runs: what new connections show and accept changes at once, and links under a secret that is given
//! up are replaced by others.
//!
//! Invariant: a link is cut for its secret only when that is not accepted any more and no other link has taken its place in time. A link
//! that is replaced loses nothing, as any that is. Who has nothing but the old secret keeps its link as long as that is accepted, and holds
//! nobody up: whether it may is not decided here. Knows nothing of who decides which secret is used.

use crate::accepted::Secrets;
use crate::config::BindError;
use crate::dials::Begin;
use crate::endpoint;
use crate::identity::Identity;
use crate::link::Link;
use crate::lock::lock;
use crate::refusal::{CLOSED, close_open};
use crate::secret::Secret;
use crate::shared::Shared;
use crate::verifier::peer_secret;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Links that are replaced at one time: each is a handshake at both ends, and heartbeats are not to wait for hundreds of them.
const AT_ONCE: usize = 32;
/// Longest pause before links that could not be replaced are tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const DROPPED: &[u8] = b"the secret of this connection is no longer accepted here";

impl Shared {
    pub(crate) fn set_secrets(&self, secrets: &[Secret]) -> Result<(), BindError> {
        let identity = Identity::new(secrets, &self.pair)?;
        self.replace_secrets(Secrets::of(&identity, &self.hello(), &self.timings));
        let server = endpoint::server_config(&identity, &self.timings);
        self.endpoint.set_server_config(Some(server));
        Ok(())
    }

    /// See `Transport::given_up`.
    pub(crate) async fn give_up(self: &Arc<Self>, given_up: &[String]) {
        let (began, mut pause) = (Instant::now(), self.timings.backoff_first);
        loop {
            let settled = began.elapsed() >= self.timings.settled();
            let before = self.links_under(given_up, settled.then_some(began));
            if before.is_empty() {
                return;
            }
            self.dial_anew(before.iter().map(|link| link.met.address)).await;
            if settled {
                self.close_what_is_not_accepted();
            }
            // Where some have gone, the next ones have their turn; else the other side is asked again, later.
            if self.links_under(given_up, None).len() >= before.len() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// The links that carry a session under one of these secrets, or under one that is not accepted. One under a secret that is still
    /// accepted does not count if it was made anew since `tried`: the other side showed that secret again, with the choice.
    fn links_under(&self, given_up: &[String], tried: Option<Instant>) -> Vec<Arc<Link>> {
        let secrets = self.secrets();
        let standing = self.all_peers().into_iter().filter_map(|peer| peer.standing());
        let stays = |link: &Arc<Link>| {
            let in_vain = tried.is_some_and(|tried| link.since > tried);
            peer_secret(&link.connection).is_some_and(|secret| {
                let used = in_vain || !given_up.contains(&secret);
                secrets.side.fingerprints.contains(&secret) && used
            })
        };
        standing.filter(|link| !stays(link)).collect()
    }

    /// Makes another connection with each of these addresses, as many as are made at one time.
    async fn dial_anew(self: &Arc<Self>, addresses: impl Iterator<Item = SocketAddr>) {
        let mut dials = JoinSet::new();
        for address in addresses.take(AT_ONCE) {
            let begin = lock(&self.dials).begin(Instant::now(), address, false);
            if matches!(begin, Begin::Now) {
                let shared = self.clone();
                dials.spawn(async move { shared.dial_now(address).await });
            }
        }
        dials.join_all().await;
    }

    /// Also those that carry no session any more: frames come in on them to their end.
    fn close_what_is_not_accepted(&self) {
        let secrets = self.secrets();
        for peer in self.all_peers() {
            for link in peer.state().record.running() {
                if !secrets.accept(&link.connection) {
                    close_open(&link.connection, CLOSED, DROPPED);
                }
            }
        }
    }
}

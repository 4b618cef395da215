//! Which of this host's secrets are accepted and used: what its file has, and what is agreed on of a change of the cluster's secret, carried
//! out in the transport and told to the node.
//!
//! Invariant: what is told to the node is done. A secret leaves this process in no message, line or answer: fingerprints alone do.

use quorate_node::Input;
use quorate_proto::{Fingerprint, SecretChange, SecretsHeld};
use quorate_transport::{Secret, Transport};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What the task works with.
pub(crate) struct Keeper {
    /// What the file has, as it was read last.
    file: watch::Receiver<Vec<Secret>>,
    /// What is agreed on, as the node knows it.
    change: watch::Receiver<Arc<SecretChange>>,
    transport: Transport,
    results: mpsc::Sender<Input>,
}

/// What is carried out of a change.
struct Held<'a> {
    change: &'a SecretChange,
    accepted: &'a [Fingerprint],
    /// The file has one that was dropped.
    has_dropped: bool,
}

impl Keeper {
    /// Begins to keep what the file has, and what is told through what this gives.
    pub(crate) fn spawn(
        file: watch::Receiver<Vec<Secret>>,
        transport: Transport,
        results: mpsc::Sender<Input>,
    ) -> watch::Sender<Arc<SecretChange>> {
        let (told, change) = watch::channel(Arc::default());
        tokio::spawn(Self { file, change, transport, results }.keep());
        told
    }

    /// Follows both until the daemon ends.
    async fn keep(mut self) {
        let mut taken = false;
        loop {
            let file = self.file.borrow_and_update().clone();
            let change = self.change.borrow_and_update().clone();
            let known: Vec<(Fingerprint, Secret)> =
                file.into_iter().filter_map(|secret| Some((of(&secret)?, secret))).collect();
            let prints: Vec<Fingerprint> = known.iter().map(|(print, _)| *print).collect();
            if prints.iter().all(|print| change.is_dropped(*print)) && taken {
                tracing::error!(
                    "the secret file has only secrets that were dropped: this host goes on with those of before, and would be refused after its next start. \
                     Put the line that the other hosts have into /etc/quorate/secret, then `systemctl reload quorate`"
                );
                if self.has_news().await {
                    continue;
                }
                return;
            }
            taken = true;
            let chosen = change.chosen(&prints);
            let in_use = |print: &Fingerprint| known.iter().find(|(known, _)| known == print);
            let secrets =
                chosen.accepted.iter().filter_map(in_use).map(|(_, secret)| secret.clone());
            if let Err(error) = self.transport.set_secrets(&secrets.collect::<Vec<_>>()) {
                tracing::error!(%error, "the secrets are not taken up");
            } else {
                let given_up: Vec<String> =
                    chosen.given_up.iter().map(ToString::to_string).collect();
                let has_dropped = prints.iter().any(|print| change.is_dropped(*print));
                let held = Held { change: &change, accepted: &chosen.accepted, has_dropped };
                self.say(&held, false).await;
                tokio::select! {
                    () = self.transport.given_up(&given_up) => {
                        self.say(&held, true).await;
                    }
                    _ = self.file.changed() => continue,
                    _ = self.change.changed() => continue,
                }
            }
            if !self.has_news().await {
                return;
            }
        }
    }

    /// Waits until the file or the change is another one; false when the daemon ends.
    async fn has_news(&mut self) -> bool {
        let changed = tokio::select! {
            changed = self.file.changed() => changed,
            changed = self.change.changed() => changed,
        };
        changed.is_ok()
    }

    /// Tells the node what is accepted; and, once no link stands under another, which is used.
    async fn say(&self, held: &Held<'_>, on_all_links: bool) {
        let uses = held.accepted.first().filter(|_| on_all_links).map_or(0, |first| first.get());
        let accepts = held.accepted.iter().map(|print| print.get()).collect();
        let (version, has_dropped) = (held.change.version, held.has_dropped);
        let held = SecretsHeld { version, accepts, uses, has_dropped };
        let _ = self.results.send(Input::SecretsHeld(held)).await;
    }
}

fn of(secret: &Secret) -> Option<Fingerprint> {
    Fingerprint::parse(&secret.fingerprint())
}

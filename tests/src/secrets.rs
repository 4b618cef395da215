//! The secrets of simulated hosts, by number: what the shell makes of its file and of what is agreed on, and who is let in with it.
//!
//! A host without a file of secrets says nothing of them, and is let in everywhere.

use crate::world::{SimEvent, World};
use quorate_node::Input;
use quorate_proto::{DialFailure, Fingerprint, SecretChange, SecretsHeld};
use std::sync::Arc;
use std::time::Duration;

/// How long the shell takes to make its links anew.
const RENEWAL: Duration = Duration::from_millis(5);

impl World {
    /// Another secret file on a host; a daemon that runs there reads it at once.
    pub fn set_secrets(&mut self, host: usize, secrets: &[u64]) {
        self.hosts[host].secrets = secrets.iter().copied().map(Fingerprint::new).collect();
        self.take_up_secrets(host);
    }

    /// The node knows how far a change of the secret has come.
    pub(crate) fn secrets_change(&mut self, host: usize, change: &Arc<SecretChange>) {
        if let Some(process) = &mut self.hosts[host].process {
            process.change = change.clone();
        }
        self.take_up_secrets(host);
    }

    pub(crate) fn take_up_secrets(&mut self, host: usize) {
        let place = &mut self.hosts[host];
        let Some(process) = place.process.as_mut().filter(|_| !place.secrets.is_empty()) else {
            return;
        };
        let chosen = process.change.chosen(&place.secrets);
        process.secrets.clone_from(&chosen.accepted);
        let accepts: Vec<u64> = chosen.accepted.iter().map(|secret| secret.get()).collect();
        let has_dropped = process.secrets.iter().any(|secret| process.change.is_dropped(*secret));
        let version = process.change.version;
        let held = SecretsHeld { version, uses: accepts[0], accepts, has_dropped };
        let (run, at) = (place.run, self.now + RENEWAL);
        let input = Box::new(Input::SecretsHeld(held));
        self.schedule(at, SimEvent::Arrive { host, run, input });
    }

    /// Why two running hosts with different secrets refuse each other, if they do, as the first one is told.
    pub(crate) fn other_secret(&self, host: usize, peer: usize) -> Option<DialFailure> {
        let of = |host: usize| self.hosts[host].process.as_ref().map(|process| &process.secrets);
        let (ours, theirs) = (of(host)?, of(peer)?);
        let differ = !ours.is_empty() && !theirs.is_empty();
        let shared = ours.iter().any(|secret| theirs.contains(secret));
        (differ && !shared).then(|| DialFailure::OtherSecret {
            theirs: theirs[0].to_string(),
            ours: ours[0].to_string(),
        })
    }
}

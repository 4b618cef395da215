//! Snapshots on their way: read from the sender's disk, durable at the receiver when all of it is there, and not before.
//!
//! Mirrors the transport and the shell: connections of their own, which may be cut in the middle and are made again a
//! few times; one at a time to each peer; the end is always reported, once.

use crate::world::{SimEvent, World};
use quorate_meta::Meta;
use quorate_node::Input;
use quorate_proto::{GroupId, Instance, Message as _, RaftMessage, SnapshotMetadata};
use std::net::SocketAddr;
use std::time::Duration;

/// Pieces of a snapshot, under each of which its connection may break.
const PIECES: u64 = 16;
/// Connections before the sending has failed.
const TRIES: u32 = 8;
/// First pause between them, doubled each time, and the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// A snapshot on its way.
#[derive(Debug)]
pub(crate) struct Transfer {
    host: usize,
    run: u64,
    group: GroupId,
    to: Instance,
    address: SocketAddr,
    /// Which run of which host answered first.
    start: Option<(usize, u64)>,
    message: RaftMessage,
    metadata: SnapshotMetadata,
    /// What the sender's open file holds.
    image: Box<Meta>,
    tries: u32,
}

impl World {
    pub(crate) fn send_snapshot(
        &mut self,
        host: usize,
        group: GroupId,
        to: Instance,
        address: SocketAddr,
        message: RaftMessage,
    ) {
        self.mix(&[&message.encode_to_vec()]);
        let run = self.hosts[host].run;
        let metadata = message.snapshot.clone().expect("a snapshot's message names it");
        let Some(image) = self.hosts[host].disk.snapshot(&metadata).cloned().map(Box::new) else {
            let SnapshotMetadata { index, term, .. } = metadata;
            self.tell_sender(host, run, Input::SnapshotUnreadable { group, index, term });
            self.tell_sender(host, run, Input::SnapshotSent { group, to, ok: false });
            return;
        };
        if !self.transfers.insert((host, run, to)) {
            self.tell_sender(host, run, Input::SnapshotSent { group, to, ok: false });
            return;
        }
        let transfer = Transfer {
            host,
            run,
            group,
            to,
            address,
            start: None,
            message,
            metadata,
            image,
            tries: 0,
        };
        // Mostly a small one on a quick link; one in eight takes its time.
        let longest = if self.random.percent(12) { 4_000 } else { 60 };
        let drawn = Duration::from_millis(self.random.between(2, longest));
        let at = self.now + self.transfer_time.unwrap_or(drawn);
        self.schedule(at, SimEvent::Transfer(Box::new(transfer)));
    }

    fn tell_sender(&mut self, host: usize, run: u64, input: Input) {
        let at = self.now + Duration::from_millis(1);
        self.schedule(at, SimEvent::Arrive { host, run, input: Box::new(input) });
    }

    /// A connection with a snapshot on it comes to its end, good or bad.
    pub(crate) fn transfer(&mut self, mut transfer: Box<Transfer>) {
        let Transfer { host, run, group, to, tries, .. } = *transfer;
        if self.hosts[host].run != run || self.hosts[host].process.is_none() {
            self.transfers.remove(&(host, run, to));
            return;
        }
        let reached = self.reaches(&transfer);
        let restarted = reached.is_some_and(|peer| *transfer.start.get_or_insert(peer) != peer);
        let broken = (0..PIECES).any(|_| self.network.breaks(&mut self.random));
        let Some((peer, peer_run)) = reached.filter(|_| !restarted && !broken) else {
            if restarted || tries + 1 >= TRIES {
                self.transfers.remove(&(host, run, to));
                self.tell_sender(host, run, Input::SnapshotSent { group, to, ok: false });
                return;
            }
            transfer.tries += 1;
            let pause = PAUSES.0.saturating_mul(1 << tries).min(PAUSES.1);
            self.schedule(self.now + pause, SimEvent::Transfer(transfer));
            return;
        };
        // Its file is synced before it counts as taken.
        if let Some(at) = self.silent_until(peer).max(self.silent_until(host)) {
            self.schedule(at, SimEvent::Transfer(transfer));
            return;
        }
        self.transfers.remove(&(host, run, to));
        if self.refuses_for_want_of_room(peer) {
            self.tell_sender(host, run, Input::SnapshotSent { group, to, ok: false });
            return;
        }
        let Transfer { message, metadata, image, .. } = *transfer;
        let from = self.hosts[host].process.as_ref().map(|process| process.instance);
        // The receiver makes the file durable before its node hears of it, and its node hears before the sender.
        self.transferred += 1;
        let file = self.hosts[peer].disk.receive_snapshot(metadata, (*image).clone());
        let from = from.unwrap_or_default();
        let input = Box::new(Input::SnapshotReceived { group, from, message, image, file });
        self.schedule(self.now, SimEvent::Arrive { host: peer, run: peer_run, input });
        self.tell_sender(host, run, Input::SnapshotSent { group, to, ok: true });
    }

    /// The peer, if a connection from the sender stands to the end.
    fn reaches(&self, transfer: &Transfer) -> Option<(usize, u64)> {
        let peer = self.host_at(transfer.address)?;
        let doors = self.doors(transfer.host, peer, transfer.address);
        let awake =
            |host: usize| self.hosts[host].paused_until.is_none_or(|until| until <= self.now);
        let process = self.hosts[peer].process.as_ref()?;
        let sender = self.hosts[transfer.host].process.as_ref()?;
        let stands = process.instance == transfer.to
            && self.network.connects(transfer.host, peer, doors)
            && awake(peer)
            && awake(transfer.host)
            && self.revoked_dial(transfer.host, peer).is_none()
            && !process.banned.contains(&sender.instance)
            && !sender.banned.contains(&transfer.to);
        stands.then_some((peer, self.hosts[peer].run))
    }
}

//! Carries out what a node asks for: disk, transport, replies, feeds. The order of one turn's outputs is kept
//! for the disk and for each peer; everything slow happens in a task that answers with an input.

use super::askers::Askers;
use super::bulk::Bulk;
use super::ended::Ended;
use super::large_reads::LargeReads;
use super::own_slot::OwnHost;
use super::resolve;
use super::survivors::Survivors;
use crate::clock::{self, wall_unix_ms};
use crate::disk::{SnapshotJob, SnapshotKeeper, Writer};
use crate::doors::crowds::Crowds;
use crate::doors::feed::Feeds;
use crate::doors::{PingFailure, Pings};
use crate::journal::NOTICE;
use crate::links::line::LinkLine;
use crate::links::ping;
use bytes::Bytes;
use quorate_meta::Meta;
use quorate_node::{
    BeginAnew, Event, ForwardFailure, Input, Items, Node, Output, Share, ShareState, Status,
};
use quorate_proto::{
    ClusterId, ForwardAnswer, ForwardRequest, GroupId, HealthEpoch, Hello, Holding, Instance,
    Message as _, Moment, RecoveryOrder, SecretChange, SnapshotMetadata,
};
use quorate_transport::{RequestFailure, Transport, TransportEvent};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Carries out what the node asks for.
pub(crate) struct Executor {
    means: Means,
    cluster_id: ClusterId,
    pub(crate) askers: Askers,
    large_reads: LargeReads,
    /// What follows the stop that is under way.
    anew: Option<BeginAnew>,
}

/// What an [`Executor`] works with.
pub(crate) struct Means {
    pub(crate) transport: Transport,
    pub(crate) hello: Hello,
    pub(crate) writer: Writer,
    pub(crate) snapshots: Arc<SnapshotKeeper>,
    pub(crate) results: mpsc::Sender<Input>,
    pub(crate) feeds: Feeds,
    pub(crate) seeds: Vec<String>,
    pub(crate) own: OwnHost,
    pub(crate) cluster_id: Option<ClusterId>,
    pub(crate) crowds: Crowds,
    /// For the task that carries a change of the secret out.
    pub(crate) secrets: watch::Sender<Arc<SecretChange>>,
}

impl Executor {
    pub(crate) fn new(means: Means) -> Self {
        let large_reads = LargeReads::new(&means.crowds);
        Self {
            cluster_id: means.cluster_id.unwrap_or_default(),
            means,
            askers: Askers::default(),
            large_reads,
            anew: None,
        }
    }

    /// Carries out one turn's outputs. Something when the loop must end.
    pub(crate) fn execute(&mut self, out: &mut Vec<Output>) -> Option<Ended> {
        let mut ended = None;
        for output in out.drain(..) {
            match output {
                Output::Stopped => {
                    ended = Some(self.anew.take().map_or(Ended::Stopped, Ended::Anew));
                }
                Output::Halt { reason, again } => return Some(Ended::Halted { reason, again }),
                Output::Unfit { reason } => return Some(Ended::Unfit(reason)),
                output => self.execute_one(output),
            }
        }
        ended
    }

    fn execute_one(&mut self, output: Output) {
        match output {
            Output::Persist { number, write } => self.means.writer.submit(number, write),
            Output::Send { to, address, frame } => self.means.transport.send(to, address, frame),
            Output::SendDatagram { to, address, bytes } => {
                self.means.transport.send_datagram(to, address, bytes);
            }
            Output::Dial { address } => self.means.transport.dial(address),
            Output::IsThere { address } => self.means.transport.is_there(address),
            Output::ResolveSeeds => self.resolve_seeds(),
            Output::Ban { instance, reason } => {
                tracing::warn!(%instance, %reason, "instance banned");
                self.means.transport.ban(instance);
            }
            Output::RefuseKey { instance, key, reason } => {
                tracing::warn!(%instance, %reason, "key refused");
                self.means.transport.refuse_key(instance, key);
            }
            Output::Revoke { key, name } => {
                tracing::warn!(%key, "the key of {name} is refused: it was revoked");
                self.means.transport.revoke(key);
            }
            Output::TurnAway { instance, number } => {
                self.means.transport.turn_away(instance, number);
            }
            Output::KnowsCluster(cluster_id) => self.knows(cluster_id),
            Output::Secrets(change) => drop(self.means.secrets.send_replace(change)),
            Output::Forward { ticket, to, address, deadline, request } => {
                self.forward(ticket, to, address, deadline, &request);
            }
            Output::Withdraw { ticket } => self.askers.withdraw(ticket),
            Output::ForwardReply { ticket, answer } => {
                self.askers.answer(ticket, answer.encode_to_vec().into());
            }
            Output::Read(read) => {
                if let Some(waiting) = self.askers.take(read.asker()) {
                    self.large_reads.start(read, waiting);
                }
            }
            Output::Reply { ticket, reply } => self.askers.reply(ticket, reply),
            Output::TakeSnapshot { group, metadata, image } => {
                self.take_snapshot(group, metadata, &image);
            }
            Output::SendSnapshot { group, to, address, message } => {
                self.snapshots().send(group, to, address, message);
            }
            Output::DropSnapshot { file } => {
                let keeper = Arc::clone(&self.means.snapshots);
                tokio::task::spawn_blocking(move || keeper.arrivals.discard(file));
            }
            Output::Health { view, delta, quorate } => {
                self.means.feeds.health.publish(view, delta, quorate)
            }
            Output::Share(share) => self.publish_share(share),
            Output::Items(items) => self.publish_items(items),
            Output::SharesKnown => self.shares_are_known(),
            Output::Event(event) => {
                journal(&event);
                self.means.feeds.events.push(event);
            }
            Output::Founded(founded) => {
                let cluster_id = founded.record.cluster_id();
                tracing::info!(target: NOTICE, cluster_id = %cluster_id, "the founding record is durable here");
            }
            Output::BeginAnew(anew) => self.anew = Some(anew),
            Output::Stopped | Output::Halt { .. } | Output::Unfit { .. } => {}
        }
    }

    fn shares_are_known(&self) {
        self.means.feeds.shares.is_known();
        self.means.feeds.items.is_known();
    }

    fn publish_share(&self, share: Share) {
        let (name, there) = (share.budget.clone(), share.state != ShareState::None);
        self.means.feeds.shares.publish(name, there.then_some(share));
    }

    fn publish_items(&self, items: Items) {
        let (name, there) = (items.assignment.clone(), !items.items.is_empty());
        self.means.feeds.items.publish(name, there.then_some(items));
    }

    fn knows(&mut self, cluster_id: ClusterId) {
        self.cluster_id = cluster_id;
        self.means.hello.cluster_id = Some(cluster_id);
        self.means.transport.set_hello(self.means.hello.clone());
    }

    fn resolve_seeds(&self) {
        tokio::spawn(resolve::resolve_seeds(
            self.means.seeds.clone(),
            self.means.own.clone(),
            self.means.results.clone(),
        ));
    }

    fn forward(
        &mut self,
        ticket: u64,
        to: Instance,
        address: SocketAddr,
        deadline: Moment,
        request: &ForwardRequest,
    ) {
        let bytes: Bytes = request.encode_to_vec().into();
        let asked = self.means.transport.request(to, address, bytes, clock::until(deadline));
        let results = self.means.results.clone();
        let task = tokio::spawn(async move {
            let answer = match asked.await {
                Ok(bytes) => ForwardAnswer::decode(bytes).map_err(|_| ForwardFailure::Lost),
                Err(RequestFailure::NotSent) => Err(ForwardFailure::NotSent),
                Err(RequestFailure::Lost) => Err(ForwardFailure::Lost),
            };
            let _ = results.send(Input::ForwardAnswered { ticket, answer }).await;
        });
        self.askers.asks(ticket, task.abort_handle());
    }

    fn take_snapshot(&self, group: GroupId, metadata: SnapshotMetadata, image: &Meta) {
        let results = self.means.results.clone();
        let taken = metadata.clone();
        self.means.snapshots.store(SnapshotJob {
            cluster_id: self.cluster_id,
            group,
            metadata,
            chunks: Box::new(image.chunks()),
            done: Box::new(move |outcome| {
                let input = match outcome {
                    Ok(()) => Input::SnapshotTaken { group, metadata: taken },
                    Err(error) => {
                        tracing::warn!(%error, "no snapshot was written");
                        Input::SnapshotNotTaken { group }
                    }
                };
                // The loop may be behind; the snapshot's own thread has time to wait for it.
                let _ = results.blocking_send(input);
            }),
        });
    }

    fn snapshots(&self) -> Bulk {
        Bulk {
            cluster_id: self.cluster_id,
            transport: self.means.transport.clone(),
            keeper: Arc::clone(&self.means.snapshots),
            results: self.means.results.clone(),
        }
    }

    /// Turns what the transport says into an input; slow things become tasks that give one later.
    pub(crate) fn arrived(&mut self, event: TransportEvent, node: &Node) -> Option<Input> {
        Some(match event {
            TransportEvent::SessionUp(session) => Input::SessionUp(session),
            TransportEvent::Twice(session) => Input::Twice(session),
            TransportEvent::SessionDown { instance, number, end } => {
                Input::SessionDown { instance, number, end }
            }
            TransportEvent::DialFailed { address, failure } => {
                Input::DialFailed { address, failure }
            }
            TransportEvent::Frame { from, lane, bytes } => Input::Frame { from, lane, bytes },
            TransportEvent::Datagram { from, bytes } => Input::Datagram { from, bytes },
            TransportEvent::Undelivered { to } => Input::Undelivered { to },
            TransportEvent::Farewell { instance, generation, boot_nonce, key } => {
                Input::Farewell { instance, generation, boot_nonce, key }
            }
            TransportEvent::Request { from, bytes, answer } => {
                // A request that cannot be decoded is dropped: its channel closes, the origin hears `Lost`.
                let request = ForwardRequest::open(bytes)?;
                let ticket = self.askers.expect_answer(answer);
                Input::Forwarded { from, ticket, request }
            }
            TransportEvent::Snapshot { from, key, arrival } => {
                if node.takes_snapshot_of(from, key) {
                    self.snapshots().receive(from, arrival);
                } else {
                    tracing::debug!(%from, "a snapshot was refused: its sender does not lead here");
                }
                return None;
            }
        })
    }

    /// Measures round trips to a named node, through its transport and its loop.
    pub(crate) fn ping(
        &self,
        status: Arc<Status>,
        name: &str,
        count: u32,
        reply: oneshot::Sender<Result<Pings, PingFailure>>,
    ) {
        let transport = self.means.transport.clone();
        match ping::target(&status, name) {
            Err(failure) => drop(reply.send(Err(failure))),
            Ok(target) => drop(tokio::spawn(async move {
                let _ = reply.send(Ok(ping::ping(transport, &status, target, count).await));
            })),
        }
    }

    /// Asks all who are connected what they hold.
    pub(crate) fn survey(
        &self,
        status: &Status,
        own: Holding,
        reply: oneshot::Sender<Vec<Holding>>,
    ) {
        let survivors = self.survivors(status);
        drop(tokio::spawn(async move {
            let mut holdings = survivors.survey().await;
            holdings.push(own);
            let _ = reply.send(holdings);
        }));
    }

    /// Has others carry out their parts of a plan.
    pub(crate) fn order(
        &self,
        status: &Status,
        orders: Vec<RecoveryOrder>,
        reply: oneshot::Sender<Vec<(Instance, Option<String>)>>,
    ) {
        let survivors = self.survivors(status);
        drop(tokio::spawn(async move {
            let _ = reply.send(survivors.order(orders).await);
        }));
    }

    fn survivors(&self, status: &Status) -> Survivors {
        Survivors::of(self.means.transport.clone(), status)
    }

    /// The links to all peers.
    pub(crate) fn links(&self, status: &Status, interfaces: Option<u16>) -> Vec<LinkLine> {
        crate::links::report::lines(
            status,
            &self.means.transport.links(),
            interfaces,
            wall_unix_ms(),
        )
    }
}

/// A line of the journal: the sentence for people, and in fields what it is about, for programs that read the journal as JSON.
fn journal(event: &Event) {
    let (kind, about) = (event.kind(), event.about());
    let host = about.host.as_ref().map(|(_, name)| name.as_str());
    let epoch = about.epoch.map(HealthEpoch::get);
    if event.warning() {
        tracing::warn!(kind, host, term = about.term, epoch, code = about.code, "{event}");
    } else {
        tracing::info!(target: NOTICE, kind, host, term = about.term, epoch, code = about.code, "{event}");
    }
}

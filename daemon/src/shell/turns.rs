//! The loop: gathers what is ready, gives the node one turn, has its outputs carried out, and again.
//!
//! One turn takes everything that waits (bounded), so that many requests share one proposal and one fsync. A turn
//! that takes longer than half a tick of consensus is logged with what it took. Never waits for anything inside a turn.

use super::askers::Local;
use super::ended::Ended;
use super::executor::Executor;
use super::service::Service;
use super::waiting::Waiting;
use crate::clock::{self, wall_unix_ms};
use crate::disk::Completed;
use crate::doors::Call;
use crate::journal::NOTICE;
use quorate_node::{ClientReply, Input, Node, Output, Status};
use quorate_proto::{Moment, Refusal, RefusalCode};
use quorate_transport::TransportEvent;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Most inputs of one source in one turn: bounds the turn, and with it the delay of the timers.
const BATCH: usize = 512;
/// Status is refreshed at most this often, unless something happened that people wait for.
const STATUS_EVERY: Duration = Duration::from_millis(200);
/// Half a tick of consensus: a longer turn delays heartbeats.
const LONG_TURN: Duration = Duration::from_millis(25);

/// Where inputs come from.
pub(crate) struct Sources {
    /// What other nodes send.
    pub(crate) events: mpsc::Receiver<TransportEvent>,
    /// What the shell's own tasks and the disk answer.
    pub(crate) results: mpsc::Receiver<Input>,
    /// What local programs ask.
    pub(crate) calls: mpsc::Receiver<Call>,
    /// What the disk has made durable.
    pub(crate) disk: mpsc::UnboundedReceiver<Completed>,
    /// The wish to stop.
    pub(crate) stop: mpsc::Receiver<Input>,
}

/// The loop and what it holds.
pub(crate) struct Loop {
    node: Node,
    executor: Executor,
    service: Service,
    status: watch::Sender<Arc<Status>>,
    waiting: Waiting,
    shown: (u64, Moment),
}

impl Loop {
    /// A loop around a node that was just started.
    pub(crate) fn new(
        node: Node,
        executor: Executor,
        service: Service,
        status: watch::Sender<Arc<Status>>,
    ) -> Self {
        let (waiting, shown) = (Waiting::default(), (0, Moment::ZERO));
        Self { node, executor, service, status, waiting, shown }
    }

    /// Turns until the node has stopped. `first` are the outputs of the node's start.
    pub(crate) async fn run(mut self, first: Vec<Output>, mut sources: Sources) -> Ended {
        let mut out = first;
        let mut inputs = Vec::new();
        loop {
            let urgent =
                out.iter().any(|output| matches!(output, Output::Health { .. } | Output::Event(_)));
            if let Some(ended) = self.executor.execute(&mut out) {
                self.show_status(true);
                refuse_calls(&mut sources.calls);
                return ended;
            }
            self.show_status(urgent);
            self.gather(&mut sources, &mut inputs).await;
            let (begun, count) = (clock::now(), inputs.len());
            self.node.turn(begun, wall_unix_ms(), inputs.drain(..), &mut out);
            let took = clock::now().since(begun);
            if took > LONG_TURN {
                let took_ms = took.as_millis();
                tracing::warn!(took_ms, inputs = count, outputs = out.len(), "long turn");
            }
            self.service.turned(begun);
        }
    }

    /// Waits until something is there or due, then takes all that is there.
    async fn gather(&mut self, sources: &mut Sources, inputs: &mut Vec<Input>) {
        let look = self.executor.askers.next_look();
        let wakes = [self.node.next_wake(), self.service.next_feed(), look];
        let wake = wakes.into_iter().flatten().min();
        let pause = wake.map_or(Duration::from_secs(1), clock::until);
        let mut events = Vec::new();
        let mut calls = Vec::new();
        tokio::select! {
            biased;
            Some(stop) = sources.stop.recv() => {
                self.service.stopping();
                inputs.push(stop);
            }
            Some(completed) = sources.disk.recv() => inputs.push(completed_input(completed)),
            _ = sources.results.recv_many(inputs, BATCH) => {}
            _ = sources.events.recv_many(&mut events, BATCH) => {}
            _ = sources.calls.recv_many(&mut calls, BATCH) => {}
            () = tokio::time::sleep(pause) => {}
        }
        while let Ok(completed) = sources.disk.try_recv() {
            inputs.push(completed_input(completed));
        }
        while inputs.len() < BATCH
            && let Ok(input) = sources.results.try_recv()
        {
            inputs.push(input);
        }
        while events.len() < BATCH
            && let Ok(event) = sources.events.try_recv()
        {
            events.push(event);
        }
        while calls.len() < BATCH
            && let Ok(call) = sources.calls.try_recv()
        {
            calls.push(call);
        }
        let Self { node, executor, .. } = self;
        inputs.extend(events.into_iter().filter_map(|event| executor.arrived(event, node)));
        for call in calls {
            self.call(call, inputs);
        }
        self.executor.askers.look(clock::now(), inputs);
    }

    fn call(&mut self, call: Call, inputs: &mut Vec<Input>) {
        match call {
            Call::Client { request, deadline, reply, body } => {
                if reply.is_closed() {
                    return;
                }
                let deadline = clock::now() + deadline;
                match self.executor.askers.expect_reply(Local { reply, _body: body }) {
                    Ok(ticket) => inputs.push(Input::Client { ticket, deadline, request }),
                    Err(Local { reply, .. }) => {
                        let text = "too many requests wait at this node; try again".to_owned();
                        let refusal = Refusal { code: RefusalCode::Busy.into(), detail: 0, text };
                        let _ = reply.send(ClientReply::Refused(refusal));
                    }
                }
            }
            Call::Ping { name, count, reply } => {
                let status = Arc::clone(&self.status.borrow());
                self.executor.ping(status, &name, count, reply);
            }
            Call::Survey { reply } => {
                let status = Arc::clone(&self.status.borrow());
                self.executor.survey(&status, self.node.holding(), reply);
            }
            Call::Order { orders, reply } => {
                let status = Arc::clone(&self.status.borrow());
                self.executor.order(&status, orders, reply);
            }
            Call::Links { interfaces, reply } => {
                let status = Arc::clone(&self.status.borrow());
                let _ = reply.send(self.executor.links(&status, interfaces));
            }
            // Where nobody waits any more it is dropped here, which frees nothing: the state has it all.
            Call::Copy { reply } => drop(reply.send(self.node.copy().map(Box::new))),
        }
    }

    fn show_status(&mut self, urgent: bool) {
        let (version, at) = self.shown;
        let now = clock::now();
        let due = now.since(at) >= STATUS_EVERY;
        if self.node.version() == version || !(urgent || due) {
            return;
        }
        self.shown = (self.node.version(), now);
        let status = self.node.status(now);
        self.service.show(&status);
        for line in self.waiting.lines(&status.reasons) {
            tracing::info!(target: NOTICE, "{line}");
        }
        self.status.send_replace(Arc::new(status));
    }
}

/// What waits for a loop that has ended was not taken, and nothing was done.
fn refuse_calls(calls: &mut mpsc::Receiver<Call>) {
    calls.close();
    while let Ok(call) = calls.try_recv() {
        if let Call::Client { reply, .. } = call {
            let text = "this node has stopped and has not done it; ask another".to_owned();
            let refusal = Refusal { code: RefusalCode::Stopping.into(), detail: 0, text };
            let _ = reply.send(ClientReply::Refused(refusal));
        }
    }
}

fn completed_input(completed: Completed) -> Input {
    match completed {
        Completed::Durable { number } => Input::Persisted { number },
        Completed::DiskFull(full) => Input::DiskFull(full),
    }
}

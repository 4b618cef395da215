//! Who waits for an answer of the loop: programs on this host, other nodes, and this node's own requests to a leader.
//!
//! Whoever stops waiting has closed its end, of which nobody tells the loop. So the ends are looked at once a second: what an
//! asker left behind does not hold a place for longer than that, nor, through the transport, a place at the leader.
//! Knows nothing of what is asked.

use crate::doors::crowds::Shared;
use bytes::Bytes;
use quorate_node::{Answered, Asker, ClientReply, Input};
use quorate_proto::{Message as _, Moment};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// Replies that local clients wait for; the node refuses more requests than that by itself, this is a backstop.
const MAX_REPLIES: usize = 32_768;
/// How often it is looked who is gone.
const LOOK: Duration = Duration::from_secs(1);

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Askers {
    replies: BTreeMap<u64, Local>,
    answers: BTreeMap<u64, oneshot::Sender<Bytes>>,
    forwards: BTreeMap<u64, AbortHandle>,
    next_ticket: u64,
    looked: Moment,
}

/// A program on this host that waits.
#[derive(Debug)]
pub(crate) struct Local {
    /// Its end.
    pub(crate) reply: oneshot::Sender<ClientReply>,
    /// What its request holds at the doors, for as long as the loop may have it.
    pub(crate) _body: Option<Arc<Shared>>,
}

/// The end of one asker, taken out of the table to be told by somebody else.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A program on this host.
    Client(Local),
    /// Another node.
    Node(oneshot::Sender<Bytes>),
}

impl Waiting {
    /// Whether nobody waits any more.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Client(local) => local.reply.is_closed(),
            Self::Node(end) => end.is_closed(),
        }
    }

    /// Tells the answer; who has gone hears nothing.
    pub(crate) fn tell(self, answered: Answered) {
        match (self, answered) {
            (Self::Client(local), Answered::Client(reply)) => drop(local.reply.send(reply)),
            (Self::Node(end), Answered::Node(answer)) => {
                drop(end.send(answer.encode_to_vec().into()));
            }
            // The node makes the answer for the asker that it named.
            (Self::Client(_), Answered::Node(_)) | (Self::Node(_), Answered::Client(_)) => {}
        }
    }
}

impl Askers {
    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// A program on this host waits. Full: its end is handed back.
    pub(crate) fn expect_reply(&mut self, local: Local) -> Result<u64, Local> {
        if self.replies.len() >= MAX_REPLIES {
            return Err(local);
        }
        let ticket = self.ticket();
        self.replies.insert(ticket, local);
        Ok(ticket)
    }

    /// Another node waits. The transport bounds how many do.
    pub(crate) fn expect_answer(&mut self, answer: oneshot::Sender<Bytes>) -> u64 {
        let ticket = self.ticket();
        self.answers.insert(ticket, answer);
        ticket
    }

    /// This task waits for a leader's answer.
    pub(crate) fn asks(&mut self, ticket: u64, task: AbortHandle) {
        self.forwards.insert(ticket, task);
    }

    /// The answer to a local program; one that is gone hears nothing.
    pub(crate) fn reply(&mut self, ticket: u64, reply: ClientReply) {
        if let Some(waiting) = self.replies.remove(&ticket) {
            let _ = waiting.reply.send(reply);
        }
    }

    /// The answer to another node.
    pub(crate) fn answer(&mut self, ticket: u64, answer: Bytes) {
        if let Some(waiting) = self.answers.remove(&ticket) {
            let _ = waiting.send(answer);
        }
    }

    /// An asker that somebody else tells; none when it has gone.
    pub(crate) fn take(&mut self, asker: Asker) -> Option<Waiting> {
        match asker {
            Asker::Client(ticket) => self.replies.remove(&ticket).map(Waiting::Client),
            Asker::Node(ticket) => self.answers.remove(&ticket).map(Waiting::Node),
        }
    }

    /// A leader's answer is not wanted any more: the stream is reset, by which the leader learns it.
    pub(crate) fn withdraw(&mut self, ticket: u64) {
        if let Some(task) = self.forwards.remove(&ticket) {
            task.abort();
        }
    }

    /// When to look again; never when nobody waits.
    pub(crate) fn next_look(&self) -> Option<Moment> {
        let nobody = self.replies.is_empty() && self.answers.is_empty() && self.forwards.is_empty();
        (!nobody).then(|| self.looked + LOOK)
    }

    /// Who has gone, if it is time to look.
    pub(crate) fn look(&mut self, now: Moment, inputs: &mut Vec<Input>) {
        if self.next_look().is_none_or(|at| now < at) {
            return;
        }
        self.looked = now;
        let clients = self.replies.extract_if(.., |_, waiting| waiting.reply.is_closed());
        inputs.extend(clients.map(|(ticket, _)| Input::ClientGone { ticket }));
        let nodes = self.answers.extract_if(.., |_, waiting| waiting.is_closed());
        inputs.extend(nodes.map(|(ticket, _)| Input::AskerGone { ticket }));
        self.forwards.retain(|_, task| !task.is_finished());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(askers: &mut Askers, at: Moment) -> Vec<(bool, u64)> {
        let mut inputs = Vec::new();
        askers.look(at, &mut inputs);
        let told = inputs.into_iter().map(|input| match input {
            Input::ClientGone { ticket } => (true, ticket),
            Input::AskerGone { ticket } => (false, ticket),
            other => panic!("{other:?}"),
        });
        told.collect()
    }

    #[test]
    fn who_stopped_waiting_is_told_once_and_whoever_waits_is_not() {
        let mut askers = Askers::default();
        let start = Moment::from_micros(9_000_000);
        assert_eq!((askers.next_look(), gone(&mut askers, start)), (None, vec![]));
        let (left, left_end) = oneshot::channel();
        let (stays, mut stays_end) = oneshot::channel();
        let (node, node_end) = oneshot::channel();
        let left = askers.expect_reply(Local { reply: left, _body: None }).unwrap();
        let stays = askers.expect_reply(Local { reply: stays, _body: None }).unwrap();
        let node = askers.expect_answer(node);
        drop((left_end, node_end));
        assert_eq!(gone(&mut askers, start), [(true, left), (false, node)]);
        assert_eq!(gone(&mut askers, start + LOOK), []);
        askers.reply(stays, ClientReply::Epoch(quorate_proto::HealthEpoch::new(3)));
        assert!(stays_end.try_recv().is_ok());
        assert_eq!(askers.next_look(), None, "nobody waits, so nothing wakes the loop");
    }

    #[tokio::test]
    async fn an_ask_that_is_withdrawn_ends() {
        let mut askers = Askers::default();
        let task = tokio::spawn(std::future::pending::<()>());
        askers.asks(7, task.abort_handle());
        askers.withdraw(7);
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(askers.next_look(), None);
    }
}

//! Both sides dial at the same moment: two connections come to stand, one is kept, and nobody notices.

use crate::flow::{numbered, read};
use crate::quick;
use crate::stage::relay::{CALM, Dice, Relay};
use crate::stage::{Actor, Node, actor, eventually};
use bytes::Bytes;
use quorate_proto::Lane;
use quorate_transport::{RequestFailure, Timings, TransportEvent};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Frames that are handed over before any connection stands.
const FIRST: u64 = 50;
/// And with those that answer each other, by which time the connection that is not kept is given up.
const LAST: u64 = FIRST + 20;
const LONG: Duration = Duration::from_secs(30);

/// Nothing here waits for a connection to die, and none does because this machine stands still.
fn patient() -> Timings {
    Timings { dial: LONG, hello: LONG, idle: LONG, ..quick() }
}

/// One of two nodes that meet.
struct Side {
    node: Node,
    other: (Actor, SocketAddr),
    asked: JoinHandle<Result<Bytes, RequestFailure>>,
    /// What the other side asked; answered when everything else is over.
    question: Option<oneshot::Sender<Bytes>>,
    received: u64,
    sessions: u64,
}

impl Side {
    fn new(node: Node, other: Actor, relay: &Relay) -> Self {
        let (to, address) = (other.instance(), relay.address(other.number));
        let question = Bytes::from_static(b"at once");
        let asked = tokio::spawn(node.transport.request(to, address, question, LONG));
        let side =
            Self { node, other: (other, address), asked, question: None, received: 0, sessions: 0 };
        (1..=FIRST).for_each(|number| side.send(number));
        side
    }

    fn send(&self, number: u64) {
        let frame = numbered(self.node.actor.number, 1, number, &mut Dice(number));
        self.node.transport.send(self.other.0.instance(), self.other.1, frame);
    }

    /// Until all frames are here and the other's question is answered.
    async fn meet(&mut self) {
        let mut answered = false;
        while self.received < LAST || !answered {
            let event = self.node.until(Some).await;
            match event {
                TransportEvent::SessionUp(_) => self.sessions += 1,
                TransportEvent::Frame { lane: Lane::Log, bytes, .. } => {
                    let (_, _, number) = read(&bytes);
                    assert_eq!(number, self.received + 1, "in order and once");
                    self.received = number;
                    if (FIRST..LAST).contains(&number) {
                        self.send(number + 1);
                    }
                }
                TransportEvent::Request { answer, .. } => self.question = Some(answer),
                other => panic!("{other:?}"),
            }
            if self.received == LAST
                && let Some(answer) = self.question.take()
            {
                // Both connections stood by then, and one is given up.
                let transport = self.node.transport.clone();
                eventually(|| transport.links()[0].connections == 2).await;
                answer.send(Bytes::from_static(b"answer")).unwrap();
                answered = true;
            }
        }
    }
}

/// Both dial, and neither hears the other before both have.
async fn dial_at_once(relay: &Relay) -> (Side, Side) {
    let (a, b) = (relay.start(actor(1), patient()), relay.start(actor(2), patient()));
    let before = (relay.lost(1, 2), relay.lost(2, 1));
    relay.cut(1, 2, true);
    let (one, two) = (a.actor.clone(), b.actor.clone());
    let sides = (Side::new(a, two, relay), Side::new(b, one, relay));
    eventually(|| relay.lost(1, 2) > before.0 && relay.lost(2, 1) > before.1).await;
    relay.cut(1, 2, false);
    sides
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_dialling_at_once_ends_in_one_session_with_every_frame_in_order_and_every_answer() {
    for round in 0..200 {
        let relay = Relay::new(round, CALM);
        let (mut a, mut b) = dial_at_once(&relay).await;
        tokio::join!(a.meet(), b.meet());
        for side in [&mut a, &mut b] {
            let answer = (&mut side.asked).await.unwrap();
            assert_eq!(answer, Ok(Bytes::from_static(b"answer")), "round {round}");
            assert_eq!(side.sessions, 1, "round {round}");
            let link = side.node.transport.links().remove(0);
            assert_eq!(link.given_up, Default::default(), "round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_on_each_side_is_answered_when_both_dial_for_nothing_else() {
    for round in 0..50 {
        let relay = Relay::new(round, CALM);
        let (a, b) = (relay.start(actor(1), patient()), relay.start(actor(2), patient()));
        relay.cut(1, 2, true);
        let ask = |from: &Node, to: &Node| {
            let (instance, address) = (to.instance(), relay.address(to.actor.number));
            tokio::spawn(from.transport.request(instance, address, Bytes::from_static(b"?"), LONG))
        };
        let asked = [ask(&a, &b), ask(&b, &a)];
        eventually(|| relay.lost(1, 2) > 0 && relay.lost(2, 1) > 0).await;
        relay.cut(1, 2, false);
        let mut nodes = [a, b];
        for node in &mut nodes {
            // The answer waits until both connections stood, of which one is given up.
            let answer = node.until(|event| match event {
                TransportEvent::Request { answer, .. } => Some(answer),
                _ => None,
            });
            let answer = answer.await;
            let transport = node.transport.clone();
            eventually(|| transport.links()[0].connections == 2).await;
            answer.send(Bytes::from_static(b"!")).unwrap();
        }
        for answer in asked {
            assert_eq!(answer.await.unwrap(), Ok(Bytes::from_static(b"!")), "round {round}");
        }
    }
}

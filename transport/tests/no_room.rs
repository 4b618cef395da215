//! An owner whose queue of events is full.
#![allow(clippy::unwrap_used, reason = "a test")]

mod stage;

use bytes::Bytes;
use quorate_proto::{Frame, Lane};
use quorate_transport::outbox::LOG_BYTES;
use quorate_transport::{Transport, TransportEvent};
use stage::actor;
use tokio::sync::mpsc;

#[tokio::test]
async fn what_is_given_up_while_the_owner_has_no_room_is_told_when_there_is() {
    let [owner, to, earlier] = [1, 2, 8].map(actor);
    let (sender, mut events) = mpsc::channel(1);
    sender.try_send(TransportEvent::Undelivered { to: earlier.instance() }).unwrap();
    let transport = Transport::bind(owner.config(), owner.hello(), sender).unwrap();
    // More than an outbox keeps, for somebody who is not there.
    let bytes = Bytes::from(vec![0; LOG_BYTES / 8]);
    for _ in 0..12 {
        let frame = Frame { lane: Lane::Log, supersede: None, expires: None, bytes: bytes.clone() };
        transport.send(to.instance(), "127.0.0.1:9".parse().unwrap(), frame);
    }
    let mut told = Vec::new();
    while told.len() < 2 {
        if let TransportEvent::Undelivered { to } = events.recv().await.unwrap() {
            told.push(to);
        }
    }
    assert_eq!(told, [earlier.instance(), to.instance()]);
}

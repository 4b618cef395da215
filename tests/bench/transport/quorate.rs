//! quorate's side: two transports, and frames of the log lane there and back.

use super::endpoints::{ANYWHERE, Actor, Open, log};
use super::{Contender, Line, Order, closed_loop, on_own_thread, ready};
use bytes::Bytes;
use quorate_proto::{Instance, Lane};
use quorate_tests::outside::trouble::Trouble;
use quorate_transport::TransportEvent;
use std::net::SocketAddr;
use tokio::sync::{mpsc, oneshot};

const NAME: &str = "quorate";

/// Both ends, with a session between them.
pub(super) async fn contender() -> Result<Contender, Trouble> {
    let (say, said) = oneshot::channel();
    let echo = on_own_thread("quorate-echo", move || async move {
        let end = Actor { number: 2, start: 1 }.open(ANYWHERE)?;
        // Whoever asked may be gone by now; then the session never comes, or ends.
        let _ = say.send(end.address());
        answer(end).await
    })?;
    let address = ready(said, "quorate's far end", echo).await?;
    let (orders, taken) = mpsc::channel(1);
    let (say, said) = oneshot::channel();
    let near = on_own_thread("quorate-near", move || async move {
        let mut end = Actor { number: 1, start: 1 }.open(ANYWHERE)?;
        let peer = end.connect(address).await?;
        let _ = say.send(());
        obey(Session { end, peer, address }, taken).await;
        Ok(())
    })?;
    ready(said, "quorate's near end", near).await?;
    Ok(Contender { name: NAME, orders })
}

/// Sends every frame back to where its sender listens, until the session is over.
async fn answer(mut end: Open) -> Result<(), Trouble> {
    let mut back = None;
    loop {
        match end.event().await? {
            TransportEvent::SessionUp(session) => back = Some(session.address),
            TransportEvent::Frame { from, lane: Lane::Log, bytes } => {
                let address = back.ok_or_else(|| Trouble::gone("quorate's session"))?;
                end.transport.send(from, address, log(bytes));
            }
            TransportEvent::SessionDown { .. } => return Ok(()),
            _ => {}
        }
    }
}

async fn obey(mut session: Session, mut orders: mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        let window = closed_loop(&mut session, order.in_flight).await;
        // The bench may have ended with another trouble.
        let _ = order.answer.send(window);
    }
}

struct Session {
    end: Open,
    peer: Instance,
    address: SocketAddr,
}

impl Line for Session {
    async fn give(&mut self, message: Bytes) -> Result<(), Trouble> {
        self.end.transport.send(self.peer, self.address, log(message));
        Ok(())
    }

    async fn take(&mut self) -> Result<Bytes, Trouble> {
        loop {
            match self.end.event().await? {
                TransportEvent::Frame { lane: Lane::Log, bytes, .. } => return Ok(bytes),
                TransportEvent::SessionDown { end, .. } => {
                    return Err(Trouble::Quorate { text: format!("the session ended: {end:?}") });
                }
                TransportEvent::Undelivered { .. } => {
                    return Err(Trouble::Quorate { text: "frames were given up".to_owned() });
                }
                _ => {}
            }
        }
    }
}

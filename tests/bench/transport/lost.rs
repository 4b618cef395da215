//! A peer dies without a word and comes back: how long until the last frame that waited for it is delivered?
//!
//! The peer's runtime and socket go away at once; nothing is closed. Once the staying end has noticed (its session is
//! over), it is handed frames for the peer. Then a new start of the peer takes the same port: the time runs from before
//! it is bound until the last of the frames is in its owner's hands. It dials, as a restarted daemon does, or says
//! nothing, so that it has to be found. For comparison, each run makes a new connection to the staying end and sends
//! one frame there and back.

use super::endpoints::{ANYWHERE, Actor, Open, log};
use super::{in_time, message, on_own_thread};
use crate::report::{Of, Question, Target};
use crate::{Settings, millis};
use quorate_proto::{Instance, Lane};
use quorate_tests::outside::series::Series;
use quorate_tests::outside::trouble::Trouble;
use quorate_transport::TransportEvent;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

const STAYS: Actor = Actor { number: 1, start: 1 };
const DIES: u8 = 2;
const FRESH: u8 = 3;
/// Frames that wait for the peer: what a connection may send before it has heard anything.
const FRAMES: usize = 64;
/// Between the frames and the return: spread over this span, so that no phase of a repeated dial is favoured.
const AWAY: Duration = Duration::from_millis(100);
const AWAY_SPREAD: u32 = 700;

/// What one return gave, in milliseconds.
struct Returned {
    /// Opening the port, certificate and all; part of `delivered`.
    bound: f64,
    delivered: f64,
    /// A new connection, from the dial to the session.
    session: f64,
    /// One frame there and back on it.
    round_trip: f64,
}

#[derive(Debug, Clone, Copy)]
struct Life {
    start: u64,
    bind: SocketAddr,
    stays: SocketAddr,
    dials: bool,
    frames: usize,
}

pub(super) async fn run(settings: &Settings) -> Result<Vec<Question>, Trouble> {
    let runs = settings.runs;
    let (say, mut said) = mpsc::channel(1);
    let staying = on_own_thread("stays", move || stay(runs, say))?;
    let mut figures = ["dials", "says nothing"]
        .map(|kind| [kind, "binding alone"].map(|it| Series::new(it, "ms")));
    let mut sessions = Series::new("new session", "ms");
    let mut round_trips = Series::new("round trip", "ms");
    while let Some((dials, returned)) = said.recv().await {
        settings.tell(format!(
            "transport, return (dials: {dials}): {:.2} ms, binding {:.2}; new session {:.2}, there and back {:.2}",
            returned.delivered, returned.bound, returned.session, returned.round_trip
        ));
        let [delivered, bound] = &mut figures[usize::from(!dials)];
        delivered.add(returned.delivered);
        bound.add(returned.bound);
        if dials {
            sessions.add(returned.session);
            round_trips.add(returned.round_trip);
        }
    }
    match staying.join() {
        Ok(ended) => ended?,
        Err(_) => return Err(Trouble::gone("the staying end")),
    }
    let [[mut dials, bound], [silent, _]] = figures;
    dials.system = "quorate".to_owned();
    let back = format!("Transport: a killed peer is back, until the last of {FRAMES} frames");
    Ok(vec![
        Question::new(format!("{back}; it dials"), vec![dials, bound, sessions, round_trips])
            .parts()
            .target(Target::Below(Of::Worst, 50.0)),
        Question::new(format!("{back}; it says nothing"), vec![silent]),
    ])
}

/// The end that stays, and the order in which everything happens.
async fn stay(runs: usize, say: mpsc::Sender<(bool, Returned)>) -> Result<(), Trouble> {
    let mut own = STAYS.open(ANYWHERE)?;
    let stays = own.address();
    let peer = Actor { number: DIES, start: 0 }.instance();
    // The first life only makes a port and a session.
    let first = Life { start: 1, bind: ANYWHERE, stays, dials: true, frames: 0 };
    let (_, bind) = live(&mut own, first).await?;
    for run in 0..2 * runs {
        until_over(&mut own, peer).await?;
        for number in 0..FRAMES {
            own.transport.send(peer, bind, log(message(number as u64)));
        }
        let spread = u32::try_from(run * 97).unwrap_or(0) % AWAY_SPREAD;
        tokio::time::sleep(AWAY + Duration::from_millis(u64::from(spread))).await;
        let start = run as u64 + 2;
        let life = Life { start, bind, stays, dials: run % 2 == 0, frames: FRAMES };
        let (returned, _) = live(&mut own, life).await?;
        let _ = say.send((life.dials, returned)).await;
    }
    Ok(())
}

/// Waits until the session with the peer is over here.
async fn until_over(own: &mut Open, peer: Instance) -> Result<(), Trouble> {
    let over = async {
        loop {
            match own.event().await? {
                TransportEvent::SessionDown { instance, .. } if instance == peer => return Ok(()),
                _ => {}
            }
        }
    };
    in_time("a dead peer's session ended", over).await?
}

/// Lets the peer live once, and answers the frames of the comparison meanwhile.
async fn live(own: &mut Open, life: Life) -> Result<(Returned, SocketAddr), Trouble> {
    let (say, mut said) = oneshot::channel();
    let thread = on_own_thread("dies", move || async move {
        let (open, returned) = one_life(life).await?;
        let _ = say.send((returned, open.address()));
        // Goes after its runtime, so that nobody is left to say goodbye.
        Ok(open)
    })?;
    let answered = async {
        loop {
            tokio::select! {
                ended = &mut said => return Ok(ended),
                event = own.event() => if let TransportEvent::Frame { from, lane: Lane::Log, bytes } = event? {
                    // It is connected: the address is not used.
                    own.transport.send(from, ANYWHERE, log(bytes));
                },
            }
        }
    };
    let ended: Result<_, Trouble> =
        in_time("the frames delivered to a peer that is back", answered).await?;
    let ended = ended?;
    match (ended, thread.join()) {
        (Ok(returned), Ok(Ok(_))) => Ok(returned),
        (_, Ok(Err(trouble))) => Err(trouble),
        _ => Err(Trouble::gone("the peer that dies")),
    }
}

async fn one_life(life: Life) -> Result<(Open, Returned), Trouble> {
    let began = Instant::now();
    let mut own = Actor { number: DIES, start: life.start }.open(life.bind)?;
    let bound = millis(began.elapsed());
    if life.dials {
        own.transport.dial(life.stays);
    }
    let mut up = false;
    let mut frames = 0;
    while !up || frames < life.frames {
        match own.event().await? {
            TransportEvent::SessionUp(_) => up = true,
            TransportEvent::Frame { lane: Lane::Log, .. } => frames += 1,
            _ => {}
        }
    }
    let delivered = millis(began.elapsed());

    let mut fresh = Actor { number: FRESH, start: life.start }.open(ANYWHERE)?;
    let began = Instant::now();
    let staying = fresh.connect(life.stays).await?;
    let session = millis(began.elapsed());
    let began = Instant::now();
    fresh.transport.send(staying, life.stays, log(message(0)));
    while !matches!(fresh.event().await?, TransportEvent::Frame { .. }) {}
    let round_trip = millis(began.elapsed());
    // This one says goodbye.
    fresh.transport.close("measured").await;
    Ok((own, Returned { bound, delivered, session, round_trip }))
}

//! From a greeted connection to a session: which of several connections of one pair is kept, and what is reported
//! when a session begins and ends.
//!
//! The rules, in order:
//! 1. Another key than that of the standing session is turned away: a secret opens the door, it does not take over a name.
//! 2. Another start of the peer (generation or boot nonce) begins a new session and ends the standing one, unless that one's
//!    host still runs: then two machines run one disk life, the newcomer is turned away, and the owner is told. A lower
//!    generation is turned away in any case; right after a start it may be a late dial of the one before, and is not told.
//! 3. A second connection of the same start carries the same session on. When both were made at about the same
//!    time (both sides dialled) and with the same address, the one dialled by the smaller key is kept; else the newer
//!    one, because a peer dials again only when it has lost the other.
//!
//! A connection that is not kept is never cut: each side ends its own streams on it, reads the other's to their
//! end, and only then it is closed. So the only working one is never killed and nothing queued is lost. Log frames
//! keep their order across such a switch by their numbers; control frames may overtake each other. When the one that is
//! kept is lost, the session is over, and what is left of the others with it: no frame follows the end of its session.

use crate::event::TransportEvent;
use crate::greeting::{Greeted, canonical, greet};
use crate::incoming::Incoming;
use crate::lanes;
use crate::link::{Life, Link};
use crate::lock::lock;
use crate::outbox::PeerStart;
use crate::peer::{Peer, PeerState};
use crate::record::Counted;
use crate::refusal::{CLOSED, REPLACED, Refusal, close_open, end_of};
use crate::shared::Shared;
use crate::twice::still_runs;
use crate::{bulk_in, farewell};
use quinn::Connection;
use quorate_proto::{DialFailure, HelloKind, Session, SessionEnd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const OLDER: &str = "an older start of this instance is turned away: a newer one is connected";
const TWICE: &str = "this instance runs already, at another place, and is connected: one of the two is a copy of the data directory";
pub(crate) const OTHER_KEY: &str = "another node key speaks for this instance here";
pub(crate) const BANNED: &str = "this instance is banned here";
const SESSION_OVER: &[u8] = b"its session is over";
const NO_ROOM: &str = "no room for another peer";

/// What became of a connection, for the side that dialled it.
pub(crate) struct Admitted {
    pub(crate) link: Arc<Link>,
    /// It carries a session on that stood already, so nothing was reported for it.
    pub(crate) continued: bool,
}

impl Shared {
    /// Exchanges hellos on a connection and puts it to use. The failure has been told to the other side.
    pub(crate) async fn welcome(
        self: &Arc<Self>,
        connection: Connection,
        dialled: bool,
    ) -> Result<Option<Admitted>, DialFailure> {
        let mut greeted = greet(connection, &self.hello(), &self.side, self.timings.hello).await?;
        if dialled && greeted.kind != HelloKind::Node {
            return Err(self.refuse(
                &greeted.connection,
                &Refusal::Broken("a kind that only dials".to_owned()),
            ));
        }
        match greeted.kind {
            HelloKind::Node => {
                let address = greeted.address;
                let connection = greeted.connection.clone();
                let still_runs = self.earlier_start_runs(&greeted).await;
                let admitted = match self.admit(&mut greeted, dialled, still_runs) {
                    Ok(admitted) => admitted,
                    Err(refusal) => {
                        if matches!(refusal, Refusal::Twice(_)) {
                            let session = self.session(&greeted, dialled);
                            self.tell(TransportEvent::Twice(session)).await;
                        }
                        return Err(self.refuse(&connection, &refusal));
                    }
                };
                lock(&self.dials).heard(std::time::Instant::now(), address);
                let (link, peer, admitted) = admitted;
                self.runtime.spawn(supervise(self.clone(), peer, link, greeted));
                Ok(Some(admitted))
            }
            HelloKind::Farewell | HelloKind::Bulk => {
                if let Err(refusal) = self.check_side_door(&greeted) {
                    return Err(self.refuse(&greeted.connection, &refusal));
                }
                if greeted.kind == HelloKind::Bulk {
                    self.runtime.spawn(bulk_in::receive(self.clone(), greeted));
                } else {
                    self.runtime.spawn(farewell::receive(self.clone(), greeted));
                }
                Ok(None)
            }
        }
    }

    fn refuse(&self, connection: &Connection, refusal: &Refusal) -> DialFailure {
        refusal.close(connection, &self.side);
        refusal.failure(&self.side)
    }

    /// What the owner does not want to hear of again: an instance, or a key that speaks for one.
    fn check_owner(&self, greeted: &Greeted) -> Result<(), Refusal> {
        let instance = greeted.hello.instance;
        if self.is_banned(instance) {
            return Err(Refusal::TurnedAway(BANNED));
        }
        if self.refuses_key(instance, greeted.key) {
            return Err(Refusal::TurnedAway(OTHER_KEY));
        }
        if self.is_copy(instance, greeted.hello.boot_nonce) {
            return Err(Refusal::Copy);
        }
        Ok(())
    }

    /// Bulk and farewell connections speak for an instance: not for a banned one, and with its key.
    fn check_side_door(&self, greeted: &Greeted) -> Result<(), Refusal> {
        self.check_owner(greeted)?;
        let standing = self.peer(greeted.hello.instance).and_then(|peer| peer.standing());
        if standing.is_some_and(|link| link.life.session.key != greeted.key) {
            return Err(Refusal::TurnedAway(OTHER_KEY));
        }
        Ok(())
    }

    /// Whether the connection of another start of this peer stands, not of a later one, and its host still answers on it.
    async fn earlier_start_runs(&self, greeted: &Greeted) -> bool {
        let start = greeted.start();
        let Some(link) = self.peer(greeted.hello.instance).and_then(|peer| peer.standing()) else {
            return false;
        };
        let old = &link.life.session;
        let another = old.generation < start.generation
            || (old.generation == start.generation && old.boot_nonce != start.boot_nonce);
        another && old.key == greeted.key && still_runs(&link, self.timings.dial).await
    }

    fn admit(
        self: &Arc<Self>,
        greeted: &mut Greeted,
        dialled: bool,
        still_runs: bool,
    ) -> Result<(Arc<Link>, Arc<Peer>, Admitted), Refusal> {
        let instance = greeted.hello.instance;
        self.check_owner(greeted)?;
        let peer = self.peer_at(instance, greeted.address).ok_or(Refusal::TurnedAway(NO_ROOM))?;
        let mut state = peer.state();
        let verdict = judge(&state, greeted, self.timings.dial + self.timings.hello, still_runs)?;
        let start = greeted.start();
        let incoming = match state.incoming.start == Some(start) {
            true => state.incoming.clone(),
            false => Arc::new(Incoming::new(start)),
        };
        let link = |life| {
            let connection = greeted.connection.clone();
            Link::new(connection, greeted.address, dialled, life, incoming.clone())
        };
        let (link, continued) = match verdict {
            Verdict::Continue(life) => {
                let link = link(life);
                self.choose(&peer, &mut state, &link, start);
                (link, true)
            }
            Verdict::Begin(end) => {
                let life = Life::new(self.session(greeted, dialled), state.last.clone());
                let link = link(life.clone());
                if let Some(old) = state.standing.take() {
                    *lock(&old.displaced) = Some(end);
                    close_open(&old.connection, REPLACED, b"replaced by a newer start");
                    state.outbox.connection_lost(self.now());
                }
                state.last = Some(life);
                state.address = greeted.address;
                state.standing = Some(link.clone());
                state.incoming = incoming;
                let given_up = state.outbox.connection_up(start);
                self.report(&peer, given_up);
                (link, false)
            }
        };
        drop(state);
        Ok((link.clone(), peer, Admitted { link, continued }))
    }

    /// Rule 3: which of two connections of one session takes the frames from now on.
    fn choose(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        state: &mut PeerState,
        new: &Arc<Link>,
        start: PeerStart,
    ) {
        let Some(old) = state.standing.clone() else { return };
        let we_are_smaller = self.key < new.life.session.key;
        let together = old.since.elapsed() < self.timings.dial + self.timings.hello;
        // From elsewhere the peer dials because it has moved: the older way is dead, though nobody here knows it yet.
        let ours = together
            && old.address == new.address
            && old.dialled != new.dialled
            && old.dialled == we_are_smaller;
        let keep_old = old.is_open() && (ours || !new.is_open());
        if !keep_old {
            state.standing = Some(new.clone());
            state.address = new.address;
            // Of the same start, so that nothing is given up now; the peer says what it has, and the rest goes this way.
            let given_up = state.outbox.connection_up(start);
            self.report(peer, given_up);
            old.wake_both();
            new.wake_both();
        }
    }

    fn session(&self, greeted: &Greeted, dialled: bool) -> Session {
        let hello = &greeted.hello;
        Session {
            number: self.next_number(),
            instance: hello.instance,
            generation: hello.generation,
            boot_nonce: hello.boot_nonce,
            name: greeted.name.clone(),
            cluster: greeted.cluster.clone(),
            key: greeted.key,
            address: greeted.address,
            advertised: greeted.advertised,
            dialled: dialled.then(|| canonical(greeted.connection.remote_address())),
            genesis: hello.genesis,
            digest: hello.digest,
            seeds: hello.seeds.clone(),
            moved: hello.moved,
            voters: hello.voters,
            // Shown to people as it is: a peer that has much to say of it is cut off.
            software: hello.software.chars().filter(|c| !c.is_control()).take(64).collect(),
            source: Some(canonical(greeted.connection.remote_address()))
                .filter(|source| *source != greeted.address),
        }
    }
}

enum Verdict {
    /// Another connection of the session that stands.
    Continue(Arc<Life>),
    /// A new session; a standing one ends like this.
    Begin(SessionEnd),
}

/// Rules 1 and 2.
fn judge(
    state: &PeerState,
    greeted: &Greeted,
    settled: Duration,
    still_runs: bool,
) -> Result<Verdict, Refusal> {
    let Some(old) = &state.standing else { return Ok(Verdict::Begin(SessionEnd::Replaced)) };
    let session = &old.life.session;
    if session.key != greeted.key && old.is_open() {
        return Err(Refusal::TurnedAway(OTHER_KEY));
    }
    let hello = &greeted.hello;
    let same = hello.boot_nonce == session.boot_nonce;
    let twice = still_runs && old.is_open();
    match hello.generation.cmp(&session.generation) {
        std::cmp::Ordering::Greater if twice => Err(Refusal::Twice(TWICE)),
        std::cmp::Ordering::Greater => Ok(Verdict::Begin(SessionEnd::Reset)),
        std::cmp::Ordering::Less if old.is_open() && old.since.elapsed() >= settled => {
            Err(Refusal::Twice(OLDER))
        }
        std::cmp::Ordering::Less if old.is_open() => Err(Refusal::TurnedAway(OLDER)),
        std::cmp::Ordering::Less => Ok(Verdict::Begin(SessionEnd::Replaced)),
        std::cmp::Ordering::Equal if !same && twice => Err(Refusal::Twice(TWICE)),
        std::cmp::Ordering::Equal if !same => Ok(Verdict::Begin(SessionEnd::Replaced)),
        std::cmp::Ordering::Equal if old.is_open() => Ok(Verdict::Continue(old.life.clone())),
        // The standing one has just broken, and its task will say so.
        std::cmp::Ordering::Equal => Ok(Verdict::Begin(ended(old))),
    }
}

fn ended(link: &Link) -> SessionEnd {
    link.connection.close_reason().as_ref().and_then(end_of).unwrap_or(SessionEnd::Closed)
}

/// Lives as long as the connection: announces the session, runs the lanes, reports the end.
async fn supervise(shared: Arc<Shared>, peer: Arc<Peer>, link: Arc<Link>, greeted: Greeted) {
    let _counted = Counted::new(&peer.record, &link);
    // It was let in just when its session ended or its peer was banned, and was not found among those to be closed.
    if *lock(&link.life.over) {
        close_open(&link.connection, REPLACED, SESSION_OVER);
    } else if shared.is_banned(peer.instance) {
        close_open(&link.connection, CLOSED, BANNED.as_bytes());
    }
    let mut lanes = lanes::Lanes::write(&shared, &peer, &link, greeted.sender);
    peer.linked.notify_waiters();
    announce(&shared, &link).await;
    lanes.read(&shared, &peer, &link, greeted.reader);
    let mut looks = tokio::time::interval(shared.timings.unused / 2);
    looks.tick().await;
    let error = loop {
        let close = tokio::select! {
            error = link.connection.closed() => break error,
            // A lost connection ends the lanes too; then the end is its own.
            () = lanes.ended() => (REPLACED, &b"another connection is kept"[..]),
            _ = looks.tick() => match link.was_used() {
                true => continue,
                false => (CLOSED, &b"unused"[..]),
            },
        };
        close_open(&link.connection, close.0, close.1);
    };
    lanes.finish(&error).await;
    farewell_to(&shared, &peer, &link, lanes.broke_protocol(), end_of(&error)).await;
}

/// `SessionUp`, once in the life of a session, after the end of the one before it.
async fn announce(shared: &Arc<Shared>, link: &Link) {
    let life = &link.life;
    if life.announcing.swap(true, Ordering::AcqRel) {
        // Another connection of this session sees to it.
        let _ = life.up.subscribe().wait_for(|up| *up).await;
        return;
    }
    let before = lock(&life.before).take();
    if let Some(before) = before {
        // The sender lives in `before`, so the wait ends only with the report.
        let _ = before.down.subscribe().wait_for(|down| *down).await;
    }
    tracing::debug!(peer = %life.session.name, number = life.session.number, "session up");
    shared.tell(TransportEvent::SessionUp(life.session.clone())).await;
    life.up.send_replace(true);
}

impl Shared {
    /// Tells a session that stands once more.
    pub(crate) async fn announce_again(&self, link: &Link) {
        let life = &link.life;
        let _ = life.up.subscribe().wait_for(|up| *up).await;
        if *life.down.borrow() {
            return;
        }
        *lock(&life.announced) = link.address;
        let dialled = link.dialled.then(|| canonical(link.connection.remote_address()));
        let session = Session { address: link.address, dialled, ..life.session.clone() };
        self.tell_of(life, TransportEvent::SessionUp(session)).await;
    }

    /// An earlier connection of a session is over. When the one that carries it now comes from another address, the
    /// peer has moved. Not told as soon as there are two: a peer with two addresses would seem to move to and fro.
    async fn announce_move(&self, peer: &Peer, life: &Arc<Life>) {
        let Some(standing) = peer.standing().filter(|link| Arc::ptr_eq(&link.life, life)) else {
            return;
        };
        if *lock(&life.announced) != standing.address {
            tracing::info!(peer = %life.session.name, address = %standing.address, "moved");
            self.announce_again(&standing).await;
        }
    }
}

/// The connection is over; so is the session, when this link carried it.
async fn farewell_to(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    link: &Arc<Link>,
    broke_protocol: bool,
    end: Option<SessionEnd>,
) {
    let (carried, displaced) = {
        let mut state = peer.state();
        // Under the lock under which another session takes its place: else each could leave it to the other to tell this
        // one's end, and the new one would wait for that for ever.
        let displaced = lock(&link.displaced).take();
        let carried = state.standing.as_ref().is_some_and(|s| Arc::ptr_eq(s, link));
        if carried {
            state.standing = None;
            state.outbox.connection_lost(shared.now());
        }
        (carried, displaced)
    };
    if !carried && displaced.is_none() {
        shared.announce_move(peer, &link.life).await;
        return;
    }
    let ours = if broke_protocol { SessionEnd::Protocol } else { SessionEnd::Closed };
    let end = displaced.or(end).unwrap_or(ours);
    let Session { instance, number, .. } = link.life.session;
    *lock(&link.life.over) = true;
    {
        let mut record = lock(&peer.record);
        record.gone = Some((std::time::Instant::now(), end));
        // What the other side may still write on these would not be handed over: it must send it again.
        for other in record.running().filter(|other| Arc::ptr_eq(&other.life, &link.life)) {
            close_open(&other.connection, REPLACED, SESSION_OVER);
        }
    }
    tracing::debug!(%instance, number, ?end, "session down");
    shared.tell(TransportEvent::SessionDown { instance, number, end }).await;
    link.life.down.send_replace(true);
    shared.dial_if_needed(peer);
}

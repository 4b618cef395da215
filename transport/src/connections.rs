//! From a greeted connection to a link of a session: who is let in, and what becomes of a link from then to its end.
//!
//! Which link is kept, and what the owner hears of it, `sessions` decides under the lock of the peer; here it is carried out.
//!
//! A connection that is not kept is never cut: each side ends its own streams on it, reads the other's to their
//! end, and only then it is closed. So the only working one is never killed and nothing queued is lost. Log frames
//! keep their order across such a switch by their numbers; control frames may overtake each other. When the one that is
//! kept is lost, the session is over, and what is left of the others with it: no frame follows the end of its session.

use crate::event::TransportEvent;
use crate::greeting::{Greeted, canonical, greet};
use crate::lanes;
use crate::link::Link;
use crate::lock::lock;
use crate::peer::{Peer, PeerState};
use crate::refusal::{CLOSED, REPLACED, Refusal, close_open, end_of};
use crate::sessions::{self, Action, Closing, Greeting, Refused, Word};
use crate::shared::Shared;
use crate::twice::still_runs;
use crate::{bulk_in, farewell};
use quinn::Connection;
use quorate_proto::{DialFailure, HelloKind, Levels, Session, SessionEnd};
use std::sync::Arc;
use tokio::sync::mpsc;

const OLDER: &str = "an older start of this instance is turned away: a newer one is connected";
const TWICE: &str = "this instance runs already, at another place, and is connected: one of the two is a copy of the data directory";
pub(crate) const OTHER_KEY: &str = "another node key speaks for this instance here";
pub(crate) const BANNED: &str = "this instance is banned here";
const DROPPED: &str = "the secret of this connection is no longer accepted here";
const NO_ROOM: &str = "no room for another peer";

/// What became of a connection, for the side that dialled it.
pub(crate) struct Admitted {
    pub(crate) peer: Arc<Peer>,
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
        let greeted =
            greet(connection, &self.hello(), &self.secrets().side, self.timings.hello).await?;
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
                let still_runs = self.earlier_start_that_runs(&greeted).await;
                let admitted = match self.admit(&greeted, dialled, still_runs) {
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
                let (peer, link) = (admitted.peer.clone(), admitted.link.clone());
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
        let secrets = self.secrets();
        refusal.close(connection, &secrets.side);
        refusal.failure(&secrets.side)
    }

    /// What the owner does not want to hear of again: an instance, or a key that speaks for one.
    fn check_owner(&self, greeted: &Greeted) -> Result<(), Refusal> {
        let instance = greeted.hello.instance;
        if self.is_revoked(greeted.key) {
            return Err(Refusal::Revoked);
        }
        if self.is_banned(instance) {
            return Err(Refusal::TurnedAway(BANNED));
        }
        if self.refuses_key(instance, greeted.key) {
            return Err(Refusal::TurnedAway(OTHER_KEY));
        }
        if self.is_copy(instance, greeted.hello.boot_nonce) {
            return Err(Refusal::Copy);
        }
        // It may have been accepted when the handshake began.
        match self.secrets().accept(&greeted.connection) {
            true => Ok(()),
            false => Err(Refusal::TurnedAway(DROPPED)),
        }
    }

    /// Bulk and farewell connections speak for an instance: not for a banned one, and with its key.
    fn check_side_door(&self, greeted: &Greeted) -> Result<(), Refusal> {
        self.check_owner(greeted)?;
        let standing = self.peer(greeted.hello.instance).and_then(|peer| peer.standing());
        if standing.is_some_and(|link| link.session.key != greeted.key) {
            return Err(Refusal::TurnedAway(OTHER_KEY));
        }
        Ok(())
    }

    /// The session of another start of this peer, not of a later one, that stands and whose host still answers on it.
    async fn earlier_start_that_runs(&self, greeted: &Greeted) -> Option<u64> {
        let start = greeted.start();
        let link = self.peer(greeted.hello.instance).and_then(|peer| peer.standing())?;
        let old = &link.session;
        let another = old.generation < start.generation
            || (old.generation == start.generation && old.boot_nonce != start.boot_nonce);
        let asked = another && old.key == greeted.key;
        (asked && still_runs(&link, self.timings.dial).await).then_some(old.number)
    }

    fn admit(
        self: &Arc<Self>,
        greeted: &Greeted,
        dialled: bool,
        still_runs: Option<u64>,
    ) -> Result<Admitted, Refusal> {
        let instance = greeted.hello.instance;
        self.check_owner(greeted)?;
        let peer = self.peer_at(instance, greeted.address).ok_or(Refusal::TurnedAway(NO_ROOM))?;
        let mut state = peer.state();
        // Once more under the lock: what the owner refuses from now on finds this link among those to be closed.
        self.check_owner(greeted)?;
        let standing = state.standing().and_then(|link| link.connection.close_reason());
        let greeting = Greeting {
            session: self.session(greeted, dialled),
            lost: greeted.connection.close_reason().is_some(),
            standing_ended: standing.map(|error| end_of(&error).unwrap_or(SessionEnd::Closed)),
            still_runs,
        };
        let met = greeting.met();
        let mut actions = Vec::new();
        let admitted = state.sessions.greeted(self.now(), greeting, &mut actions);
        let sessions::Admitted { link, session, continued, anew } = admitted.map_err(refusal)?;
        if anew {
            state.incoming = Arc::default();
        }
        let connection = greeted.connection.clone();
        let link = Link::new(connection, link, met, session, state.incoming.clone());
        state.record.begins(link.clone());
        self.carry_out(&peer, &mut state, actions);
        drop(state);
        Ok(Admitted { peer, link, continued })
    }

    /// What was decided of a peer, before its lock is left.
    fn carry_out(self: &Arc<Self>, peer: &Arc<Peer>, state: &mut PeerState, actions: Vec<Action>) {
        for action in actions {
            let link = action.link().and_then(|link| state.record.get(link)).cloned();
            match (action, link) {
                (Action::Lost, _) => state.outbox.connection_lost(self.now()),
                (Action::Stands { start, .. }, Some(link)) => {
                    state.address = link.met.address;
                    let given_up = state.outbox.connection_up(start);
                    self.report(peer, given_up);
                }
                (Action::Yields(_), Some(link)) => link.wake_both(),
                (Action::Read(_), Some(link)) => link.readable.notify_one(),
                (Action::Close(_, closing), Some(link)) => {
                    let text: &[u8] = match closing {
                        Closing::Replaced => b"replaced by a newer start",
                        Closing::SessionOver => b"its session is over",
                    };
                    close_open(&link.connection, REPLACED, text);
                }
                (_, None) => {}
            }
        }
    }

    /// Tells the owner what it is to hear of a peer, and waits for room. Whoever gave it something to hear calls this; who
    /// finds that another caller told it has nothing left to do.
    async fn speak(self: &Arc<Self>, peer: &Arc<Peer>) {
        while peer.state().sessions.has_word() {
            // Without an owner everything goes its way unheard.
            let room = self.events().reserve().await.ok();
            let over = {
                let mut state = peer.state();
                let mut actions = Vec::new();
                let word = state.sessions.next_word(&mut actions);
                self.carry_out(peer, &mut state, actions);
                word.is_some_and(|word| hand_over(word, room))
            };
            if over {
                self.dial_if_needed(peer);
            }
        }
    }

    /// Tells a session that stands once more.
    pub(crate) async fn announce_again(self: &Arc<Self>, peer: &Arc<Peer>, link: &Link) {
        peer.state().sessions.tell_again(link.session.number, link.met);
        self.speak(peer).await;
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
            cluster_id: hello.cluster_id,
            digest: hello.digest,
            seeds: hello.seeds.clone(),
            moved: hello.moved,
            voters: hello.voters,
            // Shown to people as it is: a peer that has much to say of it is cut off.
            software: hello.software.chars().filter(|c| !c.is_control()).take(64).collect(),
            levels: Levels::said(hello.levels),
            source: Some(canonical(greeted.connection.remote_address()))
                .filter(|source| *source != greeted.address),
        }
    }
}

/// True when a session is over with that.
fn hand_over(word: Word, room: Option<mpsc::Permit<'_, TransportEvent>>) -> bool {
    let over = matches!(word, Word::Down { .. });
    match &word {
        Word::Up(session) => {
            tracing::debug!(peer = %session.name, number = session.number, "session up");
        }
        Word::Down { instance, number, end } => {
            tracing::debug!(%instance, number, ?end, "session down");
        }
    }
    if let Some(room) = room {
        room.send(word.into());
    }
    over
}

fn refusal(refused: Refused) -> Refusal {
    match refused {
        Refused::OtherKey => Refusal::TurnedAway(OTHER_KEY),
        Refused::Late => Refusal::TurnedAway(OLDER),
        Refused::Older => Refusal::Twice(OLDER),
        Refused::Twice => Refusal::Twice(TWICE),
        Refused::Full => Refusal::TurnedAway(NO_ROOM),
    }
}

/// Lives as long as the connection: announces the session, runs the lanes, gives in the end.
async fn supervise(shared: Arc<Shared>, peer: Arc<Peer>, link: Arc<Link>, greeted: Greeted) {
    let mut lanes = lanes::Lanes::write(&shared, &peer, &link, greeted.sender);
    peer.linked.notify_waiters();
    shared.speak(&peer).await;
    link.readable.notified().await;
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
    let ours = if lanes.broke_protocol() { SessionEnd::Protocol } else { SessionEnd::Closed };
    let end = end_of(&error).unwrap_or(ours);
    {
        let mut state = peer.state();
        let mut actions = Vec::new();
        state.sessions.closed(shared.now(), link.id, end, &mut actions);
        state.record.ends(link.id);
        shared.carry_out(&peer, &mut state, actions);
    }
    shared.speak(&peer).await;
}

//! The sessions of one peer: which of its connections (*links*) carries frames, and what the owner is told, in which order.
//!
//! Pure, like the outbox beside it: reads no clock and knows neither sockets nor tasks; the simulator drives this very code. It
//! is told of each connection on which both hellos are in ([`Sessions::greeted`]) and of each end ([`Sessions::closed`]). It
//! answers with [`Action`]s, which the caller carries out in their order before anything else happens to this peer, and holds
//! [`Word`]s for the owner, which the caller fetches one by one as the owner has room ([`Sessions::next_word`]).
//!
//! Which connection carries frames, in this order:
//! 1. Another key than that of the standing session is turned away: a secret opens the door, it does not take over a name.
//! 2. Another start of the peer (generation or boot nonce) begins a new session and ends the standing one, unless that one's
//!    host still runs: then two machines run one disk life, the newcomer is turned away, and the owner is told. A lower
//!    generation is turned away in any case; right after a start it may be a late dial of the one before, and is not told.
//! 3. A second connection of the same start carries the same session on. When both were made at about the same
//!    time (both sides dialled) and with the same address, the one dialled by the smaller key is kept; else the newer
//!    one, because a peer dials again only when it has lost the other.
//!
//! Invariants:
//! - At most one link *stands*: it alone takes frames from the outbox. The other links are read to their end.
//! - Each session that is not over has exactly one link whose end is the session's end: the link that stands, or the one that
//!   stood when another start took its place. So the end of a session never waits for two links, and never for none.
//! - The owner hears of one session at a time: `Up`, perhaps `Up` again, `Down`, and only then the `Up` of the next.
//! - No link is read before the `Up` of its session, and nothing of a session is handed over once it is over.

use crate::outbox::PeerStart;
use quorate_proto::{Instance, Moment, NodeKey, Session, SessionEnd};
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Connections of one peer at one time. A peer has one, and for moments a few: more are a peer that breaks the rules.
pub const LINKS: usize = 64;
/// Sessions whose end the owner has not heard: one, and more only while the owner has no room and the peer starts anew.
pub const SESSIONS: usize = 64;

/// One connection of a peer; never used again for the same peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u64);

/// Where a connection met the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// Where the peer is reached, as this connection shows.
    pub address: SocketAddr,
    /// Where this side dialled it; none when the peer dialled.
    pub dialled: Option<SocketAddr>,
}

/// A connection on which both hellos are in.
#[derive(Debug)]
pub struct Greeting {
    /// The session that this connection begins, if it begins one. Its number is above that of every session before.
    pub session: Session,
    /// The connection is lost already.
    pub lost: bool,
    /// How the connection that stands has ended, when it has and that was not said with [`Sessions::closed`] yet.
    pub standing_ended: Option<SessionEnd>,
    /// The number of a session whose host was found to run still.
    pub still_runs: Option<u64>,
}

/// A connection that was let in.
#[derive(Debug)]
pub struct Admitted {
    /// Its name from now on.
    pub link: LinkId,
    /// The session that it carries.
    pub session: Arc<Session>,
    /// The session stood already, so this connection alone gives the owner nothing to hear.
    pub continued: bool,
    /// The peer's numbered frames begin anew: it is another start than the last one.
    pub anew: bool,
}

/// Why a connection was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The session that stands is another key's.
    OtherKey,
    /// It is of an earlier start than the session that stands, which is young: it was on its way when that one began.
    Late,
    /// It is of an earlier start than the session that stands.
    Older,
    /// It is of another start, and that of the session that stands still runs.
    Twice,
    /// The peer has too many connections, or sessions that the owner has not heard of.
    Full,
}

/// What the caller does, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The outbox lost its connection.
    Lost,
    /// This link takes frames from now on: the outbox has a connection to this start of the peer.
    Stands {
        /// The link.
        link: LinkId,
        /// The start.
        start: PeerStart,
    },
    /// This link takes no more frames: its writers find that out when they are woken, and end their streams.
    Yields(LinkId),
    /// The frames of the peer on this link may be read.
    Read(LinkId),
    /// Close this connection, if it is open.
    Close(LinkId, Closing),
}

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Another start of the peer took its place.
    Replaced,
    /// The link that carried its session is lost. What the peer still writes here would not be handed over: it must send
    /// it again.
    SessionOver,
}

/// What the owner is told of a peer.
#[derive(Debug, Clone, PartialEq)]
pub enum Word {
    /// A session stands. Comes again when the peer was dialled once more, or when the session goes on at another address.
    Up(Box<Session>),
    /// It is over.
    Down {
        /// The peer.
        instance: Instance,
        /// The session's number.
        number: u64,
        /// Why.
        end: SessionEnd,
    },
}

impl Greeting {
    /// Where this connection met the peer.
    #[must_use]
    pub fn met(&self) -> Met {
        Met { address: self.session.address, dialled: self.session.dialled }
    }
}

impl Action {
    /// The link that it is about.
    #[must_use]
    pub fn link(&self) -> Option<LinkId> {
        match self {
            Self::Lost => None,
            Self::Stands { link, .. }
            | Self::Yields(link)
            | Self::Read(link)
            | Self::Close(link, _) => Some(*link),
        }
    }
}

#[derive(Debug)]
struct Link {
    session: u64,
    since: Moment,
    met: Met,
    /// Another start of the peer took the place of this link's session, which ends like this when the link does.
    displaced: Option<SessionEnd>,
}

/// A session whose end the owner has not heard.
#[derive(Debug)]
struct Open {
    session: Arc<Session>,
    /// The address that the owner heard last; none before the first `Up`.
    told: Option<SocketAddr>,
    /// What it is to hear; the first is the first `Up`.
    to_tell: VecDeque<Met>,
    end: Option<SessionEnd>,
}

/// See the head of the file.
#[derive(Debug)]
pub struct Sessions {
    /// The key of this node.
    key: NodeKey,
    /// A connection that is younger may have met one that the other side dialled on its way.
    settled: Duration,
    /// In the order of their beginnings. The owner knows the first one at most.
    open: VecDeque<Open>,
    links: BTreeMap<LinkId, Link>,
    standing: Option<LinkId>,
    /// The start whose numbered frames came last.
    heard: Option<PeerStart>,
    last_link: u64,
    last_end: Option<(Moment, SessionEnd)>,
}

enum Verdict {
    /// Another connection of the session that stands.
    Continue,
    /// A new session; a standing one ends like this.
    Begin(SessionEnd),
}

impl Sessions {
    /// No connection and no session. `key` is this node's own; two connections cross when the older one has stood for less
    /// than `settled`.
    #[must_use]
    pub fn new(key: NodeKey, settled: Duration) -> Self {
        Self {
            key,
            settled,
            open: VecDeque::new(),
            links: BTreeMap::new(),
            standing: None,
            heard: None,
            last_link: 0,
            last_end: None,
        }
    }

    /// Both hellos are in on a connection.
    ///
    /// # Errors
    /// When it is not let in: then nothing has changed, and the caller closes it.
    pub fn greeted(
        &mut self,
        now: Moment,
        greeting: Greeting,
        out: &mut Vec<Action>,
    ) -> Result<Admitted, Refused> {
        let verdict = self.judge(now, &greeting)?;
        if self.links.len() >= LINKS || self.open.len() >= SESSIONS {
            return Err(Refused::Full);
        }
        self.last_link += 1;
        let link = LinkId(self.last_link);
        Ok(match verdict {
            Verdict::Continue => self.go_on(now, link, &greeting, out),
            Verdict::Begin(end) => self.begin(now, link, greeting, end, out),
        })
    }

    /// Rules 1 and 2.
    fn judge(&self, now: Moment, greeting: &Greeting) -> Result<Verdict, Refused> {
        let Some((link, old)) = self.stands() else {
            return Ok(Verdict::Begin(SessionEnd::Replaced));
        };
        let new = &greeting.session;
        let is_open = greeting.standing_ended.is_none();
        if new.key != old.key && is_open {
            return Err(Refused::OtherKey);
        }
        let runs = is_open && greeting.still_runs == Some(old.number);
        let settled = now.since(link.since) >= self.settled;
        match new.generation.cmp(&old.generation) {
            Ordering::Greater if runs => Err(Refused::Twice),
            Ordering::Greater => Ok(Verdict::Begin(SessionEnd::Reset)),
            Ordering::Less if is_open && settled => Err(Refused::Older),
            Ordering::Less if is_open => Err(Refused::Late),
            Ordering::Less => Ok(Verdict::Begin(SessionEnd::Replaced)),
            Ordering::Equal if new.boot_nonce != old.boot_nonce && runs => Err(Refused::Twice),
            Ordering::Equal if new.boot_nonce != old.boot_nonce => {
                Ok(Verdict::Begin(SessionEnd::Replaced))
            }
            // The link that stands has just ended, and the caller will say so: the session does not go on without it.
            Ordering::Equal => {
                Ok(greeting.standing_ended.map_or(Verdict::Continue, Verdict::Begin))
            }
        }
    }

    /// Another connection of the session that stands.
    fn go_on(
        &mut self,
        now: Moment,
        link: LinkId,
        greeting: &Greeting,
        out: &mut Vec<Action>,
    ) -> Admitted {
        let (_, session) = self.stands().expect("another connection of what stands");
        let (session, met) = (session.clone(), greeting.met());
        let new = Link { session: session.number, since: now, met, displaced: None };
        self.links.insert(link, new);
        if self.open(session.number).is_some_and(|open| open.told.is_some()) {
            out.push(Action::Read(link));
        }
        if !greeting.lost {
            self.choose(now, link, &session, out);
        }
        Admitted { link, session, continued: true, anew: false }
    }

    /// Rule 3: which of two connections of one session takes the frames from now on.
    fn choose(&mut self, now: Moment, new: LinkId, session: &Session, out: &mut Vec<Action>) {
        let Some(old) = self.standing else { return };
        let (is, was) = (&self.links[&new], &self.links[&old]);
        let we_are_smaller = self.key < session.key;
        let dialled = |link: &Link| link.met.dialled.is_some();
        let together = now.since(was.since) < self.settled;
        // From elsewhere the peer dials because it has moved: the older way is dead, though nobody here knows it yet.
        let keep_old = together
            && was.met.address == is.met.address
            && dialled(was) != dialled(is)
            && dialled(was) == we_are_smaller;
        if !keep_old {
            self.standing = Some(new);
            // Of the same start, so that nothing is given up now; the peer says what it has, and the rest goes this way.
            out.push(Action::Stands { link: new, start: start(session) });
            out.push(Action::Yields(old));
        }
    }

    /// A new session, in the place of the one that stands.
    fn begin(
        &mut self,
        now: Moment,
        link: LinkId,
        greeting: Greeting,
        end: SessionEnd,
        out: &mut Vec<Action>,
    ) -> Admitted {
        if let Some(old) = self.standing.take() {
            if let Some(old) = self.links.get_mut(&old) {
                old.displaced = Some(end);
            }
            out.extend([Action::Close(old, Closing::Replaced), Action::Lost]);
        }
        let (met, session) = (greeting.met(), Arc::new(greeting.session));
        self.links.insert(link, Link { session: session.number, since: now, met, displaced: None });
        let to_tell = VecDeque::from([met]);
        self.open.push_back(Open { session: session.clone(), told: None, to_tell, end: None });
        self.standing = Some(link);
        let start = start(&session);
        let anew = self.heard.replace(start) != Some(start);
        out.push(Action::Stands { link, start });
        Admitted { link, session, continued: false, anew }
    }

    /// A link has ended, and everything that came on it and may be handed over was. Its end ends the session, if this link
    /// carried it last.
    pub fn closed(&mut self, now: Moment, link: LinkId, end: SessionEnd, out: &mut Vec<Action>) {
        let Some(Link { session, displaced, .. }) = self.links.remove(&link) else { return };
        let stood = self.standing == Some(link);
        if stood {
            self.standing = None;
            out.push(Action::Lost);
        }
        if !stood && displaced.is_none() {
            self.tell_if_moved(session);
            return;
        }
        let end = displaced.unwrap_or(end);
        self.last_end = Some((now, end));
        if let Some(open) = self.open_mut(session) {
            open.end = Some(end);
        }
        let others = self.links.iter().filter(|(_, other)| other.session == session);
        out.extend(others.map(|(other, _)| Action::Close(*other, Closing::SessionOver)));
    }

    /// An earlier connection of a session is over. When the one that carries it now comes from another address, the
    /// peer has moved. Not told as soon as there are two: a peer with two addresses would seem to move to and fro.
    fn tell_if_moved(&mut self, number: u64) {
        let Some((link, _)) = self.stands().filter(|(_, session)| session.number == number) else {
            return;
        };
        let met = link.met;
        let Some(open) = self.open_mut(number) else { return };
        let heard = open.to_tell.back().map(|met| met.address).or(open.told);
        if heard != Some(met.address) {
            tracing::info!(peer = %open.session.name, address = %met.address, "moved");
            self.tell_again(number, met);
        }
    }

    /// The owner is to hear of a session once more, as this connection met the peer. When it waits to hear the same
    /// already, once is enough; when the session is over, there is nothing to hear.
    pub fn tell_again(&mut self, number: u64, met: Met) {
        let Some(open) = self.open_mut(number).filter(|open| open.end.is_none()) else { return };
        if !open.to_tell.contains(&met) && open.to_tell.len() < LINKS {
            open.to_tell.push_back(met);
        }
    }

    /// Whether the owner is to hear something.
    #[must_use]
    pub fn has_word(&self) -> bool {
        let told = |open: &Open| open.to_tell.is_empty() && open.end.is_none();
        self.open.front().is_some_and(|open| !told(open))
    }

    /// What the owner is to hear next. The caller hands it over before it does anything else with this peer.
    pub fn next_word(&mut self, out: &mut Vec<Action>) -> Option<Word> {
        let open = self.open.front_mut()?;
        let (number, first) = (open.session.number, open.told.is_none());
        let up = (first || open.end.is_none()).then(|| open.to_tell.pop_front()).flatten();
        if let Some(Met { address, dialled }) = up {
            open.told = Some(address);
            let session = Session { address, dialled, ..Session::clone(&open.session) };
            if first {
                let links = self.links.iter().filter(|(_, link)| link.session == number);
                out.extend(links.map(|(link, _)| Action::Read(*link)));
            }
            return Some(Word::Up(Box::new(session)));
        }
        let (instance, end) = (open.session.instance, open.end?);
        self.open.pop_front();
        Some(Word::Down { instance, number, end })
    }

    /// Whether what came in this session may be handed over: the owner has heard of it, and it is not over.
    #[must_use]
    pub fn hands_over(&self, number: u64) -> bool {
        // The owner knows no other session than the first.
        self.open.front().is_some_and(|open| {
            open.session.number == number && open.told.is_some() && open.end.is_none()
        })
    }

    /// The link that takes frames.
    #[must_use]
    pub fn standing(&self) -> Option<LinkId> {
        self.standing
    }

    /// When the last session ended, and how.
    #[must_use]
    pub fn last_end(&self) -> Option<(Moment, SessionEnd)> {
        self.last_end
    }

    /// Whether no session stands, and the owner has heard the end of each.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.open.is_empty()
    }

    fn stands(&self) -> Option<(&Link, &Arc<Session>)> {
        let link = self.links.get(&self.standing?)?;
        Some((link, &self.open(link.session)?.session))
    }

    fn open(&self, number: u64) -> Option<&Open> {
        self.open.iter().find(|open| open.session.number == number)
    }

    fn open_mut(&mut self, number: u64) -> Option<&mut Open> {
        self.open.iter_mut().find(|open| open.session.number == number)
    }
}

fn start(session: &Session) -> PeerStart {
    PeerStart { generation: session.generation, boot_nonce: session.boot_nonce }
}

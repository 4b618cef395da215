//! Letting nodes in: the leader's answer to who asks.
//!
//! A name belongs to one live instance. A wiped host comes back under its name as a new instance: the leader
//! supersedes the old one once it is committed as down or left, which the detector sees to within a second (`names` judges
//! that). An old instance that still answers makes the new one a clone: refused, named. Knows nothing of how a joiner asks (`join.rs`).

use crate::duties::damping::Damping;
use crate::features::unfit;
use crate::names::{Claim, Names};
use crate::news::News;
use crate::sight::Sight;
use crate::turn::Turn;
use quorate_proto::{Admit, Moment, RefusalCode, Session};
use std::time::Duration;

/// How long an asked leader waits for the old holder of a name to be found dead.
const CHALLENGE: Duration = Duration::from_millis(2_500);
/// Most askers that wait at the leader at once; more are told to ask again.
const MAX_WAITING: usize = 64;

/// An asker at the leader.
#[derive(Debug)]
struct Asker {
    request: u64,
    admit: Admit,
    since: Moment,
}

/// Who waits for the leader's look. At most `MAX_WAITING`.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    askers: Vec<Asker>,
}

/// An asker that has its answer.
#[derive(Debug)]
pub(crate) enum Looked {
    /// It is let in as soon as this is committed.
    Admit { request: u64, admit: Admit },
    /// It is not.
    Refused { request: u64, code: RefusalCode, text: String },
}

impl Admission {
    /// This node leads: the asker waits for its look at it. False when too many wait.
    pub(crate) fn wait(&mut self, turn: &mut Turn, request: u64, admit: Admit) -> bool {
        if self.askers.len() >= MAX_WAITING {
            return false;
        }
        self.askers.push(Asker { request, admit, since: turn.now });
        turn.duties_due = true;
        true
    }

    /// This node no longer leads: whoever asks is sent to who does. True when somebody waited.
    pub(crate) fn forget_askers(&mut self) -> bool {
        !std::mem::take(&mut self.askers).is_empty()
    }

    /// The leader looks at who asks and still waits: lets it in, waits for a name to be free, or refuses.
    pub(crate) fn look(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        names: &Names,
        damping: &Damping,
        still_waits: impl Fn(u64) -> bool,
    ) -> Vec<Looked> {
        let mut done = Vec::new();
        self.askers.retain_mut(|asker| {
            let looked = look_at(asker, sight, turn, names, damping);
            let waits = looked.is_none() && still_waits(asker.request);
            done.extend(looked);
            waits
        });
        done
    }
}

/// The answer to an asker; none while it has to wait.
fn look_at(
    asker: &mut Asker,
    sight: &Sight<'_>,
    turn: &mut Turn,
    names: &Names,
    damping: &Damping,
) -> Option<Looked> {
    let (request, group) = (asker.request, sight.group?);
    if let Some(refusal) = sight.tombstone_of(asker.admit.instance) {
        return Some(Looked::Refused { request, code: refusal.code(), text: refusal.text });
    }
    let (level, program) = (group.meta().level(), sight.features.met(asker.admit.instance));
    if let Some(program) = program.filter(|program| !program.levels.contains(level)) {
        let text = unfit(&asker.admit.name, &program.software, program.levels, level);
        return Some(Looked::Refused { request, code: RefusalCode::Level, text });
    }
    let known = group.meta().member(asker.admit.instance);
    // A founder that was told apart from others of its name keeps the name that it got.
    let apart = asker.admit.instance.told_apart(&asker.admit.name);
    if let Some(known) = known.filter(|known| known.name == apart) {
        asker.admit.name.clone_from(&known.name);
    }
    let holder = group.meta().member_by_name(&asker.admit.name);
    if let Some(holder) = holder.filter(|holder| holder.instance != asker.admit.instance) {
        let patience_is_over = turn.now.since(asker.since) >= CHALLENGE;
        let held_down = damping.holds(turn.now, holder.instance);
        match names.claim(turn.now, holder, &asker.admit, held_down, patience_is_over) {
            Claim::Succeeds => {
                turn.tell(News::NameGiven(asker.admit.instance));
                asker.admit.supersede = Some(holder.instance);
            }
            Claim::Later => return None,
            Claim::Refused { text, warning } => {
                if let Some(kind) = warning {
                    let asker = Box::new(asker.admit.clone());
                    turn.tell(News::NameHeld { kind, asker });
                }
                return Some(Looked::Refused { request, code: RefusalCode::NameTaken, text });
            }
        }
    }
    if let Some(known) = known {
        // Where it is reached is judged for itself: it may have been met at one of several addresses.
        asker.admit.address.clone_from(&known.address);
    }
    asker.admit.at_unix_ms = turn.wall_ms;
    Some(Looked::Admit { request, admit: asker.admit.clone() })
}

/// What a session proves of an asker replaces what the asker says of itself. None when it asks for somebody else.
pub(crate) fn proven(session: &Session, mut admit: Admit) -> Option<Admit> {
    if admit.instance != session.instance {
        return None;
    }
    admit.key = session.key;
    admit.generation = session.generation;
    admit.name = session.name.to_string();
    admit.address = Some(session.address.into());
    admit.supersede = None;
    Some(admit)
}

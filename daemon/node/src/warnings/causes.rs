//! What a warning means, as a typed cause: of a copy, of a name that is held, of a way that is open in one direction only, of a disk.
//!
//! Knows nothing of how long a warning stands, nor of who tells whom.

use crate::boot::MadeOn;
use crate::clones::Clones;
use crate::names::is_at;
use crate::sight::Sight;
use quorate_proto::{
    Address, Copied, CopyCause, CopyGuess, Instance, LinkCause, MemberCause, Moment, Reason,
    ReasonCode, Session, Trouble, Warning, WarningKind,
};
use std::net::SocketAddr;

/// A warning of one that came and is not listened to.
pub(super) fn warning_of(
    kind: WarningKind,
    sight: &Sight<'_>,
    clones: &Clones,
    came: &Session,
) -> Warning {
    Warning {
        kind: kind.into(),
        instance: came.instance,
        generation: came.generation,
        boot_nonce: came.boot_nonce,
        name: came.name.to_string(),
        address: came.place().into(),
        copy: which_is_the_copy(sight, clones, came).into(),
        standing: standing(sight, came.instance).map(Into::into),
    }
}

/// Which is the copy: the one that came, or the one that runs, here or elsewhere. By where their data were made.
fn which_is_the_copy(sight: &Sight<'_>, clones: &Clones, came: &Session) -> CopyGuess {
    let me = came.instance == sight.config.instance;
    let there = sight.peers.session(came.instance).map(|session| session.moved);
    let kept = clones.original_moved(sight.now, came.instance).then_some(true);
    let there = if me { Some(sight.config.made_on == MadeOn::Another) } else { there.or(kept) };
    let is_a_seeds = |address| sight.founding.is_a_seeds(address);
    match (came.moved, there) {
        (true, None | Some(false)) => CopyGuess::Newcomer,
        (false, Some(true)) => CopyGuess::Standing,
        // A seed is where the list of seeds leads, and a copy of it elsewhere.
        _ if is_a_seeds(came.place())
            && standing(sight, came.instance).is_some_and(|there| !is_a_seeds(there)) =>
        {
            CopyGuess::Standing
        }
        _ => CopyGuess::Unknown,
    }
}

/// Where the one runs that this node listens to.
pub(super) fn standing(sight: &Sight<'_>, instance: Instance) -> Option<SocketAddr> {
    if instance == sight.config.instance {
        return sight.health.member(instance)?.address.as_ref()?.socket();
    }
    sight.peers.session(instance).map(Session::place)
}

/// The word under which a warning is told as an event.
pub(crate) fn kind_of(reason: &Reason) -> &'static str {
    match reason.code {
        ReasonCode::NameHeld => "alarm",
        code => code.word(),
    }
}

/// Why an operator should look at it. `own`: where the copy of this host's own disk life is, for when that is what it is about.
pub(crate) fn reason_of(
    sight: &Sight<'_>,
    own: Copied,
    warning: &Warning,
    at: SocketAddr,
    since: Moment,
) -> Reason {
    if warning.kind() == WarningKind::OneWay {
        return Reason::of(&one_way(sight, warning, at), since);
    }
    let Some(trouble) = trouble(warning.kind()) else {
        return Reason::of(&copy_cause(sight, own, warning, at), since);
    };
    let leader = sight.leadership.leader();
    let leads = leader.is_some_and(|leader| leader.instance == warning.instance);
    let name = warning.name.clone();
    Reason::of(&MemberCause::Disk { name, here: false, leads, trouble }, since)
}

/// A way that is open in one direction only, by the names of its ends.
fn one_way(sight: &Sight<'_>, warning: &Warning, at: SocketAddr) -> LinkCause {
    let there = warning.standing.as_ref().and_then(Address::socket);
    let mut members = sight.health.view().members.iter();
    let hears = members.find(|member| there.is_some_and(|there| is_at(member, there)));
    let hears = hears.map_or_else(|| "another host".to_owned(), |member| member.name.clone());
    let (deaf, me) = (warning.name.clone(), warning.instance == sight.config.instance);
    let other = if me { hears.clone() } else { deaf.clone() };
    LinkCause::OneWay { deaf, hears, other, port: at.port() }
}

fn copy_cause(sight: &Sight<'_>, own: Copied, warning: &Warning, at: SocketAddr) -> CopyCause {
    let (name, life) = (warning.name.clone(), warning.instance);
    let there = warning.standing.as_ref().and_then(Address::socket);
    let (start, cluster) = (warning.generation.get(), sight.config.cluster.to_string());
    let is_own = life == sight.config.instance;
    let copy = copied(warning, is_own.then_some(own));
    match warning.kind() {
        WarningKind::OlderCopy => CopyCause::Older { name, at, life, start, there, copy, cluster },
        WarningKind::NameInUse => CopyCause::NameInUse { name, at },
        WarningKind::NameKept => {
            CopyCause::NameKept { name, at, minutes: crate::names::KEPT.as_secs() / 60 }
        }
        // Nobody else is there: it is one host, whose disk went back, or a copy of one that is off.
        WarningKind::RunsTwice if !is_own && there.is_none_or(|there| there == at) => {
            CopyCause::WentBack { name, at, life, start, cluster }
        }
        _ if is_own => CopyCause::OwnTwice { name, at, there, copy, cluster },
        _ => CopyCause::Twice { name, at, life, there, copy, cluster },
    }
}

fn copied(warning: &Warning, own: Option<Copied>) -> Copied {
    match (warning.copy(), own) {
        (_, Some(Copied::Moved)) => Copied::Moved,
        (CopyGuess::Standing, _) => Copied::Standing,
        (CopyGuess::Newcomer, _) => Copied::Newcomer,
        (_, Some(Copied::Here)) => Copied::Here,
        _ => Copied::Later,
    }
}

/// What a host says of its own disk.
pub(super) fn trouble(kind: WarningKind) -> Option<Trouble> {
    match kind {
        WarningKind::DiskFull => Some(Trouble::DiskFull),
        WarningKind::DiskStalled => Some(Trouble::DiskStalled),
        WarningKind::DiskSlow => Some(Trouble::DiskSlow),
        _ => None,
    }
}

//! Copies of disks, strays with the name of another, and copies of the log that do not count: in words.
//!
//! Nobody is ever told to erase the data of the host that is in the cluster.

use super::{Cause, ReasonCode, list};
use crate::{DialFailure, Instance};
use std::net::SocketAddr;

const MOVED: &str = "whose data were made on another machine";
/// How an original gets in again whose copy was started while it was off.
const AS_OFTEN: &str =
    "; then restart the original until it is let in, as each start counts one up";
/// Nothing says which of two is damaged.
const KEEP_ALL: &str = "compare the state hash in `quorate status` on all voters; keep the data of all of them until it is known \
                        which is damaged";

/// Which of two hosts with one disk life has the copy: a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// This host, whose data come from another machine.
    Moved,
    /// Most likely this one: hardly anybody listens to it.
    Here,
    /// Most likely the other: the others listen to this one.
    There,
    /// Hardly anybody listens to this one, but its data were made here.
    Unclear,
    /// Seen from a third host: the one that came, whose data come from another machine.
    Newcomer,
    /// Seen from a third host: the one that runs, whose data come from another machine.
    Standing,
    /// Seen from a third host: most likely the one that came later.
    Later,
}

/// What is wrong with a copy. `at`: where the one is that came; `there`: where the one runs that is listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum CopyCause {
    /// An older copy of a disk came.
    Older {
        name: String,
        at: SocketAddr,
        life: Instance,
        start: u64,
        there: Option<SocketAddr>,
        copy: Copied,
        cluster: String,
    },
    /// One came with a start that another has used.
    WentBack { name: String, at: SocketAddr, life: Instance, start: u64, cluster: String },
    /// The disk of this node runs elsewhere too, ...
    OwnTwice {
        name: String,
        at: SocketAddr,
        there: Option<SocketAddr>,
        copy: Copied,
        cluster: String,
    },
    /// ... or that of another.
    Twice {
        name: String,
        at: SocketAddr,
        life: Instance,
        there: Option<SocketAddr>,
        copy: Copied,
        cluster: String,
    },
    /// A stranger asks for a name that is in use, ...
    NameInUse { name: String, at: SocketAddr },
    /// ... or for that of a voter that may come back.
    NameKept { name: String, at: SocketAddr, minutes: u64 },
    /// Members do not listen to this host.
    TurnedAway { by: Vec<String>, copy: Copied, minutes: u64, cluster: String },
    /// A voter lost what it acknowledged.
    Lost { name: String, entry: u64, end: u64 },
    /// A voter acknowledges nothing behind this entry; 0: none at all.
    StandsStill { name: String, end: u64 },
    /// A voter has something else committed.
    Contradicts { name: String, entry: u64 },
    /// A replica made another state.
    StateDiffers { name: String },
}

impl Cause for CopyCause {
    fn code(&self) -> ReasonCode {
        match self {
            Self::Older { .. }
            | Self::WentBack { .. }
            | Self::OwnTwice { .. }
            | Self::Twice { .. } => ReasonCode::Clone,
            Self::NameInUse { .. } | Self::NameKept { .. } => ReasonCode::NameHeld,
            Self::TurnedAway { .. } => ReasonCode::TurnedAway,
            Self::Lost { .. } => ReasonCode::CopyLost,
            Self::StandsStill { .. } => ReasonCode::CopyStandsStill,
            Self::Contradicts { .. } => ReasonCode::CopyContradicts,
            Self::StateDiffers { .. } => ReasonCode::CopyStateDiffers,
        }
    }

    fn subject(&self) -> Option<String> {
        match self {
            Self::TurnedAway { .. } => None,
            Self::Older { name, .. }
            | Self::WentBack { name, .. }
            | Self::OwnTwice { name, .. }
            | Self::Twice { name, .. }
            | Self::NameInUse { name, .. }
            | Self::NameKept { name, .. }
            | Self::Lost { name, .. }
            | Self::StandsStill { name, .. }
            | Self::Contradicts { name, .. }
            | Self::StateDiffers { name } => Some(name.clone()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Older { name, at, life, start, .. } => format!(
                "an older copy of a disk came back: {name} at {at} came as start {start} of instance {life}, of which a later start \
                 is known, and is not listened to"
            ),
            Self::WentBack { name, at, life, start, .. } => format!(
                "the disk of {name} went back, or is a copy: from {at} it came as start {start} of instance {life}, which another has \
                 used already, and is not listened to"
            ),
            Self::OwnTwice { name, at, .. } => {
                format!("the disk of this node runs at {at} too, as {name}")
            }
            Self::Twice { name, at, life, there, .. } => {
                let there = there.map_or_else(String::new, |there| format!(" at {there}"));
                format!(
                    "one disk runs twice: {name} at {at} came as instance {life}, which runs{there} already, and is not listened to"
                )
            }
            Self::NameInUse { name, at } => {
                format!("another host, at {at}, asks for the name of {name}, which is alive")
            }
            Self::NameKept { name, at, minutes } => format!(
                "another host, at {at}, asks for the name of voter {name}, which is gone; it gets the name {minutes} minutes after \
                 the voter went, unless that comes back"
            ),
            Self::TurnedAway { by, .. } => format!(
                "{} {} not listen to this host: {}",
                list(by),
                if by.len() == 1 { "does" } else { "do" },
                DialFailure::Twice
            ),
            Self::Lost { name, entry, end } => format!(
                "{name} acknowledged entry {entry} and its log ends at {end}: its disk went back, and nothing more is sent to it before it is mended"
            ),
            Self::StandsStill { name, end } => {
                let behind = if *end == 0 { String::new() } else { format!(" behind {end}") };
                format!(
                    "{name} answers pings but acknowledges no entry{behind}: its copy of the log does not count"
                )
            }
            Self::Contradicts { name, entry } => format!(
                "{name} has something else committed at entry {entry} than the leader: the log of one of the two is damaged, \
                 and the copy of {name} does not count"
            ),
            Self::StateDiffers { name } => {
                format!("the state of {name} is not the leader's at the same entry")
            }
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Older { at, there, copy, cluster, .. } => older(*at, *there, *copy, cluster),
            Self::WentBack { cluster, .. } => format!(
                "if that host was restored from a copy: stop quorate there, run `quorate reset --cluster {cluster}` on it and on no \
                 other host, and start it: it joins as a new disk and keeps its name. If another host had the copy: restart this one until \
                 it is let in, as each start counts one up"
            ),
            Self::OwnTwice { at, there, copy, cluster, .. }
            | Self::Twice { at, there, copy, cluster, .. } => twice(*at, *there, *copy, cluster),
            Self::NameInUse { at, .. } => format!(
                "give the host at {at} another name in its host.toml, and there: `systemctl restart quorate`"
            ),
            Self::NameKept { name, .. } => format!(
                "if {name} comes back: start it, and give the other host another name in host.toml; if the other host is its \
                 replacement: wait"
            ),
            Self::TurnedAway { copy, minutes, cluster, .. } => {
                turned_away(*copy, *minutes, cluster)
            }
            Self::Lost { name, .. } => format!(
                "on {name}: `journalctl -u quorate -e`; where quorate has ended there because of this, do what it says"
            ),
            Self::StandsStill { name, .. } => format!(
                "on {name}: `quorate why` and `journalctl -u quorate -e`; is its disk slow or full?"
            ),
            Self::Contradicts { .. } | Self::StateDiffers { .. } => KEEP_ALL.to_owned(),
        }
    }
}

/// Where the one runs that is listened to.
fn standing(there: Option<SocketAddr>) -> String {
    there.map_or_else(|| "that is listened to".to_owned(), |there| format!("at {there}"))
}

fn older(at: SocketAddr, there: Option<SocketAddr>, copy: Copied, cluster: &str) -> String {
    if copy == Copied::Standing {
        return format!(
            "the copy is most likely the one {}, {MOVED}: keep the data of both; stop quorate there, run `quorate reset --cluster \
             {cluster}` on it and on no other host, and start it with a name of its own{AS_OFTEN}",
            standing(there)
        );
    }
    format!(
        "if the newer data are still somewhere, run these and not the copy; if not: stop quorate at {at}, run `quorate reset \
         --cluster {cluster}` there and on no other host, and start it: it joins as a new disk"
    )
}

fn twice(at: SocketAddr, there: Option<SocketAddr>, copy: Copied, cluster: &str) -> String {
    let guess = match copy {
        Copied::Moved => format!("most likely this host, {MOVED}"),
        Copied::Standing => format!("most likely the one {}, {MOVED}", standing(there)),
        Copied::Newcomer => format!("most likely the one at {at}, {MOVED}"),
        Copied::Here => "most likely this host, which is not let in".to_owned(),
        Copied::There | Copied::Unclear | Copied::Later => {
            format!("most likely the one at {at}, which came later")
        }
    };
    let then = if copy == Copied::Standing { AS_OFTEN } else { "" };
    format!(
        "find out which of the two is the copy ({guess}); stop quorate on the copy, run `quorate reset --cluster {cluster}` there and on \
         no other host, and start it with a name of its own{then}"
    )
}

fn turned_away(copy: Copied, minutes: u64, cluster: &str) -> String {
    let guess = match copy {
        Copied::Moved => "most likely this one, whose data were made on another machine",
        Copied::Here => "most likely this one",
        Copied::There | Copied::Newcomer | Copied::Standing | Copied::Later => {
            "most likely the other, as the others listen to this one"
        }
        Copied::Unclear => {
            "the data of this one were made on this machine: it is the other, unless this disk was set back to an earlier state or \
             all of this machine is a copy"
        }
    };
    format!(
        "find out which host has the copy ({guess}). If it is this one: stop quorate here, run `quorate reset --cluster \
         {cluster}` here and on no other host, and start it with a name of its own. If it is the other: stop quorate there, and \
         restart it here until it is let in, which may take {minutes} minutes: each restart counts one up. Should it end here \
         because the copy acknowledged entries in its place: the cluster has them, do what it says then"
    )
}

//! What a node tells people: each line of `quorate events` and of the journal, typed. Its sentence stands here and nowhere else.
//!
//! A program reads the kind, which is stable, and what the line is about; it reads no sentence. What is wrong for as long as its cause
//! stands is a reason (`proto/src/reason`); a line is told once, when it happens. Knows nothing of who reads it.

use crate::status::Opinion;
use quorate_proto::{
    ApplicationChange, ApplicationState, Cause as _, ClusterId, ClusterName, CopyCause,
    FeatureLevel, Fingerprint, HealthChange, HealthDelta, HealthEpoch, Instance, MemberState,
    NodeName, Reason, ReasonCode, SecretChange, SecretStep,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A host by its disk life and its name.
pub type Host = (Instance, String);

/// See the head of the file.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum Event {
    /// This node is one of the founders.
    Founded { cluster: ClusterId, hosts: usize },
    /// A cluster exists that this node is to be let into.
    Joining { cluster: ClusterId },
    /// It was let in.
    LetIn { epoch: HealthEpoch },
    /// A leader is known.
    Leads { host: Host, term: u64 },
    /// It leads no more; `handed_over`: in good order, and a successor is to be expected.
    LeadsNoMore { host: Host, term: u64, handed_over: bool },
    /// This node was removed from the voters while it led.
    RemovedAsLeader,
    /// A leader with a majority is known.
    Quorate,
    /// None is; the verdicts of this node that may explain it.
    QuorumLost { missing: Vec<Opinion> },
    /// A health epoch, with all that it changed.
    Epoch(Arc<HealthDelta>),
    /// Epochs were passed over: this node was away, or has just come.
    Epochs { newest: HealthEpoch, alive: usize, members: usize },
    /// The cluster runs another feature level than it did.
    Level { before: FeatureLevel, level: FeatureLevel },
    /// The disk of this host is full, or has room again.
    DiskFull(bool),
    /// It is slow, or quick again.
    DiskSlow(bool),
    /// It does not answer, or answers again.
    DiskSilent(bool),
    /// The keyspace is full, or has room again.
    KeyspaceFull(bool),
    /// The data of this host were made on another machine.
    DataMoved { cluster: ClusterName },
    /// Somebody came with a key that is not the one pinned for it.
    WrongKey { name: NodeName },
    /// This host is not let in, in the leader's words.
    NotLetIn(String),
    /// An entry of the leader is not the one that is committed here.
    Contradicted { leader: Host, entry: u64 },
    /// The state of a replica differs from the leader's at the same index, or is the leader's again.
    State { host: Host, index: u64, differs: bool },
    /// A copy of the log is not what it should be, as the leader finds it.
    Copy(CopyCause),
    /// The founding cannot go on as it should.
    Founding { code: ReasonCode, text: String },
    /// The change of the cluster's secret took a step.
    Secret(Arc<SecretChange>),
    /// The leader forgets a host without a vote that has been gone for long.
    Forgets { host: Host, after: Duration },
    /// An operator paused the autopilot, or had it go on.
    Autopilot { paused: bool, reason: String },
    /// What `quorate why` tells too, under the word `kind`.
    Wrong { kind: &'static str, reason: Reason, host: Option<Host> },
}

/// What an event is about, for programs. What does not apply is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The node, by its disk life and name.
    pub host: Option<Host>,
    /// The term in which it leads, or led.
    pub term: Option<u64>,
    /// The health epoch.
    pub epoch: Option<HealthEpoch>,
    /// What that epoch changed.
    pub changes: Vec<HealthChange>,
    /// What it changed for applications.
    pub applications: Vec<ApplicationChange>,
    /// The word of the reason that `quorate why` tells too.
    pub code: Option<&'static str>,
}

impl Event {
    /// Short word, stable.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Founded { .. } => "founded",
            Self::Joining { .. } => "joining",
            Self::LetIn { .. } => "joined",
            Self::Leads { .. } | Self::LeadsNoMore { .. } => "leader",
            Self::RemovedAsLeader => "voters",
            Self::Quorate => "quorate",
            Self::QuorumLost { .. } => "quorum-lost",
            Self::Epoch(_) | Self::Epochs { .. } => "epoch",
            Self::Level { .. } => "feature-level",
            Self::DiskFull(_) => "disk-full",
            Self::DiskSlow(_) => "disk-slow",
            Self::DiskSilent(_) => "disk-stalled",
            Self::KeyspaceFull(_) => "keyspace-full",
            Self::DataMoved { .. } => "moved",
            Self::WrongKey { .. }
            | Self::NotLetIn(_)
            | Self::Contradicted { .. }
            | Self::State { .. }
            | Self::Copy(_) => "alarm",
            Self::Founding { code, .. } => code.word(),
            Self::Secret(_) => "secret",
            Self::Forgets { .. } | Self::Autopilot { .. } => "autopilot",
            Self::Wrong { kind, .. } => kind,
        }
    }

    /// Whether an operator should act.
    #[must_use]
    pub fn warning(&self) -> bool {
        match self {
            Self::Founded { .. }
            | Self::Joining { .. }
            | Self::LetIn { .. }
            | Self::Leads { .. }
            | Self::Quorate
            | Self::Level { .. }
            | Self::Secret(_)
            | Self::Epochs { .. }
            | Self::Forgets { .. }
            | Self::Autopilot { .. } => false,
            Self::LeadsNoMore { handed_over, .. } => !handed_over,
            Self::Epoch(delta) => {
                let down = |change: &ApplicationChange| change.to == ApplicationState::Down.word();
                delta.changed.iter().any(|change| change.to == MemberState::Down.word())
                    || delta.changed_applications.iter().any(|it| down(it) && it.from != it.to)
            }
            Self::DiskFull(bad)
            | Self::DiskSlow(bad)
            | Self::DiskSilent(bad)
            | Self::KeyspaceFull(bad)
            | Self::State { differs: bad, .. } => *bad,
            Self::RemovedAsLeader
            | Self::QuorumLost { .. }
            | Self::DataMoved { .. }
            | Self::WrongKey { .. }
            | Self::NotLetIn(_)
            | Self::Contradicted { .. }
            | Self::Copy(_)
            | Self::Founding { .. }
            | Self::Wrong { .. } => true,
        }
    }

    /// What it is about.
    #[must_use]
    pub fn about(&self) -> About {
        let none = About::default();
        match self {
            Self::LetIn { epoch } => About { epoch: Some(*epoch), ..none },
            Self::Leads { host, term } | Self::LeadsNoMore { host, term, .. } => {
                About { host: Some(host.clone()), term: Some(*term), ..none }
            }
            Self::Epoch(delta) => {
                let applications = delta.changed_applications.clone();
                let (epoch, changes) = (Some(delta.epoch), delta.changed.clone());
                About { epoch, changes, applications, ..none }
            }
            Self::Epochs { newest, .. } => About { epoch: Some(*newest), ..none },
            Self::Contradicted { leader: host, .. }
            | Self::State { host, .. }
            | Self::Forgets { host, .. } => About { host: Some(host.clone()), ..none },
            Self::Copy(cause) => About { code: Some(cause.code().word()), ..none },
            Self::Founding { code, .. } => About { code: Some(code.word()), ..none },
            Self::Wrong { reason, host, .. } => {
                About { host: host.clone(), code: Some(reason.code.word()), ..none }
            }
            _ => none,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Founded { cluster, hosts } => {
                let word = if *hosts == 1 { "host" } else { "hosts" };
                write!(f, "cluster {cluster} founded by {hosts} {word}")
            }
            Self::Joining { cluster } => {
                write!(f, "cluster {cluster} exists; asking to be let in")
            }
            Self::LetIn { epoch } => write!(f, "let in at epoch {epoch}"),
            Self::Leads { host: (_, name), term } => write!(f, "{name} leads in term {term}"),
            Self::LeadsNoMore { host: (_, name), handed_over: true, .. } => {
                write!(f, "{name} hands leadership over")
            }
            Self::LeadsNoMore { host: (_, name), handed_over: false, .. } => {
                write!(f, "{name} no longer leads; no leader is known")
            }
            Self::RemovedAsLeader => {
                f.write_str("this node was removed from the voters while it led")
            }
            Self::Quorate => f.write_str("a leader with a majority is known"),
            Self::QuorumLost { missing } => quorum_lost(f, missing),
            Self::Epoch(delta) => epoch(f, delta),
            Self::Epochs { newest, alive, members } => {
                write!(f, "epoch {newest}: {alive} of {members} members are alive")
            }
            Self::Level { before, level } => write!(
                f,
                "the cluster runs feature level {level}; it was {before}. Programs that do not know {level} cannot be members any more"
            ),
            Self::DiskFull(_) | Self::DiskSlow(_) | Self::DiskSilent(_) => disk(f, self),
            Self::KeyspaceFull(true) => {
                f.write_str("the keyspace is full: nothing is put until keys are deleted")
            }
            Self::KeyspaceFull(false) => f.write_str("the keyspace has room again: keys are put"),
            Self::DataMoved { cluster } => write!(
                f,
                "the data of this host were made on another machine, so they were moved or copied here (or the birth directory of this \
                 host was erased). If they are a copy, and the host that they come from will run again: stop quorate here, run `quorate \
                 reset --cluster {cluster}` here and on no other host, and start it with a name of its own"
            ),
            Self::WrongKey { name } => {
                write!(f, "{name} came with a key that is not the one pinned for it")
            }
            Self::NotLetIn(text) | Self::Founding { text, .. } => f.write_str(text),
            Self::Contradicted { leader: (_, name), entry } => write!(
                f,
                "entry {entry} of {name}, which leads, is not the one that is committed here: the log of one of the two is damaged. \
                 Nothing of it is taken. Compare the state hash in `quorate status` on all voters before anything is erased"
            ),
            Self::State { host: (_, name), index, differs: true } => {
                write!(f, "the state of {name} differs from the leader's at index {index}")
            }
            Self::State { host: (_, name), index, differs: false } => {
                write!(f, "the state of {name} is the leader's again at index {index}")
            }
            Self::Copy(cause) => f.write_str(&cause.text()),
            Self::Secret(change) => f.write_str(&words_of(change)),
            Self::Forgets { .. } | Self::Autopilot { .. } => autopilot(f, self),
            Self::Wrong { reason, .. } => f.write_str(&reason.in_one_line()),
        }
    }
}

/// What the autopilot forgets, and that it is paused or goes on.
fn autopilot(f: &mut fmt::Formatter<'_>, event: &Event) -> fmt::Result {
    match event {
        Event::Forgets { host: (_, name), after } => {
            let hours = after.as_secs().div_ceil(3600);
            write!(
                f,
                "{name} has no vote and has been gone for {hours} h (`forget_after`): it is forgotten, and may join anew"
            )
        }
        Event::Autopilot { paused, reason } => {
            let words = if *paused { "is paused" } else { "goes on" };
            let colon = if reason.is_empty() { "" } else { ": " };
            write!(f, "the autopilot {words}{colon}{reason}")
        }
        _ => Ok(()),
    }
}

/// What a step of the change of the secret means.
pub(crate) fn words_of(change: &SecretChange) -> String {
    let [from, to] = [change.from, change.to].map(Fingerprint::new);
    match change.step() {
        SecretStep::None => "the secret was never changed".to_owned(),
        SecretStep::Accept => format!(
            "the secret is changed from {from} to {to}: every host is to accept the new one first"
        ),
        SecretStep::Use => format!(
            "every live host accepts the secret {to}: it is used from now on, and {from} is still accepted"
        ),
        SecretStep::Drop => format!(
            "every live host uses the secret {to}: {from} is dropped, and who has that one alone is refused from now on"
        ),
        SecretStep::GivenUp => {
            format!("the change of the secret to {to} was given up: {from} is used")
        }
    }
}

fn quorum_lost(f: &mut fmt::Formatter<'_>, missing: &[Opinion]) -> fmt::Result {
    let words = |one: &Opinion| format!("{} is {} ({})", one.name, one.verdict, one.reason);
    let missing: Vec<String> = missing.iter().map(words).collect();
    let who = match missing.is_empty() {
        true => "nobody is known to be missing".to_owned(),
        false => missing.join("; "),
    };
    write!(f, "no leader with a majority: {who}; run `quorate why`")
}

/// So many applications are named in the sentence of an epoch; its fields have all of them. The loss of a host takes many down at once.
const NAMED: usize = 8;

fn epoch(f: &mut fmt::Formatter<'_>, delta: &HealthDelta) -> fmt::Result {
    let words = |change: &HealthChange| match (change.from.as_str(), change.to.as_str()) {
        (_, "") => format!("{} is no longer a member ({})", change.name, change.reason),
        (from, to) if from == to => format!("{}: {}", change.name, change.reason),
        (_, "left") => format!("{} left ({})", change.name, change.reason),
        (_, to) => format!("{} is {to} ({})", change.name, change.reason),
    };
    let application = |change: &ApplicationChange| {
        let ApplicationChange { name, host, from, to, reason } = change;
        match to.as_str() {
            "" => format!("{name} on {host} is gone ({reason})"),
            to if from == to => format!("{name} on {host}: {reason}"),
            to => format!("{name} on {host} is {to} ({reason})"),
        }
    };
    let applications = delta.changed_applications.iter().take(NAMED).map(application);
    let mut changes: Vec<String> = delta.changed.iter().map(words).chain(applications).collect();
    match delta.changed_applications.len().saturating_sub(NAMED) {
        0 => {}
        more => changes.push(format!("and {more} more changes of applications")),
    }
    write!(f, "epoch {}: {}", delta.epoch, changes.join("; "))
}

fn disk(f: &mut fmt::Formatter<'_>, event: &Event) -> fmt::Result {
    f.write_str("the disk under `data_dir` ")?;
    f.write_str(match event {
        Event::DiskFull(true) => {
            "is full: if this node leads it hands over, and refuses new writes until then; make room (df -h)"
        }
        Event::DiskFull(false) => "has room again: writes are taken",
        Event::DiskSlow(true) => {
            "is slow: most of its last writes took more than a tenth of a second each (iostat -x)"
        }
        Event::DiskSlow(false) => "is quick again",
        Event::DiskSilent(true) => {
            "has not answered for 2 s: if this node leads it hands over; look at the disk (dmesg, iostat -x)"
        }
        _ => "answers again",
    })
}

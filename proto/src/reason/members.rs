//! Who is not there, and what is wrong with a host: in words.

use super::known::{self, Known};
use super::new_secret::{lacking, lacking_remedy};
use super::{Cause, ReasonCode, list};
use crate::{ClusterId, Fingerprint, SecretLackKind};
use std::net::SocketAddr;

/// A trouble of one host's own: of its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// No room for new writes.
    DiskFull,
    /// It has not answered for seconds.
    DiskStalled,
    /// It answers, and takes much longer than disks do.
    DiskSlow,
}

/// A voter that is not there, as one node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingVoter {
    /// Its name.
    pub name: String,
    /// How that was noticed: for people.
    pub how: String,
    /// It has ended, as it said itself. If not, its host may be off or cut off.
    pub ended: bool,
    /// This node has a connection with a host of its name or address that runs quorate on another disk.
    pub replaced: bool,
    /// What is known of why, beyond that it has ended or is silent.
    pub known: Known,
}

/// What a node meets of a member that is committed as gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Nothing.
    Gone,
    /// The member itself: it is heard here.
    Heard,
    /// A host of its name, which runs with another disk.
    Replaced,
}

/// What a node finds wrong with itself, the quorum, or one of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum MemberCause {
    /// No leader. `here` of all voters can be reached from this node, itself included where it is one; `replaced` can never
    /// answer again, for new disks have replaced theirs.
    /// `cut_off`: from all others. `late_seconds`: for how long, where an election should have ended it.
    NoLeader {
        voters: usize,
        here: usize,
        replaced: usize,
        missing: Vec<MissingVoter>,
        cut_off: bool,
        late_seconds: Option<u64>,
        me: String,
    },
    /// Nobody at all is reached any more.
    NoNetwork { me: String, others: Vec<String> },
    /// A member does not answer this node; there is no leader to say so.
    Missing { name: String, role: String, how: String, ended: bool },
    /// Committed as down. `met`: what this node meets of it.
    Down { name: String, epoch: u64, how: String, met: Presence },
    /// Committed as left; the same.
    Left { name: String, epoch: u64, how: String, met: Presence },
    /// All voters are there, and none may fail.
    NoSpare { voters: usize, hosts: Vec<String> },
    /// This node's verdict differs from what is committed.
    Opinion { name: String, verdict: String, how: String },
    /// This node is here and counted as gone. `again`: only another start counts again.
    CountedOut { me: String, state: String, epoch: u64, how: String, leader: String, again: bool },
    /// It answers at one address and comes from another.
    TwoAddresses { name: String, committed: Option<SocketAddr>, other: SocketAddr },
    /// Its file asks for another number of voters than this node's; 0 = as many as suit the number of hosts.
    OtherVoters { name: String, theirs: u32, ours: u32 },
    /// It is not ready for a change of the secret; or it is `away`, and has not said that it accepts the new one.
    SecretLacking { name: String, away: bool, kind: SecretLackKind, to: Fingerprint },
    /// Refused, or not let in yet.
    Joining { refused: Option<String>, members: Vec<String>, cluster: String },
    /// A bound of this node was reached: `limit` of the `crowd`. `refused`: how many were since its start.
    Crowd { limit: usize, crowd: String, refused: u64 },
    /// The TCP address of this node's doors cannot be opened; `forbidden`: its unit does not let it.
    DoorClosed { address: SocketAddr, error: String, forbidden: bool },
    /// The users' keyspace has as many MiB as it may.
    KeyspaceFull { limit: u64 },
    /// A host's disk: of the named host, or of this one (`here`).
    Disk { name: String, here: bool, leads: bool, trouble: Trouble },
    /// It was asked to stop, and waits for the missing voters for so many seconds at most.
    StopWaits { me: String, missing: Vec<String>, seconds: u64 },
    /// The cluster of this node was founded anew by others, and this node's own side has no majority so far.
    LeftBehind { cluster_id: ClusterId, by: Vec<String>, seconds: u64 },
}

impl Cause for MemberCause {
    fn code(&self) -> ReasonCode {
        match self {
            Self::NoLeader { .. } => ReasonCode::NoLeader,
            Self::NoNetwork { .. } => ReasonCode::NoNetwork,
            Self::Missing { .. } => ReasonCode::Missing,
            Self::Down { .. } => ReasonCode::Down,
            Self::Left { .. } => ReasonCode::Left,
            Self::NoSpare { .. } => ReasonCode::NoSpare,
            Self::Opinion { .. } => ReasonCode::Opinion,
            Self::CountedOut { .. } => ReasonCode::CountedOut,
            Self::TwoAddresses { .. } => ReasonCode::TwoAddresses,
            Self::OtherVoters { .. } => ReasonCode::OtherVoters,
            Self::SecretLacking { .. } => ReasonCode::SecretLacking,
            Self::Joining { .. } => ReasonCode::Joining,
            Self::Crowd { .. } => ReasonCode::Bound,
            Self::DoorClosed { .. } => ReasonCode::DoorClosed,
            Self::KeyspaceFull { .. } => ReasonCode::KeyspaceFull,
            Self::Disk { trouble: Trouble::DiskFull, .. } => ReasonCode::DiskFull,
            Self::Disk { trouble: Trouble::DiskStalled, .. } => ReasonCode::DiskStalled,
            Self::Disk { trouble: Trouble::DiskSlow, .. } => ReasonCode::DiskSlow,
            Self::StopWaits { .. } => ReasonCode::StopWaits,
            Self::LeftBehind { .. } => ReasonCode::TwoClusters,
        }
    }

    fn subject(&self) -> Option<String> {
        match self {
            Self::NoLeader { .. } | Self::NoNetwork { .. } | Self::NoSpare { .. } => None,
            Self::Joining { .. } | Self::Crowd { .. } | Self::Disk { here: true, .. } => None,
            Self::KeyspaceFull { .. } | Self::StopWaits { .. } | Self::LeftBehind { .. } => None,
            Self::DoorClosed { address, .. } => Some(address.to_string()),
            Self::Missing { name, .. }
            | Self::Down { name, .. }
            | Self::Left { name, .. }
            | Self::Opinion { name, .. }
            | Self::CountedOut { me: name, .. }
            | Self::TwoAddresses { name, .. }
            | Self::OtherVoters { name, .. }
            | Self::SecretLacking { name, .. }
            | Self::Disk { name, .. } => Some(name.clone()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::NoLeader { voters, here, replaced, missing, late_seconds, .. } => {
                let text = no_leader(*voters, *here, missing, *late_seconds);
                match replaced {
                    0 => text,
                    many => format!(
                        "{text}; of these voters {many} can never answer: a new disk has replaced each, and it counts until a leader takes it out"
                    ),
                }
            }
            Self::NoNetwork { me, others } => format!(
                "{me} lost its network, or all others went at once: none of them is reached from here any more ({}), all since the same moment",
                list(others)
            ),
            Self::Missing { name, role, how, .. } => {
                format!("{name} ({role}) does not answer: {how}")
            }
            Self::Down { name, epoch, how, .. } => format!("{name} is down (epoch {epoch}): {how}"),
            Self::Left { name, epoch, how, .. } => {
                format!("{name} has left (epoch {epoch}): {how}")
            }
            Self::NoSpare { voters, .. } => {
                format!("with {voters} voters all of them are needed: none may fail")
            }
            Self::Opinion { name, verdict, how } => {
                format!("this node holds that {name} is {verdict}: {how}")
            }
            Self::CountedOut { me, state, epoch, how, .. } => {
                format!(
                    "{me} is here, but the cluster counts it as {state} since epoch {epoch}: {how}"
                )
            }
            Self::TwoAddresses { name, committed, other } => {
                let committed = committed.map_or_else(|| "none".to_owned(), |at| at.to_string());
                format!(
                    "{name} has two addresses: it answers at {committed}, and its packets also come from {other}"
                )
            }
            Self::OtherVoters { name, theirs, ours } => format!(
                "the file of {name} says {}, and that of this host {}: the leader's own counts, so the number of voters changes with the leader",
                voters_key(*theirs),
                voters_key(*ours)
            ),
            Self::SecretLacking { name, away, kind, to } => lacking(name, *away, *kind, *to),
            Self::Joining { refused: Some(refusal), .. } => {
                format!("the cluster refuses this node: {refusal}")
            }
            Self::Joining { .. } => {
                "a cluster of this name exists; waiting to be let in by its leader".to_owned()
            }
            Self::Crowd { limit, crowd, refused } => format!(
                "{limit} {crowd}, which is the most: further ones are refused as \"busy\", {refused} so far"
            ),
            Self::DoorClosed { address, error, .. } => format!(
                "nothing is served at {address} (`tcp` under [client]): {error}; it is tried again every 5 s"
            ),
            Self::KeyspaceFull { limit } => format!(
                "the keyspace takes {limit} MiB of memory, which is the most: puts and transactions that put are refused with \"database space exceeded\""
            ),
            Self::Disk { name, here, leads, trouble } => trouble.text(name, *here, *leads),
            Self::StopWaits { me, missing, seconds } => stop_waits(me, missing, *seconds),
            Self::LeftBehind { cluster_id, by, seconds } => format!(
                "this cluster had lost its majority and was founded anew, as {cluster_id}, on {}, without what this host holds. With no majority of \
                 its own this host stops {seconds} s after it heard of that, and keeps its data; one that was never let in joins the new cluster then",
                list(by)
            ),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NoLeader { cut_off: true, me, voters, replaced, missing, .. } => format!(
                "look at the network of {me} first: the others may well have a leader; if it is well: {}",
                no_leader_remedy(*voters, *replaced, missing)
            ),
            Self::NoLeader { voters, replaced, missing, .. } => {
                no_leader_remedy(*voters, *replaced, missing)
            }
            Self::NoNetwork { me, others } => format!(
                "look at the network of {me} itself first: `ip -brief address`, the cable, the switch, a firewall on this host; if it is \
                 well, look whether {} have power",
                list(others)
            ),
            Self::Missing { name, ended, .. } => start_it(name, *ended),
            Self::Down { name, met: Presence::Replaced, .. }
            | Self::Left { name, met: Presence::Replaced, .. } => format!(
                "none on {name}: it runs, with another disk than the one that is gone, and is let in under its name once there is a leader"
            ),
            Self::Down { name, met: Presence::Heard, .. }
            | Self::Left { name, met: Presence::Heard, .. } => format!(
                "none: it is heard here, and counts again once it stays up; if this lasts for more than a minute: `quorate ping {name}`"
            ),
            Self::Down { name, .. } => start_it(name, false),
            Self::Left { name, .. } => start_it(name, true),
            Self::NoSpare { hosts, .. } => one_more_host(hosts),
            Self::Opinion { name, .. } => format!("`quorate ping {name}`"),
            Self::CountedOut { again: true, .. } => {
                "on this host: `systemctl restart quorate`; a start that has said goodbye does not count again".to_owned()
            }
            Self::CountedOut { leader, .. } => format!(
                "none needed after a start: the leader counts it in once it has heard it for a while, longer after each time \
                 that it was gone; if this lasts for more than a minute: `quorate ping {leader}`"
            ),
            Self::TwoAddresses { name, committed, other } => {
                let committed = committed.map_or(*other, |at| at).ip();
                format!(
                    "write `advertise = \"{committed}\"` (or {}, if that is the one that all hosts can reach) into host.toml on {name}, and \
                     there: `systemctl restart quorate`",
                    other.ip()
                )
            }
            Self::OtherVoters { name, ours, .. } => format!(
                "write {} into quorate.toml on {name}, or the line of {name} here, and where it was changed: `systemctl restart quorate`",
                voters_key(*ours)
            ),
            Self::SecretLacking { name, away, kind, .. } => lacking_remedy(name, *away, *kind),
            Self::Joining { refused: Some(_), .. } => {
                "do what the refusal says, on this host, then here: `systemctl restart quorate`".to_owned()
            }
            Self::Joining { members, cluster, .. } => joining_remedy(members, cluster),
            Self::Crowd { .. } => ASK_LESS.to_owned(),
            Self::DoorClosed { address, forbidden, .. } => door_remedy(*address, *forbidden),
            Self::KeyspaceFull { .. } => {
                "delete what nobody needs, on any host, such as all keys that begin with /old/: `quorate delete --prefix /old/` \
                 (`quorate get --prefix --limit 20 /` shows some); there is room at once"
                    .to_owned()
            }
            Self::Disk { name, here, trouble, .. } => trouble.remedy(name, *here),
            Self::StopWaits { .. } => STOP_NOW.to_owned(),
            Self::LeftBehind { .. } => LEFT_BEHIND.to_owned(),
        }
    }
}

/// What helps two voters, of which neither may fail.
fn one_more_host(hosts: &[String]) -> String {
    format!(
        "none needed while all run; to be able to lose one, add a host: the same quorate.toml and secret on a new host beside {}. A small one \
         is enough, with `role = \"witness\"` in its host.toml",
        list(hosts)
    )
}

/// What helps a door that is full.
const ASK_LESS: &str = "find the program that asks so much (`ss -xp` and `ss -tp` name who is connected) and have it ask less at a time; nothing \
                        needs a restart";

/// What helps a host whose cluster was founded anew without it.
const LEFT_BEHIND: &str = "wait until it has stopped: its journal then says how it joins the new cluster. Only if that was a mistake, and \
                           the voters of before are whole: start enough of them first";

/// What helps who does not want to wait for a host's turn to stop.
const STOP_NOW: &str =
    "none needed; to stop this host now all the same: `systemctl kill --signal=INT quorate`";

fn stop_waits(me: &str, missing: &[String], seconds: u64) -> String {
    if missing.is_empty() {
        return format!(
            "{me} is asked to stop, and does within seconds: enough of the other voters are back, and of several hosts that wait to stop one \
             goes after the other"
        );
    }
    format!(
        "{me} is asked to stop and waits for {}, of the voters, to be back and caught up: with one voter less nothing could be written. It \
         stops then, or {seconds} s after it was asked",
        list(missing)
    )
}

/// The line of quorate.toml.
fn voters_key(voters: u32) -> String {
    if voters == 0 { "`voters = \"auto\"`".to_owned() } else { format!("`voters = {voters}`") }
}

/// A host that ended can be started; one that is silent may be off.
fn start_it(name: &str, ended: bool) -> String {
    if ended {
        return format!(
            "on {name}: `systemctl start quorate`; `journalctl -u quorate -e` there says why it ended"
        );
    }
    format!(
        "look whether {name} has power and network (`quorate ping {name}` from here); if it runs: `systemctl status quorate` there, \
         and `systemctl start quorate` where it does not"
    )
}

fn joining_remedy(members: &[String], cluster: &str) -> String {
    let on = match members {
        [] => "on a host that is in it".to_owned(),
        members => format!("on {}", list(members)),
    };
    format!(
        "the cluster needs a leader to let anybody in: {on}: `quorate why`. If that cluster is dead for good: {}",
        super::begin_anew(cluster)
    )
}

fn no_leader(voters: usize, here: usize, missing: &[MissingVoter], late: Option<u64>) -> String {
    let needed = voters / 2 + 1;
    let each: Vec<String> =
        missing.iter().map(|voter| format!("{} ({})", voter.name, voter.how)).collect();
    let list = match (each.as_slice(), late) {
        ([], None) => {
            "all of them are connected, so an election should end this within seconds".to_owned()
        }
        ([], Some(seconds)) => format!(
            "all of them are connected, and no election has ended this for {seconds} s: they may follow a leader that does not count this host"
        ),
        (each, _) => format!("missing: {}", each.join("; ")),
    };
    format!(
        "no leader with a majority of the voters is known; {needed} of {voters} voters are needed and {here} can be reached from here; {list}"
    )
}

/// The way back from a lost majority.
const FOUND_ANEW: &str = "`quorate recover` on a host that is left says what may be lost, asks, and founds the cluster anew";

/// `never`: how many voters were replaced and are not among the missing ones. What can answer again decides whether the cluster is lost.
fn no_leader_remedy(voters: usize, never: usize, missing: &[MissingVoter]) -> String {
    let names = |which: &dyn Fn(&&MissingVoter) -> bool| -> Vec<String> {
        missing.iter().filter(which).map(|voter| voter.name.clone()).collect()
    };
    let replaced = names(&|voter| voter.replaced);
    let unknown = |voter: &MissingVoter| !voter.replaced && voter.known == Known::Nothing;
    let ended = names(&|voter| voter.ended && unknown(voter));
    let silent = names(&|voter| !voter.ended && unknown(voter));
    let others = missing.iter().filter(|voter| !voter.replaced);
    let mut steps = known::steps(others.map(|voter| (voter.name.as_str(), voter.known)));
    if !ended.is_empty() {
        steps.push(format!("on {}: `systemctl start quorate`", list(&ended)));
    }
    if let Some(first) = silent.first() {
        steps.push(format!(
            "look whether {} {} power and network, and whether quorate runs there (`systemctl status quorate`); from here: `quorate \
             ping {first}`",
            list(&silent),
            if silent.len() == 1 { "has" } else { "have" }
        ));
    }
    if !(ended.is_empty() && silent.is_empty()) {
        steps.push(format!("only if so many of these disks are lost for good that no majority comes back: {FOUND_ANEW}"));
    }
    steps.extend(new_disks(voters, never, &replaced));
    if steps.is_empty() {
        return "on the other voters: `quorate why`. If they have a leader, it says there why it does not count this host; if none has: \
                `quorate events` on each, and look at their clocks, disks and links (`quorate status --links`)"
            .to_owned();
    }
    steps.join("; ")
}

/// What to do about voters whose disks are new: nothing, as long as the others can be a majority.
fn new_disks(voters: usize, never: usize, replaced: &[String]) -> Option<String> {
    if replaced.is_empty() {
        return None;
    }
    let (run, are) = if replaced.len() == 1 { ("runs", "is") } else { ("run", "are") };
    let replaced_names = list(replaced);
    if voters.saturating_sub(never + replaced.len()) > voters / 2 {
        return Some(format!(
            "{replaced_names} {run} quorate on a new disk, and {are} let in once there is a leader: keep the disks of the others"
        ));
    }
    Some(format!(
        "{replaced_names} {run} quorate on a new disk: bring the old data directory back there. If the old disks are gone for good, the \
         majority is: {FOUND_ANEW}"
    ))
}

impl Trouble {
    fn text(self, name: &str, here: bool, leads: bool) -> String {
        let who = match (here, leads) {
            (true, _) => "this node".to_owned(),
            (false, true) => format!("{name}, which leads,"),
            (false, false) => name.to_owned(),
        };
        let disk = if here {
            "the disk under `data_dir`".to_owned()
        } else {
            format!("the disk under `data_dir` of {name}")
        };
        match self {
            Self::DiskFull => format!(
                "{disk} is full: {who} refuses new writes while it leads, and may stop acknowledging those of others; votes and reads go on"
            ),
            Self::DiskStalled => {
                format!("{disk} does not answer: {who} can acknowledge nothing and does not lead")
            }
            Self::DiskSlow => format!(
                "{disk} is slow: most of its last writes took more than a tenth of a second each"
            ),
        }
    }

    fn remedy(self, name: &str, here: bool) -> String {
        let on = if here { "on this host".to_owned() } else { format!("on {name}") };
        match self {
            Self::DiskFull => {
                format!(
                    "{on}: make room on the file system of `data_dir` (`df -h`); the node goes on by itself"
                )
            }
            Self::DiskStalled => format!(
                "{on}: look at the disk (`dmesg`, `iostat -x`); the node goes on by itself, or ends after 30 s"
            ),
            Self::DiskSlow => format!(
                "{on}: see who else writes to it and whether it is failing (`iostat -x`, `dmesg`); nothing needs a restart"
            ),
        }
    }
}

fn door_remedy(address: SocketAddr, forbidden: bool) -> String {
    let port = address.port();
    if forbidden {
        return format!(
            "the unit lets quorate listen at port 4748 only: on this host `systemctl edit quorate`, there `SocketBindAllow=tcp:{port}` under \
             [Service], then `systemctl restart quorate`"
        );
    }
    format!(
        "on this host, stop what holds the port (`ss -ltnp sport = :{port}` names it); or set another `tcp` under [client], or `off`, and then \
         `systemctl restart quorate`"
    )
}

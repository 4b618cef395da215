//! The words of the catalogue and what each means. Words never change: programs read them in `-o json` and `/metrics`.

use std::fmt;

macro_rules! codes {
    ($($name:ident $word:literal $meaning:literal)*) => {
        /// The stable name of one kind of trouble.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the meaning of each is its sentence in the catalogue")]
        pub enum ReasonCode { $($name),* }

        impl ReasonCode {
            /// All of them, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word that programs read.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// What it means for the cluster and for who uses it, beyond the sentence of one case.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),* }
            }
        }
    };
}

codes! {
    // Before there is a cluster here.
    Unresolved "unresolved" "a seed's name has no address here, so this host cannot ask that seed"
    NoAnswer "no-answer" "nothing answers at that address: the host is off or cut off, quorate does not run there, or a firewall drops its UDP port"
    OtherFamily "other-family" "that host has addresses of one family only, and this host has a socket of the other"
    NoRoute "no-route" "this host's own system knows no way to that address"
    OtherSecret "other-secret" "that host was given another cluster secret, so the two refuse each other"
    OtherCluster "other-cluster" "that address belongs to another cluster; it is never joined by mistake"
    Protocol "protocol" "the two versions of quorate have no protocol in common"
    Twice "twice" "that host listens to another host with the same data directory, and not to this one"
    Handshake "handshake" "something answers there, but the two cannot agree to speak"
    OtherSeeds "other-seeds" "hosts with different seeds lists could found two clusters: before the first birth they found none together, later a new host could"
    OwnSlot "own-slot" "this host must know which of the seeds it is, or whether it is none, before it may vote on founding"
    TooFew "too-few" "a cluster is founded when more than half of the seeds are there, or as many as `founding = \"durable\"` needs, so that there can never be two"
    Founding "founding" "the seeds are agreeing on the founding record; this ends within seconds"
    FoundingStuck "founding-stuck" "enough seeds are here, but they come to no agreement: one of them does not answer in time"
    Marker "marker" "this host was in a cluster before and lost its data; it waits for that cluster instead of founding another"
    OtherData "other-data" "the data directory holds the life of another cluster than the config names"
    Joining "joining" "a cluster is there; this host asks its members to be let in"
    // One cluster or two, one disk or two.
    TwoClusters "two-clusters" "two clusters of one name exist, which quorate never mends by itself: one must be given up by hand"
    Margin "margin" "the cluster works; the safety against a second founding is thin"
    Clone "clone" "two hosts run on copies of one data directory; only one of them may be let in"
    TurnedAway "turned-away" "two hosts run on copies of one data directory; the others listen to one of them, and not to this one"
    NameHeld "name-held" "a voter's disk may come back and its vote with it, so its name does not go to another host at once"
    CopyLost "copy-lost" "that voter's copy of the log does not count until it is mended"
    CopyStandsStill "copy-stands-still" "that voter's copy of the log does not count while it stands still"
    CopyContradicts "copy-contradicts" "one of two copies of the log is damaged, and nothing says yet which"
    CopyStateDiffers "copy-state-differs" "two hosts made different states of one log: one of them has a fault in memory, disk or program"
    // Who is there.
    NoLeader "no-leader" "nothing can be written, and reads may be old, until a majority of the voters hear each other"
    NoNetwork "no-network" "this host is cut off from all others at once: it knows nothing of how they are, and they go on without it if they are a majority"
    Missing "missing" "as long as too few voters answer, nothing can be written"
    Down "down" "it was silent, and the others agree that it is gone"
    Left "left" "it said goodbye, so it is known to have ended; as a voter it counts in the majority all the same"
    NoSpare "no-spare" "the cluster works, and no voter may fail: with the next one gone nothing can be written"
    Opinion "opinion" "the cluster has not committed that: another node may still hear it, or there is no majority to say so"
    CountedOut "counted-out" "applications are told that this host is gone, although it is here"
    TwoAddresses "two-addresses" "the cluster keeps the address that answers; which of the two the other hosts meet first is chance"
    SecretLacking "secret-lacking" "the change of the cluster's secret waits for that host, or passed it by while it was away: with the old secret alone it will be refused"
    OtherVoters "other-voters" "how many voters there are follows the file of the host that leads, so the next leader changes it"
    Drained "drained" "an operator took work off that host: it leads nothing while another host can, is not replaced while it is away, and keeps its vote"
    AutopilotPaused "autopilot-paused" "no host gets a vote and none loses one by itself, also when a voter is gone for good"
    NoSuccessor "no-successor" "a voter is gone for long and counts on: the cluster bears one loss less than it could"
    Unapproved "unapproved" "there are fewer voters than there could be"
    Revoked "revoked" "an operator had the cluster refuse this host's key for good; it ends by itself"
    RevokedSecret "revoked-secret" "who has the secret can make a new key and come in as a new host: until the secret is another one, that host is not shut out"
    WitnessLeads "witness-leads" "the cluster works; a witness leads only while no other voter can, and hands over as soon as one can"
    ShareUnacknowledged "share-unacknowledged" "a share of a budget shrinks, and nobody else grows into what the host's application may still use"
    BudgetAlone "budget-alone" "without a quorum this host uses a whole budget alone once every other holder is fenced, and until then not more than its reserve"
    ApplicationDown "application-down" "the cluster tells every host that the application is down on this one"
    ApplicationFile "application-file" "the application of that file is checked as it was before, or not at all; all others are"
    ItemUnheld "item-unheld" "items of an assignment are held by nobody, or by a host that has not told its application: what depends on them stands still"
    ItemUnreleased "item-unreleased" "an item is to move, and nobody else gets it while the host's application may still use it"
    FenceFails "fence-fails" "what a lost host uses is not ended, so nobody else has it before it has lapsed"
    HookFile "hook-file" "what that hook does is not done on this host; all others are run"
    DefinitionFile "definition-file" "this host does not offer the cluster what that file defines; all other files are read"
    DefinitionRefused "definition-refused" "a file of this host defines something that the cluster does not have, and does not take"
    DefinitionDiffers "definition-differs" "a file of this host and the cluster say different things of one budget or assignment: what the cluster has counts"
    // Links.
    NoLink "no-link" "the cluster works, and so does this node; it reaches the leader through one voter more"
    OneWay "one-way" "packets pass in one direction only"
    Refused "refused" "something answers there, and the two refuse each other"
    TimedOut "timed-out" "the two had a connection and lost it"
    Loss "loss" "what is lost is sent again and comes late; with much loss writes and health become slow"
    Behind "behind" "that copy of the log is late: as a voter it makes writes slow as soon as it is needed"
    Slow "slow" "pings that come late bring elections and false alarms nearer"
    JudgedSlowly "judged-slowly" "the death of a host that falls silent is told late, because what was slow of late must not be taken for a death"
    Mtu "mtu" "large packets are lost or cut up on the way; everything takes more of them"
    // Disks.
    DiskFull "disk-full" "nothing new is accepted there until there is room; votes and reads go on"
    DiskStalled "disk-stalled" "that host acknowledges nothing and leads nothing while its disk is silent; the others go on as long as they are a majority"
    DiskSlow "disk-slow" "that host works, but acknowledges late: every write that needs it waits for its disk"
    // Bounds.
    Bound "bound" "who asks more is refused at once, and told so; what is under way goes on"
    DoorClosed "door-closed" "programs that ask at that address find nobody there, or somebody else; the cluster and the other doors of this host work"
    KeyspaceFull "keyspace-full" "nothing is put, in no program of any host, until keys are deleted; reads, deletions and health go on"
    StopWaits "stop-waits" "this host was asked to stop, and with one voter less nothing could be written: it stops as soon as another one is back"
    ReloadRefused "reload-refused" "what was changed in the files does not count yet, and the next start of this host may fail on it"
    // Without a daemon.
    Ended "ended" "its applications have no door, and where no daemon runs, the others count this host as gone"
    Config "config" "quorate cannot start on this host before that is mended"
}

impl ReasonCode {
    /// The one with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.word() == word)
    }

    /// Where it stands among others: 0 what keeps the cluster or this host from its work, 1 what makes one host less, 2 advice.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Margin | Self::NoSpare | Self::OtherVoters | Self::TwoAddresses => 2,
            Self::Drained | Self::AutopilotPaused | Self::Unapproved => 2,
            Self::WitnessLeads => 2,
            Self::ShareUnacknowledged | Self::BudgetAlone | Self::DefinitionDiffers => 2,
            Self::Opinion
            | Self::Loss
            | Self::Slow
            | Self::JudgedSlowly
            | Self::Behind
            | Self::Mtu => 2,
            Self::Missing | Self::Down | Self::Left | Self::NoLink | Self::OneWay => 1,
            Self::Refused
            | Self::TimedOut
            | Self::NameHeld
            | Self::SecretLacking
            | Self::StopWaits
            | Self::DoorClosed
            | Self::NoSuccessor
            | Self::RevokedSecret
            | Self::ReloadRefused => 1,
            Self::ApplicationDown | Self::ApplicationFile => 1,
            Self::DefinitionFile | Self::DefinitionRefused => 1,
            Self::FenceFails | Self::HookFile => 1,
            _ => 0,
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

impl PartialEq<&str> for ReasonCode {
    fn eq(&self, word: &&str) -> bool {
        self.word() == *word
    }
}

impl PartialEq<str> for ReasonCode {
    fn eq(&self, word: &str) -> bool {
        self.word() == word
    }
}

#[cfg(test)]
mod tests {
    use super::ReasonCode;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_has_a_word_of_its_own_and_a_meaning() {
        let words: BTreeSet<&str> = ReasonCode::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), ReasonCode::ALL.len());
        assert!(ReasonCode::ALL.iter().all(|code| code.meaning().len() > 10));
    }
}

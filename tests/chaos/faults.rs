//! What can be broken: kinds of faults, drawn by a seed, and what each does to which node and link.
//!
//! Invariant: never are the disks of a majority wiped, and a fault says which nodes a majority can still be made of.

use crate::ground::Loss;
use crate::nodes::name;
use clap::ValueEnum;
use quorate_tests::random::Random;
use std::collections::BTreeMap;
use std::fmt;

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    LeaderKilled,
    FollowerKilled,
    LeaderKilledAndBack,
    FollowerKilledAndBack,
    SomeKilled,
    AllKilledAndBack,
    LeaderStopped,
    FollowerStopped,
    LeaderPaused,
    FollowerPaused,
    SomePaused,
    LeaderCutOff,
    FollowerCutOff,
    LeaderDeaf,
    LeaderMute,
    FollowerDeaf,
    FollowerMute,
    LeaderLinkCut,
    OtherLinkCut,
    SplitWithLeader,
    SplitWithoutLeader,
    Bridge,
    LossEverywhere,
    LossAtLeader,
    LeaderWiped,
    FollowerWiped,
    SomeWiped,
}

/// One thing that is done to a node or to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    Kill(usize),
    Stop(usize),
    Pause(usize),
    Wipe(usize),
    Lose(Loss),
}

/// A kind with its nodes.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) blows: Vec<Blow>,
}

impl Kind {
    /// As the command line and the table have it.
    pub(crate) fn word(self) -> String {
        let value = self.to_possible_value().expect("no kind is hidden");
        value.get_name().to_owned()
    }

    /// Whether it is another thing than a smaller fault, among so many nodes.
    fn fits(self, count: usize) -> bool {
        match self {
            Self::SomeKilled | Self::SomePaused | Self::SomeWiped | Self::Bridge => count >= 5,
            Self::SplitWithLeader | Self::SplitWithoutLeader => count >= 5,
            _ => true,
        }
    }

    /// Who was killed is started again at once.
    pub(crate) fn back_at_once(self) -> bool {
        matches!(
            self,
            Self::LeaderKilledAndBack | Self::FollowerKilledAndBack | Self::AllKilledAndBack
        )
    }

    fn blows(self, count: usize, leader: usize, random: &mut Random) -> Vec<Blow> {
        let mut others: Vec<usize> = (0..count).filter(|node| *node != leader).collect();
        shuffle(&mut others, random);
        let all: Vec<usize> = std::iter::once(leader).chain(others.iter().copied()).collect();
        let one = others[0];
        let few = (count - 1) / 2;
        // Two to a minority, the leader among them in half of all cases.
        let some = |random: &mut Random| {
            let from = usize::from(random.percent(50));
            all[from..from + few].to_vec()
        };
        match self {
            Self::LeaderKilled | Self::LeaderKilledAndBack => vec![Blow::Kill(leader)],
            Self::FollowerKilled | Self::FollowerKilledAndBack => vec![Blow::Kill(one)],
            Self::SomeKilled => some(random).into_iter().map(Blow::Kill).collect(),
            Self::AllKilledAndBack => all.into_iter().map(Blow::Kill).collect(),
            Self::LeaderStopped => vec![Blow::Stop(leader)],
            Self::FollowerStopped => vec![Blow::Stop(one)],
            Self::LeaderPaused => vec![Blow::Pause(leader)],
            Self::FollowerPaused => vec![Blow::Pause(one)],
            Self::SomePaused => some(random).into_iter().map(Blow::Pause).collect(),
            Self::LeaderWiped => vec![Blow::Wipe(leader)],
            Self::FollowerWiped => vec![Blow::Wipe(one)],
            Self::SomeWiped => some(random).into_iter().map(Blow::Wipe).collect(),
            Self::LeaderCutOff => both(&[leader], &others),
            Self::FollowerCutOff => both(&[one], &without(&all, &[one])),
            Self::LeaderDeaf => one_way(&others, &[leader], 100),
            Self::LeaderMute => one_way(&[leader], &others, 100),
            Self::FollowerDeaf => one_way(&without(&all, &[one]), &[one], 100),
            Self::FollowerMute => one_way(&[one], &without(&all, &[one]), 100),
            Self::LeaderLinkCut => both(&[leader], &[one]),
            Self::OtherLinkCut => both(&[one], &[others[1]]),
            Self::SplitWithLeader => both(&all[..few], &all[few..]),
            Self::SplitWithoutLeader => both(&others[..few], &without(&all, &others[..few])),
            // The one in the middle has links to both halves.
            Self::Bridge => both(&all[..few], &all[few + 1..]),
            Self::LossEverywhere => {
                let percent = u8::try_from(random.between(5, 30)).unwrap_or(30);
                one_way(&all, &all, percent)
            }
            Self::LossAtLeader => {
                let percent = u8::try_from(random.between(20, 60)).unwrap_or(60);
                [one_way(&[leader], &others, percent), one_way(&others, &[leader], percent)]
                    .concat()
            }
        }
    }
}

fn shuffle(list: &mut [usize], random: &mut Random) {
    for at in (1..list.len()).rev() {
        let other = random.below(at as u64 + 1);
        list.swap(at, usize::try_from(other).unwrap_or(0));
    }
}

fn without(list: &[usize], some: &[usize]) -> Vec<usize> {
    list.iter().copied().filter(|node| !some.contains(node)).collect()
}

fn one_way(from: &[usize], to: &[usize], percent: u8) -> Vec<Blow> {
    let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
    pairs
        .filter(|(from, to)| from != to)
        .map(|(from, to)| Blow::Lose(Loss { from, to, percent }))
        .collect()
}

fn both(here: &[usize], there: &[usize]) -> Vec<Blow> {
    [one_way(here, there, 100), one_way(there, here, 100)].concat()
}

/// One fault, and sometimes a second one at the same time, of these kinds.
pub(crate) fn draw(
    kinds: &[Kind],
    count: usize,
    leader: usize,
    several: bool,
    random: &mut Random,
) -> Vec<Fault> {
    let fitting: Vec<Kind> = kinds.iter().copied().filter(|kind| kind.fits(count)).collect();
    let number = if several && random.percent(25) { 2 } else { 1 };
    let mut faults: Vec<Fault> = Vec::new();
    for _ in 0..number {
        let at = usize::try_from(random.below(fitting.len() as u64)).unwrap_or(0);
        let kind = fitting[at];
        let blows = kind.blows(count, leader, random);
        let taken = |blow: &Blow| {
            let process = blow.process();
            faults.iter().flat_map(|fault| &fault.blows).any(|other| {
                process.is_some() && other.process() == process
                    || matches!((blow, other), (Blow::Wipe(_), Blow::Wipe(_)))
            })
        };
        let blows: Vec<Blow> = blows.into_iter().filter(|blow| !taken(blow)).collect();
        if !blows.is_empty() {
            faults.push(Fault { kind, blows });
        }
    }
    faults
}

/// Whether this one of the faults of a round loses packets in any case. What an earlier one loses whole, or what a node
/// would say whose process another one takes, it may never see.
pub(crate) fn must_lose(faults: &[Fault], at: usize) -> bool {
    let before = || faults[..at].iter().flat_map(Fault::losses);
    let whole = |loss: &Loss| {
        before().any(|it| (it.from, it.to) == (loss.from, loss.to) && it.percent >= 100)
    };
    let taken = |node| faults.iter().flat_map(|it| &it.blows).any(|it| it.process() == Some(node));
    faults[at].losses().any(|loss| !whole(&loss) && !taken(loss.from))
}

impl Blow {
    /// The node whose process it takes.
    pub(crate) fn process(&self) -> Option<usize> {
        match *self {
            Self::Kill(node) | Self::Stop(node) | Self::Pause(node) | Self::Wipe(node) => {
                Some(node)
            }
            Self::Lose(_) => None,
        }
    }
}

/// Nodes that a majority can be made of while these faults last, and those linked to it both ways; none without one.
pub(crate) fn surviving(faults: &[Fault], count: usize) -> Vec<usize> {
    let blows = || faults.iter().flat_map(|fault| &fault.blows);
    let up = |node: &usize| !blows().any(|blow| blow.process() == Some(*node));
    let cut = |from: usize, to: usize| {
        blows().any(|blow| *blow == Blow::Lose(Loss { from, to, percent: 100 }))
    };
    let linked = |one: usize, other: usize| {
        one != other && up(&one) && up(&other) && !cut(one, other) && !cut(other, one)
    };
    let links = |node: usize| (0..count).filter(|other| linked(node, *other)).count();
    let leads = |node: &usize| up(node) && links(*node) + 1 > count / 2;
    (0..count)
        .filter(|node| leads(node) || (0..count).any(|other| leads(&other) && linked(*node, other)))
        .collect()
}

/// Nodes that the others must hold for gone: without a process, or without a link both ways to any survivor.
pub(crate) fn gone(faults: &[Fault], count: usize) -> Vec<usize> {
    let back = |node: usize| {
        faults
            .iter()
            .any(|fault| fault.kind.back_at_once() && fault.blows.contains(&Blow::Kill(node)))
    };
    let survivors = surviving(faults, count);
    (0..count).filter(|node| !survivors.contains(node) && !back(*node)).collect()
}

impl Fault {
    /// What it loses between nodes.
    pub(crate) fn losses(&self) -> impl Iterator<Item = Loss> + '_ {
        self.blows.iter().filter_map(|blow| match *blow {
            Blow::Lose(loss) => Some(loss),
            _ => None,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        // Links by where they come from: of seven nodes there are forty-two.
        let mut links: BTreeMap<(usize, u8), Vec<String>> = BTreeMap::new();
        for blow in &self.blows {
            match *blow {
                Blow::Kill(node) => words.push(format!("kill {}", name(node))),
                Blow::Stop(node) => words.push(format!("stop {}", name(node))),
                Blow::Pause(node) => words.push(format!("pause {}", name(node))),
                Blow::Wipe(node) => words.push(format!("wipe {}", name(node))),
                Blow::Lose(Loss { from, to, percent }) => {
                    links.entry((from, percent)).or_default().push(name(to));
                }
            }
        }
        for ((from, percent), to) in links {
            words.push(format!("{percent}% of {} to {}", name(from), to.join(" ")));
        }
        write!(f, "{}: {}", self.kind.word(), words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::{Blow, Fault, Kind, draw, gone, must_lose, surviving};
    use crate::ground::Loss;
    use clap::ValueEnum as _;
    use quorate_tests::random::Random;

    #[test]
    fn never_is_a_majority_wiped_and_a_process_is_taken_once() {
        for seed in 0..2000 {
            let mut random = Random::new(seed);
            for count in [3, 5, 7] {
                let faults = draw(Kind::value_variants(), count, 1, true, &mut random);
                let blows = || faults.iter().flat_map(|fault| &fault.blows);
                let wiped = blows().filter(|blow| matches!(blow, Blow::Wipe(_))).count();
                assert!(wiped <= (count - 1) / 2, "{faults:?}");
                let mut taken: Vec<usize> = blows().filter_map(Blow::process).collect();
                let all = taken.len();
                taken.sort_unstable();
                taken.dedup();
                assert_eq!(taken.len(), all, "{faults:?}");
            }
        }
    }

    #[test]
    fn a_cut_within_another_and_one_from_a_node_that_is_gone_need_not_lose_anything() {
        let cut = |from, to, percent| Blow::Lose(Loss { from, to, percent });
        let fault = |blows: &[Blow]| Fault { kind: Kind::LeaderMute, blows: blows.to_vec() };
        let off = fault(&[cut(0, 1, 100), cut(1, 0, 100)]);
        let mute = fault(&[cut(0, 1, 100)]);
        let more = fault(&[cut(0, 1, 100), cut(0, 2, 100)]);
        let some = fault(&[cut(0, 1, 30)]);
        let killed = fault(&[Blow::Kill(0)]);
        assert!(must_lose(std::slice::from_ref(&mute), 0));
        assert!(must_lose(&[off.clone(), mute.clone()], 0));
        assert!(!must_lose(&[off.clone(), mute.clone()], 1));
        assert!(must_lose(&[off, more], 1));
        assert!(must_lose(&[some, mute.clone()], 1));
        assert!(!must_lose(&[mute, killed], 0));
    }

    #[test]
    fn who_survives_a_fault_is_told_from_the_links() {
        let fault = |kind: Kind, count| {
            let blows = kind.blows(count, 0, &mut Random::new(1));
            vec![Fault { kind, blows }]
        };
        let survivors = |kind, count| surviving(&fault(kind, count), count).len();
        assert_eq!(survivors(Kind::LeaderDeaf, 3), 2);
        assert_eq!(survivors(Kind::LeaderLinkCut, 3), 3);
        assert_eq!(survivors(Kind::SplitWithLeader, 5), 3);
        assert_eq!(survivors(Kind::Bridge, 5), 5);
        assert_eq!(survivors(Kind::AllKilledAndBack, 5), 0);
        assert_eq!(gone(&fault(Kind::LeaderMute, 5), 5), [0]);
        assert_eq!(gone(&fault(Kind::LeaderKilledAndBack, 5), 5), [0; 0]);
    }
}

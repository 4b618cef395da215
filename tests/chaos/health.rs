//! The judge of health: a subscriber on each node, and what may never be seen by them.
//!
//! A subscriber follows one node through all its lives and says each time what it saw last. No epoch comes below one
//! that it saw, an epoch has the same words on all nodes, and a fault makes at most two epochs a host. Lines without a
//! quorum tell what a node itself thinks, so that only their order counts.

use quorate_tests::outside::pages::HealthFeed;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Until a subscriber looks again for a daemon that is not there.
const AGAIN: Duration = Duration::from_millis(20);
/// Lines of a campaign; more than these are a storm in themselves.
const MOST: usize = 200_000;
/// Epochs a host that one fault may make: it went, and it came back.
pub(crate) const EPOCHS: usize = 2;

/// One host as a line shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) alive: bool,
    pub(crate) since_epoch: u64,
    /// All that is said of it, as it was written.
    pub(crate) words: String,
}

/// One line that a subscriber got.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) at: Duration,
    pub(crate) node: usize,
    pub(crate) epoch: u64,
    pub(crate) quorate: bool,
    pub(crate) members: Vec<Member>,
}

/// All subscribers; they end when it is dropped.
#[derive(Debug)]
pub(crate) struct Subscribers {
    lines: Arc<Mutex<Vec<Line>>>,
    _tasks: JoinSet<()>,
}

impl Subscribers {
    /// One on each node.
    pub(crate) fn start(doors: &[SocketAddr], clock: Instant) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        for (node, door) in doors.iter().enumerate() {
            tasks.spawn(follow(*door, node, clock, Arc::clone(&lines)));
        }
        Self { lines, _tasks: tasks }
    }

    /// All lines so far, in the order in which they came.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest epoch that anybody was told.
    pub(crate) fn newest(&self) -> u64 {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| line.epoch).max().unwrap_or(0)
    }
}

async fn follow(door: SocketAddr, node: usize, clock: Instant, lines: Arc<Mutex<Vec<Line>>>) {
    let mut seen: Option<String> = None;
    loop {
        if let Ok(mut feed) = HealthFeed::open(door, seen.as_deref()).await {
            while let Some(text) = feed.next().await {
                let line = read(clock.elapsed(), node, &text);
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() < MOST {
                    lines.push(line);
                }
            }
            seen = feed.seen();
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn read(at: Duration, node: usize, text: &Value) -> Line {
    let members = text["members"].as_array().map_or(&[][..], Vec::as_slice);
    let member = |member: &Value| Member {
        name: member["name"].as_str().unwrap_or_default().to_owned(),
        alive: member["state"] == "alive",
        since_epoch: member["since_epoch"].as_u64().unwrap_or(0),
        words: member.to_string(),
    };
    Line {
        at,
        node,
        epoch: text["epoch"].as_u64().unwrap_or(0),
        quorate: text["quorate"] == true,
        members: members.iter().map(member).collect(),
    }
}

/// The faults of one round, for the counting of epochs.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    /// What was done.
    pub(crate) text: String,
    pub(crate) faults: usize,
    /// The newest epoch before it.
    pub(crate) before: u64,
}

/// Everything that no subscriber may see, in words; empty when all is well.
pub(crate) fn judge(lines: &[Line], windows: &[Window]) -> Vec<String> {
    let mut offences = going_back(lines);
    offences.extend(different_words(lines));
    offences.extend(storms(lines, windows));
    if lines.len() >= MOST {
        offences.push(format!("{MOST} lines and more: a storm"));
    }
    offences
}

fn going_back(lines: &[Line]) -> Vec<String> {
    let mut newest: BTreeMap<usize, u64> = BTreeMap::new();
    let mut offences = Vec::new();
    for line in lines {
        let newest = newest.entry(line.node).or_default();
        if line.epoch < *newest {
            let (at, node) = (line.at.as_secs_f64(), line.node + 1);
            offences.push(format!(
                "[{at:.4}] the subscriber of n{node} saw epoch {newest}, then {}",
                line.epoch
            ));
        }
        *newest = line.epoch.max(*newest);
    }
    offences
}

fn different_words(lines: &[Line]) -> Vec<String> {
    let mut known: BTreeMap<u64, &Line> = BTreeMap::new();
    let mut told: BTreeSet<(u64, usize)> = BTreeSet::new();
    let mut offences = Vec::new();
    for line in lines.iter().filter(|line| line.quorate) {
        let first = *known.entry(line.epoch).or_insert(line);
        if first.members != line.members && told.insert((line.epoch, line.node)) {
            let [here, there] = [(first, line), (line, first)].map(|(one, other)| {
                let own = one.members.iter().filter(|member| !other.members.contains(member));
                let words: Vec<&str> = own.map(|member| member.words.as_str()).collect();
                let (at, node) = (one.at.as_secs_f64(), one.node + 1);
                format!("\n  [{at:.4}] n{node}: {}", words.join(", "))
            });
            offences.push(format!("epoch {} differs:{here}{there}", line.epoch));
        }
    }
    offences
}

/// Epochs in which each host changed, round by round: the most that a host had in each.
pub(crate) fn epochs(lines: &[Line], windows: &[Window]) -> Vec<(String, usize)> {
    let ends = windows.iter().skip(1).map(|window| window.before).chain([u64::MAX]);
    windows
        .iter()
        .zip(ends)
        .map(|(window, end)| {
            let mut changes: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
            let members = lines.iter().filter(|line| line.quorate).flat_map(|line| &line.members);
            for member in members {
                let since = member.since_epoch;
                if since > window.before && since <= end {
                    changes.entry(&member.name).or_default().insert(since);
                }
            }
            let most = changes.into_iter().max_by_key(|(_, epochs)| epochs.len());
            most.map_or((String::new(), 0), |(name, epochs)| (name.to_owned(), epochs.len()))
        })
        .collect()
}

fn storms(lines: &[Line], windows: &[Window]) -> Vec<String> {
    let most = epochs(lines, windows);
    let too_many =
        windows.iter().zip(most).filter(|(window, (_, count))| *count > EPOCHS * window.faults);
    too_many
        .map(|(window, (name, count))| {
            let most = EPOCHS * window.faults;
            format!("{count} epochs of {name}, at most {most} are due: {}", window.text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Line, Member, Window, judge};
    use std::time::Duration;

    fn line(node: usize, epoch: u64, alive: bool) -> Line {
        let (name, words) = ("n1".to_owned(), format!("{epoch} {alive}"));
        let members = vec![Member { name, alive, since_epoch: epoch, words }];
        Line { at: Duration::ZERO, node, epoch, quorate: true, members }
    }

    fn window() -> [Window; 1] {
        [Window { text: "kill n1".to_owned(), faults: 1, before: 1 }]
    }

    #[track_caller]
    fn rejects(lines: &[Line], word: &str) {
        let offences = judge(lines, &window());
        assert!(matches!(&offences[..], [one] if one.contains(word)), "{offences:?}");
    }

    #[test]
    fn a_host_that_goes_and_comes_back_is_fine_on_all_nodes() {
        let lines = [(0, 1), (1, 1), (1, 2), (0, 2), (0, 3), (1, 3)];
        let lines = lines.map(|(node, epoch)| line(node, epoch, epoch != 2));
        assert_eq!(judge(&lines, &window()), [""; 0]);
    }

    #[test]
    fn an_epoch_going_back_is_rejected() {
        rejects(&[line(0, 3, true), line(1, 2, false), line(0, 2, false)], "saw epoch 3, then 2");
    }

    #[test]
    fn an_epoch_of_two_meanings_is_rejected() {
        rejects(&[line(0, 2, true), line(1, 2, false)], "differs");
    }

    #[test]
    fn a_third_epoch_of_one_host_in_one_fault_is_rejected() {
        let lines = [line(0, 2, false), line(0, 3, true), line(0, 4, false)];
        rejects(&lines, "3 epochs of n1");
    }
}

//! Resident memory of an idle node of three, from the kernel's own account.

use crate::Settings;
use crate::cluster::{Cluster, System};
use crate::report::{Of, Question, Target};
use crate::series::Series;
use crate::trouble::Trouble;
use std::fs;
use std::time::Duration;

/// Idle before it is looked at.
const IDLE: Duration = Duration::from_secs(10);
const KIB_PER_MIB: f64 = 1024.0;

pub(crate) async fn run(settings: &Settings) -> Result<Vec<Question>, Trouble> {
    let systems = settings.systems();
    let new = |_| systems.iter().map(|system| Series::new(system.word(), "MiB")).collect();
    let [mut resident, mut proportional]: [Vec<Series>; 2] = [0, 1].map(new);
    // Three nodes a run give three values.
    for run in 0..settings.runs.div_ceil(3) {
        let mut clusters = Vec::new();
        for system in &systems {
            clusters.push(Cluster::running(settings, *system, 3).await?);
        }
        tokio::time::sleep(IDLE).await;
        for (at, cluster) in clusters.iter_mut().enumerate() {
            cluster.check()?;
            for process in cluster.nodes.iter().filter_map(|node| node.process.as_ref()) {
                let pid = process.pid();
                let rss = kib(&format!("/proc/{pid}/status"), "VmRSS:")? / KIB_PER_MIB;
                let pss = kib(&format!("/proc/{pid}/smaps_rollup"), "Pss:")? / KIB_PER_MIB;
                settings.tell(format!("memory {run}: {} {rss:.1} {pss:.1}", cluster.system.word()));
                resident[at].add(rss);
                proportional[at].add(pss);
            }
        }
    }
    let note =
        format!("three nodes, {IDLE:?} after the first writes; shared pages counted in full");
    Ok(vec![
        Question::new("Memory: VmRSS of an idle node", resident)
            .target(Target::Below(Of::Worst, 20.0))
            .note(note),
        Question::new("Memory: PSS of an idle node", proportional)
            .note("pages that several processes share are divided among them"),
    ])
}

/// The number behind a word in one of the kernel's files.
fn kib(file: &str, word: &str) -> Result<f64, Trouble> {
    let text = fs::read_to_string(file).map_err(Trouble::at(format!("reading {file}")))?;
    text.lines()
        .find_map(|line| line.strip_prefix(word)?.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| Trouble::Answer { from: file.to_owned(), text: format!("no {word}") })
}

impl Settings {
    /// The stores that were asked for, quorate first.
    pub(crate) fn systems(&self) -> Vec<System> {
        let wanted = |system: &System| {
            self.only.is_empty() || self.only.iter().any(|name| name == system.word())
        };
        [System::Quorate, System::Etcd].into_iter().filter(wanted).collect()
    }
}

//! What an idle node of three costs: resident memory and processor time, from the kernel's own account.

use crate::Settings;
use crate::cluster::{Cluster, System};
use crate::report::{Of, Question, Target};
use quorate_tests::outside::series::Series;
use quorate_tests::outside::trouble::Trouble;
use std::fs;
use std::time::Duration;

/// Idle before it is looked at.
const IDLE: Duration = Duration::from_secs(10);
/// USER_HZ, the same on all of Linux's architectures that matter.
const TICKS_PER_SECOND: f64 = 100.0;
const KIB_PER_MIB: f64 = 1024.0;

pub(crate) async fn run(settings: &Settings) -> Result<Vec<Question>, Trouble> {
    let systems = settings.systems();
    let new = |unit| systems.iter().map(|system| Series::new(system.word(), unit)).collect();
    let [mut resident, mut proportional, mut busy]: [Vec<Series>; 3] =
        ["MiB", "MiB", "% of a core"].map(new);
    // Three nodes a run give three values.
    for run in 0..settings.runs.div_ceil(3) {
        let mut clusters = Vec::new();
        for system in &systems {
            clusters.push(Cluster::running(settings, *system, 3).await?);
        }
        let before = clusters.iter().flat_map(pids).map(ticks).collect::<Result<Vec<_>, _>>()?;
        tokio::time::sleep(IDLE).await;
        let after = clusters.iter().flat_map(pids).map(ticks).collect::<Result<Vec<_>, _>>()?;
        let mut used = after.into_iter().zip(before).map(|(after, before)| {
            (after - before) / TICKS_PER_SECOND / IDLE.as_secs_f64() * 100.0
        });
        for (at, cluster) in clusters.iter_mut().enumerate() {
            cluster.check()?;
            for pid in pids(cluster) {
                let rss = kib(&format!("/proc/{pid}/status"), "VmRSS:")? / KIB_PER_MIB;
                let pss = kib(&format!("/proc/{pid}/smaps_rollup"), "Pss:")? / KIB_PER_MIB;
                let cpu = used.next().unwrap_or(f64::NAN);
                let system = cluster.system.word();
                settings.tell(format!("memory {run}: {system} {rss:.1} {pss:.1} MiB, {cpu:.1} %"));
                busy[at].add(cpu);
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
        Question::new("Processor time of an idle node", busy)
            .note(format!("over {IDLE:?}, counted in hundredths of a second")),
    ])
}

fn pids(cluster: &Cluster) -> Vec<u32> {
    cluster.nodes.iter().filter_map(|node| Some(node.process.as_ref()?.pid())).collect()
}

/// Processor time that a process has used, of its own and in the kernel.
fn ticks(pid: u32) -> Result<f64, Trouble> {
    let file = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&file).map_err(Trouble::at(format!("reading {file}")))?;
    // The name of the program, in brackets, may hold spaces; the fields behind it are counted from 3.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let numbers: Vec<&str> = fields.split_whitespace().collect();
    let number = |at: usize| numbers.get(at).and_then(|text| text.parse::<f64>().ok());
    match (number(11), number(12)) {
        (Some(own), Some(kernel)) => Ok(own + kernel),
        _ => Err(Trouble::Answer { from: file, text }),
    }
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

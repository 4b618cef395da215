//! Three nodes started together: how long from the last start to the first acknowledged write?
//!
//! A client knocks at all three doors at once and again every few milliseconds; the first acknowledgement ends the
//! run. Directories are new in each run, and the systems take turns.

use crate::cluster::{Cluster, LIMIT, System};
use crate::report::{Of, Question, Target};
use crate::{Settings, millis};
use bytes::Bytes;
use quorate_tests::outside::kv::KvClient;
use quorate_tests::outside::series::Series;
use quorate_tests::outside::trouble::Trouble;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Pause of the client after an error; most errors are doors that are not open yet.
const AGAIN: Duration = Duration::from_millis(5);
/// Deadline of one attempt. A server that holds a request until there is a leader may answer it.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn run(settings: &Settings) -> Result<Vec<Question>, Trouble> {
    let mut series: Vec<Series> =
        settings.systems().iter().map(|system| Series::new(system.word(), "ms")).collect();
    for run in 0..settings.runs {
        for (series, system) in series.iter_mut().zip(settings.systems()) {
            let took = once(settings, system).await?;
            settings.tell(format!("formation {run}: {} {took:?}", system.word()));
            series.add(millis(took));
        }
    }
    let question = Question::new(
        "Formation: three nodes started together, last start to first acknowledged write",
        series,
    );
    Ok(vec![question.target(Target::Below(Of::Median, 400.0)).target(Target::Share(0.2))])
}

async fn once(settings: &Settings, system: System) -> Result<Duration, Trouble> {
    let mut cluster = Cluster::lay_out(settings, system, 3)?;
    let mut knocking = JoinSet::new();
    let last_start = cluster.start_all()?;
    for port in cluster.ports() {
        knocking.spawn(first_acknowledgement(port, last_start));
    }
    while let Some(ended) = knocking.join_next().await {
        if let Ok(Some(acknowledged)) = ended {
            cluster.check()?;
            return Ok(acknowledged.duration_since(last_start));
        }
    }
    cluster.check()?;
    Err(Trouble::late(format!("a first write to {}", system.word()), LIMIT))
}

/// Knocks until a write is acknowledged there; none when that takes longer than the limit.
pub(crate) async fn first_acknowledgement(port: u16, began: Instant) -> Option<Instant> {
    while began.elapsed() < LIMIT {
        // A new connection for each attempt: a lazy one would wait before it tries again.
        let mut client = KvClient::of_port(port);
        let key = Bytes::from_static(b"first");
        if client.put(key.clone(), key, PATIENCE).await.is_ok() {
            return Some(Instant::now());
        }
        tokio::time::sleep(AGAIN).await;
    }
    None
}

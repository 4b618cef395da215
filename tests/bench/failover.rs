//! `kill -9` of the leader under writers: how long are writes not acknowledged?
//!
//! Two writers run at once. The *stream* sends a put every 10 ms, to the endpoints in turn, without waiting for
//! answers: its gap is the servers'. The *client* sends one at a time to one endpoint, waits at most its own
//! deadline, then takes the next endpoint: its gap is what a simple program sees. A gap is the longest time between
//! two acknowledgements around the kill. Then the dead node is started again, and the next leader is due.

use crate::cluster::{Cluster, LIMIT, System};
use crate::report::{Of, Question, Target};
use crate::{Settings, millis};
use bytes::Bytes;
use quorate_tests::outside::kv::KvClient;
use quorate_tests::outside::series::Series;
use quorate_tests::outside::trouble::Trouble;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Between two puts.
const PACE: Duration = Duration::from_millis(10);
/// Deadline of the stream's puts: long, since nothing waits for them.
const STREAM_PATIENCE: Duration = Duration::from_secs(3);
/// Deadline of the client's puts: five times what a healthy server ever takes here.
const CLIENT_PATIENCE: Duration = Duration::from_millis(500);
/// Writing before the kill, and after writes go on.
const AROUND: Duration = Duration::from_secs(1);
/// Acknowledgements on their way to whoever counts them: more than all of a run.
const QUEUE: usize = 16_384;

/// When a writer's put was sent and acknowledged.
#[derive(Debug, Clone, Copy)]
struct Acknowledged {
    sent: Instant,
    at: Instant,
}

pub(crate) async fn run(settings: &Settings) -> Result<Vec<Question>, Trouble> {
    let systems = settings.systems();
    let new = |_| systems.iter().map(|system| Series::new(system.word(), "ms")).collect();
    let [mut stream, mut client]: [Vec<Series>; 2] = [0, 1].map(new);
    let mut clusters = Vec::new();
    for system in &systems {
        clusters.push(Cluster::running(settings, *system, 3).await?);
    }
    for run in 0..settings.runs {
        for (at, cluster) in clusters.iter_mut().enumerate() {
            let gaps = once(cluster, run).await?;
            let system = cluster.system.word();
            settings
                .tell(format!("failover {run}: {system} stream {:?} client {:?}", gaps.0, gaps.1));
            stream[at].add(millis(gaps.0));
            client[at].add(millis(gaps.1));
        }
    }
    let question = |what: &str, series| {
        Question::new(
            format!("Failover: kill -9 of the leader, gap in acknowledged writes, {what}"),
            series,
        )
        .target(Target::Below(Of::Median, 800.0))
        .target(Target::Share(0.7))
    };
    Ok(vec![
        question("a put every 10 ms to the endpoints in turn", stream),
        question("one client, one put at a time, 500 ms deadline, then the next endpoint", client),
    ])
}

async fn once(cluster: &mut Cluster, run: usize) -> Result<(Duration, Duration), Trouble> {
    let leader = cluster.leader().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let (to_stream, mut of_stream) = mpsc::channel(QUEUE);
    let (to_client, mut of_client) = mpsc::channel(QUEUE);
    let mut writers = JoinSet::new();
    writers.spawn(write_a_stream(cluster.ports(), Arc::clone(&stop), to_stream));
    writers.spawn(write_one_by_one(cluster.ports(), run, Arc::clone(&stop), to_client));
    tokio::time::sleep(AROUND).await;
    let killed = cluster.kill(leader);
    let mut stream = Vec::new();
    let mut client = Vec::new();
    let back = acknowledged_again(cluster.system, &mut of_stream, &mut stream, killed).await;
    let also = acknowledged_again(cluster.system, &mut of_client, &mut client, killed).await;
    tokio::time::sleep(AROUND).await;
    stop.store(true, Ordering::Relaxed);
    back.and(also)?;
    while let Some(one) = of_stream.recv().await {
        stream.push(one);
    }
    while let Some(one) = of_client.recv().await {
        client.push(one);
    }
    writers.join_all().await;
    cluster.start(leader)?;
    cluster.settle().await?;
    Ok((gap(&mut stream, killed), gap(&mut client, killed)))
}

/// Reads acknowledgements until there is one for a put that was sent after the kill.
async fn acknowledged_again(
    system: System,
    from: &mut mpsc::Receiver<Acknowledged>,
    into: &mut Vec<Acknowledged>,
    killed: Instant,
) -> Result<(), Trouble> {
    let until = tokio::time::Instant::from_std(killed + LIMIT);
    while let Ok(Some(one)) = tokio::time::timeout_at(until, from.recv()).await {
        into.push(one);
        if one.sent > killed {
            return Ok(());
        }
    }
    Err(Trouble::late(format!("a write to {} after its leader was killed", system.word()), LIMIT))
}

/// The longest time without an acknowledgement that ends after the kill.
fn gap(acknowledged: &mut [Acknowledged], killed: Instant) -> Duration {
    acknowledged.sort_by_key(|one| one.at);
    let pairs = acknowledged.windows(2).filter(|pair| pair[1].at > killed);
    pairs.map(|pair| pair[1].at - pair[0].at).max().unwrap_or(LIMIT)
}

async fn write_a_stream(ports: Vec<u16>, stop: Arc<AtomicBool>, to: mpsc::Sender<Acknowledged>) {
    let clients: Vec<KvClient> = ports.iter().map(|port| KvClient::of_port(*port)).collect();
    let mut ticks = tokio::time::interval(PACE);
    let mut puts = JoinSet::new();
    // As many as fit into the time that a put may take are under way at once, and no more are started than a run has.
    for number in 0..QUEUE {
        ticks.tick().await;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (mut client, to) = (clients[number % clients.len()].clone(), to.clone());
        puts.spawn(async move {
            let sent = Instant::now();
            if client.put(key("stream", number), value(), STREAM_PATIENCE).await.is_ok() {
                // The receiver is gone only when the run has failed.
                let _ = to.send(Acknowledged { sent, at: Instant::now() }).await;
            }
        });
        while puts.try_join_next().is_some() {}
    }
    puts.abort_all();
}

async fn write_one_by_one(
    ports: Vec<u16>,
    first: usize,
    stop: Arc<AtomicBool>,
    to: mpsc::Sender<Acknowledged>,
) {
    let clients: Vec<KvClient> = ports.iter().map(|port| KvClient::of_port(*port)).collect();
    let mut at = first;
    for number in 0..QUEUE {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let sent = Instant::now();
        let mut client = clients[at % clients.len()].clone();
        if client.put(key("client", number), value(), CLIENT_PATIENCE).await.is_ok() {
            let _ = to.send(Acknowledged { sent, at: Instant::now() }).await;
        } else {
            at += 1;
        }
        tokio::time::sleep(PACE).await;
    }
}

fn key(writer: &str, number: usize) -> Bytes {
    Bytes::from(format!("{writer}/{}", number % 1000))
}

fn value() -> Bytes {
    Bytes::from_static(&[b'v'; 64])
}

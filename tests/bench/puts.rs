//! Puts of 256 bytes: how many a second, and how long does one take?
//!
//! Each client has one put under way at any time. Clients share at most 24 connections, spread evenly over the three
//! endpoints; a single client is connected to the leader. Load and servers share this machine's cores.

use crate::Settings;
use crate::cluster::Cluster;
use crate::report::Question;
use bytes::Bytes;
use quorate_tests::outside::kv::KvClient;
use quorate_tests::outside::series::{Series, quantile};
use quorate_tests::outside::trouble::Trouble;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const LOADS: [usize; 3] = [1, 64, 256];
const CONNECTIONS: usize = 24;
/// Keys a client writes in turn.
const KEYS: usize = 1000;
/// One window of measuring.
const WINDOW: Duration = Duration::from_secs(2);
/// A put that takes longer is an error.
const PATIENCE: Duration = Duration::from_secs(5);
const VALUE: Bytes = Bytes::from_static(&[b'v'; 256]);

/// One window's figures.
struct Window {
    rate: f64,
    p50: f64,
    p99: f64,
    errors: usize,
}

pub(crate) async fn run(settings: &Settings) -> Result<Vec<Question>, Trouble> {
    let systems = settings.systems();
    let mut clusters = Vec::new();
    for system in &systems {
        clusters.push(Cluster::running(settings, *system, 3).await?);
    }
    let mut questions = Vec::new();
    for clients in LOADS {
        let times = |_| systems.iter().map(|system| Series::new(system.word(), "ms")).collect();
        let mut rates: Vec<Series> =
            systems.iter().map(|system| Series::rate(system.word(), "puts/s")).collect();
        let [mut p50, mut p99]: [Vec<Series>; 2] = [0, 1].map(times);
        let mut errors = vec![0; systems.len()];
        for run in 0..settings.runs {
            for (at, cluster) in clusters.iter_mut().enumerate() {
                let window = once(cluster, clients).await?;
                settings.tell(format!(
                    "puts {clients}, {run}: {} {:.0}/s p50 {:.2} p99 {:.2} ms, {} errors",
                    cluster.system.word(),
                    window.rate,
                    window.p50,
                    window.p99,
                    window.errors
                ));
                rates[at].add(window.rate);
                p50[at].add(window.p50);
                p99[at].add(window.p99);
                errors[at] += window.errors;
            }
        }
        let mut question = Question::new(format!("Puts: {clients} clients, rate"), rates);
        for (system, errors) in systems.iter().zip(errors).filter(|(_, errors)| *errors > 0) {
            question = question.note(format!("{}: {errors} puts failed", system.word()));
        }
        questions.push(question);
        questions.push(Question::new(format!("Puts: {clients} clients, p50 of a window"), p50));
        questions.push(Question::new(format!("Puts: {clients} clients, p99 of a window"), p99));
    }
    Ok(questions)
}

async fn once(cluster: &mut Cluster, clients: usize) -> Result<Window, Trouble> {
    let leader = cluster.leader().await?;
    let ports = cluster.ports();
    let mut connections = Vec::new();
    for number in 0..clients.min(CONNECTIONS) {
        let mut connection = KvClient::of_port(ports[(leader + number) % ports.len()]);
        // Connects, so that the window measures puts only; whether it was acknowledged does not matter.
        let _ = connection.put(Bytes::from_static(b"warm"), VALUE, PATIENCE).await;
        connections.push(connection);
    }
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let connection = connections[client % connections.len()].clone();
        tasks.spawn(puts(connection, client, began));
    }
    let mut times = Vec::new();
    let mut errors = 0;
    for (some, failed) in tasks.join_all().await {
        times.extend(some);
        errors += failed;
    }
    let took = began.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let rate = times.len() as f64 / took;
    Ok(Window { rate, p50: quantile(&times, 0.5), p99: quantile(&times, 0.99), errors })
}

/// One client's puts until the window is over: milliseconds of each, and how many failed.
async fn puts(mut connection: KvClient, client: usize, began: Instant) -> (Vec<f64>, usize) {
    let mut times = Vec::new();
    let mut errors = 0;
    let mut number = 0;
    while began.elapsed() < WINDOW {
        let key = Bytes::from(format!("puts/{client}/{}", number % KEYS));
        let sent = Instant::now();
        match connection.put(key, VALUE, PATIENCE).await {
            Ok(_) => times.push(sent.elapsed().as_secs_f64() * 1e3),
            Err(_) => errors += 1,
        }
        number += 1;
    }
    (times, errors)
}

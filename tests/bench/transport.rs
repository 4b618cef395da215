//! Frames of 200 bytes over the whole transport beside gRPC: how many a second, how long there and back, at what cost
//! of processor time, and how soon does a peer that returns have what waited for it?
//!
//! Both systems run in this process, on loopback, with mutual TLS; each of their two ends has a thread and a
//! `current_thread` runtime of its own, as in the daemon. One closed loop drives all of them: so many messages are
//! under way, each is answered by the same bytes, and each answer lets the next one go. The systems take turns.

pub(crate) mod endpoints;
mod grpc;
mod lost;
mod quorate;
mod tls;

use crate::Settings;
use crate::report::{Question, Target};
use bytes::Bytes;
use quorate_tests::outside::series::{Series, quantile};
use quorate_tests::outside::trouble::Trouble;
use std::collections::VecDeque;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Bytes of a message, before any system's own framing.
const MESSAGE: usize = 200;
/// Messages under way.
const LOADS: [usize; 2] = [1, 64];
/// One window of measuring.
const WINDOW: Duration = Duration::from_secs(1);
/// A message that takes longer ends the bench.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages of one window for which there is memory from the start: growing must not fall into the window.
const EXPECTED: usize = 1 << 19;

/// What one window gave.
struct Window {
    rate: f64,
    p50: f64,
    p99: f64,
    /// Milliseconds of processor time, of both ends, for 10,000 messages in either direction.
    processor: f64,
}

/// One window is to be measured.
struct Order {
    in_flight: usize,
    answer: oneshot::Sender<Result<Window, Trouble>>,
}

/// One system with both its ends, waiting for orders on a thread of its own.
struct Contender {
    name: &'static str,
    orders: mpsc::Sender<Order>,
}

impl Contender {
    async fn window(&self, in_flight: usize) -> Result<Window, Trouble> {
        let (answer, answered) = oneshot::channel();
        let gone = || Trouble::gone(self.name);
        self.orders.send(Order { in_flight, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// What carries messages in order and brings each back.
trait Line {
    async fn give(&mut self, message: Bytes) -> Result<(), Trouble>;
    async fn take(&mut self) -> Result<Bytes, Trouble>;
}

pub(crate) async fn run(settings: &Settings) -> Result<Vec<Question>, Trouble> {
    let mut contenders = Vec::new();
    if settings.asks_for("quorate") {
        contenders.push(quorate::contender().await?);
    }
    if settings.asks_for("tonic") {
        contenders.extend([grpc::streaming().await?, grpc::unary().await?]);
    }
    let mut questions = Vec::new();
    for in_flight in LOADS {
        for contender in &contenders {
            // The first window of a connection finds its congestion window and fills its pools.
            contender.window(in_flight).await?;
        }
        let new = |unit| contenders.iter().map(|it| Series::new(it.name, unit)).collect();
        let mut rates: Vec<Series> =
            contenders.iter().map(|it| Series::rate(it.name, "messages/s")).collect();
        let [mut p50, mut p99]: [Vec<Series>; 2] = [0, 1].map(|_| new("us"));
        let mut processor: Vec<Series> = new("ms");
        for run in 0..settings.runs {
            for (at, contender) in contenders.iter().enumerate() {
                let window = contender.window(in_flight).await?;
                settings.tell(format!(
                    "transport {in_flight}, {run}: {} {:.0}/s p50 {:.1} p99 {:.1} us, {:.1} ms for 10,000",
                    contender.name, window.rate, window.p50, window.p99, window.processor
                ));
                rates[at].add(window.rate);
                p50[at].add(window.p50);
                p99[at].add(window.p99);
                processor[at].add(window.processor);
            }
        }
        questions.extend(asked(in_flight, rates, p50, p99, processor));
    }
    drop(contenders);
    if settings.asks_for("quorate") {
        questions.extend(lost::run(settings).await?);
    }
    Ok(questions)
}

fn asked(
    in_flight: usize,
    rates: Vec<Series>,
    p50: Vec<Series>,
    p99: Vec<Series>,
    processor: Vec<Series>,
) -> [Question; 4] {
    let named = |what: &str, series| {
        Question::new(format!("Transport: {MESSAGE} bytes, {in_flight} in flight, {what}"), series)
    };
    let mut rates = named("answered messages", rates);
    let mut p50 = named("there and back, p50 of a window", p50);
    if in_flight == 1 {
        p50 = p50.target(Target::Share(1.2));
    } else {
        rates = rates.target(Target::Times(2.0));
    }
    let p99 = named("there and back, p99 of a window", p99);
    let processor = named("processor time of both ends for 10,000 messages", processor);
    [rates, p50, p99, processor.note("a message and its answer count as two")]
}

/// Keeps so many messages under way for one window, and then waits for the last of them.
async fn closed_loop(line: &mut impl Line, in_flight: usize) -> Result<Window, Trouble> {
    let mut times = Vec::with_capacity(EXPECTED);
    let mut sent = VecDeque::with_capacity(in_flight);
    let (mut given, mut taken) = (0_u64, 0_u64);
    let meter = Meter::start();
    while sent.len() < in_flight {
        line.give(message(given)).await?;
        sent.push_back(Instant::now());
        given += 1;
    }
    while let Some(at) = sent.pop_front() {
        let back = line.take().await?;
        if back.len() != MESSAGE || back[..8] != taken.to_be_bytes() {
            let text = format!("message {taken} came back as {:?}", &back[..back.len().min(8)]);
            return Err(Trouble::Answer { from: "the other end".to_owned(), text });
        }
        taken += 1;
        let now = Instant::now();
        times.push(micros(now.duration_since(at)));
        if now.duration_since(meter.began) < WINDOW {
            line.give(message(given)).await?;
            sent.push_back(now);
            given += 1;
        }
    }
    Ok(meter.stop(times))
}

/// A message of its own memory, with its number.
fn message(number: u64) -> Bytes {
    let mut bytes = [b'm'; MESSAGE];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Bytes::copy_from_slice(&bytes)
}

/// Time and processor time since a window began.
struct Meter {
    began: Instant,
    processor: Duration,
}

impl Meter {
    fn start() -> Self {
        Self { processor: processor_time(), began: Instant::now() }
    }

    fn stop(self, mut times: Vec<f64>) -> Window {
        let took = self.began.elapsed().as_secs_f64();
        let spent = processor_time().saturating_sub(self.processor);
        times.sort_by(f64::total_cmp);
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = times.len() as f64;
        Window {
            rate: count / took,
            p50: quantile(&times, 0.5),
            p99: quantile(&times, 0.99),
            processor: crate::millis(spent) * 10_000.0 / (2.0 * count),
        }
    }
}

/// Of this whole process: both ends, and the loop that drives them.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Runs a future to its end on a thread and a runtime of its own. The runtime lives as long as the future does;
/// what the future returns is dropped after it.
fn on_own_thread<F, T>(
    name: &str,
    work: impl FnOnce() -> F + Send + 'static,
) -> Result<JoinHandle<Result<T, Trouble>>, Trouble>
where
    F: Future<Output = Result<T, Trouble>>,
    T: Send + 'static,
{
    let body = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Trouble::at("starting a runtime"))?;
        let result = runtime.block_on(work());
        drop(runtime);
        result
    };
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    spawned.map_err(Trouble::at(format!("starting the thread {name}")))
}

/// What a thread says once it is ready; its own trouble when it ended instead.
async fn ready<A, T>(
    said: oneshot::Receiver<A>,
    name: &str,
    thread: JoinHandle<Result<T, Trouble>>,
) -> Result<A, Trouble> {
    match tokio::time::timeout(PATIENCE, said).await {
        Err(_) => Err(Trouble::late(format!("{name} ready"), PATIENCE)),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => match thread.join() {
            Ok(Err(trouble)) => Err(trouble),
            _ => Err(Trouble::gone(name)),
        },
    }
}

/// Waits, but not for ever.
async fn in_time<T>(what: &str, wait: impl Future<Output = T>) -> Result<T, Trouble> {
    tokio::time::timeout(PATIENCE, wait).await.map_err(|_| Trouble::late(what, PATIENCE))
}

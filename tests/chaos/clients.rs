//! Clients of the store, all with etcd's gRPC: some that do one thing at a time on a few keys, and a stream of puts that
//! waits for no answer, whose acknowledgements show each gap.
//!
//! Every operation that was sent is noted with its answer; an answer says done, not done, or that it is not known.

use bytes::Bytes;
use quorate_proto::compare::TargetUnion;
use quorate_proto::{
    Compare, CompareResult, CompareTarget, DeleteRangeRequest, KeyValue, PutRequest, RangeRequest,
    RequestOp, ResponseHeader, TxnRequest, request_op, response_op,
};
use quorate_tests::history::{Act, Answer, Before, Key, Operation, Value, key_name, value_number};
use quorate_tests::outside::kv::{KvClient, nobody_listened};
use quorate_tests::random::Random;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tonic::{Code, Status};

/// Clients that wait for their answers, spread over the nodes.
const CLIENTS: usize = 8;
/// Keys that they use.
const KEYS: u64 = 24;
/// Keys of the stream, behind those of the clients.
const STREAM_KEYS: u64 = 40;
/// Between an answer and the next operation of a client, at most.
const THINK: u64 = 40;
/// Between two puts of the stream.
const PACE: Duration = Duration::from_millis(10);
/// What takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(3);
/// A node that does not listen is asked again after this time.
const CLOSED: Duration = Duration::from_millis(30);
/// Operations that a campaign may have; a minute has some twenty thousand.
const MOST: usize = 1 << 20;
/// Texts with which the server says that nothing was done and nothing will be.
const NOT_DONE: [&str; 5] = [
    "etcdserver: no leader",
    "etcdserver: request timed out",
    "etcdserver: too many requests",
    "etcdserver: server stopped",
    "etcdserver: mvcc: database space exceeded",
];

/// What all clients write into.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    clock: Instant,
    operations: Arc<Mutex<Vec<Operation>>>,
    stop: Arc<AtomicBool>,
}

/// All clients of a campaign.
#[derive(Debug)]
pub(crate) struct Clients {
    tasks: JoinSet<()>,
    notes: Notes,
}

impl Clients {
    /// Starts them; `clock` is where times count from.
    pub(crate) fn start(doors: &[SocketAddr], clock: Instant, random: &mut Random) -> Self {
        let notes = Notes { clock, operations: Arc::default(), stop: Arc::default() };
        let mut tasks = JoinSet::new();
        for number in 0..CLIENTS {
            let node = number % doors.len();
            let client = Client::new(number, node, doors[node], notes.clone(), random.draw());
            tasks.spawn(client.run());
        }
        tasks.spawn(stream(doors.to_vec(), notes.clone()));
        Self { tasks, notes }
    }

    /// What was acknowledged so far: when, and by which node.
    pub(crate) fn acknowledged(&self, nodes: &[usize]) -> Vec<Duration> {
        let operations = self.notes.operations.lock().unwrap_or_else(PoisonError::into_inner);
        let made = operations.iter().filter(|one| one.made().is_some());
        let mut times: Vec<Duration> =
            made.filter(|one| nodes.contains(&one.node)).map(|one| one.answered).collect();
        times.sort_unstable();
        times
    }

    /// Ends them when their last answers are there, and gives all operations.
    pub(crate) async fn end(self) -> Vec<Operation> {
        self.notes.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        let mut operations = self.notes.operations.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *operations)
    }
}

impl Notes {
    fn over(&self) -> bool {
        let full = || self.operations.lock().is_ok_and(|operations| operations.len() >= MOST);
        self.stop.load(Ordering::Relaxed) || full()
    }

    fn note(&self, operation: Operation) {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
    }
}

#[derive(Debug)]
struct Client {
    number: usize,
    node: usize,
    kv: KvClient,
    notes: Notes,
    random: Random,
    next: Value,
    /// What it saw last, by key: what a swap expects.
    seen: std::collections::BTreeMap<Key, Option<Value>>,
}

impl Client {
    fn new(number: usize, node: usize, door: SocketAddr, notes: Notes, seed: u64) -> Self {
        let (kv, random) = (KvClient::at(door), Random::new(seed));
        let seen = std::collections::BTreeMap::new();
        Self { number, node, kv, notes, random, next: first_value(number), seen }
    }

    async fn run(mut self) {
        while !self.notes.over() {
            let key = Key::try_from(self.random.below(KEYS)).unwrap_or(0);
            let act = self.draw(key);
            let with_before = self.random.percent(50);
            let sent = self.notes.clock.elapsed();
            let answer = ask(&mut self.kv, key, act, with_before).await;
            let answered = self.notes.clock.elapsed();
            let Some(answer) = answer else {
                tokio::time::sleep(CLOSED).await;
                continue;
            };
            self.learn(key, act, answer);
            let (client, node) = (self.number, self.node);
            self.notes.note(Operation { client, node, key, act, sent, answered, answer });
            tokio::time::sleep(Duration::from_millis(self.random.below(THINK))).await;
        }
    }

    fn draw(&mut self, key: Key) -> Act {
        let new = self.next;
        match self.random.below(10) {
            0..=2 => Act::Get,
            3 => Act::Delete,
            4..=6 => {
                self.next += 1;
                Act::Put(new)
            }
            _ => {
                self.next += 1;
                Act::Swap { expected: self.seen.get(&key).copied().flatten(), new }
            }
        }
    }

    fn learn(&mut self, key: Key, act: Act, answer: Answer) {
        if let Answer::Done { changed, before, .. } = answer {
            let now = match (act, before) {
                (Act::Put(value) | Act::Swap { new: value, .. }, _) if changed => Some(value),
                (Act::Delete, _) => None,
                (_, Before::Was(value)) => value,
                (_, Before::NotAsked) => return,
            };
            self.seen.insert(key, now);
        }
    }
}

/// Values of one writer; no other writer has them.
fn first_value(writer: usize) -> Value {
    (writer as u64 + 1) << 32
}

/// Puts at a steady pace through all nodes in turn.
async fn stream(doors: Vec<SocketAddr>, notes: Notes) {
    let clients: Vec<KvClient> = doors.iter().map(|door| KvClient::at(*door)).collect();
    let mut ticks = tokio::time::interval(PACE);
    let mut puts = JoinSet::new();
    for number in 0.. {
        ticks.tick().await;
        if notes.over() {
            break;
        }
        let node = usize::try_from(number).unwrap_or(0) % clients.len();
        let (mut kv, notes) = (clients[node].clone(), notes.clone());
        puts.spawn(async move {
            let key = Key::try_from(KEYS + number % STREAM_KEYS).unwrap_or(0);
            let act = Act::Put(first_value(CLIENTS) + number);
            let sent = notes.clock.elapsed();
            if let Some(answer) = ask(&mut kv, key, act, false).await {
                let answered = notes.clock.elapsed();
                let client = CLIENTS;
                notes.note(Operation { client, node, key, act, sent, answered, answer });
            }
        });
        while puts.try_join_next().is_some() {}
    }
    puts.join_all().await;
}

/// One operation. None when it was surely not sent.
async fn ask(kv: &mut KvClient, key: Key, act: Act, with_before: bool) -> Option<Answer> {
    let answer = match act {
        Act::Put(value) => put(kv, key, value, with_before).await,
        Act::Get => get(kv, key).await,
        Act::Delete => delete(kv, key).await,
        Act::Swap { expected, new } => swap(kv, key, expected, new).await,
    };
    match answer {
        Ok(answer) => Some(answer),
        Err(failure) if nobody_listened(&failure) => None,
        Err(failure) => Some(fate(&failure)),
    }
}

/// What a refusal says of the fate of the operation.
fn fate(failure: &Status) -> Answer {
    let from_server = matches!(failure.code(), Code::Unavailable | Code::ResourceExhausted);
    match from_server && NOT_DONE.contains(&failure.message()) {
        true => Answer::NotDone,
        false => Answer::Unknown,
    }
}

fn bytes(key: Key) -> Bytes {
    key_name(key).into()
}

fn number(value: Value) -> Bytes {
    value.to_string().into()
}

fn revision(header: Option<ResponseHeader>) -> u64 {
    header.and_then(|header| u64::try_from(header.revision).ok()).unwrap_or(0)
}

fn first(pairs: &[KeyValue]) -> Option<Value> {
    pairs.first().and_then(|pair| value_number(&pair.value))
}

async fn put(
    kv: &mut KvClient,
    key: Key,
    value: Value,
    with_before: bool,
) -> Result<Answer, Status> {
    let (key, value) = (bytes(key), number(value));
    let request = PutRequest { key, value, prev_kv: with_before, ..PutRequest::default() };
    let answer = kv.put_as(request, PATIENCE).await?;
    let was = answer.prev_kv.and_then(|pair| value_number(&pair.value));
    let before = if with_before { Before::Was(was) } else { Before::NotAsked };
    Ok(Answer::Done { revision: revision(answer.header), changed: true, before })
}

async fn get(kv: &mut KvClient, key: Key) -> Result<Answer, Status> {
    let request = RangeRequest { key: bytes(key), ..RangeRequest::default() };
    let answer = kv.range(request, PATIENCE).await?;
    let before = Before::Was(first(&answer.kvs));
    Ok(Answer::Done { revision: revision(answer.header), changed: false, before })
}

async fn delete(kv: &mut KvClient, key: Key) -> Result<Answer, Status> {
    let request = DeleteRangeRequest { key: bytes(key), range_end: Bytes::new(), prev_kv: true };
    let answer = kv.delete(request, PATIENCE).await?;
    let (changed, before) = (answer.deleted > 0, Before::Was(first(&answer.prev_kvs)));
    Ok(Answer::Done { revision: revision(answer.header), changed, before })
}

async fn swap(
    kv: &mut KvClient,
    key: Key,
    expected: Option<Value>,
    new: Value,
) -> Result<Answer, Status> {
    let key = bytes(key);
    let (target, union) = match expected {
        Some(value) => (CompareTarget::Value, TargetUnion::Value(number(value))),
        None => (CompareTarget::Version, TargetUnion::Version(0)),
    };
    let compare = Compare {
        result: CompareResult::Equal as i32,
        target: target as i32,
        key: key.clone(),
        target_union: Some(union),
        range_end: Bytes::new(),
    };
    let put = PutRequest { key: key.clone(), value: number(new), ..PutRequest::default() };
    let read = RangeRequest { key, ..RangeRequest::default() };
    let operation = |request| vec![RequestOp { request: Some(request) }];
    let request = TxnRequest {
        compare: vec![compare],
        success: operation(request_op::Request::Put(put)),
        failure: operation(request_op::Request::Range(read)),
    };
    let answer = kv.txn(request, PATIENCE).await?;
    let read = answer.responses.into_iter().next().and_then(|response| response.response);
    let before = match read {
        Some(response_op::Response::Range(range)) => Before::Was(first(&range.kvs)),
        _ => Before::NotAsked,
    };
    Ok(Answer::Done { revision: revision(answer.header), changed: answer.succeeded, before })
}

/// The fates that the judges rely on.
#[cfg(test)]
mod tests {
    use super::fate;
    use quorate_tests::history::Answer;
    use tonic::Status;

    #[test]
    fn only_what_the_server_says_was_not_done_counts_as_not_done() {
        assert_eq!(fate(&Status::unavailable("etcdserver: no leader")), Answer::NotDone);
        let lost = "etcdserver: request timed out, possibly due to previous leader failure";
        assert_eq!(fate(&Status::unavailable(lost)), Answer::Unknown);
        assert_eq!(fate(&Status::unavailable("transport error")), Answer::Unknown);
        assert_eq!(fate(&Status::deadline_exceeded("etcdserver: no leader")), Answer::Unknown);
    }
}

//! How many reads run, how many wait, and for whom nothing is read.

use super::*;
use crate::shell::askers::Local;
use quorate_node::ClientReply;
use quorate_proto::{HealthEpoch, RefusalCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;

/// Reads of one side that run or wait: as many as there are places.
const PLACES: usize = 128;

/// What all reads of a test share.
struct Table {
    running: AtomicUsize,
    most: AtomicUsize,
    read: AtomicUsize,
    /// Each read begins with a word there, and ends with one from here.
    begun: tokio::sync::mpsc::UnboundedSender<()>,
    end: Mutex<mpsc::Receiver<()>>,
}

struct Played {
    table: Arc<Table>,
    deadline: Moment,
}

fn busy() -> ClientReply {
    crate::api::tests::refuse(RefusalCode::Busy, 0)
}

impl Read for Played {
    fn deadline(&self) -> Moment {
        self.deadline
    }

    fn answer(&self) -> Answered {
        let now = self.table.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.table.most.fetch_max(now, Ordering::SeqCst);
        self.table.begun.send(()).unwrap();
        self.table.end.lock().unwrap().recv().unwrap();
        self.table.read.fetch_add(1, Ordering::SeqCst);
        self.table.running.fetch_sub(1, Ordering::SeqCst);
        Answered::Client(ClientReply::Epoch(HealthEpoch::new(7)))
    }

    fn refused(&self) -> Answered {
        Answered::Client(busy())
    }
}

/// Reads that are played, and the two ends by which a test sees them begin and has them end.
struct Stage {
    reads: LargeReads,
    table: Arc<Table>,
    begun: tokio::sync::mpsc::UnboundedReceiver<()>,
    end: mpsc::Sender<()>,
}

impl Stage {
    fn new(crowds: &Crowds) -> Self {
        let (begin, begun) = tokio::sync::mpsc::unbounded_channel();
        let (end, ended) = mpsc::channel();
        let table = Arc::new(Table {
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
            begun: begin,
            end: Mutex::new(ended),
        });
        Self { reads: LargeReads::new(crowds), table, begun, end }
    }

    /// A program of this host asks; its end.
    fn ask(&self, deadline: Moment) -> oneshot::Receiver<ClientReply> {
        let (reply, end) = oneshot::channel();
        let read = Played { table: Arc::clone(&self.table), deadline };
        self.reads.start(Box::new(read), Waiting::Client(Local { reply, _body: None }));
        end
    }
}

fn in_time() -> Moment {
    clock::now() + Duration::from_secs(3600)
}

fn is_read(reply: &ClientReply) -> bool {
    matches!(reply, ClientReply::Epoch(_))
}

#[tokio::test]
async fn two_large_reads_run_at_a_time_and_the_others_wait_in_places_that_have_a_bound() {
    let crowds = Crowds::default();
    let mut stage = Stage::new(&crowds);
    let ends: Vec<_> = (0..PLACES).map(|_| stage.ask(in_time())).collect();
    assert_eq!(crowds.large_reads.bound().used, PLACES as u64);
    let refused = stage.ask(in_time()).await.unwrap();
    assert!(!is_read(&refused), "at once, while all others wait");
    assert_eq!(crowds.large_reads.bound().refused, 1);
    let (node, answer) = oneshot::channel();
    let read = Played { table: Arc::clone(&stage.table), deadline: Moment::ZERO };
    stage.reads.start(Box::new(read), Waiting::Node(node));
    assert_eq!(crowds.peer_large_reads.bound().used, 1, "other nodes have places of their own");
    for _ in 0..RUNNING {
        stage.begun.recv().await.unwrap();
    }
    for number in 0..PLACES {
        stage.end.send(()).unwrap();
        if number + RUNNING < PLACES {
            stage.begun.recv().await.unwrap();
        }
    }
    for end in ends {
        assert!(is_read(&end.await.unwrap()));
    }
    drop(answer);
    assert_eq!(stage.table.most.load(Ordering::SeqCst), RUNNING);
    while crowds.bounds().any(|bound| bound.used > 0) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn whoever_has_gone_or_comes_too_late_is_not_read_for() {
    let crowds = Crowds::default();
    let mut stage = Stage::new(&crowds);
    let running = [(); RUNNING].map(|()| stage.ask(in_time()));
    for _ in &running {
        stage.begun.recv().await.unwrap();
    }
    let late = stage.ask(Moment::ZERO);
    drop(stage.ask(in_time()));
    for _ in &running {
        stage.end.send(()).unwrap();
    }
    assert!(!is_read(&late.await.unwrap()), "it waited beyond its deadline");
    for end in running {
        assert!(is_read(&end.await.unwrap()));
    }
    while crowds.large_reads.bound().used > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.table.read.load(Ordering::SeqCst), RUNNING, "nobody else was read for");
}

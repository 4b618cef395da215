//! The thread that writes lines, and the bounded queue in front of it.
//!
//! Invariant: whoever logs never waits. A queue that is full and a write that fails drop the line and count it; the first line
//! that can be written again comes behind one that says how many are missing.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Lines that may wait: what a start and an election with all their neighbours say, some times over. With the longest line it
/// bounds the memory to 16 MiB, with usual ones to 200 KiB.
const WAITING: usize = 1024;

/// What the thread is handed.
#[derive(Debug)]
enum Job {
    /// One event, with the end of its line.
    Write(Vec<u8>),
    /// Answer when all before is written or dropped.
    Answer(SyncSender<()>),
}

/// The way to the thread.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    jobs: SyncSender<Job>,
    lost: Arc<AtomicU64>,
}

impl Queue {
    /// Starts the thread. It ends with the last clone of the queue, or with the process.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn spawn(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (jobs, taken) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let thread = std::thread::Builder::new().name("journal".into());
        thread.spawn(move || write_all(&taken, out, &counted))?;
        Ok(Self { jobs, lost })
    }

    /// Hands over an event; drops and counts it when too many wait.
    pub(super) fn push(&self, event: Vec<u8>) {
        if self.jobs.try_send(Job::Write(event)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Events that were dropped.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until all that was pushed is written or dropped, at most for so long.
    pub(super) fn flush(&self, patience: Duration) {
        let (answer, answered) = sync_channel(1);
        // A full queue means that nothing is written, and then nothing is waited for.
        if self.jobs.try_send(Job::Answer(answer)).is_ok() {
            let _ = answered.recv_timeout(patience);
        }
    }
}

fn write_all(jobs: &Receiver<Job>, mut out: impl Write, lost: &AtomicU64) {
    let mut told = 0;
    let mut failure = None;
    while let Ok(job) = jobs.recv() {
        let event = match job {
            Job::Write(event) => event,
            Job::Answer(answer) => {
                let _ = answer.try_send(());
                continue;
            }
        };
        let missing = lost.load(Ordering::Relaxed);
        let written = tell_missing(&mut out, missing - told, failure.as_ref()).and_then(|()| {
            told = missing;
            out.write_all(&event)
        });
        failure = written.err();
        if failure.is_some() {
            lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Says how many lines are missing, if any are.
fn tell_missing(out: &mut impl Write, missing: u64, why: Option<&io::Error>) -> io::Result<()> {
    if missing == 0 {
        return Ok(());
    }
    let why = why.map_or_else(|| "it was not read fast enough".to_owned(), ToString::to_string);
    let text = format!("{missing} lines are missing here, the log could not be written: {why}\n");
    out.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Takes lines, or fails as long as it is told to.
    #[derive(Debug, Clone, Default)]
    struct Paper(Arc<Mutex<(bool, String)>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut paper = self.0.lock().unwrap();
            if paper.0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            paper.1.push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_told_of_once_they_can_be() {
        let paper = Paper::default();
        let queue = Queue::spawn(paper.clone()).unwrap();
        let say = |broken: bool, line: &str| {
            paper.0.lock().unwrap().0 = broken;
            queue.push(line.into());
            queue.flush(PATIENCE);
        };
        say(false, "one\n");
        say(true, "two\n");
        say(true, "three\n");
        assert_eq!(queue.lost(), 2);
        say(false, "four\n");
        say(false, "five\n");
        assert_eq!(queue.lost(), 2);
        let text = paper.0.lock().unwrap().1.clone();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!([lines[0], lines[2], lines[3]], ["one", "four", "five"]);
        assert!(lines[1].starts_with("2 lines are missing here"), "{text}");
    }

    #[test]
    fn nobody_waits_for_a_reader_that_takes_nothing() {
        let paper = Paper::default();
        let queue = Queue::spawn(paper.clone()).unwrap();
        // As long as this is held, the thread is stuck in its first write.
        let held = paper.0.lock().unwrap();
        let count = 3 * WAITING;
        for _ in 0..count {
            queue.push(b"line\n".to_vec());
        }
        queue.flush(Duration::ZERO);
        let lost = queue.lost();
        assert!(lost >= (count - WAITING - 1) as u64, "{lost}");
        drop(held);
        // What waited comes out, and the next line behind the number of those that are missing.
        while !paper.0.lock().unwrap().1.contains("lines are missing here") {
            queue.push(b"end\n".to_vec());
            queue.flush(PATIENCE);
        }
    }
}

//! A client that writes without end, each time through the next host, and remembers what was acknowledged.

use super::host::{Said, quorate};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two writes: the machine is shared with other tests.
const PAUSE: Duration = Duration::from_millis(10);

/// The exit code that says so.
const FATE_UNKNOWN: i32 = 7;

/// A writer that runs until it is asked what it did.
pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    thread: JoinHandle<Written>,
}

/// Keys below a prefix and their values.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// What all of them begin with; only this writer's do.
    prefix: String,
    /// These must be there.
    pub(crate) acknowledged: BTreeMap<String, String>,
    /// These may be there.
    pub(crate) unknown: BTreeMap<String, String>,
    /// These were not done; what was said instead of the value.
    pub(crate) refused: BTreeMap<String, String>,
}

impl Writer {
    /// Writes below `w/`.
    pub(crate) fn through(sockets: Vec<PathBuf>) -> Self {
        Self::below("w/", sockets, "5s")
    }

    /// Writes below a prefix of its own, each write with so much patience.
    pub(crate) fn below(prefix: &str, sockets: Vec<PathBuf>, timeout: &'static str) -> Self {
        let prefix = prefix.to_owned();
        let (stop, acknowledged) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (asked, count) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        let thread = std::thread::spawn(move || {
            let mut written = Written { prefix, ..Written::default() };
            for number in 0.. {
                if asked.load(Ordering::Relaxed) {
                    break;
                }
                let (key, value) =
                    (format!("{}{number:06}", written.prefix), format!("value {number}"));
                let socket = sockets[number % sockets.len()].display().to_string();
                let arguments = ["--socket", &socket, "put", &key, &value, "--timeout", timeout];
                let said = Said::of(quorate(&arguments).output().expect("the command line runs"));
                match said.code {
                    Some(0) => {
                        written.acknowledged.insert(key, value);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Some(FATE_UNKNOWN) | None => drop(written.unknown.insert(key, value)),
                    // Every other code means that it was not done, and that is held to.
                    Some(_) => drop(written.refused.insert(key, said.text())),
                }
                std::thread::sleep(PAUSE);
            }
            written
        });
        Self { stop, acknowledged, thread }
    }

    /// Waits until so many more writes were acknowledged.
    #[track_caller]
    pub(crate) fn goes_on(&self, more: usize) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + more;
        super::place::until("writes are acknowledged", || {
            let count = self.acknowledged.load(Ordering::Relaxed);
            if count >= goal { Ok(()) } else { Err(format!("{count} of {goal}")) }
        });
    }

    pub(crate) fn ends(self) -> Written {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer does not fail")
    }
}

impl Written {
    /// Compares with what a host reads, linearizably: all that was acknowledged is there, and nothing that was never
    /// written or of which the client was told that it was not done.
    #[track_caller]
    pub(crate) fn is_read_by(&self, host: &super::host::Host) {
        let said =
            host.cli(&["get", &self.prefix, "--prefix", "-o", "json", "--timeout", "30s"]).ok();
        let page: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let found: BTreeMap<String, String> = page["kvs"]
            .as_array()
            .expect("a list of keys")
            .iter()
            .map(|kv| (text(&kv["key"]), text(&kv["value"])))
            .collect();
        for kv in page["kvs"].as_array().expect("a list of keys") {
            assert_eq!(kv["version"], 1, "each was written once: {kv}");
        }
        for (key, value) in &self.acknowledged {
            assert_eq!(found.get(key), Some(value), "{key} was acknowledged; {} reads", host.name);
        }
        for (key, value) in &found {
            let written = self.acknowledged.get(key).or_else(|| self.unknown.get(key));
            assert_eq!(written, Some(value), "{key} as {} reads it", host.name);
        }
    }
}

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

/// Keys below `w/` and their values.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// These must be there.
    pub(crate) acknowledged: BTreeMap<String, String>,
    /// These may be there.
    pub(crate) unknown: BTreeMap<String, String>,
}

impl Writer {
    pub(crate) fn through(sockets: Vec<PathBuf>) -> Self {
        let (stop, acknowledged) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (asked, count) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        let thread = std::thread::spawn(move || {
            let mut written = Written::default();
            for number in 0.. {
                if asked.load(Ordering::Relaxed) {
                    break;
                }
                let (key, value) = (format!("w/{number:06}"), format!("value {number}"));
                let socket = sockets[number % sockets.len()].display().to_string();
                let arguments = ["--socket", &socket, "put", &key, &value, "--timeout", "5s"];
                let said = Said::of(quorate(&arguments).output().expect("the command line runs"));
                match said.code {
                    Some(0) => {
                        written.acknowledged.insert(key, value);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Some(FATE_UNKNOWN) | None => drop(written.unknown.insert(key, value)),
                    // Every other code means that it was not done, and that is held to.
                    Some(_) => {}
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
        let said = host.cli(&["get", "w/", "--prefix", "-o", "json", "--timeout", "30s"]).ok();
        let page: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let found: BTreeMap<String, String> = page["kvs"]
            .as_array()
            .expect("a list of keys")
            .iter()
            .map(|kv| (text(&kv["key"]), text(&kv["value"])))
            .collect();
        for (key, value) in &self.acknowledged {
            assert_eq!(found.get(key), Some(value), "{key} was acknowledged; {} reads", host.name);
        }
        for (key, value) in &found {
            let written = self.acknowledged.get(key).or_else(|| self.unknown.get(key));
            assert_eq!(written, Some(value), "{key} as {} reads it", host.name);
        }
    }
}

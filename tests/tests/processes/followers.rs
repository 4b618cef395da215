//! An application on one host: a thread that follows what `quorate ... watch` tells there, and keeps what it believes whatever becomes of the
//! daemon. Knows nothing of what it is told.

use super::host::{Host, quorate};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// See the head of this file. It ends when it is dropped.
pub(crate) struct Follower<T> {
    pub(crate) believed: Arc<Mutex<T>>,
    watch: Child,
    reader: Option<JoinHandle<()>>,
}

impl<T: Default + Send + 'static> Follower<T> {
    /// Follows a command; `hear` is told each line, with the socket of the host.
    pub(crate) fn on(host: &Host, command: &[&str], hear: fn(&Mutex<T>, &Path, &Value)) -> Self {
        let socket = host.socket();
        let path = socket.display().to_string();
        let mut watch = quorate(&["--socket", &path]);
        watch.args(command).args(["-o", "json"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut watch = watch.spawn().expect("the command line runs");
        let lines = BufReader::new(watch.stdout.take().expect("it was piped"));
        let believed = Arc::new(Mutex::new(T::default()));
        let own = believed.clone();
        let reader = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                hear(&own, &socket, &serde_json::from_str(&line).expect("a line is JSON"));
            }
        });
        Self { believed, watch, reader: Some(reader) }
    }
}

impl<T> Drop for Follower<T> {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.watch.kill();
        let _ = self.watch.wait();
        self.reader.take().map(JoinHandle::join);
    }
}

//! `quorate debug bundle`: all that somebody needs who is to find out what is wrong, in one file.
//!
//! Invariants: it changes nothing and is bounded; what cannot be had is named, and keeps nothing else out. Neither the secret nor a key or
//! value of the keyspace is in it, and nobody but who made it may read it.

use super::arguments::{BundleOptions, Format};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::output;
use super::stderr::complain;
use crate::clock::wall_unix_ms;
use crate::config::{Environment, host_file};
use crate::regular;
use crate::words::time::{in_a_name, rfc3339};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Bytes of each piece: what is more is cut off, and that is said.
const PIECE: usize = 16 * 1024 * 1024;
/// Lines of the journal, from the end.
const JOURNAL_LINES: &str = "5000";
/// A journal of gigabytes needs a while.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(20);
/// What is asked of the daemon.
const PAGES: [(&str, &str); 8] = [
    ("status.json", "/v1/status"),
    ("why.json", "/v1/why"),
    ("members.json", "/v1/members"),
    ("health.json", "/v1/health"),
    ("events.json", "/v1/events"),
    ("metrics.txt", "/metrics"),
    ("version.json", "/version"),
    // Last: it alone needs the loop.
    ("links.json", "/v1/status?links=1"),
];

/// What was found, and what was not.
#[derive(Debug, Default)]
struct Bundle {
    pieces: Vec<(String, Vec<u8>)>,
    missing: Vec<String>,
}

impl Bundle {
    fn take(&mut self, name: &str, found: Result<Vec<u8>, String>) {
        match found {
            Ok(mut content) => {
                if content.len() > PIECE {
                    content.truncate(PIECE);
                    self.missing.push(format!("{name} is cut off at {} MiB", PIECE >> 20));
                }
                blot_secrets(&mut content);
                self.pieces.push((name.to_owned(), content));
            }
            Err(why) => self.missing.push(format!("{name} is not there: {why}")),
        }
    }

    /// What is in it, in a sentence for each.
    fn contents(&self, host: &str, at: &str) -> String {
        let mut text = format!(
            "State of quorate {} on {host} at {at}.\nNeither the secret nor keys or values of the keyspace are in it.\n\n",
            env!("CARGO_PKG_VERSION")
        );
        for (name, content) in &self.pieces {
            text.push_str(&format!("{name}: {} bytes\n", content.len()));
        }
        for missing in &self.missing {
            text.push_str(&format!("{missing}\n"));
        }
        text
    }
}

/// Makes the file.
pub(super) async fn bundle(
    client: &Client,
    format: Format,
    options: &BundleOptions,
) -> Result<ExitCode, Failure> {
    let environment = Environment::of_process();
    let (host, now) = (environment.hostname, wall_unix_ms());
    let at = rfc3339(now);
    let stem = format!("quorate-{host}-{}", in_a_name(&at));
    let path = options.file.clone().unwrap_or_else(|| PathBuf::from(format!("{stem}.tar")));
    // First: what cannot be written needs no asking.
    let file = create(&path)?;
    let mut bundle = Bundle::default();
    ask(client, &mut bundle).await;
    of_this_host(options, &mut bundle);
    let contents = bundle.contents(&host, &at);
    bundle.pieces.insert(0, ("CONTENTS.txt".to_owned(), contents.into_bytes()));
    write(file, &stem, &bundle.pieces, now / 1000).map_err(|error| {
        // Half of it is of no use.
        let _ = fs::remove_file(&path);
        Failure::other(format!("{} cannot be written: {error}", path.display()))
    })?;
    for missing in &bundle.missing {
        complain(missing);
    }
    match format {
        Format::Json => output::json(&json!({ "file": path, "missing": bundle.missing }))?,
        Format::Table => output::text(&format!(
            "{} has the state of this host; look through it before you hand it on: `tar -tvf {0}`\n",
            path.display()
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn create(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::other(format!("{} is there already; name another file", path.display()))
        }
        _ => Failure::other(format!("{} cannot be made: {error}", path.display())),
    })
}

/// What the daemon says of itself. One that is away or stuck is asked once.
async fn ask(client: &Client, bundle: &mut Bundle) {
    let mut away = None;
    for (name, path) in PAGES {
        let found = match &away {
            Some(why) => Err(String::clone(why)),
            None => match client.bytes(path, Duration::ZERO).await {
                Ok(page) => Ok(page.to_vec()),
                Err(failure) => {
                    if failure.exit == Exit::Unreachable {
                        away = Some(failure.text.clone());
                    }
                    Err(failure.text)
                }
            },
        };
        bundle.take(name, found);
    }
}

fn of_this_host(options: &BundleOptions, bundle: &mut Bundle) {
    let config = &options.config.config;
    let host = &host_file(config, options.config.host.as_deref());
    for (name, path) in [("quorate.toml", config), ("host.toml", host)] {
        let text = read(path).map(|text| without_secrets(&text).into_bytes());
        bundle.take(name, text.map_err(|error| format!("{}: {error}", path.display())));
    }
    bundle.take("system.txt", Ok(system().into_bytes()));
    bundle.take("journal.txt", journal());
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    regular::open(path)?.take(PIECE as u64).read_to_string(&mut text)?;
    Ok(text)
}

/// What looks like a secret is made unreadable wherever it stands: whoever wrote one in a wrong place has it in messages too.
fn blot_secrets(content: &mut [u8]) {
    let begins = quorate_transport::SECRET_PREFIX.as_bytes();
    let mut at = 0;
    while let Some(found) = content[at..].windows(begins.len()).position(|part| part == begins) {
        at += found + begins.len();
        let digits = content[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        content[at..at + digits].fill(b'*');
    }
}

/// A configuration without what may be a secret: a file with it is named by `secret_file`, and whoever wrote it into the configuration by
/// mistake must not hand it on.
fn without_secrets(text: &str) -> String {
    let (mut out, mut until) = (String::new(), None);
    for line in text.lines() {
        if let Some(end) = until {
            until = Some(end).filter(|end| !line.contains(end));
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        let key = key.trim().trim_matches(['#', ' ', '"', '\'']);
        if key.contains("secret") && !key.ends_with("_file") && !value.is_empty() {
            out.push_str(&format!("{key} = (left out)\n"));
            let opened =
                ["\"\"\"", "'''"].into_iter().find(|end| value.trim_start().starts_with(end));
            until = opened.filter(|end| value.matches(end).count() == 1);
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

fn system() -> String {
    let names = rustix::system::uname();
    let release = read(Path::new("/etc/os-release")).unwrap_or_default();
    let known = |name: &str| release.lines().find(|line| line.starts_with(name)).map(str::to_owned);
    format!(
        "quorate {}\nkernel {} {}\n{}\n",
        env!("CARGO_PKG_VERSION"),
        names.release().to_string_lossy(),
        names.machine().to_string_lossy(),
        known("PRETTY_NAME=").unwrap_or_else(|| "no /etc/os-release".to_owned()),
    )
}

/// The newest lines of the journal, if this user may read them and the journal answers.
fn journal() -> Result<Vec<u8>, String> {
    let mut child = Command::new("journalctl")
        .args(["-u", "quorate", "-n", JOURNAL_LINES, "--no-pager", "-o", "short-iso-precise"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("journalctl: {error}"))?;
    let Some(lines) = child.stdout.take() else { return Err("journalctl says nothing".to_owned()) };
    let (done, read) = mpsc::channel();
    std::thread::spawn(move || {
        let mut content = Vec::new();
        let read = lines.take(PIECE as u64 + 1).read_to_end(&mut content);
        let _ = done.send(read.map(|_| content));
    });
    let read = read.recv_timeout(JOURNAL_PATIENCE);
    // What it has more to say nobody reads.
    let _ = child.kill();
    let ended = child.wait();
    match read {
        Ok(Ok(content)) if !content.is_empty() => Ok(content),
        Ok(Ok(_)) => Err(format!(
            "journalctl shows nothing ({}); run this command as root",
            ended.map_or_else(|error| error.to_string(), |status| status.to_string())
        )),
        Ok(Err(error)) => Err(format!("journalctl: {error}")),
        Err(_) => Err(format!("journalctl did not answer in {} s", JOURNAL_PATIENCE.as_secs())),
    }
}

fn write(
    file: File,
    directory: &str,
    pieces: &[(String, Vec<u8>)],
    at_unix: u64,
) -> io::Result<()> {
    let mut tar = tar::Builder::new(file);
    for (name, content) in pieces {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(at_unix);
        tar.append_data(&mut header, format!("{directory}/{name}"), content.as_slice())?;
    }
    let mut file = tar.into_inner()?;
    file.flush()?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::{Stage, refuse};
    use crate::cli::arguments::RunOptions;
    use quorate_node::status::State;
    use quorate_proto::RefusalCode;
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    fn options(dir: &Path) -> BundleOptions {
        let config = RunOptions { config: dir.join("quorate.toml"), host: None };
        BundleOptions { file: Some(dir.join("state.tar")), config, timeout: Duration::from_secs(5) }
    }

    /// The files in it, without their directory.
    fn files(dir: &Path) -> BTreeMap<String, String> {
        let mut tar = tar::Archive::new(File::open(dir.join("state.tar")).unwrap());
        let entries = tar.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (name, text)
        });
        entries.collect()
    }

    #[test]
    fn a_secret_in_a_wrong_place_is_unreadable_wherever_it_stands() {
        let digits = "0af3".repeat(16);
        let text = format!(
            "secret_file = \"quorate-secret-1:{digits}\"\nquorate-secret-1:{digits}: cannot be read; quorate-secret-1:"
        );
        let mut bundle = Bundle::default();
        bundle.take("journal.txt", Ok(text.into_bytes()));
        let told = String::from_utf8(bundle.pieces.remove(0).1).unwrap();
        assert!(!told.contains("0af3"), "{told}");
        let stars = "*".repeat(64);
        assert!(
            told.ends_with(&format!("quorate-secret-1:{stars}: cannot be read; quorate-secret-1:")),
            "{told}"
        );
    }

    #[tokio::test]
    async fn a_bundle_has_what_the_daemon_says_and_the_configuration_without_the_secret() {
        let stage = Stage::new(State::Quorate, |_| refuse(RefusalCode::Other, 0));
        let dir = tempfile::tempdir().unwrap();
        let written =
            "cluster = \"prod\"\nsecret = \"abcdef\"\nsecret_file = \"/etc/quorate/secret\"\n";
        fs::write(dir.path().join("quorate.toml"), written).unwrap();
        let options = options(dir.path());
        bundle(&Client::new(stage.socket()), Format::Json, &options).await.unwrap();
        let files = files(dir.path());
        for (name, path) in PAGES.into_iter().filter(|(name, _)| *name != "links.json") {
            assert!(files.get(name).is_some_and(|text| !text.is_empty()), "{path}: {files:?}");
        }
        assert!(files["metrics.txt"].contains("quorate_quorate 1"));
        let config = &files["quorate.toml"];
        assert!(config.contains("secret_file") && !config.contains("abcdef"), "{config}");
        assert!(files["CONTENTS.txt"].contains("host.toml is not there"), "{files:?}");
        let mode = fs::metadata(dir.path().join("state.tar")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = bundle(&Client::new(stage.socket()), Format::Json, &options).await;
        assert!(again.unwrap_err().text.contains("name another file"));
    }

    #[tokio::test]
    async fn without_a_daemon_there_is_what_the_host_has_and_a_word_for_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let client = Client::new(dir.path().join("nobody.sock"));
        bundle(&client, Format::Json, &options(dir.path())).await.unwrap();
        let files = files(dir.path());
        assert!(files["system.txt"].contains(env!("CARGO_PKG_VERSION")));
        let contents = &files["CONTENTS.txt"];
        assert!(contents.contains("status.json is not there"), "{contents}");
        assert!(contents.contains("metrics.txt is not there"), "{contents}");
    }

    #[test]
    fn a_secret_of_several_lines_is_left_out_whole() {
        let text = "a = 1\nold_secret = \"\"\"\nxyz\n\"\"\"\n# secret = \"k\"\nb = 2\nsecret = '''one'''\nc = 3\n";
        let left = "a = 1\nold_secret = (left out)\nsecret = (left out)\nb = 2\nsecret = (left out)\nc = 3\n";
        assert_eq!(without_secrets(text), left);
    }
}

//! The dependency table of ARCHITECTURE.md, and what holds it: `cargo metadata` and the pure crates' `clippy.toml`.

use super::source::root;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// What a crate may use.
enum May {
    /// Only these, and `ANYWHERE`.
    Only(&'static [&'static str]),
    /// Anything but these.
    NotThese(&'static [&'static str]),
}

/// May be used by every crate: they carry neither IO nor time.
const ANYWHERE: &[&str] = &["thiserror", "tracing"];

/// Crates whose cores read no clock, start nothing and draw no randomness.
const PURE: &[&str] = &["membership", "daemon/consensus", "daemon/meta", "daemon/node"];

/// The table. `bytes` travels with `quorate-proto`, whose types are made of it; `crc32fast` computes, and does nothing else;
/// `rand` is there for its traits only, without a source of its own; `serde` writes foca's identity.
fn table() -> BTreeMap<&'static str, May> {
    use May::{NotThese, Only};
    BTreeMap::from([
        ("quorate-proto", Only(&["prost", "bytes", "sha2", "crc32fast"])),
        ("quorate-membership", Only(&["quorate-proto", "bytes", "foca", "rand", "serde"])),
        ("quorate-consensus", Only(&["quorate-proto", "bytes", "crc32fast", "raft", "slog"])),
        ("quorate-meta", Only(&["quorate-proto", "bytes", "crc32fast", "imbl"])),
        (
            "quorate-node",
            Only(&[
                "quorate-proto",
                "quorate-membership",
                "quorate-consensus",
                "quorate-meta",
                "bytes",
            ]),
        ),
        (
            "quorate-transport",
            Only(&[
                "quorate-proto",
                "bytes",
                "hkdf",
                "quinn",
                "quinn-proto",
                "rcgen",
                "ring",
                "rustls",
                "rustls-webpki",
                "sha2",
                "socket2",
                "tokio",
            ]),
        ),
        ("quorate", NotThese(&["foca", "raft", "quinn", "quinn-proto", "rustls", "quorate-tests"])),
        ("quorate-tests", NotThese(&[])),
    ])
}

/// Edges that the table does not allow, and crates that it does not know.
pub(crate) fn outside_the_table() -> Vec<String> {
    let metadata = metadata();
    let table = table();
    let mut complaints = Vec::new();
    for package in array(&metadata["packages"]) {
        let name = text(&package["name"]);
        let Some(may) = table.get(name) else {
            complaints
                .push(format!("{name}: a crate that the table of ARCHITECTURE.md does not have"));
            continue;
        };
        // Tests and build scripts are not in the program.
        let edges = array(&package["dependencies"]).iter().filter(|edge| edge["kind"].is_null());
        for edge in edges.map(|edge| text(&edge["name"])) {
            let allowed = match may {
                May::Only(list) => list.contains(&edge) || ANYWHERE.contains(&edge),
                May::NotThese(list) => !list.contains(&edge),
            };
            if !allowed {
                complaints.push(format!(
                    "{name} uses {edge}, which the table of ARCHITECTURE.md does not allow"
                ));
            }
        }
    }
    complaints
}

/// Pure crates whose `clippy.toml` does not ban what would make them impure.
pub(crate) fn pure_crates_without_bans() -> Vec<String> {
    const BANNED: [&str; 6] = [
        "std::time::Instant::now",
        "std::time::SystemTime::now",
        "std::thread::spawn",
        "std::thread::sleep",
        "std::collections::HashMap",
        "std::collections::HashSet",
    ];
    let mut complaints = Vec::new();
    for directory in PURE {
        let path = root().join(directory).join("clippy.toml");
        let text = fs::read_to_string(&path).unwrap_or_default();
        for banned in BANNED.iter().filter(|banned| !text.contains(**banned)) {
            complaints.push(format!("{directory}/clippy.toml must ban {banned}"));
        }
    }
    complaints
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo runs, it runs this test");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {errors}");
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("a list, as cargo documents it")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text, as cargo documents it")
}

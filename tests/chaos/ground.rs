//! The ground that a campaign stands on: a network namespace of its own, and the faults of its network.
//!
//! All nodes are on loopback addresses of that namespace. Packets between them are dropped where they come in, so that
//! no sender notices, and each rule counts what it dropped. Clients use TCP, of which no rule speaks.

use quorate_tests::outside::trouble::Trouble;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// Says to this program that it stands on its ground already.
pub(crate) const INSIDE: &str = "--inside";

/// The chain that all rules are in, behind the filter that others might have.
const TABLE: &str = "add table inet chaos\n\
    add chain inet chaos lost { type filter hook input priority 10; policy accept; }\n";

/// What is lost from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Of a hundred packets; all of them is a cut.
    pub(crate) percent: u8,
}

/// The address of a node, counted from zero.
pub(crate) fn address(node: usize) -> Ipv4Addr {
    // At most seven nodes.
    Ipv4Addr::new(127, 0, 0, 11 + u8::try_from(node).unwrap_or(0))
}

/// Runs this program anew in a network namespace of its own. Comes back only when that cannot be done.
pub(crate) fn enter() -> Trouble {
    let mut command = Command::new("unshare");
    command.args(["--net", "--"]).arg(std::env::current_exe().unwrap_or_default());
    command.args(std::env::args_os().skip(1)).arg(INSIDE);
    Trouble::at("unshare --net (root is needed)")(command.exec())
}

/// Brings up the interface and makes the table.
pub(crate) fn prepare() -> Result<(), Trouble> {
    run("ip", &["link", "set", "lo", "up"], "")?;
    run("nft", &["-f", "-"], TABLE).map(|_| ())
}

/// Loses packets from now on, all of them at one moment. `fault` is what [`lost`] calls them.
pub(crate) async fn lose(fault: usize, losses: Vec<Loss>) -> Result<(), Trouble> {
    let rule = |loss: &Loss| {
        let [from, to] = [loss.from, loss.to].map(address);
        let some = match loss.percent {
            100.. => String::new(),
            percent => format!("numgen random mod 100 < {percent} "),
        };
        format!(
            "add rule inet chaos lost ip saddr {from} ip daddr {to} meta l4proto udp {some}counter drop \
             comment \"fault{fault}\"\n"
        )
    };
    let rules: String = losses.iter().map(rule).collect();
    away(move || run("nft", &["-f", "-"], &rules)).await.map(|_| ())
}

/// Packets that each fault has lost since it began, by the number given to [`lose`].
pub(crate) async fn lost(fault: usize) -> Result<u64, Trouble> {
    let text = away(|| run("nft", &["list", "chain", "inet", "chaos", "lost"], "")).await?;
    let mark = format!("\"fault{fault}\"");
    let counted = text.lines().filter(|line| line.contains(&mark)).filter_map(|line| {
        let (_, behind) = line.split_once("counter packets ")?;
        behind.split(' ').next()?.parse::<u64>().ok()
    });
    Ok(counted.sum())
}

/// Loses nothing any more.
pub(crate) async fn heal() -> Result<(), Trouble> {
    away(|| run("nft", &["flush", "chain", "inet", "chaos", "lost"], "")).await.map(|_| ())
}

/// On a thread of its own: this one has answers to note the moment they come.
async fn away<T: Send + 'static>(
    what: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(what).await.map_err(|_| Trouble::gone("a thread for nft"))?
}

fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, Trouble> {
    let command = format!("{program} {}", arguments.join(" "));
    let doing = || Trouble::at(command.clone());
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(doing())?;
    // Dropped at once, so that the program sees its end.
    child.stdin.take().expect("it was asked for").write_all(input.as_bytes()).map_err(doing())?;
    let output = child.wait_with_output().map_err(doing())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Trouble::Command {
            command,
            text: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
    }
}

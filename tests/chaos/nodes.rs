//! The nodes of a campaign: real daemons that are started, killed, stopped, paused and wiped.
//!
//! Each act comes back only when it has taken effect, or with the trouble that it has not.

use crate::ground;
use quorate_tests::outside::layout::{self, Place};
use quorate_tests::outside::pages;
use quorate_tests::outside::processes::{Process, Recipe};
use quorate_tests::outside::trouble::Trouble;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What takes longer is broken.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// Between two questions, where nothing tells.
const ASK: Duration = Duration::from_millis(20);
const PEERS: u16 = 4747;
const CLIENTS: u16 = 4748;

#[derive(Debug)]
struct Node {
    place: Place,
    recipe: Recipe,
    home: PathBuf,
    process: Option<Process>,
    /// The instance that was wiped last: it must not come back.
    wiped: Option<String>,
}

/// All nodes, by number from zero.
#[derive(Debug)]
pub(crate) struct Nodes {
    list: Vec<Node>,
}

impl Nodes {
    /// Lays out so many seeds and starts them.
    pub(crate) fn start_all(
        program: &Path,
        directory: &Path,
        count: usize,
    ) -> Result<Self, Trouble> {
        let place = |node: usize| Place {
            name: name(node),
            peers: (ground::address(node), PEERS).into(),
            clients: (ground::address(node), CLIENTS).into(),
        };
        let places: Vec<Place> = (0..count).map(place).collect();
        let recipes = layout::lay_out(program, directory, &places, count, Some(count))?;
        let own = std::process::id().to_string();
        let node = |(place, mut recipe): (Place, Recipe)| {
            recipe.arguments.extend(["--end-with".to_owned(), own.clone()]);
            let home = directory.join(&place.name);
            Node { place, recipe, home, process: None, wiped: None }
        };
        let mut nodes = Self { list: places.into_iter().zip(recipes).map(node).collect() };
        (0..count).try_for_each(|node| nodes.start(node))?;
        Ok(nodes)
    }

    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// Where its clients connect.
    pub(crate) fn door(&self, node: usize) -> SocketAddr {
        self.list[node].place.clients
    }

    pub(crate) fn doors(&self) -> Vec<SocketAddr> {
        (0..self.count()).map(|node| self.door(node)).collect()
    }

    pub(crate) fn start(&mut self, node: usize) -> Result<(), Trouble> {
        let node = &mut self.list[node];
        assert!(node.process.is_none(), "{} runs already", node.place.name);
        node.process = Some(node.recipe.start()?);
        Ok(())
    }

    /// Starts all that do not run.
    pub(crate) fn start_missing(&mut self) -> Result<(), Trouble> {
        let gone = |node: &usize| self.list[*node].process.is_none();
        let missing: Vec<usize> = (0..self.count()).filter(gone).collect();
        missing.into_iter().try_for_each(|node| self.start(node))
    }

    pub(crate) fn runs(&self, node: usize) -> bool {
        self.list[node].process.is_some()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, node: usize) -> Result<(), Trouble> {
        let mut process = self.take(node)?;
        process.check()?;
        process.kill();
        let status = process.ended();
        match status.and_then(|status| status.signal()) {
            Some(9) => Ok(()),
            _ => Err(Trouble::gone(format!("{} ({status:?})", name(node)))),
        }
    }

    /// An orderly stop, also while others are away.
    pub(crate) async fn stop(&mut self, node: usize) -> Result<(), Trouble> {
        let mut process = self.take(node)?;
        process.signal(Signal::INT)?;
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            match process.ended() {
                Some(status) if status.success() => return Ok(()),
                Some(_) => return process.check(),
                None => tokio::time::sleep(ASK).await,
            }
        }
        Err(Trouble::late(format!("{} stopped", name(node)), LIMIT))
    }

    /// Takes the processor away from it, and waits until the kernel says so.
    pub(crate) async fn pause(&mut self, node: usize) -> Result<(), Trouble> {
        let process = self.process(node)?;
        process.signal(Signal::STOP)?;
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            if stands_still(process.pid()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err(Trouble::late(format!("{} paused", name(node)), LIMIT))
    }

    /// An error when it did not stand still until now.
    pub(crate) fn resume(&self, node: usize) -> Result<(), Trouble> {
        let process = self.process(node)?;
        match stands_still(process.pid()) {
            true => process.signal(Signal::CONT),
            false => Err(Trouble::gone(format!("the pause of {}", name(node)))),
        }
    }

    /// Kills it and takes its disk away, the marker of its birth included.
    pub(crate) async fn wipe(&mut self, node: usize) -> Result<(), Trouble> {
        let status = self.status(node).await;
        self.kill(node)?;
        let node = &mut self.list[node];
        let instance = status.as_ref().and_then(|status| status["node"]["instance"].as_str());
        node.wiped = instance.map(str::to_owned);
        for directory in ["data", "birth"] {
            let path = node.home.join(directory);
            if path.exists() {
                fs::remove_dir_all(&path)
                    .map_err(Trouble::at(format!("wiping {}", path.display())))?;
            }
        }
        Ok(())
    }

    fn take(&mut self, node: usize) -> Result<Process, Trouble> {
        self.list[node].process.take().ok_or_else(|| Trouble::gone(name(node)))
    }

    fn process(&self, node: usize) -> Result<&Process, Trouble> {
        self.list[node].process.as_ref().ok_or_else(|| Trouble::gone(name(node)))
    }

    /// An error when one that should run has ended.
    pub(crate) fn check(&mut self) -> Result<(), Trouble> {
        self.list.iter_mut().filter_map(|node| node.process.as_mut()).try_for_each(Process::check)
    }

    /// What a node says of itself; none when it does not answer.
    pub(crate) async fn status(&self, node: usize) -> Option<Value> {
        pages::page(self.door(node), "/v1/status").await
    }

    /// Waits until all are one whole cluster again, and gives the node that leads.
    pub(crate) async fn whole(&mut self) -> Result<usize, Trouble> {
        let began = Instant::now();
        let mut instead = String::new();
        while began.elapsed() < LIMIT {
            self.check()?;
            match self.leader_of_all().await {
                Ok(leader) => return Ok(leader),
                Err(text) => instead = text,
            }
            tokio::time::sleep(ASK).await;
        }
        Err(Trouble::late(format!("one whole cluster; {instead}"), LIMIT))
    }

    /// The one leader, when every node sees all others alive and as voters, and all know of the birth.
    async fn leader_of_all(&self) -> Result<usize, String> {
        let mut leaders = Vec::new();
        for node in 0..self.count() {
            let own = name(node);
            let status = self.status(node).await.ok_or_else(|| format!("{own} is silent"))?;
            let members = status["members"].as_array().map_or(&[][..], Vec::as_slice);
            let sound = |member: &&Value| member["state"] == "alive" && member["role"] == "voter";
            let all = members.iter().filter(sound).count() == self.count();
            let margin = &status["margin"];
            if status["state"] != "quorate" || !all || margin["known"] != margin["slots"] {
                return Err(format!("{own} says {status}"));
            }
            if status["node"]["instance"].as_str() == self.list[node].wiped.as_deref() {
                return Err(format!("{own} has the instance that was wiped"));
            }
            leaders.push(status["leader"].as_str().unwrap_or_default().to_owned());
        }
        leaders.dedup();
        match &leaders[..] {
            [one] => (0..self.count())
                .find(|node| name(*node) == *one)
                .ok_or_else(|| format!("{one} leads")),
            _ => Err(format!("leaders {leaders:?}")),
        }
    }
}

/// What a node is called.
pub(crate) fn name(node: usize) -> String {
    format!("n{}", node + 1)
}

fn stands_still(pid: u32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(')').is_some_and(|(_, behind)| behind.trim_start().starts_with('T'))
}

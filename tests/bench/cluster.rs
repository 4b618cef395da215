//! A cluster of quorate or etcd on loopback: laid out, started, asked for its leader, killed node by node.

use crate::{Settings, etcd, quorate};
use bytes::Bytes;
use quorate_tests::outside::kv::KvClient;
use quorate_tests::outside::processes::{Process, Recipe, Scratch};
use quorate_tests::outside::trouble::Trouble;
use std::time::{Duration, Instant};

/// The longest that anything here may take; what takes longer is not slow, but broken.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// How often something is asked that cannot be waited for.
const ASK: Duration = Duration::from_millis(50);
/// Deadline of questions between measurements.
const PATIENCE: Duration = Duration::from_secs(1);

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    Quorate,
    Etcd,
}

impl System {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Quorate => "quorate",
            Self::Etcd => "etcd",
        }
    }
}

/// One node, running or not.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// Where clients connect.
    pub(crate) port: u16,
    pub(crate) recipe: Recipe,
    pub(crate) process: Option<Process>,
}

/// Some nodes and their directory; both go when it is dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) system: System,
    // Before the directory, so that the programs end before their files do.
    pub(crate) nodes: Vec<Node>,
    _scratch: Scratch,
}

impl Cluster {
    /// Ports, directories and configuration; nothing runs yet.
    pub(crate) fn lay_out(
        settings: &Settings,
        system: System,
        count: usize,
    ) -> Result<Self, Trouble> {
        let scratch = Scratch::new(&settings.directory)?;
        let nodes = match system {
            System::Quorate => quorate::lay_out(&settings.quorate, scratch.path(), count)?,
            System::Etcd => etcd::lay_out(&settings.etcd, scratch.path(), count)?,
        };
        Ok(Self { system, nodes, _scratch: scratch })
    }

    /// Laid out, started and settled.
    pub(crate) async fn running(
        settings: &Settings,
        system: System,
        count: usize,
    ) -> Result<Self, Trouble> {
        let mut cluster = Self::lay_out(settings, system, count)?;
        cluster.start_all()?;
        cluster.settle().await?;
        Ok(cluster)
    }

    /// Starts all at once. Gives the moment before the last one was started.
    pub(crate) fn start_all(&mut self) -> Result<Instant, Trouble> {
        let mut last = Instant::now();
        for node in &mut self.nodes {
            last = Instant::now();
            node.process = Some(node.recipe.start()?);
        }
        Ok(last)
    }

    /// Power loss of one node, as far as processes can have one: no farewell, no flush.
    pub(crate) fn kill(&mut self, node: usize) -> Instant {
        let now = Instant::now();
        drop(self.nodes[node].process.take());
        now
    }

    /// Starts it again, with its data.
    pub(crate) fn start(&mut self, node: usize) -> Result<(), Trouble> {
        self.nodes[node].process = Some(self.nodes[node].recipe.start()?);
        Ok(())
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(|node| node.port).collect()
    }

    /// An error when a node that should run has ended.
    pub(crate) fn check(&mut self) -> Result<(), Trouble> {
        self.nodes.iter_mut().filter_map(|node| node.process.as_mut()).try_for_each(Process::check)
    }

    /// The node that leads, asked at every node in turn.
    pub(crate) async fn leader(&mut self) -> Result<usize, Trouble> {
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            let leader = match self.system {
                System::Quorate => quorate::leader(&self.nodes).await,
                System::Etcd => etcd::leader(&self.nodes).await,
            };
            if let Some(leader) = leader {
                return Ok(leader);
            }
            self.check()?;
            tokio::time::sleep(ASK).await;
        }
        Err(Trouble::late(format!("one leader of {}", self.system.word()), LIMIT))
    }

    /// Waits until there is a leader, every node has what was written last, and all see each other alive.
    pub(crate) async fn settle(&mut self) -> Result<(), Trouble> {
        let began = Instant::now();
        let mark = Bytes::from(format!("{:?}", began));
        while began.elapsed() < LIMIT {
            if self.whole().await && self.has_everywhere(&mark).await {
                return Ok(());
            }
            self.check()?;
            tokio::time::sleep(ASK).await;
        }
        Err(Trouble::late(format!("{} whole again", self.system.word()), LIMIT))
    }

    async fn whole(&self) -> bool {
        match self.system {
            System::Quorate => quorate::is_whole(&self.nodes).await,
            System::Etcd => etcd::leader(&self.nodes).await.is_some(),
        }
    }

    async fn has_everywhere(&self, mark: &Bytes) -> bool {
        let key = Bytes::from_static(b"settled");
        let mut first = KvClient::of_port(self.nodes[0].port);
        if first.put(key.clone(), mark.clone(), PATIENCE).await.is_err() {
            return false;
        }
        for node in &self.nodes {
            // Behind by at most what arrives within the patience of all these questions.
            let mut client = KvClient::of_port(node.port);
            match client.read_here(key.clone(), PATIENCE).await {
                Ok(answer) if answer.kvs.first().is_some_and(|pair| pair.value == *mark) => {}
                _ => return false,
            }
        }
        true
    }
}

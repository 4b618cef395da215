//! Power loss of one node: when does each of the others know?
//!
//! A node of quorate knows when a subscriber of its health feed has the epoch in which the dead one is down; an agent
//! of serf knows when it logs the event. In each run one quorate node (never the leader: see failover) and one serf
//! agent die at the same moment, so that both are measured under the same load; both are started again afterwards.

use crate::cluster::{Cluster, LIMIT, System};
use crate::report::{Of, Question, Target};
use crate::serf::{self, Agents};
use crate::{Settings, millis};
use quorate_tests::outside::pages::HealthFeed;
use quorate_tests::outside::processes::loopback;
use quorate_tests::outside::series::Series;
use quorate_tests::outside::trouble::Trouble;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// News of one node between two runs: it says something of each other a few times.
const NEWS_OF_ONE: usize = 410;
/// A watcher's pause until it looks again for a daemon that is not there.
const AGAIN: Duration = Duration::from_millis(20);

/// One node learned that another is alive or is not.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) at: Instant,
    /// The one that learned it.
    pub(crate) by: usize,
    pub(crate) about: String,
    pub(crate) alive: bool,
}

#[derive(Debug)]
enum Group {
    Quorate { cluster: Cluster, _watchers: JoinSet<()> },
    Serf(Agents),
}

/// A group whose members are listened to.
#[derive(Debug)]
struct Watched {
    group: Group,
    /// All is quiet for so long before the next kill.
    calm: Duration,
    names: Vec<String>,
    news: mpsc::Receiver<News>,
    next_victim: usize,
    /// The victim of the run before, which was started again.
    returned: Option<usize>,
    /// Verdicts on nodes that were running, in words.
    false_verdicts: Vec<String>,
}

/// First and last of the others, after the kill.
type Known = (Duration, Duration);

pub(crate) async fn run(settings: &Settings) -> Result<Vec<Question>, Trouble> {
    let mut questions = Vec::new();
    for &size in &settings.sizes {
        let mut groups = Vec::new();
        for word in ["quorate", "serf"] {
            if settings.only.is_empty() || settings.only.iter().any(|name| name == word) {
                groups.push((word, Watched::start(settings, word, size).await?));
            }
        }
        let new = |_| groups.iter().map(|(word, _)| Series::new(*word, "ms")).collect();
        let [mut first, mut last]: [Vec<Series>; 2] = [0, 1].map(new);
        for run in 0..settings.runs {
            for (at, known) in all_at_once(&mut groups).await?.into_iter().enumerate() {
                settings.tell(format!("told {size}, {run}: {} {known:?}", groups[at].0));
                first[at].add(millis(known.0));
                last[at].add(millis(known.1));
            }
        }
        let mut question = Question::new(
            format!("Told: power loss of one of {size}, until the last live node knows"),
            last,
        )
        .target(Target::Below(Of::Median, 1000.0))
        .target(Target::Below(Of::P95, 2000.0))
        .target(Target::Share(0.2));
        for (word, group) in &groups {
            question = question.note(format!(
                "{word}: {} verdicts on nodes that were running {:?}",
                group.false_verdicts.len(),
                group.false_verdicts
            ));
        }
        questions.push(question);
        questions.push(Question::new(
            format!("Told: power loss of one of {size}, until the first live node knows"),
            first,
        ));
    }
    Ok(questions)
}

async fn all_at_once(groups: &mut [(&str, Watched)]) -> Result<Vec<Known>, Trouble> {
    match groups {
        [(_, one)] => Ok(vec![one.once().await?]),
        [(_, one), (_, other)] => {
            let (one, other) = tokio::try_join!(one.once(), other.once())?;
            Ok(vec![one, other])
        }
        _ => Ok(Vec::new()),
    }
}

impl Watched {
    async fn start(settings: &Settings, word: &str, size: usize) -> Result<Self, Trouble> {
        let (to, news) = mpsc::channel(NEWS_OF_ONE * size);
        let (group, names) = if word == "serf" {
            let agents = Agents::start(settings, size, to)?;
            (Group::Serf(agents), (0..size).map(serf::name).collect())
        } else {
            let mut cluster = Cluster::lay_out(settings, System::Quorate, size)?;
            let names: Vec<String> = cluster.nodes.iter().map(|node| node.name.clone()).collect();
            cluster.start_all()?;
            let mut watchers = JoinSet::new();
            for (by, port) in cluster.ports().into_iter().enumerate() {
                watchers.spawn(watch(port, by, to.clone()));
            }
            (Group::Quorate { cluster, _watchers: watchers }, names)
        };
        let mut watched = Self {
            group,
            calm: Duration::from_secs(settings.calm.into()),
            names,
            news,
            next_victim: 0,
            returned: None,
            false_verdicts: Vec::new(),
        };
        let pairs = watched.pairs(|by, about| by != about);
        watched.learn(pairs, true, None).await?;
        Ok(watched)
    }

    /// One power loss and the return.
    async fn once(&mut self) -> Result<Known, Trouble> {
        tokio::time::sleep(self.calm).await;
        let victim = self.pick().await?;
        while let Ok(news) = self.news.try_recv() {
            self.count_if_false(&news, None);
        }
        self.returned = None;
        let killed = match &mut self.group {
            Group::Quorate { cluster, .. } => cluster.kill(victim),
            Group::Serf(agents) => agents.kill(victim),
        };
        let others = self.pairs(|by, about| about == victim && by != victim);
        let learned = self.learn(others, false, Some(victim)).await?;
        self.returned = Some(victim);
        match &mut self.group {
            Group::Quorate { cluster, .. } => cluster.start(victim)?,
            Group::Serf(agents) => agents.restart(victim)?,
        }
        let all = self.pairs(|by, about| by != about && (about == victim || by == victim));
        self.learn(all, true, Some(victim)).await?;
        if let Group::Quorate { cluster, .. } = &mut self.group {
            cluster.leader().await?;
        }
        let after = |at: Option<&Instant>| at.map_or(LIMIT, |at| at.duration_since(killed));
        Ok((after(learned.iter().min()), after(learned.iter().max())))
    }

    /// The next in turn, but not quorate's leader.
    async fn pick(&mut self) -> Result<usize, Trouble> {
        let leader = match &mut self.group {
            Group::Quorate { cluster, .. } => Some(cluster.leader().await?),
            Group::Serf(_) => None,
        };
        let size = self.names.len();
        let victim = (self.next_victim..).map(|at| at % size).find(|at| Some(*at) != leader);
        let victim = victim.expect("there are more nodes than leaders");
        self.next_victim = victim + 1;
        Ok(victim)
    }

    fn pairs(&self, wanted: impl Fn(usize, usize) -> bool) -> BTreeSet<(usize, String)> {
        let size = self.names.len();
        let all = (0..size).flat_map(|by| (0..size).map(move |about| (by, about)));
        all.filter(|(by, about)| wanted(*by, *about))
            .map(|(by, about)| (by, self.names[about].clone()))
            .collect()
    }

    /// Counts a verdict on a node that was running. A node that has just returned shows the view that it had stored,
    /// in which others may be down: nothing that it says counts before the next kill. A view is of the whole cluster,
    /// so the others say the same if it is true.
    fn count_if_false(&mut self, news: &News, dead: Option<usize>) {
        let about_dead = dead.is_some_and(|dead| self.names[dead] == news.about);
        if !news.alive && !about_dead && Some(news.by) != self.returned {
            self.false_verdicts.push(format!("{} on {}", self.names[news.by], news.about));
        }
    }

    /// Waits until all these nodes have learned that of those; gives the moments. Counts what is said of running nodes.
    async fn learn(
        &mut self,
        mut missing: BTreeSet<(usize, String)>,
        alive: bool,
        victim: Option<usize>,
    ) -> Result<Vec<Instant>, Trouble> {
        let until = tokio::time::Instant::now() + LIMIT;
        let mut moments = Vec::new();
        while !missing.is_empty() {
            let Ok(Some(news)) = tokio::time::timeout_at(until, self.news.recv()).await else {
                match &mut self.group {
                    Group::Quorate { cluster, .. } => cluster.check()?,
                    Group::Serf(agents) => agents.check()?,
                }
                return Err(Trouble::late(format!("alive={alive} of {missing:?}"), LIMIT));
            };
            let dead = victim.filter(|_| !alive);
            self.count_if_false(&news, dead);
            if news.alive == alive && missing.remove(&(news.by, news.about)) {
                moments.push(news.at);
            }
        }
        Ok(moments)
    }
}

/// Follows the health feed of one daemon through its lives, and reports what is new in it.
async fn watch(port: u16, by: usize, to: mpsc::Sender<News>) {
    // Ends when the group is dropped.
    loop {
        if let Ok(mut feed) = HealthFeed::open(loopback(port), None).await {
            let mut before = BTreeMap::new();
            while let Some(line) = feed.next().await {
                let at = Instant::now();
                let now = states(&line);
                for (about, alive) in &now {
                    if before.get(about) != Some(alive) {
                        let news = News { at, by, about: about.clone(), alive: *alive };
                        if to.send(news).await.is_err() {
                            return;
                        }
                    }
                }
                before = now;
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Who is alive, as one line of the feed has it.
fn states(line: &Value) -> BTreeMap<String, bool> {
    let members = line["members"].as_array().map_or(&[][..], Vec::as_slice);
    members
        .iter()
        .filter_map(|member| {
            Some((member["name"].as_str()?.to_owned(), member["state"] == "alive"))
        })
        .collect()
}

//! serf as Debian ships it, with its default profile (LAN). What an agent learns is read from its own log,
//! the moment it writes the line.

use crate::Settings;
use crate::told::News;
use quorate_tests::outside::processes::{Process, Recipe, Scratch, free_port};
use quorate_tests::outside::trouble::Trouble;
use std::io::{BufRead, BufReader};
use std::process::ChildStdout;
use std::time::Instant;
use tokio::sync::mpsc;

/// Agents on loopback, joined to each other; they end with this.
#[derive(Debug)]
pub(crate) struct Agents {
    recipes: Vec<Recipe>,
    processes: Vec<Option<Process>>,
    news: mpsc::Sender<News>,
    _scratch: Scratch,
}

impl Agents {
    /// Starts so many agents, which report to `news`.
    pub(crate) fn start(
        settings: &Settings,
        count: usize,
        news: mpsc::Sender<News>,
    ) -> Result<Self, Trouble> {
        let scratch = Scratch::new(&settings.directory)?;
        let mut ports = Vec::new();
        for _ in 0..count {
            ports.push((free_port()?, free_port()?));
        }
        let recipe = |number: usize| {
            let (bind, rpc) = ports[number];
            let mut arguments = vec![
                "agent".to_owned(),
                format!("-node={}", name(number)),
                format!("-bind=127.0.0.1:{bind}"),
                format!("-rpc-addr=127.0.0.1:{rpc}"),
                "-retry-interval=1s".to_owned(),
            ];
            // Two others to join through, so that one of them may be dead.
            let others = (0..count).filter(|other| *other != number).take(2);
            arguments.extend(others.map(|at| format!("-retry-join=127.0.0.1:{}", ports[at].0)));
            Recipe {
                name: name(number),
                program: settings.serf.clone(),
                arguments,
                output: scratch.path().join(format!("{}.log", name(number))),
            }
        };
        let recipes: Vec<Recipe> = (0..count).map(recipe).collect();
        let processes = recipes.iter().map(|_| None).collect();
        let mut agents = Self { recipes, processes, news, _scratch: scratch };
        for number in 0..count {
            agents.restart(number)?;
        }
        Ok(agents)
    }

    pub(crate) fn restart(&mut self, number: usize) -> Result<(), Trouble> {
        let (process, stdout) = self.recipes[number].start_and_read()?;
        self.processes[number] = Some(process);
        let news = self.news.clone();
        // Ends with the agent, whose output it reads.
        std::thread::spawn(move || follow(stdout, number, &news));
        Ok(())
    }

    pub(crate) fn kill(&mut self, number: usize) -> Instant {
        let now = Instant::now();
        drop(self.processes[number].take());
        now
    }

    pub(crate) fn check(&mut self) -> Result<(), Trouble> {
        self.processes.iter_mut().flatten().try_for_each(Process::check)
    }
}

/// The name of an agent.
pub(crate) fn name(number: usize) -> String {
    format!("s{}", number + 1)
}

fn follow(stdout: ChildStdout, by: usize, news: &mpsc::Sender<News>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let at = Instant::now();
        if let Some((about, alive)) = parse(&line)
            && news.blocking_send(News { at, by, about, alive }).is_err()
        {
            return;
        }
    }
}

/// `... serf: EventMemberFailed: NAME ADDRESS`.
fn parse(line: &str) -> Option<(String, bool)> {
    let (_, event) = line.split_once("serf: EventMember")?;
    let (kind, rest) = event.split_once(": ")?;
    let alive = match kind {
        "Join" => true,
        "Failed" | "Leave" => false,
        _ => return None,
    };
    Some((rest.split_whitespace().next()?.to_owned(), alive))
}

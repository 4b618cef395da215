//! Random stories of applications that come, go and flap, on hosts that are killed, stopped, cut off, drained and started again.
//!
//! What must hold of every epoch is checked where all epochs are (`checks.rs`): each is shown and told alike by all hosts, and none shows an
//! application as up whose host is gone or drained. Here it is demanded that in the end, once all is quiet, the committed state is what each
//! host said last.

use crate::world::{Setup, SimEvent, World};
use quorate_node::{ClientRequest, Input};
use quorate_proto::{
    Act, Application, ApplicationReport, ApplicationState, DrainHost, HealthView, Label,
    TransferLeadership, act,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Applications of one host, at most.
const MOST: u64 = 4;
/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(90);

/// What the hosts say of their applications.
#[derive(Debug, Default)]
struct Said(Vec<Vec<ApplicationReport>>);

/// What a story came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Applications that are committed in the end.
    pub committed: usize,
    /// The newest epoch.
    pub epoch: u64,
}

impl World {
    /// The shell of a host tells its node what runs there.
    pub fn applications_are(&mut self, host: usize, all: Vec<ApplicationReport>) {
        let run = self.hosts[host].run;
        if self.hosts[host].process.is_some() {
            let input = Box::new(Input::Applications(all));
            self.schedule(self.now, SimEvent::Arrive { host, run, input });
        }
    }

    /// The newest view that a host shows.
    fn view_of(&self, host: usize) -> Option<HealthView> {
        let process = self.hosts[host].process.as_ref()?;
        Some(process.node.status(self.now).view.as_ref().clone())
    }
}

/// What the hosts of a script say, by host and name.
#[derive(Debug, Default)]
pub(crate) struct Scripted(BTreeMap<usize, BTreeMap<String, ApplicationReport>>);

impl Scripted {
    /// An application of a host is so from now on; `gone`: it is none any more.
    pub(crate) fn say(&mut self, world: &mut World, host: usize, name: &str, state: &str) {
        let mine = self.0.entry(host).or_default();
        let state = match state {
            "up" => Some(ApplicationState::Up),
            "down" => Some(ApplicationState::Down),
            "unknown" => Some(ApplicationState::Unknown),
            _ => None,
        };
        match state {
            Some(state) => {
                let endpoints = vec![format!("10.0.0.{}:80", host + 1)];
                let (state, reason) = (state.into(), "its check says so".to_owned());
                let name = name.to_owned();
                let told = ApplicationReport { name, endpoints, state, reason, labels: Vec::new() };
                mine.insert(told.name.clone(), told);
            }
            None => drop(mine.remove(name)),
        }
        let all = mine.values().cloned().collect();
        world.applications_are(host, all);
    }

    /// The applications as each host that runs shows them; hosts that show the same share a line.
    pub(crate) fn shown(world: &World) -> String {
        let mut by_view: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for host in 0..world.hosts.len() {
            let Some(view) = world.view_of(host) else { continue };
            let one =
                |it: &Application| format!("{} on {} {}", it.told.name, it.host, it.state().word());
            let all: Vec<String> = view.applications.iter().map(one).collect();
            by_view.entry(all.join(", ")).or_default().push(world.hosts[host].name.clone());
        }
        let line = |(view, hosts): (String, Vec<String>)| format!("{}: {view}\n", hosts.join(" "));
        by_view.into_iter().map(line).collect()
    }
}

fn act(world: &mut World, host: usize, body: act::Body) {
    world.ask(host, ClientRequest::Act(Act { body: Some(body) }), Duration::from_secs(5));
}

/// An application in some state. Its reason says what nobody is to compare.
fn drawn(world: &mut World, number: u64) -> ApplicationReport {
    let state = match world.random.below(5) {
        0 => ApplicationState::Unknown,
        1 | 2 => ApplicationState::Down,
        _ => ApplicationState::Up,
    };
    let value = world.random.below(2).to_string();
    ApplicationReport {
        name: format!("app{number}"),
        endpoints: vec![format!("10.0.0.9:{}", world.random.between(1, 2))],
        labels: vec![Label { name: "kind".to_owned(), value }],
        state: state.into(),
        reason: world.random.draw().to_string(),
    }
}

impl Said {
    /// The applications of a host are others now, and its node hears of it.
    fn change(&mut self, world: &mut World, host: usize) {
        let count = world.random.below(MOST + 1);
        self.0[host] = (0..count).map(|number| drawn(world, number)).collect();
        world.applications_are(host, self.0[host].clone());
    }

    /// Starts all that are off. A daemon that starts knows of no state yet, and then checks.
    fn start_all(&mut self, world: &mut World) {
        for host in 0..self.0.len() {
            if world.hosts[host].process.is_some() {
                continue;
            }
            world.start(host);
            let unknown = ApplicationState::Unknown.into();
            let all = self.0[host].iter().cloned();
            let all = all.map(|told| ApplicationReport { state: unknown, ..told }).collect();
            world.applications_are(host, all);
            world.run_for(Duration::from_millis(20));
            world.applications_are(host, self.0[host].clone());
        }
    }

    /// Whether a view says exactly this.
    fn is_in(&self, world: &World, view: &HealthView) -> bool {
        let committed: usize = self.0.iter().map(Vec::len).sum();
        let says = |host: usize, told: &ApplicationReport| {
            let name = &world.hosts[host].name;
            let here = |one: &&Application| one.told.name == told.name && one.host == *name;
            let one = view.applications.iter().find(here);
            one.is_some_and(|one| !one.by_host && one.says(told, one.generation))
        };
        let all = self.0.iter().enumerate();
        view.applications.len() == committed
            && all.clone().all(|(host, told)| told.iter().all(|told| says(host, told)))
    }
}

/// Plays a story.
///
/// # Panics
/// When a promise is broken, or the view does not come to say what the hosts say.
#[must_use]
pub fn told_of_applications(seed: u64, verbose: bool) -> Told {
    let hosts = 3 + usize::try_from(seed % 4).unwrap_or(0);
    let mut world = World::new(seed, Setup { hosts, quiet: Duration::ZERO, ..Setup::default() });
    world.verbose = verbose;
    world.start_all();
    assert!(world.run_until_true(LIMIT, |world| world.is_settled()), "it is born");
    let mut said = Said(vec![Vec::new(); hosts]);
    for _ in 0..60 {
        disturb(&mut world, &mut said, hosts);
        let wait = world.random.between(5, 1_500);
        world.run_for(Duration::from_millis(wait));
    }
    let told = end(&mut world, &mut said, hosts);
    if verbose {
        world.log.iter().for_each(|line| eprintln!("{line}"));
    }
    told
}

fn disturb(world: &mut World, said: &mut Said, hosts: usize) {
    world.is_disturbed();
    let [host, other] =
        [0, 1].map(|_| usize::try_from(world.random.below(hosts as u64)).unwrap_or(0));
    match world.random.below(16) {
        0 => world.crash(host),
        1 => world.stop(host),
        2 | 3 => said.start_all(world),
        4 => world.isolate(host),
        5 if host != other => world.network.cut_both(host, other),
        6 | 7 => world.network.heal(),
        8 => {
            let (name, drained) = (world.hosts[other].name.clone(), world.random.percent(50));
            let drain = DrainHost { name, drained, reason: String::new() };
            act(world, host, act::Body::Drain(drain));
        }
        9 => {
            let to = world.hosts[other].name.clone();
            act(world, host, act::Body::Transfer(TransferLeadership { to }));
        }
        _ => said.change(world, host),
    }
}

/// All is healed and quiet: the view of every host says what each host said last.
fn end(world: &mut World, said: &mut Said, hosts: usize) -> Told {
    world.heal();
    world.checks.disturbed();
    said.start_all(world);
    world.run_for(Duration::from_secs(8));
    for host in 0..hosts {
        let name = world.hosts[host].name.clone();
        let undrain = DrainHost { name, drained: false, reason: String::new() };
        act(world, host, act::Body::Drain(undrain));
    }
    let same = |world: &mut World| {
        world.checks.disturbed();
        said.start_all(world);
        (0..hosts).all(|host| world.view_of(host).is_some_and(|view| said.is_in(world, &view)))
    };
    let done = world.run_until_true(LIMIT, same);
    let views: Vec<HealthView> = (0..hosts).filter_map(|host| world.view_of(host)).collect();
    assert!(done, "what is committed is what was said last: {said:?}\n{views:?}");
    // It stays so: other epochs may come, and none of them says anything of applications.
    let (epoch, before) = (views[0].epoch, &views[0].applications);
    world.run_for(Duration::from_secs(20));
    let later = world.view_of(0).map(|view| view.applications);
    assert_eq!(later.as_ref(), Some(before), "nothing is committed anew while nothing changes");
    Told { committed: views[0].applications.len(), epoch: epoch.get() }
}

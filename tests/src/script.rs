//! Scenario scripts: commands, then `----`, then what happened. After the interaction tests of etcd's raft.
//!
//! A script is a list of blocks divided by empty lines. `REWRITE=1` writes the transcripts anew. Times, ids and spans are
//! masked, so a transcript tells what happened
//! to each host and in which order, and stays the same when a delay changes a little.

use crate::applications::Scripted;
use crate::host::Host;
use crate::runs::settled_text;
use crate::workload::{get, put, range_all};
use crate::world::{Setup, World};
use quorate_membership::Mode;
use quorate_node::{ClientReply, ClientRequest, Promotion};
use quorate_proto::{
    Act, Acted, AskAutopilot, Assignment, Budget, ChangeSecret, DrainHost, DropAssignment,
    DropBudget, FeatureLevel, HealthEpoch, KvResponse, Levels, PromoteHost, RaiseFeatures,
    Rebalance, RemoveHost, RevokeHost, SetAssignment, SetBudget, SteerAutopilot,
    TransferLeadership, act, kv_response,
};
use std::fmt::Write as _;
use std::time::Duration;

/// How long a client of a script waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// Plays a script and returns it with the transcripts of this run.
///
/// # Panics
/// When a command cannot be read, or a promise is broken.
#[must_use]
pub fn play(script: &str) -> String {
    let world = World::new(1, Setup::default());
    let mut player = Player { world, asked: Vec::new(), applications: Scripted::default() };
    player.world.verbose = true;
    let mut out = String::new();
    for block in script.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        let commands = block.split("----").next().unwrap_or(block).trim_end();
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(commands);
        let lines: Vec<&str> = commands.lines().filter(|line| !line.starts_with('#')).collect();
        if lines.is_empty() {
            out.push('\n');
            continue;
        }
        out.push_str("\n----\n");
        for line in lines {
            let said = player.command(line.trim());
            out.push_str(&said);
        }
    }
    out
}

struct Player {
    world: World,
    asked: Vec<(String, u64)>,
    applications: Scripted,
}

fn span(text: &str) -> Duration {
    let number = |unit: &str| text.strip_suffix(unit).and_then(|number| number.parse().ok());
    let millis = number("ms").map(Duration::from_millis);
    millis
        .or_else(|| number("s").map(Duration::from_secs))
        .or_else(|| number("min").map(|minutes: u64| Duration::from_secs(60 * minutes)))
        .unwrap_or_else(|| panic!("`{text}` is no span of time"))
}

/// Masks what differs without meaning: long hexadecimal words and milliseconds.
fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let id = bare.len() >= 8 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        let time =
            bare.parse::<f64>().is_ok() && words.peek().is_some_and(|next| next.starts_with("ms"));
        if id || time {
            out.push_str(&word.replace(bare, "#"));
        } else {
            out.push_str(word);
        }
        if words.peek().is_some() {
            out.push(' ');
        }
    }
    out
}

/// How many is a matter of chance.
fn yes_no(count: u64) -> &'static str {
    if count > 0 { "some" } else { "none" }
}

impl Player {
    /// Carries out one command; what happened meanwhile, and what it says itself.
    fn command(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (first, rest) = words.split_first().expect("a command has a word");
        let mut said = String::new();
        match (*first, rest) {
            ("cluster", options) => self.cluster(options),
            ("seeds", [one, list @ ..]) => {
                let list: Vec<usize> = list.iter().map(|name| self.host(name)).collect();
                self.world.set_seeds(self.host(one), &list);
            }
            ("run", [time]) => self.world.run_for(span(time)),
            ("delay", [time]) => self.world.network.weather.delay = span(time),
            ("settle", []) => said = settled_text(&mut self.world),
            ("put" | "get", [at, key, ..]) => said = self.ask(first, at, key, rest.get(2)),
            ("ask", [verb @ ("put" | "get"), at, key, value @ ..]) => {
                let request = request(verb, key, value.first());
                let ticket = self.world.ask(self.host(at), request, 4 * PATIENCE);
                self.asked.extend(ticket.map(|ticket| (format!("{verb} {key} at {at}"), ticket)));
            }
            ("ask", ["remove", name, "at", at]) => {
                let request = ClientRequest::Act(Act { body: Some(removal(name)) });
                let ticket = self.world.ask(self.host(at), request, 4 * PATIENCE);
                self.asked.extend(ticket.map(|ticket| (words.join(" "), ticket)));
            }
            ("get-all", [at]) => said = self.answer_to(self.host(at), range_all()),
            ("put-large", [at, key]) => {
                // A megabyte: four of them are more than one answer between nodes carries.
                said = self.answer_to(self.host(at), put(key, &"x".repeat(1 << 20)));
            }
            ("replies", []) => said = self.replies(),
            ("wait-epoch", [at, epoch]) => {
                let epoch = HealthEpoch::new(epoch.parse().expect("an epoch is a number"));
                let request = ClientRequest::WaitEpoch { epoch, all_live: true };
                said = self.answer_to(self.host(at), request);
            }
            ("found", [at, "without", names @ ..]) => said = self.found_without(at, names),
            (
                "remove" | "revoke" | "transfer" | "drain" | "undrain" | "promote" | "autopilot",
                [..],
            ) => said = self.operator(first, rest),
            ("secrets", [at, secrets @ ..]) => {
                let secrets: Vec<u64> =
                    secrets.iter().map(|secret| secret.parse().expect("a number")).collect();
                self.world.set_secrets(self.host(at), &secrets);
            }
            ("rotate", [to, "at", at]) => {
                let give_up = *to == "cancel";
                let change = ChangeSecret { to: to.parse().unwrap_or(0), give_up, named: false };
                said = self.act_at(at, act::Body::Secret(change));
            }
            ("status", []) => said = self.status(),
            ("why", hosts) => said = hosts.iter().map(|at| self.why(at)).collect(),
            ("links", [at]) => said = self.links(at),
            ("births", []) => {
                said = format!("clusters founded so far: {}\n", self.world.checks.births());
            }
            ("beyond-margin", [disks]) => self.beyond_margin(disks.parse().expect("a number")),
            // Lists that share no host: two births are what the configs ask for (GENESIS H2).
            ("two-births", []) => self.world.checks.beyond_margin = true,
            (other, rest) => said = self.versions_or_fault(other, rest),
        }
        let log = self.world.log.drain(..);
        let mut lines: Vec<String> =
            log.map(|line| masked(line.get(11..).unwrap_or_default()) + "\n").collect();
        // Host by host: which of two hosts is quicker by a millisecond is no part of a story.
        lines.sort_by_key(|line| line.split(' ').next().map(str::to_owned));
        let mut out = lines.concat();
        out.push_str(&masked(&said));
        out
    }

    /// Divides a number, of which applications may never believe more.
    fn budget(&mut self, name: &str, max: &str, reserve: &str, at: &str) -> String {
        let number = |text: &str| text.parse().expect("a number");
        let (max, reserve) = (number(max), number(reserve));
        self.world.applications_share(max, reserve, Duration::from_millis(200));
        let name = name.to_owned();
        let budget = Budget { name, max, reserve, ttl_ms: 3_000, ..Budget::default() };
        self.act_at(at, act::Body::SetBudget(SetBudget { budget }))
    }

    /// Ends from outside what a host may use that is down, by the copy of another, and says so there.
    fn fence(&mut self, host: &str, at: &str) -> String {
        let frees = self.world.fenced_by_hand(self.host(host), self.host(at));
        frees.into_iter().map(|free| self.act_at(at, free)).collect()
    }

    /// What the application of each host believes that it may use.
    fn shares(&self) -> String {
        let hosts = 0..self.world.hosts.len();
        let shares = hosts.map(|host| format!("n{} {}", host + 1, self.world.believed(host)));
        shares.collect::<Vec<_>>().join(", ") + "\n"
    }

    /// Gives items to hosts, of which none may have two believers.
    fn assign(&mut self, name: &str, count: &str, rebalance: &str, at: &str) -> String {
        self.world.applications_let_go_within(Duration::from_millis(200));
        let rebalance = match rebalance {
            "eager" => Rebalance::Eager,
            "never" => Rebalance::Never,
            _ => Rebalance::Lazy,
        };
        let (name, count) = (name.to_owned(), count.parse().expect("a number"));
        let (ttl_ms, rebalance) = (3_000, rebalance.into());
        let assignment = Assignment { name, count, ttl_ms, rebalance, ..Assignment::default() };
        self.act_at(at, act::Body::SetAssignment(SetAssignment { assignment }))
    }

    /// Which items the application of each host believes to hold, with their numbers.
    fn items(&self) -> String {
        let of = |host: usize| {
            let items = self.world.items_of(host).into_iter();
            let items: Vec<String> =
                items.map(|(item, number)| format!("{item} ({number})")).collect();
            format!(
                "n{} {}",
                host + 1,
                if items.is_empty() { "-".to_owned() } else { items.join(" ") }
            )
        };
        (0..self.world.hosts.len()).map(of).collect::<Vec<_>>().join("; ") + "\n"
    }

    /// What an operator says at a host.
    fn operator(&mut self, verb: &str, words: &[&str]) -> String {
        let (body, at) = match (verb, words) {
            ("remove" | "revoke", [name, "at", at]) => {
                let name = match *name {
                    "leader" => self.world.hosts[self.host(name)].name.clone(),
                    name => name.to_owned(),
                };
                (if verb == "remove" { removal(&name) } else { revocation(&name) }, at)
            }
            ("transfer", [to, "at", at]) => {
                (act::Body::Transfer(TransferLeadership { to: (*to).to_owned() }), at)
            }
            ("drain" | "undrain", [name, "at", at, reason @ ..]) => {
                let (name, reason) = ((*name).to_owned(), reason.join(" "));
                (act::Body::Drain(DrainHost { name, drained: verb == "drain", reason }), at)
            }
            ("promote", [name, "at", at]) => {
                (act::Body::Promote(PromoteHost { name: (*name).to_owned() }), at)
            }
            ("autopilot", [verb @ ("pause" | "resume"), "at", at, reason @ ..]) => {
                let (paused, reason) = (*verb == "pause", reason.join(" "));
                (act::Body::Steer(SteerAutopilot { paused, reason }), at)
            }
            ("autopilot", ["at", at]) => (act::Body::Autopilot(AskAutopilot {}), at),
            (verb, words) => panic!("`{verb} {}` is no command", words.join(" ")),
        };
        self.act_at(at, body)
    }

    fn act_at(&mut self, at: &str, act: act::Body) -> String {
        self.answer_to(self.host(at), ClientRequest::Act(Act { body: Some(act) }))
    }

    fn cluster(&mut self, options: &[&str]) {
        let mut setup = Setup::default();
        let mut seed = 1;
        for option in options {
            let (key, value) = option.split_once('=').expect("an option is key=value");
            let number = || value.parse().expect("a number");
            match key {
                "hosts" => setup.hosts = number(),
                "seeds" => setup.seeds = number(),
                "seed" => seed = number() as u64,
                "mode" => setup.mode = value.parse::<Mode>().expect("a mode"),
                "quiet" => setup.quiet = span(value),
                "voters" => setup.settings.voters = Some(number()),
                "replace-after" => setup.settings.replace_after = span(value),
                "forget-after" => setup.settings.forget_after = Some(span(value)),
                "promote" => {
                    assert_eq!(value, "approve", "the other one is the default");
                    setup.settings.promotion = Promotion::Approve;
                }
                "zones" => setup.zones = value.split(',').map(str::to_owned).collect(),
                "witness" => setup.witness = Some(number() - 1),
                "snapshots" => setup.snapshot_every = number() as u64,
                other => panic!("`{other}` is no option of a cluster"),
            }
        }
        self.world = World::new(seed, setup);
        self.world.verbose = true;
    }

    /// `n1`, or `leader`, or `follower` for the first host that is on and does not lead.
    fn host(&self, text: &str) -> usize {
        let led = |index: &usize| {
            let process = self.world.hosts[*index].process.as_ref();
            process.map(|process| process.node.vitals().leads_in)
        };
        let mut hosts = 0..self.world.hosts.len();
        let found = match text {
            "leader" => self.world.leader(),
            "follower" => hosts.find(|one| led(one) == Some(None)),
            name => {
                name.strip_prefix('n').and_then(|number| Some(number.parse::<usize>().ok()? - 1))
            }
        };
        found.unwrap_or_else(|| panic!("`{text}` is no host"))
    }

    /// What a host tells its operator: each reason, and what helps. What the command line adds about members and links is not in it.
    fn why(&self, at: &str) -> String {
        let host = &self.world.hosts[self.host(at)];
        let Some(process) = &host.process else { return format!("{at} is off\n") };
        let status = process.node.status(self.world.now);
        let mut out = format!("{at}: {}\n", status.state.word());
        for reason in &status.reasons {
            let _ = writeln!(out, "  {}: {}\n    -> {}", reason.code, reason.text, reason.remedy);
        }
        out
    }

    /// What a host's outboxes did so far, by the peer's host.
    fn links(&mut self, at: &str) -> String {
        let host = self.host(at);
        let Some(process) = &self.world.hosts[host].process else {
            return format!("{at} is off\n");
        };
        let mut lines = Vec::new();
        for (instance, outbox) in &process.outboxes {
            let name = |host: &Host| {
                let running = host.process.as_ref()?;
                (running.instance == *instance).then(|| host.name.clone())
            };
            let name = self.world.hosts.iter().find_map(name);
            let name = name.unwrap_or_else(|| "nobody".to_owned());
            let lost = outbox.given_up();
            lines.push(format!(
                "{at} -> {name}: sent again {}, given up: expired {}, of an earlier start {}, for want of room {}\n",
                yes_no(outbox.retransmitted()),
                yes_no(lost.log_expired),
                yes_no(lost.log_lost),
                yes_no(lost.log_full),
            ));
        }
        lines.sort();
        lines.concat()
    }

    fn fault(&mut self, fault: &str, words: &[&str]) {
        let every = words == ["all"];
        let names = words.iter().filter(|word| !every && word.starts_with(['n', 'l', 'f']));
        let mut hosts: Vec<usize> = names.map(|word| self.host(word)).collect();
        if every {
            hosts = (0..self.world.hosts.len()).collect();
        }
        let world = &mut self.world;
        match (fault, &hosts[..], words) {
            ("start", hosts, _) => hosts.iter().for_each(|host| world.start(*host)),
            ("crash", hosts, _) => hosts.iter().for_each(|host| world.crash(*host)),
            ("stop-in-turn", hosts, _) => hosts.iter().for_each(|host| world.stop_in_turn(*host)),
            ("stop", hosts, _) => hosts.iter().for_each(|host| world.stop(*host)),
            ("wipe", hosts, _) => hosts.iter().for_each(|host| world.wipe(*host)),
            ("remove-data", hosts, _) => hosts.iter().for_each(|host| world.remove_data(*host)),
            ("pause", [one], [_, time]) => world.pause(*one, span(time)),
            ("stall", [one], [_, time]) => world.stall(*one, span(time)),
            ("copy-disk", [from, to], _) => world.copy_disk(*from, *to),
            ("cut", [from, to], [_, "->", _]) => world.network.set_cut(*from, *to, true),
            ("cut", [one, other], _) => world.network.cut_both(*one, *other),
            ("isolate", [one], _) => world.isolate(*one),
            ("break", [one, other], _) => world.break_between(*one, *other),
            ("drop-log-frames", [from, to], [.., count]) => {
                let count = count.parse().expect("a number of frames");
                world.network.drop_log_frames(*from, *to, count);
            }
            ("heal", [], []) => world.heal(),
            (other, ..) => panic!("`{other}` is no command"),
        }
    }

    /// Which programs hosts run, and the feature level; any other word is a fault.
    fn versions_or_fault(&mut self, first: &str, rest: &[&str]) -> String {
        match (first, rest) {
            ("budget", [name, max, reserve, "at", at]) => {
                return self.budget(name, max, reserve, at);
            }
            ("budget", ["remove", name, "at", at]) => {
                let name = (*name).to_owned();
                return self.act_at(at, act::Body::DropBudget(DropBudget { name }));
            }
            ("app", [name, state, "at", at]) => {
                let host = self.host(at);
                self.applications.say(&mut self.world, host, name, state);
            }
            ("apps", []) => return Scripted::shown(&self.world),
            ("silent", [at]) => self.world.application_is_silent(self.host(at)),
            ("shares", []) => return self.shares(),
            ("fence", [host, "at", at]) => return self.fence(host, at),
            ("assign", [name, count, rebalance, "at", at]) => {
                return self.assign(name, count, rebalance, at);
            }
            ("assign", ["remove", name, "at", at]) => {
                let name = (*name).to_owned();
                return self.act_at(at, act::Body::DropAssignment(DropAssignment { name }));
            }
            ("keeps", [at]) => self.world.application_keeps_silent(self.host(at)),
            ("items", []) => return self.items(),
            ("raise", [level @ .., "at", at]) => {
                let level = level.first().map_or(0, |it| it.parse().expect("a level"));
                return self.act_at(at, act::Body::RaiseFeatures(RaiseFeatures { level }));
            }
            ("program", [highest, hosts @ ..]) => self.install(highest, hosts),
            ("feature", []) => return self.feature(),
            (fault, hosts) => self.fault(fault, hosts),
        }
        String::new()
    }

    /// From their next start on hosts run a program that can run the levels up to this one.
    fn install(&mut self, highest: &str, hosts: &[&str]) {
        let level = FeatureLevel::new(highest.parse().expect("a level"));
        self.world.checks.disturbed();
        for host in hosts {
            let host = self.host(host);
            let host = &mut self.world.hosts[host];
            host.software = format!("0.{highest}.0");
            host.levels = Levels::new(FeatureLevel::BASE, level);
            host.halted = None;
        }
    }

    /// The feature level as each host knows it.
    fn feature(&self) -> String {
        let mut out = String::new();
        for host in &self.world.hosts {
            let Some(process) = &host.process else {
                let why = host.halted.as_ref().map_or(String::new(), |why| format!(": {why}"));
                let _ = writeln!(out, "{}: off{why}", host.name);
                continue;
            };
            let feature = process.node.status(self.world.now).feature;
            let level = feature.level.map_or("not known".to_owned(), |level| level.to_string());
            let behind = feature.behind.map_or(String::new(), |behind| format!(" ({behind})"));
            let _ = writeln!(out, "{}: {level}{behind}", host.name);
        }
        out
    }

    fn ask(&mut self, verb: &str, at: &str, key: &str, value: Option<&&str>) -> String {
        self.answer_to(self.host(at), request(verb, key, value))
    }

    fn answer_to(&mut self, at: usize, request: ClientRequest) -> String {
        self.reply_to(at, request).map_or_else(str::to_owned, |reply| reply_text(&reply))
    }

    fn reply_to(&mut self, at: usize, request: ClientRequest) -> Result<ClientReply, &'static str> {
        let ticket = self.world.ask(at, request, PATIENCE).ok_or("nobody listens\n")?;
        let mut reply = None;
        self.world.run_until_true(PATIENCE * 2, |world| {
            reply = world.take_reply(ticket);
            reply.is_some()
        });
        reply.ok_or("no reply\n")
    }

    /// An operator is shown what it means that the founding does without these, and says that it is meant.
    fn found_without(&mut self, at: &str, names: &[&str]) -> String {
        let (at, without) = (self.host(at), names.iter().map(ToString::to_string));
        let without: Vec<String> = without.collect();
        let ask = |shown| ClientRequest::Waive { without: without.clone(), shown };
        match self.reply_to(at, ask(None)) {
            Ok(ClientReply::Waived(waived)) => self.answer_to(at, ask(Some(waived.lives))),
            Ok(other) => reply_text(&other),
            Err(none) => none.to_owned(),
        }
    }

    fn replies(&mut self) -> String {
        let mut out = String::new();
        for (what, ticket) in std::mem::take(&mut self.asked) {
            match self.world.take_reply(ticket) {
                Some(reply) => {
                    let _ = write!(out, "{what}: {}", reply_text(&reply));
                }
                None => {
                    let _ = writeln!(out, "{what}: no reply yet");
                    self.asked.push((what, ticket));
                }
            }
        }
        out
    }

    /// From here on more founder disks are lost at one time than the margin says is safe, or the alarm had been
    /// raised before: only then may there be a second birth.
    fn beyond_margin(&mut self, disks: u32) {
        let alarmed = self.world.told.iter().any(|told| told.ends_with(" margin"));
        let running = self.world.hosts.iter().filter_map(|host| host.process.as_ref());
        let margins = running.filter_map(|process| process.node.status(self.world.now).margin);
        let least = margins.map(|margin| margin.disks).min().unwrap_or(u32::MAX);
        assert!(alarmed || disks > least, "within the margin of {least} there is one birth");
        assert!(least > 0 || alarmed, "a margin of {least} raises the alarm before a disk is lost");
        self.world.checks.beyond_margin = true;
    }

    fn status(&self) -> String {
        let mut out = String::new();
        for host in &self.world.hosts {
            let Some(process) = &host.process else {
                let why = host.halted.as_ref().map_or(String::new(), |why| format!(": {why}"));
                let _ = writeln!(out, "{}: off{why}", host.name);
                continue;
            };
            let status = process.node.status(self.world.now);
            let _ = write!(out, "{}: {}", host.name, status.state.word());
            let members = status.view.members.iter();
            for member in members {
                let _ = write!(
                    out,
                    " {}={}/{}",
                    member.name,
                    member.state().word(),
                    member.role().word()
                );
            }
            if let Some(margin) = status.margin {
                let alarm = if margin.alarm { ", alarm" } else { "" };
                let _ = write!(out, ", margin {}{alarm}", margin.disks);
            }
            for reason in &status.reasons {
                let subject =
                    reason.subject.as_ref().map_or(String::new(), |name| format!("({name})"));
                let _ = write!(out, ", {}{subject}", reason.code);
            }
            out.push('\n');
        }
        out
    }
}

fn request(verb: &str, key: &str, value: Option<&&str>) -> ClientRequest {
    if verb == "put" { put(key, value.map_or("", |value| *value)) } else { get(key) }
}

fn removal(name: &str) -> act::Body {
    act::Body::Remove(RemoveHost { name: name.to_owned(), instance: None })
}

fn revocation(name: &str) -> act::Body {
    act::Body::Revoke(RevokeHost { name: name.to_owned(), instance: None })
}

fn reply_text(reply: &ClientReply) -> String {
    match reply {
        ClientReply::Kv(KvResponse { response: Some(kv_response::Response::Range(range)) }) => {
            let short = range.kvs.iter().filter(|kv| kv.value.len() < 100);
            let found: Vec<_> =
                short.map(|kv| String::from_utf8_lossy(&kv.value).into_owned()).collect();
            format!("found {}: {found:?}\n", range.kvs.len())
        }
        ClientReply::Kv(_) => "done\n".to_owned(),
        ClientReply::Epoch(epoch) => format!("every live node has epoch {epoch}\n"),
        ClientReply::Acted(Acted { autopilot: Some(report), .. }) => {
            let mut out = format!("{} voters ({})\n", report.target, report.rule);
            let _ = writeln!(out, "does {}: {}", report.does, report.why);
            for change in &report.would_change {
                let _ = writeln!(out, "  until {change}");
            }
            out
        }
        ClientReply::Acted(acted) => format!("{}\n", acted.text),
        ClientReply::Recovering(answer) => format!("{answer:?}\n"),
        ClientReply::Waived(waived) => {
            let (there, without) = (waived.there.join(" "), waived.without.join(" "));
            format!("{there} found without {without}\n")
        }
        ClientReply::Refused(refusal) => format!("refused: {}\n", refusal.text),
    }
}

//! Formation on real hosts: systemd, own disks and addresses, quiet time on, the installer's own files.
//!
//! Each host starts the unit at the same appointed moment and asks for a write until it is acknowledged; all read the
//! one wall clock that they share. From the last start to the first acknowledgement, with the command line's own time.

use crate::Settings;
use crate::report::{Of, Question, Target};
use quorate_tests::outside::processes::Scratch;
use quorate_tests::outside::series::Series;
use quorate_tests::outside::trouble::Trouble;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

const HOSTS: usize = 3;
/// Where hosts see what was staged for them.
const STAGED: &str = "/opt/quorate";
/// From the order to the appointed moment: above the time that all shells on the hosts need to begin.
const AHEAD: Duration = Duration::from_secs(3);
/// Attempts of each host's client, of at most five seconds each.
const ATTEMPTS: usize = 200;

struct Hosts {
    tool: PathBuf,
    name: String,
    // Kept until the hosts are gone: it holds what they see at `STAGED`.
    _stage: Scratch,
}

pub(crate) fn run(settings: &Settings) -> Result<Vec<Question>, Trouble> {
    let hosts = Hosts::boot(settings)?;
    let mut questions = Vec::new();
    for (name, up, limit) in [("all three up", 3, 2000.0), ("one of three never up", 2, 6000.0)] {
        let mut series = Series::new("quorate", "ms");
        for run in 0..settings.runs {
            let took = hosts.form(up)?;
            settings.tell(format!("hosts-formation, {name}, {run}: {took:.0} ms"));
            series.add(took);
        }
        let title = format!(
            "Formation on hosts with systemd, {name}, last start to first acknowledged write"
        );
        questions.push(
            Question::new(title, vec![series])
                .target(Target::Below(Of::Median, limit))
                .target(Target::Below(Of::Worst, limit)),
        );
    }
    Ok(questions)
}

impl Hosts {
    /// Boots three hosts and installs quorate on them, not started.
    fn boot(settings: &Settings) -> Result<Self, Trouble> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let stage = Scratch::new(&settings.directory)?;
        fill_the_stage(settings, &tests.join("../systemd"), stage.path())?;
        let bind = format!("{}:{STAGED}", stage.path().display());
        let name = format!("qb{}", std::process::id());
        let hosts = Self { tool: tests.join("hosts/hosts"), name, _stage: stage };
        hosts.order(&["up", &HOSTS.to_string(), "--bind", &bind])?;
        let install = format!(
            "{STAGED}/install.sh {STAGED}/quorate && \
             install -m 644 {STAGED}/bench.toml /etc/quorate/quorate.toml && \
             install -m 600 {STAGED}/secret /etc/quorate/secret && sync"
        );
        for host in 1..=HOSTS {
            hosts.shell(host, &install)?;
        }
        Ok(hosts)
    }

    /// One birth of a new cluster on the first `up` hosts, in milliseconds.
    fn form(&self, up: usize) -> Result<f64, Trouble> {
        for host in 1..=HOSTS {
            self.shell(
                host,
                "systemctl stop quorate; rm -rf /var/lib/quorate /var/lib/quorate.birth; sync",
            )?;
        }
        let moment = SystemTime::now() + AHEAD;
        let since_1970 = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let script = format!(
            "sleep $(awk -v t={}.{:09} -v n=$(date +%s.%N) 'BEGIN {{ print (t > n) ? t - n : 0 }}'); \
             s=$(date +%s%N); systemctl start quorate; n=0; \
             until quorate put bench bench --timeout 5s >/dev/null 2>&1; do \
             n=$((n+1)); [ $n -lt {ATTEMPTS} ] || exit 1; done; echo $s $(date +%s%N)",
            since_1970.as_secs(),
            since_1970.subsec_nanos(),
        );
        let answers = std::thread::scope(|scope| {
            let script = &script;
            let clients: Vec<_> =
                (1..=up).map(|host| scope.spawn(move || self.shell(host, script))).collect();
            let ended = clients.into_iter().map(|client| client.join().expect("it does not panic"));
            ended.collect::<Result<Vec<String>, Trouble>>()
        })?;
        let mut last_start = 0;
        let mut first_write = u128::MAX;
        for answer in answers {
            let numbers: Vec<u128> =
                answer.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            let &[start, write] = &numbers[..] else {
                return Err(Trouble::Answer { from: "a host".to_owned(), text: answer });
            };
            last_start = last_start.max(start);
            first_write = first_write.min(write);
        }
        #[allow(clippy::cast_precision_loss, reason = "seconds, in nanoseconds")]
        let nanos = first_write.saturating_sub(last_start) as f64;
        Ok(nanos / 1e6)
    }

    fn shell(&self, host: usize, script: &str) -> Result<String, Trouble> {
        self.order(&["exec", &host.to_string(), "--", "sh", "-c", script])
    }

    fn order(&self, order: &[&str]) -> Result<String, Trouble> {
        let command = format!("hosts {}", order.join(" "));
        let done = Command::new(&self.tool)
            .args(["-n", &self.name])
            .args(order)
            .output()
            .map_err(Trouble::at(command.clone()))?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        if done.status.success() {
            return Ok(text);
        }
        Err(Trouble::Command { command, text: text + &String::from_utf8_lossy(&done.stderr) })
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        if let Err(trouble) = self.order(&["down"]) {
            eprintln!("bench: {trouble}");
        }
    }
}

/// The daemon, the shipped files, and the two that are the same on every host.
fn fill_the_stage(settings: &Settings, systemd: &Path, stage: &Path) -> Result<(), Trouble> {
    let doing = || Trouble::at("preparing files for the hosts");
    fs::copy(&settings.quorate, stage.join("quorate")).map_err(doing())?;
    for entry in fs::read_dir(systemd).map_err(doing())? {
        let entry = entry.map_err(doing())?;
        // What is for those who watch is in a directory of its own, and installed nowhere.
        if entry.path().is_file() {
            fs::copy(entry.path(), stage.join(entry.file_name())).map_err(doing())?;
        }
    }
    let seeds: Vec<String> = (1..=HOSTS).map(|host| format!("\"10.77.0.{host}\"")).collect();
    let config = format!("cluster = \"bench\"\nseeds = [{}]\n", seeds.join(", "));
    fs::write(stage.join("bench.toml"), config).map_err(doing())?;
    fs::write(stage.join("secret"), quorate_tests::outside::layout::secret(&settings.quorate)?)
        .map_err(doing())
}

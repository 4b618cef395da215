//! `quorate.toml` (the same on every host) and `host.toml` (what differs), parsed once and trusted from then on.
//!
//! Invariant: a [`Config`] that exists is valid: every key was known, of its type, and within its rule. Every refusal names
//! file, key, value, rule and remedy. Reads no clock and no network; the environment is an argument.

mod applications;
mod autopilot;
mod changes;
mod error;
mod host_file;
mod keys;
mod log_level;
mod oddities;
mod report;
mod secret_file;
mod seed_list;
#[cfg(test)]
mod tests;

pub(crate) use error::ConfigError;
pub(crate) use host_file::{HostConfig, HostRole, host_file};
pub(crate) use report::check_config;
pub(crate) use secret_file::{parse as parse_secrets, secret_source_is_there};

use crate::definitions::Directories;
use keys::Keys;
use quorate_membership::Mode;
use quorate_node::Settings;
use quorate_proto::ClusterName;
use quorate_transport::Secret;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The port between nodes, and of a seed that names none.
pub(crate) const PORT: u16 = 4747;
/// Where the config is looked for.
pub(crate) const DEFAULT_PATH: &str = "/etc/quorate/quorate.toml";
/// Where the applications of this host are defined.
const APPS: &str = "/etc/quorate/apps.d";
const BUDGETS: &str = "/etc/quorate/budgets.d";
const ASSIGNMENTS: &str = "/etc/quorate/assignments.d";
/// Twice the interval at which members probe seeds (GENESIS rules 7 and 20): a living cluster can veto in time.
const QUIET: Duration = Duration::from_secs(1);
/// GENESIS rule 8: long enough for hosts that are started together, short enough to wait for.
const GRACE: Duration = Duration::from_secs(3);
/// Beyond this a wait for the rest is a mistake in the unit.
const MAX_GRACE: Duration = Duration::from_secs(3600);
/// `sun_path` of unix(7) has 108 bytes, the last of which is zero.
const MAX_SOCKET: usize = 107;

/// In the runtime directory: what the unit keeps there for who runs without the credentials of the service.
const RELOADED: &str = "farewell";

/// Every key of `quorate.toml`.
pub(crate) const KEYS: &[&str] = &[
    "cluster",
    "seeds",
    "seeds_file",
    "secret_file",
    "data_dir",
    "birth_dir",
    "apps_dir",
    "budgets_dir",
    "assignments_dir",
    "listen",
    "founding",
    "founding_grace",
    "voters",
    "replace_after",
    "forget_after",
    "promote",
    "dev",
    "client.socket",
    "client.tcp",
    "client.keyspace_on_tcp",
    "client.monitor_socket",
    "log.level",
    "log.format",
];

/// A checked configuration.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The file it was read from.
    pub(crate) file: PathBuf,
    /// Cluster name.
    pub(crate) cluster: ClusterName,
    /// 1 to 7 seeds as `host:port`, lower case, in the order written.
    pub(crate) seeds: Vec<String>,
    /// Where the secret was read from.
    pub(crate) secret_file: PathBuf,
    /// One, or two while it is rotated: the first issues, all are trusted.
    pub(crate) secrets: Vec<Secret>,
    /// The data directory.
    pub(crate) data_dir: PathBuf,
    /// The directory of the marker.
    pub(crate) birth_dir: PathBuf,
    /// The directory of the applications' files.
    pub(crate) apps_dir: PathBuf,
    /// The directories of the files that define budgets and assignments.
    pub(crate) definitions: Directories,
    /// The UDP address between nodes.
    pub(crate) listen: SocketAddr,
    /// Founding mode.
    pub(crate) founding: Mode,
    /// How long a majority waits for the rest.
    pub(crate) founding_grace: Duration,
    /// What the node is told as a whole; what `host.toml` says of it is in `host`.
    pub(crate) settings: Settings,
    /// A development cluster: no quiet time.
    pub(crate) dev: bool,
    /// The local doors.
    pub(crate) client: ClientConfig,
    /// The journal.
    pub(crate) log: LogConfig,
    /// What differs between hosts.
    pub(crate) host: HostConfig,
}

/// Whose data lie where: all that is needed of a configuration to forget them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// Cluster name.
    pub(crate) cluster: ClusterName,
    /// The data directory.
    pub(crate) data_dir: PathBuf,
    /// The directory of the marker; never below the data.
    pub(crate) birth_dir: PathBuf,
}

/// The local doors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientConfig {
    /// The unix socket.
    pub(crate) socket: PathBuf,
    /// The TCP address; none = off.
    pub(crate) tcp: Option<SocketAddr>,
    /// Whether the keyspace is served on TCP too.
    pub(crate) keyspace_on_tcp: bool,
    /// The socket for who may read and change nothing; none = off.
    pub(crate) monitor_socket: Option<PathBuf>,
}

/// The journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogConfig {
    /// A filter as `tracing` reads it: `info`, `warn,quorate=debug`, ...
    pub(crate) level: String,
    /// How lines look.
    pub(crate) format: LogFormat,
}

/// How journal lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where systemd says where the files of `LoadCredential` are.
pub(crate) const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// What the config takes from the process's surroundings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// `$CREDENTIALS_DIRECTORY`, set by systemd's `LoadCredential`.
    pub(crate) credentials: Option<PathBuf>,
    /// `$STATE_DIRECTORY`, set by systemd's `StateDirectory`; several are divided by colons.
    pub(crate) state: Option<String>,
    /// The host's name.
    pub(crate) hostname: String,
    /// Whether the kernel makes IPv6 sockets. They serve IPv4 too.
    pub(crate) ipv6: bool,
    /// The file of which systemd hands a copy over as the secret.
    pub(crate) secret_source: Option<PathBuf>,
    /// Where the unit puts a newer copy of it when it is reloaded: what systemd handed over stays as it was at the start.
    pub(crate) reloaded: Option<PathBuf>,
}

impl Environment {
    /// That of this process.
    pub(crate) fn of_process() -> Self {
        Self {
            credentials: std::env::var_os(CREDENTIALS).map(PathBuf::from),
            state: std::env::var("STATE_DIRECTORY").ok().filter(|text| !text.is_empty()),
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            ipv6: quorate_transport::has_ipv6(),
            secret_source: Some(secret_file::DEFAULT.into()),
            // The first where there are several, divided by colons: the unit's own.
            reloaded: std::env::var("RUNTIME_DIRECTORY")
                .ok()
                .and_then(|all| Some(PathBuf::from(all.split(':').next()?).join(RELOADED))),
        }
    }

    /// The same for a reading while the daemon runs: with the newer copy of the secret, where the unit has made one.
    pub(crate) fn of_reload(&self) -> Self {
        let newer = self.reloaded.as_ref().filter(|directory| directory.join("secret").exists());
        let credentials = self.credentials.as_ref().map(|of_start| newer.unwrap_or(of_start));
        Self { credentials: credentials.cloned(), ..self.clone() }
    }

    /// The state directory for data, or the one for the marker.
    fn state_dir(&self, birth: bool) -> Option<PathBuf> {
        let mut directories = self.state.as_deref()?.split(':');
        directories.find(|path| path.ends_with(".birth") == birth).map(PathBuf::from)
    }
}

impl Config {
    /// Reads and checks both files. `host_file` is `host.toml` beside `path` when not given; it may be missing
    /// then.
    ///
    /// # Errors
    /// At the first thing that is wrong.
    pub(crate) fn load(
        path: &Path,
        host_file: Option<&Path>,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let keys = Keys::read(path, KEYS, &[])?;
        let Places { cluster, data_dir, birth_dir } = Places::of(&keys, environment)?;
        let seeds = seed_list::read(&keys)?;
        let listen = read_listen(&keys, environment)?;
        let host = HostConfig::load(path, host_file, environment, listen)?;
        let (secret_file, secrets) = secret_file::read(&keys, environment)?;
        Ok(Self {
            file: path.to_owned(),
            cluster,
            secret_file,
            secrets,
            data_dir,
            birth_dir,
            apps_dir: keys.path("apps_dir", None, APPS)?,
            definitions: Directories {
                budgets: keys.path("budgets_dir", None, BUDGETS)?,
                assignments: keys.path("assignments_dir", None, ASSIGNMENTS)?,
            },
            listen,
            founding: read_mode(&keys)?,
            founding_grace: keys.duration("founding_grace", GRACE, MAX_GRACE)?,
            settings: autopilot::read(&keys)?,
            dev: keys.boolean("dev")?.unwrap_or(false),
            client: read_client(&keys)?,
            log: read_log(&keys)?,
            host,
            seeds,
        })
    }

    /// How long a fresh founder listens before it proposes (GENESIS rule 7): nothing only in development, or
    /// when listener and seeds are all on loopback.
    pub(crate) fn quiet(&self) -> Duration {
        let loopback = self.listen.ip().is_loopback()
            && self.seeds.iter().all(|seed| seed_list::is_loopback(seed));
        if self.dev || loopback { Duration::ZERO } else { QUIET }
    }
}

impl Places {
    /// Reads them, whatever else the file says that is no unknown key.
    ///
    /// # Errors
    /// At the first thing that is wrong.
    pub(crate) fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        Self::of(&Keys::read(path, KEYS, &[])?, environment)
    }

    fn of(keys: &Keys, environment: &Environment) -> Result<Self, ConfigError> {
        let cluster = keys.required(
            "cluster",
            "a name for the cluster is needed",
            "add for example `cluster = \"prod\"`",
        )?;
        let cluster = keys.name("cluster", &cluster, ClusterName::new)?;
        let data_dir = keys.path("data_dir", environment.state_dir(false), "/var/lib/quorate")?;
        let birth_dir =
            keys.path("birth_dir", environment.state_dir(true), "/var/lib/quorate.birth")?;
        if !birth_dir.starts_with(&data_dir) {
            return Ok(Self { cluster, data_dir, birth_dir });
        }
        // It would be lost together with the data.
        Err(keys.wrong(
            "birth_dir",
            &birth_dir.display().to_string(),
            "the marker must lie outside `data_dir`, or it is lost together with the data",
            "set another directory, for example `birth_dir = \"/var/lib/quorate.birth\"`",
        ))
    }
}

/// Both address families where there are two: nobody can know from here which of them a name of a seed will lead to.
fn read_listen(keys: &Keys, environment: &Environment) -> Result<SocketAddr, ConfigError> {
    let text = keys.text("listen")?.unwrap_or_else(|| "[::]:4747".into());
    let address = keys.address("listen", &text, PORT)?;
    // `[::]` is "all addresses", also where the kernel has those of one family only.
    if address.is_ipv6() && address.ip().is_unspecified() && !environment.ipv6 {
        return Ok(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()));
    }
    Ok(address)
}

fn read_mode(keys: &Keys) -> Result<Mode, ConfigError> {
    let Some(text) = keys.text("founding")? else { return Ok(Mode::default()) };
    text.parse().map_err(|_| {
        keys.wrong(
            "founding",
            &text,
            "must be `majority` or `durable`",
            "`majority` needs no hand; `durable` founds only when enough disks are there that losing some cannot found a second cluster",
        )
    })
}

fn read_client(keys: &Keys) -> Result<ClientConfig, ConfigError> {
    let tcp = keys.text("client.tcp")?.unwrap_or_else(|| "127.0.0.1:4748".into());
    let tcp = if tcp == "off" { None } else { Some(keys.address("client.tcp", &tcp, 4748)?) };
    if let Some(tcp) = tcp
        && !is_loopback(tcp.ip())
    {
        return Err(keys.wrong(
            "client.tcp",
            &tcp.to_string(),
            "must be a loopback address: this door asks nobody who they are",
            "use `127.0.0.1:4748`, or `off`",
        ));
    }
    let keyspace_on_tcp = keys.boolean("client.keyspace_on_tcp")?.unwrap_or(false);
    if keyspace_on_tcp && tcp.is_none() {
        return Err(keys.wrong(
            "client.keyspace_on_tcp",
            "true",
            "needs `client.tcp`, which is `off`",
            "remove one of the two",
        ));
    }
    let socket = read_socket(keys, "client.socket", "/run/quorate/quorate.sock")?;
    let monitor_socket = match keys.text("client.monitor_socket")? {
        Some(path) if path != "off" => Some(read_socket(keys, "client.monitor_socket", "")?),
        _ => None,
    };
    if monitor_socket.as_ref() == Some(&socket) {
        return Err(keys.wrong(
            "client.monitor_socket",
            &socket.display().to_string(),
            "must differ from `client.socket`, which serves the keyspace too",
            "use `/run/quorate-monitor/quorate.sock`, or `off`",
        ));
    }
    Ok(ClientConfig { socket, tcp, keyspace_on_tcp, monitor_socket })
}

fn read_socket(keys: &Keys, key: &str, default: &str) -> Result<PathBuf, ConfigError> {
    let socket = keys.path(key, None, default)?;
    let length = socket.as_os_str().len();
    if length > MAX_SOCKET {
        return Err(keys.wrong(
            key,
            &socket.display().to_string(),
            &format!("is {length} bytes long, and the path of a socket at most {MAX_SOCKET}"),
            "choose a shorter path",
        ));
    }
    Ok(socket)
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn read_log(keys: &Keys) -> Result<LogConfig, ConfigError> {
    let format = match keys.text("log.format")?.as_deref() {
        None | Some("text") => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some(other) => {
            return Err(keys.wrong("log.format", other, "must be `text` or `json`", "choose one"));
        }
    };
    Ok(LogConfig { level: log_level::read(keys)?, format })
}

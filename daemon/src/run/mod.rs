//! `quorate run`: opens what the node stands on, in the order in which it can fail without harm, runs the loop,
//! and closes everything again.
//!
//! The data directory comes first (it says who we are, and locks), then the socket for people, then the network.
//! READY is said once the daemon serves locally; being quorate is another matter.

pub(crate) mod last_error;
mod late_address;
mod reload;

use crate::api;
use crate::cli::RunOptions;
use crate::clock::{self, Started};
use crate::config::{Config, Environment};
use crate::disk::{self, Completed, DataDir, KnownName, SnapshotKeeper, Writer};
use crate::doors::crowds::Crowds;
use crate::doors::feed::{EventRing, Feed};
use crate::doors::{CALLS, Closing, Doors, SharedLinks, TurnedAway};
use crate::journal;
use crate::shell::executor::{Carrier, Ended, Hands};
use crate::shell::own_slot::OwnHost;
use crate::shell::service::Service;
use crate::shell::turns::{Loop, Sources};
use quorate_meta::Meta;
use quorate_node::{Boot, MadeOn, Node, NodeConfig, Output, RecoveredLog};
use quorate_proto::{
    FoundingState, GenesisId, Hello, HelloKind, NodeName, founders_digest, limits, short_hash,
};
use quorate_transport::{NodeKeyPair, Transport, TransportConfig};
use reload::Reload;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Inputs that wait for the loop: a full lane of frames from each of many peers. Full means that the loop is
/// overrun: the lanes then wait, and so do their senders.
const INPUTS: usize = 8_192;
/// Entries between two snapshots: a replay of so many takes well below a second.
const SNAPSHOT_EVERY: u64 = 50_000;
/// `quorate farewell` may delay a restart by this at most.
const FAREWELL: Duration = Duration::from_millis(300);
/// The exit code of a daemon that must not be started again before somebody has done what it says; all else that fails has 1.
/// None of those to which systemd gives names of its own (systemd.exec(5)); `quorate.service` knows it.
const OPERATOR: u8 = 10;
/// How long the clients of the doors may take their last answers at a stop.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// Runs the daemon.
pub(crate) fn run(options: &RunOptions) -> ExitCode {
    let environment = Environment::of_process();
    let config = match Config::load(&options.config, options.host.as_deref(), &environment) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    if let Err(error) = journal::start(&config.log) {
        return refuse(&error);
    }
    for note in config.without_effect() {
        tracing::warn!("{note}");
    }
    let socket = config.client.socket.clone();
    // One thread for loop and network, so that a frame goes through without waking anybody; the doors have their
    // own, so that no client's answer, however large, delays a heartbeat.
    let inner = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let doors = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("doors")
        .enable_all()
        .build();
    let ended = match (inner, doors) {
        (Ok(inner), Ok(doors)) => {
            // As a task: what wakes the future of `block_on` itself costs the runtime one more look at its sockets.
            let reload = Reload::new(config.clone(), options.host.clone(), environment.clone());
            let serving = serve(config, environment, reload, doors.handle().clone());
            let serving = inner.spawn(serving);
            let ended = inner.block_on(serving).unwrap_or_else(|panic| {
                std::panic::resume_unwind(panic.into_panic());
            });
            doors.shutdown_background();
            ended
        }
        (Err(error), _) | (_, Err(error)) => return refuse(&error),
    };
    match ended {
        Ok(Ended::Stopped) => {
            journal::flush();
            last_error::forget(&socket);
            ExitCode::SUCCESS
        }
        Ok(Ended::Halted { reason, again }) => {
            last_error::note(&socket, &reason);
            let code = refuse(&format_args!("halted: {reason}"));
            if again { code } else { ExitCode::from(OPERATOR) }
        }
        Err(error) => {
            last_error::note(&socket, &error.to_string());
            let code = refuse(&error);
            if error.needs_operator() { ExitCode::from(OPERATOR) } else { code }
        }
    }
}

fn refuse(error: &dyn std::fmt::Display) -> ExitCode {
    journal::last_words(&error.to_string());
    ExitCode::FAILURE
}

/// Why the daemon could not start; the texts name the thing and the remedy.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Disk(#[from] disk::DiskError),
    #[error(transparent)]
    Bind(#[from] quorate_transport::BindError),
    #[error("cannot open the door for local programs: {0}")]
    Door(String),
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
    #[error("cannot start: the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl StartError {
    /// Whether every other start would fail like this one until somebody has done something about it.
    fn needs_operator(&self) -> bool {
        matches!(self, Self::Disk(error) if error.needs_operator())
    }
}

/// What the data directory held.
struct OpenedDisk {
    dir: DataDir,
    founding: FoundingState,
    marker: Option<GenesisId>,
    recovered: disk::Recovered<Meta>,
}

fn open_disk(config: &Config) -> Result<OpenedDisk, StartError> {
    let opened = disk::open(&config.data_dir, &config.birth_dir, &config.cluster)?;
    opened.dir.check_name(&config.host.name)?;
    let restore =
        |pieces: disk::Pieces<'_>| Meta::restore(pieces).map_err(|error| error.to_string());
    let recovered = disk::recover(&opened.dir, &opened.founding, restore)?;
    for note in &recovered.notes {
        tracing::warn!("{note}");
    }
    let (instance, generation) = (opened.dir.identity().instance, opened.dir.generation());
    let generation = generation.get();
    tracing::info!(%instance, generation, fresh = opened.fresh, "data directory opened");
    Ok(OpenedDisk { dir: opened.dir, founding: opened.founding, marker: opened.marker, recovered })
}

fn hello(config: &Config, dir: &DataDir, boot_nonce: u64, genesis: Option<GenesisId>) -> Hello {
    Hello {
        protocol_min: limits::PROTOCOL_MIN,
        protocol_max: limits::PROTOCOL_MAX,
        kind: HelloKind::Node.into(),
        cluster: config.cluster.to_string(),
        genesis,
        instance: dir.identity().instance,
        generation: dir.generation(),
        boot_nonce,
        name: config.host.name.to_string(),
        digest: founders_digest(&config.cluster, &config.seeds, &config.founding.to_string()),
        seeds: config.seeds.clone(),
        advertise: config.host.advertise.map(Into::into),
        software: env!("CARGO_PKG_VERSION").to_owned(),
        moved: dir.made_on() == MadeOn::Another,
        voters: Hello::voters_asked(config.voters),
    }
}

fn transport_config(config: &Config, key_seed: [u8; 32]) -> TransportConfig {
    TransportConfig {
        bind: config.listen,
        cluster: config.cluster.clone(),
        secrets: config.secrets.clone(),
        key: NodeKeyPair::from_seed(key_seed),
        timings: quorate_transport::Timings::default(),
    }
}

fn node_config(config: &Config, dir: &DataDir, boot_nonce: u64) -> NodeConfig {
    let instance = dir.identity().instance;
    NodeConfig {
        cluster: config.cluster.clone(),
        name: config.host.name.clone(),
        seeds: config.seeds.clone(),
        mode: config.founding,
        quiet: config.quiet(),
        grace: config.founding_grace,
        instance,
        made_on: dir.made_on(),
        generation: dir.generation(),
        boot_nonce,
        key: NodeKeyPair::from_seed(dir.identity().key_seed).public(),
        advertise: config.host.advertise,
        labels: config.host.labels.clone(),
        voters: config.voters,
        seed: short_hash(&[&boot_nonce.to_be_bytes(), &instance.to_bytes()]),
        snapshot_every: SNAPSHOT_EVERY,
    }
}

/// The channels into the loop.
struct Channels {
    results: mpsc::Sender<quorate_node::Input>,
    calls: mpsc::Sender<crate::doors::Call>,
    sources: Sources,
    transport: mpsc::Sender<quorate_transport::TransportEvent>,
    disk: mpsc::UnboundedSender<Completed>,
}

fn channels() -> Result<Channels, StartError> {
    let (transport, events) = mpsc::channel(INPUTS);
    let (results, results_in) = mpsc::channel(INPUTS);
    let (calls, calls_in) = mpsc::channel(CALLS);
    // One completion per write under way; the writer's own queue bounds them.
    let (disk, disk_in) = mpsc::unbounded_channel();
    let (ask_stop, stop) = mpsc::channel(1);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        loop {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            let _ = ask_stop.try_send(());
        }
    });
    let sources = Sources { events, results: results_in, calls: calls_in, disk: disk_in, stop };
    Ok(Channels { results, calls, sources, transport, disk })
}

async fn serve(
    config: Config,
    environment: Environment,
    reload: Reload,
    threads: Handle,
) -> Result<Ended, StartError> {
    // First of all: from here on a SIGHUP ends nothing.
    reload.spawn()?;
    let OpenedDisk { dir, founding, marker, recovered } = open_disk(&config)?;
    late_address::wait_for(config.listen, &config.client.socket).await;
    let (unix, tcp) = open_doors(&config, &threads).await?;
    let channels = channels()?;
    let note = running_note(&config);
    let boot_nonce = draw_nonce(&dir, &note)?;
    let genesis = founding.known_genesis().or(marker);
    let hello = hello(&config, &dir, boot_nonce, founding.known_genesis());
    let binding = transport_config(&config, dir.identity().key_seed);
    let transport = Transport::bind(binding, hello.clone(), channels.transport)?;
    say_where(&transport, &environment);
    let writer = Writer::spawn(&dir, recovered.log, report_to(channels.disk))?;
    let snapshots = Arc::new(SnapshotKeeper::spawn(&dir)?);
    let names = [environment.hostname.as_str(), config.host.name.as_str()];
    let own = OwnHost::of_this_machine(config.listen, config.host.advertise, &names)?;
    let (feed, events) = (Feed::new(clock::wall_unix_ms()), EventRing::new());
    let crowds = Crowds::default();
    let hands = Hands {
        transport: transport.clone(),
        hello,
        writer,
        snapshots,
        results: channels.results,
        feed: feed.clone(),
        events: events.clone(),
        seeds: config.seeds.clone(),
        own,
        genesis,
        crowds: crowds.clone(),
    };
    let log = recovered.group.map(log_of);
    let boot = Boot { config: node_config(&config, &dir, boot_nonce), founding, marker, log };
    let (node, first) = Node::start(clock::now(), clock::wall_unix_ms(), boot);
    let (show, status) = watch::channel(Arc::new(node.status(clock::now())));
    threads.spawn(note_name(status.clone(), dir.known_name()));
    let (keep_open, closing) = Closing::new();
    let doors = Doors {
        calls: channels.calls,
        status,
        feed,
        events,
        keyspace: config.client.keyspace_on_tcp,
        unix: false,
        started: Started::now(clock::now()),
        turned_away: TurnedAway::of(&transport),
        places: [config.data_dir.clone(), disk::snapshots_of(&dir)],
        closing,
        links: SharedLinks::default(),
        crowds,
        body_patience: api::BODY_PATIENCE,
    };
    let open = serve_doors(unix, tcp, &doors, names, &threads);
    last_error::forget(&config.client.socket);
    let ended = run_loop(node, first, Carrier::new(hands), show, channels.sources).await;
    drop(keep_open);
    tokio::join!(transport.close("stopping"), close_doors(open));
    if ended == Ended::Stopped {
        // The goodbye is said. Where this fails it is said once more, which does no harm.
        let _ = std::fs::remove_file(&note);
    }
    Ok(ended)
}

fn report_to(disk: mpsc::UnboundedSender<Completed>) -> Box<dyn Fn(Completed) + Send> {
    Box::new(move |completed| _ = disk.send(completed))
}

/// A replica as the disk has it, for the node.
fn log_of(group: disk::RecoveredGroup<Meta>) -> RecoveredLog {
    let disk::RecoveredGroup { hard_state, snapshot, entries, reset } = group;
    RecoveredLog { hard_state, snapshot, entries, reset }
}

/// Everybody who comes to a door is served on its threads. `names` are this host's.
fn serve_doors(
    unix: api::UnixDoor,
    tcp: Option<TcpListener>,
    doors: &Doors,
    names: [&str; 2],
    threads: &Handle,
) -> Vec<JoinHandle<()>> {
    let unix = threads.spawn(api::serve_unix(unix, doors.clone()));
    let tcp = tcp.map(|listener| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        threads.spawn(api::serve_tcp(listener, doors.clone(), names))
    });
    [Some(unix), tcp].into_iter().flatten().collect()
}

/// Says on which address this node listens, and which family that leaves out.
fn say_where(transport: &Transport, environment: &Environment) {
    let address = transport.local_address();
    let (ip, port) = (address.ip(), address.port());
    let families = match (address.is_ipv6(), ip.is_unspecified()) {
        (true, true) => "IPv6 and IPv4",
        (true, false) => "IPv6 only",
        (false, _) if environment.ipv6 => "IPv4 only",
        (false, _) => "IPv4 only: this kernel has no IPv6",
    };
    tracing::info!(%ip, port, "listening on UDP, {families}");
}

/// Where it is noted which start runs: beside the socket, which ends with the machine and is in no copy of the data.
fn running_note(config: &Config) -> PathBuf {
    config.client.socket.with_extension("running")
}

/// Draws the number of this start, and notes it for the farewell.
fn draw_nonce(dir: &DataDir, note: &Path) -> Result<u64, StartError> {
    let boot_nonce = getrandom::u64().map_err(StartError::Random)?;
    if let Err(error) = dir.note_running(note, boot_nonce) {
        // A full disk must not keep a host from starting: should this start die, the others notice its silence.
        tracing::warn!(%error, "which start runs was not noted; if it crashes, nobody says goodbye for it");
    }
    Ok(boot_nonce)
}

/// Notes in the data directory under which name the cluster knows this life, once it does.
async fn note_name(mut status: watch::Receiver<Arc<quorate_node::Status>>, note: KnownName) {
    let name_in = |status: &quorate_node::Status| {
        let mut members = status.view.members.iter();
        let own = members.find(|member| member.instance == note.instance());
        own.and_then(|member| NodeName::new(&member.name).ok())
    };
    let Ok(name) = status.wait_for(|status| name_in(status).is_some()).await.map(|s| name_in(&s))
    else {
        return;
    };
    let noted = tokio::task::spawn_blocking(move || name.map_or(Ok(()), |name| note.note(&name)));
    if let Ok(Err(error)) = noted.await {
        tracing::warn!(%error, "the name of this host was not noted in the data directory");
    }
}

/// Waits until the clients of the doors have the answers that are being given, not for long.
async fn close_doors(mut open: Vec<JoinHandle<()>>) {
    let answered = async {
        for door in &mut open {
            // A door that panicked has nobody to answer.
            let _ = door.await;
        }
    };
    let _ = tokio::time::timeout(LAST_ANSWERS, answered).await;
    open.iter().for_each(JoinHandle::abort);
}

/// Opens the doors on the threads that will serve them.
async fn open_doors(
    config: &Config,
    threads: &Handle,
) -> Result<(api::UnixDoor, Option<TcpListener>), StartError> {
    let unix = {
        let _there = threads.enter();
        api::open_unix(&config.client.socket)
            .map_err(|error| StartError::Door(error.to_string()))?
    };
    let Some(address) = config.client.tcp else { return Ok((unix, None)) };
    let opened = threads.spawn(async move { api::open_tcp(address).await }).await;
    let opened = opened.map_err(|error| StartError::Door(error.to_string()))?;
    let tcp = opened.map_err(|error| StartError::Door(error.to_string()))?;
    Ok((unix, Some(tcp)))
}

async fn run_loop(
    node: Node,
    first: Vec<Output>,
    carrier: Carrier,
    show: watch::Sender<Arc<quorate_node::Status>>,
    sources: Sources,
) -> Ended {
    let service = Service::new();
    service.ready();
    Loop::new(node, carrier, service, show).run(first, sources).await
}

/// Says goodbye for a daemon that crashed, so that nobody has to wait for its silence. Says nothing after a clean stop, and refuses
/// while a daemon runs.
pub(crate) fn farewell(options: &RunOptions) -> ExitCode {
    let environment = Environment::of_process();
    let Ok(config) = Config::load(&options.config, options.host.as_deref(), &environment) else {
        return ExitCode::SUCCESS;
    };
    let ended = match disk::read_ended(&config.data_dir, &running_note(&config)) {
        Ok(ended) => ended,
        Err(error) => return refuse(&error),
    };
    let Some(boot_nonce) = ended.died else { return ExitCode::SUCCESS };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let addresses = farewell_addresses(&config, &ended);
    let hello = Hello {
        kind: HelloKind::Farewell.into(),
        protocol_min: limits::PROTOCOL_MIN,
        protocol_max: limits::PROTOCOL_MAX,
        cluster: config.cluster.to_string(),
        genesis: ended.founding.known_genesis(),
        instance: ended.identity.instance,
        generation: ended.generation,
        boot_nonce,
        name: config.host.name.to_string(),
        ..Hello::default()
    };
    let transport = transport_config(&config, ended.identity.key_seed);
    runtime.block_on(quorate_transport::farewell(transport, hello, addresses, FAREWELL));
    ExitCode::SUCCESS
}

/// Whom a farewell can reach without asking: the founders of the record, and seeds that are plain addresses.
fn farewell_addresses(config: &Config, ended: &disk::EndedLife) -> Vec<std::net::SocketAddr> {
    let record = ended.founding.founded.as_ref().map(|founded| &founded.record);
    let voters = record.into_iter().flat_map(|record| &record.voters);
    let others = voters.filter(|voter| voter.instance != ended.identity.instance);
    let mut addresses: Vec<_> =
        others.filter_map(|voter| voter.address.as_ref()?.socket()).collect();
    addresses
        .extend(config.seeds.iter().filter_map(|seed| seed.parse::<std::net::SocketAddr>().ok()));
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

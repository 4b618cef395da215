//! What a start opens, in the order in which it can fail without harm, and the end of it all.
//!
//! The data directory comes first (it says who we are, and locks), then the socket for people, then the network.
//! READY is said once the daemon serves locally; being quorate is another matter.

use super::channels::channels;
use super::error::StartError;
use super::identity::{
    draw_nonce, hello, node_config, note_name, running_note, say_where, transport_config,
};
use super::kept_events::Keeping;
use super::local_doors::{close_doors, open_doors, serve_doors};
use super::reload::Reload;
use super::share_files;
use super::{last_error, late_address};
use crate::anew;
use crate::api;
use crate::applications::Applications;
use crate::clock::{self, Started};
use crate::config::{Config, Environment};
use crate::disk::{self, Completed, DataDir, LineFile, SnapshotKeeper, Writer};
use crate::doors::crowds::{Crowds, Door};
use crate::doors::feed::Feeds;
use crate::doors::feed::kept::Kept;
use crate::doors::feed::newest::Newest;
use crate::doors::{Closing, Doors, SharedLinks, TurnedAway};
use crate::journal::NOTICE;
use crate::shell::ended::Ended;
use crate::shell::executor::{Executor, Means};
use crate::shell::own_slot::OwnHost;
use crate::shell::secrets::Keeper;
use crate::shell::service::{self, Service};
use crate::shell::turns::{Loop, Sources};
use quorate_meta::Meta;
use quorate_node::{BeginAnew, Boot, Items, Node, Output, RecoveredLog, Share, Status};
use quorate_proto::{ClusterId, FoundingState, NodeName};
use quorate_transport::Transport;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

/// Opens all, runs the loop until the node has stopped, and closes all again. The doors are served on `threads`.
pub(super) async fn serve(
    config: Config,
    environment: Environment,
    reload: Reload,
    threads: Handle,
) -> Result<Ended, StartError> {
    // First of all: from here on a SIGHUP ends nothing.
    let (file, refused_reload, drop_ins, definitions) = reload.spawn()?;
    let OpenedDisk { dir, founding, marker, recovered } = open_in_time(config.clone()).await?;
    late_address::wait_for(config.listen, &config.client.socket).await;
    let opened = open_doors(&config, &threads).await?;
    let channels = channels()?;
    let note = running_note(&config);
    let boot_nonce = draw_nonce(&dir, &note)?;
    let hello = hello(&config, &dir, boot_nonce, founding.known_cluster());
    let binding = transport_config(&config, dir.identity().key_seed);
    let transport = Transport::bind(binding, hello.clone(), channels.transport)?;
    say_where(&transport, &environment);
    let writer = Writer::spawn(&dir, recovered.log, report_to(channels.disk))?;
    let (names, started) =
        ([environment.hostname.as_str(), config.host.name.as_str()], Started::now(clock::now()));
    let (feeds, keeping) = feeds_that_are_kept(&dir, &config, started, &threads);
    let (crowds, shares, items) = (Crowds::default(), feeds.shares.clone(), feeds.items.clone());
    let means = Means {
        transport: transport.clone(),
        hello,
        writer,
        snapshots: Arc::new(SnapshotKeeper::spawn(&dir)?),
        results: channels.results.clone(),
        feeds: feeds.clone(),
        seeds: config.seeds.clone(),
        own: OwnHost::of_this_machine(config.listen, config.host.advertise, &names)?,
        cluster_id: founding.known_cluster().or(marker),
        crowds: crowds.clone(),
        secrets: Keeper::spawn(file, transport.clone(), channels.results.clone()),
    };
    let (log, node) = (recovered.group.map(log_of), node_config(&config, &dir, boot_nonce));
    let boot = Boot { config: node, founding, marker, log };
    let (node, first) = Node::start(clock::now(), clock::wall_unix_ms(), boot);
    let (show, status) = watch::channel(Arc::new(node.status(clock::now())));
    threads.spawn(note_name(status.clone(), dir.known_name()));
    let (keep_open, closing) = Closing::new();
    let doors = Doors {
        reload: refused_reload,
        applications: Applications::begin(drop_ins, channels.results, &threads),
        definitions: watch::Sender::new(Vec::new()),
        calls: channels.calls,
        status,
        feeds,
        keyspace: config.client.keyspace_on_tcp,
        door: Door::Tcp,
        started,
        turned_away: TurnedAway::of(&transport),
        places: [config.data_dir.clone(), disk::snapshots_of(&dir)],
        closing,
        links: SharedLinks::default(),
        crowds,
        closed: watch::Sender::new(None),
        body_patience: api::BODY_PATIENCE,
    };
    let open = serve_doors(opened, &doors, names, definitions, &threads);
    last_error::forget(&config.client.socket);
    let ended = run_loop(node, first, Executor::new(means), show, channels.sources).await;
    withdraw_shares(&ended, &shares, &items, &config.client.socket);
    drop(keep_open);
    tokio::join!(transport.close("stopping"), close_doors(open), keeping.end());
    prepare_the_next_start(dir, &config.host.name, &ended, &note).await;
    Ok(ended)
}

/// A host that is none of the cluster any more has no share: what it was granted is others'.
fn withdraw_shares(ended: &Ended, shares: &Newest<Share>, items: &Newest<Items>, socket: &Path) {
    if let Ended::Halted { again: false, .. } = ended {
        shares.withdraw();
        items.withdraw();
        for kind in [share_files::SHARES, share_files::ITEMS] {
            share_files::withdraw(&share_files::directory(socket, kind));
        }
    }
}

/// What is left to do when all is closed, for the start that comes.
async fn prepare_the_next_start(dir: DataDir, name: &NodeName, ended: &Ended, note: &Path) {
    if let Ended::Anew(anew) = ended {
        begin_anew(dir, name.clone(), anew.clone()).await;
    }
    if !matches!(ended, Ended::Halted { .. }) {
        // The goodbye is said. Where this fails it is said once more, which does no harm.
        let _ = std::fs::remove_file(note);
    }
}

/// Prepares the next disk life, which the next start puts in place. On an error that one goes on with what is here.
async fn begin_anew(dir: DataDir, name: NodeName, anew: BeginAnew) {
    let begun = tokio::task::spawn_blocking(move || anew::begin(&dir, &name, anew));
    match service::feed_while(begun).await {
        Ok(Ok(())) => {
            tracing::info!(target: NOTICE, "a new disk life is prepared; this daemon begins again with it")
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "this host does not begin anew; it goes on with the data that are here");
        }
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// The feeds of this run, with the events of earlier ones, and what keeps those of this one.
fn feeds_that_are_kept(
    dir: &DataDir,
    config: &Config,
    started: Started,
    threads: &Handle,
) -> (Feeds, Keeping) {
    let events = LineFile::of(&dir.life());
    let kept = Kept::of(events.read());
    let socket = config.client.socket.clone();
    // Before anything of this start is written there.
    let before = share_files::told_before(&share_files::directory(&socket, share_files::ITEMS));
    let feeds = Feeds { kept, told_before: Arc::new(before), ..Feeds::new() };
    let shares = share_files::directory(&socket, share_files::SHARES);
    share_files::keep(feeds.shares.follow_all(), shares, started, threads);
    let items = share_files::directory(&socket, share_files::ITEMS);
    share_files::keep(feeds.items.follow_all(), items, started, threads);
    let keeping = Keeping::begin(&feeds, events, started.wall_unix_ms, threads);
    (feeds, keeping)
}

/// What the data directory held.
struct OpenedDisk {
    dir: DataDir,
    founding: FoundingState,
    marker: Option<ClusterId>,
    recovered: disk::Recovered<Meta>,
}

/// After a `recover` the service manager takes the daemon for one that runs: reading back a long log must not look like standing still.
async fn open_in_time(config: Config) -> Result<OpenedDisk, StartError> {
    let opening = tokio::task::spawn_blocking(move || open_disk(&config));
    service::feed_while(opening).await.unwrap_or_else(|failed| match failed.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => unreachable!("nobody ends this task"),
    })
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

fn report_to(disk: mpsc::UnboundedSender<Completed>) -> Box<dyn Fn(Completed) + Send> {
    Box::new(move |completed| _ = disk.send(completed))
}

/// A replica as the disk has it, for the node.
fn log_of(group: disk::RecoveredGroup<Meta>) -> RecoveredLog {
    let disk::RecoveredGroup { hard_state, snapshot, entries, reset } = group;
    RecoveredLog { hard_state, snapshot, entries, reset }
}

async fn run_loop(
    node: Node,
    first: Vec<Output>,
    executor: Executor,
    show: watch::Sender<Arc<Status>>,
    sources: Sources,
) -> Ended {
    let mut service = Service::new();
    service.ready();
    Loop::new(node, executor, service, show).run(first, sources).await
}

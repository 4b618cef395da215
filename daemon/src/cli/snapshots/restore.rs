//! `snapshot restore`: founds a new cluster from a file, on one host whose daemon is stopped. The other hosts join it as at any time.
//!
//! What stays true: nothing of this host counts before all of it is on the disk; the data that were here are kept beside it. The file is
//! read whole before anything is asked or written. Whether hosts of the earlier cluster still run is not known here, so it is said and asked.

use super::{in_words, status};
use crate::anew::{Founder, certificate, prepare_founder};
use crate::cli::arguments::{Format, RestoreOptions};
use crate::cli::exit::Failure;
use crate::cli::local::{load, own_host, resolved};
use crate::cli::output;
use crate::cli::stderr::complain;
use crate::cli::stdin;
use crate::config::Config;
use crate::disk::backups::BackupHead;
use crate::disk::{self, Identity, Vacant};
use crate::shell::own_slot::{SlotMatch, match_slot};
use quorate_meta::Meta;
use quorate_proto::{FoundingCertificate, Lineage};
use serde_json::json;
use std::process::ExitCode;

/// `quorate snapshot restore`.
pub(super) fn restore(options: &RestoreOptions, format: Format) -> Result<ExitCode, Failure> {
    let config = load(&options.config)?;
    // The file is its owner's, who may be root alone: it is opened before root's rights are given up.
    let file = status::open(&options.file)?;
    disk::become_owner(&config.data_dir, &config.birth_dir).map_err(|error| refused(&error))?;
    let (head, state) = status::read(file, &options.file)?;
    fits(&config, &head, &state)?;
    is_a_seed(&config)?;
    let here = disk::hold(&config.data_dir, &config.birth_dir, &config.cluster);
    let here = here.map_err(|error| refused(&error))?;
    may_be_replaced(&here, options.set_aside)?;
    let identity = Identity::random(&config.cluster).map_err(|error| refused(&error))?;
    let founded = founding(&config, &identity, &state)?;
    complain(&what_it_means(&config, &head, &founded));
    stdin::must_be_meant(options.yes, "Are they stopped, and is that meant?")?;
    prepare_founder(&config.data_dir, &identity, &founded, &state)
        .map_err(|error| refused(&error))?;
    drop(here);
    let cluster_id = founded.record.cluster_id().to_string();
    match format {
        Format::Json => output::json(&json!({ "cluster_id": cluster_id, "snapshot": head }))?,
        Format::Table => output::text(&format!(
            "cluster {cluster_id} is founded here. Next: `systemctl start quorate`, then `quorate wait --quorate`; only then the other hosts\n"
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn refused(error: &dyn std::fmt::Display) -> Failure {
    Failure::other(format!("{error}. Nothing was restored"))
}

/// The configuration is of the cluster that was saved.
fn fits(config: &Config, head: &BackupHead, state: &Meta) -> Result<(), Failure> {
    let saved = state.founded().map_or(head.cluster.as_str(), |it| it.record.cluster.as_str());
    if saved == config.cluster.as_str() {
        return Ok(());
    }
    Err(refused(&format!(
        "the snapshot is of cluster `{saved}`, and {} is about `{}`: name the configuration of that cluster with --config, or bring keys from one cluster to another \
         with `quorate export` and `quorate import`",
        config.file.display(),
        config.cluster
    )))
}

/// Hosts whose data are gone look for a cluster at the seeds: were it founded elsewhere, they could found another one.
fn is_a_seed(config: &Config) -> Result<(), Failure> {
    match match_slot(&own_host(config)?, &resolved(config)?) {
        SlotMatch::Slot(_) => Ok(()),
        SlotMatch::Undecided { unresolved } => Err(refused(&format!(
            "whether this host is a seed is not known: {}",
            unresolved.join("; ")
        ))),
        SlotMatch::NotASeed { near: Some(near) } => Err(refused(&near.text)),
        SlotMatch::Several { problem, .. } => Err(refused(&problem)),
        SlotMatch::NotASeed { near: None } => Err(refused(&format!(
            "this host is none of the seeds ({}), and the others would not look for the cluster here: restore on a seed",
            config.seeds.join(", ")
        ))),
    }
}

/// Data of a cluster are only set aside where that was asked for.
fn may_be_replaced(here: &Vacant, set_aside: bool) -> Result<(), Failure> {
    match &here.used_by {
        Some(cluster) if !set_aside => Err(refused(&format!(
            "there are data of cluster {cluster} on this host. While most of its voters have theirs nothing needs to be restored: start them. If that cluster is lost: \
             `--set-aside` keeps these data under another name beside the new ones"
        ))),
        _ => Ok(()),
    }
}

fn founding(
    config: &Config,
    identity: &Identity,
    state: &Meta,
) -> Result<FoundingCertificate, Failure> {
    let from = state.cluster_id().ok_or_else(|| {
        refused(&"the snapshot is of no cluster: its host was not let in yet when it was saved")
    })?;
    let address = config.host.advertise.map(Into::into);
    let founder = Founder { identity, name: &config.host.name, address };
    Ok(certificate(Lineage { from, plan: state.state_hash() }, &founder))
}

/// What is done here, and what must be done elsewhere.
fn what_it_means(config: &Config, head: &BackupHead, founded: &FoundingCertificate) -> String {
    format!(
        "The snapshot: {}.\n\
         This host, {}, founds a new cluster `{}` from it ({}), as its only voter. What was written to the earlier cluster behind\n\
         this revision is not in it. Revisions jump far ahead, so that no client sees them run back.\n\
         Every other host of the earlier cluster must be stopped now, and stay so until this one is started and quorate.\n\
         Then, on each of them: `quorate reset --set-aside --cluster {}`, `systemctl start quorate`.",
        in_words(head),
        config.host.name,
        config.cluster,
        founded.record.cluster_id(),
        head.cluster_id,
    )
}

//! `quorate recover`: a majority is lost for good. What is left is shown, and what may be lost; then it is asked once. What is drawn is pure.

use super::arguments::{Format, RecoverOptions};
use super::client::{Changes, Client};
use super::exit::{Exit, Failure};
use super::output;
use super::stderr::complain;
use super::stdin::must_be_meant;
use crate::api::pages::{RecoveryPage, StatusPage};
use crate::regular;
use rustix::fs::OFlags;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Between looks at whether the new cluster is there.
const LOOK: Duration = Duration::from_millis(200);
/// So long after this host all others that were left are in the new cluster: a start with a new disk takes a second.
const OTHERS: Duration = Duration::from_secs(20);
/// The hosts are asked for no longer.
const ASKING: Duration = Duration::from_secs(10);

/// Bytes of a plan that are read: a few hundred for each host.
const LONGEST_PLAN: u64 = 16 * 1024 * 1024;

/// `quorate recover`.
pub(super) async fn recover(
    client: &Client,
    format: Format,
    options: &RecoverOptions,
) -> Result<ExitCode, Failure> {
    let plan: RecoveryPage = match &options.apply {
        Some(file) => read(file)?,
        None => client.get_within("/v1/recover", ASKING).await?,
    };
    if let Some(file) = &options.plan {
        write(file, &plan)?;
        match format {
            Format::Json => output::json(&plan)?,
            Format::Table => output::text(&format!(
                "{}The plan is in {file}. To carry it out: `quorate recover --apply {file}`\n",
                drawn(&plan),
                file = file.display()
            ))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    complain(drawn(&plan).trim_end());
    let question = format!("Found cluster {} anew from what {} holds?", plan.cluster, plan.founder);
    must_be_meant(options.yes, &question)?;
    let begun = Instant::now();
    let body = serde_json::to_vec(&plan).unwrap_or_default().into();
    client.post("/v1/recover", &[], body, Changes::Something, ASKING * 3).await?;
    let status = founded(client, &plan, begun, options.timeout).await?;
    let (status, late) = followed(client, &plan, status).await;
    let id = status.cluster_id.unwrap_or_default();
    match format {
        Format::Json => output::json(&serde_json::json!({
            "cluster_id": id, "before": plan.cluster_id, "founder": plan.founder, "loss": plan.loss,
            "revision": status.revision, "not_there_yet": late,
        }))?,
        Format::Table => output::text(&format!(
            "{} founded the cluster anew: {id}. Revisions go on behind {}; the data of before are kept in `life.set-aside-...` in each \
             data directory\n",
            plan.founder, status.revision
        ))?,
    }
    if late.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let text = format!(
        "of those that were left, {} did not come over: its journal says why. A host that did not hear its part of the plan stops by itself, \
         keeps its data, and its journal says how it joins",
        late.join(", ")
    );
    Err(Failure::new(Exit::Timeout, "timeout", text))
}

fn read(file: &Path) -> Result<RecoveryPage, Failure> {
    let mut text = Vec::new();
    regular::open_or_pipe(file)
        .and_then(|opened| opened.take(LONGEST_PLAN).read_to_end(&mut text))
        .map_err(|error| Failure::other(format!("cannot read {}: {error}", file.display())))?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::other(format!("{} is no plan: {error}", file.display())))
}

fn write(file: &Path, plan: &RecoveryPage) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(plan)
        .map_err(|error| Failure::other(format!("cannot write the plan: {error}")))?;
    text.push('\n');
    let failed = |error| Failure::other(format!("cannot write {}: {error}", file.display()));
    // As root, in whichever directory: of what somebody else has laid there no link is followed, and no pipe waited for.
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    let mut opened = regular::open_as(file, &mut options, OFlags::NOFOLLOW).map_err(failed)?;
    opened.set_len(0).and_then(|()| opened.write_all(text.as_bytes())).map_err(failed)
}

/// Waits until this host is quorate in the new cluster; its daemon begins again meanwhile.
async fn founded(
    client: &Client,
    plan: &RecoveryPage,
    begun: Instant,
    timeout: Duration,
) -> Result<StatusPage, Failure> {
    let is_in = |status: &StatusPage| {
        let id = status.cluster_id.as_ref();
        status.state == "quorate" && id.is_some_and(|id| *id != plan.cluster_id)
    };
    status_when(client, begun, timeout, is_in).await.map_err(|_| {
        let text = format!(
            "{} was told to found the cluster anew, but this host is not in it yet; `quorate why` here and there says why, and the \
             journal of {} whether it did",
            plan.founder, plan.founder
        );
        Failure::new(Exit::Timeout, "timeout", text)
    })
}

/// The status once it is so; else, in the end, the newest that was had.
pub(super) async fn status_when(
    client: &Client,
    begun: Instant,
    timeout: Duration,
    is_so: impl Fn(&StatusPage) -> bool,
) -> Result<StatusPage, Option<StatusPage>> {
    let mut newest = None;
    loop {
        if let Ok(status) = client.get::<StatusPage>("/v1/status").await {
            if is_so(&status) {
                return Ok(status);
            }
            newest = Some(status);
        }
        if begun.elapsed() >= timeout {
            return Err(newest);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits for all that were left; who is not there in time. Hosts that share a name get names of their own, so their number counts first.
async fn followed(
    client: &Client,
    plan: &RecoveryPage,
    status: StatusPage,
) -> (StatusPage, Vec<String>) {
    let all_are_in = |status: &StatusPage| status.members.len() >= plan.survivors.len();
    if all_are_in(&status) {
        return (status, Vec::new());
    }
    match status_when(client, Instant::now(), OTHERS, all_are_in).await {
        Ok(status) => (status, Vec::new()),
        Err(newest) => {
            let status = newest.unwrap_or(status);
            let late = missing(plan, &status);
            (status, late)
        }
    }
}

fn missing(plan: &RecoveryPage, status: &StatusPage) -> Vec<String> {
    let is_there = |name: &str| status.members.iter().any(|member| member.name == name);
    let names = plan.survivors.iter().map(|one| one.name.clone());
    names.filter(|name| !is_there(name)).collect()
}

/// The plan, for people.
pub(super) fn drawn(plan: &RecoveryPage) -> String {
    let mut out = format!("cluster {} ({}) has lost its majority\n", plan.cluster, plan.cluster_id);
    for one in &plan.survivors {
        let copy = match one.applied {
            0 => "no copy of the state".to_owned(),
            _ => format!(
                "revision {}, log to index {} of term {}, committed to {}",
                one.revision, one.last, one.last_term, one.commit
            ),
        };
        let best = if one.name == plan.founder { " (has most, founds it anew)" } else { "" };
        let _ = writeln!(out, "  {}  {}: {copy}{best}", one.name, one.role);
    }
    for (names, what) in [(&plan.missing_voters, "voters"), (&plan.missing, "others")] {
        if !names.is_empty() {
            let _ = writeln!(out, "missing {what}: {}", names.join(", "));
        }
    }
    let _ = writeln!(out, "{}", plan.loss.text);
    if !plan.missing_voters.is_empty() {
        let _ = writeln!(
            out,
            "If one of the missing can come back with its disk, start it first, and nothing of this may be needed. After this they cannot \
             come back with what they have: each stops when it hears of the new cluster, and keeps it. Start them one at a time, while this \
             one runs: as many as were a majority, started together out of its sight, go on as the old cluster."
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::pages::{HoldingPage, LossPage, MemberPage};

    #[test]
    fn a_plan_says_who_holds_what_who_is_missing_and_what_may_be_lost() {
        let (name, role) = (str::to_owned, str::to_owned);
        let db1 = HoldingPage {
            name: name("db1"),
            role: role("voter"),
            revision: 5,
            applied: 8,
            commit: 8,
            last: 9,
            last_term: 2,
            ..HoldingPage::default()
        };
        let db4 = HoldingPage { name: name("db4"), role: role("member"), ..HoldingPage::default() };
        let text = "Everything up to revision 5 is kept.".to_owned();
        let drawn = drawn(&RecoveryPage {
            cluster: "prod".to_owned(),
            cluster_id: "07".to_owned(),
            founder: name("db1"),
            survivors: vec![db1, db4],
            missing_voters: vec![name("db2"), name("db3")],
            loss: LossPage { text, ..LossPage::default() },
            ..RecoveryPage::default()
        });
        for part in [
            "cluster prod (07) has lost its majority",
            "db1  voter: revision 5, log to index 9 of term 2, committed to 8 (has most, founds it anew)",
            "db4  member: no copy of the state",
            "missing voters: db2, db3",
            "Everything up to revision 5 is kept.",
            "start it first",
        ] {
            assert!(drawn.contains(part), "`{part}` is not said in:\n{drawn}");
        }
    }

    #[test]
    fn who_was_left_and_is_not_in_the_new_cluster_is_named() {
        let left = |name: &str| HoldingPage { name: name.to_owned(), ..HoldingPage::default() };
        let survivors = vec![left("db1"), left("db4")];
        let plan = RecoveryPage { survivors, ..RecoveryPage::default() };
        let member = MemberPage { name: "db1".to_owned(), ..MemberPage::default() };
        let status = StatusPage { members: vec![member], ..StatusPage::default() };
        assert_eq!(missing(&plan, &status), ["db4"]);
    }
}

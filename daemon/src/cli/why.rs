//! `quorate why`: what is wrong here, since when, what it means and what helps, in plain sentences. Pure but for the
//! asking: page in, findings out, text out.

use super::arguments::Format;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::format::{Paint, Pen, short_time};
use super::output;
use crate::api::pages::{MemberPage, OpinionPage, ReasonPage, StatusPage, rfc3339};
use crate::doors::wall_unix_ms;
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;

/// `quorate why`.
pub(super) async fn why(client: &Client, format: Format) -> Result<ExitCode, Failure> {
    let page: StatusPage = client.get("/v1/status").await?;
    let findings = findings(&page);
    match format {
        Format::Json => output::json(&serde_json::json!({
            "state": page.state, "findings": findings,
        }))?,
        Format::Table => {
            let pen = Pen { colour: output::colour() };
            output::text(&render(&page, &findings, pen, &rfc3339(wall_unix_ms())))?;
        }
    }
    let quorate = page.state == "quorate";
    Ok(if quorate { ExitCode::SUCCESS } else { Exit::NotQuorate.into() })
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) code: String,
    pub(super) subject: Option<String>,
    /// What is wrong.
    pub(super) text: String,
    /// Since when, RFC 3339; empty where it is not known.
    pub(super) since: String,
    /// What that means.
    pub(super) meaning: String,
    /// What helps.
    pub(super) remedy: String,
}

/// Everything that is wrong, the worst first.
pub(super) fn findings(page: &StatusPage) -> Vec<Finding> {
    let mut found: Vec<Finding> = page.waiting_for.iter().map(|r| of_reason(r, page)).collect();
    let told = found.iter().any(|finding| finding.code == "no-leader");
    if page.state == "no-quorum" && !told {
        let general = no_leader(page);
        let text = format!("no leader is known; {}", general.text);
        found.insert(0, Finding { text, ..general });
    }
    if let Some(margin) = page.margin.as_ref().filter(|margin| margin.alarm) {
        found.push(Finding {
            code: "margin".to_owned(),
            text: format!(
                "only {} of {} seeds know the cluster: if one founder disk is lost now, the others could found a second one",
                margin.known, margin.slots,
            ),
            meaning: "the cluster works; the safety against a second founding is thin".to_owned(),
            remedy: "start the seeds that are missing, or take those that will never come off `seeds` on every host".to_owned(),
            ..Finding::default()
        });
    }
    // Nobody listens to this host: what it knows of the others is old.
    if page.state != "quorate" && found.iter().any(|finding| finding.code == "turned-away") {
        found.retain(|finding| finding.code == "turned-away" || finding.code == "clone");
        return found;
    }
    // Whoever was named by a reason is not named again.
    let named: Vec<String> = found.iter().filter_map(|finding| finding.subject.clone()).collect();
    let fresh = |name: &String| !named.contains(name);
    // A voter that left in order counts in the majority as long as it is one.
    let gone = |member: &MemberPage| {
        let gone = member.state == "down" || (member.state == "left" && member.role == "voter");
        // This one answers.
        gone && member.name != page.node.name
    };
    let absent = page.members.iter().filter(|member| gone(member) && fresh(&member.name));
    let absent: Vec<&MemberPage> = absent.collect();
    let is_absent = |name: &String| absent.iter().any(|member| member.name == *name);
    let opinions = page.opinions.iter().filter(|it| fresh(&it.name) && !is_absent(&it.name));
    let opinions: Vec<Finding> = opinions.map(of_opinion).collect();
    found.extend(absent.into_iter().map(|member| of_member(member, page)));
    found.extend(opinions);
    found
}

fn of_opinion(opinion: &OpinionPage) -> Finding {
    let OpinionPage { name, verdict, reason } = opinion;
    Finding {
        code: "opinion".to_owned(),
        subject: Some(name.clone()),
        text: format!("this node holds that {name} is {verdict}: {reason}"),
        meaning: "the cluster has not committed that: another node may still hear it, or there is no majority to say so".to_owned(),
        remedy: format!("quorate ping {name}"),
        ..Finding::default()
    }
}

fn of_reason(reason: &ReasonPage, page: &StatusPage) -> Finding {
    let mut finding = Finding {
        code: reason.code.clone(),
        subject: reason.subject.clone(),
        text: reason.text.clone(),
        since: reason.since.clone(),
        meaning: match reason.code.starts_with("copy-") {
            true => spare_voters(page),
            false => meaning(&reason.code).to_owned(),
        },
        remedy: reason.remedy.clone(),
    };
    if reason.code == "no-leader" {
        let general = no_leader(page);
        finding.text = format!("{}; {}", finding.text, general.text);
        finding.remedy = general.remedy;
    }
    finding
}

/// What a reason means beyond its own sentence.
fn meaning(code: &str) -> &'static str {
    match code {
        "unresolved" => "a seed's name has no address here, so this host cannot ask that seed",
        "no-answer" => {
            "nothing answers at that address: the host is down, quorate does not run there, or a firewall drops UDP 4747"
        }
        "other-secret" => {
            "that host was given another cluster secret, so the two refuse each other"
        }
        "other-cluster" => "that address belongs to another cluster; it is never joined by mistake",
        "other-seeds" => {
            "hosts with different seeds lists could found two clusters, so they found none together"
        }
        "clone" => "two hosts run on copies of one data directory; only one of them may be let in",
        "own-slot" => {
            "this host must know which of the seeds it is, or whether it is none, before it may vote on founding"
        }
        "too-few" => {
            "a cluster is founded when a majority of the seeds are there, so that there can never be two"
        }
        "marker" => {
            "this host was in a cluster before and lost its data; it waits for that cluster instead of founding another"
        }
        "two-clusters" => {
            "two clusters of one name exist, which quorate never mends by itself: one must be given up by hand"
        }
        "other-data" => {
            "the data directory holds the life of another cluster than the config names"
        }
        "founding" => "the seeds are agreeing on the founding record; this ends within seconds",
        "protocol" => "the two versions of quorate have no protocol in common",
        "handshake" => "something answers there, but the two cannot agree to speak",
        "no-link" => {
            "the cluster works, and so does this node; it reaches the leader through one voter more"
        }
        "missing" => "as long as too few voters answer, nothing can be written",
        "joining" => "a cluster is there; this host asks its members to be let in",
        "no-leader" => {
            "nothing can be written, and reads may be old, until a majority of the voters hear each other"
        }
        "name-held" => {
            "a voter's disk may come back and its vote with it, so its name does not go to another host at once"
        }
        "two-addresses" => {
            "the cluster keeps the address that answers; which of the two the other hosts meet first is chance"
        }
        "disk-stalled" => {
            "this host acknowledges nothing and leads nothing while its disk is silent; the others go on as long as they are a majority"
        }
        "turned-away" => {
            "two hosts run on copies of one data directory; the others listen to one of them, and not to this one"
        }
        "counted-out" => "applications are told that this host is gone, although it is here",
        "disk-full" => "nothing new is accepted until there is room; votes and reads go on",
        _ => "",
    }
}

/// Which voters are missing, since when, and how that was noticed.
fn no_leader(page: &StatusPage) -> Finding {
    let voters: Vec<&MemberPage> = page.members.iter().filter(|m| m.role == "voter").collect();
    let missing: Vec<String> =
        voters.iter().filter_map(|voter| how_it_is_missing(voter, page)).collect();
    let here = voters.len() - missing.len();
    let needed = voters.len() / 2 + 1;
    let list = match missing.as_slice() {
        [] => "all of them are connected, so an election should end this within seconds".to_owned(),
        _ => format!("missing: {}", missing.join("; ")),
    };
    let names: Vec<&str> = voters
        .iter()
        .filter(|voter| how_it_is_missing(voter, page).is_some())
        .map(|voter| voter.name.as_str())
        .collect();
    let remedy = match names.first() {
        None => "if it lasts: quorate events".to_owned(),
        Some(_) => format!(
            "on {}: systemctl start quorate; then from here: quorate ping {}",
            names.join(", "),
            names[0]
        ),
    };
    Finding {
        code: "no-leader".to_owned(),
        text: format!(
            "{needed} of {} voters are needed and {here} can be reached from here; {list}",
            voters.len()
        ),
        meaning: meaning("no-leader").to_owned(),
        remedy,
        ..Finding::default()
    }
}

/// None when the voter is there.
fn how_it_is_missing(voter: &MemberPage, page: &StatusPage) -> Option<String> {
    if voter.name == page.node.name {
        return None;
    }
    if let Some(opinion) = page.opinions.iter().find(|opinion| {
        opinion.name == voter.name && (opinion.verdict == "down" || opinion.verdict == "left")
    }) {
        return Some(format!(
            "{} ({} as seen from here: {})",
            voter.name, opinion.verdict, opinion.reason
        ));
    }
    let overruled = page
        .opinions
        .iter()
        .any(|opinion| opinion.name == voter.name && opinion.verdict == "alive");
    if voter.state != "alive" && !overruled {
        let since = if voter.since.is_empty() { "" } else { " since " };
        return Some(format!(
            "{} ({}{since}{}, epoch {}: {})",
            voter.name, voter.state, voter.since, voter.since_epoch, voter.reason
        ));
    }
    let connected = page.sessions.iter().any(|session| session.instance == voter.instance);
    (!connected).then(|| format!("{} (no connection)", voter.name))
}

/// How many voters count, and how many may fail. One whose copy of the log is behind or damaged acknowledges nothing.
fn spare_voters(page: &StatusPage) -> String {
    let voters: Vec<_> = page.members.iter().filter(|member| member.role == "voter").collect();
    let faulty = |member: &MemberPage| {
        let about = |reason: &ReasonPage| reason.subject.as_ref() == Some(&member.name);
        page.waiting_for.iter().any(|reason| reason.code.starts_with("copy-") && about(reason))
    };
    let alive = voters.iter().filter(|member| member.state == "alive");
    let (alive, count) = (alive.clone().count(), alive.filter(|member| !faulty(member)).count());
    let spare = count.saturating_sub(voters.len() / 2 + 1);
    let but = match alive - count {
        0 => String::new(),
        faulty => format!(", and the copies of {faulty} of them do not count"),
    };
    format!(
        "{alive} of {} voters are alive{but}; {spare} more may fail before nothing can be written",
        voters.len()
    )
}

fn of_member(member: &MemberPage, page: &StatusPage) -> Finding {
    let meaning = match member.role.as_str() {
        "voter" => spare_voters(page),
        _ => "the cluster works without it".to_owned(),
    };
    Finding {
        code: member.state.clone(),
        subject: Some(member.name.clone()),
        text: format!(
            "{} {} (epoch {}): {}",
            member.name,
            if member.state == "left" { "has left" } else { "is down" },
            member.since_epoch,
            member.reason
        ),
        since: member.since.clone(),
        meaning,
        remedy: match page.opinions.iter().any(|it| it.name == member.name && it.verdict == "alive")
        {
            true => format!(
                "none: it is heard here, and counts again once it stays up; if this lasts for more than a minute: quorate ping {}",
                member.name
            ),
            false => format!("on {}: systemctl start quorate", member.name),
        },
    }
}

/// The text of `why`.
pub(super) fn render(page: &StatusPage, findings: &[Finding], pen: Pen, now: &str) -> String {
    let mut out = summary(page, pen);
    for finding in findings {
        let since = match finding.since.as_str() {
            "" => String::new(),
            since => format!(" (since {})", short_time(since, now)),
        };
        let text = finding.text.replace(char::is_control, "?");
        // A name keeps its own first letter: it may be typed into a command as it stands here.
        let subject = |subject: &String| text.starts_with(subject);
        let named =
            begins_with_a_name(&text, page) || finding.subject.as_ref().is_some_and(subject);
        let text = if named { ended(&text) } else { sentence(&text) };
        let _ = write!(out, "\n{}{since}\n", pen.paint(Paint::Bold, &text));
        if !finding.meaning.is_empty() {
            let _ = writeln!(out, "  {}", sentence(&finding.meaning));
        }
        if !finding.remedy.is_empty() {
            let remedy = finding.remedy.replace(char::is_control, "?");
            let _ = writeln!(out, "  What helps: {remedy}");
        }
    }
    if findings.is_empty() && page.state == "quorate" {
        out.push_str("Nothing is wrong.\n");
    }
    out
}

fn summary(page: &StatusPage, pen: Pen) -> String {
    let alive = page.members.iter().filter(|member| member.state == "alive").count();
    let (node, cluster) = (&page.node.name, &page.cluster);
    match page.state.as_str() {
        "quorate" => format!(
            "{node} is {} in cluster {cluster}: {} leads, {alive} of {} members are alive.\n",
            pen.paint(Paint::Good, "quorate"),
            page.leader.as_deref().unwrap_or("nobody"),
            page.members.len(),
        ),
        "no-quorum" => format!(
            "{node} is in cluster {cluster}, which has {} as seen from here.\n",
            pen.paint(Paint::Bad, "no leader with a majority")
        ),
        "joining" => format!(
            "{node} knows cluster {cluster} and is {}.\n",
            pen.paint(Paint::Middling, "not yet let in")
        ),
        _ => format!(
            "{node} {} cluster {cluster} to be founded or found.\n",
            pen.paint(Paint::Middling, "waits for")
        ),
    }
}

fn begins_with_a_name(text: &str, page: &StatusPage) -> bool {
    let word = text.split([' ', ',', ':']).next().unwrap_or_default();
    page.node.name == word || page.members.iter().any(|member| member.name == word)
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    ended(&format!("{first}{}", letters.as_str()))
}

/// With a full stop.
fn ended(text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?', '`']) { "" } else { "." };
    format!("{text}{end}")
}

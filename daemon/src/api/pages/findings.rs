//! Everything that is wrong as seen from this host, the worst first: the union of what the node says of itself, of the members, of
//! its own verdicts and of the links. Pure: a status page in, findings out. The words are the catalogue's.

use super::{MemberPage, OpinionPage, ReasonPage, StatusPage};
use crate::links::line::LinkLine;
use quorate_proto::{Cause, Goodbye, MemberCause, Presence, ReasonCode};
use serde::{Deserialize, Serialize};

/// One thing that is not as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// The catalogue's word.
    pub(crate) code: String,
    /// Which host or seed it is about.
    pub(crate) subject: Option<String>,
    /// What is wrong.
    pub(crate) text: String,
    /// Since when, RFC 3339; empty where it is not known.
    pub(crate) since: String,
    /// What that means.
    pub(crate) meaning: String,
    /// What helps.
    pub(crate) remedy: String,
}

impl Finding {
    /// A cause in words.
    pub(crate) fn of(cause: &impl Cause) -> Self {
        Self {
            code: cause.code().word().to_owned(),
            subject: cause.subject(),
            text: cause.text(),
            since: String::new(),
            meaning: cause.code().meaning().to_owned(),
            remedy: cause.remedy(),
        }
    }
}

/// Everything that is wrong. Without the links of the page they are not judged.
pub(crate) fn findings(page: &StatusPage) -> Vec<Finding> {
    let mut found: Vec<Finding> =
        page.waiting_for.iter().map(|reason| of_reason(reason, page)).collect();
    let told = |found: &[Finding], code: ReasonCode| found.iter().any(|it| it.code == code.word());
    // Nobody listens to this host: what it knows of the others is old.
    if page.state != "quorate" && told(&found, ReasonCode::TurnedAway) {
        let own = [ReasonCode::TurnedAway.word(), ReasonCode::Clone.word()];
        found.retain(|finding| own.contains(&finding.code.as_str()));
        return found;
    }
    // Whoever was named by a reason is not named again.
    let named = |found: &[Finding], name: &str| {
        found.iter().any(|finding| finding.subject.as_deref() == Some(name))
    };
    let gone = |member: &&MemberPage| is_gone(member, page);
    let explained = |member: &&MemberPage| {
        let mut about = found.iter().filter(|it| it.subject.as_ref() == Some(&member.name));
        about.any(|finding| explains_absence(&finding.code))
    };
    let absent: Vec<Finding> = page
        .members
        .iter()
        .filter(gone)
        .filter(|member| !explained(member))
        .map(|member| of_member(member, page))
        .collect();
    found.extend(absent);
    let opinions = page.opinions.iter().filter(|opinion| !named(&found, &opinion.name));
    let opinions: Vec<Finding> = opinions.map(of_opinion).collect();
    found.extend(opinions);
    let links = page.links.iter().flatten().filter(|link| is_wanted(link, page));
    let links = links.filter(|link| !named(&found, &link.name));
    let links: Vec<Finding> = links.flat_map(of_link).collect();
    found.extend(links);
    found.extend(no_spare(page));
    sort(&mut found);
    found
}

/// What stops the writes of all is read first, and advice last.
pub(crate) fn sort(found: &mut [Finding]) {
    found.sort_by_key(|finding| ReasonCode::of_word(&finding.code).map_or(0, ReasonCode::rank));
}

/// Whether a reason that names a member says why it is gone, or that it is. What else is wrong with it stands beside that.
fn explains_absence(code: &str) -> bool {
    let known = [
        ReasonCode::Missing,
        ReasonCode::Down,
        ReasonCode::Left,
        ReasonCode::NoLink,
        ReasonCode::OneWay,
        ReasonCode::OtherSecret,
        ReasonCode::OtherCluster,
        ReasonCode::Protocol,
    ];
    known.iter().any(|known| known.word() == code) || code.starts_with("copy-")
}

/// Who stopped in order is not missed, but a voter counts in the majority as long as it is one. This node itself answers.
fn is_gone(member: &MemberPage, page: &StatusPage) -> bool {
    let crashed = || member.goodbye.as_deref() != Goodbye::Stopped.word();
    let gone = match member.state.as_str() {
        "down" => true,
        "left" => member.role == "voter" || crashed(),
        _ => false,
    };
    gone && member.name != page.node.name
}

/// Whether a link should stand: to a member that has not left. A disk that was replaced has a link here for a while, and no name; before there
/// are members each link is one to a seed.
fn is_wanted(link: &LinkLine, page: &StatusPage) -> bool {
    let left = page.members.iter().any(|it| it.name == link.name && it.state == "left");
    let stranger = link.role.is_empty() && !page.members.is_empty();
    !stranger && (page.state != "quorate" || !left)
}

fn of_reason(reason: &ReasonPage, page: &StatusPage) -> Finding {
    Finding {
        code: reason.code.clone(),
        subject: reason.subject.clone(),
        text: reason.text.clone(),
        since: reason.since.clone(),
        meaning: match reason.code.starts_with("copy-") || is_about_a_gone_voter(reason, page) {
            true => format!("{}; {}", reason.meaning, spare_voters(page)),
            false => reason.meaning.clone(),
        },
        remedy: reason.remedy.clone(),
    }
}

/// A reason that explains why a voter is gone is told in place of that.
fn is_about_a_gone_voter(reason: &ReasonPage, page: &StatusPage) -> bool {
    let mut gone = page.members.iter().filter(|member| is_gone(member, page));
    // Another disk life had that name when it was revoked.
    let earlier = reason.code == ReasonCode::RevokedSecret.word();
    !earlier && gone.any(|it| it.role == "voter" && reason.subject.as_ref() == Some(&it.name))
}

fn of_opinion(opinion: &OpinionPage) -> Finding {
    let OpinionPage { name, verdict, reason } = opinion.clone();
    Finding::of(&MemberCause::Opinion { name, verdict, how: reason })
}

/// A link's own words name nobody: the peer is put before them.
fn of_link(link: &LinkLine) -> Vec<Finding> {
    let finding = |it: &crate::links::line::LinkFinding| Finding {
        code: it.code.clone(),
        subject: Some(link.name.clone()),
        text: format!("{}, as seen from here: {}", link.name, it.text),
        since: String::new(),
        meaning: it.meaning.clone(),
        remedy: it.remedy.clone(),
    };
    link.findings.iter().map(finding).collect()
}

/// Two voters are as many as are needed.
fn no_spare(page: &StatusPage) -> Option<Finding> {
    let voters: Vec<&MemberPage> = page.members.iter().filter(|it| it.role == "voter").collect();
    let all = voters.iter().all(|voter| voter.state == "alive");
    if page.state != "quorate" || voters.len() != 2 || !all {
        return None;
    }
    let hosts = voters.iter().map(|voter| voter.name.clone()).collect();
    Some(Finding::of(&MemberCause::NoSpare { voters: voters.len(), hosts }))
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
    let same = |name: &str| name == member.name;
    let replaced = page.sessions.iter().any(|it| same(&it.name) && it.instance != member.instance);
    let met = match page.opinions.iter().any(|it| same(&it.name) && it.verdict == "alive") {
        _ if replaced => Presence::Replaced,
        true => Presence::Heard,
        false => Presence::Gone,
    };
    let voter = member.role == "voter";
    let (name, epoch, how) = (member.name.clone(), member.since_epoch, member.reason.clone());
    let found = match member.state.as_str() {
        "left" => Finding::of(&MemberCause::Left { name, epoch, how, met }),
        _ => Finding::of(&MemberCause::Down { name, epoch, how, met }),
    };
    let then = if voter { spare_voters(page) } else { "the cluster works without it".to_owned() };
    Finding { since: member.since.clone(), meaning: format!("{}; {then}", found.meaning), ..found }
}

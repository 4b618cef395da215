//! `quorate remove`, `leader transfer` and `feature raise`: what an operator has the cluster do. What a removal means is said before it is done,
//! and it is asked whether that is meant. What is said is pure.

use super::arguments::{Format, RemoveOptions};
use super::client::{Changes, Client};
use super::exit::{Exit, Failure};
use super::keyspace::other_kind;
use super::output;
use super::show::query_value;
use super::stderr::complain;
use super::stdin::must_be_meant;
use crate::api::TIMEOUT_HEADER;
use crate::api::pages::{ActPage, MemberPage, StatusPage};
use bytes::Bytes;
use quorate_proto::nobody_named;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Between looks at who leads.
const LOOK: Duration = Duration::from_millis(50);

/// `quorate remove`.
pub(super) async fn remove(
    client: &Client,
    format: Format,
    options: &RemoveOptions,
) -> Result<ExitCode, Failure> {
    let host = &options.host;
    let status: StatusPage = client.get("/v1/status").await?;
    let Some((means, shown)) = shown(&status.members, host) else {
        let members = status.members.iter().map(|member| member.name.as_str());
        return Err(Failure::new(Exit::NotFound, "not-found", nobody_named(host, members)));
    };
    complain(&means);
    must_be_meant(options.yes, &format!("Remove {host} for good?"))?;
    // While the question stood, another disk life may have come to the name: it is not what was shown.
    let path = format!("/v1/remove?name={}&instance={}", query_value(host), shown.instance);
    let page = ask(client, &path, options.timeout).await?;
    tell(format, &page, &format!("{host} is {}", page.text))
}

/// Says what was done: the page to programs, a sentence to people.
pub(super) fn tell(format: Format, page: &ActPage, sentence: &str) -> Result<ExitCode, Failure> {
    match format {
        Format::Json => output::json(page)?,
        Format::Table => output::text(&format!("{sentence}\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The host of this name as it is asked about, and what it means that it goes; none when there is no such host.
pub(super) fn shown<'a>(members: &'a [MemberPage], host: &str) -> Option<(String, &'a MemberPage)> {
    let shown = members.iter().find(|member| member.name == host)?;
    Some((what_it_means(members, host)?, shown))
}

/// What a removal does to the voters, and to how many of them may be lost; none when there is no such host.
fn what_it_means(members: &[MemberPage], host: &str) -> Option<String> {
    let member = members.iter().find(|member| member.name == host)?;
    let (role, state) = (&member.role, &member.state);
    let mut out = format!("{host} is a {role}, and {state}.");
    let voters: Vec<&MemberPage> = members.iter().filter(|one| one.role == "voter").collect();
    if role == "voter" {
        let left: Vec<&MemberPage> =
            voters.iter().copied().filter(|one| one.name != host).collect();
        let (before, after) = (bears(&voters), bears(&left));
        let names: Vec<&str> = left.iter().map(|one| one.name.as_str()).collect();
        out.push_str(&match names.is_empty() {
            true => " It is the only voter.".to_owned(),
            false => format!(
                " Without it these vote: {}. Of them {after} more may be lost; with it {before}.",
                names.join(", ")
            ),
        });
        let spare = members.iter().any(|one| one.role != "voter" && one.state == "alive");
        if spare {
            out.push_str(" A host without a vote gets one where that helps.");
        }
    }
    if state == "alive" {
        out.push_str(" It stops when it hears of this, and its applications are told then that they have nothing. Where it does not hear, they keep what they were told, a budget's reserve without an end, until they are stopped.");
    }
    Some(out)
}

/// How many of these voters may be lost, beyond those that are.
fn bears(voters: &[&MemberPage]) -> usize {
    let awake = voters.iter().filter(|one| one.state == "alive").count();
    awake.saturating_sub(voters.len() / 2 + 1)
}

/// `quorate leader transfer`.
pub(super) async fn transfer(
    client: &Client,
    format: Format,
    to: Option<&str>,
    timeout: Duration,
) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let before = client.get::<StatusPage>("/v1/status").await?.term;
    let to = to.unwrap_or_default();
    let path = format!("/v1/leader/transfer?to={}", query_value(to));
    let page = ask(client, &path, timeout).await?;
    // This node may have known of no leader, or of an earlier one: who leads in a later term than it was asked in was chosen since.
    let asked_in = page.term.max(before);
    loop {
        let status: StatusPage = client.get("/v1/status").await?;
        if let Some(leader) = successor(&status, asked_in, to) {
            match format {
                Format::Json => {
                    output::json(&serde_json::json!({ "leader": leader, "term": status.term }))?
                }
                Format::Table => {
                    output::text(&format!("{leader} leads in term {}\n", status.term))?
                }
            }
            return Ok(ExitCode::SUCCESS);
        }
        if begun.elapsed() >= timeout {
            let text = format!("{}, but nobody else leads yet; `quorate why` says why", page.text);
            return Err(Failure::new(Exit::Timeout, "timeout", text));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Who leads since, if that is who was to lead.
fn successor<'a>(status: &'a StatusPage, asked_in: u64, to: &str) -> Option<&'a str> {
    let leader = status.leader.as_deref()?;
    (status.term > asked_in && (to.is_empty() || leader == to)).then_some(leader)
}

/// `quorate feature raise`.
pub(super) async fn raise_features(
    client: &Client,
    format: Format,
    level: Option<u32>,
    timeout: Duration,
) -> Result<ExitCode, Failure> {
    let to = level.map_or_else(String::new, |level| format!("?level={level}"));
    let page = ask(client, &format!("/v1/feature/raise{to}"), timeout).await?;
    tell(format, &page, &page.text)
}

pub(crate) async fn ask(
    client: &Client,
    path: &str,
    timeout: Duration,
) -> Result<ActPage, Failure> {
    let millis = timeout.as_millis().max(1).to_string();
    let headers = [(TIMEOUT_HEADER, millis.as_str())];
    let answer = client.post(path, &headers, Bytes::new(), Changes::Something, timeout).await?;
    serde_json::from_slice(&answer).map_err(|_| other_kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, role: &str, state: &str) -> MemberPage {
        let text = |text: &str| text.to_owned();
        MemberPage {
            name: text(name),
            role: text(role),
            state: text(state),
            ..MemberPage::default()
        }
    }

    #[test]
    fn who_led_in_the_term_of_the_act_is_no_successor_whatever_this_node_knew_before() {
        let status = |leader: Option<&str>, term| StatusPage {
            leader: leader.map(str::to_owned),
            term,
            ..StatusPage::default()
        };
        assert_eq!(successor(&status(Some("n1"), 4), 4, ""), None);
        assert_eq!(successor(&status(None, 5), 4, ""), None);
        assert_eq!(successor(&status(Some("n2"), 5), 4, ""), Some("n2"));
        assert_eq!(successor(&status(Some("n2"), 5), 4, "n3"), None);
        assert_eq!(successor(&status(Some("n3"), 6), 4, "n3"), Some("n3"));
    }

    #[test]
    fn what_a_removal_does_to_the_voters_is_said() {
        let members = [
            member("n1", "voter", "alive"),
            member("n2", "voter", "alive"),
            member("n3", "voter", "down"),
            member("n4", "member", "alive"),
        ];
        let means = |host| what_it_means(&members, host);
        assert_eq!(
            means("n3").expect("a member"),
            "n3 is a voter, and down. Without it these vote: n1, n2. Of them 0 more may be lost; with it 0. A host without a vote gets \
             one where that helps."
        );
        assert_eq!(
            means("n4").expect("a member"),
            "n4 is a member, and alive. It stops when it hears of this, and its applications are told then that they have nothing. Where it \
             does not hear, they keep what they were told, a budget's reserve without an end, until they are stopped."
        );
        assert_eq!(means("n5"), None);
        let three = [
            member("n1", "voter", "alive"),
            member("n2", "voter", "alive"),
            member("n3", "voter", "alive"),
        ];
        let means = what_it_means(&three, "n2").expect("a member");
        assert!(means.contains("Of them 0 more may be lost; with it 1."), "{means}");
    }
}

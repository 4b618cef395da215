//! `quorate remove` and `quorate leader transfer`: what an operator has the cluster do. What a removal means is said before it is done,
//! and it is asked whether that is meant. What is said is pure.

use super::arguments::{Format, RemoveOptions};
use super::client::{Changes, Client};
use super::exit::{Exit, Failure};
use super::keyspace::other_kind;
use super::output;
use super::show::query_value;
use super::stderr::complain;
use crate::api::TIMEOUT_HEADER;
use crate::api::pages::{ActPage, MemberPage, StatusPage};
use bytes::Bytes;
use std::io::{BufRead as _, IsTerminal as _};
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
    let Some(means) = what_it_means(&status.members, host) else {
        let names: Vec<&str> = status.members.iter().map(|member| member.name.as_str()).collect();
        let text = format!("no member is named `{host}`; these are: {}", names.join(", "));
        return Err(Failure::new(Exit::NotFound, "not-found", text));
    };
    complain(&means);
    if !options.yes && !is_meant(host) {
        let text = "nobody said yes; nothing was changed. `--yes` says it in a script";
        return Err(Failure::new(Exit::Usage, "usage", text));
    }
    let path = format!("/v1/remove?name={}", query_value(host));
    let page = ask(client, &path, options.timeout).await?;
    match format {
        Format::Json => output::json(&page)?,
        Format::Table => output::text(&format!("{host} is {}\n", page.text))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What a removal does to the voters, and to how many of them may be lost; none when there is no such host.
pub(super) fn what_it_means(members: &[MemberPage], host: &str) -> Option<String> {
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
        out.push_str(" It stops when it hears of this.");
    }
    Some(out)
}

/// How many of these voters may be lost, beyond those that are.
fn bears(voters: &[&MemberPage]) -> usize {
    let awake = voters.iter().filter(|one| one.state == "alive").count();
    awake.saturating_sub(voters.len() / 2 + 1)
}

fn is_meant(host: &str) -> bool {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return false;
    }
    complain(&format!("Remove {host} for good? [y/N]"));
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line).is_ok();
    read && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// `quorate leader transfer`.
pub(super) async fn transfer(
    client: &Client,
    format: Format,
    to: Option<&str>,
    timeout: Duration,
) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let before = client.get::<StatusPage>("/v1/status").await?.leader;
    let to = to.unwrap_or_default();
    let path = format!("/v1/leader/transfer?to={}", query_value(to));
    let page = ask(client, &path, timeout).await?;
    loop {
        let status: StatusPage = client.get("/v1/status").await?;
        let done = |leader: &String| match to.is_empty() {
            true => before.as_ref() != Some(leader),
            false => leader == to,
        };
        if let Some(leader) = status.leader.filter(done) {
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

pub(super) async fn ask(
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
            "n4 is a member, and alive. It stops when it hears of this."
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

//! `quorate revoke`: a host is in strange hands. What it means is said and asked as for a removal; what it does not do, shut out who has the
//! secret, is said with the commands that do.
//!
//! A second word about a host that is revoked asks nothing and changes nothing.

use super::acts::{ask, shown, tell};
use super::arguments::{Format, RemoveOptions};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::show::query_value;
use super::stderr::complain;
use super::stdin::must_be_meant;
use crate::api::pages::StatusPage;
use quorate_proto::{change_the_secret, nobody_named};
use std::process::ExitCode;

/// `quorate revoke`.
pub(super) async fn revoke(
    client: &Client,
    format: Format,
    options: &RemoveOptions,
) -> Result<ExitCode, Failure> {
    let host = &options.host;
    let status: StatusPage = client.get("/v1/status").await?;
    let instance = match shown(&status.members, host) {
        Some((means, shown)) => {
            complain(&format!("{means} {}", what_is_more(host)));
            must_be_meant(options.yes, &format!("Revoke {host} for good?"))?;
            &shown.instance
        }
        None => match status.revoked.iter().rfind(|one| one.name == *host) {
            Some(revoked) => &revoked.instance,
            None => return Err(unknown(&status, host)),
        },
    };
    let path = format!("/v1/revoke?name={}&instance={instance}", query_value(host));
    let page = ask(client, &path, options.timeout).await?;
    // One of long ago may be behind a change of the secret.
    let over = status.revoked.iter().any(|one| one.instance == *instance && !one.secret_known);
    let code = tell(format, &page, &format!("{host} is {}", page.text))?;
    if !over {
        complain(&what_is_left(host));
    }
    Ok(code)
}

fn unknown(status: &StatusPage, host: &str) -> Failure {
    let members = status.members.iter().map(|member| member.name.as_str());
    let text = format!(
        "{}. A host that was removed has no name any more; who has it may have the secret: {}",
        nobody_named(host, members),
        change_the_secret()
    );
    Failure::new(Exit::NotFound, "not-found", text)
}

/// What a revocation does beyond a removal.
fn what_is_more(host: &str) -> String {
    format!(
        "Every host refuses its key from then on, under whatever name, address or disk it comes; that is not taken back. It does not shut out who \
         has the cluster's secret, and {host} has it."
    )
}

/// What is to be done at once behind a revocation.
fn what_is_left(host: &str) -> String {
    format!(
        "Whoever has {host} has the secret, and can come in with a new key. Change it now: {}. `quorate why` reminds of it until then.",
        change_the_secret()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_says_what_it_does_not_do_and_what_does() {
        let (more, left) = (what_is_more("n3"), what_is_left("n3"));
        assert!(more.contains("does not shut out who has the cluster's secret"), "{more}");
        for command in ["quorate secret new", "systemctl reload quorate", "`quorate secret rotate`"]
        {
            assert!(left.contains(command), "{left}");
        }
    }
}

//! `quorate drain`, `undrain` and `promote`: what the cluster keeps of an operator's words about a host.

use super::acts::{ask, tell};
use super::arguments::{Format, HostOptions};
use super::client::Client;
use super::exit::Failure;
use super::show::query_value;
use std::process::ExitCode;

/// `quorate drain`.
pub(super) async fn drain(
    client: &Client,
    format: Format,
    options: &HostOptions,
    reason: &str,
) -> Result<ExitCode, Failure> {
    let path =
        format!("/v1/drain?name={}&reason={}", query_value(&options.host), query_value(reason));
    say(client, format, options, &path).await
}

/// `quorate undrain`.
pub(super) async fn undrain(
    client: &Client,
    format: Format,
    options: &HostOptions,
) -> Result<ExitCode, Failure> {
    say(client, format, options, &format!("/v1/undrain?name={}", query_value(&options.host))).await
}

/// `quorate promote`.
pub(super) async fn promote(
    client: &Client,
    format: Format,
    options: &HostOptions,
) -> Result<ExitCode, Failure> {
    say(client, format, options, &format!("/v1/promote?name={}", query_value(&options.host))).await
}

async fn say(
    client: &Client,
    format: Format,
    options: &HostOptions,
    path: &str,
) -> Result<ExitCode, Failure> {
    let page = ask(client, path, options.timeout).await?;
    tell(format, &page, &format!("{}: {}", options.host, page.text))
}

//! `quorate wait`: for units and scripts that must not begin before the cluster is there. A daemon that is not
//! there yet, or that is started again meanwhile, is waited for too.

use super::arguments::{Format, WaitOptions};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::output;
use super::stderr::complain;
use crate::api::pages::WaitPage;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Between attempts to reach a daemon that is not there.
const RETRY: Duration = Duration::from_millis(200);
/// Longest single question, so that an endless wait is asked again now and then.
const SLICE: Duration = Duration::from_secs(600);

pub(super) async fn wait(
    client: &Client,
    format: Format,
    options: &WaitOptions,
) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let what = match options.epoch {
        Some(epoch) if options.all_live => format!("epoch={epoch}&all_live=1"),
        Some(epoch) => format!("epoch={epoch}"),
        None if options.voters => "voters=1".to_owned(),
        None if options.voter => "voter=1".to_owned(),
        None if options.ready => "ready=1".to_owned(),
        None if options.revision.is_some() => {
            format!("revision={}", options.revision.unwrap_or_default())
        }
        None => "quorate=1".to_owned(),
    };
    let mut told = false;
    loop {
        let left = options.timeout.map(|limit| limit.saturating_sub(begun.elapsed()));
        let slice = left.unwrap_or(SLICE).min(SLICE);
        let path = format!("/v1/wait?{what}&timeout={}", slice.as_secs_f64());
        let failure = match client.get_within::<WaitPage>(&path, slice).await {
            Ok(page) => {
                if format == Format::Json {
                    output::json(&page)?;
                }
                return Ok(ExitCode::SUCCESS);
            }
            Err(failure) => failure,
        };
        let over = options.timeout.is_some_and(|limit| begun.elapsed() + RETRY >= limit);
        match failure.exit {
            Exit::Unreachable if over => return Err(failure),
            Exit::Unreachable => {
                if !told {
                    complain(&format!("quorate: {}; waiting for it", failure.text));
                    told = true;
                }
                tokio::time::sleep(RETRY).await;
            }
            Exit::NotQuorate | Exit::Timeout | Exit::FateUnknown if over => {
                return Err(Failure { exit: Exit::Timeout, ..failure });
            }
            Exit::NotQuorate | Exit::Timeout | Exit::FateUnknown => {
                tokio::time::sleep(RETRY).await;
            }
            _ if failure.code == "busy" && !over => tokio::time::sleep(RETRY).await,
            _ => return Err(failure),
        }
    }
}

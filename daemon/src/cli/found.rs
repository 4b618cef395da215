//! `quorate found --without`: an operator says that seeds will never come. What that means is said before it is done, and it is asked whether
//! it is meant. What is said is pure.

use super::arguments::{Format, FoundOptions};
use super::client::{Changes, Client};
use super::exit::{Exit, Failure};
use super::output;
use super::recover::status_when;
use super::show::query_value;
use super::stderr::complain;
use super::stdin::must_be_meant;
use crate::api::pages::{StatusPage, WaivedPage};
use bytes::Bytes;
use serde_json::json;
use std::process::ExitCode;
use std::time::Instant;

/// `quorate found`.
pub(super) async fn found(
    client: &Client,
    format: Format,
    options: &FoundOptions,
) -> Result<ExitCode, Failure> {
    let path = format!("/v1/found?without={}", query_value(&options.without.join(",")));
    let page: WaivedPage = client.get(&path).await?;
    complain(&what_it_means(&page));
    must_be_meant(options.yes, &format!("Found the cluster without {}?", page.without.join(", ")))?;
    // Whoever else is there by now was not shown.
    let path = format!("{path}&lives={}", page.lives.join(","));
    let begun = Instant::now();
    client.post(&path, &[], Bytes::new(), Changes::Something, options.timeout).await?;
    let is_in = |status: &StatusPage| status.cluster_id.is_some();
    let status = status_when(client, begun, options.timeout, is_in).await.map_err(|_| {
        let text = "the cluster is not founded yet. The word stands as long as the same seeds are here and this host's daemon runs; `quorate why` says what is in the way";
        Failure::new(Exit::Timeout, "timeout", text)
    })?;
    let cluster_id = status.cluster_id.unwrap_or_default();
    match format {
        Format::Json => output::json(&json!({ "cluster_id": cluster_id, "waived": page }))?,
        Format::Table => output::text(&format!(
            "cluster {cluster_id} is founded by {}, without {}\n",
            page.there.join(", "),
            page.without.join(", ")
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What the word does, and what is lost if it is wrong.
pub(super) fn what_it_means(page: &WaivedPage) -> String {
    let (there, without) = (page.there.join(", "), page.without.join(", "));
    format!(
        "{there} found the cluster now, without {without}. A seed that comes later joins it, as any other host.\n\
         That is right if {without} never took part in a founding of this cluster, or if every cluster that was founded with it is lost.\n\
         If it is wrong, and hosts with the data of that cluster are only off or cut off, there are two clusters of one name from now on: what\n\
         was written to one of them is not in the other, and each host stays in the one that it knows."
    )
}

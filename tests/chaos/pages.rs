//! What the store and its nodes say at the end: pages of old revisions, and that all nodes are equal.

use crate::nodes::{LIMIT, Nodes, name};
use crate::revisions::{Page, Store, untold};
use bytes::Bytes;
use quorate_proto::RangeRequest;
use quorate_tests::history::{Operation, key_number, value_number};
use quorate_tests::outside::kv::KvClient;
use quorate_tests::outside::trouble::Trouble;
use serde_json::Value;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at nodes that are not equal yet.
const ASK: Duration = Duration::from_millis(50);
/// A page of this many revisions is looked up although all its revisions are known: a replay is checked on its way.
const SAMPLE: usize = 500;

/// Waits until all nodes are equal, and reads what the judge by revision needs.
pub(crate) async fn at_the_end(
    nodes: &mut Nodes,
    operations: &[Operation],
) -> Result<Store, Trouble> {
    nodes.whole().await?;
    let mut kv = KvClient::at(nodes.door(0));
    let (last, page) = read(&mut kv, None).await?;
    equal(nodes, last, &page).await?;
    let mut store = Store { last, ..Store::default() };
    let samples = (1..last).step_by(SAMPLE);
    let wanted: Vec<u64> = untold(operations, last).into_iter().chain(samples).collect();
    for revision in wanted {
        let (_, page) = read(&mut kv, Some(revision)).await?;
        store.pages.insert(revision, page);
    }
    store.pages.insert(last, page);
    Ok(store)
}

/// All keys of clients, at a revision or now, and the newest revision.
async fn read(kv: &mut KvClient, at: Option<u64>) -> Result<(u64, Page), Trouble> {
    let revision = at.map_or(0, |at| i64::try_from(at).unwrap_or(i64::MAX));
    let [key, range_end] = ["k", "l"].map(|text| Bytes::from_static(text.as_bytes()));
    let request = RangeRequest { key, range_end, revision, ..RangeRequest::default() };
    page_of(kv, request).await
}

/// Asks again as long as there is no answer: after the last fault one is due, but a busy machine may be late.
async fn page_of(kv: &mut KvClient, request: RangeRequest) -> Result<(u64, Page), Trouble> {
    let began = Instant::now();
    let answer = loop {
        match kv.range(request.clone(), PATIENCE).await {
            Ok(answer) => break answer,
            Err(failure) if began.elapsed() > LIMIT => {
                return Err(Trouble::late(format!("a read at the end; {failure}"), LIMIT));
            }
            Err(_) => tokio::time::sleep(ASK).await,
        }
    };
    let newest = answer.header.and_then(|header| u64::try_from(header.revision).ok()).unwrap_or(0);
    let pair =
        |pair: &quorate_proto::KeyValue| Some((key_number(&pair.key)?, value_number(&pair.value)?));
    Ok((newest, answer.kvs.iter().filter_map(pair).collect()))
}

/// Waits until every node says the same of revision, epoch, members and state, and has this page itself.
async fn equal(nodes: &mut Nodes, last: u64, page: &Page) -> Result<(), Trouble> {
    let began = Instant::now();
    let mut instead = String::new();
    while began.elapsed() < LIMIT {
        nodes.check()?;
        match all_equal(nodes, last, page).await {
            Ok(()) => return Ok(()),
            Err(text) => instead = text,
        }
        tokio::time::sleep(ASK).await;
    }
    Err(Trouble::late(format!("all nodes equal; {instead}"), LIMIT))
}

async fn all_equal(nodes: &Nodes, last: u64, page: &Page) -> Result<(), String> {
    let mut first: Option<Value> = None;
    for node in 0..nodes.count() {
        let own = name(node);
        let status = nodes.status(node).await.ok_or_else(|| format!("{own} is silent"))?;
        let said = ["revision", "health_epoch", "applied", "state_hash", "members"]
            .map(|key| status[key].clone());
        let said = Value::from(said.to_vec());
        let first = first.get_or_insert_with(|| said.clone());
        if *first != said {
            return Err(format!("n1 says {first}; {own} says {said}"));
        }
        if status["revision"] != last {
            return Err(format!("{own} is at {}, the end is {last}", status["revision"]));
        }
        let [key, range_end] = ["k", "l"].map(|text| Bytes::from_static(text.as_bytes()));
        let here = RangeRequest { key, range_end, serializable: true, ..RangeRequest::default() };
        let mut kv = KvClient::at(nodes.door(node));
        let (_, own_page) = page_of(&mut kv, here).await.map_err(|trouble| trouble.to_string())?;
        if own_page != *page {
            return Err(format!("{own} itself has {own_page:?}, the store has {page:?}"));
        }
    }
    Ok(())
}

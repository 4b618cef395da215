//! `/v1/health` that waits for news.

use super::*;
use serde_json::Value;

async fn asked(stage: &Stage, query: &str) -> Value {
    let (code, body) = stage.get(&format!("/v1/health{query}")).await;
    assert_eq!(code, StatusCode::OK, "{query}: {body:?}");
    page(&body)
}

#[tokio::test]
async fn who_polls_is_answered_by_news_alone_and_at_the_end_of_the_wait() {
    let stage = Stage::new(State::Quorate, no_keyspace);
    stage.is_of(ClusterId::from_bytes([7; 16]));
    let feed = &stage.doors.feeds.health;
    feed.publish(Arc::new(view(4, MemberState::Alive)), None, true);
    let first = asked(&stage, "?after=3&wait=10m").await;
    assert_eq!((&first["epoch"], &first["reset"]), (&4.into(), &true.into()), "3 was not kept");
    let id = first["id"].as_str().expect("an id").to_owned();
    let idle = asked(&stage, &format!("?after={id}&wait=0s")).await;
    assert_eq!((&idle["id"], &idle["epoch"]), (&first["id"], &4.into()));
    let query = format!("?after={id}&wait=10m");
    let publish = async {
        while stage.doors.crowds.at(Door::Unix).waits.bound().used == 0 {
            tokio::task::yield_now().await;
        }
        feed.publish(Arc::new(view(5, MemberState::Down)), None, true);
    };
    let (news, ()) = tokio::join!(asked(&stage, &query), publish);
    assert_eq!(
        (&news["epoch"], &news["after"], &news["reset"]),
        (&5.into(), &4.into(), &false.into())
    );
    assert_eq!(news["changed"][0]["to"], "down");
    let other = asked(&stage, "?after=4-q-another&wait=10m").await;
    assert_eq!((&other["epoch"], &other["reset"]), (&5.into(), &true.into()), "never a silent gap");
}

#[tokio::test]
async fn a_poll_that_is_not_understood_or_has_no_place_is_refused() {
    let stage = Stage::new(State::Quorate, no_keyspace);
    for query in ["?after=3", "?wait=3s", "?after=3&wait=11m", "?after=3&wait=soon"] {
        let (code, body) = stage.get(&format!("/v1/health{query}")).await;
        assert_eq!(code, StatusCode::BAD_REQUEST, "{query}: {body:?}");
    }
    let waits = &stage.doors.crowds.at(Door::Unix).waits;
    let _all = waits.take(waits.bound().limit as usize, crate::clock::now()).expect("all are free");
    assert_eq!(stage.get("/v1/health?after=3&wait=3s").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        stage.get("/v1/health").await.0,
        StatusCode::OK,
        "what waits for nothing has no place"
    );
}

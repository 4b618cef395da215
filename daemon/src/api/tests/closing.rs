//! A door that closes, or a loop that ends, while answers are under way.

use super::*;

#[tokio::test]
async fn a_door_that_closes_gives_the_answers_that_are_under_way_and_ends_the_feeds() {
    // The loop answers when it is told to.
    let (go, wait) = std::sync::mpsc::channel();
    let (came, mut asked) = mpsc::unbounded_channel();
    let mut stage = Stage::new(State::Quorate, no_keyspace);
    let (calls, mut inbox) = mpsc::channel(1);
    let (open, closing) = Closing::new();
    stage.doors = Doors { calls, closing, ..stage.doors.clone() };
    let path = stage.dir.path().join("other.sock");
    let serving = tokio::spawn(serve_unix(open_unix(&path).unwrap(), stage.doors.clone()));
    tokio::task::spawn_blocking(move || {
        let Some(Call::Client { reply, .. }) = inbox.blocking_recv() else {
            panic!("no wait came")
        };
        came.send(()).unwrap();
        wait.recv().unwrap();
        reply.send(ClientReply::Epoch(HealthEpoch::new(8))).unwrap();
    });
    let waiting = tokio::spawn(get_at(path.clone(), "/v1/wait?epoch=7&all_live=1"));
    let watching = tokio::spawn(get_at(path.clone(), "/v1/events/watch"));
    asked.recv().await.unwrap();
    drop(open);
    assert_eq!(watching.await.unwrap().0, StatusCode::OK, "the feed ends");
    go.send(()).unwrap();
    let (code, body) = waiting.await.unwrap();
    assert_eq!(code, StatusCode::OK);
    assert_eq!(page::<super::super::pages::WaitPage>(&body).epoch, 8);
    serving.await.unwrap();
    assert!(UnixStream::connect(&path).await.is_err(), "nobody is let in any more");
}

#[tokio::test]
async fn a_full_loop_is_busy_and_one_that_ends_with_a_write_leaves_it_unknown() {
    let stage = Stage::new(State::Quorate, no_keyspace);
    let (calls, inbox) = mpsc::channel(1);
    let doors = Doors { calls, keyspace: true, ..stage.doors.clone() };
    let request = || kv_request::Request::Put(PutRequest::default());
    let ask = || {
        crate::api::keyspace::ask(&doors, request(), Default::default(), Duration::from_secs(60))
    };
    let (first, second) = (ask(), ask());
    let stopping = async {
        drop(inbox);
        crate::api::failure::Failure::Stopping
    };
    let (first, second, _) = tokio::join!(biased; first, second, stopping);
    assert_eq!(first.unwrap_err(), crate::api::failure::Failure::FateUnknown);
    assert_eq!(second.unwrap_err(), crate::api::failure::Failure::Busy);
    // From here on nothing is taken any more.
    let third = ask().await;
    assert_eq!(third.unwrap_err(), crate::api::failure::Failure::Stopping);
}

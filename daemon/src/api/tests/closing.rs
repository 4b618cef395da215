//! A door that closes while answers are under way.

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

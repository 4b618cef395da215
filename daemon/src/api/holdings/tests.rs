//! Who holds which places until when.

use super::*;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use std::convert::Infallible;

const KIB: usize = 1024;

/// A connection where all bodies have so many places, and all answers.
fn connect(bodies: &Places, answers: &Places) -> Arc<Connection> {
    Connection::new(&Room { bodies: bodies.clone(), answers: answers.clone() })
}

fn places(limit: usize) -> Places {
    Places::new("places", limit, 1, "places are held")
}

/// An answer of so many bytes on `client`, with what taking its places gave.
async fn answer(
    client: &Arc<Connection>,
    all: &Places,
    bytes: usize,
) -> (Response, Result<(), NoRoom>) {
    let mut room = Ok(());
    let serving = async {
        room = take_answer(all, bytes);
        let given = if room.is_ok() { bytes } else { 0 };
        Ok::<_, Infallible>(Response::new(Body::from(vec![0; given])))
    };
    let Ok(response) = Arc::clone(client).serve(serving).await;
    (response, room)
}

#[tokio::test]
async fn an_answer_holds_its_places_until_the_last_clone_of_its_bytes_is_gone() {
    let all = places(100 * KIB);
    let client = connect(&places(9), &all);
    let used = || all.bound().used;
    let (mut response, _) = answer(&client, &all, 10 * KIB).await;
    assert_eq!((used(), client.is_asking(), client.begun()), (10 * KIB as u64, true, 1));
    assert!(client.leaves_answers(Duration::ZERO) && !client.leaves_answers(Duration::MAX));
    assert_eq!(response.body().size_hint().exact(), Some(10 * KIB as u64));
    let frame = response.body_mut().frame().await.unwrap().unwrap();
    let mut bytes = frame.into_data().unwrap();
    drop(response);
    // It is in the buffers of the connection now.
    assert!(!client.is_asking());
    let rest = bytes.split_off(KIB);
    drop(bytes);
    assert!(used() > 0 && client.leaves_answers(Duration::ZERO));
    drop(rest);
    assert_eq!((used(), client.leaves_answers(Duration::ZERO)), (0, false));
}

#[tokio::test]
async fn an_answer_without_places_is_refused_and_small_ones_need_none() {
    let all = places(100 * KIB);
    let client = connect(&places(9), &all);
    let (_first, room) = answer(&client, &all, 50 * KIB).await;
    assert_eq!(room, Ok(()));
    let (_second, room) = answer(&client, &all, 45 * KIB).await;
    assert_eq!(room, Ok(()));
    assert_eq!(answer(&client, &all, 6 * KIB).await.1, Err(NoRoom::Now));
    assert_eq!(answer(&client, &all, 51 * KIB).await.1, Err(NoRoom::Ever));
    assert_eq!(answer(&client, &all, SMALL).await.1, Ok(()));
    assert_eq!(all.bound().refused, 1, "what never fits is not a matter of the crowd");
}

#[tokio::test]
async fn one_connection_holds_half_of_all_bodies_at_most_and_others_the_rest() {
    let all = places(8);
    let take = async |client: &Arc<Connection>, count| {
        let mut taken = None;
        let serving = async {
            taken = take_body(&all, count);
            Ok::<_, Infallible>(Response::new(Body::empty()))
        };
        let Ok(_) = Arc::clone(client).serve(serving).await;
        taken
    };
    let (first, second) = (connect(&all, &places(9)), connect(&all, &places(9)));
    let three = take(&first, 3).await.expect("there is room");
    assert!(take(&first, 2).await.is_none(), "it has four of eight");
    assert_eq!(all.bound().refused, 1);
    let four = take(&second, 4).await.expect("the other has its own four");
    let one = take(&first, 1).await.expect("one is left to it");
    assert!(take(&second, 1).await.is_none());
    drop((three, four, one));
    assert_eq!(all.bound().used, 0);
    assert!(take(&first, 4).await.is_some());
}

#[tokio::test]
async fn the_places_of_a_body_stay_with_whom_they_were_lent() {
    let all = places(10);
    let client = connect(&all, &places(9));
    let mut lent = None;
    let serving = async {
        keep_body(&Arc::new(take_body(&all, 5).expect("there is room")));
        lent = body();
        Ok::<_, Infallible>(Response::new(Body::empty()))
    };
    let Ok(_) = Arc::clone(&client).serve(serving).await;
    assert_eq!(all.bound().used, 5, "the request is answered, and the loop has it still");
    drop(lent);
    assert_eq!(all.bound().used, 0);
    assert!(body().is_none(), "no request is served");
}

#[tokio::test]
async fn a_page_without_places_is_refused_as_busy() {
    let all = places(100 * KIB);
    let client = connect(&places(9), &all);
    let page = async |bytes| {
        let serving = async { Ok::<_, Infallible>(Response::new(Body::from(vec![0; bytes]))) };
        let Ok(response) = Arc::clone(&client).serve(serving).await;
        response
    };
    let first = page(60 * KIB).await;
    assert_eq!((first.status(), all.bound().used), (StatusCode::OK, 60 * KIB as u64));
    let second = page(60 * KIB).await;
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(first);
    assert_eq!(page(60 * KIB).await.status(), StatusCode::OK);
}

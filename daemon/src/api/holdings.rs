//! What the requests of one connection hold of that of which its kind of door has only so much: bytes of bodies and of answers.
//!
//! What stays true: a body's places are held until the loop has let go of the request, also where its client has gone before that; an
//! answer's until its last byte was handed to the kernel. One connection holds half of all bodies at most. Knows nothing of HTTP's frames.

use super::failure::{Failure, NoRoom, failed};
use crate::clock;
use crate::doors::crowds::{Held, Places, Room, Shared};
use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// Answers up to so many bytes hold no places: what a connection buffers anyway.
const SMALL: usize = 1024;

tokio::task_local! {
    /// The request that this task serves.
    static SERVED: Arc<Holdings>;
}

/// What one connection holds; shared by its requests.
#[derive(Debug)]
pub(super) struct Connection {
    /// Its share of all bodies.
    bodies: Places,
    /// Those of all answers.
    room: Places,
    /// Requests that it ever began.
    begun: AtomicU64,
    /// A clone is in each request that is not answered to its last byte.
    open: Arc<()>,
    /// Answers that hold places, since when.
    answers: Mutex<Vec<(Instant, Weak<Held>)>>,
}

/// What one request holds.
#[derive(Debug)]
struct Holdings {
    connection: Arc<Connection>,
    body: Mutex<Option<Arc<Shared>>>,
    answer: Mutex<Option<Held>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes so many more places for the body of the request that is served.
pub(super) fn take_body(all: &Places, bytes: usize) -> Option<Shared> {
    let own = SERVED.try_with(|served| served.connection.bodies.clone()).ok();
    Shared::take(all, own.as_ref(), bytes, clock::now())
}

/// The request that is served keeps them until it is answered, and lends them to the loop.
pub(super) fn keep_body(places: &Arc<Shared>) {
    let _ = SERVED.try_with(|served| *lock(&served.body) = Some(Arc::clone(places)));
}

/// The places of the body of the request that is served, to be held as long as its bytes.
pub(super) fn body() -> Option<Arc<Shared>> {
    SERVED.try_with(|served| lock(&served.body).clone()).ok().flatten()
}

/// Takes places for so many bytes more of the answer to the request that is served.
pub(super) fn take_answer(all: &Places, bytes: usize) -> Result<(), NoRoom> {
    if bytes <= SMALL {
        return Ok(());
    }
    let has = SERVED.try_with(|served| lock(&served.answer).as_ref().map_or(0, Held::num_permits));
    if (has.unwrap_or(0) + bytes) as u64 > all.bound().limit / 2 {
        return Err(NoRoom::Ever);
    }
    let places = all.take(bytes, clock::now()).ok_or(NoRoom::Now)?;
    let _ = SERVED.try_with(|served| {
        let mut answer = lock(&served.answer);
        match &mut *answer {
            Some(answer) => answer.merge(places),
            none => *none = Some(places),
        }
    });
    Ok(())
}

impl Connection {
    /// One that has asked nothing yet; of all bodies it gets half.
    pub(super) fn new(room: &Room) -> Arc<Self> {
        Arc::new(Self {
            bodies: room.bodies.half(),
            room: room.answers.clone(),
            begun: AtomicU64::new(0),
            open: Arc::new(()),
            answers: Mutex::default(),
        })
    }

    /// Serves one request.
    pub(super) async fn serve<E>(
        self: Arc<Self>,
        serving: impl Future<Output = Result<Response, E>>,
    ) -> Result<Response, E> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let open = Arc::clone(&self.open);
        let served = Arc::new(Holdings {
            connection: self,
            body: Mutex::default(),
            answer: Mutex::default(),
        });
        let mut answered = SERVED.scope(Arc::clone(&served), serving).await?;
        let mut places = lock(&served.answer).take();
        let size = answered.body().size_hint().exact().unwrap_or(0);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if places.is_none() && size > SMALL {
            places = served.connection.room.take(size, clock::now());
            if places.is_none() {
                answered = failed(&Failure::Busy);
            }
        }
        let places = places.map(Arc::new);
        if let Some(places) = &places {
            let mut answers = lock(&served.connection.answers);
            answers.retain(|(_, places)| places.strong_count() > 0);
            answers.push((Instant::now(), Arc::downgrade(places)));
        }
        Ok(answered.map(|body| Body::new(Answer { body, places, _open: open })))
    }

    /// How many requests it ever began.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether a request is not yet answered to its last byte.
    pub(super) fn is_asking(&self) -> bool {
        Arc::strong_count(&self.open) > 1
    }

    /// Whether it has not taken an answer that holds places for so long.
    pub(super) fn leaves_answers(&self, patience: Duration) -> bool {
        let left = |(since, places): &(Instant, Weak<Held>)| {
            places.strong_count() > 0 && since.elapsed() >= patience
        };
        lock(&self.answers).iter().any(left)
    }
}

/// An answer on its way.
struct Answer {
    body: Body,
    places: Option<Arc<Held>>,
    _open: Arc<()>,
}

/// Bytes of an answer, and the places that they hold until the last clone of them is dropped.
struct Piece {
    bytes: Bytes,
    _places: Arc<Held>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let Some(places) = &self.places else { return frame };
        let holding = |bytes| Bytes::from_owner(Piece { bytes, _places: Arc::clone(places) });
        frame.map_ok(|frame| frame.map_data(holding))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;

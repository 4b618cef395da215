//! gRPC's side: tonic over HTTP/2 over mutual TLS, with one long call in both directions and with a call for each
//! message. Defaults of tonic but for `TCP_NODELAY`, which is on.

use super::tls::{self, Pair};
use super::{
    Contender, EXPECTED, Line, MESSAGE, Meter, Order, WINDOW, Window, closed_loop, message, micros,
    on_own_thread, ready,
};
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use quorate_tests::outside::trouble::Trouble;
use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::client::Grpc as Client;
use tonic::codegen::http::{self, uri::PathAndQuery};
use tonic::server::{Grpc as Server, NamedService};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

const STREAM: &str = "/bench.Echo/Stream";
const UNARY: &str = "/bench.Echo/Unary";
/// Messages between the loop and tonic: more than are ever under way.
const WAITING: usize = 1024;

/// A message, there and back.
#[derive(Clone, PartialEq, prost::Message)]
struct Piece {
    #[prost(bytes = "bytes", tag = "1")]
    bytes: Bytes,
}

fn codec() -> ProstCodec<Piece, Piece> {
    ProstCodec::default()
}

/// tonic with one long call.
pub(super) async fn streaming() -> Result<Contender, Trouble> {
    contender("tonic stream", |channel, orders| async move {
        let (out, waiting) = mpsc::channel(WAITING);
        let mut client = Client::new(channel);
        client.ready().await.map_err(|error| status(&Status::from_error(error.into())))?;
        let request = Request::new(ReceiverStream::new(waiting));
        let answer = client.streaming(request, PathAndQuery::from_static(STREAM), codec()).await;
        let back = answer.map_err(|error| status(&error))?.into_inner();
        let mut call = Call { out, back };
        obey(orders, async |in_flight| closed_loop(&mut call, in_flight).await).await;
        Ok(())
    })
    .await
}

/// tonic with a call for each message.
pub(super) async fn unary() -> Result<Contender, Trouble> {
    contender("tonic unary", |channel, orders| async move {
        obey(orders, async |in_flight| calls(&channel, in_flight).await).await;
        Ok(())
    })
    .await
}

/// Both ends, connected; `drive` is the near one.
async fn contender<F>(
    name: &'static str,
    drive: impl FnOnce(Channel, mpsc::Receiver<Order>) -> F + Send + 'static,
) -> Result<Contender, Trouble>
where
    F: Future<Output = Result<(), Trouble>>,
{
    let Pair { client, server } = Pair::new()?;
    let (say, said) = oneshot::channel();
    let (near_lives, near_ended) = oneshot::channel::<()>();
    let far = on_own_thread("grpc-echo", move || serve(server, say, near_ended))?;
    let address = ready(said, "tonic's server", far).await?;
    let (orders, taken) = mpsc::channel(1);
    let (say, said) = oneshot::channel();
    let near = on_own_thread("grpc-near", move || async move {
        let channel = dial(client, address).await?;
        let _ = say.send(());
        let ended = drive(channel, taken).await;
        drop(near_lives);
        ended
    })?;
    ready(said, "tonic's client", near).await?;
    Ok(Contender { name, orders })
}

async fn obey(
    mut orders: mpsc::Receiver<Order>,
    mut window: impl AsyncFnMut(usize) -> Result<Window, Trouble>,
) {
    while let Some(order) = orders.recv().await {
        // The bench may have ended with another trouble.
        let _ = order.answer.send(window(order.in_flight).await);
    }
}

async fn dial(tls: TlsConnector, address: SocketAddr) -> Result<Channel, Trouble> {
    let connector = service_fn(move |_: http::Uri| {
        let tls = tls.clone();
        async move { tls::connect(tls, address).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://localhost")
        .connect_with_connector(connector)
        .await
        .map_err(|error| status(&Status::from_error(error.into())))
}

/// Serves one connection until the near end is gone.
async fn serve(
    tls: TlsAcceptor,
    say: oneshot::Sender<SocketAddr>,
    near_ended: oneshot::Receiver<()>,
) -> Result<(), Trouble> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.map_err(Trouble::at("listening"))?;
    let _ = say.send(listener.local_addr().map_err(Trouble::at("listening"))?);
    let connection = tls::accept(tls, listener).await;
    let incoming = tokio_stream::once(connection).chain(tokio_stream::pending());
    let serving =
        tonic::transport::Server::builder().add_service(Echo).serve_with_incoming(incoming);
    tokio::select! {
        served = serving => served.map_err(|error| status(&Status::from_error(error.into()))),
        _ = near_ended => Ok(()),
    }
}

/// Sends every message back: the shortest such service that can be written with tonic.
#[derive(Debug, Clone, Copy)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "bench.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Server::new(codec());
            Ok(match request.uri().path() {
                STREAM => {
                    let echo = service_fn(|request: Request<Streaming<Piece>>| async {
                        Ok::<_, Status>(Response::new(request.into_inner()))
                    });
                    grpc.streaming(echo, request).await
                }
                _ => {
                    let echo = service_fn(|request: Request<Piece>| async {
                        Ok::<_, Status>(Response::new(request.into_inner()))
                    });
                    grpc.unary(echo, request).await
                }
            })
        })
    }
}

/// The near end of one long call.
struct Call {
    out: mpsc::Sender<Piece>,
    back: Streaming<Piece>,
}

impl Line for Call {
    async fn give(&mut self, bytes: Bytes) -> Result<(), Trouble> {
        self.out.send(Piece { bytes }).await.map_err(|_| Trouble::gone("tonic's call"))
    }

    async fn take(&mut self) -> Result<Bytes, Trouble> {
        match self.back.message().await {
            Ok(Some(piece)) => Ok(piece.bytes),
            Ok(None) => Err(Trouble::gone("tonic's call")),
            Err(error) => Err(status(&error)),
        }
    }
}

/// Keeps so many calls under way for one window.
async fn calls(channel: &Channel, in_flight: usize) -> Result<Window, Trouble> {
    let mut all = Vec::with_capacity(EXPECTED);
    let meter = Meter::start();
    let mut callers = JoinSet::new();
    for _ in 0..in_flight {
        callers.spawn(caller(Client::new(channel.clone()), meter.began));
    }
    while let Some(ended) = callers.join_next().await {
        all.extend(ended.map_err(|_| Trouble::gone("a caller of tonic"))??);
    }
    Ok(meter.stop(all))
}

async fn caller(mut client: Client<Channel>, began: Instant) -> Result<Vec<f64>, Trouble> {
    let mut times = Vec::new();
    while began.elapsed() < WINDOW {
        let request = Request::new(Piece { bytes: message(times.len() as u64) });
        let sent = Instant::now();
        client.ready().await.map_err(|error| status(&Status::from_error(error.into())))?;
        let answer = client.unary(request, PathAndQuery::from_static(UNARY), codec()).await;
        let piece = answer.map_err(|error| status(&error))?.into_inner();
        times.push(micros(sent.elapsed()));
        if piece.bytes.len() != MESSAGE {
            let text = format!("{} bytes", piece.bytes.len());
            return Err(Trouble::Answer { from: "tonic".to_owned(), text });
        }
    }
    Ok(times)
}

fn status(error: &Status) -> Trouble {
    Trouble::Answer { from: "tonic".to_owned(), text: error.to_string() }
}

//! A client of etcd's KV service over gRPC: the same code for every system that is measured or judged.

use bytes::Bytes;
use quorate_proto::{
    DeleteRangeRequest, DeleteRangeResponse, PutRequest, PutResponse, RangeRequest, RangeResponse,
    ResponseHeader, TxnRequest, TxnResponse,
};
use std::error::Error as _;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// Loopback answers at once or not at all.
const CONNECT: Duration = Duration::from_millis(500);

/// One connection, which reconnects by itself. A clone shares it.
#[derive(Debug, Clone)]
pub struct KvClient {
    grpc: Grpc<Channel>,
}

/// The part of etcd's `Maintenance.Status` reply that names the leader.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StatusResponse {
    /// Of whom this is.
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    /// The member that leads; zero when there is none.
    #[prost(uint64, tag = "4")]
    pub leader: u64,
}

/// Asks for [`StatusResponse`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct StatusRequest {}

impl KvClient {
    /// A client of this port on loopback; connects with the first call.
    #[must_use]
    pub fn of_port(port: u16) -> Self {
        Self::at(([127, 0, 0, 1], port).into())
    }

    /// A client of this address; connects with the first call.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .expect("numbers make a valid address")
            .connect_timeout(CONNECT)
            .tcp_nodelay(true);
        Self { grpc: Grpc::new(endpoint.connect_lazy()) }
    }

    /// Puts one key, asking for nothing else.
    pub async fn put(
        &mut self,
        key: Bytes,
        value: Bytes,
        patience: Duration,
    ) -> Result<PutResponse, Status> {
        self.put_as(PutRequest { key, value, ..PutRequest::default() }, patience).await
    }

    /// A put as the request says.
    pub async fn put_as(
        &mut self,
        request: PutRequest,
        patience: Duration,
    ) -> Result<PutResponse, Status> {
        self.call(request, "/etcdserverpb.KV/Put", patience).await
    }

    /// Puts one key under an id of the client's: asked again under it, it happens once.
    pub async fn put_once(
        &mut self,
        key: Bytes,
        value: Bytes,
        id: &str,
        patience: Duration,
    ) -> Result<PutResponse, Status> {
        let mut request = Request::new(PutRequest { key, value, ..PutRequest::default() });
        let id = id.parse().map_err(|_| Status::invalid_argument("no id for a header"))?;
        request.metadata_mut().insert("quorate-request-id", id);
        self.send(request, "/etcdserverpb.KV/Put", patience).await
    }

    /// A read as the request says.
    pub async fn range(
        &mut self,
        request: RangeRequest,
        patience: Duration,
    ) -> Result<RangeResponse, Status> {
        self.call(request, "/etcdserverpb.KV/Range", patience).await
    }

    /// Deletes what the request says.
    pub async fn delete(
        &mut self,
        request: DeleteRangeRequest,
        patience: Duration,
    ) -> Result<DeleteRangeResponse, Status> {
        self.call(request, "/etcdserverpb.KV/DeleteRange", patience).await
    }

    /// One transaction.
    pub async fn txn(
        &mut self,
        request: TxnRequest,
        patience: Duration,
    ) -> Result<TxnResponse, Status> {
        self.call(request, "/etcdserverpb.KV/Txn", patience).await
    }

    /// What this node itself has, which may be old.
    pub async fn read_here(
        &mut self,
        key: Bytes,
        patience: Duration,
    ) -> Result<RangeResponse, Status> {
        let request = RangeRequest { key, serializable: true, ..RangeRequest::default() };
        self.range(request, patience).await
    }

    /// Who leads, as etcd says it.
    pub async fn status(&mut self, patience: Duration) -> Result<StatusResponse, Status> {
        self.call(StatusRequest {}, "/etcdserverpb.Maintenance/Status", patience).await
    }

    /// One call with its own deadline, which the server is told.
    async fn call<Q, A>(
        &mut self,
        message: Q,
        path: &'static str,
        patience: Duration,
    ) -> Result<A, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        self.send(Request::new(message), path, patience).await
    }

    async fn send<Q, A>(
        &mut self,
        mut request: Request<Q>,
        path: &'static str,
        patience: Duration,
    ) -> Result<A, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        request.set_timeout(patience);
        let one = async {
            self.grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let codec = ProstCodec::<Q, A>::default();
            self.grpc
                .unary(request, PathAndQuery::from_static(path), codec)
                .await
                .map(Response::into_inner)
        };
        match tokio::time::timeout(patience, one).await {
            Ok(answer) => answer,
            Err(_) => Err(Status::deadline_exceeded("the client's own deadline")),
        }
    }
}

/// Whether a call failed because nobody listened, so that surely nothing was sent.
#[must_use]
pub fn nobody_listened(failure: &Status) -> bool {
    let mut cause = failure.source();
    while let Some(error) = cause {
        let refused = error.downcast_ref::<std::io::Error>();
        if refused.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}

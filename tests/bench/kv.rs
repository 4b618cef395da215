//! The client that all systems are measured with: etcd's KV service over gRPC, the same code for each.

use bytes::Bytes;
use quorate_proto::{PutRequest, PutResponse, RangeRequest, RangeResponse, ResponseHeader};
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
pub(crate) struct KvClient {
    grpc: Grpc<Channel>,
}

/// The part of etcd's `Maintenance.Status` reply that names the leader.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) header: Option<ResponseHeader>,
    #[prost(uint64, tag = "4")]
    pub(crate) leader: u64,
}

/// Asks for [`StatusResponse`].
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct StatusRequest {}

impl KvClient {
    /// A client of this port on loopback; connects with the first call.
    pub(crate) fn of(port: u16) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))
            .expect("a number makes a valid address")
            .connect_timeout(CONNECT)
            .tcp_nodelay(true);
        Self { grpc: Grpc::new(endpoint.connect_lazy()) }
    }

    pub(crate) async fn put(
        &mut self,
        key: Bytes,
        value: Bytes,
        patience: Duration,
    ) -> Result<PutResponse, Status> {
        let request = PutRequest { key, value, ..PutRequest::default() };
        self.call(request, "/etcdserverpb.KV/Put", patience).await
    }

    /// What this node itself has, which may be old.
    pub(crate) async fn read_here(
        &mut self,
        key: Bytes,
        patience: Duration,
    ) -> Result<RangeResponse, Status> {
        let request = RangeRequest { key, serializable: true, ..RangeRequest::default() };
        self.call(request, "/etcdserverpb.KV/Range", patience).await
    }

    pub(crate) async fn status(&mut self, patience: Duration) -> Result<StatusResponse, Status> {
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
        let mut request = Request::new(message);
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

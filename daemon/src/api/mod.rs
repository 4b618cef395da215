//! The doors of the daemon: a unix socket, a TCP address and a unix socket for monitors, each of which speaks HTTP/1.1 with JSON and
//! HTTP/2 with etcd's gRPC on the same port.
//!
//! What stays true: no door ever waits for the loop without a deadline, nothing of a body is read before the door has let the request
//! in, all bodies together have a bound, and a web page in somebody's browser cannot reach any of it (Host and Origin are checked).
//! Knows nothing of the node's insides: all goes through [`crate::doors::Doors`].

mod acts;
mod applications;
mod assignments;
mod bodies;
mod budgets;
mod committed;
mod door;
mod etcd;
mod failure;
mod fences;
mod founding;
mod guard;
mod health_id;
mod health_now;
mod holdings;
pub(crate) mod keyspace;
mod lapsing;
mod loop_call;
mod offers;
pub(crate) mod pages;
mod parameters;
mod paths;
mod recovery;
mod request_id;
mod routes;
mod serve;
mod since;
mod snapshot;
mod sockets;
mod stalls;
mod streams;
#[cfg(test)]
pub(crate) mod tests;
mod wait;

pub(crate) use bodies::PATIENCE as BODY_PATIENCE;
pub(crate) use offers::keep as offer_definitions;
pub(crate) use parameters::TIMEOUT_HEADER;
pub(crate) use request_id::REQUEST_ID_HEADER;
pub(crate) use serve::{serve_monitor, serve_tcp, serve_unix};
pub(crate) use sockets::{OpenError, UnixDoor, open_monitor, open_unix};

/// Path of the keyspace. The command line posts a `KvRequest` and gets a `KvResponse`, both as protobuf; all other methods
/// take and give JSON.
pub(crate) const KV_PATH: &str = "/v1/kv";
/// Content type of [`KV_PATH`].
pub(crate) const PROTOBUF: &str = "application/x-protobuf";

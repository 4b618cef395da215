//! What etcd's clients and gRPC's monitors ask first: status, members, alarms, health, whether there are accounts. Answered
//! from what the loop shows, without asking it. And what is not served, which is named.

use super::words::{
    AlarmMember, AlarmRequest, AlarmResponse, ETCD_VERSION, Empty, EtcdMember, HealthCheckRequest,
    HealthCheckResponse, MemberListResponse, StatusResponse,
};
use crate::api::bodies::QUESTION;
use crate::doors::Doors;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use quorate_node::Status as NodeStatus;
use quorate_node::status::State as NodeState;
use quorate_proto::{Address, Instance, Member, Message, ResponseHeader, Role, raft_id};
use std::future::ready;
use std::sync::Arc;
use tonic::server::Grpc;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

const NOSPACE: i32 = 1;
const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;

/// Decodes one question and encodes its answer.
async fn unary<Question, Answer>(
    request: Request<Body>,
    answer: impl Fn(Question) -> Result<Answer, Status> + Send,
) -> Response<Body>
where
    Question: Message + Default + Send + Sync + 'static,
    Answer: Message + Default + Send + Sync + 'static,
{
    let service = tower::service_fn(|question: tonic::Request<Question>| {
        ready(answer(question.into_inner()).map(tonic::Response::new))
    });
    let mut grpc =
        Grpc::new(ProstCodec::<Answer, Question>::default()).max_decoding_message_size(QUESTION);
    grpc.unary(service, request).await.map(Body::new)
}

fn member_id(status: &NodeStatus, instance: Instance) -> u64 {
    raft_id(status.cluster_id.unwrap_or_default(), instance).get()
}

/// What the header of every answer of etcd says.
fn header(status: &NodeStatus) -> Option<ResponseHeader> {
    let cluster_id = status.cluster_id.unwrap_or_default().to_bytes();
    let cluster = u64::from_be_bytes(cluster_id[..8].try_into().expect("8 of 16 bytes"));
    Some(ResponseHeader {
        cluster_id: cluster.max(1),
        member_id: member_id(status, status.instance),
        revision: i64::try_from(status.revision).unwrap_or(i64::MAX),
        raft_term: status.term,
    })
}

/// What etcd's alarm is for: a full disk, here or elsewhere, and a full keyspace.
fn has_no_space(status: &NodeStatus) -> bool {
    status.reasons.iter().any(|reason| reason.code == "disk-full" || reason.code == "keyspace-full")
}

/// As etcd's clients know them.
fn errors(status: &NodeStatus) -> Vec<String> {
    let no_leader = (status.state != NodeState::Quorate).then_some("etcdserver: no leader");
    let alarm = has_no_space(status).then_some("alarm:NOSPACE ");
    no_leader.into_iter().chain(alarm).map(str::to_owned).collect()
}

/// `Maintenance/Status`.
pub(crate) async fn status(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Response<Body> {
    unary(request, |_: Empty| {
        let status = doors.status.borrow();
        Ok(StatusResponse {
            header: header(&status),
            version: ETCD_VERSION.to_owned(),
            leader: status.leader.as_ref().map_or(0, |(leader, _)| member_id(&status, *leader)),
            raft_index: status.commit,
            raft_term: status.term,
            raft_applied_index: status.applied,
            errors: errors(&status),
            is_learner: status.role != Some(Role::Voter),
            ..StatusResponse::default()
        })
    })
    .await
}

/// `Cluster/MemberList`: the replicas, as etcd has no other members.
pub(crate) async fn member_list(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Response<Body> {
    unary(request, |_: Empty| {
        let status = doors.status.borrow();
        let replicas = status.view.members.iter().filter(|member| member.role() != Role::Member);
        let member = |member: &Member| EtcdMember {
            id: member_id(&status, member.instance),
            name: member.name.clone(),
            peer_urls: member
                .address
                .as_ref()
                .and_then(Address::socket)
                .map(|address| format!("quic://{address}"))
                .into_iter()
                .collect(),
            client_urls: Vec::new(),
            is_learner: member.role() == Role::Standby,
        };
        Ok(MemberListResponse { header: header(&status), members: replicas.map(member).collect() })
    })
    .await
}

/// `Maintenance/Alarm`, of which only the list is served: an alarm here ends with its cause.
pub(crate) async fn alarm(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Response<Body> {
    unary(request, |question: AlarmRequest| {
        if question.action != 0 {
            let text = "quorate: alarms cannot be raised or disarmed; each ends with its cause, which `quorate why` names";
            return Err(Status::unimplemented(text));
        }
        let status = doors.status.borrow();
        let own = member_id(&status, status.instance);
        let asked = [0, own].contains(&question.member_id) && [0, NOSPACE].contains(&question.alarm);
        let alarms = if asked && has_no_space(&status) {
            vec![AlarmMember { member_id: own, alarm: NOSPACE }]
        } else {
            Vec::new()
        };
        Ok(AlarmResponse { header: header(&status), alarms })
    })
    .await
}

/// `Auth/Authenticate`: there are no accounts, and clients that were given one know these words.
pub(crate) async fn authenticate(request: Request<Body>) -> Response<Body> {
    unary(request, |_: Empty| -> Result<Empty, Status> {
        let text = "etcdserver: authentication is not enabled";
        Err(Status::new(Code::FailedPrecondition, text))
    })
    .await
}

/// `grpc.health.v1.Health/Check`. `serves`: whether there is a service of a name.
pub(crate) async fn check(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
    serves: fn(&str) -> bool,
) -> Response<Body> {
    unary(request, |question: HealthCheckRequest| {
        if !question.service.is_empty() && !serves(&question.service) {
            return Err(Status::not_found("unknown service"));
        }
        let serving = doors.status.borrow().state == NodeState::Quorate;
        Ok(HealthCheckResponse { status: if serving { SERVING } else { NOT_SERVING } })
    })
    .await
}

/// What to answer to a method of gRPC that is not in the list.
pub(crate) fn unimplemented(path: &str) -> Response<Body> {
    Status::unimplemented(format!(
        "quorate does not serve {path}; GET / on the same door lists what it serves"
    ))
    .into_http()
}

/// etcd's JSON gateway, in the shape of its own errors.
pub(crate) fn no_gateway(path: &str) -> Response<Body> {
    let text = format!(
        "quorate does not serve {path}: etcd's JSON gateway is not there. Keys are JSON at /v1/kv (GET / lists all paths), \
         and etcd's gRPC is on this port"
    );
    let page =
        serde_json::json!({ "error": text, "message": text, "code": Code::Unimplemented as i32 });
    (StatusCode::NOT_IMPLEMENTED, Json(page)).into_response()
}

//! One question to the loop: how long it may take, and what its answer means, or that there is none.

use super::failure::Failure;
use super::holdings;
use super::request_id::RequestId;
use crate::doors::{Call, Doors};
use quorate_membership::Waived;
use quorate_meta::Meta;
use quorate_node::{Acknowledgement, ClientReply, ClientRequest, FencedAlone, ItemRelease};
use quorate_proto::{
    Act, Acted, HealthEpoch, Instance, KvError, KvRequest, KvResponse, Message as _, RecoveryAsk,
    RecoveryOrder, Refusal, RefusalCode, WriteName, act, limits, recovery_ask,
};
use std::time::Duration;

/// Past the deadline the loop answers by itself; if it does not within this, the door does.
const LOOP_GRACE: Duration = Duration::from_secs(2);
/// Longest deadline that a client can ask for.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);

/// Asks the keyspace as far as one answer goes.
pub(super) async fn once(
    doors: &Doors,
    request: KvRequest,
    id: RequestId,
    deadline: Duration,
) -> Result<KvResponse, Failure> {
    if request.encoded_len() > limits::CLIENT_REQUEST {
        return Err(Failure::Kv(KvError::RequestTooLarge));
    }
    let request = match id.0 {
        Some(id) => ClientRequest::Named { name: WriteName::of_client(id, &request), request },
        None => ClientRequest::Kv(request),
    };
    match client(doors, request, deadline).await? {
        ClientReply::Kv(response) => Ok(response),
        ClientReply::Refused(refusal) => Err(refused(doors, refusal)),
        _ => Err(wrong_kind()),
    }
}

/// Has the cluster do something.
pub(super) async fn act(
    doors: &Doors,
    act: act::Body,
    deadline: Duration,
) -> Result<Acted, Failure> {
    let act = Act { body: Some(act) };
    match client(doors, ClientRequest::Act(act), deadline).await? {
        ClientReply::Acted(acted) => Ok(acted),
        ClientReply::Refused(refusal)
            if refusal.code() == RefusalCode::TimedOut
                && doors.status.borrow().leader.is_some() =>
        {
            Err(Failure::Waited(format!("{}; nothing was done", refusal.text)))
        }
        ClientReply::Refused(refusal) => Err(refused(doors, refusal)),
        _ => Err(wrong_kind()),
    }
}

/// Waits for an epoch.
pub(crate) async fn wait_epoch(
    doors: &Doors,
    epoch: HealthEpoch,
    all_live: bool,
    deadline: Duration,
) -> Result<HealthEpoch, Failure> {
    match client(doors, ClientRequest::WaitEpoch { epoch, all_live }, deadline).await? {
        ClientReply::Epoch(epoch) => Ok(epoch),
        ClientReply::Refused(refusal) => Err(refused(doors, refusal)),
        _ => Err(wrong_kind()),
    }
}

/// Has this node carry out its part of a plan to found the cluster anew. Gives why it does not, or nothing.
pub(super) async fn recover(
    doors: &Doors,
    order: RecoveryOrder,
    deadline: Duration,
) -> Result<String, Failure> {
    let ask = RecoveryAsk { body: Some(recovery_ask::Body::Order(order)) };
    match client(doors, ClientRequest::Recover(ask), deadline).await? {
        ClientReply::Recovering(answer) => Ok(answer.refused),
        ClientReply::Refused(refusal) => Err(refused(doors, refusal)),
        _ => Err(wrong_kind()),
    }
}

/// Has the founding do without some seeds, or only says what it would mean.
pub(super) async fn waive(
    doors: &Doors,
    without: Vec<String>,
    shown: Option<Vec<Instance>>,
    deadline: Duration,
) -> Result<Waived, Failure> {
    match client(doors, ClientRequest::Waive { without, shown }, deadline).await? {
        ClientReply::Waived(waived) => Ok(waived),
        ClientReply::Refused(refusal) => Err(refused(doors, refusal)),
        _ => Err(wrong_kind()),
    }
}

/// Tells this node that an application has let an item go.
pub(super) async fn release(
    doors: &Doors,
    release: ItemRelease,
    deadline: Duration,
) -> Result<Acted, Failure> {
    acted(doors, ClientRequest::Release(release), deadline).await
}

/// Tells this node that a fence has succeeded that it waits for.
pub(super) async fn fenced(
    doors: &Doors,
    fenced: FencedAlone,
    deadline: Duration,
) -> Result<Acted, Failure> {
    acted(doors, ClientRequest::Fenced(fenced), deadline).await
}

/// Tells this node what an application uses of its share.
pub(super) async fn acknowledge(
    doors: &Doors,
    use_of: Acknowledgement,
    deadline: Duration,
) -> Result<Acted, Failure> {
    acted(doors, ClientRequest::Acknowledge(use_of), deadline).await
}

async fn acted(
    doors: &Doors,
    request: ClientRequest,
    deadline: Duration,
) -> Result<Acted, Failure> {
    match client(doors, request, deadline).await? {
        ClientReply::Acted(acted) => Ok(acted),
        ClientReply::Refused(refusal) => Err(refused(doors, refusal)),
        _ => Err(wrong_kind()),
    }
}

async fn client(
    doors: &Doors,
    request: ClientRequest,
    deadline: Duration,
) -> Result<ClientReply, Failure> {
    let deadline = deadline.min(LONGEST);
    let writes = match &request {
        ClientRequest::Recover(_)
        | ClientRequest::Acknowledge(_)
        | ClientRequest::Release(_)
        | ClientRequest::Fenced(_) => true,
        ClientRequest::Waive { shown, .. } => shown.is_some(),
        ClientRequest::Act(act) => !act.only_asks(),
        ClientRequest::Kv(request) | ClientRequest::Named { request, .. } => {
            !Meta::is_read_only(request)
        }
        ClientRequest::WaitEpoch { .. } => false,
    };
    let body = holdings::body();
    let call = |reply| Call::Client { request, deadline, reply, body };
    let answered = doors.ask(deadline + LOOP_GRACE, call).await;
    answered.map_err(|failure| Failure::of_call(failure, writes))
}

fn refused(doors: &Doors, refusal: Refusal) -> Failure {
    Failure::of(refusal, doors.status.borrow().leader.is_some())
}

pub(super) fn wrong_kind() -> Failure {
    Failure::Other("the answer is of another kind than the question".to_owned())
}

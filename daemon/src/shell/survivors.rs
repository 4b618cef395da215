//! Asks the nodes that are connected what they hold, and has them carry out their parts of a plan, when a majority is lost.
//!
//! Invariant: each is asked once, all at one time, and waited for no longer than a round trip takes where somebody answers at all. Knows
//! nothing of what a plan says.

use bytes::Bytes;
use quorate_node::Status;
use quorate_proto::{
    ClusterId, ForwardAnswer, ForwardRequest, Holding, Instance, Message as _, RecoveryAnswer,
    RecoveryAsk, RecoveryOrder, forward_answer, forward_request, recovery_ask,
};
use quorate_transport::Transport;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinSet;

/// Above any round trip, with a busy loop at its end.
const PATIENCE: Duration = Duration::from_secs(3);

/// The nodes that have a session with this one.
pub(crate) struct Survivors {
    transport: Transport,
    cluster_id: ClusterId,
    connected: Vec<(Instance, SocketAddr)>,
}

impl Survivors {
    pub(crate) fn of(transport: Transport, status: &Status) -> Self {
        let sessions = status.sessions.iter();
        let connected = sessions.map(|(life, _, address)| (*life, *address)).collect();
        Self { transport, cluster_id: status.cluster_id.unwrap_or_default(), connected }
    }

    /// What those hold that answer.
    pub(crate) async fn survey(self) -> Vec<Holding> {
        let ask = RecoveryAsk { body: Some(recovery_ask::Body::Survey(true)) };
        let asks = self.connected.iter().map(|(life, _)| (*life, ask.clone())).collect();
        let answers = self.ask(asks).await;
        answers.into_iter().filter_map(|(_, answer)| Some(answer?.holding)).collect()
    }

    /// What those say who have a part. An answer that is lost says nothing.
    pub(crate) async fn order(self, orders: Vec<RecoveryOrder>) -> Vec<(Instance, Option<String>)> {
        let ask = |order: RecoveryOrder| {
            let life = order.holding.instance;
            (life, RecoveryAsk { body: Some(recovery_ask::Body::Order(order)) })
        };
        let answers = self.ask(orders.into_iter().map(ask).collect()).await;
        let refusal = |answer: Option<RecoveryAnswer>| {
            answer.map(|answer| answer.refused).filter(|refused| !refused.is_empty())
        };
        answers.into_iter().map(|(life, answer)| (life, refusal(answer))).collect()
    }

    async fn ask(
        &self,
        asks: Vec<(Instance, RecoveryAsk)>,
    ) -> Vec<(Instance, Option<RecoveryAnswer>)> {
        let mut tasks = JoinSet::new();
        for (life, ask) in asks {
            let known = self.connected.iter().find(|(connected, _)| *connected == life);
            let Some((_, address)) = known.copied() else { continue };
            let body = Some(forward_request::Body::Recover(ask));
            let remaining_ms = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
            let request = ForwardRequest {
                cluster_id: self.cluster_id,
                remaining_ms,
                body,
                ..ForwardRequest::default()
            };
            let bytes: Bytes = request.encode_to_vec().into();
            let answer = self.transport.request(life, address, bytes, PATIENCE);
            tasks.spawn(async move { (life, answer.await.ok().and_then(opened)) });
        }
        tasks.join_all().await
    }
}

fn opened(bytes: Bytes) -> Option<RecoveryAnswer> {
    match ForwardAnswer::decode(bytes).ok()?.outcome? {
        forward_answer::Outcome::Recovering(answer) => Some(answer),
        _ => None,
    }
}

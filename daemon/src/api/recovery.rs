//! A majority is lost for good: shows the plan to found the cluster anew, and has it carried out.
//!
//! Invariant: a plan is carried out only as long as all is as it says. Those who follow agree before the founder begins.

use super::failure::{Failure, failed, usage};
use super::loop_call;
use super::pages::{Planned, RecoveryPage};
use crate::doors::{Call, Doors};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use quorate_proto::{Holding, RecoveryOrder};
use std::sync::Arc;
use std::time::Duration;

/// All are asked at once, each for no longer than a part of this.
const PATIENCE: Duration = Duration::from_secs(8);

pub(super) async fn plan(State(doors): State<Arc<Doors>>) -> Response {
    match make(&doors).await {
        Ok(planned) => Json(planned.page).into_response(),
        Err(failure) => failed(&failure),
    }
}

async fn make(doors: &Doors) -> Result<Planned, Failure> {
    let holdings = doors.ask(PATIENCE, |reply| Call::Survey { reply }).await?;
    let status = Arc::clone(&doors.status.borrow());
    RecoveryPage::of(&status, holdings).map_err(Failure::NotNow)
}

pub(super) async fn carry_out(State(doors): State<Arc<Doors>>, body: Bytes) -> Response {
    let Ok(plan) = serde_json::from_slice::<RecoveryPage>(&body) else {
        return usage("the body must be a plan, as `GET /v1/recover` gives it");
    };
    match order_all(&doors, &plan).await {
        Ok(()) => {
            let founder = &plan.founder;
            let text = format!("{founder} founds the cluster anew, and the others follow");
            Json(serde_json::json!({ "founder": founder, "text": text })).into_response()
        }
        Err(failure) => failed(&failure),
    }
}

async fn order_all(doors: &Doors, plan: &RecoveryPage) -> Result<(), Failure> {
    let Planned { page: now, holdings, founder } = make(doors).await?;
    if let Some(moved) = plan.moved(&now) {
        let text = format!(
            "the plan does not hold any more: {moved}. Nothing was changed; make another with `quorate recover`"
        );
        return Err(Failure::NotNow(text));
    }
    let part = |holding: Holding| RecoveryOrder {
        plan: now.hash(),
        // By its disk: hosts may have one name among them, as those that are all called localhost.
        founds: holding.instance == founder,
        holding,
    };
    let (founder, followers): (Vec<_>, Vec<_>) =
        holdings.into_iter().map(part).partition(|order| order.founds);
    give(doors, followers).await?;
    give(doors, founder).await
}

/// Gives each its part. A lost answer stops nothing: who does not follow stops by itself, and says so, when it hears of the new cluster.
async fn give(doors: &Doors, orders: Vec<RecoveryOrder>) -> Result<(), Failure> {
    let me = doors.status.borrow().instance;
    let refused = |name: &str, why: &str| {
        Err(Failure::NotNow(format!(
            "{name} does not carry out its part: {why}. Make another plan with `quorate recover`"
        )))
    };
    let names: Vec<_> =
        orders.iter().map(|order| (order.holding.instance, order.holding.name.clone())).collect();
    let (own, others): (Vec<_>, Vec<_>) =
        orders.into_iter().partition(|order| order.holding.instance == me);
    let said = doors.ask(PATIENCE, |reply| Call::Order { orders: others, reply }).await?;
    for (life, why) in said {
        let name =
            names.iter().find(|(known, _)| *known == life).map_or("a host", |(_, name)| name);
        if let Some(why) = why {
            return refused(name, &why);
        }
    }
    for order in own {
        let name = order.holding.name.clone();
        let why = loop_call::recover(doors, order, PATIENCE).await?;
        if !why.is_empty() {
            return refused(&name, &why);
        }
    }
    Ok(())
}

//! Three nodes in a storm: nearly a third of all packets lost, the others out of order, and connections killed all the
//! time.

use crate::flow::{Party, Plan, run};
use crate::quick;
use crate::stage::actor;
use crate::stage::relay::{Dice, Relay, STORM};
use std::time::Duration;

const NODES: [u8; 3] = [1, 2, 3];
/// A connection is killed this often.
const KILL: Duration = Duration::from_millis(200);

fn three(relay: &Relay) -> Vec<Party> {
    let party = |number: u8| {
        let others: Vec<u8> = NODES.into_iter().filter(|other| *other != number).collect();
        Party::new(relay.start_mortal(actor(number), quick()), relay, &others)
    };
    NODES.into_iter().map(party).collect()
}

/// Kills a connection every so often: at one end, so that the other goes on believing in it, or at both.
async fn kill_connections(relay: Relay, lasts: Duration) {
    let mut dice = Dice(99);
    let mut ticks = tokio::time::interval(KILL);
    let until = tokio::time::Instant::now() + lasts;
    while ticks.tick().await < until {
        let at = 1 + dice.below(3) as u8;
        let other = (at + dice.below(2) as u8) % 3 + 1;
        relay.kill(at, other);
        if dice.below(3) > 0 {
            relay.kill(other, at);
        }
    }
}

async fn frames_arrive_once_and_in_order(frames: u64, lasts: Duration) {
    let relay = Relay::new(7, STORM);
    let parties = three(&relay);
    let plan = Plan { frames, over: lasts, patience: lasts * 4 + Duration::from_secs(60) };
    let parties = run(parties, plan, kill_connections(relay.clone(), lasts)).await;
    let counts = relay.counts();
    let kills = lasts.as_millis() / KILL.as_millis();
    println!("{counts:?}");
    for party in &parties {
        for link in party.node.transport.links() {
            println!(
                "{} to {}: {} connections, {} frames again, {} twice here, {:?}",
                party.node.actor.number,
                link.instance,
                link.connections,
                link.retransmitted,
                link.duplicates,
                link.packets
            );
        }
    }
    assert!(u128::from(counts.killed) > kills / 2, "connections were killed: {counts:?}");
    let again = |party: &Party| party.node.transport.links().iter().any(|l| l.retransmitted > 0);
    assert!(parties.iter().any(again), "frames were lost with their connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_once_and_in_order_through_a_storm_that_kills_no_connection() {
    let relay = Relay::new(3, STORM);
    let plan = Plan { frames: 2_000, over: Duration::ZERO, patience: Duration::from_secs(100) };
    run(three(&relay), plan, std::future::ready(())).await;
}

/// Five seconds of it, or with QUORATE_LONG=1, as in `./check --long`, a minute and a hundred thousand frames each way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_once_and_in_order_while_connections_are_killed() {
    let long = std::env::var_os("QUORATE_LONG").is_some();
    let (frames, seconds) = if long { (100_000, 60) } else { (5_000, 5) };
    frames_arrive_once_and_in_order(frames, Duration::from_secs(seconds)).await;
}

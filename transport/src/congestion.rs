//! How much may be under way on a main connection: CUBIC (RFC 9438), but never less than a floor.
//!
//! CUBIC takes each lost packet for a full queue. On a way that loses 5 % by itself it falls to two packets a round trip: then
//! a heartbeat waits half a round trip for its turn behind the log, and the log crawls. A few dozen packets
//! are no burden to a link that carries a cluster, so the window falls no lower than that, nor
//! begins lower.

use quinn::congestion::{Controller, ControllerFactory, Cubic, CubicConfig};
use quinn_proto::RttEstimator;
use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

/// Over 40 ms it carries 1.6 MB/s, in bursts so small that none makes a heartbeat wait for a whole round trip. In the queue
/// of a link of 10 Mbit/s it stands for 52 ms, where CUBIC would fill that queue until it overflows.
const FLOOR: u64 = 64 * 1024;

/// Makes one for each connection.
#[derive(Debug, Default)]
pub(crate) struct FlooredCubicConfig;

impl ControllerFactory for FlooredCubicConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let cubic = Cubic::new(Arc::new(CubicConfig::default()), now, current_mtu);
        Box::new(FlooredCubic { cubic })
    }
}

#[derive(Debug, Clone)]
struct FlooredCubic {
    cubic: Cubic,
}

impl Controller for FlooredCubic {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.cubic.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.cubic.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.cubic.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.cubic.window().max(FLOOR)
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_window_falls_with_losses_to_the_floor_and_no_further() {
        let mut now = Instant::now();
        let mut controller = Arc::new(FlooredCubicConfig).build(now, 1452);
        let mut plain = Cubic::new(Arc::new(CubicConfig::default()), now, 1452);
        for _ in 0..50 {
            now += Duration::from_millis(100);
            controller.on_congestion_event(now, now, false, 1452);
            plain.on_congestion_event(now, now, false, 1452);
        }
        assert_eq!(controller.window(), FLOOR);
        assert!(plain.window() < FLOOR / 8, "CUBIC alone: {}", plain.window());
    }
}

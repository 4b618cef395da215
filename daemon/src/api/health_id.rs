//! The id of a line of health: epoch, quorum, cluster. Whoever shows one, to any host and in any run of its daemon, is told what
//! follows it; and one that says nothing here is never taken for one that does.

use crate::doors::Doors;
use crate::doors::feed::health::{HealthLine, Seen};
use quorate_proto::{ClusterId, HealthEpoch};

/// The cluster of this host; none before it is known.
pub(crate) fn cluster(doors: &Doors) -> Option<ClusterId> {
    doors.status.borrow().cluster_id
}

/// The id of a line, the same on every host.
pub(crate) fn id(line: &HealthLine, cluster: Option<ClusterId>) -> String {
    let quorum = if line.quorate { 'q' } else { 'n' };
    // Without a cluster it is understood nowhere, and whoever shows it is told so.
    let cluster = cluster.map(|id| id.to_string()).unwrap_or_default();
    format!("{}-{quorum}-{cluster}", line.view.epoch)
}

/// What somebody has seen who shows this id; none when it is of another cluster, or no id at all.
pub(crate) fn seen(id: &str, cluster: Option<ClusterId>) -> Option<Seen> {
    let mut parts = id.splitn(3, '-');
    let (epoch, quorum, of) = (parts.next()?, parts.next()?, parts.next()?);
    let quorate = match quorum {
        "q" => true,
        "n" => false,
        _ => return None,
    };
    let epoch = HealthEpoch::new(epoch.parse().ok()?);
    (of == cluster?.to_string()).then_some(Seen { epoch, quorate: Some(quorate) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_proto::HealthView;
    use std::sync::Arc;

    #[test]
    fn an_id_is_understood_on_every_host_of_its_cluster_and_nowhere_else() {
        let here = Some(ClusterId::from_bytes([7; 16]));
        let view = HealthView { epoch: HealthEpoch::new(12), ..HealthView::default() };
        let feed = crate::doors::feed::health::Feed::new();
        feed.publish(Arc::new(view), None, false);
        let line = feed.newest().expect("it was published");
        let shown = id(&line, here);
        let there = Seen { epoch: HealthEpoch::new(12), quorate: Some(false) };
        assert_eq!(seen(&shown, here), Some(there));
        assert_eq!(seen(&shown, Some(ClusterId::from_bytes([8; 16]))), None);
        assert_eq!(seen(&shown, None), None);
        assert_eq!(seen(&id(&line, None), None), None, "no cluster is not a cluster");
        for other in ["", "12", "12-3-1764460800000", "x-q-", "12-q"] {
            assert_eq!(seen(other, here), None, "{other}");
        }
    }
}

//! Witnesses: hosts that vote and keep the whole log, and carry nothing else, so that two servers bear the loss of one.
//!
//! What a host is for travels as a label, which every version keeps and shows: no replica has another state for it. It has a name of its
//! own, and not `role`, because labels of that name are the operators' and say which hosts share a budget. Knows nothing of who leads.

use crate::{Label, Member};

/// Name of the label by which a host says that it is a witness; no label of an operator's own.
pub const WITNESS: &str = "witness";
/// What it says there.
const YES: &str = "yes";

/// What a witness has among its labels.
#[must_use]
pub fn witness_label() -> Label {
    Label { name: WITNESS.to_owned(), value: YES.to_owned() }
}

/// Whether a host with these labels is a witness.
#[must_use]
pub fn is_witness(labels: &[Label]) -> bool {
    labels.iter().any(|label| label.name == WITNESS && label.value == YES)
}

impl Member {
    /// Whether it votes and keeps the log alone: it has no share of anything, and leads only where nobody else can.
    #[must_use]
    pub fn is_witness(&self) -> bool {
        is_witness(&self.labels)
    }

    /// Whether it leads as soon as it can: it is neither drained nor a witness.
    #[must_use]
    pub fn leads_readily(&self) -> bool {
        !self.is_drained() && !self.is_witness()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_a_witness_says_so_by_a_label_of_its_own() {
        let role = Label { name: "role".to_owned(), value: "witness".to_owned() };
        assert!(!is_witness(&[role]), "that one is an operator's");
        assert!(!is_witness(&[Label { value: "no".to_owned(), ..witness_label() }]));
        let member = Member { labels: vec![witness_label()], ..Member::default() };
        assert!(member.is_witness() && !member.leads_readily());
        assert!(Member::default().leads_readily());
    }
}

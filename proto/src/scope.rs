//! What the definitions of all that hosts share have in common: the name, for how long a renewal counts, and which hosts are meant.

use crate::{Label, limits};
use std::collections::BTreeSet;

/// What is wrong with the name of such a thing, if anything is.
pub(crate) fn name_fault(what: &str, name: &str, most: usize) -> Option<String> {
    let named = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
    let fits = !name.is_empty() && name.len() <= most && name.chars().all(named);
    (!fits).then(|| format!("the name of {what} is 1 to {most} of a-z, 0-9, `.`, `_` and `-`"))
}

/// What is wrong with the time that a renewal counts, if anything is.
pub(crate) fn ttl_fault(ttl_ms: u64) -> Option<String> {
    let (least, most) = (limits::BUDGET_TTL_MS.start(), limits::BUDGET_TTL_MS.end());
    let fits = limits::BUDGET_TTL_MS.contains(&ttl_ms);
    (!fits).then(|| format!("ttl is {ttl_ms} ms, and must be {least} ms to {most} ms"))
}

/// What is wrong with a scope, if anything is.
pub(crate) fn fault(scope: &[Label]) -> Option<String> {
    let (labels, bytes) = (limits::BUDGET_SCOPE, limits::BUDGET_LABEL);
    if scope.len() > labels || !scope.iter().all(|label| is_label(label, bytes)) {
        return Some(format!(
            "a scope has at most {labels} labels, each name and value at most {bytes} bytes without control characters"
        ));
    }
    let names: BTreeSet<&str> = scope.iter().map(|label| label.name.as_str()).collect();
    let twice = names.len() < scope.len();
    twice.then(|| "a scope names a label twice, and no host has two values of one label".to_owned())
}

/// Whether a label has a name, and name and value are no longer than so many bytes and can be shown.
pub(crate) fn is_label(label: &Label, bytes: usize) -> bool {
    let fits = |text: &str| text.len() <= bytes && !text.contains(char::is_control);
    !label.name.is_empty() && fits(&label.name) && fits(&label.value)
}

/// Whether a host with these labels is meant.
pub(crate) fn holds(scope: &[Label], labels: &[Label]) -> bool {
    scope.iter().all(|label| labels.contains(label))
}

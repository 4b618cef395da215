//! Who is revoked, in one line. Pure: pages in, text out.

use crate::api::pages::RevokedPage;

/// Who is revoked, for `quorate status` and below the table of members; none when nobody is.
pub(super) fn in_a_line(revoked: &[RevokedPage]) -> Option<String> {
    const SHOWN: usize = 8;
    let name = |one: &RevokedPage| {
        let known = if one.secret_known { ", and it has the secret" } else { "" };
        format!("{} (epoch {}{known})", one.name, one.epoch)
    };
    let newest: Vec<String> = revoked.iter().rev().take(SHOWN).map(name).collect();
    let more = revoked.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(", and {more} before") } else { String::new() };
    (!newest.is_empty()).then(|| format!("{}{rest}", newest.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_revoked_is_said_newest_first_with_whether_it_has_the_secret_and_within_bounds() {
        let page = |number: u64| RevokedPage {
            name: format!("n{number}"),
            epoch: number,
            secret_known: number == 2,
            ..RevokedPage::default()
        };
        assert_eq!(in_a_line(&[]), None);
        let line = in_a_line(&[page(1), page(2)]).expect("two");
        assert_eq!(line, "n2 (epoch 2, and it has the secret), n1 (epoch 1)");
        let many: Vec<RevokedPage> = (1..=20).map(page).collect();
        let line = in_a_line(&many).expect("many");
        assert!(line.starts_with("n20 (") && line.ends_with(", and 12 before"), "{line}");
    }
}

//! What is known of hosts that are missing, for remedies that name several of them: which to start, and which are told of elsewhere.
//!
//! What stays true: nobody is told to start a host that runs. Knows nothing of how that was found.

use super::{ReasonCode, list};
use std::collections::BTreeMap;

/// What is known of why a host is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it may be off, or not started.
    Nothing,
    /// The reason with this word, told beside, is about that host: its remedy is the one that helps.
    Told(ReasonCode),
    /// It runs and is met here; what it lacks it says itself.
    Runs,
}

/// The hosts of which nothing is known.
pub(super) fn unknown<'a>(hosts: impl Iterator<Item = (&'a str, Known)>) -> Vec<String> {
    let hosts = hosts.filter(|(_, known)| *known == Known::Nothing);
    hosts.map(|(host, _)| host.to_owned()).collect()
}

/// What helps for the others, a step for each thing that is known.
pub(super) fn steps<'a>(hosts: impl Iterator<Item = (&'a str, Known)>) -> Vec<String> {
    let (mut told, mut running) = (BTreeMap::<ReasonCode, Vec<String>>::new(), Vec::new());
    for (host, known) in hosts {
        match known {
            Known::Nothing => {}
            Known::Told(code) => told.entry(code).or_default().push(host.to_owned()),
            Known::Runs => running.push(host.to_owned()),
        }
    }
    let told = told
        .iter()
        .map(|(code, hosts)| format!("for {}: do what is said here under {code}", list(hosts)));
    let mut steps: Vec<String> = told.collect();
    if !running.is_empty() {
        let run = if running.len() == 1 { "runs" } else { "run" };
        steps.push(format!("on {}, which {run}: `quorate why`", list(&running)));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::Known::{Nothing, Runs, Told};
    use crate::{Cause, FoundingCause, Known, MemberCause, MissingSeed, MissingVoter, ReasonCode};

    const SECRET: Known = Told(ReasonCode::OtherSecret);

    fn too_few(needed: usize, known: &[Known]) -> String {
        let seed = |(number, known): (usize, &Known)| MissingSeed {
            host: format!("h{}", number + 2),
            seconds: 7,
            known: *known,
        };
        let missing = known.iter().enumerate().map(seed).collect();
        let (seeds, without) = (known.len() + 1, Vec::new());
        FoundingCause::TooFew { heard: 1, seeds, needed, missing, without }.remedy()
    }

    #[test]
    fn only_hosts_of_which_nothing_is_known_are_to_be_started() {
        assert_eq!(too_few(2, &[Nothing, Nothing]), "on 1 of h2, h3: `systemctl start quorate`");
        assert_eq!(too_few(3, &[Nothing, Nothing]), "on h2, h3: `systemctl start quorate`");
        assert_eq!(
            too_few(2, &[SECRET, Nothing, SECRET]),
            "for h2, h4: do what is said here under other-secret; on h3: `systemctl start quorate`"
        );
        assert_eq!(too_few(2, &[Runs]), "on h2, which runs: `quorate why`");
        assert_eq!(too_few(2, &[Runs, Runs]), "on h2, h3, which run: `quorate why`");
    }

    #[test]
    fn a_new_disk_is_no_lost_majority_as_long_as_the_others_can_be_one() {
        let lost = |replaced_too: bool| {
            let voter = |name: &str, replaced| MissingVoter {
                name: name.to_owned(),
                how: "silent".to_owned(),
                ended: false,
                replaced,
                known: Nothing,
            };
            let missing = vec![voter("h2", true), voter("h3", replaced_too)];
            let me = "h1".to_owned();
            let (voters, here, replaced) = (3, 1, 0);
            let (cut_off, late_seconds) = (false, None);
            let lost = MemberCause::NoLeader {
                voters,
                here,
                replaced,
                missing,
                cut_off,
                late_seconds,
                me,
            };
            lost.remedy()
        };
        let one = lost(false);
        assert!(one.starts_with("look whether h3 has power") && !one.contains("reset"), "{one}");
        assert!(one.contains("h2 runs quorate on a new disk, and is let in once"), "{one}");
        assert!(lost(true).contains("the majority is: `quorate recover`"), "{}", lost(true));
    }

    #[test]
    fn a_voter_that_came_back_with_another_secret_is_not_looked_for() {
        let voter = |name: &str, ended, known| MissingVoter {
            name: name.to_owned(),
            how: "silent".to_owned(),
            ended,
            replaced: false,
            known,
        };
        let lost = MemberCause::NoLeader {
            voters: 4,
            here: 1,
            replaced: 0,
            missing: vec![
                voter("h2", false, SECRET),
                voter("h3", true, SECRET),
                voter("h4", true, Nothing),
            ],
            cut_off: false,
            late_seconds: None,
            me: "h1".to_owned(),
        };
        let remedy = lost.remedy();
        let first = "for h2, h3: do what is said here under other-secret; on h4: `systemctl start quorate`; ";
        assert!(remedy.starts_with(first) && remedy.contains("`quorate recover`"), "{remedy}");
    }
}

//! What hosts report of their applications, and what is committed of it, with every field filled in.

use crate::mutation::samples::life;
use quorate_proto::{
    Application, ApplicationChange, ApplicationGone, ApplicationReport, ApplicationState,
    CommandBody, Generation, HealthEpoch, HostApplications, Label, ReportApplications,
};

fn told() -> ApplicationReport {
    ApplicationReport {
        name: "web".to_owned(),
        endpoints: vec!["10.0.0.2:8080".to_owned(), "10.0.0.2:8443".to_owned()],
        labels: vec![Label { name: "tier".to_owned(), value: "front".to_owned() }],
        state: ApplicationState::Down.into(),
        reason: "503 Service Unavailable".to_owned(),
    }
}

/// What a host says of itself.
pub(super) fn reported() -> HostApplications {
    let (instance, generation) = (life(2), Generation::new(2));
    HostApplications { instance, generation, applications: vec![told()] }
}

/// What the view has.
pub(super) fn committed() -> Application {
    Application {
        told: told(),
        host: "n2".to_owned(),
        instance: life(2),
        generation: Generation::new(2),
        by_host: true,
        since_epoch: HealthEpoch::new(9),
        since_unix_ms: 1_700_000_000_000,
    }
}

/// What an epoch says of it.
pub(super) fn changed() -> ApplicationChange {
    let word = |word: &str| word.to_owned();
    let (name, host, reason) = (word("web"), word("n2"), word("503 Service Unavailable"));
    ApplicationChange { name, host, from: word("up"), to: word("down"), reason }
}

/// What is in the view no more.
pub(super) fn gone() -> ApplicationGone {
    ApplicationGone { name: "old".to_owned(), host: "n2".to_owned() }
}

/// A command of the log.
pub(super) fn command() -> (String, CommandBody) {
    let report = ReportApplications { hosts: vec![reported()], at_unix_ms: 5 };
    ("applications".to_owned(), CommandBody::Applications(report))
}

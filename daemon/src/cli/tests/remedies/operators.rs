//! What operators have said, and what the autopilot cannot do without them, with sample data.

use quorate_proto::{
    ApplicationCause, AssignmentCause, BudgetCause, DefinitionCause, OperatorCause,
};

pub(super) fn causes() -> Vec<OperatorCause> {
    let name = || "db2".to_owned();
    let text = || "db2 has been gone for 5 min".to_owned();
    vec![
        OperatorCause::Drained { name: name(), reason: "a new disk".to_owned() },
        OperatorCause::AutopilotPaused { reason: String::new() },
        OperatorCause::RevokedHere { cluster: "prod".to_owned() },
        OperatorCause::RevokedSecret { names: vec![name()], epoch: 9 },
        OperatorCause::RevokedSecret { names: vec![name(), "db3".to_owned()], epoch: 9 },
        OperatorCause::NoSuccessor { name: name(), text: text(), waits: None },
        OperatorCause::NoSuccessor { name: name(), text: text(), waits: Some("db4".to_owned()) },
        OperatorCause::Unapproved { name: name(), text: text() },
    ]
}

pub(super) fn application_causes() -> Vec<ApplicationCause> {
    let file = "/etc/quorate/apps.d/web.toml".to_owned();
    let (name, word) = ("web".to_owned(), "503 Service Unavailable".to_owned());
    let problem = format!("{file}: is not valid TOML");
    vec![ApplicationCause::Down { name, word }, ApplicationCause::DropIn { file, problem }]
}

pub(super) fn definition_causes() -> Vec<DefinitionCause> {
    let file = || "/etc/quorate/budgets.d/pg.toml".to_owned();
    let differs = |what: &str, adopts: &str| DefinitionCause::Differs {
        file: file(),
        what: what.to_owned(),
        differs: "max is 30, and 40 in the file".to_owned(),
        adopts: adopts.to_owned(),
    };
    let budget =
        "quorate budget set pg --max 40 --min 0 --mode strict --ttl 3s --reserve 0 --scope ''";
    let assignment =
        "quorate assign create edge --item vip --ttl 1500ms --rebalance lazy --scope role=x";
    let problem = format!("{}: line 2: unknown field `colour`", file());
    vec![
        DefinitionCause::DropIn { file: file(), problem },
        differs("budget pg", budget),
        differs("assignment edge", assignment),
    ]
}

pub(super) fn budget_causes() -> Vec<BudgetCause> {
    let (budget, host) = ("pg".to_owned(), "db2".to_owned());
    vec![BudgetCause::Unacknowledged { budget, host, share: 15, counted: 30, number: 7 }]
}

pub(super) fn assignment_causes() -> Vec<AssignmentCause> {
    let [assignment, host, item] = ["p", "db2", "3"].map(str::to_owned);
    let items = || "items 0, 3".to_owned();
    let scope = "with role=broker ".to_owned();
    vec![
        AssignmentCause::NoHost { assignment: assignment.clone(), items: items(), scope },
        AssignmentCause::Waits { assignment: assignment.clone(), items: items() },
        AssignmentCause::Untaken {
            assignment: assignment.clone(),
            items: items(),
            host: host.clone(),
        },
        AssignmentCause::Unreleased { assignment, item, host, number: 7 },
    ]
}

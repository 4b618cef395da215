//! What operators have said, and what the autopilot cannot do without them, with sample data.

use quorate_proto::{
    Adoption, ApplicationCause, AssignmentCause, BudgetCause, DefinitionCause, FenceCause,
    Hindrance, InScope, OperatorCause, WitnessCause,
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
    let differs = |what: &str, adopts: Adoption| DefinitionCause::Differs {
        file: file(),
        what: what.to_owned(),
        differs: "max is 30, and 40 in the file".to_owned(),
        adopts,
    };
    let command = |command: &str| Adoption::Command(command.to_owned());
    let anew =
        Adoption::Anew("quorate budget remove pg".to_owned(), "quorate budget list".to_owned());
    let why = "there are as many as there may be: 64 budgets".to_owned();
    let budget =
        "quorate budget set pg --max 40 --min 0 --mode strict --ttl 3s --reserve 0 --scope ''";
    let assignment =
        "quorate assign create edge --item vip --ttl 1500ms --rebalance lazy --scope role=x";
    let problem = format!("{}: line 2: unknown field `colour`", file());
    vec![
        DefinitionCause::DropIn { file: file(), problem },
        differs("budget pg", command(budget)),
        differs("budget pg", anew),
        differs("assignment edge", command(assignment)),
        DefinitionCause::Refused { file: file(), why },
    ]
}

pub(super) fn fence_causes() -> Vec<FenceCause> {
    let (hook, guards) = ("evict".to_owned(), "fence budget pg".to_owned());
    let ended = "ended with 1".to_owned();
    let problem = "/etc/quorate/hooks.d/odd.toml: line 2: unknown field `colour`".to_owned();
    vec![FenceCause::Fails { hook, guards, failures: 2, ended }, FenceCause::Refused { problem }]
}

pub(super) fn budget_causes() -> Vec<BudgetCause> {
    let (budget, host) = ("pg".to_owned(), "db2".to_owned());
    let fence = || "cut-pg".to_owned();
    vec![
        BudgetCause::Alone {
            budget: budget.clone(),
            amount: 30,
            fence: fence(),
            fenced: vec![host.clone()],
        },
        BudgetCause::Fencing {
            budget: budget.clone(),
            fence: fence(),
            waits_for: vec![host.clone()],
        },
        BudgetCause::NotAlone { budget: budget.clone(), why: "there are 3 voters".to_owned() },
        BudgetCause::Unacknowledged { budget, host, share: 15, counted: 30, number: 7 },
    ]
}

pub(super) fn assignment_causes() -> Vec<AssignmentCause> {
    let [assignment, host, item] = ["p", "db2", "3"].map(str::to_owned);
    let items = || "items 0, 3".to_owned();
    let no_host = |others| AssignmentCause::NoHost {
        assignment: "p".to_owned(),
        items: items(),
        scope: "with role=broker ".to_owned(),
        others,
    };
    let unreleased = |gone| AssignmentCause::Unreleased {
        assignment: "p".to_owned(),
        item: item.clone(),
        host: "db2".to_owned(),
        number: 7,
        gone,
    };
    vec![
        no_host(InScope::Nobody),
        no_host(InScope::Witnesses(vec!["w1".to_owned()])),
        no_host(InScope::Others),
        AssignmentCause::Waits { assignment: assignment.clone(), items: items() },
        AssignmentCause::Untaken { assignment, items: items(), host },
        unreleased(None),
        unreleased(Some("down")),
    ]
}

pub(super) fn witness_causes() -> Vec<WitnessCause> {
    let others = [
        Hindrance::Gone,
        Hindrance::HeldDown,
        Hindrance::Unheard,
        Hindrance::Drained,
        Hindrance::Disk,
        Hindrance::Behind,
        Hindrance::Unknown,
    ];
    let others = others.map(|it| ("db2".to_owned(), it)).to_vec();
    let leads = |others| WitnessCause::Leads { name: "w1".to_owned(), others };
    vec![leads(Vec::new()), leads(others)]
}

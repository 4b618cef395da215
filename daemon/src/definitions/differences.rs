//! How a definition in a file differs from that of the cluster, in words, and the command that has the cluster take that of the file.
//!
//! Pure. Knows nothing of where either comes from.

use quorate_proto::{Adoption, Assignment, Budget, DefinitionCause, Label};
use std::fmt::Display;
use std::path::Path;

/// None where they say the same.
pub(crate) fn of_budget(file: &Path, here: &Budget, there: &Budget) -> Option<DefinitionCause> {
    let mut all = Vec::new();
    note(&mut all, "max", here.max, there.max);
    note(&mut all, "min", here.min, there.min);
    note(&mut all, "mode", here.mode().word(), there.mode().word());
    note(&mut all, "ttl", millis(here.ttl_ms), millis(there.ttl_ms));
    note(&mut all, "reserve", here.reserve, there.reserve);
    let loss = |it: &Budget| it.on_quorum_loss().word();
    note(&mut all, "on_quorum_loss", loss(here), loss(there));
    note(&mut all, "fence", fence(here), fence(there));
    note(&mut all, "scope", scope(&here.scope), scope(&there.scope));
    note(&mut all, "classes", classes(here), classes(there));
    let Budget { name, max, min, reserve, ttl_ms, .. } = here;
    let adopts = format!(
        "quorate budget set {name} --max {max} --min {min} --mode {} --ttl {} --reserve {reserve}{}{}{}",
        here.mode().word(),
        millis(*ttl_ms),
        quorum_loss_options(here, there),
        scope_options(&here.scope),
        each_class(here).map(|class| format!(" --class {class}")).collect::<String>()
    );
    // One number does not become several while it is used.
    let stands = here.ttl_ms != there.ttl_ms
        || here.reserve != there.reserve
        || here.classes.is_empty() != there.classes.is_empty();
    let adopts = match stands {
        true => anew("budget", name),
        false => Adoption::Command(adopts),
    };
    told(file, format!("budget {name}"), &all, adopts)
}

/// None where they say the same.
pub(crate) fn of_assignment(
    file: &Path,
    here: &Assignment,
    there: &Assignment,
) -> Option<DefinitionCause> {
    let mut all = Vec::new();
    note(&mut all, "items", items(here), items(there));
    note(&mut all, "ttl", millis(here.ttl_ms), millis(there.ttl_ms));
    note(&mut all, "rebalance", here.rebalance().word(), there.rebalance().word());
    note(&mut all, "scope", scope(&here.scope), scope(&there.scope));
    let name = &here.name;
    let items = match here.names.is_empty() {
        true => format!(" --items {}", here.count),
        false => here.names.iter().map(|item| format!(" --item {item}")).collect(),
    };
    let adopts = format!(
        "quorate assign create {name}{items} --ttl {} --rebalance {}{}",
        millis(here.ttl_ms),
        here.rebalance().word(),
        scope_options(&here.scope)
    );
    let adopts = match here.ttl_ms != there.ttl_ms || !there.goes_on_in(here) {
        true => anew("assign", name),
        false => Adoption::Command(adopts),
    };
    told(file, format!("assignment {name}"), &all, adopts)
}

/// What the cluster refuses to change while it is in use.
fn anew(kind: &str, name: &str) -> Adoption {
    Adoption::Anew(format!("quorate {kind} remove {name}"), format!("quorate {kind} list"))
}

fn told(file: &Path, what: String, all: &[String], adopts: Adoption) -> Option<DefinitionCause> {
    let file = file.display().to_string();
    let differs = all.join("; ");
    (!all.is_empty()).then_some(DefinitionCause::Differs { file, what, differs, adopts })
}

fn note<T: PartialEq + Display>(all: &mut Vec<String>, what: &str, here: T, there: T) {
    if here != there {
        let verb = if what == "classes" { "are" } else { "is" };
        all.push(format!("{what} {verb} {there}, and {here} in the file"));
    }
}

fn fence(budget: &Budget) -> &str {
    if budget.fence.is_empty() { "none" } else { &budget.fence }
}

fn quorum_loss_options(here: &Budget, there: &Budget) -> String {
    match here.fence_for_the_whole() {
        Some(fence) => format!(" --on-quorum-loss local --fence {fence}"),
        None if there.fence_for_the_whole().is_some() => " --on-quorum-loss hold".to_owned(),
        None => String::new(),
    }
}

fn millis(ms: u64) -> String {
    match ms % 1000 {
        0 => format!("{}s", ms / 1000),
        _ => format!("{ms}ms"),
    }
}

fn each_class(budget: &Budget) -> impl Iterator<Item = String> {
    budget.classes.iter().map(|class| format!("{}={}", class.name, class.max))
}

fn classes(budget: &Budget) -> String {
    match budget.classes.is_empty() {
        true => "none".to_owned(),
        false => each_class(budget).collect::<Vec<_>>().join(" and "),
    }
}

fn items(assignment: &Assignment) -> String {
    match assignment.names.is_empty() {
        true => assignment.count.to_string(),
        false => assignment.names.join(", "),
    }
}

/// In the order of names, as the cluster shows them.
fn sorted(scope: &[Label]) -> Vec<String> {
    let mut all: Vec<String> =
        scope.iter().map(|label| format!("{}={}", label.name, label.value)).collect();
    all.sort();
    all
}

fn scope(scope: &[Label]) -> String {
    match scope.is_empty() {
        true => "all hosts".to_owned(),
        false => sorted(scope).join(" and "),
    }
}

fn scope_options(scope: &[Label]) -> String {
    match scope.is_empty() {
        true => " --scope ''".to_owned(),
        false => sorted(scope).iter().map(|label| format!(" --scope {label}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_proto::{Class, Rebalance};

    #[test]
    fn what_differs_is_named_with_the_command_that_takes_the_file() {
        let label = |name: &str| Label { name: name.to_owned(), value: "x".to_owned() };
        let here = Budget { name: "pg".to_owned(), max: 40, ttl_ms: 3_000, ..Budget::default() };
        let there = Budget { max: 30, scope: vec![label("role")], ..here.clone() };
        let file = Path::new("/etc/quorate/budgets.d/pg.toml");
        assert_eq!(of_budget(file, &here, &here), None);
        let Some(DefinitionCause::Differs { differs, adopts, .. }) = of_budget(file, &here, &there)
        else {
            panic!("they differ");
        };
        assert_eq!(
            differs,
            "max is 30, and 40 in the file; scope is role=x, and all hosts in the file"
        );
        let command =
            "quorate budget set pg --max 40 --min 0 --mode strict --ttl 3s --reserve 0 --scope ''";
        assert_eq!(adopts, Adoption::Command(command.to_owned()));
        let swapped = Budget { scope: vec![label("b"), label("a")], ..here.clone() };
        let same = Budget { scope: vec![label("a"), label("b")], ..here };
        assert_eq!(of_budget(file, &swapped, &same), None, "an order is no difference");
        let names = vec!["vip".to_owned(), "cron".to_owned()];
        let here = Assignment {
            name: "edge".to_owned(),
            names,
            ttl_ms: 1_500,
            scope: vec![label("role")],
            ..Assignment::default()
        };
        let there = Assignment { rebalance: Rebalance::Eager.into(), ..here.clone() };
        let Some(DefinitionCause::Differs { differs, adopts, .. }) =
            of_assignment(file, &here, &there)
        else {
            panic!("they differ");
        };
        assert_eq!(differs, "rebalance is eager, and lazy in the file");
        let command = "quorate assign create edge --item vip --item cron --ttl 1500ms --rebalance lazy --scope role=x";
        assert_eq!(adopts, Adoption::Command(command.to_owned()));
    }

    #[test]
    fn what_cannot_be_changed_while_it_is_used_is_removed_and_defined_anew() {
        let file = Path::new("/etc/quorate/budgets.d/pg.toml");
        let adopts = |cause| match cause {
            Some(DefinitionCause::Differs { adopts, .. }) => adopts,
            other => panic!("{other:?}"),
        };
        let here = Budget { name: "pg".to_owned(), max: 40, ttl_ms: 3_000, ..Budget::default() };
        for there in
            [Budget { ttl_ms: 9_000, ..here.clone() }, Budget { reserve: 2, ..here.clone() }]
        {
            assert_eq!(adopts(of_budget(file, &here, &there)), anew("budget", "pg"));
        }
        let of = |max| vec![Class { name: "app".to_owned(), max }];
        let classes = Budget { classes: of(20), ..here.clone() };
        assert_eq!(adopts(of_budget(file, &classes, &here)), anew("budget", "pg"));
        assert_eq!(adopts(of_budget(file, &here, &classes)), anew("budget", "pg"));
        let others = Budget { classes: of(30), ..here.clone() };
        match of_budget(file, &classes, &others) {
            Some(DefinitionCause::Differs { differs, adopts: Adoption::Command(set), .. }) => {
                assert_eq!(differs, "classes are app=30, and app=20 in the file");
                assert!(set.ends_with(" --scope '' --class app=20"), "{set}");
            }
            other => panic!("{other:?}"),
        }
        let here = Assignment { name: "p".to_owned(), count: 6, ..Assignment::default() };
        let more = Assignment { count: 8, ..here.clone() };
        assert_eq!(adopts(of_assignment(file, &here, &more)), anew("assign", "p"), "fewer items");
        assert!(matches!(adopts(of_assignment(file, &more, &here)), Adoption::Command(_)));
        let slow = Assignment { ttl_ms: 9_000, ..here.clone() };
        assert_eq!(adopts(of_assignment(file, &here, &slow)), anew("assign", "p"));
        let named = Assignment { count: 0, names: vec!["vip".to_owned()], ..here.clone() };
        assert_eq!(adopts(of_assignment(file, &named, &here)), anew("assign", "p"));
    }
}

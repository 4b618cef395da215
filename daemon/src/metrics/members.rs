//! The members in `/metrics`, each by its name: which one is down is what a pager wants to know. One that is no member any more has no
//! series. Pure.

use super::text::{escape, head};
use quorate_node::Status;
use quorate_proto::{Goodbye, Member, MemberState};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Most members with series, as in a view that is full; voters come first.
const SHOWN: usize = 1_000;

/// Appends the series.
pub(super) fn render(out: &mut String, status: &Status) {
    let mut members: BTreeMap<(bool, &str), &Member> = BTreeMap::new();
    for member in &status.view.members {
        // A name belongs to one live disk life; of others that had it the newest view has at most the last.
        let other = member.role() != quorate_proto::Role::Voter;
        members.insert((other, member.name.as_str()), member);
    }
    let shown: Vec<&Member> = members.into_values().take(SHOWN).collect();
    let mut flag = |name: &str, help: &str, is: &dyn Fn(&Member) -> bool| {
        head(out, name, help, "gauge");
        for member in &shown {
            let value = u64::from(is(member));
            let _ = writeln!(out, "{name}{{member=\"{}\"}} {value}", escape(&member.name));
        }
    };
    let help = "1 for a member that is committed as alive, 0 for one that is down or left.";
    flag("quorate_member_up", help, &|member| member.state() == MemberState::Alive);
    let help = "1 for a member that is down, so neither alive nor stopped in order.";
    flag("quorate_member_down", help, &|member| member.state() == MemberState::Down);
    let help =
        "1 for a member that has left because its daemon crashed or was killed, as its unit said.";
    flag("quorate_member_crashed", help, &|member| member.goodbye() == Goodbye::Crashed);
    let help = "1 for a member that is a witness: it votes, carries nothing, and leads only where nobody else can.";
    flag("quorate_member_witness", help, &Member::is_witness);
    let help = "Always 1; role, and version as far as this node has met it.";
    head(out, "quorate_member_info", help, "gauge");
    for member in &shown {
        let known = status.programs.iter().find(|(peer, _)| *peer == member.instance);
        let version = known.map_or("", |(_, program)| &program.software);
        let (name, role) = (escape(&member.name), member.role().word());
        let labels = format!("member=\"{name}\",role=\"{role}\",version=\"{}\"", escape(version));
        let _ = writeln!(out, "quorate_member_info{{{labels}}} 1");
    }
}

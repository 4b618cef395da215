//! What can be typed and what cannot, and what the help says.

use super::super::arguments::Arguments;
use clap::{CommandFactory as _, Parser as _};

/// Lines that are refused.
const WRONG: &[&str] = &[
    "quorate wait",
    "quorate wait --quorate --epoch 3",
    "quorate wait --all-live --quorate",
    "quorate wait --voters --quorate",
    "quorate wait --all-live --voters",
    "quorate wait --voter --ready",
    "quorate wait --all-live --revision 3",
    "quorate drain",
    "quorate autopilot stop",
    "quorate nonsense",
    "quorate wait --quorate --timeout 3x",
    "quorate completions",
    "quorate completions tcsh",
    "quorate export a b",
    "quorate export --revision 0",
    "quorate import --from-line 0",
    "quorate snapshot",
    "quorate snapshot save",
    "quorate snapshot save --into d f",
    "quorate snapshot save --keep 3 f",
    "quorate snapshot save --into d --keep 0",
    "quorate snapshot restore --yes",
    "quorate recover --plan p --apply p",
    "quorate found --yes",
    "quorate reset --cluster 00 --prepared --set-aside",
    "quorate recover --plan p --yes",
    "quorate events --watch --since 30m",
    "quorate debug",
    "quorate feature raise 0",
    "quorate feature lower",
    "quorate budget free pg --holder db1",
    "quorate assign free edge --number 7",
    "quorate run-with -- true",
    "quorate run-with budget=pg",
    "quorate run-with budget=pg --on-change TERM -- true",
];

/// Lines that are taken.
const RIGHT: &[&str] = &[
    "quorate -o json status --links",
    "quorate status -o json",
    "quorate wait --epoch 3 --all-live --timeout 30s",
    "quorate wait --voters --timeout 30s",
    "quorate wait --voter",
    "quorate wait --ready --timeout 5m",
    "quorate wait --revision 12",
    "quorate drain n1 --reason disks",
    "quorate undrain n1 --timeout 3s",
    "quorate autopilot",
    "quorate autopilot pause --reason disks --timeout 3s",
    "quorate -o json autopilot resume",
    "quorate promote n1",
    "quorate put k -1",
    "quorate put k - --socket /tmp/s",
    "quorate farewell",
    "quorate reset --cluster 00",
    "quorate completions zsh",
    "quorate man --out /tmp/pages",
    "quorate export a/ --revision 7",
    "quorate snapshot save f --serializable",
    "quorate snapshot save --into d --keep 14 -o json",
    "quorate snapshot status f",
    "quorate snapshot restore f --set-aside --yes --config c",
    "quorate import --create-only --from-line 201 /tmp/keys",
    "quorate recover --yes --timeout 2m",
    "quorate found --without f3 --without f4 --yes",
    "quorate reset --prepared --cluster 00",
    "quorate reset --bring-back life.set-aside-00000000 --cluster 00",
    "quorate recover --apply plan --yes",
    "quorate reset --set-aside --cluster 00",
    "quorate events --since 30m",
    "quorate debug bundle /tmp/state.tar --timeout 2s",
    "quorate feature -o json",
    "quorate feature raise",
    "quorate feature raise 2 --timeout 30s",
    "quorate budget free pg --holder db1 --number 7",
    "quorate budget set pg --max 30 --class app=20 --class report=10",
    "quorate budget watch pg:app",
    "quorate assign free edge --item vip --number 9 -o json",
    "quorate run-with budget=pg --on-change HUP --file /run/size --grace 2s -- poold -c {}",
    "quorate run-with assignment=edge/vip -- hold-address",
];

#[test]
fn the_arguments_are_consistent_and_the_help_names_the_exit_codes() {
    Arguments::command().debug_assert();
    let help = Arguments::command().render_help().to_string();
    assert!(help.contains("3  the daemon of this host is not reachable"), "{help}");
    for wrong in WRONG {
        assert_eq!(Arguments::try_parse_from(wrong.split(' ')).unwrap_err().exit_code(), 2);
    }
    for right in RIGHT {
        assert!(Arguments::try_parse_from(right.split(' ')).is_ok(), "{right}");
    }
}

#[test]
fn the_help_of_each_command_has_its_exit_codes() {
    let whole = Arguments::command();
    let mut commands = vec![("", &whole)];
    while let Some((above, command)) = commands.pop() {
        let below = command.get_subcommands().filter(|command| !command.is_hide_set());
        commands.extend(below.map(|below| (command.get_name(), below)));
        let help = command.clone().render_help().to_string();
        let (_, codes) = help.split_once("\nExit codes:\n").unwrap_or_default();
        let codes: Vec<&str> =
            codes.lines().filter_map(|line| line.split_whitespace().next()).collect();
        let name = command.get_name();
        assert_eq!(codes.first(), Some(&"0"), "`quorate {name} --help` says:\n{help}");
        assert!(codes.len() > 1, "`quorate {name} --help` says nothing of what may fail");
        assert!(codes.iter().all(|code| code.parse::<u8>().is_ok()), "{name}: {codes:?}");
        let judges = above == "quorate" && ["status", "why"].contains(&name);
        assert!(!judges || codes.contains(&"4"), "{name}: {codes:?}");
    }
}

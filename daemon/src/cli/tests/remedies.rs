//! Every reason of the catalogue with sample data, and every command that the shipped texts print: each must work when it is pasted.

mod operators;
mod pace;

use super::super::arguments::Arguments;
use clap::Parser;
use quorate_proto::Moment;
use quorate_proto::{
    CannotSend, Cause, ClusterId, Copied, CopyCause, DaemonCause, DialFailure, Fingerprint,
    FoundingCause, Instance, Known, LinkCause, MemberCause, MissingSeed, MissingVoter, OddSecret,
    PlaceTrouble, Presence, Reason, ReasonCode, SecretLackKind, SeedTrouble, Trouble,
};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

const NAME: &str = "db2";

fn name() -> String {
    NAME.to_owned()
}

fn cluster() -> String {
    "prod".to_owned()
}

fn at(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 4747))
}

fn seed(trouble: SeedTrouble) -> FoundingCause {
    let (seed, host) = ("db2.example.net:4800".to_owned(), "db2.example.net".to_owned());
    FoundingCause::Seed { seed, host, cluster: cluster(), trouble }
}

fn dial(failure: DialFailure, odd: OddSecret) -> FoundingCause {
    seed(SeedTrouble::Dial { addresses: vec![at(2), at(3)], failure, odd })
}

fn dials() -> Vec<FoundingCause> {
    let secret = || DialFailure::OtherSecret { theirs: "aa".to_owned(), ours: "bb".to_owned() };
    vec![
        dial(DialFailure::NoAnswer, OddSecret::Unclear),
        dial(DialFailure::OneWay, OddSecret::Unclear),
        dial(secret(), OddSecret::Here),
        dial(secret(), OddSecret::There),
        dial(secret(), OddSecret::Unclear),
        dial(
            DialFailure::OtherCluster { theirs: "x".to_owned(), ours: "y".to_owned() },
            OddSecret::Unclear,
        ),
        dial(
            DialFailure::Protocol { theirs_min: 2, theirs_max: 3, ours_min: 1, ours_max: 1 },
            OddSecret::Unclear,
        ),
        dial(DialFailure::Twice, OddSecret::Unclear),
        dial(DialFailure::Revoked, OddSecret::Unclear),
        dial(DialFailure::Copy { reason: "older".to_owned() }, OddSecret::Unclear),
        dial(DialFailure::Handshake { reason: "odd".to_owned() }, OddSecret::Unclear),
        dial(
            DialFailure::CannotSend(CannotSend::Family { listen: at(1), to: at(2) }),
            OddSecret::Unclear,
        ),
        dial(
            DialFailure::CannotSend(CannotSend::NoRoute { error: "unreachable".to_owned() }),
            OddSecret::Unclear,
        ),
    ]
}

fn lacking(away: bool, kind: SecretLackKind) -> MemberCause {
    MemberCause::SecretLacking { name: name(), away, kind, to: Fingerprint::new(7) }
}

fn missing(known: Known) -> MissingSeed {
    MissingSeed { host: name(), seconds: 7, known }
}

fn founding() -> Vec<FoundingCause> {
    let several = [Known::Nothing, Known::Told(ReasonCode::OtherSecret), Known::Runs];
    let id = |byte| ClusterId::from_bytes([byte; 16]);
    let one = || "db1".to_owned();
    let clusters = |hosts: &[&str]| {
        vec![
            (id(1), vec!["this host".to_owned()]),
            (id(2), hosts.iter().map(|it| (*it).to_owned()).collect()),
        ]
    };
    let list = |last: &str| vec!["db1".to_owned(), last.to_owned()];
    let seeds = |theirs: Vec<String>| FoundingCause::OtherSeeds {
        name: name(),
        address: at(2),
        theirs,
        ours: list("db2"),
        mode: "majority".to_owned(),
    };
    vec![
        seed(SeedTrouble::Unresolved { problem: "NXDOMAIN".to_owned() }),
        FoundingCause::TwoClusters {
            cluster: cluster(),
            clusters: clusters(&["db3 at 10.0.0.3:4747"]),
            inside: true,
        },
        FoundingCause::TwoClusters { cluster: cluster(), clusters: clusters(&[]), inside: false },
        FoundingCause::OtherData { found: "old".to_owned(), cluster: cluster() },
        FoundingCause::Marker { marker: id(1), cluster: cluster(), only_seed: false },
        FoundingCause::Marker { marker: id(1), cluster: cluster(), only_seed: true },
        FoundingCause::Joining { cluster_id: id(1), cluster: cluster() },
        FoundingCause::Twin { life: Instance::from_bytes([7; 16]), at: at(2), cluster: cluster() },
        FoundingCause::Contested { seed: one(), lives: list("db9") },
        seeds(list("db9")),
        seeds(list("db2")),
        FoundingCause::Place(PlaceTrouble::Both { first: one(), second: name() }),
        FoundingCause::Place(PlaceTrouble::Unknown),
        FoundingCause::Place(PlaceTrouble::OtherPort { seed: one(), port: 4800 }),
        FoundingCause::Place(PlaceTrouble::Nowhere),
        FoundingCause::Place(PlaceTrouble::OneAddress {
            first: one(),
            second: name(),
            address: at(1),
        }),
        FoundingCause::Stuck { heard: 3, seeds: 3, rounds: 9, there: list("db2") },
        FoundingCause::UnderWay { heard: 2, seeds: 3, grace_seconds: 3 },
        FoundingCause::TooFew {
            heard: 1,
            seeds: 3,
            needed: 2,
            missing: vec![missing(Known::Nothing), missing(Known::Nothing)],
            without: list("db2"),
        },
        FoundingCause::TooFew {
            heard: 1,
            seeds: 4,
            needed: 3,
            missing: several.iter().map(|known| missing(*known)).collect(),
            without: Vec::new(),
        },
        FoundingCause::Margin { known: 2, seeds: 3, missing: vec![missing(Known::Nothing)] },
        FoundingCause::Margin {
            known: 2,
            seeds: 3,
            missing: vec![missing(Known::Told(ReasonCode::Unresolved))],
        },
        FoundingCause::Margin { known: 2, seeds: 3, missing: Vec::new() },
    ]
}

fn no_leader(missing: Vec<(bool, bool)>, cut_off: bool, late_seconds: Option<u64>) -> MemberCause {
    let voter = |(ended, replaced)| MissingVoter {
        name: name(),
        how: "silent".to_owned(),
        ended,
        replaced,
        known: if ended && replaced {
            Known::Told(ReasonCode::OtherSecret)
        } else {
            Known::Nothing
        },
    };
    MemberCause::NoLeader {
        voters: 3,
        here: 1,
        replaced: 0,
        missing: missing.into_iter().map(voter).collect(),
        cut_off,
        late_seconds,
        me: "db1".to_owned(),
    }
}

fn members() -> Vec<MemberCause> {
    let how = || "no answer to pings for 501 ms".to_owned();
    let counted = |again| MemberCause::CountedOut {
        me: name(),
        state: "left".to_owned(),
        epoch: 4,
        how: how(),
        leader: "db1".to_owned(),
        again,
    };
    let disk = |trouble, here| MemberCause::Disk { name: name(), here, leads: !here, trouble };
    let mut all = vec![
        MemberCause::KeyspaceFull { limit: 512 },
        MemberCause::StopWaits { me: name(), missing: vec!["db1".to_owned()], seconds: 30 },
        MemberCause::StopWaits { me: name(), missing: Vec::new(), seconds: 30 },
        MemberCause::LeftBehind {
            cluster_id: ClusterId::from_bytes([2; 16]),
            by: vec![name()],
            seconds: 30,
        },
        MemberCause::DoorClosed { address: at(1), error: "in use".to_owned(), forbidden: true },
        MemberCause::DoorClosed { address: at(1), error: "in use".to_owned(), forbidden: false },
        MemberCause::Crowd { limit: 8, crowd: "waits are under way".to_owned(), refused: 3 },
        no_leader(vec![(true, false), (false, false), (false, true)], false, None),
        no_leader(vec![(false, true), (false, true)], false, None),
        no_leader(vec![(false, false)], true, None),
        no_leader(Vec::new(), false, None),
        no_leader(Vec::new(), false, Some(60)),
        MemberCause::NoNetwork { me: "db1".to_owned(), others: vec![name(), "db3".to_owned()] },
        MemberCause::Opinion { name: name(), verdict: "down".to_owned(), how: how() },
        counted(true),
        counted(false),
        MemberCause::TwoAddresses { name: name(), committed: Some(at(2)), other: at(3) },
        MemberCause::TwoAddresses { name: name(), committed: None, other: at(3) },
        MemberCause::OtherVoters { name: name(), theirs: 5, ours: 0 },
        lacking(false, SecretLackKind::Silent),
        lacking(false, SecretLackKind::Accept),
        lacking(false, SecretLackKind::Use),
        lacking(true, SecretLackKind::Silent),
        MemberCause::OtherVoters { name: name(), theirs: 0, ours: 3 },
        MemberCause::Joining {
            refused: Some("no".to_owned()),
            members: vec![name()],
            cluster: cluster(),
        },
        MemberCause::Joining { refused: None, members: Vec::new(), cluster: cluster() },
        MemberCause::NoSpare { voters: 2, hosts: vec!["db1".to_owned(), name()] },
    ];
    for met in [Presence::Gone, Presence::Heard, Presence::Replaced] {
        all.push(MemberCause::Down { name: name(), epoch: 3, how: how(), met });
        all.push(MemberCause::Left { name: name(), epoch: 3, how: how(), met });
    }
    for flag in [true, false] {
        all.push(MemberCause::Missing {
            name: name(),
            role: "voter".to_owned(),
            how: how(),
            ended: flag,
        });
        for trouble in [Trouble::DiskFull, Trouble::DiskStalled, Trouble::DiskSlow] {
            all.push(disk(trouble, flag));
        }
    }
    all
}

fn links() -> Vec<LinkCause> {
    let (since, place) = (|| "12 s".to_owned(), || "10.0.0.2:4747".to_owned());
    let silent = |one_way| LinkCause::NoAnswer {
        name: name(),
        place: place(),
        port: 4747,
        since: since(),
        dials: 7,
        one_way,
    };
    let refused = |odd| LinkCause::Refused {
        name: name(),
        place: place(),
        since: since(),
        dials: 1,
        why: "no".to_owned(),
        odd,
    };
    let no_link = |leads| LinkCause::NoLink {
        me: "db1".to_owned(),
        name: name(),
        leads,
        via: "db3".to_owned(),
    };
    vec![
        no_link(true),
        no_link(false),
        silent(true),
        LinkCause::OneWay { deaf: name(), hears: "db1".to_owned(), other: name(), port: 4747 },
        silent(false),
        refused(None),
        refused(Some(OddSecret::Here)),
        LinkCause::TimedOut { name: name(), gone: since(), why: "nothing was heard".to_owned() },
        LinkCause::Loss { name: name(), per_cent: 27.0, lost: 27, sent: 100 },
        LinkCause::Behind { name: name(), frames: 600, clean: true },
        LinkCause::Behind { name: name(), frames: 600, clean: false },
        LinkCause::Slow { name: name(), millis: 230 },
        LinkCause::Hole { name: name(), times: 2, bytes: 1200 },
        LinkCause::Narrow { name: name(), bytes: 1200, best: 1452, others: true },
        LinkCause::Narrow { name: name(), bytes: 1200, best: 1452, others: false },
    ]
}

fn copies() -> Vec<CopyCause> {
    let (life, start, there) = (Instance::from_bytes([7; 16]), 4, Some(at(3)));
    let mut all = vec![
        CopyCause::WentBack { name: name(), at: at(2), life, start, cluster: cluster() },
        CopyCause::NameInUse { name: name(), at: at(9) },
        CopyCause::NameKept { name: name(), at: at(9), minutes: 5 },
        CopyCause::Lost { name: name(), entry: 9, end: 7 },
        CopyCause::StandsStill { name: name(), end: 0 },
        CopyCause::Contradicts { name: name(), entry: 9 },
        CopyCause::StateDiffers { name: name() },
    ];
    for copy in [
        Copied::Moved,
        Copied::Here,
        Copied::There,
        Copied::Unclear,
        Copied::Newcomer,
        Copied::Standing,
        Copied::Later,
    ] {
        all.push(CopyCause::Older {
            name: name(),
            at: at(2),
            life,
            start,
            there,
            copy,
            cluster: cluster(),
        });
        all.push(CopyCause::OwnTwice {
            name: name(),
            at: at(2),
            there: None,
            copy,
            cluster: cluster(),
        });
        all.push(CopyCause::Twice {
            name: name(),
            at: at(2),
            life,
            there,
            copy,
            cluster: cluster(),
        });
        all.push(CopyCause::TurnedAway { by: vec![name()], copy, minutes: 5, cluster: cluster() });
    }
    all
}

fn daemon() -> Vec<DaemonCause> {
    let ended = |unit: Option<&str>, last: Option<&str>| DaemonCause::Ended {
        socket: "/run/quorate/quorate.sock".to_owned(),
        unit: unit.map(str::to_owned),
        last: last.map(str::to_owned),
    };
    vec![
        DaemonCause::Config {
            file: "/etc/quorate/quorate.toml".to_owned(),
            problem: "no".to_owned(),
        },
        DaemonCause::ReloadRefused { problem: "no".to_owned() },
        ended(Some("failed, restarted 14 times"), Some("the disk")),
        ended(None, None),
        DaemonCause::Waits {
            socket: "/run/quorate/quorate.sock".to_owned(),
            unit: None,
            waits: "no address".to_owned(),
        },
    ]
}

fn told(causes: &[impl Cause]) -> Vec<Reason> {
    causes.iter().map(|cause| Reason::of(cause, Moment::ZERO)).collect()
}

fn catalogue() -> Vec<Reason> {
    [
        told(&dials()),
        told(&founding()),
        told(&members()),
        told(&operators::causes()),
        told(&operators::budget_causes()),
        told(&operators::application_causes()),
        told(&operators::definition_causes()),
        told(&operators::fence_causes()),
        told(&operators::assignment_causes()),
        told(&operators::witness_causes()),
        told(&links()),
        told(&pace::causes()),
        told(&copies()),
        told(&daemon()),
    ]
    .concat()
}

/// What stands in backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// As a shell would: no more quoting is printed than this.
fn words(command: &str) -> Vec<String> {
    command.split_whitespace().map(|word| word.trim_matches(['"', '\'']).to_owned()).collect()
}

/// None when it works as it stands.
fn fault(command: &str) -> Option<String> {
    // Into which file is the shell's business.
    let command = command.split(" > ").next().unwrap_or_default();
    let words = words(command);
    let rest: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    let wrong = match words.first().map(String::as_str) {
        Some("quorate") => match Arguments::try_parse_from(&words) {
            Ok(_) => None,
            Err(error) if error.exit_code() == 0 => None,
            Err(error) => Some(error.to_string()),
        },
        Some("systemctl") => match rest[..] {
            ["start" | "stop" | "restart" | "reload" | "status" | "edit", "quorate"]
            | ["kill", "--signal=INT", "quorate"]
            | ["start" | "restart", "quorate-hooks"]
            | ["enable", "--now", "quorate-hooks"] => None,
            _ => Some(
                "not one of start, stop, restart, reload, status, edit, kill of quorate".to_owned(),
            ),
        },
        Some("journalctl") => match rest[..] {
            ["-u", "quorate"] | ["-u", "quorate", "-e"] | ["-k"] => None,
            _ => Some("no such journal".to_owned()),
        },
        _ => None,
    };
    wrong.map(|wrong| format!("`{command}`: {wrong}"))
}

#[test]
fn every_reason_is_in_the_catalogue_with_a_meaning_and_a_remedy() {
    let reasons = catalogue();
    let shown: BTreeSet<ReasonCode> = reasons.iter().map(|reason| reason.code).collect();
    let missing: Vec<&ReasonCode> =
        ReasonCode::ALL.iter().filter(|code| !shown.contains(code)).collect();
    assert!(missing.is_empty(), "no sample of {missing:?}");
    for reason in &reasons {
        let Reason { text, remedy, code, .. } = reason;
        assert!(!text.is_empty() && !remedy.is_empty(), "{code}");
        for part in [text, remedy] {
            assert!(!part.contains("  ") && !part.contains('{'), "{code}: {part}");
            assert!(!part.ends_with('.'), "whoever shows it ends it: {part}");
        }
    }
}

#[test]
fn every_command_of_a_remedy_works_when_it_is_pasted() {
    let mut found = BTreeSet::new();
    for reason in catalogue() {
        assert_eq!(reason.remedy.matches('`').count() % 2, 0, "{}", reason.remedy);
        for command in quoted(&reason.remedy) {
            assert_eq!(fault(command), None, "{}: {}", reason.code, reason.remedy);
            found.insert(words(command).first().cloned().unwrap_or_default());
        }
        assert!(!reason.remedy.contains('<'), "a placeholder: {}", reason.remedy);
        let outside: String = reason.remedy.split('`').step_by(2).collect();
        for bare in ["quorate reset", "quorate ping", "quorate why", "systemctl", "journalctl"] {
            assert!(
                !outside.contains(bare),
                "{}: not in backticks: {}",
                reason.code,
                reason.remedy
            );
        }
    }
    for command in ["quorate", "systemctl", "journalctl"] {
        assert!(found.contains(command), "no {command} in {found:?}");
    }
}

#[test]
fn every_command_that_the_source_prints_works_when_it_is_pasted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut faults = Vec::new();
    let mut seen = 0;
    for crate_source in [
        "daemon/src",
        "daemon/node/src",
        "daemon/meta/src",
        "membership/src",
        "proto/src",
        "transport/src",
    ] {
        for file in sources(&root.join(crate_source)) {
            for command in printed(&std::fs::read_to_string(&file).expect("a source file")) {
                seen += 1;
                faults.extend(fault(&command).map(|fault| format!("{}: {fault}", file.display())));
            }
        }
    }
    assert!(seen > 60, "{seen} commands were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn sources(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_test {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") && !is_test {
            found.push(path);
        }
    }
    found
}

/// Commands in backticks inside the string literals of a source file, with a word in each gap. Comments and tests are not printed.
fn printed(source: &str) -> Vec<String> {
    let shipped = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code: Vec<&str> =
        shipped.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let text = code.join("\n");
    let mut commands = Vec::new();
    for start in ["`quorate ", "`systemctl ", "`journalctl "] {
        for (place, _) in text.match_indices(start) {
            let Some(command) = text[place + 1..].split('`').next() else { continue };
            // A literal that goes on in the next line.
            let lines: Vec<&str> = command.split("\\\n").map(str::trim_start).collect();
            let command = lines.concat().replace("\\\"", "\"");
            let mut plain = String::new();
            let mut gap = 0;
            for letter in command.chars() {
                match letter {
                    '{' => gap += 1,
                    '}' => {
                        gap -= 1;
                        // A number and a name.
                        plain.push('7');
                    }
                    other if gap == 0 => plain.push(other),
                    _ => {}
                }
            }
            commands.push(plain);
        }
    }
    commands
}

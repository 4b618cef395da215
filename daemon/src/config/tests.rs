//! Every mistake in a config, and what is said about it.

mod levels;
mod samples;

use super::*;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

const GOOD: &str =
    "cluster = \"prod\"\nseeds = [\"f1\", \"F2.example.org.:4800\", \"2001:db8::1\"]\n";

struct Files {
    dir: TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { dir: TempDir::new().expect("a directory") };
        files.write("secret", &Secret::generate([7; 32]).to_text(), 0o600);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        path
    }

    /// Loads a config whose secret file is this one's unless it names another.
    fn load(&self, text: &str) -> Result<Config, ConfigError> {
        let file = self.write("quorate.toml", &self.with_secret(text), 0o644);
        Config::load(&file, None, &surroundings())
    }

    fn with_secret(&self, text: &str) -> String {
        let secret = format!("secret_file = \"{}\"\n", self.path("secret").display());
        if text.contains("secret_file") { text.into() } else { secret + text }
    }

    fn refusal(&self, text: &str) -> String {
        self.load(text).expect_err("refused").to_string()
    }
}

fn surroundings() -> Environment {
    Environment { hostname: "F1.example.org".into(), ..Environment::default() }
}

/// Each line: a config added to a good one, and what the refusal must contain.
fn check_refused(table: &[(&str, &[&str])]) {
    let files = Files::new();
    let long = format!("/run/{}", "s".repeat(103));
    for (text, expected) in table {
        let text = &text.replace("/LONG", &long);
        let whole = if text.contains("cluster") || text.contains("seeds") {
            text.clone()
        } else {
            format!("{GOOD}{text}\n")
        };
        let refusal = files.refusal(&whole);
        assert!(refusal.contains("quorate.toml"), "names the file: {refusal}");
        for word in *expected {
            assert!(refusal.contains(word), "`{text}`: no `{word}` in: {refusal}");
        }
    }
}

#[test]
fn three_keys_are_enough_and_everything_else_has_its_default() {
    let config = Files::new().load(GOOD).expect("valid");
    assert_eq!(config.seeds, ["f1:4747", "f2.example.org:4800", "[2001:db8::1]:4747"]);
    assert_eq!(config.listen, "0.0.0.0:4747".parse().expect("valid"));
    assert_eq!(config.data_dir, Path::new("/var/lib/quorate"));
    assert_eq!(config.birth_dir, Path::new("/var/lib/quorate.birth"));
    assert_eq!((config.founding, config.founding_grace), (Mode::Majority, GRACE));
    assert_eq!(config.client.socket, Path::new("/run/quorate/quorate.sock"));
    assert_eq!(config.client.tcp, Some("127.0.0.1:4748".parse().expect("valid")));
    assert_eq!(config.client.monitor_socket, None);
    assert_eq!(config.host.name.as_str(), "f1");
    assert_eq!(config.quiet(), QUIET);
}

#[test]
fn both_address_families_are_served_where_the_kernel_has_both() {
    let files = Files::new();
    let file = files.write("quorate.toml", &files.with_secret(GOOD), 0o644);
    let listens = |ipv6: bool| {
        let surroundings = Environment { ipv6, ..surroundings() };
        Config::load(&file, None, &surroundings).expect("valid").listen.to_string()
    };
    assert_eq!(
        (listens(true), listens(false)),
        ("[::]:4747".to_owned(), "0.0.0.0:4747".to_owned())
    );
}

#[test]
fn an_ipv4_address_in_the_letters_of_ipv6_is_an_ipv4_address() {
    let config = Files::new()
        .load("cluster = \"a\"\nseeds = [\"::ffff:10.0.0.1\", \"[::ffff:10.0.0.2]:4800\"]\nlisten = \"[::ffff:10.0.0.1]\"\n")
        .expect("valid");
    assert_eq!(config.seeds, ["10.0.0.1:4747", "10.0.0.2:4800"]);
    assert_eq!(config.listen, "10.0.0.1:4747".parse().expect("valid"));
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    check_refused(&[
        (
            "clusterr = \"a\"\ncluster = \"a\"\nseeds = [\"a\"]",
            &["`clusterr`", "did you mean `cluster`?"],
        ),
        ("seed = [\"a\"]\ncluster = \"a\"", &["`seed`", "did you mean `seeds`?"]),
        ("[client]\nsockets = \"/a\"", &["`client.sockets`", "did you mean `client.socket`?"]),
        ("socket = \"/a\"", &["`socket`", "did you mean `client.socket`?"]),
        ("[clients]\ntcp = \"off\"", &["`clients.tcp`", "did you mean `client.tcp`?"]),
        ("zyxwvu = 1", &["`zyxwvu`", "known are: cluster, seeds"]),
    ]);
}

#[test]
fn wrong_types_and_values_name_key_value_rule_and_remedy() {
    check_refused(&[
        ("voters = \"three\"", &["`voters = \"three\"`", "whole number", "without quotes"]),
        ("voters = 9", &["`voters = 9`", "1 to 7", "`\"auto\"`"]),
        ("replace_after = \"3s\"", &["`replace_after = 3s`", "below 10 s", "`5m`"]),
        ("replace_after = \"5\"", &["`replace_after = 5`", "`3s`"]),
        ("forget_after = \"1m\"", &["`forget_after = 1m`", "`replace_after`", "`never`"]),
        ("promote = \"no\"", &["`promote = no`", "`auto` or `approve`"]),
        ("dev = \"yes\"", &["`dev = \"yes\"`", "true or false"]),
        ("listen = 4747", &["`listen = 4747`", "in quotes"]),
        ("listen = \"here\"", &["`listen = here`", "IP address with a port"]),
        ("founding = \"all\"", &["`founding = all`", "`majority` or `durable`"]),
        ("founding_grace = \"3\"", &["`founding_grace = 3`", "`3s`"]),
        ("founding_grace = \"2h\"", &["longer than 3600 s"]),
        ("data_dir = \"data\"", &["`data_dir = data`", "absolute path"]),
        ("data_dir = \"/a\"\nbirth_dir = \"/a/b\"", &["birth_dir", "outside `data_dir`"]),
        ("[client]\ntcp = \"0.0.0.0:4748\"", &["client.tcp", "loopback"]),
        ("[client]\ntcp = \"off\"\nkeyspace_on_tcp = true", &["client.keyspace_on_tcp", "off"]),
        (
            "[client]\nsocket = \"/a\"\nmonitor_socket = \"/a\"",
            &["client.monitor_socket", "must differ from `client.socket`", "off"],
        ),
        ("[client]\nmonitor_socket = \"a\"", &["client.monitor_socket", "absolute path"]),
        ("[client]\nmonitor_socket = \"/LONG\"", &["client.monitor_socket", "at most 107"]),
        ("[client]\nsocket = \"/LONG\"", &["client.socket", "/run/ssss", "at most 107"]),
        ("[log]\nformat = \"xml\"", &["log.format", "`text` or `json`"]),
        ("client = 3", &["`client`", "no key"]),
        ("cluster = \"A b\"\nseeds = [\"a\"]", &["`cluster = A b`", "1 to 63"]),
        ("seeds = [\"a\"]", &["`cluster` is missing"]),
        ("cluster = ", &["not valid TOML", "line 2"]),
    ]);
}

#[test]
fn a_seeds_list_must_name_one_to_seven_different_hosts() {
    check_refused(&[
        ("cluster = \"a\"", &["`seeds` is missing", "1 to 7"]),
        ("cluster = \"a\"\nseeds = []", &["`seeds = []`", "no seed"]),
        ("cluster = \"a\"\nseeds = \"f1\"", &["must be a list"]),
        ("cluster = \"a\"\nseeds = [1]", &["must be a list of texts"]),
        (
            "cluster = \"a\"\nseeds = [\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"]",
            &["8 seeds", "at most 7", "joins through"],
        ),
        ("cluster = \"a\"\nseeds = [\"f1\", \"F1:4747\"]", &["`f1:4747` is named twice"]),
        ("cluster = \"a\"\nseeds = [\"f1:0\"]", &["`seeds = f1:0`", "`host` or `host:port`"]),
        ("cluster = \"a\"\nseeds = [\"f 1\"]", &["`seeds = f 1`"]),
        ("cluster = \"a\"\nseeds = [\"0.0.0.0\"]", &["`seeds = 0.0.0.0`", "no single host"]),
        ("cluster = \"a\"\nseeds = [\"[::]:4747\"]", &["no single host"]),
        ("cluster = \"a\"\nseeds = [\"255.255.255.255\"]", &["no single host"]),
        ("cluster = \"a\"\nseeds = [\"239.1.2.3:4747\"]", &["no single host"]),
        ("cluster = \"a\"\nseeds = [\"10.0.0.300\"]", &["10.0.0.300"]),
        (
            "cluster = \"a\"\nseeds = [\"a\"]\nseeds_file = \"/b\"",
            &["seeds_file", "only one of the two"],
        ),
    ]);
}

#[test]
fn a_seeds_file_gives_the_same_list() {
    let files = Files::new();
    let file = files.write("seeds", "# founders\nf1\n\nf2:4800 # second\n", 0o644);
    let text = format!("cluster = \"a\"\nseeds_file = \"{}\"\n", file.display());
    assert_eq!(files.load(&text).expect("valid").seeds, ["f1:4747", "f2:4800"]);
    let refusal = files.refusal("cluster = \"a\"\nseeds_file = \"/nowhere/seeds\"");
    assert!(refusal.contains("/nowhere/seeds") && refusal.contains("one seed a line"), "{refusal}");
}

#[test]
fn a_secret_that_is_missing_readable_by_others_short_or_garbled_is_refused() {
    let files = Files::new();
    std::fs::remove_file(files.path("secret")).expect("removed");
    assert!(files.refusal(GOOD).contains("quorate secret new"));
    let good = Secret::generate([7; 32]).to_text();
    for mode in [0o644, 0o640, 0o604, 0o660] {
        files.write("secret", &good, mode);
        let refusal = files.refusal(GOOD);
        assert!(refusal.contains(&format!("mode {mode:04o}")), "{refusal}");
        assert!(refusal.contains("chmod 600"), "{refusal}");
    }
    let garbled = good.replace(&good[good.len() - 4..], "zzzz");
    for text in
        ["", "hunter2", &good[..good.len() - 2], &garbled, &format!("{good}\n{good}\n{good}")]
    {
        files.write("secret", text, 0o400);
        let refusal = files.refusal(GOOD);
        assert!(
            refusal.contains("/secret: ") && refusal.contains("quorate secret new"),
            "{refusal}"
        );
    }
    files.write("secret", &format!("{good}\n{}\n", Secret::generate([8; 32]).to_text()), 0o400);
    assert_eq!(files.load(GOOD).expect("two while it is rotated").secrets.len(), 2);
}

#[test]
fn systemds_directories_are_used_and_its_credentials_may_be_readable() {
    let files = Files::new();
    let file = files.write("quorate.toml", GOOD, 0o644);
    files.write("secret", &Secret::generate([7; 32]).to_text(), 0o444);
    let environment = Environment {
        credentials: Some(files.dir.path().to_owned()),
        state: Some("/state/quorate:/state/quorate.birth".into()),
        hostname: "f1".into(),
        ipv6: true,
        secret_source: Some(files.path("source")),
        reloaded: Some(files.path("reloaded")),
    };
    let config = Config::load(&file, None, &environment).expect("valid");
    assert_eq!(config.secret_file, files.path("secret"));
    assert_eq!(config.data_dir, Path::new("/state/quorate"));
    assert_eq!(config.birth_dir, Path::new("/state/quorate.birth"));
    // The copy is closed, whatever the file is of which it was made: that one is judged, as by the other commands.
    files.write("source", "not read", 0o600);
    Config::load(&file, None, &environment).expect("closed");
    files.write("source", "not read", 0o644);
    let refusal = Config::load(&file, None, &environment).expect_err("open").to_string();
    assert!(refusal.contains("/source: ") && refusal.contains("mode 0644"), "{refusal}");
}

#[test]
fn a_reload_reads_the_newer_copy_of_the_secret_that_the_unit_made_where_there_is_one() {
    let files = Files::new();
    let file = files.write("quorate.toml", GOOD, 0o644);
    let [of_start, newer] = [7, 8].map(|byte| Secret::generate([byte; 32]).to_text());
    files.write("secret", &of_start, 0o400);
    let environment = Environment {
        credentials: Some(files.dir.path().to_owned()),
        reloaded: Some(files.path("reloaded")),
        ..surroundings()
    };
    let read = |environment: &Environment| {
        let config = Config::load(&file, None, &environment.of_reload()).expect("valid");
        config.secrets[0].to_text()
    };
    assert_eq!(read(&environment), of_start, "an older unit makes no copy");
    std::fs::create_dir(files.path("reloaded")).expect("a directory");
    files.write("reloaded/secret", &newer, 0o400);
    assert_eq!(read(&environment), newer);
    let by_hand = Environment { credentials: None, ..environment };
    assert_eq!(by_hand.of_reload().credentials, None, "without systemd the file itself is read");
}

#[test]
fn a_reload_is_refused_when_the_file_of_which_it_has_a_copy_is_gone() {
    let files = Files::new();
    let file = files.write("quorate.toml", GOOD, 0o644);
    files.write("secret", &Secret::generate([7; 32]).to_text(), 0o400);
    files.write("source", "not read", 0o600);
    let environment = Environment {
        credentials: Some(files.dir.path().to_owned()),
        secret_source: Some(files.path("source")),
        ..surroundings()
    };
    let config = Config::load(&file, None, &environment).expect("valid");
    let looked = || secret_source_is_there(&config, &environment);
    looked().expect("it is there");
    std::fs::remove_file(files.path("source")).expect("it was there");
    Config::load(&file, None, &environment).expect("a start goes by the copy");
    let refusal = looked().expect_err("a copy of before is no news").to_string();
    assert!(refusal.contains("/source: ") && refusal.contains("copy it from"), "{refusal}");
    std::fs::create_dir(files.path("source")).expect("a directory");
    looked().expect_err("it is no file");
}

#[test]
fn host_toml_is_checked_like_the_main_file() {
    let files = Files::new();
    let good = "name = \"n1\"\nadvertise = \"10.0.0.1\"\nzone = \"a\"\nweight = 3\nrole = \"witness\"\n[labels]\nrack = \"r1\"\n";
    files.write("host.toml", good, 0o644);
    let host = files.load(GOOD).expect("valid").host;
    assert_eq!(host.name.as_str(), "n1");
    assert_eq!(host.advertise, Some("10.0.0.1:4747".parse().expect("valid")));
    assert_eq!((host.weight, host.role), (3, HostRole::Witness));
    let labels: Vec<_> = host.labels.iter().map(|label| (&*label.name, &*label.value)).collect();
    assert_eq!(labels, [("rack", "r1"), ("zone", "a"), ("weight", "3"), ("witness", "yes")]);
    let table: &[(&str, &[&str])] = &[
        ("nam = \"x\"", &["`nam`", "did you mean `name`?"]),
        ("name = \"X Y\"", &["`name = X Y`", "1 to 63"]),
        ("advertise = \"0.0.0.0\"", &["another host can reach"]),
        ("weight = -1", &["0 to 1000"]),
        ("role = \"king\"", &["line 1", "`role = king`", "`node` or `witness`"]),
        ("zone = \"a\"\n\n role=\"king\"\n[labels]\nrole = \"proxy\"", &["line 3"]),
        ("[labels]\nwitness = \"yes\"", &["labels.witness", "`role = \"witness\"` above"]),
        ("labels = 3", &["must be a table"]),
        ("[labels]\na = 1", &["labels.a"]),
        ("[labels]\nzone = \"a\"", &["line 2", "labels.zone", "key of its own"]),
        ("[labels]\nweight = \"2\"", &["labels.weight", "key of its own"]),
    ];
    for (text, expected) in table {
        files.write("host.toml", text, 0o644);
        let refusal = files.refusal(GOOD);
        for word in ["host.toml"].iter().chain(*expected) {
            assert!(refusal.contains(word), "`{text}`: no `{word}` in: {refusal}");
        }
    }
}

#[test]
fn a_missing_file_is_named_unless_it_is_the_optional_one() {
    let files = Files::new();
    let error = Config::load(&files.path("none.toml"), None, &surroundings()).expect_err("missing");
    assert!(error.to_string().contains("none.toml") && error.to_string().contains("--config"));
    let file = files.write("quorate.toml", GOOD, 0o644);
    let named = files.path("named.toml");
    let error = Config::load(&file, Some(&named), &surroundings()).expect_err("asked for");
    assert!(error.to_string().contains("named.toml"), "{error}");
}

#[test]
fn quiet_time_is_skipped_only_on_loopback_or_in_development() {
    let files = Files::new();
    let quiet = |text: &str| files.load(text).expect("valid").quiet();
    let local = "cluster = \"a\"\nseeds = [\"127.0.0.1:7001\", \"localhost:7002\", \"::1\"]\n";
    assert_eq!(quiet(&format!("{local}listen = \"127.0.0.1:7001\"\n")), Duration::ZERO);
    assert_eq!(quiet(local), QUIET, "the listener takes all addresses");
    assert_eq!(quiet(&format!("{GOOD}listen = \"127.0.0.1:7001\"\n")), QUIET);
    assert_eq!(quiet(&format!("{GOOD}dev = true\n")), Duration::ZERO);
}

#[test]
fn the_report_says_what_one_seed_for_several_hosts_means() {
    let files = Files::new();
    files.load("cluster = \"a\"\nseeds = [\"f1\"]\n").expect("valid");
    let report = check_config(&files.path("quorate.toml"), None, &surroundings())
        .expect("valid")
        .to_string();
    assert!(report.contains("founds the cluster alone"), "{report}");
    assert!(report.contains("name three of them"), "{report}");
    files.load(&format!("{GOOD}founding = \"durable\"\n")).expect("valid");
    let report = check_config(&files.path("quorate.toml"), None, &surroundings())
        .expect("valid")
        .to_string();
    assert!(report.contains("as soon as 3 of 3 seeds"), "{report}");
    assert!(!report.contains("warning"), "{report}");
}

#[test]
fn a_witness_uses_no_file_of_an_application() {
    let files = Files::new();
    let apps = files.path("apps.d");
    std::fs::create_dir(&apps).expect("a directory");
    std::fs::write(apps.join("web.toml"), "[check]\nkind = \"none\"\n").expect("written");
    let text = format!("{GOOD}apps_dir = \"{}\"\n", apps.display());
    assert_eq!(files.load(&text).expect("valid").drop_ins().definitions.len(), 1);
    files.write("host.toml", "role = \"witness\"\n", 0o644);
    let witness = files.load(&text).expect("valid").drop_ins();
    assert!(witness.definitions.is_empty() && witness.takes_none.is_some());
    assert_eq!(witness.problems.len(), 1, "it is named");
}

//! Files that are taken, and what is said of those that are not.

use super::*;

fn read(text: &str) -> Result<Definition, String> {
    parse(Path::new("/etc/quorate/apps.d/web.toml"), text)
}

#[test]
fn a_file_names_an_application_with_its_endpoints_and_its_check() {
    let text = "endpoints = [\"10.0.0.5:6432\"]\n[labels]\ntier = \"db\"\n[check]\nkind = \"http\"\nurl = \"http://[::1]:8080/up?x=1\"\ninterval = \"1s\"\nfall = 1\n";
    let one = read(text).expect("it is sound");
    assert_eq!((one.name.as_str(), one.endpoints.len(), one.labels.len()), ("web", 1, 1));
    let Check { kind, interval, timeout, rise, fall } = one.check;
    assert_eq!(kind.to_string(), "http://[::1]:8080/up?x=1");
    assert_eq!((interval, timeout, rise, fall), (Duration::from_secs(1), TIMEOUT, RISE, 1));
    let first = read("endpoints = [\"h:1\"]\ncheck = { kind = \"tcp\" }").expect("it is sound");
    assert_eq!(first.check.kind.to_string(), "tcp h:1", "its first endpoint");
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_what_helps() {
    let wrong = [
        ("", "missing field `check`"),
        ("x = 1\n[check]\nkind = \"none\"", "line 1: unknown field `x`"),
        ("[check]\nkind = \"ping\"", "line 2: kind `ping` is none of http"),
        ("[check]\nkind = \"http\"", "needs `url`"),
        ("[check]\nkind = \"http\"\nurl = \"https://a/\"", "line 3: `https://a/` is no `http://"),
        ("[check]\nkind = \"tcp\"\naddress = \"a\"", "line 3: `a` is no HOST:PORT"),
        ("[check]\nkind = \"tcp\"\nurl = \"http://a/\"", "line 3: `url` is for `kind = \"http\"`"),
        ("[check]\nkind = \"command\"\ncommand = [\"true\"]", "line 3: the program `true` needs"),
        ("[check]\nkind = \"systemd\"\nunit = \"a b\"", "line 3: `a b` is no unit"),
        ("[check]\nkind = \"systemd\"\nunit = \"-H.service\"", "is no unit"),
        ("[check]\nkind = \"none\"\ninterval = \"5\"", "line 3: `5` is no time"),
        ("[check]\nkind = \"none\"\ninterval = \"1ms\"", "is not within 500 ms"),
        ("[check]\nkind = \"none\"\nrise = 0", "line 3: 0 is not within 1"),
        ("name = \"a/b\"\n[check]\nkind = \"none\"", "the name of an application is"),
        ("[check\n", "line 1"),
    ];
    for (text, says) in wrong {
        let error = read(text).expect_err("it is wrong");
        assert!(error.contains(says), "{text:?}: {error}");
    }
}

#[test]
fn a_file_that_is_wrong_keeps_no_other_out_and_a_directory_that_is_not_there_has_none() {
    let dir = tempfile::tempdir().expect("a directory");
    assert_eq!(DropIns::read(&dir.path().join("none")), DropIns::default());
    let write = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).expect("it is written");
    };
    write("a.toml", "[check]\nkind = \"none\"\n");
    write("b.toml", "[check]\nkind = \"nothing\"\n");
    write("c.toml", "name = \"a\"\n[check]\nkind = \"none\"\n");
    write(".hidden.toml", "no");
    write("notes.txt", "no");
    std::fs::create_dir(dir.path().join("d.toml")).expect("a directory");
    let read = DropIns::read(dir.path());
    let names: Vec<&str> = read.definitions.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["a"]);
    let problems: Vec<String> = read
        .problems
        .iter()
        .map(|cause| match cause {
            ApplicationCause::DropIn { problem, .. } => problem.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].contains("b.toml: line 2: kind `nothing`"), "{problems:?}");
    assert!(problems[1].contains("a.toml defines `a` too"), "{problems:?}");
    assert!(problems[2].contains("d.toml: cannot be read: it is a directory"), "{problems:?}");
}

#[test]
fn the_shipped_example_is_taken() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd/app.example.toml");
    let text = std::fs::read_to_string(file).expect("it is there");
    let one = read(&text).expect("it is sound");
    assert_eq!(one.check.kind.to_string(), "http://127.0.0.1:8080/health");
}

#[test]
fn on_a_witness_no_file_is_used_and_each_says_why() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("web.toml"), "[check]\nkind = \"none\"\n").expect("written");
    let read = DropIns::of_a_witness(dir.path());
    assert_eq!(read.definitions, []);
    let [ApplicationCause::DropIn { file, problem }] = &read.problems[..] else {
        panic!("{:?}", read.problems)
    };
    assert!(file.ends_with("web.toml") && problem.contains("is a witness"), "{problem}");
    assert!(read.takes_none.is_some(), "nor does one register");
}

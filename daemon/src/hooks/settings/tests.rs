//! What a file of hooks may say, and what is refused of it, with file and line.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn in_file(kind: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join(kind)).expect("a directory");
    let file = dir.path().join(kind).join("tell.toml");
    fs::write(&file, text).expect("it is written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("its mode");
    (dir, file)
}

fn refused(kind: &str, text: &str) -> String {
    let (_dir, file) = in_file(kind, text);
    let no = match kind {
        "hooks.d" => hook(&file).expect_err(text),
        _ => written(&file).expect_err(text),
    };
    no.to_string().replace(&format!("{}", file.display()), "FILE")
}

#[test]
fn a_hook_has_defaults_and_what_its_file_says() {
    let (_dir, file) = in_file("hooks.d", "run = [\"/bin/sh\", \"-c\", \"true\"]\n");
    let plain = hook(&file).expect("it fits");
    assert_eq!((plain.name.as_str(), plain.on), ("tell", vec![Topic::Health]));
    assert_eq!((plain.timeout, plain.debounce.silence), (TIMEOUT, Duration::from_secs(2)));
    let (_dir, file) = in_file(
        "hooks.d",
        "run = [\"/bin/sh\"]\non = [\"health\", \"budget pg\"]\ntimeout = \"5s\"\n\
         [debounce]\nsilence = \"500ms\"\n[retry]\nmost = \"10s\"\n",
    );
    let said = hook(&file).expect("it fits");
    assert_eq!(said.on, [Topic::Health, Topic::Budget("pg".to_owned())]);
    assert_eq!((said.timeout, said.retry.most), (Duration::from_secs(5), Duration::from_secs(10)));
    assert_eq!(said.debounce.silence, Duration::from_millis(500));
}

#[test]
fn a_fence_guards_one_budget_or_one_assignment() {
    let (_dir, file) =
        in_file("hooks.d", "run = [\"/bin/sh\"]\non = \"fence\"\nassignment = \"edge\"\n");
    let fence = hook(&file).expect("it fits");
    assert_eq!(fence.fences, Some(Guarded::Assignment("edge".to_owned())));
    assert!(fence.on.is_empty(), "it follows nothing else");
}

#[test]
fn what_is_refused_names_file_and_line() {
    for (text, parts) in [
        ("run = [\"/bin/sh\"]\n\ncolour = 1\n", ["FILE:3:", "unknown field `colour`"]),
        ("run = [\"sh\"]\n", ["FILE:1:", "whole path"]),
        ("\nrun = []\n", ["FILE:2:", "is empty"]),
        ("run = [\"/bin/sh\"]\non = \"weather\"\n", ["FILE:2:", "budget NAME"]),
        ("run = [\"/bin/sh\"]\n[debounce]\nsilence = \"soon\"\n", ["FILE:3:", "`500ms`"]),
        ("run = [\"/no/such\"]\n", ["FILE:1:", "cannot be run"]),
        ("run = [\"/bin/sh\"\n", ["FILE:", ""]),
        ("on = \"health\"\n", ["FILE:", "`run` is missing"]),
        ("run = [\"/bin/sh\"]\ntarget = \"/x\"\n", ["FILE:2:", "files.d"]),
        ("run = [\"/bin/sh\"]\ntimeout = \"0s\"\n", ["FILE:2:", "above 0"]),
        ("run = [\"/bin/sh\"]\non = \"fence\"\n", ["FILE:2:", "`budget = \"NAME\"`"]),
        ("run = [\"/bin/sh\"]\nbudget = \"pg\"\n", ["FILE:2:", "`on = \"fence\"`"]),
        ("run = [\"/bin/sh\"]\non = [\"fence\", \"health\"]\n", ["FILE:2:", "\"fence\" alone"]),
    ] {
        let said = refused("hooks.d", text);
        assert!(parts.iter().all(|part| said.contains(part)), "{text}: {said}");
    }
    for (text, parts) in [
        ("format = \"json\"\n", ["FILE:", "`target` is missing"]),
        ("target = \"/x\"\n", ["FILE:", "either"]),
        ("format = \"yaml\"\ntarget = \"/x\"\n", ["FILE:1:", "\"json\""]),
        ("format = \"json\"\ntarget = \"x\"\n", ["FILE:2:", "whole path"]),
        ("format = \"json\"\ntarget = \"/x\"\nmode = \"rw\"\n", ["FILE:3:", "octal"]),
        ("template = \"none.j2\"\ntarget = \"/x\"\n", ["FILE:1:", "none.j2"]),
        (
            "format = \"json\"\ntarget = \"/x\"\non = \"fence\"\nbudget = \"pg\"\n",
            ["FILE:3:", "hooks.d"],
        ),
    ] {
        let said = refused("files.d", text);
        assert!(parts.iter().all(|part| said.contains(part)), "{text}: {said}");
    }
}

#[test]
fn what_others_may_write_is_neither_read_nor_run() {
    let (dir, file) = in_file("hooks.d", "run = [\"/bin/sh\"]\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("its mode");
    assert!(hook(&file).expect_err("open").to_string().contains("chmod go-w"));
    let program = dir.path().join("program");
    fs::write(&program, "#!/bin/sh\n").expect("a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o777)).expect("its mode");
    let said = refused("hooks.d", &format!("run = [\"{}\"]\n", program.display()));
    assert!(said.contains("chmod go-w"), "{said}");
}

#[test]
fn a_directory_that_is_not_there_has_no_hooks() {
    let (dir, _) = in_file("hooks.d", "run = [\"/bin/sh\"]\n");
    let (hooks, refused) = all(dir.path());
    assert_eq!((hooks.len(), refused.len()), (1, 0));
    let (hooks, refused) = all(&dir.path().join("none"));
    assert_eq!((hooks.len(), refused.len()), (0, 0));
}

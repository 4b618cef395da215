//! The pages of the manual and the shells' scripts: all that is shown, nothing that is hidden.

use super::super::arguments::{Arguments, Format, ManOptions, Shell};
use super::super::manual::{man, pages, script};
use clap::CommandFactory;

/// Whole names of all commands that are not hidden, the program's first.
fn commands() -> Vec<String> {
    let mut found = vec!["quorate".to_owned()];
    for command in Arguments::command().get_subcommands().filter(|it| !it.is_hide_set()) {
        found.push(format!("quorate-{}", command.get_name()));
        let inner = command.get_subcommands().filter(|it| !it.is_hide_set());
        found.extend(inner.map(|it| format!("quorate-{}-{}", command.get_name(), it.get_name())));
    }
    found
}

#[test]
fn each_command_that_is_not_hidden_has_a_page() {
    let mut files: Vec<String> = pages().into_iter().map(|page| page.file).collect();
    let mut wanted: Vec<String> = commands().iter().map(|name| format!("{name}.1")).collect();
    assert_eq!(files.first(), wanted.first(), "`quorate man` prints the first one");
    files.sort();
    wanted.sort();
    assert_eq!(files, wanted);
    assert!(files.contains(&"quorate-secret-new.1".to_owned()), "{files:?}");
}

#[test]
fn a_page_has_the_options_and_a_paragraph_for_each_exit_code() {
    for page in pages() {
        let text = page.text.replace("\\-", "-");
        assert!(text.contains(".SH \"EXIT STATUS\"\n.TP\n\\fB0\\fR\n"), "{}:\n{text}", page.file);
        assert!(text.contains("--socket"), "{}", page.file);
        assert!(text.contains(concat!(" \"quorate ", env!("CARGO_PKG_VERSION"), "\" quorate\n")));
        for hidden in ["farewell", "end-with", "`"] {
            assert!(!text.contains(hidden), "{} shows {hidden}", page.file);
        }
    }
    let whole = &pages()[0].text;
    assert!(whole.contains("\\fB7\\fR\nit is not known whether the write happened"), "{whole}");
}

#[test]
fn the_scripts_of_the_shells_have_what_is_shown_and_nothing_that_is_hidden() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let script = script(shell);
        for shown in ["check-config", "all-live", "fingerprint", "socket"] {
            assert!(script.contains(shown), "{shell:?}: {shown}");
        }
        for hidden in ["farewell", "end-with"] {
            assert!(!script.contains(hidden), "{shell:?}: {hidden}");
        }
    }
}

#[test]
fn the_pages_are_written_into_a_directory_that_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("share/man1");
    man(&ManOptions { out: Some(out.clone()) }, Format::Table).unwrap();
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), commands().len());
    let page = std::fs::read_to_string(out.join("quorate-why.1")).unwrap();
    assert!(page.contains(".TH quorate-why 1"), "{page}");
    let failure = man(&ManOptions { out: Some(out.join("quorate.1")) }, Format::Table).unwrap_err();
    assert!(failure.text.contains("cannot write"), "{}", failure.text);
}

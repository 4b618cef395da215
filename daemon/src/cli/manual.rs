//! What `man` and the shells are told of the command line: `quorate man` and `quorate completions`.
//!
//! Both are made from the arguments themselves, as `--help` is, so that they can say nothing else. What is hidden there is hidden here.

use super::arguments::{Arguments, Format, ManOptions, Shell};
use super::exit::Failure;
use super::output;
use clap::{Arg, Command, CommandFactory};
use clap_complete::{aot, generate};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

const NAME: &str = "quorate";
const SOURCE: &str = concat!("quorate ", env!("CARGO_PKG_VERSION"));
/// What the text behind the help of each command begins with.
const EXIT_CODES: &str = "Exit codes:";

/// `quorate completions`.
pub(super) fn completions(shell: Shell, format: Format) -> Result<ExitCode, Failure> {
    let script = script(shell);
    match format {
        Format::Json => output::json(&json!({ "completions": script }))?,
        Format::Table => output::text(&script)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `quorate man`: one page, or all of them as files.
pub(super) fn man(options: &ManOptions, format: Format) -> Result<ExitCode, Failure> {
    let pages = pages();
    match (&options.out, format) {
        (Some(directory), _) => {
            let names = write(directory, &pages)?;
            match format {
                Format::Json => output::json(&json!({ "written": names }))?,
                Format::Table => {}
            }
        }
        (None, Format::Json) => {
            let pages: serde_json::Map<_, _> =
                pages.into_iter().map(|page| (page.file, page.text.into())).collect();
            output::json(&pages)?;
        }
        (None, Format::Table) => output::text(&pages[0].text)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn write(directory: &Path, pages: &[Page]) -> Result<Vec<String>, Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::other(format!("cannot write {}: {error}", path.display()))
    };
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let mut names = Vec::new();
    for page in pages {
        let path = directory.join(&page.file);
        std::fs::write(&path, &page.text).map_err(|error| failed(&path, error))?;
        names.push(path.display().to_string());
    }
    Ok(names)
}

/// A shell's script, of what is not hidden.
pub(super) fn script(shell: Shell) -> String {
    let mut command = shown(&Arguments::command());
    let mut script = Vec::new();
    match shell {
        Shell::Bash => generate(aot::Bash, &mut command, NAME, &mut script),
        Shell::Zsh => generate(aot::Zsh, &mut command, NAME, &mut script),
        Shell::Fish => generate(aot::Fish, &mut command, NAME, &mut script),
    }
    String::from_utf8_lossy(&script).into_owned()
}

/// The command without what is hidden in it, which the makers of the scripts would show.
fn shown(command: &Command) -> Command {
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    let mut shown = Command::new(command.get_name().to_owned())
        .disable_help_subcommand(true)
        .args(arguments.cloned().collect::<Vec<Arg>>())
        .subcommands(commands.map(self::shown));
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    shown
}

/// A page of the manual, and the name of its file.
pub(super) struct Page {
    pub(super) file: String,
    pub(super) text: String,
}

/// Of the program first, then of each command that is not hidden.
pub(super) fn pages() -> Vec<Page> {
    let mut whole = Arguments::command().disable_help_subcommand(true);
    whole.build();
    let mut pages = Vec::new();
    add_pages(&whole, &mut pages);
    pages
}

fn add_pages(command: &Command, pages: &mut Vec<Page>) {
    pages.push(page(command));
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        add_pages(command, pages);
    }
}

fn page(command: &Command) -> Page {
    // A date that is empty would be passed over, and what follows it taken for one.
    let man = Man::new(command.clone()).date(" ").source(SOURCE).manual("quorate");
    let mut text = Vec::new();
    let mut rendered = man
        .render_title(&mut text)
        .and_then(|()| man.render_name_section(&mut text))
        .and_then(|()| man.render_synopsis_section(&mut text))
        .and_then(|()| man.render_description_section(&mut text))
        .and_then(|()| man.render_options_section(&mut text));
    if command.has_subcommands() {
        rendered = rendered.and_then(|()| man.render_subcommands_section(&mut text));
    }
    let codes = exit_codes(command);
    rendered.and_then(|()| codes.to_writer(&mut text)).expect("writing into memory does not fail");
    // Printed as it is, so that a command can be copied from the page; roff would make an opening quote of it.
    let text = String::from_utf8_lossy(&text).replace('`', "\\(ga");
    Page { file: man.get_filename(), text }
}

/// The text behind the help, a paragraph for each code.
fn exit_codes(command: &Command) -> Roff {
    let mut section = Roff::new();
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let Some(codes) = text.trim_start().strip_prefix(EXIT_CODES) else { return section };
    section.control("SH", ["EXIT STATUS"]);
    for line in codes.lines() {
        if let Some((code, meaning)) = line.trim().split_once("  ") {
            section.control("TP", []);
            section.text([bold(code)]);
            section.text([roman(meaning.trim())]);
        }
    }
    section
}

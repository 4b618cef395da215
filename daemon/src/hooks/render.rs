//! Writes one file of `files.d` from a view: made in memory, within bounds; written aside, synced and renamed, and only where its content is
//! another; then a command.
//!
//! What stays true: the target is the old file or the new one, whole, whatever fails. What is to be run behind a change is run until it has
//! succeeded once: a mark beside the target remembers that it has not, also when the content is the same by then.

use super::settings::{Source, Written};
use crate::regular;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::Value;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of what is written, and of a template.
const LARGEST: usize = 1024 * 1024;
/// Instructions of a template: a view of 1,000 members takes some 20 for each that is written.
const FUEL: u64 = 10_000_000;
/// Memory of the process that makes it: an expression may ask for any amount at once.
const MEMORY: u64 = 1024 * 1024 * 1024;

/// What was done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The file is as it should be.
    Nothing,
    /// It is another one now, or what follows a change was still to be run.
    Written,
}

/// Keeps this process from taking more memory than any file needs.
pub(super) fn bound_memory() -> io::Result<()> {
    Ok(setrlimit(Resource::As, Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) })?)
}

/// Writes it, and runs what follows a change.
///
/// # Errors
/// In words that name file and line; the old file is as it was then, but for a command behind it that failed.
pub(super) fn write(written: &Written, view: &Value) -> Result<Done, String> {
    let content = match &written.source {
        Source::Json => format!("{view:#}\n"),
        Source::Template(path) => template(path, view)?,
    };
    if content.len() > LARGEST {
        return Err(format!("the content is larger than {LARGEST} bytes; the old file stays"));
    }
    let target = &written.target;
    let failed = |what: &str, error: &io::Error| {
        format!("cannot {what} {}: {error}; the old file stays", target.display())
    };
    let mark = beside(target, "then");
    let same = is_same(written, content.as_bytes()).map_err(|error| failed("read", &error))?;
    if same && !mark.exists() {
        return Ok(Done::Nothing);
    }
    if !same {
        let replaced = replace(written, content.as_bytes(), &mark);
        replaced.map_err(|error| failed("write", &error))?;
    }
    run(&written.then)?;
    if !written.then.is_empty() {
        let error = |error: io::Error| format!("cannot remove {}: {error}", mark.display());
        fs::remove_file(&mark).map_err(error)?;
    }
    Ok(Done::Written)
}

/// Whether the template of a file can be read and understood; what it makes of a view shows when it is run.
///
/// # Errors
/// In words that name file and line.
pub(super) fn check(written: &Written) -> Result<(), String> {
    let Source::Template(path) = &written.source else { return Ok(()) };
    let name = path.display().to_string();
    let text = text_of(path)?;
    let compiled = environment()?.template_from_named_str(&name, &text).map(drop);
    compiled.map_err(|error| in_words(&name, &error))
}

fn text_of(path: &Path) -> Result<String, String> {
    crate::regular::read_text(path, LARGEST as u64)
        .map_err(|error| format!("{}: cannot be read: {error}", path.display()))
}

fn environment() -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    // A field that is misspelt must not become an empty place in somebody's configuration.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    let mut syntax = SyntaxConfig::builder();
    let syntax = syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.map_err(|error| error.to_string())?);
    Ok(environment)
}

fn template(path: &Path, view: &Value) -> Result<String, String> {
    rendered(path, view).map_err(|what| format!("{what}; the old file stays"))
}

fn rendered(path: &Path, view: &Value) -> Result<String, String> {
    let name = path.display().to_string();
    let (environment, text) = (environment()?, text_of(path)?);
    let compiled = environment.template_from_named_str(&name, &text);
    let compiled = compiled.map_err(|error| in_words(&name, &error))?;
    let mut content = Bounded(Vec::new());
    let rendered = compiled.render_captured_to(minijinja::value::Serde(view), &mut content);
    rendered.map_err(|error| in_words(&name, &error))?;
    String::from_utf8(content.0).map_err(|_| format!("{name}: made no valid UTF-8"))
}

fn in_words(name: &str, error: &Error) -> String {
    let line = error.line().map(|line| format!(":{line}")).unwrap_or_default();
    let mut what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        what.push_str(&format!(": {error}"));
        cause = error.source();
    }
    format!("{name}{line}: {what}")
}

/// Takes no more than may be written.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.0.len() + part.len() > LARGEST {
            return Err(io::Error::other(format!("it makes more than {LARGEST} bytes")));
        }
        self.0.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A name beside the target that nobody else uses.
fn beside(target: &Path, what: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.quorate-{what}"))
}

/// Whether the target is as it should be. What is no file is not touched.
fn is_same(written: &Written, content: &[u8]) -> io::Result<bool> {
    let found = match fs::symlink_metadata(&written.target) {
        Ok(found) if found.is_file() => found,
        Ok(_) => return Err(io::Error::other("it is there and no regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let same = found.permissions().mode() & 0o7777 == written.mode
        && found.len() == content.len() as u64
        && fs::read(&written.target)? == content;
    Ok(same)
}

fn replace(written: &Written, content: &[u8], mark: &Path) -> io::Result<()> {
    let target = &written.target;
    let aside = beside(target, "new");
    let done = write_aside(&aside, written.mode, content).and_then(|()| {
        if !written.then.is_empty() {
            // Before the new content counts: from then on the command is owed.
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(mark)?;
        }
        fs::rename(&aside, target)?;
        File::open(target.parent().unwrap_or(Path::new("/")))?.sync_all()
    });
    if done.is_err() {
        // It takes room that is missed already.
        let _ = fs::remove_file(&aside);
    }
    done
}

fn write_aside(aside: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut file = regular::fresh(aside, 0o600)?;
    file.write_all(content)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

fn run(then: &[String]) -> Result<(), String> {
    let Some((program, arguments)) = then.split_first() else { return Ok(()) };
    let status = Command::new(program).args(arguments).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            Err(format!("the file is written, and `{}` failed: {status}", then.join(" ")))
        }
        Err(error) => Err(format!("the file is written, and `{program}` cannot be run: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::MetadataExt as _;

    struct Place {
        dir: tempfile::TempDir,
        written: Written,
    }

    fn place(template: &str, then: &[&str]) -> Place {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("servers.j2");
        fs::write(&path, template).expect("a template");
        let written = Written {
            source: Source::Template(path),
            target: dir.path().join("servers.cfg"),
            mode: 0o640,
            then: then
                .iter()
                .map(|word| word.replace("DIR", &dir.path().display().to_string()))
                .collect(),
        };
        Place { dir, written }
    }

    impl Place {
        fn target(&self) -> String {
            fs::read_to_string(&self.written.target).unwrap_or_default()
        }

        fn names(&self) -> Vec<String> {
            let all = fs::read_dir(self.dir.path()).expect("a directory");
            let mut names: Vec<String> = all
                .map(|one| one.expect("a name").file_name().into_string().expect("text"))
                .collect();
            names.sort();
            names
        }
    }

    const SERVERS: &str =
        "{% for m in members if m.state == \"alive\" %}\nserver {{ m.name }}\n{% endfor %}\n";

    fn view(names: &[&str]) -> Value {
        let members: Vec<Value> =
            names.iter().map(|name| json!({ "name": name, "state": "alive" })).collect();
        json!({ "members": members })
    }

    #[test]
    fn a_file_is_replaced_whole_and_only_where_it_is_another() {
        let place = place(SERVERS, &[]);
        assert_eq!(write(&place.written, &view(&["a", "b"])), Ok(Done::Written));
        assert_eq!(place.target(), "server a\nserver b\n");
        let found = fs::metadata(&place.written.target).expect("it is there");
        assert_eq!(found.mode() & 0o777, 0o640);
        assert_eq!(write(&place.written, &view(&["a", "b"])), Ok(Done::Nothing));
        let again = fs::metadata(&place.written.target).expect("it is there");
        assert_eq!(found.ino(), again.ino(), "it was not touched");
        assert_eq!(place.names(), ["servers.cfg", "servers.j2"]);
    }

    #[test]
    fn a_template_that_fails_leaves_the_old_file_and_names_its_line() {
        let mut place = place(SERVERS, &[]);
        write(&place.written, &view(&["a"])).expect("it is written");
        for (text, parts) in [
            ("one\n{{ nobody.name }}\n", ["servers.j2:2: ", "undefined"]),
            ("{{ members[0].nmae }}\n", ["servers.j2:1: ", "undefined"]),
            ("\n\n{% for %}\n", ["servers.j2:3: ", ""]),
            (
                "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
                ["servers.j2:1: ", "fuel"],
            ),
            (
                "{% for a in range(9999) %}{{ \"0123456789\" * 99 }}{% endfor %}",
                ["servers.j2", "1048576"],
            ),
        ] {
            fs::write(place.dir.path().join("servers.j2"), text).expect("a template");
            let said = write(&place.written, &view(&["b"])).expect_err(text);
            assert!(parts.iter().all(|part| said.contains(part)), "{text}: {said}");
            assert!(said.ends_with("the old file stays"), "{said}");
        }
        assert_eq!(place.target(), "server a\n");
        place.written.source = Source::Json;
        write(&place.written, &view(&["a"])).expect("it is written");
        assert!(place.target().contains("\"name\": \"a\""));
    }

    #[test]
    fn what_follows_a_change_is_run_until_it_has_succeeded() {
        let place = place(SERVERS, &["/bin/sh", "-c", "test -e DIR/may && echo ran >> DIR/ran"]);
        let said = write(&place.written, &view(&["a"])).expect_err("it fails");
        assert!(said.contains("the file is written, and `/bin/sh -c"), "{said}");
        assert_eq!(place.target(), "server a\n");
        write(&place.written, &view(&["a"])).expect_err("it is still owed");
        fs::write(place.dir.path().join("may"), "").expect("a file");
        assert_eq!(write(&place.written, &view(&["a"])), Ok(Done::Written));
        assert_eq!(write(&place.written, &view(&["a"])), Ok(Done::Nothing));
        let ran = fs::read_to_string(place.dir.path().join("ran")).expect("it ran");
        assert_eq!(ran, "ran\n", "once for one change");
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let place = place(SERVERS, &[]);
        std::os::unix::fs::symlink("/etc/passwd", &place.written.target).expect("a link");
        let said = write(&place.written, &view(&["a"])).expect_err("a link");
        assert!(said.contains("no regular file"), "{said}");
    }
}

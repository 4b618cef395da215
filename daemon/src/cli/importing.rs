//! `import`: the keys of an export, or of any list of such lines, in transactions of a bounded size. What is in memory is one transaction.
//!
//! What stays true: keys are written in the order of their lines. Where it stops, all lines before the one that is named were carried
//! out, and none behind them was but those that are said to be uncertain.

use super::arguments::{Format, ImportOptions};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::key_lines::{Pair, Pairs};
use super::keyspace::{ask, other_kind};
use super::output;
use super::reading::quoted;
use super::stdin;
use crate::regular;
use quorate_proto::{
    Compare, CompareResult, CompareTarget, PutRequest, RequestOp, TxnRequest, TxnResponse, compare,
    kv_request::Request, kv_response::Response, request_op, response_op,
};
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Seek as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Keys of one transaction: below what one may have, and few enough that other writers wait for none.
const KEYS: usize = 100;
/// Bytes of one transaction, unless a single key has more.
const BYTES: usize = 256 * 1024;

/// What was done so far.
#[derive(Debug, Default, Serialize)]
struct Done {
    written: u64,
    /// Keys that were there already and stay as they are, with `--create-only`.
    kept: u64,
    transactions: u64,
    /// Of the newest transaction.
    revision: i64,
    /// Up to this line everything is carried out.
    through_line: u64,
}

/// `quorate import`.
pub(super) async fn import(
    client: &Client,
    format: Format,
    options: &ImportOptions,
) -> Result<ExitCode, Failure> {
    let through_line = options.from_line.saturating_sub(1);
    let mut done = Done { through_line, ..Done::default() };
    let file = open(&options.file)?;
    let written = write_all(client, options, Pairs::new(file), &mut done).await;
    written.map_err(|failure| stopped(failure, &done, options))?;
    match format {
        Format::Json => output::json(&done)?,
        Format::Table => output::text(&format!("{}\n", in_words(&done)))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(done: &Done) -> String {
    let Done { written, kept, transactions, revision, .. } = done;
    let stay = match kept {
        0 => String::new(),
        kept => format!("; {kept} were there already and stay as they are"),
    };
    match transactions {
        0 => "there are no keys to write".to_owned(),
        _ => format!(
            "{written} keys written in {transactions} transactions, revision {revision}{stay}"
        ),
    }
}

/// What the file holds is looked through before anything is written, where it can be read twice.
fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        if stdin::is_closed() {
            let text = "standard input is closed: name a file, or pipe an export in";
            return Err(Failure::new(Exit::Usage, "usage", text));
        }
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let failed = |error| Failure::other(format!("cannot read {}: {error}", path.display()));
    let mut file = regular::open_or_pipe(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_file() {
        let mut pairs = Pairs::new(BufReader::new(&file));
        while pairs.next().map_err(|failure| nothing_done(failure, path))?.is_some() {}
        file.rewind().map_err(failed)?;
    }
    Ok(Box::new(BufReader::new(file)))
}

fn nothing_done(failure: Failure, path: &Path) -> Failure {
    let text = format!("{}: {}; nothing was changed", path.display(), failure.text);
    Failure { text, ..failure }
}

async fn write_all(
    client: &Client,
    options: &ImportOptions,
    mut pairs: Pairs<Box<dyn BufRead>>,
    done: &mut Done,
) -> Result<(), Failure> {
    let mut batch = Batch::default();
    loop {
        // What stands before a line that is not understood is written, as it is said.
        let next = pairs.next();
        if let Ok(Some(pair)) = &next
            && pair.line < options.from_line
        {
            continue;
        }
        let room = matches!(&next, Ok(Some(pair)) if batch.takes(pair));
        if !room && !batch.pairs.is_empty() {
            write(client, options.create_only, options.timeout, &batch, done).await?;
            batch = Batch::default();
        }
        match next? {
            Some(pair) => batch.push(pair),
            None => return Ok(()),
        }
    }
}

/// The keys of one transaction.
#[derive(Debug, Default)]
struct Batch {
    pairs: Vec<Pair>,
    /// No key twice: a transaction that writes one twice is refused.
    keys: BTreeSet<bytes::Bytes>,
    bytes: usize,
}

impl Batch {
    fn takes(&self, pair: &Pair) -> bool {
        let bytes = self.bytes + pair.key.len() + pair.value.len();
        self.pairs.is_empty()
            || (self.pairs.len() < KEYS && bytes <= BYTES && !self.keys.contains(&pair.key))
    }

    fn push(&mut self, pair: Pair) {
        self.bytes += pair.key.len() + pair.value.len();
        self.keys.insert(pair.key.clone());
        self.pairs.push(pair);
    }
}

async fn write(
    client: &Client,
    create_only: bool,
    timeout: Duration,
    batch: &Batch,
    done: &mut Done,
) -> Result<(), Failure> {
    let success = batch.pairs.iter().map(|pair| operation(pair, create_only)).collect();
    let request = Request::Txn(TxnRequest { success, ..TxnRequest::default() });
    let (first, last) = (&batch.pairs[0], &batch.pairs[batch.pairs.len() - 1]);
    let Response::Txn(answer) = ask(client, request, timeout).await.map_err(|failure| {
        let at = format!("lines {} to {}", first.line, last.line);
        let text = match failure.exit {
            Exit::FateUnknown => format!("{at} may or may not be written: {}", failure.text),
            _ => format!("{at}: {}", failure.text),
        };
        Failure { text, ..failure }
    })?
    else {
        return Err(other_kind());
    };
    let written = written(&answer);
    done.written += written;
    done.kept += batch.pairs.len() as u64 - written;
    done.transactions += 1;
    done.revision = answer.header.map_or(done.revision, |header| header.revision);
    done.through_line = last.line;
    Ok(())
}

/// Writes one key; with `create_only` in a transaction of its own, which does nothing where the key is there.
fn operation(pair: &Pair, create_only: bool) -> RequestOp {
    let (key, value) = (pair.key.clone(), pair.value.clone());
    let put = PutRequest { key: key.clone(), value, ..PutRequest::default() };
    let put = RequestOp { request: Some(request_op::Request::Put(put)) };
    if !create_only {
        return put;
    }
    let is_new = Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key,
        target_union: Some(compare::TargetUnion::CreateRevision(0)),
        ..Compare::default()
    };
    let only = TxnRequest { compare: vec![is_new], success: vec![put], failure: Vec::new() };
    RequestOp { request: Some(request_op::Request::Txn(only)) }
}

fn written(answer: &TxnResponse) -> u64 {
    let put = answer.responses.iter().filter(|one| match &one.response {
        Some(response_op::Response::Put(_)) => true,
        Some(response_op::Response::Txn(only)) => only.succeeded,
        _ => false,
    });
    put.count() as u64
}

/// How far it came, and how to go on.
fn stopped(failure: Failure, done: &Done, options: &ImportOptions) -> Failure {
    if done.transactions == 0 && failure.exit != Exit::FateUnknown {
        return failure;
    }
    let text = format!(
        "{}. Before that: {}, from all lines up to {}. {}",
        failure.text.trim_end_matches('.'),
        in_words(done),
        done.through_line,
        how_to_go_on(done.through_line + 1, options)
    );
    Failure { text, ..failure }
}

/// What came through a pipe is not there a second time, under whatever name it came.
fn how_to_go_on(line: u64, options: &ImportOptions) -> String {
    let only = if options.create_only { " --create-only" } else { "" };
    let of_this_process = ["/dev/", "/proc/"].iter().any(|it| options.file.starts_with(it));
    if options.file == Path::new("-") || of_this_process || !options.file.is_file() {
        return format!(
            "The whole of it, from its first line on and piped into `quorate import --from-line {line}{only}`, goes on there"
        );
    }
    let file = quoted(&options.file.to_string_lossy());
    format!("`quorate import --from-line {line} {file}{only}` goes on")
}

#[cfg(test)]
mod tests {
    use super::super::arguments::{Arguments, Command, Question};
    use super::*;
    use clap::Parser as _;

    fn goes_on(line: &str) -> String {
        match Arguments::parse_from(line.split_whitespace()).command {
            Command::Ask(Question::Import(options)) => how_to_go_on(3, &options),
            other => panic!("another command: {other:?}"),
        }
    }

    #[test]
    fn how_a_pipe_goes_on_is_said_without_its_name() {
        for file in ["-", "/dev/stdin", "/dev/fd/63", "/proc/self/fd/0", "/nowhere"] {
            let said = goes_on(&format!("quorate import --create-only {file}"));
            let command = "piped into `quorate import --from-line 3 --create-only`, goes on there";
            assert!(said.ends_with(command), "{said}");
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys");
        std::fs::write(&file, "").unwrap();
        let said = goes_on(&format!("quorate import {}", file.display()));
        let command = format!("`quorate import --from-line 3 {}`", quoted(&file.to_string_lossy()));
        assert!(said.contains(&command), "{said}");
    }
}

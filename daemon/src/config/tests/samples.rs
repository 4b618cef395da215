//! The sample files: they show every key, are valid, and what they show as a default is the default.

use super::*;

const SAMPLE: &str = include_str!("../../../../systemd/quorate.toml");
const HOST_SAMPLE: &str = include_str!("../../../../systemd/host.toml");

/// Keys of a sample file, the commented ones included.
fn sample_keys(text: &str) -> Vec<String> {
    let mut table = String::new();
    let mut keys = Vec::new();
    for line in text.lines() {
        let bare = line.strip_prefix('#').unwrap_or(line);
        if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = format!("{name}.");
        } else if let Some((key, _)) = bare.split_once(" = ")
            && !key.is_empty()
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            keys.push(format!("{table}{key}"));
        }
    }
    keys
}

#[test]
fn the_sample_files_show_every_key_and_no_other() {
    let mut found = sample_keys(SAMPLE);
    let mut known: Vec<_> = KEYS.iter().map(ToString::to_string).collect();
    found.sort();
    known.sort();
    assert_eq!(found, known);
    let mut found = sample_keys(HOST_SAMPLE);
    found
        .iter_mut()
        .filter(|key| key.starts_with("labels."))
        .for_each(|key| *key = "labels".into());
    found.sort();
    let mut known: Vec<_> = host_file::KEYS.iter().map(ToString::to_string).collect();
    known.sort();
    assert_eq!(found, known);
}

/// As `quorate.service` starts it, with a directory that holds the secret.
fn under_the_unit(files: &Files, ipv6: bool) -> Environment {
    Environment {
        credentials: Some(files.dir.path().to_owned()),
        state: Some("/state/quorate:/state/quorate.birth".into()),
        hostname: "f1".into(),
        ipv6,
        secret_source: None,
        reloaded: None,
    }
}

/// The sample with these of its commented lines taken out of their comment.
fn uncommented(sample: &str, which: impl Fn(usize, &str) -> bool) -> String {
    let lines = sample.lines().enumerate().map(|(number, line)| match line.strip_prefix('#') {
        Some(bare) if !bare.starts_with(' ') && which(number, bare) => bare,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn each_default_of_the_sample_changes_nothing_when_it_is_written_out() {
    let files = Files::new();
    let load = |text: &str, ipv6: bool| {
        let file = files.write("quorate.toml", text, 0o644);
        Config::load(&file, None, &under_the_unit(&files, ipv6)).expect("valid")
    };
    // There is no default for what stands in place of the seeds.
    let is_default = |line: &str| !line.starts_with("seeds_file");
    let mut shown = 0;
    for ipv6 in [false, true] {
        let as_it_is = load(SAMPLE, ipv6);
        for (number, line) in SAMPLE.lines().enumerate() {
            let bare = line.strip_prefix('#').filter(|bare| !bare.starts_with(' '));
            let Some(bare) = bare.filter(|bare| is_default(bare)) else { continue };
            let written = load(&uncommented(SAMPLE, |at, _| at == number), ipv6);
            let changed = as_it_is.changed_keys(&written);
            assert!(changed.is_empty(), "`{bare}` changes {changed:?}");
            shown += 1;
        }
        let all = load(&uncommented(SAMPLE, |_, bare| is_default(bare)), ipv6);
        assert_eq!(as_it_is.changed_keys(&all), Vec::<&str>::new());
    }
    assert_eq!(shown, 2 * (KEYS.len() - 3), "all but cluster, seeds and seeds_file");
}

#[test]
fn the_sample_of_a_host_is_valid_and_shows_defaults_where_there_are_any() {
    let files = Files::new();
    files.write("host.toml", HOST_SAMPLE, 0o644);
    let as_it_is = files.load(GOOD).expect("valid as it is").host;
    files.write("host.toml", &uncommented(HOST_SAMPLE, |_, _| true), 0o644);
    let written = files.load(GOOD).expect("valid uncommented").host;
    assert_eq!((as_it_is.weight, as_it_is.role), (written.weight, written.role));
}

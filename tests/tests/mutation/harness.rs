//! Runs one target: its corpus, then changed inputs for as long as is wanted, keeping those that led somewhere new.
//!
//! Invariant: a run of a number of inputs is a function of the seed and the corpus. What fails leaves a trail: all
//! inputs since the target was last made anew, which `QUORATE_FUZZ_TRAIL=file` feeds again.

use crate::mutation::mutate::mutated;
use crate::mutation::wire::below;
use quorate_tests::random::Random;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Most inputs that are kept for further changes: then a new one takes the place of another, but the corpus stays.
const KEPT: usize = 4_000;

/// Something that takes bytes from a peer.
pub(crate) trait Target {
    /// Directory of its corpus.
    const NAME: &'static str;
    /// Longest input that is tried.
    const LONGEST: usize;
    /// Inputs in an ordinary run: about two seconds.
    const INPUTS: u64;
    /// Inputs between two fresh starts of what has a state.
    const LIFE: u64 = 400;
    /// Bytes in front of each input that choose what is done with it, and are no part of the message.
    const HEAD: usize = 0;

    /// As it is before the first input.
    fn fresh() -> Self;

    /// Real encodings, with names for their files.
    fn seeds() -> Vec<(String, Vec<u8>)>;

    /// Takes one input, and panics when it does what it must not. Numbers stand for what came of it: an input with
    /// a number that was not seen before is kept.
    fn feed(&mut self, input: &[u8]) -> Vec<u64>;

    /// A changed copy of `input`; parts of `donor` may be taken over.
    fn changed(input: &[u8], donor: &[u8], random: &mut Random) -> Vec<u8> {
        mutated(input, donor, Self::HEAD, Self::LONGEST, random)
    }

    /// Whether it has come to an end and must be made anew.
    fn is_over(&self) -> bool {
        false
    }
}

/// Feeds a target as the environment says.
pub(crate) fn run<T: Target>() {
    if std::env::var_os("REWRITE").is_some() {
        write_corpus::<T>();
    }
    if let Some(path) = std::env::var_os("QUORATE_FUZZ_TRAIL") {
        let mut target = T::fresh();
        for input in read_trail(Path::new(&path)) {
            eprintln!("{} bytes: {}", input.len(), hex(&input));
            target.feed(&input);
        }
        return;
    }
    let seed = number("QUORATE_FUZZ_SEED").unwrap_or(1);
    let seconds = number("QUORATE_FUZZ_SECONDS").map(Duration::from_secs);
    let mut run = Run::<T>::new(seed);
    let began = Instant::now();
    run.feed_corpus();
    while seconds.map_or(run.fed < T::INPUTS, |seconds| began.elapsed() < seconds) {
        run.feed_changed();
    }
    let rate = run.fed as f64 / began.elapsed().as_secs_f64();
    let (name, fed, seen, kept) = (T::NAME, run.fed, run.seen.len(), run.corpus.len());
    eprintln!(
        "{name}: seed {seed}, {fed} inputs, {rate:.0} a second, {seen} outcomes, {kept} kept"
    );
}

struct Run<T> {
    seed: u64,
    random: Random,
    corpus: Vec<Vec<u8>>,
    /// How many of them come from the directory.
    given: usize,
    seen: BTreeSet<u64>,
    target: T,
    /// What the target was fed since it was made.
    trail: Vec<Vec<u8>>,
    fed: u64,
}

impl<T: Target> Run<T> {
    fn new(seed: u64) -> Self {
        let corpus = read_corpus(T::NAME);
        assert!(!corpus.is_empty(), "no corpus in {}", directory(T::NAME).display());
        assert!(corpus.len() < KEPT, "the corpus is too large to keep anything beside it");
        Self {
            seed,
            random: Random::new(seed),
            given: corpus.len(),
            corpus,
            seen: BTreeSet::new(),
            target: T::fresh(),
            trail: Vec::new(),
            fed: 0,
        }
    }

    fn feed_corpus(&mut self) {
        for input in self.corpus.clone() {
            self.feed(&input);
        }
    }

    fn feed_changed(&mut self) {
        let random = &mut self.random;
        let [one, instead, other] = [(); 3].map(|()| below(random, self.corpus.len()));
        // Short inputs are quicker, and say the same as long ones more often than not.
        let shorter = self.corpus[instead].len() < self.corpus[one].len() && random.percent(75);
        let one = &self.corpus[if shorter { instead } else { one }];
        let other = &self.corpus[other];
        let input = T::changed(one, other, random);
        if !self.feed(&input) {
            return;
        }
        if self.corpus.len() < KEPT {
            self.corpus.push(input);
        } else {
            let place = self.given + below(&mut self.random, KEPT - self.given);
            self.corpus[place] = input;
        }
    }

    /// Whether something came of it that was not seen before.
    fn feed(&mut self, input: &[u8]) -> bool {
        if self.trail.len() as u64 >= T::LIFE || self.target.is_over() {
            self.target = T::fresh();
            self.trail.clear();
        }
        self.trail.push(input.to_vec());
        self.fed += 1;
        let target = &mut self.target;
        let fed = catch_unwind(AssertUnwindSafe(|| target.feed(input)));
        let outcomes = fed.unwrap_or_else(|panic| {
            self.tell(input);
            resume_unwind(panic)
        });
        let seen = self.seen.len();
        self.seen.extend(outcomes);
        self.seen.len() > seen
    }

    fn tell(&self, input: &[u8]) {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.trail", T::NAME));
        let lengths_and_inputs = self.trail.iter().flat_map(|input| {
            let length = u32::try_from(input.len()).expect("inputs are short");
            length.to_le_bytes().into_iter().chain(input.iter().copied())
        });
        let written = fs::write(&path, lengths_and_inputs.collect::<Vec<u8>>());
        eprintln!(
            "{}: input {} of seed {} failed: {}\nQUORATE_FUZZ_TRAIL={} feeds it again ({written:?})",
            T::NAME,
            self.fed,
            self.seed,
            hex(input),
            path.display()
        );
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

fn read_corpus(name: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(directory(name)) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("the corpus can be read")).collect()
}

fn write_corpus<T: Target>() {
    let directory = directory(T::NAME);
    fs::create_dir_all(&directory).expect("the corpus can be written");
    for (name, bytes) in T::seeds() {
        fs::write(directory.join(name), bytes).expect("the corpus can be written");
    }
}

fn read_trail(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).expect("the trail can be read");
    let mut rest = &bytes[..];
    let mut inputs = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (input, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
        inputs.push(input.to_vec());
        rest = behind;
    }
    inputs
}

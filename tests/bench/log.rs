//! What the disk itself costs: 4 KiB written and made durable, once behind the end of a file, once in place.
//!
//! No store can acknowledge a write sooner than this, except by putting several into one.

use crate::Settings;
use crate::report::Question;
use quorate_tests::outside::processes::Scratch;
use quorate_tests::outside::series::{Series, quantile};
use quorate_tests::outside::trouble::Trouble;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

const BLOCK: usize = 4096;
/// Syncs a run.
const SYNCS: u64 = 200;

pub(crate) fn run(settings: &Settings) -> Result<Vec<Question>, Trouble> {
    let mut questions = Vec::new();
    for (name, in_place) in [("preallocated file", true), ("growing file", false)] {
        let mut p50 = Series::new("p50", "us");
        let mut p99 = Series::new("p99", "us");
        for _ in 0..settings.runs {
            let times = once(settings, in_place)?;
            p50.add(quantile(&times, 0.5));
            p99.add(quantile(&times, 0.99));
        }
        let title = format!("Disk: 4 KiB and fdatasync, {name}, {SYNCS} a run");
        questions.push(Question::new(title, vec![p50, p99]));
    }
    Ok(questions)
}

fn once(settings: &Settings, in_place: bool) -> Result<Vec<f64>, Trouble> {
    let scratch = Scratch::new(&settings.directory)?;
    let path = scratch.path().join("log");
    let doing = || Trouble::at(format!("writing {}", path.display()));
    let file = File::create(&path).map_err(doing())?;
    let block = [7_u8; BLOCK];
    if in_place {
        for number in 0..SYNCS {
            file.write_all_at(&[0; BLOCK], number * BLOCK as u64).map_err(doing())?;
        }
        file.sync_all().map_err(doing())?;
    }
    let mut times = Vec::new();
    for number in 0..SYNCS {
        let began = Instant::now();
        file.write_all_at(&block, number * BLOCK as u64).map_err(doing())?;
        file.sync_data().map_err(doing())?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

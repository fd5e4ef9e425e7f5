//! How noisy the machine is: a fixed computation before every round, and the rate of raw durable writes.

use crate::{Result, data};
use std::{
    fs::OpenOptions,
    hint::black_box,
    io::{Seek, SeekFrom, Write},
    path::Path,
    time::{Duration, Instant},
};

/// Times of the same computation through the run.
#[derive(Default)]
pub(crate) struct Noise(Vec<f64>);

impl Noise {
    /// Runs the computation once, for about ten milliseconds.
    pub(crate) fn sample(&mut self) {
        let start = Instant::now();
        let mut word = 1_u64;
        for _ in 0..4_000_000 {
            word = data::mix(word);
        }
        black_box(word);
        self.0.push(start.elapsed().as_secs_f64());
    }

    /// One sentence on the spread.
    pub(crate) fn summary(&mut self) -> String {
        self.0.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let last = self.0.len().saturating_sub(1) as f64;
            self.0.get((last * share).round() as usize).copied().unwrap_or_default()
        };
        let median = at(0.5);
        let percent = |time: f64| (time / median - 1.0) * 100.0;
        format!(
            "Machine noise: the same computation {} times, median {:.1} ms, quartiles {:+.1} % and {:+.1} %, slowest {:+.1} %.",
            self.0.len(),
            median * 1e3,
            percent(at(0.25)),
            percent(at(0.75)),
            percent(at(1.0)),
        )
    }
}

/// Durable writes a second of 4 KiB each to a preallocated file in a directory: what one synced commit could reach at best.
pub(crate) fn raw_durable_writes(dir: &Path, slice: Duration) -> Result<f64> {
    const BLOCK: u64 = 4096;
    const BLOCKS: u64 = 1024;
    let path = dir.join("raw");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    for _ in 0..BLOCKS {
        file.write_all(&[1; BLOCK as usize])?;
    }
    file.sync_all()?;
    let start = Instant::now();
    let mut writes = 0;
    while start.elapsed() < slice {
        file.seek(SeekFrom::Start(writes % BLOCKS * BLOCK))?;
        file.write_all(&[writes as u8; BLOCK as usize])?;
        file.sync_data()?;
        writes += 1;
    }
    let rate = writes as f64 / start.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}

//! Batches applied to a tree in memory by one thread and by several, with optimistic latches and with coupled locks.
//! `cargo xtask appliers` runs it.

#![allow(clippy::disallowed_methods, reason = "clocks are what a measurement is made of")]

use clap::Parser;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use indicatif::ProgressBar;
use std::time::Instant;
use tamarack::measure::{Applying, Batches};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Measures how long a batch takes from the beginning of its apply until it is visible, without its log.
#[derive(Parser)]
struct Arguments {
    /// Records of 8 and 100 bytes that the tree begins with.
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Edits of a batch.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000")]
    batches: Vec<u64>,
    /// Bytes of a leaf.
    #[arg(long, default_value_t = 8192)]
    page_size: u32,
    /// Edits of all batches of each kind together.
    #[arg(long, default_value_t = 2_000_000)]
    edits: u64,
}

const ALL: [(Applying, &str); 4] = [
    (Applying::One, "one"),
    (Applying::OneCoupled, "one, coupled locks"),
    (Applying::Several, "several, optimistic latches"),
    (Applying::SeveralCoupled, "several, coupled locks"),
];

fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Microseconds that each batch took, by way of applying.
fn measure(
    tree: &Batches,
    batch: u64,
    rounds: u64,
    key: impl Fn(u64) -> u64,
    bar: &ProgressBar,
) -> Result<Vec<Vec<f64>>> {
    let mut times = vec![Vec::new(); ALL.len()];
    for round in 0..rounds {
        for turn in 0..ALL.len() as u64 {
            // Another one first in each round.
            let at = ((round + turn) % ALL.len() as u64) as usize;
            let first = (round * ALL.len() as u64 + turn) * batch;
            let prepared = tree.prepare((first..first + batch).map(&key));
            let started = Instant::now();
            tree.apply(&prepared, ALL[at].0)?;
            times[at].push(started.elapsed().as_secs_f64() * 1e6);
        }
        bar.inc(1);
    }
    Ok(times)
}

fn quantile(numbers: &mut [f64], part: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get((numbers.len() as f64 * part) as usize).copied().unwrap_or_default()
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["edits", "of a batch", "applied by", "25 %, us", "median", "75 %", "edits/s", "rate to one"]);
    let records = arguments.records.max(1);
    for &batch in &arguments.batches {
        let rounds = (arguments.edits / batch.max(1) / ALL.len() as u64).max(8);
        for what in ["updates", "inserts"] {
            let tree = Batches::new(arguments.page_size)?;
            let loaded = |i: u64| mix(i) | 1;
            for first in (0..records).step_by(100_000) {
                tree.apply(&tree.prepare((first..(first + 100_000).min(records)).map(loaded)), Applying::Several)?;
            }
            let bar = ProgressBar::new(rounds).with_message(what);
            let mut times = if what == "updates" {
                measure(&tree, batch, rounds, |i| loaded(mix(!i) % records), &bar)?
            } else {
                measure(&tree, batch, rounds, |i| mix(!i) & !1, &bar)?
            };
            bar.finish_and_clear();
            let medians: Vec<f64> = times.iter_mut().map(|times| quantile(times, 0.5)).collect();
            for (at, (how, name)) in ALL.iter().enumerate() {
                let threads = matches!(how, Applying::Several | Applying::SeveralCoupled).then(|| tree.cores());
                let name = threads
                    .map_or((*name).to_owned(), |threads| name.replace("several", &format!("{threads} threads")));
                let us = |part, times: &mut Vec<f64>| format!("{:.0}", quantile(times, part));
                let cells = [us(0.25, &mut times[at]), us(0.5, &mut times[at]), us(0.75, &mut times[at])];
                let rate =
                    [format!("{:.0}", batch as f64 / medians[at] * 1e6), format!("{:.2} x", medians[0] / medians[at])];
                table.add_row([vec![what.to_owned(), batch.to_string(), name], cells.to_vec(), rate.to_vec()].concat());
            }
        }
    }
    println!("{table}");
    Ok(())
}

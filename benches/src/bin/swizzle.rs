//! What swizzling is worth: gets in one tree in memory, with frames found through swips and through page tables. `cargo xtask swizzle`
//! runs it.

#![allow(clippy::disallowed_methods, reason = "clocks and files are what a measurement is made of")]

use clap::Parser;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use indicatif::ProgressBar;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Barrier;
use std::time::Instant;
use tamarack::measure::{Applying, Batches, Image, Translation};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Measures gets by the way in which a child's frame is found, all in one process and one memory image. `swip/hash` compares that one step alone.
/// `engine/baseline` compares the engine with one that has a page table at every step, shared latches and one writer: as many updates as gets
/// (workload A of Cooper et al., "Benchmarking Cloud Serving Systems with YCSB" (2010)), on all cores.
#[derive(Parser)]
struct Arguments {
    /// Where the file is made (and removed again).
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Records of 8 and 100 bytes.
    #[arg(long, default_value_t = 10_000_000)]
    records: u64,
    /// Bytes of a leaf; 8 KiB are the default of a database.
    #[arg(long, value_delimiter = ',', default_value = "8192,4096")]
    page_size: Vec<u32>,
    /// Gets in a slice.
    #[arg(long, default_value_t = 50_000)]
    slice: u64,
    /// Slices of each kind.
    #[arg(long, default_value_t = 60)]
    slices: usize,
}

const ALL: [(Translation, &str); 6] = [
    (Translation::Swip, "swip"),
    (Translation::SwipAndLock, "swip, and shared locks coupled"),
    (Translation::Hash, "hash"),
    (Translation::HashAndLatch, "hash, latched bucket"),
    (Translation::Baseline, "baseline: that, and shared latches"),
    (Translation::Engine, "engine: a read transaction's get"),
];

/// Keys that a slice asks for.
#[derive(Clone, Copy)]
enum Population {
    Uniform,
    /// So many of them.
    Few(u64),
}

impl Population {
    fn pick(self, random: u64, records: u64) -> u64 {
        match self {
            Self::Uniform => random % records,
            // Scattered over the whole tree.
            Self::Few(keys) => (random % keys).wrapping_mul(0x9e37_79b9) % records,
        }
    }
}

fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn core_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// What is asked for, and how.
#[derive(Clone, Copy)]
struct Load {
    keys: Population,
    records: u64,
    /// The next key depends on the value before.
    chained: bool,
    /// As many ask at the same time, each on a core of its own.
    threads: u64,
}

/// Nanoseconds of core time a get, of one thread.
fn gets(image: &Image, with: Translation, load: Load, count: u64, seed: u64) -> Result<f64> {
    let (mut state, mut last) = (seed, 0);
    let started = core_time();
    for _ in 0..count {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let random = mix(if load.chained { state ^ last } else { state });
        last = image.get(with, load.keys.pick(random, load.records))?;
    }
    black_box(last);
    Ok((core_time() - started) / count as f64)
}

/// Nanoseconds of core time a get, the mean of all threads.
fn slice(image: &Image, with: Translation, load: Load, count: u64, seed: u64) -> Result<f64> {
    // What the way before has left in the caches is no help.
    let warm = count / 10;
    if load.threads == 1 {
        gets(image, with, load, warm, !seed)?;
        return gets(image, with, load, count, seed);
    }
    let barrier = Barrier::new(load.threads as usize);
    let sum: f64 = std::thread::scope(|scope| {
        let thread = |number| {
            let (barrier, seed) = (&barrier, seed ^ mix(number));
            scope.spawn(move || {
                let warmed = gets(image, with, load, warm, !seed);
                barrier.wait();
                warmed.and_then(|_| gets(image, with, load, count, seed))
            })
        };
        let threads: Vec<_> = (0..load.threads).map(thread).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).sum::<Result<f64>>()
    })?;
    Ok(sum / load.threads as f64)
}

/// Loads that each depend on the one before, in as much memory as the leaves take: what the machine gives at this moment.
fn chase(chain: &[u64], steps: u64, seed: u64) -> f64 {
    let mut at = seed % chain.len() as u64;
    let started = core_time();
    for step in 0..steps {
        at = chain.get(at as usize).copied().unwrap_or_default().wrapping_add(step & 1) % chain.len() as u64;
    }
    black_box(at);
    (core_time() - started) / steps as f64
}

fn quantile(numbers: &mut [f64], part: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get((numbers.len() as f64 * part) as usize).copied().unwrap_or_default()
}

struct Measured {
    /// By translation and slice.
    times: Vec<Vec<f64>>,
    chases: Vec<f64>,
    threads: u64,
}

impl Measured {
    /// Median nanoseconds of core time a get.
    fn median(&self, of: Translation) -> f64 {
        let times = ALL.iter().position(|(with, _)| *with == of).and_then(|at| self.times.get(at));
        times.map_or(0.0, |times| quantile(&mut times.clone(), 0.5))
    }

    /// How much faster one is than another: the median over the slices, of which each holds both.
    fn ratio(&self, fast: Translation, slow: Translation) -> f64 {
        let of = |wanted| ALL.iter().position(|(with, _)| *with == wanted).and_then(|at| self.times.get(at));
        let (Some(fast), Some(slow)) = (of(fast), of(slow)) else { return 0.0 };
        quantile(&mut fast.iter().zip(slow).map(|(fast, slow)| slow / fast).collect::<Vec<_>>(), 0.5)
    }
}

fn measure(image: &Image, load: Load, arguments: &Arguments, chain: &[u64], bar: &ProgressBar) -> Result<Measured> {
    let mut measured = Measured { times: vec![Vec::new(); ALL.len()], chases: Vec::new(), threads: load.threads };
    for number in 0..arguments.slices as u64 {
        // Another order each time; all ways ask for the same keys.
        let mut order: Vec<usize> = (0..ALL.len()).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, (mix(number * 100 + i as u64) % (i as u64 + 1)) as usize);
        }
        for at in order {
            let (with, _) = ALL[at];
            measured.times[at].push(slice(image, with, load, arguments.slice, mix(number + 1))?);
        }
        measured.chases.push(chase(chain, arguments.slice, mix(number)));
        bar.inc(1);
    }
    Ok(measured)
}

/// What is measured; the first for `swip/hash`, the last for `engine/baseline`.
fn loads(records: u64) -> Vec<(String, Load)> {
    let populations = [
        ("uniform", Population::Uniform),
        ("0.2 % of the records", Population::Few((records / 500).max(1))),
        ("200 records", Population::Few(200)),
    ];
    let mut loads = Vec::new();
    for (threads, chained, how) in [(1, true, "chained"), (1, false, "independent"), (2, true, "chained, two threads")]
    {
        let kinds = populations.iter().filter(|_| threads == 1).chain(populations.first().filter(|_| threads == 2));
        for (name, keys) in kinds {
            loads.push((format!("{name}, {how}"), Load { keys: *keys, records, chained, threads }));
        }
    }
    loads
}

/// Builds the tree with pages of this size and measures all; ends with the ratios.
fn run(arguments: &Arguments, page_size: u32, chain: &[u64]) -> Result<()> {
    std::fs::create_dir_all(&arguments.dir)?;
    let folder = tempfile::tempdir_in(&arguments.dir)?;
    let bar = ProgressBar::new(arguments.records);
    bar.set_message("loading");
    let path = folder.path().join("swizzle.tam");
    let image = Image::build(&path, arguments.records, page_size, &|done| bar.set_position(done))?;
    bar.finish_and_clear();
    let (nodes, buckets) = image.size();
    println!("{} records in {nodes} nodes of {page_size} bytes; a page table of {buckets} buckets", arguments.records);
    let loads = loads(arguments.records);
    let bar = ProgressBar::new((loads.len() * arguments.slices) as u64);
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["ns a get, core time", "keys", "fastest", "25 %", "median", "75 %", "pointer chases", "swip is"]);
    let mut all = Vec::new();
    for (kind, load) in loads {
        let mut measured = measure(&image, load, arguments, chain, &bar)?;
        let chase = quantile(&mut measured.chases, 0.5);
        for (at, (with, what)) in ALL.iter().enumerate() {
            let ratio = measured.ratio(Translation::Swip, *with);
            let mut times = measured.times[at].clone();
            let mut ns = |part| format!("{:.0}", quantile(&mut times, part));
            let cells = [ns(0.0), ns(0.25), ns(0.5), ns(0.75)];
            let median = quantile(&mut times, 0.5);
            let rest = [format!("{:.2}", median / chase), format!("{ratio:.2} x")];
            table.add_row([vec![(*what).to_owned(), kind.clone()], cells.to_vec(), rest.to_vec()].concat());
        }
        all.push(measured);
    }
    bar.finish_and_clear();
    println!("{table}");
    let (Some(one), Some(two)) = (all.first(), all.last()) else { return Ok(()) };
    println!("pages of {page_size} bytes, uniform keys, each dependent on the value before:");
    println!("swip/hash {:.2}", one.ratio(Translation::Swip, Translation::Hash));
    println!("swip/hash-latched {:.2}", one.ratio(Translation::Swip, Translation::HashAndLatch));
    let coupled = |measured: &Measured| measured.ratio(Translation::Swip, Translation::SwipAndLock);
    println!("no latch/coupled locks {:.2} (one thread), {:.2} (two)", coupled(one), coupled(two));
    let baseline = |measured: &Measured| measured.ratio(Translation::Engine, Translation::Baseline);
    println!("engine/baseline, gets: {:.2} (one thread), {:.2} (two, one on each core)", baseline(one), baseline(two));
    drop(image);
    let [ours, theirs] = updates(arguments.records, page_size)?;
    println!("engine/baseline, updates: {:.2} (ours {ours:.0} ns, the baseline's {theirs:.0} ns)", theirs / ours);
    // Both cores read, or both cores belong to the batch: an update's time is the machine's, a get's that of one of its cores.
    let job = |get: Translation, update: f64| two.median(get) / two.threads as f64 + update;
    let ratio = job(Translation::Baseline, theirs) / job(Translation::Engine, ours);
    println!("engine/baseline {ratio:.2} (as many updates as gets, on all cores)");
    Ok(())
}

/// Nanoseconds an update, in batches of 10,000 that are applied to a tree in memory: by today's engine, and by the one writer of the baseline,
/// which couples locks.
fn updates(records: u64, page_size: u32) -> Result<[f64; 2]> {
    const BATCH: u64 = 10_000;
    const ROUNDS: u64 = 60;
    let tree = Batches::new(page_size)?;
    let key = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for first in (0..records).step_by(100_000) {
        tree.apply(&tree.prepare((first..(first + 100_000).min(records)).map(key)), Applying::Several)?;
    }
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for turn in [round % 2, (round + 1) % 2] {
            let first = (round * 2 + turn) * BATCH;
            let batch = tree.prepare((first..first + BATCH).map(|i| key(mix(i) % records)));
            let how = if turn == 0 { Applying::Several } else { Applying::OneCoupled };
            let started = Instant::now();
            tree.apply(&batch, how)?;
            times[turn as usize].push(started.elapsed().as_secs_f64() * 1e9 / BATCH as f64);
        }
    }
    Ok(times.map(|mut times| quantile(&mut times, 0.5)))
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let chain: Vec<u64> = (0..arguments.records * 12).map(mix).collect();
    for &page_size in &arguments.page_size {
        run(&arguments, page_size, &chain)?;
    }
    Ok(())
}

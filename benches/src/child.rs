//! One engine in a process of its own: it waits for a line, runs the round that the line names, and answers with a line.

use crate::{
    Result,
    data::{self, RECORD},
    engines::{self, Commit, Engine, Reader, Writer},
    workload::{Scale, Workload},
};
use clap::ValueEnum;
use std::{
    fs,
    hint::black_box,
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Records of a `batch` transaction.
const BATCH: u64 = 1_000;
/// Threads of `synced_8`.
const THREADS: u64 = 8;

/// Serves rounds until the input ends.
pub(crate) fn serve<E: Engine>(dir: &Path, scale: Scale) -> Result<()> {
    let mut bench = Bench::<E> { dir: dir.join(E::NAME), scale, engine: None, loaded: false };
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let answer = match bench.answer(&line) {
            Ok(answer) => answer,
            Err(error) => format!("failed {}", error.to_string().replace('\n', " ")),
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    if let Some(engine) = bench.engine.take() {
        engine.close()?;
    }
    Ok(())
}

/// What a round gave.
struct Round {
    /// Operations a second, or the ratio of `size`.
    rate: f64,
    /// Sum of all bytes read, or records removed.
    check: u64,
}

impl Round {
    fn rate(operations: u64, taken: Duration) -> Self {
        Self { rate: operations as f64 / taken.as_secs_f64(), check: 0 }
    }
}

struct Bench<E> {
    dir: PathBuf,
    scale: Scale,
    engine: Option<E>,
    /// Whether the store holds exactly the records 0..N, as a load leaves them.
    loaded: bool,
}

impl<E: Engine> Bench<E> {
    fn answer(&mut self, line: &str) -> Result<String> {
        let mut words = line.split(' ');
        let verb = words.next().unwrap_or_default();
        let workload = Workload::from_str(words.next().unwrap_or_default(), false)?;
        if !E::ON_DISK && matches!(workload, Workload::Reopen | Workload::Size) {
            return Ok("skipped".to_owned());
        }
        match verb {
            "prepare" => {
                self.prepare(workload)?;
                Ok("prepared".to_owned())
            }
            "round" => {
                let number = words.next().unwrap_or_default().parse()?;
                let round = self.round(workload, number)?;
                let start = Instant::now();
                self.engine()?.settle()?;
                let after = start.elapsed().as_secs_f64();
                self.restore(workload)?;
                Ok(format!("measured {:e} {} {after:e}", round.rate, round.check))
            }
            _ => Err(format!("unknown request `{line}`").into()),
        }
    }

    fn engine(&self) -> Result<&E> {
        self.engine.as_ref().ok_or_else(|| "the store is not open".into())
    }

    /// The state from which every workload starts: a fresh load, everything in caches.
    fn prepare(&mut self, workload: Workload) -> Result<()> {
        if workload == Workload::Load {
            return Ok(());
        }
        if !self.loaded {
            self.load()?;
        }
        self.engine()?.settle()?;
        self.scan(1)?;
        Ok(())
    }

    /// Undoes what a round left behind, so that the next one starts from the same records.
    fn restore(&mut self, workload: Workload) -> Result<()> {
        if workload == Workload::Remove {
            self.load()?;
            self.engine()?.settle()?;
        } else if workload.writes() {
            self.remove_new()?;
            self.engine()?.settle()?;
            self.loaded = false;
        }
        Ok(())
    }

    fn round(&mut self, workload: Workload, number: u64) -> Result<Round> {
        match workload {
            Workload::Load => self.load().map(|taken| Round::rate(self.scale.records, taken)),
            Workload::Batch => self.commits(1, BATCH, Commit::Synced),
            Workload::Synced1 => self.commits(1, 1, Commit::Synced),
            Workload::Synced8 => self.commits(THREADS, 1, Commit::Synced),
            Workload::Deferred => {
                self.engine()?.deferred(true)?;
                let round = self.commits(1, 1, Commit::Deferred);
                self.engine()?.deferred(false)?;
                round
            }
            Workload::Get => self.get(number),
            Workload::Get2 => self.get_2(number),
            Workload::GetTxn => self.get_txn(number),
            Workload::Range10 => self.range_10(number),
            Workload::Scan => self.scan(self.scale.scans()),
            Workload::Remove => self.remove_half(),
            Workload::Reopen => self.reopen(),
            Workload::Size => self.size(),
        }
    }

    /// A new store with all records; the time is that of the one transaction.
    fn load(&mut self) -> Result<Duration> {
        if let Some(engine) = self.engine.take() {
            engine.close()?;
        }
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir)?;
        }
        fs::create_dir_all(&self.dir)?;
        let engine = E::open(&self.dir)?;
        let records = self.scale.records;
        let start = Instant::now();
        engine.write(Commit::Synced, |table| {
            for record in 0..records {
                table.insert(&data::key(record), &data::value(record))?;
            }
            Ok(())
        })?;
        let taken = start.elapsed();
        self.engine = Some(engine);
        self.loaded = true;
        Ok(taken)
    }

    /// Commits of `size` new records each by some threads, until the time or the records are used up.
    fn commits(&mut self, threads: u64, size: u64, commit: Commit) -> Result<Round> {
        let engine = self.engine()?;
        let first = self.scale.records;
        let end = first + self.scale.most_new();
        let next = AtomicU64::new(first);
        let committed = AtomicU64::new(0);
        let start = Instant::now();
        let deadline = start + self.scale.slice();
        let work = || -> Result<()> {
            while Instant::now() < deadline {
                let from = next.fetch_add(size, Ordering::Relaxed);
                if from + size > end {
                    break;
                }
                engine.write(commit, |table| {
                    for record in from..from + size {
                        table.insert(&data::key(record), &data::value(record))?;
                    }
                    Ok(())
                })?;
                committed.fetch_add(size, Ordering::Relaxed);
            }
            Ok(())
        };
        if threads == 1 {
            work()?;
        } else {
            thread::scope(|scope| -> Result<()> {
                let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
                for worker in workers {
                    worker.join().map_err(|_| "a thread panicked")??;
                }
                Ok(())
            })?;
        }
        Ok(Round::rate(committed.load(Ordering::Relaxed), start.elapsed()))
    }

    /// Removes the records that [`Self::commits`] added.
    fn remove_new(&self) -> Result<()> {
        let first = self.scale.records;
        self.engine()?.write(Commit::Synced, |table| {
            for record in first..first + self.scale.most_new() {
                // Every number that a thread took was committed, so the first one missing is the end.
                if !table.remove(&data::key(record))? {
                    break;
                }
            }
            Ok(())
        })
    }

    fn get(&self, round: u64) -> Result<Round> {
        let count = self.scale.gets();
        let start = Instant::now();
        let check = self.gets(round, 0..count)?;
        Ok(Round { check, ..Round::rate(count, start.elapsed()) })
    }

    fn get_2(&self, round: u64) -> Result<Round> {
        let count = self.scale.gets();
        let start = Instant::now();
        let check = thread::scope(|scope| -> Result<u64> {
            let other = scope.spawn(|| self.gets(round, count..2 * count));
            let own = self.gets(round, 0..count)?;
            Ok(own + other.join().map_err(|_| "a thread panicked")??)
        })?;
        Ok(Round { check, ..Round::rate(2 * count, start.elapsed()) })
    }

    /// Reads random records in one transaction.
    fn gets(&self, round: u64, draws: std::ops::Range<u64>) -> Result<u64> {
        self.engine()?.read(|table| {
            let mut check = 0;
            for draw in draws.clone() {
                let record = self.random(round, draw);
                if !table.get(&data::key(record), |value| check += data::sum(value))? {
                    return Err(format!("record {record} is missing").into());
                }
            }
            Ok(check)
        })
    }

    fn get_txn(&self, round: u64) -> Result<Round> {
        let engine = self.engine()?;
        let count = self.scale.gets() / 2;
        let mut check = 0;
        let start = Instant::now();
        for draw in 0..count {
            let key = data::key(self.random(round, draw));
            if !engine.read(|table| table.get(&key, |value| check += data::sum(value)))? {
                return Err("a record is missing".into());
            }
        }
        Ok(Round { check, ..Round::rate(count, start.elapsed()) })
    }

    fn range_10(&self, round: u64) -> Result<Round> {
        let count = self.scale.ranges();
        let start = Instant::now();
        let check = self.engine()?.read(|table| {
            let mut check = 0;
            for draw in 0..count {
                let key = data::key(self.random(round, draw));
                table.range(&key, 10, |key, value| check += data::sum(value) + u64::from(key[0]))?;
            }
            Ok(check)
        })?;
        Ok(Round { check, ..Round::rate(count, start.elapsed()) })
    }

    fn scan(&self, times: u64) -> Result<Round> {
        let start = Instant::now();
        let (seen, check) = self.engine()?.read(|table| {
            let (mut seen, mut check) = (0, 0);
            for _ in 0..times {
                seen += table.range(&[], usize::MAX, |key, value| check += data::sum(value) + u64::from(key[0]))?;
            }
            Ok((seen as u64, check))
        })?;
        if seen != times * self.scale.records {
            return Err(format!("{seen} records seen in {times} scans of {}", self.scale.records).into());
        }
        Ok(Round { check, ..Round::rate(seen, start.elapsed()) })
    }

    fn remove_half(&self) -> Result<Round> {
        let mut removed = 0;
        let start = Instant::now();
        self.engine()?.write(Commit::Synced, |table| {
            removed = 0;
            for record in (0..self.scale.records).step_by(2) {
                removed += u64::from(table.remove(&data::key(record))?);
            }
            Ok(())
        })?;
        Ok(Round { check: removed, ..Round::rate(removed, start.elapsed()) })
    }

    fn reopen(&mut self) -> Result<Round> {
        let mut taken = Duration::ZERO;
        let opens = self.scale.opens();
        for open in 0..opens {
            if let Some(engine) = self.engine.take() {
                engine.close()?;
            }
            let key = data::key(self.random(u64::MAX, open));
            let start = Instant::now();
            let engine = E::open(&self.dir)?;
            let found = engine.read(|table| table.get(&key, |value| _ = black_box(data::sum(value))))?;
            taken += start.elapsed();
            self.engine = Some(engine);
            if !found {
                return Err("a record is missing after opening".into());
            }
        }
        Ok(Round::rate(opens, taken))
    }

    fn size(&mut self) -> Result<Round> {
        if let Some(engine) = self.engine.take() {
            engine.close()?;
        }
        let bytes = engines::bytes_of(&self.dir)?;
        self.engine = Some(E::open(&self.dir)?);
        Ok(Round { rate: (self.scale.records * RECORD) as f64 / bytes as f64, check: 0 })
    }

    fn random(&self, round: u64, draw: u64) -> u64 {
        data::mix(data::mix(round) ^ draw) % self.scale.records
    }
}

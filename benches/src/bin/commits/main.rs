//! Durable commits by many threads and tasks: rate, and how many share a flush.

#![allow(clippy::disallowed_methods, reason = "clocks, threads and files are what a measurement is made of")]

#[cfg(feature = "peers")]
mod peers;

use clap::Parser;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tamarack::{Database, Stats, TableDef};
use tokio::task::JoinSet;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const TABLE: TableDef<u64, Vec<u8>> = TableDef::new("records");

/// Measures synced commits of one record of 100 bytes each; built with `--features peers`, RocksDB's and fjall's too.
#[derive(Parser)]
struct Arguments {
    /// Where the file is made.
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Seconds for each line.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

struct Line {
    rate: f64,
    /// Commits that shared a flush, where the store counts flushes.
    per_flush: Option<f64>,
}

/// Keys that are spread over the whole range, each once.
#[derive(Default)]
struct Keys(AtomicU64);

impl Keys {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Commits by as many threads as are asked for, for a while; returns their number a second.
fn threads(count: u64, time: Duration, commit: impl Fn() + Sync) -> f64 {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    commit();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
    });
    done.into_inner() as f64 / started.elapsed().as_secs_f64()
}

/// Commits by tasks on one runtime thread, for a while; returns their number a second.
fn tasks<F: Future<Output = ()> + Send + 'static>(
    count: u64,
    time: Duration,
    commit: impl Fn() -> F + Clone + Send + 'static,
) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (done, started) = (Arc::new(AtomicU64::new(0)), Instant::now());
    runtime.block_on(async {
        let mut set = JoinSet::new();
        for _ in 0..count {
            let (commit, done) = (commit.clone(), done.clone());
            set.spawn(async move {
                while started.elapsed() < time {
                    commit().await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while set.join_next().await.is_some() {}
    });
    Ok(done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
}

/// How a store's lines come about: by threads, and by tasks.
trait Committer {
    fn threads(&self, count: u64, time: Duration) -> Result<Line>;
    fn tasks(&self, count: u64, time: Duration) -> Result<Line>;
}

struct Tamarack {
    db: Database<()>,
    keys: Arc<Keys>,
}

impl Tamarack {
    fn line(&self, before: &Stats, rate: f64) -> Line {
        let after = self.db.stats();
        let commits = (after.commits - before.commits) as f64;
        Line { rate, per_flush: Some(commits / (after.flushes - before.flushes).max(1) as f64) }
    }
}

impl Committer for Tamarack {
    fn threads(&self, count: u64, time: Duration) -> Result<Line> {
        let before = self.db.stats();
        let rate = threads(count, time, || {
            self.db.write(|tx| tx.open_table(&TABLE)?.insert(self.keys.next(), vec![7; 100])).expect("a commit");
        });
        Ok(self.line(&before, rate))
    }

    fn tasks(&self, count: u64, time: Duration) -> Result<Line> {
        let (before, db, keys) = (self.db.stats(), self.db.clone(), self.keys.clone());
        let rate = tasks(count, time, move || {
            let (db, key) = (db.clone(), keys.next());
            async move {
                db.write_async(move |tx| tx.open_table(&TABLE)?.insert(key, vec![7; 100])).await.expect("a commit");
            }
        })?;
        Ok(self.line(&before, rate))
    }
}

/// A peer. It has no asynchronous commit: its tasks use the runtime's threads for blocking calls, as tokio's manual says.
#[cfg(feature = "peers")]
struct Other<P>(Arc<P>, Arc<Keys>);

#[cfg(feature = "peers")]
impl<P: peers::Peer> Other<P> {
    fn line(&self, count: u64, time: Duration, run: impl FnOnce(u64, Duration) -> Result<f64>) -> Result<Line> {
        let (before, started) = (self.0.flushes(), Instant::now());
        let rate = run(count, time)?;
        let commits = rate * started.elapsed().as_secs_f64();
        let flushes = self.0.flushes().zip(before).map(|(after, before)| (after - before).max(1) as f64);
        Ok(Line { rate, per_flush: flushes.map(|flushes| commits / flushes) })
    }
}

#[cfg(feature = "peers")]
impl<P: peers::Peer> Committer for Other<P> {
    fn threads(&self, count: u64, time: Duration) -> Result<Line> {
        self.line(count, time, |count, time| {
            Ok(threads(count, time, || self.0.commit(self.1.next()).expect("a commit")))
        })
    }

    fn tasks(&self, count: u64, time: Duration) -> Result<Line> {
        let (peer, keys) = (self.0.clone(), self.1.clone());
        self.line(count, time, move |count, time| {
            tasks(count, time, move || {
                let (peer, key) = (peer.clone(), keys.next());
                async move {
                    let done = tokio::task::spawn_blocking(move || peer.commit(key));
                    done.await.expect("a thread").expect("a commit");
                }
            })
        })
    }
}

/// Adds a store's lines to the table.
fn measure(table: &mut Table, name: &str, time: Duration, store: &impl Committer) -> Result<()> {
    store.threads(1, time / 4)?;
    let one = store.threads(1, time)?;
    let mut add = |who: String, line: &Line| {
        let ratio = format!("{:.2}", line.rate / one.rate);
        let per_flush = line.per_flush.map_or("not counted".into(), |count| format!("{count:.1}"));
        table.add_row([name.to_owned(), who, format!("{:.0}", line.rate), ratio, per_flush]);
    };
    add("1 thread".into(), &one);
    for count in [8, 32] {
        add(format!("{count} threads"), &store.threads(count, time)?);
    }
    add("1,000 tasks, one runtime thread".into(), &store.tasks(1000, time)?);
    Ok(())
}

fn main() -> Result<()> {
    let Arguments { dir, seconds } = Arguments::parse();
    std::fs::create_dir_all(&dir)?;
    let folder = tempfile::tempdir_in(dir)?;
    let time = Duration::from_secs_f64(seconds);
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["store", "who", "commits/s", "x one thread", "commits a flush"]);
    let db = Database::open(folder.path().join("commits.tam"))?;
    measure(&mut table, "tamarack", time, &Tamarack { db, keys: Arc::default() })?;
    #[cfg(feature = "peers")]
    {
        use peers::{Fjall, Peer, Rocks};
        let rocks = Arc::new(Rocks::open(&folder.path().join("rocksdb"))?);
        measure(&mut table, Rocks::NAME, time, &Other(rocks, Arc::default()))?;
        let fjall = Arc::new(Fjall::open(&folder.path().join("fjall"))?);
        measure(&mut table, Fjall::NAME, time, &Other(fjall, Arc::default()))?;
    }
    println!("{table}");
    Ok(())
}

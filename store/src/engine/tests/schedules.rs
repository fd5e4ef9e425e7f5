//! The whole engine under shuttle's schedules: readers, writers, the leader's applying, the evictor and the checkpointer on 256-byte pages
//! in a pool of twenty, each atomic access, lock and wait a point where any other thread may go on.
//!
//! `cargo xtask shuttle` runs this. A schedule that fails is printed; saved to a file, it is replayed with `TAMARACK_REPLAY=FILE`.

#![allow(clippy::disallowed_methods, reason = "tests use threads as programs do")]

use super::isolation::{Done, prove_serializable, prove_snapshot, work};
use super::*;
use crate::error::ErrorKind;
use crate::txn::Isolation;
use crate::vfs::MemoryFile;
use shuttle::rand::Rng;
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const PAGE: u32 = 256;
const POOL: u64 = 20 * PAGE as u64;
/// For trees that are a single leaf.
const SMALL_POOL: u64 = 5 * PAGE as u64;

/// What some threads do at once is explained by an order, and the file holds it.
fn life(seen: &Seen) {
    crate::buffer::reset();
    let seed: u64 = shuttle::rand::thread_rng().gen_range(1..u64::from(u32::MAX));
    let isolation = if seed.is_multiple_of(3) { Isolation::Snapshot } else { Isolation::Serializable };
    let storage = Arc::new(MemoryFile::default());
    let little = seed.is_multiple_of(5);
    let options = EngineOptions {
        isolation,
        block_size: PAGE,
        page_size: PAGE,
        memory: Some(if little { SMALL_POOL } else { POOL }),
        ..small(Background::Thread, seed * 4 + 1)
    };
    let engine = open(&storage, options.clone());
    let done: Arc<Mutex<Vec<Done>>> = Arc::default();
    // Enough that memory is short from the first step on.
    work(&engine, seed * 100 + 90, if little { 4 } else { 12 }, &done);
    engine.checkpoint().unwrap();
    let writers = (0..2).map(|worker| {
        let (engine, done) = (engine.clone(), Arc::clone(&done));
        shuttle::thread::spawn(move || work(&engine, seed * 100 + worker, 4, &done))
    });
    let mut threads: Vec<_> = writers.collect();
    let reader = engine.clone();
    threads.push(shuttle::thread::spawn(move || read_twice(&reader)));
    if seed.is_multiple_of(2) {
        let engine = engine.clone();
        threads.push(shuttle::thread::spawn(move || engine.checkpoint().unwrap()));
    }
    if seed % 4 == 3 {
        let engine = engine.clone();
        threads.push(shuttle::thread::spawn(move || write_much(&engine, seed)));
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let history = std::mem::take(&mut *done.lock().unwrap());
    let last = history.iter().filter_map(|done| done.committed).max();
    match isolation {
        Isolation::Serializable => prove_serializable(history),
        Isolation::Snapshot => prove_snapshot(history),
    };
    let worlds = |engine: &Engine| {
        let snapshot = engine.snapshot().unwrap();
        assert!(last.is_none_or(|last| snapshot.timestamp() >= last));
        [0, 1, 2, MUCH.0].map(|tree| contents(&snapshot, tree))
    };
    let before = worlds(&engine);
    audit(&engine);
    seen.note(&engine);
    engine.close().unwrap();
    drop(engine);
    let engine = open(&storage, EngineOptions { background: Background::Inline, ..options });
    assert_eq!(worlds(&engine), before);
    audit(&engine);
}

/// A tree of several levels, which grows and is written to by several threads at once.
const MUCH: TreeId = TreeId(3);

/// Commits that are large enough for several appliers.
fn write_much(engine: &Engine, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut expected = Tree::new();
    for round in 0..3_u8 {
        let tx = engine.begin().unwrap();
        for _ in 0..30 {
            let key = vec![b'k', random.u8(0..90)];
            if round > 0 && random.u8(0..4) == 0 {
                tx.delete(MUCH, &key).unwrap();
                expected.remove(&key);
            } else {
                let value = vec![round; 24];
                tx.put(MUCH, &key, &value).unwrap();
                expected.insert(key, value);
            }
        }
        tx.commit(Durability::Deferred).unwrap();
        assert_eq!(contents(&engine.snapshot().unwrap(), MUCH.0), expected);
    }
}

/// What happened in all lives, so that a run in which nothing happened fails.
#[derive(Default)]
struct Seen {
    evicted: AtomicU64,
    read: AtomicU64,
    groups: AtomicU64,
    commits: AtomicU64,
    checkpoints: AtomicU64,
    stalls: AtomicU64,
    shared: AtomicU64,
}

impl Seen {
    fn note(&self, engine: &Engine) {
        let (clock, counts) = (&engine.base().pager.clock, &engine.base().counts);
        let add = |total: &AtomicU64, counter: &crate::sync::atomic::AtomicU64| {
            total.fetch_add(counter.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        add(&self.evicted, &clock.counts.evictions);
        add(&self.read, &clock.counts.reads);
        add(&self.groups, &counts.groups);
        add(&self.commits, &counts.commits);
        add(&self.checkpoints, &counts.checkpoints);
        add(&self.stalls, &counts.stalls);
        add(&self.shared, &counts.shared_applies);
    }
}

/// A snapshot says the same twice (I14), or is given up by name.
fn read_twice(engine: &Engine) {
    let snapshot = engine.snapshot().unwrap();
    let all = |forward: bool| -> Result<Tree> {
        let mut found = Tree::new();
        let mut cursor = snapshot.cursor(TreeId(0), Bound::Unbounded, Bound::Unbounded)?;
        while let Some((key, value)) = if forward { cursor.next()? } else { cursor.next_back()? } {
            assert!(found.insert(key.to_vec(), value.to_vec()).is_none(), "a key twice");
        }
        Ok(found)
    };
    match (all(true), all(false)) {
        (Ok(one), Ok(two)) => assert_eq!(one, two, "a snapshot changed"),
        (Err(error), _) | (_, Err(error)) => assert_eq!(error.kind(), ErrorKind::SnapshotTooOld, "{error}"),
    }
}

fn run(scheduler: impl Scheduler + 'static, seen: &Arc<Seen>) -> usize {
    let seen = Arc::clone(seen);
    schedule(scheduler, move || life(&seen))
}

fn schedule(scheduler: impl Scheduler + 'static, life: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 20;
    config.max_steps = shuttle::MaxSteps::FailAfter(4_000_000);
    config.silence_warnings = true;
    shuttle::Runner::new(scheduler, config).run(life)
}

/// Closures commit before the database is closed beside them, or fail: what was acknowledged is there.
fn close_beside_writers() -> (u64, u64) {
    crate::buffer::reset();
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, small(Background::Thread, 1));
    let put = |engine: &Engine, key: u8| {
        let tx = engine.begin_optimistic()?;
        tx.put(TreeId(0), &[key], b"value")?;
        tx.commit(Durability::Synced)
    };
    put(&engine, 0).unwrap();
    let writers = (1..3).map(|key| {
        let engine = engine.clone();
        shuttle::thread::spawn(move || put(&engine, key).map(|_| key))
    });
    let writers: Vec<_> = writers.collect();
    while let Err(error) = engine.close() {
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    }
    let ended: Vec<_> = writers.into_iter().map(|thread| thread.join().unwrap()).collect();
    drop(engine);
    let engine = open(&storage, small(Background::Inline, 1));
    let found = contents(&engine.snapshot().unwrap(), 0);
    let kept = ended.iter().flatten().count() as u64;
    assert!(ended.iter().flatten().all(|key| found.contains_key(&vec![*key])), "acknowledged, and lost");
    assert_eq!(found.len() as u64, 1 + kept);
    assert!(ended.iter().filter_map(|end| end.as_ref().err()).all(|error| error.kind() == ErrorKind::Closed));
    (kept, ended.len() as u64 - kept)
}

#[test]
fn i21_a_close_beside_writers_loses_nothing() {
    let each = count("TAMARACK_SCHEDULES", 400) as usize / 2;
    let ends = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let seen = Arc::clone(&ends);
    schedule(RandomScheduler::new(each), move || {
        let (kept, refused) = close_beside_writers();
        seen[0].fetch_add(kept, Ordering::Relaxed);
        seen[1].fetch_add(refused, Ordering::Relaxed);
    });
    schedule(PctScheduler::new(3, each), || {
        close_beside_writers();
    });
    let [kept, refused] = [0, 1].map(|i| ends[i].load(Ordering::Relaxed));
    println!("{kept} commits beside a close were kept, {refused} refused");
    assert!(kept.min(refused) > 0);
}

/// A compaction goes on beside checkpoints and commits, and all come to an end.
fn compact_beside_checkpoints() {
    crate::buffer::reset();
    let storage = Arc::new(MemoryFile::default());
    let options = EngineOptions { block_size: PAGE, page_size: PAGE, ..small(Background::Thread, 1) };
    let engine = open(&storage, options);
    let write = |engine: &Engine, keys: std::ops::Range<u8>, keep: bool| {
        let tx = engine.begin().unwrap();
        for key in keys {
            if keep {
                tx.put(TreeId(0), &[key], &[key; 40]).unwrap();
            } else {
                tx.delete(TreeId(0), &[key]).unwrap();
            }
        }
        tx.commit(Durability::Deferred).unwrap();
    };
    write(&engine, 0..40, true);
    engine.checkpoint().unwrap();
    write(&engine, 0..20, false);
    let spawn = |step: fn(&Engine)| {
        let engine = engine.clone();
        shuttle::thread::spawn(move || step(&engine))
    };
    let threads = [
        spawn(|engine| drop(engine.compact(&mut |_| ()).unwrap())),
        spawn(|engine| (0..8).for_each(|_| engine.checkpoint().unwrap())),
    ];
    write(&engine, 40..42, true);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(contents(&engine.snapshot().unwrap(), 0).len(), 22);
    audit(&engine);
    engine.close().unwrap();
}

#[test]
fn a_compaction_beside_checkpoints_comes_to_its_end() {
    let each = count("TAMARACK_SCHEDULES", 400) as usize / 8;
    schedule(RandomScheduler::new(each), compact_beside_checkpoints);
    schedule(PctScheduler::new(3, each), compact_beside_checkpoints);
}

#[test]
fn whole_lives_under_many_schedules() {
    let seen = Arc::<Seen>::default();
    if let Ok(file) = std::env::var("TAMARACK_REPLAY") {
        let schedule: String = std::fs::read_to_string(file).unwrap().split_whitespace().collect();
        run(ReplayScheduler::new_from_encoded(&schedule), &seen);
        return;
    }
    let each = count("TAMARACK_SCHEDULES", 400) as usize / 2;
    // PCT finds orders that need few, well-placed switches; the random one mixes.
    let total = run(RandomScheduler::new(each), &seen) + run(PctScheduler::new(3, each), &seen);
    let Seen { evicted, read, groups, commits, checkpoints, stalls, shared } = &*seen;
    println!(
        "{total} schedules: {commits:?} commits in {groups:?} groups, {checkpoints:?} checkpoints, {evicted:?} nodes evicted, {read:?} read \
         again, {stalls:?} waits for memory, {shared:?} batches applied by several threads"
    );
    assert_eq!(total, each * 2);
    let all = |count: &AtomicU64| count.load(Ordering::Relaxed);
    assert!([evicted, read, checkpoints].into_iter().map(all).min() > Some(total as u64));
    assert!(all(shared) > total as u64 / 4);
}

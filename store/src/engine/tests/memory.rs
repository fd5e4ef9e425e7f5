//! Data larger than memory: the budget holds, nothing is lost, and an old reader is given up before a writer waits.

#![allow(clippy::disallowed_methods, reason = "tests use threads as programs do")]

use super::*;
use crate::buffer::pin;
use crate::error::ErrorKind;
use crate::vfs::{FaultFile, FaultPlan, MemoryFile};

const BUDGET: u64 = 1 << 20;
const RECORDS: u32 = 40_000;

fn tight(background: Background) -> EngineOptions {
    EngineOptions { memory: Some(BUDGET), page_size: 4096, log_size: 1 << 19, ..small(background, 1) }
}

fn key_of(i: u32) -> [u8; 4] {
    i.wrapping_mul(0x9e37_79b1).to_be_bytes()
}

/// About 4 MiB of records, ten to a commit.
fn fill(engine: &Engine) {
    fill_with(engine, within);
}

fn fill_with(engine: &Engine, look: fn(&Engine)) {
    for first in (0..RECORDS).step_by(10) {
        let tx = engine.begin().unwrap();
        for i in first..first + 10 {
            tx.put(TreeId(1), &key_of(i), &[i as u8; 80]).unwrap();
        }
        tx.commit(Durability::Deferred).unwrap();
        look(engine);
    }
}

/// A leaf of 4 KiB, and what of the nodes above is rebuilt for it.
const LEAF: u64 = 8 << 10;
/// Leaves that one commit replaces.
const BATCH: u64 = 10;
/// Unlinked frames that wait to be retired together.
const TOGETHER: u64 = 16;

/// I13, with what may come on top while the background thread has lost its core.
fn within(engine: &Engine) {
    let pool = &engine.base().pager.pool;
    let usage = pool.usage();
    // A writer waits from an eighth more on, and its commit comes on top, each leaf split in two. The evictor pins another eighth while it
    // writes: of that, what is replaced meanwhile leaves limbo and stays. A third one is for what is read meanwhile: readers help, and never wait.
    let most = BUDGET + BUDGET / 8 * 3 + (2 * BATCH + TOGETHER) * LEAF;
    assert!(usage.resident - usage.limbo <= most, "{usage:?} of {BUDGET}");
    // Other tests' threads may lose their core while they are pinned, and readers never wait.
    assert!(usage.limbo <= BUDGET + (16 << 20), "{usage:?} of {BUDGET}");
    // Half for what readers and a checkpoint need. A checkpoint that takes long holds more, but no more than half of what there is: what
    // took a leaf's place is dirty, and stays as long as it does. What the last commit replaced comes on top.
    assert!(usage.old <= (most + BATCH * LEAF) / 2, "{usage:?} of {BUDGET}");
}

#[test]
fn i13_writes_and_reads_stay_within_the_budget() {
    for background in [Background::Inline, Background::Thread] {
        let storage = Arc::new(MemoryFile::default());
        let engine = open(&storage, tight(background));
        fill(&engine);
        assert!(storage.len().unwrap() > 3 * BUDGET);
        let snapshot = engine.snapshot().unwrap();
        for round in 0..2 {
            for i in 0..RECORDS {
                let value = snapshot.get(TreeId(1), &key_of(i)).unwrap();
                assert_eq!(value.as_deref(), Some(&[i as u8; 80][..]), "round {round}");
                if i % 100 == 0 {
                    drop(value);
                    within(&engine);
                }
            }
        }
        let clock = &engine.base().pager.clock.counts;
        assert!(clock.evictions.load(std::sync::atomic::Ordering::Relaxed) > 1000, "{background:?}");
        assert_eq!(contents(&snapshot, 1).len(), RECORDS as usize);
        within(&engine);
        drop(snapshot);
        audit(&engine);
        engine.checkpoint().unwrap();
        assert_eq!(engine.base().pager.pool.usage().dirty, 0, "the count of dirty bytes drifts");
        audit(&engine);
        drop(engine);
        let engine = open(&storage, tight(background));
        assert_eq!(contents(&engine.snapshot().unwrap(), 1).len(), RECORDS as usize);
    }
}

/// I13 to the letter: all together, what waits for readers too, is the budget and a batch, each leaf of it split in two.
fn strictly_within(engine: &Engine) {
    let usage = engine.base().pager.pool.usage();
    assert!(usage.resident <= BUDGET + (2 * BATCH + TOGETHER) * LEAF, "{usage:?} of {BUDGET}");
}

/// All threads of a process share its epochs, and one that loses its core while it is pinned, of this database or of another test, holds back all
/// that was replaced meanwhile. So this runs again in a process that has one thread.
#[test]
fn i13_alone_in_its_process_all_stays_within_the_budget_and_a_batch() {
    const ALONE: &str = "TAMARACK_TEST_ALONE";
    const NAME: &str = "engine::tests::memory::i13_alone_in_its_process_all_stays_within_the_budget_and_a_batch";
    if std::env::var_os(ALONE).is_none() {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let done = again.args([NAME, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
        let told = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, tight(Background::Inline));
    fill_with(&engine, strictly_within);
    let snapshot = engine.snapshot().unwrap();
    for i in 0..RECORDS {
        assert_eq!(snapshot.get(TreeId(1), &key_of(i)).unwrap().as_deref(), Some(&[i as u8; 80][..]));
        strictly_within(&engine);
    }
    drop(snapshot);
    fill_with(&engine, strictly_within);
    let counts = &engine.base().pager.clock.counts;
    assert!(counts.evictions.load(std::sync::atomic::Ordering::Relaxed) > 1000);
}

#[test]
fn dirty_leaves_leave_memory_between_checkpoints() {
    let storage = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let engine = open(&storage, EngineOptions { log_size: 16 << 20, ..tight(Background::Inline) });
    fill(&engine);
    let written = engine.base().pager.clock.counts.written.load(std::sync::atomic::Ordering::Relaxed);
    assert!(written > 0);
    // A crash now: the blocks that hold them are free again, and the log has everything.
    engine.flush().unwrap();
    let image = storage.image();
    let again = open(&Arc::new(FaultFile::from_image(image, FaultPlan::default())), tight(Background::Inline));
    assert_eq!(contents(&again.snapshot().unwrap(), 1).len(), RECORDS as usize);
    audit(&again);
    audit(&engine);
}

#[test]
fn i19_a_paused_reader_stops_no_writer() {
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, tight(Background::Thread));
    fill(&engine);
    let paused = engine.snapshot().unwrap();
    let mut held = paused.cursor(TreeId(1), Bound::Unbounded, Bound::Unbounded).unwrap();
    let first = held.next().unwrap().unwrap().0.to_vec();
    for round in 0..3 {
        for first in (0..RECORDS).step_by(10) {
            let tx = engine.begin().unwrap();
            for i in first..first + 10 {
                tx.put(TreeId(1), &key_of(i), &[round; 80]).unwrap();
            }
            tx.commit(Durability::Deferred).unwrap();
            within(&engine);
        }
    }
    // I16: it says so, and never gives a newer value for an older one.
    let errors = (0..RECORDS).filter(|&i| match paused.get(TreeId(1), &key_of(i)) {
        Ok(value) => {
            assert_eq!(value.as_deref(), Some(&[i as u8; 80][..]));
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::SnapshotTooOld);
            true
        }
    });
    assert!(errors.count() > 0);
    loop {
        match held.next() {
            Ok(Some((key, _))) => assert!(key > first.as_slice()),
            Ok(None) => panic!("a scan that was given up came to its end"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::SnapshotTooOld);
                break;
            }
        }
    }
    drop(held);
    drop(paused);
    pin().flush();
    assert_eq!(contents(&engine.snapshot().unwrap(), 1).len(), RECORDS as usize);
}

#[test]
fn readers_and_writers_at_once_with_little_memory() {
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, tight(Background::Thread));
    fill(&engine);
    let stop = &std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|seed| {
                let engine = engine.clone();
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed);
                    let mut reads = 0;
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        let snapshot = engine.snapshot().unwrap();
                        // All records of one commit have one value, whichever commit it was.
                        let first = random.u32(0..RECORDS / 10) * 10;
                        let mut seen = None;
                        for i in first..first + 10 {
                            let value = match snapshot.get(TreeId(1), &key_of(i)) {
                                Ok(value) => value.unwrap(),
                                Err(error) => {
                                    assert_eq!(error.kind(), ErrorKind::SnapshotTooOld);
                                    break;
                                }
                            };
                            let round = (value.len() > 80).then(|| *value.last().unwrap());
                            assert_eq!(*seen.get_or_insert(round), round, "I14: half a commit");
                            reads += 1;
                        }
                    }
                    reads
                })
            })
            .collect();
        let mut random = fastrand::Rng::with_seed(9);
        for _ in 0..1000 {
            let first = random.u32(0..RECORDS / 10) * 10;
            let round = random.u8(..);
            let tx = engine.begin().unwrap();
            for i in first..first + 10 {
                let mut value = vec![i as u8; random.usize(80..200)];
                value.push(round);
                tx.put(TreeId(1), &key_of(i), &value).unwrap();
            }
            tx.commit(Durability::Deferred).unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    engine.checkpoint().unwrap();
    audit(&engine);
}

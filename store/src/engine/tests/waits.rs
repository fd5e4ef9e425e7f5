//! What commits must not wait for.
#![allow(clippy::disallowed_methods, reason = "tests use threads as programs do")]

use super::*;
use crate::error::{Error, ErrorKind};
use crate::vfs::MemoryFile;
use crate::{Database, Options, TableDef};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// A file whose syncs take until they are let go.
#[derive(Default)]
struct SlowSync {
    below: MemoryFile,
    state: Mutex<Sync>,
    changed: Condvar,
    written: AtomicUsize,
}

#[derive(Default)]
struct Sync {
    held: bool,
    waits: bool,
    /// The next one fails, and is the only one that is held.
    fails: bool,
    others_pass: bool,
}

impl SlowSync {
    fn hold(&self, held: bool) {
        self.state.lock().unwrap().held = held;
        self.changed.notify_all();
    }

    /// The next sync is told that writes were lost, and all others that nothing was, as by the system; but it takes a while to say so.
    fn fail_slowly(&self) {
        *self.state.lock().unwrap() = Sync { held: true, waits: false, fails: true, others_pass: true };
    }

    fn wait_for_sync(&self) {
        drop(self.changed.wait_while(self.state.lock().unwrap(), |state| !state.waits).unwrap());
    }
}

impl Storage for SlowSync {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.below.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.written.fetch_add(bytes.len(), Ordering::Relaxed);
        self.below.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let fails = std::mem::take(&mut state.fails);
        if state.others_pass && !fails {
            return Ok(());
        }
        state.waits = true;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |state| state.held).unwrap();
        state.waits = false;
        if fails { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
    }

    fn len(&self) -> io::Result<u64> {
        self.below.len()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.below.set_len(length)
    }
}

fn commit(engine: &Engine, key: &[u8], durability: Durability) {
    let txn = engine.begin().unwrap();
    txn.put(TreeId(1), key, b"value").unwrap();
    txn.commit(durability).unwrap();
}

type GivesUp<'a> = &'a (dyn Fn(&Database<()>) -> Result<()> + std::marker::Sync);

/// What another transaction has written is read as soon as its commit has a place. Who gave up because of it was told so at once: of a commit that nobody saw
/// yet, and that might never be there.
#[test]
fn i22_who_gives_up_waits_for_what_it_saw() {
    const ROWS: TableDef<u64, u64> = TableDef::new("rows");
    let taken = || Error::new(ErrorKind::KeyExists, "there is one");
    let closure =
        |db: &Database<()>| db.write(|tx| if tx.open_table(&ROWS)?.get(1)?.is_some() { Err(taken()) } else { Ok(()) });
    let guard = |db: &Database<()>| {
        let tx = db.begin_write()?;
        let is_there = tx.open_table(&ROWS)?.get(1)?.is_some();
        tx.rollback();
        if is_there { Err(taken()) } else { Ok(()) }
    };
    let ways: [(GivesUp<'_>, bool); 3] = [(&closure, false), (&closure, true), (&guard, false)];
    for (gives_up, fails) in ways {
        let storage = Arc::new(SlowSync::default());
        let mut options = Options::new();
        options.engine = small(Background::Inline, 1);
        let db = Database::<()>::on(storage.clone(), options).unwrap();
        db.write(|tx| tx.open_table(&ROWS)?.insert(0, 0).map(|_| ())).unwrap();
        if fails {
            storage.fail_slowly()
        } else {
            storage.hold(true)
        }
        std::thread::scope(|scope| {
            let db = &db;
            let first = scope.spawn(move || db.write(|tx| tx.open_table(&ROWS)?.insert(1, 1)));
            storage.wait_for_sync();
            let (tell, told) = channel();
            scope.spawn(move || tell.send(gives_up(db).map_err(|error| error.kind())).unwrap());
            let early = told.recv_timeout(Duration::from_millis(200));
            storage.hold(false);
            assert!(early.is_err(), "it was told {early:?} of a commit that nobody sees");
            let kind = if fails { ErrorKind::Poisoned } else { ErrorKind::KeyExists };
            assert_eq!(told.recv().unwrap(), Err(kind));
            assert_eq!(first.join().unwrap().is_err(), fails);
            let seen = db.read(|tx| tx.open_table(&ROWS)?.get(1)).unwrap();
            assert_eq!(seen, if fails { None } else { Some(1) });
        });
    }
}

/// The background flush of deferred commits used to lead them too: those that came meanwhile waited for the device.
#[test]
fn deferred_commits_do_not_wait_for_a_flush() {
    let storage = Arc::new(SlowSync::default());
    let engine = open(&storage, small(Background::Inline, 1));
    commit(&engine, b"synced", Durability::Synced);
    commit(&engine, b"first", Durability::Deferred);
    storage.hold(true);
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| engine.flush());
        storage.wait_for_sync();
        let (done, is_done) = channel();
        let engine = &engine;
        scope.spawn(move || {
            commit(engine, b"second", Durability::Deferred);
            done.send(()).unwrap();
        });
        let came = is_done.recv_timeout(Duration::from_secs(10));
        let seen = engine.snapshot().unwrap().get(TreeId(1), b"second").unwrap().is_some();
        storage.hold(false);
        flush.join().unwrap().unwrap();
        assert!(came.is_ok() && seen, "a deferred commit waited for the flush of the one before it");
    });
    let durable = engine.base().window.durable();
    engine.flush().unwrap();
    assert!(engine.base().window.durable() > durable, "the second one came behind the flush of the first");
    engine.close().unwrap();
}

/// Device and checkpoint used to wait for each other in turn. Now it puts pages together while the device takes in those before, but goes no further
/// ahead: a commit would find them all at the device.
#[test]
fn a_checkpoint_goes_on_beside_a_sync_of_its_pages() {
    let storage = Arc::new(SlowSync::default());
    let options = EngineOptions { memory: Some(256 << 20), log_size: 64 << 20, ..small(Background::Thread, 1) };
    let engine = open(&storage, options);
    let txn = engine.begin().unwrap();
    (0..100_000_u32).for_each(|key| txn.put(TreeId(1), &key.to_be_bytes(), &[1; 100]).unwrap());
    txn.commit(Durability::Synced).unwrap();
    assert_eq!(engine.base().counts.checkpoints.load(Ordering::Relaxed), 0, "one ran too early for this test");
    let before = storage.written.load(Ordering::Relaxed);
    let written = || (storage.written.load(Ordering::Relaxed) - before) >> 20;
    storage.hold(true);
    std::thread::scope(|scope| {
        let checkpoint = scope.spawn(|| engine.checkpoint());
        storage.wait_for_sync();
        for _ in 0..10_000 {
            if written() >= 4 {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(50));
        let ahead = written();
        storage.hold(false);
        checkpoint.join().unwrap().unwrap();
        assert!((4..7).contains(&ahead), "{ahead} MiB are written beside the first sync, of {}", written());
    });
    assert!(written() > 10, "{} MiB", written());
    engine.close().unwrap();
}

/// A commit's sync that ended between the failure of a checkpoint's and its being known used to be taken for a success.
#[test]
fn i30_a_sync_waits_for_what_those_beside_it_were_told() {
    let storage = Arc::new(SlowSync::default());
    let options = EngineOptions { memory: Some(256 << 20), log_size: 64 << 20, ..small(Background::Thread, 1) };
    let engine = open(&storage, options);
    let txn = engine.begin().unwrap();
    (0..40_000_u32).for_each(|key| txn.put(TreeId(1), &key.to_be_bytes(), &[1; 100]).unwrap());
    txn.commit(Durability::Synced).unwrap();
    storage.fail_slowly();
    std::thread::scope(|scope| {
        let checkpoint = scope.spawn(|| engine.checkpoint());
        storage.wait_for_sync();
        let (done, is_done) = channel();
        let engine = &engine;
        scope.spawn(move || {
            let txn = engine.begin().unwrap();
            txn.put(TreeId(2), b"key", b"value").unwrap();
            done.send(txn.commit(Durability::Synced)).unwrap();
        });
        let early = is_done.recv_timeout(Duration::from_millis(200));
        storage.hold(false);
        assert!(early.is_err(), "acknowledged, and nobody knows whether it is on the device");
        let answer = is_done.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Poisoned);
        checkpoint.join().unwrap().unwrap_err();
    });
}

/// What a checkpoint or an old snapshot had held back used to be let go by one commit, if it was more than an eighth of the memory.
#[test]
fn no_commit_lets_go_of_all_old_versions_at_once() {
    let storage = Arc::new(MemoryFile::default());
    let options = EngineOptions { memory: Some(16 << 20), log_size: 32 << 20, ..small(Background::Inline, 1) };
    let engine = open(&storage, options);
    let fill = |byte: u8| {
        let txn = engine.begin().unwrap();
        for key in 0..16_000_u32 {
            txn.put(TreeId(1), &key.to_be_bytes(), &[byte; 90]).unwrap();
        }
        txn.commit(Durability::Deferred).unwrap();
    };
    let pool = &engine.base().pager.pool;
    fill(1);
    let snapshot = engine.snapshot().unwrap();
    fill(2);
    let held = pool.usage().old;
    assert!((pool.budget() / 8..pool.budget() / 4).contains(&held), "{held} of {}", pool.budget());
    // As many as came with the commit before may go with the next one: this one brings few.
    commit(&engine, b"a", Durability::Deferred);
    drop(snapshot);
    let mut left = pool.usage().old;
    let mut commits = 0;
    while left > 1 << 12 {
        commit(&engine, b"a", Durability::Deferred);
        let now = pool.usage().old;
        assert!(now < left && left < now + (1 << 20), "{left} bytes, then {now}");
        left = now;
        commits += 1;
    }
    assert!(commits < 50, "{commits}");
    engine.close().unwrap();
}

/// All readers used to be given up once a checkpoint held a quarter of the memory, although it went on to hold it.
#[test]
fn i16_no_reader_is_given_up_for_what_a_checkpoint_holds() {
    let storage = Arc::new(SlowSync::default());
    let (log_size, write_buffer) = (64 << 20, 16 << 20);
    let options = EngineOptions { memory: Some(10 << 20), log_size, write_buffer, ..small(Background::Inline, 1) };
    let engine = &open(&storage, options);
    let fill = |byte: u8, keys: u32| {
        let txn = engine.begin().unwrap();
        (0..keys).for_each(|key| txn.put(TreeId(1), &key.to_be_bytes(), &[byte; 90]).unwrap());
        txn.commit(Durability::Deferred).unwrap();
    };
    let get = |snapshot: &Snapshot| snapshot.get(TreeId(1), &[0; 4]).map(|value| value.unwrap()[0]);
    commit(engine, b"first", Durability::Synced);
    fill(1, 16_000);
    engine.flush().unwrap();
    let pool = &engine.base().pager.pool;
    storage.hold(true);
    std::thread::scope(|scope| {
        let checkpoint = scope.spawn(|| engine.checkpoint());
        storage.wait_for_sync();
        let same = engine.snapshot().unwrap();
        commit(engine, b"next", Durability::Deferred);
        let later = engine.snapshot().unwrap();
        fill(2, 16_000);
        commit(engine, b"next", Durability::Deferred);
        commit(engine, b"next", Durability::Deferred);
        let old = pool.usage().old;
        let seen = (get(&same).ok(), get(&later).ok());
        // I19: what readers alone hold is bounded as ever.
        let last = engine.snapshot().unwrap();
        fill(3, 16_000);
        commit(engine, b"next", Durability::Deferred);
        let given_up = get(&last).err().map(|error| error.kind());
        storage.hold(false);
        checkpoint.join().unwrap().unwrap();
        assert!((pool.budget() / 4..pool.budget() / 2).contains(&old), "{old} of {}", pool.budget());
        assert_eq!(seen, (Some(1), Some(1)));
        assert_eq!(given_up, Some(ErrorKind::SnapshotTooOld));
        assert_eq!(get(&same).ok(), Some(1), "it cost nothing beside the checkpoint");
    });
    engine.close().unwrap();
}

/// Only whoever was woken to lead used to hear of a failure that was not its own: all others waited for ever.
#[test]
fn a_failure_beside_the_log_is_told_to_all_who_wait() {
    let storage = Arc::new(SlowSync::default());
    let engine = &open(&storage, small(Background::Inline, 1));
    commit(engine, b"first", Durability::Synced);
    let durable = engine.base().window.durable();
    let put = |key: &'static [u8]| {
        let txn = engine.begin()?;
        txn.put(TreeId(1), key, b"value")?;
        txn.commit(Durability::Synced)
    };
    storage.hold(true);
    std::thread::scope(|scope| {
        let leader = scope.spawn(move || put(b"leads"));
        storage.wait_for_sync();
        let (done, is_done) = channel();
        for key in [&b"heir"[..], b"another", b"third"] {
            let done = done.clone();
            scope.spawn(move || done.send(put(key).map_err(|error| error.kind())).unwrap());
        }
        std::thread::sleep(Duration::from_millis(100));
        let applying = engine.base().apply.lock();
        storage.hold(false);
        while engine.base().window.durable() == durable {
            std::thread::sleep(Duration::from_millis(1));
        }
        engine.base().poison.set(&Error::new(ErrorKind::Io, "a sync of pages failed"));
        drop(applying);
        // Its commit is durable; whether it hears of the failure is open.
        let _ = leader.join().unwrap();
        let told: Vec<_> = (0..3).map(|_| is_done.recv_timeout(Duration::from_secs(10))).collect();
        if told.iter().any(Result::is_err) {
            std::process::abort(); // Their threads would never end.
        }
        assert_eq!(told, [(); 3].map(|()| Ok(Err(ErrorKind::Poisoned))));
    });
}

/// Who led by the way, for something else, used to leave those that nobody waits for without a leader: with all tasks waiting for such commits, for ever.
#[cfg(feature = "tokio")]
#[test]
fn asynchronous_commits_find_a_leader_after_any_other() {
    for flushes in [false, true] {
        let storage = Arc::new(SlowSync::default());
        let engine = &open(&storage, small(Background::Thread, 1));
        commit(engine, b"first", Durability::Synced);
        let sequenced = |key: &[u8]| {
            let txn = engine.begin_optimistic().unwrap();
            txn.put(TreeId(1), key, b"value").unwrap();
            txn.sequence(Durability::Synced).unwrap()
        };
        let (told, is_told) = channel();
        let watch = |commit: Sequenced| {
            let told = told.clone();
            commit.finish_later(Box::new(move |answer| told.send(answer.is_ok()).unwrap())).unwrap();
        };
        let early = sequenced(b"early");
        storage.hold(true);
        std::thread::scope(|scope| {
            let leads = scope.spawn(|| {
                if flushes {
                    return engine.flush();
                }
                // It wrote nothing, but has seen what is only sequenced.
                engine.begin_optimistic()?.commit(Durability::Deferred).map(drop)
            });
            storage.wait_for_sync();
            // A flush leads only when it has written.
            let applying = flushes.then(|| engine.base().apply.lock());
            if flushes {
                storage.hold(false);
                std::thread::sleep(Duration::from_millis(50));
            }
            watch(early);
            watch(sequenced(b"late"));
            drop(applying);
            storage.hold(false);
            leads.join().unwrap().unwrap();
            for _ in 0..2 {
                assert_eq!(is_told.recv_timeout(Duration::from_secs(10)), Ok(true), "after a flush: {flushes}");
            }
        });
        engine.close().unwrap();
    }
}

/// They used to be left to the thread that writes checkpoints, until it had written one.
#[cfg(feature = "tokio")]
#[test]
fn asynchronous_commits_do_not_wait_for_a_checkpoint() {
    let storage = Arc::new(SlowSync::default());
    let engine = &open(&storage, small(Background::Thread, 1));
    let put = |key: &[u8], value: &[u8]| {
        let txn = engine.begin_optimistic().unwrap();
        txn.put(TreeId(1), key, value).unwrap();
        txn.sequence(Durability::Synced).unwrap()
    };
    put(b"first", b"value").finish().unwrap();
    // A checkpoint takes as long as this is held; half of the log asks for one.
    let checkpoint = engine.base().superblock.lock();
    for _ in 0..10 {
        put(b"much", &[1; 4000]).finish().unwrap();
    }
    std::thread::sleep(Duration::from_millis(50));
    storage.hold(true);
    let (told, is_told) = channel();
    std::thread::scope(|scope| {
        let leads = scope.spawn(|| put(b"leads", b"value").finish());
        storage.wait_for_sync();
        put(b"async", b"value").finish_later(Box::new(move |answer| told.send(answer.is_ok()).unwrap())).unwrap();
        storage.hold(false);
        leads.join().unwrap().unwrap();
    });
    assert_eq!(is_told.recv_timeout(Duration::from_secs(10)), Ok(true));
    assert_eq!(engine.base().counts.checkpoints.load(Ordering::Relaxed), 0);
    drop(checkpoint);
    engine.close().unwrap();
}

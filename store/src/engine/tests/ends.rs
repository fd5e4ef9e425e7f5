//! How transactions end when something else ends: the database, the thread that leads, the group before.
#![allow(clippy::disallowed_methods, reason = "tests use threads as programs do")]

use super::*;
use crate::error::ErrorKind;
use crate::vfs::MemoryFile;
use std::io;
use std::sync::mpsc::channel;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// What the next call does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Passes,
    /// The next read waits until it is let go, and fails then.
    ReadFails,
    /// The next read panics.
    ReadPanics,
    /// The next sync panics.
    SyncPanics,
    /// The next write or sync of a thread of this name panics.
    Panics(&'static str),
}

/// A file with one call that goes wrong.
#[derive(Default)]
struct Trap {
    below: MemoryFile,
    state: Mutex<Next>,
    waits: Mutex<Option<bool>>,
    changed: Condvar,
}

impl Trap {
    fn set(&self, next: Next) {
        *self.state.lock().unwrap() = next;
    }

    fn springs(&self, on: Next) -> bool {
        let mut state = self.state.lock().unwrap();
        let springs = *state == on;
        if springs {
            *state = Next::Passes;
        }
        springs
    }

    fn panics(&self) {
        let thread = std::thread::current();
        let name =
            ["tamarack", "tamarack-sync", "tamarack-evict"].into_iter().find(|&name| thread.name() == Some(name));
        assert!(!name.is_some_and(|name| self.springs(Next::Panics(name))), "a bug");
    }

    /// Waits until somebody is in it.
    fn wait(&self) {
        drop(self.changed.wait_while(self.waits.lock().unwrap(), |waits| waits.is_none()).unwrap());
    }

    fn let_go(&self) {
        *self.waits.lock().unwrap() = Some(false);
        self.changed.notify_all();
    }
}

impl Storage for Trap {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if self.springs(Next::ReadFails) {
            let mut waits = self.waits.lock().unwrap();
            *waits = Some(true);
            self.changed.notify_all();
            drop(self.changed.wait_while(waits, |waits| *waits == Some(true)).unwrap());
            return Err(io::ErrorKind::Other.into());
        }
        assert!(!self.springs(Next::ReadPanics), "a bug");
        self.below.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.panics();
        self.below.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.panics();
        assert!(!self.springs(Next::SyncPanics), "a bug");
        self.below.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.below.len()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.below.set_len(length)
    }
}

fn put(engine: &Engine, tree: u32, key: &[u8], value: &[u8]) -> Result<u64> {
    let txn = engine.begin_optimistic()?;
    txn.put(TreeId(tree), key, value)?;
    txn.commit(Durability::Synced)
}

/// It used to be acknowledged, and lost: the last checkpoint forgets the salt under which the log is read again.
#[test]
fn i21_a_closure_that_runs_when_the_database_is_closed_commits_before_or_fails() {
    for (background, patience) in [(Background::Thread, 2000), (Background::Inline, 2000), (Background::Thread, 20)] {
        let storage = Arc::new(MemoryFile::default());
        let write_timeout = Duration::from_millis(patience);
        let engine = open(&storage, EngineOptions { write_timeout, ..small(background, 1) });
        put(&engine, 1, b"before", b"value").unwrap();
        let txn = engine.begin_optimistic().unwrap();
        txn.put(TreeId(1), b"beside", b"value").unwrap();
        let (closed, committed) = std::thread::scope(|scope| {
            if patience < 100 {
                return (engine.close(), txn.commit(Durability::Synced));
            }
            let closes = scope.spawn(|| engine.close());
            std::thread::sleep(Duration::from_millis(50));
            let committed = txn.commit(Durability::Synced);
            (closes.join().unwrap(), committed)
        });
        assert!(committed.is_ok(), "{committed:?}");
        if patience < 100 {
            // It is not closed: all goes on.
            assert_eq!(closed.unwrap_err().kind(), ErrorKind::Timeout);
            put(&engine, 1, b"after", b"value").unwrap();
            engine.close().unwrap();
        } else {
            closed.unwrap();
        }
        assert_eq!(put(&engine, 1, b"late", b"value").unwrap_err().kind(), ErrorKind::Closed);
        drop(engine);
        let engine = open(&storage, small(background, 1));
        let snapshot = engine.snapshot().unwrap();
        assert!(snapshot.get(TreeId(1), b"beside").unwrap().is_some(), "acknowledged, and lost");
        assert_eq!(snapshot.get(TreeId(1), b"after").unwrap().is_some(), patience < 100);
    }
}

/// The next group used to be published on top of the half of one that failed.
#[test]
fn i14_nothing_is_published_after_a_group_that_could_not_be_applied() {
    let storage = Arc::new(Trap::default());
    let options = EngineOptions { log_size: 8 << 20, appliers: Some(1), ..small(Background::Inline, 1) };
    let engine = open(&storage, options.clone());
    for tree in 1..4 {
        put(&engine, tree, b"key", b"old").unwrap();
    }
    engine.close().unwrap();
    drop(engine);
    let engine = &open(&storage, options);
    let get = |tree: u32| engine.snapshot().unwrap().get(TreeId(tree), b"key").unwrap().map(|value| value.to_vec());
    assert_eq!((get(1), get(2)), (Some(b"old".to_vec()), Some(b"old".to_vec())), "these are in memory now");
    // Something before, so that the log is open.
    put(engine, 2, b"key", b"new").unwrap();
    let before = engine.snapshot().unwrap().timestamp();
    let durable = engine.base().window.durable();
    std::thread::scope(|scope| {
        storage.set(Next::ReadFails);
        let long = scope.spawn(|| {
            let txn = engine.begin_optimistic().unwrap();
            for i in 0..4000_u32 {
                txn.put(TreeId(1), &i.to_be_bytes(), &[1; 100]).unwrap();
            }
            txn.put(TreeId(1), b"key", b"half").unwrap();
            txn.put(TreeId(3), b"key", b"half").unwrap();
            txn.commit(Durability::Synced)
        });
        storage.wait();
        let first = engine.base().window.durable();
        assert!(first > durable, "it is in the log, and is applied");
        let next = scope.spawn(|| put(engine, 2, b"key", b"next"));
        for _ in 0..10_000 {
            if engine.base().window.durable() > first {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(engine.base().window.durable() > first, "the next group is written while that one is applied");
        std::thread::sleep(Duration::from_millis(20));
        storage.let_go();
        long.join().unwrap().unwrap_err();
        assert_eq!(next.join().unwrap().unwrap_err().kind(), ErrorKind::Poisoned);
    });
    assert_eq!(engine.snapshot().unwrap().timestamp(), before);
    assert_eq!((get(1), get(2)), (Some(b"old".to_vec()), Some(b"new".to_vec())));
}

/// All others used to wait for it for ever, `close` and the end of the program too.
#[test]
fn a_panic_of_who_leads_ends_all_commits() {
    let storage = Arc::new(Trap::default());
    let engine = &open(&storage, small(Background::Inline, 1));
    put(engine, 1, b"first", b"value").unwrap();
    storage.set(Next::SyncPanics);
    std::thread::scope(|scope| {
        let leads = scope.spawn(|| put(engine, 1, b"leads", b"value"));
        assert!(leads.join().is_err());
        let (done, is_done) = channel();
        for _ in 0..2 {
            let done = done.clone();
            scope.spawn(move || done.send(put(engine, 1, b"next", b"value").map_err(|error| error.kind())).unwrap());
        }
        scope.spawn(move || done.send(engine.close().map(|()| 0).map_err(|error| error.kind())).unwrap());
        let told: Vec<_> = (0..3).map(|_| is_done.recv_timeout(Duration::from_secs(10))).collect();
        if told.iter().any(Result::is_err) {
            std::process::abort(); // Their threads would never end.
        }
        let ends = |told: &Result<u64, ErrorKind>| matches!(told, Err(ErrorKind::Poisoned | ErrorKind::Closed));
        assert!(told.iter().flatten().all(ends), "{told:?}");
    });
}

/// Whoever found the log full used to wait for ever for a checkpoint that had nobody to write it.
#[test]
fn i30_a_panic_of_who_writes_checkpoints_ends_all_commits() {
    let storage = Arc::new(Trap::default());
    let engine = open(&storage, small(Background::Thread, 1));
    put(&engine, 3, b"first", b"value").unwrap();
    storage.set(Next::Panics("tamarack"));
    let (done, is_done) = channel();
    for tree in 0..2 {
        let (done, engine) = (done.clone(), engine.clone());
        // Not within a scope: what hangs is to fail, not to be waited for.
        std::thread::spawn(move || {
            let fails =
                |&key: &u32| put(&engine, tree, &key.to_be_bytes(), &[1; 50]).map_err(|error| error.kind()).err();
            let acknowledged = (0..100_000).take_while(|key| fails(key).is_none()).count();
            let last = put(&engine, tree, b"last", b"value").unwrap_err().kind();
            drop(engine);
            done.send((tree, acknowledged, last)).unwrap();
        });
    }
    let told: Vec<_> = (0..2).map(|_| is_done.recv_timeout(Duration::from_secs(20)).expect("it waits")).collect();
    assert_eq!(engine.close().unwrap_err().kind(), ErrorKind::Poisoned);
    drop(engine);
    let engine = open(&storage, small(Background::Inline, 1));
    let snapshot = engine.snapshot().unwrap();
    for (tree, acknowledged, last) in told {
        assert_eq!(last, ErrorKind::Poisoned);
        assert!(contents(&snapshot, tree).len() >= acknowledged, "acknowledged, and lost");
    }
}

/// A checkpoint used to wait for ever for the thread that syncs its pages.
#[test]
fn i30_a_panic_of_who_syncs_beside_a_checkpoint_ends_it() {
    let storage = Arc::new(Trap::default());
    let options = EngineOptions { memory: Some(256 << 20), log_size: 64 << 20, ..small(Background::Thread, 1) };
    let engine = open(&storage, options);
    let txn = engine.begin().unwrap();
    (0..100_000_u32).for_each(|key| txn.put(TreeId(1), &key.to_be_bytes(), &[1; 100]).unwrap());
    txn.commit(Durability::Synced).unwrap();
    storage.set(Next::Panics("tamarack-sync"));
    let (done, is_done) = channel();
    let checkpoints = engine.clone();
    std::thread::spawn(move || done.send(checkpoints.checkpoint().map_err(|error| error.kind())).unwrap());
    let told = is_done.recv_timeout(Duration::from_secs(20)).expect("it waits");
    assert_eq!(told, Err(ErrorKind::Poisoned));
    assert_eq!(put(&engine, 1, b"next", b"value").unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(engine.close().unwrap_err().kind(), ErrorKind::Poisoned);
}

/// Commits used to go on upon what it had left half done, and those of asynchronous programs without anybody to lead them.
#[test]
fn i30_a_panic_of_who_makes_room_in_memory_ends_all_commits() {
    let storage = Arc::new(Trap::default());
    let options =
        EngineOptions { memory: Some(1 << 20), page_size: 4096, log_size: 1 << 19, ..small(Background::Thread, 1) };
    let engine = open(&storage, options);
    storage.set(Next::Panics("tamarack-evict"));
    let commit = |key: u32| {
        let txn = engine.begin_optimistic()?;
        txn.put(TreeId(1), &key.wrapping_mul(0x9e37_79b1).to_be_bytes(), &[1; 80])?;
        txn.commit(Durability::Deferred)
    };
    let error = (0..300_000).find_map(|key| commit(key).err()).expect("nobody was told");
    assert_eq!(error.kind(), ErrorKind::Poisoned);
    assert_eq!(engine.close().unwrap_err().kind(), ErrorKind::Poisoned);
}

/// Exclusive transactions used to take turns before it, one after the other, for as long as there were some.
#[test]
fn a_closure_that_waits_for_an_exclusive_writer_comes_before_the_next() {
    let engine = &open(&Arc::new(MemoryFile::default()), small(Background::Inline, 1));
    for round in 0..30_u32 {
        let key = &round.to_be_bytes();
        let exclusive = engine.begin().unwrap();
        exclusive.put(TreeId(1), b"exclusive", key).unwrap();
        std::thread::scope(|scope| {
            let closure = scope.spawn(|| put(engine, 2, key, b"value").unwrap());
            while engine.shared().turn.waiting() == 0 {
                std::thread::yield_now();
            }
            let next = scope.spawn(|| engine.begin().unwrap().get(TreeId(2), key).unwrap().is_some());
            // It waits by now, too; if it does not, it has less of a chance.
            std::thread::sleep(Duration::from_millis(5));
            exclusive.commit(Durability::Deferred).unwrap();
            closure.join().unwrap();
            assert!(next.join().unwrap(), "round {round}");
        });
    }
    engine.close().unwrap();
}

/// A group is half applied when its leader panics. The turn was free a moment before the poison was set: the next leader could publish in between.
#[test]
fn i14_who_takes_the_turn_after_a_panic_finds_out() {
    let storage = Arc::new(Trap::default());
    let options = || EngineOptions { memory: Some(32 << 10), ..small(Background::Inline, 1) };
    let open = || Engine::open(Arc::clone(&storage) as Arc<dyn Storage>, options()).unwrap();
    let engine = open();
    for i in 0..40_u32 {
        put(&engine, 1, &i.to_be_bytes(), &[1; 200]).unwrap();
    }
    engine.close().unwrap();
    drop(engine);
    for _ in 0..300 {
        // What the round before has logged is in the pages then.
        let engine = open();
        engine.close().unwrap();
        drop(engine);
        let engine = open();
        // Its log is open, and the leaf of the next commit is not in memory.
        put(&engine, 2, b"first", b"value").unwrap();
        let txn = engine.begin_optimistic().unwrap();
        txn.put(TreeId(1), &20_u32.to_be_bytes(), &[2; 200]).unwrap();
        let sequenced = txn.sequence(Durability::Synced).unwrap();
        storage.set(Next::ReadPanics);
        std::thread::scope(|scope| {
            let leader = scope.spawn(move || sequenced.finish());
            let sprung = || *storage.state.lock().unwrap() == Next::Passes;
            while !sprung() {
                std::hint::spin_loop();
            }
            loop {
                if let Some(turn) = engine.base().apply.try_lock() {
                    assert!(engine.base().poison.check().is_err(), "the turn is free, and nobody knows why");
                    drop(turn);
                    break;
                }
            }
            assert!(leader.join().is_err());
        });
    }
}

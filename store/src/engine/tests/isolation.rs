//! Isolation: the anomalies of the Hermitage list one by one, and random concurrent histories whose order is proven.

#![allow(clippy::disallowed_methods, reason = "tests use threads as programs do")]

use super::*;
use crate::error::ErrorKind;
use crate::vfs::MemoryFile;
use std::sync::Mutex;

const T: TreeId = TreeId(1);

fn open_with(isolation: Isolation) -> Engine {
    let options = EngineOptions { isolation, background: Background::Inline, ..small(Background::Inline, 1) };
    let engine = open(&Arc::new(MemoryFile::default()), options);
    let tx = engine.begin().unwrap();
    set(&tx, "x", 10);
    set(&tx, "y", 20);
    tx.commit(Durability::Deferred).unwrap();
    engine
}

fn set(tx: &WriteTxn, key: &str, value: u8) {
    tx.put(T, key.as_bytes(), &[value]).unwrap();
}

fn get(view: &dyn View, key: &str) -> Option<u8> {
    view.get(T, key.as_bytes()).unwrap().map(|value| value[0])
}

/// The keys whose values a predicate holds for.
fn matching(view: &dyn View, holds: impl Fn(u8) -> bool) -> Vec<String> {
    let found = contents(view, T.0).into_iter().filter(|(_, value)| holds(value[0]));
    found.map(|(key, _)| String::from_utf8(key).unwrap()).collect()
}

fn commit(tx: WriteTxn) -> Result<u64, ErrorKind> {
    tx.commit(Durability::Deferred).map_err(|error| error.kind())
}

fn refused(tx: WriteTxn) {
    assert_eq!(commit(tx), Err(ErrorKind::Conflict));
}

fn both() -> [(Isolation, Engine, bool); 2] {
    [Isolation::Serializable, Isolation::Snapshot]
        .map(|level| (level, open_with(level), level == Isolation::Serializable))
}

#[test]
fn g0_dirty_writes() {
    for (level, engine, serializable) in both() {
        let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        set(&a, "x", 11);
        set(&b, "x", 12);
        set(&a, "y", 21);
        set(&b, "y", 22);
        commit(a).unwrap();
        // Blind writes have an order in any case; where writes are what is validated the second is refused.
        let second = commit(b);
        assert_eq!(second.is_ok(), serializable, "{level:?}");
        let view = engine.snapshot().unwrap();
        let expected = if serializable { (Some(12), Some(22)) } else { (Some(11), Some(21)) };
        assert_eq!((get(&view, "x"), get(&view, "y")), expected);
    }
}

/// Also where only writes are validated, and where nobody has read a thing: what was dropped is written to by nobody.
#[test]
fn i18_who_drops_a_tree_conflicts_with_who_writes_to_it() {
    for (level, engine, _) in both() {
        for (tree, first, second) in [(2, "drop", "write"), (3, "write", "drop"), (4, "drop", "drop")] {
            let act = |tx: &WriteTxn, what| match what {
                "drop" => tx.drop_tree(TreeId(tree)).unwrap(),
                _ => tx.put(TreeId(tree), b"new", b"1").unwrap(),
            };
            let before = engine.begin().unwrap();
            before.put(TreeId(tree), b"old", b"0").unwrap();
            commit(before).unwrap();
            let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
            act(&a, first);
            act(&b, second);
            commit(a).unwrap();
            assert_eq!(commit(b), Err(ErrorKind::Conflict), "{level:?}: {second} after {first}");
            let left = contents(&engine.snapshot().unwrap(), tree).len();
            assert_eq!(left, if first == "drop" { 0 } else { 2 }, "{level:?}: {second} after {first}");
        }
        audit(&engine);
    }
}

#[test]
fn g1a_aborted_reads() {
    for (_, engine, _) in both() {
        let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        set(&a, "x", 101);
        assert_eq!(get(&b, "x"), Some(10));
        drop(a);
        assert_eq!(get(&b, "x"), Some(10));
        set(&b, "z", 1);
        commit(b).unwrap();
    }
}

#[test]
fn g1b_intermediate_reads() {
    for (_, engine, serializable) in both() {
        let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        set(&a, "x", 101);
        assert_eq!(get(&b, "x"), Some(10));
        set(&a, "x", 11);
        commit(a).unwrap();
        assert_eq!(get(&b, "x"), Some(10));
        set(&b, "z", 1);
        assert_eq!(commit(b).is_ok(), !serializable);
    }
}

#[test]
fn g1c_circular_information_flow() {
    for (_, engine, serializable) in both() {
        let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        set(&a, "x", 11);
        set(&b, "y", 22);
        assert_eq!((get(&a, "y"), get(&b, "x")), (Some(20), Some(10)));
        commit(a).unwrap();
        assert_eq!(commit(b).is_ok(), !serializable);
    }
}

#[test]
fn otv_an_observed_transaction_does_not_vanish() {
    for (_, engine, _) in both() {
        let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        set(&a, "x", 11);
        set(&a, "y", 19);
        set(&b, "x", 12);
        set(&b, "y", 18);
        commit(a).unwrap();
        let c = engine.begin_optimistic().unwrap();
        assert_eq!(get(&c, "x"), Some(11));
        let _ = commit(b);
        assert_eq!((get(&c, "y"), get(&c, "x")), (Some(19), Some(11)));
    }
}

#[test]
fn pmp_predicate_many_preceders() {
    for (_, engine, serializable) in both() {
        let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        assert!(matching(&a, |value| value == 30).is_empty());
        set(&b, "z", 30);
        commit(b).unwrap();
        assert!(matching(&a, |value| value % 3 == 0).is_empty());
        set(&a, "w", 1);
        assert_eq!(commit(a).is_ok(), !serializable);
    }
    // With a write predicate.
    for (_, engine, _) in both() {
        let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        for key in matching(&a, |_| true) {
            let value = get(&a, &key).unwrap();
            set(&a, &key, value + 10);
        }
        for key in matching(&b, |value| value == 20) {
            b.delete(T, key.as_bytes()).unwrap();
        }
        commit(a).unwrap();
        refused(b);
        assert_eq!(matching(&engine.snapshot().unwrap(), |value| value == 20), ["x"]);
    }
}

#[test]
fn p4_lost_updates() {
    for (_, engine, _) in both() {
        let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        let (in_a, in_b) = (get(&a, "x").unwrap(), get(&b, "x").unwrap());
        set(&a, "x", in_a + 1);
        set(&b, "x", in_b + 1);
        commit(a).unwrap();
        refused(b);
        assert_eq!(get(&engine.snapshot().unwrap(), "x"), Some(11));
    }
}

#[test]
fn g_single_read_skew() {
    for (_, engine, serializable) in both() {
        let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        assert_eq!(get(&a, "x"), Some(10));
        set(&b, "x", 12);
        set(&b, "y", 18);
        commit(b).unwrap();
        assert_eq!(get(&a, "y"), Some(20), "as of its beginning");
        assert_eq!(matching(&a, |value| value == 20), ["y"]);
        set(&a, "z", 1);
        assert_eq!(commit(a).is_ok(), !serializable);
    }
    // With a delete that follows from what was read.
    for (_, engine, _) in both() {
        let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        assert_eq!(get(&a, "x"), Some(10));
        set(&b, "x", 12);
        set(&b, "y", 18);
        commit(b).unwrap();
        for key in matching(&a, |value| value == 20) {
            a.delete(T, key.as_bytes()).unwrap();
        }
        refused(a);
    }
}

#[test]
fn g2_item_write_skew() {
    for (_, engine, serializable) in both() {
        let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        assert_eq!((get(&a, "x"), get(&a, "y")), (Some(10), Some(20)));
        assert_eq!((get(&b, "x"), get(&b, "y")), (Some(10), Some(20)));
        set(&a, "x", 11);
        set(&b, "y", 21);
        commit(a).unwrap();
        // The one anomaly of the list that snapshot isolation allows.
        assert_eq!(commit(b).is_ok(), !serializable);
    }
}

#[test]
fn g2_anti_dependency_cycles() {
    for (_, engine, serializable) in both() {
        let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        assert!(matching(&a, |value| value % 3 == 0).is_empty());
        assert!(matching(&b, |value| value % 3 == 0).is_empty());
        set(&a, "a", 30);
        set(&b, "b", 42);
        commit(a).unwrap();
        assert_eq!(commit(b).is_ok(), !serializable);
    }
}

#[test]
fn an_exclusive_writer_never_conflicts() {
    for (_, engine, _) in both() {
        let optimistic = engine.begin_optimistic().unwrap();
        assert_eq!(get(&optimistic, "x"), Some(10));
        set(&optimistic, "x", 11);
        let exclusive = engine.begin().unwrap();
        assert_eq!(get(&exclusive, "x"), Some(10));
        set(&exclusive, "x", 12);
        std::thread::scope(|scope| {
            let waits = scope.spawn(move || commit(optimistic));
            commit(exclusive).unwrap();
            assert_eq!(waits.join().unwrap(), Err(ErrorKind::Conflict));
        });
    }
    let options = EngineOptions { write_timeout: std::time::Duration::from_millis(30), ..small(Background::Inline, 1) };
    let engine = open(&Arc::new(MemoryFile::default()), options);
    let exclusive = engine.begin().unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| engine.begin().err().map(|error| error.kind()));
        assert_eq!(other.join().unwrap(), Some(ErrorKind::Timeout));
        let other = scope.spawn(|| {
            let tx = engine.begin_optimistic().unwrap();
            set(&tx, "x", 1);
            commit(tx)
        });
        assert_eq!(other.join().unwrap(), Err(ErrorKind::Timeout));
    });
    drop(exclusive);
    engine.begin().unwrap().commit(Durability::Deferred).unwrap();
}

#[test]
fn tallies_do_not_conflict() {
    for (_, engine, serializable) in both() {
        let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        a.tally(T, b"n", 2, 5).unwrap();
        b.tally(T, b"n", 3, 4).unwrap();
        commit(a).unwrap();
        commit(b).unwrap();
        let stored = |view: &dyn View| Tally::decode(&view.get(T, b"n").unwrap().unwrap()).unwrap();
        assert_eq!(stored(&engine.snapshot().unwrap()), Tally { sum: 5, max: 5 });
        // One that reads the value depends on it.
        let (a, b) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        assert_eq!(stored(&a).sum, 5);
        set(&a, "x", 1);
        b.tally(T, b"n", 1, 0).unwrap();
        commit(b).unwrap();
        assert_eq!(commit(a).is_ok(), !serializable);
    }
}

/// What a transaction did, in order.
#[derive(Debug, Clone)]
enum Act {
    Read(u32, Vec<u8>, Option<Vec<u8>>),
    Scan { tree: u32, lower: Vec<u8>, forward: bool, found: Vec<(Vec<u8>, Vec<u8>)>, ended: bool },
    Put(u32, Vec<u8>, Vec<u8>),
    Delete(u32, Vec<u8>),
}

#[derive(Debug)]
pub(super) struct Done {
    seen: u64,
    /// `None` if it wrote nothing: then it counts where it saw.
    pub(super) committed: Option<u64>,
    acts: Vec<Act>,
}

const KEYS: u8 = 24;

/// Runs random acts and notes what they answered.
fn act(tx: &WriteTxn, random: &mut fastrand::Rng, unique: &mut u64, worker: u64) -> Result<Vec<Act>> {
    let mut acts = Vec::new();
    for _ in 0..random.usize(1..7) {
        let (tree, key) = (random.u32(1..3), vec![b'k', random.u8(0..KEYS)]);
        acts.push(match random.u32(0..10) {
            0..4 => {
                let value = tx.get(TreeId(tree), &key)?.map(|value| value.to_vec());
                Act::Read(tree, key, value)
            }
            4 | 5 => scan(tx, tree, key, random)?,
            6 => {
                tx.delete(TreeId(tree), &key)?;
                Act::Delete(tree, key)
            }
            _ => {
                *unique += 1;
                let mut value = (worker << 40 | *unique).to_be_bytes().to_vec();
                value.resize(random.usize(8..60), 7);
                tx.put(TreeId(tree), &key, &value)?;
                Act::Put(tree, key, value)
            }
        });
    }
    Ok(acts)
}

/// A few steps from a key on, in one direction.
fn scan(tx: &WriteTxn, tree: u32, lower: Vec<u8>, random: &mut fastrand::Rng) -> Result<Act> {
    let forward = random.bool();
    let mut cursor = tx.cursor(TreeId(tree), Bound::Included(&lower), Bound::Unbounded)?;
    let (mut found, mut ended) = (Vec::new(), false);
    for _ in 0..random.usize(1..8) {
        let entry = if forward { cursor.next()? } else { cursor.next_back()? };
        match entry {
            Some((key, value)) => found.push((key.to_vec(), value.to_vec())),
            None => {
                ended = true;
                break;
            }
        }
    }
    Ok(Act::Scan { tree, lower, forward, found, ended })
}

pub(super) fn work(engine: &Engine, worker: u64, transactions: u64, done: &Mutex<Vec<Done>>) {
    let mut random = fastrand::Rng::with_seed(worker);
    let mut unique = 0;
    let mut mine = Vec::new();
    for _ in 0..transactions {
        let exclusive = random.u32(0..20) == 0;
        let tx = if exclusive { engine.begin() } else { engine.begin_optimistic() }.unwrap();
        let seen = tx.seen();
        let acts = match act(&tx, &mut random, &mut unique, worker) {
            Ok(acts) => acts,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::SnapshotTooOld);
                continue;
            }
        };
        let writes = acts.iter().any(|act| matches!(act, Act::Put(..) | Act::Delete(..)));
        if random.u32(0..10) == 0 {
            drop(tx);
            continue;
        }
        if random.u32(0..4) == 0 {
            crate::sync::give_way();
        }
        match tx.commit(durability(&mut random)) {
            Ok(timestamp) => mine.push(Done { seen, committed: writes.then_some(timestamp), acts }),
            Err(error) => {
                assert!(!exclusive, "an exclusive writer conflicts: {error}");
                assert_eq!(error.kind(), ErrorKind::Conflict);
            }
        }
    }
    done.lock().unwrap().append(&mut mine);
}

/// Plays the committed transactions one after the other, in the order of their timestamps, and compares every answer.
pub(super) fn prove_serializable(mut history: Vec<Done>) -> u64 {
    history.sort_by_key(|done| (done.committed.unwrap_or(done.seen), done.committed.is_none()));
    let mut world = World::new();
    for done in &history {
        let mut own = world.clone();
        replay(&mut own, done);
        if done.committed.is_some() {
            world = own;
        }
    }
    history.len() as u64
}

/// Each transaction saw one moment, and nobody wrote between it and the commit what it wrote.
pub(super) fn prove_snapshot(mut history: Vec<Done>) -> u64 {
    history.sort_by_key(|done| (done.committed.unwrap_or(done.seen), done.committed.is_none()));
    let mut worlds = vec![(0, World::new())];
    let mut written: BTreeMap<(u32, Vec<u8>), u64> = BTreeMap::new();
    for done in &history {
        let at = worlds.partition_point(|&(timestamp, _)| timestamp <= done.seen) - 1;
        replay(&mut worlds[at].1.clone(), done);
        let Some(committed) = done.committed else { continue };
        let mut world = worlds.last().unwrap().1.clone();
        for act in &done.acts {
            let (Act::Put(tree, key, _) | Act::Delete(tree, key)) = act else { continue };
            let last = written.insert((*tree, key.clone()), committed);
            assert!(last.is_none_or(|last| last <= done.seen || last == committed), "a lost update");
            apply(&mut world, act);
        }
        worlds.push((committed, world));
        if worlds.len() > 4000 {
            worlds.drain(..2000);
        }
    }
    history.len() as u64
}

fn apply(world: &mut World, act: &Act) {
    match act {
        Act::Put(tree, key, value) => drop(world.entry(*tree).or_default().insert(key.clone(), value.clone())),
        Act::Delete(tree, key) => drop(world.entry(*tree).or_default().remove(key)),
        _ => {}
    }
}

fn replay(world: &mut World, done: &Done) {
    let empty = Tree::new();
    for act in &done.acts {
        match act {
            Act::Read(tree, key, value) => {
                let model = world.get(tree).and_then(|tree| tree.get(key));
                assert_eq!(value.as_ref(), model, "{done:?}");
            }
            Act::Scan { tree, lower, forward, found, ended } => {
                let range = world.get(tree).unwrap_or(&empty).range(lower.clone()..);
                let range = range.map(|(key, value)| (key.clone(), value.clone()));
                let all: Vec<_> = if *forward { range.collect() } else { range.rev().collect() };
                assert_eq!(found.as_slice(), &all[..found.len().min(all.len())], "{done:?}");
                assert!(!ended || all.len() == found.len(), "{done:?}");
            }
            write => apply(world, write),
        }
    }
}

#[test]
fn i18_random_histories_have_an_order() {
    let (total, first) = (count("TAMARACK_ISOLATION", 12_000), count("TAMARACK_ISOLATION_SEED", 0));
    for isolation in [Isolation::Serializable, Isolation::Snapshot] {
        let (mut proven, mut tried, mut seed) = (0, 0, first);
        while tried < total {
            seed += 1;
            let background = if seed % 2 == 0 { Background::Thread } else { Background::Inline };
            let storage = Arc::new(MemoryFile::default());
            let engine = open(&storage, EngineOptions { isolation, ..small(background, seed) });
            let done = Mutex::default();
            let (workers, each) = (4, 500);
            std::thread::scope(|scope| {
                for worker in 0..workers {
                    let (engine, done) = (engine.clone(), &done);
                    scope.spawn(move || work(&engine, seed * 100 + worker, each, done));
                }
            });
            tried += workers * each;
            let history = done.into_inner().unwrap();
            proven += match isolation {
                Isolation::Serializable => prove_serializable(history),
                Isolation::Snapshot => prove_snapshot(history),
            };
            engine.checkpoint().unwrap();
            audit(&engine);
        }
        println!("{isolation:?}: {tried} transactions, {proven} committed, all of them explained");
        assert!(proven > tried / 10);
    }
}

/// Writes that had gone to the file before the commit were not compared with what others had written: with snapshots alone, two transactions
/// updated one record and both committed (a lost update, and index entries that named nothing); a large one wrote to a tree that was dropped.
#[test]
fn writes_that_outgrew_memory_are_validated_too() {
    let fill = |tx: &WriteTxn| (0..100).for_each(|i| set(tx, &format!("filler {i}"), 1));
    let open = |isolation| {
        let options = EngineOptions { write_buffer: 600, ..small(Background::Inline, 1) };
        let engine = open(&Arc::new(MemoryFile::default()), EngineOptions { isolation, ..options });
        let tx = engine.begin().unwrap();
        set(&tx, "x", 10);
        tx.put(TreeId(2), b"y", b"").unwrap();
        tx.commit(Durability::Deferred).unwrap();
        engine
    };
    let engine = open(Isolation::Snapshot);
    let (large, small) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
    set(&large, "x", 11);
    fill(&large);
    set(&small, "x", 12);
    commit(small).unwrap();
    refused(large);
    for isolation in [Isolation::Serializable, Isolation::Snapshot] {
        let engine = open(isolation);
        let (large, small) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        set(&large, "x", 11);
        fill(&large);
        large.put(TreeId(2), b"y", b"").unwrap();
        small.drop_tree(T).unwrap();
        commit(small).unwrap();
        refused(large);
        let (large, small) = (engine.begin_optimistic().unwrap(), engine.begin_optimistic().unwrap());
        large.drop_tree(TreeId(2)).unwrap();
        (0..100u8).for_each(|i| large.put(TreeId(3), &[i], b"value").unwrap());
        small.put(TreeId(2), b"z", b"").unwrap();
        commit(small).unwrap();
        refused(large);
    }
    // Where nobody else committed, size is no reason to refuse.
    let engine = open(Isolation::Snapshot);
    let large = engine.begin_optimistic().unwrap();
    fill(&large);
    commit(large).unwrap();
}

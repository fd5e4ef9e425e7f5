//! Every call of a session fails once, or from then on, in every way: commits fail with a typed error, acknowledged ones survive a crash
//! right after.

use super::*;
use crate::error::ErrorKind;
use crate::vfs::fault::{Call, Waiting};
use crate::vfs::{CrashPolicy, Failure, FaultFile, FaultPlan};

/// Numbers of trees that a session uses; two of them are dropped in the middle.
const TREES: u32 = 4;

/// What a round of a session commits: some records, now and then a large one, and a tree goes with what was large in it.
fn change(tx: &WriteTxn, round: u8, world: &mut World, trees: &mut [u32], random: &mut fastrand::Rng) -> Result<()> {
    if round == 5 || round == 9 {
        let gone = std::mem::replace(&mut trees[1], u32::from(round / 4) + 1);
        tx.drop_tree(TreeId(gone))?;
        world.remove(&gone);
    }
    scribble_in(tx, world, trees, random, 20)?;
    if round % 4 == 3 {
        tx.put(TreeId(trees[1]), b"large", &vec![round; 40_000])?;
        world.entry(trees[1]).or_default().insert(b"large".to_vec(), vec![round; 40_000]);
    }
    Ok(())
}

/// Runs a session of synced commits, some of them large; returns the worlds that may be found after a crash, and the errors. The first
/// world is what was acknowledged; a commit that failed after it may be there all the same, as its record can have reached the device.
fn session(file: &Arc<FaultFile>) -> (Vec<World>, Vec<ErrorKind>) {
    let mut acknowledged = World::new();
    let mut attempts = Vec::new();
    let mut errors = Vec::new();
    let opened = Engine::open(Arc::clone(file) as Arc<dyn Storage>, small(Background::Inline, 9));
    let engine = match opened {
        Ok(engine) => engine,
        Err(error) => return (vec![acknowledged], vec![error.kind()]),
    };
    let mut random = fastrand::Rng::with_seed(3);
    let mut trees = [0, 1];
    for round in 0..12 {
        let mut world = acknowledged.clone();
        let committed = engine.begin().and_then(|tx| {
            change(&tx, round, &mut world, &mut trees, &mut random)?;
            tx.commit(Durability::Synced)
        });
        match committed {
            Ok(_) => {
                acknowledged = world;
                attempts.clear();
            }
            Err(error) => {
                errors.push(error.kind());
                attempts.push(world);
            }
        }
        if round % 5 == 4
            && let Err(error) = engine.checkpoint()
        {
            errors.push(error.kind());
        }
        // What a snapshot sees is always what was acknowledged, whatever failed.
        let seen =
            engine.snapshot().and_then(|snapshot| (0..TREES).map(|tree| contents_or_error(&snapshot, tree)).collect());
        match seen {
            Ok(seen) => {
                let seen: Vec<Tree> = seen;
                let expected = |tree| acknowledged.get(&tree).cloned().unwrap_or_default();
                assert!(seen.into_iter().eq((0..TREES).map(expected)), "round {round}");
            }
            Err(error) => errors.push(error.kind()),
        }
    }
    if let Err(error) = engine.close() {
        errors.push(error.kind());
    }
    (std::iter::once(acknowledged).chain(attempts).collect(), errors)
}

fn contents_or_error(view: &dyn View, tree: u32) -> Result<Tree> {
    let mut cursor = view.cursor(TreeId(tree), Bound::Unbounded, Bound::Unbounded)?;
    let mut found = Tree::new();
    while let Some((key, value)) = cursor.next()? {
        found.insert(key.to_vec(), value.to_vec());
    }
    Ok(found)
}

/// Calls of a session on which nothing fails.
fn calls_of_a_session() -> u64 {
    let whole = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let (_, errors) = session(&whole);
    assert_eq!(errors, [], "without faults");
    let calls = whole.calls();
    assert!(calls > 100 && whole.syncs() > 12, "{calls} calls");
    calls
}

/// The calls to let fail: about as many as the environment says, so that a large number takes all of them.
fn positions(calls: u64, usual: u64) -> impl Iterator<Item = u64> {
    let step = (calls / super::count("TAMARACK_FAULT_CALLS", usual)).max(1);
    (0..calls).step_by(step as usize)
}

fn only_expected(errors: &[ErrorKind], what: &str) {
    let expected = [ErrorKind::Io, ErrorKind::StorageFull, ErrorKind::Poisoned, ErrorKind::Closed];
    assert!(errors.iter().all(|kind| expected.contains(kind)), "{what}: {errors:?}");
}

/// Opens what a session has left, which holds one of these worlds and goes on.
fn is_whole(image: Vec<u8>, worlds: &[World], what: &str) {
    let engine = open(&Arc::new(FaultFile::from_image(image, FaultPlan::default())), small(Background::Inline, 11));
    let snapshot = engine.snapshot().unwrap();
    let found: Vec<Tree> = (0..TREES).map(|tree| contents(&snapshot, tree)).collect();
    let is =
        |world: &World| (0..TREES).all(|tree| found[tree as usize] == world.get(&tree).cloned().unwrap_or_default());
    assert!(worlds.iter().any(is), "{what}: what was acknowledged is not there");
    audit(&engine);
}

#[test]
fn i30_every_call_fails_once_in_every_way() {
    let (mut modes, mut failed) = ([0_u32, 0], 0);
    for (fail, turn) in positions(calls_of_a_session(), 60).zip(0..) {
        for (failure, i) in [Failure::Io, Failure::NoSpace, Failure::Short, Failure::LostSync].into_iter().zip(0..) {
            // Both whatever the step is, and each failure meets both.
            let direct = (turn + i) % 2 == 0;
            modes[usize::from(direct)] += 1;
            let plan = FaultPlan { fail: Some((fail, failure)), direct, ..FaultPlan::default() };
            let file = Arc::new(FaultFile::from_image(Vec::new(), plan));
            let (worlds, errors) = session(&file);
            only_expected(&errors, &format!("call {fail}, {failure:?}"));
            failed += u32::from(!errors.is_empty());
            for policy in [CrashPolicy::DropAll, CrashPolicy::KeepAll, CrashPolicy::Random] {
                let what = format!("call {fail}, {failure:?}, direct: {direct}, {policy:?}");
                is_whole(file.crash(policy, fail), &worlds, &what);
            }
        }
    }
    println!("{modes:?} sessions without and with durable writes, {failed} of them with an error");
    assert!(modes[0] > 0 && modes[0].abs_diff(modes[1]) <= 4 && failed > modes[0] / 2, "{modes:?}, {failed}");
}

/// From a call on all of its kind fail, until the process ends. The next one finds a file that is whole, after a power cut too.
#[test]
fn i30_from_any_call_on_all_of_its_kind_fail() {
    /// More than a session makes.
    const ALL: usize = 3000;
    let kinds = [
        (Call::Write, Failure::Io),
        (Call::Write, Failure::NoSpace),
        (Call::Write, Failure::Short),
        (Call::Sync, Failure::Io),
        (Call::Sync, Failure::LostSync),
        (Call::SetLen, Failure::NoSpace),
        (Call::Read, Failure::Io),
    ];
    let (mut modes, mut failed, mut most) = ([0_u32, 0], [0; 7], 0);
    for (from, turn) in positions(calls_of_a_session(), 24).zip(0..) {
        for (i, (on, failure)) in kinds.into_iter().enumerate() {
            let direct = (turn + i) % 2 == 0;
            modes[usize::from(direct)] += 1;
            let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan { direct, ..FaultPlan::default() }));
            (0..ALL).for_each(|_| file.fail(Waiting { from, on, failure }));
            let (worlds, errors) = session(&file);
            let what = format!("from call {from} on, {on:?}, {failure:?}, direct: {direct}");
            only_expected(&errors, &what);
            failed[i] += u32::from(!errors.is_empty());
            most = most.max(file.calls());
            for policy in [CrashPolicy::DropAll, CrashPolicy::KeepAll, CrashPolicy::Random] {
                is_whole(file.crash(policy, from), &worlds, &format!("{what}, {policy:?}"));
            }
        }
    }
    println!("{modes:?} sessions without and with durable writes; with an error, by kind: {failed:?}");
    assert!(most < ALL as u64, "a fault did not last");
    assert!(failed.iter().all(|&failed| failed > 0) && modes[0].abs_diff(modes[1]) <= 7, "{failed:?}, {modes:?}");
}

/// A sync fails, the process ends, and the next one still sees in the operating system's cache what the device never got. A commit that it
/// acknowledges on top must survive a power cut all the same, and so must everything below it.
#[test]
fn i30_what_was_recovered_is_written_again_before_anything_is_built_on_it() {
    let mut built = 0;
    for fail in 0..60 {
        let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
        let engine = open(&file, small(Background::Inline, 1));
        let commit = |engine: &Engine, key: u8| {
            let tx = engine.begin()?;
            tx.put(TreeId(0), &[key], &[key; 50])?;
            tx.commit(Durability::Synced)
        };
        commit(&engine, 0).unwrap();
        let plan = FaultPlan { fail: Some((file.calls() + fail, Failure::LostSync)), ..FaultPlan::default() };
        file.set_plan(plan);
        let acknowledged: Vec<u8> = (1..10).take_while(|&key| commit(&engine, key).is_ok()).collect();
        drop(engine);
        file.set_plan(FaultPlan::default());
        // The same file, not what a crash leaves of it.
        let engine = open(&file, small(Background::Inline, 2));
        let recovered = contents(&engine.snapshot().unwrap(), 0);
        assert!(acknowledged.iter().all(|key| recovered.contains_key(&vec![*key])));
        built += usize::from(recovered.len() > acknowledged.len() + 1);
        commit(&engine, 100).unwrap();
        let after = FaultFile::from_image(file.crash(CrashPolicy::DropAll, fail), FaultPlan::default());
        let engine = open(&Arc::new(after), small(Background::Inline, 3));
        let found = contents(&engine.snapshot().unwrap(), 0);
        let mut wanted = recovered;
        wanted.insert(vec![100], vec![100; 50]);
        assert_eq!(found, wanted, "call {fail}");
    }
    assert!(built > 0, "no sync failed behind a written record");
}

/// A read that fails while the free map, or the chunks of a large value, are looked up was told as damage of the file.
#[test]
fn a_read_that_fails_is_not_told_as_damage() {
    let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let (_, errors) = session(&file);
    assert_eq!(errors, []);
    let image = file.image();
    let mut failed = 0;
    for fail in 0..200 {
        let plan = FaultPlan { fail: Some((fail, Failure::Io)), ..FaultPlan::default() };
        let file = Arc::new(FaultFile::from_image(image.clone(), plan));
        let opened = Engine::open(Arc::clone(&file) as Arc<dyn Storage>, small(Background::Inline, 9));
        if let Err(error) = opened.and_then(|engine| crate::check::audit(engine.base())) {
            assert_eq!(error.kind(), ErrorKind::Io, "call {fail}: {error}");
            failed += 1;
        }
    }
    assert!(failed > 20, "{failed}");
}

/// A check looks at the checkpoint before where none can be written, and at the log behind it.
#[test]
fn a_check_needs_no_room() {
    let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let engine = open(&file, EngineOptions { log_size: 1 << 20, ..small(Background::Inline, 1) });
    // More than there is room for between the superblocks.
    let txn = engine.begin().unwrap();
    (0..2000_u32).for_each(|key| txn.put(TreeId(3), &key.to_be_bytes(), &[1; 80]).unwrap());
    txn.commit(Durability::Synced).unwrap();
    file.set_plan(FaultPlan { capacity: Some(0), ..FaultPlan::default() });
    assert!(engine.checkpoint().is_err());
    let image = engine.pinned_image().unwrap();
    assert!(image.log.found.list.is_empty() && image.log.commits == 1, "{:?}", image.log);
}

/// A checkpoint syncs in the middle of its writes. When that failed it was given up, and nothing else: but the system had forgotten a buffered
/// commit's log, too, so that a synced one behind it was acknowledged and lost.
#[test]
fn i30_a_failed_sync_within_a_checkpoint_stops_all_writing() {
    let backgrounds = [Background::Inline, Background::Thread];
    for (direct, background) in [false, true].into_iter().flat_map(|direct| backgrounds.map(|it| (direct, it))) {
        let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan { direct, ..FaultPlan::default() }));
        let options = EngineOptions { log_size: 16 << 20, memory: Some(64 << 20), ..small(background, 1) };
        let engine = open(&file, options.clone());
        // More than a checkpoint writes without a sync, and less than makes one due.
        for first in (0..25_000_u32).step_by(500) {
            let tx = engine.begin().unwrap();
            (first..first + 500).for_each(|key| tx.put(TreeId(0), &key.to_be_bytes(), &[1; 100]).unwrap());
            tx.commit(Durability::Deferred).unwrap();
        }
        engine.flush().unwrap();
        assert_eq!(engine.base().counts.checkpoints.load(std::sync::atomic::Ordering::Relaxed), 0);
        let commit = |key: &[u8], durability| -> Result<u64> {
            let tx = engine.begin()?;
            tx.put(TreeId(1), key, b"value")?;
            tx.commit(durability)
        };
        commit(b"buffered", Durability::Buffered).unwrap();
        file.fail(Waiting { from: file.calls(), on: Call::Sync, failure: Failure::LostSync });
        let failed = engine.checkpoint().unwrap_err();
        // With threads it may have been the log's own sync.
        let own = failed.to_string().contains("a part of a checkpoint");
        assert!(own || background == Background::Thread, "{failed}");
        let synced = commit(b"synced", Durability::Synced);
        let after = FaultFile::from_image(file.crash(CrashPolicy::DropAll, 1), FaultPlan::default());
        let found = contents(&open(&Arc::new(after), options).snapshot().unwrap(), 1);
        assert!(synced.is_err() || found.len() == 2, "acknowledged, and {} of 2 are there", found.len());
        assert_eq!(synced.unwrap_err().kind(), ErrorKind::Poisoned);
    }
}

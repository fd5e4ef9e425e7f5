//! Backups against a model: full ones and increments of any earlier one, while transactions are open, across reopening and restoring.

use super::*;
use crate::backup::{Base, Streams, apply, copy, publish};
use crate::error::ErrorKind;
use crate::vfs::{CrashPolicy, Failure, FaultFile, FaultPlan, MemoryFile};

const TREES: u32 = 3;
/// A tree that only transactions which stay open for long write to.
const LONG: u32 = 7;

/// A backup, what it must hold, and the one that it follows.
struct Made {
    bytes: Vec<u8>,
    base: Base,
    world: World,
    since: Option<usize>,
}

fn back_up(engine: &Engine, since: Option<&Base>) -> Result<(Vec<u8>, Base)> {
    let image = engine.backup_image(since)?;
    let mut bytes = Vec::new();
    let copied = copy(image.storage(), image.header.clone(), since, &mut bytes, &mut |_| {})?;
    image.note()?;
    assert_eq!(copied.bytes, bytes.len() as u64);
    assert_eq!(Base::read(&bytes[..])?, copied.base);
    assert_eq!(Base::verify(&bytes[..])?, (copied.base.clone(), copied.bytes));
    Ok((bytes, copied.base))
}

fn restore(backups: &[&[u8]]) -> Arc<MemoryFile> {
    let storage = Arc::new(MemoryFile::default());
    let named = backups.iter().enumerate().map(|(at, bytes)| (format!("backup {at}"), *bytes));
    let superblock = apply(Streams::open(named).unwrap(), &*storage, 0, &mut |_| {}).unwrap();
    publish(&*storage, superblock).unwrap();
    storage
}

/// The chain that ends in a backup.
fn chain(made: &[Made], last: usize) -> Vec<usize> {
    let mut chain = vec![last];
    while let Some(since) = made[chain[0]].since {
        chain.insert(0, since);
    }
    chain
}

#[test]
fn random_chains_hold_what_was_committed() {
    let (mut backups, mut increments, mut refused, mut restored) = (0, 0, 0, 0);
    for seed in 1..=count("TAMARACK_BACKUP_SEEDS", 30) {
        let [made, inc, no, back] = history(seed);
        backups += made;
        increments += inc;
        refused += no;
        restored += back;
    }
    println!("{backups} backups, {increments} of them increments, {refused} refused, {restored} restored");
    assert!(increments > 60 && refused > 10 && restored > 60, "{increments} {refused} {restored}");
}

/// One file, what it holds, and the backups that it must know; and all that were ever made.
struct Life {
    seed: u64,
    random: fastrand::Rng,
    storage: Arc<MemoryFile>,
    engine: Engine,
    world: World,
    known: Vec<usize>,
    made: Vec<Made>,
    /// A transaction that stays open, and what its tree holds once it is committed.
    long: Option<(WriteTxn, Tree)>,
    increments: u64,
    refused: u64,
    restored: u64,
}

fn history(seed: u64) -> [u64; 4] {
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, options(seed));
    let mut life = Life {
        seed,
        random: fastrand::Rng::with_seed(seed),
        storage,
        engine,
        world: World::new(),
        known: Vec::new(),
        made: Vec::new(),
        long: None,
        increments: 0,
        refused: 0,
        restored: 0,
    };
    for _ in 0..120 {
        life.commit();
        match life.random.u32(0..12) {
            0 => life.engine.checkpoint().unwrap(),
            1 if life.long.is_none() => life.begin_long(),
            2 | 3 => life.end_long(),
            4 => life.reopen(),
            5..=7 => life.back_up(),
            8 | 9 if !life.made.is_empty() => life.restore(),
            _ => {}
        }
    }
    [life.made.len() as u64, life.increments, life.refused, life.restored]
}

fn options(seed: u64) -> EngineOptions {
    let background = if seed.is_multiple_of(2) { Background::Thread } else { Background::Inline };
    EngineOptions { seed: None, ..small(background, seed) }
}

impl Life {
    fn commit(&mut self) {
        let tx = self.engine.begin_optimistic().unwrap();
        let most = if self.random.u32(0..20) == 0 { 200 } else { 12 };
        scribble(&tx, &mut self.world, TREES, &mut self.random, most);
        tx.commit(durability(&mut self.random)).unwrap();
    }

    /// Values may go to the file now, and be committed much later.
    fn begin_long(&mut self) {
        let tx = self.engine.begin_optimistic().unwrap();
        let mut tree = self.world.get(&LONG).cloned().unwrap_or_default();
        for _ in 0..self.random.u8(1..6) {
            let (key, value) = (vec![self.random.u8(0..30)], vec![self.random.u8(..); self.random.usize(200..3000)]);
            tx.put(TreeId(LONG), &key, &value).unwrap();
            tree.insert(key, value);
        }
        self.long = Some((tx, tree));
    }

    fn end_long(&mut self) {
        let Some((tx, tree)) = self.long.take() else { return };
        match tx.commit(Durability::Synced) {
            Ok(_) => drop(self.world.insert(LONG, tree)),
            // Too many have committed since it began.
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
        }
    }

    fn reopen(&mut self) {
        self.long = None;
        if self.random.bool() {
            self.engine.close().unwrap();
        }
        // The old handle goes before the new one comes.
        self.engine = open(&Arc::new(MemoryFile::default()), options(self.seed));
        self.engine = open(&self.storage, options(self.seed));
    }

    fn back_up(&mut self) {
        let full = self.made.is_empty() || self.random.u32(0..4) == 0;
        let since = if full { None } else { Some(self.random.usize(0..self.made.len())) };
        match back_up(&self.engine, since.map(|at| &self.made[at].base)) {
            Ok((bytes, base)) => {
                assert!(since.is_none_or(|at| self.known.contains(&at)), "seed {}: an unknown base", self.seed);
                self.increments += u64::from(since.is_some());
                self.known.push(self.made.len());
                self.made.push(Made { bytes, base, world: self.world.clone(), since });
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::BackupMismatch, "{error}");
                assert!(since.is_some_and(|at| !self.known.contains(&at)), "seed {}: {error}", self.seed);
                self.refused += 1;
            }
        }
    }

    fn restore(&mut self) {
        let last = self.random.usize(0..self.made.len());
        let chain = chain(&self.made, last);
        let streams: Vec<&[u8]> = chain.iter().map(|&at| self.made[at].bytes.as_slice()).collect();
        let storage = restore(&streams);
        let engine = open(&storage, options(self.seed));
        let world = self.made[last].world.clone();
        let snapshot = engine.snapshot().unwrap();
        for tree in (0..TREES).chain([LONG]) {
            let empty = Tree::new();
            let model = world.get(&tree).unwrap_or(&empty);
            assert_eq!(&contents(&snapshot, tree), model, "seed {}, tree {tree}, {chain:?}", self.seed);
        }
        drop(snapshot);
        audit(&engine);
        self.restored += 1;
        // Life may go on there, from that state: what was backed up since then is not of its past.
        if self.random.u32(0..4) == 0 {
            self.long = None;
            let known = &self.made[last].base.header.superblock.backups;
            let is_known = |at: &usize| known.iter().any(|backup| backup.id == self.made[*at].base.header.id);
            self.known = (0..self.made.len()).filter(is_known).collect();
            (self.storage, self.engine, self.world) = (storage, engine, world);
        }
    }
}

/// A check of a checkpoint that was pinned finds nothing.
fn looks_sound(pinned: &crate::engine::pinned::PinnedImage) {
    let mut tell = |_| {};
    let length = pinned.storage().len().unwrap();
    let mut walker = crate::check::Walker::new(pinned.storage(), &pinned.superblock, length, &mut tell).unwrap();
    walker.fixed();
    walker.free_map();
    for entry in walker.directory() {
        walker.tree(entry.tree, &entry.root, &mut super::damage::Unseen).unwrap();
    }
    assert!(walker.found.list.is_empty(), "{:?}", walker.found.list);
    assert_eq!(pinned.contradiction(&walker.blocks).unwrap(), None);
}

/// A backup of what only the log holds, taken from a file that must not be written.
#[test]
fn a_read_only_engine_backs_up_what_its_log_holds() {
    let storage = Arc::new(MemoryFile::default());
    let mut random = fastrand::Rng::with_seed(5);
    let mut world = World::new();
    let engine = open(&storage, small(Background::Inline, 1));
    for round in 0..30 {
        let tx = engine.begin().unwrap();
        scribble(&tx, &mut world, TREES, &mut random, 10);
        if round % 20 == 0 {
            tx.put(TreeId(TREES), b"large", &[round; 40_000]).unwrap();
        }
        tx.commit(Durability::Synced).unwrap();
        if round == 10 {
            engine.checkpoint().unwrap();
        }
    }
    let length = storage.len().unwrap() as usize;
    let mut image = vec![0; length];
    storage.read_at(&mut image, 0).unwrap();
    let left = Arc::new(FaultFile::from_image(image.clone(), FaultPlan::default()));
    let reader = open(&left, EngineOptions { read_only: true, ..small(Background::Inline, 1) });
    // A check that has begun goes on beside it: the backup's checkpoint, in memory, freed what the check was about to read.
    let pinned = reader.pinned_image().unwrap();
    for _ in 0..2 {
        let (bytes, base) = back_up(&reader, None).unwrap();
        assert!(!base.header.known);
        let engine = open(&restore(&[&bytes]), small(Background::Inline, 2));
        check(&engine.snapshot().unwrap(), &world, TREES, &mut random);
        audit(&engine);
        // Nothing can follow it, neither there nor anywhere else.
        assert_eq!(back_up(&engine, Some(&base)).unwrap_err().kind(), ErrorKind::BackupMismatch);
    }
    looks_sound(&pinned);
    assert!(left.image() == image, "a file that was opened for reading was written");
    assert_eq!(back_up(&engine, None).unwrap().1.header.superblock.commit_timestamp, 30);
}

/// I30, I31: every call of a session with backups fails once. A backup either says so, or holds what was committed; the pin is gone in any case.
#[test]
fn every_call_of_a_backup_fails_once() {
    let session = |plan: Option<(u64, Failure)>| {
        let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
        let engine = open(&file, small(Background::Inline, 4));
        let mut random = fastrand::Rng::with_seed(11);
        let mut world = World::new();
        for _ in 0..10 {
            let tx = engine.begin().unwrap();
            scribble(&tx, &mut world, TREES, &mut random, 30);
            tx.commit(Durability::Synced).unwrap();
        }
        let before = file.calls();
        let fail = plan.map(|(call, failure)| (before + call, failure));
        file.set_plan(FaultPlan { fail, ..FaultPlan::default() });
        let full = back_up(&engine, None);
        let calls = file.calls() - before;
        file.heal();
        assert_eq!(engine.base().space().unwrap().pins(), 0);
        if let Ok((bytes, _)) = &full {
            let engine = open(&restore(&[bytes]), small(Background::Inline, 4));
            check(&engine.snapshot().unwrap(), &world, TREES, &mut random);
        }
        drop(engine);
        // Whatever failed, nothing that was acknowledged is lost.
        let image = file.crash(CrashPolicy::ALL[random.usize(0..CrashPolicy::ALL.len())], calls);
        let engine = open(&Arc::new(FaultFile::from_image(image, FaultPlan::default())), small(Background::Inline, 4));
        check(&engine.snapshot().unwrap(), &world, TREES, &mut random);
        (calls, full.is_ok())
    };
    let (calls, sound) = session(None);
    assert!(sound && calls > 30, "{calls}");
    let mut failed = 0;
    for call in 0..calls {
        for failure in [Failure::Io, Failure::NoSpace, Failure::Short, Failure::LostSync] {
            failed += u64::from(!session(Some((call, failure))).1);
        }
    }
    println!("{failed} of {} backups failed", calls * 4);
    assert!(failed > calls);
}

/// A crash at any call of a restore leaves no database, or the whole one.
#[test]
fn i34_a_crash_during_a_restore_leaves_nothing_or_everything() {
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, small(Background::Inline, 2));
    let mut random = fastrand::Rng::with_seed(8);
    let mut world = World::new();
    let mut backups: Vec<(Vec<u8>, Base)> = Vec::new();
    for _ in 0..3 {
        let tx = engine.begin().unwrap();
        scribble(&tx, &mut world, TREES, &mut random, 60);
        tx.commit(Durability::Synced).unwrap();
        let since = backups.last().map(|(_, base)| base.clone());
        backups.push(back_up(&engine, since.as_ref()).unwrap());
    }
    let run = |file: &Arc<FaultFile>| {
        let named = backups.iter().map(|(bytes, _)| (String::new(), bytes.as_slice()));
        let superblock = apply(Streams::open(named)?, &**file, 0, &mut |_| {})?;
        publish(&**file, superblock)
    };
    let whole = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    run(&whole).unwrap();
    let (mut nothing, mut everything) = (0, 0);
    for stop in 0..=whole.calls() {
        for policy in CrashPolicy::ALL {
            let plan = FaultPlan { stop: Some(stop), ..FaultPlan::default() };
            let file = Arc::new(FaultFile::from_image(Vec::new(), plan));
            let finished = run(&file).is_ok();
            assert_eq!(finished, stop == whole.calls());
            let image = file.crash(policy, stop);
            // An empty file, or one of which only the length is left, is what making a new one leaves: nobody takes it for the old one.
            let empty = image.iter().all(|&byte| byte == 0);
            let found = Arc::new(FaultFile::from_image(image, FaultPlan::default()));
            match Engine::open(Arc::clone(&found) as Arc<dyn Storage>, small(Background::Inline, 2)) {
                Ok(engine) if empty && !finished => {
                    assert_eq!(engine.snapshot().unwrap().timestamp(), 0);
                    nothing += 1;
                }
                Ok(engine) => {
                    check(&engine.snapshot().unwrap(), &world, TREES, &mut random);
                    audit(&engine);
                    everything += 1;
                }
                Err(error) => {
                    assert!(!finished, "{error}");
                    assert_eq!(error.kind(), ErrorKind::NotADatabase, "{error}");
                    nothing += 1;
                }
            }
        }
    }
    println!("{nothing} left nothing, {everything} everything");
    assert!(nothing > 20 && everything > 8);
}

/// A value that was written to the file before a backup, and committed after it, is older than that backup and not in it.
#[test]
fn an_increment_holds_what_was_written_before_its_base_and_committed_after_it() {
    let storage = Arc::new(MemoryFile::default());
    let options = EngineOptions { write_buffer: 600, ..small(Background::Inline, 3) };
    let engine = open(&storage, options.clone());
    let mut random = fastrand::Rng::with_seed(1);
    let mut world = World::new();
    let tx = engine.begin().unwrap();
    scribble(&tx, &mut world, TREES, &mut random, 50);
    tx.commit(Durability::Synced).unwrap();
    engine.checkpoint().unwrap();
    let long = engine.begin().unwrap();
    for key in 0..20 {
        long.put(TreeId(LONG), &[key], &[key; 700]).unwrap();
        world.entry(LONG).or_default().insert(vec![key], vec![key; 700]);
    }
    let (full, base) = back_up(&engine, None).unwrap();
    long.commit(Durability::Synced).unwrap();
    let (increment, _) = back_up(&engine, Some(&base)).unwrap();
    let engine = open(&restore(&[&full, &increment]), options);
    check(&engine.snapshot().unwrap(), &world, LONG + 1, &mut random);
    audit(&engine);
}

/// I36: a file whose pages go round, or share children, ends a backup by the number of its blocks.
#[test]
fn i36_no_more_is_copied_than_the_file_has() {
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, small(Background::Inline, 1));
    let mut random = fastrand::Rng::with_seed(1);
    let mut world = World::new();
    for _ in 0..10 {
        let tx = engine.begin().unwrap();
        scribble(&tx, &mut world, TREES, &mut random, 50);
        tx.commit(Durability::Synced).unwrap();
    }
    let image = engine.backup_image(None).unwrap();
    let mut header = image.header.clone();
    (header.superblock.free_map, header.superblock.tail) = (None, 50);
    let copied = copy(image.storage(), header, None, &mut std::io::sink(), &mut |_| {}).map(|copied| copied.bytes);
    let error = copied.unwrap_err();
    assert!(error.to_string().contains("more blocks than the file"), "{error}");
}

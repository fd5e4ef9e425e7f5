//! A device that refuses to read what nobody needs, and a system that gives up what it kept in its cache.

use super::*;
use crate::error::ErrorKind;
use crate::vfs::{CrashPolicy, Failure, FaultFile, FaultPlan};
use crate::wal::UNIT;
use std::io;
use std::ops::Range;
use std::sync::Mutex;

/// A device that does not read some of its sectors any more, until they are written to.
pub(super) struct Refusing {
    pub(super) below: Arc<FaultFile>,
    /// Bytes from here on; nothing at first.
    pub(super) refused: std::sync::Mutex<std::ops::Range<u64>>,
}

impl Storage for Refusing {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        let refused = self.refused.lock().unwrap();
        if offset < refused.end && refused.start < offset + buffer.len() as u64 {
            return Err(std::io::Error::other("a bad sector"));
        }
        self.below.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<()> {
        // Another sector takes the place of a bad one.
        let mut refused = self.refused.lock().unwrap();
        if offset < refused.end && refused.start < offset + bytes.len() as u64 {
            *refused = 0..0;
        }
        self.below.write_at(bytes, offset)
    }

    fn sync(&self) -> std::io::Result<()> {
        self.below.sync()
    }

    fn len(&self) -> std::io::Result<u64> {
        self.below.len()
    }

    fn set_len(&self, length: u64) -> std::io::Result<()> {
        self.below.set_len(length)
    }
}

impl Refusing {
    pub(super) fn new(below: &Arc<FaultFile>, refused: Range<u64>) -> Arc<Self> {
        Arc::new(Self { below: Arc::clone(below), refused: Mutex::new(refused) })
    }
}

const SLOTS: [Range<u64>; 2] = [0..4096, 65_536..69_632];

fn of_image(image: Vec<u8>) -> Arc<FaultFile> {
    Arc::new(FaultFile::from_image(image, FaultPlan::default()))
}

fn put(engine: &Engine, key: u8, durability: Durability) -> Result<u64> {
    let tx = engine.begin()?;
    tx.put(TreeId(0), &[key], b"value")?;
    tx.commit(durability)
}

fn keys(engine: &Engine) -> usize {
    contents(&engine.snapshot().unwrap(), 0).len()
}

/// The process is gone. What it wrote is in the system's cache.
fn kill(file: &FaultFile, engine: Engine) {
    file.set_plan(FaultPlan { stop: Some(0), ..FaultPlan::default() });
    drop(engine);
    file.set_plan(FaultPlan::default());
}

/// A file with two commits, one of them in the log.
fn killed() -> Arc<FaultFile> {
    let file = of_image(Vec::new());
    let engine = open(&file, small(Background::Inline, 1));
    put(&engine, 1, Durability::Synced).unwrap();
    engine.checkpoint().unwrap();
    put(&engine, 2, Durability::Synced).unwrap();
    kill(&file, engine);
    file
}

/// Power that failed while a slot was written may leave a sector that the device refuses to read, until it is written again. Each open failed.
#[test]
fn i34_a_slot_that_the_device_refuses_is_not_whole() {
    for slot in SLOTS {
        let file = killed();
        let storage = Refusing::new(&file, slot.clone());
        let engine = open(&storage, small(Background::Inline, 2));
        assert_eq!(keys(&engine), 2, "{slot:?}");
        put(&engine, 3, Durability::Synced).unwrap();
        assert!(storage.refused.lock().unwrap().is_empty(), "{slot:?} was not written again");
        kill(&file, engine);
        let engine = open(&file, small(Background::Inline, 3));
        assert_eq!(keys(&engine), 3);
        audit(&engine);
    }
    let storage = Refusing::new(&killed(), 0..69_632);
    let error = Engine::open(storage, small(Background::Inline, 2)).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
}

/// A file with three commits. The process was killed at this call of a checkpoint, which was a sync that failed, if `fail`: if of the slots only this one is
/// in the system's cache alone.
fn killed_before_a_sync(slot: usize, call: u64, fail: bool) -> Option<Arc<FaultFile>> {
    let file = killed();
    let engine = open(&file, small(Background::Inline, 2));
    put(&engine, 3, Durability::Deferred).unwrap();
    let at = file.calls() + call;
    let (fail, stop) = if fail { (Some((at, Failure::LostSync)), at + 1) } else { (None, at) };
    file.set_plan(FaultPlan { fail, stop: Some(stop), ..FaultPlan::default() });
    let _ = engine.checkpoint();
    kill(&file, engine);
    let (cached, device) = (file.image(), file.crash(CrashPolicy::DropAll, 0));
    let differs = |slot: usize| {
        let slot = SLOTS[slot].start as usize..SLOTS[slot].end as usize;
        cached[slot.clone()] != device[slot]
    };
    (differs(slot) && !differs(1 - slot)).then_some(file)
}

/// Slot A was in the system's cache alone, and B, which the device refused, might be read another time: A is durable before B is written.
#[test]
fn i34_a_refused_slot_is_not_overwritten_while_it_may_be_the_only_one() {
    let mut cached = 0;
    for call in 0..60 {
        for stop in 0..30 {
            let Some(file) = killed_before_a_sync(0, call, false) else { break };
            cached += 1;
            file.set_plan(FaultPlan { stop: Some(file.calls() + stop), ..FaultPlan::default() });
            let opened = Engine::open(Refusing::new(&file, SLOTS[1].clone()), small(Background::Inline, 3));
            let flushed = opened.is_ok_and(|engine| engine.flush().is_ok());
            file.set_plan(FaultPlan::default());
            let after = of_image(file.crash(CrashPolicy::DropAll, 0));
            let engine = open(&after, small(Background::Inline, 4));
            assert!(keys(&engine) >= if flushed { 3 } else { 2 }, "call {call}, stop {stop}");
            audit(&engine);
        }
    }
    assert!(cached > 0);
}

/// Slot B was in the system's cache alone, also after a sync that failed, and the device refuses to read A: what B holds is durable before free blocks are
/// written, which an older B on the device may need.
#[test]
fn i34_the_other_slot_is_durable_where_one_is_refused() {
    let mut cached = 0;
    for (call, fail) in (0..60).flat_map(|call| [(call, false), (call, true)]) {
        for stop in 0..200 {
            let Some(file) = killed_before_a_sync(1, call, fail) else { break };
            cached += 1;
            let device = file.crash(CrashPolicy::DropAll, 0);
            file.set_plan(FaultPlan { stop: Some(file.calls() + stop), ..FaultPlan::default() });
            let opened = Engine::open(Refusing::new(&file, SLOTS[0].clone()), small(Background::Inline, 3));
            let mut put = 0;
            if let Ok(engine) = opened {
                // More than its buffer takes, and so to free blocks before anything is in the log.
                let spilled = engine.begin().and_then(|tx| {
                    (0..200_u8).try_for_each(|key| tx.put(TreeId(1), &[key], &[key; 50]))?;
                    tx.commit(Durability::Synced)
                });
                put = (10..if spilled.is_ok() { 30 } else { 10 })
                    .take_while(|&key| put_and_checkpoint(&engine, key).is_ok())
                    .count();
                kill(&file, engine);
            }
            file.set_plan(FaultPlan::default());
            let mut image = file.crash(CrashPolicy::DropAll, 0);
            // What the device did not read is gone, if it was not written again.
            if image[..4096] == device[..4096] {
                image[..4096].fill(0xa5);
            }
            let engine = open(&of_image(image), small(Background::Inline, 4));
            assert!(keys(&engine) >= 2 + put, "call {call}, {fail}, stop {stop}, {put} put");
            audit(&engine);
        }
    }
    assert!(cached > 0);
}

fn put_and_checkpoint(engine: &Engine, key: u8) -> Result<()> {
    put(engine, key, Durability::Synced)?;
    engine.checkpoint()
}

/// A bad sector of the ring where no commit lies kept the file from being opened; one where a commit may lie still does, and nothing is changed.
#[test]
fn i24_what_the_device_refuses_of_the_log_matters_where_it_is_needed() {
    let closed = of_image(Vec::new());
    let engine = open(&closed, small(Background::Inline, 1));
    put(&engine, 1, Durability::Synced).unwrap();
    engine.close().unwrap();
    let ring = engine.base().superblock.lock().segments[0];
    drop(engine);
    let units = |ring: &crate::format::Segment| {
        let at = ring.address * 256;
        (0..ring.length / UNIT).map(move |unit| at + unit * UNIT..at + (unit + 1) * UNIT)
    };
    for unit in units(&ring) {
        let engine = open(&Refusing::new(&of_image(closed.image()), unit), small(Background::Inline, 2));
        assert_eq!(keys(&engine), 1);
        put(&engine, 2, Durability::Synced).unwrap();
    }
    let (mut opened, mut refused) = (0, 0);
    let killed = killed();
    for unit in units(&ring) {
        let file = of_image(killed.image());
        let storage = Refusing::new(&file, unit);
        match Engine::open(Arc::clone(&storage) as Arc<dyn Storage>, small(Background::Inline, 2)) {
            Ok(engine) => {
                opened += 1;
                assert_eq!(keys(&engine), 2);
                put(&engine, 3, Durability::Synced).unwrap();
            }
            Err(error) => {
                refused += 1;
                assert_eq!(error.kind(), ErrorKind::Io, "{error}");
                assert!(file.image() == killed.image());
            }
        }
    }
    // The units of the two commits, and the one that the next commit would have been in.
    assert!(opened > 10 && refused == 3, "{opened} and {refused}");
}

/// A device that refuses more than a few parts of the log may hide the proof that a commit was durable.
#[test]
fn only_a_few_parts_of_the_log_may_be_unreadable() {
    let options = |seed| EngineOptions { log_size: 1 << 18, ..small(Background::Inline, seed) };
    let file = of_image(Vec::new());
    let engine = open(&file, options(1));
    put(&engine, 1, Durability::Synced).unwrap();
    let first = engine.base().superblock.lock().segments[0].address * 256 + 8 * UNIT;
    kill(&file, engine);
    for (units, opens) in [(16, true), (17, false)] {
        let storage = Refusing::new(&of_image(file.image()), first..first + units * UNIT);
        assert_eq!(Engine::open(storage, options(2)).is_ok(), opens, "{units} units");
    }
}

/// Reads what the system's cache has, and from one read on what the device has.
struct Forgetting {
    below: Arc<FaultFile>,
    reads: Mutex<u32>,
    /// What is forgotten at which read, counted from now on.
    at: u32,
    device: Vec<u8>,
}

impl Storage for Forgetting {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut reads = self.reads.lock().unwrap();
        if *reads == self.at {
            self.below.damage(|image| image.put(0, &self.device));
        }
        *reads += 1;
        self.below.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.below.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.below.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.below.len()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.below.set_len(length)
    }
}

/// A sync of the log had failed, and between two of recovery's passes the system gave up what the device never got. The session began behind what the first
/// pass had seen, and what it acknowledged was behind a hole.
#[test]
fn i35_a_log_that_changes_while_it_is_read_is_not_gone_on_with() {
    let file = of_image(Vec::new());
    let engine = open(&file, small(Background::Inline, 1));
    put(&engine, 1, Durability::Synced).unwrap();
    put(&engine, 2, Durability::Synced).unwrap();
    let device = file.image();
    put(&engine, 3, Durability::Buffered).unwrap();
    kill(&file, engine);
    let cached = file.image();
    let (mut refused, mut opened) = (0, 0);
    for at in 0..60 {
        let file = of_image(cached.clone());
        let storage =
            Arc::new(Forgetting { below: Arc::clone(&file), reads: Mutex::new(0), at, device: device.clone() });
        match Engine::open(Arc::clone(&storage) as Arc<dyn Storage>, small(Background::Inline, 3)) {
            Ok(engine) => {
                opened += 1;
                put(&engine, 4, Durability::Synced).unwrap();
                kill(&file, engine);
                let engine = open(&file, small(Background::Inline, 4));
                assert!(engine.snapshot().unwrap().get(TreeId(0), &[4]).unwrap().is_some(), "read {at}");
            }
            Err(error) => {
                refused += 1;
                assert_eq!(error.kind(), ErrorKind::Io, "{error}");
            }
        }
    }
    assert!(opened > 0 && refused > 0, "{opened} and {refused}");
}

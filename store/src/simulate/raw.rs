//! What this repository's simulator needs and programs do not: trees below the tables, sizes far below the usual ones, commits in two
//! steps, and what a disk has been through. Changes without notice.

use super::{Crash, Disk, Fault, On};
use crate::engine::{self, Durability, TreeId, View};
use crate::error::Result;
use crate::typed::{CheckReport, Database, Options, ReadTxn, Schema, WriteTxn, restore_onto};
use crate::vfs::fault::{self, Call, Device, Dice, Entry, Failure, FaultFile, FaultPlan, Fired, Image, Op};
use std::cell::RefCell;
use std::ops::Bound;
use std::thread::LocalKey;

type Others = RefCell<Option<Box<dyn FnMut()>>>;

thread_local! {
    static AT_SYNC: Others = const { RefCell::new(None) };
    static AT_READ: Others = const { RefCell::new(None) };
}

fn with_others<T>(at: &'static LocalKey<Others>, others: impl FnMut() + 'static, act: impl FnOnce() -> T) -> T {
    at.replace(Some(Box::new(others)));
    let done = act();
    at.take();
    done
}

fn pause(at: &'static LocalKey<Others>) {
    let Some(mut others) = at.take() else { return };
    others();
    at.replace(Some(others));
}

/// Runs `act`, and `others` before and after each sync that it makes on this thread: what other clients do while a checkpoint runs.
///
/// The superblocks are settled first. All who write wait for that, and clients who are one thread would wait for themselves. A failure poisons the database, which
/// `act` will find.
pub fn interleave<S, T>(db: &Database<S>, others: impl FnMut() + 'static, act: impl FnOnce() -> T) -> T {
    let _ = crate::ckpt::settle_slots(db.base());
    with_others(&AT_SYNC, others, act)
}

pub(super) fn pause_at_sync() {
    pause(&AT_SYNC);
}

/// Runs `act`, and `others` before each read that it makes on this thread: what other clients do while a backup reads the file.
pub fn interleave_reads<T>(others: impl FnMut() + 'static, act: impl FnOnce() -> T) -> T {
    with_others(&AT_READ, others, act)
}

pub(super) fn pause_at_read() {
    pause(&AT_READ);
}

/// Sizes of a file and of memory that make everything happen early.
#[derive(Debug, Clone, Copy)]
pub struct Tiny {
    pub block: u32,
    pub page: u32,
    pub memory: u64,
    pub write_buffer: usize,
    pub snapshot_isolation: bool,
    pub read_only: bool,
}

/// Starts a process on a disk, with tiny sizes.
pub fn open<S: Schema>(disk: &Disk, tiny: Tiny) -> Result<Database<S>> {
    let mut options = Options::new();
    let engine = &mut options.engine;
    (engine.block_size, engine.page_size, engine.log_size) = (tiny.block, tiny.page, 64 << 10);
    engine.memory = Some(tiny.memory);
    engine.write_buffer = tiny.write_buffer;
    engine.reserve = false;
    engine.read_only = tiny.read_only;
    engine.background = engine::Background::Inline;
    if tiny.snapshot_isolation {
        engine.isolation = engine::Isolation::Snapshot;
    }
    engine.seed = Some(disk.roll());
    Database::on(disk.process(), options)
}

/// Begins a write transaction that is validated when it commits.
pub fn begin_optimistic<S>(db: &Database<S>) -> Result<WriteTxn<S>> {
    db.begin_optimistic()
}

/// A commit that has its place.
pub struct Sequenced(engine::Sequenced);

/// Gives a commit its place.
pub fn sequence<S>(tx: WriteTxn<S>, durability: Durability) -> Result<Sequenced> {
    tx.sequence(durability).map(Sequenced)
}

impl Sequenced {
    /// Its timestamp, if it wrote anything.
    pub fn timestamp(&self) -> Option<u64> {
        self.0.timestamp()
    }

    /// Waits until it is as durable as it asked for, and visible.
    pub fn finish(self) -> Result<u64> {
        self.0.finish()
    }
}

/// Reads every page, and looks that every block is owned exactly once, as it is: without the checkpoint that [`Database::check`] writes.
/// Returns how many blocks that were.
pub fn audit<S>(db: &Database<S>) -> Result<u64> {
    crate::check::audit(db.base())
}

/// Whether a failure has ended all writing. No call of the disk is made.
pub fn is_poisoned<S>(db: &Database<S>) -> bool {
    db.base().poison.check().is_err()
}

/// Restores backups on a disk, which is empty.
pub fn restore<'a>(backups: impl IntoIterator<Item = &'a [u8]>, disk: &Disk) -> Result<CheckReport> {
    let report = restore_onto(backups, &*disk.process())?;
    // Nothing was wrong with what the simulator backs up.
    report.clone().into_result().map(|()| report)
}

/// A transaction whose trees can be read.
pub trait Reads {
    #[doc(hidden)]
    fn get(&self, tree: u32, key: &[u8]) -> Result<Option<Vec<u8>>>;
    #[doc(hidden)]
    fn scan(&self, tree: u32, backward: bool, with: &mut dyn FnMut(&[u8], &[u8])) -> Result<()>;
}

fn scan(view: &dyn View, tree: u32, backward: bool, with: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
    let mut cursor = view.cursor(TreeId(tree), Bound::Unbounded, Bound::Unbounded)?;
    while let Some((key, value)) = if backward { cursor.next_back()? } else { cursor.next()? } {
        with(key, value);
    }
    Ok(())
}

impl<S> Reads for ReadTxn<S> {
    fn get(&self, tree: u32, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.view().get(TreeId(tree), key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, tree: u32, backward: bool, with: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        scan(self.view(), tree, backward, with)
    }
}

impl<S> Reads for WriteTxn<S> {
    fn get(&self, tree: u32, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.engine().get(TreeId(tree), key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, tree: u32, backward: bool, with: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        scan(self.engine(), tree, backward, with)
    }
}

/// Stores a value in a tree below the tables.
pub fn put<S>(tx: &WriteTxn<S>, tree: u32, key: &[u8], value: &[u8]) -> Result<()> {
    tx.engine().put(TreeId(tree), key, value)
}

/// Removes a key from a tree below the tables.
pub fn delete<S>(tx: &WriteTxn<S>, tree: u32, key: &[u8]) -> Result<()> {
    tx.engine().delete(TreeId(tree), key)
}

/// Lets everything go that earlier databases of this thread have left to be collected.
pub fn settle() {
    for _ in 0..64 {
        crate::buffer::pin().flush();
    }
}

/// The bytes of a disk. Copies share them.
#[derive(Clone, Default)]
pub struct Medium(Image);

impl Medium {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    pub fn same(&self, other: &Self) -> bool {
        self.0.to_bytes() == other.0.to_bytes()
    }

    pub fn read(&self, offset: usize, out: &mut [u8]) -> bool {
        self.0.get(offset, out)
    }

    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.0.put(offset, bytes);
    }

    pub fn resize(&mut self, len: usize) {
        self.0.resize(len);
    }
}

/// What happened to a disk since it was recorded, from its beginning on.
pub struct Tape {
    start: Image,
    entries: Vec<Entry>,
}

/// A disk at some moment of a tape.
pub struct Player<'a> {
    tape: &'a Tape,
    device: Device,
    at: usize,
}

impl Tape {
    /// How much happened.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many of these were writes.
    pub fn writes(&self) -> usize {
        let write =
            |entry: &&Entry| matches!(entry, Entry::Issued(Op::Write { .. }) | Entry::Durable(Op::Write { .. }));
        self.entries.iter().filter(write).count()
    }

    pub fn play(&self) -> Player<'_> {
        Player { tape: self, device: Device::new(self.start.clone()), at: 0 }
    }

    /// One of the first `before` writes that were not the last to their place, perhaps.
    pub fn write(&self, before: usize, chosen: u64) -> Option<(usize, &[u8])> {
        let writes = self.entries.iter().take(before).filter_map(|entry| match entry {
            Entry::Issued(Op::Write { offset, bytes }) | Entry::Durable(Op::Write { offset, bytes }) => {
                Some((*offset, &bytes[..]))
            }
            _ => None,
        });
        let count = writes.clone().count() as u64;
        writes.into_iter().nth(chosen.checked_rem(count)? as usize)
    }
}

impl Player<'_> {
    /// Goes on to the moment when `to` things have happened.
    pub fn advance(&mut self, to: usize) {
        while self.at < to {
            let Some(entry) = self.tape.entries.get(self.at) else { break };
            self.device.play(entry);
            self.at += 1;
        }
    }

    /// What a power cut leaves at this moment. A durable write of a range that comes next is under way: it may be there in any part, as
    /// every other write.
    pub fn cut(&self, crash: Crash, seed: u64) -> Medium {
        let Some(Entry::Durable(op)) = self.tape.entries.get(self.at) else {
            return Medium(self.device.crash(crash.policy(), &mut Dice(seed)));
        };
        let mut device = self.device.clone();
        device.play(&Entry::Issued(op.clone()));
        Medium(device.crash(crash.policy(), &mut Dice(seed)))
    }
}

/// What a disk did, in numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub failed_reads: u64,
    pub failed_writes: u64,
    pub failed_syncs: u64,
    pub forgotten_syncs: u64,
    pub short_writes: u64,
    pub full: u64,
    pub lost_writes: u64,
    pub misdirected_writes: u64,
}

impl Faults {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Self {
            failed_reads,
            failed_writes,
            failed_syncs,
            forgotten_syncs,
            short_writes,
            full,
            lost_writes,
            misdirected_writes,
        } = *self;
        let refused = failed_reads + failed_writes + failed_syncs + full;
        refused + forgotten_syncs + short_writes + lost_writes + misdirected_writes
    }
}

/// A call that failed, or did something else than it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    pub on: On,
    pub fault: Fault,
    pub offset: u64,
    /// Bytes that were to be written.
    pub length: usize,
    /// Where a write went that lost its way.
    pub elsewhere: Option<usize>,
}

impl Met {
    fn of(met: fault::Met) -> Self {
        let fault::Met { on, failure, offset, length, elsewhere } = met;
        let on = match on {
            Call::Read => On::Read,
            Call::Write => On::Write,
            Call::Sync => On::Sync,
            Call::SetLen => On::Resize,
        };
        let fault = match failure {
            Failure::Io => Fault::Error,
            Failure::NoSpace => Fault::Full,
            Failure::Short => Fault::Short,
            Failure::LostSync => Fault::Forgotten,
            Failure::LostWrite => Fault::Lost,
            Failure::Misdirected => Fault::Misdirected,
        };
        Self { on, fault, offset, length, elsewhere }
    }
}

/// A disk with these bytes; it is recorded. `direct`: it offers durable writes of single ranges.
pub fn disk(seed: u64, medium: &Medium, direct: bool) -> Disk {
    let file = FaultFile::on(medium.0.clone(), FaultPlan { direct, ..FaultPlan::default() });
    file.record();
    Disk::of(seed, file)
}

impl Disk {
    pub(super) fn roll(&self) -> u64 {
        self.shared.roll()
    }

    #[doc(hidden)]
    pub fn tape(&self, start: &Medium) -> Tape {
        Tape { start: start.0.clone(), entries: self.shared.file.journal() }
    }

    #[doc(hidden)]
    pub fn happened(&self) -> usize {
        self.shared.file.happened()
    }

    #[doc(hidden)]
    pub fn medium(&self) -> Medium {
        Medium(self.shared.file.current())
    }

    #[doc(hidden)]
    pub fn heal(&self) {
        self.shared.file.heal();
    }

    /// The calls that failed, in their order.
    #[doc(hidden)]
    pub fn met(&self) -> Vec<Met> {
        self.shared.file.met().into_iter().map(Met::of).collect()
    }

    #[doc(hidden)]
    pub fn faults(&self) -> Faults {
        let Fired {
            failed_reads,
            failed_writes,
            failed_syncs,
            forgotten_syncs,
            short_writes,
            full,
            lost_writes,
            misdirected_writes,
        } = self.shared.file.fired();
        Faults {
            failed_reads,
            failed_writes,
            failed_syncs,
            forgotten_syncs,
            short_writes,
            full,
            lost_writes,
            misdirected_writes,
        }
    }
}

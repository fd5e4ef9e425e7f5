//! An open database below the typed layer, and the thread that works for it.

use super::evictor::Evictor;
use super::nesting::{self, Nesting};
use super::options::{default_memory, fill_random, split};
use super::pinned::Pin;
use super::serving::Serving;
use super::{Background, EngineOptions, Snapshot, WriteTxn};
use crate::check::Progress;
use crate::ckpt::{self, Base, Counts};
use crate::compact::{self, Compacted};
use crate::error::{Error, ErrorKind, Result};
use crate::recover::{self, OpenParameters, Opened};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::thread::JoinHandle;
use crate::sync::{Condvar, Mutex};
use crate::tree::{MAX_NODE, Memory};
use crate::txn::{Pipeline, WriterTurn};
use crate::vfs::{Overlay, Owner, Storage};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// Deferred commits gather for this long before the background thread makes them durable.
const GATHER: Duration = Duration::from_millis(20);

/// An open database. Clones share it.
#[derive(Clone)]
pub(crate) struct Engine {
    shared: Arc<Shared>,
}

/// What handles, transactions and the background thread share.
pub(crate) struct Core {
    pub(super) base: Base,
    pub(super) pipeline: Pipeline,
    pub(super) turn: Arc<WriterTurn>,
    pub(super) options: EngineOptions,
    signal: Signal,
    pub(super) evictor: Evictor,
    closed: AtomicBool,
    /// Held by whoever closes, until it is decided: one that gives up must not let others in beside one that goes on.
    closing: Mutex<()>,
    /// The process whose threads these are.
    owner: Owner,
    /// The newest commit when the file was opened.
    opened_at: u64,
    /// Whether the log held commits that no checkpoint of this session has written since.
    recovered: AtomicBool,
    /// Keeps the checkpoint that this reads, if it reads one alone.
    _pin: Option<Pin>,
}

/// A core whose thread ends with the last handle.
pub(crate) struct Shared {
    core: Arc<Core>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Whether the thread was started, or none is wanted: saves the lock.
    started: AtomicBool,
}

impl Deref for Shared {
    type Target = Arc<Core>;

    fn deref(&self) -> &Arc<Core> {
        &self.core
    }
}

#[derive(Default)]
struct Signal {
    state: Mutex<Wanted>,
    /// Wakes the thread.
    work: Condvar,
    /// Wakes who waits for it.
    done: Condvar,
    /// Whether the thread knows of unflushed commits: saves the lock for each of them.
    unflushed: AtomicBool,
}

#[derive(Default)]
struct Wanted {
    /// Checkpoints asked for, and ended.
    asked: u64,
    ended: u64,
    /// How the last one ended.
    result: Option<Error>,
    stop: bool,
}

impl Wanted {
    /// Asks for a checkpoint, if none is asked for that has not ended: the number of the one to wait for, and whether it is a new one.
    fn ask(&mut self) -> (u64, bool) {
        let new = self.asked == self.ended;
        self.asked += u64::from(new);
        (self.asked, new)
    }
}

impl Engine {
    /// Opens a file, or makes one if the storage is empty.
    pub(crate) fn open(storage: Arc<dyn Storage>, options: EngineOptions) -> Result<Self> {
        let mut random = [0; 24];
        fill_random(&options, &mut random)?;
        let (file_id, salt) = split(random);
        let storage: Arc<dyn Storage> = if options.read_only {
            let empty = storage.len().map_err(|error| Error::io("opening the file", error))? == 0;
            if empty {
                return Err(Error::new(
                    ErrorKind::NotADatabase,
                    "the file is empty, and a read-only open makes nothing",
                ));
            }
            Arc::new(Overlay::new(storage).map_err(|error| Error::io("opening the file", error))?)
        } else {
            storage
        };
        let EngineOptions { block_size, page_size, log_size, existing, reserve, .. } = options;
        let budget = options.memory.unwrap_or_else(default_memory).max(LEAST_MEMORY);
        let memory = Memory { largest: MAX_NODE, budget, reserve };
        let parameters = OpenParameters { block_size, page_size, log_size, file_id, existing, memory };
        let mut opened = recover::open(storage, &parameters)?;
        opened.base.appliers = AtomicUsize::new(options.appliers());
        let salts_full = opened.base.superblock.lock().salts.len() + 1 >= crate::format::MAX_SALTS;
        let core = Core::new(opened, salt, options, None);
        if salts_full && !core.options.read_only {
            // Makes room for this session's salt: many crashes in a row without a checkpoint.
            ckpt::run(&core.base)?;
        }
        if core.has_work() {
            Evictor::watch(&core);
        }
        Ok(Self { shared: Arc::new(Shared::new(core)) })
    }

    /// A snapshot of what is visible now.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        self.shared.check_open()?;
        Snapshot::new(&self.shared)
    }

    /// A snapshot of what is visible now that reads the checkpoint which it writes: it holds back space in the file, and no memory.
    pub(crate) fn pinned_snapshot(&self) -> Result<Snapshot> {
        self.checkpoint()?;
        if self.read_only() {
            // Nobody writes, so nothing is held back.
            return self.snapshot();
        }
        let (pin, superblock) = Pin::new(&self.shared)?;
        let base = &self.shared.base;
        let budget = (base.pager.pool.budget() / PINNED_SHARE).max(LEAST_MEMORY);
        let memory = Memory { largest: MAX_NODE, budget, reserve: self.shared.options.reserve };
        let opened = recover::open_checkpoint(Arc::clone(&base.pager.storage), superblock, memory)?;
        let options = EngineOptions { read_only: true, ..self.shared.options };
        let core = Core::new(opened, 0, options, Some(pin));
        Snapshot::new(&Arc::new(Shared::new(core)))
    }

    /// Begins an exclusive write transaction, when the one before is sequenced.
    pub(crate) fn begin(&self) -> Result<WriteTxn> {
        nesting::check(self.address())?;
        self.begin_within()
    }

    /// Notes that this thread runs a write closure.
    pub(crate) fn enter(&self) -> Result<Nesting> {
        Nesting::enter(self.address())
    }

    fn address(&self) -> usize {
        Arc::as_ptr(&self.shared.core).addr()
    }

    /// Counts a transaction that is run again.
    pub(crate) fn note_retry(&self) {
        Counts::add(&self.shared.base.counts.retries, 1);
    }

    /// [`begin`](Self::begin) for the closure that this thread runs.
    pub(crate) fn begin_within(&self) -> Result<WriteTxn> {
        self.shared.check_open()?;
        if self.read_only() {
            return Err(Error::new(ErrorKind::ReadOnly, "the database was opened for reading only"));
        }
        self.shared.start_thread()?;
        WriteTxn::begin(&self.shared)
    }

    /// Begins a write transaction that waits for nobody, and is validated when it commits.
    pub(crate) fn begin_optimistic(&self) -> Result<WriteTxn> {
        self.shared.check_open()?;
        if self.read_only() {
            return Err(Error::new(ErrorKind::ReadOnly, "the database was opened for reading only"));
        }
        self.shared.turn.check_nesting()?;
        self.shared.start_thread()?;
        WriteTxn::begin_optimistic(&self.shared)
    }

    pub(super) fn check_open(&self) -> Result<()> {
        self.shared.check_open()
    }

    /// Writes everything committed so far into the trees on disk.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        self.shared.check_open()?;
        if self.read_only() {
            return Ok(());
        }
        ckpt::run_and_shrink(&self.shared.base, false)
    }

    /// 16 bytes that no other database or backup has.
    pub(super) fn fresh_id(&self) -> Result<[u8; 16]> {
        let mut random = [0; 24];
        fill_random(&self.shared.options, &mut random)?;
        // Seeded ones are always the same.
        let generation = self.base().generation.load(Ordering::Acquire);
        Ok(xxhash_rust::xxh3::xxh3_128_with_seed(&random, generation).to_le_bytes())
    }

    /// Makes the file shorter, beside readers and writers.
    pub(crate) fn compact(&self, tell: &mut dyn FnMut(Progress)) -> Result<Compacted> {
        self.shared.check_open()?;
        if self.read_only() {
            return Err(Error::new(ErrorKind::ReadOnly, "the database was opened for reading only"));
        }
        compact::run(&self.shared.base, tell)
    }

    /// Makes deferred and buffered commits durable.
    pub(crate) fn flush(&self) -> Result<()> {
        self.shared.check_open()?;
        if !self.read_only() {
            self.shared.settle_visible()?;
        }
        self.shared.flush()
    }

    /// Waits for the write transactions that run, writes a last checkpoint, and refuses all later use.
    pub(crate) fn close(&self) -> Result<()> {
        self.shared.check_open()?;
        self.shared.check_owner()?;
        nesting::check(self.address())?;
        {
            let _closing = self.shared.closing.lock();
            self.shared.check_open()?;
            self.shared.turn.close()?;
            self.shared.pipeline.close(&self.shared.turn).inspect_err(|_| self.shared.turn.reopen())?;
            self.shared.closed.store(true, Ordering::Release);
        }
        self.shared.stop_thread();
        if !self.read_only() {
            self.shared.settle_recovered()?;
        }
        self.shared.core.finish()
    }

    /// Whether writing is refused.
    pub(crate) fn read_only(&self) -> bool {
        self.shared.options.read_only
    }

    /// What handles share.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// What lies below, for checks and statistics.
    pub(crate) fn base(&self) -> &Base {
        &self.shared.core.base
    }
}

impl Core {
    fn new(opened: Opened, salt: u64, options: EngineOptions, pin: Option<Pin>) -> Arc<Self> {
        let last = opened.base.registry.published();
        let recovered = opened.end.position != opened.base.superblock.lock().log_start;
        Arc::new(Self {
            base: opened.base,
            pipeline: Pipeline::new(opened.first, salt, opened.end, last),
            turn: Arc::new(WriterTurn::new(options.write_timeout)),
            options,
            signal: Signal::default(),
            evictor: Evictor::default(),
            closed: AtomicBool::new(false),
            closing: Mutex::new(()),
            owner: Owner::this_process(),
            opened_at: last,
            recovered: AtomicBool::new(recovered),
            _pin: pin,
        })
    }

    pub(super) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the database is closed"));
        }
        Ok(())
    }

    /// Fails in a child that was forked, before it waits for threads that only its parent has.
    pub(super) fn check_owner(&self) -> Result<()> {
        self.owner.check().map_err(|error| Error::io("using the database", error))
    }

    /// Before the first commit behind a recovered log, and before anything promises that what is visible is durable: what was read from the log may never have reached the device, if a sync failed and
    /// the operating system forgot it (I30). So it goes into the trees before anything is built on it. The caller has the writer's turn.
    pub(super) fn settle_recovered(&self) -> Result<()> {
        if self.recovered.load(Ordering::Relaxed) {
            ckpt::run(&self.base)?;
            self.recovered.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Before anything promises that what is visible is durable. What was found in a superblock may be in one alone on the device (I34).
    pub(super) fn settle_visible(&self) -> Result<()> {
        self.settle_recovered()?;
        ckpt::settle_slots(&self.base)
    }

    /// The last flush and checkpoint of a session. One that committed nothing leaves the file as it found it.
    fn finish(&self) -> Result<()> {
        // A compaction, a backup or somebody's checkpoint may be under way.
        self.base.close();
        if self.options.read_only || self.pipeline.sequenced() == self.opened_at {
            ckpt::settle_idle(&self.base)?;
            return self.base.poison.check();
        }
        self.pipeline.flush(&self.base)?;
        ckpt::run_and_shrink(&self.base, true)
    }

    /// Whether there is anything to do in the background.
    fn has_work(&self) -> bool {
        self.options.background == Background::Thread && !self.options.read_only
    }

    #[expect(clippy::disallowed_methods, reason = "one of the threads of a database")]
    fn start_thread(self: &Arc<Self>) -> Result<JoinHandle<()>> {
        let weak = Arc::downgrade(self);
        self.base.between_writes_do(Box::new(move || {
            if let Some(core) = weak.upgrade() {
                // A failure has poisoned the database and is reported to whoever commits next.
                let _ = core.pipeline.flush_between(&core.base);
                if core.base.pager.pool.wants_stock(ckpt::AT_HAND) {
                    Evictor::stock(&core);
                }
            }
        }));
        let core = Arc::clone(self);
        let thread = crate::sync::thread::Builder::new().name("tamarack".into()).spawn(move || core.work());
        thread.map_err(|error| Error::io("starting the background thread", error))
    }

    /// Whoever waits for the background thread looks again why. Who has not begun to wait holds the lock, or sees what has changed.
    pub(super) fn look_again(&self) {
        let _wanted = self.signal.state.lock();
        self.signal.done.notify_all();
    }

    /// The background thread: checkpoints, and flushes of deferred commits.
    fn work(self: &Arc<Self>) {
        let _serving = Serving::begin(self);
        let mut wanted = self.signal.state.lock();
        while !wanted.stop {
            if wanted.asked > wanted.ended {
                let asked = wanted.asked;
                drop(wanted);
                let result = ckpt::run(&self.base).err();
                wanted = self.signal.state.lock();
                wanted.ended = asked;
                wanted.result = result;
                self.signal.done.notify_all();
            } else if self.signal.unflushed.load(Ordering::Acquire) {
                self.signal.work.wait_for(&mut wanted, GATHER);
                self.signal.unflushed.store(false, Ordering::Release);
                drop(wanted);
                // A failure has poisoned the database and is reported to whoever commits next.
                let _ = self.flush();
                wanted = self.signal.state.lock();
            } else {
                self.signal.work.wait(&mut wanted);
            }
        }
    }

    /// Half of the log is used; or a quarter of the memory is dirty, and there was enough to do since the last checkpoint to make one more
    /// worth it.
    fn checkpoint_due(&self) -> bool {
        let (used, capacity) = (self.base.window.used(), self.base.window.capacity());
        let pool = &self.base.pager.pool;
        let (dirty, budget) = (pool.usage().dirty, pool.budget());
        used * 2 >= capacity || (dirty > budget / 4 && used * 8 >= capacity) || dirty > budget / 2
    }

    /// Before a commit is sequenced: while nodes exceed the budget by more than one batch's worth and cannot be evicted, as a
    /// checkpoint holds them or has not come to them, the writer waits (I13). Readers never do.
    pub(super) fn wait_for_memory(self: &Arc<Self>) -> Result<()> {
        let pool = &self.base.pager.pool;
        if self.base.pager.limbo_is_long() {
            self.wait_for_limbo();
        }
        let short = || pool.excess(0) > pool.budget() / 8;
        if !short() {
            return Ok(());
        }
        Counts::add(&self.base.counts.stalls, 1);
        ckpt::evict(&self.base)?;
        for _ in 0..MEMORY_TRIES {
            if !short() || pool.usage().dirty <= pool.budget() / 4 {
                break;
            }
            self.make_room()?;
            ckpt::evict(&self.base)?;
        }
        Ok(())
    }

    /// Frames on their way out need other threads to move on. Nobody stays pinned for long (I7), but with more threads than cores it takes
    /// until each of them had its turn; meanwhile this writer must not fill memory.
    fn wait_for_limbo(&self) {
        crate::buffer::about_to_wait();
        for _ in 0..LIMBO_TRIES {
            crate::buffer::pin().flush();
            if !self.base.pager.limbo_is_long() {
                return;
            }
            let mut wanted = self.signal.state.lock();
            self.signal.done.wait_for(&mut wanted, LIMBO_PAUSE);
        }
    }

    /// After a commit: late flushes and checkpoints that have become due.
    pub(super) fn after_commit(self: &Arc<Self>, deferred: bool) -> Result<()> {
        self.pass_on()?;
        let due = self.checkpoint_due();
        if self.options.background == Background::Inline {
            // A failed checkpoint leaves the commit as it is; the next one tries again, and says so when the log is full.
            // A simulation commits within a checkpoint, too.
            if due && self.base.superblock.try_lock().is_some() {
                let _ = ckpt::run(&self.base);
            }
            return self.base.poison.check();
        }
        if due {
            let mut wanted = self.signal.state.lock();
            if wanted.ask().1 {
                self.signal.work.notify_one();
            }
        }
        if deferred && !self.signal.unflushed.swap(true, Ordering::AcqRel) {
            let _wanted = self.signal.state.lock();
            self.signal.work.notify_one();
        }
        Ok(())
    }

    /// Makes everything sequenced so far durable and visible.
    pub(super) fn flush(self: &Arc<Self>) -> Result<()> {
        self.pipeline.flush(&self.base)?;
        self.pass_on()
    }

    /// Waits until everything up to a timestamp is visible.
    pub(super) fn wait_visible(self: &Arc<Self>, timestamp: u64) -> Result<()> {
        self.pipeline.wait_visible(&self.base, timestamp)?;
        self.pass_on()
    }

    /// After having led: commits that came meanwhile, and that nobody waits for, find their leader. Not the thread that writes checkpoints, which take
    /// seconds.
    fn pass_on(self: &Arc<Self>) -> Result<()> {
        if !self.pipeline.wants_driver() {
            return Ok(());
        }
        if self.options.background == Background::Thread && Evictor::drive(self) {
            return Ok(());
        }
        self.pipeline.drive(&self.base)
    }

    /// Makes room in the log: whoever finds it full waits for the checkpoint that runs, or else for one of its own. It may come again.
    pub(super) fn make_room(self: &Arc<Self>) -> Result<()> {
        crate::buffer::about_to_wait();
        self.check_owner()?;
        self.flush()?;
        if self.options.background == Background::Inline {
            return ckpt::run(&self.base);
        }
        let mut wanted = self.signal.state.lock();
        // One that runs now may have captured too early for all that is asked for; but most often the room that it makes is enough, and another one would
        // begin only when it ends.
        let (awaited, own) = wanted.ask();
        if own {
            self.signal.work.notify_one();
        }
        while wanted.ended < awaited {
            if wanted.stop {
                return Err(Error::new(ErrorKind::Closed, "the database is closed"));
            }
            // Its thread may have ended with the failure.
            self.base.poison.check()?;
            self.signal.done.wait(&mut wanted);
        }
        // Another's failure is not this one's answer.
        wanted.result.as_ref().filter(|_| own).map_or(Ok(()), |error| Err(error.duplicate()))
    }
}

impl Shared {
    fn new(core: Arc<Core>) -> Self {
        let started = AtomicBool::new(!core.has_work());
        Self { core, thread: Mutex::new(None), started }
    }

    /// Starts the background thread, if it is not there: with the first transaction that writes, so that opening is quick and a program that only
    /// reads has no threads.
    fn start_thread(&self) -> Result<()> {
        // In a child that was forked nothing can be written, and this is no place to say so.
        if self.started.load(Ordering::Acquire) || !self.owner.is_here() {
            return Ok(());
        }
        let mut thread = self.thread.lock();
        if !self.started.load(Ordering::Acquire) {
            *thread = Some(self.core.start_thread()?);
            self.started.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn stop_thread(&self) {
        self.evictor.stop();
        self.signal.state.lock().stop = true;
        self.signal.work.notify_all();
        self.signal.done.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            // It ends by itself even if it panicked.
            let _ = thread.join();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !self.owner.is_here() {
            // The file and its threads are the parent's.
            return;
        }
        self.stop_thread();
        // I37: best effort. Everything that was acknowledged as durable is in the log.
        if !self.closed.load(Ordering::Acquire) && !crate::sync::thread::panicking() {
            let _ = self.core.finish();
        }
    }
}

/// Checkpoints that a writer waits for while memory is short: another thread that holds leaves may have lost its core meanwhile.
const MEMORY_TRIES: usize = 5;
/// How often, and for how long at a time, a commit waits for frames on their way out before it goes on regardless.
const LIMBO_TRIES: usize = 50;
const LIMBO_PAUSE: Duration = Duration::from_micros(100);

/// A reader of a checkpoint alone has memory of its own, this part of the budget.
const PINNED_SHARE: u64 = 16;

/// Memory for nodes is never less than this: a few of the largest, and the path to them. Shuttle's schedules have small ones.
const LEAST_MEMORY: u64 = if cfg!(shuttle) { 1 << 10 } else { 16 << 10 };

#[cfg(test)]
mod tests {
    use super::{Engine, EngineOptions, Wanted};
    use crate::vfs::MemoryFile;
    use std::sync::Arc;

    #[test]
    fn who_only_reads_has_no_thread() {
        let engine = Engine::open(Arc::new(MemoryFile::default()), EngineOptions::default()).unwrap();
        drop(engine.snapshot().unwrap());
        let has_thread = || engine.shared.thread.lock().is_some();
        assert!(!has_thread());
        drop(engine.begin().unwrap());
        assert!(has_thread());
        engine.close().unwrap();
        assert!(!has_thread());
    }

    /// Whoever found the log full during a checkpoint used to wait for that one and for one more.
    #[test]
    fn who_needs_room_waits_for_the_checkpoint_that_runs() {
        let mut wanted = Wanted::default();
        assert_eq!(wanted.ask(), (1, true));
        assert_eq!(wanted.ask(), (1, false), "it has not ended");
        wanted.ended = 1;
        assert_eq!(wanted.ask(), (2, true), "what it made room for was not enough");
    }
}

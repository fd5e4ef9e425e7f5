//! The disk as programs under test hold it.

use crate::engine::Background;
use crate::error::Result;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::typed::{Database, Options, Schema};
use crate::vfs::Storage;
use crate::vfs::fault::{Call, CrashPolicy, Dice, Failure, FaultFile, FaultPlan, Waiting, gone};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// What of the bytes that were not synced a power cut keeps.
///
/// ```
/// use tamarack::simulate::Crash;
/// assert_eq!(Crash::any(7), Crash::any(7));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Crash {
    /// All of them: as if the process had ended alone.
    KeepAll,
    /// None.
    DropAll,
    /// Those of the first writes, up to a random one, which is torn.
    Prefix,
    /// Each sector by a coin; some are torn at a random byte.
    Sectors,
    /// Those of all writes but one.
    AllButOne,
    /// Those of one write.
    OnlyOne,
    /// Those of some writes, in another order.
    Shuffled,
    /// Each sector by a coin; some hold bytes that nobody wrote.
    Garbage,
}

impl Crash {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::KeepAll,
        Self::DropAll,
        Self::Prefix,
        Self::Sectors,
        Self::AllButOne,
        Self::OnlyOne,
        Self::Shuffled,
        Self::Garbage,
    ];

    /// A kind that follows from a seed.
    ///
    /// ```
    /// let kinds: Vec<_> = (0..8).map(tamarack::simulate::Crash::any).collect();
    /// assert!(kinds.iter().any(|kind| *kind != kinds[0]));
    /// ```
    #[must_use]
    pub fn any(seed: u64) -> Self {
        let chosen = Dice(seed).roll(Self::ALL.len() as u64);
        Self::ALL.get(chosen as usize).copied().unwrap_or(Self::DropAll)
    }

    pub(super) fn policy(self) -> CrashPolicy {
        match self {
            Self::KeepAll => CrashPolicy::KeepAll,
            Self::DropAll => CrashPolicy::DropAll,
            Self::Prefix => CrashPolicy::Prefix,
            Self::Sectors => CrashPolicy::Random,
            Self::AllButOne => CrashPolicy::AllButOne,
            Self::OnlyOne => CrashPolicy::OnlyOne,
            Self::Shuffled => CrashPolicy::Shuffled,
            Self::Garbage => CrashPolicy::Garbage,
        }
    }
}

/// How a call of the disk fails.
///
/// ```
/// use tamarack::simulate::{Disk, Fault, On};
/// let disk = Disk::new(1);
/// disk.fail(On::Sync, 0, Fault::Forgotten);
/// assert!(disk.open::<()>(tamarack::Options::new()).is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An I/O error; nothing was done.
    Error,
    /// The device is full.
    Full,
    /// A write ends in an error after a part of it, of any length.
    Short,
    /// A sync fails, and the system forgets what it was for, as Linux does: readers still see it, no later sync makes it durable, and a
    /// power cut loses it.
    Forgotten,
    /// A write is reported as done and never happens. No database can make that good; this one notices, or has only lost the end of its log.
    Lost,
    /// A write is reported as done and lands elsewhere. As `Lost`.
    Misdirected,
    /// From this call on all calls fail: the process has ended. [`Disk::open`] starts the next one.
    Gone,
}

/// The kind of call that a [`Fault`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum On {
    /// A read.
    Read,
    /// A write.
    Write,
    /// A sync.
    Sync,
    /// A change of the file's length.
    Resize,
}

/// A disk in memory that holds one database file. Clones are the same disk. See the [module](super).
///
/// ```
/// use tamarack::simulate::{Crash, Disk};
/// let disk = Disk::new(42);
/// let db = disk.open::<()>(tamarack::Options::new().log_size(256 << 10))?;
/// disk.cut_power(Crash::Sectors);
/// // That process has ended; the next one finds the file as the power cut left it.
/// assert!(db.checkpoint().is_err());
/// let db = disk.open::<()>(tamarack::Options::new())?;
/// db.check()?;
/// # Ok::<(), tamarack::Error>(())
/// ```
#[derive(Clone)]
pub struct Disk {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) file: FaultFile,
    /// The process that runs; calls of earlier ones fail.
    process: AtomicU64,
    dice: Mutex<Dice>,
}

impl Shared {
    pub(super) fn roll(&self) -> u64 {
        self.dice.lock().roll(u64::MAX)
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

impl Disk {
    /// An empty disk. Everything that happens on it follows from the seed and from what is done.
    ///
    /// ```
    /// let disk = tamarack::simulate::Disk::new(42);
    /// assert_eq!(disk.calls(), 0);
    /// ```
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::holding(seed, &[])
    }

    /// A disk whose file holds these bytes.
    ///
    /// ```
    /// let disk = tamarack::simulate::Disk::holding(42, b"a letter");
    /// let error = disk.open::<()>(tamarack::Options::new()).unwrap_err();
    /// assert_eq!(error.kind(), tamarack::ErrorKind::NotADatabase);
    /// ```
    #[must_use]
    pub fn holding(seed: u64, bytes: &[u8]) -> Self {
        let file = FaultFile::from_image(bytes.to_vec(), FaultPlan::default());
        Self::of(seed, file)
    }

    pub(super) fn of(seed: u64, file: FaultFile) -> Self {
        Self { shared: Arc::new(Shared { file, process: AtomicU64::new(0), dice: Mutex::new(Dice(seed)) }) }
    }

    /// Starts a process: opens the database on the disk, or creates it. What an earlier process still holds fails from now on, as if that
    /// process had been killed. The database starts no threads and takes its salts from the disk's seed.
    ///
    /// ```
    /// # use tamarack::simulate::Disk;
    /// let disk = Disk::new(42);
    /// let db = disk.open::<()>(tamarack::Options::new())?;
    /// db.close()?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Database::open_with`], except that the file is never locked.
    pub fn open<S: Schema>(&self, mut options: Options) -> Result<Database<S>> {
        options.check()?;
        options.engine.background = Background::Inline;
        options.engine.seed = Some(self.shared.roll());
        Database::on(self.process(), options)
    }

    /// The storage of a new process.
    pub(super) fn process(&self) -> Arc<dyn Storage> {
        let number = self.shared.process.fetch_add(1, Ordering::Relaxed) + 1;
        // A fault that ended the last process does not end this one.
        self.shared.file.revive();
        Arc::new(Process { disk: Arc::clone(&self.shared), number })
    }

    /// Ends the process: every call that it makes from now on fails. What it has written stays with the operating system.
    ///
    /// ```
    /// # use tamarack::{Durability, TableDef, simulate::Disk};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// let disk = Disk::new(42);
    /// let db = disk.open::<()>(tamarack::Options::new())?;
    /// db.write_with(Durability::Buffered, |tx| tx.open_table(&HITS)?.insert("/", 1))?;
    /// disk.kill();
    /// drop(db);
    /// let db = disk.open::<()>(tamarack::Options::new())?;
    /// assert_eq!(db.read(|tx| tx.open_table(&HITS)?.get("/"))?, Some(1));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn kill(&self) {
        self.shared.process.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends the process and cuts the power: of what was not synced, the disk keeps what `crash` says. Which bytes these are follows
    /// from the seed. Faults that wait are forgotten.
    ///
    /// ```
    /// # use tamarack::simulate::{Crash, Disk};
    /// let disk = Disk::new(42);
    /// let db = disk.open::<()>(tamarack::Options::new())?;
    /// disk.cut_power(Crash::DropAll);
    /// drop(db);
    /// disk.open::<()>(tamarack::Options::new())?.check()?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn cut_power(&self, crash: Crash) {
        self.kill();
        self.shared.file.heal();
        let seed = self.shared.roll();
        self.shared.file.restart(crash.policy(), seed);
    }

    /// Lets a call fail: the first one of this kind, `after` calls of any kind from now. Several can wait.
    ///
    /// ```
    /// # use tamarack::{ErrorKind, TableDef, simulate::{Disk, Fault, On}};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// let disk = Disk::new(42);
    /// let db = disk.open::<()>(tamarack::Options::new())?;
    /// disk.fail(On::Write, 0, Fault::Full);
    /// let failed = db.write(|tx| tx.open_table(&HITS)?.insert("/", 1)).unwrap_err();
    /// assert_eq!(failed.kind(), ErrorKind::StorageFull);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn fail(&self, on: On, after: u64, fault: Fault) {
        let from = self.shared.file.calls() + after;
        let failure = match fault {
            Fault::Gone => return self.shared.file.stop_at(from),
            Fault::Error => Failure::Io,
            Fault::Full => Failure::NoSpace,
            Fault::Short => Failure::Short,
            Fault::Forgotten => Failure::LostSync,
            Fault::Lost => Failure::LostWrite,
            Fault::Misdirected => Failure::Misdirected,
        };
        let on = match on {
            On::Read => Call::Read,
            On::Write => Call::Write,
            On::Sync => Call::Sync,
            On::Resize => Call::SetLen,
        };
        self.shared.file.fail(Waiting { from, on, failure });
    }

    /// How long the file may become; `None`: as long as it likes.
    ///
    /// ```
    /// # use tamarack::{Options, simulate::Disk};
    /// let disk = Disk::new(42);
    /// disk.limit(Some(100 << 10));
    /// let error = disk.open::<()>(Options::new()).unwrap_err();
    /// assert_eq!(error.kind(), tamarack::ErrorKind::StorageFull);
    /// disk.limit(None);
    /// disk.open::<()>(Options::new())?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn limit(&self, bytes: Option<u64>) {
        self.shared.file.set_capacity(bytes);
    }

    /// Changes bytes of the file behind the database's back: rot. `change` gets all of them, and may cut or extend them.
    ///
    /// ```
    /// # use tamarack::{Options, simulate::Disk};
    /// let disk = Disk::new(42);
    /// disk.open::<()>(Options::new())?.close()?;
    /// disk.damage(|bytes| bytes.truncate(100_000));
    /// let error = disk.open::<()>(Options::new()).unwrap_err();
    /// assert_eq!(error.kind(), tamarack::ErrorKind::Truncated);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn damage(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.bytes();
        change(&mut bytes);
        self.shared.file.damage(|image| {
            image.resize(bytes.len());
            image.put(0, &bytes);
        });
    }

    /// The file as a process sees it now.
    ///
    /// ```
    /// assert!(tamarack::simulate::Disk::new(42).bytes().is_empty());
    /// ```
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.shared.file.image()
    }

    /// Calls so far: reads, writes, syncs and changes of length.
    ///
    /// ```
    /// # use tamarack::{Options, simulate::Disk};
    /// let disk = Disk::new(42);
    /// disk.open::<()>(Options::new())?;
    /// assert!(disk.calls() > 10);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.shared.file.calls()
    }

    /// The disk's own clock: how long its calls would have taken on a fast device. Nothing waits for it.
    ///
    /// ```
    /// # use tamarack::{Options, simulate::Disk};
    /// let disk = Disk::new(42);
    /// disk.open::<()>(Options::new())?;
    /// assert!(disk.elapsed().as_micros() > 0);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_micros(self.shared.file.clock())
    }

    /// A number that follows from every call so far and from every byte written: the same after two runs with the same seed.
    ///
    /// ```
    /// # use tamarack::{Options, simulate::Disk};
    /// let run = || -> tamarack::Result<u64> {
    ///     let disk = Disk::new(42);
    ///     disk.open::<()>(Options::new())?.close()?;
    ///     Ok(disk.trace())
    /// };
    /// assert_eq!(run()?, run()?);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.shared.file.trace()
    }
}

/// The file as one process sees it.
struct Process {
    disk: Arc<Shared>,
    number: u64,
}

impl Process {
    fn file(&self) -> io::Result<&FaultFile> {
        if self.disk.process.load(Ordering::Relaxed) == self.number { Ok(&self.disk.file) } else { Err(gone()) }
    }
}

impl Storage for Process {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        super::raw::pause_at_read();
        self.file()?.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file()?.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        super::raw::pause_at_sync();
        self.file()?.sync()?;
        super::raw::pause_at_sync();
        Ok(())
    }

    fn write_durable(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        self.file()?.write_durable(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.file()?.len()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file()?.set_len(length)
    }
}

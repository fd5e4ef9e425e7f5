//! The fault-injecting twin: a file in memory that knows which bytes are durable.
//!
//! It counts every call, can fail any of them in the ways that devices and file systems fail, can fill up, and can stop dead. After a
//! crash it gives an image of what may be found: any subset of the sectors written since the last sync that reached the device, whole
//! or torn. Everything follows from the seed. It notes what happened to it, so that one session can be cut at many places.

#![cfg_attr(
    not(all(test, feature = "simulate")),
    allow(dead_code, reason = "the store's tests and simulations use different parts")
)]

mod crash;
mod image;

pub(crate) use crash::{CrashPolicy, Device, Dice, Entry, Op};
pub(crate) use image::Image;

use super::Storage;
use crate::sync::Mutex;
use std::io;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const SECTOR: u64 = 512;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// An I/O error.
    Io,
    /// No space left on the device.
    NoSpace,
    /// A write that got part of the way before the error.
    Short,
    /// A sync fails, and what it was for is forgotten by the operating system: readers still see it, but no later sync will make it durable.
    LostSync,
    /// A write that is reported as done and never happened.
    LostWrite,
    /// A write that is reported as done and went to another place.
    Misdirected,
}

/// Kinds of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    Sync,
    SetLen,
}

/// A failure that waits for a call of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// The first call that it may meet.
    pub(crate) from: u64,
    pub(crate) on: Call,
    pub(crate) failure: Failure,
}

/// When calls fail. Calls are numbered from 0: every read, write, sync and change of length is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FaultPlan {
    /// This call fails in this way.
    pub(crate) fail: Option<(u64, Failure)>,
    /// Whether all calls behind it fail in the same way.
    pub(crate) sticky: bool,
    /// From this call on every call fails: the process is gone.
    pub(crate) stop: Option<u64>,
    /// Writes beyond this length find the device full.
    pub(crate) capacity: Option<u64>,
    /// Whether durable writes of single ranges are offered.
    pub(crate) direct: bool,
}

/// Times that each kind of call failed in each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fired {
    pub(crate) failed_reads: u64,
    pub(crate) failed_writes: u64,
    pub(crate) failed_syncs: u64,
    pub(crate) forgotten_syncs: u64,
    pub(crate) short_writes: u64,
    pub(crate) full: u64,
    pub(crate) lost_writes: u64,
    pub(crate) misdirected_writes: u64,
}

/// A call that failed, or did something else than it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Met {
    pub(crate) on: Call,
    pub(crate) failure: Failure,
    pub(crate) offset: u64,
    /// Bytes that were to be written.
    pub(crate) length: usize,
    /// Where a write went that lost its way.
    pub(crate) elsewhere: Option<usize>,
}

/// See the module.
pub(crate) struct FaultFile(Mutex<State>);

struct State {
    current: Image,
    device: Device,
    plan: FaultPlan,
    waiting: Vec<Waiting>,
    fired: Fired,
    met: Vec<Met>,
    calls: u64,
    syncs: u64,
    /// Microseconds that the calls have taken.
    clock: u64,
    /// A number that follows from every call so far and its bytes.
    trace: u64,
    /// What happened since [`FaultFile::record`].
    journal: Option<Vec<Entry>>,
}

impl FaultFile {
    /// A file that holds these bytes, all of them durable.
    #[must_use]
    pub(crate) fn from_image(image: Vec<u8>, plan: FaultPlan) -> Self {
        Self::on(Image::from_bytes(&image), plan)
    }

    /// The same for a shared image.
    #[must_use]
    pub(crate) fn on(image: Image, plan: FaultPlan) -> Self {
        Self(Mutex::new(State {
            device: Device::new(image.clone()),
            current: image,
            plan,
            waiting: Vec::new(),
            fired: Fired::default(),
            met: Vec::new(),
            calls: 0,
            syncs: 0,
            clock: 0,
            trace: 0,
            journal: None,
        }))
    }

    /// Begins to note what happens.
    pub(crate) fn record(&self) {
        self.0.lock().journal.get_or_insert_default();
    }

    /// What happened since then.
    pub(crate) fn journal(&self) -> Vec<Entry> {
        self.0.lock().journal.clone().unwrap_or_default()
    }

    /// How much happened since then.
    pub(crate) fn happened(&self) -> usize {
        self.0.lock().journal.as_ref().map_or(0, Vec::len)
    }

    /// Calls so far.
    #[must_use]
    pub(crate) fn calls(&self) -> u64 {
        self.0.lock().calls
    }

    /// Syncs so far.
    #[must_use]
    pub(crate) fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    /// Microseconds of the device's own clock.
    #[must_use]
    pub(crate) fn clock(&self) -> u64 {
        self.0.lock().clock
    }

    /// A number that follows from every call so far and its bytes.
    #[must_use]
    pub(crate) fn trace(&self) -> u64 {
        self.0.lock().trace
    }

    /// How often calls failed.
    #[must_use]
    pub(crate) fn fired(&self) -> Fired {
        self.0.lock().fired
    }

    /// Which calls these were, in their order.
    #[must_use]
    pub(crate) fn met(&self) -> Vec<Met> {
        self.0.lock().met.clone()
    }

    /// Adds a failure that waits for a call.
    pub(crate) fn fail(&self, waiting: Waiting) {
        self.0.lock().waiting.push(waiting);
    }

    /// From this call on every call fails.
    pub(crate) fn stop_at(&self, call: u64) {
        self.0.lock().plan.stop = Some(call);
    }

    /// Ends that.
    pub(crate) fn revive(&self) {
        self.0.lock().plan.stop = None;
    }

    /// Forgets the failures that still wait.
    pub(crate) fn heal(&self) {
        self.0.lock().waiting.clear();
    }

    /// Replaces the plan; call numbers go on.
    pub(crate) fn set_plan(&self, plan: FaultPlan) {
        self.0.lock().plan = plan;
    }

    /// Writes beyond this length find the device full.
    pub(crate) fn set_capacity(&self, capacity: Option<u64>) {
        self.0.lock().plan.capacity = capacity;
    }

    /// Changes the bytes on the device behind everybody's back. No call is counted.
    pub(crate) fn damage(&self, change: impl Fn(&mut Image)) {
        let mut state = self.0.lock();
        change(&mut state.current);
        change(&mut state.device.durable);
    }

    /// The power fails and comes back. What was noted so far is forgotten.
    pub(crate) fn restart(&self, policy: CrashPolicy, seed: u64) {
        let image = Image::clone(&self.crash_image(policy, seed));
        let mut state = self.0.lock();
        state.current = image.clone();
        state.device = Device::new(image);
        state.journal = None;
    }

    /// What readers see now, to share.
    #[must_use]
    pub(crate) fn current(&self) -> Image {
        self.0.lock().current.clone()
    }

    /// What readers see now.
    #[must_use]
    pub(crate) fn image(&self) -> Vec<u8> {
        self.0.lock().current.to_bytes()
    }

    /// What the next start finds after a crash now.
    #[must_use]
    pub(crate) fn crash(&self, policy: CrashPolicy, seed: u64) -> Vec<u8> {
        self.crash_image(policy, seed).to_bytes()
    }

    fn crash_image(&self, policy: CrashPolicy, seed: u64) -> Image {
        self.0.lock().device.crash(policy, &mut Dice(seed))
    }
}

impl State {
    /// Counts a call and says how it fails, if it does.
    fn call(&mut self, call: Call, offset: u64, bytes: &[u8]) -> Result<Option<Failure>, io::Error> {
        let number = self.calls;
        self.calls += 1;
        // A fast device: what matters is the order.
        self.clock += match call {
            Call::Read => 80,
            Call::Write | Call::SetLen => 20,
            Call::Sync => 300,
        };
        self.trace = xxh3_64_with_seed(&offset.to_le_bytes(), self.trace ^ call as u64);
        if call == Call::Write {
            self.trace = xxh3_64_with_seed(bytes, self.trace);
        }
        if self.plan.stop.is_some_and(|stop| number >= stop) {
            return Err(gone());
        }
        let planned = self.plan.fail.filter(|&(at, _)| number == at || (self.plan.sticky && number > at));
        let failure = planned.map(|(_, failure)| failure).or_else(|| {
            let due = self.waiting.iter().position(|waiting| waiting.on == call && waiting.from <= number)?;
            Some(self.waiting.swap_remove(due).failure)
        });
        if let Some(failure) = failure {
            self.count(call, failure);
            self.met.push(Met { on: call, failure, offset, length: bytes.len(), elsewhere: None });
        }
        Ok(failure)
    }

    fn count(&mut self, call: Call, failure: Failure) {
        let fired = &mut self.fired;
        let counter = match (failure, call) {
            (Failure::Io, Call::Read) => &mut fired.failed_reads,
            (Failure::Io | Failure::LostSync, Call::Write | Call::SetLen) => &mut fired.failed_writes,
            (Failure::LostSync, Call::Sync) => &mut fired.forgotten_syncs,
            (Failure::Short, Call::Write) => &mut fired.short_writes,
            (Failure::NoSpace, Call::Write | Call::SetLen) => &mut fired.full,
            (Failure::LostWrite, Call::Write) => &mut fired.lost_writes,
            (Failure::Misdirected, Call::Write) => &mut fired.misdirected_writes,
            (_, Call::Sync) => &mut fired.failed_syncs,
            (_, Call::Read) => &mut fired.failed_reads,
            (_, Call::SetLen) => &mut fired.failed_writes,
        };
        *counter += 1;
    }

    fn room(&mut self, on: Call, offset: usize, length: usize) -> io::Result<()> {
        let end = offset + length;
        match self.plan.capacity {
            Some(capacity) if end as u64 > capacity && end > self.current.len() => {
                self.fired.full += 1;
                let (failure, offset) = (Failure::NoSpace, offset as u64);
                self.met.push(Met { on, failure, offset, length, elsewhere: None });
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn write_through(&mut self, offset: usize, bytes: &[u8]) {
        self.current.put(offset, bytes);
        self.happen(Entry::Durable(Op::Write { offset, bytes: bytes.into() }));
    }

    /// Where a write goes that loses its way.
    fn elsewhere(&mut self) -> io::Result<usize> {
        let sectors = (self.current.len() as u64 / SECTOR).max(1);
        let elsewhere = place(Dice(self.trace).roll(sectors) * SECTOR)?;
        if let Some(met) = self.met.last_mut() {
            met.elsewhere = Some(elsewhere);
        }
        Ok(elsewhere)
    }

    /// Lets something happen to the device.
    fn happen(&mut self, entry: Entry) {
        self.device.play(&entry);
        if let Some(journal) = &mut self.journal {
            journal.push(entry);
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.current.put(offset, bytes);
        self.happen(Entry::Issued(Op::Write { offset, bytes: bytes.into() }));
    }
}

/// What calls of a process that has ended would have got.
pub(crate) fn gone() -> io::Error {
    io::Error::other("the process is gone")
}

fn error_of(failure: Failure) -> io::Error {
    match failure {
        Failure::NoSpace => io::ErrorKind::StorageFull.into(),
        _ => io::Error::other("injected I/O error"),
    }
}

fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl Storage for FaultFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        if let Some(failure) = state.call(Call::Read, offset, &[])? {
            return Err(error_of(failure));
        }
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        if state.current.get(start, buffer) { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        let failure = state.call(Call::Write, offset, bytes)?;
        let offset = place(offset)?;
        match failure {
            None => {
                state.room(Call::Write, offset, bytes.len())?;
                state.write(offset, bytes);
                Ok(())
            }
            Some(Failure::LostWrite) => Ok(()),
            Some(Failure::Misdirected) => {
                let elsewhere = state.elsewhere()?;
                state.write(elsewhere, bytes);
                Ok(())
            }
            Some(Failure::Short) => {
                let part = Dice(state.trace).roll(bytes.len() as u64 + 1) as usize;
                state.room(Call::Write, offset, part)?;
                state.write(offset, bytes.get(..part).unwrap_or_default());
                Err(error_of(Failure::Short))
            }
            Some(failure) => Err(error_of(failure)),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        match state.call(Call::Sync, 0, &[])? {
            None => {
                state.syncs += 1;
                state.happen(Entry::Synced);
                Ok(())
            }
            Some(failure) => {
                if failure == Failure::LostSync {
                    state.happen(Entry::Forgotten);
                }
                Err(error_of(failure))
            }
        }
    }

    fn write_durable(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        let mut state = self.0.lock();
        if !state.plan.direct {
            return Ok(false);
        }
        let outcome = state.call(Call::Write, offset, bytes);
        let offset = place(offset)?;
        let failed = match outcome {
            Ok(None) => {
                state.write_through(offset, bytes);
                return Ok(true);
            }
            Ok(Some(Failure::LostWrite)) => return Ok(true),
            Ok(Some(Failure::Misdirected)) => {
                let elsewhere = state.elsewhere()?;
                state.write_through(elsewhere, bytes);
                return Ok(true);
            }
            Ok(Some(failure)) => error_of(failure),
            Err(gone) => gone,
        };
        // Nobody knows how much of it arrived.
        let part = Dice(state.trace).roll(bytes.len() as u64 + 1) as usize;
        state.write(offset, bytes.get(..part).unwrap_or_default());
        Err(failed)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().current.len() as u64)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        if let Some(failure) = state.call(Call::SetLen, length, &[])? {
            return Err(error_of(failure));
        }
        let length = place(length)?;
        state.room(Call::SetLen, length, 0)?;
        state.current.resize(length);
        state.happen(Entry::Issued(Op::SetLen { length }));
        Ok(())
    }
}

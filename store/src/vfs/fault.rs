//! A file that fails on demand and forgets unsynced sectors in a crash: the twin that tests and the simulator run on.
//!
//! It keeps what a reader sees, what is durable, and the operations between the two in order. A crash builds the next image: for each 512-byte sector of an
//! unsynced write it decides whether the sector was kept, dropped or torn. Everything follows from the seed.

use super::Storage;
use crate::sync::Mutex;
use std::io;

const SECTOR: usize = 512;

/// Which unsynced sectors a crash keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashPolicy {
    /// All of them.
    KeepAll,
    /// None.
    DropAll,
    /// Those of the first operations, up to a random one, which may be torn.
    Prefix,
    /// Each sector by a coin; some are torn.
    Random,
    /// All but those of one random operation.
    AllButOne,
    /// Only those of one random operation.
    OnlyOne,
}

impl CrashPolicy {
    /// All policies.
    pub(crate) const ALL: [Self; 6] =
        [Self::KeepAll, Self::DropAll, Self::Prefix, Self::Random, Self::AllButOne, Self::OnlyOne];
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// An I/O error.
    Io,
    /// No space left on the device.
    NoSpace,
    /// A write that got half-way before the error.
    Short,
    /// A sync fails, and what it was for is forgotten by the operating system: readers still see it, but no later sync will make it durable.
    LostSync,
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

/// See the module.
pub(crate) struct FaultFile(Mutex<State>);

struct State {
    current: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Op>,
    plan: FaultPlan,
    calls: u64,
    syncs: u64,
}

enum Op {
    Write { offset: usize, bytes: Vec<u8>, lost: bool },
    SetLen { length: usize, lost: bool },
}

impl Op {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes, .. } => put(image, *offset, bytes),
            Self::SetLen { length, .. } => image.resize(*length, 0),
        }
    }

    fn is_lost(&self) -> bool {
        matches!(self, Self::Write { lost: true, .. } | Self::SetLen { lost: true, .. })
    }
}

fn put(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    if let Some(place) = image.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

/// SplitMix64: a seed's worth of decisions.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides.max(1)
    }
}

impl FaultFile {
    /// A file that holds these bytes, all of them durable.
    #[must_use]
    pub(crate) fn from_image(image: Vec<u8>, plan: FaultPlan) -> Self {
        Self(Mutex::new(State {
            durable: image.clone(),
            current: image,
            pending: Vec::new(),
            plan,
            calls: 0,
            syncs: 0,
        }))
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

    /// Replaces the plan; call numbers go on.
    pub(crate) fn set_plan(&self, plan: FaultPlan) {
        self.0.lock().plan = plan;
    }

    /// What readers see now.
    #[must_use]
    pub(crate) fn image(&self) -> Vec<u8> {
        self.0.lock().current.clone()
    }

    /// What the next start finds after a crash now.
    #[must_use]
    pub(crate) fn crash(&self, policy: CrashPolicy, seed: u64) -> Vec<u8> {
        let state = self.0.lock();
        let mut dice = Dice(seed);
        let count = state.pending.len() as u64;
        let chosen = dice.roll(count.max(1));
        let mut image = state.durable.clone();
        for (i, op) in state.pending.iter().enumerate() {
            let i = i as u64;
            let (keep, torn) = match policy {
                CrashPolicy::KeepAll => (true, false),
                CrashPolicy::DropAll => (false, false),
                CrashPolicy::Prefix => (i <= chosen, i == chosen),
                CrashPolicy::Random => (true, true),
                CrashPolicy::AllButOne => (i != chosen, false),
                CrashPolicy::OnlyOne => (i == chosen, false),
            };
            if torn {
                tear(op, &mut image, &mut dice);
            } else if keep {
                op.apply(&mut image);
            }
        }
        image
    }
}

/// Decides sector by sector.
fn tear(op: &Op, image: &mut Vec<u8>, dice: &mut Dice) {
    let Op::Write { offset, bytes, .. } = op else {
        if dice.roll(2) == 0 {
            op.apply(image);
        }
        return;
    };
    let mut at = *offset;
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (sector, later) = rest.split_at((SECTOR - at % SECTOR).min(rest.len()));
        match dice.roll(8) {
            0..=3 => put(image, at, sector),
            4..=6 => {}
            _ => {
                // Torn inside the sector: some new bytes, then what was there.
                let (new, _) = sector.split_at(dice.roll(sector.len() as u64 + 1) as usize);
                put(image, at, new);
            }
        }
        at += sector.len();
        rest = later;
    }
}

impl State {
    /// Counts a call and says how it fails, if it does.
    fn call(&mut self) -> Result<Option<Failure>, io::Error> {
        let number = self.calls;
        self.calls += 1;
        if self.plan.stop.is_some_and(|stop| number >= stop) {
            return Err(io::Error::other("the process is gone"));
        }
        Ok(self
            .plan
            .fail
            .filter(|&(at, _)| number == at || (self.plan.sticky && number > at))
            .map(|(_, failure)| failure))
    }

    fn room(&self, end: usize) -> io::Result<()> {
        match self.plan.capacity {
            Some(capacity) if end as u64 > capacity && end > self.current.len() => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }
}

fn error_of(failure: Failure) -> io::Error {
    match failure {
        Failure::NoSpace => io::ErrorKind::StorageFull.into(),
        Failure::Io | Failure::Short | Failure::LostSync => io::Error::other("injected I/O error"),
    }
}

impl Storage for FaultFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        if let Some(failure) = state.call()? {
            return Err(error_of(failure));
        }
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        let bytes = state.current.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        let failure = state.call()?;
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let bytes = match failure {
            None => bytes,
            Some(Failure::Short) => bytes.get(..bytes.len() / 2).unwrap_or_default(),
            Some(failure) => return Err(error_of(failure)),
        };
        state.room(offset + bytes.len())?;
        put(&mut state.current, offset, bytes);
        state.pending.push(Op::Write { offset, bytes: bytes.to_vec(), lost: false });
        failure.map_or(Ok(()), |failure| Err(error_of(failure)))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        if let Some(failure) = state.call()? {
            if failure == Failure::LostSync {
                for op in &mut state.pending {
                    match op {
                        Op::Write { lost, .. } | Op::SetLen { lost, .. } => *lost = true,
                    }
                }
            }
            return Err(error_of(failure));
        }
        state.syncs += 1;
        let pending = std::mem::take(&mut state.pending);
        for op in pending {
            if op.is_lost() {
                state.pending.push(op);
            } else {
                op.apply(&mut state.durable);
            }
        }
        Ok(())
    }

    fn write_durable(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        let mut state = self.0.lock();
        if !state.plan.direct {
            return Ok(false);
        }
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let failed = match state.call() {
            Ok(None) => {
                put(&mut state.current, offset, bytes);
                put(&mut state.durable, offset, bytes);
                return Ok(true);
            }
            Ok(Some(failure)) => error_of(failure),
            Err(gone) => gone,
        };
        // Nobody knows how much of it arrived.
        state.pending.push(Op::Write { offset, bytes: bytes.to_vec(), lost: false });
        Err(failed)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().current.len() as u64)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        if let Some(failure) = state.call()? {
            return Err(error_of(failure));
        }
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        state.room(length)?;
        state.current.resize(length, 0);
        state.pending.push(Op::SetLen { length, lost: false });
        Ok(())
    }
}

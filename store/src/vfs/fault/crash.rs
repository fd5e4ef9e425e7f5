//! What a power cut leaves: the durable image, and of what came later as much as a policy says.

use super::image::Image;
use std::sync::Arc;

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
    /// Whole operations by a coin, in any order.
    Shuffled,
    /// Each sector by a coin; of those that were under way, some hold bytes that nobody wrote.
    Garbage,
}

impl CrashPolicy {
    /// All policies.
    pub(crate) const ALL: [Self; 8] = [
        Self::KeepAll,
        Self::DropAll,
        Self::Prefix,
        Self::Random,
        Self::AllButOne,
        Self::OnlyOne,
        Self::Shuffled,
        Self::Garbage,
    ];
}

/// A change that was issued and is not known to be durable.
#[derive(Clone)]
pub(crate) enum Op {
    Write { offset: usize, bytes: Arc<[u8]> },
    SetLen { length: usize },
}

impl Op {
    pub(super) fn apply(&self, image: &mut Image) {
        match self {
            Self::Write { offset, bytes } => image.put(*offset, bytes),
            Self::SetLen { length } => image.resize(*length),
        }
    }
}

/// What happened to a device, in order.
#[derive(Clone)]
pub(crate) enum Entry {
    /// A change was issued.
    Issued(Op),
    /// A write of a single range came back as durable.
    Durable(Op),
    /// A sync succeeded.
    Synced,
    /// A sync failed, and what it was for is forgotten.
    Forgotten,
}

/// A device: what is durable, and what was issued since, with whether it was forgotten.
#[derive(Clone, Default)]
pub(crate) struct Device {
    pub(crate) durable: Image,
    pub(super) pending: Vec<(Op, bool)>,
}

impl Device {
    /// A device on which everything is durable.
    pub(crate) fn new(durable: Image) -> Self {
        Self { durable, pending: Vec::new() }
    }

    /// Lets one more thing happen.
    pub(crate) fn play(&mut self, entry: &Entry) {
        match entry {
            Entry::Issued(op) => self.pending.push((op.clone(), false)),
            Entry::Durable(op) => self.settle(op),
            Entry::Synced => {
                let (lost, kept) = std::mem::take(&mut self.pending).into_iter().partition(|&(_, lost)| lost);
                self.pending = lost;
                // A length that was forgotten stays so.
                self.pending.retain(|(op, _)| matches!(op, Op::Write { .. }));
                let kept: Vec<(Op, bool)> = kept;
                kept.iter().for_each(|(op, _)| self.settle(op));
            }
            Entry::Forgotten => {
                // Bytes are forgotten; lengths are the file system's own, which keeps a journal of them.
                let length = self.pending.iter().fold(self.durable.len(), |length, (op, _)| match op {
                    Op::Write { offset, bytes } => length.max(offset + bytes.len()),
                    Op::SetLen { length } => *length,
                });
                self.pending.iter_mut().for_each(|(_, lost)| *lost = true);
                self.pending.push((Op::SetLen { length }, false));
            }
        }
    }

    /// Makes a change durable. What was written to its place before, and forgotten, can never come to the device after it.
    fn settle(&mut self, op: &Op) {
        op.apply(&mut self.durable);
        let Op::Write { offset, bytes } = op else { return };
        let over = *offset..offset + bytes.len();
        let reaches = |(old, lost): &(Op, bool)| {
            *lost
                && matches!(old, Op::Write { offset, bytes } if *offset < over.end && over.start < offset + bytes.len())
        };
        if !self.pending.iter().any(reaches) {
            return;
        }
        for (old, lost) in std::mem::take(&mut self.pending) {
            match &old {
                Op::Write { offset, bytes } if lost => {
                    let end = offset + bytes.len();
                    for (from, to) in [(*offset, end.min(over.start)), (over.end.max(*offset), end)] {
                        if let Some(rest) =
                            bytes.get(from - offset..to.max(from) - offset).filter(|rest| !rest.is_empty())
                        {
                            self.pending.push((Op::Write { offset: from, bytes: rest.into() }, true));
                        }
                    }
                }
                _ => self.pending.push((old, lost)),
            }
        }
    }

    /// What the next start finds after a power cut now.
    pub(crate) fn crash(&self, policy: CrashPolicy, dice: &mut Dice) -> Image {
        let mut image = self.durable.clone();
        let ops = self.pending.iter().map(|(op, _)| op);
        let chosen = dice.roll(self.pending.len().max(1) as u64);
        let mut whole = |keep: &dyn Fn(u64) -> bool| {
            let kept = (0..).zip(ops.clone()).filter(|&(i, _)| keep(i));
            kept.for_each(|(_, op)| op.apply(&mut image));
        };
        match policy {
            CrashPolicy::KeepAll => whole(&|_| true),
            CrashPolicy::DropAll => {}
            CrashPolicy::AllButOne => whole(&|i| i != chosen),
            CrashPolicy::OnlyOne => whole(&|i| i == chosen),
            CrashPolicy::Prefix => {
                whole(&|i| i < chosen);
                if let Some((op, _)) = self.pending.get(chosen as usize) {
                    tear(op, &mut image, dice, false);
                }
            }
            CrashPolicy::Random => ops.for_each(|op| tear(op, &mut image, dice, false)),
            CrashPolicy::Garbage => ops.for_each(|op| tear(op, &mut image, dice, true)),
            CrashPolicy::Shuffled => {
                let mut ops: Vec<&Op> = ops.filter(|_| dice.roll(4) > 0).collect();
                while !ops.is_empty() {
                    ops.swap_remove(dice.roll(ops.len() as u64) as usize).apply(&mut image);
                }
            }
        }
        image
    }
}

/// Decides sector by sector.
fn tear(op: &Op, image: &mut Image, dice: &mut Dice, garbage: bool) {
    let Op::Write { offset, bytes } = op else {
        if dice.roll(2) == 0 {
            op.apply(image);
        }
        return;
    };
    let mut at = *offset;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (sector, later) = rest.split_at((SECTOR - at % SECTOR).min(rest.len()));
        match dice.roll(8) {
            0..=3 => image.put(at, sector),
            4..=6 => {}
            _ if garbage => {
                let noise: Vec<u8> = sector.iter().map(|_| dice.roll(256) as u8).collect();
                image.put(at, &noise);
            }
            _ => {
                // Torn inside the sector: some new bytes, then what was there.
                let (new, _) = sector.split_at(dice.roll(sector.len() as u64 + 1) as usize);
                image.put(at, new);
            }
        }
        at += sector.len();
        rest = later;
    }
}

/// SplitMix64: a seed's worth of decisions.
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_forgotten_never_comes_after_what_is_durable() {
        let write = |offset, byte, len| Op::Write { offset, bytes: vec![byte; len].into() };
        let mut device = Device::default();
        for entry in [Entry::Issued(write(10, 1, 30)), Entry::Forgotten, Entry::Issued(write(20, 2, 10)), Entry::Synced]
        {
            device.play(&entry);
        }
        let mut all = vec![0; 10];
        all.extend([[1; 10], [2; 10], [1; 10]].concat());
        assert_eq!(device.crash(CrashPolicy::KeepAll, &mut Dice(1)).to_bytes(), all);
        // The length is the file system's, and not forgotten.
        let durable = [vec![0; 20], vec![2; 10], vec![0; 10]].concat();
        assert_eq!(device.crash(CrashPolicy::DropAll, &mut Dice(1)).to_bytes(), durable);
    }
}

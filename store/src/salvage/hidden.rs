//! A new file that is no database yet: until it is shown, slot A on the device says that a salvage did not end, and slot B is empty.

use crate::ckpt::SLOTS;
use crate::error::{Error, Result};
use crate::format::{SALVAGING, SUPERBLOCK_LEN};
use crate::sync::Mutex;
use crate::vfs::Storage;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Keeps in memory what is written to the slots. All else goes to the file: an engine on it makes checkpoints, compacts and closes as on any other,
/// and whoever opens the file meanwhile, or after the process was killed, is refused. Without slot B it is no database, even if slot A cannot be read.
pub(crate) struct Hidden {
    file: Arc<dyn Storage>,
    slots: Mutex<[[u8; SUPERBLOCK_LEN]; 2]>,
}

/// A part of a range in the file: which of its bytes, and in which slot they lie where, if they do.
type Part = (Range<usize>, Option<(usize, usize)>);

fn parts(offset: u64, length: usize) -> Vec<Part> {
    let (mut at, end) = (offset, offset.saturating_add(length as u64));
    let mut parts = Vec::new();
    while at < end {
        let within = |slot: u64| at.checked_sub(slot).filter(|place| *place < SUPERBLOCK_LEN as u64);
        let slot =
            SLOTS.iter().enumerate().find_map(|(number, &slot)| within(slot).map(|place| (number, place as usize)));
        let next = SLOTS.iter().flat_map(|slot| [*slot, slot + SUPERBLOCK_LEN as u64]).filter(|edge| *edge > at).min();
        let stop = next.map_or(end, |edge| edge.min(end));
        parts.push(((at - offset) as usize..(stop - offset) as usize, slot));
        at = stop;
    }
    parts
}

fn touches_slot(offset: u64, length: usize) -> bool {
    parts(offset, length).iter().any(|(_, slot)| slot.is_some())
}

impl Hidden {
    /// Marks an empty file, durably.
    pub(crate) fn new(file: Arc<dyn Storage>) -> Result<Self> {
        let mut marker = [0; SUPERBLOCK_LEN];
        if let Some(front) = marker.first_chunk_mut() {
            *front = SALVAGING;
        }
        let begun = file.write_at(&marker, SLOTS[0]).and_then(|()| file.sync());
        begun.map_err(|error| Error::io("making a new file", error))?;
        Ok(Self { file, slots: Mutex::new([[0; SUPERBLOCK_LEN]; 2]) })
    }

    /// Makes a database of it. All that the slots name is durable: the engine was closed.
    pub(crate) fn show(&self) -> Result<()> {
        let [a, b] = *self.slots.lock();
        let shown = [(b, SLOTS[1]), (a, SLOTS[0])]
            .into_iter()
            .try_for_each(|(slot, at)| self.file.write_at(&slot, at).and_then(|()| self.file.sync()));
        shown.map_err(|error| Error::io("writing a superblock", error))
    }
}

impl Storage for Hidden {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(buffer, offset)?;
        for (part, slot) in parts(offset, buffer.len()) {
            let Some((slot, at)) = slot else { continue };
            let slots = self.slots.lock();
            let kept = slots.get(slot).and_then(|slot| slot.get(at..at + part.len()));
            if let (Some(kept), Some(part)) = (kept, buffer.get_mut(part)) {
                part.copy_from_slice(kept);
            }
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        for (part, slot) in parts(offset, bytes.len()) {
            let start = offset + part.start as u64;
            let Some(bytes) = bytes.get(part) else { continue };
            let Some((slot, at)) = slot else {
                self.file.write_at(bytes, start)?;
                continue;
            };
            let mut slots = self.slots.lock();
            if let Some(place) = slots.get_mut(slot).and_then(|slot| slot.get_mut(at..at + bytes.len())) {
                place.copy_from_slice(bytes);
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    // Neither log nor pages lie in a slot.
    fn write_durable(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        if touches_slot(offset, bytes.len()) { Ok(false) } else { self.file.write_durable(bytes, offset) }
    }

    fn write_past_cache(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        if touches_slot(offset, bytes.len()) {
            return self.write_at(bytes, offset).map(|()| false);
        }
        self.file.write_past_cache(bytes, offset)
    }

    fn offers_durable_writes(&self) -> bool {
        self.file.offers_durable_writes()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}

//! A new file that is no database yet: until it is shown, slot A on the device says that a salvage did not end.

use crate::ckpt::SLOTS;
use crate::error::{Error, Result};
use crate::format::{SALVAGING, SUPERBLOCK_LEN};
use crate::sync::Mutex;
use crate::vfs::Storage;
use std::io;
use std::sync::Arc;

/// Keeps in memory what is written to slot A. All else goes to the file: an engine on it makes checkpoints, compacts and closes as on any other,
/// and whoever opens the file meanwhile, or after the process was killed, is refused.
pub(crate) struct Hidden {
    file: Arc<dyn Storage>,
    slot: Mutex<[u8; SUPERBLOCK_LEN]>,
}

/// The part of a range in the file that lies in slot A.
fn inside(offset: u64, length: usize) -> usize {
    (SLOTS[0] + SUPERBLOCK_LEN as u64).saturating_sub(offset).min(length as u64) as usize
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
        Ok(Self { file, slot: Mutex::new([0; SUPERBLOCK_LEN]) })
    }

    /// Makes a database of it. Slot B, and all that it names, is durable: the engine was closed.
    pub(crate) fn show(&self) -> Result<()> {
        let slot = *self.slot.lock();
        let shown = self.file.write_at(&slot, SLOTS[0]).and_then(|()| self.file.sync());
        shown.map_err(|error| Error::io("writing a superblock", error))
    }
}

impl Storage for Hidden {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(buffer, offset)?;
        let (slot, inside) = (self.slot.lock(), inside(offset, buffer.len()));
        let kept = slot.get(offset as usize..).and_then(|rest| rest.get(..inside));
        if let (Some(kept), Some(part)) = (kept, buffer.get_mut(..inside)) {
            part.copy_from_slice(kept);
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (kept, rest) = bytes.split_at(inside(offset, bytes.len()));
        let mut slot = self.slot.lock();
        if let Some(place) = slot.get_mut(offset as usize..).and_then(|slot| slot.get_mut(..kept.len())) {
            place.copy_from_slice(kept);
        }
        drop(slot);
        if rest.is_empty() { Ok(()) } else { self.file.write_at(rest, offset + kept.len() as u64) }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    // Neither log nor pages lie in a slot.
    fn write_durable(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        if inside(offset, bytes.len()) > 0 { Ok(false) } else { self.file.write_durable(bytes, offset) }
    }

    fn write_past_cache(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        if inside(offset, bytes.len()) > 0 {
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

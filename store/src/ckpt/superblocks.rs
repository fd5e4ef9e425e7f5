//! Switches both superblocks, one after the other, and opens the log of a session.

use super::Counts;
use super::base::Base;
use crate::error::{Error, Result};
use crate::format::{GENERATION_AT, KnownBackup, MAX_SALTS, SUPERBLOCK_LEN, Slots, Superblock};
use crate::sync::atomic::Ordering;
use crate::vfs::Storage;
use std::io;

/// Byte offsets of the two slots, far enough apart that one bad block is unlikely to take both.
pub(crate) const SLOTS: [u64; 2] = [0, 65_536];

/// What a slot that is not whole is filled with before a superblock is written there: no sector of a superblock is like this.
const FILLER: [u8; SUPERBLOCK_LEN] = [0xff; SUPERBLOCK_LEN];

/// What a slot holds. One that the device refuses time after time is not whole: it may do so with what was under way when the power failed, until it
/// is written again.
pub(crate) fn read_slot(storage: &dyn Storage, offset: u64, length: u64) -> ([u8; SUPERBLOCK_LEN], Option<io::Error>) {
    const AGAIN: u32 = 3;
    let mut bytes = [0; SUPERBLOCK_LEN];
    let end = length.saturating_sub(offset).min(SUPERBLOCK_LEN as u64) as usize;
    let Some(part) = bytes.get_mut(..end).filter(|part| !part.is_empty()) else { return (bytes, None) };
    let mut refused = None;
    for _ in 0..AGAIN {
        match storage.read_at(part, offset) {
            Ok(()) => return (bytes, None),
            Err(error) => refused = Some(error),
        }
    }
    // Not zeros: a slot that was never written is like that.
    (FILLER, refused)
}

/// Writes the first superblocks of a file, all else of which is durable; returns what both slots hold then. Slot B first, and alone: until it
/// is durable, slot A says that there is no database yet. Then both, a generation later and in the order of every switch, so that what the two slots
/// say together means the same in a file that is new ([`Slots`]).
pub(crate) fn write_first(storage: &dyn Storage, superblock: Superblock) -> io::Result<Superblock> {
    let [a, b] = SLOTS;
    let next = Superblock { generation: superblock.generation + 1, ..superblock.clone() };
    for (superblock, slot) in [(&superblock, b), (&next, a), (&next, b)] {
        write_in_order(storage, &superblock.encode(), slot)?;
        storage.sync()?;
    }
    Ok(next)
}

/// Makes everything durable that the superblock will name. The file is at least as long as it says.
pub(super) fn sync_data(base: &Base, superblock: &Superblock) -> Result<()> {
    let storage = &base.pager.storage;
    {
        // As long as all that is allocated, and nothing more is while this lock is held: somebody may be writing behind the superblock's
        // tail, and must not find the file cut there.
        let space = base.space()?;
        let length = space.tail().max(superblock.tail) * u64::from(base.pager.block_size);
        let grown = storage.len().and_then(|now| if now < length { storage.set_len(length) } else { Ok(()) });
        grown.map_err(|error| Error::io("growing the file", error))?;
    }
    base.syncs.sync("making a checkpoint durable")
}

/// Writes a superblock to slot A, then to slot B, each durable before the next step. A failure poisons (I30): nobody knows which of the two
/// a reader would find.
pub(crate) fn write_both(base: &Base, superblock: &Superblock) -> Result<()> {
    settle_slots(base)?;
    // Whoever switched before may have ended midway, and then this is not what follows.
    base.poison.check()?;
    let bytes = superblock.encode();
    SLOTS.iter().try_for_each(|&slot| write_slot(base, &bytes, slot))?;
    base.generation.store(superblock.generation, Ordering::Release);
    Ok(())
}

/// Before a session writes anything, one slot is durable, and holds what the session starts from (I34). After a power cut that is so by
/// itself, but a process may have failed between the two slots' syncs, and left to this one what only the system's cache holds. What is left to
/// do for the other slot waits for [`settle_slots`], as opening a file need not wait for it, unless slot A is newer than B.
pub(crate) fn note_slots(base: &Base, slots: Slots) -> Result<()> {
    if slots == Slots::NewerA {
        // B's pages are free for A: none of them may be used again before A is durable in both slots.
        let bytes = base.opened.encode();
        return SLOTS.iter().try_for_each(|&slot| write_slot(base, &bytes, slot));
    }
    *base.unsettled.lock() = Some(slots);
    Ok(())
}

/// Comes before a slot is overwritten for the first time, before any block is written that is free, and before anybody is told that what is visible is
/// durable.
///
/// - Makes slot B durable, if it may not be. On the device B may be older than A, and that is what counts when the power fails twice: first so, then
///   while recovery writes A again.
/// - Fills a slot that is not whole. It may hold a superblock that was never durable, all but one sector of it. If that sector is the same in the next
///   one, all zeros most likely, and alone reaches the device in a power cut, then the old one is whole, of the same generation as what the other slot
///   holds or a later one, and its pages were used again long ago.
/// - Writes a slot A that the device refuses to read, and then B: nothing says that B is durable.
pub(crate) fn settle_slots(base: &Base) -> Result<()> {
    let mut unsettled = base.unsettled.lock();
    let Some(slots) = *unsettled else { return Ok(()) };
    base.poison.check()?;
    let [a, b] = SLOTS;
    if matches!(slots, Slots::OnlyB | Slots::RefusedA) {
        write_slot(base, &FILLER, a)?;
    }
    if slots == Slots::RefusedA {
        // Only then may B be written.
        write_slot(base, &base.opened.encode(), a)?;
    }
    if slots == Slots::OnlyA {
        write_slot(base, &FILLER, b)?;
    }
    if slots != Slots::OnlyB {
        write_slot(base, &base.opened.encode(), b)?;
    }
    *unsettled = None;
    Ok(())
}

/// The same at the end of a session that changed nothing. It writes only if it was seen that slot B is to be written: a file whose slots are the same is
/// left as it is, but slot B may still be on its way to the device, if the process that wrote it was killed.
pub(crate) fn settle_idle(base: &Base) -> Result<()> {
    let mut unsettled = base.unsettled.lock();
    match *unsettled {
        Some(Slots::OnlyA | Slots::RefusedA) => {
            drop(unsettled);
            settle_slots(base)
        }
        Some(Slots::Same) => {
            base.syncs.sync("closing the database")?;
            // A flush that this close has overtaken finds nothing left to write.
            *unsettled = None;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Writes a slot: first from the generation on, whose first byte is another one in each switch, then what is before, which is the same in all superblocks of
/// a file. So of a write that is cut short, something can be seen: what was there is not whole any more. It would otherwise seem untouched and durable,
/// while its sectors are under way ([`Slots`]), and the other slot would be written beside it. Found by the simulator.
fn write_in_order(storage: &dyn Storage, bytes: &[u8; SUPERBLOCK_LEN], slot: u64) -> io::Result<()> {
    let (before, from) = bytes.split_at(GENERATION_AT);
    storage.write_at(from, slot + GENERATION_AT as u64)?;
    // The device may never have got it, so it is written each time.
    storage.write_at(before, slot)
}

/// Writes a slot and makes it durable.
fn write_slot(base: &Base, bytes: &[u8; SUPERBLOCK_LEN], slot: u64) -> Result<()> {
    const DOING: &str = "writing a superblock";
    Counts::add(&base.counts.data_bytes, bytes.len() as u64);
    let storage = &base.pager.storage;
    let written = write_in_order(&**storage, bytes, slot).map_err(|error| {
        let error = Error::io(DOING, error);
        base.poison.set(&error);
        error
    });
    let synced = written.and_then(|()| base.syncs.sync(DOING));
    if synced.is_err() && slot == SLOTS[1] {
        // The device may have an older one there, which nothing shows: the next process would see both slots the same. If this fails as well, or the
        // process ends first, it takes that into account whenever it writes, and before it promises anything but at the end of a session that did nothing.
        let _ = storage.write_at(&FILLER, slot);
    }
    synced
}

/// Records durably that this session's log records begin at `position` under `salt` (I35). Comes before the first of them is written.
pub(crate) fn open_log(base: &Base, salt: u64, position: u64) -> Result<()> {
    let mut superblock = base.superblock.lock();
    let mut next = superblock.clone();
    next.generation += 1;
    // A session that wrote nothing has left its pair at the same position.
    next.salts.retain(|&(_, first)| first < position);
    prune_salts(&mut next);
    if next.salts.len() >= MAX_SALTS {
        return Err(Error::corrupt("the superblock names more sessions than the log can hold"));
    }
    next.salts.push((salt, position));
    write_both(base, &next)?;
    *superblock = next;
    Ok(())
}

/// Durably gives what the superblock names a generation of its own. So no backup is of the same one as another, and whatever is written from here on
/// is of a later one.
pub(crate) fn next_generation(base: &Base, superblock: &mut Superblock) -> Result<()> {
    let next = Superblock { generation: superblock.generation + 1, ..superblock.clone() };
    write_both(base, &next)?;
    *superblock = next;
    Ok(())
}

/// Records durably that a backup was made.
pub(crate) fn note_backup(base: &Base, superblock: &mut Superblock, backup: KnownBackup) -> Result<()> {
    let mut next = superblock.clone();
    next.generation += 1;
    next.remember(backup);
    write_both(base, &next)?;
    *superblock = next;
    Ok(())
}

/// Forgets salts whose records lie before the log's start.
pub(super) fn prune_salts(superblock: &mut Superblock) {
    let start = superblock.log_start;
    let current = superblock.salts.iter().rposition(|&(_, first)| first <= start).unwrap_or(0);
    superblock.salts.drain(..current);
}

/// Most bytes that are cut off at once. The file system keeps the file to itself meanwhile, a tenth of a second for a gibibyte, and commits wait.
const CUT: u64 = 8 << 20;

/// Cuts the file behind the superblock's tail, unless newer extents lie there. A file that cannot be cut only stays long: the checkpoint is
/// complete, and the next one tries again.
pub(super) fn truncate(base: &Base, superblock: &Superblock) -> Result<()> {
    loop {
        // Held while the file is cut: what is allocated behind this tail must not be written before.
        let space = base.space()?;
        let length = space.tail().max(superblock.tail) * u64::from(base.pager.block_size);
        let storage = &base.pager.storage;
        let cut = storage.len().and_then(|now| {
            let next = length.max(now.saturating_sub(CUT));
            if now > next { storage.set_len(next).map(|()| next > length) } else { Ok(false) }
        });
        if !cut.unwrap_or(false) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Segment, choose};
    use crate::vfs::MemoryFile;

    /// Takes so many bytes of the first write, and fails.
    struct Short(MemoryFile, usize);

    impl Storage for Short {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            self.0.read_at(buffer, offset)
        }

        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
            self.0.write_at(bytes.get(..self.1).unwrap_or(bytes), offset)?;
            Err(io::ErrorKind::WriteZero.into())
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }

        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }

        fn set_len(&self, length: u64) -> io::Result<()> {
            self.0.set_len(length)
        }
    }

    fn superblock(generation: u64) -> Superblock {
        Superblock {
            block_size: 4096,
            page_size: 8192,
            file_id: [7; 16],
            generation,
            commit_timestamp: generation,
            tail: 64,
            directory: None,
            free_map: None,
            log_start: 0,
            chain: 0,
            segments: vec![Segment { first: 0, address: 18, length: 46 * 4096 }],
            salts: Vec::new(),
            backups: Vec::new(),
        }
    }

    /// After a write of slot A that was cut short anywhere, slots that look the same are so because nothing was written.
    #[test]
    fn i34_a_write_of_a_superblock_that_is_cut_short_can_be_seen() {
        let (old, new) = (superblock(5).encode(), superblock(6).encode());
        let mut seen = 0;
        for bytes in 0..SUPERBLOCK_LEN {
            let file = MemoryFile::default();
            file.set_len(64 * 4096).unwrap();
            SLOTS.iter().for_each(|&slot| file.write_at(&old, slot).unwrap());
            let short = Short(file, bytes);
            write_in_order(&short, &new, SLOTS[0]).unwrap_err();
            let mut a = [0; SUPERBLOCK_LEN];
            short.read_at(&mut a, SLOTS[0]).unwrap();
            let slots = choose(&a, &old, 64 * 4096).unwrap().slots;
            assert_eq!(slots == Slots::Same, bytes == 0, "{bytes} bytes: {slots:?}");
            seen += u32::from(slots == Slots::OnlyB);
        }
        assert!(seen > 8, "{seen}");
    }
}

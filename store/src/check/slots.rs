//! The two superblocks.

use super::{FindingKind, Findings, Found};
use crate::ckpt::{SLOTS, read_slot};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{FormatError, Superblock};
use crate::vfs::Storage;

/// What else a bad slot of a closed file may be.
const MAYBE_A_CRASH: &str = "; the other one counts. If a crash or a failed write cut off the first write of a session or the last one of a close, nothing else is wrong, and \
    the next commit writes both anew";

/// What both slots say.
pub(crate) struct ReadSlots {
    /// The newest whole superblock, and the older one if it is whole and differs.
    pub(crate) superblocks: Vec<Superblock>,
    /// What damaged ones most likely say.
    pub(crate) guesses: Vec<Superblock>,
    /// Length of the file in bytes.
    pub(crate) length: u64,
    pub(crate) found: Findings,
}

/// Reads both slots of a file that nobody writes. A file without any whole superblock is no error here: `superblocks` is empty.
///
/// # Errors
/// The file is of a newer format, is none of ours, or cannot be read.
pub(crate) fn read_slots(storage: &dyn Storage) -> Result<ReadSlots> {
    read(storage, false)
}

/// The same of a database in which this session has written both, and is not about to: no crash has left what they are.
///
/// # Errors
/// As [`read_slots`].
pub(crate) fn read_own_slots(storage: &dyn Storage) -> Result<ReadSlots> {
    read(storage, true)
}

fn read(storage: &dyn Storage, own: bool) -> Result<ReadSlots> {
    let io = |error| Error::io("reading the superblocks", error);
    let length = storage.len().map_err(io)?;
    let mut found = Findings::default();
    let (mut slots, mut guesses, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for offset in SLOTS {
        let (bytes, error) = read_slot(storage, offset, length);
        refused.push(error);
        slots.push(Superblock::decode(&bytes));
        guesses.extend(Superblock::guess(&bytes));
    }
    if slots.iter().all(Result::is_err)
        && let Some(error) = refused.iter_mut().find_map(Option::take)
    {
        return Err(io(error));
    }
    refuse(slots.iter())?;
    let [a, b] = slots.as_slice() else { return Err(Error::corrupt("there are two superblocks")) };
    // A session that did not end leaves its salt. If a crash cut it off while it wrote one slot, the other one counts, and the next session writes both.
    // A crash within the first write of a session, or the last one of a close, leaves no salt in the other slot, and looks like damage of a file that was
    // closed. That is what it is taken for: to miss damage would be worse than to tell of a write that nobody needs.
    let cut_off = !own && [a, b].into_iter().any(|slot| matches!(slot, Ok(whole) if !whole.salts.is_empty()));
    // A crash while the file was being made leaves one slot that is not whole, and nothing committed.
    let being_made = !own && [a, b].into_iter().any(|slot| matches!(slot, Ok(whole) if whole.generation <= 2));
    let places = [("A", a, 0), ("B", b, SLOTS.into_iter().max().unwrap_or(0))];
    for ((name, slot, block), refused) in places.into_iter().zip(refused) {
        if let Some(error) = refused {
            let what = format!("superblock {name}, at byte {block}, could not be read: {error}");
            found.add(Found::new(FindingKind::Superblock, what).unread(true));
        } else if let Err(error) = slot
            && !being_made
            && !cut_off
        {
            let what = damage(error);
            found.add(Found::new(
                FindingKind::Superblock,
                format!(
                    "superblock {name}, at byte {block}, is damaged: {what}{}",
                    if own { "" } else { MAYBE_A_CRASH }
                ),
            ));
        }
    }
    if let (Ok(a), Ok(b)) = (a, b) {
        disagreement(a, b).into_iter().for_each(|what| found.add(Found::new(FindingKind::Superblock, what)));
    }
    let mut superblocks: Vec<Superblock> = [a, b].into_iter().filter_map(|slot| slot.as_ref().ok().cloned()).collect();
    // Slot A first among equals.
    superblocks.sort_by_key(|superblock| std::cmp::Reverse(superblock.generation));
    superblocks.dedup();
    if let Some(superblock) = superblocks.first() {
        let expected = superblock.tail.saturating_mul(u64::from(superblock.block_size));
        if length < expected {
            let what = FormatError::Truncated { bytes: length, expected }.to_string();
            found.add(Found::new(FindingKind::Superblock, what));
        }
    }
    Ok(ReadSlots { superblocks, guesses, length, found })
}

fn damage(error: &FormatError) -> String {
    match error {
        FormatError::Foreign => "its first bytes are not those of a superblock".to_owned(),
        FormatError::Damaged { what } => (*what).to_owned(),
        other => other.to_string(),
    }
}

/// Fails for what is no database of this format.
fn refuse<'a>(slots: impl Iterator<Item = &'a Result<Superblock, FormatError>> + Clone) -> Result<()> {
    let errors = || slots.clone().filter_map(|slot| slot.as_ref().err());
    if let Some(error) = errors().find(|error| matches!(error, FormatError::TooNew { .. })) {
        return Err(Error::new(ErrorKind::TooNew, error.to_string()));
    }
    if let Some(error) = errors().find(|error| matches!(error, FormatError::Unfinished { .. })) {
        return Err(Error::new(ErrorKind::NotADatabase, error.to_string()));
    }
    if slots.clone().all(|slot| matches!(slot, Err(FormatError::Foreign))) {
        return Err(Error::new(ErrorKind::NotADatabase, FormatError::Foreign.to_string()));
    }
    Ok(())
}

/// Slot A is written first, then slot B: a crash leaves A one generation ahead, and nothing else.
fn disagreement(a: &Superblock, b: &Superblock) -> Option<String> {
    if a.file_id != b.file_id {
        Some("the superblocks belong to different files".into())
    } else if a.generation < b.generation || a.generation > b.generation.saturating_add(1) {
        Some(format!("the superblocks are of generations {} and {}: a write was lost", a.generation, b.generation))
    } else if a.generation == b.generation && a != b {
        Some(format!("the superblocks differ, and both are of generation {}", a.generation))
    } else {
        None
    }
}

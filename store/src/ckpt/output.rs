//! Writes pages to fresh extents, in long sequential runs (I25: nothing that is in use is overwritten).

use super::base::{Base, no_space};
use super::pacer::Pacer;
use crate::error::{Error, Result};
use crate::format::{ChildEntry, PAGE_HEADER_LEN, PageHeader, page_checksum};
use crate::space::Extent;

/// Space is asked for, and written, this many bytes at a time.
const RUN_BYTES: u64 = if cfg!(shuttle) { 1 << 10 } else { 1 << 20 };

/// The device is asked to take in what was written so often: it works off its queue in order, and commits wait behind what it holds. The
/// checkpoint goes on meanwhile, up to the next such time. It does not wait even then while the log fills faster than it gets on: commits
/// would soon wait for the whole of it.
const PACE: u64 = if cfg!(shuttle) { 1 << 10 } else { 2 << 20 };

/// The same for writes past the cache, which wait for the device by themselves.
const PACE_PAST_CACHE: u64 = 16 << 20;

/// Pieces shorter than this go through the cache: past it each would wait for the device alone, while a sync hands over all of them at once. They are what a
/// file gives whose free blocks lie scattered.
const SHORT: usize = 512 << 10;

/// The pages that one checkpoint writes. All of it can be given back until the superblock names it (I31).
pub(super) struct Output<'a> {
    base: &'a Base,
    pub(super) generation: u64,
    /// Blocks allocated and not used yet.
    run: Option<Extent>,
    /// Bytes that belong at block `start`.
    pending: Vec<u8>,
    start: u64,
    used: Vec<Extent>,
    /// Bytes handed to the storage.
    pub(super) bytes: u64,
    /// Those since the last sync began, and whether the cache holds some of them.
    unsynced: u64,
    cached: bool,
    /// From the first sync between pages to the last page.
    pacer: Option<Pacer>,
    schedule: Schedule,
}

/// Whether a checkpoint will be done before the log is full, if both go on as they do: the share of its pages that it has written against the share that
/// commits have taken of the room in the log since it began. As PostgreSQL does (`IsCheckpointOnSchedule` in checkpointer.c).
#[derive(Debug, Clone)]
struct Schedule {
    /// Bytes to write, about.
    pages: u64,
    /// Bytes of the log in use when it began, and bytes that were free.
    used: u64,
    room: u64,
    /// Once late, it hurries to the end.
    late: bool,
}

impl Schedule {
    fn begin(base: &Base) -> Self {
        let (used, capacity) = (base.window.used(), base.window.capacity());
        Self { pages: base.pager.pool.usage().dirty, used, room: capacity.saturating_sub(used), late: false }
    }

    /// `written` bytes of pages are, `used` bytes of the log are in use.
    fn is_late(&mut self, written: u64, used: u64) -> bool {
        /// Of the room: less is chance.
        const SLACK: u128 = 16;
        let [taken, room] = [used.saturating_sub(self.used), self.room].map(u128::from);
        let [written, pages] = [written, self.pages].map(u128::from);
        self.late |= (taken * SLACK).saturating_sub(room) * pages > written * room * SLACK;
        self.late
    }
}

impl<'a> Output<'a> {
    pub(super) fn new(base: &'a Base, generation: u64) -> Self {
        Self {
            base,
            generation,
            run: None,
            pending: Vec::new(),
            start: 0,
            used: Vec::new(),
            bytes: 0,
            unsynced: 0,
            cached: false,
            pacer: None,
            schedule: Schedule::begin(base),
        }
    }

    /// Places one page. The header's address, generation and length are filled in.
    pub(super) fn page(&mut self, mut header: PageHeader, payload: &[u8]) -> Result<ChildEntry> {
        let block = u64::from(self.base.pager.block_size);
        let length = PAGE_HEADER_LEN + payload.len();
        let blocks = (length as u64).div_ceil(block);
        let address = self.take(blocks)?;
        header.address = address;
        header.generation = self.generation;
        header.length = payload.len() as u32;
        let at = self.pending.len();
        self.pending.extend_from_slice(&header.encode());
        self.pending.extend_from_slice(payload);
        let bytes = self.pending.get(at..).unwrap_or_default();
        let checksum = page_checksum(&self.base.pager.file_id, address, bytes);
        self.pending.resize(at + (blocks * block) as usize, 0);
        Ok(ChildEntry { address, length: length as u32, generation: self.generation, checksum })
    }

    fn take(&mut self, blocks: u64) -> Result<u64> {
        if self.run.is_none_or(|run| run.len < blocks) {
            self.flush()?;
            self.give_back_run()?;
            let most = (RUN_BYTES / u64::from(self.base.pager.block_size)).max(blocks);
            let run = self.base.room()?.allocate_run(blocks, most).map_err(no_space)?;
            self.start = run.start;
            self.run = Some(run);
        }
        let Some(run) = &mut self.run else { return Err(no_space("no run of blocks")) };
        let address = run.start;
        run.start += blocks;
        run.len -= blocks;
        self.used.push(Extent { start: address, len: blocks });
        Ok(address)
    }

    /// Hands what is pending to the storage.
    fn flush(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            let block = u64::from(self.base.pager.block_size);
            let (storage, offset) = (&self.base.pager.storage, self.start * block);
            let written = if self.pending.len() < SHORT {
                storage.write_at(&self.pending, offset).map(|()| false)
            } else {
                storage.write_past_cache(&self.pending, offset)
            };
            self.cached |= !written.map_err(|error| Error::io("writing a checkpoint", error))?;
            let pace = if self.cached { PACE } else { PACE_PAST_CACHE };
            self.bytes += self.pending.len() as u64;
            self.unsynced += self.pending.len() as u64;
            self.pending.clear();
            if self.unsynced >= pace {
                let late = self.schedule.is_late(self.bytes, self.base.window.used());
                let pacer = self.pacer.get_or_insert_with(|| Pacer::new(self.base));
                if pacer.begin(self.base, late)? {
                    (self.unsynced, self.cached) = (0, false);
                }
            }
            self.base.between_writes();
        }
        Ok(())
    }

    fn give_back_run(&mut self) -> Result<()> {
        if let Some(run) = self.run.take().filter(|run| run.len > 0) {
            self.base.space()?.give_back(run).map_err(super::base::accounting)?;
        }
        Ok(())
    }

    /// Writes the rest and gives back what was not needed.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.flush()?;
        self.pacer = None;
        self.base.poison.check()?;
        self.give_back_run()
    }

    /// Gives everything back.
    pub(super) fn abandon(mut self) -> Result<()> {
        self.pacer = None;
        self.give_back_run()?;
        let mut space = self.base.space()?;
        for extent in self.used.drain(..) {
            space.free(extent).map_err(super::base::accounting)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn a_checkpoint_is_late_when_the_log_fills_faster() {
        let begin = Schedule { pages: 1000, used: 16, room: 160, late: false };
        let is_late = |written, used| begin.clone().is_late(written, used);
        // Nobody commits, or as much of the room is taken as of the pages is written, or little more.
        assert!(!is_late(0, 16) && !is_late(0, 26) && !is_late(100, 32 + 10) && !is_late(1000, 176));
        assert!(is_late(0, 27) && is_late(100, 32 + 11) && is_late(900, 176));
        // The estimate of the pages was too low; the log was full from the start; there is nothing to write.
        assert!(!is_late(1500, 176));
        assert!(!Schedule { room: 0, ..begin.clone() }.is_late(1, 16));
        assert!(!Schedule { pages: 0, ..begin.clone() }.is_late(0, 176));
        // Late once, late to the end.
        let mut schedule = begin;
        assert!(schedule.is_late(0, 100) && schedule.is_late(1000, 100));
    }
}

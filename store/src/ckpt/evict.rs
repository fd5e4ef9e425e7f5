//! Makes room in memory beyond what readers do for themselves: inner nodes, and dirty leaves, which are written first.
//!
//! A dirty leaf is written to fresh blocks that no durable superblock reaches, so no write-ahead rule is needed: after a crash they are simply
//! free, and the log still holds the commits. It takes two steps: with the applier's turn the leaf is chosen and pinned; without it, it is
//! written; with the turn again its parent learns the new place, unless the leaf was replaced or a capture began meanwhile,
//! which has claimed it (I3, I8). The image that the leaf had before goes back at the next checkpoint.

use super::base::{ApplyState, Base, accounting, no_space};
use crate::buffer::{Swip, pin};
use crate::error::{Error, Result};
use crate::format::{ChildEntry, PAGE_HEADER_LEN, PageHeader, PageKind, page_checksum};
use crate::space::Extent;
use crate::sync::atomic::Ordering;
use crate::trace::span;
use crate::tree::node::Body;
use crate::tree::{Candidate, Sweep, page_image};

/// Nodes of level 1 that one turn looks at.
const STEPS: usize = 64;
/// Bytes that one sweep frees at most.
const AT_ONCE: u64 = 1 << 20;
/// Leaves that are written together.
const TOGETHER: usize = 128;

/// A leaf that was written.
struct Written<'a> {
    candidate: Candidate<'a>,
    extent: Extent,
    entry: ChildEntry,
}

/// Evicts until the spare part of the budget is free, or nothing more can go. Takes the applier's turn for moments.
pub(crate) fn evict(base: &Base) -> Result<()> {
    const DOING: &str = "making room in memory";
    let pager = &base.pager;
    let _midway = base.poison.midway(DOING);
    let _span = span!("evict", excess = pager.pool.excess(0));
    loop {
        // No more than is needed: what leaves must be read again.
        let wanted = pager.pool.excess(pager.spare() * 3 / 2).min(AT_ONCE);
        if wanted == 0 {
            break;
        }
        if pager.sweep(wanted, STEPS, &mut Sweep::Clean) > 0 {
            continue;
        }
        let mut dirty = Vec::new();
        let freed = {
            let state = base.apply.lock();
            // Dropped before the turn: who takes that next finds out.
            let _midway = base.poison.midway(DOING);
            let freed = pager.sweep(wanted, STEPS, &mut Sweep::Turn(&mut dirty));
            choose(base, &state, &mut dirty);
            freed
        };
        let written = write(base, dirty)?;
        let mut state = base.apply.lock();
        let _midway = base.poison.midway(DOING);
        let freed = freed + publish(base, &mut state, written)?;
        if freed == 0 {
            break;
        }
    }
    // Helps the epoch on, so that what was evicted can be used again.
    pin().flush();
    Ok(())
}

/// The same within the applier's turn: before a batch, where no thread does it in the background or it comes too late.
pub(super) fn evict_in_turn(base: &Base, state: &mut ApplyState) -> Result<()> {
    let pager = &base.pager;
    let mut rounds = 0;
    while pager.pool.excess(0) > 0 && rounds < 8 {
        rounds += 1;
        let mut dirty = Vec::new();
        let wanted = pager.pool.excess(0).min(AT_ONCE);
        let freed = pager.sweep(wanted, STEPS, &mut Sweep::Turn(&mut dirty));
        choose(base, state, &mut dirty);
        let written = match write(base, dirty) {
            Ok(written) => written,
            // Memory stays above the budget until there is room in the file; the commit itself needs none there.
            Err(_) => break,
        };
        if freed + publish(base, state, written)? == 0 {
            break;
        }
    }
    if rounds > 0 {
        pin().flush();
    }
    Ok(())
}

/// A running capture has claimed the dirty leaves: it writes them itself. Those that are chosen stay in memory until they are written, and
/// nobody else can make room with them: they are a small part of it.
fn choose(base: &Base, state: &ApplyState, dirty: &mut Vec<Candidate<'_>>) {
    if state.captured {
        dirty.clear();
    }
    let most = base.pager.pool.budget() / 8 / base.pager.sizes.leaf as u64;
    dirty.truncate(TOGETHER.min(most.max(1) as usize));
}

/// Writes leaves to fresh blocks, next to each other as far as there is room. On failure the blocks are free again.
fn write<'a>(base: &Base, leaves: Vec<Candidate<'a>>) -> Result<Vec<Written<'a>>> {
    let mut written: Vec<Written<'a>> = Vec::with_capacity(leaves.len());
    let mut bytes = Vec::new();
    let mut leaves = leaves.into_iter().peekable();
    while leaves.peek().is_some() {
        let first = written.len();
        bytes.clear();
        let result = write_run(base, &mut leaves, &mut bytes, &mut written).and_then(|()| {
            let start = written.get(first).map_or(0, |leaf| leaf.extent.start);
            let storage = &base.pager.storage;
            let result = storage.write_at(&bytes, start * u64::from(base.pager.block_size));
            result.map_err(|error| Error::io("writing pages that leave memory", error))
        });
        if let Err(error) = result {
            let mut space = base.space()?;
            for leaf in written {
                space.free(leaf.extent).map_err(accounting)?;
            }
            return Err(error);
        }
    }
    base.pager.note_written(written.len() as u64);
    let blocks: u64 = written.iter().map(|leaf| leaf.extent.len).sum();
    base.count_written(blocks);
    Ok(written)
}

/// Places as many leaves as fit one run of free blocks, at least one, and renders them.
fn write_run<'a>(
    base: &Base,
    leaves: &mut std::iter::Peekable<std::vec::IntoIter<Candidate<'a>>>,
    bytes: &mut Vec<u8>,
    written: &mut Vec<Written<'a>>,
) -> Result<()> {
    let block = u64::from(base.pager.block_size);
    let blocks = |leaf: &Candidate<'_>| ((PAGE_HEADER_LEN + leaf.frame.body().len()) as u64).div_ceil(block);
    let Some(least) = leaves.peek().map(blocks) else { return Ok(()) };
    let most = least * leaves.len() as u64;
    let mut space = base.room()?;
    let mut run = space.allocate_run(least, most).map_err(no_space)?;
    while let Some(candidate) = leaves.next_if(|leaf| blocks(leaf) <= run.len) {
        let extent = Extent { start: run.start, len: blocks(&candidate) };
        run = Extent { start: extent.end(), len: run.len - extent.len };
        space.mark_tentative(extent);
        let entry = render(base, &candidate, extent, bytes);
        written.push(Written { candidate, extent, entry });
    }
    if run.len > 0 {
        space.give_back(run).map_err(accounting)?;
    }
    Ok(())
}

fn render(base: &Base, leaf: &Candidate<'_>, extent: Extent, bytes: &mut Vec<u8>) -> ChildEntry {
    let frame = leaf.frame.frame();
    let generation = base.generation.load(Ordering::Acquire) + 1;
    let header = PageHeader {
        kind: PageKind::Leaf,
        level: 0,
        tree: leaf.tree,
        address: extent.start,
        generation,
        length: frame.body().len() as u32,
        timestamp: frame.timestamp(),
    };
    let at = bytes.len();
    bytes.extend_from_slice(&header.encode());
    page_image(frame, &[], bytes);
    let page = bytes.get(at..).unwrap_or_default();
    let (length, checksum) = (page.len() as u32, page_checksum(&base.pager.file_id, extent.start, page));
    bytes.resize(at + (extent.len * u64::from(base.pager.block_size)) as usize, 0);
    ChildEntry { address: extent.start, length, generation, checksum }
}

/// Tells the parents, and makes cold what nobody has followed meanwhile. Returns the bytes that are free or may go now.
fn publish(base: &Base, state: &mut ApplyState, written: Vec<Written<'_>>) -> Result<u64> {
    let pager = &base.pager;
    let guard = pin();
    let mut gone = Vec::new();
    let mut freed = 0;
    for Written { candidate, extent, entry } in written {
        let frame = candidate.frame.frame();
        let tree = pager.forest.get(candidate.tree).filter(|tree| tree.dropped_at().is_none() && !state.captured);
        let owner = tree.and_then(|tree| tree.owner(pager, 0, Body::trusted(frame.body()).lower(), &guard));
        let current = owner.filter(|(child, _)| child.swip() == Swip::Resident(frame.id()) && child.dirty());
        let Some((child, latch)) = current else {
            base.space()?.free(extent).map_err(accounting)?;
            continue;
        };
        let Ok(_locked) = latch.lock() else { return Err(accounting("a node was replaced beside the applier")) };
        let old = child.entry();
        child.set_entry(&entry, false);
        base.space()?.adopt(extent);
        if old.address != 0 {
            state.freed.push(old);
        }
        let bytes = pager.pool.bytes(frame.id());
        pager.pool.note_dirty(-(bytes as i64));
        freed += bytes;
        if child.evict(frame.id()) {
            gone.push(frame.id());
        }
    }
    pager.note_evicted(gone.len() as u64);
    pager.pool.retire(gone, &guard);
    Ok(freed)
}

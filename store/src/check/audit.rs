//! What a running database holds in memory and in the file, together: every page can be read, and every block is accounted for (I29, I32).

use crate::ckpt::{Base, SLOTS, accounting, blob_parts, tree_extents};
use crate::error::Result;
use crate::format::{PageKind, SUPERBLOCK_LEN};
use crate::space::Extent;
use crate::tree::node::Body;
use crate::tree::{Access, Target};

/// Reads every page of every tree, and checks that each block of the file is owned exactly once. Works between two batches: commits wait.
/// Returns the number of blocks.
pub(crate) fn audit(base: &Base) -> Result<u64> {
    let superblock = base.superblock.lock();
    let state = base.apply.lock();
    let mut live = fixed(base, superblock.block_size, &superblock.segments);
    for blob in [&superblock.directory, &superblock.free_map].into_iter().flatten() {
        live.extend(blob_parts(base, PageKind::Blob, blob)?);
    }
    for tree in base.forest.iter() {
        if tree.dropped_at().is_some() && !state.dropped_trees.contains(&tree.id()) {
            // Its extents are in quarantine, or free again.
            continue;
        }
        read_leaves(base, tree)?;
        live.extend(tree_extents(base, tree)?);
    }
    for entry in &state.freed {
        live.push(crate::ckpt::extent_of(base, entry));
    }
    for (reference, _) in &state.dropped {
        live.extend(blob_parts(base, PageKind::Overflow, &crate::blob::BlobRef::decode(reference)?)?);
    }
    live.extend(state.spent.iter().map(|&(extent, _)| extent));
    let space = base.space()?;
    space.audit(live).map_err(accounting)?;
    Ok(space.tail())
}

/// Superblocks and log.
fn fixed(_base: &Base, block_size: u32, segments: &[crate::format::Segment]) -> Vec<Extent> {
    let block = u64::from(block_size);
    let slots = SLOTS.iter().map(|slot| Extent { start: slot / block, len: (SUPERBLOCK_LEN as u64).div_ceil(block) });
    let log = segments.iter().map(|segment| Extent { start: segment.address, len: segment.length / block });
    slots.chain(log).collect()
}

/// Goes through the leaves of a tree, which verifies every page on the way.
fn read_leaves(base: &Base, tree: &crate::tree::Tree) -> Result<()> {
    let mut from = Some(Vec::new());
    while let Some(key) = from.take() {
        let upper = tree.with_leaf(&base.pager, Target::At(&key), Access::Scan, |leaf, _| {
            Body::parse(leaf.body()).map(|body| body.upper().map(<[u8]>::to_vec))
        })?;
        from = match upper {
            None => None,
            Some(Ok(upper)) => upper,
            Some(Err(malformed)) => return Err(accounting(malformed)),
        };
    }
    Ok(())
}

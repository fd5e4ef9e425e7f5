//! The free map on disk: what is free once the generation that holds it is the durable one.

use super::base::{Base, accounting};
use crate::blob::BlobRef;
use crate::error::Result;
use crate::format::PageKind;
use crate::space::{Extent, Space, decode_free_map, encode_free_map};

/// Reads the free map of the durable superblock.
pub(super) fn load(base: &Base, superblock: &crate::format::Superblock) -> Result<Space> {
    let free = match &superblock.free_map {
        // No checkpoint yet: only the blocks between the superblocks are free.
        None => super::base::first_free(superblock.block_size),
        Some(blob) => {
            let ctx = base.blob_ctx(PageKind::Blob, 0);
            let bytes =
                crate::blob::read(&*base.pager.storage, &ctx, blob).map_err(|error| error.context("the free map"))?;
            decode_free_map(&bytes, superblock.tail).map_err(accounting)?
        }
    };
    Space::new(superblock.tail, &free).map_err(accounting)
}

/// Room for the entries that other commits may add while the map is drawn up.
const SLACK: usize = 4096;

/// Writes the free map of a new generation; returns it and the file's length in blocks.
///
/// The map must account for the blocks of its own blob, whose number depends on the map. So a blob with room to spare is written first, and
/// the map, drawn up with its blocks taken, goes to these same blocks.
pub(super) fn write(
    base: &Base,
    timestamp: u64,
    generation: u64,
    replaced: &[Extent],
    expired: &[(Extent, u64)],
    blobs: &mut Vec<Extent>,
) -> Result<(BlobRef, u64)> {
    let mut room = draw_up(base, timestamp, replaced, expired)?.0.len() + SLACK;
    loop {
        let mut places = Vec::new();
        let placed = super::write_blob(base, generation, &vec![0; room], &mut places);
        blobs.extend(&places);
        placed?;
        let (mut map, tail) = draw_up(base, timestamp, replaced, expired)?;
        if map.len() <= room {
            map.resize(room, 0);
            let mut places = places.into_iter();
            let ctx = base.blob_ctx(PageKind::Blob, generation);
            let mut again = |blocks| {
                base.count_written(blocks);
                places.next().filter(|place| place.len == blocks).ok_or_else(|| accounting("blobs of one size differ"))
            };
            let blob = crate::blob::write(&*base.pager.storage, &ctx, &mut again, &map);
            return Ok((blob?, tail));
        }
        room = map.len() + SLACK;
        let mut space = base.space()?;
        for place in places {
            blobs.retain(|&extent| extent != place);
            space.free(place).map_err(accounting)?;
        }
    }
}

/// What is free once the new generation is durable, and the length of the file, at one moment.
fn draw_up(base: &Base, timestamp: u64, replaced: &[Extent], expired: &[(Extent, u64)]) -> Result<(Vec<u8>, u64)> {
    let space = base.space()?;
    let mut free = space.free_after(timestamp);
    free.extend(replaced);
    free.extend(expired.iter().map(|(extent, _)| *extent));
    free.sort_unstable_by_key(|extent| extent.start);
    Ok((encode_free_map(&free), space.tail()))
}

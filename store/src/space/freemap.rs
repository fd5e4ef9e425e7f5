//! The free map as bytes: number of extents (u64), then start and length (u64 each) of every one, ascending and never touching.
//! Zeros may follow.

use super::{Extent, SpaceError};

/// Renders a free map; `extents` are sorted by start. Neighbours are joined.
pub(crate) fn encode_free_map(extents: &[Extent]) -> Vec<u8> {
    let mut joined: Vec<Extent> = Vec::with_capacity(extents.len());
    for &extent in extents {
        match joined.last_mut() {
            Some(last) if last.end() == extent.start => last.len += extent.len,
            _ => joined.push(extent),
        }
    }
    let mut out = Vec::with_capacity(8 + joined.len() * 16);
    out.extend_from_slice(&(joined.len() as u64).to_le_bytes());
    for extent in joined {
        out.extend_from_slice(&extent.start.to_le_bytes());
        out.extend_from_slice(&extent.len.to_le_bytes());
    }
    out
}

/// Reads a free map of a file of `tail` blocks.
pub(crate) fn decode_free_map(bytes: &[u8], tail: u64) -> Result<Vec<Extent>, SpaceError> {
    let outside = SpaceError::Outside { block: tail };
    let (count, rest) = bytes.split_first_chunk::<8>().ok_or(outside)?;
    let (pairs, _) = rest.as_chunks::<16>();
    // I36: the count is worth no more than the bytes behind it.
    let count =
        usize::try_from(u64::from_le_bytes(*count)).ok().filter(|&count| count <= pairs.len()).ok_or(outside)?;
    let mut at = 0;
    let mut extents = Vec::with_capacity(count);
    for pair in pairs.iter().take(count) {
        let pair = u128::from_le_bytes(*pair);
        let extent = Extent { start: pair as u64, len: (pair >> 64) as u64 };
        let end = extent.start.checked_add(extent.len).filter(|&end| end <= tail && extent.len > 0);
        let end = end.ok_or(SpaceError::Outside { block: extent.start })?;
        if extent.start < at {
            return Err(SpaceError::Overlap { block: extent.start });
        }
        at = end;
        extents.push(extent);
    }
    Ok(extents)
}

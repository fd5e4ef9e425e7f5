//! What an increment must know of the backup that it follows.

use super::stream::{Frame, Header, Kind, StreamReader};
use crate::error::{Error, Result};
use crate::format::ChildEntry;
use crate::space::Extent;
use std::io::{BufReader, Read};

/// A backup's header, and which blocks were free in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) header: Header,
    /// Ascending.
    pub(super) free: Vec<Extent>,
}

impl Base {
    pub(super) fn new(header: Header, free: Vec<Extent>) -> Self {
        Self { header, free }
    }

    /// Reads the front of a stream.
    pub(crate) fn read(from: impl Read) -> Result<Self> {
        let mut reader = StreamReader::new(BufReader::new(from))?;
        let mut free = Vec::new();
        let tail = reader.header.superblock.tail;
        while let Some(frame) = reader.next()? {
            if frame.kind != Kind::Free {
                break;
            }
            add_free(&mut free, &frame, tail)?;
        }
        Ok(Self { header: reader.header, free })
    }

    /// Reads a whole stream.
    pub(crate) fn verify(from: impl Read) -> Result<(Self, u64)> {
        let mut reader = StreamReader::new(BufReader::new(from))?;
        let mut free = Vec::new();
        let tail = reader.header.superblock.tail;
        while let Some(frame) = reader.next()? {
            if frame.kind == Kind::Free {
                add_free(&mut free, &frame, tail)?;
            }
        }
        let bytes = reader.totals().bytes;
        Ok((Self { header: reader.header, free }, bytes))
    }

    /// Whether it holds what an entry names, and so all below that.
    ///
    /// A page is of the generation that was about to come when its blocks were taken. If that is later than the backup's, so is the page. If it
    /// is not, the blocks were taken before the backup's checkpoint gave any back: then they belonged to nobody else in it, and the page is
    /// in it unless they were free there, as for a commit that came later. Generation 0 says nothing.
    pub(super) fn holds(&self, entry: &ChildEntry) -> bool {
        let superblock = &self.header.superblock;
        let known = entry.generation > 0 && entry.generation <= superblock.generation;
        known && entry.address < superblock.tail && !self.is_free(entry.address)
    }

    fn is_free(&self, block: u64) -> bool {
        let before = self.free.partition_point(|extent| extent.start <= block);
        before.checked_sub(1).and_then(|at| self.free.get(at)).is_some_and(|extent| block < extent.end())
    }

    /// Blocks that were free.
    pub(super) fn free_blocks(&self) -> u64 {
        self.free.iter().map(|extent| extent.len).sum()
    }
}

/// The payloads of frames of free extents, one after the other.
pub(super) fn encode_free(free: &[Extent], piece: usize, frame: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut payload = Vec::new();
    for extents in free.chunks((piece / 16).max(1)) {
        payload.clear();
        for extent in extents {
            payload.extend_from_slice(&extent.start.to_le_bytes());
            payload.extend_from_slice(&extent.len.to_le_bytes());
        }
        frame(&payload)?;
    }
    Ok(())
}

fn add_free(free: &mut Vec<Extent>, frame: &Frame<'_>, tail: u64) -> Result<()> {
    let bad = || Error::corrupt("the backup is damaged: its list of free blocks is impossible");
    let (pairs, rest) = frame.payload.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(bad());
    }
    for pair in pairs {
        let pair = u128::from_le_bytes(*pair);
        let extent = Extent { start: pair as u64, len: (pair >> 64) as u64 };
        let from = free.last().map_or(0, |last| last.end());
        let end = extent.start.checked_add(extent.len).filter(|&end| end <= tail);
        if extent.len == 0 || extent.start < from || end.is_none() {
            return Err(bad());
        }
        free.push(extent);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::stream::tests::header;
    use super::*;

    fn entry(address: u64, generation: u64) -> ChildEntry {
        ChildEntry { address, length: 100, generation, checksum: 1 }
    }

    #[test]
    fn what_a_base_holds() {
        let mut header = header();
        header.superblock.generation = 7;
        header.superblock.tail = 100;
        let base = Base::new(header, vec![Extent { start: 30, len: 5 }, Extent { start: 50, len: 1 }]);
        assert!(base.holds(&entry(29, 7)) && base.holds(&entry(35, 1)) && base.holds(&entry(99, 7)));
        // Newer; of a commit that came later; beyond the file; of no generation that anybody noted.
        assert!(!base.holds(&entry(29, 8)));
        assert!([30, 34, 50].into_iter().all(|block| !base.holds(&entry(block, 3))));
        assert!(!base.holds(&entry(100, 3)) && !base.holds(&entry(29, 0)));
        assert_eq!(base.free_blocks(), 6);
    }

    #[test]
    fn free_extents_round_trip_in_pieces() {
        let free: Vec<Extent> = (0..100).map(|i| Extent { start: i * 3, len: 2 }).collect();
        let (mut read, mut frames) = (Vec::new(), 0);
        encode_free(&free, 64, &mut |payload| {
            frames += 1;
            add_free(&mut read, &Frame { kind: Kind::Free, address: 0, payload }, 299)
        })
        .unwrap();
        assert_eq!((read, frames), (free, 25));
        let refused = |extents: &[(u64, u64)]| {
            let bytes: Vec<u8> =
                extents.iter().flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()]).flatten().collect();
            add_free(&mut Vec::new(), &Frame { kind: Kind::Free, address: 0, payload: &bytes }, 299).is_err()
        };
        assert!(!refused(&[(1, 2), (3, 1)]));
        assert!(refused(&[(1, 2), (2, 1)]) && refused(&[(298, 2)]) && refused(&[(5, 0)]) && refused(&[(u64::MAX, 2)]));
    }
}

//! What a parent holds of a child on disk: enough to find every kind of wrong page (I32).
//!
//! | bytes | field |
//! |---|---|
//! | 0..8 | address in blocks; 0: no image |
//! | 8..12 | length in bytes, header included |
//! | 12..16 | zero |
//! | 16..24 | generation of the checkpoint that wrote it |
//! | 24..32 | checksum of these bytes, seeded with file id and address |

use super::checksum::page_checksum;
use super::page::{PAGE_HEADER_LEN, PageHeader};
use std::fmt;

/// Bytes of a child entry.
pub(crate) const CHILD_ENTRY_LEN: usize = 32;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ChildEntry {
    pub(crate) address: u64,
    pub(crate) length: u32,
    pub(crate) generation: u64,
    pub(crate) checksum: u64,
}

impl ChildEntry {
    /// Addresses stay below this, so that they fit a swip.
    pub(crate) const MAX_ADDRESS: u64 = 1 << 48;

    /// The entry's bytes.
    pub(crate) fn encode(&self) -> [u8; CHILD_ENTRY_LEN] {
        let mut out = [0; CHILD_ENTRY_LEN];
        let words = [self.address, u64::from(self.length), self.generation, self.checksum];
        for (place, word) in out.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        out
    }

    /// Reads an entry.
    pub(crate) fn decode(bytes: &[u8; CHILD_ENTRY_LEN]) -> Result<Self, PageFault> {
        let (words, _) = bytes.as_chunks::<8>();
        let [address, length, generation, checksum] = *words else { return Err(PageFault::Entry) };
        let (address, length) = (u64::from_le_bytes(address), u64::from_le_bytes(length));
        let length = u32::try_from(length).map_err(|_| PageFault::Entry)?;
        if address >= Self::MAX_ADDRESS {
            return Err(PageFault::Entry);
        }
        Ok(Self { address, length, generation: u64::from_le_bytes(generation), checksum: u64::from_le_bytes(checksum) })
    }
}

/// What is wrong with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageFault {
    /// Its bytes do not match the checksum that its parent holds.
    Checksum,
    /// It says it belongs elsewhere.
    Misdirected { says: u64 },
    /// It is of another checkpoint than its parent says: a write was lost.
    Stale { says: u64 },
    /// Its header is not one.
    Header,
    /// Its length differs from its parent's.
    Length,
    /// The parent's entry is impossible.
    Entry,
}

impl fmt::Display for PageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum => f.write_str("its bytes do not match the checksum that its parent holds"),
            Self::Misdirected { says } => write!(f, "it says it belongs to block {says}"),
            Self::Stale { says } => write!(f, "it is of generation {says}, not the one that its parent names"),
            Self::Header => f.write_str("its header is not a page header"),
            Self::Length => f.write_str("its length is not what its parent says"),
            Self::Entry => f.write_str("its parent's entry for it is impossible"),
        }
    }
}

/// Checks a stored page against its parent's entry.
pub(crate) fn verify_page(entry: &ChildEntry, file_id: &[u8; 16], bytes: &[u8]) -> Result<PageHeader, PageFault> {
    if page_checksum(file_id, entry.address, bytes) != entry.checksum {
        return Err(PageFault::Checksum);
    }
    let header = bytes.first_chunk::<PAGE_HEADER_LEN>().and_then(PageHeader::decode).ok_or(PageFault::Header)?;
    if header.address != entry.address {
        return Err(PageFault::Misdirected { says: header.address });
    }
    if header.generation != entry.generation {
        return Err(PageFault::Stale { says: header.generation });
    }
    if bytes.len() != entry.length as usize || header.length as usize != bytes.len() - PAGE_HEADER_LEN {
        return Err(PageFault::Length);
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::super::page::PageKind;
    use super::*;

    const FILE: [u8; 16] = [7; 16];

    fn page(address: u64, generation: u64) -> (ChildEntry, Vec<u8>) {
        let header =
            PageHeader { kind: PageKind::Leaf, level: 0, tree: 1, address, generation, length: 4, timestamp: 2 };
        let mut bytes = header.encode().to_vec();
        bytes.extend_from_slice(b"data");
        let checksum = page_checksum(&FILE, address, &bytes);
        (ChildEntry { address, length: bytes.len() as u32, generation, checksum }, bytes)
    }

    #[test]
    fn i32_every_kind_of_wrong_page_is_found() {
        let (entry, bytes) = page(5, 3);
        assert!(verify_page(&entry, &FILE, &bytes).is_ok());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(verify_page(&entry, &FILE, &damaged), Err(PageFault::Checksum));
        }
        // A page of another place, of an older checkpoint, of another file: all have valid checksums of their own.
        let (_, elsewhere) = page(6, 3);
        assert_eq!(verify_page(&entry, &FILE, &elsewhere), Err(PageFault::Checksum));
        let (_, older) = page(5, 2);
        assert_eq!(verify_page(&entry, &FILE, &older), Err(PageFault::Checksum));
        assert_eq!(verify_page(&entry, &[8; 16], &bytes), Err(PageFault::Checksum));
        // The same when somebody forged the checksum in the parent.
        let forged = |bytes: &[u8]| ChildEntry { checksum: page_checksum(&FILE, 5, bytes), ..entry };
        let fault = verify_page(&forged(&elsewhere), &FILE, &elsewhere);
        assert_eq!(fault, Err(PageFault::Misdirected { says: 6 }));
        assert_eq!(verify_page(&forged(&older), &FILE, &older), Err(PageFault::Stale { says: 2 }));
    }

    #[test]
    fn entries_round_trip() {
        let (entry, _) = page(5, 3);
        assert_eq!(ChildEntry::decode(&entry.encode()), Ok(entry));
        let mut far = entry.encode();
        far[7] = 1;
        assert_eq!(ChildEntry::decode(&far), Err(PageFault::Entry));
        let mut long = entry.encode();
        long[12] = 1;
        assert_eq!(ChildEntry::decode(&long), Err(PageFault::Entry));
    }
}

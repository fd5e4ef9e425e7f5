//! The header of every page.
//!
//! | bytes | field |
//! |---|---|
//! | 0 | kind: 1 leaf, 2 inner, 3 overflow, 4 blob, 5 spill |
//! | 1 | level: 0 for leaves; of a blob's index chunks, their height |
//! | 2 | codec: 0 raw, others reserved |
//! | 3 | flags: zero |
//! | 4..8 | tree number |
//! | 8..16 | own address, in blocks |
//! | 16..24 | generation of the checkpoint that wrote it |
//! | 24..28 | length of the payload |
//! | 28..32 | length of the payload as stored: the same while the codec is 0 |
//! | 32..40 | timestamp of the newest commit in a leaf |
//!
//! All numbers are little-endian.

/// Bytes of a page header.
pub(crate) const PAGE_HEADER_LEN: usize = 40;

/// What a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageKind {
    Leaf,
    Inner,
    Overflow,
    Blob,
    Spill,
}

impl PageKind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Leaf,
            2 => Self::Inner,
            3 => Self::Overflow,
            4 => Self::Blob,
            5 => Self::Spill,
            _ => return None,
        })
    }

    fn byte(self) -> u8 {
        match self {
            Self::Leaf => 1,
            Self::Inner => 2,
            Self::Overflow => 3,
            Self::Blob => 4,
            Self::Spill => 5,
        }
    }
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageHeader {
    pub(crate) kind: PageKind,
    pub(crate) level: u8,
    pub(crate) tree: u32,
    pub(crate) address: u64,
    pub(crate) generation: u64,
    pub(crate) length: u32,
    pub(crate) timestamp: u64,
}

impl PageHeader {
    /// The header's bytes.
    pub(crate) fn encode(&self) -> [u8; PAGE_HEADER_LEN] {
        let mut out = [0; PAGE_HEADER_LEN];
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(place) = out.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        put(0, &[self.kind.byte(), self.level, 0, 0]);
        put(4, &self.tree.to_le_bytes());
        put(8, &self.address.to_le_bytes());
        put(16, &self.generation.to_le_bytes());
        put(24, &self.length.to_le_bytes());
        put(28, &self.length.to_le_bytes());
        put(32, &self.timestamp.to_le_bytes());
        out
    }

    /// Reads a header. `None` if it has a kind, codec or flag that this version does not write, or its lengths differ.
    pub(crate) fn decode(bytes: &[u8; PAGE_HEADER_LEN]) -> Option<Self> {
        let (words, _) = bytes.as_chunks::<8>();
        let [first, address, generation, lengths, timestamp] = *words else { return None };
        let [kind, level, 0, 0, t0, t1, t2, t3] = first else { return None };
        let lengths = u64::from_le_bytes(lengths);
        let (length, stored) = (lengths as u32, (lengths >> 32) as u32);
        (length == stored).then_some(Self {
            kind: PageKind::from_byte(kind)?,
            level,
            tree: u32::from_le_bytes([t0, t1, t2, t3]),
            address: u64::from_le_bytes(address),
            generation: u64::from_le_bytes(generation),
            length,
            timestamp: u64::from_le_bytes(timestamp),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        let header = PageHeader {
            kind: PageKind::Inner,
            level: 3,
            tree: 70_000,
            address: 1 << 40,
            generation: 9,
            length: 12_345,
            timestamp: u64::MAX,
        };
        let bytes = header.encode();
        assert_eq!(PageHeader::decode(&bytes), Some(header));
        for (at, value) in [(0, 0), (0, 6), (2, 1), (3, 1), (28, 7)] {
            let mut bad = bytes;
            bad[at] = value;
            assert_eq!(PageHeader::decode(&bad), None, "byte {at}");
        }
    }
}

//! The root directory: where each tree's root lies. One blob, written whole by each checkpoint.
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | tree number, ascending from entry to entry |
//! | 4 | flags: bit 0, some value of the tree lies in overflow extents |
//! | 5..8 | zero |
//! | 8..40 | child entry of the root |

use crate::format::{CHILD_ENTRY_LEN, ChildEntry};

const ENTRY_LEN: usize = 8 + CHILD_ENTRY_LEN;
const HAS_OVERFLOW: u8 = 1;

/// One tree of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirectoryEntry {
    pub(crate) tree: u32,
    pub(crate) has_overflow: bool,
    pub(crate) root: ChildEntry,
}

/// Renders the directory.
pub(crate) fn encode(entries: &[DirectoryEntry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * ENTRY_LEN);
    for entry in entries {
        out.extend_from_slice(&entry.tree.to_le_bytes());
        out.extend_from_slice(&[if entry.has_overflow { HAS_OVERFLOW } else { 0 }, 0, 0, 0]);
        out.extend_from_slice(&entry.root.encode());
    }
    out
}

/// Reads the directory. The error says what is wrong.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<DirectoryEntry>, String> {
    let (chunks, rest) = bytes.as_chunks::<ENTRY_LEN>();
    if !rest.is_empty() {
        return Err(format!("{} bytes are not whole entries", bytes.len()));
    }
    let mut entries: Vec<DirectoryEntry> = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let Some((head, root)) = chunk.split_first_chunk::<8>() else { return Err("an entry is too short".into()) };
        let [t0, t1, t2, t3, flags, 0, 0, 0] = *head else { return Err("reserved bytes are set".into()) };
        let tree = u32::from_le_bytes([t0, t1, t2, t3]);
        if flags & !HAS_OVERFLOW != 0 {
            return Err(format!("tree {tree} has unknown flags {flags:#x}"));
        }
        if entries.last().is_some_and(|last| last.tree >= tree) {
            return Err(format!("tree {tree} is out of order"));
        }
        let root = root.try_into().map_err(|_| "an entry is too short".to_owned())?;
        let root = ChildEntry::decode(root).map_err(|fault| format!("tree {tree}: {fault}"))?;
        if root.address == 0 {
            return Err(format!("tree {tree} has no root"));
        }
        entries.push(DirectoryEntry { tree, has_overflow: flags & HAS_OVERFLOW != 0, root });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<DirectoryEntry> {
        let root = ChildEntry { address: 7, length: 99, generation: 3, checksum: 5 };
        vec![
            DirectoryEntry { tree: 1, has_overflow: false, root },
            DirectoryEntry { tree: 9, has_overflow: true, root },
        ]
    }

    #[test]
    fn round_trip() {
        assert_eq!(decode(&encode(&sample())).unwrap(), sample());
        assert_eq!(decode(&[]).unwrap(), []);
    }

    #[test]
    fn refuses_what_it_did_not_write() {
        let mut twice = sample();
        twice.swap(0, 1);
        assert!(decode(&encode(&twice)).is_err());
        let bytes = encode(&sample());
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
        let mut flags = bytes;
        flags[4] = 2;
        assert!(decode(&flags).is_err());
    }
}

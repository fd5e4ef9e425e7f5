//! The free map, the root directory, and what they leave unaccounted for (I29).

use super::blocks::Taken;
use super::{FindingKind, Found, Walker};
use crate::ckpt::{DirectoryEntry, SLOTS, decode_directory, first_free};
use crate::format::{PageKind, SUPERBLOCK_LEN};
use crate::space::Extent;

impl Walker<'_> {
    /// Superblocks and log.
    pub(crate) fn fixed(&mut self) {
        let block = u64::from(self.superblock.block_size);
        let slots = SLOTS.map(|slot| Extent { start: slot / block, len: (SUPERBLOCK_LEN as u64).div_ceil(block) });
        let log = self.superblock.segments.iter();
        let log: Vec<_> = log.map(|segment| Extent { start: segment.address, len: segment.length / block }).collect();
        for extent in slots.into_iter().chain(log) {
            self.own(extent, |what| Found::new(FindingKind::Space, format!("a superblock or the log: {what}")));
            self.advance(extent.len * block);
        }
    }

    /// Reads the free map. Comes before the trees, so that a page which is listed as free can be named.
    pub(crate) fn free_map(&mut self) {
        let about = |what: String| Found::new(FindingKind::FreeMap, what);
        let free = match self.superblock.free_map {
            None => first_free(self.superblock.block_size),
            Some(blob) => match self.blob(PageKind::Blob, &blob, about) {
                Ok(bytes) => match crate::space::decode_free_map(&bytes, self.superblock.tail) {
                    Ok(extents) => extents,
                    Err(error) => {
                        self.blind = true;
                        return self.found.add(about(format!("it contradicts itself: {error}")));
                    }
                },
                Err(_) => {
                    // Also if it was not read at all, as it lies behind the end of the file.
                    self.blind = true;
                    return;
                }
            },
        };
        for extent in free {
            if let Err(taken) = self.blocks.list_free(extent) {
                let (Taken::Outside | Taken::Twice(_) | Taken::Free(_)) = taken;
                let Extent { start, len } = extent;
                let what = format!(
                    "it lists {len} blocks from block {start} on, of which some are in use or outside the file"
                );
                self.found.add(about(what).at(start));
            }
        }
        let used = self.blocks.count() - self.blocks.free_blocks().min(self.blocks.count());
        self.progress.total = used * u64::from(self.superblock.block_size);
    }

    /// The trees of the checkpoint.
    pub(crate) fn directory(&mut self) -> Vec<DirectoryEntry> {
        let about = |what: String| Found::new(FindingKind::Directory, what);
        let Some(blob) = self.superblock.directory else { return Vec::new() };
        let read = self.blob(PageKind::Blob, &blob, about).map(|bytes| decode_directory(&bytes));
        // Also if it was not read at all, as it lies behind the end of the file.
        self.blind |= !matches!(read, Ok(Ok(_)));
        if let Ok(Err(what)) = &read {
            self.found.add(about(what.clone()));
        }
        read.ok().and_then(|decoded| decoded.ok()).unwrap_or_default()
    }

    /// Blocks that nobody owns and that are not listed as free. Only if everything that names blocks was read: returns them as lost otherwise.
    pub(crate) fn account(&mut self) -> u64 {
        let runs: Vec<Extent> = self.blocks.unaccounted().take(super::Findings::MOST).collect();
        let blocks = runs.iter().map(|run| run.len).sum();
        // A file that has ever had a tree has the catalog. Without one nothing was dropped, and what lies there is not where it belongs.
        let kind = if self.superblock.directory.is_some() { FindingKind::Leak } else { FindingKind::Space };
        if !self.blind {
            for Extent { start, len } in runs {
                let what = match len {
                    1 => format!("block {start} belongs to nothing, and is not listed as free"),
                    _ => format!("{len} blocks from block {start} on belong to nothing, and are not listed as free"),
                };
                self.found.add(Found::new(kind, what).at(start));
            }
        }
        blocks
    }
}

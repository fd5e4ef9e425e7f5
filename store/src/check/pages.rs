//! Reads pages from the file itself and verifies them: what `tree/pager.rs` does for the pool, without frames.

use crate::format::{
    CHILD_ENTRY_LEN, ChildEntry, PAGE_HEADER_LEN, PageHeader, PageKind, Superblock, page_checksum, verify_page,
};
use crate::tree::node::{Body, MAX_BODY};
use crate::tree::{MAX_LEVEL, MAX_NODE};
use crate::vfs::Storage;
use std::io;

/// The longest page: no frame holds more.
const LONGEST: usize = MAX_NODE + PAGE_HEADER_LEN + 8;

/// The file that pages are read from.
#[derive(Clone, Copy)]
pub(crate) struct Pages<'a> {
    pub(crate) storage: &'a dyn Storage,
    pub(crate) file_id: [u8; 16],
    pub(crate) block_size: u32,
}

/// A page whose structure is sound.
pub(crate) struct Page {
    pub(crate) header: PageHeader,
    bytes: Vec<u8>,
    /// The body's place.
    start: usize,
    end: usize,
}

/// What a page that nobody vouches for seems to be.
pub(crate) struct Stray {
    pub(crate) page: Page,
    pub(crate) entry: ChildEntry,
}

/// Why a page was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) what: String,
    /// Whether the device refused.
    pub(crate) device: bool,
}

impl From<String> for Unreadable {
    fn from(what: String) -> Self {
        Self { what, device: false }
    }
}

impl From<&str> for Unreadable {
    fn from(what: &str) -> Self {
        what.to_owned().into()
    }
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => "it lies beyond the end of the file".into(),
            _ => Self { what: format!("the device cannot read it: {error}"), device: true },
        }
    }
}

impl<'a> Pages<'a> {
    /// The pages of a file.
    pub(crate) fn new(storage: &'a dyn Storage, superblock: &Superblock) -> Self {
        Self { storage, file_id: superblock.file_id, block_size: superblock.block_size }
    }

    /// Blocks of a page of so many bytes.
    pub(crate) fn blocks(&self, length: u32) -> u64 {
        u64::from(length).div_ceil(u64::from(self.block_size))
    }

    /// Reads and verifies a page of tree `tree` at `level`. The error says what is wrong.
    pub(crate) fn read(&self, tree: u32, level: Option<u8>, entry: &ChildEntry) -> Result<Page, Unreadable> {
        let mut bytes = vec![0; self.length(entry)?];
        let offset = entry.address.checked_mul(u64::from(self.block_size));
        let offset = offset.ok_or("its address lies beyond any file")?;
        self.storage.read_at(&mut bytes, offset)?;
        Ok(self.verify(tree, level, entry, bytes)?)
    }

    /// Bytes of a page, if it can have so many (I36).
    pub(crate) fn length(&self, entry: &ChildEntry) -> Result<usize, Unreadable> {
        let length = entry.length as usize;
        if !(PAGE_HEADER_LEN..=LONGEST).contains(&length) {
            return Err(format!("its parent gives it {length} bytes, pages have {PAGE_HEADER_LEN} to {LONGEST}").into());
        }
        Ok(length)
    }

    /// Verifies the bytes of a page, as [`read`](Self::read) does.
    pub(crate) fn verify(
        &self,
        tree: u32,
        level: Option<u8>,
        entry: &ChildEntry,
        bytes: Vec<u8>,
    ) -> Result<Page, String> {
        let header = verify_page(entry, &self.file_id, &bytes).map_err(|fault| fault.to_string())?;
        if header.tree != tree {
            return Err(format!("it belongs to tree {}", header.tree));
        }
        match level {
            Some(level) if level != header.level => Err(format!("level {} where {level} belongs", header.level)),
            _ => Page::parse(header, bytes),
        }
    }

    /// What lies at a block, if it says of itself that it is a page of a tree and that it belongs there, and its structure is sound.
    /// `Ok(None)`: it is no such page.
    pub(crate) fn stray(&self, block: u64) -> io::Result<Option<Stray>> {
        let offset = block.checked_mul(u64::from(self.block_size)).ok_or(io::ErrorKind::InvalidInput)?;
        let mut head = [0; PAGE_HEADER_LEN];
        self.storage.read_at(&mut head, offset)?;
        let header = PageHeader::decode(&head)
            .filter(|header| header.address == block && matches!(header.kind, PageKind::Leaf | PageKind::Inner));
        let Some(header) = header else { return Ok(None) };
        let length = PAGE_HEADER_LEN.saturating_add(header.length as usize);
        if length > LONGEST {
            return Ok(None);
        }
        let mut bytes = vec![0; length];
        if self.storage.read_at(&mut bytes, offset).is_err() {
            return Ok(None);
        }
        let checksum = page_checksum(&self.file_id, block, &bytes);
        let entry = ChildEntry { address: block, length: length as u32, generation: header.generation, checksum };
        Ok(Page::parse(header, bytes).ok().map(|page| Stray { page, entry }))
    }
}

impl Page {
    /// Checks the structure of a page whose header was read.
    fn parse(header: PageHeader, bytes: Vec<u8>) -> Result<Self, String> {
        let expected = if header.level == 0 { PageKind::Leaf } else { PageKind::Inner };
        if header.kind != expected || header.level > MAX_LEVEL {
            return Err(format!("a {:?} page at level {}", header.kind, header.level));
        }
        let payload = bytes.get(PAGE_HEADER_LEN..).unwrap_or_default();
        let (start, end) = match header.kind {
            PageKind::Leaf => (PAGE_HEADER_LEN, bytes.len()),
            _ => {
                let body = payload.first_chunk::<4>().map_or(0, |len| u32::from_le_bytes(*len)) as usize;
                (PAGE_HEADER_LEN + 8, PAGE_HEADER_LEN + 8 + body.min(MAX_BODY))
            }
        };
        let page = Self { header, bytes, start, end };
        let body = Body::parse(page.bytes.get(start..end).ok_or("its body is too long")?);
        let body = body.map_err(|malformed| malformed.to_string())?;
        if body.level() != header.level {
            return Err("its body is of another level".into());
        }
        if header.level > 0 {
            let counted = page.bytes.get(PAGE_HEADER_LEN + 4..start).and_then(|count| count.try_into().ok());
            let counted = counted.map_or(0, u32::from_le_bytes) as usize;
            let entries = page.bytes.get(end..).unwrap_or_default();
            if counted != body.len() + 1 || entries.len() != counted * CHILD_ENTRY_LEN {
                return Err("its counts disagree".into());
            }
            for child in page.children() {
                match child {
                    Ok(child) if child.address != 0 => {}
                    _ => return Err("a child without an address".into()),
                }
            }
        }
        Ok(page)
    }

    /// Its body.
    pub(crate) fn body(&self) -> Body<'_> {
        Body::trusted(self.bytes.get(self.start..self.end).unwrap_or_default())
    }

    fn children(&self) -> impl Iterator<Item = Result<ChildEntry, String>> + '_ {
        let entries = self.bytes.get(self.end..).filter(|_| self.header.level > 0).unwrap_or_default();
        let entries = entries.as_chunks::<CHILD_ENTRY_LEN>().0.iter();
        entries.map(|bytes| ChildEntry::decode(bytes).map_err(|fault| fault.to_string()))
    }

    /// What an inner page holds of its children.
    pub(crate) fn entries(&self) -> impl Iterator<Item = ChildEntry> + '_ {
        self.children().filter_map(Result::ok)
    }

    /// What an inner page holds of child `i`.
    pub(crate) fn entry(&self, i: usize) -> Option<ChildEntry> {
        let entries = self.bytes.get(self.end..).filter(|_| self.header.level > 0).unwrap_or_default();
        entries.as_chunks::<CHILD_ENTRY_LEN>().0.get(i).and_then(|bytes| ChildEntry::decode(bytes).ok())
    }
}

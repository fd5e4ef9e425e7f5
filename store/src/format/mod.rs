//! Bytes on disk: superblock, page header, child entry, checksums.
//!
//! Everything read from disk is unverified until a checksum vouches for it, and even then no count, length or address reaches an allocation,
//! an index or a loop without a check (I36): `Untrusted` carries such numbers until then. Keeps I32 together with `tree/pager.rs`.

mod checksum;
mod child;
mod page;
mod superblock;
mod untrusted;

pub(crate) use checksum::page_checksum;
pub(crate) use child::{CHILD_ENTRY_LEN, ChildEntry, verify_page};
pub(crate) use page::{PAGE_HEADER_LEN, PageHeader, PageKind};
#[cfg(test)]
pub(crate) use superblock::MAX_BACKUPS;
pub(crate) use superblock::{
    Chosen, FormatError, GENERATION_AT, KnownBackup, MAX_LOG, MAX_SALTS, SALVAGING, SUPERBLOCK_LEN, Segment, Slots,
    Superblock, TIMESTAMP_LIMIT, UNFINISHED, choose,
};
pub(crate) use untrusted::Untrusted;

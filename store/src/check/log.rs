//! The log behind the superblock: records, what they name, and whether its end is torn or damaged (I24).

use super::{Blocks, FindingKind, Findings, Found};
use crate::blob::{BlobCtx, BlobRef, MAX_CHUNK, inspect};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{PageKind, Superblock};
use crate::space::Extent;
use crate::vfs::Storage;
use crate::wal::{Commit, LogError, LogStart, Op, OpsReader, Ring, RingSegment, UNIT, scan};
use std::collections::BTreeMap;

/// What the log holds.
#[derive(Debug, Default)]
pub(crate) struct LogSummary {
    /// Commits behind the checkpoint.
    pub(crate) commits: u64,
    /// Bytes of the log that hold them.
    pub(crate) bytes: u64,
    /// Extents that they name, by first block.
    extents: BTreeMap<u64, u64>,
    pub(crate) found: Findings,
}

/// A log is read so often, at most, while somebody writes it.
const TRIES: usize = 64;

/// Reads the log. `live`: somebody may be appending to it, and nobody releases it.
pub(crate) fn read_log(storage: &dyn Storage, superblock: &Superblock, live: bool) -> LogSummary {
    let mut suspect = None;
    for _ in 0..TRIES {
        let mut summary = LogSummary::default();
        let Err(stop) = attempt(storage, superblock, &mut summary) else { return summary };
        // A record that was written after its place had been read is no damage: the proof that it was durable says that it can be read now.
        if !live || stop.position.is_none() || suspect == stop.position {
            summary.found.add(Found::new(FindingKind::Log, stop.what).unread(stop.device));
            return summary;
        }
        suspect = stop.position;
    }
    let mut summary = LogSummary::default();
    summary.found.add(Found::new(FindingKind::Log, "it could not be read to its end: it is written faster than read"));
    summary
}

/// Why reading the log ended.
struct Stop {
    /// Where it is damaged, if it is that.
    position: Option<u64>,
    /// Whether the device refused.
    device: bool,
    what: String,
}

fn stop(what: impl Into<String>) -> Stop {
    Stop { position: None, device: false, what: what.into() }
}

fn attempt(storage: &dyn Storage, superblock: &Superblock, summary: &mut LogSummary) -> Result<(), Stop> {
    let segments = superblock.segments.iter().map(|segment| RingSegment {
        first: segment.first,
        offset: segment.address * u64::from(superblock.block_size),
        length: segment.length,
    });
    let ring = Ring::new(segments.collect(), UNIT).map_err(|error| stop(error.to_string()))?;
    let start = LogStart {
        position: superblock.log_start,
        chain: superblock.chain,
        salts: &superblock.salts,
        timestamp: superblock.commit_timestamp,
    };
    let read = scan(storage, &ring, start, &mut |commit| {
        summary.commits += 1;
        record(storage, superblock, &commit, summary);
        Ok::<_, Error>(())
    });
    match read {
        Ok(end) => {
            summary.bytes = end.position - superblock.log_start;
            if end.unread > 0 {
                let what = format!("{} parts of it could not be read, behind the last commit", end.unread);
                summary.found.add(Found::new(FindingKind::Log, what).unread(true));
            }
            Ok(())
        }
        Err(LogError::Damaged { position, proof }) => {
            let what = format!(
                "the record at position {position} is damaged, and position {proof} shows that it had been durable"
            );
            Err(Stop { position: Some(position), ..stop(what) })
        }
        Err(LogError::Io(error)) => Err(Stop { device: true, ..stop(format!("the device cannot read it: {error}")) }),
        Err(LogError::Visitor(error)) => Err(stop(error.to_string())),
    }
}

fn record(storage: &dyn Storage, superblock: &Superblock, commit: &Commit<'_>, summary: &mut LogSummary) {
    let place = format!("the record at position {}", commit.position);
    for blob in operations(storage, superblock, commit.body, &place, summary) {
        let about = format!("{place}: a part of the commit");
        if let Some(body) = blob_bytes(storage, superblock, PageKind::Spill, &blob, &about, summary, true) {
            operations(storage, superblock, &body, &about, summary);
        }
    }
}

/// Checks operations and the values that they name; returns the parts of the commit that lie elsewhere.
fn operations(
    storage: &dyn Storage,
    superblock: &Superblock,
    body: &[u8],
    place: &str,
    summary: &mut LogSummary,
) -> Vec<BlobRef> {
    let mut parts = Vec::new();
    for op in OpsReader::new(body) {
        let reference = match op {
            Ok(Op::PutOverflow { reference, tree, .. }) => Some((PageKind::Overflow, reference, tree)),
            Ok(Op::Spill { reference }) => Some((PageKind::Spill, reference, 0)),
            Ok(_) => None,
            Err(malformed) => {
                summary.found.add(Found::new(FindingKind::Log, format!("{place}: {malformed}")));
                None
            }
        };
        let Some((kind, reference, tree)) = reference else { continue };
        match BlobRef::decode(reference) {
            Err(error) => summary.found.add(Found::new(FindingKind::Log, format!("{place}: {error}"))),
            Ok(blob) if kind == PageKind::Spill => parts.push(blob),
            Ok(blob) => {
                let about = format!("{place}: a value of tree {tree}");
                blob_bytes(storage, superblock, kind, &blob, &about, summary, false);
            }
        }
    }
    parts
}

/// Reads what a record names. `keep`: its bytes are wanted.
fn blob_bytes(
    storage: &dyn Storage,
    superblock: &Superblock,
    kind: PageKind,
    blob: &BlobRef,
    about: &str,
    summary: &mut LogSummary,
    keep: bool,
) -> Option<Vec<u8>> {
    let Superblock { file_id, block_size, .. } = *superblock;
    let ctx = BlobCtx { file_id, block_size, kind, generation: 0, max_chunk: MAX_CHUNK };
    let LogSummary { extents, found, .. } = summary;
    let found = std::cell::RefCell::new(found);
    let mut bytes = Vec::new();
    let sound = inspect(
        storage,
        &ctx,
        blob,
        &mut |entry| {
            let len = u64::from(entry.length).div_ceil(u64::from(block_size));
            let Some(end) = entry.address.checked_add(len) else { return false };
            let before = extents.range(..end).next_back().is_some_and(|(&start, &len)| start + len > entry.address);
            if before {
                let what = format!("{about}: block {} belongs to something else in the log too", entry.address);
                found.borrow_mut().add(Found::new(FindingKind::Space, what).at(entry.address));
                return false;
            }
            extents.insert(entry.address, len);
            true
        },
        &mut |entry, chunk| match chunk {
            Ok(chunk) if keep => bytes.extend_from_slice(chunk),
            Ok(_) => {}
            Err(error) => {
                let what = format!("{about}: {error}");
                let unread = error.kind() == ErrorKind::Io;
                found.borrow_mut().add(Found::new(FindingKind::Log, what).at(entry.address).unread(unread));
            }
        },
    );
    sound.then_some(bytes)
}

impl LogSummary {
    /// What the log names belongs to no page, and is free for the checkpoint: tentative (I29).
    pub(crate) fn compare(&mut self, blocks: &Blocks) {
        for (&start, &len) in &self.extents {
            let extent = Extent { start, len };
            let taken = (extent.start..extent.end().min(blocks.count())).find(|&block| !blocks.is_free(block));
            if let Some(block) = taken {
                let what =
                    format!("the log names block {block} for a commit after the checkpoint, which uses it itself");
                self.found.add(Found::new(FindingKind::Space, what).at(start));
            }
        }
    }
}

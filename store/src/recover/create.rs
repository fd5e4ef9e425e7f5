//! Makes a new file.

use super::OpenParameters;
use crate::ckpt::{SLOTS, write_first};
use crate::error::{Error, Result};
use crate::format::{SUPERBLOCK_LEN, Segment, Superblock};
use crate::vfs::Storage;
use crate::wal::UNIT;
use std::io;

/// The generation of a new file's first superblock.
const FIRST: u64 = 1;
/// Zeros are written this many bytes at a time.
const PIECE: u64 = 1 << 20;

/// Writes the log's zeros, then the superblocks: a file without a superblock holds nothing.
pub(super) fn create(storage: &dyn Storage, parameters: &OpenParameters) -> Result<Superblock> {
    let block = u64::from(parameters.block_size);
    let (address, length) = log_place(parameters);
    let superblock = Superblock {
        block_size: parameters.block_size,
        page_size: parameters.page_size,
        file_id: parameters.file_id,
        generation: FIRST,
        commit_timestamp: 0,
        tail: address + length / block,
        directory: None,
        free_map: None,
        log_start: 0,
        chain: 0,
        segments: vec![Segment { first: 0, address, length }],
        salts: Vec::new(),
        backups: Vec::new(),
    };
    write(storage, superblock, block).map_err(|error| Error::io("making a new file", error))
}

/// The block at which the log of a new file begins, and the log's bytes.
fn log_place(parameters: &OpenParameters) -> (u64, u64) {
    let block = u64::from(parameters.block_size);
    let length = parameters.log_size.max(16 * UNIT).next_multiple_of(UNIT.max(block));
    ((SLOTS[1] + SUPERBLOCK_LEN as u64).div_ceil(block), length)
}

/// Bytes of a new file.
pub(super) fn new_length(parameters: &OpenParameters) -> u64 {
    let (address, length) = log_place(parameters);
    address * u64::from(parameters.block_size) + length
}

/// Whether a file of this length may have nothing in it but this superblock, which slot B alone has.
pub(super) fn is_first(superblock: &Superblock, length: u64) -> bool {
    superblock.generation == FIRST && length <= superblock.tail * u64::from(superblock.block_size)
}

fn write(storage: &dyn Storage, superblock: Superblock, block: u64) -> io::Result<Superblock> {
    let end = superblock.tail * block;
    let zeros = vec![0; PIECE as usize];
    let mut at = SLOTS[1] + SUPERBLOCK_LEN as u64;
    storage.set_len(at)?;
    while at < end {
        let count = (end - at).min(PIECE) as usize;
        storage.write_at(zeros.get(..count).unwrap_or_default(), at)?;
        at += count as u64;
    }
    storage.sync()?;
    // As long as slot A is all zeros, creation was not finished and nothing was committed.
    write_first(storage, superblock)
}

/// Whether this is what a crash left of a file that was being made: slot A never written, and nothing but zeros outside slot B.
pub(super) fn was_interrupted(storage: &dyn Storage, a: &[u8; SUPERBLOCK_LEN], length: u64) -> io::Result<bool> {
    // With slot A begun, slot B is whole and `choose` has succeeded.
    Ok(a.iter().all(|&byte| byte == 0) && zeros_outside_slots(storage, length)?)
}

fn zeros_outside_slots(storage: &dyn Storage, length: u64) -> io::Result<bool> {
    let mut buffer = vec![0; PIECE as usize];
    let parts = [(SUPERBLOCK_LEN as u64, SLOTS[1]), (SLOTS[1] + SUPERBLOCK_LEN as u64, length)];
    for (mut at, end) in parts {
        let end = end.min(length);
        while at < end {
            let count = (end - at).min(PIECE) as usize;
            let Some(part) = buffer.get_mut(..count) else { break };
            storage.read_at(part, at)?;
            if part.iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            at += count as u64;
        }
    }
    Ok(true)
}

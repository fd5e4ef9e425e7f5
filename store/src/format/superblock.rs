//! The two superblocks, at bytes 0 and 65,536, equal except while one is being switched.
//!
//! | bytes | field |
//! |---|---|
//! | 0..16 | magic: `TAMARACK` CR LF 1A LF and four zero bytes |
//! | 16..20 | format version: 1 |
//! | 20..24 | bytes of a block: a power of two from 256 to 65,536 |
//! | 24..28 | bytes that a leaf aims at |
//! | 28..32 | zero |
//! | 32..48 | file id |
//! | 48..56 | generation: one more with each switch |
//! | 56..64 | timestamp of the newest commit in the trees |
//! | 64..72 | length of the file in blocks |
//! | 72..120 | root directory: blob reference; its generation is zero before the first checkpoint |
//! | 120..168 | free map: blob reference |
//! | 168..176 | log: position of the first record that is not in the trees |
//! | 176..184 | log: chain value that this record continues |
//! | 184..188 | number of ring segments, 1 to 8 |
//! | 188..192 | number of salts, 0 to 32 |
//! | 192..384 | ring segments: first position, address in blocks, length in bytes |
//! | 384..896 | salts: salt, first position |
//! | 896..900 | number of backups, 0 to 128 |
//! | 900..904 | zero |
//! | 904..3976 | backups that increments may follow, oldest first: id (16 bytes), generation |
//! | 3976..4080 | zero |
//! | 4080..4096 | xxh3-128 of the bytes before |
//!
//! All numbers are little-endian.
//!
//! The magic, the version's place, both slots' places and length, and the checksum's place and kind are the same in every version, also in those to come.
//! So a superblock whose checksum does not hold is damaged, whatever its version says, and one whose checksum holds and whose version is above ours
//! is of a newer program.

use crate::blob::{BLOB_REF_LEN, BlobRef};
use std::fmt;
use xxhash_rust::xxh3::xxh3_128;

/// Bytes of a superblock.
pub(crate) const SUPERBLOCK_LEN: usize = 4096;
/// Bytes of the log, at most: the most that `Options::log_size` takes.
pub(crate) const MAX_LOG: u64 = 1 << 30;
/// Where the generation is, the first field that changes.
pub(crate) const GENERATION_AT: usize = 48;
/// Most ring segments.
pub(crate) const MAX_SEGMENTS: usize = 8;
/// Most salts.
pub(crate) const MAX_SALTS: usize = 32;
/// Positions and generations stay below.
const LIMIT: u64 = 1 << 62;
/// Timestamps of commits that are read from a file are below: no session makes so many that it comes to where slots of snapshots have flags.
pub(crate) const TIMESTAMP_LIMIT: u64 = 1 << 61;
/// Most backups that a file remembers.
pub(crate) const MAX_BACKUPS: usize = 128;
/// What stands in slot A while a restore writes the file: it is no database until that has ended.
pub(crate) const UNFINISHED: [u8; 16] = *b"TAMARACK RESTORE";
/// The same for a salvage.
pub(crate) const SALVAGING: [u8; 16] = *b"TAMARACK SALVAGE";

const MAGIC: [u8; 16] = *b"TAMARACK\r\n\x1a\n\0\0\0\0";
const VERSION: u32 = 1;
const CHECKSUM_AT: usize = SUPERBLOCK_LEN - 16;
const SEGMENTS_AT: usize = 192;
const SALTS_AT: usize = 384;
const BACKUPS_AT: usize = 896;
const BACKUP_LEN: usize = 24;
const END: usize = BACKUPS_AT + 8 + MAX_BACKUPS * BACKUP_LEN;

/// A part of the log ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Position in the log where it begins to be used.
    pub(crate) first: u64,
    /// Block that it begins at.
    pub(crate) address: u64,
    /// Its length in bytes.
    pub(crate) length: u64,
}

/// A backup that was made of the file, or of the file that this one was restored from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownBackup {
    /// Random.
    pub(crate) id: [u8; 16],
    /// The generation that it holds.
    pub(crate) generation: u64,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Superblock {
    pub(crate) block_size: u32,
    pub(crate) page_size: u32,
    pub(crate) file_id: [u8; 16],
    pub(crate) generation: u64,
    pub(crate) commit_timestamp: u64,
    pub(crate) tail: u64,
    pub(crate) directory: Option<BlobRef>,
    pub(crate) free_map: Option<BlobRef>,
    pub(crate) log_start: u64,
    pub(crate) chain: u64,
    pub(crate) segments: Vec<Segment>,
    pub(crate) salts: Vec<(u64, u64)>,
    pub(crate) backups: Vec<KnownBackup>,
}

/// Why a file cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FormatError {
    /// It holds something else.
    Foreign,
    /// A restore or a salvage into it did not end.
    Unfinished { doing: &'static str },
    /// It is of a newer format.
    TooNew { version: u32 },
    /// Neither superblock is whole.
    Damaged { what: &'static str },
    /// It is shorter than its superblock says.
    Truncated { bytes: u64, expected: u64 },
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("this is not a Tamarack file"),
            Self::Unfinished { doing } => {
                write!(f, "a {doing} into this file did not end: remove it, and {doing} again")
            }
            Self::TooNew { version } => write!(
                f,
                "this file has format version {version}, and this program knows versions up to {VERSION}; use a newer program"
            ),
            Self::Damaged { what } => write!(f, "both superblocks are damaged ({what})"),
            Self::Truncated { bytes, expected } => {
                write!(f, "the file is cut short: it has {bytes} bytes, and its superblock speaks of {expected}")
            }
        }
    }
}

/// What a slot is that does not begin as a superblock.
fn other(bytes: &[u8; SUPERBLOCK_LEN]) -> FormatError {
    match bytes.first_chunk() {
        Some(&UNFINISHED) => FormatError::Unfinished { doing: "restore" },
        Some(&SALVAGING) => FormatError::Unfinished { doing: "salvage" },
        _ => FormatError::Foreign,
    }
}

struct Writer<'a>(&'a mut [u8; SUPERBLOCK_LEN]);

impl Writer<'_> {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.0.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}

/// Puts the checksum of the bytes before it in its place.
fn seal(bytes: &mut [u8; SUPERBLOCK_LEN]) {
    let (body, _) = bytes.split_at(CHECKSUM_AT);
    let checksum = xxh3_128(body).to_le_bytes();
    Writer(bytes).put(CHECKSUM_AT, &checksum);
}

impl Superblock {
    /// The superblock's bytes.
    pub(crate) fn encode(&self) -> [u8; SUPERBLOCK_LEN] {
        let mut bytes = [0; SUPERBLOCK_LEN];
        let mut out = Writer(&mut bytes);
        out.put(0, &MAGIC);
        out.put(16, &VERSION.to_le_bytes());
        out.put(20, &self.block_size.to_le_bytes());
        out.put(24, &self.page_size.to_le_bytes());
        out.put(32, &self.file_id);
        out.put(GENERATION_AT, &self.generation.to_le_bytes());
        out.put(56, &self.commit_timestamp.to_le_bytes());
        out.put(64, &self.tail.to_le_bytes());
        for (at, blob) in [(72, &self.directory), (120, &self.free_map)] {
            out.put(at, &blob.as_ref().map_or([0; BLOB_REF_LEN], BlobRef::encode));
        }
        out.put(168, &self.log_start.to_le_bytes());
        out.put(176, &self.chain.to_le_bytes());
        out.put(184, &(self.segments.len() as u32).to_le_bytes());
        out.put(188, &(self.salts.len() as u32).to_le_bytes());
        for (i, segment) in self.segments.iter().take(MAX_SEGMENTS).enumerate() {
            for (j, word) in [segment.first, segment.address, segment.length].into_iter().enumerate() {
                out.put(SEGMENTS_AT + i * 24 + j * 8, &word.to_le_bytes());
            }
        }
        for (i, (salt, first)) in self.salts.iter().take(MAX_SALTS).enumerate() {
            out.put(SALTS_AT + i * 16, &salt.to_le_bytes());
            out.put(SALTS_AT + i * 16 + 8, &first.to_le_bytes());
        }
        out.put(BACKUPS_AT, &(self.backups.len() as u32).to_le_bytes());
        for (i, backup) in self.backups.iter().take(MAX_BACKUPS).enumerate() {
            let at = BACKUPS_AT + 8 + i * BACKUP_LEN;
            out.put(at, &backup.id);
            out.put(at + 16, &backup.generation.to_le_bytes());
        }
        seal(&mut bytes);
        bytes
    }

    /// Reads a superblock.
    pub(crate) fn decode(bytes: &[u8; SUPERBLOCK_LEN]) -> Result<Self, FormatError> {
        let damaged = |what| FormatError::Damaged { what };
        let word =
            |at: usize| bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map_or(0, u64::from_le_bytes);
        let half = |at: usize| word(at) as u32;
        if bytes.first_chunk() != Some(&MAGIC) {
            return Err(other(bytes));
        }
        let (body, checksum) = bytes.split_at(CHECKSUM_AT);
        if xxh3_128(body).to_le_bytes() != checksum {
            return Err(damaged("a checksum does not match"));
        }
        if half(16) > VERSION {
            return Err(FormatError::TooNew { version: half(16) });
        }
        if half(16) != VERSION
            || half(28) != 0
            || half(900) != 0
            || body.get(END..).is_none_or(|rest| rest.iter().any(|&b| b != 0))
        {
            return Err(damaged("a reserved field is set"));
        }
        let (segments, salts, backups) = (half(184) as usize, half(188) as usize, half(BACKUPS_AT) as usize);
        if segments == 0 || segments > MAX_SEGMENTS || salts > MAX_SALTS || backups > MAX_BACKUPS {
            return Err(damaged("a count is impossible"));
        }
        let blob = |at: usize| -> Result<Option<BlobRef>, FormatError> {
            let bytes = body.get(at..at + BLOB_REF_LEN).ok_or(damaged("too short"))?;
            if bytes.iter().all(|&byte| byte == 0) {
                return Ok(None);
            }
            BlobRef::decode(bytes).map(Some).map_err(|_| damaged("a blob reference is impossible"))
        };
        let id = |at: usize| body.get(at..at + 16).and_then(|id| id.try_into().ok()).unwrap_or_default();
        let superblock = Self {
            block_size: half(20),
            page_size: half(24),
            file_id: id(32),
            generation: word(GENERATION_AT),
            commit_timestamp: word(56),
            tail: word(64),
            directory: blob(72)?,
            free_map: blob(120)?,
            log_start: word(168),
            chain: word(176),
            segments: (0..segments)
                .map(|i| SEGMENTS_AT + i * 24)
                .map(|at| Segment { first: word(at), address: word(at + 8), length: word(at + 16) })
                .collect(),
            salts: (0..salts).map(|i| SALTS_AT + i * 16).map(|at| (word(at), word(at + 8))).collect(),
            backups: (0..backups)
                .map(|i| BACKUPS_AT + 8 + i * BACKUP_LEN)
                .map(|at| KnownBackup { id: id(at), generation: word(at + 16) })
                .collect(),
        };
        superblock.check().map_err(damaged)?;
        Ok(superblock)
    }

    /// What a damaged superblock most likely says: its fields, if they are possible, whatever its checksum. For salvage alone.
    pub(crate) fn guess(bytes: &[u8; SUPERBLOCK_LEN]) -> Option<Self> {
        let mut sealed = *bytes;
        let mut out = Writer(&mut sealed);
        out.put(0, &MAGIC);
        out.put(16, &VERSION.to_le_bytes());
        seal(&mut sealed);
        Self::decode(&sealed).ok()
    }

    /// Adds a backup to those that are known. The oldest one is forgotten if there are too many.
    pub(crate) fn remember(&mut self, backup: KnownBackup) {
        let surplus = (self.backups.len() + 1).saturating_sub(MAX_BACKUPS);
        self.backups.drain(..surplus);
        self.backups.push(backup);
    }

    /// Numbers that later code relies on (I36).
    fn check(&self) -> Result<(), &'static str> {
        let block = u64::from(self.block_size);
        if !self.block_size.is_power_of_two() || !(256..=65_536).contains(&self.block_size) {
            return Err("the block size is impossible");
        }
        if !(256..=32_768).contains(&self.page_size) {
            return Err("the page size is impossible");
        }
        let Some(bytes) = self.tail.checked_mul(block).filter(|&bytes| bytes < 1 << 60) else {
            return Err("the file length is impossible");
        };
        if self.log_start >= LIMIT || self.commit_timestamp >= TIMESTAMP_LIMIT || self.generation >= LIMIT {
            return Err("a position is impossible");
        }
        for segment in &self.segments {
            let start = segment.address.checked_mul(block);
            let end = start.and_then(|start| start.checked_add(segment.length));
            let whole = segment.length > 0 && segment.length.is_multiple_of(block);
            if !whole || end.is_none_or(|end| end > bytes) || segment.first >= LIMIT {
                return Err("a log segment lies outside the file");
            }
        }
        // A restore writes it all (I36).
        if self.segments.iter().map(|segment| segment.length).fold(0, u64::saturating_add) > MAX_LOG {
            return Err("the log is impossibly long");
        }
        let ascending = |firsts: &mut dyn Iterator<Item = u64>| firsts.is_sorted_by(|a, b| a < b);
        if !ascending(&mut self.segments.iter().map(|segment| segment.first))
            || !ascending(&mut self.salts.iter().map(|salt| salt.1))
        {
            return Err("log positions do not ascend");
        }
        if self.segments.first().is_none_or(|segment| segment.first > self.log_start) {
            return Err("the log starts before its first segment");
        }
        Ok(())
    }
}

/// What the two slots say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// The newest whole superblock.
    pub(crate) superblock: Superblock,
    /// How the slots look.
    pub(crate) slots: Slots,
}

/// What the two slots hold, as a process sees them. Slot A is written first, and slot B when A is durable; so each state says which of the two
/// may be in the system's cache alone, from a process whose sync failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slots {
    /// The same. Slot A is durable, B may not be.
    Same,
    /// Only slot A is whole, and durable.
    OnlyA,
    /// Slot B alone counts, and is durable.
    OnlyB,
    /// Slot A is newer than B, which is durable; A may not be.
    NewerA,
    /// The device does not read slot A. B counts, and may not be durable.
    RefusedA,
}

/// Chooses between the slots. `length` is the file's length in bytes.
///
/// One whole superblock of a newer version is enough to refuse the file: a newer program has switched to it, and what the other slot leads to may be
/// used for something else by now.
pub(crate) fn choose(a: &[u8; SUPERBLOCK_LEN], b: &[u8; SUPERBLOCK_LEN], length: u64) -> Result<Chosen, FormatError> {
    let chosen = match (Superblock::decode(a), Superblock::decode(b)) {
        (Ok(a), Ok(b)) if a.file_id != b.file_id => {
            let _ = (a, b);
            return Err(FormatError::Damaged { what: "they belong to different files" });
        }
        (Ok(a), Ok(b)) => {
            if a.generation < b.generation {
                Chosen { superblock: b, slots: Slots::OnlyB }
            } else {
                let slots = if a == b { Slots::Same } else { Slots::NewerA };
                Chosen { superblock: a, slots }
            }
        }
        // Who writes such a file goes on to write slot A only when B and all that it names are durable.
        (Err(unfinished @ FormatError::Unfinished { .. }), _) => return Err(unfinished),
        (Err(FormatError::TooNew { version }), _) | (_, Err(FormatError::TooNew { version })) => {
            return Err(FormatError::TooNew { version });
        }
        (Ok(a), Err(_)) => Chosen { superblock: a, slots: Slots::OnlyA },
        (Err(_), Ok(b)) => Chosen { superblock: b, slots: Slots::OnlyB },
        (Err(FormatError::Foreign), Err(FormatError::Foreign)) => return Err(FormatError::Foreign),
        (Err(FormatError::Foreign), Err(error)) | (Err(error), Err(_)) => return Err(error),
    };
    let expected = chosen.superblock.tail.saturating_mul(u64::from(chosen.superblock.block_size));
    if length < expected {
        return Err(FormatError::Truncated { bytes: length, expected });
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Superblock {
        Superblock {
            block_size: 4096,
            page_size: 16_384,
            file_id: [3; 16],
            generation: 5,
            commit_timestamp: 17,
            tail: 40,
            directory: None,
            free_map: None,
            log_start: 4096,
            chain: 99,
            segments: vec![Segment { first: 0, address: 17, length: 8192 }],
            salts: vec![(7, 0), (8, 4096)],
            backups: vec![KnownBackup { id: [1; 16], generation: 2 }, KnownBackup { id: [2; 16], generation: 5 }],
        }
    }

    #[test]
    fn round_trip() {
        assert_eq!(Superblock::decode(&sample().encode()), Ok(sample()));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = sample().encode();
        for at in 0..bytes.len() {
            let mut bad = bytes;
            bad[at] ^= 0x10;
            assert!(Superblock::decode(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn impossible_numbers_are_refused_even_under_a_valid_checksum() {
        let spoil: [fn(&mut Superblock); 11] = [
            |s| s.block_size = 100,
            |s| s.page_size = 1 << 30,
            |s| s.tail = u64::MAX,
            |s| s.log_start = u64::MAX,
            |s| s.segments[0].first = 8192,
            |s| s.segments[0].length = 0,
            |s| s.segments[0].length = 1 << 50,
            |s| {
                s.tail = 1 << 40;
                s.segments[0].length = (1 << 30) + 4096;
            },
            |s| s.segments[0].address = u64::MAX,
            |s| s.segments.clear(),
            |s| s.salts.reverse(),
        ];
        for (i, spoil) in spoil.into_iter().enumerate() {
            let mut bad = sample();
            spoil(&mut bad);
            assert!(matches!(Superblock::decode(&bad.encode()), Err(FormatError::Damaged { .. })), "case {i}");
        }
    }

    #[test]
    fn the_newer_whole_one_is_chosen() {
        let (old, mut new) = (sample(), sample());
        new.generation += 1;
        let zeros = [0; SUPERBLOCK_LEN];
        let long = 1 << 20;
        let chosen = choose(&old.encode(), &new.encode(), long).unwrap();
        assert_eq!((chosen.superblock.generation, chosen.slots), (6, Slots::OnlyB));
        let chosen = choose(&new.encode(), &old.encode(), long).unwrap();
        assert_eq!((chosen.superblock.generation, chosen.slots), (6, Slots::NewerA));
        let chosen = choose(&new.encode(), &new.encode(), long).unwrap();
        assert_eq!(chosen.slots, Slots::Same);
        assert_eq!(
            choose(&zeros, &old.encode(), long).unwrap(),
            Chosen { superblock: old.clone(), slots: Slots::OnlyB }
        );
        assert_eq!(
            choose(&old.encode(), &zeros, long).unwrap(),
            Chosen { superblock: old.clone(), slots: Slots::OnlyA }
        );
        assert_eq!(choose(&zeros, &zeros, long), Err(FormatError::Foreign));
        let short = choose(&old.encode(), &old.encode(), 4096);
        assert_eq!(short, Err(FormatError::Truncated { bytes: 4096, expected: 40 * 4096 }));
        let mut other = sample();
        other.file_id = [4; 16];
        assert!(matches!(choose(&old.encode(), &other.encode(), long), Err(FormatError::Damaged { .. })));
    }

    /// The bytes of a version to come, of which only what is frozen is known.
    fn newer() -> [u8; SUPERBLOCK_LEN] {
        let mut newer = [0x5a; SUPERBLOCK_LEN];
        newer[..16].copy_from_slice(&MAGIC);
        newer[16..20].copy_from_slice(&2_u32.to_le_bytes());
        seal(&mut newer);
        newer
    }

    #[test]
    fn a_newer_version_is_believed_if_its_checksum_holds() {
        let (whole, zeros, long) = (sample().encode(), [0; SUPERBLOCK_LEN], 1 << 20);
        for (a, b) in [(newer(), newer()), (newer(), zeros), (zeros, newer()), (newer(), whole), (whole, newer())] {
            let error = choose(&a, &b, long).unwrap_err();
            assert_eq!(error, FormatError::TooNew { version: 2 });
            assert!(error.to_string().contains("version 2") && error.to_string().contains("use a newer program"));
        }
        let mut damaged = newer();
        damaged[700] ^= 1;
        assert_eq!(choose(&damaged, &whole, long).unwrap().slots, Slots::OnlyB);
        assert!(matches!(choose(&damaged, &damaged, long), Err(FormatError::Damaged { .. })));
    }

    /// Each bit of the version, in either slot and in both.
    #[test]
    fn a_flipped_bit_in_the_version_is_damage() {
        let (whole, long) = (sample().encode(), 1 << 20);
        for bit in 0..32 {
            let mut bad = whole;
            bad[16 + bit / 8] ^= 1 << (bit % 8);
            assert_eq!(choose(&bad, &whole, long).unwrap().slots, Slots::OnlyB, "bit {bit} in slot A");
            assert_eq!(choose(&whole, &bad, long).unwrap().slots, Slots::OnlyA, "bit {bit} in slot B");
            assert!(matches!(choose(&bad, &bad, long), Err(FormatError::Damaged { .. })), "bit {bit} in both");
        }
        let mut older = whole;
        older[16] = 0;
        seal(&mut older);
        assert!(matches!(choose(&older, &older, long), Err(FormatError::Damaged { .. })), "there is no version 0");
    }
}

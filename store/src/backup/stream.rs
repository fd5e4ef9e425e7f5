//! The stream of a backup: a header, frames that are chained by their checks, an end.
//!
//! Header, 4,192 bytes:
//!
//! | bytes | field |
//! |---|---|
//! | 0..16 | magic: `TAMBACKUP` CR LF 1A LF and three zero bytes |
//! | 16..20 | version of the stream: 1 |
//! | 20..24 | flags: bit 0, it is an increment; bit 1, the database knows it, so that an increment may follow |
//! | 24..40 | id |
//! | 40..56 | of an increment: id of the backup that it follows; else zero |
//! | 56..64 | of an increment: generation of that one; else zero |
//! | 64..88 | zero |
//! | 88..4184 | the superblock that the restored file gets |
//! | 4184..4192 | xxh3-64 of the bytes before |
//!
//! Frame, 24 bytes and a payload:
//!
//! | bytes | field |
//! |---|---|
//! | 0 | kind: 1 free extents, 2 page, 3 end |
//! | 1..4 | zero |
//! | 4..8 | length of the payload, at most 1 MiB |
//! | 8..16 | of a page: its block; else zero |
//! | 16..24 | xxh3-64 of the 16 bytes before and the payload, seeded with the check of the frame before, the first one with the header's |
//!
//! Free extents (start and length, u64 each, ascending) come first, in as many frames as they need; then pages, as the file holds them, in any
//! order; then the end: number of frames before it, number of pages, sum of their lengths (u64 each). Nothing follows. All numbers are
//! little-endian.

use crate::error::{Error, ErrorKind, Result};
use crate::format::{FormatError, SUPERBLOCK_LEN, Superblock};
use std::io::{self, Read, Write};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const MAGIC: [u8; 16] = *b"TAMBACKUP\r\n\x1a\n\0\0\0";
const VERSION: u32 = 1;
const INCREMENT: u32 = 1;
const KNOWN: u32 = 2;
const SUPERBLOCK_AT: usize = 88;
const CHECK_AT: usize = SUPERBLOCK_AT + SUPERBLOCK_LEN;
/// Bytes of the header.
pub(crate) const HEADER_LEN: usize = CHECK_AT + 8;
/// Bytes of a frame without its payload.
const FRAME_LEN: usize = 24;
/// A frame's payload is never longer.
pub(crate) const LONGEST: usize = 1 << 20;
/// The writer is handed about so many bytes at a time.
const PIECE: usize = 1 << 20;

/// What a stream begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: [u8; 16],
    /// Id and generation of the backup that it follows, if it is an increment.
    pub(crate) follows: Option<([u8; 16], u64)>,
    /// Whether the database knows it.
    pub(crate) known: bool,
    pub(crate) superblock: Superblock,
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Free,
    Page,
    End,
}

/// What was written, or read, up to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    frames: u64,
    pages: u64,
    page_bytes: u64,
    /// Bytes of the stream.
    pub(crate) bytes: u64,
}

impl Totals {
    fn count(&mut self, kind: Kind, length: usize) {
        self.frames += 1;
        self.bytes += (FRAME_LEN + length) as u64;
        if kind == Kind::Page {
            self.pages += 1;
            self.page_bytes += length as u64;
        }
    }

    fn encode(&self) -> [u8; 24] {
        let mut out = [0; 24];
        for (place, number) in out.as_chunks_mut::<8>().0.iter_mut().zip([self.frames, self.pages, self.page_bytes]) {
            *place = number.to_le_bytes();
        }
        out
    }
}

fn damaged(what: &str) -> Error {
    Error::corrupt(format!("the backup is damaged: {what}"))
}

fn word<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|word| word.try_into().ok()).unwrap_or([0; N])
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let (follows, generation) = self.follows.unwrap_or_default();
        let flags = if self.follows.is_some() { INCREMENT } else { 0 } | if self.known { KNOWN } else { 0 };
        let mut out = Vec::with_capacity(HEADER_LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&follows);
        out.extend_from_slice(&generation.to_le_bytes());
        out.resize(SUPERBLOCK_AT, 0);
        out.extend_from_slice(&self.superblock.encode());
        let check = xxh3_64(&out);
        out.extend_from_slice(&check.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self> {
        let half = |at| u32::from_le_bytes(word(bytes, at));
        if !bytes.starts_with(&MAGIC) {
            return Err(Error::new(ErrorKind::NotADatabase, "this is not a backup of a Tamarack file"));
        }
        let version = half(16);
        // The magic, the version and the place and kind of this check are the same in all versions: without it a version is not believed.
        if xxh3_64(bytes.get(..CHECK_AT).unwrap_or_default()).to_le_bytes() != word(bytes, CHECK_AT) {
            return Err(damaged("the checksum of its header does not match"));
        }
        if version > VERSION {
            let message = format!(
                "this backup has version {version}, and this program knows versions up to {VERSION}; use a newer program"
            );
            return Err(Error::new(ErrorKind::TooNew, message));
        }
        let flags = half(20);
        let zeros = bytes.get(64..SUPERBLOCK_AT).is_some_and(|zeros| zeros.iter().all(|&byte| byte == 0));
        if version != VERSION || flags & !(INCREMENT | KNOWN) != 0 || !zeros {
            return Err(damaged("a reserved field of its header is set"));
        }
        let superblock = Superblock::decode(&word(bytes, SUPERBLOCK_AT)).map_err(|error| match error {
            FormatError::TooNew { .. } => Error::new(ErrorKind::TooNew, error.to_string()),
            _ => damaged("its superblock is impossible"),
        })?;
        let follows = (flags & INCREMENT != 0).then(|| (word(bytes, 40), u64::from_le_bytes(word(bytes, 56))));
        Ok(Self { id: word(bytes, 24), follows, known: flags & KNOWN != 0, superblock })
    }
}

fn check_of(head: &[u8], payload: &[u8], before: u64) -> u64 {
    let mut hasher = Xxh3::with_seed(before);
    hasher.update(head);
    hasher.update(payload);
    hasher.digest()
}

/// Writes a stream. Memory: one piece.
pub(crate) struct StreamWriter<'a> {
    out: &'a mut dyn Write,
    pending: Vec<u8>,
    check: u64,
    totals: Totals,
}

/// What the writer said.
fn refused(error: io::Error) -> Error {
    Error::with_source(ErrorKind::Io, format!("writing the backup: {error}"), error)
}

impl<'a> StreamWriter<'a> {
    /// Begins a stream.
    pub(crate) fn new(out: &'a mut dyn Write, header: &Header) -> Self {
        let pending = header.encode();
        let check = u64::from_le_bytes(word(&pending, CHECK_AT));
        Self { out, check, totals: Totals { bytes: pending.len() as u64, ..Totals::default() }, pending }
    }

    /// Adds a frame.
    pub(crate) fn frame(&mut self, kind: Kind, address: u64, payload: &[u8]) -> Result<()> {
        if payload.len() > LONGEST {
            return Err(Error::corrupt(format!("a page of {} bytes is longer than any", payload.len())));
        }
        let at = self.pending.len();
        let kind_byte = match kind {
            Kind::Free => 1,
            Kind::Page => 2,
            Kind::End => 3,
        };
        self.pending.extend_from_slice(&[kind_byte, 0, 0, 0]);
        self.pending.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.pending.extend_from_slice(&address.to_le_bytes());
        self.check = check_of(self.pending.get(at..).unwrap_or_default(), payload, self.check);
        self.pending.extend_from_slice(&self.check.to_le_bytes());
        self.pending.extend_from_slice(payload);
        self.totals.count(kind, payload.len());
        if self.pending.len() >= PIECE { self.push() } else { Ok(()) }
    }

    fn push(&mut self) -> Result<()> {
        self.out.write_all(&self.pending).map_err(refused)?;
        self.pending.clear();
        Ok(())
    }

    /// Ends the stream and flushes the writer.
    pub(crate) fn finish(mut self) -> Result<Totals> {
        let end = self.totals.encode();
        self.frame(Kind::End, 0, &end)?;
        self.push()?;
        self.out.flush().map_err(refused)?;
        Ok(self.totals)
    }
}

/// A frame as it was read, its check verified.
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    pub(crate) address: u64,
    pub(crate) payload: &'a [u8],
}

/// Reads a stream. Memory: one frame.
pub(crate) struct StreamReader<R> {
    from: R,
    pub(crate) header: Header,
    check: u64,
    totals: Totals,
    payload: Vec<u8>,
    /// No free extents come behind the first page.
    pages: bool,
}

/// Why nothing more came.
fn unread(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::new(
            ErrorKind::Truncated,
            "the backup is cut short: its end is missing, as after a backup that failed",
        ),
        _ => Error::with_source(ErrorKind::Io, format!("reading the backup: {error}"), error),
    }
}

impl<R: Read> StreamReader<R> {
    /// Reads the header.
    pub(crate) fn new(mut from: R) -> Result<Self> {
        let mut bytes = [0; HEADER_LEN];
        let (magic, rest) = bytes.split_at_mut(MAGIC.len());
        from.read_exact(magic).map_err(unread)?;
        if *magic != MAGIC {
            return Err(Error::new(ErrorKind::NotADatabase, "this is not a backup of a Tamarack file"));
        }
        from.read_exact(rest).map_err(unread)?;
        let header = Header::decode(&bytes)?;
        let check = u64::from_le_bytes(word(&bytes, CHECK_AT));
        let totals = Totals { bytes: HEADER_LEN as u64, ..Totals::default() };
        Ok(Self { from, header, check, totals, payload: Vec::new(), pages: false })
    }

    /// Bytes that were read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.totals.bytes
    }

    /// The next frame; `None` behind the end, which is verified.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>> {
        let mut head = [0; FRAME_LEN];
        self.from.read_exact(&mut head).map_err(unread)?;
        let (front, check) = head.split_at(FRAME_LEN - 8);
        let length = u32::from_le_bytes(word(front, 4)) as usize;
        if length > LONGEST {
            return Err(damaged("a frame is longer than any"));
        }
        self.payload.clear();
        let count = (&mut self.from).take(length as u64).read_to_end(&mut self.payload).map_err(unread)?;
        if count < length {
            return Err(unread(io::ErrorKind::UnexpectedEof.into()));
        }
        self.check = check_of(front, &self.payload, self.check);
        if self.check.to_le_bytes() != check {
            return Err(damaged(&format!("the checksum of frame {} does not match", self.totals.frames)));
        }
        let kind = match front {
            [1, 0, 0, 0, ..] if !self.pages => Kind::Free,
            [2, 0, 0, 0, ..] => Kind::Page,
            [3, 0, 0, 0, ..] => return self.end(),
            _ => return Err(damaged("a frame is of a kind that this version does not know, or out of place")),
        };
        self.pages |= kind == Kind::Page;
        self.totals.count(kind, length);
        Ok(Some(Frame { kind, address: u64::from_le_bytes(word(front, 8)), payload: &self.payload }))
    }

    fn end(&mut self) -> Result<Option<Frame<'_>>> {
        if self.payload != self.totals.encode() {
            return Err(damaged("its end does not fit what came before"));
        }
        let behind = (&mut self.from).take(1).read_to_end(&mut self.payload).map_err(unread)?;
        if behind > 0 {
            return Err(damaged("something follows its end"));
        }
        self.totals.count(Kind::End, self.payload.len());
        Ok(None)
    }

    /// What was read.
    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::format::{KnownBackup, Segment};

    pub(in crate::backup) fn header() -> Header {
        let superblock = Superblock {
            block_size: 512,
            page_size: 1024,
            file_id: [3; 16],
            generation: 5,
            commit_timestamp: 17,
            tail: 400,
            directory: None,
            free_map: None,
            log_start: 4096,
            chain: 99,
            segments: vec![Segment { first: 0, address: 140, length: 8192 }],
            salts: Vec::new(),
            backups: vec![KnownBackup { id: [7; 16], generation: 5 }],
        };
        Header { id: [7; 16], follows: Some(([6; 16], 4)), known: true, superblock }
    }

    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::new(&mut bytes, &header());
        writer.frame(Kind::Free, 0, &[1; 32]).unwrap();
        writer.frame(Kind::Page, 200, &[2; 700]).unwrap();
        writer.frame(Kind::Page, 300, &[3; 41]).unwrap();
        let totals = writer.finish().unwrap();
        assert_eq!((totals.pages, totals.bytes), (2, bytes.len() as u64));
        bytes
    }

    type Frames = Vec<(Kind, u64, Vec<u8>)>;

    fn read(bytes: &[u8]) -> Result<(Header, Frames)> {
        let mut reader = StreamReader::new(bytes)?;
        let mut frames = Vec::new();
        while let Some(Frame { kind, address, payload }) = reader.next()? {
            frames.push((kind, address, payload.to_vec()));
        }
        assert_eq!(reader.bytes(), bytes.len() as u64);
        Ok((reader.header, frames))
    }

    #[test]
    fn round_trip() {
        let (read, frames) = read(&sample()).unwrap();
        assert_eq!(read, header());
        let lengths: Vec<_> = frames.iter().map(|(kind, address, bytes)| (*kind, *address, bytes.len())).collect();
        assert_eq!(lengths, [(Kind::Free, 0, 32), (Kind::Page, 200, 700), (Kind::Page, 300, 41)]);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let bytes = sample();
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bad).is_err(), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]).unwrap_err().kind(), ErrorKind::Truncated, "cut at {cut}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(read(&longer).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn frames_of_another_place_or_stream_do_not_fit() {
        let bytes = sample();
        let at = HEADER_LEN + FRAME_LEN + 32;
        let (first, second) = (at..at + FRAME_LEN + 700, at + FRAME_LEN + 700..at + 2 * FRAME_LEN + 741);
        let swapped = [&bytes[..at], &bytes[second.clone()], &bytes[first.clone()], &bytes[second.end..]].concat();
        assert!(read(&swapped).is_err());
        assert!(read(&[&bytes[..at], &bytes[second.start..]].concat()).is_err(), "one is missing");
        assert!(read(&[&bytes[..first.end], &bytes[first.start..]].concat()).is_err(), "one comes twice");
        let mut other = header();
        other.id = [9; 16];
        let mut front = Vec::new();
        StreamWriter::new(&mut front, &other).finish().unwrap();
        assert!(read(&[&front[..HEADER_LEN], &bytes[HEADER_LEN..]].concat()).is_err(), "another header");
    }

    #[test]
    fn what_is_newer_or_something_else_is_told() {
        let mut newer = sample();
        newer[16] = 2;
        assert_eq!(read(&newer).unwrap_err().kind(), ErrorKind::Corrupt, "its check does not hold");
        let check = xxh3_64(&newer[..CHECK_AT]).to_le_bytes();
        newer[CHECK_AT..HEADER_LEN].copy_from_slice(&check);
        assert_eq!(read(&newer).unwrap_err().kind(), ErrorKind::TooNew);
        assert_eq!(read(&[b'x'; 5000]).unwrap_err().kind(), ErrorKind::NotADatabase);
        assert_eq!(read(&[]).unwrap_err().kind(), ErrorKind::Truncated);
    }
}

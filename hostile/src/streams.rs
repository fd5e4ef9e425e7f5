//! Backup streams that nobody wrote: real ones, edited, whose checks are right all the same.
//!
//! The checks of a stream are a chain, and its pages have checksums of their own: without sealing, every change would end at the first of them. The
//! layout is that of `docs/backup.md`.

use crate::edit::{edit, poke};
use crate::world::{self, World};
use std::ops::Range;
use std::sync::OnceLock;
use tamarack::simulate::anatomy::{self, Part};
use tamarack::simulate::{Disk, raw};
use tamarack::{Backup, Database, ErrorKind, Result, TableDef};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

const SUPERBLOCK: Range<usize> = 88..4184;
const HEADER: usize = 4192;
const FRAME: usize = 24;
const PAGE: u8 = 2;
const BLOCK: usize = 512;
/// What a restore may write here: a stream can name any length, and the disk is memory.
const ROOM: u64 = 4 << 20;

/// Streams that follow one another, and the file that they make.
struct Chain {
    streams: Vec<Vec<u8>>,
    image: Vec<u8>,
    parts: Vec<Part>,
}

impl Chain {
    fn new(streams: Vec<Vec<u8>>) -> Self {
        let disk = Disk::new(1);
        let restored = raw::restore(streams.iter().map(Vec::as_slice), &disk);
        drop(restored.unwrap_or_else(|error| panic!("{error}")));
        let mut image = disk.bytes();
        // The file as the last stream's superblock has it: the restored one is a generation later.
        if let Some(superblock) = streams.last().and_then(|last| last.get(SUPERBLOCK)) {
            [0, 65_536].into_iter().for_each(|slot| image[slot..slot + superblock.len()].copy_from_slice(superblock));
        }
        let parts = anatomy::parts(&image);
        Self { streams, image, parts }
    }

    /// The streams of another image: pages that differ, and the superblock.
    fn with(&self, image: &[u8]) -> Vec<Vec<u8>> {
        let mut streams = self.streams.clone();
        for stream in &mut streams {
            for (head, payload) in frames(stream) {
                let block = stream.get(head.start + 8..head.start + 16).and_then(<[u8]>::first_chunk);
                let start = block.map_or(usize::MAX, |block| u64::from_le_bytes(*block) as usize).saturating_mul(BLOCK);
                let place = start..start.saturating_add(payload.len());
                // Of a page that an increment replaces the later one is in the image.
                if stream[head.start] == PAGE && self.image.get(place.clone()) == stream.get(payload.clone()) {
                    stream[payload].copy_from_slice(&image[place]);
                }
            }
        }
        if let Some(last) = streams.last_mut() {
            last[SUPERBLOCK].copy_from_slice(&image[..SUPERBLOCK.len()]);
        }
        streams
    }
}

/// Heads and payloads of a stream's frames, as far as their lengths say where they are.
fn frames(stream: &[u8]) -> Vec<(Range<usize>, Range<usize>)> {
    let mut frames = Vec::new();
    let mut at = HEADER;
    while let Some(length) = stream.get(at + 4..).and_then(<[u8]>::first_chunk) {
        let payload = at + FRAME..(at + FRAME).saturating_add(u32::from_le_bytes(*length) as usize);
        if payload.end > stream.len() {
            break;
        }
        at = payload.end;
        frames.push((payload.start - FRAME..payload.start, payload));
    }
    frames
}

/// Makes all checks of a stream right, whatever its bytes say, but those of pages.
fn seal(stream: &mut [u8]) {
    if stream.len() < HEADER {
        return;
    }
    let check = xxh3_128(&stream[SUPERBLOCK.start..SUPERBLOCK.end - 16]).to_le_bytes();
    stream[SUPERBLOCK.end - 16..SUPERBLOCK.end].copy_from_slice(&check);
    let mut check = xxh3_64(&stream[..HEADER - 8]);
    stream[HEADER - 8..HEADER].copy_from_slice(&check.to_le_bytes());
    for (head, payload) in frames(stream) {
        let checked = [&stream[head.start..head.start + 16], &stream[payload]].concat();
        check = xxh3_64_with_seed(&checked, check);
        stream[head.start + 16..head.end].copy_from_slice(&check.to_le_bytes());
    }
}

/// A full backup alone, and one with an increment.
fn chains() -> &'static [Chain; 2] {
    static CHAINS: OnceLock<[Chain; 2]> = OnceLock::new();
    CHAINS.get_or_init(|| {
        let world = World::new(false);
        let make = || -> Result<[Vec<u8>; 2]> {
            let db = world::open(&Disk::holding(1, &world.bytes))?;
            let (mut full, mut increment) = (Vec::new(), Vec::new());
            let first = db.backup(&mut full)?;
            world::commit(&db, 90, false)?;
            db.backup_since(&first, &mut increment)?;
            Ok([full, increment])
        };
        let [full, increment] = make().unwrap_or_else(|error| panic!("{error}"));
        [Chain::new(vec![full.clone()]), Chain::new(vec![full, increment])]
    })
}

/// Small streams, as they are: a full backup of a table with a row, and an increment with one more.
///
/// # Panics
/// If they cannot be made.
#[must_use]
pub fn small() -> [Vec<u8>; 2] {
    const HITS: TableDef<u8, u8> = TableDef::new("hits");
    let make = || -> Result<[Vec<u8>; 2]> {
        let db: Database<()> = open(&Disk::new(3))?;
        let (mut full, mut increment) = (Vec::new(), Vec::new());
        db.write(|tx| tx.open_table(&HITS)?.insert(1, 1))?;
        let first = db.backup(&mut full)?;
        db.write(|tx| tx.open_table(&HITS)?.insert(2, 2))?;
        db.backup_since(&first, &mut increment)?;
        Ok([full, increment])
    };
    make().unwrap_or_else(|error| panic!("{error}"))
}

/// Restores streams. The first byte says what they are: the bytes themselves, as they are or with checks that are right; or real ones, whose pages or whose
/// frames are edited by a list as that of [`crate::targets`]' files, and sealed. And in which order they come.
pub(crate) fn backup(bytes: &[u8]) -> bool {
    let Some((&first, rest)) = bytes.split_first() else { return false };
    let order = first >> 2 & 3;
    let chain = &chains()[usize::from(order != 1)];
    let mut streams = match first & 3 {
        raw @ (0 | 1) => {
            let mut stream = rest.to_vec();
            if raw == 1 {
                seal(&mut stream);
            }
            vec![stream, small()[1].clone()]
        }
        2 => {
            let mut image = chain.image.clone();
            let spans: Vec<Range<usize>> =
                chain.parts.iter().map(|part| part.start..part.start + part.length).collect();
            edit(&spans, 2, &mut image, rest);
            anatomy::seal(&mut image, &chain.parts);
            let mut streams = chain.with(&image);
            streams.iter_mut().for_each(|stream| seal(stream));
            streams
        }
        _ => edited(chain, rest),
    };
    match order {
        0 => {}
        1 => streams.truncate(1),
        2 => drop(streams.remove(0)),
        _ => streams.reverse(),
    }
    restored(&streams)
}

/// Edits the last stream: its header, and the heads and payloads of its frames.
fn edited(chain: &Chain, edits: &[u8]) -> Vec<Vec<u8>> {
    let mut streams = chain.streams.clone();
    if let Some(last) = streams.last_mut() {
        let mut spans: Vec<Range<usize>> = vec![0..SUPERBLOCK.start, SUPERBLOCK];
        for (head, payload) in frames(last) {
            spans.extend([head.start..head.end - 8, payload].into_iter().filter(|span| !span.is_empty()));
        }
        poke(&spans, last, edits);
        seal(last);
    }
    streams
}

/// What was restored is a database, and sound; what was refused is none, and the error says that the streams are bad.
fn restored(streams: &[Vec<u8>]) -> bool {
    let disk = Disk::new(1);
    disk.limit(Some(ROOM));
    let _ = streams.first().map(|stream| Backup::read_header(&stream[..]).and_then(|_| Backup::verify(&stream[..])));
    let restored = raw::restore(streams.iter().map(Vec::as_slice), &disk);
    disk.limit(Some(2 * ROOM));
    let opened = open(&disk).and_then(|db| db.check());
    raw::settle();
    match restored {
        Ok(_) => {
            assert!(opened.is_ok(), "it was restored, and is no database: {opened:?}");
            true
        }
        Err(error) => {
            use ErrorKind as K;
            let told = [K::Corrupt, K::Truncated, K::NotADatabase, K::TooNew, K::BackupMismatch, K::StorageFull];
            assert!(told.contains(&error.kind()), "damage is told as {:?}: {error}", error.kind());
            false
        }
    }
}

fn open(disk: &Disk) -> Result<Database<()>> {
    let (page, memory, write_buffer) = (1024, 2 << 20, 3000);
    let tiny = raw::Tiny { block: 512, page, memory, write_buffer, snapshot_isolation: false, read_only: false };
    raw::open(disk, tiny)
}

//! Whole files gone bad in ways that have names, and what comes of each: they are kept as they are in `tests/corpus/images`, so that a change of the engine
//! does not change them.

use crate::salvage;
use std::fmt::Write;
use tamarack::simulate::anatomy::{self, Part, What};
use tamarack::simulate::raw::{self, Reads};
use tamarack::simulate::{Disk, raw::Tiny};
use tamarack::{Database, Error, Options, Result, TableDef};

const NUMBERS: TableDef<u32, u64> = TableDef::new("numbers");
const WORDS: TableDef<u32, Vec<u8>> = TableDef::new("words");
/// Rows that a commit makes in each table, commits of the file, and those of them that a checkpoint has.
const ROWS: u32 = 20;
const COMMITS: u32 = 12;
const CHECKPOINT: u32 = 8;
/// A commit that does not fit into memory.
const SPILLED: u32 = 9;
const RECORD_HEADER: usize = 64;
const PAGE_HEADER: usize = 40;
const BODY_HEADER: usize = 32;

fn number(i: u32) -> u64 {
    u64::from(i) * 3
}

fn word(i: u32) -> Vec<u8> {
    let length = if i / ROWS == SPILLED { 300 } else { i % 40 };
    i.to_le_bytes().into_iter().cycle().take(length as usize).collect()
}

fn tiny(disk: &Disk) -> Result<Database<()>> {
    let (block, page, memory, write_buffer) = (512, 1024, 2 << 20, 3000);
    raw::open(disk, Tiny { block, page, memory, write_buffer, snapshot_isolation: false, read_only: false })
}

/// A sound file, as a crash leaves it, and its parts.
struct Base {
    bytes: Vec<u8>,
    parts: Vec<Part>,
    /// The catalog's entries of both tables.
    entries: Vec<Vec<u8>>,
}

impl Base {
    fn new() -> Result<Self> {
        let disk = Disk::new(11);
        let db = tiny(&disk)?;
        for commit in 0..COMMITS {
            if commit == CHECKPOINT {
                db.checkpoint()?;
            }
            db.write(|tx| {
                (commit * ROWS..(commit + 1) * ROWS).try_for_each(|i| {
                    tx.open_table(&NUMBERS)?.insert(i, number(i))?;
                    tx.open_table(&WORDS)?.insert(i, word(i)).map(drop)
                })
            })?;
        }
        let mut entries = Vec::new();
        db.begin_read()?.scan(1, false, &mut |key, value| {
            if key.first() == Some(&1) {
                entries.push(value.to_vec());
            }
        })?;
        disk.kill();
        let bytes = disk.bytes();
        let parts = anatomy::parts(&bytes);
        Ok(Self { bytes, parts, entries })
    }

    fn all(&self, what: What) -> Vec<Part> {
        self.parts.iter().copied().filter(|part| part.what == what).collect()
    }

    /// Where the first part of a kind begins.
    fn first(&self, what: What) -> usize {
        self.all(what).first().map_or_else(|| panic!("the file has no {what:?}"), |part| part.start)
    }

    fn flipped(&self, places: &[usize]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        places.iter().for_each(|&at| bytes[at] ^= 0x10);
        bytes
    }

    /// With other bytes at a place, and all checks right.
    fn forged(&self, at: usize, new: &[u8]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        anatomy::seal(&mut bytes, &self.parts);
        bytes
    }

    /// The end of the log is zero from within the last commit's header on: a flush of which the first sector was written.
    fn torn(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let last = self.all(What::LogCommit).last().map_or(0, |part| part.start);
        bytes[last + 24..(last + 24).next_multiple_of(4096)].fill(0);
        bytes
    }

    /// Two values of a leaf lie in the same bytes.
    fn overlapping(&self) -> Vec<u8> {
        let body = self.first(What::Leaf) + PAGE_HEADER;
        let count = usize::from(u16::from_le_bytes([self.bytes[body + 4], self.bytes[body + 5]]));
        let slots = body + BODY_HEADER + 4 * count;
        let donor = slots + 8 * (count - 1);
        self.forged(donor - 8 + 4, &self.bytes[donor + 4..donor + 8])
    }

    /// Both tables have the first one's tree.
    fn shared(&self) -> Vec<u8> {
        let [first, second] = self.entries.as_slice() else { panic!("{} tables", self.entries.len()) };
        let catalog = self.first(What::Catalog);
        let place = self.bytes[catalog..].windows(second.len()).position(|bytes| bytes == second);
        let at = catalog + place.unwrap_or_else(|| panic!("the catalog's page does not hold its entry"));
        self.forged(at + 5, &first[5..9])
    }

    /// A run of a commit's writes lies behind the file, as the log has it.
    fn behind(&self) -> Vec<u8> {
        let records = self.all(What::LogCommit);
        // Operation, length of the reference, reference.
        let spill = records.iter().find(|record| self.bytes[record.start + RECORD_HEADER..].starts_with(&[5, 48]));
        let start = spill.map_or_else(|| panic!("no commit was spilled"), |record| record.start + RECORD_HEADER);
        self.forged(start + 2 + 16, &(1_u64 << 40).to_le_bytes())
    }
}

/// All images, by name.
///
/// # Errors
/// As the database's.
pub fn make() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let base = Base::new()?;
    let (a, b) = (base.first(What::SuperblockA), base.first(What::SuperblockB));
    let directory = base.first(What::Directory) + PAGE_HEADER;
    let mut unfinished = base.bytes.clone();
    unfinished[a..a + 16].copy_from_slice(b"TAMARACK RESTORE");
    Ok(vec![
        ("sound", base.bytes.clone()),
        ("torn-log-tail", base.torn()),
        ("damaged-log-with-proof", base.flipped(&[base.first(What::LogCommit) + 80])),
        ("one-superblock", base.flipped(&[a + 50])),
        ("other-superblock", base.flipped(&[b + 50])),
        ("both-superblocks", base.flipped(&[a + 50, b + 50])),
        ("damaged-leaf", base.flipped(&[base.first(What::Leaf) + 100])),
        ("damaged-inner", base.flipped(&[base.first(What::Inner) + 60])),
        ("damaged-catalog", base.flipped(&[base.first(What::Catalog) + 100])),
        ("damaged-directory", base.flipped(&[directory + 10])),
        ("damaged-free-map", base.flipped(&[base.first(What::FreeMap) + 50])),
        ("directory-behind-the-file", base.forged(directory + 8, &(1_u64 << 20).to_le_bytes())),
        ("spill-behind-the-file", base.behind()),
        ("truncated-in-its-pages", base.bytes[..base.bytes.len() - 1536].to_vec()),
        ("truncated-in-its-log", base.bytes[..80_000].to_vec()),
        ("overlapping-slots", base.overlapping()),
        ("shared-tree", base.shared()),
        ("unfinished-restore", unfinished),
    ])
}

/// What opening, reading, checking and salvaging a file come to, in one line.
///
/// # Errors
/// No file could be made for the salvage.
pub fn outcome(bytes: &[u8]) -> std::io::Result<String> {
    let disk = Disk::holding(1, bytes);
    let mut line = match disk.open::<()>(Options::new()) {
        Ok(db) => {
            let check = match db.check_with(&mut |_| {}) {
                Ok(report) if report.is_sound() => "sound".to_owned(),
                Ok(_) => "finds".to_owned(),
                Err(error) => told(&error),
            };
            format!("opens, {}, check {check}", rows(&db))
        }
        Err(error) => told(&error),
    };
    raw::settle();
    let salvaged = salvage::salvage(bytes, |path| match Database::<()>::open_read_only(path) {
        Ok(db) => rows(&db),
        Err(error) => told(&error),
    });
    let salvaged = salvaged?.map_or_else(
        |error| told(&error),
        |(report, rows)| {
            let whole = if report.is_complete() { "all" } else { "not all" };
            format!("{whole}, {rows}")
        },
    );
    let _ = write!(line, "; salvage {salvaged}");
    Ok(line)
}

fn told(error: &Error) -> String {
    format!("{:?}", error.kind())
}

/// The rows of both tables.
fn rows(db: &Database<()>) -> String {
    let numbers = db.read(|tx| tx.open_table(&NUMBERS)?.iter().collect::<Result<Vec<_>>>());
    let words = db.read(|tx| tx.open_table(&WORDS)?.iter().collect::<Result<Vec<_>>>());
    format!("numbers {}, words {}", kept(numbers, number), kept(words, word))
}

/// How many rows there are, and which if not the first ones; and how many of them are none that were written.
fn kept<V: PartialEq>(rows: Result<Vec<(u32, V)>>, written: fn(u32) -> V) -> String {
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return told(&error),
    };
    let wrong = rows.iter().filter(|(key, value)| *value != written(*key)).count();
    let gaps = rows.iter().zip(0..).filter(|((key, _), i)| key != i).count();
    match (wrong, gaps) {
        (0, 0) => format!("0..{}", rows.len()),
        (0, _) => format!("{} with gaps", rows.len()),
        (wrong, _) => format!("{} of which {wrong} were never written", rows.len()),
    }
}

//! Files of every format that was released, kept in `tests/compat`: each is opened, compared row by row, written to, checked, closed and opened again.
//! A file of a format to come is refused with a sentence, and one in which a bit of the version has flipped is not.
//!
//! The files of a format are made once, by the program that was released with it:
//! `cargo test -p tamarack-tests --test compat -- --ignored make`. It overwrites nothing. What is in them follows from `rows.rs`, which must not be changed
//! afterwards.

#![allow(clippy::disallowed_methods, reason = "tests use files as programs do")]

mod make;
mod rows;

use flate2::read::GzDecoder;
use rows::{Kept, Log, Plain, Records};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tamarack::{Backup, Database, ErrorKind, check_file};

/// The formats that were released.
const FORMATS: [u32; 1] = [1];
/// No file takes more room in the repository.
const MOST: u64 = 100 << 10;

fn kept(format: u32, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("compat/{name}-{format}.gz"))
}

/// The bytes of a kept file.
fn bytes(format: u32, name: &str) -> Vec<u8> {
    let path = kept(format, name);
    assert!(path.metadata().unwrap().len() < MOST, "{} is too large", path.display());
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

fn sound(path: &Path) {
    let report = check_file(path, &mut |_| {}).unwrap();
    assert!(report.is_sound(), "{report}");
}

/// A copy of a kept file is read as it is, then used as any other database.
fn lives_on<K: Kept>() {
    let mut rows = 0;
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy.tam");
        let bytes = bytes(format, K::NAME);
        std::fs::write(&path, &bytes).unwrap();
        sound(&path);
        let db = Database::<K::Schema>::open_read_only(&path).unwrap();
        rows += K::compare(&db, false);
        db.check().unwrap();
        db.close().unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes, "reading has changed the file");
        let db = Database::<K::Schema>::open(&path).unwrap();
        K::compare(&db, false);
        db.check().unwrap();
        K::change(&db);
        K::compare(&db, true);
        db.check().unwrap();
        db.close().unwrap();
        sound(&path);
        let db = Database::<K::Schema>::open(&path).unwrap();
        K::compare(&db, true);
        db.compact().unwrap();
        K::compare(&db, true);
        db.check().unwrap();
        db.close().unwrap();
        sound(&path);
    }
    println!("{rows} rows compared in {} files", FORMATS.len());
    assert!(rows >= 400, "{rows} rows");
}

/// Plain tables: keys of many kinds, values from one byte to several chunks.
#[test]
fn plain_tables() {
    lives_on::<Plain>();
}

/// Records with an index of each kind, and a list of backups in the superblock.
#[test]
fn records_and_indexes() {
    lives_on::<Records>();
}

/// A file that a crash left: two sessions of log behind the checkpoint, with all operations that a record can have.
#[test]
fn a_log_that_was_not_replayed() {
    lives_on::<Log>();
}

/// The list of backups that the records' file remembers: a full one and an increment are kept too, and a new increment follows them.
#[test]
fn backups() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy.tam");
        let parts = [bytes(format, make::BACKUP), bytes(format, make::INCREMENT)];
        let restored = folder.path().join("restored.tam");
        let report = tamarack::restore(parts.iter().map(Vec::as_slice), &restored, &mut |_| {}).unwrap();
        assert!(report.is_sound(), "{report}");
        Records::compare(&Database::open(&restored).unwrap(), false);
        let file = bytes(format, Records::NAME);
        assert_eq!(file[896..900], 2_u32.to_le_bytes(), "backups in the superblock");
        std::fs::write(&path, &file).unwrap();
        let db = Database::open(&path).unwrap();
        Records::change(&db);
        let last = Backup::read_header(&parts[1][..]).unwrap();
        let mut next = Vec::new();
        assert!(db.backup_since(&last, &mut next).unwrap().follows(&last));
        db.close().unwrap();
        let again = folder.path().join("again.tam");
        let all = parts.iter().chain([&next]).map(Vec::as_slice);
        assert!(tamarack::restore(all, &again, &mut |_| {}).unwrap().is_sound());
        Records::compare(&Database::open(&again).unwrap(), true);
    }
}

/// Salvages a file with these bytes: the records that came over, and what the report says.
fn salvaged(bytes: &[u8]) -> (u64, tamarack::SalvageReport) {
    let folder = tempfile::tempdir().unwrap();
    let (path, new) = (folder.path().join("cut.tam"), folder.path().join("new.tam"));
    std::fs::write(&path, bytes).unwrap();
    let report = tamarack::salvage_file(&path, &new, &mut |_| {}).unwrap();
    sound(&new);
    (report.tables().iter().map(|table| table.records).sum(), report)
}

/// Copies that were cut short. In two of the files the directory lies behind all trees: with that alone behind the cut nothing came over, and the report said
/// that nothing was lost.
#[test]
fn the_salvage_of_a_file_that_was_cut_short() {
    let mut without_directory = 0;
    for (format, name) in
        FORMATS.into_iter().flat_map(|format| [Plain::NAME, Records::NAME, Log::NAME].map(|name| (format, name)))
    {
        let bytes = bytes(format, name);
        let (all, report) = salvaged(&bytes);
        assert!(report.is_complete(), "{report}");
        for blocks in (80..bytes.len() / 4096).rev() {
            let (records, report) = salvaged(&bytes[..blocks * 4096]);
            let told = report.to_string();
            // A file of which a crash has left the log may be longer than it need be.
            let right = name == Log::NAME && report.is_complete() == (records == all);
            assert!(right || told.contains("cut short"), "{name}, {blocks} blocks, {records} of {all}: {report}");
            if records == all && told.contains("the directory is damaged") {
                without_directory += 1;
            }
        }
    }
    assert!(without_directory > 0);
}

/// Where the superblocks lie, and their length, in all formats.
const SLOTS: [usize; 2] = [0, 65_536];
const SLOT: usize = 4096;

/// The superblock of a format that does not exist yet: all else but what is frozen may differ.
fn of_format(slot: &[u8], version: u32) -> Vec<u8> {
    let mut slot = slot.to_vec();
    slot[16..20].copy_from_slice(&version.to_le_bytes());
    let checksum = xxhash_rust::xxh3::xxh3_128(&slot[..SLOT - 16]).to_le_bytes();
    slot[SLOT - 16..].copy_from_slice(&checksum);
    slot
}

fn refused_as(path: &Path, bytes: &[u8], kind: ErrorKind) -> Vec<String> {
    std::fs::write(path, bytes).unwrap();
    let new = path.with_extension("new");
    let errors = [
        Database::<rows::Town>::open(path).unwrap_err(),
        Database::<rows::Town>::open_read_only(path).unwrap_err(),
        tamarack::compact_file(path, &mut |_| {}).unwrap_err(),
        tamarack::backup_file(path, None, &new, &mut |_| {}).unwrap_err(),
    ];
    assert!(std::fs::read(path).unwrap() == bytes, "something was changed");
    assert!(!new.exists());
    let told = errors.iter().map(|error| {
        assert_eq!(error.kind(), kind, "{error}");
        error.to_string()
    });
    told.collect()
}

#[test]
fn a_newer_format_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.tam");
    let file = bytes(1, Records::NAME);
    for version in [2, 77, u32::MAX] {
        // Both slots, as a newer program leaves them, or one, as a crash in its first switch does.
        for slots in [&SLOTS[..], &SLOTS[..1], &SLOTS[1..]] {
            let mut newer = file.clone();
            for &slot in slots {
                let changed = of_format(&newer[slot..slot + SLOT], version);
                newer[slot..slot + SLOT].copy_from_slice(&changed);
            }
            for told in refused_as(&path, &newer, ErrorKind::TooNew) {
                let sentence =
                    format!("format version {version}, and this program knows versions up to 1; use a newer program");
                assert!(told.contains(&sentence) && told.contains("copy.tam"), "{told}");
            }
            assert_eq!(check_file(&path, &mut |_| {}).unwrap_err().kind(), ErrorKind::TooNew);
            let new = folder.path().join("new.tam");
            assert_eq!(tamarack::salvage_file(&path, &new, &mut |_| {}).unwrap_err().kind(), ErrorKind::TooNew);
        }
    }
    // A backup too.
    let mut backup = bytes(1, make::BACKUP);
    backup[16] = 2;
    let check = xxhash_rust::xxh3::xxh3_64(&backup[..4184]).to_le_bytes();
    backup[4184..4192].copy_from_slice(&check);
    let error = Backup::read_header(&backup[..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooNew, "{error}");
    assert!(error.to_string().contains("use a newer program"), "{error}");
}

/// A bit that flips in the version of one superblock makes no file too new: the other one is whole, and says what the file is. This opened no more.
#[test]
fn i32_a_flipped_bit_of_the_version_is_damage_and_no_newer_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.tam");
    let file = bytes(1, Records::NAME);
    for slot in SLOTS {
        for bit in 0..32 {
            let mut flipped = file.clone();
            flipped[slot + 16 + bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &flipped).unwrap();
            let report = check_file(&path, &mut |_| {}).unwrap();
            assert_eq!(report.findings().len(), 1, "{report}");
            let db = Database::open_read_only(&path).unwrap();
            Records::compare(&db, false);
            if bit % 8 == 1 {
                drop(db);
                let db = Database::open(&path).unwrap();
                Records::change(&db);
                db.close().unwrap();
                sound(&path);
                Records::compare(&Database::open(&path).unwrap(), true);
            }
        }
    }
    // In both: the magic says that it is one of ours.
    let mut flipped = file;
    SLOTS.iter().for_each(|slot| flipped[slot + 16] ^= 2);
    for told in refused_as(&path, &flipped, ErrorKind::Corrupt) {
        assert!(told.contains("both superblocks are damaged") && told.contains("copy.tam"), "{told}");
    }
}

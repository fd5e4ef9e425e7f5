//! The disk is full at each of the first 500 writes of a run, for that write alone or until there is room again: nothing that was acknowledged
//! is lost, what failed is not there in part, reads go on, and so do commits when there is room again.

use std::collections::BTreeMap;
use tamarack::simulate::raw::{self, Medium, Tiny};
use tamarack::simulate::{Crash, Disk, Fault, On};
use tamarack::{Database, Durability, ErrorKind, Result, TableDef};

const ROWS: TableDef<u32, Vec<u8>> = TableDef::new("rows");
const COMMITS: u32 = 90;

type Model = BTreeMap<u32, Vec<u8>>;

fn open(disk: &Disk) -> Result<Database<()>> {
    open_as(disk, false)
}

fn open_as(disk: &Disk, read_only: bool) -> Result<Database<()>> {
    let (block, page, memory, write_buffer) = (512, 1024, 2 << 20, 2000);
    raw::open(disk, Tiny { block, page, memory, write_buffer, snapshot_isolation: false, read_only })
}

fn read(db: &Database<()>) -> Model {
    db.read(|tx| tx.open_table(&ROWS)?.iter().collect::<Result<_>>()).unwrap()
}

/// What commit `number` changes: a few rows, some of them long, and one that goes.
fn changes(number: u32) -> Vec<(u32, Option<Vec<u8>>)> {
    let row = |i: u32| {
        let length = if (number + i).is_multiple_of(13) { 5000 } else { 20 + 30 * (i as usize % 5) };
        ((number * 7 + i * 31) % 200, Some(vec![(number ^ i) as u8; length]))
    };
    // Every ninth is more than fits a buffer.
    let rows = if number % 9 == 8 { 60 } else { 6 };
    (0..rows).map(row).chain([((number * 13) % 200, None)]).collect()
}

fn apply(model: &mut Model, number: u32) {
    for (key, value) in changes(number) {
        match value {
            Some(value) => drop(model.insert(key, value)),
            None => drop(model.remove(&key)),
        }
    }
}

fn commit(db: &Database<()>, number: u32) -> Result<()> {
    let durability = [Durability::Synced, Durability::Synced, Durability::Buffered][number as usize % 3];
    db.write_with(durability, |tx| {
        let mut table = tx.open_table(&ROWS)?;
        for (key, value) in changes(number) {
            match value {
                Some(value) => drop(table.insert(key, value)?),
                None => drop(table.remove(key)?),
            }
        }
        Ok(())
    })?;
    if number % 11 == 10 { db.checkpoint() } else { Ok(()) }
}

/// What may be there: everything that was acknowledged, and a commit that failed may be there too, as its record can have been written.
struct Known(Vec<Model>);

impl Known {
    fn commit(&mut self, db: &Database<()>, number: u32) -> Result<()> {
        let last = self.0.last().cloned().unwrap_or_default();
        let mut after = last;
        apply(&mut after, number);
        let done = commit(db, number);
        // A checkpoint that fails behind a commit takes nothing back.
        let there = read(db);
        if done.is_ok() {
            assert!(there == after, "commit {number} is not what was read behind it");
        } else {
            assert!(there == after || self.0.contains(&there), "commit {number} failed and left a part of it");
        }
        self.0 = if there == after { vec![after] } else { vec![after, there] };
        done
    }

    fn settle(&mut self, db: &Database<()>) {
        let there = read(db);
        assert!(self.0.contains(&there), "what was acknowledged is not there");
        self.0 = vec![there];
    }
}

/// Calls that the disk had got when it had got 500 writes.
fn calls_of_500_writes() -> u64 {
    let start = Medium::default();
    let disk = raw::disk(1, &start, false);
    let db = open(&disk).unwrap();
    for number in 0..COMMITS {
        commit(&db, number).unwrap();
        if disk.tape(&start).writes() >= 500 {
            return disk.calls();
        }
    }
    panic!("the run makes {} writes", disk.tape(&start).writes());
}

#[test]
fn i30_i31_the_disk_is_full_at_each_of_the_first_500_writes() {
    let calls = calls_of_500_writes();
    let (mut full, mut went_on, mut poisoned, mut at_open) = (0, 0, 0, 0);
    for call in 0..calls {
        let disk = Disk::new(1);
        disk.fail(On::Write, call, Fault::Full);
        let mut db = match open(&disk) {
            Ok(db) => db,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::StorageFull, "call {call}: {error}");
                (full, at_open) = (full + 1, at_open + 1);
                open(&disk).unwrap()
            }
        };
        let mut known = Known(vec![Model::new()]);
        let mut left = None;
        for number in 0..COMMITS {
            if let Err(error) = known.commit(&db, number) {
                // Another write of the same session may have met the full disk, in the background.
                assert!(matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::Poisoned), "call {call}: {error}");
                full += 1;
                left = left.or(Some(8));
                // There is room again: it goes on, at once or, if the log or a superblock was hit, when it is opened again.
                if db.begin_write().is_err_and(|error| error.kind() == ErrorKind::Poisoned) {
                    poisoned += 1;
                    drop(db);
                    db = open(&disk).unwrap();
                    known.settle(&db);
                } else {
                    went_on += 1;
                }
            } else if left.as_mut().is_some_and(|left| {
                *left -= 1;
                *left == 0
            }) {
                break;
            }
        }
        db.check().unwrap();
        db.flush().unwrap();
        disk.cut_power(Crash::DropAll);
        drop(db);
        let db = open(&disk).unwrap();
        known.settle(&db);
    }
    println!(
        "{calls} runs, the disk was full {full} times: {went_on} went on, {poisoned} when opened again, {at_open} while creating the file"
    );
    assert!(full >= 500 && went_on > 50 && at_open > 3, "{full} {went_on} {at_open}");
}

/// What was met while the disk was full.
#[derive(Debug, Default)]
struct Met {
    /// Commits that were refused.
    refused: u32,
    /// Other operations that were refused.
    others: u32,
    /// Processes that could not open the file, to write; those that could.
    closed: u32,
    opened: u32,
    /// Files that were read without writing.
    read: u32,
    poisoned: u32,
    at_open: u32,
}

/// All that a program may try beside commits. None may fail for another reason.
fn try_others(db: &Database<()>, call: u64, met: &mut Met) {
    let tried = [
        ("flush", db.flush()),
        ("checkpoint", db.checkpoint()),
        ("compact", db.compact().map(drop)),
        ("check", db.check().map(drop)),
        ("backup", db.backup(&mut Vec::new()).map(drop)),
        ("a rollback", db.begin_write().and_then(|tx| tx.open_table(&ROWS)?.insert(0, vec![0]).map(drop))),
    ];
    for (what, done) in tried {
        if let Err(error) = done {
            assert!(
                matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::Poisoned),
                "call {call}, {what}: {error}"
            );
            met.others += 1;
        }
    }
}

/// Works for a while on a full disk; `None`: no process has the file open. One that may not write any more is followed by another.
fn while_full(
    disk: &Disk,
    mut db: Option<Database<()>>,
    known: &mut Known,
    number: &mut u32,
    call: u64,
    met: &mut Met,
) -> Option<Database<()>> {
    for round in 0..4 {
        let Some(open_one) = &db else {
            // I28: reading needs no room, where there is a database.
            if let Ok(reader) = open_as(disk, true) {
                assert!(known.0.contains(&read(&reader)), "call {call}: what was acknowledged is not there");
                met.read += 1;
            }
            match open(disk) {
                Ok(opened) => {
                    known.settle(&opened);
                    met.opened += 1;
                    db = Some(opened);
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::StorageFull, "call {call}: {error}");
                    met.closed += 1;
                }
            }
            continue;
        };
        if raw::is_poisoned(open_one) {
            let error = commit(open_one, *number).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Poisoned, "call {call}: {error}");
            try_others(open_one, call, met);
            assert!(known.0.contains(&read(open_one)), "call {call}: reads do not go on");
            met.poisoned += 1;
            db = None;
            continue;
        }
        let error = known.commit(open_one, *number).expect_err("there is no room for it");
        assert!(matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::Poisoned), "call {call}: {error}");
        met.refused += 1;
        *number += 1;
        if round % 2 == 1 {
            try_others(open_one, call, met);
        }
        assert!(known.0.contains(&read(open_one)), "call {call}: reads do not go on");
    }
    db
}

/// From each of these writes on there is no room, whatever is written where, until the test makes some.
#[test]
fn i30_i31_the_disk_is_full_from_each_of_the_first_500_writes_on() {
    /// More writes than are tried meanwhile.
    const MANY: u64 = 2000;
    let (calls, mut met, mut most) = (calls_of_500_writes(), Met::default(), 0);
    for call in 0..calls {
        let disk = Disk::new(1);
        (0..MANY).for_each(|_| disk.fail(On::Write, call, Fault::Full));
        let (mut known, mut number) = (Known(vec![Model::new()]), 0);
        let mut db = open(&disk).map_err(|error| assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}")).ok();
        met.at_open += u32::from(db.is_none());
        // A checkpoint may meet it first, of which nobody is told.
        while let Some(open_one) = db.as_ref().filter(|_| disk.faults().full == 0) {
            assert!(number < COMMITS, "call {call}: the disk did not become full");
            if let Err(error) = known.commit(open_one, number) {
                assert!(matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::Poisoned), "call {call}: {error}");
                met.refused += 1;
            }
            number += 1;
        }
        db = while_full(&disk, db, &mut known, &mut number, call, &mut met);
        most = most.max(disk.faults().full);
        disk.heal();
        // There is room again.
        let db = match db.filter(|db| !raw::is_poisoned(db)) {
            Some(db) => db,
            None => {
                let db = open(&disk).unwrap();
                known.settle(&db);
                db
            }
        };
        for number in number..number + 8 {
            known.commit(&db, number).unwrap();
        }
        db.check().unwrap();
        db.flush().unwrap();
        disk.cut_power(Crash::DropAll);
        drop(db);
        known.settle(&open(&disk).unwrap());
    }
    println!("{calls} runs, at most {most} writes refused in one: {met:?}");
    assert!(most < MANY, "the disk did not stay full");
    // No write of the log goes through either, so that nothing is made.
    let Met { refused, others, closed, opened, read, poisoned, at_open } = met;
    assert!(refused > 500 && others > 500 && poisoned > 500 && at_open > 3, "{refused} {others} {poisoned} {at_open}");
    assert!(closed > 50 && opened > 500 && read > 500, "{closed} {opened} {read}");
}

/// A disk that has no room for a longer file, for as long as ten commits: what lies in the file can be written over. Nothing is poisoned.
#[test]
fn i31_a_file_that_cannot_grow_goes_on_when_it_can() {
    let (mut refused, mut made) = (0, 0);
    for full_at in 0..COMMITS - 12 {
        let disk = Disk::new(2);
        let db = open(&disk).unwrap();
        let mut known = Known(vec![Model::new()]);
        for number in 0..COMMITS {
            if number == full_at {
                disk.limit(Some(disk.bytes().len() as u64));
            }
            if number == full_at + 10 {
                disk.limit(None);
            }
            match known.commit(&db, number) {
                Ok(()) => made += 1,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::StorageFull, "commit {number}: {error}");
                    assert!((full_at..full_at + 10).contains(&number), "commit {number}: there is room");
                    refused += 1;
                }
            }
        }
        db.check().unwrap();
        db.close().unwrap();
        known.settle(&open(&disk).unwrap());
    }
    println!("{made} commits, {refused} refused");
    assert!(refused > 30, "{refused}");
}

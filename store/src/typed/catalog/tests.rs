//! Tables deleted by name: nothing of them is left, in memory, in the file or in the log, and nothing else is gone.

use super::*;
use crate::Schema;
use crate::engine::{Background, Durability};
use crate::typed::check::tests::{CUSTOMERS, Customer, Shop, fill, options};
use crate::typed::{Database, Options, TableDef};
use crate::vfs::{CrashPolicy, Failure, FaultFile, FaultPlan, Storage};
use std::sync::Arc;

/// What a later program stores in the tables of the shop's names.
mod later {
    #[derive(crate::Record)]
    #[record(table = "customers")]
    pub(super) struct Customer {
        #[record(key)]
        pub(super) name: String,
        #[record(index)]
        pub(super) points: u64,
    }

    #[derive(crate::Schema)]
    pub(super) struct Shop(Customer);
}

fn inline() -> Options {
    let mut options = options();
    options.engine.background = Background::Inline;
    options
}

fn open<S: Schema>(file: &Arc<FaultFile>, options: Options) -> Database<S> {
    Database::on(Arc::clone(file) as Arc<dyn Storage>, options).unwrap()
}

fn on(image: Vec<u8>) -> Arc<FaultFile> {
    Arc::new(FaultFile::from_image(image, FaultPlan::default()))
}

/// A closed file with a shop in it: records with indexes, and values of several pages.
fn shop() -> Arc<FaultFile> {
    let file = on(Vec::new());
    let db = open::<Shop>(&file, inline());
    fill(&db);
    db.close().unwrap();
    on(file.image())
}

/// How many entries some trees have in a view. Reads all values.
fn entries(view: &dyn View, trees: &[TreeId]) -> Vec<usize> {
    let count = |&tree: &TreeId| {
        let mut cursor = view.cursor(tree, Bound::Unbounded, Bound::Unbounded).unwrap();
        let mut entries = 0;
        while cursor.next().unwrap().is_some() {
            entries += 1;
        }
        entries
    };
    trees.iter().map(count).collect()
}

fn trees(view: &dyn View, name: &str) -> Vec<TreeId> {
    table(view, name).unwrap().unwrap().trees().collect()
}

fn names<S>(db: &Database<S>) -> Vec<String> {
    db.read(|tx| tx.table_names()).unwrap()
}

/// Every page is read, and every block is free, or belongs to one thing (I29).
fn sound<S>(db: &Database<S>) {
    db.check().unwrap();
    crate::check::audit(db.inner.engine.base()).unwrap();
}

#[test]
fn i17_a_snapshot_keeps_the_table_that_is_deleted_by_name() {
    let file = shop();
    let db = open::<()>(&file, inline());
    let before = db.inner.engine.snapshot().unwrap();
    let customers = trees(&before, "customers");
    let full = entries(&before, &customers);
    assert!(full.len() == 4 && full.iter().all(|&entries| entries > 200), "{full:?}");
    assert!(db.write(|tx| tx.delete_table_named("customers")).unwrap());
    for _ in 0..3 {
        db.checkpoint().unwrap();
        assert_eq!(entries(&before, &customers), full);
        // Written where the old pages lay, were they free.
        db.write(|tx| tx.open_table(&TableDef::<u32, Vec<u8>>::new("more"))?.insert(1, vec![1; 30_000])).unwrap();
        sound(&db);
    }
    assert_eq!(table_names(&before).unwrap(), ["customers", "hits", "seats"]);
    assert_eq!(names(&db), ["hits", "more", "seats"]);
    assert_eq!(entries(&db.inner.engine.snapshot().unwrap(), &customers), [0; 4]);
    drop(before);
    db.checkpoint().unwrap();
    sound(&db);
}

#[test]
fn i29_the_blocks_of_tables_that_are_deleted_by_name_are_free() {
    let used = |db: &Database<()>| {
        for n in 0..4 {
            // What a checkpoint replaces is free after the next one.
            db.write(|tx| tx.open_table(&TableDef::<u32, u32>::new("last"))?.insert(1, n)).unwrap();
            db.checkpoint().unwrap();
        }
        let space = db.inner.engine.base().space().unwrap();
        space.tail() - space.free_blocks()
    };
    let empty = used(&open::<()>(&on(Vec::new()), inline()));
    let file = shop();
    let db = open::<()>(&file, inline());
    let full = used(&db);
    assert!(full > empty + 200, "{full} blocks, {empty} without the shop");
    db.write(|tx| {
        assert_eq!(tx.table_names()?, ["customers", "hits", "last", "seats"]);
        for name in ["customers", "seats", "hits"] {
            assert!(tx.delete_table_named(name)?);
            assert!(!tx.delete_table_named(name)?, "a second time");
        }
        assert_eq!(tx.table_names()?, ["last"]);
        Ok(())
    })
    .unwrap();
    let left = used(&db);
    assert!(left < empty + 60, "{left} blocks, {empty} without the shop");
    sound(&db);
    let now = db.inner.engine.snapshot().unwrap();
    assert_eq!(entries(&now, &[TREE]), [3], "the header, the last table, its counter");
}

/// The log alone says so, before the first checkpoint.
#[test]
fn i27_a_deletion_by_name_is_recovered_from_the_log() {
    for (seed, write_buffer) in [(1, 1 << 20), (2, 600)] {
        let mut options = inline();
        options.engine.write_buffer = write_buffer;
        let file = shop();
        let db = open::<()>(&file, options.clone());
        let old = trees(&db.inner.engine.snapshot().unwrap(), "customers");
        let started = db.stats().checkpoints;
        db.write(|tx| {
            // Enough for a write set of 600 bytes to leave memory before and after.
            let mut more = tx.open_table(&TableDef::<u32, Vec<u8>>::new("more"))?;
            (0..40).try_for_each(|n| more.insert(n, vec![1; 100]).map(|_| ()))?;
            assert!(tx.delete_table_named("customers")?);
            (40..80).try_for_each(|n| more.insert(n, vec![1; 100]).map(|_| ()))
        })
        .unwrap();
        assert_eq!(db.stats().checkpoints, started);
        let mut image = file.crash(CrashPolicy::DropAll, seed);
        for _ in 0..2 {
            let file = on(image);
            let db = open::<()>(&file, options.clone());
            assert_eq!(names(&db), ["hits", "more", "seats"]);
            assert_eq!(entries(&db.inner.engine.snapshot().unwrap(), &old), [0; 4]);
            crate::check::audit(db.inner.engine.base()).unwrap();
            // Once more from the log.
            image = file.crash(CrashPolicy::DropAll, seed);
        }
        let file = on(image);
        let db = open::<later::Shop>(&file, options.clone());
        db.write(|tx| tx.table::<later::Customer>()?.insert(later::Customer { name: "Anna".into(), points: 1 }))
            .unwrap();
        assert_eq!(names(&db), ["customers", "hits", "more", "seats"]);
        sound(&db);
        db.close().unwrap();
        let db = open::<later::Shop>(&on(file.image()), options.clone());
        let points = |tx: &crate::ReadTxn<later::Shop>| {
            let customers = tx.table::<later::Customer>()?;
            let rows = customers.query(later::Customer::POINTS.at(1)).map(|row| Ok(row?.name));
            Ok((customers.len()?, rows.collect::<Result<Vec<_>>>()?))
        };
        assert_eq!(db.read(points).unwrap(), (1, vec!["Anna".to_owned()]));
        sound(&db);
    }
}

/// Its large values, and those that have left memory, belong to nobody else.
#[test]
fn a_table_that_was_made_in_the_same_transaction_leaves_nothing() {
    const MORE: TableDef<u32, Vec<u8>> = TableDef::new("more");
    for write_buffer in [1 << 22, 600] {
        let mut options = inline();
        options.engine.write_buffer = write_buffer;
        let file = shop();
        let db = open::<()>(&file, options);
        db.write(|tx| {
            let mut more = tx.open_table(&MORE)?;
            for (key, len) in (0..5_u32).zip([10, 3000, 70_000, (1 << 20) + 1, 5]) {
                more.insert(key, vec![key as u8; len])?;
            }
            let mut rows = more.iter();
            assert!(rows.next().is_some());
            assert!(tx.delete_table_named("more")?);
            assert!(rows.next().is_none() && rows.next_back().is_none(), "an iterator ends");
            drop(rows);
            assert_eq!((more.get(1)?, more.len()?), (None, 0));
            assert_eq!(more.insert(1, vec![1]).unwrap_err().kind(), ErrorKind::InvalidArgument);
            // One of the same name is another one.
            let mut again = tx.open_table(&TableDef::<String, u8>::new("more"))?;
            assert_eq!(again.insert("a", 1)?, None);
            assert_eq!(tx.table_names()?, ["customers", "hits", "more", "seats"]);
            Ok(())
        })
        .unwrap();
        assert_eq!(db.read(|tx| tx.open_table(&TableDef::<String, u8>::new("more"))?.len()).unwrap(), 1);
        sound(&db);
        db.checkpoint().unwrap();
        sound(&db);
    }
}

#[test]
fn i20_a_deletion_by_name_that_is_rolled_back_leaves_no_trace() {
    let file = shop();
    let db = open::<()>(&file, inline());
    let tx = db.begin_write().unwrap();
    assert!(tx.delete_table_named("customers").unwrap());
    assert_eq!(tx.table_names().unwrap(), ["hits", "seats"]);
    tx.rollback();
    assert_eq!(names(&db), ["customers", "hits", "seats"]);
    sound(&db);
    db.close().unwrap();
    let db = open::<Shop>(&on(file.image()), inline());
    let (records, oldest) = db
        .read(|tx| {
            let customers = tx.table::<Customer>()?;
            Ok((
                customers.iter().filter(Result::is_ok).count() as u64,
                customers.find(Customer::EMAIL.at("c0@example.org"))?,
            ))
        })
        .unwrap();
    assert!(records == CUSTOMERS - 15 && oldest.is_some(), "{records} records");
    sound(&db);
}

/// A tree that a made-up catalog names twice cannot be dropped twice: half a deletion is none.
#[test]
fn i36_a_table_with_one_tree_for_two_things_is_not_half_deleted() {
    let file = shop();
    let db = open::<()>(&file, inline());
    let forge = |tx: &crate::engine::WriteTxn| {
        let mut entry = table(tx, "customers").unwrap().unwrap();
        entry.indexes[1].tree = entry.tree;
        tx.put(TREE, &table_key("customers"), &entry.encode()).unwrap();
    };
    let tx = db.inner.engine.begin().unwrap();
    forge(&tx);
    tx.commit(Durability::Synced).unwrap();
    let tx = db.begin_write().unwrap();
    assert!(tx.delete_table_named("customers").is_err());
    let refused = tx.commit().unwrap_err();
    assert!(refused.to_string().starts_with("nothing is committed"), "{refused}");
    assert_eq!(names(&db), ["customers", "hits", "seats"]);
}

/// A deletion by name, and rows that come to lie where the table lay. Counts the commits that were acknowledged.
fn delete_and_reuse(file: &Arc<FaultFile>, more: &TableDef<u32, Vec<u8>>, acknowledged: &mut u32) -> Result<()> {
    let db = Database::<()>::on(Arc::clone(file) as Arc<dyn Storage>, inline())?;
    db.write(|tx| tx.delete_table_named("customers"))?;
    *acknowledged += 1;
    db.checkpoint()?;
    for row in 0..3 {
        db.write(|tx| tx.open_table(more)?.insert(row, vec![row as u8; 30_000]))?;
        *acknowledged += 1;
        db.checkpoint()?;
    }
    db.close()
}

/// Each call stops the process, or fails. What is left holds the whole table or nothing of it, and all that was acknowledged.
#[test]
fn i34_a_crash_at_any_call_of_a_deletion_by_name() {
    let more = TableDef::<u32, Vec<u8>>::new("more");
    let image = shop().image();
    let before = open::<()>(&on(image.clone()), inline());
    let old = trees(&before.inner.engine.snapshot().unwrap(), "customers");
    let full = entries(&before.inner.engine.snapshot().unwrap(), &old);
    let whole = on(image.clone());
    delete_and_reuse(&whole, &more, &mut 0).unwrap();
    let (calls, mut left) = (whole.calls(), [0, 0]);
    for call in 0..calls {
        let failure = [None, Some(Failure::Io), Some(Failure::NoSpace), Some(Failure::LostSync)][call as usize % 4];
        for (failure, seed) in [(None, 2 * call), (failure, 2 * call + 1)] {
            let (fail, stop) = (failure.map(|failure| (call, failure)), failure.is_none().then_some(call));
            let plan = FaultPlan { fail, stop, direct: seed % 3 == 0, ..FaultPlan::default() };
            let file = Arc::new(FaultFile::from_image(image.clone(), plan));
            let mut acknowledged = 0;
            let _ = delete_and_reuse(&file, &more, &mut acknowledged);
            let policy = CrashPolicy::ALL[seed as usize % CrashPolicy::ALL.len()];
            let what = format!("call {call}, {failure:?}, {policy:?}, {acknowledged} acknowledged");
            let db = open::<()>(&on(file.crash(policy, seed)), inline());
            let deleted = !names(&db).contains(&"customers".to_owned());
            left[usize::from(deleted)] += 1;
            let now = entries(&db.inner.engine.snapshot().unwrap(), &old);
            assert_eq!(now, if deleted { vec![0; 4] } else { full.clone() }, "{what}");
            let rows = db.write(|tx| tx.open_table(&more)?.len()).unwrap();
            assert!(rows == 0 || deleted, "{what}: {rows} rows beside the table");
            assert!(u64::from(acknowledged) <= rows + u64::from(deleted), "{what}: {rows} rows, deleted: {deleted}");
            sound(&db);
        }
    }
    println!("{calls} calls; the table was left {} times, and gone {} times", left[0], left[1]);
    assert!(left[0] > 10 && left[1] > 10, "{left:?}");
}

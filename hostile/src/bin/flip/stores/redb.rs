//! redb.

use super::{Answer, ROWS, Result, Scan, Store, found, last};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::path::{Path, PathBuf};

const TABLE: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("rows");

pub(crate) struct Redb;

impl Store for Redb {
    fn file(&self, folder: &Path) -> PathBuf {
        folder.join("rows.redb")
    }

    fn write(&self, folder: &Path, rows: &mut dyn Iterator<Item = (u32, Vec<u8>)>) -> Result<()> {
        let db = Database::create(self.file(folder))?;
        let txn = db.begin_write()?;
        {
            let mut table = txn.open_table(TABLE)?;
            for (key, value) in rows {
                table.insert(key, value.as_slice())?;
            }
        }
        Ok(txn.commit()?)
    }

    fn check(&self) -> Option<&'static str> {
        Some("check_integrity")
    }

    fn answer(&self, folder: &Path, gets: &[u32]) -> Result<Answer> {
        let mut db = Database::open(self.file(folder))?;
        let right = right(&db, gets)?;
        // An intact file is `true`, a mended one `false`.
        Ok(Answer { right, found: found(|| !matches!(db.check_integrity(), Ok(true))) })
    }
}

/// Reads all rows, then some. Nothing is held of the file afterwards.
fn right(db: &Database, gets: &[u32]) -> Result<bool> {
    let table = db.begin_read()?.open_table(TABLE)?;
    let mut scan = Scan::default();
    for row in table.iter()?.take(ROWS as usize * 2) {
        let (key, value) = row?;
        scan.row(key.value(), value.value());
    }
    let mut right = scan.right();
    for &key in gets {
        right &= table.get(key)?.is_some_and(|value| value.value() == last(key));
    }
    Ok(right)
}

//! redb.

use super::{Answer, ROWS, Result, Scan, Store, last};
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

    fn answer(&self, folder: &Path, gets: &[u32]) -> Result<Answer> {
        let db = Database::open(self.file(folder))?;
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
        Ok(Answer { right, found: false })
    }
}

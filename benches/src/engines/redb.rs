//! redb: tables of slices, default cache, `Durability::Immediate`, and `Durability::None` for deferred commits only.

use super::{Commit, Engine, Reader, Writer};
use crate::Result;
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, Table, TableDefinition};
use std::path::Path;

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");

/// The database.
pub(crate) struct Redb(Database);

impl Engine for Redb {
    const NAME: &'static str = "redb";
    type Writer<'a> = Table<'a, &'static [u8], &'static [u8]>;
    type Reader<'a> = ReadOnlyTable<&'static [u8], &'static [u8]>;

    fn open(dir: &Path) -> Result<Self> {
        let path = dir.join("records.redb");
        let fresh = !path.exists();
        let db = Database::create(path)?;
        if fresh {
            let txn = db.begin_write()?;
            txn.open_table(TABLE)?;
            txn.commit()?;
        }
        Ok(Self(db))
    }

    fn write(&self, commit: Commit, mut body: impl FnMut(&mut Self::Writer<'_>) -> Result<()>) -> Result<()> {
        let mut txn = self.0.begin_write()?;
        txn.set_durability(match commit {
            Commit::Synced => Durability::Immediate,
            Commit::Deferred => Durability::None,
        })?;
        {
            let mut table = txn.open_table(TABLE)?;
            body(&mut table)?;
        }
        Ok(txn.commit()?)
    }

    fn read<T>(&self, mut body: impl FnMut(&Self::Reader<'_>) -> Result<T>) -> Result<T> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        body(&table)
    }

    fn settle(&self) -> Result<()> {
        // An empty durable commit takes the deferred ones before it with it.
        Ok(self.0.begin_write()?.commit()?)
    }

    fn close(self) -> Result<()> {
        Ok(self.0.close()?)
    }
}

impl Writer for Table<'_, &'static [u8], &'static [u8]> {
    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Table::insert(self, key, value)?;
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<bool> {
        Ok(Table::remove(self, key)?.is_some())
    }
}

impl Reader for ReadOnlyTable<&'static [u8], &'static [u8]> {
    fn get(&self, key: &[u8], mut show: impl FnMut(&[u8])) -> Result<bool> {
        let found = ReadOnlyTable::get(self, key)?;
        if let Some(value) = &found {
            show(value.value());
        }
        Ok(found.is_some())
    }

    fn range(&self, from: &[u8], most: usize, mut show: impl FnMut(&[u8], &[u8])) -> Result<usize> {
        let mut count = 0;
        for record in ReadOnlyTable::range(self, from..)?.take(most) {
            let (key, value) = record?;
            show(key.value(), value.value());
            count += 1;
        }
        Ok(count)
    }
}

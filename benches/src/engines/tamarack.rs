//! Tamarack: a plain table of bytes, default options, values lent as slices, `Deferred` for deferred commits only.

use super::{Commit, Engine, Reader, Writer};
use crate::Result;
use std::{ops::Bound, path::Path};
use tamarack::{Database, Durability, ReadOnly, ReadWrite, Table, TableDef};

const TABLE: TableDef<Vec<u8>, Vec<u8>> = TableDef::new("records");

/// The database.
pub(crate) struct Tamarack(Database<()>);

impl Engine for Tamarack {
    const NAME: &'static str = "tamarack";
    type Writer<'a> = Table<'a, Vec<u8>, Vec<u8>, ReadWrite>;
    type Reader<'a> = Table<'a, Vec<u8>, Vec<u8>, ReadOnly>;

    fn open(dir: &Path) -> Result<Self> {
        Ok(Self(Database::open(dir.join("records.tam"))?))
    }

    fn write(&self, commit: Commit, mut body: impl FnMut(&mut Self::Writer<'_>) -> Result<()>) -> Result<()> {
        let tx = self.0.begin_write()?;
        {
            let mut table = tx.open_table(&TABLE)?;
            body(&mut table)?;
        }
        tx.commit_with(match commit {
            Commit::Synced => Durability::Synced,
            Commit::Deferred => Durability::Deferred,
        })?;
        Ok(())
    }

    fn read<T>(&self, mut body: impl FnMut(&Self::Reader<'_>) -> Result<T>) -> Result<T> {
        let tx = self.0.begin_read()?;
        let table = tx.open_table(&TABLE)?;
        body(&table)
    }

    fn settle(&self) -> Result<()> {
        Ok(self.0.checkpoint()?)
    }

    fn close(self) -> Result<()> {
        Ok(self.0.close()?)
    }
}

impl Writer for Table<'_, Vec<u8>, Vec<u8>, ReadWrite> {
    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.replace(key, value).map(|_| ())?)
    }

    fn remove(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.discard(key)?)
    }
}

impl Reader for Table<'_, Vec<u8>, Vec<u8>, ReadOnly> {
    fn get(&self, key: &[u8], mut show: impl FnMut(&[u8])) -> Result<bool> {
        Ok(self.get_with(key, |value| show(value))?.is_some())
    }

    fn range(&self, from: &[u8], most: usize, mut show: impl FnMut(&[u8], &[u8])) -> Result<usize> {
        let mut count = 0;
        self.scan((Bound::Included(from), Bound::Unbounded), |key, value| {
            show(key, value);
            count += 1;
            Ok(count < most)
        })?;
        Ok(count)
    }
}

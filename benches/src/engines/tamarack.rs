//! Tamarack: a plain table of bytes, default options, values lent as slices, `Deferred` for deferred commits only.

use super::{Commit, Engine, Reader, Writer};
use crate::Result;
use std::{ops::Bound, path::Path};
use tamarack::{Database, Durability, Error, ErrorKind, ReadTable, TableDef, WriteTable};

const TABLE: TableDef<Vec<u8>, Vec<u8>> = TableDef::new("records");

/// The database.
pub(crate) struct Tamarack(Database<()>);

impl Engine for Tamarack {
    const NAME: &'static str = "tamarack";
    type Writer<'a> = WriteTable<'a, Vec<u8>, Vec<u8>>;
    type Reader<'a> = ReadTable<'a, Vec<u8>, Vec<u8>>;

    fn open(dir: &Path) -> Result<Self> {
        Ok(Self(Database::open(dir.join("records.tam"))?))
    }

    fn write(&self, commit: Commit, mut body: impl FnMut(&mut Self::Writer<'_>) -> Result<()>) -> Result<()> {
        let tx = self.0.begin_write()?;
        {
            let mut table = tx.table_of(&TABLE)?;
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
        let table = tx.table_of(&TABLE)?;
        body(&table)
    }

    fn settle(&self) -> Result<()> {
        Ok(self.0.checkpoint()?)
    }

    fn close(self) -> Result<()> {
        Ok(self.0.close()?)
    }
}

//! What the steps need of a store, and how Tamarack does it.

use crate::{Result, VALUE, key};
use std::path::Path;
use tamarack::{Database, Options, TableDef};

const TABLE: TableDef<Vec<u8>, Vec<u8>> = TableDef::new("records");

/// A store with one table.
pub(crate) trait Store: Sized {
    /// Opens it in a folder of its own, with as many bytes of memory as it lets one choose.
    fn open(folder: &Path, memory: u64) -> Result<Self>;

    /// Writes records in the order of their keys, and makes them durable.
    fn load(self, records: &[u64]) -> Result<()>;

    /// Reads as many records as asked for from one snapshot.
    fn gets(&self, count: u64, pick: &mut dyn FnMut() -> u64) -> Result<()>;

    /// Pages that its memory did not hold, so far.
    fn misses(&self) -> u64;
}

/// The value has to be the record's.
pub(crate) fn check(i: u64, value: Option<&[u8]>) -> Result<()> {
    match value {
        Some(value) if value.len() == VALUE && value.first() == Some(&(i as u8)) => Ok(()),
        other => Err(format!("record {i} is {other:?}").into()),
    }
}

pub(crate) struct Tamarack(Database<()>);

impl Store for Tamarack {
    fn open(folder: &Path, memory: u64) -> Result<Self> {
        Ok(Self(Options::new().memory(memory).log_size(256 << 20).open(folder.join("memory.tam"))?))
    }

    fn load(self, records: &[u64]) -> Result<()> {
        for chunk in records.chunks(100_000) {
            self.0.write(|tx| {
                let mut table = tx.open_table(&TABLE)?;
                for &i in chunk {
                    table.replace(key(i), [i as u8; VALUE].as_slice())?;
                }
                Ok(())
            })?;
        }
        Ok(self.0.close()?)
    }

    fn gets(&self, count: u64, pick: &mut dyn FnMut() -> u64) -> Result<()> {
        let tx = self.0.begin_read()?;
        let table = tx.open_table(&TABLE)?;
        for _ in 0..count {
            let i = pick();
            check(i, table.get(key(i))?.as_deref())?;
        }
        Ok(())
    }

    fn misses(&self) -> u64 {
        self.0.stats().misses
    }
}

//! RocksDB and fjall, each commit synced, with the options that their manuals name for that.

use crate::Result;
use fjall::{Keyspace, KeyspaceCreateOptions, PersistMode};
use rocksdb::statistics::Ticker;
use rocksdb::{DB, Options, WriteOptions};
use std::path::Path;

/// A store that commits one record durably.
pub(crate) trait Peer: Send + Sync + 'static {
    const NAME: &'static str;

    fn commit(&self, key: u64) -> Result<()>;

    /// Flushes of the log so far, where the store counts them.
    fn flushes(&self) -> Option<u64>;
}

pub(crate) struct Rocks {
    db: DB,
    options: Options,
}

impl Rocks {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.enable_statistics();
        Ok(Self { db: DB::open(&options, folder)?, options })
    }
}

impl Peer for Rocks {
    const NAME: &'static str = "rocksdb";

    fn commit(&self, key: u64) -> Result<()> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.db.put_opt(key.to_be_bytes(), [7; 100], &options)?)
    }

    fn flushes(&self) -> Option<u64> {
        Some(self.options.get_ticker_count(Ticker::WalFileSynced))
    }
}

pub(crate) struct Fjall {
    db: fjall::Database,
    records: Keyspace,
}

impl Fjall {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let db = fjall::Database::builder(folder).open()?;
        let records = db.keyspace("records", KeyspaceCreateOptions::default)?;
        Ok(Self { db, records })
    }
}

impl Peer for Fjall {
    const NAME: &'static str = "fjall";

    /// Write, then sync what is written: threads that wait for the same sync share it as far as fjall lets them.
    fn commit(&self, key: u64) -> Result<()> {
        self.records.insert(key.to_be_bytes(), [7; 100])?;
        Ok(self.db.persist(PersistMode::SyncData)?)
    }

    fn flushes(&self) -> Option<u64> {
        None
    }
}

//! LMDB through heed: slices of its map, the default flags (a commit syncs), `MDB_NOSYNC` for deferred commits only.

use super::{Commit, Engine, Reader, Writer};
use crate::Result;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, FlagSetMode, RoTxn, RwTxn, WithTls, types::Bytes};
use std::{ops::Bound, path::Path, time::Duration};

/// Address space of the map. LMDB reserves it and takes what it needs.
const MAP: usize = if cfg!(target_pointer_width = "64") { 64 << 30 } else { 1 << 30 };

type Table = Database<'static, Bytes, Bytes>;

/// The environment and its one database.
pub(crate) struct Lmdb {
    env: Env<WithTls>,
    table: Table,
}

impl Engine for Lmdb {
    const NAME: &'static str = "lmdb";
    type Writer<'a> = LmdbWriter<'a>;
    type Reader<'a> = LmdbReader<'a>;

    fn open(dir: &Path) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP);
        #[expect(unsafe_code, reason = "a mapped file is open to anyone's writes; nobody else knows this directory")]
        // SAFETY: the directory is fresh and of this process alone, so that nothing changes the map under LMDB.
        let env = unsafe { options.open(dir)? };
        let create = env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
            opener.create_database(txn, None).map(CommitOrAbort::<_, ()>::Commit)
        })?;
        let table = create.commit().ok_or("LMDB did not make its database")?;
        Ok(Self { env, table })
    }

    fn write(&self, _commit: Commit, mut body: impl FnMut(&mut LmdbWriter<'_>) -> Result<()>) -> Result<()> {
        let mut writer = LmdbWriter { table: self.table, txn: self.env.write_txn()? };
        body(&mut writer)?;
        Ok(writer.txn.commit()?)
    }

    fn read<T>(&self, mut body: impl FnMut(&LmdbReader<'_>) -> Result<T>) -> Result<T> {
        let reader = LmdbReader { table: self.table, txn: self.env.read_txn()? };
        body(&reader)
    }

    fn deferred(&self, on: bool) -> Result<()> {
        let mode = if on { FlagSetMode::Enable } else { FlagSetMode::Disable };
        #[expect(unsafe_code, reason = "heed marks flags that weaken durability")]
        // SAFETY: `MDB_NOSYNC` risks the file only when the system crashes, and the file does not outlive the run.
        unsafe {
            self.env.set_flags(EnvFlags::NO_SYNC, mode)?;
        }
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        Ok(self.env.force_sync()?)
    }

    fn close(self) -> Result<()> {
        let closed = self.env.prepare_for_closing();
        if closed.wait_timeout(Duration::from_secs(60)) { Ok(()) } else { Err("LMDB did not close".into()) }
    }
}

/// A write transaction.
pub(crate) struct LmdbWriter<'a> {
    table: Table,
    txn: RwTxn<'a>,
}

impl Writer for LmdbWriter<'_> {
    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.table.put(&mut self.txn, key, value)?)
    }

    fn remove(&mut self, key: &[u8]) -> Result<bool> {
        Ok(self.table.delete(&mut self.txn, key)?)
    }
}

/// A read transaction.
pub(crate) struct LmdbReader<'a> {
    table: Table,
    txn: RoTxn<'a, WithTls>,
}

impl Reader for LmdbReader<'_> {
    fn get(&self, key: &[u8], mut show: impl FnMut(&[u8])) -> Result<bool> {
        let found = self.table.get(&self.txn, key)?;
        if let Some(value) = found {
            show(value);
        }
        Ok(found.is_some())
    }

    fn range(&self, from: &[u8], most: usize, mut show: impl FnMut(&[u8], &[u8])) -> Result<usize> {
        let mut count = 0;
        let mut each = |(key, value): (&[u8], &[u8])| {
            show(key, value);
            count += 1;
        };
        if from.is_empty() {
            for record in self.table.iter(&self.txn)?.take(most) {
                each(record?);
            }
        } else {
            let bounds = (Bound::Included(from), Bound::Unbounded);
            for record in self.table.range(&self.txn, &bounds)?.take(most) {
                each(record?);
            }
        }
        Ok(count)
    }
}

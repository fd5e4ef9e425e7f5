//! LMDB through heed: its map without read-ahead, as its manual advises for random reads of more than memory holds.

use crate::stores::{Store, check};
use crate::{Result, VALUE, key};
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, WithTls, types::Bytes};
use std::path::Path;

/// Address space of the map. LMDB reserves it and takes what it needs.
const MAP: usize = if cfg!(target_pointer_width = "64") { 64 << 30 } else { 1 << 30 };

pub(crate) struct Lmdb {
    env: Env<WithTls>,
    table: Database<'static, Bytes, Bytes>,
}

impl Store for Lmdb {
    /// Its memory is the system's page cache.
    fn open(folder: &Path, _memory: u64) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP);
        #[expect(unsafe_code, reason = "a mapped file is open to anyone's writes; nobody else knows this directory")]
        // SAFETY: the directory is this measurement's alone, so that nothing changes the map under LMDB.
        let env = unsafe { options.flags(EnvFlags::NO_READ_AHEAD).open(folder)? };
        let create = env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
            opener.create_database(txn, None).map(CommitOrAbort::<_, ()>::Commit)
        })?;
        let table = create.commit().ok_or("LMDB did not make its database")?;
        Ok(Self { env, table })
    }

    fn load(self, records: &[u64]) -> Result<()> {
        for chunk in records.chunks(100_000) {
            let mut txn = self.env.write_txn()?;
            for &i in chunk {
                self.table.put(&mut txn, &key(i), &[i as u8; VALUE])?;
            }
            txn.commit()?;
        }
        Ok(self.env.force_sync()?)
    }

    fn gets(&self, count: u64, pick: &mut dyn FnMut() -> u64) -> Result<()> {
        let txn = self.env.read_txn()?;
        for _ in 0..count {
            let i = pick();
            check(i, self.table.get(&txn, &key(i))?)?;
        }
        Ok(())
    }

    /// Page faults that read.
    fn misses(&self) -> u64 {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The program's name, in brackets, may hold anything; the tenth field behind it.
        let behind = stat.rsplit(')').next().unwrap_or_default();
        behind.split_whitespace().nth(9).and_then(|field| field.parse().ok()).unwrap_or(0)
    }
}

//! RocksDB: compacted, with Bloom filters; its block cache, filters and indexes included, is as large as the budget.

use crate::stores::{Store, check};
use crate::{Result, VALUE, key};
use rocksdb::statistics::Ticker;
use rocksdb::{BlockBasedOptions, Cache, DB, Options, WriteBatch, WriteOptions};
use std::path::Path;

pub(crate) struct Rocks {
    db: DB,
    options: Options,
}

impl Store for Rocks {
    fn open(folder: &Path, memory: u64) -> Result<Self> {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&Cache::new_lru_cache(usize::try_from(memory)?));
        blocks.set_bloom_filter(10.0, false);
        blocks.set_cache_index_and_filter_blocks(true);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&blocks);
        options.enable_statistics();
        Ok(Self { db: DB::open(&options, folder)?, options })
    }

    fn load(self, records: &[u64]) -> Result<()> {
        let mut unlogged = WriteOptions::default();
        unlogged.disable_wal(true);
        for chunk in records.chunks(100_000) {
            let mut batch = WriteBatch::default();
            for &i in chunk {
                batch.put(key(i), [i as u8; VALUE]);
            }
            self.db.write_opt(batch, &unlogged)?;
        }
        self.db.flush()?;
        self.db.compact_range::<&[u8], &[u8]>(None, None);
        Ok(())
    }

    fn gets(&self, count: u64, pick: &mut dyn FnMut() -> u64) -> Result<()> {
        let snapshot = self.db.snapshot();
        for _ in 0..count {
            let i = pick();
            check(i, snapshot.get_pinned(key(i))?.as_deref())?;
        }
        Ok(())
    }

    fn misses(&self) -> u64 {
        self.options.get_ticker_count(Ticker::BlockCacheMiss)
    }
}

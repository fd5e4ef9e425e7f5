//! Removal of many records at once.
//!
//! All of these walk a tree while they remove from it. That is sound because a cursor of a write transaction sees the transaction's later writes:
//! what is removed ahead of it is not met any more, and what was passed does not come back.

use super::access::{CanWrite, Writer};
use super::index::IntoQuery;
use super::record::Record;
use super::scan::RawScan;
use super::{ReadWrite, RecordTable};
use crate::error::Result;
use tamarack_codec::{KeyBuf, KeyRange};

impl<R: Record, M> RecordTable<'_, R, M> {
    /// Removes the records that a query matches, with their index entries; returns how many. A record that an index of elements names several times
    /// counts once. Cost: for each record what [`remove`](Self::remove) costs.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// cities.insert(&oslo)?;
    /// cities.insert(City { id: 2, country: "NO".into(), name: "Bergen".into() })?;
    /// assert_eq!(cities.remove_all(City::COUNTRY.at("NO"))?, 2);
    /// assert_eq!(cities.remove_all(City::PRIMARY.range(..100))?, 0);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get); the records before the failing one are removed.
    pub fn remove_all<Q: IntoQuery<R>>(&mut self, query: Q) -> Result<u64>
    where
        M: CanWrite<Q>,
    {
        let mut removed = 0;
        for record in self.query(query) {
            let record = record?;
            let mut key = KeyBuf::new();
            record.encode_key(&mut key);
            self.forget(&record, &key)?;
            removed += 1;
        }
        Ok(removed)
    }
}

impl<R: Record> RecordTable<'_, R, ReadWrite> {
    /// Removes all records for which `keep` is false.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// cities.insert(&oslo)?;
    /// cities.retain(|city| city.country != "NO")?;
    /// assert!(cities.is_empty()?);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn retain(&mut self, mut keep: impl FnMut(&R) -> bool) -> Result<()> {
        let writer = self.access.writer()?;
        for record in self.iter() {
            let record = record?;
            let written = writer.txn.written();
            if keep(&record) {
                continue;
            }
            let mut key = KeyBuf::new();
            record.encode_key(&mut key);
            if writer.txn.written() == written {
                self.forget(&record, &key)?;
            } else if let Some(now) = self.get_encoded(&key)? {
                // The closure has written to this transaction too: maybe to this very record.
                self.forget(&now, &key)?;
            }
        }
        Ok(())
    }

    /// Removes all records, those too that do not decode. Cost: a step and a removal for each record and each index entry.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// cities.insert(&oslo)?;
    /// cities.clear()?;
    /// assert!(cities.is_empty()?);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt), [`ErrorKind::Io`](crate::ErrorKind::Io) reading the file. Some records are gone then, some are
    /// not, and so are index entries: the transaction commits nothing any more.
    pub fn clear(&mut self) -> Result<()> {
        let writer = self.access.writer()?;
        writer.txn.end_write(self.clear_all(writer))
    }

    fn clear_all(&self, writer: &Writer) -> Result<()> {
        let indexes = self.resolved.indexes.iter().map(|index| (index.tree, 0));
        for (tree, records) in indexes.chain([(self.resolved.tree, -1)]) {
            let mut scan = RawScan::new(KeyRange::all());
            while let Some(key) = scan.next_key(self.access.view, tree).map_err(|error| self.named(error))? {
                writer.txn.delete(tree, key).map_err(|error| self.named(error))?;
                if records != 0 {
                    writer.add(self.resolved.table, records)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::Background;
    use crate::typed::Database;
    use crate::typed::check::tests::{Customer, Shop, fill, options};
    use crate::vfs::MemoryFile;
    use crate::{Record, Result};
    use std::sync::Arc;

    /// The cursor goes on while what is removed outgrows memory and moves to the file, again and again.
    #[test]
    fn what_is_removed_may_outgrow_memory() {
        let mut options = options();
        options.engine.background = Background::Inline;
        options.engine.write_buffer = 600;
        let db = Database::<Shop>::on(Arc::new(MemoryFile::default()), options).unwrap();
        fill(&db);
        let rows = || db.read(|tx| tx.table::<Customer>()?.iter().collect::<Result<Vec<_>>>()).unwrap();
        let (all, mut left) = (rows(), rows());
        left.retain(|one| one.tags.is_empty());
        let removed = db.write(|tx| tx.table::<Customer>()?.remove_all(Customer::TAGS)).unwrap();
        assert_eq!((removed, rows()), ((all.len() - left.len()) as u64, left.clone()));
        db.check().unwrap();
        left.retain(|one| one.city != "Oslo" || one.age < 30);
        db.write(|tx| tx.table::<Customer>()?.remove_all(Customer::CITY_AGE.at("Oslo").range(30..))).unwrap();
        assert_eq!(rows(), left);
        assert!(!left.is_empty());
        db.check().unwrap();
        let removed = db.write(|tx| tx.table::<Customer>()?.remove_all(Customer::PRIMARY)).unwrap();
        assert_eq!((removed, rows().len()), (left.len() as u64, 0));
        db.check().unwrap();
    }
}

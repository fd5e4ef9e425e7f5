//! std's `BTreeMap` under a read-write lock: no file, no durability, no snapshots. The limit that a store in memory could reach.

use super::{Commit, Engine, Reader, Writer};
use crate::{Result, data::KEY};
use std::{collections::BTreeMap, ops::Bound, path::Path, sync::RwLock};

type Map = BTreeMap<[u8; KEY], Box<[u8]>>;

/// The map.
pub(crate) struct BTree(RwLock<Map>);

impl Engine for BTree {
    const NAME: &'static str = "btreemap";
    const ON_DISK: bool = false;
    type Writer<'a> = &'a mut Map;
    type Reader<'a> = &'a Map;

    fn open(_dir: &Path) -> Result<Self> {
        Ok(Self(RwLock::new(Map::new())))
    }

    fn write(&self, _commit: Commit, mut body: impl FnMut(&mut &mut Map) -> Result<()>) -> Result<()> {
        let mut map = self.0.write().map_err(|_| "a writer panicked")?;
        body(&mut &mut *map)
    }

    fn read<T>(&self, mut body: impl FnMut(&&Map) -> Result<T>) -> Result<T> {
        let map = self.0.read().map_err(|_| "a writer panicked")?;
        body(&&*map)
    }

    fn settle(&self) -> Result<()> {
        Ok(())
    }

    fn close(self) -> Result<()> {
        Ok(())
    }
}

impl Writer for &mut Map {
    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Map::insert(self, key.try_into()?, value.into());
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<bool> {
        Ok(Map::remove(self, key).is_some())
    }
}

impl Reader for &Map {
    fn get(&self, key: &[u8], mut show: impl FnMut(&[u8])) -> Result<bool> {
        let found = Map::get(self, key);
        if let Some(value) = found {
            show(value);
        }
        Ok(found.is_some())
    }

    fn range(&self, from: &[u8], most: usize, mut show: impl FnMut(&[u8], &[u8])) -> Result<usize> {
        let bounds = (Bound::Included(from), Bound::Unbounded);
        let mut count = 0;
        for (key, value) in Map::range::<[u8], _>(self, bounds).take(most) {
            show(key, value);
            count += 1;
        }
        Ok(count)
    }
}

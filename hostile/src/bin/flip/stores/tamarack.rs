//! Tamarack.

use super::{Answer, Result, Scan, Store, last};
use std::path::{Path, PathBuf};
use tamarack::{Database, Options, TableDef};
use tamarack_hostile::world;

const TABLE: TableDef<u32, Vec<u8>> = TableDef::new("rows");

pub(crate) struct Tamarack;

fn open(folder: &Path) -> tamarack::Result<Database<()>> {
    Options::new().memory(4 << 20).log_size(256 << 10).open(folder.join("rows.tam"))
}

impl Store for Tamarack {
    fn file(&self, folder: &Path) -> PathBuf {
        folder.join("rows.tam")
    }

    fn write(&self, folder: &Path, rows: &mut dyn Iterator<Item = (u32, Vec<u8>)>) -> Result<()> {
        let rows: Vec<_> = rows.collect();
        let db = open(folder)?;
        db.write(|tx| {
            let mut table = tx.open_table(&TABLE)?;
            rows.iter().try_for_each(|(key, value)| table.insert(*key, value.clone()).map(|_| ()))
        })?;
        Ok(db.close()?)
    }

    fn check(&self) -> Option<&'static str> {
        Some("check")
    }

    fn answer(&self, folder: &Path, gets: &[u32]) -> Result<Answer> {
        let db = open(folder)?;
        let mut right = db.read(|tx| {
            let table = tx.open_table(&TABLE)?;
            let mut scan = Scan::default();
            for row in table.iter() {
                let (key, value) = row?;
                scan.row(key, &value);
            }
            let mut right = scan.right() && table.len()? == u64::from(super::ROWS);
            for &key in gets {
                right &= table.get(key)? == Some(last(key));
            }
            Ok(right)
        })?;
        let found = match db.check_with(&mut |_| {}) {
            Ok(report) => !report.is_sound(),
            Err(error) => world::tells(&error).map(|()| true)?,
        };
        // What is damaged must not spread.
        if right && !found && gets.first().is_some_and(|key| key % 4 == 0) {
            let most = super::ROWS + 500;
            db.write(|tx| {
                (super::ROWS..most).try_for_each(|key| tx.open_table(&TABLE)?.insert(key, last(key)).map(|_| ()))
            })?;
            db.close()?;
            let db = open(folder)?;
            db.check()?;
            let rows: Vec<_> = db.read(|tx| tx.open_table(&TABLE)?.iter().collect::<tamarack::Result<_>>())?;
            right &=
                rows.len() as u32 == most && rows.iter().zip(0..).all(|(row, key)| row.0 == key && row.1 == last(key));
        }
        Ok(Answer { right, found })
    }

    fn tells(&self, error: &(dyn std::error::Error + 'static)) -> Result<(), String> {
        match error.downcast_ref::<tamarack::Error>() {
            Some(error) => world::tells(error),
            None => Err(format!("the trial could not be made: {error}")),
        }
    }
}

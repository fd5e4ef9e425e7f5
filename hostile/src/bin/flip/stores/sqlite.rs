//! SQLite through rusqlite: a log that is emptied before the file is closed.

use super::{Answer, ROWS, Result, Scan, Store, found, last};
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};

pub(crate) struct Sqlite;

impl Store for Sqlite {
    fn file(&self, folder: &Path) -> PathBuf {
        folder.join("rows.sqlite")
    }

    fn write(&self, folder: &Path, rows: &mut dyn Iterator<Item = (u32, Vec<u8>)>) -> Result<()> {
        let mut db = Connection::open(self.file(folder))?;
        db.pragma_update(None, "journal_mode", "wal")?;
        db.execute("create table if not exists rows (key integer primary key, value blob) without rowid", [])?;
        let txn = db.transaction()?;
        for (key, value) in rows {
            txn.execute("insert or replace into rows values (?, ?)", params![key, value])?;
        }
        txn.commit()?;
        db.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))?;
        db.close().map_err(|(_, error)| error.into())
    }

    fn check(&self) -> Option<&'static str> {
        Some("pragma integrity_check")
    }

    fn answer(&self, folder: &Path, gets: &[u32]) -> Result<Answer> {
        let db = Connection::open(self.file(folder))?;
        let mut scan = Scan::default();
        let mut all = db.prepare("select key, value from rows order by key")?;
        let mut rows = all.query([])?;
        for _ in 0..ROWS * 2 {
            let Some(row) = rows.next()? else { break };
            scan.row(row.get(0)?, row.get_ref(1)?.as_blob()?);
        }
        let mut right = scan.right();
        let mut one = db.prepare("select value from rows where key = ?")?;
        for &key in gets {
            let found: Option<Vec<u8>> = match one.query_row([key], |row| row.get(0)) {
                Err(rusqlite::Error::QueryReturnedNoRows) => None,
                found => Some(found?),
            };
            right &= found == Some(last(key));
        }
        let said = || db.query_row("pragma integrity_check", [], |row| row.get::<_, String>(0));
        Ok(Answer { right, found: found(|| !said().is_ok_and(|said| said == "ok")) })
    }
}

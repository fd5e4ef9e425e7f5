//! LMDB through heed.

use super::{Answer, ROWS, Result, Scan, Store, last};
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, WithTls, types::Bytes};
use std::path::{Path, PathBuf};

type Table = Database<'static, Bytes, Bytes>;

pub(crate) struct Lmdb;

fn open(folder: &Path) -> Result<Env<WithTls>> {
    let mut options = EnvOpenOptions::new();
    options.map_size(64 << 20);
    #[expect(unsafe_code, reason = "a mapped file is open to anyone's writes; nobody else knows this folder")]
    // SAFETY: the folder is of this process alone. That its bytes make no sense is what is tested: LMDB may crash, and this process is there for it.
    Ok(unsafe { options.open(folder)? })
}

impl Store for Lmdb {
    fn file(&self, folder: &Path) -> PathBuf {
        folder.join("data.mdb")
    }

    fn write(&self, folder: &Path, rows: &mut dyn Iterator<Item = (u32, Vec<u8>)>) -> Result<()> {
        let env = open(folder)?;
        let create = env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
            opener.create_database(txn, None).map(CommitOrAbort::<_, ()>::Commit)
        })?;
        let table: Table = create.commit().ok_or("LMDB did not make its table")?;
        let mut txn = env.write_txn()?;
        for (key, value) in rows {
            table.put(&mut txn, &key.to_be_bytes(), &value)?;
        }
        txn.commit()?;
        env.prepare_for_closing().wait();
        Ok(())
    }

    fn check(&self) -> Option<&'static str> {
        None
    }

    fn answer(&self, folder: &Path, gets: &[u32]) -> Result<Answer> {
        let env = open(folder)?;
        let open = env.open_databases_and_commit(env.read_txn()?, |opener, txn| -> Result<_> {
            let table = opener.open_database(txn, None)?.ok_or("the table is gone")?;
            Ok(CommitOrAbort::<_, ()>::Commit(table))
        })?;
        let table: Table = open.commit().ok_or("the table is gone")?;
        let txn = env.read_txn()?;
        let mut scan = Scan::default();
        for row in table.iter(&txn)?.take(ROWS as usize * 2) {
            let (key, value) = row?;
            scan.row(key.try_into().map_or(u32::MAX, u32::from_be_bytes), value);
        }
        let mut right = scan.right();
        for &key in gets {
            right &= table.get(&txn, &key.to_be_bytes())?.is_some_and(|value| value == last(key));
        }
        Ok(Answer { right, found: false })
    }
}

//! Transactions for asynchronous programs: closures run on a bounded number of the runtime's blocking threads, and a commit awaits the
//! group's flush without one.
//!
//! A closure's thread is free again as soon as its commit is sequenced; the flush is led by one such thread, or by the database's own, for
//! everybody who waits. So thousands of tasks share a few flushes, whatever number of threads the runtime has.

use super::{Database, ReadTxn, WriteTxn};
use crate::engine::Durability;
use crate::error::{Error, ErrorKind, Result};
use std::sync::{Arc, OnceLock};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinError, spawn_blocking};

/// Closures that run at once for each core, reads and writes apart: more would only wait for each other.
const PER_CORE: usize = 4;
/// Commits that await their flush; more tasks wait before their closures run.
const AWAITING: usize = 4096;

/// Bounds on what runs and waits.
pub(super) struct Lanes {
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    commits: Semaphore,
}

impl Default for Lanes {
    fn default() -> Self {
        // Asked once: the answer costs a dozen system calls, and programs open databases often.
        static CORES: OnceLock<usize> = OnceLock::new();
        let cores = CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
        Self {
            reads: Arc::new(Semaphore::new(cores * PER_CORE)),
            writes: Arc::new(Semaphore::new(cores * PER_CORE)),
            commits: Semaphore::new(AWAITING),
        }
    }
}

/// A panic of the closure goes on in the task that awaits it.
fn joined<T>(result: Result<T, JoinError>) -> Result<T> {
    match result.map_err(JoinError::try_into_panic) {
        Ok(value) => Ok(value),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_)) => Err(Error::new(ErrorKind::Closed, "the runtime ended before the transaction did")),
    }
}

fn closed(_: impl std::error::Error) -> Error {
    Error::new(ErrorKind::Closed, "the database is closed")
}

impl<S: 'static> Database<S> {
    /// [`write`](Self::write) for asynchronous programs (feature `tokio`).
    ///
    /// The closure runs on one of the runtime's blocking threads, a few at a time; others wait without a thread. The commit is awaited
    /// without one too, so that the commits of thousands of tasks share a few flushes. Dropping the future before the closure runs
    /// cancels it; later, the transaction commits as a whole or rolls back as a whole.
    ///
    /// ```
    /// # use tamarack::{Database, TableDef};
    /// const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> tamarack::Result<()> {
    /// let db = Database::<()>::in_memory()?;
    /// let page = String::from("/");
    /// let count = db
    ///     .write_async(move |tx| {
    ///         let mut hits = tx.open_table(&HITS)?;
    ///         let count = hits.get(&page)?.unwrap_or(0) + 1;
    ///         hits.insert(&page, count)?;
    ///         Ok(count)
    ///     })
    ///     .await?;
    /// assert_eq!(count, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`write`](Self::write); [`ErrorKind::Closed`] if the runtime ends first.
    ///
    /// # Panics
    /// Outside a Tokio runtime; and with the closure's panic, if it panics.
    pub async fn write_async<T: Send + 'static>(
        &self,
        write: impl FnMut(&WriteTxn<S>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write_async_with(self.inner.durability, write).await
    }

    /// The same with a durability of its own.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> tamarack::Result<()> {
    /// # let db = Database::<()>::in_memory()?;
    /// db.write_async_with(Durability::Deferred, |tx| tx.open_table(&HITS)?.insert("/", 1)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`write_async`](Self::write_async).
    ///
    /// # Panics
    /// As [`write_async`](Self::write_async).
    pub async fn write_async_with<T: Send + 'static>(
        &self,
        durability: Durability,
        mut write: impl FnMut(&WriteTxn<S>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let lanes = &self.inner.lanes;
        let _commit = lanes.commits.acquire().await.map_err(closed)?;
        let lane = Arc::clone(&lanes.writes).acquire_owned().await.map_err(closed)?;
        let db = self.clone();
        let (tell, told) = oneshot::channel();
        let value = joined(
            spawn_blocking(move || {
                // Also when the future is dropped the closure has its lane until it ends.
                let _lane = lane;
                let (value, commit) = db.sequence(durability, &mut write)?;
                // Nobody listens any more if the future was dropped: the commit goes on.
                commit.finish_later(Box::new(move |answer| drop(tell.send(answer))))?;
                Ok(value)
            })
            .await,
        )??;
        told.await.map_err(closed)??;
        Ok(value)
    }

    /// [`read`](Self::read) for asynchronous programs (feature `tokio`): the closure runs on one of the runtime's blocking threads, a few at
    /// a time, so that a page that has to be read from the file holds up nobody else.
    ///
    /// ```
    /// # use tamarack::{Database, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> tamarack::Result<()> {
    /// # let db = Database::<()>::in_memory()?;
    /// let hits = db.read_async(|tx| tx.open_table(&HITS)?.get("/")).await?;
    /// assert_eq!(hits, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read); [`ErrorKind::Closed`] if the runtime ends first.
    ///
    /// # Panics
    /// As [`write_async`](Self::write_async).
    pub async fn read_async<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTxn<S>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let lane = Arc::clone(&self.inner.lanes.reads).acquire_owned().await.map_err(closed)?;
        let db = self.clone();
        joined(
            spawn_blocking(move || {
                let _lane = lane;
                db.read(read)
            })
            .await,
        )?
    }
}

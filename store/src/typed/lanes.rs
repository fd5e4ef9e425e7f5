//! Transactions for asynchronous programs: closures run on a bounded number of the runtime's blocking threads, and a commit awaits the
//! group's flush without one.
//!
//! A closure's thread is free again as soon as its commit is sequenced; the flush is led by one such thread, or by the database's own, for
//! everybody who waits. So thousands of tasks share a few flushes, whatever number of threads the runtime has.

use super::queue::Queue;
use super::{Database, ReadTxn, WriteTxn};
use crate::engine::Durability;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};

/// Closures that run at once for each core, reads and writes apart: more would only wait for each other.
const PER_CORE: usize = 4;
/// Reads, and commits that await their flush, by a task or left alone; more tasks wait before their closures are queued.
const AWAITING: usize = 4096;

/// Bounds on what runs and waits.
pub(super) struct Lanes {
    reads: Lane,
    writes: Lane,
}

/// Closures that run, and those that wait for it or for what comes behind.
struct Lane {
    queue: Arc<Queue>,
    awaiting: Arc<Semaphore>,
}

impl Default for Lanes {
    fn default() -> Self {
        let cores = crate::sync::helpers::cores();
        let lane = || Lane { queue: Queue::new(cores * PER_CORE), awaiting: Arc::new(Semaphore::new(AWAITING)) };
        Self { reads: lane(), writes: lane() }
    }
}

/// What a closure returned, or the panic that it ended in. Apart from the news that it is there: whoever brings those may hold locks, and a
/// value that nobody awaits any more is dropped by the thread that ran the closure.
type Slot<T> = Arc<Mutex<Option<std::thread::Result<Result<T>>>>>;

/// What is in the slot, once there is news of it. A panic of the closure goes on in the task that awaits it.
async fn outcome<T>(slot: Slot<T>, told: oneshot::Receiver<Result<()>>) -> Result<T> {
    let ended = || Error::new(ErrorKind::Closed, "the runtime ended before the transaction did");
    told.await.map_err(|_| ended())??;
    let outcome = slot.lock().take();
    match outcome {
        Some(Ok(result)) => result,
        Some(Err(panic)) => resume_unwind(panic),
        None => Err(ended()),
    }
}

fn fill<T>(slot: &Slot<T>, outcome: std::thread::Result<Result<T>>) {
    *slot.lock() = Some(outcome);
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
        let lane = &self.inner.lanes.writes;
        // A commit goes on without the task that asked for it: it counts until both are done.
        let awaited = Arc::new(Arc::clone(&lane.awaiting).acquire_owned().await.map_err(closed)?);
        let (commits, name) = (Arc::clone(&awaited), self.inner.name.clone());
        let (db, slot) = (self.clone(), Slot::default());
        let (tell, told) = oneshot::channel();
        let filled = Arc::clone(&slot);
        let _waiting = lane.queue.push(Box::new(move || {
            if tell.is_closed() {
                return;
            }
            let done = catch_unwind(AssertUnwindSafe(|| db.sequence(durability, &mut write)));
            match done {
                Ok(Ok((value, commit))) => {
                    fill(&filled, Ok(Ok(value)));
                    // Nobody listens any more if the future was dropped: the commit goes on.
                    let watcher = move |answer| {
                        drop(tell.send(name.in_front_of(answer)));
                        drop(commits);
                    };
                    if let Err(error) = db.inner.named(commit.finish_later(Box::new(watcher))) {
                        fill(&filled, Ok(Err(error)));
                    }
                }
                Ok(Err(error)) => drop(tell.send(Err(error))),
                Err(panic) => {
                    fill(&filled, Err(panic));
                    drop(tell.send(Ok(())));
                }
            }
        }));
        outcome(slot, told).await
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
        let lane = &self.inner.lanes.reads;
        let _awaited = lane.awaiting.acquire().await.map_err(closed)?;
        let (db, slot) = (self.clone(), Slot::default());
        let (tell, told) = oneshot::channel();
        let filled = Arc::clone(&slot);
        let _waiting = lane.queue.push(Box::new(move || {
            if tell.is_closed() {
                return;
            }
            fill(&filled, catch_unwind(AssertUnwindSafe(|| db.read(read))));
            drop(tell.send(Ok(())));
        }));
        outcome(slot, told).await
    }
}

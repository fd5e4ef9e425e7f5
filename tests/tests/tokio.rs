//! Asynchronous transactions: shared flushes, cancellation, panics, bounds.

#![allow(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::time::Duration;
use tamarack::{Database, Durability, Error, ErrorKind, TableDef};
use tamarack_tests::{Customer, Shop, customer};
use tokio::task::JoinSet;

const HITS: TableDef<u64, u64> = TableDef::new("hits");

fn open() -> (tempfile::TempDir, Database<()>) {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().join("test.tam")).unwrap();
    db.write(|tx| tx.open_table(&HITS).map(|_| ())).unwrap();
    (folder, db)
}

#[tokio::test(flavor = "current_thread")]
async fn a_thousand_tasks_share_a_few_flushes() {
    let (folder, db) = open();
    let before = db.stats();
    let mut tasks = JoinSet::new();
    for i in 0..1000 {
        let db = db.clone();
        tasks.spawn(async move { db.write_async(move |tx| tx.open_table(&HITS)?.insert(i, i)).await.unwrap() });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    let after = db.stats();
    let (commits, flushes) = (after.commits - before.commits, after.flushes - before.flushes);
    assert_eq!(commits, 1000);
    assert!(flushes * 2 < commits, "{flushes} flushes for {commits} commits");
    drop(db);
    let db = Database::<()>::open(folder.path().join("test.tam")).unwrap();
    assert_eq!(db.read_async(|tx| tx.open_table(&HITS)?.len()).await.unwrap(), 1000);
}

/// Two records that change together never differ, whenever a task is dropped, and what was acknowledged is there.
#[tokio::test(flavor = "current_thread")]
async fn a_dropped_future_leaves_all_or_nothing() {
    let (_folder, db) = open();
    let acknowledged = Arc::new(AtomicU64::new(0));
    for round in 1..200_u64 {
        let (db, known) = (db.clone(), Arc::clone(&acknowledged));
        let task = tokio::spawn(async move {
            db.write_async(move |tx| {
                let mut hits = tx.open_table(&HITS)?;
                hits.insert(1, round)?;
                hits.insert(2, round)
            })
            .await
            .unwrap();
            known.store(round, Ordering::Relaxed);
        });
        tokio::time::sleep(Duration::from_micros(round * 7 % 400)).await;
        task.abort();
    }
    db.write_async(|tx| tx.open_table(&HITS)?.insert(3, 3)).await.unwrap();
    let (one, two) = db
        .read(|tx| {
            let hits = tx.open_table(&HITS)?;
            Ok((hits.get(1)?, hits.get(2)?))
        })
        .unwrap();
    assert_eq!(one, two);
    assert!(one.unwrap_or(0) >= acknowledged.load(Ordering::Relaxed));
}

#[tokio::test]
async fn errors_and_panics_come_back() {
    let db = Database::<Shop>::in_memory().unwrap();
    let gave_up = db
        .write_async(|tx| {
            tx.table::<Customer>()?.insert(customer("Oslo", 1))?;
            Err::<(), _>(Error::new(ErrorKind::Aborted, "changed my mind"))
        })
        .await;
    assert_eq!(gave_up.unwrap_err().kind(), ErrorKind::Aborted);
    let shared = db.clone();
    let panicked = tokio::spawn(async move { shared.write_async(|_| -> tamarack::Result<()> { panic!("no") }).await });
    assert!(panicked.await.unwrap_err().is_panic());
    let nested = db.clone();
    let nested = db.write_async(move |_| nested.write(|_| Ok(()))).await;
    assert_eq!(nested.unwrap_err().kind(), ErrorKind::NestedTransaction);
    assert_eq!(db.read_async(|tx| tx.table::<Customer>()?.len()).await.unwrap(), 0);
}

/// Threads and tasks commit side by side; none of them waits for a leader that is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_and_tasks_together() {
    let (_folder, db) = open();
    let threads: Vec<_> = (0..3)
        .map(|thread| {
            let db = db.clone();
            std::thread::spawn(move || {
                for i in 0..100 {
                    db.write(|tx| tx.open_table(&HITS)?.insert(10_000 + thread * 1000 + i, i)).unwrap();
                }
            })
        })
        .collect();
    let mut tasks = JoinSet::new();
    for i in 0..300 {
        let db = db.clone();
        let durability = [Durability::Synced, Durability::Buffered, Durability::Deferred][i as usize % 3];
        tasks.spawn(async move {
            db.write_async_with(durability, move |tx| {
                let mut hits = tx.open_table(&HITS)?;
                let sum = hits.get(0)?.unwrap_or(0);
                hits.insert(0, sum + 1)?;
                hits.insert(i + 1, i)
            })
            .await
            .unwrap();
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(db.read(|tx| tx.open_table(&HITS)?.get(0)).unwrap(), Some(300));
    assert_eq!(db.read(|tx| tx.open_table(&HITS)?.len()).unwrap(), 601);
    db.close().unwrap();
}

/// A runtime that ends takes its own closures along, and nobody else's.
#[test]
fn another_runtime_ends() {
    let (_folder, db) = open();
    let runtime =
        |blocking| tokio::runtime::Builder::new_multi_thread().max_blocking_threads(blocking).build().unwrap();
    let (ending, lasting) = (runtime(1), runtime(4));
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let (started, running) = std::sync::mpsc::channel();
    let first = db.clone();
    ending.spawn(async move {
        let done = first.read_async(move |_| {
            started.send(()).unwrap();
            Ok(gate.recv().is_ok())
        });
        done.await.unwrap();
    });
    running.recv().unwrap();
    // More than run at once: they hold every place, but none of them has a thread.
    let places = std::thread::available_parallelism().map_or(1, usize::from) * 4;
    let stuck: Vec<_> = (0..places)
        .map(|_| {
            let db = db.clone();
            ending.spawn(async move { db.read_async(|tx| tx.open_table(&HITS)?.len()).await })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(50));
    let waiting = db.clone();
    let waiting = lasting.spawn(async move { waiting.read_async(|tx| tx.open_table(&HITS)?.len()).await });
    std::thread::sleep(Duration::from_millis(50));
    assert!(!waiting.is_finished());
    ending.shutdown_background();
    assert_eq!(lasting.block_on(waiting).unwrap().unwrap(), 0);
    go.send(()).unwrap();
    assert!(stuck.into_iter().all(|task| lasting.block_on(task).is_err()));
}

/// Polls once and drops the future; whether it was ready.
async fn polled_once(future: impl Future) -> bool {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await
}

/// Whoever gives up while all places are taken leaves nothing behind.
#[tokio::test]
async fn a_dropped_future_leaves_no_closure_behind() {
    let (_folder, db) = open();
    let places = std::thread::available_parallelism().map_or(1, usize::from) * 4;
    let gate = Arc::new(Barrier::new(places + 1));
    let mut busy = JoinSet::new();
    let (started, running) = std::sync::mpsc::channel();
    for _ in 0..places {
        let (db, gate, started) = (db.clone(), Arc::clone(&gate), started.clone());
        busy.spawn(async move {
            db.read_async(move |_| {
                started.send(()).unwrap();
                gate.wait();
                Ok(())
            })
            .await
        });
    }
    let mut there = 0;
    while there < places {
        there += running.try_iter().count();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let held = Arc::new(());
    for _ in 0..10_000 {
        let held = Arc::clone(&held);
        let read = db.read_async(move |_| {
            drop(held);
            Ok(())
        });
        assert!(!polled_once(read).await);
    }
    let left = Arc::strong_count(&held);
    gate.wait();
    while let Some(task) = busy.join_next().await {
        task.unwrap().unwrap();
    }
    assert_eq!(left, 1, "closures of futures that were dropped");
    assert_eq!(db.read_async(|tx| tx.open_table(&HITS)?.len()).await.unwrap(), 0);
}

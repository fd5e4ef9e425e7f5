//! Closures of asynchronous programs, run by a bounded number of the runtime's blocking threads.
//!
//! A thread runs one closure after the other as long as there are any: waking a thread for each costs several times what a short transaction does.

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::Handle;

type Job = Box<dyn FnOnce() + Send>;

struct State {
    /// Closures that wait, each with the runtime that it comes from, by the order in which they came.
    jobs: BTreeMap<u64, (Handle, Job)>,
    /// Closures that have waited so far.
    came: u64,
    /// Threads that run some or are about to.
    threads: usize,
}

/// See the module.
pub(super) struct Queue {
    state: Mutex<State>,
    limit: usize,
}

/// A closure that waits, or did. Dropping this drops the closure if no thread has taken it.
pub(super) struct Waiting {
    queue: Arc<Queue>,
    number: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // What the closure holds is dropped behind the lock: it may come here again.
        let job = self.queue.state.lock().jobs.remove(&self.number);
        drop(job);
    }
}

impl Queue {
    /// For at most `limit` threads.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { jobs: BTreeMap::new(), came: 0, threads: 0 }), limit })
    }

    /// Has a closure run, which must not panic. It is dropped instead if its runtime ends before a thread has taken it.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use = "dropping it cancels the closure"]
    pub(super) fn push(self: &Arc<Self>, job: Job) -> Option<Waiting> {
        let runtime = Handle::current();
        let mut state = self.state.lock();
        if state.threads == self.limit {
            let number = state.came;
            state.came += 1;
            state.jobs.insert(number, (runtime, job));
            drop(state);
            return Some(Waiting { queue: Arc::clone(self), number });
        }
        state.threads += 1;
        drop(state);
        self.start(Some((runtime, job)));
        None
    }

    /// The next closure; without one, a thread fewer.
    fn next(&self) -> Option<(Handle, Job)> {
        let mut state = self.state.lock();
        let next = state.jobs.pop_first().map(|(_, job)| job);
        state.threads -= usize::from(next.is_none());
        next
    }

    /// Gives a closure to a thread of its runtime; if that has ended, the next one.
    fn start(self: &Arc<Self>, mut next: Option<(Handle, Job)>) {
        while let Some((runtime, job)) = next {
            let settled = Arc::new(AtomicBool::new(false));
            let worker =
                Worker { queue: Arc::clone(self), first: Some(job), done: false, settled: Arc::clone(&settled) };
            runtime.spawn_blocking(move || worker.run());
            if !settled.swap(true, Ordering::AcqRel) {
                return;
            }
            next = self.next();
        }
    }
}

/// A thread's place among the bounded number.
struct Worker {
    queue: Arc<Queue>,
    first: Option<Job>,
    done: bool,
    /// Set by who started it, and when it is dropped unused. Whoever comes second sees to the next closure: a runtime that has ended drops
    /// it at once, and if it went on by itself then, each closure that waits would take a piece of the stack.
    settled: Arc<AtomicBool>,
}

impl Worker {
    fn run(mut self) {
        let own = Handle::current().id();
        if let Some(first) = self.first.take() {
            first();
        }
        let other = loop {
            match self.queue.next() {
                Some((runtime, job)) if runtime.id() == own => job(),
                other => break other,
            }
        };
        self.done = true;
        // Another runtime's closure runs on a thread of that one, which takes this one's place: what it starts would end with this runtime, and this
        // runtime could not end while the other has closures.
        if other.is_some() {
            self.queue.start(other);
        }
    }
}

/// Its runtime has ended before it ran: another runtime's closure takes its place.
impl Drop for Worker {
    fn drop(&mut self) {
        if !self.done && self.settled.swap(true, Ordering::AcqRel) {
            self.queue.start(self.queue.next());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended() -> Handle {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.handle().clone()
    }

    /// Each closure used to be tried in the midst of the drop of the one before it, which overflowed the stack.
    #[test]
    fn closures_of_an_ended_runtime_are_dropped_one_after_the_other() {
        let handle = ended();
        let _entered = handle.enter();
        let queue = Queue::new(1);
        queue.state.lock().threads = 1;
        let waiting: Vec<_> = (0..100_000).map(|_| queue.push(Box::new(|| {}))).collect();
        assert_eq!(queue.state.lock().jobs.len(), 100_000);
        let settled = Arc::new(AtomicBool::new(true));
        drop(Worker { queue: Arc::clone(&queue), first: None, done: false, settled });
        let state = queue.state.lock();
        assert_eq!((state.jobs.len(), state.threads), (0, 0));
        drop(state);
        drop(waiting);
        assert!(queue.push(Box::new(|| {})).is_none());
        assert_eq!(queue.state.lock().threads, 0, "a thread that never was holds no place");
    }

    #[tokio::test]
    async fn a_closure_is_cancelled_alone() {
        let queue = Queue::new(1);
        queue.state.lock().threads = 1;
        let held = Arc::new(());
        let push = || {
            let held = Arc::clone(&held);
            queue.push(Box::new(move || drop(held)))
        };
        let (first, second) = (push(), push());
        assert_eq!(Arc::strong_count(&held), 3);
        drop(first);
        assert_eq!(Arc::strong_count(&held), 2);
        let (_, job) = queue.next().unwrap();
        drop(second);
        assert_eq!(Arc::strong_count(&held), 2, "what a thread has taken is its own");
        job();
        assert_eq!(Arc::strong_count(&held), 1);
    }

    /// A thread used to run whatever came: what a closure spawned went to another runtime, and that could not end while this one had closures.
    #[test]
    fn a_closure_runs_on_its_own_runtime() {
        let runtimes: Vec<_> = (0..2).map(|_| tokio::runtime::Builder::new_current_thread().build().unwrap()).collect();
        let queue = Queue::new(1);
        let (told, ran) = std::sync::mpsc::channel();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let mut waiting = Vec::new();
        let first = {
            let _entered = runtimes[0].enter();
            queue.push(Box::new(move || wait.recv().unwrap()))
        };
        assert!(first.is_none());
        for i in [1, 0, 0, 1, 1, 0] {
            let (told, _entered) = (told.clone(), runtimes[i].enter());
            let own = Handle::current().id();
            waiting.push(queue.push(Box::new(move || told.send(Handle::current().id() == own).unwrap())));
        }
        go.send(()).unwrap();
        for _ in 0..6 {
            let ran = ran.recv_timeout(std::time::Duration::from_secs(20));
            assert!(ran.unwrap(), "it ran on another's");
        }
    }
}

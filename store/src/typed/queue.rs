//! Closures of asynchronous programs, run by a bounded number of the runtime's blocking threads.
//!
//! A thread runs one closure after the other as long as there are any: waking a thread for each costs several times what a short transaction does.

use crate::sync::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::runtime::Handle;

type Job = Box<dyn FnOnce() + Send>;

struct State {
    /// Closures that wait, each with the runtime that it comes from.
    jobs: VecDeque<(Handle, Job)>,
    /// Threads that run some or are about to.
    threads: usize,
}

/// See the module.
pub(super) struct Queue {
    state: Mutex<State>,
    limit: usize,
}

impl Queue {
    /// For at most `limit` threads.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { jobs: VecDeque::new(), threads: 0 }), limit })
    }

    /// Has a closure run, which must not panic. It is dropped instead if its runtime ends before a thread has taken it.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub(super) fn push(self: &Arc<Self>, job: Job) {
        let runtime = Handle::current();
        let mut state = self.state.lock();
        if state.threads == self.limit {
            state.jobs.push_back((runtime, job));
            return;
        }
        state.threads += 1;
        drop(state);
        Worker::start(Arc::clone(self), job, &runtime);
    }

    /// The next closure; without one, a thread fewer.
    fn next(&self) -> Option<(Handle, Job)> {
        let mut state = self.state.lock();
        let next = state.jobs.pop_front();
        state.threads -= usize::from(next.is_none());
        next
    }
}

/// A thread's place among the bounded number.
struct Worker {
    queue: Arc<Queue>,
    first: Option<Job>,
    done: bool,
}

impl Worker {
    fn start(queue: Arc<Queue>, first: Job, runtime: &Handle) {
        let worker = Self { queue, first: Some(first), done: false };
        runtime.spawn_blocking(move || worker.run());
    }

    fn run(mut self) {
        if let Some(first) = self.first.take() {
            first();
        }
        while let Some((_, job)) = self.queue.next() {
            job();
        }
        self.done = true;
    }
}

/// Its runtime has ended before it ran: another runtime's closure takes its place.
impl Drop for Worker {
    fn drop(&mut self) {
        if !self.done
            && let Some((runtime, job)) = self.queue.next()
        {
            Self::start(Arc::clone(&self.queue), job, &runtime);
        }
    }
}

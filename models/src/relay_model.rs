//! Leadership passes on: every commit is applied once, in the order of the queue, by one leader at a time, and nobody waits forever.
//!
//! The steps are those of `txn/pipeline.rs`: a leader takes the applier's turn before it steps down, so that the next one may flush while it
//! applies. loom reports a thread that is never woken as a deadlock.

use crate::relay::{Relay, Waiter, Waits};
use crate::sync::{Mutex, MutexGuard};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

/// What is left out, one at a time, in the mutants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// A leader ends without waking a successor.
    NoSuccessor,
    /// A leader steps down first and takes the applier's turn afterwards.
    TurnTooLate,
}

struct Commit {
    timestamp: u64,
    /// Whether leadership is passed on, or is free until somebody takes it.
    synced: bool,
    owner: Waiter,
}

impl Waits for Commit {
    fn waiter(&self) -> &Waiter {
        &self.owner
    }

    fn wants_company(&self) -> bool {
        self.synced
    }
}

struct State {
    relay: Relay<Commit>,
    last: u64,
}

struct World {
    state: Mutex<State>,
    /// The newest applied commit.
    applied: Mutex<u64>,
    published: AtomicU64,
    mistake: Mistake,
    synced: bool,
}

impl World {
    fn commit(&self) {
        let mut state = self.state.lock();
        state.last += 1;
        let commit =
            std::sync::Arc::new(Commit { timestamp: state.last, synced: self.synced, owner: Waiter::default() });
        state.relay.push(std::sync::Arc::clone(&commit));
        while self.published.load(Ordering::SeqCst) < commit.timestamp {
            if let Some(group) = state.relay.lead(Some(&*commit)) {
                state = self.lead(state, group);
            } else {
                commit.owner.wait(&mut state);
            }
        }
    }

    fn lead<'a>(&'a self, state: MutexGuard<'a, State>, group: Vec<std::sync::Arc<Commit>>) -> MutexGuard<'a, State> {
        drop(state);
        let early = (self.mistake != Mistake::TurnTooLate).then(|| self.applied.lock());
        let mut state = self.state.lock();
        match self.mistake {
            // Whoever comes next leads, but nobody is told.
            Mistake::NoSuccessor => state.relay.forget(),
            _ => state.relay.step_down(),
        }
        drop(state);
        let mut applied = early.unwrap_or_else(|| self.applied.lock());
        for commit in &group {
            assert_eq!(*applied + 1, commit.timestamp, "commits were applied out of order");
            *applied = commit.timestamp;
        }
        self.published.store(*applied, Ordering::SeqCst);
        drop(applied);
        let state = self.state.lock();
        group.iter().for_each(|commit| commit.owner.wake());
        state
    }
}

fn commits(mistake: Mistake, synced: bool) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let world = Arc::new(World {
            state: Mutex::new(State { relay: Relay::new(), last: 0 }),
            applied: Mutex::new(0),
            published: AtomicU64::new(0),
            mistake,
            synced,
        });
        let others: Vec<_> = (0..2)
            .map(|_| {
                let world = Arc::clone(&world);
                thread::spawn(move || world.commit())
            })
            .collect();
        world.commit();
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(world.published.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn every_commit_is_applied_once_and_in_order() {
    commits(Mistake::None, true);
    commits(Mistake::None, false);
}

#[test]
#[ignore = "ends in an abort; the next test runs it"]
fn forgets_its_successor() {
    commits(Mistake::NoSuccessor, true);
}

/// loom's report of a deadlock ends the process, as it unwinds through guards that loom watches.
#[test]
fn mutant_that_wakes_no_successor() {
    let this = std::env::current_exe().unwrap();
    let run = std::process::Command::new(this)
        .args(["--ignored", "--nocapture", "relay_model::forgets_its_successor"])
        .output();
    let told = run.unwrap();
    assert!(!told.status.success());
    assert!(String::from_utf8_lossy(&told.stderr).contains("deadlock"), "{told:?}");
}

#[test]
#[should_panic(expected = "out of order")]
fn mutant_that_takes_the_turn_too_late() {
    commits(Mistake::TurnTooLate, false);
}

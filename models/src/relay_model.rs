//! Leadership passes on: every commit is applied once, in the order of the queue, by one leader at a time, and nobody waits forever.
//!
//! The steps are those of `txn/pipeline.rs`: a leader takes the applier's turn before it steps down, so that after a long group the next one may
//! flush while it applies; owners wait, or have themselves told; others lead by the way, for a flush. loom reports a thread that is never woken as a
//! deadlock.

use crate::relay::{Relay, Waiter, Waits};
use crate::sync::{Condvar, Mutex, MutexGuard};
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
    /// Who led by the way does not look whether commits came that nobody waits for.
    NotPassedOn,
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
    /// Commits whose owners do not wait.
    watched: Vec<u64>,
}

struct World {
    state: Mutex<State>,
    /// The newest applied commit.
    applied: Mutex<u64>,
    published: AtomicU64,
    /// Where those wait who wait for something else than a commit of their own.
    changed: Condvar,
    mistake: Mistake,
    synced: bool,
    /// Whether groups are so long that leaders step down before they apply them.
    long: bool,
}

impl World {
    fn sequence(&self) -> (MutexGuard<'_, State>, std::sync::Arc<Commit>) {
        let mut state = self.state.lock();
        state.last += 1;
        let commit =
            std::sync::Arc::new(Commit { timestamp: state.last, synced: self.synced, owner: Waiter::default() });
        state.relay.push(std::sync::Arc::clone(&commit));
        (state, commit)
    }

    /// A commit whose owner waits.
    fn commit(&self) {
        let (mut state, commit) = self.sequence();
        while self.published.load(Ordering::SeqCst) < commit.timestamp {
            if let Some(group) = state.relay.lead(Some(&*commit)) {
                state = self.lead(state, group);
            } else {
                commit.owner.wait(&mut state);
            }
        }
        drop(state);
        self.pass_on();
    }

    /// A commit whose owner is told.
    fn commit_later(&self) {
        let (mut state, commit) = self.sequence();
        state.watched.push(commit.timestamp);
        drop(state);
        self.pass_on();
    }

    /// Waits for what others have sequenced.
    fn visit(&self) {
        let mut state = self.state.lock();
        let seen = state.last;
        while self.published.load(Ordering::SeqCst) < seen {
            if let Some(group) = state.relay.lead(None) {
                state = self.lead(state, group);
            } else {
                self.changed.wait(&mut state);
            }
        }
        drop(state);
        if self.mistake != Mistake::NotPassedOn {
            self.pass_on();
        }
    }

    fn pass_on(&self) {
        let mut state = self.state.lock();
        while !state.watched.is_empty() && state.relay.wants_leader() {
            let Some(group) = state.relay.lead(None) else { break };
            state = self.lead(state, group);
        }
    }

    fn lead<'a>(&'a self, state: MutexGuard<'a, State>, group: Vec<std::sync::Arc<Commit>>) -> MutexGuard<'a, State> {
        drop(state);
        let early = (self.mistake != Mistake::TurnTooLate).then(|| self.applied.lock());
        if self.long {
            let mut state = self.state.lock();
            match self.mistake {
                // Whoever comes next leads, but nobody is told.
                Mistake::NoSuccessor => state.relay.forget(),
                _ => state.relay.step_down(),
            }
            drop(state);
            self.changed.notify_all();
        }
        let mut applied = early.unwrap_or_else(|| self.applied.lock());
        for commit in &group {
            assert_eq!(*applied + 1, commit.timestamp, "commits were applied out of order");
            *applied = commit.timestamp;
        }
        self.published.store(*applied, Ordering::SeqCst);
        drop(applied);
        let mut state = self.state.lock();
        let published = self.published.load(Ordering::SeqCst);
        state.watched.retain(|&timestamp| timestamp > published);
        // Owners are woken on both sides of the successor.
        let (first, rest) = group.split_at(group.len() / 2);
        first.iter().for_each(|commit| commit.owner.wake());
        if !self.long {
            state.relay.step_down();
        }
        rest.iter().for_each(|commit| commit.owner.wake());
        self.changed.notify_all();
        state
    }
}

/// What threads do at once.
type Do = fn(&World);

fn commits(mistake: Mistake, synced: bool, long: bool, three: [Do; 3]) {
    let count = three.iter().filter(|&&work| !std::ptr::fn_addr_eq(work, World::visit as Do)).count() as u64;
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let world = Arc::new(World {
            state: Mutex::new(State { relay: Relay::new(), last: 0, watched: Vec::new() }),
            applied: Mutex::new(0),
            published: AtomicU64::new(0),
            changed: Condvar::new(),
            mistake,
            synced,
            long,
        });
        let [first, others @ ..] = three;
        let others = others.map(|work| {
            let world = Arc::clone(&world);
            thread::spawn(move || work(&world))
        });
        first(&world);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(world.published.load(Ordering::SeqCst), count, "a commit was left behind");
    });
}

const OWNERS: [Do; 3] = [World::commit; 3];

#[test]
fn every_commit_is_applied_once_and_in_order() {
    for (synced, long) in [(true, true), (true, false), (false, true), (false, false)] {
        commits(Mistake::None, synced, long, OWNERS);
    }
}

#[test]
fn commits_that_nobody_waits_for_are_led() {
    for long in [true, false] {
        commits(Mistake::None, true, long, [World::commit_later, World::visit, World::commit_later]);
        commits(Mistake::None, true, long, [World::commit, World::commit_later, World::visit]);
    }
}

#[test]
#[should_panic(expected = "left behind")]
fn mutant_that_does_not_pass_on() {
    commits(Mistake::NotPassedOn, true, false, [World::commit_later, World::visit, World::commit_later]);
}

#[test]
#[ignore = "ends in an abort; the next test runs it"]
fn forgets_its_successor() {
    commits(Mistake::NoSuccessor, true, true, OWNERS);
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
    commits(Mistake::TurnTooLate, false, true, OWNERS);
}

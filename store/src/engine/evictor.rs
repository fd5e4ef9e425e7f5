//! The thread that helps where the one that writes checkpoints would come too late: it makes room in memory, has some at hand while a checkpoint
//! runs, and leads commits that nobody waits for. It starts when it is first asked, so that small databases do without it.

use super::open::Core;
use super::serving::Serving;
use crate::ckpt;
use crate::sync::thread::JoinHandle;
use crate::sync::{Condvar, Mutex};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Rest after a round that could not free enough.
const PAUSE: Duration = Duration::from_millis(5);

/// What wakes and ends it.
#[derive(Default)]
pub(super) struct Evictor {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    asked: bool,
    /// Whether memory for frames is to be touched.
    stock: bool,
    /// Whether commits that nobody waits for want a leader.
    drive: bool,
    stop: bool,
    thread: Option<JoinHandle<()>>,
}

impl Evictor {
    /// Lets the pool call for help.
    pub(super) fn watch(core: &Arc<Core>) {
        let weak = Arc::downgrade(core);
        core.base.pager.clock.on_pressure(Box::new(move || call(&weak)));
    }

    /// Has memory for new frames touched, in the background.
    pub(super) fn stock(core: &Arc<Core>) {
        wake(core, |state| state.stock = true);
    }

    /// Has commits led that nobody waits for. `false` if there is no thread to do it.
    pub(super) fn drive(core: &Arc<Core>) -> bool {
        wake(core, |state| state.drive = true)
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        let thread = {
            let mut state = self.state.lock();
            state.stop = true;
            self.work.notify_all();
            state.thread.take()
        };
        if let Some(thread) = thread {
            // It ends by itself even if it panicked.
            let _ = thread.join();
        }
    }
}

fn call(core: &Weak<Core>) {
    if let Some(core) = core.upgrade() {
        wake(&core, |state| state.asked = true);
    }
}

#[expect(clippy::disallowed_methods, reason = "one of the threads of a database")]
fn wake(core: &Arc<Core>, ask: impl FnOnce(&mut State)) -> bool {
    let evictor = &core.evictor;
    let mut state = evictor.state.lock();
    ask(&mut state);
    evictor.work.notify_one();
    if state.thread.is_none() && !state.stop {
        let core = Arc::clone(core);
        // Without the thread readers and writers make room themselves.
        state.thread = crate::sync::thread::Builder::new().name("tamarack-evict".into()).spawn(move || run(&core)).ok();
    }
    state.thread.is_some() && !state.stop
}

fn run(core: &Core) {
    let _serving = Serving::begin(core);
    let evictor = &core.evictor;
    let mut state = evictor.state.lock();
    while !state.stop {
        if std::mem::take(&mut state.stock) {
            drop(state);
            core.base.pager.pool.stock(ckpt::AT_HAND);
            state = evictor.state.lock();
            continue;
        }
        if std::mem::take(&mut state.drive) {
            drop(state);
            // One group at a time: memory may run short meanwhile. A failure has poisoned the database and is reported to all who wait.
            let more = core.pipeline.drive_one(&core.base).unwrap_or(false);
            state = evictor.state.lock();
            state.drive |= more;
            if !state.asked {
                continue;
            }
        }
        if !state.asked {
            evictor.work.wait(&mut state);
            continue;
        }
        state.asked = false;
        drop(state);
        // A full disk or a failed write leaves memory above its budget; reads and commits go on, and the next call tries again.
        let _ = ckpt::evict(&core.base);
        state = evictor.state.lock();
        if core.base.pager.pool.excess(0) > 0 && !state.stop {
            // What is left cannot go now: it is dirty and a checkpoint has claimed it, or pinned. Trying at once again would only burn a core.
            evictor.work.wait_for(&mut state, PAUSE);
        }
        core.base.pager.clock.answered();
    }
}

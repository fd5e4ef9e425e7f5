//! Threads that help for the length of one call.

use super::thread;
use std::sync::OnceLock;

/// The cores that this process may use. Asked once: the answer costs a dozen system calls, and programs open databases often.
pub(crate) fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Runs `own` on this thread and `help` on as many as `count` others; returns when all have ended. Where the system gives no more
/// threads, fewer help. A helper that panicked is an `Err`.
#[expect(clippy::disallowed_methods, reason = "this is where helpers come from")]
pub(crate) fn with_helpers<T: Send, R>(
    count: usize,
    help: &(impl Fn() -> T + Sync),
    own: impl FnOnce() -> R,
) -> (R, Vec<thread::Result<T>>) {
    thread::scope(|scope| {
        #[cfg(not(shuttle))]
        let spawn = || thread::Builder::new().name("tamarack-apply".into()).spawn_scoped(scope, help).ok();
        #[cfg(shuttle)]
        let spawn = || Some(scope.spawn(help));
        let helpers: Vec<_> = (0..count).map_while(|_| spawn()).collect();
        let own = own();
        (own, helpers.into_iter().map(|helper| helper.join()).collect())
    })
}

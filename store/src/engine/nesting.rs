//! Which databases this thread runs a write closure on: a second writer inside it would conflict with it, or wait for it, for ever.

use crate::error::{Error, ErrorKind, Result};
use std::cell::RefCell;

crate::sync::thread_local! {
    static OPEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// A write closure that runs on this thread, until this is dropped.
pub(crate) struct Nesting(usize);

impl Nesting {
    /// Enters a closure on the database at an address.
    pub(super) fn enter(database: usize) -> Result<Self> {
        check(database)?;
        let _ = OPEN.try_with(|open| open.borrow_mut().push(database));
        Ok(Self(database))
    }
}

impl Drop for Nesting {
    fn drop(&mut self) {
        let _ = OPEN.try_with(|open| open.borrow_mut().retain(|&database| database != self.0));
    }
}

/// Fails inside a closure on this database.
pub(super) fn check(database: usize) -> Result<()> {
    // The list is gone where a destructor of this thread's own values runs: then no closure does.
    if OPEN.try_with(|open| open.borrow().contains(&database)).unwrap_or(false) {
        return Err(Error::new(
            ErrorKind::NestedTransaction,
            "this thread is inside a write transaction of this database; use that one, or end it first",
        ));
    }
    Ok(())
}

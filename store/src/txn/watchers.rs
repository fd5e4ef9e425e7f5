//! Who is told, instead of waiting, how commits end.

use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// Is called once, maybe by whoever leads: it may only pass the answer on.
pub(crate) type Watcher = Box<dyn FnOnce(Result<()>) + Send>;

/// By timestamp: they are told when that commit is visible, or that it will never be.
#[derive(Default)]
pub(super) struct Watchers(BTreeMap<u64, Watcher>);

impl Watchers {
    pub(super) fn insert(&mut self, timestamp: u64, watcher: Watcher) {
        self.0.insert(timestamp, watcher);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes those whose commits are visible; after a `failure` all.
    pub(super) fn due(&mut self, published: u64, failure: Option<Error>) -> Due {
        if self.0.is_empty() {
            return Due::default();
        }
        let waiting = self.0.split_off(&(published + 1));
        let visible = std::mem::replace(&mut self.0, waiting);
        Due { visible, lost: failure.map(|error| (std::mem::take(&mut self.0), error)) }
    }
}

/// Those who are to be told now. Without the sequencer's lock: it takes a while to wake a thousand tasks.
#[derive(Default)]
pub(super) struct Due {
    visible: BTreeMap<u64, Watcher>,
    /// Their commits will never be visible.
    lost: Option<(BTreeMap<u64, Watcher>, Error)>,
}

impl Due {
    pub(super) fn is_empty(&self) -> bool {
        self.visible.is_empty() && self.lost.is_none()
    }

    pub(super) fn tell(self) {
        self.visible.into_values().for_each(|watcher| watcher(Ok(())));
        if let Some((lost, error)) = self.lost {
            lost.into_values().for_each(|watcher| watcher(Err(error.duplicate())));
        }
    }
}

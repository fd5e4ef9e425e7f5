//! Write transactions.

mod tallies;
mod unread;

use super::cursor::Layer;
use super::open::Shared;
use super::snapshot::read_overflow;
use super::{Cursor, Durability, MAX_ENTRY, MAX_TREES, MAX_VALUE, Snapshot, TreeId, Value, View};
use crate::blob::BlobRef;
use crate::error::{Error, ErrorKind, Result};
use crate::format::PageKind;
use crate::recover::write_value;
use crate::space::Extent;
use crate::tree::SnapshotCursor;
use crate::txn::write_set::{Hit, WriteSet};
use crate::txn::{CheckedBody, Claim, Isolation, Pending, ReadSet, Request, Run, Said, TallyChange, Turn, WriterView};
use crate::wal::OpsWriter;
use std::cell::{Cell, RefCell};
use std::ops::Bound;
use std::sync::Arc;

/// Values longer than this go to extents when they are put, not when they are committed: they would not fit memory well.
const HUGE: usize = 1 << 20;
/// Bytes of a page of writes that outgrew memory, at most: one read brings it back.
const RUN_PAGE: usize = 128 << 10;
/// A full log is waited for this often: each time a whole checkpoint runs.
const PATIENCE: usize = 64;

/// A write transaction. Dropping it rolls back.
pub(crate) struct WriteTxn {
    shared: Arc<Shared>,
    /// An exclusive one has the turn.
    turn: Option<Turn>,
    /// An optimistic one notes what it reads.
    reads: Option<RefCell<ReadSet>>,
    /// The newest commit that it sees.
    seen: u64,
    tallies: RefCell<Vec<TallyChange>>,
    snapshot: Snapshot,
    /// Sequenced write sets above the snapshot, newest first.
    below: Vec<Arc<Pending>>,
    writes: RefCell<WriteSet>,
    /// What of it outgrew memory, oldest first.
    runs: RefCell<Vec<Arc<Run>>>,
    /// Extents that this transaction has written.
    extents: RefCell<Vec<Extent>>,
    /// A write that failed half-way, here or of several that belong together: what was left out is not known, so nothing is committed.
    failed: RefCell<Option<Error>>,
    /// Writes so far.
    written: Cell<u64>,
    /// Whether it has removed a tree.
    drops: Cell<bool>,
    /// Trees with keys that it writes without having read them.
    unread: RefCell<Vec<u32>>,
}

/// A commit that has its place: nothing but a failure of the storage undoes it.
pub(crate) struct Sequenced {
    core: Arc<Shared>,
    /// `None` if it wrote nothing.
    pending: Option<Arc<Pending>>,
    /// The newest commit that the transaction saw.
    seen: u64,
    durability: Durability,
}

impl Sequenced {
    /// Its timestamp, if it wrote anything.
    #[cfg(feature = "simulate")]
    pub(crate) fn timestamp(&self) -> Option<u64> {
        self.pending.as_ref().map(|pending| pending.timestamp)
    }

    /// Waits until it is as durable as it asked for, and visible. Returns its timestamp.
    pub(crate) fn finish(self) -> Result<u64> {
        let Self { core, pending, seen, durability } = self;
        let Some(pending) = pending else {
            // What it saw was perhaps only sequenced.
            core.wait_visible(seen)?;
            if durability == Durability::Synced {
                core.settle_visible()?;
            }
            if durability == Durability::Synced && core.pipeline.has_unflushed(&core.base) {
                core.flush()?;
            }
            return Ok(core.base.registry.published());
        };
        core.pipeline.finish(&core.base, &pending)?;
        let timestamp = pending.timestamp;
        drop(pending);
        core.after_commit(durability == Durability::Deferred)?;
        Ok(timestamp)
    }

    /// Has somebody told when that is so, and helps there only as long as nobody else does.
    #[cfg(feature = "tokio")]
    pub(crate) fn finish_later(self, watcher: crate::txn::Watcher) -> Result<()> {
        let Some(pending) = &self.pending else {
            watcher(self.finish().map(|_| ()));
            return Ok(());
        };
        self.core.pipeline.watch(&self.core.base, pending.timestamp, watcher);
        // A failure is the watcher's to hear of.
        let _ = self.core.pipeline.drive(&self.core.base);
        self.core.after_commit(self.durability == Durability::Deferred)
    }
}

/// A transaction's own writes: cursors see those that are made while they are open.
struct Own<'a>(&'a WriteTxn);

impl Layer for Own<'_> {
    fn seek(
        &self,
        tree: u32,
        from: Bound<&[u8]>,
        forward: bool,
        with: &mut dyn FnMut(&[u8], Hit<'_>) -> Result<()>,
    ) -> Result<()> {
        self.0.said(|own| own.seek(tree, from, forward, with))
    }

    fn is_silent(&self, tree: u32) -> bool {
        self.0.said(|own| own.is_silent(tree))
    }

    fn drops(&self, tree: u32) -> bool {
        self.0.drops.get() && self.0.said(|own| own.drops(tree))
    }
}

impl Layer for Said<'_> {
    fn seek(
        &self,
        tree: u32,
        from: Bound<&[u8]>,
        forward: bool,
        with: &mut dyn FnMut(&[u8], Hit<'_>) -> Result<()>,
    ) -> Result<()> {
        Said::seek(self, tree, from, forward, with)
    }

    fn is_silent(&self, tree: u32) -> bool {
        Said::is_silent(self, tree)
    }

    fn drops(&self, tree: u32) -> bool {
        Said::drops(self, tree)
    }
}

impl WriteTxn {
    /// Waits for its turn and begins.
    pub(super) fn begin(shared: &Arc<Shared>) -> Result<Self> {
        let turn = shared.turn.take()?;
        Self::new(shared, Some(turn))
    }

    /// Begins without waiting for anybody.
    pub(super) fn begin_optimistic(shared: &Arc<Shared>) -> Result<Self> {
        Self::new(shared, None)
    }

    fn new(shared: &Arc<Shared>, turn: Option<Turn>) -> Result<Self> {
        shared.base.poison.check()?;
        let optimistic = turn.is_none();
        let WriterView { registered, below, seen } = shared.pipeline.view(&shared.base, optimistic)?;
        Ok(Self {
            snapshot: Snapshot::from_registered(shared, registered),
            shared: Arc::clone(shared),
            turn,
            reads: optimistic.then(RefCell::default),
            seen,
            tallies: RefCell::default(),
            below,
            writes: RefCell::default(),
            runs: RefCell::default(),
            extents: RefCell::default(),
            failed: RefCell::default(),
            written: Cell::default(),
            drops: Cell::default(),
            unread: RefCell::default(),
        })
    }

    /// The newest commit that it sees.
    #[cfg(test)]
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether its view was given up for want of memory: what it answers now are errors.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.snapshot.seen().check().is_err()
    }

    /// How often it has written: who calls others can tell whether they did.
    pub(crate) fn written(&self) -> u64 {
        self.written.get()
    }

    /// A write begins.
    fn begin_write(&self, tree: TreeId) -> Result<()> {
        self.written.set(self.written.get() + 1);
        // Nothing that is put into it would be kept.
        if self.drops.get() && self.said(|own| own.drops(tree.0)) {
            let message = "this table was deleted in this transaction: open it again to write to a new one";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        Ok(())
    }

    /// A write, or several that belong together, ends; after one that failed nothing is committed.
    pub(crate) fn end_write<T>(&self, done: Result<T>) -> Result<T> {
        done.inspect_err(|error| {
            self.failed.borrow_mut().get_or_insert_with(|| error.duplicate());
        })
    }

    /// Notes that a key below this transaction's own writes was looked at.
    fn note_read(&self, tree: TreeId, key: &[u8]) {
        if let Some(reads) = self.noted() {
            reads.borrow_mut().point(tree.0, key);
        }
    }

    /// Where what it reads is noted, if that is validated.
    fn noted(&self) -> Option<&RefCell<ReadSet>> {
        self.reads.as_ref().filter(|_| self.shared.options.isolation == Isolation::Serializable)
    }

    /// Runs `with` on everything that this transaction says.
    fn said<R>(&self, with: impl FnOnce(Said<'_>) -> R) -> R {
        with(Said { base: &self.shared.base, set: &self.writes.borrow(), runs: &self.runs.borrow() })
    }

    /// What a sequenced commit says.
    fn said_below<'a>(&'a self, pending: &'a Pending) -> Said<'a> {
        Said { base: &self.shared.base, set: &pending.writes, runs: &pending.runs }
    }

    fn check(tree: TreeId, key: &[u8], value: usize) -> Result<()> {
        if tree.0 >= MAX_TREES {
            return Err(Error::new(ErrorKind::TooManyTables, format!("tree numbers end at {MAX_TREES}")));
        }
        if key.len() > MAX_ENTRY {
            let message = format!("a stored key has {} bytes, at most {MAX_ENTRY} are possible", key.len());
            return Err(Error::new(ErrorKind::KeyTooLong, message));
        }
        if value > MAX_VALUE {
            let message = format!("a value has {value} bytes, at most {MAX_VALUE} are possible");
            return Err(Error::new(ErrorKind::ValueTooLong, message));
        }
        Ok(())
    }

    /// Stores a value under a key.
    pub(crate) fn put(&self, tree: TreeId, key: &[u8], value: &[u8]) -> Result<()> {
        Self::check(tree, key, value.len())?;
        self.begin_write(tree)?;
        self.end_write(self.put_checked(tree, key, value))
    }

    fn put_checked(&self, tree: TreeId, key: &[u8], value: &[u8]) -> Result<()> {
        if value.len() > HUGE {
            // Before the old one goes.
            let blob = self.keep(|extents| write_value(&self.shared.base, value, extents))?;
            self.forget_extents(tree, key)?;
            self.writes.borrow_mut().put_overflow(tree.0, key, blob);
        } else {
            self.forget_extents(tree, key)?;
            let large = self.shared.base.pager.is_large(value.len());
            self.writes.borrow_mut().put(tree.0, key, value, large);
        }
        self.bound_memory()
    }

    /// Removes a key, if it is there.
    pub(crate) fn delete(&self, tree: TreeId, key: &[u8]) -> Result<()> {
        Self::check(tree, key, 0)?;
        self.begin_write(tree)?;
        self.end_write(self.forget_extents(tree, key))?;
        self.writes.borrow_mut().delete(tree.0, key);
        self.end_write(self.bound_memory())
    }

    /// Moves the write set to the file when it has outgrown memory.
    fn bound_memory(&self) -> Result<()> {
        if self.writes.borrow().encoded_len() <= self.shared.options.write_buffer {
            return Ok(());
        }
        self.spill()
    }

    fn spill(&self) -> Result<()> {
        self.move_large()?;
        let page = (self.shared.options.write_buffer / 8).clamp(256, RUN_PAGE);
        let run = {
            let writes = self.writes.borrow();
            self.keep(|extents| Run::write(&self.shared.base, &writes, page, extents))?
        };
        self.runs.borrow_mut().push(Arc::new(run));
        let behind = self.writes.borrow().behind();
        self.writes.replace(behind);
        Ok(())
    }

    /// Moves large values to extents.
    fn move_large(&self) -> Result<()> {
        let large = self.writes.borrow_mut().take_large();
        for (tree, key, place) in large {
            let blob = {
                let writes = self.writes.borrow();
                self.keep(|extents| write_value(&self.shared.base, writes.value(place), extents))?
            };
            self.writes.borrow_mut().move_to_extents(tree, &key, blob);
        }
        Ok(())
    }

    /// Removes a tree and everything in it. Its number must not be used again.
    pub(crate) fn drop_tree(&self, tree: TreeId) -> Result<()> {
        Self::check(tree, &[], 0)?;
        let blobs: Vec<BlobRef> = {
            let writes = self.writes.borrow();
            let blob = |(_, hit)| if let Hit::Overflow(blob) = hit { Some(*blob) } else { None };
            writes.entries(tree.0).filter_map(blob).collect()
        };
        self.begin_write(tree)?;
        self.end_write(blobs.iter().try_for_each(|blob| self.free_blob(blob)))?;
        self.drops.set(true);
        self.writes.borrow_mut().drop_tree(tree.0);
        Ok(())
    }

    /// Runs something that writes to extents; they are kept for commit or rollback even if it fails half-way.
    fn keep<T>(&self, write: impl FnOnce(&mut Vec<Extent>) -> Result<T>) -> Result<T> {
        write(&mut self.extents.borrow_mut())
    }

    /// Gives back what a value took that this transaction wrote and now replaces.
    fn forget_extents(&self, tree: TreeId, key: &[u8]) -> Result<()> {
        if self.extents.borrow().is_empty() {
            return Ok(());
        }
        let blob = match self.writes.borrow().get(tree.0, key) {
            Some(Hit::Overflow(blob)) => *blob,
            _ => return Ok(()),
        };
        self.free_blob(&blob)
    }

    fn free_blob(&self, blob: &BlobRef) -> Result<()> {
        let base = &self.shared.base;
        let parts = crate::ckpt::blob_parts(base, PageKind::Overflow, blob)?;
        let mut space = base.space()?;
        for extent in parts {
            space.free(extent).map_err(crate::ckpt::accounting)?;
            self.extents.borrow_mut().retain(|&own| own != extent);
        }
        Ok(())
    }

    /// Gives up, and waits until all that it saw is visible: it was perhaps only sequenced, and who acts on it must not find it gone, or
    /// see less next (I22).
    pub(crate) fn abandon(self) -> Result<()> {
        let (core, seen) = (Arc::clone(&self.shared), self.seen);
        drop(self);
        core.check_owner()?;
        core.wait_visible(seen)
    }

    /// Makes the writes durable as far as asked, and visible. Returns the commit's timestamp.
    pub(crate) fn commit(self, durability: Durability) -> Result<u64> {
        self.sequence(durability)?.finish()
    }

    /// Gives the commit its place among all others. What is left to do is to wait.
    pub(crate) fn sequence(mut self, durability: Durability) -> Result<Sequenced> {
        let core = Arc::clone(&self.shared);
        if let Some(error) = self.failed.take() {
            return Err(error.context("nothing is committed, as a write of this transaction failed"));
        }
        let nothing = self.writes.borrow().is_empty() && self.runs.borrow().is_empty();
        if nothing && self.tallies.borrow().is_empty() {
            return Ok(Sequenced { core, pending: None, seen: self.seen, durability });
        }
        core.settle_recovered()?;
        core.wait_for_memory()?;
        self.reach()?;
        let (body, spills) = self.prepare()?;
        let tallies = self.tallies.take();
        let mut request = Some(Request {
            body: CheckedBody::new(body, !tallies.is_empty()),
            tallies,
            writes: self.writes.take(),
            runs: self.runs.take(),
            extents: self.extents.borrow().clone(),
            spills,
            durability,
        });
        if let Some(reads) = &self.reads {
            reads.borrow_mut().seal();
        }
        let mut patience = PATIENCE;
        let pending = loop {
            let reads = self.reads.as_ref().map(RefCell::borrow);
            let isolation = core.options.isolation;
            let claim = reads.as_deref().map(|reads| Claim { seen: self.seen, reads, isolation });
            let turn = &mut self.turn;
            match core.pipeline.sequence(&core.base, &mut request, &core.turn, turn, claim.as_ref())? {
                Some(pending) => break pending,
                None if patience == 0 => {
                    return Err(Error::new(ErrorKind::Io, "the log stays full although checkpoints succeed"));
                }
                None => {
                    patience -= 1;
                    crate::ckpt::Counts::add(&core.base.counts.stalls, 1);
                    core.make_room()?;
                }
            }
        };
        // From here on the extents belong to the commit.
        self.extents.borrow_mut().clear();
        let seen = self.seen;
        drop(self);
        Ok(Sequenced { core, pending: Some(pending), seen, durability })
    }

    /// Moves large values to extents and renders the log record's body. Writes that would take more than a quarter of the ring go to
    /// extents too, durable before the record that names them. Returns the body and the extents that are superfluous once it is applied.
    fn prepare(&self) -> Result<(Vec<u8>, Vec<Extent>)> {
        let base = &self.shared.base;
        let most = usize::try_from(base.window.capacity() / 4).unwrap_or(usize::MAX);
        // Values that went to extents when they were put are named by the record, not contained in it.
        let mut names_extents = !self.extents.borrow().is_empty();
        let mut body = Vec::new();
        let mut fits = self.runs.borrow().is_empty();
        if fits && self.writes.borrow().encoded_len() <= most {
            // The record contains large values too: their extents need not be durable before it.
            body = self.writes.borrow().encode();
            self.move_large()?;
        } else {
            self.move_large()?;
            names_extents = true;
            if fits {
                body = self.writes.borrow().encode();
                fits = body.len() <= most;
            }
        }
        let mut spills = Vec::new();
        if !fits {
            if !self.writes.borrow().is_empty() {
                self.spill()?;
            }
            let mut names = OpsWriter::default();
            for run in self.runs.borrow().iter() {
                run.name(&mut names);
                spills.extend(run.extents(base)?);
            }
            body = names.into_body();
            if body.len() > most {
                let message = format!(
                    "the transaction is too large for the log: what names its writes takes {} bytes, at most {most} fit; commit in \
                     parts, or create the database with a larger `log_size`",
                    body.len()
                );
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
        }
        if names_extents {
            base.syncs.sync("making large values durable")?;
        }
        Ok((body, spills))
    }

    /// Runs `with` on the newest layer's answer; `None`: the layers say nothing.
    fn above<R>(&self, tree: TreeId, key: &[u8], with: impl FnOnce(Hit<'_>) -> R) -> Result<Option<R>> {
        let mut with = Some(with);
        let mut call = |hit: Hit<'_>| with.take().map(|with| with(hit));
        if let Some(found) = self.said(|own| own.get(tree.0, key, &mut call))? {
            return Ok(found);
        }
        self.note_read(tree, key);
        for pending in &self.below {
            if let Some(found) = self.said_below(pending).get(tree.0, key, &mut call)? {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

impl View for WriteTxn {
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Value<'_>>> {
        let found = self.above(tree, key, |hit| match hit {
            Hit::Deleted => Ok(None),
            Hit::Put(value) => Ok(Some(Value::owned(value.to_vec()))),
            Hit::Overflow(blob) => Err(*blob),
        })?;
        match found {
            None => self.snapshot.get(tree, key),
            Some(Ok(value)) => Ok(value),
            // What this view saw may be gone if it was given up meanwhile: no damage.
            Some(Err(blob)) => read_overflow(&self.shared.base, self.snapshot.seen(), tree, &blob.encode())
                .map(|bytes| Some(Value::owned(bytes))),
        }
    }

    fn read(&self, tree: TreeId, key: &[u8], with: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        // `with` may write: nothing stays borrowed while it runs.
        match self.above(tree, key, |_| ())? {
            None => self.snapshot.read(tree, key, with),
            Some(()) => match self.get(tree, key)? {
                Some(value) => with(&value).map(|()| true),
                None => Ok(false),
            },
        }
    }

    fn contains(&self, tree: TreeId, key: &[u8]) -> Result<bool> {
        match self.above(tree, key, |hit| !matches!(hit, Hit::Deleted))? {
            Some(there) => Ok(there),
            None => self.snapshot.contains(tree, key),
        }
    }

    fn cursor(&self, tree: TreeId, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Result<Cursor<'_>> {
        let base = &self.shared.base;
        let mut layers: Vec<Box<dyn Layer + '_>> = vec![Box::new(Own(self))];
        let mut hidden = self.said(|own| own.drops(tree.0));
        for pending in &self.below {
            if hidden {
                break;
            }
            let said = self.said_below(pending);
            hidden = said.drops(tree.0);
            layers.push(Box::new(said));
        }
        let snapshot = if hidden {
            SnapshotCursor::new(&base.pager, None, Bound::Unbounded, Bound::Unbounded)
        } else {
            self.snapshot.raw_cursor(tree, lower, upper)
        };
        let mut cursor = Cursor::over_layers(base, tree, self.snapshot.seen(), snapshot, layers, lower, upper);
        if let Some(reads) = self.noted() {
            cursor.note_in(reads);
        }
        Ok(cursor)
    }
}

impl Drop for WriteTxn {
    /// An exclusive one that was not sequenced waits as [`abandon`](WriteTxn::abandon) does; others go on, or are run again.
    fn drop(&mut self) {
        if self.reads.is_some() {
            self.shared.pipeline.leave(self.seen);
        }
        // I20: what was written to extents is free again. A failure here can only leak them until the file is opened again.
        let extents = self.extents.take();
        if !extents.is_empty()
            && let Ok(mut space) = self.shared.base.space()
        {
            for extent in extents {
                let freed = space.free(extent);
                debug_assert!(freed.is_ok(), "an extent of this transaction was not allocated: {freed:?}");
            }
        }
        if let Some(turn) = self.turn.take() {
            drop(turn);
            let is_forked = self.shared.check_owner().is_err();
            if !is_forked && !crate::sync::thread::panicking() {
                // A failure stops all writing, as the next transaction is told.
                let _ = self.shared.wait_visible(self.seen);
            }
        }
    }
}

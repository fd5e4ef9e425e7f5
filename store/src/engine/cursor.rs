//! Cursors: a snapshot's entries, with a transaction's own writes laid over them.
//!
//! Over a snapshot alone a step is a step in a pinned leaf. Inside a write transaction every layer (the transaction's own writes, the
//! write sets that are sequenced and not yet applied, the snapshot) offers its next key, the smallest wins, and among equals the
//! newest layer. Write sets are asked again by key at each step, so that writes between steps are seen and nothing is invalidated.

use super::TreeId;
use super::snapshot::read_overflow;
use crate::ckpt::Base;
use crate::error::Result;
use crate::tree::{At, Seen, SnapshotCursor};
use crate::txn::ReadSet;
use crate::txn::write_set::Hit;
use std::cell::RefCell;
use std::ops::Bound;

/// A source of newer writes over a snapshot.
pub(super) trait Layer {
    /// The first entry of a tree behind (or, backwards, before) a bound. `with` sees it.
    fn seek(
        &self,
        tree: u32,
        from: Bound<&[u8]>,
        forward: bool,
        with: &mut dyn FnMut(&[u8], Hit<'_>) -> Result<()>,
    ) -> Result<()>;

    /// Whether the layer says nothing about a tree now.
    fn is_silent(&self, tree: u32) -> bool;

    /// Whether it drops a tree, so that nothing below it is to be seen.
    fn drops(&self, tree: u32) -> bool;
}

/// Walks a range from either end. Lends each entry until the next step.
pub(crate) struct Cursor<'a> {
    base: &'a Base,
    tree: TreeId,
    seen: Seen<'a>,
    snapshot: SnapshotCursor<'a>,
    layers: Option<Merge<'a>>,
    /// Where an optimistic transaction notes what it sees, and the number of this scan there.
    noted: Option<(&'a RefCell<ReadSet>, usize)>,
    /// A value that is not in a page: read from overflow extents or copied from a write set.
    value: Vec<u8>,
}

/// Newest layer first.
struct Merge<'a> {
    layers: Vec<Box<dyn Layer + 'a>>,
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
    /// What the snapshot offers next in the direction of the last step.
    offered: Option<At>,
    offered_key: Vec<u8>,
    forward: bool,
    /// Whether the snapshot is to be asked for its next entry.
    fresh: bool,
    /// Whether the transaction has dropped the tree since the cursor was opened.
    dropped: bool,
    key: Vec<u8>,
}

/// Where the entry of a step is.
enum Place {
    Snapshot(At),
    /// In `Cursor::value`, with its key in `Merge::key`.
    Copied,
    /// As `Copied`, but in overflow extents; the reference is in `Cursor::value`.
    Overflow,
}

impl<'a> Cursor<'a> {
    pub(super) fn over_snapshot(base: &'a Base, tree: TreeId, seen: Seen<'a>, snapshot: SnapshotCursor<'a>) -> Self {
        Self { base, tree, seen, snapshot, layers: None, noted: None, value: Vec::new() }
    }

    pub(super) fn over_layers(
        base: &'a Base,
        tree: TreeId,
        seen: Seen<'a>,
        snapshot: SnapshotCursor<'a>,
        layers: Vec<Box<dyn Layer + 'a>>,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
    ) -> Self {
        let merge = Merge {
            layers,
            lower: lower.map(<[u8]>::to_vec),
            upper: upper.map(<[u8]>::to_vec),
            offered: None,
            offered_key: Vec::new(),
            forward: true,
            fresh: true,
            dropped: false,
            key: Vec::new(),
        };
        Self { base, tree, seen, snapshot, layers: Some(merge), noted: None, value: Vec::new() }
    }

    /// The next entry from the front: key and value.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        let Some(place) = self.step(true)? else { return Ok(None) };
        self.lend(place).map(Some)
    }

    /// The next entry from the back.
    #[inline]
    pub(crate) fn next_back(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        let Some(place) = self.step(false)? else { return Ok(None) };
        self.lend(place).map(Some)
    }

    /// The next key from the front; the value is not looked at.
    pub(crate) fn next_key(&mut self) -> Result<Option<&[u8]>> {
        let place = self.step(true)?;
        Ok(place.map(|_| self.key()))
    }

    /// The next key from the back.
    pub(crate) fn next_key_back(&mut self) -> Result<Option<&[u8]>> {
        let place = self.step(false)?;
        Ok(place.map(|_| self.key()))
    }

    /// Notes in a read set what the cursor sees from here on.
    pub(super) fn note_in(&mut self, reads: &'a RefCell<ReadSet>) {
        if let Some(merge) = &self.layers {
            let (lower, upper) = (merge.lower.as_ref().map(Vec::as_slice), merge.upper.as_ref().map(Vec::as_slice));
            self.noted = Some((reads, reads.borrow_mut().range(self.tree.0, lower, upper)));
        }
    }

    #[inline]
    fn step(&mut self, forward: bool) -> Result<Option<Place>> {
        if self.layers.is_some() {
            return self.step_merged(forward);
        }
        Ok(advance(&mut self.snapshot, forward)?.map(Place::Snapshot))
    }

    #[inline(never)]
    fn step_merged(&mut self, forward: bool) -> Result<Option<Place>> {
        let Some(merge) = &mut self.layers else { return Ok(None) };
        let place = merge.step(self.tree.0, &mut self.snapshot, &mut self.value, forward)?;
        if let Some((reads, range)) = self.noted {
            match &place {
                Some(_) => reads.borrow_mut().passed(range, forward, &merge.key),
                None => reads.borrow_mut().exhausted(range),
            }
        }
        Ok(place)
    }

    /// The key of the entry that the last step found.
    #[inline]
    fn key(&self) -> &[u8] {
        match &self.layers {
            Some(merge) => &merge.key,
            None => self.snapshot.key(),
        }
    }

    #[inline]
    fn lend(&mut self, place: Place) -> Result<(&[u8], &[u8])> {
        match place {
            Place::Snapshot(at) if at.is_overflow() => self.fetch(Some(at))?,
            Place::Snapshot(at) => return Ok((self.key(), self.snapshot.value(at).bytes())),
            Place::Overflow => self.fetch(None)?,
            Place::Copied => {}
        }
        Ok((self.key(), &self.value))
    }

    /// Reads the value that lies elsewhere; what names it is in the snapshot's leaf, or in `value`.
    #[inline(never)]
    fn fetch(&mut self, at: Option<At>) -> Result<()> {
        let reference = at.map_or(self.value.as_slice(), |at| self.snapshot.value(at).bytes());
        self.value = read_overflow(self.base, self.seen, self.tree, reference)?;
        Ok(())
    }
}

#[inline]
fn advance(snapshot: &mut SnapshotCursor<'_>, forward: bool) -> Result<Option<At>> {
    if forward { snapshot.next() } else { snapshot.next_back() }
}

impl Merge<'_> {
    fn step(
        &mut self,
        tree: u32,
        snapshot: &mut SnapshotCursor<'_>,
        value: &mut Vec<u8>,
        forward: bool,
    ) -> Result<Option<Place>> {
        if !self.dropped && self.layers.first().is_some_and(|own| own.drops(tree)) {
            (self.dropped, self.offered) = (true, None);
            self.layers.truncate(1);
        }
        self.face(snapshot, forward);
        loop {
            if self.fresh && !self.dropped {
                self.offered = advance(snapshot, forward)?;
                self.offered_key.clear();
                if self.offered.is_some() {
                    self.offered_key.extend_from_slice(snapshot.key());
                }
                self.fresh = false;
            }
            let Some(found) = self.nearest(tree, value, forward)? else {
                let Some(at) = self.offered.take() else { return Ok(None) };
                self.fresh = true;
                std::mem::swap(&mut self.key, &mut self.offered_key);
                self.pass(forward);
                return Ok(Some(Place::Snapshot(at)));
            };
            if self.offered.is_some() && self.offered_key == self.key {
                self.offered = None;
                self.fresh = true;
            }
            self.pass(forward);
            if let Some(place) = found {
                return Ok(Some(place));
            }
        }
    }

    /// The nearest entry of the layers, if it is not behind what the snapshot offers. `Some(None)` is a deletion. Its key is in `self.key`.
    fn nearest(&mut self, tree: u32, value: &mut Vec<u8>, forward: bool) -> Result<Option<Option<Place>>> {
        let mut found: Option<Option<Place>> = None;
        let Self { layers, lower, upper, offered, offered_key, key, .. } = self;
        let (from, end) = if forward { (&*lower, &*upper) } else { (&*upper, &*lower) };
        for layer in layers.iter().filter(|layer| !layer.is_silent(tree)) {
            layer.seek(tree, from.as_ref().map(Vec::as_slice), forward, &mut |at, hit| {
                let nearer = |than: &[u8]| if forward { at < than } else { at > than };
                let behind_offer = offered.is_some() && !nearer(offered_key) && at != offered_key.as_slice();
                if behind_offer || !inside(at, end, forward) || (found.is_some() && !nearer(key)) {
                    return Ok(());
                }
                key.clear();
                key.extend_from_slice(at);
                found = Some(match hit {
                    Hit::Deleted => None,
                    Hit::Put(bytes) => {
                        value.clear();
                        value.extend_from_slice(bytes);
                        Some(Place::Copied)
                    }
                    Hit::Overflow(reference) => {
                        value.clear();
                        value.extend_from_slice(&reference.encode());
                        Some(Place::Overflow)
                    }
                });
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Turns the snapshot's cursor when the direction changes; what it had offered and nobody took is offered again later by a bound.
    fn face(&mut self, snapshot: &mut SnapshotCursor<'_>, forward: bool) {
        if self.forward != forward {
            if self.offered.take().is_some() {
                snapshot.put_back();
            }
            self.fresh = true;
            self.forward = forward;
        }
    }

    /// What was returned or skipped is out of the range from now on.
    fn pass(&mut self, forward: bool) {
        let near = if forward { &mut self.lower } else { &mut self.upper };
        // The place of the key before is used again.
        let mut key = match std::mem::replace(near, Bound::Unbounded) {
            Bound::Included(key) | Bound::Excluded(key) => key,
            Bound::Unbounded => Vec::new(),
        };
        key.clear();
        key.extend_from_slice(&self.key);
        *near = Bound::Excluded(key);
    }
}

/// Whether a key lies on the near side of the range's far end.
fn inside(key: &[u8], end: &Bound<Vec<u8>>, forward: bool) -> bool {
    match end {
        Bound::Unbounded => true,
        Bound::Included(end) if forward => key <= end.as_slice(),
        Bound::Included(end) => key >= end.as_slice(),
        Bound::Excluded(end) if forward => key < end.as_slice(),
        Bound::Excluded(end) => key > end.as_slice(),
    }
}

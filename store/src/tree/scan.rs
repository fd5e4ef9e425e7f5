//! What a snapshot sees: single values and ranges in both directions.

use super::node::{Body, Value, ValuePlace};
use super::{Access, Pager, Seen, Target, Tree};
use crate::buffer::{Frame, Guard, PinnedFrame, prefetch_bytes};
use crate::error::Result;
use std::ops::Bound;

/// So many bytes ahead of a value that a scan returns, it asks the caches for those that come next: beyond the caches it would wait for one after the
/// other. The descent asks for the next leaf. Without both, a scan of values of 150 bytes returned half as many in a second.
const AHEAD: usize = 2048;

impl Tree {
    /// Runs `with` on what `snapshot` sees under a key, while the page stays where it is. `None` if there is nothing.
    pub(crate) fn get<R>(
        &self,
        pager: &Pager,
        seen: Seen<'_>,
        key: &[u8],
        with: impl FnOnce(Value<'_>, Frame<'_>) -> R,
    ) -> Result<Option<R>> {
        if !self.visible_at(seen.timestamp) {
            return Ok(None);
        }
        let found = self.with_leaf(pager, Target::At(key), Access::Get, |leaf, guard| {
            let Some(leaf) = version_at(pager, leaf, seen, guard)? else { return Ok(None) };
            let body = Body::trusted(leaf.body());
            Ok(body.find_inside(key).ok().map(|i| with(body.value(i), leaf)))
        });
        // What a snapshot that was given up would have read may have been overwritten: no damage.
        let found = found.or_else(|error| seen.check().and(Err(error)))?;
        match found {
            Some(found) => found,
            None => self.check_empty(seen).map(|()| None),
        }
    }

    /// A tree without nodes may have had some for a snapshot that was cancelled.
    fn check_empty(&self, seen: Seen<'_>) -> Result<()> {
        if self.dropped_at().is_some() { seen.check() } else { Ok(()) }
    }
}

/// The version of a leaf that a snapshot sees. `None`: the leaf came into being later, with nothing before it.
#[inline]
fn version_at<'g>(pager: &'g Pager, leaf: Frame<'g>, seen: Seen<'_>, guard: &'g Guard) -> Result<Option<Frame<'g>>> {
    if leaf.timestamp() <= seen.timestamp {
        return Ok(Some(leaf));
    }
    older_version(pager, leaf, seen, guard)
}

#[cold]
fn older_version<'g>(pager: &'g Pager, leaf: Frame<'g>, seen: Seen<'_>, guard: &'g Guard) -> Result<Option<Frame<'g>>> {
    let mut version = Some(leaf);
    while let Some(leaf) = version.filter(|leaf| leaf.timestamp() > seen.timestamp) {
        version = leaf.prev().and_then(|prev| pager.pool.frame(prev, guard));
    }
    // What is not there may have been let go, if this snapshot was given up.
    seen.check().map(|()| version)
}

/// A pinned leaf version and the part of it that a scan is to return.
pub(crate) struct Leaf<'a> {
    frame: PinnedFrame<'a>,
    /// Entries still to return, by number.
    start: usize,
    end: usize,
    /// What `start` and `end` were when the leaf was opened.
    first: usize,
    last: usize,
    /// Fences of the current leaf, which may be narrower than the version's.
    lower: Vec<u8>,
    upper: Option<Vec<u8>>,
    /// Whether to ask the caches for values ahead: the first leaf of a range is often the last, and only a few of its values are wanted.
    ahead: bool,
}

impl Leaf<'_> {
    #[inline]
    fn body(&self) -> Body<'_> {
        Body::trusted(self.frame.body())
    }

    /// Puts the key of entry `i` into `key`, which begins with the leaf's prefix, and says where its value is.
    #[inline]
    fn entry(&self, i: usize, key: &mut Vec<u8>) -> At {
        let body = self.body();
        key.truncate(body.prefix().len());
        key.extend_from_slice(body.suffix(i));
        At(body.value_place(i))
    }

    fn key(&self, i: usize) -> Vec<u8> {
        let mut key = Vec::new();
        self.body().key_into(i, &mut key);
        key
    }
}

/// Walks a range of one tree at one snapshot, from either end. Holds one leaf for each direction and, between steps, no epoch.
pub(crate) struct SnapshotCursor<'a> {
    pager: &'a Pager,
    /// Nothing for an empty cursor.
    source: Option<(&'a Tree, Seen<'a>)>,
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
    front: Option<Leaf<'a>>,
    back: Option<Leaf<'a>>,
    /// The direction of the last step. Its bound lags behind; `turn` makes up for it.
    forward: bool,
    done: bool,
    key: Vec<u8>,
}

/// Where the entry that a cursor's last step found has its value, in the leaf that the cursor holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At(ValuePlace);

impl At {
    /// Whether the leaf holds only a reference to the value.
    #[inline]
    pub(crate) fn is_overflow(self) -> bool {
        self.0.is_overflow()
    }
}

impl<'a> SnapshotCursor<'a> {
    /// A cursor over the keys between two bounds; without a tree it is empty.
    pub(crate) fn new(
        pager: &'a Pager,
        source: Option<(&'a Tree, Seen<'a>)>,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
    ) -> Self {
        let source = source.filter(|(tree, seen)| tree.visible_at(seen.timestamp));
        Self {
            pager,
            source,
            lower: lower.map(<[u8]>::to_vec),
            upper: upper.map(<[u8]>::to_vec),
            front: None,
            back: None,
            forward: true,
            done: source.is_none() || is_empty(lower, upper),
            key: Vec::new(),
        }
    }

    /// The key of the entry that the last step found.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The value of an entry that the last step found.
    #[inline]
    pub(crate) fn value(&self, at: At) -> Value<'_> {
        let leaf = if self.forward { &self.front } else { &self.back };
        let Some(leaf) = leaf else { return Value::Inline(&[]) };
        let body = leaf.frame.body();
        let value = at.0.of(body);
        if leaf.ahead {
            ask_for(body, value.bytes(), self.forward, AHEAD, value.bytes().len());
        }
        value
    }

    /// The next entry from the front.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<At>> {
        self.turn(true);
        loop {
            if let Some(leaf) = self.front.as_mut().filter(|leaf| leaf.start < leaf.end) {
                let index = leaf.start;
                leaf.start += 1;
                return Ok(Some(leaf.entry(index, &mut self.key)));
            }
            if !self.open_front()? {
                return Ok(None);
            }
        }
    }

    /// The next entry from the back.
    #[inline]
    pub(crate) fn next_back(&mut self) -> Result<Option<At>> {
        self.turn(false);
        loop {
            if let Some(leaf) = self.back.as_mut().filter(|leaf| leaf.start < leaf.end) {
                leaf.end -= 1;
                return Ok(Some(leaf.entry(leaf.end, &mut self.key)));
            }
            if !self.open_back()? {
                return Ok(None);
            }
        }
    }

    /// The first leaf from the front, or the one behind that which is used up. `false` at the end.
    #[inline(never)]
    fn open_front(&mut self) -> Result<bool> {
        if let Some(leaf) = &mut self.front {
            match leaf.upper.take() {
                Some(upper) => self.lower = Bound::Included(upper),
                None => self.done = true,
            }
        }
        self.done |= is_empty(as_slice(&self.lower), as_slice(&self.upper));
        if !self.done {
            self.front = self.open(true)?;
            self.done = !begin(self.front.as_ref(), &mut self.key);
        }
        Ok(!self.done)
    }

    /// The same from the back.
    #[inline(never)]
    fn open_back(&mut self) -> Result<bool> {
        if let Some(leaf) = &mut self.back {
            if leaf.lower.is_empty() {
                self.done = true;
            } else {
                self.upper = Bound::Excluded(std::mem::take(&mut leaf.lower));
            }
        }
        self.done |= is_empty(as_slice(&self.lower), as_slice(&self.upper));
        if !self.done {
            self.back = self.open(false)?;
            self.done = !begin(self.back.as_ref(), &mut self.key);
        }
        Ok(!self.done)
    }

    /// Takes the last step back: its entry is returned again by the next step in either direction.
    pub(crate) fn put_back(&mut self) {
        if let Some(leaf) = &mut self.front {
            leaf.start = leaf.start.saturating_sub(1);
        }
        if let Some(leaf) = &mut self.back {
            leaf.end += 1;
        }
        self.done = false;
    }

    #[inline]
    fn turn(&mut self, forward: bool) {
        if self.forward != forward && !self.done {
            self.turn_around(forward);
        }
    }

    /// When the direction changes, what the other one has returned becomes a bound.
    #[cold]
    fn turn_around(&mut self, forward: bool) {
        if let Some(leaf) = self.front.take().filter(|leaf| leaf.start > leaf.first) {
            self.lower = Bound::Excluded(leaf.key(leaf.start.saturating_sub(1)));
        }
        if let Some(leaf) = self.back.take().filter(|leaf| leaf.end < leaf.last) {
            self.upper = Bound::Excluded(leaf.key(leaf.end));
        }
        self.forward = forward;
        self.done = is_empty(as_slice(&self.lower), as_slice(&self.upper));
    }

    /// Pins the leaf at the near end of the range.
    fn open(&self, forward: bool) -> Result<Option<Leaf<'a>>> {
        let Some((tree, seen)) = self.source else { return Ok(None) };
        // The first leaf is somebody's point of interest; what follows is a scan.
        let access = if self.front.is_none() && self.back.is_none() { Access::Get } else { Access::Scan };
        let target = match (forward, &self.lower, &self.upper) {
            (true, Bound::Included(key) | Bound::Excluded(key), _) => Target::At(key),
            (true, Bound::Unbounded, _) => Target::At(&[]),
            (false, _, Bound::Included(key)) => Target::At(key),
            (false, _, Bound::Excluded(key)) => Target::Below(key),
            (false, _, Bound::Unbounded) => Target::Last,
        };
        let (lower, upper) = (as_slice(&self.lower), as_slice(&self.upper));
        let leaf = tree.with_leaf(self.pager, target, access, |current, guard| {
            let fences = Body::trusted(current.body());
            let version = version_at(self.pager, current, seen, guard)?;
            let visible = version.unwrap_or(current);
            let body = Body::trusted(visible.body());
            // The version may cover more than the leaf that led to it: keep to the leaf's fences, its neighbours lead to the rest.
            let start = first_at(body, lower).max(first_at(body, Bound::Included(fences.lower())));
            let mut end = first_after(body, upper);
            if let Some(fence) = fences.upper() {
                end = end.min(first_at(body, Bound::Included(fence)));
            }
            let (start, end) = if version.is_some() { (start, end.max(start)) } else { (0, 0) };
            let ahead = access == Access::Scan && start < end;
            if ahead {
                let first = body.value(if forward { start } else { end - 1 });
                ask_for(visible.body(), first.bytes(), forward, 0, AHEAD);
            }
            Ok(Leaf {
                frame: PinnedFrame::new(&self.pager.pool, visible),
                start,
                end,
                first: start,
                last: end,
                lower: fences.lower().to_vec(),
                upper: fences.upper().map(<[u8]>::to_vec),
                ahead,
            })
        });
        match leaf.or_else(|error| seen.check().and(Err(error)))? {
            Some(leaf) => leaf.map(Some),
            None => tree.check_empty(seen).map(|()| None),
        }
    }
}

/// Asks the caches for what a scan reads after a value: `len` bytes of the body that begin (backwards, end) `distance` behind its begin
/// (backwards, before its end). Values mostly lie in the order of their keys.
#[inline]
fn ask_for(body: &[u8], value: &[u8], forward: bool, distance: usize, len: usize) {
    let start = value.as_ptr().addr().wrapping_sub(body.as_ptr().addr());
    let (from, to) = if forward {
        let from = start.saturating_add(distance);
        (from, from.saturating_add(len).min(body.len()))
    } else {
        let to = start.saturating_add(value.len()).saturating_sub(distance);
        (to.saturating_sub(len), to)
    };
    if let Some(bytes) = body.get(from..to) {
        prefetch_bytes(bytes);
    }
}

/// Puts the prefix of a leaf's keys into `key`, where it stays while the leaf is walked. `false` without a leaf.
fn begin(leaf: Option<&Leaf<'_>>, key: &mut Vec<u8>) -> bool {
    let Some(leaf) = leaf else { return false };
    key.clear();
    key.extend_from_slice(leaf.body().prefix());
    true
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

fn is_empty(lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> bool {
    match (lower, upper) {
        (Bound::Unbounded, Bound::Excluded(upper)) => upper.is_empty(),
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (Bound::Included(lower) | Bound::Excluded(lower), Bound::Included(upper) | Bound::Excluded(upper)) => {
            lower >= upper
        }
    }
}

/// Number of the first entry that a lower bound admits.
fn first_at(body: Body<'_>, lower: Bound<&[u8]>) -> usize {
    match lower {
        Bound::Unbounded => 0,
        Bound::Included(key) => body.find(key).unwrap_or_else(|at| at),
        Bound::Excluded(key) => body.find(key).map_or_else(|at| at, |at| at + 1),
    }
}

/// Number of the first entry that an upper bound does not admit.
fn first_after(body: Body<'_>, upper: Bound<&[u8]>) -> usize {
    match upper {
        Bound::Unbounded => body.len(),
        Bound::Included(key) => body.find(key).map_or_else(|at| at, |at| at + 1),
        Bound::Excluded(key) => body.find(key).unwrap_or_else(|at| at),
    }
}

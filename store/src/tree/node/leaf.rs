//! Plans what becomes of a leaf under a batch of edits: one new body, or several where it splits.

use super::encode::{Key, body_size, common_prefix, prefix_len, skip, write_body};
use super::splice::Splice;
use super::{Body, HEAD, MAX_BODY, SLOT, Value};

/// A change to one key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Edit<'a> {
    /// Stores a value.
    Put {
        /// The whole key.
        key: &'a [u8],
        /// The value, or where it is.
        value: Value<'a>,
    },
    /// Removes the key if it is there.
    Delete {
        /// The whole key.
        key: &'a [u8],
    },
}

impl<'a> Edit<'a> {
    /// The key.
    #[inline]
    pub(crate) fn key(&self) -> &'a [u8] {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// How large bodies become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Bytes that a leaf's body aims at. One that holds a single entry may be larger.
    pub(crate) leaf: usize,
    /// Bytes that an inner node's body aims at.
    pub(crate) inner: usize,
}

/// One body to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlannedLeaf {
    /// Its exact length.
    pub(crate) size: usize,
    start: usize,
    end: usize,
    keys: usize,
}

/// Where an entry of the new leaves comes from.
#[derive(Clone, Copy)]
enum Item<'a> {
    Old(Body<'a>, usize),
    New(&'a [u8], Value<'a>),
}

impl<'a> Item<'a> {
    fn key(&self) -> Key<'a> {
        match self {
            Self::Old(body, i) => (body.prefix(), body.suffix(*i)),
            Self::New(key, _) => (&[], key),
        }
    }

    fn key_len(&self) -> usize {
        let (a, b) = self.key();
        a.len() + b.len()
    }

    fn value(&self) -> Value<'a> {
        match self {
            Self::Old(body, i) => body.value(*i),
            Self::New(_, value) => *value,
        }
    }
}

/// New bodies for one leaf, or for two that merge.
pub(crate) struct LeafPlan<'a> {
    lower: &'a [u8],
    upper: Option<&'a [u8]>,
    items: Vec<Item<'a>>,
    pages: Vec<PlannedLeaf>,
    /// What separates page i from page i + 1.
    separators: Vec<Vec<u8>>,
    splice: Option<Splice<'a>>,
    dropped: Vec<&'a [u8]>,
    delta: i64,
}

/// Appends an empty leaf that covers all keys.
pub(crate) fn empty_leaf(out: &mut Vec<u8>) {
    out.clear();
    out.resize(body_size(&[], None, 0, 0), 0);
    write_body(out, 0, &[], None, 0, 0, std::iter::empty());
}

/// Plans the leaf `old` under `edits`, which are sorted, each key once, and within its fences.
pub(crate) fn plan_leaf<'a>(old: Body<'a>, edits: &[Edit<'a>], sizes: &Sizes) -> LeafPlan<'a> {
    let mut plan = LeafPlan {
        lower: old.lower(),
        upper: old.upper(),
        items: Vec::new(),
        pages: Vec::new(),
        separators: Vec::new(),
        splice: None,
        dropped: Vec::new(),
        delta: 0,
    };
    let places: Vec<Result<usize, usize>> = edits.iter().map(|edit| old.find_inside(edit.key())).collect();
    for (edit, place) in edits.iter().zip(&places) {
        if let Ok(i) = place
            && let Value::Overflow(reference) = old.value(*i)
        {
            plan.dropped.push(reference);
        }
        plan.delta += match (edit, place) {
            (Edit::Put { .. }, Err(_)) => 1,
            (Edit::Delete { .. }, Ok(_)) => -1,
            _ => 0,
        };
    }
    if let Some(splice) = Splice::plan(old, edits, &places, sizes.leaf) {
        plan.pages.push(PlannedLeaf { size: splice.size(), start: 0, end: 0, keys: 0 });
        plan.splice = Some(splice);
        return plan;
    }
    plan.items = merge_items(old, edits, &places);
    // Ascending inserts fill pages; anything else leaves room on both sides of a split.
    let appends = places.first().is_some_and(|place| *place == Err(old.len()));
    plan.split(sizes.leaf, appends);
    plan
}

fn merge_items<'a>(old: Body<'a>, edits: &[Edit<'a>], places: &[Result<usize, usize>]) -> Vec<Item<'a>> {
    let mut items = Vec::with_capacity(old.len() + edits.len());
    let mut at = 0;
    for (edit, place) in edits.iter().zip(places) {
        let (Ok(until) | Err(until)) = *place;
        items.extend((at..until).map(|i| Item::Old(old, i)));
        at = if place.is_ok() { until + 1 } else { until };
        if let Edit::Put { key, value } = edit {
            items.push(Item::New(key, *value));
        }
    }
    items.extend((at..old.len()).map(|i| Item::Old(old, i)));
    items
}

/// Plans one leaf in place of two neighbours; `None` if it would be more than three quarters full.
pub(crate) fn merge_leaves<'a>(left: Body<'a>, right: Body<'a>, sizes: &Sizes) -> Option<LeafPlan<'a>> {
    let mut plan = LeafPlan {
        lower: left.lower(),
        upper: right.upper(),
        items: Vec::with_capacity(left.len() + right.len()),
        pages: Vec::new(),
        separators: Vec::new(),
        splice: None,
        dropped: Vec::new(),
        delta: 0,
    };
    plan.items.extend((0..left.len()).map(|i| Item::Old(left, i)));
    plan.items.extend((0..right.len()).map(|i| Item::Old(right, i)));
    let page = plan.page(0, plan.items.len());
    plan.pages.push(page);
    (page.size <= sizes.leaf * 3 / 4).then_some(plan)
}

/// Plans as few leaves as hold what these neighbours hold, each filled to `target`. `None` if there are no leaves.
pub(crate) fn pack_leaves<'a>(leaves: &[Body<'a>], target: usize) -> Option<LeafPlan<'a>> {
    let (first, last) = (leaves.first()?, leaves.last()?);
    let mut plan = LeafPlan {
        lower: first.lower(),
        upper: last.upper(),
        items: leaves.iter().flat_map(|&leaf| (0..leaf.len()).map(move |i| Item::Old(leaf, i))).collect(),
        pages: Vec::new(),
        separators: Vec::new(),
        splice: None,
        dropped: Vec::new(),
        delta: 0,
    };
    plan.split(target, true);
    Some(plan)
}

impl<'a> LeafPlan<'a> {
    /// The bodies, in order; at least one.
    pub(crate) fn pages(&self) -> &[PlannedLeaf] {
        &self.pages
    }

    /// The lower fence of page `i`.
    pub(crate) fn lower(&self, i: usize) -> &[u8] {
        match i.checked_sub(1) {
            Some(before) => &self.separators[before],
            None => self.lower,
        }
    }

    fn upper(&self, i: usize) -> Option<&[u8]> {
        self.separators.get(i).map(Vec::as_slice).or(self.upper)
    }

    /// Overflow references that are replaced or removed.
    pub(crate) fn dropped(&self) -> impl Iterator<Item = &'a [u8]> {
        self.dropped.iter().copied()
    }

    /// Entries added less entries removed.
    pub(crate) fn len_delta(&self) -> i64 {
        self.delta
    }

    /// Writes page `i` to `out`, which has its length.
    pub(crate) fn write(&self, i: usize, out: &mut [u8]) {
        if let Some(splice) = &self.splice {
            return splice.write(out);
        }
        let page = self.pages[i];
        // At most one entry (12,288 + 4,096 bytes) and two fences (12,288 each) in a page above the target.
        debug_assert!(page.size <= MAX_BODY, "a body of {} bytes", page.size);
        let items = &self.items[page.start..page.end];
        let entries = items.iter().map(|item| (item.key(), item.value()));
        write_body(out, 0, self.lower(i), self.upper(i), items.len(), page.keys, entries);
    }

    /// The page of these items. Its fences must be known.
    fn page(&self, start: usize, end: usize) -> PlannedLeaf {
        let i = self.pages.len();
        let (lower, upper) = (self.lower(i), self.upper(i));
        let prefix = prefix_len(lower, upper);
        let items = &self.items[start..end];
        let keys: usize = items.iter().map(|item| item.key_len() - prefix).sum();
        let values: usize = items.iter().map(|item| item.value().bytes().len()).sum();
        let size = body_size(lower, upper, items.len(), keys + values);
        PlannedLeaf { size, start, end, keys }
    }

    /// Chooses where pages end: evenly, or full pages where entries were only appended.
    fn split(&mut self, target: usize, appends: bool) {
        let whole = self.page(0, self.items.len());
        if whole.size <= target || self.items.len() < 2 {
            self.pages.push(whole);
            return;
        }
        let prefix = prefix_len(self.lower, self.upper);
        let cost = |item: &Item<'_>| HEAD + SLOT + item.key_len() - prefix + item.value().bytes().len();
        let fixed = body_size(self.lower, self.upper, 0, 0);
        let room = target.saturating_sub(fixed).max(1);
        let total: usize = self.items.iter().map(cost).sum();
        let full = if appends { room } else { room * 9 / 10 };
        let pages = total.div_ceil(full.max(1)).max(2);
        let fill = if appends { room } else { total.div_ceil(pages) };
        let mut cuts = Vec::new();
        let mut used = 0;
        for (i, item) in self.items.iter().enumerate() {
            let cost = cost(item);
            // An even share may be passed by half an entry, the page's room never.
            if used > 0 && (used + cost > room || used + cost / 2 > fill) {
                cuts.push(i);
                used = 0;
            }
            used += cost;
        }
        self.separators = cuts.iter().map(|&cut| separator(&self.items[cut - 1], &self.items[cut])).collect();
        let mut start = 0;
        cuts.push(self.items.len());
        for end in cuts {
            let page = self.page(start, end);
            self.pages.push(page);
            start = end;
        }
    }
}

/// The shortest key above `left` and not above `right`.
fn separator(left: &Item<'_>, right: &Item<'_>) -> Vec<u8> {
    let whole = |(a, b): Key<'_>| [a, b].concat();
    let (left, mut right) = (whole(left.key()), whole(right.key()));
    let common = common_prefix(&left, &right);
    right.truncate(common + 1);
    right
}

/// Bytes of a key behind a prefix, for tests and the splice.
pub(super) fn suffix_of(key: &[u8], prefix: usize) -> &[u8] {
    skip((&[], key), prefix).1
}

//! Plans inner nodes from their full list of separators.

use super::encode::{body_size, prefix_len, write_body};
use super::{HEAD, SLOT, Sizes, Value};

/// Keys in one buffer.
#[derive(Debug, Default)]
pub(crate) struct KeyList {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl KeyList {
    /// Appends a key.
    pub(crate) fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Key `i`.
    pub(crate) fn get(&self, i: usize) -> &[u8] {
        let start = i.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[i]]
    }
}

/// One inner node to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlannedInner {
    /// Exact length of its body.
    pub(crate) size: usize,
    /// Its first child, among all.
    pub(crate) first_child: usize,
    /// Number of its children.
    pub(crate) children: usize,
    keys: usize,
}

/// Inner nodes for a list of separators.
pub(crate) struct InnerPlan<'a> {
    level: u8,
    lower: &'a [u8],
    upper: Option<&'a [u8]>,
    separators: &'a KeyList,
    pages: Vec<PlannedInner>,
}

/// Spreads the children that `separators` divide evenly over as few nodes as there must be.
pub(crate) fn plan_inner<'a>(
    level: u8,
    lower: &'a [u8],
    upper: Option<&'a [u8]>,
    separators: &'a KeyList,
    sizes: &Sizes,
    max_children: usize,
) -> InnerPlan<'a> {
    let mut plan = InnerPlan { level, lower, upper, separators, pages: Vec::new() };
    let children = separators.len() + 1;
    let whole = plan.page(0, children);
    if (whole.size <= sizes.inner && children <= max_children) || children <= 2 {
        plan.pages.push(whole);
        return plan;
    }
    // Many pages at once are a bulk load, and filled; two are a split, and halved.
    let least = children.div_ceil(max_children * 9 / 10).max(whole.size.div_ceil(sizes.inner * 9 / 10)).max(2);
    let share = children.div_ceil(least).max(2);
    let mut first = 0;
    while first < children {
        let mut count = 1;
        let mut size = body_size(lower, upper, 0, 0);
        while first + count < children && count < share.min(max_children) {
            size += HEAD + SLOT + separators.get(first + count - 1).len();
            if size > sizes.inner && count >= 2 {
                break;
            }
            count += 1;
        }
        // Nobody is left alone, unless only two came before.
        if children - first - count == 1 && count > 2 {
            count -= 1;
        }
        let page = plan.page(first, count);
        plan.pages.push(page);
        first += count;
    }
    plan
}

impl InnerPlan<'_> {
    /// The nodes, in order.
    pub(crate) fn pages(&self) -> &[PlannedInner] {
        &self.pages
    }

    fn fences(&self, first: usize, count: usize) -> (&[u8], Option<&[u8]>) {
        let lower = first.checked_sub(1).map_or(self.lower, |before| self.separators.get(before));
        let last = first + count - 1;
        let upper = if last < self.separators.len() { Some(self.separators.get(last)) } else { self.upper };
        (lower, upper)
    }

    fn page(&self, first: usize, count: usize) -> PlannedInner {
        let (lower, upper) = self.fences(first, count);
        let prefix = prefix_len(lower, upper);
        let keys = (first..first + count - 1).map(|i| self.separators.get(i).len() - prefix).sum();
        PlannedInner { size: body_size(lower, upper, count - 1, keys), first_child: first, children: count, keys }
    }

    /// The lower fence of page `i`.
    pub(crate) fn lower(&self, i: usize) -> &[u8] {
        let page = self.pages[i];
        self.fences(page.first_child, page.children).0
    }

    /// Writes page `i` to `out`, which has its length.
    pub(crate) fn write(&self, i: usize, out: &mut [u8]) {
        let page = self.pages[i];
        let (lower, upper) = self.fences(page.first_child, page.children);
        let keys = page.first_child..page.first_child + page.children - 1;
        let entries = keys.map(|i| ((&[][..], self.separators.get(i)), Value::Inline(&[])));
        write_body(out, self.level, lower, upper, page.children - 1, page.keys, entries);
    }
}

//! All trees of a database, found by number without a lock.

use super::Tree;
use std::sync::OnceLock;

/// A number is split in three: 8 bits, 8 bits, 6 bits. Small tables at each step, so that a file with one absurd number costs
/// kilobytes and not gigabytes (I36).
const TOP: usize = 1 << 8;
const MIDDLE: usize = 1 << 8;
const BOTTOM: usize = 1 << 6;

type Bottom = Box<[OnceLock<Tree>]>;
type Middle = Box<[OnceLock<Bottom>]>;

/// Trees by number. A number is used once; a dropped tree leaves its place empty for good.
pub(crate) struct Forest {
    top: Box<[OnceLock<Middle>]>,
}

fn table<T>(len: usize) -> Box<[OnceLock<T>]> {
    std::iter::repeat_with(OnceLock::new).take(len).collect()
}

impl Forest {
    /// Tree numbers are below this.
    pub(crate) const MOST: u32 = (TOP * MIDDLE * BOTTOM) as u32;

    /// No trees.
    pub(crate) fn new() -> Self {
        Self { top: table(TOP) }
    }

    fn place(id: u32) -> (usize, usize, usize) {
        let id = id as usize;
        (id / BOTTOM / MIDDLE, id / BOTTOM % MIDDLE, id % BOTTOM)
    }

    /// The tree with this number, if it was ever written.
    pub(crate) fn get(&self, id: u32) -> Option<&Tree> {
        let (top, middle, bottom) = Self::place(id);
        self.top.get(top)?.get()?.get(middle)?.get()?.get(bottom)?.get()
    }

    /// The tree with this number, made if need be. `None` past the largest number.
    pub(crate) fn get_or_create(&self, id: u32) -> Option<&Tree> {
        let (top, middle, bottom) = Self::place(id);
        let middles = self.top.get(top)?.get_or_init(|| table(MIDDLE));
        let trees = middles.get(middle)?.get_or_init(|| table(BOTTOM));
        Some(trees.get(bottom)?.get_or_init(|| Tree::new(id)))
    }

    /// The tree with this number, or else with the next larger one.
    pub(crate) fn at_or_after(&self, id: u32) -> Option<&Tree> {
        let (top, middle, bottom) = Self::place(id);
        for (t, middles) in self.top.iter().enumerate().skip(top) {
            let Some(middles) = middles.get() else { continue };
            for (m, trees) in middles.iter().enumerate().skip(if t == top { middle } else { 0 }) {
                let Some(trees) = trees.get() else { continue };
                let first = if (t, m) == (top, middle) { bottom } else { 0 };
                if let Some(tree) = trees.iter().skip(first).find_map(OnceLock::get) {
                    return Some(tree);
                }
            }
        }
        None
    }

    /// Every tree, by ascending number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Tree> {
        let middles = self.top.iter().filter_map(OnceLock::get).flatten();
        middles.filter_map(OnceLock::get).flatten().filter_map(OnceLock::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_far_apart() {
        let forest = Forest::new();
        for id in [0, 1, 63, 64, 191, 192, 65_535, Forest::MOST - 1] {
            assert!(forest.get(id).is_none());
            assert_eq!(forest.get_or_create(id).unwrap().id(), id);
            assert_eq!(forest.get(id).unwrap().id(), id);
        }
        assert!(forest.get_or_create(Forest::MOST).is_none());
        assert_eq!(forest.iter().count(), 8);
        let (mut found, mut from) = (Vec::new(), 0);
        while let Some(tree) = forest.at_or_after(from) {
            found.push(tree.id());
            from = tree.id() + 1;
        }
        assert_eq!(found, forest.iter().map(Tree::id).collect::<Vec<_>>());
    }
}

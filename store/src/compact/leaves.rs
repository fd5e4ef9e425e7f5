//! Packs the leaves of each tree in key order, then joins the inner nodes above them.

use super::{Turn, Work};
use crate::buffer::{Child, Frame, Guard, Swip};
use crate::ckpt::Base;
use crate::error::Result;
use crate::format::PAGE_HEADER_LEN;
use crate::tree::node::Body;
use crate::tree::{Access, Applier, MAX_LEVEL, Packed, Run, Target, Tree, Underfull, load_neighbours};

/// Leaves that one step packs at most, as full ones: what a commit may have to wait for.
const AT_ONCE: usize = 16;
/// The same as they were before.
const MOST_LEAVES: usize = 256;
/// So often leaves are tried again that a snapshot needed an older version of. Joined inner nodes bring leaves together that had different parents,
/// a level more each time.
const PATIENCE: u8 = 3;

/// What a look at a node of level 1 came to.
struct Look {
    /// Leaves worth packing, and the key behind them.
    run: Option<(Run, Option<Vec<u8>>)>,
    /// Where the node ends.
    upper: Option<Vec<u8>>,
    /// Bytes of its leaves.
    bytes: u64,
}

/// A leaf as its parent knows it.
#[derive(Clone, Copy)]
struct Leaf {
    body: usize,
    resident: bool,
}

impl Work<'_> {
    /// Packs all trees.
    pub(super) fn pack(&mut self) -> Result<()> {
        self.let_versions_go()?;
        let trees: Vec<&Tree> = self.base.forest.iter().collect();
        trees.into_iter().try_for_each(|tree| {
            let packed = self.pack_tree(tree);
            self.unless_dropped(tree, packed)
        })
    }

    fn pack_tree(&mut self, tree: &Tree) -> Result<()> {
        for pass in 0..MAX_LEVEL {
            let before = self.did.leaves;
            let later = self.pack_leaves(tree, pass == 0)?;
            // Inner nodes that packing has left small may be joined by whoever comes first, a commit for one.
            let changed = self.join_inner(tree)? || self.did.leaves > before;
            if !changed && (!later || pass >= PATIENCE) {
                break;
            }
        }
        Ok(())
    }

    /// Lets go of what older snapshots have held back and nobody needs now: leaves with a version behind them are not packed. Commits let go of it
    /// bit by bit, and so does this.
    fn let_versions_go(&self) -> Result<()> {
        const TURNS: usize = 1 << 16;
        for _ in 0..TURNS {
            if !self.turn(|turn| Ok(turn.state.versions.releasable(turn.watermark)))? {
                break;
            }
        }
        Ok(())
    }

    /// Goes through the leaves once; whether some of them had to be left for later.
    fn pack_leaves(&mut self, tree: &Tree, first: bool) -> Result<bool> {
        let (base, mut later) = (self.base, false);
        let mut from = Some(Vec::new());
        let mut node_counted: Option<Vec<u8>> = None;
        while let Some(key) = from.take().filter(|_| tree.dropped_at().is_none()) {
            let look = tree.with_node(&base.pager, Target::At(&key), 1, Access::Scan, |node, guard| {
                look(base, node, &key, guard)
            })?;
            let Some(Look { run, upper, bytes }) = look else { break };
            if first && node_counted != upper {
                self.advance(bytes);
                node_counted.clone_from(&upper);
            }
            from = match run {
                None => upper,
                Some((run, end)) => self.pack_run(tree, &run, end, &mut later)?,
            };
        }
        Ok(later)
    }

    /// Packs one run; returns where to go on.
    fn pack_run(&mut self, tree: &Tree, run: &Run, end: Option<Vec<u8>>, later: &mut bool) -> Result<Option<Vec<u8>>> {
        let base = self.base;
        let mut key = Some(run.lower.clone());
        for _ in 0..run.count {
            let Some(at) = key.take() else { break };
            let upper = tree.with_leaf(&base.pager, Target::At(&at), Access::Scan, |leaf, _| {
                Body::trusted(leaf.body()).upper().map(<[u8]>::to_vec)
            })?;
            key = upper.flatten();
        }
        let packed = self.turn(|turn| {
            if tree.dropped_at().is_some() {
                return Ok(Packed::Later);
            }
            let mut applier = Applier::new(&base.pager, turn.watermark);
            let packed = applier.pack(tree, run, fill(base), turn.watermark, &|then, now| worth(base, then, now))?;
            turn.adopt(base, tree, applier)?;
            Ok(packed)
        })?;
        *later |= matches!(packed, Packed::Later);
        let Packed::Done { leaves, pages, last } = packed else { return Ok(end) };
        self.did.leaves += leaves as u64;
        self.did.packed += pages as u64;
        self.breathe()?;
        // What is left over goes together with what comes next.
        Ok(Some(last))
    }

    /// Joins neighbouring inner nodes, level by level; whether there were any.
    fn join_inner(&mut self, tree: &Tree) -> Result<bool> {
        let (base, mut joined) = (self.base, false);
        let most = base.pager.most_children();
        for level in 1..MAX_LEVEL {
            let mut from = Some(Vec::new());
            while let Some(key) = from.take().filter(|_| tree.dropped_at().is_none()) {
                let node = tree.with_node(&base.pager, Target::At(&key), level, Access::Scan, |node, _| {
                    let body = Body::trusted(node.body());
                    (node.level(), node.children(), body.lower().to_vec(), body.upper().map(<[u8]>::to_vec))
                })?;
                let Some((found, children, lower, upper)) = node else { return Ok(joined) };
                if found < level || lower.is_empty() && upper.is_none() {
                    // The root has no neighbour.
                    return Ok(joined);
                }
                let done = children <= most * 5 / 8 && self.join(tree, level, lower)?;
                joined |= done;
                from = if done { Some(key) } else { upper };
            }
        }
        Ok(joined)
    }

    fn join(&self, tree: &Tree, level: u8, lower: Vec<u8>) -> Result<bool> {
        let base = self.base;
        let node = Underfull { tree: tree.id(), level, lower };
        load_neighbours(tree, &base.pager, &node)?;
        let joined = self.turn(|turn| {
            if tree.dropped_at().is_some() {
                return Ok(false);
            }
            let mut applier = Applier::new(&base.pager, turn.watermark);
            applier.merge_loaded(tree, &node, turn.watermark)?;
            let joined = !applier.left.retired.is_empty();
            turn.adopt(base, tree, applier)?;
            Ok(joined)
        })?;
        self.breathe()?;
        Ok(joined)
    }
}

impl Turn<'_> {
    /// Takes over what an applier has left to be done.
    pub(super) fn adopt(&mut self, base: &Base, tree: &Tree, applier: Applier<'_>) -> Result<()> {
        self.state.adopt(&base.pager.pool, tree, applier.left, self.watermark, &self.snapshots)
    }
}

/// Bytes of a packed leaf: a sixteenth is left, so that not every leaf splits at the next insert.
fn fill(base: &Base) -> usize {
    base.pager.sizes.leaf / 16 * 15
}

fn blocks(base: &Base, body: usize) -> usize {
    (body + PAGE_HEADER_LEN).div_ceil(base.pager.block_size as usize)
}

/// Packing writes all of the leaves: that a tenth of their blocks, or a quarter of their number, is saved.
fn worth(base: &Base, then: &[usize], now: &[usize]) -> bool {
    let sum = |bodies: &[usize]| bodies.iter().map(|&body| blocks(base, body)).sum::<usize>();
    let (before, after) = (sum(then), sum(now));
    after * 10 <= before * 9 || (after <= before && now.len() * 4 <= then.len() * 3)
}

/// Looks for leaves worth packing from a key on.
fn look(base: &Base, node: Frame<'_>, key: &[u8], guard: &Guard) -> Look {
    let body = Body::trusted(node.body());
    let upper = body.upper().map(<[u8]>::to_vec);
    if node.level() == 0 {
        return Look { run: None, upper: None, bytes: node.body().len() as u64 };
    }
    let leaf = |child: Child<'_>| {
        let resident = match child.swip() {
            Swip::Resident(id) => base.pager.pool.frame(id, guard),
            _ => None,
        };
        let stored = (child.entry().length as usize).saturating_sub(PAGE_HEADER_LEN);
        Leaf { body: resident.map_or(stored, |leaf| leaf.body().len()), resident: resident.is_some() }
    };
    let leaves: Vec<Leaf> = (0..node.children()).filter_map(|i| node.child(i)).map(leaf).collect();
    let bytes = leaves.iter().map(|leaf| leaf.body as u64).sum();
    let from = body.child_index(key);
    let mut at = from;
    while at < leaves.len() {
        let count = sparse(base, leaves.get(at..).unwrap_or_default());
        if count > 1 {
            let mut lower = Vec::new();
            let fence = |i: usize| {
                let mut fence = Vec::new();
                body.key_into(i - 1, &mut fence);
                fence
            };
            if at > 0 {
                lower = fence(at)
            } else {
                lower.extend_from_slice(body.lower())
            };
            let end = at + count;
            let end = if end < leaves.len() { Some(fence(end)) } else { upper.clone() };
            let cool = leaves.iter().skip(at).take(count).all(|leaf| !leaf.resident);
            return Look { run: Some((Run { lower, count, cool }, end)), upper, bytes };
        }
        at += 1;
    }
    Look { run: None, upper, bytes }
}

/// How many leaves from the front on would, by their lengths, be worth packing together: as many as fill some pages.
fn sparse(base: &Base, leaves: &[Leaf]) -> usize {
    /// What each body has beside its entries, roughly.
    const FIXED: usize = 32;
    let fill = fill(base);
    let pool = &base.pager.pool;
    let most = (fill * AT_ONCE).min(pool.budget() as usize / 8).max(2 * fill);
    let mut content = 0;
    let mut run: Vec<usize> = Vec::new();
    let mut pairs = leaves.windows(2).map(|pair| matches!(pair, [a, b] if a.body + b.body <= fill));
    let mut with_last = false;
    for leaf in leaves.iter().take(MOST_LEAVES) {
        let with_next = pairs.next().unwrap_or(false);
        let full = leaf.body * 8 > base.pager.sizes.leaf * 7;
        if full && !with_next && !with_last || content + leaf.body > most {
            break;
        }
        with_last = with_next;
        content += leaf.body.saturating_sub(FIXED);
        run.push(leaf.body);
    }
    let mut now = vec![fill; content / fill];
    now.extend(Some(content % fill + FIXED).filter(|&rest| rest > FIXED || now.is_empty()));
    if now.len() < run.len() && worth(base, &run, &now) { run.len() } else { 0 }
}

//! The damaged file: its catalog, its records, its log, each as far as it can be read.

use super::older::{Older, merge};
use super::report::Notes;
use crate::blob::{BlobCtx, BlobRef, MAX_CHUNK};
use crate::check::{Findings, Keys, Lost, Page, Pages, Visit, Walker, read_slots};
use crate::engine::MAX_TREES;
use crate::error::{Error, Result};
use crate::format::{ChildEntry, PageKind, Superblock};
use crate::salvage::{Gaps, StrayLeaf, find_strays};
use crate::tree::node::Value;
use crate::typed::MAX_TABLES;
use crate::typed::catalog::{self, Explained};
use crate::typed::check::{Progress, Raw, Role, Schema};
use crate::vfs::Storage;
use crate::wal::{Commit, LogEnd, LogError, LogStart, Malformed, Op, OpsReader, Ring, RingSegment, UNIT, scan};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A record as the source holds it.
pub(super) struct Row<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    /// Whether its page's bytes are known to be those that were written.
    pub(super) verified: bool,
}

/// What a commit of the log does.
pub(super) enum Change<'a> {
    Put {
        tree: u32,
        key: &'a [u8],
        value: &'a [u8],
    },
    Delete {
        tree: u32,
        key: &'a [u8],
    },
    /// A tree goes, with all that is in it.
    Drop {
        tree: u32,
    },
    /// A value could not be read.
    Lost {
        tree: u32,
        key: &'a [u8],
        what: String,
    },
}

/// Why no more of the log is taken.
enum Stop {
    /// The salvage cannot go on.
    Failed(Error),
    /// A commit cannot be read.
    Damaged(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Damaged(what) => f.write_str(what),
        }
    }
}

fn malformed(error: Malformed) -> Error {
    Error::corrupt(error.to_string())
}

type Apply<'a> = &'a mut dyn FnMut(&mut Notes, Change<'_>) -> Result<()>;

/// What a tree has lost, with the reasons by lower end.
#[derive(Default)]
pub(super) struct Damage {
    /// Below damaged inner pages: the leaves may still be there.
    gaps: Gaps,
    /// Damaged leaves and values.
    lost: Vec<(Keys, String)>,
    why: BTreeMap<Vec<u8>, String>,
    /// Where the damaged pages lie.
    pub(super) blocks: Vec<u64>,
}

/// See the module.
pub(super) struct Source<'a> {
    pub(super) storage: &'a dyn Storage,
    length: u64,
    progress: &'a mut dyn FnMut(Progress),
    pub(super) superblock: Superblock,
    guessed: bool,
    /// Superblocks that the device refused to read.
    refused: Vec<String>,
    pub(super) roots: BTreeMap<u32, ChildEntry>,
    /// Whether the directory was read: every tree that had been written to is in `roots`.
    pub(super) rooted: bool,
    /// Trees that the log drops. Whatever else names them is from before.
    dropped: BTreeSet<u32>,
    pub(super) damage: BTreeMap<u32, Damage>,
    strays: Vec<StrayLeaf>,
    /// Which stray covers which ranges.
    pieces: BTreeMap<u32, Vec<Piece>>,
}

/// A range that a stray leaf covers: which one, from where, up to where.
type Piece = (usize, Vec<u8>, Option<Vec<u8>>);

/// Is shown key and value of an entry.
type Entries<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<()>;

/// Notes the damage of a tree and shows its entries.
struct Gather<'a> {
    damage: &'a mut BTreeMap<u32, Damage>,
    entry: Entries<'a>,
}

/// The same for a tree that is gone through again: notes what cannot be read now and could be read before, as its records were counted on.
struct Again<'a> {
    known: BTreeSet<u64>,
    lost: Vec<(Keys, String)>,
    entry: Entries<'a>,
}

impl Visit for Again<'_> {
    fn entry(&mut self, _: u32, key: &[u8], value: &[u8], _: &mut Findings) -> Result<()> {
        (self.entry)(key, value)
    }

    fn lost(&mut self, _: u32, lower: &[u8], upper: Option<&[u8]>, why: &Lost) -> Result<()> {
        if !self.known.contains(&why.block) {
            let keys = match why.value {
                true => Keys::One(lower.to_vec()),
                false => Keys::Range(lower.to_vec(), upper.map(<[u8]>::to_vec)),
            };
            self.lost.push((keys, format!("block {} could be read at first, and not again: {}", why.block, why.what)));
        }
        Ok(())
    }
}

impl Visit for Gather<'_> {
    fn entry(&mut self, _: u32, key: &[u8], value: &[u8], _: &mut Findings) -> Result<()> {
        (self.entry)(key, value)
    }

    fn lost(&mut self, tree: u32, lower: &[u8], upper: Option<&[u8]>, why: &Lost) -> Result<()> {
        let damage = self.damage.entry(tree).or_default();
        damage.blocks.push(why.block);
        if why.value {
            damage.lost.push((Keys::One(lower.to_vec()), format!("block {}: {}", why.block, why.what)));
        } else if why.level == Some(0) {
            let keys = Keys::Range(lower.to_vec(), upper.map(<[u8]>::to_vec));
            damage.lost.push((keys, format!("the page at block {}: {}", why.block, why.what)));
        } else {
            damage.gaps.add(lower, upper);
            damage.why.insert(lower.to_vec(), format!("the page at block {}: {}", why.block, why.what));
        }
        Ok(())
    }
}

impl<'a> Source<'a> {
    /// Chooses a superblock: the newest whole one, else the best guess.
    pub(super) fn open(storage: &'a dyn Storage, progress: &'a mut dyn FnMut(Progress)) -> Result<Self> {
        let slots = read_slots(storage)?;
        let guessed = slots.superblocks.is_empty();
        let refused = slots.found.list.iter().filter(|found| found.unread).map(|found| found.what.clone()).collect();
        let guesses = slots.guesses.into_iter().max_by_key(|superblock| superblock.generation);
        let superblock = slots.superblocks.into_iter().next().or(guesses).ok_or_else(|| {
            Error::corrupt(
                "neither superblock says where anything lies, whatever its checksum: nothing can be salvaged",
            )
        })?;
        Ok(Self {
            storage,
            length: slots.length,
            progress,
            superblock,
            guessed,
            refused,
            roots: BTreeMap::new(),
            rooted: false,
            dropped: BTreeSet::new(),
            damage: BTreeMap::new(),
            strays: Vec::new(),
            pieces: BTreeMap::new(),
        })
    }

    /// The catalog's entries with what the log says of them.
    pub(super) fn catalog(&mut self, notes: &mut Notes) -> Result<Raw> {
        if self.guessed {
            notes.remarks.push("neither superblock is whole, the better one was believed nevertheless".into());
        }
        notes.remarks.append(&mut self.refused);
        let expected = self.superblock.tail.saturating_mul(u64::from(self.superblock.block_size));
        if self.length < expected {
            notes.remarks.push(format!("the file was cut short: it has {} bytes of {expected}", self.length));
        }
        let mut silent = |_| {};
        let mut walker = Walker::new(self.storage, &self.superblock, self.length, &mut silent)?;
        walker.free_map();
        let blind = walker.blind;
        walker.blind = false;
        self.roots = walker.directory().into_iter().map(|entry| (entry.tree, entry.root)).collect();
        self.rooted = !walker.blind;
        if blind {
            notes.remarks.push("the free map is damaged: of several pages for one key the newest was taken".into());
        }
        if !self.rooted {
            notes.remarks.push("the directory is damaged: trees were put together from their pages".into());
        }
        let mut raw = Raw::default();
        let mut entry = |key: &[u8], value: &[u8]| {
            raw.entries.insert(key.to_vec(), value.to_vec());
            Ok(())
        };
        if let Some(root) = self.roots.get(&catalog::TREE.0) {
            walker.tree(catalog::TREE.0, root, &mut Gather { damage: &mut self.damage, entry: &mut entry })?;
        }
        drop(walker);
        let mut older = Older::new();
        if !self.rooted || self.damage.contains_key(&catalog::TREE.0) {
            let written = self.written_by_log(notes)?;
            older = self.old_catalog(&written, notes);
            raw.lost = true;
        }
        let dropped = self.log_of_catalog(&mut raw, &mut older, notes)?;
        let stays = |key: &[u8], value: &[u8]| match catalog::explain(key, value) {
            Ok(Explained::Table { entry, .. }) => !dropped.contains(&entry.tree.0),
            _ => true,
        };
        raw.entries.retain(|key, value| stays(key, value));
        older.retain(|key, (_, value)| stays(key, value));
        merge(&mut raw, older, notes);
        self.dropped = dropped;
        Ok(raw)
    }

    /// The trees that the log writes to.
    fn written_by_log(&mut self, notes: &mut Notes) -> Result<BTreeSet<u32>> {
        let mut written = BTreeSet::new();
        self.log_ahead(notes, &mut |_, change| {
            if let Change::Put { tree, .. } | Change::Lost { tree, .. } = change {
                written.insert(tree);
            }
            Ok(())
        })?;
        Ok(written)
    }

    /// What the log says of the catalog; returns the trees that it drops. Its end is looked at when the records are.
    fn log_of_catalog(&mut self, raw: &mut Raw, older: &mut Older, notes: &mut Notes) -> Result<BTreeSet<u32>> {
        let mut dropped = BTreeSet::new();
        self.log_ahead(notes, &mut |notes, change| {
            if let Change::Lost { tree, what, .. } = &change
                && *tree == catalog::TREE.0
            {
                notes.remark(format!("the log: an entry of the catalog could not be read: {what}"));
            }
            match change {
                Change::Put { tree, key, value } if tree == catalog::TREE.0 => {
                    older.remove(key);
                    raw.entries.insert(key.to_vec(), value.to_vec());
                }
                Change::Delete { tree, key } if tree == catalog::TREE.0 => {
                    older.remove(key);
                    raw.entries.remove(key);
                }
                Change::Drop { tree } => {
                    dropped.insert(tree);
                }
                // No tree is used again; if one is nevertheless, it is better to have too much of it.
                Change::Put { tree, .. } | Change::Lost { tree, .. } => {
                    dropped.remove(&tree);
                }
                Change::Delete { .. } => {}
            }
            Ok(())
        })?;
        Ok(dropped)
    }

    /// What the log had released when the checkpoint was made: everything before this position, commits up to this timestamp. What lies behind
    /// it and is no part of the log is of a tail that was lost.
    pub(super) fn released(&self) -> (u64, u64) {
        (self.superblock.log_start, self.superblock.commit_timestamp)
    }

    pub(super) fn blocks(&self) -> u64 {
        self.length / u64::from(self.superblock.block_size)
    }

    pub(super) fn ring(&self) -> Option<Ring> {
        let segments = self.superblock.segments.iter().map(|segment| RingSegment {
            first: segment.first,
            offset: segment.address * u64::from(self.superblock.block_size),
            length: segment.length,
        });
        Ring::new(segments.collect(), UNIT).ok()
    }

    fn ctx(&self, kind: PageKind) -> BlobCtx {
        let Superblock { file_id, block_size, .. } = self.superblock;
        BlobCtx { file_id, block_size, kind, generation: 0, max_chunk: MAX_CHUNK }
    }

    pub(super) fn value(&self, value: Value<'_>) -> Result<Vec<u8>> {
        match value {
            Value::Inline(bytes) => Ok(bytes.to_vec()),
            Value::Overflow(reference) => {
                crate::blob::read(self.storage, &self.ctx(PageKind::Overflow), &BlobRef::decode(reference)?)
            }
        }
    }

    /// Goes through the trees of the tables once, and finds the leaves that damaged inner pages have named.
    pub(super) fn look(&mut self, schema: &Schema) -> Result<()> {
        let mut walker = Walker::new(self.storage, &self.superblock, self.length, &mut *self.progress)?;
        walker.fixed();
        walker.free_map();
        let trusted = !walker.blind;
        let catalog_damage = self.damage.remove(&catalog::TREE.0);
        let dropped = &self.dropped;
        let known = |tree: u32| {
            let index = matches!(schema.role(tree), Some(Role::Index { .. }));
            !index && tree != catalog::TREE.0 && !dropped.contains(&tree)
        };
        for (&tree, root) in self.roots.iter().filter(|(tree, _)| known(**tree)) {
            walker.tree(tree, root, &mut Gather { damage: &mut self.damage, entry: &mut |_, _| Ok(()) })?;
        }
        let damage = &self.damage;
        let (rooted, newest) = (self.rooted, self.superblock.generation);
        if !rooted || damage.values().any(|damage| !damage.gaps.is_empty()) {
            let taken = |block| walker.blocks.is_owned(block) || (trusted && walker.blocks.is_free(block));
            let wanted = |tree: u32, page: &Page| {
                let gaps = damage.get(&tree).is_some_and(|damage| !damage.gaps.is_empty());
                known(tree) && (gaps || !rooted) && page.header.generation <= newest
            };
            self.strays = find_strays(
                &walker.pages,
                self.length / u64::from(self.superblock.block_size),
                &taken,
                &wanted,
                &mut || {},
            );
        }
        walker.finish();
        drop(walker);
        if let Some(damage) = catalog_damage {
            self.damage.insert(catalog::TREE.0, damage);
        }
        self.assign();
        Ok(())
    }

    /// Gives every missing range to the newest leaf that covers it.
    fn assign(&mut self) {
        for (at, leaf) in self.strays.iter().enumerate() {
            if !self.rooted && !self.damage.contains_key(&leaf.tree) {
                let damage = self.damage.entry(leaf.tree).or_default();
                damage.gaps.add(&[], None);
                damage.why.insert(Vec::new(), "the directory does not name its pages".into());
            }
            let Some(damage) = self.damage.get_mut(&leaf.tree) else { continue };
            for (lower, upper) in damage.gaps.cover(&leaf.lower, leaf.upper.as_deref()) {
                self.pieces.entry(leaf.tree).or_default().push((at, lower, upper));
            }
        }
    }

    /// Trees whose tables nobody knows, each with the number of a tree for its bytes.
    pub(super) fn unknown_trees(&self, schema: &Schema, notes: &mut Notes) -> Vec<(u32, u32)> {
        let trees = self.roots.keys().copied().chain(self.pieces.keys().copied());
        let unknown = |tree: u32| tree != catalog::TREE.0 && schema.role(tree).is_none();
        let mut unknown: Vec<u32> = trees.filter(|&tree| unknown(tree) && !self.dropped.contains(&tree)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        // Every leaf that is found may say that it is of another tree.
        let room = (MAX_TABLES as usize).saturating_sub(schema.tables.len());
        if unknown.len() > room {
            notes.remarks.push(format!(
                "{} trees that belong to no table were left out: a file has {MAX_TABLES} tables at most",
                unknown.len() - room
            ));
            unknown.truncate(room);
        }
        let free = (catalog::FIRST_TREE..MAX_TREES).filter(|&tree| schema.role(tree).is_none());
        unknown.into_iter().zip(free).collect()
    }

    /// Shows every record of a tree that can be read.
    pub(super) fn rows(&mut self, tree: u32, with: &mut dyn FnMut(Row<'_>) -> Result<()>) -> Result<()> {
        if let Some(root) = self.roots.get(&tree) {
            let mut silent = |_| {};
            let mut walker = Walker::new(self.storage, &self.superblock, self.length, &mut silent)?;
            let mut entry = |key: &[u8], value: &[u8]| with(Row { key, value, verified: true });
            // What is damaged was noted when the tree was gone through first.
            let known = self.damage.get(&tree).map(|damage| damage.blocks.iter().copied().collect());
            let mut again = Again { known: known.unwrap_or_default(), lost: Vec::new(), entry: &mut entry };
            walker.tree(tree, root, &mut again)?;
            if !again.lost.is_empty() {
                self.damage.entry(tree).or_default().lost.extend(again.lost);
            }
        }
        let pages = Pages::new(self.storage, &self.superblock);
        for (at, lower, upper) in self.pieces.get(&tree).cloned().unwrap_or_default() {
            let Some(leaf) = self.strays.get(at) else { continue };
            let (verified, address) = (leaf.verified, leaf.entry.address);
            let Ok(Some(stray)) = pages.stray(address) else {
                let what = format!("the page at block {address} could be read at first, and not again");
                self.damage.entry(tree).or_default().lost.push((Keys::Range(lower, upper), what));
                continue;
            };
            let body = stray.page.body();
            let mut key = Vec::new();
            for i in 0..body.len() {
                body.key_into(i, &mut key);
                if key < lower || upper.as_ref().is_some_and(|upper| key >= *upper) {
                    continue;
                }
                match self.value(body.value(i)) {
                    Ok(value) => with(Row { key: &key, value: &value, verified })?,
                    Err(error) => {
                        let damage = self.damage.entry(tree).or_default();
                        damage.lost.push((Keys::One(key.clone()), error.to_string()));
                    }
                }
            }
        }
        Ok(())
    }

    /// The same before the records come over. A device may refuse now what it reads then, so that is noted, too.
    fn log_ahead(&self, notes: &mut Notes, apply: Apply<'_>) -> Result<()> {
        let mut ahead = Notes::default();
        self.log(&mut ahead, apply)?;
        ahead.remarks.into_iter().for_each(|remark| notes.remark(remark));
        Ok(())
    }

    /// Shows what the log's commits do, in order, up to where it ends or is damaged.
    pub(super) fn log(&self, notes: &mut Notes, apply: Apply<'_>) -> Result<()> {
        let Some(ring) = self.ring() else {
            notes.remark("the place of the log is impossible: what it held is lost");
            return Ok(());
        };
        let start = LogStart {
            position: self.superblock.log_start,
            chain: self.superblock.chain,
            salts: &self.superblock.salts,
            timestamp: self.superblock.commit_timestamp,
        };
        let read = scan(self.storage, &ring, start, &mut |commit| {
            self.commit(&commit, notes, apply)?;
            notes.log_commits += 1;
            Ok(())
        });
        let stopped = match read {
            Ok(LogEnd { unread: 0, .. }) => return Ok(()),
            Ok(LogEnd { unread, .. }) => {
                notes.remark(format!("the log: {unread} parts of it could not be read, behind the last commit"));
                return Ok(());
            }
            Err(LogError::Visitor(Stop::Failed(error))) => return Err(error),
            Err(error) => error,
        };
        notes.remark(format!("the log: {stopped}; what commits from there on did is lost"));
        Ok(())
    }

    /// A commit comes over whole or not at all: one that moves records from a table to another must not take them out of the one and bring
    /// nothing to the other. So its parts are all read before the first is applied, and read again then, because together they may be more
    /// than memory holds.
    fn commit(&self, commit: &Commit<'_>, notes: &mut Notes, apply: Apply<'_>) -> Result<(), Stop> {
        self.parts(commit.body, &mut |part| OpsReader::new(part).try_for_each(|op| op.map(|_| ()).map_err(malformed)))
            .map_err(|error| {
                Stop::Damaged(format!("the commit at position {} is damaged: {error}", commit.position))
            })?;
        self.parts(commit.body, &mut |part| self.operations(part, notes, apply)).map_err(Stop::Failed)
    }

    /// Shows the operations of a commit: those that had no room in its record, in order, then the record's own.
    fn parts(&self, body: &[u8], with: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for op in OpsReader::new(body) {
            if let Op::Spill { reference } = op.map_err(malformed)? {
                let blob = BlobRef::decode(reference)?;
                with(&crate::blob::read(self.storage, &self.ctx(PageKind::Spill), &blob)?)?;
            }
        }
        with(body)
    }

    fn operations(&self, body: &[u8], notes: &mut Notes, apply: Apply<'_>) -> Result<()> {
        for op in OpsReader::new(body) {
            match op.map_err(malformed)? {
                // Before the catalog has been read, no tree is known to be dropped.
                Op::Put { tree, .. } | Op::Delete { tree, .. } | Op::PutOverflow { tree, .. }
                    if self.dropped.contains(&tree) => {}
                Op::Put { tree, key, value } => apply(notes, Change::Put { tree, key, value })?,
                Op::Delete { tree, key } => apply(notes, Change::Delete { tree, key })?,
                Op::PutOverflow { tree, key, reference, .. } => match self.value(Value::Overflow(reference)) {
                    Ok(value) => apply(notes, Change::Put { tree, key, value: &value })?,
                    Err(error) => apply(notes, Change::Lost { tree, key, what: error.to_string() })?,
                },
                Op::DropTree { tree } => apply(notes, Change::Drop { tree })?,
                // Parts were read before.
                Op::Spill { .. } | Op::Claim { .. } => {}
            }
        }
        Ok(())
    }

    /// What could not be read: tree, keys, why.
    pub(super) fn lost(&self) -> impl Iterator<Item = (u32, Keys, String)> + '_ {
        self.damage.iter().flat_map(|(&tree, damage)| {
            let known = damage.lost.iter().map(move |(keys, what)| (tree, keys.clone(), what.clone()));
            let gaps = damage.gaps.iter().map(move |(lower, upper)| {
                let why = damage.why.range(..=lower.to_vec()).next_back().map(|(_, why)| why.clone());
                (tree, Keys::Range(lower.to_vec(), upper.map(<[u8]>::to_vec)), why.unwrap_or_default())
            });
            known.chain(gaps)
        })
    }
}

//! Writes a capture: dirty leaves first, then the inner nodes above them, bottom up.

use super::base::Base;
use super::capture::{CapturedNode, CapturedTree};
use super::output::Output;
use crate::buffer::{Frame, FrameId, pin};
use crate::error::{Error, Result};
use crate::format::{ChildEntry, PageHeader, PageKind};
use crate::tree::page_image;

/// A page that was written for a captured node.
pub(super) struct Written {
    pub(super) tree: u32,
    pub(super) level: u8,
    pub(super) id: FrameId,
    pub(super) entry: ChildEntry,
    /// The image that it replaces.
    pub(super) old: ChildEntry,
}

/// Writes the pages of one capture and remembers them, children before parents.
pub(super) struct Writer<'a> {
    base: &'a Base,
    pub(super) output: Output<'a>,
    pub(super) written: Vec<Written>,
    payload: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(base: &'a Base, generation: u64) -> Self {
        Self { base, output: Output::new(base, generation), written: Vec::new(), payload: Vec::new() }
    }

    /// Writes a tree's dirty pages; returns where its root is.
    pub(super) fn tree(&mut self, tree: &CapturedTree<'_>) -> Result<ChildEntry> {
        self.node(tree.id, &tree.root)
    }

    /// Recursion goes down the levels of a captured tree, which are at most 64.
    fn node(&mut self, tree: u32, node: &CapturedNode<'_>) -> Result<ChildEntry> {
        match node {
            CapturedNode::Clean(entry) => Ok(*entry),
            CapturedNode::Leaf { id, old } => {
                let mut payload = std::mem::take(&mut self.payload);
                payload.clear();
                let timestamp = {
                    let guard = pin();
                    let frame = self.base.pager.pool.frame(*id, &guard);
                    let frame = frame.ok_or_else(|| Error::corrupt("a captured leaf is gone; please report this"))?;
                    page_image(frame, &[], &mut payload);
                    frame.timestamp()
                };
                let entry = self.output.page(header(PageKind::Leaf, tree, 0, timestamp), &payload)?;
                self.payload = payload;
                self.written.push(Written { tree, level: 0, id: *id, entry, old: *old });
                Ok(entry)
            }
            CapturedNode::Inner { frame, old, children } => {
                let entries = children.iter().map(|child| self.node(tree, child)).collect::<Result<Vec<_>>>()?;
                self.inner(tree, frame.frame(), &entries, old)
            }
        }
    }

    fn inner(&mut self, tree: u32, frame: Frame<'_>, entries: &[ChildEntry], old: &ChildEntry) -> Result<ChildEntry> {
        self.payload.clear();
        page_image(frame, entries, &mut self.payload);
        let level = frame.level();
        let entry = self.output.page(header(PageKind::Inner, tree, level, 0), &self.payload)?;
        self.written.push(Written { tree, level, id: frame.id(), entry, old: *old });
        Ok(entry)
    }
}

fn header(kind: PageKind, tree: u32, level: u8, timestamp: u64) -> PageHeader {
    PageHeader { kind, level, tree, address: 0, generation: 0, length: 0, timestamp }
}

//! Moves values that lie outside their page: a value is copied chunk by chunk, and its leaf gets the new reference.
//!
//! Snapshots that began before may hold the old reference, also those of the newest commit. So the old extents go to quarantine for all
//! snapshots up to that commit, and leave it when a newer one has been made or when nobody reads (`Work::let_go`).

use super::Work;
use super::rounds::{Limits, Seen};
use crate::blob::{BLOB_REF_LEN, BlobRef, BlobWriter, for_each_chunk};
use crate::ckpt::accounting;
use crate::error::{Error, ErrorKind, Result};
use crate::format::PageKind;
use crate::space::Extent;
use crate::sync::atomic::Ordering;
use crate::tree::node::{Body, Value};
use crate::tree::{Access, Applier, MovedValue, Target, Tree};

/// Bytes of values that are copied before their leaf learns of it.
const AT_ONCE: u64 = 1 << 20;

/// A value that was copied.
struct Copied {
    value: MovedValue,
    extents: Vec<Extent>,
}

/// Values of one leaf, by key, and where the next leaf begins.
type Found = (Vec<(Vec<u8>, [u8; BLOB_REF_LEN])>, Option<Vec<u8>>);

impl Work<'_> {
    /// Moves the values of a tree. Reads all of its leaves.
    pub(super) fn move_values(&mut self, tree: &Tree, limits: &Limits, seen: &mut Seen) -> Result<()> {
        let mut from = Some(Vec::new());
        while let Some(key) = from.take().filter(|_| tree.dropped_at().is_none()) {
            let found = tree.with_leaf(&self.base.pager, Target::At(&key), Access::Scan, |leaf, _| {
                references(Body::trusted(leaf.body()))
            })?;
            let Some((values, upper)) = found else { return Ok(()) };
            from = upper;
            let mut copied: Vec<Copied> = Vec::new();
            let mut bytes = 0;
            for (key, reference) in values {
                let copy = self.copy_value(tree, key, reference, limits, seen).inspect_err(|_| {
                    // The first failure is the one to tell.
                    let _ = self.give_up(copied.iter().flat_map(|copy| copy.extents.iter().copied()));
                })?;
                let Some((copy, length)) = copy else { continue };
                copied.push(copy);
                bytes += length;
                if bytes >= AT_ONCE {
                    self.tell_leaf(tree, std::mem::take(&mut copied), seen)?;
                    bytes = 0;
                }
            }
            self.tell_leaf(tree, copied, seen)?;
        }
        Ok(())
    }

    /// Copies a value that lies behind its limit nearer to the front, if there is a hole.
    fn copy_value(
        &self,
        tree: &Tree,
        key: Vec<u8>,
        from: [u8; BLOB_REF_LEN],
        limits: &Limits,
        seen: &mut Seen,
    ) -> Result<Option<(Copied, u64)>> {
        let blob = BlobRef::decode(&from)?;
        let parts = self.parts(&blob).or_else(|error| self.unless_gone(tree, &key, &from, error))?;
        parts.iter().for_each(|&extent| seen.note(limits, extent));
        if !parts.iter().any(|&extent| limits.exceeds(extent)) {
            return Ok(None);
        }
        let last = parts.iter().map(|extent| extent.start).max().unwrap_or(0);
        let mut extents = Vec::new();
        let mut no_hole = None;
        let written = self.write_value(&blob, last, &mut extents, &mut no_hole);
        let to = match written {
            Ok(to) => to,
            Err(error) => {
                self.give_up(extents.into_iter())?;
                if let Some(blocks) = no_hole {
                    seen.no_hole(blocks);
                    return Ok(None);
                }
                self.unless_gone(tree, &key, &from, error)?;
                return Ok(None);
            }
        };
        let value = MovedValue { key, from, to: to.encode() };
        Ok(Some((Copied { value, extents }, blob.length)))
    }

    fn write_value(
        &self,
        blob: &BlobRef,
        before: u64,
        extents: &mut Vec<Extent>,
        no_hole: &mut Option<u64>,
    ) -> Result<BlobRef> {
        let base = self.base;
        let mut allocate = |blocks| {
            let mut space = base.room()?;
            match space.allocate_below(blocks, blocks, before).map_err(accounting)? {
                Some(extent) => {
                    space.mark_tentative(extent);
                    extents.push(extent);
                    base.count_written(blocks);
                    Ok(extent)
                }
                None => {
                    *no_hole = Some(blocks);
                    Err(Error::new(ErrorKind::StorageFull, "there is no hole for a value"))
                }
            }
        };
        let (storage, ctx) = (&*base.pager.storage, base.blob_ctx(PageKind::Overflow, 0));
        let generation = || base.generation.load(Ordering::Acquire) + 1;
        let mut writer = BlobWriter::new(storage, ctx, &mut allocate, &generation);
        for_each_chunk(storage, &ctx, blob, &mut |chunk| writer.push(chunk))?;
        writer.finish()
    }

    /// What failed is told only if the value is still the one that was read: something else may lie there by now.
    fn unless_gone(
        &self,
        tree: &Tree,
        key: &[u8],
        reference: &[u8; BLOB_REF_LEN],
        error: Error,
    ) -> Result<Vec<Extent>> {
        let same = tree.with_leaf(&self.base.pager, Target::At(key), Access::Scan, |leaf, _| {
            let body = Body::trusted(leaf.body());
            body.find(key).is_ok_and(|i| body.value(i) == Value::Overflow(reference))
        })?;
        if same == Some(true) {
            return Err(error.context(format_args!("tree {}: moving a value", tree.id())));
        }
        Ok(Vec::new())
    }

    /// Tells the leaf where its values lie now.
    fn tell_leaf(&mut self, tree: &Tree, copied: Vec<Copied>, seen: &mut Seen) -> Result<()> {
        let Some(first) = copied.first() else { return Ok(()) };
        let base = self.base;
        let extents = || copied.iter().flat_map(|copy| copy.extents.iter().copied());
        // It may have left memory meanwhile.
        let there = tree.with_leaf(&base.pager, Target::At(&first.value.key), Access::Scan, |_, _| ());
        there.inspect_err(|_| {
            // The first failure is the one to tell.
            let _ = self.give_up(extents());
        })?;
        let values: Vec<MovedValue> = copied.iter().map(|copy| copy.value.clone()).collect();
        let told = self.turn_with(extents(), |turn| {
            let mut told = vec![false; values.len()];
            if tree.dropped_at().is_none() {
                let mut applier = Applier::new(&base.pager, turn.watermark);
                told = applier.replace_values(tree, &values, turn.watermark)?;
                turn.adopt(base, tree, applier)?;
            }
            let published = base.registry.published();
            let mut space = base.space()?;
            for (copy, &told) in copied.iter().zip(&told) {
                if told {
                    turn.state.dropped.push((copy.value.from.to_vec(), published + 1));
                    copy.extents.iter().for_each(|&extent| space.adopt(extent));
                } else {
                    copy.extents.iter().try_for_each(|&extent| space.free(extent).map_err(accounting))?;
                }
            }
            // Who registers after the next look for snapshots sees the new references.
            base.registry.publish(published);
            Ok(told)
        })?;
        for (copy, _) in copied.iter().zip(told).filter(|(_, told)| *told) {
            let blocks: u64 = copy.extents.iter().map(|extent| extent.len).sum();
            seen.moved += blocks;
            self.did.moved += 1;
            self.did.moved_bytes += blocks * self.block();
            self.advance(blocks * self.block());
        }
        self.breathe()
    }
}

/// The references of a leaf.
fn references(body: Body<'_>) -> Found {
    let mut found = Vec::new();
    if body.has_overflow() {
        for i in 0..body.len() {
            if let Value::Overflow(bytes) = body.value(i)
                && let Ok(reference) = bytes.try_into()
            {
                let mut key = Vec::new();
                body.key_into(i, &mut key);
                found.push((key, reference));
            }
        }
    }
    (found, body.upper().map(<[u8]>::to_vec))
}

//! The private writes of one transaction (I20): per tree an ordered map of small keys, values in one arena.

use super::filter::Filter;
use super::read_set::fingerprint;
use crate::blob::BlobRef;
use crate::error::Result;
use crate::wal::{Op, OpsWriter};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::{Bound, Range};

const INLINE: usize = 30;

/// A key: up to 30 bytes in place, longer ones on the heap.
#[derive(Clone)]
pub(crate) struct SmallKey(Repr);

#[derive(Clone)]
enum Repr {
    Inline(u8, [u8; INLINE]),
    Heap(Box<[u8]>),
}

impl SmallKey {
    fn new(key: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match bytes.get_mut(..key.len()) {
            Some(place) => {
                place.copy_from_slice(key);
                Self(Repr::Inline(key.len() as u8, bytes))
            }
            None => Self(Repr::Heap(key.into())),
        }
    }

    /// The first eight bytes, and zeros behind a short key.
    #[inline]
    fn head(&self) -> u64 {
        let head = match &self.0 {
            Repr::Inline(_, bytes) => bytes.first_chunk(),
            Repr::Heap(bytes) => bytes.first_chunk(),
        };
        head.map_or(0, |head| u64::from_be_bytes(*head))
    }

    fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Heap(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for SmallKey {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for SmallKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for SmallKey {}

impl PartialOrd for SmallKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SmallKey {
    /// As the bytes are. Most keys differ in their first eight, which are one comparison: behind a short key zeros stand, and no byte is less.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match self.head().cmp(&other.head()) {
            Ordering::Equal => self.as_slice().cmp(other.as_slice()),
            order => order,
        }
    }
}

enum Write {
    /// Place of the value in the arena.
    Put(usize, u32),
    Overflow(Box<BlobRef>),
    Delete,
}

/// What a write set says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hit<'a> {
    /// This value.
    Put(&'a [u8]),
    /// A value in extents.
    Overflow(&'a BlobRef),
    /// Nothing any more.
    Deleted,
}

#[derive(Default)]
struct TreeWrites {
    map: BTreeMap<SmallKey, Write>,
    /// The tree goes away, with all that is below this transaction.
    dropped: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct WriteSet {
    trees: BTreeMap<u32, TreeWrites>,
    arena: Vec<u8>,
    /// Bytes that the encoded operations will take, at most.
    encoded: usize,
    /// Bytes of keys and values that it was given, and those before it in its transaction.
    payload: u64,
    /// Values long enough for extents, by tree and key.
    large: Vec<(u32, SmallKey)>,
    filter: Filter,
}

/// Takes a piece of an encoded write set: tree, first key, operations.
type Emit<'a> = dyn FnMut(u32, &[u8], Vec<u8>) -> Result<()> + 'a;

/// Kind, tree and two lengths of an encoded operation.
const OP_OVERHEAD: usize = 16;

impl WriteSet {
    /// Whether it says nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.trees.is_empty()
    }

    /// An empty one for the rest of a transaction whose writes until now lie elsewhere.
    pub(crate) fn behind(&self) -> Self {
        Self { payload: self.payload, ..Self::default() }
    }

    /// Bytes of keys and values that the transaction was given.
    pub(crate) fn payload(&self) -> u64 {
        self.payload
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn footprint(&self) -> usize {
        /// A node of std's map has room for eleven entries, and is half full after a split.
        const fn nodes(entry: usize, count: usize) -> usize {
            (count / 6 + 1) * (11 * entry + 16)
        }
        let of_tree = |tree: &TreeWrites| nodes(size_of::<(SmallKey, Write)>(), tree.map.len());
        let trees = nodes(size_of::<(u32, TreeWrites)>(), self.trees.len());
        // Long keys lie beside the arena.
        let keys = self.encoded.saturating_sub(self.arena.len());
        self.arena.capacity() + keys + trees + self.trees.values().map(of_tree).sum::<usize>()
    }

    /// At most how long [`encode`](Self::encode) will be.
    pub(crate) fn encoded_len(&self) -> usize {
        self.encoded
    }

    /// Stores a value; `large` remembers it for [`take_large`](Self::take_large).
    pub(crate) fn put(&mut self, tree: u32, key: &[u8], value: &[u8], large: bool) {
        let at = self.arena.len();
        self.arena.extend_from_slice(value);
        self.encoded += OP_OVERHEAD + key.len() + value.len();
        self.payload += (key.len() + value.len()) as u64;
        let key = SmallKey::new(key);
        if large {
            self.large.push((tree, key.clone()));
        }
        self.insert(tree, key, Write::Put(at, value.len() as u32));
    }

    /// Stores a value that is in extents.
    pub(crate) fn put_overflow(&mut self, tree: u32, key: &[u8], blob: BlobRef) {
        self.encoded += OP_OVERHEAD + key.len() + crate::blob::BLOB_REF_LEN;
        self.payload += key.len() as u64 + blob.length;
        self.insert(tree, SmallKey::new(key), Write::Overflow(Box::new(blob)));
    }

    /// Removes a key.
    pub(crate) fn delete(&mut self, tree: u32, key: &[u8]) {
        self.encoded += OP_OVERHEAD + key.len();
        self.payload += key.len() as u64;
        self.insert(tree, SmallKey::new(key), Write::Delete);
    }

    fn insert(&mut self, tree: u32, key: SmallKey, write: Write) {
        if let Some(keys) = self.filter.outgrown() {
            self.filter.restart(keys);
            for (&tree, writes) in &self.trees {
                writes.map.keys().for_each(|key| self.filter.add(fingerprint(tree, key.as_slice())));
            }
        }
        self.filter.add(fingerprint(tree, key.as_slice()));
        self.trees.entry(tree).or_default().map.insert(key, write);
    }

    /// Removes a whole tree.
    pub(crate) fn drop_tree(&mut self, tree: u32) {
        self.encoded += OP_OVERHEAD;
        let writes = self.trees.entry(tree).or_default();
        writes.map.clear();
        writes.dropped = true;
    }

    /// Whether it says nothing about a tree.
    pub(crate) fn is_silent(&self, tree: u32) -> bool {
        !self.trees.contains_key(&tree)
    }

    /// Whether it drops a tree.
    pub(crate) fn drops(&self, tree: u32) -> bool {
        self.trees.get(&tree).is_some_and(|writes| writes.dropped)
    }

    fn hit<'a>(&'a self, write: &'a Write) -> Hit<'a> {
        match write {
            Write::Put(at, len) => Hit::Put(self.arena.get(*at..*at + *len as usize).unwrap_or_default()),
            Write::Overflow(blob) => Hit::Overflow(blob),
            Write::Delete => Hit::Deleted,
        }
    }

    /// What it says of a key; `None`: ask what lies below.
    pub(crate) fn get(&self, tree: u32, key: &[u8]) -> Option<Hit<'_>> {
        let writes = self.trees.get(&tree)?;
        let found = if self.filter.may_hold(fingerprint(tree, key)) { writes.map.get(key) } else { None };
        match found {
            Some(write) => Some(self.hit(write)),
            None => writes.dropped.then_some(Hit::Deleted),
        }
    }

    /// The first entry of a tree behind (or, backwards, before) a bound.
    pub(crate) fn seek(&self, tree: u32, from: Bound<&[u8]>, forward: bool) -> Option<(&[u8], Hit<'_>)> {
        let map = &self.trees.get(&tree)?.map;
        let (key, write) = if forward {
            map.range::<[u8], _>((from, Bound::Unbounded)).next()?
        } else {
            map.range::<[u8], _>((Bound::Unbounded, from)).next_back()?
        };
        Some((key.as_slice(), self.hit(write)))
    }

    /// The trees that it says something about, ascending.
    pub(crate) fn trees(&self) -> impl Iterator<Item = u32> {
        self.trees.keys().copied()
    }

    /// The entries of a tree, in order.
    pub(crate) fn entries(&self, tree: u32) -> impl Iterator<Item = (&[u8], Hit<'_>)> {
        let writes = self.trees.get(&tree);
        writes.into_iter().flat_map(|writes| &writes.map).map(|(key, write)| (key.as_slice(), self.hit(write)))
    }

    /// The large values that are still in memory: tree, key, place of the value for [`value`](Self::value).
    pub(crate) fn take_large(&mut self) -> Vec<(u32, SmallKey, Range<usize>)> {
        let large = std::mem::take(&mut self.large);
        let place = |(tree, key): (u32, SmallKey)| match self.trees.get(&tree)?.map.get(key.as_slice())? {
            Write::Put(at, len) => Some((tree, key, *at..*at + *len as usize)),
            _ => None,
        };
        let mut found: Vec<_> = large.into_iter().filter_map(place).collect();
        found.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        found.dedup_by(|a, b| (a.0, &a.1) == (b.0, &b.1));
        found
    }

    /// Bytes of the arena.
    pub(crate) fn value(&self, place: Range<usize>) -> &[u8] {
        self.arena.get(place).unwrap_or_default()
    }

    /// Puts a large value's reference in its place.
    pub(crate) fn move_to_extents(&mut self, tree: u32, key: &SmallKey, blob: BlobRef) {
        if let Some(write) = self.trees.get_mut(&tree).and_then(|writes| writes.map.get_mut(key.as_slice())) {
            *write = Write::Overflow(Box::new(blob));
        }
    }

    /// The body of its log record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = OpsWriter::append_to(Vec::with_capacity(self.encoded));
        for (&tree, writes) in &self.trees {
            if writes.dropped {
                out.push(Op::DropTree { tree });
            }
            for (key, write) in &writes.map {
                self.encode_one(&mut out, tree, key.as_slice(), write);
            }
        }
        out.into_body()
    }

    fn encode_one(&self, out: &mut OpsWriter, tree: u32, key: &[u8], write: &Write) {
        let reference;
        out.push(match self.hit(write) {
            Hit::Put(value) => Op::Put { tree, key, value },
            Hit::Overflow(blob) => {
                reference = blob.encode();
                Op::PutOverflow { tree, key, length: blob.length, reference: &reference }
            }
            Hit::Deleted => Op::Delete { tree, key },
        });
    }

    /// The same in pieces of about `most` bytes, each of one tree: `emit` gets the tree, the first key and the operations.
    pub(crate) fn encode_pages(&self, most: usize, emit: &mut Emit<'_>) -> Result<()> {
        for (&tree, writes) in &self.trees {
            let mut out = OpsWriter::default();
            let mut first: Option<&[u8]> = None;
            let mut bytes = 0;
            if writes.dropped {
                out.push(Op::DropTree { tree });
                // Its page comes before all others of the tree, and seeks for any key may look into it.
                first = Some(&[]);
            }
            for (key, write) in &writes.map {
                let key = key.as_slice();
                first.get_or_insert(key);
                self.encode_one(&mut out, tree, key, write);
                bytes += OP_OVERHEAD + key.len() + if let Hit::Put(value) = self.hit(write) { value.len() } else { 0 };
                if bytes >= most {
                    emit(tree, first.take().unwrap_or_default(), std::mem::take(&mut out).into_body())?;
                    bytes = 0;
                }
            }
            if let Some(first) = first {
                emit(tree, first, out.into_body())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::SmallKey;

    #[test]
    fn small_keys_are_ordered_as_their_bytes() {
        let mut random = fastrand::Rng::with_seed(8);
        // Few different bytes, so that many keys begin the same, or are others with zeros behind.
        let mut key =
            |_| -> Vec<u8> { (0..random.usize(..40)).map(|_| [0, 0, 0, 1, 255][random.usize(..5)]).collect() };
        let keys: Vec<Vec<u8>> = (0..600).map(&mut key).collect();
        for (a, b) in keys.iter().flat_map(|a| keys.iter().map(move |b| (a, b))) {
            assert_eq!(SmallKey::new(a).cmp(&SmallKey::new(b)), a.cmp(b), "{a:?} {b:?}");
        }
    }
}

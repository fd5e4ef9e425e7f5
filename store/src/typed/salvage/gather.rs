//! Index entries on their way into the new file: gathered from many records, sorted, and judged by unique keys.

use crate::error::Result;
use crate::typed::plan::Listed;
use std::collections::BTreeMap;
use std::ops::Range;

/// An entry that was gathered.
#[derive(Debug, Clone, Copy)]
struct Gathered {
    /// Where its key lies.
    start: usize,
    len: u32,
    /// Which record it is of.
    record: u32,
    /// Which index of the table.
    index: u32,
    /// Whether the record's key is its value, and its own key is unique.
    owns: bool,
}

/// The order in which entries came: that of their keys' places, and of two at one place the empty one came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    record: u32,
    start: usize,
    len: u32,
    index: u32,
}

/// A unique key that more than one record wants.
enum Claim {
    /// A record whose entries were put before has it.
    Taken { index: usize, by: Vec<u8> },
    /// Others that are gathered want it too; the first of them that is kept gets it.
    Shared { index: usize, group: usize },
}

/// A record that is left out.
pub(super) enum Refusal {
    /// Its bytes are no record.
    Malformed(String),
    /// The record with this key was first to claim a key of this unique index.
    Conflict { index: usize, other: Vec<u8> },
}

/// The entries of some records of a table, which follow each other.
#[derive(Default)]
pub(super) struct Batch {
    /// Keys of records and entries.
    bytes: Vec<u8>,
    records: Vec<Range<usize>>,
    entries: Vec<Gathered>,
    refused: BTreeMap<u32, Refusal>,
}

/// Looks up which record has a key of a unique index in the new file.
pub(super) type Owner<'a> = &'a mut dyn FnMut(usize, &[u8]) -> Result<Option<Vec<u8>>>;

impl Batch {
    /// About how many bytes it has.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
            + self.records.len() * size_of::<Range<usize>>()
            + self.entries.len() * size_of::<Gathered>()
            + self.refused.len() * 128
    }

    fn keep(&mut self, bytes: &[u8]) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start
    }

    fn record(&mut self, key: &[u8]) -> u32 {
        let start = self.keep(key);
        self.records.push(start..self.bytes.len());
        (self.records.len() - 1) as u32
    }

    /// Adds a record and its entries.
    pub(super) fn add(&mut self, key: &[u8], listed: &[Listed]) {
        let record = self.record(key);
        for entry in listed {
            let start = self.keep(&entry.key);
            let (len, index) = (entry.key.len() as u32, entry.index as u32);
            self.entries.push(Gathered { start, len, record, index, owns: entry.owns });
        }
    }

    /// Adds a record that cannot be kept.
    pub(super) fn refuse(&mut self, key: &[u8], why: String) {
        let record = self.record(key);
        self.refused.insert(record, Refusal::Malformed(why));
    }

    fn key(&self, entry: &Gathered) -> &[u8] {
        self.bytes.get(entry.start..entry.start + entry.len as usize).unwrap_or_default()
    }

    fn of(&self, record: u32) -> &[u8] {
        self.records.get(record as usize).and_then(|place| self.bytes.get(place.clone())).unwrap_or_default()
    }

    /// Sorts the entries, and refuses records as if they had come one by one: each that claims a unique key of one before it that was kept.
    pub(super) fn judge(&mut self, owner: Owner<'_>) -> Result<()> {
        let bytes = &self.bytes;
        let key = |entry: &Gathered| bytes.get(entry.start..entry.start + entry.len as usize);
        // Those that claim a key come together, whatever the others of their index are.
        self.entries
            .sort_unstable_by(|a, b| (a.index, a.owns, key(a), a.record).cmp(&(b.index, b.owns, key(b), b.record)));
        let (claims, groups) = self.claims(owner)?;
        let mut holders: Vec<Option<u32>> = vec![None; groups];
        let mut claims = claims.into_iter().peekable();
        while let Some((Place { record, .. }, first)) = claims.next() {
            let mut own = vec![first];
            while let Some((_, claim)) = claims.next_if(|(place, _)| place.record == record) {
                own.push(claim);
            }
            let holder = |group: usize| holders.get(group).copied().flatten().filter(|&holder| holder != record);
            let refusal = own.iter().find_map(|claim| match claim {
                Claim::Taken { index, by } => Some(Refusal::Conflict { index: *index, other: by.clone() }),
                Claim::Shared { index, group } => {
                    holder(*group).map(|holder| Refusal::Conflict { index: *index, other: self.of(holder).to_vec() })
                }
            });
            if let Some(refusal) = refusal {
                self.refused.insert(record, refusal);
                continue;
            }
            for claim in own {
                if let Claim::Shared { group, .. } = claim
                    && let Some(holder) = holders.get_mut(group)
                {
                    *holder = Some(record);
                }
            }
        }
        Ok(())
    }

    /// Unique keys that more than one record claims, by record and in the order in which its entries came; and how many groups share one.
    fn claims(&self, owner: Owner<'_>) -> Result<(BTreeMap<Place, Claim>, usize)> {
        let mut claims = BTreeMap::new();
        let mut groups = 0;
        let one = |entry: &Gathered| (entry.index, entry.owns);
        for same in self.entries.chunk_by(|a, b| one(a) == one(b) && self.key(a) == self.key(b)) {
            let Some(first) = same.first().filter(|entry| entry.owns) else { continue };
            let index = first.index as usize;
            let stored = owner(index, self.key(first))?;
            if stored.is_none() && same.iter().all(|entry| entry.record == first.record) {
                continue;
            }
            for entry in same {
                let claim = match &stored {
                    Some(by) if by.as_slice() == self.of(entry.record) => continue,
                    Some(by) => Claim::Taken { index, by: by.clone() },
                    None => Claim::Shared { index, group: groups },
                };
                let &Gathered { record, start, len, index, .. } = entry;
                claims.insert(Place { record, start, len, index }, claim);
            }
            groups += 1;
        }
        Ok((claims, groups))
    }

    /// Every record with what speaks against it, in their order.
    pub(super) fn records(&self) -> impl Iterator<Item = (&[u8], Option<&Refusal>)> + '_ {
        (0..self.records.len() as u32).map(|record| (self.of(record), self.refused.get(&record)))
    }

    /// What the indexes get: number of the index, key, value; in the order of these.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, &[u8], &[u8])> + '_ {
        let kept = self.entries.iter().filter(|entry| !self.refused.contains_key(&entry.record));
        kept.map(|entry| {
            let value = if entry.owns { self.of(entry.record) } else { &[] };
            (entry.index as usize, self.key(entry), value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tamarack_codec::KeyBuf;

    /// Indexes of the table: two are unique, one is not.
    const UNIQUE: [bool; 3] = [true, false, true];

    fn key(bytes: &[u8]) -> KeyBuf {
        let mut key = KeyBuf::new();
        key.extend_from_slice(bytes);
        key
    }

    /// Entries of a record, of few different keys; some keys are empty.
    fn listed(record: &[u8], random: &mut fastrand::Rng) -> Vec<Listed> {
        let mut all = Vec::new();
        for (index, owns) in UNIQUE.into_iter().enumerate() {
            for _ in 0..random.usize(0..3) {
                let part = vec![random.u8(0..40); random.usize(0..3)];
                let bytes = if owns { part } else { [&part[..], record].concat() };
                all.push(Listed { index, key: key(&bytes), owns });
            }
        }
        all
    }

    type Stored = BTreeMap<(usize, Vec<u8>), Vec<u8>>;

    /// Keeps a record if no other has one of its unique keys; else says which one has.
    fn one_by_one(stored: &mut Stored, record: &[u8], listed: &[Listed]) -> Option<(usize, Vec<u8>)> {
        for entry in listed.iter().filter(|entry| entry.owns) {
            if let Some(other) = stored.get(&(entry.index, entry.key.to_vec()))
                && other != record
            {
                return Some((entry.index, other.clone()));
            }
        }
        let entries = listed.iter().map(|entry| ((entry.index, entry.key.to_vec()), entry.value(record).to_vec()));
        stored.extend(entries);
        None
    }

    #[test]
    fn records_are_judged_as_if_they_came_one_by_one() {
        let mut random = fastrand::Rng::with_seed(3);
        let (mut conflicts, mut kept) = (0, 0);
        for _ in 0..300 {
            let (mut expected, mut stored) = (Stored::new(), Stored::new());
            let mut first = 0;
            while first < 60_u32 {
                let end = first + random.u32(1..30);
                let mut batch = Batch::default();
                let mut says = Vec::new();
                for record in (first..end).map(u32::to_be_bytes) {
                    if random.u8(..) < 10 {
                        batch.refuse(&record, "no record".into());
                        says.push(None);
                        continue;
                    }
                    let listed = listed(&record, &mut random);
                    batch.add(&record, &listed);
                    says.push(Some(one_by_one(&mut expected, &record, &listed)));
                }
                batch.judge(&mut |index, key| Ok(stored.get(&(index, key.to_vec())).cloned())).unwrap();
                for ((record, refusal), (number, say)) in batch.records().zip((first..end).zip(says)) {
                    assert_eq!(record, number.to_be_bytes());
                    match (refusal, say) {
                        (None, Some(None)) => kept += 1,
                        (Some(Refusal::Malformed(_)), None) => {}
                        (Some(Refusal::Conflict { index, other }), Some(Some(say))) => {
                            assert_eq!((*index, other), (say.0, &say.1));
                            conflicts += 1;
                        }
                        (_, say) => panic!("record {number}: {say:?} one by one"),
                    }
                }
                assert!(batch.entries().map(|(index, key, _)| (index, key)).is_sorted());
                stored.extend(batch.entries().map(|(index, key, value)| ((index, key.to_vec()), value.to_vec())));
                first = end;
            }
            assert_eq!(stored, expected);
        }
        assert!(conflicts > 1000 && kept > 1000, "{conflicts} and {kept}");
    }
}

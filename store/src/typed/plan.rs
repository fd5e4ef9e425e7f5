//! What a table of the catalog says of its records, without their types: which keys its indexes must hold.
//!
//! It does for bytes what [`IndexSink`](super::IndexSink) does for records, and gives the same keys.

use super::catalog::{IndexEntry, TableEntry, Version};
use tamarack_codec::{
    DecodeError, Field, KeyBuf, ShapeDef, can_recode, check_value, element_parts, key_parts, pass_parts, render_key,
    row_fields, split_row, starts_with_none,
};

/// A table, and where the parts of its indexes come from.
pub(super) struct TablePlan {
    pub(super) name: String,
    pub(super) entry: TableEntry,
    key: Vec<ShapeDef>,
    /// Whether each index can be worked out from the stored bytes alone.
    derivable: Vec<bool>,
}

/// An entry that an index must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Which index of the table.
    pub(super) index: usize,
    pub(super) key: KeyBuf,
    /// Whether the primary key is its value; else it has none.
    pub(super) owns: bool,
}

impl Listed {
    /// What is stored under its key.
    pub(super) fn value<'a>(&self, primary: &'a [u8]) -> &'a [u8] {
        if self.owns { primary } else { &[] }
    }
}

/// A record cut into the parts of its key and its fields.
struct Cut<'a> {
    key: Vec<KeyBuf>,
    version: &'a Version,
    fields: Vec<&'a [u8]>,
}

impl TablePlan {
    pub(super) fn new(name: String, entry: TableEntry) -> Self {
        let key = entry.key.iter().map(|(_, shape)| shape.clone()).collect();
        let mut plan = Self { name, entry, key, derivable: Vec::new() };
        plan.derivable = plan.entry.indexes.iter().map(|index| plan.can_derive(index)).collect();
        plan
    }

    fn can_derive(&self, index: &IndexEntry) -> bool {
        index.parts.iter().all(|(name, part)| {
            let in_key = self.entry.key.iter().find(|(field, _)| field == name);
            let mut in_rows = self.entry.versions.iter().map(|version| version.field(name));
            match in_key {
                Some((_, shape)) => can_recode(shape, part, index.each),
                None => in_rows.all(|field| field.is_some_and(|shape| can_recode(shape, part, index.each))),
            }
        })
    }

    /// Whether the entries of an index can be worked out.
    pub(super) fn derives(&self, index: usize) -> bool {
        self.derivable.get(index).copied().unwrap_or(false)
    }

    fn cut<'a>(&'a self, key: &[u8], row: &'a [u8]) -> Result<Cut<'a>, DecodeError> {
        let (number, body) = split_row(row)?;
        let version = self.entry.versions.iter().find(|version| version.number == number);
        let version =
            version.ok_or_else(|| DecodeError::new(format!("schema version {number} is not in the catalog")))?;
        let fields = row_fields(version.fields.iter().map(|(_, (_, shape))| shape), body)?;
        Ok(Cut { key: key_parts(&self.key, key)?, version, fields })
    }

    /// Checks that a stored record, or an entry of a plain table, is what the catalog says.
    pub(super) fn check(&self, key: &[u8], value: &[u8]) -> Result<(), DecodeError> {
        if let Some(shape) = &self.entry.value {
            key_parts(&self.key, key)?;
            return check_value(shape, value);
        }
        let cut = self.cut(key, value)?;
        cut.version.fields.iter().zip(&cut.fields).try_for_each(|((_, (_, shape)), field)| check_value(shape, field))
    }

    /// All index entries of a record that can be worked out, by index.
    pub(super) fn entries(&self, key: &[u8], row: &[u8]) -> Result<Vec<Listed>, DecodeError> {
        let mut entries = Vec::new();
        if self.entry.indexes.is_empty() {
            return Ok(entries);
        }
        let cut = self.cut(key, row)?;
        for (at, index) in self.entry.indexes.iter().enumerate().filter(|(at, _)| self.derives(*at)) {
            if index.each {
                self.elements(at, index, &cut, key, &mut entries)?;
            } else {
                entries.push(self.whole(at, index, &cut, key)?);
            }
        }
        Ok(entries)
    }

    fn field<'a>(&'a self, cut: &'a Cut<'_>, name: &str) -> Result<Field<'a>, DecodeError> {
        let in_key = self.entry.key.iter().zip(&cut.key).find(|((field, _), _)| field == name);
        if let Some(((_, shape), bytes)) = in_key {
            return Ok(Field::Key { shape, bytes });
        }
        let in_row = cut.version.fields.iter().zip(&cut.fields).find(|((_, (field, _)), _)| field == name);
        let Some(((_, (_, shape)), bytes)) = in_row else {
            return Err(DecodeError::new(format!("an index is over the field `{name}`, which no row has")));
        };
        Ok(Field::Row { shape, bytes })
    }

    fn whole(&self, at: usize, index: &IndexEntry, cut: &Cut<'_>, primary: &[u8]) -> Result<Listed, DecodeError> {
        let mut key = KeyBuf::new();
        let mut none = false;
        for (i, (name, part)) in index.parts.iter().enumerate() {
            let field = self.field(cut, name)?;
            let start = key.len();
            field.write_part(part, false, &mut key)?;
            none |= starts_with_none(part, key.as_slice().get(start).copied());
            if index.unique && i + 1 == index.parts.len() && !none {
                key.truncate(start);
                field.write_part(part, true, &mut key)?;
            }
        }
        let owns = index.unique && !none;
        if !owns {
            key.extend_from_slice(primary);
        }
        Ok(Listed { index: at, key, owns })
    }

    fn elements(
        &self,
        at: usize,
        index: &IndexEntry,
        cut: &Cut<'_>,
        primary: &[u8],
        entries: &mut Vec<Listed>,
    ) -> Result<(), DecodeError> {
        let Some((name, part)) = index.parts.first() else { return Ok(()) };
        for mut key in element_parts(&self.field(cut, name)?, part)? {
            if !index.unique {
                key.extend_from_slice(primary);
            }
            entries.push(Listed { index: at, key, owns: index.unique });
        }
        Ok(())
    }

    /// The primary key that an entry of an index names.
    pub(super) fn primary<'a>(&self, index: usize, key: &'a [u8], value: &'a [u8]) -> Result<&'a [u8], DecodeError> {
        let index = self.entry.indexes.get(index).ok_or_else(|| DecodeError::new("there is no such index"))?;
        if index.unique && !value.is_empty() {
            return Ok(value);
        }
        let mut rest = key;
        pass_parts(index.parts.iter().map(|(_, shape)| shape), &mut rest)?;
        Ok(rest)
    }

    /// A primary key as text.
    pub(super) fn show_key(&self, key: &[u8]) -> String {
        render_key(&self.key, key)
    }

    /// A stored key of an index as text.
    pub(super) fn show_index_key(&self, index: usize, key: &[u8]) -> String {
        let Some(index) = self.entry.indexes.get(index) else { return render_key(&[], key) };
        let parts: Vec<_> = index.parts.iter().map(|(_, shape)| shape.clone()).collect();
        let alone = render_key(&parts, key);
        if index.unique && !alone.starts_with("0x") {
            return alone;
        }
        render_key(&[parts, self.key.clone()].concat(), key)
    }
}

/// What `simulate::decode` feeds with bytes that nobody wrote: an entry of the catalog, and keys and rows of its table in turn.
#[cfg(all(feature = "simulate", not(shuttle)))]
pub(crate) fn decode_table(entry: &[u8], rows: &[&[u8]]) -> bool {
    let Ok(entry) = TableEntry::decode(entry) else { return false };
    assert_eq!(TableEntry::decode(&entry.encode()).as_ref(), Ok(&entry), "it is read otherwise than it was written");
    let _ = entry.fingerprint();
    let plan = TablePlan::new("fuzzed".to_owned(), entry);
    let mut sound = true;
    for pair in rows.chunks_exact(2) {
        let [key, row] = pair else { continue };
        let _ = plan.show_key(key);
        sound &= plan.check(key, row).is_ok();
        let listed = plan.entries(key, row).unwrap_or_default();
        for one in &listed {
            let _ = plan.show_index_key(one.index, &one.key);
            let _ = plan.primary(one.index, &one.key, one.value(key));
        }
    }
    sound
}

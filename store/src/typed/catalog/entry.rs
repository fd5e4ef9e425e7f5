//! A table's entry in the catalog: everything a tool needs to read the table without the program.
//!
//! Behind the head (mod.rs) the descriptor follows, as one value of the row codec: a tuple of
//! record name (empty for plain tables), key codec, row codec, automatic ids, key parts (name, descriptor), schema versions (number,
//! fields (id, name, descriptor)), next field id, indexes (id, name, tree, flags, state, parts (field, descriptor)), value descriptor of a
//! plain table (empty for records). Descriptors are the bytes of `ShapeDef`.

use super::FORMAT;
use crate::engine::TreeId;
use crate::typed::record::RecordDef;
use std::fmt::Write as _;
use tamarack_codec::{DecodeError, Shape, ShapeDef, decode_value};

/// KC1.
const KEY_CODEC: u8 = 1;
/// Row format 1.
const ROW_CODEC: u8 = 1;
/// An index that is complete.
const READY: u8 = 1;

const UNIQUE: u8 = 1;
const EACH: u8 = 2;

/// A name with what it stands for.
pub(in crate::typed) type Named = (String, ShapeDef);

/// One version of a record's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::typed) struct Version {
    pub(in crate::typed) number: u32,
    /// Field id, name, shape; in the order in which rows hold them.
    pub(in crate::typed) fields: Vec<(u32, Named)>,
}

impl Version {
    /// The shape of a field.
    pub(in crate::typed) fn field(&self, name: &str) -> Option<&ShapeDef> {
        self.fields.iter().find(|(_, (field, _))| field == name).map(|(_, (_, shape))| shape)
    }
}

/// An index in the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::typed) struct IndexEntry {
    pub(in crate::typed) id: u32,
    pub(in crate::typed) name: String,
    pub(in crate::typed) tree: TreeId,
    pub(in crate::typed) unique: bool,
    pub(in crate::typed) each: bool,
    pub(in crate::typed) parts: Vec<Named>,
}

/// A table in the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::typed) struct TableEntry {
    pub(in crate::typed) table: u32,
    pub(in crate::typed) tree: TreeId,
    /// The record's name; `None` for a plain table.
    pub(in crate::typed) record: Option<String>,
    pub(in crate::typed) auto: bool,
    pub(in crate::typed) key: Vec<Named>,
    pub(in crate::typed) versions: Vec<Version>,
    pub(in crate::typed) next_field: u32,
    pub(in crate::typed) indexes: Vec<IndexEntry>,
    /// What a plain table holds.
    pub(in crate::typed) value: Option<ShapeDef>,
}

type StoredNamed = (String, Vec<u8>);
type StoredVersion = (u32, Vec<(u32, String, Vec<u8>)>);
type StoredIndex = (u32, String, u32, u8, u8, Vec<StoredNamed>);
type Stored = ((String, u8, u8, bool), Vec<StoredNamed>, Vec<StoredVersion>, u32, Vec<StoredIndex>, Vec<u8>);

fn store((name, shape): &Named) -> StoredNamed {
    (name.clone(), shape.to_bytes())
}

fn load((name, shape): StoredNamed) -> Result<Named, DecodeError> {
    Ok((name, ShapeDef::from_bytes(&shape)?))
}

impl TableEntry {
    /// The entry as stored.
    pub(in crate::typed) fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        Shape::encode(&(self.table, self.tree.0, self.fingerprint()), &mut out);
        let version = |version: &Version| {
            let field = |(id, (name, shape)): &(u32, Named)| (*id, name.clone(), shape.to_bytes());
            (version.number, version.fields.iter().map(field).collect::<Vec<_>>())
        };
        let index = |index: &IndexEntry| {
            let flags = if index.unique { UNIQUE } else { 0 } | if index.each { EACH } else { 0 };
            let parts = index.parts.iter().map(store).collect::<Vec<_>>();
            (index.id, index.name.clone(), index.tree.0, flags, READY, parts)
        };
        let stored: Stored = (
            (self.record.clone().unwrap_or_default(), KEY_CODEC, ROW_CODEC, self.auto),
            self.key.iter().map(store).collect(),
            self.versions.iter().map(version).collect(),
            self.next_field,
            self.indexes.iter().map(index).collect(),
            self.value.as_ref().map(ShapeDef::to_bytes).unwrap_or_default(),
        );
        Shape::encode(&stored, &mut out);
        out
    }

    /// Reads an entry.
    pub(in crate::typed) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let head = super::Head::decode(bytes)?;
        let body = bytes.get(1 + 4 + 4 + 8..).unwrap_or_default();
        let ((record, key_codec, row_codec, auto), key, versions, next_field, indexes, value) =
            decode_value::<Stored>(body)?;
        if (key_codec, row_codec) != (KEY_CODEC, ROW_CODEC) {
            return Err(DecodeError::new(format!(
                "keys of version {key_codec} and rows of version {row_codec} are unknown to this version"
            )));
        }
        let version = |(number, fields): StoredVersion| {
            let field = |(id, name, shape)| Ok((id, load((name, shape))?));
            Ok(Version { number, fields: fields.into_iter().map(field).collect::<Result<_, DecodeError>>()? })
        };
        let index = |(id, name, tree, flags, state, parts): StoredIndex| {
            if state != READY || flags & !(UNIQUE | EACH) != 0 {
                return Err(DecodeError::new(format!("index `{name}` is in a state unknown to this version")));
            }
            super::check_tree(tree)?;
            let parts = parts.into_iter().map(load).collect::<Result<_, _>>()?;
            let (unique, each) = (flags & UNIQUE != 0, flags & EACH != 0);
            Ok(IndexEntry { id, name, tree: TreeId(tree), unique, each, parts })
        };
        Ok(Self {
            table: head.table,
            tree: head.tree,
            record: Some(record).filter(|record| !record.is_empty()),
            auto,
            key: key.into_iter().map(load).collect::<Result<_, _>>()?,
            versions: versions.into_iter().map(version).collect::<Result<_, _>>()?,
            next_field,
            indexes: indexes.into_iter().map(index).collect::<Result<_, _>>()?,
            value: if value.is_empty() { None } else { Some(ShapeDef::from_bytes(&value)?) },
        })
    }

    /// The trees of its rows and of its indexes.
    pub(in crate::typed) fn trees(&self) -> impl Iterator<Item = TreeId> {
        std::iter::once(self.tree).chain(self.indexes.iter().map(|index| index.tree))
    }

    /// The newest version's fields.
    pub(in crate::typed) fn fields(&self) -> impl Iterator<Item = &Named> {
        self.versions.last().into_iter().flat_map(|version| version.fields.iter().map(|(_, named)| named))
    }

    /// A hash of everything that decides how bytes are read: the canonical text, one line for each part.
    pub(in crate::typed) fn fingerprint(&self) -> u64 {
        let mut text = String::new();
        let mut line = |what: &str, name: &str, shape: &dyn std::fmt::Display| {
            let _ = writeln!(text, "{what} {name}: {shape}");
        };
        for (name, shape) in &self.key {
            line("key", name, shape);
        }
        for (name, shape) in self.fields() {
            line("field", name, shape);
        }
        for index in &self.indexes {
            let unique = if index.unique { "unique" } else { "index" };
            line(unique, &index.name, &if index.each { "each" } else { "" });
            for (name, shape) in &index.parts {
                line("part", name, shape);
            }
        }
        if let Some(value) = &self.value {
            line("value", "", value);
        }
        line("auto", "", &self.auto);
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }

    /// The entry of a record that the file does not have yet. Trees are numbered from `tree` on: the rows', then one for each index.
    pub(super) fn of_record(def: &RecordDef, table: u32, tree: u32) -> Self {
        let named = |(name, shape): &(&str, ShapeDef)| ((*name).to_owned(), shape.clone());
        let fields: Vec<_> = (1..).zip(def.fields.iter().map(named)).collect();
        let index = |(at, index): (u32, &crate::typed::IndexDef)| IndexEntry {
            id: at,
            name: index.name.to_owned(),
            tree: TreeId(tree + at),
            unique: index.unique,
            each: index.each,
            parts: index.parts.iter().map(named).collect(),
        };
        Self {
            table,
            tree: TreeId(tree),
            record: Some(def.record.to_owned()),
            auto: def.auto,
            key: def.key.iter().map(named).collect(),
            next_field: u32::try_from(fields.len()).unwrap_or(u32::MAX).saturating_add(1),
            versions: vec![Version { number: 1, fields }],
            indexes: (1..).zip(&def.indexes).map(index).collect(),
            value: None,
        }
    }

    /// The entry of a plain table.
    pub(super) fn of_plain(key: ShapeDef, value: ShapeDef, table: u32, tree: u32) -> Self {
        Self {
            table,
            tree: TreeId(tree),
            record: None,
            auto: false,
            key: vec![("key".to_owned(), key)],
            versions: Vec::new(),
            next_field: 1,
            indexes: Vec::new(),
            value: Some(value),
        }
    }
}

//! What is fed with bytes that nobody wrote. A target ends with an answer or an error of its own; panics, hangs and memory beyond the limits are
//! what the fuzzer looks for.

use crate::edit::edit;
use crate::salvage::salvage;
use crate::streams;
use crate::world::{self, World};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;
use tamarack::simulate::anatomy;
use tamarack::simulate::{Disk, decode, raw};
use tamarack::{Database, ErrorKind};
use tamarack_codec::{
    Compact, Desc, Finite, Id, KeyBuf, KeyPart, RowReader, ShapeDef, Timestamp, Total, check_value, decode_key,
    decode_value, key_parts, render_key,
};

/// A decoder, or all of them.
#[derive(Clone, Copy)]
pub struct Target {
    /// How it is called.
    pub name: &'static str,
    /// Feeds it. Returns whether the bytes meant something.
    pub run: fn(&[u8]) -> bool,
}

/// All targets.
pub const TARGETS: [Target; 8] = [
    Target { name: "superblock", run: decode::superblock },
    Target { name: "page", run: decode::page },
    Target { name: "row", run: row },
    Target { name: "key", run: key },
    Target { name: "log", run: decode::log },
    Target { name: "catalog", run: decode::catalog },
    Target { name: "file", run: file },
    Target { name: "backup", run: streams::backup },
];

/// The target of a name.
#[must_use]
pub fn named(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// A shape with its length in front, then a value: by descriptor, and as each of many types.
fn row(bytes: &[u8]) -> bool {
    let Some((shape, value)) = described(bytes) else { return false };
    let described = shape.is_some_and(|shape| {
        assert_eq!(ShapeDef::from_bytes(&shape.to_bytes()).as_ref(), Ok(&shape));
        check_value(&shape, value).is_ok()
    });
    let _ = decode_value::<Vec<String>>(value);
    let _ = decode_value::<Vec<Vec<Option<u64>>>>(value);
    let _ = decode_value::<BTreeMap<String, Vec<u16>>>(value);
    let _ = decode_value::<BTreeSet<char>>(value);
    let _ = decode_value::<(Option<String>, [i128; 2], f32, Duration)>(value);
    let _ = decode_value::<(Vec<()>, Vec<[u64; 0]>, bool)>(value);
    if let Ok((_, mut row)) = RowReader::new(value) {
        let _ = row.opaque::<Vec<Option<String>>>("opaque");
    }
    described
}

fn described(bytes: &[u8]) -> Option<(Option<ShapeDef>, &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (shape, value) = rest.split_at_checked(usize::from(length))?;
    Some((ShapeDef::from_bytes(shape).ok(), value))
}

/// Shapes and a stored key: by descriptor, and as each of many types. What is decoded is encoded to the same bytes.
fn key(bytes: &[u8]) -> bool {
    let Some((shape, value)) = described(bytes) else { return false };
    let described = shape.is_some_and(|shape| {
        let _ = render_key(std::slice::from_ref(&shape), value);
        key_parts([&shape], value).is_ok()
    });
    same::<(u8, i64, bool)>(value);
    same::<(String, Option<String>)>(value);
    same::<(Desc<String>, u16)>(value);
    same::<Vec<(u16, String)>>(value);
    same::<(Total<f64>, Finite<f32>)>(value);
    same::<(Compact<u64>, Compact<i64>)>(value);
    same::<(Timestamp, Duration, char)>(value);
    same::<(std::net::IpAddr, [u8; 3], Id<world::Person>)>(value);
    same::<Vec<u8>>(value);
    described
}

fn same<K: KeyPart>(bytes: &[u8]) {
    if let Ok(key) = decode_key::<K>(bytes) {
        let mut out = KeyBuf::new();
        key.encode_last(&mut out);
        assert_eq!(&out[..], bytes, "two encodings of one key: {}", std::any::type_name::<K>());
    }
}

/// One in eight files, by bits of the first byte.
const SALVAGED: u8 = 1;

/// A sound file, changed by a list of edits and sealed again; then opened, read, checked, written and opened once more. The first byte says
/// whether it is sealed at all, and whether it is salvaged first. An edit is a part of the file, a place in it, and what is done there.
fn file(bytes: &[u8]) -> bool {
    static WORLD: OnceLock<World> = OnceLock::new();
    let world = WORLD.get_or_init(|| World::new(false));
    let Some((&first, edits)) = bytes.split_first() else { return false };
    let mut image = world.bytes.clone();
    let spans: Vec<_> = world.parts.iter().map(|part| part.start..part.start + part.length).collect();
    // The first two are superblocks.
    edit(&spans, 2, &mut image, edits);
    if first % 4 > 0 {
        anatomy::seal(&mut image, &world.parts);
    }
    if first >> 2 & 7 == SALVAGED {
        salvaged(&image);
    }
    let disk = Disk::holding(1, &image);
    let sound = live(&disk).is_ok();
    // Whatever it was: it has not become worse to look at.
    let _ = world::open(&disk).and_then(|db| db.check());
    drop(disk);
    raw::settle();
    sound
}

/// A salvage ends with a sound file that can be read, or says that there is nothing to begin with.
fn salvaged(image: &[u8]) {
    let rows = |path: &Path| {
        let db = Database::<()>::open_read_only(path).unwrap_or_else(|error| panic!("what was salvaged: {error}"));
        db.check().unwrap_or_else(|error| panic!("what was salvaged: {error}"));
    };
    match salvage(image, rows) {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            let told = matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotADatabase | ErrorKind::TooNew);
            assert!(told, "damage is told as {:?}: {error}", error.kind());
        }
        Err(error) => panic!("no file could be made: {error}"),
    }
}

fn live(disk: &Disk) -> tamarack::Result<()> {
    let db = world::open(disk)?;
    let read = world::read(&db).map(|_| ());
    let check = db.check();
    let written = world::commit(&db, 90, false);
    let closed = db.close();
    read.and(check).and(written).and(closed)
}

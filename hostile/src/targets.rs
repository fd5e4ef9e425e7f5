//! What is fed with bytes that nobody wrote. A target ends with an answer or an error of its own; panics, hangs and memory beyond the limits are
//! what the fuzzer looks for.

use crate::world::{self, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Duration;
use tamarack::simulate::anatomy::{self, What};
use tamarack::simulate::{Disk, decode, raw};
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
pub const TARGETS: [Target; 7] = [
    Target { name: "superblock", run: decode::superblock },
    Target { name: "page", run: decode::page },
    Target { name: "row", run: row },
    Target { name: "key", run: key },
    Target { name: "log", run: decode::log },
    Target { name: "catalog", run: decode::catalog },
    Target { name: "file", run: file },
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

/// Numbers that break what does not look.
const NUMBERS: [u64; 12] =
    [0, 1, 2, 0x7f, 0xff, 0xffff, 1 << 20, u32::MAX as u64, 1 << 40, (1 << 48) - 1, i64::MAX as u64, u64::MAX];

/// A sound file, changed by a list of edits and sealed again; then opened, read, checked, written and opened once more. The first byte says
/// whether it is sealed at all. An edit is a part of the file, a place in it, and what is done there.
fn file(bytes: &[u8]) -> bool {
    static WORLD: OnceLock<World> = OnceLock::new();
    let world = WORLD.get_or_init(|| World::new(false));
    let Some((&first, edits)) = bytes.split_first() else { return false };
    let mut image = world.bytes.clone();
    edit(world, &mut image, edits);
    if first % 4 > 0 {
        anatomy::seal(&mut image, &world.parts);
    }
    let disk = Disk::holding(1, &image);
    let sound = live(&disk).is_ok();
    // Whatever it was: it has not become worse to look at.
    let _ = world::open(&disk).and_then(|db| db.check());
    drop(disk);
    raw::settle();
    sound
}

fn live(disk: &Disk) -> tamarack::Result<()> {
    let db = world::open(disk)?;
    let read = world::read(&db).map(|_| ());
    let check = db.check();
    let written = world::commit(&db, 90, false);
    let closed = db.close();
    read.and(check).and(written).and(closed)
}

fn edit(world: &World, image: &mut [u8], mut edits: &[u8]) {
    while let Some((&[part, low, high, what], rest)) = edits.split_first_chunk::<4>() {
        edits = rest;
        let Some(part) = world.parts.get(usize::from(part) % world.parts.len()) else { continue };
        let at = part.start + usize::from(u16::from_le_bytes([low, high])) % part.length;
        let end = part.start + part.length;
        match what % 4 {
            0 => {
                let count = (usize::from(what >> 2) % 16 + 1).min(rest.len()).min(end - at);
                let (new, later) = rest.split_at(count);
                image[at..at + count].copy_from_slice(new);
                edits = later;
            }
            1 => {
                let number = NUMBERS[usize::from(what >> 2) % NUMBERS.len()];
                let count = 8.min(end - at);
                image[at..at + count].copy_from_slice(&number.to_le_bytes()[..count]);
            }
            2 => {
                // The address of another part, in blocks.
                let other = &world.parts[usize::from(what >> 2) * 3 % world.parts.len()];
                let count = 8.min(end - at);
                image[at..at + count].copy_from_slice(&((other.start / 512) as u64).to_le_bytes()[..count]);
            }
            _ => {
                // Another part's payload, behind the header of this one.
                let other = &world.parts[usize::from(what >> 2) * 3 % world.parts.len()];
                let count = part.length.min(other.length).saturating_sub(40);
                if !matches!(part.what, What::SuperblockA | What::SuperblockB) {
                    image.copy_within(other.start + 40..other.start + 40 + count, part.start + 40);
                }
            }
        }
    }
}

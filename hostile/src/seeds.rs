//! What the fuzzer begins with: sound bytes of each kind.

use crate::streams;
use crate::targets::Target;
use crate::world::World;
use fastrand::Rng;
use tamarack::Shape;
use tamarack::simulate::anatomy::What;
use tamarack::simulate::raw::{Reads, open};
use tamarack::simulate::{Disk, raw::Tiny};
use tamarack_codec::{Desc, KeyBuf, KeyPart, Timestamp};

/// Inputs of a target that mean something.
///
/// # Panics
/// If the file that they are taken from cannot be made.
#[must_use]
pub fn seeds(target: &Target) -> Vec<Vec<u8>> {
    match target.name {
        "superblock" => {
            let world = World::new(false);
            world.parts.iter().take(2).map(|part| world.bytes[part.start..part.start + part.length].to_vec()).collect()
        }
        "page" => pages(),
        "row" => values(),
        "key" => keys(),
        "log" => logs(),
        "catalog" => catalog(),
        "backup" => backups(),
        _ => edits(&[0, 1, 4, 5]),
    }
}

fn pages() -> Vec<Vec<u8>> {
    let world = World::new(false);
    let pages = world
        .parts
        .iter()
        .filter(|part| matches!(part.what, What::Inner | What::Leaf | What::EvenLeaf | What::Catalog));
    let input = pages.step_by(3).map(|part| {
        let page = &world.bytes[part.start..part.start + part.length];
        [&page[1..2], &page[40..]].concat()
    });
    input.collect()
}

fn with_shape(shape: Vec<u8>, value: &[u8]) -> Vec<u8> {
    [&[shape.len() as u8][..], &shape, value].concat()
}

fn value<T: Shape>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    with_shape(T::describe().to_bytes(), &bytes)
}

fn values() -> Vec<Vec<u8>> {
    vec![
        value(&vec!["one".to_owned(), String::new()]),
        value(&vec![Some(7_u64), None]),
        value(&(3_u8, -4_i128, true, 'x')),
        value(&std::collections::BTreeMap::from([("a".to_owned(), vec![1_u16, 2])])),
        value(&(Some("text".to_owned()), 1.5_f32, std::time::Duration::from_millis(7))),
        value(&[[1_u32; 2]; 3]),
    ]
}

fn key<K: KeyPart>(key: &K) -> Vec<u8> {
    let mut bytes = KeyBuf::new();
    key.encode_last(&mut bytes);
    with_shape(K::describe().to_bytes(), &bytes)
}

fn keys() -> Vec<Vec<u8>> {
    vec![
        key(&(1_u8, -9_i64, true)),
        key(&("a\0b".to_owned(), Some("c".to_owned()))),
        key(&(Desc("z".to_owned()), 5_u16)),
        key(&vec![(1_u16, "x".to_owned()), (2, "\u{1}".to_owned())]),
        key(&(Timestamp::from_micros(77), std::time::Duration::from_secs(3), 'y')),
    ]
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_le_bytes()[..], bytes].concat()
}

fn logs() -> Vec<Vec<u8>> {
    let world = World::new(false);
    let bodies: Vec<&[u8]> = world
        .parts
        .iter()
        .filter(|part| part.what == What::LogCommit)
        .map(|part| &world.bytes[part.start + 64..part.start + part.length])
        .collect();
    let record = |body: &[u8], changes: &[u8]| [&(body.len() as u16).to_le_bytes()[..], changes, &[255], body].concat();
    let mut inputs: Vec<Vec<u8>> = bodies.iter().map(|body| record(body, &[])).collect();
    inputs.push(bodies.iter().take(2).flat_map(|body| record(body, &[])).collect());
    inputs.push(bodies.iter().take(2).flat_map(|body| record(body, &[8, 1, 32, 255])).collect());
    inputs
}

fn catalog() -> Vec<Vec<u8>> {
    let world = World::new(false);
    let tiny = Tiny {
        block: 512,
        page: 1024,
        memory: 2 << 20,
        write_buffer: 1 << 20,
        snapshot_isolation: false,
        read_only: false,
    };
    let db = open::<()>(&Disk::holding(1, &world.bytes), tiny).unwrap_or_else(|error| panic!("{error}"));
    let tx = db.begin_read().unwrap_or_else(|error| panic!("{error}"));
    let mut entries = Vec::new();
    let scanned = tx.scan(1, false, &mut |key, value| {
        if key.first() == Some(&1) {
            entries.push(value.to_vec());
        }
    });
    scanned.unwrap_or_else(|error| panic!("{error}"));
    let mut inputs = Vec::new();
    for entry in entries {
        let mut input = sized(&entry);
        // The tree stands behind the format and the table.
        let tree = entry.get(5..9).map_or(0, |tree| u32::from_le_bytes([tree[0], tree[1], tree[2], tree[3]]));
        let mut left = 3;
        let _ = tx.scan(tree, false, &mut |key, row| {
            if left > 0 && row.len() < 200 {
                left -= 1;
                input.extend([sized(key), sized(row)].concat());
            }
        });
        inputs.push(input);
    }
    inputs
}

/// Lists of edits behind each of these first bytes: none, and some.
fn edits(first: &[u8]) -> Vec<Vec<u8>> {
    let mut random = Rng::with_seed(3);
    let mut script = |first: u8, count: usize| -> Vec<u8> {
        let mut bytes = vec![first];
        for _ in 0..count {
            bytes.extend((0..4 + random.usize(0..6)).map(|_| random.u8(..)));
        }
        bytes
    };
    let mut inputs: Vec<Vec<u8>> = first.iter().map(|&first| vec![first]).collect();
    let last = first.len() - 1;
    inputs.extend((1..40).map(|i| script(first[if i % 4 == 0 { last } else { 1 }], i % 5 + 1)));
    inputs
}

/// Small streams as they are, and lists of edits of real ones: pages, and frames.
fn backups() -> Vec<Vec<u8>> {
    let [full, increment] = streams::small();
    // What comes of them, alone and one after the other: see the target.
    let raw = [(0, &full), (4, &full), (1, &full), (5, &full), (0, &increment), (9, &increment)];
    let mut inputs: Vec<Vec<u8>> = raw.iter().map(|(first, stream)| [&[*first][..], stream].concat()).collect();
    inputs.extend([edits(&[2, 6, 3, 7]), edits(&[10, 2, 11, 14, 15, 3])].concat());
    inputs
}

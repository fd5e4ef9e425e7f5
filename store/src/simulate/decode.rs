//! The decoders of a file's parts, one by one, for those who feed them with bytes that nobody wrote. Each returns whether the bytes mean something,
//! and goes through all of it if so. Changes without notice.

use crate::check::{Pages, read_log};
use crate::format::{
    ChildEntry, PAGE_HEADER_LEN, PageHeader, PageKind, SUPERBLOCK_LEN, Segment, Superblock, choose, page_checksum,
};
use crate::tree::node::{Body, Value};
use crate::typed::decode_table;
use crate::vfs::{MemoryFile, Storage};
use crate::wal::{OpsReader, Sealer, Stamp, body_check, seal_record};

const FILE_ID: [u8; 16] = [5; 16];
const BLOCK: u32 = 512;

/// A superblock: as it is, and with a magic and a checksum that are right.
pub fn superblock(bytes: &[u8]) -> bool {
    let mut whole = [0; SUPERBLOCK_LEN];
    whole.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    let _ = choose(&whole, &whole, 1 << 20);
    let Some(guess) = Superblock::guess(&whole) else { return false };
    let encoded = guess.encode();
    assert_eq!(Superblock::decode(&encoded).as_ref(), Ok(&guess), "it is read otherwise than it was written");
    let length = guess.tail * u64::from(guess.block_size);
    assert!(choose(&encoded, &encoded, length).is_ok_and(|chosen| chosen.superblock == guess));
    assert!(length == 0 || choose(&encoded, &encoded, length - 1).is_err(), "a file that is too short");
    true
}

/// The payload of a page of a tree, behind a first byte that says at which level it is.
pub fn page(bytes: &[u8]) -> bool {
    let Some((&level, payload)) = bytes.split_first() else { return false };
    let level = level % 4;
    let header = PageHeader {
        kind: if level == 0 { PageKind::Leaf } else { PageKind::Inner },
        level,
        tree: 7,
        address: 3,
        generation: 2,
        length: payload.len() as u32,
        timestamp: 1,
    };
    let page = [&header.encode()[..], payload].concat();
    let length = (PAGE_HEADER_LEN + payload.len()) as u32;
    let entry = ChildEntry { address: 3, length, generation: 2, checksum: page_checksum(&FILE_ID, 3, &page) };
    let file = MemoryFile::default();
    if file.write_at(&page, 3 * u64::from(BLOCK)).is_err() {
        return false;
    }
    let pages = Pages { storage: &file, file_id: FILE_ID, block_size: BLOCK };
    let Ok(page) = pages.read(7, Some(level), &entry) else { return false };
    walk(page.body());
    assert!(level == 0 || page.entries().count() == page.body().len() + 1);
    true
}

/// What readers do with a body that was found sound.
fn walk(body: Body<'_>) {
    let mut before: Option<Vec<u8>> = None;
    for i in 0..body.len() {
        let mut key = Vec::new();
        body.key_into(i, &mut key);
        assert!(before.as_ref().is_none_or(|before| *before < key), "keys are out of order");
        assert_eq!(body.find(&key), Ok(i), "a key is not found");
        assert!(key.as_slice() >= body.lower() && body.upper().is_none_or(|upper| key.as_slice() < upper));
        assert_eq!(body.child_index(&key), i + 1, "the child of a separator");
        if body.level() == 0 {
            match body.value(i) {
                Value::Inline(value) => drop(value.to_vec()),
                Value::Overflow(reference) => drop(crate::blob::BlobRef::decode(reference)),
            }
        }
        before = Some(key);
    }
}

/// A log: records whose bodies and headers the bytes say, with checks that are right. Each is a length, bytes to be written over the header
/// (a place and a byte each, ended by 255), and a body.
pub fn log(mut bytes: &[u8]) -> bool {
    const UNIT: u64 = 4096;
    const RING: u64 = 8 * UNIT;
    let salt = 9;
    let sealer = Sealer::new(salt, UNIT);
    let mut image = Vec::new();
    let mut stamp = Stamp { position: 0, chain: 4, durable: 0, timestamp: 1 };
    while let Some((&[low, high], mut rest)) = bytes.split_first_chunk::<2>() {
        let mut changes = Vec::new();
        while let Some((&[at, byte], later)) = rest.split_first_chunk::<2>().filter(|(change, _)| change[0] != 255) {
            changes.push((at, byte));
            rest = later;
        }
        rest = rest.get(1..).unwrap_or_default();
        let (body, later) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes([low, high]))));
        bytes = later;
        let _ = OpsReader::new(body).count();
        let mut record = Vec::new();
        let sealed = sealer.commit(&mut record, stamp, body, body_check(body));
        for (at, byte) in changes {
            if let Some(place) = record.get_mut(usize::from(at) % 64) {
                *place = byte;
            }
        }
        stamp.chain = record.get_mut(..64 + body.len()).map_or(0, |record| seal_record(record, stamp.chain));
        (stamp.position, stamp.timestamp) = (sealed.position, stamp.timestamp + 1);
        image.extend(record);
        if image.len() as u64 >= RING {
            break;
        }
    }
    let file = MemoryFile::default();
    let ring = Segment { first: 0, address: 0, length: RING };
    image.resize(RING as usize, 0);
    let (directory, free_map) = (None, None);
    let superblock = Superblock {
        block_size: BLOCK,
        page_size: 1024,
        file_id: FILE_ID,
        generation: 1,
        commit_timestamp: 0,
        tail: RING / u64::from(BLOCK),
        directory,
        free_map,
        log_start: 0,
        chain: 4,
        segments: vec![ring],
        salts: vec![(salt, 0)],
        backups: Vec::new(),
    };
    if file.write_at(&image, 0).is_err() {
        return false;
    }
    let summary = read_log(&file, &superblock, false);
    summary.commits > 0 && summary.found.list.is_empty()
}

/// A table's entry in the catalog, with its length in front, then pairs of keys and rows, each with a length.
pub fn catalog(bytes: &[u8]) -> bool {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some((&[low, high], later)) = rest.split_first_chunk::<2>() {
        let (part, later) = later.split_at(later.len().min(usize::from(u16::from_le_bytes([low, high]))));
        parts.push(part);
        rest = later;
    }
    let Some((entry, rows)) = parts.split_first() else { return false };
    decode_table(entry, rows)
}

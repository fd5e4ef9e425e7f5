//! Hostile bytes under an allocator that notes its peak. One test in a program of its own: the peak is the whole process's.

use peak_alloc::PeakAlloc;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tamarack_codec::{RowReader, decode_value};

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
enum Foreign {
    Empty,
    Pair { a: u64, b: String },
    List(Vec<Option<i32>>),
}

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Decoding takes at most this many bytes for each byte of input: elements are larger in memory than in a row.
const BYTES_PER_BYTE: usize = 64;

/// serde reserves at most this much for a list before it has read an element.
const SERDE_RESERVES: usize = 1 << 20;

fn bounded<T>(bytes: &[u8], decode: impl FnOnce(&[u8]) -> T) {
    bounded_by(2048 + BYTES_PER_BYTE * bytes.len(), bytes, decode);
}

fn bounded_by<T>(most: usize, bytes: &[u8], decode: impl FnOnce(&[u8]) -> T) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    drop(decode(bytes));
    let peak = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(peak <= most, "{peak} bytes for {} of input", bytes.len());
}

fn check(bytes: &[u8]) {
    bounded(bytes, decode_value::<Vec<String>>);
    bounded(bytes, decode_value::<Vec<u64>>);
    bounded(bytes, decode_value::<Vec<()>>);
    bounded(bytes, decode_value::<Vec<[u64; 0]>>);
    bounded(bytes, decode_value::<Vec<Vec<Vec<Option<String>>>>>);
    bounded(bytes, decode_value::<HashMap<String, Vec<u16>>>);
    bounded(bytes, decode_value::<BTreeMap<u8, BTreeSet<char>>>);
    bounded(bytes, decode_value::<(Option<String>, [String; 2], f32, Duration)>);
    bounded_by(2 * SERDE_RESERVES, bytes, |bytes| {
        let (_, mut row) = RowReader::new(bytes).ok()?;
        row.opaque::<Vec<Foreign>>("foreign").ok()
    });
}

#[test]
fn hostile_bytes_end_in_an_answer() {
    let mut claim = vec![1, 0, 10, 0xFD];
    claim.extend_from_slice(&u64::MAX.to_le_bytes());
    claim.push(0);
    check(&claim);
    let byte = prop_oneof![Just(0_u8), Just(1), Just(0x7F), Just(0x80), Just(0xFF), any::<u8>()];
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) };
    proptest!(config, |(bytes in vec(byte, 0..40))| check(&bytes));
}

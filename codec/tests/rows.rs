//! Rows: round trips, canonical forms, and hostile bytes under a counting allocator.

use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Debug;
use std::time::{Duration, SystemTime};
use tamarack_codec::{FieldsReader, FieldsWriter, Finite, RowReader, RowWriter, Shape, decode_value};

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
enum Foreign {
    Empty,
    Pair { a: u64, b: String },
    List(Vec<Option<i32>>),
}

fn round_trip<T: Shape + PartialEq + Debug>(value: &T) {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    assert_eq!(decode_value::<T>(&bytes).as_ref(), Ok(value), "{bytes:02x?}");
    assert!(T::FIXED.is_none_or(|width| width == bytes.len()), "{value:?} has not {:?} bytes", T::FIXED);
    bytes.push(0);
    if T::FIXED.is_some() {
        assert!(decode_value::<T>(&bytes).is_err(), "a byte remains");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn values_come_back(
        numbers in any::<(u8, i16, u32, i64, u128, bool, char)>(),
        text in any::<String>(),
        list in vec(proptest::option::of(any::<String>()), 0..5),
        fixed in vec(proptest::option::of(any::<u32>()), 0..5),
        map in proptest::collection::btree_map(any::<String>(), vec(any::<u8>(), 0..4), 0..4),
        set in proptest::collection::btree_set(any::<i32>(), 0..6),
        nested in (any::<u8>(), (any::<String>(), any::<u16>()), any::<[Option<bool>; 3]>()),
        texts in any::<[String; 2]>(),
    ) {
        round_trip(&numbers);
        round_trip(&text);
        round_trip(&list);
        round_trip(&fixed);
        round_trip(&map);
        round_trip(&set);
        round_trip(&nested);
        round_trip(&texts);
        round_trip(&Some(Some(text.clone())));
        round_trip(&map.clone().into_iter().collect::<HashMap<_, _>>());
        round_trip(&set.iter().copied().collect::<HashSet<_>>());
        round_trip(&Box::new((text, list)));
    }

    #[test]
    fn fields_in_two_passes(a in any::<String>(), b in any::<u16>(), c in any::<Option<u64>>(), d in any::<Vec<String>>(), n in any::<u64>()) {
        let mut bytes = Vec::new();
        let mut row = RowWriter::new(&mut bytes, 5);
        row.fixed_pass(&a);
        row.fixed_pass(&b);
        row.fixed_pass(&c);
        row.fixed_pass(&d);
        row.variable_pass(&a);
        row.variable_pass(&b);
        row.variable_pass(&c);
        row.variable_pass(&d);
        let foreign = [Foreign::Empty, Foreign::Pair { a: n, b: a.clone() }, Foreign::List(vec![None, Some(-1)])];
        row.opaque(&foreign).unwrap();
        let (version, mut row) = RowReader::new(&bytes).unwrap();
        assert_eq!(version, 5);
        let (a2, b2, c2, d2) = (
            row.fixed_pass::<String>("a").unwrap(),
            row.fixed_pass::<u16>("b").unwrap(),
            row.fixed_pass::<Option<u64>>("c").unwrap(),
            row.fixed_pass::<Vec<String>>("d").unwrap(),
        );
        assert_eq!(row.variable_pass("a", a2).unwrap(), a);
        assert_eq!(row.variable_pass("b", b2).unwrap(), b);
        assert_eq!(row.variable_pass("c", c2).unwrap(), c);
        assert_eq!(row.variable_pass("d", d2).unwrap(), d);
        assert_eq!(row.opaque::<[Foreign; 3]>("foreign").unwrap(), foreign);
        row.finish().unwrap();
    }
}

#[test]
fn only_canonical_bytes_are_accepted() {
    assert!(decode_value::<bool>(&[2]).is_err());
    assert!(decode_value::<Option<u16>>(&[0, 1, 0]).is_err(), "None with a value behind it");
    assert!(decode_value::<Option<u16>>(&[2, 0, 0]).is_err());
    assert!(decode_value::<BTreeSet<u8>>(&[2, 5, 5]).is_err(), "an element twice");
    assert!(decode_value::<BTreeMap<u8, u8>>(&[2, 5, 0, 4, 0]).is_err(), "keys out of order");
    assert!(decode_value::<String>(&[0xFF]).is_err());
    assert!(decode_value::<Vec<u16>>(&[0x81, 0x00, 1, 0]).is_err(), "a longer varint than needed");
    assert!(decode_value::<Finite<f64>>(&(-0.0_f64).to_le_bytes()).is_err());
    assert!(decode_value::<SystemTime>(&[0xFF; 12]).is_err());
    assert!(decode_value::<Duration>(&[0xFF; 12]).is_err());
    assert!(RowReader::new(&[2, 1]).is_err(), "a format of the future");
    assert!(RowReader::new(&[]).is_err());
    let mut bytes = Vec::new();
    FieldsWriter::tagged(&mut bytes, 3).fixed_pass(&1_u8);
    let mut input = &bytes[..];
    let (tag, reader) = FieldsReader::tagged(&mut input).unwrap();
    assert_eq!(tag, 3);
    assert!(reader.finish().is_err(), "a field was not read");
}

/// Counts what is allocated by this thread, so that hostile lengths show.
mod counting {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::cell::Cell;

    thread_local! {
        pub(super) static LARGEST: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) struct Counting;

    #[allow(unsafe_code, reason = "an allocator is unsafe to implement; it only counts")]
    // SAFETY: every call goes to the system's allocator unchanged.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(layout.size())));
            // SAFETY: the caller's promise is passed on.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            // SAFETY: the caller's promise is passed on.
            unsafe { System.dealloc(at, layout) }
        }
    }
}

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// The largest allocation is at most this many bytes for each byte of input: elements are larger in memory than in a row.
const BYTES_PER_BYTE: usize = 64;

/// serde reserves at most this much for a list before it has read an element.
const SERDE_RESERVES: usize = 1 << 20;

fn bounded<T>(bytes: &[u8], decode: impl FnOnce(&[u8]) -> T) {
    bounded_by(1024 + BYTES_PER_BYTE * bytes.len(), bytes, decode);
}

fn bounded_by<T>(most: usize, bytes: &[u8], decode: impl FnOnce(&[u8]) -> T) {
    counting::LARGEST.set(0);
    drop(decode(bytes));
    let largest = counting::LARGEST.get();
    assert!(largest <= most, "{largest} bytes at once for {} of input", bytes.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn hostile_bytes_end_in_an_answer(bytes in vec(prop_oneof![Just(0_u8), Just(1), Just(0x7F), Just(0x80), Just(0xFF), any::<u8>()], 0..40)) {
        bounded(&bytes, decode_value::<Vec<String>>);
        bounded(&bytes, decode_value::<Vec<u64>>);
        bounded(&bytes, decode_value::<Vec<()>>);
        bounded(&bytes, decode_value::<Vec<[u64; 0]>>);
        bounded(&bytes, decode_value::<Vec<Vec<Vec<Option<String>>>>>);
        bounded(&bytes, decode_value::<HashMap<String, Vec<u16>>>);
        bounded(&bytes, decode_value::<BTreeMap<u8, BTreeSet<char>>>);
        bounded(&bytes, decode_value::<(Option<String>, [String; 2], f32, Duration)>);
        bounded_by(SERDE_RESERVES, &bytes, |bytes| {
            let (_, mut row) = RowReader::new(bytes).ok()?;
            row.opaque::<Vec<Foreign>>("foreign").ok()
        });
    }
}

#[test]
fn a_bincode_field_that_claims_the_world() {
    let mut bytes = vec![1, 0, 10, 0xFD];
    bytes.extend_from_slice(&u64::MAX.to_le_bytes());
    bytes.push(0);
    let (_, mut row) = RowReader::new(&bytes).unwrap();
    counting::LARGEST.set(0);
    assert!(row.opaque::<Vec<u64>>("claim").is_err());
    assert!(counting::LARGEST.get() <= SERDE_RESERVES);
}

//! The laws of KC1 over random values: order, prefix-freedom, round trip, width; and bounds against a naive filter.

use proptest::collection::vec;
use proptest::prelude::*;
use std::fmt::Debug;
use std::net::IpAddr;
use std::ops::Bound;
use std::time::{Duration, SystemTime};
use tamarack_codec::{
    Compact, Desc, Finite, Id, KeyArg, KeyBuf, KeyPart, KeyRange, PartPlace, Timestamp, Total, check_key_laws, key_laws,
};

/// Bytes that meet the escapes and the fill values often.
fn nasty_bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0_u8), Just(1), Just(2), Just(0xFE), Just(0xFF), any::<u8>()], 0..6)
}

fn nasty_text() -> impl Strategy<Value = String> {
    vec(prop_oneof![Just('\0'), Just('\u{1}'), Just('a'), Just('é'), any::<char>()], 0..5)
        .prop_map(|chars| chars.into_iter().collect())
}

fn small<T: Arbitrary + Clone + Debug + 'static>(near: Vec<T>) -> impl Strategy<Value = T> {
    prop_oneof![proptest::sample::select(near), any::<T>()]
}

macro_rules! laws {
    ($($name:ident: $strategy:expr;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(2_000))]
            $(
                #[test]
                fn $name(a in $strategy, b in $strategy) {
                    check_key_laws(&a, &b);
                    check_key_laws(&a, &a);
                    check_key_laws(&Desc(a.clone()), &Desc(b.clone()));
                    check_key_laws(&Some(a.clone()), &None);
                    check_key_laws(&(a.clone(), 7_u8), &(b.clone(), 3_u8));
                    check_key_laws(&vec![a.clone()], &vec![a.clone(), b.clone()]);
                    check_key_laws(&[a.clone(), b.clone()], &[b, a]);
                }
            )*
        }
    };
}

laws! {
    number_u8: any::<u8>();
    number_u16: any::<u16>();
    number_u64: small(vec![0, 1, u64::MAX]);
    number_u128: any::<u128>();
    number_i8: any::<i8>();
    number_i32: small(vec![0, -1, 1, i32::MIN, i32::MAX]);
    number_i64: any::<i64>();
    number_i128: any::<i128>();
    truth: any::<bool>();
    character: any::<char>();
    text: nasty_text();
    boxed_text: nasty_text().prop_map(String::into_boxed_str);
    bytes: nasty_bytes();
    fixed_bytes: any::<[u8; 3]>();
    nested_lists: vec(vec(nasty_text(), 0..3), 0..3);
    optional_text: proptest::option::of(nasty_text());
    deep_option: proptest::option::of(proptest::option::of(any::<u8>()));
    descending_text: nasty_text().prop_map(Desc);
    twice_descending: nasty_text().prop_map(|text| Desc(Desc(text)));
    total_f64: prop_oneof![any::<f64>(), any::<u64>().prop_map(f64::from_bits), Just(-0.0), Just(0.0)].prop_map(Total);
    total_f32: any::<u32>().prop_map(|bits| Total(f32::from_bits(bits)));
    finite_f64: prop_oneof![-2.0..2.0, any::<f64>(), Just(-0.0), Just(f64::INFINITY)]
        .prop_filter_map("NaN", |value| Finite::<f64>::new(value).ok());
    timestamp: any::<i64>().prop_map(Timestamp::from_micros);
    duration: (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos));
    system_time: (any::<i32>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| {
        let whole = Duration::from_secs(u64::from(seconds.unsigned_abs()));
        let base = SystemTime::UNIX_EPOCH;
        (if seconds < 0 { base - whole } else { base + whole }) + Duration::from_nanos(u64::from(nanos))
    });
    compact_u64: (any::<u64>(), 0..64_u32).prop_map(|(value, shift)| Compact(value >> shift));
    compact_i64: (any::<i64>(), 0..64_u32).prop_map(|(value, shift)| Compact(value >> shift));
    address: any::<IpAddr>();
    id: any::<u64>().prop_map(Id::<()>::new);
    tuple: (any::<u8>(), nasty_text(), any::<i16>(), nasty_bytes());
    tuple_of_eight: (any::<u8>(), nasty_text(), any::<bool>(), any::<i8>(), nasty_bytes(), any::<u8>(), nasty_text(), any::<u8>());
    nested_tuples: ((any::<u8>(), nasty_text()), (nasty_bytes(), proptest::option::of(nasty_text())));
}

key_laws!(corners_of_compact: Compact<u64> = [0, 247, 248, 255, 256, 65_535, 65_536, u64::MAX].map(Compact));
key_laws!(corners_of_signed_compact: Compact<i64> =
    [i64::MIN, -65_537, -65_536, -257, -256, -121, -120, -1, 0, 119, 120, 255, 256, i64::MAX].map(Compact));
key_laws!(not_zero: std::num::NonZeroU8 = [1, 2, 255].map(|value| std::num::NonZeroU8::new(value).unwrap()));
key_laws!(not_zero_and_signed: std::num::NonZeroI32 =
    [i32::MIN, -1, 1, 256].map(|value| std::num::NonZeroI32::new(value).unwrap()));
key_laws!(native_db_collisions: (String, String) =
    [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")].map(|(a, b)| (a.to_owned(), b.to_owned())));
key_laws!(storekey_collisions: (Vec<String>, u8) = [(vec![], 0), (vec![String::new()], 0), (vec![String::new(); 2], 0)]);
key_laws!(none_and_empty: Option<String> = [None, Some(String::new()), Some("\0".to_owned())]);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Bytes that decode are the one encoding of what they decode to.
    #[test]
    fn accepted_bytes_are_canonical(bytes in nasty_bytes().prop_flat_map(|head| nasty_bytes().prop_map(move |tail| [&head[..], &tail].concat()))) {
        fn check<K: KeyPart + Debug>(bytes: &[u8]) {
            for last in [false, true] {
                let mut rest = bytes;
                let decoded = if last { K::decode_last(&mut rest) } else { K::decode(&mut rest) };
                let Ok(part) = decoded else { continue };
                let mut again = KeyBuf::new();
                if last { part.encode_last(&mut again) } else { part.encode(&mut again) }
                assert_eq!(&again[..], &bytes[..bytes.len() - rest.len()], "{part:?}, last: {last}");
                if !last {
                    let mut skipped = bytes;
                    K::skip(&mut skipped).unwrap();
                    assert_eq!(skipped, rest, "{part:?} skipped");
                    assert_eq!(K::peek_none(bytes.first().copied()), part.is_none());
                }
            }
        }
        check::<u8>(&bytes);
        check::<i16>(&bytes);
        check::<bool>(&bytes);
        check::<char>(&bytes);
        check::<String>(&bytes);
        check::<Box<str>>(&bytes);
        check::<Vec<u8>>(&bytes);
        check::<Vec<Vec<u8>>>(&bytes);
        check::<Vec<Option<String>>>(&bytes);
        check::<Desc<Vec<u8>>>(&bytes);
        check::<Desc<(Option<u8>, Vec<u8>)>>(&bytes);
        check::<Compact<u64>>(&bytes);
        check::<Compact<i64>>(&bytes);
        check::<Finite<f32>>(&bytes);
        check::<Total<f64>>(&bytes);
        check::<Duration>(&bytes);
        check::<SystemTime>(&bytes);
        check::<IpAddr>(&bytes);
        check::<[Option<bool>; 2]>(&bytes);
        check::<Vec<()>>(&bytes);
        check::<Option<u8>>(&bytes);
        check::<Option<Vec<u8>>>(&bytes);
        check::<Desc<Option<u8>>>(&bytes);
    }
}

fn within<T: PartialOrd>(value: &T, low: &Bound<T>, high: &Bound<T>) -> bool {
    (match low {
        Bound::Unbounded => true,
        Bound::Included(low) => value >= low,
        Bound::Excluded(low) => value > low,
    }) && (match high {
        Bound::Unbounded => true,
        Bound::Included(high) => value <= high,
        Bound::Excluded(high) => value < high,
    })
}

fn bound<T: Clone + Debug>(of: impl Strategy<Value = T> + Clone) -> impl Strategy<Value = Bound<T>> {
    prop_oneof![Just(Bound::Unbounded), of.clone().prop_map(Bound::Included), of.prop_map(Bound::Excluded)]
}

fn few_texts() -> impl Strategy<Value = String> + Clone {
    proptest::sample::select(
        ["", "\0", "\u{1}", "a", "a\0", "a\u{1}", "ab", "b", "\u{10FFFF}", "\u{10FFFF}\u{10FFFF}"]
            .map(str::to_owned)
            .to_vec(),
    )
}

type Row = (String, u8, String);

fn key(row: &Row) -> KeyBuf {
    let mut out = KeyBuf::new();
    row.encode_last(&mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn bounds_match_a_naive_filter(
        rows in vec((few_texts(), prop_oneof![Just(0_u8), Just(0xFF), any::<u8>()], few_texts()), 1..40),
        first in few_texts(),
        low in bound(few_texts()), high in bound(few_texts()),
        low_n in bound(prop_oneof![Just(0_u8), Just(0xFF), any::<u8>()]), high_n in bound(any::<u8>()),
        prefix in few_texts(),
    ) {
        let check = |range: &KeyRange, wanted: &dyn Fn(&Row) -> bool| {
            for row in &rows {
                assert_eq!(range.contains(&key(row)), wanted(row), "{row:?} in {range:?}");
            }
        };
        let range = KeyRange::part::<String, String>(&[], low.as_ref(), high.as_ref(), PartPlace::of::<String>(false));
        check(&range, &|row| within(&row.0, &low, &high));
        let mut fixed = KeyBuf::new();
        first.encode(&mut fixed);
        check(&KeyRange::prefix(&fixed), &|row| row.0 == first);
        let range = KeyRange::part::<u8, u8>(&fixed, low_n.as_ref(), high_n.as_ref(), PartPlace::of::<u8>(false));
        check(&range, &|row| row.0 == first && within(&row.1, &low_n, &high_n));
        let number = rows[0].1;
        number.encode(&mut fixed);
        let range = KeyRange::part::<String, String>(&fixed, low.as_ref(), high.as_ref(), PartPlace::of::<String>(true));
        check(&range, &|row| row.0 == first && row.1 == number && within(&row.2, &low, &high));
        let range = KeyRange::starts_with::<String, &str>(&fixed, &&prefix[..], true);
        check(&range, &|row| row.0 == first && row.1 == number && row.2.starts_with(&prefix));
        let range = KeyRange::starts_with::<String, &str>(&[], &&prefix[..], false);
        check(&range, &|row| row.0.starts_with(&prefix));
    }

    #[test]
    fn descending_bounds_match_a_naive_filter(
        rows in vec((few_texts(), any::<u8>()), 1..40), low in bound(few_texts()), high in bound(few_texts()), prefix in few_texts(),
    ) {
        let range = KeyRange::part::<Desc<String>, String>(&[], low.as_ref(), high.as_ref(), PartPlace::of::<Desc<String>>(false));
        let start = KeyRange::starts_with::<Desc<String>, &str>(&[], &&prefix[..], false);
        for (text, number) in &rows {
            let mut key = KeyBuf::new();
            (Desc(text.clone()), *number).encode_last(&mut key);
            assert_eq!(range.contains(&key), within(text, &low, &high), "{text:?} in {range:?}");
            assert_eq!(start.contains(&key), text.starts_with(&prefix), "{text:?} from {prefix:?}");
        }
    }
}

/// Whether ranges of the part hold what a filter of plain values gives, at the end of the stored key and before other parts.
fn check_part<K: KeyPart + Debug, A: KeyArg<K> + Ord + Debug>(
    rows: &[(K, A, u8)],
    low: &Bound<A>,
    high: &Bound<A>,
) -> Result<(), TestCaseError> {
    for last in [false, true] {
        let range = KeyRange::part::<K, A>(&[0xFF, 7], low.as_ref(), high.as_ref(), PartPlace::of::<K>(last));
        for (part, plain, tail) in rows {
            let mut key = KeyBuf::from(&[0xFF, 7][..]);
            if last && !part.is_none() {
                part.encode_last(&mut key);
            } else {
                part.encode(&mut key);
                key.push(*tail);
            }
            prop_assert_eq!(range.contains(&key), within(plain, low, high), "{:?}, {} in {:?}", part, last, range);
        }
    }
    Ok(())
}

/// The same for a type whose plain values are made into parts.
fn check_parts<K: KeyPart + Debug, A: KeyArg<K> + Ord + Debug + Clone>(
    rows: &[(A, u8)],
    low: &Bound<A>,
    high: &Bound<A>,
    part: impl Fn(A) -> K,
) -> Result<(), TestCaseError> {
    let rows: Vec<_> = rows.iter().map(|(plain, tail)| (part(plain.clone()), plain.clone(), *tail)).collect();
    check_part(&rows, low, high)
}

fn few_numbers() -> impl Strategy<Value = u8> + Clone {
    prop_oneof![Just(0_u8), Just(1), Just(0xFE), Just(0xFF), any::<u8>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Descending twice is ascending; and beside `Option` each has the order of its own type.
    #[test]
    fn nested_descending_bounds_match_a_naive_filter(
        numbers in vec((few_numbers(), few_numbers()), 1..20), low in bound(few_numbers()), high in bound(few_numbers()),
        texts in vec((few_texts(), few_numbers()), 1..20), from in bound(few_texts()), to in bound(few_texts()),
        options in vec((proptest::option::of(few_numbers()), few_numbers()), 1..20),
        at_least in bound(proptest::option::of(few_numbers())), at_most in bound(proptest::option::of(few_numbers())),
    ) {
        check_parts(&numbers, &low, &high, Desc)?;
        check_parts(&numbers, &low, &high, |n| Desc(Desc(n)))?;
        check_parts(&numbers, &low, &high, |n| Desc(Desc(Desc(n))))?;
        check_parts(&texts, &from, &to, Desc)?;
        check_parts(&texts, &from, &to, |text| Desc(Desc(text)))?;
        check_parts(&options, &at_least, &at_most, Desc)?;
        check_parts(&options, &at_least, &at_most, |option| Desc(Desc(option)))?;
        // What is given here is the part itself, and `Desc` has an order of its own.
        let descending = |bound: &Bound<Option<u8>>| bound.as_ref().map(|option| option.map(Desc));
        let rows: Vec<_> = options.iter().map(|(option, tail)| (option.map(Desc), *tail)).collect();
        check_parts(&rows, &descending(&at_least), &descending(&at_most), |option| option)?;
    }

    /// Composites are in the order of their type, in which a descending field is one of the other way round.
    #[test]
    fn bounds_of_composites_match_a_naive_filter(
        rows in vec(((few_texts(), few_numbers()), few_numbers()), 1..20),
        low in bound((few_texts(), few_numbers())), high in bound((few_texts(), few_numbers())),
    ) {
        let range = |row: &(String, u8)| (Desc(row.0.clone()), Desc(row.1));
        let (first, second) = (low.as_ref().map(range), high.as_ref().map(range));
        let place = PartPlace::of::<(Desc<String>, Desc<u8>)>(false);
        let args = KeyRange::part::<(Desc<String>, Desc<u8>), (String, u8)>(&[3], low.as_ref(), high.as_ref(), place);
        for (row, tail) in &rows {
            let mut key = KeyBuf::from(&[3][..]);
            (range(row), *tail).encode_last(&mut key);
            prop_assert_eq!(args.contains(&key), within(&range(row), &first, &second), "{:?} in {:?}", row, args);
        }
        // The whole of it the other way round: values are given as those of the type inside.
        type Whole = Desc<(Desc<String>, Desc<u8>)>;
        let args = KeyRange::part::<Whole, (String, u8)>(&[3], low.as_ref(), high.as_ref(), PartPlace::of::<Whole>(true));
        for (row, _) in &rows {
            let mut key = KeyBuf::from(&[3][..]);
            Desc(range(row)).encode_last(&mut key);
            prop_assert_eq!(args.contains(&key), within(&range(row), &first, &second), "{:?} in {:?}", row, args);
        }
    }
}

/// A key that nothing follows: behind all that begins with it there is nothing at all.
#[test]
fn behind_the_last_key_there_is_nothing() {
    let place = PartPlace::of::<u8>(false);
    let behind = KeyRange::part::<u8, u8>(&[], Bound::Excluded(&0xFF), Bound::Unbounded, place);
    for key in [&[][..], &[0xFE], &[0xFF], &[0xFF, 0], &[0xFF, 7, 7], &[0xFF; 5000]] {
        assert!(!behind.contains(key), "{} bytes", key.len());
    }
    let from = KeyRange::part::<u8, u8>(&[], Bound::Included(&0xFF), Bound::Unbounded, place);
    assert!(from.contains(&[0xFF; 5000]) && from.contains(&[0xFF]) && !from.contains(&[0xFE, 0xFF]));
    assert!(KeyRange::all().contains(&[]) && KeyRange::all().contains(&[0xFF; 5000]));
}

#[test]
fn descending_values_compare_the_other_way_round() {
    assert!(Desc(2) < Desc(1) && Desc(1) > Desc(2) && Desc(1) <= Desc(1) && Desc(1) >= Desc(1));
    assert!(Desc(1).cmp(&Desc(2)).is_gt());
    assert_eq!(tamarack_codec::NotANumber.to_string(), "NaN has no place in the order of numbers");
    assert!(Id::<()>::new(1) <= Id::new(1) && Id::<()>::new(1) >= Id::new(1));
}

/// A number in more bytes than it needs is none.
#[test]
fn compact_numbers_have_one_form() {
    fn check<K: KeyPart>(bytes: &[u8]) -> bool {
        let mut rest = bytes;
        let Ok(number) = K::decode(&mut rest) else { return false };
        let mut again = KeyBuf::new();
        number.encode(&mut again);
        assert_eq!(&again[..], &bytes[..bytes.len() - rest.len()]);
        true
    }
    let (mut unsigned, mut signed) = (0, 0);
    for number in 0..=u16::MAX {
        unsigned += u32::from(check::<Compact<u64>>(&number.to_be_bytes()));
        signed += u32::from(check::<Compact<i64>>(&number.to_be_bytes()));
    }
    // One byte and any other; or a tag and the numbers that need one byte more.
    assert_eq!((unsigned, signed), (248 * 256 + 8, 240 * 256 + 136 + 136));
}

/// Generated code hands over parts so.
#[test]
fn sinks_take_parts() {
    #[derive(Default)]
    struct Seen(Vec<(KeyBuf, bool)>);

    impl tamarack_codec::PartSink for Seen {
        fn part<K: KeyPart>(&mut self, part: &K) {
            let mut out = KeyBuf::new();
            part.encode(&mut out);
            self.0.push((out, false));
        }

        fn part_desc<K: KeyPart>(&mut self, part: &K) {
            self.part(part);
            self.0.last_mut().unwrap().1 = true;
        }
    }

    let mut seen = Seen::default();
    7_u8.sink(&mut seen);
    "a".to_owned().sink_desc(&mut seen);
    assert_eq!(seen.0, [(KeyBuf::from(&[7][..]), false), (KeyBuf::from(&b"a\0"[..]), true)]);
}

/// Whether an argument is written as the part, in both forms.
fn same<K: KeyPart>(part: &K, arg: impl KeyArg<K>) {
    let (mut a, mut b) = (KeyBuf::new(), KeyBuf::new());
    part.encode(&mut a);
    arg.encode_arg(&mut b);
    assert_eq!(a, b);
    part.encode_last(&mut a);
    arg.encode_arg_last(&mut b);
    assert_eq!(a, b);
    assert_eq!(part.is_none(), arg.is_none_arg());
}

#[test]
#[expect(clippy::needless_borrows_for_generic_args, reason = "references are arguments too")]
fn arguments_encode_as_their_parts() {
    same(&"a\0".to_owned(), "a\0");
    same(&vec![0_u8, 1], &[0, 1]);
    same(&vec![0_u8, 1], &[0_u8, 1][..]);
    same(&Desc("a\0".to_owned()), "a\0");
    same(&Desc(5_u16), 5);
    same(&(1_u8, "x".to_owned()), (1, "x"));
    same(&(1_u8, "x".to_owned()), &(1, "x".to_owned()));
    same(&Id::<()>::new(4), Id::new(4));
    same(&Id::<()>::new(4), &Id::new(4));
    same(&vec!["a".to_owned()], vec!["a".to_owned()]);
    same(&vec!["a".to_owned()], &vec!["a".to_owned()]);
    same(&["a".to_owned()], ["a".to_owned()]);
    same(&["a".to_owned()], &["a".to_owned()]);
    same(&7_u64, &7);
    same(&Box::<str>::from("a\0"), "a\0");
    same(&Box::<str>::from("a\0"), &"a\0");
    same(&Box::<str>::from("a\0"), &Box::<str>::from("a\0"));
    #[cfg(feature = "bytes")]
    {
        same(&bytes::Bytes::from_static(b"a\0"), &b"a\0"[..]);
        let mut prefix = KeyBuf::new();
        tamarack_codec::PrefixArg::<bytes::Bytes>::encode_prefix(&&b"a\0"[..], &mut prefix, false);
        tamarack_codec::PrefixArg::<bytes::Bytes>::encode_prefix(&&b"a\0"[..], &mut prefix, true);
        assert_eq!(&prefix[..], b"a\x01\0a\0");
    }
}

#[test]
#[expect(clippy::needless_borrows_for_generic_args, reason = "references are arguments too")]
fn optional_parts_take_what_is_inside() {
    same(&Some("a".to_owned()), "a");
    same(&Some(3_u16), 3);
    same(&None::<u16>, None);
    same(&Some(Id::<()>::new(4)), Id::new(4));
    same(&Some("a".to_owned()), &Some("a".to_owned()));
    same(&None::<String>, &None::<String>);
    same(&Desc(Some(5_u16)), Some(5));
    same(&Desc(None::<u16>), None::<u16>);
    same(&Some(vec![0_u8, 1]), &[0_u8, 1][..]);
    same(&Some("a\0".to_owned()), "a\0".to_owned());
    same(&Some("a\0".to_owned()), &"a\0");
    same(&Some("a\0".to_owned()), &"a\0".to_owned());
    same(&Some(Box::<str>::from("a\0")), "a\0");
    same(&Some(3_u16), &3);
    same(&Some(3_u16), &3_u16);
    same(&Some(Timestamp::from_micros(3)), &Timestamp::from_micros(3));
    same(&Some(Id::<()>::new(4)), &Id::new(4));
    same(&Some(vec![0_u8, 1]), vec![0, 1]);
    same(&Some(vec![0_u8, 1]), &vec![0, 1]);
    same(&Some(vec!["a".to_owned()]), &vec!["a".to_owned()]);
    same(&Some([0_u8, 1]), [0, 1]);
    same(&Some([0_u8, 1]), &[0, 1]);
    same(&Some(["a".to_owned()]), &["a".to_owned()]);
    same(&Desc(Some("a\0".to_owned())), &"a\0".to_owned());
    same(&Some(Desc("a\0".to_owned())), Some(Desc("a\0".to_owned())));
    same(&(Some("a".to_owned()), Some(3_u16)), (&"a".to_owned(), &3));
    #[cfg(feature = "bytes")]
    {
        same(&Some(bytes::Bytes::from_static(b"a\0")), &b"a\0"[..]);
        same(&Some(bytes::Bytes::from_static(b"a\0")), &bytes::Bytes::from_static(b"a\0"));
    }
}

#[test]
fn widths_are_those_of_the_parts() {
    assert_eq!([<Option<()>>::FIXED, <Option<u8>>::FIXED, <Option<String>>::FIXED], [Some(1), None, None]);
    assert_eq!([<[u16; 3]>::FIXED, <[String; 0]>::FIXED, <[String; 2]>::FIXED], [Some(6), Some(0), None]);
    assert_eq!([<Desc<u16>>::FIXED, <(u8, u16)>::FIXED, <(u8, String)>::FIXED], [Some(2), Some(3), None]);
}

#[cfg(feature = "chrono")]
key_laws!(chrono_instants: chrono::DateTime<chrono::Utc> =
    [(-1, 999_999_999), (0, 0), (0, 1), (i64::from(i32::MAX), 5)].map(|(seconds, nanos)| chrono::DateTime::from_timestamp(seconds, nanos).unwrap()));
#[cfg(feature = "jiff")]
key_laws!(jiff_instants: jiff::Timestamp =
    [-1_000_000_001_i128, -1, 0, 1, 1_000_000_000].map(|nanos| jiff::Timestamp::from_nanosecond(nanos).unwrap()));
#[cfg(feature = "time")]
key_laws!(time_instants: time::UtcDateTime =
    [-1_000_000_001_i128, -1, 0, 1, 1_000_000_000].map(|nanos| time::UtcDateTime::from_unix_timestamp_nanos(nanos).unwrap()));
#[cfg(feature = "uuid")]
key_laws!(uuids: uuid::Uuid = [uuid::Uuid::nil(), uuid::Uuid::from_u128(1), uuid::Uuid::max()]);
#[cfg(feature = "bytes")]
key_laws!(shared_bytes: bytes::Bytes = [&b""[..], b"\0", b"a", b"a\x01"].map(bytes::Bytes::from_static));

//! Each rule of a body, broken alone, just so far that it is broken (I9, I36).

use super::*;

/// A body that is built as told, right or wrong.
fn body_of(level: u8, lower: &[u8], upper: Option<&[u8]>, entries: &[(&[u8], Value<'_>)]) -> Vec<u8> {
    let prefix = encode::prefix_len(lower, upper);
    let keys: usize = entries.iter().map(|(key, _)| key.len() - prefix).sum();
    let values: usize = entries.iter().map(|(_, value)| value.bytes().len()).sum();
    let mut out = vec![0xEE; encode::body_size(lower, upper, entries.len(), keys + values)];
    let entries_of = entries.iter().map(|&(key, value)| ((&[][..], key), value));
    encode::write_body(&mut out, level, lower, upper, entries.len(), keys, entries_of);
    out
}

/// What is said of a body whose bytes at some places are others.
fn refusal(body: &[u8], changes: &[(usize, u8)]) -> String {
    let mut changed = body.to_vec();
    changes.iter().for_each(|&(at, byte)| changed[at] = byte);
    Body::parse(&changed).map(|_| ()).map_or_else(|error| error.to_string(), |()| "accepted".to_owned())
}

const LONG: Value<'static> = Value::Overflow(b"333");

/// Three entries between fences that share two bytes; not even.
fn uneven() -> Vec<u8> {
    let entries: [(&[u8], _); 3] = [(b"abc", Value::Inline(b"1")), (b"abdd", Value::Inline(b"22")), (b"abe", LONG)];
    body_of(0, b"ab", Some(b"abz"), &entries)
}

#[test]
fn the_header_of_a_body_is_checked() {
    let body = uneven();
    assert_eq!(refusal(&body, &[]), "accepted");
    for (changes, why) in [
        (&[(12, body.len() as u8 + 1)][..], "its lengths do not add up"),
        (&[(4, 2)], "its lengths do not add up"),
        (&[(6, 3)], "its lengths do not add up"),
        (&[(8, 2)], "its lengths do not add up"),
        (&[(16, 3)], "its lengths do not add up"),
        (&[(20, 5)], "its lengths do not add up"),
        (&[(1, 4 | HAS_OVERFLOW)], "a reserved field is set"),
        (&[(1, 0x80 | HAS_OVERFLOW)], "a reserved field is set"),
        (&[(28, 1)], "a reserved field is set"),
        (&[(1, INFINITE | HAS_OVERFLOW)], "an infinite fence has a length"),
        (&[(2, 3)], "the prefix is longer than a fence"),
        (&[(2, 1)], "the prefix is not that of the fences"),
        (&[(2, 0)], "the prefix is not that of the fences"),
        (&[(10, 2)], "it is said to be even, and its heaps are not"),
    ] {
        assert_eq!(refusal(&body, changes), format!("its body is malformed: {why}"), "{changes:?}");
    }
    assert!(Body::parse(&body[..HEADER - 1]).is_err_and(|error| error.to_string().ends_with("too short")));
    assert!(Body::parse(&[&body[..], &[0]].concat()).is_err());
    for (lower, upper) in [(&b"ab"[..], &b"ab"[..]), (b"b", b"a"), (b"ab", b"a")] {
        let why = refusal(&body_of(0, lower, Some(upper), &[]), &[]);
        assert_eq!(why, "its body is malformed: the fences are out of order");
    }
    // The longest body that there is.
    let value = vec![7; MAX_BODY - HEADER - HEAD - SLOT - 1];
    let longest = body_of(0, b"", None, &[(b"k", Value::Inline(&value))]);
    assert_eq!((longest.len(), refusal(&longest, &[])), (MAX_BODY, "accepted".to_owned()));
    let value = [&value[..], &[7]].concat();
    let longer = body_of(0, b"", None, &[(b"k", Value::Inline(&value))]);
    assert!(refusal(&longer, &[]).ends_with("do not add up"));
}

#[test]
fn the_slots_of_a_body_are_checked() {
    let body = uneven();
    let (heads, slots) = (HEADER, HEADER + 3 * HEAD);
    let slot = |i: usize, number: usize| slots + i * SLOT + 2 * number;
    let high = |i: usize| slot(i, 1) + 1;
    for (changes, why) in [
        // The last key begins at 3 of 4 bytes, the last value at 3 of 6.
        (&[(slot(2, 0), 4)][..], "a slot points outside its heap"),
        (&[(slot(2, 1), 2)], "a slot points outside its heap"),
        (&[(slot(2, 2), 4)], "a slot points outside its heap"),
        (&[(slot(2, 3), 4)], "a slot points outside its heap"),
        (&[(1, 0)], "an overflow value that the flags deny"),
        (&[(high(0), 0x80), (1, 0)], "an overflow value that the flags deny"),
        (&[(heads + 3, b'd')], "a head is not that of its key"),
        (&[(heads + 4 + 2, 0)], "a head is not that of its key"),
        (&[(slot(0, 0), 3)], "a head is not that of its key"),
        (&[(24, 1)], "its heaps do not add up"),
        (&[(slot(0, 3), 0)], "its heaps do not add up"),
        (&[(slot(1, 3), 1)], "its heaps do not add up"),
    ] {
        assert_eq!(refusal(&body, changes), format!("its body is malformed: {why}"), "{changes:?}");
    }
    // What no slot names is garbage, if it is counted.
    assert_eq!(refusal(&body, &[(slot(1, 3), 1), (24, 1)]), "accepted");
    let inner = body_of(1, b"a", None, &[(b"b", Value::Inline(b"")), (b"cc", Value::Inline(b""))]);
    assert_eq!(refusal(&inner, &[]), "accepted");
    let leaf = body_of(0, b"a", None, &[(b"b", Value::Inline(b"1")), (b"cc", LONG)]);
    let slots = HEADER + 2 * HEAD;
    for body in [&leaf, &body_of(0, b"a", None, &[(b"b", Value::Inline(b"")), (b"cc", Value::Overflow(b""))])] {
        assert_eq!(refusal(body, &[]), "accepted");
        assert_eq!(refusal(body, &[(0, 1)]), "its body is malformed: a separator has a value");
    }
    assert!(refusal(&leaf, &[(slots + 2, 2)]).contains("malformed"));
}

#[test]
fn what_an_even_body_says_is_checked() {
    let entries: [(&[u8], _); 2] = [(b"ab", Value::Inline(b"123")), (b"cd", Value::Inline(b"456"))];
    let body = body_of(0, b"", None, &entries);
    assert_eq!(
        (Body::parse(&body).unwrap().even, refusal(&body, &[])),
        (Some(Even { key: 2, value: 3 }), "accepted".to_owned())
    );
    let slots = HEADER + 2 * HEAD;
    let why = |what| format!("its body is malformed: it is said to be even, and its {what} are not");
    for changes in [(10, 4), (10, 2), (28, 2), (28, 4), (29, 1)] {
        assert_eq!(refusal(&body, &[changes]), why("heaps"), "{changes:?}");
    }
    for changes in (0..2 * SLOT).step_by(2).map(|at| (slots + at, body[slots + at] ^ 1)) {
        assert_eq!(refusal(&body, &[changes]), why("slots"), "{changes:?}");
    }
    let mut empty = Vec::new();
    empty_leaf(&mut empty);
    assert_eq!((refusal(&empty, &[]), refusal(&empty, &[(10, 1)])), ("accepted".to_owned(), why("heaps")));
}

#[test]
fn the_order_of_keys_and_fences_is_checked() {
    let one = Value::Inline(b"1");
    let leaf = |keys: &[&'static [u8]], lower: &[u8], upper: Option<&[u8]>| {
        let entries: Vec<_> = keys.iter().map(|&key| (key, one)).collect();
        refusal(&body_of(0, lower, upper, &entries), &[])
    };
    let inner = |keys: &[&'static [u8]], lower: &[u8], upper: Option<&[u8]>| {
        let entries: Vec<_> = keys.iter().map(|&key| (key, Value::Inline(b""))).collect();
        refusal(&body_of(1, lower, upper, &entries), &[])
    };
    let (order, outside) =
        ("its body is malformed: keys are out of order", "its body is malformed: a key lies outside the fences");
    assert_eq!(leaf(&[b"b", b"c"], b"b", Some(b"d")), "accepted");
    assert_eq!(leaf(&[b"c", b"b"], b"b", Some(b"d")), order);
    assert_eq!(leaf(&[b"b", b"b"], b"b", Some(b"d")), order);
    assert_eq!(leaf(&[b"a", b"c"], b"b", Some(b"d")), outside);
    assert_eq!(leaf(&[b"b", b"d"], b"b", Some(b"d")), outside);
    assert_eq!(leaf(&[b"b", b"e"], b"b", Some(b"d")), outside);
    assert_eq!(leaf(&[b"d"], b"b", None), "accepted");
    assert_eq!(leaf(&[b"a"], b"b", None), outside);
    assert_eq!(inner(&[b"c"], b"b", Some(b"d")), "accepted");
    assert_eq!(inner(&[b"b"], b"b", Some(b"d")), outside);
    assert_eq!(inner(&[b"d"], b"b", Some(b"d")), outside);
}

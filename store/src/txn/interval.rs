//! Ranges of keys: how they become few, and whether one of them holds a key of others.

use std::cmp::Ordering;
use std::ops::Bound;

/// From where to where.
pub(super) type Interval = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Where a range begins, as something to compare: the key, and whether it is left out.
fn start(bound: &Bound<Vec<u8>>) -> (&[u8], bool) {
    match bound {
        Bound::Unbounded => (&[], false),
        Bound::Included(key) => (key, false),
        Bound::Excluded(key) => (key, true),
    }
}

/// Where it ends; `None`: nowhere.
fn end(bound: &Bound<Vec<u8>>) -> Option<(&[u8], bool)> {
    match bound {
        Bound::Unbounded => None,
        Bound::Included(key) => Some((key, true)),
        Bound::Excluded(key) => Some((key, false)),
    }
}

fn compare_ends(a: &Bound<Vec<u8>>, b: &Bound<Vec<u8>>) -> Ordering {
    match (end(a), end(b)) {
        (None, None) => Ordering::Equal,
        (None, _) => Ordering::Greater,
        (_, None) => Ordering::Less,
        (Some(a), Some(b)) => a.cmp(&b),
    }
}

fn is_empty((lower, upper): &Interval) -> bool {
    let (from, without) = start(lower);
    end(upper).is_some_and(|(to, with)| from > to || (from == to && (without || !with)))
}

/// The same keys in as few ranges as can be, in order; none is empty, none touches the next.
pub(super) fn merged(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.retain(|interval| !is_empty(interval));
    intervals.sort_unstable_by(|a, b| start(&a.0).cmp(&start(&b.0)));
    let mut out: Vec<Interval> = Vec::new();
    for next in intervals {
        match out.last_mut().filter(|last| reaches(&last.1, &next.0)) {
            Some(last) if compare_ends(&last.1, &next.1).is_lt() => last.1 = next.1,
            Some(_) => {}
            None => out.push(next),
        }
    }
    out
}

/// Whether no key lies between an end and a start that is not before it.
fn reaches(upper: &Bound<Vec<u8>>, lower: &Bound<Vec<u8>>) -> bool {
    let (from, without) = start(lower);
    end(upper).is_none_or(|(to, with)| to > from || (to == from && (with || !without)))
}

/// Whether a key lies in one of these ranges, which [`merged`] made; `seek` finds the first key from somewhere on. Cost: as often as there
/// are ranges, or keys, whatever is less, a search among either.
pub(super) fn any_within<'k>(
    mut intervals: &[Interval],
    mut seek: impl FnMut(Bound<&[u8]>) -> Option<&'k [u8]>,
) -> bool {
    while let Some((lower, _)) = intervals.first() {
        let Some(key) = seek(lower.as_ref().map(Vec::as_slice)) else { return false };
        let passed = intervals
            .partition_point(|(_, upper)| end(upper).is_some_and(|(to, with)| to < key || (to == key && !with)));
        intervals = intervals.get(passed..).unwrap_or_default();
        let holds = |(lower, _): &Interval| {
            let (from, without) = start(lower);
            from < key || (from == key && !without)
        };
        if intervals.first().is_some_and(holds) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn bound(random: &mut fastrand::Rng) -> Bound<Vec<u8>> {
        let key = vec![random.u8(..12)];
        match random.u8(..5) {
            0 => Bound::Unbounded,
            1 | 2 => Bound::Included(key),
            _ => Bound::Excluded(key),
        }
    }

    fn holds((lower, upper): &Interval, key: &[u8]) -> bool {
        let above = match lower {
            Bound::Unbounded => true,
            Bound::Included(lower) => key >= &lower[..],
            Bound::Excluded(lower) => key > &lower[..],
        };
        above
            && match upper {
                Bound::Unbounded => true,
                Bound::Included(upper) => key <= &upper[..],
                Bound::Excluded(upper) => key < &upper[..],
            }
    }

    /// Every key of a small world, and keys between them.
    fn world() -> Vec<Vec<u8>> {
        (0..13_u8).flat_map(|i| [vec![i], vec![i, 0], vec![i, 7]]).chain([vec![]]).collect()
    }

    #[test]
    fn i18_merged_ranges_hold_the_same_keys() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut found = 0;
        for _ in 0..20_000 {
            let count = random.usize(..6);
            let intervals: Vec<Interval> = (0..count).map(|_| (bound(&mut random), bound(&mut random))).collect();
            let merged = merged(intervals.clone());
            for key in world() {
                let expected = intervals.iter().any(|interval| holds(interval, &key));
                assert_eq!(merged.iter().any(|interval| holds(interval, &key)), expected, "{intervals:?} {key:?}");
            }
            assert!(merged.windows(2).all(|pair| !reaches(&pair[0].1, &pair[1].0)), "{merged:?}");
            let keys: BTreeSet<Vec<u8>> = world().into_iter().filter(|_| random.u8(..8) == 0).collect();
            let seek = |from: Bound<&[u8]>| keys.range::<[u8], _>((from, Bound::Unbounded)).next().map(Vec::as_slice);
            let expected = keys.iter().any(|key| intervals.iter().any(|interval| holds(interval, key)));
            assert_eq!(any_within(&merged, seek), expected, "{intervals:?} {keys:?}");
            found += u32::from(expected);
        }
        assert!((2_000..18_000).contains(&found), "{found}");
    }
}

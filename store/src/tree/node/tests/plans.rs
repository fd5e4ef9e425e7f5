//! How full pages become, and where they end.

use super::*;

/// Entries with keys of four bytes that ascend, and values of twenty.
fn numbered(keys: impl Iterator<Item = u32>) -> Vec<([u8; 4], [u8; 20])> {
    keys.map(|number| (number.to_be_bytes(), [number as u8; 20])).collect()
}

fn puts(entries: &[([u8; 4], [u8; 20])]) -> Vec<Edit<'_>> {
    entries.iter().map(|(key, value)| Edit::Put { key, value: Value::Inline(value) }).collect()
}

fn written(plan: &LeafPlan<'_>) -> Vec<Vec<u8>> {
    let write = |i: usize| {
        let mut out = vec![0xEE; plan.pages()[i].size];
        plan.write(i, &mut out);
        out
    };
    (0..plan.pages().len()).map(write).collect()
}

/// Entries of each page.
fn lens(plan: &LeafPlan<'_>) -> Vec<usize> {
    written(plan).iter().map(|bytes| Body::parse(bytes).unwrap().len()).collect()
}

/// What an entry of `numbered` costs.
const ENTRY: usize = HEAD + SLOT + 4 + 20;

#[test]
fn appends_fill_pages_and_other_splits_leave_room() {
    let sizes = Sizes { leaf: 2000, inner: 2000 };
    let mut empty = Vec::new();
    empty_leaf(&mut empty);
    let (many, few) = (numbered(0..1000), numbered((0..50).map(|number| 2 * number)));
    let plan = plan_leaf(Body::parse(&empty).unwrap(), &puts(&many), &sizes);
    let full = (2000 - HEADER) / ENTRY;
    let mut wanted = vec![full; 1000 / full];
    wanted.push(1000 % full);
    assert_eq!(lens(&plan), wanted);
    // 50 entries fill most of a page. Ten more, from the front on: two pages, halved.
    let old = written(&plan_leaf(Body::parse(&empty).unwrap(), &puts(&few), &sizes));
    assert_eq!(old.len(), 1);
    let more = numbered((0..10).map(|number| 2 * number + 1));
    let plan = plan_leaf(Body::parse(&old[0]).unwrap(), &puts(&more), &sizes);
    assert_eq!(lens(&plan), [30, 30]);
    // A thousand in between: none is full, none half empty.
    let more = numbered((0..1000).map(|number| 90 * 256 + number));
    let mixed = [numbered(std::iter::once(1)), more].concat();
    let plan = plan_leaf(Body::parse(&old[0]).unwrap(), &puts(&mixed), &sizes);
    assert_eq!(lens(&plan), [vec![48; 21], vec![43]].concat());
    // And exactly one page if it just fits.
    let fits = HEADER + 60 * ENTRY;
    let sixty = numbered(0..60);
    for (leaf, pages) in [(fits, 1), (fits - 1, 2)] {
        let plan = plan_leaf(Body::parse(&empty).unwrap(), &puts(&sixty), &Sizes { leaf, inner: leaf });
        assert_eq!(plan.pages().len(), pages);
    }
}

#[test]
fn separators_are_as_short_as_they_can_be() {
    let mut empty = Vec::new();
    empty_leaf(&mut empty);
    let keys: Vec<Vec<u8>> = (b'a'..=b'z').map(|byte| [&[byte; 3][..], &[b'x'; 60]].concat()).collect();
    let edits: Vec<Edit<'_>> = keys.iter().map(|key| Edit::Put { key, value: Value::Inline(b"") }).collect();
    let plan = plan_leaf(Body::parse(&empty).unwrap(), &edits, &Sizes { leaf: 400, inner: 400 });
    assert!(plan.pages().len() > 4);
    assert!((1..plan.pages().len()).all(|i| plan.lower(i).len() == 1));
    assert_eq!(plan.lower(0), b"");
}

#[test]
fn leaves_merge_up_to_three_quarters_and_pack_to_the_target() {
    let sizes = Sizes { leaf: 1000, inner: 1000 };
    let mut empty = Vec::new();
    empty_leaf(&mut empty);
    let forty = numbered(0..40);
    let leaves = written(&plan_leaf(Body::parse(&empty).unwrap(), &puts(&forty), &sizes));
    let [left, right] = &leaves[..] else { panic!("{} leaves", leaves.len()) };
    let [left, right] = [left, right].map(|bytes| Body::parse(bytes).unwrap());
    let merged = HEADER + 40 * ENTRY;
    let fits = merged.div_ceil(3) * 4;
    let merge = |leaf| merge_leaves(left, right, &Sizes { leaf, inner: leaf });
    assert!(fits * 3 / 4 >= merged && (fits - 2) * 3 / 4 < merged);
    let plan = merge(fits).unwrap();
    assert_eq!((plan.pages().len(), plan.pages()[0].size), (1, merged));
    assert!(merge(fits - 2).is_none());
    let packed = written(&pack_leaves(&[left, right], merged).unwrap());
    assert_eq!((packed.len(), packed[0].len()), (1, merged));
    assert_eq!(lens(&pack_leaves(&[left, right], 600).unwrap()), [15, 15, 10]);
    assert!(pack_leaves(&[], 600).is_none());
}

#[test]
fn inner_nodes_are_shared_evenly_and_nobody_is_alone() {
    let list_of = |count: u32| {
        let mut list = KeyList::default();
        (0..count).for_each(|number| list.push(&(number + 1).to_be_bytes()));
        list
    };
    let counts = |children: u32, inner: usize, most: usize| -> Vec<usize> {
        let list = list_of(children - 1);
        let plan = plan_inner(2, b"", None, &list, &Sizes { leaf: inner, inner }, most);
        let shape = |page: &inner::PlannedInner| (page.size, page.first_child, page.children);
        let mut first = 0;
        for (size, first_child, children) in plan.pages().iter().map(shape) {
            assert_eq!(first_child, first);
            assert!(children <= most.max(2) && (size <= inner || children <= 2), "{size} {children}");
            first += children;
        }
        assert_eq!(first as u32, children);
        plan.pages().iter().map(|page| page.children).collect()
    };
    assert_eq!(counts(20, 10_000, 20), [20]);
    assert_eq!(counts(21, 10_000, 20), [11, 10]);
    assert_eq!(counts(40, 10_000, 20), [14, 14, 12]);
    let separator = HEAD + SLOT + 4;
    assert_eq!(counts(20, HEADER + 19 * separator, 20), [20]);
    assert_eq!(counts(20, HEADER + 19 * separator - 1, 20), [10, 10]);
    for children in 1..200 {
        for (inner, most) in [(10_000, 7), (300, 100), (40, 5), (10_000, 3)] {
            let counts = counts(children, inner, most);
            let alone = counts != [1] && counts.contains(&1);
            assert!(!alone || most < 4 || inner == 40, "{children} {inner} {most}: {counts:?}");
        }
    }
}

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

/// A few edits leave what they replace in the heap; more, or no room, or too much that nobody names, and the leaf is written anew.
#[test]
fn few_edits_are_spliced() {
    let mut empty = Vec::new();
    empty_leaf(&mut empty);
    let keys: Vec<[u8; 4]> = (0..100_u32).map(u32::to_be_bytes).collect();
    // Values of two lengths: the leaf is not even.
    let values: Vec<Vec<u8>> = (0..100).map(|i| vec![7; 20 + i % 2]).collect();
    let all: Vec<Edit<'_>> =
        keys.iter().zip(&values).map(|(key, value)| Edit::Put { key, value: Value::Inline(value) }).collect();
    let whole = Sizes { leaf: 8000, inner: 8000 };
    let leaf = written(&plan_leaf(Body::parse(&empty).unwrap(), &all, &whole)).remove(0);
    let replaced = |leaf: &[u8], keys: &[[u8; 4]], target: usize| {
        let edits: Vec<Edit<'_>> = keys.iter().map(|key| Edit::Put { key, value: Value::Inline(b"new") }).collect();
        written(&plan_leaf(Body::parse(leaf).unwrap(), &edits, &Sizes { leaf: target, inner: target }))
    };
    let garbage = |count: usize, target: usize| -> Vec<usize> {
        let pages = replaced(&leaf, &keys[..count], target);
        pages.iter().map(|bytes| Body::parse(bytes).unwrap().garbage()).collect()
    };
    assert_eq!((garbage(1, 8000), garbage(8, 8000), garbage(9, 8000)), (vec![20], vec![4 * 41], vec![0]));
    assert_eq!((garbage(1, leaf.len() + 3), garbage(1, leaf.len() + 2)), (vec![20], vec![0]));
    let (mut now, mut anew) = (leaf.clone(), 0);
    for eight in keys.chunks(8) {
        now = replaced(&now, eight, 8000).remove(0);
        let garbage = Body::parse(&now).unwrap().garbage();
        assert!(garbage * 4 <= now.len(), "{garbage} of {}", now.len());
        anew += usize::from(garbage == 0);
    }
    assert_eq!(anew, 2);
}

#[test]
fn pages_end_where_their_room_does() {
    let mut empty = Vec::new();
    empty_leaf(&mut empty);
    let plan = |old: &[u8], edits: &[Edit<'_>], leaf: usize| {
        lens(&plan_leaf(Body::parse(old).unwrap(), edits, &Sizes { leaf, inner: leaf }))
    };
    // A page that is exactly full, and half an entry that passes an even share.
    assert_eq!(plan(&empty, &puts(&numbered(0..100)), HEADER + 54 * ENTRY), [54, 46]);
    let few = numbered((0..50).map(|number| 2 * number));
    let sizes = Sizes { leaf: 2000, inner: 2000 };
    let old = written(&plan_leaf(Body::parse(&empty).unwrap(), &puts(&few), &sizes));
    assert_eq!(plan(&old[0], &puts(&numbered((0..11).map(|number| 2 * number + 1))), 2000), [31, 30]);
    // Two that do not fit together.
    let large = [0; 1500];
    let two: Vec<Edit<'_>> = [b"a", b"b"].map(|key| Edit::Put { key, value: Value::Inline(&large) }).into();
    assert_eq!(plan(&empty, &two, 2000), [1, 1]);
    // What all keys begin with costs nothing.
    let full = written(&plan_leaf(Body::parse(&empty).unwrap(), &puts(&numbered(0..1000)), &sizes));
    let second = Body::parse(&full[1]).unwrap();
    assert_eq!((second.len(), second.prefix().len()), (54, 3));
    let (keys, value) = (numbered(54..108), [1; 52]);
    let longer: Vec<Edit<'_>> = keys.iter().map(|(key, _)| Edit::Put { key, value: Value::Inline(&value) }).collect();
    assert_eq!(plan(&full[1], &longer, 2000), [27, 27]);
}

#[test]
fn inner_nodes_of_uneven_separators_keep_to_their_size() {
    let counts = |lens: &[usize], inner: usize, most: usize| -> Vec<usize> {
        let mut list = KeyList::default();
        lens.iter().enumerate().for_each(|(at, &len)| {
            list.push(&[&(at as u32 + 1).to_be_bytes()[..], &vec![b'x'; len - 4]].concat());
        });
        let plan = plan_inner(2, b"", None, &list, &Sizes { leaf: inner, inner }, most);
        // Its own fences come on top of what it aims at.
        let fences = 2 * lens.iter().max().unwrap();
        assert!(plan.pages().iter().all(|page| page.size <= inner + fences));
        plan.pages().iter().map(|page| page.children).collect()
    };
    // Short ones are shared by number; of the long ones a node holds exactly 17.
    let lens = [[4; 40], [100; 40]].concat();
    assert_eq!(counts(&lens, HEADER + 17 * (HEAD + SLOT + 100), 100), [27, 27, 18, 9]);
    // Many are filled to nine tenths: three nodes, where two would do.
    assert_eq!(counts(&[4; 199], HEADER + 100 * (HEAD + SLOT + 4), 1000), [67, 67, 66]);
    // The last but one gives one away, if it has more than two.
    assert_eq!((counts(&[4; 9], 10_000, 4), counts(&[4; 4], 10_000, 3)), (vec![3, 3, 2, 2], vec![2, 2, 1]));
}

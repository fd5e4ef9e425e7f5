//! Bodies against a model, and hostile bytes against the parser.

mod plans;
mod rules;

use super::*;
use std::collections::BTreeMap;

/// Sometimes a value, sometimes a reference.
type Entries = BTreeMap<Vec<u8>, (bool, Vec<u8>)>;

fn random_key(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut key = match random.u32(0..12) {
        0 => return Vec::new(),
        1 => vec![0xFF; random.usize(0..6)],
        2 => vec![0; random.usize(0..6)],
        3 => vec![b'x'; random.usize(0..4000)],
        4..=7 => b"shared/prefix/of/many/".to_vec(),
        _ => Vec::new(),
    };
    key.extend((0..random.usize(0..5)).map(|_| [0, 1, b'a', 0xFE, 0xFF][random.usize(0..5)]));
    key
}

fn value(stored: &(bool, Vec<u8>)) -> Value<'_> {
    if stored.0 { Value::Overflow(&stored.1) } else { Value::Inline(&stored.1) }
}

/// A row of leaves that covers all keys.
struct Leaves {
    bodies: Vec<Vec<u8>>,
    model: Entries,
    sizes: Sizes,
    /// One in so many changes puts an entry unlike the others; `None`: there is no rule.
    odd: Option<u32>,
}

impl Leaves {
    fn new(target: usize) -> Self {
        let mut empty = Vec::new();
        empty_leaf(&mut empty);
        Self { bodies: vec![empty], model: Entries::new(), sizes: Sizes { leaf: target, inner: target }, odd: None }
    }

    /// Leaves with keys of three bytes and values of ten, but for some.
    fn mostly_even(target: usize, odd: u32) -> Self {
        Self { odd: Some(odd), ..Self::new(target) }
    }

    fn even(&self) -> usize {
        self.bodies.iter().filter(|body| Body::parse(body).unwrap().even.is_some()).count()
    }

    fn random_key(&self, random: &mut fastrand::Rng) -> Vec<u8> {
        match self.odd {
            Some(odd) if random.u32(0..odd) > 0 => vec![random.u8(..4), random.u8(..8), random.u8(..)],
            _ => random_key(random),
        }
    }

    fn edit(&mut self, random: &mut fastrand::Rng) {
        let place = random.usize(0..self.bodies.len());
        let old = Body::parse(&self.bodies[place]).unwrap();
        let inside = |key: &[u8]| key >= old.lower() && old.upper().is_none_or(|upper| key < upper);
        let few = random.bool();
        let mut changes = BTreeMap::new();
        for _ in 0..random.usize(1..if few { 4 } else { 60 }) {
            let key = match self.model.keys().nth(random.usize(0..self.model.len().max(1))) {
                Some(key) if random.u32(0..3) == 0 => key.clone(),
                _ => self.random_key(random),
            };
            let put = (random.u32(0..4) != 0).then(|| {
                if self.odd.is_some_and(|odd| random.u32(0..odd) > 0) {
                    return (false, vec![random.u8(..); 10]);
                }
                let overflow = random.u32(0..6) == 0;
                (overflow, vec![random.u8(..); if overflow { 48 } else { random.usize(0..120) }])
            });
            if inside(&key) {
                changes.insert(key, put);
            }
        }
        let edits: Vec<Edit<'_>> = changes
            .iter()
            .map(|(key, put)| match put {
                Some(stored) => Edit::Put { key, value: value(stored) },
                None => Edit::Delete { key },
            })
            .collect();
        let plan = plan_leaf(old, &edits, &self.sizes);
        let before = self.model.len() as i64;
        let mut dropped: Vec<Vec<u8>> = Vec::new();
        for (key, put) in &changes {
            let gone = match put {
                Some(stored) => self.model.insert(key.clone(), stored.clone()),
                None => self.model.remove(key),
            };
            dropped.extend(gone.filter(|gone| gone.0).map(|gone| gone.1));
        }
        assert_eq!(plan.len_delta(), self.model.len() as i64 - before);
        let mut found: Vec<Vec<u8>> = plan.dropped().map(<[u8]>::to_vec).collect();
        found.sort();
        dropped.sort();
        assert_eq!(found, dropped, "references that are replaced");
        let pages: Vec<Vec<u8>> = (0..plan.pages().len())
            .map(|i| {
                let mut out = vec![0xEE; plan.pages()[i].size];
                plan.write(i, &mut out);
                out
            })
            .collect();
        self.bodies.splice(place..=place, pages);
    }

    fn merge(&mut self, random: &mut fastrand::Rng) {
        if self.bodies.len() < 2 {
            return;
        }
        let place = random.usize(0..self.bodies.len() - 1);
        let [left, right] = [place, place + 1].map(|i| Body::parse(&self.bodies[i]).unwrap());
        let Some(plan) = merge_leaves(left, right, &self.sizes) else { return };
        let mut out = vec![0xEE; plan.pages()[0].size];
        plan.write(0, &mut out);
        self.bodies.splice(place..=place + 1, [out]);
    }

    /// I9: sorted, within fences that tile all keys; and it is what the model says.
    fn check(&self, random: &mut fastrand::Rng) {
        let mut upper = Some(Vec::new());
        let mut entries = self.model.iter();
        for bytes in &self.bodies {
            let body = Body::parse(bytes).unwrap();
            assert_eq!(Some(body.lower().to_vec()), upper, "fences tile");
            upper = body.upper().map(<[u8]>::to_vec);
            let mut key = Vec::new();
            for i in 0..body.len() {
                body.key_into(i, &mut key);
                let (wanted, stored) = entries.next().unwrap();
                assert_eq!((&key, body.value(i)), (wanted, value(stored)));
                assert_eq!(body.find(&key), Ok(i));
            }
            for _ in 0..10 {
                let key = random_key(random);
                let below = (0..body.len()).filter(|&i| [body.prefix(), body.suffix(i)].concat() < key).count();
                match body.find(&key) {
                    Ok(i) => assert_eq!(([body.prefix(), body.suffix(i)].concat(), i), (key, below)),
                    Err(i) => assert_eq!(i, below),
                }
            }
        }
        assert_eq!(upper, None);
        assert!(entries.next().is_none());
    }
}

#[test]
fn i9_leaves_match_a_model() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut leaves = Leaves::new([300, 512, 4096, 16_000][random.usize(0..4)]);
        for _ in 0..60 {
            if random.u32(0..4) == 0 {
                leaves.merge(&mut random);
            } else {
                leaves.edit(&mut random);
            }
            leaves.check(&mut random);
        }
        assert!(leaves.bodies.iter().all(|body| body.len() <= MAX_BODY));
    }
}

/// Bodies whose entries all look alike are read without their slots: whatever comes and goes, they hold what the model holds.
#[test]
fn i9_even_leaves_match_a_model() {
    let (mut even, mut all) = (0, 0);
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let odd = [30, 300, u32::MAX][random.usize(0..3)];
        let mut leaves = Leaves::mostly_even([300, 1000, 4096][random.usize(0..3)], odd);
        for _ in 0..60 {
            if random.u32(0..6) == 0 {
                leaves.merge(&mut random);
            } else {
                leaves.edit(&mut random);
            }
            leaves.check(&mut random);
            even += leaves.even();
            all += leaves.bodies.len();
        }
        if odd == u32::MAX {
            let full = leaves.bodies.iter().filter(|body| Body::parse(body).unwrap().len() > 0).count();
            assert_eq!(leaves.even(), full, "nothing makes these uneven");
        }
    }
    assert!(even > all / 4 && even < all, "{even} of {all} bodies are even");
}

/// What an even body says of itself is believed only after its slots were compared.
#[test]
fn i32_a_body_that_claims_to_be_even_is() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut leaves = Leaves::mostly_even(600, u32::MAX);
    while leaves.bodies.len() < 4 {
        leaves.edit(&mut random);
    }
    for body in leaves.bodies.iter().filter(|body| Body::parse(body).unwrap().len() > 1) {
        let even = Body::parse(body).unwrap().even.unwrap();
        let (slots, count) = (HEADER + Body::parse(body).unwrap().len() * HEAD, Body::parse(body).unwrap().len());
        for (at, change) in [(10, 1), (28, 1), (slots + SLOT, 1), (slots + SLOT * (count - 1) + 4, 1), (slots + 2, 1)] {
            let mut changed = body.clone();
            changed[at] ^= change;
            assert!(Body::parse(&changed).is_err(), "byte {at} of a body with {count} times {even:?}");
        }
        // Without the claim it is the same body, read by its slots.
        let mut plain = body.clone();
        plain[10..12].fill(0);
        plain[28..32].fill(0);
        let (plain, body) = (Body::parse(&plain).unwrap(), Body::parse(body).unwrap());
        assert!((0..count).all(|i| (plain.suffix(i), plain.value(i)) == (body.suffix(i), body.value(i))));
    }
}

/// A splice copies blocks, a rebuild goes entry by entry: both must hold the same.
#[test]
fn a_splice_holds_what_a_rebuild_holds() {
    let mut random = fastrand::Rng::with_seed(11);
    let mut spliced = 0;
    for _ in 0..300 {
        let mut leaves = Leaves::new(8000);
        leaves.edit(&mut random);
        let before = leaves.bodies.clone();
        leaves.edit(&mut random);
        spliced += usize::from(leaves.bodies.len() == 1 && before != leaves.bodies);
        leaves.check(&mut random);
        for bytes in &leaves.bodies {
            let body = Body::parse(bytes).unwrap();
            // A rebuild has no garbage.
            let mut key = Vec::new();
            let keys: Vec<Vec<u8>> = (0..body.len())
                .map(|i| {
                    body.key_into(i, &mut key);
                    key.clone()
                })
                .collect();
            let edits: Vec<Edit<'_>> =
                keys.iter().enumerate().map(|(i, key)| Edit::Put { key, value: body.value(i) }).collect();
            let mut empty = Vec::new();
            empty_leaf(&mut empty);
            let plan = plan_leaf(Body::parse(&empty).unwrap(), &edits, &Sizes { leaf: MAX_BODY, inner: MAX_BODY });
            let mut rebuilt = vec![0; plan.pages()[0].size];
            plan.write(0, &mut rebuilt);
            let rebuilt = Body::parse(&rebuilt).unwrap();
            assert_eq!((rebuilt.len(), rebuilt.garbage()), (body.len(), 0));
            assert!((0..body.len()).all(|i| rebuilt.value(i) == body.value(i)));
        }
    }
    assert!(spliced > 100);
}

#[test]
fn i9_inner_nodes_send_every_key_to_its_child() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut keys: Vec<Vec<u8>> = (0..random.usize(1..120)).map(|_| random_key(&mut random)).collect();
        keys.push(b"m".to_vec());
        keys.sort();
        keys.dedup();
        keys.retain(|key| !key.is_empty());
        let mut list = KeyList::default();
        keys.iter().for_each(|key| list.push(key));
        let plan = plan_inner(1, &[], None, &list, &Sizes { leaf: 600, inner: 600 }, 20);
        let mut children = 0;
        for i in 0..plan.pages().len() {
            let page = plan.pages()[i];
            assert_eq!(page.first_child, children);
            children += page.children;
            let mut out = vec![0xEE; page.size];
            plan.write(i, &mut out);
            let body = Body::parse(&out).unwrap();
            assert_eq!((body.level(), body.len() + 1), (1, page.children));
            assert_eq!(body.lower(), plan.lower(i));
            for _ in 0..20 {
                let key = random_key(&mut random);
                if key.as_slice() >= body.lower() && body.upper().is_none_or(|upper| key.as_slice() < upper) {
                    let wanted = keys.iter().filter(|separator| **separator <= key).count();
                    assert_eq!(page.first_child + body.child_index(&key), wanted);
                }
            }
        }
        assert_eq!(children, keys.len() + 1);
    }
}

/// Everything that a reader does with a body that was accepted.
fn use_everything(bytes: &[u8]) -> bool {
    let Ok(body) = Body::parse(bytes) else { return false };
    let mut key = Vec::new();
    for i in 0..body.len() {
        body.key_into(i, &mut key);
        assert_eq!(body.find(&key), Ok(i));
        let (Value::Inline(value) | Value::Overflow(value)) = body.value(i);
        assert!(value.len() <= bytes.len());
    }
    let _ = (body.upper(), body.find(b"any"), body.child_index(body.lower()));
    true
}

#[test]
fn i36_hostile_bodies_end_in_an_answer() {
    let mut random = fastrand::Rng::with_seed(5);
    let (mut accepted, mut refused) = (0_u32, 0_u32);
    for _ in 0..12 {
        let mut leaves = Leaves::new(700);
        for _ in 0..6 {
            leaves.edit(&mut random);
        }
        for body in leaves.bodies.iter().filter(|body| body.len() < 900).take(2) {
            for at in 0..body.len() {
                for change in [1, 0x80, 0xFF, body[at]] {
                    let mut changed = body.clone();
                    changed[at] ^= change;
                    *if use_everything(&changed) { &mut accepted } else { &mut refused } += 1;
                }
                let _ = use_everything(&body[..at]);
            }
        }
    }
    assert!(accepted > 0 && refused > accepted / 4, "{accepted} accepted, {refused} refused");
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..random.usize(0..200)).map(|_| random.u8(..)).collect();
        // Lengths that add up are rare: help them.
        if bytes.len() >= HEADER && random.bool() {
            let len = bytes.len() as u32;
            bytes[..HEADER].fill(0);
            bytes[1] = INFINITE;
            bytes[12..16].copy_from_slice(&len.to_le_bytes());
            bytes[4] = random.u8(0..8);
            let rest = len.saturating_sub(HEADER as u32 + u32::from(bytes[4]) * 12);
            let keys = random.u32(0..=rest);
            bytes[16..20].copy_from_slice(&keys.to_le_bytes());
            bytes[20..24].copy_from_slice(&(rest - keys).to_le_bytes());
        }
        let _ = use_everything(&bytes);
    }
}

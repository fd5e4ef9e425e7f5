//! What is proven of the file that a killed process left. What a transaction saw of a list says who comes before it and who after; that these
//! relations have no cycle proves serializability. After Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental
//! Observations" (2020), section 4.

use crate::child::filler;
use std::collections::{BTreeMap, BTreeSet};
use tamarack::Durability;

/// A list: of a process and turn, and its number.
pub(crate) type Key = (u64, u8);
/// One list in one transaction: how long it was, who was last, and whether the transaction appended itself.
pub(crate) type Seen = (Key, usize, Option<u64>, bool);

/// An acknowledged transaction.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) durability: Durability,
    /// By a task, or else by a thread.
    pub(crate) task: bool,
    /// Acknowledgements up to this one.
    pub(crate) time: u64,
    pub(crate) seen: Vec<Seen>,
}

impl Told {
    fn appends(&self) -> bool {
        self.seen.iter().any(|&(.., append)| append)
    }
}

pub(crate) type Acknowledged = BTreeMap<u64, Told>;

/// What the file holds.
#[derive(Default, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) lists: BTreeMap<Key, Vec<u64>>,
    pub(crate) commits: BTreeMap<u64, (u64, Vec<Key>, Vec<u8>)>,
}

impl Left {
    /// What others than this process have left.
    pub(crate) fn without(&self, process: u64) -> Self {
        let other = |id: u64| id >> 32 != process;
        Self {
            lists: self.lists.iter().filter(|(key, _)| other(key.0)).map(|(&key, list)| (key, list.clone())).collect(),
            commits: self.commits.iter().filter(|&(&id, _)| other(id)).map(|(&id, of)| (id, of.clone())).collect(),
        }
    }
}

/// What was proven.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proven {
    /// Deferred commits that were acknowledged and are gone, all behind everything that is there.
    pub(crate) gone: u64,
    /// Commits that are there and were not acknowledged.
    pub(crate) unheard: u64,
    pub(crate) relations: u64,
}

/// Proves what one process left, or says what is wrong.
pub(crate) fn prove(left: &Left, acknowledged: &Acknowledged) -> Result<Proven, String> {
    whole(left)?;
    let gone = promised(left, acknowledged)?;
    let after = relations(left, acknowledged)?;
    if !has_order(&after) {
        return Err("no order explains what the transactions saw".to_owned());
    }
    Ok(Proven {
        gone,
        unheard: left.commits.keys().filter(|id| !acknowledged.contains_key(id)).count() as u64,
        relations: after.values().map(|after| after.len() as u64).sum(),
    })
}

/// No transaction is there in part.
fn whole(left: &Left) -> Result<(), String> {
    let mut entries = 0;
    for (&id, (_, lists, bytes)) in &left.commits {
        for key in lists {
            let times = left.lists.get(key).map_or(0, |list| list.iter().filter(|&&other| other == id).count());
            if times != 1 {
                return Err(format!("a partial transaction: {id:x} is {times} times in {key:?}"));
            }
        }
        if *bytes != filler(id) {
            return Err(format!("a partial transaction: {id:x} has other bytes"));
        }
        entries += lists.len();
    }
    if entries != left.lists.values().map(Vec::len).sum::<usize>() {
        return Err("a partial transaction: one appended and is not among the commits".to_owned());
    }
    Ok(())
}

/// Everything that was handed to the operating system is there, and of the rest nothing before something that is there. Returns how many
/// are gone.
fn promised(left: &Left, acknowledged: &Acknowledged) -> Result<u64, String> {
    let last = left.commits.values().map(|&(began, ..)| began).max().unwrap_or(0);
    let mut gone = 0;
    for (id, told) in acknowledged.iter().filter(|(id, told)| told.appends() && !left.commits.contains_key(id)) {
        if told.durability != Durability::Deferred {
            return Err(format!("acknowledged and lost: {id:x}, {:?}", told.durability));
        }
        if told.time <= last {
            return Err(format!("no prefix: {id:x} is lost, and one that began after it was acknowledged is there"));
        }
        gone += 1;
    }
    Ok(gone)
}

/// Who comes before whom; or what was seen that is no state of the list.
fn relations(left: &Left, acknowledged: &Acknowledged) -> Result<BTreeMap<u64, BTreeSet<u64>>, String> {
    let mut after: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    let mut relate = |a: u64, b: u64| {
        if a != b {
            after.entry(a).or_default().insert(b);
        }
        after.entry(b).or_default();
    };
    for list in left.lists.values() {
        list.windows(2).for_each(|pair| relate(pair[0], pair[1]));
    }
    for (&id, told) in acknowledged {
        let appends = told.appends();
        let there = left.commits.contains_key(&id);
        // One that was lost, or may have seen what was.
        let free = !appends || !there;
        for &(key, length, last, append) in &told.seen {
            let list = left.lists.get(&key).map_or(&[][..], Vec::as_slice);
            if last.is_some() && (length > list.len() || list[length - 1] != last.unwrap()) {
                if free {
                    continue;
                }
                return Err(format!("{id:x} saw in {key:?} what nobody wrote, or what was lost"));
            }
            if append && there && list.get(length) != Some(&id) {
                return Err(format!("an update of {key:?} was lost"));
            }
            if !free || !appends {
                last.into_iter().for_each(|last| relate(last, id));
                list.get(length).into_iter().for_each(|&next| relate(id, next));
            }
        }
    }
    Ok(after)
}

/// Whether there is an order that all relations agree with (Kahn, 1962).
fn has_order(after: &BTreeMap<u64, BTreeSet<u64>>) -> bool {
    let mut before: BTreeMap<u64, usize> = after.keys().map(|&id| (id, 0)).collect();
    after.values().flatten().for_each(|id| *before.get_mut(id).unwrap() += 1);
    let mut ready: Vec<u64> = before.iter().filter(|&(_, &count)| count == 0).map(|(&id, _)| id).collect();
    let mut placed = 0;
    while let Some(id) = ready.pop() {
        placed += 1;
        for next in &after[&id] {
            let count = before.get_mut(next).unwrap();
            *count -= 1;
            if *count == 0 {
                ready.push(*next);
            }
        }
    }
    placed == after.len()
}

mod tests {
    use super::*;

    /// What was left by transactions: when they began, and what they appended to.
    fn left(commits: &[(u64, u64, &[u8])]) -> Left {
        let mut left = Left::default();
        for &(id, began, lists) in commits {
            let keys: Vec<Key> = lists.iter().map(|&list| (0, list)).collect();
            keys.iter().for_each(|&key| left.lists.entry(key).or_default().push(id));
            left.commits.insert(id, (began, keys, filler(id)));
        }
        left
    }

    fn told(durability: Durability, time: u64, seen: &[(u8, usize, Option<u64>, bool)]) -> Told {
        let seen = seen.iter().map(|&(list, length, last, append)| ((0, list), length, last, append)).collect();
        Told { durability, task: false, time, seen }
    }

    #[test]
    fn write_skew_is_refused() {
        let left = left(&[(1, 0, &[0]), (2, 0, &[1])]);
        let skew = Acknowledged::from([
            (1, told(Durability::Deferred, 1, &[(0, 0, None, true), (1, 0, None, false)])),
            (2, told(Durability::Deferred, 2, &[(0, 0, None, false), (1, 0, None, true)])),
        ]);
        assert!(prove(&left, &skew).unwrap_err().contains("no order"));
    }

    #[test]
    fn a_lost_update_is_refused() {
        let left = left(&[(1, 0, &[0]), (2, 0, &[0]), (3, 0, &[0])]);
        let lost = Acknowledged::from([(3, told(Durability::Synced, 1, &[(0, 1, Some(1), true)]))]);
        assert!(prove(&left, &lost).unwrap_err().contains("an update"));
    }

    #[test]
    fn a_loss_is_refused_unless_it_was_deferred_and_at_the_end() {
        let first = left(&[(1, 0, &[0])]);
        let second = |durability| Acknowledged::from([(2, told(durability, 2, &[(1, 0, None, true)]))]);
        assert_eq!(prove(&first, &second(Durability::Deferred)), Ok(Proven { gone: 1, unheard: 1, relations: 0 }));
        for durability in [Durability::Synced, Durability::Buffered] {
            assert!(prove(&first, &second(durability)).unwrap_err().contains("acknowledged and lost"));
        }
        let third = left(&[(1, 0, &[0]), (3, 2, &[2])]);
        assert!(prove(&third, &second(Durability::Deferred)).unwrap_err().contains("no prefix"));
    }

    #[test]
    fn a_partial_transaction_is_refused() {
        let sound = left(&[(1, 0, &[0, 1])]);
        assert!(prove(&sound, &Acknowledged::new()).is_ok());
        let mut partial = sound.clone();
        partial.lists.remove(&(0, 1));
        assert!(prove(&partial, &Acknowledged::new()).unwrap_err().contains("partial"));
        let mut partial = sound.clone();
        partial.commits.clear();
        assert!(prove(&partial, &Acknowledged::new()).unwrap_err().contains("partial"));
    }
}

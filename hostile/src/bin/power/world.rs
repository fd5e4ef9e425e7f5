//! What the process does whose machine loses power, and what may be left of it. A transaction is a function of the seed, its thread and its number, so
//! that what is found can be worked out again from how many transactions of each thread are there.
//!
//! Three things tell which transactions are there, and that they are a prefix of the order of commits: each thread's are numbered without a gap; each
//! knows how many of every other thread had been acknowledged when it began; and a third of them form one chain through all threads.

use std::collections::BTreeMap;
use tamarack::{Database, Durability, ReadTxn, TableDef, WriteTxn};

/// What stands under a transaction's thread and number: how many of each thread of its process were acknowledged, and its place in the chain.
type Commit = (Vec<(u32, u64)>, Option<u64>);

const COMMITS: TableDef<(u32, u64), Commit> = TableDef::new("commits");
const CHAIN: TableDef<u64, (u32, u64)> = TableDef::new("chain");
const NEXT: TableDef<u8, u64> = TableDef::new("next");
/// Owner and number of a value; the chain's transactions write those of nobody.
const VALUES: TableDef<(u32, u16), Vec<u8>> = TableDef::new("values");

const NOBODY: u32 = u32::MAX;
/// Values of an owner.
const WIDTH: u16 = 300;
/// Threads of one process.
pub(crate) const THREADS: u32 = 8;
pub(crate) const DURABILITIES: [Durability; 3] = [Durability::Deferred, Durability::Buffered, Durability::Synced];

/// How many transactions of each thread there are.
pub(crate) type Counts = BTreeMap<u32, u64>;

/// A process whose threads commit; one file may see several.
pub(crate) fn life_of(thread: u32) -> u32 {
    thread / THREADS
}

fn mix(words: [u64; 4]) -> u64 {
    words.into_iter().fold(0x9e37_79b9_7f4a_7c15, |hash, word| {
        let mixed = (hash ^ word).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb).rotate_left(31)
    })
}

/// What one transaction does.
pub(crate) struct Plan {
    thread: u32,
    number: u64,
    pub(crate) durability: Durability,
    chained: bool,
    /// A length, or none to remove it.
    changes: Vec<(u16, Option<usize>)>,
}

impl Plan {
    pub(crate) fn new(seed: u64, thread: u32, number: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(mix([seed, u64::from(thread), number, 0]));
        // Now and then more than a checkpoint's worth; mostly a few small values, some of them on pages of their own.
        let count = if random.u16(0..400) == 0 { 400 } else { random.u16(1..6) };
        let length = |random: &mut fastrand::Rng| match random.u8(0..40) {
            0 => random.usize(5_000..24_000),
            1..10 => random.usize(300..1_500),
            _ => random.usize(0..120),
        };
        let change = |random: &mut fastrand::Rng| {
            let gone = random.u8(0..6) == 0;
            (random.u16(0..WIDTH), (!gone).then(|| length(random)))
        };
        let changes = (0..count).map(|_| change(&mut random)).collect();
        let durability = DURABILITIES[random.usize(0..DURABILITIES.len())];
        Self { thread, number, durability, chained: random.u8(0..3) == 0, changes }
    }

    fn owner(&self) -> u32 {
        if self.chained { NOBODY } else { self.thread }
    }

    fn value(&self, key: u16, length: usize) -> Vec<u8> {
        let word = mix([u64::from(self.thread), self.number, u64::from(key), length as u64]);
        word.to_le_bytes().into_iter().cycle().take(length).collect()
    }

    /// Runs it in a transaction. `heard` says how many of each thread are acknowledged.
    pub(crate) fn run(&self, tx: &WriteTxn<()>, heard: Vec<(u32, u64)>) -> tamarack::Result<()> {
        let mut place = None;
        if self.chained {
            let mut next = tx.open_table(&NEXT)?;
            let at = next.get(0)?.unwrap_or(0);
            next.insert(0, at + 1)?;
            tx.open_table(&CHAIN)?.insert(at, (self.thread, self.number))?;
            place = Some(at);
        }
        let mut values = tx.open_table(&VALUES)?;
        for &(key, length) in &self.changes {
            match length {
                Some(length) => drop(values.insert((self.owner(), key), self.value(key, length))?),
                None => drop(values.remove((self.owner(), key))?),
            }
        }
        tx.open_table(&COMMITS)?.insert((self.thread, self.number), (heard, place))?;
        Ok(())
    }

    fn replay(&self, values: &mut BTreeMap<(u32, u16), (u32, u64, u16, usize)>) {
        for &(key, length) in &self.changes {
            match length {
                Some(length) => drop(values.insert((self.owner(), key), (self.thread, self.number, key, length))),
                None => drop(values.remove(&(self.owner(), key))),
            }
        }
    }
}

/// Reads everything, and proves that it is what a prefix of the commits made, each of them whole.
pub(crate) fn prove(db: &Database<()>, seed: u64) -> Result<Counts, String> {
    db.read(|tx| Ok(prove_in(tx, seed))).map_err(|error| format!("reading: {error}"))?
}

fn prove_in(tx: &ReadTxn<()>, seed: u64) -> Result<Counts, String> {
    let wrong = |error: tamarack::Error| format!("reading: {error}");
    let commits = tx.open_table(&COMMITS).map_err(wrong)?;
    let commits: BTreeMap<(u32, u64), Commit> = commits.iter().collect::<tamarack::Result<_>>().map_err(wrong)?;
    let chain = tx.open_table(&CHAIN).map_err(wrong)?;
    let chain: Vec<(u64, (u32, u64))> = chain.iter().collect::<tamarack::Result<_>>().map_err(wrong)?;
    let next = tx.open_table(&NEXT).and_then(|next| next.get(0)).map_err(wrong)?.unwrap_or(0);
    let counts = prefix(&commits, &chain, next)?;
    let mut expected = BTreeMap::new();
    let numbers = counts.iter().flat_map(|(&thread, &count)| (0..count).map(move |number| (thread, number)));
    let plans = numbers.map(|(thread, number)| Plan::new(seed, thread, number));
    plans.filter(|plan| !plan.chained).for_each(|plan| plan.replay(&mut expected));
    chain.iter().for_each(|&(_, (thread, number))| Plan::new(seed, thread, number).replay(&mut expected));
    let values = tx.open_table(&VALUES).map_err(wrong)?;
    let mut expected = expected.into_iter();
    for value in values.iter() {
        let (key, bytes) = value.map_err(wrong)?;
        let made = expected.next().ok_or_else(|| format!("value {key:?} is there and nobody wrote it"))?;
        let (place, (thread, number, at, length)) = made;
        if place != key || Plan::new(seed, thread, number).value(at, length) != bytes {
            return Err(format!("value {key:?} is not what transaction {number} of thread {thread} made of {place:?}"));
        }
    }
    match expected.next() {
        Some((key, _)) => Err(format!("value {key:?} is missing")),
        None => Ok(counts),
    }
}

/// How many of each thread there are, if nothing is missing before something that is there.
fn prefix(commits: &BTreeMap<(u32, u64), Commit>, chain: &[(u64, (u32, u64))], next: u64) -> Result<Counts, String> {
    let mut counts = Counts::new();
    for &(thread, number) in commits.keys() {
        let count = counts.entry(thread).or_default();
        if number != *count {
            return Err(format!("a hole: thread {thread} has {number} behind {count} transactions"));
        }
        *count += 1;
    }
    for (id, (heard, place)) in commits {
        for (thread, count) in heard {
            if counts.get(thread).copied().unwrap_or(0) < *count {
                return Err(format!("a hole: {id:?} is there and began behind {count} of thread {thread}"));
            }
        }
        let linked = place.map(|place| chain.get(place as usize).copied());
        if linked.is_some_and(|link| link.is_none_or(|(_, link)| link != *id)) {
            return Err(format!("a hole in the chain: {id:?} is not at {place:?}"));
        }
    }
    let whole = chain.iter().enumerate().all(|(at, (place, _))| at as u64 == *place);
    let linked = commits.values().filter(|(_, place)| place.is_some()).count();
    if !whole || linked != chain.len() || next != chain.len() as u64 {
        return Err(format!("a partial transaction: {linked} in the chain, which has {} and next {next}", chain.len()));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Named<'a> = (u32, u64, &'a [(u32, u64)], Option<u64>);

    fn commits(of: &[Named<'_>]) -> BTreeMap<(u32, u64), Commit> {
        of.iter().map(|&(thread, number, heard, place)| ((thread, number), (heard.to_vec(), place))).collect()
    }

    #[test]
    fn a_prefix_is_told_from_a_hole() {
        let whole = commits(&[(0, 0, &[], None), (0, 1, &[(1, 1)], Some(0)), (1, 0, &[], None)]);
        assert_eq!(prefix(&whole, &[(0, (0, 1))], 1), Ok(Counts::from([(0, 2), (1, 1)])));
        let gap = commits(&[(0, 1, &[], None)]);
        assert!(prefix(&gap, &[], 0).unwrap_err().contains("a hole"));
        let unheard = commits(&[(0, 0, &[(1, 1)], None)]);
        assert!(prefix(&unheard, &[], 0).unwrap_err().contains("a hole"));
    }

    #[test]
    fn a_partial_transaction_is_refused() {
        let one = commits(&[(0, 0, &[], Some(0))]);
        assert!(prefix(&one, &[(0, (0, 0))], 1).is_ok());
        assert!(prefix(&one, &[(0, (0, 0))], 0).unwrap_err().contains("partial"));
        assert!(prefix(&one, &[], 0).unwrap_err().contains("chain"));
        assert!(prefix(&BTreeMap::new(), &[(0, (0, 0))], 1).unwrap_err().contains("partial"));
    }

    #[test]
    fn what_is_left_is_worked_out_again() {
        let db = Database::<()>::in_memory().unwrap();
        for number in 0..500 {
            let thread = (number % 2) as u32;
            let plan = Plan::new(7, thread, number / 2);
            db.write(|tx| plan.run(tx, vec![(thread, number / 2)])).unwrap();
        }
        assert_eq!(prove(&db, 7), Ok(Counts::from([(0, 250), (1, 250)])));
        db.write(|tx| tx.open_table(&VALUES)?.pop_first()).unwrap();
        assert!(prove(&db, 7).is_err());
    }
}

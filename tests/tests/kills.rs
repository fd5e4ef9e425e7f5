//! Random transactions of threads and tasks in a process that is killed again and again; tasks that are dropped and threads that panic
//! inside a transaction. What is left is proven serializable, and complete as far as it was acknowledged.
//!
//! Each record is the list of those who appended to it, so that its final state tells the order of all its versions. What a transaction saw
//! of a list then says who comes before it and who after; that these relations have no cycle is the proof. After Kingsbury and Alvaro,
//! "Elle: Inferring Isolation Anomalies from Experimental Observations" (2020), section 4.

#![allow(clippy::disallowed_methods, reason = "tests use files, processes and threads as programs do")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tamarack::{Database, Durability, Options, Table, TableDef, WriteTxn};

/// Its value names the folder that the process to be killed works in.
const FOLDER: &str = "TAMARACK_KILLS_FOLDER";
/// How many kills, if not the few of a test run.
const KILLS: &str = "TAMARACK_KILLS";

const LISTS: TableDef<(u64, u8), Vec<u64>> = TableDef::new("lists");
/// Lists that are written at a time, and transactions until it is the next ones' turn: none grows long.
const WIDTH: u8 = 24;
const TURN: u64 = 1000;

/// One list in one transaction: how long it was, who was last, and whether the transaction appended itself.
type Seen = ((u64, u8), usize, Option<u64>, bool);

/// What a transaction does: chosen before it runs, as it may have to run twice.
#[derive(Clone)]
struct Plan {
    id: u64,
    durability: Durability,
    lists: BTreeMap<(u64, u8), bool>,
    panics: bool,
}

impl Plan {
    fn new(random: &mut fastrand::Rng, id: u64, turn: u64) -> Self {
        let appends = random.u8(0..4) > 0;
        let lists = (0..random.u8(1..5)).map(|_| ((turn, random.u8(0..WIDTH)), appends && random.bool())).collect();
        let durability = [Durability::Synced, Durability::Buffered, Durability::Deferred][random.usize(0..3)];
        Self { id, durability, lists, panics: random.u16(0..500) == 0 }
    }

    fn run(&self, tx: &WriteTxn<()>) -> tamarack::Result<Vec<Seen>> {
        let mut table: Table<'_, (u64, u8), Vec<u64>, _> = tx.open_table(&LISTS)?;
        let mut seen = Vec::new();
        for (&key, &append) in &self.lists {
            let mut list = table.get(key)?.unwrap_or_default();
            seen.push((key, list.len(), list.last().copied(), append));
            if append {
                list.push(self.id);
                table.insert(key, list)?;
            }
        }
        assert!(!self.panics, "a thread that panics in its transaction");
        Ok(seen)
    }

    /// Tells the process that survives. One write, so that lines come whole or not at all.
    fn acknowledge(&self, seen: &[Seen]) {
        let mut line = format!("done {} {}", self.id, u8::from(self.durability == Durability::Deferred));
        for ((turn, list), length, last, append) in seen {
            line += &format!(" {turn},{list},{length},{},{}", last.unwrap_or(0), u8::from(*append));
        }
        line.push('\n');
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

/// The process that is killed.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    // Small enough for evictions and checkpoints.
    let options = Options::new().memory(1 << 20).log_size(1 << 20);
    let db: Database<()> = options.open(Path::new(&folder).join("kills.tam")).unwrap();
    let process = u64::from(std::process::id()) << 32;
    let counter = Arc::new(AtomicU64::new(0));
    let next = move |random: &mut fastrand::Rng| {
        let count = counter.fetch_add(1, Ordering::Relaxed);
        Plan::new(random, process | (count + 1), process | (count / TURN))
    };
    std::panic::set_hook(Box::new(|_| {}));
    for _ in 0..3 {
        let (db, next) = (db.clone(), next.clone());
        std::thread::spawn(move || {
            let mut random = fastrand::Rng::new();
            loop {
                let plan = next(&mut random);
                let result = catch_unwind(AssertUnwindSafe(|| db.write_with(plan.durability, |tx| plan.run(tx))));
                if let Ok(seen) = result {
                    plan.acknowledge(&seen.unwrap());
                }
            }
        });
    }
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
        let mut random = fastrand::Rng::new();
        let mut tasks = tokio::task::JoinSet::new();
        loop {
            while tasks.len() < 20 {
                let (db, plan) = (db.clone(), next(&mut random));
                tasks.spawn(async move {
                    let work = plan.clone();
                    plan.acknowledge(&db.write_async_with(plan.durability, move |tx| work.run(tx)).await.unwrap());
                });
            }
            if random.u8(0..50) == 0 {
                tasks.abort_all();
            }
            tasks.join_next().await;
        }
    });
}

/// Acknowledged transactions of one process, read until it is killed.
fn acknowledged(folder: &Path, random: &mut fastrand::Rng, into: &mut BTreeMap<u64, (bool, Vec<Seen>)>) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child", "--nocapture"]).env(FOLDER, folder).env("RUST_BACKTRACE", "0");
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let mut killer = None;
    while lines.read_line(&mut line).unwrap() > 0 {
        // The test harness says a few things, at first on the same line; the last line may be torn.
        if let Some(at) = line.find("done ").filter(|_| line.ends_with('\n')) {
            let mut words = line[at..].split_whitespace().skip(1);
            let id = words.next().unwrap().parse().unwrap();
            let deferred = words.next() == Some("1");
            let seen = words.map(|word| {
                let numbers: Vec<u64> = word.split(',').map(|number| number.parse().unwrap()).collect();
                let last = Some(numbers[3]).filter(|&last| last > 0);
                ((numbers[0], numbers[1] as u8), numbers[2] as usize, last, numbers[4] == 1)
            });
            into.insert(id, (deferred, seen.collect()));
            if killer.is_none() {
                let (time, id) = (Duration::from_millis(random.u64(1..150)), child.id());
                killer = Some(std::thread::spawn(move || {
                    std::thread::sleep(time);
                    Command::new("kill").args(["-KILL", &id.to_string()]).status().unwrap();
                }));
            }
        }
        line.clear();
    }
    killer.expect("the process ended before it did anything").join().unwrap();
    assert!(!child.wait().unwrap().success());
}

/// Who comes before whom; or what was seen that is no state of the list.
fn relations(
    lists: &BTreeMap<(u64, u8), Vec<u64>>,
    acknowledged: &BTreeMap<u64, (bool, Vec<Seen>)>,
) -> Result<BTreeMap<u64, BTreeSet<u64>>, String> {
    let mut after: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    let mut relate = |a: u64, b: u64| {
        if a != b {
            after.entry(a).or_default().insert(b);
        }
        after.entry(b).or_default();
    };
    for list in lists.values() {
        list.windows(2).for_each(|pair| relate(pair[0], pair[1]));
    }
    let left: BTreeSet<u64> = lists.values().flatten().copied().collect();
    for (&id, (deferred, seen)) in acknowledged {
        let appends = seen.iter().any(|&(.., append)| append);
        if appends && !deferred && !left.contains(&id) {
            return Err(format!("acknowledged and lost: {id:x}"));
        }
        // One that was lost, or may have seen what was.
        let free = !appends || !left.contains(&id);
        for &(key, length, last, append) in seen {
            let list = lists.get(&key).map_or(&[][..], Vec::as_slice);
            if last.is_some() && (length > list.len() || list[length - 1] != last.unwrap()) {
                if free {
                    continue;
                }
                return Err(format!("{id:x} saw in {key:?} what nobody wrote, or what was lost"));
            }
            if append && left.contains(&id) && list.get(length) != Some(&id) {
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

#[test]
fn i15_i18_what_a_killed_process_leaves_is_serializable() {
    let kills: u64 = std::env::var(KILLS).map_or(5, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    let mut all = BTreeMap::new();
    for _ in 0..kills {
        acknowledged(folder.path(), &mut random, &mut all);
    }
    let db: Database<()> = Database::open(folder.path().join("kills.tam")).unwrap();
    let lists: BTreeMap<(u64, u8), Vec<u64>> =
        db.read(|tx| tx.open_table(&LISTS)?.iter().collect::<tamarack::Result<_>>()).unwrap();
    let after = relations(&lists, &all).unwrap();
    assert!(has_order(&after), "no order explains what the transactions saw");
    let left: BTreeSet<u64> = lists.values().flatten().copied().collect();
    let unheard = left.iter().filter(|id| !all.contains_key(id)).count();
    println!(
        "{kills} kills: {} transactions acknowledged, {} relations among {}, no cycle; {unheard} committed unheard; none lost",
        all.len(),
        after.values().map(BTreeSet::len).sum::<usize>(),
        after.len(),
    );
    assert!(all.len() as u64 > kills * 10 && left.len() as u64 > kills * 5);
}

/// The proof finds what it is there for.
#[test]
fn the_proof_refuses_write_skew() {
    let key = |list| (0, list);
    let lists = BTreeMap::from([(key(0), vec![1]), (key(1), vec![2])]);
    let skew = BTreeMap::from([
        (1, (false, vec![(key(0), 0, None, true), (key(1), 0, None, false)])),
        (2, (false, vec![(key(0), 0, None, false), (key(1), 0, None, true)])),
    ]);
    assert!(!has_order(&relations(&lists, &skew).unwrap()));
    let lists = BTreeMap::from([(key(0), vec![1, 2, 3])]);
    let lost = BTreeMap::from([(3, (false, vec![(key(0), 1, Some(1), true)]))]);
    assert!(relations(&lists, &lost).unwrap_err().contains("lost"));
}

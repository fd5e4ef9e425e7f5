//! The process that is killed: transactions of threads and of tasks, at all durabilities, each told of on the process's output when it is committed.

use crate::proof::{Key, Seen};
use std::collections::BTreeMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tamarack::{Database, Durability, Options, Table, TableDef, WriteTxn};

/// Each record is the list of those who appended to it.
pub(crate) const LISTS: TableDef<Key, Vec<u64>> = TableDef::new("lists");
/// Of each transaction that appended: the time when it began, what it appended to, and some bytes.
pub(crate) const COMMITS: TableDef<u64, (u64, Vec<Key>, Vec<u8>)> = TableDef::new("commits");
/// Lists that are written at a time, and transactions until it is the next ones' turn: none grows long.
const WIDTH: u8 = 24;
const TURN: u64 = 1000;
pub(crate) const DURABILITIES: [Durability; 3] = [Durability::Synced, Durability::Buffered, Durability::Deferred];

/// Counts acknowledgements. One who begins after another was acknowledged comes after it in the order of commits.
static CLOCK: AtomicU64 = AtomicU64::new(0);

/// Who commits in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clients {
    Threads,
    Tasks,
    Both,
    /// Threads that say `Synced` of what was only `Deferred`: what the proof has to find.
    Liars,
    /// Nobody: a thread panics, which nobody waits for.
    Panicking,
    /// Nobody: the process ends by a signal that is not ours.
    Aborting,
}

impl Clients {
    pub(crate) const ALL: [Self; 6] =
        [Self::Threads, Self::Tasks, Self::Both, Self::Liars, Self::Panicking, Self::Aborting];
}

/// The bytes that go with a transaction; some need pages of their own.
pub(crate) fn filler(id: u64) -> Vec<u8> {
    let length = if id.is_multiple_of(64) { 20_000 } else { (id % 50) as usize };
    id.to_le_bytes().into_iter().cycle().take(length).collect()
}

/// Of a thread that panics on purpose.
const ON_PURPOSE: &str = "a thread that panics in its transaction";
/// What the process says before it ends by itself, and how it ends: it never does but when something is wrong.
pub(crate) const WRONG: &str = "wrong: ";
const WRONG_CODE: i32 = 7;

/// What a transaction does: chosen before it runs, as it may have to run twice.
#[derive(Clone)]
struct Plan {
    id: u64,
    durability: Durability,
    lists: BTreeMap<Key, bool>,
    panics: bool,
    /// What it says of itself, if that is not true.
    says: Option<Durability>,
    task: bool,
}

impl Plan {
    fn new(random: &mut fastrand::Rng, id: u64, turn: u64, clients: Clients, task: bool) -> Self {
        let appends = random.u8(0..4) > 0;
        let lists = (0..random.u8(1..5)).map(|_| ((turn, random.u8(0..WIDTH)), appends && random.bool())).collect();
        let lies = clients == Clients::Liars;
        let durability = if lies { Durability::Deferred } else { DURABILITIES[random.usize(0..3)] };
        let says = lies.then_some(Durability::Synced);
        Self { id, durability, lists, panics: random.u16(0..500) == 0, says, task }
    }

    fn run(&self, tx: &WriteTxn<()>) -> tamarack::Result<Vec<Seen>> {
        let began = CLOCK.load(Ordering::SeqCst);
        let mut table: Table<'_, Key, Vec<u64>, _> = tx.open_table(&LISTS)?;
        let mut seen = Vec::new();
        for (&key, &append) in &self.lists {
            let mut list = table.get(key)?.unwrap_or_default();
            seen.push((key, list.len(), list.last().copied(), append));
            if append {
                list.push(self.id);
                table.insert(key, list)?;
            }
        }
        assert!(!self.panics, "{ON_PURPOSE}");
        let appended: Vec<Key> = self.lists.iter().filter(|&(_, &append)| append).map(|(&key, _)| key).collect();
        if !appended.is_empty() {
            tx.open_table(&COMMITS)?.insert(self.id, (began, appended, filler(self.id)))?;
        }
        Ok(seen)
    }

    /// Tells the process that survives. One write, so that lines come whole or not at all.
    fn acknowledge(&self, seen: &[Seen]) {
        let time = CLOCK.fetch_add(1, Ordering::SeqCst) + 1;
        let said = self.says.unwrap_or(self.durability) as u8;
        let mut line = format!("done {} {said} {} {time}", self.id, u8::from(self.task));
        for ((turn, list), length, last, append) in seen {
            line += &format!(" {turn},{list},{length},{},{}", last.unwrap_or(0), u8::from(*append));
        }
        line.push('\n');
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

/// A panic that nobody wanted ends the process, whatever thread or task it is in and whoever would catch it: the others would go on until they are
/// killed, as if nothing had been.
fn end_if_wrong(panic: &PanicHookInfo<'_>) {
    if panic.payload_as_str() != Some(ON_PURPOSE) {
        let line = format!("{WRONG}{}\n", panic.to_string().replace('\n', " "));
        let _ = std::io::stdout().lock().write_all(line.as_bytes());
        std::process::exit(WRONG_CODE);
    }
}

/// Commits until it is killed.
pub(crate) fn run(folder: &Path, clients: Clients) {
    std::panic::set_hook(Box::new(end_if_wrong));
    let mut random = fastrand::Rng::new();
    // Small enough for evictions and checkpoints.
    let options = Options::new().memory(1 << random.u32(20..24)).log_size(1 << random.u32(18..21));
    let db: Database<()> = options.page_size(4096 << random.u32(0..2)).open(folder.join("kills.tam")).unwrap();
    match clients {
        Clients::Panicking => drop(std::thread::spawn(|| panic!("what nobody wanted"))),
        Clients::Aborting => std::process::abort(),
        _ => {}
    }
    let process = u64::from(std::process::id()) << 32;
    let counter = Arc::new(AtomicU64::new(0));
    let next = move |random: &mut fastrand::Rng, task: bool| {
        let count = counter.fetch_add(1, Ordering::Relaxed);
        Plan::new(random, process | (count + 1), process | (count / TURN), clients, task)
    };
    if random.u8(0..3) == 0 {
        let db = db.clone();
        std::thread::spawn(move || disturb(&db));
    }
    let threads = if matches!(clients, Clients::Tasks | Clients::Panicking) { 0 } else { 3 };
    for _ in 0..threads {
        let (db, next) = (db.clone(), next.clone());
        std::thread::spawn(move || {
            let mut random = fastrand::Rng::new();
            loop {
                let plan = next(&mut random, false);
                let result = catch_unwind(AssertUnwindSafe(|| db.write_with(plan.durability, |tx| plan.run(tx))));
                if let Ok(seen) = result {
                    plan.acknowledge(&seen.unwrap());
                }
            }
        });
    }
    if matches!(clients, Clients::Tasks | Clients::Both) {
        tasks(&db, &next);
    }
    loop {
        std::thread::park();
    }
}

/// What goes on beside the transactions, by the words that tell of it.
pub(crate) const ASIDE: [&str; 3] = ["checkpoint", "compaction", "backup"];

/// Checkpoints, compactions, backups and checks at any time. What was finished is told.
fn disturb(db: &Database<()>) {
    let mut last = None;
    loop {
        let what = fastrand::usize(0..ASIDE.len());
        match ASIDE[what] {
            "checkpoint" => db.checkpoint().unwrap(),
            "compaction" => drop(db.compact().unwrap()),
            _ => last = Some(db.backup_with(last.as_ref(), &mut std::io::sink(), &mut |_| {}).unwrap()),
        }
        std::io::stdout().lock().write_all(format!("aside {what}\n").as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..20)));
        let report = db.check_with(&mut |_| {}).unwrap();
        assert!(report.is_sound(), "{report}");
    }
}

fn tasks(db: &Database<()>, next: &impl Fn(&mut fastrand::Rng, bool) -> Plan) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
        let mut random = fastrand::Rng::new();
        let mut tasks = tokio::task::JoinSet::new();
        loop {
            while tasks.len() < 20 {
                let (db, plan) = (db.clone(), next(&mut random, true));
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

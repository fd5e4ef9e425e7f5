//! A process with transactions of threads and tasks is killed again and again, at any moment. After each kill the file is opened and checked, and
//! proven to hold all that was acknowledged as far as its durability promises, whole, in order, and serializable.
//!
//! A killed process takes with it what it has not given to the operating system: `Deferred` commits may be missing at the end of the order,
//! `Buffered` and `Synced` ones may not. What only a power cut takes is the simulator's subject (`cargo xtask sim`).

#![allow(clippy::disallowed_methods, reason = "tests use files, processes and threads as programs do")]

mod child;
mod proof;

use child::{ASIDE, COMMITS, Clients, DURABILITIES, LISTS, WRONG};
use proof::{Acknowledged, Left, Proven, Told, prove};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tamarack::{Database, Durability, check_file};

/// Its value names the folder that the process to be killed works in, and who is to commit there.
const CHILD: &str = "TAMARACK_KILLS_CHILD";
/// How many kills, if not the few of a test run.
const KILLS: &str = "TAMARACK_KILLS";
/// Kills of one file.
const LIVES: u64 = 20;

/// Not a test: the process that is killed.
#[test]
fn child() {
    let Ok(child) = std::env::var(CHILD) else { return };
    let (clients, folder) = child.split_once(' ').unwrap();
    child::run(Path::new(folder), Clients::ALL[clients.parse::<usize>().unwrap()]);
}

/// What a process said before it was killed.
struct Life {
    process: u64,
    acknowledged: Acknowledged,
    /// What was finished beside the transactions.
    aside: [u64; ASIDE.len()],
}

/// Starts a process and kills it: so long after its first acknowledgement, or else after its start.
fn live(folder: &Path, clients: Clients, early: bool, random: &mut fastrand::Rng) -> Life {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let who = format!("{} {}", clients as usize, folder.display());
    child.args(["--exact", "child", "--nocapture"]).env(CHILD, who).env("RUST_BACKTRACE", "0");
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let process = u64::from(child.id());
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let kill = |mut child: std::process::Child, time: u64| {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(time));
            child.kill().unwrap();
            child.wait().unwrap()
        })
    };
    let mut acknowledged = Acknowledged::new();
    let mut aside = [0; ASIDE.len()];
    let mut child = Some(child);
    let mut killer = early.then(|| kill(child.take().unwrap(), random.u64(200..8_000)));
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        // The test harness says a few things, at first on the same line; the last line may be torn.
        if let Some(at) = line.find(WRONG) {
            panic!("the process that was to be killed found something {}", line[at..].trim_end());
        }
        if let Some(at) = line.find("done ").filter(|_| line.ends_with('\n')) {
            let (id, told) = parse(&line[at..]);
            acknowledged.insert(id, told);
            if let Some(child) = child.take() {
                killer = Some(kill(child, random.u64(0..150_000)));
            }
        }
        if let Some(at) = line.find("aside ").filter(|_| line.ends_with('\n')) {
            aside[line[at..].split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()] += 1;
        }
        line.clear();
    }
    let end = match child {
        Some(mut child) => child.wait().unwrap(),
        None => killer.unwrap().join().unwrap(),
    };
    assert!(is_killed(end), "the process ended by itself: {end}");
    Life { process, acknowledged, aside }
}

/// Whether it was a kill of ours that ended a process: a crash is a signal too, but another one.
fn is_killed(end: ExitStatus) -> bool {
    #[cfg(unix)]
    return std::os::unix::process::ExitStatusExt::signal(&end) == Some(9);
    #[cfg(not(unix))]
    return end.code() == Some(1);
}

fn parse(line: &str) -> (u64, Told) {
    let mut words = line.split_whitespace().skip(1);
    let mut number = || words.next().unwrap().parse::<u64>().unwrap();
    let (id, durability, task, time) = (number(), number(), number(), number());
    let durability = *DURABILITIES.iter().find(|&&known| known as u64 == durability).unwrap();
    let seen = words.map(|word| {
        let numbers: Vec<u64> = word.split(',').map(|number| number.parse().unwrap()).collect();
        let last = Some(numbers[3]).filter(|&last| last > 0);
        ((numbers[0], numbers[1] as u8), numbers[2] as usize, last, numbers[4] == 1)
    });
    let seen = seen.collect();
    (id, Told { durability, task: task == 1, time, seen })
}

fn left(db: &Database<()>) -> Left {
    let report = db.check_with(&mut |_| {}).unwrap();
    assert!(report.is_sound(), "{report}");
    db.read(|tx| {
        Ok(Left {
            lists: tx.open_table(&LISTS)?.iter().collect::<tamarack::Result<_>>()?,
            commits: tx.open_table(&COMMITS)?.iter().collect::<tamarack::Result<_>>()?,
        })
    })
    .unwrap()
}

/// Opens what a killed process left, and checks it. Half of the files stay as they are, so that the next process has to recover them.
fn look(path: &Path, untouched: bool) -> Left {
    if untouched {
        let report = check_file(path, &mut |_| {}).unwrap();
        assert!(report.is_sound(), "{report}");
        return left(&Database::open_read_only(path).unwrap());
    }
    let db = Database::open(path).unwrap();
    let left = left(&db);
    db.close().unwrap();
    left
}

#[derive(Default)]
struct Counts {
    kills: u64,
    /// Kills of a process that had not acknowledged anything: it was creating or recovering the file.
    early: u64,
    /// Kills of a process of threads, of tasks, and of both.
    clients: [u64; 3],
    /// By durability, of threads and of tasks.
    acknowledged: [[u64; 2]; 3],
    aside: [u64; ASIDE.len()],
    proven: Proven,
}

impl Counts {
    fn add(&mut self, clients: Clients, life: &Life, proven: Proven) {
        self.kills += 1;
        self.early += u64::from(life.acknowledged.is_empty());
        self.clients[clients as usize] += 1;
        for told in life.acknowledged.values() {
            self.acknowledged[told.durability as usize][usize::from(told.task)] += 1;
        }
        self.aside.iter_mut().zip(life.aside).for_each(|(all, some)| *all += some);
        self.proven.gone += proven.gone;
        self.proven.unheard += proven.unheard;
        self.proven.relations += proven.relations;
    }

    fn print(&self, begun: Instant) {
        let seconds = begun.elapsed().as_secs_f64();
        let [threads, tasks, both] = self.clients;
        println!("{} kills in {seconds:.1} s, {:.1} a second", self.kills, self.kills as f64 / seconds);
        println!("of threads {threads}, of tasks {tasks}, of both {both}; {} while opening the file", self.early);
        println!("acknowledged    by threads    by tasks        gone");
        for (durability, [threads, tasks]) in DURABILITIES.into_iter().zip(self.acknowledged) {
            let gone = if durability == Durability::Deferred { self.proven.gone } else { 0 };
            println!("{:<14}{threads:>12}{tasks:>12}{gone:>12}", format!("{durability:?}"));
        }
        let [checkpoints, compactions, backups] = self.aside;
        println!(
            "beside them {checkpoints} checkpoints, {compactions} compactions and {backups} backups were finished"
        );
        let Proven { unheard, relations, .. } = self.proven;
        println!("{unheard} committed unheard, {relations} relations without a cycle");
        println!("0 acknowledged and lost, 0 partial transactions, 0 holes in the order, 0 findings of checks");
    }
}

/// One file, until it has been left so many times. Returns the first thing that is wrong.
fn file(clients: &[Clients], lives: u64, random: &mut fastrand::Rng, counts: &mut Counts) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("kills.tam");
    let mut before = Left::default();
    for _ in 0..lives {
        let who = clients[counts.kills as usize % clients.len()];
        let life = live(folder.path(), who, random.u8(0..6) == 0, random);
        // A file that nobody had finished is for the next one to create.
        let untouched = random.bool() && before != Left::default();
        let all = look(&path, untouched);
        if all.without(life.process) != before {
            return Err("what an earlier process left has changed".to_owned());
        }
        let mut mine = all.clone();
        mine.lists.retain(|key, _| key.0 >> 32 == life.process);
        mine.commits.retain(|id, _| id >> 32 == life.process);
        let proven = prove(&mine, &life.acknowledged)?;
        counts.add(who, &life, proven);
        before = all;
    }
    if look(&path, false) != before || look(&path, true) != before {
        return Err("what was there is not there when the file is opened again".to_owned());
    }
    Ok(())
}

#[test]
fn i15_i18_i21_what_a_killed_process_leaves_is_complete_and_serializable() {
    let kills: u64 = std::env::var(KILLS).map_or(9, |text| text.parse().unwrap());
    let mut random = fastrand::Rng::new();
    let mut counts = Counts::default();
    let begun = Instant::now();
    while counts.kills < kills {
        let lives = LIVES.min(kills - counts.kills);
        let all = [Clients::Threads, Clients::Tasks, Clients::Both];
        if let Err(wrong) = file(&all, lives, &mut random, &mut counts) {
            panic!("after {} kills: {wrong}", counts.kills);
        }
    }
    counts.print(begun);
    assert!(kills > 0 && counts.kills == kills, "nothing was killed");
    assert!(counts.acknowledged.iter().flatten().all(|&count| count > kills), "too little was acknowledged");
    assert!(kills < 1000 || counts.aside.iter().all(|&count| count > 0), "nothing went on beside the transactions");
}

/// The control: processes that call synced what is not are found out.
#[test]
fn a_broken_promise_is_found() {
    let mut random = fastrand::Rng::new();
    let broken = (0..30).find_map(|_| {
        let folder = tempfile::tempdir().unwrap();
        let life = live(folder.path(), Clients::Liars, false, &mut random);
        prove(&look(&folder.path().join("kills.tam"), false), &life.acknowledged).err()
    });
    assert!(broken.is_some_and(|wrong| wrong.contains("acknowledged and lost")));
}

/// The control: a panic that ends one thread of many is no kill.
#[test]
#[should_panic(expected = "found something wrong: ")]
fn a_panic_inside_of_a_process_is_found() {
    live(tempfile::tempdir().unwrap().path(), Clients::Panicking, false, &mut fastrand::Rng::new());
}

/// The control: neither is a signal of the process's own.
#[test]
#[should_panic(expected = "the process ended by itself")]
fn a_crash_of_a_process_is_found() {
    live(tempfile::tempdir().unwrap().path(), Clients::Aborting, false, &mut fastrand::Rng::new());
}

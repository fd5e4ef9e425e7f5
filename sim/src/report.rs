//! Counting, and saying what went wrong.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64};
use tamarack::simulate::raw::Faults;

/// Ends a run: a promise is broken. The first word says which.
macro_rules! violated {
    ($($message:tt)*) => { std::panic!($($message)*) };
}
pub(crate) use violated;

/// Whether runs tell what they do.
pub(crate) static TELLS: AtomicBool = AtomicBool::new(false);

/// Power cuts of this process, those of a run that found a fault included.
pub(crate) static CRASHES: AtomicU64 = AtomicU64::new(0);

/// Tells what a run does, if it is to.
macro_rules! tell {
    ($($message:tt)*) => {
        if crate::report::TELLS.load(std::sync::atomic::Ordering::Relaxed) { std::println!($($message)*); }
    };
}
pub(crate) use tell;

macro_rules! counts {
    ($($name:ident: $what:literal,)*) => {
        /// What runs have done and found.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub(crate) struct Counts { $(pub(crate) $name: u64,)* }

        impl Counts {
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// One line for the parent process.
            pub(crate) fn encode(&self) -> String {
                let mut line = String::new();
                $(let _ = write!(line, "{} ", self.$name);)*
                line
            }

            pub(crate) fn decode(line: &str) -> Option<Self> {
                let mut numbers = line.split_whitespace().map(|word| word.parse().ok());
                Some(Self { $($name: numbers.next()??,)* })
            }

            pub(crate) fn print(&self) {
                $(println!("{:>14}  {}", grouped(self.$name), $what);)*
            }
        }
    };
}

counts! {
    runs: "runs (seeds)",
    crashes: "crashes: power cuts, each followed by an open, a full check and a comparison",
    in_recovery: "  of them inside recovery: before `open` returned, when it had written something",
    three_deep: "  of them the third in a row, inside a recovery of a recovery, or a later one",
    unsettled: "  before a commit was acknowledged for the first time, which ends what recovery writes",
    in_backup: "  while a backup was made",
    kept: "  that kept everything unsynced",
    dropped: "  that kept nothing unsynced",
    subset: "  that kept some of the unsynced writes",
    reordered: "  that kept some in another order",
    torn: "  that kept sectors, some torn at odd lengths",
    garbage: "  that kept sectors, some of noise",
    kills: "kills of a process whose machine went on",
    closes: "clean closes",
    commits: "commits",
    synced: "  acknowledged as synced",
    conflicts: "conflicts between clients",
    aborts: "transactions rolled back",
    deletions: "tables deleted, with all that they held",
    made_anew: "  commits that stored rows in a table deleted before",
    clears: "tables cleared, or many rows removed at once",
    removals_undone: "deletions and clearings that were rolled back",
    removals_failed: "  that met a fault",
    removals_cut: "power cuts behind deletions and clearings of the same life",
    whole_reads: "whole tables read within write transactions",
    within: "commits made while a checkpoint ran",
    snapshots: "looks at held snapshots",
    long_reads: "  of them at checkpoints of their own",
    deleted_seen: "  of them at rows of a table deleted since",
    deleted_seen_long: "    at checkpoints of their own",
    too_old: "snapshots that were given up for want of memory",
    checkpoints: "checkpoints",
    audits: "audits: every page read, every block looked up in what owns it",
    audited: "  blocks that were looked up",
    checks: "full checks that compare indexes with their tables",
    checked_again: "  of them again, as reads had failed",
    compactions: "compactions",
    given_back: "  bytes that they gave back",
    backups: "backups of the running database",
    increments: "  of them increments",
    since_crash: "  of them of backups from before a power cut",
    during: "steps of others while a backup read the file",
    backups_failed: "backups that failed: of the device, of the writer, or as the process was killed",
    restores: "restores, each checked and compared with the rows at the backup's commit",
    longest: "  backups in them",
    deleted_restored: "  with rows of a table deleted since",
    went_on: "  restored databases that were backed up as increments, and restored again",
    restores_failed: "restores that failed: of the device",
    restores_cut: "power cuts within restores",
    refused: "damaged, cut, missing and swapped backups, all refused",
    read_only: "read-only recoveries",
    failed_reads: "reads that failed",
    failed_writes: "writes that failed",
    failed_syncs: "syncs that failed",
    forgotten_syncs: "syncs that failed and whose data was dropped",
    short_writes: "short writes",
    full: "writes that found the disk full",
    lost_writes: "lost writes",
    misdirected_writes: "misdirected writes",
    outside_log: "  lost and misdirected writes outside of the log, where no commit may be missed in silence",
    damaged: "damages of the disk: rot, zeros, noise, stale and twin sectors, truncated, extended",
    in_superblock: "  of them within a superblock",
    after_damage: "synced commits made on a damaged disk",
    detected: "  damages, lost and misdirected writes that were reported",
    harmless: "  that changed nothing",
    cut: "  that cost the end of the log, which nothing proves to have been durable",
    simulated_micros: "microseconds on the disks' clocks",
}

impl Counts {
    pub(crate) fn faults(&mut self, faults: &Faults) {
        self.failed_reads += faults.failed_reads;
        self.failed_writes += faults.failed_writes;
        self.failed_syncs += faults.failed_syncs;
        self.forgotten_syncs += faults.forgotten_syncs;
        self.short_writes += faults.short_writes;
        self.full += faults.full;
        self.lost_writes += faults.lost_writes;
        self.misdirected_writes += faults.misdirected_writes;
    }
}

/// What no run has seen: the first one that does ends everything.
pub(crate) fn print_promises(counts: &Counts) {
    for broken in [
        "acknowledged synced commits lost",
        "partial transactions",
        "prefix violations",
        "files that did not open",
        "panics",
    ] {
        println!("{:>14}  {broken}", 0);
    }
    println!("{:>14}  leaked extents in {} audits", 0, grouped(counts.audits));
}

/// What a run of this length has to have done, or it has shown nothing; says what is missing.
pub(crate) fn missing(counts: &Counts, crashes: u64) -> Option<&'static str> {
    const ENOUGH: u64 = 5000;
    /// Runs differ a lot: shares, and what is rare, can be asked of many.
    const MANY: u64 = 20_000;
    let done = [
        (counts.crashes >= crashes.max(1), "there were too few power cuts"),
        (counts.audits >= counts.crashes, "not every power cut was followed by an audit"),
        (counts.snapshots > 0, "no held snapshot was looked at"),
        (counts.backups > counts.increments && counts.increments > 0, "backups or increments are missing"),
        (counts.since_crash > 0 && counts.in_backup > 0, "no power cut met a backup"),
        (counts.backups_failed > 0, "no backup failed"),
        (counts.restores > 0 && counts.restores_cut > 0 && counts.refused > 0, "restores are missing"),
        (
            counts.detected > 0 && counts.compactions > 0 && counts.checks > 0,
            "damages, compactions or checks are missing",
        ),
    ];
    // A few power cuts need not show all of that.
    let asked = if counts.crashes < ENOUGH { 1 } else { done.len() };
    let all = happened(counts);
    let also = if counts.crashes < ENOUGH { &[][..] } else { &all };
    let shares = shares(counts);
    let many = if counts.crashes < MANY { &[][..] } else { &shares };
    let done = done.iter().take(asked).chain(many).copied().chain(also.iter().map(|&(count, what)| (count > 0, what)));
    done.into_iter().find(|(done, _)| !done).map(|(_, what)| what)
}

fn shares(counts: &Counts) -> [(bool, &'static str); 4] {
    [
        (counts.in_recovery * 2 >= counts.crashes, "fewer than half of the power cuts were inside recovery"),
        (counts.three_deep * 10 >= counts.crashes, "fewer than a tenth of the power cuts were three deep"),
        (counts.removals_failed > 0, "no deletion met a fault"),
        (counts.deleted_restored > 0, "no backup had rows of a deleted table"),
    ]
}

/// What has to have happened at least once, and what it means if it has not.
fn happened(counts: &Counts) -> [(u64, &'static str); 29] {
    [
        (counts.kills, "no process was killed"),
        (counts.closes, "no database was closed"),
        (counts.within, "no commit was made while a checkpoint ran"),
        (counts.conflicts, "no clients were in conflict"),
        (counts.deletions.min(counts.clears), "no table was deleted, or none was cleared"),
        (counts.made_anew, "no deleted table was used again"),
        (counts.removals_undone, "no deletion was rolled back"),
        (counts.removals_cut, "no power cut came behind a deletion"),
        (counts.deleted_seen, "no snapshot had rows of a deleted table"),
        (counts.whole_reads, "no write transaction read a whole table"),
        (counts.long_reads, "no long read was looked at"),
        (counts.too_old, "no snapshot was given up"),
        (counts.read_only, "nothing was recovered for reading only"),
        (counts.went_on, "no restored database went on"),
        (counts.restores_failed, "no restore failed"),
        (counts.failed_reads, "no read failed"),
        (counts.failed_writes, "no write failed"),
        (counts.failed_syncs, "no sync failed"),
        (counts.forgotten_syncs, "no failed sync dropped its data"),
        (counts.short_writes, "no write was short"),
        (counts.full, "no disk was full"),
        (counts.lost_writes, "no write was lost"),
        (counts.misdirected_writes, "no write was misdirected"),
        (counts.outside_log, "no write was lost outside of the log"),
        (counts.damaged, "no disk was damaged"),
        (counts.in_superblock, "no superblock was damaged"),
        (counts.after_damage, "nothing was committed on a damaged disk"),
        (counts.harmless, "no damage was harmless"),
        (counts.reordered.min(counts.torn).min(counts.garbage).min(counts.subset), "a kind of power cut is missing"),
    ]
}

/// 1234567 as 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

//! Counting, and saying what went wrong.

use std::fmt::Write as _;
use std::sync::atomic::AtomicBool;
use tamarack::simulate::raw::Faults;

/// Ends a run: a promise is broken. The first word says which.
macro_rules! violated {
    ($($message:tt)*) => { std::panic!($($message)*) };
}
pub(crate) use violated;

/// Whether runs tell what they do.
pub(crate) static TELLS: AtomicBool = AtomicBool::new(false);

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
    in_recovery: "  of them inside recovery",
    three_deep: "  of them the third in a row inside recovery, or a later one",
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
    within: "commits made while a checkpoint ran",
    snapshots: "looks at held snapshots",
    long_reads: "  of them at checkpoints of their own",
    too_old: "snapshots that were given up for want of memory",
    checkpoints: "checkpoints",
    checks: "full checks that compare indexes with their tables",
    read_only: "read-only recoveries",
    failed_reads: "reads that failed",
    failed_writes: "writes that failed",
    failed_syncs: "syncs that failed",
    forgotten_syncs: "syncs that failed and whose data was dropped",
    short_writes: "short writes",
    full: "writes that found the disk full",
    lost_writes: "lost writes",
    misdirected_writes: "misdirected writes",
    damaged: "damages of the disk: rot, zeros, noise, stale and twin sectors, truncated, extended",
    detected: "  damages, lost and misdirected writes that were reported",
    harmless: "  that changed nothing",
    cut: "  that cost the end of the log, which nothing proves to have been durable",
    simulated_seconds: "seconds on the disks' clocks",
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

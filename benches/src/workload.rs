//! The workloads: their names, units, order, and how much each does in a round.

use clap::ValueEnum;
use std::time::Duration;

/// What is measured. The order is the order of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Workload {
    /// All records, in random key order, in one synced transaction into an empty store.
    Load,
    /// Synced transactions that insert 1,000 new records each.
    Batch,
    /// Synced transactions of one new record, one thread.
    #[value(name = "synced_1")]
    Synced1,
    /// Synced transactions of one new record, eight threads.
    #[value(name = "synced_8")]
    Synced8,
    /// Deferred transactions of one new record, one thread.
    Deferred,
    /// Random records read in one transaction.
    Get,
    /// The same by two threads, each in a transaction of its own.
    #[value(name = "get_2")]
    Get2,
    /// Random records, each read in its own transaction.
    GetTxn,
    /// Ten records in key order from a random key on.
    #[value(name = "range_10")]
    Range10,
    /// All records in key order.
    Scan,
    /// Half of the records removed in one synced transaction.
    Remove,
    /// A clean store opened and one record read.
    Reopen,
    /// Live bytes over file bytes after a load and a clean close.
    Size,
}

impl Workload {
    /// The name in reports and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Batch => "batch",
            Self::Synced1 => "synced_1",
            Self::Synced8 => "synced_8",
            Self::Deferred => "deferred",
            Self::Get => "get",
            Self::Get2 => "get_2",
            Self::GetTxn => "get_txn",
            Self::Range10 => "range_10",
            Self::Scan => "scan",
            Self::Remove => "remove",
            Self::Reopen => "reopen",
            Self::Size => "size",
        }
    }

    /// What a median counts. Higher is better for all of them.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Reopen => "opens/s",
            Self::Size => "live bytes / file bytes",
            _ => "op/s",
        }
    }

    /// Whether it changes records, so that the store is rebuilt before the next workload.
    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::Batch | Self::Synced1 | Self::Synced8 | Self::Deferred | Self::Remove)
    }

    /// Whether all engines must have read the same bytes in the same round.
    pub(crate) fn comparable(self) -> bool {
        matches!(self, Self::Get | Self::Get2 | Self::GetTxn | Self::Range10 | Self::Scan | Self::Remove)
    }
}

/// How much a round does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Records in the store.
    pub(crate) records: u64,
    /// A short run.
    pub(crate) quick: bool,
}

impl Scale {
    /// Rounds of each workload.
    pub(crate) fn rounds(self) -> u32 {
        if self.quick { 3 } else { 5 }
    }

    /// How long a round of commits lasts; it counts commits until then.
    pub(crate) fn slice(self) -> Duration {
        Duration::from_millis(if self.quick { 400 } else { 1500 })
    }

    /// Most records that a round of commits adds, so that fast engines do not measure a much larger store.
    pub(crate) fn most_new(self) -> u64 {
        (self.records / 2).max(10_000)
    }

    /// Single reads of a round.
    pub(crate) fn gets(self) -> u64 {
        if self.quick { 300_000 } else { 1_500_000 }
    }

    /// Ranges of a round.
    pub(crate) fn ranges(self) -> u64 {
        self.gets() / 5
    }

    /// Scans of a round: enough for a few million records.
    pub(crate) fn scans(self) -> u64 {
        (self.gets() * 2).div_ceil(self.records.max(1))
    }

    /// Opens of a round.
    pub(crate) fn opens(self) -> u64 {
        if self.quick { 5 } else { 20 }
    }
}

//! All stores in one table.

use crate::parent::{Counts, Tally};
use crate::worker::Verdict::{self, *};
use comfy_table::{CellAlignment, Table, presets};

const HEADS: [&str; 12] = [
    "store",
    "damage",
    "trials",
    "detected",
    "harmless",
    "log cut",
    "WRONG",
    "panic, crash",
    "hang",
    "memory",
    "of harmless: check tells",
    "of WRONG: check tells",
];
/// What the columns behind the number of trials add up, up to those of the checks.
const SUMS: [&[Verdict]; 7] = [
    &[Detected],
    &[Harmless, Corrected, ByCheck],
    &[Cut],
    &[Wrong, WrongToCheck],
    &[Panic, Signal],
    &[Hang],
    &[Memory],
];

/// See the module.
pub(crate) struct Joint {
    table: Table,
    checks: Vec<String>,
}

impl Joint {
    pub(crate) fn new() -> Self {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(HEADS);
        table.column_iter_mut().skip(2).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        Self { table, checks: Vec::new() }
    }

    /// A row for each kind of damage of a store's file. `check`: the check that the store has.
    pub(crate) fn store(&mut self, store: &str, check: Option<&str>, tally: &Tally) {
        self.checks.push(format!("{store}: {}", check.unwrap_or("has none")));
        for (label, counts) in tally.rows() {
            self.row(store, label, counts, check.is_some());
        }
    }

    /// One row for all of a tally whose labels are meant.
    pub(crate) fn sum(&mut self, damage: &str, tally: &Tally, meant: impl Fn(&str) -> bool) {
        let mut sum = Counts::default();
        for (_, counts) in tally.rows().filter(|(label, _)| meant(label)) {
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        self.row("tamarack", damage, &sum, true);
    }

    fn row(&mut self, store: &str, damage: &str, counts: &Counts, check: bool) {
        let sum =
            |verdicts: &[Verdict]| verdicts.iter().map(|&verdict| counts[verdict as usize]).sum::<u64>().to_string();
        let told = |verdict| if check { sum(&[verdict]) } else { "-".to_owned() };
        let mut cells = vec![store.to_owned(), damage.to_owned(), sum(&Verdict::ALL)];
        cells.extend(SUMS.map(sum));
        cells.extend([told(ByCheck), told(WrongToCheck)]);
        self.table.add_row(cells);
    }

    /// With what it says.
    pub(crate) fn told(&self) -> String {
        let checks = if self.checks.is_empty() { "none was run".to_owned() } else { self.checks.join("; ") };
        format!(
            "all stores: what is detected is an error of opening or of reading. The store's own check ({checks}) is made after the rows that were read have been judged, \
             and makes none of them right: its columns are a part of those beside it\n{}",
            self.table
        )
    }
}

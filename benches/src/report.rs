//! Medians, the table, and the JSON.

use crate::{parent::Sample, workload::Workload};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use std::fmt::Write;

/// The engine to which all others are compared.
const REFERENCE: &str = "lmdb";

/// All rounds of one engine on one workload.
pub(crate) struct Cell {
    /// The engine.
    pub(crate) engine: &'static str,
    /// The workload.
    pub(crate) workload: Workload,
    samples: Vec<Sample>,
}

impl Cell {
    /// Adds a round.
    pub(crate) fn push(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    fn median(&self) -> Option<f64> {
        median(self.samples.iter().map(|sample| sample.rate).collect())
    }

    fn after(&self) -> Option<f64> {
        median(self.samples.iter().map(|sample| sample.after).collect())
    }
}

/// Everything that a run has measured.
pub(crate) struct Report {
    engines: Vec<&'static str>,
    workloads: Vec<Workload>,
    /// One for each pair of engine and workload.
    pub(crate) cells: Vec<Cell>,
    /// Sentences under the table.
    pub(crate) notes: Vec<String>,
}

impl Report {
    /// An empty report.
    pub(crate) fn new(engines: &[&'static str], workloads: &[Workload]) -> Self {
        let pairs = workloads.iter().flat_map(|&workload| engines.iter().map(move |&engine| (workload, engine)));
        let cells = pairs.map(|(workload, engine)| Cell { engine, workload, samples: Vec::new() }).collect();
        Self { engines: engines.to_vec(), workloads: workloads.to_vec(), cells, notes: Vec::new() }
    }

    fn find(&self, workload: Workload, engine: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.workload == workload && cell.engine == engine)
    }

    /// Medians and ratios to LMDB.
    pub(crate) fn rates(&self) -> Table {
        let mut table = self.table();
        for &workload in &self.workloads {
            let reference = self.find(workload, REFERENCE).and_then(Cell::median);
            let mut row = vec![workload.name().to_owned(), workload.unit().to_owned()];
            for engine in &self.engines {
                let median = self.find(workload, engine).and_then(Cell::median);
                row.push(match (median, reference) {
                    (None, _) => "-".to_owned(),
                    (Some(median), Some(reference)) if *engine != REFERENCE => {
                        format!("{}  {:>5.2}x", human(median), median / reference)
                    }
                    (Some(median), _) => human(median),
                });
            }
            table.add_row(row);
        }
        align(&mut table);
        table
    }

    /// Seconds that engines needed after their rounds for what they had put off.
    pub(crate) fn afterwards(&self) -> Table {
        let mut table = self.table();
        for &workload in self.workloads.iter().filter(|workload| workload.writes() || **workload == Workload::Load) {
            let mut row = vec![workload.name().to_owned(), "s".to_owned()];
            for engine in &self.engines {
                let after = self.find(workload, engine).and_then(Cell::after);
                row.push(after.map_or("-".to_owned(), |seconds| format!("{seconds:.3}")));
            }
            table.add_row(row);
        }
        align(&mut table);
        table
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        let mut header = vec!["workload".to_owned(), "unit".to_owned()];
        header.extend(self.engines.iter().map(|&engine| engine.to_owned()));
        table.set_header(header);
        table
    }

    /// The list that scripts read.
    pub(crate) fn json(&self) -> String {
        let mut rows = Vec::new();
        for cell in &self.cells {
            let Some(median) = cell.median() else {
                continue;
            };
            let rounds: Vec<_> = cell.samples.iter().map(|sample| sample.rate.to_string()).collect();
            // Names and units hold no character that JSON escapes.
            rows.push(format!(
                r#"  {{"engine": "{}", "workload": "{}", "median": {median}, "unit": "{}", "rounds": [{}]}}"#,
                cell.engine,
                cell.workload.name(),
                cell.workload.unit(),
                rounds.join(", "),
            ));
        }
        let mut json = String::new();
        _ = writeln!(json, "[\n{}\n]", rows.join(",\n"));
        json
    }
}

fn align(table: &mut Table) {
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.get(middle) {
        Some(&high) if values.len().is_multiple_of(2) => values.get(middle - 1).map(|&low| (low + high) / 2.0),
        other => other.copied(),
    }
}

fn human(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.2} M", v / 1e6),
        v if v >= 1e4 => format!("{:.0} k", v / 1e3),
        v if v >= 1e3 => format!("{:.2} k", v / 1e3),
        v if v >= 10.0 => format!("{v:.0}"),
        v => format!("{v:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn json_lists_what_was_measured_only() {
        let mut report = Report::new(&["tamarack", "lmdb"], &[Workload::Get]);
        report.cells[1].push(Sample { rate: 1.5, check: 0, after: 0.0 });
        let expected = "[\n  {\"engine\": \"lmdb\", \"workload\": \"get\", \"median\": 1.5, \"unit\": \"op/s\", \"rounds\": [1.5]}\n]\n";
        assert_eq!(report.json(), expected);
    }
}

//! Counts of images and what was found in them.

use crate::disk::Kept;
use comfy_table::{CellAlignment, Table, presets};

/// Of images of one kind.
#[derive(Default, Clone, Copy)]
struct Row {
    images: u64,
    /// Writes since the last flush, of which the device chose.
    pending: u64,
    synced: u64,
    gone: u64,
}

#[derive(Default)]
pub(crate) struct Tally {
    rows: [Row; Kept::ALL.len()],
    /// Images of a cut inside of the recovery from another one.
    pub(crate) again: u64,
    /// File systems that e2fsck found whole afterwards.
    pub(crate) fsck: u64,
    /// What is wrong.
    pub(crate) wrong: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, kept: Kept, pending: usize, synced: u64, gone: u64) {
        let row = &mut self.rows[kept as usize];
        row.images += 1;
        row.pending += pending as u64;
        row.synced += synced;
        row.gone += gone;
    }

    pub(crate) fn images(&self) -> u64 {
        self.rows.iter().map(|row| row.images).sum()
    }

    /// Acknowledged synced transactions that were found, over all images.
    pub(crate) fn synced(&self) -> u64 {
        self.rows.iter().map(|row| row.synced).sum()
    }

    pub(crate) fn gone(&self) -> u64 {
        self.rows.iter().map(|row| row.gone).sum()
    }

    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header([
            "kept of what was not flushed",
            "images",
            "writes to choose from",
            "synced, there",
            "others, gone",
        ]);
        for (kept, row) in Kept::ALL.into_iter().zip(self.rows).filter(|(_, row)| row.images > 0) {
            let mean = row.pending as f64 / row.images as f64;
            let numbers = [row.images.to_string(), format!("{mean:.1}"), row.synced.to_string(), row.gone.to_string()];
            table.add_row([kept.name().to_owned()].into_iter().chain(numbers));
        }
        table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        table.to_string()
    }
}

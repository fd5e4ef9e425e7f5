//! Every bit of one page of each type.

use crate::parent::Tally;
use crate::worker::{Trials, Verdict};
use std::collections::BTreeSet;
use tamarack::simulate::anatomy::{Part, What};
use tamarack::simulate::raw::{self, Medium};
use tamarack::simulate::{Disk, raw::settle};
use tamarack_hostile::world::{Answer, World};

/// Of a record of the log, the one that nothing follows.
const LAST: &str = "last";

/// See the module.
pub(crate) struct Bits {
    world: World,
    medium: Medium,
    /// The pages, and the number of their first trial.
    parts: Vec<(String, Part, u64)>,
    every: u64,
    total: u64,
}

impl Bits {
    pub(crate) fn new(every: u64) -> Self {
        let world = World::new(true);
        let medium = Disk::holding(1, &world.bytes).medium();
        let mut parts = Vec::new();
        let mut total = 0;
        let mut add = |label: String, part: Part| {
            parts.push((label, part, total));
            total += (part.length as u64 * 8).div_ceil(every);
        };
        for what in What::ALL {
            let all: Vec<Part> = world.parts.iter().copied().filter(|part| part.what == what).collect();
            if what == What::LogCommit {
                let ends = [("first", all.first()), (LAST, all.last())];
                ends.into_iter()
                    .for_each(|(word, part)| part.into_iter().for_each(|&part| add(format!("{what:?}, {word}"), part)));
            } else if let Some(&part) = smallest(&all) {
                add(format!("{what:?}"), part);
            }
        }
        Self { world, medium, parts, every, total }
    }

    fn at(&self, number: u64) -> Option<&(String, Part, u64)> {
        self.parts.iter().rev().find(|(_, _, first)| *first <= number)
    }
}

/// Of values, which have pages of very different lengths, one that is not long; of others one from the middle.
fn smallest(parts: &[Part]) -> Option<&Part> {
    match parts.first()?.what {
        What::Value => parts.iter().min_by_key(|part| part.length),
        _ => parts.get(parts.len() / 2),
    }
}

impl Trials for Bits {
    fn total(&self) -> u64 {
        self.total
    }

    fn label(&self, number: u64) -> String {
        self.at(number).map(|(label, ..)| label.clone()).unwrap_or_default()
    }

    fn run(&self, number: u64) -> Result<Verdict, String> {
        let Some((_, part, first)) = self.at(number) else { return Err("no such trial".to_owned()) };
        // Each bit of a byte comes up, also when not each bit of the page does.
        let bit = ((number - first) * self.every + number % self.every.min(8)).min(part.length as u64 * 8 - 1);
        let at = part.start + (bit / 8) as usize;
        let (mut medium, mut bytes) = (self.medium.clone(), self.world.bytes.clone());
        bytes[at] ^= 1 << (bit % 8);
        medium.write(at, &bytes[at..=at]);
        let disk = raw::disk(number, &medium, false);
        let answer = self.world.answer(&disk, self.world.least(&bytes));
        drop(disk);
        settle();
        answer.map(verdict)
    }
}

pub(crate) fn verdict(answer: Answer) -> Verdict {
    match answer {
        Answer::Right => Verdict::Harmless,
        Answer::Detected => Verdict::Detected,
        Answer::ByCheck => Verdict::ByCheck,
        Answer::Cut => Verdict::Cut,
    }
}

/// Pages of which some bits were not told of. A superblock's need not be: the other one says the same, and opening the file makes them equal
/// again. The log's last record may be cut, and of the others nothing (I24). And whether there is one page of each type at all.
pub(crate) fn unseen(tally: &Tally) -> Option<String> {
    let labels: BTreeSet<&str> = tally.rows().map(|(label, _)| label).collect();
    let missing = What::ALL.iter().find(|what| !labels.iter().any(|label| label.starts_with(&format!("{what:?}"))));
    if let Some(missing) = missing {
        return Some(format!("no page of type {missing:?}"));
    }
    let count = |counts: &[u64], verdict| counts.get(verdict as usize).copied().unwrap_or(0);
    for (label, counts) in tally.rows() {
        let (harmless, cut) = (count(counts, Verdict::Harmless), count(counts, Verdict::Cut));
        let cuttable = label == format!("{:?}, {LAST}", What::LogCommit);
        if cut > 0 && !cuttable {
            return Some(format!("{cut} bits of {label} cut the log, and what lies behind proves that it was durable"));
        }
        if cuttable && cut == 0 {
            return Some(format!("no bit of {label} cuts the log"));
        }
        if harmless > 0 && !label.starts_with("Log") && !label.starts_with("Super") {
            return Some(format!("{harmless} bits of {label} carry nothing that is checked"));
        }
    }
    None
}

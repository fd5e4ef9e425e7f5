//! Every byte of a whole small file with pages of each type, one at a time; then bursts of bytes.
//!
//! A byte gets another value, chosen by the seed: [`crate::bits`] goes through the bits. Of space that nothing names one byte in [`SAMPLED`] is damaged,
//! and the row says so; damage that is told of there would mean that it is in use.

use crate::bits::verdict;
use crate::parent::Tally;
use crate::worker::{Trials, Verdict};
use fastrand::Rng;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use tamarack::simulate::anatomy::What;
use tamarack::simulate::raw::{self, Medium, settle};
use tamarack_hostile::world::{Answer, World};

/// Of free space.
const SAMPLED: u64 = 16;
/// The world's block, and the unit in which the log is written: what lies between the end of a part and the next of these is of that part.
const BLOCK: usize = 512;
const UNIT: usize = 4096;
const PAGE_HEADER: usize = 40;
const LONGEST_BURST: usize = 64;
/// In front of the label of a burst.
pub(crate) const BURST: &str = "burst, ";
/// Kinds of pages, by the first byte of their header: leaf, inner, overflow, blob, spill.
const KINDS: [u8; 5] = [1, 2, OVERFLOW, 4, 5];
const OVERFLOW: u8 = 3;
const FREE: &str = "free space, sampled";

/// A run of bytes of one kind.
struct Area {
    label: String,
    place: Range<usize>,
    /// One in so many bytes is damaged.
    step: u64,
    /// Number of its first trial.
    first: u64,
    /// Whether it may carry nothing: damage of it need not be told of.
    idle: bool,
}

/// See the module.
pub(crate) struct Bytes {
    world: World,
    medium: Medium,
    /// The file's bytes. A trial that ends has put back what it changed.
    bytes: RefCell<Vec<u8>>,
    parts: Vec<(What, Range<usize>)>,
    areas: Vec<Area>,
    /// Trials with one byte, and all.
    single: u64,
    total: u64,
    every: u64,
    seed: u64,
}

impl Bytes {
    pub(crate) fn new(every: u64, seed: u64) -> Self {
        let world = World::new(true);
        let mut medium = Medium::default();
        medium.write(0, &world.bytes);
        let bytes = RefCell::new(world.bytes.clone());
        let mut all =
            Self { world, medium, bytes, parts: Vec::new(), areas: Vec::new(), single: 0, total: 0, every, seed };
        all.parts = all.find_parts();
        all.areas = areas(&all.parts, all.world.bytes.len());
        for area in &mut all.areas {
            area.step *= every;
            area.first = all.single;
            all.single += (area.place.len() as u64).div_ceil(area.step);
        }
        all.total = all.single + (all.world.bytes.len() as u64 / 8).div_ceil(every);
        all
    }

    /// The parts of the file, in its order: those of the world, and the values that only the body of a spill names. These are the overflow pages
    /// whose damage is told of.
    fn find_parts(&self) -> Vec<(What, Range<usize>)> {
        let mut parts: Vec<_> =
            self.world.parts.iter().map(|part| (part.what, part.start..part.start + part.length)).collect();
        let bytes = &self.world.bytes;
        for start in (0..bytes.len()).step_by(BLOCK) {
            let Some(header) = bytes.get(start..start + PAGE_HEADER) else { break };
            let word = |at: usize| header[at..at + 8].iter().rev().fold(0, |word, &byte| word << 8 | usize::from(byte));
            let page = start..start + PAGE_HEADER + (word(24) & 0xffff_ffff);
            let looks = header[0] == OVERFLOW && word(8) == start / BLOCK && page.end <= bytes.len();
            let known = parts.iter().any(|(_, part)| part.start < page.end && page.start < part.end);
            if looks && !known && !matches!(self.damaged(0, page.start..page.start + 1, 1).0, Ok(Answer::Right)) {
                parts.push((What::Value, page));
            }
        }
        parts.sort_unstable_by_key(|(_, part)| part.start);
        parts
    }

    /// Damages a place, with bytes that follow from the seed. The answer, and whether other bytes lie there in the end.
    fn damaged(&self, number: u64, place: Range<usize>, seed: u64) -> (Result<Answer, String>, bool) {
        let mut random = Rng::with_seed(seed);
        let (mut medium, mut bytes) = (self.medium.clone(), self.bytes.borrow_mut());
        bytes[place.clone()].iter_mut().for_each(|byte| *byte ^= random.u8(1..));
        medium.write(place.start, &bytes[place.clone()]);
        let disk = raw::disk(number, &medium, false);
        let answer = self.world.answer(&disk, self.world.least(&bytes));
        let mut now = vec![0; place.len()];
        let mended = disk.medium().read(place.start, &mut now) && now != bytes[place.clone()];
        drop(disk);
        settle();
        bytes[place.clone()].copy_from_slice(&self.world.bytes[place]);
        (answer, mended)
    }

    /// The bytes of a trial that get other values.
    fn place(&self, number: u64, random: &mut Rng) -> Range<usize> {
        let length = self.world.bytes.len();
        if number < self.single {
            let area = self.areas.partition_point(|area| area.first <= number).saturating_sub(1);
            let area = &self.areas[area];
            let at = (number - area.first) * area.step + random.u64(0..area.step);
            let at = area.place.start + (at as usize).min(area.place.len() - 1);
            return at..at + 1;
        }
        // Half of them anywhere, half of them in some page: a page is often small.
        let at = if random.bool() {
            random.usize(0..length)
        } else {
            let area = &self.areas[random.usize(0..self.areas.len())];
            random.usize(area.place.clone())
        };
        let count = random.usize(2..=LONGEST_BURST);
        at.min(length - count)..at.min(length - count) + count
    }

    /// Of the areas that a place touches the one that carries most.
    fn area(&self, place: &Range<usize>) -> &Area {
        let first = self.areas.partition_point(|area| area.place.end <= place.start);
        let hit = self.areas[first..].iter().take_while(|area| area.place.start < place.end);
        hit.min_by_key(|area| area.idle).unwrap_or(&self.areas[first.min(self.areas.len() - 1)])
    }

    /// The kinds of pages in the file.
    fn kinds(&self) -> BTreeSet<u8> {
        let none = [What::SuperblockA, What::SuperblockB, What::LogCommit, What::LogPad];
        let pages = self.parts.iter().filter(|(what, _)| !none.contains(what));
        pages.map(|(_, part)| self.world.bytes[part.start]).collect()
    }

    fn random(&self, number: u64) -> Rng {
        Rng::with_seed(self.seed << 40 ^ number)
    }

    /// How much of the file was gone through.
    pub(crate) fn coverage(&self) -> String {
        let sum = |sampled: bool| {
            let areas = self.areas.iter().filter(|area| (area.step > self.every) == sampled);
            areas.map(|area| area.place.len()).sum::<usize>()
        };
        let thinned =
            if self.every > 1 { format!("one in {} of them (--every)", self.every) } else { "all".to_owned() };
        format!(
            "{} bytes: {} in pages, records and what fills them up, {thinned} damaged; {} in free space, sampled: one in {}",
            self.world.bytes.len(),
            sum(false),
            sum(true),
            SAMPLED * self.every,
        )
    }

    /// What the trials do not prove: that each type of page was there and every byte of it damaged, and that no damage of a byte that carries something went
    /// unseen. That only the end of the log may be cut is part of the judge (I24).
    pub(crate) fn unseen(&self, tally: &Tally) -> Option<String> {
        let mut trials: BTreeMap<&str, u64> = BTreeMap::new();
        for (label, counts) in tally.rows() {
            trials.insert(label, counts.iter().sum());
        }
        for what in What::ALL {
            let label = format!("{what:?}");
            let parts = self.parts.iter().filter(|(kind, _)| *kind == what);
            let bytes: u64 = parts.map(|(_, part)| (part.len() as u64).div_ceil(self.every)).sum();
            let made = trials.get(label.as_str()).copied().unwrap_or(0);
            if bytes == 0 || made != bytes {
                return Some(format!("{made} of {bytes} bytes of type {label} were damaged"));
            }
        }
        if self.kinds() != KINDS.into() {
            return Some(format!("pages of kinds {:?} only", self.kinds()));
        }
        for (label, counts) in tally.rows() {
            let silent = [Verdict::Harmless, Verdict::Corrected].map(|verdict| counts[verdict as usize]);
            let silent: u64 = silent.iter().sum();
            let all: u64 = counts.iter().sum();
            if label == FREE && silent < all {
                return Some(format!("{} bytes of {label} are in use, and not each was damaged", all - silent));
            }
            let name = label.strip_prefix(BURST).unwrap_or(label);
            if silent > 0 && !self.areas.iter().any(|area| area.idle && area.label == name) {
                return Some(format!("{silent} damages of {label} went unseen"));
            }
        }
        None
    }
}

/// The parts of a file of some length, and what is between them.
fn areas(parts: &[(What, Range<usize>)], length: usize) -> Vec<Area> {
    let mut areas = Vec::new();
    let mut add = |label: &str, place: Range<usize>, step: u64, idle: bool| {
        if !place.is_empty() {
            areas.push(Area { label: label.to_owned(), place, step, first: 0, idle });
        }
    };
    let mut end = 0;
    for (at, (what, part)) in parts.iter().enumerate() {
        add(FREE, end..part.start, SAMPLED, true);
        let log = matches!(what, What::LogCommit | What::LogPad);
        // One superblock says what the other says, and a pad says nothing.
        let idle = matches!(what, What::SuperblockA | What::SuperblockB | What::LogPad);
        add(&format!("{what:?}"), part.clone(), 1, idle);
        let next = parts.get(at + 1).map_or(length, |(_, next)| next.start);
        end = part.end.next_multiple_of(if log { UNIT } else { BLOCK }).min(next);
        add(if log { "zeros of a log unit" } else { "rest of a block" }, part.end..end, 1, true);
    }
    add(FREE, end..length, SAMPLED, true);
    areas
}

impl Trials for Bytes {
    fn total(&self) -> u64 {
        self.total
    }

    fn label(&self, number: u64) -> String {
        let place = self.place(number, &mut self.random(number));
        let burst = if number < self.single { "" } else { BURST };
        format!("{burst}{}", self.area(&place).label)
    }

    fn run(&self, number: u64) -> Result<Verdict, String> {
        let mut random = self.random(number);
        let place = self.place(number, &mut random);
        let (answer, mended) = self.damaged(number, place, random.u64(..));
        let answer = answer?;
        Ok(if mended && answer == Answer::Right { Verdict::Corrected } else { verdict(answer) })
    }
}

//! `cargo xtask soak`: what takes hours, again and again with other seeds until the time is over. Each round gives each tier its share of the time, and
//! each tier does as much in it as the last round says it can. A finding does not end a soak: the others go on.

use crate::sanitize::{self, Sanitizer};
use crate::{Result, cuts, flip, fuzz, images, isolation, kill, mutation, shuttle, sim};
use comfy_table::{CellAlignment, Table, presets};
use std::time::{Duration, Instant};

/// One kind of test.
struct Tier {
    name: &'static str,
    /// What is counted.
    unit: &'static str,
    /// Done in the first round, and at least in each: some seconds' worth, beside the build.
    least: u64,
    /// Of the time of a round.
    share: u32,
    /// Does so much, with this seed where it takes one. What it did.
    run: fn(u64, u64) -> Result<u64>,
    /// What this machine lacks.
    lacks: fn() -> Option<&'static str>,
}

const TIERS: [Tier; 14] = [
    Tier {
        name: "sim",
        unit: "simulated power cuts",
        least: 8000,
        share: 3,
        run: |count, seed| sim::run(count, Some(seed), processors(), false).map(|()| count),
        lacks: nothing,
    },
    Tier {
        name: "kill",
        unit: "kills",
        least: 60,
        share: 2,
        run: |count, _| kill(count).map(|()| count),
        lacks: nothing,
    },
    Tier {
        name: "images",
        unit: "images of ext4",
        least: 24,
        share: 2,
        run: |count, seed| images::run(count, Some(seed)).map(|()| count),
        lacks: images::lacks,
    },
    Tier {
        name: "cuts",
        unit: "emulated machines killed",
        least: 4,
        share: 2,
        run: |count, seed| cuts::run(count, Some(seed)).map(|()| count),
        lacks: cuts::lacks,
    },
    Tier {
        name: "flip",
        unit: "damages of each kind of file",
        least: 700,
        share: 1,
        run: |count, seed| flip([count, 64, seed], true).map(|()| count),
        lacks: nothing,
    },
    Tier {
        name: "fuzz",
        unit: "executions",
        least: 4,
        share: 3,
        // Counted in executions, asked for in seconds.
        run: |seconds, _| fuzz::run(seconds, None, false),
        lacks: nothing,
    },
    Tier {
        name: "isolation",
        unit: "transactions at each level",
        least: 20_000,
        share: 1,
        run: |count, seed| isolation(count, seed).map(|()| count),
        lacks: nothing,
    },
    Tier {
        name: "shuttle",
        unit: "schedules",
        least: 2000,
        share: 2,
        run: |count, _| shuttle::run(count).map(|()| count),
        lacks: nothing,
    },
    Tier {
        name: "sanitize",
        unit: "runs under ThreadSanitizer",
        least: 1,
        share: 1,
        run: |_, _| sanitize::run(Sanitizer::Thread).map(|()| 1),
        lacks: sanitize::lacks,
    },
    Tier {
        name: "address",
        unit: "runs under AddressSanitizer",
        least: 1,
        share: 1,
        run: |_, _| sanitize::run(Sanitizer::Address).map(|()| 1),
        lacks: nothing,
    },
    Tier {
        name: "leak",
        unit: "runs under LeakSanitizer",
        least: 1,
        share: 1,
        run: |_, _| sanitize::run(Sanitizer::Leak).map(|()| 1),
        lacks: nothing,
    },
    Tier {
        name: "planted",
        unit: "planted mistakes found",
        least: 1,
        share: 1,
        run: |_, seed| {
            sim::mutants(20_000, seed, None)?;
            shuttle::mutants(8000)?;
            Ok((sim::MUTANTS.len() + shuttle::MUTANTS.len()) as u64)
        },
        lacks: nothing,
    },
    Tier {
        name: "changed",
        unit: "changes of the code tried",
        least: 40,
        share: 2,
        run: |count, seed| mutation::run(&mutation::Wish::some(count, seed)),
        lacks: nothing,
    },
    Tier {
        name: "unwritten",
        unit: "runs under MemorySanitizer",
        least: 1,
        share: 1,
        run: |_, _| sanitize::run(Sanitizer::Memory).map(|()| 1),
        lacks: sanitize::lacks,
    },
];

/// Of a round, if the whole time is longer.
const ROUND: Duration = Duration::from_secs(3600);
/// The amount grows by so much from one round to the next, at most: the first one's time has the build in it.
const GROWTH: f64 = 8.0;

fn nothing() -> Option<&'static str> {
    None
}

fn processors() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u64)
}

/// What became of a tier.
struct Row<'a> {
    tier: &'a Tier,
    lacks: Option<&'static str>,
    /// Asked for in the next turn.
    amount: u64,
    turns: u64,
    done: u64,
    time: Duration,
    /// Turns that failed: when, with which seed, and what they said.
    findings: Vec<String>,
}

/// Runs until the time is over, at least one turn. Fails if something was found, or nothing ran.
pub(crate) fn run(hours: f64, only: &[String]) -> Result {
    let time = Duration::try_from_secs_f64(hours * 3600.0)?;
    if let Some(unknown) = only.iter().find(|name| TIERS.iter().all(|tier| tier.name != name.as_str())) {
        return Err(format!("there is no `{unknown}`: {}", TIERS.map(|tier| tier.name).join(", ")).into());
    }
    let chosen = TIERS.iter().filter(|tier| only.is_empty() || only.iter().any(|name| name == tier.name));
    let mut rows: Vec<Row<'_>> = chosen.map(Row::new).collect();
    let shares: u32 = rows.iter().filter(|row| row.lacks.is_none()).map(|row| row.tier.share).sum();
    let begun = Instant::now();
    let mut round = 0;
    while shares > 0 && begun.elapsed() < time {
        round += 1;
        for row in rows.iter_mut().filter(|row| row.lacks.is_none()) {
            let left = time.saturating_sub(begun.elapsed());
            if left.is_zero() {
                break;
            }
            let slice = time.min(ROUND) * row.tier.share / shares;
            row.turn(round, slice.min(left));
        }
    }
    println!("\n{round} rounds in {:.2} hours\n{}", begun.elapsed().as_secs_f64() / 3600.0, table(&rows));
    verdict(&rows)
}

impl<'a> Row<'a> {
    fn new(tier: &'a Tier) -> Self {
        let lacks = (tier.lacks)();
        Self { tier, lacks, amount: tier.least, turns: 0, done: 0, time: Duration::ZERO, findings: Vec::new() }
    }

    /// Fills such a slice of time, as far as the turns before say how much that is.
    fn turn(&mut self, round: u64, slice: Duration) {
        let seed = fastrand::u64(1..1 << 40);
        let (name, amount) = (self.tier.name, self.amount);
        println!("\n== round {round}, {name}: {amount}, seed {seed}, about {:.0} s", slice.as_secs_f64());
        let begun = Instant::now();
        let done = (self.tier.run)(amount, seed);
        let took = begun.elapsed();
        self.turns += 1;
        self.time += took;
        match done {
            Ok(done) => {
                self.done += done;
                self.amount = next(amount, took, slice).max(self.tier.least);
            }
            // It may have ended at once: how long so much takes is not known.
            Err(error) => {
                let error = error.to_string();
                println!("== FOUND in round {round}: {name}: {error}");
                let first = error.lines().next().unwrap_or_default();
                self.findings.push(format!("round {round}, {name} {amount}, seed {seed}: {first}"));
            }
        }
    }
}

/// The amount that fills a slice, if so much took so long.
fn next(amount: u64, took: Duration, slice: Duration) -> u64 {
    let factor = slice.as_secs_f64() / took.as_secs_f64().max(0.001);
    (amount as f64 * factor.min(GROWTH)) as u64
}

fn table(rows: &[Row<'_>]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["tier", "turns", "minutes", "done", "of what", "findings"]);
    for row in rows {
        let what = match row.lacks {
            Some(lacks) => format!("left out: {lacks}"),
            None => row.tier.unit.to_owned(),
        };
        let minutes = format!("{:.1}", row.time.as_secs_f64() / 60.0);
        let numbers = [row.turns.to_string(), minutes, row.done.to_string(), what, row.findings.len().to_string()];
        table.add_row([row.tier.name.to_owned()].into_iter().chain(numbers));
    }
    let numbers = table.column_iter_mut().enumerate().filter(|(number, _)| [1, 2, 3, 5].contains(number));
    numbers.for_each(|(_, column)| column.set_cell_alignment(CellAlignment::Right));
    table
}

fn verdict(rows: &[Row<'_>]) -> Result {
    let findings: Vec<&str> = rows.iter().flat_map(|row| &row.findings).map(String::as_str).collect();
    if !findings.is_empty() {
        return Err(format!("something was found:\n{}", findings.join("\n")).into());
    }
    let done: u64 = rows.iter().map(|row| row.done).sum();
    if done == 0 { Err("nothing ran".into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIER: Tier = Tier { name: "a", unit: "b", least: 10, share: 1, run: |count, _| Ok(count), lacks: nothing };

    #[test]
    fn amounts_fill_their_time() {
        let seconds = Duration::from_secs;
        assert_eq!(next(100, seconds(10), seconds(25)), 250);
        assert_eq!(next(100, seconds(10), seconds(1000)), 800);
        assert_eq!(next(100, seconds(10), seconds(1)), 10);
        let mut row = Row::new(&TIER);
        row.turn(1, Duration::ZERO);
        assert_eq!((row.turns, row.done, row.amount), (1, 10, 10));
    }

    #[test]
    fn findings_and_idleness_are_errors() {
        assert!(verdict(&[]).is_err());
        let mut row = Row::new(&TIER);
        assert!(verdict(std::slice::from_ref(&row)).is_err());
        row.turn(1, Duration::from_secs(1));
        verdict(std::slice::from_ref(&row)).unwrap();
        let failing = Tier { run: |_, _| Err("one\ntwo".into()), ..TIER };
        let mut other = Row::new(&failing);
        other.turn(2, Duration::from_secs(1));
        let error = verdict(&[row, other]).unwrap_err().to_string();
        assert!(error.contains("round 2, a 10, seed") && error.ends_with(": one"), "{error}");
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        assert!(run(0.1, &["simm".to_owned()]).is_err());
        assert!(run(-1.0, &[]).is_err());
    }
}

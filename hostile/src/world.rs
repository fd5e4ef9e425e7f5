//! A small file with every kind of page in it, as a crash leaves it, and what it must answer.

use std::collections::BTreeMap;
use tamarack::simulate::anatomy::{self, Part, What};
use tamarack::simulate::{Disk, raw};
use tamarack::{Database, Error, ErrorKind, Id, Record, Result, Schema, TableDef};

/// A record with indexes of each kind.
#[derive(Record, Debug, Clone, PartialEq)]
#[record(table = "people")]
#[record(index(city_age = (city, desc age)))]
pub struct Person {
    /// Assigned on insert.
    #[record(key(auto))]
    pub id: Id<Person>,
    /// One person's.
    #[record(unique)]
    pub email: String,
    /// One of a few.
    pub city: String,
    /// In years.
    pub age: u16,
    /// Words about them.
    #[record(index(each))]
    pub tags: Vec<String>,
}

/// What the file holds, besides plain tables.
#[derive(Schema)]
pub struct Town(Person);

const NUMBERS: TableDef<u32, u64> = TableDef::new("numbers");
const WORDS: TableDef<u32, Vec<u8>> = TableDef::new("words");
const CITIES: [&str; 3] = ["Bergen", "Bod\u{f8}", "Oslo"];
/// Rows of each table that a commit makes.
const ROWS: u32 = 12;
/// Commits of the world, and those of them that a checkpoint has.
const COMMITS: u32 = 23;
const CHECKPOINT: u32 = 18;
/// Bytes of a log record's header.
const RECORD_HEADER: usize = 64;
/// Numbers of one large commit.
const SPILLED: u32 = 1 << 20;

/// What the tables hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    people: BTreeMap<u64, Person>,
    numbers: Vec<(u32, u64)>,
    words: Vec<(u32, Vec<u8>)>,
    /// Whether the indexes say what the tables say.
    agreed: bool,
}

fn person(i: u32) -> Person {
    let tags = (0..i % 3).map(|tag| format!("tag{}", (i + tag) % 5)).collect();
    let city = CITIES[i as usize % CITIES.len()].to_owned();
    Person { id: Id::AUTO, email: format!("p{i}@example.org"), city, age: (i % 80) as u16, tags }
}

fn word(i: u32, long: bool) -> Vec<u8> {
    let length = match i {
        // More than one chunk.
        30 if long => 530_000,
        _ if i % 32 == 7 => 3000,
        _ => i % 40,
    };
    i.to_le_bytes().into_iter().cycle().take(length as usize).collect()
}

/// Makes commit `number`. `long`: one of them has a value of half a megabyte.
///
/// # Errors
/// As the database's.
pub fn commit(db: &Database<Town>, number: u32, long: bool) -> Result<()> {
    db.write(|tx| {
        let mut people = tx.table::<Person>()?;
        for i in number * ROWS..(number + 1) * ROWS {
            people.insert(person(i))?;
            tx.open_table(&NUMBERS)?.insert(i, u64::from(i) * 3)?;
            tx.open_table(&WORDS)?.insert(i, word(i, long))?;
        }
        people.remove(Id::new(u64::from(number * ROWS + 2)))?;
        people.update(Id::new(u64::from(number * ROWS + 3)), |person| person.city.push('!'))?;
        if number == COMMITS - 2 {
            // Not in memory until it commits.
            (0..200).try_for_each(|i| tx.open_table(&NUMBERS)?.insert(SPILLED + i, u64::from(i)).map(|_| ()))?;
        }
        Ok(())
    })
}

/// What the tables hold after so many commits.
fn expected(commits: u32, long: bool) -> State {
    let mut state = State { agreed: true, ..State::default() };
    for number in 0..commits {
        for i in number * ROWS..(number + 1) * ROWS {
            let id = u64::from(i) + 1;
            state.people.insert(id, Person { id: Id::new(id), ..person(i) });
            state.numbers.push((i, u64::from(i) * 3));
            state.words.push((i, word(i, long)));
        }
        state.people.remove(&u64::from(number * ROWS + 2));
        if let Some(person) = state.people.get_mut(&u64::from(number * ROWS + 3)) {
            person.city.push('!');
        }
    }
    if commits > COMMITS - 2 {
        state.numbers.extend((0..200).map(|i| (SPILLED + i, u64::from(i))));
    }
    state
}

/// Everything in the tables, read in both directions and through the indexes.
///
/// # Errors
/// As the database's.
pub fn read(db: &Database<Town>) -> Result<State> {
    db.read(|tx| {
        let table = tx.table::<Person>()?;
        let mut state = State { agreed: true, ..State::default() };
        for person in table.iter() {
            let person = person?;
            state.people.insert(person.id.get(), person);
        }
        let mut numbers: Vec<_> = tx.open_table(&NUMBERS)?.iter().rev().collect::<Result<_>>()?;
        numbers.reverse();
        state.numbers = numbers;
        state.words = tx.open_table(&WORDS)?.iter().collect::<Result<_>>()?;
        let mut found = 0;
        for city in CITIES {
            for city in [city.to_owned(), format!("{city}!")] {
                for person in table.query(Person::CITY_AGE.at(&city).range(0..200)).rev() {
                    let person = person?;
                    state.agreed &= state.people.get(&person.id.get()) == Some(&person) && person.city == city;
                    found += 1;
                }
            }
        }
        state.agreed &= found == state.people.len() && table.len()? == found as u64;
        for person in state.people.values().step_by(11) {
            state.agreed &= table.find(Person::EMAIL.at(&person.email))?.as_ref() == Some(person);
        }
        let tagged: usize = state.people.values().map(|person| person.tags.len()).sum();
        let mut entries = 0;
        for tag in 0..5 {
            entries +=
                table.query(Person::TAGS.at(format!("tag{tag}"))).keys().try_fold(0, |n, key| key.map(|_| n + 1))?;
        }
        state.agreed &= entries == tagged;
        Ok(state)
    })
}

/// How a damaged file was answered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Everything is there, and a check finds nothing.
    Right,
    /// An error says so, of opening, reading or writing.
    Detected,
    /// Everything is there, and a check says what is wrong.
    ByCheck,
    /// The state of an earlier commit: damage of the end of the log cannot be told from an end that a crash tore.
    Cut,
}

/// See the module.
pub struct World {
    /// The file, and what it was before its last commits and checkpoint.
    pub bytes: Vec<u8>,
    /// An earlier state of the file.
    pub before: Vec<u8>,
    /// What is where in it.
    pub parts: Vec<Part>,
    states: Vec<State>,
    long: bool,
}

impl World {
    /// Makes the file, the same each time; without the kinds of pages of very long values unless it is to be `long`.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn new(long: bool) -> Self {
        let disk = Disk::new(7);
        let run = || -> Result<Vec<u8>> {
            let db = open(&disk)?;
            (0..CHECKPOINT / 2).try_for_each(|number| commit(&db, number, long))?;
            db.checkpoint()?;
            let before = disk.bytes();
            (CHECKPOINT / 2..CHECKPOINT).try_for_each(|number| commit(&db, number, long))?;
            db.checkpoint()?;
            (CHECKPOINT..COMMITS).try_for_each(|number| commit(&db, number, long))?;
            disk.kill();
            Ok(before)
        };
        let before = run().unwrap_or_else(|error| panic!("{error}"));
        let bytes = disk.bytes();
        let parts = anatomy::parts(&bytes);
        Self { bytes, before, parts, states: (0..=COMMITS + 1).map(|commits| expected(commits, long)).collect(), long }
    }

    /// The fewest commits that may be left of a file with these bytes. Each record of the log says up to where the log was durable before it, and all
    /// commits here are synced: one whose header is whole proves that everything before it had been durable (I24). Only when no such one lies behind the first
    /// record that is damaged can that not be told from an end that a crash tore.
    #[must_use]
    pub fn least(&self, bytes: &[u8]) -> u32 {
        let hit = |part: &Part, length: usize| {
            let place = part.start..part.start + length;
            bytes.get(place.clone()) != self.bytes.get(place)
        };
        let (mut commits, mut left) = (CHECKPOINT, None);
        for part in self.parts.iter().filter(|part| matches!(part.what, What::LogCommit | What::LogPad)) {
            let commit = part.what == What::LogCommit;
            if left.is_some() && commit && !hit(part, RECORD_HEADER) {
                return COMMITS;
            }
            if left.is_none() && hit(part, part.length) {
                left = Some(commits);
            }
            commits += u32::from(commit);
        }
        left.filter(|_| bytes.len() >= self.bytes.len()).unwrap_or(COMMITS)
    }

    /// Opens a damaged copy of the file, reads all, checks all, and goes on working. `least`: how many commits there have to be, see
    /// [`least`](Self::least).
    ///
    /// # Errors
    /// The answer is wrong: the sentence says how.
    pub fn answer(&self, disk: &Disk, least: u32) -> Result<Answer, String> {
        let all = COMMITS as usize;
        let opened = open(disk).and_then(|db| read(&db).map(|state| (db, state)));
        let (db, state) = match opened {
            Ok(opened) => opened,
            Err(error) => return detected(&error),
        };
        let found = (CHECKPOINT as usize..=all).find(|&commits| self.states[commits] == state);
        let Some(commits) = found else { return Err("it answers with what was never there".to_owned()) };
        if commits < least as usize {
            return Err(format!("{} of {all} commits are gone, and nothing says so", all - commits));
        }
        let report = match db.check_with(&mut |_| {}) {
            Ok(report) => report,
            Err(error) => return detected(&error),
        };
        if !report.is_sound() {
            return Ok(Answer::ByCheck);
        }
        // What is damaged must not spread.
        let work = commit(&db, commits as u32, self.long).and_then(|()| db.close());
        let again = work.and_then(|()| open(disk)).and_then(|db| {
            db.check()?;
            read(&db)
        });
        match again {
            Ok(state) if state == self.states[commits + 1] => {}
            Ok(_) => return Err("what was committed on top is wrong".to_owned()),
            Err(error) => return detected(&error),
        }
        Ok(if commits < all { Answer::Cut } else { Answer::Right })
    }
}

/// Damage is told by errors of these kinds.
fn detected(error: &Error) -> Result<Answer, String> {
    tells(error).map(|()| Answer::Detected)
}

/// Whether an error tells of damage: one of reading, or that the database has ended, says nothing of the file.
///
/// # Errors
/// The sentence says what it tells instead.
pub fn tells(error: &Error) -> Result<(), String> {
    use ErrorKind as K;
    match error.kind() {
        K::Corrupt | K::LogDamaged | K::Truncated | K::NotADatabase | K::TooNew | K::Decode => Ok(()),
        kind => Err(format!("damage is told as {kind:?}: {error}")),
    }
}

/// Opens a file with small pages.
///
/// # Errors
/// As the database's.
pub fn open(disk: &Disk) -> Result<Database<Town>> {
    let (block, page, memory, write_buffer) = (512, 1024, 2 << 20, 3000);
    raw::open(disk, raw::Tiny { block, page, memory, write_buffer, snapshot_isolation: false, read_only: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_has_every_kind_of_part_and_answers_right() {
        let world = World::new(true);
        for what in What::ALL {
            assert!(world.parts.iter().any(|part| part.what == what), "{what:?}");
        }
        assert_eq!(world.answer(&Disk::holding(1, &world.bytes), COMMITS), Ok(Answer::Right));
        assert!(world.bytes == World::new(true).bytes);
    }

    /// The judge judges: an older state of the whole file is what no damage of one place may lead to.
    #[test]
    fn a_wrong_answer_is_told() {
        let world = World::new(true);
        let older = world.answer(&Disk::holding(1, &world.before), 0);
        assert!(older.unwrap_err().contains("never there"));
        let cut = world.damaged(&[(world.records() - 1, 20)]);
        assert_eq!(world.answer(&Disk::holding(1, &cut), world.least(&cut)), Ok(Answer::Cut));
        assert!(world.answer(&Disk::holding(1, &cut), COMMITS).unwrap_err().contains("gone"));
    }

    /// I24: damage in front of a record that is whole is told, and damage of all that follows is taken for a torn end.
    #[test]
    fn i24_only_what_no_later_record_proves_may_be_cut() {
        let world = World::new(true);
        let last = world.records() - 1;
        assert_eq!(last, (COMMITS - CHECKPOINT - 1) as usize);
        assert_eq!(world.least(&world.bytes), COMMITS);
        for first in 0..last {
            for at in [0, 60, 100] {
                let damaged = world.damaged(&[(first, at)]);
                assert_eq!(world.least(&damaged), COMMITS, "{first}");
                assert_eq!(world.answer(&Disk::holding(1, &damaged), COMMITS), Ok(Answer::Detected), "{first}, {at}");
            }
            // A body that is damaged leaves the header, which is the proof.
            let behind = |at| world.damaged(&(first..=last).map(|record| (record, at)).collect::<Vec<_>>());
            let bodies = behind(100);
            assert_eq!(world.least(&bodies), COMMITS);
            assert_eq!(world.answer(&Disk::holding(1, &bodies), COMMITS), Ok(Answer::Detected));
            let torn = behind(20);
            assert_eq!(world.least(&torn), CHECKPOINT + first as u32);
            assert_eq!(world.answer(&Disk::holding(1, &torn), CHECKPOINT + first as u32), Ok(Answer::Cut));
            assert!(world.answer(&Disk::holding(1, &torn), COMMITS).unwrap_err().contains("gone"));
        }
        assert_eq!(world.least(&world.bytes[..world.bytes.len() - 1]), COMMITS);
    }

    impl World {
        fn commits(&self) -> impl Iterator<Item = &Part> {
            self.parts.iter().filter(|part| part.what == What::LogCommit)
        }

        fn records(&self) -> usize {
            self.commits().count()
        }

        /// With a bit flipped in each of these bytes: a record's number, and the byte in it.
        fn damaged(&self, places: &[(usize, usize)]) -> Vec<u8> {
            let mut bytes = self.bytes.clone();
            for &(record, at) in places {
                bytes[self.commits().nth(record).unwrap().start + at] ^= 1;
            }
            bytes
        }
    }
}

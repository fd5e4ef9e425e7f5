//! The atlas: 34,000 cities of GeoNames in one file, asked by typed indexes, and still there after closing.
//!
//! ```text
//! cargo run --release --example atlas
//! cargo run --release --example atlas -- --country BR --prefix "Porto"
//! cargo run --release --example atlas -- --import my-cities.tsv
//! ```
//!
//! `atlas/city.rs` holds the record and the schema, `atlas/lines.rs` reads the text, `atlas/ask.rs` asks.

#![allow(clippy::disallowed_methods, reason = "a program: it tells the time and opens the user's files")]

#[path = "atlas/ask.rs"]
mod ask;
#[path = "atlas/city.rs"]
mod city;
#[path = "atlas/lines.rs"]
mod lines;

use ask::Questions;
use city::{Atlas, City};
use clap::Parser;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use lines::Source;
use std::{
    error::Error,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};
use tamarack::Database;

/// Errors of the store, of the text, and of files alike.
type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Stores the cities of the world above 15,000 people in one file and asks for some of them.
#[derive(Parser)]
#[command(name = "atlas")]
struct Arguments {
    /// The database. An atlas that is there is asked as it is; a file that holds something else is left alone.
    #[arg(long, default_value = "atlas.tam")]
    file: PathBuf,
    /// Adds the cities of this text (plain or gzip) to the atlas; a city with a known id is replaced.
    #[arg(long, value_name = "TEXT")]
    import: Option<PathBuf>,
    #[command(flatten)]
    questions: Questions,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if nobody_listens(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Who reads the output may stop at any time, as `head` does: nothing is wrong then, and what was stored stays.
fn nobody_listens(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(arguments: &Arguments) -> Result {
    let file = &arguments.file;
    let (db, opening) = timed(|| open(file))?;
    writeln!(io::stdout(), "opened {} in {opening:.2?}", file.display())?;
    let before = count(&db)?;
    match &arguments.import {
        Some(path) => import(&db, before, &Source::File(path.clone()))?,
        None if before == 0 => import(&db, before, &Source::Included)?,
        None => writeln!(io::stdout(), "it holds {} cities already, which are asked as they are", HumanCount(before))?,
    }
    arguments.questions.ask(&db)?;

    let ((), closing) = timed(|| db.close())?;
    let bytes = HumanBytes(fs::metadata(file)?.len());
    writeln!(io::stdout(), "\nclosed in {closing:.2?}: {} holds {bytes}", full(file).display())?;

    let (db, opening) = timed(|| Database::<Atlas>::open(file))?;
    writeln!(io::stdout(), "opened again in {opening:.2?}: {} cities\n", HumanCount(count(&db)?))?;
    arguments.questions.ask(&db)?;
    db.close()?;
    writeln!(io::stdout(), "\nThe atlas is in {}; --help says what else to ask.", full(file).display())?;
    Ok(())
}

/// Adds the cities of a text to those that were there before.
fn import(db: &Database<Atlas>, before: u64, source: &Source) -> Result {
    let (stored, storing) = timed(|| store(db, source)).map_err(|error| {
        format!("{error}\nnothing of it was stored: the atlas still holds {} cities", HumanCount(before))
    })?;
    let rate = HumanCount((stored as f64 / storing.as_secs_f64()) as u64);
    writeln!(
        io::stdout(),
        "stored {} cities with their indexes in one synced transaction in {storing:.2?}, {rate} a second",
        HumanCount(stored)
    )?;
    Ok(())
}

/// Stores all cities of a text in one transaction. A line that is wrong rolls all of it back.
fn store(db: &Database<Atlas>, source: &Source) -> Result<u64> {
    let bar = ProgressBar::new(source.bytes()?);
    bar.set_style(ProgressStyle::with_template("{bar:40} {percent:>3} % {elapsed_precise} {msg}")?);
    let stored = db.try_write(|tx| {
        let mut cities = tx.table::<City>()?;
        let mut stored = 0;
        for city in source.cities(&bar)? {
            cities.upsert(city?)?;
            stored += 1;
            if stored % 500 == 0 {
                bar.set_message(format!("{} cities", HumanCount(stored)));
            }
        }
        bar.set_message("writing to the device");
        Ok::<_, Box<dyn Error + Send + Sync>>(stored)
    });
    bar.finish_and_clear();
    stored
}

/// Opens the atlas, or makes one. Whether a file that is there holds an atlas is asked without changing it.
fn open(file: &Path) -> Result<Database<Atlas>> {
    if file.exists()
        && let Err(error) = Database::<Atlas>::open_read_only(file).and_then(Database::close)
    {
        let advice = "it is left as it is; name another file with --file";
        return Err(format!("{} exists and does not open as an atlas: {error}\n{advice}", file.display()).into());
    }
    Ok(Database::open(file)?)
}

fn count(db: &Database<Atlas>) -> Result<u64> {
    Ok(db.read(|tx| tx.table::<City>()?.len())?)
}

fn timed<T, E: Into<Box<dyn Error + Send + Sync>>>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, Duration)> {
    let start = Instant::now();
    let done = work().map_err(Into::into)?;
    Ok((done, start.elapsed()))
}

fn full(file: &Path) -> PathBuf {
    fs::canonicalize(file).unwrap_or_else(|_| file.to_owned())
}

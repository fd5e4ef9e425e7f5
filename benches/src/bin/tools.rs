//! Time and memory of the program `tamarack` on a file: check, backup, restore, salvage, compact. `cargo xtask tools` runs it.

#![allow(clippy::disallowed_methods, reason = "clocks, programs and files are what a measurement is made of")]

use clap::{Parser, ValueEnum};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use indicatif::ProgressBar;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use tamarack::{Database, Id, Options, Record, Schema};
use wait4::Wait4;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Runs each command of the program on a file, damaged in the middle of it, and prints what they say, and their time and memory.
#[derive(Parser)]
struct Arguments {
    /// The program [default: the one beside this one].
    #[arg(long)]
    program: Option<PathBuf>,
    /// A file that somebody else made; it is copied. Without it one of messages is made.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Does this to the file, in a process of its own: what a parent had in memory would count for its children.
    #[arg(long, value_enum, hide = true, requires = "file")]
    step: Option<Step>,
    /// Bytes of that one, in MiB, about.
    #[arg(long, default_value_t = 1024)]
    mebibytes: u64,
    /// Where all files are made (and removed again).
    #[arg(long, default_value = "target")]
    dir: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Step {
    Make,
    Change,
    Thin,
}

impl Step {
    fn perform(self, path: &Path, count: u64) -> Result<()> {
        match self {
            Self::Make => make(path, count),
            Self::Change => change(path, count),
            Self::Thin => thin(path, count),
        }
    }
}

/// What the made file holds: about 300 bytes each, two indexes included.
#[derive(Record, Debug, Clone)]
#[record(table = "messages")]
struct Message {
    #[record(key(auto))]
    id: Id<Message>,
    #[record(index)]
    author: u32,
    #[record(index)]
    sent: u64,
    text: String,
}

#[derive(Schema)]
struct Mail(Message);

const BYTES: u64 = 300;
/// Sectors of noise that damage a file.
const NOISE: u64 = 40;

fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn message(i: u64) -> Message {
    const WORDS: [&str; 8] = ["store", "page", "the", "of", "checkpoint", "snow", "a", "river"];
    let text = (0..30).map(|word| WORDS[(mix(i * 64 + word) % 8) as usize]).collect::<Vec<_>>().join(" ");
    Message { id: Id::AUTO, author: (mix(i) % 50_000) as u32, sent: mix(!i) >> 20, text }
}

fn make(path: &Path, count: u64) -> Result<()> {
    let db: Database<Mail> = Options::new().memory(1 << 30).open(path)?;
    let bar = ProgressBar::new(count);
    for first in (0..count).step_by(50_000) {
        db.write(|tx| {
            let mut messages = tx.table::<Message>()?;
            (first..(first + 50_000).min(count)).try_for_each(|i| messages.insert(message(i)).map(drop))
        })?;
        bar.set_position(first);
    }
    bar.finish_and_clear();
    Ok(db.close()?)
}

/// One message in a hundred gets another author.
fn change(path: &Path, count: u64) -> Result<()> {
    let db: Database<Mail> = Database::open(path)?;
    db.write(|tx| {
        let mut messages = tx.table::<Message>()?;
        (1..count).step_by(100).try_for_each(|id| messages.update(Id::new(id), |one| one.author ^= 1).map(drop))
    })?;
    Ok(db.close()?)
}

/// Two of three messages go.
fn thin(path: &Path, count: u64) -> Result<()> {
    let db: Database<Mail> = Options::new().memory(1 << 30).open(path)?;
    for first in (1..count).step_by(60_000) {
        db.write(|tx| {
            let mut messages = tx.table::<Message>()?;
            let ids = (first..(first + 60_000).min(count)).filter(|id| id % 3 > 0);
            ids.into_iter().try_for_each(|id| messages.remove(Id::new(id)).map(drop))
        })?;
    }
    Ok(db.close()?)
}

/// Noise behind the superblocks.
fn damage(path: &Path) -> Result<()> {
    let mut file = File::options().write(true).open(path)?;
    let sectors = file.metadata()?.len() / 512;
    for n in 0..NOISE {
        let noise: Vec<u8> = (0..64).flat_map(|i| mix(n * 64 + i + 1).to_le_bytes()).collect();
        file.seek(SeekFrom::Start((64 + mix(n) % (sectors - 64)) * 512))?;
        file.write_all(&noise)?;
    }
    Ok(())
}

/// The runs of the program, as rows and as what they said.
struct Runs<'a> {
    program: &'a Path,
    folder: &'a Path,
    table: Table,
    said: Vec<(String, String)>,
}

impl Runs<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs it in the folder. `watched` is the file whose length is shown, before and after. Fails unless it ends with one of the codes.
    fn run(&mut self, arguments: &[&str], watched: &str, codes: &[i32]) -> Result<()> {
        let before = length(&self.path(watched));
        let started = Instant::now();
        let mut child = Command::new(self.program)
            .args(arguments)
            .current_dir(self.folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut said = String::new();
        child.stdout.take().ok_or("no output")?.read_to_string(&mut said)?;
        let ended = child.wait4()?;
        let time = started.elapsed();
        let code = ended.status.code().unwrap_or(-1);
        let command = format!("tamarack {}", arguments.join(" "));
        let mebibytes = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
        self.table.add_row([
            command.clone(),
            format!("{:.2}", time.as_secs_f64()),
            format!("{:.2}", (ended.rusage.utime + ended.rusage.stime).as_secs_f64()),
            mebibytes(ended.rusage.maxrss),
            mebibytes(before),
            mebibytes(length(&self.path(watched))),
            code.to_string(),
        ]);
        self.said.push((command.clone(), said));
        if codes.contains(&code) { Ok(()) } else { Err(format!("`{command}` ended with {code}").into()) }
    }

    fn print(&self) {
        const SCREENFUL: usize = 24;
        for (command, said) in &self.said {
            println!("\n$ {command}");
            let lines: Vec<&str> = said.lines().collect();
            lines.iter().take(SCREENFUL).for_each(|line| println!("{line}"));
            if lines.len() > SCREENFUL {
                println!("... and {} lines more", lines.len() - SCREENFUL);
            }
        }
        println!("\n{}", self.table);
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Has a step done to a file of so many MiB.
fn step(step: Step, file: &Path, mebibytes: u64) -> Result<()> {
    let name = step.to_possible_value().ok_or("a step without a name")?;
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--step", name.get_name(), "--mebibytes", &mebibytes.to_string()]).arg("--file").arg(file);
    if child.status()?.success() { Ok(()) } else { Err(format!("{step:?} failed").into()) }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let size = arguments.mebibytes;
    if let (Some(step), Some(file)) = (arguments.step, &arguments.file) {
        return step.perform(file, (size << 20) / BYTES);
    }
    std::fs::create_dir_all(&arguments.dir)?;
    let folder = tempfile::tempdir_in(&arguments.dir)?;
    let beside = std::env::current_exe()?.with_file_name(format!("tamarack{}", std::env::consts::EXE_SUFFIX));
    let program = arguments.program.clone().unwrap_or(beside).canonicalize()?;
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["command", "seconds", "of cores", "peak memory, MiB", "file, MiB", "then", "code"]);
    let mut runs = Runs { program: &program, folder: folder.path(), table, said: Vec::new() };
    let file = runs.path("big.tam");
    let ours = arguments.file.is_none();
    match &arguments.file {
        Some(other) => drop(fs::copy(other, &file)?),
        None => step(Step::Make, &file, size)?,
    }
    runs.run(&["check", "big.tam"], "big.tam", &[0])?;
    runs.run(&["backup", "big.tam", "--to", "full.bak"], "full.bak", &[0])?;
    let mut restore = vec!["restore", "full.bak", "--into", "new.tam"];
    if ours {
        step(Step::Change, &file, size)?;
        runs.run(&["backup", "big.tam", "--to", "more.bak", "--since", "full.bak"], "more.bak", &[0])?;
        restore.insert(2, "more.bak");
    }
    runs.run(&restore, "new.tam", &[0])?;
    runs.run(&["check", "new.tam"], "new.tam", &[0])?;
    damage(&runs.path("new.tam"))?;
    runs.run(&["check", "new.tam"], "new.tam", &[1])?;
    runs.run(&["salvage", "new.tam", "--into", "saved.tam"], "saved.tam", &[0, 1])?;
    runs.run(&["check", "saved.tam"], "saved.tam", &[0])?;
    if ours {
        step(Step::Thin, &file, size)?;
    }
    runs.run(&["compact", "big.tam"], "big.tam", &[0])?;
    runs.run(&["check", "big.tam"], "big.tam", &[0])?;
    runs.print();
    Ok(())
}
